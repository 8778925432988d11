// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>
#include <runnel/channel.hpp>
#include <runnel/channel_options.hpp>
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/error.hpp>
#include <runnel/inbox.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream.hpp>
#include <runnel/wait_any.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/channels.hpp"
#include "support/elements.hpp"
#include "support/streams.hpp"
#include "support/watches.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using runnel::Behind;
using runnel::BlockingList;
using runnel::Channel;
using runnel::Consumer;
using runnel::ConsumerGroup;
using runnel::Cursor;
using runnel::Ending;
using runnel::ErrorCode;
using runnel::From;
using runnel::Inbox;
using runnel::ManualClock;
using runnel::Push;
using runnel::Stream;
using runnel::Subscription;
using runnel::wait_any;
using runnel::WaitedAny;
using runnel::Watch;
using runnel::test::Call;
using runnel::test::elements;
using runnel::test::ending;
using runnel::test::error_of;
using runnel::test::fill;
using runnel::test::ids;
using runnel::test::moving;
using runnel::test::popping_front;
using runnel::test::reading;
using runnel::test::value;
using runnel::test::waiting_for_any;
using runnel::test::which;
using namespace std::chrono_literals;

namespace {

// A list, a cursor and a consumer, of three types of message.
struct ThreeModels {
    ManualClock clock;
    BlockingList<std::string> jobs{{.clock = &clock}};
    Stream<int> prices{{.clock = &clock}};
    Stream<std::unique_ptr<int>> orders{{.clock = &clock}};
    ConsumerGroup<std::unique_ptr<int>> group = orders.group("group");
    Cursor<int> cursor = prices.cursor();
    Consumer<std::unique_ptr<int>> ann = group.consumer("ann", {.max_pending = 2});

    std::vector<Watch> all = watches();

    std::vector<Watch> watches() {
        std::vector<Watch> made;
        made.emplace_back(jobs);
        made.emplace_back(cursor);
        made.emplace_back(ann);
        return made;
    }

    [[nodiscard]] WaitedAny look() { return wait_any(all, {.timeout = 0s}); }

    [[nodiscard]] Call<WaitedAny> waiting(runnel::Timeout timeout = {}) {
        return waiting_for_any(clock, all, timeout);
    }

    void order(int number) const { orders.add(std::make_unique<int>(number)); }

    [[nodiscard]] std::size_t waits() const {
        return jobs.stats().blocked_pops + prices.info().waiting + orders.info().waiting;
    }
};

// A subscription and an inbox.
struct TwoSubscribers {
    ManualClock clock;
    Channel<int> ticks{{.clock = &clock}};
    Channel<std::string> news{{.clock = &clock}};
    Subscription<int> view = ticks.subscribe({.bound = 2});
    Inbox<std::string> inbox{{.clock = &clock}};
    std::vector<Watch> all;

    TwoSubscribers() {
        inbox.join(news);
        all.emplace_back(view);
        all.emplace_back(inbox);
    }

    [[nodiscard]] WaitedAny look() const { return wait_any(all, {.timeout = 0s}); }
};

}  // namespace

// ------------------------------------------------------------------ at once

TEST_CASE_METHOD(ThreeModels, "of several objects, the first that has something is told of",
                 "[wait_any]") {
    CHECK(ending(look()) == Ending::timed_out);
    order(1);
    CHECK(which(look()) == 2U);
    prices.add(1);
    CHECK(which(look()) == 1U);
    fill<std::string>(jobs, {"a"});
    CHECK(which(look()) == 0U);
}

TEST_CASE_METHOD(ThreeModels, "objects can be named in the call", "[wait_any]") {
    fill<std::string>(jobs, {"a"});
    CHECK(which(wait_any({cursor, jobs})) == 1U);
    CHECK(which(wait_any({jobs, cursor, ann})) == 0U);
    CHECK(which(wait_any({jobs})) == 0U);
    order(1);
    CHECK(which(wait_any({cursor, group.consumer("bob")}, {.timeout = 1h})) == 1U);
}

