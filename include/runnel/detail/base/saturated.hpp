// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <limits>

namespace runnel::inline v0::detail {

enum class Rounding : std::uint8_t { up, down };

// A duration of any unit and number type as a count of Units. Exact but for the rounding;
// std::chrono's conversions overflow. A count that does not fit into 64 bits becomes the greatest
// or the least that does; NaN becomes the greatest.
template <typename Unit, typename Period>
class Saturated {
    __extension__ using Wide = __int128;

public:
    template <typename Rep>
    [[nodiscard]] static constexpr std::int64_t count(const Rep& number,
                                                      Rounding rounding) noexcept {
        if constexpr (std::integral<Rep> && sizeof(Rep) <= sizeof(std::int64_t)) {
            return whole_count(Wide{number}, rounding);
        } else if constexpr (std::floating_point<Rep>) {
            // NOLINTNEXTLINE(misc-redundant-expression)
            if (rounding == Rounding::up || number != number) return raised_count(number);
            return negated(raised_count(-number));
        } else {
            return count(static_cast<long double>(number), rounding);
        }
    }

private:
    static_assert(Unit::num == 1);

    static constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();
    static constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();

    static constexpr std::int64_t clamped(Wide number) noexcept {
        if (number < least) return least;
        return number > most ? most : static_cast<std::int64_t>(number);
    }

    // A count that was saturated is saturated on the other side.
    static constexpr std::int64_t negated(std::int64_t number) noexcept {
        if (number == least) return most;
        return number == most ? least : -number;
    }

    // NOLINTNEXTLINE(misc-no-recursion)
    static constexpr Wide common_divisor(Wide one, Wide other) noexcept {
        return other == 0 ? one : common_divisor(other, one % other);
    }

    // A Period is up / down Units.
    static constexpr Wide divisor = common_divisor(Wide{Period::num} * Unit::den, Period::den);
    static constexpr Wide up = Wide{Period::num} * Unit::den / divisor;
    static constexpr Wide down = Period::den / divisor;

    // In two parts, as number * up may take more than 128 bits. Both parts have the sign of
    // `number`.
    static constexpr std::int64_t whole_count(Wide number, Rounding rounding) noexcept {
        const Wide whole = clamped(number * clamped(up / down));
        const Wide rest = number * (up % down);
        const Wide rounded =
            // NOLINTNEXTLINE(readability-avoid-nested-conditional-operator)
            rounding == Rounding::up ? (rest % down > 0 ? 1 : 0) : (rest % down < 0 ? -1 : 0);
        return clamped(whole + rest / down + rounded);
    }

    // Rounds up. Computes in the type of `number`, as std::chrono does: in a type with more digits
    // 0.1 s would be a bit more.
    template <typename Float>
    static constexpr std::int64_t raised_count(Float number) noexcept {
        constexpr auto factor = static_cast<Float>(up);
        constexpr auto divisor_of = static_cast<Float>(down);
        constexpr Float limit = static_cast<Float>(most) / factor * divisor_of;
        if (!(number < limit)) return most;
        if (!(number > -limit)) return least;
        const Float units = number * factor / divisor_of;
        if (!(units < static_cast<Float>(most))) return most;
        if (!(units > static_cast<Float>(least))) return least;
        const auto whole = static_cast<std::int64_t>(units);
        return static_cast<Float>(whole) < units ? whole + 1 : whole;
    }
};

// As std::chrono::ceil and floor.
template <typename Unit, typename Rep, typename Period>
[[nodiscard]] constexpr Unit saturated(const std::chrono::duration<Rep, Period>& duration,
                                       Rounding rounding) noexcept {
    return Unit{Saturated<typename Unit::period, Period>::count(duration.count(), rounding)};
}

}  // namespace runnel::inline v0::detail
