// SPDX-License-Identifier: MIT
#include <runnel/clock.hpp>
#include <runnel/error.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/lifetime.hpp"
#include "support/streams.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>

using runnel::Cursor;
using runnel::Ending;
using runnel::ErrorCode;
using runnel::From;
using runnel::ManualClock;
using runnel::Stream;
using runnel::StreamId;
using runnel::test::Census;
using runnel::test::ending;
using runnel::test::error_of;
using runnel::test::eventually;
using runnel::test::id_range;
using runnel::test::Ids;
using runnel::test::ids;
using runnel::test::MoveOnly;
using runnel::test::Numbers;
using runnel::test::numbers;
using runnel::test::NumberStream;
using runnel::test::reading;
using namespace std::chrono_literals;

namespace {

struct StreamOfThree : NumberStream {
    StreamOfThree() { add({1, 2, 3}); }
};

// What a try_read() at a time gives until nothing comes, or until it is `most`.
Ids drain(Cursor<int>& cursor, std::size_t most = 1'000) {
    Ids all;
    while (all.size() != most) {
        const auto batch = cursor.try_read({.count = most - all.size()});
        if (!batch) return all;
        for (const auto& entry : batch) all.push_back(entry.id);
    }
    return all;
}

}  // namespace

// ------------------------------------------------------------------ what a read gives

TEST_CASE_METHOD(StreamOfThree, "a read gives what lies behind an id", "[stream][read]") {
    CHECK(ids(stream.read(StreamId{})) == ids({1, 2, 3}));
    CHECK(ids(stream.read(StreamId{1})) == ids({2, 3}));
    CHECK(ids(stream.read(StreamId{1, 1})) == ids({2, 3}));
    CHECK(ids(stream.try_read(StreamId{2})) == ids({3}));
    CHECK_FALSE(stream.try_read(StreamId{3}));
    CHECK_FALSE(stream.try_read(StreamId::max()));
}

TEST_CASE_METHOD(StreamOfThree, "a read begins at the start, at the end or behind an id",
                 "[stream][read]") {
    CHECK(ids(stream.read(From::start)) == ids({1, 2, 3}));
    CHECK_FALSE(stream.try_read(From::end));
    CHECK(ids(stream.read(From{StreamId{2}})) == ids({3}));
    CHECK(From::start.id() == StreamId{});
    CHECK(From::end.id() == std::nullopt);
}

TEST_CASE_METHOD(NumberStream, "a read gives as many as are asked for, out of many blocks",
                 "[stream][read]") {
    add_range(1, 300);
    CHECK(ids(stream.read(From::start)) == id_range(1, 300));
    CHECK(ids(stream.read(From::start, {.count = 1})) == ids({1}));
    CHECK(ids(stream.read(StreamId{100}, {.count = 150})) == id_range(101, 250));
    CHECK(ids(stream.try_read(StreamId{100}, {.count = 150})) == id_range(101, 250));
}

TEST_CASE_METHOD(StreamOfThree, "a read of no entries is refused", "[stream][read]") {
    CHECK(error_of([&] { return stream.read(From::start, {.count = 0}); }) ==
          ErrorCode::invalid_argument);
    CHECK(error_of([&] { return stream.try_read(From::start, {.count = 0}); }) ==
          ErrorCode::invalid_argument);
    Cursor<int> cursor = stream.cursor();
    CHECK(error_of([&] { return cursor.read({.count = 0}); }) == ErrorCode::invalid_argument);
    CHECK(error_of([&] { return cursor.try_read({.count = 0}); }) == ErrorCode::invalid_argument);
    CHECK(ids(cursor.read()) == ids({1, 2, 3}));
}

TEST_CASE_METHOD(StreamOfThree, "a read takes nothing away", "[stream][read]") {
    CHECK(stream.read(From::start).size() == 3);
    CHECK(stream.read(From::start).size() == 3);
    CHECK(stream.size() == 3);
}

// ------------------------------------------------------------------ waiting

TEST_CASE_METHOD(StreamOfThree, "a read at the end waits until something is added",
                 "[stream][read][wait]") {
    auto read = reading(clock, stream, From::end);
    REQUIRE(read.waits());
    add({4});
    CHECK(ids(read.result()) == ids({4}));
}

TEST_CASE_METHOD(NumberStream, "an entry ends every read that waits for it",
                 "[stream][read][wait]") {
    auto first = reading(clock, stream, From::end);
    auto second = reading(clock, stream, From::start, {.count = 1});
    auto third = reading(clock, stream, StreamId{5});
    CHECK(stream.info().waiting == 3);
    add({5});
    CHECK(ids(first.result()) == ids({5}));
    CHECK(ids(second.result()) == ids({5}));
    CHECK(third.waits());
    CHECK(stream.info().waiting == 1);
    add({6});
    CHECK(ids(third.result()) == ids({6}));
    CHECK(stream.info().waiting == 0);
}

