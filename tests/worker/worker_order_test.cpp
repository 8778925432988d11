// SPDX-License-Identifier: MIT
// Order by key, and what entries that always fail cost the others. In lock-step, with seeds.
#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>
#include <runnel/dead_letters.hpp>
#include <runnel/stream.hpp>
#include <runnel/worker.hpp>

#include "support/catch.hpp"
#include "support/scale.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <pthread.h>
#include <random>
#include <set>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
using runnel::BlockingList;
using runnel::DeadLetters;
using runnel::DeliveryPolicy;
using runnel::KeyOrder;
using runnel::ManualClock;
using runnel::Stream;
using runnel::StreamId;
using runnel::Worker;
using runnel::test::scaled;
using runnel::test::seed_for;
using Milliseconds = std::chrono::milliseconds;

struct Parcel {
    std::size_t number = 0;
    std::size_t key = 0;
};

// Eight workers of one thread each. A thread that has died is followed by another one.
class Depot {
public:
    using Job = Worker<Parcel>::Job;
    using Handler = std::function<void(Job&)>;

    Depot(std::uint64_t seed, const std::vector<std::size_t>& keys, const DeliveryPolicy& policy,
          bool is_ordered, Handler handler)
        : handler_{std::move(handler)}, clock_{{.seed = seed}} {
        for (std::size_t number = 0; number != keys.size(); ++number)
            (void)parcels_.add(StreamId{number + 1, 0}, Parcel{number, keys[number]});
        parcels_.close();
        KeyOrder<Parcel> order;
        if (is_ordered) order = runnel::order_by([](const Parcel& parcel) { return parcel.key; });
        for (std::size_t index = 0; index != 8; ++index)
            workers_.push_back(std::make_unique<Worker<Parcel>>(
                parcels_, "workers", [this](Job& job) { handler_(job); },
                runnel::WorkerOptions<Parcel>{.name = "worker" + std::to_string(index),
                                              .policy = policy,
                                              .dead_letters = letters_,
                                              .order = order}));
    }

    // Until nothing is left, or `limit` is over; returns whether nothing is.
    bool run(Milliseconds limit) {
        for (const auto until = clock_.now() + limit; clock_.now() < until;) {
            for (std::size_t index = 0; index != workers_.size(); ++index)
                if (seats_[index] == Seat::free) start(index);
            if (std::ranges::all_of(seats_, [](Seat seat) { return seat == Seat::over; }))
                return true;
            clock_.advance(5s);
        }
        return false;
    }
    void wait(Milliseconds duration, std::stop_token stop = {}) {
        const BlockingList<int> nothing{{.clock = &clock_}};
        (void)nothing.pop_front({.timeout = duration, .stop = std::move(stop)});
    }
    [[noreturn]] void die() {
        seats_[own_seat()] = Seat::free;
        pthread_exit(nullptr);
    }
    [[nodiscard]] Milliseconds now() const {
        return std::chrono::duration_cast<Milliseconds>(clock_.now() - begun_);
    }
    [[nodiscard]] std::size_t dead() const { return letters_.stream().size(); }
    [[nodiscard]] std::size_t pending() const { return group_.pending().count; }

private:
    enum class Seat { free, taken, over };

    static std::size_t& own_seat() {
        thread_local std::size_t seat = 0;
        return seat;
    }
    void start(std::size_t index) {
        seats_[index] = Seat::taken;
        threads_.push_back(clock_.thread([this, index](std::stop_token stop) {
            own_seat() = index;
            workers_[index]->run(stop);
            seats_[index] = Seat::over;
        }));
    }

    const Handler handler_;
    ManualClock clock_;
    const runnel::Clock::Deadline begun_ = clock_.now();
    Stream<Parcel> parcels_{{.clock = &clock_}};
    runnel::ConsumerGroup<Parcel> group_ = parcels_.group("workers");
    DeadLetters<Parcel> letters_{{.clock = &clock_}};
    std::vector<Seat> seats_ = std::vector<Seat>(8, Seat::free);
    std::vector<std::unique_ptr<Worker<Parcel>>> workers_;
    std::vector<ManualClock::Thread> threads_;
};

