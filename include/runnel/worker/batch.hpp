// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/message.hpp>
#include <runnel/worker/backend.hpp>
#include <runnel/worker/steps.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace runnel::inline v0::detail {

// The entries of a batch that are not begun. Hands them back at the end, also if the thread ends in
// a handler.
//
// An entry that was claimed comes last: if it ends this thread, or holds it up, as it may have done
// before, it takes no others with it.
template <Message T, WorkerBackend Backend>
class WorkerBatch {
public:
    using Steps = WorkerSteps<T, Backend>;
    using Batch = typename Steps::Batch;
    using Delivery = typename Steps::Delivery;
    using Moment = typename Steps::Moment;

    // Requires: `batch` is not empty.
    WorkerBatch(Steps& steps, const Batch& batch)
        : steps_{steps},
          batch_{batch},
          read_at_{steps.now()},
          extended_at_{read_at_},
          next_{batch[0].attempt > 1 ? std::size_t{1} : 0} {
        auto& most = steps.counts().most_in_flight;
        most.set(std::max<std::uint64_t>(most.value(), batch.size()));
    }
    WorkerBatch(const WorkerBatch&) = delete;
    WorkerBatch& operator=(const WorkerBatch&) = delete;
    ~WorkerBatch() {
        try {
            while (left() != 0) {
                const std::size_t index = take();
                if (!steps_.waits(index)) steps_.hand_back(batch_[index]);
            }
            // NOLINTNEXTLINE(bugprone-empty-catch)
        } catch (...) {  // they are claimed when their lease is over
        }
        steps_.counts().in_flight.set(0);
    }

    [[nodiscard]] Moment read_at() const noexcept { return read_at_; }

    // The next one to be handled; null: there is none, or no more are to be begun.
    [[nodiscard]] const Delivery* next(Moment now) {
        while (left() != 0) {
            steps_.counts().in_flight.set(left());
            if (steps_.begins_no_more()) return nullptr;
            if (now - extended_at_ >= steps_.policy().lease.nanoseconds() / 3) {
                extend_all();
                extended_at_ = now;
            }
            const std::size_t index = take();
            if (!steps_.waits(index)) return &batch_[index];
        }
        return nullptr;
    }

private:
    [[nodiscard]] std::size_t left() const noexcept { return batch_.size() - taken_; }
    [[nodiscard]] std::size_t take() noexcept {
        ++taken_;
        return next_++ % batch_.size();
    }
    // They wait for those before them, and are not to be claimed meanwhile.
    void extend_all() {
        for (std::size_t more = left(); more != 0; --more) {
            const std::size_t index = (next_ + more - 1) % batch_.size();
            if (!steps_.waits(index)) steps_.extend(batch_[index]);
        }
    }

    Steps& steps_;
    const Batch& batch_;
    const Moment read_at_;
    Moment extended_at_;
    std::size_t next_;
    std::size_t taken_ = 0;
};

}  // namespace runnel::inline v0::detail
