// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/atomic.hpp>

#include <pthread.h>
#include <sys/types.h>
#include <unistd.h>

namespace runnel::inline v0::detail {

// The id of this process, without a system call each time. A list of threads records the process
// that wrote it: a child of fork() inherits the list, but not the threads. Each image keeps the
// number and updates it in a handler that the C library calls in the child. A child of a bare
// system call is not noticed.
class Process {
public:
    [[nodiscard]] static pid_t id() noexcept {
        const pid_t known = id_.load(std::memory_order_relaxed);
        return known != 0 ? known : ask();
    }

private:
    [[gnu::noinline]] static pid_t ask() noexcept {
        // Without memory for the handler the id is not kept: every call asks the system.
        static const bool is_followed = pthread_atfork(nullptr, nullptr, note) == 0;
        if (is_followed) note();
        return getpid();
    }
    static void note() noexcept { id_.store(getpid(), std::memory_order_relaxed); }

    // NOLINTNEXTLINE(readability-identifier-naming)
    static inline constinit Atomic<pid_t> id_ = 0;
};

}  // namespace runnel::inline v0::detail
