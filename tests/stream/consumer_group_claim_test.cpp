// SPDX-License-Identifier: MIT
#include <runnel/ack.hpp>
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/delivery.hpp>
#include <runnel/error.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/streams.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

using runnel::Ack;
using runnel::AutoclaimOptions;
using runnel::ErrorCode;
using runnel::From;
using runnel::Nack;
using runnel::StreamId;
using runnel::test::attempts;
using runnel::test::error_of;
using runnel::test::id_range;
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

constexpr std::uint64_t most_deliveries = std::numeric_limits<std::int64_t>::max();

// ann has 1-0 to 30-0 pending, and the last five of them are idle for an hour longer.
struct ThirtyPending : NumberGroup {
    ThirtyPending() {
        add_range(1, 30);
        REQUIRE(ann.try_read().size() == 30);
        clock.advance(1h);
        REQUIRE(ann.claim(id_range(1, 25), {.min_idle = 0ms, .counts = false}).size() == 25);
    }
};

}  // namespace

// ------------------------------------------------------------------ claiming by id

TEST_CASE_METHOD(ThreePending, "a claim takes over what is pending with another",
                 "[group][claim]") {
    const auto batch = bob.claim({{3}, {1}}, {.min_idle = 0ms});
    CHECK(ids(batch) == ids({3, 1}));
    CHECK(numbers(batch) == Numbers{3, 1});
    CHECK(attempts(batch) == Numbers{2, 2});
    CHECK(pending() == Rows{"1-0 bob 2", "2-0 ann 1", "3-0 bob 2"});
    CHECK(info_of("ann").pending == 1);
    CHECK(info_of("bob").pending == 2);
    CHECK(batch[0].ack() == Ack::done);
}

TEST_CASE_METHOD(ThreePending, "a claim of an id twice counts twice", "[group][claim]") {
    CHECK(attempts(bob.claim({{1}, {1}}, {.min_idle = 0ms})) == Numbers{2, 3});
    CHECK(attempts(ann.claim({{1}}, {.min_idle = 0ms})) == Numbers{4});
}

TEST_CASE_METHOD(ThreePending, "a claim passes over what is not pending", "[group][claim]") {
    add({4});
    REQUIRE(group.ack({{2}}) == 1);
    const auto batch = bob.claim({{2}, {4}, {9}, {0, 0}, StreamId::max()}, {.min_idle = 0ms});
    CHECK_FALSE(batch);
    CHECK(batch.lost().empty());
    CHECK(pending() == Rows{"1-0 ann 1", "3-0 ann 1"});
}

TEST_CASE_METHOD(ThreePending, "a claim by force makes entries of the stream pending",
                 "[group][claim]") {
    add({4, 5});
    const auto batch = bob.claim({{4}, {9}}, {.min_idle = 0ms, .force = true});
    CHECK(ids(batch) == ids({4}));
    CHECK(attempts(batch) == Numbers{2});
    CHECK(batch.lost().empty());
    CHECK(attempts(bob.claim({{5}}, {.min_idle = 0ms, .counts = false, .force = true})) ==
          Numbers{1});
    // The group has not passed them, and so delivers them once more.
    CHECK(ids(ann.read()) == ids({4, 5}));
    CHECK(pending() == Rows{"1-0 ann 1", "2-0 ann 1", "3-0 ann 1", "4-0 ann 1", "5-0 ann 1"});
}

TEST_CASE_METHOD(ThreePending, "a claim may set the count of deliveries, or leave it",
                 "[group][claim]") {
    CHECK(attempts(bob.claim({{1}}, {.min_idle = 0ms, .deliveries = 7})) == Numbers{7});
    CHECK(attempts(bob.claim({{1}}, {.min_idle = 0ms, .counts = false})) == Numbers{7});
    CHECK(attempts(bob.claim({{1}}, {.min_idle = 0ms, .deliveries = 0})) == Numbers{0});
    CHECK(attempts(bob.claim({{1}}, {.min_idle = 0ms, .deliveries = 3, .counts = false})) ==
          Numbers{3});
    CHECK(pending({.consumer = "bob"}) == Rows{"1-0 bob 3"});
}

