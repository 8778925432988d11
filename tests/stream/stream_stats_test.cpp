// SPDX-License-Identifier: MIT
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/stats.hpp>
#include <runnel/stream.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/streams.hpp"

#include <chrono>
#include <cstddef>
#include <string>
#include <vector>

using runnel::Backlog;
using runnel::Consumer;
using runnel::ConsumerGroup;
using runnel::GroupStats;
using runnel::ManualClock;
using runnel::Stream;
using runnel::StreamId;
using runnel::StreamStats;
using runnel::test::reading;
using namespace std::chrono_literals;

namespace {

struct CountedStream {
    ManualClock clock;
    Stream<int> stream{{.keep = {.count = 5}, .clock = &clock}};

    void add(int count) const {
        for (; count != 0; --count) (void)stream.add(count);
    }
};

struct CountedGroup : CountedStream {
    ConsumerGroup<int> group = stream.group("group");
    Consumer<int> ann = group.consumer("ann");

    void check(std::uint64_t delivered, std::uint64_t redelivered, std::uint64_t acknowledged,
               std::uint64_t dropped) const {
        const GroupStats stats = group.stats();
        CHECK(stats.delivered == delivered);
        CHECK(stats.redelivered == redelivered);
        CHECK(stats.acknowledged == acknowledged);
        CHECK(stats.dropped == dropped);
        CHECK(stats == stream.stats().groups.at(0));
    }
};

}  // namespace

TEST_CASE_METHOD(CountedStream, "a new stream has counted nothing", "[stream][stats]") {
    CHECK(stream.stats() == StreamStats{.limit = 5});
    CHECK(Stream<int>{}.stats() == StreamStats{});
}

TEST_CASE_METHOD(CountedStream, "what was added is there, trimmed or erased", "[stream][stats]") {
    add(7);
    const StreamStats stats = stream.stats();
    CHECK(stats.size == 5);
    CHECK(stats.added == 7);
    CHECK(stats.trimmed == 2);
    CHECK(stats.erased == 0);
    REQUIRE(stream.erase({stream.last_id()}) == 1);
    REQUIRE(stream.trim({.count = 1}) == 3);
    CHECK(stream.stats().size == 1);
    CHECK(stream.stats().added == 7);
    CHECK(stream.stats().trimmed == 5);
    CHECK(stream.stats().erased == 1);
}

TEST_CASE_METHOD(CountedStream, "the high-water mark is the greatest size", "[stream][stats]") {
    add(3);
    CHECK(stream.stats().high_water == 3);
    REQUIRE(stream.trim({.count = 0}) == 3);
    CHECK(stream.stats().high_water == 3);
    add(4);
    REQUIRE(stream.erase({stream.last_id()}) == 1);
    CHECK(stream.stats().high_water == 4);
    add(10);
    CHECK(stream.stats().high_water == 5);  // never more than it keeps
}

TEST_CASE_METHOD(CountedStream, "the age of a stream is that of its oldest entry",
                 "[stream][stats]") {
    add(1);
    clock.advance(3s);
    add(1);
    clock.advance(1s);
    CHECK(stream.stats().age == std::optional{std::chrono::milliseconds{4s}});
    REQUIRE(stream.trim({.count = 1}) == 1);
    CHECK(stream.stats().age == std::optional{std::chrono::milliseconds{1s}});
    REQUIRE(stream.trim({.count = 0}) == 1);
    CHECK_FALSE(stream.stats().age);
}

TEST_CASE_METHOD(CountedStream, "the figures tell who waits, and whether the stream is closed",
                 "[stream][stats]") {
    const auto ann = stream.group("b").consumer("ann");
    (void)stream.group("a");
    {
        auto one = reading(clock, ann);
        auto other = reading(clock, stream, runnel::From::end);
        CHECK(stream.stats().waiting == 2);
        CHECK(stream.stats().groups.at(0).waiting == 0);
        CHECK(stream.stats().groups.at(1).waiting == 1);
    }
    stream.close();
    const StreamStats stats = stream.stats();
    CHECK(stats.waiting == 0);
    CHECK(stats.is_closed);
    CHECK(stats.groups.size() == 2);
    CHECK(stats.groups.at(0).name == "a");
    CHECK(stats.groups.at(1).name == "b");
    CHECK(stats.groups.at(1).consumers == 1);
}

TEST_CASE_METHOD(CountedGroup, "reads and acknowledgements are counted", "[group][stats]") {
    add(5);
    check(0, 0, 0, 0);
    const auto batch = ann.try_read({.count = 3});
    check(3, 0, 0, 0);
    REQUIRE(batch[0].ack() == runnel::Ack::done);
    REQUIRE(batch[0].ack() == runnel::Ack::stale);
    check(3, 0, 1, 0);
    REQUIRE(batch.ack() == 2);
    check(3, 0, 3, 0);
    REQUIRE(ann.try_read({.count = 1}).size() == 1);
    REQUIRE(group.ack({group.pending().least}) == 1);
    check(4, 0, 4, 0);
    REQUIRE(ann.try_read({.acknowledged = true}).size() == 1);
    check(5, 0, 5, 0);
    CHECK(group.stats({.attempts = true}).backlog == Backlog{});
}

TEST_CASE_METHOD(CountedGroup, "further deliveries are counted by themselves", "[group][stats]") {
    add(5);
    REQUIRE(ann.try_read().size() == 5);
    REQUIRE(ann.history({.count = 2}).size() == 2);
    check(5, 2, 0, 0);
    REQUIRE(group.consumer("bob").autoclaim({.min_idle = 0s, .count = 3}).size() == 3);
    check(5, 5, 0, 0);
    REQUIRE(ann.claim({group.pending().least}, {.min_idle = 0s, .counts = false}).size() == 1);
    check(5, 6, 0, 0);
    group.set_position(runnel::From::start);
    REQUIRE(ann.try_read({.count = 1}).size() == 1);
    check(6, 6, 0, 0);
    CHECK(group.stats({.attempts = true}).backlog.attempts == 3U);
    CHECK(stream.stats({.attempts = true}).groups.at(0).backlog.attempts == 3U);
    CHECK_FALSE(stream.stats().groups.at(0).backlog.attempts);
}

TEST_CASE_METHOD(CountedGroup, "what is lost while it is pending is counted as dropped",
                 "[group][stats]") {
    add(4);
    REQUIRE(ann.try_read().size() == 4);
    const auto first = group.pending().least;
    REQUIRE(stream.trim({.count = 2}) == 2);
    check(4, 0, 0, 0);  // it is pending still
    REQUIRE(ann.claim({first}, {.min_idle = 0s}).lost().size() == 1);
    check(4, 0, 0, 1);
    REQUIRE(ann.autoclaim({.min_idle = 1h}).lost().size() == 1);
    check(4, 0, 0, 2);
    REQUIRE(group.remove_consumer("ann") == 2);
    check(4, 0, 0, 4);
}

TEST_CASE_METHOD(CountedGroup, "so is what a read at max_pending finds lost", "[group][stats]") {
    add(2);
    const auto bob = group.consumer("bob", {.max_pending = 2});
    REQUIRE(bob.try_read().size() == 2);
    REQUIRE(stream.trim({.count = 0}) == 2);
    REQUIRE(bob.try_read().lost().size() == 2);
    check(2, 0, 0, 2);
}
