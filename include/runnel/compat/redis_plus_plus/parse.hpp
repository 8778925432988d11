// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/compat/redis_plus_plus/errors.hpp>
#include <runnel/compat/redis_plus_plus/options.hpp>
#include <runnel/detail/base/parse_integer.hpp>
#include <runnel/redis/reply.hpp>

#include <charconv>
#include <concepts>
#include <cstddef>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <tuple>
#include <type_traits>
#include <utility>

// What a reply is as a value of C++. All that returns a value, or fills an output iterator, goes
// through here.

namespace runnel::inline v0::compat::sw {

using Reply = redis::Reply;

/// What command() returns unless it is told a type. Never null: a null of Redis is a Reply.
using ReplyUPtr = std::unique_ptr<Reply>;

namespace detail {

[[noreturn]] inline void refuse(std::string_view expected, const Reply& reply) {
    throw ProtoError{"expect " + std::string{expected} + " reply, but got " +
                     std::string{to_string(reply.kind())} + " reply"};
}

[[nodiscard]] inline bool is_text(const Reply& reply) noexcept {
    return reply.kind() == Reply::Kind::bulk_string || reply.kind() == Reply::Kind::simple_string;
}
// In RESP3 some arrays are maps or sets.
[[nodiscard]] inline bool is_list(const Reply& reply) noexcept {
    switch (reply.kind()) {
    case Reply::Kind::array:
    case Reply::Kind::map:
    case Reply::Kind::set:
    case Reply::Kind::push:
        return true;
    default:
        return false;
    }
}
[[nodiscard]] inline redis::ReplyElements elements_of(const Reply& reply) {
    if (!is_list(reply)) refuse("ARRAY", reply);
    return reply.elements();
}
// The same of an array that stands for so many values.
[[nodiscard]] inline redis::ReplyElements elements_of(const Reply& reply, std::size_t count) {
    auto elements = elements_of(reply);
    if (elements.size() != count)
        throw ProtoError{"expect " + std::to_string(count) + " elements, but got " +
                         std::to_string(elements.size())};
    return elements;
}

template <typename T>
inline constexpr bool is_pair = false;
template <typename First, typename Second>
inline constexpr bool is_pair<std::pair<First, Second>> = true;

template <typename T>
concept Container = !std::same_as<T, std::string> && requires(T container) {
    typename T::value_type;
    container.insert(container.end(), std::declval<typename T::value_type>());
};

// The type of the elements that an output iterator takes.
template <typename Output>
struct ElementOf {
    using Type = typename std::iterator_traits<Output>::value_type;
};
template <typename Output>
requires requires {
    typename Output::container_type;
}
struct ElementOf<Output> {
    using Type = typename Output::container_type::value_type;
};
template <typename Output>
using Element = typename ElementOf<Output>::Type;

template <typename T>
struct Parse;

template <typename T>
[[nodiscard]] T reply_to(const Reply& reply) {
    return Parse<T>::from(reply);
}

template <>
struct Parse<void> {
    static void from(const Reply& reply) {
        if (reply.kind() != Reply::Kind::simple_string) refuse("STATUS", reply);
        if (reply.text() != "OK") throw ProtoError{"NOT ok status reply: " + reply.text()};
    }
};

template <>
struct Parse<std::string> {
    [[nodiscard]] static std::string from(const Reply& reply) {
        if (!is_text(reply)) refuse("STRING or STATUS", reply);
        return reply.text();
    }
};

template <>
struct Parse<long long> {
    [[nodiscard]] static long long from(const Reply& reply) {
        if (reply.kind() != Reply::Kind::integer) refuse("INTEGER", reply);
        return reply.integer();
    }
};

template <>
struct Parse<double> {
    // In RESP2 a double is a string.
    [[nodiscard]] static double from(const Reply& reply) {
        if (reply.kind() == Reply::Kind::double_) return reply.number();
        const auto text = reply_to<std::string>(reply);
        double number = 0;
        const char* const end = text.data() + text.size();
        const auto [stop, error] = std::from_chars(text.data(), end, number);
        if (error != std::errc{} || stop != end) throw ProtoError{"not a double reply: " + text};
        return number;
    }
};

template <>
struct Parse<bool> {
    [[nodiscard]] static bool from(const Reply& reply) {
        if (reply.kind() == Reply::Kind::boolean) return reply.flag();
        const auto number = reply_to<long long>(reply);
        if (number != 0 && number != 1)
            throw ProtoError{"Invalid bool reply: " + std::to_string(number)};
        return number == 1;
    }
};

template <typename T>
struct Parse<std::optional<T>> {
    [[nodiscard]] static std::optional<T> from(const Reply& reply) {
        if (reply.is_null()) return std::nullopt;
        return std::optional<T>{reply_to<T>(reply)};
    }
};

template <>
struct Parse<ReplyUPtr> {
    [[nodiscard]] static ReplyUPtr from(const Reply& reply) {
        return std::make_unique<Reply>(reply);
    }
};

template <typename First, typename Second>
struct Parse<std::pair<First, Second>> {
    using Pair = std::pair<std::remove_const_t<First>, std::remove_const_t<Second>>;

