// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/linked.hpp>
#include <runnel/detail/blocks/blocks.hpp>
#include <runnel/detail/blocks/id_offset.hpp>
#include <runnel/detail/blocks/radix_tree.hpp>
#include <runnel/detail/core/pending_leaf.hpp>
#include <runnel/detail/core/time_order.hpp>
#include <runnel/stream_id.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace runnel::inline v0::detail {

// What is pending for a consumer group.
struct Pending {
    StreamId id;
    std::uint32_t owner = PendingRecord::nobody;
    std::int64_t delivered_ms = 0;  // 0 if it has no owner
    std::uint64_t deliveries = 0;
    std::int64_t due_ms = 0;  // without an owner: from when on a claim may take it; 0: at once

    friend bool operator==(const Pending&, const Pending&) = default;
};

// A pending entry, until the next insert or erase; false: there is none.
struct PendingPlace {
    PendingLeaf* leaf = nullptr;
    std::uint32_t slot = 0;

    friend bool operator==(const PendingPlace&, const PendingPlace&) = default;
    [[nodiscard]] explicit operator bool() const noexcept { return leaf != nullptr; }
};

// The entries that one consumer group has delivered and that are not acknowledged, in the order of
// ids. Knows no messages and no names: an owner is a number.
//
//     tree       [ 5-0 . . . . . 7-2 . . . . . . . 9-0 ]     indexes the leaves by their keys
//                   |             |                 |
//     leaves     [ 5-0 - 6-0 ] [ 7-2 7-9 8-0 - ] [ 9-0 - - - ]
//
// Nearly all ids are inserted at the end, and many are erased in their order. A leaf that becomes
// empty is dropped, except the last one. A sparse leaf is merged with a neighbour, except the first
// and the last one, which are about to be emptied and filled anyway.
//
// Guarded by its owner's lock, even for finding: it remembers what was found last.
//
// Made with `timed`, or asked to, it also keeps the TimeOrder of the entries.
class PendingEntries {
public:
    using Place = PendingPlace;

    struct Timed {};
    static constexpr Timed timed{};

    static constexpr std::uint32_t nobody = PendingRecord::nobody;

    // Leaves grow up to `count` slots.
    explicit PendingEntries(std::uint32_t count = PendingLeaf::most_slots) noexcept
        : most_slots_{count} {
        RUNNEL_ASSERT(count >= 2 && count <= PendingLeaf::most_slots);
    }
    // Throws: std::bad_alloc.
    explicit PendingEntries(Timed /*it keeps their order*/,
                            std::uint32_t count = PendingLeaf::most_slots)
        : PendingEntries{count} {
        order_ = std::make_unique<TimeOrder>();
    }
    // Linear. Throws: std::bad_alloc.
    PendingEntries(const PendingEntries& other) : PendingEntries{other.most_slots_} {
        for (Place from = other.first(); from; from = next(from))
            set(insert(id(from)), other[from]);
        if (other.order_ == nullptr) return;
        prepare_order();
        line_up_as(other);
    }
    PendingEntries& operator=(const PendingEntries&) = delete;
    ~PendingEntries() { clear(); }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    // How many entries have no owner.
    [[nodiscard]] std::size_t released() const noexcept { return size_ - owned_; }

    [[nodiscard]] Pending operator[](Place place) const noexcept {
        const PendingRecord& record = record_of(place);
        const bool has_owner = record.owner != nobody;
        return {id(place), record.owner, has_owner ? record.time() : 0, record.deliveries.value(),
                has_owner ? 0 : record.time()};
    }
    [[nodiscard]] static StreamId id(Place place) noexcept {
        RUNNEL_ASSERT(has(place));
        return place.leaf->id(place.slot);
    }
    [[nodiscard]] static std::uint32_t owner(Place place) noexcept {
        return record_of(place).owner;
    }
    // Requires: it has an owner.
    [[nodiscard]] static std::int64_t delivered_ms(Place place) noexcept {
        RUNNEL_ASSERT(owner(place) != nobody);
        return record_of(place).time();
    }
    // From when on a claim may take it; 0: at once. Requires: it has no owner.
    [[nodiscard]] static std::int64_t due_ms(Place place) noexcept {
        RUNNEL_ASSERT(owner(place) == nobody);
        return record_of(place).time();
    }
    [[nodiscard]] static std::uint64_t deliveries(Place place) noexcept {
        return record_of(place).deliveries.value();
    }

