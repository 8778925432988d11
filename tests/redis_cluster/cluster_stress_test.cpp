// SPDX-License-Identifier: MIT
//
// Threads that push, pop, publish and read while slots move, and nodes fail and come back. What
// went in comes out once.
#include <runnel/clock.hpp>
#include <runnel/redis.hpp>
#include <runnel/redis/cluster.hpp>
#include <runnel/redis/cluster_session.hpp>
#include <runnel/redis/serve_fd.hpp>
#include <runnel/runner.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/raw_client.hpp"
#include "support/scale.hpp"
#include "support/stress_random.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace runnel::test {
namespace {

using namespace std::chrono_literals;
using redis::Cluster;
using redis::FdServer;
using redis::Reply;
using redis::Session;

constexpr std::uint16_t jobs_slot = 15495;  // of "{a}…"
const std::string jobs = "{a}jobs";
const std::string shard_news = "{a}news";

// A client that goes where MOVED and ASK say, and connects anew if its node has failed.
class Wanderer {
public:
    explicit Wanderer(Cluster& cluster) : cluster_{cluster} { connect(0); }

    // Nothing: it was told to go elsewhere, to come back later, or it was disconnected.
    std::optional<Reply> try_once(const std::vector<std::string>& words) {
        ++turns;
        if (asks_) session_->execute({"ASKING"});
        asks_ = false;
        auto reply = session_->execute(words);
        if (session_->is_closed()) connect((node_ + 1) % cluster_.size());
        if (!reply || !reply->is_error()) return reply;
        const std::string text = reply->text();
        if (text.starts_with("MOVED ") || text.starts_with("ASK ")) {
            connect(cluster_.node_at(text.substr(text.rfind(' ') + 1)));
            asks_ = text.starts_with("ASK ");
        } else if (!text.starts_with("CLUSTERDOWN ") && !text.starts_with("TRYAGAIN ") &&
                   !text.starts_with("UNBLOCKED ")) {
            is_surprised = true;
        }
        return std::nullopt;
    }
    Reply execute(const std::vector<std::string>& words) {
        std::optional<Reply> reply;
        eventually([&] { return (reply = try_once(words)).has_value(); });
        return *reply;
    }
    [[nodiscard]] Session& session() { return *session_; }
    [[nodiscard]] std::size_t node() const { return node_; }

    bool is_surprised = false;  // by an error that cannot be
    std::atomic<std::size_t> turns = 0;

private:
    void connect(std::size_t node) {
        node_ = node;
        session_.reset();
        session_ = std::make_unique<Session>(cluster_.node(node));
    }

    Cluster& cluster_;
    std::size_t node_ = 0;
    bool asks_ = false;
    std::unique_ptr<Session> session_{};
};

// A cluster to which things happen; after each of them everything works.
struct ClusterStorm {
    explicit ClusterStorm(std::size_t replicas, std::size_t count)
        : cluster{
              {.masters = 3, .replicas = replicas, .nodes = {.clock = &SystemClock::instance()}}} {
        while (clients.size() != count) clients.push_back(std::make_unique<Wanderer>(cluster));
    }

    void disturb(Random& random) {
        switch (random.below(6)) {
        case 0:
            return move_step_by_step(any_master(random));
        case 1:
            return fail_and_come_back(random);
        case 2:
            return fail_over(any_master(random));
        case 3:
            return unassign();
        default:
            return cluster.move_slot(jobs_slot, any_master(random));
        }
    }
    // What a client does when it has nothing to do any more.
    void idle(Wanderer& client) {
        if (client.is_surprised) is_surprised = true;
        eventually([&] {
            ++client.turns;
            return ends.load();
        });
    }

    const TimerThread timers{};
    Cluster cluster;
    std::atomic<bool> ends = false;
    std::atomic<bool> is_surprised = false;
    std::vector<std::unique_ptr<Wanderer>> clients{};

private:
    [[nodiscard]] std::size_t any_master(Random& random) const {
        return cluster.master_of(random.below(cluster.size()));
    }
    // Returns when each client has taken so many turns more.
    void let_clients_go_on(std::size_t turns) const {
        for (const auto& client : clients) {
            const std::size_t before = client->turns;
            eventually([&] { return ends || client->turns >= before + turns; });
        }
    }

