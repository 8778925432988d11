// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/error.hpp>
#include <runnel/key_slot.hpp>
#include <runnel/outcome.hpp>
#include <runnel/redis/arguments.hpp>
#include <runnel/redis/cluster.hpp>
#include <runnel/redis/command_table.hpp>
#include <runnel/redis/command_words.hpp>
#include <runnel/redis/options.hpp>
#include <runnel/redis/push_wait.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/session.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <initializer_list>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis {

/// A client of a Cluster that follows its redirections, as the client libraries do: it asks a node
/// for CLUSTER SLOTS, sends each command to the node that serves its key, goes where MOVED and ASK
/// say, and after MOVED asks for the slots anew.
///
///     redis::ClusterSession client{cluster};
///     client.execute({"SET", "foo", "bar"});         // on the node that serves "foo"
///     client.session_of("foo").execute({"MULTI"});   // a transaction is of one node
///
/// It has a Session at each node that it has talked to, with RESP3 and the password of its options,
/// so that it can subscribe and send other commands, too. The next command connects anew to a node
/// that has disconnected it. What it sends by itself, HELLO, ASKING and CLUSTER SLOTS, is seen by
/// faults, logs and interceptors.
///
/// Thread safety: as Session.
class ClusterSession {
public:
    /// `cluster` must outlive it. Its sessions begin as `options` say.
    explicit ClusterSession(Cluster& cluster, SessionOptions options = {})
        : cluster_{cluster}, options_{std::move(options)} {}

    /// Sends a command to the node that serves its keys, or without keys to the first master, as
    /// far as is known, and waits for the reply; see Session::execute(). Follows MOVED and ASK, up
    /// to 16 times; a command that waits, such as BLPOP, then waits on the other node, anew. All
    /// other errors are replies: TRYAGAIN, CLUSTERDOWN, CROSSSLOT; so is a redirection to a node
    /// that cannot be reached. No reply: the answers are pushes, the connection broke while the
    /// command was carried out, or no node can be reached.
    ///
    /// Throws: Error{invalid_argument} without a word, or for a command that is about one
    /// connection, such as MULTI, WATCH and READONLY: see session_of().
    std::optional<Reply> execute(std::initializer_list<std::string_view> words) {
        return execute(std::vector<std::string>(words.begin(), words.end()));
    }
    std::optional<Reply> execute(const std::vector<std::string>& words) {
        expect_for_any_node(words);
        std::optional<std::size_t> node = node_for(words);
        bool asks = false;
        for (std::size_t turn = 0; node; ++turn) {
            const std::shared_ptr<Session> session = session_at(*node);
            if (asks) (void)session->execute({"ASKING"});
            std::optional<Reply> reply = session->execute(words);
            const auto redirection = reply ? Redirected::read(*reply) : std::nullopt;
            if (!redirection || turn == most_redirections) return reply;
            asks = redirection->asks;
            if (!asks) is_map_known_ = false;
            node = cluster_.find_node(redirection->address);
            if (!node || !can_reach(*node)) return reply;
            ++redirections_;
        }
        return std::nullopt;
    }

    /// The session at the node that serves a key or a shard channel, as far as is known: for
    /// transactions, `submit()` and the like. execute() uses the same session: what it sends there
    /// between MULTI and EXEC is queued. Valid until the next call of execute() or session_of().
    /// Throws: Error{closed} if no node can be reached.
    [[nodiscard]] Session& session_of(std::string_view key) {
        const auto node = node_of(key_slot(key));
        if (!node) throw Error{ErrorCode::closed, "ClusterSession: no node can be reached"};
        return *session_at(*node);
    }

    /// The next push, from any node; of one node, they come in their order. Waits for one on the
    /// clock of the cluster; not at all, unless a time-out is given. Nothing: none has come, `stop`
    /// was asked to stop, or it is connected to no node.
    [[nodiscard]] std::optional<Reply> next_push(Timeout timeout = std::chrono::seconds{0},
                                                 const std::stop_token& stop = {}) {
        detail::ServerState& node = *cluster_.node(0).state_;
        const auto look = [&] {
            const auto sessions = connected();
            const detail::Entering entering{node};
            node.ring_due();
            return !left_.empty() || detail::PushWait::is_over(sessions);
        };
        const auto wait = [&](const WaitOptions& options) {
            detail::PushWait{node, connected()}.wait(options);
        };
        (void)detail::wait_until(node, {.timeout = timeout, .stop = stop}, look, wait);
        return take_push();
    }

    /// How often it has followed MOVED or ASK to another node.
    [[nodiscard]] std::uint64_t redirections() const noexcept { return redirections_; }

private:
    static constexpr std::size_t most_redirections = 16;

    struct Redirected {
        bool asks;
        std::string address;

        // Nothing: it is no redirection.
        [[nodiscard]] static std::optional<Redirected> read(const Reply& reply) {
            if (!reply.is_error()) return std::nullopt;
            const bool asks = reply.code() == "ASK";
            if (!asks && reply.code() != "MOVED") return std::nullopt;
            const std::string_view text = reply.text();
            return Redirected{asks, std::string{text.substr(text.rfind(' ') + 1)}};
        }
    };

