// SPDX-License-Identifier: MIT
//
// Who hears what while slots move, and nodes fail and come back: random steps beside a simple
// model.
#include <runnel/redis.hpp>
#include <runnel/redis/cluster.hpp>

#include "redis_cluster/naive_cluster.hpp"
#include "support/catch.hpp"
#include "support/scale.hpp"
#include "support/stress_random.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
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
using Names = std::vector<std::string>;

const Names& all_channels() {
    static const Names all{"{a}1", "{a}2", "{b}1", "{c}1"};
    return all;
}
const Names& all_patterns() {
    static const Names all{"{a}*", "*1"};
    return all;
}
bool naive_match(const std::string& pattern, const std::string& name) {
    return pattern == "{a}*" ? name.starts_with("{a}") : name.ends_with("1");
}

// The three worlds of names.
enum class World : std::size_t { channel, pattern, shard };

struct NaiveSubscriber {
    std::size_t node = 0;
    int protocol = 2;
    bool is_open = false;
    bool is_asking = false;
    std::map<World, std::set<std::string>> names{};
    std::vector<Reply> outputs{};  // all
    std::vector<Reply> pushes{};   // of this step

    [[nodiscard]] std::size_t count(World world) {
        if (world == World::shard) return names[world].size();
        return names[World::channel].size() + names[World::pattern].size();
    }
    [[nodiscard]] bool is_restricted() {
        return protocol == 2 && count(World::channel) + count(World::shard) != 0;
    }
    void push(std::vector<Reply> parts) {
        const Reply one = protocol == 3 ? Reply::push(std::move(parts)) : Reply::array(parts);
        outputs.push_back(one);
        pushes.push_back(one);
    }
    void confirm(const std::string& verb, std::optional<std::string> name, World world) {
        push({Reply::bulk_string(verb), name ? Reply::bulk_string(*name) : Reply::null(),
              Reply::integer(static_cast<std::int64_t>(count(world)))});
    }
};

Reply restricted(const std::string& command) {
    return Reply::error("ERR Can't execute '" + command +
                        "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are "
                        "allowed in this context");
}

// What a command does. Each returns the reply; nothing: its answers are pushes.
class NaivePubSub {
public:
    using Answer = std::optional<Reply>;

    explicit NaivePubSub(std::size_t count) : clients(count) {}

