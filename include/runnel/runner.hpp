// SPDX-License-Identifier: MIT
#pragma once

// Who ends waits that need no thread when their time-outs have come.

#include <runnel/version.hpp>

#include <runnel/abstract_clock.hpp>
#include <runnel/detail/base/atomic.hpp>
#include <runnel/detail/base/blocked_signals.hpp>
#include <runnel/detail/base/futex.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/base/process.hpp>
#include <runnel/detail/wait/system_clock.hpp>
#include <runnel/detail/wait/timers.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <pthread.h>
#include <sys/types.h>
#include <thread>
#include <utility>

namespace runnel::inline v0 {

/// Lets a loop of your own end the waits that need no thread, such as those of coroutines, when
/// their time-outs have come. runnel starts no threads by itself: a clock is run while a Runner of
/// it lives, and such a wait with a time-out on a clock that nobody runs throws
/// Error{clock_not_run}. (TimerThread is a loop that is ready to use; a ManualClock runs itself.)
///
///     runnel::Runner timers;
///     timers.on_earlier([&loop] { loop.wake(); });  // from any thread
///     while (loop.goes_on()) {
///         loop.wait_until(timers.next_deadline());  // nothing: until it is woken
///         timers.run_due();
///     }
///
/// Several Runners of one clock share the work: each ends what is due when it is called. When the
/// last one goes, waits with a time-out that are left end with Ending::stopped, in the thread that
/// destroys it.
///
/// A child of fork() has no Runners, and no waits that need no thread: make them there. A Runner of
/// its parent may be destroyed there, and does nothing. Each plug-in has a SystemClock of its own,
/// and needs a Runner of its own for it.
///
/// Thread safety: every member may be called from any thread.
class Runner {
public:
    /// `clock` must outlive it.
    explicit Runner(Clock& clock = SystemClock::instance()) noexcept : clock_{clock} {
        detail::add_runner(clock_, seat_);
    }
    Runner(const Runner&) = delete;
    Runner& operator=(const Runner&) = delete;

    /// Waits for a call of the function of on_earlier() that runs in another thread.
    ~Runner() { detail::remove_runner(clock_, seat_); }

    /// When run_due() has something to do, by Clock::now() of the clock; nothing: not before
    /// on_earlier() tells of it.
    [[nodiscard]] std::optional<Clock::Deadline> next_deadline() const noexcept {
        return detail::first_deadline(clock_);
    }

    /// Ends each wait whose deadline has come, in the order of deadlines; of equal ones, the wait
    /// that began first ends first. What goes on after a wait, such as a coroutine that named no
    /// executor, runs in this thread, without a lock, before the next wait ends. (If this is called
    /// by what goes on so, it runs after that.) Returns how many it has ended.
    std::size_t run_due() noexcept { return detail::run_due(clock_, clock_.now()); }

    /// `function` is called whenever a wait begins whose deadline is earlier than all others, by
    /// the thread that begins it, without a lock; perhaps also by several threads at once. It must
    /// not throw, and must not use runnel: it only wakes the loop. It takes the place of the one
    /// before; empty: none is called. Waits for a call of the one before that runs in another
    /// thread.
    ///
    /// Ask next_deadline() after it: what was begun before is not told.
    void on_earlier(std::function<void()> function) noexcept {
        detail::tell_earlier_by(clock_, seat_, function);
    }

private:
    Clock& clock_;
    detail::RunnerSeat seat_{};
};

/// A thread that runs a clock while this object lives: it ends the waits that need no thread when
/// their time-outs have come. Make one, say in main(), if no loop of yours does that.
///
///     const runnel::TimerThread timers;
///     … co_await jobs.async_pop_front({.timeout = 10s}) …
///
/// The thread is called `runnel-timers`, blocks all signals, and sleeps until the next deadline. Of
/// a clock that does not know Clock::machine_time() it looks at the time once a millisecond while
/// there is a deadline. What goes on after a time-out runs in it, unless an executor was named:
/// others wait meanwhile. To begin a wait with a time-out, and to end it, takes a lock of the clock
/// each time; if its deadline is the earliest one, the thread is woken, a system call.
///
/// When this object goes, and nobody else runs the clock, the waits that are left end with
/// Ending::stopped. Its destructor waits for what runs in the thread, and must not be called there.
///
/// A child of fork() has no such thread. The copy of this object there may be destroyed, and does
/// nothing.
class TimerThread {
public:
    /// `clock` must outlive it. Throws: std::system_error if the system starts no thread, and
    /// std::bad_alloc.
    explicit TimerThread(Clock& clock = SystemClock::instance()) : clock_{clock}, runner_{clock} {
        runner_.on_earlier([this]() noexcept { wake(); });
        const detail::BlockedSignals blocked;
        thread_ = new std::thread{[this]() noexcept { run(); }};
    }
    TimerThread(const TimerThread&) = delete;
    TimerThread& operator=(const TimerThread&) = delete;

    ~TimerThread() {
        // There is nothing to join in a child, and what the library knows of the thread is not
        // valid there.
        if (process_ != detail::Process::id()) return;
        goes_.store(true, std::memory_order_relaxed);
        wake();
        thread_->join();
        delete thread_;
    }

private:
    void wake() noexcept {
        // Release: pairs with the acquire in run().
        changes_.fetch_add(1, std::memory_order_release);
        detail::futex_wake_one(changes_);
    }

    void run() noexcept {
        pthread_setname_np(pthread_self(), "runnel-timers");
        for (;;) {
            const auto changes = changes_.load(std::memory_order_acquire);
            if (goes_.load(std::memory_order_relaxed)) return;
            runner_.run_due();
            const auto deadline = runner_.next_deadline();
            if (!deadline) {
                detail::futex_wait(changes_, changes);
            } else if (*deadline > clock_.now()) {
                const auto until = detail::TimersOf::next_look(clock_, *deadline);
                detail::futex_wait_until(changes_, changes, until);
            }
        }
    }

    Clock& clock_;
    const pid_t process_ = detail::Process::id();
    detail::FutexWord changes_ = 0;
    detail::Atomic<bool> goes_ = false;
    Runner runner_;
    std::thread* thread_ = nullptr;
};

}  // namespace runnel::inline v0
