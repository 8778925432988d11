// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/ack.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/reserve.hpp>
#include <runnel/detail/base/small_vector.hpp>
#include <runnel/detail/blocks/log_block.hpp>
#include <runnel/detail/blocks/pin.hpp>
#include <runnel/detail/core/missed.hpp>
#include <runnel/detail/core/stream_log.hpp>
#include <runnel/entries.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream_id.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <new>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

namespace runnel::inline v0 {

namespace detail {

template <Message T>
class StreamGroup;
template <Message T, typename Batch>
class ReadNew;

}  // namespace detail

template <Message T>
class Consumer;
template <Message T>
class Deliveries;
template <Message T>
class Stream;
template <Message T>
class DeadLetters;

/// One entry that a group has delivered to a consumer, in place. Valid as long as its batch.
///
/// ack(), nack(), extend() and forward() are fenced: they check first whether the entry is still
/// pending with this consumer and its count of deliveries is `attempt`. Once another consumer has
/// claimed the entry, or it was acknowledged or given back, they change nothing and return
/// Ack::stale. So a consumer that was slow, and has lost its entries to another one, does no harm.
/// The check goes by that count: if the same consumer gets the entry again with the same count,
/// after set_position(), Nack::silent or a claim that does not count, this delivery still works.
/// After a read with `.acknowledged` nothing is pending, so all of them return Ack::stale, unless
/// the entry was pending before.
///
/// It is part of its batch and cannot be copied; keep() makes what outlives it. Structured bindings
/// see id, value and attempt, for those who acknowledge the batch as a whole.
///
/// Thread safety: different deliveries of a batch may be used by different threads.
template <Message T>
class Delivery {
public:
    StreamId id;
    const T& value;
    std::uint64_t attempt;  ///< how often it has been delivered, this time included: 1, 2, …

    /// The entry is no longer pending. It stays in the stream. Redis: XACK.
    Ack ack() const noexcept;

    /// Gives the entry back: it stays pending but belongs to no consumer. The next claim takes it,
    /// whatever its idle time is; with `after`, not before that time has passed. Redis: XNACK.
    ///
    ///     delivery.nack(runnel::Nack::fail, {.after = 2s});  // try again, but not at once
    Ack nack(Nack mode = Nack::fail, const NackOptions& options = {}) const noexcept;

    /// Starts the idle time of the entry anew. For work that takes long, so that claims with a
    /// `min_idle` do not take the entry away. Redis: XCLAIM … JUSTID by the owner.
    Ack extend() const noexcept;

    /// Adds `message` to the stream `to`, as Stream::add() does, and acknowledges the entry: both
    /// or neither, in one step that no thread sees half of. `to` may be the delivery's own stream.
    /// For results that go on to the next stage, and for entries that are put aside. Include
    /// <runnel/stream.hpp>. Redis: MULTI, XADD, XACK, EXEC.
    ///
    /// Returns Ack::stale, or else Ack::closed if `to` is closed. Then nothing has changed, and
    /// `message` is untouched. An lvalue is copied before the call takes a lock; if U cannot be
    /// copied, an lvalue is refused: write `forward(to, std::move(result))`.
    ///
    /// Wakes: in `to` as Stream::add() does; in the group the reads that waited for room.
    /// Throws: Error{id_exhausted}; std::bad_alloc. Then nothing has changed, either.
    /// Complexity: as Stream::add() and ack(), under the locks of both streams.
    template <Message U>
    Ack forward(const Stream<U>& to, std::type_identity_t<U>&& message) const;
    template <Message U>
    Ack forward(const Stream<U>& to,
                const std::type_identity_t<U>& message) const requires std::copy_constructible<U> {
        U copy(message);
        return forward(to, std::move(copy));
    }
    template <Message U>
    Ack forward(const Stream<U>& to, const std::type_identity_t<U>& needs_std_move) const
        requires(!std::copy_constructible<U>) = delete;

    /// A reference that outlives the batch. Nothing is copied.
    [[nodiscard]] KeptEntry<T> keep() const noexcept { return {*block_, slot_}; }

    Delivery(const Delivery&) = delete;
    Delivery& operator=(const Delivery&) = delete;
    Delivery(Delivery&&) noexcept = default;  // within the batch
    ~Delivery() = default;

    // For the group, which makes deliveries.
    Delivery(detail::LogPlace<T> place, std::uint64_t deliveries, detail::StreamGroup<T>& group,
             std::uint64_t consumer) noexcept
        : id{place.id()},
          value{place.value()},
          attempt{deliveries},
          block_{place.block},
          group_{&group},
          consumer_{consumer},
          slot_{place.slot} {}

private:
    friend class Deliveries<T>;
    friend class DeadLetters<T>;

