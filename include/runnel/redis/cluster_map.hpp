// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/key_slot.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <numeric>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis {

/// Slots of a cluster that follow each other.
struct SlotRange {
    std::uint16_t first = 0;
    std::uint16_t last = 0;  ///< inclusive

    friend bool operator==(const SlotRange&, const SlotRange&) = default;
};

namespace detail {

// The nodes of a cluster by their numbers, and which of them serves which slot. Knows no server,
// and does not lock.

struct ClusterNode {
    std::string id;  // 40 hexadecimal digits
    std::string host;
    std::uint16_t port = 0;
    std::string shard;                    // the same for a master and its replicas, as `id`
    std::optional<std::size_t> master{};  // of a replica
    std::uint64_t epoch = 0;              // of its shard
    bool has_failed = false;
    std::optional<std::size_t>
        successor{};  // the master that took its slots over while it was down

    [[nodiscard]] std::string address() const { return host + ':' + std::to_string(port); }
};

// What a node does with a request for keys.
struct SlotDecision {
    enum class What : std::uint8_t {
        serve,
        cross_slot,  // the keys are of different slots
        not_served,  // no node serves the slot
        down,        // some slots are not served
        try_again,   // the slot moves, and some of the keys have moved
        ask,         // `node` has the key already
        moved,       // `node` serves the slot
    };

    What what = What::serve;
    std::uint16_t slot = 0;
    std::size_t node = 0;
};

// Properties of a request, besides its keys.
struct SlotRequest {
    bool is_sharded_pubsub = false;
    bool writes = false;
    bool is_asking = false;       // the client has sent ASKING
    bool reads_replicas = false;  // the client has sent READONLY
};

class ClusterMap {
public:
    // All slots belong to nobody.
    explicit ClusterMap(std::vector<ClusterNode> nodes)
        : nodes_{std::move(nodes)}, owners_(key_slots, nobody), counts_(nodes_.size()) {}

    // ---- nodes

    [[nodiscard]] const std::vector<ClusterNode>& nodes() const noexcept { return nodes_; }
    [[nodiscard]] const ClusterNode& node(std::size_t number) const noexcept {
        return nodes_[number];
    }
    [[nodiscard]] bool is_master(std::size_t number) const noexcept {
        return !nodes_[number].master;
    }
    // The number of a replica's master; of a master, its own.
    [[nodiscard]] std::size_t master_of(std::size_t number) const noexcept {
        return nodes_[number].master.value_or(number);
    }
    [[nodiscard]] bool share_data(std::size_t one, std::size_t other) const noexcept {
        return master_of(one) == master_of(other);
    }
    // Throws: std::bad_alloc.
    [[nodiscard]] std::vector<std::size_t> replicas_of(std::size_t master) const {
        std::vector<std::size_t> numbers;
        for (std::size_t number = 0; number != nodes_.size(); ++number)
            if (nodes_[number].master == master) numbers.push_back(number);
        return numbers;
    }
    // Nothing: there is no such node.
    [[nodiscard]] std::optional<std::size_t> find(std::string_view id) const noexcept {
        return find_if([&](const ClusterNode& node) { return node.id == id; });
    }
    // The same by its address. Throws: std::bad_alloc.
    [[nodiscard]] std::optional<std::size_t> find_address(std::string_view address) const {
        return find_if([&](const ClusterNode& node) { return node.address() == address; });
    }
    // The highest of all.
    [[nodiscard]] std::uint64_t epoch() const noexcept { return epoch_; }

