// SPDX-License-Identifier: MIT
#include <runnel/detail/blocks/id_offset.hpp>
#include <runnel/detail/blocks/log_block.hpp>
#include <runnel/detail/blocks/slots.hpp>
#include <runnel/stream_id.hpp>

#include "support/aligned_memory.hpp"
#include "support/catch.hpp"
#include "support/lifetime.hpp"
#include "support/scale.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <random>
#include <utility>

using runnel::StreamId;
using runnel::detail::count_slots;
using runnel::detail::first_slot;
using runnel::detail::has_offset;
using runnel::detail::highest_slots;
using runnel::detail::id_at;
using runnel::detail::last_slot;
using runnel::detail::least_offset;
using runnel::detail::LogBlock;
using runnel::detail::lowest_slots;
using runnel::detail::slot_at;
using runnel::detail::slot_bit;
using runnel::detail::SlotMask;
using runnel::detail::slots_before;
using runnel::test::AlignedMemory;
using runnel::test::Census;
using runnel::test::MoveOnly;

namespace {

using Block = LogBlock<MoveOnly>;

constexpr std::uint64_t last_number = std::numeric_limits<std::uint64_t>::max();
constexpr std::uint64_t last_half = std::numeric_limits<std::uint32_t>::max();

constexpr std::optional<std::uint64_t> id_offset(StreamId base, StreamId id) {
    if (!has_offset(base, id)) return std::nullopt;
    return least_offset(base, id);
}

void append(Block& block, StreamId id, int value) {
    REQUIRE(block.takes(id));
    block.append(id, MoveOnly{value});
}

// A block of four slots, of which three are taken: 5-0, 5-1, 6-0.
struct ThreeInABlock {
    Census census;
    Block* block = Block::make({5, 0}, 4);

    ThreeInABlock() {
        append(*block, {5, 0}, 1);
        append(*block, {5, 1}, 2);
        append(*block, {6, 0}, 3);
    }

    void erase(SlotMask slots) const {
        if (block->erase(slots)) block->finish_reap();
    }
    void let_go() { std::exchange(block, nullptr)->remove_owner(); }

    ThreeInABlock(const ThreeInABlock&) = delete;
    ThreeInABlock& operator=(const ThreeInABlock&) = delete;
    ~ThreeInABlock() {
        if (block != nullptr) block->remove_owner();
        CHECK(census.alive() == 0);
        CHECK(census.faults() == 0);
        CHECK(AlignedMemory::live_blocks == 0);
    }
};

// Numbers near which offsets change their minds.
StreamId any_id(std::mt19937_64& random) {
    constexpr std::array<std::uint64_t, 7> corners{
        0, 1, last_half, last_half + 1, 2 * last_half, last_number / 2, last_number - 3};
    const auto number = [&] { return corners.at(random() % corners.size()) + random() % 4; };
    const std::uint64_t ms = number();
    return {ms, number()};
}

}  // namespace

// ------------------------------------------------------------------ offsets

TEST_CASE("an id of the base's millisecond is told by the distance of the numbers",
          "[log][offset]") {
    constexpr StreamId base{7, 100};
    STATIC_REQUIRE(id_offset(base, base) == 0);
    STATIC_REQUIRE(id_offset(base, {7, 105}) == 5);
    STATIC_REQUIRE(id_offset(base, {7, 100 + last_half}) == last_half);
    STATIC_REQUIRE(id_offset(base, {7, 100 + last_half + 1}) == std::nullopt);
    STATIC_REQUIRE(id_at(base, 5) == StreamId{7, 105});
}

TEST_CASE("an id of a later millisecond is told by that distance and its own number",
          "[log][offset]") {
    constexpr StreamId base{7, 100};
    STATIC_REQUIRE(id_offset(base, {8, 0}) == std::uint64_t{1} << 32U);
    STATIC_REQUIRE(id_at(base, std::uint64_t{1} << 32U) == StreamId{8, 0});
    STATIC_REQUIRE(id_offset(base, {8, last_half}));
    STATIC_REQUIRE_FALSE(id_offset(base, {8, last_half + 1}));
    STATIC_REQUIRE_FALSE(id_offset(base, {8, last_number}));
}

TEST_CASE("an id before the base, or too far from it, has no offset", "[log][offset]") {
    constexpr StreamId base{7, 100};
    STATIC_REQUIRE_FALSE(has_offset(base, {7, 99}));
    STATIC_REQUIRE_FALSE(has_offset(base, {6, last_number}));
    STATIC_REQUIRE_FALSE(has_offset(base, {0, 0}));
    STATIC_REQUIRE(has_offset(base, {7 + last_half - 1, last_half}));
    STATIC_REQUIRE_FALSE(has_offset(base, {7 + last_half - 1, last_half + 1}));
    STATIC_REQUIRE_FALSE(has_offset(base, {7 + last_half, 0}));
    STATIC_REQUIRE_FALSE(has_offset(base, StreamId::max()));
}

