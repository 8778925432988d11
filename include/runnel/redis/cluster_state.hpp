// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/mutex.hpp>
#include <runnel/key_slot.hpp>
#include <runnel/redis/cluster_map.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/command_words.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/state.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::detail {

// Messages that a node has sent to others, or got from them.
struct BusCounts {
    std::uint64_t sent = 0;
    std::uint64_t received = 0;
};

// The nodes of a cluster. Guarded by the lock that they share; functions assert that it is held, as
// clang's analysis cannot see that each server's mutex is that one.
class ClusterState {
public:
    ClusterState(std::shared_ptr<Gate> by, ClusterMap nodes)
        : map{std::move(nodes)},
          gate_{std::move(by)},
          publish_(map.nodes().size()),
          publish_shard_(map.nodes().size()) {}

    ClusterMap map;

    // ---- servers, by the numbers of their nodes

    // Throws: std::bad_alloc.
    void add(std::shared_ptr<ServerState> server) {
        gate_->mutex.assert_held();
        servers_.push_back(std::move(server));
    }
    [[nodiscard]] ServerState& server(std::size_t number) const noexcept {
        return *servers_[number];
    }
    [[nodiscard]] std::size_t size() const noexcept { return servers_.size(); }

    // All sessions are closed, and will be told nothing more.
    void dissolve() noexcept {
        gate_->mutex.assert_held();
        for (const auto& server : servers_) leave(*server);
    }

    // ---- which node a request is for

    // The reply to a request that the session's node does not serve; nothing: it serves it. Throws:
    // std::bad_alloc.
    [[nodiscard]] std::optional<Reply> redirection(const SessionState& session, bool is_asking,
                                                   const CommandInfo& info, Words words) const;
    // Throws: std::bad_alloc.
    [[nodiscard]] Reply reply_to(const SlotDecision& decision) const;

    // ---- messages between nodes

    enum class Bus : std::uint8_t {
        publish,        // to all other nodes
        publish_shard,  // to those of them that serve the same slots
    };
    template <typename Visit>
    void for_each_receiver(Bus bus, std::size_t from, const Visit& visit) const {
        for (std::size_t to = 0; to != servers_.size(); ++to) {
            if (to == from || map.node(to).has_failed) continue;
            if (bus == Bus::publish || map.share_data(to, from)) visit(to);
        }
    }
    // One message goes to each of them.
    void count_copies(Bus bus, std::size_t from) noexcept {
        auto& counts = bus == Bus::publish ? publish_ : publish_shard_;
        for_each_receiver(bus, from, [&](std::size_t to) {
            ++counts[from].sent;
            ++counts[to].received;
        });
    }
    [[nodiscard]] const BusCounts& counts(Bus bus, std::size_t number) const noexcept {
        return bus == Bus::publish ? publish_[number] : publish_shard_[number];
    }

private:
    static void leave(ServerState& server) noexcept {
        server.mutex.assert_held();
        server.leave_cluster();
    }

    const std::shared_ptr<Gate> gate_;
    std::vector<std::shared_ptr<ServerState>> servers_{};
    std::vector<BusCounts> publish_;
    std::vector<BusCounts> publish_shard_;
};

// EXEC writes if one of its commands does.
[[nodiscard]] inline bool writes(const SessionState& session, const CommandInfo& info) noexcept {
    if (!session.transaction || info.name != "exec") return info.has(Flag::write);
    return std::ranges::any_of(session.transaction->commands, [](const QueuedCommand& queued) {
        return queued.info->has(Flag::write);
    });
}

inline Reply ClusterState::reply_to(const SlotDecision& decision) const {
    using What = SlotDecision::What;
    const auto to_node = [&](std::string_view verb) {
        return Reply::error(std::string{verb} + ' ' + std::to_string(decision.slot) + ' ' +
                            map.node(decision.node).address());
    };
    switch (decision.what) {
    case What::cross_slot:
        return Reply::error("CROSSSLOT Keys in request don't hash to the same slot");
    case What::not_served:
        return Reply::error("CLUSTERDOWN Hash slot not served");
    case What::down:
        return Reply::error("CLUSTERDOWN The cluster is down");
    case What::try_again:
        return Reply::error("TRYAGAIN Multiple keys request during rehashing of slot");
    case What::ask:
        return to_node("ASK");
    case What::moved:
    case What::serve:
        break;
    }
    return to_node("MOVED");
}

// Whether the rest of a request matters: a check is told its keys.
template <typename HasKey>
[[nodiscard]] bool add_keys(SlotCheck& check, const CommandInfo& info, Words words,
                            bool is_sharded_pubsub, const HasKey& has_key) {
    const KeyPlaces keys = keys_to_route(info, words);
    for (std::size_t n = 0; n != keys.count; ++n) {
        const std::string_view key = words[keys.first + n * keys.step];
        if (!check.add(key, is_sharded_pubsub, has_key)) return false;
    }
    return true;
}

inline std::optional<Reply> ClusterState::redirection(const SessionState& session, bool is_asking,
                                                      const CommandInfo& info, Words words) const {
    ServerState& here = session.server;
    const auto has_key = [&here](std::string_view name) {
        here.mutex.assert_held();
        return here.database(0).find(name) != nullptr;
    };
    const bool is_sharded_pubsub = info.has(Flag::of_shard);
    SlotCheck check{map, here.node()};
    if (session.transaction && info.name == "exec") {
        for (const QueuedCommand& queued : session.transaction->commands)
            if (!add_keys(check, *queued.info, queued.words.get(), is_sharded_pubsub, has_key))
                break;
    } else {
        (void)add_keys(check, info, words, is_sharded_pubsub, has_key);
    }
    const SlotDecision decision = check.decision({.is_sharded_pubsub = is_sharded_pubsub,
                                                  .writes = writes(session, info),
                                                  .is_asking = is_asking,
                                                  .reads_replicas = session.reads_replicas});
    if (decision.what == SlotDecision::What::serve) return std::nullopt;
    return reply_to(decision);
}

}  // namespace runnel::inline v0::redis::detail
