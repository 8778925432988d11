// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <utility>

namespace runnel::inline v0::detail {

// Memory for a T in the frame of a function that seldom needs one. It costs nothing until then,
// which is why it does not know whether there is a T: that is up to its user, who destroys it too.
template <typename T>
union Unmade {
    Unmade() noexcept {}
    Unmade(const Unmade&) = delete;
    Unmade& operator=(const Unmade&) = delete;
    ~Unmade() {}

    template <typename... Arguments>
    T& make(Arguments&&... arguments) {
        return *std::construct_at(&value, std::forward<Arguments>(arguments)...);
    }

    T value;
};

}  // namespace runnel::inline v0::detail
