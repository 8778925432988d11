// SPDX-License-Identifier: MIT
#include <runnel/broker.hpp>
#include <runnel/channel.hpp>
#include <runnel/channel_options.hpp>
#include <runnel/clock.hpp>
#include <runnel/error.hpp>
#include <runnel/inbox.hpp>
#include <runnel/outcome.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/elements.hpp"
#include "support/inboxes.hpp"
#include "support/lifetime.hpp"
#include "support/streams.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

using Catch::Matchers::Contains;
using runnel::Behind;
using runnel::Broker;
using runnel::Channel;
using runnel::Ending;
using runnel::Error;
using runnel::ErrorCode;
using runnel::Inbox;
using runnel::ManualClock;
using runnel::Push;
using runnel::test::Call;
using runnel::test::Census;
using runnel::test::ending;
using runnel::test::error_of;
using runnel::test::MoveOnly;
using runnel::test::received;
using runnel::test::Received;
using namespace std::chrono_literals;

using Names = std::vector<std::string>;

// ------------------------------------------------------------------ names

TEST_CASE("a name stands for one channel, whoever asks for it", "[broker][channel]") {
    const Broker broker;
    const auto news = broker.channel<int>("news");
    CHECK(news.name() == "news");
    CHECK(broker.channel<int>("news") == news);
    CHECK(broker.find_channel<int>("news") == news);
    CHECK_FALSE(broker.find_channel<int>("weather"));

    auto view = broker.channel<int>("news").subscribe();
    CHECK(news.publish(1).reached == 1);
    CHECK(view.try_read().size() == 1);
}

TEST_CASE("lists and streams, channels, and sharded channels have names of their own",
          "[broker][channel]") {
    const Broker broker;
    const auto orders = broker.stream<int>("orders");
    const auto channel = broker.channel<std::string>("orders");
    const auto sharded = broker.sharded_channel<std::string>("orders");
    CHECK_FALSE(channel == sharded);
    CHECK(broker.find_sharded_channel<std::string>("orders") == sharded);
    CHECK(broker.names() == Names{"orders"});
    CHECK(broker.remove_channel("orders"));
    CHECK_FALSE(broker.remove_channel("orders"));
    CHECK(channel.closed());
    CHECK_FALSE(sharded.closed());
    CHECK(broker.remove_sharded_channel("orders"));
    CHECK_FALSE(broker.find_sharded_channel<std::string>("orders"));
    CHECK(sharded.closed());
    CHECK(broker.find_stream<int>("orders") == orders);
}

TEST_CASE("a channel of another type is an error that names both", "[broker][channel][error]") {
    const Broker broker;
    (void)broker.channel<int>("news");
    CHECK(error_of([&] { return broker.channel<long>("news"); }) == ErrorCode::wrong_type);
    CHECK(error_of([&] { return broker.find_channel<long>("news"); }) == ErrorCode::wrong_type);
    CHECK(error_of([&] { return broker.publish("news", 1L); }) == ErrorCode::wrong_type);
    CHECK(error_of([&] { return broker.subscribe<long>({.channels = {"news"}}); }) ==
          ErrorCode::wrong_type);
    CHECK_THROWS_WITH(broker.channel<long>("news"),
                      Contains("\"news\" is a channel of int, not a channel of long"));
}

TEST_CASE("channels that somebody has subscribed to are listed", "[broker][channel]") {
    const Broker broker;
    for (const char* const name : {"b", "a", "aa", ""}) (void)broker.channel<int>(name);
    (void)broker.sharded_channel<int>("s");
    CHECK(broker.channels().empty());
    auto view = broker.channel<int>("b").subscribe();
    auto handler = broker.channel<int>("aa").on_message([](int) {});
    auto inbox = broker.subscribe<int>({.channels = {""}, .patterns = {"*"}});
    auto sharded = broker.sharded_channel<int>("s").subscribe();
    CHECK(broker.channels() == Names{"", "aa", "b"});
    CHECK(broker.channels("a*") == Names{"aa"});
    CHECK(broker.channels("*") == Names{"aa", "b"});  // as in Redis, not the empty name
    CHECK(broker.sharded_channels() == Names{"s"});
    CHECK(broker.sharded_channels("t").empty());
    handler.disconnect();
    CHECK(broker.channels() == Names{"", "b"});
}

