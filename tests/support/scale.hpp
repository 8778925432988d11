// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>

// How much a test does, and from which seed. Two knobs of the environment:
//
//     RUNNEL_TEST_SCALE=0.1   a tenth of the iterations; the default is 1
//     RUNNEL_TEST_SEED=4711   the seed; "random" draws one; the default is always the same
namespace runnel::test {

/// The number in the environment variable `name`, else `otherwise`.
template <typename Number>
Number number_from_environment(const char* name, Number otherwise) {
    const char* const text = std::getenv(name);
    if (text == nullptr || *text == '\0') return otherwise;
    const std::string_view all{text};
    Number number{};
    const auto [end, error] = std::from_chars(all.data(), all.data() + all.size(), number);
    if (error == std::errc{} && end == all.data() + all.size()) return number;
    throw std::invalid_argument{std::string{name} + ": not a number: " + text};
}

/// What iteration counts are multiplied by.
inline double scale() {
    static const double factor = number_from_environment<double>("RUNNEL_TEST_SCALE", 1);
    return factor;
}

/// `count` at the scale of this run, but no less than `floor`.
inline std::size_t scaled(std::size_t count, std::size_t floor = 1) {
    return std::max(floor, static_cast<std::size_t>(static_cast<double>(count) * scale()));
}

/// The seed of this run, printed so that the run can be repeated.
inline std::uint64_t seed_for(std::string_view what) {
    constexpr std::uint64_t fixed = 20'260'801;
    const char* const text = std::getenv("RUNNEL_TEST_SEED");
    const bool any = text != nullptr && std::string_view{text} == "random";
    const std::uint64_t seed =
        any ? std::random_device{}() : number_from_environment("RUNNEL_TEST_SEED", fixed);
    std::cout << what << ": RUNNEL_TEST_SEED=" << seed << " RUNNEL_TEST_SCALE=" << scale()
              << std::endl;
    return seed;
}

}  // namespace runnel::test
