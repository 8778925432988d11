// SPDX-License-Identifier: MIT
// What must not look passed, with Catch2: runs_redis_test asks for one test at a time.
#include <runnel/redis/testing/catch.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <string>
#include <vector>

using namespace runnel::redis::testing;

namespace {

class Complains : public Fixture {
protected:
    Complains() {
        at_end([](RedisUnderTest&) -> std::vector<std::string> { return {"something is left"}; });
    }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "fine", "[.][fine]") {
    CHECK_THAT(redis().execute({"PING"}), IsStatus("PONG"));
}

TEST_CASE_METHOD(Fixture, "moves the time", "[.][moves]") {
    advance(std::chrono::hours{1});
    CHECK(is_fake());
}

TEST_CASE_METHOD(Fixture, "differs", "[.][differs]") {
    (void)redis().execute({"EVAL", "return 1", "0"});
    CHECK(is_fake());
}

TEST_CASE_METHOD(Fixture, "hides the difference", "[.][hides]") {
    try {
        (void)redis().execute({"EVAL", "return 1", "0"});
    } catch (...) {
    }
    CHECK(true);
}

TEST_CASE_METHOD(Complains, "complains at its end", "[.][complains]") {
    CHECK(true);
}

TEST_CASE_METHOD(Complains, "has failed before", "[.][fails]") {
    REQUIRE(redis().id() == 0);
}

TEST_CASE_METHOD(Fixture, "no reply", "[.][none]") {
    CHECK_THAT(redis().execute({"SUBSCRIBE", "news"}), IsNull());
}
