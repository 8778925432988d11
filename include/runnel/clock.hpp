// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/annotations.hpp>
#include <runnel/detail/waiter.hpp>
#include <runnel/error.hpp>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

namespace runnel::inline v0 {

/// Where runnel takes its time from: wall time for ids and idle times, monotonic time for
/// deadlines.
///
/// Everything that can wait takes a `Clock*` in its options; none given means the SystemClock. A
/// clock must outlive whatever uses it.
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

    /// The time of day; may be stepped back.
    [[nodiscard]] virtual WallTime wall() const noexcept = 0;

    /// A time that never goes back; deadlines are points of it.
    [[nodiscard]] virtual Deadline now() const noexcept = 0;

    /// Whether time passes by itself. Waits spin briefly before they sleep only if it does.
    [[nodiscard]] virtual bool is_real() const noexcept = 0;

    /// The two hooks of the wait path, for clocks that decide who runs. park() is called by the
    /// thread that waits, without any lock, and returns once the waiter has ended; when `deadline`
    /// passes first, the clock claims the waiter and ends it with time-out.
    virtual void park(detail::Waiter& waiter, std::optional<Deadline> deadline) noexcept = 0;

    /// Ends `waiter`, which the caller has claimed. Called by the thread that wakes it, without
    /// any lock.
    virtual void unpark(detail::Waiter& waiter) noexcept = 0;
};

/// The time of the machine.
class RUNNEL_VISIBLE SystemClock final : public Clock {
public:
    /// The one that is used where none is given.
    [[nodiscard]] static SystemClock& instance() noexcept {
        static SystemClock clock;
        return clock;
    }

    [[nodiscard]] WallTime wall() const noexcept override {
        return std::chrono::system_clock::now();
    }

    [[nodiscard]] Deadline now() const noexcept override {
        return std::chrono::steady_clock::now();
    }

    [[nodiscard]] bool is_real() const noexcept override { return true; }

    void park(detail::Waiter& waiter, std::optional<Deadline> deadline) noexcept override {
        while (!waiter.ended()) {
            if (deadline && now() >= *deadline) {
                if (waiter.claim(detail::WaitEnd::timed_out)) return waiter.end();
                deadline.reset();  // somebody else has claimed it and is about to end it
            }
            waiter.sleep(deadline);
        }
    }

    void unpark(detail::Waiter& waiter) noexcept override { waiter.end(); }
};

/// A time that stands still until a test moves it: waits with an hour's time-out end at once, in
/// the order of their deadlines, and the same way in every run.
///
/// Threads that take part are started with thread(). advance() and settle() then know when all of
/// them wait, and no test needs to sleep:
///
///     runnel::ManualClock clock;
///     runnel::BlockingList<int> jobs{{.clock = &clock}};
///     auto worker = clock.thread([&] { late = !jobs.pop_front({.timeout = 1h}); });
///     clock.advance(1h);
///
/// Thread safety: every member may be called from any thread. Time is moved by one thread at a
/// time; a second one waits for the first.
class RUNNEL_VISIBLE ManualClock final : public Clock {
public:
    using Duration = std::chrono::nanoseconds;

