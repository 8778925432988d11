// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/atomic.hpp>

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace runnel::inline v0::detail {

// A barrier in two halves, for two threads that each store, and then load what the other one
// stores: at least one of them sees the other's store. The light half, for the thread that passes
// it often, costs nothing: the heavy half makes every running thread of the process pass a full
// barrier. If the kernel cannot do that, is_available() is false, and a sequentially consistent
// store must take the place of the light half.
class AsymmetricBarrier {
public:
    // The first call registers the process. False once the heavy half has been refused: a sandbox
    // may forbid a running process a system call that worked before.
    [[nodiscard]] static bool is_available() noexcept {
        static const bool registered = call(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
        return registered && !was_refused().load(std::memory_order_relaxed);
    }

    // Between the store and the load of one thread. For the compiler only.
    static void light() noexcept { std::atomic_signal_fence(std::memory_order_seq_cst); }

    // Between the store and the load of the other thread. False: the kernel refused it, and the
    // light halves that other threads have passed so far have no effect.
    [[nodiscard]] static bool heavy() noexcept {
        if (call(MEMBARRIER_CMD_PRIVATE_EXPEDITED)) return true;
        was_refused().store(true, std::memory_order_relaxed);
        return false;
    }

private:
    [[nodiscard]] static bool call(int command) noexcept {
        return syscall(SYS_membarrier, command, 0, 0) == 0;
    }

    [[nodiscard]] static Atomic<bool>& was_refused() noexcept {
        static constinit Atomic<bool> refused = false;
        return refused;
    }
};

}  // namespace runnel::inline v0::detail
