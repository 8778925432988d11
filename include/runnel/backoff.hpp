// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/detail/base/mix_bits.hpp>
#include <runnel/duration.hpp>
#include <runnel/error.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>

namespace runnel::inline v0 {

/// How long to wait before another attempt: `base` after the first failure, then twice as long
/// after each, but never longer than `cap`.
///
///     1 s, 2 s, 4 s, 8 s, 16 s, 32 s, 60 s, 60 s, …
///
/// With `jitter`, a part of each delay is drawn by lot, so that many that failed at once do not
/// come back at once: the delay is between (1 - jitter) times that and that. The lot is a function
/// of `seed`, of what is delayed, and of which retry it is: so the same seed gives the same delays,
/// and nothing is shared among threads.
struct Backoff {
    Duration base = std::chrono::seconds{1};
    Duration cap = std::chrono::minutes{1};
    double jitter = 0;  ///< 0 to 1
    std::uint64_t seed = 0;

    /// The delay before retry 0, 1, 2, … of `what`, which is any number that tells it from others.
    /// Requires: check() does not throw.
    [[nodiscard]] std::chrono::nanoseconds delay(std::uint64_t retry,
                                                 std::uint64_t what = 0) const noexcept {
        const auto longest = cap.nanoseconds();
        auto delay = std::min(base.nanoseconds(), longest);
        if (delay == delay.zero()) return delay;
        for (auto left = retry; left != 0 && delay < longest; --left)
            delay = delay > longest / 2 ? longest : 2 * delay;
        if (jitter == 0) return delay;
        return std::chrono::nanoseconds{
            static_cast<std::int64_t>(static_cast<double>(delay.count()) *
                                      (1 - jitter * lot(mixed(seed + mixed(what)) + retry)))};
    }

    /// Throws: Error{invalid_argument} that names the field that makes no sense.
    void check() const {
        const auto refuse = [](const char* why) {
            throw Error{ErrorCode::invalid_argument, std::string{"Backoff: "} + why};
        };
        if (base < std::chrono::nanoseconds{0}) refuse("base is negative");
        if (cap < base) refuse("cap is less than base");
        // NOLINTNEXTLINE(readability-simplify-boolean-expr)
        if (!(jitter >= 0 && jitter <= 1)) refuse("jitter is not between 0 and 1");
    }

private:
    [[nodiscard]] static constexpr std::uint64_t mixed(std::uint64_t number) noexcept {
        return detail::mix_bits(number + 0x9E3779B97F4A7C15);
    }
    // At least 0 and less than 1.
    [[nodiscard]] static double lot(std::uint64_t number) noexcept {
        return static_cast<double>(mixed(number) >> 11U) / static_cast<double>(1ULL << 53U);
    }
};

}  // namespace runnel::inline v0
