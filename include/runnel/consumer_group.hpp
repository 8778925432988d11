// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/ack.hpp>
#include <runnel/clock.hpp>
#include <runnel/consumer.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/core/effect.hpp>
#include <runnel/detail/core/group_state.hpp>
#include <runnel/detail/stream/stream_state.hpp>
#include <runnel/duration.hpp>
#include <runnel/error.hpp>
#include <runnel/group_options.hpp>
#include <runnel/message.hpp>
#include <runnel/stats.hpp>
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
#include <utility>
#include <vector>

namespace runnel::inline v0 {

/// Consumers that share the entries of a stream: each entry goes to one of them. The entry is then
/// pending with that consumer until somebody acknowledges it, or another consumer claims it. The
/// group has a position: the id of the last entry that it has delivered. Redis: consumer groups.
///
/// A handle: copies refer to the same group. A handle is never empty: moving from it copies it. If
/// the group is removed, the handle still refers to it: there is nothing to read any more, but
/// pending entries can still be acknowledged.
///
/// Thread safety: every member may be called from any thread at any time.
/// Guarantee: a call that throws has changed nothing.
template <Message T>
class ConsumerGroup {
public:
    ConsumerGroup(const ConsumerGroup& other) noexcept = default;
    ConsumerGroup& operator=(const ConsumerGroup& other) noexcept = default;
    ~ConsumerGroup() = default;

    /// The name of the group; a temporary handle returns it by value.
    [[nodiscard]] const std::string& name() const& noexcept RUNNEL_LIFETIMEBOUND {
        return group_->name;
    }
    [[nodiscard]] std::string name() const&& { return group_->name; }

    /// The consumer of that name. If there is none, makes it. The options are those of the handle
    /// that is returned: other handles of the same consumer keep theirs.
    /// Redis: XGROUP CREATECONSUMER.
    ///
    /// Throws: Error{invalid_argument} if `max_pending` is 0.
    Consumer<T> consumer(std::string_view name, const ConsumerOptions& options = {}) const;

    /// Removes a consumer. Its pending entries are dropped and not delivered again, so claim them
    /// before. Returns how many entries were dropped. Redis: XGROUP DELCONSUMER.
    ///
    /// Complexity: logarithmic. If the consumer has entries pending, also linear in what the group
    /// has pending from the first of them to the last, under the stream's lock.
    std::size_t remove_consumer(std::string_view name) const;

    /// Removes the consumers that have nothing pending, and have asked for nothing for so long; not
    /// those whose reads wait. Returns how many. So no entry is lost, as it may be between a look
    /// at consumers() and remove_consumer(). Redis: XINFO CONSUMERS, XGROUP DELCONSUMER.
    ///
    /// Throws: Error{invalid_argument} if `idle` is negative.
    /// Complexity: linear in the number of consumers, and for each that is idle in that of reads
    /// that wait.
    std::size_t remove_idle_consumers(Duration idle) const;

    /// Acknowledges those of these entries that are pending, whichever consumer has them. Returns
    /// how many those are. Delivery::ack() is safer: it does nothing if another consumer has
    /// claimed the entry meanwhile. Redis: XACK.
    std::size_t ack(std::span<const StreamId> ids) const;
    std::size_t ack(std::initializer_list<StreamId> ids) const {
        return ack(std::span{ids.begin(), ids.size()});
    }

    /// Takes those of these entries that are pending away from their consumers. They stay pending
    /// but belong to no consumer. No read returns them: the next claim() or autoclaim() of any
    /// consumer gets them, whatever its `min_idle` is; with `after`, not before that time has
    /// passed. `mode` says what becomes of the count of deliveries; the next delivery counts one
    /// more. Returns how many were pending. Delivery::nack() is safer, as Delivery::ack() is.
    /// Redis: XNACK.
    std::size_t nack(std::span<const StreamId> ids, Nack mode = Nack::fail,
                     const NackOptions& options = {}) const;
    std::size_t nack(std::initializer_list<StreamId> ids, Nack mode = Nack::fail,
                     const NackOptions& options = {}) const {
        return nack(std::span{ids.begin(), ids.size()}, mode, options);
    }

