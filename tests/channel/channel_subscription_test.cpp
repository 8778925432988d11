// SPDX-License-Identifier: MIT
#include <runnel/channel.hpp>
#include <runnel/clock.hpp>
#include <runnel/outcome.hpp>

#include "support/catch.hpp"
#include "support/channels.hpp"
#include "support/eventually.hpp"
#include "support/lifetime.hpp"
#include "support/scale.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using runnel::Behind;
using runnel::Channel;
using runnel::Ending;
using runnel::ErrorCode;
using runnel::Messages;
using runnel::Push;
using runnel::SubscribeOptions;
using runnel::Subscription;
using runnel::test::Census;
using runnel::test::drain;
using runnel::test::ending;
using runnel::test::error_of;
using runnel::test::eventually;
using runnel::test::MoveOnly;
using runnel::test::number_range;
using runnel::test::NumberChannel;
using runnel::test::Numbers;
using runnel::test::publishing;
using runnel::test::reading;
using runnel::test::scaled;
using runnel::test::values;
using runnel::test::WeighedChannel;
using runnel::test::WordChannel;
using runnel::test::Words;
using namespace std::chrono_literals;

// ------------------------------------------------------------------ what it gets

TEST_CASE_METHOD(NumberChannel, "a subscription gets what is published once it is made",
                 "[channel][subscription]") {
    publish(1, 100);
    Subscription<int> view = channel.subscribe();
    CHECK_FALSE(view.try_read());
    publish(101);
    Subscription<int> later = channel.subscribe({.bound = 5'000});
    publish(102);
    CHECK(drain(view) == Numbers{101, 102});
    CHECK(drain(later) == Numbers{102});
    CHECK(view.missed() == 0);
}

TEST_CASE_METHOD(NumberChannel, "a subscription reads on where it stopped, in the channel's order",
                 "[channel][subscription]") {
    Subscription<int> view = channel.subscribe();
    publish(1, 3);
    CHECK(values(view.read({.count = 2})) == Numbers{1, 2});
    publish(4, 5);
    CHECK(drain(view, 1) == Numbers{3, 4, 5});
    CHECK_FALSE(view.try_read());
    publish(6);
    CHECK(values(view.try_read()) == Numbers{6});
}

TEST_CASE_METHOD(NumberChannel, "each subscription has a place of its own",
                 "[channel][subscription]") {
    Subscription<int> quick = channel.subscribe();
    Subscription<int> slow = channel.subscribe();
    Subscription<int> idle = channel.subscribe();
    for (int number = 1; number <= 200; ++number) {
        publish(number);
        REQUIRE(values(quick.read()) == Numbers{number});
        if (number % 2 == 0) REQUIRE(values(slow.read({.count = 1})) == Numbers{number / 2});
    }
    CHECK(drain(slow) == number_range(101, 200));
    CHECK(drain(idle) == number_range(1, 200));
}

TEST_CASE_METHOD(NumberChannel, "many messages come block by block, each once and in order",
                 "[channel][subscription]") {
    Subscription<int> view = channel.subscribe({.bound = 10'000});
    publish(1, 10'000);
    Numbers all;
    while (auto batch = view.try_read()) {
        REQUIRE(batch.size() <= 64);
        REQUIRE(batch.missed() == 0);
        for (const int number : batch) all.push_back(number);
    }
    CHECK(all == number_range(1, 10'000));
}

TEST_CASE_METHOD(NumberChannel, "it does not matter where a block ends",
                 "[channel][subscription]") {
    for (const int step : {1, 3, 4, 5, 12, 63, 64, 65, 128, 200}) {
        CAPTURE(step);
        for (const std::size_t count : {1U, 2U, 63U, 64U, 65U, 1'000U}) {
            Subscription<int> view = channel.subscribe();
            for (int round = 0; round != 4; ++round) {
                publish(1, step);
                REQUIRE(drain(view, count) == number_range(1, step));
                REQUIRE_FALSE(view.try_read());
            }
        }
    }
}

TEST_CASE_METHOD(NumberChannel, "a read gives no more than it was asked for",
                 "[channel][subscription]") {
    Subscription<int> view = channel.subscribe();
    publish(1, 10);
    CHECK(view.read({.count = 1}).size() == 1);
    CHECK(view.try_read({.count = 3}).size() == 3);
    CHECK(view.read({.count = 2, .timeout = 0s}).size() == 2);
    CHECK(drain(view) == Numbers{7, 8, 9, 10});
}

TEST_CASE_METHOD(WordChannel, "a batch shows its messages in place", "[channel][subscription]") {
    Subscription<std::string> view = channel.subscribe();
    publish({"a", "bb", "ccc"});
    Messages<std::string> batch = view.read();
    REQUIRE(batch);
    CHECK(batch.size() == 3);
    CHECK(batch.front() == "a");
    CHECK(batch.back() == "ccc");
    auto at = batch.begin();
    CHECK(at->size() == 1);
    CHECK(*at++ == "a");
    CHECK(*++at == "ccc");
    CHECK(++at == batch.end());

    Messages<std::string> taken = std::move(batch);
    CHECK(taken.size() == 3);
    CHECK_FALSE(batch);  // NOLINT(bugprone-use-after-move,clang-analyzer-*)
    publish({"d"});
    taken = view.read();
    CHECK(values(taken) == Words{"d"});
    batch = std::move(taken);
    CHECK(values(batch) == Words{"d"});
    CHECK(view.try_read().size() == 0);
}

// ------------------------------------------------------------------ behind: it skips the oldest

TEST_CASE_METHOD(NumberChannel, "who is too far behind skips the oldest, and is told how many",
                 "[channel][subscription][skip]") {
    Subscription<int> view = channel.subscribe({.bound = 3});
    publish(1, 3);
    publish(4, 10);
    const auto batch = view.read();
    CHECK(values(batch) == Numbers{8, 9, 10});
    CHECK(batch.missed() == 7);
    CHECK(view.missed() == 7);
    CHECK(view.try_read().missed() == 0);
    publish(11);
    CHECK(view.read().missed() == 0);
    CHECK(view.connected());
}

TEST_CASE_METHOD(NumberChannel, "as many as the bound may wait, and nothing is skipped",
                 "[channel][subscription][skip]") {
    for (const int bound : {1, 2, 63, 64, 65, 1'000}) {
        CAPTURE(bound);
        Subscription<int> view = channel.subscribe({.bound = static_cast<std::size_t>(bound)});
        publish(1, bound);
        REQUIRE(drain(view) == number_range(1, bound));
        REQUIRE(view.missed() == 0);
        publish(1, bound + 1);
        REQUIRE(drain(view) == number_range(2, bound + 1));
        REQUIRE(view.missed() == 1);
    }
}

TEST_CASE_METHOD(NumberChannel, "what was read already does not count as waiting",
                 "[channel][subscription][skip]") {
    Subscription<int> view = channel.subscribe({.bound = 3});
    publish(1, 3);
    CHECK(values(view.read({.count = 1})) == Numbers{1});
    publish(4, 5);
    CHECK(view.read({.count = 1}).missed() == 1);
    CHECK(drain(view) == Numbers{4, 5});
    CHECK(view.missed() == 1);
}

TEST_CASE_METHOD(NumberChannel, "one that may wait for more does not help one that may not",
                 "[channel][subscription][skip]") {
    Subscription<int> small = channel.subscribe({.bound = 10});
    Subscription<int> large = channel.subscribe({.bound = 1'000});
    publish(1, 500);
    CHECK(small.try_read({.count = 4}).missed() == 490);
    CHECK(drain(small) == number_range(495, 500));
    CHECK(drain(large) == number_range(1, 500));
    CHECK(small.missed() == 490);
    CHECK(large.missed() == 0);
}

TEST_CASE_METHOD(NumberChannel, "whatever the pace, what came and what was missed are all",
                 "[channel][subscription][skip]") {
    for (const std::size_t bound : {1U, 5U, 64U, 100U}) {
        for (const std::size_t count : {1U, 7U, 64U, 1'000U}) {
            CAPTURE(bound, count);
            Subscription<int> view = channel.subscribe({.bound = bound});
            int number = 0;
            int read = 0;
            for (int round = 1; round != 60; ++round) {
                publish(number + 1, number + round);
                number += round;
                const auto batch = view.read({.count = count});
                read += static_cast<int>(batch.missed());
                for (const int each : batch) REQUIRE(each == ++read);
            }
            for (const int each : drain(view)) REQUIRE(each == ++read);
            REQUIRE(read == number);
        }
    }
}

TEST_CASE_METHOD(WeighedChannel, "fewer bytes than the hard bound may wait",
                 "[channel][subscription][skip][bytes]") {
    Subscription<int> view = channel.subscribe({.bytes = {.hard = 100}});
    publish({40, 59});
    CHECK(drain(view) == Numbers{40, 59});
    publish({40, 60});
    const auto batch = view.read();
    CHECK(values(batch) == Numbers{60});
    CHECK(batch.missed() == 1);
    publish({50, 40, 30, 20, 10});
    CHECK(view.read({.count = 2}).missed() == 2);
    CHECK(drain(view) == Numbers{10});
    CHECK(view.missed() == 3);
}

TEST_CASE_METHOD(WeighedChannel,
                 "who may let so many messages and so many bytes wait skips for both",
                 "[channel][subscription][skip][bytes]") {
    Subscription<int> view = channel.subscribe({.bound = 3, .bytes = {.hard = 100}});
    publish({1, 1, 1, 1});
    CHECK(view.read().missed() == 1);
    publish({1, 90, 1, 20});
    CHECK(view.read().missed() == 2);
    CHECK(view.missed() == 3);
}

TEST_CASE_METHOD(WeighedChannel, "a message that alone is too heavy is missed, and not waited for",
                 "[channel][subscription][skip][bytes]") {
    Subscription<int> view = channel.subscribe({.bytes = {.hard = 100}});
    auto read = reading(clock, view);
    publish({100});
    CHECK(read.waits());
    publish({99});
    CHECK(read.result().missed() == 1);
    CHECK(values(read.result()) == Numbers{99});
    CHECK(view.missed() == 1);
}

TEST_CASE_METHOD(WeighedChannel, "what a closed channel has too much of is still told",
                 "[channel][subscription][skip][bytes]") {
    Subscription<int> view = channel.subscribe({.bytes = {.hard = 100}});
    publish({20, 100});
    channel.close();
    const auto batch = view.read();
    CHECK(ending(batch) == Ending::closed);
    CHECK(batch.missed() == 2);
    CHECK(view.missed() == 2);
    CHECK(view.read().missed() == 0);
}

TEST_CASE_METHOD(WeighedChannel, "a message may weigh nothing",
                 "[channel][subscription][skip][bytes]") {
    Subscription<int> view = channel.subscribe({.bytes = {.hard = 1}});
    publish({0, 0, 0});
    CHECK(drain(view) == Numbers{0, 0, 0});
    publish({0, 1, 0, 0});
    CHECK(view.try_read().missed() == 2);
    CHECK(view.missed() == 2);
}

TEST_CASE("a message that nobody weighs counts its size", "[channel][subscription][skip][bytes]") {
    const Channel<std::uint64_t> channel;
    auto view = channel.subscribe({.bytes = {.hard = 3 * sizeof(std::uint64_t)}});
    for (std::uint64_t number = 1; number != 6; ++number) channel.publish(number);
    CHECK(drain(view) == std::vector<std::uint64_t>{4, 5});
}

// ------------------------------------------------------------------ behind: it is disconnected

TEST_CASE_METHOD(NumberChannel,
                 "one message more than the bound disconnects, and what waits is lost",
                 "[channel][subscription][disconnect]") {
    Subscription<int> view = channel.subscribe({.bound = 3, .when_behind = Behind::disconnect});
    publish(1);
    CHECK(values(view.read()) == Numbers{1});
    publish(2, 4);
    CHECK(view.connected());
    CHECK(channel.publish(5) == 1);
    CHECK_FALSE(view.connected());
    CHECK(channel.publish(6) == 0);
    const auto lost = view.read();
    CHECK(ending(lost) == Ending::disconnected);
    CHECK(lost.missed() == 4);
    CHECK(view.missed() == 4);
    CHECK(channel.info().retained == 0);
}

TEST_CASE_METHOD(NumberChannel, "who was disconnected is told so again and again",
                 "[channel][subscription][disconnect]") {
    Subscription<int> view = channel.subscribe({.bound = 1, .when_behind = Behind::disconnect});
    publish(1, 2);
    CHECK(ending(view.try_read()) == Ending::disconnected);
    for (int round = 0; round != 3; ++round) {
        const auto again = view.read();
        CHECK(ending(again) == Ending::disconnected);
        CHECK(again.missed() == 0);
    }
    channel.close();
    CHECK(ending(view.read()) == Ending::disconnected);
    CHECK(view.missed() == 2);
}

TEST_CASE_METHOD(NumberChannel, "who reads on in time stays connected, whatever comes",
                 "[channel][subscription][disconnect]") {
    Subscription<int> view = channel.subscribe({.bound = 100, .when_behind = Behind::disconnect});
    for (int round = 0; round != 50; ++round) {
        publish(1, 100);
        REQUIRE(drain(view) == number_range(1, 100));
    }
    publish(1, 60);
    CHECK(view.read({.count = 10}).size() == 10);
    publish(61, 110);
    CHECK(drain(view) == number_range(11, 110));
    CHECK(view.connected());
    CHECK(view.missed() == 0);
}

TEST_CASE_METHOD(NumberChannel, "a batch that is read outlives the disconnection",
                 "[channel][subscription][disconnect]") {
    Subscription<int> view = channel.subscribe({.bound = 2, .when_behind = Behind::disconnect});
    publish(1, 2);
    const auto batch = view.read();
    publish(3, 200);
    CHECK_FALSE(view.connected());
    CHECK(values(batch) == Numbers{1, 2});
    CHECK(view.read().missed() == 3);
}

TEST_CASE_METHOD(WeighedChannel, "as many bytes as the hard bound disconnect",
                 "[channel][subscription][disconnect][bytes]") {
    Subscription<int> view =
        channel.subscribe({.when_behind = Behind::disconnect, .bytes = {.hard = 100}});
    publish({60, 39});
    CHECK(view.connected());
    CHECK(channel.publish(1) == 1);
    CHECK_FALSE(view.connected());
    CHECK(channel.publish(1) == 0);
    CHECK(view.read().missed() == 3);
}

TEST_CASE_METHOD(WeighedChannel, "a read that waits ends when a message is too heavy for it",
                 "[channel][subscription][disconnect][bytes]") {
    Subscription<int> view =
        channel.subscribe({.when_behind = Behind::disconnect, .bytes = {.hard = 100}});
    auto read = reading(clock, view);
    CHECK(channel.publish(100) == 1);
    CHECK(ending(read.result()) == Ending::disconnected);
    CHECK(read.result().missed() == 1);
}

namespace {

// Up to 200 bytes may wait, but 50 for no longer than a minute.
struct SoftLimit : WeighedChannel {
    Subscription<int> view = channel.subscribe(
        {.when_behind = Behind::disconnect, .bytes = {.hard = 200, .soft = 50, .soft_for = 60s}});
};

}  // namespace

TEST_CASE_METHOD(SoftLimit, "too many bytes for too long disconnect",
                 "[channel][subscription][disconnect][bytes][time]") {
    publish({50});
    clock.advance(60s);
    publish({1});
    CHECK(view.connected());
    clock.advance(1ns);
    CHECK(view.connected());
    CHECK(channel.publish(1) == 1);
    CHECK_FALSE(view.connected());
    CHECK(channel.publish(1) == 0);
    CHECK(view.read().missed() == 3);
}

TEST_CASE_METHOD(SoftLimit, "fewer bytes than the soft bound may wait for ever",
                 "[channel][subscription][disconnect][bytes][time]") {
    publish({20, 28});
    clock.advance(24h);
    publish({1});
    clock.advance(24h);
    CHECK(view.connected());
    CHECK(drain(view) == Numbers{20, 28, 1});
}

TEST_CASE_METHOD(SoftLimit, "the hard bound does not wait for the soft one",
                 "[channel][subscription][disconnect][bytes][time]") {
    publish({50, 149, 1});
    CHECK_FALSE(view.connected());
}

TEST_CASE_METHOD(SoftLimit, "time counts from the message that was too much",
                 "[channel][subscription][disconnect][bytes][time]") {
    publish({49});
    clock.advance(1h);
    publish({1});
    clock.advance(60s);
    publish({1});
    CHECK(view.connected());
    clock.advance(1ns);
    publish({1});
    CHECK_FALSE(view.connected());
}

TEST_CASE_METHOD(SoftLimit, "who has read for a moment has as much time as before",
                 "[channel][subscription][disconnect][bytes][time]") {
    publish({50});
    clock.advance(50s);
    CHECK(drain(view) == Numbers{50});
    clock.advance(20s);
    publish({50});
    CHECK(view.connected());
    clock.advance(60s);
    publish({1});
    CHECK(view.connected());
    clock.advance(1ns);
    publish({1});
    CHECK_FALSE(view.connected());
}

TEST_CASE_METHOD(SoftLimit, "who reads a part has a break only if it is enough",
                 "[channel][subscription][disconnect][bytes][time]") {
    publish({10, 50, 10});
    clock.advance(40s);
    CHECK(values(view.read({.count = 1})) == Numbers{10});
    publish({1});
    clock.advance(21s);
    CHECK(view.connected());
    publish({1});
    CHECK_FALSE(view.connected());
}

TEST_CASE_METHOD(SoftLimit, "who keeps up with messages that are heavy each stays connected",
                 "[channel][subscription][disconnect][bytes][time]") {
    for (int second = 0; second != 300; ++second) {
        publish({100});
        REQUIRE(drain(view) == Numbers{100});
        clock.advance(1s);
    }
    CHECK(view.connected());
}

// ------------------------------------------------------------------ behind: it holds publishers

TEST_CASE_METHOD(NumberChannel, "as many messages as the bound may wait, then publishers do",
                 "[channel][subscription][block]") {
    for (const int bound : {1, 2, 63, 64, 65, 300}) {
        CAPTURE(bound);
        Subscription<int> view = channel.subscribe(
            {.bound = static_cast<std::size_t>(bound), .when_behind = Behind::block});
        for (int round = 0; round != 3; ++round) {
            publish(1, bound);
            REQUIRE(channel.try_publish(bound + 1).ending == Push::full);
            REQUIRE(values(view.read({.count = 1})) == Numbers{1});
            REQUIRE(channel.try_publish(bound + 1).ending == Push::done);
            REQUIRE(drain(view) == number_range(2, bound + 1));
        }
    }
}

TEST_CASE_METHOD(WeighedChannel, "fewer bytes than the bound may wait, then publishers do",
                 "[channel][subscription][block][bytes]") {
    Subscription<int> view =
        channel.subscribe({.when_behind = Behind::block, .bytes = {.hard = 100}});
    publish({60});
    CHECK(channel.try_publish(40).ending == Push::full);
    publish({39});
    CHECK(channel.try_publish(1).ending == Push::full);
    publish({0});
    CHECK(values(view.read({.count = 1})) == Numbers{60});
    publish({60});
    CHECK(channel.try_publish(1).ending == Push::full);
    CHECK(drain(view) == Numbers{39, 0, 60});
    CHECK(view.missed() == 0);
}

TEST_CASE_METHOD(WeighedChannel, "a message heavier than the bound passes when nothing waits",
                 "[channel][subscription][block][bytes]") {
    Subscription<int> view =
        channel.subscribe({.when_behind = Behind::block, .bytes = {.hard = 100}});
    publish({1});
    CHECK(channel.try_publish(500).ending == Push::full);
    CHECK(drain(view) == Numbers{1});
    publish({500});
    CHECK(channel.try_publish(1).ending == Push::full);
    CHECK(channel.try_publish(0).ending == Push::full);
    CHECK(channel.try_publish(500).ending == Push::full);
    CHECK(drain(view) == Numbers{500});
    publish({100});
    CHECK(drain(view) == Numbers{100});
    publish({1});
    CHECK(drain(view) == Numbers{1});
}

TEST_CASE_METHOD(WeighedChannel, "a heavy message does not pass what waits and weighs nothing",
                 "[channel][subscription][block][bytes]") {
    Subscription<int> view =
        channel.subscribe({.when_behind = Behind::block, .bytes = {.hard = 100}});
    publish({0, 0});
    CHECK(channel.try_publish(100).ending == Push::full);
    publish({99});
    CHECK(drain(view) == Numbers{0, 0, 99});
    publish({100});
    CHECK(drain(view) == Numbers{100});
}

TEST_CASE_METHOD(WeighedChannel,
                 "a heavy message that waits for its turn passes when nothing waits",
                 "[channel][subscription][block][bytes]") {
    Subscription<int> view =
        channel.subscribe({.when_behind = Behind::block, .bytes = {.hard = 100}});
    publish({10, 10});
    int heavy = 500;
    int light = 1;
    auto first = publishing(clock, channel, heavy);
    auto second = publishing(clock, channel, light);
    CHECK(view.read({.count = 1}).size() == 1);
    CHECK(first.waits());
    CHECK(view.read({.count = 1}).size() == 1);
    CHECK(first.result().ending == Push::done);
    CHECK(second.waits());
    CHECK(values(view.read()) == Numbers{500});
    CHECK(second.result().ending == Push::done);
    CHECK(drain(view) == Numbers{1});
}

TEST_CASE_METHOD(WeighedChannel, "a read that waits gets a message heavier than the bound",
                 "[channel][subscription][block][bytes]") {
    Subscription<int> view =
        channel.subscribe({.when_behind = Behind::block, .bytes = {.hard = 100}});
    auto read = reading(clock, view);
    publish({500});
    CHECK(values(read.result()) == Numbers{500});
}

// ------------------------------------------------------------------ several kinds together

TEST_CASE_METHOD(NumberChannel, "each subscription is behind in its own way",
                 "[channel][subscription]") {
    Subscription<int> skips = channel.subscribe({.bound = 2});
    Subscription<int> goes = channel.subscribe({.bound = 3, .when_behind = Behind::disconnect});
    Subscription<int> holds = channel.subscribe({.bound = 5, .when_behind = Behind::block});
    publish(1, 3);
    CHECK(goes.connected());
    CHECK(channel.publish(4) == 3);
    CHECK_FALSE(goes.connected());
    CHECK(channel.publish(5) == 2);
    CHECK(channel.try_publish(6).ending == Push::full);
    CHECK(drain(holds) == number_range(1, 5));
    CHECK(drain(skips) == Numbers{4, 5});
    CHECK(goes.read().missed() == 4);
}

TEST_CASE_METHOD(NumberChannel, "many subscriptions come and go, and each gets its own",
                 "[channel][subscription]") {
    std::vector<Subscription<int>> views;
    for (int number = 1; number <= 200; ++number) {
        views.push_back(channel.subscribe());
        REQUIRE(channel.publish(number) == views.size());
        if (number % 3 == 0) views.erase(views.begin() + number / 6);
    }
    CHECK(channel.subscribers() == views.size());
    for (auto& view : views) {
        const Numbers all = drain(view);
        REQUIRE(all == number_range(all.front(), 200));
    }
}

// ------------------------------------------------------------------ waiting

TEST_CASE_METHOD(NumberChannel, "a read waits until something is published",
                 "[channel][subscription][wait]") {
    Subscription<int> view = channel.subscribe();
    for (int number = 1; number <= 150; ++number) {
        auto read = reading(clock, view);
        REQUIRE(read.waits());
        publish(number);
        REQUIRE(values(read.result()) == Numbers{number});
    }
}

TEST_CASE_METHOD(NumberChannel, "a message ends every read that waits",
                 "[channel][subscription][wait]") {
    Subscription<int> skips = channel.subscribe({.bound = 1});
    Subscription<int> goes = channel.subscribe({.bound = 1, .when_behind = Behind::disconnect});
    Subscription<int> holds = channel.subscribe({.bound = 1, .when_behind = Behind::block});
    auto first = reading(clock, skips);
    auto second = reading(clock, goes, {.count = 1});
    auto third = reading(clock, holds, {.timeout = 1h});
    CHECK(channel.info().waiting == 3);
    publish(1);
    CHECK(values(first.result()) == Numbers{1});
    CHECK(values(second.result()) == Numbers{1});
    CHECK(values(third.result()) == Numbers{1});
    CHECK(channel.info().waiting == 0);
}

TEST_CASE_METHOD(NumberChannel, "a read ends when its time is over, to the nanosecond",
                 "[channel][subscription][time]") {
    Subscription<int> view = channel.subscribe();
    auto read = reading(clock, view, {.timeout = 1h});
    clock.advance(1h - 1ns);
    CHECK(read.waits());
    clock.advance(1ns);
    CHECK(ending(read.result()) == Ending::timed_out);
    CHECK(channel.info().waiting == 0);
    publish(1);
    CHECK(values(view.read()) == Numbers{1});
}

TEST_CASE_METHOD(NumberChannel, "a read that may not wait does not",
                 "[channel][subscription][time]") {
    Subscription<int> view = channel.subscribe();
    CHECK(ending(view.try_read()) == Ending::timed_out);
    CHECK(ending(view.read({.timeout = 0s})) == Ending::timed_out);
    CHECK(ending(view.read({.timeout = -1s})) == Ending::timed_out);
    publish(1, 2);
    CHECK(values(view.read({.count = 1, .timeout = 0s})) == Numbers{1});
    CHECK(values(view.read({.timeout = -1s})) == Numbers{2});
}

TEST_CASE_METHOD(NumberChannel, "a read ends when it is asked to stop",
                 "[channel][subscription][stop]") {
    Subscription<int> view = channel.subscribe();
    auto read = reading(clock, view);
    read.stop();
    CHECK(ending(read.result()) == Ending::stopped);
    CHECK(channel.info().waiting == 0);
}

TEST_CASE_METHOD(NumberChannel, "a message is worth more than a stop",
                 "[channel][subscription][stop]") {
    Subscription<int> view = channel.subscribe();
    std::stop_source stop;
    stop.request_stop();
    CHECK(ending(view.read({.stop = stop.get_token()})) == Ending::stopped);
    publish(1);
    CHECK(values(view.read({.stop = stop.get_token()})) == Numbers{1});
}

TEST_CASE_METHOD(NumberChannel, "who was served before its time was over has it afterwards",
                 "[channel][subscription][time]") {
    Subscription<int> view = channel.subscribe();
    auto read = reading(clock, view, {.timeout = 1s});
    clock.advance(1s - 1ns);
    publish(1);
    clock.advance(1h);
    read.stop();
    CHECK(values(read.result()) == Numbers{1});
}

TEST_CASE_METHOD(NumberChannel, "what a closed channel has left is read first, then it ends",
                 "[channel][subscription][close]") {
    Subscription<int> view = channel.subscribe({.bound = 200});
    Subscription<int> waiting = channel.subscribe();
    publish(1, 100);
    CHECK(drain(waiting).size() == 100);
    auto read = reading(clock, waiting);
    channel.close();
    CHECK(ending(read.result()) == Ending::closed);
    CHECK(values(view.read({.count = 2})) == Numbers{1, 2});
    CHECK(drain(view) == number_range(3, 100));
    CHECK(ending(view.read()) == Ending::closed);
    CHECK(ending(view.try_read()) == Ending::closed);
    CHECK(view.connected());
}

TEST_CASE_METHOD(NumberChannel, "a closed channel still skips for who is behind",
                 "[channel][subscription][close]") {
    Subscription<int> view = channel.subscribe({.bound = 3});
    publish(1, 100);
    channel.close();
    CHECK(view.read({.count = 1}).missed() == 97);
    CHECK(drain(view) == Numbers{99, 100});
}

// ------------------------------------------------------------------ errors

TEST_CASE_METHOD(NumberChannel, "options that make no sense are refused",
                 "[channel][subscription][error]") {
    const auto refused = [&](const SubscribeOptions& options) {
        return error_of([&] { return channel.subscribe(options); }) == ErrorCode::invalid_argument;
    };
    CHECK(refused({.bound = 0}));
    CHECK(refused({.bytes = {.hard = 0}}));
    CHECK(refused({.when_behind = Behind::drop_newest}));
    for (const Behind behind : {Behind::skip_oldest, Behind::block})
        CHECK(refused({.when_behind = behind, .bytes = {.soft = 100}}));
    CHECK(refused({.when_behind = Behind::disconnect, .bytes = {.soft = 0}}));
    CHECK(refused({.when_behind = Behind::disconnect, .bytes = {.soft = 1, .soft_for = -1ns}}));
    CHECK(channel.subscribers() == 0);
    CHECK_FALSE(refused({.when_behind = Behind::disconnect, .bytes = {.soft = 1}}));
}

TEST_CASE_METHOD(NumberChannel, "a read of no messages is refused",
                 "[channel][subscription][error]") {
    Subscription<int> view = channel.subscribe();
    publish(1);
    CHECK(error_of([&] { return view.read({.count = 0}); }) == ErrorCode::invalid_argument);
    CHECK(error_of([&] { return view.try_read({.count = 0}); }) == ErrorCode::invalid_argument);
    CHECK(drain(view) == Numbers{1});
}

TEST_CASE_METHOD(NumberChannel, "nobody can subscribe to a closed channel",
                 "[channel][subscription][error]") {
    channel.close();
    CHECK(error_of([&] { return channel.subscribe(); }) == ErrorCode::closed);
    CHECK(channel.subscribers() == 0);
}

// ------------------------------------------------------------------ life times

TEST_CASE_METHOD(NumberChannel, "a subscription that moves keeps its place",
                 "[channel][subscription]") {
    STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<Subscription<int>>);
    Subscription<int> view = channel.subscribe();
    publish(1, 3);
    CHECK(values(view.read({.count = 1})) == Numbers{1});
    Subscription<int> moved = std::move(view);
    CHECK(channel.subscribers() == 1);
    CHECK(values(moved.read({.count = 1})) == Numbers{2});
    Subscription<int> other = channel.subscribe();
    CHECK(channel.subscribers() == 2);
    other = std::move(moved);
    CHECK(channel.subscribers() == 1);
    publish(4);
    CHECK(drain(other) == Numbers{3, 4});
    view = std::move(other);
    CHECK(channel.subscribers() == 1);
    CHECK_FALSE(view.try_read());
    Subscription<int>& same = view;
    view = std::move(same);
    publish(5);
    CHECK(drain(view) == Numbers{5});
}

TEST_CASE("a subscription outlives its channel", "[channel][subscription][close]") {
    std::optional<Channel<std::string>> channel{std::in_place};
    auto view = channel->subscribe({.bound = 500});
    auto unread = channel->subscribe({.bound = 500, .when_behind = Behind::block});
    for (int number = 0; number != 300; ++number) channel->publish(std::to_string(number));
    const auto first = view.read({.count = 1});
    channel.reset();
    CHECK(first.front() == "0");
    CHECK(drain(view).size() == 299);
    CHECK(ending(view.read()) == Ending::closed);
}

TEST_CASE("a batch outlives its subscription and its channel", "[channel][subscription]") {
    const Census census;
    {
        std::optional<Channel<MoveOnly>> channel{std::in_place};
        std::optional<Subscription<MoveOnly>> view = channel->subscribe();
        for (int number = 1; number <= 10; ++number) channel->publish(number);
        const auto batch = view->read({.count = 3});
        view.reset();
        channel.reset();
        CHECK(batch.size() == 3);
        CHECK(batch.front().get() == 1);
        CHECK(batch.back().get() == 3);
    }
    CHECK(census.alive() == 0);
    CHECK(census.faults() == 0);
}

TEST_CASE("a batch keeps its messages while many more are published", "[channel][subscription]") {
    const Census census;
    const Channel<MoveOnly> channel;
    auto view = channel.subscribe({.bound = 10});
    for (int number = 1; number <= 10; ++number) channel.publish(number);
    std::vector<Messages<MoveOnly>> batches;
    batches.push_back(view.read({.count = 2}));
    for (int number = 11; number <= 1'000; ++number) {
        channel.publish(number);
        if (number % 100 == 0) batches.push_back(view.read({.count = 2}));
    }
    CHECK(batches[0].front().get() == 1);
    CHECK(batches[0].back().get() == 2);
    for (std::size_t at = 1; at != batches.size(); ++at) {
        const int last = static_cast<int>(at) * 100;
        REQUIRE(batches[at].front().get() == last - 9);
        REQUIRE(batches[at].back().get() == last - 8);
    }
    batches.clear();
    CHECK(census.faults() == 0);
    CHECK(census.alive() == static_cast<long>(channel.info().retained));
}

TEST_CASE("what is behind everybody's window dies", "[channel][subscription]") {
    const Census census;
    const Channel<MoveOnly> channel;
    auto small = channel.subscribe({.bound = 10});
    std::optional large = channel.subscribe({.bound = 300});
    for (int number = 1; number <= 5'000; ++number) {
        channel.publish(number);
        const auto alive = static_cast<std::size_t>(census.alive());
        REQUIRE(alive == channel.info().retained);
        REQUIRE(alive >= std::min<std::size_t>(static_cast<std::size_t>(number), 300));
        REQUIRE(alive <= 300 + 64);
    }
    large.reset();
    CHECK(census.alive() <= 10 + 64);
    const auto batch = small.read();
    CHECK(batch.front().get() == 4'991);
    CHECK(census.faults() == 0);
}

TEST_CASE("where bytes are counted, messages die one by one", "[channel][subscription][bytes]") {
    const Census census;
    const Channel<MoveOnly> channel{{.weigh = [](const MoveOnly&) { return std::size_t{10}; }}};
    std::optional view = channel.subscribe({.bytes = {.hard = 100}});
    for (int number = 1; number <= 1'000; ++number) {
        channel.publish(number);
        REQUIRE(census.alive() == std::min(number, 9));
    }
    {
        const auto batch = view->read();
        CHECK(batch.front().get() == 992);
    }
    view.reset();
    CHECK(census.alive() == 0);
    CHECK(census.faults() == 0);
}

TEST_CASE("what nobody has read dies with the last who could", "[channel][subscription]") {
    const Census census;
    {
        const Channel<MoveOnly> channel;
        std::optional view = channel.subscribe();
        std::optional other = channel.subscribe({.when_behind = Behind::block});
        for (int number = 1; number <= 100; ++number) channel.publish(number);
        view.reset();
        CHECK(census.alive() == 100);
        other.reset();
        CHECK(census.alive() == 0);
        channel.publish(1);
        CHECK(census.alive() == 0);
        view = channel.subscribe();
        channel.publish(2);
        channel.close();
    }
    CHECK(census.alive() == 0);
    CHECK(census.faults() == 0);
}

// ------------------------------------------------------------------ in real time

namespace {

// So large that a block has room for few: what is being read falls behind the window all the time.
struct Large {
    int number = 0;
    std::array<char, 800> text{};
};

int number_of(int number) {
    return number;
}

// Somebody's own clock, of real time.
class CountingClock final : public runnel::Clock {
public:
    [[nodiscard]] WallTime wall() const noexcept override { return system_.wall(); }
    [[nodiscard]] Deadline now() const noexcept override { return system_.now(); }
    [[nodiscard]] bool is_real() const noexcept override { return true; }
    void park(runnel::Wait& wait, std::optional<Deadline> deadline) noexcept override {
        system_.park(wait, deadline);
    }
    void unpark(runnel::Wait& wait) noexcept override {
        ++unparked;
        system_.unpark(wait);
    }

    std::atomic<int> unparked = 0;

private:
    runnel::SystemClock& system_ = runnel::SystemClock::instance();
};
int number_of(const Large& large) {
    return large.number;
}

}  // namespace

TEMPLATE_TEST_CASE("in real time who skips is told exactly how many",
                   "[channel][subscription][system]", int, Large) {
    const int last = static_cast<int>(scaled(200'000));
    for (const std::size_t bound : {1U, 3U, 64U}) {
        const Channel<TestType> channel;
        auto view = channel.subscribe({.bound = bound});
        const std::jthread publisher{[&] {
            for (int number = 1; number <= last; ++number) channel.publish(TestType{number});
            channel.close();
        }};
        int read = 0;
        int faults = 0;
        while (const auto batch = view.read({.count = bound})) {
            read += static_cast<int>(batch.missed());
            for (const TestType& each : batch) faults += number_of(each) == ++read ? 0 : 1;
        }
        CHECK(faults == 0);
        CHECK(read == last);
    }
}

TEST_CASE("a clock of one's own has a say in each wake-up", "[channel][subscription][system]") {
    CountingClock clock;
    const Channel<int> channel{{.clock = &clock}};
    constexpr int readers = 6;
    std::atomic<int> read = 0;
    {
        std::vector<std::jthread> threads;
        for (int reader = 0; reader != readers; ++reader)
            threads.emplace_back([&, view = channel.subscribe()]() mutable {
                read += static_cast<int>(view.read().size());
            });
        eventually([&] { return channel.info().waiting == readers; });
        CHECK(channel.publish(1) == readers);
    }
    CHECK(read == readers);
    CHECK(clock.unparked == readers);
}

TEST_CASE("in real time a publisher that is held back loses nothing",
          "[channel][subscription][system]") {
    const int last = static_cast<int>(scaled(50'000));
    for (const std::size_t bound : {1U, 8U}) {
        const Channel<int> channel;
        auto view = channel.subscribe({.bound = bound, .when_behind = Behind::block});
        const std::jthread publisher{[&] {
            for (int number = 1; number <= last; ++number) channel.publish(number);
            channel.close();
        }};
        int read = 0;
        int faults = 0;
        while (const auto batch = view.read())
            for (const int number : batch) faults += number == ++read ? 0 : 1;
        CHECK(faults == 0);
        CHECK(read == last);
    }
}
