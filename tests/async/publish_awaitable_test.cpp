// SPDX-License-Identifier: MIT
// How coroutines publish to channels, and who runs the handlers then.
#include <runnel/blocking_list.hpp>
#include <runnel/channel.hpp>
#include <runnel/channel_options.hpp>
#include <runnel/clock.hpp>
#include <runnel/connection.hpp>
#include <runnel/error.hpp>
#include <runnel/outcome.hpp>
#include <runnel/subscription.hpp>

#include "support/catch.hpp"
#include "support/channels.hpp"
#include "support/coroutines.hpp"
#include "support/elements.hpp"
#include "support/errors.hpp"
#include "support/stack_use.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using runnel::Behind;
using runnel::BlockingList;
using runnel::Channel;
using runnel::Disconnected;
using runnel::ErrorCode;
using runnel::ManualClock;
using runnel::Published;
using runnel::Push;
using runnel::Subscription;
using runnel::WaitOptions;
using runnel::test::Coroutine;
using runnel::test::drain;
using runnel::test::error_of;
using runnel::test::Loop;
using runnel::test::number_range;
using runnel::test::StackUse;
using namespace std::chrono_literals;

namespace {

using Ints = std::vector<int>;

// What became of a publish, if it has ended.
using Became = std::optional<Published>;

template <typename T>
Coroutine publish(Channel<T> channel, T message, Became& outcome, WaitOptions options = {}) {
    outcome = co_await channel.async_publish(std::move(message), options);
}
template <typename T>
Coroutine publish_on(Loop& loop, Channel<T> channel, T message, Became& outcome) {
    outcome = co_await channel.async_publish(std::move(message)).on(loop);
}

// The second message has to wait until the first one is read.
template <typename T>
struct ABound {
    ManualClock clock;
    Channel<T> channel{{.clock = &clock}};
    Subscription<T> view = channel.subscribe({.bound = 1, .when_behind = Behind::block});
    Became outcome;
};

struct Bounded : ABound<int> {
    void fill() const { REQUIRE(channel.try_publish(1).ending == Push::done); }
    [[nodiscard]] Ints read() { return drain(view, 1); }
};

// A handler that holds publishers back, in a thread that waits there until it is let go.
struct ABusyHandler {
    void begin(int message) {
        thread.emplace(clock.thread([this, message] { channel.publish(message); }));
        clock.settle();
    }
    void end() {
        REQUIRE(leave.try_push_back(0) == Push::done);
        thread->join();
    }

    ManualClock clock;
    Channel<int> channel{{.clock = &clock}};
    BlockingList<int> leave{{.clock = &clock}};
    Ints handled;
    runnel::Connection handler = channel.on_message(
        [this](const int& number) {
            handled.push_back(number);
            if (number == 1) (void)leave.pop_front();
        },
        {.bound = 1});
    std::optional<ManualClock::Thread> thread;
};

}  // namespace

TEST_CASE_METHOD(Bounded, "a publish of a coroutine is done at once if there is room") {
    const Coroutine publisher = publish(channel, 1, outcome);
    REQUIRE(outcome);
    CHECK(outcome->ending == Push::done);
    CHECK(outcome->reached == 1);
    CHECK(read() == Ints{1});
}

TEST_CASE_METHOD(Bounded, "a publish that waits is done inside the read that makes room for it") {
    fill();
    const Coroutine publisher = publish(channel, 2, outcome);
    CHECK_FALSE(outcome);
    CHECK(channel.info().waiting == 1);
    CHECK(runnel::test::values(view.try_read()) == Ints{1});
    REQUIRE(outcome);
    CHECK(outcome->ending == Push::done);
    CHECK(outcome->reached == 1);
    CHECK(read() == Ints{2});
}

TEST_CASE_METHOD(Bounded, "coroutines and threads publish in the order in which they came") {
    fill();
    Became third;
    const Coroutine first = publish(channel, 2, outcome);
    auto thread = clock.thread([&] { channel.publish(3); });
    clock.settle();
    const Coroutine last = publish(channel, 4, third);
    Ints all;
    while (all.size() != 4) {
        for (const int number : view.try_read()) all.push_back(number);
        clock.settle();
    }
    thread.join();
    CHECK(all == number_range(1, 4));
}

