// SPDX-License-Identifier: MIT
#include <runnel/clock.hpp>
#include <runnel/error.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/patience.hpp"
#include "support/printed.hpp"
#include "support/rest.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <functional>
#include <latch>
#include <list>
#include <memory>
#include <new>
#include <optional>
#include <pthread.h>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

using runnel::Clock;
using runnel::Error;
using runnel::ErrorCode;
using runnel::ManualClock;
using runnel::SystemClock;
using runnel::detail::WaitEnd;
using runnel::test::eventually;
using runnel::test::Rest;
using namespace std::chrono_literals;

namespace {

using Nanoseconds = std::chrono::nanoseconds;

// What the threads of a test have said, in order. One of them runs at a time, or so they should.
using Log = std::vector<std::string>;

// What is printed while it lives is read by it.
class StandardError {
public:
    StandardError() {
        REQUIRE(pipe(ends_.data()) == 0);
        redirected_.emplace(ends_[1]);
    }
    StandardError(const StandardError&) = delete;
    StandardError& operator=(const StandardError&) = delete;
    ~StandardError() {
        redirected_.reset();
        for (const int file : ends_) close(file);
    }

    // Waits for it. In any thread.
    [[nodiscard]] std::string take_line() const {
        std::string line;
        for (char byte = 0; byte != '\n' && read(ends_[0], &byte, 1) == 1;) line += byte;
        return line;
    }

private:
    std::array<int, 2> ends_{};
    std::optional<runnel::test::StandardErrorTo> redirected_{};
};

// The code of the Error that `call` throws, and its text.
std::optional<ErrorCode> error_of(const std::function<void()>& call, std::string* text = nullptr) {
    try {
        call();
    } catch (const Error& error) {
        if (text != nullptr) *text = error.what();
        return error.code();
    }
    return std::nullopt;
}

bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

struct Moment {
    Clock::Deadline start;
    Clock& clock;

    explicit Moment(Clock& of) : start{of.now()}, clock{of} {}
    [[nodiscard]] Nanoseconds passed() const { return clock.now() - start; }
};

}  // namespace

TEST_CASE("manual time stands still until a test moves it", "[clock][manual]") {
    ManualClock clock;
    const auto now = clock.now();
    const auto wall = clock.wall();
    clock.settle();
    CHECK(clock.now() == now);
    CHECK(clock.wall() == wall);
    CHECK_FALSE(clock.is_real());
    CHECK_FALSE(clock.is_system());
    CHECK(clock.is_same_as(clock));
    CHECK_FALSE(clock.is_same_as(ManualClock{}));
}

TEST_CASE("manual wall time begins in November 2023, or where it is told to", "[clock][manual]") {
    CHECK(ManualClock{}.wall() == ManualClock::default_start);
    CHECK(ManualClock::default_start.time_since_epoch() == 1'700'000'000'000ms);
    CHECK(ManualClock{Clock::WallTime{5s}}.wall() == Clock::WallTime{5s});
}

TEST_CASE("a recent time is the present one, or a little earlier", "[clock]") {
    ManualClock manual;
    manual.advance(1h);
    CHECK(manual.recent() == manual.now());
    const Clock& real = SystemClock::instance();
    for (int look = 0; look != 1'000; ++look) {
        const auto before = real.now();
        const auto recent = real.recent();
        CHECK(recent > before - 100us);
        CHECK(recent <= real.now());
    }
}

TEST_CASE("advancing moves both times, to the nanosecond", "[clock][manual]") {
    ManualClock clock;
    const Moment start{clock};
    clock.advance(90min);
    clock.advance(1ns);
    CHECK(start.passed() == 90min + 1ns);
    CHECK(clock.wall() == ManualClock::default_start + 90min + 1ns);
}

TEST_CASE("advancing by nothing moves nothing", "[clock][manual]") {
    ManualClock clock;
    const Moment start{clock};
    clock.advance(0s);
    CHECK(start.passed() == 0s);
}

