// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/redis/double_text.hpp>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#if __has_include(<sw/redis++/command_options.h>)
#    include <sw/redis++/command_options.h>
#endif

// The words of redis-plus-plus that are arguments. Its enumerations are its own if its headers are
// there, so that code that names them may call either client.

namespace runnel::inline v0::compat::sw {

using StringView = std::string_view;
template <typename T>
using Optional = std::optional<T>;
using OptionalString = Optional<std::string>;
using OptionalLongLong = Optional<long long>;
using OptionalDouble = Optional<double>;
using OptionalStringPair = Optional<std::pair<std::string, std::string>>;

/// How a Redis connects to its Server.
struct ConnectionOptions {
    /// What it says by AUTH; of the user `default` without a password: nothing.
    std::string user = "default";
    std::string password{};
    /// The database of the server.
    int db = 0;
    /// 3: HELLO 3 is sent first.
    int resp = 2;
    /// If a reply takes longer, TimeoutError is thrown, also if the command itself would wait for
    /// longer. By the server's clock; 0: it may take for ever.
    std::chrono::milliseconds socket_timeout{0};
};

#if __has_include(<sw/redis++/command_options.h>)

using ::sw::redis::BoundType;
using ::sw::redis::InsertPosition;
using ::sw::redis::LimitOptions;
using ::sw::redis::ListWhence;
using ::sw::redis::UpdateType;
using ::sw::redis::XtrimStrategy;

#else

// NOLINTBEGIN(readability-identifier-naming): they are named as there
enum class UpdateType { EXIST, NOT_EXIST, ALWAYS };
enum class InsertPosition { BEFORE, AFTER };
enum class ListWhence { LEFT, RIGHT };
enum class XtrimStrategy { MAXLEN, MINID };
enum class BoundType { CLOSED, OPEN, LEFT_OPEN, RIGHT_OPEN };
// NOLINTEND(readability-identifier-naming)

struct LimitOptions {
    long long offset = 0;
    long long count = -1;
};

#endif

namespace detail {

// An end of an interval: a score, or a member of a sorted set.
[[nodiscard]] inline std::string end_text(double score, bool is_open) {
    return (is_open ? "(" : "") + redis::detail::text_of_double(score);
}
[[nodiscard]] inline std::string end_text(const std::string& member, bool is_open) {
    return (is_open ? '(' : '[') + member;
}

[[nodiscard]] constexpr bool is_left_open(BoundType type) noexcept {
    return type == BoundType::OPEN || type == BoundType::LEFT_OPEN;
}
[[nodiscard]] constexpr bool is_right_open(BoundType type) noexcept {
    return type == BoundType::OPEN || type == BoundType::RIGHT_OPEN;
}

template <typename T>
struct NoEnd;
template <>
struct NoEnd<double> {
    static constexpr const char* lower = "-inf";
    static constexpr const char* upper = "+inf";
};
template <>
struct NoEnd<std::string> {
    static constexpr const char* lower = "-";
    static constexpr const char* upper = "+";
};

// What an interval is to a command: its two ends.
class Ends {
public:
    [[nodiscard]] const std::string& lower() const noexcept { return lower_; }
    [[nodiscard]] const std::string& upper() const noexcept { return upper_; }

protected:
    Ends(std::string lower, std::string upper) noexcept
        : lower_(std::move(lower)), upper_(std::move(upper)) {}

private:
    std::string lower_;
    std::string upper_;
};

}  // namespace detail

/// Intervals of scores, with T double, and of members, with T std::string.
template <typename T>
class UnboundedInterval : public detail::Ends {
public:
    UnboundedInterval() : Ends{detail::NoEnd<T>::lower, detail::NoEnd<T>::upper} {}
};

template <typename T>
class BoundedInterval : public detail::Ends {
public:
    BoundedInterval(const T& lower, const T& upper, BoundType type)
        : Ends{detail::end_text(lower, detail::is_left_open(type)),
               detail::end_text(upper, detail::is_right_open(type))} {}
};

/// BoundType::OPEN excludes `lower`, BoundType::RIGHT_OPEN includes it.
template <typename T>
class LeftBoundedInterval : public detail::Ends {
public:
    LeftBoundedInterval(const T& lower, BoundType type)
        : Ends{detail::end_text(lower, detail::is_left_open(type)), detail::NoEnd<T>::upper} {}
};

/// BoundType::OPEN excludes `upper`, BoundType::LEFT_OPEN includes it.
template <typename T>
class RightBoundedInterval : public detail::Ends {
public:
    RightBoundedInterval(const T& upper, BoundType type)
        : Ends{detail::NoEnd<T>::lower, detail::end_text(upper, detail::is_right_open(type))} {}
};

}  // namespace runnel::inline v0::compat::sw
