// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/abstract_clock.hpp>
#include <runnel/duration.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace runnel::inline v0 {

/// The options of a Deduplicator. The outer braces make it, the inner ones its options:
///
///     runnel::Deduplicator<OrderId> charged{{.count = 10'000, .age = 1h}};
struct DeduplicatorOptions {
    /// How many marks it keeps, at least 1. One more drops the oldest mark. Keys in work that are
    /// not marked do not count.
    std::size_t count = 100'000;
    /// How long a mark counts. Must be positive; the longest Duration means for ever. Measured by
    /// Clock::recent(), so setting the wall clock does not change it.
    Duration age = std::chrono::hours{24};
    /// Null means the SystemClock. Must outlive the Deduplicator.
    Clock* clock = nullptr;
};

/// How a Deduplicator finds a key.
enum class KeyState : std::uint8_t {
    fresh,  ///< neither marked nor in work
    done,   ///< marked, whether in work or not
    busy,   ///< in work, and not marked
};

/// The name of `state` as it is spelled in the source, such as "fresh".
[[nodiscard]] constexpr std::string_view to_string(KeyState state) noexcept {
    switch (state) {
    case KeyState::fresh:
        return "fresh";
    case KeyState::done:
        return "done";
    case KeyState::busy:
        return "busy";
    }
    return "unknown";
}

/// A snapshot of a Deduplicator. The last four count since it was made.
struct DeduplicatorStats {
    std::size_t marks = 0;         ///< keys that are marked
    std::size_t in_work = 0;       ///< keys with a Turn that is neither marked nor destroyed
    std::uint64_t duplicates = 0;  ///< calls of begin(), contains() and mark() with a marked key
    std::uint64_t busy = 0;        ///< calls of begin() with a key in work
    std::uint64_t dropped = 0;     ///< marks that were dropped because of `count`
    std::uint64_t expired = 0;     ///< marks that were dropped because of `age`

    friend bool operator==(const DeduplicatorStats&, const DeduplicatorStats&) = default;
};

}  // namespace runnel::inline v0
