// SPDX-License-Identifier: MIT
// What waits of coroutines allocate, and what becomes of them when memory runs out.
#include <runnel/awaitable.hpp>
#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>
#include <runnel/list_options.hpp>
#include <runnel/outcome.hpp>

#include "support/catch.hpp"
#include "support/coroutines.hpp"
#include "support/elements.hpp"
#include "support/short_memory.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

using runnel::BlockingList;
using runnel::End;
using runnel::Full;
using runnel::ManualClock;
using runnel::Push;
using runnel::WaitOptions;
using runnel::test::at_every_request;
using runnel::test::Coroutine;
using runnel::test::elements;
using runnel::test::fill;
using runnel::test::Loop;
using runnel::test::Memory;
using runnel::test::MemoryRunsOut;
using runnel::test::Shortage;
using namespace std::chrono_literals;

namespace {

using Jobs = BlockingList<int>;
using Box = std::unique_ptr<int>;  // null when it was moved from
using Boxes = BlockingList<Box>;

Coroutine take_all(Jobs jobs, WaitOptions options, int& sum) {
    while (const auto job = co_await jobs.async_pop_front(options)) sum += *job;
}

Coroutine take_one(Jobs jobs, int& sum) {
    sum += (co_await jobs.async_pop_front()).value();
}

// Keeps what comes of it, or what it throws.
Coroutine push_one(Boxes boxes, End end, Box& box, std::optional<Push>& push) {
    if (end == End::back)
        push = co_await boxes.async_push_back(std::move(box));
    else
        push = co_await boxes.async_push_front(std::move(box));
}

}  // namespace

TEST_CASE("a wait allocates nothing, with a time-out and a stop token, too") {
    ManualClock clock;
    const Jobs jobs{{.clock = &clock}};
    const std::stop_source stop;
    int sum = 0;
    const Coroutine worker = take_all(jobs, {.timeout = 1h, .stop = stop.get_token()}, sum);
    REQUIRE(jobs.try_push_back(1) == Push::done);  // it has what it needs now
    {
        const MemoryRunsOut none{0};
        for (int i = 0; i != 1000; ++i) (void)jobs.try_push_back(1);
    }
    CHECK_FALSE(Memory::ran_out);
    CHECK(sum == 1001);
}

TEST_CASE("to give up a wait allocates nothing, also when it was served") {
    ManualClock clock;
    const Jobs jobs{{.clock = &clock}};
    Loop loop;
    const auto wait = [](Jobs from, Loop& on) -> Coroutine {
        (void)co_await from.async_pop_front().on(on);
    };
    std::vector<Coroutine> waiting;
    for (int i = 0; i != 200; ++i) waiting.push_back(wait(jobs, loop));
    std::vector<int> messages(200, 1);
    REQUIRE(jobs.push_back_many(messages).ending == Push::done);
    loop.drop();
    int sum = 0;
    const std::size_t next = GENERATE(0U, 150U);  // how many of the elements somebody waits for
    std::vector<Coroutine> others;
    for (std::size_t i = 0; i != next; ++i) others.push_back(take_one(jobs, sum));
    {
        const MemoryRunsOut none{0};
        for (Coroutine& one : waiting) one.destroy();
    }
    CHECK_FALSE(Memory::ran_out);
    CHECK(jobs.size() == 200 - next);
    CHECK(sum == static_cast<int>(next));
}

TEST_CASE(
    "if there is no memory for an element that may come back, the pop fails and takes nothing") {
    ManualClock clock;
    const Jobs jobs{{.clock = &clock}};
    fill(jobs, {1});
    REQUIRE(jobs.try_pop_front());  // the list has its first block
    int sum = 0;
    const Coroutine worker = take_all(jobs, {}, sum);
    {
        const MemoryRunsOut none{0};
        CHECK(jobs.try_push_back(7) == Push::done);
    }
    CHECK_THROWS_AS(worker.check(), std::bad_alloc);
    CHECK(elements(jobs) == std::vector{7});
}

TEST_CASE("an element that goes back and on to the next one allocates nothing") {
    ManualClock clock;
    const Jobs jobs{{.clock = &clock}};
    Loop loop;
    Coroutine served = [](Jobs from, Loop& on) -> Coroutine {
        (void)co_await from.async_pop_front().on(on);
    }(jobs, loop);
    fill(jobs, {1, 2, 3});
    loop.drop();
    REQUIRE(jobs.try_pop_front());  // takes over all that is at the back, and its memory
    REQUIRE(jobs.try_pop_front());
    int sum = 0;
    const Coroutine next = take_one(jobs, sum);
    {
        const MemoryRunsOut none{0};
        served.destroy();
    }
    CHECK_FALSE(Memory::ran_out);
    CHECK(sum == 1);
}

TEST_CASE("a push that finds no memory when there is room fails, and its message is untouched") {
    const End end = GENERATE(End::back, End::front);
    bool ran_out = false;
    for (std::size_t capacity = 1; capacity != 130; ++capacity) {  // some fill a block
        at_every_request([&](long granted, Shortage shortage) {
            const Boxes boxes{{.capacity = capacity}};
            while (boxes.size() != capacity)
                REQUIRE(boxes.try_push_back(std::make_unique<int>(1)) == Push::done);
            Box box = std::make_unique<int>(2);
            std::optional<Push> push;
            const Coroutine waits = push_one(boxes, end, box, push);
            {
                const MemoryRunsOut limit{granted, shortage};
                (void)(end == End::back ? boxes.try_pop_front() : boxes.try_pop_back());
            }
            REQUIRE(waits.done());
            if (Memory::ran_out) CHECK_THROWS_AS(waits.check(), std::bad_alloc);
            ran_out = ran_out || Memory::ran_out;
            CHECK(push.has_value() != Memory::ran_out);
            CHECK((box != nullptr) == Memory::ran_out);
            CHECK(boxes.size() == capacity - (push ? 0 : 1));
        });
    }
    CHECK(ran_out);
}

TEST_CASE("so does a push that is done at once, or drops an element") {
    const End end = GENERATE(End::back, End::front);
    const bool drops = GENERATE(false, true);
    bool ran_out = false;
    at_every_request([&](long granted, Shortage shortage) {
        const Boxes boxes{{.capacity = 1, .when_full = drops ? Full::drop_other_end : Full::block}};
        if (drops) REQUIRE(boxes.try_push_back(std::make_unique<int>(1)) == Push::done);
        Box box = std::make_unique<int>(2);
        std::optional<Push> push;
        Coroutine pushes;
        {
            const MemoryRunsOut limit{granted + 1, shortage};  // there is memory for its frame
            pushes = push_one(boxes, end, box, push);
        }
        REQUIRE(pushes.done());
        if (Memory::ran_out) CHECK_THROWS_AS(pushes.check(), std::bad_alloc);
        ran_out = ran_out || Memory::ran_out;
        CHECK(push.has_value() != Memory::ran_out);
        CHECK((box != nullptr) == Memory::ran_out);
        const auto left = boxes.try_pop_front();
        CHECK(left.has_value() == (drops || push));
        if (left) CHECK(**left == (push ? 2 : 1));
    });
    CHECK(ran_out);
}
