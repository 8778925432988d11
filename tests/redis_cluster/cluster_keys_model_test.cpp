// SPDX-License-Identifier: MIT
//
// Which node has a key while slots move, and nodes fail and come back: random commands beside a
// simple model, and a client that follows redirections.
#include <runnel/redis.hpp>
#include <runnel/redis/cluster.hpp>

#include "redis_cluster/naive_cluster.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"
#include "support/stress_random.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace runnel::test {
namespace {

using redis::Reply;
using Words = std::vector<std::string>;

const Words& all_keys() {
    static const Words all{"{a}1", "{a}2", "{a}3", "{b}1", "{b}2", "{c}1"};
    return all;
}

struct NaiveClient {
    std::size_t node = 0;
    bool is_open = false;
    bool is_asking = false;
    bool reads_replicas = false;
    bool is_in_transaction = false;
    bool is_aborted = false;
    bool is_touched = false;
    std::vector<Words> queued{};
    std::set<std::string> watched{};
};

bool is_write(const Words& words) {
    return words[0] == "SET" || words[0] == "DEL" || words[0] == "MSET";
}
Words keys_of(const Words& words) {
    if (words[0] == "GET" || words[0] == "SET") return {words[1]};
    if (words[0] == "DEL" || words[0] == "EXISTS" || words[0] == "WATCH")
        return {words.begin() + 1, words.end()};
    Words keys;
    if (words[0] == "MSET")
        for (std::size_t at = 1; at < words.size(); at += 2) keys.push_back(words[at]);
    return keys;
}

// What nodes have, and what they reply.
class NaiveKeys {
public:
    explicit NaiveKeys(std::size_t count) : clients(count) {}

    void close(NaiveClient& client) { client = {.node = client.node}; }
    Reply execute(NaiveClient& client, const Words& words) {
        const bool was_asking = client.is_asking;
        Reply reply = reply_to(client, words);
        if (was_asking && !client.is_in_transaction && words[0] != "ASKING")
            client.is_asking = false;
        return reply;
    }

    // ---- what is done to the cluster

    bool change(const ClusterStep& step) {
        const NaiveCluster before = map;
        if (!map.change(step)) return false;
        using What = ClusterStep::What;
        if (step.what == What::move_slot || step.what == What::finish_move) {
            const std::size_t to = *map.owner.at(step.slot);
            const auto third = before.target.find(step.slot);
            // Of two keys of a name the one of the former owner stays.
            if (third != before.target.end()) move_all(step.slot, third->second, to);
            if (before.owner.at(step.slot)) move_all(step.slot, *before.owner.at(step.slot), to);
        }
        for (NaiveClient& client : clients)
            if (map.has_failed[client.node]) close(client);
        return true;
    }
    // Nothing: its slot does not move, or it cannot.
    std::optional<bool> move_key(const std::string& key) {
        const auto target = map.target.find(naive_slot(key));
        if (target == map.target.end()) return std::nullopt;
        const std::size_t from = *map.owner.at(naive_slot(key));
        for (const std::size_t shard : {from, target->second})
            if (map.has_failed[map.leader[shard]]) return std::nullopt;
        if (!data[from].contains(key)) return false;
        if (data[target->second].contains(key)) return std::nullopt;
        move(key, from, target->second);
        return true;
    }

    NaiveCluster map;
    std::vector<NaiveClient> clients;
    std::array<std::map<std::string, std::string>, NaiveCluster::shards> data{};

private:
    static Reply ok() { return Reply::simple_string("OK"); }
    static Reply integer(std::size_t count) {
        return Reply::integer(static_cast<std::int64_t>(count));
    }
    auto& data_of(const NaiveClient& client) { return data[NaiveCluster::shard_of(client.node)]; }

