// SPDX-License-Identifier: MIT
#include <runnel/clock.hpp>
#include <runnel/detail/wait/await.hpp>
#include <runnel/outcome.hpp>

#include "support/catch.hpp"

#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <ratio>
#include <type_traits>

using runnel::Timeout;
using namespace std::chrono_literals;

namespace {

using Nanoseconds = std::chrono::nanoseconds;
using FloatingSeconds = std::chrono::duration<double>;

constexpr double infinite = std::numeric_limits<double>::infinity();

}  // namespace

TEST_CASE("a timeout that is not given means to wait for ever", "[timeout]") {
    STATIC_REQUIRE(Timeout{}.duration() == std::nullopt);
    CHECK(runnel::WaitOptions{}.timeout.duration() == std::nullopt);
}

TEST_CASE("zero bits, which static memory begins with, mean to wait for ever", "[timeout]") {
    STATIC_REQUIRE(std::is_trivially_copyable_v<Timeout>);
    constexpr std::array<std::byte, sizeof(Timeout)> zeros{};
    CHECK(std::bit_cast<Timeout>(zeros).duration() == std::nullopt);
}

TEST_CASE("a timeout is made from any duration without further words", "[timeout]") {
    STATIC_REQUIRE(std::is_convertible_v<std::chrono::hours, Timeout>);
    STATIC_REQUIRE(std::is_nothrow_constructible_v<Timeout, FloatingSeconds>);
    STATIC_REQUIRE(Timeout{10ms}.duration() == 10'000'000ns);
    STATIC_REQUIRE(Timeout{1h}.duration() == 3'600'000'000'000ns);
    STATIC_REQUIRE(Timeout{1ns}.duration() == 1ns);
    STATIC_REQUIRE(Timeout{FloatingSeconds{0.25}}.duration() == 250ms);
}

TEST_CASE("a timeout of zero or less means not to wait", "[timeout]") {
    STATIC_REQUIRE(Timeout{0s}.duration() == 0ns);
    STATIC_REQUIRE(Timeout{-1ns}.duration() == 0ns);
    STATIC_REQUIRE(Timeout{std::chrono::hours::min()}.duration() == 0ns);
    STATIC_REQUIRE(Timeout{Nanoseconds::min()}.duration() == 0ns);
    STATIC_REQUIRE(Timeout{FloatingSeconds{-0.0}}.duration() == 0ns);
    STATIC_REQUIRE(Timeout{FloatingSeconds{-infinite}}.duration() == 0ns);
}

TEST_CASE("fractions of a nanosecond are rounded up, so that no wait is shorter than asked for",
          "[timeout]") {
    using Picoseconds = std::chrono::duration<std::int64_t, std::pico>;
    STATIC_REQUIRE(Timeout{Picoseconds{1}}.duration() == 1ns);
    STATIC_REQUIRE(Timeout{Picoseconds{1'000}}.duration() == 1ns);
    STATIC_REQUIRE(Timeout{Picoseconds{1'001}}.duration() == 2ns);
    STATIC_REQUIRE(Timeout{FloatingSeconds{1e-12}}.duration() == 1ns);
    STATIC_REQUIRE(Timeout{FloatingSeconds{2.5e-9}}.duration() == 3ns);
}

TEST_CASE("a duration too long to count in nanoseconds means for ever", "[timeout]") {
    STATIC_REQUIRE(Timeout{std::chrono::hours::max()}.duration() == std::nullopt);
    STATIC_REQUIRE(Timeout{std::chrono::seconds::max()}.duration() == std::nullopt);
    STATIC_REQUIRE(Timeout{Nanoseconds::max()}.duration() == std::nullopt);
    STATIC_REQUIRE(Timeout{std::chrono::hours{24 * 365 * 293}}.duration() == std::nullopt);
    STATIC_REQUIRE(Timeout{FloatingSeconds{infinite}}.duration() == std::nullopt);
    STATIC_REQUIRE(Timeout{FloatingSeconds{1e300}}.duration() == std::nullopt);
    using Unsigned = std::chrono::duration<std::uint64_t>;
    STATIC_REQUIRE(Timeout{Unsigned::max()}.duration() == std::nullopt);
}

TEST_CASE("a duration that can just be counted is kept", "[timeout]") {
    constexpr std::chrono::hours long_time{24 * 365 * 292};
    STATIC_REQUIRE(Timeout{long_time}.duration() == long_time);
    STATIC_REQUIRE(Timeout{FloatingSeconds{9.2e9}}.duration() == 9'200'000'000s);
    STATIC_REQUIRE(Timeout{std::chrono::duration<unsigned char>{200}}.duration() == 200s);
}

TEST_CASE("a deadline is now and the timeout", "[timeout]") {
    const runnel::ManualClock clock;
    CHECK(runnel::detail::deadline_of(90s, clock) == clock.now() + 90s);
    CHECK(runnel::detail::deadline_of(0s, clock) == clock.now());
    CHECK(runnel::detail::deadline_of({}, clock) == std::nullopt);
}

namespace {

// A clock whose time began long before its epoch.
class OldClock final : public runnel::Clock {
public:
    [[nodiscard]] WallTime wall() const noexcept override { return {}; }
    [[nodiscard]] Deadline now() const noexcept override { return Deadline::min(); }
    [[nodiscard]] bool is_real() const noexcept override { return false; }
};

}  // namespace

TEST_CASE("deadlines are right also where time is far from its epoch", "[timeout]") {
    using runnel::detail::later;
    using runnel::detail::time_between;
    using Deadline = runnel::Clock::Deadline;
    CHECK(runnel::detail::deadline_of(Nanoseconds::max() - 1ns, OldClock{}) == Deadline{-2ns});
    CHECK(time_between(Deadline::min(), Deadline::max()) == Nanoseconds::max());
    CHECK(time_between(Deadline::max(), Deadline::min()) == Nanoseconds::min());
    CHECK(time_between(Deadline{1s}, Deadline{3s}) == 2s);
    CHECK(later(Deadline::min(), Nanoseconds::max()) == Deadline{-1ns});
    CHECK(later(Deadline::max(), Nanoseconds::max()) == Deadline::max());
    CHECK(later(Deadline::min(), Nanoseconds::min()) == Deadline::min());
}

TEST_CASE("a deadline beyond the end of the clock is none", "[timeout]") {
    const runnel::ManualClock clock;
    const Nanoseconds left = runnel::Clock::Deadline::max() - clock.now();
    CHECK(runnel::detail::deadline_of(left + 1s, clock) == std::nullopt);
    CHECK(runnel::detail::deadline_of(left, clock) == runnel::Clock::Deadline::max());
}
