// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/abstract_clock.hpp>
#include <runnel/stats.hpp>

#include <string>
#include <utility>
#include <vector>

namespace runnel::inline v0 {

struct ListSnapshot {
    std::string name{};
    ListStats stats{};

    friend bool operator==(const ListSnapshot&, const ListSnapshot&) = default;
};
struct StreamSnapshot {
    std::string name{};
    StreamStats stats{};

    friend bool operator==(const StreamSnapshot&, const StreamSnapshot&) = default;
};
struct ChannelSnapshot {
    std::string name{};
    ChannelStats stats{};

    friend bool operator==(const ChannelSnapshot&, const ChannelSnapshot&) = default;
};

/// How all objects of a broker stand, by their names: see Broker::snapshot(). A value: it refers to
/// nothing. Within each kind they stand in the order of names.
struct BrokerSnapshot {
    Clock::WallTime wall{};  ///< the time at which it was begun, by the clock of the broker
    Clock::Deadline at{};    ///< the same by Clock::now()
    std::vector<ListSnapshot> lists{};
    std::vector<StreamSnapshot> streams{};  ///< with their groups
    std::vector<ChannelSnapshot> channels{};
    std::vector<ChannelSnapshot> sharded_channels{};

    friend bool operator==(const BrokerSnapshot&, const BrokerSnapshot&) = default;
};

namespace detail {

inline void add_to(BrokerSnapshot& snapshot, const std::string& name, const ListStats& stats) {
    snapshot.lists.push_back({name, stats});
}
inline void add_to(BrokerSnapshot& snapshot, const std::string& name, StreamStats&& stats) {
    snapshot.streams.push_back({name, std::move(stats)});
}
inline void add_to(BrokerSnapshot& snapshot, const std::string& name, const ChannelStats& stats) {
    snapshot.channels.push_back({name, stats});
}

}  // namespace detail

}  // namespace runnel::inline v0