TEST_CASE_METHOD(NumberStream, "a read that is ahead of the stream lets lower ids pass",
                 "[stream][read][wait]") {
    auto read = reading(clock, stream, StreamId{9});
    add({1, 5, 9});
    REQUIRE(read.waits());
    add({10});
    CHECK(ids(read.result()) == ids({10}));
}

TEST_CASE_METHOD(StreamOfThree, "an end that was erased is still the end", "[stream][read][wait]") {
    stream.erase({{3}});
    auto read = reading(clock, stream, From::end);
    stream.erase({{2}});
    stream.trim({.count = 0});
    REQUIRE(read.waits());
    add({4});
    CHECK(ids(read.result()) == ids({4}));
}

TEST_CASE("an entry that is trimmed away as it is added is read by nobody",
          "[stream][read][wait]") {
    ManualClock clock;
    const Stream<int> stream{{.keep = {.count = 0}, .clock = &clock}};
    auto read = reading(clock, stream, From::start, {.timeout = 1h});
    stream.add(1);
    CHECK(read.waits());
    CHECK(stream.info().entries_added == 1);
    CHECK(stream.size() == 0);
    clock.advance(1h);
    CHECK(ending(read.result()) == Ending::timed_out);
}

TEST_CASE_METHOD(NumberStream, "a read ends when its time is over, to the nanosecond",
                 "[stream][read][time]") {
    auto read = reading(clock, stream, From::end, {.timeout = 1h});
    auto cursor = stream.cursor();
    auto by_cursor = reading(clock, cursor, {.timeout = 1h});
    clock.advance(1h - 1ns);
    CHECK((read.waits() && by_cursor.waits()));
    clock.advance(1ns);
    CHECK(ending(read.result()) == Ending::timed_out);
    CHECK(ending(by_cursor.result()) == Ending::timed_out);
    CHECK(stream.info().waiting == 0);
}

TEST_CASE_METHOD(StreamOfThree, "a read that may not wait does not", "[stream][read][time]") {
    CHECK(ending(stream.read(From::end, {.timeout = 0s})) == Ending::timed_out);
    CHECK(ending(stream.read(From::end, {.timeout = -1s})) == Ending::timed_out);
    CHECK(ending(stream.try_read(From::end)) == Ending::timed_out);
    CHECK(ending(stream.cursor(From::end).try_read()) == Ending::timed_out);
    CHECK(stream.read(From::start, {.timeout = -1s}).size() == 3);
}

TEST_CASE_METHOD(NumberStream, "a read ends when its stop token is asked to stop",
                 "[stream][read][stop]") {
    auto read = reading(clock, stream, From::start);
    auto cursor = stream.cursor();
    auto by_cursor = reading(clock, cursor);
    read.stop();
    by_cursor.stop();
    CHECK(ending(read.result()) == Ending::stopped);
    CHECK(ending(by_cursor.result()) == Ending::stopped);
    CHECK(stream.info().waiting == 0);
}

TEST_CASE_METHOD(StreamOfThree, "an entry is worth more than a stop", "[stream][read][stop]") {
    std::stop_source stop;
    stop.request_stop();
    CHECK(stream.read(From::start, {.stop = stop.get_token()}).size() == 3);
    CHECK(ending(stream.read(From::end, {.stop = stop.get_token()})) == Ending::stopped);
    CHECK(stream.cursor().read({.stop = stop.get_token()}).size() == 3);
}

TEST_CASE_METHOD(NumberStream, "who was served before its time was over has it afterwards",
                 "[stream][read][time]") {
    auto read = reading(clock, stream, From::start, {.timeout = 1s});
    clock.advance(1s - 1ns);
    add({1});
    clock.advance(1h);
    CHECK(ids(read.result()) == ids({1}));
}

// ------------------------------------------------------------------ closing

TEST_CASE_METHOD(NumberStream, "closing ends the reads that wait", "[stream][read][close]") {
    auto read = reading(clock, stream, From::start);
    auto ahead = reading(clock, stream, StreamId{9});
    auto cursor = stream.cursor();
    auto by_cursor = reading(clock, cursor);
    stream.close();
    CHECK(ending(read.result()) == Ending::closed);
    CHECK(ending(ahead.result()) == Ending::closed);
    CHECK(ending(by_cursor.result()) == Ending::closed);
}

