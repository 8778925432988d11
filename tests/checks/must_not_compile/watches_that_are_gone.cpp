// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>
#include <runnel/wait_any.hpp>

auto later(const runnel::BlockingList<int>& one, const runnel::BlockingList<int>& other) {
    auto any = runnel::async_wait_any({one, other});  // refused: its watches go with this line
    return any;
}
