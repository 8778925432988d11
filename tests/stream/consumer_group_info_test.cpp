// SPDX-License-Identifier: MIT
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/streams.hpp"
#include "support/watches.hpp"

#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using runnel::ConsumerGroup;
using runnel::ConsumerInfo;
using runnel::From;
using runnel::GroupInfo;
using runnel::Nack;
using runnel::PendingEntry;
using runnel::PendingSummary;
using runnel::StreamId;
using runnel::test::ending;
using runnel::test::ids;
using runnel::test::NumberGroup;
using runnel::test::NumberStream;
using runnel::test::reading;
using runnel::test::Rows;
using runnel::test::ThreePending;
using namespace std::chrono_literals;

namespace {

using Count = std::optional<std::uint64_t>;
using Shares = std::vector<PendingSummary::Share>;
// Idle and inactive.
using Times = std::pair<std::chrono::milliseconds, std::optional<std::chrono::milliseconds>>;

// What ann does after an hour, and for how long she has then been idle and inactive.
struct AnHourLater : NumberGroup {
    AnHourLater() {
        add_range(1, 9);
        REQUIRE(ann.try_read({.count = 5}).size() == 5);
        REQUIRE(ann.try_read({.count = 1, .acknowledged = true}).size() == 1);
        clock.advance(1h);
    }

    [[nodiscard]] Times times(std::string_view name = "ann") const {
        const ConsumerInfo info = info_of(name);
        return {info.idle, info.inactive};
    }
};

// What XINFO GROUPS tells of a group's progress, after each step of what Redis was seen to do.
struct Progress : NumberStream {
    Progress() { add({1, 2, 3}); }

    static void check(const ConsumerGroup<int>& group, StreamId last_delivered, Count entries_read,
                      Count lag) {
        const GroupInfo info = group.info();
        CAPTURE(info.name);
        CHECK(info.last_delivered == last_delivered);
        CHECK(info.entries_read == entries_read);
        CHECK(info.lag == lag);
    }
};

}  // namespace

// ------------------------------------------------------------------ what is pending, in figures

TEST_CASE_METHOD(NumberGroup, "a summary counts what is pending, by consumer and in order of names",
                 "[group][info]") {
    add({1, 2, 3});
    REQUIRE(group.consumer("Bob").read({.count = 2}));
    REQUIRE(group.consumer("Al").read());
    const PendingSummary summary = group.pending();
    CHECK(summary.count == 3);
    CHECK(summary.least == StreamId{1});
    CHECK(summary.greatest == StreamId{3});
    CHECK(summary.consumers == Shares{{"Al", 1}, {"Bob", 2}});
}

TEST_CASE_METHOD(ThreePending, "a summary counts what belongs to nobody, but with nobody",
                 "[group][info]") {
    REQUIRE(group.nack({{1}}) == 1);
    CHECK(group.pending().count == 3);
    CHECK(group.pending().least == StreamId{1});
    CHECK(group.pending().consumers == Shares{{"ann", 2}});
    REQUIRE(group.nack(ids({2, 3})) == 2);
    CHECK(group.pending().count == 3);
    CHECK(group.pending().consumers.empty());
}

TEST_CASE_METHOD(NumberGroup, "where nothing is pending a summary is all zeros", "[group][info]") {
    const PendingSummary summary = group.pending();
    CHECK(summary.count == 0);
    CHECK(summary.least == StreamId{});
    CHECK(summary.greatest == StreamId{});
    CHECK(summary.consumers.empty());
}

// ------------------------------------------------------------------ entry by entry

TEST_CASE_METHOD(ThreePending, "a pending entry tells whose it is, since when and how often",
                 "[group][info]") {
    clock.advance(5s);
    REQUIRE(bob.claim({{2}}, {.min_idle = 0ms}));
    REQUIRE(group.nack({{3}}) == 1);
    clock.advance(1s);
    CHECK(group.pending({}) == std::vector<PendingEntry>{{StreamId{1}, "ann", false, 6s, 1},
                                                         {StreamId{2}, "bob", false, 1s, 2},
                                                         {StreamId{3}, "", true, 0s, 1}});
}

