// SPDX-License-Identifier: MIT
#pragma once

// What a transcript says of a reply: its text, parsed, and whether a reply is like that.

#include <runnel/redis/reply.hpp>
#include <runnel/stream_id.hpp>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace runnel::test {

/// A transcript that nobody understands.
class BadTranscript : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

struct ExpectedReply {
    enum class Kind : std::uint8_t {
        simple_string,  // +OK
        error,          // -ERR text
        integer,        // :5
        double_,        // ,1.5 NOLINT(readability-identifier-naming): double is a keyword
        bulk_string,    // "x"
        null_bulk,      // $-1
        null_array,     // *-1
        null,           // _
        array,          // [a, b]
        map,            // {k: v}
        push,           // >[a, b]
        count,          // :<n>, 0 or more
        time,           // :<ms>, the time of the server
        entry,          // 1-0, an entry of a stream with that id and whatever fields
        entries,        // …3 entries, so many of them
        gap,            // …, any number of elements
        name,           // X, what X stands for, or else what X stands for from now on
        new_id,         // a new id, one that was no reply before
    };

    Kind kind = Kind::null_bulk;
    std::string text{};        // "<ms>" in a bulk string stands for the time of the server
    std::int64_t integer = 0;  // also how many entries
    double number = 0;
    bool is_abbreviated = false;  // of an error: text is how it begins
    std::vector<ExpectedReply> elements{};
};

/// Takes words apart that may stand between quotes: "two words", "\r\n", "\x00".
inline std::string read_quoted(std::string_view& rest) {
    std::string text;
    rest.remove_prefix(1);
    while (!rest.empty() && rest.front() != '"') {
        char c = rest.front();
        rest.remove_prefix(1);
        if (c == '\\' && !rest.empty()) {
            c = rest.front();
            rest.remove_prefix(1);
            if (c == 'x' && rest.size() >= 2) {
                unsigned value = 0;
                std::from_chars(rest.data(), rest.data() + 2, value, 16);
                c = static_cast<char>(value);
                rest.remove_prefix(2);
            } else if (c == 'r') {
                c = '\r';
            } else if (c == 'n') {
                c = '\n';
            }
        }
        text += c;
    }
    if (rest.empty()) throw BadTranscript{"a quote that nothing closes"};
    rest.remove_prefix(1);
    return text;
}

class ReplyParser {
public:
    explicit ReplyParser(std::string_view text) : rest_{text} {}

    ExpectedReply parse() {
        ExpectedReply reply = parse_whole();
        if (!rest_.empty()) throw BadTranscript{"not understood: " + std::string{rest_}};
        return reply;
    }

private:
    using Kind = ExpectedReply::Kind;

    static constexpr std::string_view ellipsis = "…";
    static constexpr std::string_view address = "<addr>";  // of whatever node

    // What only a whole reply may be.
    ExpectedReply parse_whole() {
        if (take("a new id")) return {.kind = Kind::new_id};
        if (rest_.size() == 1 && rest_.front() >= 'A' && rest_.front() <= 'Z')
            return {.kind = Kind::name, .text = take_all()};
        if (take("+")) return {.kind = Kind::simple_string, .text = take_all()};
        if (take("-")) return error(take_all());
        return parse_element();
    }

    ExpectedReply parse_element() {
        if (take("+")) return {.kind = Kind::simple_string, .text = take_line()};
        if (take("-")) return error(take_line());
        if (take(":<n>")) return {.kind = Kind::count};
        if (take(":<ms>")) return {.kind = Kind::time};
        if (take(":")) return {.kind = Kind::integer, .integer = take_integer()};
        if (take(",")) return {.kind = Kind::double_, .number = take_number<double>()};
        if (take("$-1")) return {.kind = Kind::null_bulk};
        if (take("*-1")) return {.kind = Kind::null_array};
        if (take("_")) return {.kind = Kind::null};
        if (take(ellipsis)) return parse_gap();
        if (take("[")) return {.kind = Kind::array, .elements = parse_elements("]")};
        if (take(">[")) return {.kind = Kind::push, .elements = parse_elements("]")};
        if (take("{")) return {.kind = Kind::map, .elements = parse_elements("}")};
        if (!rest_.empty() && rest_.front() == '"')
            return {.kind = Kind::bulk_string, .text = read_quoted(rest_)};
        return {.kind = Kind::entry, .text = take_id()};
    }

    ExpectedReply parse_gap() {
        if (rest_.empty() || rest_.front() < '0' || rest_.front() > '9') return {.kind = Kind::gap};
        const std::int64_t count = take_integer();
        if (!take(" entries")) throw BadTranscript{"entries are expected behind … and a number"};
        return {.kind = Kind::entries, .integer = count};
    }

    // Of a map: key, value, key, value.
    std::vector<ExpectedReply> parse_elements(std::string_view end) {
        std::vector<ExpectedReply> elements;
        if (take(end)) return elements;
        do {
            elements.push_back(parse_element());
        } while (take(", ") || (end == "}" && take(": ")));
        if (!take(end)) throw BadTranscript{"no " + std::string{end} + " before: " + take_all()};
        return elements;
    }

    static ExpectedReply error(std::string text) {
        for (const std::string_view rest : {ellipsis, address}) {
            if (!text.ends_with(rest)) continue;
            text.resize(text.size() - rest.size());
            return {.kind = Kind::error, .text = std::move(text), .is_abbreviated = true};
        }
        return {.kind = Kind::error, .text = std::move(text)};
    }

