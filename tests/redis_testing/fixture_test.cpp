// SPDX-License-Identifier: MIT
// On the fake, with Catch2. The suites show that the same runs on a real server.
#include <runnel/clock.hpp>
#include <runnel/redis/testing/catch.hpp>

#include "support/catch.hpp"
#include "support/errors.hpp"

#include <chrono>
#include <cstdlib>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

using namespace runnel::redis::testing;
using namespace std::chrono_literals;
using runnel::ErrorCode;
using runnel::redis::Reply;
using runnel::test::error_of;

namespace {

const Environment on_the_fake{};

// An environment variable, for a while.
class Variable {
public:
    Variable(const char* name, const char* value) : name_{name} { setenv(name, value, 1); }
    Variable(const Variable&) = delete;
    Variable& operator=(const Variable&) = delete;
    ~Variable() { unsetenv(name_); }

private:
    const char* name_;
};

}  // namespace

TEST_CASE_METHOD(Fixture, "each test begins without data", "[redis_fixture]") {
    const std::string key = GENERATE("a", "b");
    CHECK_THAT(redis().execute({"DBSIZE"}), IsInteger(0));
    redis().execute({"SET", key, "1"});
    SECTION("and each section") {
        CHECK_THAT(redis().execute({"DBSIZE"}), IsInteger(1));
    }
    SECTION("of it") {
        CHECK_THAT(redis().execute({"DBSIZE"}), IsInteger(1));
    }
}

TEST_CASE_METHOD(Fixture, "clients have ids of their own, and share data", "[redis_fixture]") {
    Client other = connect();
    CHECK(redis().id() != other.id());
    CHECK_THAT(other.execute({"CLIENT", "ID"}), IsInteger(other.id()));
    CHECK_THAT(redis().execute({"SET", "a", "1"}), IsOk());
    CHECK_THAT(other.execute(std::vector<std::string>{"GET", "a"}), IsBulk("1"));
}

TEST_CASE_METHOD(Fixture, "a command that would wait for ever is an error that names it",
                 "[redis_fixture]") {
    const auto wait = [&] { return redis().execute({"BLPOP", "a job", "0"}); };
    CHECK_THROWS_WITH(wait(), Catch::Contains("BLPOP \"a job\" 0") && Catch::Contains("submit()"));
    CHECK_FALSE(redis().submit({"PING"}).ready());  // it waits on
    connect().execute({"RPUSH", "a job", "one"});
    CHECK_THAT(redis().execute({"PING"}), IsStatus("PONG"));
}

TEST_CASE_METHOD(Fixture, "so is any other wait of the thread that moves the time",
                 "[redis_fixture]") {
    auto job = redis().submit({"BLPOP", "jobs", "5"});
    CHECK_THROWS_WITH(job.wait(1s), Catch::Contains("PendingReply::wait()"));
    CHECK_THROWS_WITH(connect().next_push(1s), Catch::Contains("Client::next_push()"));
    CHECK_FALSE(connect().next_push().has_value());
    advance(5s);
    CHECK_THAT(job.wait(1s), IsNull());
}

TEST_CASE("with a clock of the test's own its threads may wait", "[redis_fixture]") {
    runnel::ManualClock clock;
    RedisUnderTest test{{.clock = &clock}, on_the_fake};
    std::optional<Reply> late;
    {
        const auto thread = clock.thread([&] {
            late = test.connect().execute({"BLPOP", "jobs", "60"});
        });
        clock.advance(1min);
    }
    CHECK_THAT(late, IsNull());
}

TEST_CASE_METHOD(Fixture, "a client that goes is one that disconnects", "[redis_fixture]") {
    std::optional<PendingReply> job;
    {
        Client worker = connect();
        job = worker.submit({"BLPOP", "jobs", "0"});
        CHECK(server().blocked_sessions() == 1);
        Client another = std::move(worker);
        CHECK(server().blocked_sessions() == 1);
        another = connect();
        CHECK(server().blocked_sessions() == 0);
    }
    CHECK(job->ready());
    CHECK(job->try_get() == std::nullopt);
    redis().close();
    CHECK(redis().is_closed());
    CHECK(redis().execute({"PING"}) == std::nullopt);
}

TEST_CASE_METHOD(Fixture, "a command needs a word", "[redis_fixture]") {
    CHECK(error_of([&] { return redis().execute({}); }) == ErrorCode::invalid_argument);
}

