// SPDX-License-Identifier: MIT
// A ManualClock with a seed: its threads go in lock-step, in an order that the seed decides.
#include <runnel/blocking_list.hpp>
#include <runnel/channel.hpp>
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/error.hpp>
#include <runnel/stream.hpp>
#include <runnel/subscription.hpp>

#include "support/catch.hpp"
#include "support/coroutines.hpp"
#include "support/patience.hpp"
#include "support/printed.hpp"
#include "support/rest.hpp"
#include "support/scale.hpp"
#include "support/timed.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <latch>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

using runnel::BlockingList;
using runnel::Channel;
using runnel::ManualClock;
using runnel::Stream;
using runnel::test::Coroutine;
using runnel::test::printed_by;
using runnel::test::Rest;
using runnel::test::Timed;
using namespace std::chrono_literals;

namespace {

// A test under one seed. Its threads write into one log without a lock, as only one of them runs.
struct Steps {
    explicit Steps(std::uint64_t seed) : clock{{.seed = seed}} {}

    void say(const std::string& what) {
        log += what;
        log += ' ';
    }
    void start(const std::string& name, std::function<void()> function) {
        threads.push_back(clock.thread(name, std::move(function)));
    }
    std::string join() {
        threads.clear();
        return log;
    }

    ManualClock clock;
    std::string log;
    std::vector<ManualClock::Thread> threads;
};

// Three threads hand numbers on, from list to list, and some time out.
std::string through_lists(std::uint64_t seed) {
    Steps steps{seed};
    const BlockingList<int> first{{.capacity = 2, .clock = &steps.clock}};
    const BlockingList<int> second{{.clock = &steps.clock}};
    for (const std::string name : {"a", "b"}) {
        steps.start("push " + name, [&, name] {
            for (int number = 0; number != 5; ++number) {
                (void)first.push_back(int{number});
                steps.say(name + std::to_string(number));
            }
        });
        steps.start("move " + name, [&, name] {
            while (const auto moved = first.move_to(second, {.timeout = 1min}))
                steps.say(name + "->" + std::to_string(*moved));
            steps.say(name + "-late");
        });
    }
    steps.start("pop", [&] {
        while (const auto popped = second.pop_front({.timeout = 1h}))
            steps.say("=" + std::to_string(*popped));
        steps.say("end");
    });
    steps.clock.advance(2h);
    return steps.join();
}

// Consumers of a group take, acknowledge and claim.
std::string through_a_stream(std::uint64_t seed) {
    Steps steps{seed};
    const Stream<int> stream{{.clock = &steps.clock}};
    const auto group = stream.group("workers");
    for (const std::string name : {"a", "b", "c"}) {
        steps.start(name, [&, name] {
            const auto consumer = group.consumer(name);
            while (const auto batch = consumer.read({.count = 2, .timeout = 1min})) {
                for (const auto& delivery : batch) {
                    steps.say(name + std::to_string(delivery.value));
                    if (delivery.value % 3 != 0) delivery.ack();
                }
            }
            for (const auto& lost : consumer.autoclaim({.min_idle = 30s})) {
                steps.say(name + "!" + std::to_string(lost.value));
                lost.ack();
            }
        });
    }
    steps.start("add", [&] {
        for (int number = 0; number != 12; ++number) stream.add(int{number});
        steps.say("added");
    });
    steps.clock.advance(2min);
    return steps.join();
}

// Publishers and subscribers, some of which make the publishers wait.
std::string through_a_channel(std::uint64_t seed) {
    Steps steps{seed};
    const Channel<int> channel{{.clock = &steps.clock}};
    for (const std::string name : {"a", "b"}) {
        steps.start("read " + name, [&, name] {
            auto view = channel.subscribe({.bound = 2, .when_behind = runnel::Behind::block});
            while (const auto batch = view.read({.timeout = 1min}))
                for (const int message : batch) steps.say(name + std::to_string(message));
        });
    }
    const auto connection = channel.on_message(
        [&steps](const int& message) { steps.say("h" + std::to_string(message)); });
    steps.clock.settle();
    for (const int publisher : {1, 2}) {
        steps.start("publish " + std::to_string(publisher), [&, publisher] {
            for (int number = 0; number != 5; ++number)
                (void)channel.publish(10 * publisher + number);
            steps.say("p" + std::to_string(publisher));
        });
    }
    steps.clock.advance(2min);
    return steps.join();
}

// Coroutines, which go on in the threads that wake them, or when the time has come.
Coroutine pass_on(Steps& steps, const char* name, const BlockingList<int>& from,
                  const BlockingList<int>& to) {
    while (auto popped = co_await from.async_pop_front({.timeout = 1min})) {
        steps.say(name + std::to_string(*popped));
        (void)co_await to.async_push_back(*popped, {.timeout = 1min});
    }
    steps.say(std::string{name} + "-late");
}
std::string through_coroutines(std::uint64_t seed) {
    Steps steps{seed};
    const BlockingList<int> first{{.clock = &steps.clock}};
    const BlockingList<int> second{{.capacity = 1, .clock = &steps.clock}};
    const auto one = pass_on(steps, "x", first, second);
    const auto other = pass_on(steps, "y", first, second);
    for (const std::string name : {"a", "b"}) {
        steps.start("push " + name, [&, name] {
            for (int number = 0; number != 4; ++number) {
                (void)first.push_back(int{number});
                steps.say(name + std::to_string(number));
            }
        });
        steps.start("pop " + name, [&, name] {
            while (const auto popped = second.pop_front({.timeout = 2min}))
                steps.say("=" + std::to_string(*popped));
        });
    }
    steps.clock.advance(1h);
    return steps.join();
}

std::size_t different_logs(std::string (*story)(std::uint64_t seed)) {
    std::set<std::string> logs;
    for (std::uint64_t seed = 0; seed != 20; ++seed) logs.insert(story(seed));
    return logs.size();
}

}  // namespace