    void set_failed(std::size_t number) noexcept { nodes_[number].has_failed = true; }
    // If another node has got its slots meanwhile, it comes back as its replica.
    void set_working(std::size_t number) noexcept {
        ClusterNode& node = nodes_[number];
        node.has_failed = false;
        if (node.successor) {
            node.master = node.successor;
            node.epoch = nodes_[*node.master].epoch;
        }
        node.successor.reset();
    }
    // Makes a replica the master of its shard, with the slots of its former master, which becomes
    // its replica, if it works.
    void promote(std::size_t replica) noexcept {
        const std::size_t former = master_of(replica);
        for (ClusterNode& node : nodes_) {
            if (node.master == former) node.master = replica;
            if (node.successor == former) node.successor = replica;
        }
        nodes_[replica].master.reset();
        if (nodes_[former].has_failed)
            nodes_[former].successor = replica;
        else
            nodes_[former].master = replica;
        std::ranges::replace(owners_, static_cast<std::uint16_t>(former),
                             static_cast<std::uint16_t>(replica));
        std::swap(counts_[former], counts_[replica]);
        for (auto& [slot, target] : targets_)
            if (target == former) target = replica;
        raise_epoch(replica);
    }

    // ---- slots

    // Nothing: no node serves it.
    [[nodiscard]] std::optional<std::size_t> owner(std::uint16_t slot) const noexcept {
        if (owners_[slot] == nobody) return std::nullopt;
        return owners_[slot];
    }
    // The node that a slot moves to; nothing: it does not move.
    [[nodiscard]] std::optional<std::size_t> target(std::uint16_t slot) const noexcept {
        const auto found = targets_.find(slot);
        if (found == targets_.end()) return std::nullopt;
        return found->second;
    }
    // All that move, with their targets.
    [[nodiscard]] const std::map<std::uint16_t, std::size_t>& targets() const noexcept {
        return targets_;
    }

    // Gives a slot to a node, or to none; then it does not move any more.
    void set_owner(std::uint16_t slot, std::optional<std::size_t> to) noexcept {
        assign(slot, to);
        targets_.erase(slot);
        if (to) raise_epoch(*to);
    }
    // The same for many, before the cluster is used.
    void set_owner(SlotRange slots, std::size_t to) noexcept {
        for (std::uint32_t slot = slots.first; slot <= slots.last; ++slot)
            assign(static_cast<std::uint16_t>(slot), to);
        raise_epoch(to);
    }
    // Begins to move a slot. Throws: std::bad_alloc.
    void set_target(std::uint16_t slot, std::size_t to) { targets_.insert_or_assign(slot, to); }

    // Those of a node, in their order. Throws: std::bad_alloc.
    [[nodiscard]] std::vector<SlotRange> slots_of(std::size_t number) const {
        std::vector<SlotRange> ranges;
        for (const OwnedRange& range : all_slots())
            if (range.owner == number) ranges.push_back(range.slots);
        return ranges;
    }
    // Those that are served, in their order.
    struct OwnedRange {
        SlotRange slots;
        std::size_t owner;
    };
    [[nodiscard]] std::vector<OwnedRange> all_slots() const {
        std::vector<OwnedRange> ranges;
        for (auto begin = owners_.begin(); begin != owners_.end();) {
            const auto end = std::find_if(begin, owners_.end(),
                                          [&](std::uint16_t owner) { return owner != *begin; });
            if (*begin != nobody)
                ranges.push_back({{slot_at(begin), slot_at(end - 1)}, std::size_t{*begin}});
            begin = end;
        }
        return ranges;
    }
    // How many slots a node serves.
    [[nodiscard]] std::size_t count_slots(std::size_t number) const noexcept {
        return counts_[number];
    }
    [[nodiscard]] std::size_t count_assigned() const noexcept {
        return std::accumulate(counts_.begin(), counts_.end(), std::size_t{0});
    }
    // Those whose node has failed.
    [[nodiscard]] std::size_t count_failed() const noexcept {
        std::size_t count = 0;
        for (std::size_t number = 0; number != nodes_.size(); ++number)
            if (nodes_[number].has_failed) count += counts_[number];
        return count;
    }
    // Whether all slots are served.
    [[nodiscard]] bool is_up() const noexcept {
        return count_assigned() == key_slots && count_failed() == 0;
    }

private:
    using Owners = std::vector<std::uint16_t>;
    static constexpr std::uint16_t nobody = std::numeric_limits<std::uint16_t>::max();

