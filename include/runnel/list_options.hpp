// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/abstract_clock.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

namespace runnel::inline v0 {

/// One of the two ends of a list. Redis: LEFT is front, RIGHT is back.
enum class End : std::uint8_t { front, back };

/// What a push onto a full list does.
enum class Full : std::uint8_t {
    block,           ///< it waits until there is room
    reject,          ///< it returns Push::full
    drop_other_end,  ///< it drops the element at the other end and succeeds
};

/// The name of `when_full` as it is spelled in the source, such as "block".
[[nodiscard]] constexpr std::string_view to_string(Full when_full) noexcept {
    switch (when_full) {
    case Full::block:
        return "block";
    case Full::reject:
        return "reject";
    case Full::drop_other_end:
        return "drop_other_end";
    }
    return "unknown";
}

/// The options of a BlockingList. The outer braces make the list, the inner ones its options:
///
///     runnel::BlockingList<Job> jobs{{.capacity = 1000, .when_full = runnel::Full::reject}};
struct ListOptions {
    /// How many elements the list may hold, at least 1.
    std::size_t capacity = std::numeric_limits<std::size_t>::max();
    Full when_full = Full::block;
    /// Null means the SystemClock. Must outlive the list.
    Clock* clock = nullptr;

    friend bool operator==(const ListOptions&, const ListOptions&) = default;
};

}  // namespace runnel::inline v0
