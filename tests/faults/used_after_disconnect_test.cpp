// SPDX-License-Identifier: MIT
// Before: fails: uses_after_its_end == 0
//
// A disconnect() inside a handler of another channel, also by a destructor, did not wait for the
// handler: what that used was used after its end.
#include <runnel/channel.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/channels.hpp"

#include <memory>

using namespace runnel;
using namespace runnel::test;

namespace {

// As in README: what is gone first is the connection.
class Billing {
public:
    Billing(const Channel<int>& orders, BlockingList<int>& gate, bool& is_alive, int& uses)
        : is_alive_{is_alive}, connection_{orders.on_message([&is_alive, &gate, &uses](const int&) {
              (void)gate.pop_front();
              if (!is_alive) ++uses;
          })} {
        is_alive_ = true;
    }
    Billing(const Billing&) = delete;
    Billing& operator=(const Billing&) = delete;
    ~Billing() {
        connection_ = Connection{};
        is_alive_ = false;
    }

private:
    bool& is_alive_;
    Connection connection_;
};

}  // namespace

TEST_CASE_METHOD(NumberChannel, "what a handler uses may be destroyed inside another handler",
                 "[channel][handler][disconnect]") {
    BlockingList<int> gate{{.clock = &clock}};
    bool is_alive = false;
    int uses_after_its_end = 0;
    auto billing = std::make_unique<Billing>(channel, gate, is_alive, uses_after_its_end);
    const Channel<std::string> commands{{.clock = &clock}};
    const Connection closing = commands.on_message([&](const std::string&) { billing.reset(); });

    Call order{clock, [&](const std::stop_token& stop) {
                   const std::stop_callback at_the_end{stop, [&] { gate.close(); }};
                   return channel.publish(1);
               }};
    REQUIRE(order.waits());
    Call command{clock, [&](const std::stop_token&) { return commands.publish("close"); }};
    (void)command.waits();
    (void)gate.push_back(1);
    CHECK(order.result() == 1);
    CHECK(command.result() == 1);
    CHECK(uses_after_its_end == 0);
    CHECK_FALSE(is_alive);
}
