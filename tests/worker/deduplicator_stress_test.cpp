// SPDX-License-Identifier: MIT
#include <runnel/clock.hpp>
#include <runnel/deduplicator.hpp>

#include "support/catch.hpp"
#include "support/scale.hpp"
#include "support/stress_random.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <thread>
#include <vector>

using runnel::Deduplicator;
using runnel::KeyState;
using runnel::ManualClock;
using runnel::test::Random;
using runnel::test::scaled;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t crew_of_workers = 4;

template <typename Work>
void by_a_crew(Work work) {
    std::vector<std::jthread> threads;
    for (std::size_t number = 0; number != crew_of_workers; ++number)
        threads.emplace_back([=] { work(number); });
}

// What a key's handler has done. Plain numbers: only turns, or marks, keep threads apart.
struct Effect {
    int count = 0;
    int failures = 0;
};

struct AllHandled {
    Deduplicator<std::uint64_t> done;
    std::vector<Effect> effects;
    std::atomic<std::size_t> mistakes = 0;
    std::atomic<std::size_t> failures = 0;

    explicit AllHandled(std::size_t keys) : done{{.count = keys}}, effects(keys) {}

    // Fails before its effect, after it never.
    void handle(std::size_t key, Random& random) {
        auto turn = done.begin(key);
        if (turn.state() == KeyState::done && effects[key].count != 1) ++mistakes;
        if (!turn) return;
        if (random.percent(30)) {
            ++effects[key].failures;
            ++failures;
            throw std::runtime_error{"the handler fails"};
        }
        ++effects[key].count;
        turn.mark();
    }

    void work(std::uint64_t seed, std::size_t number) {
        Random random{seed, number};
        for (std::size_t left = effects.size(); left != 0;) {
            // All keys, several times: each is delivered to everybody.
            left = 0;
            const std::size_t first = random.below(effects.size());
            for (std::size_t step = 0; step != effects.size(); ++step) {
                const std::size_t key = (first + step) % effects.size();
                try {
                    handle(key, random);
                } catch (const std::runtime_error&) {
                    ++left;
                }
                if (!done.contains(key)) ++left;
            }
        }
    }
};

}  // namespace

TEST_CASE("each key's effect happens once, whoever handles it and however often handlers fail",
          "[deduplicator][race]") {
    const std::uint64_t seed = runnel::test::seed_for("deduplicator_stress_test");
    for (std::size_t round = 0; round != scaled(150); ++round) {
        AllHandled all{300};
        by_a_crew([&](std::size_t number) { all.work(seed + round, number); });
        CHECK(all.mistakes == 0);
        CHECK(std::ranges::count(all.effects, 1, &Effect::count) == 300);
        std::size_t failures = 0;
        for (const Effect& effect : all.effects)
            failures += static_cast<std::size_t>(effect.failures);
        CHECK(failures == all.failures);
        CHECK(all.done.stats().marks == 300);
        CHECK(all.done.stats().in_work == 0);
    }
}

TEST_CASE("while marks come, go and expire, a key is worked on by one at a time",
          "[deduplicator][race]") {
    const std::uint64_t seed = runnel::test::seed_for("deduplicator_stress_test");
    constexpr std::size_t keys = 40;
    ManualClock clock;
    Deduplicator<std::uint64_t> done{{.count = 20, .age = 1s, .clock = &clock}};
    std::vector<std::uint64_t> works(keys);
    std::atomic<std::uint64_t> begun = 0;
    std::atomic<std::uint64_t> marked = 0;
    std::atomic<std::size_t> mistakes = 0;
    by_a_crew([&](std::size_t number) {
        Random random{seed, number};
        std::vector<Deduplicator<std::uint64_t>::Turn> turns;
        for (std::size_t step = 0; step != scaled(1'000'000); ++step) {
            const std::size_t key = random.below(keys);
            const std::size_t dice = random.below(100);
            if (dice < 70) {
                auto turn = done.begin(key);
                if (turn) {
                    ++works[key];
                    ++begun;
                    turns.push_back(std::move(turn));
                }
            } else if (dice < 80) {
                done.mark(key);
                ++marked;
            } else if (dice < 90) {
                done.forget(key);
            } else if (dice < 95) {
                (void)done.contains(key);
            } else if (dice < 98) {
                clock.advance(500ms);
            } else if (done.size() > 20) {
                ++mistakes;
            } else if (random.percent(1)) {
                done.clear();
            }
            if (turns.size() > 3 || random.percent(20)) {
                for (auto& turn : turns)
                    if (random.percent(70)) turn.mark();
                turns.clear();
            }
        }
    });
    std::uint64_t worked = 0;
    for (const std::uint64_t count : works) worked += count;
    CHECK(worked == begun);
    CHECK(mistakes == 0);
    CHECK(marked != 0);
    CHECK(done.stats().in_work == 0);
    CHECK(done.stats().busy != 0);
    CHECK(done.stats().dropped != 0);
    CHECK(done.stats().expired != 0);
}
