// SPDX-License-Identifier: MIT
#pragma once

namespace runnel::inline v0::detail {

// The T of the calling thread, of which other threads may know the address; destroyed at the end of
// the thread. Here, so that a test can give its own threads one each. Each image has others.
template <typename T>
[[nodiscard]] T& of_this_thread() noexcept {
    thread_local T object;
    return object;
}

}  // namespace runnel::inline v0::detail
