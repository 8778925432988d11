// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/ack.hpp>
#include <runnel/clock.hpp>
#include <runnel/delivery.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/saturated.hpp>
#include <runnel/detail/core/group_state.hpp>
#include <runnel/detail/stream/stream_state.hpp>
#include <runnel/detail/wait/spin.hpp>
#include <runnel/duration.hpp>
#include <runnel/entries.hpp>
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
#include <limits>
#include <new>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0 {

template <Message T>
class ConsumerGroup;

namespace detail {

// In whole milliseconds: a fraction counts as one, so that nothing is idle long enough too early.
[[nodiscard]] inline Milliseconds checked_min_idle(Duration min_idle, const char* call) {
    if (min_idle < std::chrono::nanoseconds{0})
        throw Error{ErrorCode::invalid_argument, std::string{call} + ": min_idle is negative"};
    return saturated<std::chrono::milliseconds>(min_idle.nanoseconds(), Rounding::up).count();
}

}  // namespace detail

/// A member of a consumer group. An entry that it reads is pending with it until it acknowledges
/// the entry.
///
///     auto me = billing.consumer("till-1", {.max_pending = 100});
///     while (auto batch = me.read({.count = 10, .stop = stop}))
///         for (auto& delivery : batch)
///             charge(delivery.value) ? delivery.ack() : delivery.nack();
///
/// A handle by name: copies, and other handles of the same name, are the same consumer. The group
/// knows the consumer from its first call on, and forgets it with ConsumerGroup::remove_consumer().
/// The next call after that makes it anew.
///
/// Thread safety: every member may be called from any thread at any time.
/// Guarantee: a call that throws has changed nothing, except that the group may know the consumer
/// now.
template <Message T>
class Consumer {
public:
    /// Of a temporary handle, a copy.
    [[nodiscard]] const std::string& name() const& noexcept RUNNEL_LIFETIMEBOUND { return name_; }
    [[nodiscard]] std::string name() const&& { return name_; }

    /// The next entries that the group has not delivered to any consumer. They are pending until
    /// they are acknowledged. Waiting reads are served first come, first served.
    /// Redis: XREADGROUP … >.
    ///
    /// If the consumer is at `max_pending`, the read first drops the pending entries that the
    /// stream has erased or trimmed, as a claim does. lost() of the result lists their ids.
    ///
    /// Blocks: while there are no entries, or while the consumer is at `max_pending`.
    /// Ends with: Ending::gone if the group is removed; Ending::closed once the stream is closed
    /// and the group has delivered all entries.
    /// Throws: Error{invalid_argument} if `count` is 0.
    /// Complexity: linear in the result.
    Deliveries<T> read(const GroupReadOptions& options = {}) const {
        return read(&options, options);
    }

    /// As read(), but never waits; `timeout` and `stop` are not looked at.
    Deliveries<T> try_read(const GroupReadOptions& options = {}) const {
        return read(static_cast<const GroupReadOptions*>(nullptr), options);
    }

    /// The entries that are pending with this consumer, by id. For a consumer that has restarted,
    /// before it reads on. It counts as another delivery. lost() of the result lists the ids whose
    /// entries the stream has erased or trimmed; they stay pending until they are acknowledged. To
    /// get the next page, call it with `after` = next() of the result; at the end next() is 0-0.
    /// Redis: XREADGROUP with an id.
    ///
    /// Ends with: Ending::gone if the group was removed.
    /// Throws: Error{invalid_argument} if `count` is 0.
    /// Complexity: linear in the number of entries that are pending in the group behind `after`.
    Deliveries<T> history(const HistoryOptions& options = {}) const;

    /// Takes over those of the entries that are pending with any consumer and have been idle for at
    /// least `min_idle`. A claim starts the idle time anew: if two consumers claim an entry at the
    /// same time, only the first gets it. Ids whose entries the stream has erased or trimmed are no
    /// longer pending after the call; lost() of the result lists them. If memory runs out after
    /// some entries were taken, the result ends there. Redis: XCLAIM.
    ///
    /// Ends with: Ending::gone if the group was removed.
    /// Throws: Error{invalid_argument} if `min_idle` is negative.
    /// Complexity: for each id, logarithmic in the number of pending entries of the group.
    Deliveries<T> claim(std::span<const StreamId> ids, const ClaimOptions& options) const;
    Deliveries<T> claim(std::initializer_list<StreamId> ids, const ClaimOptions& options) const {
        return claim(std::span{ids.begin(), ids.size()}, options);
    }

