// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/redis/double_text.hpp>
#include <runnel/redis/reply.hpp>

#include <array>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <ranges>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace runnel::inline v0::redis {

/// The version of Redis' protocol that a client has asked for.
enum class Protocol : std::uint8_t { resp2 = 2, resp3 = 3 };

namespace detail {

inline void append_end(std::string& out) {
    out.append("\r\n", 2);
}

inline void append_number(std::string& out, std::int64_t number) {
    std::array<char, 32> text{};
    const auto written = std::to_chars(text.data(), text.data() + text.size(), number);
    out.append(text.data(), written.ptr);
}

inline void append_line(std::string& out, char type, std::string_view text) {
    out += type;
    out += text;
    append_end(out);
}

inline void append_length(std::string& out, char type, std::int64_t length) {
    out += type;
    append_number(out, length);
    append_end(out);
}

inline void append_bulk(std::string& out, std::string_view text) {
    append_length(out, '$', static_cast<std::int64_t>(text.size()));
    out += text;
    append_end(out);
}

inline void append_null(std::string& out, Protocol protocol, char type_in_resp2) {
    if (protocol == Protocol::resp3)
        append_line(out, '_', {});
    else
        append_length(out, type_in_resp2, -1);
}

// In RESP2 it is a bulk string.
inline void append_double(std::string& out, Protocol protocol, double number) {
    const std::string text = text_of_double(number);
    if (protocol == Protocol::resp3)
        append_line(out, ',', text);
    else
        append_bulk(out, text);
}

// In RESP2 it is an integer.
inline void append_boolean(std::string& out, Protocol protocol, bool flag) {
    if (protocol == Protocol::resp3)
        append_line(out, '#', flag ? "t" : "f");
    else
        append_length(out, ':', flag ? 1 : 0);
}

// In RESP2 all of them are arrays.
inline void append_head(std::string& out, Protocol protocol, char type, std::size_t length) {
    const bool is_map = protocol == Protocol::resp3 && type == '%';
    append_length(out, protocol == Protocol::resp3 ? type : '*',
                  static_cast<std::int64_t>(is_map ? length / 2 : length));
}

// All of a reply but its elements.
inline void append_front(std::string& out, const Reply& reply, Protocol protocol) {
    switch (reply.kind()) {
    case Reply::Kind::simple_string:
        return append_line(out, '+', reply.text());
    case Reply::Kind::error:
        return append_line(out, '-', reply.text());
    case Reply::Kind::integer:
        return append_length(out, ':', reply.integer());
    case Reply::Kind::bulk_string:
        return append_bulk(out, reply.text());
    case Reply::Kind::null:
        return append_null(out, protocol, '$');
    case Reply::Kind::null_array:
        return append_null(out, protocol, '*');
    case Reply::Kind::double_:
        return append_double(out, protocol, reply.number());
    case Reply::Kind::boolean:
        return append_boolean(out, protocol, reply.flag());
    case Reply::Kind::array:
        return append_head(out, protocol, '*', reply.elements().size());
    case Reply::Kind::map:
        return append_head(out, protocol, '%', reply.elements().size());
    case Reply::Kind::set:
        return append_head(out, protocol, '~', reply.elements().size());
    case Reply::Kind::push:
        return append_head(out, protocol, '>', reply.elements().size());
    }
}

[[nodiscard]] inline std::span<const Reply> elements_or_none(const Reply& reply) {
    switch (reply.kind()) {
    case Reply::Kind::array:
    case Reply::Kind::map:
    case Reply::Kind::set:
    case Reply::Kind::push:
        return reply.elements();
    default:
        return {};
    }
}

// Without recursion: nobody bounds how deep a reply is.
inline void append_all(std::string& out, const Reply& reply, Protocol protocol) {
    append_front(out, reply, protocol);
    const auto all = elements_or_none(reply);
    if (all.empty()) return;
    std::vector<std::span<const Reply>> open{all};  // what is left of each aggregate
    while (!open.empty()) {
        auto& left = open.back();
        if (left.empty()) {
            open.pop_back();
            continue;
        }
        const Reply& next = left.front();
        left = left.subspan(1);
        append_front(out, next, protocol);
        if (const auto elements = elements_or_none(next); !elements.empty())
            open.push_back(elements);
    }
}

// Undoes what a call has appended that did not come to its end.
template <typename Append>
void append_or_undo(std::string& out, const Append& append) {
    const std::size_t before = out.size();
    try {
        append();
    } catch (...) {
        out.resize(before);
        throw;
    }
}

}  // namespace detail

/// Appends the bytes of `reply` to `out`. RESP2 has no maps, sets, pushes, doubles and booleans:
/// they become arrays, bulk strings and integers. RESP3 has one null.
inline void append_reply(std::string& out, const Reply& reply, Protocol protocol) {
    detail::append_or_undo(out, [&] { detail::append_all(out, reply, protocol); });
}

/// Appends the bytes of a command, an array of bulk strings, to `out`.
template <std::ranges::sized_range Words>
requires std::convertible_to<std::ranges::range_reference_t<Words>, std::string_view>
void append_command(std::string& out, const Words& words) {
    detail::append_or_undo(out, [&] {
        detail::append_length(out, '*', static_cast<std::int64_t>(std::ranges::size(words)));
        for (const std::string_view word : words) detail::append_bulk(out, word);
    });
}
inline void append_command(std::string& out, std::initializer_list<std::string_view> words) {
    append_command(out, std::span{words.begin(), words.size()});
}

}  // namespace runnel::inline v0::redis
