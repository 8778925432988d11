// SPDX-License-Identifier: MIT
// Coroutines that wait for lists are destroyed while something else ends their waits.
#include <runnel/awaitable.hpp>
#include <runnel/blocking_list.hpp>
#include <runnel/outcome.hpp>
#include <runnel/runner.hpp>

#include "interleavings/element.hpp"
#include "interleavings/lists_in_order.hpp"
#include "interleavings/orders.hpp"
#include "interleavings/owned_coroutine.hpp"
#include "interleavings/step_clock.hpp"
#include "support/catch.hpp"
#include "support/coroutines.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
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

// What a coroutine got.
struct Outcome {
    Numbers got;
    std::optional<Ending> ending;

    void note(const Popped<Element>& popped) {
        if (popped) {
            got.push_back(popped->number());
        } else {
            ending = popped.ending();
        }
    }
};

// These refer to their arguments.
Coroutine take(OwnedCoroutine& owner, const List& list, Outcome& outcome,
               WaitOptions options = {}) {
    outcome.note(co_await list.async_pop_front(options).on(owner.executor()));
}
Coroutine take_here(const List& list, Outcome& outcome, WaitOptions options = {}) {
    outcome.note(co_await list.async_pop_front(options));
}
Coroutine take_many(OwnedCoroutine& owner, const List& list, Numbers& got) {
    const auto batch = co_await list.async_pop_front_many(2).on(owner.executor());
    for (const Element& element : batch) got.push_back(element.number());
}
Coroutine put(OwnedCoroutine& owner, const List& list, int number, std::optional<Push>& ending) {
    Element element{number};
    ending = co_await list.async_push_back(std::move(element)).on(owner.executor());
}

struct AbandonScene {
    explicit AbandonScene(std::size_t capacity = 100)
        : list{{.capacity = capacity, .clock = &clock}} {}

    void push(int number) const { (void)list.push_back(number); }

    // All from 1 to `last` were taken once, or are there.
    void check(Order& order, int last, Numbers taken) {
        left = elements();
        taken.insert(taken.end(), left.begin(), left.end());
        std::ranges::sort(taken);
        Numbers expected;
        for (int number = 1; number <= last; ++number) expected.push_back(number);
        order.expect(taken == expected, "each was taken once, or is there");
    }
    [[nodiscard]] Numbers elements() const {
        Numbers all;
        while (const auto popped = list.try_pop_front()) all.push_back(popped->number());
        return all;
    }

    StepClock clock;
    List list;
    OwnedCoroutine one;
    Outcome outcome;
    Numbers left;
};

}  // namespace

TEST_CASE("an element that a destroyed wait was served with is there again") {
    const auto all = explore("abandon against serve", [](Order& order) {
        AbandonScene scene;
        scene.one.coroutine = take(scene.one, scene.list, scene.outcome);
        order.run([&] { scene.push(1); }, [&] { scene.one.destroy(); });
        scene.check(order, 1, {});
    });
    CHECK(all.failure == "");
}

TEST_CASE("a wait is destroyed, or has gone on with its element") {
    const auto all = explore("abandon or go on against serve", [](Order& order) {
        AbandonScene scene;
        scene.one.coroutine = take(scene.one, scene.list, scene.outcome);
        order.run([&] { scene.push(1); }, [&] { scene.one.run_or_destroy(); });
        scene.check(order, 1, scene.outcome.got);
        order.ends(scene.outcome.got.empty() ? "given back" : "taken");
    });
    CHECK(all.failure == "");
    CHECK(all.ends("given back"));
    CHECK(all.ends("taken"));
}

TEST_CASE("the next in line gets what a destroyed wait was served with") {
    const auto all = explore("abandon against serve and a pop", [](Order& order) {
        AbandonScene scene;
        Outcome next;
        scene.one.coroutine = take(scene.one, scene.list, scene.outcome);
        order.run([&] { scene.push(1); }, [&] { scene.one.destroy(); },
                  [&] { next.note(scene.list.pop_front()); });
        order.expect(next.got == Numbers{1}, "it has it");
        scene.check(order, 1, next.got);
    });
    CHECK(all.failure == "");
}

