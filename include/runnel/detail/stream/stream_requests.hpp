// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/abstract_clock.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/atomic.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/core/group_state.hpp>
#include <runnel/detail/core/log_cursor.hpp>
#include <runnel/detail/core/pending_entries.hpp>
#include <runnel/detail/core/stream_log.hpp>
#include <runnel/detail/core/time_order.hpp>
#include <runnel/detail/stream/stream_state.hpp>
#include <runnel/detail/wait/await.hpp>
#include <runnel/detail/wait/request.hpp>
#include <runnel/detail/wait/spin.hpp>
#include <runnel/detail/wait/timers.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/detail/wait/waiter.hpp>
#include <runnel/group_options.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <utility>

namespace runnel::inline v0::detail {

// Where a read is carried out: in a stream or, with `group`, in one of its groups. Makes what a
// wait needs only when it waits.
//
// A wait that claims is ended, as timed out, also when something else may be claimed or that moment
// has changed. Then it looks again, and may wait on: the functions with `look` in their names.
template <Message T, typename Kind>
class StreamPlace {
public:
    StreamPlace(Kind& request, StreamState<T>& stream, StreamGroup<T>* group = nullptr) noexcept
        : request_{request}, stream_{stream}, group_{group} {}

    [[nodiscard]] bool try_or_queue(WaitLimits& limits, WakeChain& chain) {
        bool has_ended = attempt(limits, chain);
        if (pauses_after_ != 0) [[unlikely]]
            has_ended = pause_and_attempt(limits, chain);
        if (came_in_a_stream_ && stream_.is_real && limits.may_offer_core()) [[unlikely]] {
            limits.begin(stream_.clock);
            chain.resume_all();
            offer_core_in_line();
        }
        return has_ended;
    }

    // May throw what StreamState::leave() does.
    void leave() {
        if (!node_ || !may_stand_in_line(request_)) return;
        stream_.leave(*node_);
        if (has_left_without_memory_) throw std::bad_alloc{};
    }

    [[nodiscard]] SpinBudget& spin() const noexcept { return stream_.spin; }

    // ---- a wait that claims, which stands in line

    // When it has to end to look again, or because of its time-out; nothing: never. For its owner,
    // or under the lock.
    [[nodiscard]] std::optional<Clock::Deadline>
    next_end(std::optional<Clock::Deadline> deadline) const noexcept {
        if (looks_at_ == NextLook::never) return deadline;
        const auto look = StreamState<T>::moment(looks_at_);
        return deadline ? std::min(*deadline, look) : look;
    }

    // By its owner, once it has ended: looks again. True: it waits on, or others have ended it
    // meanwhile. False: it has left the line. restart(end) is called under the lock with its next
    // end.
    template <typename Restart>
    [[nodiscard]] bool look_again(std::optional<Clock::Deadline> deadline, WakeChain& chain,
                                  Restart restart) noexcept RUNNEL_EXCLUDES(stream_.mutex) {
        if (request_.how() != WaitEnd::timed_out) return false;
        const Lock lock{stream_.mutex};
        request_.wait_anew();
        return look_or_leave(deadline, chain, restart);
    }
    // The same, by whoever has claimed it. False: the caller has to end it. True: it waits on, or
    // its owner comes, or others end it: nothing of it may be touched any more. `deadline` is not
    // read before the owner waits, who has set it.
    template <typename Restart>
    [[nodiscard]] bool look_again_asleep(const std::optional<Clock::Deadline>& deadline,
                                         WakeChain& chain, Restart restart) noexcept
        RUNNEL_EXCLUDES(stream_.mutex) {
        if (request_.how() != WaitEnd::timed_out) return false;
        const Owner<StreamState<T>> keep{stream_};  // the wait may be gone before the lock is
        const Lock lock{stream_.mutex};
        return !request_.wait_anew_asleep() || look_or_leave(deadline, chain, restart);
    }

    // Once it has ended for good: takes it out of line before its owner comes, so that the line
    // goes on.
    void step_out(WakeChain& chain) noexcept RUNNEL_EXCLUDES(stream_.mutex) {
        if (!node_ || !may_stand_in_line(request_)) return;
        const Lock lock{stream_.mutex};
        leave_line(chain);
    }

private:
    void leave_line(WakeChain& chain) noexcept RUNNEL_REQUIRES(stream_.mutex) {
        if (node_->queue != nullptr) has_left_without_memory_ = !stream_.leave(*node_, chain);
    }

