// SPDX-License-Identifier: MIT
//
// A service as components that know the events and not each other. Billing is quick, and hears of
// an order in the thread that places it; shipping takes its time in a thread of its own; a clerk
// who leaves takes his handler with him.

#include <runnel/channel.hpp>

#include <cstdio>
#include <string>
#include <thread>
#include <utility>

namespace {

struct Order {
    int number;
    std::string item;
};
struct Paid {
    int order;
};

struct Bus {
    runnel::Channel<Order> orders;
    runnel::Channel<Paid> payments;
};

// [readme]
// A handler may publish, subscribe and disconnect whatever it likes: no lock is held. It may be
// destroyed anywhere, also inside the handler of another channel.
class Billing {
public:
    explicit Billing(const Bus& bus)
        : connection_{bus.orders.on_message([this, payments = bus.payments](const Order& order) {
              ++bills_;
              // Inside a handler nobody waits: those of the payments may be too far behind.
              if (payments.publish(Paid{order.number}).ending != runnel::Push::done) ++unpaid_;
          })} {}

    int bills() const { return bills_; }
    int unpaid() const { return unpaid_; }

private:
    int bills_ = 0;
    int unpaid_ = 0;
    runnel::Connection connection_;  // gone first: then the handler does not run any more
};
// [/readme]

// Reads at its own pace, and must not miss an order: who publishes waits if it is 100 behind.
class Shipping {
public:
    explicit Shipping(const Bus& bus)
        : thread_{[this, orders = bus.orders.subscribe(
                             {.bound = 100, .when_behind = runnel::Behind::block})]() mutable {
              while (const auto batch = orders.read())
                  for (const Order& order : batch) shipped_ += order.item.size();
          }} {}

    std::size_t letters_shipped() {
        thread_.join();
        return shipped_;
    }

private:
    std::size_t shipped_ = 0;
    std::jthread thread_;
};

}  // namespace

int main() {
    const Bus bus;
    const Billing billing{bus};
    Shipping shipping{bus};
    int paid = 0;
    const auto ledger = bus.payments.on_message([&paid](const Paid&) { ++paid; });

    std::size_t reached = 0;
    {
        int seen = 0;
        const auto clerk = bus.orders.on_message([&seen](const Order& order) {
            std::printf("the clerk sees order %d: %s\n", order.number, order.item.c_str());
            ++seen;
        });
        reached = bus.orders.publish({1, "apples"});
        if (reached != 3 || seen != 1) return 1;
    }  // the clerk goes home
    for (int number = 2; number <= 1000; ++number) reached = bus.orders.publish({number, "pears"});

    bus.orders.close();  // shipping does what is left, and ends
    const std::size_t letters = shipping.letters_shipped();
    std::printf("billed %d, paid %d, letters shipped %zu\n", billing.bills(), paid, letters);
    const bool all =
        billing.bills() == 1000 && billing.unpaid() == 0 && paid == 1000 && letters == 6 + 999 * 5;
    return all && reached == 2 ? 0 : 1;
}
