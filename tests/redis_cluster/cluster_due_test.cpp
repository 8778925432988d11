// SPDX-License-Identifier: MIT
// What happens at several nodes in its time, and who hears of it.

#include <runnel/key_slot.hpp>
#include <runnel/redis/cluster.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/serve_fd.hpp>
#include <runnel/redis/session.hpp>

#include "support/catch.hpp"
#include "support/user_clocks.hpp"

#include <array>
#include <chrono>
#include <string>
#include <unistd.h>

using namespace std::chrono_literals;
using runnel::test::HandClock;
namespace redis = runnel::redis;

namespace {

using redis::Reply;

// Node 0 serves "bar", node 1 "foo".
struct TwoNodes {
    redis::Cluster cluster{{.masters = 2}};
    redis::Session a{cluster.node(0)};
    redis::Session b{cluster.node(1)};
};

// Nobody runs their clock: whoever looks does what is due.
struct TwoNodesByHand {
    HandClock clock;
    redis::Cluster cluster{{.masters = 2, .nodes = {.clock = &clock}}};
    redis::Session a{cluster.node(0)};
    redis::Session b{cluster.node(1)};
};

}  // namespace

TEST_CASE_METHOD(TwoNodesByHand, "on a clock that nobody runs, a look at one node sees to all",
                 "[redis][cluster]") {
    (void)cluster.node(1).faults().on("PUBLISH").delay(1s);
    a.execute({"SUBSCRIBE", "news"});
    CHECK(a.next_push().has_value());
    (void)b.submit({"PUBLISH", "news", "late"});
    CHECK_FALSE(a.next_push().has_value());
    clock.move(1s);
    CHECK(a.next_push().value()[2] == Reply::bulk_string("late"));
}

TEST_CASE_METHOD(TwoNodesByHand,
                 "on a clock that nobody runs, what is overdue ends before a slot moves",
                 "[redis][cluster]") {
    const auto popped = a.submit({"BLPOP", "bar", "1"});
    clock.move(1s);
    cluster.move_slot(runnel::key_slot("bar"), 1);
    CHECK(popped.try_get() == Reply::null_array());
}

TEST_CASE_METHOD(TwoNodes, "a key that has expired does not move", "[redis][cluster]") {
    b.execute({"RPUSH", "foo", "job"});
    b.execute({"PEXPIRE", "foo", "1000"});
    cluster.begin_move(runnel::key_slot("foo"), 0);
    a.execute({"ASKING"});
    const auto popped = a.submit({"BLPOP", "foo", "0"});
    cluster.advance(1s);
    CHECK_FALSE(cluster.move_key("foo"));
    CHECK_FALSE(popped.ready());
}

TEST_CASE_METHOD(TwoNodes, "a command that is carried out twice behind ASKING is served twice",
                 "[redis][cluster]") {
    cluster.begin_move(runnel::key_slot("foo"), 0);
    (void)cluster.node(0).faults().on("RPUSH").twice();
    a.execute({"ASKING"});
    CHECK(a.execute({"RPUSH", "foo", "job"}) == Reply::integer(2));
    CHECK(a.execute({"RPUSH", "foo", "job"}).value().code() == "MOVED");
}

TEST_CASE_METHOD(TwoNodes, "a notice counts as the latest that its client was sent",
                 "[redis][cluster]") {
    b.execute({"HELLO", "3"});
    b.execute({"SSUBSCRIBE", "foo"});
    cluster.advance(10s);
    cluster.move_slot(runnel::key_slot("foo"), 0);
    redis::Session looks{cluster.node(1)};
    const std::string list = looks.execute({"CLIENT", "LIST"}).value().text();
    CHECK(list.find(" age=10 idle=0 ") != std::string::npos);
}

TEST_CASE("a replica serves those who wait there before its master's next command",
          "[redis][cluster]") {
    redis::Cluster cluster{{.masters = 1, .replicas = 1}};
    redis::Session writes{cluster.node(0)};
    redis::Session reads{cluster.node(1)};
    reads.execute({"READONLY"});
    const auto read = reads.submit({"XREAD", "BLOCK", "0", "STREAMS", "s", "$"});
    (void)writes.submit({"BLPOP", "gate", "0"});
    (void)writes.submit({"XADD", "s", "1-1", "f", "v"});
    (void)writes.submit({"DEL", "s"});
    redis::Session opens{cluster.node(0)};
    opens.execute({"RPUSH", "gate", "x"});
    REQUIRE(read.ready());
    CHECK(read.try_get().value()[0][1][0][0] == Reply::bulk_string("1-1"));
}

TEST_CASE_METHOD(TwoNodes, "who connects to a node that has failed sees the end at once",
                 "[redis][cluster]") {
    redis::FdServer clients{cluster.node(0)};
    const int before = clients.connect();
    cluster.fail(0);
    const int after = clients.connect();
    std::array<char, 1> byte{};
    CHECK(::read(before, byte.data(), byte.size()) == 0);
    CHECK(::read(after, byte.data(), byte.size()) == 0);
    ::close(before);
    ::close(after);
    clients.settle();
    CHECK(clients.connections() == 0);
    redis::Session session{cluster.node(0)};
    CHECK(session.is_closed());
    cluster.restart(0);
    redis::Session again{cluster.node(0)};
    CHECK(again.execute({"PING"}) == Reply::simple_string("PONG"));
}

TEST_CASE_METHOD(TwoNodes, "a key does not replace another one of its name that is at the target",
                 "[redis][cluster]") {
    b.execute({"SET", "foo", "old"});
    cluster.begin_move(runnel::key_slot("foo"), 0);
    a.execute({"ASKING"});
    a.execute({"SET", "foo", "new"});
    CHECK_THROWS_AS(cluster.move_key("foo"), runnel::Error);
    CHECK(b.execute({"GET", "foo"}) == Reply::bulk_string("old"));
    a.execute({"ASKING"});
    CHECK(a.execute({"GET", "foo"}) == Reply::bulk_string("new"));
}
