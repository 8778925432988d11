// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/linked.hpp>
#include <runnel/detail/blocks/blocks.hpp>
#include <runnel/message.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

namespace runnel::inline v0::detail {

// A queue with two ends over linked blocks.
//
//     first                                       last
//     [ - - a b ] <-> [ c d e f ] <-> [ g h - - ]          each block: begin, end, capacity
//
// Why not std::deque: this one keeps emptied blocks for reuse, also across take_all(), so that a
// stream of messages from one thread to another allocates nothing. An element in it moves only in
// insert() and extract(). A new deque owns no memory. reserve_…() makes the push after it noexcept.
//
// Not synchronised. Every operation has the strong guarantee; those that allocate say so.
template <Message T>
class BlockDeque {
public:
    class Aside;

    BlockDeque() = default;
    BlockDeque(const BlockDeque&) = delete;
    BlockDeque& operator=(const BlockDeque&) = delete;

    ~BlockDeque() {
        clear();
        while (!spares_.empty()) release(&spares_.pop());
        if (Block* const last = blocks_.pop_front()) release(last);
    }

    [[nodiscard]] bool empty() const noexcept { return size_ == 0; }
    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    // Make the next push at that end noexcept, also after pops at either end. May allocate.
    void reserve_back() {
        if (!has_room_at_back() && spares_.empty()) spares_.push(*allocate());
    }
    void reserve_front() {
        if (!has_room_at_front() && spares_.empty()) spares_.push(*allocate());
    }

    // The same without allocating: they take a block that was set aside if they need one.
    void reserve_back(Aside& aside) noexcept {
        if (!has_room_at_back() && spares_.empty()) spares_.push(aside.take());
    }
    void reserve_front(Aside& aside) noexcept {
        if (!has_room_at_front() && spares_.empty()) spares_.push(aside.take());
    }

    // Make the next `count` pushes at that end noexcept, if there are no pops in between. May
    // allocate.
    void reserve_back(std::size_t count) {
        const std::size_t room = blocks_.last() != nullptr ? blocks_.last()->room_at_end() : 0;
        reserve_spares(count - std::min(count, room));
    }
    void reserve_front(std::size_t count) {
        const std::size_t room = blocks_.first() != nullptr ? blocks_.first()->room_at_begin() : 0;
        reserve_spares(count - std::min(count, room));
    }

    // Makes the next `count` pushes at any one end noexcept, also after pops. May allocate.
    void reserve_spares(std::size_t count) {
        std::size_t room = 0;
        for (const Block* spare = spares_.top(); spare != nullptr; spare = spare->next)
            room += spare->capacity;
        while (room < count) {
            const auto missing = std::min<std::size_t>(count - room, most_slots);
            spares_.push(*allocate(std::max(next_capacity(), static_cast<std::uint32_t>(missing))));
            room += spares_.top()->capacity;
        }
    }

    // Makes insert() at that position noexcept. May allocate.
    void reserve_insert(std::size_t position) {
        if (position == size_) return reserve_back();
        const Block& block = *place_of(position).block;
        const bool fits = !block.full() || (block.next != nullptr && block.next->begin != 0);
        if (!fits && spares_.empty()) spares_.push(*allocate());
    }

    // May allocate. If that throws, `value` is as it was.
    void push_back(T&& value) {
        if (!has_room_at_back()) [[unlikely]]
            add_block_at_back();
        std::construct_at(blocks_.last()->place(blocks_.last()->end), std::move(value));
        ++blocks_.last()->end;
        ++size_;
    }
    void push_front(T&& value) {
        if (!has_room_at_front()) [[unlikely]]
            add_block_at_front();
        if (blocks_.first()->empty())
            blocks_.first()->begin = blocks_.first()->end = blocks_.first()->capacity;
        std::construct_at(blocks_.first()->place(blocks_.first()->begin - 1), std::move(value));
        --blocks_.first()->begin;
        ++size_;
    }

    // Puts `value` in front of the element at `position`, or behind all. Elements of one block
    // move. May allocate. If that throws, `value` is as it was. Requires: position <= size().
    // Complexity: O(blocks).
    void insert(std::size_t position, T&& value) {
        if (position == size_) return push_back(std::move(value));
        const auto [block, slot] = place_of(position);
        if (block->full()) move_last_into_next(*block);
        std::construct_at(make_gap(*block, slot), std::move(value));
        ++size_;
    }

