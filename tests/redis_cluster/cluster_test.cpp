// SPDX-License-Identifier: MIT
// The calls that make a cluster, move its slots and let its nodes fail. What clients get then
// stands in transcripts/.

#include <runnel/clock.hpp>
#include <runnel/error.hpp>
#include <runnel/key_slot.hpp>
#include <runnel/redis/cluster.hpp>
#include <runnel/redis/session.hpp>

#include "support/catch.hpp"
#include "support/fake_replies.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;
using runnel::ErrorCode;
using runnel::key_slot;
using runnel::redis::Cluster;
using runnel::redis::ClusterOptions;
using runnel::redis::ClusterTraffic;
using runnel::redis::Pending;
using runnel::redis::Reply;
using runnel::redis::Session;
using runnel::test::bulk;

namespace {

const ClusterOptions with_replicas{.masters = 3, .replicas = 1};
constexpr std::uint16_t slot_of_b = 3300;  // {b}: of node 0 of three

const Reply ok_reply = Reply::simple_string("OK");

// A command of a new client.
Reply tell_node(const Cluster& cluster, std::size_t node,
                std::initializer_list<std::string_view> words) {
    Session session{cluster.node(node)};
    return *session.execute(words);
}
// The same behind ASKING, or READONLY.
Reply tell_node_after(const Cluster& cluster, std::size_t node, std::string_view first,
                      std::initializer_list<std::string_view> words) {
    Session session{cluster.node(node)};
    session.execute({first});
    return *session.execute(words);
}

// What a call says that it refuses.
template <typename Call>
std::string refusal_of(const Call& call) {
    try {
        call();
    } catch (const runnel::Error& error) {
        CHECK(error.code() == ErrorCode::invalid_argument);
        return error.what();
    }
    return "none";
}

}  // namespace

// ---- how it begins

TEST_CASE("a cluster begins with three masters and no replicas", "[cluster]") {
    const Cluster cluster;
    CHECK(cluster.size() == 3);
    for (std::size_t node = 0; node != 3; ++node) CHECK(cluster.master_of(node) == node);
    CHECK(cluster.node_at("127.0.0.1:7002") == 2);
    CHECK(tell_node(cluster, 0, {"SET", "{b}", "v"}) == ok_reply);
    CHECK(tell_node(cluster, 1, {"GET", "{b}"}) == Reply::error("MOVED 3300 127.0.0.1:7000"));
}

TEST_CASE("masters come first, then the replicas of each", "[cluster]") {
    const Cluster cluster{{.masters = 2, .replicas = 3}};
    CHECK(cluster.size() == 8);
    std::vector<std::size_t> masters;
    for (std::size_t node = 0; node != 8; ++node) masters.push_back(cluster.master_of(node));
    CHECK(masters == std::vector<std::size_t>{0, 1, 0, 0, 0, 1, 1, 1});
}

TEST_CASE("masters share the slots as redis-cli shares them", "[cluster]") {
    const auto first_slots = [](std::size_t masters) {
        const Cluster cluster{{.masters = masters}};
        std::vector<std::uint16_t> slots{0};
        for (std::uint16_t slot = 1; slot != runnel::key_slots; ++slot)
            if (cluster.owner(slot) != cluster.owner(static_cast<std::uint16_t>(slot - 1)))
                slots.push_back(slot);
        return slots;
    };
    using Slots = std::vector<std::uint16_t>;
    CHECK(first_slots(1) == Slots{0});
    CHECK(first_slots(2) == Slots{0, 8192});
    CHECK(first_slots(3) == Slots{0, 5461, 10923});
    CHECK(first_slots(5) == Slots{0, 3277, 6554, 9830, 13107});
    CHECK(first_slots(6) == Slots{0, 2731, 5461, 8192, 10923, 13653});
}

