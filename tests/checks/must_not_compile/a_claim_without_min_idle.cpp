// SPDX-License-Identifier: MIT
#include <runnel/consumer_group.hpp>

void take_over(const runnel::Consumer<int>& medic) {
    (void)medic.claim({{1}}, {.counts = false});
}
