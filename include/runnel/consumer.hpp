// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/ack.hpp>
#include <runnel/awaitable.hpp>
#include <runnel/delivery.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/core/effect.hpp>
#include <runnel/detail/core/group_state.hpp>
#include <runnel/detail/core/pending_entries.hpp>
#include <runnel/detail/core/stream_log.hpp>
#include <runnel/detail/stream/stream_recipes.hpp>
#include <runnel/detail/stream/stream_requests.hpp>
#include <runnel/detail/stream/stream_state.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/duration.hpp>
#include <runnel/error.hpp>
#include <runnel/group_options.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream_id.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace runnel::inline v0 {

template <Message T>
class ConsumerGroup;

namespace detail {

[[noreturn]] [[gnu::noinline]] inline void refuse_negative(const char* call, const char* option) {
    throw Error{ErrorCode::invalid_argument, std::string{call} + ": " + option + " is negative"};
}

// In whole milliseconds: a fraction counts as one, so that nothing is idle long enough too early.
[[nodiscard]] inline Milliseconds checked_min_idle(Duration min_idle, const char* call,
                                                   const char* option = "min_idle") {
    if (min_idle < std::chrono::nanoseconds{0}) refuse_negative(call, option);
    return std::chrono::ceil<std::chrono::milliseconds>(min_idle.nanoseconds()).count();
}

[[nodiscard]] inline std::optional<Milliseconds> checked_claim(const GroupReadOptions& options) {
    if (!options.claim) return std::nullopt;
    if (options.claim_count == 0)
        throw Error{ErrorCode::invalid_argument,
                    "Consumer: a read with claim_count 0; it must be at least 1"};
    return checked_min_idle(*options.claim, "Consumer: a read", "claim");
}

}  // namespace detail

/// A member of a consumer group. An entry that a consumer reads is pending with it until the entry
/// is acknowledged or claimed by another consumer.
///
///     auto me = billing.consumer("till-1", {.max_pending = 100});
///     while (auto batch = me.read({.count = 10, .stop = stop}))
///         for (auto& delivery : batch)
///             charge(delivery.value) ? delivery.ack() : delivery.nack();
///
/// A handle by name: copies, and other handles of the same name, are the same consumer. A handle
/// that was moved from can only be assigned to or destroyed. The group knows the consumer from its
/// first call on, and forgets it with ConsumerGroup::remove_consumer(). The next call after that
/// makes it anew.
///
/// Thread safety: every member may be called from any thread at any time.
/// Guarantee: a call that throws has changed nothing, except that the group may know the consumer
/// now.
template <Message T>
class Consumer {
public:
    /// The name of the consumer; a temporary handle returns it by value.
    [[nodiscard]] const std::string&
    name(detail::Caller caller = {}) const& noexcept RUNNEL_LIFETIMEBOUND {
        RUNNEL_EXPECT(has_group(), "name() of a Consumer that was moved from", caller);
        return name_;
    }
    [[nodiscard]] std::string name(detail::Caller caller = {}) const&& {
        RUNNEL_EXPECT(has_group(), "name() of a Consumer that was moved from", caller);
        return name_;
    }

