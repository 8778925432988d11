// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/ack.hpp>
#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/reserve.hpp>
#include <runnel/detail/core/effect.hpp>
#include <runnel/detail/core/pending_entries.hpp>
#include <runnel/detail/core/stream_facts.hpp>
#include <runnel/stream_id.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::detail {

using Milliseconds = std::int64_t;

struct ConsumerRecord {
    static constexpr Milliseconds never = -1;

    const std::string* name = nullptr;
    std::uint32_t number = PendingEntries::nobody;  // reused once nothing is pending under it
    std::uint64_t serial = 0;                       // never reused
    Milliseconds seen = 0;
    Milliseconds active = never;
    std::size_t pending = 0;

    // Where to look for what the consumer has pending: there is nothing before `pending_from`. It
    // has nothing pending that was erased before `erased_from`; without that, nothing that was
    // erased.
    StreamId pending_from{};
    std::optional<StreamId> erased_from{};
};

// A consumer as its handles and deliveries know it. If it is removed and made again, its serial is
// another one.
struct ConsumerId {
    std::uint32_t number = PendingEntries::nobody;
    std::uint64_t serial = 0;
};
struct ConsumerKey {
    ConsumerId id{};
    std::string_view name;
};

// The delivery that an acknowledgement refers to. If it is not the last one any more, the
// acknowledgement does nothing.
struct Fence {
    std::uint64_t serial;  // of the consumer
    std::uint64_t deliveries;
};

// How many entries a group has had to do with, in all.
struct GroupCounts {
    std::uint64_t delivered = 0;    // for the first time
    std::uint64_t redelivered = 0;  // by claims and histories
    std::uint64_t acknowledged = 0;
    std::uint64_t dropped = 0;  // lost by the stream, or with their consumer
};

// What a claim does with an entry.
struct ClaimRules {
    Milliseconds min_idle = 0;
    Milliseconds delivered = 0;                 // the new delivery time
    std::optional<std::uint64_t> deliveries{};  // the new count; nothing: one more than before
    bool counts = true;                         // false: the count stays. Redis: JUSTID
    bool force = false;                         // also entries that are not pending
};

enum class Claim : std::uint8_t {
    taken,
    passed_over,  // not pending, or not idle for long enough
    lost,         // it was pending, and is no longer in the stream: dropped
};
struct Claimed {
    Claim what = Claim::passed_over;
    std::uint64_t deliveries = 0;  // if taken
};

// One consumer group: what it has delivered, to which consumers, and what is not acknowledged yet.
// It has the rules of XREADGROUP, XACK, XCLAIM, XAUTOCLAIM, XNACK, XPENDING and of lag. The caller
// says whether an entry is still in the stream, and what time it is, in milliseconds of any clock:
// a monotonic one or, as in Redis, the wall clock.
//
// Guarded by its owner's lock. A call that throws has changed nothing.
class GroupState {
public:
    using Consumers = std::map<std::string, ConsumerRecord, std::less<>>;

    // Consumers get serials from `first_serial` on.
    GroupState(StreamId last_delivered, std::optional<std::uint64_t> entries_read,
               const LogFacts& log, std::uint64_t first_serial = 0) noexcept
        : next_serial_{first_serial} {
        set_position(last_delivered, entries_read, log);
    }
    // Also keeps what is pending in the order of time. Throws: std::bad_alloc.
    GroupState(PendingEntries::Timed timed, StreamId last_delivered,
               std::optional<std::uint64_t> entries_read, const LogFacts& log)
        : pending_{timed} {
        set_position(last_delivered, entries_read, log);
    }
    // The same consumers have the same entries pending. Throws: std::bad_alloc.
    GroupState(const GroupState& other)
        : last_delivered_{other.last_delivered_},
          entries_read_{other.entries_read_},
          counts_{other.counts_},
          pending_{other.pending_},
          consumers_{other.consumers_},
          numbers_{other.numbers_},
          free_number_{other.free_number_},
          next_serial_{other.next_serial_} {
        for (auto& [name, consumer] : consumers_) {
            consumer.name = &name;
            numbers_[consumer.number].consumer = &consumer;
        }
    }
    GroupState& operator=(const GroupState&) = delete;
    ~GroupState() = default;

