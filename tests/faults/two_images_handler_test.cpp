// SPDX-License-Identifier: MIT
// Before: hangs
// Plug-in: two_images_plugin.cpp
//
// Whether a thread is inside a handler was known to one image only: a handler of a plug-in that
// disconnected itself in a run of the program waited for itself.
#include <runnel/channel.hpp>
#include <runnel/connection.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/two_images.hpp"
#include "support/two_images_scene.hpp"

#include <stop_token>
#include <vector>

using runnel::Channel;
using runnel::Connection;
using runnel::Push;
using runnel::test::Call;
using runnel::test::Image;
using runnel::test::Images;
using runnel::test::List;

TEST_CASE_METHOD(Images, "a handler may disconnect itself in a run of another image",
                 "[channel][handler][shared]") {
    const Channel<int> channel{{.clock = &clock}};
    const Image* const disconnects = GENERATE(false, true) ? one : other;
    Connection own;
    own = one->connect(
        channel, [&](int) { disconnects->disconnect(own); }, 1);
    CHECK(other->publish(channel, 1) == 1);
    CHECK(other->publish(channel, 2) == 0);
}

TEST_CASE_METHOD(Images,
                 "a publish into one's own full channel is refused in a run of another image",
                 "[channel][handler][shared]") {
    const Channel<int> channel{{.clock = &clock}};
    std::vector<Push> endings;
    const auto publish_two = [&](int value) {
        if (value != 1) return;
        for (const int more : {2, 3}) endings.push_back(one->publish(channel, more).ending);
    };
    const Connection own = one->connect(channel, publish_two, 1);
    CHECK(other->publish(channel, 1) == 1);
    CHECK(endings == std::vector{Push::done, Push::full});
}

TEST_CASE_METHOD(Images, "a circle of disconnects goes through two images",
                 "[channel][handler][shared]") {
    const Image* const runs = GENERATE(false, true) ? one : other;
    const List gate{{.clock = &clock}};
    const Channel<int> first{{.clock = &clock}};
    const Channel<int> second{{.clock = &clock}};
    Connection in_first;
    Connection in_second;
    std::vector<int> disconnected;
    const auto disconnect_second = [&](int) {
        (void)gate.pop_front();
        one->disconnect(in_second);
        disconnected.push_back(2);
    };
    const auto disconnect_first = [&](int) {
        (void)gate.pop_front();
        other->disconnect(in_first);
        disconnected.push_back(1);
    };
    in_first = one->connect(first, disconnect_second, 1);
    in_second = other->connect(second, disconnect_first, 1);
    const auto publish = [&](const Image& image, const Channel<int>& to) {
        return Call{clock, [&](const std::stop_token& stop) {
                        const std::stop_callback at_the_end{stop, [&] { gate.close(); }};
                        return image.publish(to, 1);
                    }};
    };
    auto run_first = publish(*one, first);
    auto run_second = publish(*runs, second);
    CHECK(gate.push_back(0) == Push::done);
    CHECK(run_first.waits());
    CHECK(disconnected.empty());
    CHECK(gate.push_back(0) == Push::done);
    CHECK(run_second.result() == 1);
    CHECK(run_first.result() == 1);
    CHECK(disconnected == std::vector{1, 2});  // the one that would have closed it does not wait
}
