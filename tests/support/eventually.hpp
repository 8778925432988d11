// SPDX-License-Identifier: MIT
#pragma once

#include <thread>

namespace runnel::test {

/// Returns once `condition` holds. For what no clock can tell; ctest's TIMEOUT is the watchdog.
template <typename Condition>
void eventually(Condition condition) {
    while (!condition()) std::this_thread::yield();
}

}  // namespace runnel::test
