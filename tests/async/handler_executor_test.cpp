// SPDX-License-Identifier: MIT
// Handlers that an executor calls.
#include <runnel/blocking_list.hpp>
#include <runnel/channel.hpp>
#include <runnel/channel_options.hpp>
#include <runnel/clock.hpp>
#include <runnel/connection.hpp>
#include <runnel/error.hpp>
#include <runnel/executor.hpp>
#include <runnel/outcome.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/channels.hpp"
#include "support/coroutines.hpp"
#include "support/errors.hpp"
#include "support/eventually.hpp"
#include "support/stack_use.hpp"

#include <atomic>
#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using runnel::AnyExecutor;
using runnel::BlockingList;
using runnel::Channel;
using runnel::Connection;
using runnel::Continuation;
using runnel::Disconnected;
using runnel::ErrorCode;
using runnel::HandlerOptions;
using runnel::ManualClock;
using runnel::Published;
using runnel::Push;
using runnel::test::Call;
using runnel::test::Coroutine;
using runnel::test::drain;
using runnel::test::error_of;
using runnel::test::eventually;
using runnel::test::Loop;
using runnel::test::number_range;
using runnel::test::NumberChannel;
using runnel::test::publishing;
using runnel::test::StackUse;

namespace {

using Ints = std::vector<int>;

// A channel with a handler on a loop that runs when the test says so.
struct OnLoop : NumberChannel {
    [[nodiscard]] Connection connect(HandlerOptions options = {}) {
        options.executor = loop;
        return channel.on_message([this](const int& number) { handled.push_back(number); },
                                  std::move(options));
    }

    Loop loop;
    Ints handled;
};

struct Inline {
    static void execute(Continuation function) { function(); }
};

struct Refusing {
    static void execute(Continuation /*function*/) { throw std::runtime_error{"full"}; }
};

}  // namespace

// ---------------------------------------------------------------------- what it gets, and when

TEST_CASE_METHOD(OnLoop, "a handler with an executor is called there") {
    const Connection handler = connect();
    publish(1);
    CHECK(handled.empty());
    CHECK(loop.run() == 1);
    CHECK(handled == Ints{1});
    publish(2);
    CHECK(loop.run() == 1);
    CHECK(handled == Ints{1, 2});
}

TEST_CASE_METHOD(OnLoop, "the executor is asked once for all messages that are there") {
    const Connection handler = connect();
    publish(1, 3);
    CHECK(loop.size() == 1);
    CHECK(loop.run_one());
    CHECK(loop.size() == 0);
    CHECK(handled == Ints{1, 2, 3});
}

TEST_CASE_METHOD(OnLoop, "after 64 messages the executor is asked again") {
    const Connection handler = connect();
    publish(1, 100);
    CHECK(loop.run_one());
    CHECK(handled == number_range(1, 64));
    CHECK(loop.size() == 1);
    CHECK(loop.run_one());
    CHECK(handled == number_range(1, 100));
    CHECK(loop.size() == 0);
}

TEST_CASE_METHOD(OnLoop, "a handler gets what is published while it is connected") {
    publish(1);
    Connection handler = connect();
    publish(2);
    loop.run();
    handler.disconnect();
    publish(3);
    loop.run();
    CHECK(handled == Ints{2});
}

TEST_CASE_METHOD(OnLoop, "it counts as a handler") {
    const Connection handler = connect();
    CHECK(channel.publish(1).reached == 1);
    const auto info = channel.info();
    CHECK(info.handlers == 1);
    CHECK(info.subscriptions == 0);
    loop.run();
    CHECK(channel.info().waiting == 0);
    CHECK(channel.subscribers() == 1);
}

TEST_CASE_METHOD(OnLoop, "handlers with and without an executor get messages in the same order") {
    Ints order;
    const Connection direct = channel.on_message([&](const int& number) {
        order.push_back(number);
        if (number < 5) channel.publish(number + 1);
    });
    const Connection handler = connect();
    publish(1);
    loop.run();
    CHECK(order == number_range(1, 5));
    CHECK(handled == order);
}

