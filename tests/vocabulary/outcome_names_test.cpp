// SPDX-License-Identifier: MIT
#include <runnel/ack.hpp>
#include <runnel/channel_options.hpp>
#include <runnel/outcome.hpp>

#include "support/catch.hpp"

using runnel::Ack;
using runnel::Disconnected;
using runnel::Ending;
using runnel::Push;

TEST_CASE("every ending has the name it has in the source", "[outcome]") {
    STATIC_REQUIRE(to_string(Ending::timed_out) == "timed_out");
    STATIC_REQUIRE(to_string(Ending::stopped) == "stopped");
    STATIC_REQUIRE(to_string(Ending::closed) == "closed");
    STATIC_REQUIRE(to_string(Ending::full) == "full");
    STATIC_REQUIRE(to_string(Ending::gone) == "gone");
    STATIC_REQUIRE(to_string(Ending::disconnected) == "disconnected");
    CHECK(to_string(static_cast<Ending>(77)) == "unknown");
}

TEST_CASE("every outcome of a push has the name it has in the source", "[outcome]") {
    STATIC_REQUIRE(to_string(Push::done) == "done");
    STATIC_REQUIRE(to_string(Push::full) == "full");
    STATIC_REQUIRE(to_string(Push::absent) == "absent");
    STATIC_REQUIRE(to_string(Push::stopped) == "stopped");
    STATIC_REQUIRE(to_string(Push::closed) == "closed");
    CHECK(to_string(static_cast<Push>(77)) == "unknown");
}

TEST_CASE("every outcome of an acknowledgement has the name it has in the source", "[outcome]") {
    STATIC_REQUIRE(to_string(Ack::done) == "done");
    STATIC_REQUIRE(to_string(Ack::stale) == "stale");
    STATIC_REQUIRE(to_string(Ack::closed) == "closed");
    CHECK(to_string(static_cast<Ack>(77)) == "unknown");
}

TEST_CASE("every outcome of a disconnect has the name it has in the source", "[outcome]") {
    STATIC_REQUIRE(to_string(Disconnected::ended) == "ended");
    STATIC_REQUIRE(to_string(Disconnected::running) == "running");
    CHECK(to_string(static_cast<Disconnected>(77)) == "unknown");
}
