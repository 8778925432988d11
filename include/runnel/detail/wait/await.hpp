// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/abstract_clock.hpp>
#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/wait/core_offers.hpp>
#include <runnel/detail/wait/request.hpp>
#include <runnel/detail/wait/spin.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/detail/wait/waiter.hpp>
#include <runnel/duration.hpp>
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

// The time-out of a further wait that ends at `deadline`, too.
[[nodiscard]] inline Timeout time_left(std::optional<Clock::Deadline> deadline,
                                       const Clock& clock) noexcept {
    return deadline ? Timeout{time_between(clock.now(), *deadline)} : Timeout{};
}

// Ends a wait from outside: claims it and resumes it. False: it has ended otherwise.
inline bool end_wait(Waiter& waiter, WaitEnd how) noexcept {
    RUNNEL_ASSERT(waiter.is_shared());
    if (!waiter.claim(how)) return false;
    WakeChain chain;
    chain.add(waiter);
    chain.resume_all_at_once();
    return true;
}

// The options of a wait without a thread, as it keeps them.
struct KeptOptions {
    explicit KeptOptions(const WaitOptions& options) noexcept
        : timeout{options.timeout}, stop{options.stop} {}

    Timeout timeout;
    std::stop_token stop;
};

// How long a call may wait. The options of the call, which it points to, outlive it.
struct WaitLimits {
    // Without options the call may not wait.
    template <typename Options>
    [[nodiscard]] static WaitLimits of(const Options* options) noexcept {
        if (options == nullptr) return {};
        const std::stop_token& stop = options->stop;
        return WaitLimits{&options->timeout, &stop};
    }

    [[nodiscard]] bool may_wait() const noexcept { return timeout != nullptr; }
    // Whether the call may pause before it waits.
    [[nodiscard]] [[gnu::always_inline]] bool may_take_time() const noexcept {
        return may_wait() && needs_thread && timeout->duration() != std::chrono::nanoseconds{0} &&
               !stop->stop_requested();
    }
    // Whether it may offer its core to others meanwhile: they may use it for some milliseconds.
    [[nodiscard]] bool may_offer_core() const noexcept {
        constexpr std::chrono::milliseconds long_time{100};
        return may_take_time() && timeout->duration().value_or(long_time) >= long_time;
    }

    // Before what takes time and is no wait yet, such as an offer of the core: the time-out begins
    // here.
    void begin(const Clock& clock) noexcept { begun = deadline_of(*timeout, clock); }
    // When the wait has to end; nothing: never.
    [[nodiscard]] std::optional<Clock::Deadline> deadline(const Clock& clock) const noexcept {
        return begun ? begun : deadline_of(*timeout, clock);
    }

    const Timeout* timeout = nullptr;
    const std::stop_token* stop = nullptr;
    std::optional<Clock::Deadline> begun{};  // the deadline since begin()
    bool needs_thread = true;                // false: of an Operation
    bool may_be_given_up = false;            // also when it was carried out at once
};

// For a reader with a place of its own, at the end of a stream of entries, before it stands in
// line: leaves the writer alone, in the hope for several entries. `read`: how many it has read in a
// row, of which the first stream_length may be a guess.
template <typename Cursor>
void await_batch(Cursor& cursor, std::size_t read, CoreOffers& offers, const Clock& clock,
                 WaitLimits& limits) noexcept {
    limits.begin(clock);
    pause_after(read);
    if (!limits.may_offer_core()) return;
    offers.make(
        read - stream_length, [&] { return cursor.look_for_next(); },
        [&] { return cursor.look_for_many(); });
}

// If the call may not wait: ends `waiter` here. False if a waker has claimed it first.
[[nodiscard]] [[gnu::always_inline]] inline bool give_up(Waiter& waiter,
                                                         const WaitLimits& limits) noexcept {
    return !limits.may_wait() && waiter.claim(WaitEnd::timed_out);
}

// Blocks the calling thread until `waiter` has ended: by a waker, a close, the deadline or the stop
// token. Success comes first: a wait that a waker has claimed neither stops nor times out any more.
// Called without any lock.
[[gnu::noinline]] inline void block(Waiter& waiter, Clock& clock, SpinBudget& spin,
                                    const WaitLimits& limits) {
    if (!limits.may_wait()) return clock.park(waiter, std::nullopt);
    waiter.share();
    const std::stop_token& stop = *limits.stop;
    const auto deadline = limits.deadline(clock);
    if (clock.is_real() && !stop.stop_requested() && spin.spin(waiter, deadline)) return;
    const auto on_stop = [&waiter] { end_wait(waiter, WaitEnd::stopped); };
    // If the stop has been requested, the constructor runs on_stop here. The destructor waits for
    // an on_stop that runs in another thread. So no lock may be held.
    std::optional<std::stop_callback<decltype(on_stop)>> stopper;
    if (stop.stop_possible()) stopper.emplace(stop, on_stop);
    Continuations::run_before_wait();
    clock.park(waiter, deadline);
}

// A waker takes a waiter out of line. A time-out or a stop cannot.
[[nodiscard]] inline bool may_stand_in_line(const Waiter& waiter) noexcept {
    return waiter.how() == WaitEnd::timed_out || waiter.how() == WaitEnd::stopped;
}

// The one way to wait: try_or_wait() carries out `request` at `place` now or, if the call may wait,
// stands in line there until a waker has carried it out or the wait has ended otherwise. wait_at()
// is its second half, for a request that stands in line already.
//
// A place knows the locks and the lines of its model. It has:
//   bool try_or_queue(WaitLimits&, WakeChain&)
//       Carries the request out, or puts it into line if it may wait there. True: this thread has
//       ended the request. Adds the waiters that it has claimed to the chain.
//   void leave()
//       Takes the request, which has ended, out of all lines.
//   SpinBudget& spin()
//       The budget of the threads that wait there.
//
// Inlined, so that a call that need not wait pays nothing for what a wait takes.
template <typename Place>
[[gnu::always_inline]] inline void wait_at(Request& request, Place& place,
                                           const WaitLimits& limits) {
    if (!request.ended() && !give_up(request, limits))
        block(request, request.clock, place.spin(), limits);
    place.leave();
}
template <typename Place>
[[gnu::always_inline]] inline void try_or_wait(Request& request, Place&& place, WaitLimits limits) {
    WakeChain chain;
    const bool has_ended = place.try_or_queue(limits, chain);
    chain.resume_all();
    if (has_ended) return place.leave();
    wait_at(request, place, limits);
}

}  // namespace runnel::inline v0::detail
