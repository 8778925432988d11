// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/xxh3.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace runnel::inline v0::redis::detail {

inline constexpr std::size_t digest_size = 16;

// As DIGEST shows it: in hexadecimal digits, with zeros in front. Throws: std::bad_alloc.
[[nodiscard]] inline std::string digest_of(std::string_view bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text(digest_size, '0');
    std::uint64_t left = Xxh3::of(bytes);
    for (std::size_t at = digest_size; at != 0; left >>= 4U) text[--at] = digits[left & 15U];
    return text;
}

// What SET and DELEX may ask of a string: IFEQ, IFNE, and IFDEQ and IFDNE, which tell its digest.
class StringCondition {
public:
    // False: the word is none of them.
    bool take(const Call& call, std::string_view word, std::string_view value) noexcept {
        static constexpr std::array<std::string_view, 4> names{"IFEQ", "IFNE", "IFDEQ", "IFDNE"};
        const auto* const known = std::ranges::find_if(
            names, [&](std::string_view name) { return call.is_option(word, name); });
        if (known == names.end()) return false;
        name_ = *known;
        value_ = value;
        return true;
    }

    [[nodiscard]] bool is_given() const noexcept { return !name_.empty(); }
    [[nodiscard]] bool holds_without_string() const noexcept { return !wants_equal(); }
    // Throws: Refusal, if what was given is no digest; std::bad_alloc.
    [[nodiscard]] bool holds_for(std::string_view bytes) const {
        const bool is_equal = compares_digests() ? has_digest(bytes) : bytes == value_;
        return is_equal == wants_equal();
    }

private:
    [[nodiscard]] bool wants_equal() const noexcept { return name_.ends_with("EQ"); }
    [[nodiscard]] bool compares_digests() const noexcept { return name_.starts_with("IFD"); }

    // Redis looks at nothing but the length: other letters are no digest of any string.
    [[nodiscard]] bool has_digest(std::string_view bytes) const {
        if (value_.size() != digest_size) refuse("ERR must be exactly 16 hexadecimal characters");
        return std::ranges::equal(digest_of(bytes), value_, {}, {}, to_lower);
    }

    std::string_view name_{};
    std::string_view value_{};
};

}  // namespace runnel::inline v0::redis::detail
