// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/cluster_map.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/commands/clients.hpp>
#include <runnel/redis/commands/connection.hpp>
#include <runnel/redis/commands/objects.hpp>
#include <runnel/redis/database.hpp>
#include <runnel/redis/replies.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/state.hpp>
#include <runnel/redis/statistics.hpp>
#include <runnel/redis/subscribers.hpp>

#include <algorithm>
#include <array>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::detail {

// The text of INFO.
class InfoText {
public:
    void begin(std::string_view title) {
        if (!text_.empty()) text_ += end_of_line;
        add({"# ", title});
    }
    void add(std::string_view name, std::string_view value) { add({name, ":", value}); }
    void add(std::string_view name, std::uint64_t value) { add(name, std::to_string(value)); }

    [[nodiscard]] std::string take() noexcept { return std::move(text_); }

private:
    void add(std::initializer_list<std::string_view> parts) {
        for (const std::string_view part : parts) text_ += part;
        text_ += end_of_line;
    }

    static constexpr std::string_view end_of_line = "\r\n";

    std::string text_{};
};

// ---- the sections: of what Redis tells, what is true here

inline void tell_server(const Call& call, InfoText& info) {
    constexpr std::uint64_t seconds_in_a_day = 86'400;
    const auto uptime = static_cast<std::uint64_t>(seconds_since(call.started(), call.now()));
    const Profile& profile = call.profile();
    info.add("redis_version", profile.redis_version);
    if (profile.server != "redis") {
        info.add("server_name", profile.server);
        info.add(std::string{profile.server} + "_version", profile.number);
    }
    info.add("redis_mode", mode_of(call));
    info.add("arch_bits", CHAR_BIT * sizeof(void*));
    info.add("tcp_port", call.port());
    info.add("server_time_usec", std::to_string(call.now() * 1'000));
    info.add("uptime_in_seconds", uptime);
    info.add("uptime_in_days", uptime / seconds_in_a_day);
    info.add("config_file", "");
}

template <typename Fits>
[[nodiscard]] std::uint64_t count_sessions(const Call& call, const Fits& fits) {
    return static_cast<std::uint64_t>(
        std::ranges::count_if(call.sessions(), [&](const auto& one) { return fits(*one.second); }));
}

inline void tell_clients(const Call& call, InfoText& info) {
    const auto count = [&](auto fits) { return count_sessions(call, fits); };
    std::uint64_t watched = 0;
    for (const auto& [id, session] : call.sessions()) watched += session->watched.size();
    info.add("connected_clients", call.sessions().size());
    info.add("cluster_connections", "0");
    info.add("blocked_clients", count([](const SessionState& one) { return one.is_blocked(); }));
    info.add("tracking_clients", "0");
    if (call.has("pubsub_clients"))
        info.add("pubsub_clients",
                 count([](const SessionState& one) { return !one.subscriptions.empty(); }));
    if (call.has("watching_clients"))
        info.add("watching_clients",
                 count([](const SessionState& one) { return !one.watched.empty(); }));
    info.add("clients_in_timeout_table", count([](const SessionState& one) {
                 return one.is_blocked() && one.parked->deadline.has_value();
             }));
    if (call.has("total_watched_keys")) info.add("total_watched_keys", watched);
}

// As MEMORY USAGE estimates it.
[[nodiscard]] inline std::uint64_t used_memory(const Call& call) noexcept {
    std::uint64_t bytes = 0;
    for (std::size_t number = 0; number != call.database_count(); ++number)
        for (const auto& key : call.database(number).keys()) bytes += bytes_of_key(key);
    return bytes;
}

inline void tell_memory(const Call& call, InfoText& info) {
    info.add("used_memory", used_memory(call));
    info.add("maxmemory", "0");
    info.add("maxmemory_human", "0B");
    info.add("maxmemory_policy", "noeviction");
}

inline void tell_persistence(const Call& /*there is none*/, InfoText& info) {
    info.add("loading", "0");
    info.add("async_loading", "0");
    info.add("rdb_bgsave_in_progress", "0");
    info.add("aof_enabled", "0");
    info.add("aof_rewrite_in_progress", "0");
}

inline void tell_stats(const Call& call, InfoText& info) {
    const Statistics& statistics = call.statistics();
    const auto names = [&](SubscriptionKind kind) { return call.subscribers().all(kind).size(); };
    info.add("total_connections_received", statistics.connections);
    info.add("total_commands_processed", statistics.commands);
    info.add("rejected_connections", "0");
    info.add("expired_keys", statistics.expired_keys);
    info.add("evicted_keys", "0");
    info.add("keyspace_hits", statistics.hits);
    info.add("keyspace_misses", statistics.misses);
    info.add("pubsub_channels", names(SubscriptionKind::channel));
    info.add("pubsub_patterns", names(SubscriptionKind::pattern));
    info.add("pubsubshard_channels", names(SubscriptionKind::shard_channel));
}

// Its replicas that work.
[[nodiscard]] inline std::vector<ClusterNode> replicas_of(const Call& call) {
    std::vector<ClusterNode> nodes;
    if (call.cluster() == nullptr) return nodes;
    const ClusterMap& map = call.cluster()->map;
    for (const std::size_t number : map.replicas_of(call.node()))
        if (!map.node(number).has_failed) nodes.push_back(map.node(number));
    return nodes;
}

inline void tell_of_master(const ClusterNode& master, InfoText& info) {
    info.add("role", "slave");
    info.add("master_host", master.host);
    info.add("master_port", master.port);
    info.add("master_link_status", master.has_failed ? "down" : "up");
    info.add("master_last_io_seconds_ago", master.has_failed ? "-1" : "0");
    info.add("master_sync_in_progress", "0");
    info.add("slave_read_repl_offset", "0");
    info.add("slave_repl_offset", "0");
    info.add("slave_priority", "100");
    info.add("slave_read_only", "1");
    info.add("replica_announced", "1");
}

inline void tell_replication(const Call& call, InfoText& info) {
    if (call.is_replica())
        tell_of_master(call.cluster()->map.node(call.cluster()->map.master_of(call.node())), info);
    else
        info.add("role", "master");
    const std::vector<ClusterNode> replicas = replicas_of(call);
    info.add("connected_slaves", replicas.size());
    for (std::size_t n = 0; n != replicas.size(); ++n)
        info.add("slave" + std::to_string(n), "ip=" + replicas[n].host +
                                                  ",port=" + std::to_string(replicas[n].port) +
                                                  ",state=online,offset=0,lag=0");
    info.add("master_failover_state", "no-failover");
    info.add("master_repl_offset", "0");
    info.add("repl_backlog_active", "0");
}

inline void tell_modules(const Call& /*there are none*/, InfoText& /*and so no lines*/) {}

inline void tell_cluster(const Call& call, InfoText& info) {
    info.add("cluster_enabled", call.cluster() != nullptr ? "1" : "0");
}

// Of the keys that expire, how long they live on the average, in milliseconds.
[[nodiscard]] inline Milliseconds average_ttl(const Database& database, Milliseconds now) noexcept {
    long double sum = 0;
    for (const Database::Expiry& expiry : database.expiries())
        sum += static_cast<long double>(time_between(now, expiry.at));
    const std::size_t count = database.expiries().size();
    return count == 0 ? 0 : static_cast<Milliseconds>(sum / static_cast<long double>(count));
}

inline void tell_keyspace(const Call& call, InfoText& info) {
    for (std::size_t number = 0; number != call.database_count(); ++number) {
        const Database& database = call.database(number);
        if (database.size() == 0) continue;
        info.add("db" + std::to_string(number),
                 "keys=" + std::to_string(database.size()) +
                     ",expires=" + std::to_string(database.expiries().size()) +
                     ",avg_ttl=" + std::to_string(average_ttl(database, call.now())) +
                     (call.has("subexpiry") ? ",subexpiry=0" : ""));
    }
}

struct InfoSection {
    std::string_view name;  // in capitals
    std::string_view title;
    void (*tell)(const Call& call, InfoText& info);
};
inline constexpr auto info_sections = std::to_array<InfoSection>({
    {"SERVER", "Server", tell_server},
    {"CLIENTS", "Clients", tell_clients},
    {"MEMORY", "Memory", tell_memory},
    {"PERSISTENCE", "Persistence", tell_persistence},
    {"STATS", "Stats", tell_stats},
    {"REPLICATION", "Replication", tell_replication},
    {"MODULES", "Modules", tell_modules},
    {"CLUSTER", "Cluster", tell_cluster},
    {"KEYSPACE", "Keyspace", tell_keyspace},
});

[[nodiscard]] inline bool names_section(Words words, const InfoSection& section) noexcept {
    if (words.empty()) return true;
    return std::ranges::any_of(words, [&](std::string_view word) {
        return is(word, section.name) || is(word, "DEFAULT") || is(word, "ALL") ||
               is(word, "EVERYTHING");
    });
}

inline Reply info(Call& call) {
    InfoText info;
    for (const InfoSection& section : info_sections) {
        if (!names_section(call.words_from(1), section)) continue;
        info.begin(section.title);
        section.tell(call, info);
    }
    return Reply::bulk_string(info.take());
}

inline Reply role(Call& call) {
    if (call.is_replica()) {
        const ClusterMap& map = call.cluster()->map;
        const ClusterNode& master = map.node(map.master_of(call.node()));
        return Reply::array({bulk("slave"), bulk(master.host), Reply::integer(master.port),
                             bulk(master.has_failed ? "connect" : "connected"), Reply::integer(0)});
    }
    std::vector<Reply> replicas;
    for (const ClusterNode& node : replicas_of(call))
        replicas.push_back(
            Reply::array({bulk(node.host), bulk(std::to_string(node.port)), bulk("0")}));
    return Reply::array({bulk("master"), Reply::integer(0), Reply::array(std::move(replicas))});
}

inline constexpr auto newer_in_info = std::to_array<NewerPart>({
    {"subexpiry", {7, 4}},
    {"pubsub_clients", {7, 4}},
    {"watching_clients", {7, 4}},
    {"total_watched_keys", {7, 4}},
});

inline constexpr auto info_commands = std::to_array<CommandInfo>({
    {"info", -1, Flag::none, {}, {1, 0}, info, newer_in_info},
    {"role", 1, Flag::none, {}, {2, 8}, role},
});

}  // namespace runnel::inline v0::redis::detail
