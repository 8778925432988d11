// SPDX-License-Identifier: MIT
// The calls of a list as awaitables. What holds for all waits without a thread: operation_test.
#include <runnel/awaitable.hpp>
#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>
#include <runnel/list_options.hpp>
#include <runnel/outcome.hpp>

#include "support/catch.hpp"
#include "support/coroutines.hpp"
#include "support/elements.hpp"
#include "support/errors.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using runnel::BlockingList;
using runnel::End;
using runnel::Ending;
using runnel::ErrorCode;
using runnel::Full;
using runnel::ManualClock;
using runnel::Push;
using runnel::Pushed;
using runnel::test::Coroutine;
using runnel::test::elements;
using runnel::test::error_of;
using runnel::test::fill;
using runnel::test::Loop;
using namespace std::chrono_literals;

namespace {

using Words = std::vector<std::string>;

// Awaits, and keeps what comes.
template <typename Awaitable, typename Result>
Coroutine awaiting(Awaitable awaitable, std::optional<Result>& result) {
    result.emplace(co_await awaitable);
}

struct SomeWords {
    ManualClock clock;
    BlockingList<std::string> words{{.clock = &clock}};
    BlockingList<std::string> pair{{.capacity = 2, .clock = &clock}};  // "x", "y": it is full

    SomeWords() { fill<std::string>(pair, {"x", "y"}); }
};

}  // namespace

TEST_CASE_METHOD(SomeWords, "async_pop_front() and async_pop_back() take from their ends") {
    std::optional<runnel::Popped<std::string>> front;
    std::optional<runnel::Popped<std::string>> back;
    const Coroutine first = awaiting(pair.async_pop_front(), front);
    const Coroutine last = awaiting(pair.async_pop_back(), back);
    CHECK(front->value() == "x");
    CHECK(back->value() == "y");
}

TEST_CASE_METHOD(SomeWords, "they wait for an element") {
    std::optional<runnel::Popped<std::string>> front;
    std::optional<runnel::Popped<std::string>> back;
    const Coroutine first = awaiting(words.async_pop_front(), front);
    const Coroutine last = awaiting(words.async_pop_back(), back);
    fill<std::string>(words, {"a", "b"});
    CHECK(front->value() == "a");
    CHECK(back->value() == "b");
}

TEST_CASE_METHOD(SomeWords, "a list of what can only be moved can be awaited") {
    const BlockingList<std::unique_ptr<int>> boxes{{.clock = &clock}};
    std::optional<runnel::Popped<std::unique_ptr<int>>> box;
    const Coroutine pop = awaiting(boxes.async_pop_front(), box);
    REQUIRE(boxes.try_push_back(std::make_unique<int>(1)) == Push::done);
    CHECK(*box->value() == 1);
}

TEST_CASE_METHOD(SomeWords, "a pop of many takes what is there") {
    std::optional<runnel::Batch<std::string>> front;
    std::optional<runnel::Batch<std::string>> back;
    const Coroutine waits = awaiting(words.async_pop_front_many(2), front);
    Words three{"a", "b", "c"};
    REQUIRE(words.push_back_many(three).ending == Push::done);
    const Coroutine at_once = awaiting(words.async_pop_back_many(2), back);
    REQUIRE(front->size() == 2);
    CHECK((*front)[1] == "b");
    REQUIRE(back->size() == 1);
    CHECK((*back)[0] == "c");
    CHECK(error_of([&] { return words.async_pop_front_many(0); }) == ErrorCode::invalid_argument);
    CHECK(error_of([&] { return words.async_pop_back_many(0); }) == ErrorCode::invalid_argument);
}

TEST_CASE_METHOD(SomeWords, "a push waits for room, and leaves its message alone until then") {
    std::string message = "z";
    std::optional<Push> push;
    const Coroutine waits = awaiting(pair.async_push_back(std::move(message)), push);
    CHECK_FALSE(push);
    CHECK(message == "z");
    CHECK(pair.try_pop_front().value() == "x");
    CHECK(push == Push::done);
    CHECK(elements(pair) == Words{"y", "z"});
}

