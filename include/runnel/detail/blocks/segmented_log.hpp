// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/linked.hpp>
#include <runnel/detail/blocks/log_block.hpp>
#include <runnel/message.hpp>
#include <runnel/stream_id.hpp>

#include <cstdint>
#include <utility>

namespace runnel::inline v0::detail {

// Collects what must not be destroyed under a lock. It is made before the lock is taken, so it is
// destroyed after the lock is released, unless dispose() is called earlier. Allocates nothing.
template <Message T>
class Disposal {
public:
    Disposal() = default;
    Disposal(const Disposal&) = delete;
    Disposal& operator=(const Disposal&) = delete;

    ~Disposal() { dispose(); }

    // Destroys what was collected. To be called without a lock.
    void dispose() noexcept {
        if (reaps_ != nullptr || !blocks_.empty()) [[unlikely]]
            dispose_now();
    }

    // Erases the slots of `mask` of `block`. Requires: the log's lock.
    void erase(LogBlock<T>& block, SlotMask mask) noexcept {
        if (block.erase(mask)) block.set_next_to_reap(std::exchange(reaps_, &block));
    }

    // Takes over the log's ownership of a block that has left it.
    void take(LogBlock<T>& block) noexcept {
        RUNNEL_ASSERT(block.has_left);
        blocks_.push(block);
    }

private:
    [[gnu::noinline]] void dispose_now() noexcept {
        while (reaps_ != nullptr) {
            LogBlock<T>* const next = reaps_->next_to_reap();
            std::exchange(reaps_, next)->finish_reap();
        }
        while (!blocks_.empty()) blocks_.pop().remove_owner();
    }

    LogBlock<T>* reaps_ = nullptr;
    LinkedStack<LogBlock<T>> blocks_;
};

// Blocks in a row. Guarded by its owner's lock, except for what LogBlock lets readers do.
template <Message T>
class SegmentedLog {
public:
    using Block = LogBlock<T>;

    // Blocks grow up to `count` slots.
    explicit SegmentedLog(std::uint32_t count = Block::most_slots) noexcept : most_{count} {}
    SegmentedLog(const SegmentedLog&) = delete;
    SegmentedLog& operator=(const SegmentedLog&) = delete;

    ~SegmentedLog() {
        while (Block* const block = blocks_.pop_front()) {
            block->has_left = true;
            block->remove_owner();
        }
    }

    [[nodiscard]] Block* first() const noexcept { return blocks_.first(); }
    [[nodiscard]] Block* last() const noexcept { return blocks_.last(); }

    // A block to follow the last one. If the last one was not filled, the ids are far apart, and a
    // larger block would be a waste. Throws: std::bad_alloc.
    [[nodiscard]] Block* make(StreamId first_id) const {
        const bool was_filled = last() == nullptr || last()->count() == last()->capacity();
        const std::uint32_t needed = was_filled ? capacity_ : last()->count();
        return Block::make(first_id, Block::capacity_after(needed, most_));
    }

    // Puts `block` at the end; the one before it gets no more entries.
    void append(Block& block) noexcept {
        if (last() != nullptr) last()->seal();
        blocks_.push_back(block);
        capacity_ = block.capacity();
    }

    // Takes `block` out. The caller takes over the log's ownership.
    void remove(Block& block) noexcept {
        blocks_.remove(block);
        block.has_left = true;
        block.seal();
    }

private:
    LinkedList<Block> blocks_;
    std::uint32_t capacity_ = 0;  // of the last block there was
    const std::uint32_t most_;
};

}  // namespace runnel::inline v0::detail
