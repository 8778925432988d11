// SPDX-License-Identifier: MIT
// What travels in the benchmarks: 8 bytes, or a string of 64 that is made for each message. Both
// carry a number, so that what arrives can be checked.
#pragma once

#include <chrono>
#include <concepts>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace runnel::bench {

using std::uint64_t;

/// A benchmark that lost a message measured nothing.
inline void check(bool holds, const char* what) {
    if (holds) return;
    std::fprintf(stderr, "benchmark: %s\n", what);
    std::abort();
}

template <class T>
T message(uint64_t number) {
    if constexpr (std::same_as<T, std::string>) {
        std::string text(64, 'x');
        std::memcpy(text.data(), &number, sizeof number);
        return text;
    } else {
        return number;
    }
}

inline uint64_t number_in(uint64_t message) {
    return message;
}

inline uint64_t number_in(const std::string& message) {
    uint64_t number = 0;
    std::memcpy(&number, message.data(), sizeof number);
    return number;
}

template <class T>
constexpr const char* kind_of_message = std::same_as<T, std::string> ? "64-byte strings" : "u64";

/// 1 + 2 + ... + count
inline uint64_t sum_to(uint64_t count) {
    return count * (count + 1) / 2;
}

inline double per_message(std::chrono::nanoseconds elapsed, uint64_t messages) {
    return static_cast<double>(elapsed.count()) / static_cast<double>(messages);
}

}  // namespace runnel::bench