    /// Makes those of these entries pending again that are in the stream and that the group has
    /// delivered, but has not pending any more: they were acknowledged, forwarded or dropped. They
    /// belong to no consumer, as after nack(): no read returns them, and the next claim() or
    /// autoclaim() of any consumer gets them, whatever its `min_idle` is. `deliveries` is their new
    /// count of deliveries; the next delivery counts one more. Returns how many these are; none if
    /// the group was removed. Entries that are pending, or that reads will still return, stay as
    /// they are. Redis: XNACK … FORCE.
    ///
    /// Wakes: as nack().
    /// Memory: allocates for the ids, and for what the group has pending.
    std::size_t redeliver(std::span<const StreamId> ids, std::uint64_t deliveries = 0) const;
    std::size_t redeliver(std::initializer_list<StreamId> ids, std::uint64_t deliveries = 0) const {
        return redeliver(std::span{ids.begin(), ids.size()}, deliveries);
    }

    /// Ends the delay of an entry that was given back with one: the next claim may take it. Changes
    /// nothing if a consumer has it. Returns whether it is pending. Not in Redis.
    bool end_delay(StreamId id) const;

    /// How many entries are pending, in all and for each consumer. Redis: XPENDING.
    [[nodiscard]] PendingSummary pending() const;

    /// The pending entries, in the order of ids. Redis: XPENDING … IDLE start end count consumer.
    ///
    /// Throws: Error{invalid_argument} if `min_idle` is negative.
    /// Complexity: linear in the number of pending entries between the two ids, under the stream's
    /// lock: of very many, ask for a part at a time.
    [[nodiscard]] std::vector<PendingEntry> pending(const PendingOptions& options) const;

    /// The consumers, in the order of their names. Redis: XINFO CONSUMERS.
    [[nodiscard]] std::vector<ConsumerInfo> consumers() const;

    /// A snapshot of several figures. Redis: XINFO GROUPS.
    [[nodiscard]] GroupInfo info() const;

    /// How many entries of the stream the group has not delivered yet. This call counts the entries
    /// that are there, so the result is exact. info().lag is computed as Redis does, from how many
    /// were ever added and delivered, and may be unknown or wrong.
    ///
    /// Complexity: one step for every 64 entries that it counts.
    [[nodiscard]] std::size_t lag() const;

    /// What the group has still to do: lag(), what is pending, and how old the oldest entries of
    /// both are. The ages go by the wall clock of the stream. See LagMonitor, which watches it.
    ///
    /// Complexity: as lag(). With StatsOptions::attempts also linear in the number of pending
    /// entries. All of it under the stream's lock.
    [[nodiscard]] Backlog backlog(const StatsOptions& options = {}) const noexcept;

    /// A snapshot of all figures of the group. Complexity: as backlog().
    ///
    /// Throws: std::bad_alloc.
    [[nodiscard]] GroupStats stats(const StatsOptions& options = {}) const {
        const detail::Lock lock{stream_->mutex};
        return stream_->stats(*group_.get(), options);
    }

    /// The clock of the stream.
    [[nodiscard]] Clock& clock() const noexcept { return stream_->clock; }

    /// Sets the position of the group: the next read returns the entries after it. It may go back,
    /// so that entries are delivered again, or forward, so that entries are skipped. Pending
    /// entries stay pending. Redis: XGROUP SETID.
    ///
    /// `entries_read` says how many entries were ever added to the stream up to that position, if
    /// you know. Only info() uses it, to tell `entries_read` and `lag`; without it they may be
    /// unknown. Redis: ENTRIESREAD.
    ///
    /// Wakes: nobody, as in Redis. Reads that wait go on waiting, even if the position went back.
    /// They get their entries when the next entry is added or a group of the stream is removed. If
    /// a read waits because its consumer has `max_pending` entries pending, it also gets them when
    /// the consumer has room again. If the stream is closed and nothing is left after the new
    /// position, these reads end.
    void set_position(From from, std::optional<std::uint64_t> entries_read = {}) const;

    /// Whether both are handles of the same group.
    friend bool operator==(const ConsumerGroup& one, const ConsumerGroup& other) noexcept {
        return one.group_.get() == other.group_.get();
    }

