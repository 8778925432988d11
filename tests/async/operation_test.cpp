// SPDX-License-Identifier: MIT
// How waits without a thread begin, end, and are given up; shown by pops of a list.
#include <runnel/awaitable.hpp>
#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/list/list_calls.hpp>
#include <runnel/detail/list/list_recipes.hpp>
#include <runnel/detail/list/list_state.hpp>
#include <runnel/detail/wait/operation.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/error.hpp>
#include <runnel/executor.hpp>
#include <runnel/list_options.hpp>
#include <runnel/outcome.hpp>

#include "support/catch.hpp"
#include "support/coroutines.hpp"
#include "support/elements.hpp"
#include "support/errors.hpp"
#include "support/stack_use.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

using runnel::BlockingList;
using runnel::Continuation;
using runnel::End;
using runnel::Ending;
using runnel::ErrorCode;
using runnel::ManualClock;
using runnel::Popped;
using runnel::Push;
using runnel::WaitOptions;
using runnel::detail::ListState;
using runnel::detail::Operation;
using runnel::detail::Owner;
using runnel::detail::PopRecipe;
using runnel::detail::WaitEnd;
using runnel::detail::WakeChain;
using runnel::test::Coroutine;
using runnel::test::drain;
using runnel::test::elements;
using runnel::test::error_of;
using runnel::test::fill;
using runnel::test::Loop;
using runnel::test::StackUse;
using namespace std::chrono_literals;

namespace {

using Jobs = BlockingList<int>;

// What became of a wait: a value, an ending, or nothing as yet.
struct Outcome {
    std::optional<Popped<int>> popped;

    [[nodiscard]] bool is_open() const { return !popped; }
    [[nodiscard]] int value() const { return popped->value(); }
    [[nodiscard]] Ending ending() const { return popped->ending(); }
};

Coroutine take(Jobs jobs, Outcome& outcome, WaitOptions options = {}) {
    auto popped = co_await jobs.async_pop_front(options);
    outcome.popped.emplace(std::move(popped));
}

template <typename Type>
Coroutine take_on(Type& executor, Jobs jobs, Outcome& outcome, WaitOptions options = {}) {
    auto popped = co_await jobs.async_pop_front(options).on(executor);
    outcome.popped.emplace(std::move(popped));
}

struct SomeJobs {
    ManualClock clock;
    Jobs jobs{{.clock = &clock}};

    void push(int job) const { REQUIRE(jobs.try_push_back(job) == Push::done); }
};

}  // namespace

TEST_CASE_METHOD(SomeJobs, "a wait is done at once if there is something") {
    push(1);
    Outcome outcome;
    const Coroutine pop = take(jobs, outcome);
    CHECK(outcome.value() == 1);
    CHECK(pop.done());
}

TEST_CASE_METHOD(SomeJobs, "a wait goes on inside the call that ends it") {
    Outcome outcome;
    const Coroutine pop = take(jobs, outcome);
    CHECK(outcome.is_open());
    push(1);
    CHECK(outcome.value() == 1);
    CHECK(jobs.size() == 0);
}

TEST_CASE_METHOD(SomeJobs, "coroutines and threads are served in the order in which they came") {
    Outcome first;
    const Coroutine pop = take(jobs, first);
    int second = 0;
    auto thread = clock.thread([&] { second = jobs.pop_front().value(); });
    clock.settle();
    Outcome third;
    const Coroutine last = take(jobs, third);
    for (const int job : {1, 2, 3}) push(job);
    thread.join();
    CHECK(first.value() == 1);
    CHECK(second == 2);
    CHECK(third.value() == 3);
}

TEST_CASE_METHOD(SomeJobs, "a time-out ends a wait as the clock moves") {
    Outcome outcome;
    const Coroutine pop = take(jobs, outcome, {.timeout = 10ms});
    clock.advance(9ms);
    CHECK(outcome.is_open());
    clock.advance(1ms);
    CHECK(outcome.ending() == Ending::timed_out);
    CHECK(jobs.stats().blocked_pops == 0);
}

TEST_CASE_METHOD(SomeJobs, "a time-out of zero does not wait") {
    Outcome outcome;
    const Coroutine pop = take(jobs, outcome, {.timeout = 0ms});
    CHECK(outcome.ending() == Ending::timed_out);
}

