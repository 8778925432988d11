// SPDX-License-Identifier: MIT
// Descriptors that become readable when an object has something, or a time-out has come.
#include <runnel/awaitable.hpp>
#include <runnel/blocking_list.hpp>
#include <runnel/channel.hpp>
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/error.hpp>
#include <runnel/inbox.hpp>
#include <runnel/list_options.hpp>
#include <runnel/outcome.hpp>
#include <runnel/pollable.hpp>
#include <runnel/stream.hpp>
#include <runnel/wait_any.hpp>

#include "support/catch.hpp"
#include "support/coroutines.hpp"
#include "support/elements.hpp"
#include "support/errors.hpp"
#include "support/scale.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <fcntl.h>
#include <optional>
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

using runnel::BlockingList;
using runnel::Channel;
using runnel::Ending;
using runnel::ErrorCode;
using runnel::ManualClock;
using runnel::Pollable;
using runnel::PollableRunner;
using runnel::Push;
using runnel::Stream;
using runnel::Watch;
using runnel::test::Coroutine;
using runnel::test::error_of;
using namespace std::chrono_literals;

namespace {

// Within so many milliseconds.
bool becomes_readable(int descriptor, int milliseconds) {
    pollfd asked{descriptor, POLLIN, 0};
    return poll(&asked, 1, milliseconds) == 1;
}
bool is_readable(int descriptor) {
    return becomes_readable(descriptor, 0);
}
bool is_readable(const Pollable& pollable) {
    return is_readable(pollable.descriptor());
}

// How often it was made readable since it was rearmed. Makes it unreadable.
std::uint64_t times_written(const Pollable& pollable) {
    std::uint64_t count = 0;
    if (!is_readable(pollable)) return 0;
    REQUIRE(::read(pollable.descriptor(), &count, sizeof count) == sizeof count);
    return count;
}

// For code that runs where a look at an exception needs descriptors, as with sanitizers.
template <typename Call>
std::exception_ptr exception_of(const Call& call) {
    try {
        call();
    } catch (...) {
        return std::current_exception();
    }
    return nullptr;
}

struct PolledObjects {
    void push(int job) const { REQUIRE(jobs.try_push_back(job) == Push::done); }

    ManualClock clock;
    BlockingList<int> jobs{{.clock = &clock}};
    Stream<int> prices{{.clock = &clock}};
    Channel<int> ticks{{.clock = &clock}};
};

}  // namespace

TEST_CASE_METHOD(PolledObjects, "a descriptor is readable once its object has something") {
    Pollable ready{jobs};
    CHECK_FALSE(is_readable(ready));
    push(1);
    CHECK(is_readable(ready));
    CHECK(jobs.try_pop_front().value() == 1);
    CHECK(is_readable(ready));
    ready.rearm();
    CHECK_FALSE(is_readable(ready));
    push(2);
    CHECK(is_readable(ready));
}

TEST_CASE_METHOD(PolledObjects, "a descriptor is readable at once if its object has something") {
    push(1);
    Pollable ready{jobs};
    CHECK(is_readable(ready));
    ready.rearm();
    CHECK(is_readable(ready));
    (void)jobs.try_pop_front();
    ready.rearm();
    CHECK_FALSE(is_readable(ready));
}

TEST_CASE_METHOD(PolledObjects, "a descriptor tells of objects of each model") {
    auto cursor = prices.cursor();
    const auto consumer = prices.group("group").consumer("ann");
    auto view = ticks.subscribe();
    runnel::Inbox<int> inbox{{.clock = &clock}};
    inbox.join(ticks);
    Pollable of_cursor{cursor};
    Pollable of_consumer{consumer};
    Pollable of_view{view};
    Pollable of_inbox{inbox};
    Pollable of_all{jobs, cursor, consumer, view, inbox};
    prices.add(1);
    CHECK(is_readable(of_cursor));
    CHECK(is_readable(of_consumer));
    CHECK(is_readable(of_all));
    CHECK_FALSE(is_readable(of_view));
    (void)ticks.publish(1);
    CHECK(is_readable(of_view));
    CHECK(is_readable(of_inbox));

    CHECK(cursor.try_read().size() == 1);
    CHECK(consumer.try_read().size() == 1);
    CHECK(view.try_read().size() == 1);
    of_all.rearm();
    CHECK(is_readable(of_all));
    CHECK(inbox.try_read().size() == 1);
    of_all.rearm();
    CHECK_FALSE(is_readable(of_all));
    push(1);
    CHECK(is_readable(of_all));
}

