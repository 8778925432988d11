// SPDX-License-Identifier: MIT
// What must not look passed, with GoogleTest: runs_redis_test asks for one test at a time.
#include <runnel/redis/testing/gtest.hpp>

#include <chrono>
#include <exception>
#include <string>
#include <vector>

using namespace runnel::redis::testing;

namespace {

class Misuse : public RedisTest {};

class MisuseComplains : public RedisTest {
protected:
    MisuseComplains() {
        at_end([](RedisUnderTest&) -> std::vector<std::string> { return {"something is left"}; });
    }
};

class MisuseNeedsFake : public RedisTest {
protected:
    void SetUp() override { needs_fake(); }
};

TEST_F(Misuse, Fine) {
    EXPECT_THAT(redis().execute({"PING"}), IsStatus("PONG"));
}

TEST_F(Misuse, MovesTheTime) {
    advance(std::chrono::hours{1});
    EXPECT_TRUE(is_fake()) << "this is not reached";
}

TEST_F(Misuse, MovesTheTimeAndCatches) {
    try {
        advance(std::chrono::hours{1});
    } catch (const std::exception&) {
        SUCCEED();
    }
}

TEST_F(MisuseNeedsFake, IsNotBegun) {
    EXPECT_TRUE(is_fake()) << "this is not reached";
}

TEST_F(Misuse, Differs) {
    (void)redis().execute({"EVAL", "return 1", "0"});
    EXPECT_TRUE(is_fake());
}

TEST_F(Misuse, HidesTheDifference) {
    try {
        (void)redis().execute({"EVAL", "return 1", "0"});
    } catch (const std::exception&) {
        SUCCEED();
    }
}

TEST_F(MisuseComplains, AtItsEnd) {
    SUCCEED();
}

TEST_F(Misuse, NoReply) {
    EXPECT_THAT(redis().execute({"SUBSCRIBE", "news"}), IsNull());
}

}  // namespace