    // Pushes a prefix of `values` and returns its length. That is less than all only if memory runs
    // out after the first one; if memory runs out before, it throws and has changed nothing.
    std::size_t append(std::span<T> values) {
        std::size_t done = 0;
        while (done != values.size()) {
            if (!has_room_at_back() && !try_add_block_at_back(done == 0)) break;
            const auto count = std::min<std::size_t>(
                values.size() - done, blocks_.last()->capacity - blocks_.last()->end);
            std::uninitialized_move_n(values.data() + done, count,
                                      blocks_.last()->place(blocks_.last()->end));
            blocks_.last()->end += static_cast<std::uint32_t>(count);
            size_ += count;
            done += count;
        }
        return done;
    }

    // These require: not empty.
    [[nodiscard]] T& front() noexcept { return *blocks_.first()->slot(blocks_.first()->begin); }
    [[nodiscard]] T& back() noexcept { return *blocks_.last()->slot(blocks_.last()->end - 1); }

    // Requires: position < size(). Complexity: O(blocks).
    [[nodiscard]] T& at(std::size_t position) noexcept {
        const auto [block, slot] = place_of(position);
        return *block->slot(slot);
    }
    [[nodiscard]] const T& at(std::size_t position) const noexcept {
        const auto [block, slot] = place_of(position);
        return *block->slot(slot);
    }

    void drop_front() noexcept {
        RUNNEL_ASSERT(!empty());
        std::destroy_at(blocks_.first()->slot(blocks_.first()->begin));
        --size_;
        if (++blocks_.first()->begin == blocks_.first()->end) [[unlikely]]
            unlink_if_empty(*blocks_.first());
    }
    void drop_back() noexcept {
        RUNNEL_ASSERT(!empty());
        --blocks_.last()->end;
        std::destroy_at(blocks_.last()->slot(blocks_.last()->end));
        --size_;
        if (blocks_.last()->begin == blocks_.last()->end) [[unlikely]]
            unlink_if_empty(*blocks_.last());
    }

    // Moves the first `count` elements to the end of `out`.
    // Requires: count <= size(), out.capacity() suffices.
    void take_front(std::size_t count, std::vector<T>& out) noexcept {
        size_ -= count;
        while (count != 0) {
            const auto here = std::min(count, blocks_.first()->size());
            T* const elements = blocks_.first()->slot(blocks_.first()->begin);
            append_to(out, elements, here);
            std::destroy_n(elements, here);
            blocks_.first()->begin += static_cast<std::uint32_t>(here);
            count -= here;
            unlink_if_empty(*blocks_.first());
        }
    }

    // Takes over everything in `other`, in constant time, and gives it our spare blocks.
    // Requires: this is empty.
    void take_all(BlockDeque& other) noexcept {
        RUNNEL_ASSERT(empty());
        blocks_.swap(other.blocks_);
        std::swap(size_, other.size_);
        while (!spares_.empty() && other.spares() < most_spares) other.keep(spares_.pop());
    }

    // Calls visit(const T&) for `count` elements from position `from` on.
    // Requires: from + count <= size(). Complexity: O(blocks + count).
    template <typename Visit>
    void visit(std::size_t from, std::size_t count, Visit visit) const {
        for (const Block* block = blocks_.first(); count != 0; block = block->next) {
            const std::size_t skipped = from < block->size() ? from : block->size();
            from -= skipped;
            for (auto at = block->begin + static_cast<std::uint32_t>(skipped);
                 at != block->end && count != 0; ++at, --count)
                visit(std::as_const(*block->slot(at)));
        }
    }

    // Call stop(const T&) for `count` elements, from the first one on or from the last one back,
    // until it returns true or all are seen. Return whether it did.
    template <typename Stop>
    bool search_from_front(std::size_t count, Stop stop) const {
        for (const Block* block = blocks_.first(); block != nullptr; block = block->next) {
            for (auto slot = block->begin; slot != block->end; ++slot, --count) {
                if (count == 0) return false;
                if (stop(std::as_const(*block->slot(slot)))) return true;
            }
        }
        return false;
    }
    template <typename Stop>
    bool search_from_back(std::size_t count, Stop stop) const {
        for (const Block* block = blocks_.last(); block != nullptr; block = block->previous) {
            for (auto slot = block->end; slot != block->begin; --slot, --count) {
                if (count == 0) return false;
                if (stop(std::as_const(*block->slot(slot - 1)))) return true;
            }
        }
        return false;
    }

