// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/abstract_clock.hpp>
#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/futex.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/base/process.hpp>
#include <runnel/detail/wait/await.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/detail/wait/waiter.hpp>
#include <runnel/error.hpp>

#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <sys/types.h>
#include <utility>

namespace runnel::inline v0::detail {

// The deadline of a wait that needs no thread; stands in the heap of its clock.
struct Timer {
    explicit Timer(Waiter& of) noexcept : waiter{of} {}
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    ~Timer() { RUNNEL_ASSERT(previous == nullptr); }

    Waiter& waiter;
    Clock::Deadline deadline{};
    Timer* child = nullptr;  // the links of the heap
    Timer* next = nullptr;
    Timer* previous = nullptr;
};
static_assert(sizeof(Timer) == 40);

// The order in which a clock ends waits, with and without a thread.
struct DuePlace {
    [[nodiscard]] static DuePlace of(const Waiter& waiter, Clock::Deadline deadline) noexcept {
        return {deadline, waiter.ticket(), waiter.deadline_number};
    }
    // Behind all waits with this deadline.
    [[nodiscard]] static DuePlace last_at(Clock::Deadline deadline) noexcept {
        return {deadline, std::numeric_limits<std::uint64_t>::max(), 0};
    }

    friend auto operator<=>(const DuePlace&, const DuePlace&) = default;

