// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>
#include <runnel/broker.hpp>
#include <runnel/channel.hpp>
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/inbox.hpp>
#include <runnel/list_options.hpp>
#include <runnel/outcome.hpp>
#include <runnel/snapshot.hpp>
#include <runnel/stats.hpp>
#include <runnel/stream.hpp>
#include <runnel/subscription.hpp>

#include "support/catch.hpp"
#include "support/coroutines.hpp"
#include "support/scale.hpp"
#include "support/stress_random.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

// Random calls on the objects of a broker, by one thread, and a count of each thing by itself,
// which a snapshot has to show. What waits are coroutines.

using runnel::Behind;
using runnel::BlockingList;
using runnel::Broker;
using runnel::ChannelStats;
using runnel::Full;
using runnel::GroupStats;
using runnel::ListStats;
using runnel::ManualClock;
using runnel::Push;
using runnel::StreamId;
using runnel::StreamStats;
using runnel::test::Coroutine;
using runnel::test::Random;
using runnel::test::scaled;
using runnel::test::seed_for;
using namespace std::chrono_literals;

namespace {

using Time = std::chrono::nanoseconds;

Coroutine push_in_time(const BlockingList<int>& list, runnel::Timeout timeout) {
    (void)co_await list.async_push_back(1, {.timeout = timeout});
}

// How long those have waited that have begun at these times.
class PushTimes {
public:
    void begin(Time now) { begun_.push_back(now); }
    void end(std::size_t at, Time now) {
        over_ += now - begun_[at];
        begun_.erase(begun_.begin() + static_cast<long>(at));
    }
    void add(Time whole) { over_ += whole; }
    [[nodiscard]] Time total(Time now) const {
        Time total = over_;
        for (const Time begun : begun_) total += now - begun;
        return total;
    }

private:
    std::deque<Time> begun_;
    Time over_{0};
};

// A list, and its pushes that wait.
class CountedList {
public:
    CountedList(const Broker& broker, const std::string& name, ManualClock& clock,
                std::size_t capacity, Full when_full)
        : clock_{clock},
          list_{broker.list<int>(name, {.capacity = capacity, .when_full = when_full})} {
        counted_.capacity = capacity;
    }

    void step(Random& random) {
        switch (random.below(9)) {
        case 0:
        case 1:
        case 2:
            return push(1 + random.below(3));
        case 3:
            return pop(1);
        case 4:
            return pop(1 + random.below(5));
        case 5:
            return push_front();
        case 6:
            return wait();
        case 7:
            return stop_one(random);
        default:
            return end_in_time();
        }
    }

    void check(const ListStats& stats) {
        greatest_ = std::max(greatest_, counted_.size);
        counted_.blocked_pushes = pushes_.size();
        counted_.blocked_for = times_.total(now());
        REQUIRE(stats.high_water <= greatest_);
        REQUIRE(2 * stats.high_water >= greatest_);
        counted_.high_water = stats.high_water;
        REQUIRE(stats == counted_);
        REQUIRE(list_.stats() == counted_);
    }

private:
    [[nodiscard]] Time now() const { return clock_.now().time_since_epoch(); }
    [[nodiscard]] bool is_full() const { return counted_.size == counted_.capacity; }
    [[nodiscard]] Full when_full() const { return list_.options().when_full; }

    // What the rule of the list makes of one push. False: it is refused.
    bool enter() {
        if (is_full() && when_full() != Full::drop_other_end) return false;
        ++counted_.pushed;
        if (is_full())
            ++counted_.dropped;
        else
            ++counted_.size;
        greatest_ = std::max(greatest_, counted_.size);
        return true;
    }
    void leave(std::size_t count) {
        counted_.size -= count;
        counted_.popped += count;
        for (; !pushes_.empty() && !is_full(); pushes_.pop_front()) {
            REQUIRE(pushes_.front().done());
            times_.end(0, now());
            REQUIRE(enter());
        }
    }

    void push(std::size_t count) {
        std::vector<int> many(count, 1);
        const bool tries = when_full() == Full::block;
        bool is_refused = false;
        for (; count != 0 && !is_refused; --count) is_refused = !enter();
        if (is_refused) ++counted_.refused;
        const auto pushed = list_.push_back_many(
            many, {.timeout = tries ? runnel::Timeout{0s} : runnel::Timeout{}});
        REQUIRE((pushed.ending == Push::full) == is_refused);
    }
    void push_front() {
        const bool is_in = enter();
        if (!is_in) ++counted_.refused;
        REQUIRE((list_.try_push_front(1) == Push::done) == is_in);
    }
    void pop(std::size_t count) {
        if (count == 1) {
            if (list_.try_pop_front()) leave(1);
        } else if (const auto batch = list_.try_pop_front_many(count)) {
            leave(batch.size());
        }
    }

