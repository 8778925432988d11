// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>
#include <runnel/channel.hpp>
#include <runnel/channel_options.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream.hpp>
#include <runnel/wait_any.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/scale.hpp"
#include "support/stress_random.hpp"
#include "support/stress_tally.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

// Threads that push, pop, move, publish and read, and among them others that only wait for several
// objects and take nothing. These may hold up nobody: all that is sent arrives though nothing is
// closed, and then closing ends every wait.

using namespace std::chrono_literals;
using runnel::Behind;
using runnel::BlockingList;
using runnel::Channel;
using runnel::Ending;
using runnel::Push;
using runnel::Stream;
using runnel::Watch;
using runnel::test::eventually;
using runnel::test::Random;
using runnel::test::Tally;

namespace {

struct World {
    const BlockingList<int> jobs{{.capacity = 3}};
    const BlockingList<int> moved{{.capacity = 2}};
    const Stream<int> orders;
    const runnel::ConsumerGroup<int> group = orders.group("group");
    const Channel<int> ticks;

    std::atomic<std::size_t> popped = 0;
    std::atomic<std::size_t> delivered = 0;
    std::atomic<std::size_t> seen = 0;

    void close() const {
        jobs.close();
        moved.close();
        orders.close();
        ticks.close();
    }
};

// Waits for a random choice of objects, for a random time, until nothing comes any more.
class Watcher {
public:
    Watcher(const World& world, Random random)
        : world_{world},
          random_{random},
          cursor_{world.orders.cursor(runnel::From::end)},
          view_{world.ticks.subscribe({.bound = 8})} {}

    void run() {
        const auto consumer = world_.group.consumer("idler");
        for (bool over = false; !over;) {
            std::vector<Watch> watches;
            for (const std::size_t what : random_.subset(5)) {
                if (what == 0) watches.emplace_back(world_.jobs);
                if (what == 1) watches.emplace_back(world_.moved);
                if (what == 2) watches.emplace_back(cursor_);
                if (what == 3) watches.emplace_back(consumer);
                if (what == 4) watches.emplace_back(view_);
            }
            over = wait(watches);
            (void)cursor_.try_read();
            (void)view_.try_read();
        }
    }

    Tally tally;

private:
    bool wait(const std::vector<Watch>& watches) {
        std::stop_source stop;
        const bool stops = random_.percent(20);
        std::jthread stopper;
        if (stops) stopper = std::jthread{[stop]() mutable { stop.request_stop(); }};
        const runnel::Timeout timeout =
            random_.percent(60) ? runnel::Timeout{random_.below(200) * 1us} : runnel::Timeout{};
        const auto any = runnel::wait_any(watches, {timeout, stop.get_token()});
        if (any) {
            tally.add("wait", any.which() < watches.size() ? "told" : "WRONG");
            return false;
        }
        tally.add("wait", any.ending() == Ending::closed      ? "closed"
                          : any.ending() == Ending::timed_out ? "timed out"
                          : any.ending() == Ending::stopped   ? "stopped"
                                                              : "WRONG");
        return any.ending() == Ending::closed;
    }

    const World& world_;
    Random random_;
    runnel::Cursor<int> cursor_;
    runnel::Subscription<int> view_;
};

// What takes what is sent.
void start_takers(World& world, std::vector<std::jthread>& threads) {
    for (int number = 0; number != 2; ++number) {
        threads.emplace_back([&world] {
            while (runnel::pop_first({world.moved, world.jobs})) ++world.popped;
        });
    }
    threads.emplace_back([&world] {
        while (world.jobs.move_to(world.moved)) continue;
    });
    threads.emplace_back([&world] {
        const auto me = world.group.consumer("worker");
        while (auto batch = me.read({.count = 3, .acknowledged = true}))
            world.delivered += batch.size();
    });
    threads.emplace_back([&world, view = world.ticks.subscribe(
                                      {.bound = 4, .when_behind = Behind::block})]() mutable {
        while (auto batch = view.read()) world.seen += batch.size();
    });
}

void start_senders(const World& world, std::size_t count, std::vector<std::jthread>& threads) {
    threads.emplace_back([&world, count] {
        for (std::size_t left = count; left != 0; --left)
            if (world.jobs.push_back(1) != Push::done) return;
    });
    threads.emplace_back([&world, count] {
        for (std::size_t left = count; left != 0; --left) world.orders.add(1);
    });
    threads.emplace_back([&world, count] {
        for (std::size_t left = count; left != 0; --left)
            if (world.ticks.publish(1).ending != Push::done) return;
    });
}

}  // namespace

TEST_CASE("who waits for several objects holds up nobody, and every wait ends",
          "[wait_any][stress]") {
    const std::uint64_t seed = runnel::test::seed_for("wait_any_stress");
    const std::size_t rounds = runnel::test::scaled(40, 4);
    const std::size_t count = 400;
    Tally tally;
    for (std::size_t round = 0; round != rounds; ++round) {
        World world;
        std::vector<Watcher> watchers;
        for (std::size_t number = 0; number != 3; ++number)
            watchers.emplace_back(world, Random{seed, 3 * round + number});
        {
            std::vector<std::jthread> threads;
            start_takers(world, threads);
            for (Watcher& one : watchers) threads.emplace_back([&one] { one.run(); });
            start_senders(world, count, threads);
            eventually([&] {
                return world.popped == count && world.delivered == count && world.seen == count;
            });
            world.close();
        }
        CHECK(world.jobs.size() + world.moved.size() == 0);
        CHECK(world.orders.info().waiting + world.ticks.info().waiting == 0);
        CHECK(world.jobs.stats().blocked_pops + world.moved.stats().blocked_pops == 0);
        for (const Watcher& one : watchers) tally.add(one.tally);
    }
    std::cout << tally;
    CHECK(tally.all("WRONG") == 0);
    for (const char* const how : {"told", "timed out", "stopped", "closed"})
        CHECK(tally.of("wait", how) != 0);
}
