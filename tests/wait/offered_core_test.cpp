// SPDX-License-Identifier: MIT
// A read of a stream of messages may offer its core before it blocks.
#include <runnel/abstract_clock.hpp>
#include <runnel/channel.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/cursor.hpp>
#include <runnel/group_options.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream.hpp>
#include <runnel/subscription.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/offers.hpp"
#include "support/scale.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <thread>
#include <utility>

using namespace std::chrono_literals;
using runnel::Channel;
using runnel::Consumer;
using runnel::Stream;
using runnel::StreamId;
using runnel::test::eventually;
using runnel::test::Offers;

namespace {

constexpr std::size_t many = 100;

const runnel::GroupReadOptions one{.count = 1, .acknowledged = true};

// So the group sees a stream of entries.
void stream_through(const Stream<int>& stream, const Consumer<int>& consumer) {
    for (std::size_t left = many; left != 0; --left) stream.add(0);
    while (auto batch = consumer.try_read()) batch.ack();
}

StreamId next_for(const Consumer<int>& consumer) {
    const auto batch = consumer.read(one);
    return batch.front().id;
}

// How often reads offer the core until one of them times out.
template <typename Read>
std::size_t offers(Read read) {
    std::size_t count = 0;
    const Offers counted{[&] { ++count; }};
    while (auto batch = read()) {
    }
    return count;
}

// A reader of each kind, and many entries and messages for it.
struct Readers {
    explicit Readers(runnel::Clock* clock = nullptr)
        : stream{{.clock = clock}}, channel{{.clock = clock}} {
        for (std::size_t left = many; left != 0; --left) {
            stream.add(0);
            (void)channel.publish(0);
        }
    }

    const Stream<int> stream;
    const Channel<int> channel;
    const Consumer<int> consumer = stream.group("workers").consumer("one");
    runnel::Cursor<int> cursor = stream.cursor();
    runnel::Subscription<int> subscription = channel.subscribe();
};

// For one thread. Its time passes only while the thread offers its core. After many looks it lets a
// wait end all the same: then the time-out has begun too late.
class SlowOffers final : public runnel::Clock {
public:
    void pass(Deadline::duration time) noexcept { passed_ += time; }

    [[nodiscard]] Deadline now() const noexcept override {
        if (++looks_ == most_looks) passed_ += 2h;
        return Deadline{passed_};
    }
    [[nodiscard]] WallTime wall() const noexcept override { return {}; }
    [[nodiscard]] bool is_real() const noexcept override { return true; }

private:
    static constexpr int most_looks = 1'000;

    mutable Deadline::duration passed_{1h};
    mutable int looks_ = 0;
};

// How long reads take that wait for an hour at most, until one of them times out.
template <typename Read>
auto time_of(SlowOffers& clock, Read read) {
    const auto start = clock.now();
    const Offers slow{[&] { clock.pass(10min); }};
    while (auto batch = read(runnel::Timeout{1h})) {
    }
    return clock.now() - start;
}

}  // namespace

TEST_CASE("a consumer that comes later gets nothing before one that offers its core") {
    const Stream<int> stream;
    const auto group = stream.group("workers");
    const auto others = group.consumer("others");
    std::size_t overtaken = 0;
    std::size_t offered = 0;
    const std::size_t rounds = runnel::test::scaled(1'000, 50);
    for (std::size_t round = 0; round != rounds; ++round) {
        stream_through(stream, others);
        std::atomic<bool> has_offered = false;
        std::atomic<bool> goes_on = false;
        StreamId of_first;
        StreamId of_second;
        std::jthread first{[&] {
            const Offers stop_there{[&] {
                if (!has_offered.exchange(true)) eventually([&] { return goes_on.load(); });
            }};
            of_first = next_for(group.consumer("first"));
        }};
        eventually([&] { return has_offered.load() || stream.info().waiting == 1; });
        const std::size_t before = stream.info().waiting;
        std::jthread second{[&] {
            const Offers at_once{[] {}};
            of_second = next_for(group.consumer("second"));
        }};
        eventually([&] { return stream.info().waiting == before + 1; });
        for (std::size_t left = many; left != 0; --left) stream.add(0);  // it is worth an offer
        offered += has_offered.load() ? 1U : 0U;
        goes_on = true;
        first.join();
        second.join();
        overtaken += of_second < of_first ? 1U : 0U;
    }
    CHECK(overtaken == 0);
    CHECK(offered != 0);
}

TEST_CASE("a read offers its core only if it may wait for long") {
    Readers all;
    const auto [timeout, is_long] = GENERATE(std::pair{1ms, false}, std::pair{100ms, true});
    CHECK((offers([&, for_so_long = timeout] {
               return all.cursor.read({.timeout = for_so_long});
           }) != 0) == is_long);
    CHECK((offers([&, for_so_long = timeout] {
               return all.subscription.read({.timeout = for_so_long});
           }) != 0) == is_long);
    CHECK((offers([&, for_so_long = timeout] {
               return all.consumer.read({.timeout = for_so_long, .acknowledged = true});
           }) != 0) == is_long);
}

TEST_CASE("the time of an offer is a part of the time-out") {
    // A reader that loses its core while it offers makes no more offers: one try of several counts.
    const auto ends_in_time = [](const auto& read) {
        for (int tries = 20; tries != 0; --tries) {
            SlowOffers clock;
            Readers all{&clock};
            if (time_of(clock, [&](auto timeout) { return read(all, timeout); }) < 2h) return true;
        }
        return false;
    };
    CHECK(ends_in_time(
        [](Readers& all, auto timeout) { return all.cursor.read({.timeout = timeout}); }));
    CHECK(ends_in_time(
        [](Readers& all, auto timeout) { return all.subscription.read({.timeout = timeout}); }));
    CHECK(ends_in_time([](Readers& all, auto timeout) {
        return all.consumer.read({.timeout = timeout, .acknowledged = true});
    }));
}