TEST_CASE("time cannot be advanced by less than nothing", "[clock][manual]") {
    ManualClock clock;
    const Moment start{clock};
    CHECK(error_of([&] { clock.advance(-1ns); }) == ErrorCode::invalid_argument);
    CHECK(start.passed() == 0s);
    CHECK(clock.wall() == ManualClock::default_start);
}

TEST_CASE("the wall clock can be stepped alone, also back", "[clock][manual]") {
    ManualClock clock;
    const Moment start{clock};
    clock.step_wall(-1h);
    CHECK(clock.wall() == ManualClock::default_start - 1h);
    clock.step_wall(3h);
    CHECK(clock.wall() == ManualClock::default_start + 2h);
    CHECK(start.passed() == 0s);
}

TEST_CASE("a wall clock that was stepped back goes on from there", "[clock][manual]") {
    ManualClock clock;
    clock.step_wall(-24h);
    clock.advance(1h);
    CHECK(clock.wall() == ManualClock::default_start - 23h);
}

TEST_CASE("stepping the wall clock ends no wait and delays none", "[clock][manual]") {
    ManualClock clock;
    std::optional<WaitEnd> end;
    const auto thread = clock.thread([&] { end = Rest{clock}.wait(1h); });
    clock.step_wall(2h);
    clock.settle();
    CHECK_FALSE(end);
    clock.step_wall(-4h);
    clock.advance(1h);
    CHECK(end == WaitEnd::timed_out);
}

TEST_CASE("a wait ends when its time has come, and not a nanosecond before", "[clock][manual]") {
    ManualClock clock;
    std::optional<WaitEnd> end;
    const auto thread = clock.thread([&] { end = Rest{clock}.wait(1h); });
    clock.advance(1h - 1ns);
    CHECK_FALSE(end);
    clock.advance(1ns);
    CHECK(end == WaitEnd::timed_out);
}

TEST_CASE("a wait of no time ends without anybody's help", "[clock][manual]") {
    ManualClock clock;
    CHECK(Rest{clock}.wait(0s) == WaitEnd::timed_out);
    CHECK(Rest{clock}.wait(-5s) == WaitEnd::timed_out);
    CHECK(clock.waiting() == 0);
}

TEST_CASE("a wait without a time-out outlasts any time", "[clock][manual]") {
    ManualClock clock;
    std::optional<WaitEnd> end;
    Rest rest{clock};
    const auto thread = clock.thread([&] { end = rest.wait(); });
    clock.advance(24h * 365 * 100);
    CHECK_FALSE(end);
    CHECK(clock.waiting() == 1);
    rest.wake();
    clock.settle();
    CHECK(end == WaitEnd::served);
}

TEST_CASE("waits end in the order of their deadlines, each at its own time", "[clock][manual]") {
    ManualClock clock;
    const Moment start{clock};
    std::vector<Nanoseconds> ends;
    std::vector<ManualClock::Thread> threads;
    for (const Nanoseconds timeout : {Nanoseconds{3h}, Nanoseconds{1h}, Nanoseconds{2h}}) {
        threads.push_back(clock.thread([&, timeout] {
            Rest{clock}.wait(timeout);
            ends.push_back(start.passed());
        }));
    }
    clock.advance(150min);
    CHECK(ends == std::vector<Nanoseconds>{1h, 2h});
    CHECK(start.passed() == 150min);
    clock.advance(30min);
    CHECK(ends == std::vector<Nanoseconds>{1h, 2h, 3h});
}

TEST_CASE("of waits with the same deadline the one that began first ends first",
          "[clock][manual]") {
    ManualClock clock;
    Log log;
    std::vector<std::unique_ptr<Rest>> rests;
    for (int i = 0; i != 3; ++i) rests.push_back(std::make_unique<Rest>(clock));
    std::vector<ManualClock::Thread> threads;
    // They come to the clock in another order than they began.
    for (const std::size_t which : {2U, 0U, 1U}) {
        threads.push_back(clock.thread([&, which] {
            rests[which]->wait(1h);
            log.push_back("wait " + std::to_string(which));
        }));
        clock.settle();
    }
    clock.advance(1h);
    CHECK(log == Log{"wait 0", "wait 1", "wait 2"});
}

