// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>

#include "support/catch.hpp"
#include "support/scale.hpp"
#include "support/stress_ledger.hpp"
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
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using runnel::BlockingList;
using runnel::End;
using runnel::Ending;
using runnel::Full;
using runnel::Push;
using runnel::test::balance_of;
using runnel::test::Numbers;
using runnel::test::Parcel;
using runnel::test::Random;
using runnel::test::Tally;

namespace {

enum Result : std::uint8_t { value, timed_out, stopped, closed, result_count };
constexpr std::array result_names{"value", "timed out", "stopped", "closed"};

Result result_of(Ending ending) {
    switch (ending) {
    case Ending::stopped:
        return stopped;
    case Ending::closed:
        return closed;
    default:
        return timed_out;
    }
}

Result result_of(Push push) {
    switch (push) {
    case Push::done:
        return value;
    case Push::stopped:
        return stopped;
    case Push::closed:
        return closed;
    default:
        return timed_out;
    }
}

// How often each ending came, of calls that were free to wait. Counted by all workers.
struct Progress {
    std::array<std::atomic<std::size_t>, result_count> ends{};
    std::atomic<bool> over = false;

    [[nodiscard]] bool reached(std::size_t each) const {
        return std::all_of(ends.begin(), ends.end(),
                           [&](const auto& count) { return count.load() >= each; });
    }
};

struct Use {
    runnel::test::Shop<Parcel>& shop;
    runnel::test::StopBoard& stops;
    Progress& progress;
};

// A thread that does everything that can be done with lists.
class Worker {
public:
    Worker(const Use& use, std::size_t number, std::uint64_t seed)
        : use_{use}, number_{number}, random_{seed, number}, next_{(number + 1) << 40U} {}

    void run() {
        Parcel::book() = &destroyed;
        while (!use_.progress.over.load(std::memory_order_relaxed)) one_step();
        Parcel::book() = nullptr;
    }

    // What the main thread reads in the end.
    Numbers sent;       // every number that was ever made
    Numbers popped;     // came out
    Numbers kept;       // refused, and still here
    Numbers destroyed;  // dropped or removed
    std::size_t removed = 0;
    Tally tally;

private:
    // Some push more, others pop more, and some move.
    void one_step() {
        const std::size_t bias = number_ % 3;
        const std::size_t dice = random_.below(100);
        if (dice < (bias == 0 ? 75U : 15U)) return dice % 3 == 0 ? push_many() : push();
        if (dice < 85) {
            if (bias == 1 || dice % 4 == 0) return pop_something();
            return dice % 8 == 1 ? rotate() : move();
        }
        if (dice < 90) return push_if_exists();
        if (dice < 96) return pop_first();
        remove();
    }

    void pop_something() {
        switch (random_.below(4)) {
        case 0:
            return pop_many();
        case 1:
            return pop_first();
        default:
            return pop();
        }
    }

    BlockingList<Parcel> any_list() { return use_.shop.at(random_.below(use_.shop.size())); }
    End any_end() { return random_.percent(50) ? End::front : End::back; }

    runnel::Timeout any_timeout() {
        const std::size_t dice = random_.below(10);
        if (dice < 2) return 0s;
        if (dice < 7) return random_.below(150) * 1us;
        return {};
    }

    std::stop_token any_stop() {
        return random_.percent(70) ? use_.stops.token(number_) : std::stop_token{};
    }

    runnel::WaitOptions any_wait() { return {any_timeout(), any_stop()}; }

    Parcel parcel() {
        sent.push_back(++next_);
        return Parcel{next_};
    }

    void count(const char* what, Result result) {
        tally.add(what, result_names[result]);
        use_.progress.ends[result].fetch_add(1, std::memory_order_relaxed);
    }

    void keep(Parcel& mine) {
        if (mine.number() != 0) kept.push_back(mine.open());
    }

    void push() {
        Parcel mine = parcel();
        const auto list = any_list();
        const auto options = any_wait();
        const std::uint64_t number = mine.number();
        const Push push = any_end() == End::back ? list.push_back(std::move(mine), options)
                                                 : list.push_front(std::move(mine), options);
        if (push != Push::done && mine.number() != number) tally.add("push", "WRONG");
        if (push == Push::done && mine.number() != 0) tally.add("push", "WRONG");
        keep(mine);
        count("push", result_of(push));
    }

