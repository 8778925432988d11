// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/list/list_calls.hpp>
#include <runnel/detail/list/list_requests.hpp>
#include <runnel/detail/list/list_state.hpp>
#include <runnel/detail/wait/await.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/list_options.hpp>
#include <runnel/outcome.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/elements.hpp"
#include "support/eventually.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using runnel::BlockingList;
using runnel::End;
using runnel::Ending;
using runnel::ManualClock;
using runnel::Push;
using runnel::detail::Line;
using runnel::detail::ListPlace;
using runnel::detail::ListState;
using runnel::detail::Lock;
using runnel::detail::LockAll;
using runnel::detail::MoveOne;
using runnel::detail::Owner;
using runnel::detail::PopOne;
using runnel::detail::PushMany;
using runnel::detail::WaitEnd;
using runnel::detail::WaitLimits;
using runnel::detail::WakeChain;
using runnel::test::elements;
using runnel::test::ending;
using runnel::test::eventually;
using runnel::test::fill;
using runnel::test::popping_back;
using runnel::test::popping_back_many;
using runnel::test::popping_front;
using runnel::test::popping_front_many;
using runnel::test::pushing_back;
using runnel::test::pushing_back_many;
using runnel::test::pushing_front;
using runnel::test::pushing_front_many;
using runnel::test::value;
using runnel::test::values;
using namespace std::chrono_literals;

using Words = std::vector<std::string>;

namespace {

struct EmptyList {
    ManualClock clock;
    BlockingList<std::string> list{{.clock = &clock}};

    void push(const char* word) { REQUIRE(list.try_push_back(word) == Push::done); }
    void push(Words words) { REQUIRE(list.push_back_many(words).ending == Push::done); }
};

// Holds x and y, and no more.
struct FullList {
    ManualClock clock;
    BlockingList<std::string> list{{.capacity = 2, .clock = &clock}};

    FullList() { fill<std::string>(list, {"x", "y"}); }
};

}  // namespace

// ------------------------------------------------------------------ calls that do not wait

TEST_CASE("a call that may not wait, and finds nothing for it, stands in no line", "[list][wait]") {
    const Owner<ListState<int>> list(std::in_place, runnel::ListOptions{.capacity = 1});
    const Owner<ListState<int>> full(std::in_place, runnel::ListOptions{.capacity = 1});
    int number = 7;
    REQUIRE(runnel::detail::push_back(*full.get(), number, nullptr) == Push::done);
    const auto is_quiet = [](ListState<int>& in) {
        const Lock lock{in.back.mutex};
        return in.needs_no_attention();
    };
    const auto finds_nothing = [&](auto& request, auto&& place) {
        WakeChain chain;
        const bool has_ended = place.try_or_queue(WaitLimits{}, chain);
        return !has_ended && !request.claimed() && is_quiet(*list.get()) && is_quiet(*full.get());
    };

    PopOne<int> pop{End::back, list->clock};
    CHECK(finds_nothing(pop, ListPlace<int, Line::pops>{pop, *list.get()}));
    PushMany<int> push{End::back, std::span{&number, 1}, full->clock};
    CHECK(finds_nothing(push, ListPlace<int, Line::pushes>{push, *full.get()}));
    MoveOne<int> from_empty{*list.get(), End::front, *full.get(), End::back};
    CHECK(finds_nothing(from_empty, from_empty));
    const Owner<ListState<int>> source(std::in_place, runnel::ListOptions{});
    REQUIRE(runnel::detail::push_back(*source.get(), number, nullptr) == Push::done);
    MoveOne<int> to_full{*source.get(), End::front, *full.get(), End::back};
    CHECK(finds_nothing(to_full, to_full));
    CHECK(is_quiet(*source.get()));
}

