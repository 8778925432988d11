// SPDX-License-Identifier: MIT
#include <runnel/histogram.hpp>

#include "support/catch.hpp"
#include "support/scale.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

using runnel::Histogram;
using runnel::HistogramSnapshot;
using runnel::detail::HistogramBuckets;
using namespace std::chrono_literals;
using std::chrono::nanoseconds;

TEST_CASE("each number belongs to one bucket, whose end is at most an eighth more", "[histogram]") {
    std::size_t last = 0;
    for (std::uint64_t number = 0; number < HistogramBuckets::largest;
         number = number < 100'000 ? number + 1 : number + number / 997) {
        const std::size_t bucket = HistogramBuckets::of(number);
        REQUIRE(bucket - last <= 1);
        REQUIRE(HistogramBuckets::end_of(bucket) >= number);
        REQUIRE(HistogramBuckets::end_of(bucket) - number <= number / 8);
        last = bucket;
    }
    CHECK(HistogramBuckets::of(~std::uint64_t{0}) == HistogramBuckets::count - 1);
}

TEST_CASE("percentiles are those of a sorted list, at most an eighth more", "[histogram]") {
    std::mt19937_64 lots{runnel::test::seed_for("histogram")};
    for (int round = 0; round != 20; ++round) {
        Histogram histogram;
        std::vector<nanoseconds> all;
        const auto size = 1 + lots() % 2'000;
        for (std::uint64_t left = size; left != 0; --left) {
            const nanoseconds time{static_cast<std::int64_t>(lots() >> (24 + lots() % 40))};
            histogram.record(time);
            all.push_back(time);
        }
        std::ranges::sort(all);
        const HistogramSnapshot now = histogram.snapshot();
        CHECK(now.count == size);
        CHECK(now.longest == all.back());
        for (const double percent : {0.0, 1.0, 50.0, 90.0, 99.0, 99.9, 100.0}) {
            const double wanted = static_cast<double>(size) * percent / 100;
            std::size_t rank = 0;
            while (static_cast<double>(rank + 1) < wanted) ++rank;
            const nanoseconds exact = all[std::min(rank, all.size() - 1)];
            REQUIRE(now.percentile(percent) >= exact);
            REQUIRE(now.percentile(percent) - exact <= exact / 8);
        }
    }
}

TEST_CASE("snapshots are summed up", "[histogram]") {
    Histogram one;
    Histogram other;
    one.record(5ms);
    other.record(-1ms);
    other.record(2s);
    HistogramSnapshot all = one.snapshot();
    all += other.snapshot();
    CHECK(all.count == 3);
    CHECK(all.sum == 2s + 5ms);
    CHECK(all.longest == 2s);
    CHECK(all.percentile(0) == 0ns);
    CHECK(all.percentile(100) == 2s);
    CHECK(HistogramSnapshot{}.percentile(50) == 0ns);
}
