// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/abstract_clock.hpp>
#include <runnel/redis/change.hpp>
#include <runnel/redis/value.hpp>
#include <runnel/stream_id.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis {

/// Something that has happened to an entry of a stream: see Server::history().
struct EntryEvent {
    enum class What : std::uint8_t {
        added,
        delivered,     ///< to `consumer` of `group`; also when it reads its history again
        acknowledged,  ///< in `group`
        claimed,       ///< by `consumer` of `group`
        released,      ///< in `group`, by XNACK
        removed,       ///< by XDEL and the like
        trimmed,
        key_gone,  ///< with its stream: deleted, expired, renamed, overwritten
    };

    What what = What::added;
    std::chrono::milliseconds at{};  ///< the wall time of the server, since 1970
    std::string group{};
    std::string consumer{};

    friend bool operator==(const EntryEvent&, const EntryEvent&) = default;
    /// Without the time, such as "delivered to till-1 of billing".
    [[nodiscard]] friend std::string to_string(const EntryEvent& event) { return event.text(); }

private:
    [[nodiscard]] std::string text() const;
};

inline std::string EntryEvent::text() const {
    switch (what) {
    case What::added:
        return "added";
    case What::delivered:
        return "delivered to " + consumer + " of " + group;
    case What::acknowledged:
        return "acknowledged in " + group;
    case What::claimed:
        return "claimed by " + consumer + " of " + group;
    case What::released:
        return "released in " + group;
    case What::removed:
        return "removed";
    case What::trimmed:
        return "trimmed";
    case What::key_gone:
        return "gone with its key";
    }
    return "unknown";
}

namespace detail {

// What has happened to the entries of all streams. Guarded by the server's lock.
class EntryHistory final : public ChangeListener {
public:
    using Events = std::vector<EntryEvent>;

    explicit EntryHistory(const Clock& clock) noexcept : clock_{clock} {}

    // False: there was no memory for an event, which is missing.
    [[nodiscard]] bool is_complete() const noexcept { return is_complete_; }

    void on_change(const Change& change, ChangedIn in) noexcept override {
        try {
            const auto now = clock_.wall().time_since_epoch();
            note(change, in.database, std::chrono::floor<std::chrono::milliseconds>(now).count());
        } catch (...) {
            is_complete_ = false;
        }
    }

    // Two databases change places.
    void swap(std::size_t one, std::size_t other) noexcept {
        Streams swapped;
        for (auto at = streams_.begin(); at != streams_.end();) {
            auto node = streams_.extract(at++);
            std::size_t& database = node.key().first;
            if (database == one || database == other) database = database == one ? other : one;
            swapped.insert(std::move(node));
        }
        streams_.swap(swapped);
    }

    [[nodiscard]] Events of(std::string_view key, StreamId id, std::size_t database) const {
        const auto stream = streams_.find({database, std::string{key}});
        if (stream == streams_.end()) return {};
        const auto entry = stream->second.find(id);
        return entry == stream->second.end() ? Events{} : entry->second.events;
    }

private:
    struct Entry {
        Events events{};
        bool is_there = true;
    };
    using Entries = std::map<StreamId, Entry>;
    using Streams = std::map<std::pair<std::size_t, std::string>, Entries>;

    // Throws: std::bad_alloc, and then an event is missing.
    void note(const Change& change, std::size_t database, Milliseconds now) {
        using What = Change::What;
        switch (change.what) {
        case What::entry_added:
            return add(change, database, EntryEvent::What::added, now);
        case What::delivered:
            return add(change, database, EntryEvent::What::delivered, now);
        case What::acknowledged:
            return add(change, database, EntryEvent::What::acknowledged, now);
        case What::claimed:
            return add(change, database, EntryEvent::What::claimed, now);
        case What::released:
            return add(change, database, EntryEvent::What::released, now);
        case What::entry_removed:
            return add(change, database, EntryEvent::What::removed, now);
        case What::entry_trimmed:
            return add(change, database, EntryEvent::What::trimmed, now);
        case What::key_made:
            if (change.type == ValueType::stream && !change.origin.empty()) go_on(change, database);
            return;
        case What::key_gone:
            if (change.type == ValueType::stream && change.origin.empty())
                end_all(change.key, database, now);
            return;
        default:
            return;
        }
    }

    void add(const Change& change, std::size_t database, EntryEvent::What what, Milliseconds now) {
        Entry& entry = streams_[{database, std::string{change.key}}][change.id];
        entry.events.push_back({.what = what,
                                .at = std::chrono::milliseconds{now},
                                .group = std::string{change.group},
                                .consumer = std::string{change.consumer}});
        if (what == EntryEvent::What::added) entry.is_there = true;
        if (what == EntryEvent::What::removed || what == EntryEvent::What::trimmed)
            entry.is_there = false;
    }

    // A key that was made from another one: its entries have had the history of that one's.
    void go_on(const Change& change, std::size_t database) {
        if (change.origin == change.key && change.origin_database == database) return;  // SWAPDB
        const auto origin = streams_.find({change.origin_database, std::string{change.origin}});
        if (origin == streams_.end()) return;
        Entries& entries = streams_[{database, std::string{change.key}}];
        for (const auto& [id, entry] : origin->second) entries.insert_or_assign(id, entry);
    }

    void end_all(std::string_view key, std::size_t database, Milliseconds now) {
        const auto stream = streams_.find({database, std::string{key}});
        if (stream == streams_.end()) return;
        for (auto& [id, entry] : stream->second) {
            if (!std::exchange(entry.is_there, false)) continue;
            entry.events.push_back(
                {.what = EntryEvent::What::key_gone, .at = std::chrono::milliseconds{now}});
        }
    }

    const Clock& clock_;
    Streams streams_{};
    bool is_complete_ = true;
};

}  // namespace detail

}  // namespace runnel::inline v0::redis
