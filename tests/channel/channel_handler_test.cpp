// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>
#include <runnel/channel.hpp>
#include <runnel/clock.hpp>
#include <runnel/connection.hpp>
#include <runnel/error.hpp>
#include <runnel/outcome.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/channels.hpp"
#include "support/eventually.hpp"
#include "support/last_words.hpp"
#include "support/scale.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using Catch::Matchers::Contains;
using runnel::Behind;
using runnel::BlockingList;
using runnel::Channel;
using runnel::Clock;
using runnel::Connection;
using runnel::Disconnected;
using runnel::Ending;
using runnel::ErrorCode;
using runnel::HandlerOptions;
using runnel::ManualClock;
using runnel::Published;
using runnel::Push;
using runnel::Subscription;
using runnel::Timeout;
using runnel::test::Call;
using runnel::test::drain;
using runnel::test::ending;
using runnel::test::error_of;
using runnel::test::eventually;
using runnel::test::last_words;
using runnel::test::number_range;
using runnel::test::NumberChannel;
using runnel::test::Numbers;
using runnel::test::publishing;
using runnel::test::scaled;
using runnel::test::values;
using runnel::test::Words;
using namespace std::chrono_literals;

namespace {

// A channel whose handlers write down what they get.
struct Log : NumberChannel {
    // "a1" for a message 1.
    [[nodiscard]] Connection connect(const std::string& name) {
        return channel.on_message(
            [this, name](const int& number) { log.push_back(name + std::to_string(number)); });
    }

    Words log;
};

Call<bool> disconnecting(ManualClock& clock, Connection& connection) {
    return {clock, [&connection](const std::stop_token&) {
                connection.disconnect();
                return true;
            }};
}

// A handler that stands at a gate before each message.
struct Gate : Log {
    BlockingList<int> gate{{.clock = &clock}};

    void open(int times = 1) const {
        for (; times != 0; --times) REQUIRE(gate.push_back(0) == Push::done);
    }

    [[nodiscard]] Connection connect_gated(const std::string& name,
                                           runnel::HandlerOptions options = {}) {
        return channel.on_message(
            [this, name](const int& number) {
                (void)gate.pop_front();
                log.push_back(name + std::to_string(number));
            },
            std::move(options));
    }

    // By a thread of its own. Should the test end before the gate is opened, it opens.
    [[nodiscard]] Call<Published> publishing(int number, Timeout timeout = {}) {
        return {clock, [this, number, timeout](const std::stop_token& stop) {
                    const std::stop_callback at_the_end{stop, [this] { gate.close(); }};
                    return channel.publish(number, {timeout, stop});
                }};
    }
};

}  // namespace

// ------------------------------------------------------------------ what they get, and when

TEST_CASE_METHOD(Log, "handlers are called in the order in which they were connected",
                 "[channel][handler]") {
    const Connection first = connect("a");
    const Connection second = connect("b");
    const Connection third = connect("c");
    publish(1, 2);
    CHECK(log == Words{"a1", "b1", "c1", "a2", "b2", "c2"});
}

TEST_CASE_METHOD(Log, "a handler gets what is published while it is connected",
                 "[channel][handler]") {
    publish(1);
    Connection first = connect("a");
    publish(2);
    const Connection second = connect("b");
    publish(3);
    first.disconnect();
    publish(4);
    CHECK(log == Words{"a2", "a3", "b3", "b4"});
}

TEST_CASE_METHOD(Log, "a handler has run, in the publisher's thread, when publish returns",
                 "[channel][handler]") {
    std::vector<std::thread::id> ran_in;
    const Connection handler =
        channel.on_message([&](const int&) { ran_in.push_back(std::this_thread::get_id()); });
    publish(1);
    CHECK(ran_in == std::vector{std::this_thread::get_id()});
    std::thread::id other;
    std::thread{[&] {
        other = std::this_thread::get_id();
        channel.publish(2);
    }}.join();
    CHECK(ran_in == std::vector{std::this_thread::get_id(), other});
}

TEST_CASE_METHOD(Log, "handlers get each message once, whether or not somebody reads it, too",
                 "[channel][handler]") {
    Numbers handled;
    const Connection handler =
        channel.on_message([&](const int& number) { handled.push_back(number); });
    std::optional<Subscription<int>> view;
    for (int number = 1; number <= 500; ++number) {
        if (number % 70 == 0) view = channel.subscribe({.bound = 3});
        if (number % 100 == 0) view.reset();
        publish(number);
        REQUIRE(handled.back() == number);
    }
    CHECK(handled == number_range(1, 500));
}

TEST_CASE_METHOD(NumberChannel, "a handler may be move-only, and have a state of its own",
                 "[channel][handler]") {
    Numbers sums;
    const Connection handler =
        channel.on_message([&sums, sum = std::make_unique<int>(0)](const int& number) mutable {
            *sum += number;
            sums.push_back(*sum);
        });
    publish(1, 4);
    CHECK(sums == Numbers{1, 3, 6, 10});
}

TEST_CASE_METHOD(NumberChannel, "a handler may be any function that takes a const message",
                 "[channel][handler]") {
    static int last = 0;
    struct Handle {
        static void number(const int& number) { last = number; }
    };
    const Connection pointer = channel.on_message(&Handle::number);
    long sum = 0;
    const Connection by_value = channel.on_message([&](long number) { return sum += number; });
    const Connection function =
        channel.on_message(std::function<void(const int&)>{[&](int number) { sum += number; }});
    publish(7);
    CHECK(last == 7);
    CHECK(sum == 14);
}

// ------------------------------------------------------------------ connections

TEST_CASE_METHOD(Log, "a connection that goes disconnects", "[channel][handler]") {
    {
        const Connection handler = connect("a");
        CHECK(handler.connected());
        CHECK(channel.info().handlers == 1);
        publish(1);
    }
    CHECK(channel.info().handlers == 0);
    CHECK(channel.publish(2) == 0);
    CHECK(log == Words{"a1"});
}

TEST_CASE_METHOD(Log, "a connection can be moved, and takes the place of another",
                 "[channel][handler]") {
    STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<Connection>);
    Connection first = connect("a");
    Connection moved = std::move(first);
    CHECK_FALSE(first.connected());  // NOLINT(bugprone-use-after-move,clang-analyzer-*)
    CHECK(moved.connected());
    publish(1);
    Connection second = connect("b");
    moved = std::move(second);
    CHECK(channel.subscribers() == 1);
    publish(2);
    Connection& same = moved;
    moved = std::move(same);
    CHECK(moved.connected());
    moved = Connection{};
    CHECK_FALSE(moved.connected());
    CHECK(channel.subscribers() == 0);
    CHECK(log == Words{"a1", "b2"});
}

