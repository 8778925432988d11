// SPDX-License-Identifier: MIT
#include <runnel/awaitable.hpp>
#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>
#include <runnel/error.hpp>
#include <runnel/list_options.hpp>
#include <runnel/outcome.hpp>

#include "support/catch.hpp"
#include "support/coroutines.hpp"
#include "support/elements.hpp"
#include "support/errors.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <utility>
#include <vector>

using runnel::async_pop_first;
using runnel::BlockingList;
using runnel::End;
using runnel::Ending;
using runnel::ErrorCode;
using runnel::FirstOptions;
using runnel::ListOptions;
using runnel::ManualClock;
using runnel::PoppedFrom;
using runnel::Push;
using runnel::test::Coroutine;
using runnel::test::elements;
using runnel::test::error_of;
using runnel::test::fill;
using runnel::test::Loop;
using namespace std::chrono_literals;

namespace {

using Numbers = BlockingList<int>;

// What came from which of several lists, or an ending; nothing as yet.
struct FromOne {
    using Taken = std::pair<std::size_t, int>;

    [[nodiscard]] bool waits() const { return !popped; }
    [[nodiscard]] Taken taken() const { return {popped->which(), popped->value()}; }
    [[nodiscard]] Ending ending() const { return popped->ending(); }

    std::optional<PoppedFrom<int>> popped{};
};

template <typename Awaited>
Coroutine first_of_several(Awaited awaited, FromOne& outcome) {
    auto popped = co_await awaited;
    outcome.popped.emplace(std::move(popped));
}

struct ThreeNumberLists {
    // A coroutine that waits for the first of all three.
    [[nodiscard]] Coroutine wait(FromOne& outcome, const FirstOptions& options = {}) const {
        return first_of_several(async_pop_first(all, options), outcome);
    }
    [[nodiscard]] Coroutine wait_on(Loop& loop, FromOne& outcome,
                                    const FirstOptions& options = {}) const {
        return first_of_several(async_pop_first(all, options).on(loop), outcome);
    }
    void push(std::size_t which, int number) const {
        REQUIRE(all[which].try_push_back(number) == Push::done);
    }
    [[nodiscard]] std::size_t waits() const {
        return a.stats().blocked_pops + b.stats().blocked_pops + c.stats().blocked_pops;
    }

    ManualClock clock;
    Numbers a{{.clock = &clock}};
    Numbers b{{.clock = &clock}};
    Numbers c{{.clock = &clock}};
    std::vector<Numbers> all{a, b, c};
};

}  // namespace

TEST_CASE_METHOD(ThreeNumberLists, "a coroutine takes from the first list that has something") {
    push(2, 3);
    push(1, 2);
    FromOne outcome;
    const Coroutine pop = wait(outcome);
    CHECK(outcome.taken() == FromOne::Taken{1, 2});
    CHECK(elements(c) == std::vector{3});
    CHECK(waits() == 0);
}

TEST_CASE_METHOD(ThreeNumberLists, "a coroutine that waits on several lists takes from any, once") {
    for (std::size_t which = 0; which != all.size(); ++which) {
        FromOne outcome;
        const Coroutine pop = wait(outcome);
        CHECK(waits() == 3);
        push(which, 7);
        CHECK(outcome.taken() == FromOne::Taken{which, 7});
        CHECK(waits() == 0);
        push(0, 8);
        CHECK(elements(a) == std::vector{8});
        (void)a.try_pop_front();
    }
}

TEST_CASE_METHOD(ThreeNumberLists, "a coroutine can take the last element of the first list") {
    FromOne outcome;
    const Coroutine pop = wait(outcome, {.from = End::back});
    std::vector<int> numbers{1, 2, 3};
    REQUIRE(b.push_back_many(numbers).ending == Push::done);
    CHECK(outcome.taken() == FromOne::Taken{1, 3});
    CHECK(elements(b) == std::vector{1, 2});
}

TEST_CASE_METHOD(ThreeNumberLists, "lists may be named in the call, and go before it is awaited") {
    FromOne outcome;
    const auto take = [&]() -> Coroutine {
        auto next = async_pop_first({a, b}, {.timeout = 1h});
        auto popped = co_await next;
        outcome.popped.emplace(std::move(popped));
    };
    const Coroutine pop = take();
    push(1, 5);
    CHECK(outcome.taken() == FromOne::Taken{1, 5});

    FromOne later;
    auto awaited = async_pop_first(std::array{a, c});  // that array is gone
    const Coroutine next = first_of_several(std::move(awaited), later);
    push(2, 6);
    CHECK(later.taken() == FromOne::Taken{1, 6});
}

