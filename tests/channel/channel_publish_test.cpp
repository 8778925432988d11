// SPDX-License-Identifier: MIT
#include <runnel/channel.hpp>
#include <runnel/clock.hpp>
#include <runnel/inbox.hpp>
#include <runnel/outcome.hpp>

#include "support/catch.hpp"
#include "support/channels.hpp"
#include "support/lifetime.hpp"

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

using runnel::Behind;
using runnel::Channel;
using runnel::Connection;
using runnel::Ending;
using runnel::ErrorCode;
using runnel::Inbox;
using runnel::ManualClock;
using runnel::Published;
using runnel::Push;
using runnel::Subscription;
using runnel::test::awaiting_subscribers;
using runnel::test::Census;
using runnel::test::Countable;
using runnel::test::drain;
using runnel::test::ending;
using runnel::test::error_of;
using runnel::test::MoveOnly;
using runnel::test::NumberChannel;
using runnel::test::Numbers;
using runnel::test::publishing;
using runnel::test::reading;
using runnel::test::values;
using runnel::test::WeighedChannel;
using runnel::test::WordChannel;
using runnel::test::Words;
using namespace std::chrono_literals;

namespace {

// A subscription that lets two messages wait, and they do: no more can be published.
struct HeldBack : WordChannel {
    Subscription<std::string> view = channel.subscribe({.bound = 2, .when_behind = Behind::block});

    HeldBack() { publish({"x", "y"}); }
};

template <typename T, typename Argument>
concept Publishes = requires(const Channel<T>& channel, Argument message) {
    channel.publish(static_cast<Argument>(message));
};

template <typename T, typename Argument>
concept TriesToPublish = requires(const Channel<T>& channel, Argument message) {
    channel.try_publish(static_cast<Argument>(message));
};

}  // namespace

// ------------------------------------------------------------------ how many it goes to

TEST_CASE_METHOD(NumberChannel,
                 "a message to nobody is published all the same, and kept for nobody",
                 "[channel][publish]") {
    const Published published = channel.publish(1);
    CHECK(published.reached == 0);
    CHECK(published.ending == Push::done);
    CHECK(channel.info().published == 1);
    CHECK(channel.info().retained == 0);
    Subscription<int> late = channel.subscribe();
    CHECK_FALSE(late.try_read());
}

TEST_CASE_METHOD(NumberChannel,
                 "a message reaches every subscription, every handler and every way to an inbox",
                 "[channel][publish]") {
    Subscription<int> first = channel.subscribe();
    CHECK(channel.publish(1) == 1);
    Subscription<int> second = channel.subscribe({.when_behind = Behind::disconnect});
    CHECK(channel.publish(2) == 2);
    const Connection handler = channel.on_message([](const int&) {});
    CHECK(channel.publish(3) == 3);
    Inbox<int> inbox;
    inbox.join(channel);
    CHECK(channel.publish(4) == 4);
    inbox.join(channel);
    CHECK(channel.publish(5) == 5);
    CHECK(channel.try_publish(6) == 5);

    CHECK(drain(first) == Numbers{1, 2, 3, 4, 5, 6});
    CHECK(drain(second) == Numbers{2, 3, 4, 5, 6});
    CHECK(drain(inbox) == Numbers{4, 5, 5, 6, 6});
}

TEST_CASE_METHOD(NumberChannel, "who has gone is not reached any more", "[channel][publish]") {
    std::optional<Subscription<int>> view = channel.subscribe();
    Connection handler = channel.on_message([](const int&) {});
    Inbox<int> inbox;
    inbox.join(channel);
    std::optional<Inbox<int>> other{std::in_place};
    other->join(channel);
    CHECK(channel.publish(1) == 4);
    view.reset();
    CHECK(channel.publish(2) == 3);
    handler.disconnect();
    CHECK(channel.publish(3) == 2);
    CHECK(inbox.leave(channel));
    CHECK(channel.publish(4) == 1);
    other.reset();
    CHECK(channel.publish(5) == 0);
}

