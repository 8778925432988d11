// SPDX-License-Identifier: MIT
// Reads of streams, cursors and groups by coroutines.
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/error.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/coroutines.hpp"
#include "support/errors.hpp"
#include "support/streams.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

using runnel::Consumer;
using runnel::Cursor;
using runnel::Deliveries;
using runnel::Ending;
using runnel::Entries;
using runnel::ErrorCode;
using runnel::From;
using runnel::ManualClock;
using runnel::Stream;
using runnel::StreamId;
using runnel::StreamOptions;
using runnel::WaitOptions;
using runnel::test::Coroutine;
using runnel::test::error_of;
using runnel::test::id_range;
using runnel::test::Ids;
using runnel::test::ids;
using runnel::test::Loop;
using runnel::test::NumberGroup;
using runnel::test::NumberStream;
using runnel::test::reading;
using runnel::test::Rows;
using namespace std::chrono_literals;

namespace {

// Awaits `read`, and puts what it gives into `outcome`.
template <typename Batch, typename Read>
Coroutine read_into(std::optional<Batch>& outcome, Read read) {
    outcome.emplace(co_await read);
}

// What all three kinds of reads give, in one type.
struct ReadOutcome {
    template <typename Batch>
    explicit ReadOutcome(const Batch& batch) : all{ids(batch)}, missed{batch.missed()} {
        if (!batch) ending = batch.ending();
    }

    Ids all;
    std::uint64_t missed;
    std::optional<Ending> ending;
};
using Outcomes = std::optional<ReadOutcome>;

enum class Reader { of_stream, of_cursor, of_group };

// A stream that is empty, and one reader of each kind, which begins there.
struct Readers : NumberGroup {
    Cursor<int> cursor = stream.cursor();
    Reader reader = GENERATE(Reader::of_stream, Reader::of_cursor, Reader::of_group);

    [[nodiscard]] Coroutine read(Outcomes& outcome, const WaitOptions& options = {}) {
        return go(outcome, options, [](auto awaitable) { return awaitable; });
    }
    [[nodiscard]] Coroutine read_on(Loop& loop, Outcomes& outcome,
                                    const WaitOptions& options = {}) {
        return go(outcome, options,
                  [&loop](auto awaitable) { return std::move(awaitable).on(loop); });
    }

    [[nodiscard]] std::size_t waiting() const { return stream.info().waiting; }

private:
    template <typename Bind>
    [[nodiscard]] Coroutine go(Outcomes& outcome, const WaitOptions& options, Bind bind) {
        const auto& [timeout, stop] = options;
        switch (reader) {
        case Reader::of_stream:
            return read_into(
                outcome, bind(stream.async_read(From::start, {.timeout = timeout, .stop = stop})));
        case Reader::of_cursor:
            return read_into(outcome, bind(cursor.async_read({.timeout = timeout, .stop = stop})));
        default:
            return read_into(outcome, bind(ann.async_read({.timeout = timeout, .stop = stop})));
        }
    }
};

}  // namespace

// ------------------------------------------------------------------ what holds for all reads

TEST_CASE_METHOD(Readers, "a coroutine reads at once what is there", "[async][stream]") {
    add({1, 2});
    Outcomes outcome;
    const Coroutine one = read(outcome);
    CHECK(one.done());
    CHECK(outcome->all == ids({1, 2}));
}

TEST_CASE_METHOD(Readers, "a coroutine reads on inside the call that adds", "[async][stream]") {
    Outcomes outcome;
    const Coroutine one = read(outcome);
    REQUIRE_FALSE(outcome);
    CHECK(waiting() == 1);
    add({1});
    REQUIRE(outcome);
    CHECK(outcome->all == ids({1}));
    CHECK(waiting() == 0);
}

TEST_CASE_METHOD(Readers, "a coroutine with an executor reads on there", "[async][stream]") {
    Loop loop;
    Outcomes outcome;
    const Coroutine one = read_on(loop, outcome);
    add({1, 2});
    CHECK_FALSE(outcome);
    CHECK(loop.run() == 1);
    CHECK(outcome->all == ids({1}));
}

