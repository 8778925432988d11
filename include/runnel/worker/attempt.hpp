// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/ack.hpp>
#include <runnel/deduplicator.hpp>
#include <runnel/detail/base/forced_unwind.hpp>
#include <runnel/handled.hpp>
#include <runnel/message.hpp>
#include <runnel/worker/backend.hpp>
#include <runnel/worker/job.hpp>
#include <runnel/worker/once.hpp>
#include <runnel/worker/seat.hpp>
#include <runnel/worker/steps.hpp>

#include <exception>
#include <memory>
#include <optional>
#include <string>

namespace runnel::inline v0::detail {

// What is done with one entry: before its handler, and after it.
//
//     if (attempt.begins(read_at)) now = attempt.end(handler(attempt.job()));
//
// Without end(), the handler has ended the thread. While it runs, those who look at handlers see
// it: see WorkerSeat.
template <Message T, WorkerBackend Backend>
class WorkerAttempt final : RunningHandler {
public:
    using Steps = WorkerSteps<T, Backend>;
    using Consumer = typename Steps::Consumer;
    using Delivery = typename Steps::Delivery;
    using Moment = typename Steps::Moment;

    WorkerAttempt(Steps& steps, const Delivery& delivery, Moment now)
        : RunningHandler{delivery.id, now},
          steps_{steps},
          delivery_{delivery},
          job_{steps.consumer(), delivery, steps.leaving(), steps.is_acknowledged()} {}
    WorkerAttempt(const WorkerAttempt&) = delete;
    WorkerAttempt& operator=(const WorkerAttempt&) = delete;
    ~WorkerAttempt() {
        if (is_in_handler_) leave_handler();
    }

    // False: the handler is not to be called.
    [[nodiscard]] RUNNEL_CATCHES_FORCED_UNWIND bool begins(Moment read_at) {
        const bool is_too_late = delivery_.attempt > steps_.policy().deliveries;
        if (!is_too_late && !steps_.is_still_mine(delivery_, read_at, begun)) return false;
        if (steps_.state().options.once && !begins_key()) return false;
        if (is_too_late) {
            steps_.bury_unhandled(delivery_);
            return false;
        }
        steps_.begin_handler(id);
        if (steps_.state().watches()) steps_.seat().set_running(this);
        is_in_handler_ = true;
        return true;
    }

    [[nodiscard]] Job<Consumer>& job() noexcept { return job_; }

    // Returns what time it is then.
    Moment end(Handled handled) {
        leave_handler();
        const Moment ended = steps_.now();
        steps_.counts().latency.record(ended - begun);
        tell_if_slow(ended);
        const std::optional<Ack> forwarded = job_.forwarded();
        if (forwarded && *forwarded != Ack::done && handled.is_done())
            handled = Handled::retry("forward: " + std::string{to_string(*forwarded)});
        const bool is_forwarded = forwarded == Ack::done;
        if (key_ && (is_forwarded || handled.is_done())) key_->mark();
        key_.reset();
        if (is_forwarded)
            steps_.finish_forwarded(delivery_);
        else
            steps_.finish(delivery_, handled);
        return ended;
    }

private:
    bool begins_key() {
        try {
            key_ = steps_.state().options.once.begin(delivery_.value);
        } catch (const ForcedUnwind&) {
            throw;
        } catch (const std::exception& error) {
            steps_.finish_without_key(delivery_, error);
            return false;
        }
        switch (key_->state()) {
        case KeyState::done:
            steps_.end_duplicate(delivery_);
            return false;
        case KeyState::busy:
            steps_.hand_back_for_a_while(delivery_);
            return false;
        default:
            return true;
        }
    }

    void leave_handler() noexcept {
        is_in_handler_ = false;
        if (steps_.state().watches()) steps_.seat().set_running(nullptr);
        steps_.end_handler(id);
    }

    void tell_if_slow(Moment ended) {
        const auto& state = steps_.state();
        if (is_told_of || !state.is_slow(ended - begun)) return;
        state.options.on_slow(
            {state.options.name, id, ended - begun, state.where.file, state.where.line});
    }

    // For those who look at it.
    void extend() noexcept override {
        try {
            steps_.extend(delivery_);
            // NOLINTNEXTLINE(bugprone-empty-catch)
        } catch (...) {  // the lease may be over then
        }
    }

    Steps& steps_;
    const Delivery& delivery_;
    std::unique_ptr<typename Once<T>::Turn> key_;
    Job<Consumer> job_;
    bool is_in_handler_ = false;
};

}  // namespace runnel::inline v0::detail
