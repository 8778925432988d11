// SPDX-License-Identifier: MIT
#pragma once

// What a Redis of this or that age reckons about groups.

#include <runnel/consumer_group.hpp>
#include <runnel/error.hpp>
#include <runnel/stream.hpp>

#include "support/redis_changes.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iostream>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::test {

// Those that make a chain of rules for entries-read and lag: age 0 has none, age 4 all of them.
inline constexpr std::array reckoning_changes{&minds_tombstones, &lags_by_what_is_left,
                                              &counts_anew, &clamps_entries_read};
inline constexpr std::size_t newest = reckoning_changes.size();

constexpr bool has(std::size_t age, const Change& change) {
    const auto* const at = std::ranges::find(reckoning_changes, &change);
    return at < reckoning_changes.begin() + age;
}

// What a Redis of one age reckons about a group: semantics 4.13 if it is the newest.
class Reckoning {
public:
    using Count = std::optional<std::uint64_t>;

    Reckoning(std::size_t age, const StreamInfo& stream) : age_{age}, stream_{stream} {}

    Count given(Count entries_read) const {
        if (!entries_read || !has(age_, clamps_entries_read)) return entries_read;
        return std::min(*entries_read, stream_.entries_added);
    }

    // Of a group that has read `before` up to `last`, and now gets `id`.
    Count after_reading(Count before, StreamId last, StreamId id) const {
        const bool goes_on = !has(age_, counts_anew) || last >= stream_.first_id;
        const StreamId from = has(age_, minds_tombstones) ? last : id;
        if (before && goes_on && !has_tombstone_from(from)) return *before + 1;
        return stream_.entries_added != 0 ? estimate(id) : before;
    }

    Count lag(Count entries_read, StreamId last) const {
        if (stream_.entries_added == 0) return 0;
        if (has(age_, lags_by_what_is_left)) {
            const bool all_is_left =
                last < stream_.first_id && stream_.max_deleted_id < stream_.first_id;
            if (stream_.length == 0 || all_is_left) return stream_.length;
        }
        const Count read =
            entries_read && !has_tombstone_from(last) ? entries_read : estimate(last);
        if (!read) return std::nullopt;
        return stream_.entries_added - *read;
    }

private:
    bool has_tombstone_from(StreamId id) const {
        if (stream_.length == 0 || stream_.max_deleted_id == StreamId{}) return false;
        const bool lies_before = stream_.max_deleted_id < stream_.first_id;
        if (lies_before && !has(age_, minds_tombstones)) return false;
        return id <= stream_.max_deleted_id;
    }

    Count estimate(StreamId id) const {
        if (stream_.entries_added == 0) return 0;
        if (stream_.length == 0 && id <= stream_.last_id) return stream_.entries_added;
        if (has(age_, minds_tombstones) && id != StreamId{} && id < stream_.max_deleted_id)
            return std::nullopt;
        if (id == stream_.last_id) return stream_.entries_added;
        const bool has_gaps =
            stream_.max_deleted_id != StreamId{} && stream_.max_deleted_id >= stream_.first_id;
        if (id > stream_.first_id || has_gaps) return std::nullopt;
        const std::uint64_t before_first = stream_.entries_added - stream_.length;
        return id == stream_.first_id ? before_first + 1 : before_first;
    }

    std::size_t age_;
    const StreamInfo& stream_;
};

}  // namespace runnel::test