    void move(const std::string& key, std::size_t from, std::size_t to) {
        auto node = data[from].extract(key);
        data[to].insert_or_assign(key, node.mapped());
        touch(from, key);
        touch(to, key);
    }
    void move_all(std::uint16_t slot, std::size_t from, std::size_t to) {
        if (from == to) return;
        for (const std::string& key : all_keys())
            if (naive_slot(key) == slot && data[from].contains(key)) move(key, from, to);
    }
    void touch(std::size_t shard, const std::string& key) {
        for (NaiveClient& client : clients)
            if (NaiveCluster::shard_of(client.node) == shard && client.watched.contains(key))
                client.is_touched = true;
    }

    // What a node says of keys that it does not serve; nothing: it serves them.
    [[nodiscard]] std::optional<Reply> redirection(const NaiveClient& client, const Words& keys,
                                                   bool writes) {
        if (keys.empty()) return std::nullopt;
        const std::uint16_t slot = naive_slot(keys.front());
        const auto owner = map.owner.at(slot);
        if (!owner) return Reply::error("CLUSTERDOWN Hash slot not served");
        for (const std::string& key : keys)
            if (naive_slot(key) != slot)
                return Reply::error("CROSSSLOT Keys in request don't hash to the same slot");
        if (!map.is_up()) return Reply::error("CLUSTERDOWN The cluster is down");
        const auto present = static_cast<std::size_t>(std::ranges::count_if(
            keys, [&](const std::string& key) { return data_of(client).contains(key); }));
        const auto try_again = [] {
            return Reply::error("TRYAGAIN Multiple keys request during rehashing of slot");
        };
        const auto go_to = [&](const std::string& verb, std::size_t node) {
            return Reply::error(verb + ' ' + std::to_string(slot) + ' ' +
                                NaiveCluster::address(node));
        };
        if (map.migrates(slot, client.node) && present != keys.size()) {
            if (present != 0) return try_again();
            return go_to("ASK", map.leader[map.target.at(slot)]);
        }
        if (map.imports(slot, client.node) && client.is_asking) {
            const std::set<std::string> different{keys.begin(), keys.end()};
            if (different.size() > 1 && present != keys.size()) return try_again();
            return std::nullopt;
        }
        const bool is_here = map.leader_of(slot) == client.node;
        const bool is_replica_here =
            *owner == NaiveCluster::shard_of(client.node) && client.reads_replicas && !writes;
        if (is_here || is_replica_here) return std::nullopt;
        return go_to("MOVED", map.leader_of(slot));
    }

