// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>
#include <runnel/outcome.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/elements.hpp"
#include "support/eventually.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using runnel::BlockingList;
using runnel::Ending;
using runnel::Full;
using runnel::ListOptions;
using runnel::ManualClock;
using runnel::Push;
using runnel::Pushed;
using runnel::test::Call;
using runnel::test::elements;
using runnel::test::ending;
using runnel::test::eventually;
using runnel::test::fill;
using runnel::test::moving;
using runnel::test::popping_back;
using runnel::test::popping_first;
using runnel::test::popping_front;
using runnel::test::popping_front_many;
using runnel::test::pushing_back;
using runnel::test::pushing_back_many;
using runnel::test::value;
using runnel::test::values;
using namespace std::chrono_literals;

using Words = std::vector<std::string>;

namespace {

struct EmptyLists {
    ManualClock clock;
    BlockingList<std::string> list{{.clock = &clock}};
    BlockingList<std::string> small{{.capacity = 1, .clock = &clock}};
};

struct ClosedWithTwo : EmptyLists {
    ClosedWithTwo() {
        fill<std::string>(list, {"a", "b"});
        list.close();
    }
};

}  // namespace

TEST_CASE_METHOD(EmptyLists, "a list is open until it is closed", "[list][close]") {
    CHECK_FALSE(list.closed());
    CHECK_FALSE(list.drained());
    list.close();
    CHECK(list.closed());
    CHECK(list.drained());
}

TEST_CASE_METHOD(ClosedWithTwo, "a closed list is drained when the last element has gone",
                 "[list][close]") {
    CHECK(list.closed());
    CHECK_FALSE(list.drained());
    CHECK(value(list.pop_front()) == "a");
    CHECK_FALSE(list.drained());
    CHECK(value(list.pop_back()) == "b");
    CHECK(list.drained());
}

TEST_CASE_METHOD(ClosedWithTwo, "what is in a closed list can still be taken, and then pops end",
                 "[list][close]") {
    Words taken;
    while (auto popped = list.pop_front()) taken.push_back(*popped);
    CHECK(taken == Words{"a", "b"});
    CHECK(ending(list.pop_front()) == Ending::closed);
    CHECK(ending(list.pop_back()) == Ending::closed);
    CHECK(ending(list.pop_front_many(3)) == Ending::closed);
    CHECK(ending(list.pop_back_many(3)) == Ending::closed);
}

TEST_CASE_METHOD(ClosedWithTwo, "many can be taken from a closed list at once", "[list][close]") {
    CHECK(values(list.pop_back_many(5)) == Words{"b", "a"});
    CHECK(list.drained());
}

TEST_CASE_METHOD(EmptyLists, "who never waits is told, too, that a list is closed",
                 "[list][close]") {
    list.close();
    CHECK(ending(list.try_pop_front()) == Ending::closed);
    CHECK(ending(list.try_pop_back()) == Ending::closed);
    CHECK(ending(list.try_pop_front_many(1)) == Ending::closed);
    CHECK(ending(list.try_pop_back_many(1)) == Ending::closed);
}

TEST_CASE_METHOD(ClosedWithTwo, "a closed list refuses every push and leaves the message untouched",
                 "[list][close]") {
    std::string message = "c";
    CHECK(list.push_back(std::move(message)) == Push::closed);
    CHECK(list.push_front(std::move(message)) == Push::closed);
    CHECK(list.try_push_back(std::move(message)) == Push::closed);
    CHECK(list.try_push_front(std::move(message)) == Push::closed);
    CHECK(list.push_back_if_exists(std::move(message)) == Push::closed);
    CHECK(list.push_front_if_exists(std::move(message)) == Push::closed);
    CHECK(message == "c");
    CHECK(elements(list) == Words{"a", "b"});
}

TEST_CASE_METHOD(ClosedWithTwo, "a closed list refuses a push of many", "[list][close]") {
    Words messages{"c", "d"};
    const Pushed at_back = list.push_back_many(messages);
    CHECK(at_back.count == 0);
    CHECK(at_back.ending == Push::closed);
    CHECK(list.push_front_many(messages).ending == Push::closed);
    CHECK(messages == Words{"c", "d"});
}

TEST_CASE_METHOD(EmptyLists, "a closed empty list has nothing to push to if it exists",
                 "[list][close]") {
    list.close();
    CHECK(list.push_back_if_exists("a") == Push::closed);
}

