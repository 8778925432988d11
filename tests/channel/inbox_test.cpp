// SPDX-License-Identifier: MIT
#include <runnel/channel.hpp>
#include <runnel/clock.hpp>
#include <runnel/inbox.hpp>
#include <runnel/outcome.hpp>

#include "support/catch.hpp"
#include "support/channels.hpp"
#include "support/lifetime.hpp"
#include "support/scale.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using runnel::Behind;
using runnel::Channel;
using runnel::ChannelOptions;
using runnel::Ending;
using runnel::ErrorCode;
using runnel::Inbox;
using runnel::InboxOptions;
using runnel::ManualClock;
using runnel::Push;
using runnel::test::Census;
using runnel::test::drain;
using runnel::test::ending;
using runnel::test::error_of;
using runnel::test::gaps;
using runnel::test::MoveOnly;
using runnel::test::number_range;
using runnel::test::Numbers;
using runnel::test::reading;
using runnel::test::scaled;
using runnel::test::values;
using runnel::test::Words;
using namespace std::chrono_literals;

using Gaps = std::vector<std::uint64_t>;

namespace {

// Two channels of numbers; a number counts as many bytes.
struct Market {
    ManualClock clock;
    ChannelOptions<int> options{
        .weigh = [](const int& number) { return static_cast<std::size_t>(number); },
        .clock = &clock};
    Channel<int> apples{options, "apples"};
    Channel<int> pears{options, "pears"};
};

struct MarketInbox : Market {
    Inbox<int> inbox{{.clock = &clock}};

    MarketInbox() {
        inbox.join(apples);
        inbox.join(pears);
    }
};

template <typename T>
Words channels(const runnel::InboxMessages<T>& batch) {
    Words names;
    for (const auto& message : batch) names.push_back(message.channel);
    return names;
}

}  // namespace

// ------------------------------------------------------------------ what it gets

TEST_CASE_METHOD(MarketInbox, "an inbox gets the messages of several channels in order of arrival",
                 "[inbox]") {
    apples.publish(1);
    pears.publish(2);
    pears.publish(3);
    apples.publish(4);
    const auto batch = inbox.read();
    CHECK(values(batch) == Numbers{1, 2, 3, 4});
    CHECK(channels(batch) == Words{"apples", "pears", "pears", "apples"});
    CHECK(batch[0].pattern.empty());
    CHECK(batch.missed() == 0);
    CHECK_FALSE(inbox.try_read());
}

TEST_CASE_METHOD(Market, "an inbox gets what is published while it has joined", "[inbox]") {
    Inbox<int> inbox;
    apples.publish(1);
    inbox.join(apples);
    apples.publish(2);
    pears.publish(3);
    inbox.join(pears);
    pears.publish(4);
    CHECK(inbox.leave(pears));
    pears.publish(5);
    apples.publish(6);
    inbox.join(pears);
    pears.publish(7);
    CHECK(drain(inbox) == Numbers{2, 4, 6, 7});
}

TEST_CASE_METHOD(Market, "who joins twice gets each message twice, and leaves once", "[inbox]") {
    Inbox<int> inbox;
    inbox.join(apples);
    inbox.join(apples);
    CHECK(apples.info().inboxes == 2);
    CHECK(apples.publish(1) == 2);
    CHECK(apples.publish(2) == 2);
    CHECK(drain(inbox) == Numbers{1, 1, 2, 2});
    CHECK(inbox.leave(apples));
    CHECK(apples.publish(3) == 0);
    CHECK_FALSE(inbox.leave(apples));
}

TEST_CASE_METHOD(MarketInbox, "who leaves keeps what waits", "[inbox]") {
    apples.publish(1);
    pears.publish(2);
    CHECK(inbox.leave(apples));
    CHECK(inbox.leave(pears));
    CHECK(drain(inbox) == Numbers{1, 2});
    CHECK(ending(inbox.read()) == Ending::closed);
}

TEST_CASE_METHOD(Market, "leaving a channel that was not joined says so", "[inbox]") {
    Inbox<int> inbox;
    CHECK_FALSE(inbox.leave(apples));
    inbox.join(apples);
    CHECK_FALSE(inbox.leave(pears));
    CHECK(apples.subscribers() == 1);
}

