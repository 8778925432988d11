// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/blocks/log_block.hpp>
#include <runnel/detail/blocks/slots.hpp>
#include <runnel/message.hpp>
#include <runnel/stream_id.hpp>

#include <cstdint>
#include <utility>

namespace runnel::inline v0::detail {

// A pin on a block (see LogBlock), or none. The destructor may destroy values that were erased
// meanwhile. So it must not run under a lock, unless another pin on the same block stays.
template <Message T>
class Pin {
public:
    Pin() = default;
    // Called by an owner of the block, or under its log's lock.
    explicit Pin(LogBlock<T>& block) noexcept : block_{&block} { block.pin(); }
    Pin(const Pin& other) noexcept : block_{other.block_} {
        if (block_ != nullptr) block_->pin();
    }
    Pin(Pin&& other) noexcept : block_{std::exchange(other.block_, nullptr)} {}
    Pin& operator=(Pin other) noexcept {
        std::swap(block_, other.block_);
        return *this;
    }
    ~Pin() {
        if (block_ != nullptr) block_->unpin();
    }

    // The block; null: there is no pin.
    [[nodiscard]] LogBlock<T>* block() const noexcept { return block_; }

private:
    LogBlock<T>* block_ = nullptr;
};

// Entries of one block under one pin, or nothing.
template <Message T>
struct PinnedSlots {
    PinnedSlots() = default;
    PinnedSlots(Pin<T> on, SlotMask which) noexcept : pin{std::move(on)}, mask{which} {}
    PinnedSlots(PinnedSlots&& other) noexcept
        : pin{std::move(other.pin)}, mask{std::exchange(other.mask, 0)} {}
    PinnedSlots& operator=(PinnedSlots other) noexcept {
        std::swap(pin, other.pin);
        std::swap(mask, other.mask);
        return *this;
    }
    ~PinnedSlots() = default;

    [[nodiscard]] LogBlock<T>* block() const noexcept { return pin.block(); }

    Pin<T> pin;
    SlotMask mask = 0;
};

// One entry under a pin of its own. Copies share the entry.
template <Message T>
struct PinnedEntry {
    Pin<T> pin;
    std::uint32_t slot;

    [[nodiscard]] StreamId id() const noexcept { return pin.block()->id(slot); }
    [[nodiscard]] const T& value() const noexcept { return pin.block()->value(slot); }
};

}  // namespace runnel::inline v0::detail
