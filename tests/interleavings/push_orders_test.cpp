// SPDX-License-Identifier: MIT
// Coroutines that begin to push to a full list while others pop from it.
#include <runnel/awaitable.hpp>
#include <runnel/blocking_list.hpp>
#include <runnel/outcome.hpp>
#include <runnel/runner.hpp>

#include "interleavings/element.hpp"
#include "interleavings/lists_in_order.hpp"
#include "interleavings/orders.hpp"
#include "interleavings/step_clock.hpp"
#include "support/catch.hpp"
#include "support/coroutines.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

using namespace runnel;
using namespace runnel::test;
using namespace std::chrono_literals;

namespace {

using List = BlockingList<Element>;
using Numbers = std::vector<int>;

constexpr Extent extent{.orders = 20'000, .drawn = 5'000};

// These refer to their arguments.
Coroutine put(const List& list, int number, std::optional<Push>& ending, WaitOptions options = {}) {
    Element element{number};
    ending = co_await list.async_push_back(std::move(element), options);
}
Coroutine put_two(const List& list) {
    for (const int number : {1, 2}) {
        Element element{number};
        (void)co_await list.async_push_back(std::move(element));
    }
}
Coroutine take(const List& list, Numbers& got, WaitOptions options = {}) {
    const auto popped = co_await list.async_pop_front(options);
    if (popped) got.push_back(popped->number());
}
Coroutine take_two(const List& list, Numbers& got) {
    for (int left = 2; left != 0; --left) {
        const auto popped = co_await list.async_pop_front();
        if (popped) got.push_back(popped->number());
    }
}
Coroutine move(const List& from, const List& to, bool& has_moved) {
    const auto moved = co_await from.async_move_to(to);
    has_moved = moved.has_value();
}

// A list that is full of 1, 2, ...
struct FullScene {
    // At the front, a pop has taken over all but the last one.
    FullScene(std::size_t capacity, bool at_front) : list{{.capacity = capacity, .clock = &clock}} {
        if (at_front) {
            for (int number = 0; list.size() != capacity; ++number, ++last)
                (void)list.try_push_back(number);
            (void)list.try_pop_front();
            last -= 1;
        }
        while (list.size() != capacity) (void)list.try_push_back(++last);
    }

    void pop(Numbers& into) const {
        if (const auto popped = list.try_pop_front()) into.push_back(popped->number());
    }
    // All up to `last` were taken once, each in order, or are left; and nobody waits in vain.
    void check(Order& order, const std::vector<Numbers>& taken) {
        const auto stats = list.stats();
        order.expect(stats.blocked_pushes == 0 || stats.size == list.options().capacity,
                     "no push is stuck");
        order.expect(stats.blocked_pops == 0 || stats.size == 0, "no pop is stuck");
        list.close();
        Numbers all;
        while (const auto popped = list.try_pop_front()) all.push_back(popped->number());
        order.expect(std::ranges::is_sorted(all), "what is left is in order");
        for (const Numbers& some : taken) {
            order.expect(std::ranges::is_sorted(some), "what one has taken is in order");
            all.insert(all.end(), some.begin(), some.end());
        }
        std::ranges::sort(all);
        Numbers expected;
        for (int number = 1; number <= last; ++number) expected.push_back(number);
        order.expect(all == expected, "each was taken once, or is there");
    }

    StepClock clock;
    List list;
    int last = 0;
    std::optional<Push> ending;
    Numbers got;
    std::stop_source stop;
};

}  // namespace

TEST_CASE("a push gets the room that a pop makes while it gets into line") {
    const bool at_front = GENERATE(false, true);
    const bool is_thread = GENERATE(false, true);
    const auto all = explore(
        std::string{"start of a push against the pop of a "} +
            (is_thread ? "thread" : "coroutine") + (at_front ? " at the front" : ""),
        [&](Order& order) {
            FullScene scene{2, at_front};
            Coroutine push;
            Coroutine pop;
            const int number = ++scene.last;
            order.run([&] { push = put(scene.list, number, scene.ending); },
                      [&] {
                          if (is_thread) scene.pop(scene.got);
                          if (!is_thread) pop = take(scene.list, scene.got);
                      });
            order.expect(scene.ending == Push::done, "it is done");
            order.expect(scene.got.size() == 1, "one was taken");
            scene.check(order, {scene.got});
        },
        extent);
    CHECK(all.failure == "");
}

