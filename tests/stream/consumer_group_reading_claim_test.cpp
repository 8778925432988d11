// SPDX-License-Identifier: MIT
// Reads that also claim what is pending.
#include <runnel/ack.hpp>
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/error.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/streams.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>
#include <vector>

using runnel::Ack;
using runnel::Consumer;
using runnel::ConsumerGroup;
using runnel::Deliveries;
using runnel::Ending;
using runnel::ErrorCode;
using runnel::GroupReadOptions;
using runnel::ManualClock;
using runnel::Nack;
using runnel::Stream;
using runnel::StreamId;
using runnel::StreamOptions;
using runnel::test::attempts;
using runnel::test::error_of;
using runnel::test::Ids;
using runnel::test::ids;
using runnel::test::NumberGroup;
using runnel::test::Numbers;
using runnel::test::numbers;
using runnel::test::reading;
using runnel::test::Rows;
using runnel::test::ThreePending;
using namespace std::chrono_literals;

namespace {

using Claimed = Deliveries<int>;

const GroupReadOptions after_a_minute{.claim = 1min};

Ending ending_of(const Claimed& batch) {
    REQUIRE_FALSE(batch);
    return batch.ending();
}

}  // namespace

// ------------------------------------------------------------------ what it takes

TEST_CASE_METHOD(ThreePending, "a read that claims takes what was idle for long enough",
                 "[group][read][claim]") {
    clock.advance(1min - 1ms);
    CHECK(ending_of(bob.try_read({.claim = 1min})) == Ending::timed_out);
    clock.advance(1ms);
    const auto batch = bob.try_read({.claim = 1min});
    CHECK(ids(batch) == ids({1, 2, 3}));
    CHECK(numbers(batch) == Numbers{1, 2, 3});
    CHECK(attempts(batch) == Numbers{2, 2, 2});
    CHECK(pending() == Rows{"1-0 bob 2", "2-0 bob 2", "3-0 bob 2"});
    CHECK(info_of("ann").pending == 0);
    CHECK(info_of("bob").pending == 3);
    CHECK(info_of("bob").inactive == 0ms);
    CHECK(batch[0].ack() == Ack::done);
    clock.advance(1min - 1ms);
    CHECK_FALSE(ann.try_read({.claim = 1min}));
}

TEST_CASE_METHOD(ThreePending, "without claim a read takes nothing that is pending",
                 "[group][read][claim]") {
    REQUIRE(group.nack({{1}}) == 1);
    clock.advance(1h);
    CHECK_FALSE(bob.try_read());
    CHECK(bob.try_read(after_a_minute).size() == 3);
}

TEST_CASE_METHOD(ThreePending, "what was given back is claimed first, in that order",
                 "[group][read][claim][nack]") {
    clock.advance(1h);
    REQUIRE(ann.history().size() == 3);
    REQUIRE(bob.claim({{1}}, {.min_idle = 0ms}));
    clock.advance(1min);
    REQUIRE(bob.try_read({.claim = 0ms}).size() == 3);
    REQUIRE(group.nack({{3}, {1}}) == 2);
    CHECK(ids(ann.try_read({.claim = 0ms})) == ids({3, 1, 2}));
    CHECK(ids(bob.try_read({.claim = 0ms})) == ids({3, 1, 2}));
}

TEST_CASE_METHOD(ThreePending, "what was idle for longer is claimed before",
                 "[group][read][claim]") {
    clock.advance(1s);
    REQUIRE(ann.claim({{1}}, {.min_idle = 0ms}));
    clock.advance(1s);
    REQUIRE(ann.claim({{2}}, {.min_idle = 0ms, .idle = 1500ms}));
    CHECK(ids(bob.try_read({.claim = 1s})) == ids({3, 2, 1}));
}

