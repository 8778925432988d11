// SPDX-License-Identifier: MIT
// Time-outs of waits that need no thread, under a ManualClock.
#include <runnel/abstract_clock.hpp>
#include <runnel/clock.hpp>
#include <runnel/detail/wait/timers.hpp>
#include <runnel/detail/wait/waiter.hpp>

#include "support/catch.hpp"
#include "support/rest.hpp"
#include "support/stress_random.hpp"
#include "support/timed.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <compare>
#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using runnel::Clock;
using runnel::ManualClock;
using runnel::detail::WaitEnd;
using runnel::detail::WaitsOn;
using runnel::test::Random;
using runnel::test::Rest;
using runnel::test::Timed;
using namespace std::chrono_literals;

namespace {

// The waits of a test, which end into a log.
struct Waits {
    Timed& add(const std::string& name, WaitsOn waits_on = WaitsOn::one) {
        return waits.emplace_back(
            clock, [this, name](Timed&) { log.push_back(name + '@' + time()); }, waits_on);
    }
    [[nodiscard]] std::string time() const {
        return std::to_string(
            std::chrono::floor<std::chrono::seconds>(clock.now() - start).count());
    }

    ManualClock clock;
    const Clock::Deadline start = clock.now();
    std::vector<std::string> log;
    std::deque<Timed> waits;
};

using Ends = std::vector<std::string>;

}  // namespace

TEST_CASE("waits without a thread end in the order of their deadlines, each at its own",
          "[timers]") {
    Waits test;
    test.add("late").start(30s);
    test.add("early").start(10s);
    test.add("never").start(1h);
    test.add("between").start(20s);
    test.clock.advance(10s - 1ns);
    CHECK(test.log.empty());
    test.clock.advance(1min);
    CHECK(test.log == Ends{"early@10", "between@20", "late@30"});
    CHECK(test.waits[0].has(WaitEnd::timed_out));
    CHECK_FALSE(test.waits[2].claimed());
    CHECK(test.waits[2].wake());
}

TEST_CASE("of waits without a thread and one deadline the one that began first ends first",
          "[timers]") {
    Waits test;
    Ends expected;
    std::vector<std::size_t> stopped;
    for (std::size_t at = 0; at != 20; ++at) {
        // All of them may have one ticket.
        test.add(std::to_string(at)).start(5s);
        if (at % 3 == 1) {
            stopped.push_back(at);
        } else {
            expected.push_back(std::to_string(at) + "@5");
        }
    }
    for (const std::size_t at : stopped) CHECK(test.waits[at].wake());
    test.log.clear();
    test.clock.advance(5s);
    CHECK(test.log == expected);
}

TEST_CASE("what has begun first decides, not what is told to the clock first", "[timers]") {
    Waits test;
    Timed& first = test.add("first", WaitsOn::several);
    Timed& second = test.add("second", WaitsOn::several);
    second.start(1s);
    first.start(1s);
    test.clock.advance(1s);
    CHECK(test.log == Ends{"first@1", "second@1"});
}

TEST_CASE("a wait that has ended otherwise does not time out", "[timers]") {
    Waits test;
    Timed& served = test.add("served").start(1s);
    test.add("other").start(1s);
    CHECK(served.wake());
    CHECK(test.log == Ends{"served@0"});
    test.clock.advance(1h);
    CHECK(test.log == Ends{"served@0", "other@1"});
    CHECK(served.has(WaitEnd::served));
}

TEST_CASE("a wait without a thread whose time has come ends when it begins", "[timers]") {
    Waits test;
    test.add("zero").start(0s);
    test.add("past").start_at(test.start - 1h);
    CHECK(test.log == Ends{"zero@0", "past@0"});
    CHECK(test.waits[1].has(WaitEnd::timed_out));
}

TEST_CASE("threads and waits without one end in one order", "[timers][manual]") {
    Waits test;
    std::vector<ManualClock::Thread> threads;
    const auto start_thread = [&](const std::string& name, std::chrono::seconds timeout) {
        threads.push_back(test.clock.thread([&test, name, timeout] {
            Rest rest{test.clock};
            rest.wait(timeout);
            test.log.push_back(name + '@' + test.time());
        }));
        test.clock.settle();
    };
    test.add("a").start(10s);
    start_thread("thread b", 20s);
    test.add("c").start(20s);
    start_thread("thread d", 15s);
    test.add("e").start(15s);
    start_thread("thread f", 20s);
    test.clock.advance(1min);
    CHECK(test.log == Ends{"a@10", "thread d@15", "e@15", "thread b@20", "c@20", "thread f@20"});
}

