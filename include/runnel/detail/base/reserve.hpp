// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

namespace runnel::inline v0::detail {

// Makes the next push_back() noexcept. If it throws, nothing has changed. Grows by a factor, as
// push_back() does: reserve(size() + 1) would allocate each time.
template <typename Element>
void reserve_one_more(std::vector<Element>& all) {
    if (all.size() == all.capacity()) all.reserve(2 * all.size() + 1);
}

}  // namespace runnel::inline v0::detail
