// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/blocks/log_block.hpp>
#include <runnel/detail/blocks/pin.hpp>
#include <runnel/detail/blocks/slots.hpp>
#include <runnel/detail/core/channel_log.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <utility>

namespace runnel::inline v0 {

template <Message T>
class Subscription;

/// Some messages of a channel, in place and in order, or the reason why there are none. Nothing is
/// copied: the batch keeps its messages alive, and the others of the same block of up to 64
/// messages, too. Destroy it before you wait for the next one.
///
///     while (auto batch = view.read()) {
///         if (batch.missed() != 0) resync();
///         for (const Tick& tick : batch) draw(tick);
///     }
///
/// Its destructor may destroy messages, and so run destructors of T.
template <Message T>
class [[nodiscard]] Messages {
public:
    class Iterator;

    [[nodiscard]] explicit operator bool() const noexcept { return !empty(); }
    [[nodiscard]] bool empty() const noexcept { return part_.block() == nullptr; }
    [[nodiscard]] std::size_t size() const noexcept { return detail::count_slots(part_.slots); }

    /// Requires: index < size().
    [[nodiscard]] const T& operator[](std::size_t index) const& noexcept RUNNEL_LIFETIMEBOUND {
        RUNNEL_ASSERT(index < size());
        return part_.block()->value(detail::slot_at(part_.slots, index)).value;
    }
    const T& operator[](std::size_t index) const&& = delete;

    [[nodiscard]] Iterator begin() const& noexcept RUNNEL_LIFETIMEBOUND {
        return {part_.block(), part_.slots};
    }
    [[nodiscard]] Iterator end() const& noexcept { return {}; }
    Iterator begin() const&& = delete;
    Iterator end() const&& = delete;

    /// These require: not empty.
    [[nodiscard]] const T& front() const& noexcept RUNNEL_LIFETIMEBOUND {
        RUNNEL_ASSERT(!empty());
        return part_.block()->value(detail::first_slot(part_.slots)).value;
    }
    [[nodiscard]] const T& back() const& noexcept RUNNEL_LIFETIMEBOUND {
        RUNNEL_ASSERT(!empty());
        return part_.block()->value(detail::last_slot(part_.slots)).value;
    }
    const T& front() const&& = delete;
    const T& back() const&& = delete;

    /// How many messages the subscription has skipped just before these. If it was disconnected,
    /// how many it has lost.
    [[nodiscard]] std::uint64_t missed() const noexcept { return missed_; }

    /// Why there is nothing. Requires: there is nothing.
    [[nodiscard]] Ending ending() const noexcept {
        RUNNEL_ASSERT(empty());
        return ending_;
    }

private:
    friend class Subscription<T>;

    explicit Messages(Ending ending, std::uint64_t missed = 0) noexcept
        : missed_{missed}, ending_{ending} {}
    Messages(detail::PinnedSlots<detail::Logged<T>> part, std::uint64_t missed) noexcept
        : part_{std::move(part)}, missed_{missed} {}

    detail::PinnedSlots<detail::Logged<T>> part_;
    std::uint64_t missed_ = 0;
    Ending ending_ = Ending::timed_out;
};

template <Message T>
class Messages<T>::Iterator {
public:
    using value_type = T;
    using difference_type = std::ptrdiff_t;

    Iterator() = default;
    Iterator(const detail::LogBlock<detail::Logged<T>>* block, detail::SlotMask slots) noexcept
        : block_{block}, slots_{slots} {}

    [[nodiscard]] const T& operator*() const noexcept {
        return block_->value(detail::first_slot(slots_)).value;
    }
    [[nodiscard]] const T* operator->() const noexcept { return &**this; }

    Iterator& operator++() noexcept {
        slots_ &= slots_ - 1;
        return *this;
    }
    Iterator operator++(int) noexcept {
        const Iterator before = *this;
        ++*this;
        return before;
    }

    // Of one batch.
    friend bool operator==(const Iterator& one, const Iterator& other) noexcept {
        return one.slots_ == other.slots_;
    }

private:
    const detail::LogBlock<detail::Logged<T>>* block_ = nullptr;
    detail::SlotMask slots_ = 0;
};

}  // namespace runnel::inline v0
