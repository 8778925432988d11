// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>
#include <runnel/outcome.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/elements.hpp"
#include "support/lifetime.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <list>
#include <memory>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

using runnel::BlockingList;
using runnel::End;
using runnel::Ending;
using runnel::Full;
using runnel::ListOptions;
using runnel::ManualClock;
using runnel::Moved;
using runnel::Push;
using runnel::test::Call;
using runnel::test::Census;
using runnel::test::Countable;
using runnel::test::drain;
using runnel::test::elements;
using runnel::test::ending;
using runnel::test::fill;
using runnel::test::moving;
using runnel::test::popping_back;
using runnel::test::popping_front;
using runnel::test::popping_front_many;
using runnel::test::pushing_back;
using runnel::test::value;
using runnel::test::values;
using namespace std::chrono_literals;

using Words = std::vector<std::string>;
using Number = std::unique_ptr<int>;

namespace {

struct TwoLists {
    ManualClock clock;
    BlockingList<std::string> source{{.clock = &clock}};
    BlockingList<std::string> target{{.clock = &clock}};
};

struct SourceWithThree : TwoLists {
    SourceWithThree() {
        fill<std::string>(source, {"a", "b", "c"});
        fill<std::string>(target, {"x"});
    }
};

// The target has room for one element, which is x.
struct FullTarget {
    ManualClock clock;
    BlockingList<std::string> source{{.clock = &clock}};
    BlockingList<std::string> target{{.capacity = 1, .clock = &clock}};

    FullTarget() { fill<std::string>(target, {"x"}); }
};

// Cannot be copied when it is told so.
struct Fussy {
    explicit Fussy(int number) : value{number} {}
    Fussy(const Fussy& other) : value{other.value} {
        if (throws) throw std::runtime_error{"no copies"};
    }
    Fussy(Fussy&&) noexcept = default;
    Fussy& operator=(const Fussy&) = delete;
    Fussy& operator=(Fussy&&) = delete;
    ~Fussy() = default;

    static inline std::atomic<bool> throws = false;
    int value;
};

}  // namespace

// ------------------------------------------------------------------ directions

TEST_CASE_METHOD(SourceWithThree, "a move takes the first element and puts it last",
                 "[list][move]") {
    const Moved<std::string> moved = source.move_to(target);
    CHECK(value(moved) == "a");
    CHECK(elements(source) == Words{"b", "c"});
    CHECK(elements(target) == Words{"x", "a"});
}

TEST_CASE_METHOD(SourceWithThree, "a move takes from either end and puts on either end",
                 "[list][move]") {
    CHECK(value(source.move_to(target, {.from = End::front, .to = End::front})) == "a");
    CHECK(elements(target) == Words{"a", "x"});
    CHECK(value(source.move_to(target, {.from = End::back, .to = End::front})) == "c");
    CHECK(elements(target) == Words{"c", "a", "x"});
    CHECK(value(source.try_move_to(target, {.from = End::back, .to = End::back})) == "b");
    CHECK(elements(target) == Words{"c", "a", "x", "b"});
    CHECK(source.size() == 0);
    CHECK(value(target.try_move_to(source, {.from = End::front, .to = End::back})) == "c");
    CHECK(elements(source) == Words{"c"});
}

TEST_CASE_METHOD(TwoLists, "a try to move from an empty list moves nothing", "[list][move]") {
    CHECK(ending(source.try_move_to(target)) == Ending::timed_out);
    CHECK(target.size() == 0);
}

