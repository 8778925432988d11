// SPDX-License-Identifier: MIT
//
// What happens in a cluster while something else does: notices of a move that are handed out, a
// command that waits, nodes that fail one after the other.
#include <runnel/error.hpp>
#include <runnel/redis.hpp>
#include <runnel/redis/cluster.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace runnel::test {
namespace {

using namespace std::chrono_literals;
using redis::Cluster;
using redis::Reply;
using redis::Session;

constexpr std::uint16_t window_slot = 15495;  // of "{a}…"; of node 2 at first

Reply unsubscribed(const std::string& channel, std::int64_t left) {
    return Reply::array(
        {Reply::bulk_string("sunsubscribe"), Reply::bulk_string(channel), Reply::integer(left)});
}
Reply moved_to(std::size_t node) {
    return Reply::error("MOVED 15495 127.0.0.1:" + std::to_string(7000 + node));
}

std::vector<Reply> window_pushes(Session& session) {
    std::vector<Reply> all;
    while (auto push = session.next_push()) all.push_back(std::move(*push));
    return all;
}

// ---- a node after the other

TEST_CASE("subscribers of several channels of a slot that leaves are told of each",
          "[redis][cluster]") {
    Cluster cluster;
    Session one{cluster.node(2)};
    Session other{cluster.node(2)};
    one.execute({"SSUBSCRIBE", "{a}1"});
    other.execute({"SSUBSCRIBE", "{a}2"});
    (void)window_pushes(one);
    (void)window_pushes(other);
    cluster.move_slot(window_slot, 0);
    CHECK(window_pushes(one) == std::vector{unsubscribed("{a}1", 0)});
    CHECK(window_pushes(other) == std::vector{unsubscribed("{a}2", 0)});
}

TEST_CASE("a node that comes back follows the last of those that have taken over",
          "[redis][cluster]") {
    Cluster cluster{{.masters = 1, .replicas = 2}};
    cluster.fail(0);
    cluster.fail_over(1);
    cluster.fail(1);
    cluster.fail_over(2);
    cluster.restart(0);
    CHECK(cluster.master_of(0) == 2);
    cluster.restart(1);
    CHECK(cluster.master_of(1) == 2);
    CHECK(cluster.master_of(0) == 2);
    Session session{cluster.node(0)};
    CHECK(session.execute({"SSUBSCRIBE", "{a}1"}) == std::nullopt);
    CHECK(Session{cluster.node(2)}.execute({"SPUBLISH", "{a}1", "x"}) == Reply::integer(0));
    CHECK(window_pushes(session).size() == 2);
}

TEST_CASE("a slot that moves does not go to a node that has failed", "[redis][cluster]") {
    Cluster cluster;
    cluster.begin_move(window_slot, 0);
    cluster.fail(0);
    CHECK_THROWS_AS(cluster.finish_move(window_slot), Error);
    CHECK(cluster.owner(window_slot) == 2);
    cluster.restart(0);
    cluster.finish_move(window_slot);
    CHECK(cluster.owner(window_slot) == 0);
}

TEST_CASE("a client that waits on the node that fails gets no reply", "[redis][cluster]") {
    Cluster cluster;
    Session here{cluster.node(2)};
    Session elsewhere{cluster.node(0)};
    const auto lost = here.submit({"BLPOP", "{a}jobs", "0"});
    const auto behind = here.submit({"PING"});
    const auto down = elsewhere.submit({"BLPOP", "{b}jobs", "0"});
    cluster.fail(2);
    CHECK(here.is_closed());
    CHECK(lost.ready());
    CHECK(lost.try_get() == std::nullopt);
    CHECK(behind.try_get() == std::nullopt);
    CHECK(here.outputs().empty());
    CHECK(down.try_get() == Reply::error("CLUSTERDOWN The cluster is down"));
    CHECK_FALSE(elsewhere.is_closed());
}

// ---- inside a handler

TEST_CASE("a handler that moves the slot on is told of one channel after the other",
          "[redis][cluster]") {
    Cluster cluster;
    Session here{cluster.node(2)};
    Session there{cluster.node(0)};
    std::vector<Reply> heard;
    here.execute({"SSUBSCRIBE", "{a}1", "{a}2"});
    (void)window_pushes(here);
    here.on_push([&](Reply push) {
        heard.push_back(std::move(push));
        if (heard.size() != 1) return;
        there.execute({"SSUBSCRIBE", "{a}1"});
        cluster.move_slot(window_slot, 1);
    });
    cluster.move_slot(window_slot, 0);
    CHECK(heard == std::vector{unsubscribed("{a}1", 1), unsubscribed("{a}2", 0)});
    CHECK(cluster.owner(window_slot) == 1);
    CHECK(window_pushes(there).back() == unsubscribed("{a}1", 0));
    here.on_push({});
}

TEST_CASE("a handler that subscribes again where its slot has gone hears of the next move",
          "[redis][cluster]") {
    Cluster cluster;
    std::vector<std::unique_ptr<Session>> sessions;
    for (std::size_t node = 0; node != 3; ++node)
        sessions.push_back(std::make_unique<Session>(cluster.node(node)));
    std::vector<std::size_t> told;
    for (std::size_t node = 0; node != 3; ++node)
        sessions[node]->on_push([&, node](const Reply& push) {
            if (push[0].text() != "sunsubscribe") return;
            told.push_back(node);
            if (told.size() > 6) return;
            sessions[*cluster.owner(window_slot)]->execute({"SSUBSCRIBE", "{a}1"});
            cluster.move_slot(window_slot, (*cluster.owner(window_slot) + 1) % 3);
        });
    sessions[2]->execute({"SSUBSCRIBE", "{a}1"});
    cluster.move_slot(window_slot, 0);
    CHECK(told == std::vector<std::size_t>{2, 0, 1, 2, 0, 1, 2});
    sessions.clear();
}

TEST_CASE("a handler lets its node fail, while the others are still to be told",
          "[redis][cluster]") {
    Cluster cluster;
    Session one{cluster.node(2)};
    Session other{cluster.node(2)};
    for (Session* const session : {&one, &other}) session->execute({"SSUBSCRIBE", "{a}1", "{a}2"});
    std::vector<Reply> heard;
    (void)window_pushes(one);
    (void)window_pushes(other);
    one.on_push([&](Reply push) {
        heard.push_back(std::move(push));
        if (heard.size() == 1) cluster.fail(2);
    });
    cluster.move_slot(window_slot, 0);
    // What was sent before has come.
    CHECK(heard == std::vector{unsubscribed("{a}1", 1), unsubscribed("{a}2", 0)});
    CHECK(window_pushes(other) == heard);
    CHECK(one.is_closed());
    CHECK(other.is_closed());
    one.on_push({});
}

TEST_CASE("a session that its own handler destroys is told nothing more", "[redis][cluster]") {
    Cluster cluster;
    auto one = std::make_unique<Session>(cluster.node(2));
    Session other{cluster.node(2)};
    for (Session* const session : {one.get(), &other})
        session->execute({"SSUBSCRIBE", "{a}1", "{a}2"});
    (void)window_pushes(*one);
    (void)window_pushes(other);
    std::size_t told = 0;
    one->on_push([&](const Reply&) {
        ++told;
        one.reset();
    });
    cluster.move_slot(window_slot, 0);
    CHECK(told == 1);
    CHECK(one == nullptr);
    CHECK(window_pushes(other).size() == 2);
    CHECK(cluster.node(2).blocked_sessions() == 0);
}

TEST_CASE("a client that a notice is too much for is disconnected, and its wait ends once",
          "[redis][cluster]") {
    redis::ClusterOptions options;
    options.nodes.pubsub_limit.hard = 1;
    Cluster cluster{options};
    Session session{cluster.node(2)};
    session.execute({"HELLO", "3"});
    session.execute({"SSUBSCRIBE", "{a}1"});
    const auto job = session.submit({"BLPOP", "{a}jobs", "0"});
    CHECK_FALSE(job.ready());
    Session publisher{cluster.node(2)};
    publisher.execute({"SPUBLISH", "{a}1", "x"});
    CHECK(session.is_closed());
    CHECK(job.ready());
    cluster.move_slot(window_slot, 0);
    CHECK(job.try_get() == std::nullopt);
    CHECK(cluster.node(2).blocked_sessions() == 0);
}

// ---- beside a command

TEST_CASE("an interceptor that moves the slot comes before the command is looked at",
          "[redis][cluster]") {
    Cluster cluster;
    Session session{cluster.node(2)};
    std::vector<std::optional<Reply>> after;
    cluster.node(2).intercept(
        {.before =
             [&](const redis::SentCommand&) {
                 cluster.move_slot(window_slot, 0);
                 return std::nullopt;
             },
         .after = [&](const redis::SentCommand&,
                      const std::optional<Reply>& reply) { after.push_back(reply); }});
    CHECK(session.execute({"SET", "{a}1", "v"}) == moved_to(0));
    CHECK(after == std::vector<std::optional<Reply>>{moved_to(0)});
    CHECK(Session{cluster.node(0)}.execute({"DBSIZE"}) == Reply::integer(0));
}

TEST_CASE("an interceptor that lets the node fail leaves the command without a reply",
          "[redis][cluster]") {
    Cluster cluster;
    Session session{cluster.node(2)};
    cluster.node(2).intercept({.before = [&](const redis::SentCommand&) {
        cluster.fail(2);
        return std::nullopt;
    }});
    CHECK(session.execute({"SET", "{a}1", "v"}) == std::nullopt);
    cluster.node(2).intercept({});
    cluster.restart(2);
    CHECK(Session{cluster.node(2)}.execute({"DBSIZE"}) == Reply::integer(0));
}

TEST_CASE("a command that a fault delays is redirected by the map of when it is carried out",
          "[redis][cluster]") {
    Cluster cluster;
    Session here{cluster.node(2)};
    Session there{cluster.node(0)};
    cluster.node(2).faults().on("SET").delay(1s);
    cluster.node(0).faults().on("SET").delay(1s);
    const auto leaves = here.submit({"SET", "{a}1", "v"});
    const auto comes = there.submit({"SET", "{a}2", "v"});
    cluster.move_slot(window_slot, 0);
    CHECK_FALSE(leaves.ready());
    CHECK_FALSE(comes.ready());
    cluster.advance(1s);
    CHECK(leaves.try_get() == moved_to(0));
    CHECK(comes.try_get() == Reply::simple_string("OK"));
}

TEST_CASE("a delayed command of a node that fails is lost, and so is what stands behind it",
          "[redis][cluster]") {
    Cluster cluster;
    Session session{cluster.node(2)};
    cluster.node(2).faults().on("SET").delay(1s);
    const auto first = session.submit({"SET", "{a}1", "v"});
    const auto second = session.submit({"SET", "{a}2", "v"});
    cluster.fail(2);
    CHECK(first.ready());
    CHECK(second.ready());
    cluster.advance(1s);
    cluster.restart(2);
    CHECK(Session{cluster.node(2)}.execute({"DBSIZE"}) == Reply::integer(0));
}

TEST_CASE("what stands behind a pop that is sent elsewhere is looked at with the new map",
          "[redis][cluster]") {
    Cluster cluster;
    Session session{cluster.node(2)};
    const auto job = session.submit({"BLPOP", "{a}jobs", "0"});
    const auto gone = session.submit({"SET", "{a}1", "v"});
    const auto ping = session.submit({"PING"});
    const auto more = session.submit({"BLPOP", "foo", "0"});  // of another slot of the node
    const auto last = session.submit({"PING"});
    cluster.move_slot(window_slot, 0);
    CHECK(job.try_get() == moved_to(0));
    CHECK(gone.try_get() == moved_to(0));
    CHECK(ping.try_get() == Reply::simple_string("PONG"));
    CHECK_FALSE(more.ready());
    CHECK_FALSE(last.ready());
}

TEST_CASE("a client that waits behind ASKING waits on when the slot has come", "[redis][cluster]") {
    Cluster cluster;
    Session source{cluster.node(2)};
    Session target{cluster.node(0)};
    cluster.begin_move(window_slot, 0);
    target.execute({"ASKING"});
    const auto job = target.submit({"BLPOP", "{a}jobs", "0"});
    CHECK_FALSE(job.ready());
    CHECK(source.execute({"RPUSH", "{a}jobs", "x"})->text().starts_with("ASK "));
    cluster.finish_move(window_slot);
    CHECK_FALSE(job.ready());
    Session{cluster.node(0)}.execute({"RPUSH", "{a}jobs", "y"});
    CHECK((*job.try_get())[1].text() == "y");
}

TEST_CASE("a list that comes while a client waits for it behind ASKING is popped",
          "[redis][cluster]") {
    Cluster cluster;
    Session source{cluster.node(2)};
    source.execute({"RPUSH", "{a}jobs", "x", "y"});
    cluster.begin_move(window_slot, 0);
    Session target{cluster.node(0)};
    target.execute({"ASKING"});
    const auto job = target.submit({"BLPOP", "{a}jobs", "0"});
    const auto behind = target.submit({"LLEN", "{a}jobs"});
    CHECK_FALSE(job.ready());
    CHECK(cluster.move_key("{a}jobs"));
    CHECK((*job.try_get())[1].text() == "x");
    CHECK(behind.try_get() == moved_to(2));
    cluster.finish_move(window_slot);
    CHECK(target.execute({"LLEN", "{a}jobs"}) == Reply::integer(1));
}

// ---- the end

TEST_CASE("a cluster that goes ends the waits of all threads", "[redis][cluster]") {
    auto cluster = std::make_unique<Cluster>(redis::ClusterOptions{.masters = 2, .replicas = 1});
    std::vector<std::unique_ptr<Session>> sessions;
    for (std::size_t node = 0; node != cluster->size(); ++node) {
        sessions.push_back(std::make_unique<Session>(cluster->node(node)));
        sessions.back()->execute({"READONLY"});
    }
    std::atomic<std::size_t> ended = 0;
    {
        std::vector<std::jthread> threads;
        for (const auto& session : sessions) {
            threads.emplace_back([&] {
                (void)session->execute({"XREAD", "BLOCK", "0", "STREAMS", "{b}stream", "$"});
                ++ended;
            });
        }
        eventually([&] {
            return ended + cluster->node(0).blocked_sessions() +
                       cluster->node(2).blocked_sessions() ==
                   sessions.size();
        });
        cluster.reset();
    }
    CHECK(ended == sessions.size());
    for (const auto& session : sessions) {
        CHECK(session->is_closed());
        CHECK(session->execute({"PING"}) == std::nullopt);
    }
}

TEST_CASE("sessions, results and handlers may outlive the cluster", "[redis][cluster]") {
    std::optional<Session> session;
    std::optional<redis::Pending> job;
    std::optional<Session> subscriber;
    std::size_t told = 0;
    {
        Cluster cluster{{.masters = 1, .replicas = 1}};
        session.emplace(cluster.node(1));
        session->execute({"READONLY"});
        job = session->submit({"XREAD", "BLOCK", "0", "STREAMS", "{a}stream", "$"});
        subscriber.emplace(cluster.node(0));
        subscriber->on_push([&](const Reply&) { ++told; });
        subscriber->execute({"SSUBSCRIBE", "{a}1"});
    }
    CHECK(job->ready());
    CHECK(job->try_get() == std::nullopt);
    CHECK(session->submit({"GET", "{a}1"}).ready());
    CHECK(subscriber->is_closed());
    CHECK(told == 1);
}

}  // namespace
}  // namespace runnel::test