TEST_CASE_METHOD(Readers, "a read of a coroutine times out as the clock moves", "[async][stream]") {
    Outcomes outcome;
    const Coroutine one = read(outcome, {.timeout = 10ms});
    clock.advance(10ms - 1ns);
    REQUIRE_FALSE(outcome);
    clock.advance(1ns);
    CHECK(outcome->ending == Ending::timed_out);
    CHECK(waiting() == 0);
    add({1});
    CHECK(group.pending().count == 0);
}

TEST_CASE_METHOD(Readers, "with a time-out of zero a coroutine does not wait", "[async][stream]") {
    Outcomes outcome;
    const Coroutine one = read(outcome, {.timeout = 0ms});
    CHECK(outcome->ending == Ending::timed_out);
    CHECK(waiting() == 0);
}

TEST_CASE_METHOD(Readers, "a stop ends the read of a coroutine, inside request_stop()",
                 "[async][stream]") {
    std::stop_source stop;
    Outcomes outcome;
    const Coroutine one = read(outcome, {.stop = stop.get_token()});
    REQUIRE_FALSE(outcome);
    stop.request_stop();
    CHECK(outcome->ending == Ending::stopped);
    CHECK(waiting() == 0);
}

TEST_CASE_METHOD(Readers, "a stop that was asked for before ends no read of what is there",
                 "[async][stream]") {
    std::stop_source stop;
    stop.request_stop();
    add({1});
    Outcomes with;
    Outcomes without;
    const Coroutine one = read(with, {.stop = stop.get_token()});
    CHECK(with->all == ids({1}));
    if (reader == Reader::of_stream) stream.erase({{1}});
    const Coroutine other = read(without, {.stop = stop.get_token()});
    CHECK(without->ending == Ending::stopped);
    CHECK(waiting() == 0);
}

TEST_CASE_METHOD(Readers, "a coroutine that was served has its entries though a stop comes",
                 "[async][stream]") {
    std::stop_source stop;
    Loop loop;
    Outcomes outcome;
    const Coroutine one = read_on(loop, outcome, {.timeout = 1h, .stop = stop.get_token()});
    add({1});
    stop.request_stop();
    clock.advance(2h);
    stream.close();
    CHECK_FALSE(outcome);
    CHECK(loop.run() == 1);
    CHECK(outcome->all == ids({1}));
}

TEST_CASE_METHOD(NumberGroup, "a stop token in the braces of an awaited call is kept as any other",
                 "[async][stream]") {
    std::stop_source stop;
    Cursor<int> cursor = stream.cursor();
    int reads = 0;
    const auto read_on = [&](std::stop_token token) -> Coroutine {
        while (const auto batch = co_await cursor.async_read({.count = 1, .stop = token})) ++reads;
    };
    const auto read = [&](std::stop_token token) -> Coroutine {
        while (const auto batch = co_await stream.async_read(From::end, {.stop = token})) ++reads;
    };
    const auto work = [&](std::stop_token token) -> Coroutine {
        while (const auto batch = co_await ann.async_read({.count = 1, .stop = token})) ++reads;
    };
    const Coroutine one = read_on(stop.get_token());
    const Coroutine two = read(stop.get_token());
    const Coroutine three = work(stop.get_token());
    add_range(1, 20);
    CHECK(reads == 60);
    CHECK(stop.request_stop());  // its state is still there
    CHECK((one.done() && two.done() && three.done()));
}

TEST_CASE_METHOD(Readers, "closing ends the reads of coroutines", "[async][stream]") {
    Outcomes outcome;
    const Coroutine one = read(outcome);
    stream.close();
    CHECK(outcome->ending == Ending::closed);
}

TEST_CASE_METHOD(Readers, "of a closed stream a coroutine reads what is left, and then the end",
                 "[async][stream]") {
    add({1});
    stream.close();
    Outcomes outcome;
    Coroutine one = read(outcome);
    CHECK(outcome->all == ids({1}));
    if (reader == Reader::of_stream) stream.trim({.count = 0});
    one = read(outcome);
    CHECK(outcome->ending == Ending::closed);
    CHECK(outcome->missed == (reader == Reader::of_stream ? 1 : 0));
}

