// SPDX-License-Identifier: MIT
#pragma once

#include <stdexcept>

namespace runnel::test {

/// What expect() throws, so that a test of random operations can tell how it came to that.
struct Mismatch : std::runtime_error {
    using std::runtime_error::runtime_error;
};

inline void expect(const char* what, bool holds) {
    if (!holds) throw Mismatch{what};
}

}  // namespace runnel::test
