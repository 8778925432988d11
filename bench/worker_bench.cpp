// SPDX-License-Identifier: MIT
// A Worker beside a loop by hand, and the groups that it reads from beside moodycamel's blocking
// queue, which keeps nothing.
//
//   worker_bench [part of "group/what"]      REPS=7 in the environment: repetitions
#include <runnel/stream.hpp>
#include <runnel/worker.hpp>

#include "harness.hpp"
#include "heap.hpp"
#include "messages.hpp"
#include "program.hpp"
#include "queues.hpp"
#include "threads.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace runnel::bench {
namespace {

/// A group with entries that nobody has read, of a stream that is closed.
template <class T>
struct Filled {
    explicit Filled(uint64_t entries) {
        for (uint64_t number = 1; number <= entries; ++number) stream.add(message<T>(number));
        stream.close();
    }

    Stream<T> stream;
    ConsumerGroup<T> group = stream.group("workers");
};

template <class Work>
nanoseconds time_of(const Work& work) {
    const uint64_t start = own_time();
    work();
    return nanoseconds{own_time() - start};
}

constexpr uint64_t entries_alone = 200'000;

/// The loop that a Worker saves: reads, handles and acknowledges each entry, and nothing else.
template <class T>
nanoseconds work_by_hand() {
    const Filled<T> filled{entries_alone};
    uint64_t sum = 0;
    const auto me = filled.group.consumer("worker");
    const nanoseconds spent = time_of([&] {
        while (const auto batch = me.read({.count = 64})) {
            for (const auto& delivery : batch) {
                sum += number_in(delivery.value);
                delivery.ack();
            }
        }
    });
    check(sum == sum_to(entries_alone), "what was delivered is not what was added");
    return spent;
}

template <class T>
nanoseconds work_by_worker() {
    const Filled<T> filled{entries_alone};
    uint64_t sum = 0;
    Worker<T> worker{filled.stream, "workers", [&](const T& value) { sum += number_in(value); }};
    const nanoseconds spent = time_of([&] { worker.run(); });
    check(sum == sum_to(entries_alone), "what was handled is not what was added");
    return spent;
}

/// One thread. Figures: ns for each entry, and how much more that is than by hand just before.
template <class T>
Sample more_than_by_hand() {
    const double by_hand = per_message(work_by_hand<T>(), entries_alone);
    const nanoseconds spent = work_by_worker<T>();
    const double each = per_message(spent, entries_alone);
    return {spent, {each, each - by_hand}};
}

constexpr uint64_t entries_shared = 300'000;

/// Throughput from one producer to the consumers of a group, who read up to 64 entries at a time
/// and acknowledge them at once. Figure: M entries/s for all together.
Sample share_group(unsigned consumers) {
    using T = std::string;
    const Stream<T> stream;
    const auto group = stream.group("workers");
    std::atomic<uint64_t> total{0};
    const auto produce = [&] {
        for (uint64_t number = 1; number <= entries_shared; ++number)
            stream.add(message<T>(number));
        stream.close();
    };
    const auto consume = [&](unsigned number) {
        const auto me = group.consumer(std::to_string(number));
        uint64_t sum = 0;
        while (const auto batch = me.read({.count = 64})) {
            for (const auto& delivery : batch) sum += number_in(delivery.value);
            batch.ack();
        }
        total += sum;
    };
    const nanoseconds elapsed =
        run_together(1 + consumers, consumers == 1 ? Placement::pinned : Placement::free,
                     [&](unsigned thread) { thread == 0 ? produce() : consume(thread); });
    check(total == sum_to(entries_shared), "what was delivered is not what was added");
    return {elapsed, {1e3 / per_message(elapsed, entries_shared)}};
}

#if RUNNEL_BENCH_MOODYCAMEL
/// The same with as many consumers of moodycamel's blocking queue, who take up to 64 at a time.
Sample share_queue(unsigned consumers) {
    using T = std::string;
    moodycamel::BlockingConcurrentQueue<T> queue;
    std::atomic<uint64_t> total{0};
    std::atomic<uint64_t> taken{0};
    const auto produce = [&] {
        for (uint64_t number = 1; number <= entries_shared; ++number)
            queue.enqueue(message<T>(number));
    };
    const auto consume = [&] {
        std::array<T, 64> values;
        uint64_t sum = 0;
        while (taken.load(std::memory_order_relaxed) != entries_shared) {
            const std::size_t count = queue.wait_dequeue_bulk_timed(values.begin(), values.size(),
                                                                    std::chrono::milliseconds{1});
            for (std::size_t index = 0; index != count; ++index) sum += number_in(values.at(index));
            if (count != 0) taken.fetch_add(count, std::memory_order_relaxed);
        }
        total += sum;
    };
    const nanoseconds elapsed =
        run_together(1 + consumers, consumers == 1 ? Placement::pinned : Placement::free,
                     [&](unsigned thread) { thread == 0 ? produce() : consume(); });
    check(total == sum_to(entries_shared), "what was taken is not what was pushed");
    return {elapsed, {1e3 / per_message(elapsed, entries_shared)}};
}
#endif

template <class T>
void add_alone(Suite& suite) {
    suite.add({std::string{"one thread, "} + kind_of_message<T>,
               {{"ns", Better::less, {}}, {"ns more than by hand", Better::less, {{"W2", 150.0}}}},
               {{"runnel Worker", more_than_by_hand<T>, {}}}});
}

void add_sharing(Suite& suite) {
    for (const unsigned consumers : {1U, 2U, 4U}) {
        Group group{"1 producer, group of " + std::to_string(consumers) +
                        ", 64-byte strings, up to 64 at a time",
                    {{"M/s", Better::more, {{"W3", 0.8, "moodycamel"}}}},
                    {{"runnel", [=] { return share_group(consumers); }, {}}}};
#if RUNNEL_BENCH_MOODYCAMEL
        group.cases.push_back({"moodycamel Blocking", [=] { return share_queue(consumers); }, {}});
#endif
        suite.add(std::move(group));
    }
}

}  // namespace
}  // namespace runnel::bench

int main(int argc, char** argv) {
    using namespace runnel::bench;
    keep_heap();
    return run_program("worker_bench", argc > 1 ? argv[1] : "", [](Suite& suite) {
        add_alone<uint64_t>(suite);
        add_alone<std::string>(suite);
        add_sharing(suite);
    });
}