    Reply reply_to(NaiveClient& client, const Words& words) {
        if (words[0] == "EXEC") return exec(client);
        if (auto reply = redirection(client, keys_of(words), is_write(words))) {
            client.is_aborted = client.is_in_transaction;
            return *reply;
        }
        if (words[0] == "DISCARD") {
            if (!client.is_in_transaction) return Reply::error("ERR DISCARD without MULTI");
            end_transaction(client);
            return ok();
        }
        if (words[0] == "MULTI") {
            if (client.is_in_transaction) return Reply::error("ERR MULTI calls can not be nested");
            client.is_in_transaction = true;
            return ok();
        }
        if (!client.is_in_transaction) return carry_out(client, words, false);
        client.queued.push_back(words);
        return Reply::simple_string("QUEUED");
    }
    static void end_transaction(NaiveClient& client) {
        client.is_in_transaction = client.is_aborted = client.is_touched = false;
        client.queued.clear();
        client.watched.clear();
    }
    Reply exec(NaiveClient& client) {
        if (!client.is_in_transaction) return Reply::error("ERR EXEC without MULTI");
        const NaiveClient before = client;
        Words keys;
        bool writes = false;
        for (const Words& queued : client.queued) {
            const Words more = keys_of(queued);
            keys.insert(keys.end(), more.begin(), more.end());
            writes = writes || is_write(queued);
        }
        const auto elsewhere = redirection(client, keys, writes);
        end_transaction(client);
        if (elsewhere) return *elsewhere;
        if (writes && !map.leads(client.node))
            return Reply::error("EXECABORT Transaction discarded because of: READONLY You can't "
                                "write against a read only replica.");
        if (before.is_aborted)
            return Reply::error("EXECABORT Transaction discarded because of previous errors.");
        if (before.is_touched) return Reply::null_array();
        std::vector<Reply> replies;
        for (const Words& queued : before.queued)
            replies.push_back(carry_out(client, queued, true));
        return Reply::array(std::move(replies));
    }
    Reply carry_out(NaiveClient& client, const Words& words, bool is_queued) {
        auto& here = data_of(client);
        const std::size_t shard = NaiveCluster::shard_of(client.node);
        if (words[0] == "PING") return Reply::simple_string("PONG");
        if (words[0] == "ASKING") client.is_asking = client.is_asking || !is_queued;
        if (words[0] == "READONLY") client.reads_replicas = true;
        if (words[0] == "READWRITE") client.reads_replicas = false;
        if (words[0] == "WATCH") client.watched.insert(words.begin() + 1, words.end());
        if (words[0] == "GET") {
            const auto found = here.find(words[1]);
            return found == here.end() ? Reply::null() : Reply::bulk_string(found->second);
        }
        if (words[0] == "EXISTS" || words[0] == "DEL") {
            std::size_t count = 0;
            for (const std::string& key : keys_of(words)) {
                if (!here.contains(key)) continue;
                ++count;
                if (words[0] == "EXISTS") continue;
                here.erase(key);
                touch(shard, key);
            }
            return integer(count);
        }
        if (words[0] == "SET" || words[0] == "MSET") {
            for (std::size_t at = 1; at + 1 < words.size(); at += 2) {
                here[words[at]] = words[at + 1];
                touch(shard, words[at]);
            }
        }
        return ok();
    }
};

// The cluster beside its model. An orderly run loses nothing: no slot stays without a node, and
// clients ask only where they are told to.
class KeysRun {
public:
    KeysRun(std::uint64_t seed, std::uint64_t run, bool is_orderly)
        : random_{seed, run}, is_orderly_{is_orderly} {}

    void step() {
        const std::size_t dice = random_.below(100);
        if (dice < 4)
            reopen();
        else if (dice < 12)
            change();
        else if (dice < 20)
            move_key();
        else if (dice < 40 && is_orderly_)
            follow();
        else
            send(random_.below(count));
    }
    void check() {
        check_map(cluster_, naive_.map);
        for (std::size_t shard = 0; shard != NaiveCluster::shards; ++shard) check_data(shard);
        for (std::size_t at = 0; at != count; ++at)
            if (sessions_[at]) REQUIRE(sessions_[at]->is_closed() != naive_.clients[at].is_open);
    }
    // Everything works again; then each key is where redirections lead, with what was written last,
    // and nowhere else.
    void check_writes() {
        using What = ClusterStep::What;
        for (std::size_t node = 0; node != NaiveCluster::nodes; ++node)
            take({What::restart, 0, node});
        for (const NamedSlot& one : named_slots())
            if (naive_.map.target.contains(one.slot)) take({What::finish_move, one.slot, 0});
        check();
        std::size_t written = 0;
        for (const std::string& key : all_keys()) {
            INFO("key " << key);
            const auto found = truth_.find(key);
            REQUIRE(ask_around({"GET", key}) ==
                    (found == truth_.end() ? Reply::null() : Reply::bulk_string(found->second)));
            if (found != truth_.end()) ++written;
        }
        std::size_t stored = 0;
        for (const auto& one : naive_.data) stored += one.size();
        REQUIRE(stored == written);
    }

    // The first words of all errors.
    [[nodiscard]] const std::set<std::string>& errors() const { return errors_; }

private:
    static constexpr std::size_t count = 8;