    // Moves the elements at `positions`, which ascend, to the end of `out`, and closes the gaps.
    // Neighbouring blocks that have become sparse are merged. Requires: out.capacity() suffices.
    // Complexity: O(size).
    void extract(const std::vector<std::size_t>& positions, std::vector<T>& out) noexcept {
        auto next = positions.begin();
        std::size_t at = 0;
        bool has_room = false;  // whether the block before has more room now
        for (Block* block = blocks_.first();
             block != nullptr && (next != positions.end() || has_room);) {
            Block* const following = block->next;
            const std::size_t size_before = block->size();
            const auto end = std::lower_bound(next, positions.end(), at + size_before);
            extract(*block, {next, end}, at, out);
            const bool has_changed = block->size() != size_before;
            size_ -= size_before - block->size();
            const bool is_merged = (has_changed || has_room) && merge_into_previous(*block);
            unlink_if_empty(*block);
            has_room = has_changed || is_merged;
            next = end;
            at += size_before;
            block = following;
        }
    }

    void clear() noexcept {
        while (!empty()) drop_front();
    }

private:
    struct alignas(std::max(alignof(T), alignof(void*))) Block {
        explicit Block(std::uint32_t count) noexcept : capacity{count} {}

        [[nodiscard]] bool empty() const noexcept { return begin == end; }
        [[nodiscard]] bool full() const noexcept { return begin == 0 && end == capacity; }
        [[nodiscard]] std::size_t size() const noexcept { return end - begin; }
        [[nodiscard]] std::size_t room_at_end() const noexcept { return capacity - end; }
        [[nodiscard]] std::size_t room_at_begin() const noexcept {
            return empty() ? capacity : begin;
        }
        // Where to construct an element.
        [[nodiscard]] T* place(std::uint32_t index) const noexcept {
            auto* const storage = reinterpret_cast<std::byte*>(const_cast<Block*>(this) + 1);
            return reinterpret_cast<T*>(storage + index * sizeof(T));
        }
        // The element that is there.
        [[nodiscard]] T* slot(std::uint32_t index) const noexcept {
            return std::launder(place(index));
        }

        Block* previous = nullptr;
        Block* next = nullptr;
        std::uint32_t begin = 0;
        std::uint32_t end = 0;
        const std::uint32_t capacity;
    };

    // Where an element stands.
    struct Place {
        Block* block;
        std::uint32_t slot;
    };

    // Looks for it from the nearer end. Requires: position < size().
    [[nodiscard]] Place place_of(std::size_t position) const noexcept {
        RUNNEL_ASSERT(position < size_);
        if (position >= size_ / 2) return place_before_end(size_ - position);
        Block* block = blocks_.first();
        for (; position >= block->size(); block = block->next) position -= block->size();
        return {block, block->begin + static_cast<std::uint32_t>(position)};
    }
    // Of the element that is `distance` before the end, 1 for the last.
    [[nodiscard]] Place place_before_end(std::size_t distance) const noexcept {
        Block* block = blocks_.last();
        for (; distance > block->size(); block = block->previous) distance -= block->size();
        return {block, block->end - static_cast<std::uint32_t>(distance)};
    }

    // Moves the elements on one side of `slot` by one and returns where there is room now for one
    // in front of that which was at `slot`. Requires: the block is not full.
    static T* make_gap(Block& block, std::uint32_t slot) noexcept {
        if (block.end != block.capacity) {
            for (auto at = block.end++; at != slot; --at)
                relocate(*block.slot(at - 1), block.place(at));
            return block.place(slot);
        }
        for (auto at = block.begin--; at != slot; ++at)
            relocate(*block.slot(at), block.place(at - 1));
        return block.place(slot - 1);
    }

    // May allocate.
    void move_last_into_next(Block& block) {
        if (block.next == nullptr || block.next->begin == 0) add_block_behind(block);
        Block& next = *block.next;
        relocate(*block.slot(block.end - 1), next.place(next.begin - 1));
        --block.end;
        --next.begin;
    }

    // The same for one block, whose first element is at position `first`.
    static void extract(Block& block, std::span<const std::size_t> positions, std::size_t first,
                        std::vector<T>& out) noexcept {
        if (positions.empty()) return;
        std::uint32_t kept = block.begin;
        for (std::uint32_t slot = block.begin; slot != block.end; ++slot) {
            T& element = *block.slot(slot);
            if (!positions.empty() && positions.front() == first + (slot - block.begin)) {
                positions = positions.subspan(1);
                out.push_back(std::move(element));
                std::destroy_at(std::addressof(element));
            } else {
                relocate(element, block.place(kept++));
            }
        }
        block.end = kept;
    }

    // Moves all elements behind those of the block before, if they fit there.
    static bool merge_into_previous(Block& block) noexcept {
        Block* const to = block.previous;
        if (to == nullptr || to->capacity - to->end < block.size()) return false;
        for (; !block.empty(); ++block.begin, ++to->end)
            relocate(*block.slot(block.begin), to->place(to->end));
        return true;
    }

