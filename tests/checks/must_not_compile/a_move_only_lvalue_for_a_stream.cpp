// SPDX-License-Identifier: MIT
#include <runnel/stream.hpp>

#include <chrono>
#include <memory>
#include <utility>

void add(const runnel::Stream<std::unique_ptr<int>>& stream, std::unique_ptr<int> one) {
    stream.add(one);                                                 // refused
    stream.add({1, 1}, one);                                         // refused
    stream.add(std::chrono::sys_time<std::chrono::seconds>{}, one);  // refused
    stream.add(std::move(one));
}
