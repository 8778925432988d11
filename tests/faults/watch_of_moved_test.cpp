// SPDX-License-Identifier: MIT
// Before: fails: CHECK_FALSE\( wait_any\(watches, \{\.timeout = 0s\}\) \)
//
// A watch held the address of its cursor: when the cursor was moved, it looked at what was left
// there, and a vector of cursors that grew left nothing at all.
#include <runnel/stream.hpp>
#include <runnel/wait_any.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <utility>
#include <vector>

using runnel::Cursor;
using runnel::Stream;
using runnel::wait_any;
using runnel::Watch;
using namespace std::chrono_literals;

TEST_CASE("a watch looks at the place of a cursor that was moved", "[wait_any][moved]") {
    const Stream<int> stream;
    Cursor<int> first = stream.cursor();
    std::vector<Watch> watches;
    watches.emplace_back(first);
    Cursor<int> second = std::move(first);
    stream.add(1);
    CHECK(wait_any(watches, {.timeout = 0s}));
    REQUIRE(second.try_read().size() == 1);
    CHECK_FALSE(wait_any(watches, {.timeout = 0s}));
}