    [[nodiscard]] StreamId last_delivered() const noexcept { return last_delivered_; }
    [[nodiscard]] std::optional<std::uint64_t> entries_read() const noexcept {
        return entries_read_;
    }
    [[nodiscard]] const PendingEntries& pending() const noexcept { return pending_; }
    [[nodiscard]] const Consumers& consumers() const noexcept { return consumers_; }
    [[nodiscard]] const GroupCounts& counts() const noexcept { return counts_; }

    // The greatest count of deliveries of a pending entry; 0 if there is none. Linear in what is
    // pending.
    [[nodiscard]] std::uint64_t greatest_deliveries() const noexcept {
        std::uint64_t greatest = 0;
        for (auto place = pending_.first(); place; place = PendingEntries::next(place))
            greatest = std::max(greatest, PendingEntries::deliveries(place));
        return greatest;
    }

    // As XGROUP SETID does. `entries_read` cannot be more than all entries.
    void set_position(StreamId last_delivered, std::optional<std::uint64_t> entries_read,
                      const LogFacts& log) noexcept {
        last_delivered_ = last_delivered;
        entries_read_ = entries_read;
        if (entries_read_) entries_read_ = std::min(*entries_read_, log.entries_added);
    }

    // As the option LASTID of XCLAIM does: never back.
    void raise_last_delivered(StreamId id) noexcept {
        last_delivered_ = std::max(last_delivered_, id);
    }

    // After XSETID has made the count of all entries smaller.
    void limit_entries_read(std::uint64_t entries_added) noexcept {
        if (entries_read_) entries_read_ = std::min(*entries_read_, entries_added);
    }

    // ---- consumers

    // The consumer of that id, or else of that name. Makes one if there is none. May throw.
    [[nodiscard]] ConsumerRecord& consumer(const ConsumerKey& key, Milliseconds now) {
        ConsumerRecord* const known = find(key.id);
        return known != nullptr ? *known : consumer(key.name, now);
    }

    // Null if there is none.
    [[nodiscard]] ConsumerRecord* find(const ConsumerKey& key) const noexcept {
        if (ConsumerRecord* const known = find(key.id)) return known;
        const ConsumerRecord* const named = find(key.name);
        return named != nullptr ? find(named->number) : nullptr;
    }
    [[nodiscard]] ConsumerRecord* find(const ConsumerId& id) const noexcept {
        ConsumerRecord* const at = find(id.number);
        return at != nullptr && at->serial == id.serial ? at : nullptr;
    }

    [[nodiscard]] const ConsumerRecord* find(std::string_view name) const noexcept {
        const auto found = consumers_.find(name);
        return found == consumers_.end() ? nullptr : &found->second;
    }

    // Null for the number `nobody`.
    [[nodiscard]] ConsumerRecord* find(std::uint32_t number) const noexcept {
        return number < numbers_.size() ? numbers_[number].consumer : nullptr;
    }

    // Also drops what the consumer has pending, as if it were acknowledged. Complexity: logarithmic
    // for each such entry, and linear in what is pending between them and `pending_from`.
    Effect remove_consumer(std::string_view name) noexcept {
        const auto found = consumers_.find(name);
        if (found == consumers_.end()) return {};
        const std::uint32_t number = found->second.number;
        const std::size_t dropped = found->second.pending;
        StreamId id = found->second.pending_from;
        for (auto left = dropped; left != 0; --left) {
            const auto place = PendingEntries::next_of(number, pending_.lower_bound(id));
            id = PendingEntries::id(place);
            pending_.erase(place);
        }
        numbers_[number] = {nullptr, std::exchange(free_number_, number)};
        consumers_.erase(found);
        counts_.dropped += dropped;
        return {.acknowledged = dropped};
    }

    // Removes those that have nothing pending, were seen at least so long ago, and for which
    // is_busy(consumer) is false. Returns how many.
    template <typename IsBusy>
    std::size_t remove_idle_consumers(Milliseconds now, Milliseconds idle,
                                      IsBusy is_busy) noexcept {
        return std::erase_if(consumers_, [&](const auto& named) {
            const ConsumerRecord& consumer = named.second;
            if (consumer.pending != 0 || now - consumer.seen < idle || is_busy(consumer))
                return false;
            numbers_[consumer.number] = {nullptr, std::exchange(free_number_, consumer.number)};
            return true;
        });
    }

    // ---- delivering

