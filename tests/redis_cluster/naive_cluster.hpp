// SPDX-License-Identifier: MIT
#pragma once

// Which node of a cluster serves what, as the rules say it: for tests with random steps.

#include <runnel/error.hpp>
#include <runnel/redis/cluster.hpp>

#include "support/catch.hpp"
#include "support/stress_random.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace runnel::test {

/// Three slots, one of each master at first, and what names in them begin with.
struct NamedSlot {
    std::uint16_t slot;
    std::string tag;
};
inline const std::vector<NamedSlot>& named_slots() {
    static const std::vector<NamedSlot> all{{3300, "{b}"}, {7365, "{c}"}, {15495, "{a}"}};
    return all;
}
inline std::uint16_t naive_slot(const std::string& name) {
    for (const NamedSlot& one : named_slots())
        if (name.starts_with(one.tag)) return one.slot;
    FAIL("a name without a slot: " << name);
    return 0;
}

/// What a test does to a cluster in one step.
struct ClusterStep {
    enum class What { move_slot, begin_move, finish_move, unassign, fail, restart, fail_over };

    What what = What::move_slot;
    std::uint16_t slot = 0;
    std::size_t node = 0;
};

/// Three masters with two replicas each. Each shard has one node that leads it; slots belong to
/// shards.
class NaiveCluster {
public:
    static constexpr std::size_t shards = 3;
    static constexpr std::size_t replicas = 2;
    static constexpr std::size_t nodes = shards * (replicas + 1);

    static std::size_t shard_of(std::size_t node) {
        return node < shards ? node : (node - shards) / replicas;
    }
    static std::string address(std::size_t node) {
        return "127.0.0.1:" + std::to_string(7000 + node);
    }

    [[nodiscard]] bool leads(std::size_t node) const { return leader[shard_of(node)] == node; }
    [[nodiscard]] bool is_up() const {
        for (const std::size_t one : leader)
            if (has_failed[one]) return false;
        for (const NamedSlot& one : named_slots())
            if (!owner.at(one.slot)) return false;
        return true;
    }
    /// The node that a slot comes from, or goes to, while it moves.
    [[nodiscard]] bool migrates(std::uint16_t slot, std::size_t node) const {
        return target.contains(slot) && leads(node) && owner.at(slot) == shard_of(node);
    }
    [[nodiscard]] bool imports(std::uint16_t slot, std::size_t node) const {
        return target.contains(slot) && leads(node) && target.at(slot) == shard_of(node);
    }
    [[nodiscard]] std::size_t leader_of(std::uint16_t slot) const {
        return leader[*owner.at(slot)];
    }

    /// False: that is refused, and nothing has changed.
    bool change(const ClusterStep& step) {
        using What = ClusterStep::What;
        const auto [what, slot, node] = step;
        const std::size_t shard = shard_of(node);
        const bool can_get_slots = leads(node) && !has_failed[node];
        switch (what) {
        case What::move_slot:
            if (!can_get_slots) return false;
            give(slot, shard);
            return true;
        case What::begin_move:
            if (!can_get_slots || !owner.at(slot) || owner.at(slot) == shard) return false;
            return target.emplace(slot, shard).second;
        case What::finish_move:
            if (!target.contains(slot) || has_failed[leader[target.at(slot)]]) return false;
            give(slot, target.at(slot));
            return true;
        case What::unassign:
            give(slot, std::nullopt);
            return true;
        case What::fail:
            has_failed[node] = true;
            return true;
        case What::restart:
            has_failed[node] = false;
            return true;
        case What::fail_over:
            if (leads(node) || has_failed[node]) return false;
            leader[shard] = node;
            return true;
        }
        return false;
    }

    std::array<std::size_t, shards> leader{0, 1, 2};
    std::array<bool, nodes> has_failed{};
    std::map<std::uint16_t, std::optional<std::size_t>> owner{{3300, 0}, {7365, 1}, {15495, 2}};
    std::map<std::uint16_t, std::size_t> target{};

private:
    void give(std::uint16_t slot, std::optional<std::size_t> shard) {
        owner[slot] = shard;
        target.erase(slot);
    }
};

/// Often what makes the cluster work again, if it does not.
inline ClusterStep random_step(Random& random, const NaiveCluster& naive, bool may_unassign) {
    using What = ClusterStep::What;
    static const std::vector<What> all{What::move_slot,   What::move_slot,  What::begin_move,
                                       What::begin_move,  What::begin_move, What::begin_move,
                                       What::finish_move, What::fail,       What::restart,
                                       What::fail_over,   What::fail_over,  What::unassign};
    ClusterStep step{random.one_of(all), random.one_of(named_slots()).slot,
                     random.below(NaiveCluster::nodes)};
    if (random.percent(40)) {
        for (const NamedSlot& one : named_slots())
            if (!naive.owner.at(one.slot)) step = {What::move_slot, one.slot, step.node};
        for (std::size_t node = 0; node != NaiveCluster::nodes; ++node)
            if (naive.has_failed[node]) step = {What::restart, 0, node};
    }
    if (step.what == What::unassign && !may_unassign) step.what = What::begin_move;
    return step;
}

/// False: it was refused.
inline bool take_step(redis::Cluster& cluster, const ClusterStep& step) {
    using What = ClusterStep::What;
    const auto [what, slot, node] = step;
    try {
        if (what == What::move_slot) cluster.move_slot(slot, node);
        if (what == What::begin_move) cluster.begin_move(slot, node);
        if (what == What::finish_move) cluster.finish_move(slot);
        if (what == What::unassign) cluster.unassign_slot(slot);
        if (what == What::fail) cluster.fail(node);
        if (what == What::restart) cluster.restart(node);
        if (what == What::fail_over) cluster.fail_over(node);
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::invalid_argument);
        return false;
    }
    return true;
}

/// Compares who serves what.
inline void check_map(const redis::Cluster& cluster, const NaiveCluster& naive) {
    for (const NamedSlot& one : named_slots()) {
        const auto shard = naive.owner.at(one.slot);
        const auto owner = cluster.owner(one.slot);
        REQUIRE(owner.has_value() == shard.has_value());
        if (owner) REQUIRE(*owner == naive.leader_of(one.slot));
    }
    for (std::size_t node = 0; node != NaiveCluster::nodes; ++node)
        if (!naive.has_failed[node])
            REQUIRE(cluster.master_of(node) == naive.leader[NaiveCluster::shard_of(node)]);
}

inline redis::ClusterOptions naive_options() {
    return {.masters = NaiveCluster::shards, .replicas = NaiveCluster::replicas};
}

}  // namespace runnel::test
