// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>

namespace runnel::inline v0::detail {

// The bounds of all subscribers of a kind: the least and the greatest of them at once, however many
// there are. Guarded by its owner's lock.
class Bounds {
public:
    static constexpr std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();

    // Throws: std::bad_alloc, and then nothing has changed.
    void add(std::uint64_t bound) { ++counts_[bound]; }

    // Allocates nothing. Requires: it was added.
    void remove(std::uint64_t bound) noexcept {
        const auto found = counts_.find(bound);
        if (--found->second == 0) counts_.erase(found);
    }

    // Without any bound: unlimited, and 0.
    [[nodiscard]] std::uint64_t least() const noexcept {
        return counts_.empty() ? unlimited : counts_.begin()->first;
    }
    [[nodiscard]] std::uint64_t greatest() const noexcept {
        return counts_.empty() ? 0 : counts_.rbegin()->first;
    }

private:
    std::map<std::uint64_t, std::size_t> counts_;  // how many have each bound
};

}  // namespace runnel::inline v0::detail