TEST_CASE_METHOD(PolledObjects, "only what ends the wait makes the descriptor readable") {
    Pollable ready{jobs};
    for (const int job : {1, 2, 3}) push(job);
    CHECK(times_written(ready) == 1);
    push(4);  // not rearmed
    CHECK(times_written(ready) == 0);
    (void)runnel::test::drain(jobs);
    ready.rearm();
    push(5);
    CHECK(times_written(ready) == 1);
}

TEST_CASE_METHOD(PolledObjects, "a descriptor can be rearmed while its wait goes on") {
    Pollable ready{jobs};
    ready.rearm();
    ready.rearm();
    CHECK(jobs.stats().blocked_pops == 1);
    push(1);
    CHECK(is_readable(ready));
}

TEST_CASE_METHOD(PolledObjects, "what was taken before makes no difference") {
    Pollable ready{jobs};
    push(1);
    ready.rearm();  // it is still there
    CHECK(is_readable(ready));
    (void)jobs.try_pop_front();
    push(2);
    (void)jobs.try_pop_front();
    ready.rearm();
    CHECK_FALSE(is_readable(ready));
}

TEST_CASE_METHOD(PolledObjects, "a descriptor stays the same when its owner is moved") {
    Pollable ready{jobs};
    const int descriptor = ready.descriptor();
    std::vector<Pollable> all;
    all.push_back(std::move(ready));
    CHECK(all[0].descriptor() == descriptor);
    push(1);
    CHECK(is_readable(descriptor));
    Pollable other{prices.group("group").consumer("ann")};
    all[0] = std::move(other);
    CHECK_FALSE(is_readable(all[0]));
    all[0].rearm();
}

TEST_CASE_METHOD(PolledObjects, "a wait is over when its descriptor is destroyed") {
    {
        const Pollable ready{jobs};
        CHECK(jobs.stats().blocked_pops == 1);
    }
    CHECK(jobs.stats().blocked_pops == 0);
    push(1);
}

// ---------------------------------------------------------------------- other ends

TEST_CASE_METHOD(PolledObjects, "what is closed is readable, once nothing is left and ever after") {
    auto cursor = prices.cursor();
    push(1);
    Pollable ready{jobs, cursor};
    jobs.close();
    (void)jobs.try_pop_front();
    ready.rearm();
    CHECK_FALSE(is_readable(ready));
    prices.close();
    for (int time = 0; time != 3; ++time) {
        CHECK(is_readable(ready));
        ready.rearm();
    }
    CHECK(jobs.try_pop_front().ending() == Ending::closed);
}

TEST_CASE_METHOD(PolledObjects, "what is gone or disconnected is readable ever after") {
    const auto consumer = prices.group("group").consumer("ann");
    auto view = ticks.subscribe({.bound = 1, .when_behind = runnel::Behind::disconnect});
    Pollable of_consumer{consumer, jobs};
    Pollable of_view{view, jobs};
    prices.remove_group("group");
    (void)ticks.publish(1);
    (void)ticks.publish(2);
    for (int time = 0; time != 3; ++time) {
        CHECK(is_readable(of_consumer));
        CHECK(is_readable(of_view));
        of_consumer.rearm();
        of_view.rearm();
    }
}

TEST_CASE("a descriptor does not keep its object open") {
    std::optional<BlockingList<int>> jobs{std::in_place};
    const Pollable ready{*jobs};
    CHECK_FALSE(is_readable(ready));
    jobs.reset();
    CHECK(is_readable(ready));
}

// ---------------------------------------------------------------------- turns

TEST_CASE_METHOD(PolledObjects, "of several descriptors each element makes one readable") {
    Pollable first{jobs};
    Pollable second{jobs};
    push(1);
    CHECK(is_readable(first));
    CHECK_FALSE(is_readable(second));
    SECTION("rearm() passes the turn on") {
        first.rearm();
        CHECK(is_readable(first));  // the element is still there
        CHECK(is_readable(second));
    }
    SECTION("so does its end") {
        first = Pollable{prices.group("group").consumer("ann")};
        CHECK(is_readable(second));
    }
    SECTION("one that has taken the element holds up nobody") {
        (void)jobs.try_pop_front();
        push(2);
        CHECK(is_readable(second));
    }
}

TEST_CASE_METHOD(PolledObjects, "a turn is that of the thread that has armed the descriptor") {
    Pollable first{jobs};
    std::optional<Pollable> second;
    std::thread{[&] { second.emplace(jobs); }}.join();
    Pollable third{jobs};
    for (const int job : {1, 2}) push(job);
    CHECK(is_readable(*second));
    (void)jobs.try_pop_front();  // ends the turn of the first one
    first.rearm();
    CHECK_FALSE(is_readable(third));
    second.reset();
    CHECK(is_readable(third));
}

