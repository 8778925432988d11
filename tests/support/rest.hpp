// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/clock.hpp>
#include <runnel/detail/wait/await.hpp>
#include <runnel/detail/wait/spin.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/detail/wait/waiter.hpp>
#include <runnel/outcome.hpp>

#include <stop_token>

namespace runnel::test {

/// A wait for nothing: somebody wakes it, or it ends by time-out or stop.
struct Rest : detail::Waiter {
    explicit Rest(Clock& on) : Waiter{behaviour}, clock{on} {}

    detail::WaitEnd wait(const Timeout& timeout = {}, const std::stop_token& stop = {}) {
        detail::SpinBudget spin;
        detail::await(*this, clock, spin, {&timeout, &stop});
        return how();
    }

    void wake() {
        if (!claim()) return;
        detail::WakeChain chain;
        chain.add(*this);
        chain.resume_all();
    }

    static detail::Served never(detail::WaitNode&) noexcept { return detail::Served::no; }
    static void unpark(Waiter& waiter, detail::WakeChain&) noexcept {
        static_cast<Rest&>(waiter).clock.unpark(waiter);
    }
    static constexpr Behaviour behaviour{never, unpark};

    Clock& clock;
};

}  // namespace runnel::test
