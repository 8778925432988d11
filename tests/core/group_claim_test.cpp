// SPDX-License-Identifier: MIT
#include <runnel/ack.hpp>
#include <runnel/detail/core/group_state.hpp>
#include <runnel/detail/core/stream_facts.hpp>
#include <runnel/stream_id.hpp>

#include "support/catch.hpp"
#include "support/group_story.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

// What commands of Redis ask of a group, and the typed classes do not: claiming in the order of
// time, releasing with a count, looking for idle entries without taking them, copies.

using runnel::Nack;
using runnel::StreamId;
using runnel::detail::ConsumerRecord;
using runnel::detail::GroupState;
using runnel::detail::LogFacts;
using runnel::detail::PendingEntries;
using runnel::detail::TimedEntry;
using runnel::test::story_of;

namespace {

using IdList = std::vector<StreamId>;

constexpr LogFacts facts{
    .length = 9, .first_id = {1}, .last_id = {9}, .max_deleted_id = {}, .entries_added = 9};

// A group that ann has read from: 1-0 at 10 ms, 2-0 at 20 ms and so on up to 5-0. `gone` are not in
// the stream any more.
struct ReadGroup {
    ReadGroup() {
        for (std::uint64_t ms = 1; ms <= 5; ++ms)
            (void)group.deliver({ms}, ann, static_cast<std::int64_t>(10 * ms), facts, false);
    }

    [[nodiscard]] bool is_live(const StreamId& id) const {
        return std::ranges::find(gone, id) == gone.end();
    }

    // Bob claims at 100 ms what has been idle for so long, up to `count` entries.
    IdList claim_longest_idle(std::int64_t min_idle, std::size_t count = 9) {
        IdList ids;
        group.look_for_longest_idle(
            min_idle, 100, [&](const TimedEntry& one) { return is_live(one.id); },
            [&](const TimedEntry& entry, bool) {
                if (ids.size() == count) return false;
                ids.push_back(entry.id);
                group.take(entry.id, bob, {.delivered = 100}, 100);
                return true;
            });
        return ids;
    }

    [[nodiscard]] std::optional<StreamId> longest_idle() const {
        const TimedEntry* const first =
            group.longest_idle([&](const StreamId& id) { return is_live(id); });
        return first == nullptr ? std::optional<StreamId>{} : first->id;
    }

    IdList gone;
    GroupState group{PendingEntries::timed, {}, 0, facts};
    ConsumerRecord& ann = group.consumer({{}, "ann"}, 0);
    ConsumerRecord& bob = group.consumer({{}, "bob"}, 0);
};

}  // namespace

TEST_CASE("a claim by time takes what has been idle for long enough, the longest first",
          "[group_state]") {
    ReadGroup scene;
    (void)scene.group.claim({1}, true, scene.ann, {.delivered = 45}, 45);
    CHECK(scene.claim_longest_idle(55) == IdList{{2}, {3}, {4}, {1}});
    CHECK(scene.ann.pending == 1);
    CHECK(scene.bob.pending == 4);
    CHECK(scene.bob.active == 100);
}

TEST_CASE("a claim by time ends where the caller ends it", "[group_state]") {
    ReadGroup scene;
    CHECK(scene.claim_longest_idle(0, 2) == IdList{{1}, {2}});
    CHECK(scene.claim_longest_idle(0, 2) == IdList{{3}, {4}});
}

TEST_CASE("a claim by time takes no entry twice, however short the idle time", "[group_state]") {
    ReadGroup scene;
    CHECK(scene.claim_longest_idle(0) == IdList{{1}, {2}, {3}, {4}, {5}});
    SECTION("even if a delivery is in the future") {
        (void)scene.group.claim({5}, true, scene.ann, {.delivered = 500}, 100);
        CHECK(scene.claim_longest_idle(0) == IdList{{1}, {2}, {3}, {4}});
        CHECK(scene.claim_longest_idle(1).empty());
    }
}

TEST_CASE("a claim by time takes what was released first, however long the idle time",
          "[group_state]") {
    ReadGroup scene;
    (void)scene.group.release({4}, Nack::fail);
    (void)scene.group.release({2}, Nack::fail);
    CHECK(scene.claim_longest_idle(1'000'000) == IdList{{4}, {2}});
}

TEST_CASE("a claim by time passes over what the stream has lost, which stays pending",
          "[group_state]") {
    ReadGroup scene;
    scene.gone = {{1}, {3}};
    CHECK(scene.longest_idle() == StreamId{2});
    CHECK(scene.claim_longest_idle(55) == IdList{{2}, {4}});
    CHECK(scene.group.pending().size() == 5);
}

TEST_CASE("nothing has been idle where nothing is pending or the stream has lost it all",
          "[group_state]") {
    ReadGroup scene;
    CHECK(scene.longest_idle() == StreamId{1});
    scene.gone = {{1}, {2}, {3}, {4}, {5}};
    CHECK_FALSE(scene.longest_idle());
    CHECK(scene.claim_longest_idle(0).empty());
    for (std::uint64_t ms = 1; ms <= 5; ++ms) (void)scene.group.acknowledge({ms});
    CHECK_FALSE(scene.longest_idle());
    CHECK(scene.claim_longest_idle(0).empty());
}

