// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>
#include <runnel/error.hpp>
#include <runnel/outcome.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/elements.hpp"

#include <chrono>
#include <cstddef>
#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

using runnel::BlockingList;
using runnel::Error;
using runnel::ErrorCode;
using runnel::Full;
using runnel::ListOptions;
using runnel::ManualClock;
using runnel::Push;
using runnel::Pushed;
using runnel::test::elements;
using runnel::test::fill;
using runnel::test::moving;
using runnel::test::popping_back;
using runnel::test::popping_front;
using runnel::test::pushing_back;
using runnel::test::pushing_back_many;
using runnel::test::value;
using namespace std::chrono_literals;

using Words = std::vector<std::string>;

namespace {

struct BlockingAtTwo {
    ManualClock clock;
    BlockingList<std::string> list{{.capacity = 2, .clock = &clock}};

    BlockingAtTwo() { fill<std::string>(list, {"a", "b"}); }
};

struct RejectingAtTwo {
    BlockingList<std::string> list{{.capacity = 2, .when_full = Full::reject}};

    RejectingAtTwo() { fill<std::string>(list, {"a", "b"}); }
};

struct DroppingAtTwo {
    ManualClock clock;
    BlockingList<std::string> list{
        {.capacity = 2, .when_full = Full::drop_other_end, .clock = &clock}};

    DroppingAtTwo() { fill<std::string>(list, {"a", "b"}); }
};

}  // namespace

TEST_CASE("a list has no bound unless it is given one, and blocks when full unless told otherwise",
          "[list][capacity]") {
    const ListOptions options;
    CHECK(options.capacity == std::numeric_limits<std::size_t>::max());
    CHECK(options.when_full == Full::block);
    CHECK(options.clock == nullptr);
}

TEST_CASE("a list that may hold nothing is an error", "[list][capacity]") {
    try {
        const BlockingList<int> list{{.capacity = 0}};
        FAIL("no error");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::invalid_argument);
    }
}

TEST_CASE("a list holds exactly as many as it may", "[list][capacity]") {
    for (const std::size_t capacity : {1U, 2U, 7U, 8U, 9U, 1000U}) {
        const BlockingList<int> list{{.capacity = capacity, .when_full = Full::reject}};
        for (std::size_t round = 0; round != 3; ++round) {
            std::size_t pushed = 0;
            while (list.push_back(1) == Push::done) ++pushed;
            CHECK(pushed == capacity);
            CHECK(list.size() == capacity);
            CHECK(list.try_pop_front_many(capacity).size() == capacity);
        }
    }
}

// ------------------------------------------------------------------ block

TEST_CASE_METHOD(BlockingAtTwo, "a full list that blocks refuses who will not wait",
                 "[list][capacity]") {
    std::string message = "c";
    CHECK(list.try_push_back(std::move(message)) == Push::full);
    CHECK(list.try_push_front(std::move(message)) == Push::full);
    CHECK(list.push_back_if_exists(std::move(message)) == Push::full);
    CHECK(list.push_front_if_exists(std::move(message)) == Push::full);
    CHECK(message == "c");
    CHECK(elements(list) == Words{"a", "b"});
}

TEST_CASE_METHOD(BlockingAtTwo, "a pop from the back makes room as one from the front does",
                 "[list][capacity]") {
    std::string message = "c";
    auto push = pushing_back(clock, list, message);
    REQUIRE(push.waits());
    CHECK(value(list.try_pop_back()) == "b");
    CHECK(push.result() == Push::done);
    CHECK(elements(list) == Words{"a", "c"});
}

TEST_CASE_METHOD(BlockingAtTwo, "removing by value makes room", "[list][capacity]") {
    std::string message = "c";
    auto push = pushing_back(clock, list, message);
    CHECK(list.remove("z") == 0);
    CHECK(push.waits());
    CHECK(list.remove("a") == 1);
    CHECK(push.result() == Push::done);
    CHECK(elements(list) == Words{"b", "c"});
}

