// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/abstract_clock.hpp>

#include <chrono>
#include <cstdint>

namespace runnel::inline v0::detail {

// How long the waits of a line have lasted in all, including those that still last. Guarded by the
// lock of the line.
//
// The sum of end less begin over all waits that have ended, and of now less begin over the others,
// is this: the sum of all ends, less that of all begins, and now for each that still lasts. All of
// it is reckoned modulo 2^64 nanoseconds, so only the result has to be less than that.
class BlockedTime {
public:
    // `is_first`: the line was empty before.
    void begin(Clock::Deadline now, bool is_first) noexcept {
        if (is_first) forget_others(now);
        ++count_;
        sum_ -= nanoseconds(now);
    }
    void end(Clock::Deadline now) noexcept {
        if (count_ == 0) return;  // it began before a fork()
        --count_;
        sum_ += nanoseconds(now);
    }
    [[nodiscard]] std::chrono::nanoseconds total(Clock::Deadline now, bool is_empty) noexcept {
        if (is_empty) forget_others(now);
        return std::chrono::nanoseconds{
            static_cast<std::int64_t>(sum_ + count_ * nanoseconds(now))};
    }

private:
    // In a child of fork() the line is empty, as those that wait are threads of the parent. Their
    // waits end when that is noticed.
    void forget_others(Clock::Deadline now) noexcept {
        while (count_ != 0) end(now);
    }
    [[nodiscard]] static std::uint64_t nanoseconds(Clock::Deadline at) noexcept {
        return static_cast<std::uint64_t>(std::chrono::nanoseconds{at.time_since_epoch()}.count());
    }

    std::uint64_t count_ = 0;  // of those that last
    std::uint64_t sum_ = 0;
};

}  // namespace runnel::inline v0::detail