    // ---- by id

    [[nodiscard]] Place find(const StreamId& id) const noexcept {
        // In most loops the entry follows the one that was found before.
        if (found_leaf_ != nullptr) {
            const std::uint32_t slot = found_leaf_->first_from(found_end_);
            if (found_leaf_->has(slot, id)) return found(*found_leaf_, slot);
        }
        return find_afar(id);
    }

    // The first entry whose id is not less than `id`.
    [[nodiscard]] Place lower_bound(const StreamId& id) const noexcept {
        PendingLeaf* const leaf = leaf_of(id);
        if (leaf == nullptr) return first();
        const Place place = from(leaf, leaf->lower_bound(id));
        return place ? found(*place.leaf, place.slot) : Place{};
    }

    [[nodiscard]] Place first() const noexcept { return from(leaves_.first(), 0); }
    [[nodiscard]] Place last() const noexcept {
        return back_from(leaves_.last(), PendingLeaf::most_slots);
    }
    [[nodiscard]] static Place next(Place place) noexcept {
        RUNNEL_ASSERT(has(place));
        return from(place.leaf, place.slot + 1);
    }
    [[nodiscard]] static Place previous(Place place) noexcept {
        RUNNEL_ASSERT(has(place));
        return back_from(place.leaf, place.slot);
    }

    // The first entry of `owner` that is `place` or behind it. Complexity: O(leaves + entries in
    // those where `owner`, or one with the same number modulo 64, ever had an entry).
    [[nodiscard]] static Place next_of(std::uint32_t owner, Place place) noexcept {
        RUNNEL_ASSERT(owner != nobody && (!place || has(place)));
        std::uint32_t from = place.slot;
        for (PendingLeaf* leaf = place.leaf; leaf != nullptr; leaf = leaf->next, from = 0) {
            if (!leaf->may_have_of(owner)) continue;
            for (auto slot = leaf->first_from(from); slot != PendingLeaf::no_slot;
                 slot = leaf->first_from(slot + 1))
                if (leaf->record(slot).owner == owner) return {leaf, slot};
        }
        return {};
    }

    // ---- by time

    // Null unless it was made with `timed`, or keep_time_order() was called.
    [[nodiscard]] const TimeOrder* by_time() const noexcept { return order_.get(); }

    // From now on. Those that were released before come in the order of their ids; so do those that
    // were delivered at one time. Linear, if their order by time is that by id. Throws:
    // std::bad_alloc, and then has changed nothing.
    void keep_time_order() {
        if (order_ != nullptr) return;
        prepare_order();
        line_up();
    }

    // Those whose delays have ended by then are released.
    void release_due(std::int64_t now_ms) noexcept {
        if (order_ != nullptr) order_->release_due(now_ms);
    }
    // The entry is left out of the order until it is delivered or released again.
    void set_aside(Place place) noexcept { order_->set_aside(timed_of(place)); }

    // ---- changing

    // A new entry that has no owner and was never delivered. In the order of time it stands nowhere
    // until it is delivered or released. Throws: std::bad_alloc. Requires: the id is not here.
    [[nodiscard]] Place insert(StreamId id) {
        const std::size_t before = size_;
        const Place place = find_or_insert(id);
        RUNNEL_ASSERT(size_ == before + 1);
        return place;
    }

    // The entry of that id; insert(id) if there is none. Throws: std::bad_alloc.
    [[nodiscard]] Place find_or_insert(StreamId id) {
        PendingLeaf* const last = leaves_.last();
        const std::uint32_t slot = last != nullptr ? last->append(id) : PendingLeaf::no_slot;
        if (slot == PendingLeaf::no_slot) return insert_afar(id);
        return inserted(*last, slot, id);
    }

