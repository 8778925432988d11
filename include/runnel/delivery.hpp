// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/ack.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/room.hpp>
#include <runnel/detail/base/small_vector.hpp>
#include <runnel/detail/blocks/log_block.hpp>
#include <runnel/detail/core/missed.hpp>
#include <runnel/detail/core/stream_log.hpp>
#include <runnel/entries.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream_id.hpp>

#include <algorithm>
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
template <Message T>
class ReadNew;

}  // namespace detail

template <Message T>
class Consumer;
template <Message T>
class Deliveries;

/// One entry that a group has delivered to a consumer, in place: valid as long as the batch is.
///
/// ack(), nack() and extend() are fenced: they work as long as the entry is pending with this
/// consumer and has been delivered as often as `attempt` says, and are `stale` once another one has
/// claimed it or it was acknowledged or released. So a consumer that was thought dead and comes
/// back does no harm. They go by that count: what the same consumer gets again with the same one,
/// after set_position(), Nack::silent or a claim that does not count, is taken for this delivery.
/// Of reads with `.acknowledged` nothing is pending, so all three are `stale` at once, unless it
/// was pending before.
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

    /// The entry is done with: it is no longer pending. It stays in the stream. Redis: XACK.
    Ack ack() const noexcept;

    /// Gives the entry back: it stays pending and belongs to nobody, and the next claim takes it,
    /// whatever its idle time. Redis: XNACK.
    Ack nack(Nack mode = Nack::fail) const noexcept;

    /// Starts its idle time anew, for work that takes long: nobody who goes by idle times claims
    /// it meanwhile. Redis: XCLAIM … JUSTID by the owner.
    Ack extend() const noexcept;

    /// A reference that outlives the batch. Nothing is copied.
    [[nodiscard]] KeptEntry<T> keep() const noexcept {
        block_->pin();
        return {*block_, slot_};
    }

    Delivery(const Delivery&) = delete;
    Delivery& operator=(const Delivery&) = delete;
    Delivery(Delivery&&) noexcept = default;  // within the batch
    ~Delivery() = default;

    // By the group.
    Delivery(detail::LogPlace<T> place, std::uint64_t deliveries, bool has_pin,
             detail::StreamGroup<T>& group, std::uint64_t consumer) noexcept
        : id{place.id()},
          value{place.value()},
          attempt{deliveries},
          block_{place.block},
          group_{&group},
          consumer_{consumer},
          slot_{place.slot},
          has_pin_{has_pin} {}

private:
    friend class Deliveries<T>;

    template <typename Step>
    Ack fenced(Step step) const noexcept;

    detail::LogBlock<T>* block_;
    detail::StreamGroup<T>* group_;
    std::uint64_t consumer_;  // its serial
    std::uint32_t slot_;
    bool has_pin_;  // that of all that follow in the same block
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

/// What a consumer got of its group, in place and in order, or the reason why there is nothing.
/// Nothing is copied: while it lives, so do the entries, also those that are erased or trimmed
/// meanwhile. Let it go before the next one is awaited.
///
///     while (auto batch = me.read({.count = 10}))
///         for (auto& delivery : batch)
///             charge(delivery.value) ? delivery.ack() : delivery.nack();
///
/// Letting it go acknowledges nothing: what was not acknowledged stays pending. Its destructor may
/// destroy values that were erased meanwhile, and so run destructors of T.
template <Message T>
class [[nodiscard]] Deliveries {
public:
    using Iterator = const Delivery<T>*;

    Deliveries(Ending ending) noexcept : ending_{ending} {}  // NOLINT(*-explicit-*)
    Deliveries(Deliveries&& other) noexcept = default;
    Deliveries& operator=(Deliveries other) noexcept {
        std::swap(all_, other.all_);
        std::swap(lost_, other.lost_);
        std::swap(next_, other.next_);
        std::swap(missed_, other.missed_);
        std::swap(group_, other.group_);
        std::swap(consumer_, other.consumer_);
        std::swap(ending_, other.ending_);
        return *this;
    }
    ~Deliveries() {
        for (const Delivery<T>& delivery : all_)
            if (delivery.has_pin_) delivery.block_->unpin();
    }

    /// Whether there are entries; there may be none, and still something in lost(), or in next()
    /// where to go on.
    [[nodiscard]] explicit operator bool() const noexcept { return !empty(); }
    [[nodiscard]] bool empty() const noexcept { return all_.empty(); }
    [[nodiscard]] std::size_t size() const noexcept { return all_.size(); }

