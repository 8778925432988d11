// SPDX-License-Identifier: MIT
// What reads of coroutines allocate, and what becomes of them when memory runs out.
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/coroutines.hpp"
#include "support/short_memory.hpp"
#include "support/streams.hpp"

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <new>
#include <optional>
#include <stop_token>
#include <utility>

using runnel::Consumer;
using runnel::Cursor;
using runnel::Deliveries;
using runnel::Ending;
using runnel::Entries;
using runnel::From;
using runnel::GroupReadOptions;
using runnel::ReadOptions;
using runnel::Stream;
using runnel::StreamId;
using namespace runnel::test;
using namespace std::chrono_literals;

namespace {

// Where a coroutine waits for the test.
struct Start {
    [[nodiscard]] static bool await_ready() noexcept { return false; }
    void await_suspend(std::coroutine_handle<> coroutine) noexcept { handle = coroutine; }
    static void await_resume() noexcept {}

    std::coroutine_handle<> handle{};
};

Coroutine follow(Cursor<int>& cursor, ReadOptions options, std::size_t& count) {
    while (const auto batch = co_await cursor.async_read(options)) count += batch.size();
}

Coroutine read_next(Stream<int> stream, ReadOptions options, std::size_t& count) {
    while (const auto batch = co_await stream.async_read(From::end, options)) count += batch.size();
}

Coroutine work(Consumer<int> me, GroupReadOptions options, std::size_t& count) {
    while (const auto batch = co_await me.async_read(options)) count += batch.size();
}

// Reads once, after `start`.
Coroutine read_once(Start& start, const Consumer<int>& me, GroupReadOptions options,
                    std::optional<Deliveries<int>>& batch) {
    co_await start;
    batch.emplace(co_await me.async_read(options));
}
Coroutine read_once(const Consumer<int>& me, GroupReadOptions options,
                    std::optional<Deliveries<int>>& batch) {
    batch.emplace(co_await me.async_read(options));
}

// Whether it has ended for want of memory.
bool has_failed(const Coroutine& coroutine) {
    try {
        coroutine.check();
        return false;
    } catch (const std::bad_alloc&) {
        return true;
    }
}

// cid has 1-0 to 8-0 pending, which the stream has lost, and may have no more.
struct AllLost : NumberGroup {
    AllLost() {
        add_range(1, 8);
        REQUIRE(cid.try_read().size() == 8);
        stream.trim({.count = 0});
    }

    // Whether what is lost is dropped, and what is delivered is pending.
    [[nodiscard]] bool is_told_of_all(const Deliveries<int>& batch) const {
        const auto lost = static_cast<int>(batch.lost().size());
        return lost != 0 && batch.lost() == id_range(1, lost) &&
               info_of("cid").pending + batch.lost().size() == 8 + batch.size();
    }

    const Consumer<int> cid = group.consumer("cid", {.max_pending = 8});
};

}  // namespace

TEST_CASE_METHOD(NumberGroup, "a read of a coroutine allocates nothing but what it reads",
                 "[async][stream][allocation]") {
    add_range(1, 29);  // the block of the last one has room
    Cursor<int> cursor = stream.cursor(From::end);
    group.set_position(From::end);
    const std::stop_source stop;
    const ReadOptions options{.timeout = 1h, .stop = stop.get_token()};
    std::size_t count = 0;
    const Coroutine one = follow(cursor, options, count);
    const Coroutine two = read_next(stream, options, count);
    const Coroutine three =
        work(ann, {.timeout = 1h, .stop = stop.get_token(), .acknowledged = true}, count);
    add_one(30);  // the group knows ann now
    std::size_t added = 1;
    {
        const MemoryRunsOut none{0};
        for (int number = 31; number != 51; ++number, ++added)
            (void)stream.add(StreamId{static_cast<std::uint64_t>(number)}, int{number});
    }
    CHECK_FALSE(Memory::ran_out);
    CHECK(count == 3 * added);
}

TEST_CASE("a coroutine whose read finds no memory gets nothing, and the group goes on",
          "[async][group][allocation]") {
    std::size_t failures = 0;
    at_every_request([&](long granted, Shortage shortage) {
        NumberGroup world;
        std::optional<Deliveries<int>> batch;
        const Coroutine one = read_once(world.ann, {}, batch);
        bool is_added = true;
        try {
            const MemoryRunsOut limit{granted, shortage};
            (void)world.stream.add(StreamId{1}, 1);
        } catch (const std::bad_alloc&) {
            is_added = false;
        }
        if (!is_added) {
            REQUIRE_FALSE(one.done());
            return;
        }
        REQUIRE(one.done());
        REQUIRE(batch.has_value() != has_failed(one));
        if (batch) {
            REQUIRE(world.pending() == Rows{"1-0 ann 1"});
            return;
        }
        ++failures;
        REQUIRE(world.pending().empty());
        REQUIRE(ids(world.bob.try_read()) == ids({1}));
    });
    CHECK(failures != 0);
}

TEST_CASE("a coroutine that is told of what was lost keeps that when memory runs out",
          "[async][group][allocation]") {
    std::size_t kept = 0;
    SECTION("as it begins to read") {
        at_every_request([&](long granted, Shortage shortage) {
            AllLost world;
            world.add_range(9, 40);
            Start start;
            std::optional<Deliveries<int>> batch;
            const Coroutine one = read_once(start, world.cid, {}, batch);
            {
                const MemoryRunsOut limit{granted, shortage};
                start.handle.resume();
            }
            REQUIRE(one.done());
            if (has_failed(one)) {
                REQUIRE(world.info_of("cid").pending == 8);
                return;
            }
            REQUIRE(world.is_told_of_all(*batch));
            kept += *batch ? 0 : 1;
        });
    }
    SECTION("as it times out, and its consumer is to be made again") {
        at_every_request([&](long granted, Shortage shortage) {
            AllLost world;
            std::optional<Deliveries<int>> first;
            std::optional<Deliveries<int>> batch;
            const Coroutine other = read_once(world.ann, {}, first);
            const Coroutine one = read_once(world.cid, {.timeout = 1ms}, batch);
            world.group.remove_consumer("cid");
            world.add_one(9);
            {
                const MemoryRunsOut limit{granted, shortage};
                world.clock.advance(1ms);
            }
            REQUIRE(one.done());
            REQUIRE(batch->lost() == id_range(1, 8));
            REQUIRE(batch->ending() == Ending::timed_out);
            REQUIRE(world.stream.info().waiting == 0);
            kept += Memory::ran_out ? 1 : 0;
        });
    }
    CHECK(kept != 0);
}

TEST_CASE_METHOD(NumberGroup, "to destroy a coroutine that reads needs no memory",
                 "[async][group][allocation]") {
    std::optional<Deliveries<int>> first;
    std::optional<Deliveries<int>> batch;
    const Coroutine other = read_once(ann, {}, first);
    Coroutine one = read_once(bob, {}, batch);
    group.remove_consumer("bob");
    add_one(1);  // counts as a call of bob, which is to be made again
    {
        const MemoryRunsOut none{0};
        one.destroy();
    }
    CHECK(Memory::ran_out);
    CHECK(stream.info().waiting == 0);
    CHECK(group.info().consumers == 1);
}
