// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/abstract_clock.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>

namespace runnel::inline v0 {

/// One of the two ends of a list. Redis: LEFT is front, RIGHT is back.
enum class End : std::uint8_t { front, back };

/// What a push onto a full list does.
enum class Full : std::uint8_t {
    block,           ///< waits for room
    reject,          ///< is refused: Push::full
    drop_other_end,  ///< throws away the element at the other end and succeeds
};

/// How a BlockingList is made. The outer braces are the list's, the inner ones make its options:
///
///     runnel::BlockingList<Job> jobs{{.capacity = 1000, .when_full = runnel::Full::reject}};
struct ListOptions {
    /// In elements, at least 1.
    std::size_t capacity = std::numeric_limits<std::size_t>::max();
    Full when_full = Full::block;
    /// Null means the SystemClock. Must outlive the list.
    Clock* clock = nullptr;
};

}  // namespace runnel::inline v0
