// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/detail/base/saturated.hpp>

#include <chrono>
#include <compare>
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

}  // namespace runnel::inline v0