TEST_CASE("a move that waits costs the calls of the list where it lacks nothing no detour",
          "[list][wait][move]") {
    const Owner<ListState<int>> source(std::in_place, runnel::ListOptions{});
    const Owner<ListState<int>> target(std::in_place, runnel::ListOptions{.capacity = 2});
    const auto is_quick = [](ListState<int>& list) {
        const LockAll lock{list};
        return list.needs_no_attention() && list.back.part.room != 0 && !list.front.has_attention();
    };
    MoveOne<int> move{*source.get(), End::front, *target.get(), End::back};
    const runnel::WaitOptions for_ever;
    WakeChain chain;
    REQUIRE_FALSE(move.try_or_queue(WaitLimits::of(&for_ever), chain));
    CHECK(is_quick(*target.get()));
    CHECK_FALSE(is_quick(*source.get()));

    int number = 7;
    for (int filled = 0; filled != 2; ++filled)
        REQUIRE(runnel::detail::push_back(*target.get(), number, nullptr) == Push::done);
    for (int more = 0; more != 3; ++more)
        REQUIRE(runnel::detail::push_back(*source.get(), number, nullptr) == Push::done);
    CHECK(is_quick(*source.get()));
    CHECK_FALSE(is_quick(*target.get()));

    REQUIRE(move.claim(WaitEnd::timed_out));
    move.leave();
    CHECK(runnel::detail::pop_front(*target.get(), nullptr));
    CHECK(runnel::detail::push_back(*target.get(), number, nullptr) == Push::done);
    CHECK(is_quick(*source.get()));
}

// ------------------------------------------------------------------ waiting for an element

TEST_CASE_METHOD(EmptyList, "a pop from an empty list waits until something is pushed",
                 "[list][wait]") {
    auto front = popping_front(clock, list);
    REQUIRE(front.waits());
    push("a");
    CHECK(value(front.result()) == "a");

    auto back = popping_back(clock, list);
    REQUIRE(back.waits());
    CHECK(list.push_front("b") == Push::done);
    CHECK(value(back.result()) == "b");
    CHECK(list.size() == 0);
}

TEST_CASE_METHOD(EmptyList, "a pop of many waits until there is one, and does not wait for more",
                 "[list][wait]") {
    auto front = popping_front_many(clock, list, 10);
    REQUIRE(front.waits());
    push("a");
    CHECK(values(front.result()) == Words{"a"});

    auto back = popping_back_many(clock, list, 10);
    REQUIRE(back.waits());
    push("b");
    CHECK(values(back.result()) == Words{"b"});
}

TEST_CASE_METHOD(EmptyList, "a pop from a list that has something does not wait", "[list][wait]") {
    push(Words{"a", "b", "c", "d"});
    CHECK(value(list.pop_front()) == "a");
    CHECK(value(list.pop_back()) == "d");
    CHECK(values(list.pop_front_many(1)) == Words{"b"});
    CHECK(values(list.pop_back_many(1)) == Words{"c"});
}

TEST_CASE_METHOD(EmptyList, "a pop that waits keeps a push from nothing", "[list][wait]") {
    auto pop = popping_front(clock, list);
    CHECK(list.push_back("a", {.timeout = 0s}) == Push::done);
    CHECK(value(pop.result()) == "a");
    CHECK(list.push_back_if_exists("b") == Push::absent);
}

// ------------------------------------------------------------------ waiting for room

TEST_CASE_METHOD(FullList, "a push to a full list waits until there is room", "[list][wait]") {
    std::string message = "z";
    auto back = pushing_back(clock, list, message);
    REQUIRE(back.waits());
    CHECK(message == "z");
    CHECK(value(list.pop_front()) == "x");
    CHECK(back.result() == Push::done);
    CHECK(elements(list) == Words{"y", "z"});

    message = "w";
    auto front = pushing_front(clock, list, message);
    REQUIRE(front.waits());
    CHECK(value(list.pop_back()) == "z");
    CHECK(front.result() == Push::done);
    CHECK(elements(list) == Words{"w", "y"});
}

TEST_CASE_METHOD(FullList, "a push of many lets in what fits and waits for the rest",
                 "[list][wait]") {
    Words messages{"1", "2", "3"};
    auto push = pushing_back_many(clock, list, messages);
    REQUIRE(push.waits());
    CHECK(value(list.pop_front()) == "x");
    CHECK(push.waits());
    CHECK(elements(list) == Words{"y", "1"});
    CHECK(messages[1] == "2");
    CHECK(list.pop_front_many(2).size() == 2);
    CHECK(push.result().ending == Push::done);
    CHECK(push.result().count == 3);
    CHECK(elements(list) == Words{"2", "3"});
}