    template <typename Restart>
    [[nodiscard]] bool look_or_leave(std::optional<Clock::Deadline> deadline, WakeChain& chain,
                                     Restart restart) noexcept RUNNEL_REQUIRES(stream_.mutex) {
        if (look(deadline, chain, restart)) return true;
        leave_line(chain);
        return false;
    }

    // It can be claimed by others, but only by those who have the lock, and by a stop; it stays
    // where it is until the lock is released.
    template <typename Restart>
    // NOLINTNEXTLINE(readability-function-cognitive-complexity)
    [[nodiscard]] bool look(std::optional<Clock::Deadline> deadline, WakeChain& chain,
                            Restart restart) noexcept RUNNEL_REQUIRES(stream_.mutex) {
        for (;;) {
            if (node_->queue == nullptr) return !request_.claim(WaitEnd::gone);
            if (request_.is_cancelled()) return !request_.claim(WaitEnd::stopped);
            stream_.note_exact_time(*group_);
            group_->claims.next_look.end_of(*node_);
            stream_.serve_line(*group_, chain, &*node_);
            looks_at_ = group_->claims.next_look.at_of(*node_);
            if (request_.claimed()) return true;
            if (deadline && stream_.clock.now() >= *deadline) {
                // Also past those before it that are about to look.
                stream_.ask_alone(*node_, chain);
                return !request_.claim(WaitEnd::timed_out);
            }
            const auto end = next_end(deadline);
            const Restarted restarted = end ? restart(*end) : Restarted::yes;
            if (restarted == Restarted::not_run) return !request_.claim(WaitEnd::stopped);
            if (restarted != Restarted::is_over) return true;
        }
    }
    // True: it has ended the request.
    [[nodiscard]] bool attempt(const WaitLimits& limits, WakeChain& chain) {
        const Lock lock{stream_.mutex};
        if (request_.attempt(stream_, group_) == Served::no) {
            if (!limits.may_wait() || pauses_first(limits)) return false;
            request_.prepare_to_wait();
            stream_.queue_up(node_.emplace(request_, stream_, group_, request_.group_wait()));
            came_in_a_stream_ = group_ != nullptr && group_->fade_streak();
            added_before_ = stream_.log.facts().entries_added;
            if (group_ != nullptr) stream_.end_turn_of_caller(*group_, chain);
            if (node_->wait != nullptr && node_->wait->claims()) [[unlikely]] {
                stream_.serve_those_for_room(*group_, chain, &*node_);
                looks_at_ = group_->claims.next_look.at_of(*node_);
            }
            return false;
        }
        if (group_ == nullptr) return true;
        stream_.end_turn_of_caller(*group_, chain);
        const bool is_news = stream_.waits != 0 && (request_.frees_pending() || stream_.closed ||
                                                    group_->claims.count != 0);
        if (is_news) [[unlikely]]
            stream_.serve_those_for_room(*group_, chain);
        return true;
    }

    // Whether entries have come in a stream: then several come while this one leaves the producer
    // alone for a microsecond, once. In line it would get them one by one. Where others stand in
    // line it stands behind them at once.
    [[nodiscard]] [[gnu::noinline]] bool pauses_first(const WaitLimits& limits) noexcept
        RUNNEL_REQUIRES(stream_.mutex) {
        if (group_ == nullptr || pauses_after_ != 0 || !group_->readers.empty()) return false;
        if (!stream_.is_real || !limits.may_take_time() || !group_->is_worth_a_pause())
            return false;
        pauses_after_ = std::max<std::size_t>(group_->streak, 1);
        return true;
    }
    [[nodiscard]] [[gnu::noinline]] bool pause_and_attempt(WaitLimits& limits, WakeChain& chain) {
        limits.begin(stream_.clock);
        pause_after(pauses_after_);
        return attempt(limits, chain);
    }

    // Consumers of a group keep their order, so they offer the core only where they stand in line.
    [[gnu::noinline]] void offer_core_in_line() {
        const auto gathered = [this] {
            const Lock lock{stream_.mutex};
            return stream_.log.facts().entries_added - added_before_;
        };
        stream_.offers.make(
            0, [this] { return request_.ended(); }, gathered);
    }

