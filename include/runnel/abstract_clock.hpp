// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/atomic.hpp>
#include <runnel/detail/base/futex.hpp>
#include <runnel/detail/base/linked.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/base/pairing_heap.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <sys/types.h>

namespace runnel::inline v0 {

namespace detail {

// How a wait came to its end.
enum class WaitEnd : std::uint8_t {
    served,        // a waker ran the request
    timed_out,     // the deadline passed first
    stopped,       // the stop token was asked to stop first
    closed,        // everything it waited on was closed
    gone,          // what it waited on was removed
    disconnected,  // it was too far behind what it waited on
    failed,        // carrying out the request threw; nothing was changed, and the request has it
};

struct Timer;
struct EndsBefore;
struct RunnerSeat;
struct TimersOf;

// Of a clock: the deadlines of waits that need no thread, and the Runners that end these waits. All
// that is done with them stands in detail/wait/timers.hpp. On cache lines of its own, as threads
// that only ask for the time read the clock's first one.
struct alignas(64) ClockTimers {
    Mutex mutex;
    // In which process `waits` and `runners` were last written. A child of fork() has neither.
    pid_t process RUNNEL_GUARDED_BY(mutex) = 0;
    PairingHeap<Timer, EndsBefore> waits RUNNEL_GUARDED_BY(mutex);
    LinkedList<RunnerSeat> runners RUNNEL_GUARDED_BY(mutex);
    // Of a clock that runs itself: it has ended all waits whose deadlines are not later than this.
    std::chrono::steady_clock::time_point
        ended_until RUNNEL_GUARDED_BY(mutex) = std::chrono::steady_clock::time_point::min();
    std::uint32_t last_number RUNNEL_GUARDED_BY(mutex) = 0;
    // Written under the mutex. In which process it has a Runner; 0: it has none.
    Atomic<pid_t> run_in = 0;
    Atomic<bool> runs_itself = false;
};

}  // namespace detail

/// A wait of a thread, as a Clock sees it. For clocks that override Clock::park(); others need not
/// know it.
///
/// Exactly one thread claims a wait: a thread that has something for it, that stops it or closes
/// what it waits on, or the clock at its deadline. The thread that has claimed it ends it.
///
/// Thread safety: every member may be called from any thread, until the wait has ended. Then it may
/// be gone.
class Wait {
public:
    Wait(const Wait&) = delete;
    Wait& operator=(const Wait&) = delete;

    /// Whether its thread may go on.
    [[nodiscard]] bool ended() const noexcept {
        return (word_.load(std::memory_order_acquire) & phase) == over;
    }

    /// Orders waits whose deadlines are equal: the one with the smaller ticket began first.
    [[nodiscard]] std::uint64_t ticket() const noexcept { return ticket_; }

    /// Called by the thread that waits. Sleeps until the wait has ended or, if `until` is given,
    /// until that time of the machine, whatever the clock shows. May return early.
    void sleep(std::optional<std::chrono::steady_clock::time_point> until = {}) noexcept {
        const auto word = word_.fetch_or(parked, std::memory_order_acq_rel) | parked;
        if ((word & phase) == over) return;
        if (until) {
            detail::futex_wait_until(word_, word, *until);
        } else {
            detail::futex_wait(word_, word);
        }
    }

    /// Claims a wait whose deadline has passed. True: the caller has to call end(). False: another
    /// thread has claimed it, and will end it. Requires: it has a deadline.
    [[nodiscard]] bool claim_as_timed_out() noexcept { return claim(detail::WaitEnd::timed_out); }

    /// Ends the wait: its thread goes on. Requires: the caller has claimed it.
    void end(detail::Caller caller = {}) noexcept {
        RUNNEL_EXPECT(claimed(), "end() of a Wait that nobody has claimed", caller);
        // Release: pairs with ended(); whoever waits sees how_ and what the claimer wrote.
        if ((word_.exchange(over, std::memory_order_acq_rel) & parked) != 0)
            detail::futex_wake_one(word_);
    }

protected:
    // word_:  alone --share()--> waiting --claim()--> taken --end()--> over, and beside it the bit
    // `parked`.
    //
    // While it is alone, only the thread that waits knows of it and may claim it. Until it has
    // ended the wait stays where it is, so a claimed one may be touched.
    explicit Wait(std::uint64_t ticket) noexcept : ticket_{ticket} {}
    ~Wait() = default;