TEST_CASE_METHOD(NumberChannel,
                 "the message that is too much for a subscription counts it, and no later one",
                 "[channel][publish]") {
    const Subscription<int> view =
        channel.subscribe({.bound = 2, .when_behind = Behind::disconnect});
    CHECK(channel.publish(1) == 1);
    CHECK(channel.publish(2) == 1);
    CHECK(channel.publish(3) == 1);
    CHECK_FALSE(view.connected());
    CHECK(channel.publish(4) == 0);
    CHECK(channel.info().subscriptions == 0);
}

TEST_CASE_METHOD(NumberChannel, "an inbox that is full is not reached", "[channel][publish]") {
    Inbox<int> inbox{{.bound = 1}};
    inbox.join(channel);
    CHECK(channel.publish(1) == 1);
    CHECK(channel.publish(2) == 0);
    CHECK(channel.publish(3).ending == Push::done);
    CHECK(values(inbox.try_read()) == Numbers{1});
    CHECK(channel.publish(4) == 1);
}

// ------------------------------------------------------------------ moving and copying

TEST_CASE("a message that can only be moved goes to subscriptions, handlers and inboxes",
          "[channel][publish]") {
    using Pointer = std::unique_ptr<int>;
    const Channel<Pointer> channel;
    Subscription<Pointer> first = channel.subscribe();
    Subscription<Pointer> second = channel.subscribe();
    Inbox<Pointer> inbox;
    inbox.join(channel);
    std::vector<const int*> handled;
    const Connection handler =
        channel.on_message([&](const Pointer& message) { handled.push_back(message.get()); });

    auto message = std::make_unique<int>(7);
    const int* const place = message.get();
    CHECK(channel.publish(std::move(message)) == 4);
    CHECK(message == nullptr);
    CHECK(handled == std::vector{place});
    const auto one = first.read();
    const auto other = second.read();
    const auto third = inbox.read();
    CHECK(one.front().get() == place);
    CHECK(other.back().get() == place);
    CHECK(third[0].value.get() == place);
    CHECK(*third[0].value == 7);
}

TEST_CASE("a message is copied only if it is published as const", "[channel][publish]") {
    const Census census;
    const Channel<Countable> channel;
    Subscription<Countable> first = channel.subscribe();
    Subscription<Countable> second = channel.subscribe();
    Inbox<Countable> inbox;
    inbox.join(channel);
    const Connection handler = channel.on_message([](const Countable&) {});

    channel.publish(Countable{1});
    channel.try_publish(Countable{2});
    CHECK(census.copies() == 0);
    const Countable mine{3};
    channel.publish(mine);
    CHECK(census.copies() == 1);
    CHECK(mine.get() == 3);
    (void)first.read();
    (void)second.read();
    (void)inbox.read();
    CHECK(census.copies() == 1);
}

TEST_CASE_METHOD(WordChannel, "all get the same message in the same place", "[channel][publish]") {
    Subscription<std::string> first = channel.subscribe();
    Subscription<std::string> second = channel.subscribe();
    Inbox<std::string> inbox;
    inbox.join(channel);
    const std::string* handled = nullptr;
    const Connection handler =
        channel.on_message([&](const std::string& message) { handled = &message; });
    publish({"a"});
    const auto one = first.read();
    const auto other = second.read();
    const auto third = inbox.read();
    CHECK(&one.front() == &other.front());
    CHECK(&one.front() == &third[0].value);
    CHECK(&one.front() == handled);
}

TEST_CASE("only what can be copied can be published as const", "[channel][publish]") {
    STATIC_REQUIRE(Publishes<std::string, const std::string&>);
    STATIC_REQUIRE(Publishes<std::string, std::string&&>);
    STATIC_REQUIRE(Publishes<MoveOnly, MoveOnly&&>);
    STATIC_REQUIRE_FALSE(Publishes<MoveOnly, const MoveOnly&>);
    STATIC_REQUIRE_FALSE(Publishes<MoveOnly, MoveOnly&>);
    STATIC_REQUIRE(TriesToPublish<MoveOnly, MoveOnly&&>);
    STATIC_REQUIRE_FALSE(TriesToPublish<MoveOnly, const MoveOnly&>);
}

// ------------------------------------------------------------------ refused

