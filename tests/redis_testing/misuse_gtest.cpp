// SPDX-License-Identifier: MIT
// What must not look passed, with GoogleTest: runs_redis_test runs it.
#include <runnel/redis/testing/gtest.hpp>

#include <chrono>
#include <exception>
#include <string>
#include <vector>

using namespace runnel::redis::testing;

namespace {

class Complains : public RedisTest {
protected:
    Complains() {
        at_end([](RedisUnderTest&) -> std::vector<std::string> { return {"something is left"}; });
    }
};

class NeedsFake : public RedisTest {
protected:
    void SetUp() override { needs_fake(); }
};

TEST_F(RedisTest, Fine) {
    EXPECT_THAT(redis().execute({"PING"}), IsStatus("PONG"));
}

TEST_F(RedisTest, MovesTheTime) {
    advance(std::chrono::hours{1});
    EXPECT_TRUE(is_fake()) << "this is not reached";
}

TEST_F(RedisTest, MovesTheTimeAndCatches) {
    try {
        advance(std::chrono::hours{1});
    } catch (const std::exception&) {
        SUCCEED();
    }
}

TEST_F(NeedsFake, IsNotBegun) {
    EXPECT_TRUE(is_fake()) << "this is not reached";
}

TEST_F(RedisTest, Differs) {
    (void)redis().execute({"EVAL", "return 1", "0"});
    EXPECT_TRUE(is_fake());
}

TEST_F(RedisTest, HidesTheDifference) {
    try {
        (void)redis().execute({"EVAL", "return 1", "0"});
    } catch (const std::exception&) {
        SUCCEED();
    }
}

TEST_F(Complains, AtItsEnd) {
    SUCCEED();
}

TEST_F(RedisTest, NoReply) {
    EXPECT_THAT(redis().execute({"SUBSCRIBE", "news"}), IsNull());
}

}  // namespace