    // For the stream, which makes groups.
    ConsumerGroup(const detail::Handle<detail::StreamState<T>>& stream,
                  detail::Owner<detail::StreamGroup<T>> group) noexcept
        : stream_{stream}, group_{std::move(group)} {}

private:
    friend class DeadLetters<T>;

    using State = detail::StreamState<T>;

    detail::Handle<State> stream_;
    detail::Owner<detail::StreamGroup<T>> group_;
};

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
    const auto remove = [&](auto& stream, auto& rules) {
        stream.mutex.assert_held();
        stream.catch_up(*group_.get());
        return rules.remove_consumer(name);
    };
    return detail::change(*group_.get(), remove).acknowledged;
}

template <Message T>
std::size_t ConsumerGroup<T>::remove_idle_consumers(Duration idle) const {
    const auto least =
        detail::checked_min_idle(idle, "ConsumerGroup: remove_idle_consumers", "idle");
    const detail::Lock lock{stream_->mutex};
    stream_->catch_up(*group_.get());
    const detail::Milliseconds now = stream_->now();
    return group_->rules.remove_idle_consumers(now, least, [this](const auto& consumer) {
        stream_->mutex.assert_held();
        return stream_->waits_for(*group_.get(), consumer);
    });
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
std::size_t ConsumerGroup<T>::nack(std::span<const StreamId> ids, Nack mode,
                                   const NackOptions& options) const {
    const auto effect = detail::change(*group_.get(), [&](auto& stream, detail::GroupState& rules) {
        const detail::Milliseconds due = detail::due_of(options, stream, rules);
        detail::Effect all;
        for (const StreamId& id : ids) all += rules.release(id, mode, nullptr, {}, due);
        return all;
    });
    return effect.released;
}

template <Message T>
std::size_t ConsumerGroup<T>::redeliver(std::span<const StreamId> ids,
                                        std::uint64_t deliveries) const {
    std::vector<StreamId> made;  // by this call
    made.reserve(ids.size());
    const auto redeliver_all = [&](auto& stream, detail::GroupState& rules) {
        stream.mutex.assert_held();
        if (group_->is_removed) return detail::Effect{};
        detail::Effect all;
        try {
            for (const StreamId& id : ids) {
                const auto one =
                    stream.log.find(id) ? rules.redeliver(id, deliveries) : detail::Effect{};
                if (one) made.push_back(id);
                all += one;
            }
        } catch (const std::bad_alloc&) {
            for (const StreamId& id : made) rules.acknowledge(id);
            throw;
        }
        return all;
    };
    return detail::change(*group_.get(), redeliver_all).released;
}

template <Message T>
bool ConsumerGroup<T>::end_delay(StreamId id) const {
    bool is_pending = false;
    (void)detail::change(*group_.get(), [&](auto&, detail::GroupState& rules) {
        is_pending = static_cast<bool>(rules.pending().find(id));
        return rules.end_delay(id);
    });
    return is_pending;
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
    const detail::Milliseconds now = stream_->now();
    const auto add = [&](const detail::Pending& entry, const detail::ConsumerRecord* owner,
                         detail::Milliseconds idle) {
        PendingEntry& row = entries.emplace_back();
        row.id = entry.id;
        row.deliveries = entry.deliveries;
        row.idle = std::chrono::milliseconds{idle};
        row.is_released = owner == nullptr;
        if (owner != nullptr)
            row.consumer = *owner->name;
        else
            row.due_in = std::chrono::milliseconds{std::max(entry.due_ms, now) - now};
    };
    group_->rules.list({options.first, options.last, options.count, min_idle}, options.consumer,
                       now, add);
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
Backlog ConsumerGroup<T>::backlog(const StatsOptions& options) const noexcept {
    const detail::Lock lock{stream_->mutex};
    return stream_->backlog(*group_.get(), options);
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
        // As in Redis it wakes nobody. But the stream may be drained now: then it ends the reads
        // that were waiting for room.
        stream.end_turns(*group_.get());
        if (stream.closed) stream.serve_those_for_room(*group_.get(), chain);
    }
    chain.resume_all();
}

}  // namespace runnel::inline v0
