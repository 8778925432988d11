// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/abstract_clock.hpp>
#include <runnel/detail/base/atomic.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/detail/wait/waiter.hpp>
#include <runnel/outcome.hpp>

#include <exception>
#include <new>

namespace runnel::inline v0::detail {

// Why a push or publish was refused whose wait has ended so.
[[nodiscard]] inline Push refusal_of(Ending ending) noexcept {
    switch (ending) {
    case Ending::stopped:
        return Push::stopped;
    case Ending::closed:
        return Push::closed;
    default:
        return Push::full;
    }
}

// What a call that may wait asks of the objects it waits on. attempt() carries it out, under the
// locks of the objects it names. It runs in the thread that makes the request or in one that wakes
// it: first what may throw, then claim(), then what cannot fail. So a request that another thread
// has ended changes nothing.
class Request : public Waiter {
public:
    Request(const Behaviour& behaviour, WaitsOn waits_on, Clock& on) noexcept
        : Waiter{behaviour, waits_on}, clock{on} {}

    // Runs attempt(). An exception from it ends the request.
    template <typename Kind, typename Node>
    static Served serve_as(WaitNode& node) noexcept {
        auto& request = static_cast<Kind&>(*node.waiter);
        try {
            return request.attempt(static_cast<Node&>(node));
        } catch (...) {
            if (!request.claim(WaitEnd::failed)) return Served::elsewhere;
            if constexpr (requires { request.failure; }) request.failure = std::current_exception();
            return Served::yes;
        }
    }

    // How the wait of a thread ends. A kind may have
    //   void serve_others(WakeChain&) noexcept
    // which runs before that, without locks: it serves those whom the request has made room for.
    template <typename Kind>
    static void unpark(Waiter& waiter, WakeChain& chain) noexcept {
        auto& request = static_cast<Kind&>(waiter);
        if constexpr (requires { request.serve_others(chain); }) request.serve_others(chain);
        request.clock.unpark(request);
    }

    // Ends the request if nothing that it waits on is open any more.
    Served end_if_last_source() noexcept {
        const bool last = open_sources.fetch_sub(1, std::memory_order_relaxed) == 1;
        return last && claim(WaitEnd::closed) ? Served::yes : Served::elsewhere;
    }

    // Why it was not carried out. Throws: std::bad_alloc if memory has run out. A kind that may
    // fail otherwise keeps what attempt() has thrown, as `failure`.
    [[nodiscard]] Ending ending() const {
        switch (how()) {
        case WaitEnd::failed:
            throw std::bad_alloc{};
        case WaitEnd::stopped:
            return Ending::stopped;
        case WaitEnd::closed:
            return Ending::closed;
        case WaitEnd::gone:
            return Ending::gone;
        case WaitEnd::disconnected:
            return Ending::disconnected;
        default:
            return Ending::timed_out;
        }
    }

    Clock& clock;
    // How many of the objects that it waits on are still open; at 0 nothing can come any more.
    Atomic<std::uint32_t> open_sources = 1;
};
}  // namespace runnel::inline v0::detail