TEST_CASE_METHOD(ThreeModels, "to be told of something takes nothing", "[wait_any]") {
    fill<std::string>(jobs, {"a", "b"});
    prices.add(1);
    order(1);
    for (int times = 0; times != 3; ++times) CHECK(which(look()) == 0U);
    CHECK(elements(jobs) == std::vector<std::string>{"a", "b"});
    CHECK(cursor.try_read().size() == 1);
    CHECK(group.info().pending == 0);
    CHECK(group.lag() == 1);
    CHECK(waits() == 0);
}

TEST_CASE_METHOD(ThreeModels, "a cursor is told of what is behind its place", "[wait_any]") {
    prices.add(1);
    CHECK(which(look()) == 1U);
    CHECK(cursor.try_read().size() == 1);
    CHECK_FALSE(look());
    const auto id = prices.add(2);
    CHECK(which(look()) == 1U);
    prices.erase({id});
    CHECK_FALSE(look());
}

TEST_CASE_METHOD(ThreeModels, "a consumer with as much in hand as it may is told of nothing",
                 "[wait_any][group]") {
    for (const int number : {1, 2, 3}) order(number);
    CHECK(which(look()) == 2U);
    const auto in_hand = ann.try_read();
    CHECK(in_hand.size() == 2);
    CHECK_FALSE(look());
    CHECK(which(wait_any({group.consumer("bob")})) == 0U);
    CHECK(in_hand[0].ack() == runnel::Ack::done);
    CHECK(which(look()) == 2U);
}

TEST_CASE_METHOD(ThreeModels, "to be told of something is no call of the consumer",
                 "[wait_any][group]") {
    clock.advance(1h);
    CHECK_FALSE(look());
    order(1);
    CHECK(which(look()) == 2U);
    CHECK(group.consumers().at(0).idle == 1h);

    // Nor does it make one.
    const auto bob = group.consumer("bob");
    group.remove_consumer("bob");
    CHECK(which(wait_any({bob})) == 0U);
    CHECK(group.consumers().size() == 1);
}

// ------------------------------------------------------------------ waiting

TEST_CASE_METHOD(ThreeModels, "a wait for several objects ends with whichever has something first",
                 "[wait_any][wait]") {
    auto for_job = waiting();
    REQUIRE(for_job.waits());
    CHECK(waits() == 3);
    CHECK(jobs.push_back("a") == Push::done);
    CHECK(which(for_job.result()) == 0U);
    CHECK(waits() == 0);
    CHECK(value(jobs.try_pop_front()) == "a");

    auto for_price = waiting();
    REQUIRE(for_price.waits());
    prices.add(1);
    CHECK(which(for_price.result()) == 1U);
    CHECK(cursor.try_read().size() == 1);

    auto for_order = waiting();
    REQUIRE(for_order.waits());
    order(1);
    CHECK(which(for_order.result()) == 2U);
    CHECK(ann.try_read().size() == 1);
    CHECK(waits() == 0);
}

TEST_CASE_METHOD(ThreeModels, "what a wait was told of stays for whoever comes",
                 "[wait_any][wait]") {
    auto told = waiting();
    CHECK(jobs.push_back("a") == Push::done);
    CHECK(which(told.result()) == 0U);
    CHECK(elements(jobs) == std::vector<std::string>{"a"});
    CHECK(jobs.push_back("b") == Push::done);
    CHECK(value(jobs.try_pop_front()) == "a");
    CHECK(value(jobs.pop_front()) == "b");
}

TEST_CASE_METHOD(ThreeModels, "who stands in line behind a wait for several is served as before",
                 "[wait_any][order]") {
    auto told = waiting();
    auto pop = popping_front(clock, jobs);
    std::vector<Watch> again;
    again.emplace_back(jobs);
    auto also_told = waiting_for_any(clock, again);
    auto next = popping_front(clock, jobs);
    CHECK(jobs.push_back("a") == Push::done);
    CHECK(which(told.result()) == 0U);
    CHECK(value(pop.result()) == "a");
    CHECK(also_told.waits());
    CHECK(next.waits());
    CHECK(jobs.push_back("b") == Push::done);
    CHECK(which(also_told.result()) == 0U);
    CHECK(value(next.result()) == "b");
    CHECK(jobs.size() == 0);
}

