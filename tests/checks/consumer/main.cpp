// SPDX-License-Identifier: MIT

// What -Wshadow would warn of, were the headers of runnel this project's own.
extern int list;
extern int name;

#include <runnel/runnel.hpp>

#include <memory>

int list = 0;
int name = 0;

int main() {
    const runnel::BlockingList<std::unique_ptr<int>> jobs;
    if (jobs.push_back(std::make_unique<int>(7)) != runnel::Push::done) return 1;
    const auto popped = jobs.pop_front();
    return popped && **popped == 7 ? list + name : 1;
}