TEST_CASE("elements that a destroyed wait was served with are in their order again") {
    const auto all = explore("abandon of many against serve", [](Order& order) {
        AbandonScene scene;
        Numbers got;
        scene.one.coroutine = take_many(scene.one, scene.list, got);
        std::array<Element, 3> numbers{1, 2, 3};
        order.run([&] { (void)scene.list.push_back_many(numbers); },
                  [&] { scene.one.run_or_destroy(); });
        order.ends(got.empty() ? "given back" : "taken");
        scene.check(order, 3, got);
        order.expect(std::ranges::is_sorted(scene.left), "in their order");
    });
    CHECK(all.failure == "");
    CHECK(all.ends("given back"));
    CHECK(all.ends("taken"));
}

TEST_CASE("a wait is destroyed while it times out, and an element comes") {
    const auto all = explore("abandon against time-out and serve", [](Order& order) {
        AbandonScene scene;
        Runner runner{scene.clock};
        scene.one.coroutine = take(scene.one, scene.list, scene.outcome, {.timeout = 1ms});
        order.run([&] { scene.push(1); }, [&] { scene.one.run_or_destroy(); },
                  [&] {
                      move_time(present() + 1ms);
                      (void)runner.run_due();
                  });
        order.ends(scene.outcome.ending        ? "timed out"
                   : scene.outcome.got.empty() ? "destroyed"
                                               : "taken");
        scene.check(order, 1, scene.outcome.got);
        order.expect(!runner.next_deadline(), "no deadline is left");
    });
    CHECK(all.failure == "");
    CHECK(all.ends("timed out"));
    CHECK(all.ends("destroyed"));
    CHECK(all.ends("taken"));
}

TEST_CASE("a wait is destroyed while it is stopped, and an element comes") {
    const auto all = explore("abandon against stop and serve", [](Order& order) {
        AbandonScene scene;
        std::stop_source source;
        scene.one.coroutine =
            take(scene.one, scene.list, scene.outcome, {.stop = source.get_token()});
        order.run([&] { scene.push(1); }, [&] { scene.one.run_or_destroy(); },
                  [&] { source.request_stop(); });
        order.ends(scene.outcome.ending        ? "stopped"
                   : scene.outcome.got.empty() ? "destroyed"
                                               : "taken");
        scene.check(order, 1, scene.outcome.got);
    });
    CHECK(all.failure == "");
    CHECK(all.ends("stopped"));
    CHECK(all.ends("destroyed"));
    CHECK(all.ends("taken"));
}

TEST_CASE("a wait is destroyed while the list is closed, and an element comes") {
    const auto all = explore("abandon against close and serve", [](Order& order) {
        AbandonScene scene;
        Push ending = Push::absent;
        scene.one.coroutine = take(scene.one, scene.list, scene.outcome);
        order.run([&] { ending = scene.list.push_back(1); }, [&] { scene.one.run_or_destroy(); },
                  [&] { scene.list.close(); });
        scene.check(order, ending == Push::done ? 1 : 0, scene.outcome.got);
        order.expect(scene.list.drained(), "nothing is under way");
        order.ends(scene.outcome.ending ? "closed" : "destroyed, or taken");
    });
    CHECK(all.failure == "");
    CHECK(all.ends("closed"));
}

TEST_CASE("a coroutine that goes on destroys another one, which another thread serves") {
    const auto all = explore_both_ways(
        "abandon by a coroutine against serve", [](Order& order, bool is_ascending) {
            StepClock clock;
            const Lists lists = make_lists(clock, 100, is_ascending);
            OwnedCoroutine other;
            Outcome first;
            Outcome second;
            other.coroutine = take(other, lists[1], second);
            const auto destroy_other = [](const List& list, Outcome& outcome,
                                          OwnedCoroutine& owned) -> Coroutine {
                outcome.note(co_await list.async_pop_front());
                owned.destroy();
            };
            const Coroutine one = destroy_other(lists[0], first, other);
            order.run([&] { (void)lists[0].push_back(1); }, [&] { (void)lists[1].push_back(2); });
            order.expect(first.got == Numbers{1}, "the first has gone on");
            order.expect(lists[1].size() == 1, "what the second was served with is there");
        });
    for (const Explored& one : all) CHECK(one.failure == "");
}