TEST_CASE_METHOD(ThreePending, "a read that claims takes new entries if there is room left",
                 "[group][read][claim]") {
    add({4, 5});
    clock.advance(1h);
    CHECK(ids(bob.try_read({.count = 2, .claim = 1min})) == ids({1, 2}));
    const auto batch = bob.try_read({.count = 2, .claim = 1min});
    CHECK(ids(batch) == ids({3, 4}));
    CHECK(attempts(batch) == Numbers{2, 1});
    CHECK(ids(bob.try_read({.count = 2, .claim = 1min})) == ids({5}));
}

TEST_CASE_METHOD(ThreePending, "a read claims no more than it is to, and fills up with new entries",
                 "[group][read][claim]") {
    add({4, 5, 6});
    clock.advance(1h);
    CHECK(ids(bob.try_read({.count = 3, .claim = 1min, .claim_count = 1})) == ids({1, 4, 5}));
    CHECK(ids(bob.try_read({.count = 3, .claim = 1min, .claim_count = 9})) == ids({2, 3, 6}));
    add({7});
    CHECK(error_of([&] { (void)bob.try_read({.claim = 1min, .claim_count = 0}); }) ==
          ErrorCode::invalid_argument);
    CHECK(ids(bob.try_read({.claim_count = 0})) == ids({7}));  // it claims nothing
}

TEST_CASE_METHOD(ThreePending, "a read may claim its own entries, with a minimum of 0 at once",
                 "[group][read][claim]") {
    CHECK(attempts(ann.try_read({.claim = 0ms})) == Numbers{2, 2, 2});
    CHECK(attempts(ann.read({.count = 1, .claim = 0ms})) == Numbers{3});
    CHECK(ids(ann.try_read({.claim = 0ms})) == ids({2, 3, 1}));
}

TEST_CASE_METHOD(ThreePending, "a delay can be ended, but nothing is taken from a consumer",
                 "[group][read][claim][nack]") {
    REQUIRE(group.nack({{1}, {2}}, Nack::silent, {.after = 1h}) == 2);
    CHECK_FALSE(bob.try_read({.claim = 1min}));
    CHECK(group.end_delay({2}));
    CHECK(group.end_delay({3}));  // ann has it
    CHECK_FALSE(group.end_delay({9}));
    CHECK(ids(bob.try_read({.claim = 1min})) == ids({2}));
    CHECK(pending() == Rows{"1-0 nobody 0", "2-0 bob 1", "3-0 ann 1"});
    auto waits = reading(clock, bob, {.claim = 1min});
    clock.settle();
    CHECK(group.end_delay({1}));
    clock.settle();
    CHECK(group.pending(runnel::PendingOptions{}).front().consumer == "bob");
}

TEST_CASE_METHOD(ThreePending, "a read takes what was delayed when that ends, in this order",
                 "[group][read][claim][delay]") {
    const auto batch = ann.try_read({.claim = 0ms});
    REQUIRE(batch[0].nack(Nack::fail, {.after = 3s}) == Ack::done);
    REQUIRE(batch[1].nack(Nack::fail, {.after = 2s}) == Ack::done);
    clock.advance(2s);
    REQUIRE(batch[2].nack() == Ack::done);
    CHECK(ids(bob.try_read({.count = 2, .claim = 1h})) == ids({2, 3}));
    CHECK_FALSE(bob.try_read({.count = 2, .claim = 1h}));
    clock.advance(1s);
    CHECK(ids(bob.try_read({.count = 2, .claim = 1h})) == ids({1}));
}

TEST_CASE_METHOD(ThreePending, "of two that become due at one moment the first given back is first",
                 "[group][read][claim][delay]") {
    REQUIRE(bob.try_read({.claim = 0ms}).size() == 3);  // the group knows the order from here on
    REQUIRE(group.nack({{3}}, Nack::fail, {.after = 2s}) == 1);
    clock.advance(1s);
    REQUIRE(group.nack({{1}}, Nack::fail, {.after = 1s}) == 1);
    clock.advance(1s);
    REQUIRE(group.nack({{2}}) == 1);
    CHECK(ids(ann.try_read({.claim = 1h})) == ids({3, 1, 2}));
}