TEST_CASE_METHOD(BlockingAtTwo, "moving an element away makes room", "[list][capacity]") {
    const BlockingList<std::string> other;
    std::string message = "c";
    auto push = pushing_back(clock, list, message);
    REQUIRE(push.waits());
    CHECK(value(list.try_move_to(other)) == "a");
    CHECK(push.result() == Push::done);
    CHECK(elements(list) == Words{"b", "c"});
}

TEST_CASE_METHOD(BlockingAtTwo, "a pop that takes from the first of several lists makes room",
                 "[list][capacity]") {
    const BlockingList<std::string> other;
    std::string message = "c";
    auto push = pushing_back(clock, list, message);
    CHECK(value(runnel::pop_first({other, list})) == "a");
    CHECK(push.result() == Push::done);
}

TEST_CASE_METHOD(BlockingAtTwo, "closing ends the wait for room", "[list][capacity]") {
    std::string message = "c";
    auto push = pushing_back(clock, list, message);
    list.close();
    CHECK(push.result() == Push::closed);
    CHECK(message == "c");
}

TEST_CASE("a list of one element hands each over", "[list][capacity]") {
    ManualClock clock;
    BlockingList<std::string> list{{.capacity = 1, .clock = &clock}};
    Words messages{"a", "b", "c"};
    auto push = pushing_back_many(clock, list, messages);
    CHECK(value(list.pop_front()) == "a");
    CHECK(value(list.pop_front()) == "b");
    CHECK(push.result().count == 3);
    CHECK(value(list.pop_front()) == "c");
}

// ------------------------------------------------------------------ reject

TEST_CASE_METHOD(RejectingAtTwo, "a full list that rejects refuses at once, the message untouched",
                 "[list][capacity]") {
    std::string message = "c";
    CHECK(list.push_back(std::move(message)) == Push::full);
    CHECK(list.push_front(std::move(message), {.timeout = 1h}) == Push::full);
    CHECK(list.try_push_back(std::move(message)) == Push::full);
    CHECK(list.push_back_if_exists(std::move(message)) == Push::full);
    CHECK(message == "c");
    CHECK(elements(list) == Words{"a", "b"});
    CHECK(list.stats().dropped == 0);
}

TEST_CASE_METHOD(RejectingAtTwo, "a list that rejects takes messages again when there is room",
                 "[list][capacity]") {
    CHECK(value(list.pop_front()) == "a");
    CHECK(list.push_back("c") == Push::done);
    CHECK(list.push_back("d") == Push::full);
    CHECK(elements(list) == Words{"b", "c"});
}

TEST_CASE_METHOD(RejectingAtTwo, "of a push of many, a list that rejects takes what fits",
                 "[list][capacity]") {
    CHECK(value(list.pop_back()) == "b");
    Words messages{"1", "2", "3"};
    const Pushed at_back = list.push_back_many(messages);
    CHECK(at_back.count == 1);
    CHECK(at_back.ending == Push::full);
    CHECK(messages[1] == "2");
    CHECK(messages[2] == "3");
    CHECK(value(list.pop_back()) == "1");

    const Pushed at_front = list.push_front_many(std::span{messages}.subspan(1));
    CHECK(at_front.count == 1);
    CHECK(at_front.ending == Push::full);
    CHECK(messages[2] == "3");
    CHECK(elements(list) == Words{"2", "a"});
}

// ------------------------------------------------------------------ drop the other end

TEST_CASE_METHOD(DroppingAtTwo,
                 "a push at the back of a full list that drops throws away the front",
                 "[list][capacity]") {
    CHECK(list.push_back("c") == Push::done);
    CHECK(elements(list) == Words{"b", "c"});
    CHECK(list.try_push_back("d") == Push::done);
    CHECK(elements(list) == Words{"c", "d"});
    CHECK(list.push_back_if_exists("e") == Push::done);
    CHECK(elements(list) == Words{"d", "e"});
    CHECK(list.stats().dropped == 3);
}