    void erase(Place place) noexcept {
        PendingLeaf& leaf = *place.leaf;
        take_from_owner(place);
        if (order_ != nullptr) [[unlikely]]
            order_->erase(timed_of(place));
        leaf.vacate(place.slot);
        --size_;
        if (is_sparse(leaf)) [[unlikely]]
            thin_out(leaf);
    }

    // Gives the entry to `owner`. Complexity: O(1).
    void deliver(Place place, std::uint32_t owner, std::int64_t delivered_ms,
                 std::uint64_t deliveries) noexcept {
        set_delivered(place, owner, delivered_ms, deliveries);
        if (order_ != nullptr) [[unlikely]]
            order_->deliver(timed_of(place), delivered_ms);
    }

    // Takes the entry from its owner, if it has one. A claim may take it from `due_ms` on; 0: at
    // once.
    void release(Place place, std::uint64_t deliveries, std::int64_t due_ms = 0) noexcept {
        set_released(place, deliveries, due_ms);
        if (order_ != nullptr) [[unlikely]]
            stand_released(place, due_ms);
    }

    // How an entry stands that is not delayed.
    struct Stand {
        Pending entry;
        std::optional<StreamId> before{};  // in the order of time
    };
    [[nodiscard]] Stand stand(Place place) const noexcept {
        RUNNEL_ASSERT((*this)[place].due_ms == 0);
        if (order_ == nullptr) return {(*this)[place]};
        const TimedEntry* const before = timed_of(place).previous;
        if (before == nullptr) return {(*this)[place]};
        return {(*this)[place], before->id};
    }
    // Puts the entry back to how it stood. Requires: all changes since are taken back.
    void put_back(Place place, const Stand& stood) noexcept {
        set(place, stood.entry);
        if (order_ == nullptr) return;
        TimedEntry* const before = stood.before ? &timed_of(find(*stood.before)) : nullptr;
        order_->put_back(timed_of(place), before, stood.entry.delivered_ms,
                         stood.entry.owner == nobody);
    }

    // Also gives back all memory.
    void clear() noexcept {
        while (PendingLeaf* const leaf = leaves_.pop_front()) PendingLeaf::release(*leaf);
        if (spare_ != nullptr) PendingLeaf::release(*std::exchange(spare_, nullptr));
        found_leaf_ = nullptr;
        size_ = owned_ = 0;
        tree_.clear();
        if (order_ != nullptr) order_->clear();
    }

private:
    [[nodiscard]] static bool has(Place place) noexcept {
        return place && place.leaf->is_live(place.slot);
    }
    [[nodiscard]] static const PendingRecord& record_of(Place place) noexcept {
        return std::as_const(*place.leaf).record(place.slot);
    }
    [[nodiscard]] static TimedEntry& timed_of(Place place) noexcept {
        RUNNEL_ASSERT(has(place));
        return place.leaf->timed(place.slot);
    }

    void take_from_owner(Place place) noexcept {
        RUNNEL_ASSERT(has(place));
        if (owner(place) != nobody) --owned_;
    }

    void set_delivered(Place place, std::uint32_t owner, std::int64_t delivered_ms,
                       std::uint64_t deliveries) noexcept {
        take_from_owner(place);
        PendingRecord& record = place.leaf->record(place.slot);
        record.time_ms = Halves{static_cast<std::uint64_t>(delivered_ms)};
        record.deliveries = Halves{deliveries};
        record.owner = owner;
        place.leaf->note_owner(owner);
        ++owned_;
    }
    void set_released(Place place, std::uint64_t deliveries, std::int64_t due_ms) noexcept {
        take_from_owner(place);
        PendingRecord& record = place.leaf->record(place.slot);
        record.time_ms = Halves{static_cast<std::uint64_t>(due_ms)};
        record.deliveries = Halves{deliveries};
        record.owner = nobody;
    }
    void set(Place place, const Pending& entry) noexcept {
        if (entry.owner == nobody)
            set_released(place, entry.deliveries, entry.due_ms);
        else
            set_delivered(place, entry.owner, entry.delivered_ms, entry.deliveries);
    }

    // ---- the order of time

    void stand_released(Place place, std::int64_t due_ms) noexcept {
        if (due_ms == 0)
            order_->release(timed_of(place));
        else
            order_->delay(timed_of(place), due_ms);
    }

