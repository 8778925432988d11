// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/clock.hpp>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

// Clocks as users may write them.
namespace runnel::test {

/// Says what time it is, and no more: so many times as fast as the machine's.
class FastClock final : public Clock {
public:
    explicit FastClock(int times) noexcept : times_{times} {}

    [[nodiscard]] Deadline now() const noexcept override { return start_ + times_ * passed(); }
    [[nodiscard]] WallTime wall() const noexcept override { return began_ + times_ * passed(); }
    [[nodiscard]] bool is_real() const noexcept override { return true; }

private:
    [[nodiscard]] Deadline::duration passed() const noexcept {
        return std::chrono::steady_clock::now() - start_;
    }

    const int times_;
    const Deadline start_ = std::chrono::steady_clock::now();
    const WallTime began_ = std::chrono::system_clock::now();
};

/// Stands still until it is moved.
class HandClock final : public Clock {
public:
    void move(std::chrono::seconds by) { seconds_ += by.count(); }

    [[nodiscard]] Deadline now() const noexcept override {
        ++looks;
        return Deadline{std::chrono::seconds{seconds_}};
    }
    [[nodiscard]] WallTime wall() const noexcept override {
        return WallTime{std::chrono::seconds{seconds_}};
    }
    [[nodiscard]] bool is_real() const noexcept override { return false; }

    mutable std::atomic<int> looks = 0;

private:
    std::atomic<std::chrono::seconds::rep> seconds_ = 1'000;
};

/// Behind the machine's, and knows by how much; counts how often a wait asks.
class LateClock final : public Clock {
public:
    static constexpr auto behind = std::chrono::hours{1};

    [[nodiscard]] Deadline now() const noexcept override {
        return std::chrono::steady_clock::now() - behind;
    }
    [[nodiscard]] WallTime wall() const noexcept override {
        return std::chrono::system_clock::now() - behind;
    }
    [[nodiscard]] bool is_real() const noexcept override { return true; }
    [[nodiscard]] std::optional<std::chrono::steady_clock::time_point>
    machine_time(Deadline deadline) const noexcept override {
        ++asked;
        return deadline + behind;
    }

    mutable std::atomic<int> asked = 0;
};

/// Notes the waits that it parks, which other clocks would count or order.
class NotingClock final : public Clock {
public:
    [[nodiscard]] Deadline now() const noexcept override {
        return std::chrono::steady_clock::now();
    }
    [[nodiscard]] WallTime wall() const noexcept override {
        return std::chrono::system_clock::now();
    }
    [[nodiscard]] bool is_real() const noexcept override { return false; }

    // By hand what Clock::park() does.
    void park(Wait& wait, std::optional<Deadline> deadline) noexcept override {
        ticket = wait.ticket();
        ++parked;
        while (!wait.ended() && !(deadline && now() >= *deadline)) wait.sleep(deadline);
        if (wait.claim_as_timed_out()) return wait.end();
        while (!wait.ended()) wait.sleep();
    }
    void unpark(Wait& wait) noexcept override {
        ++unparked;
        wait.end();
    }

    std::atomic<std::uint64_t> ticket = 0;
    std::atomic<int> parked = 0;
    std::atomic<int> unparked = 0;
};

}  // namespace runnel::test