TEST_CASE_METHOD(StreamOfThree, "what a closed stream holds can still be read",
                 "[stream][read][close]") {
    stream.close();
    CHECK(ids(stream.read(From::start)) == ids({1, 2, 3}));
    CHECK(ending(stream.read(StreamId{3})) == Ending::closed);
    CHECK(ending(stream.try_read(From::end)) == Ending::closed);
    auto cursor = stream.cursor();
    CHECK(ids(cursor.read({.count = 2})) == ids({1, 2}));
    CHECK(ids(cursor.read()) == ids({3}));
    CHECK(ending(cursor.read()) == Ending::closed);
    CHECK(ending(cursor.try_read()) == Ending::closed);
}

TEST_CASE("the last handle closes the stream it was a handle of", "[stream][read][close]") {
    ManualClock clock;
    std::optional<Stream<int>> stream{std::in_place, runnel::StreamOptions{.clock = &clock}};
    auto read = reading(clock, *stream, From::start);
    auto cursor = stream->cursor();
    auto by_cursor = reading(clock, cursor);
    std::optional group = stream->group("group");
    std::optional consumer = group->consumer("ann");
    stream.reset();
    group.reset();
    CHECK(read.waits());
    consumer.reset();
    CHECK(ending(read.result()) == Ending::closed);
    CHECK(ending(by_cursor.result()) == Ending::closed);
}

// ------------------------------------------------------------------ cursors

TEST_CASE_METHOD(StreamOfThree, "a cursor reads on where it stopped", "[stream][cursor]") {
    auto cursor = stream.cursor();
    CHECK(cursor.position() == StreamId{});
    CHECK(ids(cursor.read({.count = 2})) == ids({1, 2}));
    CHECK(cursor.position() == StreamId{2});
    CHECK(ids(cursor.try_read()) == ids({3}));
    CHECK_FALSE(cursor.try_read());
    CHECK(cursor.position() == StreamId{3});
    add({4, 5});
    CHECK(drain(cursor) == ids({4, 5}));
}

TEST_CASE_METHOD(StreamOfThree, "a cursor begins at the start, at the end or behind an id",
                 "[stream][cursor]") {
    auto at_start = stream.cursor(From::start);
    auto at_end = stream.cursor(From::end);
    auto behind_first = stream.cursor(StreamId{1});
    CHECK(at_end.position() == StreamId{3});
    CHECK(behind_first.position() == StreamId{1});
    add({4});
    CHECK(drain(at_start) == ids({1, 2, 3, 4}));
    CHECK(drain(at_end) == ids({4}));
    CHECK(drain(behind_first) == ids({2, 3, 4}));
}

TEST_CASE_METHOD(NumberStream, "a cursor reads block by block, each entry once",
                 "[stream][cursor]") {
    add_range(1, 300);
    auto cursor = stream.cursor();
    Numbers all;
    while (auto batch = cursor.try_read()) {
        REQUIRE(batch.size() <= 64);
        for (const auto& entry : batch) all.push_back(entry.value);
        REQUIRE(cursor.position() == batch.back().id);
    }
    CHECK(all == numbers(stream.range()));
}

TEST_CASE_METHOD(NumberStream, "a cursor that waits is woken by what is added",
                 "[stream][cursor][wait]") {
    auto cursor = stream.cursor();
    for (int number = 1; number <= 100; ++number) {
        auto read = reading(clock, cursor);
        REQUIRE(read.waits());
        add({number});
        REQUIRE(ids(read.result()) == ids({number}));
    }
}

TEST_CASE_METHOD(NumberStream, "a cursor that is ahead of the stream lets lower ids pass",
                 "[stream][cursor][wait]") {
    auto cursor = stream.cursor(StreamId{9});
    add({1, 5});
    CHECK_FALSE(cursor.try_read());
    auto read = reading(clock, cursor);
    add({9});
    REQUIRE(read.waits());
    CHECK(cursor.position() == StreamId{9});
    add({10});
    CHECK(ids(read.result()) == ids({10}));
}

TEST_CASE_METHOD(NumberStream, "a cursor goes on behind what was trimmed away before it came there",
                 "[stream][cursor][trim]") {
    add_range(1, 200);
    auto cursor = stream.cursor();
    CHECK(ids(cursor.read({.count = 1})) == ids({1}));
    stream.trim({.count = 10});
    CHECK(drain(cursor) == id_range(191, 200));
    stream.trim({.count = 0});
    CHECK_FALSE(cursor.try_read());
    add({201});
    CHECK(ids(cursor.read()) == ids({201}));
}

