// SPDX-License-Identifier: MIT
// How coroutines read from channels and inboxes, and wait for subscribers.
#include <runnel/broker.hpp>
#include <runnel/channel.hpp>
#include <runnel/channel_options.hpp>
#include <runnel/clock.hpp>
#include <runnel/error.hpp>
#include <runnel/inbox.hpp>
#include <runnel/outcome.hpp>
#include <runnel/subscription.hpp>

#include "support/catch.hpp"
#include "support/channels.hpp"
#include "support/coroutines.hpp"
#include "support/endings.hpp"
#include "support/errors.hpp"
#include "support/eventually.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using runnel::Behind;
using runnel::Broker;
using runnel::Channel;
using runnel::Ending;
using runnel::ErrorCode;
using runnel::Inbox;
using runnel::InboxMessages;
using runnel::ManualClock;
using runnel::Messages;
using runnel::Push;
using runnel::ReadOptions;
using runnel::Subscription;
using runnel::WaitOptions;
using runnel::test::Coroutine;
using runnel::test::drain;
using runnel::test::ending;
using runnel::test::error_of;
using runnel::test::eventually;
using runnel::test::Loop;
using runnel::test::number_range;
using runnel::test::NumberChannel;
using runnel::test::publishing;
using runnel::test::values;
using namespace std::chrono_literals;

namespace {

using Ints = std::vector<int>;

// What a coroutine has read, if it has gone on.
template <typename Batch>
using Read = std::optional<Batch>;

template <typename Reader, typename Batch>
Coroutine read(Reader& reader, Read<Batch>& outcome, ReadOptions options = {}) {
    outcome.emplace(co_await reader.async_read(options));
}

template <typename Reader, typename Batch>
Coroutine read_on(Loop& loop, Reader& reader, Read<Batch>& outcome, ReadOptions options = {}) {
    outcome.emplace(co_await reader.async_read(options).on(loop));
}

Coroutine count_to(const Channel<int>& channel, std::size_t count, std::optional<bool>& outcome,
                   WaitOptions options = {}) {
    outcome = co_await channel.async_wait_for_subscribers(count, options);
}

struct AView : NumberChannel {
    Subscription<int> view = channel.subscribe();
    Read<Messages<int>> outcome;

    [[nodiscard]] Ints numbers() const { return values(*outcome); }
};

// Publishers wait for the reader of the second message.
struct ABlockingView : NumberChannel {
    Subscription<int> view = channel.subscribe({.bound = 1, .when_behind = Behind::block});
    Read<Messages<int>> outcome;
    Loop loop;
};

struct AnInbox : NumberChannel {
    AnInbox() { inbox.join(channel); }

    Inbox<int> inbox{{.clock = &clock}};
    Read<InboxMessages<int>> outcome;
};

}  // namespace

// ---------------------------------------------------------------------- subscriptions

TEST_CASE_METHOD(AView, "a coroutine reads what is at hand without a wait") {
    publish(1, 3);
    const Coroutine reader = read(view, outcome);
    CHECK(numbers() == Ints{1, 2, 3});
}

TEST_CASE_METHOD(AView, "a coroutine reads on inside the publish that it has waited for") {
    const Coroutine reader = read(view, outcome);
    CHECK_FALSE(outcome);
    CHECK(channel.info().waiting == 1);
    publish(1);
    CHECK(numbers() == Ints{1});
    CHECK(channel.info().waiting == 0);
}

TEST_CASE_METHOD(AView, "a coroutine reads at most the messages that it asks for") {
    publish(1, 3);
    const Coroutine reader = read(view, outcome, {.count = 2});
    CHECK(numbers() == Ints{1, 2});
    CHECK(drain(view) == Ints{3});
    CHECK(error_of([&] { (void)view.async_read({.count = 0}); }) == ErrorCode::invalid_argument);
}

