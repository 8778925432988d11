// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <algorithm>
#include <cstddef>
#include <string_view>

namespace runnel::inline v0 {

namespace detail {

// Redis gives up on patterns that nest deeper. A last `*` needs no nesting.
inline constexpr std::size_t most_nested_stars = 1000;

// How many bytes of a pattern were read, and whether they accept the byte in question.
struct GlobStep {
    std::size_t size;
    bool accepts;
};

// The first member of a class: `\x`, `a-b` (in either order; `b` may be any byte) or one byte.
// Bytes are compared without a sign: as Redis does where char has none, unlike on x86-64.
[[nodiscard]] constexpr GlobStep glob_class_member(std::string_view pattern, char byte) noexcept {
    if (pattern.size() >= 2 && pattern[0] == '\\') return {2, pattern[1] == byte};
    if (pattern.size() >= 3 && pattern[1] == '-') {
        const auto code = [](char c) { return static_cast<unsigned char>(c); };
        const auto [low, high] = std::minmax({code(pattern[0]), code(pattern[2])});
        return {3, low <= code(byte) && code(byte) <= high};
    }
    return {1, pattern[0] == byte};
}

// A class, given from behind its `[`. The first `]` ends it, wherever it stands; so does the end.
[[nodiscard]] constexpr GlobStep glob_class(std::string_view pattern, char byte) noexcept {
    const bool negated = pattern.starts_with('^');
    std::size_t at = negated ? 1 : 0;
    bool member = false;
    while (at < pattern.size() && pattern[at] != ']') {
        const auto step = glob_class_member(pattern.substr(at), byte);
        member = member || step.accepts;
        at += step.size;
    }
    return {std::min(at + 1, pattern.size()), member != negated};
}

// The first element of a pattern that is not empty and does not begin with `*`.
[[nodiscard]] constexpr GlobStep glob_element(std::string_view pattern, char byte) noexcept {
    if (pattern[0] == '?') return {1, true};
    if (pattern[0] == '[') {
        const auto step = glob_class(pattern.substr(1), byte);
        return {step.size + 1, step.accepts};
    }
    if (pattern[0] == '\\' && pattern.size() >= 2) return {2, pattern[1] == byte};
    return {1, pattern[0] == byte};
}

// What is left of a pattern and a text when the one has been followed along the other.
struct GlobRest {
    std::string_view pattern;
    std::string_view text;

    [[nodiscard]] constexpr bool is_at_star() const noexcept { return pattern.starts_with('*'); }
    [[nodiscard]] constexpr bool is_match() const noexcept {
        return pattern.empty() && text.empty();
    }
};

// Stops at a `*`, at a byte that does not fit, or where one of the two ends.
[[nodiscard]] constexpr GlobRest glob_follow(std::string_view pattern,
                                             std::string_view text) noexcept {
    while (!pattern.empty() && !text.empty() && pattern[0] != '*') {
        const auto step = glob_element(pattern, text[0]);
        if (!step.accepts) break;
        pattern.remove_prefix(step.size);
        text.remove_prefix(1);
    }
    return {pattern, text};
}

// Follows a pattern, which does not begin with `*`, from the first place in `text` where it fits up
// to the next `*` or to both ends. If there is none, what is left is neither.
[[nodiscard]] constexpr GlobRest glob_search(std::string_view pattern,
                                             std::string_view text) noexcept {
    for (; !text.empty(); text.remove_prefix(1)) {
        const auto rest = glob_follow(pattern, text);
        if (rest.is_at_star() || rest.is_match()) return rest;
    }
    return {pattern, text};
}

}  // namespace detail

/// Whether the whole of `text` matches the glob-style `pattern`, by the rules of Redis'
/// `PSUBSCRIBE` and `KEYS`. Bytes are compared, case matters, no byte is special in `text`.
///
/// `*` any bytes · `?` one byte · `[abc]` `[a-z]` one of these · `[^a-z]` one byte that is none of
/// these · `\x` the byte x.
///
/// As in Redis, a class ends at the first `]` (`[]` accepts nothing, `[^]` any byte) or with the
/// pattern; only the empty pattern matches the empty text; and a pattern with more than 1000 `*`
/// before its last bytes matches nothing, where adjacent `*` count once.
///
/// Complexity: O(pattern × text); O(pattern + text) without `*`.
[[nodiscard]] constexpr bool glob_match(std::string_view pattern, std::string_view text) noexcept {
    if (text.empty()) return pattern.empty();
    auto rest = detail::glob_follow(pattern, text);
    // Each element but `*` takes exactly one byte, so the first fit of what stands between two
    // stars leaves most to what follows: no star but the last one met is ever tried again.
    for (std::size_t stars = 0; rest.is_at_star(); ++stars) {
        rest.pattern.remove_prefix(
            std::min(rest.pattern.find_first_not_of('*'), rest.pattern.size()));
        if (rest.pattern.empty()) return true;
        if (stars == detail::most_nested_stars) return false;
        rest = detail::glob_search(rest.pattern, rest.text);
    }
    return rest.is_match();
}

}  // namespace runnel::inline v0