TEST_CASE_METHOD(Bounded, "a publish that waits times out, is stopped, or is closed") {
    fill();
    std::stop_source stop;
    Became stopped;
    Became closed;
    const Coroutine first = publish(channel, 2, outcome, {.timeout = 1s});
    const Coroutine second = publish(channel, 3, stopped, {.stop = stop.get_token()});
    const Coroutine third = publish(channel, 4, closed);
    clock.advance(1s);
    CHECK(outcome.value().ending == Push::full);
    stop.request_stop();
    CHECK(stopped.value().ending == Push::stopped);
    channel.close();
    CHECK(closed.value().ending == Push::closed);
    CHECK(read() == Ints{1});
}

TEST_CASE_METHOD(Bounded,
                 "a publish that may not wait, or finds its channel closed, ends at once") {
    fill();
    const Coroutine full = publish(channel, 2, outcome, {.timeout = 0s});
    CHECK(outcome.value().ending == Push::full);
    channel.close();
    const Coroutine closed = publish(channel, 2, outcome);
    CHECK(outcome.value().ending == Push::closed);
}

TEST_CASE("a publish that waits does not keep its channel open") {
    ManualClock clock;
    std::optional<Channel<int>> channel{std::in_place, runnel::ChannelOptions<int>{{}, &clock}};
    auto view = channel->subscribe({.bound = 1, .when_behind = Behind::block});
    channel->publish(1);
    const int message = 2;
    Became outcome;
    const Coroutine publisher = [](auto awaitable, Became& became) -> Coroutine {
        became = co_await awaitable;
    }(channel->async_publish(message), outcome);
    channel.reset();
    CHECK(outcome.value().ending == Push::closed);
}

TEST_CASE("a time-out on a clock that nobody runs is an error, and publishes nothing") {
    const Channel<int> channel;
    auto view = channel.subscribe({.bound = 1, .when_behind = Behind::block});
    channel.publish(1);
    Became outcome;
    const Coroutine publisher = publish(channel, 2, outcome, {.timeout = 1h});
    CHECK(error_of([&] { publisher.check(); }) == ErrorCode::clock_not_run);
    CHECK(channel.info().waiting == 0);
    CHECK(drain(view) == Ints{1});
}

// ---------------------------------------------------------------------- the message

TEST_CASE_METHOD(ABound<std::string>, "a message is untouched until it is published") {
    channel.publish("first");
    std::string message = "a message that does not fit into a string itself";
    const std::string copy = message;
    const auto publish_it = [&](WaitOptions options) -> Coroutine {
        outcome = co_await channel.async_publish(std::move(message), options);
    };
    const Coroutine refused = publish_it({.timeout = 1s});
    CHECK(message == copy);
    clock.advance(1s);
    CHECK(outcome.value().ending == Push::full);
    CHECK(message == copy);
    const Coroutine publisher = publish_it({});
    CHECK(message == copy);
    CHECK(drain(view, 1) == std::vector<std::string>{"first", copy});
    CHECK(message.empty());
}

TEST_CASE_METHOD(ABound<std::string>, "an lvalue is copied when the call is made") {
    channel.publish("first");
    std::string message = "second";
    auto awaitable = channel.async_publish(message);
    message = "other";
    const auto publish_it = [&]() -> Coroutine { outcome = co_await awaitable; };
    const Coroutine publisher = publish_it();
    CHECK(drain(view, 1) == std::vector<std::string>{"first", "second"});
    CHECK(message == "other");
}

TEST_CASE_METHOD(ABound<std::unique_ptr<int>>, "a message need not be copied") {
    const Coroutine publisher = publish(channel, std::make_unique<int>(7), outcome);
    const auto batch = view.try_read();
    CHECK(*batch.front() == 7);
}

TEST_CASE("what refuses to weigh a message ends its publish") {
    int calls = 0;
    const Channel<int> channel{{.weigh = [&calls](const int& number) -> std::size_t {
        ++calls;
        if (number < 0) throw std::runtime_error{"it is too light"};
        return 1;
    }}};
    auto view = channel.subscribe();
    Became outcome;
    const Coroutine refused = publish(channel, -1, outcome);
    CHECK_THROWS_AS(refused.check(), std::runtime_error);
    const Coroutine publisher = publish(channel, 1, outcome);
    CHECK(calls == 2);
    CHECK(drain(view) == Ints{1});
}

// ---------------------------------------------------------------------- giving up

