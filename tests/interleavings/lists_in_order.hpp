// SPDX-License-Identifier: MIT
#pragma once

// Several lists in an order of which the addresses of a run do not decide.

#include <runnel/blocking_list.hpp>
#include <runnel/detail/list/list_state.hpp>

#include "interleavings/element.hpp"
#include "interleavings/orders.hpp"
#include "support/reveal.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace runnel::test {

struct StateOfElements {
    friend auto reveal(StateOfElements);
};
template struct Reveal<StateOfElements, &BlockingList<Element>::state_>;

using Lists = std::vector<BlockingList<Element>>;

/// Three lists. Locks are taken in the order of addresses: so that each order of steps can be run
/// again, the lists stand in that order, or in the opposite one.
inline Lists make_lists(Clock& clock, std::size_t capacity, bool is_ascending) {
    Lists lists;
    for (int i = 0; i != 3; ++i)
        lists.emplace_back(ListOptions{.capacity = capacity, .clock = &clock});
    const auto address = [](const BlockingList<Element>& list) {
        return &*(list.*reveal(StateOfElements{}));
    };
    std::ranges::sort(lists, std::less<>{}, address);
    if (!is_ascending) std::ranges::reverse(lists);
    return lists;
}

/// Runs it with the lists in both orders of their addresses.
inline std::array<Explored, 2>
explore_both_ways(const std::string& name,
                  const std::function<void(Order& order, bool is_ascending)>& scenario) {
    const auto explore_one = [&](bool is_ascending) {
        return explore(name + (is_ascending ? "" : ", the other way round"),
                       [&](Order& order) { scenario(order, is_ascending); });
    };
    return {explore_one(true), explore_one(false)};
}

}  // namespace runnel::test
