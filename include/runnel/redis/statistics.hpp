// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace runnel::inline v0::redis::detail {

// What a server has done, until CONFIG RESETSTAT. Guarded by its lock.
struct Statistics {
    std::uint64_t connections = 0;
    std::uint64_t commands = 0;  // that were carried out
    std::uint64_t expired_keys = 0;
    // Of commands that only read: how often the key was there.
    std::uint64_t hits = 0;
    std::uint64_t misses = 0;
};

}  // namespace runnel::inline v0::redis::detail
