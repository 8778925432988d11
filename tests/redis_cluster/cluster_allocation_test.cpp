// SPDX-License-Identifier: MIT
// A cluster when memory runs out.

#include <runnel/redis.hpp>
#include <runnel/redis/cluster.hpp>

#include "support/catch.hpp"
#include "support/short_memory.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace runnel::test {
namespace {

using redis::Cluster;
using redis::Pending;
using redis::Reply;
using redis::Session;
using Words = std::vector<std::string>;

constexpr std::uint16_t slot_of_a = 15495;  // of "{a}…"; of node 2 and its replica 5 at first
constexpr std::uint16_t slot_of_b = 3300;   // of node 0
const std::string long_text(100, 'x');

// Three masters with a replica each. Clients of a slot subscribe and wait, at its master and at its
// replica; another one waits elsewhere.
struct ClusterScene {
    ClusterScene() {
        for (const Words& words :
             {Words{"SET", "{a}1", long_text}, Words{"SET", "{a}2", "v", "EX", "100"},
              Words{"RPUSH", "{a}list", "a", "b"}, Words{"XADD", "{a}stream", "1-0", "f", "v"},
              Words{"XGROUP", "CREATE", "{a}stream", "g", "$"}})
            sender.execute(words);
        subscriber.execute({"HELLO", "3"});
        subscriber.execute({"SSUBSCRIBE", "{a}1", "{a}" + long_text, "{a}2"});
        subscriber.execute({"SUBSCRIBE", "news"});
        at_replica.execute({"SSUBSCRIBE", "{a}2"});
        at_replica.execute({"PSUBSCRIBE", "n*"});
        reader.execute({"READONLY"});
        waits.push_back(waiter.submit({"BLPOP", "{a}jobs", "0"}));
        waits.push_back(waiter.submit({"PING"}));
        waits.push_back(group.submit(
            {"XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "{a}stream", ">"}));
        waits.push_back(reader.submit({"XREAD", "BLOCK", "0", "STREAMS", "{a}stream", "$"}));
        waits.push_back(elsewhere.submit({"BLPOP", "{b}jobs", "0"}));
    }

    // All that could have changed.
    [[nodiscard]] std::vector<Reply> state() {
        std::vector<Reply> all;
        const std::string slot = std::to_string(slot_of_a);
        const redis::ClusterTraffic traffic = cluster.traffic();
        all.push_back(count(traffic.publish));
        all.push_back(count(traffic.publish_shard));
        for (const std::uint16_t one : {slot_of_a, slot_of_b})
            all.push_back(count(cluster.owner(one).value_or(cluster.size())));
        all.push_back(Session{cluster.node(0)}.execute({"CLUSTER", "INFO"}).value());
        for (std::size_t node = 0; node != cluster.size(); ++node) {
            all.push_back(count(cluster.master_of(node)));
            Session looking{cluster.node(node)};
            all.push_back(Reply::boolean(looking.is_closed()));
            if (looking.is_closed()) continue;
            for (const Words& words :
                 {Words{"CLUSTER", "COUNTKEYSINSLOT", slot}, Words{"DBSIZE"},
                  Words{"PUBSUB", "SHARDNUMSUB", "{a}1", "{a}2", "{a}" + long_text},
                  Words{"PUBSUB", "NUMSUB", "news"}, Words{"PUBSUB", "NUMPAT"},
                  Words{"GET", "{a}none"}, Words{"GET", "{b}none"}})
                all.push_back(looking.execute(words).value());
            all.push_back(count(cluster.node(node).blocked_sessions()));
        }
        for (Session* const session :
             {&sender, &subscriber, &at_replica, &waiter, &group, &reader, &elsewhere}) {
            all.push_back(Reply::array(session->outputs()));
            all.push_back(Reply::boolean(session->is_closed()));
            while (auto push = session->next_push()) all.push_back(std::move(*push));
        }
        for (const Pending& wait : waits) {
            all.push_back(Reply::boolean(wait.ready()));
            all.push_back(wait.try_get().value_or(Reply::simple_string("none")));
        }
        return all;
    }

    Cluster cluster{{.masters = 3, .replicas = 1}};
    Session sender{cluster.node(2)};
    Session subscriber{cluster.node(2)};
    Session at_replica{cluster.node(5)};
    Session waiter{cluster.node(2)};
    Session group{cluster.node(2)};
    Session reader{cluster.node(5)};
    Session elsewhere{cluster.node(0)};
    std::vector<Pending> waits{};

private:
    static Reply count(std::uint64_t number) {
        return Reply::integer(static_cast<std::int64_t>(number));
    }
};

using Action = std::function<void(ClusterScene&)>;

// At each of its requests for memory an action throws, and then nothing has changed; the next time
// it works.
void check_action(const Action& before, const Action& action) {
    ClusterScene expected;
    before(expected);
    (void)expected.state();
    action(expected);
    const std::vector<Reply> changed = expected.state();
    std::size_t failures = 0;
    at_every_request([&](long granted, Shortage shortage) {
        ClusterScene scene;
        before(scene);
        (void)scene.state();  // takes the pushes
        const std::vector<Reply> unchanged = scene.state();
        bool has_failed = false;
        {
            const MemoryRunsOut limit{granted, shortage};
            try {
                action(scene);
            } catch (const std::bad_alloc&) {
                has_failed = true;
            }
        }
        if (has_failed) {
            ++failures;
            CHECK(scene.state() == unchanged);
            action(scene);
        }
        CHECK(scene.state() == changed);
    });
    CHECK(failures != 0);
}
void check_action(const Action& action) {
    check_action([](ClusterScene&) {}, action);
}

// The same for a command that only reads.
void check_reading(const Words& words) {
    CAPTURE(words);
    ClusterScene scene;
    const std::optional<Reply> wanted = scene.sender.execute(words);
    std::size_t failures = 0;
    at_every_request([&](long granted, Shortage shortage) {
        std::optional<Reply> reply;
        {
            const MemoryRunsOut limit{granted, shortage};
            try {
                reply = scene.sender.execute(words);
            } catch (const std::bad_alloc&) {
                ++failures;
            }
        }
        if (!reply) reply = scene.sender.execute(words);
        CHECK(reply == wanted);
    });
    CHECK(failures != 0);
}

Action command(const Words& words) {
    return [words](ClusterScene& scene) { (void)scene.sender.execute(words); };
}
Action commands(const std::vector<Words>& all) {
    return [all](ClusterScene& scene) {
        for (const Words& words : all) (void)scene.sender.execute(words);
    };
}

}  // namespace

TEST_CASE("a slot that moves while memory runs out stays where it is", "[redis][cluster]") {
    check_action([](ClusterScene& scene) { scene.cluster.move_slot(slot_of_a, 0); });
    check_action([](ClusterScene& scene) { scene.cluster.begin_move(slot_of_a, 0); });
    const Action begin = [](ClusterScene& scene) { scene.cluster.begin_move(slot_of_a, 0); };
    check_action(begin, [](ClusterScene& scene) { scene.cluster.move_key("{a}1"); });
    check_action(begin, [](ClusterScene& scene) { scene.cluster.finish_move(slot_of_a); });
    check_action(
        [](ClusterScene& scene) {
            scene.cluster.begin_move(slot_of_a, 0);
            scene.cluster.move_key("{a}1");
        },
        [](ClusterScene& scene) { scene.cluster.move_slot(slot_of_a, 1); });
}

TEST_CASE("a slot that memory runs out for is still served", "[redis][cluster]") {
    check_action([](ClusterScene& scene) { scene.cluster.unassign_slot(slot_of_a); });
    const Action unassign = [](ClusterScene& scene) { scene.cluster.unassign_slot(slot_of_a); };
    check_action(unassign, [](ClusterScene& scene) { scene.cluster.move_slot(slot_of_a, 2); });
}

TEST_CASE("a node fails, comes back or takes over, or it does not if memory runs out",
          "[redis][cluster]") {
    const Action fail = [](ClusterScene& scene) { scene.cluster.fail(2); };
    check_action(fail);
    check_action([](ClusterScene& scene) { scene.cluster.fail(5); });
    check_action(fail, [](ClusterScene& scene) { scene.cluster.restart(2); });
    check_action(fail, [](ClusterScene& scene) { scene.cluster.fail_over(5); });
    check_action([](ClusterScene& scene) { scene.cluster.fail_over(5); });
    check_action(
        [](ClusterScene& scene) {
            scene.cluster.fail(2);
            scene.cluster.fail_over(5);
        },
        [](ClusterScene& scene) { scene.cluster.restart(2); });
}

TEST_CASE("a cluster that could not be made leaves nothing", "[redis][cluster]") {
    std::size_t failures = 0;
    at_every_request([&](long granted, Shortage shortage) {
        const long before = Memory::live;
        bool has_failed = false;
        {
            const MemoryRunsOut limit{granted, shortage};
            try {
                const Cluster cluster{{.masters = 2, .replicas = 1}};
            } catch (const std::bad_alloc&) {
                has_failed = true;
            }
        }
        const long after = Memory::live;
        CHECK(after == before);
        if (has_failed) ++failures;
    });
    CHECK(failures > 20);
}

TEST_CASE("a message that memory runs out for comes to nobody, and is not counted",
          "[redis][cluster]") {
    check_action(command({"PUBLISH", "news", long_text}));
    check_action(command({"PUBLISH", "none", long_text}));
    check_action(command({"SPUBLISH", "{a}2", long_text}));
    check_action(command({"SPUBLISH", "{b}2", long_text}));
    check_action(command({"MULTI"}), command({"SPUBLISH", "{a}2", long_text}));
    check_action(commands({{"MULTI"}, {"SPUBLISH", "{b}2", long_text}}), command({"EXEC"}));
}

TEST_CASE("a redirection that memory runs out for has no effect", "[redis][cluster]") {
    const Action asking = [](ClusterScene& scene) {
        scene.cluster.begin_move(slot_of_b, 2);
        scene.sender.execute({"ASKING"});
    };
    check_action(command({"SET", "{b}x", "v"}));
    check_action(command({"MSET", "{a}x", "v", "{b}x", "v"}));
    check_action(command({"ASKING"}));
    check_action(asking, command({"SET", "{b}x", long_text}));
    check_action(asking, command({"EXISTS", "{b}x", "{b}y"}));
    check_action(command({"READONLY"}));
    check_action(command({"READWRITE"}));
    check_action(command({"SSUBSCRIBE", "{b}" + long_text}));
    check_action(command({"SSUBSCRIBE", "{a}" + long_text, "{a}1"}));
    check_action(command({"SUNSUBSCRIBE", "{b}1"}));
    const Action begin = [](ClusterScene& scene) { scene.cluster.begin_move(slot_of_a, 0); };
    check_action(begin, command({"GET", "{a}none"}));
    check_action(begin, command({"EXISTS", "{a}none", "{a}1"}));
    check_action(commands({{"MULTI"}}), command({"GET", "{b}x"}));
    check_action(commands({{"WATCH", "{a}1"}, {"MULTI"}, {"GET", "{b}x"}}), command({"EXEC"}));
    check_action(
        [](ClusterScene& scene) {
            commands({{"WATCH", "{a}1"}, {"MULTI"}, {"SET", "{a}1", "x"}})(scene);
            scene.cluster.move_slot(slot_of_a, 0);
        },
        command({"EXEC"}));
    check_action([](ClusterScene& scene) { scene.cluster.unassign_slot(slot_of_a); },
                 command({"GET", "{a}1"}));
}

TEST_CASE("what a node tells of its cluster when memory runs out is an exception",
          "[redis][cluster]") {
    const std::string slot = std::to_string(slot_of_a);
    for (const Words& words :
         {Words{"CLUSTER", "NODES"}, Words{"CLUSTER", "SLOTS"}, Words{"CLUSTER", "SHARDS"},
          Words{"CLUSTER", "INFO"}, Words{"CLUSTER", "MYID"}, Words{"CLUSTER", "HELP"},
          Words{"CLUSTER", "KEYSLOT", long_text}, Words{"CLUSTER", "COUNTKEYSINSLOT", slot},
          Words{"CLUSTER", "GETKEYSINSLOT", slot, "10"}, Words{"CLUSTER", "REPLICAS", long_text},
          Words{"CLUSTER", "NOPE"}, Words{"INFO", "replication", "cluster"}, Words{"ROLE"}})
        check_reading(words);
}

}  // namespace runnel::test
