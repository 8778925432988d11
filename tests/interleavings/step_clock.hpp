// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/abstract_clock.hpp>

#include "interleavings/scheduler.hpp"

#include <chrono>
#include <optional>

namespace runnel::test {

/// The time of an order. A wait with a time-out may time out at any step.
class StepClock final : public Clock {
public:
    [[nodiscard]] WallTime wall() const noexcept override {
        return WallTime{std::chrono::seconds{1'700'000'000}} + (present() - Moment{});
    }
    [[nodiscard]] Deadline now() const noexcept override { return present(); }
    /// So that waits look once before they block.
    [[nodiscard]] bool is_real() const noexcept override { return true; }
    [[nodiscard]] std::optional<Moment> machine_time(Deadline deadline) const noexcept override {
        return deadline;
    }
};

}  // namespace runnel::test