TEST_CASE_METHOD(Market, "each inbox gets its own", "[inbox]") {
    Inbox<int> one;
    Inbox<int> other;
    one.join(apples);
    other.join(apples);
    other.join(pears);
    CHECK(apples.publish(1) == 2);
    CHECK(pears.publish(2) == 1);
    CHECK(one.leave(apples));
    CHECK(apples.publish(3) == 1);
    CHECK(drain(one) == Numbers{1});
    CHECK(drain(other) == Numbers{1, 2, 3});
}

TEST_CASE_METHOD(MarketInbox, "a read of an inbox gives as many as it was asked for", "[inbox]") {
    for (int number = 1; number <= 500; ++number)
        (number % 3 == 0 ? apples : pears).publish(number);
    CHECK(values(inbox.read({.count = 2})) == Numbers{1, 2});
    CHECK(values(inbox.try_read({.count = 1})) == Numbers{3});
    CHECK(values(inbox.read({.count = 297})) == number_range(4, 300));
    CHECK(values(inbox.read()) == number_range(301, 500));
}

TEST_CASE_METHOD(MarketInbox, "a batch of an inbox shows its messages in place", "[inbox]") {
    apples.publish(1);
    pears.publish(2);
    const auto batch = inbox.read();
    REQUIRE(batch);
    CHECK(batch.size() == 2);
    CHECK(batch[1].value == 2);
    CHECK(batch.front().value == 1);
    CHECK(batch.back().value == 2);
    CHECK(&batch[1].value == &batch[1].value);
    auto at = batch.begin();
    CHECK((*at++).value == 1);
    CHECK((*at).channel == "pears");
    CHECK(++at == batch.end());
}

TEST_CASE("a channel that nobody has named has an empty name for its inboxes", "[inbox]") {
    const Channel<int> channel;
    Inbox<int> inbox;
    inbox.join(channel);
    channel.publish(1);
    const auto batch = inbox.read();
    CHECK(batch.front().channel.empty());
    CHECK(batch.front().pattern.empty());
}

TEST_CASE("messages that can only be moved go through an inbox in place", "[inbox]") {
    const Channel<std::unique_ptr<int>> channel;
    Inbox<std::unique_ptr<int>> one;
    Inbox<std::unique_ptr<int>> other;
    one.join(channel);
    other.join(channel);
    CHECK(channel.publish(std::make_unique<int>(7)) == 2);
    const auto first = one.read();
    const auto second = other.read();
    CHECK(*first[0].value == 7);
    CHECK(first[0].value.get() == second[0].value.get());
}

// ------------------------------------------------------------------ full: it drops the newest

TEST_CASE_METHOD(Market, "what comes to a full inbox is missed, and the next message tells",
                 "[inbox][drop]") {
    Inbox<int> inbox{{.bound = 2}};
    inbox.join(apples);
    inbox.join(pears);
    for (int number = 1; number != 6; ++number) apples.publish(number);
    CHECK(inbox.missed() == 3);
    const auto first = inbox.read({.count = 1});
    CHECK(values(first) == Numbers{1});
    CHECK(first.missed() == 0);
    CHECK(pears.publish(6) == 1);
    CHECK(pears.publish(7) == 0);
    const auto second = inbox.read();
    CHECK(values(second) == Numbers{2, 6});
    CHECK(gaps(second) == Gaps{0, 3});
    CHECK(second.missed() == 3);
    apples.publish(8);
    apples.publish(9);
    const auto third = inbox.read();
    CHECK(gaps(third) == Gaps{1, 0});
    CHECK(third.missed() == 1);
    CHECK(inbox.missed() == 4);
    CHECK(inbox.connected());
}

TEST_CASE_METHOD(Market, "fewer bytes than its hard bound may wait in an inbox",
                 "[inbox][drop][bytes]") {
    Inbox<int> inbox{{.bytes = {.hard = 100}}};
    inbox.join(apples);
    CHECK(apples.publish(60) == 1);
    CHECK(apples.publish(40) == 0);
    CHECK(apples.publish(39) == 1);
    CHECK(apples.publish(1) == 0);
    CHECK(apples.publish(0) == 1);
    CHECK(inbox.read({.count = 1}).size() == 1);
    CHECK(apples.publish(60) == 1);
    const auto batch = inbox.read();
    CHECK(values(batch) == Numbers{39, 0, 60});
    CHECK(gaps(batch) == Gaps{1, 1, 0});
}

