// SPDX-License-Identifier: MIT
#pragma once

// Memory that runs out when a test says so. Replaces operator new, so it belongs into one file of a
// program.

#include "support/catch.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <new>

namespace runnel::test {

// The memory of this thread: so many more requests are granted.
struct Memory {
    static inline thread_local long granted = 0;
    static inline thread_local bool is_limited = false;
    static inline thread_local bool comes_back = false;
    static inline thread_local bool ran_out = false;
    static inline thread_local long live = 0;            // granted and not given back
    static inline thread_local std::size_t largest = 0;  // request, in bytes

    static bool is_refused() {
        if (!is_limited || granted-- > 0) return false;
        ran_out = true;
        is_limited = !comes_back;
        granted = 0;
        return true;
    }
};

enum class Shortage { once, lasting };

// After `granted` requests the next one is refused, or it and all that follow.
class MemoryRunsOut {
public:
    explicit MemoryRunsOut(long granted, Shortage shortage = Shortage::lasting) {
        Memory::granted = granted;
        Memory::comes_back = shortage == Shortage::once;
        Memory::ran_out = false;
        Memory::is_limited = true;
    }
    MemoryRunsOut(const MemoryRunsOut&) = delete;
    MemoryRunsOut& operator=(const MemoryRunsOut&) = delete;
    ~MemoryRunsOut() { Memory::is_limited = false; }
};

inline void* allocate(std::size_t bytes, std::size_t alignment) {
    if (Memory::is_refused()) throw std::bad_alloc{};
    Memory::largest = std::max(Memory::largest, bytes);
    const std::size_t whole = (bytes + alignment - 1) / alignment * alignment;
    void* const memory = std::aligned_alloc(alignment, whole == 0 ? alignment : whole);
    if (memory == nullptr) throw std::bad_alloc{};
    ++Memory::live;
    return memory;
}
inline void release(void* memory) noexcept {
    if (memory != nullptr) --Memory::live;
    std::free(memory);
}

/// Calls `attempt` so often that it runs out of memory at each of its requests.
template <typename Try>
void at_every_request(const Try& attempt) {
    for (const Shortage shortage : {Shortage::once, Shortage::lasting}) {
        for (long granted = 0; granted != 1'000; ++granted) {
            CAPTURE(granted, shortage == Shortage::lasting);
            Memory::ran_out = false;
            attempt(granted, shortage);
            if (!Memory::ran_out) break;
        }
    }
}

}  // namespace runnel::test

// Not inlined: g++ would believe that new and free() do not belong together.
[[gnu::noinline]] void* operator new(std::size_t bytes) {
    return runnel::test::allocate(bytes, __STDCPP_DEFAULT_NEW_ALIGNMENT__);
}
[[gnu::noinline]] void* operator new(std::size_t bytes, std::align_val_t alignment) {
    return runnel::test::allocate(bytes, static_cast<std::size_t>(alignment));
}
[[gnu::noinline]] void* operator new(std::size_t bytes, const std::nothrow_t&) noexcept {
    try {
        return operator new(bytes);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
    runnel::test::release(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
    runnel::test::release(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::align_val_t) noexcept {
    runnel::test::release(memory);
}
[[gnu::noinline]] void operator delete(void* memory, std::size_t, std::align_val_t) noexcept {
    runnel::test::release(memory);
}

// Else these would be the sanitizers' own.
[[gnu::noinline]] void* operator new[](std::size_t bytes) {
    return operator new(bytes);
}
[[gnu::noinline]] void operator delete[](void* memory) noexcept {
    operator delete(memory);
}
[[gnu::noinline]] void operator delete[](void* memory, std::size_t) noexcept {
    operator delete(memory);
}
