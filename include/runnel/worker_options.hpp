// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/dead_letters.hpp>
#include <runnel/delivery_policy.hpp>
#include <runnel/message.hpp>
#include <runnel/stream_id.hpp>
#include <runnel/worker/key_order.hpp>
#include <runnel/worker/once.hpp>

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace runnel::inline v0 {

/// A handler that takes long.
struct SlowHandler {
    std::string_view worker;         ///< the name of the Worker
    StreamId id;                     ///< of the entry
    std::chrono::nanoseconds since;  ///< how long it has run
    const char* file;                ///< where the Worker was made
    int line;
};

template <Message T>
struct WorkerOptions {
    /// The name of its consumers: of the first thread `name`, of the next one `name-2`, …
    std::string name = "worker";
    DeliveryPolicy policy{};
    /// Where entries go that were delivered too often or that a handler rejects. Without it they
    /// are acknowledged, and WorkerStats::dropped counts them.
    std::optional<DeadLetters<T>> dead_letters{};
    /// Needed for Guarantee::effectively_once, and only there: see once_by().
    Once<T> once{};
    /// If set, entries of equal key are handled one at a time, in their order: see order_by().
    KeyOrder<T> order{};
    /// Is told of each handler that runs for longer than DeliveryPolicy::slow_after, once: by
    /// whoever runs the clock, at the latest when it has run for twice as long; or by its own
    /// thread, if it ends before. It must not throw.
    std::function<void(const SlowHandler&)> on_slow{};
    /// Is told what a backend threw, by the thread that it was thrown in. It must not throw.
    std::function<void(std::string_view)> on_error{};
};

}  // namespace runnel::inline v0
