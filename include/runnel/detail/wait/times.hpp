// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/duration.hpp>

#include <chrono>
#include <optional>

namespace runnel::inline v0::detail {

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

}  // namespace runnel::inline v0::detail
