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
    block,           ///< it waits until there is room
    reject,          ///< it returns Push::full
    drop_other_end,  ///< it drops the element at the other end and succeeds
};

/// The options of a BlockingList. The outer braces make the list, the inner ones its options:
///
///     runnel::BlockingList<Job> jobs{{.capacity = 1000, .when_full = runnel::Full::reject}};
struct ListOptions {
    /// How many elements the list may hold, at least 1.
    std::size_t capacity = std::numeric_limits<std::size_t>::max();
    Full when_full = Full::block;
    /// Null means the SystemClock. Must outlive the list.
    Clock* clock = nullptr;
};

}  // namespace runnel::inline v0
