// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/duration.hpp>

#include <chrono>
#include <cstdint>
#include <string_view>

namespace runnel::inline v0 {

/// What became of an acknowledgement, a release, an extension or a step that forwards.
enum class Ack : std::uint8_t {
    done,
    stale,   ///< nothing was changed: the entry was acknowledged, given back or claimed meanwhile
    closed,  ///< of Delivery::forward(): nothing was changed, as the other stream is closed
};

/// The name of `ack` as it is spelled in the source, such as "done".
[[nodiscard]] constexpr std::string_view to_string(Ack ack) noexcept {
    switch (ack) {
    case Ack::done:
        return "done";
    case Ack::stale:
        return "stale";
    case Ack::closed:
        return "closed";
    }
    return "unknown";
}

/// How the attempt counts that ends when an entry is given back. Redis: the mode of XNACK.
enum class Nack : std::uint8_t {
    fail,    ///< it counts: the next attempt has the next number
    silent,  ///< it does not count: the count of deliveries goes back by one
    fatal,   ///< no attempt can succeed: the count of deliveries becomes 2^63 - 1, the greatest
};

struct NackOptions {
    /// For how long nobody may claim the entry, whatever the `min_idle` of the claim. Negative
    /// means 0. Measured by Clock::now(), in milliseconds: a fraction counts as one. Not in Redis.
    Duration after = std::chrono::nanoseconds{0};
};

}  // namespace runnel::inline v0
