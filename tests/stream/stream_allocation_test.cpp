// SPDX-License-Identifier: MIT
#include <runnel/clock.hpp>
#include <runnel/read_first.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/short_memory.hpp"
#include "support/streams.hpp"
#include "support/words.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using runnel::Ending;
using runnel::Entries;
using runnel::From;
using runnel::ManualClock;
using runnel::Stream;
using runnel::StreamId;
using runnel::StreamOptions;
using namespace runnel::test;

namespace {

// A stream of so many words, and one more that is to be added.
struct World {
    explicit World(std::size_t size, std::size_t keep = 1'000)
        : stream{{.keep = {.count = keep}, .clock = &clock}} {
        for (std::size_t number = 0; number != size; ++number) stream.add(word(number));
    }

    using State = std::tuple<Ids, StreamId, std::uint64_t, std::vector<std::string>, std::size_t>;
    [[nodiscard]] State state() const {
        const auto info = stream.info();
        return {ids(stream), info.last_id, info.entries_added, stream.groups(), info.waiting};
    }

    ManualClock clock;
    Stream<std::string> stream;
    std::string message = word(7'000);
};

constexpr std::size_t sizes[] = {0, 1, 3, 4, 11, 12, 28, 60, 200};

// Calls `attempt(world)` with less and less want of memory: it throws std::bad_alloc, and then
// nothing has changed; or is true.
template <typename Attempt>
void in_all_sizes(Attempt attempt) {
    for (const std::size_t size : sizes) {
        at_every_request([&](long granted, Shortage shortage) {
            World world{size};
            const auto before = world.state();
            std::optional<bool> is_right;
            try {
                const MemoryRunsOut limit{granted, shortage};
                is_right = attempt(world);
            } catch (const std::bad_alloc&) {
                is_right.reset();
            }
            if (is_right) {
                REQUIRE(*is_right);
            } else {
                REQUIRE(world.state() == before);
                REQUIRE(world.message == word(7'000));
            }
        });
    }
}

}  // namespace

TEST_CASE("an entry that finds no memory is not added, and stays with its sender",
          "[stream][allocation]") {
    in_all_sizes(
        [](World& world) { return world.stream.add(std::move(world.message)) > StreamId{}; });
    in_all_sizes([](World& world) {
        const StreamId id{world.stream.last_id().ms + (std::uint64_t{1} << 40U), 5};
        return world.stream.add(id, std::move(world.message)) == id;
    });
    in_all_sizes([](World& world) {
        const std::chrono::sys_time<std::chrono::milliseconds> at{1h * 1'000'000};
        return world.stream.add(at, std::move(world.message)).ms != 0;
    });
}

TEST_CASE("an entry that finds no memory throws none of those away that are kept",
          "[stream][allocation]") {
    at_every_request([](long granted, Shortage shortage) {
        World world{12, 12};
        const auto before = world.state();
        bool is_added = true;
        try {
            const MemoryRunsOut limit{granted, shortage};
            world.stream.add(std::move(world.message));
        } catch (const std::bad_alloc&) {
            is_added = false;
        }
        REQUIRE((world.state() == before) != is_added);
        REQUIRE(world.stream.size() == 12);
    });
}

TEST_CASE("a look at a stream without memory changes nothing", "[stream][allocation]") {
    in_all_sizes([](World& world) {
        const std::size_t size = world.stream.size();
        return world.stream.range().size() == size && world.stream.reverse_range().size() == size;
    });
    in_all_sizes([](World& world) {
        const auto batch = world.stream.try_read(From::start);
        return (batch ? batch.front().value : word(0)) == word(0);
    });
    in_all_sizes([](World& world) { return world.stream.groups().empty(); });
}

TEST_CASE("a read that runs out of memory after some entries ends there", "[stream][allocation]") {
    std::size_t parts = 0;
    at_every_request([&](long granted, Shortage shortage) {
        World world{200};
        std::optional<Entries<std::string>> batch;
        {
            const MemoryRunsOut limit{granted, shortage};
            batch.emplace(world.stream.read(From::start));
        }
        REQUIRE(*batch);
        const std::size_t size = batch->size();
        parts += size != 200 ? 1 : 0;
        REQUIRE(world.stream.read(batch->back().id, {.timeout = 0s}).size() == 200 - size);
    });
    CHECK(parts != 0);
}

TEST_CASE("a cursor, a trim, an erasure, figures and closing need no memory",
          "[stream][allocation]") {
    for (const std::size_t size : sizes) {
        World world{size};
        const Ids all = ids(world.stream);
        std::size_t read = 0;
        std::size_t removed = 0;
        bool is_over = false;
        {
            const MemoryRunsOut limit{0};
            auto cursor = world.stream.cursor();
            while (auto batch = cursor.try_read({.count = 5})) read += batch.size();
            for (const StreamId id : all)
                if (const auto found = world.stream.find(id); found)
                    removed += id.seq % 2 == 0 ? world.stream.erase({&id, 1}) : 0;
            removed += world.stream.trim({.count = 0}) + world.stream.size();
            world.stream.close();
            is_over = world.stream.closed() && world.stream.info().length == 0 && !cursor.read();
        }
        CHECK(read == size);
        CHECK(removed == size);
        CHECK(is_over);
    }
}

TEST_CASE("an entry for a read that waits needs no memory but its own",
          "[stream][allocation][wait]") {
    at_every_request([](long granted, Shortage shortage) {
        World world{4};  // the next one needs a block
        auto cursor = world.stream.cursor(From::end);
        auto by_cursor = reading(world.clock, cursor);
        auto by_stream = reading(world.clock, world.stream, From::end);
        const auto before = world.state();
        bool is_added = true;
        try {
            const MemoryRunsOut limit{granted, shortage};
            world.stream.add(std::move(world.message));
        } catch (const std::bad_alloc&) {
            is_added = false;
        }
        if (!is_added) {
            REQUIRE(world.state() == before);
            REQUIRE((by_cursor.waits() && by_stream.waits()));
            return;
        }
        REQUIRE(by_cursor.result().front().value == word(7'000));
        REQUIRE(by_stream.result().front().value == word(7'000));
    });
}

TEST_CASE("a read of several streams without memory reads none, or some", "[stream][allocation]") {
    in_all_sizes([](World& world) {
        const auto size = world.stream.size();
        const auto parts = runnel::read_first<std::string>(
            {{world.stream, From::end}, {world.stream, From::start}}, {.timeout = 0s});
        if (!parts) return size == 0 && parts.ending() == Ending::timed_out;
        return parts[0].which == 1 && parts[0].entries.front().value == word(0);
    });
}

TEST_CASE("a stream or a group that cannot be made for want of memory is not made",
          "[stream][allocation]") {
    const auto make = [] {
        const MemoryRunsOut limit{0};
        const Stream<std::string> stream;
        return stream.size();
    };
    CHECK_THROWS_AS(make(), std::bad_alloc);
    in_all_sizes([](World& world) {
        return world.stream.group("a group of a long name, so that it needs memory").lag() ==
               world.stream.size();
    });
}
