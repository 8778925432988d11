// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace runnel::test {

/// What became of all the Tracked objects since the Census was made. One at a time.
class Census {
public:
    Census() noexcept { alive_ = copies_ = faults_ = 0; }
    Census(const Census&) = delete;
    Census& operator=(const Census&) = delete;

    [[nodiscard]] long alive() const noexcept { return alive_; }
    [[nodiscard]] long copies() const noexcept { return copies_; }

    /// Objects that died twice, were used after their death, or in a place where none was made.
    [[nodiscard]] long faults() const noexcept { return faults_; }

private:
    template <bool Copyable>
    friend class Tracked;

    static inline std::atomic<long> alive_ = 0;
    static inline std::atomic<long> copies_ = 0;
    static inline std::atomic<long> faults_ = 0;
};

/// A number that knows where it lives. It cannot be assigned and has no default: what runnel asks
/// of a T is a nothrow move construction and destruction, no more.
template <bool Copyable>
class Tracked {
public:
    Tracked(int value) noexcept : value_{value} { settle_in(); }  // NOLINT(*-explicit-*)
    Tracked(const Tracked& other) requires Copyable : value_{other.get()} {
        settle_in();
        ++Census::copies_;
    }
    Tracked(Tracked&& other) noexcept : value_{std::exchange(other.value_, moved_from)} {
        other.check();
        settle_in();
    }
    Tracked& operator=(const Tracked&) = delete;
    Tracked& operator=(Tracked&&) = delete;
    ~Tracked() {
        check();
        home_ = 0;
        value_ = dead;
        --Census::alive_;
    }

    static constexpr int moved_from = -1;
    static constexpr int dead = -2;

    [[nodiscard]] int get() const noexcept {
        check();
        return value_;
    }

    friend bool operator==(const Tracked& one, const Tracked& other) noexcept {
        return one.get() == other.get();
    }

private:
    [[nodiscard]] std::uintptr_t here() const noexcept {
        return reinterpret_cast<std::uintptr_t>(this) ^ 0x5A5A5A5AU;
    }
    void settle_in() noexcept {
        home_ = here();
        ++Census::alive_;
    }
    void check() const noexcept {
        if (home_ != here()) ++Census::faults_;
    }

    std::uintptr_t home_ = 0;
    int value_;
};

using Countable = Tracked<true>;
using MoveOnly = Tracked<false>;

}  // namespace runnel::test
