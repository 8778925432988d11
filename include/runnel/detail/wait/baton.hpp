// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/mix_bits.hpp>
#include <runnel/detail/base/process.hpp>
#include <runnel/detail/base/thread_rest.hpp>

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <sys/types.h>

namespace runnel::inline v0::detail {

// A thread that may get the baton.
struct BatonSeat {
    std::condition_variable given{};
    pid_t thread = 0;      // the kernel's number, once it has begun
    bool has_it = false;   // it may run
    bool is_away = false;  // it is blocked elsewhere, or runs though it has lost the baton
};

// The baton of a ManualClock in lock-step: of its threads only the one that holds it runs. Its
// clock knows which threads are ready, and draws one of them here. Guarded by the clock's mutex.
//
// All other threads are outside. As long as none of them has handed over, which it does while it
// waits for threads of the clock, the baton is outside, and is not given to anybody.
class Baton {
public:
    explicit Baton(std::uint64_t seed) noexcept : state_{seed} {}

    // A child of fork() has one thread, and no baton.
    [[nodiscard]] bool is_of_this_process() const noexcept { return process_ == Process::id(); }

    // One of 0 … count - 1; the same ones for the same seed, on every machine.
    [[nodiscard]] std::size_t draw(std::size_t count) noexcept {
        if (count == 1) return 0;
        state_ += 0x9E3779B97F4A7C15;
        return mix_bits(state_) % count;
    }

    [[nodiscard]] bool may_be_given() const noexcept {
        return holder_ == nullptr && (handed_over_ != 0 || outside_is_blocked_);
    }
    // Null: it is outside, or nobody was ready.
    [[nodiscard]] const BatonSeat* holder() const noexcept { return holder_; }

    void give(BatonSeat& seat) noexcept {
        holder_ = &seat;
        let_run(seat);
    }
    // The same for a thread outside, which had handed over.
    void give_outside(BatonSeat& seat) noexcept {
        --handed_over_;
        outside_ = seat.thread;
        let_run(seat);
    }
    // Its thread waits for the baton from now on, or for something else.
    void leave(BatonSeat& seat) noexcept {
        seat.has_it = seat.is_away = false;
        if (holder_ == &seat) holder_ = nullptr;
    }

    // The calling thread, which is outside, waits for threads of the clock.
    void hand_over() noexcept {
        note_outside();
        ++handed_over_;
    }
    void take_back() noexcept {
        note_outside();
        --handed_over_;
    }
    // What threads outside have waited for has come; they go on.
    void let_outside_run(std::size_t threads) noexcept { handed_over_ -= threads; }
    // The calling thread is the one outside that runs.
    void note_outside() noexcept {
        outside_ = kernel_thread();
        outside_is_blocked_ = false;
    }

    // What the thread looks like whose turn it is.
    struct Look {
        pid_t thread = 0;  // 0: nobody's, or it has not begun
        std::uint64_t passes = 0;
        std::optional<std::uint64_t> sleep{};
        std::chrono::steady_clock::time_point at{};
    };

    // First half of a look: without `sleep`, which the caller asks for without the lock.
    [[nodiscard]] Look look() const noexcept {
        const bool is_outside = handed_over_ == 0 && !outside_is_blocked_;
        const pid_t outside = is_outside ? outside_ : 0;
        return {holder_ != nullptr ? holder_->thread : outside,
                passes_,
                {},
                std::chrono::steady_clock::now()};
    }
    // Whether it has been blocked for long, and nobody but others can help it; or, of a holder,
    // runs on and on.
    [[nodiscard]] bool is_stuck(const Look& now) noexcept {
        if (now.passes != passes_ || now.thread != look().thread) return false;
        if (holder_ != nullptr && now.at - passed_at_ >= long_run) return true;
        const bool is_the_same = last_.thread == now.thread && last_.passes == now.passes &&
                                 last_.sleep == now.sleep && now.sleep;
        if (!is_the_same) last_ = now;
        return is_the_same && now.at - last_.at >= patience;
    }
    // It is stuck: others go on meanwhile.
    void pass_over() noexcept {
        outside_is_blocked_ = holder_ == nullptr;
        if (holder_ == nullptr) return;
        holder_->has_it = false;
        holder_->is_away = true;
        holder_ = nullptr;
    }

    static constexpr std::chrono::milliseconds long_sleep{100};
    static constexpr std::chrono::seconds long_run{10};
    std::chrono::milliseconds patience = long_sleep;  // some tests have more

private:
    void let_run(BatonSeat& seat) noexcept {
        seat.has_it = true;
        ++passes_;
        passed_at_ = std::chrono::steady_clock::now();
        seat.given.notify_one();
    }

    const pid_t process_ = Process::id();
    std::uint64_t state_;
    BatonSeat* holder_ = nullptr;
    std::size_t handed_over_ = 0;  // how many times threads outside have
    pid_t outside_ = kernel_thread();
    bool outside_is_blocked_ = false;
    std::uint64_t passes_ = 0;
    std::chrono::steady_clock::time_point passed_at_{};
    Look last_{};
};

}  // namespace runnel::inline v0::detail