    // Delivers an entry that follows last_delivered(). True if it was pending already, with a
    // consumer that now has room for another one. May throw. Always inlined, so that the id stays
    // in registers: g++ 12 copies one through memory, and then waits for it.
    [[gnu::always_inline]] bool deliver(const StreamId& id, ConsumerRecord& to, Milliseconds now,
                                        const LogFacts& log, bool acknowledged) {
        bool was_pending = false;
        if (!acknowledged) {
            was_pending = hand(pending_.find_or_insert(id), id, to, now, 1);
            to.active = now;
        } else {
            ++counts_.acknowledged;
        }
        ++counts_.delivered;
        // In place: g++ 12 makes a slow copy of an optional.
        if (knows_entries_read(log)) {
            ++*entries_read_;
        } else if (log.entries_added != 0) {
            entries_read_ = log.entries_up_to(id);
        }
        last_delivered_ = id;
        return was_pending;
    }

    // Delivers an entry once more to the consumer that has it pending, as a read of history does.
    void deliver_again(PendingEntries::Place place, Milliseconds now) noexcept {
        pending_.deliver(place, PendingEntries::owner(place), now,
                         one_more(PendingEntries::deliveries(place)));
        ++counts_.redelivered;
    }

    // ---- acknowledging; no effect: the entry is not pending, or the fence does not hold

    // Whether acknowledge() would have an effect.
    [[nodiscard]] bool holds(const StreamId& id, const Fence& fence) const noexcept {
        return static_cast<bool>(place_of(id, &fence));
    }

    Effect acknowledge(const StreamId& id, const Fence* fence = nullptr) noexcept {
        const auto place = place_of(id, fence);
        if (!place) return {};
        take_off(place);
        ++counts_.acknowledged;
        return {.acknowledged = 1};
    }

    // The same for deliveries to one consumer. Each has an `id` and an `attempt`, which is its
    // fence.
    template <typename Deliveries>
    Effect acknowledge_all(const Deliveries& deliveries, std::uint64_t serial) noexcept {
        Effect all;
        for (const auto& each : deliveries) {
            const Fence fence{serial, each.attempt};
            all += acknowledge(each.id, &fence);
        }
        return all;
    }

    // Releases the entry: it has no owner, and the next consumer that claims gets it. `deliveries`
    // is the new count; nothing: the mode says what becomes of it. No claim takes it before
    // `due`; 0: it is released now.
    Effect release(const StreamId& id, Nack mode, const Fence* fence = nullptr,
                   std::optional<std::uint64_t> deliveries = {}, Milliseconds due = 0) noexcept {
        const auto place = place_of(id, fence);
        if (!place) return {};
        take_from_owner(place);
        const std::uint64_t before = PendingEntries::deliveries(place);
        pending_.release(place, deliveries ? *deliveries : deliveries_after(mode, before), due);
        return {.released = 1};
    }

    // Lets claims take an entry that was released with a delay. No effect if it has an owner.
    Effect end_delay(const StreamId& id) noexcept {
        const auto place = pending_.find(id);
        if (!place || PendingEntries::owner(place) != PendingEntries::nobody) return {};
        if (PendingEntries::due_ms(place) == 0) return {};
        pending_.release(place, PendingEntries::deliveries(place), 0);
        return {.released = 1};
    }

    // Makes the entry pending, without an owner, unless it is. Throws: std::bad_alloc.
    void make_pending(const StreamId& id, std::uint64_t deliveries) {
        const std::size_t before = pending_.size();
        const auto place = pending_.find_or_insert(id);
        if (pending_.size() != before) pending_.release(place, deliveries);
    }

    // The same for an entry that the group has delivered. No effect: it is pending, or still to be
    // delivered. Throws: std::bad_alloc.
    Effect redeliver(const StreamId& id, std::uint64_t deliveries) {
        if (id > last_delivered_ || pending_.find(id)) return {};
        make_pending(id, deliveries);
        return {.released = 1};
    }

    // Restarts the idle time of the entry.
    Effect extend(const StreamId& id, Milliseconds now, const Fence& fence) noexcept {
        const auto place = place_of(id, &fence);
        if (!place) return {};
        const std::uint32_t number = PendingEntries::owner(place);
        pending_.deliver(place, number, now, fence.deliveries);
        if (ConsumerRecord* const owner = find(number)) owner->active = owner->seen = now;
        return {.extended = 1};
    }

    // ---- claiming

