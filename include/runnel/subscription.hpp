// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/awaitable.hpp>
#include <runnel/channel_options.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/atomic.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/watched.hpp>
#include <runnel/detail/blocks/log_block.hpp>
#include <runnel/detail/blocks/pin.hpp>
#include <runnel/detail/blocks/slots.hpp>
#include <runnel/detail/channel/channel_recipes.hpp>
#include <runnel/detail/channel/channel_requests.hpp>
#include <runnel/detail/channel/channel_state.hpp>
#include <runnel/detail/channel/seat.hpp>
#include <runnel/detail/core/channel_log.hpp>
#include <runnel/detail/wait/await.hpp>
#include <runnel/detail/wait/spin.hpp>
#include <runnel/error.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <utility>

namespace runnel::inline v0 {

template <Message T>
class Channel;
template <Message T>
class Subscription;

/// Some messages of a channel, in order, or the reason why there are none. Nothing is copied: the
/// batch refers to the messages where the channel keeps them, in blocks of memory of up to 64
/// messages. While the batch lives, its whole block does. Destroy it before you wait for the next
/// one, as this loop does.
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

    explicit Messages(Ending ending, std::uint64_t missed = 0) noexcept
        : missed_{missed}, ending_{ending} {}

    [[nodiscard]] explicit operator bool() const noexcept { return !empty(); }
    [[nodiscard]] bool empty() const noexcept { return part_.block() == nullptr; }
    [[nodiscard]] std::size_t size() const noexcept { return detail::count_slots(part_.mask); }

    /// Requires: index < size().
    [[nodiscard]] const T& operator[](std::size_t index) const& noexcept RUNNEL_LIFETIMEBOUND {
        RUNNEL_EXPECT(index < size(), "[] of Messages behind their end", detail::Caller{});
        return part_.block()->value(detail::slot_at(part_.mask, index)).value;
    }
    const T& operator[](std::size_t index) const&& = delete;

    [[nodiscard]] Iterator begin() const& noexcept RUNNEL_LIFETIMEBOUND {
        return {part_.block(), part_.mask};
    }
    [[nodiscard]] Iterator end() const& noexcept { return {}; }
    Iterator begin() const&& = delete;
    Iterator end() const&& = delete;

    /// The first one and the last one. They require: not empty.
    [[nodiscard]] const T& front(detail::Caller caller = {}) const& noexcept RUNNEL_LIFETIMEBOUND {
        RUNNEL_EXPECT(!empty(), "front() of empty Messages", caller);
        return part_.block()->value(detail::first_slot(part_.mask)).value;
    }
    [[nodiscard]] const T& back(detail::Caller caller = {}) const& noexcept RUNNEL_LIFETIMEBOUND {
        RUNNEL_EXPECT(!empty(), "back() of empty Messages", caller);
        return part_.block()->value(detail::last_slot(part_.mask)).value;
    }
    const T& front(detail::Caller caller = {}) const&& = delete;
    const T& back(detail::Caller caller = {}) const&& = delete;

    /// How many messages the subscription has skipped just before these. If the subscription was
    /// disconnected, how many messages it has lost.
    [[nodiscard]] std::uint64_t missed() const noexcept { return missed_; }

    /// Why there is nothing. Requires: there is nothing.
    [[nodiscard]] Ending ending(detail::Caller caller = {}) const noexcept {
        RUNNEL_EXPECT(empty(), "ending() of Messages that have messages", caller);
        return ending_;
    }

private:
    friend class Subscription<T>;
    friend struct detail::ReadRecipe<T, Messages<T>>;

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
    Iterator(const detail::LogBlock<detail::Logged<T>>* block, detail::SlotMask mask) noexcept
        : block_{block}, slots_{mask} {}

    [[nodiscard]] const T& operator*() const noexcept {
        RUNNEL_EXPECT(slots_ != 0, "* of the end of Messages", detail::Caller{});
        return block_->value(detail::first_slot(slots_)).value;
    }
    [[nodiscard]] const T* operator->() const noexcept { return std::addressof(**this); }

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

/// A subscription to one channel, with its own place in it. It costs publishers nothing, and reads
/// without a lock while it keeps up. Its options say what happens when it is too far behind. Its
/// destructor unsubscribes. Redis: SUBSCRIBE.
///
///     auto view = ticks.subscribe({.bound = 1024, .when_behind = runnel::Behind::skip_oldest});
///     while (auto batch = view.read({.stop = stop})) {
///         if (batch.missed() != 0) resync(batch.missed());
///         for (const Tick& tick : batch) draw(tick);
///     }
///
/// It keeps the memory of the channel, but does not keep the channel open. It may be moved from
/// thread to thread, and is used by one thread at a time. Moved from, it can only be assigned to or
/// destroyed.
template <Message T>
class Subscription {
public:
    Subscription(Subscription&& other) noexcept = default;
    Subscription& operator=(Subscription other) noexcept {
        std::swap(channel_, other.channel_);
        std::swap(seat_, other.seat_);
        std::swap(streak_, other.streak_);
        return *this;
    }
    ~Subscription() {
        if (has_seat()) channel_->remove_seat(seat());
    }

