// SPDX-License-Identifier: MIT
// Workers of real threads in real time: handlers throw, hang past their lease and end their
// threads. And workers whose handlers are coroutines on a pool.
#include <runnel/blocking_list.hpp>
#include <runnel/dead_letters.hpp>
#include <runnel/deduplicator.hpp>
#include <runnel/executor.hpp>
#include <runnel/runner.hpp>
#include <runnel/stream.hpp>
#include <runnel/worker.hpp>

#include "support/catch.hpp"
#include "support/coroutines.hpp"
#include "support/eventually.hpp"
#include "support/scale.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <pthread.h>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

namespace {

using namespace std::chrono_literals;
using runnel::BlockingList;
using runnel::DeadLetters;
using runnel::Deduplicator;
using runnel::DeliveryPolicy;
using runnel::Guarantee;
using runnel::Stream;
using runnel::Worker;
using runnel::WorkerOptions;
using runnel::test::eventually;
using runnel::test::scaled;
using runnel::test::Work;

// By the number of the entry and of its attempt, so that an entry comes through in the end.
enum class Fate { fine, throws, hangs, dies };
Fate fate_of(std::size_t number, std::uint64_t attempt) {
    if (attempt > 2) return Fate::fine;
    const std::size_t lot = (number * 2654435761U + attempt * 97) % 100;
    if (lot < 5) return Fate::throws;
    if (lot < 6) return Fate::hangs;
    return lot < 8 ? Fate::dies : Fate::fine;
}

struct Rough {
    using Job = Worker<std::size_t>::Job;

    explicit Rough(Guarantee guarantee, std::size_t entries) : effects(entries) {
        for (std::size_t number = 0; number != entries; ++number)
            (void)orders.add(std::size_t{number});
        orders.close();
        for (int index = 0; index != 4; ++index) {
            WorkerOptions<std::size_t> options{.name = "worker" + std::to_string(index),
                                               .policy = {.guarantee = guarantee,
                                                          .deliveries = 100,
                                                          .backoff = {.base = 1ms, .cap = 8ms},
                                                          .lease = 40ms,
                                                          .batch = 8},
                                               .dead_letters = letters};
            if (guarantee == Guarantee::effectively_once)
                options.once = runnel::once_by(done, [](std::size_t number) { return number; });
            workers.push_back(std::make_unique<Worker<std::size_t>>(
                orders, "workers", [this](Job& job) { handle(job); }, options));
        }
    }

    void handle(Job& job) {
        const Fate fate = fate_of(*job, job.attempt());
        if (fate == Fate::dies) {
            deaths.fetch_add(1);
            pthread_exit(nullptr);
        }
        if (fate == Fate::throws) throw std::runtime_error{"by lot"};
        if (fate == Fate::hangs) (void)BlockingList<int>{}.pop_front({.timeout = 60ms});
        effects[*job].fetch_add(1);
    }

    // Two threads each; one that has died is followed by another.
    void run() {
        std::vector<std::thread> threads;
        for (const auto& worker : workers) {
            for (int seat = 0; seat != 2; ++seat) {
                threads.emplace_back([&] {
                    for (std::atomic<bool> is_over = false; !is_over;)
                        std::thread{[&] {
                            worker->run();
                            is_over = true;
                        }}.join();
                });
            }
        }
        for (std::thread& thread : threads) thread.join();
    }

    Stream<std::size_t> orders;
    runnel::ConsumerGroup<std::size_t> group = orders.group("workers");
    DeadLetters<std::size_t> letters;
    Deduplicator<std::size_t> done;
    std::vector<std::atomic<unsigned>> effects;
    std::atomic<std::size_t> deaths = 0;
    std::vector<std::unique_ptr<Worker<std::size_t>>> workers;
};

// An executor of two threads.
struct TwoThreads {
    TwoThreads() {
        for (int count = 0; count != 2; ++count)
            threads.emplace_back([steps = steps] {
                while (const auto step = steps.pop_front()) (*step)();
            });
    }
    TwoThreads(const TwoThreads&) = delete;
    TwoThreads& operator=(const TwoThreads&) = delete;
    ~TwoThreads() {
        steps.close();
        for (std::thread& thread : threads) thread.join();
    }
    void execute(runnel::Continuation step) const { (void)steps.try_push_back(step); }