TEST_CASE_METHOD(SomeJobs,
                 "a time-out on a clock that nobody runs is an error, and takes nothing") {
    const Jobs real;
    Outcome outcome;
    const std::vector<int> numbers(GENERATE(0U, 1U, 2U), 7);
    REQUIRE(real.try_push_back(6) == Push::done);
    for (const int number : numbers) REQUIRE(real.try_push_back(int{number}) == Push::done);
    REQUIRE(real.try_pop_front());  // brings the others to the front
    const Coroutine pop = take(real, outcome, {.timeout = 1h});
    CHECK(pop.done());
    CHECK(error_of([&] { pop.check(); }) == ErrorCode::clock_not_run);
    CHECK(real.stats().blocked_pops == 0);
    CHECK(elements(real) == numbers);
}

TEST_CASE_METHOD(SomeJobs,
                 "time-outs of coroutines and threads end in the order of their deadlines") {
    std::vector<int> order;
    const auto wait = [&](int number, std::chrono::milliseconds timeout) -> Coroutine {
        (void)co_await jobs.async_pop_front({.timeout = timeout});
        order.push_back(number);
    };
    const Coroutine late = wait(3, 3ms);
    auto thread = clock.thread([&] {
        (void)jobs.pop_front({.timeout = 2ms});
        order.push_back(2);
    });
    clock.settle();
    const Coroutine early = wait(1, 1ms);
    clock.advance(3ms);
    CHECK(order == std::vector{1, 2, 3});
}

TEST_CASE_METHOD(SomeJobs, "a stop ends a wait, inside request_stop()") {
    std::stop_source stop;
    Outcome outcome;
    const Coroutine pop = take(jobs, outcome, {.stop = stop.get_token()});
    CHECK(outcome.is_open());
    stop.request_stop();
    CHECK(outcome.ending() == Ending::stopped);
    CHECK(jobs.stats().blocked_pops == 0);
}

TEST_CASE_METHOD(SomeJobs, "a stop that was asked for before ends only what has to wait") {
    std::stop_source stop;
    stop.request_stop();
    push(1);
    Outcome with;
    const Coroutine pop = take(jobs, with, {.stop = stop.get_token()});
    CHECK(with.value() == 1);
    Outcome without;  // its stop callback runs in its own construction
    const Coroutine next = take(jobs, without, {.stop = stop.get_token()});
    CHECK(without.ending() == Ending::stopped);
    CHECK(jobs.stats().blocked_pops == 0);
}

TEST_CASE_METHOD(SomeJobs, "what was served keeps its value though a stop is asked for") {
    std::stop_source stop;
    Loop loop;
    Outcome outcome;
    const Coroutine pop = take_on(loop, jobs, outcome, {.stop = stop.get_token()});
    push(1);
    stop.request_stop();
    clock.advance(1h);
    CHECK(outcome.is_open());
    loop.run();
    CHECK(outcome.value() == 1);
}

TEST_CASE_METHOD(SomeJobs, "an element goes to the next one if the first has been stopped") {
    std::stop_source stop;
    Loop loop;
    Outcome first;
    Outcome second;
    const Coroutine stopped = take_on(loop, jobs, first, {.stop = stop.get_token()});
    const Coroutine pop = take(jobs, second);
    stop.request_stop();  // it has ended, and has not gone on: it stands in line
    push(1);
    CHECK(second.value() == 1);
    loop.run();
    CHECK(first.ending() == Ending::stopped);
}

TEST_CASE_METHOD(SomeJobs, "closing ends all that wait, at both ends") {
    const Jobs full{{.capacity = 1, .clock = &clock}};
    fill(full, {1});
    std::optional<Push> pushed;
    const Coroutine push = [](Jobs to, std::optional<Push>& outcome) -> Coroutine {
        outcome = co_await to.async_push_back(2);
    }(full, pushed);
    Outcome outcome;
    const Coroutine pop = take(jobs, outcome);
    jobs.close();
    full.close();
    CHECK(outcome.ending() == Ending::closed);
    CHECK(pushed == Push::closed);
}

TEST_CASE_METHOD(SomeJobs, "a wait at a list that was closed ends at once, when it is empty") {
    push(1);
    jobs.close();
    Outcome first;
    Outcome second;
    const Coroutine pop = take(jobs, first);
    const Coroutine next = take(jobs, second);
    CHECK(first.value() == 1);
    CHECK(second.ending() == Ending::closed);
}

