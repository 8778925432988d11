// SPDX-License-Identifier: MIT
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/stats.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/scale.hpp"
#include "support/stress_random.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <vector>

using runnel::Backlog;
using runnel::Consumer;
using runnel::ConsumerGroup;
using runnel::ManualClock;
using runnel::Nack;
using runnel::Stream;
using runnel::StreamId;
using runnel::test::Random;
using runnel::test::scaled;
using runnel::test::seed_for;
using namespace std::chrono_literals;

namespace {

using Age = std::optional<std::chrono::milliseconds>;

// A stream whose ids are times, and a group of it.
struct TimedGroup {
    ManualClock clock;
    Stream<int> stream{{.clock = &clock}};
    ConsumerGroup<int> group = stream.group("group");
    Consumer<int> ann = group.consumer("ann");

    void add_every(std::chrono::milliseconds pause, int count) {
        for (; count != 0; --count) {
            (void)stream.add(count);
            clock.advance(pause);
        }
    }
};

}  // namespace

TEST_CASE_METHOD(TimedGroup, "a group that has delivered all has no backlog", "[group][backlog]") {
    CHECK(group.backlog({.attempts = true}) == Backlog{});
    add_every(1s, 1);
    REQUIRE(ann.try_read({.acknowledged = true}));
    CHECK(group.backlog({.attempts = true}) == Backlog{});
}

