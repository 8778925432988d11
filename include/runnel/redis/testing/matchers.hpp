// SPDX-License-Identifier: MIT
#pragma once

// Matchers of replies, for CHECK_THAT of Catch2 (2 and 3) and EXPECT_THAT of GoogleTest alike.

#include <runnel/version.hpp>

#include <runnel/redis/reply.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::testing {

namespace detail {

inline constexpr std::string_view no_reply =
    "no reply: the connection is closed, or the answers are pushes";

[[nodiscard]] inline bool has_elements(const Reply& reply) {
    using Kind = Reply::Kind;
    return reply.kind() == Kind::array || reply.kind() == Kind::set || reply.kind() == Kind::map ||
           reply.kind() == Kind::push;
}
[[nodiscard]] inline bool has_text(const Reply& reply) {
    return reply.kind() == Reply::Kind::bulk_string || reply.kind() == Reply::Kind::simple_string;
}
// In one line, such as ["a", "b"].
[[nodiscard]] inline std::string listed(const std::vector<std::string>& texts) {
    std::string out = "[";
    for (const std::string& text : texts) {
        if (out.size() > 1) out += ", ";
        out += to_string(Reply::bulk_string(text));
    }
    return out + ']';
}

}  // namespace detail

/// What a reply is to be: a predicate, and its description. It matches a Reply, and a
/// std::optional<Reply> that has one. With `!`, `&&` and `||` others are made of it.
///
/// It has what Catch2 asks of a matcher (match(), toString()) and what GoogleTest does
/// (MatchAndExplain(), DescribeTo()), and needs neither.
class ReplyMatcher {
public:
    using is_gtest_matcher = void;  // NOLINT(readability-identifier-naming): GoogleTest's

    /// `description` goes on after "is": "an integer".
    ReplyMatcher(std::string description, std::function<bool(const Reply&)> holds)
        : description_{std::move(description)}, holds_{std::move(holds)} {}
    /// Equal to this reply.
    ReplyMatcher(const Reply& reply)  // NOLINT(google-explicit-constructor)
        : ReplyMatcher{to_string(reply), [reply](const Reply& found) { return found == reply; }} {}

    [[nodiscard]] bool match(const std::optional<Reply>& reply) const {
        return reply.has_value() && holds_(*reply);
    }
    /// Without "is".
    [[nodiscard]] const std::string& description() const noexcept { return description_; }

    [[nodiscard]] ReplyMatcher operator!() const {
        return {"not " + description_,
                [holds = holds_](const Reply& reply) { return !holds(reply); }};
    }
    [[nodiscard]] friend ReplyMatcher operator&&(const ReplyMatcher& one,
                                                 const ReplyMatcher& other) {
        return {one.description_ + " and " + other.description_, [one, other](const Reply& reply) {
                    return one.match(reply) && other.match(reply);
                }};
    }
    [[nodiscard]] friend ReplyMatcher operator||(const ReplyMatcher& one,
                                                 const ReplyMatcher& other) {
        return {one.description_ + " or " + other.description_, [one, other](const Reply& reply) {
                    return one.match(reply) || other.match(reply);
                }};
    }

    // NOLINTBEGIN(readability-identifier-naming): as the frameworks have it
    [[nodiscard]] std::string toString() const { return "is " + description_; }
    bool MatchAndExplain(const std::optional<Reply>& reply, std::ostream* explanation) const {
        if (!reply && explanation != nullptr) *explanation << "which is " << detail::no_reply;
        return match(reply);
    }
    void DescribeTo(std::ostream* out) const { *out << "is " << description_; }
    void DescribeNegationTo(std::ostream* out) const { *out << "is not " << description_; }
    // NOLINTEND(readability-identifier-naming)

private:
    std::string description_;
    std::function<bool(const Reply&)> holds_;
};

/// A status, such as "QUEUED".
struct IsStatus : ReplyMatcher {
    explicit IsStatus(const std::string& text)
        : ReplyMatcher{"the status " + text, [text](const Reply& reply) {
                           return reply.kind() == Reply::Kind::simple_string &&
                                  reply.text() == text;
                       }} {}
};

/// The status OK.
struct IsOk : IsStatus {
    IsOk() : IsStatus{"OK"} {}
};

/// Either null.
struct IsNull : ReplyMatcher {
    IsNull() : ReplyMatcher{"(nil)", [](const Reply& reply) { return reply.is_null(); }} {}
};

struct IsInteger : ReplyMatcher {
    explicit IsInteger(std::int64_t number) : ReplyMatcher{Reply::integer(number)} {}
};

