// SPDX-License-Identifier: MIT
#include <runnel/wait_any.hpp>

void wait(const runnel::BlockingList<int>& jobs, const runnel::ConsumerGroup<int>& billing) {
    (void)runnel::wait_any({jobs, billing});
}
