// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/detail/base/saturated.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <iosfwd>
#include <limits>
#include <optional>
#include <string>
#include <string_view>

namespace runnel::inline v0 {

/// The id of an entry in a Stream: milliseconds since the Unix epoch, and a sequence number within
/// that millisecond. Ordered by (ms, seq). {0, 0} is less than every id of an entry.
///
/// Written "<ms>-<seq>" in decimal, as by Redis.
struct StreamId {
    std::uint64_t ms = 0;
    std::uint64_t seq = 0;

    /// The most bytes an id takes as text: two numbers of 20 digits and the hyphen.
    static constexpr std::size_t max_text_size = 2 * 20 + 1;

    friend constexpr auto operator<=>(StreamId, StreamId) = default;

    /// The least id an entry can have, 0-1.
    [[nodiscard]] static constexpr StreamId min() noexcept { return {0, 1}; }

    /// The greatest id, 18446744073709551615-18446744073709551615.
    [[nodiscard]] static constexpr StreamId max() noexcept { return {last_number, last_number}; }

    /// The id with the millisecond of `time` and `seq`. Times before 1970 give millisecond 0. Times
    /// too late to be counted in milliseconds give the last one that time() can return.
    template <typename Unit>
    [[nodiscard]] static constexpr StreamId at(std::chrono::sys_time<Unit> time,
                                               std::uint64_t seq = 0) noexcept {
        const auto since = detail::saturated<std::chrono::milliseconds>(time.time_since_epoch(),
                                                                        detail::Rounding::down);
        return {since.count() < 0 ? 0 : static_cast<std::uint64_t>(since.count()), seq};
    }

    /// Reads "<ms>-<seq>", or "<ms>" alone, which gets `missing_seq`. As lenient as Redis: each
    /// number may have blanks, one '+' and zeros in front ("07- +1" is 7-1). nullopt for all other
    /// text, for a number of more than 64 bits and for more than 127 bytes; the special ids of
    /// commands ("*", "5-*", "-", "+", "$", "(5-0") are not ids.
    ///
    /// "7- -1", which Redis reads as 7-18446744073709551615 by accident, is refused.
    [[nodiscard]] static constexpr std::optional<StreamId>
    parse(std::string_view text, std::uint64_t missing_seq = 0) noexcept {
        if (text.size() > most_parsed) return std::nullopt;
        const auto hyphen = text.find('-');
        const auto ms = parse_number(text.substr(0, hyphen));
        const auto seq = hyphen == std::string_view::npos ? std::optional{missing_seq}
                                                          : parse_number(text.substr(hyphen + 1));
        if (!ms || !seq) return std::nullopt;
        return StreamId{*ms, *seq};
    }

    /// The least id greater than this one; nullopt for max().
    [[nodiscard]] constexpr std::optional<StreamId> next() const noexcept {
        if (seq < last_number) return StreamId{ms, seq + 1};
        if (ms < last_number) return StreamId{ms + 1, 0};
        return std::nullopt;
    }

    /// The greatest id less than this one; nullopt for 0-0.
    [[nodiscard]] constexpr std::optional<StreamId> previous() const noexcept {
        if (seq > 0) return StreamId{ms, seq - 1};
        if (ms > 0) return StreamId{ms - 1, last_number};
        return std::nullopt;
    }

    /// The time that `ms` stands for; the last time there is if `ms` lies beyond it.
    [[nodiscard]] constexpr std::chrono::sys_time<std::chrono::milliseconds> time() const noexcept {
        using std::chrono::milliseconds;
        constexpr auto last = static_cast<std::uint64_t>(milliseconds::max().count());
        const auto count = static_cast<milliseconds::rep>(std::min(ms, last));
        return std::chrono::sys_time<milliseconds>{milliseconds{count}};
    }

    /// Writes the id as text to `out` and returns where the text ends. Writes no terminating zero
    /// and allocates nothing.
    ///
    /// Requires: `max_text_size` bytes at `out`.
    char* write(char* out) const noexcept {
        out = std::to_chars(out, out + 20, ms).ptr;
        *out++ = '-';
        return std::to_chars(out, out + 20, seq).ptr;
    }

    /// "<ms>-<seq>", both decimal and without leading zeros.
    [[nodiscard]] friend std::string to_string(StreamId id) {
        std::array<char, max_text_size> text{};
        return {text.data(), id.write(text.data())};
    }

    // A template, so that <iosfwd> is enough here.
    template <typename Traits>
    friend std::basic_ostream<char, Traits>& operator<<(std::basic_ostream<char, Traits>& out,
                                                        StreamId id) {
        std::array<char, max_text_size> text{};
        return out << std::basic_string_view<char, Traits>{text.data(), id.write(text.data())};
    }

private:
    static constexpr auto last_number = std::numeric_limits<std::uint64_t>::max();
    static constexpr std::size_t most_parsed = 127;

    // What strtoull() takes in the C locale, but for the minus sign.
    [[nodiscard]] static constexpr std::optional<std::uint64_t>
    parse_number(std::string_view text) noexcept {
        text.remove_prefix(std::min(text.find_first_not_of(" \t\n\v\f\r"), text.size()));
        if (text.starts_with('+')) text.remove_prefix(1);
        if (text.empty()) return std::nullopt;
        std::uint64_t number = 0;
        for (const char c : text) {
            if (c < '0' || c > '9') return std::nullopt;
            const auto digit = static_cast<std::uint64_t>(c - '0');
            if (number > (last_number - digit) / 10) return std::nullopt;
            number = number * 10 + digit;
        }
        return number;
    }
};

/// The id of an entry added at wall-clock time `now_ms`, in milliseconds since 1970, to a stream
/// whose last id is `last`: the rule of `XADD *`. A clock that stands still or steps back yields
/// `last.next()`, so ids only ever grow. nullopt when no id is left.
[[nodiscard]] constexpr std::optional<StreamId> id_after(StreamId last,
                                                         std::uint64_t now_ms) noexcept {
    if (now_ms > last.ms) return StreamId{now_ms, 0};
    return last.next();
}

/// The least id after `last` within the millisecond `ms`: the rule of `XADD <ms>-*`. nullopt when
/// there is none, as `ms` lies before `last` or its sequence numbers are used up.
[[nodiscard]] constexpr std::optional<StreamId> id_after_within(StreamId last,
                                                                std::uint64_t ms) noexcept {
    if (ms > last.ms) return StreamId{ms, 0};
    const auto next = last.next();
    return next && next->ms == ms ? next : std::nullopt;
}

}  // namespace runnel::inline v0

template <>
struct std::hash<runnel::StreamId> {
    [[nodiscard]] std::size_t operator()(runnel::StreamId id) const noexcept {
        // Ids differ in few low bits of either number; multiplying by an odd constant (2^64 over
        // the golden ratio) keeps the two from cancelling out, the shift folds the top back in.
        const std::uint64_t mixed = (id.ms * 0x9E3779B97F4A7C15U) ^ id.seq;
        return mixed ^ (mixed >> 32U);
    }
};