// Key 0 comes about every fourth time, key 1 half as often as that, and so on.
std::vector<std::size_t> zipf_keys(std::size_t count, std::uint64_t seed) {
    std::vector<double> weights;
    for (std::size_t key = 1; key <= 50; ++key) weights.push_back(1 / static_cast<double>(key));
    std::discrete_distribution<std::size_t> draw{weights.begin(), weights.end()};
    std::mt19937_64 lots{seed};
    std::vector<std::size_t> keys(count);
    for (std::size_t& key : keys) key = draw(lots);
    return keys;
}

constexpr auto order_lease = 30s;

}  // namespace

TEST_CASE("never two live deliveries of a key, and none overtakes another", "[worker][order]") {
    const auto seed = seed_for("order by key");
    const auto keys = zipf_keys(scaled(1'500, 300), seed);
    std::mt19937_64 lots{seed};
    std::map<std::size_t, std::size_t> live;  // the parcel that a key is at work with
    std::vector<bool> is_done(keys.size());
    std::size_t at_once = 0;
    std::size_t overtaken = 0;
    std::size_t deaths = 0;
    Depot* depot = nullptr;
    const auto handle = [&](Depot::Job& job) {
        const auto [number, key] = *job;
        if (const auto other = live.find(key); other != live.end())
            at_once += other->second != number ? 1 : 0;  // else it was delivered once more
        live[key] = number;
        for (std::size_t earlier = 0; earlier != number; ++earlier)
            overtaken += keys[earlier] == key && !is_done[earlier] ? 1 : 0;
        const auto lot = lots() % 100;
        if (lot < 2) {
            ++deaths;
            depot->die();
        }
        depot->wait(lot < 4 ? Milliseconds{order_lease + 5s} : Milliseconds{10});
        if (lot < 10) throw std::runtime_error{"by lot"};
        is_done[number] = true;
        if (job.extend() == runnel::Ack::done) live.erase(key);
    };
    Depot made{seed,
               keys,
               {.deliveries = 1'000, .backoff = {.cap = 4s}, .lease = order_lease, .batch = 4},
               true,
               handle};
    depot = &made;
    REQUIRE(made.run(1000h));
    CHECK(at_once == 0);
    CHECK(overtaken == 0);
    CHECK(deaths > keys.size() / 200);
    CHECK(std::ranges::count(is_done, true) == static_cast<std::ptrdiff_t>(keys.size()));
    CHECK(made.pending() == 0);
}

TEST_CASE("a key that is stuck does not stop the others", "[worker][order]") {
    const auto seed = seed_for("a stuck key");
    const auto keys = zipf_keys(500, seed);
    std::size_t done = 0;
    Depot* depot = nullptr;
    const auto handle = [&](Depot::Job& job) {
        depot->wait(job->key == 0 ? Milliseconds{1000h} : Milliseconds{10}, job.stop());
        ++done;
    };
    Depot made{seed, keys, {.deliveries = 1'000, .lease = 10'000h, .batch = 1}, true, handle};
    depot = &made;
    CHECK_FALSE(made.run(10min));
    CHECK(done == static_cast<std::size_t>(
                      std::ranges::count_if(keys, [](std::size_t key) { return key != 0; })));
}

TEST_CASE("entries that always fail hold up no others", "[worker][poison]") {
    const auto seed = seed_for("poison");
    const std::size_t count = scaled(5'000, 2'000);
    std::vector<Milliseconds> last;
    for (const bool is_poisoned : {false, true}) {
        Milliseconds last_healthy{0};
        Depot* depot = nullptr;
        const auto handle = [&](Depot::Job& job) {
            const bool is_bad = job->number % 100 == 50;
            if (is_bad && is_poisoned) throw std::runtime_error{"poison"};
            depot->wait(10ms);
            if (!is_bad) last_healthy = std::max(last_healthy, depot->now());
        };
        Depot made{seed, zipf_keys(count, seed), {.deliveries = 5}, false, handle};
        depot = &made;
        REQUIRE(made.run(10h));
        last.push_back(last_healthy);
        CHECK(made.dead() == (is_poisoned ? count / 100 : 0));
    }
    CHECK(last[1] <= last[0] * 21 / 20);
    std::cout << "poison: the healthy entries are through after " << last[1].count()
              << " ms, without it " << last[0].count() << " ms\n";
}
