// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/blocks/log_block.hpp>
#include <runnel/detail/blocks/slots.hpp>
#include <runnel/message.hpp>

#include <utility>

namespace runnel::inline v0::detail {

// Entries of one block under one pin, or nothing. Its destructor may destroy values that were
// erased meanwhile: not to be run under a lock.
template <Message T>
struct PinnedSlots {
    PinnedSlots() = default;
    // Takes over a pin.
    PinnedSlots(LogBlock<T>& of, SlotMask which) noexcept : block{&of}, slots{which} {}
    PinnedSlots(PinnedSlots&& other) noexcept
        : block{std::exchange(other.block, nullptr)}, slots{std::exchange(other.slots, 0)} {}
    PinnedSlots& operator=(PinnedSlots other) noexcept {
        std::swap(block, other.block);
        std::swap(slots, other.slots);
        return *this;
    }
    ~PinnedSlots() {
        if (block != nullptr) block->unpin();
    }

    LogBlock<T>* block = nullptr;
    SlotMask slots = 0;
};

}  // namespace runnel::inline v0::detail
