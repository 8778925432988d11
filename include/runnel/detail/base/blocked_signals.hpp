// SPDX-License-Identifier: MIT
#pragma once

#include <csignal>
#include <pthread.h>

namespace runnel::inline v0::detail {

// While it lives, no signal interrupts the thread that has made it. A thread that is started
// meanwhile keeps it so: the program's handlers run in the program's own threads.
class BlockedSignals {
public:
    BlockedSignals() noexcept {
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before_);
    }
    BlockedSignals(const BlockedSignals&) = delete;
    BlockedSignals& operator=(const BlockedSignals&) = delete;
    ~BlockedSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

private:
    sigset_t before_{};
};

}  // namespace runnel::inline v0::detail
