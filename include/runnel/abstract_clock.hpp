// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/annotations.hpp>

#include <chrono>
#include <optional>

namespace runnel::inline v0 {

namespace detail {
class Waiter;
}

/// The source of time: wall time for ids, monotonic time for deadlines and idle times.
///
/// Every object with waits takes a `Clock*` in its options; null means the SystemClock. A clock
/// must outlive the objects that use it.
///
/// Thread safety: every member may be called from any thread.
class RUNNEL_VISIBLE Clock {
public:
    using WallTime = std::chrono::system_clock::time_point;
    using Deadline = std::chrono::steady_clock::time_point;

    Clock() = default;
    Clock(const Clock&) = delete;
    Clock& operator=(const Clock&) = delete;
    virtual ~Clock() = default;

    /// The time of day; it may go back. Called under locks of runnel, so it must not use objects of
    /// runnel.
    [[nodiscard]] virtual WallTime wall() const noexcept = 0;

    /// A time that never goes back. Deadlines are points of this time.
    [[nodiscard]] virtual Deadline now() const noexcept = 0;

    /// As now(), or up to a tenth of a millisecond earlier if that is cheaper. For idle times and
    /// the like, which are measured in milliseconds. Called under locks of runnel, as wall() is.
    [[nodiscard]] virtual Deadline recent() const noexcept { return now(); }

    /// Whether time passes by itself. Only then do waits poll for a moment before they sleep.
    [[nodiscard]] virtual bool is_real() const noexcept = 0;

    /// Whether it is a SystemClock.
    [[nodiscard]] virtual bool is_system() const noexcept { return false; }

    /// Whether both are the same clock. Each plug-in has a SystemClock of its own; all of them
    /// count as the same clock.
    [[nodiscard]] bool is_same_as(const Clock& other) const noexcept {
        return this == &other || (is_system() && other.is_system());
    }

    /// The two hooks of the wait path, for clocks that decide who runs. park() is called by the
    /// thread that waits, without any lock, and returns once the waiter has ended; when `deadline`
    /// passes first, the clock claims the waiter and ends it with time-out.
    virtual void park(detail::Waiter& waiter, std::optional<Deadline> deadline) noexcept = 0;

    /// Ends `waiter`, which the caller has claimed. Called by the thread that wakes it, without
    /// any lock.
    virtual void unpark(detail::Waiter& waiter) noexcept = 0;
};

}  // namespace runnel::inline v0
