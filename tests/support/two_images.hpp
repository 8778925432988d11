// SPDX-License-Identifier: MIT
#pragma once

// What a plug-in does for a test: the same calls that the test makes, from another image. The
// plug-in is opened with RTLD_LOCAL by a program that exports nothing, so that neither sees the
// other's symbols: what is one per image, either has of its own.

#include <runnel/blocking_list.hpp>
#include <runnel/broker.hpp>
#include <runnel/channel.hpp>
#include <runnel/channel_options.hpp>
#include <runnel/clock.hpp>
#include <runnel/connection.hpp>
#include <runnel/outcome.hpp>
#include <runnel/wait_any.hpp>

#include "support/calls.hpp"

#include <array>
#include <cstddef>
#include <functional>
#include <optional>
#include <stop_token>
#include <utility>

namespace runnel::test {

using List = BlockingList<int>;

struct Image {
    List (*make_list)();
    Push (*push)(const List& list, int value);
    std::optional<int> (*pop)(const List& list, std::stop_token stop);
    bool (*move)(const List& source, const List& target, std::stop_token stop);
    std::optional<std::size_t> (*wait_any)(const std::array<List, 2>& lists, std::stop_token stop);
    List (*named)(const Broker& broker);
    void (*use_as_stream)(const Broker& broker);
    ClockThread (*pop_in_thread)(ManualClock& clock, const List& list, int& popped);
    Connection (*connect)(const Channel<int>& channel, const std::function<void(int)>& function,
                          std::size_t bound);
    void (*disconnect)(Connection& connection);
    Published (*publish)(const Channel<int>& channel, int value);
};

/// The calls of the image that this is compiled into.
namespace {

const Image this_image{
    .make_list = [] { return List{}; },
    .push = [](const List& list, int value) { return list.push_back(int{value}); },
    .pop = [](const List& list, std::stop_token stop) -> std::optional<int> {
        auto popped = list.pop_front({.stop = std::move(stop)});
        if (!popped) return std::nullopt;
        return *popped;
    },
    .move =
        [](const List& source, const List& target, std::stop_token stop) {
            return static_cast<bool>(source.move_to(target, {.stop = std::move(stop)}));
        },
    .wait_any = [](const std::array<List, 2>& lists,
                   std::stop_token stop) -> std::optional<std::size_t> {
        const auto any = runnel::wait_any({lists[0], lists[1]}, {.stop = std::move(stop)});
        if (!any) return std::nullopt;
        return any.which();
    },
    .named = [](const Broker& broker) { return broker.list<int>("jobs"); },
    .use_as_stream = [](const Broker& broker) { (void)broker.stream<int>("jobs"); },
    .pop_in_thread =
        [](ManualClock& clock, const List& list, int& popped) {
            return clock.thread([list, &popped](std::stop_token stop) {
                popped = this_image.pop(list, std::move(stop)).value_or(-1);
            });
        },
    .connect =
        [](const Channel<int>& channel, const std::function<void(int)>& function,
           std::size_t bound) {
            return channel.on_message([function](const int& value) { function(value); },
                                      {.bound = bound});
        },
    .disconnect = [](Connection& connection) { (void)connection.disconnect(); },
    .publish = [](const Channel<int>& channel, int value) { return channel.publish(value); },
};

}  // namespace

}  // namespace runnel::test