TEST_CASE_METHOD(Market, "a message that alone is too heavy for an inbox is missed",
                 "[inbox][drop][bytes]") {
    Inbox<int> inbox{{.bytes = {.hard = 100}, .clock = &clock}};
    inbox.join(apples);
    auto read = reading(clock, inbox);
    CHECK(apples.publish(100) == 0);
    REQUIRE(read.waits());
    CHECK(apples.publish(99) == 1);
    CHECK(gaps(read.result()) == Gaps{1});
    CHECK(inbox.missed() == 1);
}

// ------------------------------------------------------------------ full: it is disconnected

TEST_CASE_METHOD(Market, "one message more than its bound disconnects an inbox from all channels",
                 "[inbox][disconnect]") {
    Inbox<int> inbox{{.bound = 2, .when_behind = Behind::disconnect}};
    inbox.join(apples);
    inbox.join(pears);
    apples.publish(1);
    pears.publish(2);
    CHECK(inbox.connected());
    CHECK(apples.publish(3) == 1);
    CHECK_FALSE(inbox.connected());
    CHECK(apples.publish(4) == 0);
    CHECK(pears.publish(5) == 0);
    CHECK(inbox.missed() == 3);
    for (int round = 0; round != 2; ++round) {
        CHECK(ending(inbox.read()) == Ending::disconnected);
        CHECK(ending(inbox.try_read()) == Ending::disconnected);
    }
    CHECK(inbox.missed() == 3);
    CHECK(pears.subscribers() == 0);
}

TEST_CASE_METHOD(Market, "as many bytes as its hard bound disconnect an inbox",
                 "[inbox][disconnect][bytes]") {
    Inbox<int> inbox{{.when_behind = Behind::disconnect, .bytes = {.hard = 100}, .clock = &clock}};
    inbox.join(apples);
    apples.publish(60);
    apples.publish(39);
    CHECK(inbox.connected());
    CHECK(drain(inbox) == Numbers{60, 39});
    auto read = reading(clock, inbox);
    CHECK(apples.publish(100) == 1);
    CHECK(ending(read.result()) == Ending::disconnected);
    CHECK(inbox.missed() == 1);
}

namespace {

// Up to 200 bytes may wait, but 50 for no longer than a minute.
struct SoftInbox : Market {
    Inbox<int> inbox{{.when_behind = Behind::disconnect,
                      .bytes = {.hard = 200, .soft = 50, .soft_for = 60s},
                      .clock = &clock}};

    SoftInbox() { inbox.join(apples); }
};

}  // namespace

TEST_CASE_METHOD(SoftInbox, "too many bytes for too long disconnect an inbox",
                 "[inbox][disconnect][bytes][time]") {
    apples.publish(50);
    clock.advance(60s);
    apples.publish(1);
    CHECK(inbox.connected());
    clock.advance(1ns);
    CHECK(inbox.connected());
    CHECK(apples.publish(1) == 1);
    CHECK_FALSE(inbox.connected());
    CHECK(inbox.missed() == 3);
}

TEST_CASE_METHOD(SoftInbox, "an inbox that was read for a moment has as much time as before",
                 "[inbox][disconnect][bytes][time]") {
    apples.publish(50);
    clock.advance(50s);
    CHECK(drain(inbox) == Numbers{50});
    clock.advance(20s);
    apples.publish(50);
    clock.advance(60s);
    apples.publish(1);
    CHECK(inbox.connected());
    clock.advance(1ns);
    apples.publish(1);
    CHECK_FALSE(inbox.connected());
}

TEST_CASE_METHOD(SoftInbox, "what is lost dies with the next read of its inbox",
                 "[inbox][disconnect]") {
    const Census census;
    const Channel<MoveOnly> channel;
    Inbox<MoveOnly> small{{.bound = 2, .when_behind = Behind::disconnect}};
    small.join(channel);
    for (int number = 0; number != 4; ++number) channel.publish(number);
    CHECK(ending(small.read()) == Ending::disconnected);
    CHECK(census.alive() == 0);
    CHECK(census.faults() == 0);
}

// ------------------------------------------------------------------ waiting

TEST_CASE_METHOD(MarketInbox, "a read of an inbox waits until something comes from anywhere",
                 "[inbox][wait]") {
    for (int number = 1; number <= 100; ++number) {
        auto read = reading(clock, inbox);
        REQUIRE(read.waits());
        (number % 2 == 0 ? apples : pears).publish(number);
        REQUIRE(values(read.result()) == Numbers{number});
    }
}

