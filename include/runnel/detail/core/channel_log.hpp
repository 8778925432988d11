// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/atomic.hpp>
#include <runnel/detail/blocks/segmented_log.hpp>
#include <runnel/detail/core/stream_log.hpp>
#include <runnel/message.hpp>
#include <runnel/stream_id.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <utility>

namespace runnel::inline v0::detail {

// A message of a channel, and how many bytes there were before it.
template <Message T>
struct Logged {
    T value;
    std::uint64_t bytes_before;
};

// How far behind a subscriber may be.
struct Window {
    static constexpr std::uint64_t unlimited = std::numeric_limits<std::uint64_t>::max();

    std::uint64_t messages = 0;       // at most this many may wait
    std::uint64_t bytes = unlimited;  // fewer than this many

    friend bool operator==(const Window&, const Window&) = default;
};

// The last messages of a channel, numbered from 1. Messages that are behind the window for all
// subscribers are trimmed: by the block or, where bytes are counted, one by one. The newest message
// stays as long as there is a subscriber.
//
// Guarded by its owner's lock, except last().
template <Message T>
class ChannelLog {
public:
    using Entry = Logged<T>;
    using Place = LogPlace<Entry>;

    [[nodiscard]] static constexpr StreamId id(std::uint64_t number) noexcept {
        return {0, number};
    }

    // ---- concurrent

    // The number of the last message; 0: there was none.
    [[nodiscard]] std::uint64_t last() const noexcept {
        return last_.load(std::memory_order_acquire);
    }

    // ---- under the lock

    [[nodiscard]] const StreamLog<Entry>& entries() const noexcept { return entries_; }
    // The bytes of all messages so far.
    [[nodiscard]] std::uint64_t bytes() const noexcept { return bytes_; }

    // Makes append() possible. Throws: std::bad_alloc, and then nothing has changed.
    void reserve(Disposal<Entry>& disposal) { entries_.reserve(id(last() + 1), disposal); }

    // Requires: reserve() before.
    void append(T&& value, std::size_t bytes) noexcept {
        const std::uint64_t number = last_.load(std::memory_order_relaxed) + 1;
        (void)entries_.append(id(number), Entry{std::move(value), bytes_});
        bytes_ += bytes;
        // After the message itself: a reader that sees the number can find the message.
        last_.store(number, std::memory_order_release);
    }

    // Counts a message that no reader will look for here.
    void pass(std::size_t bytes) noexcept {
        bytes_ += bytes;
        last_.store(last_.load(std::memory_order_relaxed) + 1, std::memory_order_release);
    }

    // How many bytes wait for a reader that has read up to `number`.
    [[nodiscard]] std::uint64_t bytes_after(std::uint64_t number) const noexcept {
        const Place next = entries_.after(id(number));
        return next ? bytes_ - next.value().bytes_before : 0;
    }

    // The number up to which a reader that has read up to `number` has to skip, to be within
    // `window`. Linear in the messages that it skips for their bytes.
    [[nodiscard]] std::uint64_t skipped_to(std::uint64_t number,
                                           const Window& window) const noexcept {
        const std::uint64_t from = std::max(number, before_window(window.messages));
        if (window.bytes == Window::unlimited) return from;
        Place place = entries_.after(id(from));
        while (place && bytes_ - place.value().bytes_before >= window.bytes)
            place = StreamLog<Entry>::next(place);
        return place ? place.id().seq - 1 : last();
    }

    // Sets the window of the messages that have to stay.
    void keep(const Window& window) noexcept {
        kept_ = window;
        trim_at_ = 0;
    }

    // Trims what is behind the window. To be called after append() and after keep().
    void trim(Disposal<Entry>& disposal) noexcept {
        if (last() >= trim_at_) [[unlikely]]
            trim_now(disposal);
    }

private:
    // The number of the last message that is not among the last `messages`.
    [[nodiscard]] std::uint64_t before_window(std::uint64_t messages) const noexcept {
        return last() - std::min(last(), messages);
    }

    [[gnu::noinline]] void trim_now(Disposal<Entry>& disposal) noexcept {
        std::uint64_t gone = before_window(kept_.messages);
        if (kept_.messages != 0 && kept_.bytes == Window::unlimited)
            return trim_blocks(gone, disposal);
        // The newest message stays even if it alone exceeds the byte bound: a reader with
        // back-pressure gets it.
        if (kept_.messages != 0 && last() != 0)
            gone = std::min(skipped_to(gone, kept_), last() - 1);
        (void)entries_.trim_before(id(gone + 1), disposal);
    }

    void trim_blocks(std::uint64_t gone, Disposal<Entry>& disposal) noexcept {
        const Place first = entries_.after(id(gone));
        const StreamId kept = first ? first.block->key : id(gone + 1);
        (void)entries_.trim_before(kept, disposal);
        // Nothing can be trimmed before all of this block or, without one, the next message is
        // behind the window.
        const std::uint64_t end = first ? kept.seq + first.block->capacity() : last() + 1;
        trim_at_ = end + std::min(kept_.messages, Window::unlimited - end);
    }

    Atomic<std::uint64_t> last_ = 0;
    std::uint64_t bytes_ = 0;
    std::uint64_t trim_at_ = 0;
    Window kept_;
    StreamLog<Entry> entries_;
};

}  // namespace runnel::inline v0::detail
