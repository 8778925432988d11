// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/assert.hpp>
#include <runnel/error.hpp>
#include <runnel/redis/double_text.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace runnel::inline v0::redis {

class ReplyElements;

/// What Redis answers to a command, or pushes: a value. Copies share long texts and elements, so a
/// copy allocates nothing.
///
/// An accessor that does not fit the kind throws Error with ErrorCode::wrong_reply, whose text says
/// what was found: "Reply::integer(): it is an error: ERR no such key".
class Reply {
public:
    enum class Kind : std::uint8_t {
        simple_string,
        error,
        integer,
        bulk_string,
        null,
        null_array,
        array,
        map,
        set,
        push,
        double_,  // NOLINT(readability-identifier-naming): double is a keyword
        boolean,
    };

    /// null.
    Reply() noexcept = default;
    // The only string that is copied is one that needs no memory, see text_of().
    Reply(const Reply& other) noexcept = default;
    Reply& operator=(const Reply& other) noexcept {
        *this = Reply{other};
        return *this;
    }
    /// `other` becomes null.
    Reply(Reply&& other) noexcept : kind_{other.kind_}, value_{std::move(other.value_)} {
        other.become_null();
    }
    Reply& operator=(Reply&& other) noexcept {
        if (this == &other) return *this;
        kind_ = other.kind_;
        value_ = std::move(other.value_);
        other.become_null();
        return *this;
    }
    ~Reply() = default;

    /// CR and LF would end the text where it is sent, and become blanks.
    [[nodiscard]] static Reply simple_string(std::string text) {
        return {Kind::simple_string, text_of(one_line(std::move(text)))};
    }
    /// The first word is the code. CR and LF become blanks, as Redis has it.
    [[nodiscard]] static Reply error(std::string text) {
        return {Kind::error, text_of(one_line(std::move(text)))};
    }
    [[nodiscard]] static Reply integer(std::int64_t number) noexcept {
        return {Kind::integer, number};
    }
    /// Any bytes.
    [[nodiscard]] static Reply bulk_string(std::string text) {
        return {Kind::bulk_string, text_of(std::move(text))};
    }
    [[nodiscard]] static Reply null() noexcept { return {}; }
    [[nodiscard]] static Reply null_array() noexcept {
        return {Kind::null_array, std::monostate{}};
    }
    [[nodiscard]] static Reply array(std::vector<Reply> elements) {
        return {Kind::array, elements_of(std::move(elements))};
    }
    /// The same without allocating, from elements that were made before; they may be filled in
    /// later.
    [[nodiscard]] static Reply
    shared_array(std::shared_ptr<const std::vector<Reply>> elements) noexcept {
        return {Kind::array, std::move(elements)};
    }
    /// Of key, value, key, value, … Requires: each key has a value.
    [[nodiscard]] static Reply map(std::vector<Reply> elements,
                                   runnel::detail::Caller caller = {}) {
        RUNNEL_EXPECT(elements.size() % 2 == 0, "Reply::map(): the last key has no value", caller);
        return {Kind::map, elements_of(std::move(elements))};
    }
    [[nodiscard]] static Reply set(std::vector<Reply> elements) {
        return {Kind::set, elements_of(std::move(elements))};
    }
    [[nodiscard]] static Reply push(std::vector<Reply> elements) {
        return {Kind::push, elements_of(std::move(elements))};
    }
    // NOLINTNEXTLINE(readability-identifier-naming): double is a keyword
    [[nodiscard]] static Reply double_(double number) noexcept { return {Kind::double_, number}; }
    [[nodiscard]] static Reply boolean(bool flag) noexcept { return {Kind::boolean, flag}; }

    [[nodiscard]] Kind kind() const noexcept { return kind_; }
    [[nodiscard]] bool is_error() const noexcept { return kind_ == Kind::error; }
    /// Whether it is either null. RESP3 knows only one.
    [[nodiscard]] bool is_null() const noexcept {
        return kind_ == Kind::null || kind_ == Kind::null_array;
    }

    /// Of a simple string, an error or a bulk string.
    [[nodiscard]] const std::string& text() const& RUNNEL_LIFETIMEBOUND {
        const std::string* const text = text_or_null();
        if (text == nullptr) refuse("text()");
        return *text;
    }
    [[nodiscard]] std::string text() && { return std::as_const(*this).text(); }

    /// The first word of an error, such as "ERR" or "WRONGTYPE".
    [[nodiscard]] std::string_view code() const RUNNEL_LIFETIMEBOUND {
        if (!is_error()) refuse("code()");
        const std::string_view text = *text_or_null();
        return text.substr(0, text.find(' '));
    }

