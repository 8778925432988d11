// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>

#include "support/catch.hpp"
#include "support/scale.hpp"
#include "support/stress_random.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iostream>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

using runnel::BlockingList;
using runnel::End;
using runnel::test::Random;

namespace {

constexpr std::size_t list_count = 3;
constexpr std::size_t waiter_count = 16;

struct Waiter {
    BlockingList<int> gate;          // a number sends it into its next wait
    std::vector<std::size_t> asked;  // the lists that it waits on, in its order
    int got = 0;                     // 0: it waits
    std::size_t from = 0;
    runnel::ManualClock::Thread thread;
};

struct Expected {
    std::size_t waiter;
    int value;
    std::size_t from;
};

// Sixteen waiters, of whom the test knows in which order they came and what each waits on, since
// it sends them one at a time and lets the clock settle in between.
class SixteenWaiters {
public:
    explicit SixteenWaiters(std::uint64_t seed) : random_{seed} {
        for (std::size_t list = 0; list != list_count; ++list)
            lists_.emplace_back(runnel::ListOptions{.clock = &clock_});
        for (std::size_t at = 0; at != waiter_count; ++at) {
            waiters_.push_back(std::make_unique<Waiter>(
                Waiter{BlockingList<int>{{.clock = &clock_}}, {}, 0, 0, {}}));
            Waiter& waiter = *waiters_.back();
            waiter.thread = clock_.thread([this, &waiter] { wait_again_and_again(waiter); });
        }
        for (std::size_t at = 0; at != waiter_count; ++at) send(at);
    }

    // The threads must not outlive the lists, also when a check fails.
    ~SixteenWaiters() {
        for (const auto& waiter : waiters_) waiter->gate.close();
        for (const auto& list : lists_) list.close();
    }
    SixteenWaiters(const SixteenWaiters&) = delete;
    SixteenWaiters& operator=(const SixteenWaiters&) = delete;

    void push_one() {
        const std::size_t list = random_.below(list_count);
        const End end = any_end();
        int value = ++last_value_;
        put(list, end, value);
        const runnel::Push pushed = end == End::back ? lists_[list].push_back(std::move(value))
                                                     : lists_[list].push_front(std::move(value));
        if (pushed != runnel::Push::done) FAIL("a push was refused");
        compare(serve(list));
    }

    void push_several() {
        const std::size_t list = random_.below(list_count);
        const End end = any_end();
        std::vector<int> values(2 + random_.below(5));
        for (int& value : values) {
            value = ++last_value_;
            put(list, end, value);
        }
        const runnel::Pushed pushed = end == End::back ? lists_[list].push_back_many(values)
                                                       : lists_[list].push_front_many(values);
        if (pushed.count != values.size()) FAIL("a push was refused");
        const std::vector<Expected> served = serve(list);
        served_together_ += served.size() > 1 ? 1 : 0;
        compare(served);
    }

    // Those who were served go to the end of the line, in random order.
    void send_back() {
        while (!idle_.empty()) {
            const std::size_t at = random_.below(idle_.size());
            const std::size_t waiter = idle_[at];
            idle_.erase(idle_.begin() + static_cast<std::ptrdiff_t>(at));
            send(waiter);
        }
    }

    // Neither is of any use if it is never the case.
    [[nodiscard]] std::size_t served() const { return served_; }
    [[nodiscard]] std::size_t overtakes() const { return overtakes_; }
    [[nodiscard]] std::size_t served_together() const { return served_together_; }
    [[nodiscard]] std::size_t took_at_once() const { return took_at_once_; }

private:
    void wait_again_and_again(Waiter& waiter) {
        while (waiter.gate.pop_front()) {
            std::vector<BlockingList<int>> asked;
            for (const std::size_t list : waiter.asked) asked.push_back(lists_[list]);
            auto popped = runnel::pop_first(asked);
            if (!popped) return;
            waiter.from = waiter.asked[popped.which()];
            waiter.got = *popped;
        }
    }

    End any_end() { return random_.percent(50) ? End::front : End::back; }

    void put(std::size_t list, End end, int value) {
        end == End::front ? left_[list].push_front(value) : left_[list].push_back(value);
    }

    // Who must get what from a list that a push has filled: in the order of arrival.
    std::vector<Expected> serve(std::size_t list) {
        std::vector<Expected> served;
        for (auto at = line_.begin(); at != line_.end() && !left_[list].empty();) {
            const std::vector<std::size_t>& asked = waiters_[*at]->asked;
            if (std::find(asked.begin(), asked.end(), list) == asked.end()) {
                ++at;
                continue;
            }
            overtakes_ += at != line_.begin() ? 1 : 0;  // somebody waits longer, but elsewhere
            served.push_back({*at, left_[list].front(), list});
            left_[list].pop_front();
            at = line_.erase(at);
        }
        return served;
    }

    void compare(const std::vector<Expected>& expected) {
        clock_.settle();
        for (const auto& [waiter, value, from] : expected) {
            Waiter& served = *waiters_[waiter];
            if (served.got != value || served.from != from)
                FAIL("waiter " << waiter << " got " << served.got << " from list " << served.from
                               << ", expected " << value << " from " << from);
            served.got = 0;
            idle_.push_back(waiter);
            ++served_;
        }
        for (std::size_t at = 0; at != waiter_count; ++at) {
            if (waiters_[at]->got != 0)
                FAIL("waiter " << at << " got " << waiters_[at]->got << " out of turn");
        }
    }

    void send(std::size_t at) {
        Waiter& waiter = *waiters_[at];
        waiter.asked = random_.subset(list_count);
        if (waiter.gate.push_back(1) != runnel::Push::done) FAIL("a gate is closed");
        for (const std::size_t list : waiter.asked) {
            if (left_[list].empty()) continue;
            const int value = left_[list].front();
            left_[list].pop_front();
            ++took_at_once_;
            return compare({{at, value, list}});
        }
        line_.push_back(at);
        compare({});
    }

    Random random_;
    std::deque<std::size_t> line_;  // who waits, in the order of arrival
    std::vector<std::size_t> idle_;
    std::deque<int> left_[list_count];
    int last_value_ = 0;
    std::size_t served_ = 0;
    std::size_t overtakes_ = 0;
    std::size_t served_together_ = 0;
    std::size_t took_at_once_ = 0;

    runnel::ManualClock clock_;
    std::vector<BlockingList<int>> lists_;
    std::vector<std::unique_ptr<Waiter>> waiters_;
};

}  // namespace

TEST_CASE("each push serves who has waited longest on that list", "[list][fairness]") {
    const std::uint64_t seed = runnel::test::seed_for("each push serves who has waited longest");
    const std::size_t pushes = runnel::test::scaled(100'000, 2'000);
    SixteenWaiters waiters{seed};
    Random random{seed, 1};

    for (std::size_t push = 0; push != pushes; ++push) {
        random.percent(15) ? waiters.push_several() : waiters.push_one();
        waiters.send_back();
    }

    std::cout << pushes << " pushes onto " << list_count << " lists served " << waiters.served()
              << " of " << waiter_count << " waiters; " << waiters.overtakes()
              << " were not the first in line, but the first of their list; "
              << waiters.served_together() << " pushes served several; " << waiters.took_at_once()
              << " took what was left at once\n";
    CHECK(waiters.served() >= pushes / 2);
    CHECK(waiters.overtakes() > pushes / 100);
    CHECK(waiters.served_together() > pushes / 100);
}
