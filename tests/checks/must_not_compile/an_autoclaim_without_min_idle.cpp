// SPDX-License-Identifier: MIT
#include <runnel/consumer_group.hpp>

void take_over(const runnel::Consumer<int>& medic) {
    (void)medic.autoclaim({.count = 3});
}