TEST_CASE("who was woken on the way and waits again is woken again in the same advance",
          "[clock][manual]") {
    ManualClock clock;
    const Moment start{clock};
    std::vector<Nanoseconds> beats;
    auto heart = clock.thread([&](const std::stop_token& stop) {
        while (Rest{clock}.wait(1s, stop) == WaitEnd::timed_out) beats.push_back(start.passed());
    });
    clock.advance(3s + 500ms);
    CHECK(beats == std::vector<Nanoseconds>{1s, 2s, 3s});
    heart.request_stop();
    clock.settle();
    CHECK(clock.waiting() == 0);
}

TEST_CASE("time stands still while a thread that was woken does its work", "[clock][manual]") {
    ManualClock clock;
    Rest second{clock};
    std::vector<Nanoseconds> times;
    const Moment start{clock};
    const auto waker = clock.thread([&] {
        Rest{clock}.wait(1h);
        second.wake();
        times.push_back(start.passed());
    });
    const auto second_thread = clock.thread([&] {
        second.wait();
        Rest{clock}.wait(1h);
        times.push_back(start.passed());
    });
    clock.advance(5h);
    CHECK(times == std::vector<Nanoseconds>{1h, 2h});
}

TEST_CASE("a run under manual time is the same in every run", "[clock][manual]") {
    const auto run = [] {
        ManualClock clock;
        Log log;
        std::vector<ManualClock::Thread> threads;
        for (int which = 0; which != 4; ++which) {
            threads.push_back(clock.thread([&clock, &log, which] {
                for (int beat = 0; beat != 5; ++beat) {
                    Rest{clock}.wait(std::chrono::seconds{which % 3 + 1});
                    log.push_back(std::to_string(which) + "." + std::to_string(beat));
                }
            }));
            clock.settle();
        }
        clock.advance(20s);
        return log;
    };
    const Log first = run();
    REQUIRE(first.size() == 20);
    for (int again = 0; again != 20; ++again) REQUIRE(run() == first);
}

TEST_CASE("a thread counts as running before it has begun", "[clock][manual]") {
    ManualClock clock;
    bool done = false;
    for (int round = 0; round != 100; ++round) {
        done = false;
        const auto thread = clock.thread([&] { done = true; });
        clock.settle();
        REQUIRE(done);
    }
}

TEST_CASE("a thread that was woken counts as running before it goes on", "[clock][manual]") {
    ManualClock clock;
    std::atomic<Rest*> place = nullptr;
    int woken = 0;
    auto thread = clock.thread([&](const std::stop_token& stop) {
        for (;;) {
            Rest rest{clock};
            place = &rest;
            if (rest.wait({}, stop) != WaitEnd::served) return;
            ++woken;
        }
    });
    for (int round = 0; round != 500; ++round) {
        clock.settle();
        REQUIRE(woken == round);
        place.load()->wake();
    }
    clock.settle();
    CHECK(woken == 500);
}

TEST_CASE("settling waits for all threads of the clock", "[clock][manual]") {
    ManualClock clock;
    std::atomic<int> at_work = 0;
    std::vector<ManualClock::Thread> threads;
    for (int i = 0; i != 8; ++i) {
        threads.push_back(clock.thread([&] {
            ++at_work;
            for (int step = 0; step != 10; ++step) Rest{clock}.wait(0s);
            --at_work;
            Rest{clock}.wait(1h);
        }));
    }
    clock.settle();
    CHECK(at_work == 0);
    CHECK(clock.waiting() == 8);
    clock.advance(1h);
    CHECK(clock.waiting() == 0);
}

TEST_CASE("settling in vain names the threads that do not wait, and no others", "[clock][manual]") {
    ManualClock clock;
    std::latch gate{1};
    std::string text;
    Rest rest{clock};
    {
        const auto stuck = clock.thread("the reader", [&] { gate.wait(); });
        const auto also_stuck = clock.thread("the writer", [&] { gate.wait(); });
        const auto waiting = clock.thread("the waiting", [&] { rest.wait(); });
        auto finished = clock.thread("the early bird", [] {});
        finished.join();
        eventually([&] { return clock.waiting() == 1; });
        CHECK(error_of([&] { clock.settle(5ms); }, &text) == ErrorCode::not_settled);
        gate.count_down();
        clock.settle();
        rest.wake();
    }
    CAPTURE(text);
    CHECK(contains(text, "the reader, the writer"));
    CHECK_FALSE(contains(text, "the waiting"));
    CHECK_FALSE(contains(text, "the early bird"));
    CHECK(contains(text, "made without `.clock`"));
}

