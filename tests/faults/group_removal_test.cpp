// SPDX-License-Identifier: MIT
// Before: fails: REQUIRE_FALSE\( read\.waits\(\) \)
// When a group of a stream is removed, Redis runs the waiting reads of its other groups again: one
// whose position was set back delivers. It went on waiting for the next entry.
#include <runnel/consumer_group.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/streams.hpp"

using runnel::From;
using runnel::StreamId;
using runnel::test::reading;
using runnel::test::ThreePending;

TEST_CASE_METHOD(ThreePending, "the removal of a group serves who waits in one that was set back") {
    const auto other = stream.group("other");
    auto read = reading(clock, bob);
    group.set_position(From::start);
    REQUIRE(read.waits());
    CHECK(stream.remove_group("other"));
    REQUIRE_FALSE(read.waits());
    CHECK(read.result().front().id == StreamId{1});
}