// ------------------------------------------------------------------ subscriptions by name

TEST_CASE("an inbox subscribes to channels by name, and makes them", "[broker][channel]") {
    const Broker broker;
    auto inbox = broker.subscribe<int>({.channels = {"news", "weather", "news"}});
    CHECK(broker.channel<int>("news").subscribers() == 1);
    CHECK(broker.publish("news", 1).reached == 1);
    CHECK(broker.publish("weather", 2).reached == 1);
    CHECK(broker.publish("sports", 3).reached == 0);
    CHECK(received(inbox) == Received{"news 1", "weather 2"});
}

TEST_CASE("a string literal is published as a string", "[broker][channel]") {
    const Broker broker;
    std::vector<std::string> texts;
    const auto reader = broker.channel<std::string>("news").on_message(
        [&](const std::string& text) { texts.push_back(text); });
    CHECK(broker.publish("news", "text").reached == 1);
    CHECK(broker.publish("news", "a\0b", {.timeout = 0s}).reached == 1);
    CHECK(broker.publish("news", "").reached == 1);
    CHECK(texts == std::vector<std::string>{"text", {"a\0b", 3}, ""});
}

TEST_CASE("a pattern subscribes to channels that are there, and to those to come",
          "[broker][pattern]") {
    const Broker broker;
    const auto before = broker.channel<int>("ticks:kr");
    auto inbox = broker.subscribe<int>({.patterns = {"ticks:*"}});
    const auto after = broker.channel<int>("ticks:us");
    const auto other = broker.channel<int>("news");
    CHECK(before.publish(1).reached == 1);
    CHECK(after.publish(2).reached == 1);
    CHECK(other.publish(3).reached == 0);
    CHECK(received(inbox) == Received{"ticks:kr 1 by ticks:*", "ticks:us 2 by ticks:*"});
}

TEST_CASE("what comes in several ways comes once for each", "[broker][pattern]") {
    const Broker broker;
    auto inbox =
        broker.subscribe<int>({.channels = {"foo"}, .patterns = {"f*", "?oo", "f*", "g*"}});
    CHECK(broker.publish("foo", 1).reached == 3);
    CHECK(received(inbox) == Received{"foo 1", "foo 1 by f*", "foo 1 by ?oo"});
    CHECK(broker.publish("fox", 2).reached == 1);
    CHECK(received(inbox) == Received{"fox 2 by f*"});
}

TEST_CASE("an inbox gets a message by name first, then by its patterns in the order of joining",
          "[broker][pattern]") {
    const Broker broker;
    const auto foo = broker.channel<int>("foo");
    auto inbox = broker.subscribe<int>({.patterns = {"?oo", "f*"}});
    inbox.join(foo);
    CHECK(foo.publish(1).reached == 3);
    CHECK(received(inbox) == Received{"foo 1", "foo 1 by ?oo", "foo 1 by f*"});
    CHECK(inbox.leave(foo));
    CHECK(foo.publish(2).reached == 2);
    inbox.join(foo);
    CHECK(foo.publish(3).reached == 3);
    CHECK(received(inbox) ==
          Received{"foo 2 by ?oo", "foo 2 by f*", "foo 3", "foo 3 by ?oo", "foo 3 by f*"});
}

TEST_CASE("each of several inboxes gets what its patterns match", "[broker][pattern]") {
    const Broker broker;
    auto one = broker.subscribe<int>({.patterns = {"a*"}});
    auto other = broker.subscribe<int>({.patterns = {"*b", "a*"}});
    CHECK(broker.publish("ab", 1).reached == 3);
    CHECK(received(one) == Received{"ab 1 by a*"});
    CHECK(received(other) == Received{"ab 1 by *b", "ab 1 by a*"});
}