    // As XCLAIM does with one id; `is_live`: the entry is still in the stream. May throw if forced.
    Claimed claim(const StreamId& id, bool is_live, ConsumerRecord& by, const ClaimRules& rules,
                  Milliseconds now) {
        if (is_live && rules.force) make_pending(id, 1);
        const auto place = pending_.find(id);
        if (!place) return {Claim::passed_over};
        if (!is_live) {
            drop(place);
            return {Claim::lost};
        }
        if (!is_claimable(place, rules.min_idle, now)) return {Claim::passed_over};
        return {Claim::taken, take(place, id, by, rules, now)};
    }

    // Never negative, even if another thread has given a later time or the clock was set back.
    [[nodiscard]] static Milliseconds idle_time(PendingEntries::Place place,
                                                Milliseconds now) noexcept {
        return std::max<Milliseconds>(0, now - PendingEntries::delivered_ms(place));
    }
    [[nodiscard]] static bool is_claimable(PendingEntries::Place place, Milliseconds min_idle,
                                           Milliseconds now) noexcept {
        if (PendingEntries::owner(place) == PendingEntries::nobody)
            return PendingEntries::due_ms(place) <= now;
        return idle_time(place, now) >= min_idle;
    }

    // Looks for what XAUTOCLAIM would take or drop: for up to `count` entries, by id. find(id)
    // returns the entry or something false. Calls idle(place, entry) or lost(id) for each; they may
    // change that entry. Ends if lost() returns false. Returns where to go on; 0-0 at the end.
    template <typename Find, typename Idle, typename Lost>
    StreamId look_for_idle(StreamId start, std::size_t count, Milliseconds min_idle,
                           Milliseconds now, Find find, Idle idle, Lost lost) const {
        constexpr std::size_t looks_per_claim = 10;  // as in Redis
        std::size_t looks = std::min(count, pending_.size()) * looks_per_claim;
        auto place = pending_.lower_bound(start);
        for (; place && looks != 0 && count != 0; --looks) {
            const StreamId id = PendingEntries::id(place);
            const auto found = find(id);
            if (!found) {
                if (!lost(id)) return id;
                const auto behind = id.next();
                place = behind ? pending_.lower_bound(*behind) : PendingEntries::Place{};
                --count;
                continue;
            }
            if (is_claimable(place, min_idle, now)) {
                idle(place, found);
                --count;
            }
            place = PendingEntries::next(place);
        }
        return place ? PendingEntries::id(place) : StreamId{};
    }

    // As XAUTOCLAIM does: takes or drops what look_for_idle() finds. Calls took(entry, deliveries)
    // or lost(id) for each entry.
    template <typename Find, typename Took, typename Lost>
    StreamId autoclaim(StreamId start, std::size_t count, ConsumerRecord& by,
                       const ClaimRules& rules, Milliseconds now, Find find, Took took,
                       Lost lost) noexcept {
        return look_for_idle(
            start, count, rules.min_idle, now, find,
            [&](PendingEntries::Place place, const auto& found) {
                took(found, take(place, PendingEntries::id(place), by, rules, now));
            },
            [&](const StreamId& id) {
                const bool goes_on = lost(id);
                if (goes_on) drop(pending_.find(id));
                return goes_on;
            });
    }

    // ---- claiming by time, as XREADGROUP does with CLAIM; needs the order of time

    // Keeps what is pending in the order of time from now on: see PendingEntries. Throws:
    // std::bad_alloc.
    void keep_time_order() { pending_.keep_time_order(); }

    // Those whose delays have ended by `now` stand where they are claimed. To be called before
    // another one is released, and before a claim.
    void release_due(Milliseconds now) noexcept { pending_.release_due(now); }
    [[nodiscard]] bool has_delayed() const noexcept {
        return pending_.by_time() != nullptr && pending_.by_time()->next_due() != nullptr;
    }

    // The first entry in the order of time that is_live(id); null: there is none.
    template <typename IsLive>
    [[nodiscard]] const TimedEntry* longest_idle(IsLive is_live) const {
        const TimedEntry* one = pending_.by_time()->first();
        while (one != nullptr && !is_live(one->id)) one = one->next;
        return one;
    }

    // Whether something may be claimed, if the stream has it still. Requires: release_due(now).
    [[nodiscard]] bool may_claim(Milliseconds min_idle, Milliseconds now) const noexcept {
        const TimedEntry* const first = pending_.by_time()->first();
        return first != nullptr && is_claimable(*first, min_idle, now);
    }