TEST_CASE_METHOD(MarketInbox, "a read of an inbox ends when its time is over, to the nanosecond",
                 "[inbox][time]") {
    auto read = reading(clock, inbox, {.timeout = 1h});
    clock.advance(1h - 1ns);
    CHECK(read.waits());
    clock.advance(1ns);
    CHECK(ending(read.result()) == Ending::timed_out);
    apples.publish(1);
    CHECK(drain(inbox) == Numbers{1});
}

TEST_CASE_METHOD(MarketInbox, "a read of an inbox that may not wait does not", "[inbox][time]") {
    CHECK(ending(inbox.try_read()) == Ending::timed_out);
    CHECK(ending(inbox.read({.timeout = 0s})) == Ending::timed_out);
    apples.publish(1);
    CHECK(values(inbox.read({.timeout = -1s})) == Numbers{1});
}

TEST_CASE_METHOD(MarketInbox, "a read of an inbox ends when it is asked to stop, if nothing waits",
                 "[inbox][stop]") {
    auto read = reading(clock, inbox);
    read.stop();
    CHECK(ending(read.result()) == Ending::stopped);
    std::stop_source stop;
    stop.request_stop();
    CHECK(ending(inbox.read({.stop = stop.get_token()})) == Ending::stopped);
    apples.publish(1);
    CHECK(values(inbox.read({.stop = stop.get_token()})) == Numbers{1});
}

// ------------------------------------------------------------------ closing

TEST_CASE_METHOD(MarketInbox, "an inbox ends once all of its channels are closed",
                 "[inbox][close]") {
    apples.publish(1);
    apples.close();
    pears.publish(2);
    CHECK(drain(inbox) == Numbers{1, 2});
    CHECK(ending(inbox.try_read()) == Ending::timed_out);
    auto read = reading(clock, inbox);
    REQUIRE(read.waits());
    pears.close();
    CHECK(ending(read.result()) == Ending::closed);
    CHECK(ending(inbox.try_read()) == Ending::closed);
    CHECK(inbox.connected());
}

TEST_CASE_METHOD(MarketInbox, "what waits is read before an inbox ends", "[inbox][close]") {
    apples.publish(1);
    pears.publish(2);
    apples.close();
    pears.close();
    CHECK(values(inbox.read({.count = 1})) == Numbers{1});
    CHECK(values(inbox.read()) == Numbers{2});
    CHECK(ending(inbox.read()) == Ending::closed);
}

TEST_CASE_METHOD(MarketInbox, "a channel that was joined twice is closed once for its inbox",
                 "[inbox][close]") {
    inbox.join(apples);
    apples.close();
    CHECK(ending(inbox.try_read()) == Ending::timed_out);
    pears.publish(1);
    CHECK(drain(inbox) == Numbers{1});
    pears.close();
    CHECK(ending(inbox.read()) == Ending::closed);
}

TEST_CASE("an inbox that has joined nothing has ended, until it joins", "[inbox][close]") {
    Inbox<int> inbox;
    CHECK(ending(inbox.read()) == Ending::closed);
    CHECK(ending(inbox.try_read()) == Ending::closed);
    const Channel<int> channel;
    inbox.join(channel);
    CHECK(ending(inbox.try_read()) == Ending::timed_out);
}

TEST_CASE_METHOD(MarketInbox, "an inbox that has left its open channels does not wait for them",
                 "[inbox][close]") {
    CHECK(inbox.leave(pears));
    apples.close();
    CHECK(ending(inbox.read()) == Ending::closed);
}

TEST_CASE("an inbox does not keep a channel open, but what came from it", "[inbox][close]") {
    const Census census;
    {
        Inbox<MoveOnly> inbox;
        {
            const Channel<MoveOnly> channel{{}, "short"};
            inbox.join(channel);
            for (int number = 0; number != 100; ++number) channel.publish(number);
        }
        const auto batch = inbox.read({.count = 70});
        CHECK(batch.size() == 70);
        CHECK(batch[69].value.get() == 69);
        CHECK(batch[69].channel == "short");
        CHECK(inbox.read({.count = 10}).size() == 10);
        inbox = Inbox<MoveOnly>{};
        CHECK(batch[0].value.get() == 0);
        CHECK(batch[0].channel == "short");
    }
    CHECK(census.alive() == 0);
    CHECK(census.faults() == 0);
}

// ------------------------------------------------------------------ errors

