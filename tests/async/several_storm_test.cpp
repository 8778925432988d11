// SPDX-License-Identifier: MIT
// Coroutines of several threads wait for the first of several lists, to take an element or to be
// told of one, and are served, stopped, timed out, closed and destroyed at random. Each element is
// taken once, and none lies in a list beside a wait for it.
#include <runnel/awaitable.hpp>
#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>
#include <runnel/executor.hpp>
#include <runnel/list_options.hpp>
#include <runnel/outcome.hpp>
#include <runnel/wait_any.hpp>

#include "support/catch.hpp"
#include "support/coroutines.hpp"
#include "support/scale.hpp"
#include "support/storm.hpp"
#include "support/stress_random.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <utility>
#include <vector>

using runnel::async_pop_first;
using runnel::async_wait_any;
using runnel::BlockingList;
using runnel::End;
using runnel::Ending;
using runnel::FirstOptions;
using runnel::ManualClock;
using runnel::Push;
using runnel::WaitedAny;
using runnel::WaitOptions;
using runnel::Watch;
using runnel::test::Coroutine;
using runnel::test::in_threads;
using runnel::test::Random;
using runnel::test::scaled;
using runnel::test::seed_for;
using runnel::test::StormCounts;
using runnel::test::StormLoop;
using namespace std::chrono_literals;

namespace {

using Shelf = BlockingList<std::uint64_t>;

// The lists, which are closed now and then and replaced, and how often each message was taken.
class Shelves {
public:
    explicit Shelves(std::size_t messages) : pushed_(messages), taken_(messages) {
        for (std::size_t at = 0; at != size; ++at) open_.push_back(made());
    }

    [[nodiscard]] std::vector<Shelf> some(Random& random) const {
        std::vector<Shelf> chosen;
        const std::size_t count = random.percent(5) ? 40 : 1 + random.below(5);
        const std::lock_guard lock{mutex_};
        while (chosen.size() != count) chosen.push_back(open_[random.below(size)]);
        return chosen;
    }
    [[nodiscard]] Shelf any(Random& random) const {
        const std::lock_guard lock{mutex_};
        return open_[random.below(size)];
    }

    // Closes any list, and puts another one in its place.
    void replace(Random& random) {
        const Shelf next = made();
        const Shelf old = any(random);
        {
            const std::lock_guard lock{mutex_};
            const auto place = std::ranges::find(open_, old);
            if (place == open_.end()) return;
            closed_.push_back(std::exchange(*place, next));
        }
        old.close();
    }

    void push(const Shelf& list, std::uint64_t message) {
        if (list.try_push_back(message) == Push::done) pushed_[message] = true;
    }
    void take(std::uint64_t message) { taken_[message].fetch_add(1); }

    // These are for one thread, when nothing goes on any more.

    [[nodiscard]] bool lets_nobody_wait_in_vain() const {
        return std::ranges::all_of(open_, [](const Shelf& list) {
            const auto stats = list.stats();
            return stats.size == 0 || stats.blocked_pops == 0;
        });
    }
    void take_all() {
        for (const auto* lists : {&open_, &closed_})
            for (const Shelf& list : *lists)
                while (const auto left = list.try_pop_front()) take(*left);
    }
    // How many were not taken as often as they were pushed.
    [[nodiscard]] std::size_t wrong() const {
        std::size_t count = 0;
        for (std::size_t at = 0; at != pushed_.size(); ++at)
            count += taken_[at] == (pushed_[at] ? 1U : 0U) ? 0U : 1U;
        return count;
    }

    static constexpr std::size_t size = 100;

    ManualClock clock;
    StormCounts counts;

private:
    [[nodiscard]] Shelf made() { return Shelf{{.clock = &clock}}; }

    mutable std::mutex mutex_;
    std::vector<Shelf> open_;
    std::vector<Shelf> closed_;
    std::deque<std::atomic<bool>> pushed_;
    std::deque<std::atomic<unsigned>> taken_;
};

// One thread, its loop, and the coroutines that go on there.
class Clerk : runnel::test::StormHand {
public:
    Clerk(Shelves& shelves, std::uint64_t seed, std::size_t number, std::uint64_t first)
        : StormHand{seed, number}, shelves_{shelves}, next_{first} {}