TEST_CASE_METHOD(ThreePending, "what was given back before the first claiming read comes by id",
                 "[group][read][claim]") {
    REQUIRE(group.nack({{2}}, Nack::fail, {.after = 1s}) == 1);
    clock.advance(1s);
    REQUIRE(group.nack({{3}, {1}}) == 2);
    CHECK(ids(ann.try_read({.claim = 1h})) == ids({1, 3, 2}));
}

TEST_CASE_METHOD(ThreePending, "a claiming read passes over what the stream has lost",
                 "[group][read][claim][lost]") {
    add({4});
    REQUIRE(group.nack({{2}}) == 1);
    REQUIRE(stream.erase({{1}, {2}}) == 2);
    clock.advance(1h);
    for (int round = 0; round != 2; ++round) {
        const auto batch = bob.try_read({.claim = 0ms});
        CHECK(ids(batch) == ids({3, 4}));
        CHECK(batch.lost().empty());
        CHECK(pending({.last = {2}}) == Rows{"1-0 ann 1", "2-0 nobody 1"});
    }
    CHECK(bob.autoclaim({.min_idle = 0ms}).lost() == ids({1, 2}));
}

TEST_CASE_METHOD(ThreePending, "what is acknowledged as it is read is only what is new",
                 "[group][read][claim][acknowledged]") {
    add({4});
    clock.advance(1h);
    const auto batch = bob.try_read({.acknowledged = true, .claim = 1min});
    CHECK(ids(batch) == ids({1, 2, 3, 4}));
    CHECK(pending() == Rows{"1-0 bob 2", "2-0 bob 2", "3-0 bob 2"});
    CHECK(batch[0].ack() == Ack::done);
    CHECK(batch[3].ack() == Ack::stale);
}

TEST_CASE_METHOD(ThreePending, "claimed entries need room, but not those that it had already",
                 "[group][read][claim][limit]") {
    add({4});
    const auto cid = group.consumer("cid", {.max_pending = 2});
    CHECK(ids(cid.try_read({.claim = 0ms})) == ids({1, 2}));
    CHECK(ids(cid.try_read({.claim = 0ms})) == ids({1, 2}));
    CHECK_FALSE(cid.try_read({.claim = 1ms}));
    clock.advance(1ms);
    CHECK(ids(cid.try_read({.count = 1, .claim = 1ms})) == ids({1}));
    REQUIRE(group.ack({{1}}) == 1);
    CHECK(ids(cid.try_read({.claim = 1ms})) == ids({3, 2}));
    REQUIRE(group.ack({{2}}) == 1);
    CHECK(ids(cid.try_read({.claim = 1ms})) == ids({4}));
    CHECK(ids(cid.try_read({.acknowledged = true, .claim = 0ms})) == ids({3, 4}));
}

TEST_CASE_METHOD(ThreePending, "a full consumer that claims drops what the stream has lost",
                 "[group][read][claim][limit][lost]") {
    const auto cid = group.consumer("ann", {.max_pending = 3});
    REQUIRE(stream.erase({{2}}) == 1);
    add({4});
    const auto batch = cid.try_read({.claim = 1h});
    CHECK(ids(batch) == ids({4}));
    CHECK(batch.lost() == ids({2}));
}

TEST_CASE_METHOD(NumberGroup, "a claim of a read is not negative", "[group][read][claim]") {
    for (const auto claim : {runnel::Duration{-1ns}, runnel::Duration{std::chrono::hours::min()}}) {
        CHECK(error_of([&] { return ann.try_read({.claim = claim}); }) ==
              ErrorCode::invalid_argument);
        CHECK(error_of([&] { return ann.async_read({.claim = claim}); }) ==
              ErrorCode::invalid_argument);
    }
    CHECK_FALSE(ann.try_read({.claim = std::chrono::hours::max()}));
}

