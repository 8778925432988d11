// SPDX-License-Identifier: MIT
#include <runnel/clock.hpp>
#include <runnel/error.hpp>
#include <runnel/key_slot.hpp>
#include <runnel/outcome.hpp>
#include <runnel/redis/cluster.hpp>
#include <runnel/redis/cluster_session.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/user_clocks.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
namespace redis = runnel::redis;

namespace {

using redis::Reply;

// Node 1 serves "apple", node 2 "foo".
struct ThreeNodes {
    redis::Cluster cluster{{.masters = 3, .replicas = 1}};
    redis::ClusterSession client{cluster};

    [[nodiscard]] std::size_t owner_of(const std::string& key) const {
        return cluster.owner(runnel::key_slot(key)).value();
    }
};

}  // namespace

TEST_CASE_METHOD(ThreeNodes, "a client of a cluster sends each command to the node of its key",
                 "[redis][cluster]") {
    for (const std::string key : {"apple", "hello", "foo", "bar", "a"}) {
        CHECK(client.execute({"SET", key, key}) == Reply::simple_string("OK"));
        redis::Session at_owner{cluster.node(owner_of(key))};
        CHECK(at_owner.execute({"GET", key}) == Reply::bulk_string(key));
    }
    CHECK(client.redirections() == 0);
}

TEST_CASE_METHOD(ThreeNodes, "a client of a cluster sends a command without keys to the first node",
                 "[redis][cluster]") {
    CHECK(client.execute({"PING"}) == Reply::simple_string("PONG"));
    CHECK(client.execute({"NOPE"}).value().is_error());
    CHECK(client.execute({"GET"}).value().text() ==
          "ERR wrong number of arguments for 'get' command");
}

TEST_CASE_METHOD(ThreeNodes, "MOVED is followed once, and then the new node is known",
                 "[redis][cluster]") {
    client.execute({"SET", "foo", "bar"});
    cluster.move_slot(runnel::key_slot("foo"), 0);
    CHECK(client.execute({"GET", "foo"}) == Reply::bulk_string("bar"));
    CHECK(client.redirections() == 1);
    CHECK(client.execute({"GET", "foo"}) == Reply::bulk_string("bar"));
    CHECK(client.redirections() == 1);
}

TEST_CASE_METHOD(ThreeNodes, "ASK is followed, and followed again by the next command",
                 "[redis][cluster]") {
    client.execute({"SET", "foo", "bar"});
    const std::uint16_t slot = runnel::key_slot("foo");
    cluster.begin_move(slot, 0);
    CHECK(client.execute({"GET", "foo"}) == Reply::bulk_string("bar"));
    CHECK(client.redirections() == 0);
    CHECK(cluster.move_key("foo"));
    CHECK(client.execute({"GET", "foo"}) == Reply::bulk_string("bar"));
    CHECK(client.execute({"APPEND", "foo", "!"}) == Reply::integer(4));
    CHECK(client.redirections() == 2);
    cluster.finish_move(slot);
    CHECK(client.execute({"GET", "foo"}) == Reply::bulk_string("bar!"));
    CHECK(client.redirections() == 3);
}

TEST_CASE("a client of a cluster authenticates at each node", "[redis][cluster]") {
    redis::Cluster cluster{{.masters = 3, .nodes = {.password = "secret"}}};
    redis::ClusterSession client{cluster, {.password = "secret"}};
    for (const std::string key : {"apple", "foo", "bar"})
        CHECK(client.execute({"SET", key, key}) == Reply::simple_string("OK"));
    redis::Session other{cluster.node(2)};
    CHECK(other.execute({"GET", "apple"}) == Reply::error("NOAUTH Authentication required."));
    redis::ClusterSession silent{cluster};
    CHECK(silent.execute({"GET", "foo"}) == Reply::error("NOAUTH Authentication required."));
    for (const std::string name : {"AUTH", "HELLO", "RESET"})
        CHECK_THROWS_WITH(client.execute({name, "secret"}),
                          Catch::Matchers::Contains(name + " is about one connection"));
}