    /// The next messages, at most those of one block of memory, and how many were missed just
    /// before them.
    ///
    /// Blocks: while there are none.
    /// Ends with: Ending::disconnected, in every call, once it was too far behind. Ending::closed
    /// once the channel is closed and has nothing more for it.
    /// Throws: Error{invalid_argument} if `count` is 0.
    /// Complexity: constant. After it has missed messages, logarithmic in the bound; with a limit
    /// of bytes, linear in the number of messages that it skips.
    Messages<T> read(const ReadOptions& options = {}, detail::Caller caller = {}) {
        RUNNEL_EXPECT(has_seat(), "read() of a Subscription that was moved from", caller);
        return read(options, detail::WaitLimits::of(&options));
    }

    /// As read(), but never waits; `timeout` and `stop` are not looked at.
    Messages<T> try_read(const ReadOptions& options = {}, detail::Caller caller = {}) {
        RUNNEL_EXPECT(has_seat(), "try_read() of a Subscription that was moved from", caller);
        return read(options, detail::WaitLimits{});
    }

    /// read() as an awaitable, with the same options and results; see Awaitable. What is at hand it
    /// takes at once. The subscription has to stay until the wait has ended, but may be moved.
    ///
    /// Throws: Error{invalid_argument} if `count` is 0.
    auto async_read(const ReadOptions& options = {}, detail::Caller caller = {}) {
        RUNNEL_EXPECT(has_seat(), "async_read() of a Subscription that was moved from", caller);
        detail::check_count(options.count, "Subscription: a read");
        return Awaitable{detail::ReadRecipe<T, Messages<T>>{channel_, seat(), options.count},
                         WaitOptions{options.timeout, options.stop}};
    }

    /// How many messages it has missed, all in all.
    [[nodiscard]] std::uint64_t missed(detail::Caller caller = {}) const noexcept {
        RUNNEL_EXPECT(has_seat(), "missed() of a Subscription that was moved from", caller);
        return seat().missed;
    }

    /// False once it was disconnected because it was too far behind. Stays true when the channel is
    /// closed.
    [[nodiscard]] bool connected(detail::Caller caller = {}) const noexcept {
        RUNNEL_EXPECT(has_seat(), "connected() of a Subscription that was moved from", caller);
        return !seat().is_disconnected.load(std::memory_order_acquire);
    }

private:
    friend class Channel<T>;
    friend class Watch;

    using State = detail::ChannelState<T>;

    Subscription(State& channel, std::unique_ptr<detail::Seat<T>> seat) noexcept
        : channel_{channel}, seat_{std::move(seat)} {}

    Messages<T> read(const ReadOptions& options, detail::WaitLimits limits) {
        detail::check_count(options.count, "Subscription: a read");
        auto part = at_hand(options.count);
        if (part.mask != 0) return {std::move(part), 0};
        return go_on(options.count, limits);
    }

    // False once it was moved from.
    [[nodiscard]] bool has_seat() const noexcept { return *seat_ != nullptr; }
    [[nodiscard]] detail::Seat<T>& seat() const noexcept { return **seat_; }

    // What can be read without the lock.
    detail::PinnedSlots<detail::Logged<T>> at_hand(std::size_t count) noexcept {
        const std::uint64_t before = seat().position();
        auto part = detail::read_at_hand(*channel_.get(), seat(), count);
        streak_ += seat().position() - before;
        return part;
    }

    [[gnu::noinline]] Messages<T> go_on(std::size_t count, detail::WaitLimits limits) {
        State& channel = *channel_.get();
        pause_at_end_of_stream(limits);
        detail::ReadMessages<T> request{seat(), count, channel.clock};
        detail::try_or_wait(request, detail::ChannelPlace{request, channel, &State::readers},
                            limits);
        request.wake_others();
        if (request.messages.mask == 0) return Messages<T>{request.ending(), request.missed};
        detail::wake_publishers_after(channel, seat());
        return {std::move(request.messages), request.missed};
    }

    // Entries that come in a stream are worth waiting for a moment without taking the lock.
    void pause_at_end_of_stream(detail::WaitLimits& limits) {
        const std::size_t streak = std::exchange(streak_, detail::stream_length);
        if (streak < detail::stream_length || !channel_->is_real) return;
        if (!limits.may_take_time()) return;
        if (seat().cursor.look_for_next() || seat().cursor.is_at_end_of_block()) return;
        detail::await_batch(seat().cursor, streak, channel_->offers, channel_->clock, limits);
    }

    detail::Owner<State> channel_;
    detail::Watched<std::unique_ptr<detail::Seat<T>>> seat_;
    std::size_t streak_ = 0;  // messages read since there was nothing
};

}  // namespace runnel::inline v0
