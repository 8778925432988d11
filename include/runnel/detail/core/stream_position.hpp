// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/core/stream_facts.hpp>
#include <runnel/stream_id.hpp>

#include <cstdint>
#include <optional>

namespace runnel::inline v0::detail {

// What XSETID sets.
struct StreamPosition {
    StreamId last_id{};
    std::optional<std::uint64_t> entries_added{};
    StreamId max_deleted_id{};  // 0-0: stays as it is
};

enum class PositionRefusal : std::uint8_t {
    none,
    less_than_max_deleted,
    less_than_last_entry,
    fewer_added_than_there_are,
};

// Whether a command may ask for that at all, before it has looked at a stream.
[[nodiscard]] constexpr bool is_consistent(const StreamPosition& position) noexcept {
    return position.max_deleted_id <= position.last_id;
}

// Whether a stream may take that position. `last_entry`: the id of its last entry, if it has one.
[[nodiscard]] constexpr PositionRefusal
check_position(const StreamPosition& position, const LogFacts& log, StreamId last_entry) noexcept {
    if (position.last_id < log.max_deleted_id) return PositionRefusal::less_than_max_deleted;
    if (log.length == 0) return PositionRefusal::none;
    if (position.last_id < last_entry) return PositionRefusal::less_than_last_entry;
    if (position.entries_added && *position.entries_added < log.length)
        return PositionRefusal::fewer_added_than_there_are;
    return PositionRefusal::none;
}

}  // namespace runnel::inline v0::detail
