// SPDX-License-Identifier: MIT
#pragma once

#include "interleavings/scheduler.hpp"

#include <memory>

namespace runnel::inline v0::detail {

template <typename T>
[[nodiscard]] T& of_this_thread() noexcept {
    static const char key = 0;
    std::shared_ptr<void>& object = test::own_of_thread(&key);
    if (!object) object = std::make_shared<T>();
    return *static_cast<T*>(object.get());
}

}  // namespace runnel::inline v0::detail
