// SPDX-License-Identifier: MIT
#include <runnel/clock.hpp>
#include <runnel/stream.hpp>
#include <runnel/worker.hpp>

#include "support/catch.hpp"
#include "support/coroutines.hpp"
#include "support/short_memory.hpp"

#include <chrono>
#include <new>

using runnel::ManualClock;
using runnel::Stream;
using runnel::Worker;
using runnel::test::at_every_request;
using runnel::test::Loop;
using runnel::test::Memory;
using runnel::test::MemoryRunsOut;
using runnel::test::Shortage;
using runnel::test::Work;
using namespace std::chrono_literals;

TEST_CASE("when memory runs out, start() on an executor says so, and what runs can be stopped",
          "[worker][coroutine][allocation]") {
    at_every_request([](long granted, Shortage shortage) {
        ManualClock clock;
        const Stream<int> stream{{.clock = &clock}};
        Loop loop;
        Worker<int> worker{stream, "g", [](const int& /*number*/) {}, {.policy = {.threads = 3}}};
        bool is_started = false;
        try {
            const MemoryRunsOut limit{granted, shortage};
            worker.start(loop);
            is_started = true;
        } catch (const std::bad_alloc&) {
            CHECK(Memory::ran_out);
        }
        if (is_started) CHECK(worker.stats().threads == 3);
        stream.close();
        loop.run();
        CHECK(worker.stats().threads == 0);
    });
}

TEST_CASE("when memory runs out, a coroutine of a Worker rests, and loses nothing",
          "[worker][coroutine][allocation]") {
    at_every_request([](long granted, Shortage shortage) {
        ManualClock clock;
        const Stream<int> stream{{.clock = &clock}};
        Loop loop;
        int handled = 0;
        Worker<int> worker{
            stream,
            "g",
            [&](const int& /*number*/) -> Work<void> {
                ++handled;
                co_return;
            },
            {.policy = {.batch = 2, .threads = 2},
             .order = runnel::order_by([](const int& number) { return number % 2; })}};
        worker.start(loop);
        for (int number = 0; number != 5; ++number) (void)stream.add(number);
        {
            const MemoryRunsOut limit{granted, shortage};
            while (loop.run_one()) {
            }
        }
        for (int count = 0; count != 10; ++count) {  // until what stayed pending is claimed
            clock.advance(10min);
            loop.run();
        }
        CHECK(handled == 5);
        CHECK(worker.stats().processed == 5);
        stream.close();
        loop.run();
        CHECK(worker.stats().threads == 0);
    });
}
