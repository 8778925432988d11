// SPDX-License-Identifier: MIT
//
// A unit test of what talks to Redis, with GoogleTest: see redis_fixture.cpp.

#include <runnel/redis/testing/gtest.hpp>

#include <chrono>

namespace {

using namespace std::chrono_literals;
using namespace runnel::redis::testing;

// [readme]
TEST_F(RedisTest, AJobIsTakenOnce) {
    redis().execute({"RPUSH", "jobs", "one"});
    Client worker = connect();
    EXPECT_THAT(worker.execute({"LPOP", "jobs"}), IsBulk("one"));
    EXPECT_THAT(worker.execute({"LPOP", "jobs"}), IsNull());
}
// [/readme]

TEST_F(RedisTest, ASessionLastsForAnHour) {
    redis().execute({"SET", "session:1", "ann", "EX", "3600"});
    advance(1h);  // on a real server the test ends here, and is skipped
    EXPECT_THAT(redis().execute({"GET", "session:1"}), IsNull());
}

}  // namespace
