// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/abstract_clock.hpp>
#include <runnel/blocking_list.hpp>
#include <runnel/delivery_policy.hpp>
#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/atomic.hpp>
#include <runnel/message.hpp>
#include <runnel/worker/backend.hpp>
#include <runnel/worker/handler.hpp>
#include <runnel/worker/job.hpp>
#include <runnel/worker_options.hpp>

#include <algorithm>
#include <chrono>
#include <stop_token>

namespace runnel::inline v0::detail {

// What the threads and coroutines of a Worker share.
template <Message T, WorkerBackend Backend>
struct WorkerState {
    using Consumer = typename Backend::Consumer;
    using Handler = WorkerHandler<Job<Consumer>>;

    [[nodiscard]] const DeliveryPolicy& policy() const noexcept { return options.policy; }

    [[nodiscard]] bool is_paused() const noexcept { return paused.load(std::memory_order_acquire); }

    // By a thread that was let through, when a pause is over.
    void let_next_through() {
        if (!is_paused()) (void)gate.try_push_back(0);
    }

    // Whether handlers that run are looked at.
    [[nodiscard]] bool watches() const noexcept {
        return policy().extend_up_to > none || policy().slow_after > none;
    }
    [[nodiscard]] bool is_slow(std::chrono::nanoseconds since) const {
        const auto limit = policy().slow_after.nanoseconds();
        return options.on_slow && limit > none && since >= limit;
    }
    // How often they are looked at.
    [[nodiscard]] std::chrono::nanoseconds watch_period() const {
        auto period = policy().lease.nanoseconds() / 3;
        if (policy().slow_after > none)
            period = std::min(period, policy().slow_after.nanoseconds());
        return std::max(period, shortest_pause);
    }

    static constexpr std::chrono::nanoseconds none{0};
    // Nothing is done again and again without a pause.
    static constexpr std::chrono::nanoseconds shortest_pause = std::chrono::milliseconds{1};

    const Caller where;  // it was made
    Backend backend;
    Clock& clock;
    const WorkerOptions<T> options;
    const bool buries;  // there are dead letters
    const Handler handler;
    const BlockingList<char> gate;  // has an element when those that were paused may go on
    Atomic<bool> paused = false;
};

}  // namespace runnel::inline v0::detail
