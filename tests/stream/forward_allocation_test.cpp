// SPDX-License-Identifier: MIT
#include <runnel/consumer_group.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/short_memory.hpp"
#include "support/streams.hpp"
#include "support/words.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <string>
#include <tuple>
#include <utility>

using runnel::Ack;
using runnel::Deliveries;
using runnel::Stream;
using runnel::StreamId;
using namespace runnel::test;

namespace {

// Ann has two entries in hand; the stream that they go to has `size` entries.
struct ForwardWorld : NumberGroup {
    explicit ForwardWorld(std::size_t size, std::size_t keep = 1'000)
        : to{{.keep = {.count = keep}, .clock = &clock}} {
        add({1, 2});
        held.emplace(ann.try_read());
        for (std::size_t number = 0; number != size; ++number) to.add(word(number));
    }

    using State = std::tuple<Rows, Ids, Ids, StreamId, std::uint64_t>;
    [[nodiscard]] State state() const {
        const auto info = to.info();
        return {pending(), ids(stream), ids(to), info.last_id, info.entries_added};
    }

    Stream<std::string> to;
    std::string message = word(7'000);
    std::optional<Deliveries<int>> held;
};

}  // namespace

TEST_CASE("a step without memory forwards nothing, and the message stays with its sender",
          "[stream][forward][allocation]") {
    std::size_t refused = 0;
    for (const std::size_t size : {0U, 1U, 4U, 12U, 28U, 60U, 200U}) {
        for (const std::size_t keep : {1U, 1'000U}) {
            at_every_request([&](long granted, Shortage shortage) {
                ForwardWorld world{size, keep};
                const auto before = world.state();
                Ack ack = Ack::stale;
                try {
                    const MemoryRunsOut limit{granted, shortage};
                    ack = world.held->front().forward(world.to, std::move(world.message));
                } catch (const std::bad_alloc&) {
                    ++refused;
                    REQUIRE(world.state() == before);
                    REQUIRE(world.message == word(7'000));
                    REQUIRE(world.held->ack() == 2);
                    return;
                }
                REQUIRE(ack == Ack::done);
                REQUIRE(world.pending() == Rows{"2-0 ann 1"});
                REQUIRE(world.to.size() == std::min(size + 1, keep));
            });
        }
    }
    CHECK(refused != 0);
}

TEST_CASE("a step without memory for the copy of its message forwards nothing",
          "[stream][forward][allocation]") {
    at_every_request([&](long granted, Shortage shortage) {
        ForwardWorld world{1};
        const auto before = world.state();
        try {
            const MemoryRunsOut limit{granted, shortage};
            (void)world.held->front().forward(world.to, world.message);
        } catch (const std::bad_alloc&) {
            REQUIRE(world.state() == before);
        }
        REQUIRE(world.message == word(7'000));
    });
}

TEST_CASE("a step that is refused needs no memory", "[stream][forward][allocation]") {
    ForwardWorld world{0};
    REQUIRE(world.held->front().ack() == Ack::done);
    Ack stale = Ack::done;
    Ack closed = Ack::done;
    {
        const MemoryRunsOut limit{0};
        stale = world.held->front().forward(world.to, std::move(world.message));
        world.to.close();
        closed = world.held->back().forward(world.to, std::move(world.message));
    }
    CHECK(stale == Ack::stale);
    CHECK(closed == Ack::closed);
    CHECK(world.message == word(7'000));
}

TEST_CASE("a wait that finds no memory for what is forwarded gets the exception",
          "[stream][forward][allocation][wait]") {
    std::size_t failed = 0;
    at_every_request([&](long granted, Shortage shortage) {
        ForwardWorld world{0};
        const auto carl = world.to.group("there").consumer("carl");
        auto read = reading(world.clock, carl);
        try {
            const MemoryRunsOut limit{granted, shortage};
            (void)world.held->front().forward(world.to, std::move(world.message));
        } catch (const std::bad_alloc&) {
            REQUIRE(read.waits());
            return;
        }
        REQUIRE(world.to.size() == 1);  // it is there in any case
        REQUIRE(world.pending() == Rows{"2-0 ann 1"});
        bool has_failed = false;
        try {
            (void)read.result();
        } catch (const std::bad_alloc&) {
            has_failed = true;
        }
        failed += has_failed ? 1 : 0;
        REQUIRE(carl.try_read().size() == (has_failed ? 1 : 0));
    });
    CHECK(failed != 0);
}
