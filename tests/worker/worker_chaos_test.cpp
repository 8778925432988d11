// SPDX-License-Identifier: MIT
// Eight workers whose handlers throw, hang past their lease and end their threads, by lot. What
// each guarantee promises has held at the end. In lock-step, so two runs with one seed are the
// same, step by step.
#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>
#include <runnel/dead_letters.hpp>
#include <runnel/deduplicator.hpp>
#include <runnel/stream.hpp>
#include <runnel/worker.hpp>

#include "support/catch.hpp"
#include "support/scale.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <map>
#include <memory>
#include <pthread.h>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

using runnel::BlockingList;
using runnel::DeadLetters;
using runnel::Deduplicator;
using runnel::DeliveryPolicy;
using runnel::Guarantee;
using runnel::Handled;
using runnel::KeyState;
using runnel::ManualClock;
using runnel::Once;
using runnel::Stream;
using runnel::StreamId;
using runnel::Worker;
using runnel::WorkerOptions;
using runnel::test::scaled;
using runnel::test::seed_for;
using namespace std::chrono_literals;

namespace {

constexpr auto lease = 30s;

// What may happen to a handler, in a thousand.
struct Misfortune {
    unsigned throws = 100;
    unsigned hangs = 20;
    unsigned dies_before = 20;     // the effect
    unsigned dies_after = 20;      // the effect, before anybody was told of it
    unsigned dies_after_mark = 0;  // of the Deduplicator
};

class Chaos {
public:
    Chaos(std::uint64_t seed, std::size_t count, const DeliveryPolicy& policy,
          const Misfortune& misfortune)
        : misfortune_{misfortune},
          policy_{policy},
          lots_{seed},
          clock_{{.seed = seed}},
          effects_(count) {
        for (std::size_t number = 0; number != count; ++number)
            (void)orders_.add(StreamId{number + 1, 0}, std::size_t{number});
        orders_.close();
        for (std::size_t index = 0; index != 8; ++index) workers_.push_back(make(index));
    }

    // Until nothing is left. A thread that has died is followed by another one.
    void run() {
        std::size_t rounds = 0;
        while (!is_over()) {
            for (std::size_t index = 0; index != workers_.size(); ++index)
                if (seats_[index] == Seat::free) start(index);
            clock_.advance(10s);
            REQUIRE(++rounds < 1'000'000);
        }
        threads_.clear();
        CHECK(group_.pending().count == 0);
        CHECK(group_.lag() == 0);
    }

    [[nodiscard]] const std::string& log() const { return log_; }
    // How often each entry had its effect.
    [[nodiscard]] const std::vector<std::size_t>& effects() const { return effects_; }
    [[nodiscard]] std::size_t deaths() const { return deaths_; }
    // By the number of the entry: how often it was handled, as the dead letter says and as it was.
    struct Death {
        std::uint64_t told;
        std::uint64_t handled;
    };
    [[nodiscard]] std::map<std::size_t, Death> dead() const {
        std::map<std::size_t, Death> all;
        for (const auto& [id, letter] : letters_.stream().range())
            all.emplace(*letter.entry, Death{letter.attempts, handled_.at(*letter.entry)});
        return all;
    }

private:
    using Job = Worker<std::size_t>::Job;
    enum class Seat { free, taken, over };

    std::unique_ptr<Worker<std::size_t>> make(std::size_t index) {
        WorkerOptions<std::size_t> options{
            .name = "worker" + std::to_string(index), .policy = policy_, .dead_letters = letters_};
        if (policy_.guarantee == Guarantee::effectively_once) options.once = once(index);
        return std::make_unique<Worker<std::size_t>>(
            orders_, "workers", [this, index](Job& job) { return handle(index, job); }, options);
    }

    // As once_by(), but the thread may die between the mark and the acknowledgement.
    class MortalTurn final : public Once<std::size_t>::Turn {
    public:
        MortalTurn(Chaos& of, std::size_t index, std::size_t number)
            : of_{of}, index_{index}, number_{number}, turn_{of.done_.begin(number)} {}

        [[nodiscard]] runnel::KeyState state() const noexcept override { return turn_.state(); }
        void mark() override {
            turn_.mark();
            if (of_.draw() < of_.misfortune_.dies_after_mark)
                of_.die(index_, number_, "after the mark");
        }

    private:
        Chaos& of_;
        const std::size_t index_;
        const std::size_t number_;
        Deduplicator<std::size_t>::Turn turn_;
    };
    Once<std::size_t> once(std::size_t index) {
        return Once<std::size_t>{[this, index](std::size_t number) {
            return std::make_unique<MortalTurn>(*this, index, number);
        }};
    }

    Handled handle(std::size_t index, Job& job) {
        const std::size_t number = *job;
        ++handled_[number];
        say(index, number, "begins " + std::to_string(job.attempt()));
        unsigned lot = draw();
        const auto happens = [&](unsigned share) {
            const bool it_does = lot < share;
            lot -= it_does ? 0 : share;
            return it_does;
        };
        if (happens(misfortune_.dies_before)) die(index, number, "before the effect");
        if (happens(misfortune_.throws)) throw std::runtime_error{"by lot"};
        if (happens(misfortune_.hangs)) {
            const BlockingList<int> nothing{{.clock = &clock_}};
            (void)nothing.pop_front({.timeout = lease + 10s});
        }
        ++effects_[number];
        say(index, number, "is done");
        if (happens(misfortune_.dies_after)) die(index, number, "after the effect");
        return Handled::done();
    }