    /// The next entries that the group has not delivered to any consumer. They are pending until
    /// they are acknowledged. Waiting reads are served first come, first served.
    /// Redis: XREADGROUP … >.
    ///
    /// If the consumer has `max_pending` entries pending, the read first drops those of them that
    /// the stream has erased or trimmed, as a claim does. lost() of the result lists their ids.
    ///
    /// With `claim` the read first claims what is pending and may be claimed, and if there is room
    /// left it goes on with new entries. First come the entries that were given back, in that
    /// order, those with a delay as if they were given back when it ended; then those that have
    /// been idle for at least `claim`, with any consumer, also this one, the longest idle first.
    /// Each counts as delivered once more. Entries that the stream has erased or trimmed are passed
    /// over and stay pending. A claimed entry needs room below `max_pending`, unless it was pending
    /// with this consumer already. So a worker that reads in this way sees what it has given back,
    /// and what others have lost, with no further calls:
    ///
    ///     while (auto batch = me.read({.count = 10, .stop = stop, .claim = 5min}))
    ///         for (auto& delivery : batch)
    ///             charge(delivery.value) ? delivery.ack()
    ///                                    : delivery.nack(runnel::Nack::fail, {.after = 2s});
    ///
    /// Blocks: while there are no entries, or while the consumer has `max_pending` entries pending.
    /// With `claim` it also ends when an entry is given back, when a delay ends, and when an entry
    /// has been idle for long enough.
    /// Ends with: Ending::gone if the group is removed; Ending::closed once the stream is closed
    /// and the group has delivered all entries. With `claim` not before nothing is pending in the
    /// group, with any consumer, but what the stream has erased or trimmed.
    /// Throws: Error{invalid_argument} if `count` is 0, `claim` is negative, or `claim_count` is 0
    /// where `claim` is set.
    /// Complexity: linear in the result, under the stream's lock. With `claim` also linear in what
    /// may be claimed and has no room. The first read with `claim` is linear in what the group has
    /// pending, or a bit more if other claims were there before: from then on the group keeps that
    /// in the order of time, too. This makes each delivery and acknowledgement a bit slower, and a
    /// claim with ClaimOptions::idle linear in the entries that were delivered later. What was
    /// given back before comes in the order of ids, what was delayed behind it.
    Deliveries<T> read(const GroupReadOptions& options = {}, detail::Caller caller = {}) const {
        RUNNEL_EXPECT(has_group(), "read() of a Consumer that was moved from", caller);
        return options.claim ? read_and_claim(&options, options) : read(&options, options);
    }

    /// As read(), but never waits; `timeout` and `stop` are not looked at.
    Deliveries<T> try_read(const GroupReadOptions& options = {}, detail::Caller caller = {}) const {
        RUNNEL_EXPECT(has_group(), "try_read() of a Consumer that was moved from", caller);
        const GroupReadOptions* const none = nullptr;
        return options.claim ? read_and_claim(none, options) : read(none, options);
    }

    /// As read(), for a coroutine: see Awaitable. If the coroutine is destroyed after its wait was
    /// served, the entries stay pending; with `.acknowledged` they are lost. `claim` counts as a
    /// time-out: somebody has to run the clock.
    ///
    /// Memory: copies the name, which allocates if it is long.
    auto async_read(const GroupReadOptions& options = {}, detail::Caller caller = {}) const {
        RUNNEL_EXPECT(has_group(), "async_read() of a Consumer that was moved from", caller);
        detail::check_count(options.count, "Consumer: a read");
        return Awaitable{detail::ReadNewRecipe<T, Deliveries<T>>{
                             group_, id_, name_, max_pending_, options.count, options.acknowledged,
                             detail::checked_claim(options), options.claim_count},
                         WaitOptions{options.timeout, options.stop}};
    }

    /// The entries that are pending with this consumer, in the order of ids. Use it in a worker
    /// that was started again, before its first read(). Each entry counts as delivered once more.
    /// lost() of the result lists the ids whose entries the stream has erased or trimmed; they stay
    /// pending until they are acknowledged. If `count` leaves some out, next() of the result is the
    /// `after` of the next call; at the end next() is 0-0. Redis: XREADGROUP with an id.
    ///
    /// Ends with: Ending::gone if the group was removed.
    /// Throws: Error{invalid_argument} if `count` is 0.
    /// Complexity: linear in the number of entries that are pending in the group after `after`.
    Deliveries<T> history(const HistoryOptions& options = {}, detail::Caller caller = {}) const;

