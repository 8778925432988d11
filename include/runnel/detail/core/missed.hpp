// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace runnel::inline v0::detail {

// How many entries were trimmed before a reader has seen them; a lower bound if not exact.
struct Missed {
    std::uint64_t count = 0;
    bool is_exact = true;
};

}  // namespace runnel::inline v0::detail