TEST_CASE_METHOD(Log, "an empty connection does nothing, nor does one that is disconnected twice",
                 "[channel][handler]") {
    Connection none;
    CHECK_FALSE(none.connected());
    none.disconnect();
    Connection handler = connect("a");
    handler.disconnect();
    CHECK_FALSE(handler.connected());
    handler.disconnect();
    CHECK(channel.subscribers() == 0);
}

TEST_CASE("a connection outlives its channel", "[channel][handler]") {
    const auto captured = std::make_shared<int>(0);
    Connection handler;
    {
        const Channel<int> channel;
        handler = channel.on_message([captured](const int&) {});
    }
    CHECK(handler.connected());
    CHECK(captured.use_count() == 2);
    handler.disconnect();
    CHECK(captured.use_count() == 1);
}

TEST_CASE_METHOD(NumberChannel, "what a handler has captured dies when it is disconnected",
                 "[channel][handler]") {
    const auto captured = std::make_shared<int>(0);
    const auto for_errors = std::make_shared<int>(0);
    Connection handler = channel.on_message(
        [captured](const int&) {}, {.on_error = [for_errors](const std::exception_ptr&) {}});
    publish(1);
    CHECK(captured.use_count() == 2);
    handler.disconnect();
    CHECK(captured.use_count() == 1);
    CHECK(for_errors.use_count() == 1);
}

TEST_CASE_METHOD(NumberChannel,
                 "options that make no sense are refused, and what was captured dies",
                 "[channel][handler][error]") {
    const auto captured = std::make_shared<int>(0);
    const auto connect = [&](std::size_t bound) {
        return error_of(
            [&] { return channel.on_message([captured](const int&) {}, {.bound = bound}); });
    };
    CHECK(connect(0) == ErrorCode::invalid_argument);
    CHECK(connect(1) == std::nullopt);
    channel.close();
    CHECK(connect(1) == ErrorCode::closed);
    CHECK(captured.use_count() == 1);
    CHECK(channel.subscribers() == 0);
}

// ------------------------------------------------------------------ errors

TEST_CASE_METHOD(Log, "what a handler throws goes to its on_error, and the others still run",
                 "[channel][handler][error]") {
    const Connection first = connect("a");
    const Connection second = channel.on_message(
        [](const int& number) {
            if (number != 2) throw std::runtime_error{std::to_string(number)};
        },
        {.on_error = [&](const std::exception_ptr& thrown) {
            try {
                std::rethrow_exception(thrown);
            } catch (const std::runtime_error& error) {
                log.emplace_back(std::string{"error "} + error.what());
            }
        }});
    const Connection third = connect("c");
    CHECK(channel.publish(1) == 3);
    publish(2, 3);
    CHECK(log == Words{"a1", "error 1", "c1", "a2", "c2", "a3", "error 3", "c3"});
}

TEST_CASE_METHOD(NumberChannel,
                 "on_error is called in the thread of its handler, and may do as much",
                 "[channel][handler][error]") {
    std::optional<Connection> handler;
    std::thread::id ran_in;
    handler = channel.on_message([](const int&) { throw 1; },
                                 {.on_error = [&](const std::exception_ptr&) {
                                     ran_in = std::this_thread::get_id();
                                     channel.publish(2);
                                     handler.reset();
                                 }});
    publish(1);
    CHECK(ran_in == std::this_thread::get_id());
    CHECK(channel.subscribers() == 0);
    CHECK(channel.info().published == 2);
}

TEST_CASE_METHOD(NumberChannel, "a program that ends by what a handler throws says what that was",
                 "[channel][handler][error]") {
    const auto publish_to = [&](const HandlerOptions& options) {
        return last_words([&] {
            const Connection handler = channel.on_message(
                [](const int&) { throw std::runtime_error{"no paper"}; }, options);
            (void)channel.publish(1);
        });
    };
    SECTION("without an on_error") {
        const std::string said = publish_to({});
        CHECK_THAT(said, Contains("std::runtime_error"));
        CHECK_THAT(said, Contains("no paper"));
    }
    SECTION("by an on_error that throws, too") {
        const std::string said = publish_to(
            {.on_error = [](const std::exception_ptr&) { throw std::logic_error{"no ink"}; }});
        CHECK_THAT(said, Contains("std::logic_error"));
        CHECK_THAT(said, Contains("no ink"));
    }
}

// ------------------------------------------------------------------ what they may do

TEST_CASE_METHOD(Log, "a handler that a handler connects gets the next message",
                 "[channel][handler][reentrant]") {
    std::vector<Connection> connections;
    connections.push_back(channel.on_message([&](const int& number) {
        connections.push_back(connect("new" + std::to_string(number) + ":"));
    }));
    CHECK(channel.publish(1) == 1);
    CHECK(log.empty());
    CHECK(channel.publish(2) == 2);
    CHECK(channel.publish(3) == 3);
    CHECK(log == Words{"new1:2", "new1:3", "new2:3"});
}

TEST_CASE_METHOD(Log, "a handler may disconnect itself", "[channel][handler][reentrant]") {
    const auto captured = std::make_shared<int>(0);
    Connection handler;
    handler = channel.on_message([&, captured](const int& number) {
        handler.disconnect();
        log.push_back("a" + std::to_string(number));
        // It is still there until it is over.
        CHECK(captured.use_count() == 2);
    });
    const Connection other = connect("b");
    publish(1, 2);
    CHECK(log == Words{"a1", "b1", "b2"});
    CHECK(captured.use_count() == 1);
    CHECK(channel.subscribers() == 1);
}

TEST_CASE_METHOD(Log, "a handler may own its connection", "[channel][handler][reentrant]") {
    const auto captured = std::make_shared<int>(0);
    auto own = std::make_unique<Connection>();
    Connection& place = *own;
    place = channel.on_message([own = std::move(own), captured](const int& number) mutable {
        if (number == 2) own.reset();
    });
    publish(1);
    CHECK(captured.use_count() == 2);
    publish(2);
    CHECK(captured.use_count() == 1);
    CHECK(channel.subscribers() == 0);
}