    /// Takes over those of these entries that were given back, once their delay has ended, or that
    /// are pending with any consumer and have been idle for at least `min_idle`: so long ago was
    /// their last delivery. A claim starts the idle time anew: if two consumers claim an entry at
    /// the same time, only the first gets it. Ids whose entries the stream has erased or trimmed
    /// are no longer pending after the call; lost() of the result lists them. If memory runs out
    /// after some entries were taken, the result ends there. Redis: XCLAIM.
    ///
    /// Ends with: Ending::gone if the group was removed.
    /// Throws: Error{invalid_argument} if `min_idle` is negative.
    /// Complexity: for each id, logarithmic in the number of pending entries of the group.
    Deliveries<T> claim(std::span<const StreamId> ids, const ClaimOptions& options,
                        detail::Caller caller = {}) const;
    Deliveries<T> claim(std::initializer_list<StreamId> ids, const ClaimOptions& options,
                        detail::Caller caller = {}) const {
        return claim(std::span{ids.begin(), ids.size()}, options, caller);
    }

    /// Looks through the pending entries of the group, in the order of ids, and takes over those
    /// that claim() takes. One call looks at a part of them: next() of the result is the `start` of
    /// the next call, and 0-0 when all were looked at. A result without entries need not be the
    /// last. Redis: XAUTOCLAIM.
    ///
    /// Ends with: Ending::gone if the group was removed; next() is 0-0 then, too.
    /// Throws: Error{invalid_argument} if `count` is 0 or `min_idle` is negative.
    /// Complexity: linear in the number of entries it looks at, at most ten times `count`.
    Deliveries<T> autoclaim(const AutoclaimOptions& options, detail::Caller caller = {}) const;

private:
    friend class ConsumerGroup<T>;
    friend class Watch;

    using State = detail::StreamState<T>;
    using Group = detail::StreamGroup<T>;

    Consumer(const detail::Handle<State>& stream, const detail::Owner<Group>& group,
             std::string_view name, std::size_t max_pending)
        : stream_{stream}, group_{group}, name_{name}, max_pending_{max_pending} {}

    // False once it was moved from.
    [[nodiscard]] bool has_group() const noexcept { return group_.get() != nullptr; }

    Deliveries<T> read(const GroupReadOptions* waiting, const GroupReadOptions& options) const;
    [[gnu::noinline]] Deliveries<T> read_and_claim(const GroupReadOptions* waiting,
                                                   const GroupReadOptions& options) const;

    // Calls step(log, consumer, now, result) under the lock, unless the group was removed, and
    // serves those who wait.
    template <typename Step>
    Deliveries<T> locked(Step step) const;

    bool claim_one(const StreamId& id, const detail::StreamLog<T>& log, detail::ConsumerRecord& me,
                   const detail::ClaimRules& how, detail::Milliseconds now,
                   Deliveries<T>& result) const;

    detail::Handle<State> stream_;
    detail::Owner<Group> group_;
    std::string name_;
    detail::ConsumerId id_{};  // when this handle was made
    std::size_t max_pending_;
};

// ---------------------------------------------------------------------- Delivery

namespace detail {

// Calls step(stream, rules) under the lock, and serves those whom its effect makes room for.
template <Message T, typename Step>
Effect change(StreamGroup<T>& group, Step step) {
    StreamState<T>& stream = *group.stream.get();
    WakeChain chain;
    Effect effect;
    {
        const Lock lock{stream.mutex};
        effect = step(stream, group.rules);
        if (effect) stream.serve_after(effect, group, chain);
    }
    chain.resume_all();
    return effect;
}

// For entries that are about to be given back: from when on a claim may take them; 0: at once.
template <Message T>
Milliseconds due_of(const NackOptions& options, const StreamState<T>& stream, GroupState& rules) {
    if (options.after > std::chrono::nanoseconds{0}) return stream.after(options.after);
    if (rules.has_delayed()) rules.release_due(stream.now());
    return 0;
}

}  // namespace detail

