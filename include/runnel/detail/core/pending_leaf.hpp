// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/blocks/blocks.hpp>
#include <runnel/detail/blocks/id_offset.hpp>
#include <runnel/detail/blocks/radix_tree.hpp>
#include <runnel/detail/blocks/slots.hpp>
#include <runnel/detail/core/time_order.hpp>
#include <runnel/stream_id.hpp>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <new>
#include <utility>

namespace runnel::inline v0::detail {

// A 64-bit number that needs only the alignment of 32 bits.
class Halves {
public:
    Halves() = default;
    explicit Halves(std::uint64_t value) noexcept : halves_{std::bit_cast<Both>(value)} {}

    [[nodiscard]] std::uint64_t value() const noexcept {
        return std::bit_cast<std::uint64_t>(halves_);
    }

private:
    using Both = std::array<std::uint32_t, 2>;

    Both halves_{};
};

// What is known of a pending entry besides its id.
struct PendingRecord {
    static constexpr std::uint32_t nobody = std::numeric_limits<std::uint32_t>::max();

    [[nodiscard]] std::int64_t time() const noexcept {
        return static_cast<std::int64_t>(time_ms.value());
    }

    // Of its delivery. Without an owner: from when on a claim may take it; 0: at once.
    Halves time_ms;
    Halves deliveries;
    std::uint32_t owner = nobody;
};
static_assert(sizeof(PendingRecord) == 20);

// Up to 64 pending entries, in slots ordered by id.
//
//     [ the records, backwards | key, neighbours, which slots are live | the ids, as offsets ]
//                              ^ the object
//
// The key is a lower bound of the ids. A slot whose entry is gone keeps its offset, so that the
// offsets ascend up to the last live slot.
//
// Elsewhere it may keep the places of its entries in an order of time.
class PendingLeaf : public RadixLeaf {
public:
    static constexpr std::uint32_t most_slots = 64;
    static constexpr std::uint32_t no_slot = most_slots;

    // Throws: std::bad_alloc.
    [[nodiscard]] static PendingLeaf* make(std::uint32_t capacity) {
        RUNNEL_ASSERT(capacity != 0 && capacity <= most_slots);
        void* const memory = BlockMemory::allocate(bytes(capacity), alignof(PendingLeaf));
        return ::new (static_cast<std::byte*>(memory) + records_bytes(capacity))
            PendingLeaf{capacity};
    }

    static void release(PendingLeaf& leaf) noexcept {
        const std::uint32_t capacity = leaf.capacity_;
        void* const memory = leaf.raw() - records_bytes(capacity);
        std::destroy_at(&leaf);
        BlockMemory::release(memory, bytes(capacity), alignof(PendingLeaf));
    }

    PendingLeaf(const PendingLeaf&) = delete;
    PendingLeaf& operator=(const PendingLeaf&) = delete;

    // Makes it an empty leaf for ids from `first` on.
    void reset(StreamId first) noexcept {
        key = first;
        live_ = owners_ = 0;
        count_ = 0;
    }

    [[nodiscard]] std::uint32_t capacity() const noexcept { return capacity_; }
    [[nodiscard]] std::uint32_t count() const noexcept { return count_; }
    [[nodiscard]] bool empty() const noexcept { return live_ == 0; }
    [[nodiscard]] bool is_full() const noexcept { return count_ == capacity_; }
    // Where the slots after the last live one begin.
    [[nodiscard]] std::uint32_t end() const noexcept {
        return static_cast<std::uint32_t>(std::bit_width(live_));
    }

    // The first live slot at or behind `slot`, and the last one before it; no_slot if there is
    // none.
    [[nodiscard]] std::uint32_t first_from(std::uint32_t slot) const noexcept {
        return first_slot(live_ & ~slots_before(slot));
    }
    [[nodiscard]] std::uint32_t last_before(std::uint32_t slot) const noexcept {
        return last_of(live_ & slots_before(slot));
    }
    // The same for free slots.
    [[nodiscard]] std::uint32_t free_from(std::uint32_t slot) const noexcept {
        return first_slot(~live_ & slots_before(capacity_) & ~slots_before(slot));
    }
    [[nodiscard]] std::uint32_t free_before(std::uint32_t slot) const noexcept {
        return last_of(~live_ & slots_before(slot));
    }

    [[nodiscard]] bool is_live(std::uint32_t slot) const noexcept {
        return slot < most_slots && (live_ >> slot & 1U) != 0;
    }
    [[nodiscard]] StreamId id(std::uint32_t slot) const noexcept {
        return id_at(key, offsets()[slot]);
    }
    [[nodiscard]] bool has(std::uint32_t slot, const StreamId& wanted) const noexcept {
        return is_live(slot) && id(slot) == wanted;
    }
    [[nodiscard]] PendingRecord& record(std::uint32_t slot) noexcept { return *place(slot); }
    [[nodiscard]] const PendingRecord& record(std::uint32_t slot) const noexcept {
        return *place(slot);
    }

    // ---- places in an order of time, one for each slot
    // NOLINTNEXTLINE(cppcoreguidelines-avoid-c-arrays,modernize-avoid-c-arrays)
    using Times = std::unique_ptr<TimedEntry[]>;