    void wait() {
        if (when_full() != Full::block || !is_full()) return;
        pushes_.push_back(push_in_time(list_, {}));
        times_.begin(now());
    }
    void stop_one(Random& random) {
        if (pushes_.empty()) return;
        const std::size_t at = random.below(pushes_.size());
        pushes_.erase(pushes_.begin() + static_cast<long>(at));
        times_.end(at, now());
    }
    void end_in_time() {
        if (when_full() != Full::block || !is_full()) return;
        const Coroutine push = push_in_time(list_, 10ms);
        clock_.advance(20ms);
        REQUIRE(push.done());
        ++counted_.refused;
        times_.add(10ms);
    }

    ManualClock& clock_;
    BlockingList<int> list_;
    ListStats counted_;
    std::size_t greatest_ = 0;
    std::deque<Coroutine> pushes_;
    PushTimes times_;
};

// A stream of at most so many entries, and a group.
class CountedEntries {
public:
    CountedEntries(const Broker& broker, ManualClock& clock, std::size_t limit)
        : clock_{clock}, stream_{broker.stream<int>("stream", {.keep = {.count = limit}})} {
        counted_.limit = limit;
        GroupStats& group = counted_.groups.emplace_back();
        group.name = "group";
        group.consumers = 2;
    }

    void step(Random& random) {
        GroupStats& group = counted_.groups.at(0);
        switch (random.below(9)) {
        case 0:
        case 1:
        case 2:
            return add();
        case 3:
            for (const auto& one : ann_.try_read({.count = 1 + random.below(3)})) {
                pending_[one.id] = 1;
                position_ = one.id;
                ++group.delivered;
            }
            return;
        case 4:
            for (const auto& one : ann_.try_read({.count = 1, .acknowledged = true})) {
                position_ = one.id;
                ++group.delivered;
                ++group.acknowledged;
            }
            return;
        case 5:
            if (pending_.empty()) return;
            REQUIRE(group_.ack({pending_.begin()->first}) == 1);
            pending_.erase(pending_.begin());
            ++group.acknowledged;
            return;
        case 6: {
            const auto claimed = bob_.autoclaim({.min_idle = 10ms, .count = 2});
            for (const auto& one : claimed) pending_.at(one.id) = one.attempt;
            for (const StreamId& id : claimed.lost()) pending_.erase(id);
            group.redelivered += claimed.size();
            group.dropped += claimed.lost().size();
            return;
        }
        case 7:
            if (entries_.empty()) return;
            ++counted_.erased;
            return remove(
                *std::next(entries_.begin(), static_cast<long>(random.below(entries_.size()))),
                true);
        default:
            if (random.percent(20)) {
                while (entries_.size() > 2) remove(*entries_.begin(), false);
                (void)stream_.trim({.count = 2});
            }
        }
    }

    void check(const StreamStats& stats) {
        GroupStats& group = counted_.groups.at(0);
        runnel::Backlog& backlog = group.backlog;
        counted_.size = entries_.size();
        counted_.high_water = std::max(counted_.high_water, entries_.size());
        counted_.age = entries_.empty() ? std::nullopt : age_of(*entries_.begin());
        const auto next = entries_.upper_bound(position_);
        backlog.lag = static_cast<std::size_t>(std::distance(next, entries_.end()));
        backlog.undelivered_age = next == entries_.end() ? std::nullopt : age_of(*next);
        backlog.pending = pending_.size();
        backlog.unacknowledged_age =
            pending_.empty() ? std::nullopt : age_of(pending_.begin()->first);
        backlog.attempts.reset();
        for (const auto& [id, attempts] : pending_)
            backlog.attempts = std::max(backlog.attempts.value_or(0), attempts);
        REQUIRE(stats == counted_);
    }

private:
    [[nodiscard]] std::optional<std::chrono::milliseconds> age_of(StreamId id) const {
        return std::chrono::milliseconds{StreamId::at(clock_.wall()).ms - id.ms};
    }
    void add() {
        entries_.insert(stream_.add(1));
        ++counted_.added;
        if (entries_.size() <= counted_.limit) return;
        ++counted_.trimmed;
        entries_.erase(entries_.begin());
    }
    void remove(StreamId id, bool erases) {
        counted_.high_water = std::max(counted_.high_water, entries_.size());
        entries_.erase(id);
        if (erases)
            REQUIRE(stream_.erase({id}) == 1);
        else
            ++counted_.trimmed;
    }

