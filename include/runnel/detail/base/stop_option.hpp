// SPDX-License-Identifier: MIT
#pragma once

#include <stop_token>
#include <utility>

namespace runnel::inline v0::detail {

// The stop token among the options of a call; is used as one. Of a temporary in an awaited
// expression, as in
//
//     co_await jobs.async_pop_front({.stop = stop})
//
// g++ 12 makes a second object by a copy of its bytes, and destroys both. The second one is not
// where it was made, by which it knows that the token is not its own.
class StopOption {
public:
    constexpr StopOption() noexcept : token_{} {}
    StopOption(std::stop_token token) noexcept  // NOLINT(*-explicit-*)
        : token_{std::move(token)} {}
    StopOption(const StopOption& other) noexcept : token_{other.token_} {}
    StopOption& operator=(const StopOption& other) noexcept {
        token_ = other.token_;
        return *this;
    }
    ~StopOption() {
        if (made_at_ == this) token_.~stop_token();
    }

    operator const std::stop_token&() const noexcept { return token_; }  // NOLINT(*-explicit-*)

    [[nodiscard]] bool stop_requested() const noexcept { return token_.stop_requested(); }
    [[nodiscard]] bool stop_possible() const noexcept { return token_.stop_possible(); }

private:
    union {
        std::stop_token token_;
    };
    const StopOption* made_at_ = this;
};

}  // namespace runnel::inline v0::detail