TEST_CASE("two runs with one seed do the same, byte for byte", "[lock_step]") {
    const std::uint64_t first = runnel::test::seed_for("two runs with one seed");
    for (std::uint64_t seed = first; seed != first + runnel::test::scaled(5); ++seed) {
        for (const auto story :
             {through_lists, through_a_stream, through_a_channel, through_coroutines}) {
            const std::string log = story(seed);
            for (int run = 0; run != 5; ++run) CHECK(story(seed) == log);
        }
    }
}

TEST_CASE("runs with different seeds differ", "[lock_step]") {
    CHECK(different_logs(through_lists) >= 10);
    CHECK(different_logs(through_a_stream) >= 10);
    CHECK(different_logs(through_a_channel) >= 10);
    CHECK(different_logs(through_coroutines) >= 10);
}

TEST_CASE("what a seed decides is the same on every machine", "[lock_step]") {
    Steps steps{7};
    for (const std::string name : {"a", "b", "c", "d", "e", "f"})
        steps.start(name, [&, name] { steps.say(name); });
    CHECK(steps.join() == "d f c a b e ");
}

TEST_CASE("one thread runs at a time, and only while the test waits", "[lock_step]") {
    Steps steps{1};
    const BlockingList<int> numbers{{.clock = &steps.clock}};
    int running = 0;
    int most = 0;
    std::size_t sum = 0;
    for (int thread = 0; thread != 8; ++thread) {
        steps.start({}, [&] {
            for (int round = 0; round != 100; ++round) {
                most = std::max(most, ++running);
                sum += 1;  // no lock
                --running;
                (void)numbers.push_back(1);
                (void)numbers.pop_front();
            }
        });
    }
    CHECK(sum == 0);  // none of them has begun
    steps.clock.settle();
    CHECK(sum == 800);
    CHECK(most == 1);
}

TEST_CASE("a thread that was woken may go before the one that woke it", "[lock_step]") {
    std::set<std::string> logs;
    for (std::uint64_t seed = 0; seed != 20; ++seed) {
        Steps steps{seed};
        const BlockingList<int> list{{.clock = &steps.clock}};
        steps.start("pop", [&] {
            (void)list.pop_front();
            steps.say("popped");
        });
        steps.clock.settle();
        steps.start("push", [&] {
            (void)list.push_back(1);
            steps.say("pushed");
        });
        logs.insert(steps.join());
    }
    CHECK(logs == std::set<std::string>{"popped pushed ", "pushed popped "});
}