    template <typename Fits>
    [[nodiscard]] std::optional<std::size_t> find_if(const Fits& fits) const {
        const auto found = std::ranges::find_if(nodes_, fits);
        if (found == nodes_.end()) return std::nullopt;
        return static_cast<std::size_t>(found - nodes_.begin());
    }
    void assign(std::uint16_t slot, std::optional<std::size_t> to) noexcept {
        std::uint16_t& owner = owners_[slot];
        if (owner != nobody) --counts_[owner];
        owner = to ? static_cast<std::uint16_t>(*to) : nobody;
        if (to) ++counts_[*to];
    }
    [[nodiscard]] std::uint16_t slot_at(Owners::const_iterator place) const noexcept {
        return static_cast<std::uint16_t>(place - owners_.begin());
    }
    void raise_epoch(std::size_t master) noexcept {
        ++epoch_;
        for (std::size_t number = 0; number != nodes_.size(); ++number)
            if (share_data(number, master)) nodes_[number].epoch = epoch_;
    }

    std::vector<ClusterNode> nodes_;
    Owners owners_;
    std::vector<std::size_t> counts_;  // of the slots of each node
    std::map<std::uint16_t, std::size_t> targets_;
    std::uint64_t epoch_ = 0;
};

// Decides what a node does with a request, which is told the keys of all its commands one by one,
// as Redis does: the first key decides about the slot.
class SlotCheck {
public:
    SlotCheck(const ClusterMap& map, std::size_t me) noexcept : map_{map}, me_{me} {}

    // `has_key`: tells whether this node has the key. False: the rest does not matter.
    template <typename HasKey>
    [[nodiscard]] bool add(std::string_view key, bool is_sharded_pubsub, const HasKey& has_key) {
        const std::uint16_t slot = key_slot(key);
        if (!first_) {
            first_ = key;
            decided_.slot = slot;
            if (!map_.owner(slot)) return decide(SlotDecision::What::not_served);
            const auto target = map_.target(slot);
            migrates_ = target && map_.owner(slot) == me_;
            imports_ = target == me_;
        } else if (key != *first_) {
            if (slot != decided_.slot) return decide(SlotDecision::What::cross_slot);
            has_several_ = true;
        }
        if ((migrates_ || imports_) && !is_sharded_pubsub) ++(has_key(key) ? present_ : missing_);
        return true;
    }

    [[nodiscard]] SlotDecision decision(const SlotRequest& request) const noexcept {
        using What = SlotDecision::What;
        if (!first_ || decided_.what != What::serve) return decided_;
        if (!map_.is_up() && !request.is_sharded_pubsub) return as(What::down);
        if (migrates_ && missing_ != 0)
            return present_ != 0 ? as(What::try_again) : as(What::ask, *map_.target(decided_.slot));
        if (imports_ && request.is_asking)
            return has_several_ && missing_ != 0 ? as(What::try_again) : as(What::serve);
        const std::size_t owner = *map_.owner(decided_.slot);
        return may_serve(owner, request) ? as(What::serve) : as(What::moved, owner);
    }

private:
    [[nodiscard]] bool may_serve(std::size_t owner, const SlotRequest& request) const noexcept {
        if (owner == me_) return true;
        const bool may_be_replica =
            !request.writes && (request.reads_replicas || request.is_sharded_pubsub);
        return may_be_replica && map_.share_data(owner, me_);
    }
    [[nodiscard]] SlotDecision as(SlotDecision::What what, std::size_t node = 0) const noexcept {
        return {what, decided_.slot, node};
    }
    [[nodiscard]] bool decide(SlotDecision::What what) noexcept {
        decided_.what = what;
        return false;
    }

    const ClusterMap& map_;
    const std::size_t me_;
    std::optional<std::string_view> first_{};
    SlotDecision decided_{};
    bool migrates_ = false;
    bool imports_ = false;
    bool has_several_ = false;
    std::size_t present_ = 0;
    std::size_t missing_ = 0;
};

}  // namespace detail

}  // namespace runnel::inline v0::redis
