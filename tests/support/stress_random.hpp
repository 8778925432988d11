// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace runnel::test {

/// Random choices that are the same on every platform for the same seed, which those of
/// std::uniform_int_distribution are not.
class Random {
public:
    /// `stream` tells apart generators of one seed, say those of several threads.
    explicit Random(std::uint64_t seed, std::uint64_t stream = 0)
        : engine_{seed * 1'000'003 + stream} {}

    /// One of 0 … count - 1.
    std::size_t below(std::size_t count) { return static_cast<std::size_t>(engine_() % count); }

    /// One of first … last.
    std::int64_t between(std::int64_t first, std::int64_t last) {
        return first + static_cast<std::int64_t>(below(static_cast<std::size_t>(last - first + 1)));
    }

    bool percent(std::size_t chance) { return below(100) < chance; }

    template <typename Container>
    auto& one_of(Container& among) {
        return among[below(among.size())];
    }

    /// A non-empty subset of 0 … count - 1, in random order.
    std::vector<std::size_t> subset(std::size_t count) {
        std::vector<std::size_t> all;
        for (std::size_t at = 0; at != count; ++at) all.push_back(at);
        for (std::size_t at = 0; at != count; ++at) std::swap(all[at], all[at + below(count - at)]);
        all.resize(1 + below(count));
        return all;
    }

private:
    std::mt19937_64 engine_;
};

}  // namespace runnel::test