    [[nodiscard]] static Pair from(const Reply& reply) {
        const auto both = elements_of(reply, 2);
        return from(both[0], both[1]);
    }
    [[nodiscard]] static Pair from(const Reply& first, const Reply& second) {
        return {reply_to<std::remove_const_t<First>>(first),
                reply_to<std::remove_const_t<Second>>(second)};
    }
};

template <typename... Parts>
struct Parse<std::tuple<Parts...>> {
    [[nodiscard]] static std::tuple<Parts...> from(const Reply& reply) {
        const auto all = elements_of(reply, sizeof...(Parts));
        return from(all, std::index_sequence_for<Parts...>{});
    }

private:
    template <std::size_t... Index>
    [[nodiscard]] static std::tuple<Parts...> from(const redis::ReplyElements& all,
                                                   std::index_sequence<Index...> /*which*/) {
        return {reply_to<Parts>(all[Index])...};
    }
};

// Whether pairs stand there as first, second, first, second, … They may also stand there as arrays
// of two elements.
[[nodiscard]] inline bool is_flat(const redis::ReplyElements& elements) {
    return !elements.empty() && !is_list(elements[0]);
}

// Puts the elements of an array where `output` says, each as what it takes.
template <typename Output>
void elements_to(const Reply& reply, Output output) {
    using T = Element<Output>;
    const auto elements = elements_of(reply);
    if constexpr (is_pair<T>) {
        if (is_flat(elements)) {
            if (elements.size() % 2 != 0) throw ProtoError{"the last element has no second one"};
            for (std::size_t at = 0; at != elements.size(); at += 2) {
                *output = Parse<T>::from(elements[at], elements[at + 1]);
                ++output;
            }
            return;
        }
    }
    for (const Reply& element : elements) {
        *output = reply_to<T>(element);
        ++output;
    }
}

template <Container T>
struct Parse<T> {
    [[nodiscard]] static T from(const Reply& reply) {
        T container;
        elements_to(reply, std::inserter(container, container.end()));
        return container;
    }
};

// A cursor, and what was found on the way to it.
template <typename Output>
[[nodiscard]] long long scanned_to(const Reply& reply, Output output) {
    const auto both = elements_of(reply, 2);
    const auto text = reply_to<std::string>(both[0]);
    const auto cursor = runnel::detail::parse_integer(text);
    if (!cursor) throw ProtoError{"Invalid cursor reply: " + text};
    elements_to(both[1], output);
    return *cursor;
}

using PendingSummary = std::tuple<long long, OptionalString, OptionalString>;

// The short form of XPENDING, whose last element is the list of consumers, or null.
template <typename Output>
[[nodiscard]] PendingSummary pending_to(const Reply& reply, Output output) {
    const auto parts = elements_of(reply, 4);
    PendingSummary summary{reply_to<long long>(parts[0]), reply_to<OptionalString>(parts[1]),
                           reply_to<OptionalString>(parts[2])};
    if (!parts[3].is_null()) elements_to(parts[3], output);
    return summary;
}

// Whether SET has set its key.
[[nodiscard]] inline bool has_set(const Reply& reply) {
    if (reply.is_null()) return false;
    reply_to<void>(reply);
    return true;
}

// What a sorted set without members answers to ZPOPMIN, is null.
[[nodiscard]] inline Reply null_if_empty(const Reply& reply) {
    return is_list(reply) && reply.elements().empty() ? Reply::null() : reply;
}

}  // namespace detail

/// What code does with the ReplyUPtr of command(): `reply::parse<OptionalString>(*reply)`.
namespace reply {

/// Throws: ProtoError if the reply is not of that type.
template <typename T>
T parse(const Reply& reply) {
    return detail::reply_to<T>(reply);
}
template <typename Output>
void to_array(const Reply& reply, Output output) {
    detail::elements_to(reply, output);
}
inline std::string to_status(const Reply& reply) {
    if (reply.kind() != Reply::Kind::simple_string) detail::refuse("STATUS", reply);
    return reply.text();
}

[[nodiscard]] inline bool is_error(const Reply& reply) noexcept {
    return reply.is_error();
}
[[nodiscard]] inline bool is_nil(const Reply& reply) noexcept {
    return reply.is_null();
}
[[nodiscard]] inline bool is_string(const Reply& reply) noexcept {
    return reply.kind() == Reply::Kind::bulk_string;
}
[[nodiscard]] inline bool is_status(const Reply& reply) noexcept {
    return reply.kind() == Reply::Kind::simple_string;
}
[[nodiscard]] inline bool is_integer(const Reply& reply) noexcept {
    return reply.kind() == Reply::Kind::integer;
}
[[nodiscard]] inline bool is_array(const Reply& reply) noexcept {
    return reply.kind() == Reply::Kind::array;
}

}  // namespace reply

}  // namespace runnel::inline v0::compat::sw
