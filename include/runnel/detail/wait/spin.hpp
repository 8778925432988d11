// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/atomic.hpp>
#include <runnel/detail/base/futex.hpp>
#include <runnel/detail/wait/waiter.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace runnel::inline v0::detail {

// How long a thread polls its own waiter before it blocks. Blocking costs both sides microseconds,
// so polling about as long pays, but only where it has paid lately: the budget doubles when the
// wait ended in time and halves when it did not. With this rule alone, two threads that answer each
// other could both end up blocking every time, each because the other one has to wake up first. So
// now and then, less and less often while it fails, the whole budget is tried again.
//
// The fields are only estimates: relaxed, and lost updates do no harm.
class SpinBudget {
public:
    using Duration = std::chrono::nanoseconds;

    using Deadline = std::chrono::steady_clock::time_point;

    // Polls `waiter`; true if it ended meanwhile. Gives up at `deadline` at the latest.
    bool spin(const Waiter& waiter, std::optional<Deadline> deadline) noexcept {
        const Duration budget = next();
        bool ended = polled(waiter);  // before the clock is read: an answer may be as quick as that
        if (!ended) {
            const auto spent = std::chrono::steady_clock::now() + budget;
            const auto until = deadline ? std::min(*deadline, spent) : spent;
            do ended = polled(waiter);
            while (!ended && std::chrono::steady_clock::now() < until);
        }
        ended ? paid(budget) : wasted(budget);
        return ended;
    }

private:
    static constexpr Duration least{600};
    static constexpr Duration most{20'000};
    static constexpr int looks_per_clock_read = 64;
    static constexpr int looks_per_pause = 8;
    static constexpr std::uint32_t first_pause = 16;
    static constexpr std::uint32_t longest_pause = 1024;

    // A pause takes about as long as a cache line does from core to core, so one pause is for
    // several looks.
    static bool polled(const Waiter& waiter) noexcept {
        for (int look = 0; look < looks_per_clock_read; ++look) {
            if (waiter.ended()) return true;
            if (look % looks_per_pause == 0) pause();
        }
        return false;
    }

    Duration next() noexcept {
        const auto budget = Duration{budget_.load(std::memory_order_relaxed)};
        if (budget > least) return budget;
        const auto left = until_probe_.load(std::memory_order_relaxed);
        until_probe_.store(left == 0 ? 0 : left - 1, std::memory_order_relaxed);
        return left == 0 ? most : least;
    }

    // Writes only what changes: all threads that wait here share the cache line of the fields.
    void paid(Duration budget) noexcept {
        const auto better = std::min(most, 2 * budget).count();
        if (budget_.load(std::memory_order_relaxed) == better) return;
        budget_.store(better, std::memory_order_relaxed);
        probe_pause_.store(first_pause, std::memory_order_relaxed);
        until_probe_.store(first_pause, std::memory_order_relaxed);
    }

    void wasted(Duration budget) noexcept {
        const bool was_probe =
            budget == most && budget_.load(std::memory_order_relaxed) < most.count();
        if (!was_probe) {
            budget_.store(std::max(least, budget / 2).count(), std::memory_order_relaxed);
            return;
        }
        const auto pause =
            std::min(longest_pause, 2 * probe_pause_.load(std::memory_order_relaxed));
        probe_pause_.store(pause, std::memory_order_relaxed);
        until_probe_.store(pause, std::memory_order_relaxed);
    }

    Atomic<Duration::rep> budget_ = most.count();
    Atomic<std::uint32_t> probe_pause_ = first_pause;
    Atomic<std::uint32_t> until_probe_ = first_pause;
};

// This many messages in a row are a stream, which is likely to go on.
inline constexpr std::uint32_t stream_length = 4;

// For a consumer at the end of a stream, before it looks for more: polling would take the cache
// line from the producer at each look. About a microsecond.
inline constexpr std::size_t pauses_for_a_batch = 60;

inline void pause_for_a_batch(std::size_t pauses = pauses_for_a_batch) noexcept {
    for (; pauses != 0; --pauses) pause();
}

// The same, but longer after more entries, up to the time that blocking takes. At each look the two
// cores take cache lines from each other; after a longer pause more entries share that cost.
inline void pause_after(std::size_t entries) noexcept {
    constexpr std::size_t pauses_per_entry = 6;
    pause_for_a_batch(std::clamp(pauses_per_entry * std::min(entries, pauses_for_a_batch),
                                 pauses_for_a_batch, 5 * pauses_for_a_batch / 2));
}

}  // namespace runnel::inline v0::detail