    // From now on others may claim it. By the thread that waits, before it stands in line.
    void share() noexcept {
        if (word_.load(std::memory_order_relaxed) == alone)
            word_.store(waiting, std::memory_order_relaxed);
    }
    // For assertions.
    [[nodiscard]] bool is_shared() const noexcept {
        return word_.load(std::memory_order_relaxed) != alone;
    }

    // True for exactly one caller.
    [[nodiscard]] bool claim() noexcept {
        if (word_.load(std::memory_order_relaxed) != alone) return claim_shared();
        word_.store(taken, std::memory_order_relaxed);
        return true;
    }

    // Claims it for an end that needs no more work than to be ended.
    [[nodiscard]] bool claim(detail::WaitEnd how) noexcept {
        if (!claim()) return false;
        how_ = how;
        return true;
    }

    [[nodiscard]] bool claimed() const noexcept {
        return (word_.load(std::memory_order_relaxed) & phase) >= taken;
    }

    // How it will end; set by the claimer before it ends it.
    void set_end(detail::WaitEnd how) noexcept { how_ = how; }
    // Requires: ended().
    [[nodiscard]] detail::WaitEnd how() const noexcept { return how_; }

    // As end(), but if the thread sleeps it goes on doing so until somebody calls futex_wake_one()
    // on what is returned; null: it does not sleep.
    //
    // Sequential consistency: see Continuations::withdraw().
    [[nodiscard]] detail::FutexWord* end_asleep() noexcept {
        RUNNEL_ASSERT(claimed());
        return (word_.exchange(over, std::memory_order_seq_cst) & parked) != 0 ? &word_ : nullptr;
    }

    // For a wait without a thread, by its owner. True: from now on its owner waits, and whoever
    // ends it learns so from end_asleep(). False: it has ended.
    [[nodiscard]] bool suspend() noexcept {
        return (word_.fetch_or(parked, std::memory_order_acq_rel) & phase) != over;
    }
    // The same, before others know of it: it is shared then.
    void suspend_unshared() noexcept { word_.store(waiting | parked, std::memory_order_relaxed); }
    // Its owner does not wait any more: end_asleep() returns null.
    void forsake() noexcept { word_.fetch_and(~parked, std::memory_order_acq_rel); }
    [[nodiscard]] bool has_ended_for_all() const noexcept {
        return (word_.load(std::memory_order_seq_cst) & phase) == over;
    }

    // For a wait that was ended as timed out to look again, by the thread that waits or the owner,
    // who does not wait: others may claim it again.
    void wait_anew() noexcept {
        how_ = detail::WaitEnd::served;
        word_.store(waiting, std::memory_order_release);
    }
    // The same for one that this thread has claimed as timed out and not ended, while its owner
    // waits. False: its owner does not wait; it has ended now, and may be gone.
    [[nodiscard]] bool wait_anew_asleep() noexcept {
        auto word = word_.load(std::memory_order_relaxed);
        bool waits = false;
        do {
            waits = (word & parked) != 0;
            how_ = waits ? detail::WaitEnd::served : detail::WaitEnd::timed_out;
        } while (!word_.compare_exchange_weak(word, waits ? waiting | parked : over,
                                              std::memory_order_seq_cst,
                                              std::memory_order_relaxed));
        return waits;
    }

    void set_ticket(std::uint64_t ticket) noexcept { ticket_ = ticket; }

private:
    [[nodiscard]] bool claim_shared() noexcept {
        auto word = word_.load(std::memory_order_relaxed);
        while ((word & phase) == waiting) {
            // Acquire: a claimer sees what the waiter's thread wrote before it queued up.
            if (word_.compare_exchange_weak(word, (word & parked) | taken,
                                            std::memory_order_acq_rel, std::memory_order_relaxed))
                return true;
        }
        return false;
    }

    static constexpr std::uint32_t alone = 0;
    static constexpr std::uint32_t waiting = 1;
    static constexpr std::uint32_t taken = 2;
    static constexpr std::uint32_t over = 3;
    static constexpr std::uint32_t phase = 3;
    static constexpr std::uint32_t parked = 4;