TEST_CASE("a wait does not keep its list open") {
    ManualClock clock;
    std::optional<Jobs> jobs{std::in_place, runnel::ListOptions{.clock = &clock}};
    std::optional<Popped<int>> popped;
    const auto wait = [&popped](auto awaitable) -> Coroutine {
        popped.emplace(co_await awaitable);
    };
    const Coroutine pop = wait(jobs->async_pop_front());
    jobs.reset();
    REQUIRE(popped);
    CHECK(popped->ending() == Ending::closed);
}

// ---------------------------------------------------------------------- executors

TEST_CASE_METHOD(SomeJobs, "with an executor, a wait goes on there") {
    Loop loop;
    Outcome outcome;
    const Coroutine pop = take_on(loop, jobs, outcome);
    push(1);
    CHECK(outcome.is_open());
    CHECK(loop.run() == 1);
    CHECK(outcome.value() == 1);
}

TEST_CASE_METHOD(SomeJobs, "a list with an element on its way is not drained") {
    Loop loop;
    Outcome outcome;
    const Coroutine pop = take_on(loop, jobs, outcome);
    push(1);
    jobs.close();
    CHECK_FALSE(jobs.drained());
    loop.run();
    CHECK(jobs.drained());
}

TEST_CASE_METHOD(SomeJobs, "an executor may run what it gets at once") {
    struct Inline {
        static void execute(Continuation function) { function(); }
    } executor;
    Outcome outcome;
    const Coroutine pop = take_on(executor, jobs, outcome);
    push(1);
    CHECK(outcome.value() == 1);
}

TEST_CASE_METHOD(SomeJobs, "what an executor refuses runs in the waker's thread") {
    struct Refusing {
        static void execute(Continuation /*function*/) { throw std::runtime_error{"full"}; }
    } executor;
    Outcome outcome;
    const Coroutine pop = take_on(executor, jobs, outcome);
    push(1);
    CHECK(outcome.value() == 1);
}

TEST_CASE_METHOD(SomeJobs, "so does what an executor that cannot be copied any more is to run") {
    struct Worn {
        Worn() = default;
        Worn(const Worn& other) : copies{other.copies + 1} {
            if (copies > 1) throw std::runtime_error{"no more copies"};
        }
        Worn(Worn&&) noexcept = default;
        void execute(Continuation /*function*/) const { FAIL("it is not used"); }

        int copies = 0;
    } executor;
    Outcome outcome;
    const Coroutine pop = take_on(executor, jobs, outcome);
    push(1);
    CHECK(outcome.value() == 1);
}

// ---------------------------------------------------------------------- giving up

TEST_CASE_METHOD(SomeJobs, "a coroutine that is destroyed in line leaves the line") {
    Outcome outcome;
    Coroutine pop = take(jobs, outcome, {.timeout = 1h});
    pop.destroy();
    CHECK(jobs.stats().blocked_pops == 0);
    push(1);
    clock.advance(2h);
    CHECK(jobs.size() == 1);
}

TEST_CASE_METHOD(SomeJobs,
                 "a coroutine that is destroyed when it was served gives its element back") {
    Loop loop;
    Outcome outcome;
    Coroutine pop = take_on(loop, jobs, outcome);
    for (const int job : {1, 2}) push(job);
    loop.drop();
    pop.destroy();
    CHECK(elements(jobs) == std::vector{1, 2});
}

TEST_CASE_METHOD(SomeJobs, "an element goes back to the end that it came from, over the capacity") {
    const Jobs two{{.capacity = 2, .clock = &clock}};
    Loop loop;
    Coroutine pop = [](Loop& on, Jobs from) -> Coroutine {
        (void)co_await from.async_pop_back().on(on);
    }(loop, two);
    fill(two, {1, 2, 3});
    loop.drop();
    pop.destroy();
    CHECK(elements(two) == std::vector{2, 3, 1});
    CHECK(two.try_push_back(4) == Push::full);
}

TEST_CASE_METHOD(SomeJobs, "elements that go back are popped in the same order, at either end") {
    const bool at_front = GENERATE(true, false);
    std::vector<int> all(200);
    for (std::size_t at = 0; at != all.size(); ++at) all[at] = static_cast<int>(at);
    Loop loop;
    Coroutine pop = [](Loop& on, Jobs from, bool front) -> Coroutine {
        if (front)
            (void)co_await from.async_pop_front_many(100).on(on);
        else
            (void)co_await from.async_pop_back_many(100).on(on);
    }(loop, jobs, at_front);
    REQUIRE(jobs.push_back_many(all).ending == Push::done);
    CHECK(jobs.size() == 100);
    loop.drop();
    pop.destroy();
    CHECK(elements(jobs) == all);
}