TEST_CASE("a wait is destroyed that stands behind another one in the list of a thread that ends") {
    const auto all = explore("abandon against two that are served at once", [](Order& order) {
        AbandonScene scene;
        Outcome first;
        const Coroutine before = take_here(scene.list, first);
        scene.one.coroutine = take(scene.one, scene.list, scene.outcome);
        std::array<Element, 2> numbers{1, 2};
        order.run([&] { (void)scene.list.push_back_many(numbers); },
                  [&] { scene.one.run_or_destroy(); });
        order.expect(first.got == Numbers{1}, "the first has gone on");
        Numbers taken = first.got;
        taken.insert(taken.end(), scene.outcome.got.begin(), scene.outcome.got.end());
        order.ends(scene.outcome.got.empty() ? "given back" : "taken");
        scene.check(order, 2, taken);
    });
    CHECK(all.failure == "");
    CHECK(all.ends("given back"));
    CHECK(all.ends("taken"));
}

TEST_CASE("a push that waits for room is destroyed, or done, while room is made") {
    const auto all = explore("abandon of a push against pop", [](Order& order) {
        AbandonScene scene{1};
        scene.push(1);
        std::optional<Push> ending;
        Outcome popped;
        scene.one.coroutine = put(scene.one, scene.list, 2, ending);
        order.run([&] { popped.note(scene.list.pop_front()); },
                  [&] { scene.one.run_or_destroy(); });
        order.expect(popped.got == Numbers{1}, "the first");
        Numbers left = scene.elements();
        order.expect(left.empty() || left == Numbers{2}, "the second, or nothing");
        if (ending) order.expect(left == Numbers{2}, "what is done is there");
        order.ends(ending ? "done" : left.empty() ? "destroyed" : "destroyed, and done");
    });
    CHECK(all.failure == "");
    CHECK(all.ends("done"));
    CHECK(all.ends("destroyed"));
    CHECK(all.ends("destroyed, and done"));
}

TEST_CASE("a move that waits is destroyed, or done, and the element is in one of the lists") {
    const auto all = explore_both_ways(
        "abandon of a move against push and pop", [](Order& order, bool is_ascending) {
            StepClock clock;
            const Lists lists = make_lists(clock, 100, is_ascending);
            OwnedCoroutine owned;
            bool has_moved = false;
            const auto move = [](OwnedCoroutine& owner, const List& from, const List& to,
                                 bool& done) -> Coroutine {
                done = static_cast<bool>(co_await from.async_move_to(to).on(owner.executor()));
            };
            owned.coroutine = move(owned, lists[0], lists[1], has_moved);
            Outcome popped;
            order.run([&] { (void)lists[0].push_back(1); }, [&] { owned.run_or_destroy(); },
                      [&] { popped.note(lists[1].try_pop_front()); });
            const std::size_t there = popped.got.size() + lists[1].size();
            order.expect(lists[0].size() + there == 1, "it is somewhere, once");
            if (has_moved) order.expect(there == 1, "what is done is there");
            order.ends(has_moved ? "done" : there == 1 ? "destroyed, and done" : "destroyed");
        });
    for (const Explored& one : all) {
        CHECK(one.failure == "");
        CHECK(one.ends("done"));
        CHECK(one.ends("destroyed"));
        CHECK(one.ends("destroyed, and done"));
    }
}

TEST_CASE("a wait for the first of two lists is destroyed while both are pushed to") {
    const auto all = explore_both_ways(
        "abandon of pop_first against two pushes", [](Order& order, bool is_ascending) {
            StepClock clock;
            const Lists lists = make_lists(clock, 100, is_ascending);
            OwnedCoroutine owned;
            Outcome outcome;
            const auto take_first = [](OwnedCoroutine& owner, std::array<List, 2> from,
                                       Outcome& result) -> Coroutine {
                const auto popped = co_await async_pop_first(from).on(owner.executor());
                if (popped) result.got.push_back(popped->number());
            };
            owned.coroutine = take_first(owned, {lists[0], lists[1]}, outcome);
            order.run([&] { (void)lists[0].push_back(1); }, [&] { owned.run_or_destroy(); },
                      [&] { (void)lists[1].push_back(2); });
            order.expect(lists[0].size() + lists[1].size() + outcome.got.size() == 2,
                         "each is somewhere, once");
            order.ends(outcome.got.empty() ? "given back" : "taken");
        });
    for (const Explored& one : all) {
        CHECK(one.failure == "");
        CHECK(one.ends("given back"));
        CHECK(one.ends("taken"));
    }
}