TEST_CASE_METHOD(WordChannel, "a closed channel refuses a message and leaves it untouched",
                 "[channel][publish][close]") {
    Subscription<std::string> view = channel.subscribe();
    channel.close();
    std::string message = "a";
    const Published published = channel.publish(std::move(message));
    CHECK(published.ending == Push::closed);
    CHECK(published.reached == 0);
    CHECK(channel.try_publish(std::move(message)).ending == Push::closed);
    CHECK(message == "a");
    CHECK(channel.info().published == 0);
    CHECK(ending(view.read()) == Ending::closed);
}

TEST_CASE_METHOD(HeldBack,
                 "a publish that may not wait for a reader is refused, its message untouched",
                 "[channel][publish]") {
    std::string message = "z";
    CHECK(channel.try_publish(std::move(message)).ending == Push::full);
    CHECK(channel.publish(std::move(message), {.timeout = 0s}).ending == Push::full);
    CHECK(channel.publish(std::move(message), {.timeout = -1s}).ending == Push::full);
    CHECK(channel.try_publish(std::move(message)) == 0);
    CHECK(message == "z");
    CHECK(channel.info().published == 2);
    CHECK(drain(view) == Words{"x", "y"});
}

TEST_CASE_METHOD(HeldBack, "a publish that is held back goes on once the subscription has read",
                 "[channel][publish][wait]") {
    std::string message = "z";
    auto held = publishing(clock, channel, message);
    REQUIRE(held.waits());
    CHECK(message == "z");
    CHECK(channel.info().waiting == 1);
    CHECK(values(view.read({.count = 1})) == Words{"x"});
    CHECK(held.result().ending == Push::done);
    CHECK(held.result().reached == 1);
    CHECK(channel.info().waiting == 0);
    CHECK(drain(view) == Words{"y", "z"});
}

TEST_CASE_METHOD(HeldBack, "a publish that is held back ends when its time is over",
                 "[channel][publish][time]") {
    std::string message = "z";
    auto held = publishing(clock, channel, message, 1h);
    clock.advance(1h - 1ns);
    CHECK(held.waits());
    clock.advance(1ns);
    CHECK(held.result().ending == Push::full);
    CHECK(held.result().reached == 0);
    CHECK(message == "z");
    CHECK(channel.info().waiting == 0);
    CHECK(drain(view) == Words{"x", "y"});
}

TEST_CASE_METHOD(HeldBack, "a publish that is held back ends when it is asked to stop",
                 "[channel][publish][stop]") {
    std::string message = "z";
    auto held = publishing(clock, channel, message);
    held.stop();
    CHECK(held.result().ending == Push::stopped);
    CHECK(message == "z");
    CHECK(channel.info().waiting == 0);

    std::stop_source stop;
    stop.request_stop();
    CHECK(channel.publish(std::move(message), {.stop = stop.get_token()}).ending == Push::stopped);
    CHECK(message == "z");
    CHECK(drain(view) == Words{"x", "y"});
    CHECK(channel.publish(std::move(message), {.stop = stop.get_token()}).ending == Push::done);
}

TEST_CASE_METHOD(HeldBack, "closing ends the publishes that are held back",
                 "[channel][publish][close]") {
    std::string one = "1";
    std::string two = "2";
    auto first = publishing(clock, channel, one);
    auto second = publishing(clock, channel, two, 1h);
    channel.close();
    CHECK(first.result().ending == Push::closed);
    CHECK(second.result().ending == Push::closed);
    CHECK(one == "1");
    CHECK(two == "2");
    CHECK(drain(view) == Words{"x", "y"});
}

TEST_CASE_METHOD(HeldBack, "who was held back first publishes first", "[channel][publish][order]") {
    std::string one = "1";
    std::string two = "2";
    std::string three = "3";
    auto first = publishing(clock, channel, one);
    auto second = publishing(clock, channel, two);
    auto third = publishing(clock, channel, three);
    CHECK(values(view.read({.count = 1})) == Words{"x"});
    CHECK(first.result() == 1);
    CHECK(second.waits());
    CHECK(channel.try_publish("4").ending == Push::full);
    CHECK(values(view.read()) == Words{"y", "1"});
    CHECK(second.result() == 1);
    CHECK(third.result() == 1);
    CHECK(drain(view) == Words{"2", "3"});
}