TEST_CASE_METHOD(Readers, "a read that ends with the stream tells what it has missed",
                 "[async][stream]") {
    Loop loop;
    Outcomes outcome;
    const Coroutine one = read_on(loop, outcome, {.timeout = 1h});
    clock.advance(1h);  // it has timed out, and is still in line
    add({1, 2});
    stream.trim({.count = 0});
    stream.close();
    loop.run();
    CHECK(outcome->ending == Ending::timed_out);
    Outcomes next;
    const Coroutine other = read(next);
    CHECK(next->ending == Ending::closed);
    CHECK(next->missed == 2);
}

TEST_CASE_METHOD(Readers, "a reader that is destroyed in line leaves the line", "[async][stream]") {
    Outcomes outcome;
    Coroutine one = read(outcome, {.timeout = 1h});
    one.destroy();
    CHECK(waiting() == 0);
    add({1});
    clock.advance(2h);
    CHECK(group.pending().count == 0);
    CHECK(cursor.try_read().size() == 1);
}

TEST_CASE_METHOD(Readers, "a coroutine that is destroyed when it was served has read its entries",
                 "[async][stream]") {
    Loop loop;
    Outcomes outcome;
    Coroutine one = read_on(loop, outcome);
    add({1});
    loop.drop();
    one.destroy();
    CHECK_FALSE(outcome);
    CHECK(waiting() == 0);
    add({2});
    CHECK(stream.size() == 2);
    CHECK(ids(cursor.try_read()) == (reader == Reader::of_cursor ? ids({2}) : ids({1, 2})));
    CHECK(pending() == (reader == Reader::of_group ? Rows{"1-0 ann 1"} : Rows{}));
    CHECK(ids(bob.try_read()) == (reader == Reader::of_group ? ids({2}) : ids({1, 2})));
}

TEST_CASE_METHOD(NumberGroup, "a coroutine's read of no entries is refused by the call",
                 "[async][stream]") {
    Cursor<int> cursor = stream.cursor();
    CHECK(error_of([&] { return stream.async_read(From::end, {.count = 0}); }) ==
          ErrorCode::invalid_argument);
    CHECK(error_of([&] { return cursor.async_read({.count = 0}); }) == ErrorCode::invalid_argument);
    CHECK(error_of([&] { return ann.async_read({.count = 0}); }) == ErrorCode::invalid_argument);
}

TEST_CASE("a coroutine's read with a time-out needs somebody who runs the clock",
          "[async][stream]") {
    const Stream<int> stream;
    const auto ann = stream.group("group").consumer("ann");
    Cursor<int> cursor = stream.cursor();
    std::optional<Entries<int>> entries;
    std::optional<Deliveries<int>> deliveries;
    const std::array<Coroutine, 3> reads{
        read_into(entries, stream.async_read(From::start, {.timeout = 1h})),
        read_into(entries, cursor.async_read({.timeout = 1h})),
        read_into(deliveries, ann.async_read({.timeout = 1h})),
    };
    for (const Coroutine& read : reads) {
        CHECK(read.done());
        CHECK(error_of([&] { read.check(); }) == ErrorCode::clock_not_run);
    }
    CHECK(stream.info().waiting == 0);
    CHECK_FALSE(entries);
    CHECK_FALSE(deliveries);
}

TEST_CASE("a coroutine that reads does not keep its stream open", "[async][stream]") {
    ManualClock clock;
    std::optional<Stream<int>> stream{std::in_place, StreamOptions{.clock = &clock}};
    Cursor<int> cursor = stream->cursor();
    std::optional<Entries<int>> of_stream;
    std::optional<Entries<int>> of_cursor;
    std::optional<Deliveries<int>> of_group;
    const Coroutine one = read_into(of_stream, stream->async_read(From::end));
    const Coroutine other = read_into(of_cursor, cursor.async_read());
    const Coroutine third =
        read_into(of_group, stream->group("group").consumer("ann").async_read());
    CHECK_FALSE(of_group);
    stream.reset();
    CHECK(of_stream->ending() == Ending::closed);
    CHECK(of_cursor->ending() == Ending::closed);
    CHECK(of_group->ending() == Ending::closed);
}