TEST_CASE_METHOD(ThreeNodes, "errors that are no redirections are the client's to treat",
                 "[redis][cluster]") {
    client.execute({"SET", "{foo}1", "a"});
    cluster.begin_move(runnel::key_slot("foo"), 0);
    CHECK(client.execute({"MGET", "{foo}1", "{foo}2"}).value().code() == "TRYAGAIN");
    CHECK(client.execute({"MGET", "{foo}1", "bar"}).value().code() == "CROSSSLOT");
    cluster.unassign_slot(runnel::key_slot("foo"));
    CHECK(client.execute({"GET", "foo"}).value().text() == "CLUSTERDOWN Hash slot not served");
    CHECK(client.execute({"GET", "bar"}).value().text() == "CLUSTERDOWN The cluster is down");
}

TEST_CASE_METHOD(ThreeNodes, "a client of a cluster connects to the replica that has taken over",
                 "[redis][cluster]") {
    client.execute({"SET", "foo", "bar"});
    const std::size_t failed = owner_of("foo");
    cluster.fail(failed);
    CHECK(client.execute({"GET", "foo"}).value().code() == "CLUSTERDOWN");
    const std::size_t replica = 3 + failed;
    cluster.fail_over(replica);
    CHECK(client.execute({"GET", "foo"}) == Reply::bulk_string("bar"));
    CHECK(owner_of("foo") == replica);
    cluster.restart(failed);
    CHECK(cluster.master_of(failed) == replica);
    CHECK(client.execute({"GET", "foo"}) == Reply::bulk_string("bar"));
}

TEST_CASE_METHOD(ThreeNodes, "a client of a cluster without a node has no reply",
                 "[redis][cluster]") {
    client.execute({"PING"});
    for (std::size_t node = 0; node != cluster.size(); ++node) cluster.fail(node);
    CHECK(client.execute({"PING"}) == std::nullopt);
    CHECK(client.execute({"GET", "foo"}) == std::nullopt);
    CHECK_THROWS_AS(client.session_of("foo"), runnel::Error);
    for (std::size_t node = 0; node != cluster.size(); ++node) cluster.restart(node);
    CHECK(client.execute({"PING"}) == Reply::simple_string("PONG"));
}

TEST_CASE_METHOD(ThreeNodes, "a transaction goes through the session of its node",
                 "[redis][cluster]") {
    for (const std::string word : {"MULTI", "exec", "Watch", "DISCARD", "UNWATCH"})
        CHECK_THROWS_AS(client.execute({word, "foo"}), runnel::Error);
    CHECK_THROWS_AS(client.execute(std::vector<std::string>{}), runnel::Error);
    redis::Session& session = client.session_of("foo");
    session.execute({"MULTI"});
    session.execute({"SET", "foo", "1"});
    session.execute({"INCR", "foo"});
    CHECK(session.execute({"EXEC"}).value()[1] == Reply::integer(2));
}

TEST_CASE_METHOD(ThreeNodes, "the client's own questions do not come between MULTI and EXEC",
                 "[redis][cluster]") {
    client.session_of("bar").execute({"MULTI"});  // at node 0, which it asks for the slots
    client.session_of("bar").execute({"SET", "bar", "1"});
    cluster.move_slot(runnel::key_slot("foo"), 0);
    CHECK(client.execute({"SET", "a", "1"}) == Reply::simple_string("OK"));
    cluster.move_slot(runnel::key_slot("a"), 1);
    CHECK(client.execute({"GET", "a"}) == Reply::bulk_string("1"));
    CHECK(client.session_of("bar").execute({"EXEC"}).value().elements().size() == 1);
}

TEST_CASE_METHOD(ThreeNodes, "a command that is about one connection is refused",
                 "[redis][cluster]") {
    for (const std::string word : {"ASKING", "readonly", "ReadWrite"})
        CHECK_THROWS_AS(client.execute({word}), runnel::Error);
}

TEST_CASE_METHOD(ThreeNodes, "without keys, a command goes to a master, also after a failover",
                 "[redis][cluster]") {
    client.execute({"SET", "bar", "1"});  // at node 0
    cluster.fail_over(3);
    client.execute({"SET", "bar", "2"});  // so it hears of that
    CHECK(client.execute({"ROLE"}).value()[0] == Reply::bulk_string("master"));
    CHECK(client.execute({"FLUSHALL"}) == Reply::simple_string("OK"));
}