template <Message T>
template <typename Step>
Ack Delivery<T>::fenced(Step step) const noexcept {
    const auto effect = detail::change(*group_, [&](auto& stream, detail::GroupState& rules) {
        return step(stream, rules, detail::Fence{consumer_, attempt});
    });
    return effect ? Ack::done : Ack::stale;
}

template <Message T>
Ack Delivery<T>::ack() const noexcept {
    return fenced([this](auto&, detail::GroupState& group, detail::Fence fence) {
        return group.acknowledge(id, &fence);
    });
}

template <Message T>
Ack Delivery<T>::nack(Nack mode, const NackOptions& options) const noexcept {
    return fenced([&](auto& stream, detail::GroupState& group, detail::Fence fence) {
        return group.release(id, mode, &fence, {}, detail::due_of(options, stream, group));
    });
}

template <Message T>
Ack Delivery<T>::extend() const noexcept {
    return fenced([this](auto& stream, detail::GroupState& group, detail::Fence fence) {
        return group.extend(id, stream.now(), fence);
    });
}

// ---------------------------------------------------------------------- Deliveries

template <Message T>
std::size_t Deliveries<T>::ack() const noexcept {
    if (empty()) return 0;
    const auto effect = detail::change(*group_.get(), [this](auto&, detail::GroupState& group) {
        return group.acknowledge_all(all_, consumer_);
    });
    return effect.acknowledged;
}

// ---------------------------------------------------------------------- Consumer

template <Message T>
Deliveries<T> Consumer<T>::read(const GroupReadOptions* waiting,
                                const GroupReadOptions& options) const {
    detail::check_count(options.count, "Consumer: a read");
    Deliveries<T> result{Ending::timed_out};
    detail::ReadNew<T, Deliveries<T>> request{result,  {id_, name_}, max_pending_,
                                              options, std::nullopt, stream_->clock};
    try {
        detail::try_or_wait(request, detail::StreamPlace{request, *stream_, group_.get()},
                            detail::WaitLimits::of(waiting));
        request.tell_end();
    } catch (const std::bad_alloc&) {
        if (result.lost().empty()) throw;  // else it ends there, as a claim does
    }
    return result;
}

template <Message T>
Deliveries<T> Consumer<T>::read_and_claim(const GroupReadOptions* waiting,
                                          const GroupReadOptions& options) const {
    detail::check_count(options.count, "Consumer: a read");
    const auto min_idle = detail::checked_claim(options);
    Deliveries<T> result{Ending::timed_out};
    detail::ReadNew<T, Deliveries<T>> request{result,  {id_, name_}, max_pending_,
                                              options, min_idle,     stream_->clock};
    try {
        detail::try_or_wait_and_look(request, detail::StreamPlace{request, *stream_, group_.get()},
                                     detail::WaitLimits::of(waiting));
        request.tell_end();
    } catch (const std::bad_alloc&) {
        if (result.lost().empty()) throw;
    }
    return result;
}

template <Message T>
template <typename Step>
Deliveries<T> Consumer<T>::locked(Step step) const {
    Deliveries<T> result;  // outlives the lock
    detail::WakeChain chain;
    {
        State& stream = *stream_;
        const detail::Lock lock{stream.mutex};
        if (group_->is_removed) return Ending::gone;
        stream.catch_up(*group_.get());
        const detail::Milliseconds now = stream.now();
        detail::ConsumerRecord& consumer = group_->rules.consumer({id_, name_}, now);
        consumer.seen = now;
        result.belong_to(*group_.get(), consumer.serial);
        step(stream.log, consumer, now, result);
        stream.serve_those_for_room(*group_.get(), chain);
    }
    chain.resume_all();
    return result;
}