TEST_CASE_METHOD(ThreePending, "a claim of a read is rounded up to milliseconds",
                 "[group][read][claim]") {
    CHECK_FALSE(bob.try_read({.claim = 1ns}));
    clock.advance(1ms);
    CHECK(bob.try_read({.claim = 1ns}));
}

// ------------------------------------------------------------------ waiting

TEST_CASE_METHOD(NumberGroup, "a read that claims waits for new entries as any other",
                 "[group][read][claim]") {
    auto read = reading(clock, ann, after_a_minute);
    REQUIRE(read.waits());
    add({1});
    CHECK(ids(read.result()) == ids({1}));
    CHECK(attempts(read.result()) == Numbers{1});
}

TEST_CASE_METHOD(ThreePending, "a read that claims ends when something is given back",
                 "[group][read][claim][nack]") {
    const auto batch = ann.history();
    auto read = reading(clock, bob, {.claim = 1h});
    auto plain = reading(clock, ann);
    REQUIRE(read.waits());
    REQUIRE(batch[1].nack() == Ack::done);
    CHECK(ids(read.result()) == ids({2}));
    CHECK(attempts(read.result()) == Numbers{3});
    CHECK(plain.waits());
}

TEST_CASE_METHOD(ThreePending, "a read that claims ends at the moment when a delay does",
                 "[group][read][claim][delay]") {
    REQUIRE(group.nack({{2}}, Nack::fail, {.after = 2s}) == 1);
    auto read = reading(clock, bob, {.claim = 1h});
    clock.advance(2s - 1ms);
    REQUIRE(read.waits());
    clock.advance(1ms);
    CHECK(ids(read.result()) == ids({2}));
}

TEST_CASE_METHOD(ThreePending, "a read that claims ends when the longest idle entry is due",
                 "[group][read][claim]") {
    clock.advance(10s);
    REQUIRE(ann.claim({{1}}, {.min_idle = 0ms}));
    auto read = reading(clock, bob, after_a_minute);
    clock.advance(50s - 1ms);
    REQUIRE(read.waits());
    clock.advance(1h);
    CHECK(ids(read.result()) == ids({2, 3}));
    CHECK(group.pending({.first = {2}}).at(0).idle == 1h - 1ms);
}

TEST_CASE_METHOD(ThreePending, "a nack with a shorter delay brings the end of the wait forward",
                 "[group][read][claim][delay]") {
    auto read = reading(clock, bob, {.claim = 1h});
    REQUIRE(group.nack({{1}}, Nack::fail, {.after = 10s}) == 1);
    REQUIRE(read.waits());
    REQUIRE(group.nack({{2}}, Nack::fail, {.after = 2s}) == 1);
    REQUIRE(read.waits());
    clock.advance(2s - 1ms);
    REQUIRE(read.waits());
    clock.advance(1ms);
    CHECK(ids(read.result()) == ids({2}));
}

TEST_CASE_METHOD(ThreePending, "what is done to the entry in the meantime puts the end off",
                 "[group][read][claim]") {
    const auto batch = ann.history();
    auto read = reading(clock, bob, {.claim = 10s});
    clock.advance(9s);
    SECTION("its consumer works on") {
        for (const auto& delivery : batch) REQUIRE(delivery.extend() == Ack::done);
        clock.advance(10s - 1ms);
        REQUIRE(read.waits());
        clock.advance(1ms);
        CHECK(ids(read.result()) == ids({1, 2, 3}));
    }
    SECTION("it is acknowledged") {
        REQUIRE(batch.ack() == 3);
        clock.advance(1h);
        REQUIRE(read.waits());
        add({4});
        CHECK(ids(read.result()) == ids({4}));
    }
    SECTION("it is delayed") {
        REQUIRE(group.nack(ids({1, 2, 3}), Nack::fail, {.after = 2s}) == 3);
        clock.advance(2s - 1ms);
        REQUIRE(read.waits());
        clock.advance(1ms);
        CHECK(ids(read.result()) == ids({1, 2, 3}));
    }
    SECTION("the stream loses it") {
        stream.trim({.count = 0});
        clock.advance(1h);
        REQUIRE(read.waits());
    }
    SECTION("its consumer is removed") {
        REQUIRE(group.remove_consumer("ann") == 3);
        clock.advance(1h);
        REQUIRE(read.waits());
    }
}

