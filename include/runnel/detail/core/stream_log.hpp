// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/blocks/radix_tree.hpp>
#include <runnel/detail/blocks/segmented_log.hpp>
#include <runnel/detail/blocks/slots.hpp>
#include <runnel/detail/core/effect.hpp>
#include <runnel/detail/core/stream_facts.hpp>
#include <runnel/detail/core/stream_position.hpp>
#include <runnel/message.hpp>
#include <runnel/stream_id.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <utility>

namespace runnel::inline v0::detail {

// A live entry, as long as the lock is held; false: there is none.
template <Message T>
struct LogPlace {
    LogBlock<T>* block = nullptr;
    std::uint32_t slot = 0;

    friend bool operator==(const LogPlace&, const LogPlace&) = default;
    [[nodiscard]] explicit operator bool() const noexcept { return block != nullptr; }
    [[nodiscard]] StreamId id() const noexcept { return block->id(slot); }
    [[nodiscard]] const T& value() const noexcept { return block->value(slot); }
};

// The entries of a stream, ordered by id, and the rules of XADD, XRANGE, XDEL, XTRIM and XSETID.
//
//     tree       [ 5-0 . . . . . 7-2 . . . . . . 9-0 ]     indexes the blocks by their first id
//                   |             |               |
//     blocks     [ 5-0 5-1 6-0 ] [ 7-2 7-9 8-0 ] [ 9-0 - - ]
//
// Guarded by its owner's lock. A block without live entries leaves the log, with two exceptions.
// More entries can be appended to it. Or it is shared (by a cursor, a kept entry, an open batch)
// and there are entries before it: these can still be trimmed, and the block's place tells which
// later trims lie behind it. Such a block stays, even when it is not shared any more, until a
// neighbour becomes empty or all before it has left.
template <Message T>
class StreamLog {
public:
    using Block = LogBlock<T>;
    using Place = LogPlace<T>;

    explicit StreamLog(std::uint32_t count = Block::most_slots) noexcept : blocks_{count} {}

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    [[nodiscard]] StreamId last_id() const noexcept { return last_id_; }
    [[nodiscard]] LogFacts facts() const noexcept {
        const Place place = first();
        return {size_, place ? place.id() : StreamId{}, last_id_, max_deleted_id_, entries_added_};
    }

    // The greatest size so far.
    [[nodiscard]] std::size_t high_water() const noexcept { return std::max(most_, size_); }
    // How many entries were erased in all.
    [[nodiscard]] std::uint64_t erased() const noexcept { return erased_; }
    // How many entries were trimmed in all.
    [[nodiscard]] std::uint64_t trimmed() const noexcept {
        return entries_added_ - size_ - erased_;
    }
    // The greatest id that was trimmed; 0-0 if none was.
    [[nodiscard]] StreamId last_trimmed() const noexcept {
        const Block* const block = blocks_.first();
        const SlotMask mask = block != nullptr ? block->trimmed() : 0;
        return mask != 0 ? block->id(last_slot(mask)) : last_trimmed_;
    }

    // ---- appending: prepare, commit

    // Makes append(id) possible. Throws: std::bad_alloc, and then nothing has changed that can be
    // seen. Requires: id > last_id().
    void reserve(StreamId id, Disposal<T>& disposal) {
        RUNNEL_ASSERT(id > last_id_);
        const Block* const last = blocks_.last();
        if (last == nullptr || !last->takes(id)) [[unlikely]]
            add_block(id, disposal);
    }

    // Requires: reserve(id) before, and nothing else since.
    Effect append(StreamId id, T&& value) noexcept {
        Block& block = *blocks_.last();
        block.append(id, std::move(value));
        last_id_ = id;
        ++entries_added_;
        ++size_;
        return {.appended = 1};
    }

    // ---- finding: the tree, or what was found last

    [[nodiscard]] Block* last_block() const noexcept { return blocks_.last(); }

    [[nodiscard]] Place first() const noexcept { return from(blocks_.first(), 0); }
    [[nodiscard]] Place last() const noexcept {
        return back_from(blocks_.last(), Block::most_slots);
    }

    // The first entry whose id is not less than `id`.
    [[nodiscard]] Place lower_bound(const StreamId& id) const noexcept {
        Block* const block = block_of(id);
        return block == nullptr ? first() : from(block, block->lower_bound(id));
    }

    // The first entry whose id is greater than `id`.
    [[nodiscard]] Place after(const StreamId& id) const noexcept {
        if (id >= last_id_) return {};
        return lower_bound(*id.next());
    }

