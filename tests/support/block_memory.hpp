// SPDX-License-Identifier: MIT
#pragma once

// Counts the log blocks whose memory is alive. Replaces the aligned operator new, so it belongs
// into one file of a program; what is to begin on a line of the cache, as only they are, is known
// by the alignment that BlockMemory asks for then.

#include <cstddef>
#include <cstdlib>
#include <new>

namespace runnel::test {

struct Blocks {
    static inline long live = 0;
    static inline bool refused = false;  // there is no more memory for them

    static bool is_one(std::align_val_t alignment) {
        return alignment == std::align_val_t{__STDCPP_DEFAULT_NEW_ALIGNMENT__};
    }
};

}  // namespace runnel::test

[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t alignment) {
    using runnel::test::Blocks;
    if (Blocks::refused) throw std::bad_alloc{};
    const auto unit = static_cast<std::size_t>(alignment);
    void* const memory = std::aligned_alloc(unit, (bytes + unit - 1) / unit * unit);
    if (memory == nullptr) throw std::bad_alloc{};
    if (Blocks::is_one(alignment)) ++Blocks::live;
    return memory;
}
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t alignment) noexcept {
    using runnel::test::Blocks;
    if (memory != nullptr && Blocks::is_one(alignment)) --Blocks::live;
    std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t,
                                       std::align_val_t alignment) noexcept {
    operator delete(memory, alignment);
}