TEST_CASE_METHOD(AView, "one message wakes coroutines and threads") {
    auto other = channel.subscribe();
    auto third = channel.subscribe();
    Read<Messages<int>> by_other;
    Ints by_thread;
    const Coroutine reader = read(view, outcome);
    auto thread = clock.thread([&] { by_thread = values(third.read()); });
    clock.settle();
    const Coroutine last = read(other, by_other);
    publish(1);
    thread.join();
    CHECK(numbers() == Ints{1});
    CHECK(values(*by_other) == Ints{1});
    CHECK(by_thread == Ints{1});
}

// A thread that was woken takes along other threads, whose wake-ups cost a call of the kernel each.
TEST_CASE("on the machine's clock, too, one message wakes coroutines and threads") {
    const Channel<int> channel;
    constexpr std::size_t count = 6;
    std::vector<Subscription<int>> views;
    for (std::size_t i = 0; i != 2 * count; ++i) views.push_back(channel.subscribe());
    std::vector<Read<Messages<int>>> outcomes(count);
    std::vector<Coroutine> readers;
    std::vector<std::jthread> threads;
    for (std::size_t i = 0; i != count; ++i) {
        threads.emplace_back([&view = views[count + i]] { (void)view.read(); });
        eventually([&] { return channel.info().waiting == 2 * i + 1; });
        readers.push_back(read(views[i], outcomes[i]));
    }
    channel.publish(1);
    threads.clear();
    for (const auto& outcome : outcomes) CHECK(values(outcome.value()) == Ints{1});
}

TEST_CASE_METHOD(AView, "a coroutine's read times out as the clock moves") {
    const Coroutine reader = read(view, outcome, {.timeout = 10ms});
    clock.advance(9ms);
    CHECK_FALSE(outcome);
    clock.advance(1ms);
    CHECK(ending(outcome.value()) == Ending::timed_out);
    CHECK(channel.info().waiting == 0);
}

TEST_CASE_METHOD(AView, "a coroutine's read is stopped inside request_stop()") {
    std::stop_source stop;
    const Coroutine reader = read(view, outcome, {.stop = stop.get_token()});
    stop.request_stop();
    CHECK(ending(outcome.value()) == Ending::stopped);
}

TEST_CASE_METHOD(AView, "a coroutine that was served keeps its messages though it is stopped") {
    std::stop_source stop;
    Loop loop;
    const Coroutine reader = read_on(loop, view, outcome, {.stop = stop.get_token()});
    publish(1);
    stop.request_stop();
    loop.run();
    CHECK(numbers() == Ints{1});
}

TEST_CASE_METHOD(AView, "closing a channel ends the reads of coroutines") {
    const Coroutine reader = read(view, outcome);
    channel.close();
    CHECK(ending(outcome.value()) == Ending::closed);
}

TEST_CASE("a coroutine's read does not keep its channel open") {
    ManualClock clock;
    std::optional<Channel<int>> channel{std::in_place, runnel::ChannelOptions<int>{{}, &clock}};
    auto view = channel->subscribe();
    Read<Messages<int>> outcome;
    const Coroutine reader = read(view, outcome);
    channel.reset();
    CHECK(ending(outcome.value()) == Ending::closed);
}

TEST_CASE_METHOD(AView, "a coroutine reads what is left in a channel that was closed") {
    publish(1);
    channel.close();
    const Coroutine reader = read(view, outcome);
    CHECK(numbers() == Ints{1});
}

TEST_CASE_METHOD(NumberChannel, "a coroutine is told what it has missed") {
    auto view = channel.subscribe({.bound = 1});
    publish(1, 5);
    Read<Messages<int>> outcome;
    const Coroutine reader = read(view, outcome);
    CHECK(values(outcome.value()) == Ints{5});
    CHECK(outcome->missed() == 4);
}

TEST_CASE_METHOD(NumberChannel, "a coroutine is told that it was disconnected, and what it lost") {
    auto view = channel.subscribe({.bound = 1, .when_behind = Behind::disconnect});
    publish(1, 2);
    Read<Messages<int>> outcome;
    const Coroutine reader = read(view, outcome);
    CHECK(ending(outcome.value()) == Ending::disconnected);
    CHECK(outcome->missed() == 2);
}