    void prepare_order() {
        auto order = std::make_unique<TimeOrder>();
        for (PendingLeaf* leaf = leaves_.first(); leaf != nullptr; leaf = leaf->next)
            leaf->keep(PendingLeaf::make_times(leaf->capacity()));
        if (spare_ != nullptr) spare_->keep(PendingLeaf::make_times(spare_->capacity()));
        order_ = std::move(order);
    }

    void line_up() noexcept {
        TimeOrder::Arrivals delivered{*order_};
        for (Place place = first(); place; place = next(place)) {
            if (owner(place) != nobody) {
                delivered.add(timed_of(place), id(place), delivered_ms(place));
                continue;
            }
            order_->insert(timed_of(place), id(place));
            stand_released(place, due_ms(place));
        }
        delivered.finish();
    }

    // Requires: both have entries of the same ids.
    void line_up_as(const PendingEntries& other) noexcept {
        Place to = first();
        for (Place from = other.first(); from; from = next(from), to = next(to))
            if (timed_of(from).stands == TimedEntry::Stands::delayed)
                order_->stand_as(timed_of(from), timed_of(to));
        for (const TimedEntry* one = other.order_->first(); one != nullptr; one = one->next)
            order_->stand_as(*one, timed_of(find(one->id)));
    }

    // ---- finding

    Place found(PendingLeaf& leaf, std::uint32_t slot) const noexcept {
        found_leaf_ = &leaf;
        found_end_ = slot + 1;
        return {&leaf, slot};
    }

    [[gnu::noinline]] [[nodiscard]] Place find_afar(const StreamId& id) const noexcept {
        PendingLeaf* const leaf = leaf_of(id);
        if (leaf == nullptr) return {};
        const std::uint32_t slot = leaf->lower_bound(id);
        return leaf->has(slot, id) ? found(*leaf, slot) : Place{};
    }

    // The last leaf whose key is not greater than `id`: the only one that can have it.
    [[nodiscard]] PendingLeaf* leaf_of(const StreamId& id) const noexcept {
        if (found_leaf_ != nullptr && found_leaf_->key <= id) {
            if (is_before_next(*found_leaf_, id)) return found_leaf_;
            if (is_before_next(*found_leaf_->next, id)) return found_leaf_->next;
        }
        if (leaves_.last() == nullptr || leaves_.last()->key <= id) return leaves_.last();
        return static_cast<PendingLeaf*>(tree_.floor(id));
    }
    [[nodiscard]] static bool is_before_next(const PendingLeaf& leaf, const StreamId& id) noexcept {
        return leaf.next == nullptr || id < leaf.next->key;
    }

    // The first entry at or behind `slot`, and the last one before `end`.
    [[nodiscard]] static Place from(PendingLeaf* leaf, std::uint32_t slot) noexcept {
        for (; leaf != nullptr; leaf = leaf->next, slot = 0)
            if (const auto live = leaf->first_from(slot); live != PendingLeaf::no_slot)
                return {leaf, live};
        return {};
    }
    [[nodiscard]] static Place back_from(PendingLeaf* leaf, std::uint32_t end) noexcept {
        for (; leaf != nullptr; leaf = leaf->previous, end = PendingLeaf::most_slots)
            if (const auto live = leaf->last_before(end); live != PendingLeaf::no_slot)
                return {leaf, live};
        return {};
    }

    // ---- inserting

    Place inserted(PendingLeaf& leaf, std::uint32_t slot, const StreamId& id) noexcept {
        ++size_;
        if (order_ != nullptr) [[unlikely]]
            order_->insert(leaf.timed(slot), id);
        return {&leaf, slot};
    }
    Place insert_at(PendingLeaf& leaf, std::uint32_t slot, StreamId id) noexcept {
        leaf.insert(slot, id);
        return inserted(leaf, slot, id);
    }