TEST_CASE("a closed list that drops or rejects refuses pushes as any other", "[list][close]") {
    for (const Full when_full : {Full::reject, Full::drop_other_end}) {
        const BlockingList<std::string> list{{.capacity = 1, .when_full = when_full}};
        fill<std::string>(list, {"a"});
        list.close();
        CHECK(list.push_back("b") == Push::closed);
        CHECK(list.push_front("b") == Push::closed);
        CHECK(elements(list) == Words{"a"});
    }
}

TEST_CASE_METHOD(EmptyLists, "closing ends the wait of every pop", "[list][close]") {
    auto front = popping_front(clock, list);
    auto back = popping_back(clock, list, 1h);
    auto many = popping_front_many(clock, list, 3);
    REQUIRE(list.stats().blocked_pops == 3);
    list.close();
    CHECK(ending(front.result()) == Ending::closed);
    CHECK(ending(back.result()) == Ending::closed);
    CHECK(ending(many.result()) == Ending::closed);
    CHECK(list.stats().blocked_pops == 0);
}

TEST_CASE_METHOD(EmptyLists, "closing ends the wait of every push, the messages untouched",
                 "[list][close]") {
    fill<std::string>(small, {"x"});
    std::string one = "1";
    Words many{"2", "3"};
    auto first = pushing_back(clock, small, one);
    auto second = pushing_back_many(clock, small, many);
    REQUIRE(small.stats().blocked_pushes == 2);
    small.close();
    CHECK(first.result() == Push::closed);
    CHECK(second.result().ending == Push::closed);
    CHECK(second.result().count == 0);
    CHECK(one == "1");
    CHECK(many == Words{"2", "3"});
    CHECK(small.stats().blocked_pushes == 0);
    CHECK(elements(small) == Words{"x"});
}

TEST_CASE_METHOD(EmptyLists, "a push of many that is ended by closing says how many went in",
                 "[list][close]") {
    Words many{"1", "2", "3"};
    auto push = pushing_back_many(clock, small, many);
    REQUIRE(push.waits());
    small.close();
    CHECK(push.result().ending == Push::closed);
    CHECK(push.result().count == 1);
    CHECK(many[1] == "2");
    CHECK(elements(small) == Words{"1"});
}

TEST_CASE_METHOD(EmptyLists, "closing ends moves from the list and to it", "[list][close]") {
    BlockingList<std::string> other{{.clock = &clock}};
    auto from = moving(clock, list, other);
    auto to = moving(clock, other, list);
    REQUIRE((from.waits() && to.waits()));
    list.close();
    CHECK(ending(from.result()) == Ending::closed);
    CHECK(ending(to.result()) == Ending::closed);
}

TEST_CASE_METHOD(ClosedWithTwo, "closing twice does nothing", "[list][close]") {
    list.close();
    CHECK(list.closed());
    CHECK(elements(list) == Words{"a", "b"});
}

TEST_CASE_METHOD(ClosedWithTwo, "a closed list can be looked at, and removed from",
                 "[list][close]") {
    CHECK(list.size() == 2);
    CHECK(list.remove("a") == 1);
    CHECK(list.remove("b") == 1);
    CHECK(list.drained());
}

TEST_CASE_METHOD(ClosedWithTwo, "an element is worth more than the close", "[list][close]") {
    CHECK(value(list.pop_front({.timeout = 0s})) == "a");
    CHECK(value(list.try_pop_front()) == "b");
}

TEST_CASE_METHOD(EmptyLists, "who was served before the close has its element", "[list][close]") {
    auto first = popping_front(clock, list);
    auto second = popping_front(clock, list);
    CHECK(list.push_back("a") == Push::done);
    list.close();
    CHECK(value(first.result()) == "a");
    CHECK(ending(second.result()) == Ending::closed);
}

// ------------------------------------------------------------------ the last handle

TEST_CASE_METHOD(EmptyLists, "when the last handle goes, the list is closed",
                 "[list][close][handle]") {
    std::optional<BlockingList<std::string>> only{ListOptions{.clock = &clock}};
    auto pop = popping_front(clock, *only);
    REQUIRE(pop.waits());
    only.reset();
    CHECK(ending(pop.result()) == Ending::closed);
}

TEST_CASE_METHOD(EmptyLists, "when the last handle of a full list goes, pushes end",
                 "[list][close][handle]") {
    std::optional<BlockingList<std::string>> only{ListOptions{.capacity = 1, .clock = &clock}};
    fill<std::string>(*only, {"x"});
    std::string message = "a";
    Words messages{"b", "c"};
    auto one = pushing_back(clock, *only, message);
    auto many = pushing_back_many(clock, *only, messages);
    REQUIRE((one.waits() && many.waits()));
    only.reset();
    CHECK(one.result() == Push::closed);
    CHECK(many.result().ending == Push::closed);
    CHECK(message == "a");
    CHECK(messages == Words{"b", "c"});
}

