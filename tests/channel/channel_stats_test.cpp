// SPDX-License-Identifier: MIT
#include <runnel/broker.hpp>
#include <runnel/channel.hpp>
#include <runnel/channel_options.hpp>
#include <runnel/clock.hpp>
#include <runnel/inbox.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stats.hpp>
#include <runnel/subscription.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/coroutines.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

using runnel::Behind;
using runnel::Channel;
using runnel::ChannelStats;
using runnel::Inbox;
using runnel::ManualClock;
using runnel::Push;
using runnel::test::Call;
using runnel::test::Coroutine;
using namespace std::chrono_literals;

namespace {

struct CountedChannel {
    ManualClock clock;
    Channel<int> channel{{.clock = &clock}};

    void publish(int count) const {
        for (; count != 0; --count) REQUIRE(channel.try_publish(int{count}).ending == Push::done);
    }
    [[nodiscard]] auto publishing(runnel::Timeout timeout = {}) {
        return Call{clock, [this, timeout](const std::stop_token& stop) {
                        return channel.publish(1, {timeout, stop}).ending;
                    }};
    }
    [[nodiscard]] std::chrono::nanoseconds blocked_for() const {
        return channel.stats().blocked_for;
    }
};

// A subscription that holds publishers back at two messages.
struct HeldAtTwo : CountedChannel {
    runnel::Subscription<int> view = channel.subscribe({.bound = 2, .when_behind = Behind::block});
};

Coroutine publishing_later(const Channel<int>& channel) {
    (void)co_await channel.async_publish(1);
}

}  // namespace

TEST_CASE("a new channel has counted nothing", "[channel][stats]") {
    CHECK(Channel<int>{}.stats() == ChannelStats{});
}

TEST_CASE_METHOD(CountedChannel, "messages are counted, and whom they have reached",
                 "[channel][stats]") {
    publish(3);
    CHECK(channel.stats() == ChannelStats{.published = 3});
    const auto one = channel.subscribe({.bound = 16});
    const auto other = channel.subscribe({.bound = 8});
    const auto handler = channel.on_message([](const int&) {});
    Inbox<int> inbox{{.clock = &clock}};
    inbox.join(channel);
    publish(2);
    const ChannelStats stats = channel.stats();
    CHECK(stats.published == 5);
    CHECK(stats.delivered == 8);
    CHECK(stats.subscriptions == 2);
    CHECK(stats.handlers == 1);
    CHECK(stats.inboxes == 1);
    CHECK(stats.retained == 2);
    CHECK(stats.high_water == 2);
    CHECK(stats.missed == 0);
    CHECK(stats.behind == 0);
}

