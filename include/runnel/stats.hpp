// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace runnel::inline v0 {

/// What ConsumerGroup::backlog() counts.
struct BacklogOptions {
    /// Also Backlog::attempts, which takes a look at each pending entry.
    bool attempts = false;
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

}  // namespace runnel::inline v0
