// SPDX-License-Identifier: MIT
// Before: fails: info_of\("bob"\)\.idle == 1s
// What came in a stream was no call of a consumer that waited for it behind others: it counted as
// idle since it had begun to wait and, removed meanwhile, stayed unknown. Since Redis 7.2 whatever
// signals the stream runs its command again.
#include <runnel/consumer_group.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/streams.hpp"

#include <chrono>

using namespace std::chrono_literals;
using runnel::test::ids;
using runnel::test::NumberGroup;
using runnel::test::reading;

TEST_CASE_METHOD(NumberGroup, "each entry is a call of every consumer that waits") {
    auto first = reading(clock, ann);
    auto second = reading(clock, bob);
    clock.advance(5s);
    add({1});
    CHECK(ids(first.result()) == ids({1}));
    clock.advance(1s);
    REQUIRE(second.waits());
    CHECK(info_of("bob").idle == 1s);
}

TEST_CASE_METHOD(NumberGroup, "a consumer that was removed while it waits is there again") {
    auto first = reading(clock, ann);
    auto second = reading(clock, bob);
    group.remove_consumer("bob");
    CHECK(group.consumers().size() == 1);
    add({1});
    REQUIRE(second.waits());
    CHECK(group.consumers().size() == 2);
}
