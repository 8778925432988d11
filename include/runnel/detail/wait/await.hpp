// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/abstract_clock.hpp>
#include <runnel/detail/wait/spin.hpp>
#include <runnel/detail/wait/times.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/detail/wait/waiter.hpp>
#include <runnel/outcome.hpp>

#include <chrono>
#include <optional>
#include <stop_token>

namespace runnel::inline v0::detail {

// When a wait that begins now has to end; nothing: never.
[[nodiscard]] inline std::optional<Clock::Deadline> deadline_of(const Timeout& timeout,
                                                                const Clock& clock) noexcept {
    const auto duration = timeout.duration();
    if (!duration) return std::nullopt;
    return sum(clock.now(), *duration);
}

// The time-out of a further wait that has to end then, too.
[[nodiscard]] inline Timeout time_left(std::optional<Clock::Deadline> deadline,
                                       const Clock& clock) noexcept {
    return deadline ? Timeout{time_between(clock.now(), *deadline)} : Timeout{};
}

// Whether a call may pause before it waits.
[[nodiscard]] inline bool may_take_time(const Timeout& timeout,
                                        const std::stop_token& stop) noexcept {
    return timeout.duration() != std::chrono::nanoseconds{0} && !stop.stop_requested();
}

// Ends a wait from outside: claims it and resumes it, unless it has ended otherwise.
inline void end_wait(Waiter& waiter, WaitEnd how) noexcept {
    if (!waiter.claim(how)) return;
    WakeChain chain;
    chain.add(waiter);
    chain.resume_all();
}

// Blocks the calling thread until `waiter`, which stands in line already, has ended: by a waker, a
// close, the deadline or the stop token. Success comes first: a wait that a waker has claimed is
// not stopped any more. Called without any lock.
inline void await(Waiter& waiter, Clock& clock, SpinBudget& spin, const Timeout& timeout,
                  const std::stop_token& stop) {
    if (waiter.ended()) return;
    const auto deadline = deadline_of(timeout, clock);
    if (clock.is_real() && !stop.stop_requested() && spin.spin(waiter, deadline)) return;
    const auto on_stop = [&waiter] { end_wait(waiter, WaitEnd::stopped); };
    // Runs on_stop here and now if the stop has been requested, and waits for one that is running
    // elsewhere when it goes: so no lock may be held.
    std::optional<std::stop_callback<decltype(on_stop)>> stopper;
    if (stop.stop_possible()) stopper.emplace(stop, on_stop);
    clock.park(waiter, deadline);
}

// Ends a wait that may not block: it keeps what a waker has given it, and else times out.
inline void give_up(Waiter& waiter, Clock& clock) noexcept {
    if (!waiter.claim(WaitEnd::timed_out)) clock.park(waiter, std::nullopt);
}

// A waker takes a waiter out of line; whoever else ends it cannot.
[[nodiscard]] inline bool may_stand_in_line(const Waiter& waiter) noexcept {
    return waiter.how() == WaitEnd::timed_out || waiter.how() == WaitEnd::stopped;
}

}  // namespace runnel::inline v0::detail
