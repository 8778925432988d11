// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/blocking_list.hpp>

#include "support/stress_random.hpp"

#include <chrono>
#include <cstddef>
#include <mutex>
#include <stop_token>
#include <utility>
#include <vector>

namespace runnel::test {

/// Lists that are closed and replaced by new ones while others use them.
template <typename T>
class Shop {
public:
    explicit Shop(std::vector<ListOptions> options) : options_{std::move(options)} {
        for (const ListOptions& each : options_) lists_.emplace_back(each);
    }

    [[nodiscard]] std::size_t size() const { return options_.size(); }

    [[nodiscard]] BlockingList<T> at(std::size_t which) const {
        const std::lock_guard lock{mutex_};
        return lists_[which];
    }

    /// Closes one, and puts a new one with the same options in its place before or after.
    void replace(std::size_t which, bool before) {
        BlockingList<T> old = at(which);
        if (!before) old.close();
        {
            const std::lock_guard lock{mutex_};
            lists_[which] = BlockingList<T>{options_[which]};
            closed_.push_back(old);
        }
        old.close();
    }

    void close_all() {
        for (std::size_t which = 0; which != size(); ++which) at(which).close();
    }

    /// Every list that there was.
    [[nodiscard]] std::vector<BlockingList<T>> all() const {
        const std::lock_guard lock{mutex_};
        std::vector<BlockingList<T>> all = closed_;
        all.insert(all.end(), lists_.begin(), lists_.end());
        return all;
    }

private:
    const std::vector<ListOptions> options_;
    mutable std::mutex mutex_;
    std::vector<BlockingList<T>> lists_;
    std::vector<BlockingList<T>> closed_;
};

/// A stop source for each of several workers, renewed by the worker once it was used.
class StopBoard {
public:
    explicit StopBoard(std::size_t workers) : sources_(workers) {}

    [[nodiscard]] std::stop_token token(std::size_t worker) {
        const std::lock_guard lock{mutex_};
        if (sources_[worker].stop_requested() && !over_) sources_[worker] = std::stop_source{};
        return sources_[worker].get_token();
    }

    void request_stop(std::size_t worker) {
        std::stop_source source{std::nostopstate};
        {
            const std::lock_guard lock{mutex_};
            source = sources_[worker];
        }
        source.request_stop();  // runs what the library does at a stop: not under our mutex
    }

    /// From now on every token is stopped.
    void stop_all() {
        {
            const std::lock_guard lock{mutex_};
            over_ = true;
        }
        for (std::size_t worker = 0; worker != sources_.size(); ++worker) request_stop(worker);
    }

private:
    std::mutex mutex_;
    std::vector<std::stop_source> sources_;
    bool over_ = false;
};

/// Passes a little time: what a test does that has nothing to do.
inline void pass(std::chrono::microseconds time) {
    static const BlockingList<int> nothing;
    (void)nothing.pop_front({.timeout = time});
}

}  // namespace runnel::test
