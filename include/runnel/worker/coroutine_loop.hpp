// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/blocking_list.hpp>
#include <runnel/error.hpp>
#include <runnel/executor.hpp>
#include <runnel/handled.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>
#include <runnel/worker/attempt.hpp>
#include <runnel/worker/backend.hpp>
#include <runnel/worker/batch.hpp>
#include <runnel/worker/coroutine.hpp>
#include <runnel/worker/key_order.hpp>
#include <runnel/worker/seat.hpp>
#include <runnel/worker/steps.hpp>

#include <cstdint>
#include <exception>
#include <utility>
#include <variant>

namespace runnel::inline v0::detail {

// What one coroutine of a Worker does: the same as WorkerThread, but it waits without a thread, and
// goes on by its executor.
template <Message T, WorkerBackend Backend>
class WorkerCoroutine {
public:
    using Steps = WorkerSteps<T, Backend>;

    WorkerCoroutine(typename Steps::State& state, WorkerSeat& seat, AnyExecutor executor)
        : state_{state},
          steps_{state, seat},
          executor_{std::move(executor)},
          never_{{.clock = &state.clock}} {}

    // Throws nothing.
    Task<std::monostate> run() {
        std::uint64_t errors = 0;  // in a row
        while (!steps_.is_leaving()) {
            co_await NextTurn{executor_};
            try {
                auto batch = go_through_a_batch();
                const bool goes_on = co_await batch;
                if (!goes_on) break;
                errors = 0;
                continue;
            } catch (const std::exception& error) {
                steps_.tell(error.what());
            } catch (...) {
                steps_.tell("something that is no std::exception");
            }
            try {
                auto rest = never_
                                .async_pop_front({.timeout = steps_.rest_after(errors++),
                                                  .stop = steps_.leaving()})
                                .on(executor_);
                (void)co_await rest;
            } catch (const Error&) {  // nobody runs the clock any more
                break;
            }
        }
        co_return {};
    }

private:
    using Batch = typename Steps::Batch;

    // False: nothing can come any more.
    Task<bool> go_through_a_batch() {
        if (state_.is_paused()) {
            auto pause = wait_until_resumed();
            co_return co_await pause;
        }
        auto reading = steps_.is_ordered() ? read_in_turn() : read();
        const Batch batch = co_await reading;
        steps_.reap_after_read(batch);
        if (!batch) co_return steps_.go_on_after(batch.ending());
        WorkerBatch<T, Backend> entries{steps_, batch};
        auto now = entries.read_at();
        while (const auto* const delivery = entries.next(now)) {
            WorkerAttempt<T, Backend> attempt{steps_, *delivery, now};
            if (!attempt.begins(entries.read_at())) continue;
            if (state_.handler.is_coroutine()) {
                auto handling = state_.handler.begin(attempt.job()).on(executor_);
                Handled handled = co_await handling;
                now = attempt.end(std::move(handled));
            } else {
                now = attempt.end(state_.handler.call(attempt.job()));
            }
        }
        co_return true;
    }

    // See WorkerThread.
    Task<bool> wait_until_resumed() {
        auto wait = state_.gate.async_pop_front({.stop = steps_.leaving()}).on(executor_);
        const auto has_come = co_await wait;
        if (has_come) state_.let_next_through();
        steps_.go_on_reading();
        co_return true;
    }

    Task<Batch> read() {
        const WorkerRead what = steps_.next_read();
        auto reading = steps_.consumer().async_read(what, executor_);
        co_return co_await reading;
    }

    Task<Batch> read_in_turn() {
        const BlockingList<char>& turn = steps_.turn();
        auto waiting =
            turn.async_pop_front({.stop = steps_.seat().reading().get_token()}).on(executor_);
        const auto has_turn = co_await waiting;
        if (!has_turn) co_return Ending::stopped;
        const GiveTurn give_turn{turn};
        steps_.leave_those_that_are_gone();
        auto reading = read();
        Batch batch = co_await reading;
        steps_.enter_lanes(batch);
        co_return std::move(batch);
    }

    typename Steps::State& state_;
    Steps steps_;
    const AnyExecutor executor_;
    const BlockingList<char> never_;  // gets no element
};

}  // namespace runnel::inline v0::detail
