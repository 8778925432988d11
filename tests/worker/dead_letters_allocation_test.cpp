// SPDX-License-Identifier: MIT
#include <runnel/consumer_group.hpp>
#include <runnel/dead_letters.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/short_memory.hpp"
#include "support/streams.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

using namespace std::chrono_literals;
using runnel::Ack;
using runnel::Burial;
using runnel::DeadLetters;
using runnel::Deliveries;
using runnel::Redriven;
using runnel::StreamId;
using namespace runnel::test;

namespace {

const std::string long_text = "so long a text that it needs memory of its own";

// Of ten entries ann has given up the first `buried`, and has the others in hand.
struct BuriedWorld : NumberGroup {
    explicit BuriedWorld(std::size_t buried) {
        add_range(1, 10);
        held.emplace(ann.try_read());
        for (std::size_t which = 0; which != buried; ++which)
            REQUIRE(dead.bury((*held)[which], {.stream = long_text}) == Ack::done);
    }

    using State = std::tuple<Rows, Ids, Ids, std::uint64_t>;
    [[nodiscard]] State state() const {
        return {pending(), ids(stream), ids(dead.stream()), dead.stream().info().entries_added};
    }

    DeadLetters<int> dead{{.count = 20, .clock = &clock}};
    std::optional<Deliveries<int>> held;
};

// How often an entry that was redriven counts as such.
std::uint64_t redriven_count(const BuriedWorld& world, StreamId id) {
    for (const auto& delivery : world.bob.claim({&id, 1}, {.min_idle = 0ms}))
        REQUIRE(world.dead.bury(delivery, {.stream = long_text}) == Ack::done);
    const auto newest = world.dead.stream().reverse_range({.count = 1});
    REQUIRE(newest.front().value.entry.id() == id);
    return newest.front().value.redriven;
}

}  // namespace

TEST_CASE("an entry without memory for its letter is not buried", "[dead_letters][allocation]") {
    for (const std::size_t buried : {0U, 4U}) {
        std::size_t refused = 0;
        at_every_request([&](long granted, Shortage shortage) {
            BuriedWorld world{buried};
            const auto before = world.state();
            Burial facts{.stream = long_text, .error = long_text};
            Ack ack = Ack::stale;
            try {
                const MemoryRunsOut limit{granted, shortage};
                ack = world.dead.bury((*world.held)[buried], std::move(facts));
            } catch (const std::bad_alloc&) {
                ++refused;
                REQUIRE(world.state() == before);
                return;
            }
            REQUIRE(ack == Ack::done);
            REQUIRE(world.dead.size() == buried + 1);
            REQUIRE(world.group.pending().count == 9 - buried);
        });
        CHECK(refused != 0);
    }
}

TEST_CASE("a redrive without memory does nothing, or ends where it had none",
          "[dead_letters][allocation][redrive]") {
    for (const std::size_t trimmed : {0U, 10U}) {
        std::size_t refused = 0;
        std::size_t parts = 0;
        at_every_request([&](long granted, Shortage shortage) {
            BuriedWorld world{10};
            world.stream.trim({.count = 10 - trimmed});
            const auto letters = ids(world.dead.stream());
            const auto before = world.state();
            const runnel::RedriveOptions<int> options{.stream = long_text};
            Redriven part;
            try {
                const MemoryRunsOut limit{granted, shortage};
                part = world.dead.redrive(world.group, options);
            } catch (const std::bad_alloc&) {
                ++refused;
                REQUIRE(world.state() == before);
                return;
            }
            const std::size_t done = part.redriven + part.copied;
            REQUIRE((trimmed == 0 ? part.copied : part.redriven) == 0);
            REQUIRE(world.dead.size() == 10 - done);
            REQUIRE(world.stream.size() == 10 - trimmed + part.copied);
            REQUIRE(world.group.pending().count == part.redriven);
            REQUIRE(part.next == (done == 10 ? StreamId{} : letters[done]));
            parts += done != 10 ? 1 : 0;
            if (trimmed == 0) REQUIRE(redriven_count(world, StreamId{done}) == 1);
        });
        CHECK(refused != 0);
        CHECK(parts != 0);
    }
}

TEST_CASE("a letter stays if there is no memory to make its entry pending",
          "[dead_letters][allocation][redrive]") {
    constexpr int count = 140;  // what was pending in several leaves, which are gone
    std::size_t parts = 0;
    at_every_request([&](long granted, Shortage shortage) {
        NumberGroup world;
        const DeadLetters<int> dead{{.clock = &world.clock}};
        world.add_range(1, count);
        for (const auto& delivery : world.ann.try_read({.count = count}))
            if (dead.bury(delivery) != Ack::done) FAIL("not buried");
        Redriven part;
        try {
            const MemoryRunsOut limit{granted, shortage};
            part = dead.redrive(world.group);
        } catch (const std::bad_alloc&) {
            part = {};
        }
        REQUIRE(world.group.pending().count == part.redriven);
        REQUIRE(dead.size() == count - part.redriven);
        parts += part.redriven % count != 0 ? 1 : 0;
    });
    CHECK(parts != 0);
}

TEST_CASE("dead letters without memory are not made", "[dead_letters][allocation]") {
    at_every_request([](long granted, Shortage shortage) {
        std::optional<DeadLetters<int>> made;
        try {
            const MemoryRunsOut limit{granted, shortage};
            made.emplace();
        } catch (const std::bad_alloc&) {
            REQUIRE_FALSE(made);
            return;
        }
        REQUIRE(made->size() == 0);
    });
}