    void close(NaiveSubscriber& client) {
        client.is_open = false;
        client.is_asking = false;
        for (auto& [world, names] : client.names) names.clear();
        forget_patterns();
    }
    Answer subscribe(NaiveSubscriber& client, World world, const Names& names) {
        if (world == World::shard)
            if (auto reply = redirection(client, names)) return reply;
        for (const std::string& name : names) {
            client.names[world].insert(name);
            if (world == World::pattern) remember_pattern(client.node, name);
            client.confirm(verb(world, "subscribe"), name, world);
        }
        return std::nullopt;
    }
    Answer unsubscribe(NaiveSubscriber& client, World world, Names names) {
        if (world == World::shard && !names.empty())
            if (auto reply = redirection(client, names)) return reply;
        auto& own = client.names[world];
        if (names.empty()) names.assign(own.begin(), own.end());
        for (const std::string& name : names) {
            own.erase(name);
            client.confirm(verb(world, "unsubscribe"), name, world);
        }
        if (names.empty()) client.confirm(verb(world, "unsubscribe"), std::nullopt, world);
        forget_patterns();
        return std::nullopt;
    }
    Answer asking(NaiveSubscriber& client) {
        if (client.is_restricted()) return restricted("asking");
        client.is_asking = true;
        return Reply::simple_string("OK");
    }
    // All nodes that work hear of it. The reply counts this one's clients.
    Answer publish(NaiveSubscriber& client, const std::string& name, const std::string& text) {
        if (client.is_restricted()) return restricted("publish");
        const std::size_t count = hears(client.node, name);
        reply_first(client, count);
        for (std::size_t node = 0; node != NaiveCluster::nodes; ++node) {
            if (map.has_failed[node]) continue;
            if (node != client.node) ++traffic.publish;
            deliver(node, World::channel, name, {"message", name, text});
            for (const std::string& pattern : patterns_[node])
                if (naive_match(pattern, name))
                    deliver(node, World::pattern, pattern, {"pmessage", pattern, name, text});
        }
        return reply_count(count);
    }
    // The nodes of the shard hear of it.
    Answer spublish(NaiveSubscriber& client, const std::string& name, const std::string& text) {
        if (auto reply = redirection(client, {name})) return reply;
        if (client.is_restricted()) return restricted("spublish");
        const std::size_t count = subscribers(client.node, World::shard, name);
        reply_first(client, count);
        for (std::size_t node = 0; node != NaiveCluster::nodes; ++node) {
            if (map.has_failed[node]) continue;
            if (NaiveCluster::shard_of(node) != NaiveCluster::shard_of(client.node)) continue;
            if (node != client.node) ++traffic.publish_shard;
            deliver(node, World::shard, name, {"smessage", name, text});
        }
        return reply_count(count);
    }
    // Subscribers at nodes that served a slot, and do not any more, hear that: by slot and name.
    // So do those at another node than the one that leads their shard from now on.
    bool change(const ClusterStep& step) {
        const NaiveCluster before = map;
        if (!map.change(step)) return false;
        for (const NamedSlot& one : named_slots())
            for (NaiveSubscriber& client : clients)
                if (client.is_open && leaves(before, one.slot, client.node))
                    unsubscribe_from_slot(client, one.slot);
        for (NaiveSubscriber& client : clients)
            if (map.has_failed[client.node]) close(client);
        return true;
    }
    std::size_t subscribers(std::size_t node, World world, const std::string& name) {
        return static_cast<std::size_t>(std::ranges::count_if(clients, [&](auto& client) {
            return client.is_open && client.node == node && client.names[world].contains(name);
        }));
    }

    NaiveCluster map;
    std::vector<NaiveSubscriber> clients;
    redis::ClusterTraffic traffic{};

private:
    static std::string verb(World world, const std::string& plain) {
        if (world == World::channel) return plain;
        return (world == World::pattern ? "p" : "s") + plain;
    }
    static Reply reply_count(std::size_t count) {
        return Reply::integer(static_cast<std::int64_t>(count));
    }
    // A client that hears itself gets the reply before the message.
    static void reply_first(NaiveSubscriber& client, std::size_t count) {
        client.outputs.push_back(reply_count(count));
    }

    [[nodiscard]] Answer redirection(const NaiveSubscriber& client, const Names& names) const {
        const std::uint16_t slot = naive_slot(names.front());
        const auto owner = map.owner.at(slot);
        if (!owner) return Reply::error("CLUSTERDOWN Hash slot not served");
        for (const std::string& name : names)
            if (naive_slot(name) != slot)
                return Reply::error("CROSSSLOT Keys in request don't hash to the same slot");
        if (client.is_asking && map.imports(slot, client.node)) return std::nullopt;
        if (*owner == NaiveCluster::shard_of(client.node)) return std::nullopt;
        return Reply::error("MOVED " + std::to_string(slot) + ' ' +
                            NaiveCluster::address(map.leader_of(slot)));
    }
    [[nodiscard]] bool leaves(const NaiveCluster& before, std::uint16_t slot,
                              std::size_t node) const {
        const std::size_t shard = NaiveCluster::shard_of(node);
        if (before.owner.at(slot) != shard) return false;
        if (map.owner.at(slot) != shard) return true;
        return before.leader[shard] != map.leader[shard] && !map.leads(node);
    }
    static void unsubscribe_from_slot(NaiveSubscriber& client, std::uint16_t slot) {
        auto& own = client.names[World::shard];
        for (auto name = own.begin(); name != own.end();) {
            if (naive_slot(*name) != slot) {
                ++name;
                continue;
            }
            const std::string gone = *name;
            name = own.erase(name);
            client.confirm("sunsubscribe", gone, World::shard);
        }
    }
    std::size_t hears(std::size_t node, const std::string& name) {
        std::size_t count = subscribers(node, World::channel, name);
        for (const std::string& pattern : all_patterns())
            if (naive_match(pattern, name)) count += subscribers(node, World::pattern, pattern);
        return count;
    }
    void deliver(std::size_t node, World world, const std::string& name, const Names& parts) {
        std::vector<Reply> replies;
        for (const std::string& part : parts) replies.push_back(Reply::bulk_string(part));
        for (NaiveSubscriber& client : clients)
            if (client.is_open && client.node == node && client.names[world].contains(name))
                client.push(replies);
    }
    // A node has patterns in the order in which somebody first subscribed to them.
    void remember_pattern(std::size_t node, const std::string& name) {
        if (std::ranges::count(patterns_[node], name) == 0) patterns_[node].push_back(name);
    }
    void forget_patterns() {
        for (std::size_t node = 0; node != NaiveCluster::nodes; ++node)
            std::erase_if(patterns_[node], [&](const std::string& name) {
                return subscribers(node, World::pattern, name) == 0;
            });
    }

