// SPDX-License-Identifier: MIT
// Before: fails: early\.popped == 7
//
// The options of a call without options were made by a constructor of their own. In a constructor
// that ran before it their time-out was made of zero bits, which meant not to wait at all.
#include <runnel/blocking_list.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"

#include <atomic>
#include <cstdlib>
#include <optional>
#include <thread>

namespace {

// What a pop without options takes from a list that is empty when it begins; nothing: it did not
// wait.
std::optional<int> popped_after_a_wait() {
    runnel::BlockingList<int> list;
    std::atomic<bool> returned = false;
    const std::jthread sender{[&] {
        runnel::test::eventually([&] { return returned || list.stats().blocked_pops == 1; });
        (void)list.push_back(7);
    }};
    std::optional<int> value;
    if (const auto popped = list.pop_front()) value = *popped;
    returned = true;
    return value;
}

// Made before every object that does not ask for a priority, and destroyed after it.
struct Early {
    std::optional<int> popped = popped_after_a_wait();

    Early() = default;
    Early(const Early&) = delete;
    Early& operator=(const Early&) = delete;
    ~Early() {
        if (popped_after_a_wait() != 7) std::_Exit(EXIT_FAILURE);
    }
};
[[gnu::init_priority(101)]] Early early;

}  // namespace

TEST_CASE("a pop in a constructor that runs before all others waits", "[fault]") {
    CHECK(early.popped == 7);
}
