// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/abstract_clock.hpp>
#include <runnel/detail/wait/continuations.hpp>
#include <runnel/detail/wait/timers.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/detail/wait/waiter.hpp>
#include <runnel/duration.hpp>

#include <functional>
#include <utility>

namespace runnel::test {

/// A wait for nothing that needs no thread: it ends when its time-out comes, or by wake().
struct Timed : detail::Waiter {
    /// `on_end` is called, by the thread that ends the wait, and may destroy it.
    explicit Timed(Clock& on, std::function<void(Timed&)> on_end = {},
                   detail::WaitsOn waits_on = detail::WaitsOn::one)
        : Waiter{behaviour, waits_on}, clock{on}, then{std::move(on_end)} {}

    Timed& start(Duration timeout) { return start_at(clock.now() + timeout.nanoseconds()); }
    Timed& start_at(Clock::Deadline deadline) {
        detail::start_timer(clock, timer, deadline);
        return *this;
    }

    /// False: another thread has ended it, or is about to.
    bool wake() {
        if (!claim()) return false;
        detail::resume_one(*this);
        return true;
    }

    /// Whether it has ended like that.
    [[nodiscard]] bool has(detail::WaitEnd end) const noexcept { return ended() && how() == end; }

    Clock& clock;

private:
    static detail::Served never(detail::WaitNode& /*node*/) noexcept { return detail::Served::no; }
    static void go_on_later(Waiter& waiter, detail::WakeChain& chain) noexcept {
        chain.go_on_later(waiter);
    }
    static void go_on(Waiter& waiter) noexcept {
        auto& self = static_cast<Timed&>(waiter);
        detail::stop_timer(self.clock, self.timer);
        const auto call = std::move(self.then);
        self.end();
        if (call) call(self);
    }
    static void stand_in(Waiter& /*waiter*/, detail::Continuations& /*list*/) noexcept {}
    static constexpr Behaviour behaviour{never, go_on_later, false, go_on, stand_in};

    detail::Timer timer{*this};
    std::function<void(Timed&)> then;
};

}  // namespace runnel::test