    // From when on something may be claimed that has been idle for `min_idle`; nothing: all that is
    // pending was lost, or nothing is. What is_live(id) denies is set aside: it never comes back.
    template <typename IsLive>
    [[nodiscard]] std::optional<Milliseconds> next_claim(Milliseconds min_idle,
                                                         IsLive is_live) noexcept {
        const TimeOrder& order = *pending_.by_time();
        const auto first = [&](auto get) {
            const TimedEntry* one = get();
            for (; one != nullptr && !is_live(one->id); one = get()) set_aside(*one);
            return one;
        };
        const TimedEntry* const delayed = first([&] { return order.next_due(); });
        const TimedEntry* const idle = first([&] { return order.first(); });
        if (idle != nullptr && idle->is_released()) return 0;
        if (idle == nullptr && delayed == nullptr) return std::nullopt;
        constexpr Milliseconds never = std::numeric_limits<Milliseconds>::max();
        return std::min(idle != nullptr ? idle->time_ms + min_idle : never,
                        delayed != nullptr ? delayed->time_ms : never);
    }

    // The same of what the consumer itself has pending. Linear in what is pending from its first
    // entry to its last one.
    template <typename IsLive>
    [[nodiscard]] std::optional<Milliseconds>
    next_claim_of(const ConsumerRecord& consumer, Milliseconds min_idle, IsLive is_live) const {
        std::optional<Milliseconds> first;
        auto place = PendingEntries::Place{};
        for (auto left = consumer.pending; left != 0; --left) {
            const auto from =
                place ? PendingEntries::next(place) : pending_.lower_bound(consumer.pending_from);
            place = PendingEntries::next_of(consumer.number, from);
            const Milliseconds at = PendingEntries::delivered_ms(place) + min_idle;
            if ((!first || at < *first) && is_live(PendingEntries::id(place))) first = at;
        }
        return first;
    }

    // For an entry that the stream has lost: it is not looked at any more, but stays pending.
    void set_aside(const TimedEntry& entry) noexcept {
        pending_.set_aside(pending_.find(entry.id));
    }

    [[nodiscard]] static Milliseconds idle_time(const TimedEntry& entry,
                                                Milliseconds now) noexcept {
        return std::max<Milliseconds>(0, now - entry.time_ms);
    }
    [[nodiscard]] static bool is_claimable(const TimedEntry& entry, Milliseconds min_idle,
                                           Milliseconds now) noexcept {
        return entry.is_released() || idle_time(entry, now) >= min_idle;
    }

    // Calls idle(entry, found) for each entry that is claimable, in the order of time, as that was
    // before; what it throws ends this. find(entry) returns the entry of the stream; if that is
    // false, the pending one is passed over. It may set that aside. idle() delivers the entry at
    // `now`; it ends this if it returns false.
    template <typename Find, typename Idle>
    void look_for_longest_idle(Milliseconds min_idle, Milliseconds now, Find find,
                               Idle idle) const {
        const TimedEntry* const last = pending_.by_time()->last();
        const TimedEntry* first_taken = nullptr;  // and all behind it are those of this call
        const TimedEntry* one = pending_.by_time()->first();
        while (one != nullptr && one != first_taken && is_claimable(*one, min_idle, now)) {
            const TimedEntry* const next = one == last ? nullptr : one->next;
            if (const auto found = find(*one)) {
                if (!idle(*one, found)) return;
                if (first_taken == nullptr) first_taken = one;
            }
            one = next;
        }
    }

    // Takes an entry that is pending, as a claim does that passes `rules`. Returns the new count of
    // deliveries.
    std::uint64_t take(const StreamId& id, ConsumerRecord& by, const ClaimRules& rules,
                       Milliseconds now) noexcept {
        return take(pending_.find(id), id, by, rules, now);
    }

    // ---- what a consumer has pending and the stream has lost; is_live(id): it has not