    std::map<std::size_t, Names> patterns_;
};

// The cluster beside its model.
class PubSubRun {
public:
    PubSubRun(std::uint64_t seed, std::uint64_t run) : random_{seed, run} {}

    void step() {
        for (NaiveSubscriber& client : naive_.clients) client.pushes.clear();
        const std::size_t dice = random_.below(100);
        if (dice < 6)
            reopen();
        else if (dice < 20)
            change();
        else
            send();
        check_pushes();
        REQUIRE(cluster_.traffic() == naive_.traffic);
    }
    // What takes longer to compare.
    void check() {
        check_map(cluster_, naive_.map);
        for (std::size_t at = 0; at != count; ++at) {
            if (!sessions_[at]) continue;
            std::vector<Reply>& all = naive_.clients[at].outputs;
            if (all.size() > kept) all.erase(all.begin(), all.end() - kept);
            REQUIRE(sessions_[at]->outputs() == all);
            REQUIRE(sessions_[at]->is_closed() != naive_.clients[at].is_open);
        }
        for (std::size_t node = 0; node != NaiveCluster::nodes; ++node) check_counts(node);
    }

private:
    static constexpr std::size_t count = 10;
    static constexpr std::ptrdiff_t kept = 64;

    void reopen() {
        const std::size_t at = random_.below(count);
        NaiveSubscriber& client = naive_.clients[at];
        naive_.close(client);
        client = {.node = random_.below(NaiveCluster::nodes)};
        sessions_[at].reset();
        if (random_.percent(20)) return;
        sessions_[at] = std::make_unique<redis::Session>(
            cluster_.node(client.node), redis::SessionOptions{.keep_outputs = kept});
        client.is_open = !naive_.map.has_failed[client.node];
        if (!client.is_open || random_.percent(50)) return;
        client.protocol = 3;
        client.outputs.push_back(sessions_[at]->execute({"HELLO", "3"}).value());
    }
    void change() {
        const ClusterStep step = random_step(random_, naive_.map, true);
        INFO("step " << static_cast<int>(step.what) << " slot " << step.slot << " node "
                     << step.node);
        REQUIRE(take_step(cluster_, step) == naive_.change(step));
    }
    void send() {
        const std::size_t at = random_.below(count);
        NaiveSubscriber& client = naive_.clients[at];
        if (!sessions_[at]) return;
        const bool was_asking = client.is_asking;
        const std::size_t outputs = client.outputs.size();
        const Command command = draw(client);
        std::string text;
        for (const std::string& word : command.words) text += word + ' ';
        INFO("client " << at << " at node " << client.node << ": " << text);
        const auto reply = sessions_[at]->execute(command.words);
        if (!client.is_open) {
            REQUIRE_FALSE(reply.has_value());
            return;
        }
        const auto expected = command.run();
        REQUIRE(reply == expected);
        if (was_asking && command.words.front() != "ASKING") client.is_asking = false;
        if (expected && client.outputs.size() == outputs) client.outputs.push_back(*expected);
    }

