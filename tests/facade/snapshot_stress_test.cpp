// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>
#include <runnel/broker.hpp>
#include <runnel/channel.hpp>
#include <runnel/inbox.hpp>
#include <runnel/list_options.hpp>
#include <runnel/outcome.hpp>
#include <runnel/snapshot.hpp>
#include <runnel/stats.hpp>
#include <runnel/stream.hpp>
#include <runnel/subscription.hpp>

#include "support/catch.hpp"
#include "support/scale.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

using runnel::Broker;
using runnel::BrokerSnapshot;
using runnel::ChannelStats;
using runnel::ListStats;
using runnel::StreamStats;
using runnel::test::scaled;
using namespace std::chrono_literals;

namespace {

// No counter goes back, and what is told of one object fits together.
class Auditor {
public:
    void look(const BrokerSnapshot& snapshot) {
        for (const auto& [name, stats] : snapshot.lists) {
            expect(stats.pushed == stats.popped + stats.dropped + stats.size);
            expect(stats.high_water <= stats.capacity);
        }
        for (const auto& [name, stats] : snapshot.streams) {
            expect(stats.added == stats.size + stats.trimmed + stats.erased);
            expect(stats.size <= stats.limit && stats.size <= stats.high_water);
            for (const auto& group : stats.groups) {
                expect(group.delivered ==
                       group.acknowledged + group.dropped + group.backlog.pending);
                expect(group.backlog.lag <= stats.size);
            }
        }
        if (before_.at != BrokerSnapshot{}.at) compare(snapshot);
        before_ = snapshot;
    }

    int mistakes = 0;

private:
    void expect(bool fits) { mistakes += fits ? 0 : 1; }

    void compare(const BrokerSnapshot& now) {
        expect(before_.at <= now.at);
        for (std::size_t at = 0; at != now.lists.size(); ++at) {
            const ListStats& was = before_.lists[at].stats;
            const ListStats& is = now.lists[at].stats;
            expect(was.pushed <= is.pushed && was.popped <= is.popped);
            expect(was.dropped <= is.dropped && was.refused <= is.refused);
            expect(was.high_water <= is.high_water && was.blocked_for <= is.blocked_for);
        }
        for (std::size_t at = 0; at != now.channels.size(); ++at) {
            const ChannelStats& was = before_.channels[at].stats;
            const ChannelStats& is = now.channels[at].stats;
            expect(was.published <= is.published && was.delivered <= is.delivered);
            expect(was.missed <= is.missed && was.refused <= is.refused);
            expect(was.high_water <= is.high_water && was.blocked_for <= is.blocked_for);
        }
    }

    BrokerSnapshot before_;
};

}  // namespace

TEST_CASE("snapshots are taken while everything runs", "[broker][snapshot][race]") {
    const Broker broker;
    const auto jobs = broker.list<std::string>("jobs", {.capacity = 8});
    const auto more = broker.list<std::string>(
        "more", {.capacity = 4, .when_full = runnel::Full::drop_other_end});
    const auto orders = broker.stream<std::string>("orders", {.keep = {.count = 100}});
    const auto ticks = broker.channel<std::string>("ticks");
    const std::size_t count = scaled(10'000);
    std::atomic<bool> is_over = false;
    Auditor auditor;
    {
        std::jthread watcher{[&] {
            while (!is_over) auditor.look(broker.snapshot({.attempts = true}));
        }};
        {
            std::jthread one{[&] {
                for (std::size_t step = 0; step != count; ++step) {
                    (void)jobs.push_back(std::to_string(step));
                    (void)more.push_front(std::to_string(step));
                    (void)orders.add(std::to_string(step));
                    (void)ticks.publish(std::to_string(step), {.timeout = 1ms});
                }
                jobs.close();
            }};
            std::jthread two{[&] {
                auto view = ticks.subscribe({.bound = 16, .when_behind = runnel::Behind::block});
                auto skipping = ticks.subscribe({.bound = 3});
                runnel::Inbox<std::string> inbox{{.bound = 4}};
                inbox.join(ticks);
                const auto ann = orders.group("group").consumer("ann", {.max_pending = 50});
                while (const auto job = jobs.pop_front()) {
                    (void)more.try_pop_back();
                    const auto batch = ann.try_read({.count = 3});
                    if (batch) batch[0].ack();
                    (void)view.try_read();
                    if (job->size() % 2 == 0) (void)skipping.try_read();
                    (void)inbox.try_read({.count = 1});
                }
            }};
        }
        is_over = true;
    }
    auditor.look(broker.snapshot());
    CHECK(auditor.mistakes == 0);
    CHECK(jobs.stats().pushed == count);
    CHECK(jobs.stats().popped == count);
    CHECK(more.stats().pushed == count);
    CHECK(orders.stats().added == count);
}
