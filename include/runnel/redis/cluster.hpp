// SPDX-License-Identifier: MIT
#pragma once

// The fake of a Redis cluster.

#include <runnel/version.hpp>

#include <runnel/abstract_clock.hpp>
#include <runnel/detail/wait/manual_clock.hpp>
#include <runnel/duration.hpp>
#include <runnel/error.hpp>
#include <runnel/key_slot.hpp>
#include <runnel/redis/cluster_change.hpp>
#include <runnel/redis/cluster_map.hpp>
#include <runnel/redis/cluster_state.hpp>
#include <runnel/redis/options.hpp>
#include <runnel/redis/server.hpp>
#include <runnel/redis/state.hpp>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis {

/// How a Cluster begins: its masters share all slots, as `redis-cli --cluster create` shares them.
struct ClusterOptions {
    std::size_t masters = 3;
    /// Of each master.
    std::size_t replicas = 0;
    /// The address that nodes give for each other, as in `MOVED 12182 127.0.0.1:7002`: the port of
    /// a node is the first one and the number of the node. Nobody listens there.
    std::string host = "127.0.0.1";
    std::uint16_t first_port = 7000;
    /// The options of every node.
    ServerOptions nodes{};
};

/// How many messages the nodes of a cluster have sent to each other to publish, whether anybody
/// subscribes there or not.
struct ClusterTraffic {
    std::uint64_t publish = 0;        ///< of PUBLISH: one to each other node
    std::uint64_t publish_shard = 0;  ///< of SPUBLISH: one to each other node of the shard

    friend bool operator==(const ClusterTraffic&, const ClusterTraffic&) = default;
};

/// A Redis cluster in this process, for unit tests of code that talks to one: which node serves
/// which slot, the redirections, and what happens to clients while slots move.
///
///     redis::Cluster cluster{{.masters = 3, .replicas = 1}};
///     redis::Session session{cluster.node(0)};
///     session.execute({"GET", "foo"});                        // MOVED 12182 127.0.0.1:7002
///     redis::ClusterSession client{cluster};                  // follows it
///     cluster.move_slot(runnel::key_slot("foo"), 0);          // from now on node 0 serves it
///
/// Nodes have numbers: first the masters, then the replicas of the first master, and so on. Each is
/// a Server, with faults, a log and, if wanted, an FdServer of its own; they share one clock. A
/// replica has what its master has at once: it is never behind. All nodes learn at once of a slot
/// that moves, and of a node that fails; there are no elections, and only these calls change who
/// serves what: CLUSTER SETSLOT and the like are not there.
///
/// Thread safety: every member may be called from any thread. One command is carried out at a time,
/// on whatever node.
class Cluster {
public:
    /// Throws: Error{invalid_argument} without a master, with more than 1,000 nodes, or for what
    /// Server refuses; std::bad_alloc.
    explicit Cluster(const ClusterOptions& options = {}) { add_nodes(options); }
    Cluster(const Cluster&) = delete;
    Cluster& operator=(const Cluster&) = delete;
    /// Closes all sessions.
    ~Cluster() {
        nodes_.clear();
        const detail::Lock lock{gate_->mutex};
        state_->dissolve();
    }

    [[nodiscard]] Clock& clock() const noexcept { return nodes_.front()->clock(); }
    /// Moves the time of all nodes: see Server::advance(). Throws as that does.
    void advance(Duration duration) { nodes_.front()->advance(duration); }

    // ---- nodes

    /// How many nodes there are.
    [[nodiscard]] std::size_t size() const noexcept { return nodes_.size(); }
    /// A node by its number. Throws: Error{invalid_argument} if there is none.
    [[nodiscard]] Server& node(std::size_t number) const {
        expect_node(number, "node()");
        return *nodes_[number];
    }
    /// The node whose address that is, such as "127.0.0.1:7002". Throws: Error{invalid_argument} if
    /// there is none.
    [[nodiscard]] std::size_t node_at(std::string_view address) const {
        if (const auto number = find_node(address)) return *number;
        refuse("node_at()", "no node has the address " + std::string{address});
    }
    /// Whether a node has failed, by fail(). Throws: Error{invalid_argument} if there is none.
    [[nodiscard]] bool has_failed(std::size_t number) const {
        expect_node(number, "has_failed()");
        const detail::Lock lock{gate_->mutex};
        return state_->map.node(number).has_failed;
    }
    /// Whether all slots are served: otherwise commands with keys get CLUSTERDOWN.
    [[nodiscard]] bool is_up() const noexcept {
        const detail::Lock lock{gate_->mutex};
        return state_->map.is_up();
    }
    /// The number of a replica's master; of a master, its own. Throws: Error{invalid_argument}.
    [[nodiscard]] std::size_t master_of(std::size_t number) const {
        expect_node(number, "master_of()");
        const detail::Lock lock{gate_->mutex};
        return state_->map.master_of(number);
    }