TEST_CASE("an awaitable of a stream can be awaited when the last handle has gone, and again",
          "[async][stream]") {
    ManualClock clock;
    std::optional<Stream<int>> stream{std::in_place, StreamOptions{.clock = &clock}};
    stream->add({1}, 1);
    auto from_start = stream->async_read(From::start);
    auto from_group = stream->group("group").consumer("a name that is not short").async_read();
    stream.reset();
    std::optional<Entries<int>> entries;
    std::optional<Deliveries<int>> deliveries;
    const auto twice = [&]() -> Coroutine {
        for (int i = 0; i != 2; ++i) {
            entries.emplace(co_await from_start);
            CHECK(ids(*entries) == ids({1}));
            deliveries.emplace(co_await from_group);
        }
    };
    const Coroutine both = twice();
    CHECK(both.done());
    CHECK(deliveries->ending() == Ending::closed);
}

TEST_CASE("what a coroutine's read gives is what the call gives", "[async][stream]") {
    const auto awaited = [](auto awaitable) {
        return awaitable.operator co_await().await_resume();
    };
    using OfStream = decltype(awaited(std::declval<Stream<int>>().async_read(From::end)));
    using OfCursor = decltype(awaited(std::declval<Cursor<int>&>().async_read()));
    using OfGroup = decltype(awaited(std::declval<Consumer<int>>().async_read()));
    STATIC_REQUIRE(std::is_same_v<OfStream, Entries<int>>);
    STATIC_REQUIRE(std::is_same_v<OfCursor, Entries<int>>);
    STATIC_REQUIRE(std::is_same_v<OfGroup, Deliveries<int>>);
}

// ------------------------------------------------------------------ of a stream, of a cursor

TEST_CASE_METHOD(NumberStream, "a coroutine reads as many as it asks for, out of many blocks",
                 "[async][stream]") {
    add_range(1, 300);
    std::optional<Entries<int>> batch;
    Coroutine one = read_into(batch, stream.async_read(From::start));
    CHECK(ids(*batch) == id_range(1, 300));
    one = read_into(batch, stream.async_read(StreamId{100}, {.count = 150}));
    CHECK(ids(*batch) == id_range(101, 250));
}

TEST_CASE_METHOD(NumberStream, "the end behind which a coroutine reads is that when it waits",
                 "[async][stream]") {
    add({1});
    std::optional<Entries<int>> batch;
    auto awaitable = stream.async_read(From::end);
    add({2});
    const Coroutine one = read_into(batch, std::move(awaitable));
    CHECK_FALSE(batch);
    add({3});
    CHECK(ids(*batch) == ids({3}));
}

TEST_CASE_METHOD(NumberStream, "an entry ends every read of a coroutine that waits for it",
                 "[async][stream]") {
    Cursor<int> cursor = stream.cursor();
    std::optional<Entries<int>> first;
    std::optional<Entries<int>> second;
    std::optional<Entries<int>> third;
    const Coroutine one = read_into(first, stream.async_read(From::end));
    const Coroutine two = read_into(second, cursor.async_read());
    const Coroutine three = read_into(third, stream.async_read(StreamId{5}));
    auto thread = reading(clock, stream, From::start);
    add({5});
    CHECK(ids(*first) == ids({5}));
    CHECK(ids(*second) == ids({5}));
    CHECK(ids(thread.result()) == ids({5}));
    CHECK_FALSE(third);
    add({6});
    CHECK(ids(*third) == ids({6}));
}

TEST_CASE_METHOD(NumberStream, "a coroutine with a cursor reads all in order, block by block",
                 "[async][stream]") {
    Ids all;
    Cursor<int> cursor = stream.cursor();
    const auto follow = [&]() -> Coroutine {
        while (const auto batch = co_await cursor.async_read({.count = 50}))
            for (const auto& entry : batch) all.push_back(entry.id);
    };
    add_range(1, 100);
    const Coroutine one = follow();
    CHECK(all == id_range(1, 100));
    add_range(101, 300);
    CHECK(all == id_range(1, 300));
    CHECK_FALSE(one.done());
    stream.close();
    CHECK(one.done());
}

