// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/abstract_clock.hpp>
#include <runnel/ack.hpp>
#include <runnel/dead_letters.hpp>
#include <runnel/duration.hpp>
#include <runnel/executor.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream_id.hpp>
#include <runnel/worker/coroutine.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <string_view>
#include <utility>

namespace runnel::inline v0 {

/// Which promises a backend of a Worker keeps. A Worker does without those that are missing as well
/// as it can, and refuses a policy that cannot do without.
struct Features {
    /// A nack can have a delay, and no claim takes the entry before it is over. Without it a Worker
    /// keeps an entry that it tries again pending with itself meanwhile.
    bool delays = true;
    /// ack(), nack() and extend() do nothing once another consumer has the entry. Without it there
    /// is a moment between the look and the step.
    bool fences = true;
    /// bury() adds the dead letter and acknowledges the entry, both or neither. Without it the
    /// letter comes first, so a death between the two leaves both.
    bool one_step = true;

    friend bool operator==(const Features&, const Features&) = default;
};

/// What a Worker asks for when it reads.
struct WorkerRead {
    std::size_t count = 64;
    /// An entry that was given back, or idle for so long, comes before new ones. One at a time: it
    /// may be what has ended or held up another thread.
    Duration claim = std::chrono::minutes{5};
    Timeout timeout{};
    std::stop_token stop{};
};

/// A consumer of a backend, as one thread of a Worker uses it. A delivery is what read() has put
/// into a batch: it has an `id`, a `value` and an `attempt`, and is valid as long as the batch.
///
/// Each call may throw. Then the Worker tells `on_error`, waits, and goes on; entries that it has
/// read stay pending, and are claimed later.
template <typename Consumer>
concept WorkerConsumer = requires(Consumer& consumer, const WorkerRead& what,
                                  const typename Consumer::Delivery& delivery, Nack nack,
                                  Duration after, const Burial& why) {
    typename Consumer::Batch;
    requires std::convertible_to<Ending, typename Consumer::Batch>;
    requires std::same_as<decltype(std::declval<const typename Consumer::Batch&>()[0]),
                          const typename Consumer::Delivery&>;
    { consumer.read(what) } -> std::same_as<typename Consumer::Batch>;
    requires requires(const typename Consumer::Batch& batch) {
        { batch.size() } -> std::convertible_to<std::size_t>;
        {static_cast<bool>(batch)};
        { batch.ending() } -> std::same_as<Ending>;
        { *batch.begin() } -> std::convertible_to<const typename Consumer::Delivery&>;
        { batch.begin() != batch.end() } -> std::convertible_to<bool>;
    };
    { consumer.ack(delivery) } -> std::same_as<Ack>;
    { consumer.nack(delivery, nack, after) } -> std::same_as<Ack>;
    { consumer.extend(delivery) } -> std::same_as<Ack>;
    { consumer.bury(delivery, why) } -> std::same_as<Ack>;
    { delivery.id } -> std::convertible_to<StreamId>;
    { delivery.value } -> std::convertible_to<const typename Consumer::Value&>;
    { delivery.attempt } -> std::convertible_to<std::uint64_t>;
};

/// One that can also wait without a thread: what async_read() returns can be awaited, gives a
/// batch, and goes on by the executor after a wait. What async_read() is given stays until then.
template <typename Consumer>
concept AsyncWorkerConsumer = WorkerConsumer<Consumer> &&
    requires(Consumer& consumer, const WorkerRead& what, const AnyExecutor& executor) {
    { consumer.async_read(what, executor) } -> detail::CanBeAwaited;
};

/// A stream with a consumer group, as a Worker sees it: GroupBackend is that of a Stream.
template <typename Backend>
concept WorkerBackend = std::copy_constructible<Backend> &&
    WorkerConsumer<typename Backend::Consumer> &&
    requires(Backend& backend, std::string_view name, StreamId id, Duration idle) {
    { backend.features() } -> std::same_as<Features>;
    { backend.clock() } -> std::same_as<Clock&>;
    { backend.has_dead_letters() } -> std::same_as<bool>;
    // A consumer of that name, for one thread.
    { backend.consumer(name) } -> std::same_as<typename Backend::Consumer>;
    // After a read has ended with Ending::gone: makes the group again, if there is none.
    {backend.make_again()};
    // Whether the stream has the entry and the group has it pending.
    { backend.may_come_back(id) } -> std::same_as<bool>;
    // Ends the delay of an entry that was given back: the next read claims it. One that a consumer
    // has stays there. False: it is not pending.
    { backend.make_ready(id) } -> std::same_as<bool>;
    // Removes the consumers that have nothing pending and have asked for nothing for so long.
    { backend.reap(idle) } -> std::same_as<std::size_t>;
};

}  // namespace runnel::inline v0
