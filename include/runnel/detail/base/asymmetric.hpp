// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace runnel::inline v0::detail {

// A barrier in two halves, for two threads of which each stores first and then loads what the other
// one has stored: at least one of them sees the other. The light half, for the one that does it all
// the time, costs nothing, as the heavy half makes every running thread of the process pass a full
// barrier. Where the kernel cannot do that, is_available() is false, and the light half has to be a
// sequentially consistent store instead.
class AsymmetricBarrier {
public:
    // Registers the process, the first time. False once the heavy half has been refused: a sandbox
    // may forbid a running process what it could do before.
    [[nodiscard]] static bool is_available() noexcept {
        static const bool registered = call(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED);
        return registered && !was_refused().load(std::memory_order_relaxed);
    }

    // Between the store and the load of the one. For the compiler only.
    static void light() noexcept { std::atomic_signal_fence(std::memory_order_seq_cst); }

    // Between the store and the load of the other. False: it was refused, and the light halves that
    // others have passed so far count for nothing.
    [[nodiscard]] static bool heavy() noexcept {
        if (call(MEMBARRIER_CMD_PRIVATE_EXPEDITED)) return true;
        was_refused().store(true, std::memory_order_relaxed);
        return false;
    }

private:
    [[nodiscard]] static bool call(int command) noexcept {
        return syscall(SYS_membarrier, command, 0, 0) == 0;
    }

    [[nodiscard]] static std::atomic<bool>& was_refused() noexcept {
        static constinit std::atomic<bool> refused = false;
        return refused;
    }
};

}  // namespace runnel::inline v0::detail