TEST_CASE("the threads settle after each wait without a thread that ends", "[timers][manual]") {
    ManualClock clock;
    int in_order = 0;
    for (int round = 0; round != 50; ++round) {
        std::atomic<bool> is_done = false;
        Rest resting{clock};
        const auto thread = clock.thread([&] {
            resting.wait();
            for (volatile int work = 10'000; work != 0;) work = work - 1;
            is_done = true;
        });
        Timed first{clock, [&](Timed&) { resting.wake(); }};
        Timed second{clock, [&](Timed&) { in_order += is_done ? 1 : 0; }};
        first.start(1s);
        second.start(1s);
        clock.advance(1s);
    }
    CHECK(in_order == 50);
}

TEST_CASE("what goes on after a time-out may call the clock", "[timers][manual]") {
    Waits test;
    std::optional<ManualClock::Thread> thread;
    Timed calling{test.clock, [&](Timed&) {
                      test.log.push_back("begin@" + test.time());
                      thread = test.clock.thread([&] { test.log.push_back("thread"); });
                      test.clock.settle();
                      test.clock.advance(10s);
                      test.clock.step_wall(1s);
                      test.log.push_back("end@" + test.time());
                  }};
    calling.start(1s);
    test.add("inside").start(5s);
    test.add("outside").start(30s);
    SECTION("and moves the time less far than the outer call") {
        test.clock.advance(1min);
        CHECK(test.log == Ends{"begin@1", "thread", "inside@5", "end@11", "outside@30"});
        CHECK(test.time() == "60");
    }
    SECTION("and moves the time further") {
        test.clock.advance(2s);
        CHECK(test.log == Ends{"begin@1", "thread", "inside@5", "end@11"});
        CHECK(test.time() == "11");
        CHECK(test.waits[1].wake());
    }
}

TEST_CASE("what goes on in a thread of the clock may move the time, too", "[timers][manual]") {
    Waits test;
    Timed moving{test.clock, [&](Timed&) { test.clock.advance(2s); }};
    test.add("after").start(3s);
    const auto thread = test.clock.thread([&] { test.clock.advance(10s); });
    moving.start(1s);
    test.clock.settle();
    test.clock.advance(1h);
    CHECK(test.log == Ends{"after@3"});
}

TEST_CASE("a wait that begins while the time moves ends in the same advance", "[timers]") {
    Waits test;
    std::deque<Timed> chain;
    for (int at = 0; at != 5; ++at) {
        chain.emplace_back(test.clock, [&test, &chain, at](Timed&) {
            test.log.push_back(test.time());
            if (at != 4) chain[static_cast<std::size_t>(at) + 1].start(2s);
        });
    }
    chain.front().start(2s);
    test.clock.advance(9s);
    CHECK(test.log == Ends{"2", "4", "6", "8"});
    test.clock.advance(1s);
    CHECK(test.log.back() == "10");
}

TEST_CASE("a wait without a thread does not count as one that waits", "[timers]") {
    Waits test;
    Timed& wait = test.add("one").start(1h);
    CHECK(test.clock.waiting() == 0);
    test.clock.settle();
    CHECK(wait.wake());
}

TEST_CASE("a ManualClock that goes ends the waits that are left, as by a stop", "[timers]") {
    std::optional<ManualClock> clock{std::in_place};
    bool has_ended = false;
    Timed wait{*clock, [&](Timed& self) { has_ended = self.has(WaitEnd::stopped); }};
    wait.start(1h);
    clock.reset();
    CHECK(has_ended);
}

TEST_CASE("timers do what a sorted list does", "[timers]") {
    for (std::size_t seed = 0; seed != 10; ++seed) {
        Random random{seed};
        ManualClock clock;
        struct Begun {
            Clock::Deadline deadline;
            std::size_t number;

            auto operator<=>(const Begun&) const = default;
        };
        std::deque<Timed> waits;
        std::vector<Begun> expected;
        std::vector<std::size_t> ended;
        for (int step = 0; step != 1'000; ++step) {
            if (random.percent(60)) {
                const std::size_t number = waits.size();
                const auto deadline = clock.now() + 1s * random.between(1, 30);
                waits.emplace_back(clock, [&ended, number](Timed&) { ended.push_back(number); })
                    .start_at(deadline);
                expected.push_back({deadline, number});
            } else if (random.percent(50) && !expected.empty()) {
                const auto which =
                    expected.begin() + static_cast<std::ptrdiff_t>(random.below(expected.size()));
                if (!waits[which->number].wake()) FAIL("it has ended before its time");
                expected.erase(which);
            } else {
                const auto until = clock.now() + 1s * random.between(0, 5);
                std::sort(expected.begin(), expected.end());
                std::vector<std::size_t> due;
                while (!expected.empty() && expected.front().deadline <= until) {
                    due.push_back(expected.front().number);
                    expected.erase(expected.begin());
                }
                ended.clear();
                clock.advance(until - clock.now());
                if (ended != due) FAIL("seed " << seed << ": wrong after step " << step);
            }
        }
        for (const Begun& left : expected) CHECK(waits[left.number].wake());
    }
}