TEST_CASE("a push of many begins with what fits at once", "[list][wait]") {
    ManualClock clock;
    BlockingList<std::string> list{{.capacity = 3, .clock = &clock}};
    fill<std::string>(list, {"x"});
    Words messages{"1", "2", "3", "4"};
    auto push = pushing_front_many(clock, list, messages);
    REQUIRE(push.waits());
    CHECK(elements(list) == Words{"2", "1", "x"});
    CHECK(value(list.pop_back()) == "x");
    CHECK(value(list.pop_back()) == "1");
    CHECK(push.result().count == 4);
    CHECK(elements(list) == Words{"4", "3", "2"});
}

// ------------------------------------------------------------------ time

TEST_CASE_METHOD(EmptyList, "a pop ends when its time is over, to the nanosecond",
                 "[list][wait][time]") {
    auto front = popping_front(clock, list, 1h);
    auto back = popping_back(clock, list, 1h);
    auto many_front = popping_front_many(clock, list, 5, 1h);
    auto many_back = popping_back_many(clock, list, 5, 1h);
    clock.advance(1h - 1ns);
    CHECK((front.waits() && back.waits() && many_front.waits() && many_back.waits()));
    clock.advance(1ns);
    CHECK(ending(front.result()) == Ending::timed_out);
    CHECK(ending(back.result()) == Ending::timed_out);
    CHECK(ending(many_front.result()) == Ending::timed_out);
    CHECK(ending(many_back.result()) == Ending::timed_out);
    CHECK(list.stats().blocked_pops == 0);
}

TEST_CASE_METHOD(FullList, "a push ends when its time is over, to the nanosecond",
                 "[list][wait][time]") {
    std::string at_back = "1";
    std::string at_front = "2";
    Words many{"3", "4"};
    auto back = pushing_back(clock, list, at_back, 1h);
    auto front = pushing_front(clock, list, at_front, 1h);
    auto both = pushing_back_many(clock, list, many, 1h);
    clock.advance(1h - 1ns);
    CHECK((back.waits() && front.waits() && both.waits()));
    clock.advance(1ns);
    CHECK(back.result() == Push::full);
    CHECK(front.result() == Push::full);
    CHECK(both.result().ending == Push::full);
    CHECK(both.result().count == 0);
    CHECK(list.stats().blocked_pushes == 0);
}

TEST_CASE_METHOD(EmptyList, "a wait without a time-out outlasts any time", "[list][wait][time]") {
    auto pop = popping_front(clock, list);
    clock.advance(24h * 365 * 50);
    CHECK(pop.waits());
    push("a");
    CHECK(value(pop.result()) == "a");
}

TEST_CASE_METHOD(EmptyList, "a pop with no time or less does not wait", "[list][wait][time]") {
    CHECK(ending(list.pop_front({.timeout = 0s})) == Ending::timed_out);
    CHECK(ending(list.pop_back({.timeout = -1s})) == Ending::timed_out);
    CHECK(ending(list.pop_front_many(2, {.timeout = 0s})) == Ending::timed_out);
}

TEST_CASE_METHOD(FullList, "a push with no time or less does not wait", "[list][wait][time]") {
    CHECK(list.push_back("z", {.timeout = 0s}) == Push::full);
    CHECK(list.push_front("z", {.timeout = -1s}) == Push::full);
}

TEST_CASE_METHOD(EmptyList, "a pop that timed out takes nothing with it", "[list][wait][time]") {
    auto pop = popping_front(clock, list, 1s);
    clock.advance(1s);
    REQUIRE(ending(pop.result()) == Ending::timed_out);
    push("a");
    CHECK(elements(list) == Words{"a"});
}

TEST_CASE_METHOD(EmptyList, "an element goes past a pop that timed out to the next one",
                 "[list][wait][time]") {
    auto first = popping_front(clock, list, 1s);
    auto second = popping_front(clock, list, 2s);
    clock.advance(1s);
    push("a");
    CHECK(ending(first.result()) == Ending::timed_out);
    CHECK(value(second.result()) == "a");
}

