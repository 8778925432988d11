// SPDX-License-Identifier: MIT
#include <runnel/clock.hpp>
#include <runnel/error.hpp>
#include <runnel/outcome.hpp>
#include <runnel/read_first.hpp>
#include <runnel/stream.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/elements.hpp"
#include "support/streams.hpp"

#include <chrono>
#include <cstddef>
#include <span>
#include <stop_token>
#include <utility>
#include <vector>

using runnel::Batch;
using runnel::Ending;
using runnel::EntriesOf;
using runnel::ErrorCode;
using runnel::From;
using runnel::ManualClock;
using runnel::read_first;
using runnel::ReadOptions;
using runnel::ReadPlace;
using runnel::Stream;
using runnel::StreamId;
using runnel::test::Call;
using runnel::test::ending;
using runnel::test::error_of;
using runnel::test::Ids;
using runnel::test::ids;
using namespace std::chrono_literals;

namespace {

using Parts = std::vector<std::pair<std::size_t, Ids>>;

Parts parts(const Batch<EntriesOf<int>>& batch) {
    Parts all;
    for (const auto& [which, entries] : batch) all.emplace_back(which, ids(entries));
    return all;
}

struct TwoStreams {
    ManualClock clock;
    Stream<int> orders{{.clock = &clock}};
    Stream<int> refunds{{.clock = &clock}};

    static void add(const Stream<int>& stream, std::initializer_list<std::uint64_t> numbers) {
        for (const auto number : numbers) stream.add(StreamId{number}, static_cast<int>(number));
    }

    // The call is made from these places.
    std::vector<ReadPlace<int>> places{{orders, From::end}, {refunds, From::end}};

    [[nodiscard]] Call<Batch<EntriesOf<int>>> reading(ReadOptions options = {}) {
        return {clock, [this, options](const std::stop_token& stop) mutable {
                    options.stop = stop;
                    return read_first(places, options);
                }};
    }
};

}  // namespace

TEST_CASE_METHOD(TwoStreams, "a read of several streams gets what each of them has",
                 "[stream][read_first]") {
    add(orders, {1, 2, 3});
    add(refunds, {1, 5});
    CHECK(parts(read_first<int>({{orders, StreamId{1}}, {refunds, From::start}})) ==
          Parts{{0, ids({2, 3})}, {1, ids({1, 5})}});
    CHECK(parts(read_first<int>({{refunds, StreamId{1}}, {orders, StreamId{2}}})) ==
          Parts{{0, ids({5})}, {1, ids({3})}});
}

TEST_CASE_METHOD(TwoStreams, "a stream that has nothing is left out", "[stream][read_first]") {
    add(refunds, {1});
    CHECK(parts(read_first<int>({{orders, From::start}, {refunds, From::start}})) ==
          Parts{{1, ids({1})}});
    CHECK(parts(read_first<int>({{refunds, From::start}, {orders, From::start}})) ==
          Parts{{0, ids({1})}});
}

TEST_CASE_METHOD(TwoStreams, "a stream that is named twice is read twice", "[stream][read_first]") {
    add(orders, {1, 2});
    CHECK(parts(read_first<int>({{orders, StreamId{1}}, {orders, From::start}})) ==
          Parts{{0, ids({2})}, {1, ids({1, 2})}});
}

TEST_CASE_METHOD(TwoStreams, "a read of several streams has a limit for each of them",
                 "[stream][read_first]") {
    add(orders, {1, 2, 3});
    add(refunds, {4});
    places = {{orders, From::start}, {refunds, From::start}};
    CHECK(parts(read_first(places, {.count = 2})) == Parts{{0, ids({1, 2})}, {1, ids({4})}});
    CHECK(parts(read_first(std::span<const ReadPlace<int>>{places}, {.count = 1})) ==
          Parts{{0, ids({1})}, {1, ids({4})}});
}

TEST_CASE_METHOD(TwoStreams, "a read of several streams comes through many blocks of memory",
                 "[stream][read_first]") {
    for (int number = 1; number <= 1'000; ++number) orders.add(int{number});
    const auto batch = read_first<int>({{refunds, From::start}, {orders, From::start}});
    REQUIRE(batch.size() == 1);
    CHECK(batch[0].which == 1);
    CHECK(batch[0].entries.size() == 1'000);
}

// ------------------------------------------------------------------ waiting

TEST_CASE_METHOD(TwoStreams, "a read of several streams waits for whichever gets an entry first",
                 "[stream][read_first][wait]") {
    add(orders, {1});
    auto read = reading();
    REQUIRE(read.waits());
    CHECK(orders.info().waiting == 1);
    CHECK(refunds.info().waiting == 1);
    add(refunds, {7});
    CHECK(parts(read.result()) == Parts{{1, ids({7})}});
    CHECK(orders.info().waiting + refunds.info().waiting == 0);
}

TEST_CASE_METHOD(TwoStreams, "the end of a stream is where it ends when the read begins",
                 "[stream][read_first][wait]") {
    add(orders, {1});
    auto read = reading();
    REQUIRE(read.waits());
    add(orders, {2});
    CHECK(parts(read.result()) == Parts{{0, ids({2})}});
}

TEST_CASE_METHOD(TwoStreams, "a read of several streams ends when its time is over",
                 "[stream][read_first][time]") {
    auto read = reading({.timeout = 1h});
    clock.advance(1h - 1ns);
    CHECK(read.waits());
    clock.advance(1ns);
    CHECK(ending(read.result()) == Ending::timed_out);
    CHECK(ending(read_first(places, {.timeout = 0s})) == Ending::timed_out);
}

TEST_CASE_METHOD(TwoStreams, "a read of several streams ends when it is asked to stop",
                 "[stream][read_first][stop]") {
    auto read = reading();
    REQUIRE(read.waits());
    read.stop();
    CHECK(ending(read.result()) == Ending::stopped);
}

TEST_CASE_METHOD(TwoStreams, "a read of several streams ends when all are closed",
                 "[stream][read_first][close]") {
    auto read = reading();
    orders.close();
    CHECK(read.waits());
    refunds.close();
    CHECK(ending(read.result()) == Ending::closed);
    CHECK(ending(read_first(places)) == Ending::closed);
}

TEST_CASE_METHOD(TwoStreams, "what is left in closed streams is read", "[stream][read_first]") {
    add(refunds, {1});
    orders.close();
    refunds.close();
    CHECK(parts(read_first<int>({{orders, From::start}, {refunds, From::start}})) ==
          Parts{{1, ids({1})}});
}

// ------------------------------------------------------------------ misuse

TEST_CASE_METHOD(TwoStreams, "a read of several streams that cannot be meant is an error",
                 "[stream][read_first]") {
    const std::vector<ReadPlace<int>> none;
    CHECK(error_of([&] { return read_first(none); }) == ErrorCode::invalid_argument);
    CHECK(error_of([&] { return read_first(places, {.count = 0}); }) ==
          ErrorCode::invalid_argument);
    places[1].stream = Stream<int>{};
    CHECK(error_of([&] { return read_first(places); }) == ErrorCode::invalid_argument);
}
