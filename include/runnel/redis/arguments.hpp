// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/parse_integer.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/reply.hpp>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <locale.h>  // NOLINT(modernize-deprecated-headers): locale_t is of POSIX
#include <optional>
#include <stdlib.h>  // NOLINT(modernize-deprecated-headers): strtod_l(), strtold_l()
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace runnel::inline v0::redis::detail {

[[noreturn]] inline void refuse(std::string text) {
    throw Refusal{Reply::error(std::move(text))};
}
[[noreturn]] inline void refuse_syntax() {
    refuse("ERR syntax error");
}

// No word of a command is longer, and no string. Redis: `proto-max-bulk-len`.
inline constexpr std::size_t most_word_bytes = std::size_t{512} * 1024 * 1024;

// A letter of ASCII, whatever the locale.
[[nodiscard]] constexpr char to_lower(char letter) noexcept {
    return letter >= 'A' && letter <= 'Z' ? static_cast<char>(letter - 'A' + 'a') : letter;
}
[[nodiscard]] constexpr char to_upper(char letter) noexcept {
    return letter >= 'a' && letter <= 'z' ? static_cast<char>(letter - 'a' + 'A') : letter;
}

[[nodiscard]] inline std::string in_small_letters(std::string_view word) {
    std::string small{word};
    std::ranges::transform(small, small.begin(), to_lower);
    return small;
}

// Whether a word is that keyword, which is in capitals: case does not matter.
[[nodiscard]] constexpr bool is(std::string_view word, std::string_view keyword) noexcept {
    if (word.size() != keyword.size()) return false;
    for (std::size_t at = 0; at != word.size(); ++at)
        if (to_upper(word[at]) != keyword[at]) return false;
    return true;
}

[[nodiscard]] inline std::int64_t integer_or(std::string_view word, std::string_view error) {
    const auto number = parse_integer(word);
    if (!number) refuse(std::string{error});
    return *number;
}
[[nodiscard]] inline std::int64_t integer(std::string_view word) {
    return integer_or(word, "ERR value is not an integer or out of range");
}

// How many LPOP, SPOP and the like are to take: at least 0.
[[nodiscard]] inline std::size_t count_to_take(std::string_view word) {
    constexpr std::string_view error = "ERR value is out of range, must be positive";
    const std::int64_t count = integer_or(word, error);
    if (count < 0) refuse(std::string{error});
    return static_cast<std::size_t>(count);
}

// At least 1; more than there can be is as good as all.
[[nodiscard]] inline std::size_t positive_count(std::string_view word, std::string_view error) {
    const std::int64_t count = integer_or(word, error);
    if (count < 1) refuse(std::string{error});
    return static_cast<std::size_t>(count);
}

// An integer whose sign has a meaning of its own: there are as many below zero as above.
[[nodiscard]] inline std::int64_t signed_count(std::string_view word) {
    const std::int64_t count = integer(word);
    if (count == std::numeric_limits<std::int64_t>::min())
        refuse("ERR value is out of range, value must between -9223372036854775807 and "
               "9223372036854775807");
    return count;
}

// Whether an integer is one of 32 bits.
[[nodiscard]] constexpr bool is_int(std::int64_t number) noexcept {
    using Limits = std::numeric_limits<std::int32_t>;
    return number >= Limits::min() && number <= Limits::max();
}

// Nothing: it does not fit.
[[nodiscard]] constexpr std::optional<std::int64_t> sum_of(std::int64_t one,
                                                           std::int64_t other) noexcept {
    using Limits = std::numeric_limits<std::int64_t>;
    if (one < 0 ? other < Limits::min() - one : other > Limits::max() - one) return std::nullopt;
    return one + other;
}

// A time-out in milliseconds, as long as it ends in a time that there is.
[[nodiscard]] inline std::optional<std::int64_t> checked_timeout(std::int64_t timeout,
                                                                 std::int64_t now) {
    if (timeout < 0) refuse("ERR timeout is negative");
    if (timeout == 0) return std::nullopt;
    if (!sum_of(timeout, now)) refuse("ERR timeout is out of range");
    return timeout;
}

// What the C library makes of a text, here whatever the locale: decimal, exponent and hexadecimal
// numbers, and infinity.
template <typename Number>
struct NumberInText {
    Number number = 0;
    bool is_whole = false;  // all of the text is that number
    bool is_out_of_range = false;

    // Throws: std::bad_alloc.
    [[nodiscard]] static NumberInText of(std::string_view word) {
        static const locale_t locale = newlocale(LC_ALL_MASK, "C", nullptr);
        const std::string text{word};
        char* end = nullptr;
        errno = 0;
        NumberInText made;
        if constexpr (std::is_same_v<Number, double>)
            made.number = strtod_l(text.c_str(), &end, locale);
        else
            made.number = strtold_l(text.c_str(), &end, locale);
        made.is_whole = end == text.c_str() + text.size();
        made.is_out_of_range = errno == ERANGE && (made.number == 0 || std::isinf(made.number));
        return made;
    }
};

// A number as Redis reads it. Nothing: the word is none, or too great, or too small. Throws:
// std::bad_alloc.
template <typename Number>
[[nodiscard]] std::optional<Number> read_number(std::string_view word) {
    if (word.empty() ||
        std::string_view{" \t\n\v\f\r"}.find(word.front()) != std::string_view::npos)
        return std::nullopt;
    const auto read = NumberInText<Number>::of(word);
    if (!read.is_whole || read.is_out_of_range || std::isnan(read.number)) return std::nullopt;
    return read.number;
}
[[nodiscard]] inline std::optional<long double> read_float(std::string_view word) {
    constexpr std::size_t most = 5119;
    return word.size() > most ? std::nullopt : read_number<long double>(word);
}

// The time-out of a list command: seconds, with a fraction. `now` in milliseconds. Nothing: for
// ever.
[[nodiscard]] inline std::optional<std::int64_t> timeout_in_seconds(std::string_view word,
                                                                    std::int64_t now) {
    const std::optional<long double> seconds = read_float(word);
    if (!seconds) refuse("ERR timeout is not a float or out of range");
    const long double milliseconds = std::ceil(*seconds * 1000);
    constexpr auto greatest = std::numeric_limits<std::int64_t>::max();
    if (milliseconds > static_cast<long double>(greatest)) refuse("ERR timeout is out of range");
    if (milliseconds < 0) refuse("ERR timeout is negative");
    return checked_timeout(static_cast<std::int64_t>(milliseconds), now);
}

// The same of XREAD: whole milliseconds.
[[nodiscard]] inline std::optional<std::int64_t> timeout_in_milliseconds(std::string_view word,
                                                                         std::int64_t now) {
    const auto whole = integer_or(word, "ERR timeout is not an integer or out of range");
    return checked_timeout(whole, now);
}

// As Redis writes a word into an error: a zero byte ends it.
[[nodiscard]] constexpr std::string_view as_c_string(std::string_view word) noexcept {
    return word.substr(0, word.find('\0'));
}
// The same of an unknown command or subcommand: no more than this.
inline constexpr std::size_t most_shown = 128;
[[nodiscard]] constexpr std::string_view shown(std::string_view word) noexcept {
    return as_c_string(word).substr(0, most_shown);
}

}  // namespace runnel::inline v0::redis::detail
