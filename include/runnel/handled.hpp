// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/duration.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

namespace runnel::inline v0 {

/// What a handler of a Worker says of its entry.
class [[nodiscard]] Handled {
public:
    /// The entry is done.
    [[nodiscard]] static Handled done() noexcept { return Handled{What::done, {}}; }
    /// It has failed: another attempt after the back-off. An exception says the same.
    [[nodiscard]] static Handled retry(std::string why = {}) {
        return Handled{What::retry, std::move(why)};
    }
    /// It has failed: another attempt after so long, whatever the back-off is. Negative means 0.
    [[nodiscard]] static Handled retry_after(Duration delay, std::string why = {}) {
        Handled handled{What::retry, std::move(why)};
        handled.delay_ = std::max(delay.nanoseconds(), std::chrono::nanoseconds{0});
        return handled;
    }
    /// No attempt can succeed: the entry goes to the dead letters now.
    [[nodiscard]] static Handled reject(std::string why = {}) {
        return Handled{What::reject, std::move(why)};
    }

    [[nodiscard]] bool is_done() const noexcept { return what_ == What::done; }
    [[nodiscard]] bool is_rejected() const noexcept { return what_ == What::reject; }
    /// Of retry_after().
    [[nodiscard]] std::optional<std::chrono::nanoseconds> delay() const noexcept { return delay_; }
    [[nodiscard]] const std::string& reason() const noexcept { return reason_; }

private:
    enum class What : std::uint8_t { done, retry, reject };

    Handled(What what, std::string reason) noexcept : reason_{std::move(reason)}, what_{what} {}

    std::string reason_;
    std::optional<std::chrono::nanoseconds> delay_{};
    What what_;
};

}  // namespace runnel::inline v0
