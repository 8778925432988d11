// SPDX-License-Identifier: MIT
//
// Unit tests of a service that talks to Redis, with Catch2. They run on the fake, which needs no
// server and lets an hour pass at once. The environment says whether they run on a real server
// instead, or on both, and compare:
//
//     redis_fixture
//     RUNNEL_REDIS_SOCKET=/run/redis/redis.sock redis_fixture '~[fake]'
//     RUNNEL_REDIS_COMPARE=/run/redis/redis.sock redis_fixture '~[fake]'

#define CATCH_CONFIG_MAIN

#include <runnel/redis/testing/catch.hpp>

#include <chrono>
#include <string>

namespace {

using namespace std::chrono_literals;
using namespace runnel::redis::testing;

// [readme]
TEST_CASE_METHOD(Fixture, "a job is taken once") {
    redis().execute({"RPUSH", "jobs", "one"});
    Client worker = connect();
    CHECK_THAT(worker.execute({"LPOP", "jobs"}), IsBulk("one"));
    CHECK_THAT(worker.execute({"LPOP", "jobs"}), IsNull());
}
// [/readme]

// [readme]
TEST_CASE_METHOD(Fixture, "who waits is served in turn") {
    Client first = connect();
    Client second = connect();
    const auto job = first.submit({"BLPOP", "jobs", "0"});  // waits, and blocks no thread
    const auto next = second.submit({"BLPOP", "jobs", "0"});
    redis().execute({"RPUSH", "jobs", "one"});
    CHECK_THAT(job.try_get(), IsStrings({"jobs", "one"}));
    CHECK(!next.ready());
}
// [/readme]

// The service: who is logged in.
template <typename Redis>
class Sessions {
public:
    explicit Sessions(Redis& redis) : redis_{redis} {}

    void begin(const std::string& id, const std::string& user) {
        redis_.execute({"SET", "session:" + id, user, "EX", "3600"});
    }
    bool knows(const std::string& id) {
        const auto user = redis_.execute({"GET", "session:" + id});
        return user && !user->is_null();
    }

private:
    Redis& redis_;
};

// [readme]
TEST_CASE_METHOD(Fixture, "a session lasts for an hour", "[fake]") {
    Sessions sessions{redis()};
    sessions.begin("1", "ann");
    advance(1h - 1ms);
    CHECK(sessions.knows("1"));
    advance(1ms);
    CHECK_FALSE(sessions.knows("1"));
}
// [/readme]

TEST_CASE_METHOD(Fixture, "replies can be matched") {
    redis().execute({"HSET", "user", "name", "ann", "age", "30"});
    // [readme]
    CHECK_THAT(redis().execute({"SET", "user:1", "ann"}), IsOk());
    CHECK_THAT(redis().execute({"LPOP", "user:1"}), IsError("WRONGTYPE"));
    CHECK_THAT(redis().execute({"HGETALL", "user"}), HasField("age", !IsBulk("31")));
    // [/readme]
}

}  // namespace
