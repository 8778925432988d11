// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>
#include <runnel/outcome.hpp>

#include "interleavings/element.hpp"
#include "interleavings/lists_in_order.hpp"
#include "interleavings/orders.hpp"
#include "interleavings/step_clock.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

using namespace runnel;
using namespace runnel::test;
using namespace std::chrono_literals;

namespace {

using Elements = std::vector<int>;

struct Places {
    explicit Places(bool is_ascending, std::size_t capacity = 100)
        : lists{make_lists(clock, capacity, is_ascending)} {}

    void note(const Popped<Element>& popped) {
        if (popped) out.push_back(popped->number());
    }
    void pop(const BlockingList<Element>& from, const WaitOptions& options = {}) {
        note(from.pop_front(options));
    }

    // Each of `in` has come out once, or is in one of the lists.
    void check(Order& order, Elements in) {
        Elements all = out;
        for (const auto& list : lists)
            while (const auto rest = list.try_pop_front()) all.push_back(rest->number());
        std::ranges::sort(all);
        std::ranges::sort(in);
        order.expect(all == in, "each is there once");
    }

    StepClock clock;
    Lists lists;
    const BlockingList<Element>& a = lists[0];
    const BlockingList<Element>& b = lists[1];
    const BlockingList<Element>& c = lists[2];
    Elements out;
};

// Runs it with the lists in both orders of their addresses.
void explore_both(const std::string& name,
                  const std::function<void(Order& order, bool is_ascending)>& scenario) {
    for (const Explored& all : explore_both_ways(name, scenario)) CHECK(all.failure == "");
}

}  // namespace

TEST_CASE("two moves in opposite directions both move an element") {
    explore_both("move against move back", [](Order& order, bool is_ascending) {
        Places at{is_ascending};
        (void)at.a.push_back(1);
        (void)at.b.push_back(2);
        order.run([&] { order.ends(at.a.move_to(at.b) ? "to" : "not to"); },
                  [&] { order.ends(at.b.move_to(at.a) ? "back" : "not back"); });
        order.expect(at.a.size() + at.b.size() == 2, "both lists together have two");
        at.check(order, {1, 2});
    });
}

TEST_CASE("two moves in opposite directions wait for the same element, and both get it") {
    explore_both("two waiting moves against push", [](Order& order, bool is_ascending) {
        Places at{is_ascending};
        order.run([&] { (void)at.a.move_to(at.b); }, [&] { (void)at.b.move_to(at.a); },
                  [&] { (void)at.a.push_back(1); });
        order.expect(at.a.size() == 1, "it went there and back");
        at.check(order, {1});
    });
}

TEST_CASE("a move that waits gets what is pushed, and a pop that waits gets what it moves") {
    explore_both("move against push and pop", [](Order& order, bool is_ascending) {
        Places at{is_ascending};
        order.run([&] { (void)at.a.move_to(at.b); }, [&] { (void)at.a.push_back(1); },
                  [&] { at.pop(at.b); });
        order.expect(at.out == Elements{1}, "it came through");
        at.check(order, {1});
    });
}

TEST_CASE("a move and a pop of its source get one element each") {
    explore_both("move against pop and pushes", [](Order& order, bool is_ascending) {
        Places at{is_ascending};
        order.run([&] { (void)at.a.move_to(at.b); }, [&] { at.pop(at.a); },
                  [&] {
                      (void)at.a.push_back(1);
                      (void)at.a.push_back(2);
                  });
        order.expect(at.out.size() == 1 && at.b.size() == 1, "one each");
        at.check(order, {1, 2});
    });
}

TEST_CASE("a move that waits for room has it once there is a pop of its target") {
    explore_both("move for room against pop and push", [](Order& order, bool is_ascending) {
        Places at{is_ascending, 1};
        (void)at.a.push_back(1);
        (void)at.b.push_back(2);
        order.run([&] { (void)at.a.move_to(at.b); }, [&] { at.pop(at.b); },
                  [&] { (void)at.a.push_back(3); });
        order.expect(at.out == Elements{2}, "the first one of the target");
        order.expect(at.a.size() == 1 && at.b.size() == 1, "both are full again");
        at.check(order, {1, 2, 3});
    });
}

TEST_CASE("what two moves in a row carry is served by the thread that pushes") {
    explore_both("chain of moves against push", [](Order& order, bool is_ascending) {
        Places at{is_ascending};
        order.run([&] { (void)at.a.move_to(at.b); }, [&] { (void)at.b.move_to(at.c); },
                  [&] { (void)at.a.push_back(1); });
        order.expect(at.c.size() == 1, "it is in the last one");
        at.check(order, {1});
    });
}

TEST_CASE("a move times out, is closed or has moved, and only then the target has the element") {
    explore_both("move against push, time-out and close", [](Order& order, bool is_ascending) {
        Places at{is_ascending};
        bool has_moved = false;
        order.run(
            [&] {
                const auto moved = at.a.move_to(at.b, {.timeout = 1ms});
                has_moved = static_cast<bool>(moved);
                if (!moved) order.ends(std::string{to_string(moved.ending())});
            },
            [&] { (void)at.a.push_back(1); }, [&] { at.b.close(); });
        order.expect(at.b.size() == (has_moved ? 1U : 0U), "it is where the call says");
        at.check(order, {1});
    });
}

TEST_CASE("a pop of two lists takes from one of them, and leaves the other alone") {
    explore_both("pop_first against two pushes", [](Order& order, bool is_ascending) {
        Places at{is_ascending};
        std::size_t which = 9;
        order.run(
            [&] {
                const auto popped = pop_first({at.a, at.b});
                if (!popped) return;
                which = popped.which();
                at.out.push_back(popped->number());
            },
            [&] { (void)at.a.push_back(0); }, [&] { (void)at.b.push_back(1); });
        order.expect(at.out.size() == 1 && at.out[0] == static_cast<int>(which), "what it says");
        order.expect(at.a.size() + at.b.size() == 1, "the other one is there");
        order.ends(which == 0 ? "first" : "second");
        at.check(order, {0, 1});
    });
}

TEST_CASE("a pop of two lists is stopped, or has taken an element of one") {
    explore_both("pop_first against push and stop", [](Order& order, bool is_ascending) {
        Places at{is_ascending};
        std::stop_source source;
        order.run(
            [&] {
                const auto popped = pop_first({at.a, at.b}, {.stop = source.get_token()});
                if (popped) at.out.push_back(popped->number());
            },
            [&] { (void)at.b.push_back(1); }, [&] { source.request_stop(); });
        order.ends(at.out.empty() ? "stopped" : "popped");
        at.check(order, {1});
    });
}
