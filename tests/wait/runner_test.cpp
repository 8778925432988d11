// SPDX-License-Identifier: MIT
// Who ends waits that need no thread: Runners of a user's loop, and the TimerThread.
#include <runnel/abstract_clock.hpp>
#include <runnel/clock.hpp>
#include <runnel/detail/wait/timers.hpp>
#include <runnel/detail/wait/waiter.hpp>
#include <runnel/error.hpp>
#include <runnel/runner.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/rest.hpp"
#include "support/timed.hpp"
#include "support/user_clocks.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <deque>
#include <optional>
#include <pthread.h>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

using runnel::Clock;
using runnel::ManualClock;
using runnel::Runner;
using runnel::SystemClock;
using runnel::TimerThread;
using runnel::detail::WaitEnd;
using runnel::test::eventually;
using runnel::test::HandClock;
using runnel::test::Rest;
using runnel::test::Timed;
using namespace std::chrono_literals;

namespace {

// Whether a wait with a time-out may begin; if not, what the error says.
std::string refusal(const Clock& clock) {
    try {
        runnel::detail::require_runner(clock);
    } catch (const runnel::Error& error) {
        CHECK(error.code() == runnel::ErrorCode::clock_not_run);
        return error.what();
    }
    return {};
}

// What a child of this process returns from `function`.
template <typename Function>
int in_child(const Function& function) {
    const pid_t child = fork();
    if (child == 0) {
        alarm(20);
        _exit(function());
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST_CASE("a Runner ends the waits that are due, in the order of their deadlines", "[runner]") {
    HandClock clock;
    Runner runner{clock};
    std::vector<std::size_t> ended;
    std::deque<Timed> waits;
    const auto start = clock.now();
    for (const auto timeout : {3s, 1s, 2s, 2s, 9s}) {
        const std::size_t number = waits.size();
        waits.emplace_back(clock, [&ended, number](Timed&) { ended.push_back(number); })
            .start(timeout);
    }
    CHECK(runner.next_deadline() == start + 1s);
    CHECK(runner.run_due() == 0);
    clock.move(2s);
    CHECK(runner.run_due() == 3);
    CHECK(ended == std::vector<std::size_t>{1, 2, 3});
    CHECK(waits[1].has(WaitEnd::timed_out));
    CHECK(runner.next_deadline() == start + 3s);
    CHECK(waits[0].wake());
    CHECK(runner.next_deadline() == start + 9s);
    clock.move(1h);
    CHECK(runner.run_due() == 1);
    CHECK_FALSE(runner.next_deadline());
}

TEST_CASE("a time-out on a clock that nobody runs is refused, and the error says what to do",
          "[runner]") {
    HandClock clock;
    const std::string text = refusal(clock);
    for (const std::string part : {"TimerThread", "Runner", "ManualClock"})
        CHECK(text.find(part) != std::string::npos);
    {
        const Runner runner{clock};
        CHECK(refusal(clock).empty());
        const Runner another{clock};
        CHECK(refusal(clock).empty());
    }
    CHECK_FALSE(refusal(clock).empty());
    CHECK(refusal(ManualClock{}).empty());
    {
        const TimerThread thread;
        CHECK(refusal(SystemClock::instance()).empty());
    }
    CHECK_FALSE(refusal(SystemClock::instance()).empty());
}

TEST_CASE("a wait whose clock is not run any more when it begins ends as by a stop", "[runner]") {
    HandClock clock;
    Timed wait{clock};
    wait.start(1s);
    CHECK(wait.has(WaitEnd::stopped));
}

TEST_CASE("when the last Runner goes, the waits that are left end as by a stop", "[runner]") {
    HandClock clock;
    std::optional<Runner> first{clock};
    std::optional<Runner> last{clock};
    Timed begun_at_the_end{clock};
    std::vector<int> ended;
    Timed later{clock, [&](Timed&) {
                    ended.push_back(2);
                    begun_at_the_end.start(1s);
                }};
    Timed earlier{clock, [&](Timed&) { ended.push_back(1); }};
    later.start(2s);
    earlier.start(1s);
    first.reset();
    CHECK(ended.empty());
    last.reset();
    CHECK(ended == std::vector{1, 2});
    CHECK(earlier.has(WaitEnd::stopped));
    CHECK(begun_at_the_end.has(WaitEnd::stopped));
}

TEST_CASE("a Runner that is made while the last one goes takes the waits over", "[runner]") {
    HandClock clock;
    std::optional<Runner> first{clock};
    std::optional<Runner> next;
    Timed making{clock, [&](Timed&) { next.emplace(clock); }};
    Timed left{clock};
    making.start(1s);
    left.start(2s);
    first.reset();
    CHECK_FALSE(left.claimed());
    clock.move(2s);
    CHECK(next->run_due() == 1);
    CHECK(left.has(WaitEnd::timed_out));
}

TEST_CASE("a Runner is told of deadlines that are earlier than all others", "[runner]") {
    HandClock clock;
    Runner runner{clock};
    const Runner without_function{clock};
    Runner other{clock};
    int told = 0;
    int other_told = 0;
    runner.on_earlier([&] { ++told; });
    other.on_earlier([&] { ++other_told; });
    std::deque<Timed> waits;
    const auto tellings_of = [&](std::chrono::seconds timeout) {
        const int before = told;
        waits.emplace_back(clock).start(timeout);
        return told - before;
    };
    CHECK(tellings_of(10s) == 1);
    CHECK(tellings_of(20s) == 0);
    CHECK(tellings_of(10s) == 0);
    CHECK(tellings_of(5s) == 1);
    CHECK(other_told == told);
    CHECK(waits.back().wake());
    CHECK(tellings_of(7s) == 1);
    runner.on_earlier({});
    CHECK(tellings_of(1s) == 0);
    CHECK(other_told == 4);
    clock.move(1h);
    runner.run_due();
}

TEST_CASE("a Runner that goes, or gets another function, waits for a call of its function",
          "[runner]") {
    const bool goes = GENERATE(true, false);
    for (int round = 0; round != 50; ++round) {
        HandClock clock;
        const Runner other{clock};
        std::optional<Runner> runner{clock};
        Timed wait{clock};
        std::atomic<bool> is_called = false;
        std::atomic<bool> is_going = false;
        std::atomic<bool> has_returned = false;
        runner->on_earlier([&] {
            is_called = true;
            eventually([&] { return is_going.load(); });
            has_returned = true;
        });
        std::jthread starting{[&] { wait.start(1s); }};
        eventually([&] { return is_called.load(); });
        is_going = true;
        if (goes) {
            runner.reset();
        } else {
            runner->on_earlier([] {});
        }
        if (!has_returned) FAIL("it has not waited");
        starting.join();
        if (!wait.wake()) FAIL("it has ended before its time");
    }
}

TEST_CASE("several threads wait for one call of a Runner's function", "[runner]") {
    for (int round = 0; round != 50; ++round) {
        HandClock clock;
        Runner runner{clock};
        Timed wait{clock};
        std::atomic<bool> is_called = false;
        std::atomic<int> coming = 0;
        runner.on_earlier([&] {
            is_called = true;
            eventually([&] { return coming == 3; });
            int looks = 100;  // so that most of them are blocked by then
            eventually([&] { return --looks == 0; });
        });
        std::jthread starting{[&] { wait.start(1s); }};
        eventually([&] { return is_called.load(); });
        std::vector<std::jthread> threads;
        for (int i = 0; i != 3; ++i)
            threads.emplace_back([&] {
                ++coming;
                runner.on_earlier({});
            });
        threads.clear();  // each comes back
        starting.join();
        if (!wait.wake()) FAIL("it has ended before its time");
    }
}

TEST_CASE("a Runner can run a ManualClock, whose advance() ends what is left", "[runner]") {
    ManualClock clock;
    std::optional<Runner> runner{clock};
    Timed one{clock};
    Timed two{clock};
    one.start(1s);
    CHECK(runner->next_deadline() == clock.now() + 1s);
    clock.advance(1s);
    CHECK(one.has(WaitEnd::timed_out));
    CHECK(runner->run_due() == 0);
    two.start(1s);
    runner.reset();
    CHECK_FALSE(two.claimed());
    clock.advance(1s);
    CHECK(two.has(WaitEnd::timed_out));
}

TEST_CASE("a TimerThread ends waits when the time of the machine has come", "[timer_thread]") {
    const TimerThread thread;
    const auto start = std::chrono::steady_clock::now();
    Rest over;
    std::atomic<std::chrono::steady_clock::rep> took = 0;
    Timed late{SystemClock::instance()};
    Timed early{SystemClock::instance(), [&](Timed&) {
                    took = (std::chrono::steady_clock::now() - start).count();
                    over.wake();
                }};
    late.start(1h);
    early.start(2ms);  // the thread may be waiting for the late one
    over.wait();
    CHECK(std::chrono::steady_clock::duration{took} >= 2ms);
    CHECK(early.has(WaitEnd::timed_out));
    CHECK(late.wake());
}

TEST_CASE("a TimerThread looks again and again at a clock that only says what time it is",
          "[timer_thread]") {
    HandClock clock;
    const TimerThread thread{clock};
    Rest over;
    Timed wait{clock, [&](Timed&) { over.wake(); }};
    wait.start(1s);
    const int looks = clock.looks;
    eventually([&] { return clock.looks > looks + 3; });
    CHECK_FALSE(wait.claimed());
    clock.move(1s);
    over.wait();
    CHECK(wait.has(WaitEnd::timed_out));
}

TEST_CASE("a TimerThread has a name, and takes no signals", "[timer_thread]") {
    const TimerThread thread;
    std::array<char, 16> name{};
    bool takes_signals = true;
    Rest over;
    Timed wait{SystemClock::instance(), [&](Timed&) {
                   pthread_getname_np(pthread_self(), name.data(), name.size());
                   sigset_t blocked;
                   pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
                   takes_signals =
                       sigismember(&blocked, SIGINT) == 0 || sigismember(&blocked, SIGTERM) == 0;
                   over.wake();
               }};
    wait.start(100ms);  // not over before it has begun
    over.wait();
    CHECK(std::string{name.data()} == "runnel-timers");
    CHECK_FALSE(takes_signals);
    sigset_t blocked;
    pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
    CHECK(sigismember(&blocked, SIGTERM) == 0);
}

TEST_CASE("when the TimerThread goes, the waits that are left end as by a stop", "[timer_thread]") {
    std::optional<TimerThread> thread{std::in_place};
    Timed wait{SystemClock::instance()};
    wait.start(1h);
    thread.reset();
    CHECK(wait.has(WaitEnd::stopped));
}

TEST_CASE("a child of fork() runs none of its parent's timers, and can have its own", "[runner]") {
    HandClock clock;
    std::optional<Runner> runner{clock};
    std::optional<TimerThread> thread{std::in_place};
    int ended = 0;
    Timed of_parent{clock, [&](Timed&) { ++ended; }};
    of_parent.start(1s);
    const int result = in_child([&] {
        clock.move(1s);
        if (runner->next_deadline() || runner->run_due() != 0) return 1;
        if (refusal(clock).empty() || refusal(SystemClock::instance()).empty()) return 2;
        thread.reset();
        runner.reset();
        Runner own{clock};
        Timed wait{clock, [&](Timed&) { ++ended; }};
        wait.start(1s);
        clock.move(1s);
        if (own.run_due() != 1 || ended != 1 || of_parent.claimed()) return 3;
        return 0;
    });
    CHECK(result == 0);
    clock.move(1s);
    CHECK(runner->run_due() == 1);
    CHECK(ended == 1);
}