    Clock::Deadline deadline;
    std::uint64_t ticket;
    std::uint32_t number;
};

struct EndsBefore {
    [[nodiscard]] bool operator()(const Timer& one, const Timer& other) const noexcept {
        if (one.deadline != other.deadline) return one.deadline < other.deadline;
        return DuePlace::of(one.waiter, one.deadline) < DuePlace::of(other.waiter, other.deadline);
    }
};

// What a clock knows of one Runner.
struct RunnerSeat {
    const pid_t process = Process::id();
    std::function<void()> on_earlier{};  // written under the lock while no call of it runs
    FutexWord calls = 0;                 // how many threads call on_earlier; written under the lock
    std::uint32_t awaiting = 0;          // how many threads sleep until there are none, or will
    RunnerSeat* previous = nullptr;
    RunnerSeat* next = nullptr;
};

struct TimersOf {
    [[nodiscard]] static ClockTimers& get(const Clock& clock) noexcept { return clock.timers_; }
    [[nodiscard]] static auto next_look(const Clock& clock, Clock::Deadline deadline) noexcept {
        return clock.next_look(deadline);
    }
};

[[nodiscard]] inline bool is_run(const ClockTimers& timers) noexcept {
    return timers.runs_itself.load(std::memory_order_relaxed) ||
           timers.run_in.load(std::memory_order_relaxed) == Process::id();
}

[[nodiscard]] inline bool is_of_this_process(const ClockTimers& timers) noexcept
    RUNNEL_REQUIRES(timers.mutex) {
    return timers.process == Process::id();
}

// Before something is put in: forgets what is the parent's.
inline void enter_this_process(ClockTimers& timers) noexcept RUNNEL_REQUIRES(timers.mutex) {
    if (is_of_this_process(timers)) return;
    timers.waits.forget();
    timers.runners.forget();
    timers.process = Process::id();
}

// Null: no wait has a timer.
[[nodiscard]] inline Timer* first_timer(const ClockTimers& timers) noexcept
    RUNNEL_REQUIRES(timers.mutex) {
    return is_of_this_process(timers) ? timers.waits.first() : nullptr;
}

// The number of a wait that tells the clock its deadline now.
[[nodiscard]] inline std::uint32_t next_deadline_number(const Clock& clock) noexcept {
    ClockTimers& timers = TimersOf::get(clock);
    const Lock lock{timers.mutex};
    return ++timers.last_number;
}

// A wait that was claimed for its deadline. The claimer has to resume it.
struct DueWait {
    Waiter* waiter;
    Clock::Deadline deadline;
};

// Claims the first wait that comes before `limit`; nothing: there is none.
[[nodiscard]] inline std::optional<DueWait> claim_due(ClockTimers& timers, const DuePlace& limit,
                                                      WaitEnd how) noexcept
    RUNNEL_REQUIRES(timers.mutex) {
    while (Timer* const first = first_timer(timers)) {
        if (!(DuePlace::of(first->waiter, first->deadline) < limit)) break;
        const DueWait due{&first->waiter, first->deadline};
        RUNNEL_ASSERT(due.waiter->is_shared());
        const bool is_claimed = due.waiter->claim(how);
        timers.waits.remove(*first);
        if (is_claimed) return due;  // if not, another thread ends it
    }
    return std::nullopt;
}

// Requires: the caller has claimed it, and holds no lock.
inline void resume_one(Waiter& waiter) noexcept {
    WakeChain chain;
    chain.add(waiter);
    chain.resume_all();
}

// Ends the waits whose deadlines have come by `now`; returns how many.
inline std::size_t run_due(const Clock& clock, Clock::Deadline now) noexcept {
    ClockTimers& timers = TimersOf::get(clock);
    const auto claim_next = [&]() noexcept {
        const Lock lock{timers.mutex};
        return claim_due(timers, DuePlace::last_at(now), WaitEnd::timed_out);
    };
    std::size_t count = 0;
    for (auto due = claim_next(); due; due = claim_next(), ++count) resume_one(*due->waiter);
    return count;
}

// After the last one that ran the clock has gone: ends the waits that are left.
inline void stop_unless_run(const Clock& clock) noexcept {
    ClockTimers& timers = TimersOf::get(clock);
    const auto claim_next = [&]() noexcept -> std::optional<DueWait> {
        const Lock lock{timers.mutex};
        if (is_run(timers)) return std::nullopt;
        return claim_due(timers, DuePlace::last_at(Clock::Deadline::max()), WaitEnd::stopped);
    };
    for (auto left = claim_next(); left; left = claim_next()) resume_one(*left->waiter);
}

// Whether it becomes the first one.
[[nodiscard]] inline bool insert_timer(ClockTimers& timers, Timer& timer) noexcept
    RUNNEL_REQUIRES(timers.mutex) {
    enter_this_process(timers);
    timer.waiter.deadline_number = ++timers.last_number;
    timers.waits.insert(timer);
    return timers.waits.first() == &timer;
}

// After the call of `before` (null: at first): begins a call of the next Runner that has something
// to call. Null: there is no other. A Runner that is called does not go, so the list can be
// followed from it.
[[nodiscard]] inline RunnerSeat* next_to_call(ClockTimers& timers, RunnerSeat* before) noexcept {
    const Lock lock{timers.mutex};
    RunnerSeat* next = timers.runners.first();
    if (before != nullptr) {
        next = before->next;
        if (before->calls.fetch_sub(1, std::memory_order_relaxed) == 1)
            for (auto left = before->awaiting; left != 0; --left) futex_wake_one(before->calls);
    }
    while (next != nullptr && !next->on_earlier) next = next->next;
    if (next != nullptr) next->calls.fetch_add(1, std::memory_order_relaxed);
    return next;
}

// Tells the Runners that a deadline is earlier than all others.
inline void tell_runners(ClockTimers& timers) noexcept {
    RunnerSeat* seat = next_to_call(timers, nullptr);
    for (; seat != nullptr; seat = next_to_call(timers, seat)) seat->on_earlier();
}

// Calls `change` under the lock when no call of the Runner's function runs.
template <typename Change>
void change_between_calls(ClockTimers& timers, RunnerSeat& seat, const Change& change) noexcept {
    for (bool has_slept = false;; has_slept = true) {
        std::uint32_t calls = 0;
        {
            const Lock lock{timers.mutex};
            if (has_slept) --seat.awaiting;
            calls = seat.calls.load(std::memory_order_relaxed);
            if (calls == 0) return change();
            ++seat.awaiting;
        }
        // There may have been none, and as many again, before this sleeps: so whoever ends the last
        // one wakes all that are counted here, each time.
        futex_wait(seat.calls, calls);
    }
}

inline void add_runner(const Clock& clock, RunnerSeat& seat) noexcept {
    ClockTimers& timers = TimersOf::get(clock);
    const Lock lock{timers.mutex};
    enter_this_process(timers);
    timers.runners.push_back(seat);
    timers.run_in.store(seat.process, std::memory_order_relaxed);
}

inline void remove_runner(const Clock& clock, RunnerSeat& seat) noexcept {
    if (seat.process != Process::id()) return;  // it runs nothing in this child
    ClockTimers& timers = TimersOf::get(clock);
    change_between_calls(timers, seat, [&]() noexcept {
        timers.mutex.assert_held();
        timers.runners.remove(seat);
        if (timers.runners.empty()) timers.run_in.store(0, std::memory_order_relaxed);
    });
    stop_unless_run(clock);
}

// `function` gets the one before.
inline void tell_earlier_by(const Clock& clock, RunnerSeat& seat,
                            std::function<void()>& function) noexcept {
    change_between_calls(TimersOf::get(clock), seat,
                         [&]() noexcept { seat.on_earlier.swap(function); });
}

// Nothing: no wait has a timer.
[[nodiscard]] inline std::optional<Clock::Deadline> first_deadline(const Clock& clock) noexcept {
    ClockTimers& timers = TimersOf::get(clock);
    const Lock lock{timers.mutex};
    const Timer* const first = first_timer(timers);
    return first != nullptr ? std::optional{first->deadline} : std::nullopt;
}

// Throws: Error{clock_not_run} unless somebody runs the clock now.
inline void require_runner(const Clock& clock) {
    if (is_run(TimersOf::get(clock))) [[likely]]
        return;
    throw Error{ErrorCode::clock_not_run,
                "a wait without a thread has a time-out, but nobody runs its clock: make a "
                "runnel::TimerThread, which ends such waits while it lives, or let your event loop "
                "have a runnel::Runner (with Asio: a runnel::with_asio::Runner); a test gives its "
                "objects a ManualClock, which runs itself until it is destroyed"};
}

// Puts it into the heap of the clock. Ends the wait at once if its deadline has come (as timed out)
// or nobody runs the clock (as stopped). Timer and waiter may be gone when this returns.
//
// Requires: the caller holds no lock; the ticket of the wait does not change any more. Where a
// child of fork() stops the timer, it has started it: it leaves the timers of its parent alone.
inline void start_timer(Clock& clock, Timer& timer, Clock::Deadline deadline) noexcept {
    ClockTimers& timers = TimersOf::get(clock);
    Waiter& waiter = timer.waiter;
    waiter.share();
    bool is_over = deadline <= clock.now();
    bool runs = true;
    bool is_first = false;
    if (!is_over) {
        const Lock lock{timers.mutex};
        is_over = deadline <= timers.ended_until;
        runs = is_run(timers);
        if (!is_over && runs) {
            timer.deadline = deadline;
            is_first = insert_timer(timers, timer);
        }
    }
    if (is_over) return (void)end_wait(waiter, WaitEnd::timed_out);
    if (!runs) return (void)end_wait(waiter, WaitEnd::stopped);
    if (is_first) tell_runners(timers);
}

enum class Restarted : std::uint8_t {
    yes,
    as_first,  // the same, and the Runners have to be told
    is_over,   // its deadline has come
    not_run,   // nobody runs the clock
};

// The same for a wait that looks again, and may be claimed meanwhile: then it does nothing. Ends no
// wait, so the caller may hold locks.
[[nodiscard]] inline Restarted restart_timer(Clock& clock, Timer& timer,
                                             Clock::Deadline deadline) noexcept {
    using Heap = decltype(ClockTimers::waits);
    ClockTimers& timers = TimersOf::get(clock);
    const Lock lock{timers.mutex};
    if (Heap::is_in(timer) && is_of_this_process(timers)) timers.waits.remove(timer);
    if (timer.waiter.claimed()) return Restarted::yes;
    if (deadline <= timers.ended_until) return Restarted::is_over;
    if (!is_run(timers)) return Restarted::not_run;
    timer.deadline = deadline;
    return insert_timer(timers, timer) ? Restarted::as_first : Restarted::yes;
}

// Takes it out of the heap, if it is there. After this no thread touches the timer; or its waiter,
// unless it has claimed it for the deadline.
inline void stop_timer(Clock& clock, Timer& timer) noexcept {
    using Heap = decltype(ClockTimers::waits);
    ClockTimers& timers = TimersOf::get(clock);
    const Lock lock{timers.mutex};
    if (!Heap::is_in(timer)) return;
    if (!is_of_this_process(timers)) return Heap::leave_alone(timer);
    timers.waits.remove(timer);
}

// For a clock that ends its waits itself whenever it moves the time.
inline void begin_to_run_itself(const Clock& clock) noexcept {
    TimersOf::get(clock).runs_itself.store(true, std::memory_order_relaxed);
}
inline void end_running_itself(const Clock& clock) noexcept {
    ClockTimers& timers = TimersOf::get(clock);
    {
        const Lock lock{timers.mutex};
        timers.runs_itself.store(false, std::memory_order_relaxed);
    }
    stop_unless_run(clock);
}

// The same: claims the first wait that comes before `limit`; nothing: there is none.
[[nodiscard]] inline std::optional<DueWait> claim_due(const Clock& clock,
                                                      const DuePlace& limit) noexcept {
    ClockTimers& timers = TimersOf::get(clock);
    const Lock lock{timers.mutex};
    return claim_due(timers, limit, WaitEnd::timed_out);
}

// The same: true if no wait has a deadline up to `until`. Then one that is started from now on and
// has one ends at once.
[[nodiscard]] inline bool has_ended_until(const Clock& clock, Clock::Deadline until) noexcept {
    ClockTimers& timers = TimersOf::get(clock);
    const Lock lock{timers.mutex};
    const Timer* const first = first_timer(timers);
    if (first != nullptr && first->deadline <= until) return false;
    timers.ended_until = until;
    return true;
}

}  // namespace runnel::inline v0::detail
