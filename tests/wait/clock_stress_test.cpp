// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>

#include "support/catch.hpp"
#include "support/scale.hpp"
#include "support/stress_random.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <memory>
#include <mutex>
#include <numeric>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using runnel::BlockingList;
using runnel::Clock;
using runnel::Ending;
using runnel::ManualClock;
using runnel::test::Random;

namespace {

// What a thread did.
struct Record {
    std::vector<std::uint64_t> pushed{};
    std::vector<std::uint64_t> popped{};
    std::size_t timed_out = 0;
    std::size_t stopped = 0;
    std::size_t early = 0;      // time-outs before their deadline
    std::size_t late = 0;       // time-outs after it
    std::size_t backwards = 0;  // time went back
};

std::vector<std::uint64_t> all_of(const std::vector<std::unique_ptr<Record>>& records,
                                  std::vector<std::uint64_t> Record::*which) {
    std::vector<std::uint64_t> all;
    for (const auto& record : records)
        all.insert(all.end(), ((*record).*which).begin(), ((*record).*which).end());
    std::sort(all.begin(), all.end());
    return all;
}

std::size_t sum_of(const std::vector<std::unique_ptr<Record>>& records,
                   std::size_t Record::*which) {
    return std::accumulate(
        records.begin(), records.end(), std::size_t{0},
        [&](std::size_t sum, const auto& record) { return sum + (*record).*which; });
}

}  // namespace