    [[nodiscard]] std::int64_t integer() const { return value<std::int64_t>("integer()"); }

    /// Of a double or an integer.
    [[nodiscard]] double number() const {
        if (kind_ == Kind::integer) return static_cast<double>(integer());
        return value<double>("number()");
    }

    /// Of a boolean.
    [[nodiscard]] bool flag() const { return value<bool>("flag()"); }

    /// Of an array, a set, a push or a map, whose elements are key, value, key, value, … They stay
    /// though the reply goes: `for (const Reply& one : session.execute(words)->elements())`.
    [[nodiscard]] ReplyElements elements() const;

    /// elements()[index], if there is one.
    [[nodiscard]] const Reply& operator[](std::size_t index) const& RUNNEL_LIFETIMEBOUND {
        return element(index);
    }
    [[nodiscard]] Reply operator[](std::size_t index) && { return element(index); }

    /// The texts of elements().
    [[nodiscard]] std::vector<std::string> strings() const {
        std::vector<std::string> texts;
        const auto all = elements_for("strings()");
        texts.reserve(all.size());
        for (const Reply& element : all) {
            const std::string* const text = element.text_or_null();
            if (text == nullptr) element.refuse("strings(), of an element");
            texts.push_back(*text);
        }
        return texts;
    }

    /// The value of `key` in elements() that are key, value, key, value, …, as they are in a map
    /// and, in RESP2, in the array that stands for one. Null if there is none.
    [[nodiscard]] const Reply* find(std::string_view key) const RUNNEL_LIFETIMEBOUND {
        const auto all = elements_for("find()");
        for (std::size_t at = 0; at + 1 < all.size(); at += 2) {
            const std::string* const text = all[at].text_or_null();
            if (text != nullptr && *text == key) return &all[at + 1];
        }
        return nullptr;
    }

    /// Of one kind, and of equal content. A double that is not a number equals another.
    // NOLINTNEXTLINE(misc-no-recursion): it goes as deep as the destructor does
    [[nodiscard]] friend bool operator==(const Reply& left, const Reply& right) noexcept {
        return left.kind_ == right.kind_ && left.has_content_of(right);
    }

    /// As redis-cli prints it in a terminal, without the last end of line.
    [[nodiscard]] friend std::string to_string(const Reply& reply) { return reply.printed(); }

    // A template, so that <iosfwd> is enough here.
    template <typename Traits>
    friend std::basic_ostream<char, Traits>& operator<<(std::basic_ostream<char, Traits>& out,
                                                        const Reply& reply) {
        const std::string text = reply.printed();
        return out << std::basic_string_view<char, Traits>{text.data(), text.size()};
    }

private:
    friend class ReplyDecoder;

    friend class ReplyElements;

    using SharedText = std::shared_ptr<const std::string>;
    using Elements = std::shared_ptr<const std::vector<Reply>>;  // null: none
    using Value =
        std::variant<std::monostate, std::int64_t, double, bool, std::string, SharedText, Elements>;

    // An aggregate that is being printed.
    struct Level {
        std::span<const Reply> elements;
        Kind kind;
        std::size_t indent;  // of its elements
        std::size_t width;   // of its numbers
        std::size_t next;    // of its elements
    };

    Reply(Kind kind, Value value) noexcept : kind_{kind}, value_{std::move(value)} {}

    // A text that fits into a string object itself is kept so, and others are shared.
    [[nodiscard]] static Value text_of(std::string text) {
        if (text.size() <= std::string{}.capacity()) return text;
        return std::make_shared<const std::string>(std::move(text));
    }
    [[nodiscard]] static Value elements_of(std::vector<Reply> elements) {
        if (elements.empty()) return Elements{};
        return std::make_shared<const std::vector<Reply>>(std::move(elements));
    }
    [[nodiscard]] static std::string one_line(std::string text) noexcept {
        std::ranges::replace_if(
            text, [](char c) { return c == '\r' || c == '\n'; }, ' ');
        return text;
    }

    void become_null() noexcept {
        kind_ = Kind::null;
        value_.emplace<std::monostate>();
    }

    [[nodiscard]] const std::string* text_or_null() const noexcept {
        if (const auto* const own = std::get_if<std::string>(&value_)) return own;
        const auto* const shared = std::get_if<SharedText>(&value_);
        return shared == nullptr ? nullptr : shared->get();
    }

