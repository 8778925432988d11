// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>
#include <runnel/broker.hpp>
#include <runnel/channel.hpp>
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/snapshot.hpp>
#include <runnel/stats.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/elements.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

using runnel::Broker;
using runnel::BrokerSnapshot;
using runnel::ManualClock;
using runnel::test::fill;
using namespace std::chrono_literals;

namespace {

using Names = std::vector<std::string>;

template <typename Snapshots>
Names names_of(const Snapshots& snapshots) {
    Names names;
    for (const auto& one : snapshots) names.push_back(one.name);
    return names;
}

// A broker with some of each kind.
struct FilledBroker {
    ManualClock clock;
    std::optional<Broker> broker{runnel::BrokerOptions{&clock}};
    runnel::BlockingList<int> jobs = broker->list<int>("jobs", {.capacity = 9});
    runnel::Stream<std::string> orders = broker->stream<std::string>("orders", {});
    runnel::Channel<int> ticks = broker->channel<int>("ticks");
    runnel::Channel<int> shard = broker->sharded_channel<int>("ticks");

    FilledBroker() {
        fill(jobs, {1, 2, 3});
        (void)orders.group("billing");
        (void)orders.add("apple");
        (void)ticks.publish(1);
        (void)shard.publish(1);
        (void)shard.publish(2);
    }
};

}  // namespace

TEST_CASE("a new broker has nothing to show but the time", "[broker][snapshot]") {
    ManualClock clock;
    clock.advance(5s);
    clock.step_wall(-1h);
    const Broker broker{{&clock}};
    const BrokerSnapshot snapshot = broker.snapshot();
    CHECK(snapshot == BrokerSnapshot{.wall = clock.wall(), .at = clock.now()});
    CHECK(snapshot.wall != runnel::Clock::WallTime{});
}

TEST_CASE("without a clock of its own a broker goes by that of the system", "[broker][snapshot]") {
    const auto before = std::chrono::steady_clock::now();
    const auto snapshot = Broker{}.snapshot();
    CHECK(snapshot.at >= before);
    CHECK(snapshot.at <= std::chrono::steady_clock::now());
}

TEST_CASE_METHOD(FilledBroker, "a snapshot has what the objects tell by themselves",
                 "[broker][snapshot]") {
    clock.advance(5s);
    const auto snapshot = broker->snapshot();
    REQUIRE(names_of(snapshot.lists) == Names{"jobs"});
    CHECK(snapshot.lists[0].stats == jobs.stats());
    CHECK(snapshot.lists[0].stats.pushed == 3);
    REQUIRE(names_of(snapshot.streams) == Names{"orders"});
    CHECK(snapshot.streams[0].stats == orders.stats());
    CHECK(snapshot.streams[0].stats.groups.at(0) == orders.group("billing").stats());
    REQUIRE(names_of(snapshot.channels) == Names{"ticks"});
    CHECK(snapshot.channels[0].stats == ticks.stats());
    CHECK(snapshot.channels[0].stats.published == 1);
    REQUIRE(names_of(snapshot.sharded_channels) == Names{"ticks"});
    CHECK(snapshot.sharded_channels[0].stats == shard.stats());
    CHECK(snapshot.sharded_channels[0].stats.published == 2);
}

TEST_CASE_METHOD(FilledBroker, "the names stand in order", "[broker][snapshot]") {
    (void)broker->list<int>("b");
    (void)broker->stream<int>("a");
    (void)broker->list<std::unique_ptr<int>>("");
    (void)broker->stream<std::unique_ptr<int>>("z");
    (void)broker->channel<std::string>("a");
    const auto snapshot = broker->snapshot();
    CHECK(names_of(snapshot.lists) == Names{"", "b", "jobs"});
    CHECK(names_of(snapshot.streams) == Names{"a", "orders", "z"});
    CHECK(names_of(snapshot.channels) == Names{"a", "ticks"});
    CHECK(names_of(snapshot.sharded_channels) == Names{"ticks"});
}

TEST_CASE_METHOD(FilledBroker, "attempts are counted if asked for", "[broker][snapshot]") {
    REQUIRE(orders.group("billing").consumer("ann").try_read());
    CHECK_FALSE(broker->snapshot().streams[0].stats.groups[0].backlog.attempts);
    CHECK(broker->snapshot({.attempts = true}).streams[0].stats.groups[0].backlog.attempts == 1U);
}

TEST_CASE_METHOD(FilledBroker, "a name that was removed is not shown, one that is closed is",
                 "[broker][snapshot]") {
    REQUIRE(broker->remove("orders"));
    REQUIRE(broker->remove_channel("ticks"));
    jobs.close();
    auto snapshot = broker->snapshot();
    CHECK(snapshot.streams.empty());
    CHECK(snapshot.channels.empty());
    CHECK(snapshot.lists.at(0).stats.is_closed);
    CHECK_FALSE(snapshot.sharded_channels.at(0).stats.is_closed);
    broker->close();
    snapshot = broker->snapshot();
    CHECK(names_of(snapshot.lists) == Names{"jobs"});
    CHECK(snapshot.sharded_channels.at(0).stats.is_closed);
}

TEST_CASE_METHOD(FilledBroker, "a snapshot refers to nothing", "[broker][snapshot]") {
    const BrokerSnapshot snapshot = broker->snapshot();
    const BrokerSnapshot copy = snapshot;
    CHECK(copy == snapshot);
    (void)jobs.try_pop_front();
    CHECK(broker->snapshot() != snapshot);
    CHECK(copy == snapshot);
    broker.reset();
    CHECK(orders.closed());  // it was the last handle
    CHECK(copy == snapshot);
}
