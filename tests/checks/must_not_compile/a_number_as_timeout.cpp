// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>

void take(const runnel::BlockingList<int>& jobs) {
    (void)jobs.pop_front({.timeout = 10});
}
