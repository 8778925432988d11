// SPDX-License-Identifier: MIT
// Workers that read with claim, as threads and as coroutines, fail at random, give back at once or
// with a delay, or go without a word. Each entry is acknowledged once in the end.
#include <runnel/ack.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/outcome.hpp>
#include <runnel/runner.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/coroutines.hpp"
#include "support/eventually.hpp"
#include "support/scale.hpp"
#include "support/stress_random.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using runnel::Ack;
using runnel::Consumer;
using runnel::ConsumerGroup;
using runnel::Deliveries;
using runnel::Ending;
using runnel::GroupReadOptions;
using runnel::Nack;
using runnel::Stream;
using runnel::TimerThread;
using runnel::test::Coroutine;
using runnel::test::eventually;
using runnel::test::Random;
using runnel::test::scaled;

namespace {

struct Shop {
    explicit Shop(std::size_t entries) : acknowledged(entries) {}

    // What a worker does with what it got.
    void work(const Deliveries<int>& batch, Random& random) {
        for (const auto& delivery : batch) {
            const std::size_t fate = random.below(20);
            if (fate == 0) {
                (void)delivery.nack();
            } else if (fate <= 2) {
                (void)delivery.nack(Nack::fail, {.after = std::chrono::milliseconds{fate}});
            } else if (fate == 3) {
                ++dropped;  // others claim it later
            } else if (fate == 4 && delivery.extend() == Ack::stale) {
                ++late;
            } else if (delivery.ack() == Ack::done) {
                ++acknowledged[static_cast<std::size_t>(delivery.value)];
            } else {
                ++late;
            }
        }
    }

    void run_thread(const Consumer<int>& me, std::uint64_t seed) {
        Random random{seed, 1};
        for (;;) {
            GroupReadOptions options{.count = 1 + random.below(4), .claim = 3ms};
            if (random.percent(30))
                options.timeout = std::chrono::microseconds{random.below(3'000)};
            const auto batch = me.read(options);
            if (!batch && batch.ending() == Ending::closed) return;
            work(batch, random);
        }
    }
    Coroutine run_coroutine(Consumer<int> me, std::uint64_t seed) {
        Random random{seed, 2};
        for (;;) {
            const auto batch = co_await me.async_read({.count = 2, .claim = 3ms});
            if (!batch && batch.ending() == Ending::closed) break;
            work(batch, random);
        }
        ++finished;
    }

    Stream<int> stream;
    ConsumerGroup<int> group = stream.group("group");
    std::vector<std::atomic<int>> acknowledged;
    std::atomic<std::size_t> dropped = 0;
    std::atomic<std::size_t> late = 0;
    std::atomic<std::size_t> finished = 0;
};

}  // namespace

TEST_CASE("workers that claim see to each entry, whatever becomes of the others",
          "[group][claim][stress]") {
    const std::uint64_t seed = runnel::test::seed_for("workers that claim");
    const std::size_t entries = scaled(2'000, 200);
    constexpr std::size_t coroutines = 2;
    Shop shop{entries};
    std::deque<Coroutine> loops;
    std::optional<TimerThread> timers{std::in_place};
    for (std::size_t number = 0; number != coroutines; ++number)
        loops.push_back(shop.run_coroutine(shop.group.consumer("coroutine", {.max_pending = 10}),
                                           seed + number));
    {
        std::vector<std::jthread> threads;
        for (std::size_t number = 0; number != 3; ++number)
            threads.emplace_back([&, number] {
                const auto me = shop.group.consumer("thread " + std::to_string(number % 2),
                                                    {.max_pending = 3 + 5 * number});
                shop.run_thread(me, seed + 10 + number);
            });
        for (std::size_t value = 0; value != entries; ++value)
            (void)shop.stream.add(static_cast<int>(value));
        shop.stream.close();
    }
    eventually([&] { return shop.finished == coroutines; });
    timers.reset();  // no thread is in a coroutine any more
    CHECK(std::ranges::all_of(shop.acknowledged, [](const auto& count) { return count == 1; }));
    CHECK(shop.group.pending().count == 0);
    CHECK(shop.dropped > 0);
    CHECK(shop.stream.info().waiting == 0);
}