    void reopen() {
        const std::size_t at = random_.below(count);
        NaiveClient& client = naive_.clients[at];
        client = {.node = random_.below(NaiveCluster::nodes)};
        if (random_.percent(60)) client.node = random_.one_of(naive_.map.leader);
        client.is_open = !naive_.map.has_failed[client.node];
        sessions_[at].reset();
        sessions_[at] = std::make_unique<redis::Session>(cluster_.node(client.node));
    }
    void take(const ClusterStep& step) {
        INFO("step " << static_cast<int>(step.what) << " slot " << step.slot << " node "
                     << step.node);
        REQUIRE(take_step(cluster_, step) == naive_.change(step));
    }
    void change() { take(random_step(random_, naive_.map, !is_orderly_)); }
    void move_key() {
        const std::string& key = random_.one_of(all_keys());
        INFO("moves " << key);
        std::optional<bool> moved;
        try {
            moved = cluster_.move_key(key);
        } catch (const Error& error) {
            REQUIRE(error.code() == ErrorCode::invalid_argument);
        }
        REQUIRE(moved == naive_.move_key(key));
    }

    void send(std::size_t at) {
        NaiveClient& client = naive_.clients[at];
        if (!sessions_[at]) return;
        const Words words = draw(client);
        std::string text;
        for (const std::string& word : words) text += word + ' ';
        INFO("client " << at << " at node " << client.node << ": " << text);
        const auto queued = client.queued;
        const auto reply = sessions_[at]->execute(words);
        REQUIRE(reply.has_value() == client.is_open);
        if (!client.is_open) return;
        REQUIRE(*reply == naive_.execute(client, words));
        if (reply->is_error()) errors_.insert(reply->text().substr(0, reply->text().find(' ')));
        if (words[0] != "EXEC") return learn(words, *reply);
        for (std::size_t one = 0; reply->kind() == Reply::Kind::array && one != queued.size();
             ++one)
            learn(queued[one], (*reply)[one]);
    }
    // An acknowledged write.
    void learn(const Words& words, const Reply& reply) {
        if (reply == Reply::simple_string("QUEUED") || reply.is_error()) return;
        if (words[0] == "SET" || words[0] == "MSET")
            for (std::size_t at = 1; at < words.size(); at += 2) truth_[words[at]] = words[at + 1];
        if (words[0] == "DEL")
            for (const std::string& key : keys_of(words)) truth_.erase(key);
    }

    Words draw(const NaiveClient& client) {
        const std::size_t dice = random_.below(100);
        if (dice < 8) return {is_orderly_ ? "PING" : "ASKING"};
        if (dice < 12) return {random_.percent(70) ? "READONLY" : "READWRITE"};
        if (dice < 14) return {"PING"};
        if (dice < 24) return {client.is_in_transaction ? "EXEC" : "MULTI"};
        if (dice < 26) return {"DISCARD"};
        if (dice < 30 && client.is_in_transaction) return {"EXEC"};
        if (dice < 36 && !client.is_in_transaction) return with_keys("WATCH", client);
        return draw_for_keys(client);
    }
    // Mostly one that its node may serve.
    const std::string& draw_key(const NaiveClient& client) {
        const std::size_t shard = NaiveCluster::shard_of(client.node);
        for (std::size_t left = 5; left != 0; --left) {
            const std::string& key = random_.one_of(all_keys());
            const std::uint16_t slot = naive_slot(key);
            if (naive_.map.owner.at(slot) == shard || naive_.map.imports(slot, client.node))
                return key;
        }
        return random_.one_of(all_keys());
    }
    Words draw_for_keys(const NaiveClient& client) {
        const std::size_t dice = random_.below(100);
        const std::string key = draw_key(client);
        if (dice < 30) return {"GET", key};
        if (dice < 60) return {"SET", key, std::to_string(++writes_)};
        if (dice < 70) return with_keys("DEL", client);
        if (dice < 85) return with_keys("EXISTS", client);
        Words words{"MSET"};
        for (const std::string& one : keys_of(with_keys("DEL", client))) {
            words.push_back(one);
            words.push_back(std::to_string(++writes_));
        }
        return words;
    }
    // Most of them of one slot; a key may be there twice.
    Words with_keys(const std::string& verb, const NaiveClient& client) {
        Words words{verb, draw_key(client)};
        for (std::size_t left = random_.below(3); left != 0; --left) {
            const std::string& key = random_.one_of(all_keys());
            if (naive_slot(key) == naive_slot(words[1]) || random_.percent(10))
                words.push_back(key);
        }
        return words;
    }