TEST_CASE_METHOD(FullList, "a message whose push timed out is untouched and does not come in later",
                 "[list][wait][time]") {
    std::string message = "z";
    auto push = pushing_back(clock, list, message, 1s);
    clock.advance(1s);
    REQUIRE(push.result() == Push::full);
    CHECK(message == "z");
    CHECK(list.pop_front_many(2).size() == 2);
    CHECK(list.size() == 0);
}

TEST_CASE_METHOD(FullList, "a push of many that timed out says how many went in, and has the rest",
                 "[list][wait][time]") {
    Words messages{"1", "2", "3"};
    auto push = pushing_back_many(clock, list, messages, 1s);
    CHECK(value(list.pop_front()) == "x");
    clock.advance(1s);
    CHECK(push.result().count == 1);
    CHECK(push.result().ending == Push::full);
    CHECK(messages[1] == "2");
    CHECK(messages[2] == "3");
    CHECK(elements(list) == Words{"y", "1"});
}

TEST_CASE_METHOD(EmptyList, "an element is worth more than a time that is over already",
                 "[list][wait][time]") {
    push(Words{"a", "b", "c", "d"});
    CHECK(value(list.pop_front({.timeout = 0s})) == "a");
    CHECK(value(list.pop_back({.timeout = -1h})) == "d");
    CHECK(values(list.pop_front_many(5, {.timeout = 0s})) == Words{"b", "c"});
}

TEST_CASE_METHOD(EmptyList, "who was served before its time was over has its element afterwards",
                 "[list][wait][time]") {
    auto pop = popping_front(clock, list, 1s);
    clock.advance(1s - 1ns);
    push("a");
    clock.advance(1h);
    CHECK(value(pop.result()) == "a");
}

// ------------------------------------------------------------------ stopping

TEST_CASE_METHOD(EmptyList, "a pop ends when its stop token is asked to stop",
                 "[list][wait][stop]") {
    auto front = popping_front(clock, list);
    auto back = popping_back(clock, list, 1h);
    auto many = popping_front_many(clock, list, 5);
    front.stop();
    back.stop();
    many.stop();
    CHECK(ending(front.result()) == Ending::stopped);
    CHECK(ending(back.result()) == Ending::stopped);
    CHECK(ending(many.result()) == Ending::stopped);
    push("a");
    CHECK(list.size() == 1);
}

TEST_CASE_METHOD(FullList,
                 "a push ends when its stop token is asked to stop, its message untouched",
                 "[list][wait][stop]") {
    std::string message = "z";
    auto back = pushing_back(clock, list, message);
    back.stop();
    CHECK(back.result() == Push::stopped);
    CHECK(message == "z");

    Words messages{"1", "2"};
    auto many = pushing_front_many(clock, list, messages);
    CHECK(value(list.pop_front()) == "x");
    many.stop();
    CHECK(many.result().ending == Push::stopped);
    CHECK(many.result().count == 1);
    CHECK(messages[1] == "2");
}

TEST_CASE_METHOD(EmptyList, "a wait with a stop token that was asked before does not begin",
                 "[list][wait][stop]") {
    std::stop_source stop;
    stop.request_stop();
    CHECK(ending(list.pop_front({.stop = stop.get_token()})) == Ending::stopped);
    CHECK(ending(list.pop_back({.timeout = 1h, .stop = stop.get_token()})) == Ending::stopped);
    CHECK(ending(list.pop_back_many(2, {.stop = stop.get_token()})) == Ending::stopped);
    CHECK(list.stats().blocked_pops == 0);
}

TEST_CASE_METHOD(FullList, "a push with a stop token that was asked before does not wait",
                 "[list][wait][stop]") {
    std::stop_source stop;
    stop.request_stop();
    std::string message = "z";
    CHECK(list.push_back(std::move(message), {.stop = stop.get_token()}) == Push::stopped);
    CHECK(message == "z");
    CHECK(list.stats().blocked_pushes == 0);
}