/// A string of any bytes.
struct IsBulk : ReplyMatcher {
    explicit IsBulk(std::string text) : ReplyMatcher{Reply::bulk_string(std::move(text))} {}
};

/// An error with this code, such as "WRONGTYPE", or whose text begins so.
struct IsError : ReplyMatcher {
    IsError() : ReplyMatcher{"an error", [](const Reply& reply) { return reply.is_error(); }} {}
    explicit IsError(const std::string& beginning)
        : ReplyMatcher{"an error that begins with " + beginning, [beginning](const Reply& reply) {
                           return reply.is_error() && reply.text().starts_with(beginning);
                       }} {}
};

/// An array, a set, a map or a push with these elements in this order. Each is a matcher or a
/// Reply: `IsArray({IsBulk("jobs"), IsInteger(3)})`.
struct IsArray : ReplyMatcher {
    IsArray(const std::vector<ReplyMatcher>& elements)  // NOLINT(google-explicit-constructor)
        : ReplyMatcher{described(elements), [elements](const Reply& reply) {
                           return detail::has_elements(reply) &&
                                  std::ranges::equal(reply.elements(), elements,
                                                     [](const Reply& found, const auto& expected) {
                                                         return expected.match(found);
                                                     });
                       }} {}
    IsArray(std::initializer_list<ReplyMatcher> elements)
        : IsArray{std::vector<ReplyMatcher>{elements}} {}

private:
    [[nodiscard]] static std::string described(const std::vector<ReplyMatcher>& elements) {
        std::string text = "an array of " + std::to_string(elements.size()) + ':';
        for (std::size_t at = 0; at != elements.size(); ++at)
            text += (at == 0 ? " " : ", then ") + elements[at].description();
        return text;
    }
};

/// An array, a set, a map or a push without elements.
struct IsEmptyArray : ReplyMatcher {
    IsEmptyArray()
        : ReplyMatcher{"an empty array", [](const Reply& reply) {
                           return detail::has_elements(reply) && reply.elements().empty();
                       }} {}
};

/// An array, a set, a map or a push of strings: these, in this order.
struct IsStrings : ReplyMatcher {
    IsStrings(const std::vector<std::string>& texts)  // NOLINT(google-explicit-constructor)
        : ReplyMatcher{"the strings " + detail::listed(texts), [texts](const Reply& reply) {
                           return are_strings(reply) && reply.strings() == texts;
                       }} {}
    IsStrings(std::initializer_list<std::string> texts)
        : IsStrings{std::vector<std::string>{texts}} {}

    [[nodiscard]] static bool are_strings(const Reply& reply) {
        return detail::has_elements(reply) &&
               std::ranges::all_of(reply.elements(), detail::has_text);
    }
};

/// The same in any order, as SMEMBERS and KEYS return them.
struct IsStringsInAnyOrder : ReplyMatcher {
    IsStringsInAnyOrder(
        const std::vector<std::string>& texts)  // NOLINT(google-explicit-constructor)
        : ReplyMatcher{"in any order the strings " + detail::listed(texts),
                       [sorted = sorted(texts)](const Reply& reply) {
                           return IsStrings::are_strings(reply) &&
                                  IsStringsInAnyOrder::sorted(reply.strings()) == sorted;
                       }} {}
    IsStringsInAnyOrder(std::initializer_list<std::string> texts)
        : IsStringsInAnyOrder{std::vector<std::string>{texts}} {}

private:
    [[nodiscard]] static std::vector<std::string> sorted(std::vector<std::string> texts) {
        std::ranges::sort(texts);
        return texts;
    }
};

/// An array, a set, a map or a push that has such an element, at whatever place.
[[nodiscard]] inline ReplyMatcher
HasElement(const ReplyMatcher& element) {  // NOLINT(readability-identifier-naming): as the others
    return {"an array with the element " + element.description(), [element](const Reply& reply) {
                return detail::has_elements(reply) &&
                       std::ranges::any_of(reply.elements(),
                                           [&](const Reply& one) { return element.match(one); });
            }};
}

/// A map, or the array that stands for one in RESP2, that has such a value for the key.
struct HasField : ReplyMatcher {
    HasField(const std::string& key, const ReplyMatcher& value)
        : ReplyMatcher{"a map where " + key + " is " + value.description(),
                       [key, value](const Reply& reply) {
                           if (!detail::has_elements(reply)) return false;
                           const Reply* const found = reply.find(key);
                           return found != nullptr && value.match(*found);
                       }} {}
};

}  // namespace runnel::inline v0::redis::testing
