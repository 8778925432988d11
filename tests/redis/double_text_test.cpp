// SPDX-License-Identifier: MIT
// How a double is written.

#include <runnel/redis/double_text.hpp>

#include "support/catch.hpp"

#include <array>
#include <bit>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <string>
#include <string_view>

using runnel::redis::detail::text_of_double;

namespace {

struct Written {
    double number;
    std::string_view text;
};

double number_in(std::string_view text) {
    double number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

}  // namespace

TEST_CASE("a whole number has no exponent as long as Redis can keep it in an integer",
          "[redis][double_text]") {
    for (const Written& one :
         std::to_array<Written>({{0, "0"},
                                 {-0.0, "-0"},
                                 {3, "3"},
                                 {-1e15, "-1000000000000000"},
                                 {1e18, "1000000000000000000"},
                                 {4611686018427387904.0, "4611686018427387904"},
                                 {-4611686018427387904.0, "-4611686018427387904"},
                                 {4611686018427388928.0, "4611686018427389000"},
                                 {5e18, "5e+18"},
                                 {1e19, "1e+19"},
                                 {1.25e20, "1.25e+20"}}))
        CHECK(text_of_double(one.number) == one.text);
}

TEST_CASE("a fraction has an exponent if it is small, or has many digits", "[redis][double_text]") {
    for (const Written& one : std::to_array<Written>({{0.1, "0.1"},
                                                      {-2.5, "-2.5"},
                                                      {1e-6, "0.000001"},
                                                      {1e-7, "1e-7"},
                                                      {1.5e-6, "1.5e-6"},
                                                      {0.00123456789, "0.00123456789"},
                                                      {0.000123456789, "1.23456789e-4"},
                                                      {1234.56789012345, "1234.56789012345"},
                                                      {12345.6789012345, "1.23456789012345e+4"},
                                                      {12345.678901, "12345.678901"},
                                                      {1e100, "1e+100"},
                                                      {-1e-105, "-1e-105"},
                                                      {5e-324, "5e-324"}}))
        CHECK(text_of_double(one.number) == one.text);
}

TEST_CASE("what is no finite number has a name", "[redis][double_text]") {
    constexpr double infinity = std::numeric_limits<double>::infinity();
    CHECK(text_of_double(infinity) == "inf");
    CHECK(text_of_double(-infinity) == "-inf");
    CHECK(text_of_double(std::numeric_limits<double>::quiet_NaN()) == "nan");
}

TEST_CASE("each number reads back from its text", "[redis][double_text]") {
    std::mt19937_64 random{1};
    for (int count = 0; count != 20'000; ++count) {
        const auto number = std::bit_cast<double>(random());
        if (!std::isfinite(number)) continue;
        const std::string text = text_of_double(number);
        INFO(text);
        CHECK(number_in(text) == number);
    }
}