TEST_CASE_METHOD(OnLoop, "a handler gets what was published before its channel was closed") {
    std::optional<Channel<int>> own{std::in_place, runnel::ChannelOptions<int>{{}, &clock}};
    const Connection handler = own->on_message(
        [this](const int& number) { handled.push_back(number); }, {.executor = loop});
    const Connection idle = own->on_message([](const int& /*any*/) {}, {.executor = Inline{}});
    own->publish(1);
    own.reset();  // the last handle
    loop.run();
    CHECK(handled == Ints{1});
    CHECK(error_of([&] {
              channel.close();
              (void)connect();
          }) == ErrorCode::closed);
}

// ---------------------------------------------------------------------- executors

TEST_CASE_METHOD(OnLoop, "an executor may call the handler at once") {
    const Connection handler = channel.on_message(
        [this](const int& number) { handled.push_back(number); }, {.executor = Inline{}});
    publish(1, 2);
    CHECK(handled == Ints{1, 2});
}

TEST_CASE_METHOD(OnLoop, "what the executor refuses runs in the publisher's thread") {
    const Connection handler = channel.on_message(
        [this](const int& number) { handled.push_back(number); }, {.executor = Refusing{}});
    publish(1, 2);
    CHECK(handled == Ints{1, 2});
}

TEST_CASE_METHOD(OnLoop, "a thousand messages that lead to each other use no stack") {
    constexpr int count = 1000;
    const bool refuses = GENERATE(true, false);
    StackUse stack;
    HandlerOptions options;
    options.executor = refuses ? AnyExecutor{Refusing{}} : AnyExecutor{Inline{}};
    const Connection handler = channel.on_message(
        [&](const int& number) {
            stack.note();
            handled.push_back(number);
            if (number != count) channel.publish(number + 1);
        },
        options);
    publish(1);
    CHECK(handled == number_range(1, count));
    CHECK(stack.most() < 4096);
}

TEST_CASE("any executor can be kept without its type") {
    const AnyExecutor none;
    CHECK_FALSE(none);
    Loop loop;
    const AnyExecutor kept{loop};  // which cannot be copied
    const AnyExecutor copy = kept;
    REQUIRE(copy);
    struct Noted : runnel::detail::Runnable {
        Noted() : Runnable{[](Runnable& self) noexcept { ++static_cast<Noted&>(self).runs; }} {}
        int runs = 0;
    } noted;
    copy.execute(Continuation{noted});
    CHECK(noted.runs == 0);
    CHECK(loop.run() == 1);
    AnyExecutor{Inline{}}.execute(Continuation{noted});
    CHECK(noted.runs == 2);
    CHECK_THROWS_AS(AnyExecutor{Refusing{}}.execute(Continuation{noted}), std::runtime_error);
    STATIC_REQUIRE(runnel::Executor<AnyExecutor>);
    STATIC_REQUIRE(std::is_nothrow_copy_constructible_v<AnyExecutor>);
}

// ---------------------------------------------------------------------- back-pressure

TEST_CASE_METHOD(OnLoop, "publishers wait while as many messages as its bound wait for a handler") {
    const Connection handler = connect({.bound = 2});
    publish(1, 2);
    CHECK(channel.try_publish(3).ending == Push::full);
    int message = 3;
    auto publisher = publishing(clock, channel, message);
    CHECK(publisher.waits());
    CHECK(loop.run_one());
    CHECK(publisher.result().ending == Push::done);
    loop.run();
    CHECK(handled == Ints{1, 2, 3});
}

TEST_CASE_METHOD(OnLoop, "a message in hand does not count as waiting") {
    Push first = Push::closed;
    Push second = Push::closed;
    const Connection handler = channel.on_message(
        [&](const int& number) {
            handled.push_back(number);
            if (number != 1) return;
            first = channel.publish(2).ending;
            second = channel.publish(3).ending;  // does not wait for itself
        },
        {.bound = 1, .executor = loop});
    publish(1);
    loop.run();
    CHECK(first == Push::done);
    CHECK(second == Push::full);
    CHECK(channel.info().refused == 1);
    CHECK(handled == Ints{1, 2});
}

TEST_CASE_METHOD(OnLoop, "inside other handlers, too, a publish does not wait for a handler") {
    const Channel<int> other{{.clock = &clock}};
    const Connection handler = connect({.bound = 1});
    Push ending = Push::done;
    const Connection direct =
        other.on_message([&](const int& number) { ending = channel.publish(number).ending; });
    publish(1);
    other.publish(2);
    CHECK(ending == Push::full);
    loop.run();
    other.publish(2);
    CHECK(ending == Push::done);
    loop.run();
}

