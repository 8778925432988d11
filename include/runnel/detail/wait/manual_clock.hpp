// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/abstract_clock.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/linked.hpp>
#include <runnel/detail/base/process.hpp>
#include <runnel/detail/base/thread_id.hpp>
#include <runnel/detail/wait/baton.hpp>
#include <runnel/detail/wait/continuations.hpp>
#include <runnel/detail/wait/manual_threads.hpp>
#include <runnel/detail/wait/switch_point.hpp>
#include <runnel/detail/wait/thread_end.hpp>
#include <runnel/detail/wait/timers.hpp>
#include <runnel/detail/wait/waiter.hpp>
#include <runnel/duration.hpp>
#include <runnel/error.hpp>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
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

struct PatienceOf;  // of the tests

}  // namespace detail

/// How a ManualClock begins.
struct ManualClockOptions {
    /// If there is one, the threads of the clock run in lock-step, in an order that it decides: see
    /// ManualClock.
    std::optional<std::uint64_t> seed{};
    /// The wall time at first.
    Clock::WallTime start{std::chrono::seconds{1'700'000'000}};
};

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
/// until another thread ends it or moves the time. If nobody has moved the time for ten seconds of
/// real time meanwhile, and no thread of the clock is at work, this is printed, once.
///
/// **Lock-step.** With a seed the threads of the clock run one at a time, in an order that the seed
/// decides. One seed gives the same run each time; another seed gives another one:
///
///     runnel::ManualClock clock{{.seed = 7}};
///
/// The threads pass one baton. A thread that has it runs until it waits on this clock, ends, has
/// woken or started another thread, or calls settle(), advance() or the join() of a Thread. Then
/// the seed draws one of those that can go on. So what the threads share needs no lock. The thread
/// of the test has the baton, too: the others run while it is in settle(), advance(), the join() or
/// destructor of a Thread, or in a wait on this clock, and it gets the baton back when it can go
/// on. What goes on without a thread, such as a coroutine, runs in the thread that ends its wait.
///
/// A run is the same only if nothing else decides what the threads do: another thread, the time of
/// the machine, addresses. A thread that has the baton and waits elsewhere keeps it for a tenth of
/// a second or two; one that polls, for ten seconds. For example, it waits for a mutex of a thread
/// that called runnel while it held that. Then the others go on; the thread goes on beside
/// them until it calls runnel. This is printed once: such a run does not hang, but another one may
/// differ. A thread that requests a stop keeps the baton, as others wait for its callbacks to
/// return.
///
/// Thread safety: every member may be called from any thread. One thread at a time moves the time;
/// a second one waits for the first.
class RUNNEL_VISIBLE ManualClock final : public Clock {
public:
    /// The wall time at first: 2023-11-14 22:13:20 UTC, 1,700,000,000,000 ms since 1970.
    static constexpr WallTime default_start = ManualClockOptions{}.start;

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
            begin_join();
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
        friend struct detail::PatienceOf;

        Thread(std::jthread&& thread, ManualClock& clock, std::shared_ptr<detail::ThreadEnd> end,
               std::size_t number) noexcept
            : thread_{std::move(thread)}, clock_{&clock}, end_{std::move(end)}, number_{number} {}

        // As the destructor of the std::jthread does next, but that would wait in silence.
        void finish() noexcept {
            end_waits_if_unwinding();
            if (!joinable() || get_id() == std::this_thread::get_id()) return;
            thread_.request_stop();
            begin_join();
            end_->await();
        }

        // In lock-step, before the calling thread waits for this one: lets others run.
        void begin_join() const noexcept {
            if (!joinable()) return;
            detail::ClockThread* joiner = nullptr;
            end_->unless_told([&]() noexcept { joiner = clock_->begin_join(number_); });
            if (joiner != nullptr) clock_->await_end(*joiner);
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
    /// `ManualClock clock{{.seed = 7}};`: in lock-step.
    explicit ManualClock(const ManualClockOptions& options) noexcept : ManualClock{options.start} {
        if (options.seed) baton_.emplace(*options.seed);
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
    [[nodiscard]] bool starts_threads() const noexcept override { return true; }

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
    /// std::stop_token and must not throw; it may end the thread by pthread_exit(). The name
    /// appears in the message of Error{not_settled}. The clock must outlive the thread, but need
    /// not outlive the Thread object.
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
    friend struct detail::PatienceOf;
    using Attached = detail::ClockThread;
    using Parked = detail::ParkedWait;
    using Stranger = detail::Stranger;
    using MutexLock = std::unique_lock<std::mutex>;

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
        explicit Turn(ManualClock& clock) : clock_{clock}, is_first_{clock.take_turn()} {}
        Turn(const Turn&) = delete;
        Turn& operator=(const Turn&) = delete;
        ~Turn() {
            if (is_first_) clock_.give_turn_back();
        }

    private:
        ManualClock& clock_;
        const bool is_first_;
    };

    // What has come due.
    struct Due {
        bool found;                      // false: the time is at its end
        detail::Waiter* without_thread;  // null: it was a thread's, and has been ended
    };

    [[nodiscard]] bool take_turn();
    void give_turn_back() noexcept;
    void mark(bool Attached::*what, bool value) noexcept;
    [[nodiscard]] std::string await_others(Settler self, Duration limit);
    [[noreturn]] static void fail_to_settle(const std::string& call, const std::string& threads);
    void settle_for_advance();
    [[nodiscard]] Due claim_next_due(Deadline until) noexcept;
    void end_waits(std::size_t number) noexcept;
    void sleep_and_tell(detail::Waiter& waiter) noexcept;
    void begin(Attached& thread) noexcept;
    void start_in_turn() noexcept;
    [[nodiscard]] Attached* begin_join(std::size_t number) noexcept;
    void await_end(Attached& self) noexcept;

    // Everything below requires mutex_.
    [[nodiscard]] bool stand_parked(Parked& parked, Stranger& stranger) noexcept;
    void give_up_baton(Parked& parked, Stranger& stranger) noexcept;
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

    // Lock-step.
    [[nodiscard]] bool is_in_lock_step() const noexcept {
        return baton_ && baton_->is_of_this_process();
    }
    void hand_over() noexcept;
    void take_back() noexcept;
    [[nodiscard]] bool is_ready(const Attached& thread) const noexcept;
    [[nodiscard]] std::size_t count_ready() const noexcept;
    void pass_baton() noexcept;
    void give_baton_to(std::size_t which) noexcept;
    void await_baton(MutexLock& lock, detail::BatonSeat& seat,
                     Deadline until = Deadline::max()) noexcept;
    void let_others_run(MutexLock& lock, Attached& self,
                        Attached::Until ready_when = Attached::Until::given,
                        Deadline until = Deadline::max()) noexcept;
    void look_for_the_stuck(MutexLock& lock) noexcept;

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
    mutable std::mutex mutex_;
    mutable std::condition_variable changed_;
    detail::ThreadId mover_ = detail::no_thread;  // has the turn to move the time
    WallTime wall_;
    Deadline now_{std::chrono::hours{1}};
    std::list<Attached> threads_;
    detail::LinkedList<Parked> parked_;  // in the order of parking
    pid_t process_ = 0;                  // in which the first of them parked
    std::size_t started_ = 0;
    std::optional<detail::Baton> baton_{};  // there in lock-step
    detail::LinkedList<Stranger> strangers_;
    bool has_told_of_the_stuck_ = false;
    bool has_told_of_a_wait_ = false;
    std::chrono::nanoseconds patience_ = std::chrono::seconds{10};  // tests have less
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
    if (parked.stranger != nullptr) parked.stranger->is_released = true;
    parked.waiter->end();  // the last step: the frame with `parked` may be gone
}

// False: it has ended.
inline bool ManualClock::stand_parked(Parked& parked, Stranger& stranger) noexcept {
    detail::Waiter& waiter = *parked.waiter;
    if (waiter.ended()) return false;
    if (parked.deadline && *parked.deadline <= now_) {
        if (waiter.claim(detail::WaitEnd::timed_out)) return waiter.end(), false;
        parked.deadline.reset();
    }
    if (parked.deadline) waiter.deadline_number = detail::next_deadline_number(*this);
    parked.thread = own_thread();
    if (parked.thread != nullptr && parked.thread->ends_waits && stop(waiter))
        return waiter.end(), false;
    if (first_parked() == nullptr) {
        parked_.forget();
        strangers_.forget();
        process_ = detail::Process::id();
    }
    parked_.push_back(parked);
    set_running(parked.thread, false);
    if (is_in_lock_step()) give_up_baton(parked, stranger);
    return true;
}

inline void ManualClock::give_up_baton(Parked& parked, Stranger& stranger) noexcept {
    if (parked.thread != nullptr) {
        baton_->leave(parked.thread->seat);
    } else {
        stranger.seat.thread = detail::kernel_thread();
        parked.stranger = &stranger;
        strangers_.push_back(stranger);
        baton_->hand_over();
    }
    pass_baton();
}

inline void ManualClock::park(Wait& wait, std::optional<Deadline> deadline) noexcept {
    auto& waiter = static_cast<detail::Waiter&>(wait);
    Parked parked{&waiter, deadline};
    Stranger stranger;
    {
        const MutexLock lock{mutex_};
        if (!stand_parked(parked, stranger)) return;
    }
    if (parked.thread == nullptr) sleep_and_tell(waiter);
    while (!waiter.ended()) waiter.sleep();
    if (!baton_) return;
    MutexLock lock{mutex_};
    if (!is_in_lock_step()) return;
    await_baton(lock, parked.thread != nullptr ? parked.thread->seat : stranger.seat);
    if (parked.stranger != nullptr) strangers_.remove(stranger);
}

// The wait of a thread that the clock has not started, until it has ended, or this was printed: if
// it is the thread that moves the time, it waits for ever.
inline void ManualClock::sleep_and_tell(detail::Waiter& waiter) noexcept {
    using Steady = std::chrono::steady_clock;
    Deadline time = now();
    for (bool may_go_on = true; may_go_on;) {
        const auto until = detail::later(Steady::now(), patience_);
        while (!waiter.ended() && Steady::now() < until) waiter.sleep(until);
        if (waiter.ended()) return;
        const std::lock_guard lock{mutex_};
        if (waiter.ended() || has_told_of_a_wait_) return;
        may_go_on = std::exchange(time, now_) != now_ || is_anybody_awaited({nullptr, false});
        has_told_of_a_wait_ = !may_go_on;
    }
    detail::print("ManualClock: a thread that the clock has not started waits on it, and nobody "
                  "moves the time (if it is the thread that does, it waits for ever: start what "
                  "waits by thread(), or let it wait without a thread)");
}

inline void ManualClock::unpark(Wait& wait) noexcept {
    const MutexLock lock{mutex_};
    Parked* parked = first_parked();
    while (parked != nullptr && parked->waiter != &wait) parked = parked->next;
    if (parked == nullptr) return wait.end();  // it has not parked yet and will not
    release(*parked);
    if (!is_in_lock_step()) return;
    Attached* const self = own_thread();
    if (self != nullptr && baton_->holder() == &self->seat) {
        const auto let_others_run = [](void* thread) noexcept {
            auto& waker = *static_cast<Attached*>(thread);
            MutexLock waker_lock{waker.clock->mutex_};
            waker.clock->let_others_run(waker_lock, waker);
        };
        return detail::SwitchPoint::note(let_others_run, self);
    }
    if (self == nullptr) baton_->note_outside();
    pass_baton();
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
    pass_baton();
}

inline ManualClock::~ManualClock() {
    detail::end_running_itself(*this);
    MutexLock lock{mutex_};
    for (Attached& thread : threads_) end_waits_of(thread);
    hand_over();
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
        if (least == nullptr || entry->place() < least->place()) least = entry;
    }
    return least;
}

// Sets the time to the next deadline, and ends that wait if it is a thread's. What is returned
// needs no thread; it has to be resumed.
inline ManualClock::Due ManualClock::claim_next_due(Deadline until) noexcept {
    const std::lock_guard lock{mutex_};
    for (;;) {
        Parked* const parked = next_due(until);
        const auto limit = parked != nullptr ? parked->place() : detail::DuePlace::last_at(until);
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

// False: the calling thread has it already.
inline bool ManualClock::take_turn() {
    MutexLock lock{mutex_};
    if (mover_ == detail::this_thread()) return false;
    Attached* const self = own_thread();
    if (self != nullptr) {
        self->awaits_turn = mover_ != detail::no_thread;
        changed_.notify_all();
        while (mover_ != detail::no_thread) {
            if (is_in_lock_step()) {
                let_others_run(lock, *self, Attached::Until::turn_is_free);
            } else {
                changed_.wait(lock);
            }
        }
        self->awaits_turn = false;
        self->moves_time = true;
    } else if (mover_ != detail::no_thread) {
        // In lock-step a thread of the clock that waits for the turn, too, gets it first.
        hand_over();
        while (mover_ != detail::no_thread ||
               (is_in_lock_step() && is_anybody_awaited({nullptr, false})))
            changed_.wait(lock);
        take_back();
    }
    mover_ = detail::this_thread();
    return true;
}

inline void ManualClock::give_turn_back() noexcept {
    const std::lock_guard lock{mutex_};
    mover_ = detail::no_thread;
    if (Attached* const self = own_thread()) self->moves_time = false;
    changed_.notify_all();
    pass_baton();
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
inline std::string ManualClock::await_others(Settler self, Duration limit) {
    detail::Continuations::run_before_wait();  // the threads may wait for these
    const auto until = detail::later(std::chrono::steady_clock::now(), limit);
    MutexLock lock{mutex_};
    if (Attached* const own = own_thread(); own != nullptr && is_in_lock_step()) {
        let_others_run(lock, *own, Attached::Until::others_settled, until);
        std::string names = names_of_awaited(self);
        if (!own->seat.has_it) let_others_run(lock, *own);
        return names;
    }
    hand_over();
    bool in_time = true;
    while (in_time && is_anybody_awaited(self))
        in_time = changed_.wait_until(lock, until) == std::cv_status::no_timeout;
    take_back();
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
    if (is_in_lock_step()) {
        baton_->leave(thread.seat);
        baton_->let_outside_run(thread.joiners);
    }
    threads_.remove_if([&](const Attached& other) { return &other == &thread; });
    pass_baton();
}

// By the thread, before all else.
inline void ManualClock::begin(Attached& thread) noexcept {
    current_() = &thread;
    MutexLock lock{mutex_};
    if (!is_in_lock_step()) return;
    thread.seat.thread = detail::kernel_thread();
    await_baton(lock, thread.seat);
}

// By a thread that has started another one: that may run first.
inline void ManualClock::start_in_turn() noexcept {
    MutexLock lock{mutex_};
    if (!is_in_lock_step()) return;
    if (Attached* const self = own_thread()) return let_others_run(lock, *self);
    baton_->note_outside();
    pass_baton();
}

// The calling thread waits outside of the clock for one of its threads.
inline void ManualClock::hand_over() noexcept {
    if (!is_in_lock_step()) return;
    Attached* const self = own_thread();
    if (self != nullptr) {
        baton_->leave(self->seat);
        self->seat.is_away = true;
    } else {
        baton_->hand_over();
    }
    pass_baton();
}

inline void ManualClock::take_back() noexcept {
    if (is_in_lock_step() && own_thread() == nullptr) baton_->take_back();
}

// The calling thread waits for the end of that one. If it is one of the clock's, which is returned
// then, it has to call await_end() first, without the lock of the ThreadEnd.
inline ManualClock::Attached* ManualClock::begin_join(std::size_t number) noexcept {
    const std::lock_guard lock{mutex_};
    if (!is_in_lock_step()) return nullptr;
    Attached* const self = own_thread();
    if (self != nullptr) {
        self->awaits_end_of = number;
        return self;
    }
    for (Attached& thread : threads_)
        if (thread.number == number) ++thread.joiners;
    hand_over();
    return nullptr;
}

inline void ManualClock::await_end(Attached& self) noexcept {
    MutexLock lock{mutex_};
    let_others_run(lock, self, Attached::Until::other_ended);
}

inline bool ManualClock::is_ready(const Attached& thread) const noexcept {
    if (!is_alive(thread) || !thread.running || thread.seat.is_away || thread.seat.has_it)
        return false;
    switch (thread.ready_when) {
    case Attached::Until::others_settled:
        return !is_anybody_awaited({&thread, thread.moves_time});
    case Attached::Until::turn_is_free:
        return mover_ == detail::no_thread;
    case Attached::Until::other_ended:
        return std::ranges::none_of(
            threads_, [&](const Attached& other) { return other.number == thread.awaits_end_of; });
    default:
        return true;
    }
}

inline std::size_t ManualClock::count_ready() const noexcept {
    std::size_t count = 0;
    for (const Attached& thread : threads_) count += is_ready(thread) ? 1U : 0U;
    for (const Stranger* one = strangers_.first(); one != nullptr; one = one->next)
        count += one->is_released && !one->seat.has_it ? 1U : 0U;
    return count;
}

// If nobody holds the baton: draws one of those that are ready. A thread outside may be drawn, too;
// then the next one is drawn only if yet another thread outside has handed over.
inline void ManualClock::pass_baton() noexcept {
    if (!is_in_lock_step()) return;
    while (baton_->may_be_given()) {
        const std::size_t ready = count_ready();
        if (ready == 0) return;
        give_baton_to(baton_->draw(ready));
    }
}

inline void ManualClock::give_baton_to(std::size_t which) noexcept {
    for (Attached& thread : threads_)
        if (is_ready(thread) && which-- == 0) return baton_->give(thread.seat);
    for (Stranger* one = strangers_.first(); one != nullptr; one = one->next)
        if (one->is_released && !one->seat.has_it && which-- == 0)
            return baton_->give_outside(one->seat);
}

// Returns once the calling thread, whose seat that is, has the baton; or after `until`.
inline void ManualClock::await_baton(MutexLock& lock, detail::BatonSeat& seat,
                                     Deadline until) noexcept {
    while (!seat.has_it) {
        const auto now = std::chrono::steady_clock::now();
        if (now >= until) return;
        const auto next_look = std::min(until, now + detail::Baton::long_sleep);
        if (seat.given.wait_until(lock, next_look) == std::cv_status::timeout && !seat.has_it)
            look_for_the_stuck(lock);
    }
}

// The calling thread waits until it gets the baton again, once it is ready; or until that time.
inline void ManualClock::let_others_run(MutexLock& lock, Attached& self, Attached::Until ready_when,
                                        Deadline until) noexcept {
    baton_->leave(self.seat);
    self.ready_when = ready_when;
    pass_baton();
    await_baton(lock, self.seat, until);
    self.ready_when = Attached::Until::given;
}

inline void ManualClock::look_for_the_stuck(MutexLock& lock) noexcept {
    auto look = baton_->look();
    if (look.thread == 0) return;
    lock.unlock();  // it may be about to take the lock
    look.sleep = detail::sleep_of(look.thread);
    lock.lock();
    if (!baton_->is_stuck(look)) return;
    std::string name = "the thread of the test";
    for (const Attached& thread : threads_)
        if (&thread.seat == baton_->holder()) name = thread.name;
    baton_->pass_over();
    pass_baton();
    if (std::exchange(has_told_of_the_stuck_, true)) return;
    detail::print("ManualClock in lock-step: " + name +
                  " waits elsewhere, perhaps for another thread; these go on, and from here the "
                  "order may differ from run to run");
}

template <typename Function>
ManualClock::Thread ManualClock::thread(std::string name, Function function) {
    std::list<Attached> node;
    node.emplace_back(*this, std::move(name));
    Attached& attached = node.front();
    attach(node);
    const std::size_t number = attached.number;
    std::shared_ptr<detail::ThreadEnd> end = attached.end;
    const auto run = [this, &attached](const std::stop_token& stop, std::optional<Function>& body) {
        begin(attached);
        // Also when the thread ends by pthread_exit().
        const auto leave = [&](const ManualClock* /*this*/) {
            body.reset();  // while the thread still counts as running: this may wake others
            detail::SwitchPoint::skip();
            current_() = nullptr;
            detach(attached);
        };
        const std::unique_ptr<const ManualClock, decltype(leave)> leaves_at_end{this, leave};
        if constexpr (std::is_invocable_v<Function&, std::stop_token>) {
            std::invoke(*body, std::stop_token{stop});
        } else {
            std::invoke(*body);
        }
    };
    try {
        std::jthread started{[run, body = std::optional<Function>(std::move(function))](
                                 const std::stop_token& stop) mutable { run(stop, body); }};
        start_in_turn();
        return {std::move(started), *this, std::move(end), number};
    } catch (...) {
        detach(attached);
        throw;
    }
}

}  // namespace runnel::inline v0