TEST_CASE("an entry is released with the count that it is given", "[group_state]") {
    ReadGroup scene;
    const auto count_of = [&](std::uint64_t ms) {
        return PendingEntries::deliveries(scene.group.pending().find({ms}));
    };
    CHECK(scene.group.release({1}, Nack::fatal, nullptr, 7));
    CHECK(count_of(1) == 7);
    CHECK(scene.group.release({1}, Nack::silent, nullptr, 0));
    CHECK(count_of(1) == 0);
    CHECK(scene.group.release({2}, Nack::silent));
    CHECK(count_of(2) == 0);
    CHECK_FALSE(scene.group.release({8}, Nack::fail, nullptr, 7));
}

TEST_CASE("what is made pending has no owner; what is pending stays as it is", "[group_state]") {
    ReadGroup scene;
    scene.group.make_pending({8}, 3);
    scene.group.make_pending({1}, 3);
    const PendingEntries& pending = scene.group.pending();
    CHECK(PendingEntries::owner(pending.find({8})) == PendingEntries::nobody);
    CHECK(PendingEntries::deliveries(pending.find({8})) == 3);
    CHECK(PendingEntries::owner(pending.find({1})) == scene.ann.number);
    CHECK(PendingEntries::deliveries(pending.find({1})) == 1);
    CHECK(pending.by_time()->first()->is_released());
}

TEST_CASE("a look for idle entries finds what an autoclaim takes, and changes nothing",
          "[group_state]") {
    ReadGroup scene;
    scene.gone = {{2}};
    const std::string before = story_of(scene.group);
    const auto find = [&](const StreamId& id) { return scene.is_live(id); };
    IdList idle;
    IdList lost;
    const StreamId next = scene.group.look_for_idle(
        {}, 3, 60, 100, find,
        [&](PendingEntries::Place place, bool) { idle.push_back(PendingEntries::id(place)); },
        [&](const StreamId& id) {
            lost.push_back(id);
            return true;
        });
    CHECK(story_of(scene.group) == before);
    CHECK(idle == IdList{{1}, {3}});
    CHECK(lost == IdList{{2}});
    CHECK(next == StreamId{4});
    IdList taken;
    IdList dropped;
    const StreamId same = scene.group.autoclaim(
        {}, 3, scene.bob, {.min_idle = 60, .delivered = 100}, 100, find,
        [&](bool, std::uint64_t deliveries) { taken.push_back({deliveries}); },
        [&](const StreamId& id) {
            dropped.push_back(id);
            return true;
        });
    CHECK(taken == IdList{{2}, {2}});
    CHECK(dropped == lost);
    CHECK(same == next);
    CHECK_FALSE(scene.group.pending().find({2}));
    CHECK(scene.bob.pending == 2);
}

TEST_CASE("a look for idle entries gets past the greatest id of all", "[group_state]") {
    ReadGroup scene;
    scene.group.make_pending(StreamId::max(), 1);
    std::size_t lost = 0;
    const StreamId next = scene.group.look_for_idle(
        {6}, 9, 0, 100, [](const StreamId&) { return false; }, [](PendingEntries::Place, bool) {},
        [&](const StreamId&) { return ++lost != 0; });
    CHECK(lost == 1);
    CHECK(next == StreamId{});
}

TEST_CASE("what a group has read is no more than was added, once that is counted anew",
          "[group_state]") {
    ReadGroup scene;
    scene.group.limit_entries_read(7);
    CHECK(scene.group.entries_read() == 5);
    scene.group.limit_entries_read(3);
    CHECK(scene.group.entries_read() == 3);
    GroupState ahead{PendingEntries::timed, {5}, std::nullopt, facts};
    ahead.limit_entries_read(3);
    CHECK_FALSE(ahead.entries_read());
}

TEST_CASE("a copy of a group is as it was, and goes its own way", "[group_state]") {
    ReadGroup scene;
    (void)scene.group.release({2}, Nack::fail);
    (void)scene.group.claim({4}, true, scene.bob, {.delivered = 15}, 60);
    scene.group.remove_consumer("nobody");
    GroupState copy{scene.group};
    const std::string before = story_of(scene.group);
    CHECK(story_of(copy) == before);

    ConsumerRecord& ann = *copy.find(copy.find("ann")->number);
    CHECK(ann.name == &copy.consumers().find("ann")->first);
    (void)copy.deliver({6}, ann, 70, facts, false);
    (void)copy.claim({2}, true, ann, {.delivered = 70}, 70);
    CHECK(copy.remove_consumer("bob").acknowledged == 1);
    (void)copy.consumer({{}, "cat"}, 80);
    CHECK(story_of(scene.group) == before);
    CHECK(scene.group.find("bob")->pending == 1);
    CHECK(ann.pending == 5);
}
