// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/abstract_clock.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/recent_time.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>

namespace runnel::inline v0 {

/// The time of the machine.
class RUNNEL_VISIBLE SystemClock final : public Clock {
public:
    /// The clock of objects whose options name none.
    [[nodiscard]] static SystemClock& instance() noexcept {
        // Never destroyed: a detached thread may wait on it while the program ends.
        alignas(SystemClock) static std::array<std::byte, sizeof(SystemClock)> room;
        static auto* const clock = std::construct_at(reinterpret_cast<SystemClock*>(room.data()));
        return *clock;
    }

    /// At most two microseconds old: see detail/base/recent_time.hpp.
    [[nodiscard]] WallTime wall() const noexcept override {
        return detail::recent_time<std::chrono::system_clock, 2>();
    }

    [[nodiscard]] Deadline now() const noexcept override {
        return std::chrono::steady_clock::now();
    }

    /// At most twenty microseconds old.
    [[nodiscard]] Deadline recent() const noexcept override {
        return detail::recent_time<std::chrono::steady_clock, 20>();
    }

    [[nodiscard]] bool is_real() const noexcept override { return true; }

    [[nodiscard]] bool is_system() const noexcept override { return true; }

    [[nodiscard]] std::optional<std::chrono::steady_clock::time_point>
    machine_time(Deadline deadline) const noexcept override {
        return deadline;
    }
};

}  // namespace runnel::inline v0
