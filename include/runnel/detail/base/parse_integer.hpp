// SPDX-License-Identifier: MIT
#pragma once

#include <charconv>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>

namespace runnel::inline v0::detail {

// An integer as Redis takes it from clients: decimal, no plus, no leading zeros, no blanks.
[[nodiscard]] inline std::optional<std::int64_t> parse_integer(std::string_view word) noexcept {
    const bool is_negative = word.starts_with('-');
    const std::string_view digits = word.substr(is_negative ? 1 : 0);
    if (digits.empty() || digits[0] < '0' || digits[0] > '9') return std::nullopt;
    if (digits[0] == '0' && word != "0") return std::nullopt;
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    if (error != std::errc{} || end != word.data() + word.size()) return std::nullopt;
    return number;
}

}  // namespace runnel::inline v0::detail
