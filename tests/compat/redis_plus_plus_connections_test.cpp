// SPDX-License-Identifier: MIT
// The connections of the drop-in for redis-plus-plus: threads, time-outs, and what breaks.

#include <runnel/clock.hpp>
#include <runnel/compat/redis_plus_plus.hpp>
#include <runnel/error.hpp>
#include <runnel/redis.hpp>
#include <runnel/runner.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <iterator>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace {

namespace sw = runnel::compat::sw;
using namespace std::chrono_literals;

TEST_CASE("a pop that waits in one thread holds up no other") {
    runnel::ManualClock clock;
    runnel::redis::Server server{{.clock = &clock}};
    sw::Redis redis{server};
    std::vector<std::string> popped(3);
    {
        std::vector<runnel::ManualClock::Thread> threads;
        for (std::string& mine : popped)
            threads.push_back(
                clock.thread([&redis, &mine] { mine = redis.blpop("jobs")->second; }));
        clock.settle();
        CHECK(server.blocked_sessions() == 3);
        CHECK(redis.ping() == "PONG");
        redis.rpush("jobs", {"a", "b", "c"});
        clock.settle();
    }
    std::ranges::sort(popped);
    CHECK(popped == std::vector<std::string>{"a", "b", "c"});
    CHECK(redis.llen("jobs") == 0);
}

TEST_CASE("many threads share a client, in real time") {
    constexpr int rounds = 200;
    runnel::redis::Server server{{.clock = &runnel::SystemClock::instance()}};
    const runnel::TimerThread timers;
    sw::Redis redis{server};
    std::vector<int> taken(2);
    {
        std::vector<std::jthread> threads;
        for (int& count : taken)
            threads.emplace_back([&redis, &count] {
                while (redis.blpop("jobs")->second != "end") ++count;
            });
        for (int producer = 0; producer != 2; ++producer)
            threads.emplace_back([&redis] {
                for (int round = 0; round != rounds; ++round) redis.rpush("jobs", "job");
            });
        threads.erase(threads.begin() + 2, threads.end());  // waits for the producers
        redis.rpush("jobs", {"end", "end"});
    }
    CHECK(taken[0] + taken[1] == 2 * rounds);
}

TEST_CASE("calls of one thread use one connection") {
    runnel::redis::Server server;
    sw::Redis redis{server};
    const auto id = redis.command<long long>("CLIENT", "ID");
    redis.set("a", "1");
    CHECK_THROWS_AS(redis.incrby("a", 1) && redis.lpop("a"), sw::ReplyError);
    CHECK(redis.command<long long>("CLIENT", "ID") == id);
    sw::Redis moved{std::move(redis)};
    CHECK(moved.command<long long>("CLIENT", "ID") == id);
}

TEST_CASE("a reply that does not come within the socket time-out is a TimeoutError") {
    runnel::ManualClock clock;
    runnel::redis::Server server{{.clock = &clock}};
    sw::Redis redis{server, {.socket_timeout = 100ms}};
    sw::Redis patient{server};
    std::string error;
    std::optional<std::pair<std::string, std::string>> popped;
    {
        const auto thread = clock.thread([&] {
            try {
                (void)redis.blpop("jobs", 1s);
            } catch (const sw::TimeoutError& timeout) {
                error = timeout.what();
            }
        });
        const auto other = clock.thread([&] { popped = patient.blpop("jobs", 1s); });
        clock.advance(99ms);
        CHECK(error.empty());
        clock.advance(1ms);
        CHECK(error == "Failed to get reply: Resource temporarily unavailable");
        CHECK(server.blocked_sessions() == 1);  // the connection was given up
        patient.rpush("jobs", "one");
        clock.advance(1s);
    }
    CHECK(popped == std::pair<std::string, std::string>{"jobs", "one"});
    CHECK(redis.llen("jobs") == 0);
}

TEST_CASE("a time-out of a command that is shorter is no TimeoutError") {
    runnel::ManualClock clock;
    runnel::redis::Server server{{.clock = &clock}};
    sw::Redis redis{server, {.socket_timeout = 2s}};
    bool is_over = false;
    const auto thread = clock.thread([&] { is_over = !redis.blpop("jobs", 1); });
    clock.advance(1s);
    CHECK(is_over);
}

