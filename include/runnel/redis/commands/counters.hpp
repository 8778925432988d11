// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/commands/strings.hpp>
#include <runnel/redis/replies.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/value.hpp>

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

// Strings that are numbers.

namespace runnel::inline v0::redis::detail {

// Throws: Refusal, if there is no such number.
[[nodiscard]] inline std::int64_t incremented(std::int64_t old, std::int64_t step) {
    const auto sum = sum_of(old, step);
    if (!sum) refuse("ERR increment or decrement would overflow");
    return *sum;
}

inline Reply add_to(Call& call, std::int64_t step) {
    auto value = call.find_or_make<StringValue>(call[1], std::string{});
    const std::int64_t sum = incremented(value.is_new() ? 0 : integer(value->bytes()), step);
    std::string bytes = std::to_string(sum);
    replace_bytes(call, value, bytes);
    return Reply::integer(sum);
}

inline Reply incr(Call& call) {
    return add_to(call, 1);
}
inline Reply decr(Call& call) {
    return add_to(call, -1);
}
inline Reply incrby(Call& call) {
    return add_to(call, call.integer(2));
}
inline Reply decrby(Call& call) {
    const std::int64_t step = call.integer(2);
    if (step == std::numeric_limits<std::int64_t>::min()) refuse("ERR decrement would overflow");
    return add_to(call, -step);
}

// As Redis writes it: 17 digits behind the point, less the zeros at the end.
[[nodiscard]] inline std::string text_of_float(long double number) {
    constexpr int digits = 17;
    constexpr std::size_t most = std::numeric_limits<long double>::max_exponent10 + digits + 4;
    std::array<char, most> text{};
    const auto result = std::to_chars(text.data(), text.data() + text.size(), number,
                                      std::chars_format::fixed, digits);
    std::string_view all{text.data(), result.ptr};
    all.remove_suffix(all.size() - 1 - all.find_last_not_of('0'));
    if (all.ends_with('.')) all.remove_suffix(1);
    return std::string{all == "-0" ? "0" : all};
}

[[nodiscard]] inline long double float_or(std::string_view word, std::string_view error) {
    const std::optional<long double> number = read_float(word);
    if (!number) refuse(std::string{error});
    return *number;
}
[[nodiscard]] inline long double expect_float(std::string_view word) {
    return float_or(word, "ERR value is not a valid float");
}

// Throws: Refusal, if there is no such number.
[[nodiscard]] inline long double incremented(long double old, long double step) {
    const long double sum = old + step;
    if (!std::isfinite(sum)) refuse("ERR increment would produce NaN or Infinity");
    return sum;
}

inline Reply incrbyfloat(Call& call) {
    auto value = call.find_or_make<StringValue>(call[1], std::string{});
    const long double old = value.is_new() ? 0 : expect_float(value->bytes());
    std::string bytes = text_of_float(incremented(old, expect_float(call[2])));
    Reply reply = Reply::bulk_string(bytes);
    replace_bytes(call, value, bytes);
    return reply;
}

inline constexpr auto counter_commands = std::to_array<CommandInfo>({
    {"incr", 2, Flag::write, {1, 1, 1}, {1, 0}, incr},
    {"decr", 2, Flag::write, {1, 1, 1}, {1, 0}, decr},
    {"incrby", 3, Flag::write, {1, 1, 1}, {1, 0}, incrby},
    {"decrby", 3, Flag::write, {1, 1, 1}, {1, 0}, decrby},
    {"incrbyfloat", 3, Flag::write, {1, 1, 1}, {2, 6}, incrbyfloat},
});

}  // namespace runnel::inline v0::redis::detail