    // For an id that does not just follow the last one.
    [[gnu::noinline]] Place insert_afar(StreamId id) {
        if (leaves_.last() != nullptr && leaves_.last()->empty()) drop(*leaves_.last());
        for (;;) {
            PendingLeaf* const leaf = leaf_of(id);
            if (leaf == nullptr) return insert_behind(nullptr, id);
            const std::uint32_t slot = leaf->lower_bound(id);
            if (leaf->has(slot, id)) return {leaf, slot};
            const bool is_behind_all = slot == leaf->end();
            const bool reaches = leaf->reaches(id);
            if (reaches && has_room(*leaf, is_behind_all))
                return insert_at(*leaf, open_slot(*leaf, slot), id);
            if (is_behind_all) return insert_behind(leaf, id);
            split(*leaf, split_point(*leaf, slot, reaches));
        }
    }

    // Where to split a leaf: in the middle, so that there is room before `slot`; or, if the key
    // does not reach the new id, at `slot`, so that a new leaf can stand between.
    [[nodiscard]] static std::uint32_t split_point(const PendingLeaf& leaf, std::uint32_t slot,
                                                   bool reaches) noexcept {
        return reaches ? leaf.capacity() / 2 : leaf.first_from(slot);
    }

    // Begins a new leaf rather than close gaps in the last one again and again.
    [[nodiscard]] bool has_room(const PendingLeaf& leaf, bool at_end) const noexcept {
        if (at_end && &leaf == leaves_.last()) return leaf.count() <= leaf.capacity() / 4;
        return !leaf.is_full();
    }

    // Moves entries so that a new one can stand before `slot`, and returns where.
    // Requires: the leaf is not full.
    [[nodiscard]] std::uint32_t open_slot(PendingLeaf& leaf, std::uint32_t slot) noexcept {
        if (slot == leaf.end() && leaf.count() <= leaf.capacity() / 4) {
            compact(leaf);
            return leaf.end();
        }
        const std::uint32_t behind = leaf.free_from(slot);
        const std::uint32_t before = leaf.free_before(slot);
        if (before == PendingLeaf::no_slot ||
            (behind != PendingLeaf::no_slot && behind - slot <= slot - before)) {
            for (auto hole = behind; hole != slot; --hole) move(leaf, hole - 1, leaf, hole);
            return slot;
        }
        for (auto hole = before; hole + 1 != slot; ++hole) move(leaf, hole + 1, leaf, hole);
        return slot - 1;
    }

    // Into a new leaf behind `leaf`; nullptr: before all others.
    Place insert_behind(PendingLeaf* leaf, StreamId id) {
        StreamId key = id;
        if (leaf != leaves_.last())
            key = least_key(leaf != nullptr ? last_id_of(*leaf) : StreamId{}, id);
        const bool was_filled = leaf != nullptr && leaf->end() == leaf->capacity();
        PendingLeaf& made = add_leaf(leaf, key, was_filled ? leaf->capacity() : 0);
        return insert_at(made, 0, id);
    }

    // A key for a leaf that begins with `id`, behind `after`. It is small, so that the leaf can
    // also take most ids between the two.
    [[nodiscard]] static StreamId least_key(StreamId after, StreamId id) noexcept {
        constexpr std::uint64_t reach = std::uint64_t{1} << 31U;
        for (const StreamId key :
             {*after.next(), StreamId{id.ms - std::min(id.ms, reach), 0}, StreamId{id.ms, 0}})
            if (key > after && has_offset(key, id)) return key;
        return id;
    }
    [[nodiscard]] static StreamId last_id_of(const PendingLeaf& leaf) noexcept {
        return leaf.id(leaf.end() - 1);
    }

    // Moves what is in `slot` and behind it to a new leaf. Requires: there is something.
    void split(PendingLeaf& leaf, std::uint32_t slot) {
        PendingLeaf& made = add_leaf(&leaf, leaf.id(slot), leaf.capacity());
        move_all(leaf, slot, made);
        if (leaf.empty()) drop(leaf);
    }

    // Adds an empty leaf behind `leaf`, of the size that follows `capacity`: see BlockGrowth. The
    // caller has to put something into it.
    PendingLeaf& add_leaf(PendingLeaf* leaf, StreamId key, std::uint32_t capacity) {
        PendingLeaf& made = take_spare(BlockGrowth::after(capacity, most_slots_));
        made.reset(key);
        try {
            tree_.insert(made);
        } catch (...) {
            keep(made);
            throw;
        }
        leaves_.insert_behind(leaf, made);
        return made;
    }

