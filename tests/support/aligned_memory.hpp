// SPDX-License-Identifier: MIT
#pragma once

// Memory for blocks and nodes, the only things that ask for aligned memory: counted, and out when a
// test says so. Replaces the aligned operator new, so it belongs into one file of a program.

#include <cstddef>
#include <cstdlib>
#include <new>
#include <vector>

namespace runnel::test {

struct AlignedMemory {
    static inline long live = 0;         // requests that were granted and not given back
    static inline long live_blocks = 0;  // of those, log blocks: nodes begin on a cache line
    static inline long ever = 0;         // requests that were granted
    static inline long bytes = 0;        // of the live ones that are given back with their size
    static inline long left = -1;        // so many more are granted; below 0: all
    // If there is one, what is given back goes there and stays as it is, so that a look into it
    // finds what was there.
    static inline std::vector<void*>* dead = nullptr;

    static bool is_block(std::align_val_t alignment) {
        return alignment == std::align_val_t{__STDCPP_DEFAULT_NEW_ALIGNMENT__};
    }

    static void* take(std::size_t size, std::align_val_t alignment) {
        if (left == 0) throw std::bad_alloc{};
        if (left > 0) --left;
        const auto unit = static_cast<std::size_t>(alignment);
        void* const memory = std::aligned_alloc(unit, (size + unit - 1) / unit * unit);
        if (memory == nullptr) throw std::bad_alloc{};
        ++live;
        ++ever;
        if (is_block(alignment)) ++live_blocks;
        bytes += static_cast<long>(size);
        return memory;
    }
    static void give_back(void* memory, std::size_t size, std::align_val_t alignment) noexcept {
        if (memory == nullptr) return;
        --live;
        if (is_block(alignment)) --live_blocks;
        bytes -= static_cast<long>(size);
        if (dead != nullptr) return dead->push_back(memory);
        std::free(memory);
    }
};

// Meanwhile so many more requests are granted.
class AlignedMemoryLeft {
public:
    explicit AlignedMemoryLeft(long count) { AlignedMemory::left = count; }
    AlignedMemoryLeft(const AlignedMemoryLeft&) = delete;
    AlignedMemoryLeft& operator=(const AlignedMemoryLeft&) = delete;
    ~AlignedMemoryLeft() { AlignedMemory::left = -1; }
};

}  // namespace runnel::test

// Not inlined: g++ would believe that new and free() do not belong together.
[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t alignment) {
    return runnel::test::AlignedMemory::take(bytes, alignment);
}
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t alignment) noexcept {
    runnel::test::AlignedMemory::give_back(memory, 0, alignment);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t bytes,
                                       std::align_val_t alignment) noexcept {
    runnel::test::AlignedMemory::give_back(memory, bytes, alignment);
}
