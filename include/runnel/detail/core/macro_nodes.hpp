// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/parse_integer.hpp>
#include <runnel/stream_id.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::detail {

// How many bytes Redis takes for an item of a node, which is a "listpack": the item's kind and
// length, the item, and how long all this is, so that the items can be walked back.
namespace listpack {

[[nodiscard]] constexpr std::uint64_t with_way_back(std::uint64_t size) noexcept {
    if (size < 128) return size + 1;
    if (size < 16'383) return size + 2;
    if (size < 2'097'151) return size + 3;
    return size + (size < 268'435'455 ? 4 : 5);
}

[[nodiscard]] constexpr std::uint64_t size_of(std::int64_t number) noexcept {
    const auto fits = [number](unsigned bits) {
        const std::int64_t limit = std::int64_t{1} << (bits - 1);
        return number >= -limit && number < limit;
    };
    if (number >= 0 && number < 128) return with_way_back(1);
    if (fits(13)) return with_way_back(2);
    if (fits(16)) return with_way_back(3);
    if (fits(24)) return with_way_back(4);
    return with_way_back(fits(32) ? 5 : 9);
}

// Text that is a number as Redis prints one is kept as the number.
[[nodiscard]] inline std::uint64_t size_of(std::string_view text) noexcept {
    if (const auto number = parse_integer(text)) return size_of(*number);
    const std::uint64_t size = text.size();
    if (size < 64) return with_way_back(size + 1);
    return with_way_back(size + (size < 4'096 ? 2 : 5));
}

}  // namespace listpack

struct MacroNodeLimits {
    std::uint64_t entries = 100;  // 0: no limit
    std::uint64_t bytes = 4'096;  // 0: as many as there can be

    static constexpr std::uint64_t most_bytes = std::uint64_t{1} << 30U;
};

// The nodes in which Redis keeps the entries of a stream, as far as commands show them: `XTRIM ~`
// drops whole nodes, and XINFO counts them. It stands beside a StreamLog, whose own blocks are cut
// in another way.
//
// An entry that is erased still counts in its node, until no entry of the node is left.
class MacroNodes {
public:
    class Node {
    public:
        [[nodiscard]] StreamId last() const noexcept { return last_; }  // maybe an erased one
        [[nodiscard]] std::uint64_t entries() const noexcept { return entries_; }
        [[nodiscard]] std::uint64_t live() const noexcept { return live_; }
        [[nodiscard]] std::uint64_t bytes() const noexcept {
            return bytes_ + listpack::size_of(static_cast<std::int64_t>(live_)) +
                   listpack::size_of(static_cast<std::int64_t>(entries_ - live_));
        }

    private:
        friend class MacroNodes;

        StreamId last_{};
        std::uint64_t entries_ = 0;
        std::uint64_t live_ = 0;
        std::uint64_t bytes_ = 0;         // without the numbers of entries
        std::vector<std::string> names_;  // of the first entry; an entry with the same has none
    };
    using Nodes = std::map<StreamId, Node>;  // by the id of the first entry
    using Place = Nodes::const_iterator;

    // ---- appending: prepare, commit

    // An entry that can be appended without any more memory.
    class Prepared {
    public:
        Prepared() = default;

    private:
        friend class MacroNodes;

        StreamId id_{};
        std::uint64_t bytes_ = 0;  // which the entry adds
        Nodes::node_type node_;    // which it begins, if it does
    };

    // `words`: a name, a value, a name, … as text. Throws: std::bad_alloc.
    template <typename Words>
    [[nodiscard]] Prepared prepare(StreamId id, const Words& words,
                                   const MacroNodeLimits& limits) const {
        const Node* const last = nodes_.empty() ? nullptr : &std::prev(nodes_.end())->second;
        Prepared prepared;
        prepared.id_ = id;
        if (last != nullptr && has_room(*last, text_of(words), limits)) {
            prepared.bytes_ =
                size_of(id, std::prev(nodes_.end())->first, words, has_names(*last, words));
            return prepared;
        }
        Nodes made;
        make_node(made.try_emplace(id).first->second, words);
        prepared.node_ = made.extract(made.begin());
        prepared.bytes_ = size_of(id, id, words, true);
        return prepared;
    }

    // Requires: the id is greater than that of all entries, and nothing was appended since.
    void append(Prepared prepared) noexcept {
        if (prepared.node_) nodes_.insert(nodes_.end(), std::move(prepared.node_));
        RUNNEL_ASSERT(!nodes_.empty());
        Node& node = std::prev(nodes_.end())->second;
        node.last_ = prepared.id_;
        node.bytes_ += prepared.bytes_;
        ++node.entries_;
        ++node.live_;
    }

    // ---- erasing

    // Requires: an entry of that id was appended, and not erased since.
    void erase(StreamId id) noexcept {
        const auto found = std::prev(nodes_.upper_bound(id));
        RUNNEL_ASSERT(found->second.live_ != 0);
        if (--found->second.live_ == 0) nodes_.erase(found);
    }

    // Erases the oldest `count` entries. Requires: there are as many.
    void erase_first(std::size_t count) noexcept {
        while (count != 0) {
            const auto first = nodes_.begin();
            RUNNEL_ASSERT(first != nodes_.end());
            const auto erased = std::min<std::uint64_t>(count, first->second.live_);
            first->second.live_ -= erased;
            if (first->second.live_ == 0) nodes_.erase(first);
            count -= erased;
        }
    }

    // ---- looking

    [[nodiscard]] std::size_t size() const noexcept { return nodes_.size(); }
    [[nodiscard]] Place begin() const noexcept { return nodes_.begin(); }
    [[nodiscard]] Place end() const noexcept { return nodes_.end(); }

private:
    template <typename Words>
    [[nodiscard]] static std::uint64_t text_of(const Words& words) noexcept {
        std::uint64_t bytes = 0;
        for (const std::string_view word : words) bytes += word.size();
        return bytes;
    }

    [[nodiscard]] static bool has_room(const Node& node, std::uint64_t bytes,
                                       const MacroNodeLimits& limits) noexcept {
        const std::uint64_t most = limits.bytes != 0
                                       ? std::min(limits.bytes, MacroNodeLimits::most_bytes)
                                       : MacroNodeLimits::most_bytes;
        if (node.bytes() + bytes >= most) return false;
        return limits.entries == 0 || node.entries_ < limits.entries;
    }

    // Whether the words have the names of the first entry, in the same order.
    template <typename Words>
    [[nodiscard]] static bool has_names(const Node& node, const Words& words) noexcept {
        std::size_t count = 0;
        for (const std::string_view word : words) {
            const bool is_name = count % 2 == 0;
            const std::size_t index = count++ / 2;
            if (index == node.names_.size()) return false;
            if (is_name && node.names_[index] != word) return false;
        }
        return count == 2 * node.names_.size();
    }

    template <typename Words>
    static void make_node(Node& node, const Words& words) {
        bool is_name = false;
        for (const std::string_view word : words) {
            is_name = !is_name;
            if (is_name) node.names_.emplace_back(word);
        }
        constexpr std::uint64_t header = 6;
        constexpr std::uint64_t terminator = 1;
        node.bytes_ = header + terminator +
                      listpack::size_of(static_cast<std::int64_t>(node.names_.size())) +
                      listpack::size_of(0);
        for (const std::string& name : node.names_) node.bytes_ += listpack::size_of(name);
    }

    // What an entry takes: flags, the id, the words, and of how many items all this is.
    template <typename Words>
    [[nodiscard]] static std::uint64_t size_of(StreamId id, StreamId first, const Words& words,
                                               bool has_same_names) noexcept {
        std::uint64_t bytes = listpack::size_of(0) + size_of_difference(id.ms, first.ms) +
                              size_of_difference(id.seq, first.seq);
        std::int64_t count = 0;
        for (const std::string_view word : words)
            if (count++ % 2 != 0 || !has_same_names) bytes += listpack::size_of(word);
        if (has_same_names) return bytes + listpack::size_of(count / 2 + 3);
        return bytes + listpack::size_of(count / 2) + listpack::size_of(count + 4);
    }
    [[nodiscard]] static std::uint64_t size_of_difference(std::uint64_t a,
                                                          std::uint64_t b) noexcept {
        return listpack::size_of(static_cast<std::int64_t>(a - b));
    }

    Nodes nodes_;
};

// How many nodes Redis' own radix tree has, which indexes the macro nodes by their first ids. It
// has a leaf for each, a node where ids branch, and a node for bytes in a row that do not branch.
class RadixTreeSize {
public:
    [[nodiscard]] static std::size_t of(const MacroNodes& nodes) noexcept {
        if (nodes.size() == 0) return 1;
        RadixTreeSize size;
        int before = no_depth;
        for (auto node = nodes.begin(); node != nodes.end(); ++node) {
            const auto next = std::next(node);
            const int after = next != nodes.end() ? common(node->first, next->first) : no_depth;
            size.add(std::max(before, after), leaf_depth);
            size.go_on(after);
            before = after;
        }
        return size.count_;
    }

private:
    static constexpr int leaf_depth = 16;  // bytes of an id
    static constexpr int no_depth = -1;

    // How many bytes they have in common, the highest first.
    [[nodiscard]] static int common(StreamId one, StreamId other) noexcept {
        if (one.ms != other.ms) return std::countl_zero(one.ms ^ other.ms) / 8;
        return (64 + std::countl_zero(one.seq ^ other.seq)) / 8;
    }

    // A node, and one for the bytes that lead to it from behind the branch at depth `above`.
    void add(int above, int depth) noexcept { count_ += depth > above + 1 ? 2 : 1; }

    // The next id branches off at `depth`: the branches below that are complete.
    void go_on(int depth) noexcept {
        while (last() > depth) {
            const int complete = last();
            --open_;
            add(std::max(last(), depth), complete);
        }
        if (last() < depth) branches_[open_++] = depth;
    }
    [[nodiscard]] int last() const noexcept { return open_ == 0 ? no_depth : branches_[open_ - 1]; }

    std::size_t count_ = 0;
    std::array<int, leaf_depth> branches_{};  // on the way to the last id, each deeper than before
    std::size_t open_ = 0;
};

}  // namespace runnel::inline v0::detail