    struct Command {
        Names words;
        std::function<NaivePubSub::Answer()> run;
    };
    Command draw(NaiveSubscriber& client) {
        const std::string name = random_.one_of(all_channels());
        const std::size_t dice = random_.below(100);
        if (dice < 6) return {{"ASKING"}, [this, &client] { return naive_.asking(client); }};
        if (dice < 50) {
            const std::string text = std::to_string(++messages_);
            if (dice < 26)
                return {{"PUBLISH", name, text},
                        [=, this, &client] { return naive_.publish(client, name, text); }};
            return {{"SPUBLISH", name, text},
                    [=, this, &client] { return naive_.spublish(client, name, text); }};
        }
        const World world = dice < 60 ? World::channel : dice < 70 ? World::pattern : World::shard;
        const std::string prefix = world == World::channel   ? ""
                                   : world == World::pattern ? "P"
                                                             : "S";
        const Names names = draw_names(world);
        if (random_.percent(65) && !names.empty())
            return {with(prefix + "SUBSCRIBE", names),
                    [=, this, &client] { return naive_.subscribe(client, world, names); }};
        return {with(prefix + "UNSUBSCRIBE", names),
                [=, this, &client] { return naive_.unsubscribe(client, world, names); }};
    }
    // Often one; a name may be there twice.
    Names draw_names(World world) {
        const Names& all = world == World::pattern ? all_patterns() : all_channels();
        Names names;
        for (std::size_t left = random_.percent(60) ? 1 : random_.below(4); left != 0; --left)
            names.push_back(random_.one_of(all));
        return names;
    }
    static Names with(const std::string& verb, const Names& names) {
        Names words{verb};
        words.insert(words.end(), names.begin(), names.end());
        return words;
    }

    void check_pushes() {
        for (std::size_t at = 0; at != count; ++at) {
            INFO("client " << at);
            std::vector<Reply> heard;
            if (!sessions_[at]) continue;
            while (auto push = sessions_[at]->next_push()) heard.push_back(std::move(*push));
            REQUIRE(heard == naive_.clients[at].pushes);
        }
    }
    void check_counts(std::size_t node) {
        INFO("node " << node);
        redis::Session looking{cluster_.node(node)};
        REQUIRE(looking.is_closed() == naive_.map.has_failed[node]);
        if (looking.is_closed()) return;
        for (const World world : {World::channel, World::shard}) {
            std::vector<Reply> expected;
            for (const std::string& name : all_channels()) {
                expected.push_back(Reply::bulk_string(name));
                expected.push_back(Reply::integer(
                    static_cast<std::int64_t>(naive_.subscribers(node, world, name))));
            }
            const std::string verb = world == World::shard ? "SHARDNUMSUB" : "NUMSUB";
            Names words = with(verb, all_channels());
            words.insert(words.begin(), "PUBSUB");
            REQUIRE(looking.execute(words) == Reply::array(std::move(expected)));
        }
    }

    Random random_;
    redis::Cluster cluster_{naive_options()};
    NaivePubSub naive_{count};
    std::vector<std::unique_ptr<redis::Session>> sessions_{count};
    std::uint64_t messages_ = 0;
};

TEST_CASE("messages come to whom they are for while slots move and nodes fail",
          "[redis][cluster]") {
    const std::uint64_t seed = seed_for("messages of a cluster");
    for (std::uint64_t run = 0; run != 4; ++run) {
        PubSubRun pubsub{seed, run};
        const std::size_t steps = scaled(2'500);
        for (std::size_t step = 0; step != steps; ++step) {
            INFO("run " << run << ", step " << step);
            pubsub.step();
            if (step % 16 == 0) pubsub.check();
        }
    }
}

}  // namespace
}  // namespace runnel::test