TEST_CASE_METHOD(ThreePending, "pending entries can be asked for by id, number and consumer",
                 "[group][info]") {
    REQUIRE(bob.claim({{2}}, {.min_idle = 0ms}));
    CHECK(pending({.first = StreamId{2}}) == Rows{"2-0 bob 2", "3-0 ann 1"});
    CHECK(pending({.last = StreamId{2}}) == Rows{"1-0 ann 1", "2-0 bob 2"});
    CHECK(pending({.first = StreamId{1, 1}, .last = StreamId{2, 9}}) == Rows{"2-0 bob 2"});
    CHECK(pending({.first = StreamId{3}, .last = StreamId{1}}).empty());
    CHECK(pending({.count = 2}) == Rows{"1-0 ann 1", "2-0 bob 2"});
    CHECK(pending({.count = 0}).empty());
    CHECK(pending({.consumer = "ann"}) == Rows{"1-0 ann 1", "3-0 ann 1"});
    CHECK(pending({.count = 1, .consumer = "bob"}) == Rows{"2-0 bob 2"});
}

TEST_CASE_METHOD(ThreePending, "to ask for what an unknown consumer has pending makes none",
                 "[group][info]") {
    CHECK(pending({.consumer = "nobody"}).empty());
    CHECK(group.consumers().size() == 2);
}

TEST_CASE_METHOD(ThreePending, "pending entries can be asked for by their idle time",
                 "[group][info]") {
    clock.advance(5s);
    REQUIRE(bob.claim({{2}}, {.min_idle = 0ms}));
    REQUIRE(group.nack({{3}}) == 1);
    clock.advance(1s);
    CHECK(pending({.min_idle = 6s}) == Rows{"1-0 ann 1", "3-0 nobody 1"});
    CHECK(pending({.min_idle = 6s + 1ms}) == Rows{"3-0 nobody 1"});
    CHECK(pending({.consumer = "bob", .min_idle = 1s}) == Rows{"2-0 bob 2"});
}

// ------------------------------------------------------------------ consumers

TEST_CASE_METHOD(NumberStream, "a group knows its consumers by name, in order", "[group][info]") {
    const auto group = stream.group("group");
    CHECK(group.consumers().empty());
    for (const char* const name : {"b", "a", "", "B"}) CHECK(group.consumer(name).name() == name);
    REQUIRE(group.consumers().size() == 4);
    CHECK(group.consumers()[0].name.empty());
    CHECK(group.consumers()[1].name == "B");
    CHECK(group.consumers()[2].name == "a");
    CHECK(group.consumers()[3].name == "b");
    CHECK(group.info().consumers == 4);
    (void)group.consumer("a");
    CHECK(group.info().consumers == 4);
}

TEST_CASE_METHOD(NumberGroup, "a new consumer has been seen, but was never active",
                 "[group][info]") {
    clock.advance(5s);
    CHECK(info_of("ann").idle == 5s);
    CHECK(info_of("ann").inactive == std::nullopt);
    CHECK(info_of("ann").pending == 0);
}

TEST_CASE_METHOD(NumberGroup, "a consumer is known as soon as it waits", "[group][info]") {
    const auto cid = group.consumer("cid");
    REQUIRE(group.remove_consumer("cid") == 0);
    auto read = reading(clock, cid, {.timeout = 5s});
    CHECK(info_of("cid").inactive == std::nullopt);
    clock.advance(4s);
    CHECK(info_of("cid").idle == 4s);
    CHECK(group.consumers().size() == 3);
}

