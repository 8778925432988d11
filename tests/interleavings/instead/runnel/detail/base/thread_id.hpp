// SPDX-License-Identifier: MIT
#pragma once

#include "interleavings/scheduler.hpp"

#include <cstdint>

namespace runnel::inline v0::detail {

using ThreadId = std::uintptr_t;
inline constexpr ThreadId no_thread = 0;

[[nodiscard]] inline ThreadId this_thread() noexcept {
    return test::current_thread() + ThreadId{1};
}

}  // namespace runnel::inline v0::detail
