// SPDX-License-Identifier: MIT
#include <runnel/ack.hpp>
#include <runnel/detail/core/group_state.hpp>
#include <runnel/detail/core/group_undo.hpp>
#include <runnel/detail/core/stream_facts.hpp>
#include <runnel/stream_id.hpp>

#include "support/catch.hpp"
#include "support/group_story.hpp"
#include "support/scale.hpp"
#include "support/short_memory.hpp"

#include <cstddef>
#include <cstdint>
#include <new>
#include <random>
#include <string>

using runnel::Nack;
using runnel::StreamId;
using runnel::detail::ConsumerRecord;
using runnel::detail::GroupState;
using runnel::detail::GroupUndo;
using runnel::detail::LogFacts;
using runnel::detail::PendingEntries;
using runnel::test::at_every_request;
using runnel::test::Memory;
using runnel::test::MemoryRunsOut;
using runnel::test::Shortage;
using runnel::test::story_of;

namespace {

// A stream with the entries 1-0 to 40-0, of which the group has read half.
constexpr LogFacts log{
    .length = 40, .first_id = {1}, .last_id = {40}, .max_deleted_id = {}, .entries_added = 40};

struct Scene {
    Scene() {
        ConsumerRecord& ann = group.consumer({{}, "ann"}, 10);
        ConsumerRecord& bob = group.consumer({{}, "bob"}, 11);
        for (std::uint64_t ms = 1; ms <= 20; ++ms)
            (void)group.deliver({ms}, ms % 2 == 0 ? ann : bob, static_cast<std::int64_t>(10 + ms),
                                log, ms % 5 == 0);
        (void)group.release({4}, Nack::fail);
        (void)group.release({2}, Nack::fail);
    }

    GroupState group{PendingEntries::timed, {}, 0, log};
};

void deliver(GroupUndo& undo, GroupState& group, ConsumerRecord& to, StreamId id) {
    undo.note_position(group);
    undo.note_entry(group, id);
    (void)group.deliver(id, to, 50, log, false);
}

}  // namespace

TEST_CASE("what was done to a group is taken back unless it is kept", "[group_undo]") {
    Scene scene;
    const std::string before = story_of(scene.group);
    const bool is_kept = GENERATE(false, true);
    {
        GroupUndo undo;
        deliver(undo, scene.group, undo.caller(scene.group, "cat", 60), {21});
        if (is_kept) undo.keep();
    }
    CHECK((story_of(scene.group) == before) == !is_kept);
    CHECK((scene.group.find("cat") != nullptr) == is_kept);
}

TEST_CASE("who calls was seen now, and was seen before once that is taken back", "[group_undo]") {
    Scene scene;
    {
        GroupUndo undo;
        const ConsumerRecord& ann = undo.caller(scene.group, "ann", 60);
        CHECK(ann.seen == 60);
        const ConsumerRecord& cat = undo.caller(scene.group, "cat", 60);
        CHECK(cat.seen == 60);
        CHECK(cat.active == ConsumerRecord::never);
    }
    CHECK(scene.group.find("ann")->seen == 10);
    CHECK(scene.group.find("cat") == nullptr);
}

TEST_CASE("an entry that was noted and did not become pending is not pending", "[group_undo]") {
    Scene scene;
    const std::string before = story_of(scene.group);
    {
        GroupUndo undo;
        undo.note_entry(scene.group, {30});
    }
    CHECK(story_of(scene.group) == before);
}

namespace {

// One of the steps of which commands consist.
void step_at_random(GroupUndo& undo, GroupState& group, std::mt19937& random) {
    const auto now = static_cast<std::int64_t>(random() % 80);
    const auto number = random() % 6;
    const StreamId id{1 + random() % 40};
    ConsumerRecord& by = undo.caller(group, std::string(1, "abc"[random() % 3]), now);
    undo.note_position(group);
    undo.note_entry(group, id);
    if (number == 0) {
        (void)group.claim(id, true, by, {.delivered = now, .force = random() % 2 == 0}, now);
    } else if (number == 1) {
        if (random() % 2 == 0) group.make_pending(id, 0);
        (void)group.release(id, Nack::silent);
    } else if (number == 2) {
        const auto place = group.pending().find(id);
        if (place && PendingEntries::owner(place) != PendingEntries::nobody)
            group.deliver_again(place, now);
    } else {
        (void)group.deliver(id, by, now, log, number == 3);
    }
}

}  // namespace

TEST_CASE("whatever was done to several groups is taken back", "[group_undo]") {
    std::mt19937 random{static_cast<std::uint32_t>(runnel::test::seed_for("group_undo"))};
    Scene one;
    Scene other;
    for (std::size_t round = 0; round != runnel::test::scaled(1'000); ++round) {
        const std::string before = story_of(one.group) + story_of(other.group);
        GroupUndo of_round;
        {
            GroupUndo undo;
            for (auto left = 1 + random() % 20; left != 0; --left)
                step_at_random(undo, random() % 2 == 0 ? one.group : other.group, random);
        }
        REQUIRE(story_of(one.group) + story_of(other.group) == before);
        step_at_random(of_round, one.group, random);
        step_at_random(of_round, other.group, random);
        of_round.keep();
        (void)one.group.acknowledge({1 + random() % 40});
        one.group.remove_consumer("b");
    }
}

TEST_CASE("a command that runs out of memory has done nothing to the group", "[group_undo]") {
    at_every_request([](long granted, Shortage shortage) {
        Scene scene;
        const std::string before = story_of(scene.group);
        bool is_done = true;
        const auto command = [&] {
            GroupUndo undo;
            ConsumerRecord& cat = undo.caller(scene.group, "a name that takes memory", 60);
            for (std::uint64_t ms = 21; ms <= 30; ++ms) deliver(undo, scene.group, cat, {ms});
            for (const std::uint64_t ms : {5U, 1U, 5U, 35U, 4U}) {
                undo.note_entry(scene.group, {ms});
                (void)scene.group.claim({ms}, true, cat, {.delivered = 60, .force = true}, 60);
            }
            undo.keep();
        };
        try {
            const MemoryRunsOut soon{granted, shortage};
            command();
        } catch (const std::bad_alloc&) {
            is_done = false;
        }
        CHECK(is_done == !Memory::ran_out);
        CHECK((story_of(scene.group) == before) == !is_done);
    });
}
