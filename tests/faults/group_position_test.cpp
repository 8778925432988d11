// SPDX-License-Identifier: MIT
// Before: fails: REQUIRE\( read\.waits\(\) \)
// After the position of a group was set back, whatever a consumer did served a read that waited; in
// Redis only the next add does.
#include <runnel/consumer_group.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/streams.hpp"

#include <chrono>

using namespace std::chrono_literals;
using runnel::Ack;
using runnel::From;
using runnel::test::ids;
using runnel::test::reading;
using runnel::test::ThreePending;

TEST_CASE_METHOD(ThreePending, "only the next entry serves who waits since before a group was set "
                               "back") {
    const auto held = ann.history();
    auto read = reading(clock, bob);
    group.set_position(From::start);
    SECTION("an acknowledgement") {
        CHECK(group.ack({{1}}) == 1);
    }
    SECTION("one of a delivery") {
        CHECK(held[0].ack() == Ack::done);
    }
    SECTION("a release") {
        CHECK(held[0].nack() == Ack::done);
    }
    SECTION("an extension") {
        CHECK(held[0].extend() == Ack::done);
    }
    SECTION("a claim") {
        CHECK_FALSE(ann.claim({{9}}, {.min_idle = 0s}));
    }
    SECTION("a history") {
        CHECK(ann.history());
    }
    SECTION("a removal of a consumer") {
        CHECK(group.remove_consumer("ann") == 3);
    }
    SECTION("a trim") {
        CHECK(stream.trim({.count = 2}) == 1);
    }
    REQUIRE(read.waits());
    add({4});
    CHECK(read.result().back().id == runnel::StreamId{4});
}