TEST_CASE_METHOD(ThreeModels, "a consumer that waits behind a wait for several gets the entry",
                 "[wait_any][order][group]") {
    auto told = waiting();
    const auto bob = group.consumer("bob");
    auto read = reading(clock, bob);
    order(1);
    CHECK(which(told.result()) == 2U);
    CHECK(read.result().size() == 1);
    CHECK(ann.try_read().size() == 0);
}

TEST_CASE_METHOD(ThreeModels, "everybody who waits for a cursor's stream hears of an entry",
                 "[wait_any][order]") {
    auto other = prices.cursor();
    auto told = waiting();
    auto read = reading(clock, other);
    prices.add(1);
    CHECK(which(told.result()) == 1U);
    CHECK(read.result().size() == 1);
}

TEST_CASE_METHOD(ThreeModels, "a push of many tells of itself once", "[wait_any][wait]") {
    auto told = waiting();
    std::vector<std::string> messages{"a", "b"};
    CHECK(jobs.push_back_many(messages).count == 2);
    CHECK(which(told.result()) == 0U);
    CHECK(jobs.size() == 2);
}

TEST_CASE_METHOD(ThreeModels, "a wait hears of what a move brings, and not of what it passes on",
                 "[wait_any][wait]") {
    BlockingList<std::string> source{{.clock = &clock}};
    auto move = moving(clock, source, jobs);
    auto told = waiting();
    CHECK(source.push_back("a") == Push::done);
    CHECK(value(move.result()) == "a");
    CHECK(which(told.result()) == 0U);
    CHECK(elements(jobs) == std::vector<std::string>{"a"});
}

TEST_CASE("a wait hears of an element that a move cannot take", "[wait_any][wait]") {
    ManualClock clock;
    BlockingList<std::string> source{{.clock = &clock}};
    BlockingList<std::string> full{{.capacity = 1, .clock = &clock}};
    fill<std::string>(full, {"x"});
    auto move = moving(clock, source, full);
    std::vector<Watch> watches;
    watches.emplace_back(source);
    auto told = waiting_for_any(clock, watches);
    CHECK(source.push_back("a") == Push::done);
    CHECK(which(told.result()) == 0U);
    CHECK(move.waits());
    CHECK(which(wait_any(watches)) == 0U);
    CHECK(value(full.try_pop_front()) == "x");
    CHECK(value(move.result()) == "a");
}

TEST_CASE_METHOD(ThreeModels, "a wait hears of room for the consumer", "[wait_any][wait][group]") {
    for (const int number : {1, 2, 3}) order(number);
    const auto in_hand = ann.try_read();
    auto told = waiting();
    REQUIRE(told.waits());
    order(4);
    CHECK(told.waits());
    CHECK(in_hand[1].ack() == runnel::Ack::done);
    CHECK(which(told.result()) == 2U);
}

TEST_CASE_METHOD(ThreeModels, "one object may be named twice", "[wait_any][wait]") {
    std::vector<Watch> twice;
    for (int times = 0; times != 2; ++times) {
        twice.emplace_back(jobs);
        twice.emplace_back(cursor);
    }
    auto told = waiting_for_any(clock, twice);
    REQUIRE(told.waits());
    CHECK(jobs.push_back("a") == Push::done);
    CHECK(which(told.result()) == 0U);
    CHECK(waits() == 0);
    CHECK(value(jobs.try_pop_front()) == "a");

    auto closing = waiting_for_any(clock, twice);
    jobs.close();
    CHECK(closing.waits());
    prices.close();
    CHECK(ending(closing.result()) == Ending::closed);
}

// ------------------------------------------------------------------ time and stop

TEST_CASE_METHOD(ThreeModels, "a wait for several objects ends when its time is over",
                 "[wait_any][time]") {
    auto told = waiting(1h);
    clock.advance(1h - 1ns);
    CHECK(told.waits());
    clock.advance(1ns);
    CHECK(ending(told.result()) == Ending::timed_out);
    CHECK(waits() == 0);
}

TEST_CASE_METHOD(ThreeModels, "a wait for several objects ends when it is asked to stop",
                 "[wait_any][stop]") {
    auto told = waiting();
    REQUIRE(told.waits());
    told.stop();
    CHECK(ending(told.result()) == Ending::stopped);
    CHECK(waits() == 0);

    std::stop_source stop;
    stop.request_stop();
    CHECK(ending(wait_any(all, {.stop = stop.get_token()})) == Ending::stopped);
    prices.add(1);
    CHECK(which(wait_any(all, {.stop = stop.get_token()})) == 1U);
}

