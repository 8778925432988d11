// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/awaitable.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/base/watched.hpp>
#include <runnel/detail/blocks/pin.hpp>
#include <runnel/detail/blocks/slots.hpp>
#include <runnel/detail/core/log_cursor.hpp>
#include <runnel/detail/stream/stream_recipes.hpp>
#include <runnel/detail/stream/stream_requests.hpp>
#include <runnel/detail/stream/stream_state.hpp>
#include <runnel/detail/wait/await.hpp>
#include <runnel/detail/wait/spin.hpp>
#include <runnel/entries.hpp>
#include <runnel/error.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream_id.hpp>

#include <cstddef>
#include <utility>

namespace runnel::inline v0 {

template <Message T>
class Stream;

/// Reads all entries of a stream, in order and at its own pace. It takes no lock while the next
/// entry is in the block that it reads. Readers that share the entries use a ConsumerGroup.
///
///     auto cursor = orders.cursor(runnel::From::start);
///     while (auto batch = cursor.read({.stop = stop}))
///         for (const auto& entry : batch) print(entry.id, entry.value);
///
/// It keeps the memory of the stream, but does not keep the stream open. Entries that it has not
/// read yet may be trimmed; missed() of the next batch counts them. It may be moved from thread to
/// thread, and is used by one thread at a time. Moved from, it can only be assigned to or
/// destroyed.
template <Message T>
class Cursor {
public:
    /// The next entries, at most those of one block of memory.
    ///
    /// Blocks: while there are none.
    /// Ends with: Ending::closed once the stream is closed and has nothing more.
    /// Throws: Error{invalid_argument} if `count` is 0.
    /// Complexity: constant. If its place was trimmed meanwhile, logarithmic in the size, once.
    Entries<T> read(const ReadOptions& options = {}, detail::Caller caller = {}) {
        RUNNEL_EXPECT(has_stream(), "read() of a Cursor that was moved from", caller);
        detail::check_count(options.count, "Stream: a read");
        if (auto entries = at_hand(options.count)) return entries;
        return go_on(options.count, &options);
    }

    /// As read(), but never waits; `timeout` and `stop` are not looked at.
    Entries<T> try_read(const ReadOptions& options = {}, detail::Caller caller = {}) {
        RUNNEL_EXPECT(has_stream(), "try_read() of a Cursor that was moved from", caller);
        detail::check_count(options.count, "Stream: a read");
        if (auto entries = at_hand(options.count)) return entries;
        return go_on(options.count, nullptr);
    }

    /// As read(), for a coroutine: see Awaitable. Borrows the cursor, which must not be moved or
    /// used until the wait has ended. If the coroutine is destroyed after its wait was served, the
    /// entries count as read.
    auto async_read(const ReadOptions& options = {},
                    detail::Caller caller = {}) RUNNEL_LIFETIMEBOUND {
        RUNNEL_EXPECT(has_stream(), "async_read() of a Cursor that was moved from", caller);
        detail::check_count(options.count, "Stream: a read");
        return Awaitable{Recipe{*this, options.count}, WaitOptions{options.timeout, options.stop}};
    }

    /// The next read returns entries after this id. It is the id of the last entry that the cursor
    /// has read, or of a later entry that was erased; before the first read, the id where the
    /// cursor began.
    [[nodiscard]] StreamId position(detail::Caller caller = {}) const noexcept {
        RUNNEL_EXPECT(has_stream(), "position() of a Cursor that was moved from", caller);
        return cursor_->position();
    }

private:
    friend class Stream<T>;
    friend class Watch;

    using Recipe = detail::ReadOnRecipe<T, Cursor, Entries<T>>;
    friend Recipe;

    Cursor(detail::StreamState<T>& stream, detail::LogCursor<T> at) noexcept
        : stream_{stream}, cursor_{std::move(at)} {}

    // False once it was moved from.
    [[nodiscard]] bool has_stream() const noexcept { return stream_.get() != nullptr; }

    Entries<T> at_hand(std::size_t count) noexcept {
        Entries<T> entries{Entries<T>::Order::ascending};
        detail::PinnedSlots<T> part = cursor_->take(count);
        if (part.mask == 0) return entries;
        streak_ += detail::count_slots(part.mask);
        entries.add(std::move(part));
        if (cursor_->has_missed()) [[unlikely]]
            entries.tell(cursor_->take_missed());
        return entries;
    }

    void go_to_next_block() noexcept {
        const detail::Lock lock{stream_->mutex};
        cursor_->seek(stream_->log);
    }

    // What does not take a wait.
    Entries<T> at_hand_here_or_next(std::size_t count) noexcept {
        if (auto entries = at_hand(count)) return entries;
        streak_ = 0;
        if (cursor_->is_at_end_of_block()) go_to_next_block();
        return at_hand(count);
    }

    // It has waited, and has entries: what ends a wait may be the first of many.
    void note_wait() noexcept { streak_ = detail::stream_length; }

    [[gnu::noinline]] Entries<T> go_on(std::size_t count, const ReadOptions* waiting) {
        detail::StreamState<T>& stream = *stream_.get();
        const std::size_t streak = std::exchange(streak_, 0);
        auto limits = detail::WaitLimits::of(waiting);
        if (cursor_->is_at_end_of_block()) {
            go_to_next_block();
        } else if (streak >= detail::stream_length && stream.is_real && limits.may_take_time()) {
            detail::await_batch(*cursor_, streak, stream.offers, stream.clock, limits);
        }
        if (auto entries = at_hand(count)) return entries;
        detail::ReadOn<T, Entries<T>> request{*cursor_, count, false, stream.clock};
        detail::try_or_wait(request, detail::StreamPlace{request, stream}, limits);
        if (!request.entries) return request.result();
        note_wait();
        return std::move(request.entries);
    }

    detail::Owner<detail::StreamState<T>> stream_;
    detail::Watched<detail::LogCursor<T>> cursor_;
    std::size_t streak_ = 0;  // entries read since there was nothing
};

}  // namespace runnel::inline v0
