// SPDX-License-Identifier: MIT
// Coroutines of several threads wait on lists, and are served, stopped, timed out, closed and
// destroyed at random. Each element is taken once.
#include <runnel/awaitable.hpp>
#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>
#include <runnel/executor.hpp>
#include <runnel/list_options.hpp>
#include <runnel/outcome.hpp>

#include "support/catch.hpp"
#include "support/coroutines.hpp"
#include "support/scale.hpp"
#include "support/storm.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

using runnel::BlockingList;
using runnel::Full;
using runnel::ManualClock;
using runnel::Push;
using runnel::WaitOptions;
using runnel::test::Coroutine;
using runnel::test::in_threads;
using runnel::test::scaled;
using runnel::test::seed_for;
using runnel::test::StormCounts;
using runnel::test::StormLoop;
using namespace std::chrono_literals;

namespace {

using List = BlockingList<std::uint64_t>;

// What becomes of a message.
enum class Fate : std::uint8_t { unused, pushed, refused, unknown };  // unknown: it was given up

// The lists, which are closed now and then and replaced, and what has become of all messages.
class Shop {
public:
    explicit Shop(std::size_t messages) : fates_(messages), taken_(messages) {
        for (std::size_t at = 0; at != size; ++at) lists_[at].emplace(made(at));
    }

    [[nodiscard]] List list(std::size_t at) const {
        const std::lock_guard lock{mutex_};
        return *lists_[at];
    }

    // Closes a list, and puts another one in its place.
    void replace(std::size_t at) {
        const List next = made(at);
        List old = next;
        {
            const std::lock_guard lock{mutex_};
            old = std::exchange(lists_[at], next).value();
            closed_.push_back(old);
        }
        old.close();
    }

    // When nothing goes on any more.
    void take_all() {
        for (const List& list : closed_) take_all(list);
        for (const auto& list : lists_) take_all(*list);
    }

    // Each is written by one thread.
    void set_fate(std::uint64_t message, Fate fate) { fates_[message] = fate; }

    void take(std::uint64_t message) { taken_[message].fetch_add(1); }

    // How many have not been taken as often as they should.
    [[nodiscard]] std::size_t wrong() const {
        std::size_t count = 0;
        for (std::size_t at = 0; at != fates_.size(); ++at) count += is_right(at) ? 0U : 1U;
        return count;
    }

    static constexpr std::size_t size = 8;

    ManualClock clock;
    StormCounts counts;

private:
    // Some refuse what is too much.
    [[nodiscard]] List made(std::size_t at) {
        return List{
            {.capacity = 3, .when_full = at < 3 ? Full::reject : Full::block, .clock = &clock}};
    }

    void take_all(const List& list) {
        while (const auto left = list.try_pop_front()) take(*left);
    }

    [[nodiscard]] bool is_right(std::size_t message) const {
        const unsigned times = taken_[message];
        switch (fates_[message]) {
        case Fate::pushed:
            return times == 1;
        case Fate::unknown:
            return times <= 1;
        default:
            return times == 0;
        }
    }

    mutable std::mutex mutex_;
    std::array<std::optional<List>, size> lists_;
    std::vector<List> closed_;
    std::vector<Fate> fates_;
    std::vector<std::atomic<unsigned>> taken_;
};

// One thread, its loop, and the coroutines that go on there.
class Worker : runnel::test::StormHand {
public:
    Worker(Shop& shop, std::uint64_t seed, std::size_t number, std::uint64_t first,
           std::size_t steps)
        : StormHand{seed, number}, shop_{shop}, next_{first}, steps_{steps} {}

    void run() {
        for (; steps_ != 0; --steps_) step();
        end_all();
    }

private:
    using Executor = StormLoop::Executor;

    void step() {
        switch (random_.below(14)) {
        case 0:
        case 1:
        case 2:
            return loop_.start([this](Executor on) { return pop(shop_, any(), options(), on); });
        case 3:
            return loop_.start(
                [this](Executor on) { return pop_back(shop_, any(), options(), on); });
        case 4:
            return loop_.start(
                [this](Executor on) { return pop_many(shop_, any(), options(), on); });
        case 5:
        case 6:
        case 7:
            return loop_.start(
                [this](Executor on) { return push(shop_, any(), next_++, options(), on); });
        case 8:
            return loop_.start(
                [this](Executor on) { return move(shop_, any(), any(), options(), on); });
        case 9:
            return give_up(shop_.counts);
        case 10:
            return stop();
        case 11:
            return shop_.clock.advance(1ms);
        case 12:
            return random_.percent(3) ? shop_.replace(random_.below(Shop::size)) : loop_.run();
        default:
            return loop_.run();
        }
    }

    [[nodiscard]] List any() { return shop_.list(random_.below(Shop::size)); }
    [[nodiscard]] WaitOptions options() { return limited(WaitOptions{}); }

    // These are static, as a lambda's or a member's coroutine refers to what may have gone.

    static Coroutine pop(Shop& shop, List list, WaitOptions options, Executor on) {
        const auto popped = co_await list.async_pop_front(options).on(on);
        if (popped) shop.take(*popped);
        shop.counts.add(popped ? "popped" : to_string(popped.ending()));
    }
    static Coroutine pop_back(Shop& shop, List list, WaitOptions options, Executor on) {
        const auto popped = co_await list.async_pop_back(options).on(on);
        if (popped) shop.take(*popped);
        shop.counts.add(popped ? "popped" : to_string(popped.ending()));
    }
    static Coroutine pop_many(Shop& shop, List list, WaitOptions options, Executor on) {
        const auto batch = co_await list.async_pop_front_many(3, options).on(on);
        for (const std::uint64_t message : batch) shop.take(message);
        shop.counts.add(batch ? "popped" : to_string(batch.ending()));
    }
    static Coroutine push(Shop& shop, List list, std::uint64_t message, WaitOptions options,
                          Executor on) {
        shop.set_fate(message, Fate::unknown);
        const Push push = co_await list.async_push_back(message, options).on(on);
        shop.set_fate(message, push == Push::done ? Fate::pushed : Fate::refused);
        shop.counts.add(push == Push::done ? "pushed" : to_string(push));
    }
    static Coroutine move(Shop& shop, List from, List to, WaitOptions options, Executor on) {
        const auto moved =
            co_await from.async_move_to(to, {.timeout = options.timeout, .stop = options.stop})
                .on(on);
        shop.counts.add(moved ? "moved" : to_string(moved.ending()));
    }

    Shop& shop_;
    std::uint64_t next_;
    std::size_t steps_;
};

}  // namespace

TEST_CASE("each element is taken once, however the waits of coroutines end") {
    constexpr std::size_t threads = 3;
    const std::size_t steps = scaled(20'000);
    const std::uint64_t seed = seed_for("list storm");
    Shop shop{threads * steps};
    in_threads(threads, [&](std::size_t number) {
        Worker{shop, seed, number, number * steps, steps}.run();
    });
    shop.take_all();
    shop.counts.print("list storm");
    CHECK(shop.wrong() == 0);
    CHECK(shop.counts.kinds() == 8);
}