    void move_step_by_step(std::size_t to) {
        if (cluster.owner(jobs_slot) == to) return;
        cluster.begin_move(jobs_slot, to);
        let_clients_go_on(1);
        cluster.move_key(jobs);
        let_clients_go_on(1);
        cluster.finish_move(jobs_slot);
        // No client goes by an ASK of this move any more. It could write at a node that the slot
        // moves to again, where the key that comes would replace it.
        let_clients_go_on(2);
    }
    void fail_and_come_back(Random& random) {
        const std::size_t node = cluster.owner(jobs_slot).value();
        cluster.fail(node);
        let_clients_go_on(1);
        if (random.percent(50)) fail_over(node);
        cluster.restart(node);
    }
    void fail_over(std::size_t master) {
        for (std::size_t node = 0; node != cluster.size(); ++node)
            if (node != master && cluster.master_of(node) == master) return cluster.fail_over(node);
    }
    // Its keys stay at the node that had the slot, and gets it again.
    void unassign() {
        const std::size_t owner = cluster.owner(jobs_slot).value();
        cluster.unassign_slot(jobs_slot);
        let_clients_go_on(1);
        cluster.move_slot(jobs_slot, owner);
    }
};

TEST_CASE("elements come out once while slots move, and nodes fail and come back",
          "[redis][cluster]") {
    ClusterStorm storm{2, 4};
    const std::size_t rounds = scaled(1'500);
    const std::uint64_t seed = seed_for("elements of a cluster");
    std::atomic<std::size_t> pushed = 0;
    std::atomic<std::size_t> popped = 0;
    std::atomic<std::size_t> disturbed = 0;
    const auto push = [&](std::size_t number) {
        Wanderer& client = *storm.clients[number];
        for (std::size_t round = 0; round != rounds; ++round) {
            client.execute({"RPUSH", jobs, "a", "b"});
            pushed += 2;
        }
        storm.idle(client);
    };
    const auto pop = [&](std::size_t number) {
        Wanderer& client = *storm.clients[number];
        while (!storm.ends) {
            const auto reply = client.try_once({"BLPOP", jobs, "0.01"});
            if (reply && reply->kind() == Reply::Kind::array) ++popped;
        }
        storm.idle(client);
    };
    // At replicas, too.
    const auto look = [&](std::size_t first) {
        Random random{seed, first};
        while (!storm.ends) {
            Session session{storm.cluster.node(random.below(storm.cluster.size()))};
            session.execute({"READONLY"});
            for (std::size_t turn = 0; turn != 8; ++turn) {
                const auto reply = session.execute({"LRANGE", jobs, "0", "-1"});
                if (!reply) break;
                if (reply->is_error() && !reply->text().starts_with("MOVED ") &&
                    !reply->text().starts_with("ASK ") &&
                    !reply->text().starts_with("CLUSTERDOWN "))
                    storm.is_surprised = true;
            }
        }
    };
    const auto disturb_all = [&] {
        Random random{seed, 1};
        for (; !storm.ends; ++disturbed) storm.disturb(random);
    };
    {
        std::vector<std::jthread> others;
        others.emplace_back(push, 0);
        others.emplace_back(push, 1);
        others.emplace_back(pop, 2);
        others.emplace_back(pop, 3);
        others.emplace_back(look, 2);
        others.emplace_back(disturb_all);
        Wanderer client{storm.cluster};
        eventually([&] {
            return disturbed > 0 && pushed == 4 * rounds &&
                   client.execute({"LLEN", jobs}) == Reply::integer(0);
        });
        storm.ends = true;
    }
    CHECK(pushed == 4 * rounds);
    CHECK(popped == pushed);
    CHECK_FALSE(storm.is_surprised);
    for (std::size_t node = 0; node != storm.cluster.size(); ++node)
        CHECK(storm.cluster.node(node).blocked_sessions() == 0);
}

TEST_CASE("a message comes to each subscriber of its shard that was counted, once and in order",
          "[redis][cluster]") {
    ClusterStorm storm{0, 1};  // the reply to SPUBLISH counts those of its node only
    const std::size_t rounds = scaled(800);
    const std::uint64_t seed = seed_for("shard channels of a cluster");
    std::atomic<std::size_t> counted = 0;
    std::atomic<std::size_t> heard = 0;
    std::atomic<bool> is_out_of_order = false;
    const auto publish = [&] {
        Wanderer& client = *storm.clients.front();
        for (std::size_t round = 0; round < rounds || counted < rounds / 2; ++round)
            counted += static_cast<std::size_t>(
                client.execute({"SPUBLISH", shard_news, std::to_string(round)}).integer());
        if (client.is_surprised) storm.is_surprised = true;
    };
    const auto listen = [&] {
        std::size_t next = 0;
        const auto hear = [&](const Reply& push) {
            if (push[0].text() != "smessage") return;
            ++heard;
            const std::size_t number = std::stoul(push[2].text());
            if (number < next) is_out_of_order = true;
            next = number + 1;
        };
        while (!storm.ends) {
            Session session{storm.cluster.node(storm.cluster.owner(jobs_slot).value_or(0))};
            session.execute({"SSUBSCRIBE", shard_news});
            for (bool is_subscribed = true; is_subscribed && !storm.ends;) {
                const auto push = session.next_push(1ms);
                if (!push && session.is_closed()) break;
                if (!push) continue;
                hear(*push);
                is_subscribed = (*push)[0].text() != "sunsubscribe";
            }
            session.close();
            while (const auto push = session.next_push()) hear(*push);
        }
    };
    const auto disturb_all = [&] {
        Random random{seed, 1};
        while (!storm.ends) storm.disturb(random);
    };
    {
        std::vector<std::jthread> others;
        others.emplace_back(listen);
        others.emplace_back(listen);
        others.emplace_back(disturb_all);
        { const std::jthread one{publish}; }
        storm.ends = true;
    }
    CHECK(heard == counted);
    CHECK_FALSE(is_out_of_order);
    CHECK_FALSE(storm.is_surprised);
}

TEST_CASE("a client that waits for pushes of all nodes hears each message, in order",
          "[redis][cluster]") {
    const TimerThread timers{};
    Cluster cluster{{.masters = 3, .nodes = {.clock = &SystemClock::instance()}}};
    const std::vector<std::string> channels{"apple", "hello", "foo"};  // of a node each
    const std::size_t rounds = scaled(2'000);
    redis::ClusterSession client{cluster};
    for (const std::string& channel : channels) client.execute({"SSUBSCRIBE", channel});
    std::map<std::string, std::vector<std::size_t>> heard;
    {
        std::vector<std::jthread> publishers;
        for (const std::string& channel : channels)
            publishers.emplace_back([&cluster, &channel, rounds] {
                redis::ClusterSession publisher{cluster};
                for (std::size_t round = 0; round != rounds; ++round)
                    publisher.execute({"SPUBLISH", channel, std::to_string(round)});
            });
        // With and without a time-out, which may come together with a push.
        for (std::size_t left = channels.size() * (rounds + 1); left != 0;) {
            const auto push = client.next_push(left % 2 == 0 ? Timeout{} : Timeout{10us});
            left -= push ? 1U : 0U;
            if (push && (*push)[0].text() == "smessage")
                heard[std::string{(*push)[1].text()}].push_back(std::stoul((*push)[2].text()));
        }
    }
    std::vector<std::size_t> all(rounds);
    std::iota(all.begin(), all.end(), std::size_t{0});
    for (const std::string& channel : channels) CHECK(heard[channel] == all);
}

TEST_CASE("a message crosses nodes and descriptors, once and in order", "[redis][cluster]") {
    Cluster cluster{{.masters = 2, .replicas = 1}};
    const std::vector<std::unique_ptr<FdServer>> servers = [&] {
        std::vector<std::unique_ptr<FdServer>> made;
        for (std::size_t node = 0; node != cluster.size(); ++node)
            made.push_back(std::make_unique<FdServer>(cluster.node(node)));
        return made;
    }();
    const std::size_t rounds = scaled(500);
    std::vector<std::vector<std::string>> heard(cluster.size());
    std::atomic<std::size_t> subscribed = 0;
    std::atomic<bool> ends = false;
    const auto listen = [&](std::size_t node) {
        RawClient client{servers[node]->connect()};
        if (node % 2 == 0) client.ask({"HELLO", "3"});
        client.ask({"SUBSCRIBE", "news"});
        ++subscribed;
        while (heard[node].size() != 2 * rounds)
            if (const auto push = client.take()) heard[node].push_back((*push)[2].text());
    };
    const auto publish = [&](std::size_t node, const std::string& name) {
        RawClient client{servers[node]->connect()};
        for (std::size_t round = 0; round != rounds; ++round)
            client.ask({"PUBLISH", "news", name + std::to_string(round)});
    };
    {
        std::vector<std::jthread> others;
        for (std::size_t node = 0; node != cluster.size(); ++node)
            others.emplace_back(listen, node);
        eventually([&] { return subscribed == cluster.size(); });
        const std::jthread mover{[&] {
            for (std::size_t round = 0; !ends; ++round) cluster.move_slot(jobs_slot, round % 2);
        }};
        {
            const std::jthread one{publish, 0, "one "};
            const std::jthread other{publish, 3, "other "};
        }
        ends = true;
    }
    for (std::size_t node = 1; node != cluster.size(); ++node) CHECK(heard[node] == heard[0]);
    std::size_t next = 0;
    for (const std::string& message : heard[0])
        if (message.starts_with("one ") && message != "one " + std::to_string(next++))
            FAIL("out of order: " << message);
    CHECK(next == rounds);
    CHECK(cluster.traffic() ==
          redis::ClusterTraffic{.publish = 2 * rounds * 3, .publish_shard = 0});
}

}  // namespace
}  // namespace runnel::test
