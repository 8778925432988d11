// SPDX-License-Identifier: MIT
#include <runnel/broker.hpp>
#include <runnel/clock.hpp>
#include <runnel/rates.hpp>
#include <runnel/snapshot.hpp>
#include <runnel/stats.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using runnel::Backlog;
using runnel::BrokerRates;
using runnel::BrokerSnapshot;
using runnel::ChannelRates;
using runnel::GroupRates;
using runnel::GroupTrend;
using runnel::LagTrend;
using runnel::ListRates;
using runnel::rates;
using runnel::StreamRates;
using runnel::trend;
using namespace std::chrono_literals;

namespace {

BrokerSnapshot snapshot_at(std::chrono::nanoseconds at) {
    BrokerSnapshot snapshot;
    snapshot.at = runnel::Clock::Deadline{at};
    return snapshot;
}

BrokerSnapshot lists_at(std::chrono::nanoseconds at,
                        const std::vector<std::pair<std::string, std::uint64_t>>& pushed) {
    BrokerSnapshot snapshot = snapshot_at(at);
    for (const auto& [name, count] : pushed) snapshot.lists.push_back({name, {.pushed = count}});
    return snapshot;
}

// The lag of some groups, by the names of streams and groups, in order.
BrokerSnapshot
lags_at(std::chrono::nanoseconds at,
        const std::vector<std::pair<std::pair<std::string, std::string>, std::size_t>>& lags) {
    BrokerSnapshot snapshot = snapshot_at(at);
    for (const auto& [names, lag] : lags) {
        const auto& [stream, group] = names;
        if (snapshot.streams.empty() || snapshot.streams.back().name != stream)
            snapshot.streams.push_back({stream, {}});
        snapshot.streams.back().stats.groups.push_back({.name = group, .backlog = {.lag = lag}});
    }
    return snapshot;
}

}  // namespace

// ------------------------------------------------------------------ rates

TEST_CASE("a rate is how much there was a second, by the monotonic time", "[rates]") {
    auto before = lists_at(100s, {{"jobs", 10}});
    auto after = lists_at(104s, {{"jobs", 30}});
    after.wall = before.wall - 1h;
    const BrokerRates all = rates(before, after);
    CHECK(all.between == 4s);
    CHECK(all.lists == std::vector<ListRates>{{.name = "jobs", .pushed = 5}});
}

TEST_CASE("every counter has a rate", "[rates]") {
    auto before = snapshot_at(0s);
    auto after = snapshot_at(2s);
    before.lists.push_back({"a", {}});
    after.lists.push_back(
        {"a", {.dropped = 2, .pushed = 4, .popped = 6, .refused = 8, .blocked_for = 3s}});
    before.streams.push_back({"a", {}});
    after.streams.push_back({"a", {.added = 10, .trimmed = 12, .erased = 14}});
    before.streams[0].stats.groups.push_back({.name = "g"});
    after.streams[0].stats.groups.push_back(
        {.name = "g", .delivered = 16, .redelivered = 18, .acknowledged = 20, .dropped = 22});
    before.channels.push_back({"a", {}});
    after.channels.push_back({"a",
                              {.published = 24,
                               .delivered = 26,
                               .missed = 28,
                               .disconnected = 30,
                               .refused = 32,
                               .blocked_for = 500ms}});
    before.sharded_channels.push_back({"b", {.published = 1}});
    after.sharded_channels.push_back({"b", {.published = 5}});
    const StreamRates stream{"a", 5, 6, 7, {GroupRates{"g", 8, 9, 10, 11}}};
    CHECK(rates(before, after) == BrokerRates{2s,
                                              {ListRates{"a", 2, 3, 1, 4, 1.5}},
                                              {stream},
                                              {ChannelRates{"a", 12, 13, 14, 15, 16, 0.25}},
                                              {ChannelRates{"b", 2}}});
}

TEST_CASE("what is new counts from 0, and what is gone is left out", "[rates]") {
    const auto before = lists_at(0s, {{"a", 1}, {"c", 3}, {"e", 5}, {"g", 7}});
    const auto after = lists_at(1s, {{"b", 20}, {"c", 30}, {"f", 40}, {"g", 50}, {"h", 60}});
    CHECK(rates(before, after).lists == std::vector<ListRates>{{.name = "b", .pushed = 20},
                                                               {.name = "c", .pushed = 27},
                                                               {.name = "f", .pushed = 40},
                                                               {.name = "g", .pushed = 43},
                                                               {.name = "h", .pushed = 60}});
    CHECK(rates(after, lists_at(2s, {})).lists.empty());
}