// ------------------------------------------------------------------ closing

TEST_CASE_METHOD(ThreeModels, "a wait for several objects ends when the last one is closed",
                 "[wait_any][close]") {
    auto told = waiting();
    orders.close();
    jobs.close();
    CHECK(told.waits());
    prices.close();
    CHECK(ending(told.result()) == Ending::closed);
    CHECK(ending(look()) == Ending::closed);
    CHECK(waits() == 0);
}

TEST_CASE_METHOD(ThreeModels, "what is left in a closed object is told of", "[wait_any][close]") {
    fill<std::string>(jobs, {"a"});
    prices.add(1);
    order(1);
    jobs.close();
    prices.close();
    orders.close();
    CHECK(which(wait_any(all)) == 0U);
    CHECK(value(jobs.try_pop_front()) == "a");
    CHECK(which(wait_any(all)) == 1U);
    CHECK(cursor.try_read().size() == 1);
    CHECK(which(wait_any(all)) == 2U);
    CHECK(ann.try_read().size() == 1);
    CHECK(ending(look()) == Ending::closed);
}

TEST_CASE_METHOD(ThreeModels, "a wait goes on with what is still open", "[wait_any][close]") {
    jobs.close();
    orders.close();
    auto told = waiting();
    REQUIRE(told.waits());
    prices.add(1);
    CHECK(which(told.result()) == 1U);
}

TEST_CASE_METHOD(ThreeModels, "a wait ends when the group of a consumer is removed",
                 "[wait_any][close][group]") {
    auto told = waiting();
    REQUIRE(told.waits());
    orders.remove_group("group");
    CHECK(ending(told.result()) == Ending::gone);
    CHECK(ending(wait_any(all)) == Ending::gone);
    fill<std::string>(jobs, {"a"});
    CHECK(which(wait_any(all)) == 0U);
}

TEST_CASE_METHOD(ThreeModels, "a wait for room ends once nothing is left in a closed stream",
                 "[wait_any][close][group]") {
    for (const int number : {1, 2, 3}) order(number);
    const auto in_hand = ann.try_read();
    std::vector<Watch> watches;
    watches.emplace_back(ann);
    auto told = waiting_for_any(clock, watches);
    orders.close();
    REQUIRE(told.waits());
    CHECK(group.consumer("bob").try_read().size() == 1);
    CHECK(ending(told.result()) == Ending::closed);
}

TEST_CASE("a wait does not keep open what it waits for", "[wait_any][close]") {
    ManualClock clock;
    std::vector<Watch> watches;
    std::optional<Cursor<int>> cursor;
    {
        const BlockingList<int> list{{.clock = &clock}};
        const Stream<int> stream{{.clock = &clock}};
        const Stream<int> other{{.clock = &clock}};
        const Consumer<int> one = other.group("group").consumer("ann", {.max_pending = 1});
        other.add(1);
        other.add(2);
        REQUIRE(one.try_read({.count = 1}).size() == 1);
        cursor.emplace(stream.cursor());
        watches.emplace_back(list);
        watches.emplace_back(*cursor);
        watches.emplace_back(one);
        CHECK(ending(wait_any(watches, {.timeout = 0s})) == Ending::timed_out);
    }
    CHECK(ending(wait_any(watches, {.timeout = 0s})) == Ending::closed);
}

// ------------------------------------------------------------------ channels

TEST_CASE_METHOD(TwoSubscribers, "a subscription and an inbox are told of messages",
                 "[wait_any][channel]") {
    CHECK_FALSE(look());
    CHECK(news.publish("a") == 1);
    CHECK(which(look()) == 1U);
    CHECK(ticks.publish(1) == 1);
    CHECK(which(look()) == 0U);
    CHECK(which(wait_any({inbox, view})) == 0U);
    CHECK(view.try_read().size() == 1);
    CHECK(which(look()) == 1U);
    CHECK(inbox.try_read().size() == 1);
    CHECK_FALSE(look());
}

