// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/blocks/log_block.hpp>
#include <runnel/detail/blocks/pin.hpp>
#include <runnel/detail/blocks/slots.hpp>
#include <runnel/detail/core/missed.hpp>
#include <runnel/detail/core/stream_log.hpp>
#include <runnel/message.hpp>
#include <runnel/stream_id.hpp>

#include <cstddef>
#include <cstdint>
#include <utility>

namespace runnel::inline v0::detail {

// A place between two entries of a stream: those up to position() are behind it. Owns the block in
// which it goes on, but has no pin on it.
//
// Counts the entries that are trimmed before it reaches them. Its block tells how many: the slots
// that were trimmed there and, once the block has left the log, the entries that the log has
// trimmed since. Without a block, it stands at the start, behind all that there was, or at an id.
// At an id it only tells whether something behind the id was trimmed.
//
// Used by one thread at a time. Members that need the log's lock say so; the others need none.
template <Message T>
class LogCursor {
public:
    using Block = LogBlock<T>;
    using Place = LogPlace<T>;

    // At the start.
    LogCursor() noexcept = default;
    LogCursor(LogCursor&& other) noexcept
        : block_{std::exchange(other.block_, nullptr)},
          slot_{other.slot_},
          end_{other.end_},
          position_{other.position_},
          missed_{other.missed_},
          trimmed_before_{other.trimmed_before_},
          is_anchored_{other.is_anchored_} {}
    LogCursor& operator=(LogCursor&& other) noexcept {
        std::swap(block_, other.block_);
        std::swap(slot_, other.slot_);
        std::swap(end_, other.end_);
        std::swap(position_, other.position_);
        std::swap(missed_, other.missed_);
        std::swap(trimmed_before_, other.trimmed_before_);
        std::swap(is_anchored_, other.is_anchored_);
        return *this;
    }
    ~LogCursor() {
        if (block_ != nullptr) block_->remove_owner();
    }

    [[nodiscard]] StreamId position() const noexcept { return position_; }

    [[nodiscard]] bool has_missed() const noexcept { return missed_.count != 0; }
    // What was missed since the last call.
    [[nodiscard]] Missed take_missed() noexcept { return std::exchange(missed_, {}); }

    // Up to `count` entries that are at hand in this block, and a pin on it. If there are none: no
    // slots, and no pin.
    [[nodiscard]] PinnedSlots<T> take(std::size_t count) noexcept {
        if (!look_for_next()) return {};
        Pin<T> pin{*block_};
        if (end_ - slot_ < count) end_ = block_->count();
        const SlotMask at_hand = slots_before(end_) & ~slots_before(slot_);
        const SlotMask mask = lowest_slots(block_->live(at_hand), count);
        slot_ = mask != 0 ? last_slot(mask) + 1 : end_;
        position_ = block_->id(slot_ - 1);
        if (const SlotMask gone = at_hand & slots_before(slot_) & ~mask; gone != 0) [[unlikely]]
            missed_.count += count_slots(gone & block_->trimmed());
        if (mask == 0) return {};
        return {std::move(pin), mask};
    }

    // Whether take() may find something; that may have been erased. Reads the writer's count only
    // when nothing is left of what was there the last time: each look takes that cache line from
    // the writer. take() reads it, too, if less than `count` is left.
    [[nodiscard]] bool look_for_next() noexcept {
        if (slot_ < end_) return true;
        if (block_ == nullptr) return false;
        end_ = block_->count();
        return slot_ < end_;
    }

    // How many entries are at hand in this block. A full block of the largest size counts as many,
    // as more may follow it; the small ones at the beginning of a log are full soon.
    [[nodiscard]] std::size_t look_for_many() noexcept {
        if (!look_for_next()) return 0;
        const bool is_large = block_->capacity() == Block::most_slots;
        return is_large && block_->is_full() ? Block::most_slots : end_ - slot_;
    }

    // Whether to go on needs the log's lock: nothing more comes in this block.
    [[nodiscard]] bool is_at_end_of_block() const noexcept {
        return block_ == nullptr || (block_->is_full() && slot_ >= block_->count());
    }

    // Goes on behind `position`, once seek() has found its block.
    void reset(StreamId position) noexcept {
        move_to(nullptr, 0);
        position_ = position;
        missed_ = {};
        trimmed_before_ = 0;
        is_anchored_ = position == StreamId{};
    }

    // ---- under the log's lock

    // Goes on behind `position`, which may be ahead of the stream.
    void reset(StreamId position, const StreamLog<T>& log) noexcept {
        reset(position);
        seek(log);
    }

    // The next entry, if there is one; goes to the block in which it is or will be.
    Place seek(const StreamLog<T>& log) noexcept {
        if (block_ != nullptr && !block_->has_left && block_->is_live(slot_))
            return {block_, slot_};
        return seek_further(log);
    }

    // Goes on behind `place`, which seek() has found.
    void pass(Place place) noexcept {
        slot_ = place.slot + 1;
        position_ = place.id();
    }

private:
    [[gnu::noinline]] Place seek_further(const StreamLog<T>& log) noexcept {
        const bool is_there = block_ != nullptr && !block_->has_left;
        const Place place = is_there ? log.from(block_, slot_) : log.after(position_);
        count_missed(log);
        if (place) {
            move_to(place.block, place.slot);
        } else if (position_ <= log.last_id()) {
            Block* const last = log.last_block();
            move_to(last, last != nullptr ? last->count() : 0);
            trimmed_before_ = log.trimmed();
            is_anchored_ = true;
        } else {
            move_to(nullptr, 0);  // it is ahead of the stream: ids up to position_ do not count
            is_anchored_ = false;
        }
        return place;
    }

    // Counts what was trimmed between here and the next entry.
    void count_missed(const StreamLog<T>& log) noexcept {
        if (block_ != nullptr) {
            missed_.count += count_slots(block_->trimmed() & ~slots_before(slot_));
            if (block_->has_left) missed_.count += log.trimmed() - block_->trimmed_when_it_left();
        } else if (is_anchored_) {
            missed_.count += log.trimmed() - trimmed_before_;
        } else if (log.last_trimmed() > position_) {
            missed_ = {missed_.count + 1, false};
        }
    }

    // Under the lock, but this destroys no values: a block that has left the log has none left.
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
    std::uint32_t end_ = 0;  // end of the slots known to be published; a lower bound
    StreamId position_{};
    Missed missed_;
    // Without a block: how many were trimmed up to here, if `is_anchored_`.
    std::uint64_t trimmed_before_ = 0;
    bool is_anchored_ = true;
};

}  // namespace runnel::inline v0::detail