    bool take(std::string_view words) {
        if (!rest_.starts_with(words)) return false;
        rest_.remove_prefix(words.size());
        return true;
    }
    std::string take_all() { return take_first(rest_.size()); }
    std::string take_first(std::size_t size) {
        std::string text{rest_.substr(0, size)};
        rest_.remove_prefix(text.size());
        return text;
    }
    // A string or an error that is an element.
    std::string take_line() {
        return take_first(std::min(rest_.find_first_of(",]}"), rest_.size()));
    }
    std::string take_id() {
        const std::size_t size = std::min(rest_.find_first_of(",]}"), rest_.size());
        if (!StreamId::parse(rest_.substr(0, size)))
            throw BadTranscript{"not understood: " + take_all()};
        return take_first(size);
    }
    std::int64_t take_integer() { return take_number<std::int64_t>(); }
    template <typename Number>
    Number take_number() {
        Number value = 0;
        const auto [end, problem] =
            std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
        if (problem != std::errc{}) throw BadTranscript{"no number: " + std::string{rest_}};
        rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
        return value;
    }

    std::string_view rest_;
};

/// What a transcript may refer to.
struct TranscriptNames {
    std::int64_t now = 0;
    std::map<std::string, std::string> values{};  // of X, Y
    std::set<std::string> replied{};              // all bulk strings
};

/// Whether replies are as expected. It notes what names stand for.
class ReplyMatcher {
public:
    explicit ReplyMatcher(TranscriptNames& names) : names_{names} {}

    bool matches(const ExpectedReply& expected, const redis::Reply& reply) {
        const bool is_match = matches_kind(expected, reply);
        if (is_match && reply.kind() == Kind::bulk_string) names_.replied.insert(reply.text());
        return is_match;
    }

private:
    using Expect = ExpectedReply::Kind;
    using Kind = redis::Reply::Kind;

    bool matches_kind(const ExpectedReply& expected, const redis::Reply& reply) {
        switch (expected.kind) {
        case Expect::simple_string:
            return reply.kind() == Kind::simple_string && reply.text() == expected.text;
        case Expect::error:
            return reply.is_error() && matches_error(expected, reply.text());
        case Expect::bulk_string:
            return reply.kind() == Kind::bulk_string && reply.text() == with_time(expected.text);
        case Expect::null_bulk:
        case Expect::null:
            return reply.kind() == Kind::null;
        case Expect::null_array:
            return reply.kind() == Kind::null_array;
        case Expect::array:
            return reply.kind() == Kind::array && all_match(expected, reply);
        case Expect::map:
            return reply.kind() == Kind::map && all_match(expected, reply);
        case Expect::push:
            return reply.kind() == Kind::push && all_match(expected, reply);
        case Expect::entry:
            return is_entry(reply) && has_id(reply, expected.text);
        case Expect::name:
            return reply.kind() == Kind::bulk_string && is_named(expected, reply);
        case Expect::new_id:
            return reply.kind() == Kind::bulk_string && is_new_id(reply.text());
        case Expect::double_:
            return reply == redis::Reply::double_(expected.number);
        case Expect::integer:
        case Expect::count:
        case Expect::time:
            return reply.kind() == Kind::integer && matches_integer(expected, reply);
        case Expect::entries:
        case Expect::gap:
            break;  // several elements, see below
        }
        return false;
    }

    bool matches_integer(const ExpectedReply& expected, const redis::Reply& reply) const {
        if (expected.kind == Expect::count) return reply.integer() >= 0;
        return reply.integer() == (expected.kind == Expect::time ? names_.now : expected.integer);
    }

    static bool matches_error(const ExpectedReply& expected, const std::string& text) {
        if (!expected.is_abbreviated) return text == expected.text;
        return text.size() > expected.text.size() && text.starts_with(expected.text);
    }

    bool all_match(const ExpectedReply& expected, const redis::Reply& reply) {
        return all_match(std::span{expected.elements}, reply.elements());
    }

    bool all_match(std::span<const ExpectedReply> expected,
                   std::span<const redis::Reply> elements) {
        if (expected.empty()) return elements.empty();
        const ExpectedReply& first = expected.front();
        const auto others = expected.subspan(1);
        if (first.kind == Expect::gap) {
            for (std::size_t skipped = 0; skipped <= elements.size(); ++skipped)
                if (all_match(others, elements.subspan(skipped))) return true;
            return false;
        }
        if (first.kind == Expect::entries) {
            const auto count = static_cast<std::size_t>(first.integer);
            return elements.size() >= count &&
                   std::ranges::all_of(elements.first(count), is_entry) &&
                   all_match(others, elements.subspan(count));
        }
        return !elements.empty() && matches(first, elements.front()) &&
               all_match(others, elements.subspan(1));
    }

    static bool is_entry(const redis::Reply& reply) {
        if (reply.kind() != Kind::array || reply.elements().size() != 2) return false;
        const redis::Reply& id = reply.elements()[0];
        return id.kind() == Kind::bulk_string && StreamId::parse(id.text()).has_value() &&
               reply.elements()[1].kind() == Kind::array;
    }
    static bool has_id(const redis::Reply& entry, const std::string& id) {
        return entry.elements()[0].text() == id;
    }

    bool is_named(const ExpectedReply& expected, const redis::Reply& reply) {
        return names_.values.try_emplace(expected.text, reply.text()).first->second == reply.text();
    }

    [[nodiscard]] bool is_new_id(const std::string& text) const {
        return StreamId::parse(text).has_value() && !names_.replied.contains(text);
    }

    [[nodiscard]] std::string with_time(std::string text) const {
        constexpr std::string_view time = "<ms>";
        if (const std::size_t found = text.find(time); found != std::string::npos)
            text.replace(found, time.size(), std::to_string(names_.now));
        return text;
    }

    TranscriptNames& names_;
};

}  // namespace runnel::test
