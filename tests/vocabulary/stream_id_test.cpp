// SPDX-License-Identifier: MIT
#include <runnel/stream_id.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <iomanip>
#include <limits>
#include <optional>
#include <sstream>
#include <string>
#include <type_traits>
#include <unordered_set>

using runnel::id_after;
using runnel::id_after_within;
using runnel::StreamId;

namespace {

constexpr auto most = std::numeric_limits<std::uint64_t>::max();
const std::string most_text = "18446744073709551615";

}  // namespace

TEST_CASE("an id is a plain value that begins as 0-0", "[stream_id]") {
    STATIC_REQUIRE(std::is_aggregate_v<StreamId>);
    STATIC_REQUIRE(std::is_trivially_copyable_v<StreamId>);
    STATIC_REQUIRE(StreamId{} == StreamId{0, 0});
}

TEST_CASE("ids are ordered by millisecond, then by sequence number", "[stream_id]") {
    STATIC_REQUIRE(StreamId{1, 9} < StreamId{2, 0});
    STATIC_REQUIRE(StreamId{2, 0} < StreamId{2, 1});
    STATIC_REQUIRE(StreamId{2, 1} == StreamId{2, 1});
    STATIC_REQUIRE(StreamId{9, 0} < StreamId{10, 0});
    STATIC_REQUIRE(StreamId{std::uint64_t{1} << 63U, 0} > StreamId{1, 0});
}

TEST_CASE("the least id of an entry is 0-1, the greatest has all bits set", "[stream_id]") {
    STATIC_REQUIRE(StreamId::min() == StreamId{0, 1});
    STATIC_REQUIRE(StreamId::max() == StreamId{most, most});
}

TEST_CASE("the next id carries into the millisecond and ends at the greatest", "[stream_id]") {
    STATIC_REQUIRE(StreamId{5, 7}.next() == StreamId{5, 8});
    STATIC_REQUIRE(StreamId{5, most}.next() == StreamId{6, 0});
    STATIC_REQUIRE(StreamId{most, most - 1}.next() == StreamId::max());
    STATIC_REQUIRE(StreamId{}.next() == StreamId::min());
    STATIC_REQUIRE(StreamId::max().next() == std::nullopt);
}

TEST_CASE("the previous id borrows from the millisecond and ends at 0-0", "[stream_id]") {
    STATIC_REQUIRE(StreamId{5, 8}.previous() == StreamId{5, 7});
    STATIC_REQUIRE(StreamId{6, 0}.previous() == StreamId{5, most});
    STATIC_REQUIRE(StreamId::min().previous() == StreamId{0, 0});
    STATIC_REQUIRE(StreamId{0, 0}.previous() == std::nullopt);
}

TEST_CASE("an id is read as two decimal numbers around a hyphen", "[stream_id][parse]") {
    STATIC_REQUIRE(StreamId::parse("5-7") == StreamId{5, 7});
    STATIC_REQUIRE(StreamId::parse("0-0") == StreamId{0, 0});
    STATIC_REQUIRE(StreamId::parse("1526919030474-55") == StreamId{1526919030474, 55});
    CHECK(StreamId::parse(most_text + "-" + most_text) == StreamId::max());
}

TEST_CASE("a sequence number that is missing is the one the caller asks for",
          "[stream_id][parse]") {
    STATIC_REQUIRE(StreamId::parse("6") == StreamId{6, 0});
    STATIC_REQUIRE(StreamId::parse("6", most) == StreamId{6, most});
    STATIC_REQUIRE(StreamId::parse("6-1", most) == StreamId{6, 1});
    STATIC_REQUIRE(StreamId::parse("0") == StreamId{0, 0});
}

TEST_CASE("leading zeros, one plus and leading blanks are let pass", "[stream_id][parse]") {
    STATIC_REQUIRE(StreamId::parse("07-01") == StreamId{7, 1});
    STATIC_REQUIRE(StreamId::parse(" 7-1") == StreamId{7, 1});
    STATIC_REQUIRE(StreamId::parse("7- 1") == StreamId{7, 1});
    STATIC_REQUIRE(StreamId::parse("+7-+1") == StreamId{7, 1});
    STATIC_REQUIRE(StreamId::parse(" \t\n\v\f\r+007- +01") == StreamId{7, 1});
    STATIC_REQUIRE(StreamId::parse("+7") == StreamId{7, 0});
    STATIC_REQUIRE(StreamId::parse("000000000000000000000000000000007-1") == StreamId{7, 1});
}