TEST_CASE_METHOD(AnHourLater, "to get entries makes a consumer seen and active", "[group][info]") {
    CHECK(times() == Times{1h, 1h});
    SECTION("new ones") {
        REQUIRE(ann.read());
        CHECK(times() == Times{0h, 0h});
    }
    SECTION("after a wait") {
        REQUIRE(bob.try_read());
        auto read = reading(clock, ann);
        CHECK(times() == Times{0h, 1h});
        clock.advance(1h);
        add({10});
        REQUIRE(ids(read.result()) == ids({10}));
        CHECK(times() == Times{0h, 0h});
    }
    SECTION("claimed ones") {
        REQUIRE(ann.claim({{1}}, {.min_idle = 0ms}));
        CHECK(times() == Times{0h, 0h});
    }
    SECTION("claimed ones that do not count") {
        REQUIRE(ann.claim({{1}}, {.min_idle = 0ms, .counts = false}));
        CHECK(times() == Times{0h, 0h});
    }
    SECTION("claimed ones, whichever they are") {
        REQUIRE(ann.autoclaim({.min_idle = 0ms}));
        CHECK(times() == Times{0h, 0h});
    }
    SECTION("more time") {
        const auto batch = ann.history();
        clock.advance(1h);
        REQUIRE(batch[0].extend() == runnel::Ack::done);
        CHECK(times() == Times{0h, 0h});
    }
}

TEST_CASE_METHOD(AnHourLater, "to ask for entries makes a consumer seen, even if it gets none",
                 "[group][info]") {
    SECTION("new ones, and there are none") {
        REQUIRE(bob.try_read());
        REQUIRE_FALSE(ann.try_read());
        CHECK(times() == Times{0h, 1h});
        CHECK(times("bob") == Times{0h, 0h});
    }
    SECTION("new ones, acknowledged as they are read") {
        REQUIRE(ann.read({.acknowledged = true}));
        CHECK(times() == Times{0h, 1h});
    }
    SECTION("history") {
        REQUIRE(ann.history().size() == 5);
        CHECK(times() == Times{0h, 1h});
        REQUIRE_FALSE(bob.history());
        CHECK(times("bob") == Times{0h, std::nullopt});
    }
    SECTION("a claim of nothing") {
        REQUIRE_FALSE(ann.claim({{99}}, {.min_idle = 0ms}));
        CHECK(times() == Times{0h, 1h});
    }
    SECTION("a claim of what is not idle") {
        REQUIRE_FALSE(ann.claim({{1}}, {.min_idle = 2h}));
        REQUIRE_FALSE(ann.autoclaim({.min_idle = 2h}));
        CHECK(times() == Times{0h, 1h});
    }
    SECTION("a claim of what is lost") {
        stream.trim({.count = 0});
        REQUIRE(ann.claim({{1}}, {.min_idle = 0ms}).lost().size() == 1);
        REQUIRE(ann.autoclaim({.min_idle = 0ms}).lost().size() == 4);
        CHECK(times() == Times{0h, 1h});
    }
}

TEST_CASE_METHOD(AnHourLater, "to finish with entries, or to look on, makes no consumer seen",
                 "[group][info]") {
    REQUIRE(group.ack({{1}}) == 1);
    REQUIRE(group.nack({{2}}) == 1);
    (void)group.pending();
    (void)group.pending({});
    (void)group.info();
    (void)group.consumer("ann");
    REQUIRE(bob.claim({{3}}, {.min_idle = 0ms}));
    CHECK(times() == Times{1h, 1h});
}

TEST_CASE_METHOD(NumberGroup, "an acknowledgement is by hand, and so no sign of life",
                 "[group][info]") {
    add({1, 2});
    const auto batch = ann.read();
    clock.advance(1h);
    REQUIRE(batch[0].ack() == runnel::Ack::done);
    REQUIRE(batch[1].nack() == runnel::Ack::done);
    CHECK(info_of("ann").idle == 1h);
    CHECK(info_of("ann").inactive == 1h);
}