TEST_CASE_METHOD(DroppingAtTwo,
                 "a push at the front of a full list that drops throws away the back",
                 "[list][capacity]") {
    CHECK(list.push_front("0") == Push::done);
    CHECK(elements(list) == Words{"0", "a"});
    CHECK(list.try_push_front("1") == Push::done);
    CHECK(elements(list) == Words{"1", "0"});
    CHECK(list.push_front_if_exists("2") == Push::done);
    CHECK(elements(list) == Words{"2", "1"});
    CHECK(list.stats().dropped == 3);
}

TEST_CASE_METHOD(DroppingAtTwo, "of a push of many, a list that drops keeps the last ones",
                 "[list][capacity]") {
    Words messages{"1", "2", "3", "4", "5"};
    const Pushed at_back = list.push_back_many(messages);
    CHECK(at_back.count == 5);
    CHECK(at_back.ending == Push::done);
    CHECK(elements(list) == Words{"4", "5"});
    CHECK(list.stats().dropped == 5);

    Words more{"6", "7", "8"};
    CHECK(list.push_front_many(more).count == 3);
    CHECK(elements(list) == Words{"8", "7"});
    CHECK(list.stats().dropped == 8);
}

TEST_CASE_METHOD(DroppingAtTwo, "what is taken is not counted as dropped", "[list][capacity]") {
    CHECK(value(list.pop_front()) == "a");
    CHECK(list.push_back("c") == Push::done);
    CHECK(list.stats().dropped == 0);
    CHECK(elements(list) == Words{"b", "c"});
}

TEST_CASE("a list that drops keeps one element at least", "[list][capacity]") {
    const BlockingList<std::string> list{{.capacity = 1, .when_full = Full::drop_other_end}};
    CHECK(list.push_back("a") == Push::done);
    CHECK(list.push_back("b") == Push::done);
    CHECK(list.push_front("c") == Push::done);
    CHECK(elements(list) == Words{"c"});
}

TEST_CASE("a push of many to a list that drops is served when all are in: what was dropped on the "
          "way nobody gets",
          "[list][capacity]") {
    ManualClock clock;
    BlockingList<std::string> list{
        {.capacity = 2, .when_full = Full::drop_other_end, .clock = &clock}};
    auto front = popping_front(clock, list);
    auto back = popping_back(clock, list);
    Words messages{"1", "2", "3", "4"};
    CHECK(list.push_back_many(messages).count == 4);
    CHECK(value(front.result()) == "3");
    CHECK(value(back.result()) == "4");
    CHECK(list.stats().dropped == 2);
}

TEST_CASE_METHOD(DroppingAtTwo, "a push to a list that drops never waits, whoever waits there",
                 "[list][capacity]") {
    // A move that waits for its source stands in line at its target.
    BlockingList<std::string> source{{.clock = &clock}};
    auto move = moving(clock, source, list);
    REQUIRE(move.waits());
    CHECK(list.push_back("c") == Push::done);
    CHECK(elements(list) == Words{"b", "c"});
    CHECK(list.try_push_front("0") == Push::done);
    CHECK(elements(list) == Words{"0", "b"});
    Words many{"1", "2", "3"};
    CHECK(list.push_back_many(many).count == 3);
    CHECK(elements(list) == Words{"2", "3"});
    CHECK(list.push_back_if_exists("4") == Push::done);
    CHECK(list.stats().dropped == 6);
}

TEST_CASE("a list drops across all of its elements, however they came in", "[list][capacity]") {
    const BlockingList<int> list{{.capacity = 100, .when_full = Full::drop_other_end}};
    int next = 0;
    for (int round = 0; round != 50; ++round) {
        for (int i = 0; i != 37; ++i) REQUIRE(list.push_back(next++) == Push::done);
        (void)list.try_pop_front_many(static_cast<std::size_t>(round % 7 + 1));
        REQUIRE(list.size() <= 100);
        std::vector<int> expected;
        for (int number = next - static_cast<int>(list.size()); number != next; ++number)
            expected.push_back(number);
        REQUIRE(elements(list) == expected);
    }
}
