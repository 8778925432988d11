// SPDX-License-Identifier: MIT
#include <runnel/detail/core/id_range.hpp>
#include <runnel/stream_id.hpp>

#include "support/catch.hpp"

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

using runnel::StreamId;
using runnel::detail::give_id;
using runnel::detail::GivenId;
using runnel::detail::IdRefusal;
using runnel::detail::parse_edge;
using runnel::detail::parse_range_first;
using runnel::detail::parse_range_last;
using runnel::detail::RangeEnd;
using runnel::detail::RangeMistake;
using runnel::detail::WantedId;

namespace {

constexpr std::uint64_t last_number = std::numeric_limits<std::uint64_t>::max();
constexpr RangeEnd bad_id{{}, RangeMistake::bad_id};
constexpr RangeEnd empty{{}, RangeMistake::empty};

constexpr GivenId given(std::string_view wanted, StreamId last, std::uint64_t now_ms) {
    return give_id(*WantedId::parse(wanted), last, now_ms);
}

}  // namespace

// ------------------------------------------------------------------ ranges

TEST_CASE("a minus is the least id, a plus the greatest one", "[id]") {
    STATIC_REQUIRE(parse_edge("-") == StreamId{});
    STATIC_REQUIRE(parse_edge("+") == StreamId::max());
    STATIC_REQUIRE(parse_edge("5", 7) == StreamId{5, 7});
    STATIC_REQUIRE(!parse_edge("(5"));
    STATIC_REQUIRE(!parse_edge("$"));
}

TEST_CASE("an id without a sequence number begins a range with all of its millisecond, and ends "
          "one with it",
          "[id]") {
    STATIC_REQUIRE(parse_range_first("5") == RangeEnd{{5, 0}});
    STATIC_REQUIRE(parse_range_last("5") == RangeEnd{{5, last_number}});
    STATIC_REQUIRE(parse_range_first("5-3") == RangeEnd{{5, 3}});
    STATIC_REQUIRE(parse_range_last("5-3") == RangeEnd{{5, 3}});
    STATIC_REQUIRE(parse_range_first("+") == RangeEnd{StreamId::max()});
    STATIC_REQUIRE(parse_range_last("-") == RangeEnd{{0, 0}});
}

TEST_CASE("an exclusive end stands for the next id within the range", "[id]") {
    STATIC_REQUIRE(parse_range_first("(5") == RangeEnd{{5, 1}});
    STATIC_REQUIRE(parse_range_last("(5") == RangeEnd{{5, last_number - 1}});
    STATIC_REQUIRE(parse_range_first("(5-18446744073709551615") == RangeEnd{{6, 0}});
    STATIC_REQUIRE(parse_range_last("(5-0") == RangeEnd{{4, last_number}});
}

TEST_CASE("no id is left behind the greatest one and before 0-0", "[id]") {
    STATIC_REQUIRE(parse_range_first("(18446744073709551615-18446744073709551615") == empty);
    STATIC_REQUIRE(parse_range_last("(0-0") == empty);
    STATIC_REQUIRE(parse_range_last("(18446744073709551615-18446744073709551615") ==
                   RangeEnd{{last_number, last_number - 1}});
}

TEST_CASE("an exclusive end needs an id", "[id]") {
    for (const std::string_view text : {"(-", "(+", "(", "((5", "", "x", "5-*", "$", "-5"}) {
        CAPTURE(text);
        CHECK(parse_range_first(text) == bad_id);
        CHECK(parse_range_last(text) == bad_id);
    }
}

// ------------------------------------------------------------------ new ids

TEST_CASE("a new id is any, any within a millisecond, or a whole one", "[id]") {
    STATIC_REQUIRE(WantedId::parse("*") == WantedId{WantedId::Kind::any});
    STATIC_REQUIRE(WantedId::parse("5-*") == WantedId{WantedId::Kind::within_ms, {5, 0}});
    STATIC_REQUIRE(WantedId::parse(" +05-*") == WantedId{WantedId::Kind::within_ms, {5, 0}});
    STATIC_REQUIRE(WantedId::parse("5") == WantedId{WantedId::Kind::exact, {5, 0}});
    STATIC_REQUIRE(WantedId::parse("5-3") == WantedId{WantedId::Kind::exact, {5, 3}});
    for (const std::string_view text : {"", "-", "+", "-*", "*-*", "*-5", "5-**", "5-", "(5", "$",
                                        "5--*", "5-5-*", "18446744073709551616-*"}) {
        CAPTURE(text);
        CHECK_FALSE(WantedId::parse(text));
    }
}

TEST_CASE("a new id has at most 127 bytes", "[id]") {
    CHECK(WantedId::parse(std::string(124, '0') + "1-*"));
    CHECK_FALSE(WantedId::parse(std::string(125, '0') + "1-*"));
}

TEST_CASE("the clock gives the id, unless it stands still or steps back", "[id]") {
    STATIC_REQUIRE(given("*", {5, 3}, 6) == GivenId{{6, 0}});
    STATIC_REQUIRE(given("*", {5, 3}, 5) == GivenId{{5, 4}});
    STATIC_REQUIRE(given("*", {5, 3}, 1) == GivenId{{5, 4}});
    STATIC_REQUIRE(given("*", {5, last_number}, 1) == GivenId{{6, 0}});
}

TEST_CASE("within a millisecond the sequence numbers are used up, and do not carry", "[id]") {
    STATIC_REQUIRE(given("0-*", {}, 9) == GivenId{{0, 1}});
    STATIC_REQUIRE(given("5-*", {4, 9}, 9) == GivenId{{5, 0}});
    STATIC_REQUIRE(given("5-*", {5, 0}, 9) == GivenId{{5, 1}});
    STATIC_REQUIRE(given("5-*", {5, last_number}, 9) == GivenId{{}, IdRefusal::not_greater});
    STATIC_REQUIRE(given("4-*", {5, 0}, 9) == GivenId{{}, IdRefusal::not_greater});
}

TEST_CASE("a whole id must be greater than the last one", "[id]") {
    STATIC_REQUIRE(given("5-1", {5, 0}, 9) == GivenId{{5, 1}});
    STATIC_REQUIRE(given("5-0", {5, 0}, 9) == GivenId{{}, IdRefusal::not_greater});
    STATIC_REQUIRE(given("4", {5, 0}, 9) == GivenId{{}, IdRefusal::not_greater});
}

TEST_CASE("after the greatest id a stream gives no other, whatever is asked for", "[id]") {
    STATIC_REQUIRE(given("*", {last_number, last_number - 1}, 9) == GivenId{StreamId::max()});
    for (const std::string_view wanted : {"*", "5-*", "5-1", "18446744073709551615-*"}) {
        CAPTURE(wanted);
        CHECK(given(wanted, StreamId::max(), 9) == GivenId{{}, IdRefusal::exhausted});
    }
}
