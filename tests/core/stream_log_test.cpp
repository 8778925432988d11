// SPDX-License-Identifier: MIT
#include <runnel/detail/blocks/log_block.hpp>
#include <runnel/detail/blocks/segmented_log.hpp>
#include <runnel/detail/core/log_cursor.hpp>
#include <runnel/detail/core/stream_log.hpp>
#include <runnel/stream_id.hpp>

#include "support/aligned_memory.hpp"
#include "support/catch.hpp"
#include "support/lifetime.hpp"

#include <array>
#include <cstdint>
#include <limits>
#include <new>
#include <optional>
#include <utility>

using runnel::StreamId;
using runnel::detail::Disposal;
using runnel::detail::LogBlock;
using runnel::detail::LogCursor;
using runnel::detail::StreamLog;
using runnel::test::AlignedMemory;
using runnel::test::AlignedMemoryLeft;
using runnel::test::Census;
using runnel::test::MoveOnly;

namespace {

constexpr std::uint64_t last_half = std::numeric_limits<std::uint32_t>::max();

struct Log {
    StreamLog<MoveOnly> log;

    void add(std::uint64_t ms) {
        Disposal<MoveOnly> disposal;
        log.reserve({ms, 0}, disposal);
        log.append({ms, 0}, MoveOnly{static_cast<int>(ms)});
    }
    void add_range(std::uint64_t first, std::uint64_t last) {
        for (auto ms = first; ms <= last; ++ms) add(ms);
    }
    void erase(std::uint64_t ms) {
        Disposal<MoveOnly> disposal;
        log.erase(log.find({ms, 0}), disposal);
    }
};

}  // namespace

// ------------------------------------------------------------------ blocks in a row

TEST_CASE("blocks grow from 4 to 64 slots, or to the limit that is asked for", "[log][blocks]") {
    STATIC_REQUIRE(LogBlock<int>::capacity_after(0, 64) == 4);
    STATIC_REQUIRE(LogBlock<int>::capacity_after(4, 64) == 8);
    STATIC_REQUIRE(LogBlock<int>::capacity_after(32, 64) == 64);
    STATIC_REQUIRE(LogBlock<int>::capacity_after(64, 64) == 64);
    STATIC_REQUIRE(LogBlock<int>::capacity_after(16, 20) == 20);
    using Page = std::array<char, 1'000>;
    STATIC_REQUIRE(LogBlock<Page>::capacity_after(64, 64) == 3);
    using Book = std::array<char, 100'000>;
    STATIC_REQUIRE(LogBlock<Book>::capacity_after(0, 64) == 1);
}

TEST_CASE_METHOD(Log, "a block without live entries leaves the log, but not if it may still grow",
                 "[log][blocks]") {
    add_range(1, 5);  // [1 2 3 4] [5 - - -...]
    CHECK(AlignedMemory::live_blocks == 2);
    for (const std::uint64_t ms : {1U, 2U, 3U}) erase(ms);
    CHECK(AlignedMemory::live_blocks == 2);
    erase(4);
    CHECK(AlignedMemory::live_blocks == 1);
    erase(5);
    CHECK(AlignedMemory::live_blocks == 1);
    CHECK(log.size() == 0);
    add(6);
    CHECK(AlignedMemory::live_blocks == 1);
    CHECK(log.first().id() == StreamId{6});
}

TEST_CASE_METHOD(Log, "what is erased or trimmed dies with the disposal, after the lock",
                 "[log][blocks]") {
    const Census census;
    add_range(1, 10);
    std::optional<Disposal<MoveOnly>> disposal{std::in_place};
    log.erase(log.find({7, 0}), *disposal);
    log.erase(log.find({8, 0}), *disposal);
    log.trim_to_length(3, *disposal);
    CHECK(log.first().id() == StreamId{6});
    CHECK(census.alive() == 10);
    disposal.reset();
    CHECK(census.alive() == 3);
}

TEST_CASE_METHOD(Log, "an empty block whose ids are too far away makes room for another",
                 "[log][blocks]") {
    add(1);
    erase(1);
    add(2 + last_half);
    CHECK(AlignedMemory::live_blocks == 1);
    CHECK(log.first().id().ms == 2 + last_half);
    CHECK(log.find({2 + last_half}).value().get() == static_cast<int>(2 + last_half));
}

