// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/abstract_clock.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/linked.hpp>
#include <runnel/detail/base/process.hpp>
#include <runnel/detail/base/thread_id.hpp>
#include <runnel/detail/wait/continuations.hpp>
#include <runnel/detail/wait/thread_end.hpp>
#include <runnel/detail/wait/timers.hpp>
#include <runnel/detail/wait/times.hpp>
#include <runnel/detail/wait/waiter.hpp>
#include <runnel/duration.hpp>
#include <runnel/error.hpp>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <sys/types.h>
#include <thread>
#include <type_traits>
#include <utility>

namespace runnel::inline v0 {

namespace detail {

struct ThreadEndOf;  // of the tests

}  // namespace detail

/// A time that stands still until a test moves it. A wait with a time-out of an hour ends at once
/// when the test moves the time by an hour. Waits end in the order of their deadlines, the same way
/// in every run.
///
/// Start the threads of a test with thread(). Then advance() and settle() know when all of them
/// wait, and no test needs to sleep:
///
///     runnel::ManualClock clock;
///     runnel::BlockingList<int> jobs{{.clock = &clock}};
///     auto worker = clock.thread([&] { late = !jobs.pop_front({.timeout = 1h}); });
///     clock.advance(1h);
///
/// A test that fails by an exception does not hang: see Thread. Error{not_settled} is also printed
/// when it is thrown, so that it is seen even if the test hangs because a thread waits elsewhere.
///
/// Other threads, such as a plain std::jthread or the thread of the test, may wait on this clock,
/// too. advance() ends those of their waits that it finds. But it does not wait for these threads:
/// it does not know when they begin to wait or run on. A wait in the thread of the test blocks
/// until another thread ends it or moves the time.
///
/// Thread safety: every member may be called from any thread. One thread at a time moves the time;
/// a second one waits for the first.
class RUNNEL_VISIBLE ManualClock final : public Clock {
public:
    /// The wall time at first: 2023-11-14 22:13:20 UTC, 1,700,000,000,000 ms since 1970.
    static constexpr WallTime default_start{std::chrono::seconds{1'700'000'000}};

    /// A thread of a clock, used like a std::jthread.
    ///
    /// A test that fails while its threads wait does not hang. If an exception that was thrown
    /// after this object was made destroys it, joins it or assigns to it while unwinding, the
    /// thread's wait on the clock ends first, as by a stop. Later waits of the thread on the clock
    /// end at once. Waits elsewhere go on, for example on an object that was made without `.clock`,
    /// and so does the wait of a disconnect() for a handler.
    ///
    /// A test that returns early instead, as after an ASSERT_ of GoogleTest, hangs in the
    /// destructor unless the thread's waits have its stop token, which `function` may take. After
    /// ten seconds of real time the destructor prints the name of the thread that it waits for.
    class Thread {
    public:
        Thread() noexcept = default;
        Thread(Thread&& other) noexcept
            : thread_{std::move(other.thread_)},
              clock_{other.clock_},
              end_{std::move(other.end_)},
              number_{other.number_} {}
        Thread& operator=(Thread&& other) noexcept {
            if (this == &other) return *this;
            finish();
            thread_ = std::move(other.thread_);
            clock_ = other.clock_;
            end_ = std::move(other.end_);
            number_ = other.number_;
            return *this;
        }
        ~Thread() { finish(); }

        void swap(Thread& other) noexcept {
            thread_.swap(other.thread_);
            std::swap(clock_, other.clock_);
            end_.swap(other.end_);
            std::swap(number_, other.number_);
        }
        friend void swap(Thread& one, Thread& other) noexcept { one.swap(other); }

        [[nodiscard]] bool joinable() const noexcept { return thread_.joinable(); }
        void join() {
            end_waits_if_unwinding();
            thread_.join();
        }
        void detach() { thread_.detach(); }
        [[nodiscard]] std::thread::id get_id() const noexcept { return thread_.get_id(); }
        [[nodiscard]] std::jthread::native_handle_type native_handle() {
            return thread_.native_handle();
        }
        [[nodiscard]] std::stop_source get_stop_source() noexcept {
            return thread_.get_stop_source();
        }
        [[nodiscard]] std::stop_token get_stop_token() const noexcept {
            return thread_.get_stop_token();
        }
        bool request_stop() noexcept { return thread_.request_stop(); }

    private:
        friend class ManualClock;
        friend struct detail::ThreadEndOf;

        Thread(std::jthread&& thread, ManualClock& clock, std::shared_ptr<detail::ThreadEnd> end,
               std::size_t number) noexcept
            : thread_{std::move(thread)}, clock_{&clock}, end_{std::move(end)}, number_{number} {}

        // As the destructor of the std::jthread does next, but that would wait in silence.
        void finish() noexcept {
            end_waits_if_unwinding();
            if (!joinable() || get_id() == std::this_thread::get_id()) return;
            thread_.request_stop();
            end_->await();
        }

        // Once the thread has finished, the clock may be gone.
        void end_waits_if_unwinding() const noexcept {
            if (joinable() && std::uncaught_exceptions() > exceptions_)
                end_->unless_told([this] { clock_->end_waits(number_); });
        }

        std::jthread thread_{};
        ManualClock* clock_ = nullptr;
        std::shared_ptr<detail::ThreadEnd> end_{};
        std::size_t number_ = 0;
        int exceptions_ = std::uncaught_exceptions();  // when this object was made
    };

    explicit ManualClock(WallTime start = default_start) noexcept : wall_{start} {
        detail::begin_to_run_itself(*this);
    }

    /// Ends the waits of threads of the clock that still run, as when a Thread is unwound, and
    /// waits for these threads. Waits that need no thread and have a time-out end as stopped.
    ~ManualClock() override;

    [[nodiscard]] WallTime wall() const noexcept override {
        const std::lock_guard lock{mutex_};
        return wall_;
    }

    [[nodiscard]] Deadline now() const noexcept override {
        const std::lock_guard lock{mutex_};
        return now_;
    }

    [[nodiscard]] bool is_real() const noexcept override { return false; }

    /// Moves wall time and monotonic time forward by `duration`, after the threads have settled. On
    /// the way it stops at each deadline: it sets the time to the deadline, ends that one wait, and
    /// lets the threads settle before it goes on. Of waits with the same deadline, the one that
    /// began first ends first. So waits of threads and waits that need none, such as those of
    /// coroutines, end in one order. What goes on after a wait that needs no thread runs in this
    /// thread, and may call the clock: an advance() inside it moves the time further, and returns
    /// before this one goes on.
    ///
    /// Throws: Error{invalid_argument} for a negative duration. Error{not_settled} if the threads
    /// do not settle within ten seconds of real time; then a part of `duration` has passed.
    void advance(Duration duration);

    /// Moves only the wall time, forward or back. Deadlines and idle times do not change.
    void step_wall(Duration duration) noexcept {
        const std::lock_guard lock{mutex_};
        wall_ = detail::later(wall_, duration);
    }

    /// Starts a thread that advance() and settle() wait for. It counts as running from before this
    /// returns until `function` and its captures are destroyed. `function` may take a
    /// std::stop_token and must not throw. The name appears in the message of Error{not_settled}.
    /// The clock must outlive the thread, but need not outlive the Thread object.
    template <typename Function>
    [[nodiscard]] Thread thread(std::string name, Function function);

    template <typename Function>
    [[nodiscard]] Thread thread(Function function) {
        return thread({}, std::move(function));
    }

    /// Returns when every thread of this clock has finished or waits in a call of runnel on this
    /// clock. If a thread of the clock calls it, that thread and others inside settle() do not
    /// count.
    ///
    /// Blocks: at most `limit` of real time.
    /// Throws: Error{not_settled}, which names the threads that do not wait.
    void settle(Duration limit = std::chrono::seconds{10});

    /// How many threads wait on this clock, its own and others. Waits that need no thread do not
    /// count.
    [[nodiscard]] std::size_t waiting() const noexcept {
        const std::lock_guard lock{mutex_};
        std::size_t count = 0;
        for (const Parked* entry = first_parked(); entry != nullptr; entry = entry->next) ++count;
        return count;
    }

    void park(Wait& wait, std::optional<Deadline> deadline) noexcept override;
    void unpark(Wait& wait) noexcept override;

private:
    struct Attached {
        ManualClock* clock;
        std::string name;
        std::size_t number = 0;
        bool running = true;
        bool settling = false;     // in settle(): waits for threads that are not
        bool awaits_turn = false;  // in advance(): waits for the thread that moves the time
        bool ends_waits = false;   // its waits end at once
        pid_t process = detail::Process::id();
        std::shared_ptr<detail::ThreadEnd> end{};
    };

    // A wait that is parked; lives in the frame of park().
    struct Parked {
        detail::Waiter* waiter;
        std::optional<Deadline> deadline;
        Attached* thread;  // null: not a thread of this clock
        Parked* previous = nullptr;
        Parked* next = nullptr;
    };

    // Requires: it has a deadline.
    [[nodiscard]] static detail::DuePlace place_of(const Parked& parked) noexcept {
        return detail::DuePlace::of(*parked.waiter, *parked.deadline);
    }

    // The Attached of the calling thread; null if it has none.
    static Attached*& current_in_image() noexcept {
        thread_local Attached* thread = nullptr;
        return thread;
    }

    [[nodiscard]] Attached* own_thread() const noexcept {
        Attached* const thread = current_();
        return thread != nullptr && thread->clock == this ? thread : nullptr;
    }

    // The thread that settles: one of the clock's, or null for others; and whether it moves the
    // time.
    struct Settler {
        const Attached* thread;
        bool has_turn;
    };

    // The turn to move the time. A thread that has it may take it again.
    class Turn {
    public:
        explicit Turn(ManualClock& clock);
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;
        ~Turn() {
            if (alone_.owns_lock())
                clock_.mover_.store(detail::no_thread, std::memory_order_relaxed);
        }

    private:
        ManualClock& clock_;
        std::unique_lock<std::mutex> alone_;
    };

    void mark(bool Attached::*what, bool value) noexcept;
    [[nodiscard]] std::string await_others(Settler self, Duration limit) const;
    [[noreturn]] static void fail_to_settle(const std::string& call, const std::string& threads);
    void settle_for_advance();
    struct Due {
        bool found;                      // false: the time is at its end
        detail::Waiter* without_thread;  // null: it was a thread's, and has been ended
    };
    [[nodiscard]] Due claim_next_due(Deadline until) noexcept;
    void end_waits(std::size_t number) noexcept;

    // Everything below requires mutex_.
    void set_running(Attached* thread, bool running) noexcept;
    void release(Parked& parked) noexcept;
    void end_waits_of(Attached& thread) noexcept;
    [[nodiscard]] static bool stop(detail::Waiter& waiter) noexcept {
        return !waiter.has_to_be_served() && waiter.claim(detail::WaitEnd::stopped);
    }
    [[nodiscard]] Parked* next_due(Deadline until) noexcept;
    [[nodiscard]] static bool is_awaited(const Attached& thread, Settler by) noexcept;
    [[nodiscard]] bool is_anybody_awaited(Settler by) const noexcept;
    [[nodiscard]] std::string names_of_awaited(Settler by) const;

    void set_now(Deadline time) noexcept {
        wall_ = detail::later(wall_, detail::time_between(now_, time));
        now_ = time;
    }

    // The first parked wait. A child of fork() has none, as only the calling thread exists there.
    [[nodiscard]] Parked* first_parked() const noexcept {
        return process_ == detail::Process::id() ? parked_.first() : nullptr;
    }
    [[nodiscard]] bool is_alive(const Attached& thread) const noexcept {
        return thread.process == detail::Process::id() || &thread == own_thread();
    }

    void attach(std::list<Attached>& node);
    void detach(Attached& thread) noexcept;

    // From the image in which the clock was made, so that all images use the same thread_local.
    Attached*& (*const current_)() noexcept = current_in_image;
    std::mutex advancing_;                                        // taken before mutex_
    detail::Atomic<detail::ThreadId> mover_ = detail::no_thread;  // the thread that holds it
    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
    WallTime wall_;
    Deadline now_{std::chrono::hours{1}};
    std::list<Attached> threads_;
    detail::LinkedList<Parked> parked_;  // in the order of parking
    pid_t process_ = 0;                  // in which the first of them parked
    std::size_t started_ = 0;
};

inline void ManualClock::set_running(Attached* thread, bool running) noexcept {
    if (thread == nullptr || thread->running == running) return;
    thread->running = running;
    if (!running) changed_.notify_all();
}

// The waker marks the thread as running, not the woken thread: otherwise settle() could see it
// asleep between the two and return too early.
inline void ManualClock::release(Parked& parked) noexcept {
    parked_.remove(parked);  // parked by this process, so it is in the list
    set_running(parked.thread, true);
    parked.waiter->end();  // the last step: the frame with `parked` may be gone
}

inline void ManualClock::park(Wait& wait, std::optional<Deadline> deadline) noexcept {
    auto& waiter = static_cast<detail::Waiter&>(wait);
    Parked parked{&waiter, deadline, nullptr};
    {
        const std::lock_guard lock{mutex_};
        if (waiter.ended()) return;
        if (deadline && *deadline <= now_) {
            if (waiter.claim(detail::WaitEnd::timed_out)) return waiter.end();
            parked.deadline.reset();
        }
        if (deadline) waiter.deadline_number = detail::next_deadline_number(*this);
        parked.thread = own_thread();
        if (parked.thread != nullptr && parked.thread->ends_waits && stop(waiter))
            return waiter.end();
        if (first_parked() == nullptr) {
            parked_.forget();
            process_ = detail::Process::id();
        }
        parked_.push_back(parked);
        set_running(parked.thread, false);
    }
    while (!waiter.ended()) waiter.sleep();
}

inline void ManualClock::unpark(Wait& wait) noexcept {
    const std::lock_guard lock{mutex_};
    for (Parked* parked = first_parked(); parked != nullptr; parked = parked->next) {
        if (parked->waiter == &wait) return release(*parked);
    }
    wait.end();  // it has not parked yet and will not
}

// A thread waits in one place at a time.
inline void ManualClock::end_waits_of(Attached& thread) noexcept {
    thread.ends_waits = true;
    for (Parked* parked = first_parked(); parked != nullptr; parked = parked->next) {
        if (parked->thread != &thread) continue;
        if (stop(*parked->waiter)) release(*parked);
        return;
    }
}

inline void ManualClock::end_waits(std::size_t number) noexcept {
    const std::lock_guard lock{mutex_};
    for (Attached& thread : threads_)
        if (thread.number == number) end_waits_of(thread);
}

inline ManualClock::~ManualClock() {
    detail::end_running_itself(*this);
    std::unique_lock lock{mutex_};
    for (Attached& thread : threads_) end_waits_of(thread);
    const auto is_there = [this](const Attached& thread) {
        return is_alive(thread) && &thread != own_thread();
    };
    const auto have_finished = [&] { return std::ranges::none_of(threads_, is_there); };
    if (changed_.wait_for(lock, std::chrono::seconds{10}, have_finished)) return;
    detail::print("ManualClock: it goes, and still has threads: " +
                  names_of_awaited({nullptr, false}));
    changed_.wait(lock, have_finished);
}

inline ManualClock::Parked* ManualClock::next_due(Deadline until) noexcept {
    Parked* least = nullptr;
    for (Parked* entry = first_parked(); entry != nullptr; entry = entry->next) {
        if (!entry->deadline || *entry->deadline > until || entry->waiter->claimed()) continue;
        if (least == nullptr || place_of(*entry) < place_of(*least)) least = entry;
    }
    return least;
}

// Sets the time to the next deadline, and ends that wait if it is a thread's. What is returned
// needs no thread; it has to be resumed.
inline ManualClock::Due ManualClock::claim_next_due(Deadline until) noexcept {
    const std::lock_guard lock{mutex_};
    for (;;) {
        Parked* const parked = next_due(until);
        const auto limit = parked != nullptr ? place_of(*parked) : detail::DuePlace::last_at(until);
        if (const auto due = detail::claim_due(*this, limit)) {
            set_now(std::max(now_, due->deadline));
            return {true, due->waiter};
        }
        if (parked != nullptr && parked->waiter->claim(detail::WaitEnd::timed_out)) {
            set_now(std::max(now_, *parked->deadline));
            release(*parked);
            return {true, nullptr};
        }
        if (parked == nullptr && detail::has_ended_until(*this, until)) {
            set_now(std::max(now_, until));
            return {false, nullptr};
        }
    }
}

inline ManualClock::Turn::Turn(ManualClock& clock) : clock_{clock} {
    if (clock.mover_.load(std::memory_order_relaxed) == detail::this_thread()) return;
    alone_ = std::unique_lock{clock.advancing_, std::try_to_lock};
    if (!alone_.owns_lock()) {
        clock.mark(&Attached::awaits_turn, true);
        alone_.lock();
        clock.mark(&Attached::awaits_turn, false);
    }
    clock.mover_.store(detail::this_thread(), std::memory_order_relaxed);
}

inline void ManualClock::mark(bool Attached::*what, bool value) noexcept {
    const std::lock_guard lock{mutex_};
    if (Attached* const self = own_thread()) self->*what = value;
    changed_.notify_all();
}

inline void ManualClock::advance(Duration duration) {
    if (duration < std::chrono::nanoseconds{0}) {
        throw Error{ErrorCode::invalid_argument,
                    "ManualClock::advance: the duration is negative; step_wall() moves the wall "
                    "clock back"};
    }
    const Turn turn{*this};
    settle_for_advance();
    const Deadline until = detail::later(now(), duration);
    for (Due due = claim_next_due(until); due.found; due = claim_next_due(until)) {
        if (due.without_thread != nullptr) detail::resume_one(*due.without_thread);
        settle_for_advance();
    }
}

inline void ManualClock::settle_for_advance() {
    const std::string running = await_others({own_thread(), true}, std::chrono::seconds{10});
    if (!running.empty()) fail_to_settle("advance", running);
}

inline void ManualClock::settle(Duration limit) {
    mark(&Attached::settling, true);
    const std::string running = await_others({own_thread(), false}, limit);
    mark(&Attached::settling, false);
    if (!running.empty()) fail_to_settle("settle", running);
}

inline void ManualClock::fail_to_settle(const std::string& call, const std::string& threads) {
    const std::string what =
        "ManualClock::" + call + ": still not waiting on this clock: " + threads +
        " (at work, or waiting elsewhere: on an object made without `.clock`?)";
    detail::print(what);  // the test may hang when this unwinds it
    throw Error{ErrorCode::not_settled, what};
}

// Returns the names of the threads that still run after `limit`; empty: none does.
inline std::string ManualClock::await_others(Settler self, Duration limit) const {
    detail::Continuations::run_before_wait();  // the threads may wait for these
    const auto until = detail::later(std::chrono::steady_clock::now(), limit);
    std::unique_lock lock{mutex_};
    bool in_time = true;
    while (in_time && is_anybody_awaited(self))
        in_time = changed_.wait_until(lock, until) == std::cv_status::no_timeout;
    return names_of_awaited(self);
}

// A thread in settle() is awaited by outsiders, but not by the clock's threads. A thread that waits
// for its turn to move the time is awaited only by outsiders that do not move the time.
inline bool ManualClock::is_awaited(const Attached& thread, Settler by) noexcept {
    if (!thread.running || &thread == by.thread) return false;
    if (thread.awaits_turn) return by.thread == nullptr && !by.has_turn;
    return !thread.settling || by.thread == nullptr;
}

inline bool ManualClock::is_anybody_awaited(Settler by) const noexcept {
    return std::ranges::any_of(threads_, [&](const Attached& thread) {
        return is_alive(thread) && is_awaited(thread, by);
    });
}

inline std::string ManualClock::names_of_awaited(Settler by) const {
    std::string names;
    for (const Attached& thread : threads_) {
        if (!is_alive(thread) || !is_awaited(thread, by)) continue;
        if (!names.empty()) names += ", ";
        names += thread.name;
    }
    return names;
}

inline void ManualClock::attach(std::list<Attached>& node) {
    const std::lock_guard lock{mutex_};
    node.front().number = ++started_;
    if (node.front().name.empty()) node.front().name = "thread " + std::to_string(started_);
    node.front().end = std::make_shared<detail::ThreadEnd>(node.front().name);
    threads_.splice(threads_.end(), node);
}

inline void ManualClock::detach(Attached& thread) noexcept {
    thread.end->tell();
    const std::lock_guard lock{mutex_};
    set_running(&thread, false);
    threads_.remove_if([&](const Attached& other) { return &other == &thread; });
}

template <typename Function>
ManualClock::Thread ManualClock::thread(std::string name, Function function) {
    std::list<Attached> node;
    node.push_back({this, std::move(name)});
    Attached& attached = node.front();
    attach(node);
    const std::size_t number = attached.number;
    std::shared_ptr<detail::ThreadEnd> end = attached.end;
    const auto run = [this, &attached](const std::stop_token& stop, std::optional<Function>& body) {
        current_() = &attached;
        if constexpr (std::is_invocable_v<Function&, std::stop_token>) {
            std::invoke(*body, std::stop_token{stop});
        } else {
            std::invoke(*body);
        }
        body.reset();  // while the thread still counts as running: this may wake others
        current_() = nullptr;
        detach(attached);
    };
    try {
        std::jthread started{[run, body = std::optional<Function>(std::move(function))](
                                 const std::stop_token& stop) mutable { run(stop, body); }};
        return {std::move(started), *this, std::move(end), number};
    } catch (...) {
        detach(attached);
        throw;
    }
}

}  // namespace runnel::inline v0
