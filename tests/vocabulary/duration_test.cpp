// SPDX-License-Identifier: MIT
#include <runnel/consumer_group.hpp>
#include <runnel/duration.hpp>
#include <runnel/outcome.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <cstdint>
#include <limits>
#include <ratio>
#include <type_traits>

using runnel::Duration;
using namespace std::chrono_literals;

namespace {

using std::chrono::duration;
using std::chrono::nanoseconds;
using FloatingSeconds = duration<double>;

constexpr nanoseconds longest = nanoseconds::max();
constexpr nanoseconds least = nanoseconds::min();
constexpr double infinity = std::numeric_limits<double>::infinity();

constexpr std::int64_t greatest_number = std::numeric_limits<std::int64_t>::max();

constexpr nanoseconds counted(Duration duration) {
    return duration.nanoseconds();
}

}  // namespace

TEST_CASE("a duration is made from any of std::chrono's without further words", "[duration]") {
    STATIC_REQUIRE(std::is_convertible_v<std::chrono::hours, Duration>);
    STATIC_REQUIRE(std::is_nothrow_constructible_v<Duration, FloatingSeconds>);
    STATIC_REQUIRE(counted(10ms) == 10'000'000ns);
    STATIC_REQUIRE(counted(-3h) == -3h);
    STATIC_REQUIRE(counted(0ns) == 0ns);
    STATIC_REQUIRE(counted(duration<unsigned char>{200}) == 200s);
    STATIC_REQUIRE(counted(FloatingSeconds{0.25}) == 250ms);
}

TEST_CASE("a duration has no default: where an option has one, it says which", "[duration]") {
    STATIC_REQUIRE_FALSE(std::is_default_constructible_v<Duration>);
    STATIC_REQUIRE_FALSE(std::is_default_constructible_v<runnel::ClaimOptions>);
    STATIC_REQUIRE_FALSE(std::is_default_constructible_v<runnel::AutoclaimOptions>);
    CHECK(runnel::PendingOptions{}.min_idle == 0s);
    CHECK(runnel::ClaimOptions{.min_idle = 5min}.idle == 0s);
}

TEST_CASE("durations are ordered, among themselves and with std::chrono's", "[duration]") {
    STATIC_REQUIRE(Duration{1s} == Duration{1'000ms});
    STATIC_REQUIRE(Duration{1s} < 2s);
    STATIC_REQUIRE(Duration{-1s} < 0ns);
    STATIC_REQUIRE(Duration{std::chrono::hours::max()} > 1h);
}

TEST_CASE("fractions of a nanosecond are rounded up, also below zero", "[duration]") {
    using Picoseconds = duration<std::int64_t, std::pico>;
    STATIC_REQUIRE(counted(Picoseconds{1}) == 1ns);
    STATIC_REQUIRE(counted(Picoseconds{2'000}) == 2ns);
    STATIC_REQUIRE(counted(Picoseconds{-1}) == 0ns);
    STATIC_REQUIRE(counted(Picoseconds{-1'001}) == -1ns);
    STATIC_REQUIRE(counted(FloatingSeconds{2.5e-9}) == 3ns);
    STATIC_REQUIRE(counted(FloatingSeconds{-2.5e-9}) == -2ns);
}

TEST_CASE("a decimal fraction means what it says, in every number type", "[duration]") {
    STATIC_REQUIRE(counted(duration<float>{0.1F}) == 100ms);
    STATIC_REQUIRE(counted(duration<double>{0.1}) == 100ms);
    STATIC_REQUIRE(counted(duration<double, std::milli>{-0.3}) == -300us);
}

TEST_CASE("a duration of an odd unit is exact", "[duration]") {
    using Ticks = duration<std::int64_t, std::ratio<1, 3'579'545>>;
    STATIC_REQUIRE(counted(Ticks{8LL * 3'600 * 3'579'545}) == 8h);
    STATIC_REQUIRE(counted(Ticks{-8LL * 3'600 * 3'579'545}) == -8h);
    STATIC_REQUIRE(counted(Ticks{1}) == 280ns);  // 279.4
    using Frames = duration<int, std::ratio<1, 60>>;
    STATIC_REQUIRE(counted(Frames{60 * 3'600}) == 1h);
    STATIC_REQUIRE(counted(Frames{1}) == 16'666'667ns);
    using Attoseconds = duration<std::uint64_t, std::atto>;
    STATIC_REQUIRE(counted(Attoseconds::max()) == 18'446'744'074ns);
    using AlmostSeconds = duration<std::int64_t, std::ratio<greatest_number, greatest_number - 1>>;
    STATIC_REQUIRE(counted(AlmostSeconds{5'000'000'000}) == 5'000'000'000s + 1ns);
}

TEST_CASE("what is too long to be counted is the longest or the least there is", "[duration]") {
    STATIC_REQUIRE(counted(std::chrono::hours::max()) == longest);
    STATIC_REQUIRE(counted(std::chrono::hours::min()) == least);
    STATIC_REQUIRE(counted(duration<std::uint64_t>::max()) == longest);
    STATIC_REQUIRE(counted(duration<std::int64_t, std::ratio<greatest_number>>{1}) == longest);
    STATIC_REQUIRE(counted(duration<std::int64_t, std::ratio<greatest_number>>::min()) == least);
    STATIC_REQUIRE(counted(FloatingSeconds{1e300}) == longest);
    STATIC_REQUIRE(counted(FloatingSeconds{-1e300}) == least);
    STATIC_REQUIRE(counted(FloatingSeconds{infinity}) == longest);
    STATIC_REQUIRE(counted(FloatingSeconds{-infinity}) == least);
    STATIC_REQUIRE(counted(FloatingSeconds{std::numeric_limits<double>::quiet_NaN()}) == longest);
    STATIC_REQUIRE(counted(duration<float, std::exa>{1e30F}) == longest);
}

TEST_CASE("what can just be counted is kept", "[duration]") {
    STATIC_REQUIRE(counted(longest) == longest);
    STATIC_REQUIRE(counted(longest - 1ns) == longest - 1ns);
    STATIC_REQUIRE(counted(least) == least);
    STATIC_REQUIRE(counted(9'223'372'036s) == 9'223'372'036s);
    STATIC_REQUIRE(counted(9'223'372'037s) == longest);
    STATIC_REQUIRE(counted(-9'223'372'036s) == -9'223'372'036s);
    STATIC_REQUIRE(counted(-9'223'372'037s) == least);
    STATIC_REQUIRE(counted(FloatingSeconds{-9.2e9}) == -9'200'000'000s);
    STATIC_REQUIRE(counted(duration<double, std::nano>{0x1p63}) == longest);
    STATIC_REQUIRE(counted(duration<double, std::nano>{-0x1p63}) == least);
}

namespace {

// Some library's number.
struct Decimal {
    std::int64_t hundredths = 0;

    explicit constexpr operator long double() const { return hundredths / 100.0L; }
};

}  // namespace

TEST_CASE("a number type that is no language's own will do", "[duration]") {
    STATIC_REQUIRE(counted(duration<Decimal>{Decimal{150}}) == 1'500ms);
}