TEST_CASE("a hundred thousand moves lose nothing", "[list][move]") {
    const BlockingList<int> source;
    const BlockingList<int> target;
    for (int number = 0; number != 1'000; ++number) fill<int>(source, {number});
    for (int round = 0; round != 50; ++round) {
        while (source.try_move_to(target)) {
        }
        while (target.try_move_to(source)) {
        }
    }
    const std::vector<int> all = drain(source);
    REQUIRE(all.size() == 1'000);
    for (int number = 0; number != 1'000; ++number)
        REQUIRE(all[static_cast<std::size_t>(number)] == number);
}

// ------------------------------------------------------------------ onto itself

TEST_CASE_METHOD(SourceWithThree, "a move of a list onto itself rotates it", "[list][move]") {
    CHECK(value(source.move_to(source)) == "a");
    CHECK(elements(source) == Words{"b", "c", "a"});
    CHECK(value(source.move_to(source, {.from = End::back, .to = End::front})) == "a");
    CHECK(elements(source) == Words{"a", "b", "c"});
}

TEST_CASE_METHOD(SourceWithThree, "a move of a list onto itself at one end changes nothing",
                 "[list][move]") {
    CHECK(value(source.move_to(source, {.from = End::front, .to = End::front})) == "a");
    CHECK(value(source.try_move_to(source, {.from = End::back, .to = End::back})) == "c");
    CHECK(elements(source) == Words{"a", "b", "c"});
}

TEST_CASE("a full list rotates, whatever it does when full, and drops nothing", "[list][move]") {
    for (const Full when_full : {Full::block, Full::reject, Full::drop_other_end}) {
        const BlockingList<std::string> list{{.capacity = 3, .when_full = when_full}};
        fill<std::string>(list, {"a", "b", "c"});
        CHECK(value(list.move_to(list)) == "a");
        CHECK(value(list.try_move_to(list, {.from = End::back, .to = End::front})) == "a");
        CHECK(value(list.try_move_to(list)) == "a");
        CHECK(elements(list) == Words{"b", "c", "a"});
        CHECK(list.stats().dropped == 0);
    }
}

TEST_CASE("a list of one element rotates", "[list][move]") {
    const BlockingList<std::string> list{{.capacity = 1}};
    fill<std::string>(list, {"a"});
    for (int i = 0; i != 100; ++i) REQUIRE(value(list.move_to(list)) == "a");
    CHECK(elements(list) == Words{"a"});
}

TEST_CASE("a list rotates a thousand times and stays what it was", "[list][move]") {
    const BlockingList<int> list;
    for (int number = 0; number != 250; ++number) fill<int>(list, {number});
    for (int i = 0; i != 1'000; ++i) REQUIRE(value(list.move_to(list)) == i % 250);
    for (int i = 0; i != 1'000; ++i)
        REQUIRE(value(list.move_to(list, {.from = End::back, .to = End::front})) == 249 - i % 250);
    const std::vector<int> all = elements(list);
    CHECK(all.front() == 0);
    CHECK(all.back() == 249);
}

TEST_CASE_METHOD(TwoLists, "a move of an empty list onto itself waits for an element",
                 "[list][move]") {
    auto rotation = moving(clock, source, source);
    REQUIRE(rotation.waits());
    CHECK(source.stats().blocked_pops == 1);
    fill<std::string>(source, {"a", "b"});
    CHECK(value(rotation.result()) == "a");
    // It was served after the first push.
    CHECK(elements(source) == Words{"a", "b"});
}

TEST_CASE_METHOD(TwoLists, "a waiting rotation is carried out when a whole push of many is in",
                 "[list][move]") {
    auto rotation = moving(clock, source, source);
    Words messages{"a", "b"};
    CHECK(source.push_back_many(messages).count == 2);
    CHECK(value(rotation.result()) == "a");
    CHECK(elements(source) == Words{"b", "a"});
}

// ------------------------------------------------------------------ what can only be moved

TEST_CASE("what can only be moved is moved, and nothing comes back but success", "[list][move]") {
    STATIC_REQUIRE(std::is_same_v<Moved<Number>, runnel::Popped<std::monostate>>);
    STATIC_REQUIRE(std::is_same_v<Moved<std::string>, runnel::Popped<std::string>>);
    ManualClock clock;
    BlockingList<Number> source{{.clock = &clock}};
    BlockingList<Number> target{{.clock = &clock}};
    REQUIRE(source.push_back(std::make_unique<int>(1)) == Push::done);
    CHECK(source.move_to(target));
    CHECK(value(target.pop_front()) == 1);

    auto waiting = moving(clock, source, target);
    REQUIRE(waiting.waits());
    REQUIRE(source.push_back(std::make_unique<int>(2)) == Push::done);
    CHECK(waiting.result());
    CHECK(value(target.pop_front()) == 2);
}

// ------------------------------------------------------------------ waiting

TEST_CASE_METHOD(TwoLists, "a move from an empty list waits for an element", "[list][move][wait]") {
    auto move = moving(clock, source, target);
    REQUIRE(move.waits());
    fill<std::string>(source, {"a"});
    CHECK(value(move.result()) == "a");
    CHECK(source.size() == 0);
    CHECK(elements(target) == Words{"a"});
    CHECK(source.stats().blocked_pops == 0);
    CHECK(target.stats().blocked_pushes == 0);
}

TEST_CASE_METHOD(TwoLists, "waiting moves go in all four directions", "[list][move][wait]") {
    fill<std::string>(target, {"x"});
    for (const End from : {End::front, End::back}) {
        for (const End to : {End::front, End::back}) {
            auto move = moving(clock, source, target, {.from = from, .to = to});
            REQUIRE(move.waits());
            Words messages{"1", "2"};
            CHECK(source.push_back_many(messages).count == 2);
            CHECK(value(move.result()) == (from == End::front ? "1" : "2"));
            CHECK(value(to == End::front ? target.pop_front() : target.pop_back()) ==
                  (from == End::front ? "1" : "2"));
            CHECK(source.try_pop_front_many(2).size() == 1);
        }
    }
    CHECK(elements(target) == Words{"x"});
}

TEST_CASE_METHOD(TwoLists,
                 "a move ends when its time is over, to the nanosecond, and takes nothing",
                 "[list][move][wait]") {
    auto move = moving(clock, source, target, {.timeout = 1h});
    clock.advance(1h - 1ns);
    CHECK(move.waits());
    clock.advance(1ns);
    CHECK(ending(move.result()) == Ending::timed_out);
    fill<std::string>(source, {"a"});
    CHECK(source.size() == 1);
    CHECK(target.size() == 0);
    CHECK(source.stats().blocked_pops == 0);
    CHECK(target.stats().blocked_pushes == 0);
}

TEST_CASE_METHOD(TwoLists, "a move ends when it is asked to stop, also before",
                 "[list][move][wait]") {
    auto move = moving(clock, source, target);
    REQUIRE(move.waits());
    move.stop();
    CHECK(ending(move.result()) == Ending::stopped);
    std::stop_source stop;
    stop.request_stop();
    CHECK(ending(source.move_to(target, {.stop = stop.get_token()})) == Ending::stopped);
    CHECK(ending(source.move_to(source, {.stop = stop.get_token()})) == Ending::stopped);
    CHECK(source.stats().blocked_pops == 0);
    CHECK(target.stats().blocked_pushes == 0);
}

TEST_CASE_METHOD(SourceWithThree, "an element is worth more to a move than time and stop",
                 "[list][move][wait]") {
    std::stop_source stop;
    stop.request_stop();
    CHECK(value(source.move_to(target, {.timeout = 0s, .stop = stop.get_token()})) == "a");
}

TEST_CASE_METHOD(TwoLists, "a try to move looks neither at time nor at stop",
                 "[list][move][wait]") {
    std::stop_source stop;
    stop.request_stop();
    CHECK(ending(source.try_move_to(target, {.timeout = 1h, .stop = stop.get_token()})) ==
          Ending::timed_out);
    fill<std::string>(source, {"a"});
    CHECK(value(source.try_move_to(target, {.stop = stop.get_token()})) == "a");
}

TEST_CASE_METHOD(TwoLists, "what a move brings serves who waits at the target",
                 "[list][move][wait]") {
    auto pop = popping_front(clock, target);
    fill<std::string>(source, {"a"});
    CHECK(value(source.move_to(target)) == "a");
    CHECK(value(pop.result()) == "a");
    CHECK(target.size() == 0);
}

TEST_CASE_METHOD(TwoLists, "what a waiting move brings serves who waits at the target",
                 "[list][move][wait]") {
    auto pop = popping_back(clock, target);
    auto move = moving(clock, source, target);
    CHECK(source.push_back("a") == Push::done);
    CHECK(value(move.result()) == "a");
    CHECK(value(pop.result()) == "a");
}

// ------------------------------------------------------------------ full targets

TEST_CASE_METHOD(FullTarget, "a move to a full list that blocks waits for room",
                 "[list][move][capacity]") {
    fill<std::string>(source, {"a"});
    auto move = moving(clock, source, target);
    REQUIRE(move.waits());
    CHECK(target.stats().blocked_pushes == 1);
    CHECK(elements(source) == Words{"a"});
    CHECK(value(target.pop_front()) == "x");
    CHECK(value(move.result()) == "a");
    CHECK(elements(target) == Words{"a"});
    CHECK(source.size() == 0);
}

TEST_CASE_METHOD(FullTarget, "a try to move to a full list that blocks moves nothing",
                 "[list][move][capacity]") {
    fill<std::string>(source, {"a"});
    CHECK(ending(source.try_move_to(target)) == Ending::timed_out);
    CHECK(ending(source.move_to(target, {.timeout = 0s})) == Ending::timed_out);
    CHECK(elements(source) == Words{"a"});
    CHECK(elements(target) == Words{"x"});
}

TEST_CASE_METHOD(FullTarget, "a move needs an element and room, in whatever order they come",
                 "[list][move][capacity]") {
    auto move = moving(clock, source, target);
    REQUIRE(move.waits());
    fill<std::string>(source, {"a"});
    CHECK(move.waits());
    CHECK(value(target.pop_front()) == "x");
    CHECK(value(move.result()) == "a");

    auto other = moving(clock, source, target);
    CHECK(value(target.pop_front()) == "a");
    CHECK(other.waits());
    fill<std::string>(source, {"b"});
    CHECK(value(other.result()) == "b");
}

TEST_CASE_METHOD(FullTarget, "removing from a full target makes room for a move",
                 "[list][move][capacity]") {
    fill<std::string>(source, {"a"});
    auto move = moving(clock, source, target);
    CHECK(target.remove("x") == 1);
    CHECK(value(move.result()) == "a");
}

TEST_CASE("a move to a full list that rejects is refused, and the element stays",
          "[list][move][capacity]") {
    ManualClock clock;
    BlockingList<std::string> source{{.clock = &clock}};
    BlockingList<std::string> target{{.capacity = 1, .when_full = Full::reject, .clock = &clock}};
    fill<std::string>(source, {"a"});
    fill<std::string>(target, {"x"});
    CHECK(ending(source.move_to(target, {.timeout = 1h})) == Ending::full);
    CHECK(ending(source.try_move_to(target)) == Ending::full);
    CHECK(elements(source) == Words{"a"});
    CHECK(elements(target) == Words{"x"});
}

TEST_CASE("a move that waits for an element is refused when the target is full by then, and the "
          "element goes to the next one",
          "[list][move][capacity]") {
    ManualClock clock;
    BlockingList<std::string> source{{.clock = &clock}};
    BlockingList<std::string> target{{.capacity = 1, .when_full = Full::reject, .clock = &clock}};
    auto move = moving(clock, source, target);
    auto pop = popping_front(clock, source);
    fill<std::string>(target, {"x"});
    fill<std::string>(source, {"a"});
    CHECK(ending(move.result()) == Ending::full);
    CHECK(value(pop.result()) == "a");
    CHECK(elements(target) == Words{"x"});
}

TEST_CASE("a move to a full list that drops throws away what is at the other end",
          "[list][move][capacity]") {
    const BlockingList<std::string> source;
    const BlockingList<std::string> target{{.capacity = 2, .when_full = Full::drop_other_end}};
    fill<std::string>(source, {"a", "b"});
    fill<std::string>(target, {"x", "y"});
    CHECK(value(source.move_to(target)) == "a");
    CHECK(elements(target) == Words{"y", "a"});
    CHECK(value(source.try_move_to(target, {.to = End::front})) == "b");
    CHECK(elements(target) == Words{"b", "y"});
    CHECK(target.stats().dropped == 2);
}

TEST_CASE("a move that waits for an element drops when the target is full by then",
          "[list][move][capacity]") {
    ManualClock clock;
    BlockingList<std::string> source{{.clock = &clock}};
    BlockingList<std::string> target{
        {.capacity = 1, .when_full = Full::drop_other_end, .clock = &clock}};
    fill<std::string>(target, {"x"});
    auto move = moving(clock, source, target);
    auto other = moving(clock, source, target);
    fill<std::string>(source, {"a"});
    CHECK(value(move.result()) == "a");
    CHECK(elements(target) == Words{"a"});
    fill<std::string>(source, {"b"});
    CHECK(value(other.result()) == "b");
    CHECK(elements(target) == Words{"b"});
    CHECK(target.stats().dropped == 2);
}

// ------------------------------------------------------------------ closed lists

TEST_CASE_METHOD(SourceWithThree, "a move to a closed list is refused, and the element stays",
                 "[list][move][close]") {
    target.close();
    CHECK(ending(source.move_to(target)) == Ending::closed);
    CHECK(ending(source.try_move_to(target)) == Ending::closed);
    CHECK(elements(source) == Words{"a", "b", "c"});
    CHECK(elements(target) == Words{"x"});
}

TEST_CASE_METHOD(TwoLists, "a move between an empty and a closed list does not wait",
                 "[list][move][close]") {
    target.close();
    CHECK(ending(source.move_to(target)) == Ending::closed);
}

TEST_CASE_METHOD(SourceWithThree,
                 "what is left in a closed list can be moved away, and then no more",
                 "[list][move][close]") {
    source.close();
    while (source.move_to(target)) {
    }
    CHECK(elements(target) == Words{"x", "a", "b", "c"});
    CHECK(ending(source.move_to(target)) == Ending::closed);
    CHECK(ending(source.try_move_to(target)) == Ending::closed);
    CHECK(source.drained());
}

TEST_CASE_METHOD(SourceWithThree, "what is left in a closed list can be rotated",
                 "[list][move][close]") {
    source.close();
    CHECK(value(source.move_to(source)) == "a");
    CHECK(elements(source) == Words{"b", "c", "a"});
}

TEST_CASE_METHOD(FullTarget, "a move that waits for room ends when the target is closed",
                 "[list][move][close]") {
    fill<std::string>(source, {"a"});
    auto move = moving(clock, source, target);
    REQUIRE(move.waits());
    target.close();
    CHECK(ending(move.result()) == Ending::closed);
    CHECK(elements(source) == Words{"a"});
}

TEST_CASE_METHOD(FullTarget,
                 "a move that waits for room has something to take after the source is "
                 "closed",
                 "[list][move][close]") {
    fill<std::string>(source, {"a"});
    auto first = moving(clock, source, target);
    auto second = moving(clock, source, target);
    source.close();
    CHECK(first.waits());
    CHECK(value(target.pop_front()) == "x");
    CHECK(value(first.result()) == "a");
    CHECK(ending(second.result()) == Ending::closed);
}

TEST_CASE_METHOD(FullTarget, "a move that waits for room ends when others drain the closed source",
                 "[list][move][close]") {
    fill<std::string>(source, {"a"});
    auto move = moving(clock, source, target);
    source.close();
    CHECK(value(source.pop_front()) == "a");
    CHECK(ending(move.result()) == Ending::closed);
}

// ------------------------------------------------------------------ order

TEST_CASE_METHOD(TwoLists, "a waiting move is served in its turn among pops",
                 "[list][move][order]") {
    auto first = popping_front(clock, source);
    auto second = moving(clock, source, target);
    auto third = popping_front(clock, source);
    CHECK(source.stats().blocked_pops == 3);
    Words messages{"a", "b", "c", "d"};
    CHECK(source.push_back_many(messages).count == 4);
    CHECK(value(first.result()) == "a");
    CHECK(value(second.result()) == "b");
    CHECK(value(third.result()) == "c");
    CHECK(elements(source) == Words{"d"});
    CHECK(elements(target) == Words{"b"});
}

TEST_CASE_METHOD(TwoLists, "waiting moves to several targets are served in their order",
                 "[list][move][order]") {
    BlockingList<std::string> other{{.clock = &clock}};
    auto first = moving(clock, source, target);
    auto second = moving(clock, source, other);
    auto third = moving(clock, source, target);
    auto fourth = popping_front(clock, source);
    auto fifth = moving(clock, source, other, {.to = End::front});
    Words messages{"1", "2", "3", "4", "5"};
    CHECK(source.push_back_many(messages).count == 5);
    CHECK(value(first.result()) == "1");
    CHECK(value(second.result()) == "2");
    CHECK(value(third.result()) == "3");
    CHECK(value(fourth.result()) == "4");
    CHECK(value(fifth.result()) == "5");
    CHECK(elements(target) == Words{"1", "3"});
    CHECK(elements(other) == Words{"5", "2"});
}

TEST_CASE_METHOD(FullTarget, "a waiting move gets room in its turn among pushes",
                 "[list][move][order]") {
    fill<std::string>(source, {"m"});
    std::string one = "1";
    std::string two = "2";
    auto first = pushing_back(clock, target, one);
    auto second = moving(clock, source, target);
    auto third = pushing_back(clock, target, two);
    CHECK(target.stats().blocked_pushes == 3);
    CHECK(value(target.pop_front()) == "x");
    CHECK(first.result() == Push::done);
    CHECK((second.waits() && third.waits()));
    CHECK(value(target.pop_front()) == "1");
    CHECK(value(second.result()) == "m");
    CHECK(third.waits());
    CHECK(value(target.pop_front()) == "m");
    CHECK(third.result() == Push::done);
    CHECK(elements(target) == Words{"2"});
}

TEST_CASE_METHOD(FullTarget, "a move that lacks room holds up nobody, and keeps its place",
                 "[list][move][order]") {
    auto move = moving(clock, source, target);
    auto pop = popping_front(clock, source);
    fill<std::string>(source, {"a"});
    CHECK(move.waits());
    CHECK(value(pop.result()) == "a");

    auto later = popping_front(clock, source);
    CHECK(value(target.pop_front()) == "x");
    CHECK((move.waits() && later.waits()));
    fill<std::string>(source, {"b"});
    CHECK(value(move.result()) == "b");
    CHECK(later.waits());
}

TEST_CASE_METHOD(FullTarget, "what a move that lacks room waits to take can be taken by others",
                 "[list][move][order]") {
    fill<std::string>(source, {"a", "b", "c", "d", "e"});
    auto move = moving(clock, source, target);
    REQUIRE(move.waits());
    CHECK(value(source.try_pop_front()) == "a");
    CHECK(value(source.pop_front()) == "b");
    CHECK(value(source.pop_back()) == "e");
    CHECK(values(source.try_pop_front_many(1)) == Words{"c"});
    CHECK(move.waits());
    CHECK(value(target.pop_front()) == "x");
    CHECK(value(move.result()) == "d");
}

TEST_CASE_METHOD(TwoLists, "a move that lacks an element holds up no push", "[list][move][order]") {
    BlockingList<std::string> bounded{{.capacity = 2, .clock = &clock}};
    auto move = moving(clock, source, bounded);
    REQUIRE(move.waits());
    CHECK(bounded.push_back("1") == Push::done);
    CHECK(bounded.try_push_front("0") == Push::done);
    CHECK(bounded.try_push_back("2") == Push::full);
    CHECK(value(bounded.pop_front()) == "0");
    CHECK(bounded.push_back_if_exists("2") == Push::done);
    CHECK(elements(bounded) == Words{"1", "2"});
    CHECK(move.waits());
}

TEST_CASE_METHOD(FullTarget, "a move that comes later does not overtake one that lacks an element",
                 "[list][move][order]") {
    auto first = moving(clock, source, target);
    auto second = moving(clock, source, target);
    CHECK(value(target.pop_front()) == "x");
    fill<std::string>(source, {"a"});
    CHECK(value(first.result()) == "a");
    CHECK(second.waits());
    fill<std::string>(source, {"b"});
    CHECK(second.waits());
    CHECK(value(target.pop_front()) == "a");
    CHECK(value(second.result()) == "b");
}

TEST_CASE_METHOD(FullTarget, "a move that timed out holds up nobody", "[list][move][order]") {
    fill<std::string>(source, {"a"});
    auto move = moving(clock, source, target, {.timeout = 1s});
    std::string message = "1";
    auto push = pushing_back(clock, target, message);
    clock.advance(1s);
    CHECK(ending(move.result()) == Ending::timed_out);
    CHECK(value(target.pop_front()) == "x");
    CHECK(push.result() == Push::done);
    CHECK(elements(target) == Words{"1"});
    CHECK(elements(source) == Words{"a"});
}

// ------------------------------------------------------------------ chains

TEST_CASE("a chain of waiting moves is carried out by the push that begins it",
          "[list][move][chain]") {
    ManualClock clock;
    BlockingList<std::string> a{{.clock = &clock}};
    BlockingList<std::string> b{{.clock = &clock}};
    BlockingList<std::string> c{{.clock = &clock}};
    BlockingList<std::string> d{{.clock = &clock}};
    auto first = moving(clock, a, b);
    auto second = moving(clock, b, c);
    auto third = moving(clock, c, d);
    auto last = popping_front(clock, d);
    REQUIRE((first.waits() && second.waits() && third.waits() && last.waits()));
    CHECK(a.push_back("v") == Push::done);
    // Before any of the woken threads does anything more, everything has been handed on.
    CHECK(a.size() + b.size() + c.size() + d.size() == 0);
    CHECK(value(first.result()) == "v");
    CHECK(value(second.result()) == "v");
    CHECK(value(third.result()) == "v");
    CHECK(value(last.result()) == "v");
}

TEST_CASE("a chain is carried out in whatever order its moves began", "[list][move][chain]") {
    ManualClock clock;
    BlockingList<std::string> a{{.clock = &clock}};
    BlockingList<std::string> b{{.clock = &clock}};
    BlockingList<std::string> c{{.clock = &clock}};
    BlockingList<std::string> d{{.clock = &clock}};
    auto third = moving(clock, c, d);
    auto first = moving(clock, a, b);
    auto second = moving(clock, b, c);
    CHECK(a.push_back("v") == Push::done);
    CHECK(elements(d) == Words{"v"});
    CHECK(value(first.result()) == "v");
    CHECK(value(second.result()) == "v");
    CHECK(value(third.result()) == "v");
}

TEST_CASE("a chain of a hundred moves is carried out by one push", "[list][move][chain]") {
    ManualClock clock;
    std::vector<BlockingList<std::string>> lists;
    for (int i = 0; i != 101; ++i)
        lists.push_back(BlockingList<std::string>{ListOptions{.clock = &clock}});
    std::list<Call<Moved<std::string>>> moves;
    for (std::size_t at = 0; at != 100; ++at)
        moves.push_back(moving(clock, lists[at], lists[at + 1]));
    CHECK(lists.front().push_back("v") == Push::done);
    CHECK(elements(lists.back()) == Words{"v"});
    for (auto& move : moves) CHECK(value(move.result()) == "v");
}

TEST_CASE("room is handed back along a chain of full lists", "[list][move][chain]") {
    ManualClock clock;
    BlockingList<std::string> a{{.capacity = 1, .clock = &clock}};
    BlockingList<std::string> b{{.capacity = 1, .clock = &clock}};
    BlockingList<std::string> c{{.capacity = 1, .clock = &clock}};
    fill<std::string>(a, {"1"});
    fill<std::string>(b, {"2"});
    fill<std::string>(c, {"3"});
    std::string message = "0";
    auto push = pushing_back(clock, a, message);
    auto first = moving(clock, a, b);
    auto second = moving(clock, b, c);
    REQUIRE((push.waits() && first.waits() && second.waits()));
    CHECK(value(c.pop_front()) == "3");
    CHECK(elements(c) == Words{"2"});
    CHECK(elements(b) == Words{"1"});
    CHECK(elements(a) == Words{"0"});
    CHECK(push.result() == Push::done);
    CHECK(value(first.result()) == "1");
    CHECK(value(second.result()) == "2");
}

TEST_CASE("two moves in a circle move once each", "[list][move][chain]") {
    ManualClock clock;
    BlockingList<std::string> a{{.clock = &clock}};
    BlockingList<std::string> b{{.clock = &clock}};
    auto there = moving(clock, a, b);
    auto back = moving(clock, b, a);
    CHECK(a.push_back("v") == Push::done);
    CHECK(value(there.result()) == "v");
    CHECK(value(back.result()) == "v");
    CHECK(elements(a) == Words{"v"});
    CHECK(b.size() == 0);
}

TEST_CASE("two full lists cannot be exchanged, but one place is enough", "[list][move][chain]") {
    ManualClock clock;
    BlockingList<std::string> a{{.capacity = 1, .clock = &clock}};
    BlockingList<std::string> b{{.capacity = 1, .clock = &clock}};
    fill<std::string>(a, {"a"});
    fill<std::string>(b, {"b"});
    auto there = moving(clock, a, b);
    auto back = moving(clock, b, a);
    REQUIRE((there.waits() && back.waits()));
    CHECK(value(b.pop_front()) == "b");
    CHECK(value(there.result()) == "a");
    CHECK(value(back.result()) == "a");
    CHECK(elements(a) == Words{"a"});
}

TEST_CASE("a rotation and moves stand in one line", "[list][move][chain]") {
    ManualClock clock;
    BlockingList<std::string> a{{.clock = &clock}};
    BlockingList<std::string> b{{.clock = &clock}};
    auto rotation = moving(clock, a, a);
    auto move = moving(clock, a, b);
    auto pop = popping_front(clock, a);
    CHECK(a.push_back("v") == Push::done);
    CHECK(value(rotation.result()) == "v");
    CHECK(value(move.result()) == "v");
    CHECK(pop.waits());
    CHECK(elements(b) == Words{"v"});
}

TEST_CASE("one push can begin several chains, which are carried out step by step",
          "[list][move][chain]") {
    ManualClock clock;
    BlockingList<std::string> a{{.clock = &clock}};
    BlockingList<std::string> b{{.clock = &clock}};
    BlockingList<std::string> c{{.clock = &clock}};
    auto to_b = moving(clock, a, b);
    auto to_c = moving(clock, a, c);
    auto from_b = moving(clock, b, c);
    auto from_c = popping_front_many(clock, c, 5);
    auto again = popping_front_many(clock, c, 5);
    Words messages{"1", "2"};
    CHECK(a.push_back_many(messages).count == 2);
    CHECK(value(to_b.result()) == "1");
    CHECK(value(to_c.result()) == "2");
    CHECK(value(from_b.result()) == "1");
    // First everybody who waits at a is served, then who waits at b and at c.
    CHECK(values(from_c.result()) == Words{"2", "1"});
    CHECK(again.waits());
    CHECK(a.size() + b.size() + c.size() == 0);
}

// ------------------------------------------------------------------ copies

TEST_CASE("a move copies its element once, for who asked for it", "[list][move][copy]") {
    ManualClock clock;
    BlockingList<Countable> source{{.clock = &clock}};
    BlockingList<Countable> target{{.clock = &clock}};
    Census census;
    REQUIRE(source.push_back(Countable{1}) == Push::done);
    CHECK((*source.move_to(target)).get() == 1);
    CHECK(census.copies() == 1);

    auto waiting = moving(clock, source, target);
    REQUIRE(waiting.waits());
    REQUIRE(source.push_back(Countable{2}) == Push::done);
    CHECK((*waiting.result()).get() == 2);
    CHECK(census.copies() == 2);
}

TEST_CASE("a move that waited for room copies its element once, also when there is room for more",
          "[list][move][copy]") {
    ManualClock clock;
    BlockingList<Countable> source{{.clock = &clock}};
    BlockingList<Countable> target{{.capacity = 2, .clock = &clock}};
    Census census;
    for (int number = 1; number != 4; ++number) {
        REQUIRE(source.push_back(Countable{number}) == Push::done);
        (void)target.try_push_back(Countable{number * 10});
    }
    auto move = moving(clock, source, target);
    REQUIRE(move.waits());
    CHECK(target.try_pop_front_many(2).size() == 2);
    CHECK((*move.result()).get() == 1);
    CHECK(source.size() == 2);
    CHECK(census.copies() == 1);
}

TEST_CASE("if the copy throws, nothing has moved", "[list][move][copy]") {
    const BlockingList<Fussy> source;
    const BlockingList<Fussy> target{{.capacity = 1, .when_full = Full::drop_other_end}};
    REQUIRE(source.push_back(Fussy{1}) == Push::done);
    REQUIRE(source.push_back(Fussy{2}) == Push::done);
    REQUIRE(target.push_back(Fussy{9}) == Push::done);
    Fussy::throws = true;
    CHECK_THROWS_AS(source.move_to(target), std::runtime_error);
    CHECK_THROWS_AS(source.try_move_to(target), std::runtime_error);
    CHECK_THROWS_AS(source.move_to(source), std::runtime_error);
    Fussy::throws = false;
    CHECK(source.size() == 2);
    CHECK((*source.pop_front()).value == 1);
    CHECK((*source.pop_front()).value == 2);
    CHECK((*target.pop_front()).value == 9);
    CHECK(target.stats().dropped == 0);
}

TEST_CASE("if the copy for a waiting move throws, the move gets the exception and the next one the "
          "element",
          "[list][move][copy]") {
    ManualClock clock;
    BlockingList<Fussy> source{{.clock = &clock}};
    BlockingList<Fussy> target{{.clock = &clock}};
    auto move = moving(clock, source, target);
    auto pop = popping_front(clock, source);
    REQUIRE((move.waits() && pop.waits()));
    Fussy::throws = true;
    CHECK(source.push_back(Fussy{1}) == Push::done);
    clock.settle();
    Fussy::throws = false;
    CHECK_THROWS_AS(move.result(), std::runtime_error);
    CHECK((*pop.result()).value == 1);
    CHECK(target.size() == 0);
    CHECK(target.stats().blocked_pushes == 0);
}

// ------------------------------------------------------------------ in real time

TEST_CASE("nobody sees a rotating list with an element more or less", "[list][move][race]") {
    const BlockingList<int> list;
    fill(list, {1, 2, 3});
    std::size_t wrong = 0;
    {
        const std::jthread rotating{[&](const std::stop_token& stop) {
            while (!stop.stop_requested()) (void)list.move_to(list);
        }};
        for (int look = 0; look != 5'000; ++look) wrong += list.size() != 3 ? 1 : 0;
        for (int look = 0; look != 500; ++look) wrong += list.range().size() != 3 ? 1 : 0;
    }
    CHECK(wrong == 0);
}

TEST_CASE("moves there and back by several threads do not get stuck and lose nothing",
          "[list][move][race]") {
    const BlockingList<int> here{{.capacity = 20}};
    const BlockingList<int> there{{.capacity = 20}};
    for (int number = 0; number != 10; ++number) fill<int>(here, {number});
    {
        std::vector<std::jthread> movers;
        for (int mover = 0; mover != 2; ++mover) {
            movers.emplace_back([&] {
                for (int i = 0; i != 5'000; ++i) (void)here.move_to(there);
            });
            movers.emplace_back([&] {
                for (int i = 0; i != 5'000; ++i) (void)there.move_to(here);
            });
        }
    }
    CHECK(here.size() == 10);
    CHECK(there.size() == 0);
}

TEST_CASE("elements that travel through three lists by waiting moves arrive in order",
          "[list][move][race]") {
    const BlockingList<int> a{{.capacity = 4}};
    const BlockingList<int> b{{.capacity = 4}};
    const BlockingList<int> c{{.capacity = 4}};
    constexpr int count = 3'000;
    std::vector<int> arrived;
    {
        const std::jthread first{[&] {
            while (a.move_to(b)) {
            }
            b.close();
        }};
        const std::jthread second{[&] {
            while (b.move_to(c)) {
            }
            c.close();
        }};
        const std::jthread last{[&] {
            while (auto popped = c.pop_front()) arrived.push_back(*popped);
        }};
        for (int number = 0; number != count; ++number) (void)a.push_back(int{number});
        a.close();
    }
    REQUIRE(arrived.size() == count);
    for (int number = 0; number != count; ++number)
        REQUIRE(arrived[static_cast<std::size_t>(number)] == number);
}