TEST_CASE("a thread without a name is named by its number", "[clock][manual]") {
    ManualClock clock;
    std::latch gate{1};
    std::string text;
    auto first = clock.thread([] {});
    first.join();
    const auto second = clock.thread([&] { gate.wait(); });
    CHECK(error_of([&] { clock.settle(5ms); }, &text) == ErrorCode::not_settled);
    gate.count_down();
    CAPTURE(text);
    CHECK(contains(text, "thread 2"));
    CHECK_FALSE(contains(text, "thread 1"));
}

TEST_CASE("a clock whose threads come to rest later can be used again", "[clock][manual]") {
    ManualClock clock;
    std::latch gate{1};
    const auto thread = clock.thread([&] { gate.wait(); });
    REQUIRE(error_of([&] { clock.settle(1ms); }) == ErrorCode::not_settled);
    gate.count_down();
    clock.settle();
    const Moment start{clock};
    clock.advance(1s);
    CHECK(start.passed() == 1s);
}

TEST_CASE("a thread of the clock can settle the others and advance the time", "[clock][manual]") {
    ManualClock clock;
    const Moment start{clock};
    std::optional<WaitEnd> end;
    std::vector<Nanoseconds> times;
    const auto other = clock.thread([&] { end = Rest{clock}.wait(1h); });
    const auto mover = clock.thread([&] {
        clock.settle();
        times.push_back(start.passed());
        clock.advance(1h);
        times.push_back(start.passed());
    });
    clock.settle();
    CHECK(end == WaitEnd::timed_out);
    CHECK(times == std::vector<Nanoseconds>{0s, 1h});
}

TEST_CASE("the thread that settles in vain does not name itself", "[clock][manual]") {
    ManualClock clock;
    std::latch gate{1};
    std::string text;
    const auto stuck = clock.thread("the other", [&] { gate.wait(); });
    {
        const auto asking = clock.thread("the asking", [&] {
            (void)error_of([&] { clock.settle(5ms); }, &text);
            gate.count_down();
        });
    }
    clock.settle();
    CAPTURE(text);
    CHECK(contains(text, "the other"));
    CHECK_FALSE(contains(text, "the asking"));
}