// Elements stand in two parts, and a pop at the front takes over all that has gathered at the back.
TEST_CASE("a push gets the room that a pop makes, wherever the elements stand") {
    const BlockingList<int> jobs{{.capacity = 3}};
    fill<int>(jobs, {1, 2, 3});
    std::optional<Push> push;
    const auto wait = [&](int job) {
        push.reset();
        Coroutine coroutine = awaiting(jobs.async_push_back(job), push);
        CHECK_FALSE(push);
        return coroutine;
    };
    std::optional<runnel::Popped<int>> popped;
    const auto pop = [&] { const Coroutine coroutine = awaiting(jobs.async_pop_front(), popped); };

    SECTION("all at the back, and a coroutine pops") {
        const Coroutine waits = wait(4);
        pop();
        CHECK(popped->value() == 1);
        CHECK(push == Push::done);
        CHECK(elements(jobs) == std::vector{2, 3, 4});
    }
    SECTION("one at the back, and a coroutine pops") {
        const BlockingList<int> one{{.capacity = 1}};
        fill<int>(one, {1});
        const int two = 2;
        const Coroutine waits = awaiting(one.async_push_back(two), push);
        const Coroutine pops = awaiting(one.async_pop_front(), popped);
        CHECK(popped->value() == 1);
        CHECK(push == Push::done);
        CHECK(elements(one) == std::vector{2});
    }
    SECTION("some at the front") {
        CHECK(jobs.try_pop_front().value() == 1);
        REQUIRE(jobs.try_push_back(4) == Push::done);
        const Coroutine waits = wait(5);
        SECTION("and a coroutine pops") {
            pop();
            CHECK(popped->value() == 2);
        }
        SECTION("and a thread pops") {
            CHECK(jobs.try_pop_front().value() == 2);
        }
        CHECK(push == Push::done);
        CHECK(elements(jobs) == std::vector{3, 4, 5});
    }
}

TEST_CASE_METHOD(SomeWords, "a push is done at once where a pop has made room") {
    CHECK(pair.try_pop_front().value() == "x");
    std::optional<Push> push;
    const Coroutine at_once = awaiting(pair.async_push_back(std::string{"z"}), push);
    CHECK(push == Push::done);
    CHECK(elements(pair) == Words{"y", "z"});
}

TEST_CASE_METHOD(SomeWords, "pushes wait in the order in which they came, at either end") {
    std::optional<Push> one;
    std::optional<Push> two;
    const std::string z = "z";
    const std::string w = "w";
    const Coroutine first = awaiting(pair.async_push_back(z), one);
    const Coroutine second = awaiting(pair.async_push_front(w), two);
    CHECK(pair.try_pop_front().value() == "x");
    CHECK(one == Push::done);
    CHECK_FALSE(two);
    CHECK(pair.try_pop_back().value() == "z");
    CHECK(two == Push::done);
    CHECK(elements(pair) == Words{"w", "y"});
}

TEST_CASE_METHOD(SomeWords, "a push of an lvalue has a copy") {
    std::string message = "z";
    std::optional<Push> push;
    const Coroutine waits = awaiting(pair.async_push_front(message), push);
    message = "changed";
    CHECK(pair.try_pop_front().value() == "x");
    CHECK(push == Push::done);
    CHECK(elements(pair) == Words{"z", "y"});
    std::optional<Push> other;
    const Coroutine at_once = awaiting(words.async_push_back(message), other);
    CHECK(other == Push::done);
    CHECK(message == "changed");
}

TEST_CASE_METHOD(SomeWords, "a push that fails leaves its message untouched") {
    std::string message = "z";
    std::optional<Push> push;
    const Coroutine waits =
        awaiting(pair.async_push_back(std::move(message), {.timeout = 1s}), push);
    clock.advance(1s);
    CHECK(push == Push::full);
    CHECK(message == "z");
    pair.close();
    std::optional<Push> closed;
    const Coroutine late = awaiting(pair.async_push_front(std::move(message)), closed);
    CHECK(closed == Push::closed);
    CHECK(message == "z");
}

TEST_CASE("a push to a full list that does not wait ends at once") {
    std::optional<Push> push;
    const BlockingList<std::string> refuses{{.capacity = 1, .when_full = Full::reject}};
    fill<std::string>(refuses, {"x"});
    const Coroutine refused = awaiting(refuses.async_push_back(std::string{"y"}), push);
    CHECK(push == Push::full);
    const BlockingList<std::string> drops{{.capacity = 1, .when_full = Full::drop_other_end}};
    fill<std::string>(drops, {"x"});
    const std::string message = "y";
    const Coroutine done = awaiting(drops.async_push_back(message), push);
    CHECK(push == Push::done);
    CHECK(elements(drops) == Words{"y"});
}