TEST_CASE_METHOD(NumberGroup, "who waits is not asked when another has finished with entries",
                 "[group][info]") {
    add({1, 2, 3});
    REQUIRE(bob.try_read().size() == 3);
    auto read = reading(clock, ann);
    clock.advance(1h);
    REQUIRE(group.ack({{1}}) == 1);
    for (const auto& delivery : bob.history()) REQUIRE(delivery.ack() == runnel::Ack::done);
    CHECK(info_of("ann").idle == 1h);
}

TEST_CASE_METHOD(NumberGroup, "who waits for room is not asked before it has some",
                 "[group][info]") {
    const auto cid = group.consumer("cid", {.max_pending = 1});
    add({1, 2, 3});
    REQUIRE(bob.try_read({.count = 1}));
    REQUIRE(cid.try_read());
    auto read = reading(clock, cid);
    clock.advance(1h);
    REQUIRE(group.ack({{1}}) == 1);
    CHECK(info_of("cid").idle == 1h);
    REQUIRE(group.ack({{2}}) == 1);
    CHECK(ids(read.result()) == ids({3}));
    CHECK(info_of("cid").idle == 0h);
}

TEST_CASE_METHOD(NumberGroup, "what signals a stream is a call of all consumers that wait",
                 "[group][info]") {
    const auto other = stream.group("other");
    const auto cid = other.consumer("cid");
    auto by_group = reading(clock, ann, {.timeout = 2h});
    auto by_other = reading(clock, cid);
    clock.advance(1h);

    SECTION("a release, also in another group") {
        add({1});
        REQUIRE(ids(by_group.result()) == ids({1}));
        REQUIRE(ids(by_other.result()) == ids({1}));
        auto read = reading(clock, cid);
        clock.advance(1h);
        CHECK(info_of("ann").idle == 1h);
        REQUIRE(group.nack({{1}}) == 1);
        CHECK(other.consumers()[0].idle == 0h);
        clock.advance(1h);
        REQUIRE(group.ack({{1}}) == 1);
        CHECK(other.consumers()[0].idle == 1h);
        CHECK(info_of("ann").idle == 2h);
    }
    SECTION("the removal of another group, until the wait ends") {
        REQUIRE(stream.remove_group("other"));
        CHECK(info_of("ann").idle == 0h);
        clock.advance(1h);
        CHECK(ending(by_group.result()) == runnel::Ending::timed_out);
        CHECK(info_of("ann").idle == 1h);
        add({1});
        CHECK(info_of("ann").idle == 1h);
    }
    SECTION("an entry that another consumer gets") {
        auto behind = reading(clock, bob, {.timeout = 2h});
        add({1});
        CHECK(group.remove_consumer("bob") == 0);
        clock.advance(1h);
        CHECK(group.info().consumers == 1);
        auto third = reading(clock, ann);
        add({2});
        CHECK(ids(behind.result()) == ids({2}));
        auto last = reading(clock, bob, {.timeout = 1h});
        CHECK(group.remove_consumer("bob") == 1);
        add({3});
        clock.advance(1h);
        CHECK(ending(last.result()) == runnel::Ending::timed_out);
        CHECK(info_of("bob").idle == 1h);
    }
}

TEST_CASE_METHOD(NumberGroup, "to wait for any is no call of a consumer, whatever comes",
                 "[group][info]") {
    std::vector<runnel::Watch> watches;
    watches.emplace_back(bob);
    auto first = reading(clock, ann);
    auto look = runnel::test::waiting_for_any(clock, watches);
    clock.advance(1h);
    add({1});
    REQUIRE(look.waits());
    CHECK(info_of("bob").idle == 1h);
}

TEST_CASE_METHOD(AnHourLater, "what consumers have last done is not told by the wall clock",
                 "[group][info]") {
    const Times before = times();
    clock.step_wall(-2h);
    CHECK(times() == before);
    clock.step_wall(4h);
    CHECK(times() == before);
}

// ------------------------------------------------------------------ progress