TEST_CASE_METHOD(NumberGroup, "an entry that comes to another one meanwhile is waited for",
                 "[group][read][claim]") {
    auto plain = reading(clock, ann);
    auto read = reading(clock, bob, {.claim = 10s});
    clock.advance(5s);
    add({1});
    REQUIRE_FALSE(plain.waits());
    clock.advance(10s - 1ms);
    REQUIRE(read.waits());
    clock.advance(1ms);
    CHECK(ids(read.result()) == ids({1}));
}

TEST_CASE_METHOD(ThreePending, "a claim that makes an entry idle at once ends the wait",
                 "[group][read][claim]") {
    auto read = reading(clock, bob, {.claim = 1h});
    REQUIRE(ann.claim({{2}}, {.min_idle = 0ms, .idle = 1h}));
    CHECK(ids(read.result()) == ids({2}));
}

TEST_CASE_METHOD(ThreePending, "a claim that makes an entry older brings the end forward",
                 "[group][read][claim]") {
    auto read = reading(clock, bob, {.claim = 1h});
    REQUIRE(ann.claim({{2}}, {.min_idle = 0ms, .idle = 59min}));
    clock.advance(1min - 1ms);
    REQUIRE(read.waits());
    clock.advance(1ms);
    CHECK(ids(read.result()) == ids({2}));
}

TEST_CASE_METHOD(ThreePending, "reads that claim are served as they came",
                 "[group][read][claim][order]") {
    const auto cid = group.consumer("cid");
    std::vector<runnel::test::Call<Claimed>> reads;
    for (const Consumer<int>* consumer : std::array<const Consumer<int>*, 3>{&bob, &cid, &ann})
        reads.push_back(reading(clock, *consumer, {.count = 1, .claim = 1min}));
    SECTION("when what is pending becomes idle for long enough") {
        clock.advance(1min);
    }
    SECTION("when it is given back") {
        REQUIRE(group.nack(ids({1, 2, 3})) == 3);
    }
    SECTION("when delays end at one moment") {
        REQUIRE(group.nack(ids({1, 2, 3}), Nack::fail, {.after = 1s}) == 3);
        clock.advance(1s);
    }
    SECTION("when delays end one after the other, and each brings the end forward") {
        REQUIRE(group.nack({{3}}, Nack::fail, {.after = 3s}) == 1);
        REQUIRE(group.nack({{2}}, Nack::fail, {.after = 2s}) == 1);
        REQUIRE(group.nack({{1}}, Nack::fail, {.after = 1s}) == 1);
        for (std::size_t at = 0; at != reads.size(); ++at) {
            CHECK(reads[at].waits());
            clock.advance(1s);
            CHECK_FALSE(reads[at].waits());
        }
    }
    CHECK(ids(reads[0].result()) == ids({1}));
    CHECK(ids(reads[1].result()) == ids({2}));
    CHECK(ids(reads[2].result()) == ids({3}));
}

TEST_CASE_METHOD(ThreePending, "the order of the line holds also with different minimums",
                 "[group][read][claim][order]") {
    auto late = reading(clock, bob, {.count = 1, .claim = 3min});
    auto early = reading(clock, ann, {.count = 1, .claim = 1min});
    clock.advance(1min - 1ms);
    REQUIRE(early.waits());
    clock.advance(1ms);
    CHECK(ids(early.result()) == ids({1}));
    REQUIRE(late.waits());
    clock.advance(2min - 1ms);
    REQUIRE(late.waits());
    clock.advance(1ms);
    CHECK(ids(late.result()) == ids({2}));
}