TEST_CASE_METHOD(Bounded, "a coroutine that is destroyed in line publishes nothing") {
    fill();
    Became next;
    Coroutine publisher = publish(channel, 2, outcome, {.timeout = 1h});
    const Coroutine other = publish(channel, 3, next);
    publisher.destroy();
    CHECK(channel.info().waiting == 1);
    CHECK(read() == Ints{1, 3});
    clock.advance(2h);
    CHECK(next.value().ending == Push::done);
}

TEST_CASE_METHOD(Bounded, "what a coroutine has published stays so when it is destroyed") {
    fill();
    Loop loop;
    Coroutine publisher = publish_on(loop, channel, 2, outcome);
    CHECK(read() == Ints{1, 2});
    loop.drop();
    publisher.destroy();
    CHECK_FALSE(outcome);
}

TEST_CASE_METHOD(Bounded, "with an executor, a publish goes on there") {
    fill();
    Loop loop;
    const Coroutine publisher = publish_on(loop, channel, 2, outcome);
    CHECK(read() == Ints{1, 2});
    CHECK_FALSE(outcome);
    loop.run();
    CHECK(outcome.value().ending == Push::done);
}

// ---------------------------------------------------------------------- handlers

TEST_CASE_METHOD(Bounded, "a publish that is done at once runs the handlers before it goes on") {
    Ints order;
    const auto handler = channel.on_message([&](const int& number) { order.push_back(number); });
    const auto publish_it = [&]() -> Coroutine {
        outcome = co_await channel.async_publish(1);
        order.push_back(0);
    };
    const Coroutine publisher = publish_it();
    CHECK(order == Ints{1, 0});
    CHECK(outcome.value().reached == 2);
}

TEST_CASE_METHOD(Bounded, "of a publish that has waited, the handlers run in the waker's thread") {
    fill();
    std::vector<std::thread::id> threads;
    auto disconnected = Disconnected::ended;
    runnel::Connection handler = channel.on_message([&](const int& /*any*/) {
        threads.push_back(std::this_thread::get_id());
        disconnected = handler.disconnect();  // it knows that it runs in this thread
    });
    const Coroutine publisher = publish(channel, 2, outcome);
    auto reader = clock.thread([&] { (void)view.read(); });
    const auto waker = reader.get_id();
    reader.join();
    CHECK(outcome.value().reached == 2);
    CHECK(threads == std::vector{waker});
    CHECK(disconnected == Disconnected::running);
}

TEST_CASE_METHOD(Bounded, "the handlers have a message before its publish goes on") {
    fill();
    Ints order;
    const auto handler = channel.on_message([&](const int& number) { order.push_back(number); });
    const auto publish_it = [&]() -> Coroutine {
        outcome = co_await channel.async_publish(2);
        order.push_back(0);
    };
    const Coroutine publisher = publish_it();
    CHECK(read() == Ints{1, 2});
    CHECK(order == Ints{2, 0});
}

TEST_CASE_METHOD(Bounded, "a handler may destroy the coroutine whose message it gets") {
    fill();
    Coroutine publisher;
    Ints handled;
    const auto handler = channel.on_message([&](const int& number) {
        handled.push_back(number);
        publisher.destroy();
    });
    publisher = publish(channel, 2, outcome);
    CHECK(read() == Ints{1, 2});
    CHECK(handled == Ints{2});
    CHECK_FALSE(outcome);
    channel.publish(3);
    CHECK(handled == Ints{2, 3});
}

TEST_CASE_METHOD(Bounded, "a handler may destroy the last handle of its channel") {
    std::optional<Channel<int>> other{std::in_place, runnel::ChannelOptions<int>{{}, &clock}};
    std::optional<Subscription<int>> reader{
        other->subscribe({.bound = 1, .when_behind = Behind::block})};
    other->publish(1);
    const int message = 2;
    int handled = 0;
    runnel::Connection handler = other->on_message([&](const int& number) {
        handled = number;
        other.reset();
        CHECK(handler.disconnect() == Disconnected::running);
    });
    const Coroutine publisher = [](auto awaitable, Became& became) -> Coroutine {
        became = co_await awaitable;
    }(other->async_publish(message), outcome);
    CHECK(runnel::test::values(reader->try_read()) == Ints{1});
    CHECK(handled == 2);
    CHECK(outcome.value().ending == Push::done);
    reader.reset();
}

TEST_CASE_METHOD(ABusyHandler, "a publish waits for a handler that is behind, and then goes on") {
    begin(1);
    Became second;
    Became third;
    const Coroutine left = publish(channel, 2, second);
    CHECK(second.value().ending == Push::done);  // the thread that runs the handler will do it
    const Coroutine waits = publish(channel, 3, third);
    CHECK_FALSE(third);
    end();
    CHECK(third.value().ending == Push::done);
    CHECK(handled == Ints{1, 2, 3});
}

