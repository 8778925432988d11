// SPDX-License-Identifier: MIT
// Random programs under a ManualClock with a seed: each does the same again.
#include <runnel/blocking_list.hpp>
#include <runnel/channel.hpp>
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/inbox.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream.hpp>
#include <runnel/subscription.hpp>
#include <runnel/wait_any.hpp>

#include "support/catch.hpp"
#include "support/coroutines.hpp"
#include "support/patience.hpp"
#include "support/printed.hpp"
#include "support/scale.hpp"
#include "support/stress_random.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iostream>
#include <set>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

using runnel::BlockingList;
using runnel::Channel;
using runnel::ManualClock;
using runnel::Stream;
using runnel::Timeout;
using runnel::test::Coroutine;
using runnel::test::printed_by;
using runnel::test::Random;
using namespace std::chrono_literals;

namespace {

constexpr std::size_t lists_of_a_program = 3;

// A coroutine that hands on what it gets, until it has waited for long.
Coroutine forward(std::string& log, BlockingList<int> from, BlockingList<int> to) {
    while (auto popped = co_await from.async_pop_front({.timeout = 3s})) {
        log += "~" + std::to_string(*popped) + ' ';
        if (co_await to.async_push_back(*popped, {.timeout = 1s}) != runnel::Push::done)
            log += "~lost ";
    }
    log += "~end ";
}

// One that reads what is added.
Coroutine follow(std::string& log, Stream<int> stream) {
    auto cursor = stream.cursor();
    while (const auto batch = co_await cursor.async_read({.count = 2, .timeout = 3s}))
        for (const auto& entry : batch) log += "^" + std::to_string(entry.value) + ' ';
    log += "^end ";
}

// The threads write what they do into one log, without a lock.
class Program {
public:
    Program(std::uint64_t program, std::uint64_t seed) : program_{program}, clock_{{.seed = seed}} {
        for (std::size_t at = 0; at != lists_of_a_program; ++at)
            lists_.emplace_back(runnel::ListOptions{.capacity = 2 + at, .clock = &clock_});
        runnel::detail::PatienceOf::of_lock_step(clock_) = 10s;
        connection_ = channel_.on_message([this](const int& message) { say("handles", message); });
    }

    std::string run() {
        coroutines_.push_back(forward(log_, lists_[0], lists_[1]));
        coroutines_.push_back(forward(log_, lists_[1], lists_[2]));
        coroutines_.push_back(follow(log_, stream_));
        stops_.resize(threads);
        std::vector<ManualClock::Thread> running;
        for (std::size_t at = 0; at != threads; ++at)
            running.push_back(clock_.thread([this, at] { act(at); }));
        Random random{program_, threads};
        for (int step = 0; step != 10; ++step) {
            say("test at", step);
            (void)lists_[random.below(lists_.size())].try_push_back(1'000 + step);
            clock_.advance(1s * random.between(0, 2));
        }
        while (finished_ != threads) {  // one that moves the time does so between two calls of this
            clock_.advance(1h);
            clock_.settle();
        }
        running.clear();
        for (const auto& list : lists_) list.close();
        return std::move(log_);
    }

private:
    static constexpr std::size_t threads = 5;

    void say(const char* what, std::int64_t number = 0) {
        log_ += what;
        log_ += std::to_string(number) + ' ';
    }

    void act(std::size_t self) {
        Random random{program_, self};
        auto view = channel_.subscribe({.bound = 3, .when_behind = runnel::Behind::block});
        const auto consumer = group_.consumer("c" + std::to_string(self % 3));
        for (int step = 0; step != 30; ++step) {
            const Timeout timeout{1ms * random.between(1, 900)};
            const auto stop = stops_[self].get_token();
            const auto& list = random.one_of(lists_);
            const int number = static_cast<int>(self) * 100 + step;
            switch (random.below(10)) {
            case 0:
            case 1:
                say("push", static_cast<int>(
                                list.push_back(int{number}, {.timeout = timeout, .stop = stop})));
                break;
            case 2:
                say("pop", list.pop_front({.timeout = timeout, .stop = stop}).value_or(-1));
                break;
            case 3:
                say("move", list.move_to(random.one_of(lists_), {.timeout = timeout, .stop = stop})
                                ? 1
                                : 0);
                break;
            case 4:
                say("first", runnel::pop_first(lists_, {.timeout = timeout}) ? 1 : 0);
                break;
            case 5:
                stream_.add(int{number});
                say("add", number);
                break;
            case 6:
                for (const auto& delivery : consumer.read({.count = 2, .timeout = timeout})) {
                    say("read", delivery.value);
                    delivery.ack();
                }
                break;
            case 7:
                say("publish",
                    static_cast<int>(
                        channel_.publish(int{number}, {.timeout = timeout, .stop = stop}).ending));
                break;
            case 8:
                for (const int message : view.read({.timeout = timeout, .stop = stop}))
                    say("view", message);
                break;
            default:
                act_on_others(self, random);
            }
        }
        ++finished_;
    }

    void act_on_others(std::size_t self, Random& random) {
        switch (random.below(4)) {
        case 0: {
            const std::size_t other = random.below(threads);
            say("stop", static_cast<int>(other));
            stops_[other].request_stop();
            stops_[other] = {};
            break;
        }
        case 1:
            clock_.settle();
            say("settled", static_cast<int>(self));
            break;
        case 2:
            clock_.advance(10ms);
            say("moved", static_cast<int>(self));
            break;
        default: {
            const auto inner = clock_.thread([this] {
                say("inner", lists_[0].try_pop_front().value_or(-1));
                (void)lists_[1].try_push_back(1);
            });
        }
        }
    }

    const std::uint64_t program_;
    ManualClock clock_;
    std::string log_;
    std::vector<BlockingList<int>> lists_;
    const Stream<int> stream_{{.clock = &clock_}};
    const runnel::ConsumerGroup<int> group_ = stream_.group("workers");
    const Channel<int> channel_{{.clock = &clock_}};
    runnel::Connection connection_;
    std::vector<std::stop_source> stops_;
    std::size_t finished_ = 0;
    std::vector<Coroutine> coroutines_;
};

}  // namespace

TEST_CASE("random programs in lock-step do the same again", "[lock_step][race]") {
    const std::uint64_t seed = runnel::test::seed_for("random programs in lock-step");
    const std::size_t programs = runnel::test::scaled(40, 5);
    std::size_t different = 0;
    std::size_t steps = 0;
    std::set<std::string> logs;
    const std::string printed = printed_by([&] {
        for (std::size_t program = 0; program != programs; ++program) {
            for (const std::uint64_t order : {1U, 2U, 3U}) {
                std::string log = Program{seed + program, order}.run();
                if (Program{seed + program, order}.run() != log) ++different;
                for (const char c : log) steps += c == ' ' ? 1U : 0U;
                logs.insert(std::move(log));
            }
        }
    });
    std::cout << programs << " programs in " << logs.size() << " orders, " << steps << " steps\n";
    CHECK(printed.empty());  // nobody has waited elsewhere
    CHECK(different == 0);
    CHECK(logs.size() == 3 * programs);
}