TEST_CASE_METHOD(ThreePending, "of two who claim what is idle for long enough, the second loses",
                 "[group][claim]") {
    clock.advance(60s);
    CHECK(ids(bob.claim(ids({1, 2}), {.min_idle = 60s})) == ids({1, 2}));
    CHECK(ids(group.consumer("cid").claim(ids({1, 2, 3}), {.min_idle = 60s})) == ids({3}));
    CHECK(pending() == Rows{"1-0 bob 2", "2-0 bob 2", "3-0 cid 2"});
}

TEST_CASE_METHOD(ThreePending, "an entry cannot be claimed before it has been idle long enough",
                 "[group][claim][time]") {
    clock.advance(60s - 1ms);
    CHECK_FALSE(bob.claim({{1}}, {.min_idle = 60s}));
    clock.advance(1ms);
    CHECK(bob.claim({{1}}, {.min_idle = 60s}));
    clock.advance(60s - 1ms);
    CHECK_FALSE(ann.claim({{1}}, {.min_idle = 60s}));
    CHECK(ann.claim({{2}}, {.min_idle = 60s}));
}

TEST_CASE_METHOD(ThreePending, "a claim may say how long the entry counts as idle",
                 "[group][claim][time]") {
    REQUIRE(bob.claim({{1}}, {.min_idle = 0ms, .idle = 1h}));
    CHECK(group.pending({.consumer = "bob"}).at(0).idle == 1h);
    CHECK(ann.claim({{1}}, {.min_idle = 1h}));
    REQUIRE(bob.claim({{2}}, {.min_idle = 0ms, .idle = -1h}));
    CHECK(group.pending({.consumer = "bob"}).at(0).idle == 0h);
    REQUIRE(bob.claim({{3}}, {.min_idle = 0ms, .idle = 24h * 365 * 100}));
    CHECK(group.pending({.first = StreamId{3}}).at(0).idle == 24h * 365 * 100);
    REQUIRE(ann.claim({{3}}, {.min_idle = 24h * 365 * 100, .idle = std::chrono::hours::max()}));
    CHECK(bob.claim({{3}}, {.min_idle = 24h * 365 * 292}));
}

TEST_CASE_METHOD(ThreePending, "a minimum is rounded up to milliseconds, which idle times count",
                 "[group][claim][time]") {
    CHECK_FALSE(bob.claim({{1}}, {.min_idle = 1ns}));
    clock.advance(1ms);
    CHECK(bob.claim({{1}}, {.min_idle = 1ns}));
}

namespace {

// What threads tell each other of a time that each of them looks up now and then.
class RoughClock final : public runnel::Clock {
public:
    Deadline time{1h};

    [[nodiscard]] WallTime wall() const noexcept override { return {}; }
    [[nodiscard]] Deadline now() const noexcept override { return time; }
    [[nodiscard]] bool is_real() const noexcept override { return false; }
};

}  // namespace

TEST_CASE("no idle time is negative, though a thread's time is a bit older than another's",
          "[group][claim][time]") {
    RoughClock clock;
    const runnel::Stream<int> stream{{.clock = &clock}};
    const auto group = stream.group("group");
    stream.add(1);
    REQUIRE(group.consumer("ann").read({.count = 1}).size() == 1);
    clock.time -= 1ms;
    CHECK(group.pending({}).at(0).idle == 0ms);
    CHECK(group.consumers().at(0).idle == 0ms);
    CHECK(group.consumer("bob").autoclaim({.min_idle = 0ms}).size() == 1);
}

TEST_CASE_METHOD(ThreePending, "idle times do not go by the wall clock", "[group][claim][time]") {
    clock.advance(1min);
    for (const auto step : {-48h, +72h}) {
        clock.step_wall(step);
        CHECK(group.pending({}).at(0).idle == 1min);
        CHECK_FALSE(bob.autoclaim({.min_idle = 1min + 1ms}));
    }
    CHECK(bob.autoclaim({.min_idle = 1min}).size() == 3);
    CHECK_FALSE(ann.claim({{1}}, {.min_idle = 1ms}));
}

