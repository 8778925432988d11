// SPDX-License-Identifier: MIT
#include <runnel/clock.hpp>

void pass(runnel::ManualClock& clock) {
    clock.advance(10);
}