// It goes on in the thread that runs the handlers, between two messages.
TEST_CASE_METHOD(ABusyHandler, "a coroutine waits for the handlers each time they are behind") {
    begin(1);
    std::size_t refused = 0;
    const auto publish_all = [&]() -> Coroutine {
        for (int number = 2; number <= 100; ++number) {
            const Published published = co_await channel.async_publish(number);
            refused += published.ending == Push::done ? 0U : 1U;
        }
    };
    const Coroutine publisher = publish_all();
    end();
    CHECK(publisher.done());
    CHECK(refused == 0);
    CHECK(handled == number_range(1, 100));
}

TEST_CASE_METHOD(Bounded, "inside a handler a publish is refused when handlers are behind") {
    const Channel<int> own{{.clock = &clock}};
    std::vector<Push> endings;
    std::vector<Coroutine> publishers;
    const auto publish_it = [&]() -> Coroutine {
        endings.push_back((co_await own.async_publish(2)).ending);
    };
    const auto handler = own.on_message(
        [&](const int& number) {
            if (number != 1) return;
            for (int i = 0; i != 2; ++i) publishers.push_back(publish_it());
        },
        {.bound = 1});
    own.publish(1);
    CHECK(endings == std::vector{Push::done, Push::full});
    CHECK(own.info().refused == 1);
}

TEST_CASE_METHOD(Bounded, "inside a handler, too, a publish waits for a subscription") {
    fill();
    const Channel<int> other{{.clock = &clock}};
    Coroutine publisher;
    const auto handler =
        other.on_message([&](const int& number) { publisher = publish(channel, number, outcome); });
    other.publish(2);
    CHECK_FALSE(outcome);
    CHECK(read() == Ints{1, 2});
    CHECK(outcome.value().ending == Push::done);
}

TEST_CASE_METHOD(Bounded, "a thousand publishes that wait for each other use no stack") {
    constexpr int count = 1000;
    fill();
    StackUse stack;
    Ints handled;
    std::vector<Coroutine> publishers;
    std::vector<Became> outcomes(count);
    const auto handler = channel.on_message(
        [&](const int& number) {
            stack.note();
            handled.push_back(number);
            (void)view.try_read();  // makes room for the next one
        },
        {.bound = 1});
    for (int i = 0; i != count; ++i)
        publishers.push_back(publish(channel, i, outcomes[static_cast<std::size_t>(i)]));
    (void)view.try_read();
    CHECK(handled == number_range(0, count - 1));
    CHECK(stack.most() < 4096);
}

TEST_CASE_METHOD(Bounded, "before a handler blocks its thread, the publish goes on") {
    fill();
    const BlockingList<int> answers{{.clock = &clock}};
    int got = 0;
    const auto handler =
        channel.on_message([&](const int& /*any*/) { got = answers.pop_front().value(); });
    const auto publish_it = [&]() -> Coroutine {
        outcome = co_await channel.async_publish(2);
        (void)answers.try_push_back(3);
    };
    const Coroutine publisher = publish_it();
    CHECK(read() == Ints{1, 2});
    CHECK(got == 3);
}

TEST_CASE_METHOD(Bounded, "before a coroutine blocks its thread, the handlers run") {
    fill();
    const Channel<int> start{{.clock = &clock}};
    const BlockingList<int> answers{{.clock = &clock}};
    auto started = start.subscribe();
    const auto handler = channel.on_message(
        [&](const int& number) { (void)answers.try_push_back(number); }, {.bound = 1});
    Ints got;
    Push sent = Push::closed;
    const auto wake_and_block = [&]() -> Coroutine {
        (void)co_await started.async_read();
        (void)view.try_read();  // the thread that goes on with this gets the run of the handlers
        SECTION("in a pop") {
            got.push_back(answers.pop_front().value());
            sent = Push::done;
        }
        SECTION("in a publish") {
            (void)view.try_read();
            sent = channel.publish(3).ending;
            got = runnel::test::drain(answers);
        }
    };
    const Coroutine waker = wake_and_block();
    const Coroutine publisher = publish(channel, 2, outcome);
    start.publish(0);
    CHECK(sent == Push::done);
    CHECK(got.front() == 2);
}