TEST_CASE("an empty number is refused", "[stream_id][parse]") {
    for (const auto* text : {"", "-", "8-", "-8", "+", " ", " -1", "+-1", "1-+", "1- ", "--"}) {
        CAPTURE(text);
        CHECK(StreamId::parse(text) == std::nullopt);
    }
}

TEST_CASE("any other byte is refused", "[stream_id][parse]") {
    for (const auto* text : {"7 -1", "7-1 ", "++7-1", "+ 7-1", "7-++1", "7x-1", "7-1x", "0x7-1",
                             "7.0-1", "x", "7:1", "7/-1", "7-1\n", "*", "5-*", "$", ">", "(5-0"}) {
        CAPTURE(text);
        CHECK(StreamId::parse(text) == std::nullopt);
    }
    CHECK(StreamId::parse({"7-1\0", 4}) == std::nullopt);
    CHECK(StreamId::parse({"7\0-1", 4}) == std::nullopt);
}

TEST_CASE("a second hyphen is refused, as a sign too", "[stream_id][parse]") {
    for (const auto* text : {"8-1-1", "8--1", "8-1-", "8- -1", "8--01", "8--0", "8-1-*"}) {
        CAPTURE(text);
        CHECK(StreamId::parse(text) == std::nullopt);
    }
}

TEST_CASE("a number of more than 64 bits is refused", "[stream_id][parse]") {
    for (const auto* text : {"18446744073709551616", "18446744073709551620", "28446744073709551615",
                             "99999999999999999999", "184467440737095516150"}) {
        CAPTURE(text);
        CHECK(StreamId::parse(std::string{text} + "-1") == std::nullopt);
        CHECK(StreamId::parse(std::string{"1-"} + text) == std::nullopt);
        CHECK(StreamId::parse(text) == std::nullopt);
    }
}

TEST_CASE("an id of more than 127 bytes is refused", "[stream_id][parse]") {
    CHECK(StreamId::parse(std::string(125, '0') + "7-1") == std::nullopt);
    CHECK(StreamId::parse(std::string(125, ' ') + "7-1") == std::nullopt);
}

TEST_CASE("an id of 127 bytes is read", "[stream_id][parse]") {
    const auto text = std::string(124, '0') + "7-1";
    REQUIRE(text.size() == 127);
    CHECK(StreamId::parse(text) == StreamId{7, 1});
}

TEST_CASE("an id is written in decimal without leading zeros", "[stream_id][text]") {
    CHECK(to_string(StreamId{5, 7}) == "5-7");
    CHECK(to_string(StreamId{}) == "0-0");
    CHECK(to_string(StreamId::max()) == most_text + "-" + most_text);
    CHECK(to_string(StreamId::max()).size() == StreamId::max_text_size);
}

TEST_CASE("an id is written into a buffer without a terminating zero", "[stream_id][text]") {
    std::array<char, StreamId::max_text_size + 1> text{};
    text.fill('#');
    char* const end = StreamId::max().write(text.data());
    CHECK(std::string(text.data(), end) == to_string(StreamId::max()));
    CHECK(*end == '#');
}

TEST_CASE("an id goes into a stream as one field", "[stream_id][text]") {
    std::ostringstream out;
    out << std::setw(6) << std::setfill('.') << StreamId{5, 7} << '|';
    CHECK(out.str() == "...5-7|");
}

TEST_CASE("what is written reads as the same id", "[stream_id][text]") {
    for (const StreamId id : {StreamId{}, StreamId::min(), StreamId{1, most}, StreamId{most, 0},
                              StreamId{1526919030474, 55}, StreamId::max()}) {
        CHECK(StreamId::parse(to_string(id)) == id);
    }
}

TEST_CASE("ids can be keys of hashed containers", "[stream_id]") {
    std::unordered_set<std::size_t> hashes;
    for (std::uint64_t n = 0; n < 1000; ++n) {
        hashes.insert(std::hash<StreamId>{}(StreamId{1526919030474, n}));
        hashes.insert(std::hash<StreamId>{}(StreamId{1526919030474 + 1 + n, 0}));
    }
    CHECK(hashes.size() == 2000);
    CHECK(std::unordered_set{StreamId{5, 7}, StreamId{7, 5}, StreamId{5, 7}}.size() == 2);
}

TEST_CASE("the id at a moment has the millisecond that the moment lies in", "[stream_id][time]") {
    using namespace std::chrono_literals;
    constexpr std::chrono::system_clock::time_point epoch;
    STATIC_REQUIRE(StreamId::at(epoch + 5ms) == StreamId{5, 0});
    STATIC_REQUIRE(StreamId::at(epoch + 5999us, 7) == StreamId{5, 7});
    STATIC_REQUIRE(StreamId::at(epoch, most) == StreamId{0, most});
}

