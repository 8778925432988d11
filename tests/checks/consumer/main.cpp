// SPDX-License-Identifier: MIT
#include <runnel/runnel.hpp>

#include <memory>

int main() {
    runnel::BlockingList<std::unique_ptr<int>> list;
    if (list.push_back(std::make_unique<int>(7)) != runnel::Push::done) return 1;
    const auto popped = list.pop_front();
    return popped && **popped == 7 ? 0 : 1;
}
