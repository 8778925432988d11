// SPDX-License-Identifier: MIT
#include <runnel/clock.hpp>
#include <runnel/error.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/streams.hpp"

#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using runnel::ErrorCode;
using runnel::ManualClock;
using runnel::Stream;
using runnel::StreamId;
using runnel::test::error_of;
using runnel::test::Ids;
using runnel::test::ids;
using runnel::test::last_number;
using runnel::test::Numbers;
using runnel::test::numbers;
using runnel::test::NumberStream;
using namespace std::chrono_literals;

namespace {

using Millisecond = std::chrono::sys_time<std::chrono::milliseconds>;

// A stream of texts, which show whether they were moved from.
struct TextStream {
    ManualClock clock;
    Stream<std::string> stream{{.clock = &clock}};
    std::string message = "still here";
};

}  // namespace

// ------------------------------------------------------------------ ids of the clock

TEST_CASE_METHOD(NumberStream, "an entry is given the millisecond of the wall clock as its id",
                 "[stream][add]") {
    CHECK(stream.add(1) == StreamId{now_ms(), 0});
    clock.advance(5ms);
    CHECK(stream.add(2) == StreamId{now_ms(), 0});
    CHECK(now_ms() == 1'700'000'000'005);
    CHECK(stream.last_id() == StreamId{now_ms(), 0});
}

TEST_CASE_METHOD(TextStream, "an lvalue is copied, and stays what it is", "[stream][add]") {
    const std::string same = message;
    (void)stream.add(message);
    (void)stream.add(same);
    (void)stream.add(StreamId{2'000'000'000'000, 0}, message);
    (void)stream.add(Millisecond{2'000'000'000'000ms}, message);
    CHECK(message == same);
    for (const auto& [id, text] : stream.range()) CHECK(text == same);
    CHECK(stream.size() == 4);
}