    // A client that goes where it is told to, from any node.
    void follow() {
        const Words words = draw_for_keys({.node = random_.below(NaiveCluster::nodes)});
        if (const auto reply = ask_around(words)) learn(words, *reply);
    }
    // Nothing: no node may say it now.
    std::optional<Reply> ask_around(const Words& words) {
        std::size_t node = random_.below(NaiveCluster::nodes);
        bool is_asking = false;
        for (std::size_t redirections = 0; redirections != 4; ++redirections) {
            NaiveClient visitor{.node = node};
            redis::Session session{cluster_.node(node)};
            if (session.is_closed()) return std::nullopt;
            if (is_asking)
                REQUIRE(session.execute({"ASKING"}) == naive_.execute(visitor, {"ASKING"}));
            const auto reply = session.execute(words);
            REQUIRE(reply == naive_.execute(visitor, words));
            if (!reply->is_error()) return reply;
            const std::string text = reply->text();
            is_asking = text.starts_with("ASK ");
            if (!is_asking && !text.starts_with("MOVED ")) return std::nullopt;
            node = cluster_.node_at(text.substr(text.rfind(' ') + 1));
        }
        FAIL("redirected without end");
        return std::nullopt;
    }

    void check_data(std::size_t shard) {
        for (const std::size_t node : {naive_.map.leader[shard]}) {
            if (naive_.map.has_failed[node]) continue;
            redis::Session looking{cluster_.node(node)};
            REQUIRE(looking.execute({"DBSIZE"}) ==
                    Reply::integer(static_cast<std::int64_t>(naive_.data[shard].size())));
            for (const NamedSlot& one : named_slots()) {
                const auto keys = std::ranges::count_if(naive_.data[shard], [&](const auto& key) {
                    return naive_slot(key.first) == one.slot;
                });
                REQUIRE(looking.execute({"CLUSTER", "COUNTKEYSINSLOT", std::to_string(one.slot)}) ==
                        Reply::integer(keys));
            }
        }
    }

    Random random_;
    const bool is_orderly_;
    redis::Cluster cluster_{naive_options()};
    NaiveKeys naive_{count};
    std::vector<std::unique_ptr<redis::Session>> sessions_{count};
    std::map<std::string, std::string> truth_;
    std::set<std::string> errors_;
    std::uint64_t writes_ = 0;
};

TEST_CASE("commands find their keys, or are told where, while slots move and nodes fail",
          "[redis][cluster]") {
    const std::uint64_t seed = seed_for("keys of a cluster");
    std::set<std::string> errors;
    for (std::uint64_t run = 0; run != 4; ++run) {
        KeysRun keys{seed, run, false};
        const std::size_t steps = scaled(3'000);
        for (std::size_t step = 0; step != steps; ++step) {
            INFO("run " << run << ", step " << step);
            keys.step();
            if (step % 16 == 0) keys.check();
        }
        errors.insert(keys.errors().begin(), keys.errors().end());
    }
    for (const char* const error :
         {"ASK", "CLUSTERDOWN", "CROSSSLOT", "EXECABORT", "MOVED", "TRYAGAIN"})
        if (scale() >= 1) CHECK(errors.contains(error));
}

TEST_CASE("a client that follows redirections finds each write again", "[redis][cluster]") {
    const std::uint64_t seed = seed_for("writes to a cluster");
    for (std::uint64_t run = 0; run != 8; ++run) {
        KeysRun keys{seed, run, true};
        const std::size_t steps = scaled(1'000);
        for (std::size_t step = 0; step != steps; ++step) {
            INFO("run " << run << ", step " << step);
            keys.step();
        }
        keys.check_writes();
    }
}

}  // namespace
}  // namespace runnel::test