TEST_CASE_METHOD(HeldBack, "who stops waiting does not hold up those behind",
                 "[channel][publish][order]") {
    std::string one = "1";
    std::string two = "2";
    auto first = publishing(clock, channel, one);
    auto second = publishing(clock, channel, two);
    first.stop();
    CHECK(values(view.read({.count = 1})) == Words{"x"});
    CHECK(first.result().ending == Push::stopped);
    CHECK(second.result() == 1);
    CHECK(drain(view) == Words{"y", "2"});
}

TEST_CASE_METHOD(WeighedChannel, "a light message does not overtake a heavy one that is held back",
                 "[channel][publish][order]") {
    Subscription<int> view =
        channel.subscribe({.when_behind = Behind::block, .bytes = {.hard = 100}});
    publish({60, 30});
    int heavy = 80;
    int light = 1;
    auto first = publishing(clock, channel, heavy);
    auto second = publishing(clock, channel, light);
    CHECK(values(view.read({.count = 1})) == Numbers{60});
    CHECK(first.waits());
    CHECK(second.waits());
    // Gone, it lets those behind go on.
    first.stop();
    CHECK(second.result().ending == Push::done);
    CHECK(drain(view) == Numbers{30, 1});
}

TEST_CASE_METHOD(HeldBack, "every subscription that blocks has to have room",
                 "[channel][publish][wait]") {
    auto other = channel.subscribe({.bound = 1, .when_behind = Behind::block});
    auto patient = channel.subscribe({.bound = 1});
    CHECK(drain(view) == Words{"x", "y"});
    publish({"1"});
    std::string message = "2";
    auto held = publishing(clock, channel, message);
    CHECK(drain(view) == Words{"1"});
    REQUIRE(held.waits());
    CHECK(values(other.read()) == Words{"1"});
    CHECK(held.result() == 3);
    CHECK(drain(view) == Words{"2"});
}

TEST_CASE_METHOD(WordChannel, "a subscription that goes holds nobody back any more",
                 "[channel][publish][wait]") {
    std::optional<Subscription<std::string>> view =
        channel.subscribe({.bound = 1, .when_behind = Behind::block});
    publish({"x"});
    std::string message = "z";
    auto held = publishing(clock, channel, message);
    REQUIRE(held.waits());
    view.reset();
    CHECK(held.result().ending == Push::done);
    CHECK(held.result().reached == 0);
}

TEST_CASE_METHOD(HeldBack,
                 "a publisher that is held back runs the handlers once its message goes out",
                 "[channel][publish][wait]") {
    Words handled;
    const Connection handler =
        channel.on_message([&](const std::string& word) { handled.push_back(word); });
    std::string message = "z";
    auto held = publishing(clock, channel, message);
    CHECK(handled.empty());
    CHECK(values(view.read()) == Words{"x", "y"});
    CHECK(held.result() == 2);
    CHECK(handled == Words{"z"});
}

TEST_CASE_METHOD(HeldBack, "a message that is let in ends the reads that wait for it",
                 "[channel][publish][wait]") {
    auto other = channel.subscribe();
    auto read = reading(clock, other);
    std::string message = "z";
    auto held = publishing(clock, channel, message);
    REQUIRE(read.waits());
    CHECK(view.read().size() == 2);
    CHECK(values(read.result()) == Words{"z"});
    CHECK(held.result() == 2);
}

// ------------------------------------------------------------------ who is there

TEST_CASE_METHOD(NumberChannel, "a channel tells how many subscribers it has", "[channel][info]") {
    CHECK(channel.subscribers() == 0);
    std::optional<Subscription<int>> view = channel.subscribe();
    const Connection handler = channel.on_message([](const int&) {});
    std::optional<Inbox<int>> inbox{std::in_place};
    inbox->join(channel);
    inbox->join(channel);
    CHECK(channel.subscribers() == 4);
    view.reset();
    CHECK(channel.subscribers() == 3);
    inbox.reset();
    CHECK(channel.subscribers() == 1);
}

