// SPDX-License-Identifier: MIT
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/scale.hpp"
#include "support/stress_random.hpp"
#include "support/stress_shop.hpp"
#include "support/stress_tally.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iostream>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

// Locks that are taken in the wrong order show as a test that does not end.

using namespace std::chrono_literals;
using runnel::Ack;
using runnel::ConsumerGroup;
using runnel::Cursor;
using runnel::Stream;
using runnel::test::Random;
using runnel::test::Tally;

namespace {

// Goes from stream to stream: the token, and how often it has been forwarded.
struct Hop {
    std::uint64_t token;
    std::uint64_t number;

    friend auto operator<=>(const Hop&, const Hop&) = default;
};
using Message = std::unique_ptr<Hop>;

constexpr std::uint64_t tokens = 20;

class ToAndFro {
public:
    // Two movers for each way that a message can go: from a stream to the other one, and to itself.
    void run(std::uint64_t seed, std::size_t steps) {
        for (std::uint64_t token = 0; token != tokens; ++token)
            streams_[token % 2].add(std::make_unique<Hop>(Hop{token, 0}));
        std::vector<std::jthread> readers;
        for (std::size_t which = 0; which != 2; ++which)
            readers.emplace_back([this, which] { read_all(which); });
        {
            std::vector<std::jthread> movers;
            for (std::size_t number = 0; number != 8; ++number)
                movers.emplace_back([this, number, steps, random = Random{seed, number}] {
                    move(number, random, steps);
                });
        }
        for (const auto& stream : streams_) stream.close();
    }

    std::atomic<std::size_t> faults = 0;  // messages that have gone without a word, or stayed

    // Each token is in one place: what follows its last hop is nowhere, and no hop is twice.
    void check() {
        std::array<std::uint64_t, tokens> hops{};
        std::set<Hop> seen;
        for (const auto& entries : seen_) {
            for (const Hop& hop : entries) {
                REQUIRE(seen.insert(hop).second);
                hops[hop.token] = std::max(hops[hop.token], hop.number);
            }
        }
        std::size_t all = 0;
        for (const std::uint64_t count : hops) all += count + 1;
        CHECK(seen.size() == all);
        CHECK(all == tokens + tally_.of("forward", "done"));
        std::size_t in_hand = 0;
        for (std::size_t which = 0; which != 2; ++which) {
            in_hand += groups_[which].pending().count + groups_[which].lag();
            for (const auto& row : groups_[which].pending({})) {
                const auto entry = streams_[which].find(row.id);
                REQUIRE(entry);
                CHECK(entry->value()->number == hops[entry->value()->token]);
            }
        }
        CHECK(in_hand == tokens);
        CHECK(tally_.of("forward", "stale") != 0);
        std::cout << tally_;
    }

private:
    void move(std::size_t number, Random random, std::size_t steps) {
        const std::size_t from = number % 2;
        const Stream<Message>& to = streams_[(number / 2) % 2];
        const auto me = groups_[from].consumer(std::to_string(number));
        Tally tally;
        while (moved_.load(std::memory_order_relaxed) < steps) {
            const auto batch = random.percent(30) ? me.autoclaim({.min_idle = 0ms, .count = 4})
                                                  : me.read({.count = 4, .timeout = 100us});
            for (const auto& delivery : batch) {
                if (random.percent(5)) continue;  // somebody else will claim it
                if (random.percent(5)) runnel::test::pass(10us);
                const Hop& hop = *delivery.value;
                auto message = std::make_unique<Hop>(Hop{hop.token, hop.number + 1});
                const Ack ack = delivery.forward(to, std::move(message));
                if ((ack == Ack::done) != (message == nullptr)) ++faults;
                tally.add("forward", to_string(ack));
                if (ack == Ack::done) ++moved_;
            }
        }
        const std::lock_guard lock{mutex_};
        tally_.add(tally);
    }

    void read_all(std::size_t which) {
        Cursor<Message> cursor = streams_[which].cursor();
        while (const auto entries = cursor.read())
            for (const auto& [id, message] : entries) seen_[which].push_back(*message);
    }

    std::array<Stream<Message>, 2> streams_;
    std::array<ConsumerGroup<Message>, 2> groups_{streams_[0].group("g"), streams_[1].group("g")};
    std::array<std::vector<Hop>, 2> seen_;
    std::atomic<std::size_t> moved_ = 0;
    std::mutex mutex_;
    Tally tally_;
};

}  // namespace

TEST_CASE("what goes to and fro between two streams, and round in each, is in one place",
          "[stream][forward][race]") {
    ToAndFro world;
    world.run(runnel::test::seed_for("to and fro between two streams"),
              runnel::test::scaled(200'000, 20'000));
    world.check();
    CHECK(world.faults == 0);
}