#ifdef __clang__  // g++ 12 compiles no braced list inside of a co_await
TEST_CASE_METHOD(ThreeNumberLists, "lists may be named where a coroutine waits") {
    FromOne outcome;
    const auto take = [&]() -> Coroutine {
        auto popped = co_await async_pop_first({a, b}, {.timeout = 1h});
        outcome.popped.emplace(std::move(popped));
    };
    const Coroutine pop = take();
    push(1, 5);
    CHECK(outcome.taken() == FromOne::Taken{1, 5});
}
#endif

TEST_CASE_METHOD(ThreeNumberLists, "an awaitable of several lists can be awaited again") {
    std::vector<int> taken;
    const auto take = [&]() -> Coroutine {
        auto next = async_pop_first(std::span<const Numbers>{all});
        while (auto popped = co_await next) taken.push_back(*popped);
    };
    const Coroutine pops = take();
    push(2, 1);
    push(0, 2);
    CHECK(waits() == 3);
    push(1, 3);
    for (const Numbers& list : all) list.close();
    CHECK(pops.done());
    CHECK(taken == std::vector{1, 2, 3});
}

TEST_CASE("a coroutine stands in line once at each list, however often it is named") {
    ManualClock clock;
    std::vector<Numbers> lists;
    for (int i = 0; i != 40; ++i) lists.emplace_back(ListOptions{.clock = &clock});
    for (std::size_t i = 0; i != 40; ++i) lists.push_back(lists[39 - i]);
    FromOne outcome;
    const Coroutine pop = first_of_several(async_pop_first(lists), outcome);
    for (const Numbers& list : lists) CHECK(list.stats().blocked_pops == 1);
    fill(lists[77], {4});
    CHECK(outcome.taken() == FromOne::Taken{2, 4});
    for (const Numbers& list : lists) CHECK(list.stats().blocked_pops == 0);
}

TEST_CASE("a coroutine that takes from no list is refused in the call") {
    CHECK(error_of([] { (void)async_pop_first(std::vector<Numbers>{}); }) ==
          ErrorCode::invalid_argument);
    CHECK(error_of([] { (void)async_pop_first(std::initializer_list<Numbers>{}); }) ==
          ErrorCode::invalid_argument);
}

TEST_CASE("what can only be moved comes to a coroutine from the first of several lists") {
    using Owned = std::unique_ptr<int>;
    const BlockingList<Owned> one;
    const BlockingList<Owned> other;
    int got = 0;
    const auto take = [&]() -> Coroutine {
        auto next = async_pop_first({one, other});
        auto popped = co_await next;
        got = **popped + static_cast<int>(popped.which());
    };
    const Coroutine pop = take();
    REQUIRE(other.try_push_back(std::make_unique<int>(5)) == Push::done);
    CHECK(got == 6);
}

// ---------------------------------------------------------------------- other ends

TEST_CASE_METHOD(ThreeNumberLists,
                 "a coroutine's wait on several lists times out, in none of them") {
    FromOne outcome;
    const Coroutine pop = wait(outcome, {.timeout = 10ms});
    clock.advance(9ms);
    CHECK(outcome.waits());
    clock.advance(1ms);
    CHECK(outcome.ending() == Ending::timed_out);
    CHECK(waits() == 0);
    FromOne at_once;
    const Coroutine next = wait(at_once, {.timeout = 0ms});
    CHECK(at_once.ending() == Ending::timed_out);
    CHECK(waits() == 0);
}

TEST_CASE_METHOD(ThreeNumberLists, "a stop ends a coroutine's wait on several lists") {
    std::stop_source stop;
    FromOne outcome;
    const Coroutine pop = wait(outcome, {.stop = stop.get_token()});
    stop.request_stop();
    CHECK(outcome.ending() == Ending::stopped);
    CHECK(waits() == 0);
}

TEST_CASE_METHOD(ThreeNumberLists, "a coroutine waits until the last of several lists is closed") {
    FromOne outcome;
    const Coroutine pop = wait(outcome);
    a.close();
    c.close();
    CHECK(outcome.waits());
    b.close();
    CHECK(outcome.ending() == Ending::closed);
}

TEST_CASE("a coroutine that waits on several lists keeps none open") {
    std::optional<Numbers> one{std::in_place};
    std::optional<Numbers> other{std::in_place};
    FromOne outcome;
    const Coroutine pop = first_of_several(async_pop_first({*one, *other}), outcome);
    one.reset();
    CHECK(outcome.waits());
    other.reset();
    CHECK(outcome.ending() == Ending::closed);
}

