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
// NOLINTBEGIN(cppcoreguidelines-pro-type-union-access)
class StopOption {
public:
    constexpr StopOption() noexcept : token{} {}
    StopOption(std::stop_token stop) noexcept  // NOLINT(*-explicit-*)
        : token{std::move(stop)} {}
    StopOption(const StopOption& other) noexcept : token{other.token} {}
    // NOLINTNEXTLINE(bugprone-unhandled-self-assignment): that of the token handles it
    StopOption& operator=(const StopOption& other) noexcept {
        token = other.token;
        return *this;
    }
    ~StopOption() {
        if (made_at_ == this) token.~stop_token();
    }

    operator const std::stop_token&() const noexcept { return token; }  // NOLINT(*-explicit-*)

    [[nodiscard]] bool stop_requested() const noexcept { return token.stop_requested(); }
    [[nodiscard]] bool stop_possible() const noexcept { return token.stop_possible(); }

private:
    union {
        std::stop_token token;
    };
    const StopOption* made_at_ = this;
};
// NOLINTEND(cppcoreguidelines-pro-type-union-access)

}  // namespace runnel::inline v0::detail