TEST_CASE_METHOD(ThreeNodes, "a redirection to an address that no node has is the reply",
                 "[redis][cluster]") {
    const auto moved = Reply::error("MOVED 1 10.0.0.1:6379");
    (void)cluster.node(owner_of("foo")).faults().on("GET").answer(moved);
    CHECK(client.execute({"GET", "foo"}) == moved);
    CHECK(client.redirections() == 0);
}

TEST_CASE_METHOD(ThreeNodes, "a client that is sent round in circles gives up",
                 "[redis][cluster]") {
    const auto there = Reply::error("MOVED 12182 127.0.0.1:7000");
    const auto back = Reply::error("MOVED 12182 127.0.0.1:7001");
    for (const std::size_t node : {1U, 2U})
        (void)cluster.node(node).faults().on("GET").answer(there);
    (void)cluster.node(0).faults().on("GET").answer(back);
    CHECK(client.execute({"GET", "foo"}).value().code() == "MOVED");
    CHECK(client.redirections() == 16);
}

TEST_CASE_METHOD(ThreeNodes, "what has come before a node failed is still heard",
                 "[redis][cluster]") {
    client.execute({"SSUBSCRIBE", "foo"});
    client.execute({"SPUBLISH", "foo", "1"});
    const std::size_t node = owner_of("foo");
    cluster.fail(node);
    cluster.restart(node);
    CHECK(client.execute({"GET", "foo"}).value().is_null());
    CHECK(client.next_push().value()[0] == Reply::bulk_string("ssubscribe"));
    CHECK(client.next_push().value()[2] == Reply::bulk_string("1"));
    CHECK(client.next_push() == std::nullopt);
}

TEST_CASE_METHOD(ThreeNodes, "pushes of all nodes come through one client", "[redis][cluster]") {
    client.execute({"SSUBSCRIBE", "apple"});
    client.execute({"SSUBSCRIBE", "foo"});
    client.execute({"SUBSCRIBE", "news"});
    int confirmed = 0;
    while (client.next_push()) ++confirmed;
    CHECK(confirmed == 3);
    client.execute({"SPUBLISH", "apple", "1"});
    client.execute({"SPUBLISH", "foo", "2"});
    client.execute({"PUBLISH", "news", "3"});
    std::vector<std::string> heard;
    while (const auto push = client.next_push()) heard.push_back((*push)[2].text());
    CHECK(heard == std::vector<std::string>{"3", "1", "2"});  // node by node
}

namespace {

// A client that waits for pushes of all nodes in a thread of its own.
struct Listening {
    runnel::ManualClock clock;
    redis::Cluster cluster{{.masters = 3, .nodes = {.clock = &clock}}};
    redis::ClusterSession client{cluster};
    redis::ClusterSession other{cluster};
    std::optional<Reply> heard{};

    Listening() {
        for (const std::string channel : {"apple", "hello", "foo"})
            client.execute({"SSUBSCRIBE", channel});
        while (client.next_push()) continue;
    }

    auto listen(runnel::Timeout timeout) {
        auto thread = clock.thread([this, timeout](const std::stop_token& stop) {
            heard = client.next_push(timeout, stop);
        });
        clock.settle();
        return thread;
    }
};

}  // namespace

TEST_CASE_METHOD(Listening, "a client of a cluster waits for a push of any node",
                 "[redis][cluster]") {
    const std::string channel = GENERATE("apple", "hello", "foo");
    {
        const auto thread = listen(1h);
        CHECK(clock.waiting() == 1);
        other.execute({"SPUBLISH", channel, "1"});
    }
    CHECK(heard.value().strings() == std::vector<std::string>{"smessage", channel, "1"});
}

TEST_CASE_METHOD(Listening, "a push that is there is not waited for", "[redis][cluster]") {
    other.execute({"SPUBLISH", "foo", "1"});
    other.execute({"SPUBLISH", "apple", "2"});
    CHECK(client.next_push(1h).value()[2] == Reply::bulk_string("2"));
    CHECK(client.next_push(1h).value()[2] == Reply::bulk_string("1"));
    CHECK(client.next_push(0s) == std::nullopt);
}

