// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>

#if !defined(__linux__)
#    error                                                                                         \
        "runnel: this platform has no detail/base/event_fd.hpp yet; it needs an event and a timer, \
which make a descriptor readable"
#endif

#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

namespace runnel::inline v0::detail {

// The one file that knows how this platform makes a descriptor readable, by a call or at a time.
// Programs that it executes do not get them. No call here blocks, or is a cancellation point, as
// read(), write() and close() of the C library are.

// The thread sanitizer has to see it: it takes a descriptor whose number comes again for the one
// before, and reports a race.
inline void close_descriptor(int number) noexcept {
#if defined(__SANITIZE_THREAD__)
    constexpr bool is_watched = true;
#elif defined(__has_feature)
    constexpr bool is_watched = __has_feature(thread_sanitizer);
#else
    constexpr bool is_watched = false;
#endif
    if constexpr (is_watched)
        ::close(number);
    else
        syscall(SYS_close, number);
}

class Descriptor {
public:
    // Negative: the system gave none, see errno.
    explicit Descriptor(int number) noexcept : number_{number} {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() {
        if (is_open()) close_descriptor(number_);
    }

    [[nodiscard]] bool is_open() const noexcept { return number_ >= 0; }
    [[nodiscard]] int number() const noexcept { return number_; }

    // Until it is made readable again.
    void make_unreadable() const noexcept {
        std::uint64_t count = 0;
        syscall(SYS_read, number_, &count, sizeof count);
    }

private:
    const int number_;
};

class EventFd : public Descriptor {
public:
    EventFd() noexcept : Descriptor{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)} {}

    void make_readable() const noexcept {
        const std::uint64_t one = 1;
        syscall(SYS_write, number(), &one, sizeof one);
    }
};

class TimerFd : public Descriptor {
public:
    TimerFd() noexcept
        : Descriptor{::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)} {}

    // It is unreadable until then.
    void make_readable_at(std::chrono::steady_clock::time_point time) const noexcept {
        // Zero would mean never.
        const auto since_boot = std::max(time.time_since_epoch(), std::chrono::nanoseconds{1});
        const auto seconds = std::chrono::floor<std::chrono::seconds>(since_boot);
        itimerspec at{};
        at.it_value.tv_sec = static_cast<time_t>(
            std::min<std::int64_t>(seconds.count(), std::numeric_limits<time_t>::max()));
        at.it_value.tv_nsec = (since_boot - seconds).count();
        ::timerfd_settime(number(), TFD_TIMER_ABSTIME, &at, nullptr);
    }
    void make_never_readable() const noexcept {
        const itimerspec never{};
        ::timerfd_settime(number(), 0, &never, nullptr);
    }
};

}  // namespace runnel::inline v0::detail
