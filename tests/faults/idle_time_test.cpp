// SPDX-License-Identifier: MIT
// Before: fails: CHECK_FALSE\( bob\.autoclaim\(\{\.min_idle = 5min\}\) \)
//
// Idle times were differences of wall times: when the clock of the machine was set an hour forward,
// what consumers had in hand could be claimed; an hour back, nothing could be for an hour.
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"

#include <chrono>

using namespace std::chrono_literals;

TEST_CASE("an hour's step of the wall clock makes nothing claimable, and back, holds up nothing",
          "[fault]") {
    runnel::ManualClock clock;
    runnel::Stream<int> stream{{.clock = &clock}};
    const auto group = stream.group("group");
    const auto bob = group.consumer("bob");
    stream.add(1);
    REQUIRE(group.consumer("ann").read({.count = 1}).size() == 1);
    clock.step_wall(1h);
    CHECK_FALSE(bob.autoclaim({.min_idle = 5min}));
    CHECK(group.consumers().at(0).idle == 0s);
    clock.step_wall(-2h);
    clock.advance(5min);
    CHECK(bob.autoclaim({.min_idle = 5min}).size() == 1);
}
