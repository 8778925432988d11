// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/detail/base/stop_option.hpp>
#include <runnel/duration.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream_id.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace runnel::inline v0 {

/// Where a group or a cursor begins: after an id, before the first entry or after the last entry.
class From {
public:
    /// Before the first entry. Redis: 0.
    static const From start;
    /// After the last entry, so that only later entries are read. Redis: $.
    static const From end;

    /// After that id.
    constexpr From(StreamId id) noexcept : id_{id} {}  // NOLINT(*-explicit-*)

    /// The id; std::nullopt means the end.
    [[nodiscard]] constexpr std::optional<StreamId> id() const noexcept { return id_; }

private:
    constexpr From() = default;

    std::optional<StreamId> id_;
};

inline constexpr From From::start{StreamId{}};
inline constexpr From From::end{};

/// The options of a new group. A group that exists keeps its own.
struct GroupOptions {
    /// Where it begins: before the first entry that is there, unless told otherwise.
    From from = From::start;
    /// How many entries were ever added up to `from`, if that is known. GroupInfo::lag needs it.
    /// Redis: ENTRIESREAD.
    std::optional<std::uint64_t> entries_read{};
};

/// The options of one handle of a consumer; another handle may have others.
struct ConsumerOptions {
    /// How many entries may be pending with the consumer, at least 1. With as many, a read through
    /// this handle returns no new entries, and claims none of others: it waits until some are
    /// acknowledged, given back, claimed by others, or erased or trimmed by the stream.
    std::size_t max_pending = std::numeric_limits<std::size_t>::max();
};

struct GroupReadOptions {
    /// At most so many entries at a time, at least 1.
    std::size_t count = 64;
    Timeout timeout{};
    detail::StopOption stop{};
    /// Entries count as acknowledged when they are delivered: they never become pending. So each is
    /// delivered at most once. Claimed entries stay pending. Redis: NOACK.
    bool acknowledged = false;
    /// The read also claims what was given back, and what has been idle for at least so long, with
    /// any consumer: before new entries, and while it waits for them. Make it longer than any
    /// consumer works on an entry. Not negative. Redis: CLAIM.
    std::optional<Duration> claim{};
    /// At most so many of the `count` are claimed ones, at least 1. Not in Redis.
    std::size_t claim_count = std::numeric_limits<std::size_t>::max();
};

struct HistoryOptions {
    /// Only entries after this id: 0-0 at first, then next() of the result before.
    StreamId after{};
    /// At least 1.
    std::size_t count = std::numeric_limits<std::size_t>::max();
};

namespace detail {

// A duration without a default: an option that is left out has none. The parameter's name is for
// the compiler's message.
class MinIdle : public Duration {
public:
    struct Missing {};

    using Duration::Duration;
    constexpr MinIdle(Duration duration) noexcept : Duration{duration} {}  // NOLINT(*-explicit-*)
    MinIdle(Missing needs_min_idle = {}) = delete;
};

}  // namespace detail

struct ClaimOptions {
    /// Only entries whose last delivery was at least so long ago, or that were given back. You must
    /// set it, and it must not be negative. Make it longer than any consumer works on an entry:
    /// else the claim takes entries from consumers at work. Measured by Clock::now(), so setting
    /// the wall clock does not change it.
    detail::MinIdle min_idle;
    /// For how long the claimed entries count as idle already. Negative means 0. Redis: IDLE; there
    /// a time before 1970 means 0, too.
    Duration idle = std::chrono::nanoseconds{0};
    /// The new count of deliveries. std::nullopt means one more than before. Redis: RETRYCOUNT.
    std::optional<std::uint64_t> deliveries{};
    /// False: the count of deliveries stays as it is. Redis: JUSTID.
    bool counts = true;
    /// Also entries that are not pending. Redis: FORCE.
    bool force = false;
    /// If this is greater than the position of the group, the position moves here.
    /// GroupInfo::entries_read does not move, so GroupInfo::lag may be wrong until the next entry
    /// is added and read, or for longer. ConsumerGroup::lag() stays exact. Redis: LASTID.
    StreamId last_id{};
};

struct AutoclaimOptions {
    /// As ClaimOptions::min_idle.
    detail::MinIdle min_idle;
    /// The id to begin with: 0-0 at first, then next() of the result before.
    StreamId start{};
    /// At most so many entries at a time, at least 1. Ten times as many are looked at.
    std::size_t count = 100;
    bool counts = true;
};

/// How many entries of a group are pending, by consumer. Redis: XPENDING in its short form.
struct PendingSummary {
    struct Share {
        std::string consumer;
        std::size_t count = 0;

        friend bool operator==(const Share&, const Share&) = default;
    };

    std::size_t count = 0;
    StreamId least{};  ///< 0-0 if there are none; so is `greatest`
    StreamId greatest{};
    std::vector<Share> consumers{};  ///< those with pending entries, in the order of names
};

/// A pending entry. Redis: a row of XPENDING in its long form.
struct PendingEntry {
    StreamId id;
    std::string consumer{};             ///< empty if the entry was given back
    bool is_released = false;           ///< it was given back, and belongs to no consumer
    std::chrono::milliseconds idle{0};  ///< since its last delivery; 0 if it was given back
    std::uint64_t deliveries = 0;
    /// If it was given back: in what time a claim may take it; 0: now. See NackOptions::after.
    std::chrono::milliseconds due_in{0};

    friend bool operator==(const PendingEntry&, const PendingEntry&) = default;
};

struct PendingOptions {
    StreamId first{};
    StreamId last = StreamId::max();
    std::size_t count = std::numeric_limits<std::size_t>::max();
    /// Only entries of this consumer.
    std::optional<std::string> consumer{};
    /// Only entries whose last delivery was at least so long ago, or that were given back. Not
    /// negative.
    Duration min_idle = std::chrono::nanoseconds{0};
};

/// A consumer of a group. Redis: a row of XINFO CONSUMERS.
struct ConsumerInfo {
    std::string name;
    std::size_t pending = 0;
    std::chrono::milliseconds idle{0};  ///< since it last asked for entries
    /// Since it last got an entry; std::nullopt if it never has.
    std::optional<std::chrono::milliseconds> inactive{};
};

/// A snapshot of a group. Redis: a row of XINFO GROUPS.
struct GroupInfo {
    std::string name;
    std::size_t consumers = 0;  ///< how many there are
    std::size_t pending = 0;    ///< entries
    std::size_t released = 0;   ///< of the pending ones, those given back, delayed or not
    StreamId last_delivered{};
    /// How many entries the group has ever delivered, as Redis counts; std::nullopt if unknown.
    std::optional<std::uint64_t> entries_read{};
    /// How many entries are still to be delivered, as Redis counts. std::nullopt if unknown:
    /// entries after last_delivered were erased, or the group began in the middle. It may be wrong
    /// for long after a claim with `last_id`, which moves last_delivered but not entries_read.
    /// ConsumerGroup::lag() is always exact.
    std::optional<std::uint64_t> lag{};
};

}  // namespace runnel::inline v0