    // The first such entry, or none. Costs nothing unless the first entry that the consumer had
    // pending at the last call was trimmed or acknowledged meanwhile. Then it is linear in the
    // leaves from there to the first one that it has now. It is also linear in what the consumer
    // has pending from the first entry on that was erased meanwhile.
    template <typename IsLive>
    [[nodiscard]] PendingEntries::Place first_lost(ConsumerRecord& of, const LogFacts& log,
                                                   IsLive is_live) const noexcept {
        if (of.pending == 0) return {};
        const auto from = [&](StreamId id) {
            return PendingEntries::next_of(of.number, pending_.lower_bound(id));
        };
        const bool all_gone = log.length == 0;
        if (all_gone || of.pending_from < log.first_id) {
            const auto place = from(of.pending_from);
            of.pending_from = PendingEntries::id(place);
            if (all_gone || of.pending_from < log.first_id) return place;
        }
        if (!of.erased_from) return {};
        for (auto place = from(std::max(of.pending_from, *of.erased_from)); place;
             place = PendingEntries::next_of(of.number, PendingEntries::next(place))) {
            of.erased_from = PendingEntries::id(place);
            if (!is_live(*of.erased_from)) return place;
        }
        of.erased_from.reset();
        return {};
    }

    // To be called when the stream erases this entry; not needed for entries that it trims.
    void note_erased(const StreamId& id) noexcept {
        const auto place = pending_.find(id);
        ConsumerRecord* const owner = place ? find(PendingEntries::owner(place)) : nullptr;
        if (owner == nullptr) return;
        if (!owner->erased_from || id < *owner->erased_from) owner->erased_from = id;
    }

    // Drops all such entries, as a claim does. Calls lost(id) before each; ends if that returns
    // false.
    template <typename IsLive, typename Lost>
    Effect drop_lost(ConsumerRecord& of, const LogFacts& log, IsLive is_live, Lost lost) noexcept {
        Effect effect;
        for (auto place = first_lost(of, log, is_live); place && lost(PendingEntries::id(place));
             place = first_lost(of, log, is_live)) {
            drop(place);
            ++effect.acknowledged;
        }
        return effect;
    }

    // ---- taking back: each of these requires that all later changes are taken back

    struct Position {
        StreamId last_delivered;
        std::optional<std::uint64_t> entries_read;
    };
    [[nodiscard]] Position position() const noexcept { return {last_delivered_, entries_read_}; }
    void put_back(const Position& stood) noexcept {
        last_delivered_ = stood.last_delivered;
        entries_read_ = stood.entries_read;
    }

    // An entry that is still pending.
    void put_back(const PendingEntries::Stand& stood) noexcept {
        const auto place = pending_.find(stood.entry.id);
        take_from_owner(place);
        pending_.put_back(place, stood);
        if (ConsumerRecord* const owner = find(stood.entry.owner)) ++owner->pending;
    }

    void put_back(const ConsumerRecord& stood) const noexcept { *find(stood.number) = stood; }

    // ---- listing

    struct Listed {
        StreamId first;
        StreamId last;
        std::size_t count;
        Milliseconds min_idle;
    };

    // As XPENDING does in its long form: visit(entry, owner or null, idle time).
    template <typename Visit>
    void list(const Listed& what, std::optional<std::string_view> owner, Milliseconds now,
              Visit visit) const {
        const ConsumerRecord* const only = owner ? find(*owner) : nullptr;
        const bool is_unknown = owner && only == nullptr;
        std::size_t left = is_unknown ? 0 : what.count;
        for (auto place = pending_.lower_bound(what.first); place && left != 0;
             place = PendingEntries::next(place)) {
            const Pending entry = pending_[place];
            if (entry.id > what.last) return;
            const bool is_asked_for = only == nullptr || entry.owner == only->number;
            const bool is_released = entry.owner == PendingEntries::nobody;
            const Milliseconds idle = is_released ? 0 : idle_time(place, now);
            if (!is_asked_for || (!is_released && idle < what.min_idle)) continue;
            visit(entry, find(entry.owner), idle);
            --left;
        }
    }

    // ---- lag

    // How many entries of the stream are still to be delivered, as Redis counts; nothing if that is
    // not known.
    [[nodiscard]] std::optional<std::uint64_t> lag(const LogFacts& log) const noexcept {
        if (log.entries_added == 0 || log.length == 0) return 0;
        if (last_delivered_ < log.first_id && log.max_deleted_id < log.first_id) return log.length;
        if (entries_read_ && !log.has_tombstone_from(last_delivered_))
            return log.entries_added - std::min(*entries_read_, log.entries_added);
        const auto read = log.entries_up_to(last_delivered_);
        if (!read) return std::nullopt;
        return log.entries_added - *read;
    }

private:
    // Null: the number is free, and `next_free` is another free one.
    struct Numbered {
        ConsumerRecord* consumer;
        std::uint32_t next_free;
    };

