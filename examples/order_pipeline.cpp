// SPDX-License-Identifier: MIT
//
// Two steps over two streams: orders are checked and priced, and invoices are sent. An order that
// comes twice is handled once, and an invoice is added in one step with the acknowledgement of its
// order: both or neither. A test: all of it on a ManualClock.

#include <runnel/clock.hpp>
#include <runnel/deduplicator.hpp>
#include <runnel/stream.hpp>
#include <runnel/worker.hpp>

#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <string>

namespace {

using namespace std::chrono_literals;

struct Order {
    std::string number;
    int cents;
};
struct Invoice {
    std::string order;
    int cents;
};

}  // namespace

// NOLINTNEXTLINE(readability-function-size)
int main() {
    runnel::ManualClock clock;
    const runnel::Stream<Order> orders{{.clock = &clock}};
    const runnel::Stream<Invoice> invoices{{.clock = &clock}};
    runnel::Deduplicator<std::string> priced{{.clock = &clock}};
    bool mail_is_down = true;
    int sent = 0;

    // [readme]
    using Pricing = runnel::Worker<Order>;
    Pricing pricing{
        orders,
        "pricing",
        [&](Pricing::Job& order) {
            if (order->cents < 0) return runnel::Handled::reject("a negative price");
            order.forward(invoices, Invoice{order->number, order->cents * 119 / 100});
            return runnel::Handled::done();
        },
        {.policy = {.guarantee = runnel::Guarantee::effectively_once},
         .once = runnel::once_by(priced, [](const Order& order) { return order.number; })}};
    // [/readme]

    runnel::Worker<Invoice> sending{invoices, "sending", [&](const Invoice& invoice) {
                                        if (mail_is_down) throw std::runtime_error{"no connection"};
                                        std::printf("invoice of order %s: %d cents\n",
                                                    invoice.order.c_str(), invoice.cents);
                                        ++sent;
                                    }};
    pricing.start(clock);
    sending.start(clock);

    for (const char* number : {"7", "8", "7"}) orders.add({number, 1000});
    orders.add({"9", -1});
    clock.advance(2s);
    mail_is_down = false;
    clock.advance(1min);

    const auto stats = pricing.stats();
    std::printf("orders: %d priced, %d came twice, %d rejected; invoices: %d tried again\n",
                static_cast<int>(stats.processed), static_cast<int>(stats.duplicates),
                static_cast<int>(stats.dropped), static_cast<int>(sending.stats().retried));
    return sent == 2 && stats.processed == 2 && stats.duplicates == 1 && stats.dropped == 1 ? 0 : 1;
}