TEST_CASE("offsets reach to both ends of the ids there are", "[log][offset]") {
    STATIC_REQUIRE(id_offset(StreamId::max(), StreamId::max()) == 0);
    STATIC_REQUIRE(id_offset({0, 0}, StreamId::min()) == 1);
    STATIC_REQUIRE(id_offset({last_number - 1, last_number}, {last_number, 0}));
    STATIC_REQUIRE(id_at({last_number - 1, last_number}, std::uint64_t{1} << 32U) ==
                   StreamId{last_number, 0});
    STATIC_REQUIRE_FALSE(has_offset({0, 0}, StreamId::max()));
}

TEST_CASE("offsets from one base are ordered as the ids are", "[log][offset]") {
    std::mt19937_64 random{runnel::test::seed_for("log_block_test")};
    for (std::size_t step = 0; step != runnel::test::scaled(100'000); ++step) {
        const StreamId base = any_id(random);
        const StreamId id = any_id(random);
        const StreamId bound = any_id(random);
        if (id < base || bound < base) continue;
        const auto offset = id_offset(base, id);
        CAPTURE(base, id, bound);
        if (!offset) continue;
        REQUIRE(id_at(base, *offset) == id);
        // What a search for the bound among offsets relies on.
        REQUIRE((id >= bound) == (*offset >= least_offset(base, bound)));
    }
}

// ------------------------------------------------------------------ sets of slots

TEST_CASE("of some slots the lowest, the highest and the ends can be taken", "[log][slots]") {
    constexpr SlotMask all = ~SlotMask{0};
    STATIC_REQUIRE(slots_before(0) == 0);
    STATIC_REQUIRE(slots_before(3) == 0b111);
    STATIC_REQUIRE(slots_before(63) == all >> 1U);
    STATIC_REQUIRE(slots_before(64) == all);
    STATIC_REQUIRE(lowest_slots(0b1101'0010, 2) == 0b1'0010);
    STATIC_REQUIRE(lowest_slots(0b1101'0010, 0) == 0);
    STATIC_REQUIRE(lowest_slots(0b1101'0010, 4) == 0b1101'0010);
    STATIC_REQUIRE(highest_slots(0b1101'0010, 2) == 0b1100'0000);
    STATIC_REQUIRE(highest_slots(0b1101'0010, 0) == 0);
    STATIC_REQUIRE(highest_slots(0b1101'0010, 9) == 0b1101'0010);
    STATIC_REQUIRE(first_slot(0b1101'0010) == 1);
    STATIC_REQUIRE(last_slot(0b1101'0010) == 7);
    STATIC_REQUIRE(last_slot(all) == 63);
    STATIC_REQUIRE(first_slot(slot_bit(63)) == 63);
    STATIC_REQUIRE(slot_at(0b1101'0010, 0) == 1);
    STATIC_REQUIRE(slot_at(0b1101'0010, 3) == 7);
    STATIC_REQUIRE(slot_at(0b0111'0000, 2) == 6);
    STATIC_REQUIRE(slot_at(all, 63) == 63);
    STATIC_REQUIRE(count_slots(all) == 64);
    STATIC_REQUIRE(lowest_slots(all, 64) == all);
    STATIC_REQUIRE(highest_slots(all, 63) == all << 1U);
}

// ------------------------------------------------------------------ one block

TEST_CASE_METHOD(ThreeInABlock, "a block shows its entries in the order of their ids",
                 "[log][block]") {
    CHECK(block->count() == 3);
    CHECK(block->live() == 0b111);
    CHECK(block->id(0) == StreamId{5, 0});
    CHECK(block->id(2) == StreamId{6, 0});
    CHECK(block->value(1).get() == 2);
    CHECK(block->lower_bound({0, 0}) == 0);
    CHECK(block->lower_bound({5, 0}) == 0);
    CHECK(block->lower_bound({5, 1}) == 1);
    CHECK(block->lower_bound({5, 2}) == 2);
    CHECK(block->lower_bound({6, 0}) == 2);
    CHECK(block->lower_bound({6, 1}) == 3);
    CHECK(block->lower_bound(StreamId::max()) == 3);
    CHECK(block->has(1, {5, 1}));
    CHECK_FALSE(block->has(1, {5, 2}));
    CHECK_FALSE(block->has(3, {6, 1}));
    erase(0b10);
    CHECK_FALSE(block->has(1, {5, 1}));
    CHECK(block->live() == 0b101);
}

TEST_CASE_METHOD(ThreeInABlock, "a block takes entries until it is full or sealed",
                 "[log][block]") {
    CHECK(block->capacity() == 4);
    CHECK_FALSE(block->is_full());
    CHECK(block->takes({6, 1}));
    CHECK_FALSE(block->takes({5 + last_half, 0}));
    append(*block, {6, 1}, 4);
    CHECK(block->is_full());
    CHECK_FALSE(block->takes({6, 2}));
}

TEST_CASE_METHOD(ThreeInABlock, "a sealed block takes no more, and shows what it has",
                 "[log][block]") {
    block->seal();
    CHECK(block->is_full());
    CHECK_FALSE(block->takes({6, 1}));
    CHECK(block->count() == 3);
    CHECK(block->live() == 0b111);
    CHECK(block->lower_bound(StreamId::max()) == 3);
}

TEST_CASE_METHOD(ThreeInABlock, "an erased value dies at once if nobody has a pin",
                 "[log][block][pin]") {
    REQUIRE(block->erase(0b10));
    CHECK(census.alive() == 3);  // it is under a lock
    CHECK(block->live() == 0b101);
    block->finish_reap();
    CHECK(census.alive() == 2);
}

TEST_CASE_METHOD(ThreeInABlock, "an erased value dies with the last pin", "[log][block][pin]") {
    block->pin();
    block->pin();
    CHECK_FALSE(block->erase(0b1));
    CHECK(block->value(0).get() == 1);
    block->unpin();
    CHECK_FALSE(block->erase(0b10));
    CHECK(census.alive() == 3);
    block->unpin();
    CHECK(census.alive() == 1);
    CHECK(block->value(2).get() == 3);
}

TEST_CASE_METHOD(ThreeInABlock, "to unpin destroys nothing that was not erased",
                 "[log][block][pin]") {
    block->pin();
    block->unpin();
    CHECK(census.alive() == 3);
    CHECK(block->live() == 0b111);
}

TEST_CASE_METHOD(ThreeInABlock, "who pins after an erasure does not hold it up",
                 "[log][block][pin]") {
    REQUIRE(block->erase(0b1));
    block->pin();
    CHECK(block->live() == 0b110);
    block->finish_reap();
    CHECK(census.alive() == 2);
    block->unpin();
    CHECK(census.alive() == 2);
}

TEST_CASE_METHOD(ThreeInABlock, "one who reaps takes along what is erased meanwhile",
                 "[log][block][pin]") {
    REQUIRE(block->erase(0b1));
    CHECK_FALSE(block->erase(0b10));
    CHECK_FALSE(block->erase(0b100));
    block->finish_reap();
    CHECK(census.alive() == 0);
}

TEST_CASE_METHOD(ThreeInABlock, "what is erased while one reaps is left to a pin taken before",
                 "[log][block][pin]") {
    REQUIRE(block->erase(0b1));
    block->pin();
    CHECK_FALSE(block->erase(0b10));
    block->finish_reap();
    CHECK(census.alive() == 2);
    CHECK(block->value(1).get() == 2);
    block->unpin();
    CHECK(census.alive() == 1);
}

TEST_CASE_METHOD(ThreeInABlock, "to erase again what is dead destroys nothing twice",
                 "[log][block][pin]") {
    erase(0b1);
    erase(0b1);
    CHECK(census.alive() == 2);
    erase(0b11);
    CHECK(census.alive() == 1);
}

TEST_CASE_METHOD(ThreeInABlock, "memory goes with the last owner, and the values with it",
                 "[log][block][owner]") {
    block->add_owner();
    block->remove_owner();
    CHECK(census.alive() == 3);
    erase(0b10);
    let_go();
    CHECK(census.alive() == 0);
    CHECK(AlignedMemory::live_blocks == 0);
}

TEST_CASE_METHOD(ThreeInABlock, "an owner keeps the memory, and no erased value",
                 "[log][block][owner]") {
    Block& kept = *block;
    kept.add_owner();
    erase(0b111);
    let_go();
    CHECK(census.alive() == 0);
    CHECK(AlignedMemory::live_blocks == 1);
    CHECK(kept.id(1) == StreamId{5, 1});
    kept.remove_owner();
    CHECK(AlignedMemory::live_blocks == 0);
}

TEST_CASE_METHOD(ThreeInABlock, "a pin is an owner, too", "[log][block][owner]") {
    Block& pinned = *block;
    pinned.pin();
    SECTION("if nothing was erased") {
        let_go();
        CHECK(census.alive() == 3);
    }
    SECTION("if all was erased") {
        CHECK_FALSE(pinned.erase(0b111));
        let_go();
        CHECK(census.alive() == 3);
    }
    CHECK(pinned.value(1).get() == 2);
    pinned.unpin();
    CHECK(census.alive() == 0);
    CHECK(AlignedMemory::live_blocks == 0);
}

TEST_CASE_METHOD(ThreeInABlock, "who reaps is an owner, too", "[log][block][owner]") {
    Block& reaped = *block;
    REQUIRE(reaped.erase(0b1));
    let_go();
    CHECK(AlignedMemory::live_blocks == 1);
    reaped.finish_reap();
    CHECK(AlignedMemory::live_blocks == 0);
}

TEST_CASE_METHOD(ThreeInABlock, "who reaps does not stand there, others do",
                 "[log][block][owner]") {
    CHECK_FALSE(block->is_shared());
    REQUIRE(block->erase(0b1));
    CHECK_FALSE(block->is_shared());
    block->pin();
    CHECK(block->is_shared());
    block->finish_reap();
    CHECK(block->is_shared());
    CHECK_FALSE(block->erase(0b10));
    CHECK(block->is_shared());
    block->unpin();
    CHECK_FALSE(block->is_shared());
}