TEST_CASE("a connection that breaks is a ClosedError, and the next call has another") {
    runnel::redis::Server server;
    sw::Redis redis{server};
    redis.xgroup_create("s", "g", "$", true);
    {
        const auto lost = server.faults().on("INCR").nth(1).lose_reply();
        CHECK_THROWS_AS(redis.incr("a"), sw::ClosedError);
        CHECK(redis.incr("a") == 2);
        const auto dropped = server.faults().on("INCR").nth(1).drop();
        CHECK_THROWS_AS(redis.incr("a"), sw::ClosedError);
        CHECK(redis.incr("a") == 3);
        const auto loading = server.faults().on("GET").nth(1).fail("LOADING the data");
        CHECK_THROWS_WITH(redis.get("a"), "LOADING the data");
        CHECK(redis.get("a") == "3");
    }
    auto pipeline = redis.pipeline();
    const auto dropped = server.faults().on("GET").nth(2).drop();
    CHECK_THROWS_AS(pipeline.get("a").get("a").exec(), sw::ClosedError);
    CHECK_THROWS_WITH(pipeline.get("a"), "Not in valid state");
}

TEST_CASE("a pool connection that the server closes is not used again") {
    runnel::redis::Server server;
    sw::Redis redis{server};
    sw::Redis killer{server};
    const auto id = redis.command<long long>("CLIENT", "ID");
    CHECK(killer.command<long long>("CLIENT", "KILL", "ID", id) == 1);
    CHECK(redis.command<long long>("CLIENT", "ID") != id);
    redis.command("QUIT");
    CHECK(redis.ping() == "PONG");
}

TEST_CASE("options choose the database and the protocol") {
    runnel::redis::Server server;
    sw::Redis redis{server, {.db = 3, .resp = 3}};
    redis.set("a", "1");
    CHECK(redis.command("HELLO")->kind() == runnel::redis::Reply::Kind::map);
    sw::Redis other{server, {.db = 3}};
    CHECK(other.get("a") == "1");
    sw::Redis none{server, {.db = 99}};
    CHECK_THROWS_WITH(none.ping(), "ERR DB index is out of range");
}

TEST_CASE("options say who the client is") {
    runnel::redis::Server server{{.password = "secret"}};
    sw::Redis redis{server, {.password = "secret", .resp = 3}};
    CHECK(redis.ping() == "PONG");
    sw::Redis named{server, {.user = "default", .password = "secret"}};
    CHECK(named.ping() == "PONG");
    sw::Redis silent{server};
    CHECK_THROWS_WITH(silent.ping(), "NOAUTH Authentication required.");
    const std::string refused = "WRONGPASS invalid username-password pair or user is disabled.";
    sw::Redis mistaken{server, {.password = "x"}};
    CHECK_THROWS_WITH(mistaken.ping(), refused);
    sw::Redis other{server, {.user = "other", .password = "secret"}};
    CHECK_THROWS_WITH(other.ping(), refused);
}

TEST_CASE("a function that sends too many commands harms no other call") {
    runnel::redis::Server server;
    sw::Redis redis{server};
    const auto two = [](auto& connection) {
        connection.send("ECHO a");
        connection.send("ECHO b");
    };
    CHECK(redis.command(two)->text() == "a");
    CHECK(redis.ping() == "PONG");
    const auto none = [](auto& /*connection*/) {};
    CHECK_THROWS_AS(redis.command(none), sw::Error);
}

TEST_CASE("a strict server throws for a command that it does not have, and harms no later call") {
    runnel::redis::Server server{{.strict = true}};
    sw::Redis redis{server, {.socket_timeout = 1s}};
    CHECK_THROWS_AS(redis.command("EVAL", "return 1", 0), runnel::Error);
    CHECK(redis.ping() == "PONG");
    auto transaction = redis.transaction();
    auto inner = transaction.redis();
    CHECK_THROWS_AS(inner.command("EVAL", "return 1", 0), runnel::Error);
    CHECK(inner.ping() == "PONG");
}

TEST_CASE("a Redis of a transaction makes no others") {
    runnel::redis::Server server;
    sw::Redis redis{server};
    auto transaction = redis.transaction();
    auto inner = transaction.redis();
    CHECK(inner.ping() == "PONG");
    CHECK_THROWS_AS(inner.pipeline(), sw::Error);
    CHECK_THROWS_AS(inner.subscriber(), sw::Error);
}

}  // namespace