TEST_CASE("what no cluster can be is refused", "[cluster]") {
    const auto refused = [](const ClusterOptions& options) {
        return refusal_of([&] { const Cluster cluster{options}; });
    };
    CHECK(refused({.masters = 0}) == "Cluster: it needs at least one master");
    CHECK(refused({.masters = 1'001}) == "Cluster: it can have 1000 nodes");
    CHECK(refused({.masters = 334, .replicas = 2}) == "Cluster: it can have 1000 nodes");
    CHECK(refused({.masters = 1, .replicas = SIZE_MAX}) == "Cluster: it can have 1000 nodes");
    CHECK(refused({.masters = SIZE_MAX / 2, .replicas = 2}) == "Cluster: it can have 1000 nodes");
    CHECK(refused({.masters = 2, .first_port = 65535}) ==
          "Cluster: there is no port for each node from 65535 on");
    CHECK(refused({.masters = 1, .first_port = 65535}) == "none");
    CHECK(refused({.nodes = {.databases = 0}}) != "none");
}

TEST_CASE("its nodes share one clock, which stands still unless it is moved", "[cluster]") {
    Cluster cluster{with_replicas};
    const auto begin = cluster.clock().now();
    for (std::size_t node = 0; node != cluster.size(); ++node)
        CHECK(&cluster.node(node).clock() == &cluster.clock());
    cluster.advance(5s);
    CHECK(cluster.clock().now() - begin == 5s);
    cluster.node(4).advance(1s);
    CHECK(cluster.clock().now() - begin == 6s);
}

TEST_CASE("or one that is given", "[cluster]") {
    runnel::ManualClock clock;
    const Cluster cluster{{.masters = 2, .nodes = {.clock = &clock}}};
    CHECK(&cluster.clock() == &clock);
    CHECK(&cluster.node(1).clock() == &clock);
}

TEST_CASE("each node has faults and a log of its own", "[cluster]") {
    Cluster cluster{{.masters = 2, .nodes = {.keep_commands = 10}}};
    cluster.node(1).faults().on("GET").times(1).fail("ERR made up");
    CHECK(tell_node(cluster, 0, {"GET", "{b}"}) == Reply::null());
    CHECK(tell_node(cluster, 1, {"GET", "{b}"}) == Reply::error("ERR made up"));
    CHECK(tell_node(cluster, 1, {"GET", "{b}"}).is_error());
    CHECK(cluster.node(0).log().size() == 1);
    CHECK(cluster.node(1).log().size() == 2);
}

TEST_CASE("time-outs end on every node", "[cluster]") {
    Cluster cluster;
    Session one{cluster.node(0)};
    Session other{cluster.node(2)};
    const Pending first = one.submit({"BLPOP", "{b}", "1"});
    const Pending second = other.submit({"BLPOP", "{a}", "2"});
    CHECK(cluster.node(0).blocked_sessions() == 1);
    cluster.advance(1s);
    CHECK(first.try_get() == Reply::null_array());
    CHECK_FALSE(second.ready());
    cluster.advance(1s);
    CHECK(second.try_get() == Reply::null_array());
}

// ---- what there is not

TEST_CASE("numbers of nodes and slots have to be such", "[cluster]") {
    Cluster cluster{with_replicas};
    const std::string no_node = "there is no node 6; there are 6";
    const std::string no_slot = "there is no slot 16384; there are 16384";
    CHECK(refusal_of([&] { (void)cluster.node(6); }) == "Cluster::node(): " + no_node);
    CHECK(refusal_of([&] { (void)cluster.master_of(6); }) == "Cluster::master_of(): " + no_node);
    CHECK(refusal_of([&] { cluster.move_slot(0, 6); }) == "Cluster::move_slot(): " + no_node);
    CHECK(refusal_of([&] { cluster.begin_move(0, 6); }) == "Cluster::begin_move(): " + no_node);
    CHECK(refusal_of([&] { cluster.fail(6); }) == "Cluster::fail(): " + no_node);
    CHECK(refusal_of([&] { cluster.restart(6); }) == "Cluster::restart(): " + no_node);
    CHECK(refusal_of([&] { cluster.fail_over(6); }) == "Cluster::fail_over(): " + no_node);
    CHECK(refusal_of([&] { (void)cluster.owner(16384); }) == "Cluster::owner(): " + no_slot);
    CHECK(refusal_of([&] { cluster.move_slot(16384, 0); }) == "Cluster::move_slot(): " + no_slot);
    CHECK(refusal_of([&] { cluster.begin_move(16384, 0); }) == "Cluster::begin_move(): " + no_slot);
    CHECK(refusal_of([&] { cluster.finish_move(16384); }) == "Cluster::finish_move(): " + no_slot);
    CHECK(refusal_of([&] { cluster.unassign_slot(16384); }) ==
          "Cluster::unassign_slot(): " + no_slot);
    CHECK(refusal_of([&] { (void)cluster.node_at("127.0.0.1:7006"); }) ==
          "Cluster::node_at(): no node has the address 127.0.0.1:7006");
}

TEST_CASE("a slot goes only to a master that works", "[cluster]") {
    Cluster cluster{with_replicas};
    cluster.fail(2);
    CHECK(refusal_of([&] { cluster.move_slot(0, 3); }) ==
          "Cluster::move_slot(): node 3 is no working master");
    CHECK(refusal_of([&] { cluster.move_slot(0, 2); }) ==
          "Cluster::move_slot(): node 2 is no working master");
    CHECK(refusal_of([&] { cluster.begin_move(0, 3); }) ==
          "Cluster::begin_move(): node 3 is no working master");
    CHECK(refusal_of([&] { cluster.begin_move(0, 2); }) ==
          "Cluster::begin_move(): node 2 is no working master");
    CHECK(cluster.owner(0) == 0U);
}

TEST_CASE("a move begins once, from a node that serves the slot to another one", "[cluster]") {
    Cluster cluster;
    cluster.unassign_slot(1);
    cluster.begin_move(2, 1);
    const auto refused = [&](std::uint16_t slot, std::size_t to) {
        return refusal_of([&] { cluster.begin_move(slot, to); });
    };
    CHECK(refused(0, 0) == "Cluster::begin_move(): slot 0 is served by that node already");
    CHECK(refused(1, 0) == "Cluster::begin_move(): slot 1 is not served by a node");
    CHECK(refused(2, 2) == "Cluster::begin_move(): slot 2 moves already");
}

TEST_CASE("only a slot that moves has keys to move, and a move to finish", "[cluster]") {
    Cluster cluster;
    CHECK(refusal_of([&] { cluster.move_key("{b}"); }) ==
          "Cluster::move_key(): slot 3300 does not move");
    CHECK(refusal_of([&] { cluster.finish_move(0); }) ==
          "Cluster::finish_move(): slot 0 does not move");
}

TEST_CASE("only a replica that works takes over", "[cluster]") {
    Cluster cluster{with_replicas};
    CHECK(refusal_of([&] { cluster.fail_over(0); }) ==
          "Cluster::fail_over(): node 0 is no working replica");
    cluster.fail(3);
    CHECK(refusal_of([&] { cluster.fail_over(3); }) ==
          "Cluster::fail_over(): node 3 is no working replica");
    CHECK(cluster.master_of(3) == 0);
}

// ---- slots that move

TEST_CASE("a slot moves with its keys, and with no others", "[cluster]") {
    Cluster cluster;
    tell_node(cluster, 0, {"MSET", "{b}1", "v", "{b}2", "w"});
    tell_node(cluster, 0, {"SET", "k2", "v"});
    cluster.move_slot(slot_of_b, 2);
    CHECK(cluster.owner(slot_of_b) == 2U);
    CHECK(tell_node(cluster, 2, {"MGET", "{b}1", "{b}2"}) == Reply::array({bulk("v"), bulk("w")}));
    CHECK(tell_node(cluster, 0, {"KEYS", "*"}) == Reply::array({bulk("k2")}));
    CHECK(tell_node(cluster, 0, {"GET", "{b}1"}) == Reply::error("MOVED 3300 127.0.0.1:7002"));
    CHECK(tell_node(cluster, 1, {"GET", "{b}1"}) == Reply::error("MOVED 3300 127.0.0.1:7002"));
}

TEST_CASE("a slot that moves to its own node stays", "[cluster]") {
    Cluster cluster;
    tell_node(cluster, 0, {"SET", "{b}", "v"});
    cluster.move_slot(slot_of_b, 0);
    CHECK(cluster.owner(slot_of_b) == 0U);
    CHECK(tell_node(cluster, 0, {"GET", "{b}"}) == bulk("v"));
}

TEST_CASE("step by step keys move as they are told to, the rest at the end", "[cluster]") {
    Cluster cluster;
    tell_node(cluster, 0, {"MSET", "{b}1", "v", "{b}2", "v", "{b}3", "v"});
    cluster.begin_move(slot_of_b, 1);
    CHECK(cluster.owner(slot_of_b) == 0U);
    CHECK(tell_node(cluster, 0, {"GET", "{b}1"}) == bulk("v"));
    CHECK(cluster.move_key("{b}1"));
    CHECK_FALSE(cluster.move_key("{b}1"));
    CHECK_FALSE(cluster.move_key("{b}nothing"));
    CHECK(tell_node(cluster, 0, {"GET", "{b}1"}) == Reply::error("ASK 3300 127.0.0.1:7001"));
    CHECK(tell_node_after(cluster, 1, "ASKING", {"GET", "{b}1"}) == bulk("v"));
    CHECK(tell_node(cluster, 0, {"GET", "{b}2"}) == bulk("v"));
    cluster.finish_move(slot_of_b);
    CHECK(cluster.owner(slot_of_b) == 1U);
    CHECK(tell_node(cluster, 1, {"EXISTS", "{b}1", "{b}2", "{b}3"}) == Reply::integer(3));
    CHECK(tell_node(cluster, 0, {"DBSIZE"}) == Reply::integer(0));
    CHECK(refusal_of([&] { cluster.finish_move(slot_of_b); }) != "none");
}

TEST_CASE("several slots move at a time", "[cluster]") {
    Cluster cluster;
    tell_node(cluster, 0, {"SET", "{b}", "v"});
    tell_node(cluster, 0, {"SET", "k2", "v"});
    cluster.begin_move(slot_of_b, 1);
    cluster.begin_move(key_slot("k2"), 2);
    cluster.move_key("{b}");
    cluster.finish_move(key_slot("k2"));
    CHECK(tell_node(cluster, 2, {"GET", "k2"}) == bulk("v"));
    CHECK(tell_node(cluster, 0, {"GET", "{b}"}) == Reply::error("ASK 3300 127.0.0.1:7001"));
    cluster.finish_move(slot_of_b);
    CHECK(tell_node(cluster, 1, {"GET", "{b}"}) == bulk("v"));
}

TEST_CASE("a move that is given up brings back what has gone", "[cluster]") {
    Cluster cluster;
    tell_node(cluster, 0, {"SET", "{b}", "v"});
    cluster.begin_move(slot_of_b, 1);
    cluster.move_key("{b}");
    cluster.move_slot(slot_of_b, 0);
    CHECK(tell_node(cluster, 0, {"GET", "{b}"}) == bulk("v"));
    CHECK(tell_node(cluster, 1, {"DBSIZE"}) == Reply::integer(0));
}

TEST_CASE("a slot that moves may go to a third node, with all its keys", "[cluster]") {
    Cluster cluster;
    tell_node(cluster, 0, {"MSET", "{b}", "v", "{b}2", "v"});
    cluster.begin_move(slot_of_b, 1);
    cluster.move_key("{b}2");
    cluster.move_slot(slot_of_b, 2);
    CHECK(tell_node(cluster, 2, {"MGET", "{b}", "{b}2"}) == Reply::array({bulk("v"), bulk("v")}));
    CHECK(tell_node(cluster, 1, {"GET", "{b}"}) == Reply::error("MOVED 3300 127.0.0.1:7002"));
    CHECK(refusal_of([&] { cluster.finish_move(slot_of_b); }) != "none");
}

TEST_CASE("a key that comes replaces one of the same name", "[cluster]") {
    Cluster cluster;
    cluster.begin_move(slot_of_b, 1);
    tell_node_after(cluster, 1, "ASKING", {"SET", "{b}", "old", "PX", "100"});
    cluster.move_slot(slot_of_b, 0);  // it is given up
    tell_node(cluster, 0, {"SET", "{b}", "new"});
    cluster.move_slot(slot_of_b, 1);
    CHECK(tell_node(cluster, 1, {"GET", "{b}"}) == bulk("new"));
    CHECK(tell_node(cluster, 1, {"PTTL", "{b}"}) == Reply::integer(-1));
    CHECK(tell_node(cluster, 1, {"DBSIZE"}) == Reply::integer(1));
    cluster.advance(1s);
    CHECK(tell_node(cluster, 1, {"GET", "{b}"}) == bulk("new"));
}

TEST_CASE("keys move with their times to live, and expire where they are", "[cluster]") {
    Cluster cluster{with_replicas};
    tell_node(cluster, 0, {"SET", "{b}1", "v", "PX", "100"});
    tell_node(cluster, 0, {"SET", "{b}2", "v", "PX", "200"});
    cluster.advance(40ms);
    cluster.begin_move(slot_of_b, 1);
    cluster.move_key("{b}1");
    CHECK(tell_node_after(cluster, 1, "ASKING", {"PTTL", "{b}1"}) == Reply::integer(60));
    cluster.finish_move(slot_of_b);
    CHECK(tell_node(cluster, 1, {"PTTL", "{b}2"}) == Reply::integer(160));
    cluster.advance(60ms);
    CHECK(tell_node(cluster, 1, {"DBSIZE"}) == Reply::integer(1));
    CHECK(tell_node(cluster, 4, {"DBSIZE"}) == Reply::integer(1));
    cluster.advance(100ms);
    CHECK(tell_node(cluster, 4, {"DBSIZE"}) == Reply::integer(0));
    CHECK(tell_node(cluster, 1, {"GET", "{b}2"}) == Reply::null());
    CHECK(tell_node(cluster, 1, {"INFO", "stats"}).text().find("expired_keys:2\r\n") !=
          std::string::npos);
}

TEST_CASE("a key whose time is over does not move", "[cluster]") {
    Cluster cluster;
    tell_node(cluster, 0, {"SET", "{b}1", "v", "PX", "100"});
    tell_node(cluster, 0, {"SET", "{b}2", "v", "PX", "100"});
    cluster.begin_move(slot_of_b, 1);
    cluster.advance(100ms);
    Session waiter{cluster.node(1)};
    waiter.execute({"ASKING"});
    waiter.execute({"WATCH", "{b}1"});
    CHECK_FALSE(cluster.move_key("{b}1"));
    cluster.finish_move(slot_of_b);
    CHECK(tell_node(cluster, 1, {"DBSIZE"}) == Reply::integer(0));
    waiter.execute({"MULTI"});
    CHECK(waiter.execute({"EXEC"}) == Reply::array({}));
}

TEST_CASE("a stream moves whole: entries, groups, consumers and what is pending", "[cluster]") {
    Cluster cluster;
    tell_node(cluster, 0, {"XADD", "{b}s", "1-1", "f", "v"});
    tell_node(cluster, 0, {"XADD", "{b}s", "2-1", "f", "v"});
    tell_node(cluster, 0, {"XDEL", "{b}s", "2-1"});
    tell_node(cluster, 0, {"XGROUP", "CREATE", "{b}s", "g", "0"});
    tell_node(cluster, 0, {"XREADGROUP", "GROUP", "g", "c", "STREAMS", "{b}s", ">"});
    const Reply before = tell_node(cluster, 0, {"XINFO", "STREAM", "{b}s", "FULL"});
    REQUIRE_FALSE(before.is_error());
    cluster.move_slot(slot_of_b, 1);
    CHECK(tell_node(cluster, 1, {"XINFO", "STREAM", "{b}s", "FULL"}) == before);
    CHECK(tell_node(cluster, 1, {"XADD", "{b}s", "2-1", "f", "v"}).is_error());
    CHECK(tell_node(cluster, 1, {"XACK", "{b}s", "g", "1-1"}) == Reply::integer(1));
}

TEST_CASE("a key that comes is changed for those who watch it at the target", "[cluster]") {
    Cluster cluster;
    tell_node(cluster, 0, {"SET", "{b}", "v"});
    cluster.begin_move(slot_of_b, 1);
    Session watcher{cluster.node(1)};
    watcher.execute({"ASKING"});
    watcher.execute({"WATCH", "{b}"});
    watcher.execute({"MULTI"});
    watcher.execute({"PING"});
    SECTION("as it comes alone") {
        cluster.move_key("{b}");
    }
    SECTION("as it comes with its slot") {
        cluster.finish_move(slot_of_b);
    }
    CHECK(watcher.execute({"EXEC"}) == Reply::null_array());
}

TEST_CASE("pushes about a slot that goes come to handlers, which may use the cluster",
          "[cluster]") {
    Cluster cluster;
    Session subscriber{cluster.node(0)};
    Session other{cluster.node(0)};
    subscriber.execute({"SSUBSCRIBE", "{b}"});
    (void)subscriber.next_push();
    std::vector<Reply> pushes;
    std::optional<Reply> answer;
    subscriber.on_push([&](const Reply& push) {
        pushes.push_back(push);
        answer = other.execute({"GET", "{b}"});
    });
    cluster.move_slot(slot_of_b, 1);
    CHECK(pushes ==
          std::vector<Reply>{Reply::array({bulk("sunsubscribe"), bulk("{b}"), Reply::integer(0)})});
    CHECK(answer == Reply::error("MOVED 3300 127.0.0.1:7001"));
}

// ---- slots that nobody serves

TEST_CASE("a slot that nobody serves keeps its keys where they are", "[cluster]") {
    Cluster cluster;
    tell_node(cluster, 0, {"SET", "{b}", "v"});
    cluster.unassign_slot(slot_of_b);
    CHECK_FALSE(cluster.owner(slot_of_b));
    CHECK(tell_node(cluster, 0, {"GET", "{b}"}) ==
          Reply::error("CLUSTERDOWN Hash slot not served"));
    CHECK(tell_node(cluster, 2, {"GET", "{a}"}) == Reply::error("CLUSTERDOWN The cluster is down"));
    cluster.unassign_slot(slot_of_b);
    SECTION("which may serve it again") {
        cluster.move_slot(slot_of_b, 0);
        CHECK(tell_node(cluster, 0, {"GET", "{b}"}) == bulk("v"));
    }
    SECTION("or another one, without them") {
        cluster.move_slot(slot_of_b, 1);
        CHECK(tell_node(cluster, 1, {"GET", "{b}"}) == Reply::null());
        cluster.move_slot(slot_of_b, 0);
        CHECK(tell_node(cluster, 0, {"GET", "{b}"}) == bulk("v"));
    }
    CHECK(tell_node(cluster, 2, {"GET", "{a}"}) == Reply::null());
}

TEST_CASE("a move ends when nobody serves its slot any more", "[cluster]") {
    Cluster cluster;
    cluster.begin_move(slot_of_b, 1);
    cluster.unassign_slot(slot_of_b);
    CHECK(refusal_of([&] { cluster.finish_move(slot_of_b); }) ==
          "Cluster::finish_move(): slot 3300 does not move");
    cluster.move_slot(slot_of_b, 0);
    cluster.begin_move(slot_of_b, 1);
}

// ---- nodes that fail

TEST_CASE("nobody is connected to a node that has failed, nor can be", "[cluster]") {
    Cluster cluster{with_replicas};
    Session client{cluster.node(1)};
    Session waiter{cluster.node(1)};
    const Pending waits = waiter.submit({"BLPOP", "{c}", "0"});
    cluster.fail(1);
    CHECK(client.is_closed());
    CHECK(client.execute({"PING"}) == std::nullopt);
    CHECK(waits.ready());
    CHECK(waits.try_get() == std::nullopt);
    Session late{cluster.node(1)};
    CHECK(late.is_closed());
    CHECK(late.execute({"PING"}) == std::nullopt);
    CHECK(cluster.node(1).blocked_sessions() == 0);
    cluster.restart(1);
    CHECK(late.is_closed());
    CHECK(client.execute({"PING"}) == std::nullopt);
    CHECK(tell_node(cluster, 1, {"PING"}) == Reply::simple_string("PONG"));
}

TEST_CASE("a node may fail and come back several times", "[cluster]") {
    Cluster cluster{with_replicas};
    tell_node(cluster, 1, {"SET", "{c}", "v"});
    cluster.restart(1);
    cluster.fail(1);
    cluster.fail(1);
    CHECK(tell_node(cluster, 0, {"GET", "{b}"}) == Reply::error("CLUSTERDOWN The cluster is down"));
    cluster.restart(1);
    cluster.restart(1);
    CHECK(tell_node(cluster, 1, {"GET", "{c}"}) == bulk("v"));
    CHECK(tell_node(cluster, 0, {"GET", "{b}"}) == Reply::null());
}

TEST_CASE("keys expire on a node that has failed", "[cluster]") {
    Cluster cluster{with_replicas};
    tell_node(cluster, 1, {"SET", "{c}", "v", "PX", "100"});
    cluster.fail(1);
    cluster.advance(100ms);
    cluster.restart(1);
    CHECK(tell_node(cluster, 1, {"GET", "{c}"}) == Reply::null());
}

TEST_CASE("nothing moves to a node that has failed meanwhile", "[cluster]") {
    Cluster cluster{with_replicas};
    tell_node(cluster, 0, {"SET", "{b}", "v"});
    cluster.begin_move(slot_of_b, 1);
    cluster.fail(1);
    CHECK(refusal_of([&] { cluster.move_key("{b}"); }) ==
          "Cluster::move_key(): node 1 is no working master");
    CHECK(refusal_of([&] { cluster.finish_move(slot_of_b); }) ==
          "Cluster::finish_move(): node 1 is no working master");
    CHECK(cluster.owner(slot_of_b) == 0U);
    cluster.fail_over(4);
    CHECK(cluster.move_key("{b}"));
    cluster.finish_move(slot_of_b);
    CHECK(cluster.owner(slot_of_b) == 4U);
    CHECK(tell_node(cluster, 4, {"GET", "{b}"}) == bulk("v"));
}

TEST_CASE("a replica has what its master has, also when it takes over", "[cluster]") {
    Cluster cluster{with_replicas};
    tell_node(cluster, 0, {"SET", "{b}", "v", "PX", "100"});
    CHECK(tell_node_after(cluster, 3, "READONLY", {"GET", "{b}"}) == bulk("v"));
    cluster.fail_over(3);
    CHECK(cluster.master_of(0) == 3);
    CHECK(cluster.master_of(3) == 3);
    CHECK(cluster.owner(slot_of_b) == 3U);
    CHECK(tell_node(cluster, 3, {"SET", "{b}2", "w"}) == ok_reply);
    CHECK(tell_node_after(cluster, 0, "READONLY", {"GET", "{b}2"}) == bulk("w"));
    cluster.advance(100ms);
    CHECK(tell_node(cluster, 3, {"GET", "{b}"}) == Reply::null());
}

TEST_CASE("slots move from and to masters that were replicas", "[cluster]") {
    Cluster cluster{with_replicas};
    tell_node(cluster, 0, {"SET", "{b}", "v", "PX", "100"});
    cluster.fail_over(3);
    cluster.fail_over(4);
    cluster.move_slot(slot_of_b, 4);
    CHECK(tell_node(cluster, 4, {"GET", "{b}"}) == bulk("v"));
    CHECK(tell_node(cluster, 3, {"DBSIZE"}) == Reply::integer(0));
    CHECK(tell_node_after(cluster, 1, "READONLY", {"GET", "{b}"}) == bulk("v"));
    cluster.advance(100ms);
    CHECK(tell_node(cluster, 1, {"DBSIZE"}) == Reply::integer(0));
}

TEST_CASE("a node that comes back is a replica of its successor, with what that has", "[cluster]") {
    Cluster cluster{with_replicas};
    tell_node(cluster, 0, {"SET", "{b}1", "v"});
    cluster.fail(0);
    cluster.fail_over(3);
    tell_node(cluster, 3, {"SET", "{b}2", "v"});
    tell_node(cluster, 3, {"DEL", "{b}1"});
    CHECK(cluster.master_of(0) == 0);
    cluster.restart(0);
    CHECK(cluster.master_of(0) == 3);
    CHECK(tell_node(cluster, 0, {"KEYS", "*"}) == Reply::array({bulk("{b}2")}));
    CHECK(tell_node(cluster, 0, {"GET", "{b}2"}) == Reply::error("MOVED 3300 127.0.0.1:7003"));
    cluster.fail_over(0);
    CHECK(cluster.owner(slot_of_b) == 0U);
}

TEST_CASE("a reader that waits at a replica", "[cluster]") {
    Cluster cluster{{.masters = 1, .replicas = 2}};
    tell_node(cluster, 0, {"XADD", "s", "1-1", "f", "v"});
    Session reader{cluster.node(1)};
    reader.execute({"READONLY"});
    const Pending read = reader.submit({"XREAD", "BLOCK", "0", "STREAMS", "s", "$"});
    SECTION("it wakes for an entry that comes to the master") {
        tell_node(cluster, 0, {"XADD", "s", "2-1", "f", "v"});
        REQUIRE(read.ready());
        CHECK(read.try_get()->kind() == Reply::Kind::array);
        CHECK_FALSE(reader.is_closed());
    }
    SECTION("its time ends") {
        Session other{cluster.node(1)};
        other.execute({"READONLY"});
        const Pending limited = other.submit({"XREAD", "BLOCK", "100", "STREAMS", "s", "$"});
        cluster.advance(100ms);
        CHECK(limited.try_get() == Reply::null_array());
        CHECK_FALSE(read.ready());
    }
    SECTION("another replica takes over") {
        cluster.fail_over(2);
        REQUIRE(read.ready());
        CHECK(read.try_get()->is_error());
        CHECK(reader.is_closed());
    }
    SECTION("it takes over itself, and waits on") {
        cluster.fail_over(1);
        CHECK_FALSE(read.ready());
        tell_node(cluster, 1, {"XADD", "s", "2-1", "f", "v"});
        CHECK(read.ready());
    }
}

// ---- what messages cost

TEST_CASE("traffic is what nodes send to each other", "[cluster]") {
    Cluster cluster{{.masters = 3, .replicas = 2}};
    CHECK(cluster.traffic() == ClusterTraffic{});
    tell_node(cluster, 0, {"PUBLISH", "ch", "m"});
    CHECK(cluster.traffic() == ClusterTraffic{.publish = 8});
    tell_node(cluster, 5, {"PUBLISH", "ch", "m"});
    CHECK(cluster.traffic() == ClusterTraffic{.publish = 16});
    tell_node(cluster, 0, {"SPUBLISH", "{b}", "m"});
    tell_node(cluster, 3, {"SPUBLISH", "{b}", "m"});
    tell_node(cluster, 1, {"SPUBLISH", "{b}", "m"});  // MOVED
    CHECK(cluster.traffic() == ClusterTraffic{.publish = 16, .publish_shard = 4});
    cluster.fail(8);
    tell_node(cluster, 0, {"PUBLISH", "ch", "m"});
    tell_node(cluster, 2, {"SPUBLISH", "{a}", "m"});
    CHECK(cluster.traffic() == ClusterTraffic{.publish = 23, .publish_shard = 5});
}

// ---- how it ends

TEST_CASE("sessions that outlive the cluster are closed", "[cluster]") {
    auto cluster = std::make_unique<Cluster>(with_replicas);
    Session client{cluster->node(0)};
    Session waiter{cluster->node(1)};
    Session reader{cluster->node(3)};
    Session subscriber{cluster->node(4)};
    const Pending waits = waiter.submit({"BLPOP", "{c}", "0"});
    reader.execute({"READONLY"});
    const Pending reads = reader.submit({"XREAD", "BLOCK", "0", "STREAMS", "{b}", "$"});
    subscriber.execute({"SSUBSCRIBE", "{c}"});
    client.execute({"WATCH", "{b}"});
    cluster.reset();
    for (const Session* const session : {&client, &waiter, &reader, &subscriber})
        CHECK(session->is_closed());
    CHECK(waits.ready());
    CHECK(waits.try_get() == std::nullopt);
    CHECK(reads.try_get() == std::nullopt);
    CHECK(client.execute({"GET", "{b}"}) == std::nullopt);
    CHECK(subscriber.next_push());
    CHECK_FALSE(subscriber.next_push());
    CHECK(client.protocol() == 2);
}

TEST_CASE("results that outlive cluster and sessions are there", "[cluster]") {
    auto cluster = std::make_unique<Cluster>(with_replicas);
    std::optional<Session> client{cluster->node(3)};
    const Pending done = client->submit({"GET", "{b}"});
    const Pending never = client->submit({"BLPOP", "{b}", "0"});
    client.reset();
    cluster.reset();
    CHECK(done.try_get() == Reply::error("MOVED 3300 127.0.0.1:7000"));
    CHECK(never.try_get() == Reply::error("MOVED 3300 127.0.0.1:7000"));
}
