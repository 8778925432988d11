// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/executor.hpp>

#include "support/coroutines.hpp"
#include "support/stress_random.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iostream>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace runnel::test {

/// How often each kind of end came.
class StormCounts {
public:
    void add(std::string_view end) {
        const std::lock_guard lock{mutex_};
        ++counts_[std::string{end}];
    }
    void print(std::string_view storm) const {
        std::cout << storm << ':';
        for (const auto& [end, count] : counts_) std::cout << ' ' << end << ' ' << count << ',';
        std::cout << std::endl;
    }
    [[nodiscard]] std::size_t kinds() const { return counts_.size(); }

private:
    std::mutex mutex_;
    std::map<std::string, std::size_t> counts_;
};

/// The event loop of one thread, which owns the coroutines that go on there. It may destroy one at
/// any time between two of its steps: what still comes for that one is thrown away, also when the
/// loop has gone.
class StormLoop {
    class Steps;

public:
    using Number = std::uint64_t;

    /// The executor of one coroutine.
    struct Executor {
        void execute(Continuation function) const { steps->post(number, function); }

        std::shared_ptr<Steps> steps;
        Number number;
    };

    /// Starts a coroutine: start(executor) makes it.
    template <typename Start>
    void start(Start start) {
        const Number number = ++last_;
        Coroutine coroutine = start(Executor{steps_, number});
        if (coroutine.done()) return coroutine.check();
        coroutines_.emplace(number, std::move(coroutine));
    }

    /// Goes on with what has come.
    void run() {
        while (const auto next = steps_->take()) {
            const auto found = coroutines_.find(next->first);
            if (found == coroutines_.end()) continue;
            next->second();
            if (!found->second.done()) continue;
            found->second.check();
            coroutines_.erase(found);
        }
    }

    /// Destroys any of them. False: there is none.
    bool destroy_one(Random& random) {
        if (coroutines_.empty()) return false;
        const Number any = coroutines_.begin()->first + random.below(size());
        const auto found = coroutines_.lower_bound(any);
        coroutines_.erase(found != coroutines_.end() ? found : coroutines_.begin());
        return true;
    }

    [[nodiscard]] std::size_t size() const noexcept { return coroutines_.size(); }

private:
    using Step = std::pair<Number, Continuation>;

    class Steps {
    public:
        void post(Number number, Continuation function) {
            const std::lock_guard lock{mutex_};
            steps_.emplace_back(number, function);
        }
        std::optional<Step> take() {
            const std::lock_guard lock{mutex_};
            if (steps_.empty()) return std::nullopt;
            const Step next = steps_.front();
            steps_.pop_front();
            return next;
        }

    private:
        std::mutex mutex_;
        std::deque<Step> steps_;
    };

    Number last_ = 0;
    std::map<Number, Coroutine> coroutines_;
    const std::shared_ptr<Steps> steps_ = std::make_shared<Steps>();
};

/// What each thread of a storm has: choices, a loop with coroutines, and a stop that ends some
/// waits.
class StormHand {
public:
    StormHand(std::uint64_t seed, std::size_t number) : random_{seed, number} {}

protected:
    /// Destroys any coroutine.
    void give_up(StormCounts& counts) {
        if (loop_.destroy_one(random_)) counts.add("destroyed");
    }
    /// Now and then, stops the waits that have begun.
    void stop() {
        if (!random_.percent(20)) return;
        stop_.request_stop();
        stop_ = std::stop_source{};
    }
    /// At the end: stops the waits that are left, and destroys those that do not end so.
    void end_all() {
        stop_.request_stop();
        loop_.run();
        while (loop_.destroy_one(random_)) {
        }
    }

    /// The options of a wait; half of them with a time-out, and half of them with the stop.
    template <typename Options>
    [[nodiscard]] Options limited(Options options) {
        if (random_.percent(50)) options.timeout = std::chrono::milliseconds{random_.below(20)};
        if (random_.percent(50)) options.stop = stop_.get_token();
        return options;
    }

    Random random_;
    std::stop_source stop_;
    StormLoop loop_;
};

/// Calls body(0), body(1), ... in as many threads, and waits for them.
template <typename Body>
void in_threads(std::size_t count, const Body& body) {
    std::vector<std::jthread> all;
    for (std::size_t number = 0; number != count; ++number)
        all.emplace_back([&body, number] { body(number); });
}

}  // namespace runnel::test