    static constexpr std::uint64_t most_deliveries = std::numeric_limits<std::int64_t>::max();

    [[gnu::noinline]] ConsumerRecord& consumer(std::string_view name, Milliseconds now) {
        if (const auto found = consumers_.find(name); found != consumers_.end())
            return found->second;
        reserve_one_more(numbers_);
        const auto made = consumers_.emplace(name, ConsumerRecord{}).first;
        made->second.name = &made->first;
        made->second.number = take_number();
        made->second.serial = next_serial_++;
        made->second.seen = now;
        numbers_[made->second.number].consumer = &made->second;
        return made->second;
    }

    // Requires: `numbers_` has room for one more.
    [[nodiscard]] std::uint32_t take_number() noexcept {
        if (free_number_ == PendingEntries::nobody) {
            numbers_.push_back({});
            return static_cast<std::uint32_t>(numbers_.size() - 1);
        }
        return std::exchange(free_number_, numbers_[free_number_].next_free);
    }

    [[nodiscard]] static std::uint64_t one_more(std::uint64_t deliveries) noexcept {
        return std::min(deliveries, most_deliveries - 1) + 1;
    }

    [[nodiscard]] static std::uint64_t deliveries_after(Nack mode, std::uint64_t before) noexcept {
        if (mode == Nack::fatal) return most_deliveries;
        return mode == Nack::silent && before != 0 ? before - 1 : before;
    }

    [[nodiscard]] static std::uint64_t deliveries_after(const ClaimRules& rules,
                                                        std::uint64_t before) noexcept {
        if (rules.deliveries) return *rules.deliveries;
        return rules.counts ? one_more(before) : before;
    }

    [[nodiscard]] PendingEntries::Place place_of(const StreamId& id,
                                                 const Fence* fence) const noexcept {
        const auto place = pending_.find(id);
        if (!place || fence == nullptr) return place;
        const ConsumerRecord* const owner = find(PendingEntries::owner(place));
        const bool holds = owner != nullptr && owner->serial == fence->serial &&
                           PendingEntries::deliveries(place) == fence->deliveries;
        return holds ? place : PendingEntries::Place{};
    }

    // False: it has no owner.
    bool take_from_owner(PendingEntries::Place place) const noexcept {
        ConsumerRecord* const owner = find(PendingEntries::owner(place));
        if (owner != nullptr) --owner->pending;
        return owner != nullptr;
    }

    void take_off(PendingEntries::Place place) noexcept {
        take_from_owner(place);
        pending_.erase(place);
    }
    // What the stream has lost.
    void drop(PendingEntries::Place place) noexcept {
        take_off(place);
        ++counts_.dropped;
    }

    // Returns the new count of deliveries.
    std::uint64_t take(PendingEntries::Place place, const StreamId& id, ConsumerRecord& by,
                       const ClaimRules& rules, Milliseconds now) noexcept {
        const auto deliveries = deliveries_after(rules, PendingEntries::deliveries(place));
        hand(place, id, by, rules.delivered, deliveries);
        by.active = now;
        ++counts_.redelivered;
        return deliveries;
    }

    // False: it had no owner.
    bool hand(PendingEntries::Place place, const StreamId& id, ConsumerRecord& to,
              Milliseconds delivered, std::uint64_t deliveries) noexcept {
        const bool had_owner = take_from_owner(place);
        pending_.deliver(place, to.number, delivered, deliveries);
        if (to.pending++ == 0 || id < to.pending_from) to.pending_from = id;
        return had_owner;
    }

    // Whether entries_read() counts what was delivered, so that the next delivery adds one.
    [[nodiscard]] bool knows_entries_read(const LogFacts& log) const noexcept {
        return entries_read_ && last_delivered_ >= log.first_id &&
               !log.has_tombstone_from(last_delivered_);
    }

    StreamId last_delivered_;
    std::optional<std::uint64_t> entries_read_;
    GroupCounts counts_;
    PendingEntries pending_;
    Consumers consumers_;
    std::vector<Numbered> numbers_;
    std::uint32_t free_number_ = PendingEntries::nobody;  // the first of the free ones
    std::uint64_t next_serial_;
};

}  // namespace runnel::inline v0::detail
