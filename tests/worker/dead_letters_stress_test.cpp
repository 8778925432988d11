// SPDX-License-Identifier: MIT
#include <runnel/consumer_group.hpp>
#include <runnel/dead_letters.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/scale.hpp"
#include "support/stress_random.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

using namespace std::chrono_literals;
using runnel::Ack;
using runnel::ConsumerGroup;
using runnel::DeadLetters;
using runnel::Stream;
using runnel::test::Random;

namespace {

// Workers give up some of what they get. Others redrive it, until each entry was acknowledged.
class Hospital {
public:
    explicit Hospital(std::size_t entries) : done_(entries) {}

    void run(std::uint64_t seed) {
        std::vector<std::jthread> threads;
        for (std::size_t number = 0; number != 3; ++number)
            threads.emplace_back([this, number, random = Random{seed, number}](
                                     const std::stop_token& stop) { work(number, random, stop); });
        for (std::size_t number = 3; number != 5; ++number)
            threads.emplace_back([this, random = Random{seed, number}](
                                     const std::stop_token& stop) { redrive(random, stop); });
        for (std::size_t number = 0; number != done_.size(); ++number) stream_.add(number);
        runnel::test::eventually(
            [this] { return count_ == done_.size(); });  // and then they are joined
    }

    void check() {
        for (const std::atomic<unsigned>& times : done_) REQUIRE(times == 1);
        CHECK(group_.pending().count == 0);
        CHECK(dead_.size() == 0);
        CHECK(buried_ == redriven_);
        CHECK(buried_ != 0);
        CHECK(most_redriven_ > 1);
        std::cout << "dead letters: " << buried_ << " of " << done_.size() << " entries\n";
    }

private:
    void work(std::size_t number, Random random, const std::stop_token& stop) {
        const auto me = group_.consumer(std::to_string(number));
        while (!stop.stop_requested()) {
            const bool claims = random.percent(50);
            const auto batch = claims ? me.autoclaim({.min_idle = 0ms, .count = 8})
                                      : me.read({.count = 8, .timeout = 100us, .stop = stop});
            for (const auto& delivery : batch) {
                if (random.percent(5)) continue;
                if (random.percent(30)) {
                    if (dead_.bury(delivery) == Ack::done) ++buried_;
                } else if (delivery.ack() == Ack::done) {
                    ++done_[delivery.value];
                    ++count_;
                }
            }
        }
    }

    void redrive(Random random, const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            std::uint64_t most = 0;
            const auto looks = [&most](const auto& letter) {
                most = std::max(most, letter.redriven);
                return true;
            };
            const auto part =
                dead_.redrive(group_, {.filter = looks, .count = 1 + random.below(20)});
            redriven_ += part.redriven;
            if (part.redriven == 0)
                (void)dead_.stream().read(dead_.stream().last_id(), {.timeout = 100us});
            std::uint64_t known = most_redriven_;
            while (known < most && !most_redriven_.compare_exchange_weak(known, most)) {
            }
        }
    }

    Stream<std::size_t> stream_;
    ConsumerGroup<std::size_t> group_ = stream_.group("group");
    DeadLetters<std::size_t> dead_{{.count = 1'000'000}};
    std::vector<std::atomic<unsigned>> done_;  // how often each was acknowledged
    std::atomic<std::size_t> count_ = 0;
    std::atomic<std::size_t> buried_ = 0;
    std::atomic<std::size_t> redriven_ = 0;
    std::atomic<std::uint64_t> most_redriven_ = 0;
};

}  // namespace

TEST_CASE("each entry is acknowledged once, however often it is buried and redriven",
          "[dead_letters][race]") {
    Hospital hospital{runnel::test::scaled(50'000, 5'000)};
    hospital.run(runnel::test::seed_for("buried and redriven"));
    hospital.check();
}