    /// The numbers of a master's replicas. Throws: Error{invalid_argument}, std::bad_alloc.
    [[nodiscard]] std::vector<std::size_t> replicas_of(std::size_t master) const {
        expect_node(master, "replicas_of()");
        const detail::Lock lock{gate_->mutex};
        return state_->map.replicas_of(master);
    }

    // ---- slots

    /// The master that serves a slot; nothing: none does. Throws: Error{invalid_argument} if there
    /// is no such slot.
    [[nodiscard]] std::optional<std::size_t> owner(std::uint16_t slot) const {
        expect_slot(slot, "owner()");
        const detail::Lock lock{gate_->mutex};
        return state_->map.owner(slot);
    }

    /// From now on another master serves the slot, and has its keys. Clients that wait for its keys
    /// get MOVED; those that subscribe to its shard channels are told that they do not any more.
    ///
    /// A slot that no node serves comes with the keys that this master has kept, if any.
    ///
    /// Throws: Error{invalid_argument} if there is no such slot, or the node is no master or has
    /// failed; std::bad_alloc; then nothing has changed.
    /// Complexity: linear in the number of keys. CLUSTER SETSLOT NODE, after MIGRATE of all keys.
    void move_slot(std::uint16_t slot, std::size_t to) {
        expect_slot(slot, "move_slot()");
        expect_node(to, "move_slot()");
        const detail::Entering entering{entered()};
        do_due();
        expect_working_master(to, "move_slot()");
        give(slot, to);
    }

    /// Begins to move a slot step by step. From now on its node serves the keys that it has, and
    /// says ASK of others; the other master serves a key behind ASKING. CLUSTER SETSLOT MIGRATING
    /// and IMPORTING. Throws as move_slot() does; Error{invalid_argument}, too, if the slot moves
    /// already, no node serves it, or that master does.
    void begin_move(std::uint16_t slot, std::size_t to) {
        expect_slot(slot, "begin_move()");
        expect_node(to, "begin_move()");
        const detail::Entering entering{entered()};
        do_due();
        expect_working_master(to, "begin_move()");
        const auto owner = state_->map.owner(slot);
        const std::string name = "slot " + std::to_string(slot);
        if (!owner) refuse("begin_move()", name + " is not served by a node");
        if (owner == to) refuse("begin_move()", name + " is served by that node already");
        if (state_->map.target(slot)) refuse("begin_move()", name + " moves already");
        state_->map.set_target(slot, to);
    }
    /// Moves a key of a slot that moves. False: its node has no such key. MIGRATE. Throws:
    /// Error{invalid_argument} if its slot does not move, one of the two nodes has failed, or the
    /// other one has a key of that name already; std::bad_alloc; then nothing has changed.
    bool move_key(std::string_view key) {
        const detail::Entering entering{entered()};
        do_due();
        const std::uint16_t slot = key_slot(key);
        const std::size_t target = target_of(slot, "move_key()");
        const std::size_t owner = *state_->map.owner(slot);
        expect_working_master(owner, "move_key()");
        expect_working_master(target, "move_key()");
        detail::KeyMove keys{state_->server(owner), state_->server(target)};
        if (!keys.add_key(key)) return false;
        if (keys.has_at_target(key))
            refuse("move_key()", "node " + std::to_string(target) + " has the key already");
        keys.commit();
        return true;
    }
    /// Moves the keys that are left, and ends the move as move_slot() does. Of a name that both
    /// nodes have, the key of the former one stays. Throws as move_slot() does, and
    /// Error{invalid_argument} if the slot does not move.
    void finish_move(std::uint16_t slot) {
        expect_slot(slot, "finish_move()");
        const detail::Entering entering{entered()};
        do_due();
        const std::size_t to = target_of(slot, "finish_move()");
        expect_working_master(to, "finish_move()");
        give(slot, to);
    }

    /// From now on no node serves the slot, and the cluster is down, as Redis is by default without
    /// one of its slots: commands with keys are refused, but not those on shard channels of other
    /// slots. Its keys stay where they are. CLUSTER DELSLOTS on all nodes. Throws as move_slot().
    void unassign_slot(std::uint16_t slot) {
        expect_slot(slot, "unassign_slot()");
        const detail::Entering entering{entered()};
        do_due();
        auto next = state_->map;
        next.set_owner(slot, std::nullopt);
        change_map(std::move(next));
    }

