// SPDX-License-Identifier: MIT
// Threads push to lists whose descriptors another thread polls and rearms: no wake-up is lost.
#include <runnel/blocking_list.hpp>
#include <runnel/outcome.hpp>
#include <runnel/pollable.hpp>

#include "support/catch.hpp"
#include "support/scale.hpp"
#include "support/stress_random.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <poll.h>
#include <thread>
#include <utility>
#include <vector>

using runnel::BlockingList;
using runnel::Pollable;
using runnel::Push;
using runnel::test::Random;
using runnel::test::scaled;
using runnel::test::seed_for;

namespace {

using PolledList = BlockingList<std::uint64_t>;

// Longer than any wake-up takes.
constexpr int a_minute = 60'000;

bool poll_until_readable(const Pollable& pollable) {
    pollfd asked{pollable.descriptor(), POLLIN, 0};
    return poll(&asked, 1, a_minute) == 1;
}

// Takes all, rearms, and polls, until all lists are closed and empty. False: a wake-up was lost.
bool take_until_closed(Pollable& ready, const std::vector<PolledList>& lists,
                       std::vector<std::uint64_t>& taken) {
    for (;;) {
        std::size_t drained = 0;
        for (const PolledList& list : lists) {
            auto popped = list.try_pop_front();
            for (; popped; popped = list.try_pop_front()) taken.push_back(*popped);
            drained += list.drained() ? 1 : 0;
        }
        if (drained == lists.size()) return true;
        ready.rearm();
        if (!poll_until_readable(ready)) return false;
    }
}

}  // namespace

TEST_CASE("a descriptor that is rearmed while others push misses nothing", "[race]") {
    const std::size_t count = scaled(100'000, 100);
    const std::vector<PolledList> lists(3);
    std::vector<std::uint64_t> taken;
    bool is_complete = false;
    std::thread poller{[&] {
        Pollable ready{lists[0], lists[1], lists[2]};
        is_complete = take_until_closed(ready, lists, taken);
    }};
    const std::uint64_t seed = seed_for("descriptor");
    std::array<std::thread, 2> pushers;
    for (std::size_t number = 0; number != pushers.size(); ++number)
        pushers[number] = std::thread{[&, number] {
            Random random{seed + number};
            for (std::size_t at = number; at < count; at += pushers.size())
                (void)lists[random.below(lists.size())].push_back(std::uint64_t{at});
        }};
    for (std::thread& pusher : pushers) pusher.join();
    for (const PolledList& list : lists) list.close();
    poller.join();
    CHECK(is_complete);
    std::vector<int> times(count);
    for (const std::uint64_t number : taken) ++times[number];
    CHECK(times == std::vector<int>(count, 1));
}

TEST_CASE("of several threads that poll for one list none misses its turn", "[race]") {
    const std::size_t count = scaled(50'000, 100);
    const std::vector<PolledList> list(1);
    std::array<std::vector<std::uint64_t>, 3> taken;
    std::array<bool, 3> is_complete{};
    std::vector<std::thread> pollers;
    for (std::size_t number = 0; number != taken.size(); ++number)
        pollers.emplace_back([&, number] {
            Pollable ready{list[0]};
            is_complete[number] = take_until_closed(ready, list, taken[number]);
        });
    for (std::size_t at = 0; at != count; ++at) (void)list[0].push_back(std::uint64_t{at});
    list[0].close();
    for (std::thread& poller : pollers) poller.join();
    CHECK(is_complete == std::array{true, true, true});
    std::vector<int> times(count);
    for (const auto& mine : taken)
        for (const std::uint64_t number : mine) ++times[number];
    CHECK(times == std::vector<int>(count, 1));
}

TEST_CASE("a descriptor may be destroyed while a push ends its wait", "[race]") {
    const std::size_t count = scaled(20'000, 100);
    const PolledList list;
    const PolledList next;  // tells the pusher to go on
    std::thread pusher{[&] {
        while (const auto number = next.pop_front()) (void)list.push_back(*number);
    }};
    std::size_t taken = 0;
    for (std::size_t at = 0; at != count; ++at) {
        {
            const Pollable ready{list};
            (void)next.push_back(std::uint64_t{at});
            if (at % 2 == 0) REQUIRE(poll_until_readable(ready));
        }
        taken += list.pop_front() ? 1 : 0;
    }
    next.close();
    pusher.join();
    CHECK(taken == count);
}

TEST_CASE("what comes just when a descriptor is rearmed makes it readable", "[race]") {
    const std::size_t count = scaled(30'000, 100);
    const PolledList asked;
    const PolledList taken;
    std::thread pusher{[&] {
        for (std::size_t at = 0; at != count; ++at) {
            (void)asked.push_back(std::uint64_t{at});
            (void)taken.pop_front();
        }
    }};
    Pollable ready{asked};
    std::size_t missed = 0;
    for (std::size_t at = 0; at != count; ++at) {
        while (!asked.try_pop_front())
            if (ready.rearm(); !poll_until_readable(ready)) ++missed;
        (void)taken.push_back(std::uint64_t{at});
    }
    pusher.join();
    CHECK(missed == 0);
}
