// SPDX-License-Identifier: MIT
#include <runnel/channel.hpp>
#include <runnel/inbox.hpp>
#include <runnel/outcome.hpp>

#include "interleavings/orders.hpp"
#include "interleavings/step_clock.hpp"
#include "support/catch.hpp"

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

using namespace runnel;
using namespace runnel::test;
using namespace std::chrono_literals;

namespace {

using Values = std::vector<int>;

Values read_all(Subscription<int>& view) {
    Values all;
    while (const auto batch = view.try_read())
        for (const int message : batch) all.push_back(message);
    return all;
}

struct PublishScene {
    StepClock clock;
    std::optional<Channel<int>> channel{std::in_place, ChannelOptions<int>{.clock = &clock}};
};

}  // namespace

TEST_CASE("a subscription has the messages that have reached it") {
    const auto all = explore("publish against subscribe", [](Order& order) {
        PublishScene scene;
        std::size_t reached = 0;
        std::optional<Subscription<int>> view;
        order.run(
            [&] {
                reached += scene.channel->publish(1);
                reached += scene.channel->publish(2);
            },
            [&] { view.emplace(scene.channel->subscribe()); });
        const Values expected = reached == 0 ? Values{} : reached == 1 ? Values{2} : Values{1, 2};
        order.expect(read_all(*view) == expected, "as many as publish() has said");
        order.ends("reached " + std::to_string(reached));
    });
    CHECK(all.failure == "");
    CHECK(all.outcomes.size() == 3);
}

TEST_CASE("a subscription that goes meanwhile is not waited for") {
    const auto all = explore("publish for room against the end of the reader", [](Order& order) {
        PublishScene scene;
        std::optional<Subscription<int>> view{
            scene.channel->subscribe({.bound = 1, .when_behind = Behind::block})};
        (void)scene.channel->publish(1);
        Published second;
        order.run([&] { second = scene.channel->publish(2); }, [&] { view.reset(); });
        order.expect(second.ending == Push::done, "it is published");
        order.ends("reached " + std::to_string(second.reached));
    });
    CHECK(all.failure == "");
    CHECK(all.ends("reached 0"));
}

TEST_CASE("a publish that is held back is let go by a read") {
    const auto all = explore("publish for room against read", [](Order& order) {
        PublishScene scene;
        auto view = scene.channel->subscribe({.bound = 1, .when_behind = Behind::block});
        (void)scene.channel->publish(1);
        Values got;
        order.run([&] { (void)scene.channel->publish(2); },
                  [&] { (void)scene.channel->publish(3); },
                  [&] {
                      while (got.size() != 3)
                          for (const int message : view.read()) got.push_back(message);
                  });
        order.expect(got == Values{1, 2, 3} || got == Values{1, 3, 2}, "each once");
    });
    CHECK(all.failure == "");
}

TEST_CASE("a subscription's read gets what is published, times out or is stopped") {
    const auto all = explore("read against publish, time-out and stop", [](Order& order) {
        PublishScene scene;
        auto view = scene.channel->subscribe();
        std::stop_source source;
        Values got;
        order.run(
            [&] {
                const auto batch = view.read({.timeout = 1ms, .stop = source.get_token()});
                for (const int message : batch) got.push_back(message);
                order.ends(batch ? "read" : std::string{to_string(batch.ending())});
            },
            [&] { (void)scene.channel->publish(1); }, [&] { source.request_stop(); });
        for (const int message : read_all(view)) got.push_back(message);
        order.expect(got == Values{1}, "it is read, or left");
    });
    CHECK(all.failure == "");
    CHECK(all.ends("read"));
    CHECK(all.ends("timed_out"));
    CHECK(all.ends("stopped"));
}

TEST_CASE("the last handle that goes ends the reads, after the last message") {
    const auto all = explore("two readers against publish and the last handle", [](Order& order) {
        PublishScene scene;
        auto one = scene.channel->subscribe();
        auto two = scene.channel->subscribe();
        Values got;
        const auto read = [&](Subscription<int>& view) {
            while (const auto batch = view.read())
                for (const int message : batch) got.push_back(message);
        };
        order.run([&] { read(one); }, [&] { read(two); },
                  [&] {
                      (void)scene.channel->publish(1);
                      scene.channel.reset();
                  });
        order.expect(got == Values{1, 1}, "both have read it");
    });
    CHECK(all.failure == "");
}

TEST_CASE("handlers run one at a time, in the order of the channel") {
    const auto all = explore("handler against two publishers", [](Order& order) {
        PublishScene scene;
        auto view = scene.channel->subscribe();
        detail::Atomic<int> inside = 0;
        bool is_alone = true;
        Values handled;
        const auto connection = scene.channel->on_message([&](const int& message) {
            is_alone = inside.fetch_add(1) == 0 && is_alone;
            handled.push_back(message);
            inside.fetch_sub(1);
        });
        order.run([&] { (void)scene.channel->publish(1); },
                  [&] {
                      (void)scene.channel->publish(2);
                      (void)scene.channel->publish(3);
                  });
        order.expect(is_alone, "one at a time");
        order.expect(handled == read_all(view), "in the order of the channel");
        order.expect(handled.size() == 3, "each");
    });
    CHECK(all.failure == "");
}