    Kind& request_;
    StreamState<T>& stream_;
    StreamGroup<T>* const group_;
    std::optional<StreamNode<T>> node_;  // once it stands in line
    std::size_t pauses_after_ = 0;       // so many entries; 0: it has not paused
    bool came_in_a_stream_ = false;      // what the group delivered before that
    std::uint64_t added_before_ = 0;     // entries
    bool has_left_without_memory_ = false;
    Milliseconds looks_at_ = NextLook::never;
};

// As wait_at() and try_or_wait(), for a read that claims. It sleeps no longer than until it has to
// look again.
template <typename Kind, typename Place>
[[gnu::noinline]] void wait_and_look(Kind& request, Place& place, WaitLimits limits) {
    const auto deadline = limits.deadline(request.clock);
    const auto sleep_on = [](Clock::Deadline) noexcept { return Restarted::yes; };
    WakeChain chain;
    for (bool waits = true; waits; chain.resume_all()) {
        limits.begun = place.next_end(deadline);
        if (!request.ended()) block(request, request.clock, place.spin(), limits);
        waits = place.look_again(deadline, chain, sleep_on);
    }
    place.leave();
}
template <typename Kind, typename Place>
[[gnu::always_inline]] inline void try_or_wait_and_look(Kind& request, Place&& place,
                                                        WaitLimits limits) {
    WakeChain chain;
    const bool has_ended = place.try_or_queue(limits, chain);
    chain.resume_all();
    if (has_ended || give_up(request, limits)) return place.leave();
    wait_and_look(request, place, limits);
}

// Reads on from where a cursor stands: up to `count` entries, of one block or of as many as it
// takes. They go into a Batch, which is Entries<T>.
template <Message T, typename Batch>
class ReadOn : public Request {
public:
    static constexpr Behaviour behaviour{serve_as<ReadOn, StreamNode<T>>, unpark<ReadOn>};

    ReadOn(LogCursor<T>& from, std::size_t limit, bool several_blocks, Clock& on) noexcept
        : Request{behaviour, WaitsOn::one, on},
          cursor_{from},
          count_{limit},
          several_blocks_{several_blocks} {}

    Served attempt(StreamNode<T>& node) {
        StreamState<T>& stream = *node.keep.get();
        stream.mutex.assert_held();
        return attempt(stream, nullptr);
    }
    Served attempt(StreamState<T>& stream, StreamGroup<T>* /*none*/) RUNNEL_REQUIRES(stream.mutex) {
        if (!cursor_.seek(stream.log)) return stream.closed ? end_if_last_source() : Served::no;
        if (!claim()) return Served::elsewhere;
        add_block();
        if (several_blocks_) add_others(stream.log);
        return Served::yes;
    }

    static constexpr void prepare_to_wait() noexcept {}
    static constexpr bool frees_pending() noexcept { return false; }
    static constexpr GroupWait* group_wait() noexcept { return nullptr; }

    // Once it has ended. Throws: what attempt() has thrown.
    Batch result() {
        if (entries) return std::move(entries);
        Batch none{ending()};
        if (none.ending() == Ending::closed) none.tell(cursor_.take_missed());
        return none;
    }

    Batch entries{Batch::Order::ascending};

private:
    void add_block() {
        PinnedSlots<T> part = cursor_.take(count_);
        count_ -= count_slots(part.mask);
        entries.add(std::move(part));
        if (cursor_.has_missed()) entries.tell(cursor_.take_missed());
    }

    // Fewer than asked for when memory runs out: the others come with the next read.
    void add_others(const StreamLog<T>& log) noexcept {
        while (count_ != 0 && cursor_.seek(log) && try_reserve()) add_block();
    }

    // False: memory has run out.
    bool try_reserve() noexcept {
        try {
            entries.reserve();
            return true;
        } catch (const std::bad_alloc&) {
            return false;
        }
    }

    LogCursor<T>& cursor_;
    std::size_t count_;
    const bool several_blocks_;
};

// Delivers what a group has not delivered yet to one of its consumers. Before that it may claim
// what is pending. All goes into a Batch, which is Deliveries<T>.
template <Message T, typename Batch>
class ReadNew : public Request {
public:
    static constexpr Behaviour behaviour{serve_as<ReadNew, StreamNode<T>>, unpark<ReadNew>};

    // Puts what it delivers into `result`, which is empty and outlives it.
    ReadNew(Batch& result, const ConsumerKey& consumer, std::size_t max_pending,
            const GroupReadOptions& options, std::optional<Milliseconds> min_idle,
            Clock& on) noexcept
        : Request{behaviour, WaitsOn::one, on},
          delivered_{result},
          wait_{.consumer = consumer,
                .max_pending = max_pending,
                .is_read = true,
                .min_idle = min_idle},
          count_{options.count},
          claim_count_{std::min(options.count, options.claim_count)},
          acknowledged_{options.acknowledged} {}

    // Copies the name, as the handle may be destroyed during the wait. May throw.
    void prepare_to_wait() {
        name_ = wait_.consumer.name;
        wait_.consumer.name = name_;
        begin_to_wait();
    }
    [[nodiscard]] GroupWait* group_wait() noexcept { return &wait_; }