    BlockingList<runnel::Continuation> steps;
    std::vector<std::thread> threads;
};

}  // namespace

TEST_CASE("workers whose threads die get all done", "[worker][stress]") {
    const std::size_t entries = scaled(5'000, 500);
    const auto guarantee = GENERATE(Guarantee::at_least_once, Guarantee::effectively_once);
    Rough rough{guarantee, entries};
    rough.run();
    CHECK(rough.deaths > entries / 200);
    CHECK(rough.group.pending().count == 0);
    CHECK(rough.group.lag() == 0);
    CHECK(rough.letters.stream().size() == 0);
    for (const auto& count : rough.effects) {
        if (guarantee == Guarantee::at_least_once)
            REQUIRE(count >= 1);
        else
            REQUIRE(count == 1);
    }
    runnel::WorkerStats all;
    for (const auto& worker : rough.workers) all.processed += worker->stats().processed;
    std::size_t done = all.processed;
    for (const auto& worker : rough.workers) done += worker->stats().duplicates;
    CHECK(done == entries);
}

// Coroutines that go on in this thread and that, and are paused and stopped meanwhile.
TEST_CASE("coroutines on a pool get all done, though they are stopped again and again",
          "[worker][stress]") {
    const std::size_t entries = scaled(5'000, 500);
    const runnel::TimerThread timers;
    const TwoThreads pool;
    const Stream<std::size_t> orders;
    const auto group = orders.group("workers");
    std::vector<std::atomic<unsigned>> effects(entries);
    for (std::size_t number = 0; number != entries; ++number) (void)orders.add(std::size_t{number});

    const BlockingList<int> nothing;
    using Job = Worker<std::size_t>::Job;
    const auto handle = [&](Job& job) -> Work<runnel::Handled> {
        const Fate fate = fate_of(*job, job.attempt());
        if (fate == Fate::throws) throw std::runtime_error{"by lot"};
        if (fate == Fate::hangs) {  // in the thread of the clock, and then in the pool
            auto wait = nothing.async_pop_front({.timeout = 1ms, .stop = job.stop()});
            (void)co_await wait;
        } else if (fate == Fate::dies) {
            auto wait = nothing.async_pop_front({.timeout = 50us}).on(pool);
            (void)co_await wait;
        }
        effects[*job].fetch_add(1);
        co_return runnel::Handled::done();
    };
    std::size_t processed = 0;
    for (std::size_t round = 0; processed != entries; ++round) {
        Worker<std::size_t> worker{orders,
                                   "workers",
                                   handle,
                                   {.policy = {.deliveries = 100,
                                               .backoff = {.base = 1ms, .cap = 8ms},
                                               .batch = 8,
                                               .threads = 4}}};
        worker.start(pool);
        if (round % 2 == 1) {
            worker.pause();
            worker.resume();
        }
        const std::size_t enough = std::min(entries - processed, entries / 20);
        eventually([&] { return worker.stats().processed >= enough; });
        if (round % 3 == 0) worker.pause();
        (void)worker.stop();
        processed += worker.stats().processed;
    }
    CHECK(group.pending().count == 0);
    for (const auto& count : effects) REQUIRE(count >= 1);
}

TEST_CASE("a coroutine that waits for a stop may be destroyed while others are about to go on",
          "[worker][coroutine][stress]") {
    const runnel::TimerThread timers;
    TwoThreads pool;
    const std::size_t rounds = scaled(1'000, 100);
    for (std::size_t round = 0; round != rounds; ++round) {
        runnel::test::Loop loop;
        Worker<int> worker{Stream<int>{}, "g", [](int /*number*/) {}};
        worker.start(pool);
        const auto stopping = [&]() -> runnel::test::Coroutine {
            auto stop = worker.async_stop().on(loop);
            (void)co_await stop;
        };
        { const runnel::test::Coroutine one = stopping(); }
        REQUIRE(worker.stop().in_time);
        loop.drop();
    }
}
