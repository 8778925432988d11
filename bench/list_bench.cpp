// SPDX-License-Identifier: MIT
// runnel's BlockingList beside what people would use instead: a deque under a mutex, written by
// hand, and moodycamel's blocking queue.
//
//   list_bench [part of "group/queue"]       REPS=7 in the environment: repetitions
#include "harness.hpp"
#include "messages.hpp"
#include "program.hpp"
#include "queues.hpp"
#include "threads.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace runnel::bench {
namespace {

// ---- workloads ----------------------------------------------------------------------------------

/// Throughput of one thread that pushes `burst` messages and pops them again, 2,000,000 messages
/// after 200,000 to warm up. Nobody waits and nobody contends: this is the price of a push and a
/// pop. Figure: ns per message.
template <class Queue>
Sample alone(uint64_t burst) {
    using T = typename Queue::value_type;
    constexpr uint64_t wanted = 2'000'000;
    const auto queue = std::make_unique<Queue>();
    uint64_t messages = 0;
    nanoseconds elapsed{};
    run_together(1, Placement::pinned, [&](unsigned) {
        typename Queue::Producer producer{*queue};
        typename Queue::Consumer consumer{*queue, everything};
        T value{};
        uint64_t pushed = 0;
        uint64_t sum = 0;
        const auto round = [&] {
            for (uint64_t count = 0; count < burst; ++count) producer.push(message<T>(++pushed));
            for (uint64_t count = 0; count < burst; ++count) {
                consumer.pop(value);
                keep(value);
                sum += number_in(value);
            }
        };
        for (uint64_t warm = 0; warm < wanted / 10; warm += burst) round();
        const uint64_t start = now();
        for (; messages < wanted; messages += burst) round();
        elapsed = nanoseconds{now() - start};
        check(sum == sum_to(pushed), "what one thread popped is not what it pushed");
    });
    return {elapsed, {per_message(elapsed, messages)}};
}

struct Sides {
    unsigned producers, consumers;

