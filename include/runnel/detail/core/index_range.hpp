// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace runnel::inline v0::detail {

// An index names an element of a sequence: 0 is the first one, -1 the last one.

// The position of the element at `index` of `size`. Nothing: there is none.
[[nodiscard]] constexpr std::optional<std::size_t> position_of(std::int64_t index,
                                                               std::size_t size) noexcept {
    if (index < 0) index += static_cast<std::int64_t>(size);
    if (index < 0 || static_cast<std::uint64_t>(index) >= size) return std::nullopt;
    return static_cast<std::size_t>(index);
}

// Neighbouring elements: `count` of them from position `first` on. None: both are 0.
struct IndexRange {
    std::size_t first = 0;
    std::size_t count = 0;

    // The elements from index `first` to index `last`, both included, as far as they are among
    // `size`.
    [[nodiscard]] static constexpr IndexRange between(std::int64_t first, std::int64_t last,
                                                      std::size_t size) noexcept {
        const auto all = static_cast<std::int64_t>(size);
        first = std::max<std::int64_t>(0, first < 0 ? first + all : first);
        last = std::min(last < 0 ? last + all : last, all - 1);
        if (first > last) return {};
        return {static_cast<std::size_t>(first), static_cast<std::size_t>(last - first) + 1};
    }

    friend bool operator==(const IndexRange&, const IndexRange&) = default;
};

}  // namespace runnel::inline v0::detail
