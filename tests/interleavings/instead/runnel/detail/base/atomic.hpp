// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/assert.hpp>

#include "interleavings/scheduler.hpp"

#include <atomic>

namespace runnel::inline v0::detail {

// An atomic object of which each access is a step. The orders of memory are not looked at: every
// thread sees all that was written before.
template <typename T>
class alignas(std::atomic<T>) Atomic {
public:
    Atomic() = default;
    constexpr Atomic(T value) noexcept : value_{value} {}  // as that of std::atomic
    Atomic(const Atomic&) = delete;
    Atomic& operator=(const Atomic&) = delete;

    // NOLINTNEXTLINE(misc-unconventional-assign-operator): as that of std::atomic
    T operator=(T value) noexcept {
        store(value);
        return value;
    }
    operator T() const noexcept { return load(); }

    [[nodiscard]] T load(std::memory_order = seq_cst, Caller at = {}) const noexcept {
        test::step("load", at);
        return value_;
    }
    void store(T value, std::memory_order = seq_cst, Caller at = {}) noexcept {
        test::step("store", at);
        value_ = value;
    }
    T exchange(T value, std::memory_order = seq_cst, Caller at = {}) noexcept {
        test::step("exchange", at);
        const T before = value_;
        value_ = value;
        return before;
    }
    bool compare_exchange_strong(T& expected, T value, std::memory_order = seq_cst,
                                 std::memory_order = seq_cst, Caller at = {}) noexcept {
        test::step("compare_exchange", at);
        if (value_ != expected) {
            expected = value_;
            return false;
        }
        value_ = value;
        return true;
    }
    bool compare_exchange_weak(T& expected, T value, std::memory_order success = seq_cst,
                               std::memory_order failure = seq_cst, Caller at = {}) noexcept {
        return compare_exchange_strong(expected, value, success, failure, at);
    }
    T fetch_add(T more, std::memory_order = seq_cst, Caller at = {}) noexcept {
        return change("fetch_add", at, [more](T value) { return value + more; });
    }
    T fetch_sub(T less, std::memory_order = seq_cst, Caller at = {}) noexcept {
        return change("fetch_sub", at, [less](T value) { return value - less; });
    }
    T fetch_or(T bits, std::memory_order = seq_cst, Caller at = {}) noexcept {
        return change("fetch_or", at, [bits](T value) { return value | bits; });
    }
    T fetch_and(T bits, std::memory_order = seq_cst, Caller at = {}) noexcept {
        return change("fetch_and", at, [bits](T value) { return value & bits; });
    }

    // The value without a step, for the other stand-ins.
    [[nodiscard]] T peek() const noexcept { return value_; }

private:
    static constexpr auto seq_cst = std::memory_order_seq_cst;

    template <typename Change>
    T change(const char* what, Caller at, Change change_value) noexcept {
        test::step(what, at);
        const T before = value_;
        value_ = static_cast<T>(change_value(before));
        return before;
    }

    T value_{};
};

}  // namespace runnel::inline v0::detail
