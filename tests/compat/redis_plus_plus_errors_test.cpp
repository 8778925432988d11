// SPDX-License-Identifier: MIT
// With the headers of redis-plus-plus in the include path, its own exceptions are thrown, and its
// own enumerations taken. The headers here are stubs: the real ones cannot be installed.

#include <runnel/clock.hpp>
#include <runnel/compat/redis_plus_plus.hpp>
#include <runnel/redis.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <concepts>
#include <sw/redis++/command_options.h>
#include <sw/redis++/errors.h>

namespace {

using namespace std::chrono_literals;
using runnel::compat::sw::Redis;

TEST_CASE("the exceptions and enumerations are those of redis-plus-plus") {
    namespace ours = runnel::compat::sw;
    STATIC_REQUIRE(std::same_as<ours::Error, sw::redis::Error>);
    STATIC_REQUIRE(std::same_as<ours::WatchError, sw::redis::WatchError>);
    STATIC_REQUIRE(std::same_as<ours::UpdateType, sw::redis::UpdateType>);
    STATIC_REQUIRE(std::same_as<ours::ListWhence, sw::redis::ListWhence>);
}

TEST_CASE("what is thrown can be caught as redis-plus-plus names it") {
    runnel::redis::Server server;
    Redis redis{server};
    redis.set("text", "x", 10s, sw::redis::UpdateType::NOT_EXIST);
    CHECK_THROWS_AS(redis.llen("text"), sw::redis::ReplyError);
    CHECK_THROWS_AS(redis.command<long long>("GET", "text"), sw::redis::ProtoError);
    const auto lost = server.faults().on("GET").nth(1).lose_reply();
    CHECK_THROWS_AS(redis.get("text"), sw::redis::ClosedError);
    auto transaction = redis.transaction();
    transaction.redis().watch("text");
    redis.set("text", "y");
    CHECK_THROWS_AS(transaction.get("text").exec(), sw::redis::WatchError);
}

TEST_CASE("a time-out is the one of redis-plus-plus") {
    runnel::ManualClock clock;
    runnel::redis::Server server{{.clock = &clock}};
    Redis redis{server, {.socket_timeout = 1s}};
    bool is_timed_out = false;
    {
        const auto thread = clock.thread([&] {
            try {
                (void)redis.blmove("a", "b", sw::redis::ListWhence::LEFT,
                                   sw::redis::ListWhence::RIGHT, 1min);
            } catch (const sw::redis::IoError& error) {
                is_timed_out = dynamic_cast<const sw::redis::TimeoutError*>(&error) != nullptr;
            }
        });
        clock.advance(1s);
    }
    CHECK(is_timed_out);
}

}  // namespace
