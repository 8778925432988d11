// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/wait/waiter.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>

namespace runnel::inline v0::detail {

// One look takes the place of many: what comes between two looks also comes before the first.
class SpinBudget {
public:
    using Deadline = std::chrono::steady_clock::time_point;

    bool spin(const Waiter& waiter, std::optional<Deadline> /*deadline*/) noexcept {
        return waiter.ended();
    }
};

inline constexpr std::uint32_t stream_length = 4;

inline void pause_for_a_batch() noexcept {}
inline void pause_after(std::size_t /*entries*/) noexcept {}

}  // namespace runnel::inline v0::detail