TEST_CASE("options of an inbox that make no sense are refused", "[inbox][error]") {
    const auto refused = [](const InboxOptions& options) {
        return error_of([&] { return Inbox<int>{options}; }) == ErrorCode::invalid_argument;
    };
    CHECK(refused({.bound = 0}));
    CHECK(refused({.when_behind = Behind::skip_oldest}));
    CHECK(refused({.when_behind = Behind::block}));
    CHECK(refused({.bytes = {.hard = 0}}));
    CHECK(refused({.bytes = {.soft = 1}}));
    CHECK(refused({.when_behind = Behind::disconnect, .bytes = {.soft = 0}}));
    CHECK(refused({.when_behind = Behind::disconnect, .bytes = {.soft = 1, .soft_for = -1s}}));
    CHECK_FALSE(refused({.when_behind = Behind::disconnect, .bytes = {.soft = 1}}));
}

TEST_CASE_METHOD(MarketInbox, "a read of no messages is refused by an inbox", "[inbox][error]") {
    apples.publish(1);
    CHECK(error_of([&] { return inbox.read({.count = 0}); }) == ErrorCode::invalid_argument);
    CHECK(error_of([&] { return inbox.try_read({.count = 0}); }) == ErrorCode::invalid_argument);
    CHECK(drain(inbox) == Numbers{1});
}

TEST_CASE_METHOD(Market, "a closed channel cannot be joined", "[inbox][error]") {
    Inbox<int> inbox;
    inbox.join(pears);
    apples.close();
    CHECK(error_of([&] {
              inbox.join(apples);
              return 0;
          }) == ErrorCode::closed);
    CHECK(ending(inbox.try_read()) == Ending::timed_out);
    pears.close();
    CHECK(ending(inbox.read()) == Ending::closed);
}

// ------------------------------------------------------------------ life times

TEST_CASE_METHOD(MarketInbox, "an inbox that moves keeps what it has", "[inbox]") {
    STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<Inbox<int>>);
    apples.publish(1);
    Inbox<int> moved = std::move(inbox);
    CHECK(apples.subscribers() == 1);
    pears.publish(2);
    Inbox<int> other;
    other.join(apples);
    CHECK(apples.subscribers() == 2);
    other = std::move(moved);
    CHECK(apples.subscribers() == 1);
    apples.publish(3);
    CHECK(drain(other) == Numbers{1, 2, 3});
    inbox = std::move(other);
    Inbox<int>& same = inbox;
    inbox = std::move(same);
    CHECK(inbox.leave(pears));
}

TEST_CASE("messages die once all inboxes have let them go", "[inbox]") {
    const Census census;
    {
        const Channel<MoveOnly> channel;
        Inbox<MoveOnly> one;
        std::optional<Inbox<MoveOnly>> other{std::in_place};
        one.join(channel);
        other->join(channel);
        for (int number = 0; number != 200; ++number) channel.publish(number);
        CHECK(channel.info().retained == 0);
        CHECK(census.alive() == 200);
        for (int number = 0; number != 200; ++number) {
            const auto batch = one.read({.count = 1});
            REQUIRE(batch[0].value.get() == number);
        }
        other.reset();
        CHECK(census.alive() == 0);
        channel.publish(1);
        CHECK(census.alive() == 1);
    }
    CHECK(census.alive() == 0);
    CHECK(census.faults() == 0);
}

TEST_CASE("in real time an inbox gets all that two threads publish, each in its order",
          "[inbox][system]") {
    const int last = static_cast<int>(scaled(20'000));
    Inbox<int> inbox{{.bound = static_cast<std::size_t>(2 * last)}};
    int odd = 0;
    int even = 0;
    int faults = 0;
    {
        const Channel<int> one;
        const Channel<int> other;
        inbox.join(one);
        inbox.join(other);
        const std::jthread first{[&] {
            for (int number = 1; number <= last; ++number) one.publish(2 * number);
            one.close();
        }};
        const std::jthread second{[&] {
            for (int number = 1; number <= last; ++number) other.publish(2 * number + 1);
            other.close();
        }};
        while (const auto batch = inbox.read()) {
            for (const auto& message : batch) {
                int& count = message.value % 2 == 0 ? even : odd;
                faults += message.value / 2 == ++count ? 0 : 1;
            }
        }
    }
    CHECK(faults == 0);
    CHECK(even == last);
    CHECK(odd == last);
    CHECK(inbox.missed() == 0);
}
