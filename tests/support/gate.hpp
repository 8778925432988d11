// SPDX-License-Identifier: MIT
#pragma once

// A T that stops at a gate while runnel moves, copies, compares or destroys it: so a window of a
// few instructions inside a lock stays open for as long as a test wants to look into it.

#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <thread>

namespace runnel::test {

/// What runnel does to a T. A handler of a channel stops at the gate, too.
enum class Step : std::uint8_t { move, copy, compare, destroy, weigh, handle };

/// One thread at a time stops here, at the nth step after arm().
class Gate {
public:
    Gate() = default;
    Gate(const Gate&) = delete;
    Gate& operator=(const Gate&) = delete;

    /// The calling thread will stop at its `nth` step, counted from 1, of any kind.
    void arm(std::size_t nth) {
        const std::lock_guard lock{mutex_};
        thread_ = std::this_thread::get_id();
        left_ = nth;
        stopped_ = open_ = false;
    }

    /// The thread that armed it has done what it had to: nobody stops any more.
    void disarm() {
        const std::lock_guard lock{mutex_};
        left_ = 0;
        done_ = true;
        changed_.notify_all();
    }

    /// By a T: stops the thread here if it is its turn, until the gate is opened.
    void pass(Step step) noexcept {
        std::unique_lock lock{mutex_};
        if (left_ == 0 || std::this_thread::get_id() != thread_ || --left_ != 0) return;
        step_ = step;
        stopped_ = true;
        changed_.notify_all();
        while (!open_) changed_.wait(lock);
    }

    /// Returns once the thread has stopped: true. False: it was done before its nth step.
    [[nodiscard]] bool await_stop() {
        std::unique_lock lock{mutex_};
        while (!stopped_ && !done_) changed_.wait(lock);
        return stopped_;
    }

    /// At what it stopped. Requires: await_stop() was true.
    [[nodiscard]] Step step() {
        const std::lock_guard lock{mutex_};
        return step_;
    }

    void open() {
        const std::lock_guard lock{mutex_};
        open_ = true;
        changed_.notify_all();
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::thread::id thread_;
    std::size_t left_ = 0;
    Step step_ = Step::move;
    bool stopped_ = false;
    bool open_ = false;
    bool done_ = false;
};

/// A number whose every step passes a gate; without a gate it is a plain number.
template <bool Copyable>
class GatedNumber {
public:
    GatedNumber(int value, Gate* gate = nullptr) noexcept  // NOLINT(*-explicit-*)
        : value_{value}, gate_{gate} {}
    GatedNumber(GatedNumber&& other) noexcept : value_{other.value_}, gate_{other.gate_} {
        pass(Step::move);
        other.value_ = moved_from;
    }
    GatedNumber(const GatedNumber& other) requires Copyable : value_{other.value_},
                                                              gate_{other.gate_} {
        pass(Step::copy);
    }
    GatedNumber& operator=(const GatedNumber&) = delete;
    GatedNumber& operator=(GatedNumber&&) = delete;
    ~GatedNumber() {
        if (value_ != moved_from) pass(Step::destroy);
    }

    static constexpr int moved_from = -1;

    [[nodiscard]] int get() const noexcept { return value_; }

    friend bool operator==(const GatedNumber& one, const GatedNumber& other) noexcept {
        one.pass(Step::compare);
        return one.value_ == other.value_;
    }

private:
    void pass(Step step) const noexcept {
        if (gate_ != nullptr) gate_->pass(step);
    }

    int value_;
    Gate* gate_;
};

using Gated = GatedNumber<true>;
using GatedMoveOnly = GatedNumber<false>;

}  // namespace runnel::test