    static void expect_for_any_node(const std::vector<std::string>& words) {
        if (words.empty())
            throw Error{ErrorCode::invalid_argument, "ClusterSession: a command without a word"};
        constexpr auto of_one_connection = std::to_array<std::string_view>(
            {"MULTI", "EXEC", "DISCARD", "WATCH", "UNWATCH", "ASKING", "READONLY", "READWRITE",
             "AUTH", "HELLO", "RESET"});
        for (const std::string_view name : of_one_connection)
            if (detail::is(words.front(), name))
                throw Error{ErrorCode::invalid_argument,
                            "ClusterSession::execute(): " + std::string{name} +
                                " is about one connection: use session_of(key)"};
    }

    // Its sessions, kept by whoever uses them: a handler of pushes, which may run meanwhile, may
    // use this client, and so replace those that are closed.
    [[nodiscard]] std::vector<std::shared_ptr<detail::SessionState>> connected() const {
        std::vector<std::shared_ptr<detail::SessionState>> sessions;
        for (const auto& session : sessions_)
            if (session) sessions.push_back(session->state_);
        return sessions;
    }
    // Nothing: none has come.
    [[nodiscard]] std::optional<Reply> take_push() {
        if (!left_.empty()) {
            Reply push = std::move(left_.front());
            left_.pop_front();
            return push;
        }
        const std::vector<std::shared_ptr<Session>> sessions = sessions_;
        for (const auto& session : sessions)
            if (session)
                if (auto push = session->next_push()) return push;
        return std::nullopt;
    }

    // ---- nodes

    // Connects to it if that is needed.
    [[nodiscard]] std::shared_ptr<Session> session_at(std::size_t node) {
        sessions_.resize(cluster_.size());
        std::shared_ptr<Session> former = sessions_[node];
        if (former && !former->is_closed()) return former;
        if (former)
            while (auto push = former->next_push()) left_.push_back(std::move(*push));
        auto session = std::make_shared<Session>(cluster_.node(node), options_);
        sessions_[node] = session;
        (void)session->execute({"HELLO", "3"});
        return session;
    }
    [[nodiscard]] bool can_reach(std::size_t node) { return !session_at(node)->is_closed(); }
    // Nothing: there is none.
    [[nodiscard]] std::optional<std::size_t> first_that_can_be_reached() {
        for (std::size_t node = 0; node != cluster_.size(); ++node)
            if (can_reach(node)) return node;
        return std::nullopt;
    }

    [[nodiscard]] std::optional<std::size_t> node_for(const std::vector<std::string>& words) {
        const std::vector<std::string_view> views{words.begin(), words.end()};
        const detail::CommandInfo* const info =
            detail::CommandTable::get().find(views, detail::newest);
        if (info == nullptr) return node_for_any();
        const detail::KeyPlaces keys = detail::keys_to_route(*info, views);
        if (keys.count == 0) return node_for_any();
        return node_of(key_slot(words[keys.first]));
    }
    // The first master that serves slots, or if there is none, the first node.
    [[nodiscard]] std::optional<std::size_t> node_for_any() {
        if (!is_map_known_) learn_map();
        const std::set<std::size_t> masters = masters_;
        for (const std::size_t master : masters)
            if (can_reach(master)) return master;
        return first_that_can_be_reached();
    }

    // As CLUSTER SLOTS says. If that node cannot be reached, another one will say what to do.
    [[nodiscard]] std::optional<std::size_t> node_of(std::uint16_t slot) {
        if (!is_map_known_) learn_map();
        const auto node = owners_[slot];
        if (node && can_reach(*node)) return node;
        learn_map();
        const auto other = owners_[slot];
        return other && can_reach(*other) ? other : first_that_can_be_reached();
    }
    // Asks in a session of its own: others may be in a transaction, or wait.
    void learn_map() {
        owners_.assign(key_slots, std::nullopt);
        masters_.clear();
        const auto node = first_that_can_be_reached();
        if (!node) return;
        Session session{cluster_.node(*node), options_};
        const auto slots = session.execute({"CLUSTER", "SLOTS"});
        if (!slots || slots->kind() != Reply::Kind::array) return;
        for (const Reply& range : slots->elements()) {
            const Reply& master = range[2];
            const std::string address =
                master[0].text() + ':' + std::to_string(master[1].integer());
            const auto owner = cluster_.find_node(address);
            std::fill(owners_.begin() + range[0].integer(),
                      owners_.begin() + range[1].integer() + 1, owner);
            if (owner) masters_.insert(*owner);
        }
        is_map_known_ = true;
    }

    Cluster& cluster_;
    const SessionOptions options_;
    std::vector<std::shared_ptr<Session>> sessions_{};  // by nodes; null: never needed
    std::vector<std::optional<std::size_t>> owners_ =
        std::vector<std::optional<std::size_t>>(key_slots);  // of slots
    std::set<std::size_t> masters_{};                        // those of owners_
    bool is_map_known_ = false;
    std::deque<Reply> left_{};  // pushes of sessions that were closed
    std::uint64_t redirections_ = 0;
};

}  // namespace runnel::inline v0::redis
