// SPDX-License-Identifier: MIT
#include <runnel/ack.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/delivery.hpp>
#include <runnel/error.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream.hpp>
#include <runnel/stream_id.hpp>

#include "support/catch.hpp"
#include "support/streams.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using runnel::Ack;
using runnel::Ending;
using runnel::ErrorCode;
using runnel::From;
using runnel::Stream;
using runnel::StreamId;
using runnel::test::attempts;
using runnel::test::ending;
using runnel::test::error_of;
using runnel::test::id_range;
using runnel::test::ids;
using runnel::test::NumberGroup;
using runnel::test::Numbers;
using runnel::test::numbers;
using runnel::test::reading;
using runnel::test::Rows;
using runnel::test::ThreePending;
using namespace std::chrono_literals;

// ------------------------------------------------------------------ history

TEST_CASE_METHOD(ThreePending, "the history of a consumer is what it has pending, delivered anew",
                 "[group][history]") {
    const auto history = ann.history();
    CHECK(ids(history) == ids({1, 2, 3}));
    CHECK(numbers(history) == Numbers{1, 2, 3});
    CHECK(attempts(history) == Numbers{2, 2, 2});
    CHECK(pending() == Rows{"1-0 ann 2", "2-0 ann 2", "3-0 ann 2"});
    CHECK(history[0].ack() == Ack::done);
    CHECK(ids(ann.history()) == ids({2, 3}));
    CHECK(attempts(ann.history()) == Numbers{4, 4});
}

TEST_CASE_METHOD(ThreePending, "a history begins behind an id and has at most so many",
                 "[group][history]") {
    CHECK(ids(ann.history({.after = StreamId{1}})) == ids({2, 3}));
    CHECK(ids(ann.history({.after = StreamId{1}, .count = 1})) == ids({2}));
    CHECK_FALSE(ann.history({.after = StreamId{3}}));
    CHECK_FALSE(ann.history({.after = StreamId::max()}));
    CHECK(error_of([&] { return ann.history({.count = 0}); }) == ErrorCode::invalid_argument);
    CHECK(pending() == Rows{"1-0 ann 1", "2-0 ann 3", "3-0 ann 2"});
}

TEST_CASE_METHOD(ThreePending, "a history is read on where it ended, whatever the stream has lost",
                 "[group][history]") {
    stream.erase({{1}, {2}});
    StreamId last{};
    std::vector<StreamId> lost;
    std::vector<StreamId> found;
    do {
        const auto batch = ann.history({.after = last, .count = 1});
        lost.insert(lost.end(), batch.lost().begin(), batch.lost().end());
        for (const auto& delivery : batch) found.push_back(delivery.id);
        last = batch.next();
    } while (last != StreamId{});
    CHECK(lost == ids({1, 2}));
    CHECK(found == ids({3}));
    CHECK(ann.history({.after = StreamId{3}}).next() == StreamId{});
}

TEST_CASE_METHOD(ThreePending, "the history of one consumer is not that of another",
                 "[group][history]") {
    add({4, 5});
    REQUIRE(bob.read({.count = 1}));
    REQUIRE(ann.read());
    CHECK(ids(bob.history()) == ids({4}));
    CHECK(ids(ann.history()) == ids({1, 2, 3, 5}));
    CHECK_FALSE(group.consumer("cid").history());
}

TEST_CASE_METHOD(ThreePending, "a history tells what the stream has lost, and leaves it pending",
                 "[group][history]") {
    stream.erase({{2}});
    stream.trim({.count = 1});
    const auto history = ann.history();
    CHECK(ids(history) == ids({3}));
    CHECK(history.lost() == ids({1, 2}));
    CHECK(pending() == Rows{"1-0 ann 1", "2-0 ann 1", "3-0 ann 2"});
    CHECK(ann.history({.count = 1}).lost() == ids({1}));
    CHECK(group.ack(history.lost()) == 2);
    CHECK(ann.history().lost().empty());
}

TEST_CASE_METHOD(ThreePending, "a history starts the idle times anew", "[group][history]") {
    clock.advance(5min);
    REQUIRE(ann.history({.count = 2}));
    CHECK(ids(bob.claim(ids({1, 2, 3}), {.min_idle = 1ms})) == ids({3}));
}

TEST_CASE_METHOD(ThreePending, "a history is delivered again even after a read of new entries",
                 "[group][history]") {
    stream.close();
    CHECK(ending(ann.read()) == Ending::closed);
    CHECK(ids(ann.history()) == ids({1, 2, 3}));
}

// ------------------------------------------------------------------ the position