TEST_CASE_METHOD(runnel::test::WeighedChannel, "a subscription is not told of what it has to skip",
                 "[wait_any][channel]") {
    Subscription<int> view = channel.subscribe({.bytes = {.hard = 100}});
    publish({100});
    std::vector<Watch> watches;
    watches.emplace_back(view);
    CHECK_FALSE(wait_any(watches, {.timeout = 0s}));
    auto told = waiting_for_any(clock, watches);
    REQUIRE(told.waits());
    publish({100});
    REQUIRE(told.waits());
    SECTION("but of what comes next") {
        publish({99});
        CHECK(which(told.result()) == 0U);
        CHECK(view.read().missed() == 2);
    }
    SECTION("but when nothing comes any more") {
        channel.close();
        CHECK(which(told.result()) == 0U);
        CHECK(view.read().missed() == 2);
        CHECK(ending(wait_any(watches)) == Ending::closed);
    }
}

TEST_CASE_METHOD(TwoSubscribers, "a wait ends with a message for a subscription or an inbox",
                 "[wait_any][channel][wait]") {
    auto for_tick = waiting_for_any(clock, all);
    REQUIRE(for_tick.waits());
    CHECK(ticks.info().waiting == 1);
    CHECK(ticks.publish(1) == 1);
    CHECK(which(for_tick.result()) == 0U);
    CHECK(ticks.info().waiting == 0);
    CHECK(view.try_read().size() == 1);

    auto for_news = waiting_for_any(clock, all);
    REQUIRE(for_news.waits());
    CHECK(news.publish("a") == 1);
    CHECK(which(for_news.result()) == 1U);
    CHECK(inbox.try_read().size() == 1);
}

TEST_CASE_METHOD(TwoSubscribers, "who has missed messages is told of those that are left",
                 "[wait_any][channel]") {
    for (int tick = 1; tick <= 5; ++tick) (void)ticks.publish(int{tick});
    CHECK(which(look()) == 0U);
    CHECK(view.try_read().missed() == 3);
    while (view.try_read()) continue;
    CHECK_FALSE(look());
}

TEST_CASE_METHOD(TwoSubscribers, "other readers of a channel are served as before",
                 "[wait_any][channel][order]") {
    auto other = ticks.subscribe();
    auto told = waiting_for_any(clock, all);
    Call read{clock, [&](const std::stop_token& stop) { return other.read({.stop = stop}); }};
    CHECK(ticks.publish(1) == 2);
    CHECK(which(told.result()) == 0U);
    CHECK(read.result().size() == 1);
}

TEST_CASE_METHOD(TwoSubscribers,
                 "a wait over channels ends by time, by stop and when all are closed",
                 "[wait_any][channel][close]") {
    auto late = waiting_for_any(clock, all, 1h);
    clock.advance(1h);
    CHECK(ending(late.result()) == Ending::timed_out);

    auto stopped = waiting_for_any(clock, all);
    REQUIRE(stopped.waits());
    stopped.stop();
    CHECK(ending(stopped.result()) == Ending::stopped);
    CHECK(ticks.info().waiting == 0);

    auto closed = waiting_for_any(clock, all);
    CHECK(news.publish("left") == 1);
    CHECK(which(closed.result()) == 1U);
    CHECK(inbox.try_read().size() == 1);
    auto closing = waiting_for_any(clock, all);
    ticks.close();
    CHECK(closing.waits());
    news.close();
    CHECK(ending(closing.result()) == Ending::closed);
    CHECK(ending(look()) == Ending::closed);
}

TEST_CASE("a wait ends when a subscription or an inbox is disconnected", "[wait_any][channel]") {
    const Channel<int> channel;
    auto view = channel.subscribe({.bound = 1, .when_behind = Behind::disconnect});
    for (const int number : {1, 2}) CHECK(channel.publish(int{number}) == 1);
    CHECK(ending(wait_any({view})) == Ending::disconnected);

    Inbox<int> inbox{{.bound = 1, .when_behind = Behind::disconnect}};
    inbox.join(channel);
    for (const int number : {1, 2}) CHECK(channel.publish(int{number}) == 1);
    CHECK(ending(wait_any({inbox})) == Ending::disconnected);
}