TEST_CASE_METHOD(EmptyList, "an element is worth more than a stop", "[list][wait][stop]") {
    std::stop_source stop;
    stop.request_stop();
    push(Words{"a", "b", "c"});
    CHECK(value(list.pop_front({.stop = stop.get_token()})) == "a");
    CHECK(value(list.pop_back({.stop = stop.get_token()})) == "c");
    CHECK(values(list.pop_front_many(3, {.stop = stop.get_token()})) == Words{"b"});
}

TEST_CASE("room is worth more than a stop", "[list][wait][stop]") {
    const BlockingList<int> list{{.capacity = 2}};
    std::stop_source stop;
    stop.request_stop();
    CHECK(list.push_back(1, {.stop = stop.get_token()}) == Push::done);
    CHECK(list.push_front(0, {.stop = stop.get_token()}) == Push::done);
}

TEST_CASE_METHOD(EmptyList, "a stop after the service changes nothing any more",
                 "[list][wait][stop]") {
    auto pop = popping_front(clock, list);
    push("a");
    pop.stop();
    CHECK(value(pop.result()) == "a");
}

TEST_CASE_METHOD(EmptyList, "one stop ends all waits that have its token", "[list][wait][stop]") {
    std::stop_source stop;
    std::vector<std::optional<Ending>> endings(4);
    std::vector<ManualClock::Thread> threads;
    for (auto& mine : endings) {
        threads.push_back(
            clock.thread([&] { mine = list.pop_front({.stop = stop.get_token()}).ending(); }));
    }
    clock.settle();
    REQUIRE(list.stats().blocked_pops == 4);
    stop.request_stop();
    clock.settle();
    CHECK(endings == std::vector<std::optional<Ending>>(4, Ending::stopped));
    CHECK(list.stats().blocked_pops == 0);
}

// ------------------------------------------------------------------ order of service

TEST_CASE_METHOD(EmptyList, "who began to wait first is served first", "[list][wait][order]") {
    auto first = popping_front(clock, list);
    auto second = popping_back(clock, list);
    auto third = popping_front_many(clock, list, 1);
    push("a");
    CHECK(value(first.result()) == "a");
    CHECK(second.waits());
    push("b");
    CHECK(value(second.result()) == "b");
    CHECK(third.waits());
    push("c");
    CHECK(values(third.result()) == Words{"c"});
}

TEST_CASE_METHOD(EmptyList, "who waits is served in the order of waiting by one push of many",
                 "[list][wait][order]") {
    auto first = popping_front(clock, list);
    auto second = popping_back(clock, list);
    auto third = popping_front(clock, list);
    push(Words{"1", "2"});
    CHECK(value(first.result()) == "1");
    CHECK(value(second.result()) == "2");
    CHECK(third.waits());
    CHECK(list.size() == 0);
}

TEST_CASE_METHOD(EmptyList,
                 "a push of many is served when all are in: the front pop gets the first",
                 "[list][wait][order]") {
    auto pop = popping_front(clock, list);
    push(Words{"a", "b", "c"});
    CHECK(value(pop.result()) == "a");
    CHECK(elements(list) == Words{"b", "c"});
}

TEST_CASE_METHOD(EmptyList, "a push of many is served when all are in: the back pop gets the last",
                 "[list][wait][order]") {
    auto pop = popping_back(clock, list);
    push(Words{"a", "b", "c"});
    CHECK(value(pop.result()) == "c");
    CHECK(elements(list) == Words{"a", "b"});
}

TEST_CASE_METHOD(EmptyList, "a push of many at the front is served when all are in",
                 "[list][wait][order]") {
    auto pop = popping_front(clock, list);
    Words messages{"a", "b", "c"};
    CHECK(list.push_front_many(messages).count == 3);
    CHECK(value(pop.result()) == "c");
    CHECK(elements(list) == Words{"b", "a"});
}

TEST_CASE_METHOD(EmptyList, "each takes as many as it wants, and who finds nothing more waits on",
                 "[list][wait][order]") {
    auto first = popping_front_many(clock, list, 10);
    auto second = popping_back_many(clock, list, 2);
    push(Words{"a", "b", "c"});
    CHECK(values(first.result()) == Words{"a", "b", "c"});
    REQUIRE(second.waits());
    push(Words{"d", "e", "f"});
    CHECK(values(second.result()) == Words{"f", "e"});
    CHECK(elements(list) == Words{"d"});
}