    /// Looks through the pending entries of the group, in the order of ids, and takes over those
    /// that have been idle for at least `min_idle`. To get the next page, call it with `start` =
    /// next() of the result; at the end next() is 0-0. A page without entries need not be the last.
    /// Redis: XAUTOCLAIM.
    ///
    /// Ends with: Ending::gone if the group was removed; next() is 0-0 then, too.
    /// Throws: Error{invalid_argument} if `count` is 0 or `min_idle` is negative.
    /// Complexity: linear in the number of entries it looks at, at most ten times `count`.
    Deliveries<T> autoclaim(const AutoclaimOptions& options) const;

private:
    friend class ConsumerGroup<T>;
    friend class Watch;

    using State = detail::StreamState<T>;
    using Group = detail::StreamGroup<T>;

    Consumer(const detail::Handle<State>& stream, const detail::Owner<Group>& group,
             std::string_view name, std::size_t max_pending)
        : stream_{stream}, group_{group}, name_{name}, max_pending_{max_pending} {}

    Deliveries<T> read(const GroupReadOptions* waiting, const GroupReadOptions& options) const;

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

/// Consumers that share the entries of a stream: each entry goes to one of them.
///
/// A handle: copies refer to the same group. It still refers to that group when the group has been
/// removed: then there is nothing to read any more, but pending entries can still be acknowledged.
///
/// Thread safety: every member may be called from any thread at any time.
/// Guarantee: a call that throws has changed nothing.
template <Message T>
class ConsumerGroup {
public:
    /// Of a temporary handle, a copy.
    [[nodiscard]] const std::string& name() const& noexcept RUNNEL_LIFETIMEBOUND {
        return group_->name;
    }
    [[nodiscard]] std::string name() const&& { return group_->name; }

    /// The consumer of that name. If there is none, makes it. Redis: XGROUP CREATECONSUMER.
    ///
    /// Throws: Error{invalid_argument} if `max_pending` is 0.
    Consumer<T> consumer(std::string_view name, const ConsumerOptions& options = {}) const;

    /// Removes a consumer. Its pending entries are dropped and not delivered again, so claim them
    /// before. Returns how many entries were dropped. Redis: XGROUP DELCONSUMER.
    std::size_t remove_consumer(std::string_view name) const;

    /// Acknowledges these entries, with whichever consumer they are pending. Returns how many were
    /// pending. Delivery::ack() is safer, as it is fenced. Redis: XACK.
    std::size_t ack(std::span<const StreamId> ids) const;
    std::size_t ack(std::initializer_list<StreamId> ids) const {
        return ack(std::span{ids.begin(), ids.size()});
    }

    /// Gives these entries back, with whichever consumer they are pending. Returns how many were
    /// pending. Redis: XNACK.
    std::size_t nack(std::span<const StreamId> ids, Nack mode = Nack::fail) const;
    std::size_t nack(std::initializer_list<StreamId> ids, Nack mode = Nack::fail) const {
        return nack(std::span{ids.begin(), ids.size()}, mode);
    }

    /// How many entries are pending, in all and for each consumer. Redis: XPENDING.
    [[nodiscard]] PendingSummary pending() const;

    /// The pending entries, in the order of ids. Redis: XPENDING … IDLE start end count consumer.
    ///
    /// Throws: Error{invalid_argument} if `min_idle` is negative.
    /// Complexity: linear in the number of pending entries between the two ids.
    [[nodiscard]] std::vector<PendingEntry> pending(const PendingOptions& options) const;

    /// The consumers, in the order of their names. Redis: XINFO CONSUMERS.
    [[nodiscard]] std::vector<ConsumerInfo> consumers() const;

    /// Redis: a row of XINFO GROUPS.
    [[nodiscard]] GroupInfo info() const;

