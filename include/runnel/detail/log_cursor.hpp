// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/log_block.hpp>
#include <runnel/detail/slots.hpp>
#include <runnel/detail/stream_log.hpp>
#include <runnel/entries.hpp>
#include <runnel/message.hpp>
#include <runnel/stream_id.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace runnel::inline v0::detail {

// A place between two entries of a stream: those up to position() are behind it. Owns the block in
// which it goes on, and pins nothing.
//
// Used by one thread at a time; what needs the log's lock says so, and the rest needs none.
template <Message T>
class LogCursor {
public:
    using Block = LogBlock<T>;
    using Place = LogPlace<T>;

    explicit LogCursor(StreamId position = {}) noexcept : position_{position} {}
    LogCursor(LogCursor&& other) noexcept
        : block_{std::exchange(other.block_, nullptr)},
          slot_{other.slot_},
          end_{other.end_},
          position_{other.position_} {}
    LogCursor& operator=(LogCursor&& other) noexcept {
        std::swap(block_, other.block_);
        std::swap(slot_, other.slot_);
        std::swap(end_, other.end_);
        std::swap(position_, other.position_);
        return *this;
    }
    ~LogCursor() {
        if (block_ != nullptr) block_->remove_owner();
    }

    [[nodiscard]] StreamId position() const noexcept { return position_; }

    void reset(StreamId position) noexcept {
        move_to(nullptr, 0);
        position_ = position;
    }

    // Up to `count` entries that are at hand in this block, and a pin on it; no slots, and no pin:
    // there are none.
    [[nodiscard]] PinnedSlots<T> take(std::size_t count) noexcept {
        if (!may_have_next()) return {};
        block_->pin();
        if (end_ - slot_ < count) end_ = block_->count();
        const SlotMask at_hand = slots_before(end_) & ~slots_before(slot_);
        const SlotMask slots = lowest_slots(block_->live(at_hand), count);
        slot_ = slots != 0 ? last_slot(slots) + 1 : end_;
        position_ = block_->id(slot_ - 1);
        if (slots != 0) return {*block_, slots};
        block_->unpin();
        return {};
    }

    // Whether take() may find something; it may have been erased. Looks at what the writer writes
    // only when nothing is left of what was there the last time: each look takes it from him. So
    // does take(), if that is not enough.
    [[nodiscard]] bool may_have_next() noexcept {
        if (slot_ < end_) return true;
        if (block_ == nullptr) return false;
        end_ = block_->count();
        return slot_ < end_;
    }

    // Whether to go on needs the log's lock: nothing more comes in this block.
    [[nodiscard]] bool is_at_end_of_block() const noexcept {
        return block_ == nullptr || (block_->is_full() && slot_ >= block_->count());
    }

    // ---- under the log's lock

    // The next entry, if there is one; goes to the block in which it is or will be.
    Place seek(const StreamLog<T>& log) noexcept {
        const bool is_there = block_ != nullptr && !block_->has_left;
        const Place place = is_there ? log.from(block_, slot_) : log.after(position_);
        if (place) {
            move_to(place.block, place.slot);
        } else if (position_ <= log.last_id()) {
            Block* const last = log.last_block();
            move_to(last, last != nullptr ? last->count() : 0);
        } else {
            move_to(nullptr, 0);  // it is ahead of the stream: ids up to it do not count
        }
        return place;
    }

    // Puts `place`, which seek() has found, behind it.
    void pass(Place place) noexcept {
        slot_ = place.slot + 1;
        position_ = place.id();
    }

private:
    // A block that has left the log holds no values that could die here, under the lock.
    void move_to(Block* block, std::uint32_t slot) noexcept {
        slot_ = slot;
        if (block == block_) return;
        end_ = 0;
        if (block != nullptr) block->add_owner();
        if (block_ != nullptr) block_->remove_owner();
        block_ = block;
    }

    Block* block_ = nullptr;
    std::uint32_t slot_ = 0;
    std::uint32_t end_ = 0;  // of what is known to be published in this block; may be less
    StreamId position_;
};

// The live entries of `block` up to `last` or, on the way back, to `first`.
template <Message T>
[[nodiscard]] SlotMask slots_to_the_end(const LogBlock<T>& block, const StreamId& first,
                                        const StreamId& last, bool forward) noexcept {
    using Log = StreamLog<T>;
    return block.live() & (forward ? Log::slots_up_to(block, last) : Log::slots_from(block, first));
}

// Adds the entries from `first` to `last`, up to `count`, in the order of `entries`.
// Requires: the log's lock. Throws: std::bad_alloc.
template <Message T>
void collect(const StreamLog<T>& log, StreamId first, StreamId last, std::size_t count,
             Entries<T>& entries) {
    const bool forward = entries.order() == Entries<T>::Order::ascending;
    const LogPlace<T> place = forward ? log.lower_bound(first) : log.at_most(last);
    SlotMask ahead = forward ? ~slots_before(place.slot) : slots_before(place.slot + 1);
    for (LogBlock<T>* block = place.block; block != nullptr && count != 0;
         block = forward ? block->next : block->previous) {
        ahead &= slots_to_the_end(*block, first, last, forward);
        if (ahead == 0) return;
        const SlotMask slots = forward ? lowest_slots(ahead, count) : highest_slots(ahead, count);
        entries.reserve();
        block->pin();
        entries.add({*block, slots});
        if (slots != ahead) return;
        count -= std::min<std::size_t>(count, count_slots(slots));
        ahead = ~SlotMask{0};
    }
}

}  // namespace runnel::inline v0::detail
