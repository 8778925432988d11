// SPDX-License-Identifier: MIT
//
// Retries and dead letters by hand. A worker that fails gives the order back, and the next claim
// takes it. What a dead worker had in hand is claimed once it was idle for a minute. After its
// third attempt an order goes to the dead letters.

#include <runnel/blocking_list.hpp>
#include <runnel/stream.hpp>

#include <chrono>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>

namespace {

using namespace std::chrono_literals;

struct Order {
    std::string item;
    int price;
};
using DeadLetters = runnel::BlockingList<runnel::KeptEntry<Order>>;

void charge(const Order& order) {
    if (order.price < 0) throw std::invalid_argument{"the price is negative"};
    std::printf("%s: charged\n", order.item.c_str());
}

// [readme]
void handle(const runnel::Delivery<Order>& order, const DeadLetters& dead_letters) try {
    charge(order.value);
    order.ack();
} catch (const std::exception& error) {
    std::printf("%s: %s\n", order.value.item.c_str(), error.what());
    if (order.attempt < 3) {
        order.nack();                               // the next claim takes it at once
    } else if (order.ack() == runnel::Ack::done) {  // else another worker has it now
        (void)dead_letters.push_back(order.keep());
    }
}

void work(const runnel::ConsumerGroup<Order>& group, const DeadLetters& dead_letters) {
    const auto me = group.consumer("till");
    while (group.lag() != 0 || group.pending().count != 0) {
        auto orders = me.read({.count = 10, .timeout = 10ms});
        if (!orders) orders = me.autoclaim({.min_idle = 1min, .count = 10});
        for (const auto& order : orders) handle(order, dead_letters);
    }
}
// [/readme]

}  // namespace

int main() {
    const runnel::Stream<Order> orders;
    const auto tills = orders.group("tills");
    for (const char* item : {"apple", "pear"}) orders.add({item, 3});
    orders.add({"voucher", -5});

    const DeadLetters dead_letters;
    work(tills, dead_letters);
    const auto letter = dead_letters.try_pop_front();
    if (letter) std::printf("dead letter: %s\n", (*letter)->item.c_str());
    return letter && (*letter)->item == "voucher" && dead_letters.size() == 0 ? 0 : 1;
}