TEST_CASE_METHOD(Log, "a log of ids far apart has a block for each, and finds them",
                 "[log][blocks]") {
    for (const std::uint64_t step : {0U, 1U, 2U, 3U}) add(1 + step * last_half);
    CHECK(AlignedMemory::live_blocks == 4);
    CHECK(log.find({1 + last_half}).id() == StreamId{1 + last_half});
    CHECK(log.lower_bound({2}).id() == StreamId{1 + last_half});
    CHECK(log.at_most({3 * last_half}).id() == StreamId{1 + 2 * last_half});
    Disposal<MoveOnly> disposal;
    CHECK(log.trim_before({1 + 3 * last_half}, disposal).removed == 3);
    CHECK(log.first() == log.last());
}

TEST_CASE_METHOD(Log, "blocks that ids far apart cut off stay small", "[log][blocks]") {
    const auto grown = [&](std::uint64_t ms) {
        add(ms);
        return log.last_block()->capacity();
    };
    for (const std::uint64_t step : {1U, 2U, 3U})
        CHECK(grown(step * last_half) == (step == 1 ? 4 : 2));
    CHECK(grown(3 * last_half + 1) == 2);
    CHECK(grown(3 * last_half + 2) == 4);
}

TEST_CASE_METHOD(Log, "an id that finds no memory leaves the log as it was", "[log][blocks]") {
    add_range(1, 4);
    {
        Disposal<MoveOnly> disposal;
        const AlignedMemoryLeft none{0};
        CHECK_THROWS_AS(log.reserve({5}, disposal), std::bad_alloc);
    }
    CHECK(log.last_id() == StreamId{4});
    CHECK(log.size() == 4);
    add(5);
    CHECK(log.last().id() == StreamId{5});
}

TEST_CASE("a log that is trimmed as it grows takes no more and more memory", "[log][blocks]") {
    const Census census;
    {
        Log few;
        for (std::uint64_t ms = 1; ms <= 2'000; ++ms) {
            few.add(ms);
            Disposal<MoveOnly> disposal;
            few.log.trim_to_length(10, disposal);
            REQUIRE(AlignedMemory::live_blocks <= 3);
        }
        CHECK(census.alive() == 10);
    }
    CHECK(census.alive() == 0);
    CHECK(AlignedMemory::live_blocks == 0);
}

// ------------------------------------------------------------------ cursors

TEST_CASE_METHOD(Log, "a cursor keeps its block, and lets it go when it goes on or goes away",
                 "[log][cursor]") {
    add_range(1, 4);
    std::optional<LogCursor<MoveOnly>> cursor{std::in_place};
    CHECK(cursor->is_at_end_of_block());
    CHECK(cursor->seek(log).id() == StreamId{1});
    {
        Disposal<MoveOnly> disposal;
        CHECK(log.trim_to_length(0, disposal).removed == 4);
    }
    CHECK(AlignedMemory::live_blocks == 1);
    CHECK_FALSE(cursor->take(9).block());
    CHECK_FALSE(cursor->seek(log));
    CHECK(AlignedMemory::live_blocks == 0);
    add_range(5, 12);  // as many as the next block holds
    CHECK(cursor->seek(log).id() == StreamId{5});
    CHECK(cursor->take(2).mask == 0b11);
    CHECK(cursor->position() == StreamId{6});
    cursor.reset();
    {
        Disposal<MoveOnly> disposal;
        log.trim_to_length(0, disposal);
    }
    CHECK(AlignedMemory::live_blocks == 0);
}

TEST_CASE_METHOD(Log, "a cursor takes what is at hand in its block without the log",
                 "[log][cursor]") {
    LogCursor<MoveOnly> cursor;
    CHECK_FALSE(cursor.take(1).block());
    add_range(1, 2);
    REQUIRE(cursor.seek(log));
    add_range(3, 5);
    CHECK(cursor.take(9).mask == 0b1111);
    CHECK(cursor.is_at_end_of_block());
    CHECK_FALSE(cursor.take(9).block());
    CHECK(cursor.seek(log).id() == StreamId{5});
    CHECK_FALSE(cursor.is_at_end_of_block());
}

TEST_CASE_METHOD(Log, "a cursor passes over an entry, and over erased ones", "[log][cursor]") {
    add_range(1, 4);
    LogCursor<MoveOnly> cursor;
    cursor.pass(cursor.seek(log));
    CHECK(cursor.position() == StreamId{1});
    erase(2);
    erase(4);
    CHECK(cursor.take(9).mask == 0b100);
    CHECK_FALSE(cursor.take(9).block());
    cursor.reset({2}, log);
    CHECK(cursor.seek(log).id() == StreamId{3});
    cursor.reset({9}, log);
    CHECK_FALSE(cursor.seek(log));
}

