// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/backoff.hpp>
#include <runnel/duration.hpp>
#include <runnel/error.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace runnel::inline v0 {

/// How often an entry is handled.
enum class Guarantee : std::uint8_t {
    at_most_once,      ///< acknowledged before the handler: what fails then is lost
    at_least_once,     ///< acknowledged after the handler: a death between the two repeats it
    effectively_once,  ///< the same, but a Deduplicator keeps what is done from being handled again
};

/// What a Worker does when its group was removed.
enum class WhenGone : std::uint8_t {
    make_again,  ///< makes the group anew, which begins with the first entry of the stream
    end,         ///< ends
};

/// How a Worker delivers. The default: at least once, five retries after 1, 2, 4, 8 and 16 seconds.
struct DeliveryPolicy {
    Guarantee guarantee = Guarantee::at_least_once;
    /// How often an entry is delivered before it goes to the dead letters, at least 1. Deliveries
    /// count, not failures that a handler reports: one that ends its thread, or hangs, fails too.
    std::uint64_t deliveries = 6;
    /// The delays between them.
    Backoff backoff{};

    /// For how long an entry belongs to the thread that has read it. Then any other may claim it,
    /// and what the first one says of it has no effect. A handler that takes longer calls
    /// Job::extend(). Must be positive.
    Duration lease = std::chrono::minutes{5};
    /// For how long whoever runs the clock (see Runner) extends the lease of a handler, so that it
    /// keeps its entry without calling Job::extend(). After that it has the rest of its lease. 0:
    /// only the handler extends it. Not less than `lease`.
    Duration extend_up_to = std::chrono::nanoseconds{0};
    /// After how long WorkerOptions::on_slow is told of a handler that runs. 0: never.
    Duration slow_after = std::chrono::nanoseconds{0};
    /// Consumers that have nothing pending and have asked for nothing for so long are removed. 0:
    /// none is.
    Duration reap_after = std::chrono::nanoseconds{0};
    WhenGone when_gone = WhenGone::make_again;

    /// How many entries a thread reads at a time, at most; at least 1. Those that are behind a
    /// handler that hangs wait until their lease is over, which counts as a delivery: with few
    /// `deliveries`, read few at a time.
    std::size_t batch = 64;
    /// How many entries may be read and not finished, at least `threads`: each thread or coroutine
    /// reads no more than its share, that of one of `threads`.
    std::size_t in_flight = 256;
    /// How many threads Worker::start() starts, or how many coroutines on an executor; at least 1.
    std::size_t threads = 1;
    /// How long Worker::stop() waits for handlers. Not negative.
    Duration stop_within = std::chrono::seconds{10};

    /// Throws: Error{invalid_argument} that names the field that makes no sense.
    // NOLINTNEXTLINE(readability-function-size)
    void check() const {
        constexpr std::chrono::nanoseconds none{0};
        backoff.check();
        if (deliveries == 0) refuse("deliveries is 0; it must be at least 1");
        if (lease <= none) refuse("lease is not positive");
        if (extend_up_to < none) refuse("extend_up_to is negative");
        if (extend_up_to != none && extend_up_to < lease)
            refuse("extend_up_to is less than the lease, which a handler has anyway");
        if (slow_after < none) refuse("slow_after is negative");
        if (reap_after < none) refuse("reap_after is negative");
        if (batch == 0) refuse("batch is 0; it must be at least 1");
        if (threads == 0) refuse("threads is 0; it must be at least 1");
        if (in_flight < threads) refuse("in_flight is less than threads");
        if (stop_within < none) refuse("stop_within is negative");
    }

private:
    [[noreturn]] static void refuse(const char* why) {
        throw Error{ErrorCode::invalid_argument, std::string{"DeliveryPolicy: "} + why};
    }
};

}  // namespace runnel::inline v0