TEST_CASE_METHOD(TimedGroup,
                 "the age of the oldest entry that is to be delivered is told by its id",
                 "[group][backlog]") {
    add_every(10s, 3);
    CHECK(group.backlog() == Backlog{.lag = 3, .undelivered_age = 30s});
    REQUIRE(ann.try_read({.count = 1, .acknowledged = true}));
    CHECK(group.backlog() == Backlog{.lag = 2, .undelivered_age = 20s});
    clock.advance(1ms);
    CHECK(group.backlog().undelivered_age == Age{20'001ms});
}

TEST_CASE_METHOD(TimedGroup, "the oldest pending entry has an age, whoever has it",
                 "[group][backlog]") {
    add_every(10s, 3);
    const auto batch = ann.try_read({.count = 2});
    CHECK(group.backlog() ==
          Backlog{.lag = 1, .pending = 2, .undelivered_age = 10s, .unacknowledged_age = 30s});
    REQUIRE(batch[0].nack() == runnel::Ack::done);
    CHECK(group.backlog().released == 1);
    CHECK(group.backlog().unacknowledged_age == Age{30s});
    REQUIRE(group.ack({batch[0].id}) == 1);
    CHECK(group.backlog().unacknowledged_age == Age{20s});
    REQUIRE(batch[1].ack() == runnel::Ack::done);
    CHECK(group.backlog().unacknowledged_age == Age{});
}

TEST_CASE_METHOD(TimedGroup, "what was trimmed is not to be delivered, but may be pending",
                 "[group][backlog]") {
    add_every(10s, 4);
    REQUIRE(ann.try_read({.count = 1}));
    REQUIRE(stream.trim({.count = 1}) == 3);
    CHECK(group.backlog() ==
          Backlog{.lag = 1, .pending = 1, .undelivered_age = 10s, .unacknowledged_age = 40s});
}

TEST_CASE_METHOD(TimedGroup, "an age is never negative", "[group][backlog]") {
    add_every(0ms, 2);
    REQUIRE(ann.try_read({.count = 1}));
    clock.step_wall(-1h);
    CHECK(group.backlog() ==
          Backlog{.lag = 1, .pending = 1, .undelivered_age = 0ms, .unacknowledged_age = 0ms});
    (void)stream.add(StreamId::max(), 1);
    REQUIRE(ann.try_read({.count = 1, .acknowledged = true}));
    CHECK(group.backlog().undelivered_age == Age{0ms});
}

TEST_CASE("before 1970 all ages are 0", "[group][backlog]") {
    ManualClock clock{ManualClock::WallTime{-1h}};
    const Stream<int> stream{{.clock = &clock}};
    const auto group = stream.group("group");
    (void)stream.add(StreamId{5}, 1);
    CHECK(group.backlog().undelivered_age == Age{0ms});
}

TEST_CASE_METHOD(TimedGroup,
                 "the count of the entry that was delivered most often is told if asked",
                 "[group][backlog]") {
    add_every(1s, 200);
    REQUIRE(ann.try_read({.count = 150}).size() == 150);
    CHECK_FALSE(group.backlog().attempts);
    CHECK(group.backlog({.attempts = true}).attempts == 1U);
    const auto id = group.pending({}).at(99).id;
    REQUIRE(ann.claim({id}, {.min_idle = 0s}).size() == 1);
    REQUIRE(ann.claim({id}, {.min_idle = 0s}).size() == 1);
    CHECK(group.backlog({.attempts = true}).attempts == 3U);
    REQUIRE(group.ack({id}) == 1);
    CHECK(group.backlog({.attempts = true}).attempts == 1U);
    REQUIRE(group.nack({group.pending({}).at(3).id}, Nack::fatal) == 1);
    CHECK(group.backlog({.attempts = true}).attempts ==
          static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()));
}

TEST_CASE_METHOD(TimedGroup, "setting the group back makes a backlog", "[group][backlog]") {
    add_every(1s, 5);
    REQUIRE(ann.try_read({.acknowledged = true}).size() == 5);
    group.set_position(runnel::From::start);
    CHECK(group.backlog() == Backlog{.lag = 5, .undelivered_age = 5s});
}

// Random calls, and a count of each entry by itself.
TEST_CASE("the backlog is what a count of all entries gives", "[group][backlog][model]") {
    Random random{seed_for("backlog")};
    for (std::size_t round = scaled(30); round != 0; --round) {
        TimedGroup scene;
        std::vector<StreamId> undelivered;
        std::map<StreamId, std::pair<std::uint64_t, bool>> pending;  // deliveries, released
        for (int step = 0; step != 200; ++step) {
            switch (random.below(8)) {
            case 0:
            case 1:
            case 2:
                undelivered.push_back(scene.stream.add(step));
                break;
            case 3:
                for (const auto& one : scene.ann.try_read({.count = 1 + random.below(5)})) {
                    pending[one.id] = {1, false};
                    std::erase(undelivered, one.id);
                }
                break;
            case 4:
                if (!pending.empty()) {
                    const auto some =
                        std::next(pending.begin(), static_cast<long>(random.below(pending.size())));
                    REQUIRE(scene.group.ack({some->first}) == 1);
                    pending.erase(some);
                }
                break;
            case 5:
                if (!pending.empty()) {
                    const auto some =
                        std::next(pending.begin(), static_cast<long>(random.below(pending.size())));
                    REQUIRE(scene.group.nack({some->first}) == 1);
                    some->second.second = true;
                }
                break;
            case 6:
                if (!undelivered.empty()) {
                    const auto at = random.below(undelivered.size());
                    REQUIRE(scene.stream.erase({undelivered[at]}) == 1);
                    undelivered.erase(undelivered.begin() + static_cast<long>(at));
                }
                break;
            default:
                if (random.percent(50)) {
                    for (const auto& one : scene.ann.autoclaim({.min_idle = 30ms, .count = 2}))
                        pending[one.id] = {one.attempt, false};
                }
                scene.clock.advance(std::chrono::milliseconds{random.below(50)});
            }
            const auto now = StreamId::at(scene.clock.wall()).ms;
            const auto age = [now](StreamId id) {
                return Age{std::chrono::milliseconds{now - id.ms}};
            };
            Backlog expected;
            expected.lag = undelivered.size();
            expected.pending = pending.size();
            if (!undelivered.empty()) expected.undelivered_age = age(undelivered.front());
            if (!pending.empty()) expected.unacknowledged_age = age(pending.begin()->first);
            for (const auto& [id, one] : pending) {
                expected.released += one.second ? 1U : 0U;
                expected.attempts = std::max(expected.attempts.value_or(0), one.first);
            }
            REQUIRE(scene.group.backlog({.attempts = true}) == expected);
        }
    }
}
