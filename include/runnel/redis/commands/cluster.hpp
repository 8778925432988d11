// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/key_slot.hpp>
#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/cluster_map.hpp>
#include <runnel/redis/cluster_state.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/replies.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/subcommands.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// What a node tells of its cluster, and what a client says to a node.

namespace runnel::inline v0::redis::detail {

// Throws: Refusal.
[[nodiscard]] inline const ClusterState& cluster_of(const Call& call) {
    const ClusterState* const cluster = call.cluster();
    if (cluster == nullptr) refuse("ERR This instance has cluster support disabled");
    return *cluster;
}
[[nodiscard]] inline const ClusterMap& map_of(const Call& call) {
    return cluster_of(call).map;
}

// ---- nodes

// The port that nodes talk to each other on.
[[nodiscard]] inline std::uint32_t bus_port(const ClusterNode& node) noexcept {
    constexpr std::uint32_t distance = 10'000;
    return node.port + distance;
}

[[nodiscard]] inline std::string to_text(SlotRange slots) {
    std::string text = std::to_string(slots.first);
    if (slots.last != slots.first) text.append("-").append(std::to_string(slots.last));
    return text;
}

// The slots that move from the node, or to it, as that node tells of them.
[[nodiscard]] inline std::string text_of_moves(const ClusterMap& map, std::size_t number) {
    std::string text;
    for (const auto& [slot, target] : map.targets()) {
        const std::size_t from = *map.owner(slot);
        if (from != number && target != number) continue;
        text.append(" [").append(std::to_string(slot)).append(from == number ? "->-" : "-<-");
        text.append(map.node(from == number ? target : from).id).append("]");
    }
    return text;
}

// A line of CLUSTER NODES, without its end.
[[nodiscard]] inline std::string line_of(const Call& call, std::size_t number) {
    const ClusterMap& map = map_of(call);
    const ClusterNode& node = map.node(number);
    const std::string now = std::to_string(call.now());
    std::string line = node.id + ' ' + node.address() + '@' + std::to_string(bus_port(node)) + ' ';
    if (number == call.node()) line += "myself,";
    line += node.master ? "slave" : "master";
    if (node.has_failed) line += ",fail";
    line += ' ' + (node.master ? map.node(*node.master).id : "-") + ' ';
    line += (node.has_failed ? now : "0") + ' ' + now + ' ' + std::to_string(node.epoch) + ' ';
    line += node.has_failed ? "disconnected" : "connected";
    for (const SlotRange slots : map.slots_of(number)) line += ' ' + to_text(slots);
    if (number == call.node()) line += text_of_moves(map, number);
    return line;
}

inline Reply cluster_nodes(Call& call) {
    std::string text;
    for (std::size_t number = 0; number != map_of(call).nodes().size(); ++number)
        text += line_of(call, number) + '\n';
    return Reply::bulk_string(std::move(text));
}

inline Reply cluster_replicas(Call& call) {
    const ClusterMap& map = map_of(call);
    const auto master = map.find(call[2]);
    if (!master) refuse("ERR Unknown node " + std::string{as_c_string(call[2])});
    if (!map.is_master(*master)) refuse("ERR The specified node is not a master");
    std::vector<Reply> lines;
    for (const std::size_t number : map.replicas_of(*master))
        lines.push_back(Reply::bulk_string(line_of(call, number)));
    return Reply::array(std::move(lines));
}

inline Reply cluster_myid(Call& call) {
    return bulk(map_of(call).node(call.node()).id);
}
inline Reply cluster_myshardid(Call& call) {
    return bulk(map_of(call).node(call.node()).shard);
}

// ---- which node serves what

[[nodiscard]] inline Reply slot_reply(std::uint16_t slot) noexcept {
    return Reply::integer(slot);
}

// The numbers of a master and of its replicas.
[[nodiscard]] inline std::vector<std::size_t> shard_of(const ClusterMap& map, std::size_t master) {
    std::vector<std::size_t> numbers = map.replicas_of(master);
    numbers.insert(numbers.begin(), master);
    return numbers;
}

// A replica that has failed is left out.
inline Reply cluster_slots(Call& call) {
    const ClusterMap& map = map_of(call);
    std::vector<Reply> ranges;
    for (const auto& [slots, owner] : map.all_slots()) {
        std::vector<Reply> range{slot_reply(slots.first), slot_reply(slots.last)};
        for (const std::size_t number : shard_of(map, owner)) {
            const ClusterNode& node = map.node(number);
            if (number != owner && node.has_failed) continue;
            range.push_back(Reply::array(
                {bulk(node.host), Reply::integer(node.port), bulk(node.id), call.map({})}));
        }
        ranges.push_back(Reply::array(std::move(range)));
    }
    return Reply::array(std::move(ranges));
}

[[nodiscard]] inline Reply node_of_shard(const Call& call, std::size_t number) {
    const ClusterNode& node = map_of(call).node(number);
    return call.map({bulk("id"), bulk(node.id), bulk("port"), Reply::integer(node.port), bulk("ip"),
                     bulk(node.host), bulk("endpoint"), bulk(node.host), bulk("role"),
                     bulk(node.master ? "replica" : "master"), bulk("replication-offset"),
                     Reply::integer(0), bulk("health"), bulk(node.has_failed ? "fail" : "online")});
}

inline Reply cluster_shards(Call& call) {
    const ClusterMap& map = map_of(call);
    std::vector<Reply> shards;
    for (std::size_t master = 0; master != map.nodes().size(); ++master) {
        if (!map.is_master(master)) continue;
        std::vector<Reply> slots;
        for (const SlotRange range : map.slots_of(master)) {
            slots.push_back(slot_reply(range.first));
            slots.push_back(slot_reply(range.last));
        }
        std::vector<Reply> nodes;
        for (const std::size_t number : shard_of(map, master))
            nodes.push_back(node_of_shard(call, number));
        shards.push_back(call.map({bulk("slots"), Reply::array(std::move(slots)), bulk("nodes"),
                                   Reply::array(std::move(nodes))}));
    }
    return Reply::array(std::move(shards));
}

// ---- keys

inline Reply cluster_keyslot(Call& call) {
    (void)cluster_of(call);
    return slot_reply(key_slot(call[2]));
}

// Throws: Refusal, with that error for a slot that there is not.
[[nodiscard]] inline std::uint16_t read_slot(const Call& call, std::int64_t most,
                                             std::string_view error) {
    const std::int64_t slot = call.integer(2);
    if (slot < 0 || slot >= key_slots || most < 0) refuse(std::string{error});
    return static_cast<std::uint16_t>(slot);
}

inline Reply cluster_countkeysinslot(Call& call) {
    (void)cluster_of(call);
    const std::uint16_t slot = read_slot(call, 0, "ERR Invalid slot");
    std::uint64_t count = 0;
    for (const auto& [name, entry] : call.database(0).keys())
        if (key_slot(name) == slot) ++count;
    return reply_count(count);
}

inline Reply cluster_getkeysinslot(Call& call) {
    (void)cluster_of(call);
    (void)call.integer(2);
    const std::int64_t most = call.integer(3);
    const std::uint16_t slot = read_slot(call, most, "ERR Invalid slot or number of keys");
    std::vector<Reply> names;
    for (const auto& [name, entry] : call.database(0).keys()) {
        if (names.size() == static_cast<std::uint64_t>(most)) break;
        if (key_slot(name) == slot) names.push_back(bulk(name));
    }
    return Reply::array(std::move(names));
}

// ---- CLUSTER INFO

struct ClusterFact {
    std::string_view name;
    std::uint64_t value;
    bool stands_always = true;  // or only if there were such messages
};

[[nodiscard]] inline std::uint64_t count_masters_with_slots(const ClusterMap& map) noexcept {
    std::uint64_t count = 0;
    for (std::size_t number = 0; number != map.nodes().size(); ++number)
        if (map.count_slots(number) != 0) ++count;
    return count;
}

inline Reply cluster_info(Call& call) {
    using Bus = ClusterState::Bus;
    const ClusterState& cluster = cluster_of(call);
    const ClusterMap& map = cluster.map;
    const BusCounts& publish = cluster.counts(Bus::publish, call.node());
    const BusCounts& shard = cluster.counts(Bus::publish_shard, call.node());
    const std::size_t assigned = map.count_assigned();
    const std::size_t failed = map.count_failed();
    std::string text = map.is_up() ? "cluster_state:ok\r\n" : "cluster_state:fail\r\n";
    for (const auto& [name, value, stands_always] : std::initializer_list<ClusterFact>{
             {"cluster_slots_assigned", assigned},
             {"cluster_slots_ok", assigned - failed},
             {"cluster_slots_pfail", 0},
             {"cluster_slots_fail", failed},
             {"cluster_known_nodes", map.nodes().size()},
             {"cluster_size", count_masters_with_slots(map)},
             {"cluster_current_epoch", map.epoch()},
             {"cluster_my_epoch", map.node(call.node()).epoch},
             {"cluster_stats_messages_publish_sent", publish.sent, false},
             {"cluster_stats_messages_publishshard_sent", shard.sent, false},
             {"cluster_stats_messages_sent", publish.sent + shard.sent},
             {"cluster_stats_messages_publish_received", publish.received, false},
             {"cluster_stats_messages_publishshard_received", shard.received, false},
             {"cluster_stats_messages_received", publish.received + shard.received},
             {"total_cluster_links_buffer_limit_exceeded", 0},
         }) {
        if (!stands_always && value == 0) continue;
        text.append(name).append(":").append(std::to_string(value)).append("\r\n");
    }
    return Reply::bulk_string(std::move(text));
}

inline Reply cluster_help(Call& call) {
    (void)cluster_of(call);
    // NOLINTBEGIN(bugprone-suspicious-missing-comma)
    return help(call.words(),
                {"COUNTKEYSINSLOT <slot>",
                 "    Return the number of keys in <slot>.",
                 "GETKEYSINSLOT <slot> <count>",
                 "    Return key names stored by current node in a slot.",
                 "INFO",
                 "    Return information about the cluster.",
                 "KEYSLOT <key>",
                 "    Return the hash slot for <key>.",
                 "MYID",
                 "    Return the node id.",
                 "MYSHARDID",
                 "    Return the node's shard id.",
                 "NODES",
                 "    Return cluster configuration seen by node. Output format:",
                 "    <id> <ip:port@bus-port[,hostname]> <flags> <master> <pings> <pongs> <epoch> "
                 "<link> <slot> ...",
                 "REPLICAS <node-id>",
                 "    Return <node-id> replicas.",
                 "SLOTS",
                 "    Return information about slots range mappings. Each range is made of:",
                 "    start, end, master and replicas IP addresses, ports and ids",
                 "SHARDS",
                 "    Return information about slot range mappings and the nodes associated with "
                 "them."});
    // NOLINTEND(bugprone-suspicious-missing-comma)
}

// ---- what a client says to a node

inline Reply asking(Call& call) {
    (void)cluster_of(call);
    Reply reply = reply_ok();
    call.session().is_asking = true;
    return reply;
}
inline Reply readonly(Call& call) {
    (void)cluster_of(call);
    Reply reply = reply_ok();
    call.session().reads_replicas = true;
    return reply;
}
inline Reply readwrite(Call& call) {
    (void)cluster_of(call);
    Reply reply = reply_ok();
    call.session().reads_replicas = false;
    return reply;
}

inline constexpr auto cluster_commands = std::to_array<CommandInfo>({
    {"cluster", -2, Flag::container, {}, {3, 0}, nullptr},
    {"cluster|countkeysinslot", 3, Flag::none, {}, {3, 0}, cluster_countkeysinslot},
    {"cluster|getkeysinslot", 4, Flag::none, {}, {3, 0}, cluster_getkeysinslot},
    {"cluster|help", 2, Flag::none, {}, {5, 0}, cluster_help},
    {"cluster|info", 2, Flag::none, {}, {3, 0}, cluster_info},
    {"cluster|keyslot", 3, Flag::none, {}, {3, 0}, cluster_keyslot},
    {"cluster|myid", 2, Flag::none, {}, {3, 0}, cluster_myid},
    {"cluster|myshardid", 2, Flag::none, {}, {7, 2}, cluster_myshardid},
    {"cluster|nodes", 2, Flag::none, {}, {3, 0}, cluster_nodes},
    {"cluster|replicas", 3, Flag::none, {}, {5, 0}, cluster_replicas},
    {"cluster|shards", 2, Flag::none, {}, {7, 0}, cluster_shards},
    {"cluster|slaves", 3, Flag::none, {}, {3, 0}, cluster_replicas},
    {"cluster|slots", 2, Flag::none, {}, {3, 0}, cluster_slots},
    {"asking", 1, Flag::none, {}, {3, 0}, asking},
    {"readonly", 1, Flag::none, {}, {3, 0}, readonly},
    {"readwrite", 1, Flag::none, {}, {3, 0}, readwrite},
});

}  // namespace runnel::inline v0::redis::detail
