// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/wait/continuations.hpp>
#include <runnel/detail/wait/waiter.hpp>

namespace runnel::inline v0::detail {

// The run of a channel's handlers as a continuation of the thread that has it. A channel has one
// run at a time, so each has one of these, and it takes no memory when it is needed.
template <typename Channel>
class LaterRun final : public Waiter {
public:
    explicit LaterRun(Channel& channel) noexcept
        : Waiter{behaviour, WaitsOn::one}, channel_{channel} {}

private:
    // A handler that ends its thread ends the program: others may wait in this thread.
    static void go_on(Waiter& waiter) noexcept {
        Channel& channel = static_cast<LaterRun&>(waiter).channel_;
        const Owner<Channel> kept{channel};
        channel.remove_owner();  // of run_handlers_later()
        channel.run_logged();
    }
    static void stand_in(Waiter& /*nobody takes it out*/, Continuations& /*list*/) noexcept {}

    static constexpr Behaviour behaviour{nullptr, nullptr, false, go_on, stand_in};

    Channel& channel_;
};

}  // namespace runnel::inline v0::detail
