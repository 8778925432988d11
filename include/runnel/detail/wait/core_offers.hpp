// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/atomic.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <thread>

namespace runnel::inline v0::detail {

// Offers of the core by threads that read one stream of messages and have nothing to read. An offer
// pays where there are more readers than cores: the writer or other readers go on, and nobody has
// to be woken. But a core that strangers get comes back late. So if an offer took long, and hardly
// any message was written or read meanwhile, the next ones are skipped.
//
// The fields are only estimates: relaxed, and lost updates do no harm.
class CoreOffers {
public:
    // Offers the core a few times, as long as has_come() is false. `read`: how many messages the
    // thread has read since its last call. gathered(), which may take a lock, returns how many have
    // come meanwhile.
    template <typename HasCome, typename Gathered>
    void make(std::size_t read, HasCome has_come, Gathered gathered) {
        const auto mine = static_cast<std::uint32_t>(read);
        const auto before = read_.fetch_add(mine, std::memory_order_relaxed) + mine;
        if (const auto left = to_skip_.load(std::memory_order_relaxed); left != 0)
            return to_skip_.store(left - 1, std::memory_order_relaxed);
        for (int offers = 0; offers != most_offers && !has_come(); ++offers) {
            const auto begin = std::chrono::steady_clock::now();
            std::this_thread::yield();
            if (std::chrono::steady_clock::now() - begin < long_time) continue;
            const std::uint32_t by_others = read_.load(std::memory_order_relaxed) - before;
            return judge(by_others >= many || gathered() >= many);
        }
    }

private:
    static constexpr int most_offers = 8;
    static constexpr std::chrono::microseconds long_time{50};
    static constexpr std::size_t many = 32;
    static constexpr std::uint32_t least_skip = 1024;
    static constexpr std::uint32_t most_skip = 8192;

    // The number to skip grows even where a burst of messages and a lull take turns: the offer in
    // the burst was worth it, and the one in the lull was not.
    void judge(bool was_worth_it) noexcept {
        const auto skip = skip_.load(std::memory_order_relaxed);
        const auto next =
            was_worth_it ? std::max(least_skip, skip / 2) : std::min(most_skip, skip * 4);
        if (!was_worth_it) to_skip_.store(skip, std::memory_order_relaxed);
        if (next != skip) skip_.store(next, std::memory_order_relaxed);
    }

    Atomic<std::uint32_t> to_skip_ = 0;
    Atomic<std::uint32_t> skip_ = least_skip;  // after the next one that is not worth it
    Atomic<std::uint32_t> read_ = 0;           // messages, by all threads; modulo 2^32
};

}  // namespace runnel::inline v0::detail
