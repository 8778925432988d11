// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/blocks/segmented_log.hpp>
#include <runnel/detail/core/macro_nodes.hpp>
#include <runnel/detail/core/references.hpp>
#include <runnel/detail/core/stream_log.hpp>
#include <runnel/message.hpp>
#include <runnel/stream_id.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <optional>

namespace runnel::inline v0::detail {

// What XTRIM and XADD are asked to trim.
struct TrimRules {
    static constexpr std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();

    std::optional<std::uint64_t> length{};  // trims what is more than that. Redis: MAXLEN
    std::optional<StreamId> before{};       // trims what is less than that. Redis: MINID
    bool whole_nodes = false;               // trims no part of a node. Redis: ~
    std::uint64_t limit = unlimited;        // how many entries are trimmed at most
    References references = References::keep;

    // The limit of a command with `~` that names none.
    [[nodiscard]] static constexpr std::uint64_t usual_limit(std::uint64_t node_entries) noexcept {
        constexpr std::uint64_t nodes = 100;
        constexpr std::uint64_t without_node_limit = 10'000;
        constexpr std::uint64_t most = 1'000'000;
        if (node_entries == 0) return without_node_limit;
        return std::min(node_entries, most / nodes) * nodes;
    }
};

// One trim of a stream, node by node from the oldest. Calls told.trimmed(id) for each entry, before
// it is removed, and told.dropped(name of a group, id) if one had it pending and has not any more.
//
// With `keep`, only the oldest entries go. Otherwise each entry is looked at, also in nodes that
// are not trimmed as a whole, so `whole_nodes` then changes nothing but the limit.
template <Message T, typename Groups, typename Told>
class StreamTrim {
public:
    StreamTrim(NodedLog<T> stream, Groups& groups, const TrimRules& rules, Disposal<T>& disposal,
               Told& told) noexcept
        : stream_{stream}, groups_{groups}, rules_{rules}, disposal_{disposal}, told_{told} {}

    // Returns how many entries were trimmed.
    std::size_t run() noexcept {
        const std::size_t before = stream_.log.size();
        auto node = stream_.nodes.begin();
        while (node != stream_.nodes.end() && may_trim(node->second)) {
            const auto next = std::next(node);  // before `node` leaves
            if (!trim_node(*node)) break;
            node = next;
        }
        return before - stream_.log.size();
    }

private:
    using Log = StreamLog<T>;
    using Place = LogPlace<T>;
    using Node = MacroNodes::Nodes::value_type;

    [[nodiscard]] bool is_short() const noexcept {
        return rules_.length && stream_.log.size() <= *rules_.length;
    }

    [[nodiscard]] bool may_trim(const MacroNodes::Node& node) const noexcept {
        return !is_short() && node.live() <= rules_.limit - trimmed_;
    }

    // Whether all of the node is to be trimmed.
    [[nodiscard]] bool is_out(const MacroNodes::Node& node) const noexcept {
        if (rules_.length) return stream_.log.size() - node.live() >= *rules_.length;
        return rules_.before && node.last() < *rules_.before;
    }

    // Returns whether to go on with the next node.
    bool trim_node(const Node& node) noexcept {
        const bool all = is_out(node.second);
        if (rules_.references != References::keep) {
            const bool nothing_left = trim_selected(node);
            return nothing_left || all;
        }
        if (!all && rules_.whole_nodes) return false;
        return trim_oldest(node.second.live());
    }

    // Trims the oldest `most` entries, or those of them that are to be trimmed. Returns whether
    // that was all of them.
    bool trim_oldest(std::size_t most) noexcept {
        std::size_t count = 0;
        for (Place place = stream_.log.first(); count != most && is_trimmed(place, count);
             place = Log::next(place), ++count)
            told_.trimmed(place.id());
        stream_.log.trim_to_length(stream_.log.size() - count, disposal_);
        stream_.nodes.erase_first(count);
        trimmed_ += count;
        return count == most;
    }

    // Whether the entry is to be trimmed, if `count` entries before it are.
    [[nodiscard]] bool is_trimmed(Place place, std::size_t count) const noexcept {
        if (rules_.length) return stream_.log.size() - count > *rules_.length;
        return rules_.before && place.id() < *rules_.before;
    }

    // Trims what is to be trimmed of the node, as far as the groups allow. Returns whether that was
    // all of it.
    bool trim_selected(const Node& node) noexcept {
        const StreamId last = node.second.last();
        std::size_t left = node.second.live();
        Place place = stream_.log.lower_bound(node.first);
        while (left != 0 && place && place.id() <= last && is_trimmed(place, 0)) {
            const Place next = Log::next(place);
            if (trim_if_allowed(place)) --left;
            place = next;
        }
        return left == 0;
    }

    bool trim_if_allowed(Place place) noexcept {
        const StreamId id = place.id();
        if (rules_.references == References::acknowledged && is_referenced(groups_, id))
            return false;
        told_.trimmed(id);
        if (rules_.references == References::drop) drop_references(groups_, id, told_);
        stream_.log.trim(place, disposal_);
        stream_.nodes.erase(id);
        ++trimmed_;
        return true;
    }

    NodedLog<T> stream_;
    Groups& groups_;
    const TrimRules& rules_;
    Disposal<T>& disposal_;
    Told& told_;
    std::uint64_t trimmed_ = 0;
};

template <Message T, typename Groups, typename Told>
std::size_t trim_stream(NodedLog<T> stream, Groups& groups, const TrimRules& rules,
                        Disposal<T>& disposal, Told& told) noexcept {
    return StreamTrim<T, Groups, Told>{stream, groups, rules, disposal, told}.run();
}

}  // namespace runnel::inline v0::detail