    // Throws: std::bad_alloc.
    [[nodiscard]] static Times make_times(std::uint32_t capacity) {
        // NOLINTNEXTLINE(cppcoreguidelines-avoid-c-arrays,modernize-avoid-c-arrays)
        return std::make_unique<TimedEntry[]>(capacity);
    }
    void keep(Times times) noexcept { times_ = std::move(times); }
    // Requires: it keeps them.
    [[nodiscard]] TimedEntry& timed(std::uint32_t slot) noexcept {
        RUNNEL_ASSERT(times_ != nullptr && slot < capacity_);
        return times_[slot];
    }

    // The first slot, live or not, whose id is not less than `bound`; end() if there is none.
    [[nodiscard]] std::uint32_t lower_bound(const StreamId& bound) const noexcept {
        if (bound <= key) return 0;
        return first_not_less(offsets(), end(), least_offset(key, bound));
    }

    // Whether `id` has an offset from the key.
    [[nodiscard]] bool reaches(StreamId id) const noexcept { return has_offset(key, id); }

    // Adds an entry behind all others, if it can stand there. Returns its slot, or no_slot.
    [[nodiscard]] std::uint32_t append(StreamId id) noexcept {
        const std::uint32_t slot = end();
        if (slot == capacity_ || !has_offset(key, id)) return no_slot;
        const std::uint64_t offset = least_offset(key, id);
        if (slot != 0 && offsets()[slot - 1] >= offset) return no_slot;
        occupy(slot, offset);
        return slot;
    }

    // Adds an entry. Requires: reaches(id), and the offsets ascend.
    void insert(std::uint32_t slot, StreamId id) noexcept {
        RUNNEL_ASSERT(reaches(id));
        occupy(slot, least_offset(key, id));
    }
    void vacate(std::uint32_t slot) noexcept {
        RUNNEL_ASSERT(is_live(slot));
        live_ &= ~(std::uint64_t{1} << slot);
        --count_;
    }

    // Whether an entry here may belong to `owner`. Owners that are equal modulo 64 share a bit,
    // which stays when the entry goes.
    [[nodiscard]] bool may_have_of(std::uint32_t owner) const noexcept {
        return (owners_ >> (owner % 64U) & 1U) != 0;
    }
    void note_owner(std::uint32_t owner) noexcept { owners_ |= std::uint64_t{1} << (owner % 64U); }
    void note_owners_of(const PendingLeaf& other) noexcept { owners_ |= other.owners_; }

    PendingLeaf* previous = nullptr;
    PendingLeaf* next = nullptr;

private:
    explicit PendingLeaf(std::uint32_t capacity) noexcept
        : RadixLeaf{}, capacity_{static_cast<std::uint16_t>(capacity)} {}

    void occupy(std::uint32_t slot, std::uint64_t offset) noexcept {
        RUNNEL_ASSERT(slot < capacity_ && !is_live(slot));
        offsets()[slot] = offset;
        std::construct_at(place(slot));
        live_ |= std::uint64_t{1} << slot;
        ++count_;
    }

    [[nodiscard]] static constexpr std::uint32_t last_of(std::uint64_t mask) noexcept {
        return mask == 0 ? no_slot : static_cast<std::uint32_t>(std::bit_width(mask)) - 1;
    }

    [[nodiscard]] static constexpr std::size_t records_bytes(std::uint32_t capacity) noexcept {
        constexpr std::size_t unit = alignof(std::uint64_t);
        return (capacity * sizeof(PendingRecord) + unit - 1) / unit * unit;
    }
    [[nodiscard]] static constexpr std::size_t bytes(std::uint32_t capacity) noexcept {
        return records_bytes(capacity) + sizeof(PendingLeaf) + capacity * sizeof(std::uint64_t);
    }

    // The place of either array does not depend on the capacity, so reading them need not wait for
    // the header.
    [[nodiscard]] std::byte* raw() noexcept { return reinterpret_cast<std::byte*>(this); }
    [[nodiscard]] const std::byte* raw() const noexcept {
        return reinterpret_cast<const std::byte*>(this);
    }
    [[nodiscard]] PendingRecord* place(std::uint32_t slot) noexcept {
        return reinterpret_cast<PendingRecord*>(raw() - (slot + 1) * sizeof(PendingRecord));
    }
    [[nodiscard]] const PendingRecord* place(std::uint32_t slot) const noexcept {
        return reinterpret_cast<const PendingRecord*>(raw() - (slot + 1) * sizeof(PendingRecord));
    }
    [[nodiscard]] std::uint64_t* offsets() noexcept {
        return reinterpret_cast<std::uint64_t*>(raw() + sizeof(PendingLeaf));
    }
    [[nodiscard]] const std::uint64_t* offsets() const noexcept {
        return reinterpret_cast<const std::uint64_t*>(raw() + sizeof(PendingLeaf));
    }

    const std::uint16_t capacity_;
    std::uint16_t count_ = 0;
    std::uint64_t live_ = 0;
    std::uint64_t owners_ = 0;
    Times times_;
};
static_assert(sizeof(PendingLeaf) == 64);

}  // namespace runnel::inline v0::detail