    std::uint64_t ticket_;
    detail::FutexWord word_ = alone;
    detail::WaitEnd how_ = detail::WaitEnd::served;
};

/// The source of time: wall time for ids, monotonic time for deadlines and idle times.
///
/// Every object with waits takes a `Clock*` in its options; null means the SystemClock. A clock
/// must outlive the objects that use it.
///
/// A clock of one's own says what time it is, and that suffices:
///
///     class Tenfold final : public runnel::Clock {  // ten times as fast as the machine's
///     public:
///         Deadline now() const noexcept override { return start_ + 10 * passed(); }
///         WallTime wall() const noexcept override { return began_ + 10 * passed(); }
///         bool is_real() const noexcept override { return true; }
///
///     private:
///         Deadline::duration passed() const noexcept { return Steady::now() - start_; }
///
///         const Deadline start_ = Steady::now();  // Steady: std::chrono::steady_clock
///         const WallTime began_ = std::chrono::system_clock::now();
///     };
///
/// A thread that waits looks at its own deadline. A wait that needs no thread, such as that of a
/// coroutine, has a time-out only while a Runner or a TimerThread runs the clock; a ManualClock
/// always is run.
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

    /// A time that never goes back. Deadlines are points of this time. Called under locks of
    /// runnel, as wall() is.
    [[nodiscard]] virtual Deadline now() const noexcept = 0;

    /// As now(), or up to a tenth of a millisecond earlier if that is cheaper. For idle times and
    /// the like, which are measured in milliseconds. Called under locks of runnel, as wall() is.
    [[nodiscard]] virtual Deadline recent() const noexcept { return now(); }

    /// Whether time passes by itself. Only then do waits poll for a moment before they sleep.
    [[nodiscard]] virtual bool is_real() const noexcept = 0;

    /// Whether it has to know the threads that wait on it, as a ManualClock does: its thread()
    /// starts them.
    [[nodiscard]] virtual bool starts_threads() const noexcept { return false; }

    /// Whether it is a SystemClock.
    [[nodiscard]] virtual bool is_system() const noexcept { return false; }

    /// Whether both are the same clock. Each plug-in has a SystemClock of its own; all of them
    /// count as the same clock.
    [[nodiscard]] bool is_same_as(const Clock& other) const noexcept {
        return this == &other || (is_system() && other.is_system());
    }

    /// The time of the machine at which `deadline`, which lies ahead, will come, if the clock knows
    /// it: a wait sleeps until then, and looks at now() again. Without it, as by default, a wait
    /// with a time-out looks at now() once a millisecond.
    [[nodiscard]] virtual std::optional<std::chrono::steady_clock::time_point>
    machine_time([[maybe_unused]] Deadline deadline) const noexcept {
        return std::nullopt;
    }

    /// The two hooks of the wait path; clocks that decide which thread runs override them. park()
    /// is called by the thread that waits, without any lock. It returns once the wait has ended. If
    /// `deadline` passes first, it claims the wait as timed out and ends it.
    virtual void park(Wait& wait, std::optional<Deadline> deadline) noexcept {
        while (!wait.ended() && !(deadline && now() >= *deadline))
            wait.sleep(deadline ? std::optional{next_look(*deadline)} : std::nullopt);
        if (wait.ended()) return;
        if (wait.claim_as_timed_out()) return wait.end();
        while (!wait.ended()) wait.sleep();  // whoever has claimed it is about to end it
    }

    /// Ends `wait`, which the caller has claimed. Called by the thread that wakes it, without any
    /// lock.
    virtual void unpark(Wait& wait) noexcept { wait.end(); }

private:
    friend struct detail::TimersOf;

    // When a wait until `deadline` has to look at the time again.
    [[nodiscard]] std::chrono::steady_clock::time_point
    next_look(Deadline deadline) const noexcept {
        const auto at = machine_time(deadline);
        return at ? *at : std::chrono::steady_clock::now() + std::chrono::milliseconds{1};
    }

    mutable detail::ClockTimers timers_;
};

}  // namespace runnel::inline v0