TEST_CASE_METHOD(SomeJobs, "an element that goes back is served to the next one in line") {
    Loop loop;
    Outcome first;
    Outcome second;
    Coroutine pop = take_on(loop, jobs, first);
    const Coroutine next = take(jobs, second);
    push(1);
    loop.drop();
    pop.destroy();
    CHECK(second.value() == 1);
}

TEST_CASE_METHOD(SomeJobs, "an element goes back to a list that was closed, too") {
    Loop loop;
    Outcome outcome;
    Coroutine pop = take_on(loop, jobs, outcome);
    push(1);
    jobs.close();
    loop.drop();
    pop.destroy();
    CHECK_FALSE(jobs.drained());
    CHECK(drain(jobs) == std::vector{1});
    CHECK(jobs.drained());
}

TEST_CASE_METHOD(SomeJobs, "one of several that a push has served may destroy the others") {
    constexpr std::size_t count = 5;
    const bool forwards = GENERATE(true, false);
    std::vector<Coroutine> all(count);
    const auto first = [&]() -> Coroutine {
        (void)co_await jobs.async_pop_front();
        for (std::size_t at = 1; at != count; ++at) all[forwards ? at : count - at].destroy();
    };
    all[0] = first();
    Outcome outcome;
    for (std::size_t at = 1; at != count; ++at) all[at] = take(jobs, outcome);
    std::vector<int> messages{1, 2, 3, 4, 5};
    REQUIRE(jobs.push_back_many(messages).ending == Push::done);
    CHECK(outcome.is_open());
    CHECK(elements(jobs).size() == count - 1);
    CHECK(all[0].done());
}

// ---------------------------------------------------------------------- one after the other

TEST_CASE_METHOD(SomeJobs, "a thousand that one push serves go on one after the other") {
    constexpr std::size_t count = 1000;
    StackUse stack;
    std::size_t done = 0;
    std::vector<Coroutine> all;
    const auto wait = [&]() -> Coroutine {
        (void)co_await jobs.async_pop_front();
        stack.note();
        ++done;
    };
    for (std::size_t i = 0; i != count; ++i) all.push_back(wait());
    std::vector<int> messages(count, 1);
    REQUIRE(jobs.push_back_many(messages).ending == Push::done);
    CHECK(done == count);
    CHECK(stack.most() < 1024);
}

TEST_CASE_METHOD(SomeJobs, "a thousand of which each wakes the next go on one after the other") {
    constexpr std::size_t count = 1000;
    std::vector<Jobs> chain;
    for (std::size_t at = 0; at != count + 1; ++at) chain.emplace_back(Jobs{{.clock = &clock}});
    StackUse stack;
    std::vector<Coroutine> all;
    const auto pass_on = [&](std::size_t at) -> Coroutine {
        const auto job = co_await chain[at].async_pop_front();
        stack.note();
        (void)chain[at + 1].try_push_back(*job + 1);
    };
    for (std::size_t at = 0; at != count; ++at) all.push_back(pass_on(at));
    REQUIRE(chain.front().try_push_back(0) == Push::done);
    CHECK(chain.back().try_pop_front().value() == static_cast<int>(count));
    CHECK(stack.most() < 4096);
}

TEST_CASE_METHOD(SomeJobs, "coroutines that wake each other use no stack") {
    constexpr int count = 1000;
    const Jobs back{{.clock = &clock}};
    StackUse stack;
    const auto player = [&](Jobs from, Jobs to) -> Coroutine {
        for (;;) {
            const auto ball = co_await from.async_pop_front();
            if (!ball) break;
            stack.note();
            if (*ball == count) {
                from.close();
                to.close();
                break;
            }
            (void)to.try_push_back(*ball + 1);
        }
    };
    const Coroutine one = player(jobs, back);
    const Coroutine other = player(back, jobs);
    push(0);
    CHECK(one.done());
    CHECK(other.done());
    CHECK(stack.most() < 4096);
}