TEST_CASE_METHOD(ThreePending, "a claim drops what the stream has lost, and tells it",
                 "[group][claim][lost]") {
    stream.erase({{1}});
    stream.trim({.before = StreamId{3}});
    const auto batch = bob.claim(ids({1, 2, 3}), {.min_idle = 1h});
    CHECK_FALSE(batch);
    CHECK(batch.lost() == ids({1, 2}));
    CHECK(pending() == Rows{"3-0 ann 1"});
    CHECK(info_of("ann").pending == 1);
    CHECK(bob.claim(ids({1, 2}), {.min_idle = 0ms}).lost().empty());
}

TEST_CASE_METHOD(ThreePending, "a claim may raise what the group has delivered, never lower it",
                 "[group][claim]") {
    add_range(4, 9);
    REQUIRE(ann.claim({{1}}, {.min_idle = 0ms, .counts = false, .last_id = StreamId{6}}));
    CHECK(group.info().last_delivered == StreamId{6});
    REQUIRE(ann.claim({{1}}, {.min_idle = 0ms, .counts = false, .last_id = StreamId{4}}));
    CHECK(group.info().last_delivered == StreamId{6});
    CHECK(ids(bob.read()) == ids({7, 8, 9}));
}

TEST_CASE_METHOD(ThreePending,
                 "entries are claimed from blocks in any order, and live in the batch",
                 "[group][claim]") {
    add_range(4, 100);
    REQUIRE(ann.read({.count = 100}).size() == 97);
    const auto batch = bob.claim({{100}, {1}, {99}, {2}, {50}}, {.min_idle = 0ms});
    stream.trim({.count = 0});
    CHECK(numbers(batch) == Numbers{100, 1, 99, 2, 50});
}

// ------------------------------------------------------------------ claiming whatever is idle

TEST_CASE_METHOD(ThreePending, "an autoclaim takes what is idle, in order, and tells how to go on",
                 "[group][autoclaim]") {
    const auto first = bob.autoclaim({.min_idle = 0ms, .count = 2});
    CHECK(ids(first) == ids({1, 2}));
    CHECK(attempts(first) == Numbers{2, 2});
    CHECK(first.next() == StreamId{3});
    const auto second = bob.autoclaim({.min_idle = 0ms, .start = first.next(), .count = 2});
    CHECK(ids(second) == ids({3}));
    CHECK(second.next() == StreamId{});
    CHECK(pending() == Rows{"1-0 bob 2", "2-0 bob 2", "3-0 bob 2"});
}

TEST_CASE_METHOD(ThreePending, "deleted entries count for an autoclaim, whatever their idle time",
                 "[group][autoclaim][lost]") {
    stream.erase({{1}});
    const auto first = bob.autoclaim({.min_idle = 0ms, .count = 2});
    CHECK(ids(first) == ids({2}));
    CHECK(first.lost() == ids({1}));
    CHECK(first.next() == StreamId{3});
    const auto second =
        bob.autoclaim({.min_idle = 0ms, .start = first.next(), .count = 2, .counts = false});
    CHECK(ids(second) == ids({3}));
    CHECK(attempts(second) == Numbers{1});
    CHECK(second.lost().empty());
    CHECK(second.next() == StreamId{});
    stream.erase({{2}});
    const auto third = bob.autoclaim({.min_idle = 1h});
    CHECK_FALSE(third);
    CHECK(third.lost() == ids({2}));
    CHECK(third.next() == StreamId{});
    CHECK(pending() == Rows{"3-0 bob 1"});
}

TEST_CASE_METHOD(ThirtyPending, "an autoclaim looks at ten times as many as it may take",
                 "[group][autoclaim]") {
    AutoclaimOptions options{.min_idle = 1h, .count = 1, .counts = false};
    CHECK_FALSE(bob.autoclaim(options));
    CHECK(bob.autoclaim(options).next() == StreamId{11});
    options.count = 2;
    CHECK_FALSE(bob.autoclaim(options));
    CHECK(bob.autoclaim(options).next() == StreamId{21});
    options.count = 3;
    const auto batch = bob.autoclaim(options);
    CHECK(ids(batch) == ids({26, 27, 28}));
    CHECK(batch.next() == StreamId{29});
}