// ---------------------------------------------------------------------- the system

TEST_CASE_METHOD(PolledObjects, "a descriptor is not for programs that are executed") {
    const Pollable ready{jobs};
    const PollableRunner timers;
    CHECK((fcntl(ready.descriptor(), F_GETFD) & FD_CLOEXEC) != 0);
    CHECK((fcntl(timers.descriptor(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE_METHOD(PolledObjects, "without descriptors there is an error, and no wait") {
    rlimit before{};
    REQUIRE(getrlimit(RLIMIT_NOFILE, &before) == 0);
    rlimit none = before;
    none.rlim_cur = 0;
    REQUIRE(setrlimit(RLIMIT_NOFILE, &none) == 0);
    const auto of_jobs = exception_of([&] { const Pollable ready{jobs}; });
    const auto of_timers = exception_of([] { const PollableRunner timers; });
    REQUIRE(setrlimit(RLIMIT_NOFILE, &before) == 0);
    for (const std::exception_ptr& thrown : {of_jobs, of_timers})
        CHECK(error_of([&] {
                  if (thrown) std::rethrow_exception(thrown);
              }) == ErrorCode::no_descriptor);
    CHECK(jobs.stats().blocked_pops == 0);
}

TEST_CASE_METHOD(PolledObjects, "a descriptor for no object, or of two clocks, is refused") {
    CHECK(error_of([] { (void)Pollable{std::vector<Watch>{}}; }) == ErrorCode::invalid_argument);
    const BlockingList<int> real;
    CHECK(error_of([&] { (void)Pollable{jobs, real}; }) == ErrorCode::invalid_argument);
}

TEST_CASE_METHOD(PolledObjects, "a child of fork() may destroy a descriptor, which goes on here") {
    std::optional<Pollable> ready{std::in_place, jobs};
    const pid_t child = fork();
    if (child == 0) {
        const Pollable one{jobs};
        ready.reset();
        const Pollable other{jobs};
        push(1);
        push(2);
        _exit(is_readable(one) && is_readable(other) ? 0 : 1);
    }
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK((WIFEXITED(status) && WEXITSTATUS(status) == 0));
    CHECK_FALSE(is_readable(*ready));
    push(2);
    CHECK(is_readable(*ready));
}

// ---------------------------------------------------------------------- time-outs

TEST_CASE("a descriptor is readable once run_due() has something to do") {
    PollableRunner timers;
    CHECK_FALSE(is_readable(timers.descriptor()));
    const BlockingList<int> jobs;
    std::optional<Ending> ending;
    const auto wait = [&](std::chrono::milliseconds timeout) -> Coroutine {
        const auto popped = co_await jobs.async_pop_front({.timeout = timeout});
        ending = popped.ending();
    };
    const Coroutine late = wait(1h);
    CHECK_FALSE(is_readable(timers.descriptor()));
    const Coroutine soon = wait(100ms);
    REQUIRE(becomes_readable(timers.descriptor(), 60'000));
    CHECK_FALSE(ending);
    CHECK(timers.run_due() == 1);
    CHECK(ending == Ending::timed_out);
    CHECK_FALSE(is_readable(timers.descriptor()));
    CHECK(timers.run_due() == 0);
}

TEST_CASE("a descriptor tells of the deadlines that there were before it") {
    const BlockingList<int> jobs;
    bool has_ended = false;
    std::optional<runnel::Runner> before{std::in_place};
    const auto wait = [&]() -> Coroutine {
        (void)co_await jobs.async_pop_front({.timeout = 100ms});
        has_ended = true;
    };
    const Coroutine coroutine = wait();
    PollableRunner timers;
    before.reset();
    REQUIRE(becomes_readable(timers.descriptor(), 60'000));
    CHECK(timers.run_due() == 1);
    CHECK(has_ended);
}

TEST_CASE("the end of a runner with a descriptor ends waits with a time-out") {
    std::optional<PollableRunner> timers{std::in_place};
    const BlockingList<int> jobs;
    std::optional<Ending> ending;
    const auto wait = [&]() -> Coroutine {
        const auto popped = co_await jobs.async_pop_front({.timeout = 1h});
        ending = popped.ending();
    };
    const Coroutine coroutine = wait();
    timers.reset();
    CHECK(ending == Ending::stopped);
}
