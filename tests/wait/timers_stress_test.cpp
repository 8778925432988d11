// SPDX-License-Identifier: MIT
// Timers of one clock, which several threads start, stop and run.
#include <runnel/abstract_clock.hpp>
#include <runnel/clock.hpp>
#include <runnel/detail/wait/waiter.hpp>
#include <runnel/runner.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/rest.hpp"
#include "support/scale.hpp"
#include "support/stress_random.hpp"
#include "support/timed.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <memory>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using runnel::Clock;
using runnel::ManualClock;
using runnel::Runner;
using runnel::detail::WaitEnd;
using runnel::test::eventually;
using runnel::test::Random;
using runnel::test::Timed;

namespace {

// Stands still until a thread moves it.
class SharedClock final : public Clock {
public:
    void move(Deadline::duration by) noexcept { passed_ += by.count(); }

    [[nodiscard]] Deadline now() const noexcept override {
        return Deadline{Deadline::duration{passed_}};
    }
    [[nodiscard]] WallTime wall() const noexcept override { return {}; }
    [[nodiscard]] bool is_real() const noexcept override { return false; }

private:
    std::atomic<Deadline::rep> passed_ = std::chrono::nanoseconds{1h}.count();
};

// How many waits have ended in which way.
struct Endings {
    std::atomic<std::size_t> served = 0;
    std::atomic<std::size_t> timed_out = 0;
    std::atomic<std::size_t> stopped = 0;
    std::atomic<std::size_t> early = 0;     // time-outs before their deadline
    std::atomic<std::size_t> tellings = 0;  // of an earlier deadline

    // Whether all there is has come: the threads that run the clock may begin late.
    [[nodiscard]] bool are_mixed() const {
        return std::min({served.load(), timed_out.load(), stopped.load(), tellings.load()}) >= 20;
    }
    [[nodiscard]] std::size_t all() const { return served + timed_out + stopped; }

    void note(const Timed& wait, Clock::Deadline deadline) {
        if (wait.has(WaitEnd::served)) ++served;
        if (wait.has(WaitEnd::stopped)) ++stopped;
        if (!wait.has(WaitEnd::timed_out)) return;
        ++timed_out;
        early += wait.clock.now() < deadline ? 1U : 0U;
    }
};

// A wait that another thread may end while its owner wakes it, and the end of that.
struct Shared {
    std::atomic<bool> has_ended = false;
    std::optional<Timed> wait{};
};

// Begins, wakes and forgets waits.
void wait_again_and_again(Clock& clock, Random random, std::size_t rounds, Endings& endings,
                          std::size_t& begun) {
    std::vector<std::unique_ptr<Shared>> waits;
    for (std::size_t at = 0; at != 20; ++at) waits.push_back(std::make_unique<Shared>());
    for (std::size_t round = 0; round < rounds || !endings.are_mixed(); ++round) {
        Shared& one = *random.one_of(waits);
        if (one.wait) {
            one.wait->wake();
            eventually([&] { return one.has_ended.load(); });
            one.wait.reset();
        }
        const auto deadline = clock.now() + random.between(-2, 40) * 1us;
        one.has_ended = false;
        one.wait.emplace(clock, [&one, &endings, deadline](Timed& self) {
            endings.note(self, deadline);
            one.has_ended = true;
        });
        ++begun;
        one.wait->start_at(deadline);
    }
    for (const auto& one : waits) {
        if (!one->wait) continue;
        one->wait->wake();
        eventually([&] { return one->has_ended.load(); });
    }
}

}  // namespace

TEST_CASE("each wait without a thread ends once, whoever runs the clock", "[timers][race]") {
    const std::uint64_t seed = runnel::test::seed_for("each wait without a thread ends once");
    const std::size_t rounds = runnel::test::scaled(40'000, 500);
    constexpr std::size_t waiting_threads = 3;
    SharedClock clock;
    Endings endings;
    std::vector<std::size_t> begun(waiting_threads);
    std::atomic<bool> is_over = false;
    std::vector<std::jthread> runners;
    for (std::size_t at = 0; at != 2; ++at) {
        runners.emplace_back([&, at] {
            Random random{seed, 100 + at};
            // Each phase lasts until so many waits have ended, however this thread gets on.
            const auto until_some_ended = [&](std::size_t most) {
                return [&, some = endings.all() + random.below(most)] {
                    return is_over || endings.all() >= some;
                };
            };
            while (!is_over) {
                if (random.percent(50)) eventually(until_some_ended(200));  // nobody runs the clock
                Runner runner{clock};
                runner.on_earlier([&] { ++endings.tellings; });
                for (const auto is_enough = until_some_ended(400); !is_enough();) {
                    clock.move(random.between(0, 3) * 1us);
                    runner.run_due();
                    if (random.percent(10)) runner.on_earlier([&] { ++endings.tellings; });
                }
            }
        });
    }
    {
        std::vector<std::jthread> threads;
        for (std::size_t at = 0; at != waiting_threads; ++at) {
            threads.emplace_back([&, at] {
                wait_again_and_again(clock, Random{seed, at}, rounds, endings, begun[at]);
            });
        }
    }
    is_over = true;
    runners.clear();
    std::cout << endings.served << " served, " << endings.timed_out << " timed out, "
              << endings.stopped << " stopped, " << endings.tellings
              << " calls for an earlier deadline\n";
    CHECK(endings.all() == begun[0] + begun[1] + begun[2]);
    CHECK(endings.early == 0);
}

TEST_CASE("no wait that begins beside advance() is forgotten", "[timers][race]") {
    const std::uint64_t seed = runnel::test::seed_for("no wait that begins beside advance()");
    const std::size_t rounds = runnel::test::scaled(20'000, 300);
    ManualClock clock;
    std::atomic<std::size_t> began = 0;
    std::atomic<std::size_t> moved = 0;
    std::size_t forgotten = 0;
    std::jthread beginning{[&] {
        Random random{seed};
        for (std::size_t round = 1; round <= rounds; ++round) {
            const auto deadline = clock.now() + random.between(1, 3) * 1ns;
            std::atomic<bool> has_ended = false;
            Timed wait{clock, [&](Timed&) { has_ended = true; }};
            began = round;
            wait.start_at(deadline);
            eventually([&] { return moved >= round; });
            if (clock.now() >= deadline && !has_ended) ++forgotten;
            wait.wake();
            eventually([&] { return has_ended.load(); });
        }
    }};
    for (std::size_t round = 1; round <= rounds; ++round) {
        eventually([&] { return began >= round; });
        clock.advance(2ns);
        moved = round;
    }
    beginning.join();
    CHECK(forgotten == 0);
}

TEST_CASE("a TimerThread misses no deadline, and no word that it shall go", "[timers][race]") {
    const std::uint64_t seed = runnel::test::seed_for("a TimerThread misses no deadline");
    const std::size_t rounds = runnel::test::scaled(10'000, 300);
    Random random{seed};
    auto& clock = runnel::SystemClock::instance();
    std::optional<runnel::TimerThread> thread{std::in_place};
    std::size_t timed_out = 0;
    for (std::size_t round = 0; round != rounds; ++round) {
        if (random.percent(10)) {
            thread.reset();
            thread.emplace();
        }
        runnel::test::Rest over;
        Timed late{clock};
        Timed early{clock, [&](Timed&) { over.wake(); }};
        late.start(1h);
        early.start(random.between(1, 30) * 1us);
        over.wait();  // does not end if it is missed
        timed_out += early.has(WaitEnd::timed_out) ? 1U : 0U;
        late.wake();
    }
    CHECK(timed_out == rounds);
}
