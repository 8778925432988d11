// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>

namespace runnel::inline v0::detail {

// Every atomic object of runnel has this type, so that a test can put one in its place that lets
// other threads run before each access.
template <typename T>
using Atomic = std::atomic<T>;

}  // namespace runnel::inline v0::detail