TEST_CASE("a pattern matches with what begins before its first wildcard, and after it",
          "[broker][pattern]") {
    const Broker broker;
    for (const char* const pattern :
         {"*", "?", "[a-c]", "a", "a*", "ab?", "a\\*", "\\a", "abc*d", "*d", ""}) {
        auto inbox = broker.subscribe<std::string>({.patterns = {pattern}});
        for (const char* const name : {"", "a", "b", "d", "ab", "abc", "a*", "abcd", "abcxd"}) {
            INFO(pattern << " and " << name);
            const bool matches = runnel::glob_match(pattern, name);
            CHECK(broker.publish(name, std::string{"v"}).reached == (matches ? 1 : 0));
            CHECK(received(inbox).size() == (matches ? 1 : 0));
        }
    }
}

TEST_CASE("a pattern gets what channels of its own type publish", "[broker][pattern]") {
    const Broker broker;
    auto numbers = broker.subscribe<int>({.patterns = {"*"}});
    auto words = broker.subscribe<std::string>({.patterns = {"*"}});
    CHECK(broker.publish("a", 1).reached == 1);
    CHECK(broker.publish("b", std::string{"x"}).reached == 1);
    CHECK(received(numbers) == Received{"a 1 by *"});
    CHECK(received(words) == Received{"b x by *"});
}

TEST_CASE("the empty pattern matches the empty name, and is a pattern all the same",
          "[broker][pattern]") {
    const Broker broker;
    const auto nameless = broker.channel<int>("");
    auto inbox = broker.subscribe<int>({.patterns = {""}});
    CHECK(broker.channels().empty());
    inbox.join(nameless);
    CHECK(broker.channels() == Names{""});
    CHECK(nameless.publish(1) == 2);
    CHECK(inbox.leave(nameless));
    CHECK(nameless.publish(2) == 1);
}

TEST_CASE("patterns that somebody has subscribed to are listed, each once", "[broker][pattern]") {
    const Broker broker;
    CHECK(broker.patterns().empty());
    std::optional ticks{broker.subscribe<int>({.patterns = {"ticks:*", "*"}})};
    const auto words = broker.subscribe<std::string>({.channels = {"w"}, .patterns = {"ticks:*"}});
    CHECK(broker.patterns() == Names{"*", "ticks:*"});
    ticks.reset();
    CHECK(broker.patterns() == Names{"ticks:*"});
}

TEST_CASE("an inbox that subscribes to nothing is an error", "[broker][pattern][error]") {
    const Broker broker;
    CHECK(error_of([&] { return broker.subscribe<int>({.bound = 8}); }) ==
          ErrorCode::invalid_argument);
}

TEST_CASE("no pattern reaches a sharded channel", "[broker][pattern]") {
    const Broker broker;
    auto inbox = broker.subscribe<int>({.patterns = {"*"}});
    CHECK(broker.sharded_channel<int>("a").publish(1).reached == 0);
    CHECK_FALSE(broker.find_channel<int>("a"));
    CHECK(received(inbox).empty());
}

TEST_CASE("an inbox that goes is unsubscribed from all", "[broker][pattern]") {
    const Broker broker;
    const auto news = broker.channel<int>("news");
    {
        auto inbox = broker.subscribe<int>({.channels = {"news"}, .patterns = {"n*", "*"}});
        CHECK(news.subscribers() == 3);
        auto moved = std::move(inbox);
        CHECK(news.subscribers() == 3);
        moved = broker.subscribe<int>({.patterns = {"n*"}});
        CHECK(news.subscribers() == 1);
    }
    CHECK(news.subscribers() == 0);
    CHECK(broker.patterns().empty());
    CHECK(broker.publish("new", 1).reached == 0);
    CHECK_FALSE(broker.find_channel<int>("new"));
}

TEST_CASE("what waits in an inbox dies with it", "[broker][pattern]") {
    const Census census;
    const Broker broker;
    {
        auto inbox = broker.subscribe<MoveOnly>({.patterns = {"*"}});
        for (const char* const name : {"a", "b"})
            CHECK(broker.publish(name, MoveOnly{1}).reached == 1);
        CHECK(census.alive() == 2);
    }
    CHECK(broker.remove_channel("a"));
    CHECK(broker.remove_channel("b"));
    CHECK(census.alive() == 0);
    CHECK(census.faults() == 0);
}

