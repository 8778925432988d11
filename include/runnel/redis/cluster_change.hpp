// SPDX-License-Identifier: MIT
#pragma once

// What happens when other nodes of a cluster serve a slot: first prepared, which may throw and
// changes nothing, then committed.

#include <runnel/key_slot.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/change.hpp>
#include <runnel/redis/cluster_map.hpp>
#include <runnel/redis/cluster_state.hpp>
#include <runnel/redis/database.hpp>
#include <runnel/redis/outputs.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/state.hpp>
#include <runnel/redis/subscribers.hpp>

#include <cstddef>
#include <cstdint>
#include <list>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::detail {

// Another map of the cluster: the subscribers of shard channels whose slots leave a node are told
// that they subscribe no more, and commands that wait where nobody serves them end with an error.
class MapChange {
public:
    // Throws: std::bad_alloc.
    MapChange(ClusterState& cluster, ServerState& entered, ClusterMap next)
        : cluster_{cluster}, entered_{entered}, next_{std::move(next)}, notices_{entered.memory} {
        for (std::size_t number = 0; number != cluster.size(); ++number) prepare(number);
    }

    void commit() noexcept {
        entered_.mutex.assert_held();
        cluster_.map = std::move(next_);
        for (const Unsubscribed& one : unsubscribed_) {
            ServerState& server = one.session->server;
            server.mutex.assert_held();
            (void)server.subscribers.unsubscribe(SubscriptionKind::shard_channel, one.channel,
                                                 *one.session, one.session->subscriptions);
        }
        entered_.set_command_time();
        entered_.send(notices_);
        for (Ended& one : ended_) {
            if (!one.session->is_blocked()) continue;  // a notice was too much for its client
            ServerState& server = one.session->server;
            server.mutex.assert_held();
            server.unblock(*one.session, std::move(one.reply));
            if (one.ends_session) server.end_session(*one.session);
        }
    }

private:
    static constexpr std::string_view replica_text =
        "UNBLOCKED force unblock from blocking operation, instance state changed (master -> "
        "replica?)";

    struct Unsubscribed {
        SessionState* session;
        std::string channel;
    };
    struct Ended {
        SessionState* session;
        Reply reply;
        bool ends_session;
    };

    void prepare(std::size_t number) {
        if (next_.node(number).has_failed) return;  // it tells nobody anything any more
        ServerState& server = cluster_.server(number);
        server.mutex.assert_held();
        prepare_notices(server.subscribers.all(SubscriptionKind::shard_channel), number);
        prepare_ends(server.sessions(), number);
    }

    void prepare_notices(const std::list<Subscribers::Named>& all, std::size_t number) {
        // In the order of their slots and names, as Redis keeps them.
        std::map<std::pair<std::uint16_t, std::string_view>, const Subscribers::Named*> leaving;
        for (const auto& named : all) {
            const std::uint16_t slot = key_slot(named.name);
            if (leaves(slot, number)) leaving.try_emplace({slot, named.name}, &named);
        }
        std::map<SessionState*, std::size_t> left;  // of the shard channels of each
        for (const auto& [place, named] : leaving) {
            for (SessionState* const session : named->sessions) {
                const auto count = left.try_emplace(
                    session, session->subscriptions.count(SubscriptionKind::shard_channel));
                prepare_notice(*session, named->name, --count.first->second);
            }
        }
    }

    void prepare_ends(const ServerState::Sessions& all, std::size_t number) {
        const bool has_new_master =
            !next_.is_master(number) && next_.master_of(number) != cluster_.map.master_of(number);
        for (const auto& [id, session] : all) {
            if (!session->is_blocked()) continue;
            if (has_new_master)
                ended_.push_back({session.get(), Reply::error(std::string{replica_text}), true});
            else if (auto reply = end_of(*session->parked, number))
                ended_.push_back({session.get(), std::move(*reply), false});
        }
    }

    // Whether this takes the slot away from a node that has served it.
    [[nodiscard]] bool leaves(std::uint16_t slot, std::size_t number) const noexcept {
        const auto owner = cluster_.map.owner(slot);
        const auto next = next_.owner(slot);
        return owner && cluster_.map.share_data(*owner, number) && next != owner && next != number;
    }

    void prepare_notice(SessionState& session, const std::string& channel, std::size_t left) {
        Reply push = Call::push({Reply::bulk_string("sunsubscribe"), Reply::bulk_string(channel),
                                 Reply::integer(static_cast<std::int64_t>(left))},
                                session.protocol);
        notices_.add(session.outbox, Output{entered_.memory.outputs, std::move(push), 0});
        unsubscribed_.push_back({&session, channel});
    }

    // With what a command ends that waits at a node; nothing: it waits on. Another rule than for a
    // new request: a slot that moves is no reason to end it.
    [[nodiscard]] std::optional<Reply> end_of(const Parked& parked, std::size_t number) const {
        using What = SlotDecision::What;
        if (parked.nodes.empty()) return std::nullopt;
        const std::uint16_t slot = key_slot(*parked.nodes.front().waits->name);  // of all its keys
        const auto owner = next_.owner(slot);
        if (!next_.is_up()) return cluster_.reply_to({What::down, slot});
        if (!owner) return cluster_.reply_to({What::not_served, slot});
        const bool may_be_replica = parked.session.reads_replicas && !parked.info.has(Flag::write);
        if (*owner == number || next_.target(slot) == number) return std::nullopt;
        if (may_be_replica && next_.share_data(*owner, number)) return std::nullopt;
        return cluster_.reply_to({What::moved, slot, *owner});
    }

    ClusterState& cluster_;
    ServerState& entered_;
    ClusterMap next_;
    std::vector<Unsubscribed> unsubscribed_{};
    Prepared notices_;
    std::vector<Ended> ended_{};
};

// Keys that go from one node to another one, with their times to live. What has happened to their
// entries stays known where it has happened.
class KeyMove {
public:
    KeyMove(ServerState& from, ServerState& to) noexcept : from_{from}, to_{to} {}

    // To prepare. Throw: std::bad_alloc.
    void add_slot(std::uint16_t slot) {
        if (&from_ == &to_) return;
        from_.mutex.assert_held();
        for (const auto& [name, entry] : from_.database(0).keys())
            if (key_slot(name) == slot) names_.push_back(name);
    }
    [[nodiscard]] bool has_at_target(std::string_view name) const noexcept {
        to_.mutex.assert_held();
        return to_.database(0).find(name) != nullptr;
    }
    // False: there is no such key.
    [[nodiscard]] bool add_key(std::string_view name) {
        from_.mutex.assert_held();
        if (from_.database(0).find(name) == nullptr) return false;
        names_.emplace_back(name);
        return true;
    }

    void commit() noexcept {
        from_.mutex.assert_held();
        to_.mutex.assert_held();
        Database& source = from_.database(0);
        Database& target = to_.database(0);
        for (std::string& name : names_) {
            if (auto* const replaced = target.find(name)) to_.erase(0, *replaced);
            auto& key = source.move(*source.find(name), std::move(name), target);
            const ValueType type = key.second.value->type();
            from_.tell({.what = Change::What::key_gone, .key = key.first, .type = type}, {0});
            to_.tell({.what = Change::What::key_made, .key = key.first, .type = type}, {0});
        }
        to_.arm_expiry_alarm();
    }

private:
    ServerState& from_;
    ServerState& to_;
    std::vector<std::string> names_{};
};

}  // namespace runnel::inline v0::redis::detail
