// SPDX-License-Identifier: MIT
#pragma once

// A fixture and matchers for Catch2, v2 or v3: see README.md.

#include <runnel/version.hpp>

#include <runnel/redis/options.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/testing/fixture.hpp>
#include <runnel/redis/testing/matchers.hpp>

#if __has_include(<catch2/catch.hpp>)
#    include <catch2/catch.hpp>  // v2
#elif __has_include(<catch2/catch_all.hpp>)
#    include <catch2/catch_all.hpp>  // v3
#else
#    error "runnel/redis/testing/catch.hpp needs Catch2"
#endif

#include <exception>
#include <optional>
#include <string>

namespace runnel::inline v0::redis::testing {

namespace detail {

// v2 cannot skip a test, and SKIP came with v3.3. What is left out is not to look passed.
[[noreturn]] inline void leave_out_with_catch(const std::string& reason) {
#if CATCH_VERSION_MAJOR > 2 && defined(SKIP)
    SKIP(reason);
#elif CATCH_VERSION_MAJOR > 2 && defined(CATCH_SKIP)
    CATCH_SKIP(reason);
#else
    const std::string text =
        reason + ". This Catch2 cannot skip a test: tag it [fake], and leave it out by ~[fake]";
#    if defined(CATCH_CONFIG_PREFIX_ALL)
    CATCH_FAIL(text);
#    else
    FAIL(text);
#    endif
#endif
    std::terminate();  // these have thrown
}

// Of the running test, which goes on.
inline void fail_with_catch(const std::string& text) {
#if defined(CATCH_CONFIG_PREFIX_ALL)
    CATCH_FAIL_CHECK(text);
#else
    FAIL_CHECK(text);
#endif
}

}  // namespace detail

/// A Redis without data for each test case, and each of its sections:
///
///     TEST_CASE_METHOD(runnel::redis::testing::Fixture, "a job is taken once") {
///         redis().execute({"RPUSH", "jobs", "one"});
///         auto worker = connect();
///         CHECK_THAT(worker.execute({"LPOP", "jobs"}), IsBulk("one"));
///     }
///
/// A test that calls advance(), server() or needs_fake() is skipped on a real server by v3. v2
/// cannot skip, so it fails there: tag it `[fake]`, and leave it out by `~[fake]`.
class Fixture : public RedisUnderTest {
public:
    explicit Fixture(const ServerOptions& options = {}) : RedisUnderTest{options} {}
    Fixture(const Fixture&) = delete;
    Fixture& operator=(const Fixture&) = delete;
    // By --abort a check throws where it has failed; it is reported nevertheless.
    ~Fixture() override {
        try {
            const bool has_failed = std::uncaught_exceptions() > exceptions_;
            for (const std::string& text : finish(has_failed)) detail::fail_with_catch(text);
        } catch (...) {  // NOLINT(bugprone-empty-catch)
        }
    }

protected:
    [[noreturn]] void leave_out(const std::string& reason) override {
        detail::leave_out_with_catch(reason);
    }

private:
    int exceptions_ = std::uncaught_exceptions();
};

}  // namespace runnel::inline v0::redis::testing

/// As redis-cli prints it.
template <>
struct Catch::StringMaker<std::optional<runnel::redis::Reply>> {
    static std::string convert(const std::optional<runnel::redis::Reply>& reply) {
        return reply ? to_string(*reply) : std::string{runnel::redis::testing::detail::no_reply};
    }
};