TEST_CASE("two pops serve two pushes that wait") {
    const bool at_front = GENERATE(false, true);
    const auto all = explore(
        std::string{"two pops against two pushes"} + (at_front ? " at the front" : ""),
        [&](Order& order) {
            FullScene scene{3, at_front};
            std::optional<Push> second;
            Numbers other;
            const Coroutine push = put(scene.list, ++scene.last, scene.ending);
            const Coroutine later = put(scene.list, ++scene.last, second);
            Coroutine pop;
            order.run([&] { pop = take(scene.list, scene.got); }, [&] { scene.pop(other); });
            order.expect(scene.ending == Push::done && second == Push::done, "both are in");
            order.expect(scene.got.size() == 1 && other.size() == 1, "each has one");
            scene.check(order, {scene.got, other});
        },
        extent);
    CHECK(all.failure == "");
}

TEST_CASE("a push that begins ends once, by a pop, or a time-out, a stop or a close") {
    const std::string how = GENERATE("timed out", "stopped", "closed");
    const auto all = explore(
        "start of a push against a pop and " + how,
        [&](Order& order) {
            FullScene scene{2, true};
            Runner runner{scene.clock};
            WaitOptions options;
            if (how == "timed out") options.timeout = 1ms;
            if (how == "stopped") options.stop = scene.stop.get_token();
            Coroutine push;
            Coroutine pop;
            const int number = scene.last + 1;
            order.run([&] { push = put(scene.list, number, scene.ending, options); },
                      [&] { pop = take(scene.list, scene.got); },
                      [&] {
                          if (how == "closed") scene.list.close();
                          if (how == "stopped") scene.stop.request_stop();
                          if (how != "timed out") return;
                          move_time(present() + 1ms);
                          (void)runner.run_due();
                      });
            order.expect(push.done() && scene.ending, "it has ended");
            if (scene.ending == Push::done) ++scene.last;
            order.ends(std::string{to_string(*scene.ending)});
            scene.check(order, {scene.got});
        },
        extent);
    CHECK(all.failure == "");
    CHECK(all.ends("done"));
    CHECK(all.outcomes.size() == 2);
}

TEST_CASE("two messages go through a list that holds one") {
    const auto all = explore(
        "two pushes against two pops",
        [](Order& order) {
            FullScene scene{1, false};
            scene.pop(scene.got);
            scene.got.clear();
            Coroutine pushes;
            Coroutine pops;
            order.run([&] { pushes = put_two(scene.list); },
                      [&] { pops = take_two(scene.list, scene.got); });
            order.expect(pushes.done() && pops.done(), "all is done");
            order.expect(scene.got == Numbers{1, 2}, "in order");
        },
        extent);
    CHECK(all.failure == "");
}

TEST_CASE("a pop does not overtake a move that waits for the element") {
    const bool may_wait = GENERATE(false, true);
    const auto all = explore_both_ways(
        std::string{"a pop behind a move"} + (may_wait ? "" : ", without waiting"),
        [&](Order& order, bool is_ascending) {
            StepClock clock;
            const Lists lists = make_lists(clock, 2, is_ascending);
            bool has_moved = false;
            Numbers got;
            const Coroutine moves = move(lists[0], lists[1], has_moved);
            Coroutine pop;
            const WaitOptions options =
                may_wait ? WaitOptions{} : WaitOptions{.timeout = 0ms, .stop = {}};
            order.run([&] { (void)lists[0].try_push_back(1); },
                      [&] { pop = take(lists[0], got, options); });
            order.expect(has_moved && got.empty(), "the move has it");
            for (const List& list : lists) list.close();
        });
    for (const Explored& one : all) CHECK(one.failure == "");
}