    // ---- nodes that fail

    /// The node crashes: its clients are disconnected, and nobody can connect to it. Without a
    /// master that serves slots the cluster is down, until fail_over() or restart(); clients that
    /// wait for keys on other nodes then get CLUSTERDOWN. What the node has stays. Throws:
    /// Error{invalid_argument} if there is no such node; std::bad_alloc, and then nothing has
    /// changed.
    void fail(std::size_t number) {
        expect_node(number, "fail()");
        const detail::Entering entering{entered()};
        do_due();
        auto next = state_->map;
        next.set_failed(number);
        change_map(std::move(next));
        end_all_sessions(state_->server(number));
    }
    /// A node that has failed comes back: with its slots, or, if one of its replicas has them
    /// now, as a replica of that. Throws: as fail().
    void restart(std::size_t number) {
        expect_node(number, "restart()");
        const detail::Entering entering{entered()};
        do_due();
        auto next = state_->map;
        next.set_working(number);
        change_map(std::move(next));
    }
    /// A replica takes over from its master, which becomes its replica, now or when it comes back.
    /// Clients that wait for keys on nodes that get another master are disconnected with an error,
    /// and those that subscribe to shard channels there are told that they do not any more. CLUSTER
    /// FAILOVER. Throws: Error{invalid_argument} if the node is no replica or has failed;
    /// std::bad_alloc, and then nothing has changed.
    void fail_over(std::size_t replica) {
        expect_node(replica, "fail_over()");
        const detail::Entering entering{entered()};
        do_due();
        if (state_->map.is_master(replica) || state_->map.node(replica).has_failed)
            refuse("fail_over()", "node " + std::to_string(replica) + " is no working replica");
        auto next = state_->map;
        next.promote(replica);
        change_map(std::move(next));
    }

    // ---- to look at

    /// The counts only grow. What one node has sent is in its CLUSTER INFO.
    [[nodiscard]] ClusterTraffic traffic() const noexcept {
        using Bus = detail::ClusterState::Bus;
        const detail::Lock lock{gate_->mutex};
        ClusterTraffic all;
        for (std::size_t number = 0; number != nodes_.size(); ++number) {
            all.publish += state_->counts(Bus::publish, number).sent;
            all.publish_shard += state_->counts(Bus::publish_shard, number).sent;
        }
        return all;
    }

private:
    friend class ClusterSession;

    static constexpr std::size_t most_nodes = 1'000;

    // ---- what is asked for

    [[noreturn]] static void refuse(std::string_view function, const std::string& why) {
        throw Error{ErrorCode::invalid_argument, "Cluster::" + std::string{function} + ": " + why};
    }
    void expect_node(std::size_t number, std::string_view function) const {
        if (number >= nodes_.size())
            refuse(function, "there is no node " + std::to_string(number) + "; there are " +
                                 std::to_string(nodes_.size()));
    }
    static void expect_slot(std::uint16_t slot, std::string_view function) {
        if (slot >= key_slots)
            refuse(function, "there is no slot " + std::to_string(slot) + "; there are " +
                                 std::to_string(key_slots));
    }
    void expect_working_master(std::size_t number, std::string_view function) const {
        const detail::ClusterMap& map = state_->map;
        if (!map.is_master(number) || map.node(number).has_failed)
            refuse(function, "node " + std::to_string(number) + " is no working master");
    }
    // Nothing: no node has that address.
    [[nodiscard]] std::optional<std::size_t> find_node(std::string_view address) const {
        const detail::Lock lock{gate_->mutex};
        return state_->map.find_address(address);
    }
    [[nodiscard]] std::size_t target_of(std::uint16_t slot, std::string_view function) const {
        const auto target = state_->map.target(slot);
        if (!target) refuse(function, "slot " + std::to_string(slot) + " does not move");
        return *target;
    }

    // ---- how it is made

    static void expect(bool holds, const std::string& why) {
        if (!holds) throw Error{ErrorCode::invalid_argument, "Cluster: " + why};
    }

