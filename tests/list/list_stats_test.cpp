// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/list/list_state.hpp>
#include <runnel/list_options.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stats.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/coroutines.hpp"
#include "support/elements.hpp"
#include "support/reveal.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

using runnel::BlockingList;
using runnel::End;
using runnel::Full;
using runnel::ListStats;
using runnel::ManualClock;
using runnel::Push;
using runnel::test::Coroutine;
using runnel::test::fill;
using runnel::test::pushing_back;
using namespace std::chrono_literals;

namespace runnel::test {

struct StateOfCounted {
    friend auto reveal(StateOfCounted);
};
template struct Reveal<StateOfCounted, &BlockingList<int>::state_>;

}  // namespace runnel::test

namespace {

// A list of two, on a clock that stands still.
struct ListOfTwo {
    ManualClock clock;
    BlockingList<int> list{{.capacity = 2, .clock = &clock}};
    int number = 0;

    [[nodiscard]] std::chrono::nanoseconds blocked_for() const { return list.stats().blocked_for; }
};

Coroutine pushing(const BlockingList<int>& list) {
    (void)co_await list.async_push_back(9);
}

Coroutine popping(const BlockingList<int>& list) {
    (void)co_await list.async_pop_front();
}

Coroutine popping_and_destroying(const BlockingList<int>& list, Coroutine& other) {
    (void)co_await list.async_pop_front();
    other.destroy();
}

}  // namespace

TEST_CASE("a new list has counted nothing", "[list][stats]") {
    CHECK(BlockingList<int>{}.stats() == ListStats{});
    CHECK(BlockingList<int>{{.capacity = 3}}.stats() == ListStats{.capacity = 3});
}

