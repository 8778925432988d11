// SPDX-License-Identifier: MIT
#pragma once

// Descriptors for event loops.

#include <runnel/version.hpp>

#include <runnel/clock.hpp>
#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/atomic.hpp>
#include <runnel/detail/base/event_fd.hpp>
#include <runnel/detail/base/futex.hpp>
#include <runnel/detail/base/process.hpp>
#include <runnel/detail/base/thread_id.hpp>
#include <runnel/detail/wait/await.hpp>
#include <runnel/detail/wait/operation.hpp>
#include <runnel/detail/wait/timers.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/error.hpp>
#include <runnel/outcome.hpp>
#include <runnel/runner.hpp>
#include <runnel/wait_any.hpp>

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

namespace runnel::inline v0 {

namespace detail {

inline void require_open(const Descriptor& descriptor) {
    if (descriptor.is_open()) return;
    throw Error{ErrorCode::no_descriptor,
                "the system gives no descriptor for an event: errno " + std::to_string(errno)};
}

// A wait for several objects that makes a descriptor readable when it ends.
class PolledWait {
public:
    // Begins the wait. Throws: what Pollable does.
    explicit PolledWait(std::vector<Watch> watches) : watches_(std::move(watches)) {
        require_open(event_);
        (void)Look::common_clock(watches_);
        rearm();
    }
    PolledWait(const PolledWait&) = delete;
    PolledWait& operator=(const PolledWait&) = delete;
    ~PolledWait() {
        wait_.reset();
        while (writers_.load(std::memory_order_acquire) != 0) give_way();
    }

    // Whoever ends the wait before or after it is made unreadable, does so before the new one looks
    // at the objects, or makes it readable again.
    void rearm() noexcept {
        wait_.reset();
        event_.make_unreadable();
        AnyRecipe recipe{watches_, this_thread()};
        const KeptOptions options{wait_for_ever};
        wait_.emplace(recipe, options, Next{this});
        WakeChain chain;
        const bool waits = wait_->start(chain);
        chain.resume_all();
        if (waits) return;
        wait_->finish();
        event_.make_readable();
    }

    [[nodiscard]] int descriptor() const noexcept { return event_.number(); }
    [[nodiscard]] bool is_of_this_process() const noexcept { return process_ == Process::id(); }

private:
    // Writes when the wait may be gone. So the descriptor stays until there is no writer.
    class Writer {
    public:
        explicit Writer(PolledWait& of) noexcept : of_{of} {
            of_.writers_.fetch_add(1, std::memory_order_relaxed);
        }
        Writer(const Writer&) = delete;
        Writer& operator=(const Writer&) = delete;
        ~Writer() { of_.writers_.fetch_sub(1, std::memory_order_release); }

        void operator()() const noexcept { of_.event_.make_readable(); }

    private:
        PolledWait& of_;
    };

    struct Next {
        static constexpr bool is_known_to_others = false;
        static constexpr bool goes_on_at_once = true;

        [[nodiscard]] Writer detach() const noexcept { return Writer{*owner}; }

        PolledWait* owner;
    };

    const std::vector<Watch> watches_;
    const EventFd event_;
    const pid_t process_ = Process::id();
    Atomic<std::uint32_t> writers_ = 0;
    std::optional<Operation<AnyRecipe, Next>> wait_;
};

}  // namespace detail

/// Waits for lists, cursors, consumers, subscriptions and inboxes in an event loop: its descriptor
/// becomes readable when one of the objects has something. For poll, epoll, QSocketNotifier,
/// g_unix_fd_add(), uv_poll_t and the like.
///
///     runnel::Pollable ready{jobs, ticks};
///     std::array<pollfd, 2> all{{{STDIN_FILENO, POLLIN, 0}, {ready.descriptor(), POLLIN, 0}}};
///     while (poll(all.data(), all.size(), -1) > 0) {
///         if (all[0].revents != 0) read_input();
///         if (all[1].revents == 0) continue;
///         while (auto job = jobs.try_pop_front()) run(*job);
///         while (auto batch = ticks.try_read()) draw(batch);
///         ready.rearm();
///     }
///
/// It is one wait_any() after the other, and takes nothing. A wait begins in the constructor and in
/// rearm(). When it ends, the descriptor becomes readable and stays so until the next rearm(). So
/// what the objects get meanwhile costs their senders nothing, and the one that ends the wait makes
/// a system call, after its locks.
///
/// It also becomes readable when wait_any() would return without an object: when all objects are
/// closed and empty, or one is gone or disconnected. That stays so after rearm(): take it out of
/// the loop when a try_… says so.
///
/// Of many that wait for one list or group, each element tells one, as with wait_any(). The turn of
/// that one is over when the thread that has called rearm() takes from the list or group, or calls
/// rearm() again.
///
/// A watch is used by one wait at a time, and this is one. Borrows cursors, subscriptions and
/// inboxes; keeps no object open.
///
/// Thread safety: the objects may be used by any thread, as with wait_any(). Its own members are
/// called by one thread at a time. Take the descriptor out of the loop before this is destroyed,
/// which closes it. A child of fork() may only destroy it; a program that is executed does not get
/// the descriptor.
class Pollable {
public:
    /// Throws: Error{no_descriptor} if the system gives none. Error{invalid_argument} if there is
    /// no object, or not all have the same clock.
    explicit Pollable(std::vector<Watch> objects)
        : wait_{std::make_unique<detail::PolledWait>(std::move(objects))} {}

