// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

namespace runnel::inline v0 {

// Values that tell how an object stands at one moment. What is called "so far" is a counter: it
// begins at 0 when the object is made, and never goes back.

/// What is counted besides.
struct StatsOptions {
    /// Also Backlog::attempts, which takes a look at each pending entry.
    bool attempts = false;
};

/// A snapshot of a list, taken at one moment. A move_to() that waits is counted twice: in the
/// `blocked_pops` of the list that it takes from, and in the `blocked_pushes` of its target, unless
/// both are one list. Elements have no times, so nothing tells how old they are.
struct ListStats {
    std::size_t size = 0;            ///< elements
    std::size_t blocked_pops = 0;    ///< calls that wait for an element
    std::size_t blocked_pushes = 0;  ///< calls that wait for room
    std::uint64_t dropped = 0;       ///< elements thrown away by Full::drop_other_end so far
    std::size_t capacity = std::numeric_limits<std::size_t>::max();  ///< as its options say
    /// The greatest size that was seen so far. A push does not look at the size, but a pop does
    /// that takes what has gathered since the one before. So there were perhaps more, up to twice
    /// as many.
    std::size_t high_water = 0;
    /// Elements that came into it so far, by moves too, and those that came back from a coroutine
    /// that was destroyed before it could take them.
    std::uint64_t pushed = 0;
    /// Elements that left it so far otherwise than as `dropped`: popped, moved and removed ones. So
    /// `pushed` is the sum of these, `dropped` and `size`.
    std::uint64_t popped = 0;
    /// Pushes that were refused so far as the list was full, or ended in time. A push of several
    /// elements counts once.
    std::uint64_t refused = 0;
    /// For how long pushes have waited so far, all together, those that wait now too; not moves.
    std::chrono::nanoseconds blocked_for{0};
    bool is_closed = false;

    friend bool operator==(const ListStats&, const ListStats&) = default;
};

/// What a group has still to do, at one moment.
///
/// Ages are told by the ids: the time of the stream's wall clock less the milliseconds of an id,
/// and 0 if that is negative. So they mean nothing in a stream to which entries are added under ids
/// of one's own that are no times.
struct Backlog {
    /// Entries of the stream that the group has not delivered yet: what ConsumerGroup::lag()
    /// counts.
    std::size_t lag = 0;
    std::size_t pending = 0;   ///< entries that it has delivered and that are not acknowledged
    std::size_t released = 0;  ///< of these, the ones that were given back
    /// Of the oldest entry that the group has not delivered yet; std::nullopt if `lag` is 0.
    std::optional<std::chrono::milliseconds> undelivered_age{};
    /// Of the pending entry with the least id; std::nullopt if none is pending.
    std::optional<std::chrono::milliseconds> unacknowledged_age{};
    /// How often the pending entry was delivered that was delivered most often; after Nack::fatal
    /// that is the greatest std::int64_t. std::nullopt if none is pending, or if the options did
    /// not ask for it.
    std::optional<std::uint64_t> attempts{};

    friend bool operator==(const Backlog&, const Backlog&) = default;
};

/// A snapshot of a group.
struct GroupStats {
    std::string name{};
    Backlog backlog{};
    std::size_t consumers = 0;    ///< how many there are
    std::size_t waiting = 0;      ///< reads that wait
    std::uint64_t delivered = 0;  ///< entries that reads have delivered so far
    std::uint64_t redelivered =
        0;  ///< entries that were claimed, or delivered by history(), so far
    /// Entries that were acknowledged so far, those of reads with `.acknowledged` too.
    std::uint64_t acknowledged = 0;
    /// Entries so far that are no longer pending without that: the stream has lost them, or their
    /// consumer was removed.
    std::uint64_t dropped = 0;

    friend bool operator==(const GroupStats&, const GroupStats&) = default;
};

/// A snapshot of a stream, and of its groups.
struct StreamStats {
    std::size_t size = 0;                                         ///< entries
    std::size_t limit = std::numeric_limits<std::size_t>::max();  ///< Keep::count
    std::size_t high_water = 0;                                   ///< the greatest size so far
    std::uint64_t added = 0;                                      ///< entries so far
    std::uint64_t trimmed = 0;  ///< entries that retention and trim() have dropped so far
    std::uint64_t erased = 0;   ///< entries that erase() has removed so far
    std::size_t waiting = 0;    ///< reads that wait, of groups too
    /// Of the oldest entry; see Backlog. std::nullopt if there is none.
    std::optional<std::chrono::milliseconds> age{};
    bool is_closed = false;
    std::vector<GroupStats> groups{};  ///< in the order of their names

    friend bool operator==(const StreamStats&, const StreamStats&) = default;
};

/// A snapshot of a channel.
struct ChannelStats {
    std::uint64_t published = 0;  ///< messages so far
    std::uint64_t delivered = 0;  ///< the sum of Published::reached so far
    /// Messages so far that subscribers have missed as they were behind. A subscription counts them
    /// when it reads on.
    std::uint64_t missed = 0;
    std::uint64_t disconnected = 0;  ///< subscriptions so far that were too far behind; not inboxes
    std::uint64_t refused = 0;       ///< publishes so far that returned Push::full
    std::size_t retained = 0;        ///< messages in memory, read or not
    std::size_t high_water = 0;      ///< the greatest number of these so far
    /// How many messages it keeps for subscribers: the greatest of their bounds. A block of memory
    /// more may stay.
    std::size_t limit = 0;
    /// How many messages wait for the handler or the subscription that is furthest behind, of those
    /// that do not skip. Inboxes know for themselves.
    std::size_t behind = 0;
    std::size_t subscriptions = 0;  ///< those that were disconnected do not count
    std::size_t handlers = 0;
    std::size_t inboxes = 0;            ///< counted as Channel::subscribers() does
    std::size_t blocked_reads = 0;      ///< reads of subscriptions that wait
    std::size_t blocked_publishes = 0;  ///< publishes that wait for room
    /// For how long publishes have waited for room so far, all together, those that wait now too.
    std::chrono::nanoseconds blocked_for{0};
    bool is_closed = false;

    friend bool operator==(const ChannelStats&, const ChannelStats&) = default;
};

}  // namespace runnel::inline v0
