// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/clock.hpp>

/// How long a clock waits before it says that something may be wrong.
struct runnel::detail::PatienceOf {
    static auto& of(ManualClock::Thread& thread) { return thread.end_->patience; }
    static auto& of(ManualClock& clock) { return clock.patience_; }
    /// In lock-step, before it takes a thread that sleeps for one that waits elsewhere. The system
    /// may take a while to end a thread that is joined.
    static auto& of_lock_step(ManualClock& clock) { return clock.baton_->patience; }
};
