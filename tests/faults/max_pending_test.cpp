// SPDX-License-Identifier: MIT
// Before: fails: ids\(cid\.try_read\(\)\) == ids\(\{4\}\)
// Entries that were trimmed while pending counted against `max_pending`: nobody could acknowledge
// them any more, and the consumer waited for ever without a word.
#include <runnel/consumer_group.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/streams.hpp"

using runnel::test::Ids;
using runnel::test::ids;
using runnel::test::NumberGroup;
using runnel::test::reading;

TEST_CASE_METHOD(NumberGroup, "what was trimmed while pending leaves room for more") {
    const auto cid = group.consumer("cid", {.max_pending = 2});
    add({1, 2, 3, 4});
    REQUIRE(cid.try_read().size() == 2);
    REQUIRE(stream.trim({.count = 1}) == 3);
    CHECK(ids(cid.try_read()) == ids({4}));
    CHECK(group.pending().count == 1);
}

TEST_CASE_METHOD(NumberGroup, "a trim serves who waits for that room, and the result says why") {
    const auto cid = group.consumer("cid", {.max_pending = 2});
    add({1, 2, 3, 4});
    REQUIRE(cid.try_read().size() == 2);
    auto read = reading(clock, cid);
    REQUIRE(read.waits());
    REQUIRE(stream.trim({.count = 2}) == 2);
    REQUIRE_FALSE(read.waits());
    CHECK(ids(read.result()) == ids({3, 4}));
    CHECK(read.result().lost() == ids({1, 2}));
}