TEST_CASE_METHOD(EmptyList, "who leaves the line does not hold up those behind",
                 "[list][wait][order]") {
    auto first = popping_front(clock, list);
    auto second = popping_front(clock, list);
    auto third = popping_front(clock, list);
    second.stop();
    push(Words{"a", "b"});
    CHECK(value(first.result()) == "a");
    CHECK(ending(second.result()) == Ending::stopped);
    CHECK(value(third.result()) == "b");
}

TEST_CASE_METHOD(FullList, "who waited first for room gets it first", "[list][wait][order]") {
    std::string one = "1";
    std::string two = "2";
    std::string three = "3";
    auto first = pushing_back(clock, list, one);
    auto second = pushing_front(clock, list, two);
    auto third = pushing_back(clock, list, three);
    CHECK(value(list.pop_front()) == "x");
    CHECK(first.result() == Push::done);
    CHECK(second.waits());
    CHECK(value(list.pop_front()) == "y");
    CHECK(second.result() == Push::done);
    CHECK(third.waits());
    CHECK(elements(list) == Words{"2", "1"});
    CHECK(list.pop_front_many(2).size() == 2);
    CHECK(third.result() == Push::done);
    CHECK(elements(list) == Words{"3"});
}

TEST_CASE_METHOD(FullList, "one pop of many makes room for several who wait",
                 "[list][wait][order]") {
    std::string one = "1";
    std::string two = "2";
    std::string three = "3";
    auto first = pushing_back(clock, list, one);
    auto second = pushing_back(clock, list, two);
    auto third = pushing_back(clock, list, three);
    CHECK(values(list.try_pop_front_many(2)) == Words{"x", "y"});
    CHECK(first.result() == Push::done);
    CHECK(second.result() == Push::done);
    CHECK(third.waits());
    CHECK(elements(list) == Words{"1", "2"});
}

TEST_CASE_METHOD(FullList, "a small push does not overtake a large one that came before it",
                 "[list][wait][order]") {
    Words large{"1", "2", "3"};
    std::string small = "s";
    auto first = pushing_back_many(clock, list, large);
    auto second = pushing_back(clock, list, small);
    CHECK(value(list.pop_front()) == "x");
    CHECK(value(list.pop_front()) == "y");
    CHECK(first.waits());
    CHECK(second.waits());
    CHECK(value(list.pop_front()) == "1");
    CHECK(first.result().count == 3);
    CHECK(second.waits());
    CHECK(value(list.pop_front()) == "2");
    CHECK(second.result() == Push::done);
    CHECK(elements(list) == Words{"3", "s"});
}

TEST_CASE_METHOD(FullList, "a push that does not wait does not overtake one that does",
                 "[list][wait][order]") {
    std::string message = "1";
    auto waiting = pushing_back(clock, list, message);
    CHECK(value(list.pop_front()) == "x");
    CHECK(list.try_push_back("2") == Push::full);
    CHECK(waiting.result() == Push::done);
    CHECK(elements(list) == Words{"y", "1"});
}

TEST_CASE("a push of more than the list holds goes through it while somebody pops",
          "[list][wait][order]") {
    ManualClock clock;
    BlockingList<std::string> list{{.capacity = 2, .clock = &clock}};
    auto one = popping_front(clock, list);
    auto many = popping_front_many(clock, list, 5);
    Words messages{"a", "b", "c", "d", "e"};
    auto push = pushing_back_many(clock, list, messages);
    CHECK(value(one.result()) == "a");
    CHECK(values(many.result()) == Words{"b"});
    CHECK(push.waits());
    CHECK(elements(list) == Words{"c", "d"});
    CHECK(value(list.pop_front()) == "c");
    CHECK(push.result().count == 5);
    CHECK(elements(list) == Words{"d", "e"});
}

// ------------------------------------------------------------------ who waits