    void push_many() {
        std::vector<Parcel> mine;
        for (std::size_t count = 1 + random_.below(12); count != 0; --count)
            mine.push_back(parcel());
        const auto list = any_list();
        const auto options = any_wait();
        const runnel::Pushed pushed = any_end() == End::back ? list.push_back_many(mine, options)
                                                             : list.push_front_many(mine, options);
        for (std::size_t at = 0; at != mine.size(); ++at) {
            if ((mine[at].number() == 0) != (at < pushed.count)) tally.add("push_many", "WRONG");
            keep(mine[at]);
        }
        count("push_many", result_of(pushed.ending));
    }

    void push_if_exists() {
        Parcel mine = parcel();
        const auto list = any_list();
        const Push push = any_end() == End::back ? list.push_back_if_exists(std::move(mine))
                                                 : list.push_front_if_exists(std::move(mine));
        tally.add("push_if_exists", push == Push::done ? "value" : "refused");
        keep(mine);
    }

    void pop() {
        const auto list = any_list();
        const auto options = any_wait();
        auto got = any_end() == End::front ? list.pop_front(options) : list.pop_back(options);
        if (got) popped.push_back(got->open());
        count("pop", got ? value : result_of(got.ending()));
    }

    void pop_many() {
        const auto list = any_list();
        const auto options = any_wait();
        const std::size_t most = 1 + random_.below(40);
        auto got = any_end() == End::front ? list.pop_front_many(most, options)
                                           : list.pop_back_many(most, options);
        for (Parcel& each : got) popped.push_back(each.open());
        if (got.size() > most) tally.add("pop_many", "WRONG");
        count("pop_many", got ? value : result_of(got.ending()));
    }

    void pop_first() {
        std::vector<BlockingList<Parcel>> lists;
        for (const std::size_t which : random_.subset(use_.shop.size()))
            lists.push_back(use_.shop.at(which));
        auto got = runnel::pop_first(lists, {any_end(), any_timeout(), any_stop()});
        if (got) popped.push_back(got->open());
        if (got && got.which() >= lists.size()) tally.add("pop_first", "WRONG");
        count("pop_first", got ? value : result_of(got.ending()));
    }

    void move() {
        const auto moved =
            any_list().move_to(any_list(), {any_end(), any_end(), any_timeout(), any_stop()});
        count("move", moved ? value : result_of(moved.ending()));
    }

    void rotate() {
        const auto list = any_list();
        const auto moved = list.move_to(list, {any_end(), any_end(), any_timeout(), any_stop()});
        count("rotate", moved ? value : result_of(moved.ending()));
    }

    void remove() {
        if (sent.empty()) return;
        Parcel like{sent[sent.size() - 1 - random_.below(std::min<std::size_t>(sent.size(), 50))]};
        const std::size_t count = any_list().remove(like, any_end());
        (void)like.open();
        removed += count;
        tally.add("remove", count == 0 ? "none" : "some");
        if (count > 1) tally.add("remove", "WRONG");
    }

    const Use use_;
    const std::size_t number_;
    Random random_;
    std::uint64_t next_;
};

}  // namespace