template <Message T>
Deliveries<T> Consumer<T>::history(const HistoryOptions& options, detail::Caller caller) const {
    RUNNEL_EXPECT(has_group(), "history() of a Consumer that was moved from", caller);
    detail::check_count(options.count, "Consumer: a history");
    return locked([&](const auto& log, detail::ConsumerRecord& me, auto now, auto& result) {
        detail::GroupState& rules = group_->rules;
        std::size_t left = std::min(options.count, me.pending);
        result.reserve(left);
        result.reserve_lost(left);
        if (options.after == StreamId::max()) return;
        auto place = detail::PendingEntries::next_of(
            me.number, rules.pending().lower_bound(*options.after.next()));
        for (; place && left != 0; --left) {
            const StreamId id = rules.pending()[place].id;
            if (const auto entry = log.find(id)) {
                rules.deliver_again(place, now);
                result.add(entry, rules.pending()[place].deliveries);
            } else {
                result.lose(id);
            }
            place = detail::PendingEntries::next_of(me.number, detail::PendingEntries::next(place));
            result.set_next(place ? id : StreamId{});
        }
    });
}

template <Message T>
Deliveries<T> Consumer<T>::claim(std::span<const StreamId> ids, const ClaimOptions& options,
                                 detail::Caller caller) const {
    RUNNEL_EXPECT(has_group(), "claim() of a Consumer that was moved from", caller);
    const auto min_idle = detail::checked_min_idle(options.min_idle, "Consumer: a claim");
    const auto wanted = std::chrono::floor<std::chrono::milliseconds>(options.idle.nanoseconds());
    return locked([&](const auto& log, detail::ConsumerRecord& me, auto now, auto& result) {
        result.reserve(ids.size());
        const auto idle = std::max<detail::Milliseconds>(0, wanted.count());
        const detail::ClaimRules how{min_idle, now - idle, options.deliveries, options.counts,
                                     options.force};
        for (const StreamId& id : ids)
            if (!claim_one(id, log, me, how, now, result)) break;
        if (options.last_id <= group_->rules.last_delivered()) return;
        group_->rules.raise_last_delivered(options.last_id);
        group_->next.reset(options.last_id, log);
    });
}

// False when memory has run out after some were taken.
template <Message T>
bool Consumer<T>::claim_one(const StreamId& id, const detail::StreamLog<T>& log,
                            detail::ConsumerRecord& me, const detail::ClaimRules& how,
                            detail::Milliseconds now, Deliveries<T>& result) const {
    const auto entry = log.find(id);
    try {
        if (!entry) result.reserve_lost_one();
        const auto claimed = group_->rules.claim(id, static_cast<bool>(entry), me, how, now);
        if (claimed.what == detail::Claim::taken) result.add(entry, claimed.deliveries);
        if (claimed.what == detail::Claim::lost) result.lose(id);
        return true;
    } catch (const std::bad_alloc&) {
        if (!result && result.lost().empty()) throw;
        return false;
    }
}

template <Message T>
Deliveries<T> Consumer<T>::autoclaim(const AutoclaimOptions& options, detail::Caller caller) const {
    RUNNEL_EXPECT(has_group(), "autoclaim() of a Consumer that was moved from", caller);
    detail::check_count(options.count, "Consumer: an autoclaim");
    const auto min_idle = detail::checked_min_idle(options.min_idle, "Consumer: an autoclaim");
    return locked([&](const auto& log, detail::ConsumerRecord& me, auto now, auto& result) {
        detail::GroupState& rules = group_->rules;
        const std::size_t most = std::min(options.count, rules.pending().size());
        result.reserve(most);
        const detail::ClaimRules how{min_idle, now, {}, options.counts, false};
        bool has_memory = true;
        result.set_next(rules.autoclaim(
            options.start, options.count, me, how, now,
            [&](const StreamId& id) { return log.find(id); },
            [&](const auto& entry, std::uint64_t deliveries) { result.add(entry, deliveries); },
            [&](const StreamId& id) { return has_memory = result.try_lose(id); }));
        if (!has_memory && !result && result.lost().empty()) throw std::bad_alloc{};
    });
}

}  // namespace runnel::inline v0
