// SPDX-License-Identifier: MIT
// Before: does not compile: has no member named .*missed
// What was trimmed before a group or a cursor had seen it vanished without a word.
#include <runnel/consumer_group.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/streams.hpp"

using runnel::test::ids;
using runnel::test::NumberGroup;

TEST_CASE_METHOD(NumberGroup, "a group is told how many entries it has missed") {
    add_range(1, 9);
    REQUIRE(ann.try_read({.count = 2}).missed() == 0);
    REQUIRE(stream.trim({.count = 3}) == 6);
    const auto batch = bob.try_read();
    CHECK(ids(batch) == ids({7, 8, 9}));
    CHECK(batch.missed() == 4);
    CHECK(batch.missed_is_exact());
}

TEST_CASE_METHOD(NumberGroup, "a cursor is told how many entries it has missed") {
    auto cursor = stream.cursor();
    add_range(1, 9);
    REQUIRE(cursor.try_read({.count = 2}).missed() == 0);
    REQUIRE(stream.trim({.count = 3}) == 6);
    const auto batch = cursor.try_read();
    CHECK(batch.front().id == runnel::StreamId{7});
    CHECK(batch.missed() == 4);
    CHECK(batch.missed_is_exact());
}
