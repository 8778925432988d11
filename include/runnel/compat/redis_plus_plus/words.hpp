// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/compat/redis_plus_plus/errors.hpp>
#include <runnel/redis/double_text.hpp>

#include <concepts>
#include <iterator>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace runnel::inline v0::compat::sw {

namespace detail {

template <typename T>
concept Text = std::convertible_to<const T&, std::string_view>;

// What takes a range by two iterators takes these. A `const char*` is a text, not an iterator.
template <typename Input>
concept Iterates = std::input_iterator<Input> && !Text<Input>;

[[nodiscard]] inline std::string text_of(bool flag) {
    return flag ? "1" : "0";
}
template <std::integral Number>
[[nodiscard]] std::string text_of(Number number) {
    return std::to_string(number);
}
// The shortest that reads back as the same number.
template <std::floating_point Number>
[[nodiscard]] std::string text_of(Number number) {
    return redis::detail::text_of_double(static_cast<double>(number));
}

}  // namespace detail

/// The words of a command, as they are sent.
class CmdArgs {
public:
    CmdArgs() = default;
    /// Of texts, numbers, and pairs of these.
    template <typename... Args>
    requires(sizeof...(Args) != 0) explicit CmdArgs(const Args&... args) { append(args...); }

    CmdArgs& operator<<(std::string_view text) {
        words_.emplace_back(text);
        return *this;
    }
    template <typename Number>
    requires std::is_arithmetic_v<Number> CmdArgs& operator<<(Number number) {
        words_.push_back(detail::text_of(number));
        return *this;
    }
    /// Two words, or a range of words if they are iterators.
    template <typename First, typename Second>
    CmdArgs& operator<<(const std::pair<First, Second>& pair) {
        if constexpr (detail::Iterates<First> && std::same_as<First, Second>) {
            for (First at = pair.first; at != pair.second; ++at) *this << *at;
            return *this;
        } else {
            return *this << pair.first << pair.second;
        }
    }

    template <typename... Args>
    CmdArgs& append(const Args&... args) {
        words_.reserve(words_.size() + sizeof...(args));
        // NOLINTNEXTLINE(cppcoreguidelines-pro-bounds-array-to-pointer-decay): of string literals
        (void)(*this << ... << args);
        return *this;
    }

    /// Throws: Error if the range is empty.
    template <typename Input>
    CmdArgs& append_range(Input first, Input last) {
        if (first == last) throw Error{words_.front() + ": no key specified"};
        return *this << std::pair{first, last};
    }

    [[nodiscard]] std::size_t size() const noexcept { return words_.size(); }
    [[nodiscard]] const std::vector<std::string>& words() const noexcept { return words_; }

private:
    std::vector<std::string> words_;
};

}  // namespace runnel::inline v0::compat::sw