TEST_CASE_METHOD(ThreePending, "a group tells what it has, and how much of it belongs to nobody",
                 "[group][info]") {
    const GroupInfo before = group.info();
    CHECK(before.name == "group");
    CHECK(before.consumers == 2);
    CHECK(before.pending == 3);
    CHECK(before.released == 0);
    CHECK(before.last_delivered == StreamId{3});
    REQUIRE(group.nack(ids({1, 3}), Nack::silent) == 2);
    CHECK(group.info().released == 2);
    REQUIRE(bob.claim({{3}}, {.min_idle = 0ms}));
    CHECK(group.info().released == 1);
    CHECK(group.info().pending == 3);
}

TEST_CASE_METHOD(NumberGroup, "the exact lag counts what is behind the last delivered entry",
                 "[group][info][lag]") {
    CHECK(group.lag() == 0);
    add_range(1, 200);
    CHECK(group.lag() == 200);
    REQUIRE(ann.read({.count = 50}));
    CHECK(group.lag() == 150);
    stream.erase({{51}, {100}, {200}, {1}});
    CHECK(group.lag() == 147);
    CHECK(group.info().lag == std::nullopt);
    stream.trim({.count = 10});
    CHECK(group.lag() == 10);
    group.set_position(From::end);
    CHECK(group.lag() == 0);
    group.set_position(StreamId{195});
    CHECK(group.lag() == 4);
}

TEST_CASE_METHOD(Progress, "lag is known from either end, in the middle only by counting",
                 "[group][info][lag]") {
    const auto start = stream.group("a");
    const auto middle = stream.group("b", {.from = StreamId{2}});
    const auto end = stream.group("c", {.from = From::end});
    const auto ahead = stream.group("d", {.from = StreamId{99}});
    check(start, {}, {}, 3);
    check(middle, {2}, {}, {});
    check(end, {3}, {}, 0);
    check(ahead, {99}, {}, {});

    REQUIRE(ids(start.consumer("x").read({.count = 1})) == ids({1}));
    check(start, {1}, 1, 2);
    stream.erase({{2}});
    check(start, {1}, 1, {});  // what was erased may lie ahead
    REQUIRE(ids(start.consumer("x").read()) == ids({3}));
    check(start, {3}, 3, 0);

    REQUIRE(stream.trim({.count = 0}) == 2);
    add({4});
    check(start, {3}, 3, 1);
    check(middle, {2}, {}, 1);
    check(end, {3}, {}, 1);
    check(ahead, {99}, {}, {});
}

TEST_CASE_METHOD(Progress, "a raised last id does not correct the count of entries",
                 "[group][info][lag]") {
    const auto group = stream.group("g");
    const auto ann = group.consumer("ann");
    REQUIRE(ann.read({.count = 1}));
    REQUIRE(ann.claim({{1}}, {.min_idle = 0ms, .counts = false, .last_id = StreamId{3}}));
    REQUIRE(ann.claim({{1}}, {.min_idle = 0ms, .counts = false, .last_id = StreamId{1}}));
    check(group, {3}, 1, 2);
    CHECK(group.lag() == 0);
}

TEST_CASE_METHOD(Progress, "what is erased behind the group does not blur its lag, ahead it does",
                 "[group][info][lag]") {
    const auto group = stream.group("g");
    REQUIRE(group.consumer("ann").read({.count = 2}));
    stream.erase({{1}});
    check(group, {2}, 2, 1);
    stream.erase({{2}});
    check(group, {2}, 2, 1);
    add({4, 5});
    stream.erase({{4}});
    check(group, {2}, 2, {});
    CHECK(group.lag() == 2);
    stream.trim({.count = 1});
    check(group, {2}, 2, 1);
}

TEST_CASE_METHOD(Progress, "a group that began in the middle knows its lag once it is at the end",
                 "[group][info][lag]") {
    const auto group = stream.group("g", {.from = StreamId{1}});
    check(group, {1}, {}, 2);  // behind the first entry it is known, too
    REQUIRE(group.consumer("ann").read({.count = 1}));
    check(group, {2}, {}, {});
    REQUIRE(group.consumer("ann").read({.count = 1}));
    check(group, {3}, 3, 0);
    add({4});
    check(group, {3}, 3, 1);
}