    /// Where the wall clock stands at first: 2023-11-14 22:13:20 UTC, 1,700,000,000,000 ms.
    static constexpr WallTime default_start{std::chrono::seconds{1'700'000'000}};

    explicit ManualClock(WallTime start = default_start) noexcept : wall_{start} {}

    [[nodiscard]] WallTime wall() const noexcept override {
        const std::lock_guard lock{mutex_};
        return wall_;
    }

    [[nodiscard]] Deadline now() const noexcept override {
        const std::lock_guard lock{mutex_};
        return now_;
    }

    [[nodiscard]] bool is_real() const noexcept override { return false; }

    /// Moves both times forward by `duration`. On the way it stops at each deadline, in their
    /// order, ties by who has waited longer: sets the time to it, ends that one wait, and lets the
    /// threads settle before it goes on.
    ///
    /// Throws: Error{invalid_argument} for a negative duration; Error{not_settled} as settle().
    void advance(Duration duration);

    /// Moves the wall clock alone, forward or back; deadlines are not touched.
    void step_wall(Duration duration) noexcept {
        const std::lock_guard lock{mutex_};
        wall_ += std::chrono::duration_cast<WallTime::duration>(duration);
    }

    /// Starts a thread that settle() knows of; it counts as running before this returns.
    /// `function` may take a std::stop_token. The name appears in the message of settle().
    template <typename Function>
    [[nodiscard]] std::jthread thread(std::string name, Function function);

    template <typename Function>
    [[nodiscard]] std::jthread thread(Function function) {
        return thread({}, std::move(function));
    }

    /// Returns once every thread of this clock waits in runnel or has finished; the calling thread
    /// does not count.
    ///
    /// Blocks: for `limit` of real time at most.
    /// Throws: Error{not_settled} that names the threads that do not wait.
    void settle(Duration limit = std::chrono::seconds{10});

    /// How many waits are parked on this clock, of its own threads and of others.
    [[nodiscard]] std::size_t waiting() const noexcept {
        const std::lock_guard lock{mutex_};
        return parked_.size();
    }

    void park(detail::Waiter& waiter, std::optional<Deadline> deadline) noexcept override;
    void unpark(detail::Waiter& waiter) noexcept override;

private:
    struct Attached {
        ManualClock* clock;
        std::string name;
        bool running = true;
    };

    struct Parked {
        detail::Waiter* waiter;
        std::optional<Deadline> deadline;
        Attached* thread;  // null: not one of ours
    };

    // The attached thread that is executing, if it is one.
    static Attached*& current() noexcept {
        thread_local Attached* thread = nullptr;
        return thread;
    }

    [[nodiscard]] Attached* own_thread() const noexcept {
        Attached* const thread = current();
        return thread != nullptr && thread->clock == this ? thread : nullptr;
    }

    // Everything below requires mutex_.
    void set_running(Attached* thread, bool running) noexcept;
    void release(std::list<Parked>::iterator parked) noexcept;
    [[nodiscard]] std::list<Parked>::iterator next_due(Deadline until) noexcept;
    [[nodiscard]] bool end_next_due(Deadline until) noexcept;
    [[nodiscard]] std::string names_of_running() const;

    void set_now(Deadline time) noexcept {
        wall_ += std::chrono::duration_cast<WallTime::duration>(time - now_);
        now_ = time;
    }

    void attach(std::list<Attached>& node);
    void detach(Attached& thread) noexcept;

    std::mutex advancing_;  // taken before mutex_
    mutable std::mutex mutex_;
    std::condition_variable changed_;
    WallTime wall_;
    Deadline now_{std::chrono::hours{1}};
    std::list<Attached> threads_;
    std::list<Parked> parked_;
    std::size_t running_ = 0;
    std::size_t started_ = 0;
};

inline void ManualClock::set_running(Attached* thread, bool running) noexcept {
    if (thread == nullptr || thread->running == running) return;
    thread->running = running;
    running_ = running ? running_ + 1 : running_ - 1;
    if (!running) changed_.notify_all();
}

// The waker, not the woken one, marks the thread as running: otherwise settle() could see it
// asleep between the two and return too early.
inline void ManualClock::release(std::list<Parked>::iterator parked) noexcept {
    detail::Waiter& waiter = *parked->waiter;
    set_running(parked->thread, true);
    parked_.erase(parked);
    waiter.end();
}

inline void ManualClock::park(detail::Waiter& waiter, std::optional<Deadline> deadline) noexcept {
    {
        const std::lock_guard lock{mutex_};
        if (waiter.ended()) return;
        if (deadline && *deadline <= now_) {
            if (waiter.claim(detail::WaitEnd::timed_out)) return waiter.end();
            deadline.reset();
        }
        Attached* const thread = own_thread();
        parked_.push_back({&waiter, deadline, thread});
        set_running(thread, false);
    }
    while (!waiter.ended()) waiter.sleep({});
}

inline void ManualClock::unpark(detail::Waiter& waiter) noexcept {
    const std::lock_guard lock{mutex_};
    const auto parked = std::ranges::find(parked_, &waiter, &Parked::waiter);
    if (parked == parked_.end()) return waiter.end();  // it has not parked yet and will not
    release(parked);
}

inline std::list<ManualClock::Parked>::iterator ManualClock::next_due(Deadline until) noexcept {
    auto least = parked_.end();
    for (auto entry = parked_.begin(); entry != parked_.end(); ++entry) {
        if (!entry->deadline || *entry->deadline > until || entry->waiter->claimed()) continue;
        if (least == parked_.end() || *entry->deadline < *least->deadline ||
            (*entry->deadline == *least->deadline &&
             entry->waiter->ticket() < least->waiter->ticket()))
            least = entry;
    }
    return least;
}

inline bool ManualClock::end_next_due(Deadline until) noexcept {
    for (auto due = next_due(until); due != parked_.end(); due = next_due(until)) {
        if (!due->waiter->claim(detail::WaitEnd::timed_out)) continue;
        set_now(std::max(now_, *due->deadline));
        release(due);
        return true;
    }
    return false;
}

inline void ManualClock::advance(Duration duration) {
    if (duration < Duration::zero()) {
        throw Error{ErrorCode::invalid_argument,
                    "ManualClock::advance: the duration is negative; step_wall() moves the wall "
                    "clock back"};
    }
    const std::lock_guard alone{advancing_};
    settle();
    const Deadline until = now() + duration;
    for (;;) {
        {
            const std::lock_guard lock{mutex_};
            if (!end_next_due(until)) {
                set_now(std::max(now_, until));
                return;
            }
        }
        settle();
    }
}

inline void ManualClock::settle(Duration limit) {
    std::unique_lock lock{mutex_};
    const std::size_t self = own_thread() != nullptr ? 1 : 0;
    const auto until = std::chrono::steady_clock::now() + limit;
    while (running_ > self) {
        if (changed_.wait_until(lock, until) == std::cv_status::timeout && running_ > self) {
            throw Error{ErrorCode::not_settled,
                        "ManualClock::settle: still not waiting: " + names_of_running()};
        }
    }
}

inline std::string ManualClock::names_of_running() const {
    std::string names;
    for (const Attached& thread : threads_) {
        if (!thread.running || &thread == own_thread()) continue;
        if (!names.empty()) names += ", ";
        names += thread.name;
    }
    return names;
}

inline void ManualClock::attach(std::list<Attached>& node) {
    const std::lock_guard lock{mutex_};
    ++started_;
    if (node.front().name.empty()) node.front().name = "thread " + std::to_string(started_);
    threads_.splice(threads_.end(), node);
    ++running_;
}

inline void ManualClock::detach(Attached& thread) noexcept {
    const std::lock_guard lock{mutex_};
    set_running(&thread, false);
    threads_.remove_if([&](const Attached& other) { return &other == &thread; });
}

template <typename Function>
std::jthread ManualClock::thread(std::string name, Function function) {
    std::list<Attached> node;
    node.push_back({this, std::move(name)});
    Attached& attached = node.front();
    attach(node);
    const auto run = [this, &attached](std::stop_token stop, Function& body) {
        current() = &attached;
        if constexpr (std::is_invocable_v<Function&, std::stop_token>) {
            std::invoke(body, std::move(stop));
        } else {
            std::invoke(body);
        }
        current() = nullptr;
        detach(attached);
    };
    try {
        return std::jthread{[run, body = std::move(function)](std::stop_token stop) mutable {
            run(std::move(stop), body);
        }};
    } catch (...) {
        detach(attached);
        throw;
    }
}

}  // namespace runnel::inline v0