TEST_CASE_METHOD(NumberStream, "entries of one millisecond are numbered", "[stream][add]") {
    for (std::uint64_t number = 0; number != 200; ++number)
        REQUIRE(stream.add(1) == StreamId{now_ms(), number});
    clock.advance(999'999ns);
    CHECK(stream.add(1) == StreamId{now_ms(), 200});
    clock.advance(1ns);
    CHECK(stream.add(1) == StreamId{now_ms(), 0});
}

TEST_CASE_METHOD(NumberStream, "ids go on when the wall clock goes back", "[stream][add]") {
    const std::uint64_t ms = now_ms();
    CHECK(stream.add(1) == StreamId{ms, 0});
    clock.step_wall(-1h);
    CHECK(stream.add(2) == StreamId{ms, 1});
    clock.advance(1h);
    CHECK(stream.add(3) == StreamId{ms, 2});
    clock.advance(1ms);
    CHECK(stream.add(4) == StreamId{ms + 1, 0});
    CHECK(numbers(stream.range()) == Numbers{1, 2, 3, 4});
}

TEST_CASE_METHOD(NumberStream, "an id of the clock follows a given one that lies ahead of it",
                 "[stream][add]") {
    stream.add({99'999'999'999'999, 5}, 1);
    CHECK(stream.add(2) == StreamId{99'999'999'999'999, 6});
    stream.add({99'999'999'999'999, last_number}, 3);
    CHECK(stream.add(4) == StreamId{100'000'000'000'000, 0});
    CHECK(stream.add(5) == StreamId{100'000'000'000'000, 1});
}

TEST_CASE("before 1970 ids begin at 0-1", "[stream][add]") {
    ManualClock clock{ManualClock::WallTime{-5h}};
    const Stream<int> stream{{.clock = &clock}};
    CHECK(stream.add(1) == StreamId{0, 1});
    CHECK(stream.add(2) == StreamId{0, 2});
    clock.advance(5h);
    CHECK(stream.add(3) == StreamId{0, 3});
    clock.advance(1ms);
    CHECK(stream.add(4) == StreamId{1, 0});
}

// ------------------------------------------------------------------ ids that are given

TEST_CASE_METHOD(NumberStream, "an entry can be given any id that is greater than the last",
                 "[stream][add]") {
    const Ids given{{0, 1},           {0, 2},           {0, last_number},
                    {1, 0},           {5, last_number}, {6, 1'000'000'000'000},
                    {last_number, 0}, {last_number, 7}, StreamId::max()};
    for (const StreamId id : given) CHECK(stream.add(id, 1) == id);
    CHECK(ids(stream) == given);
    for (const StreamId id : given) CHECK((*stream.find(id)).id() == id);
}

TEST_CASE_METHOD(TextStream, "an id that is not greater than the last one is refused",
                 "[stream][add]") {
    stream.add({5, 3}, "first");
    for (const StreamId id : Ids{{5, 3}, {5, 2}, {4, 9}, {0, 1}, {0, 0}}) {
        CAPTURE(id);
        CHECK(error_of([&] { return stream.add(id, std::move(message)); }) ==
              ErrorCode::id_too_small);
    }
    CHECK(message == "still here");
    CHECK(stream.size() == 1);
    CHECK(stream.info().entries_added == 1);
}

TEST_CASE_METHOD(TextStream, "0-1 is the least id there is", "[stream][add]") {
    CHECK(error_of([&] {
              return stream.add(StreamId{0, 0}, std::move(message));
          }) == ErrorCode::id_too_small);
    CHECK(message == "still here");
    CHECK(stream.add(StreamId::min(), std::move(message)) == StreamId{0, 1});
    CHECK(stream.last_id() == StreamId{0, 1});
}

TEST_CASE_METHOD(NumberStream, "an id stays taken when its entry is erased or trimmed away",
                 "[stream][add]") {
    add({1, 2});
    REQUIRE(stream.erase({{2}}) == 1);
    CHECK(error_of([&] { return stream.add(StreamId{2}, 2); }) == ErrorCode::id_too_small);
    REQUIRE(stream.trim({.count = 0}) == 1);
    CHECK(stream.size() == 0);
    CHECK(error_of([&] { return stream.add(StreamId{2}, 2); }) == ErrorCode::id_too_small);
    CHECK(stream.last_id() == StreamId{2});
}

TEST_CASE_METHOD(NumberStream, "an entry can be given a millisecond, and is numbered within it",
                 "[stream][add]") {
    CHECK(stream.add(Millisecond{0ms}, 1) == StreamId{0, 1});
    CHECK(stream.add(Millisecond{5ms}, 2) == StreamId{5, 0});
    CHECK(stream.add(Millisecond{5ms}, 3) == StreamId{5, 1});
    CHECK(stream.add(Millisecond{6ms}, 4) == StreamId{6, 0});
}

TEST_CASE_METHOD(TextStream, "a millisecond before the last one is refused", "[stream][add]") {
    stream.add({5, 1}, "first");
    CHECK(error_of([&] { return stream.add(Millisecond{4ms}, std::move(message)); }) ==
          ErrorCode::id_too_small);
    CHECK(error_of([&] { return stream.add(Millisecond{-4ms}, std::move(message)); }) ==
          ErrorCode::id_too_small);
    CHECK(message == "still here");
}

TEST_CASE_METHOD(TextStream, "a millisecond whose numbers are used up is refused",
                 "[stream][add]") {
    stream.add({7, last_number}, "last of 7");
    CHECK(error_of([&] { return stream.add(Millisecond{7ms}, std::move(message)); }) ==
          ErrorCode::id_too_small);
    CHECK(stream.add(Millisecond{8ms}, std::move(message)) == StreamId{8, 0});
}

TEST_CASE_METHOD(NumberStream, "a millisecond may lie in a far future", "[stream][add]") {
    const Millisecond far{99'999'999'999'999ms};
    CHECK(stream.add(far, 1) == StreamId{99'999'999'999'999, 0});
    CHECK(stream.add(far, 2) == StreamId{99'999'999'999'999, 1});
    CHECK(stream.add(Millisecond::max(), 3).ms ==
          static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));
}

// ------------------------------------------------------------------ the last id

TEST_CASE_METHOD(TextStream, "after the greatest id every add is refused", "[stream][add]") {
    stream.add({last_number, last_number - 1}, "last but one");
    CHECK(stream.add("last") == StreamId::max());
    CHECK(error_of([&] { return stream.add(std::move(message)); }) == ErrorCode::id_exhausted);
    CHECK(error_of([&] { return stream.add(StreamId::max(), std::move(message)); }) ==
          ErrorCode::id_exhausted);
    CHECK(error_of([&] { return stream.add(Millisecond{1ms}, std::move(message)); }) ==
          ErrorCode::id_exhausted);
    CHECK(message == "still here");
    CHECK(stream.size() == 2);
}

// ------------------------------------------------------------------ closing

