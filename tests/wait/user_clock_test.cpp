// SPDX-License-Identifier: MIT
// What a clock of a user's own has to say, and what it may.

#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>
#include <runnel/outcome.hpp>
#include <runnel/read_first.hpp>
#include <runnel/stream.hpp>
#include <runnel/stream_id.hpp>
#include <runnel/wait_any.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/user_clocks.hpp"

#include <atomic>
#include <chrono>
#include <stop_token>
#include <thread>

using runnel::BlockingList;
using runnel::Ending;
using runnel::Stream;
using runnel::StreamId;
using runnel::test::eventually;
using runnel::test::FastClock;
using runnel::test::HandClock;
using runnel::test::LateClock;
using runnel::test::NotingClock;
using namespace std::chrono_literals;
using Steady = std::chrono::steady_clock;

TEST_CASE("a wait on a clock that only says what time it is times out by that clock", "[clock]") {
    FastClock clock{100'000};
    BlockingList<int> list{{.clock = &clock}};
    const auto real = Steady::now();
    const auto begun = clock.now();
    const auto popped = list.pop_front({.timeout = 1h});
    CHECK_FALSE(popped);
    CHECK(popped.ending() == Ending::timed_out);
    CHECK(clock.now() - begun >= 1h);
    CHECK(Steady::now() - real < 1h);
}

TEST_CASE("a stream's reads and claims go by the clock that it is given", "[clock]") {
    FastClock clock{100'000};
    const Stream<int> stream{{.clock = &clock}};
    const auto start = clock.wall();
    auto cursor = stream.cursor();
    CHECK(cursor.read({.timeout = 10min}).ending() == Ending::timed_out);
    CHECK(stream.read(runnel::From::end, {.timeout = 10min}).ending() == Ending::timed_out);
    const auto group = stream.group("workers", {.from = runnel::From::start});
    const auto one = group.consumer("one");
    CHECK(one.read({.timeout = 10min}).ending() == Ending::timed_out);
    const StreamId id = stream.add(7);
    CHECK(id >= StreamId::at(start + 30min - 1ms));
    REQUIRE(one.read({.timeout = 10min}).size() == 1);
    CHECK(one.read({.timeout = 10min}).ending() == Ending::timed_out);
    CHECK(group.consumer("two").autoclaim({.min_idle = 9min}).size() == 1);
}

TEST_CASE("a wait over several objects times out by a clock that only says what time it is",
          "[clock]") {
    FastClock clock{100'000};
    const BlockingList<int> list{{.clock = &clock}};
    const Stream<int> stream{{.clock = &clock}};
    auto cursor = stream.cursor();
    const auto begun = clock.now();
    CHECK(runnel::wait_any({list, cursor}, {.timeout = 10min}).ending() == Ending::timed_out);
    CHECK(runnel::read_first<int>({{stream}}, {.timeout = 10min}).ending() == Ending::timed_out);
    CHECK(clock.now() - begun >= 20min);
}

TEST_CASE("a wait on a clock that is moved by hand ends when its time has come", "[clock]") {
    HandClock clock;
    BlockingList<int> list{{.clock = &clock}};
    std::atomic<bool> over = false;
    Ending ending{};
    const std::jthread waiting{[&] {
        ending = list.pop_front({.timeout = 100s}).ending();
        over = true;
    }};
    eventually([&] { return clock.looks >= 2; });  // it knows its deadline, and waits
    clock.move(99s);
    const int looks = clock.looks;
    eventually([&] { return clock.looks >= looks + 2; });
    CHECK_FALSE(over);
    clock.move(1s);
    eventually([&] { return over.load(); });
    CHECK(ending == Ending::timed_out);
}

TEST_CASE("a wait on a user's clock gets what comes, and hears a stop and a close", "[clock]") {
    HandClock clock;
    BlockingList<int> list{{.clock = &clock}};
    const Stream<int> stream{{.clock = &clock}};
    std::stop_source stop;
    int got = 0;
    Ending stopped{};
    Ending closed{};
    {
        const std::jthread popping{[&] { got = *list.pop_front({.timeout = 1h}); }};
        const std::jthread stopping{[&] {
            auto cursor = stream.cursor();
            stopped = cursor.read({.timeout = 1h, .stop = stop.get_token()}).ending();
        }};
        eventually([&] { return stream.info().waiting == 1; });
        CHECK(list.push_back(5) == runnel::Push::done);
        stop.request_stop();
    }
    {
        const std::jthread closing{[&] { closed = stream.read(runnel::From::end).ending(); }};
        eventually([&] { return stream.info().waiting == 1; });
        stream.close();
    }
    CHECK(got == 5);
    CHECK(stopped == Ending::stopped);
    CHECK(closed == Ending::closed);
}

TEST_CASE("a clock that knows when its deadlines come is not asked again and again", "[clock]") {
    LateClock clock;
    BlockingList<int> list{{.clock = &clock}};
    const auto begun = Steady::now();
    CHECK(list.pop_front({.timeout = 20ms}).ending() == Ending::timed_out);
    CHECK(Steady::now() - begun >= 20ms);
    CHECK(clock.asked >= 1);
    CHECK(clock.asked < 10);  // it would look twenty times if it did not know
}

TEST_CASE("a clock that parks by itself needs no more than a wait tells it", "[clock]") {
    NotingClock clock;
    BlockingList<int> list{{.clock = &clock}};
    CHECK(list.pop_front({.timeout = 1ms}).ending() == Ending::timed_out);
    const auto first = clock.ticket.load();
    {
        const std::jthread popping{[&] { (void)list.pop_front(); }};
        eventually([&] { return clock.parked == 2; });
        CHECK(list.push_back(1) == runnel::Push::done);
    }
    CHECK(clock.ticket >= first);
    CHECK(clock.parked == 2);
    CHECK(clock.unparked == 1);
}
