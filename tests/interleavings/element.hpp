// SPDX-License-Identifier: MIT
#pragma once

#include "interleavings/scheduler.hpp"

#include <utility>

namespace runnel::test {

/// A number whose move is a step: other threads may go on while an element is moved, under the
/// locks or where a waker hands it over.
class Element {
public:
    Element(int number) noexcept : number_{number} {}  // NOLINT(*-explicit-*)
    Element(const Element&) = default;
    Element(Element&& other) noexcept : number_{other.number_} {
        step("move", {});
        other.number_ = moved_from;
    }
    Element& operator=(const Element&) = default;
    Element& operator=(Element&& other) noexcept {
        step("move", {});
        number_ = std::exchange(other.number_, moved_from);
        return *this;
    }
    ~Element() = default;

    [[nodiscard]] int number() const noexcept { return number_; }

private:
    static constexpr int moved_from = -1;

    int number_;
};

}  // namespace runnel::test
