// SPDX-License-Identifier: MIT
#include <runnel/detail/core/index_range.hpp>

#include "support/catch.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

using runnel::detail::IndexRange;
using runnel::detail::position_of;

namespace {

constexpr auto least = std::numeric_limits<std::int64_t>::min();
constexpr auto greatest = std::numeric_limits<std::int64_t>::max();

}  // namespace

TEST_CASE("an index counts from the front, or below zero from the back", "[index_range]") {
    STATIC_REQUIRE(position_of(0, 3) == 0U);
    STATIC_REQUIRE(position_of(2, 3) == 2U);
    STATIC_REQUIRE(position_of(-1, 3) == 2U);
    STATIC_REQUIRE(position_of(-3, 3) == 0U);
}

TEST_CASE("an index beyond an end names no element", "[index_range]") {
    STATIC_REQUIRE_FALSE(position_of(3, 3));
    STATIC_REQUIRE_FALSE(position_of(-4, 3));
    STATIC_REQUIRE_FALSE(position_of(0, 0));
    STATIC_REQUIRE_FALSE(position_of(-1, 0));
    STATIC_REQUIRE_FALSE(position_of(least, 3));
    STATIC_REQUIRE_FALSE(position_of(greatest, 3));
}

TEST_CASE("a range includes both its ends", "[index_range]") {
    STATIC_REQUIRE(IndexRange::between(0, -1, 5) == IndexRange{0, 5});
    STATIC_REQUIRE(IndexRange::between(1, 3, 5) == IndexRange{1, 3});
    STATIC_REQUIRE(IndexRange::between(-2, -1, 5) == IndexRange{3, 2});
    STATIC_REQUIRE(IndexRange::between(2, 2, 5) == IndexRange{2, 1});
}

TEST_CASE("a range ends where the elements end", "[index_range]") {
    STATIC_REQUIRE(IndexRange::between(-100, 100, 5) == IndexRange{0, 5});
    STATIC_REQUIRE(IndexRange::between(least, greatest, 5) == IndexRange{0, 5});
    STATIC_REQUIRE(IndexRange::between(3, greatest, 5) == IndexRange{3, 2});
    STATIC_REQUIRE(IndexRange::between(least, -4, 5) == IndexRange{0, 2});
}

TEST_CASE("a range that ends before it begins, or is beyond the elements, is empty",
          "[index_range]") {
    STATIC_REQUIRE(IndexRange::between(3, 2, 5) == IndexRange{});
    STATIC_REQUIRE(IndexRange::between(5, 10, 5) == IndexRange{});
    STATIC_REQUIRE(IndexRange::between(-10, -6, 5) == IndexRange{});
    STATIC_REQUIRE(IndexRange::between(greatest, least, 5) == IndexRange{});
    STATIC_REQUIRE(IndexRange::between(0, -1, 0) == IndexRange{});
}

TEST_CASE("indexes and ranges are right for every small sequence", "[index_range][model]") {
    for (std::int64_t size = 0; size != 6; ++size) {
        for (std::int64_t first = -8; first != 9; ++first) {
            for (std::int64_t last = -8; last != 9; ++last) {
                // Each element has two indexes: one from either end.
                std::vector<std::size_t> expected;
                for (std::int64_t at = 0; at != size; ++at) {
                    const bool is_behind_first = (first < 0 ? at - size : at) >= first;
                    const bool is_before_last = (last < 0 ? at - size : at) <= last;
                    if (is_behind_first && is_before_last)
                        expected.push_back(static_cast<std::size_t>(at));
                }
                CAPTURE(size, first, last);
                const auto range = IndexRange::between(first, last, static_cast<std::size_t>(size));
                REQUIRE(range.count == expected.size());
                if (!expected.empty()) REQUIRE(range.first == expected.front());
            }
        }
    }
}
