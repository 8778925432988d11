// SPDX-License-Identifier: MIT
#include <runnel/ack.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/streams.hpp"

#include <chrono>
#include <vector>

using runnel::Ack;
using runnel::Nack;
using runnel::StreamId;
using runnel::test::attempts;
using runnel::test::ids;
using runnel::test::Ids;
using runnel::test::Numbers;
using runnel::test::Rows;
using runnel::test::ThreePending;
using std::chrono::milliseconds;
using namespace std::chrono_literals;

namespace {

struct Delayed : ThreePending {
    // In what time a claim may take each of the three.
    [[nodiscard]] std::vector<milliseconds> due() const {
        std::vector<milliseconds> all;
        for (const auto& entry : group.pending({})) all.push_back(entry.due_in);
        return all;
    }
};

using Due = std::vector<milliseconds>;

}  // namespace

TEST_CASE_METHOD(Delayed, "what is given back with a delay is claimed when that has passed",
                 "[group][nack][delay]") {
    const auto batch = ann.history();
    CHECK(batch[0].nack(Nack::fail, {.after = 2s}) == Ack::done);
    clock.advance(2s - 1ms);
    CHECK_FALSE(bob.claim({{1}}, {.min_idle = 0ms}));
    CHECK_FALSE(bob.claim({{1}}, {.min_idle = 0ms, .force = true}));
    CHECK(ids(bob.autoclaim({.min_idle = 0ms})) == ids({2, 3}));
    clock.advance(1ms);
    const auto claimed = bob.claim({{1}}, {.min_idle = 1h});
    CHECK(ids(claimed) == ids({1}));
    CHECK(attempts(claimed) == Numbers{3});
    CHECK(claimed[0].ack() == Ack::done);
}

TEST_CASE_METHOD(Delayed, "an autoclaim takes what was delayed once that is due",
                 "[group][nack][delay]") {
    CHECK(group.nack(ids({1, 3}), Nack::fail, {.after = 1s}) == 2);
    CHECK_FALSE(bob.autoclaim({.min_idle = 1h}));
    clock.advance(1s);
    CHECK(ids(bob.autoclaim({.min_idle = 1h})) == ids({1, 3}));
}

TEST_CASE_METHOD(Delayed, "what is delayed belongs to nobody and counts as given back",
                 "[group][nack][delay]") {
    CHECK(group.nack({{1}}, Nack::silent, {.after = 1s}) == 1);
    CHECK(pending() == Rows{"1-0 nobody 0", "2-0 ann 1", "3-0 ann 1"});
    CHECK(group.info().released == 1);
    CHECK(info_of("ann").pending == 2);
    CHECK(ids(ann.history()) == ids({2, 3}));
    CHECK_FALSE(bob.try_read());
    CHECK(group.pending({.min_idle = 1h}).size() == 1);
    CHECK(group.ack({{1}}) == 1);
    CHECK(group.pending().count == 2);
}

TEST_CASE_METHOD(Delayed, "the list of what is pending tells in what time a claim may take it",
                 "[group][nack][delay]") {
    CHECK(due() == Due{0ms, 0ms, 0ms});
    CHECK(group.nack({{1}}, Nack::fail, {.after = 2s}) == 1);
    CHECK(group.nack({{2}}) == 1);
    CHECK(due() == Due{2s, 0ms, 0ms});
    clock.advance(500ms);
    CHECK(due() == Due{1500ms, 0ms, 0ms});
    clock.advance(1h);
    CHECK(due() == Due{0ms, 0ms, 0ms});
    REQUIRE(bob.claim({{1}}, {.min_idle = 0ms}));
    CHECK(due() == Due{0ms, 0ms, 0ms});
}

TEST_CASE_METHOD(Delayed, "a delay is rounded up to milliseconds, and a negative one is none",
                 "[group][nack][delay]") {
    CHECK(group.nack({{1}}, Nack::fail, {.after = 1ns}) == 1);
    CHECK(group.nack({{2}}, Nack::fail, {.after = -1h}) == 1);
    CHECK(group.nack({{3}}, Nack::fail, {.after = std::chrono::hours::min()}) == 1);
    CHECK(due() == Due{1ms, 0ms, 0ms});
    CHECK(ids(bob.autoclaim({.min_idle = 1h})) == ids({2, 3}));
    clock.advance(1ms);
    CHECK(ids(bob.autoclaim({.min_idle = 1h})) == ids({1}));
}

TEST_CASE_METHOD(Delayed, "a delay counts from the moment of the call, to the nanosecond",
                 "[group][nack][delay]") {
    clock.advance(900us);
    CHECK(group.nack({{1}}, Nack::fail, {.after = 1ms}) == 1);
    clock.advance(1ms);
    CHECK_FALSE(bob.claim({{1}}, {.min_idle = 0ms}));
    clock.advance(100us);
    CHECK(bob.claim({{1}}, {.min_idle = 0ms}));
}

TEST_CASE_METHOD(Delayed, "the longest delay never ends", "[group][nack][delay]") {
    CHECK(group.nack({{1}}, Nack::fail, {.after = std::chrono::hours::max()}) == 1);
    clock.advance(24h * 365 * 200);
    CHECK_FALSE(bob.claim({{1}}, {.min_idle = 0ms}));
    CHECK(due().at(0) > 24h * 365);
}

TEST_CASE_METHOD(Delayed, "what is delayed may be given back anew, with another delay or none",
                 "[group][nack][delay]") {
    CHECK(group.nack(ids({1, 2, 3}), Nack::fail, {.after = 10s}) == 3);
    CHECK(group.nack({{1}}) == 1);
    CHECK(group.nack({{2}}, Nack::fail, {.after = 1s}) == 1);
    CHECK(group.nack({{3}}, Nack::fail, {.after = 20s}) == 1);
    CHECK(due() == Due{0s, 1s, 20s});
    CHECK(ids(bob.autoclaim({.min_idle = 0ms})) == ids({1}));
}

TEST_CASE_METHOD(Delayed, "a delivery that lost its entry cannot delay it",
                 "[group][nack][delay]") {
    const auto batch = ann.history();
    REQUIRE(bob.claim({{1}}, {.min_idle = 0ms}));
    CHECK(batch[0].nack(Nack::fail, {.after = 1h}) == Ack::stale);
    CHECK(pending({.first = {1}, .last = {1}}) == Rows{"1-0 bob 3"});
    CHECK(batch[1].nack(Nack::fail, {.after = 1h}) == Ack::done);
    CHECK(batch[1].nack() == Ack::stale);
    CHECK(due() == Due{0h, 1h, 0h});
}

TEST_CASE_METHOD(Delayed, "a delayed entry that the stream has lost is dropped by a claim",
                 "[group][nack][delay][lost]") {
    CHECK(group.nack(ids({1, 2}), Nack::fail, {.after = 1h}) == 2);
    CHECK(stream.erase({{1}, {2}}) == 2);
    CHECK(bob.claim({{1}}, {.min_idle = 0ms}).lost() == ids({1}));
    CHECK(bob.autoclaim({.min_idle = 1h}).lost() == ids({2}));
    CHECK(group.info().released == 0);
}

TEST_CASE_METHOD(Delayed, "a group that goes back delivers what is delayed, as anything else",
                 "[group][nack][delay]") {
    CHECK(group.nack({{1}}, Nack::fail, {.after = 1h}) == 1);
    group.set_position(StreamId{});
    CHECK(ids(bob.try_read({.count = 1})) == ids({1}));
    CHECK(due() == Due{0h, 0h, 0h});
}
