// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/atomic.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>

#if !defined(__linux__)
#    error                                                                                         \
        "runnel: this platform has no detail/base/futex.hpp yet; it needs wait, wait_until and wake"
#endif

#include <linux/futex.h>
#include <sys/syscall.h>
#include <thread>
#include <time.h>
#include <unistd.h>

namespace runnel::inline v0::detail {

// The one file that knows how this platform puts a thread to sleep on a 32-bit word. We do not use
// std::atomic::wait: it has no time-out, and libstdc++'s spins and shares one table of waiters.
using FutexWord = Atomic<std::uint32_t>;
static_assert(sizeof(FutexWord) == sizeof(std::uint32_t));

// Sleeps while `word` holds `expected`. May return early: callers loop.
inline void futex_wait(FutexWord& word, std::uint32_t expected) noexcept {
    syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, expected, nullptr, nullptr, 0);
}

// The same, but no longer than until `deadline`.
inline void futex_wait_until(FutexWord& word, std::uint32_t expected,
                             std::chrono::steady_clock::time_point deadline) noexcept {
    // The kernel refuses times before its clock began.
    const auto since_boot = std::max(deadline, {}).time_since_epoch();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since_boot);
    timespec until{};
    until.tv_sec = static_cast<time_t>(
        std::min<std::int64_t>(seconds.count(), std::numeric_limits<time_t>::max()));
    until.tv_nsec =
        std::chrono::duration_cast<std::chrono::nanoseconds>(since_boot - seconds).count();
    syscall(SYS_futex, &word, FUTEX_WAIT_BITSET_PRIVATE, expected, &until, nullptr,
            FUTEX_BITSET_MATCH_ANY);
}

// Wakes one sleeper of `word`, which need not exist any more: the kernel looks at the address only.
inline void futex_wake_one(FutexWord& word) noexcept {
    syscall(SYS_futex, &word, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0);
}

// Tells the core that this thread is polling.
inline void pause() noexcept {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
    asm volatile("yield");
#endif
}

// Lets another thread have the core: for a thread that polls for what that is about to do.
inline void give_way() noexcept {
    std::this_thread::yield();
}

}  // namespace runnel::inline v0::detail
