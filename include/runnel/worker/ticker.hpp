// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/abstract_clock.hpp>
#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>
#include <runnel/duration.hpp>
#include <runnel/outcome.hpp>
#include <runnel/worker/coroutine.hpp>

#include <exception>
#include <functional>
#include <stop_token>
#include <utility>

namespace runnel::inline v0::detail {

// Calls a function again and again, by whoever runs the clock: see Runner. Two calls never overlap.
// When nobody runs the clock any more, the calls end.
class Ticker {
public:
    // The first call comes when `period` is over. The function must not throw.
    // Throws: Error{clock_not_run}; std::bad_alloc.
    Ticker(Clock& clock, Duration period, std::function<void()> function)
        : period_{period},
          function_{std::move(function)},
          never_{{.clock = &clock}},
          ended_{{.capacity = 1, .clock = &clock}} {
        tick(*this);
        if (failure_) std::rethrow_exception(failure_);
    }
    Ticker(const Ticker&) = delete;
    Ticker& operator=(const Ticker&) = delete;
    // Waits for a call that runs in another thread. Must not be called by the function.
    ~Ticker() {
        stop_.request_stop();
        (void)ended_.pop_front();
    }

private:
    // The frame may be left when the Ticker goes, so nothing of that is touched after the last
    // push.
    static Detached tick(Ticker& self) {
        const BlockingList<char> ended = self.ended_;
        const WaitOptions options{self.period_, self.stop_.get_token()};
        try {
            // Its wait also ends when nobody runs the clock any more.
            for (;;) {
                const auto waited = co_await self.never_.async_pop_front(options);
                if (waited.ending() != Ending::timed_out) break;
                self.function_();
            }
        } catch (...) {
            self.failure_ = std::current_exception();
        }
        (void)ended.try_push_back(0);
    }

    const Duration period_;
    const std::function<void()> function_;
    std::stop_source stop_;
    const BlockingList<char> never_;  // gets no element
    const BlockingList<char> ended_;  // gets one at the end
    std::exception_ptr failure_;
};

}  // namespace runnel::inline v0::detail
