// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstdint>
#include <pthread.h>

namespace runnel::inline v0::detail {

// Identifies a thread, in the same way in every image (program or shared object) of the process.
// The address of a thread_local variable would differ.
using ThreadId = std::uintptr_t;
inline constexpr ThreadId no_thread = 0;

[[nodiscard]] inline ThreadId this_thread() noexcept {
#if defined(__x86_64__) && defined(__LP64__)
    // The thread pointer; a call of pthread_self() would cost each publish to handlers some
    // nanoseconds.
    ThreadId self = 0;
    asm("movq %%fs:0, %0" : "=r"(self));
    return self;
#else
    return std::bit_cast<ThreadId>(pthread_self());
#endif
}

}  // namespace runnel::inline v0::detail
