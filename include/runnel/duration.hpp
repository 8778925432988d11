// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/detail/base/saturated.hpp>

#include <chrono>
#include <compare>
#include <optional>
#include <type_traits>

namespace runnel::inline v0 {

/// A length of time that a caller gives, made from any std::chrono::duration. It counts
/// nanoseconds; a fraction of one is rounded up. A duration of more than 292 years, or NaN, becomes
/// the longest Duration, and one of less than minus 292 years the least. So
/// `std::chrono::hours::max()` is a long time everywhere.
///
/// There is no default: where an option has one, it says which.
class Duration {
public:
    template <typename Rep, typename Period>
    constexpr Duration(
        std::chrono::duration<Rep, Period> duration) noexcept  // NOLINT(*-explicit-*)
        : nanoseconds_{
              detail::saturated<std::chrono::nanoseconds>(duration, detail::Rounding::up)} {}

    /// A number is no duration: write `10ms`, with `using namespace std::chrono_literals`.
    template <typename Number>
    requires std::is_arithmetic_v<Number> Duration(Number needs_a_unit_such_as_ms)
    = delete;

    [[nodiscard]] constexpr std::chrono::nanoseconds nanoseconds() const noexcept {
        return nanoseconds_;
    }

    friend constexpr auto operator<=>(Duration, Duration) = default;

private:
    std::chrono::nanoseconds nanoseconds_;
};

namespace detail {

// `time` plus `duration`; nothing: there is no such moment.
template <typename ClockType, typename Unit>
[[nodiscard]] constexpr std::optional<std::chrono::time_point<ClockType, Unit>>
sum(std::chrono::time_point<ClockType, Unit> time, std::chrono::nanoseconds duration) noexcept {
    typename Unit::rep since_epoch = 0;
    const Unit step = std::chrono::duration_cast<Unit>(duration);
    if (__builtin_add_overflow(time.time_since_epoch().count(), step.count(), &since_epoch))
        return std::nullopt;
    return std::chrono::time_point<ClockType, Unit>{Unit{since_epoch}};
}

// The same; if there is no such moment, the last or the first one.
template <typename ClockType, typename Unit>
[[nodiscard]] constexpr std::chrono::time_point<ClockType, Unit>
later(std::chrono::time_point<ClockType, Unit> time, Duration duration) noexcept {
    using Time = std::chrono::time_point<ClockType, Unit>;
    const bool is_back = duration < std::chrono::nanoseconds{0};
    return sum(time, duration.nanoseconds()).value_or(is_back ? Time::min() : Time::max());
}

// How long it is from `now` to `deadline`; on overflow, the longest time in that direction.
[[nodiscard]] constexpr Duration
time_between(std::chrono::steady_clock::time_point now,
             std::chrono::steady_clock::time_point deadline) noexcept {
    std::chrono::nanoseconds::rep difference = 0;
    if (__builtin_sub_overflow(deadline.time_since_epoch().count(), now.time_since_epoch().count(),
                               &difference))
        return deadline < now ? std::chrono::nanoseconds::min() : std::chrono::nanoseconds::max();
    return std::chrono::nanoseconds{difference};
}

}  // namespace detail

}  // namespace runnel::inline v0
