// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/blocks/segmented_log.hpp>
#include <runnel/detail/core/macro_nodes.hpp>
#include <runnel/detail/core/stream_log.hpp>
#include <runnel/message.hpp>
#include <runnel/stream_id.hpp>

#include <algorithm>
#include <cstdint>

namespace runnel::inline v0::detail {

// What is done with the groups that still refer to an entry that is to be erased. Groups are a map
// of GroupState by name.
enum class References : std::uint8_t {
    keep,          // they keep it pending. Redis: KEEPREF
    drop,          // no group has it pending any more. Redis: DELREF
    acknowledged,  // an entry that a group refers to is not erased. Redis: ACKED
};

// Whether a group still has to deliver that entry, or has it pending. The entry need not exist.
template <typename Groups>
[[nodiscard]] bool is_referenced(const Groups& groups, StreamId id) noexcept {
    return std::any_of(groups.begin(), groups.end(), [id](const auto& named) {
        return named.second.last_delivered() < id || named.second.pending().find(id);
    });
}

// Drops the entry from what groups have pending. Calls told.dropped(name of the group, id).
template <typename Groups, typename Told>
void drop_references(Groups& groups, StreamId id, Told& told) noexcept {
    for (auto& [name, group] : groups)
        if (group.acknowledge(id)) told.dropped(name, id);
}

// The entries of a stream, and the nodes that Redis would keep them in.
template <Message T>
struct NodedLog {
    StreamLog<T>& log;
    MacroNodes& nodes;
};

enum class Erasure : std::int8_t {
    absent = -1,
    done = 1,
    referenced = 2,  // and therefore still there
};

// As XDEL and XDELEX do with one id. Calls told.erased(id) if there was an entry.
template <Message T, typename Groups, typename Told>
Erasure erase_entry(NodedLog<T> stream, Groups& groups, StreamId id, References references,
                    Disposal<T>& disposal, Told& told) noexcept {
    if (references == References::acknowledged && is_referenced(groups, id))
        return Erasure::referenced;
    if (references == References::drop) drop_references(groups, id, told);
    const auto place = stream.log.find(id);
    if (!place) return Erasure::absent;
    stream.log.erase(place, disposal);
    stream.nodes.erase(id);
    told.erased(id);
    return Erasure::done;
}

// As XACKDEL does with one id. Also calls told.dropped(name, id) if it was pending in the group.
template <Message T, typename Groups, typename Told>
Erasure acknowledge_and_erase(NodedLog<T> stream, Groups& groups, typename Groups::iterator group,
                              StreamId id, References references, Disposal<T>& disposal,
                              Told& told) noexcept {
    if (!group->second.acknowledge(id)) return Erasure::absent;
    told.dropped(group->first, id);
    const Erasure erasure = erase_entry(stream, groups, id, references, disposal, told);
    return erasure == Erasure::referenced ? erasure : Erasure::done;
}

}  // namespace runnel::inline v0::detail
