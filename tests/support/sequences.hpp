// SPDX-License-Identifier: MIT
#pragma once

#include "support/catch.hpp"
#include "support/scale.hpp"
#include "support/stress_tally.hpp"

#include <cstddef>
#include <cstdint>
#include <exception>
#include <initializer_list>
#include <iostream>
#include <sstream>
#include <string>
#include <string_view>

namespace runnel::test {

/// Of a sequence that has failed: the same again, with what it did last.
template <typename Sequence>
std::string explain(std::uint64_t seed, std::uint64_t number, std::size_t steps) {
    std::ostringstream out;
    out << "RUNNEL_TEST_SEED=" << seed << ", sequence " << number << ": ";
    Tally uncounted;
    Sequence again{seed, number, uncounted, true};
    try {
        again.run(steps);
    } catch (const std::exception& error) {
        out << error.what() << again.story();
    }
    return out.str();
}

/// Runs 5,000 random sequences of so many operations each, or as many as the scale says. A sequence
/// is made by Sequence{seed, number, tally, tells}; its run(steps) throws where what it tests
/// differs from its reference, and story() is what it has done last. Returns what they have done.
template <typename Sequence>
Tally run_sequences(std::string_view what, std::size_t steps) {
    const std::uint64_t seed = seed_for(what);
    const std::size_t sequences = scaled(5'000, 300);
    Tally tally;
    for (std::uint64_t number = 0; number != sequences; ++number) {
        INFO("sequence " << number);  // told should it crash
        try {
            Sequence{seed, number, tally, false}.run(steps);
        } catch (...) {
            FAIL(explain<Sequence>(seed, number, steps));
        }
    }
    std::cout << sequences * steps << " operations, among them\n" << tally;
    return tally;
}

/// Each of these operations has had each of these results.
inline void check_occurred(const Tally& tally, std::initializer_list<const char*> rows,
                           std::initializer_list<const char*> columns) {
    for (const char* row : rows) {
        for (const char* column : columns) {
            CAPTURE(row, column);
            CHECK(tally.of(row, column) > 0);
        }
    }
}

}  // namespace runnel::test