TEST_CASE("moments before 1970 are in millisecond 0", "[stream_id][time]") {
    using namespace std::chrono_literals;
    constexpr std::chrono::system_clock::time_point epoch;
    STATIC_REQUIRE(StreamId::at(epoch - 1us) == StreamId{0, 0});
    STATIC_REQUIRE(StreamId::at(epoch - 24h, 3) == StreamId{0, 3});
}

TEST_CASE("moments too late or too early to be counted give the last and the first millisecond",
          "[stream_id][time]") {
    using Seconds = std::chrono::duration<double>;
    constexpr auto at = [](double seconds) {
        return StreamId::at(std::chrono::sys_time<Seconds>{Seconds{seconds}}).ms;
    };
    constexpr double infinity = std::numeric_limits<double>::infinity();
    constexpr std::uint64_t last = std::numeric_limits<std::int64_t>::max();
    STATIC_REQUIRE(at(1e9 + 0.0625) == 1'000'000'000'062);
    STATIC_REQUIRE(at(-1.5) == 0);
    STATIC_REQUIRE(at(1e30) == last);
    STATIC_REQUIRE(at(-1e30) == 0);
    STATIC_REQUIRE(at(infinity) == last);
    STATIC_REQUIRE(at(-infinity) == 0);
    STATIC_REQUIRE(at(std::numeric_limits<double>::quiet_NaN()) == last);
}

TEST_CASE("the time of an id is its millisecond, or the last there is", "[stream_id][time]") {
    using namespace std::chrono;
    STATIC_REQUIRE(StreamId{5, 7}.time().time_since_epoch() == milliseconds{5});
    STATIC_REQUIRE(StreamId::at(StreamId{1526919030474, 0}.time()) == StreamId{1526919030474, 0});
    STATIC_REQUIRE(StreamId{static_cast<std::uint64_t>(milliseconds::max().count()), 0}.time() ==
                   sys_time<milliseconds>::max());
    STATIC_REQUIRE(StreamId::max().time() == sys_time<milliseconds>::max());
}

TEST_CASE("an id made by a clock that moved on begins its millisecond", "[stream_id][id_after]") {
    STATIC_REQUIRE(id_after({5, 7}, 6) == StreamId{6, 0});
    STATIC_REQUIRE(id_after({}, 1) == StreamId{1, 0});
}

TEST_CASE("an id made by a clock that stands still or steps back follows the last one",
          "[stream_id][id_after]") {
    STATIC_REQUIRE(id_after({5, 7}, 5) == StreamId{5, 8});
    STATIC_REQUIRE(id_after({5, 7}, 4) == StreamId{5, 8});
    STATIC_REQUIRE(id_after({99999999999999, 5}, 1526919030474) == StreamId{99999999999999, 6});
}

TEST_CASE("an id made at the end of a millisecond carries", "[stream_id][id_after]") {
    STATIC_REQUIRE(id_after({99999999999999, most}, 5) == StreamId{100000000000000, 0});
    STATIC_REQUIRE(id_after({100000000000000, 0}, 5) == StreamId{100000000000000, 1});
}

TEST_CASE("no clock makes 0-0 the id of an entry", "[stream_id][id_after]") {
    STATIC_REQUIRE(id_after({}, 0) == StreamId{0, 1});
}

TEST_CASE("the last id can be made, and none after it", "[stream_id][id_after]") {
    STATIC_REQUIRE(id_after({most, most - 1}, 5) == StreamId::max());
    STATIC_REQUIRE(id_after(StreamId::max(), 5) == std::nullopt);
    STATIC_REQUIRE(id_after(StreamId::max(), most) == std::nullopt);
}

TEST_CASE("an id within a given millisecond follows the last one there",
          "[stream_id][id_after_within]") {
    STATIC_REQUIRE(id_after_within({}, 0) == StreamId{0, 1});
    STATIC_REQUIRE(id_after_within({0, 1}, 5) == StreamId{5, 0});
    STATIC_REQUIRE(id_after_within({5, 0}, 5) == StreamId{5, 1});
}

TEST_CASE("an id within a given millisecond neither goes back nor carries",
          "[stream_id][id_after_within]") {
    STATIC_REQUIRE(id_after_within({5, 1}, 4) == std::nullopt);
    STATIC_REQUIRE(id_after_within({99999999999999, most}, 99999999999999) == std::nullopt);
    STATIC_REQUIRE(id_after_within(StreamId::max(), most) == std::nullopt);
}