TEST_CASE_METHOD(Progress, "what was trimmed away before the group came there counts as read",
                 "[group][info][lag]") {
    const auto group = stream.group("g");
    const auto ann = group.consumer("ann");
    add({4, 5});
    REQUIRE(ann.try_read({.count = 1}));
    REQUIRE(stream.trim({.count = 2}) == 3);
    check(group, {1}, 1, 2);
    REQUIRE(ann.try_read({.count = 1}));
    check(group, {4}, 4, 1);
}

TEST_CASE_METHOD(Progress, "entries that are delivered acknowledged count as read",
                 "[group][info][lag]") {
    const auto group = stream.group("g");
    REQUIRE(group.consumer("ann").read({.count = 2, .acknowledged = true}));
    check(group, {2}, 2, 1);
    CHECK(group.info().pending == 0);
}

TEST_CASE_METHOD(Progress, "a group may be told how many entries it has read",
                 "[group][info][lag]") {
    const auto group = stream.group("g", {.from = StreamId{2}, .entries_read = 2});
    check(group, {2}, 2, 1);
    REQUIRE(group.consumer("ann").read({.count = 1}));
    check(group, {3}, 3, 0);
    group.set_position(StreamId{1}, 1);
    check(group, {1}, 1, 2);
    group.set_position(StreamId{2});
    check(group, {2}, {}, {});
}

TEST_CASE_METHOD(Progress, "more entries than there ever were cannot have been read",
                 "[group][info][lag]") {
    check(stream.group("g", {.from = From::end, .entries_read = 100}), {3}, 3, 0);
    const auto group = stream.group("h");
    group.set_position(From::start, std::numeric_limits<std::uint64_t>::max());
    CHECK(group.info().entries_read == 3);
    REQUIRE(group.consumer("ann").read());
    CHECK(group.info().lag == 0);
}

TEST_CASE_METHOD(NumberStream, "of an empty stream nothing is left to be delivered",
                 "[group][info][lag]") {
    const auto group = stream.group("g");
    CHECK(group.info().lag == 0);
    CHECK(group.info().entries_read == std::nullopt);
    add({1, 2});
    stream.trim({.count = 0});
    CHECK(group.info().lag == 0);
    CHECK(group.lag() == 0);
    CHECK(stream.group("ahead", {.from = StreamId{9}}).info().lag == 0);
}

TEST_CASE_METHOD(ThreePending, "idle consumers without pending entries are removed",
                 "[group][info]") {
    const auto names = [this] {
        std::vector<std::string> all;
        for (const ConsumerInfo& consumer : group.consumers()) all.push_back(consumer.name);
        return all;
    };
    using Names = std::vector<std::string>;
    REQUIRE_FALSE(bob.try_read());
    REQUIRE_FALSE(group.consumer("carl").try_read());
    clock.advance(1min);
    REQUIRE_FALSE(bob.try_read());
    CHECK(group.remove_idle_consumers(1min + 1ms) == 0);
    CHECK(group.remove_idle_consumers(1min) == 1);
    CHECK(names() == Names{"ann", "bob"});  // ann has three pending, bob has just asked
    CHECK(runnel::test::error_of([&] { (void)group.remove_idle_consumers(-1ms); }) ==
          runnel::ErrorCode::invalid_argument);

    {
        auto waits = reading(clock, bob);
        clock.settle();
        clock.advance(1h);
        CHECK(group.remove_idle_consumers(0ms) == 0);
        CHECK(names() == Names{"ann", "bob"});
        add({4});
        clock.settle();
    }
    CHECK(info_of("bob").pending == 1);
    REQUIRE(group.ack({{1}, {2}, {3}, {4}}) == 4);
    CHECK(group.remove_idle_consumers(0ms) == 2);
    CHECK(names().empty());
    CHECK_FALSE(bob.try_read());  // is made anew
    CHECK(names() == Names{"bob"});
}