    // Whether it has taken over what another consumer had pending, by a claim or after the group
    // was set back, or has dropped lost entries.
    [[nodiscard]] bool frees_pending() const noexcept { return has_freed_pending_; }

    [[nodiscard]] bool claims() const noexcept { return wait_.claims(); }

    // For a wait without a thread that claims: it is to end, also if it was about to look again and
    // could not be claimed. Both are changes, so that of this and a look at least one sees the
    // other.
    void note_cancelled() noexcept { cancels_.fetch_add(1, std::memory_order_acq_rel); }
    [[nodiscard]] bool is_cancelled() noexcept {
        return cancels_.fetch_add(0, std::memory_order_acq_rel) != 0;
    }
    std::optional<Clock::Deadline> ends_at{};  // its time-out

    // Once it has ended. Without entries the result says why. Throws: what attempt() has thrown.
    void tell_end() {
        if (!delivered_) delivered_.ending_ = ending();
    }

    Served attempt(StreamNode<T>& node) {
        StreamState<T>& stream = *node.keep.get();
        stream.mutex.assert_held();
        return attempt(stream, node.group.get());
    }
    // NOLINTNEXTLINE(readability-function-size)
    Served attempt(StreamState<T>& stream, StreamGroup<T>* of) RUNNEL_REQUIRES(stream.mutex) {
        StreamGroup<T>& group = *of;
        if (group.is_removed) return claim(WaitEnd::gone) ? Served::yes : Served::elsewhere;
        if (claims()) [[unlikely]]
            return attempt_with_claims(stream, group);
        const Milliseconds now = stream.now();
        ConsumerRecord& consumer = group.rules.consumer(wait_.consumer, now);
        consumer.seen = now;
        wait_.signals_seen = stream.signals_sent;
        if (!acknowledged_ && consumer.pending >= wait_.max_pending) [[unlikely]]
            drop_lost(stream, group, consumer);
        const LogPlace<T> first = group.next.seek(stream.log);
        wait_.is_for_room = false;
        if (!first) return stream.closed ? end(group) : Served::no;
        const std::size_t room = wait_.max_pending - std::min(wait_.max_pending, consumer.pending);
        const std::size_t count = acknowledged_ ? count_ : std::min(count_, room);
        wait_.is_for_room = count == 0;
        if (count == 0) return stream.is_abandoned ? end_if_last_source() : Served::no;
        delivered_.belong_to(group, consumer.serial);
        const SlotMask at_hand = first.block->live() & ~slots_before(first.slot);
        delivered_.reserve_in_block(std::min<std::size_t>(count, count_slots(at_hand)));
        if (!claim()) return Served::elsewhere;
        deliver(stream, group, first, consumer, count, now);
        return Served::yes;
    }

protected:
    // It may stand in line for long, and be in several waits one after the other.
    void begin_to_wait() noexcept {
        if (claims()) draw_ticket();
    }

private:
    // Keeps its place in line if it was claimed, as its owner will look again or leave.
    // NOLINTNEXTLINE(readability-function-cognitive-complexity,readability-function-size)
    [[gnu::noinline]] Served attempt_with_claims(StreamState<T>& stream, StreamGroup<T>& group)
        RUNNEL_REQUIRES(stream.mutex) {
        if (claimed()) return Served::no;
        group.rules.keep_time_order();
        const Milliseconds now = stream.time_of_claims(group);
        ConsumerRecord& consumer = group.rules.consumer(wait_.consumer, now);
        consumer.seen = now;
        wait_.signals_seen = stream.signals_sent;
        group.rules.release_due(now);
        if (consumer.pending >= wait_.max_pending) drop_lost(stream, group, consumer);
        const LogPlace<T> first = group.next.seek(stream.log);
        const bool may_claim = has_claimable(stream, group, now);
        const bool may_read = first && (acknowledged_ || room_of(consumer) != 0);
        wait_.is_for_room = first && !may_read;
        if (!may_claim && !may_read) {
            const bool is_over = stream.closed && !first && !stream.next_claim(group, wait_);
            if (!is_over && !stream.is_abandoned) return Served::no;
            if (!claim(WaitEnd::closed)) return Served::no;
            if (!first) delivered_.tell(group.next.take_missed());
            return Served::yes;
        }
        delivered_.belong_to(group, consumer.serial);
        if (!claim()) return Served::no;
        const std::size_t left = may_claim ? claim_idle(stream, group, consumer, now) : count_;
        if (left == 0 || !first || how() == WaitEnd::failed) return Served::yes;
        const std::size_t count = acknowledged_ ? left : std::min(left, room_of(consumer));
        if (count != 0) deliver(stream, group, first, consumer, count, now);
        return Served::yes;
    }