TEST_CASE_METHOD(Listening, "a wait for a push ends by its time-out, and by a stop",
                 "[redis][cluster]") {
    {
        const auto thread = listen(1h);
        clock.advance(1h - 1ms);
        CHECK(clock.waiting() == 1);
        clock.advance(1ms);
        CHECK(clock.waiting() == 0);
    }
    { auto thread = listen({}); }  // its end requests a stop
    CHECK(heard == std::nullopt);
    other.execute({"SPUBLISH", "foo", "1"});
    CHECK(client.next_push().value()[2] == Reply::bulk_string("1"));
}

TEST_CASE_METHOD(Listening, "a wait for a push ends when no node is left, and not before",
                 "[redis][cluster]") {
    const auto thread = listen({});
    cluster.fail(0);
    cluster.fail(2);
    clock.settle();
    CHECK(clock.waiting() == 1);
    cluster.fail(1);
    clock.settle();
    CHECK(clock.waiting() == 0);
    CHECK(heard == std::nullopt);
}

TEST_CASE("a handler that runs while the client waits may use it", "[redis][cluster]") {
    // On a clock that nobody runs, whoever waits carries out what is due.
    runnel::test::HandClock clock;
    redis::Cluster cluster{{.masters = 3, .nodes = {.clock = &clock}}};
    const std::size_t node_of_foo = cluster.owner(runnel::key_slot("foo")).value();
    const std::size_t node_of_apple = cluster.owner(runnel::key_slot("apple")).value();
    REQUIRE(node_of_foo != node_of_apple);
    redis::ClusterSession client{cluster};
    client.execute({"SSUBSCRIBE", "foo"});
    client.execute({"SSUBSCRIBE", "apple"});
    while (client.next_push()) continue;
    redis::Session handled{cluster.node(node_of_foo)};
    handled.execute({"HELLO", "3"});
    handled.execute({"SSUBSCRIBE", "foo"});
    std::optional<Reply> got;
    handled.on_push([&](const Reply& push) {  // connects anew to the node of "apple"
        if (push[0].text() == "smessage") got = client.execute({"GET", "apple"});
    });
    redis::Session sender{cluster.node(node_of_foo)};
    const auto delay = cluster.node(node_of_foo).faults().on("SPUBLISH").nth(1).delay(1s);
    (void)sender.submit({"SPUBLISH", "foo", "1"});
    cluster.fail(node_of_apple);
    cluster.restart(node_of_apple);
    const std::jthread mover{[&clock, looks = clock.looks.load()] {
        runnel::test::eventually([&] { return clock.looks > looks + 10; });
        clock.move(1s);
    }};
    CHECK(client.next_push(runnel::Timeout{}).value()[2] == Reply::bulk_string("1"));
    CHECK(got.value().is_null());
}

TEST_CASE("a client of a cluster without a connection waits for no push", "[redis][cluster]") {
    redis::Cluster cluster{{.masters = 2}};
    redis::ClusterSession client{cluster};
    CHECK(client.next_push({}) == std::nullopt);
}

TEST_CASE("a pop that waits is sent to the node that its list has gone to", "[redis][cluster]") {
    runnel::ManualClock clock;
    redis::Cluster cluster{{.masters = 2, .nodes = {.clock = &clock}}};
    redis::ClusterSession service{cluster};
    std::optional<Reply> popped;
    {
        const auto thread = clock.thread([&] {
            popped = service.execute({"BLPOP", "foo", "3600"});
        });
        clock.settle();
        const std::size_t owner = cluster.owner(runnel::key_slot("foo")).value();
        CHECK(cluster.node(owner).blocked_sessions() == 1);
        cluster.move_slot(runnel::key_slot("foo"), 1 - owner);
        clock.settle();
        CHECK(cluster.node(1 - owner).blocked_sessions() == 1);
        redis::ClusterSession other{cluster};
        other.execute({"RPUSH", "foo", "job"});
    }
    CHECK(popped.value().strings() == std::vector<std::string>{"foo", "job"});
    CHECK(service.redirections() == 1);
}