TEST_CASE("a wait begins while an element comes: it goes on once") {
    const auto all = explore("start against serve", [](Order& order) {
        AbandonScene scene;
        Coroutine coroutine;
        order.run([&] { coroutine = take_here(scene.list, scene.outcome); },
                  [&] { scene.push(1); });
        order.expect(coroutine.done() && scene.outcome.got == Numbers{1}, "it has it");
    });
    CHECK(all.failure == "");
}

TEST_CASE("a wait begins while the list is closed and an element comes: it goes on once") {
    const auto all = explore("start against serve and close", [](Order& order) {
        AbandonScene scene;
        Coroutine coroutine;
        Push ending = Push::absent;
        order.run([&] { coroutine = take_here(scene.list, scene.outcome); },
                  [&] { ending = scene.list.push_back(1); }, [&] { scene.list.close(); });
        order.expect(coroutine.done(), "it has gone on");
        order.ends(scene.outcome.ending ? "closed" : "taken");
        scene.check(order, ending == Push::done ? 1 : 0, scene.outcome.got);
        order.expect(scene.left.empty(), "it has what was pushed");
    });
    CHECK(all.failure == "");
    CHECK(all.ends("closed"));
    CHECK(all.ends("taken"));
}

TEST_CASE("a wait begins while it is stopped and an element comes: it goes on once") {
    const auto all = explore("start against serve and stop", [](Order& order) {
        AbandonScene scene;
        std::stop_source source;
        Coroutine coroutine;
        order.run(
            [&] { coroutine = take_here(scene.list, scene.outcome, {.stop = source.get_token()}); },
            [&] { scene.push(1); }, [&] { source.request_stop(); });
        order.expect(coroutine.done(), "it has gone on");
        order.expect(scene.outcome.got.size() + (scene.outcome.ending ? 1 : 0) == 1, "once");
        order.ends(scene.outcome.ending ? "stopped" : "taken");
        scene.check(order, 1, scene.outcome.got);
    });
    CHECK(all.failure == "");
    CHECK(all.ends("stopped"));
    CHECK(all.ends("taken"));
}

TEST_CASE("a wait begins while its time passes and an element comes: it goes on once") {
    const auto all = explore("start against serve and time-out", [](Order& order) {
        AbandonScene scene;
        Runner runner{scene.clock};
        Coroutine coroutine;
        order.run([&] { coroutine = take_here(scene.list, scene.outcome, {.timeout = 1ms}); },
                  [&] { scene.push(1); },
                  [&] {
                      move_time(present() + 1ms);
                      (void)runner.run_due();
                  });
        move_time(present() + 2ms);
        (void)runner.run_due();
        order.expect(coroutine.done(), "it has gone on");
        order.ends(scene.outcome.ending ? "timed out" : "taken");
        scene.check(order, 1, scene.outcome.got);
    });
    CHECK(all.failure == "");
    CHECK(all.ends("taken"));
    CHECK(all.ends("timed out"));
}

TEST_CASE("the last Runner goes while a wait with a time-out begins: it ends") {
    const auto all = explore("start against the last Runner", [](Order& order) {
        AbandonScene scene;
        std::optional<Runner> runner;
        runner.emplace(scene.clock);
        Coroutine coroutine;
        order.run([&] { coroutine = take_here(scene.list, scene.outcome, {.timeout = 1ms}); },
                  [&] { runner.reset(); });
        order.expect(coroutine.done(), "it has ended");
        order.ends(scene.outcome.ending ? std::string{to_string(*scene.outcome.ending)}
                                        : "refused");
    });
    CHECK(all.failure == "");
    CHECK(all.ends("stopped"));
    CHECK(all.ends("refused"));
}
