// SPDX-License-Identifier: MIT
#pragma once

// Where time comes from: Clock, and the two clocks that there are, SystemClock and ManualClock.

#include <runnel/version.hpp>

#include <runnel/abstract_clock.hpp>            // IWYU pragma: export
#include <runnel/detail/wait/manual_clock.hpp>  // IWYU pragma: export
#include <runnel/detail/wait/system_clock.hpp>  // IWYU pragma: export
