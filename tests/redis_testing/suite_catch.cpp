// SPDX-License-Identifier: MIT
// The suite of services.hpp with Catch2.
#include <runnel/redis/testing/catch.hpp>

#include "redis_testing/services.hpp"
#include "support/catch.hpp"

#include <iostream>
#include <string>

using namespace runnel::redis::testing;
using namespace runnel::test::services;

namespace {

void run(const Case& one, RedisUnderTest& redis) {
    INFO(one.name);
    Scene scene{redis, one.protocol};
    one.run(scene, one.size);
    CHECK(scene.failures().empty());
    if (!scene.failures().empty()) FAIL(scene.failures());
    REQUIRE(scene.checks() != 0);
}

}  // namespace

TEST_CASE_METHOD(Fixture, "services do what they are to do") {
    run(GENERATE(from_range(cases(false))), *this);
}

TEST_CASE_METHOD(Fixture, "services do it on time", "[fake]") {
    run(GENERATE(from_range(cases(true))), *this);
}

TEST_CASE("there are 200 of them, and each is another one") {
    std::vector<std::string> names;
    for (const bool move_time : {false, true}) {
        for (const Case& one : cases(move_time)) names.push_back(one.name);
    }
    std::ranges::sort(names);
    CHECK(names.size() >= 200);
    CHECK(std::ranges::adjacent_find(names) == names.end());
    std::cout << names.size() << " cases\n";
}