TEST_CASE_METHOD(OnLoop, "a coroutine's publish waits for a handler on an executor") {
    const Connection handler = connect({.bound = 1});
    const auto publish_all = [&]() -> Coroutine {
        for (int number = 1; number <= 200; ++number)
            if (co_await channel.async_publish(number) == 0) co_return;
    };
    const Coroutine publisher = publish_all();
    CHECK_FALSE(publisher.done());
    loop.run();
    CHECK(publisher.done());
    CHECK(handled == number_range(1, 200));
}

// ---------------------------------------------------------------------- lifetime

TEST_CASE_METHOD(OnLoop, "a disconnect takes back what the executor has not called yet") {
    auto captured = std::make_shared<int>(0);
    const std::weak_ptr<int> alive = captured;
    Connection handler = channel.on_message(
        [this, kept = std::move(captured)](const int& number) { handled.push_back(number); },
        {.bound = 1, .executor = loop});
    publish(1);
    CHECK(channel.try_publish(2).ending == Push::full);
    CHECK(handler.disconnect() == Disconnected::ended);
    CHECK(alive.expired());
    CHECK(channel.info().handlers == 0);
    CHECK(channel.try_publish(2).ending == Push::done);
    CHECK(loop.run() == 1);
    CHECK(handled.empty());
}

TEST_CASE_METHOD(OnLoop, "what was taken back keeps neither a handler nor its channel") {
    struct Noted {
        void execute(Continuation function) const { loop->execute(function); }

        Loop* loop;
        std::shared_ptr<int> alive;
    };
    auto alive = std::make_shared<int>(0);
    const std::weak_ptr<int> kept = alive;
    {
        const Channel<std::shared_ptr<int>> own;
        const Connection handler = own.on_message([](const std::shared_ptr<int>& /*any*/) {},
                                                  {.executor = Noted{&loop, alive}});
        own.publish(std::move(alive));
    }
    CHECK(kept.expired());
    CHECK(loop.run() == 1);
}

TEST_CASE_METHOD(OnLoop, "a disconnect waits for a handler that runs in another thread") {
    const BlockingList<int> gate{{.clock = &clock}};
    Connection handler = channel.on_message(
        [&](const int& number) {
            (void)gate.pop_front();
            handled.push_back(number);
        },
        {.executor = loop});
    publish(1, 2);
    auto runner = clock.thread([&] { loop.run(); });
    clock.settle();
    Call<Disconnected> disconnect{clock,
                                  [&](const std::stop_token&) { return handler.disconnect(); }};
    CHECK(disconnect.waits());
    REQUIRE(gate.try_push_back(0) == Push::done);
    CHECK(disconnect.result() == Disconnected::ended);
    runner.join();
    CHECK(handled == Ints{1});
}

TEST_CASE_METHOD(OnLoop, "a handler may disconnect itself; what it owns goes after that") {
    auto captured = std::make_shared<int>(0);
    const std::weak_ptr<int> alive = captured;
    auto disconnected = Disconnected::ended;
    bool was_alive = false;
    const Connection handler = channel.on_message(
        [&, kept = std::move(captured)](const int& number, Connection& own) {
            handled.push_back(number);
            disconnected = own.disconnect();
            was_alive = !alive.expired();
        },
        {.executor = loop});
    publish(1, 3);
    loop.run();
    CHECK(handled == Ints{1});
    CHECK(disconnected == Disconnected::running);
    CHECK(was_alive);
    CHECK(alive.expired());
    CHECK_FALSE(handler.connected());
    CHECK(channel.info().handlers == 0);
}

TEST_CASE_METHOD(OnLoop, "a handler may own its connection") {
    const auto connection = std::make_shared<std::optional<Connection>>();
    connection->emplace(channel.on_message(
        [&, own = connection](const int& number) {
            handled.push_back(number);
            own->reset();
        },
        {.executor = loop}));
    publish(1, 2);
    loop.run();
    CHECK(handled == Ints{1});
    CHECK(connection.use_count() == 1);
}

