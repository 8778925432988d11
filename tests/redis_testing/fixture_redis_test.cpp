// SPDX-License-Identifier: MIT
// What fixtures do on a real server, and beside one.
#include <runnel/redis/testing/catch.hpp>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/redis_server.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

using namespace runnel::redis::testing;
using namespace std::chrono_literals;
using runnel::ErrorCode;
using runnel::redis::Reply;
using runnel::redis::ServerOptions;
using runnel::test::error_of;
using runnel::test::RedisServer;

namespace {

// A test on the fake, on a real server, or on both.
struct Test : RedisUnderTest {
    explicit Test(const Environment& environment, const ServerOptions& options = {})
        : RedisUnderTest{options, environment} {}
};

std::string what_of(const auto& call) {
    try {
        (void)call();
    } catch (const runnel::Error& error) {
        return error.what();
    }
    return {};
}

ReplyMatcher is_message(const std::string& channel, const std::string& text) {
    return IsStrings({"message", channel, text});
}

}  // namespace

TEST_CASE("clients do the same on each server", "[redis_fixture]") {
    RedisServer server;
    Test test{{GENERATE(Target::fake, Target::real, Target::both), server.socket()}};

    SECTION("replies are told from messages in RESP2") {
        Client client = test.connect();
        CHECK(client.execute({"SUBSCRIBE", "a", "b"}) == std::nullopt);
        CHECK_THAT(client.next_push(), IsArray({IsBulk("subscribe"), IsBulk("a"), IsInteger(1)}));
        CHECK_THAT(client.next_push(), IsArray({IsBulk("subscribe"), IsBulk("b"), IsInteger(2)}));
        CHECK_THAT(test.redis().execute({"PUBLISH", "b", "one"}), IsInteger(1));
        CHECK_THAT(client.execute({"PING"}), IsStrings({"pong", ""}));
        CHECK_THAT(client.execute({"GET", "a"}), IsError("ERR Can't execute 'get'"));
        CHECK_THAT(client.next_push(), is_message("b", "one"));
        CHECK(client.next_push() == std::nullopt);
        CHECK(client.execute({"UNSUBSCRIBE"}) == std::nullopt);
        CHECK(client.next_push()->elements().size() == 3);
        CHECK(client.next_push()->elements().size() == 3);
        CHECK_THAT(client.execute({"RPUSH", "list", "message", "a", "b"}), IsInteger(3));
        CHECK_THAT(client.execute({"LRANGE", "list", "0", "-1"}), is_message("a", "b"));
        CHECK(client.execute({"UNSUBSCRIBE"}) == std::nullopt);
        CHECK_THAT(client.next_push(), IsArray({IsBulk("unsubscribe"), IsNull(), IsInteger(0)}));
    }
    SECTION("and in RESP3") {
        Client client = test.connect();
        CHECK_THAT(client.execute({"HELLO", "3"}), HasField("proto", IsInteger(3)));
        CHECK(client.execute({"PSUBSCRIBE", "n*"}) == std::nullopt);
        CHECK_THAT(client.execute({"SUBSCRIBE"}), IsError("ERR wrong number of arguments"));
        CHECK_THAT(client.execute({"RPUSH", "list", "message", "a", "b"}), IsInteger(3));
        CHECK_THAT(client.execute({"LRANGE", "list", "0", "-1"}), is_message("a", "b"));
        CHECK_THAT(test.redis().execute({"PUBLISH", "news", "one"}), IsInteger(1));
        CHECK(client.next_push()->kind() == Reply::Kind::push);
        CHECK_THAT(client.next_push(), IsStrings({"pmessage", "n*", "news", "one"}));
    }
    SECTION("what waits is served in order, and what is behind it comes after") {
        Client first = test.connect();
        Client second = test.connect();
        const auto one = first.submit({"BLPOP", "jobs", "0"});
        const auto behind = first.submit({"GET", "jobs"});
        const auto two = second.submit({"BRPOP", "jobs", "0"});
        CHECK_FALSE((one.ready() || behind.ready() || two.ready()));
        CHECK_THAT(test.redis().execute({"RPUSH", "jobs", "a", "b", "c"}), IsInteger(3));
        CHECK_THAT(one.try_get(), IsStrings({"jobs", "a"}));
        CHECK_THAT(two.wait(), IsStrings({"jobs", "c"}));
        CHECK_THAT(behind.try_get(), IsError("WRONGTYPE"));
    }
    SECTION("who goes leaves nothing") {
        Client worker = test.connect();
        const auto job = worker.submit({"BLPOP", "jobs", "0"});
        worker.close();
        CHECK(worker.is_closed());
        CHECK((job.ready() && !job.try_get()));
        CHECK_THAT(test.redis().execute({"RPUSH", "jobs", "a"}), IsInteger(1));
        CHECK_THAT(test.redis().execute({"LLEN", "jobs"}), IsInteger(1));
        CHECK(worker.execute({"PING"}) == std::nullopt);
        CHECK_THAT(test.redis().execute({"QUIT"}), IsOk());
        CHECK(test.redis().is_closed());
    }
    SECTION("a client is woken by its id") {
        Client worker = test.connect();
        Client another = test.connect();
        another.close();
        const auto job = worker.submit({"BLPOP", "jobs", "0"});
        const std::string id = std::to_string(worker.id());
        CHECK_THAT(test.redis().execute({"CLIENT", "UNBLOCK", id, "ERROR"}), IsInteger(1));
        CHECK_THAT(job.try_get(), IsError("UNBLOCKED"));
    }
    SECTION("ids and times") {
        const auto id = test.redis().execute({"XADD", "s", "*", "f", "v"});
        CHECK_THAT(test.redis().execute({"XRANGE", "s", "-", "+"}),
                   IsArray({IsArray({*id, IsStrings({"f", "v"})})}));
        test.redis().execute({"MULTI"});
        test.redis().execute({"XADD", "s", "*", "f", "v"});
        test.redis().execute({"SET", "a", "1", "EX", "100"});
        CHECK(test.redis().execute({"EXEC"})->elements().size() == 2);
        CHECK(test.redis().execute({"PTTL", "a"})->integer() > 90'000);
        CHECK(test.redis().execute({"TTL", "a"})->integer() > 90);
        CHECK_FALSE(test.redis().execute({"EXPIRETIME", "a"})->is_error());
        CHECK_FALSE(test.redis().execute({"TIME"})->is_error());
        test.redis().execute({"XGROUP", "CREATE", "s", "g", "0"});
        test.redis().execute({"XREADGROUP", "GROUP", "g", "c", "STREAMS", "s", ">"});
        CHECK(test.redis().execute({"XPENDING", "s", "g", "-", "+", "9"})->elements().size() == 2);
    }
    SECTION("what has no order or is drawn") {
        for (const char* const name : {"a", "b", "c", "d", "e", "f", "g", "h"}) {
            test.redis().execute({"SADD", "set", name});
            test.redis().execute({"HSET", "hash", name, name});
        }
        CHECK(test.redis().execute({"SMEMBERS", "set"})->elements().size() == 8);
        CHECK(test.redis().execute({"HGETALL", "hash"})->elements().size() == 16);
        CHECK(test.redis().execute({"KEYS", "*"})->elements().size() == 2);
        CHECK_FALSE(test.redis().execute({"SRANDMEMBER", "set"})->is_error());
        CHECK_FALSE(test.redis().execute({"RANDOMKEY"})->is_error());
        CHECK(test.redis().execute({"SCAN", "0"})->elements().size() == 2);
    }
    CHECK(test.finish(false).empty());
}

TEST_CASE("time-outs end in real time", "[redis_fixture]") {
    RedisServer server;
    Test test{{GENERATE(Target::real, Target::both), server.socket()}};
    Client worker = test.connect();
    CHECK_THAT(worker.execute({"BLPOP", "jobs", "0.02"}), IsNull());
    const auto job = worker.submit({"BLPOP", "jobs", "0.02"});
    CHECK_THAT(job.wait(5s), IsNull());
    CHECK(worker.submit({"BLPOP", "jobs", "0"}).wait(1ms) == std::nullopt);
    CHECK(test.redis().next_push(1ms) == std::nullopt);
    CHECK(test.finish(false).empty());
}

TEST_CASE("a wait on a real server has a limit, and an error that names the command",
          "[redis_fixture]") {
    RedisServer server;
    for (const Target target : {Target::real, Target::both}) {
        Test test{{.target = target, .socket = server.socket(), .limit = 1s}};
        const auto wait = [&] { return test.redis().execute({"BLPOP", "jobs", "0"}); };
        CHECK(error_of(wait) == ErrorCode::unavailable);
        CHECK(what_of([&] {
                  return test.connect().execute({"BLPOP", "jobs", "0"});
              }) == "Redis at " + server.socket() + ": BLPOP jobs 0: waited in vain for 1000 ms");
    }
}

TEST_CASE("a server that goes is an error that names its socket", "[redis_fixture]") {
    auto server = std::make_unique<RedisServer>();
    const std::string socket = server->socket();
    Test test{{Target::real, socket}};
    server.reset();
    const auto ping = [&] { return test.redis().execute({"PING"}); };
    CHECK_THAT(what_of(ping), Catch::StartsWith("Redis at " + socket + ": "));
    const auto texts = test.finish(false);
    REQUIRE(texts.size() == 1);
    CHECK_THAT(texts.front(), Catch::StartsWith("Redis at " + socket + ": "));
}

TEST_CASE("nothing is left for the next test", "[redis_fixture]") {
    RedisServer server;
    for (const Target target : {Target::real, Target::both, Target::real}) {
        Test test{{target, server.socket()}};
        CHECK_THAT(test.redis().execute({"DBSIZE"}), IsInteger(0));
        test.redis().execute({"SET", "a", "1"});
        test.redis().execute({"SELECT", "3"});
        test.redis().execute({"SET", "a", "1"});
        Client waits = test.connect();
        (void)waits.submit({"BLPOP", "jobs", "0"});
        CHECK(test.finish(false).empty());
        CHECK(waits.is_closed());
        CHECK(server.command({"RPUSH", "jobs", "a"}).integer == 1);  // nobody takes it
        CHECK(server.command({"DBSIZE"}).integer == 1);
        (void)server.command({"FLUSHALL"});
    }
}

TEST_CASE("a server that holds data is not flushed, unless that is allowed", "[redis_fixture]") {
    RedisServer server;
    (void)server.command({"SET", "precious", "1"});
    for (const Target target : {Target::real, Target::both}) {
        const auto begin = [&] {
            return std::make_unique<Test>(Environment{target, server.socket()});
        };
        CHECK(error_of(begin) == ErrorCode::invalid_argument);
        const std::string what = what_of(begin);
        CHECK_THAT(what,
                   Catch::StartsWith("Redis at " + server.socket() + ": it holds data (db0:"));
        CHECK_THAT(what, Catch::Contains("RUNNEL_REDIS_FLUSH=1"));
        CHECK(server.command({"DBSIZE"}).integer == 1);
    }
    Test test{{.target = Target::real, .socket = server.socket(), .may_flush = true}};
    CHECK(server.command({"DBSIZE"}).integer == 0);
}

TEST_CASE("what needs the fake ends the test elsewhere", "[redis_fixture]") {
    RedisServer server;
    for (const Target target : {Target::real, Target::both}) {
        Test test{{target, server.socket()}};
        CHECK(what_of([&] { return test.advance(1h), 0; }) ==
              "advance() needs the fake, and this is a run on Redis at " + server.socket());
        CHECK_THAT(what_of([&] { return &test.server(); }), Catch::StartsWith("server() needs"));
        CHECK_THAT(what_of([&] { return test.needs_fake(), 0; }),
                   Catch::StartsWith("the test needs"));
        runnel::ManualClock clock;
        Test with_clock{{target, server.socket()}, {.clock = &clock}};
        const std::string text = "a clock of its own needs the fake";
        CHECK_THAT(what_of([&] { return &with_clock.redis(); }), Catch::StartsWith(text));
        CHECK_THAT(what_of([&] { return with_clock.connect(); }), Catch::StartsWith(text));
    }
    Test test{{}};
    test.needs_fake();
    test.advance(1h);
    CHECK(test.is_fake());
}

TEST_CASE("the first difference is told with all that is known of it", "[redis_fixture]") {
    RedisServer server;
    Test test{{Target::both, server.socket()}};
    Client client = test.connect();
    CHECK_THAT(client.execute({"SET", "a", "1"}), IsOk());
    (void)server.command({"SET", "a", "2"});  // behind its back
    const auto get = [&] { return client.execute({"GET", "a"}); };
    CHECK(error_of(get) == ErrorCode::wrong_reply);
    const auto version = [&](const std::string& what) { return what.substr(what.find(" at ")); };
    const std::string what = what_of(get);
    CHECK_THAT(what, Catch::StartsWith("The fake and Redis "));
    CHECK(version(what) == " at " + server.socket() +
                               " differ.\nCommand 2, of connection 2: GET a\nRedis says:\n\"2\"\n"
                               "The fake says:\n\"1\"");
    // From then on the two hold different data.
    CHECK(what_of([&] { return test.redis().execute({"PING"}); }) == what);

    SECTION("a test that has caught it fails at its end") {
        CHECK(test.finish(false) == std::vector<std::string>{what});
    }
    SECTION("one that has failed by it does not say so twice") {
        CHECK(test.finish(true).empty());
    }
}

TEST_CASE("differences of pushes, of waits, and of what the fake lacks", "[redis_fixture]") {
    RedisServer server;
    Test test{{Target::both, server.socket()}};
    Client client = test.connect();
    SECTION("a message that only one has heard") {
        client.execute({"SUBSCRIBE", "news"});
        (void)server.command({"PUBLISH", "news", "one"});
        CHECK_THAT(what_of([&] { return client.next_push(); }),
                   Catch::Contains("Command 1, of connection 2: what is pushed then") &&
                       Catch::Contains("Redis says:\n1) 1) \"message\"") &&
                       Catch::EndsWith("The fake says:\n(empty array)"));
    }
    SECTION("one goes on, and the other one waits") {
        const auto job = client.submit({"BLPOP", "jobs", "0"});
        test.redis().execute({"PING"});
        (void)server.command({"RPUSH", "jobs", "one"});
        CHECK_THAT(what_of([&] { return job.ready(); }),
                   Catch::Contains("Command 1, of connection 2: BLPOP jobs 0\nIt is seen after "
                                   "command 2\nRedis says:\n1) \"jobs\"") &&
                       Catch::EndsWith("The fake says:\n(nothing yet: the command waits)"));
    }
    SECTION("a command that only one has") {
        CHECK_THAT(what_of([&] {
                       return client.execute({"EVAL", "return 1", "0"});
                   }),
                   Catch::Contains("EVAL \"return 1\" 0\nRedis says:\n(integer) 1\nThe fake says:\n"
                                   "(error) ERR unknown command"));
    }
    SECTION("a difference that nobody looked at is found at the end") {
        client.execute({"SUBSCRIBE", "news"});
        (void)server.command({"PUBLISH", "news", "one"});
        REQUIRE(test.finish(false).size() == 1);
    }
}
