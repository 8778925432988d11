// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/linked.hpp>
#include <runnel/detail/base/pairing_heap.hpp>
#include <runnel/stream_id.hpp>

#include <cstdint>

namespace runnel::inline v0::detail {

// The place of a pending entry in a TimeOrder. Whoever keeps the entry keeps this, too.
struct TimedEntry {
    enum class Stands : std::uint8_t {
        nowhere,    // it is not pending, or has just been inserted, or was set aside
        released,   // in line, without an owner
        delayed,    // it will be released later
        delivered,  // in line, by the time of its delivery
    };

    [[nodiscard]] bool is_released() const noexcept { return stands == Stands::released; }

    StreamId id{};
    // Delivered: when. Delayed: when it will be released. Released: 0.
    std::int64_t time_ms = 0;
    std::uint64_t number = 0;  // delayed: how many were delayed before it
    TimedEntry* previous = nullptr;
    TimedEntry* next = nullptr;
    TimedEntry* child = nullptr;
    Stands stands = Stands::nowhere;
};
static_assert(sizeof(TimedEntry) == 64);

// Of equal times, the one with the smaller number.
struct EarlierOne {
    [[nodiscard]] bool operator()(const TimedEntry& one, const TimedEntry& other) const noexcept {
        if (one.time_ms != other.time_ms) return one.time_ms < other.time_ms;
        return one.number < other.number;
    }
};

// The second order of pending entries: first those without an owner, as they were released, then
// the others by the time of their delivery; of those with equal times, the one that was delivered
// last stands last. Beside the line are those that will be released later.
//
//     by id      { 1-0, 2-0, 3-0, 4-0, 5-0 }
//                   |    |    |    |    |
//     in line    [ 4-0  1-0 | 3-0 at 5  2-0 at 7 ]     delayed ( 5-0 at 9 )
//                  released   delivered
//
// It allocates nothing. All takes constant time, but for two changes: to deliver takes as many
// steps as there are entries with a later time, none unless a time is set back; and to end a delay
// takes amortised logarithmic time.
//
// Guarded by the lock of its owner.
class TimeOrder {
    using Stands = TimedEntry::Stands;

public:
    TimeOrder() = default;
    TimeOrder(const TimeOrder&) = delete;
    TimeOrder& operator=(const TimeOrder&) = delete;
    ~TimeOrder() = default;

    [[nodiscard]] const TimedEntry* first() const noexcept { return line_.first(); }
    [[nodiscard]] const TimedEntry* last() const noexcept { return line_.last(); }
    // The delayed one that will be released first; null: there is none.
    [[nodiscard]] const TimedEntry* next_due() const noexcept { return delayed_.first(); }

    // A new entry. It stands nowhere as yet.
    static void insert(TimedEntry& entry, const StreamId& id) noexcept {
        RUNNEL_ASSERT(entry.stands == Stands::nowhere);
        entry.id = id;
    }

    void erase(TimedEntry& entry) noexcept { take_out(entry); }

    void deliver(TimedEntry& entry, std::int64_t delivered_ms) noexcept {
        take_out(entry);
        entry.time_ms = delivered_ms;
        entry.stands = Stands::delivered;
        TimedEntry* before = line_.last();
        while (before != last_released_ && before->time_ms > delivered_ms)
            before = before->previous;
        line_.insert_behind(before, entry);
    }

    void release(TimedEntry& entry) noexcept {
        take_out(entry);
        entry.time_ms = 0;
        entry.stands = Stands::released;
        line_.insert_behind(last_released_, entry);
        last_released_ = &entry;
    }

    // It will be released at `due_ms`.
    void delay(TimedEntry& entry, std::int64_t due_ms) noexcept {
        take_out(entry);
        entry.time_ms = due_ms;
        entry.number = ++delays_;
        entry.stands = Stands::delayed;
        delayed_.insert(entry);
    }
    // Releases the delayed ones whose time has come: the earliest first; of equal ones, the one
    // that was delayed first.
    void release_due(std::int64_t now_ms) noexcept {
        while (TimedEntry* const due = delayed_.first()) {
            if (due->time_ms > now_ms) return;
            release(*due);
        }
    }

