// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>

namespace runnel::inline v0::detail {

// The one home of block memory: every block of elements comes from here and goes back here, so
// that another source of memory can be put in its place.
//
// What is to begin on a line of the cache is placed by hand within something larger: operator new
// with an alignment would cut a piece off at either end of each block, and malloc gets slower by a
// tenth with those strewn among the messages.
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
    // What malloc gives anyway. So there is room in front of what is placed, to tell by how much.
    static constexpr std::size_t usual = __STDCPP_DEFAULT_NEW_ALIGNMENT__;
    static_assert(usual >= sizeof(std::size_t));

    static std::uintptr_t address(const void* memory) noexcept {
        return reinterpret_cast<std::uintptr_t>(memory);
    }

    static void give_back(void* memory, [[maybe_unused]] std::size_t bytes,
                          std::size_t alignment) noexcept {
#if defined(__cpp_sized_deallocation)
        ::operator delete (memory, bytes, std::align_val_t{alignment});
#else  // clang before 19, unless told otherwise
        ::operator delete (memory, std::align_val_t{alignment});
#endif
    }
};

// How many slots of `slot_bytes` a block has: few at first, so that ten thousand short containers
// stay small, then twice as many each time, up to 4 KiB a block and what its alignment takes.
class BlockGrowth {
public:
    static constexpr std::size_t largest_block = 4096;
    static constexpr std::uint32_t first_slots = 8;

    static constexpr std::uint32_t most(std::size_t header_bytes, std::size_t slot_bytes) noexcept {
        const std::size_t room = largest_block - std::min(header_bytes, largest_block);
        return static_cast<std::uint32_t>(std::max<std::size_t>(1, room / slot_bytes));
    }

    static constexpr std::uint32_t after(std::uint32_t slots, std::uint32_t most,
                                         std::uint32_t first = first_slots) noexcept {
        return std::min(most, slots == 0 ? first : 2 * slots);
    }
};

}  // namespace runnel::inline v0::detail