TEST_CASE("new streams, groups and channels count from 0, too", "[rates]") {
    auto after = lags_at(1s, {{{"orders", "billing"}, 0}});
    after.streams[0].stats.added = 3;
    after.streams[0].stats.groups[0].delivered = 2;
    after.channels.push_back({"ticks", {.published = 4}});
    const auto all = rates(snapshot_at(0s), after);
    CHECK(all.streams == std::vector{StreamRates{"orders", 3, 0, 0, {GroupRates{"billing", 2}}}});
    CHECK(all.channels == std::vector{ChannelRates{"ticks", 4}});
}

TEST_CASE("a counter that went back counts from 0", "[rates]") {
    auto before = lists_at(0s, {{"jobs", 100}});
    auto after = lists_at(2s, {{"jobs", 8}});
    before.lists[0].stats.blocked_for = 1min;
    after.lists[0].stats.blocked_for = 1s;
    CHECK(rates(before, after).lists ==
          std::vector<ListRates>{{.name = "jobs", .pushed = 4, .blocked = 0.5}});
}

TEST_CASE("if no time has passed there are no rates", "[rates]") {
    const auto before = lists_at(5s, {{"jobs", 1}});
    const ListRates none{.name = "jobs"};
    CHECK(rates(before, lists_at(5s, {{"jobs", 9}})).lists == std::vector{none});
    CHECK(rates(before, lists_at(4s, {{"jobs", 9}})).lists == std::vector{none});
}

TEST_CASE("the rates of a broker at work", "[rates]") {
    runnel::ManualClock clock;
    const runnel::Broker broker{{&clock}};
    const auto list = broker.list<int>("jobs");
    const auto before = broker.snapshot();
    for (int i = 0; i != 10; ++i) (void)list.push_back(i);
    clock.advance(5s);
    CHECK(rates(before, broker.snapshot()).lists.at(0).pushed == 2);
}

// ------------------------------------------------------------------ trends

TEST_CASE("a lag that grows never comes to an end", "[trend]") {
    const LagTrend growing = trend(Backlog{.lag = 10}, Backlog{.lag = 30}, 4s);
    CHECK(growing == LagTrend{5, {}});
    CHECK(growing.is_growing());
    const LagTrend steady = trend(Backlog{.lag = 10}, Backlog{.lag = 10}, 4s);
    CHECK(steady == LagTrend{0, {}});
    CHECK_FALSE(steady.is_growing());
}

TEST_CASE("a lag that shrinks tells when it will be 0", "[trend]") {
    const LagTrend shrinking = trend(Backlog{.lag = 30}, Backlog{.lag = 10}, 4s);
    CHECK(shrinking == LagTrend{-5, 2s});
    CHECK_FALSE(shrinking.is_growing());
    CHECK(trend(Backlog{.lag = 30}, Backlog{}, 4s) == LagTrend{-7.5, 0s});
    CHECK(trend(Backlog{}, Backlog{}, 4s) == LagTrend{0, 0s});
}

TEST_CASE("a time that is too long is none", "[trend]") {
    constexpr auto many = std::numeric_limits<std::size_t>::max();
    CHECK_FALSE(trend(Backlog{.lag = many}, Backlog{.lag = many - 5'000}, 1h).zero_in);
    CHECK(trend(Backlog{.lag = 3}, Backlog{.lag = 2}, 100 * 24h).zero_in == 200 * 24h);
}

TEST_CASE("if no time has passed there is no trend", "[trend]") {
    CHECK(trend(Backlog{.lag = 30}, Backlog{.lag = 10}, 0s) == LagTrend{});
    CHECK(trend(Backlog{.lag = 30}, Backlog{}, -1s) == LagTrend{0, 0s});
}

TEST_CASE("the trends of two snapshots are those of the groups in both", "[trend]") {
    const auto before =
        lags_at(0s, {{{"a", "x"}, 1}, {{"b", "x"}, 10}, {{"b", "y"}, 10}, {{"d", "x"}, 1}});
    const auto after = lags_at(
        2s, {{{"b", "w"}, 1}, {{"b", "x"}, 20}, {{"b", "y"}, 4}, {{"c", "x"}, 5}, {{"d", "x"}, 1}});
    CHECK(trend(before, after) == std::vector<GroupTrend>{{"b", "x", {5, {}}},
                                                          {"b", "y", {-3, 1'333'333'334ns}},
                                                          {"d", "x", {0, {}}}});
}
