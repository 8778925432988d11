// SPDX-License-Identifier: MIT
// Before: hangs
//
// A pop takes the last element at the front of a list while a pop of many, which has seen that the
// front is not empty, waits for the front's lock. When it gets that, the front is empty, which it
// took as a sign that it does not hold the lock: it locked the front again, and waited for itself.
#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/outcome.hpp>

#include "support/catch.hpp"
#include "support/gate.hpp"
#include "support/list_locks.hpp"
#include "support/windows.hpp"

#include <cstddef>
#include <memory>
#include <vector>

using namespace runnel;
using namespace runnel::test;

namespace {

constexpr int at_the_back = 70;
constexpr std::size_t many = 64;

// A list with one element at the front, and many at the back.
struct ListInTwoParts {
    ListInTwoParts() {
        push(0);
        push(1);
        (void)list.try_pop_front();  // takes over both
        for (int number = 2; number != 2 + at_the_back; ++number) push(number);
    }

    Gate& gate() { return gate_; }
    ManualClock& clock() { return clock_; }
    std::vector<const detail::Mutex*> locks() { return locks_of(list); }
    void release() { list.close(); }
    void check() {
        REQUIRE(one == 1);
        REQUIRE(taken.size() + list.size() == at_the_back);
        for (std::size_t at = 0; at != taken.size(); ++at)
            REQUIRE(taken[at] == static_cast<int>(at) + 2);
    }

    void push(int number) { (void)list.try_push_back(Gated{number, &gate_}); }
    void pop() {
        if (const auto popped = list.try_pop_front()) one = popped->get();
    }
    void pop_many() {
        for (const Gated& popped : list.try_pop_front_many(many)) taken.push_back(popped.get());
    }

    Gate gate_;
    ManualClock clock_;
    BlockingList<Gated> list{{.clock = &clock_}};
    int one = 0;
    std::vector<int> taken;
};

}  // namespace

TEST_CASE("a pop of many that finds the front emptied meanwhile holds its lock already") {
    const auto windows = for_each_window([] { return std::make_unique<ListInTwoParts>(); },
                                         [](ListInTwoParts& scene) { scene.pop(); },
                                         [](ListInTwoParts& scene) { scene.pop_many(); });
    CHECK(windows != 0);
}
