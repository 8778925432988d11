// SPDX-License-Identifier: MIT
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/short_memory.hpp"
#include "support/streams.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using runnel::Ack;
using runnel::Deliveries;
using runnel::StreamId;
using namespace runnel::test;

namespace {

// A hundred entries, of which ann has the first `delivered` pending.
struct GroupWorld : NumberGroup {
    explicit GroupWorld(std::size_t delivered = 0) {
        add_range(1, 100);
        if (delivered != 0) held.emplace(ann.try_read({.count = delivered}));
    }

    using State = std::tuple<Rows, StreamId, std::optional<std::uint64_t>, Ids>;
    [[nodiscard]] State state() const {
        const auto info = group.info();
        return {pending(), info.last_delivered, info.entries_read, ids(stream)};
    }
    [[nodiscard]] std::size_t pending_of(const char* name) const { return info_of(name).pending; }

    std::optional<Deliveries<int>> held;
};

// Calls `attempt(world)` at each shortage: it throws, and then nothing has changed, or it returns
// what is then checked by `check(world, what)`.
template <typename Attempt, typename Check>
void at_every_shortage(std::size_t delivered, Attempt attempt, Check check) {
    at_every_request([&](long granted, Shortage shortage) {
        GroupWorld world{delivered};
        const auto before = world.state();
        std::optional<decltype(attempt(world))> made;
        try {
            const MemoryRunsOut limit{granted, shortage};
            made.emplace(attempt(world));
        } catch (const std::bad_alloc&) {
            REQUIRE(world.state() == before);
            return;
        }
        check(world, *made);
    });
}

// What the call has returned, unless it has thrown std::bad_alloc.
template <typename Result>
Result* result_of(Call<Result>& call) {
    try {
        return &call.result();
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

// That many from the first that was not delivered on, all of them pending.
void check_prefix(const GroupWorld& world, const Deliveries<int>& batch) {
    REQUIRE(batch);
    REQUIRE(ids(batch) == id_range(1, static_cast<int>(batch.size())));
    REQUIRE(world.group.pending().count == batch.size());
    REQUIRE(world.group.info().last_delivered == batch.back().id);
}

}  // namespace

TEST_CASE("a group's read without memory delivers nothing, or what it had memory for",
          "[group][allocation]") {
    std::size_t parts = 0;
    for (const std::size_t count : {1U, 3U, 20U, 100U})
        at_every_shortage(
            0, [&](GroupWorld& world) { return world.ann.try_read({.count = count}); },
            [&](GroupWorld& world, const auto& batch) {
                check_prefix(world, batch);
                parts += batch.size() != count ? 1 : 0;
            });
    CHECK(parts != 0);
    at_every_shortage(
        0, [](GroupWorld& world) { return world.ann.read({.count = 9, .acknowledged = true}); },
        [](GroupWorld& world, const auto& batch) {
            REQUIRE(batch);
            REQUIRE(world.group.info().last_delivered == batch.back().id);
        });
}

TEST_CASE("a consumer without memory is not made, or reads nothing", "[group][allocation]") {
    const std::string name = "a consumer of a long name, so that it needs memory";
    at_every_shortage(
        0, [&](GroupWorld& world) { return world.group.consumer(name).name() == name; },
        [](GroupWorld&, bool is_made) { REQUIRE(is_made); });
    at_every_shortage(
        0,
        [](GroupWorld& world) {
            world.group.remove_consumer("ann");
            return world.ann.try_read({.count = 1});
        },
        [](GroupWorld& world, const auto& batch) { check_prefix(world, batch); });
}

TEST_CASE("a history without memory delivers nothing again", "[group][allocation]") {
    at_every_shortage(
        10,
        [](GroupWorld& world) {
            world.stream.erase({{3}});
            try {
                return world.ann.history();
            } catch (const std::bad_alloc&) {
                const bool was_limited = std::exchange(Memory::is_limited, false);
                const bool is_as_before =
                    attempts(world.bob.claim(ids({1, 2}), {.min_idle = 0s})) == Numbers{2, 2};
                Memory::is_limited = was_limited;
                REQUIRE(is_as_before);
                return Deliveries<int>{runnel::Ending::stopped};
            }
        },
        [](GroupWorld&, const auto& batch) {
            if (!batch && batch.ending() == runnel::Ending::stopped) return;
            REQUIRE(batch.size() == 9);
            REQUIRE(batch.lost() == ids({3}));
        });
}

TEST_CASE("a claim without memory takes nothing, or tells what it has taken and dropped",
          "[group][allocation]") {
    const auto check = [](GroupWorld& world, const auto& batch) {
        REQUIRE(world.pending_of("bob") == batch.size());
        REQUIRE(world.pending_of("ann") == 10 - batch.size() - batch.lost().size());
        for (const auto& delivery : batch) REQUIRE(delivery.ack() == Ack::done);
    };
    const Ids all = id_range(1, 10);
    at_every_shortage(
        10, [&](GroupWorld& world) { return world.bob.claim(all, {.min_idle = 0s}); }, check);
    at_every_shortage(
        10, [&](GroupWorld& world) { return world.bob.autoclaim({.min_idle = 0s}); }, check);
    for (const bool is_auto : {false, true}) {
        at_every_request([&](long granted, Shortage shortage) {
            GroupWorld world{10};
            world.stream.trim({.count = 93});  // 1 to 7 are lost
            const auto before = world.state();
            std::optional<Deliveries<int>> batch;
            try {
                const MemoryRunsOut limit{granted, shortage};
                batch.emplace(is_auto ? world.bob.autoclaim({.min_idle = 0s})
                                      : world.bob.claim(all, {.min_idle = 0s}));
            } catch (const std::bad_alloc&) {
                REQUIRE(world.state() == before);
                return;
            }
            check(world, *batch);
        });
    }
}

TEST_CASE("a read without memory for what is lost drops nothing, or tells it",
          "[group][allocation][limit]") {
    std::size_t parts = 0;
    at_every_request([&](long granted, Shortage shortage) {
        GroupWorld world{10};
        world.stream.trim({.count = 95});
        const auto limited = world.group.consumer("ann", {.max_pending = 10});
        const auto before = world.state();
        std::optional<Deliveries<int>> batch;
        try {
            const MemoryRunsOut limit{granted, shortage};
            batch.emplace(limited.try_read());
        } catch (const std::bad_alloc&) {
            REQUIRE(world.state() == before);
            return;
        }
        REQUIRE(batch->lost() == id_range(1, static_cast<int>(batch->lost().size())));
        REQUIRE(world.pending_of("ann") == 10 - batch->lost().size() + batch->size());
        parts += batch->lost().size() != 5 || batch->size() != 5 ? 1 : 0;
    });
    CHECK(parts != 0);
}

TEST_CASE("entries without memory are not pending again", "[group][allocation][redeliver]") {
    const auto all = id_range(1, 100);
    std::size_t refused = 0;
    at_every_request([&](long granted, Shortage shortage) {
        GroupWorld world{100};
        REQUIRE(world.group.ack(std::span{all}.subspan(2)) == 98);  // so that it drops their leaves
        const auto before = world.state();
        std::size_t count = 0;
        try {
            const MemoryRunsOut limit{granted, shortage};
            count = world.group.redeliver(all, 5);
        } catch (const std::bad_alloc&) {
            ++refused;
            REQUIRE(world.state() == before);
            return;
        }
        REQUIRE(count == 98);
        REQUIRE(world.group.pending().count == 100);
    });
    CHECK(refused > 2);  // not only for the ids of the call
}

TEST_CASE("a look at a group without memory changes nothing", "[group][allocation]") {
    at_every_shortage(
        10,
        [](GroupWorld& world) {
            return world.group.pending({}).size() == 10 && world.group.pending().count == 10 &&
                   world.group.consumers().size() == 2 && world.group.info().pending == 10;
        },
        [](GroupWorld&, bool is_right) { REQUIRE(is_right); });
}

TEST_CASE("acknowledging, releasing, extending, removing and the position need no memory",
          "[group][allocation]") {
    GroupWorld world{10};
    bool is_done = true;
    std::size_t count = 0;
    {
        const MemoryRunsOut limit{0};
        is_done = (*world.held)[0].ack() == Ack::done && (*world.held)[1].nack() == Ack::done &&
                  (*world.held)[2].extend() == Ack::done;
        count = world.group.ack({{4}, {5}}) + world.group.nack({{6}}) + world.group.lag();
        world.group.set_position(runnel::From::start);
        count += world.group.remove_consumer("ann");
        is_done = is_done && world.stream.remove_group("group");
    }
    CHECK(is_done);
    CHECK(count == 2 + 1 + 90 + 5);
}

TEST_CASE("to acknowledge a batch needs no memory", "[group][allocation]") {
    GroupWorld world{100};
    std::size_t count = 0;
    {
        const MemoryRunsOut limit{0};
        count = world.held->ack();
    }
    CHECK(count == 100);
    CHECK(world.group.pending().count == 0);
}

TEST_CASE(
    "a read that waits and finds no memory gets the exception, and the entry goes to the next",
    "[group][allocation][wait]") {
    std::size_t failed = 0;
    at_every_request([&](long granted, Shortage shortage) {
        GroupWorld world;
        world.group.set_position(runnel::From::end);
        auto first = reading(world.clock, world.ann);
        auto second = reading(world.clock, world.bob, {.timeout = 1h});
        bool is_added = true;
        try {
            const MemoryRunsOut limit{granted, shortage};
            world.stream.add(StreamId{101}, 101);
        } catch (const std::bad_alloc&) {
            is_added = false;
        }
        if (!is_added) {
            REQUIRE((first.waits() && second.waits()));
            REQUIRE(world.group.pending().count == 0);
            return;
        }
        REQUIRE_FALSE(first.waits());
        if (const auto* const batch = result_of(first)) {
            REQUIRE(ids(*batch) == ids({101}));
            REQUIRE(second.waits());
        } else {
            ++failed;
            REQUIRE_FALSE(second.waits());
            const auto* const next = result_of(second);
            REQUIRE((next != nullptr ? ids(*next) : ids(world.ann.try_read())) == ids({101}));
        }
        REQUIRE(world.group.pending().count == 1);
    });
    CHECK(failed != 0);
}

TEST_CASE("a consumer that was removed while it waits and finds no memory stays unknown",
          "[group][allocation][wait]") {
    at_every_request([](long granted, Shortage shortage) {
        GroupWorld world{100};
        auto first = reading(world.clock, world.ann);
        auto second = reading(world.clock, world.bob);
        world.group.remove_consumer("bob");
        world.stream.add(StreamId{101}, 101);
        REQUIRE(ids(first.result()) == ids({101}));
        std::size_t count = 0;
        try {
            const MemoryRunsOut limit{granted, shortage};
            count = world.group.info().consumers;
        } catch (const std::bad_alloc&) {
            count = 2;
        }
        REQUIRE(count == 2);
        REQUIRE(world.group.consumers().size() == 2);
        REQUIRE(second.waits());
    });
}

TEST_CASE("a read that claims without memory takes nothing, or what it had memory for",
          "[group][allocation][claim]") {
    std::size_t parts = 0;
    for (const std::size_t count : {1U, 5U, 50U})
        at_every_shortage(
            20,
            [&](GroupWorld& world) { return world.bob.try_read({.count = count, .claim = 0s}); },
            [&](GroupWorld& world, const auto& batch) {
                REQUIRE(batch);
                REQUIRE(ids(batch) == id_range(1, static_cast<int>(batch.size())));
                REQUIRE(world.pending_of("bob") == batch.size());
                for (const auto& delivery : batch) REQUIRE(delivery.ack() == Ack::done);
                parts += batch.size() != count ? 1 : 0;
            });
    CHECK(parts != 0);
}

TEST_CASE("a read that cannot begin to keep the order of time has changed nothing",
          "[group][allocation][claim]") {
    std::size_t failed = 0;
    at_every_request([&](long granted, Shortage shortage) {
        GroupWorld world{100};
        REQUIRE(world.group.nack(id_range(1, 100), runnel::Nack::fail, {.after = 1h}) == 100);
        const auto before = world.state();
        bool is_empty = true;
        try {
            const MemoryRunsOut limit{granted, shortage};
            is_empty = world.bob.try_read({.claim = 0s}).empty();
        } catch (const std::bad_alloc&) {
            ++failed;
        }
        REQUIRE(is_empty);
        REQUIRE(world.state() == before);
        world.clock.advance(1h);
        REQUIRE(world.bob.try_read({.count = 100, .claim = 1h}).size() == 100);
    });
    CHECK(failed > 2);
}

TEST_CASE("to give back with a delay needs no memory, also while others wait for it",
          "[group][allocation][claim][wait]") {
    GroupWorld world{100};
    auto read = reading(world.clock, world.bob, {.count = 1, .claim = 1h});
    std::size_t count = 0;
    {
        const MemoryRunsOut limit{0};
        count = world.group.nack({{7}, {8}}, runnel::Nack::fail, {.after = 2s});
        count += (*world.held)[8].nack(runnel::Nack::fail, {.after = 1s}) == Ack::done ? 1 : 0;
    }
    CHECK(count == 3);
    REQUIRE(read.waits());
    world.clock.advance(1s);
    CHECK(ids(read.result()) == ids({9}));
}

TEST_CASE("a wait that has no memory for all claims what it can, and the next one the rest",
          "[group][allocation][claim][wait]") {
    std::size_t parts = 0;
    at_every_request([&](long granted, Shortage shortage) {
        GroupWorld world{100};
        auto first = reading(world.clock, world.ann, {.claim = 1h});
        auto second = reading(world.clock, world.bob, {.claim = 1h});
        const Ids nine = id_range(1, 9);
        std::size_t released = 0;
        {
            const MemoryRunsOut limit{granted, shortage};
            released = world.group.nack(nine);
        }
        REQUIRE(released == 9);
        REQUIRE_FALSE(first.waits());
        Ids all = ids(first.result());
        if (all.size() == 9) REQUIRE(second.waits());
        if (all.size() == 9) return;
        ++parts;
        REQUIRE_FALSE(second.waits());
        for (const StreamId id : ids(second.result())) all.push_back(id);
        for (const StreamId id : ids(world.bob.try_read({.claim = 1h}))) all.push_back(id);
        REQUIRE(all == nine);
    });
    CHECK(parts != 0);
}
