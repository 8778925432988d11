// SPDX-License-Identifier: MIT
// What waits on several objects allocate; and that they change nothing if there is no memory.
#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>
#include <runnel/list_options.hpp>
#include <runnel/outcome.hpp>
#include <runnel/wait_any.hpp>

#include "support/catch.hpp"
#include "support/coroutines.hpp"
#include "support/elements.hpp"
#include "support/short_memory.hpp"

#include <chrono>
#include <cstddef>
#include <exception>
#include <new>
#include <optional>
#include <utility>
#include <vector>

using runnel::async_pop_first;
using runnel::async_wait_any;
using runnel::BlockingList;
using runnel::FirstOptions;
using runnel::ListOptions;
using runnel::ManualClock;
using runnel::Push;
using runnel::Watch;
using runnel::test::Coroutine;
using runnel::test::elements;
using runnel::test::Loop;
using runnel::test::Memory;
using runnel::test::MemoryRunsOut;
using namespace std::chrono_literals;

namespace {

using Lists = std::vector<BlockingList<int>>;

Lists lists_of(std::size_t count, ManualClock& clock) {
    Lists lists;
    for (std::size_t at = 0; at != count; ++at) lists.emplace_back(ListOptions{.clock = &clock});
    return lists;
}

// How many requests `act` makes; it succeeds with so many.
template <typename Act>
long requests_of(const Act& act) {
    constexpr long plenty = 1'000;
    const MemoryRunsOut limit{plenty};
    act();
    return plenty - Memory::granted;
}

template <typename Awaited>
Coroutine take_first(Awaited awaited, std::optional<int>& got) {
    const auto popped = co_await awaited;
    got = popped.value();
}

}  // namespace

TEST_CASE("a pop of several lists allocates once in the call, and nothing when it waits") {
    const std::size_t count = GENERATE(1U, 2U, 16U, 17U, 100U);
    ManualClock clock;
    const Lists lists = lists_of(count, clock);
    std::optional<int> got;
    const FirstOptions options{.timeout = 1h};
    using Awaited = decltype(async_pop_first(lists, options));
    std::optional<Awaited> awaited;
    CHECK(requests_of([&] { awaited.emplace(async_pop_first(lists, options)); }) == 1);
    Coroutine pop;
    CHECK(requests_of([&] { pop = take_first(std::move(*awaited), got); }) == 1);  // its frame
    CHECK(lists.back().stats().blocked_pops == 1);
    REQUIRE(lists.back().try_push_back(3) == Push::done);
    CHECK(got == 3);
}

TEST_CASE("a thread's pop of several lists allocates at most once") {
    const std::size_t count = GENERATE(2U, 16U, 17U, 100U);
    ManualClock clock;
    const Lists lists = lists_of(count, clock);
    CHECK(requests_of([&] { (void)runnel::pop_first(lists, {.timeout = 0s}); }) == 1);
    REQUIRE(lists.back().try_push_back(3) == Push::done);
    CHECK(requests_of([&] { CHECK(runnel::pop_first(lists).value() == 3); }) == 0);
}

TEST_CASE("a pop of several lists without memory is refused in the call") {
    ManualClock clock;
    const Lists lists = lists_of(20, clock);
    const auto call = [&] {
        const MemoryRunsOut limit{0};
        (void)async_pop_first(lists);
    };
    CHECK_THROWS_AS(call(), std::bad_alloc);
    CHECK(lists[0].stats().blocked_pops == 0);
}

TEST_CASE("an element goes back to one of several lists without any memory") {
    ManualClock clock;
    const Lists lists = lists_of(3, clock);
    Loop loop;
    const auto take = [&]() -> Coroutine { (void)co_await async_pop_first(lists).on(loop); };
    Coroutine pop = take();
    REQUIRE(lists[1].try_push_back(3) == Push::done);
    CHECK(lists[1].size() == 0);
    loop.drop();
    {
        const MemoryRunsOut limit{0};
        pop.destroy();
    }
    CHECK(elements(lists[1]) == std::vector{3});
}

TEST_CASE("a push that has no memory to take the element back tells the pop so, and keeps it") {
    ManualClock clock;
    const Lists lists = lists_of(2, clock);
    const auto take = [&]() -> Coroutine { (void)co_await async_pop_first(lists); };
    bool failed = false;
    for (long granted = 0; granted != 20 && !failed; ++granted) {
        const Coroutine pop = take();
        auto pushed = Push::full;
        {
            const MemoryRunsOut limit{granted};
            try {
                pushed = lists[0].try_push_back(1);
            } catch (const std::bad_alloc&) {
                pushed = Push::full;
            }
        }
        if (pushed != Push::done) continue;
        try {
            pop.check();
        } catch (const std::bad_alloc&) {
            failed = true;
        }
        CHECK(lists[0].size() == (failed ? 1 : 0));
        CHECK(lists[1].stats().blocked_pops == 0);
        if (!failed) break;
    }
    CHECK(failed);
}

TEST_CASE("a wait for several objects allocates nothing") {
    const std::size_t count = GENERATE(1U, 3U, 100U);
    ManualClock clock;
    const Lists lists = lists_of(count, clock);
    const std::vector<Watch> watches(lists.begin(), lists.end());
    std::optional<int> which;
    const auto look = [&]() -> Coroutine {
        const auto any = co_await async_wait_any(watches, {.timeout = 1h});
        which = static_cast<int>(any.which());
    };
    Coroutine coroutine;
    CHECK(requests_of([&] { coroutine = look(); }) == 1);  // its frame
    CHECK(lists.back().stats().blocked_pops == 1);
    REQUIRE(lists.back().try_push_back(3) == Push::done);
    CHECK(which == static_cast<int>(count - 1));
}
