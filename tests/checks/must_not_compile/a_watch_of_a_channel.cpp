// SPDX-License-Identifier: MIT
#include <runnel/wait_any.hpp>

void wait(const runnel::BlockingList<int>& jobs, const runnel::Channel<int>& ticks) {
    (void)runnel::wait_any({jobs, ticks});
}