TEST_CASE("the end of a test closes what it left open", "[redis_fixture]") {
    std::optional<Client> kept;
    {
        RedisUnderTest test{{}, on_the_fake};
        kept = test.connect();
        (void)kept->submit({"BLPOP", "jobs", "0"});
        CHECK(test.finish(false).empty());
        CHECK(kept->is_closed());
        kept = RedisUnderTest{{}, on_the_fake}.connect();
    }
    CHECK(kept->is_closed());
}

TEST_CASE("what is checked at the end of a test is reported once", "[redis_fixture]") {
    const auto begin = [](auto& test) {
        (void)test.redis().submit({"BLPOP", "jobs", "0"});
        test.at_end([](RedisUnderTest& it)
                        -> std::vector<std::string> {  // before the connections are closed
            return {std::to_string(it.server().blocked_sessions()) + " wait"};
        });
        test.at_end([](RedisUnderTest&) { return std::vector<std::string>{}; });
        test.at_end([](RedisUnderTest&) -> std::vector<std::string> { return {"a", "b"}; });
    };
    RedisUnderTest test{{}, on_the_fake};
    begin(test);
    CHECK(test.finish(false) == std::vector<std::string>{"1 wait", "a", "b"});
    CHECK(test.finish(false).empty());
    RedisUnderTest failed{{}, on_the_fake};
    begin(failed);
    CHECK(failed.finish(true).empty());
    RedisUnderTest throws{{}, on_the_fake};
    throws.at_end(
        [](RedisUnderTest&) -> std::vector<std::string> { throw std::runtime_error{"why"}; });
    CHECK(throws.finish(false) == std::vector<std::string>{"why"});
}

TEST_CASE("the environment says what tests run on", "[redis_fixture]") {
    CHECK(Environment::of_process().target == Target::fake);
    CHECK_FALSE(Environment::of_process().may_flush);
    {
        const Variable real{"RUNNEL_REDIS_SOCKET", "/a"};
        const Variable flush{"RUNNEL_REDIS_FLUSH", "1"};
        CHECK(Environment::of_process().target == Target::real);
        CHECK(Environment::of_process().socket == "/a");
        CHECK(Environment::of_process().may_flush);
        const Variable both{"RUNNEL_REDIS_COMPARE", "/b"};
        CHECK(error_of(Environment::of_process) == ErrorCode::invalid_argument);
        const Variable empty{"RUNNEL_REDIS_COMPARE", ""};
        CHECK(Environment::of_process().target == Target::real);
    }
    const Variable both{"RUNNEL_REDIS_COMPARE", "/b"};
    CHECK(Environment::of_process().target == Target::both);
    CHECK(Environment::of_process().socket == "/b");
}

TEST_CASE("a socket where nobody listens is an error that names it", "[redis_fixture]") {
    for (const Target target : {Target::real, Target::both}) {
        const Environment environment{target, "/nowhere/redis.sock"};
        const auto begin = [&] {
            return std::make_unique<RedisUnderTest>(runnel::redis::ServerOptions{}, environment);
        };
        CHECK(error_of(begin) == ErrorCode::unavailable);
        CHECK_THROWS_WITH(begin(), "Redis at /nowhere/redis.sock: cannot connect: No such file or "
                                   "directory");
    }
    const Environment long_path{Target::real, std::string(200, 'x')};
    CHECK_THROWS_WITH(RedisUnderTest({}, long_path), Catch::Contains("the path is too long"));
}

TEST_CASE("a fault that has never fired fails the test", "[redis_fixture]") {
    RedisUnderTest test{{}, on_the_fake};
    test.server().faults().on("PING").fail("LOADING");
    test.server().faults().on("XACK").nth(2).drop();
    CHECK_THAT(test.redis().execute({"PING"}), IsError("LOADING"));
    SECTION("if it is there still") {
        CHECK(test.finish(false) ==
              std::vector<std::string>{R"(A fault has never fired: on("XACK").nth(2).drop())"});
    }
    SECTION("and has not failed before") {
        CHECK(test.finish(true).empty());
    }
    SECTION("and not if it was removed") {
        test.server().faults().clear();
        CHECK(test.finish(false).empty());
    }
}

TEST_CASE("what the fake does not have fails the test if it is strict", "[redis_fixture]") {
    const bool is_strict = GENERATE(false, true);
    RedisUnderTest test{{.strict = is_strict}, on_the_fake};
    // Code under test that takes any error.
    try {
        (void)test.redis().execute({"SORT", "l"});
    } catch (const runnel::Error&) {
    }
    const auto found = test.finish(false);
    if (is_strict)
        CHECK(found == std::vector<std::string>{"The fake of Redis has no SORT"});
    else
        CHECK(found.empty());
}
