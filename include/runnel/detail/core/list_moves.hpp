// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/core/index_range.hpp>
#include <runnel/detail/core/list_core.hpp>
#include <runnel/list_options.hpp>
#include <runnel/message.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace runnel::inline v0::detail {

// In which order several elements arrive that are moved at once.
enum class MoveOrder : std::uint8_t {
    one_by_one,  // as if each were moved by itself
    together,    // as they stood in the source
};

// How several elements move from one end of a list to an end of the same or another one.
//
//     source a b c d, target x y, two elements      one_by_one       together
//     from the front to the front                   b a x y          a b x y
//     from the front to the back                    x y a b          x y a b
//     from the back to the front                    c d x y          c d x y
//     from the back to the back                     x y d c          x y c d
struct ListMove {
    End from = End::front;
    End to = End::back;
    MoveOrder order = MoveOrder::one_by_one;
    std::size_t count = 1;

    // The elements that move, in a source that has so many.
    [[nodiscard]] IndexRange range(std::size_t size) const noexcept {
        const std::size_t moved = std::min(count, size);
        return {from == End::front ? 0 : size - moved, moved};
    }

    // Whether what stood first in the source stands last in the target.
    [[nodiscard]] bool reverses() const noexcept {
        return order == MoveOrder::one_by_one && from == to;
    }
};

// Moves elements, first into `moved`. Requires: move.count <= source.size(),
// moved.capacity() suffices, and target.reserve_many(), or if it is the same list,
// reserve_many_after_pops().
template <Message T>
void move_many(ListCore<T> source, ListCore<T> target, const ListMove& move,
               std::vector<T>& moved) noexcept {
    RUNNEL_ASSERT(move.count <= source.size() && moved.empty());
    source.pop_many(move.from, move.count, moved);
    // At the end where they were they would go in turned round.
    const bool as_popped = move.order == MoveOrder::one_by_one || move.from != move.to;
    if (as_popped) {
        for (T& element : moved) target.push(move.to, std::move(element));
    } else {
        for (auto element = moved.rbegin(); element != moved.rend(); ++element)
            target.push(move.to, std::move(*element));
    }
}

}  // namespace runnel::inline v0::detail