    void add_nodes(const ClusterOptions& options) {
        expect(options.masters != 0, "it needs at least one master");
        expect(options.masters <= most_nodes && options.replicas < most_nodes &&
                   options.masters * (options.replicas + 1) <= most_nodes,
               "it can have " + std::to_string(most_nodes) + " nodes");
        const std::size_t count = options.masters * (options.replicas + 1);
        expect(std::size_t{options.first_port} + count - 1 <= 65535,
               "there is no port for each node from " + std::to_string(options.first_port) + " on");
        state_ = std::make_unique<detail::ClusterState>(gate_, make_map(options, count));
        if (options.nodes.clock == nullptr) clock_ = std::make_shared<ManualClock>();
        nodes_.reserve(count);
        for (std::size_t number = 0; number != count; ++number) add_node(options, number);
    }
    void add_node(const ClusterOptions& options, std::size_t number) {
        detail::ServerPlace place{
            .gate = gate_, .clock = clock_, .cluster = state_.get(), .node = number};
        const std::size_t master = state_->map.master_of(number);
        if (master != number) place.data = nodes_[master]->state_;
        nodes_.push_back(std::unique_ptr<Server>{new Server{options.nodes, std::move(place)}});
        const std::shared_ptr<detail::ServerState>& made = nodes_.back()->state_;
        const detail::Lock lock{gate_->mutex};
        state_->add(made);
        if (master != number) add_replica(*nodes_[master]->state_, *made);
    }

    [[nodiscard]] static detail::ClusterMap make_map(const ClusterOptions& options,
                                                     std::size_t count) {
        std::mt19937_64 random{options.nodes.seed};
        std::vector<detail::ClusterNode> nodes;
        for (std::size_t number = 0; number != count; ++number) {
            detail::ClusterNode node;
            node.id = make_id(random);
            node.host = options.host;
            node.port = static_cast<std::uint16_t>(options.first_port + number);
            if (number >= options.masters)
                node.master = (number - options.masters) / options.replicas;
            node.shard = node.master ? nodes[*node.master].shard : make_id(random);
            nodes.push_back(std::move(node));
        }
        detail::ClusterMap map{std::move(nodes)};
        for (std::size_t master = 0; master != options.masters; ++master)
            map.set_owner(share_of(master, options.masters), master);
        return map;
    }
    [[nodiscard]] static std::string make_id(std::mt19937_64& random) {
        constexpr std::string_view digits = "0123456789abcdef";
        std::string id(40, '0');
        for (char& digit : id) digit = digits[random() % digits.size()];
        return id;
    }
    // As redis-cli shares them: rounded to the next slot.
    [[nodiscard]] static SlotRange share_of(std::size_t master, std::size_t masters) {
        const double share = static_cast<double>(key_slots) / static_cast<double>(masters);
        const auto begin_of = [&](std::size_t number) {
            return static_cast<std::uint16_t>(std::lround(share * static_cast<double>(number)));
        };
        const std::uint16_t end = begin_of(master + 1);
        return {begin_of(master), static_cast<std::uint16_t>(end - 1)};
    }

    // ---- under the lock, which is that of all servers

    [[nodiscard]] detail::ServerState& entered() const noexcept { return *nodes_.front()->state_; }
    void do_due() const noexcept {
        entered().mutex.assert_held();
        entered().do_due();
    }
    static void add_replica(detail::ServerState& master, detail::ServerState& replica) {
        master.mutex.assert_held();
        master.add_replica(replica);
    }
    static void end_all_sessions(detail::ServerState& server) noexcept {
        server.mutex.assert_held();
        server.end_all_sessions();
    }
    void change_map(detail::ClusterMap next) {
        detail::MapChange{*state_, entered(), std::move(next)}.commit();
    }
    // Another master serves the slot, and has its keys, also those that are on their way to a
    // third.
    void give(std::uint16_t slot, std::size_t to) {
        const std::optional<std::size_t> before = state_->map.owner(slot);
        const std::optional<std::size_t> third = state_->map.target(slot);
        auto next = state_->map;
        next.set_owner(slot, to);
        detail::MapChange change{*state_, entered(), std::move(next)};
        detail::KeyMove keys{state_->server(before.value_or(to)), state_->server(to)};
        detail::KeyMove others{state_->server(third.value_or(to)), state_->server(to)};
        keys.add_slot(slot);
        others.add_slot(slot);
        change.commit();
        others.commit();
        keys.commit();
    }

    const std::shared_ptr<detail::Gate> gate_ = std::make_shared<detail::Gate>();
    std::shared_ptr<ManualClock> clock_{};
    std::unique_ptr<detail::ClusterState> state_{};
    std::vector<std::unique_ptr<Server>> nodes_{};
};

}  // namespace runnel::inline v0::redis