    /// Sides alternate, so that two pinned threads are one of each; what is left over is of the
    /// larger side.
    [[nodiscard]] bool produces(unsigned thread) const {
        const unsigned alternating = 2 * std::min(producers, consumers);
        return thread < alternating ? thread % 2 == 0 : producers > consumers;
    }
};

/// Throughput from producers to consumers, as fast as they can, through one queue: 2,000,000
/// numbers or 1,000,000 strings, an equal share for each thread of a side. Figure: M messages/s.
template <class Queue>
Sample stream_through(Sides sides, Placement placement) {
    using T = typename Queue::value_type;
    constexpr uint64_t messages = sizeof(T) > sizeof(uint64_t) ? 1'000'000 : 2'000'000;
    const uint64_t pushes = messages / sides.producers;
    const uint64_t pops = messages / sides.consumers;
    const auto queue = std::make_unique<Queue>();
    std::atomic<uint64_t> total{0};
    const auto produce = [&] {
        typename Queue::Producer producer{*queue};
        for (uint64_t number = 1; number <= pushes; ++number) producer.push(message<T>(number));
    };
    const auto consume = [&] {
        typename Queue::Consumer consumer{*queue, pops};
        T value{};
        uint64_t sum = 0;
        for (uint64_t count = 0; count < pops; ++count) {
            consumer.pop(value);
            keep(value);
            sum += number_in(value);
        }
        total += sum;
    };
    const nanoseconds elapsed =
        run_together(sides.producers + sides.consumers, placement,
                     [&](unsigned thread) { sides.produces(thread) ? produce() : consume(); });
    check(total == sides.producers * sum_to(pushes), "what was popped is not what was pushed");
    return {elapsed, {1e3 / per_message(elapsed, messages)}};
}

/// Latency of a hot exchange: two pinned threads send one number there and back through two queues,
/// 20,000 times after 2,000 to warm up, without a pause; each message depends on the one before.
/// Figures: p50 and p99 of half a round trip.
template <class Queue>
Sample ping_pong() {
    constexpr uint64_t warm_up = 2'000;
    constexpr uint64_t trips = 20'000;
    const auto there = std::make_unique<Queue>();
    const auto back = std::make_unique<Queue>();
    std::vector<uint64_t> round_trips(trips);
    const auto ping = [&] {
        typename Queue::Producer producer{*there};
        typename Queue::Consumer consumer{*back, everything};
        uint64_t value = 0;
        for (uint64_t trip = 0; trip < warm_up + trips; ++trip) {
            const uint64_t start = now();
            producer.push(trip);
            consumer.pop(value);
            if (trip >= warm_up) round_trips[trip - warm_up] = now() - start;
            check(value == trip, "another message came back than was sent");
        }
    };
    const auto pong = [&] {
        typename Queue::Producer producer{*back};
        typename Queue::Consumer consumer{*there, everything};
        uint64_t value = 0;
        for (uint64_t trip = 0; trip < warm_up + trips; ++trip) {
            consumer.pop(value);
            producer.push(value);
        }
    };
    const nanoseconds elapsed =
        run_together(2, Placement::pinned, [&](unsigned side) { side == 0 ? ping() : pong(); });
    return {elapsed, {percentile(round_trips, 50) / 2, percentile(round_trips, 99) / 2}};
}

/// Latency from push to pop when `consumers` threads are blocked on one queue and one message comes
/// every 100 us, 500 in all; mostly what it costs to wake a thread. The message is the time of its
/// push; 0 ends a consumer. Figures: p50 and p99.
template <class Queue>
Sample wake_one(unsigned consumers) {
    constexpr std::size_t messages = 500;
    const auto queue = std::make_unique<Queue>();
    std::vector<uint64_t> latencies(messages);
    std::atomic<std::size_t> done{0};  // publishes latencies[done] to the producer, and the turn
    std::atomic<uint64_t> popped{0};
    uint64_t pushed = 0;
    const auto produce = [&] {
        typename Queue::Producer producer{*queue};
        for (std::size_t count = 0; count < messages; ++count) {
            const uint64_t idle_from = now();
            yield_until([&] { return now() - idle_from >= 100'000; });
            const uint64_t start = now();
            producer.push(start);
            pushed += start;
            yield_until([&] { return done == count + 1; });
        }
        for (unsigned consumer = 0; consumer < consumers; ++consumer) producer.push(0);
    };
    const auto consume = [&] {
        typename Queue::Consumer consumer{*queue, everything};
        for (uint64_t start = 0;;) {
            consumer.pop(start);
            const uint64_t end = now();
            if (start == 0) return;
            const std::size_t count = done;
            latencies[count] = end - start;
            popped += start;
            done = count + 1;
        }
    };
    const nanoseconds elapsed = run_together(consumers + 1, Placement::free, [&](unsigned thread) {
        thread == 0 ? produce() : consume();
    });
    check(popped == pushed, "what was popped is not what was pushed");
    return {elapsed, {percentile(latencies, 50), percentile(latencies, 99)}};
}

// ---- groups -------------------------------------------------------------------------------------

void add_one_thread(Suite& suite) {
    const auto bursts_of = [](uint64_t burst) {
        return
            [=]<class Queue>(std::type_identity<Queue> /*which*/) { return alone<Queue>(burst); };
    };
    const Metric plain{"ns", Better::less, {{"L1", 0.95, "hand"}}};
    const Metric bulk{"ns", Better::less, {{"L1", 1.0, "moodycamel"}}};
    suite.add(
        {"one thread, push 1, pop 1, u64", {plain}, cases(one_by_one<uint64_t>(), bursts_of(1))});
    suite.add({"one thread, push 1024, pop 1024, u64",
               {plain},
               cases(one_by_one<uint64_t>(), bursts_of(1024))});
    suite.add({"one thread, push 1024, pop 1024, u64, bulk 32",
               {bulk},
               cases(in_bulk<uint64_t>(), bursts_of(1024))});
}

template <class T>
void add_stream(Suite& suite, Sides sides, Placement placement, std::vector<Target> targets) {
    const std::string name = std::to_string(sides.producers) + ':' +
                             std::to_string(sides.consumers) + ", " + kind_of_message<T> +
                             (placement == Placement::pinned ? ", pinned to two cores" : "");
    suite.add({name,
               {{"M/s", Better::more, std::move(targets)}},
               cases(one_by_one<T>(), [=]<class Queue>(std::type_identity<Queue> /*which*/) {
                   return stream_through<Queue>(sides, placement);
               })});
}

void add_streams(Suite& suite) {
    const auto pinned = Placement::pinned;
    const auto free = Placement::free;
    const std::vector<Target> l3{{"L3", 1.0, "hand"}, {"L3", 1.2, "moodycamel Blocking"}};
    const auto l4 = [](double factor) {
        return std::vector<Target>{{"L4", factor, "hand"}, {"L4", 1.0, "moodycamel tokens"}};
    };
    add_stream<uint64_t>(suite, {1, 1}, pinned, {{"L2", 1.5, "hand"}, {"L2", 1.0, "moodycamel"}});
    add_stream<std::string>(suite, {1, 1}, pinned,
                            {{"L2", 3.0, "hand"}, {"L2", 1.0, "moodycamel"}});
    suite.add({"1:1, u64, pinned to two cores, bulk 32",
               {{"M/s", Better::more, {}}},
               cases(in_bulk<uint64_t>(), []<class Queue>(std::type_identity<Queue> /*which*/) {
                   return stream_through<Queue>({1, 1}, Placement::pinned);
               })});
    add_stream<uint64_t>(suite, {2, 2}, free, l3);
    add_stream<std::string>(suite, {2, 2}, free, l3);
    add_stream<uint64_t>(suite, {4, 4}, free, l4(2.5));
    add_stream<uint64_t>(suite, {1, 4}, free, l4(5.0));
    add_stream<uint64_t>(suite, {4, 1}, free, l4(1.0));
}

void add_latencies(Suite& suite) {
    const char* const any_peer = "";
    const std::vector<Metric> metrics{{"p50 ns", Better::less, {{"L5", 1.05, any_peer}}},
                                      {"p99 ns", Better::less, {{"L5", 1.2, any_peer}}}};
    suite.add({"hot ping-pong, one way", metrics,
               cases(one_by_one<uint64_t>(), []<class Queue>(std::type_identity<Queue> /*which*/) {
                   return ping_pong<Queue>();
               })});
    for (const unsigned consumers : {1U, 16U}) {
        suite.add(
            {"push to pop, consumers blocked: " + std::to_string(consumers), metrics,
             cases(one_by_one<uint64_t>(), [=]<class Queue>(std::type_identity<Queue> /*which*/) {
                 return wake_one<Queue>(consumers);
             })});
    }
}

}  // namespace
}  // namespace runnel::bench

int main(int argc, char** argv) {
    using namespace runnel::bench;
    return run_program("list_bench", argc > 1 ? argv[1] : "", [](Suite& suite) {
        add_one_thread(suite);
        add_streams(suite);
        add_latencies(suite);
    });
}
