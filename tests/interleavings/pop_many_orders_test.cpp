// SPDX-License-Identifier: MIT
// Compiled twice: over the headers, and over a copy with the fault of lock_taken_twice_test, which
// has to be found.
#if defined(WITH_FAULT) && defined(__clang__)
#    pragma clang diagnostic ignored "-Wthread-safety-analysis"  // which finds it, too
#endif

#include <runnel/blocking_list.hpp>
#include <runnel/outcome.hpp>

#include "interleavings/orders.hpp"
#include "interleavings/step_clock.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <cstddef>
#include <numeric>
#include <vector>

using namespace runnel;
using namespace runnel::test;

namespace {

#if defined(WITH_FAULT)
constexpr bool has_fault = true;
#else
constexpr bool has_fault = false;
#endif

constexpr std::size_t many = 2;
constexpr int at_first = 5;

// A list with one element at the front, and more at the back than a pop of many takes.
struct PopManyScene {
    PopManyScene() {
        push(0);
        push(1);
        (void)list.try_pop_front();  // takes over both
        for (int number = 2; number <= at_first; ++number) push(number);
    }

    void push(int number) const { (void)list.try_push_back(number); }
    void pop() {
        if (const auto popped = list.try_pop_front()) all.push_back(*popped);
    }
    void pop_many() {
        for (const int popped : list.pop_front_many(many)) all.push_back(popped);
    }

    // All from 1 to `last` came out once, or are there.
    void check(Order& order, int last) {
        while (const auto rest = list.try_pop_front()) all.push_back(*rest);
        std::ranges::sort(all);
        std::vector<int> expected(static_cast<std::size_t>(last));
        std::iota(expected.begin(), expected.end(), 1);
        order.expect(all == expected, "each comes out once");
    }

    StepClock clock;
    BlockingList<int> list{{.clock = &clock}};
    std::vector<int> all;
};

void check(const Explored& all) {
    INFO(all.failure);
    CHECK(all.has_failed() == has_fault);
    CHECK(all.fails_with("threads wait for ever") == has_fault);
}

}  // namespace

TEST_CASE("pop_front_many beside pop_front") {
    check(explore("pop_front_many against pop_front", [](Order& order) {
        PopManyScene scene;
        order.run([&] { scene.pop_many(); }, [&] { scene.pop(); });
        scene.check(order, at_first);
    }));
}

TEST_CASE("pop_front_many beside pop_front and push_back") {
    check(explore("pop_front_many against pop_front and push_back", [](Order& order) {
        PopManyScene scene;
        order.run([&] { scene.pop_many(); }, [&] { scene.pop(); },
                  [&] { scene.push(at_first + 1); });
        scene.check(order, at_first + 1);
    }));
}

TEST_CASE("two pop_front_many beside pop_front") {
    check(explore("two pop_front_many against pop_front", [](Order& order) {
        PopManyScene scene;
        order.run([&] { scene.pop_many(); }, [&] { scene.pop_many(); }, [&] { scene.pop(); });
        scene.check(order, at_first);
    }));
}
