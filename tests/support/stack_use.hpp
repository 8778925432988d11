// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace runnel::test {

/// How far the stack has grown between the first call and any other.
class StackUse {
public:
    void note() noexcept {
        // The address sanitizer has variables elsewhere.
        const auto at = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0));
        if (first_ == 0) first_ = at;
        const std::uintptr_t use = first_ > at ? first_ - at : at - first_;
        if (use > most_) most_ = use;
    }
    [[nodiscard]] std::uintptr_t most() const noexcept { return most_; }

private:
    std::uintptr_t first_ = 0;
    std::uintptr_t most_ = 0;
};

}  // namespace runnel::test
