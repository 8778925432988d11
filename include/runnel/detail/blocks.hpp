// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>

namespace runnel::inline v0::detail {

// The one home of block memory: every block of elements comes from here and goes back here, so
// that another source of memory can be put in its place.
struct BlockMemory {
    static void* allocate(std::size_t bytes, std::size_t alignment) {
        return ::operator new (bytes, std::align_val_t{alignment});
    }

    static void release(void* memory, [[maybe_unused]] std::size_t bytes,
                        std::size_t alignment) noexcept {
#if defined(__cpp_sized_deallocation)
        ::operator delete (memory, bytes, std::align_val_t{alignment});
#else  // clang before 19, unless told otherwise
        ::operator delete (memory, std::align_val_t{alignment});
#endif
    }
};

// How many slots of `slot_bytes` a block has: few at first, so that ten thousand short containers
// stay small, then twice as many each time, up to 4 KiB a block.
class BlockGrowth {
public:
    static constexpr std::size_t largest_block = 4096;
    static constexpr std::size_t first_slots = 8;

    static constexpr std::uint32_t most(std::size_t header_bytes, std::size_t slot_bytes) noexcept {
        const std::size_t room = largest_block - std::min(header_bytes, largest_block);
        return static_cast<std::uint32_t>(std::max<std::size_t>(1, room / slot_bytes));
    }

    static constexpr std::uint32_t after(std::uint32_t slots, std::uint32_t most) noexcept {
        return std::min(most, slots == 0 ? std::uint32_t{first_slots} : 2 * slots);
    }
};

}  // namespace runnel::inline v0::detail
