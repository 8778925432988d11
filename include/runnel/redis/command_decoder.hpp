// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/parse_integer.hpp>
#include <runnel/detail/base/reserve.hpp>
#include <runnel/redis/wire_bytes.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis {

namespace detail {

// The words of an inline command: they may stand in quotes, as in a shell.
class InlineWords {
public:
    explicit InlineWords(std::string_view line) noexcept : rest_{line} {}

    [[nodiscard]] std::vector<std::string> split() {
        std::vector<std::string> words;
        for (skip_blanks(); !rest_.empty(); skip_blanks()) words.push_back(take_word());
        return words;
    }

private:
    static constexpr std::string_view blanks = " \t\n\v\f\r";

    void skip_blanks() noexcept {
        const std::size_t word = rest_.find_first_not_of(blanks);
        rest_.remove_prefix(word == std::string_view::npos ? rest_.size() : word);
    }
    [[nodiscard]] char take() noexcept {
        const char c = rest_.front();
        rest_.remove_prefix(1);
        return c;
    }

    // A quote ends the word that it stands in.
    [[nodiscard]] std::string take_word() {
        constexpr std::string_view ends = " \t\n\r";  // of all blanks
        std::string word;
        while (!rest_.empty()) {
            const char c = take();
            if (ends.find(c) != std::string_view::npos) break;
            if (c == '"') {
                take_quoted(word);
                break;
            }
            if (c == '\'') {
                take_single_quoted(word);
                break;
            }
            word += c;
        }
        return word;
    }

    void take_quoted(std::string& word) {
        while (!rest_.empty()) {
            const char c = take();
            if (c == '"') return expect_blank();
            word += c == '\\' && !rest_.empty() ? take_escaped() : c;
        }
        refuse();
    }
    void take_single_quoted(std::string& word) {
        while (!rest_.empty()) {
            const char c = take();
            if (c == '\'') return expect_blank();
            word += c == '\\' && rest_.starts_with('\'') ? take() : c;
        }
        refuse();
    }

    // What stands behind a backslash.
    [[nodiscard]] char take_escaped() noexcept {
        constexpr std::string_view letters = "nrtba";
        constexpr std::string_view meanings = "\n\r\t\b\a";
        if (rest_.size() > 2 && rest_[0] == 'x' && digit(rest_[1]) >= 0 && digit(rest_[2]) >= 0) {
            const auto byte = static_cast<unsigned char>(digit(rest_[1]) * 16 + digit(rest_[2]));
            rest_.remove_prefix(3);
            return static_cast<char>(byte);
        }
        const char c = take();
        const std::size_t letter = letters.find(c);
        return letter == std::string_view::npos ? c : meanings[letter];
    }
    // Of a hexadecimal number; -1: it is none.
    [[nodiscard]] static int digit(char c) noexcept {
        if (c >= '0' && c <= '9') return c - '0';
        if (c >= 'a' && c <= 'f') return c - 'a' + 10;
        if (c >= 'A' && c <= 'F') return c - 'A' + 10;
        return -1;
    }

    void expect_blank() const {
        if (!rest_.empty() && blanks.find(rest_.front()) == std::string_view::npos) refuse();
    }
    [[noreturn]] static void refuse() { refuse_bytes("unbalanced quotes in request"); }

    std::string_view rest_;
};

}  // namespace detail

/// Makes commands of the bytes that a server receives, in whatever pieces they come: arrays of bulk
/// strings, and inline commands. Reads what a Redis server reads, and refuses it in its words:
///
///     decoder.feed(bytes);
///     while (auto words = decoder.take()) execute(*words);
///
/// Memory is taken for bytes that are there, and never for a length that is only announced.
class CommandDecoder {
public:
    CommandDecoder() = default;
    explicit CommandDecoder(CodecLimits limits) noexcept : limits_{limits} {}

    /// Whether the client still has to authenticate: then a command has at most 10 words, and each
    /// at most 16 KiB.
    void set_unauthenticated(bool value) noexcept { is_unauthenticated_ = value; }

    /// Throws: std::bad_alloc.
    void feed(std::string_view bytes) { bytes_.append(bytes); }