TEST_CASE_METHOD(NumberStream, "a coroutine with a cursor is told what it has missed",
                 "[async][stream]") {
    add_range(1, 5);
    Cursor<int> cursor = stream.cursor();
    stream.trim({.count = 2});
    std::optional<Entries<int>> batch;
    Coroutine one = read_into(batch, cursor.async_read());
    CHECK(ids(*batch) == ids({4}));  // its block ends there
    CHECK(batch->missed() == 3);
    CHECK(batch->missed_is_exact());
    one = read_into(batch, cursor.async_read());
    CHECK(ids(*batch) == ids({5}));
    CHECK(batch->missed() == 0);
}

TEST_CASE_METHOD(NumberStream, "a cursor goes on by turns of coroutines and threads",
                 "[async][stream]") {
    Cursor<int> cursor = stream.cursor();
    std::optional<Entries<int>> batch;
    Coroutine one = read_into(batch, cursor.async_read());
    add({1});
    CHECK(ids(*batch) == ids({1}));
    auto thread = reading(clock, cursor);
    add({2});
    CHECK(ids(thread.result()) == ids({2}));
    one = read_into(batch, cursor.async_read());
    add({3});
    CHECK(ids(*batch) == ids({3}));
    CHECK(cursor.position() == StreamId{3});
}

// ------------------------------------------------------------------ of a group

TEST_CASE_METHOD(NumberGroup, "coroutines and threads of a group are served as they came",
                 "[async][group]") {
    std::optional<Deliveries<int>> first;
    std::optional<Deliveries<int>> third;
    const Coroutine one = read_into(first, ann.async_read({.count = 2}));
    auto second = reading(clock, bob, {.count = 1});
    const Coroutine last = read_into(third, ann.async_read());
    add({1, 2, 3});
    CHECK(ids(*first) == ids({1}));
    CHECK(ids(second.result()) == ids({2}));
    CHECK(ids(*third) == ids({3}));
    CHECK(pending() == Rows{"1-0 ann 1", "2-0 bob 1", "3-0 ann 1"});
}

TEST_CASE_METHOD(NumberGroup, "an entry goes to the next in line if the first was stopped",
                 "[async][group]") {
    std::stop_source stop;
    Loop loop;
    std::optional<Deliveries<int>> first;
    std::optional<Deliveries<int>> second;
    const Coroutine one = read_into(first, ann.async_read({.stop = stop.get_token()}).on(loop));
    const Coroutine other = read_into(second, bob.async_read());
    stop.request_stop();  // it has ended, and still stands in line
    add({1});
    CHECK(ids(*second) == ids({1}));
    loop.run();
    CHECK(first->ending() == Ending::stopped);
    CHECK(pending() == Rows{"1-0 bob 1"});
}

TEST_CASE_METHOD(NumberGroup, "the reads of coroutines end when their group is removed",
                 "[async][group]") {
    std::optional<Deliveries<int>> first;
    std::optional<Deliveries<int>> next;
    const Coroutine one = read_into(first, ann.async_read());
    CHECK(stream.remove_group("group"));
    CHECK(first->ending() == Ending::gone);
    const Coroutine other = read_into(next, ann.async_read());
    CHECK(next->ending() == Ending::gone);
}

TEST_CASE_METHOD(NumberGroup, "a coroutine that waits for room goes on inside ack()",
                 "[async][group]") {
    add({1, 2, 3});
    const auto cid = group.consumer("cid", {.max_pending = 2});
    const auto held = cid.read();
    REQUIRE(ids(held) == ids({1, 2}));
    std::optional<Deliveries<int>> batch;
    const Coroutine one = read_into(batch, cid.async_read());
    REQUIRE_FALSE(batch);
    held[0].ack();
    REQUIRE(batch);
    CHECK(ids(*batch) == ids({3}));
}

TEST_CASE_METHOD(NumberGroup, "a coroutine that takes over what a consumer had gives it room",
                 "[async][group]") {
    add({1, 2});
    const auto cid = group.consumer("cid", {.max_pending = 1});
    REQUIRE(ids(cid.try_read()) == ids({1}));
    std::optional<Deliveries<int>> waited;
    const Coroutine one = read_into(waited, cid.async_read());
    REQUIRE_FALSE(waited);
    group.set_position(From::start);
    std::optional<Deliveries<int>> batch;
    const Coroutine other = read_into(batch, ann.async_read({.count = 1}));
    CHECK(ids(*batch) == ids({1}));
    REQUIRE(waited);
    CHECK(ids(*waited) == ids({2}));
}

