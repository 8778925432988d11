// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>
#include <runnel/channel.hpp>
#include <runnel/connection.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/channels.hpp"
#include "support/eventually.hpp"
#include "support/sandbox.hpp"

#include <atomic>
#include <csignal>
#include <stop_token>
#include <thread>

using runnel::BlockingList;
using runnel::Connection;
using runnel::test::Call;
using runnel::test::eventually;
using runnel::test::NumberChannel;
using runnel::test::trap_system_call;

namespace {

std::atomic<bool> is_in_barrier = false;
std::atomic<bool> may_go_on = false;

// Instead of the barrier.
extern "C" void stand_in_barrier(int /*signal*/) {
    is_in_barrier = true;
    while (!may_go_on) {
    }
}

}  // namespace

TEST_CASE_METHOD(NumberChannel, "the barrier of a disconnect holds nobody up",
                 "[channel][handler][sandbox]") {
    BlockingList<int> gate{{.clock = &clock}};
    const Connection running = channel.on_message([&](const int&) { (void)gate.pop_front(); });
    Connection beside = channel.on_message([](const int&) {});
    Call runner{clock, [&](const std::stop_token& stop) {
                    const std::stop_callback at_the_end{stop, [&] { gate.close(); }};
                    return channel.publish(1);
                }};
    REQUIRE(runner.waits());
    std::signal(SIGSYS, stand_in_barrier);
    if (!trap_system_call(SYS_membarrier)) {
        WARN("no sandbox here");
        return;
    }
    std::thread disconnecting{[&] { beside.disconnect(); }};
    eventually([] { return is_in_barrier.load(); });
    // Meanwhile the channel is there for others: they come, go and publish.
    const Connection other = channel.on_message([](const int&) {});
    CHECK(channel.info().handlers == 2);
    {
        const auto view = channel.subscribe();
        CHECK(channel.publish(2) == 3);
    }
    may_go_on = true;
    // It was refused the barrier: so it waits for the end of the batch.
    (void)gate.push_back(1);
    disconnecting.join();
    (void)gate.push_back(2);
    CHECK(runner.result() == 2);
}
