// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/compat/redis_plus_plus/errors.hpp>
#include <runnel/compat/redis_plus_plus/words.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <string>
#include <string_view>
#include <variant>

namespace runnel::inline v0::compat::sw::detail {

// Makes the words of a command of a format as hiredis has it: words are separated by blanks, `%s`
// is a text that ends with a zero byte, `%b` one of a given length, `%%` a percent sign, and any
// other conversion of printf() a number.
class Format {
public:
    template <typename... Args>
    [[nodiscard]] static CmdArgs words_of(std::string_view format, const Args&... args) {
        // One more, as an array needs an element.
        // NOLINTNEXTLINE(cppcoreguidelines-pro-bounds-array-to-pointer-decay): of string literals
        const std::array<Argument, sizeof...(Args) + 1> all{argument_of(args)..., Argument{}};
        Format reading{format, all.data(), sizeof...(Args)};
        reading.read();
        return std::move(reading.made_);
    }

private:
    using Bytes = const char*;
    struct Number {
        std::string text;
        std::size_t size = 0;  // of an integer
    };
    using Argument = std::variant<std::monostate, Bytes, Number>;

    Format(std::string_view format, const Argument* next, std::size_t count) noexcept
        : format_{format}, next_{next}, left_{count} {}

    [[nodiscard]] static Argument argument_of(const void* bytes) noexcept {
        return static_cast<Bytes>(bytes);
    }
    template <std::integral Given>
    [[nodiscard]] static Argument argument_of(Given number) {
        return Number{text_of(number), static_cast<std::size_t>(number)};
    }
    template <std::floating_point Given>
    [[nodiscard]] static Argument argument_of(Given number) {
        return Number{text_of(number)};
    }

    void read() {
        for (std::size_t at = 0; at != format_.size(); ++at) {
            if (format_[at] == ' ') {
                end_word();
                continue;
            }
            is_in_word_ = true;
            if (format_[at] != '%' || at + 1 == format_.size())
                word_ += format_[at];
            else
                at = read_conversion(at + 1);
        }
        end_word();
    }

    // Returns where it ends.
    [[nodiscard]] std::size_t read_conversion(std::size_t at) {
        switch (format_[at]) {
        case '%':
            word_ += '%';
            break;
        case 's':
            word_ += take<Bytes>();
            break;
        case 'b': {
            const auto* const bytes = take<Bytes>();
            word_.append(bytes, take<Number>().size);
            break;
        }
        default:
            at = format_.find_first_of("diouxXeEfFgGaA", at);
            if (at == std::string_view::npos) refuse();
            word_ += take<Number>().text;
        }
        return at;
    }

    void end_word() {
        if (is_in_word_) made_ << word_;
        word_.clear();
        is_in_word_ = false;
    }

    template <typename T>
    [[nodiscard]] const T& take() {
        const T* const found = left_ != 0 ? std::get_if<T>(next_) : nullptr;
        if (found == nullptr) refuse();
        ++next_;
        --left_;
        return *found;
    }
    [[noreturn]] void refuse() const {
        throw Error{"Connection::send(): the arguments do not fit \"" + std::string{format_} + '"'};
    }

    std::string_view format_;
    const Argument* next_;
    std::size_t left_;
    std::string word_;
    bool is_in_word_ = false;
    CmdArgs made_;
};

}  // namespace runnel::inline v0::compat::sw::detail