TEST_CASE_METHOD(NumberGroup, "a coroutine at its limit is told what the stream has lost",
                 "[async][group]") {
    add({1, 2});
    const auto cid = group.consumer("cid", {.max_pending = 2});
    const auto held = cid.read();
    stream.erase({{1}});
    std::optional<Deliveries<int>> batch;
    Coroutine one = read_into(batch, cid.async_read());
    CHECK_FALSE(batch);
    add({3});
    CHECK(ids(*batch) == ids({3}));
    CHECK(batch->lost() == ids({1}));

    stream.erase({{2}});
    one = read_into(batch, cid.async_read({.timeout = 1ms}));
    clock.advance(1ms);
    CHECK(batch->ending() == Ending::timed_out);
    CHECK(batch->lost() == ids({2}));
}

TEST_CASE("what is lost stays pending if a coroutine's read cannot begin", "[async][group]") {
    const Stream<int> stream;
    const auto group = stream.group("group");
    const auto cid = group.consumer("cid", {.max_pending = 1});
    const StreamId id = stream.add(1);
    const auto held = cid.read();
    stream.erase({id});
    std::optional<Deliveries<int>> batch;
    const Coroutine one = read_into(batch, cid.async_read({.timeout = 1h}));
    CHECK(error_of([&] { one.check(); }) == ErrorCode::clock_not_run);
    CHECK(cid.try_read().lost() == Ids{id});
}

TEST_CASE_METHOD(NumberGroup, "a coroutine is told what its group has missed", "[async][group]") {
    std::optional<Deliveries<int>> batch;
    add({1, 2, 3});
    stream.trim({.count = 1});
    Coroutine one = read_into(batch, ann.async_read());
    CHECK(ids(*batch) == ids({3}));
    CHECK(batch->missed() == 2);
    one = read_into(batch, ann.async_read());
    add({4});
    CHECK(batch->missed() == 0);
}

TEST_CASE_METHOD(NumberGroup, "what a coroutine acknowledges as it reads never becomes pending",
                 "[async][group]") {
    std::optional<Deliveries<int>> batch;
    const Coroutine one = read_into(batch, ann.async_read({.acknowledged = true}));
    add({1});
    CHECK(ids(*batch) == ids({1}));
    CHECK(pending().empty());
}

TEST_CASE_METHOD(NumberGroup, "a coroutine reads on when the handle of its consumer has gone",
                 "[async][group]") {
    const std::string name = GENERATE("cid", "a consumer of a name that is not short");
    std::optional cid{group.consumer(name)};
    std::optional<Deliveries<int>> batch;
    const Coroutine one = read_into(batch, cid->async_read());
    cid.reset();
    group.remove_consumer(name);
    add({1});
    CHECK(ids(*batch) == ids({1}));
    CHECK(pending() == Rows{"1-0 " + name + " 1"});
}

TEST_CASE_METHOD(NumberGroup, "an entry counts as a call of a coroutine's consumer that waits",
                 "[async][group]") {
    std::optional<Deliveries<int>> first;
    std::optional<Deliveries<int>> second;
    const Coroutine one = read_into(first, ann.async_read());
    Coroutine other = read_into(second, bob.async_read());
    clock.advance(1h);
    add({1});
    clock.advance(1min);
    other.destroy();
    CHECK(info_of("bob").idle == 1min);
    CHECK_FALSE(second);
}

TEST_CASE_METHOD(NumberGroup, "coroutines of a group hand the entries on to another stream",
                 "[async][group]") {
    const NumberStream bills;
    const auto work = [](const Consumer<int>& me, const Stream<int>& to) -> Coroutine {
        while (const auto batch = co_await me.async_read({.count = 1})) {
            to.add(batch.front().id, batch.front().value + 100);
            batch.ack();
        }
    };
    const Coroutine one = work(ann, bills.stream);
    const Coroutine other = work(bob, bills.stream);
    add_range(1, 300);
    CHECK(ids(bills.stream) == id_range(1, 300));
    CHECK(pending().empty());
    stream.close();
    CHECK(one.done());
    CHECK(other.done());
}
