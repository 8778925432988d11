// SPDX-License-Identifier: MIT
// Before: fails: disconnect\.waits\(\)
//
// disconnect() rests on membarrier, whose refusal it did not notice: the runner of the handlers may
// have found the handler alive, and have said so in a store that nobody can see yet.
#include <runnel/channel.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/channels.hpp"
#include "support/eventually.hpp"
#include "support/sandbox.hpp"
#include "support/scale.hpp"

#include <atomic>
#include <cstddef>
#include <thread>

using namespace runnel;
using namespace runnel::test;

namespace {

Call<bool> disconnecting(ManualClock& clock, Connection& connection) {
    return {clock, [&connection](const std::stop_token&) {
                connection.disconnect();
                return true;
            }};
}

// Counts calls that come after disconnect() has returned.
std::size_t late_calls(std::size_t rounds) {
    const Channel<int> channel;
    std::atomic<bool> over = false;
    std::jthread publisher{[&] {
        while (!over) channel.publish(1);
    }};
    std::atomic<std::size_t> late = 0;
    for (std::size_t round = 0; round != rounds; ++round) {
        std::atomic<bool> is_alive = true;
        std::atomic<std::size_t> calls = 0;
        Connection handler = channel.on_message([&](const int&) {
            ++calls;
            if (!is_alive) ++late;
        });
        if (round % 2 == 0) eventually([&] { return calls != 0; });
        handler.disconnect();
        is_alive = false;
    }
    over = true;
    return late;
}

}  // namespace

TEST_CASE_METHOD(NumberChannel, "where membarrier is refused, disconnect() waits for the runner",
                 "[channel][handler][sandbox]") {
    BlockingList<int> gate{{.clock = &clock}};
    const Connection running = channel.on_message([&](const int&) { (void)gate.pop_front(); });
    Connection beside = channel.on_message([](const int&) {});
    Connection inside = channel.on_message([](const int&) {});
    Connection last = channel.on_message([](const int&) {});
    Call runner{clock, [&](const std::stop_token& stop) {
                    const std::stop_callback at_the_end{stop, [&] { gate.close(); }};
                    return channel.publish(1);
                }};
    REQUIRE(runner.waits());
    if (!refuse_system_call(SYS_membarrier)) {
        WARN("no sandbox here");
        return;
    }
    {
        // Nobody can tell whether it is about to be started. It is clear once the runner has taken
        // the channel's lock again.
        auto disconnect = disconnecting(clock, beside);
        REQUIRE(disconnect.waits());
        (void)gate.push_back(1);
        CHECK(disconnect.result());
    }
    CHECK(runner.result() == 4);
    CHECK(channel.info().handlers == 3);

    // The next run goes without.
    Call next{clock, [&](const std::stop_token& stop) {
                  const std::stop_callback at_the_end{stop, [&] { gate.close(); }};
                  return channel.publish(2);
              }};
    REQUIRE(next.waits());
    auto disconnect = disconnecting(clock, last);
    CHECK(disconnect.result());
    (void)gate.push_back(1);
    CHECK(next.result() == 3);

    CHECK(late_calls(scaled(2'000)) == 0);
}
