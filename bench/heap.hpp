// SPDX-License-Identifier: MIT
// How much memory something takes, and a heap that keeps what it has once got.
#pragma once

#include <cstddef>

namespace runnel::bench {

/// While it lives, every `new` and `delete` of the program is counted. One at a time.
class HeapCount {
public:
    HeapCount() noexcept;
    ~HeapCount();
    HeapCount(const HeapCount&) = delete;
    HeapCount& operator=(const HeapCount&) = delete;

    /// What was allocated meanwhile and not given back, with what malloc adds to each allocation.
    [[nodiscard]] std::size_t bytes() const noexcept;
};

/// Memory is not given back to the system from now on: otherwise large logs would be measured
/// with the page faults of getting it again, and small ones without.
void keep_heap() noexcept;

}  // namespace runnel::bench