TEST_CASE_METHOD(NumberStream, "a cursor goes on when all there was has been trimmed away",
                 "[stream][cursor][trim]") {
    add_range(1, 200);
    auto beginning = stream.cursor();
    auto in_the_middle = stream.cursor();
    auto at_end = stream.cursor(From::end);
    REQUIRE(drain(in_the_middle, 30) == id_range(1, 30));
    stream.trim({.count = 0});
    CHECK_FALSE(beginning.try_read());
    CHECK_FALSE(in_the_middle.try_read());
    auto read = reading(clock, at_end);
    add({201});
    CHECK(ids(beginning.read()) == ids({201}));
    CHECK(ids(in_the_middle.read()) == ids({201}));
    CHECK(ids(read.result()) == ids({201}));
}

TEST_CASE_METHOD(NumberStream, "a cursor passes over what was erased", "[stream][cursor]") {
    add_range(1, 10);
    auto cursor = stream.cursor();
    stream.erase({{1}, {4}, {5}});
    CHECK(drain(cursor, 3) == ids({2, 3, 6}));
    stream.erase({{7}, {8}, {9}, {10}});
    CHECK_FALSE(cursor.try_read());
    add({11});
    CHECK(ids(cursor.read()) == ids({11}));
}

TEST_CASE("a cursor keeps no value from dying", "[stream][cursor][lifetime]") {
    const Census census;
    const Stream<MoveOnly> stream;
    for (int number = 0; number != 100; ++number) stream.add(number);
    auto cursor = stream.cursor();
    for (std::size_t read = 0; read < 30;) read += cursor.read({.count = 30 - read}).size();
    stream.trim({.count = 0});
    CHECK(census.alive() == 0);
    CHECK(census.faults() == 0);
}

TEST_CASE_METHOD(StreamOfThree, "a cursor that timed out or was stopped misses nothing",
                 "[stream][cursor][wait]") {
    auto cursor = stream.cursor(From::end);
    auto timed_out = reading(clock, cursor, {.timeout = 1s});
    clock.advance(1s);
    REQUIRE(ending(timed_out.result()) == Ending::timed_out);
    add({4});
    CHECK(ids(cursor.try_read()) == ids({4}));
    auto stopped = reading(clock, cursor);
    stopped.stop();
    REQUIRE(ending(stopped.result()) == Ending::stopped);
    add({5, 6});
    CHECK(drain(cursor) == ids({5, 6}));
}

TEST_CASE_METHOD(StreamOfThree, "a cursor may be moved", "[stream][cursor]") {
    auto cursor = stream.cursor();
    REQUIRE(cursor.read({.count = 1}));
    auto moved = std::move(cursor);
    CHECK(ids(moved.read({.count = 1})) == ids({2}));
    cursor = stream.cursor();
    CHECK(ids(cursor.read({.count = 1})) == ids({1}));
    CHECK(ids(moved.read()) == ids({3}));
}

TEST_CASE("a cursor reads to the end when the last handle has gone", "[stream][cursor][close]") {
    auto stream = std::make_unique<Stream<int>>();
    for (int number = 1; number <= 100; ++number) stream->add(int{number});
    auto cursor = stream->cursor();
    REQUIRE(cursor.read({.count = 3}));
    stream.reset();
    int last = 3;
    while (auto batch = cursor.read()) last = batch.back().value;
    CHECK(last == 100);
    CHECK(ending(cursor.read()) == Ending::closed);
}

// ------------------------------------------------------------------ in real time

TEST_CASE("in real time a read waits until something is added", "[stream][read][system]") {
    const Stream<int> stream;
    auto cursor = stream.cursor();
    for (int round = 0; round != 100; ++round) {
        std::optional<int> read;
        std::optional<int> by_cursor;
        {
            const std::jthread reader{[&, last = stream.last_id()] {
                read = stream.read(last).size() == 1 ? round : -1;
            }};
            const std::jthread other{[&] {
                auto batch = cursor.read();
                by_cursor = batch.front().value;
            }};
            if (round % 2 == 0) eventually([&] { return stream.info().waiting == 2; });
            stream.add(int{round});
        }
        REQUIRE(read == round);
        REQUIRE(by_cursor == round);
    }
}

TEST_CASE("in real time a read ends after its time, not before", "[stream][read][system]") {
    const Stream<int> stream;
    const auto start = std::chrono::steady_clock::now();
    CHECK(ending(stream.read(From::start, {.timeout = 3ms})) == Ending::timed_out);
    CHECK(std::chrono::steady_clock::now() - start >= 3ms);
}
