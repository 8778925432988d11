// SPDX-License-Identifier: MIT
// The suite of services.hpp with GoogleTest.
#include <runnel/redis/testing/gtest.hpp>

#include "redis_testing/services.hpp"

#include <string>

using runnel::redis::testing::RedisTest;
using namespace runnel::test::services;

namespace {

class Services : public RedisTest, public ::testing::WithParamInterface<Case> {};

std::string name_of(const ::testing::TestParamInfo<Case>& info) {
    return info.param.name;
}

TEST_P(Services, DoWhatTheyAreToDo) {
    Scene scene{*this, GetParam().protocol};
    GetParam().run(scene, GetParam().size);
    EXPECT_EQ(scene.failures(), "");
    EXPECT_NE(scene.checks(), 0U);
}

INSTANTIATE_TEST_SUITE_P(AtAnyTime, Services, ::testing::ValuesIn(cases(false)), name_of);
INSTANTIATE_TEST_SUITE_P(OnTime, Services, ::testing::ValuesIn(cases(true)), name_of);

}  // namespace