TEST_CASE_METHOD(Log, "a handler that another one disconnects is not called any more",
                 "[channel][handler][reentrant]") {
    std::optional<Connection> before = connect("a");
    std::optional<Connection> after;
    const auto captured = std::make_shared<int>(0);
    const Connection middle = channel.on_message([&](const int& number) {
        log.push_back("b" + std::to_string(number));
        if (number != 2) return;
        before.reset();
        after.reset();
        // It does not run: what it has captured dies at once.
        CHECK(captured.use_count() == 1);
    });
    after = channel.on_message(
        [&, captured](const int& number) { log.push_back("c" + std::to_string(number)); });
    const Connection last = connect("d");
    publish(1, 3);
    CHECK(log == Words{"a1", "b1", "c1", "d1", "a2", "b2", "d2", "b3", "d3"});
}

TEST_CASE_METHOD(Log, "a handler may replace itself again and again",
                 "[channel][handler][reentrant]") {
    Connection current;
    int generation = 0;
    std::function<void(const int&)> handle = [&](const int& number) {
        log.push_back(std::to_string(++generation) + ":" + std::to_string(number));
        current = channel.on_message(handle);
    };
    current = channel.on_message(handle);
    publish(1, 100);
    CHECK(log.size() == 100);
    CHECK(log.back() == "100:100");
    CHECK(channel.subscribers() == 1);
    current.disconnect();
}

TEST_CASE("a handler may destroy the last handle of its channel", "[channel][handler][reentrant]") {
    Numbers handled;
    auto channel = std::make_unique<Channel<int>>();
    Connection handler = channel->on_message([&](const int& number) {
        handled.push_back(number);
        if (number == 1) {
            CHECK(channel->publish(2) == 2);
            channel.reset();
        }
    });
    const Connection other =
        channel->on_message([&](const int& number) { handled.push_back(10 * number); });
    CHECK(channel->publish(1) == 2);
    // What was published before is still handed out.
    CHECK(handled == Numbers{1, 10, 2, 20});
    CHECK(handler.connected());
}

TEST_CASE("a handler may destroy the last handle, its connection and what it has captured",
          "[channel][handler][reentrant]") {
    const auto captured = std::make_shared<int>(0);
    auto channel = std::make_unique<Channel<int>>();
    Connection handler;
    handler = channel->on_message([&, captured](const int&) {
        channel.reset();
        handler.disconnect();
    });
    CHECK(channel->publish(1) == 1);
    CHECK(captured.use_count() == 1);
}

TEST_CASE_METHOD(NumberChannel, "a handler may subscribe and read",
                 "[channel][handler][reentrant]") {
    std::vector<Subscription<int>> views;
    const Connection handler = channel.on_message([&](const int& number) {
        if (number % 2 == 1) views.push_back(channel.subscribe());
        for (auto& view : views)
            if (number % 2 == 0) CHECK(view.read({.count = 1}).size() == 1);
    });
    publish(1, 4);
    CHECK(views.size() == 2);
    CHECK(drain(views[0]) == Numbers{4});
    CHECK_FALSE(views[1].try_read());
}

TEST_CASE_METHOD(NumberChannel, "a handler may close its channel",
                 "[channel][handler][reentrant]") {
    Numbers handled;
    const Connection handler = channel.on_message([&](const int& number) {
        handled.push_back(number);
        if (number != 1) return;
        channel.publish(2);
        channel.close();
        CHECK(channel.publish(3).ending == Push::closed);
    });
    publish(1);
    CHECK(handled == Numbers{1, 2});
    CHECK(handler.connected());
}

TEST_CASE_METHOD(Log, "what a handler publishes comes after the message that it has, for all",
                 "[channel][handler][reentrant]") {
    const Connection first = connect("a");
    const Connection second = channel.on_message([&](const int& number) {
        log.push_back("b" + std::to_string(number));
        if (number != 1) return;
        CHECK(channel.publish(2) == 3);
        CHECK(channel.publish(3) == 3);
        log.emplace_back("b goes on");
    });
    const Connection third = connect("c");
    publish(1);
    CHECK(log == Words{"a1", "b1", "b goes on", "c1", "a2", "b2", "c2", "a3", "b3", "c3"});
}