    template <typename Step>
    Ack fenced(Step step) const noexcept;

    detail::LogBlock<T>* block_;
    detail::StreamGroup<T>* group_;
    std::uint64_t consumer_;  // its serial
    std::uint32_t slot_;
};

}  // namespace runnel::inline v0

template <runnel::Message T>
struct std::tuple_size<runnel::Delivery<T>> : std::integral_constant<std::size_t, 3> {};
template <std::size_t Index, runnel::Message T>
struct std::tuple_element<Index, runnel::Delivery<T>>
    : std::tuple_element<Index, std::tuple<runnel::StreamId, const T&, std::uint64_t>> {};

namespace runnel::inline v0 {

/// By index, what structured bindings see of a delivery: its id, its value, its attempt.
template <std::size_t Index, Message T>
[[nodiscard]] std::tuple_element_t<Index, Delivery<T>> get(const Delivery<T>& delivery) noexcept {
    if constexpr (Index == 0)
        return delivery.id;
    else if constexpr (Index == 1)
        return delivery.value;
    else
        return delivery.attempt;
}

/// The entries that a consumer got from its group, in place and in order, or the reason why there
/// are none. Nothing is copied: the batch keeps its entries alive, even when they are erased or
/// trimmed meanwhile. Destroy it before you wait for the next one, as this loop does.
///
///     while (auto batch = me.read({.count = 10}))
///         for (auto& delivery : batch)
///             charge(delivery.value) ? delivery.ack() : delivery.nack();
///
///     while (auto batch = me.read()) {
///         for (const auto& [id, value, attempt] : batch) transaction.add(id, value);
///         if (transaction.commit()) batch.ack();
///     }
///
/// Its destructor acknowledges nothing: entries that were not acknowledged stay pending. It may
/// destroy values that were erased meanwhile, and so run destructors of T.
template <Message T>
class [[nodiscard]] Deliveries {
public:
    using Iterator = const Delivery<T>*;

    Deliveries(Ending ending) noexcept : ending_{ending} {}  // NOLINT(*-explicit-*)
    Deliveries(Deliveries&& other) noexcept = default;
    Deliveries& operator=(Deliveries other) noexcept {
        std::swap(all_, other.all_);
        std::swap(pins_, other.pins_);
        std::swap(lost_, other.lost_);
        std::swap(next_, other.next_);
        std::swap(missed_, other.missed_);
        std::swap(group_, other.group_);
        std::swap(consumer_, other.consumer_);
        std::swap(ending_, other.ending_);
        return *this;
    }
    ~Deliveries() = default;

    /// Whether there are entries. If there are none, lost() may still have ids, and next() may tell
    /// where to go on.
    [[nodiscard]] explicit operator bool() const noexcept { return !empty(); }
    [[nodiscard]] bool empty() const noexcept { return all_.empty(); }
    [[nodiscard]] std::size_t size() const noexcept { return all_.size(); }

    /// Requires: index < size().
    [[nodiscard]] const Delivery<T>&
    operator[](std::size_t index) const& noexcept RUNNEL_LIFETIMEBOUND {
        RUNNEL_EXPECT(index < size(), "[] of Deliveries behind their end", detail::Caller{});
        return all_[index];
    }
    const Delivery<T>& operator[](std::size_t index) const&& = delete;

    [[nodiscard]] Iterator begin() const& noexcept RUNNEL_LIFETIMEBOUND { return all_.begin(); }
    [[nodiscard]] Iterator end() const& noexcept RUNNEL_LIFETIMEBOUND { return all_.end(); }
    Iterator begin() const&& = delete;
    Iterator end() const&& = delete;

    /// The first one and the last one. They require: not empty.
    [[nodiscard]] const Delivery<T>&
    front(detail::Caller caller = {}) const& noexcept RUNNEL_LIFETIMEBOUND {
        RUNNEL_EXPECT(!empty(), "front() of empty Deliveries", caller);
        return all_[0];
    }
    [[nodiscard]] const Delivery<T>&
    back(detail::Caller caller = {}) const& noexcept RUNNEL_LIFETIMEBOUND {
        RUNNEL_EXPECT(!empty(), "back() of empty Deliveries", caller);
        return all_.back();
    }
    const Delivery<T>& front(detail::Caller caller = {}) const&& = delete;
    const Delivery<T>& back(detail::Caller caller = {}) const&& = delete;