    PendingLeaf& take_spare(std::uint32_t capacity) {
        if (spare_ != nullptr && spare_->capacity() >= capacity)
            return *std::exchange(spare_, nullptr);
        PendingLeaf::Times times;
        if (order_ != nullptr) times = PendingLeaf::make_times(capacity);
        PendingLeaf& made = *PendingLeaf::make(capacity);
        made.keep(std::move(times));
        return made;
    }

    // ---- erasing

    // True only at some counts, so that an erase seldom looks at the neighbours.
    [[nodiscard]] static bool is_sparse(const PendingLeaf& leaf) noexcept {
        const std::uint32_t count = leaf.count();
        return count <= leaf.capacity() / 4 && (count & (count - 1)) == 0;
    }

    [[gnu::noinline]] void thin_out(PendingLeaf& leaf) noexcept {
        if (&leaf == leaves_.last()) return;
        if (leaf.empty()) {
            drop(leaf);
        } else if (&leaf != leaves_.first() && !merge(*leaf.previous, leaf)) {
            merge(leaf, *leaf.next);
        }
    }

    // Moves what is in `from` behind what is in `to`, if that leaves room for more.
    bool merge(PendingLeaf& to, PendingLeaf& from) noexcept {
        if (to.count() + from.count() > to.capacity() / 2) return false;
        // Each id is checked: the key may reach a later id, but not the sequence number of an
        // earlier one.
        for (auto slot = from.first_from(0); slot != PendingLeaf::no_slot;
             slot = from.first_from(slot + 1))
            if (!to.reaches(from.id(slot))) return false;
        compact(to);
        move_all(from, 0, to);
        drop(from);
        return true;
    }

    void drop(PendingLeaf& leaf) noexcept {
        RUNNEL_ASSERT(leaf.empty());
        tree_.erase(leaf);
        if (found_leaf_ == &leaf) {
            found_leaf_ = leaf.next;
            found_end_ = 0;
        }
        leaves_.remove(leaf);
        keep(leaf);
    }

    // Keeps one spare leaf, so that a queue that runs along its leaves needs no new ones.
    void keep(PendingLeaf& leaf) noexcept {
        PendingLeaf* other = &leaf;
        if (spare_ == nullptr || spare_->capacity() < leaf.capacity()) std::swap(spare_, other);
        if (other != nullptr) PendingLeaf::release(*other);
    }

    // ---- moving entries

    void move(PendingLeaf& from, std::uint32_t slot, PendingLeaf& to,
              std::uint32_t to_slot) noexcept {
        const StreamId id = from.id(slot);
        const PendingRecord record = from.record(slot);
        from.vacate(slot);
        to.insert(to_slot, id);
        to.record(to_slot) = record;
        if (order_ != nullptr) order_->move(from.timed(slot), to.timed(to_slot));
    }

    // From `slot` on to the end of `to`, which has room.
    void move_all(PendingLeaf& from, std::uint32_t slot, PendingLeaf& to) noexcept {
        to.note_owners_of(from);
        for (slot = from.first_from(slot); slot != PendingLeaf::no_slot;
             slot = from.first_from(slot + 1))
            move(from, slot, to, to.end());
    }

    void compact(PendingLeaf& leaf) noexcept {
        std::uint32_t end = 0;
        for (auto slot = leaf.first_from(0); slot != PendingLeaf::no_slot;
             slot = leaf.first_from(slot + 1), ++end)
            if (slot != end) move(leaf, slot, leaf, end);
    }

    LinkedList<PendingLeaf> leaves_;
    RadixTree tree_;
    std::size_t size_ = 0;
    std::size_t owned_ = 0;  // of them, how many have an owner
    PendingLeaf* spare_ = nullptr;
    mutable PendingLeaf* found_leaf_ = nullptr;
    mutable std::uint32_t found_end_ = 0;  // behind the slot that was found
    const std::uint32_t most_slots_;
    std::unique_ptr<TimeOrder> order_;
};

}  // namespace runnel::inline v0::detail