    // It stays pending, but is not seen here until it is delivered, released or delayed.
    void set_aside(TimedEntry& entry) noexcept { take_out(entry); }

    // Puts the entry back behind `before`, where it stood; null: at first. Requires: all changes
    // since are taken back.
    void put_back(TimedEntry& entry, TimedEntry* before, std::int64_t delivered_ms,
                  bool is_released) noexcept {
        take_out(entry);
        entry.time_ms = delivered_ms;
        entry.stands = is_released ? Stands::released : Stands::delivered;
        line_.insert_behind(before, entry);
        if (is_released && before == last_released_) last_released_ = &entry;
    }

    // `to`, which stands nowhere, becomes what `from` was.
    void move(TimedEntry& from, TimedEntry& to) noexcept {
        RUNNEL_ASSERT(to.stands == Stands::nowhere);
        to.id = from.id;
        to.time_ms = from.time_ms;
        to.number = from.number;
        to.stands = from.stands;
        if (from.stands == Stands::nowhere) return;
        from.stands = Stands::nowhere;
        if (to.stands == Stands::delayed) return delayed_.replace(from, to);
        line_.replace(from, to);
        if (last_released_ == &from) last_released_ = &to;
    }

    // ---- lining up entries that stand nowhere, in an order without changes

    // A new entry stands as `other` does in another order. Those in line come in their order.
    void stand_as(const TimedEntry& other, TimedEntry& entry) noexcept {
        entry.id = other.id;
        entry.time_ms = other.time_ms;
        entry.number = other.number;
        entry.stands = other.stands;
        if (other.stands == Stands::nowhere) return;
        if (other.stands == Stands::delayed) return delayed_.insert(entry);
        line_.push_back(entry);
        if (entry.is_released()) last_released_ = &entry;
    }

    // New entries that were delivered, added in any order; of those with equal times, the first one
    // comes first. Linear, if they are added in the order of their times.
    class Arrivals {
    public:
        explicit Arrivals(TimeOrder& in) noexcept : order_{in} {}

        void add(TimedEntry& entry, const StreamId& id, std::int64_t delivered_ms) noexcept {
            entry.id = id;
            entry.time_ms = delivered_ms;
            entry.stands = Stands::delivered;
            const TimedEntry* const last = order_.line_.last();
            if (last == order_.last_released_ || last->time_ms <= delivered_ms)
                return order_.line_.push_back(entry);
            entry.number = ++count_;
            late_.insert(entry);
        }

        // After the last one.
        void finish() noexcept {
            TimedEntry* before = order_.last_released_;
            while (TimedEntry* const one = late_.first()) {
                late_.remove(*one);
                TimedEntry* behind = before != nullptr ? before->next : order_.line_.first();
                for (; behind != nullptr && behind->time_ms <= one->time_ms; behind = behind->next)
                    before = behind;
                order_.line_.insert_behind(before, *one);
                before = one;
            }
        }

    private:
        TimeOrder& order_;
        PairingHeap<TimedEntry, EarlierOne> late_;
        std::uint64_t count_ = 0;
    };

    // Forgets all entries, which are gone.
    void clear() noexcept {
        line_.forget();
        delayed_.forget();
        last_released_ = nullptr;
    }

private:
    void take_out(TimedEntry& entry) noexcept {
        if (entry.stands == Stands::delayed) [[unlikely]] {
            delayed_.remove(entry);
        } else if (entry.stands != Stands::nowhere) {
            if (last_released_ == &entry) last_released_ = entry.previous;
            line_.remove(entry);
        }
        entry.stands = Stands::nowhere;
    }

    LinkedList<TimedEntry> line_;
    TimedEntry* last_released_ = nullptr;
    PairingHeap<TimedEntry, EarlierOne> delayed_;
    std::uint64_t delays_ = 0;
};

}  // namespace runnel::inline v0::detail