    /// The words of the next command, at least one; nothing if it has not come completely.
    /// Throws: Error with ErrorCode::protocol_error, now and in each further call; a server sends
    /// its text as an error, with "ERR " in front, and closes the connection. std::bad_alloc.
    [[nodiscard]] std::optional<std::vector<std::string>> take() {
        for (;;) {
            if (!(missing_ == 0 ? begin() : decode_word())) return std::nullopt;
            if (missing_ != 0 || words_.empty()) continue;
            words_bytes_ = 0;
            return std::exchange(words_, {});
        }
    }

    /// How many bytes of memory are taken, about, by what take() has not returned yet.
    [[nodiscard]] std::size_t waiting_bytes() const noexcept {
        return bytes_.rest().size() + words_bytes_;
    }

private:
    // Each of these decodes a part, with all memory that it takes; only then its bytes are skipped.
    // False: it has not come completely.
    bool begin();
    bool decode_inline();
    bool decode_word();
    // The line at hand, without its type and its end.
    [[nodiscard]] std::optional<std::string_view> length_line(const char* refusal);
    [[nodiscard]] std::optional<std::size_t> find_end(char end, const char* refusal);

    static constexpr CodecLimits most_unauthenticated{.bulk = std::size_t{16} * 1024,
                                                      .elements = 10};

    CodecLimits limits_;
    detail::WireBytes bytes_;
    std::vector<std::string> words_;
    std::size_t words_bytes_ = 0;
    std::size_t missing_ = 0;
    bool is_unauthenticated_ = false;
};

inline bool CommandDecoder::begin() {
    if (bytes_.rest().empty()) return false;
    if (bytes_.rest().front() != '*') return decode_inline();
    const auto line = length_line("too big mbulk count string");
    if (!line) return false;
    const auto count = runnel::detail::parse_integer(*line);
    if (!count) detail::refuse_bytes("invalid multibulk length");
    const auto missing = *count > 0 ? static_cast<std::uint64_t>(*count) : 0;
    if (missing > limits_.elements) detail::refuse_bytes("invalid multibulk length");
    if (is_unauthenticated_ && missing > most_unauthenticated.elements)
        detail::refuse_bytes("unauthenticated multibulk length");
    bytes_.skip(line->size() + 3);
    missing_ = missing;
    return true;
}

inline bool CommandDecoder::decode_inline() {
    const auto end = find_end('\n', "too big inline request");
    if (!end) return false;
    std::string_view line = bytes_.rest().substr(0, *end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    words_ = detail::InlineWords{line}.split();
    bytes_.skip(*end + 1);
    return true;
}

inline bool CommandDecoder::decode_word() {
    const auto line = length_line("too big bulk count string");
    if (!line) return false;
    const char type = bytes_.rest().front();
    if (type != '$') detail::refuse_bytes(std::string{"expected '$', got '"} + type + '\'');
    const auto count = runnel::detail::parse_integer(*line);
    if (!count || *count < 0 || static_cast<std::uint64_t>(*count) > limits_.bulk)
        detail::refuse_bytes("invalid bulk length");
    const auto size = static_cast<std::size_t>(*count);
    if (is_unauthenticated_ && size > most_unauthenticated.bulk)
        detail::refuse_bytes("unauthenticated bulk length");
    const std::string_view rest = bytes_.rest().substr(line->size() + 3);
    if (rest.size() < size + 2) return false;  // with the end of its line, which may be anything
    runnel::detail::reserve_one_more(words_);
    words_.emplace_back(rest.substr(0, size));
    words_bytes_ += sizeof(std::string) + size;
    --missing_;
    bytes_.skip(line->size() + 3 + size + 2);
    return true;
}

inline std::optional<std::string_view> CommandDecoder::length_line(const char* refusal) {
    const auto end = find_end('\r', refusal);
    if (!end || bytes_.rest().size() < *end + 2) return std::nullopt;
    return bytes_.rest().substr(0, *end).substr(*end == 0 ? 0 : 1);
}

// Redis looks for the end of a line in a string that a zero byte ends: behind one it finds none.
inline std::optional<std::size_t> CommandDecoder::find_end(char end, const char* refusal) {
    const std::array<char, 2> ends{end, '\0'};
    const auto found = bytes_.find({ends.data(), ends.size()}, limits_.line, refusal);
    if (!found || bytes_.rest()[*found] == end) return found;
    if (bytes_.rest().size() > limits_.line) detail::refuse_bytes(refusal);
    return std::nullopt;
}

}  // namespace runnel::inline v0::redis