TEST_CASE_METHOD(EmptyList, "a list tells how many pops wait in it", "[list][wait][stats]") {
    CHECK(list.stats().blocked_pops == 0);
    auto first = popping_front(clock, list);
    auto second = popping_back_many(clock, list, 2);
    CHECK(list.stats().blocked_pops == 2);
    CHECK(list.stats().blocked_pushes == 0);
    push("a");
    clock.settle();
    CHECK(list.stats().blocked_pops == 1);
    second.stop();
    clock.settle();
    CHECK(list.stats().blocked_pops == 0);
}

TEST_CASE_METHOD(FullList, "a list tells how many pushes wait in it", "[list][wait][stats]") {
    std::string one = "1";
    Words many{"2", "3"};
    auto first = pushing_back(clock, list, one);
    auto second = pushing_back_many(clock, list, many);
    CHECK(list.stats().blocked_pushes == 2);
    CHECK(list.stats().blocked_pops == 0);
    CHECK(list.pop_front_many(2).size() == 2);
    clock.settle();
    CHECK(list.stats().blocked_pushes == 1);
}

TEST_CASE_METHOD(EmptyList, "after the last wait a list is as quick as before, and as right",
                 "[list][wait]") {
    for (int round = 0; round != 20; ++round) {
        auto pop = popping_front(clock, list, 1s);
        clock.advance(1s);
        REQUIRE(ending(pop.result()) == Ending::timed_out);
        push(Words{"a", "b"});
        REQUIRE(value(list.try_pop_front()) == "a");
        REQUIRE(value(list.try_pop_front()) == "b");
    }
}

// ------------------------------------------------------------------ in real time

TEST_CASE("in real time a pop waits until something is pushed", "[list][wait][system]") {
    const BlockingList<int> list;
    for (int round = 0; round != 200; ++round) {
        std::optional<int> got;
        {
            const std::jthread popper{[&] { got = value(list.pop_front()); }};
            if (round % 2 == 0) eventually([&] { return list.stats().blocked_pops == 1; });
            REQUIRE(list.push_back(int{round}) == Push::done);
        }
        REQUIRE(got == round);
    }
}

TEST_CASE("in real time a pop ends after its time, not before", "[list][wait][system]") {
    const BlockingList<int> list;
    const auto start = std::chrono::steady_clock::now();
    CHECK(ending(list.pop_front({.timeout = 3ms})) == Ending::timed_out);
    CHECK(std::chrono::steady_clock::now() - start >= 3ms);
}

TEST_CASE("in real time a push waits until there is room, or its time is over",
          "[list][wait][system]") {
    const BlockingList<int> list{{.capacity = 1}};
    REQUIRE(list.push_back(1) == Push::done);
    CHECK(list.push_back(2, {.timeout = 2ms}) == Push::full);
    std::optional<Push> pushed;
    {
        const std::jthread pusher{[&] { pushed = list.push_back(2); }};
        eventually([&] { return list.stats().blocked_pushes == 1; });
        CHECK(value(list.pop_front()) == 1);
    }
    CHECK(pushed == Push::done);
    CHECK(value(list.pop_front()) == 2);
}

TEST_CASE("in real time a stop ends a wait", "[list][wait][system]") {
    const BlockingList<int> list;
    std::optional<Ending> end;
    {
        const std::jthread popper{[&](const std::stop_token& stop) {
            end = list.pop_front({.timeout = 1h, .stop = stop}).ending();
        }};
        eventually([&] { return list.stats().blocked_pops == 1; });
    }
    CHECK(end == Ending::stopped);
}

TEST_CASE("two threads that answer each other need no other help", "[list][wait][system]") {
    const BlockingList<int> questions;
    const BlockingList<int> answers;
    {
        const std::jthread answering{[&] {
            while (auto question = questions.pop_front()) (void)answers.push_back(*question + 1);
        }};
        for (int question = 0; question != 2'000; ++question) {
            REQUIRE(questions.push_back(int{question}) == Push::done);
            REQUIRE(value(answers.pop_front()) == question + 1);
        }
        questions.close();
    }
    CHECK(answers.size() == 0);
}