    [[nodiscard]] bool is_aggregate() const noexcept {
        return std::holds_alternative<Elements>(value_);
    }
    // None if it is no aggregate.
    [[nodiscard]] std::span<const Reply> all_elements() const noexcept {
        const auto* const shared = std::get_if<Elements>(&value_);
        if (shared == nullptr || *shared == nullptr) return {};
        return **shared;
    }
    [[nodiscard]] std::span<const Reply> elements_for(const char* call) const {
        if (!is_aggregate()) refuse(call);
        return all_elements();
    }
    [[nodiscard]] const Reply& element(std::size_t index) const {
        const auto all = elements_for("operator[]");
        if (index >= all.size()) refuse("operator[](" + std::to_string(index) + ')');
        return all[index];
    }

    template <typename T>
    [[nodiscard]] T value(const char* call) const {
        const T* const found = std::get_if<T>(&value_);
        if (found == nullptr) refuse(call);
        return *found;
    }

    [[nodiscard]] bool has_content_of(const Reply& other) const noexcept;
    [[noreturn]] void refuse(const std::string& call) const;
    [[nodiscard]] std::string described() const;

    [[nodiscard]] std::string printed() const;
    void begin_printing(std::string& out, std::vector<Level>& open, std::size_t indent) const;
    void print_alone(std::string& out) const;
    void print_content(std::string& out) const;
    static void print_front(std::string& out, const Level& level, std::size_t index);
    [[nodiscard]] bool has_several_lines() const noexcept;
    static void start_line(std::string& out, std::size_t indent);
    static void print_quoted(std::string& out, std::string_view text);
    static void print_byte(std::string& out, char c);

    Kind kind_ = Kind::null;
    Value value_;
};

/// The elements of a Reply. They stay as long as this does, though the reply goes.
class ReplyElements {
public:
    using value_type = Reply;
    using const_iterator = const Reply*;

    [[nodiscard]] const Reply* begin() const noexcept { return all().data(); }
    [[nodiscard]] const Reply* end() const noexcept { return begin() + size(); }
    [[nodiscard]] const Reply* data() const noexcept { return begin(); }
    [[nodiscard]] std::size_t size() const noexcept { return all().size(); }
    [[nodiscard]] bool empty() const noexcept { return size() == 0; }
    /// Copies of them.
    // NOLINTNEXTLINE(google-explicit-constructor)
    [[nodiscard]] operator std::vector<Reply>() const { return {begin(), end()}; }

    /// These throw: Error{wrong_reply} if there is none.
    [[nodiscard]] const Reply& front() const { return (*this)[0]; }
    [[nodiscard]] const Reply& back() const { return (*this)[empty() ? 0 : size() - 1]; }
    [[nodiscard]] const Reply& operator[](std::size_t index) const {
        if (index >= size())
            throw Error{ErrorCode::wrong_reply, "Reply::elements()[" + std::to_string(index) +
                                                    "]: there are " + std::to_string(size())};
        return all()[index];
    }

private:
    friend class Reply;

    explicit ReplyElements(Reply::Elements elements) noexcept : elements_{std::move(elements)} {}

    [[nodiscard]] std::span<const Reply> all() const noexcept {
        if (elements_ == nullptr) return {};
        return *elements_;
    }

    Reply::Elements elements_;
};

inline ReplyElements Reply::elements() const {
    if (!is_aggregate()) refuse("elements()");
    return ReplyElements{std::get<Elements>(value_)};
}

/// The name of `kind` as it is spelled in the source, such as "bulk_string".
[[nodiscard]] constexpr std::string_view to_string(Reply::Kind kind) noexcept {
    constexpr std::array<std::string_view, 12> names{
        "simple_string", "error", "integer", "bulk_string", "null",    "null_array",
        "array",         "map",   "set",     "push",        "double_", "boolean"};
    return names.at(static_cast<std::size_t>(kind));
}

// NOLINTNEXTLINE(misc-no-recursion): see operator==
inline bool Reply::has_content_of(const Reply& other) const noexcept {
    if (const std::string* const text = text_or_null()) return *text == *other.text_or_null();
    if (is_aggregate()) {
        const auto ours = all_elements();
        const auto theirs = other.all_elements();
        if (ours.size() != theirs.size()) return false;
        if (ours.data() == theirs.data()) return true;
        for (std::size_t index = 0; index != ours.size(); ++index)
            if (ours[index] != theirs[index]) return false;
        return true;
    }
    if (const auto* const number = std::get_if<double>(&value_)) {
        const double others = std::get<double>(other.value_);
        return *number == others || (std::isnan(*number) && std::isnan(others));
    }
    return value_ == other.value_;
}

inline void Reply::refuse(const std::string& call) const {
    throw Error{ErrorCode::wrong_reply, "Reply::" + call + ": it is " + described()};
}

