// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/assert.hpp>

#include "interleavings/scheduler.hpp"

namespace runnel::inline v0::detail {

// Every store is seen at once, so there is nothing to do.
class AsymmetricBarrier {
public:
    [[nodiscard]] static bool is_available() noexcept { return true; }
    static void light() noexcept {}
    [[nodiscard]] static bool heavy(Caller at = {}) noexcept {
        test::step("barrier", at);
        return true;
    }
};

}  // namespace runnel::inline v0::detail
