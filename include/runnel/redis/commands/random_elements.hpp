// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/redis/call.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <vector>

namespace runnel::inline v0::redis::detail {

// Elements by lot, as SRANDMEMBER and HRANDFIELD count them: so many different ones, or all of
// them; below zero: so many, of which some may be the same. Requires: there is one. Throws:
// std::bad_alloc.
template <typename All>
[[nodiscard]] std::vector<const typename All::value_type*>
any_elements(const Call& call, const All& all, std::int64_t count) {
    std::vector<const typename All::value_type*> chosen;
    if (count >= 0) {
        std::vector<const typename All::value_type*> places;
        places.reserve(all.size());
        for (const auto& element : all) places.push_back(&element);
        const auto most = std::min(count, static_cast<std::int64_t>(all.size()));
        chosen.reserve(static_cast<std::size_t>(most));
        std::ranges::sample(places, std::back_inserter(chosen), most, call.random());
    }
    for (std::int64_t left = count; left < 0; ++left) chosen.push_back(&call.any_of(all));
    return chosen;
}

}  // namespace runnel::inline v0::redis::detail