    ManualClock& clock_;
    runnel::Stream<int> stream_;
    runnel::ConsumerGroup<int> group_ = stream_.group("group");
    runnel::Consumer<int> ann_ = group_.consumer("ann");
    runnel::Consumer<int> bob_ = group_.consumer("bob");
    StreamStats counted_;
    std::set<StreamId> entries_;
    std::map<StreamId, std::uint64_t> pending_;  // how often each was delivered
    StreamId position_{};
};

// A channel with a subscription of each kind, and an inbox.
class CountedMessages {
public:
    CountedMessages(const Broker& broker, ManualClock& clock, bool is_sharded)
        : channel_{is_sharded ? broker.sharded_channel<int>("channel")
                              : broker.channel<int>("channel")},
          inbox_{runnel::InboxOptions{.bound = 4, .clock = &clock}} {
        inbox_.join(channel_);
        counted_.subscriptions = 2;
        counted_.inboxes = 1;
        counted_.limit = 8;
    }

    void step(Random& random) {
        switch (random.below(6)) {
        case 0:
        case 1:
        case 2:
            return publish();
        case 3:
            counted_.missed += skip();
            return;
        case 4:
            blocked_ -= holding_.try_read({.count = 2}).size();
            return;
        default:
            waiting_ -= inbox_.try_read({.count = 2}).size();
        }
    }

    void check(const ChannelStats& stats) {
        counted_.behind = blocked_;
        counted_.retained = stats.retained;
        counted_.high_water = stats.high_water;
        greatest_ = std::max(greatest_, stats.retained);
        REQUIRE(stats.high_water >= greatest_);
        REQUIRE(stats == counted_);
    }

private:
    // How many messages the subscription that skips has to skip before it reads up to three.
    [[nodiscard]] std::uint64_t skip() {
        const std::uint64_t waiting = counted_.published - read_;
        const std::uint64_t skipped = waiting - std::min<std::uint64_t>(waiting, 5);
        read_ += skipped + std::min<std::uint64_t>(waiting - skipped, 3);
        std::size_t left = 3;
        while (left != 0) {
            const auto batch = skipping_.try_read({.count = left});
            if (!batch) break;
            left -= batch.size();
        }
        return skipped;
    }

    void publish() {
        const bool has_room = blocked_ != 8;
        REQUIRE((channel_.try_publish(1).ending == Push::done) == has_room);
        if (!has_room) {
            ++counted_.refused;
            return;
        }
        ++counted_.published;
        ++blocked_;
        const bool reaches_inbox = waiting_ != 4;
        counted_.delivered += reaches_inbox ? 3 : 2;
        if (reaches_inbox)
            ++waiting_;
        else
            ++counted_.missed;
    }

    runnel::Channel<int> channel_;
    runnel::Subscription<int> skipping_ = channel_.subscribe({.bound = 5});
    runnel::Subscription<int> holding_ =
        channel_.subscribe({.bound = 8, .when_behind = Behind::block});
    runnel::Inbox<int> inbox_;
    ChannelStats counted_;
    std::uint64_t read_ = 0;
    std::size_t blocked_ = 0;
    std::size_t waiting_ = 0;
    std::size_t greatest_ = 0;
};

}  // namespace

TEST_CASE("a snapshot shows what a count of everything gives", "[broker][snapshot][model]") {
    Random random{seed_for("snapshot")};
    for (std::size_t round = scaled(20); round != 0; --round) {
        ManualClock clock;
        const Broker broker{{&clock}};
        CountedList blocking{broker, "1", clock, 3, Full::block};
        CountedList rejecting{broker, "2", clock, 70, Full::reject};
        CountedList dropping{broker, "3", clock, 4, Full::drop_other_end};
        CountedList unlimited{broker, "4", clock, static_cast<std::size_t>(-1), Full::block};
        CountedEntries entries{broker, clock, 1 + random.below(100)};
        CountedMessages messages{broker, clock, false};
        CountedMessages shards{broker, clock, true};
        for (int step = 0; step != 400; ++step) {
            blocking.step(random);
            rejecting.step(random);
            dropping.step(random);
            unlimited.step(random);
            entries.step(random);
            messages.step(random);
            shards.step(random);
            if (random.percent(30)) clock.advance(std::chrono::milliseconds{random.below(20)});
            if (random.percent(70)) continue;
            const auto snapshot = broker.snapshot({.attempts = true});
            REQUIRE(snapshot.at == clock.now());
            REQUIRE(snapshot.lists.size() == 4);
            blocking.check(snapshot.lists[0].stats);
            rejecting.check(snapshot.lists[1].stats);
            dropping.check(snapshot.lists[2].stats);
            unlimited.check(snapshot.lists[3].stats);
            entries.check(snapshot.streams.at(0).stats);
            messages.check(snapshot.channels.at(0).stats);
            shards.check(snapshot.sharded_channels.at(0).stats);
        }
    }
}