    // The last entry whose id is not greater than `id`.
    [[nodiscard]] Place at_most(const StreamId& id) const noexcept {
        Block* const block = block_of(id);
        if (block == nullptr) return {};
        const std::uint32_t slot = block->lower_bound(id);
        const bool is_there = slot != block->count() && block->id(slot) == id;
        return back_from(block, slot + (is_there ? 1 : 0));
    }

    [[nodiscard]] Place find(const StreamId& id) const noexcept {
        // In most loops the entry follows the one that was found before.
        if (found_ != nullptr && found_slot_ == found_->count() && found_->next != nullptr) {
            found_ = found_->next;
            found_slot_ = 0;
        }
        if (found_ != nullptr && found_->has(found_slot_, id)) return {found_, found_slot_++};
        return find_afar(id);
    }

    // The first entry at or behind `slot`, which may be the end of its block.
    [[nodiscard]] static Place from(Block* block, std::uint32_t slot) noexcept {
        for (; block != nullptr; block = block->next, slot = 0) {
            const SlotMask mask = block->live() & ~slots_before(slot);
            if (mask != 0) return {block, first_slot(mask)};
        }
        return {};
    }

    [[nodiscard]] static Place next(Place place) noexcept {
        return from(place.block, place.slot + 1);
    }
    [[nodiscard]] static Place previous(Place place) noexcept {
        return back_from(place.block, place.slot);
    }

    // The slots of `block` whose ids are not less than `id`, and those whose ids are not greater.
    [[nodiscard]] static SlotMask slots_from(const Block& block, const StreamId& id) noexcept {
        return ~slots_before(block.lower_bound(id));
    }
    [[nodiscard]] static SlotMask slots_up_to(const Block& block, const StreamId& id) noexcept {
        const auto behind = id.next();
        return behind ? slots_before(block.lower_bound(*behind)) : ~SlotMask{0};
    }

    // How many entries follow `id`. Linear in their blocks.
    [[nodiscard]] std::size_t count_after(const StreamId& id) const noexcept {
        const Place place = after(id);
        if (!place) return 0;
        std::size_t count = count_slots(place.block->live() & ~slots_before(place.slot));
        for (const Block* block = place.block->next; block != nullptr; block = block->next)
            count += count_slots(block->live());
        return count;
    }

    // ---- erasing; the values are destroyed with `disposal`

    // As XDEL does.
    Effect erase(Place place, Disposal<T>& disposal) noexcept {
        if (place.id() > max_deleted_id_) max_deleted_id_ = place.id();
        ++erased_;
        erase(*place.block, slot_bit(place.slot), disposal);
        return {.removed = 1};
    }

    // As XTRIM MAXLEN and MINID do: the oldest entries, while there are more than `length`, or
    // those before `id`.
    Effect trim_to_length(std::size_t length, Disposal<T>& disposal) noexcept {
        std::size_t removed = 0;
        while (size_ > length) {
            Block& block = *first().block;
            const SlotMask mask = lowest_slots(block.live(), size_ - length);
            removed += count_slots(mask);
            block.note_trimmed(mask);
            erase(block, mask, disposal);
        }
        return {.removed = removed};
    }
    Effect trim_before(StreamId id, Disposal<T>& disposal) noexcept {
        std::size_t removed = 0;
        for (Place place = first(); place && place.id() < id; place = first()) {
            Block& block = *place.block;
            const SlotMask mask = block.live() & slots_before(block.lower_bound(id));
            removed += count_slots(mask);
            block.note_trimmed(mask);
            erase(block, mask, disposal);
        }
        return {.removed = removed};
    }

    // Trims one entry, wherever it stands. last_trimmed() tells nothing of it.
    Effect trim(Place place, Disposal<T>& disposal) noexcept {
        place.block->note_trimmed(slot_bit(place.slot));
        erase(*place.block, slot_bit(place.slot), disposal);
        return {.removed = 1};
    }

    // Removes all entries. Without this call, values would be destroyed within the log.
    void clear(Disposal<T>& disposal) noexcept { (void)trim_to_length(0, disposal); }

    // ---- the position, and copies

    // As XSETID does. Requires: check_position() allows it.
    void set_position(const StreamPosition& position) noexcept {
        // The last block may have ids of entries that were trimmed and are greater than those that
        // follow now.
        if (position.last_id < last_id_ && blocks_.last() != nullptr) blocks_.last()->seal();
        last_id_ = position.last_id;
        if (position.max_deleted_id != StreamId{}) max_deleted_id_ = position.max_deleted_id;
        // What is added to one count is added to the other, so that trimmed() stays as it is. That
        // also holds if they wrap around.
        const std::uint64_t added = position.entries_added.value_or(entries_added_);
        erased_ += added - entries_added_;
        entries_added_ = added;
    }

