// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/core/group_state.hpp>
#include <runnel/detail/core/pending_entries.hpp>
#include <runnel/detail/core/time_order.hpp>

#include <string>

namespace runnel::test {

/// All that can be seen of a consumer group, a line for each part.
inline std::string story_of(const detail::GroupState& group) {
    using detail::PendingEntries;
    using std::to_string;
    std::string story = "at " + to_string(group.last_delivered()) + ", read ";
    story += group.entries_read() ? to_string(*group.entries_read()) : "?";
    story += ", released " + to_string(group.pending().released()) + "\n";
    for (const auto& [name, who] : group.consumers())
        story += "consumer " + name + ": pending " + to_string(who.pending) + ", seen " +
                 to_string(who.seen) + ", active " + to_string(who.active) + "\n";
    for (auto at = group.pending().first(); at; at = PendingEntries::next(at)) {
        const auto entry = group.pending()[at];
        const auto* const owner = group.find(entry.owner);
        story += to_string(entry.id) + ": " + (owner == nullptr ? "-" : *owner->name) + " at " +
                 to_string(entry.delivered_ms) + ", " + to_string(entry.deliveries) + " times\n";
    }
    if (group.pending().by_time() == nullptr) return story;
    story += "by time:";
    for (const auto* one = group.pending().by_time()->first(); one != nullptr; one = one->next)
        story += " " + to_string(one->id);
    return story + "\n";
}

}  // namespace runnel::test