    void run(std::size_t steps) {
        for (; steps != 0; --steps) step();
    }
    void go_on() { loop_.run(); }
    // Every kind of end for those that are left.
    void end() {
        for (std::size_t left = loop_.size() / 2; left != 0; --left) loop_.destroy_one(random_);
        end_all();
    }

private:
    using Executor = StormLoop::Executor;
    enum class Way : std::uint8_t { now, later, never };

    void step() {
        switch (random_.below(16)) {
        case 0:
        case 1:
        case 2:
            return loop_.start([this](Executor on) { return pop(shelves_, some(), first(), on); });
        case 3:
        case 4:
            return loop_.start(
                [this](Executor on) { return look(shelves_, some(), way(), options(), on); });
        case 5:
            return loop_.start([this](Executor on) {
                return move(shelves_, shelves_.any(random_), shelves_.any(random_), options(), on);
            });
        case 6:
        case 7:
        case 8:
        case 9:
        case 10:
            return shelves_.push(shelves_.any(random_), next_++);
        case 11:
            return give_up(shelves_.counts);
        case 12:
            return stop();
        case 13:
            return shelves_.clock.advance(1ms);
        case 14:
            return random_.percent(20) ? shelves_.replace(random_) : loop_.run();
        default:
            return loop_.run();
        }
    }

    [[nodiscard]] Way way() {
        return random_.percent(50) ? Way::now : random_.percent(50) ? Way::later : Way::never;
    }
    [[nodiscard]] std::vector<Shelf> some() { return shelves_.some(random_); }
    [[nodiscard]] WaitOptions options() { return limited(WaitOptions{}); }
    [[nodiscard]] FirstOptions first() {
        const WaitOptions chosen = options();
        return {random_.percent(50) ? End::front : End::back, chosen.timeout, chosen.stop};
    }

    // These are static, as a lambda's or a member's coroutine refers to what may have gone.

    static Coroutine pop(Shelves& shelves, std::vector<Shelf> lists, FirstOptions options,
                         Executor on) {
        auto next = async_pop_first(lists, options);
        lists.clear();
        const auto popped = co_await std::move(next).on(on);
        if (popped) shelves.take(*popped);
        shelves.counts.add(popped ? "popped" : to_string(popped.ending()));
    }

    // Comes for what it was told of at once, or later, or never.
    static Coroutine look(Shelves& shelves, std::vector<Shelf> lists, Way way, WaitOptions options,
                          Executor on) {
        std::vector<Watch> watches{lists.begin(), lists.end()};
        WaitedAny any = co_await async_wait_any(watches, options).on(on);
        shelves.counts.add(any ? "told" : to_string(any.ending()));
        if (!any) co_return;
        const Shelf list = lists[any.which()];
        if (way == Way::later) {
            const Shelf nothing{{.clock = &shelves.clock}};
            (void)co_await nothing.async_pop_front({.timeout = 5ms}).on(on);
        }
        if (way == Way::never) co_return;
        const auto popped = co_await list.async_pop_front({.timeout = 2ms}).on(on);
        if (popped) shelves.take(*popped);
    }

    static Coroutine move(Shelves& shelves, Shelf from, Shelf to, WaitOptions options,
                          Executor on) {
        const auto moved =
            co_await from.async_move_to(to, {.timeout = options.timeout, .stop = options.stop})
                .on(on);
        shelves.counts.add(moved ? "moved" : to_string(moved.ending()));
    }

    Shelves& shelves_;
    std::uint64_t next_;
};

}  // namespace

TEST_CASE("of many lists each element is taken once, however the waits of coroutines end") {
    constexpr std::size_t threads = 3;
    const std::size_t steps = scaled(300'000, 1'000);
    const std::uint64_t seed = seed_for("several storm");
    Shelves shelves{threads * steps};
    std::deque<Clerk> clerks;
    for (std::size_t number = 0; number != threads; ++number)
        clerks.emplace_back(shelves, seed, number, number * steps);
    in_threads(threads, [&](std::size_t number) { clerks[number].run(steps); });
    shelves.clock.advance(1h);
    // Those that go on may end waits of the others.
    for (std::size_t round = 0; round != 10; ++round)
        for (Clerk& clerk : clerks) clerk.go_on();
    CHECK(shelves.lets_nobody_wait_in_vain());
    for (Clerk& clerk : clerks) clerk.end();
    shelves.take_all();
    shelves.counts.print("several storm");
    CHECK(shelves.wrong() == 0);
    CHECK(shelves.counts.kinds() == 7);
}
