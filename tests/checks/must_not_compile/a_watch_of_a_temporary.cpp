// SPDX-License-Identifier: MIT
#include <runnel/wait_any.hpp>

void wait(const runnel::Channel<int>& ticks, const runnel::Stream<int>& orders,
          const runnel::Inbox<int>& inbox) {
    (void)runnel::wait_any({ticks.subscribe()});  // refused
    (void)runnel::wait_any({orders.cursor()});    // refused
    (void)runnel::wait_any({inbox});              // refused
}