TEST_CASE("what goes in comes out once, whatever happens", "[list][race]") {
    const std::uint64_t seed = runnel::test::seed_for("what goes in comes out once");
    constexpr std::size_t workers = 7;
    constexpr std::size_t each_ending = 1'000;
    const std::size_t values = runnel::test::scaled(750'000, 150'000);

    runnel::test::Shop<Parcel> shop{{{},
                                     {.capacity = 1},
                                     {.capacity = 7},
                                     {.capacity = 3, .when_full = Full::reject},
                                     {.capacity = 5, .when_full = Full::drop_other_end}}};
    runnel::test::StopBoard stops{workers};
    Progress progress;
    std::vector<std::unique_ptr<Worker>> crew;
    for (std::size_t at = 0; at != workers; ++at)
        crew.push_back(std::make_unique<Worker>(Use{shop, stops, progress}, at, seed));
    std::vector<std::jthread> threads;
    for (const auto& worker : crew) threads.emplace_back([&worker] { worker->run(); });

    Random random{seed, workers};
    while (!progress.reached(each_ending) || progress.ends[value].load() < values) {
        if (random.percent(60)) {
            stops.request_stop(random.below(workers));
        } else if (random.percent(50)) {
            shop.replace(random.below(shop.size()), random.percent(50));
        }
        runnel::test::pass(random.below(60) * 1us);
    }
    progress.over = true;
    shop.close_all();
    stops.stop_all();
    threads.clear();

    Numbers sent;
    Numbers found;
    Tally tally;
    std::size_t destroyed = 0;
    std::size_t removed = 0;
    const auto add = [](Numbers& all, const Numbers& some) {
        all.insert(all.end(), some.begin(), some.end());
    };
    for (const auto& worker : crew) {
        add(sent, worker->sent);
        add(found, worker->popped);
        add(found, worker->kept);
        add(found, worker->destroyed);
        destroyed += worker->destroyed.size();
        removed += worker->removed;
        tally.add(worker->tally);
    }
    std::size_t left = 0;
    std::size_t waiting = 0;
    std::size_t not_drained = 0;
    std::uint64_t dropped = 0;
    for (const BlockingList<Parcel>& list : shop.all()) {
        const runnel::ListStats stats = list.stats();
        dropped += stats.dropped;
        left += stats.size;
        waiting += stats.blocked_pops + stats.blocked_pushes;
        while (auto parcel = list.try_pop_front()) found.push_back(parcel->open());
        not_drained += list.drained() ? 0 : 1;
    }

    std::cout << tally << "  in all";
    for (std::size_t at = 0; at != result_count; ++at)
        std::cout << "  " << result_names[at] << ' ' << progress.ends[at].load();
    std::cout << "\n  " << sent.size() << " sent, of them " << left << " left in "
              << shop.all().size() << " lists, " << dropped << " dropped, " << removed
              << " removed\n";
    const auto balance = balance_of(sent, found);
    CHECK(balance.lost == 0);
    CHECK(balance.invented == 0);
    CHECK(sent.size() == found.size());
    CHECK(destroyed == dropped + removed);
    CHECK(waiting == 0);
    CHECK(not_drained == 0);
    CHECK(tally.all("WRONG") == 0);
    for (const auto& count : progress.ends) CHECK(count.load() >= each_ending);
}

namespace {

struct Numbered {
    std::uint32_t producer;
    std::uint32_t number;
};

// Pushes `count` messages in order, one at a time or several; what is refused is tried again.
void produce(const BlockingList<Numbered>& list, std::uint32_t producer, std::uint32_t count,
             Random random) {
    for (std::uint32_t next = 0; next != count;) {
        const runnel::WaitOptions options{random.percent(50) ? runnel::Timeout{}
                                                             : random.below(50) * 1us};
        if (random.percent(60)) {
            if (list.push_back({producer, next}, options) == Push::done) ++next;
            continue;
        }
        std::vector<Numbered> several;
        for (std::size_t at = 0; at != 1 + random.below(20) && next + at != count; ++at)
            several.push_back({producer, next + static_cast<std::uint32_t>(at)});
        next += static_cast<std::uint32_t>(list.push_back_many(several, options).count);
    }
}

}  // namespace

TEST_CASE("a single consumer sees the messages of each producer in their order", "[list][race]") {
    const std::uint64_t seed = runnel::test::seed_for("the messages of each producer");
    constexpr std::uint32_t producers = 4;
    const auto each = static_cast<std::uint32_t>(runnel::test::scaled(40'000, 500));

    for (const std::size_t capacity : {std::size_t{1}, std::size_t{16}, std::size_t{1'000'000}}) {
        const BlockingList<Numbered> list{{.capacity = capacity}};
        std::vector<std::jthread> threads;
        for (std::uint32_t producer = 0; producer != producers; ++producer) {
            threads.emplace_back([&list, producer, each, seed] {
                produce(list, producer, each, Random{seed, producer});
            });
        }
        Random random{seed, producers};
        std::array<std::uint32_t, producers> next{};
        std::size_t out_of_order = 0;
        std::size_t seen = 0;
        const auto look_at = [&](const Numbered& message) {
            out_of_order += message.number != next[message.producer] ? 1 : 0;
            next[message.producer] = message.number + 1;
            ++seen;
        };
        while (seen != std::size_t{producers} * each) {
            if (random.percent(70)) {
                if (const auto message = list.pop_front({.timeout = random.below(50) * 1us}))
                    look_at(*message);
            } else {
                for (const Numbered& message : list.pop_front_many(1 + random.below(30)))
                    look_at(message);
            }
        }
        threads.clear();
        CAPTURE(capacity);
        CHECK(out_of_order == 0);
        CHECK(list.size() == 0);
    }
}
