// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/duration.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream_id.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace runnel::inline v0 {

/// Where a group or a cursor begins: behind an id, before the first entry, or behind the last one.
class From {
public:
    /// Before the first entry there is. Redis: 0.
    static const From start;
    /// Behind the last entry there is: only what is added later counts. Redis: $.
    static const From end;

    /// Behind that id.
    constexpr From(StreamId id) noexcept : id_{id} {}  // NOLINT(*-explicit-*)

    /// Nothing: the end.
    [[nodiscard]] constexpr std::optional<StreamId> id() const noexcept { return id_; }

private:
    constexpr From() = default;

    std::optional<StreamId> id_;
};

inline constexpr From From::start{StreamId{}};
inline constexpr From From::end{};

struct GroupOptions {
    From from = From::start;
    /// How many entries up to there were ever added, if it is known: for the lag. Redis:
    /// ENTRIESREAD.
    std::optional<std::uint64_t> entries_read{};
};

struct ConsumerOptions {
    /// How many entries the consumer may have pending: with as many in hand it gets no new ones
    /// through this handle, and its reads wait until some are acknowledged, released, claimed away
    /// or lost by the stream. At least 1.
    std::size_t max_pending = std::numeric_limits<std::size_t>::max();
};

struct GroupReadOptions {
    /// At most so many entries at a time, at least 1. The others are left to other consumers.
    std::size_t count = 64;
    Timeout timeout{};
    std::stop_token stop{};
    /// Delivered entries are done with: they never become pending. At most once. Redis: NOACK.
    bool acknowledged = false;
};

struct HistoryOptions {
    /// Only entries behind this id: next() of the history before.
    StreamId after{};
    /// At least 1.
    std::size_t count = std::numeric_limits<std::size_t>::max();
};

struct ClaimOptions {
    /// Only entries that were delivered at least so long ago, or belong to nobody. Has to be given:
    /// what is idle for less may be in the hands of a consumer that works on it. Not negative. Idle
    /// times are those of Clock::now(): to set the wall clock changes none.
    Duration min_idle;
    /// How long they count as idle from now on; less than nothing counts as 0. Redis: IDLE, but
    /// there what would be before 1970 counts as 0, too.
    Duration idle = std::chrono::nanoseconds{0};
    /// The new count of deliveries; nothing: one more than before. Redis: RETRYCOUNT.
    std::optional<std::uint64_t> deliveries{};
    /// False: the count stays as it is. Redis: JUSTID.
    bool counts = true;
    /// Also entries that are not pending. Redis: FORCE.
    bool force = false;
    /// The group has delivered up to here, at least. Moves its position, but not
    /// GroupInfo::entries_read, so that GroupInfo::lag may be wrong until the next entry is added
    /// and read, or for longer; ConsumerGroup::lag() is exact. Redis: LASTID.
    StreamId last_id{};
};

struct AutoclaimOptions {
    /// Only entries that were delivered at least so long ago, or belong to nobody. Has to be given,
    /// as that of ClaimOptions.
    Duration min_idle;
    /// Where to begin: next() of the claim before.
    StreamId start{};
    /// At most so many entries at a time, at least 1; ten times as many are looked at.
    std::size_t count = 100;
    bool counts = true;
};

/// What a group has pending, by consumer. Redis: XPENDING in its short form.
struct PendingSummary {
    struct Share {
        std::string consumer;
        std::size_t count = 0;

        friend bool operator==(const Share&, const Share&) = default;
    };

    std::size_t count = 0;
    StreamId least{};  ///< 0-0 if there are none, and so is the greatest
    StreamId greatest{};
    std::vector<Share> consumers{};  ///< those that have any, by name
};

/// A pending entry. Redis: a row of XPENDING in its long form.
struct PendingEntry {
    StreamId id;
    std::string consumer{};             ///< empty if it belongs to nobody
    bool is_released = false;           ///< it belongs to nobody
    std::chrono::milliseconds idle{0};  ///< since its last delivery; 0 if it belongs to nobody
    std::uint64_t deliveries = 0;

    friend bool operator==(const PendingEntry&, const PendingEntry&) = default;
};

struct PendingOptions {
    StreamId first{};
    StreamId last = StreamId::max();
    std::size_t count = std::numeric_limits<std::size_t>::max();
    /// Only what this consumer has.
    std::optional<std::string> consumer{};
    /// Only what was delivered at least so long ago, or belongs to nobody. Not negative.
    Duration min_idle = std::chrono::nanoseconds{0};
};

/// Redis: a row of XINFO CONSUMERS.
struct ConsumerInfo {
    std::string name;
    std::size_t pending = 0;
    std::chrono::milliseconds idle{0};  ///< since it last asked for entries
    /// Since it last got one; nothing: never.
    std::optional<std::chrono::milliseconds> inactive{};
};

/// Redis: a row of XINFO GROUPS.
struct GroupInfo {
    std::string name;
    std::size_t consumers = 0;
    std::size_t pending = 0;
    std::size_t released = 0;  ///< of those, the ones that belong to nobody
    StreamId last_delivered{};
    /// How many entries it has been delivered, ever, as far as Redis can tell.
    std::optional<std::uint64_t> entries_read{};
    /// How many entries are still to be delivered, by Redis' reckoning: nothing where entries were
    /// erased behind last_delivered, or the group began in the middle; wrong, and for long, after a
    /// claim with `last_id`, which moves last_delivered and leaves entries_read.
    /// ConsumerGroup::lag() counts, and is exact.
    std::optional<std::uint64_t> lag{};
};

}  // namespace runnel::inline v0
