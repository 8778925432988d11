// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/stream.hpp>

#include "support/expect.hpp"
#include "support/lifetime.hpp"
#include "support/stream_reference.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

// A Stream and its groups beside what they have to be: see stream_reference.hpp.
namespace runnel::test {

// ---------------------------------------------------------------------- one by one

inline bool same(const Entries<MoveOnly>& real, const Lines& expected) {
    return real.size() == expected.size() && static_cast<bool>(real) == !expected.empty() &&
           std::ranges::equal(real, expected, [](const auto& entry, const Line& line) {
               return entry.id == line.id && entry.value.get() == line.value;
           });
}

inline bool same(const Deliveries<MoveOnly>& real, const Lines& expected) {
    return std::ranges::equal(real, expected, [](const auto& delivery, const Line& line) {
        return delivery.id == line.id && delivery.value.get() == line.value &&
               delivery.attempt == line.attempt;
    });
}

inline std::ostream& operator<<(std::ostream& out, const Lines& lines) {
    for (const Line& line : lines) out << ' ' << line.id << '=' << line.value;
    return out;
}

inline std::ostream& operator<<(std::ostream& out, const std::vector<StreamId>& ids) {
    for (const StreamId id : ids) out << ' ' << id;
    return out;
}

inline std::ostream& operator<<(std::ostream& out, const std::vector<PendingEntry>& rows) {
    for (const PendingEntry& row : rows) {
        out << "\n    " << row.id << (row.is_released ? " nobody" : " '" + row.consumer + "'")
            << ", idle " << row.idle.count() << ", deliveries " << row.deliveries;
    }
    return out;
}

/// Entries, Deliveries.
template <typename Batch>
void check_missed(const Batch& real, const MissedReference& expected) {
    const bool is_told = real || real.ending() == Ending::closed;
    if (!is_told) return expect("missed() waits for what it precedes", real.missed() == 0);
    if (real.missed_is_exact()) return expect("missed()", real.missed() == expected.count);
    expect("missed_is_exact()", !expected.must_be_exact);
    expect("missed(), at least", real.missed() != 0 && real.missed() <= expected.count);
}

/// What a batch shows.
template <typename Batch>
Lines lines_of(const Batch& batch) {
    Lines lines;
    for (const auto& each : batch) lines.push_back({each.id, each.value.get()});
    return lines;
}

// ---------------------------------------------------------------------- as a whole

inline void compare(const Stream<MoveOnly>& real, const LogReference& log) {
    const auto is = [](const auto& entry, const auto& expected) {
        return entry.id == expected.first && entry.value.get() == expected.second;
    };
    const auto forward = real.range();
    const auto back = real.reverse_range();
    const std::size_t size = log.entries.size();
    expect("size()", real.size() == size && forward.size() == size && back.size() == size);
    expect("range()", std::equal(forward.begin(), forward.end(), log.entries.begin(), is));
    expect("reverse_range()", std::equal(back.begin(), back.end(), log.entries.rbegin(), is));
    expect("last_id()", real.last_id() == log.last_id);
    expect("closed()", real.closed() == log.closed);
    const StreamInfo info = real.info();
    expect("info().length", info.length == size);
    expect("info().first_id", info.first_id == log.first_id());
    expect("info().last_id", info.last_id == log.last_id);
    expect("info().max_deleted_id", info.max_deleted_id == log.max_deleted_id);
    expect("info().entries_added", info.entries_added == log.entries_added);
    expect("info().waiting: nobody", info.waiting == 0);
}

inline void compare_consumers(const ConsumerGroup<MoveOnly>& real, const GroupReference& group,
                              Millis now) {
    const auto since = [now](Millis time) {
        return std::chrono::milliseconds{std::max<Millis>(0, now - time)};
    };
    const auto infos = real.consumers();
    const auto summary = real.pending();
    expect("consumers()", infos.size() == group.members.size());
    auto info = infos.begin();
    auto share = summary.consumers.begin();
    for (const auto& [name, member] : group.members) {
        const std::size_t pending = group.pending_of(name);
        expect("consumers(), name", info->name == name);
        expect("consumers(), pending", info->pending == pending);
        expect("consumers(), idle", info->idle == since(member.seen));
        expect("consumers(), inactive",
               info->inactive.has_value() == member.active.has_value() &&
                   (!member.active || *info->inactive == since(*member.active)));
        ++info;
        if (pending == 0) continue;
        expect("a share of pending()", share != summary.consumers.end() &&
                                           share->consumer == name && share->count == pending);
        ++share;
    }
    expect("no more shares of pending()", share == summary.consumers.end());
    expect("pending().count", summary.count == group.pending.size());
    if (summary.count == 0) return;
    expect("pending().least", summary.least == group.pending.begin()->first);
    expect("pending().greatest", summary.greatest == group.pending.rbegin()->first);
}

inline void compare(const ConsumerGroup<MoveOnly>& real, const GroupReference& group,
                    const LogReference& log, Millis now) {
    expect("pending({})", real.pending({}) == group.rows({}, now));
    const GroupInfo info = real.info();
    expect("info().name", info.name == real.name());
    expect("info().consumers", info.consumers == group.members.size());
    expect("info().pending", info.pending == group.pending.size());
    expect("info().released", info.released == group.released());
    expect("info().last_delivered", info.last_delivered == group.last_delivered);
    expect("info().entries_read", info.entries_read == group.entries_read);
    expect("info().lag, as of Redis", info.lag == group.redis_lag(log));
    expect("lag()", real.lag() == group.lag(log));
    compare_consumers(real, group, now);
}

// ---------------------------------------------------------------------- what stays open

struct OpenEntries {
    Entries<MoveOnly> batch;
    Lines lines;
};

struct OpenDeliveries {
    Deliveries<MoveOnly> batch;
    Lines lines;
    std::shared_ptr<GroupReference> group;
    std::string consumer;
    std::size_t incarnation;
};

struct OpenEntry {
    KeptEntry<MoveOnly> entry;
    Line line;
};

struct OpenCursor {
    Cursor<MoveOnly> real;
    StreamId position;
    bool knows_missed = true;
    StreamId told_up_to{};
};

/// Batches and entries that stay open for a while, and what they have to show as long as they do;
/// and cursors.
struct OpenBatches {
    std::vector<OpenEntries> entries{};
    std::vector<OpenDeliveries> deliveries{};
    std::vector<OpenEntry> kept{};
    std::vector<OpenCursor> cursors{};

    /// Whether nothing keeps values.
    [[nodiscard]] bool empty() const {
        return entries.empty() && deliveries.empty() && kept.empty();
    }

    void clear() {
        entries.clear();
        deliveries.clear();
        kept.clear();
        cursors.clear();
    }

    void check() const {
        for (const auto& [batch, lines] : entries)
            expect("entries stay as long as their batch", same(batch, lines));
        for (const auto& open : deliveries)
            expect("deliveries stay as long as their batch", same(open.batch, open.lines));
        for (const auto& [entry, line] : kept)
            expect("a kept entry stays", entry.id() == line.id && entry->get() == line.value);
    }
};

}  // namespace runnel::test
