// SPDX-License-Identifier: MIT
#pragma once

// A fixture and matchers for GoogleTest, 1.12 or later: see README.md.

#include <runnel/version.hpp>

#include <runnel/redis/options.hpp>
#include <runnel/redis/testing/fixture.hpp>
#include <runnel/redis/testing/matchers.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <string>

namespace runnel::inline v0::redis::testing {

/// A Redis without data for each test:
///
///     using runnel::redis::testing::RedisTest;
///
///     TEST_F(RedisTest, AJobIsTakenOnce) {
///         redis().execute({"RPUSH", "jobs", "one"});
///         auto worker = connect();
///         EXPECT_THAT(worker.execute({"LPOP", "jobs"}), IsBulk("one"));
///     }
///
/// A test that calls advance(), server() or needs_fake() is skipped on a real server, and counted
/// as such. A fixture all of whose tests need the fake calls needs_fake() in its SetUp().
///
/// A fixture that has a TearDown() of its own calls that of RedisTest at its end.
class RedisTest : public ::testing::Test, public RedisUnderTest {
protected:
    explicit RedisTest(const ServerOptions& options = {}) : RedisUnderTest{options} {}

    void TearDown() override {
        for (const std::string& text : finish(HasFailure())) ADD_FAILURE() << text;
    }

    // GTEST_SKIP() returns from one function only. What it has reported stays, and this exception
    // is the one that GoogleTest takes as reported.
    [[noreturn]] void leave_out(const std::string& reason) override {
        using ::testing::TestPartResult;
        [&] { GTEST_SKIP() << reason; }();
        throw ::testing::AssertionException{
            TestPartResult{TestPartResult::kSkip, __FILE__, __LINE__, reason.c_str()}};
    }
};

}  // namespace runnel::inline v0::redis::testing
