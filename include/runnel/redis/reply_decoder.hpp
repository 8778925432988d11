// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/parse_integer.hpp>
#include <runnel/detail/base/reserve.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/wire_bytes.hpp>

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis {

/// Makes replies of the bytes that a client receives, of RESP2 or RESP3, in whatever pieces they
/// come:
///
///     decoder.feed(bytes);
///     while (auto reply = decoder.take()) use(*reply);
///
/// A big number and a verbatim string become bulk strings; attributes are skipped. Memory is taken
/// for bytes that are there, and never for a length that is only announced.
class ReplyDecoder {
public:
    ReplyDecoder() = default;
    explicit ReplyDecoder(CodecLimits limits) noexcept : limits_{limits} {}

    /// Throws: std::bad_alloc.
    void feed(std::string_view bytes) { bytes_.append(bytes); }

    /// The next reply; nothing if it has not come completely.
    /// Throws: Error with ErrorCode::protocol_error if the bytes are no reply or exceed a limit,
    /// now and in each further call: the connection is of no use any more. std::bad_alloc.
    [[nodiscard]] std::optional<Reply> take() {
        while (!done_)
            if (!decode_item()) return std::nullopt;
        return std::exchange(done_, std::nullopt);
    }

private:
    using Kind = Reply::Kind;

    // An aggregate that is not complete.
    struct Level {
        Kind kind;
        bool is_attribute;
        std::size_t missing;
        std::shared_ptr<std::vector<Reply>> elements;
    };

    // Each item is decoded first, with all memory that it takes; only then its bytes are skipped.
    // False: it has not come completely.
    bool decode_item();
    void decode_line(char type, std::string_view text, std::size_t size);
    bool decode_bulk(char type, std::string_view text, std::size_t size);
    void decode_aggregate(char type, std::string_view text, std::size_t size);
    void put(Reply reply, std::size_t size);
    void open(Level level, std::size_t size);

    [[nodiscard]] static std::size_t length(std::string_view text, std::size_t limit,
                                            const char* refusal);
    [[nodiscard]] static Reply scalar(char type, std::string_view text);
    [[nodiscard]] static Reply bulk(char type, std::string_view text);
    [[nodiscard]] static bool is_big_number(std::string_view text) noexcept;
    template <typename Number>
    [[nodiscard]] static Number number(std::string_view text);

    CodecLimits limits_;
    detail::WireBytes bytes_;
    std::vector<Level> levels_;
    std::optional<Reply> done_;
};

inline bool ReplyDecoder::decode_item() {
    const auto end = bytes_.find("\r", limits_.line, "too long a line in a reply");
    if (!end || bytes_.rest().size() < *end + 2) return false;
    if (bytes_.rest()[*end + 1] != '\n') detail::refuse_bytes("a line of a reply without its end");
    if (*end == 0) detail::refuse_bytes("a reply without a type");
    const char type = bytes_.rest()[0];
    const std::string_view text = bytes_.rest().substr(1, *end - 1);
    switch (type) {
    case '$':
    case '=':
    case '!':
        return decode_bulk(type, text, *end + 2);
    case '*':
    case '%':
    case '~':
    case '>':
    case '|':
        decode_aggregate(type, text, *end + 2);
        return true;
    default:
        put(scalar(type, text), *end + 2);
        return true;
    }
}

// A reply of one line.
inline Reply ReplyDecoder::scalar(char type, std::string_view text) {
    switch (type) {
    case '+':
        return Reply::simple_string(std::string{text});
    case '-':
        return Reply::error(std::string{text});
    case ':':
        return Reply::integer(number<std::int64_t>(text));
    case ',':
        return Reply::double_(number<double>(text));
    case '(':
        if (!is_big_number(text)) detail::refuse_bytes("invalid number");
        return Reply::bulk_string(std::string{text});
    case '#':
        if (text != "t" && text != "f") detail::refuse_bytes("invalid boolean");
        return Reply::boolean(text == "t");
    case '_':
        if (!text.empty()) detail::refuse_bytes("invalid null");
        return Reply::null();
    default:
        detail::refuse_bytes(std::string{"unknown type of reply '"} + type + '\'');
    }
}

template <typename Number>
Number ReplyDecoder::number(std::string_view text) {
    if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
    Number number{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size())
        detail::refuse_bytes("invalid number");
    return number;
}

inline bool ReplyDecoder::is_big_number(std::string_view text) noexcept {
    if (text.starts_with('+') || text.starts_with('-')) text.remove_prefix(1);
    return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

inline std::size_t ReplyDecoder::length(std::string_view text, std::size_t limit,
                                        const char* refusal) {
    const auto length = runnel::detail::parse_integer(text);
    if (!length || *length < 0 || static_cast<std::uint64_t>(*length) > limit)
        detail::refuse_bytes(refusal);
    return static_cast<std::size_t>(*length);
}

inline bool ReplyDecoder::decode_bulk(char type, std::string_view text, std::size_t size) {
    if (type == '$' && text == "-1") {
        put(Reply::null(), size);
        return true;
    }
    const std::size_t count = length(text, limits_.bulk, "invalid bulk length");
    const std::string_view rest = bytes_.rest().substr(size);
    if (rest.size() < count + 2) return false;
    if (rest.substr(count, 2) != "\r\n") detail::refuse_bytes("a bulk string without its end");
    put(bulk(type, rest.substr(0, count)), size + count + 2);
    return true;
}

inline Reply ReplyDecoder::bulk(char type, std::string_view text) {
    if (type == '!') return Reply::error(std::string{text});
    if (type == '=') {
        constexpr std::size_t format = 4;  // such as "txt:"
        if (text.size() < format || text[format - 1] != ':')
            detail::refuse_bytes("a verbatim string without its format");
        text.remove_prefix(format);
    }
    return Reply::bulk_string(std::string{text});
}

inline void ReplyDecoder::decode_aggregate(char type, std::string_view text, std::size_t size) {
    if (type == '*' && text == "-1") return put(Reply::null_array(), size);
    if (levels_.size() == limits_.depth) detail::refuse_bytes("too many replies within each other");
    const bool is_of_pairs = type == '%' || type == '|';
    const std::size_t limit = is_of_pairs ? limits_.elements / 2 : limits_.elements;
    const std::size_t count = length(text, limit, "invalid multibulk length");
    Kind kind = Kind::array;
    if (is_of_pairs) kind = Kind::map;
    if (type == '~') kind = Kind::set;
    if (type == '>') kind = Kind::push;
    if (count != 0)
        open({kind, type == '|', is_of_pairs ? 2 * count : count, {}}, size);
    else if (type == '|')
        bytes_.skip(size);
    else
        put(Reply{kind, Reply::Elements{}}, size);
}

// Reserves its place in the level around it, too, for put() when it is complete.
inline void ReplyDecoder::open(Level level, std::size_t size) {
    level.elements = std::make_shared<std::vector<Reply>>();
    if (!levels_.empty()) runnel::detail::reserve_one_more(*levels_.back().elements);
    runnel::detail::reserve_one_more(levels_);
    levels_.push_back(std::move(level));
    bytes_.skip(size);
}

// Puts a reply of so many bytes where it belongs, and so each one that it completes.
inline void ReplyDecoder::put(Reply reply, std::size_t size) {
    if (!levels_.empty()) runnel::detail::reserve_one_more(*levels_.back().elements);
    bytes_.skip(size);
    while (!levels_.empty()) {
        Level& level = levels_.back();
        level.elements->push_back(std::move(reply));
        if (--level.missing != 0) return;
        const bool is_attribute = level.is_attribute;
        reply = Reply{level.kind, Reply::Elements{std::move(level.elements)}};
        levels_.pop_back();
        if (is_attribute) return;  // the reply that has it comes next
    }
    done_ = std::move(reply);
}

}  // namespace runnel::inline v0::redis