TEST_CASE_METHOD(ThirtyPending, "to go on with autoclaims comes to the end, and takes each once",
                 "[group][autoclaim]") {
    stream.erase({{5}, {27}});
    for (const std::size_t count : {1U, 3U, 100U}) {
        Ids claimed;
        AutoclaimOptions options{.min_idle = 1h, .count = count};
        do {
            const auto batch = bob.autoclaim(options);
            for (const auto& delivery : batch) claimed.push_back(delivery.id);
            options.start = batch.next();
        } while (options.start != StreamId{});
        CHECK(claimed == (count == 1 ? ids({26, 28, 29, 30}) : Ids{}));
    }
    CHECK(group.pending().count == 28);
}

TEST_CASE_METHOD(ThirtyPending, "an autoclaim begins where it is told to, pending or not",
                 "[group][autoclaim]") {
    REQUIRE(group.ack({{10}, {11}}) == 2);
    CHECK(ids(bob.autoclaim({.min_idle = 0ms, .start = StreamId{10}, .count = 2})) ==
          ids({12, 13}));
    CHECK(ids(bob.autoclaim({.min_idle = 0ms, .start = StreamId{28, 1}})) == ids({29, 30}));
    CHECK_FALSE(bob.autoclaim({.min_idle = 0ms, .start = StreamId::max()}));
    CHECK(bob.autoclaim({.min_idle = 0ms, .start = StreamId::max()}).next() == StreamId{});
}

