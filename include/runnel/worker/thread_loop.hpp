// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/blocking_list.hpp>
#include <runnel/detail/base/forced_unwind.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>
#include <runnel/worker/attempt.hpp>
#include <runnel/worker/backend.hpp>
#include <runnel/worker/batch.hpp>
#include <runnel/worker/seat.hpp>
#include <runnel/worker/steps.hpp>

#include <cstdint>
#include <exception>

namespace runnel::inline v0::detail {

// What one thread does in Worker::run(). A coroutine does the same: see WorkerCoroutine.
template <Message T, WorkerBackend Backend>
class WorkerThread {
public:
    using Steps = WorkerSteps<T, Backend>;

    WorkerThread(typename Steps::State& state, WorkerSeat& seat)
        : state_{state}, steps_{state, seat}, never_{{.clock = &state.clock}} {}

    RUNNEL_CATCHES_FORCED_UNWIND void run() {
        std::uint64_t errors = 0;  // in a row
        while (!steps_.is_leaving()) {
            try {
                if (!go_through_a_batch()) return;
                errors = 0;
                continue;
            } catch (const ForcedUnwind&) {
                throw;
            } catch (const std::exception& error) {
                steps_.tell(error.what());
            } catch (...) {
                steps_.tell("something that is no std::exception");
            }
            rest(errors++);
        }
    }

private:
    using Batch = typename Steps::Batch;

    // False: nothing can come any more.
    bool go_through_a_batch() {
        if (state_.is_paused()) {
            wait_until_resumed();
            return true;
        }
        const Batch batch = steps_.is_ordered() ? read_in_turn() : read();
        steps_.reap_after_read(batch);
        if (!batch) return steps_.go_on_after(batch.ending());
        handle_all(batch);
        return true;
    }

    Batch read() { return steps_.consumer().read(steps_.next_read()); }

    Batch read_in_turn() {
        const BlockingList<char>& turn = steps_.turn();
        if (!turn.pop_front({.stop = steps_.seat().reading().get_token()})) return Ending::stopped;
        const GiveTurn give_turn{turn};
        steps_.leave_those_that_are_gone();
        Batch batch = read();
        steps_.enter_lanes(batch);
        return batch;
    }

    void handle_all(const Batch& batch) {
        WorkerBatch<T, Backend> entries{steps_, batch};
        auto now = entries.read_at();
        while (const auto* const delivery = entries.next(now)) {
            WorkerAttempt<T, Backend> attempt{steps_, *delivery, now};
            if (attempt.begins(entries.read_at()))
                now = attempt.end(state_.handler.call(attempt.job()));
        }
    }

    // All that wait here get through one after the other: each puts back what lets it through.
    void wait_until_resumed() {
        if (state_.gate.pop_front({.stop = steps_.leaving()})) state_.let_next_through();
        steps_.go_on_reading();
    }

    void rest(std::uint64_t errors) {
        (void)never_.pop_front({.timeout = steps_.rest_after(errors), .stop = steps_.leaving()});
    }

    typename Steps::State& state_;
    Steps steps_;
    const BlockingList<char> never_;  // gets no element
};

}  // namespace runnel::inline v0::detail