TEST_CASE("an inbox of a broker may join other channels, and leave what it has joined",
          "[broker][pattern]") {
    const Broker broker;
    const Channel<int> own;
    auto inbox = broker.subscribe<int>({.channels = {"a"}, .patterns = {"a"}});
    inbox.join(own);
    CHECK(own.publish(1).reached == 1);
    CHECK(inbox.leave(broker.channel<int>("a")));
    CHECK(broker.publish("a", 2).reached == 1);
    CHECK(received(inbox) == Received{" 1", "a 2 by a"});
}

TEST_CASE("an inbox has the bound that it was asked for with", "[broker][pattern]") {
    const Broker broker;
    auto inbox = broker.subscribe<int>({.patterns = {"*"}, .bound = 2});
    for (const int number : {1, 2, 3}) (void)broker.publish("a", number);
    CHECK(received(inbox) == Received{"a 1 by *", "a 2 by *"});
    CHECK(inbox.missed() == 1);

    auto brittle =
        broker.subscribe<int>({.patterns = {"*"}, .bound = 1, .when_behind = Behind::disconnect});
    for (const int number : {1, 2}) (void)broker.publish("a", number);
    CHECK_FALSE(brittle.connected());

    CHECK(error_of([&] { return broker.subscribe<int>({.patterns = {"*"}, .bound = 0}); }) ==
          ErrorCode::invalid_argument);
}

TEST_CASE("an inbox that was disconnected counts for nothing", "[broker][pattern]") {
    const Broker broker;
    auto inbox = broker.subscribe<int>(
        {.channels = {"a"}, .patterns = {"b*"}, .bound = 1, .when_behind = Behind::disconnect});
    CHECK(broker.channels() == Names{"a"});
    for (const int number : {1, 2}) (void)broker.publish("a", number);
    CHECK_FALSE(inbox.connected());
    CHECK(broker.channels().empty());
    CHECK(broker.publish("b", 1).reached == 0);
    CHECK_FALSE(broker.find_channel<int>("b"));
}

// ------------------------------------------------------------------ publishing by name

TEST_CASE("a message for a name that nobody knows makes no channel", "[broker][channel]") {
    const Broker broker;
    auto words = broker.subscribe<std::string>({.patterns = {"*"}});
    const auto published = broker.publish("news", 1);
    CHECK(published.reached == 0);
    CHECK(published.ending == Push::done);
    CHECK_FALSE(broker.find_channel<int>("news"));
    CHECK(broker.publish("news", std::string{"x"}).reached == 1);
    CHECK(broker.find_channel<std::string>("news"));
}

TEST_CASE("what can only be moved is published by name", "[broker][channel]") {
    const Broker broker;
    auto view = broker.channel<std::unique_ptr<int>>("a").subscribe();
    CHECK(broker.publish("a", std::make_unique<int>(5)).reached == 1);
    const auto batch = view.try_read();
    CHECK(*batch.front() == 5);

    auto kept = std::make_unique<int>(6);
    CHECK(broker.publish("b", std::move(kept)).reached == 0);
    CHECK(kept != nullptr);
}

TEST_CASE("a publish by name waits as any other", "[broker][channel][wait]") {
    ManualClock clock;
    const Broker broker{{.clock = &clock}};
    auto view = broker.channel<int>("a").subscribe({.bound = 1, .when_behind = Behind::block});
    CHECK(broker.publish("a", 1).reached == 1);
    Call publish{clock, [&](const std::stop_token& stop) {
                     return broker.publish("a", 2, {.timeout = 1h, .stop = stop});
                 }};
    CHECK(publish.waits());
    clock.advance(1h);
    CHECK(publish.result().ending == Push::full);
    CHECK(view.try_read().size() == 1);
}

// ------------------------------------------------------------------ time