TEST_CASE_METHOD(NumberChannel, "a handler may go on publishing for long",
                 "[channel][handler][reentrant]") {
    Numbers handled;
    const Connection handler = channel.on_message([&](const int& number) {
        handled.push_back(number);
        if (number != 5'000) channel.publish(number + 1);
    });
    publish(1);
    CHECK(handled == number_range(1, 5'000));
}

TEST_CASE_METHOD(NumberChannel, "what handlers do not need any more is not kept",
                 "[channel][handler][reentrant]") {
    Connection handler = channel.on_message(
        [&](const int& number) {
            if (number != 500) channel.publish(number + 1);
        },
        {.bound = 3});
    publish(1);
    CHECK(channel.info().retained >= 3);
    CHECK(channel.info().retained <= 3 + 64);
    handler.disconnect();
    CHECK(channel.info().retained == 0);
}

// ------------------------------------------------------------------ a publish that could not end

TEST_CASE("a publish inside a handler into its own full queue is refused, not a hang",
          "[channel][handler][deadlock]") {
    const Channel<std::string> channel;
    Words handled;
    const Connection handler = channel.on_message(
        [&](const std::string& word) {
            handled.push_back(word);
            if (word != "a") return;
            CHECK(channel.publish("b") == 1);
            CHECK(channel.publish("c") == 1);
            std::string message = "d";
            CHECK(channel.publish(std::move(message)).ending == Push::full);
            CHECK(channel.publish(std::move(message), {.timeout = 1h}).ending == Push::full);
            CHECK(message == "d");
            CHECK(channel.info().published == 3);
        },
        {.bound = 2});
    CHECK(channel.publish("a") == 1);
    CHECK(handled == Words{"a", "b", "c"});
    CHECK(channel.info().refused == 2);
    CHECK(channel.publish("e") == 1);
}

TEST_CASE_METHOD(NumberChannel, "a try to publish inside a handler finds its queue full",
                 "[channel][handler][deadlock]") {
    const Connection handler = channel.on_message(
        [&](const int& number) {
            if (number != 1) return;
            CHECK(channel.try_publish(2).ending == Push::done);
            CHECK(channel.try_publish(3).ending == Push::full);
        },
        {.bound = 1});
    publish(1);
    CHECK(channel.info().published == 2);
}

TEST_CASE_METHOD(Gate, "a publish inside a handler of another channel is no better",
                 "[channel][handler][deadlock]") {
    const Channel<int> other{{.clock = &clock}};
    std::optional<Push> result;
    const Connection busy = connect_gated("a", {.bound = 1});
    const Connection handler =
        other.on_message([&](const int&) { result = channel.publish(3).ending; });
    auto runner = publishing(1);
    publish(2);
    other.publish(0);
    CHECK(result == Push::full);
    CHECK(channel.info().refused == 1);
    CHECK(other.info().refused == 0);
    open(3);
    CHECK(runner.result() == 1);
    other.publish(0);
    CHECK(result == Push::done);
    CHECK(log == Words{"a1", "a2", "a3"});
}

namespace {

// A message that does something when it dies.
struct Farewell {
    explicit Farewell(int made) noexcept : number{made} {}
    Farewell(Farewell&& other) noexcept : number{std::exchange(other.number, 0)} {}
    Farewell& operator=(Farewell&&) = delete;
    ~Farewell() {
        if (number != 0 && act) act(number);
    }

    int number;
    static inline std::function<void(int)> act;
};

// A channel with a handler, whose next message but `left` pushes out the first block of four.
struct Farewells {
    explicit Farewells(int left = 0) : last{6 - left} {
        for (int number = 1; number <= last; ++number) (void)channel.publish(Farewell{number});
        log.clear();
        Farewell::act = [this](int number) { log.push_back("dead" + std::to_string(number)); };
    }
    Farewells(const Farewells&) = delete;
    Farewells& operator=(const Farewells&) = delete;
    ~Farewells() { Farewell::act = nullptr; }

    [[nodiscard]] Connection connect(const std::string& name) {
        return channel.on_message(
            [this, name](const Farewell& message) {
                log.push_back(name + std::to_string(message.number));
            },
            {.bound = 1});
    }
    [[nodiscard]] Call<Published> publishing() {
        return {clock, [this, number = ++last](const std::stop_token& stop) {
                    return channel.publish(Farewell{number}, {.stop = stop});
                }};
    }

    ManualClock clock;
    Channel<Farewell> channel{{.clock = &clock}};
    Words log;
    int last;
    const Subscription<Farewell> view = channel.subscribe({.bound = 1});
    Connection handler = connect("a");
};

}  // namespace

TEST_CASE_METHOD(Farewells, "what a message pushes out dies before the handlers are called",
                 "[channel][handler][lifetime]") {
    CHECK(publishing().result() == 2);
    CHECK(log == Words{"dead1", "dead2", "dead3", "dead4", "a7"});
}

TEST_CASE("what a message that has waited for room pushes out dies before the handlers are called",
          "[channel][handler][lifetime]") {
    Farewells scene{1};
    std::optional blocker{scene.channel.subscribe({.bound = 1, .when_behind = Behind::block})};
    CHECK(scene.publishing().result() == 3);
    auto publish = scene.publishing();
    REQUIRE(publish.waits());
    blocker.reset();
    CHECK(publish.result() == 2);
    CHECK(scene.log == Words{"a6", "dead1", "dead2", "dead3", "dead4", "a7"});
}

TEST_CASE_METHOD(Farewells, "what a message pushes out may disconnect the handlers that are next",
                 "[channel][handler][lifetime][deadlock]") {
    Connection second = connect("b");
    Connection third = connect("c");
    Farewell::act = [&](int number) {
        if (number != 1) return;
        handler.disconnect();
        third.disconnect();
        log.emplace_back("dead");
    };
    CHECK(publishing().result() == 4);
    CHECK(channel.info().handlers == 1);
    Farewell::act = nullptr;
    CHECK(publishing().result() == 2);
    CHECK(log == Words{"dead", "b7", "b8"});
}

TEST_CASE_METHOD(Farewells, "what dies in the thread that runs handlers publishes as inside them",
                 "[channel][handler][lifetime][deadlock]") {
    // A handler of another channel is busy; its thread may wait for this one.
    const Channel<int> other{{.clock = &clock}};
    BlockingList<int> gate{{.clock = &clock}};
    const Connection busy =
        other.on_message([&](const int&) { (void)gate.pop_front(); }, {.bound = 1});
    Call runner{clock, [&](const std::stop_token& stop) {
                    const std::stop_callback at_the_end{stop, [&] { gate.close(); }};
                    return other.publish(1);
                }};
    REQUIRE(runner.waits());
    REQUIRE(other.publish(2) == 1);
    std::vector<Push> results;
    Farewell::act = [&](int /*number*/) { results.push_back(other.publish(3).ending); };
    CHECK(publishing().result() == 2);
    CHECK(results == std::vector(4, Push::full));
    gate.close();
    CHECK(runner.result() == 1);
}

TEST_CASE("what the message of a publisher that takes over pushes out dies before it waits",
          "[channel][handler][lifetime]") {
    ManualClock clock;
    const Channel<Farewell> channel{{.clock = &clock}};
    BlockingList<int> gate{{.clock = &clock}};
    const Connection handler = channel.on_message(
        [&](const Farewell& message) {
            if (message.number == 1 || message.number == 100) (void)gate.pop_front();
        },
        {.bound = 150});
    const auto publishing = [&](int number) {
        return Call{clock, [&, number](const std::stop_token& stop) {
                        const std::stop_callback at_the_end{stop, [&] { gate.close(); }};
                        return channel.publish(Farewell{number}, {.stop = stop});
                    }};
    };
    auto first = publishing(1);
    REQUIRE(first.waits());
    const auto publish = [&](int from, int to) {
        for (; from <= to; ++from) REQUIRE(channel.try_publish(Farewell{from}) == 1);
    };
    publish(2, 150);
    (void)gate.push_back(1);
    REQUIRE(first.waits());
    publish(151, 212);
    const std::size_t retained = channel.info().retained;
    std::size_t dead = 0;
    Farewell::act = [&](int /*number*/) { ++dead; };
    auto second = publishing(213);
    REQUIRE(second.waits());
    CHECK(channel.info().retained < retained);
    CHECK(dead == retained + 1 - channel.info().retained);
    Farewell::act = nullptr;
    (void)gate.push_back(1);
    CHECK(first.result() == 1);
    CHECK(second.result() == 1);
}

TEST_CASE_METHOD(Gate, "a publish inside a handler does not queue up behind those who wait for it",
                 "[channel][handler][deadlock]") {
    std::optional<Push> result;
    std::stop_source stop;
    const Connection handler = channel.on_message(
        [&](const int& number) {
            if (number != 1) return log.push_back(std::to_string(number));
            (void)gate.pop_front();
            result = channel.publish(4, {.stop = stop.get_token()}).ending;
        },
        {.bound = 1});
    auto runner = publishing(1);
    publish(2);
    auto waiting = publishing(3);
    REQUIRE(waiting.waits());
    open();
    CHECK_FALSE(runner.waits());
    stop.request_stop();
    CHECK(runner.result() == 1);
    CHECK(result == Push::full);
    CHECK(waiting.result() == 1);
    CHECK(log == Words{"2", "3"});
}

TEST_CASE_METHOD(
    Gate, "a publish inside a handler comes after those who wait, but never waits behind them",
    "[channel][handler][deadlock]") {
    std::stop_source stop;
    std::optional<Push> result;
    const Connection handler = channel.on_message(
        [&](const int& number) {
            if (number <= 2) (void)gate.pop_front();
            log.push_back(std::to_string(number));
            if (number != 3) return;
            result = channel.publish(6, {.stop = stop.get_token()}).ending;
        },
        {.bound = 2});
    auto runner = publishing(1);
    publish(2, 3);
    open();
    REQUIRE(runner.waits());
    publish(4);
    auto waiting = publishing(5);
    REQUIRE(waiting.waits());
    open();
    CHECK_FALSE(runner.waits());
    stop.request_stop();
    CHECK(runner.result() == 1);
    CHECK(result == Push::full);
    CHECK(waiting.result() == 1);
    CHECK(log == Words{"1", "2", "3", "4", "5"});
}

TEST_CASE_METHOD(Gate,
                 "a publish inside a handler that waits for a subscription does not end up "
                 "waiting for itself",
                 "[channel][handler][deadlock]") {
    std::optional<Push> result;
    std::stop_source stop;
    Subscription<int> view = channel.subscribe({.bound = 2, .when_behind = Behind::block});
    const Connection handler = channel.on_message(
        [&](const int& number) {
            if (number != 1) return log.push_back(std::to_string(number));
            (void)gate.pop_front();
            result = channel.publish(5, {.stop = stop.get_token()}).ending;
        },
        {.bound = 2});
    auto runner = publishing(1);
    publish(2);
    auto third = publishing(3);
    auto fourth = publishing(4);
    open();
    REQUIRE(runner.waits());
    // There is room for two more in the subscription, and for one with the handler.
    CHECK(view.read().size() == 2);
    CHECK(third.result() == 2);
    CHECK_FALSE(runner.waits());
    stop.request_stop();
    CHECK(runner.result() == 2);
    CHECK(result == Push::full);
    CHECK(fourth.result() == 2);
    CHECK(log == Words{"2", "3", "4"});
}

TEST_CASE_METHOD(Log, "a handler is not behind with what came before it",
                 "[channel][handler][deadlock]") {
    Connection late;
    const Connection first = channel.on_message([&](const int& number) {
        if (number != 1) return;
        CHECK(channel.publish(2) == 1);
        late = channel.on_message(
            [&](const int& message) { log.push_back("late" + std::to_string(message)); },
            {.bound = 1});
        CHECK(channel.publish(3) == 2);
        CHECK(channel.publish(4).ending == Push::full);
    });
    publish(1);
    CHECK(log == Words{"late3"});
}

// ------------------------------------------------------------------ several publishers

TEST_CASE_METHOD(Gate, "a publisher leaves its message to another one that runs the handlers",
                 "[channel][handler][threads]") {
    const Connection first = connect_gated("a");
    const Connection second = connect("b");
    auto runner = publishing(1);
    REQUIRE(runner.waits());
    CHECK(channel.publish(2) == 2);
    CHECK(channel.publish(3) == 2);
    CHECK(log.empty());
    open();
    CHECK(runner.waits());
    CHECK(log == Words{"a1", "b1"});
    open(2);
    CHECK(runner.result() == 2);
    CHECK(log == Words{"a1", "b1", "a2", "b2", "a3", "b3"});
}

TEST_CASE_METHOD(Gate, "a handler gets many messages that were left to it, in order",
                 "[channel][handler][threads]") {
    Numbers handled;
    const Connection handler = channel.on_message([&](const int& number) {
        if (number == 1) (void)gate.pop_front();
        handled.push_back(number);
    });
    auto runner = publishing(1);
    publish(2, 1'000);
    open();
    CHECK(runner.result() == 1);
    CHECK(handled == number_range(1, 1'000));
}

TEST_CASE_METHOD(Gate, "a handler that is connected meanwhile gets only what comes after that",
                 "[channel][handler][threads]") {
    const Connection first = connect_gated("a");
    auto runner = publishing(1);
    publish(2);
    const Connection second = connect("b");
    publish(3);
    open(3);
    CHECK(runner.result() == 1);
    CHECK(log == Words{"a1", "a2", "a3", "b3"});
}

TEST_CASE_METHOD(Gate, "publishers wait while so many messages are left to a handler",
                 "[channel][handler][threads]") {
    const Connection handler = connect_gated("a", {.bound = 2});
    auto runner = publishing(1);
    publish(2, 3);
    CHECK(channel.try_publish(4).ending == Push::full);
    auto first = publishing(4);
    auto second = publishing(5);
    REQUIRE(first.waits());
    REQUIRE(second.waits());
    CHECK(channel.info().waiting == 2);
    open();
    CHECK(first.result() == 1);
    CHECK(second.waits());
    open();
    CHECK(second.result() == 1);
    CHECK(log == Words{"a1", "a2"});
    open(3);
    CHECK(runner.result() == 1);
    CHECK(log == Words{"a1", "a2", "a3", "a4", "a5"});
}

TEST_CASE_METHOD(Gate, "who waits for a handler ends by time-out, stop or close",
                 "[channel][handler][threads]") {
    const Connection handler = connect_gated("a", {.bound = 1});
    auto runner = publishing(1);
    publish(2);
    int one = 3;
    int two = 4;
    int three = 5;
    auto timed = runnel::test::publishing(clock, channel, one, 1h);
    auto stopped = runnel::test::publishing(clock, channel, two);
    auto closed = runnel::test::publishing(clock, channel, three);
    clock.advance(1h - 1ns);
    CHECK(timed.waits());
    clock.advance(1ns);
    CHECK(timed.result().ending == Push::full);
    stopped.stop();
    CHECK(stopped.result().ending == Push::stopped);
    channel.close();
    CHECK(closed.result().ending == Push::closed);
    open(2);
    CHECK(runner.result() == 1);
    CHECK(log == Words{"a1", "a2"});
}

TEST_CASE_METHOD(Gate, "the handler with the least bound decides, until it goes",
                 "[channel][handler][threads]") {
    const Connection first = connect_gated("a");
    Connection second = channel.on_message([](const int&) {}, {.bound = 1});
    auto runner = publishing(1);
    publish(2);
    CHECK(channel.try_publish(3).ending == Push::full);
    auto held = publishing(3);
    REQUIRE(held.waits());
    second.disconnect();
    CHECK(held.result() == 1);
    publish(4);
    open(4);
    CHECK(runner.result() == 2);
    CHECK(log == Words{"a1", "a2", "a3", "a4"});
}

TEST_CASE_METHOD(Gate, "messages that are left to handlers do not hold up subscriptions",
                 "[channel][handler][threads]") {
    Subscription<int> view = channel.subscribe();
    const Connection handler = connect_gated("a");
    auto runner = publishing(1);
    publish(2);
    CHECK(drain(view) == Numbers{1, 2});
    open(2);
    CHECK(runner.result() == 2);
}

// ------------------------------------------------------------------ disconnecting while it runs

TEST_CASE_METHOD(Gate, "disconnecting outside of handlers waits until the handler does not run",
                 "[channel][handler][disconnect]") {
    const auto captured = std::make_shared<int>(0);
    Connection handler = channel.on_message([&, captured](const int& number) {
        (void)gate.pop_front();
        log.push_back("a" + std::to_string(number));
    });
    const Connection other = connect("b");
    auto runner = publishing(1);
    publish(2);
    auto disconnect = disconnecting(clock, handler);
    REQUIRE(disconnect.waits());
    CHECK(channel.info().waiting == 1);
    CHECK(channel.subscribers() == 1);
    CHECK(captured.use_count() == 2);
    open();
    CHECK(disconnect.result());
    CHECK(captured.use_count() == 1);
    CHECK(runner.result() == 2);
    CHECK(log == Words{"a1", "b1", "b2"});
}

TEST_CASE_METHOD(Gate, "disconnecting does not wait for other handlers",
                 "[channel][handler][disconnect]") {
    const auto captured = std::make_shared<int>(0);
    Connection before = connect("a");
    const Connection running = connect_gated("b");
    Connection after = channel.on_message([&, captured](const int&) { log.emplace_back("c"); });
    auto runner = publishing(1);
    REQUIRE(runner.waits());
    before.disconnect();
    after.disconnect();
    CHECK(captured.use_count() == 1);
    open();
    CHECK(runner.result() == 3);
    CHECK(log == Words{"a1", "b1"});
}

TEST_CASE_METHOD(Gate, "disconnecting waits inside a handler of another channel, too",
                 "[channel][handler][disconnect]") {
    const auto captured = std::make_shared<int>(0);
    Connection handler = channel.on_message([&, captured](const int& number) {
        (void)gate.pop_front();
        log.push_back("a" + std::to_string(number));
    });
    auto runner = publishing(1);
    publish(2);
    const Channel<std::string> other{{.clock = &clock}};
    std::optional<Disconnected> result;
    long owners = 0;
    const Connection disconnector = other.on_message([&](const std::string&) {
        result = handler.disconnect();
        owners = captured.use_count();
    });
    Call elsewhere{clock, [&](const std::stop_token&) { return other.publish("now"); }};
    CHECK(elsewhere.waits());
    CHECK(result == std::nullopt);
    open();
    CHECK(elsewhere.result() == 1);
    CHECK(result == Disconnected::ended);
    CHECK(owners == 1);
    CHECK_FALSE(handler.connected());
    CHECK(runner.result() == 1);
    CHECK(log == Words{"a1"});
    CHECK(channel.info().retained == 0);
}

TEST_CASE_METHOD(Gate, "a disconnect inside the very handler says that it runs",
                 "[channel][handler][disconnect][reentrant]") {
    const Channel<std::string> other;
    std::vector<Disconnected> results;
    Connection first;
    Connection second;
    Connection waiting = connect("w");
    first = channel.on_message([&](const int&) { other.publish("deeper"); });
    second = other.on_message([&](const std::string&) {
        results.push_back(first.disconnect());    // two frames up
        results.push_back(second.disconnect());   // this one
        results.push_back(waiting.disconnect());  // has run, and does not now
        results.push_back(waiting.disconnect());  // is empty
    });
    publish(1, 2);
    CHECK(results == std::vector{Disconnected::running, Disconnected::running, Disconnected::ended,
                                 Disconnected::ended});
    CHECK(log == Words{"w1"});
}

namespace {

// Two channels of different types, with a handler each that another thread runs, and that
// disconnects the other one's handler once the gate is opened.
struct Circle : Gate {
    explicit Circle(std::size_t size) {
        for (std::size_t i = 0; i != size; ++i)
            channels.emplace_back(runnel::ChannelOptions<std::string>{.clock = &clock});
        handlers.resize(size);
        results.resize(size);
        for (std::size_t i = 0; i != size; ++i)
            handlers[i] = channels[i].on_message([this, i](const std::string&) {
                (void)gate.pop_front();
                results[i] = handlers[(i + 1) % handlers.size()].disconnect();
            });
        for (std::size_t i = 0; i != size; ++i)
            calls.push_back(
                std::make_unique<Call<Published>>(clock, [this, i](const std::stop_token& stop) {
                    const std::stop_callback at_the_end{stop, [this] { gate.close(); }};
                    return channels[i].publish("go");
                }));
    }

    std::vector<Channel<std::string>> channels;
    std::vector<Connection> handlers;
    std::vector<std::optional<Disconnected>> results;
    std::vector<std::unique_ptr<Call<Published>>> calls;
};

}  // namespace

TEST_CASE("a disconnect that would close a circle says that the handler runs",
          "[channel][handler][disconnect]") {
    for (const std::size_t size : {2U, 3U, 5U}) {
        Circle circle{size};
        // All but the last one wait, one after the other.
        for (std::size_t i = 0; i + 1 != size; ++i) {
            circle.open();
            CHECK(circle.calls[i]->waits());
            CHECK(circle.results[i] == std::nullopt);
        }
        circle.open();
        for (std::size_t i = 0; i != size; ++i) {
            CHECK(circle.calls[i]->result() == 1);
            CHECK(circle.results[i] ==
                  (i + 1 == size ? Disconnected::running : Disconnected::ended));
            CHECK(circle.channels[i].info().handlers == 0);
        }
    }
}

TEST_CASE_METHOD(Gate, "a wait for a handler of a run that another handler of this thread waits in",
                 "[channel][handler][disconnect]") {
    // The thread is in two runs; what it waits for is known in both.
    const Channel<int> outer{{.clock = &clock}};
    const Channel<int> inner{{.clock = &clock}};
    std::optional<Disconnected> mine;
    std::optional<Disconnected> theirs;
    Connection in_channel;
    Connection in_outer = outer.on_message([&](const int&) { inner.publish(1); });
    const Connection in_inner =
        inner.on_message([&](const int&) { mine = in_channel.disconnect(); });
    in_channel = channel.on_message([&](const int&) {
        (void)gate.pop_front();
        theirs = in_outer.disconnect();
    });
    auto runner = publishing(1);
    Call other{clock, [&](const std::stop_token&) { return outer.publish(1); }};
    CHECK(other.waits());
    open();
    CHECK(runner.result() == 1);
    CHECK(theirs == Disconnected::running);
    CHECK(other.result() == 1);
    CHECK(mine == Disconnected::ended);
}

namespace {

// A thread whose wait on it has ended goes on once it may: one for each element.
class HeldClock final : public Clock {
public:
    HeldClock(ManualClock& clock, const BlockingList<int>& goes_on) noexcept
        : clock_{clock}, goes_on_{goes_on} {}

    [[nodiscard]] WallTime wall() const noexcept override { return clock_.wall(); }
    [[nodiscard]] Deadline now() const noexcept override { return clock_.now(); }
    [[nodiscard]] bool is_real() const noexcept override { return false; }
    void park(runnel::Wait& wait, std::optional<Deadline> deadline) noexcept override {
        clock_.park(wait, deadline);
        (void)goes_on_.pop_front();
    }
    void unpark(runnel::Wait& wait) noexcept override { clock_.unpark(wait); }

private:
    ManualClock& clock_;
    const BlockingList<int>& goes_on_;
};

}  // namespace

TEST_CASE_METHOD(Gate, "a wait that is over closes no circle, also if its thread has not gone on",
                 "[channel][handler][disconnect]") {
    const BlockingList<int> goes_on{{.clock = &clock}};
    HeldClock held{clock, goes_on};
    const Channel<int> other{{.clock = &held}};
    std::optional<Disconnected> of_first;
    std::optional<Disconnected> of_second;
    Connection first;
    Connection second = other.on_message([&](const int&) { (void)gate.pop_front(); });
    const Connection third = other.on_message([&](const int&) { of_first = first.disconnect(); });
    first = channel.on_message([&](const int&) { of_second = second.disconnect(); });
    const auto publishing_to = [&](const Channel<int>& to) {
        return Call{clock, [&, to](const std::stop_token& stop) {
                        const std::stop_callback at_the_end{stop, [&] {
                                                                gate.close();
                                                                goes_on.close();
                                                            }};
                        return to.publish(1);
                    }};
    };
    auto in_other = publishing_to(other);
    auto in_channel = publishing_to(channel);
    REQUIRE(in_channel.waits());  // for the second handler
    open();
    CHECK(in_other.waits());  // for the first one, which waits for none that runs
    CHECK(of_first == std::nullopt);
    REQUIRE(goes_on.push_back(0) == Push::done);
    CHECK(in_channel.result() == 1);
    CHECK(in_other.result() == 2);
    CHECK(of_first == Disconnected::ended);
    CHECK(of_second == Disconnected::ended);
}

TEST_CASE_METHOD(Gate, "several may wait for handlers of one channel",
                 "[channel][handler][disconnect]") {
    Connection first = connect_gated("a");
    Connection second = connect_gated("b");
    auto runner = publishing(1);
    auto leaves_first = disconnecting(clock, first);
    REQUIRE(leaves_first.waits());
    open();
    CHECK(leaves_first.result());
    REQUIRE(runner.waits());
    auto leaves_second = disconnecting(clock, second);
    REQUIRE(leaves_second.waits());
    open();
    CHECK(leaves_second.result());
    CHECK(runner.result() == 2);
    CHECK(log == Words{"a1", "b1"});
}

TEST_CASE_METHOD(Gate, "who waits for a handler does not need a handle of the channel",
                 "[channel][handler][disconnect]") {
    std::optional<Channel<int>> other{std::in_place, runnel::ChannelOptions<int>{.clock = &clock}};
    Connection handler = other->on_message([&](const int&) { (void)gate.pop_front(); });
    Call runner{clock, [mine = *other](const std::stop_token&) { return mine.publish(1); }};
    other.reset();
    auto disconnect = disconnecting(clock, handler);
    REQUIRE(disconnect.waits());
    open();
    CHECK(disconnect.result());
    CHECK(runner.result() == 1);
}

// ------------------------------------------------------------------ leaving by itself

TEST_CASE_METHOD(Log, "a handler for one message is disconnected before it is called",
                 "[channel][handler][disconnect]") {
    const auto captured = std::make_shared<int>(0);
    Connection once = channel.on_message(
        [&, captured](const int& number) {
            log.push_back("once" + std::to_string(number));
            CHECK(channel.subscribers() == 1);
            channel.publish(number + 1);
        },
        {.once = true});
    const Connection other = connect("b");
    CHECK(channel.publish(1) == 2);
    CHECK(log == Words{"once1", "b1", "b2"});
    CHECK(captured.use_count() == 1);
    CHECK_FALSE(once.connected());
    CHECK(once.disconnect() == Disconnected::ended);
}

TEST_CASE_METHOD(Log, "a handler keeps its owner while it runs, and goes with it",
                 "[channel][handler][disconnect]") {
    auto owner = std::make_shared<int>(7);
    const std::weak_ptr<int> watched = owner;
    const Connection owned = channel.on_message(
        [&](const int& number) {
            owner.reset();
            CHECK_FALSE(watched.expired());
            log.push_back("a" + std::to_string(number));
            if (number == 1) throw std::runtime_error{"one"};
        },
        {.on_error = [&](const std::exception_ptr&) { CHECK_FALSE(watched.expired()); },
         .owner = owner});
    CHECK(channel.publish(1) == 1);
    CHECK(watched.expired());
    CHECK(owned.connected());
    CHECK(channel.publish(2) == 1);
    CHECK_FALSE(owned.connected());
    CHECK(channel.publish(3) == 0);
    CHECK(log == Words{"a1"});
}

TEST_CASE_METHOD(Log, "an owner may destroy the connection of its handler, inside of it",
                 "[channel][handler][disconnect]") {
    struct Owner {
        Connection connection;
    };
    auto owner = std::make_shared<Owner>();
    owner->connection = channel.on_message(
        [&](const int& number) {
            log.push_back("a" + std::to_string(number));
            owner.reset();
        },
        {.owner = owner});
    publish(1, 2);
    CHECK(log == Words{"a1"});
    CHECK(channel.subscribers() == 0);
}

TEST_CASE_METHOD(Log, "a handler may take a connection of its own",
                 "[channel][handler][disconnect]") {
    Connection kept;
    Connection outside = channel.on_message([&](const int& number, Connection& own) {
        CHECK(own.connected());
        log.push_back("a" + std::to_string(number));
        if (number == 1) kept = std::move(own);  // its end disconnects nothing
        if (number == 2) kept = Connection{};
        if (number == 3) CHECK(own.disconnect() == Disconnected::running);
    });
    publish(1, 4);
    CHECK(log == Words{"a1", "a2", "a3"});
    CHECK_FALSE(outside.connected());
    CHECK(outside.disconnect() == Disconnected::ended);
}

// ------------------------------------------------------------------ going on with a run

namespace {

// A handler that stops in two messages, of 200 that were left to the thread that runs it: in the
// second one the run is on offer.
struct Offer : Gate {
    Offer() {
        publish_many();
        open();
        REQUIRE(runner->waits());
    }

    [[nodiscard]] Call<Published> coming(int number, Timeout timeout = {}) {
        return publishing(number, timeout);
    }
    // How many messages the runner has handled itself.
    [[nodiscard]] std::size_t handled_by_runner() const {
        return static_cast<std::size_t>(std::ranges::count(threads, threads.front()));
    }

    void publish_many() {
        runner.emplace(publishing(1));
        publish(2, 200);
    }

    std::vector<std::thread::id> threads;
    Connection handler = channel.on_message([this](const int& number) {
        if (number == 1 || number == 100) (void)gate.pop_front();
        threads.push_back(std::this_thread::get_id());
    });
    std::optional<Call<Published>> runner;
};

}  // namespace

TEST_CASE_METHOD(Offer, "a publisher that goes on with a run gets it after the message in hand",
                 "[channel][handler][run]") {
    auto next = coming(201);
    CHECK(next.waits());
    CHECK(channel.info().waiting == 1);
    CHECK(channel.info().published == 201);
    // There is one at a time.
    CHECK(channel.publish(202) == 1);
    open();
    CHECK(runner->result() == 1);
    CHECK(next.result() == 1);
    CHECK(threads.size() == 202);
    CHECK(handled_by_runner() == 100);
    CHECK(channel.info().waiting == 0);
}

TEST_CASE_METHOD(Offer, "a time-out ends the wait for a run, and the next one may go on with it",
                 "[channel][handler][run]") {
    auto timed = coming(201, 1h);
    CHECK(timed.waits());
    clock.advance(1h);
    CHECK(timed.result() == 1);
    auto next = coming(202);
    CHECK(next.waits());
    open();
    CHECK(runner->result() == 1);
    CHECK(next.result() == 1);
    CHECK(threads.size() == 202);
    CHECK(handled_by_runner() == 100);
}

TEST_CASE_METHOD(Offer, "a wait for room and the wait for a run have one time-out",
                 "[channel][handler][run]") {
    Subscription<int> view = channel.subscribe({.bound = 1, .when_behind = Behind::block});
    CHECK(channel.try_publish(201) == 2);
    auto timed = coming(202, 2h);
    clock.advance(1h);
    REQUIRE(timed.waits());  // for room
    CHECK(values(view.try_read()) == Numbers{201});
    CHECK(timed.waits());  // for the run
    CHECK(channel.info().published == 202);
    clock.advance(1h);
    CHECK(timed.result() == 2);
    open();
    CHECK(runner->result() == 1);
    CHECK(handled_by_runner() == 202);
}

TEST_CASE_METHOD(Offer, "a stop ends the wait for a run, and the message is published",
                 "[channel][handler][run]") {
    Call stopped{clock,
                 [&](const std::stop_token& stop) { return channel.publish(201, {.stop = stop}); }};
    CHECK(stopped.waits());
    stopped.stop();
    CHECK(stopped.result().ending == Push::done);
    CHECK(stopped.result() == 1);
    open();
    CHECK(runner->result() == 1);
    CHECK(handled_by_runner() == 201);
}

TEST_CASE_METHOD(Offer,
                 "a try to publish, and a publish inside a handler, leave the run where it is",
                 "[channel][handler][run]") {
    CHECK(channel.try_publish(201) == 1);
    const Channel<int> other;
    const Connection inside = other.on_message([&](const int&) { channel.publish(202); });
    CHECK(other.publish(1) == 1);
    open();
    CHECK(runner->result() == 1);
    CHECK(handled_by_runner() == 202);
}

// ------------------------------------------------------------------ two channels

TEST_CASE("two channels may publish into each other", "[channel][handler][reentrant]") {
    const Channel<int> left;
    const Channel<int> right;
    Words log;
    const Connection to_right = left.on_message([&](const int& number) {
        log.push_back("left" + std::to_string(number));
        if (number != 0) right.publish(number - 1);
    });
    const Connection to_left = right.on_message([&](const int& number) {
        log.push_back("right" + std::to_string(number));
        if (number != 0) left.publish(number - 1);
    });
    left.publish(3);
    CHECK(log == Words{"left3", "right2", "left1", "right0"});
}

TEST_CASE("in real time two channels publish into each other from two threads",
          "[channel][handler][system]") {
    const Channel<int> left;
    const Channel<int> right;
    std::atomic<int> handled = 0;
    const runnel::HandlerOptions any{.bound = 1'000'000};
    const auto to = [&handled](const Channel<int>& other) {
        return [&handled, other](const int& number) {
            ++handled;
            if (number != 0) other.publish(number - 1);
        };
    };
    Connection to_right = left.on_message(to(right), any);
    Connection to_left = right.on_message(to(left), any);
    const int messages = static_cast<int>(scaled(2'000));
    {
        const std::jthread first{[&] {
            for (int i = 0; i != messages; ++i) left.publish(9);
        }};
        const std::jthread second{[&] {
            for (int i = 0; i != messages; ++i) right.publish(9);
        }};
    }
    CHECK(handled == 2 * 10 * messages);
    // They keep each other, through their handlers.
    to_right.disconnect();
    to_left.disconnect();
}

TEST_CASE("in real time nothing of a handler is used once it is disconnected",
          "[channel][handler][system]") {
    const Channel<int> channel;
    std::atomic<bool> over = false;
    std::jthread publisher{[&] {
        while (!over) channel.publish(1);
    }};
    int faults = 0;
    for (std::size_t round = 0; round != scaled(1'000); ++round) {
        std::atomic<bool> is_alive = true;
        std::atomic<int> calls = 0;
        std::atomic<int> late = 0;
        Connection handler = channel.on_message([&](const int&) {
            ++calls;
            if (!is_alive) ++late;
        });
        if (round % 2 == 0) eventually([&] { return calls != 0; });
        handler.disconnect();
        is_alive = false;
        faults += late;
    }
    over = true;
    publisher.join();
    CHECK(faults == 0);
}