TEST_CASE_METHOD(TwoSubscribers, "messages may be waited for together with work",
                 "[wait_any][channel]") {
    const BlockingList<int> jobs{{.clock = &clock}};
    fill(jobs, {1});
    CHECK(which(wait_any({view, inbox, jobs})) == 2U);
    CHECK(ticks.publish(1) == 1);
    CHECK(which(wait_any({view, inbox, jobs})) == 0U);
}

// ------------------------------------------------------------------ moved and destroyed

TEST_CASE("watches follow cursors, subscriptions and inboxes that are moved", "[wait_any][moved]") {
    ManualClock clock;
    const Stream<int> stream{{.clock = &clock}};
    const Channel<int> channel{{.clock = &clock}};
    const Channel<int> other{{.clock = &clock}};
    std::vector<Cursor<int>> cursors;
    std::vector<Subscription<int>> views;
    std::vector<Inbox<int>> inboxes;
    std::vector<Watch> watches;
    for (int number = 0; number != 9; ++number) {
        watches.emplace_back(cursors.emplace_back(stream.cursor()));
        watches.emplace_back(views.emplace_back(channel.subscribe()));
        watches.emplace_back(inboxes.emplace_back(runnel::InboxOptions{.clock = &clock}));
        inboxes.back().join(other);
    }
    CHECK_FALSE(wait_any(watches, {.timeout = 0s}));

    auto for_entry = waiting_for_any(clock, watches);
    REQUIRE(for_entry.waits());
    stream.add(1);
    CHECK(which(for_entry.result()) == 0U);
    for (Cursor<int>& cursor : cursors) CHECK(cursor.try_read().size() == 1);
    auto for_message = waiting_for_any(clock, watches);
    REQUIRE(for_message.waits());
    CHECK(channel.publish(1) == 9);
    CHECK(which(for_message.result()) == 1U);
    for (Subscription<int>& view : views) CHECK(view.try_read().size() == 1);
    CHECK(other.publish(1) == 9);
    CHECK(which(wait_any(watches)) == 2U);
    for (Inbox<int>& inbox : inboxes) CHECK(inbox.try_read().size() == 1);
    CHECK_FALSE(wait_any(watches, {.timeout = 0s}));
}

TEST_CASE("a watch goes with what is assigned to another", "[wait_any][moved]") {
    const Stream<int> stream;
    const Channel<int> channel;
    auto cursor = stream.cursor();
    auto view = channel.subscribe();
    auto next_cursor = stream.cursor();
    auto next_view = channel.subscribe();
    const Watch of_old_cursor{cursor};
    const Watch of_old_view{view};
    const Watch of_cursor{next_cursor};
    const Watch of_view{next_view};
    cursor = std::move(next_cursor);
    view = std::move(next_view);
    const auto look = [](const Watch& watch) {
        return wait_any(std::span{&watch, 1}, {.timeout = 0s});
    };
    CHECK(ending(look(of_old_cursor)) == Ending::gone);
    CHECK(ending(look(of_old_view)) == Ending::gone);
    CHECK(ending(look(of_cursor)) == Ending::timed_out);
    CHECK(ending(look(of_view)) == Ending::timed_out);
    stream.add(1);
    CHECK(channel.publish(1) == 1);
    CHECK(look(of_cursor));
    CHECK(look(of_view));
    CHECK(cursor.try_read().size() == 1);
    CHECK(view.try_read().size() == 1);
    CHECK_FALSE(look(of_cursor));
    CHECK_FALSE(look(of_view));
}

TEST_CASE("a wait for what was destroyed ends at once", "[wait_any][moved]") {
    const Stream<int> stream;
    const Channel<int> channel;
    std::optional cursor{stream.cursor()};
    std::optional view{channel.subscribe()};
    auto inbox = std::make_optional<Inbox<int>>();
    inbox->join(channel);
    std::optional consumer{stream.group("group").consumer("ann")};
    const Watch of_consumer{*consumer};
    const std::vector<Watch> gone = [&] {
        std::vector<Watch> made;
        made.emplace_back(*cursor);
        made.emplace_back(*view);
        made.emplace_back(*inbox);
        return made;
    }();
    cursor.reset();
    view.reset();
    inbox.reset();
    consumer.reset();
    stream.add(1);
    for (const Watch& watch : gone) CHECK(ending(wait_any(std::span{&watch, 1})) == Ending::gone);
    CHECK(which(wait_any(std::span{&of_consumer, 1})) == 0U);
}

