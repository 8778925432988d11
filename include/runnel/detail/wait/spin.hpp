// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/futex.hpp>
#include <runnel/detail/wait/waiter.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <thread>

namespace runnel::inline v0::detail {

// How long to poll one's own waiter before sleeping. A sleep costs both sides microseconds, so it
// pays to poll about as long as a sleep takes, but only where that has paid lately: the budget
// doubles when the wait ended in time and halves when it did not. Two threads that answer each
// other could both end up sleeping for ever that way, each waiting for the other to wake up; so
// now and then, less and less often while it fails, the whole budget is tried again.
//
// The fields are only a guess at the future: relaxed, and lost updates do no harm.
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

    // A pause takes about as long as a cache line does from core to core: look several times for
    // one.
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

    // Writes only what changes: the fields lie on one cache line for all who wait here.
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

    std::atomic<Duration::rep> budget_ = most.count();
    std::atomic<std::uint32_t> probe_pause_ = first_pause;
    std::atomic<std::uint32_t> until_probe_ = first_pause;
};

// So many messages in a row are a stream, that is likely to go on.
inline constexpr std::uint32_t stream_length = 4;

// What a consumer does at the end of a stream, before it looks whether it goes on: polling would
// take the cache line from the producer at each look. About a microsecond.
inline constexpr std::size_t pauses_for_a_batch = 60;

inline void pause_for_a_batch(std::size_t pauses = pauses_for_a_batch) noexcept {
    for (; pauses != 0; --pauses) pause();
}

// The same, and longer the more entries have come since the last time, up to the time of a short
// sleep: what two cores want of each other's lines at each look is then shared by more entries. If
// nothing has come after that, the writer may have no core to run on: it is given this one, some
// times, before it costs more to sleep and be woken.
template <typename HasCome>
void leave_for_a_batch(std::size_t entries, HasCome has_come) noexcept {
    constexpr std::size_t pauses_per_entry = 6;
    constexpr int most_turns = 8;
    pause_for_a_batch(std::clamp(pauses_per_entry * std::min(entries, pauses_for_a_batch),
                                 pauses_for_a_batch, 5 * pauses_for_a_batch / 2));
    for (int turn = 0; turn != most_turns && !has_come(); ++turn) std::this_thread::yield();
}

}  // namespace runnel::inline v0::detail
