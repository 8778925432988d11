// SPDX-License-Identifier: MIT
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/scale.hpp"
#include "support/stress_random.hpp"
#include "support/stress_shop.hpp"

#include <atomic>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using runnel::Ack;
using runnel::test::Random;

namespace {

// Which lines were counted: a bit for each. Read once the threads are joined.
class Ledger {
public:
    explicit Ledger(std::size_t lines) : lines_{lines}, bits_((lines + 63) / 64) {}

    void enter(std::size_t line) {
        const std::uint64_t bit = std::uint64_t{1} << (line % 64);
        if ((bits_[line / 64].fetch_or(bit) & bit) != 0) ++twice_;
    }

    [[nodiscard]] std::size_t missing() const {
        std::size_t count = lines_;
        for (const auto& bits : bits_)
            count -= static_cast<std::size_t>(std::popcount(bits.load()));
        return count;
    }
    [[nodiscard]] std::size_t twice() const { return twice_; }

private:
    std::size_t lines_;
    std::vector<std::atomic<std::uint64_t>> bits_;
    std::atomic<std::size_t> twice_ = 0;
};

enum class Sabotage { none, lose_one, count_twice };

// Workers count lines. They die with lines in hand, they give lines back, and they claim lines of
// workers that live.
class Count {
public:
    Count(std::size_t lines, Sabotage sabotage)
        : ledger{lines}, size_{lines}, sabotage_{sabotage} {}

    void run(std::uint64_t seed) {
        std::vector<std::jthread> threads;
        for (std::uint64_t number = 1; number <= 4; ++number)
            threads.emplace_back([this, number, seed](const std::stop_token& stop) {
                Random random{seed, number};
                // Whoever dies is replaced by a worker of another name.
                for (int life = 1; !stop.stop_requested(); ++life)
                    live(std::to_string(number) + '.' + std::to_string(life), random, stop);
            });
        for (std::size_t line = 0; line != size_; ++line) lines_.add(std::size_t{line});
        runnel::test::eventually(
            [this] { return group_.lag() == 0 && group_.pending().count == 0; });
    }

    Ledger ledger;
    std::atomic<std::size_t> deaths = 0;
    std::atomic<std::size_t> claimed = 0;  // and counted
    std::atomic<std::size_t> stale = 0;

private:
    using Delivery = runnel::Delivery<std::size_t>;

    // Until it is stopped or dies.
    void live(const std::string& name, Random& random, const std::stop_token& stop) {
        const auto me = group_.consumer(name);
        while (!stop.stop_requested()) {
            const bool claims = random.percent(20);
            const auto lines = claims ? me.autoclaim({.min_idle = 0ms, .count = 32})
                                      : me.read({.count = 32, .timeout = 100us, .stop = stop});
            for (const Delivery& line : lines) {
                if (random.percent(1)) {
                    ++deaths;
                    return;
                }
                if (random.percent(1)) runnel::test::pass(10us);  // and others claim it
                if (random.percent(2)) {
                    line.nack();
                } else {
                    count(line);
                }
            }
        }
    }

    void count(const Delivery& line) {
        if (line.ack() == Ack::stale) {
            ++stale;
            return;
        }
        if (line.attempt > 1) ++claimed;
        if (line.value == size_ / 2 && sabotage_ == Sabotage::lose_one) return;
        if (line.value == size_ / 2 && sabotage_ == Sabotage::count_twice) ledger.enter(line.value);
        ledger.enter(line.value);
    }

    std::size_t size_;
    Sabotage sabotage_;
    runnel::Stream<std::size_t> lines_;
    runnel::ConsumerGroup<std::size_t> group_ = lines_.group("workers");
};

}  // namespace

TEST_CASE("each line is counted once, whoever dies, gives back or claims", "[stream][race]") {
    Count count{runnel::test::scaled(250'000, 50'000), Sabotage::none};
    count.run(runnel::test::seed_for("each line is counted once"));
    CHECK(count.ledger.missing() == 0);
    CHECK(count.ledger.twice() == 0);
    CHECK(count.deaths > 0);
    CHECK(count.claimed > 0);
    CHECK(count.stale > 0);
}

TEST_CASE("that count notices a line that is lost or counted twice", "[stream][race]") {
    const std::uint64_t seed = runnel::test::seed_for("that count notices");
    SECTION("lost") {
        Count count{10'000, Sabotage::lose_one};
        count.run(seed);
        CHECK(count.ledger.missing() == 1);
        CHECK(count.ledger.twice() == 0);
    }
    SECTION("counted twice") {
        Count count{10'000, Sabotage::count_twice};
        count.run(seed);
        CHECK(count.ledger.missing() == 0);
        CHECK(count.ledger.twice() == 1);
    }
}
