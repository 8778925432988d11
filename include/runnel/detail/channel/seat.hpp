// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/abstract_clock.hpp>
#include <runnel/channel_options.hpp>
#include <runnel/detail/base/atomic.hpp>
#include <runnel/detail/base/linked.hpp>
#include <runnel/detail/channel/bounds.hpp>
#include <runnel/detail/channel/overdue.hpp>
#include <runnel/detail/core/channel_log.hpp>
#include <runnel/detail/core/log_cursor.hpp>
#include <runnel/message.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace runnel::inline v0::detail {

// The place of a subscription in a channel: a cursor, and how far it may fall behind.
//
// The cursor is used by the reader and, while that waits, by the thread that serves it, under the
// channel's lock.
template <Message T>
class Seat {
public:
    explicit Seat(const SubscribeOptions& options, bool of_handler = false) noexcept
        : window{options.bound, options.bytes.hard},
          when_behind{options.when_behind},
          is_of_handler{of_handler},
          overdue{options.bytes} {}
    Seat(const Seat&) = delete;
    Seat& operator=(const Seat&) = delete;

    // Takes part in the messages after that number.
    void begin(std::uint64_t after) noexcept {
        cursor.reset(ChannelLog<T>::id(after));
        read_up_to_.store(after, std::memory_order_relaxed);
    }

    // The number of the last message that it has read or skipped. For the reader.
    [[nodiscard]] std::uint64_t position() const noexcept { return cursor.position().seq; }

    // The last position that publishers were told; the reader may be further. Publishers use it
    // unless the seat skips.
    [[nodiscard]] std::uint64_t read_up_to() const noexcept {
        return read_up_to_.load(std::memory_order_seq_cst);
    }

    // Tells publishers the position. Sequential consistency: of a reader that has read on and a
    // publisher that has announced that it waits, at least one sees the other.
    void tell_position() noexcept {
        if (when_behind != Behind::skip_oldest)
            read_up_to_.store(position(), std::memory_order_seq_cst);
    }

    // Whether it can be read without the lock: not if it has to skip, or was disconnected.
    [[nodiscard]] bool is_within_window(const ChannelLog<T>& log) const noexcept {
        if (when_behind == Behind::block) return true;
        if (when_behind == Behind::disconnect)
            return !is_disconnected.load(std::memory_order_acquire);
        // The number is stored after the message, so the reader may have read the message and not
        // see the number yet.
        const std::uint64_t last = log.last();
        const bool is_near = last <= position() || last - position() <= window.messages;
        return is_near && window.bytes == Window::unlimited;
    }

    // The number before the next message that the reader is to get: it skips those before that.
    [[nodiscard]] std::uint64_t position_to_go_on(const ChannelLog<T>& log) const noexcept {
        return when_behind == Behind::skip_oldest ? log.skipped_to(position(), window) : position();
    }

    const Window window;
    const Behind when_behind;
    const bool is_of_handler;  // on an executor
    LogCursor<Logged<T>> cursor;
    std::uint64_t missed = 0;  // in all; used like the cursor

    // Guarded by the channel's lock.
    Overdue overdue;
    Seat* previous = nullptr;
    Seat* next = nullptr;
    std::uint64_t lost_up_to = 0;  // when it was disconnected

    Atomic<bool> is_disconnected = false;  // changed under the lock

private:
    // On a cache line of its own: the reader writes it, and publishers seldom read it.
    alignas(64) Atomic<std::uint64_t> read_up_to_ = 0;
};

// The seats of a channel, and when a publisher has to look at them. Seats that skip by themselves
// cost it nothing, however many there are. The others cost it nothing until the first of their kind
// could be behind; then it looks at all of that kind. Guarded by the channel's lock.
template <Message T>
class Seats {
public:
    Seats() = default;
    Seats(const Seats&) = delete;
    Seats& operator=(const Seats&) = delete;

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    // Those that are handlers' seats; they have back-pressure.
    [[nodiscard]] std::size_t handlers() const noexcept { return handlers_; }

    // The seat takes part in the messages that come now. Throws: std::bad_alloc, and then nothing
    // has changed.
    void add(Seat<T>& seat, const ChannelLog<T>& log) {
        add_bounds(seat.window);
        ++size_;
        if (seat.is_of_handler) ++handlers_;
        seat.begin(log.last());
        if (seat.when_behind == Behind::block) {
            blocking_.push_back(seat);
            lower(hold_at_, seat.window.messages, seat.window.bytes, log);
        } else if (seat.when_behind == Behind::disconnect) {
            disconnecting_.push_back(seat);
            const auto soft = static_cast<std::uint64_t>(seat.overdue.soft_limit());
            lower(cut_at_, seat.window.messages, std::min(seat.window.bytes, soft), log);
        }
    }
    // The limits stay: they are lower bounds.
    void remove(Seat<T>& seat) noexcept {
        messages_.remove(seat.window.messages);
        bytes_.remove(seat.window.bytes);
        --size_;
        if (seat.is_of_handler) --handlers_;
        if (seat.when_behind == Behind::block) blocking_.remove(seat);
        if (seat.when_behind == Behind::disconnect) disconnecting_.remove(seat);
    }

    // The window that all of them together need.
    [[nodiscard]] Window window() const noexcept {
        return {messages_.greatest(), bytes_.greatest()};
    }

    // Whether a message of `bytes` has to wait for a reader with back-pressure (Behind::block).
    [[nodiscard]] bool hold_back(const ChannelLog<T>& log, std::size_t bytes) noexcept {
        const bool has_room = log.last() < hold_at_.messages && log.bytes() < hold_at_.bytes &&
                              bytes < hold_at_.bytes - log.bytes();
        return !has_room && find_holder(log, bytes);
    }