TEST_CASE_METHOD(CountedChannel, "whom a message reaches is counted while they come and go",
                 "[channel][stats]") {
    std::uint64_t reached = 0;
    const auto publish_some = [&] {
        for (int i = 0; i != 3; ++i) reached += channel.try_publish(2).reached;
        CHECK(channel.stats().delivered == reached);
        for (int i = 0; i != 2; ++i) reached += channel.try_publish(2).reached;  // not looked at
    };
    std::optional view{channel.subscribe({.bound = 1'000})};
    publish_some();
    std::optional handler{channel.on_message([](const int&) {})};
    publish_some();
    const auto once = channel.on_message([](const int&) {}, {.once = true});
    publish_some();
    auto cut = channel.subscribe({.bound = 7, .when_behind = Behind::disconnect});
    publish_some();
    publish_some();
    std::optional<Inbox<int>> inbox{runnel::InboxOptions{.bound = 8, .clock = &clock}};
    inbox->join(channel);
    publish_some();
    publish_some();
    view.reset();
    publish_some();
    handler.reset();
    publish_some();
    inbox.reset();
    publish_some();
    CHECK(channel.stats().delivered == reached);
    CHECK(channel.stats().disconnected == 1);
    CHECK(channel.subscribers() == 0);
}

TEST_CASE_METHOD(CountedChannel, "one that was over its soft limit for too long does not count",
                 "[channel][stats]") {
    const runnel::Broker broker{{&clock}};
    const auto named = broker.channel<int>("named");
    const auto view =
        named.subscribe({.when_behind = Behind::disconnect, .bytes = {.soft = 4, .soft_for = 10s}});
    REQUIRE(named.try_publish(1).reached == 1);
    clock.advance(20s);
    REQUIRE(broker.run_due() == 1);
    REQUIRE(named.try_publish(1).reached == 0);
    CHECK(named.stats().delivered == 1);
    CHECK(named.stats().disconnected == 1);
}

TEST_CASE_METHOD(CountedChannel, "what is kept, and the most that was kept", "[channel][stats]") {
    std::optional view{channel.subscribe({.bound = 4})};
    CHECK(channel.stats().limit == 4);
    publish(200);
    const std::size_t most = channel.stats().high_water;
    CHECK(most >= 4);
    CHECK(most < 200);
    CHECK(channel.stats().retained <= most);
    view.reset();
    CHECK(channel.stats().retained == 0);
    CHECK(channel.stats().high_water == most);
    CHECK(channel.stats().limit == 0);
}

TEST_CASE_METHOD(CountedChannel, "messages that a subscription skips are counted when it reads on",
                 "[channel][stats]") {
    auto view = channel.subscribe({.bound = 4});
    publish(10);
    CHECK(channel.stats().missed == 0);
    REQUIRE(view.try_read().missed() == 6);
    CHECK(channel.stats().missed == 6);
}

TEST_CASE_METHOD(CountedChannel, "so are those of a closed channel", "[channel][stats]") {
    auto view = channel.subscribe({.bound = 4});
    publish(10);
    channel.close();
    REQUIRE(view.try_read().missed() == 6);
    CHECK(channel.stats().missed == 6);
    CHECK(channel.stats().is_closed);
}

TEST_CASE_METHOD(CountedChannel, "messages that an inbox misses are counted at once",
                 "[channel][stats]") {
    Inbox<int> inbox{{.bound = 3, .clock = &clock}};
    inbox.join(channel);
    publish(10);
    CHECK(channel.stats().missed == 7);
    CHECK(channel.stats().delivered == 3);
}

TEST_CASE_METHOD(CountedChannel, "subscriptions that are cut off are counted", "[channel][stats]") {
    auto view = channel.subscribe({.bound = 3, .when_behind = Behind::disconnect});
    publish(3);
    CHECK(channel.stats().behind == 3);
    CHECK(channel.stats().disconnected == 0);
    publish(1);
    CHECK(channel.stats().disconnected == 1);
    CHECK(channel.stats().subscriptions == 0);
    CHECK(channel.stats().behind == 0);
    REQUIRE(view.try_read().ending() == runnel::Ending::disconnected);
    CHECK(channel.stats().missed == 4);
}

TEST_CASE_METHOD(HeldAtTwo, "the subscription that is furthest behind counts", "[channel][stats]") {
    auto other = channel.subscribe({.bound = 9, .when_behind = Behind::block});
    publish(2);
    REQUIRE(view.try_read({.count = 1}));
    CHECK(channel.stats().behind == 2);
    REQUIRE(other.try_read());
    CHECK(channel.stats().behind == 1);
    REQUIRE(view.try_read());
    CHECK(channel.stats().behind == 0);
}

TEST_CASE_METHOD(CountedChannel, "a handler is behind while others wait for it",
                 "[channel][stats]") {
    std::size_t behind = 0;
    const auto handler = channel.on_message([&](const int& number) {
        if (number != 1) return;
        publish(0);
        (void)channel.try_publish(2);
        (void)channel.try_publish(3);
        behind = channel.stats().behind;
    });
    publish(1);
    CHECK(behind == 2);
    CHECK(channel.stats().behind == 0);
}

TEST_CASE_METHOD(HeldAtTwo, "publishes that find no room are counted", "[channel][stats]") {
    publish(2);
    CHECK(channel.try_publish(1).ending == Push::full);
    CHECK(channel.stats().refused == 1);
    {
        auto timed = publishing(5s);
        auto stopped = publishing();
        clock.advance(5s);
        CHECK(timed.result() == Push::full);
        stopped.stop();
        CHECK(stopped.result() == Push::stopped);
    }
    CHECK(channel.stats().refused == 2);
    channel.close();
    CHECK(channel.try_publish(1).ending == Push::closed);
    CHECK(channel.stats().refused == 2);
    CHECK(channel.stats().published == 2);
}

TEST_CASE_METHOD(CountedChannel, "so are those inside handlers", "[channel][stats]") {
    const auto handler = channel.on_message(
        [&](const int& number) {
            if (number != 1) return;
            CHECK(channel.publish(2).ending == Push::done);
            CHECK(channel.publish(2).ending == Push::full);
        },
        {.bound = 1});
    (void)channel.try_publish(1);
    CHECK(channel.stats().refused == 1);
    CHECK(channel.info().refused == 1);
}

TEST_CASE_METHOD(HeldAtTwo, "the time that a publish waits for room counts while it waits",
                 "[channel][stats]") {
    publish(2);
    auto call = publishing();
    clock.advance(2s);
    CHECK(blocked_for() == 2s);
    CHECK(channel.stats().blocked_publishes == 1);
    Coroutine other = publishing_later(channel);
    clock.advance(1s);
    CHECK(blocked_for() == 4s);
    REQUIRE(view.try_read({.count = 1}));
    REQUIRE(call.result() == Push::done);
    clock.advance(1s);
    CHECK(blocked_for() == 5s);
    SECTION("it is destroyed") {
        other.destroy();
    }
    SECTION("it is served") {
        REQUIRE(view.try_read({.count = 1}));
        REQUIRE(other.done());
    }
    SECTION("the channel is closed") {
        channel.close();
    }
    clock.advance(1h);
    CHECK(blocked_for() == 5s);
    CHECK(channel.stats().blocked_publishes == 0);
}

TEST_CASE_METHOD(CountedChannel, "reads that wait are counted", "[channel][stats]") {
    auto view = channel.subscribe();
    {
        Call call{clock,
                  [&](const std::stop_token& stop) { return view.read({.stop = stop}).empty(); }};
        REQUIRE(call.waits());
        CHECK(channel.stats().blocked_reads == 1);
    }
    CHECK(channel.stats().blocked_reads == 0);
}