TEST_CASE_METHOD(ThreePending, "when one that waits ends otherwise, the next one is not forgotten",
                 "[group][read][claim][order]") {
    std::vector<runnel::test::Call<Claimed>> reads;
    for (int count = 3; count != 0; --count)
        reads.push_back(
            reading(clock, bob, {.count = 1, .timeout = count == 2 ? 30s : 1h, .claim = 1min}));
    SECTION("by a stop") {
        reads[0].stop();
        CHECK(ending_of(reads[0].result()) == Ending::stopped);
        reads[1].stop();
    }
    SECTION("by a time-out") {
        reads[0].stop();
        clock.advance(30s);
    }
    SECTION("by new entries") {
        add({4, 5});
        CHECK(ids(reads[0].result()) == ids({4}));
    }
    REQUIRE_FALSE(reads[1].waits());
    REQUIRE(reads[2].waits());
    clock.advance(1min);
    CHECK(ids(reads[2].result()) == ids({1}));
}

TEST_CASE_METHOD(ThreePending, "an add ends waits in the order of the line, with or without claim",
                 "[group][read][claim][order]") {
    auto claiming = reading(clock, bob, {.count = 1, .claim = 1h});
    auto plain = reading(clock, ann, {.count = 1});
    auto last = reading(clock, bob, {.count = 1, .claim = 1h});
    add({4});
    CHECK(ids(claiming.result()) == ids({4}));
    REQUIRE(plain.waits());
    add({5, 6});
    CHECK(ids(plain.result()) == ids({5}));
    CHECK(ids(last.result()) == ids({6}));
}

TEST_CASE_METHOD(ThreePending, "a read that claims times out", "[group][read][claim]") {
    auto read = reading(clock, bob, {.timeout = 30s, .claim = 1min});
    clock.advance(30s - 1ms);
    REQUIRE(read.waits());
    clock.advance(1ms);
    CHECK(ending_of(read.result()) == Ending::timed_out);
    CHECK(ending_of(bob.read({.timeout = 0s, .claim = 1min})) == Ending::timed_out);
}

TEST_CASE_METHOD(ThreePending, "what may be claimed at the moment of the time-out is claimed",
                 "[group][read][claim]") {
    auto read = reading(clock, bob, {.timeout = 1min, .claim = 1min});
    clock.advance(1min);
    CHECK(ids(read.result()) == ids({1, 2, 3}));
}

TEST_CASE_METHOD(ThreePending, "a read that claims times out though it has looked in between",
                 "[group][read][claim]") {
    auto first = reading(clock, ann, {.count = 3, .timeout = 90s, .claim = 1min});
    auto second = reading(clock, bob, {.timeout = 90s, .claim = 1min});
    clock.advance(1min);
    CHECK(first.result().size() == 3);
    clock.advance(30s - 1ms);
    REQUIRE(second.waits());
    clock.advance(1ms);
    CHECK(ending_of(second.result()) == Ending::timed_out);
}

TEST_CASE_METHOD(ThreePending, "reads with equal time-outs end as they began, looks or not",
                 "[group][read][claim][order]") {
    std::vector<int> ended;
    const auto waits = [&](int number, runnel::Duration claim) {
        return clock.thread([&, number, claim] {
            (void)bob.read({.timeout = 2min, .claim = claim});
            ended.push_back(number);  // one at a time: the clock lets each settle
        });
    };
    auto one = waits(1, 1h);
    clock.settle();
    auto two = waits(2, 1h);
    clock.settle();
    REQUIRE(group.nack({{1}}, Nack::fail, {.after = 1h}) == 1);
    REQUIRE(group.nack({{1}}, Nack::fail, {.after = 30min}) == 1);
    clock.advance(2min);
    CHECK(ended == std::vector<int>{1, 2});
}