TEST_CASE("time is moved by one thread at a time", "[clock][manual]") {
    ManualClock clock;
    const Moment start{clock};
    {
        std::vector<std::jthread> movers;
        for (int mover = 0; mover != 4; ++mover) {
            movers.emplace_back([&] {
                for (int step = 0; step != 250; ++step) clock.advance(1s);
            });
        }
    }
    CHECK(start.passed() == 1'000s);
}

TEST_CASE("waits of threads that are not the clock's own end in time, too", "[clock][manual]") {
    ManualClock clock;
    std::optional<WaitEnd> end;
    {
        const std::jthread stranger{[&] { end = Rest{clock}.wait(1h); }};
        eventually([&] { return clock.waiting() == 1; });
        clock.settle();  // does not wait for it
        clock.advance(1h);
    }
    CHECK(end == WaitEnd::timed_out);
    CHECK(clock.waiting() == 0);
}

TEST_CASE("a thread is told to stop through its token, as any jthread", "[clock][manual]") {
    ManualClock clock;
    std::optional<WaitEnd> end;
    {
        const auto thread = clock.thread(
            "named", [&](const std::stop_token& stop) { end = Rest{clock}.wait({}, stop); });
        clock.settle();
        CHECK(clock.waiting() == 1);
    }
    CHECK(end == WaitEnd::stopped);
}

TEST_CASE("a thread may end by pthread_exit(), and is not waited for any more", "[clock][manual]") {
    ManualClock clock;
    const auto captured = std::make_shared<int>(1);
    auto thread = clock.thread([&clock, captured] {
        Rest{clock}.wait(1min);
        pthread_exit(nullptr);
    });
    clock.advance(1min);
    clock.settle();
    CHECK(captured.use_count() == 1);
    thread.join();
}

TEST_CASE("a thread can be given what can only be moved", "[clock][manual]") {
    ManualClock clock;
    int seen = 0;
    const auto thread =
        clock.thread([&seen, number = std::make_unique<int>(5)] { seen = *number; });
    clock.settle();
    CHECK(seen == 5);
}

TEST_CASE("a wait on one clock does not end with the time of another", "[clock][manual]") {
    ManualClock here;
    ManualClock there;
    std::optional<WaitEnd> end;
    const auto thread = here.thread([&] { end = Rest{here}.wait(1h); });
    there.advance(2h);
    here.settle();
    CHECK_FALSE(end);
    CHECK(there.waiting() == 0);
    here.advance(1h);
    CHECK(end == WaitEnd::timed_out);
}

TEST_CASE("park() returns at once when the waiter has been unparked before", "[clock]") {
    ManualClock manual;
    for (Clock* clock :
         {static_cast<Clock*>(&manual), static_cast<Clock*>(&SystemClock::instance())}) {
        Rest rest{*clock};
        REQUIRE(rest.claim());
        clock->unpark(rest);
        clock->park(rest, std::nullopt);
        CHECK(rest.ended());
    }
}

TEST_CASE("park() ends a waiter whose deadline has passed", "[clock]") {
    ManualClock manual;
    for (Clock* clock :
         {static_cast<Clock*>(&manual), static_cast<Clock*>(&SystemClock::instance())}) {
        Rest rest{*clock};
        clock->park(rest, clock->now());
        CHECK(rest.how() == WaitEnd::timed_out);
    }
}

TEST_CASE("a wait that is claimed at its deadline ends as its claimer says", "[clock]") {
    ManualClock manual;
    for (Clock* clock :
         {static_cast<Clock*>(&manual), static_cast<Clock*>(&SystemClock::instance())}) {
        Rest rest{*clock};
        REQUIRE(rest.claim(WaitEnd::closed));
        std::atomic<bool> begun = false;
        std::jthread parked{[&] {
            begun = true;
            clock->park(rest, clock->now());
        }};
        eventually([&] { return begun.load(); });
        clock->unpark(rest);
        parked.join();
        CHECK(rest.how() == WaitEnd::closed);
    }
}

TEST_CASE("system time is that of the machine", "[clock][system]") {
    const Clock& clock = SystemClock::instance();
    const auto wall = std::chrono::system_clock::now();
    const auto now = std::chrono::steady_clock::now();
    CHECK(clock.is_real());
    CHECK(clock.is_system());
    CHECK(clock.is_same_as(runnel::SystemClock{}));
    CHECK(clock.wall() >= wall - 1s);
    CHECK(clock.wall() <= wall + 1h);
    CHECK(clock.now() >= now);
    CHECK(clock.now() <= now + 1h);
}

TEST_CASE("system time moves on, also for who asks for it all the time", "[clock][system]") {
    const Clock& clock = SystemClock::instance();
    const auto wall = clock.wall();
    eventually([&] { return clock.wall() >= wall + 1ms; });
}

TEST_CASE("there is one system clock", "[clock][system]") {
    CHECK(&SystemClock::instance() == &SystemClock::instance());
}

TEST_CASE("a wait in system time ends after its time-out, not before", "[clock][system]") {
    const Moment start{SystemClock::instance()};
    CHECK(Rest{SystemClock::instance()}.wait(5ms) == WaitEnd::timed_out);
    CHECK(start.passed() >= 5ms);
}

TEST_CASE("a thread that is woken by an advance can advance the time further", "[clock][manual]") {
    ManualClock clock;
    const Moment start{clock};
    const auto thread = clock.thread("mover", [&] {
        (void)Rest{clock}.wait(1s);
        clock.advance(1s);
    });
    clock.advance(5s);
    clock.settle();
    CHECK(start.passed() == 6s);
}

TEST_CASE("threads of the clock that settle do not wait for each other", "[clock][manual]") {
    ManualClock clock;
    const auto one = clock.thread([&] { clock.settle(); });
    const auto other = clock.thread([&] { clock.settle(); });
    CHECK_NOTHROW(clock.settle());
}

TEST_CASE("the time can be advanced to its end", "[clock][manual]") {
    ManualClock clock;
    std::optional<WaitEnd> end;
    const auto thread = clock.thread([&] { end = Rest{clock}.wait(24h); });
    clock.advance(Nanoseconds::max());
    CHECK(end == WaitEnd::timed_out);
}

TEST_CASE("what a thread has captured is gone when the clock has settled", "[clock][manual]") {
    ManualClock clock;
    const auto captured = std::make_shared<int>(1);
    const auto thread = clock.thread([captured] {});
    clock.settle();
    CHECK(captured.use_count() == 1);
}

// ------------------------------------------------------------------ tests that fail

namespace {

struct Failure {};

// Calls body(clock), which throws, and swallows that.
template <typename Body>
void fail(Body body) {
    ManualClock clock;
    CHECK_THROWS_AS(body(clock), Failure);
}

}  // namespace

TEST_CASE("unwinding ends the wait of a thread, and each later one, as a stop does",
          "[clock][manual][unwinding]") {
    std::vector<WaitEnd> ends;
    fail([&](ManualClock& clock) {
        const auto thread = clock.thread([&] {
            for (int times = 0; times != 3; ++times) ends.push_back(Rest{clock}.wait(1h));
        });
        clock.settle();
        throw Failure{};
    });
    CHECK(ends == std::vector<WaitEnd>(3, WaitEnd::stopped));
}

TEST_CASE("unwinding joins by whatever way a thread is joined", "[clock][manual][unwinding]") {
    struct Joins {
        ManualClock::Thread& thread;
        bool by_hand;
        ~Joins() {
            if (by_hand)
                thread.join();
            else
                thread = {};
        }
    };
    for (const bool by_hand : {false, true}) {
        std::optional<WaitEnd> end;
        fail([&](ManualClock& clock) {
            auto thread = clock.thread([&] { end = Rest{clock}.wait(); });
            const Joins joins{thread, by_hand};
            throw Failure{};
        });
        CHECK(end == WaitEnd::stopped);
    }
}

TEST_CASE("unwinding ends the waits of no other thread", "[clock][manual][unwinding]") {
    ManualClock clock;
    std::optional<WaitEnd> end;
    const auto other = clock.thread([&] { end = Rest{clock}.wait(1h); });
    try {
        const auto thread = clock.thread([&] { (void)Rest{clock}.wait(); });
        throw Failure{};
    } catch (const Failure&) {
    }
    clock.settle();
    CHECK_FALSE(end);
    clock.advance(1h);
    CHECK(end == WaitEnd::timed_out);
}

TEST_CASE("a thread that is started and joined while an exception unwinds waits as always",
          "[clock][manual][unwinding]") {
    struct Cleanup {
        ManualClock& clock;
        std::optional<WaitEnd>& end;
        ~Cleanup() {
            const auto thread = clock.thread([&] { end = Rest{clock}.wait(1h); });
            clock.advance(1h);
        }
    };
    std::optional<WaitEnd> end;
    fail([&](ManualClock& clock) {
        const Cleanup cleanup{clock, end};
        throw Failure{};
    });
    CHECK(end == WaitEnd::timed_out);
}

TEST_CASE("a clock that goes before its threads ends their waits, and waits for them",
          "[clock][manual][unwinding]") {
    std::vector<ManualClock::Thread> threads;
    std::vector<std::optional<WaitEnd>> ends(3);
    {
        ManualClock clock;
        for (auto& end : ends) threads.push_back(clock.thread([&] { end = Rest{clock}.wait(); }));
        clock.settle();
    }
    for (const auto& end : ends) CHECK(end == WaitEnd::stopped);
}

TEST_CASE("a thread that has finished may be unwound after its clock has gone",
          "[clock][manual][unwinding]") {
    alignas(ManualClock) std::array<std::byte, sizeof(ManualClock)> room{};
    const auto end = [&room](ManualClock* clock) {
        std::destroy_at(clock);
        room.fill(std::byte{0xff});  // no mutex that can be locked
    };
    bool has_run = false;
    try {
        ManualClock::Thread thread;
        const std::unique_ptr<ManualClock, decltype(end)> clock{::new (room.data()) ManualClock,
                                                                end};
        thread = clock->thread([&] { has_run = true; });
        throw std::runtime_error{"a test fails"};
    } catch (const std::runtime_error&) {
        CHECK(has_run);
    }
}

TEST_CASE("a test that returns early is told which thread it waits for", "[clock][manual]") {
    const bool assigns = GENERATE(false, true);
    std::string said;
    {
        StandardError printed;
        ManualClock clock;
        auto thread = clock.thread("the reader", [&] { said = printed.take_line(); });
        runnel::detail::PatienceOf::of(thread) = 0s;
        if (assigns) thread = {};
    }
    CHECK(said == "runnel: ManualClock::Thread: it goes, and still waits for its thread: "
                  "the reader (which waits without the thread's stop token?)\n");
}

TEST_CASE("a test that waits in the thread that moves the time is told so", "[clock][manual]") {
    std::string said;
    {
        StandardError printed;
        ManualClock clock;
        runnel::detail::PatienceOf::of(clock) = 0s;
        Rest rest{clock};
        const std::jthread waker{[&] {  // of whom the clock does not know
            said = printed.take_line();
            rest.wake();
        }};
        rest.wait(1h);
    }
    CHECK(contains(said,
                   "runnel: ManualClock: a thread that the clock has not started waits on it, "
                   "and nobody moves the time"));
}

TEST_CASE("a test that waits for a thread that is at work is told nothing", "[clock][manual]") {
    const std::string printed = runnel::test::printed_by([] {
        ManualClock clock;
        runnel::detail::PatienceOf::of(clock) = 0s;
        Rest rest{clock};
        const auto thread = clock.thread([&] {
            eventually([&] { return clock.waiting() == 1; });
            rest.wake();
        });
        rest.wait(1h);
    });
    CHECK(printed.empty());
}

TEST_CASE("a thread whose waits have its stop token ends with its Thread", "[clock][manual]") {
    ManualClock clock;
    std::optional<WaitEnd> end;
    {
        const auto thread =
            clock.thread([&](const std::stop_token& stop) { end = Rest{clock}.wait({}, stop); });
        clock.settle();
    }
    CHECK(end == WaitEnd::stopped);
}

TEST_CASE("a thread of a clock can be handled as a jthread", "[clock][manual]") {
    STATIC_REQUIRE(std::is_nothrow_move_constructible_v<ManualClock::Thread>);
    STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<ManualClock::Thread>);
    STATIC_REQUIRE_FALSE(std::is_convertible_v<ManualClock::Thread, std::jthread>);
    ManualClock clock;
    std::optional<WaitEnd> end;
    auto thread =
        clock.thread([&](const std::stop_token& stop) { end = Rest{clock}.wait({}, stop); });
    ManualClock::Thread other;
    CHECK_FALSE(other.joinable());
    CHECK(other.get_id() == std::thread::id{});
    swap(thread, other);
    other.swap(thread);
    ManualClock::Thread& same = thread;
    thread = std::move(same);
    CHECK_FALSE(thread.get_stop_token().stop_requested());
    CHECK(thread.joinable());
    CHECK(thread.get_id() != std::thread::id{});
    CHECK(thread.native_handle() != std::jthread::native_handle_type{});
    CHECK(thread.get_stop_token() == thread.get_stop_source().get_token());
    CHECK(thread.request_stop());
    thread.join();
    CHECK_FALSE(thread.joinable());
    CHECK(end == WaitEnd::stopped);
    auto free = clock.thread([] {});
    free.detach();
    CHECK_FALSE(free.joinable());
    clock.settle();
}