    [[noreturn]] void die(std::size_t index, std::size_t number, const std::string& when) {
        say(index, number, "kills its thread " + when);
        ++deaths_;
        seats_[index] = Seat::free;
        pthread_exit(nullptr);
    }

    void start(std::size_t index) {
        seats_[index] = Seat::taken;
        threads_.push_back(clock_.thread([this, index] {
            workers_[index]->run();
            seats_[index] = Seat::over;
        }));
    }
    [[nodiscard]] bool is_over() const {
        return std::ranges::all_of(seats_, [](Seat seat) { return seat == Seat::over; });
    }

    unsigned draw() { return static_cast<unsigned>(lots_() % 1000); }

    void say(std::size_t index, std::size_t number, const std::string& what) {
        log_ += std::to_string(clock_.now().time_since_epoch().count()) + " worker " +
                std::to_string(index) + ": " + std::to_string(number) + ' ' + what + '\n';
    }

    const Misfortune misfortune_;
    const DeliveryPolicy policy_;
    std::mt19937_64 lots_;
    ManualClock clock_;
    Stream<std::size_t> orders_{{.clock = &clock_}};
    runnel::ConsumerGroup<std::size_t> group_ = orders_.group("workers");
    DeadLetters<std::size_t> letters_{{.clock = &clock_}};
    Deduplicator<std::size_t> done_{{.count = 1'000'000, .age = 1000h, .clock = &clock_}};
    // One thread at a time runs, so these need no lock.
    std::string log_;
    std::vector<std::size_t> effects_;
    std::map<std::size_t, std::uint64_t> handled_;
    std::size_t deaths_ = 0;
    std::vector<Seat> seats_ = std::vector<Seat>(8, Seat::free);
    std::vector<std::unique_ptr<Worker<std::size_t>>> workers_;
    std::vector<ManualClock::Thread> threads_;
};

// Runs it twice, and returns the second one. `check(number, effects, is_dead)` for each entry.
template <typename Check>
void go_through(const char* what, const DeliveryPolicy& policy, const Misfortune& misfortune,
                Check check) {
    const auto seed = seed_for(what);
    const std::size_t count = scaled(4'000, 1'000);
    std::string log;
    for (const bool is_first : {true, false}) {
        Chaos chaos{seed, count, policy, misfortune};
        chaos.run();
        if (is_first) {
            log = chaos.log();
            continue;
        }
        CHECK(chaos.log() == log);
        CHECK(chaos.deaths() >= count / 100);
        const auto dead = chaos.dead();
        std::size_t repeated = 0;
        for (std::size_t number = 0; number != count; ++number) {
            const std::size_t effects = chaos.effects()[number];
            repeated += effects > 1 ? 1 : 0;
            const bool is_dead = dead.contains(number);
            if (is_dead) {
                // One that stood behind a handler that hung was delivered, but not handled.
                REQUIRE(dead.at(number).handled != 0);
                REQUIRE(dead.at(number).told >= dead.at(number).handled);
                REQUIRE((dead.at(number).told == dead.at(number).handled || policy.batch != 1));
                REQUIRE(dead.at(number).told == policy.deliveries);
            }
            CAPTURE(number, effects, is_dead);
            check(effects, is_dead);
        }
        std::cout << what << ": " << count << " entries, " << chaos.deaths() << " threads died, "
                  << dead.size() << " dead letters, " << repeated << " handled again\n";
    }
}

}  // namespace

TEST_CASE("at least once", "[worker][chaos]") {
    go_through(
        "at least once",
        {.deliveries = 5, .lease = lease, .batch = GENERATE(std::size_t{1}, std::size_t{16})}, {},
        [](std::size_t effects, bool is_dead) { REQUIRE((effects >= 1 || is_dead)); });
}

TEST_CASE("at most once", "[worker][chaos]") {
    go_through("at most once", {.guarantee = Guarantee::at_most_once, .lease = lease, .batch = 16},
               {}, [](std::size_t effects, bool /*is_dead*/) { REQUIRE(effects <= 1); });
}

TEST_CASE("effectively once", "[worker][chaos]") {
    go_through(
        "effectively once",
        {.guarantee = Guarantee::effectively_once, .deliveries = 5, .lease = lease, .batch = 4},
        {.dies_after = 0, .dies_after_mark = 20}, [](std::size_t effects, bool is_dead) {
            REQUIRE(effects <= 1);
            REQUIRE((effects == 1 || is_dead));
        });
}

// A death between the effect and the mark is what a Deduplicator cannot see.
TEST_CASE("effectively once, with deaths between the effect and the mark", "[worker][chaos]") {
    go_through(
        "effectively once, but for deaths before the mark",
        {.guarantee = Guarantee::effectively_once, .deliveries = 5, .lease = lease, .batch = 4},
        {.dies_after_mark = 20},
        [](std::size_t effects, bool is_dead) { REQUIRE((effects >= 1 || is_dead)); });
}