    [[nodiscard]] bool has_claimable(StreamState<T>& stream, StreamGroup<T>& group,
                                     Milliseconds now) const RUNNEL_REQUIRES(stream.mutex) {
        if (!group.rules.may_claim(*wait_.min_idle, now)) return false;
        const auto moment = stream.next_claim(group, wait_);
        return moment && *moment <= now;
    }

    [[nodiscard]] std::size_t room_of(const ConsumerRecord& consumer) const noexcept {
        return wait_.max_pending - std::min(wait_.max_pending, consumer.pending);
    }

    // Returns how many more may be delivered. If memory runs out, the request ends here, unless
    // something was claimed before.
    [[nodiscard]] std::size_t claim_idle(StreamState<T>& stream, StreamGroup<T>& group,
                                         ConsumerRecord& consumer, Milliseconds now) noexcept
        RUNNEL_REQUIRES(stream.mutex) {
        const PendingEntries& pending = group.rules.pending();
        std::size_t claimed = 0;
        const auto owner = [&](const TimedEntry& one) {
            return PendingEntries::owner(pending.find(one.id));
        };
        const auto find = [&](const TimedEntry& one) {
            stream.mutex.assert_held();
            const LogPlace<T> entry = stream.log.find(one.id);
            if (!entry) group.rules.set_aside(one);
            const bool has_room = room_of(consumer) != 0 || owner(one) == consumer.number;
            return has_room ? entry : LogPlace<T>{};
        };
        const auto take = [&](const TimedEntry& one, const LogPlace<T>& entry) {
            if (claimed == claim_count_) return false;
            delivered_.reserve_one(entry);
            const std::uint32_t before = owner(one);
            has_freed_pending_ |= before != PendingEntries::nobody && before != consumer.number;
            delivered_.add(entry, group.rules.take(one.id, consumer, {.delivered = now}, now));
            ++claimed;
            return true;
        };
        try {
            group.rules.look_for_longest_idle(*wait_.min_idle, now, find, take);
        } catch (...) {
            if (!delivered_) set_end(WaitEnd::failed);
            return 0;
        }
        return count_ - claimed;
    }

    // May also run for a request that has ended: its thread takes the lock before it looks at the
    // result.
    [[gnu::noinline]] void drop_lost(StreamState<T>& stream, StreamGroup<T>& group,
                                     ConsumerRecord& consumer) RUNNEL_REQUIRES(stream.mutex) {
        bool has_memory = true;
        const Effect effect =
            group.rules.drop_lost(consumer, stream.log.facts(), stream.is_live(), [&](StreamId id) {
                return has_memory = delivered_.try_lose(id);
            });
        if (effect) has_freed_pending_ = true;
        if (!has_memory && delivered_.lost().empty()) throw std::bad_alloc{};
    }

    Served end(StreamGroup<T>& group) noexcept {
        const Served served = end_if_last_source();
        if (served == Served::yes) delivered_.tell(group.next.take_missed());
        return served;
    }

    // The request is claimed already. So an exception ends it here, unless something was delivered
    // before.
    void deliver(StreamState<T>& stream, StreamGroup<T>& group, LogPlace<T> place,
                 ConsumerRecord& consumer, std::size_t count, Milliseconds now) noexcept
        RUNNEL_REQUIRES(stream.mutex) {
        const LogFacts facts = stream.log.facts();
        try {
            while (place) {
                delivered_.reserve_one(place);
                has_freed_pending_ |=
                    group.rules.deliver(place.id(), consumer, now, facts, acknowledged_);
                delivered_.add(place, 1);
                if (group.next.has_missed()) [[unlikely]]
                    delivered_.tell(group.next.take_missed());
                group.next.pass(place);
                ++group.streak;
                place = --count != 0 ? group.next.seek(stream.log) : LogPlace<T>{};
            }
        } catch (...) {
            if (delivered_) return;
            set_end(WaitEnd::failed);
        }
    }

    Batch& delivered_;
    GroupWait wait_;
    std::string name_;  // the consumer's, while it waits
    const std::size_t count_;
    const std::size_t claim_count_;
    const bool acknowledged_;
    bool has_freed_pending_ = false;
    Atomic<std::uint32_t> cancels_ = 0;
};

}  // namespace runnel::inline v0::detail