TEST_CASE("the test wakes threads, and they go on when it waits", "[lock_step]") {
    Steps steps{3};
    const BlockingList<int> list{{.clock = &steps.clock}};
    for (int thread = 0; thread != 3; ++thread)
        steps.start({}, [&] { steps.say(std::to_string(*list.pop_front())); });
    steps.clock.settle();
    for (const int number : {1, 2, 3}) (void)list.push_back(int{number});
    CHECK(steps.log.empty());
    steps.clock.settle();
    CHECK(steps.log.size() == 6);
}

TEST_CASE("in lock-step waits end in the order of their deadlines, with and without a thread",
          "[lock_step]") {
    for (std::uint64_t seed = 0; seed != 10; ++seed) {
        Steps steps{seed};
        std::deque<Timed> timers;
        timers.emplace_back(steps.clock, [&](Timed&) { steps.say("timer20"); }).start(20s);
        for (const int seconds : {30, 10}) {
            steps.start({}, [&, seconds] {
                Rest{steps.clock}.wait(1s * seconds);
                steps.say("thread" + std::to_string(seconds));
            });
        }
        steps.clock.advance(1min);
        CHECK(steps.join() == "thread10 timer20 thread30 ");
    }
}

TEST_CASE("what goes on without a thread takes its turn in the thread that woke it",
          "[lock_step]") {
    const auto story = [](std::uint64_t seed) {
        Steps steps{seed};
        const BlockingList<int> list{{.clock = &steps.clock}};
        Timed wait{steps.clock, [&](Timed&) {
                       steps.say("went on");
                       (void)list.push_back(1);
                       steps.say("pushed");
                   }};
        steps.start("pop", [&] {
            (void)list.pop_front();
            steps.say("popped");
        });
        steps.start("wake", [&] {
            wait.wake();
            steps.say("woken");
        });
        return steps.join();
    };
    std::set<std::string> logs;
    for (std::uint64_t seed = 0; seed != 20; ++seed) {
        const std::string log = story(seed);
        CHECK(story(seed) == log);
        logs.insert(log);
    }
    CHECK(logs.size() >= 2);
}

TEST_CASE("a thread in lock-step may settle the others, move the time, start and join threads",
          "[lock_step]") {
    const auto story = [](std::uint64_t seed) {
        Steps steps{seed};
        for (const std::string name : {"a", "b"}) {
            steps.start(name, [&, name] {
                auto inner = steps.clock.thread(name + "'s", [&] {
                    steps.say(name + "1");
                    Rest{steps.clock}.wait(1s);
                    steps.say(name + "4");
                });
                steps.clock.settle();
                steps.say(name + "2");
                steps.clock.advance(500ms);
                steps.say(name + "3");
                steps.clock.advance(500ms);
                inner.join();
                steps.say(name + "5");
            });
        }
        steps.clock.settle();
        return steps.join();
    };
    std::set<std::string> logs;
    for (std::uint64_t seed = 0; seed != 10; ++seed) {
        const std::string log = story(seed);
        CHECK(story(seed) == log);
        CHECK(log.find("b5") != std::string::npos);
        logs.insert(log);
    }
    CHECK(logs.size() >= 2);
}

TEST_CASE("a wait of the test itself lets the threads run, and takes its turn", "[lock_step]") {
    const auto story = [](std::uint64_t seed) {
        Steps steps{seed};
        const BlockingList<int> list{{.clock = &steps.clock}};
        for (const std::string name : {"a", "b"}) {
            steps.start(name, [&, name] {
                for (int number = 0; number != 3; ++number) {
                    steps.say(name);
                    (void)list.push_back(int{number});
                }
            });
        }
        for (int count = 0; count != 6; ++count) steps.say(std::to_string(*list.pop_front()));
        return steps.join();
    };
    std::set<std::string> logs;
    for (std::uint64_t seed = 0; seed != 20; ++seed) {
        const std::string log = story(seed);
        CHECK(story(seed) == log);
        logs.insert(log);
    }
    CHECK(logs.size() >= 5);
}

TEST_CASE("a test in lock-step that fails does not hang", "[lock_step]") {
    for (std::uint64_t seed = 0; seed != 10; ++seed) {
        int ended = 0;
        try {
            ManualClock clock{{.seed = seed}};
            const BlockingList<int> list{{.clock = &clock}};
            std::vector<ManualClock::Thread> threads;
            for (int thread = 0; thread != 3; ++thread) {
                threads.push_back(clock.thread([&] {
                    for (int wait = 0; wait != 3; ++wait) (void)list.pop_front();
                    ++ended;
                }));
            }
            if (seed % 2 == 0) clock.settle();
            throw std::runtime_error{"a test fails"};
        } catch (const std::runtime_error&) {
        }
        CHECK(ended == 3);
    }
}