TEST_CASE_METHOD(AView, "a subscription may be moved while a coroutine waits for it") {
    const Coroutine reader = read(view, outcome);
    Subscription<int> moved = std::move(view);
    publish(1, 2);
    CHECK(numbers() == Ints{1});
    CHECK(drain(moved) == Ints{2});
}

TEST_CASE_METHOD(AView, "a read may be awaited again, and then reads on") {
    Ints all;
    const auto read_all = [&]() -> Coroutine {
        auto next = view.async_read();
        while (const auto batch = co_await next)
            for (const int number : batch) all.push_back(number);
    };
    const Coroutine reader = read_all();
    publish(1, 200);
    channel.close();
    CHECK(reader.done());
    CHECK(all == number_range(1, 200));
}

// ---------------------------------------------------------------------- back-pressure

TEST_CASE_METHOD(ABlockingView, "a publisher waits until a coroutine has read on") {
    publish(1);
    int message = 2;
    auto publisher = publishing(clock, channel, message);
    CHECK(publisher.waits());
    const Coroutine reader = read(view, outcome);
    CHECK(values(outcome.value()) == Ints{1});
    CHECK(publisher.result().ending == Push::done);
    CHECK(drain(view) == Ints{2});
}

TEST_CASE_METHOD(ABlockingView, "what a coroutine was served counts as read at once") {
    const Coroutine reader = read_on(loop, view, outcome);
    publish(1, 2);
    CHECK(channel.try_publish(3).ending == Push::full);
    loop.run();
    CHECK(values(outcome.value()) == Ints{1});
    CHECK(drain(view) == Ints{2});
}

TEST_CASE_METHOD(ABlockingView, "a coroutine that is destroyed in line has read nothing") {
    Coroutine reader = read(view, outcome, {.timeout = 1h});
    reader.destroy();
    CHECK(channel.info().waiting == 0);
    publish(1);
    clock.advance(2h);
    CHECK(drain(view) == Ints{1});
}

TEST_CASE_METHOD(ABlockingView, "a coroutine that is destroyed when it was served has read") {
    Coroutine reader = read_on(loop, view, outcome);
    publish(1, 2);
    loop.drop();
    reader.destroy();
    CHECK(drain(view) == Ints{2});
    CHECK(channel.info().waiting == 0);
}

TEST_CASE_METHOD(NumberChannel, "one of several that a message has woken may destroy the others") {
    constexpr std::size_t count = 5;
    std::vector<Subscription<int>> views;
    for (std::size_t i = 0; i != count; ++i) views.push_back(channel.subscribe());
    std::vector<Coroutine> all(count);
    Read<Messages<int>> outcome;
    const auto first = [&]() -> Coroutine {
        (void)co_await views[0].async_read();
        for (std::size_t i = 1; i != count; ++i) all[i].destroy();
    };
    all[0] = first();
    for (std::size_t i = 1; i != count; ++i) all[i] = read(views[i], outcome);
    publish(1);
    CHECK(all[0].done());
    CHECK_FALSE(outcome);
    CHECK(drain(views[1]).empty());
}

// ---------------------------------------------------------------------- inboxes

TEST_CASE_METHOD(AnInbox, "a coroutine reads what waits in an inbox without a wait") {
    publish(1, 3);
    const Coroutine reader = read(inbox, outcome, {.count = 2});
    CHECK(values(outcome.value()) == Ints{1, 2});
    CHECK(error_of([&] { (void)inbox.async_read({.count = 0}); }) == ErrorCode::invalid_argument);
}

TEST_CASE_METHOD(AnInbox, "a coroutine reads an inbox inside the publish that it has waited for") {
    const Channel<int> other{{.clock = &clock}};
    inbox.join(other);
    const Coroutine reader = read(inbox, outcome);
    CHECK_FALSE(outcome);
    other.publish(1);
    CHECK(values(outcome.value()) == Ints{1});
}