TEST_CASE_METHOD(NumberGroup, "an autoclaim takes up to a hundred unless it is told otherwise",
                 "[group][autoclaim]") {
    add_range(1, 150);
    REQUIRE(ann.read({.count = 150}).size() == 150);
    CHECK(bob.autoclaim({.min_idle = 0ms}).size() == 100);
    CHECK(bob.autoclaim({.min_idle = 0ms, .count = 1'000}).size() == 150);
    CHECK(error_of([&] { return bob.autoclaim({.min_idle = 0ms, .count = 0}); }) ==
          ErrorCode::invalid_argument);
}

TEST_CASE_METHOD(NumberGroup, "where nothing is pending an autoclaim is at its end",
                 "[group][autoclaim]") {
    add({1});
    CHECK_FALSE(bob.autoclaim({.min_idle = 0ms}));
    CHECK(bob.autoclaim({.min_idle = 0ms}).next() == StreamId{});
}

// ------------------------------------------------------------------ giving back

TEST_CASE_METHOD(ThreePending, "what is given back belongs to nobody and goes to the next claim",
                 "[group][nack]") {
    CHECK(group.nack({{3}, {1}, {9}}) == 2);
    CHECK(pending() == Rows{"1-0 nobody 1", "2-0 ann 1", "3-0 nobody 1"});
    CHECK(info_of("ann").pending == 1);
    CHECK(ids(ann.history()) == ids({2}));
    CHECK_FALSE(bob.try_read());
    CHECK(ids(bob.claim(ids({1, 2}), {.min_idle = 1h})) == ids({1}));
    CHECK(ids(bob.autoclaim({.min_idle = 1h})) == ids({3}));
    CHECK(pending() == Rows{"1-0 bob 2", "2-0 ann 2", "3-0 bob 2"});
}

TEST_CASE_METHOD(ThreePending,
                 "a failed attempt counts, a silent one does not, a fatal one is final",
                 "[group][nack]") {
    const auto batch = ann.history();
    CHECK(batch[0].nack() == Ack::done);
    CHECK(batch[1].nack(Nack::silent) == Ack::done);
    CHECK(batch[2].nack(Nack::fatal) == Ack::done);
    const auto entries = group.pending({});
    CHECK(entries[0].deliveries == 2);
    CHECK(entries[1].deliveries == 1);
    CHECK(entries[2].deliveries == most_deliveries);
    CHECK(group.info().released == 3);
}

TEST_CASE_METHOD(ThreePending, "counts of deliveries go neither below zero nor over the greatest",
                 "[group][nack]") {
    CHECK(group.nack({{1}, {1}, {1}}, Nack::silent) == 3);
    CHECK(group.pending({}).at(0).deliveries == 0);
    CHECK(attempts(bob.claim({{1}}, {.min_idle = 0ms})) == Numbers{1});
    CHECK(group.nack({{2}}, Nack::fatal) == 1);
    REQUIRE(bob.claim({{2}}, {.min_idle = 0ms}));
    CHECK(group.pending({}).at(1).deliveries == most_deliveries);
    REQUIRE(bob.history().size() == 2);
    CHECK(group.pending({}).at(1).deliveries == most_deliveries);
}

TEST_CASE_METHOD(ThreePending, "what belongs to nobody can be acknowledged, and stays with no one",
                 "[group][nack]") {
    CHECK(group.nack(ids({1, 2})) == 2);
    CHECK(group.ack({{1}}) == 1);
    CHECK(group.remove_consumer("ann") == 1);
    CHECK(pending() == Rows{"2-0 nobody 1"});
    CHECK(group.info().released == 1);
    CHECK(group.info().pending == 1);
}

TEST_CASE_METHOD(ThreePending, "what was given back can be lost like any other",
                 "[group][nack][lost]") {
    CHECK(group.nack(ids({1, 2})) == 2);
    stream.trim({.count = 0});
    CHECK(group.nack({{3}}) == 1);
    CHECK(bob.claim({{1}}, {.min_idle = 0ms}).lost() == ids({1}));
    CHECK(bob.autoclaim({.min_idle = 0ms}).lost() == ids({2, 3}));
    CHECK(group.info().released == 0);
}

// ------------------------------------------------------------------ acknowledging

TEST_CASE_METHOD(ThreePending, "an acknowledgement ends a delivery, whoever has it",
                 "[group][ack]") {
    REQUIRE(bob.claim({{2}}, {.min_idle = 0ms}));
    CHECK(group.ack({{2}, {1}, {1}, {9}}) == 2);
    CHECK(group.ack(Ids{}) == 0);
    CHECK(group.ack(ids({3})) == 1);
    CHECK(group.pending().count == 0);
    CHECK(stream.size() == 3);
}

TEST_CASE_METHOD(ThreePending, "a delivery is acknowledged once", "[group][ack]") {
    const auto batch = ann.history();
    CHECK(batch[0].ack() == Ack::done);
    CHECK(batch[0].ack() == Ack::stale);
    CHECK(batch[0].nack() == Ack::stale);
    CHECK(batch[0].extend() == Ack::stale);
    CHECK(batch[1].ack() == Ack::done);
}

TEST_CASE_METHOD(ThreePending, "a batch is acknowledged as a whole, once", "[group][ack]") {
    const auto batch = ann.history({.after = StreamId{1}});
    STATIC_REQUIRE(noexcept(batch.ack()));
    CHECK(batch.ack() == 2);
    CHECK(pending() == Rows{"1-0 ann 1"});
    CHECK(batch.ack() == 0);
    CHECK(batch[0].ack() == Ack::stale);
    CHECK(ann.history().ack() == 1);
    CHECK(ann.history().ack() == 0);
    CHECK(group.pending().count == 0);
}

TEST_CASE_METHOD(ThreePending,
                 "of a batch only those are acknowledged that are still delivered by it",
                 "[group][ack][stale]") {
    add({4, 5});
    REQUIRE(ann.read().size() == 2);
    const auto batch = ann.history();
    REQUIRE(bob.claim({{1}}, {.min_idle = 0ms}));
    REQUIRE(ann.claim({{2}}, {.min_idle = 0ms}));
    REQUIRE(batch[2].nack() == Ack::done);
    REQUIRE(batch[3].ack() == Ack::done);
    CHECK(batch.ack() == 1);
    CHECK(pending() == Rows{"1-0 bob 3", "2-0 ann 3", "3-0 nobody 2"});
}

TEST_CASE_METHOD(ThreePending, "to acknowledge a batch leaves pending what the stream has lost",
                 "[group][ack]") {
    stream.erase({{2}});
    const auto batch = ann.history();
    REQUIRE(batch.lost() == ids({2}));
    CHECK(batch.ack() == 2);
    CHECK(pending() == Rows{"2-0 ann 1"});
    CHECK(group.ack(batch.lost()) == 1);
}

TEST_CASE_METHOD(ThreePending, "who waits for room is served once the whole batch is acknowledged",
                 "[group][ack][wait]") {
    const auto cid = group.consumer("cid", {.max_pending = 3});
    add_range(4, 9);
    const auto batch = cid.read();
    REQUIRE(ids(batch) == ids({4, 5, 6}));
    auto read = reading(clock, cid);
    REQUIRE(read.waits());
    CHECK(batch.ack() == 3);
    CHECK(ids(read.result()) == ids({7, 8, 9}));
}

TEST_CASE_METHOD(ThreePending, "a batch of a group that was removed can still be acknowledged",
                 "[group][ack][remove]") {
    const auto batch = ann.history();
    REQUIRE(stream.remove_group("group"));
    CHECK(batch.ack() == 3);
    CHECK(group.pending().count == 0);
}

TEST_CASE_METHOD(ThreePending, "what the stream has lost can be acknowledged", "[group][ack]") {
    const auto batch = ann.history();
    stream.erase({{1}});
    stream.trim({.count = 0});
    CHECK(batch[0].ack() == Ack::done);
    CHECK(group.ack({{2}}) == 1);
}

// ------------------------------------------------------------------ more time

TEST_CASE_METHOD(ThreePending, "more time keeps an entry from those who go by idle times",
                 "[group][extend]") {
    const auto batch = ann.history();
    for (int minute = 0; minute != 10; ++minute) {
        clock.advance(1min);
        REQUIRE(batch[0].extend() == Ack::done);
    }
    CHECK(ids(bob.autoclaim({.min_idle = 1min})) == ids({2, 3}));
    CHECK(pending() == Rows{"1-0 ann 2", "2-0 bob 3", "3-0 bob 3"});
    CHECK(batch[0].ack() == Ack::done);
}

// ------------------------------------------------------------------ deliveries that are over

TEST_CASE_METHOD(ThreePending, "a consumer that comes back too late does no harm",
                 "[group][stale]") {
    const auto late = ann.history();
    REQUIRE(bob.claim(ids({1, 2, 3}), {.min_idle = 0ms}));
    CHECK(late[0].ack() == Ack::stale);
    CHECK(late[1].nack(Nack::fatal) == Ack::stale);
    clock.advance(1h);
    CHECK(late[2].extend() == Ack::stale);
    CHECK(pending() == Rows{"1-0 bob 3", "2-0 bob 3", "3-0 bob 3"});
    CHECK(group.pending({}).at(2).idle == 1h);
}

TEST_CASE_METHOD(ThreePending, "a delivery is stale once it was repeated, and the repetition works",
                 "[group][stale]") {
    const auto first = ann.history();
    const auto second = ann.history();
    CHECK(first[0].ack() == Ack::stale);
    CHECK(second[0].ack() == Ack::done);
    const auto third = ann.claim({{2}}, {.min_idle = 0ms});
    CHECK(second[1].extend() == Ack::stale);
    CHECK(third[0].extend() == Ack::done);
    CHECK(third[0].nack() == Ack::done);
}

TEST_CASE_METHOD(ThreePending, "a delivery is stale once it was given back", "[group][stale]") {
    const auto batch = ann.history();
    CHECK(batch[0].nack() == Ack::done);
    CHECK(batch[0].nack() == Ack::stale);
    CHECK(batch[0].ack() == Ack::stale);
    CHECK(batch[0].extend() == Ack::stale);
    CHECK(group.nack({{2}}) == 1);
    CHECK(batch[1].ack() == Ack::stale);
    CHECK(pending() == Rows{"1-0 nobody 2", "2-0 nobody 2", "3-0 ann 2"});
}

TEST_CASE_METHOD(NumberGroup, "a delivery is stale once the group has delivered it to another",
                 "[group][stale]") {
    add({1});
    const auto first = ann.read();
    group.set_position(From::start);
    const auto second = bob.read();
    CHECK(first[0].ack() == Ack::stale);
    CHECK(second[0].ack() == Ack::done);
}

TEST_CASE_METHOD(ThreePending, "claimed and repeated deliveries are acknowledged like new ones",
                 "[group][stale]") {
    for (const auto& delivery : bob.claim({{1}}, {.min_idle = 0ms}))
        CHECK(delivery.ack() == Ack::done);
    for (const auto& delivery : bob.autoclaim({.min_idle = 0ms, .count = 1}))
        CHECK(delivery.ack() == Ack::done);
    for (const auto& delivery : ann.history()) CHECK(delivery.ack() == Ack::done);
    CHECK(group.pending().count == 0);
}