TEST_CASE_METHOD(ThreeNumberLists, "a time-out on several lists goes by the first one's clock") {
    const Numbers real;
    FromOne outcome;
    const Coroutine pop = first_of_several(async_pop_first({a, real}, {.timeout = 1h}), outcome);
    clock.advance(1h);
    CHECK(outcome.ending() == Ending::timed_out);
    FromOne none;
    const Coroutine refused = first_of_several(async_pop_first({real, a}, {.timeout = 1h}), none);
    CHECK(error_of([&] { refused.check(); }) == ErrorCode::clock_not_run);
    CHECK(waits() == 0);
}

// ---------------------------------------------------------------------- order

TEST_CASE_METHOD(ThreeNumberLists, "a coroutine stands in the line of each of several lists") {
    std::optional<int> before;
    std::optional<int> behind;
    const auto pop = [](Numbers list, std::optional<int>& got) -> Coroutine {
        got = (co_await list.async_pop_front()).value();
    };
    const Coroutine first = pop(b, before);
    FromOne outcome;
    const Coroutine several = wait(outcome);
    const Coroutine last = pop(b, behind);
    push(1, 1);
    CHECK(before == 1);
    CHECK(outcome.waits());
    push(1, 2);
    CHECK(outcome.taken() == FromOne::Taken{1, 2});
    push(1, 3);
    CHECK(behind == 3);
}

TEST_CASE_METHOD(ThreeNumberLists, "a coroutine behind a move takes from the list it named first") {
    std::optional<int> moved;
    const auto move = [](Numbers from, Numbers to, std::optional<int>& got) -> Coroutine {
        got = (co_await from.async_move_to(to)).value();
    };
    const Coroutine mover = move(a, b, moved);
    FromOne outcome;
    const Coroutine pop = first_of_several(async_pop_first({b, a}), outcome);
    std::vector<int> numbers{1, 2};
    REQUIRE(a.push_back_many(numbers).ending == Push::done);
    CHECK(moved == 1);
    CHECK(outcome.taken() == FromOne::Taken{0, 1});
    CHECK(elements(a) == std::vector{2});
}

// ---------------------------------------------------------------------- giving up

TEST_CASE_METHOD(ThreeNumberLists,
                 "a coroutine that is destroyed in line leaves the lines of all lists") {
    FromOne outcome;
    Coroutine pop = wait(outcome, {.timeout = 1h});
    pop.destroy();
    CHECK(waits() == 0);
    for (std::size_t which = 0; which != all.size(); ++which) push(which, 1);
    CHECK(a.size() + b.size() + c.size() == 3);
}

TEST_CASE_METHOD(ThreeNumberLists,
                 "an element goes back to the list and the end that it was taken from") {
    const End end = GENERATE(End::front, End::back);
    Loop loop;
    FromOne outcome;
    Coroutine pop = wait_on(loop, outcome, {.from = end});
    std::vector<int> numbers{1, 2, 3};
    REQUIRE(b.push_back_many(numbers).ending == Push::done);
    CHECK(b.size() == 2);
    push(0, 9);
    loop.drop();
    pop.destroy();
    CHECK(outcome.waits());
    CHECK(elements(b) == std::vector{1, 2, 3});
    CHECK(elements(a) == std::vector{9});
}

TEST_CASE_METHOD(ThreeNumberLists, "what was taken behind a move goes back to where it was") {
    std::optional<int> moved;
    const auto move = [](Numbers from, Numbers to, std::optional<int>& got) -> Coroutine {
        got = (co_await from.async_move_to(to)).value();
    };
    const Coroutine mover = move(a, b, moved);
    Loop loop;
    FromOne outcome;
    Coroutine pop = first_of_several(async_pop_first({b, a}).on(loop), outcome);
    std::vector<int> numbers{1, 2};
    REQUIRE(a.push_back_many(numbers).ending == Push::done);
    loop.drop();
    pop.destroy();
    CHECK(elements(b) == std::vector{1});
    CHECK(elements(a) == std::vector{2});
}

TEST_CASE_METHOD(ThreeNumberLists, "only the list that was taken from has an element on its way") {
    Loop loop;
    FromOne outcome;
    const Coroutine pop = wait_on(loop, outcome);
    push(1, 1);
    for (const Numbers& list : all) list.close();
    CHECK(a.drained());
    CHECK_FALSE(b.drained());
    loop.run();
    CHECK(b.drained());
    CHECK(outcome.taken() == FromOne::Taken{1, 1});
}
