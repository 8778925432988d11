// SPDX-License-Identifier: MIT
#pragma once

// What Redis has changed in streams since 7.0, and what it reckons about groups.

#include <runnel/consumer_group.hpp>
#include <runnel/error.hpp>
#include <runnel/stream.hpp>

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

// ------------------------------------------------------------------ what Redis has changed

// A rule that is not that of Redis 7.0 any more. Where it matters, the test foretells the reply of
// a server that does not have it yet, and takes no other: a change excuses nothing but that reply.
struct Change {
    const char* name;
    std::array<int, 3> since;
};

// 7.2 (redis#11099): a read or claim that gets nothing makes its consumer nevertheless.
inline constexpr Change makes_idle_consumers{"7.2.0: idle consumers", {7, 2, 0}};

// 7.2 (redis#11099): XINFO CONSUMERS has a fourth field, `inactive`.
inline constexpr Change tells_inactive{"7.2.0: inactive", {7, 2, 0}};

// 7.4 at the latest: XADD ms-* in a millisecond whose numbers are used up says so. Before, it gave
// the reason of whatever was refused last on the server, one of two.
inline constexpr Change knows_used_up_ms{"7.4.0: used-up millisecond", {7, 4, 0}};

// 7.4.2 (redis#13338): of the entries that were read and of the lag, Redis knows nothing if an
// erased entry follows the last delivered one. Before, it looked behind the one that is being
// delivered, and not at all once the stream began behind the erased entry.
inline constexpr Change minds_tombstones{"7.4.2: minds tombstones", {7, 4, 2}};

// 7.4.2 (redis#13473): a group that has read nothing of what is left lags by all of it, and not at
// all behind an empty stream. Before, what was trimmed away unread counted too.
inline constexpr Change lags_by_what_is_left{"7.4.2: lags by what is left", {7, 4, 2}};

// 7.4.4 (redis#13958): a group whose place was trimmed away counts anew. Before, its count went on
// as if it had read what was trimmed.
inline constexpr Change counts_anew{"7.4.4: counts anew", {7, 4, 4}};

// 8.2.2 (redis#14259): ENTRIESREAD of CREATE and SETID is at most the number of entries ever added.
inline constexpr Change clamps_entries_read{"8.2.2: clamps ENTRIESREAD", {8, 2, 2}};

// No version: a lag below 0 is what Redis tells where ENTRIESREAD was too much for the place of its
// group, and has grown since. A lag of runnel has no sign, and is 0 then.
inline constexpr Change has_no_negative_lag{"never: no negative lag", {999, 0, 0}};

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
