// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/ack.hpp>
#include <runnel/awaitable.hpp>
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/cursor.hpp>
#include <runnel/delivery.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/core/log_cursor.hpp>
#include <runnel/detail/stream/collect.hpp>
#include <runnel/detail/stream/stream_recipes.hpp>
#include <runnel/detail/stream/stream_requests.hpp>
#include <runnel/detail/stream/stream_state.hpp>
#include <runnel/detail/stream/two_streams.hpp>
#include <runnel/entries.hpp>
#include <runnel/error.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stats.hpp>
#include <runnel/stream_id.hpp>
#include <runnel/stream_options.hpp>

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace runnel::inline v0 {

/// One end of a range of ids: an id, included unless it was made by exclusive().
class Bound {
public:
    constexpr Bound(StreamId id) noexcept : id_{id} {}  // NOLINT(*-explicit-*)

    /// All but that id itself. Redis: "(" before the id.
    [[nodiscard]] static constexpr Bound exclusive(StreamId id) noexcept {
        Bound bound{id};
        bound.is_exclusive_ = true;
        return bound;
    }

    /// The first id of a range that begins here, and the last id of one that ends here;
    /// std::nullopt if there is no such id.
    [[nodiscard]] constexpr std::optional<StreamId> first() const noexcept {
        return is_exclusive_ ? id_.next() : id_;
    }
    [[nodiscard]] constexpr std::optional<StreamId> last() const noexcept {
        return is_exclusive_ ? id_.previous() : id_;
    }

private:
    StreamId id_;
    bool is_exclusive_ = false;
};

struct RangeOptions {
    Bound from = StreamId{};
    Bound to = StreamId::max();
    std::size_t count = std::numeric_limits<std::size_t>::max();
};

/// What trim() drops: the oldest entries, until at most `count` are left, and all entries with an
/// id less than `before`.
struct TrimOptions {
    std::size_t count = std::numeric_limits<std::size_t>::max();
    StreamId before{};
};

/// A snapshot of a stream. Redis: XINFO STREAM.
struct StreamInfo {
    std::size_t length = 0;
    StreamId first_id{};              ///< of the entries that are there; 0-0 if there are none
    StreamId last_id{};               ///< the last one given out, whether it is there or not
    StreamId max_deleted_id{};        ///< the greatest one that was erased; trimming does not count
    std::uint64_t entries_added = 0;  ///< ever
    std::size_t groups = 0;
    std::size_t waiting = 0;    ///< reads that wait, of groups too
    std::uint64_t trimmed = 0;  ///< entries, ever; those that were erased do not count
};

/// An append-only log: entries stay when they are read. Each reader goes at its own pace, and the
/// consumers of a group share the entries. Redis: the stream.
///
///     runnel::Stream<Order> orders{{.keep = {.count = 1'000'000}}};
///     runnel::StreamId id = orders.add({"apple", 3});
///     for (const auto& entry : orders.range({.count = 10})) print(entry.id, entry.value);
///
/// A handle: copies refer to the same stream, and a const handle can change the stream. A handle is
/// never empty: moving from it copies it. When the last handle is destroyed, the stream is closed;
/// handles of its groups and consumers count. A handle may be destroyed while a call that was made
/// through it waits; as long as another handle is left, the call goes on.
///
/// Values are moved in once and read in place. A batch keeps the entries that it shows alive.
///
/// Thread safety: every member may be called from any thread at any time.
/// Locks: the only user code that runs under a lock is the move of T. An erased value is destroyed
/// without a lock, by the thread that erases it or that destroys the last batch that shows it.
/// Guarantee: a call that throws has changed nothing, and leaves the message that was to be added
/// untouched.
/// Requires: T is complete where Stream<T> is named.
template <Message T>
class Stream {
public:
    using value_type = T;

    /// A stream that keeps all entries. Its ids and time-outs go by the SystemClock.
    Stream() : Stream{StreamOptions{}} {}

    /// Throws: Error{invalid_argument} if `block_entries` is not 4 to 64.
    explicit Stream(const StreamOptions& options) : state_{made(options)} {}

    // ------------------------------------------------------------------ adding
    //
    // An lvalue is copied before the call takes a lock, and is not touched. If T cannot be copied,
    // an lvalue is refused: write `add(std::move(order))`.

    /// Adds `message` at the end and returns its id: the millisecond of the wall clock, read at
    /// most two microseconds ago, and a number within that millisecond. Ids never go back, even
    /// when the clock does. Then trims as StreamOptions::keep says. Redis: XADD *.
    ///
    /// Wakes: all waiting reads outside of groups, and of each group the first waiting read that
    /// may take the entry.
    /// Throws: Error{closed}; Error{id_exhausted} once the greatest id was given out.
    /// Complexity: constant while no read waits. Else linear in the number of groups, of reads that
    /// it ends, and of reads that wait because their consumer is at `max_pending`.
    StreamId add(T&& message) const { return state_->add(message, state_->next_id()); }
    StreamId add(const T& message) const requires std::copy_constructible<T> {
        T copy(message);
        return add(std::move(copy));
    }
    StreamId add(const T& needs_std_move) const requires(!std::copy_constructible<T>) = delete;

    /// Adds `message` under the given id. Redis: XADD <ms>-<seq>.
    ///
    /// Throws: as add(); Error{id_too_small} unless `id` is greater than last_id().
    StreamId add(StreamId id, T&& message) const {
        return state_->add(message, [id](StreamId last) {
            if (last == StreamId::max()) State::refuse_exhausted();
            if (id <= last) refuse_id(id, last);
            return id;
        });
    }
    StreamId add(StreamId id, const T& message) const requires std::copy_constructible<T> {
        T copy(message);
        return add(id, std::move(copy));
    }
    StreamId add(StreamId id, const T& needs_std_move) const
        requires(!std::copy_constructible<T>) = delete;

    /// Adds `message` under the next free id of the given millisecond. Redis: XADD <ms>-*.
    ///
    /// Throws: as add(); Error{id_too_small} if there is no such id after last_id().
    template <typename Unit>
    StreamId add(std::chrono::sys_time<Unit> at, T&& message) const {
        const std::uint64_t ms = StreamId::at(at).ms;
        return state_->add(message, [ms](StreamId last) {
            if (last == StreamId::max()) State::refuse_exhausted();
            const auto id = id_after_within(last, ms);
            if (!id) refuse_millisecond(ms, last);
            return *id;
        });
    }
    template <typename Unit>
    StreamId add(std::chrono::sys_time<Unit> at,
                 const T& message) const requires std::copy_constructible<T> {
        T copy(message);
        return add(at, std::move(copy));
    }
    template <typename Unit>
    StreamId add(std::chrono::sys_time<Unit> at, const T& needs_std_move) const
        requires(!std::copy_constructible<T>) = delete;

    // ------------------------------------------------------------------ reading

    /// The entries between two ids, in the order of ids. Both ids are included unless made by
    /// Bound::exclusive(). Redis: XRANGE.
    ///
    /// Complexity: logarithmic in the size, plus one step for every 64 entries of the result, all
    /// of it under the stream's lock: of very many, ask for a part at a time.
    Entries<T> range(const RangeOptions& options = {}) const {
        return range(options, Entries<T>::Order::ascending);
    }

    /// The same entries from the last to the first. `from` is the lesser id here, too.
    /// Redis: XREVRANGE.
    Entries<T> reverse_range(const RangeOptions& options = {}) const {
        return range(options, Entries<T>::Order::descending);
    }

    /// The entry with this id, if it is there.
    ///
    /// Complexity: logarithmic in the size.
    [[nodiscard]] FoundEntry<T> find(StreamId id) const {
        const detail::Lock lock{state_->mutex};
        const auto place = state_->log.find(id);
        if (!place) return std::nullopt;
        return KeptEntry<T>{*place.block, place.slot};
    }

    /// The entries after an id. To read again and again, a cursor is faster. Redis: XREAD.
    ///
    /// Blocks: while there are none. From::end is the end of the stream when the call begins.
    /// Ends with: Ending::closed once the stream is closed and has nothing more.
    /// Throws: Error{invalid_argument} if `count` is 0.
    Entries<T> read(From after, const ReadOptions& options = {}) const {
        return read(after, options, &options);
    }

    /// As read(), but never waits; `timeout` and `stop` are not looked at.
    Entries<T> try_read(From after, const ReadOptions& options = {}) const {
        return read(after, options, nullptr);
    }

    /// As read(), for a coroutine: see Awaitable. From::end is the end of the stream when it is
    /// awaited.
    auto async_read(From after, const ReadOptions& options = {}) const {
        detail::check_count(options.count, "Stream: a read");
        return Awaitable{
            detail::ReadAfterRecipe<T, Entries<T>>{detail::Owner{*state_}, after, options.count},
            WaitOptions{options.timeout, options.stop}};
    }

    /// A reader that remembers how far it has read. The first read returns what follows `from`.
    [[nodiscard]] Cursor<T> cursor(From from = From::start) const { return {*state_, place(from)}; }

    // ------------------------------------------------------------------ groups

    /// The consumer group of that name. If there is none, makes it as the options say; else the
    /// options are ignored. Without options a new group begins with the first entry that is in the
    /// stream. Redis: XGROUP CREATE.
    ///
    /// Complexity: logarithmic in the number of groups.
    [[nodiscard]] ConsumerGroup<T> group(std::string_view name,
                                         const GroupOptions& options = {}) const {
        return {state_, state_->group(name, options.from.id(), options.entries_read)};
    }

    /// The consumer group of that name, if there is one.
    [[nodiscard]] std::optional<ConsumerGroup<T>> find_group(std::string_view name) const {
        const auto found = state_->find_group(name);
        if (found.get() == nullptr) return std::nullopt;
        return ConsumerGroup<T>{state_, found};
    }

    /// Removes a group with its consumers and its pending entries. Its waiting reads end with
    /// Ending::gone. Returns false if there is no such group. Redis: XGROUP DESTROY.
    bool remove_group(std::string_view name) const noexcept { return state_->remove_group(name); }

    /// The names of the groups, in order. Redis: XINFO GROUPS.
    [[nodiscard]] std::vector<std::string> groups() const {
        std::vector<std::string> names;
        const detail::Lock lock{state_->mutex};
        for (const auto& [name, group] : state_->groups) names.push_back(name);
        return names;
    }

    // ------------------------------------------------------------------ removing

    /// Erases these entries and returns how many were there. What was pending stays pending; see
    /// Deliveries::lost(). Redis: XDEL.
    ///
    /// Wakes: of each group the reads that waited for room, if what their consumers had pending is
    /// erased.
    /// Complexity: for each id, logarithmic in the size and linear in the number of groups. While
    /// reads wait, also linear in the number of reads that wait for room.
    std::size_t erase(std::span<const StreamId> ids) const noexcept { return state_->erase(ids); }
    std::size_t erase(std::initializer_list<StreamId> ids) const noexcept {
        return erase(std::span{ids.begin(), ids.size()});
    }

    /// Throws away the oldest entries and returns how many. What was pending stays pending; see
    /// Deliveries::lost(). Redis: XTRIM.
    ///
    /// Wakes: of each group the reads that waited for room, if what their consumers had pending is
    /// thrown away.
    /// Complexity: one step for every 64 entries that it throws away. While reads wait, also linear
    /// in the number of groups and of reads that wait for room.
    std::size_t trim(const TrimOptions& options) const noexcept {
        return state_->remove([&options](auto& log, auto& disposal) {
            detail::Effect effect = log.trim_to_length(options.count, disposal);
            effect += log.trim_before(options.before, disposal);
            return effect;
        });
    }

    // ------------------------------------------------------------------ looking

    /// How many entries there were at one moment of the call. Redis: XLEN.
    [[nodiscard]] std::size_t size() const {
        const detail::Lock lock{state_->mutex};
        return state_->log.size();
    }

    /// The last id that was given out, 0-0 if none was. Never goes back.
    [[nodiscard]] StreamId last_id() const {
        const detail::Lock lock{state_->mutex};
        return state_->log.last_id();
    }

    /// A snapshot of several figures. Redis: XINFO STREAM.
    [[nodiscard]] StreamInfo info() const {
        const detail::Lock lock{state_->mutex};
        const detail::LogFacts facts = state_->log.facts();
        return {facts.length,        facts.first_id,        facts.last_id, facts.max_deleted_id,
                facts.entries_added, state_->groups.size(), state_->waits, state_->log.trimmed()};
    }

    /// A snapshot of all figures of the stream and of its groups.
    ///
    /// Throws: std::bad_alloc.
    /// Complexity: linear in the number of groups, for each of them as ConsumerGroup::backlog();
    /// all of it under the stream's lock.
    [[nodiscard]] StreamStats stats(const StatsOptions& options = {}) const {
        const detail::Lock lock{state_->mutex};
        return state_->stats(options);
    }

    /// What it was made with. The clock is never null.
    [[nodiscard]] StreamOptions options() const noexcept {
        return {state_->keep, state_->block_entries, &state_->clock};
    }

    // ------------------------------------------------------------------ closing

    /// Refuses every add from now on. The entries that are in the stream can still be read. Ends
    /// the reads that wait. Closing twice does nothing.
    void close() const noexcept { state_->close(); }

    [[nodiscard]] bool closed() const {
        const detail::Lock lock{state_->mutex};
        return state_->closed;
    }

    /// Whether both are handles of the same stream.
    friend bool operator==(const Stream& one, const Stream& other) noexcept {
        return &*one.state_ == &*other.state_;
    }

private:
    friend class Cursor<T>;
    template <Message U>
    friend class Delivery;
    template <Message U>
    friend class DeadLetters;

    using State = detail::StreamState<T>;

    static State* made(const StreamOptions& options) {
        if (options.block_entries >= 4 && options.block_entries <= detail::LogBlock<T>::most_slots)
            return new State{options};
        throw Error{ErrorCode::invalid_argument, "Stream: block_entries is " +
                                                     std::to_string(options.block_entries) +
                                                     "; it must be 4 to 64"};
    }

    [[noreturn]] static void refuse_id(StreamId id, StreamId last) {
        throw Error{ErrorCode::id_too_small, "Stream: the id " + to_string(id) +
                                                 " is not greater than the last one, " +
                                                 to_string(last)};
    }
    [[noreturn]] static void refuse_millisecond(std::uint64_t ms, StreamId last) {
        throw Error{ErrorCode::id_too_small, "Stream: no id of millisecond " + std::to_string(ms) +
                                                 " is greater than the last one, " +
                                                 to_string(last)};
    }

    [[nodiscard]] detail::LogCursor<T> place(From from) const {
        detail::LogCursor<T> made;
        const detail::Lock lock{state_->mutex};
        made.reset(from.id().value_or(state_->log.last_id()), state_->log);
        return made;
    }

    Entries<T> range(const RangeOptions& options, typename Entries<T>::Order order) const {
        const auto first = options.from.first();
        const auto last = options.to.last();
        Entries<T> entries{order};  // outlives the lock
        if (!first || !last) return entries;
        const detail::Lock lock{state_->mutex};
        detail::collect(state_->log, *first, *last, options.count, entries);
        return entries;
    }

    Entries<T> read(From after, const ReadOptions& options, const ReadOptions* waiting) const {
        detail::check_count(options.count, "Stream: a read");
        State& stream = *state_;
        detail::LogCursor<T> cursor = place(after);
        detail::ReadOn<T, Entries<T>> request{cursor, options.count, true, stream.clock};
        detail::try_or_wait(request, detail::StreamPlace{request, stream},
                            detail::WaitLimits::of(waiting));
        return request.result();
    }

    detail::Handle<State> state_;
};

template <Message T>
template <Message U>
Ack Delivery<T>::forward(const Stream<U>& to, std::type_identity_t<U>&& message) const {
    const detail::Fence fence{consumer_, attempt};
    return detail::forward(*group_, id, fence, *to.state_, message, to.state_->next_id());
}

}  // namespace runnel::inline v0