TEST_CASE_METHOD(NumberChannel, "an inbox that was disconnected is no subscriber any more",
                 "[channel][info]") {
    Inbox<int> inbox{{.bound = 1, .when_behind = Behind::disconnect}};
    inbox.join(channel);
    CHECK(channel.publish(1) == 1);
    CHECK(channel.publish(2) == 1);
    CHECK_FALSE(inbox.connected());
    CHECK(channel.publish(3) == 0);
    CHECK(channel.subscribers() == 0);
    CHECK(channel.info().inboxes == 0);
}

TEST_CASE_METHOD(NumberChannel, "one can wait for subscribers of any kind", "[channel][wait]") {
    CHECK(channel.wait_for_subscribers(0));
    auto for_one = awaiting_subscribers(clock, channel, 1);
    auto for_three = awaiting_subscribers(clock, channel, 3);
    CHECK(channel.info().waiting == 2);
    const Connection handler = channel.on_message([](const int&) {});
    CHECK(for_one.result());
    const Subscription<int> view = channel.subscribe();
    REQUIRE(for_three.waits());
    Inbox<int> inbox;
    inbox.join(channel);
    CHECK(for_three.result());
    CHECK(channel.wait_for_subscribers(3));
}

TEST_CASE_METHOD(NumberChannel, "a wait for subscribers does not count inboxes that are gone",
                 "[channel][wait]") {
    Inbox<int> full{{.bound = 1, .when_behind = Behind::disconnect}};
    full.join(channel);
    full.join(channel);
    publish(1);
    REQUIRE_FALSE(full.connected());
    auto for_three = awaiting_subscribers(clock, channel, 3);
    auto for_four = awaiting_subscribers(clock, channel, 4);
    std::vector<Subscription<int>> views;
    for (int number = 0; number != 2; ++number) views.push_back(channel.subscribe());
    REQUIRE(for_three.waits());
    views.pop_back();
    Inbox<int> inbox;
    inbox.join(channel);
    REQUIRE(for_three.waits());
    inbox.join(channel);
    CHECK(for_three.result());
    REQUIRE(for_four.waits());
    full.leave(channel);
    views.push_back(channel.subscribe());
    CHECK(for_four.result());
}

TEST_CASE_METHOD(NumberChannel, "waiting for subscribers ends by time-out, stop or close",
                 "[channel][wait]") {
    CHECK_FALSE(channel.wait_for_subscribers(1, {.timeout = 0s}));
    auto timed = awaiting_subscribers(clock, channel, 1, 1h);
    auto stopped = awaiting_subscribers(clock, channel, 1);
    auto closed = awaiting_subscribers(clock, channel, 1);
    clock.advance(1h - 1ns);
    CHECK(timed.waits());
    clock.advance(1ns);
    CHECK_FALSE(timed.result());
    stopped.stop();
    CHECK_FALSE(stopped.result());
    channel.close();
    CHECK_FALSE(closed.result());
    CHECK_FALSE(channel.wait_for_subscribers(1));
}

TEST_CASE_METHOD(NumberChannel, "a channel tells several figures of one moment",
                 "[channel][info]") {
    Subscription<int> view = channel.subscribe({.bound = 3});
    Subscription<int> other = channel.subscribe();
    const Connection handler = channel.on_message([](const int&) {});
    Inbox<int> inbox;
    inbox.join(channel);
    publish(1, 2);
    const auto info = channel.info();
    CHECK(info.published == 2);
    CHECK(info.subscriptions == 2);
    CHECK(info.handlers == 1);
    CHECK(info.inboxes == 1);
    CHECK(info.retained == 2);
    CHECK(info.waiting == 0);
    CHECK(view.read().size() == 2);
    auto read = reading(clock, view);
    CHECK(channel.info().waiting == 1);
    CHECK(channel.info().retained == 2);
}

TEST_CASE_METHOD(NumberChannel, "a channel keeps nothing once there is nobody who could read it",
                 "[channel][info]") {
    std::optional<Subscription<int>> view = channel.subscribe({.bound = 200});
    publish(1, 100);
    CHECK(channel.info().retained == 100);
    view.reset();
    CHECK(channel.info().retained == 0);
    CHECK(channel.info().published == 100);
}