    /// How many entries of the stream are still to be delivered. It counts, so it is exact, unlike
    /// info().lag.
    ///
    /// Complexity: one step for each block of up to 64 entries of the lag.
    [[nodiscard]] std::size_t lag() const;

    /// Sets the place from which the group reads on, back or forward. Pending entries stay pending.
    /// Redis: XGROUP SETID.
    ///
    /// Wakes: nobody, as in Redis. A read that waits because there was no entry is served by the
    /// next add, or when a group of the stream is removed. A read that waits because its consumer
    /// is at `max_pending` is served by these, and when the consumer has room.
    void set_position(From from, std::optional<std::uint64_t> entries_read = {}) const;

    /// Whether both are handles of the same group.
    friend bool operator==(const ConsumerGroup& one, const ConsumerGroup& other) noexcept {
        return one.group_.get() == other.group_.get();
    }

    // By the stream.
    ConsumerGroup(const detail::Handle<detail::StreamState<T>>& stream,
                  detail::Owner<detail::StreamGroup<T>> group) noexcept
        : stream_{stream}, group_{std::move(group)} {}

private:
    using State = detail::StreamState<T>;

    detail::Handle<State> stream_;
    detail::Owner<detail::StreamGroup<T>> group_;
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
Ack Delivery<T>::nack(Nack mode) const noexcept {
    return fenced([this, mode](auto&, detail::GroupState& group, detail::Fence fence) {
        return group.release(id, mode, &fence);
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
    detail::ReadNew<T, Deliveries<T>> request{
        result, {id_, name_}, max_pending_, options, stream_->clock};
    try {
        stream_->run(request, group_.get(), waiting);
        if (!result) result.ending_ = request.ending();
    } catch (const std::bad_alloc&) {
        if (result.lost().empty()) throw;  // else it ends there, as a claim does
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
Deliveries<T> Consumer<T>::history(const HistoryOptions& options) const {
    detail::check_count(options.count, "Consumer: a history");
    return locked([&](const auto& log, detail::ConsumerRecord& me, auto now, auto& result) {
        detail::GroupState& rules = group_->rules;
        std::size_t left = std::min(options.count, me.pending);
        result.reserve(left);
        result.reserve_lost(left);
        if (options.after == StreamId::max()) return;
        auto place =
            rules.pending().next_of(me.number, rules.pending().lower_bound(*options.after.next()));
        for (; place && left != 0; --left) {
            const StreamId id = rules.pending()[place].id;
            if (const auto entry = log.find(id)) {
                rules.deliver_again(place, now);
                result.add(entry, rules.pending()[place].deliveries);
            } else {
                result.lose(id);
            }
            place = rules.pending().next_of(me.number, rules.pending().next(place));
            result.set_next(place ? id : StreamId{});
        }
    });
}

template <Message T>
Deliveries<T> Consumer<T>::claim(std::span<const StreamId> ids, const ClaimOptions& options) const {
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
Deliveries<T> Consumer<T>::autoclaim(const AutoclaimOptions& options) const {
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

// ---------------------------------------------------------------------- ConsumerGroup

template <Message T>
Consumer<T> ConsumerGroup<T>::consumer(std::string_view name,
                                       const ConsumerOptions& options) const {
    if (options.max_pending == 0) {
        throw Error{ErrorCode::invalid_argument,
                    "ConsumerGroup: a consumer with max_pending 0; it must be at least 1"};
    }
    Consumer<T> made{stream_, group_, name, options.max_pending};
    const detail::Lock lock{stream_->mutex};
    stream_->catch_up(*group_.get());
    const auto& consumer = group_->rules.consumer({made.id_, name}, stream_->now());
    made.id_ = {consumer.number, consumer.serial};
    return made;
}

template <Message T>
std::size_t ConsumerGroup<T>::remove_consumer(std::string_view name) const {
    const auto remove = [&](auto& stream, auto& rules) RUNNEL_NO_THREAD_SAFETY_ANALYSIS {
        stream.catch_up(*group_.get());
        return rules.remove_consumer(name);
    };
    return detail::change(*group_.get(), remove).acknowledged;
}

template <Message T>
std::size_t ConsumerGroup<T>::ack(std::span<const StreamId> ids) const {
    const auto effect = detail::change(*group_.get(), [&](auto&, detail::GroupState& rules) {
        detail::Effect all;
        for (const StreamId& id : ids) all += rules.acknowledge(id);
        return all;
    });
    return effect.acknowledged;
}

template <Message T>
std::size_t ConsumerGroup<T>::nack(std::span<const StreamId> ids, Nack mode) const {
    const auto effect = detail::change(*group_.get(), [&](auto&, detail::GroupState& rules) {
        detail::Effect all;
        for (const StreamId& id : ids) all += rules.release(id, mode);
        return all;
    });
    return effect.released;
}

template <Message T>
PendingSummary ConsumerGroup<T>::pending() const {
    const detail::Lock lock{stream_->mutex};
    const detail::GroupState& rules = group_->rules;
    PendingSummary summary;
    summary.count = rules.pending().size();
    if (summary.count == 0) return summary;
    summary.least = rules.pending()[rules.pending().first()].id;
    summary.greatest = rules.pending()[rules.pending().last()].id;
    for (const auto& [name, consumer] : rules.consumers())
        if (consumer.pending != 0) summary.consumers.push_back({name, consumer.pending});
    return summary;
}

template <Message T>
std::vector<PendingEntry> ConsumerGroup<T>::pending(const PendingOptions& options) const {
    const auto min_idle = detail::checked_min_idle(options.min_idle, "ConsumerGroup: pending");
    std::vector<PendingEntry> entries;
    const detail::Lock lock{stream_->mutex};
    group_->rules.list({options.first, options.last, options.count, min_idle}, options.consumer,
                       stream_->now(),
                       [&](const detail::Pending& entry, const detail::ConsumerRecord* owner,
                           detail::Milliseconds idle) {
                           PendingEntry& row = entries.emplace_back();
                           row.id = entry.id;
                           row.deliveries = entry.deliveries;
                           row.is_released = owner == nullptr;
                           if (owner == nullptr) return;
                           row.consumer = *owner->name;
                           row.idle = std::chrono::milliseconds{idle};
                       });
    return entries;
}

template <Message T>
std::vector<ConsumerInfo> ConsumerGroup<T>::consumers() const {
    using std::chrono::milliseconds;
    std::vector<ConsumerInfo> infos;
    const detail::Lock lock{stream_->mutex};
    stream_->catch_up(*group_.get());
    const detail::Milliseconds now = stream_->now();
    for (const auto& [name, consumer] : group_->rules.consumers()) {
        ConsumerInfo& info = infos.emplace_back();
        info.name = name;
        info.pending = consumer.pending;
        info.idle = milliseconds{std::max<detail::Milliseconds>(0, now - consumer.seen)};
        if (consumer.active != detail::ConsumerRecord::never)
            info.inactive = milliseconds{std::max<detail::Milliseconds>(0, now - consumer.active)};
    }
    return infos;
}

template <Message T>
GroupInfo ConsumerGroup<T>::info() const {
    const detail::Lock lock{stream_->mutex};
    stream_->catch_up(*group_.get());
    const detail::GroupState& rules = group_->rules;
    return {group_->name,
            rules.consumers().size(),
            rules.pending().size(),
            rules.pending().released(),
            rules.last_delivered(),
            rules.entries_read(),
            rules.lag(stream_->log.facts())};
}

template <Message T>
std::size_t ConsumerGroup<T>::lag() const {
    const detail::Lock lock{stream_->mutex};
    return stream_->log.count_after(group_->rules.last_delivered());
}

template <Message T>
void ConsumerGroup<T>::set_position(From from, std::optional<std::uint64_t> entries_read) const {
    State& stream = *stream_;
    detail::WakeChain chain;
    {
        const detail::Lock lock{stream.mutex};
        const StreamId position = from.id().value_or(stream.log.last_id());
        group_->rules.set_position(position, entries_read, stream.log.facts());
        group_->next.reset(position, stream.log);
        // As in Redis it wakes nobody: unless nothing is left to those who had no room for it.
        if (stream.closed) stream.serve_those_for_room(*group_.get(), chain);
    }
    chain.resume_all();
}

}  // namespace runnel::inline v0
