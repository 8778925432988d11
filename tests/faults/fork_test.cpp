// SPDX-License-Identifier: MIT
// Before: crashes: the child died of a signal
//
// A child of fork() inherited the waits of threads that it does not have: it handed elements to
// them, and so lost them, or called through what their stacks hold by then.
#include <runnel/blocking_list.hpp>
#include <runnel/channel.hpp>
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/inbox.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream.hpp>
#include <runnel/wait_any.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/eventually.hpp"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <sys/types.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>

using runnel::Channel;
using runnel::Full;
using runnel::Inbox;
using runnel::ManualClock;
using runnel::Push;
using runnel::Stream;
using runnel::test::Call;

using List = runnel::BlockingList<std::string>;

namespace {

// TSan ends a child that starts a thread where its parent had one ("dup thread with used id").
#if defined(__SANITIZE_THREAD__)
constexpr bool may_start_threads = false;
#elif defined(__has_feature)
constexpr bool may_start_threads = !__has_feature(thread_sanitizer);
#else
constexpr bool may_start_threads = true;
#endif

// How a child ended in which `check` was called. A signal ends it if it does not end by itself.
int status_of_child(const std::function<bool()>& check) {
    const pid_t child = fork();
    if (child == 0) {
        alarm(20);
        _exit(check() ? 0 : 1);
    }
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    if (WIFSIGNALED(status)) UNSCOPED_INFO("the child died of a signal: " << WTERMSIG(status));
    return status;
}

// So that other threads' stacks are used again.
void use_stacks() {
    for (int count = 0; may_start_threads && count != 4; ++count) {
        std::jthread thread{[] {
            volatile char on_stack[64 * 1024];
            for (volatile char& byte : on_stack) byte = 0x5A;
        }};
    }
}

// Whether waits of the child's own threads are served. Requires: "b" is in `jobs`.
bool serves_its_own(const List& jobs, const ManualClock& clock) {
    std::string got;
    std::thread{[&] { got = *jobs.pop_front(); }}.join();
    std::thread waits{[&] { got += *jobs.pop_front(); }};
    runnel::test::eventually([&] { return clock.waiting() != 0; });
    const bool is_done = jobs.push_back("c") == Push::done;
    waits.join();
    return is_done && got == "bc";
}

struct Clocked {
    ManualClock clock;

    template <typename Function>
    [[nodiscard]] auto call(Function function) {
        return Call<bool>{
            clock, [function](const std::stop_token& stop) mutable { return function(stop); }};
    }
};

}  // namespace

TEST_CASE_METHOD(Clocked, "a child of fork() gets what a thread of its parent waits for",
                 "[list][fork]") {
    const List jobs{{.clock = &clock}};
    const List full{{.capacity = 1, .when_full = Full::block, .clock = &clock}};
    const List source{{.clock = &clock}};
    REQUIRE(full.push_back("first") == Push::done);
    auto pops = call([&](const auto& stop) { return bool{jobs.pop_front({.stop = stop})}; });
    auto looks = call([&](const auto& stop) {
        return bool{runnel::wait_any({jobs, source}, {.stop = stop})};
    });
    auto pushes = call(
        [&](const auto& stop) { return full.push_back("second", {.stop = stop}) == Push::done; });
    auto moves = call([&](const auto& stop) { return bool{source.move_to(jobs, {.stop = stop})}; });
    const int status = status_of_child([&] {
        use_stacks();
        bool good = clock.waiting() == 0 && jobs.push_back("a") == Push::done && jobs.size() == 1 &&
                    source.push_back("b") == Push::done && source.size() == 1;
        good = good && *jobs.pop_front() == "a" && *full.pop_front() == "first" && full.size() == 0;
        good = good && full.push_back("third") == Push::done && full.size() == 1;
        good = good && source.try_move_to(jobs) && jobs.size() == 1;
        clock.advance(std::chrono::hours{1});
        good = good && (!may_start_threads || serves_its_own(jobs, clock));
        jobs.close();
        full.close();
        return good;
    });
    CHECK(status == 0);
    // The parent's are as they were.
    CHECK(pops.waits());
    CHECK(jobs.push_back("d") == Push::done);
    CHECK(pops.result());
    CHECK(full.pop_front());
    CHECK(pushes.result());
    CHECK(source.push_back("e") == Push::done);
    CHECK(moves.result());
    CHECK(looks.result());
}

TEST_CASE_METHOD(Clocked, "a child of fork() knows none of the turns of its parent",
                 "[list][fork]") {
    const List jobs{{.clock = &clock}};
    std::vector<runnel::Watch> watches[3];
    for (auto& one : watches) one.emplace_back(jobs);
    const auto looking = [&](std::size_t which) {
        return runnel::test::Call{clock, [&, which](const std::stop_token& stop) {
                                      return runnel::wait_any(watches[which], {.stop = stop});
                                  }};
    };
    auto first = looking(0);
    auto second = looking(1);
    auto third = looking(2);
    REQUIRE(jobs.push_back("a") == Push::done);
    REQUIRE(jobs.push_back("b") == Push::done);
    runnel::WaitedAny kept{std::move(first.result())};
    const int status = status_of_child([&] {
        bool good = jobs.size() == 2 && *jobs.pop_front() == "a";
        kept = runnel::Ending::timed_out;
        good = good && *jobs.pop_front() == "b";
        return good && jobs.push_back("c") == Push::done;
    });
    CHECK(status == 0);
    CHECK(third.waits());
    kept = runnel::Ending::timed_out;
    CHECK_FALSE(third.waits());
}

TEST_CASE_METHOD(Clocked, "a child of fork() delivers to itself alone", "[stream][channel][fork]") {
    const Stream<std::string> stream{{.clock = &clock}};
    auto cursor = stream.cursor();
    auto group = stream.group("billing");
    auto mine = group.consumer("mine");
    const Channel<std::string> channel{{.clock = &clock}};
    auto subscription = channel.subscribe();
    auto second = channel.subscribe();
    Inbox<std::string> inbox{{.clock = &clock}};
    inbox.join(channel);
    auto reads = call([&](const auto& stop) { return bool{cursor.read({.stop = stop})}; });
    auto takes = call([&](const auto& stop) {
        auto other = group.consumer("other");
        return bool{other.read({.stop = stop})};
    });
    auto left = stream.group("left");
    auto also_takes = call([&](const auto& stop) {
        auto other = left.consumer("other");
        return bool{other.read({.stop = stop})};
    });
    auto hears = call([&](const auto& stop) { return bool{subscription.read({.stop = stop})}; });
    auto gets = call([&](const auto& stop) { return bool{inbox.read({.stop = stop})}; });
    auto counts =
        call([&](const auto& stop) { return channel.wait_for_subscribers(10, {.stop = stop}); });
    const int status = status_of_child([&] {
        use_stacks();
        const bool has_gone = stream.remove_group("left");
        left = group;
        (void)stream.add("a");
        bool good = has_gone && mine.try_read().size() == 1 &&
                    stream.cursor(runnel::From::start).try_read();
        good = good && channel.publish("b") == 3 && second.try_read() && inbox.try_read();
        stream.close();
        channel.close();
        return good;
    });
    CHECK(status == 0);
    (void)stream.add("c");
    (void)channel.publish("d");
    CHECK(reads.result());
    CHECK(takes.result());
    CHECK(hears.result());
    CHECK(gets.result());
    CHECK(counts.waits());
}