    // Requires: out.capacity() suffices.
    static void append_to(std::vector<T>& out, T* elements, std::size_t count) noexcept {
        if constexpr (std::is_nothrow_move_assignable_v<T>) {  // insert() asks for assignment
            out.insert(out.end(), std::move_iterator{elements},
                       std::move_iterator{elements + count});
        } else {
            for (std::size_t at = 0; at != count; ++at) out.push_back(std::move(elements[at]));
        }
    }

    static void relocate(T& element, T* to) noexcept {
        if (std::addressof(element) == to) return;
        std::construct_at(to, std::move(element));
        std::destroy_at(std::addressof(element));
    }

    static constexpr std::uint32_t most_slots = BlockGrowth::most(sizeof(Block), sizeof(T));
    static constexpr std::uint32_t most_spares = 2;

    static Block* allocate(std::uint32_t count) {
        return ::new (BlockMemory::allocate(bytes(count), alignof(Block))) Block{count};
    }

    [[nodiscard]] bool has_room_at_back() const noexcept {
        return blocks_.last() != nullptr && blocks_.last()->end != blocks_.last()->capacity;
    }
    [[nodiscard]] bool has_room_at_front() const noexcept {
        return blocks_.first() != nullptr &&
               (blocks_.first()->begin != 0 || blocks_.first()->empty());
    }

    static std::size_t bytes(std::uint32_t count) noexcept {
        return sizeof(Block) + count * sizeof(T);
    }

    [[nodiscard]] std::uint32_t next_capacity() const noexcept {
        return BlockGrowth::after(blocks_.last() != nullptr ? blocks_.last()->capacity : 0,
                                  most_slots);
    }
    Block* allocate() { return allocate(next_capacity()); }

    static void release(Block* block) noexcept {
        const auto count = block->capacity;
        std::destroy_at(block);
        BlockMemory::release(block, bytes(count), alignof(Block));
    }

    // Counts, as they are few: a field would take space on the cache line shared with a lock.
    [[nodiscard]] std::uint32_t spares() const noexcept {
        std::uint32_t count = 0;
        for (const Block* block = spares_.top(); block != nullptr; block = block->next) ++count;
        return count;
    }

    void keep(Block& block) noexcept {
        block.begin = block.end = 0;
        spares_.push(block);
    }

    [[gnu::noinline]] void add_block_at_back() {
        reserve_back();
        blocks_.push_back(spares_.pop());
    }

    // Without memory it throws or, if it may not, returns false.
    bool try_add_block_at_back(bool may_throw) {
        try {
            add_block_at_back();
        } catch (...) {
            if (may_throw) throw;
            return false;
        }
        return true;
    }

    [[gnu::noinline]] void add_block_at_front() {
        reserve_front();
        blocks_.push_front(spares_.pop());
    }

    // It fills from its end.
    void add_block_behind(Block& block) {
        if (spares_.empty()) spares_.push(*allocate());
        Block& added = spares_.pop();
        added.begin = added.end = added.capacity;
        blocks_.insert_behind(&block, added);
    }

    // The last block stays, so that a queue of one element does not allocate at every push.
    [[gnu::noinline]] void unlink_if_empty(Block& block) noexcept {
        if (!block.empty()) return;
        if (blocks_.first() == blocks_.last()) {
            block.begin = block.end = 0;
            return;
        }
        blocks_.remove(block);
        // Keeps at least one spare, of any size: after reserve_…() a push must not fail.
        if (spares_.empty() || (spares() < most_spares && block.capacity == most_slots)) {
            keep(block);
        } else {
            release(&block);
        }
    }

    LinkedList<Block> blocks_;
    std::size_t size_ = 0;
    LinkedStack<Block> spares_;
};

// Blocks set aside for elements that were taken out and may come back. Not synchronised.
template <Message T>
class BlockDeque<T>::Aside {
public:
    Aside() = default;
    Aside(const Aside&) = delete;
    Aside& operator=(const Aside&) = delete;
    ~Aside() {
        while (!blocks_.empty()) release(&blocks_.pop());
    }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }

    // Sets aside blocks until there are `count`. Throws: std::bad_alloc.
    void reserve(std::size_t count) {
        for (; size_ < count; ++size_) blocks_.push(*allocate(1));
    }
    // Sets aside a block for so many elements. Throws: std::bad_alloc.
    void add_block(std::size_t elements) {
        blocks_.push(*allocate(static_cast<std::uint32_t>(elements)));
        ++size_;
    }

private:
    friend class BlockDeque<T>;

    // Requires: there is one.
    [[nodiscard]] Block& take() noexcept {
        --size_;
        return blocks_.pop();
    }

    LinkedStack<Block> blocks_;
    std::size_t size_ = 0;
};

}  // namespace runnel::inline v0::detail
