// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/detail/base/atomic.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace runnel::inline v0 {

namespace detail {

// Which bucket a number of nanoseconds belongs to: those below 16 have one each; from there on each
// power of two is divided into eight.
struct HistogramBuckets {
    static constexpr std::uint64_t parts = 8;
    static constexpr std::uint64_t largest = (std::uint64_t{1} << 42U) - 1;  // 73 minutes

    [[nodiscard]] static constexpr std::size_t of(std::uint64_t number) noexcept {
        number = std::min(number, largest);
        if (number < 2 * parts) return number;
        const auto power = static_cast<unsigned>(std::bit_width(number)) - 4;
        return parts * power + (number >> power);
    }
    // The greatest number that belongs to it.
    [[nodiscard]] static constexpr std::uint64_t end_of(std::size_t bucket) noexcept {
        if (bucket < 2 * parts) return bucket;
        const auto power = static_cast<unsigned>(bucket / parts - 1);
        return ((parts + bucket % parts + 1) << power) - 1;
    }
    static constexpr std::size_t count = 38 * parts + 2 * parts;
};
static_assert(HistogramBuckets::of(HistogramBuckets::largest) < HistogramBuckets::count);

}  // namespace detail

/// How long things took: a plain value. Percentiles are at most an eighth too high.
struct HistogramSnapshot {
    std::uint64_t count = 0;
    std::chrono::nanoseconds sum{0};
    std::chrono::nanoseconds longest{0};
    std::array<std::uint64_t, detail::HistogramBuckets::count> buckets{};

    /// The time within which so many of a hundred were done; 0 if there are none.
    /// Requires: 0 <= percent <= 100.
    [[nodiscard]] std::chrono::nanoseconds percentile(double percent) const noexcept {
        const double wanted = static_cast<double>(count) * percent / 100;
        std::uint64_t passed = 0;
        for (std::size_t bucket = 0; bucket != buckets.size(); ++bucket) {
            passed += buckets[bucket];
            if (passed == 0 || static_cast<double>(passed) < wanted) continue;
            if (bucket + 1 == buckets.size()) return longest;
            const auto end = static_cast<std::int64_t>(detail::HistogramBuckets::end_of(bucket));
            return std::min(longest, std::chrono::nanoseconds{end});
        }
        return longest;
    }

    HistogramSnapshot& operator+=(const HistogramSnapshot& other) noexcept {
        count += other.count;
        sum += other.sum;
        longest = std::max(longest, other.longest);
        for (std::size_t bucket = 0; bucket != buckets.size(); ++bucket)
            buckets[bucket] += other.buckets[bucket];
        return *this;
    }
    friend bool operator==(const HistogramSnapshot&, const HistogramSnapshot&) = default;
};

/// Counts how long things take, in buckets. One thread records, any may look.
///
/// Memory: 2.6 KB.
class Histogram {
public:
    /// Negative counts as 0.
    void record(std::chrono::nanoseconds time) noexcept {
        const auto number = static_cast<std::uint64_t>(std::max<std::int64_t>(0, time.count()));
        add(buckets_[detail::HistogramBuckets::of(number)], 1);
        add(sum_, number);
        if (number > longest_.load(std::memory_order_relaxed))
            longest_.store(number, std::memory_order_relaxed);
    }

    /// While another thread records, its parts may be of different moments.
    [[nodiscard]] HistogramSnapshot snapshot() const noexcept {
        HistogramSnapshot now;
        for (std::size_t bucket = 0; bucket != now.buckets.size(); ++bucket) {
            now.buckets[bucket] = buckets_[bucket].load(std::memory_order_relaxed);
            now.count += now.buckets[bucket];
        }
        now.sum = nanoseconds_of(sum_);
        now.longest = nanoseconds_of(longest_);
        return now;
    }

private:
    using Number = detail::Atomic<std::uint64_t>;

    static void add(Number& number, std::uint64_t more) noexcept {
        number.store(number.load(std::memory_order_relaxed) + more, std::memory_order_relaxed);
    }
    static std::chrono::nanoseconds nanoseconds_of(const Number& number) noexcept {
        return std::chrono::nanoseconds{
            static_cast<std::int64_t>(number.load(std::memory_order_relaxed))};
    }

    std::array<Number, detail::HistogramBuckets::count> buckets_{};
    Number sum_ = 0;
    Number longest_ = 0;
};

}  // namespace runnel::inline v0
