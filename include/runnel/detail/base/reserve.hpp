// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

namespace runnel::inline v0::detail {

// Makes the next push_back() noexcept; may throw, and then nothing has changed. As push_back()
// does, it grows by a factor: what reserve() gives for one more would be asked for each time.
template <typename Element>
void reserve_one_more(std::vector<Element>& all) {
    if (all.size() == all.capacity()) all.reserve(2 * all.size() + 1);
}

}  // namespace runnel::inline v0::detail
