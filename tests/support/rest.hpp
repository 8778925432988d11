// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/clock.hpp>
#include <runnel/detail/wait/await.hpp>
#include <runnel/detail/wait/request.hpp>
#include <runnel/detail/wait/spin.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/detail/wait/waiter.hpp>
#include <runnel/outcome.hpp>

#include <stop_token>

namespace runnel::test {

/// A wait for nothing: somebody wakes it, or it ends by time-out or stop. It stands in no line. Any
/// thread may wake it, also before its own one waits.
struct Rest : detail::Request {
    explicit Rest(Clock& on = SystemClock::instance())
        : Request{behaviour, detail::WaitsOn::several, on} {
        share();
    }

    detail::WaitEnd wait(const Timeout& timeout = {}, const std::stop_token& stop = {}) {
        return wait(detail::WaitLimits{&timeout, &stop});
    }
    detail::WaitEnd wait(detail::WaitLimits limits) {
        Nowhere nowhere;
        detail::wait_at(*this, nowhere, limits);
        return how();
    }

    void wake() {
        if (!claim()) return;
        detail::WakeChain chain;
        chain.add(*this);
        chain.resume_all();
    }

    static detail::Served never(detail::WaitNode&) noexcept { return detail::Served::no; }
    static constexpr Behaviour behaviour{never, unpark<Rest>};

private:
    struct Nowhere {
        void leave() const noexcept {}
        detail::SpinBudget& spin() noexcept { return budget; }

        detail::SpinBudget budget;
    };
};

}  // namespace runnel::test