    // Whether a handler has as many messages left as its bound.
    [[nodiscard]] bool is_handler_behind(const ChannelLog<T>& log) const noexcept {
        if (handlers_ == 0) return false;
        for (const Seat<T>* seat = blocking_.first(); seat != nullptr; seat = seat->next) {
            if (seat->is_of_handler && log.last() - seat->read_up_to() >= seat->window.messages)
                return true;
        }
        return false;
    }

    // How many messages wait for the seat that is furthest behind, of those that tell how far they
    // have read. Linear in these.
    [[nodiscard]] std::uint64_t furthest_behind(const ChannelLog<T>& log) const noexcept {
        std::uint64_t least_read = log.last();
        for (const LinkedList<Seat<T>>* const line : {&blocking_, &disconnecting_})
            for (const Seat<T>* seat = line->first(); seat != nullptr; seat = seat->next)
                least_read = std::min(least_read, seat->read_up_to());
        return log.last() - least_read;
    }

    // Disconnects the seats that are too far behind; returns how many. To be called after a message
    // of `bytes` was added.
    std::size_t disconnect(const ChannelLog<T>& log, std::size_t bytes,
                           const Clock& clock) noexcept {
        if (log.last() <= cut_at_.messages && log.bytes() < cut_at_.bytes) [[likely]]
            return 0;
        return disconnect_now(log, clock, bytes);
    }

    // The same without waiting for the next message, for seats that are over their soft limit.
    std::size_t disconnect_now(const ChannelLog<T>& log, const Clock& clock,
                               std::size_t added = 0) noexcept {
        std::size_t count = 0;
        cut_at_ = {Window::unlimited, Window::unlimited};
        for (Seat<T>* seat = disconnecting_.first(); seat != nullptr;) {
            Seat<T>* const next = seat->next;
            if (note_limits(*seat, log, added, clock)) {
                cut(*seat, log);
                ++count;
            }
            seat = next;
        }
        return count;
    }

private:
    // How many messages and bytes there may be in all before a seat could be behind.
    using Limit = Window;

    void add_bounds(const Window& window) {
        messages_.add(window.messages);
        try {
            bytes_.add(window.bytes);
        } catch (...) {
            messages_.remove(window.messages);
            throw;
        }
    }

    // For a seat for which nothing waits yet.
    static void lower(Limit& limit, std::uint64_t messages, std::uint64_t bytes,
                      const ChannelLog<T>& log) noexcept {
        lower(limit.messages, messages, log.last());
        lower(limit.bytes, bytes, log.bytes());
    }
    static void lower(std::uint64_t& limit, std::uint64_t by, std::uint64_t from) noexcept {
        limit = std::min(limit, by < Window::unlimited - from ? from + by : Window::unlimited);
    }

    // `waiting` may be more than `limit`: see find_holder().
    static bool fits(std::size_t bytes, std::uint64_t waiting, std::uint64_t limit) noexcept {
        return waiting < limit && bytes < limit - waiting;
    }

    // If nothing waits, a message of any size may come.
    [[gnu::noinline]] bool find_holder(const ChannelLog<T>& log, std::size_t bytes) noexcept {
        hold_at_ = {Window::unlimited, Window::unlimited};
        bool held = false;
        for (const Seat<T>* seat = blocking_.first(); seat != nullptr; seat = seat->next) {
            const std::uint64_t read = seat->read_up_to();
            lower(hold_at_.messages, seat->window.messages, read);
            held = held || log.last() - read >= seat->window.messages;
            if (seat->window.bytes == Window::unlimited) continue;
            const std::uint64_t waiting = log.bytes_after(read);
            const bool is_empty = log.last() == read;
            lower(hold_at_.bytes, seat->window.bytes, log.bytes() - waiting);
            held = held || (!is_empty && !fits(bytes, waiting, seat->window.bytes));
        }
        return held;
    }

    // Whether the seat is too far behind. If not, notes when to look again. `added` is the size of
    // the last message in the log.
    [[nodiscard]] bool note_limits(Seat<T>& seat, const ChannelLog<T>& log, std::size_t added,
                                   const Clock& clock) noexcept {
        const std::uint64_t read = seat.read_up_to();
        if (log.last() - read > seat.window.messages) return true;
        lower(cut_at_.messages, seat.window.messages, read);
        const std::size_t soft = seat.overdue.soft_limit();
        if (seat.window.bytes == Window::unlimited && soft == Window::unlimited) return false;
        const std::uint64_t waiting = log.bytes_after(read);
        // Before the last message only so many bytes waited: if fewer than its soft limit, its time
        // starts anew.
        seat.overdue.note(waiting - std::min<std::uint64_t>(waiting, added), clock);
        if (waiting >= seat.window.bytes || seat.overdue.check(waiting, clock)) return true;
        lower(cut_at_.bytes, std::min<std::uint64_t>(seat.window.bytes, soft),
              log.bytes() - waiting);
        return false;
    }

    void cut(Seat<T>& seat, const ChannelLog<T>& log) noexcept {
        remove(seat);
        seat.lost_up_to = log.last();
        seat.is_disconnected.store(true, std::memory_order_release);
    }

    std::size_t size_ = 0;
    std::size_t handlers_ = 0;
    Limit hold_at_{Window::unlimited, Window::unlimited};
    Limit cut_at_{Window::unlimited, Window::unlimited};
    LinkedList<Seat<T>> blocking_;
    LinkedList<Seat<T>> disconnecting_;
    Bounds messages_;  // of the windows
    Bounds bytes_;
};

}  // namespace runnel::inline v0::detail