    /// Requires: index < size().
    [[nodiscard]] const Delivery<T>&
    operator[](std::size_t index) const& noexcept RUNNEL_LIFETIMEBOUND {
        return all_[index];
    }
    const Delivery<T>& operator[](std::size_t index) const&& = delete;

    [[nodiscard]] Iterator begin() const& noexcept RUNNEL_LIFETIMEBOUND { return all_.begin(); }
    [[nodiscard]] Iterator end() const& noexcept RUNNEL_LIFETIMEBOUND { return all_.end(); }
    Iterator begin() const&& = delete;
    Iterator end() const&& = delete;

    /// These require: not empty.
    [[nodiscard]] const Delivery<T>& front() const& noexcept RUNNEL_LIFETIMEBOUND {
        return all_[0];
    }
    [[nodiscard]] const Delivery<T>& back() const& noexcept RUNNEL_LIFETIMEBOUND {
        return all_.back();
    }
    const Delivery<T>& front() const&& = delete;
    const Delivery<T>& back() const&& = delete;

    /// Ids that were pending, and whose entries the stream has erased or trimmed: nobody can work
    /// on them any more. Claims drop them from the pending ones, and so does the read of a consumer
    /// that has as many pending as it may; a read of history leaves them there, to be acknowledged.
    /// Of a temporary batch, the ids themselves.
    [[nodiscard]] const std::vector<StreamId>& lost() const& noexcept RUNNEL_LIFETIMEBOUND {
        return lost_;
    }
    [[nodiscard]] std::vector<StreamId> lost() && noexcept { return std::move(lost_); }
    std::vector<StreamId> lost() const&& = delete;

    /// Of a read: how many entries were trimmed just before these, before the group has delivered
    /// them to anybody; each is told once, to one consumer. With Ending::closed, how many at the
    /// end. Those that were erased do not count, nor those that were pending, see lost().
    [[nodiscard]] std::uint64_t missed() const noexcept { return missed_.count; }

    /// Whether it is just as many. False: at least as many, as the group was put behind an id by
    /// its options, set_position() or a claim with `last_id`, and entries behind that had been
    /// trimmed already.
    [[nodiscard]] bool missed_is_exact() const noexcept { return missed_.is_exact; }

    /// Of autoclaim() and history(): where to go on; 0-0 once all pending entries have been looked
    /// at.
    [[nodiscard]] StreamId next() const noexcept { return next_; }

    /// Why there are no entries: Ending::timed_out also where a call that does not wait found none.
    /// Requires: there are none.
    [[nodiscard]] Ending ending() const noexcept {
        RUNNEL_ASSERT(empty());
        return ending_;
    }

private:
    friend class Consumer<T>;
    friend class detail::ReadNew<T>;

    // ---- what reads and claims fill, under the stream's lock

    Deliveries() = default;

    // Whose they are; before the first add().
    void belong_to(detail::StreamGroup<T>& group, std::uint64_t serial) noexcept {
        group_ = detail::Owner{group};
        consumer_ = serial;
    }

    // Make the next add(), lose() noexcept; may throw.
    void reserve(std::size_t count) { all_.reserve(count); }
    void reserve_one() {
        if (all_.size() == all_.capacity()) all_.reserve(2 * all_.size());
    }
    void reserve_lost(std::size_t count) { lost_.reserve(count); }
    void reserve_lost_one() { detail::make_room_for_one(lost_); }

    void add(detail::LogPlace<T> place, std::uint64_t deliveries) noexcept {
        const bool is_new = all_.empty() || all_.back().block_ != place.block;
        if (is_new) place.block->pin();
        all_.emplace_back(place, deliveries, is_new, *group_.get(), consumer_);
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
    void set_next(StreamId id) noexcept { next_ = id; }
    void tell(detail::Missed missed) noexcept { missed_ = missed; }

    detail::SmallVector<Delivery<T>> all_;
    std::vector<StreamId> lost_;
    StreamId next_{};
    detail::Missed missed_;
    detail::Owner<detail::StreamGroup<T>> group_;
    std::uint64_t consumer_ = 0;
    Ending ending_ = Ending::timed_out;
};

}  // namespace runnel::inline v0
