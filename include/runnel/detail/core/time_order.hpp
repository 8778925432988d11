// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/linked.hpp>
#include <runnel/stream_id.hpp>

#include <cstddef>
#include <cstdint>
#include <map>

namespace runnel::inline v0::detail {

// The entry of an id in a TimeOrder, as long as it stands there.
struct TimedEntry {
    const StreamId* id = nullptr;
    std::int64_t delivered_ms = 0;
    bool is_released = true;
    TimedEntry* previous = nullptr;
    TimedEntry* next = nullptr;
};

// The second order of pending entries: first those without an owner, as they were released, then
// the others by the time of their delivery; of those with equal times, the one that was delivered
// last stands last.
//
//     by id      { 1-0, 2-0, 3-0, 4-0 }
//                   |    |    |    |
//     in line    [ 4-0  1-0 | 3-0 at 5  2-0 at 7 ]
//                  released   delivered
//
// Only an insertion allocates, so that all other changes succeed. To deliver takes as many steps as
// there are entries with a later time: none, unless a time is set back.
//
// Guarded by the lock of its owner.
class TimeOrder {
public:
    TimeOrder() = default;
    TimeOrder(const TimeOrder&) = delete;
    TimeOrder& operator=(const TimeOrder&) = delete;
    ~TimeOrder() = default;

    [[nodiscard]] std::size_t size() const noexcept { return by_id_.size(); }
    [[nodiscard]] const TimedEntry* first() const noexcept { return line_.first(); }
    [[nodiscard]] const TimedEntry* last() const noexcept { return line_.last(); }

    // The entry that stands before that of `id`; null: it is the first one. Requires: it is here.
    [[nodiscard]] const TimedEntry* before(const StreamId& id) const noexcept {
        const auto found = by_id_.find(id);
        RUNNEL_ASSERT(found != by_id_.end());
        return found->second.previous;
    }

    // A new entry, as if it was released now. Throws: std::bad_alloc. Requires: it is not here.
    void insert(const StreamId& id) {
        const auto made = by_id_.emplace_hint(by_id_.end(), id, TimedEntry{});
        RUNNEL_ASSERT(made->second.id == nullptr);
        made->second.id = &made->first;
        stand_last_released(made->second);
    }

    // These require: the entry is here.
    [[gnu::noinline]] void erase(const StreamId& id) noexcept {
        const auto found = by_id_.find(id);
        take_out(found->second);
        by_id_.erase(found);
    }
    [[gnu::noinline]] void deliver(const StreamId& id, std::int64_t delivered_ms) noexcept {
        TimedEntry& entry = taken_out(id);
        entry.delivered_ms = delivered_ms;
        entry.is_released = false;
        TimedEntry* before = line_.last();
        while (before != last_released_ && before->delivered_ms > delivered_ms)
            before = before->previous;
        line_.insert_behind(before, entry);
    }
    [[gnu::noinline]] void release(const StreamId& id) noexcept {
        stand_last_released(taken_out(id));
    }

    // Puts the entry back behind `before`, where it stood. Requires: all changes since are taken
    // back.
    void put_back(const StreamId& id, const TimedEntry* before, std::int64_t delivered_ms,
                  bool is_released) noexcept {
        TimedEntry& entry = taken_out(id);
        entry.delivered_ms = delivered_ms;
        entry.is_released = is_released;
        TimedEntry* const behind = before == nullptr ? nullptr : &by_id_.find(*before->id)->second;
        line_.insert_behind(behind, entry);
        if (is_released && behind == last_released_) last_released_ = &entry;
    }

    // The same entries in the same order. Requires: both have entries of the same ids.
    void line_up_as(const TimeOrder& other) noexcept {
        line_.forget();
        last_released_ = nullptr;
        for (const TimedEntry* from = other.first(); from != nullptr; from = from->next) {
            TimedEntry& entry = by_id_.find(*from->id)->second;
            entry.delivered_ms = from->delivered_ms;
            entry.is_released = from->is_released;
            entry.previous = entry.next = nullptr;
            line_.push_back(entry);
            if (entry.is_released) last_released_ = &entry;
        }
    }

    void clear() noexcept {
        line_.forget();
        last_released_ = nullptr;
        by_id_.clear();
    }

private:
    [[nodiscard]] TimedEntry& taken_out(const StreamId& id) noexcept {
        const auto found = by_id_.find(id);
        RUNNEL_ASSERT(found != by_id_.end());
        take_out(found->second);
        return found->second;
    }
    void take_out(TimedEntry& entry) noexcept {
        if (last_released_ == &entry) last_released_ = entry.previous;
        line_.remove(entry);
    }
    void stand_last_released(TimedEntry& entry) noexcept {
        entry.delivered_ms = 0;
        entry.is_released = true;
        line_.insert_behind(last_released_, entry);
        last_released_ = &entry;
    }

    std::map<StreamId, TimedEntry> by_id_;
    LinkedList<TimedEntry> line_;
    TimedEntry* last_released_ = nullptr;
};

}  // namespace runnel::inline v0::detail