TEST_CASE_METHOD(ThreePending, "a read that claims is stopped", "[group][read][claim]") {
    auto read = reading(clock, bob, {.claim = 1min});
    REQUIRE(group.nack({{2}}, Nack::fail, {.after = 2s}) == 1);
    REQUIRE(read.waits());
    read.stop();
    CHECK(ending_of(read.result()) == Ending::stopped);
    clock.advance(1h);
    CHECK(group.info().released == 1);
}

TEST_CASE_METHOD(ThreePending, "a read that claims ends when its group is removed",
                 "[group][read][claim]") {
    auto read = reading(clock, bob, {.claim = 1min});
    REQUIRE(stream.remove_group("group"));
    CHECK(ending_of(read.result()) == Ending::gone);
    CHECK(ending_of(bob.try_read({.claim = 1min})) == Ending::gone);
}

// ------------------------------------------------------------------ room

TEST_CASE_METHOD(ThreePending, "a full consumer that claims waits for room",
                 "[group][read][claim][limit]") {
    const auto cid = group.consumer("cid", {.max_pending = 1});
    REQUIRE(ids(cid.claim({{1}}, {.min_idle = 0ms})) == ids({1}));
    auto read = reading(clock, cid, {.claim = 1h});
    REQUIRE(group.nack({{2}}) == 1);
    REQUIRE(read.waits());
    SECTION("that an acknowledgement makes") {
        REQUIRE(group.ack({{1}}) == 1);
        CHECK(ids(read.result()) == ids({2}));
    }
    SECTION("that a nack makes: what was given back before comes first") {
        REQUIRE(group.nack({{1}}) == 1);
        CHECK(ids(read.result()) == ids({2}));
    }
    SECTION("that a claim of another one makes") {
        REQUIRE(ann.claim({{1}}, {.min_idle = 0ms}));
        CHECK(ids(read.result()) == ids({2}));
    }
    SECTION("that an erasure makes") {
        REQUIRE(stream.erase({{1}}) == 1);
        CHECK(ids(read.result()) == ids({2}));
        CHECK(read.result().lost() == ids({1}));
    }
}

TEST_CASE_METHOD(ThreePending, "a full consumer gets its own entry when that was idle long enough",
                 "[group][read][claim][limit]") {
    const auto cid = group.consumer("cid", {.max_pending = 1});
    clock.advance(10s);
    REQUIRE(cid.claim({{1}}, {.min_idle = 0ms}));
    auto read = reading(clock, cid, {.claim = 1min});
    clock.advance(50s);  // others are idle for so long
    REQUIRE(read.waits());
    clock.advance(10s - 1ms);
    REQUIRE(read.waits());
    clock.advance(1ms);
    CHECK(ids(read.result()) == ids({1}));
}

TEST_CASE_METHOD(ThreePending, "a full consumer does not hold up those behind it",
                 "[group][read][claim][limit]") {
    const auto cid = group.consumer("cid", {.max_pending = 1});
    REQUIRE(cid.claim({{1}}, {.min_idle = 0ms}));
    auto full = reading(clock, cid, {.claim = 1h});
    auto free = reading(clock, bob, {.count = 2, .claim = 1h});
    REQUIRE(group.nack({{2}}) == 1);
    REQUIRE(full.waits());
    CHECK(ids(free.result()) == ids({2}));
}

TEST_CASE_METHOD(ThreePending, "a read that claims from a full consumer gives it room",
                 "[group][read][claim][limit]") {
    add({4});
    const auto cid = group.consumer("cid", {.max_pending = 1});
    REQUIRE(cid.claim({{1}}, {.min_idle = 0ms, .idle = 1h}));
    auto full = reading(clock, cid);
    REQUIRE(full.waits());
    CHECK(ids(bob.try_read({.count = 1, .claim = 1h})) == ids({1}));
    CHECK(ids(full.result()) == ids({4}));
}

