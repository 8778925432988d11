// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/redis/value.hpp>
#include <runnel/stream_id.hpp>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace runnel::inline v0::redis::detail {

// One thing that a command did to the data. Told once, under the server's lock, after it is done.
// What it names lives only as long as the call.
struct Change {
    enum class What : std::uint8_t {
        key_made,          // it did not exist before; `type`
        key_gone,          // deleted, expired, renamed away, flushed or about to be overwritten
        key_expires,       // its time to live was set, changed or removed
        value_set,         // a string has another value
        pushed,            // `count` elements came to a list, at an end or by LINSERT
        popped,            // `count` elements left it
        list_changed,      // `count` elements were set, removed, trimmed or moved within it
        members_added,     // `count` members came to a set
        members_removed,   // `count` members left it, or a sorted set
        scores_set,        // `count` members of a sorted set were added or got other scores
        fields_set,        // `count` fields of a hash were made or changed
        fields_removed,    // `count` fields left it
        entry_added,       // `id`
        entry_removed,     // `id`, by XDEL and the like
        entry_trimmed,     // `id`
        last_id_set,       // `id`, by XSETID
        producers_set,     // what XCFGSET and XIDMPRECORD do
        group_made,        // `group` at `id`
        group_moved,       // the same, by XGROUP SETID or XCLAIM LASTID
        group_removed,     // `group`
        consumer_made,     // `consumer` of `group`
        consumer_removed,  // with all that it has pending
        delivered,         // `id` to `consumer` of `group` at `time`
        acknowledged,      // `id` in `group`; also when DELREF or a claim drops it
        claimed,           // `id` by `consumer` of `group`, as if delivered at `time`
        released,          // `id` in `group`
    };

    What what;
    std::string_view key;
    std::string_view group{};
    std::string_view consumer{};
    StreamId id{};
    Milliseconds time = 0;
    std::size_t count = 1;
    ValueType type = ValueType::string;  // of the key, if it was made or is gone
    // If the key was made from another one, by RENAME, MOVE or COPY: that one, and its database.
    // With SWAPDB, also of a key that is gone: itself.
    std::string_view origin{};
    std::size_t origin_database = 0;
};

// Whether WATCH minds it: it changes the value of a key, its time to live or its existence. What
// happens to groups does not.
[[nodiscard]] constexpr bool touches(Change::What what) noexcept {
    return what <= Change::What::entry_trimmed;
}

// Where it happened.
struct ChangedIn {
    std::size_t database;
};

// Somebody who is told of all changes of a server, under its lock. What it needs memory for, it has
// to have ready.
class ChangeListener {
public:
    ChangeListener() = default;
    ChangeListener(const ChangeListener&) = delete;
    ChangeListener& operator=(const ChangeListener&) = delete;
    virtual ~ChangeListener() = default;

    virtual void on_change(const Change& change, ChangedIn in) noexcept = 0;
};

}  // namespace runnel::inline v0::redis::detail