TEST_CASE_METHOD(TextStream, "a closed stream refuses every add and leaves the message untouched",
                 "[stream][add][close]") {
    stream.add({5, 3}, "first");
    CHECK_FALSE(stream.closed());
    stream.close();
    CHECK(stream.closed());
    CHECK(error_of([&] { return stream.add(std::move(message)); }) == ErrorCode::closed);
    CHECK(error_of([&] { return stream.add(StreamId{6}, std::move(message)); }) ==
          ErrorCode::closed);
    CHECK(error_of([&] { return stream.add(Millisecond{6ms}, std::move(message)); }) ==
          ErrorCode::closed);
    CHECK(error_of([&] { return stream.add(StreamId{1}, std::move(message)); }) ==
          ErrorCode::closed);
    CHECK(message == "still here");
    CHECK(stream.last_id() == StreamId{5, 3});
}

TEST_CASE_METHOD(NumberStream, "closing twice does nothing, and what is there stays",
                 "[stream][add][close]") {
    add({1, 2});
    stream.close();
    stream.close();
    CHECK(ids(stream) == ids({1, 2}));
    CHECK(stream.find({2}));
    CHECK(stream.erase({{1}}) == 1);
    CHECK(stream.trim({.count = 0}) == 1);
}

// ------------------------------------------------------------------ what is refused tells why

TEST_CASE_METHOD(NumberStream, "an error names the ids it is about", "[stream][add]") {
    stream.add({5, 3}, 1);
    CHECK_THROWS_WITH(stream.add(StreamId{4}, 2), Catch::Contains("4-0") && Catch::Contains("5-3"));
}

TEST_CASE("a block holds 4 to 64 entries", "[stream][add]") {
    const auto with_blocks_of = [](std::uint32_t entries) {
        return error_of([&] { return Stream<int>{{.block_entries = entries}}; });
    };
    CHECK(with_blocks_of(3) == ErrorCode::invalid_argument);
    CHECK(with_blocks_of(0) == ErrorCode::invalid_argument);
    CHECK(with_blocks_of(65) == ErrorCode::invalid_argument);
    CHECK(with_blocks_of(4) == std::nullopt);
    CHECK(with_blocks_of(64) == std::nullopt);
    CHECK_THROWS_WITH(Stream<int>{{.block_entries = 65}}, Catch::Contains("65"));
}

// ------------------------------------------------------------------ handles, figures

TEST_CASE_METHOD(NumberStream, "copies of a handle are the same stream", "[stream][add]") {
    const Stream<int> copy = stream;
    copy.add(StreamId{1}, 1);
    CHECK(ids(stream) == ids({1}));
    CHECK(copy == stream);
    CHECK_FALSE(Stream<int>{} == stream);
    copy.close();
    CHECK(stream.closed());
}

TEST_CASE_METHOD(NumberStream, "a stream tells how long it is and what it has given out",
                 "[stream][add][info]") {
    CHECK(stream.size() == 0);
    CHECK(stream.last_id() == StreamId{});
    auto info = stream.info();
    CHECK(info.length == 0);
    CHECK(info.first_id == StreamId{});
    CHECK(info.last_id == StreamId{});
    CHECK(info.max_deleted_id == StreamId{});
    CHECK(info.entries_added == 0);

    add({3, 5, 8});
    CHECK(stream.size() == 3);
    CHECK(stream.last_id() == StreamId{8});
    info = stream.info();
    CHECK(info.length == 3);
    CHECK(info.first_id == StreamId{3});
    CHECK(info.last_id == StreamId{8});
    CHECK(info.max_deleted_id == StreamId{});
    CHECK(info.entries_added == 3);
    CHECK(info.groups == 0);
    CHECK(info.waiting == 0);
}

TEST_CASE("messages are moved in, not copied", "[stream][add]") {
    const Stream<std::unique_ptr<int>> stream;
    auto message = std::make_unique<int>(7);
    const int* const address = message.get();
    const StreamId id = stream.add(std::move(message));
    const auto found = stream.find(id);
    CHECK(found->value().get() == address);
}

TEST_CASE("on the system clock ids are of now, and grow", "[stream][add][system]") {
    const Stream<int> stream;
    const auto before = StreamId::at(std::chrono::system_clock::now());
    StreamId last = stream.add(0);
    CHECK(last >= before);
    for (int number = 0; number != 1'000; ++number) {
        const StreamId id = stream.add(int{number});
        REQUIRE(id > last);
        last = id;
    }
    CHECK(last.ms <= StreamId::at(std::chrono::system_clock::now()).ms);
}
