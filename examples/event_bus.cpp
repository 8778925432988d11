// SPDX-License-Identifier: MIT
//
// A service of components that know the events but not each other. Billing is quick: it handles an
// order in the thread that places the order. Shipping takes its time in a thread of its own. The
// clerk leaves early, and its handler is disconnected.

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
// A handler may publish, subscribe and disconnect, as no lock is held while it runs. Its owner may
// be destroyed anywhere, also inside the handler of another channel.
class Billing {
public:
    explicit Billing(const Bus& bus)
        : connection_{bus.orders.on_message([this, payments = bus.payments](const Order& order) {
              ++bills_;
              // Inside a handler, publish() does not wait for handlers: Push::full if they are
              // behind.
              if (payments.publish(Paid{order.number}).ending != runnel::Push::done) ++unpaid_;
          })} {}

    int bills() const { return bills_; }
    int unpaid() const { return unpaid_; }

private:
    int bills_ = 0;
    int unpaid_ = 0;
    runnel::Connection connection_;  // last member, so destroyed first: it ends the handler
};
// [/readme]

// Reads at its own pace and must not miss an order: publishers wait while it is 100 orders behind.
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
