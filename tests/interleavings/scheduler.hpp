// SPDX-License-Identifier: MIT
#pragma once

// What the headers in instead/ ask of the scheduler: see orders.hpp. Outside of an order, every
// step is taken at once, and nothing may wait.

#include <runnel/detail/base/assert.hpp>

#include <chrono>
#include <cstdint>
#include <memory>

namespace runnel::test {

/// 1, 2, 3 for the threads of an order; 0 for what prepares and checks it.
using ThreadNumber = std::uint32_t;

[[nodiscard]] ThreadNumber current_thread() noexcept;

/// Called before a step that other threads can see, or whose result depends on them: any of them
/// may go on first. `what` and `at` are for the reader of a failing order.
void step(const char* what, detail::Caller at) noexcept;

/// The same. All others that can go on may do so first.
void give_way(detail::Caller at) noexcept;

/// What the calling thread has of its own, by a key; destroyed at its end.
[[nodiscard]] std::shared_ptr<void>& own_of_thread(const void* key) noexcept;

using Moment = std::chrono::steady_clock::time_point;

/// Other threads go on until one of them wakes what waits for `object`.
void await(const void* object) noexcept;

/// The same. But at any time from now on, the time may become `until`, and the thread goes on.
void await_until(const void* object, Moment until) noexcept;

/// Wakes the thread that has waited for `object` longest, or all. They go on when they are chosen.
void wake_one(const void* object) noexcept;
void wake_all(const void* object) noexcept;

/// The time of this order. It moves only where a thread's wait times out, or somebody moves it.
[[nodiscard]] Moment present() noexcept;
void move_time(Moment to, detail::Caller at = {}) noexcept;

}  // namespace runnel::test