TEST_CASE_METHOD(AnInbox, "a coroutine's read of an inbox times out, and is stopped") {
    const Coroutine reader = read(inbox, outcome, {.timeout = 1ms});
    clock.advance(1ms);
    CHECK(ending(outcome.value()) == Ending::timed_out);
    std::stop_source stop;
    stop.request_stop();
    const Coroutine stopped = read(inbox, outcome, {.stop = stop.get_token()});
    CHECK(ending(outcome.value()) == Ending::stopped);
}

TEST_CASE_METHOD(AnInbox, "a coroutine's read of an inbox ends with the last channel") {
    const Coroutine reader = read(inbox, outcome);
    channel.close();
    CHECK(ending(outcome.value()) == Ending::closed);
}

TEST_CASE("a coroutine's read of an inbox ends with its broker") {
    ManualClock clock;
    std::optional<Broker> broker{std::in_place, runnel::BrokerOptions{.clock = &clock}};
    auto inbox = broker->subscribe<int>({.patterns = {"load:*"}});
    Read<InboxMessages<int>> outcome;
    const Coroutine first = read(inbox, outcome);
    broker->channel<int>("load:db").publish(1);
    REQUIRE(outcome);
    CHECK(outcome->front().channel == "load:db");
    outcome.reset();
    const Coroutine second = read(inbox, outcome);
    broker.reset();
    CHECK(ending(outcome.value()) == Ending::closed);
}

TEST_CASE_METHOD(NumberChannel, "a coroutine is told that its inbox was disconnected") {
    Inbox<int> inbox{{.bound = 1, .when_behind = Behind::disconnect, .clock = &clock}};
    inbox.join(channel);
    publish(1, 2);
    Read<InboxMessages<int>> outcome;
    const Coroutine reader = read(inbox, outcome);
    CHECK(ending(outcome.value()) == Ending::disconnected);
    CHECK(inbox.missed() == 2);
}

TEST_CASE_METHOD(AnInbox, "messages of an inbox that were served to a coroutine are lost with it") {
    Loop loop;
    Coroutine reader = read_on(loop, inbox, outcome);
    publish(1, 2);
    loop.drop();
    reader.destroy();
    CHECK(drain(inbox) == Ints{2});
}

TEST_CASE_METHOD(AnInbox, "a coroutine that is destroyed leaves the line of its inbox") {
    Coroutine reader = read(inbox, outcome);
    reader.destroy();
    publish(1);
    CHECK(drain(inbox) == Ints{1});
}

// ---------------------------------------------------------------------- subscribers

TEST_CASE_METHOD(NumberChannel, "a coroutine waits until there are enough subscribers") {
    std::optional<bool> first;
    std::optional<bool> second;
    const auto one = channel.subscribe();
    const Coroutine at_once = count_to(channel, 1, first);
    CHECK(first == true);
    const Coroutine later = count_to(channel, 2, second);
    CHECK_FALSE(second);
    const auto other = channel.on_message([](const int& /*any*/) {});
    CHECK(second == true);
}

TEST_CASE_METHOD(NumberChannel, "a coroutine does not wait for subscribers for ever") {
    std::stop_source stop;
    std::optional<bool> timed;
    std::optional<bool> stopped;
    std::optional<bool> closed;
    const Coroutine first = count_to(channel, 1, timed, {.timeout = 1s});
    const Coroutine second = count_to(channel, 1, stopped, {.stop = stop.get_token()});
    const Coroutine third = count_to(channel, 1, closed);
    clock.advance(1s);
    CHECK(timed == false);
    stop.request_stop();
    CHECK(stopped == false);
    channel.close();
    CHECK(closed == false);
}

TEST_CASE_METHOD(NumberChannel, "a coroutine that is destroyed waits for no subscribers") {
    std::optional<bool> outcome;
    Coroutine wait = count_to(channel, 1, outcome);
    wait.destroy();
    CHECK(channel.info().waiting == 0);
    const auto view = channel.subscribe();
    CHECK_FALSE(outcome);
}
