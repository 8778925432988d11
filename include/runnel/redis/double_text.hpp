// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

namespace runnel::inline v0::redis::detail {

// The digits of a number, and how far the last one of them stands before the point: 1200 is 12
// and 2, 0.012 is 12 and -3.
struct Digits {
    std::string digits{};
    int exponent = 0;

    // The fewest that read back as that number. Requires: it is finite, and not negative.
    [[nodiscard]] static Digits of(double number) {
        std::array<char, 32> text{};
        const auto written = std::to_chars(text.data(), text.data() + text.size(), number,
                                           std::chars_format::scientific);
        const std::string_view all{text.data(), written.ptr};
        const std::size_t end = all.find('e');
        Digits made;
        made.digits = all.substr(0, end);
        if (end > 1) made.digits.erase(1, 1);  // the point
        const char* from = text.data() + end + 1;
        if (*from == '+') ++from;
        std::from_chars(from, written.ptr, made.exponent);
        made.exponent -= static_cast<int>(made.digits.size()) - 1;
        return made;
    }

    // As Redis writes them.
    [[nodiscard]] std::string text() const {
        const int size = static_cast<int>(digits.size());
        const int first = exponent + size - 1;  // the exponent of the first digit
        if (exponent >= 0 && first < size + 7)
            return digits + std::string(static_cast<std::size_t>(exponent), '0');
        if (exponent < 0 && (exponent > -7 || std::abs(first) < 4)) return with_point();
        const std::string mantissa =
            size == 1 ? digits : digits.substr(0, 1) + '.' + digits.substr(1);
        return mantissa + (first < 0 ? "e-" : "e+") + std::to_string(std::abs(first));
    }

private:
    [[nodiscard]] std::string with_point() const {
        const int before = static_cast<int>(digits.size()) + exponent;
        if (before <= 0) return "0." + std::string(static_cast<std::size_t>(-before), '0') + digits;
        const auto point = static_cast<std::size_t>(before);
        return digits.substr(0, point) + '.' + digits.substr(point);
    }
};

// As Redis writes it since 7.2. Throws: std::bad_alloc.
[[nodiscard]] inline std::string text_of_double(double number) {
    if (std::isnan(number)) return "nan";
    if (std::isinf(number)) return number < 0 ? "-inf" : "inf";
    if (number == 0) return std::signbit(number) ? "-0" : "0";
    constexpr double greatest_as_integer = 4611686018427387904.0;
    if (std::abs(number) <= greatest_as_integer && std::trunc(number) == number)
        return std::to_string(static_cast<std::int64_t>(number));
    const std::string text = Digits::of(std::abs(number)).text();
    return number < 0 ? '-' + text : text;
}

}  // namespace runnel::inline v0::redis::detail
