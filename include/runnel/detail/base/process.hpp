// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <pthread.h>
#include <sys/types.h>
#include <unistd.h>

namespace runnel::inline v0::detail {

// The id of this process, without asking the system each time. Whatever lists threads notes in
// which process it was written: a child of fork() inherits the list and not the threads. The number
// is the same in every image of the process, and is brought up to date in each by a handler that
// the C library calls in the child; so a child of a bare system call is not noticed.
class Process {
public:
    [[nodiscard]] static pid_t id() noexcept {
        const pid_t known = id_.load(std::memory_order_relaxed);
        return known != 0 ? known : ask();
    }

private:
    [[gnu::noinline]] static pid_t ask() noexcept {
        // Without memory for the handler it is asked for again, each time.
        static const bool is_followed = pthread_atfork(nullptr, nullptr, note) == 0;
        if (is_followed) note();
        return getpid();
    }
    static void note() noexcept { id_.store(getpid(), std::memory_order_relaxed); }

    // NOLINTNEXTLINE(readability-identifier-naming)
    static inline constinit std::atomic<pid_t> id_ = 0;
};

}  // namespace runnel::inline v0::detail
