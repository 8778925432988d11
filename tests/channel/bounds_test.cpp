// SPDX-License-Identifier: MIT
#include <runnel/detail/channel/bounds.hpp>

#include "support/catch.hpp"
#include "support/short_memory.hpp"

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <new>
#include <random>
#include <set>

using runnel::detail::Bounds;
using runnel::test::Memory;
using runnel::test::MemoryRunsOut;

namespace {

void check(const Bounds& bounds, const std::multiset<std::uint64_t>& expected) {
    REQUIRE(bounds.least() == (expected.empty() ? Bounds::unlimited : *expected.begin()));
    REQUIRE(bounds.greatest() == (expected.empty() ? 0 : *expected.rbegin()));
}

}  // namespace

TEST_CASE("bounds tell the least and the greatest, whoever comes and goes", "[channel][bounds]") {
    std::mt19937 random{5};
    Bounds bounds;
    std::multiset<std::uint64_t> expected;
    std::uint64_t most = 3;
    for (int step = 0; step != 20'000; ++step) {
        if (step % 1'000 == 0) most = 1 + random() % 50;
        const bool comes = random() % 100 < (step / 2'000 % 2 == 0 ? 60U : 40U);
        if (comes) {
            const std::uint64_t bound = random() % most == 0 ? Bounds::unlimited : random() % most;
            bounds.add(bound);
            expected.insert(bound);
        } else if (!expected.empty()) {
            auto goes = expected.begin();
            std::advance(goes, static_cast<std::ptrdiff_t>(random() % expected.size()));
            const long live = Memory::live;
            bounds.remove(*goes);
            REQUIRE(Memory::live <= live);
            expected.erase(goes);
        }
        check(bounds, expected);
    }
}

TEST_CASE("a bound that gets no memory was not added, and one that is there needs none",
          "[channel][bounds][allocation]") {
    Bounds bounds;
    bounds.add(3);
    bool has_thrown = false;
    {
        const MemoryRunsOut limit{0};
        bounds.add(3);
        bounds.remove(3);
        try {
            bounds.add(5);
        } catch (const std::bad_alloc&) {
            has_thrown = true;
        }
    }
    CHECK(has_thrown);
    check(bounds, {3});
}
