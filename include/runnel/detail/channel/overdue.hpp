// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/abstract_clock.hpp>
#include <runnel/channel_options.hpp>
#include <runnel/duration.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>

namespace runnel::inline v0::detail {

// Since when the bytes that wait for a subscriber reach its soft limit. Guarded by its owner's
// lock. Reads the clock only while they do.
class Overdue {
public:
    explicit Overdue(const ByteBound& bytes) noexcept : soft_{bytes.soft}, for_{bytes.soft_for} {}

    [[nodiscard]] std::size_t soft_limit() const noexcept { return soft_; }

    // To be called after each change.
    void note(std::uint64_t waiting, const Clock& clock) noexcept {
        if (waiting < soft_) {
            since_.reset();
        } else if (!since_) {
            since_ = clock.now();
        }
    }

    // The same. True if the limit was reached for longer than allowed.
    [[nodiscard]] bool check(std::uint64_t waiting, const Clock& clock) noexcept {
        note(waiting, clock);
        return since_ && clock.now() > later(*since_, for_);
    }

private:
    const std::size_t soft_;
    const Duration for_;
    std::optional<Clock::Deadline> since_;
};

}  // namespace runnel::inline v0::detail