TEST_CASE("advance() ends waits in the order of their deadlines, each at its own",
          "[clock][race]") {
    const std::uint64_t seed = runnel::test::seed_for("waits end in the order of their deadlines");
    const std::size_t rounds = runnel::test::scaled(1'500, 50);
    constexpr std::size_t waiters = 16;

    struct End {
        Clock::Deadline deadline;
        Clock::Deadline at;
    };
    std::vector<End> ends;  // one thread runs at a time, but TSan wants to be told
    std::mutex mutex;
    ManualClock clock;
    BlockingList<int> nothing{{.clock = &clock}};
    const auto start = clock.now();
    const auto wall_start = clock.wall();
    {
        std::vector<ManualClock::Thread> threads;
        for (std::size_t at = 0; at != waiters; ++at) {
            threads.push_back(clock.thread([&, at] {
                Random random{seed, at};
                for (std::size_t round = 0; round != rounds; ++round) {
                    const auto duration = random.below(1'000) * 1us;
                    const auto deadline = clock.now() + duration;
                    const auto popped = nothing.pop_front({.timeout = duration});
                    if (popped || popped.ending() != Ending::timed_out) return;
                    const std::lock_guard lock{mutex};
                    ends.push_back({deadline, clock.now()});
                }
            }));
        }
        Random random{seed, waiters};
        Clock::Deadline expected = start;
        const auto is_over = [&] {
            const std::lock_guard lock{mutex};
            return ends.size() == waiters * rounds;
        };
        while (clock.waiting() != 0 || !is_over()) {
            const auto duration = random.below(100) * 37us;
            clock.advance(duration);
            expected += duration;
            if (clock.now() != expected) FAIL("advance() did not go as far as it was told");
        }
    }
    CHECK(ends.size() == waiters * rounds);
    CHECK(std::all_of(ends.begin(), ends.end(),
                      [](const End& end) { return end.at == end.deadline; }));
    CHECK(std::is_sorted(ends.begin(), ends.end(), [](const End& one, const End& other) {
        return one.deadline < other.deadline;
    }));
    CHECK(clock.wall() - wall_start == clock.now() - start);
}

TEST_CASE("a ManualClock bears threads that it does not know", "[clock][race]") {
    const std::uint64_t seed = runnel::test::seed_for("a ManualClock bears threads");
    const std::size_t rounds = runnel::test::scaled(1'200, 40);
    constexpr std::size_t consumers = 4;
    constexpr std::size_t inner_pushers = 2;
    constexpr std::size_t outer_pushers = 3;
    constexpr std::size_t pushes_per_round = 8;

    ManualClock clock;
    std::vector<BlockingList<std::uint64_t>> lists;
    lists.emplace_back(runnel::ListOptions{.clock = &clock});
    lists.emplace_back(runnel::ListOptions{.capacity = 2, .clock = &clock});
    BlockingList<int> nothing{{.clock = &clock}};
    std::vector<BlockingList<int>> turns(outer_pushers);  // by the SystemClock
    BlockingList<int> done;
    std::stop_source stop;
    std::mutex stoppers_mutex;
    std::vector<std::stop_source> stoppers(consumers);

    std::vector<std::unique_ptr<Record>> records;
    const auto new_record = [&]() -> Record& {
        return *records.emplace_back(std::make_unique<Record>());
    };
    const auto push = [&lists](Record& record, Random& random, std::uint64_t number) {
        // A full list may have to wait for a consumer, but not for the time to pass.
        if (random.one_of(lists).push_back(std::uint64_t{number}) == runnel::Push::done)
            record.pushed.push_back(number);
    };

    const auto start = clock.now();
    Clock::Deadline expected = start;
    std::vector<ManualClock::Thread> threads;
    std::vector<std::jthread> strangers;
    for (std::size_t at = 0; at != consumers; ++at) {
        threads.push_back(clock.thread([&, at, &record = new_record()] {
            Random random{seed, at};
            Clock::Deadline last = clock.now();
            while (!stop.stop_requested()) {
                std::stop_token token;
                {
                    const std::lock_guard lock{stoppers_mutex};
                    if (stoppers[at].stop_requested() && !stop.stop_requested())
                        stoppers[at] = std::stop_source{};
                    token = stoppers[at].get_token();
                }
                const auto duration = 1us + random.below(400) * 1us;
                const auto deadline = clock.now() + duration;
                const auto popped = runnel::pop_first(lists, {.timeout = duration, .stop = token});
                const auto now = clock.now();
                record.backwards += now < last ? 1 : 0;
                last = now;
                if (popped) {
                    record.popped.push_back(*popped);
                } else if (popped.ending() == Ending::timed_out) {
                    ++record.timed_out;
                    record.early += now < deadline ? 1 : 0;
                } else {
                    ++record.stopped;
                }
            }
        }));
    }
    for (std::size_t at = 0; at != inner_pushers; ++at) {
        threads.push_back(clock.thread([&, at, &record = new_record()] {
            Random random{seed, 100 + at};
            for (std::uint64_t number = 0; !stop.stop_requested(); ++number) {
                (void)nothing.pop_front(
                    {.timeout = 1us + random.below(300) * 1us, .stop = stop.get_token()});
                push(record, random, (100 + at) << 40U | number);
            }
        }));
    }
    for (std::size_t at = 0; at != outer_pushers; ++at) {
        strangers.emplace_back([&, at, &record = new_record()] {
            Random random{seed, 200 + at};
            std::uint64_t number = 0;
            while (turns[at].pop_front()) {
                for (std::size_t each = 0; each != pushes_per_round; ++each)
                    push(record, random, (200 + at) << 40U | number++);
                (void)done.push_back(1);
            }
        });
    }

    Random random{seed, 300};
    std::size_t most_waiting = 0;
    for (std::size_t round = 0; round != rounds; ++round) {
        for (const auto& turn : turns) (void)turn.push_back(1);
        for (int step = 0; step != 3; ++step) {
            const auto duration = random.below(500) * 1us;
            clock.advance(duration);
            expected += duration;
            if (random.percent(30)) clock.step_wall(random.percent(50) ? 1ms : -1ms);
            if (random.percent(50)) {
                std::stop_source chosen;
                {
                    const std::lock_guard lock{stoppers_mutex};
                    chosen = random.one_of(stoppers);
                }
                chosen.request_stop();
            }
            if (random.percent(50)) clock.settle();
            most_waiting = std::max(most_waiting, clock.waiting());
        }
        for (std::size_t at = 0; at != outer_pushers; ++at) (void)done.pop_front();
        if (clock.now() != expected) FAIL("advance() did not go as far as it was told");
    }
    for (const auto& turn : turns) turn.close();
    stop.request_stop();
    for (const auto& stopper : stoppers) {
        std::stop_source chosen;
        {
            const std::lock_guard lock{stoppers_mutex};
            chosen = stopper;
        }
        chosen.request_stop();
    }
    for (const auto& list : lists) list.close();
    threads.clear();
    strangers.clear();

    std::vector<std::uint64_t> popped = all_of(records, &Record::popped);
    for (const auto& list : lists) {
        while (auto left = list.try_pop_front()) popped.push_back(*left);
    }
    std::sort(popped.begin(), popped.end());
    const std::vector<std::uint64_t> pushed = all_of(records, &Record::pushed);
    std::cout << rounds << " rounds: " << pushed.size() << " pushed, "
              << sum_of(records, &Record::timed_out) << " timed out, "
              << sum_of(records, &Record::stopped) << " stopped, at most " << most_waiting
              << " waits at once\n";
    CHECK(popped == pushed);
    CHECK(sum_of(records, &Record::early) == 0);
    CHECK(sum_of(records, &Record::backwards) == 0);
    CHECK(sum_of(records, &Record::timed_out) > 0);
    CHECK(sum_of(records, &Record::stopped) > 0);
    CHECK(clock.waiting() == 0);
}