    /// Acknowledges all entries of the batch at once, each as Delivery::ack() does. Returns how
    /// many were done; the others are stale. The entries in lost() are not acknowledged.
    ///
    /// Complexity: logarithmic in what the group has pending, for each.
    std::size_t ack() const noexcept;

    /// Ids that were pending, but whose entries the stream has erased or trimmed. After a claim, or
    /// a read at `max_pending`, they are no longer pending. After history() they still are, until
    /// they are acknowledged. A temporary batch returns them by value.
    [[nodiscard]] const std::vector<StreamId>& lost() const& noexcept RUNNEL_LIFETIMEBOUND {
        return lost_;
    }
    [[nodiscard]] std::vector<StreamId> lost() && noexcept { return std::move(lost_); }
    std::vector<StreamId> lost() const&& = delete;

    /// Of a read: how many entries, just before these, were trimmed before the group had delivered
    /// them to any consumer. Each is counted once, for one consumer. If the read ends with
    /// Ending::closed, how many after the last entry that the group has delivered. Entries that
    /// were erased by id do not count; for pending ones see lost().
    [[nodiscard]] std::uint64_t missed() const noexcept { return missed_.count; }

    /// Whether missed() is exact. If not, it may be more: the options of the group, set_position()
    /// or a claim with `last_id` have named an id as the group's position, and entries after that
    /// id had been trimmed already.
    [[nodiscard]] bool missed_is_exact() const noexcept { return missed_.is_exact; }

    /// Of autoclaim() and history(): where the next call goes on; 0-0 if nothing is left.
    [[nodiscard]] StreamId next() const noexcept { return next_; }

    /// Why there are no entries: Ending::timed_out also where a call that does not wait found none.
    /// Requires: there are none.
    [[nodiscard]] Ending ending(detail::Caller caller = {}) const noexcept {
        RUNNEL_EXPECT(empty(), "ending() of Deliveries that have entries", caller);
        return ending_;
    }

private:
    friend class Consumer<T>;
    friend class detail::ReadNew<T, Deliveries>;

    // ---- what reads and claims fill, under the stream's lock

    Deliveries() = default;

    // Whose they are; before the first add().
    void belong_to(detail::StreamGroup<T>& group, std::uint64_t serial) noexcept {
        group_ = detail::Owner{group};
        consumer_ = serial;
    }

    // Make add() noexcept: of `count` entries, of whatever blocks; of the first `count`, of one
    // block; of that one. May throw.
    void reserve(std::size_t count) {
        all_.reserve(count);
        pins_.reserve(count);
    }
    void reserve_in_block(std::size_t count) { all_.reserve(count); }
    void reserve_one(const detail::LogPlace<T>& place) {
        if (all_.size() == all_.capacity()) all_.reserve(2 * all_.size());
        if (begins_block(place) && pins_.size() == pins_.capacity())
            pins_.reserve(2 + 2 * pins_.size());
    }
    // The same for lose().
    void reserve_lost(std::size_t count) { lost_.reserve(count); }
    void reserve_lost_one() { detail::reserve_one_more(lost_); }

    void add(detail::LogPlace<T> place, std::uint64_t deliveries) noexcept {
        if (begins_block(place)) pins_.emplace_back(*place.block);
        all_.emplace_back(place, deliveries, *group_.get(), consumer_);
    }
    void lose(StreamId id) noexcept { lost_.push_back(id); }
    // False: there is no memory, and nothing has changed.
    [[nodiscard]] bool try_lose(StreamId id) noexcept {
        try {
            reserve_lost_one();
        } catch (const std::bad_alloc&) {
            return false;
        }
        lose(id);
        return true;
    }
    [[nodiscard]] bool begins_block(const detail::LogPlace<T>& place) const noexcept {
        return all_.empty() || all_.back().block_ != place.block;
    }
    void set_next(StreamId id) noexcept { next_ = id; }
    void tell(detail::Missed missed) noexcept { missed_ = missed; }

    detail::SmallVector<Delivery<T>> all_;
    std::vector<StreamId> lost_;
    StreamId next_{};
    detail::Missed missed_;
    detail::Owner<detail::StreamGroup<T>> group_;
    // One for all that follow each other in a block; these go before the group does.
    detail::SmallVector<detail::Pin<T>> pins_;
    std::uint64_t consumer_ = 0;
    Ending ending_ = Ending::timed_out;
};

}  // namespace runnel::inline v0
