// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

namespace runnel::inline v0::detail {

// Every block of elements is allocated and released here, so that another source of memory can be
// put in its place.
//
// A block that has to begin on a cache line is placed by hand in a larger piece of memory. operator
// new with an alignment would cut a fragment off at either end of each block, and these fragments
// between the messages make malloc a tenth slower.
class BlockMemory {
public:
    static void* allocate(std::size_t bytes, std::size_t alignment) {
        if (alignment <= usual) return ::operator new (bytes, std::align_val_t{alignment});
        auto* const whole =
            static_cast<std::byte*>(::operator new (bytes + alignment, std::align_val_t{usual}));
        const std::size_t offset = alignment - address(whole) % alignment;
        std::memcpy(whole + offset - sizeof offset, &offset, sizeof offset);
        return whole + offset;
    }

    static void release(void* memory, std::size_t bytes, std::size_t alignment) noexcept {
        if (alignment <= usual) return give_back(memory, bytes, alignment);
        std::size_t offset = 0;
        auto* const placed = static_cast<std::byte*>(memory);
        std::memcpy(&offset, placed - sizeof offset, sizeof offset);
        give_back(placed - offset, bytes + alignment, usual);
    }

private:
    // The alignment that malloc gives anyway. It leaves room for the offset in front of a placed
    // block.
    static constexpr std::size_t usual = __STDCPP_DEFAULT_NEW_ALIGNMENT__;
    static_assert(usual >= sizeof(std::size_t));

    static std::uintptr_t address(const void* memory) noexcept {
        return reinterpret_cast<std::uintptr_t>(memory);
    }

    static void give_back(void* memory, [[maybe_unused]] std::size_t bytes,
                          std::size_t alignment) noexcept {
#if defined(__cpp_sized_deallocation)
        ::operator delete (memory, bytes, std::align_val_t{alignment});
#else  // clang before 19, without -fsized-deallocation
        ::operator delete (memory, std::align_val_t{alignment});
#endif
    }
};

// How many slots of `slot_bytes` a block has. Few at first, so that ten thousand short containers
// stay small; then twice as many each time, up to 4 KiB per block plus its alignment.
class BlockGrowth {
public:
    static constexpr std::size_t largest_block = 4096;
    static constexpr std::uint32_t first_slots = 8;

    static constexpr std::uint32_t most(std::size_t header_bytes, std::size_t slot_bytes) noexcept {
        const std::size_t room = largest_block - std::min(header_bytes, largest_block);
        return static_cast<std::uint32_t>(std::max<std::size_t>(1, room / slot_bytes));
    }

    static constexpr std::uint32_t after(std::uint32_t count, std::uint32_t most,
                                         std::uint32_t first = first_slots) noexcept {
        return std::min(most, count == 0 ? first : 2 * count);
    }
};

}  // namespace runnel::inline v0::detail