    explicit Pollable(Watch object) : Pollable{several(std::move(object))} {}

    template <typename... Others>
    Pollable(Watch first, Watch second, Others&&... others)
        : Pollable{several(std::move(first), std::move(second), Watch(others)...)} {}

    Pollable(Pollable&&) noexcept = default;
    Pollable& operator=(Pollable&& other) noexcept {
        std::swap(wait_, other.wait_);
        return *this;
    }
    ~Pollable() {
        // The wait is the parent's, and so are the lines in which its places stand.
        if (wait_ == nullptr || wait_->is_of_this_process()) return;
        [[maybe_unused]] detail::PolledWait* const left_alone = wait_.release();
    }

    /// Stays the same, also when this is moved.
    [[nodiscard]] int descriptor(detail::Caller caller = {}) const noexcept {
        RUNNEL_EXPECT(wait_ != nullptr, "descriptor() of a Pollable that was moved from", caller);
        return wait_->descriptor();
    }

    /// Makes the descriptor unreadable, and waits again; if one of the objects has something at
    /// hand, it is readable at once. Call it when you have taken what you want. Nothing that comes
    /// before, meanwhile or after is missed. The descriptor may become readable for no reason: a
    /// try_… finds nothing then.
    ///
    /// Complexity: linear in the number of objects; a few system calls.
    void rearm(detail::Caller caller = {}) noexcept {
        RUNNEL_EXPECT(wait_ != nullptr, "rearm() of a Pollable that was moved from", caller);
        wait_->rearm();
    }

private:
    template <typename... Watches>
    static std::vector<Watch> several(Watches&&... watches) {
        std::vector<Watch> all;
        all.reserve(sizeof...(watches));
        (all.push_back(std::move(watches)), ...);
        return all;
    }

    std::unique_ptr<detail::PolledWait> wait_;
};

/// A Runner for an event loop: its descriptor becomes readable when run_due() has something to do.
///
///     runnel::PollableRunner timers;  // of the SystemClock
///     … loop.add(timers.descriptor(), [&timers] { timers.run_due(); });
///
/// To begin a wait whose deadline is earlier than all others takes a system call. Of a clock that
/// does not know Clock::machine_time(), the descriptor becomes readable once a millisecond while
/// there is a deadline. A ManualClock runs itself, and needs none.
///
/// When it goes, and nobody else runs the clock, waits with a time-out that are left end with
/// Ending::stopped. A child of fork() may only destroy it.
///
/// Thread safety: every member may be called from any thread.
class PollableRunner {
public:
    /// `clock` must outlive it. Throws: Error{no_descriptor} if the system gives none.
    explicit PollableRunner(Clock& clock = SystemClock::instance())
        : clock_{clock}, runner_{clock} {
        detail::require_open(timer_);
        runner_.on_earlier([this]() noexcept { set_timer(); });
        set_timer();
    }
    PollableRunner(const PollableRunner&) = delete;
    PollableRunner& operator=(const PollableRunner&) = delete;
    ~PollableRunner() = default;

    [[nodiscard]] int descriptor() const noexcept { return timer_.number(); }

    /// See Runner::run_due(). Makes the descriptor unreadable until the next deadline.
    std::size_t run_due() noexcept {
        const std::size_t count = runner_.run_due();
        set_timer();
        return count;
    }

private:
    // Whoever sets it last sees the deadline as it is then.
    void set_timer() noexcept {
        auto next = runner_.next_deadline();
        for (;;) {
            if (next) {
                timer_.make_readable_at(detail::TimersOf::next_look(clock_, *next));
            } else {
                timer_.make_never_readable();
            }
            const auto set = std::exchange(next, runner_.next_deadline());
            if (set == next) return;
        }
    }

    Clock& clock_;
    const detail::TimerFd timer_{};
    Runner runner_;
};

}  // namespace runnel::inline v0