TEST_CASE("a clock in lock-step that goes before its threads ends their waits", "[lock_step]") {
    std::optional<ManualClock> clock{std::in_place, runnel::ManualClockOptions{.seed = 2}};
    int ended = 0;
    std::vector<ManualClock::Thread> threads;
    for (int thread = 0; thread != 3; ++thread) {
        threads.push_back(clock->thread([&ended, &on = *clock] {
            Rest{on}.wait();
            Rest{on}.wait();
            ++ended;
        }));
    }
    clock.reset();
    CHECK(ended == 3);
}

TEST_CASE("settling in vain names the thread that has the baton", "[lock_step]") {
    Steps steps{1};
    std::latch latch{1};
    steps.start("reader", [&] { latch.wait(); });
    std::string text;
    try {
        steps.clock.settle(1ms);
    } catch (const runnel::Error& error) {
        text = error.what();
    }
    latch.count_down();
    CHECK(text.find("reader") != std::string::npos);
    steps.clock.settle();
}

TEST_CASE("a stop takes its turn, too", "[lock_step]") {
    for (std::uint64_t seed = 0; seed != 10; ++seed) {
        Steps steps{seed};
        std::stop_source stop;
        const BlockingList<int> list{{.clock = &steps.clock}};
        for (const std::string name : {"a", "b"}) {
            steps.start(name, [&, name] {
                (void)list.pop_front({.stop = stop.get_token()});
                steps.say(name);
            });
        }
        steps.clock.settle();
        steps.start("stop", [&] {
            stop.request_stop();
            steps.say("stopped");
        });
        // The one who stops goes on: the others wait for its callbacks to return.
        CHECK(steps.join().substr(0, 7) == "stopped");
    }
}

TEST_CASE("in lock-step a thread that waits for a lock of another does not stop that",
          "[lock_step]") {
    for (std::uint64_t seed = 0; seed != 4; ++seed) {
        Steps steps{seed};
        const BlockingList<int> list{{.clock = &steps.clock}};
        std::mutex mutex;
        steps.start("pop", [&] {
            (void)list.pop_front();
            const std::lock_guard lock{mutex};
            steps.say("popped");
        });
        steps.clock.settle();
        steps.start("push", [&] {
            const std::lock_guard lock{mutex};
            (void)list.push_back(1);  // it may not get the baton back before it has unlocked
            steps.say("pushed");
        });
        CHECK(steps.join() == "pushed popped ");
    }
}

TEST_CASE("a test that joins a thread, or waits on the clock, waits nowhere else", "[lock_step]") {
    const std::string printed = printed_by([] {
        Steps steps{1};
        runnel::detail::PatienceOf::of_lock_step(steps.clock) = 10s;
        const BlockingList<int> list{{.clock = &steps.clock}};
        steps.start("a", [&] { (void)list.push_back(1); });
        steps.start("b", [&] {
            auto inner = steps.clock.thread([&] { (void)list.push_back(2); });
            inner.join();
            (void)list.push_back(3);
        });
        steps.threads.front().join();
        for (int count = 0; count != 3; ++count) (void)list.pop_front();
        steps.threads.clear();
    });
    CHECK(printed.empty());
}

TEST_CASE("a test that waits elsewhere lets the threads of a seeded clock run", "[lock_step]") {
    ManualClock clock{{.seed = 1}};
    std::latch done{2};
    const auto one = clock.thread([&] { done.count_down(); });
    const auto other = clock.thread([&] { done.count_down(); });
    done.wait();
    clock.settle();
    SUCCEED();
}

TEST_CASE("a seeded clock begins when it is told to", "[lock_step]") {
    CHECK(ManualClock{{.seed = 1}}.wall() == ManualClock::default_start);
    const runnel::Clock::WallTime start{5s};
    CHECK(ManualClock{{.seed = 1, .start = start}}.wall() == start);
    CHECK(ManualClock{{.start = start}}.wall() == start);
}
