// SPDX-License-Identifier: MIT
// Before: fails: CHECK_FALSE\( first\.waits\(\) \)
//
// A publisher that ran the handlers did so for as long as others published, whatever its time-out.
#include <runnel/channel.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/channels.hpp"

#include <array>
#include <thread>

using namespace runnel;
using namespace runnel::test;

TEST_CASE_METHOD(NumberChannel, "another publisher goes on with the run of the handlers",
                 "[channel][handler][threads]") {
    BlockingList<int> gate{{.clock = &clock}};
    Numbers handled;
    std::array<std::thread::id, 202> ran_in;
    const Connection handler = channel.on_message([&](const int& number) {
        if (number == 1 || number == 100 || number == 150) (void)gate.pop_front();
        handled.push_back(number);
        ran_in.at(static_cast<std::size_t>(number)) = std::this_thread::get_id();
    });
    std::thread::id first_thread;
    std::thread::id second_thread;
    Call first{clock, [&](const std::stop_token& stop) {
                   const std::stop_callback at_the_end{stop, [&] { gate.close(); }};
                   first_thread = std::this_thread::get_id();
                   return channel.publish(1);
               }};
    publish(2, 200);
    (void)gate.push_back(1);
    REQUIRE(first.waits());  // in message 100
    Call second{clock, [&](const std::stop_token& stop) {
                    const std::stop_callback at_the_end{stop, [&] { gate.close(); }};
                    second_thread = std::this_thread::get_id();
                    return channel.publish(201);
                }};
    (void)second.waits();
    (void)gate.push_back(1);
    CHECK_FALSE(first.waits());
    CHECK(second.waits());  // in message 150
    CHECK(ran_in[100] == first_thread);
    CHECK(ran_in[101] == second_thread);
    (void)gate.push_back(1);
    CHECK(second.result() == 1);
    CHECK(handled == number_range(1, 201));
    CHECK(ran_in[201] == second_thread);
}
