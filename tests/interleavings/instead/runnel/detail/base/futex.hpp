// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/atomic.hpp>

#include "interleavings/scheduler.hpp"

#include <chrono>
#include <cstdint>

namespace runnel::inline v0::detail {

using FutexWord = Atomic<std::uint32_t>;

inline void futex_wait(FutexWord& word, std::uint32_t expected, Caller at = {}) noexcept {
    test::step("futex_wait", at);
    if (word.peek() == expected) test::await(&word);
}

inline void futex_wait_until(FutexWord& word, std::uint32_t expected,
                             std::chrono::steady_clock::time_point deadline,
                             Caller at = {}) noexcept {
    test::step("futex_wait_until", at);
    if (word.peek() == expected && test::present() < deadline) test::await_until(&word, deadline);
}

inline void futex_wake_one(FutexWord& word, Caller at = {}) noexcept {
    test::step("futex_wake_one", at);
    test::wake_one(&word);
}

inline void pause() noexcept {}

inline void give_way(Caller at = {}) noexcept {
    test::give_way(at);
}

}  // namespace runnel::inline v0::detail