TEST_CASE_METHOD(ThreePending, "a group that is set back delivers again, and counts from one",
                 "[group][position]") {
    REQUIRE(ann.history().size() == 3);
    group.set_position(StreamId{1});
    CHECK(ids(bob.try_read()) == ids({2, 3}));
    CHECK(pending() == Rows{"1-0 ann 2", "2-0 bob 1", "3-0 bob 1"});
    CHECK(info_of("ann").pending == 1);
    CHECK(info_of("bob").pending == 2);
}

TEST_CASE_METHOD(NumberGroup, "a group that is set forward passes over what lies between",
                 "[group][position]") {
    add_range(1, 9);
    group.set_position(StreamId{7});
    CHECK(ids(ann.try_read()) == ids({8, 9}));
    add({10});
    group.set_position(From::end);
    CHECK_FALSE(ann.try_read());
    group.set_position(From::start);
    CHECK(ids(ann.try_read()) == id_range(1, 10));
}

TEST_CASE_METHOD(ThreePending, "to set the position wakes nobody; the next entry does",
                 "[group][position][wait]") {
    auto read = reading(clock, bob);
    group.set_position(From::start);
    REQUIRE(read.waits());
    add({4});
    CHECK(ids(read.result()) == ids({1, 2, 3, 4}));
}

// ------------------------------------------------------------------ removing

TEST_CASE_METHOD(ThreePending, "a consumer that is removed takes what it has pending with it",
                 "[group][remove]") {
    add({4});
    REQUIRE(bob.read());
    CHECK(group.remove_consumer("ann") == 3);
    CHECK(pending() == Rows{"4-0 bob 1"});
    CHECK_FALSE(bob.try_read());
    CHECK(group.remove_consumer("ann") == 0);
    CHECK(group.remove_consumer("nobody") == 0);
    CHECK(group.consumers().size() == 1);
}

TEST_CASE_METHOD(ThreePending, "what a removed consumer still holds is stale", "[group][remove]") {
    const auto batch = ann.history();
    REQUIRE(group.remove_consumer("ann") == 3);
    (void)group.consumer("ann");
    CHECK(batch[0].ack() == Ack::stale);
    CHECK(batch[1].nack() == Ack::stale);
    CHECK(batch[2].extend() == Ack::stale);
    CHECK(info_of("ann").pending == 0);
}

TEST_CASE_METHOD(NumberGroup, "a removed consumer that waits is made anew when it is served",
                 "[group][remove][wait]") {
    auto read = reading(clock, ann);
    CHECK(group.remove_consumer("ann") == 0);
    CHECK(group.remove_consumer("bob") == 0);
    CHECK(group.consumers().empty());
    add({1});
    CHECK(ids(read.result()) == ids({1}));
    CHECK(info_of("ann").pending == 1);
}

TEST_CASE_METHOD(NumberGroup, "reads that wait end when their group is removed",
                 "[group][remove][wait]") {
    const auto cid = stream.group("other").consumer("cid");
    auto first = reading(clock, ann);
    auto second = reading(clock, bob);
    auto other = reading(clock, cid);
    REQUIRE(stream.remove_group("group"));
    CHECK(ending(first.result()) == Ending::gone);
    CHECK(ending(second.result()) == Ending::gone);
    CHECK(other.waits());
    CHECK(ending(ann.read()) == Ending::gone);
    CHECK(ending(ann.try_read()) == Ending::gone);
}

TEST_CASE_METHOD(ThreePending, "nobody is a member of a removed group any more",
                 "[group][remove]") {
    REQUIRE(stream.remove_group("group"));
    REQUIRE(group.remove_consumer("bob") == 0);
    CHECK(ending(ann.history()) == Ending::gone);
    CHECK(ending(bob.claim({{1}}, {.min_idle = 0ms})) == Ending::gone);
    CHECK(ending(bob.autoclaim({.min_idle = 0ms})) == Ending::gone);
    CHECK(pending() == Rows{"1-0 ann 1", "2-0 ann 1", "3-0 ann 1"});
    CHECK(group.consumers().size() == 1);
}

TEST_CASE_METHOD(ThreePending, "what is pending in a removed group can still be acknowledged",
                 "[group][remove]") {
    const auto batch = ann.history();
    REQUIRE(stream.remove_group("group"));
    CHECK(batch[0].ack() == Ack::done);
    CHECK(group.ack({{2}}) == 1);
    CHECK(pending() == Rows{"3-0 ann 2"});
    CHECK_FALSE(stream.group("group") == group);
    CHECK(stream.group("group").pending().count == 0);
}

TEST_CASE("a batch can be acknowledged when all handles have gone", "[group][remove]") {
    std::optional<Stream<int>> stream{std::in_place};
    stream->add(1);
    stream->add(2);
    const auto batch = stream->group("group").consumer("ann").read();
    stream.reset();
    CHECK(batch[0].ack() == Ack::done);
    CHECK(batch[0].ack() == Ack::stale);
    CHECK(batch[1].value == 2);
}
