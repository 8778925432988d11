// SPDX-License-Identifier: MIT
//
// What happens in a cluster while something else does: notices of a move that are handed out, a
// command that waits, nodes that fail one after the other.
#include <runnel/redis.hpp>
#include <runnel/redis/cluster.hpp>

#include "support/catch.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace runnel::test {
namespace {

using redis::Cluster;
using redis::Reply;
using redis::Session;

constexpr std::uint16_t slot_a = 15495;  // of "{a}…"; of node 2 at first

Reply unsubscribed(const std::string& channel, std::int64_t left) {
    return Reply::array(
        {Reply::bulk_string("sunsubscribe"), Reply::bulk_string(channel), Reply::integer(left)});
}
std::vector<Reply> pushes_of(Session& session) {
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
    (void)pushes_of(one);
    (void)pushes_of(other);
    cluster.move_slot(slot_a, 0);
    CHECK(pushes_of(one) == std::vector{unsubscribed("{a}1", 0)});
    CHECK(pushes_of(other) == std::vector{unsubscribed("{a}2", 0)});
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
    CHECK(pushes_of(session).size() == 2);
}

TEST_CASE("a slot that moves does not go to a node that has failed", "[redis][cluster]") {
    Cluster cluster;
    cluster.begin_move(slot_a, 0);
    cluster.fail(0);
    CHECK_THROWS_AS(cluster.finish_move(slot_a), Error);
    CHECK(cluster.owner(slot_a) == 2);
    cluster.restart(0);
    cluster.finish_move(slot_a);
    CHECK(cluster.owner(slot_a) == 0);
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

}  // namespace
}  // namespace runnel::test