TEST_CASE_METHOD(SomeWords, "a push of many goes on as there is room") {
    Words messages{"a", "b", "c"};
    std::optional<Pushed> pushed;
    const Coroutine push = awaiting(pair.async_push_back_many(messages), pushed);
    CHECK(pair.try_pop_front().value() == "x");
    CHECK(pair.try_pop_front().value() == "y");
    CHECK_FALSE(pushed);
    CHECK(elements(pair) == Words{"a", "b"});
    CHECK(pair.try_pop_front().value() == "a");
    REQUIRE(pushed);
    CHECK(pushed->ending == Push::done);
    CHECK(pushed->count == 3);
}

TEST_CASE_METHOD(SomeWords, "a push of many that ends early says how many are in") {
    Words messages{"a", "b", "c"};
    std::optional<Pushed> pushed;
    std::stop_source stop;
    const Coroutine push = awaiting(
        pair.async_push_front_many(messages, {.timeout = {}, .stop = stop.get_token()}), pushed);
    CHECK(pair.try_pop_back().value() == "y");
    stop.request_stop();
    REQUIRE(pushed);
    CHECK(pushed->ending == Push::stopped);
    CHECK(pushed->count == 1);
    CHECK(elements(pair) == Words{"a", "x"});
    CHECK(messages[1] == "b");
}

TEST_CASE_METHOD(SomeWords,
                 "a push stays done though its coroutine is destroyed before it goes on") {
    Loop loop;
    std::string message = "z";
    Coroutine push = [](Loop& on, BlockingList<std::string> to, std::string& what) -> Coroutine {
        (void)co_await to.async_push_back(std::move(what)).on(on);
    }(loop, pair, message);
    CHECK(pair.try_pop_front().value() == "x");
    loop.drop();
    push.destroy();
    CHECK(elements(pair) == Words{"y", "z"});
}

TEST_CASE_METHOD(SomeWords, "a move waits for an element, or for room") {
    std::optional<runnel::Moved<std::string>> moved;
    const Coroutine rotates = awaiting(pair.async_move_to(pair), moved);
    CHECK(moved->value() == "x");
    std::optional<runnel::Moved<std::string>> for_room;
    const Coroutine lacks_room =
        awaiting(words.async_move_to(pair, {.from = End::back, .to = End::front}), for_room);
    fill<std::string>(words, {"a"});
    CHECK_FALSE(for_room);
    CHECK(pair.try_pop_front().value() == "y");
    CHECK(for_room->value() == "a");
    CHECK(elements(pair) == Words{"a", "x"});
    std::optional<runnel::Moved<std::string>> late;
    const Coroutine times_out = awaiting(words.async_move_to(pair, {.timeout = 1s}), late);
    clock.advance(1s);
    CHECK(late->ending() == Ending::timed_out);
}

TEST_CASE_METHOD(SomeWords,
                 "a move stays done though its coroutine is destroyed before it goes on") {
    Loop loop;
    const BlockingList<std::string> target{{.clock = &clock}};
    Coroutine move = [](Loop& on, BlockingList<std::string> from,
                        BlockingList<std::string> to) -> Coroutine {
        (void)co_await from.async_move_to(to).on(on);
    }(loop, words, target);
    fill<std::string>(words, {"a"});
    loop.drop();
    move.destroy();
    CHECK(elements(target) == Words{"a"});
}

TEST_CASE_METHOD(SomeWords, "a move whose copy throws moves nothing, and the coroutine gets it") {
    struct Once {
        explicit Once(bool throws) noexcept : is_bad{throws} {}
        Once(const Once& other) : is_bad{other.is_bad} {
            if (is_bad) throw std::runtime_error{"no copy"};
        }
        Once(Once&&) noexcept = default;

        bool is_bad;
    };
    const BlockingList<Once> from{{.clock = &clock}};
    const BlockingList<Once> to{{.clock = &clock}};
    std::optional<runnel::Moved<Once>> moved;
    const Coroutine move = awaiting(from.async_move_to(to), moved);
    REQUIRE(from.try_push_back(Once{true}) == Push::done);
    CHECK_FALSE(moved);
    CHECK_THROWS_AS(move.check(), std::runtime_error);
    CHECK(from.size() == 1);
}

TEST_CASE_METHOD(SomeWords, "an awaitable can be awaited again") {
    int count = 0;
    const auto loop = [&]() -> Coroutine {
        auto next = words.async_pop_front();
        while (co_await next) ++count;
    };
    const Coroutine worker = loop();
    fill<std::string>(words, {"a", "b", "c"});
    words.close();
    CHECK(count == 3);
    CHECK(worker.done());
}
