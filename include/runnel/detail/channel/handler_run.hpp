// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/atomic.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/base/thread_id.hpp>
#include <runnel/detail/base/type_key.hpp>

#include <utility>

namespace runnel::inline v0::detail {

// The run of a channel's handlers, as channels of other types and other images see it: the thread
// it is in, and the handler of another run that this thread waits for inside a handler.
class HandlerRun : public Shared {
public:
    // Whether a thread runs the handlers. Changes under the channel's lock.
    [[nodiscard]] bool is_on() const noexcept {
        return thread_.load(std::memory_order_relaxed) != no_thread;
    }
    // Whether the calling thread does. Needs no lock: other threads change it only between values
    // that are not this thread.
    [[nodiscard]] bool is_mine() const noexcept {
        return thread_.load(std::memory_order_relaxed) == this_thread();
    }

    void set_thread(ThreadId thread) noexcept { thread_.store(thread, std::memory_order_relaxed); }

    // Whether a handler of this run that was killed may still run. Takes the channel's lock.
    [[nodiscard]] virtual bool is_to_be_awaited(const Owned& handler) const noexcept = 0;

    // Whether a handler runs now, for the run's thread: else that is between two of them.
    [[nodiscard]] virtual bool is_in_handler() const noexcept = 0;

    // The handler that the run's thread waits for, and the run of that handler; or none.
    struct Awaited {
        Owner<HandlerRun> run;
        Owner<Owned> handler;
    };
    [[nodiscard]] Awaited awaited() const noexcept RUNNEL_EXCLUDES(guard_) {
        const Lock lock{guard_};
        if (awaited_ == nullptr) return {};
        return {Owner{*awaited_}, Owner{*handler_}};
    }
    // Requires: both exist until the next call.
    void set_awaited(HandlerRun* run, Owned* handler) noexcept RUNNEL_EXCLUDES(guard_) {
        const Lock lock{guard_};
        awaited_ = run;
        handler_ = handler;
    }

private:
    Atomic<ThreadId> thread_ = no_thread;
    // Taken after all other locks.
    mutable Mutex guard_;
    HandlerRun* awaited_ RUNNEL_GUARDED_BY(guard_) = nullptr;
    Owned* handler_ RUNNEL_GUARDED_BY(guard_) = nullptr;  // of that run
};

// A run that this thread is in. Calls that wait for handlers, or for room that handlers make, have
// to know whether they are inside a handler.
//
// The frames of a thread are linked, the innermost first. Each image may know another innermost
// one. So a handler whose code is in another image than the one that runs it enters the frame
// there, too.
template <typename = void>
class RUNNEL_VISIBLE HandlerFrame {
public:
    explicit HandlerFrame(HandlerRun& run) noexcept
        : run_{run}, outer_{std::exchange(innermost(), this)} {}
    HandlerFrame(const HandlerFrame&) = delete;
    HandlerFrame& operator=(const HandlerFrame&) = delete;
    ~HandlerFrame() { innermost() = outer_; }

    [[nodiscard]] static bool is_inside() noexcept { return innermost() != nullptr; }

    // Whether this thread is inside a handler now, and not between two of them.
    [[nodiscard]] static bool is_in_handler() noexcept {
        bool is_in = false;
        for_each_run(innermost(), [&](const HandlerRun& run) {
            is_in = is_in || (run.is_mine() && run.is_in_handler());
        });
        return is_in;
    }

    // Whether that image made it.
    [[nodiscard]] bool is_of(const char* image) const noexcept { return image_ == image; }

    // The innermost one of this thread, as far as this image knows; null: none.
    [[nodiscard]] static const HandlerFrame* current() noexcept { return innermost(); }

    // Calls function(run) for the runs of `frame` and of those around it.
    template <typename Function>
    static void for_each_run(const HandlerFrame* frame, Function function) noexcept {
        for (; frame != nullptr; frame = frame->outer_) function(frame->run_);
    }

    // Made by the code of a handler.
    class Entered {
    public:
        explicit Entered(const HandlerFrame& frame) noexcept
            : is_foreign_{!frame.is_of(&this_image)} {
            if (is_foreign_) [[unlikely]]
                before_ = std::exchange(innermost(), &frame);
        }
        Entered(const Entered&) = delete;
        Entered& operator=(const Entered&) = delete;
        ~Entered() {
            if (is_foreign_) [[unlikely]]
                innermost() = before_;
        }

    private:
        const bool is_foreign_;
        const HandlerFrame* before_ = nullptr;
    };

private:
    static const HandlerFrame*& innermost() noexcept {
        thread_local const HandlerFrame* frame = nullptr;
        return frame;
    }

    HandlerRun& run_;
    const HandlerFrame* const outer_;
    const char* const image_ = &this_image;
};

// As long as it lives, it announces that this thread waits for a killed handler of `run`.
//
// Threads that wait inside handlers for handlers could wait for each other. So each of them first
// records, in all the runs that it is in, what it waits for. Then it follows the records of the
// others: of the threads that would close a circle, at least the last one finds its own run at the
// end. It becomes an owner of each run and handler under the lock under which it has found them.
class RunWait {
public:
    // `here`: the innermost frame of the image that disconnects. This image may know another one,
    // further in or further out.
    RunWait(HandlerRun& run, Owned& handler, const HandlerFrame<>* here) noexcept
        : run_{run}, handler_{handler}, here_{here} {
        tell(&run, &handler);
    }
    RunWait(const RunWait&) = delete;
    RunWait& operator=(const RunWait&) = delete;
    ~RunWait() { tell(nullptr, nullptr); }

    // Whether this thread would wait for itself: also if it is inside that handler.
    [[nodiscard]] bool closes_circle() const noexcept {
        HandlerRun::Awaited next{Owner{run_}, Owner{handler_}};
        // A wait whose handler has ended is over, even if its thread has not gone on yet.
        while (next.run.get() != nullptr && next.run->is_to_be_awaited(*next.handler.get())) {
            if (next.run->is_mine()) return true;
            next = next.run->awaited();
        }
        return false;
    }

private:
    void tell(HandlerRun* awaited, Owned* handler) const noexcept {
        const auto one = [&](HandlerRun& run) { run.set_awaited(awaited, handler); };
        HandlerFrame<>::for_each_run(here_, one);
        if (here_ != HandlerFrame<>::current())
            HandlerFrame<>::for_each_run(HandlerFrame<>::current(), one);
    }

    HandlerRun& run_;
    Owned& handler_;
    const HandlerFrame<>* const here_;
};

}  // namespace runnel::inline v0::detail
