// SPDX-License-Identifier: MIT
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/streams.hpp"

#include <chrono>
#include <cstdint>

using runnel::Ack;
using runnel::StreamId;
using runnel::test::attempts;
using runnel::test::ids;
using runnel::test::NumberGroup;
using runnel::test::Numbers;
using runnel::test::reading;
using runnel::test::Rows;
using namespace std::chrono_literals;

namespace {

// 1-0 and 2-0 were acknowledged, ann has 3-0 pending, and 4-0 is still to be delivered.
struct SomeDone : NumberGroup {
    SomeDone() {
        add({1, 2, 3, 4});
        const auto held = ann.try_read({.count = 3});
        REQUIRE(group.ack({{1}, {2}}) == 2);
    }
};

}  // namespace

TEST_CASE_METHOD(SomeDone, "what was acknowledged is pending again, and belongs to nobody",
                 "[group][redeliver]") {
    CHECK(group.redeliver({{2}}) == 1);
    CHECK(pending() == Rows{"2-0 nobody 0", "3-0 ann 1"});
    CHECK(group.info().released == 1);
    CHECK(ids(bob.try_read()) == ids({4}));  // not what is pending again
    const auto claimed = bob.claim(ids({2}), {.min_idle = 1h});
    CHECK(ids(claimed) == ids({2}));
    CHECK(attempts(claimed) == Numbers{1});
    CHECK(claimed[0].ack() == Ack::done);
    CHECK(group.redeliver({{2}}) == 1);  // and again
}

TEST_CASE_METHOD(SomeDone, "the count of deliveries goes on where it is told",
                 "[group][redeliver]") {
    CHECK(group.redeliver({{1}, {2}}, 7) == 2);
    CHECK(pending() == Rows{"1-0 nobody 7", "2-0 nobody 7", "3-0 ann 1"});
    CHECK(attempts(bob.autoclaim({.min_idle = 1h})) == Numbers{8, 8});
}

TEST_CASE_METHOD(SomeDone, "what is pending stays with its consumer", "[group][redeliver]") {
    CHECK(group.redeliver({{3}}, 7) == 0);
    CHECK(pending() == Rows{"3-0 ann 1"});
    REQUIRE(group.nack({{3}}) == 1);
    CHECK(group.redeliver({{3}}, 7) == 0);
    CHECK(pending() == Rows{"3-0 nobody 1"});
}

TEST_CASE_METHOD(SomeDone, "what is still to be delivered is left to reads", "[group][redeliver]") {
    CHECK(group.redeliver({{4}}) == 0);
    group.set_position(StreamId{1});
    CHECK(group.redeliver({{1}, {2}}) == 1);
    CHECK(pending() == Rows{"1-0 nobody 0", "3-0 ann 1"});
}

TEST_CASE_METHOD(SomeDone, "what the stream has lost, or never had, is skipped",
                 "[group][redeliver]") {
    stream.erase({{2}});
    CHECK(group.redeliver({{2}, {1, 5}, {0}, StreamId::max()}) == 0);
    stream.trim({.count = 1});
    CHECK(group.redeliver({{1}}) == 0);
    CHECK(pending() == Rows{"3-0 ann 1"});
}

TEST_CASE_METHOD(SomeDone, "an id that is given twice counts once", "[group][redeliver]") {
    CHECK(group.redeliver({{2}, {1}, {2}, {1}}) == 2);
    CHECK(pending() == Rows{"1-0 nobody 0", "2-0 nobody 0", "3-0 ann 1"});
    CHECK(group.redeliver({}) == 0);
}

TEST_CASE_METHOD(SomeDone, "a group that was removed delivers nothing again",
                 "[group][redeliver]") {
    stream.remove_group("group");
    CHECK(group.redeliver({{1}}) == 0);
}

TEST_CASE_METHOD(SomeDone, "what a closed stream holds can be delivered again",
                 "[group][redeliver]") {
    stream.close();
    CHECK(group.redeliver({{1}}) == 1);
    CHECK(ids(bob.claim(ids({1}), {.min_idle = 1h})) == ids({1}));
}

TEST_CASE_METHOD(NumberGroup, "that something is pending again is a call of those who wait",
                 "[group][redeliver][wait]") {
    add({1});
    REQUIRE(ann.try_read().ack() == 1);
    auto read = reading(clock, bob);
    clock.advance(1h);
    CHECK(group.redeliver({{2}}) == 0);
    CHECK(info_of("bob").idle == 1h);
    CHECK(group.redeliver({{1}}) == 1);
    CHECK(info_of("bob").idle == 0h);
    CHECK(read.waits());  // no read returns it
}

TEST_CASE_METHOD(NumberGroup, "many are pending again in one call", "[group][redeliver]") {
    add_range(1, 300);
    REQUIRE(ann.try_read({.count = 300}).ack() == 300);
    const auto all = runnel::test::id_range(1, 300);
    CHECK(group.redeliver(all) == 300);
    CHECK(ids(bob.autoclaim({.min_idle = 0ms, .count = 300})) == all);
}