// ------------------------------------------------------------------ misuse

TEST_CASE("to wait for nothing is an error", "[wait_any]") {
    const std::vector<Watch> none;
    CHECK(error_of([&] { return wait_any(none); }) == ErrorCode::invalid_argument);
    CHECK(error_of([] { return wait_any({}); }) == ErrorCode::invalid_argument);
}

TEST_CASE_METHOD(ThreeModels, "to wait for objects of several clocks is an error", "[wait_any]") {
    const BlockingList<int> elsewhere;
    CHECK(error_of([&] { return wait_any({jobs, elsewhere}); }) == ErrorCode::invalid_argument);
    CHECK(&Watch{jobs}.clock() == &clock);
    CHECK(&Watch{elsewhere}.clock() == &runnel::SystemClock::instance());
}

// ------------------------------------------------------------------ real time

TEST_CASE("in real time one thread serves a list, a cursor and a consumer", "[wait_any][race]") {
    constexpr int count = 3'000;
    const BlockingList<int> list;
    const Stream<int> stream;
    const Stream<int> shared;
    auto cursor = stream.cursor();
    const auto consumer = shared.group("group").consumer("ann");
    std::size_t popped = 0;
    std::size_t read = 0;
    std::size_t delivered = 0;
    std::vector<std::jthread> senders;
    senders.emplace_back([list] {
        for (int number = 0; number != count; ++number) {
            if (list.push_back(int{number}) != Push::done) return;
        }
        list.close();
    });
    for (const Stream<int>* one : {&stream, &shared}) {
        senders.emplace_back([one] {
            for (int number = 0; number != count; ++number) one->add(int{number});
            one->close();
        });
    }
    while (auto any = wait_any({list, cursor, consumer})) {
        if (any.which() == 0 && list.try_pop_front()) ++popped;
        if (any.which() == 1) read += cursor.try_read().size();
        if (any.which() == 2) delivered += consumer.try_read({.acknowledged = true}).size();
    }
    CHECK(popped == count);
    CHECK(read == count);
    CHECK(delivered == count);
}

TEST_CASE("in real time one thread reads a subscription and an inbox", "[wait_any][race]") {
    constexpr int count = 3'000;
    const Channel<int> channel;
    const Channel<int> other;
    auto view = channel.subscribe({.bound = 16, .when_behind = Behind::block});
    Inbox<int> inbox{{.bound = count}};
    inbox.join(other);
    std::size_t viewed = 0;
    std::size_t received = 0;
    std::vector<std::jthread> senders;
    for (const Channel<int>* one : {&channel, &other}) {
        senders.emplace_back([one] {
            for (int number = 0; number != count; ++number)
                if (one->publish(int{number}).ending != Push::done) return;
            one->close();
        });
    }
    while (auto any = wait_any({view, inbox})) {
        if (any.which() == 0) viewed += view.try_read().size();
        if (any.which() == 1) received += inbox.try_read().size();
    }
    CHECK(viewed == count);
    CHECK(received == count);
}

TEST_CASE("in real time no element is lost between waits for several and pops",
          "[wait_any][race]") {
    constexpr int count = 4'000;
    const BlockingList<int> one{{.capacity = 16}};
    const BlockingList<int> other{{.capacity = 16}};
    std::atomic<int> taken = 0;
    {
        std::vector<std::jthread> takers;
        for (int number = 0; number != 2; ++number) {
            takers.emplace_back([&] {
                const BlockingList<int> both[]{one, other};
                while (auto any = wait_any({one, other}))
                    if (both[any.which()].try_pop_front()) ++taken;
            });
        }
        takers.emplace_back([&] {
            while (one.pop_front()) ++taken;
        });
        for (int number = 0; number != count; ++number)
            REQUIRE((number % 2 == 0 ? one : other).push_back(int{number}) == Push::done);
        one.close();
        other.close();
    }
    CHECK(taken == count);
}