// ------------------------------------------------------------------ closed

TEST_CASE_METHOD(ThreePending, "on a closed stream it goes on until nothing is pending any more",
                 "[group][read][claim][close]") {
    const auto batch = ann.history();
    auto read = reading(clock, bob, {.count = 1, .claim = 1h});
    stream.close();
    REQUIRE(read.waits());
    SECTION("all is acknowledged") {
        REQUIRE(batch.ack() == 3);
        CHECK(ending_of(read.result()) == Ending::closed);
    }
    SECTION("one is given back, and then acknowledged") {
        REQUIRE(batch[0].ack() == Ack::done);
        REQUIRE(batch[1].nack(Nack::fail, {.after = 1s}) == Ack::done);
        REQUIRE(batch[2].ack() == Ack::done);
        REQUIRE(read.waits());
        clock.advance(1s);
        CHECK(ids(read.result()) == ids({2}));
        CHECK(ending_of(ann.try_read({.claim = 1h})) == Ending::timed_out);
        REQUIRE(read.result()[0].ack() == Ack::done);
        CHECK(ending_of(ann.try_read({.claim = 1h})) == Ending::closed);
        CHECK(ending_of(ann.read({.claim = 1h})) == Ending::closed);
    }
    SECTION("the rest is lost") {
        REQUIRE(batch[0].ack() == Ack::done);
        REQUIRE(batch[1].nack(Nack::fail, {.after = 1h}) == Ack::done);
        REQUIRE(stream.erase({{2}}) == 1);
        REQUIRE(read.waits());
        REQUIRE(stream.erase({{3}}) == 1);
        CHECK(ending_of(read.result()) == Ending::closed);
        CHECK(group.pending().count == 2);
    }
    SECTION("its consumer is removed") {
        REQUIRE(group.remove_consumer("ann") == 3);
        CHECK(ending_of(read.result()) == Ending::closed);
    }
}

TEST_CASE_METHOD(ThreePending, "other reads of a closed stream end, whatever is pending",
                 "[group][read][claim][close]") {
    auto claiming = reading(clock, bob, {.claim = 1h});
    auto plain = reading(clock, bob);
    stream.close();
    CHECK(ending_of(plain.result()) == Ending::closed);
    REQUIRE(claiming.waits());
    const auto seen = info_of("bob").idle;
    clock.advance(5s);
    REQUIRE(group.ack({{1}}) == 1);
    CHECK(info_of("bob").idle == seen + 5s);  // it was not asked
    CHECK(group.ack({{2}, {3}}) == 2);
    CHECK(ending_of(claiming.result()) == Ending::closed);
}

// ------------------------------------------------------------------ what else it touches

TEST_CASE_METHOD(ThreePending, "to look again is no call of the consumer", "[group][read][claim]") {
    auto read = reading(clock, bob, {.claim = 1h});
    clock.advance(5s);
    REQUIRE(ann.claim({{2}}, {.min_idle = 0ms, .idle = 50min}));  // it looks again
    REQUIRE(read.waits());
    CHECK(info_of("bob").idle == 5s);
    REQUIRE(group.nack({{1}}, Nack::fail, {.after = 1s}) == 1);  // as for all that wait
    CHECK(info_of("bob").idle == 0s);
}

TEST_CASE_METHOD(ThreePending, "a claiming read that waits is counted with those that wait",
                 "[group][read][claim]") {
    auto read = reading(clock, bob, {.claim = 1h});
    CHECK(stream.info().waiting == 1);
    REQUIRE(group.nack({{1}}, Nack::fail, {.after = 1s}) == 1);
    REQUIRE(read.waits());
    CHECK(stream.info().waiting == 1);
    clock.advance(1s);
    CHECK(stream.info().waiting == 0);
}