TEST_CASE_METHOD(OnLoop,
                 "handlers of two executors that disconnect each other do not wait for ever") {
    const Channel<int> other{{.clock = &clock}};
    const BlockingList<int> gate{{.clock = &clock}};
    Loop second_loop;
    Disconnected by_first{};
    Disconnected by_second{};
    Connection second;
    Connection first = channel.on_message(
        [&](const int& /*any*/) {
            (void)gate.pop_front();
            by_first = second.disconnect();
        },
        {.executor = loop});
    second = other.on_message(
        [&](const int& /*any*/) {
            (void)gate.pop_front();
            by_second = first.disconnect();
        },
        {.executor = second_loop});
    publish(1);
    other.publish(1);
    auto one = clock.thread([&] { loop.run(); });
    auto two = clock.thread([&] { second_loop.run(); });
    clock.settle();
    for (int i = 0; i != 2; ++i) REQUIRE(gate.try_push_back(0) == Push::done);
    one.join();
    two.join();
    CHECK((by_first == Disconnected::running || by_second == Disconnected::running));
}

TEST_CASE_METHOD(OnLoop, "a handler that gets one message gets one") {
    const Connection handler = connect({.once = true});
    publish(1, 2);
    loop.run();
    CHECK(handled == Ints{1});
    CHECK_FALSE(handler.connected());
}

TEST_CASE_METHOD(OnLoop, "a handler is not called once its owner has gone") {
    auto owner = std::make_shared<int>(0);
    const Connection handler = connect({.owner = owner});
    publish(1);
    loop.run();
    publish(2);
    owner.reset();
    loop.run();
    CHECK(handled == Ints{1});
    CHECK_FALSE(handler.connected());
}

TEST_CASE_METHOD(OnLoop, "what a handler throws is reported in the thread of the executor") {
    std::thread::id reported_in;
    const Connection handler = channel.on_message(
        [&](const int& number) {
            if (number == 1) throw std::runtime_error{"no"};
            handled.push_back(number);
        },
        {.on_error = [&](const std::exception_ptr&) { reported_in = std::this_thread::get_id(); },
         .executor = loop});
    publish(1, 2);
    auto runner = clock.thread([&] { loop.run(); });
    const auto expected = runner.get_id();
    runner.join();
    CHECK(reported_in == expected);
    CHECK(handled == Ints{2});
}

// ---------------------------------------------------------------------- many threads

TEST_CASE("a handler is called by one thread at a time, in the order of the channel") {
    constexpr int count = 3000;
    const Channel<int> channel;
    Loop loop;
    std::vector<int> record;
    std::vector<int> handled;  // written without a lock
    std::atomic<bool> is_over = false;
    {
        const Connection recorder =
            channel.on_message([&](const int& number) { record.push_back(number); });
        const Connection handler = channel.on_message(
            [&](const int& number) {
                handled.push_back(number);
                if (handled.size() == 2 * count) is_over = true;
            },
            {.bound = 5, .executor = loop});
        const auto run = [&] {
            eventually([&] {
                loop.run_one();
                return is_over.load();
            });
        };
        const auto publish = [&] {
            for (int number = 0; number != count; ++number) channel.publish(number);
        };
        const std::jthread runner{run};
        const std::jthread other_runner{run};
        const std::jthread publisher{publish};
        publish();
    }
    CHECK(handled.size() == 2 * count);
    CHECK(handled == record);
}

TEST_CASE("a handler that was disconnected is not called any more, whatever the executor does") {
    const Channel<int> channel;
    Loop loop;
    std::atomic<bool> is_over = false;
    std::atomic<int> calls = 0;
    int late = 0;
    {
        const std::jthread runner{[&] {
            eventually([&] {
                loop.run();
                return is_over.load();
            });
        }};
        const std::jthread publisher{[&] {
            while (!is_over) channel.publish(1);
        }};
        for (int i = 0; i != 300; ++i) {
            auto is_connected = std::make_unique<std::atomic<bool>>(true);
            Connection handler = channel.on_message(
                [&](const int& /*any*/) {
                    if (!*is_connected) ++late;
                    ++calls;
                },
                {.bound = 3, .executor = loop});
            const int before = calls;
            if (i % 2 == 0) eventually([&] { return calls != before; });
            if (handler.disconnect() != Disconnected::ended) ++late;
            *is_connected = false;
        }
        is_over = true;
    }
    loop.run();
    CHECK(late == 0);
    CHECK(channel.info().handlers == 0);
}