TEST_CASE("what is due by time is done though nobody calls", "[broker][channel][time]") {
    ManualClock clock;
    const Broker broker{{.clock = &clock}};
    const runnel::ByteBound bytes{.soft = 2 * sizeof(int), .soft_for = 1min};
    auto view =
        broker.channel<int>("a").subscribe({.when_behind = Behind::disconnect, .bytes = bytes});
    auto sharded = broker.sharded_channel<int>("s").subscribe(
        {.when_behind = Behind::disconnect, .bytes = bytes});
    auto inbox = broker.subscribe<int>(
        {.patterns = {"*"}, .when_behind = Behind::disconnect, .bytes = bytes});
    for (const int number : {1, 2}) {
        (void)broker.publish("a", number);
        (void)broker.sharded_channel<int>("s").publish(number);
    }
    CHECK(broker.run_due() == 0);
    clock.advance(1min + 1ms);
    CHECK(view.connected());
    CHECK(broker.run_due() == 3);
    CHECK_FALSE(view.connected());
    CHECK_FALSE(sharded.connected());
    CHECK_FALSE(inbox.connected());
    CHECK(broker.run_due() == 0);
}

// ------------------------------------------------------------------ closing

TEST_CASE("to remove a channel ends what waits in it, and patterns wait for the next one",
          "[broker][channel][close]") {
    ManualClock clock;
    const Broker broker{{.clock = &clock}};
    auto view = broker.channel<int>("a").subscribe();
    auto by_name = broker.subscribe<int>({.channels = {"a"}});
    auto by_pattern = broker.subscribe<int>({.patterns = {"a"}});
    Call read{clock, [&](const std::stop_token& stop) { return view.read({.stop = stop}); }};
    Call named{clock, [&](const std::stop_token& stop) { return by_name.read({.stop = stop}); }};
    Call pattern{clock,
                 [&](const std::stop_token& stop) { return by_pattern.read({.stop = stop}); }};
    CHECK(broker.remove_channel("a"));
    CHECK(ending(read.result()) == Ending::closed);
    CHECK(ending(named.result()) == Ending::closed);
    CHECK(pattern.waits());
    CHECK(broker.publish("a", 1).reached == 1);
    CHECK(pattern.result().size() == 1);
}

TEST_CASE("to close a broker ends every wait in its channels", "[broker][channel][close]") {
    ManualClock clock;
    std::optional<Broker> broker{Broker{{.clock = &clock}}};
    auto view = broker->channel<int>("a").subscribe();
    auto sharded = broker->sharded_channel<int>("a").subscribe();
    auto by_pattern = broker->subscribe<int>({.patterns = {"a*", "b*"}});
    auto left = broker->subscribe<int>({.patterns = {"b*"}});
    CHECK(broker->publish("b", 1).reached == 2);
    CHECK(received(by_pattern) == Received{"b 1 by b*"});
    Call read{clock, [&](const std::stop_token& stop) { return view.read({.stop = stop}); }};
    Call shard{clock, [&](const std::stop_token& stop) { return sharded.read({.stop = stop}); }};
    Call pattern{clock,
                 [&](const std::stop_token& stop) { return by_pattern.read({.stop = stop}); }};
    CHECK(pattern.waits());

    SECTION("by hand") {
        broker->close();
    }
    SECTION("with its last handle") {
        broker.reset();
    }

    CHECK(ending(read.result()) == Ending::closed);
    CHECK(ending(shard.result()) == Ending::closed);
    CHECK(ending(pattern.result()) == Ending::closed);
    CHECK(received(left) == Received{"b 1 by b*"});
    CHECK(ending(left.read({.timeout = 0s})) == Ending::closed);
    if (!broker) return;
    CHECK(broker->publish("a", 1).ending == Push::closed);
    CHECK(broker->publish("new", 1).ending == Push::closed);
    CHECK(broker->find_channel<int>("a")->closed());
    CHECK(error_of([&] { return broker->channel<int>("new"); }) == ErrorCode::closed);
    CHECK(error_of([&] { return broker->subscribe<int>({.channels = {"a"}}); }) ==
          ErrorCode::closed);
    CHECK(error_of([&] { return broker->subscribe<int>({.patterns = {"a"}}); }) ==
          ErrorCode::closed);
}

TEST_CASE("a pattern passes over channels that are closed", "[broker][pattern][close]") {
    const Broker broker;
    const auto closed = broker.channel<int>("a");
    closed.close();
    auto inbox = broker.subscribe<int>({.patterns = {"*"}});
    CHECK(closed.subscribers() == 0);
    CHECK(broker.publish("a", 1).ending == Push::closed);
    CHECK(broker.publish("b", 1).reached == 1);
}