TEST_CASE_METHOD(EmptyLists, "many may wait through a handle that goes", "[list][close][handle]") {
    std::optional<BlockingList<std::string>> only{ListOptions{.clock = &clock}};
    std::vector<Call<runnel::Popped<std::string>>> pops;
    pops.reserve(6);
    for (int i = 0; i != 3; ++i) {
        pops.push_back(popping_front(clock, *only));
        pops.push_back(popping_back(clock, *only, 1h));
    }
    auto many = popping_front_many(clock, *only, 3);
    only.reset();
    for (auto& pop : pops) CHECK(ending(pop.result()) == Ending::closed);
    CHECK(ending(many.result()) == Ending::closed);
}

TEST_CASE_METHOD(EmptyLists,
                 "a move ends when the last handle of its source goes, or of its target",
                 "[list][close][handle]") {
    std::optional<BlockingList<std::string>> source{ListOptions{.clock = &clock}};
    std::optional<BlockingList<std::string>> target{ListOptions{.clock = &clock}};
    auto from = moving(clock, *source, list);
    auto to = moving(clock, list, *target);
    auto between = moving(clock, *source, *target);
    auto onto_itself = moving(clock, *source, *source);
    REQUIRE((from.waits() && to.waits() && between.waits() && onto_itself.waits()));
    source.reset();
    CHECK(ending(from.result()) == Ending::closed);
    CHECK(ending(between.result()) == Ending::closed);
    CHECK(ending(onto_itself.result()) == Ending::closed);
    CHECK(to.waits());
    target.reset();
    CHECK(ending(to.result()) == Ending::closed);
}

TEST_CASE_METHOD(EmptyLists, "a wait on several lists outlives the handles of some",
                 "[list][close][handle]") {
    std::vector<BlockingList<std::string>> lists{BlockingList<std::string>{{.clock = &clock}},
                                                 list};
    auto pop = popping_first(clock, lists);
    REQUIRE(pop.waits());
    lists.clear();
    CHECK(pop.waits());
    CHECK(list.push_back("a") == Push::done);
    CHECK(value(pop.result()) == "a");
}

TEST_CASE_METHOD(EmptyLists, "as long as one handle is left, the list is open",
                 "[list][close][handle]") {
    std::optional<BlockingList<std::string>> one{list};
    auto pop = popping_front(clock, *one);
    one.reset();
    CHECK(pop.waits());
    CHECK_FALSE(list.closed());
    CHECK(list.push_back("a") == Push::done);
    CHECK(value(pop.result()) == "a");
}

TEST_CASE_METHOD(EmptyLists, "a handle that is made to stand for another list lets go of the first",
                 "[list][close][handle]") {
    BlockingList<std::string> handle{{.clock = &clock}};
    auto pop = popping_front(clock, handle);
    REQUIRE(pop.waits());
    handle = list;
    CHECK(ending(pop.result()) == Ending::closed);
    CHECK_FALSE(list.closed());
}

TEST_CASE("what is left in a list goes with its last handle", "[list][close][handle]") {
    const auto watched = std::make_shared<int>(1);
    {
        const BlockingList<std::shared_ptr<int>> list;
        for (int i = 0; i != 100; ++i)
            REQUIRE(list.push_back(std::shared_ptr<int>{watched}) == Push::done);
        CHECK(watched.use_count() == 101);
    }
    CHECK(watched.use_count() == 1);
}

// ------------------------------------------------------------------ in real time

TEST_CASE("in real time closing ends everybody who waits, on both sides", "[list][close][race]") {
    for (int round = 0; round != 20; ++round) {
        std::optional<BlockingList<int>> empty{std::in_place};
        std::optional<BlockingList<int>> full{ListOptions{.capacity = 1}};
        REQUIRE(full->push_back(0) == Push::done);
        std::atomic<int> ended = 0;
        {
            std::vector<std::jthread> waiting;
            for (int i = 0; i != 3; ++i) {
                waiting.emplace_back([&] {
                    if (ending(empty->pop_front()) == Ending::closed) ++ended;
                });
                waiting.emplace_back([&] {
                    if (full->push_back(1) == Push::closed) ++ended;
                });
            }
            eventually([&] {
                return empty->stats().blocked_pops == 3 && full->stats().blocked_pushes == 3;
            });
            empty.reset();
            full.reset();
        }
        REQUIRE(ended == 6);
    }
}