TEST_CASE("after a disconnect the handler does not run, and its captures are gone") {
    const auto all = explore("publish against disconnect", [](Order& order) {
        PublishScene scene;
        const auto captured = std::make_shared<int>(0);
        detail::Atomic<int> inside = 0;
        bool is_disconnected = false;
        bool ran_after = false;
        int calls = 0;
        auto connection = scene.channel->on_message([&, keep = captured](const int& /*message*/) {
            inside.fetch_add(1);
            ran_after = ran_after || is_disconnected;
            ++calls;
            inside.fetch_sub(1);
        });
        bool is_gone = false;
        order.run(
            [&] {
                (void)scene.channel->publish(1);
                (void)scene.channel->publish(2);
            },
            [&] {
                const bool has_ended = connection.disconnect() == Disconnected::ended;
                is_disconnected = true;
                is_gone = has_ended && inside.load() == 0 && captured.use_count() == 1;
            });
        order.expect(is_gone, "it has ended, and its captures are destroyed");
        order.expect(!ran_after, "it does not run again");
        order.ends(std::to_string(calls) + " calls");
    });
    CHECK(all.failure == "");
    CHECK(all.ends("0 calls"));
    CHECK(all.ends("1 calls"));
    CHECK(all.ends("2 calls"));
}

TEST_CASE("a handler is disconnected while two threads publish") {
    const auto all = explore("two publishers against disconnect", [](Order& order) {
        PublishScene scene;
        bool is_disconnected = false;
        bool ran_after = false;
        detail::Atomic<int> calls = 0;
        auto connection = scene.channel->on_message([&](const int& /*message*/) {
            ran_after = ran_after || is_disconnected;
            calls.fetch_add(1);
        });
        order.run([&] { (void)scene.channel->publish(1); },
                  [&] { (void)scene.channel->publish(2); },
                  [&] {
                      connection.disconnect();
                      is_disconnected = true;
                  });
        order.expect(!ran_after, "it does not run again");
        order.ends(std::to_string(calls.load()) + " calls");
    });
    CHECK(all.failure == "");
}

TEST_CASE("a handler that is connected meanwhile gets the messages that have reached it") {
    const auto all = explore("two publishers against on_message", [](Order& order) {
        PublishScene scene;
        detail::Atomic<std::size_t> calls = 0;
        detail::Atomic<std::size_t> reached = 0;
        std::optional<Connection> connection;
        order.run([&] { reached.fetch_add(scene.channel->publish(1).reached); },
                  [&] { reached.fetch_add(scene.channel->publish(2).reached); },
                  [&] {
                      connection.emplace(scene.channel->on_message(
                          [&](const int& /*message*/) { calls.fetch_add(1); }));
                  });
        order.expect(calls.load() == reached.load(), "as often as publish() has said");
        order.ends(std::to_string(calls.load()) + " calls");
    });
    CHECK(all.failure == "");
    CHECK(all.outcomes.size() == 3);
}

TEST_CASE("two handlers that disconnect each other do not wait for each other") {
    const auto all = explore("disconnects inside handlers, crosswise", [](Order& order) {
        PublishScene one;
        PublishScene two;
        std::optional<Connection> to_one;
        std::optional<Connection> to_two;
        std::vector<Disconnected> endings;
        to_one.emplace(one.channel->on_message(
            [&](const int& /*message*/) { endings.push_back(to_two->disconnect()); }));
        to_two.emplace(two.channel->on_message(
            [&](const int& /*message*/) { endings.push_back(to_one->disconnect()); }));
        order.run([&] { (void)one.channel->publish(1); }, [&] { (void)two.channel->publish(2); });
        order.expect(!endings.empty(), "one of them runs");
        order.ends(std::to_string(endings.size()) + " ran");
    });
    CHECK(all.failure == "");
    CHECK(all.ends("1 ran"));
    CHECK(all.ends("2 ran"));
}

TEST_CASE("a publish inside a handler comes after the message in hand") {
    const auto all = explore("publish inside a handler against publish", [](Order& order) {
        PublishScene scene;
        auto view = scene.channel->subscribe();
        Values handled;
        const auto connection = scene.channel->on_message([&](const int& message) {
            handled.push_back(message);
            if (message == 1) (void)scene.channel->publish(10);
        });
        order.run([&] { (void)scene.channel->publish(1); },
                  [&] { (void)scene.channel->publish(2); });
        order.expect(handled.size() == 3, "each");
        order.expect(handled == read_all(view), "in the order of the channel");
    });
    CHECK(all.failure == "");
}

TEST_CASE("an inbox has the messages that have reached it") {
    const auto all = explore("publish against join and leave", [](Order& order) {
        PublishScene scene;
        Inbox<int> inbox{{.clock = &scene.clock}};
        std::size_t reached = 0;
        order.run(
            [&] {
                reached += scene.channel->publish(1);
                reached += scene.channel->publish(2);
            },
            [&] {
                inbox.join(*scene.channel);
                inbox.leave(*scene.channel);
            });
        std::size_t count = 0;
        while (const auto batch = inbox.try_read()) count += batch.size();
        order.expect(count == reached, "as many as publish() has said");
        order.ends("reached " + std::to_string(reached));
    });
    CHECK(all.failure == "");
    CHECK(all.outcomes.size() == 3);
}