    // Makes this the copy of another log. Throws: std::bad_alloc, what copying a T throws; then
    // this log is of no use. Requires: nothing was ever added to this one.
    void copy(const StreamLog& other, Disposal<T>& disposal) {
        for (Place place = other.first(); place; place = next(place)) {
            T value{place.value()};
            reserve(place.id(), disposal);
            append(place.id(), std::move(value));
        }
        set_position({other.last_id_, other.entries_added_, other.max_deleted_id_});
    }

private:
    [[gnu::noinline]] void add_block(StreamId id, Disposal<T>& disposal) {
        Block* const last = blocks_.last();
        // It would stay empty. It may have been made for an id that was not appended in the end.
        if (last != nullptr && last->live() == 0) remove_empty(*last, disposal);
        Block* const block = blocks_.make(id);
        try {
            tree_.insert(*block);
        } catch (...) {
            block->remove_owner();
            throw;
        }
        blocks_.append(*block);
    }

    [[gnu::noinline]] [[nodiscard]] Place find_afar(const StreamId& id) const noexcept {
        Block* const block = block_of(id);
        if (block == nullptr) return {};
        found_slot_ = block->lower_bound(id);
        if (!block->has(found_slot_, id)) return {};
        return {block, found_slot_++};
    }

    // The last block whose ids begin at or before `id`; null if there is none.
    [[nodiscard]] Block* block_of(const StreamId& id) const noexcept {
        if (found_ == nullptr || !is_within(*found_, id)) found_ = look_up(id);
        return found_;
    }
    [[nodiscard]] Block* look_up(const StreamId& id) const noexcept {
        Block* const last = blocks_.last();
        if (last == nullptr || last->key <= id) return last;
        return static_cast<Block*>(tree_.floor(id));
    }
    [[nodiscard]] static bool is_within(const Block& block, const StreamId& id) noexcept {
        return block.key <= id && (block.next == nullptr || id < block.next->key);
    }

    // The last live entry before `end`.
    [[nodiscard]] static Place back_from(Block* block, std::uint32_t end) noexcept {
        for (; block != nullptr; block = block->previous, end = Block::most_slots) {
            const SlotMask mask = block->live() & slots_before(end);
            if (mask != 0) return {block, last_slot(mask)};
        }
        return {};
    }

    void erase(Block& block, SlotMask mask, Disposal<T>& disposal) noexcept {
        if (size_ > most_) [[unlikely]]
            most_ = size_;
        size_ -= count_slots(mask);
        disposal.erase(block, mask);
        if (block.live() == 0 && !may_grow(block)) remove_empty(block, disposal);
    }

    [[nodiscard]] bool may_grow(const Block& block) const noexcept {
        return &block == blocks_.last() && block.count() != block.capacity();
    }
    [[nodiscard]] bool is_empty(const Block* block) const noexcept {
        return block != nullptr && block->live() == 0 && !may_grow(*block);
    }

    [[gnu::noinline]] void remove_empty(Block& block, Disposal<T>& disposal) noexcept {
        if (&block == blocks_.first()) {
            remove(block, disposal);
            while (is_empty(blocks_.first())) remove(*blocks_.first(), disposal);
            return;
        }
        remove_unshared([](const Block& one) { return one.previous; }, block, disposal);
        remove_unshared([](const Block& one) { return one.next; }, block, disposal);
        if (!block.is_shared()) remove(block, disposal);
    }

    // Removes the empty blocks beside `block` in one direction, up to a shared one. To look behind
    // that each time would be linear in all blocks that are kept.
    template <typename Beside>
    void remove_unshared(Beside beside, const Block& block, Disposal<T>& disposal) noexcept {
        for (Block* one = beside(block); is_empty(one) && !one->is_shared();) {
            Block* const further = beside(*one);
            remove(*one, disposal);
            one = further;
        }
    }

    void remove(Block& block, Disposal<T>& disposal) noexcept {
        if (found_ == &block) found_ = nullptr;
        last_trimmed_ = last_trimmed();
        block.set_trimmed_when_it_left(trimmed());
        tree_.erase(block);
        blocks_.remove(block);
        disposal.take(block);
    }

    SegmentedLog<T> blocks_;
    RadixTree tree_;
    // Where find() looks first.
    mutable Block* found_ = nullptr;
    mutable std::uint32_t found_slot_ = 0;
    std::size_t size_ = 0;
    std::size_t most_ = 0;  // the greatest size before a removal
    StreamId last_id_{};
    StreamId max_deleted_id_{};
    std::uint64_t entries_added_ = 0;
    std::uint64_t erased_ = 0;
    StreamId last_trimmed_{};  // in the blocks that have left
};

}  // namespace runnel::inline v0::detail