inline std::string Reply::described() const {
    static constexpr std::array<std::string_view, 12> names{
        "a simple string", "an error", "an integer", "a bulk string", "null",     "a null array",
        "an array",        "a map",    "a set",      "a push",        "a double", "a boolean"};
    static constexpr std::size_t most_shown = 200;
    std::string text{names.at(static_cast<std::size_t>(kind_))};
    if (is_null()) return text;
    if (is_aggregate()) {
        const std::size_t size = all_elements().size();
        return text + " of size " + std::to_string(kind_ == Kind::map ? size / 2 : size);
    }
    text += ": ";
    print_content(text);
    if (text.size() > most_shown) {
        text.resize(most_shown);
        text += "...";
    }
    return text;
}

// Without recursion: nobody bounds how deep a reply is.
inline std::string Reply::printed() const {
    std::string out;
    std::vector<Level> open;
    begin_printing(out, open, 0);
    while (!open.empty()) {
        Level& level = open.back();
        if (level.next == level.elements.size()) {
            open.pop_back();
            continue;
        }
        const std::size_t index = level.next++;
        print_front(out, level, index);
        level.elements[index].begin_printing(out, open, level.indent);
    }
    return out;
}

// Prints it, or opens it if it has elements.
inline void Reply::begin_printing(std::string& out, std::vector<Level>& open,
                                  std::size_t indent) const {
    const auto all = all_elements();
    if (all.empty()) return print_alone(out);
    const std::size_t count = kind_ == Kind::map ? all.size() / 2 : all.size();
    const std::size_t width = std::to_string(count).size();
    open.push_back({all, kind_, indent + width + 2, width, 0});
}

// What stands in front of an element: its number, or the arrow between a key and its value.
inline void Reply::print_front(std::string& out, const Level& level, std::size_t index) {
    const bool is_map = level.kind == Kind::map;
    if (is_map && index % 2 == 1) {
        out += " => ";
        if (level.elements[index].has_several_lines()) start_line(out, level.indent);
        return;
    }
    if (index != 0) start_line(out, level.indent - level.width - 2);
    const std::string number = std::to_string((is_map ? index / 2 : index) + 1);
    out.append(level.width - number.size(), ' ');
    out += number;
    if (is_map)
        out += "# ";
    else
        out += level.kind == Kind::set ? "~ " : ") ";
}

inline void Reply::start_line(std::string& out, std::size_t indent) {
    out += '\n';
    out.append(indent, ' ');
}

// Whether redis-cli thinks so, and prints it below its key. Keys of a map do not count for it.
inline bool Reply::has_several_lines() const noexcept {
    auto all = all_elements();
    const Reply* last = this;
    while (!all.empty()) {
        if (all.size() > (last->kind_ == Kind::map ? 2U : 1U)) return true;
        last = &all.back();
        all = last->all_elements();
    }
    return false;
}

// What has no elements.
inline void Reply::print_alone(std::string& out) const {
    static constexpr std::array<std::string_view, 12> fronts{"",
                                                             "(error) ",
                                                             "(integer) ",
                                                             "",
                                                             "(nil)",
                                                             "(nil)",
                                                             "(empty array)",
                                                             "(empty hash)",
                                                             "(empty set)",
                                                             "(empty push)",
                                                             "(double) ",
                                                             ""};
    out += fronts.at(static_cast<std::size_t>(kind_));
    if (kind_ == Kind::boolean)
        out += std::get<bool>(value_) ? "(true)" : "(false)";
    else
        print_content(out);
}

// Nothing of a null and of an aggregate.
inline void Reply::print_content(std::string& out) const {
    if (const std::string* const text = text_or_null()) {
        if (kind_ == Kind::bulk_string) return print_quoted(out, *text);
        out += *text;
    } else if (kind_ == Kind::integer) {
        out += std::to_string(std::get<std::int64_t>(value_));
    } else if (kind_ == Kind::double_) {
        out += detail::text_of_double(std::get<double>(value_));
    } else if (kind_ == Kind::boolean) {
        out += std::get<bool>(value_) ? "true" : "false";
    }
}

inline void Reply::print_quoted(std::string& out, std::string_view text) {
    out += '"';
    for (const char c : text) print_byte(out, c);
    out += '"';
}

inline void Reply::print_byte(std::string& out, char c) {
    static constexpr std::string_view escaped = "\n\r\t\a\b\"\\";
    static constexpr std::string_view letters = "nrtab\"\\";
    static constexpr std::string_view digits = "0123456789abcdef";
    if (const std::size_t at = escaped.find(c); at != std::string_view::npos) {
        out += '\\';
        out += letters[at];
    } else if (c >= ' ' && c <= '~') {
        out += c;
    } else {
        const auto byte = static_cast<unsigned char>(c);
        out += "\\x";
        out += digits[byte >> 4U];
        out += digits[byte & 15U];
    }
}

}  // namespace runnel::inline v0::redis
