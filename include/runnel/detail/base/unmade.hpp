// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <new>
#include <utility>

namespace runnel::inline v0::detail {

// Memory for a T in the frame of a function that seldom needs one. It costs nothing until then, so
// it does not record whether there is a T. The user has to know that, and destroys the T.
template <typename T>
class Unmade {
public:
    Unmade() noexcept {}  // NOLINT(*-member-init, modernize-use-equals-default): not even zeroed
    Unmade(const Unmade&) = delete;
    Unmade& operator=(const Unmade&) = delete;
    ~Unmade() = default;

    template <typename... Arguments>
    T& make(Arguments&&... arguments) {
        return *std::construct_at(place(), std::forward<Arguments>(arguments)...);
    }

    // These require: there is one.
    [[nodiscard]] T& value() noexcept { return *std::launder(place()); }
    void destroy() noexcept { std::destroy_at(std::addressof(value())); }

private:
    [[nodiscard]] T* place() noexcept { return reinterpret_cast<T*>(memory_.data()); }

    alignas(T) std::array<std::byte, sizeof(T)> memory_;
};

}  // namespace runnel::inline v0::detail