TEST_CASE("what comes and what leaves is counted, whichever way it takes", "[list][stats]") {
    const BlockingList<int> list;
    std::uint64_t in = 0;
    std::uint64_t out = 0;
    const auto check = [&] {
        const ListStats stats = list.stats();
        REQUIRE(stats.pushed == in);
        REQUIRE(stats.popped == out);
        REQUIRE(stats.size == in - out);
    };
    for (int round = 0; round != 3; ++round) {
        fill(list, {1, 2, 3});
        in += 3;
        check();
        REQUIRE(list.try_push_front(0) == Push::done);
        REQUIRE(list.push_back_if_exists(4) == Push::done);
        REQUIRE(list.push_front_if_exists(4) == Push::done);
        in += 3;
        check();
        std::vector<int> many(70, 7);
        REQUIRE(list.push_back_many(many).count == 70);
        REQUIRE(list.push_front_many(many).count == 70);
        in += 140;
        check();
        REQUIRE(list.try_pop_front());
        REQUIRE(list.try_pop_back());
        out += 2;
        check();
        REQUIRE(list.try_pop_front_many(5).size() == 5);
        REQUIRE(list.try_pop_back_many(6).size() == 6);
        out += 11;
        check();
        REQUIRE(list.remove(7, End::front, 2) == 2);
        out += 2;
        check();
        REQUIRE(list.try_move_to(list));  // leaves it and comes into it
        ++in;
        ++out;
        check();
        REQUIRE(runnel::pop_first({list}));
        ++out;
        check();
        while (list.try_pop_front_many(1'000)) {
        }
        out = in;
        check();
    }
}

TEST_CASE_METHOD(ListOfTwo, "an element that goes to a pop that waits is counted",
                 "[list][stats]") {
    auto call = runnel::test::popping_front(clock, list);
    REQUIRE(list.push_back(1) == Push::done);
    REQUIRE(call.result());
    CHECK(list.stats().pushed == 1);
    CHECK(list.stats().popped == 1);
    CHECK(list.stats().high_water == 1);
}

TEST_CASE("a move counts in both lists", "[list][stats]") {
    const BlockingList<int> from;
    const BlockingList<int> to{{.capacity = 1, .when_full = Full::reject}};
    fill(from, {1, 2});
    REQUIRE(from.try_move_to(to));
    CHECK(from.stats().popped == 1);
    CHECK(to.stats().pushed == 1);
    REQUIRE_FALSE(from.try_move_to(to));
    CHECK(from.stats().popped == 1);
    CHECK(to.stats().refused == 1);
}

TEST_CASE("what is dropped was pushed, and is not popped", "[list][stats]") {
    const BlockingList<int> list{{.capacity = 2, .when_full = Full::drop_other_end}};
    fill(list, {1, 2, 3, 4, 5});
    const ListStats stats = list.stats();
    CHECK(stats.pushed == 5);
    CHECK(stats.dropped == 3);
    CHECK(stats.popped == 0);
    CHECK(stats.high_water == 2);
    CHECK(stats.refused == 0);
}

TEST_CASE("an element that comes back counts again", "[list][stats]") {
    const BlockingList<int> list;
    Coroutine late;
    const Coroutine first = popping_and_destroying(list, late);
    late = popping(list);
    std::vector<int> two{1, 2};
    REQUIRE(list.push_back_many(two).count == 2);  // serves both, before the first one goes on
    CHECK(list.stats().size == 1);
    CHECK(list.stats().pushed == 3);
    CHECK(list.stats().popped == 2);
}

TEST_CASE("the high-water mark is at least half of the greatest size", "[list][stats]") {
    const BlockingList<int> list;
    for (int number = 0; number != 100; ++number) fill(list, {number});
    SECTION("seen by a look") {
        CHECK(list.stats().high_water == 100);
    }
    SECTION("seen by a pop of one") {
        REQUIRE(list.try_pop_front());
        SECTION("and not more, while only the front is used") {}
        SECTION("and what comes meanwhile is seen by the next look behind") {
            for (int number = 0; number != 70; ++number) fill(list, {number});
            for (int number = 0; number != 100; ++number) REQUIRE(list.try_pop_front());
        }
        CHECK(list.stats().high_water == 100);
    }
    SECTION("seen by a pop of many") {
        REQUIRE(list.try_pop_front_many(50).size() == 50);
        while (list.try_pop_front()) {
        }
        CHECK(list.stats().high_water == 100);
    }
    SECTION("seen by a pop of all") {
        REQUIRE(list.try_pop_front_many(500).size() == 100);
        CHECK(list.stats().high_water == 100);
    }
    SECTION("seen by pops at the back") {
        REQUIRE(list.try_pop_back_many(100).size() == 100);
        CHECK(list.stats().high_water == 100);
    }
    SECTION("seen by a removal") {
        for (int number = 0; number != 100; ++number) REQUIRE(list.remove(number) == 1);
        CHECK(list.stats().high_water == 100);
    }
    SECTION("stays") {
        (void)list.stats();
        while (list.try_pop_front_many(500)) {
        }
        fill(list, {1});
        CHECK(list.stats().high_water == 100);
    }
}

TEST_CASE("pushes that find no room are counted, each call once", "[list][stats]") {
    const BlockingList<int> list{{.capacity = 3, .when_full = Full::reject}};
    fill(list, {1, 2});
    std::vector<int> many{3, 4, 5};
    REQUIRE(list.push_back_many(many).count == 1);
    CHECK(list.stats().refused == 1);
    CHECK(list.stats().pushed == 3);
    REQUIRE(list.push_back(6) == Push::full);
    REQUIRE(list.try_push_front(6) == Push::full);
    CHECK(list.stats().refused == 3);
    REQUIRE(list.push_back_if_exists(6) == Push::full);
    CHECK(list.stats().refused == 4);
    list.close();
    REQUIRE(list.push_back(6) == Push::closed);
    CHECK(list.stats().refused == 4);
    CHECK(list.stats().is_closed);
}

TEST_CASE_METHOD(ListOfTwo, "a push that ends in time was refused, one that is stopped was not",
                 "[list][stats]") {
    fill(list, {1, 2});
    {
        auto call = pushing_back(clock, list, number, 5s);
        auto stopped = pushing_back(clock, list, number);
        clock.advance(5s);
        CHECK(call.result() == Push::full);
        stopped.stop();
        CHECK(stopped.result() == Push::stopped);
    }
    CHECK(list.stats().refused == 1);
    CHECK(blocked_for() == 10s);
}

// ------------------------------------------------------------------ how long pushes wait

TEST_CASE_METHOD(ListOfTwo, "the time that a push waits counts while it waits", "[list][stats]") {
    fill(list, {1, 2});
    auto call = pushing_back(clock, list, number);
    CHECK(blocked_for() == 0s);
    clock.advance(3s);
    CHECK(blocked_for() == 3s);
    REQUIRE(list.try_pop_front());
    REQUIRE(call.result() == Push::done);
    clock.advance(1h);
    CHECK(blocked_for() == 3s);
}

TEST_CASE_METHOD(ListOfTwo, "the times of several pushes are added up", "[list][stats]") {
    fill(list, {1, 2});
    int other = 0;
    auto one = pushing_back(clock, list, number);
    clock.advance(1s);
    auto two = pushing_back(clock, list, other);
    clock.advance(1s);
    CHECK(blocked_for() == 3s);
    REQUIRE(list.try_pop_front());
    clock.advance(1s);
    CHECK(blocked_for() == 4s);
    list.close();
    REQUIRE(two.result() == Push::closed);
    clock.advance(1s);
    CHECK(blocked_for() == 4s);
}

TEST_CASE_METHOD(ListOfTwo, "a coroutine that waits counts as a thread does", "[list][stats]") {
    fill(list, {1, 2});
    Coroutine served = pushing(list);
    Coroutine destroyed = pushing(list);
    clock.advance(2s);
    CHECK(blocked_for() == 4s);
    REQUIRE(list.try_pop_front());
    REQUIRE(served.done());
    clock.advance(1s);
    CHECK(blocked_for() == 5s);
    destroyed.destroy();
    clock.advance(1s);
    CHECK(blocked_for() == 5s);
    CHECK(list.stats().refused == 0);
}

TEST_CASE_METHOD(ListOfTwo, "moves that wait for room are not pushes", "[list][stats]") {
    fill(list, {1, 2});
    const BlockingList<int> source{{.clock = &clock}};
    fill(source, {3});
    {
        runnel::test::Call call{clock, [&](const std::stop_token& stop) {
                                    return source.move_to(list, {.stop = stop});
                                }};
        clock.advance(1s);
        CHECK(list.stats().blocked_pushes == 1);
        CHECK(blocked_for() == 0s);
        SECTION("it is served") {
            REQUIRE(list.try_pop_front());
            REQUIRE(call.result());
        }
        SECTION("the list is closed") {
            list.close();
            REQUIRE_FALSE(call.result());
        }
        SECTION("it is stopped") {}
    }
    clock.advance(1s);
    CHECK(blocked_for() == 0s);
    CHECK(list.stats().blocked_pushes == 0);
}

TEST_CASE_METHOD(ListOfTwo, "the end of a move is no end of a push", "[list][stats]") {
    fill(list, {1, 2});
    const BlockingList<int> source{{.clock = &clock}};
    fill(source, {3});
    runnel::test::Call move{
        clock, [&](const std::stop_token& stop) { return source.move_to(list, {.stop = stop}); }};
    auto push = pushing_back(clock, list, number);
    clock.advance(1s);
    move.stop();
    REQUIRE_FALSE(move.result());
    clock.advance(1s);
    CHECK(blocked_for() == 2s);
    REQUIRE(push.waits());
}

TEST_CASE_METHOD(ListOfTwo, "a push of many waits until all are in", "[list][stats]") {
    std::vector<int> many{1, 2, 3, 4};
    runnel::test::Call call{clock, [&](const std::stop_token& stop) {
                                return list.push_back_many(many, {.stop = stop}).count;
                            }};
    clock.advance(1s);
    REQUIRE(list.try_pop_front());
    clock.advance(1s);
    CHECK(blocked_for() == 2s);
    REQUIRE(list.try_pop_front());
    CHECK(call.result() == 4);
    clock.advance(1s);
    CHECK(blocked_for() == 2s);
    CHECK(list.stats().pushed == 4);
    CHECK(list.stats().capacity == 2);
}

// ------------------------------------------------------------------ very many

TEST_CASE("more pushes are counted than fit into 32 bits", "[list][stats]") {
    const BlockingList<int> list;
    {
        auto& state = *(list.*reveal(runnel::test::StateOfCounted{}));
        const runnel::detail::Lock lock{state.back.mutex};
        state.note_pushed(std::numeric_limits<std::uint32_t>::max());
    }
    CHECK(list.stats().pushed == 0xffff'ffff);
    fill(list, {1});
    CHECK(list.stats().pushed == 0x1'0000'0000);
    std::vector<int> two{1, 2};
    REQUIRE(list.push_back_many(two).count == 2);
    CHECK(list.stats().pushed == 0x1'0000'0002);
    {
        auto& state = *(list.*reveal(runnel::test::StateOfCounted{}));
        const runnel::detail::Lock lock{state.back.mutex};
        state.note_pushed(0x3'ffff'fffe);
    }
    CHECK(list.stats().pushed == 0x5'0000'0000);
}