TEST_CASE("a channel has the name that it was given, or none", "[channel][info]") {
    CHECK(Channel<int>{}.name().empty());
    const Channel<int> named{{}, "ticks"};
    CHECK(named.name() == "ticks");
    CHECK(Channel<int>{named}.name() == "ticks");
}

// ------------------------------------------------------------------ handles

TEST_CASE("copies of a handle are the same channel", "[channel][handle]") {
    const Channel<int> one;
    const Channel<int> copy = one;  // NOLINT(*-unnecessary-copy-*)
    Channel<int> other;
    CHECK(one == copy);
    CHECK(one != other);
    Subscription<int> view = one.subscribe();
    CHECK(copy.publish(1) == 1);
    CHECK(other.publish(2) == 0);
    other = one;
    CHECK(other == copy);
    CHECK(other.publish(3) == 1);
    CHECK(drain(view) == Numbers{1, 3});
}

TEST_CASE("moving a handle leaves it as good as before", "[channel][handle]") {
    Channel<int> one;
    const Channel<int> other = std::move(one);
    CHECK(one == other);  // NOLINT(bugprone-use-after-move,clang-analyzer-*)
    CHECK_FALSE(other.closed());
}

TEST_CASE("the last handle closes its channel when it goes", "[channel][handle][close]") {
    std::optional<Channel<int>> one{std::in_place};
    std::optional<Channel<int>> other{*one};
    Subscription<int> view = one->subscribe();
    one.reset();
    CHECK_FALSE(other->closed());
    other->publish(1);
    other.reset();
    CHECK(drain(view) == Numbers{1});
    CHECK(ending(view.read()) == Ending::closed);
}

TEST_CASE("a call that waits does not need the handle it was made through",
          "[channel][handle][close]") {
    ManualClock clock;
    std::optional<Channel<int>> channel{std::in_place,
                                        runnel::ChannelOptions<int>{.clock = &clock}};
    auto view = channel->subscribe({.bound = 1, .when_behind = Behind::block});
    auto other = channel->subscribe();
    channel->publish(1);
    (void)other.read();
    int message = 2;
    auto publish = publishing(clock, *channel, message);
    auto wait = awaiting_subscribers(clock, *channel, 5);
    auto read = reading(clock, other);
    channel.reset();
    CHECK(publish.result().ending == Push::closed);
    CHECK_FALSE(wait.result());
    CHECK(ending(read.result()) == Ending::closed);
}

TEST_CASE_METHOD(NumberChannel, "closing twice does nothing", "[channel][close]") {
    CHECK_FALSE(channel.closed());
    channel.close();
    CHECK(channel.closed());
    channel.close();
    CHECK(channel.closed());
}

// ------------------------------------------------------------------ weighing

TEST_CASE("a message is weighed once, and before anything else", "[channel][publish][weigh]") {
    ManualClock clock;
    Numbers weighed;
    const Channel<int> channel{{.weigh =
                                    [&](const int& number) {
                                        weighed.push_back(number);
                                        return std::size_t{1};
                                    },
                                .clock = &clock}};
    channel.publish(1);
    CHECK(weighed == Numbers{1});
    auto view = channel.subscribe({.bound = 1, .when_behind = Behind::block});
    auto other = channel.subscribe({.bytes = {.hard = 5}});
    channel.publish(2);
    CHECK(channel.try_publish(3).ending == Push::full);
    CHECK(weighed == Numbers{1, 2, 3});
    int message = 4;
    auto held = publishing(clock, channel, message);
    CHECK(weighed == Numbers{1, 2, 3, 4});
    (void)view.read();
    CHECK(held.result().ending == Push::done);
    CHECK(values(other.read()) == Numbers{2, 4});
    channel.close();
    CHECK(channel.publish(5).ending == Push::closed);
    CHECK(weighed == Numbers{1, 2, 3, 4, 5});
}

