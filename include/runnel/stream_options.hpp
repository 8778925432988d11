// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/abstract_clock.hpp>

#include <cstddef>
#include <cstdint>
#include <limits>

namespace runnel::inline v0 {

/// What a stream keeps. When an entry is added and a limit is exceeded, the stream trims: it drops
/// its oldest entries.
struct Keep {
    /// How many entries.
    std::size_t count = std::numeric_limits<std::size_t>::max();

    friend bool operator==(const Keep&, const Keep&) = default;
};

struct StreamOptions {
    Keep keep{};
    /// How many entries a block of memory holds at most, 4 to 64. Memory is allocated and freed in
    /// blocks. A block has at most 4 KiB, unless an entry is larger.
    std::uint32_t block_entries = 64;
    /// Null means the SystemClock. Must outlive the stream, its cursors and its batches.
    Clock* clock = nullptr;

    friend bool operator==(const StreamOptions&, const StreamOptions&) = default;
};

}  // namespace runnel::inline v0