// ------------------------------------------------------------------ erased blocks where one stands

namespace {

// 1 to 60 in blocks of 4, 8, 16 and 32, and a cursor in the second one, all of which is erased.
struct ErasedBlock : Log {
    ErasedBlock() {
        add_range(1, 60);
        REQUIRE(AlignedMemory::live_blocks == 4);
        cursor.reset({6}, log);
        erase_range(5, 12);
    }

    void erase_range(std::uint64_t first, std::uint64_t last) {
        for (auto ms = first; ms <= last; ++ms) erase(ms);
    }
    void trim(std::size_t length) {
        Disposal<MoveOnly> disposal;
        log.trim_to_length(length, disposal);
    }

    LogCursor<MoveOnly> cursor;
};

}  // namespace

TEST_CASE_METHOD(ErasedBlock,
                 "a cursor knows what is trimmed behind it, though its block was erased",
                 "[log][cursor][missed]") {
    CHECK(AlignedMemory::live_blocks == 4);
    trim(44);  // 1 to 4, 13 to 16
    CHECK(cursor.seek(log).id() == StreamId{17});
    CHECK(cursor.take_missed().count == 4);
    CHECK(cursor.take_missed().count == 0);
    CHECK(AlignedMemory::live_blocks == 2);
}

TEST_CASE_METHOD(ErasedBlock, "an erased block where one stands leaves with what was before it",
                 "[log][cursor][missed]") {
    erase_range(1, 4);
    CHECK(AlignedMemory::live_blocks == 3);  // the cursor's
    CHECK(cursor.seek(log).id() == StreamId{13});
    CHECK_FALSE(cursor.has_missed());
    CHECK(AlignedMemory::live_blocks == 2);
}

TEST_CASE_METHOD(ErasedBlock, "an erased block where nobody stands any more leaves with the next",
                 "[log][cursor][missed]") {
    SECTION("behind it") {
        cursor.reset({28}, log);
        CHECK(AlignedMemory::live_blocks == 4);
        erase_range(13, 28);
    }
    SECTION("before it") {
        LogCursor<MoveOnly> other;
        other.reset({13}, log);
        erase_range(13, 28);
        CHECK(AlignedMemory::live_blocks == 4);
        other.reset({28}, log);
        cursor.reset({28}, log);
        CHECK(AlignedMemory::live_blocks == 4);
        erase_range(1, 4);
    }
    CHECK(AlignedMemory::live_blocks == (log.first().id() == StreamId{1} ? 2 : 1));
}

TEST_CASE_METHOD(ErasedBlock, "who erases a block looks no further than to the next one in use",
                 "[log][blocks]") {
    LogCursor<MoveOnly> other;
    other.reset({13}, log);
    erase_range(13, 28);
    cursor.reset({60}, log);
    CHECK(AlignedMemory::live_blocks == 4);
    SECTION("it is in use still") {
        erase_range(29, 59);
        erase_range(60, 60);
        CHECK(AlignedMemory::live_blocks == 4);  // `cursor` stands in the last one
    }
    SECTION("it is no longer") {
        other.reset({60}, log);
        erase_range(29, 60);
        CHECK(AlignedMemory::live_blocks == 2);
    }
}

TEST_CASE_METHOD(Log, "one disposal of many entries keeps no block that becomes empty",
                 "[log][blocks]") {
    add_range(1, 60);
    {
        Disposal<MoveOnly> disposal;
        for (std::uint64_t ms = 2; ms <= 59; ++ms) log.erase(log.find({ms, 0}), disposal);
        CHECK(log.last_block()->previous->key == StreamId{1});
    }
    CHECK(AlignedMemory::live_blocks == 2);
}

TEST_CASE_METHOD(Log, "what was erased does not count as missed, in whichever order it went",
                 "[log][cursor][missed]") {
    add_range(1, 12);
    LogCursor<MoveOnly> cursor;
    cursor.pass(cursor.seek(log));
    erase(3);
    {
        Disposal<MoveOnly> disposal;
        log.trim_to_length(7, disposal);  // 1, 2, 4, 5
    }
    erase(6);
    erase(8);
    CHECK(cursor.seek(log).id() == StreamId{7});
    const auto missed = cursor.take_missed();
    CHECK(missed.count == 3);
    CHECK(missed.is_exact);
    CHECK(log.trimmed() == 4);
    CHECK(log.last_trimmed() == StreamId{5});
}