TEST_CASE_METHOD(SomeJobs, "a wait may begin where another one has just ended") {
    Outcome inner;
    Coroutine pop;
    const auto outer = [&]() -> Coroutine {
        (void)co_await jobs.async_pop_front();
        pop = take(jobs, inner);
    };
    const Coroutine first = outer();
    push(1);
    CHECK(inner.is_open());
    push(2);
    CHECK(inner.value() == 2);
}

TEST_CASE_METHOD(SomeJobs, "before a coroutine blocks its thread the others go on") {
    const Jobs answers{{.clock = &clock}};
    int got = 0;
    const auto blocks = [&]() -> Coroutine {
        (void)co_await jobs.async_pop_front();
        got = answers.pop_front().value();
    };
    const auto answer = [&]() -> Coroutine {
        const auto job = co_await jobs.async_pop_front();
        (void)answers.try_push_back(*job);
    };
    const Coroutine one = blocks();
    const Coroutine other = answer();
    std::vector<int> messages{1, 2};
    REQUIRE(jobs.push_back_many(messages).ending == Push::done);
    CHECK(got == 2);
}

// ---------------------------------------------------------------------- the protocol

namespace {

// The owner of an operation without a coroutine.
struct PopOperation {
    struct Next {
        static constexpr bool is_known_to_others = true;

        [[nodiscard]] auto detach() const noexcept {
            return [at = count]() noexcept { ++*at; };
        }

        int* count;
    };
    using Recipe = PopRecipe<int, End::front>;

    explicit PopOperation(ListState<int>& list)
        : recipe{Owner{list}}, operation{recipe, options, Next{&ended}} {}

    [[nodiscard]] bool start() {
        WakeChain chain;
        const bool waits = operation.start(chain);
        chain.resume_all();
        return waits;
    }
    [[nodiscard]] Popped<int> result() {
        operation.finish();
        return operation.result();
    }

    runnel::detail::KeptOptions options{WaitOptions{}};
    Recipe recipe;
    int ended = 0;
    Operation<Recipe, Next> operation;
};

struct AList {
    ManualClock clock;
    const Owner<ListState<int>> list{std::in_place, runnel::ListOptions{.clock = &clock}};

    void push(int job) const {
        REQUIRE(runnel::detail::push_back(*list.get(), job, nullptr) == Push::done);
    }
};

}  // namespace

TEST_CASE_METHOD(AList, "an operation can be cancelled at any time, once") {
    PopOperation pop{*list.get()};
    REQUIRE(pop.start());
    CHECK(pop.operation.cancel(WaitEnd::stopped));
    CHECK_FALSE(pop.operation.cancel(WaitEnd::timed_out));
    CHECK(pop.ended == 1);
    CHECK(pop.result().ending() == Ending::stopped);
    push(1);
    CHECK(list->front_size() == 0);
}

TEST_CASE_METHOD(AList, "an operation that is cancelled before it starts has ended") {
    push(1);
    const auto taken = runnel::detail::pop_front(*list.get(), nullptr);
    REQUIRE(taken);
    PopOperation pop{*list.get()};
    CHECK(pop.operation.cancel(WaitEnd::stopped));
    push(2);
    CHECK_FALSE(pop.start());
    CHECK(pop.ended == 0);  // its owner goes on
    CHECK(pop.result().ending() == Ending::stopped);
    CHECK(runnel::detail::pop_front(*list.get(), nullptr).value() == 2);
}

TEST_CASE_METHOD(AList, "an operation that was served cannot be cancelled") {
    PopOperation pop{*list.get()};
    REQUIRE(pop.start());
    push(1);
    CHECK_FALSE(pop.operation.cancel(WaitEnd::stopped));
    CHECK(pop.ended == 1);
    CHECK(pop.result().value() == 1);
}

TEST_CASE_METHOD(AList, "an operation that is destroyed before it starts changes nothing") {
    { const PopOperation pop{*list.get()}; }
    push(1);
    CHECK(runnel::detail::pop_front(*list.get(), nullptr).value() == 1);
}

TEST_CASE("a pop that waits takes at most 256 bytes besides the frame of its coroutine") {
    using Pop = decltype(std::declval<BlockingList<std::int64_t>>().async_pop_front());
    using Wait = decltype(std::declval<Pop&>().operator co_await());
    CHECK(sizeof(Pop) + sizeof(Wait) <= 256);
}