TEST_CASE("what weighing throws reaches the publisher, and nothing has changed",
          "[channel][publish][weigh]") {
    const Channel<std::string> channel{{.weigh = [](const std::string& word) {
        return word.empty() ? throw std::runtime_error{"no words"} : word.size();
    }}};
    auto view = channel.subscribe();
    int handled = 0;
    const Connection handler = channel.on_message([&](const std::string&) { ++handled; });
    std::string message;
    CHECK_THROWS_AS(channel.publish(std::move(message)), std::runtime_error);
    CHECK_THROWS_AS(channel.try_publish(std::move(message)), std::runtime_error);
    CHECK(channel.info().published == 0);
    CHECK(handled == 0);
    CHECK_FALSE(view.try_read());
    CHECK(channel.publish("a") == 2);
}

TEST_CASE("a message is weighed without a lock", "[channel][publish][weigh]") {
    const Channel<int>* self = nullptr;
    const Channel<int> channel{
        {.weigh = [&](const int&) { return static_cast<std::size_t>(self->info().published); }}};
    self = &channel;
    auto view = channel.subscribe({.bytes = {.hard = 3}});
    for (int number = 0; number != 4; ++number) channel.publish(number);
    // They weigh 0, 1, 2 and 3: the last one alone is too much.
    CHECK_FALSE(view.try_read());
    CHECK(channel.info().published == 4);
}

namespace {

// A message that looks at its channel when it dies.
struct Curious {
    explicit Curious(int made) noexcept : number{made} {}
    Curious(Curious&& other) noexcept : number{std::exchange(other.number, 0)} {}
    Curious& operator=(Curious&&) = delete;
    ~Curious() {
        if (number != 0 && look) look();
    }

    int number;
    static inline std::function<void()> look;
};

}  // namespace

TEST_CASE("no message dies under a lock", "[channel][publish][lifetime]") {
    const Channel<Curious> channel;
    std::uint64_t dead = 0;
    Curious::look = [&] {
        ++dead;
        (void)channel.info();
    };
    const auto publish = [&](int count) {
        for (; count != 0; --count) (void)channel.publish(Curious{count});
    };
    SECTION("as they go out of reach one by one") {
        const auto view = channel.subscribe({.bound = 1, .bytes = {.hard = 1000}});
        publish(10);
        CHECK(dead == 9);
    }
    SECTION("as they go out of reach block by block") {
        const auto view = channel.subscribe({.bound = 1});
        publish(200);
        CHECK(dead > 100);
    }
    SECTION("as the last subscription goes, or is disconnected") {
        for (const Behind behind : {Behind::skip_oldest, Behind::disconnect}) {
            const auto view = channel.subscribe({.bound = 10, .when_behind = behind});
            publish(11);
        }
        CHECK(dead == 22);
    }
    SECTION("as the last handler goes") {
        auto handler = channel.on_message(
            [&](const Curious& message) {
                if (message.number == 1) publish(3);
            },
            {.bound = 20});
        (void)channel.publish(Curious{5});
        CHECK(dead == 1);
        handler.disconnect();
        (void)channel.publish(Curious{7});
        CHECK(dead == 2);
    }
    SECTION("as an inbox drops them, or goes") {
        Inbox<Curious> inbox{{.bound = 2, .when_behind = Behind::disconnect}};
        inbox.join(channel);
        publish(3);
        CHECK(ending(inbox.try_read()) == Ending::disconnected);
        CHECK(dead == 3);
        Inbox<Curious> other;
        other.join(channel);
        publish(3);
        other = Inbox<Curious>{};
        CHECK(dead == 6);
    }
    SECTION("as a batch goes") {
        auto view = channel.subscribe({.bound = 1, .bytes = {.hard = 1000}});
        publish(1);
        std::optional batch{view.read()};
        publish(1);
        CHECK(dead == 0);
        batch.reset();
        CHECK(dead == 1);
    }
    Curious::look = nullptr;
}

TEST_CASE_METHOD(NumberChannel, "a channel does not keep what handlers have had",
                 "[channel][publish]") {
    const Connection handler = channel.on_message(
        [&](int number) {
            // Left to the handler, which is busy.
            if (number == 1) publish(2, 3);
        },
        {.bound = 4});
    publish(1);
    CHECK(channel.info().retained == 2);
    // These go to it directly.
    publish(4, 100);
    CHECK(channel.info().retained == 0);
}
