// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/stream.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

// What a Stream and its consumer groups have to do, by the rules of Redis and written as plainly as
// possible: the entries are a std::map, what is pending is another one, and each rule is a loop
// over them. One thread; nobody waits. Values are numbers, times are milliseconds since 1970.
namespace runnel::test {

using Millis = std::int64_t;

inline Millis millis(Duration duration) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(duration.nanoseconds()).count();
}

inline constexpr std::size_t no_limit = std::numeric_limits<std::size_t>::max();

/// An entry, and the number of its delivery if it is one.
struct Line {
    StreamId id{};
    int value = 0;
    std::uint64_t attempt = 0;

    bool operator==(const Line&) const = default;
};
using Lines = std::vector<Line>;

/// What an add leads to: an id, or the reason why there is none.
struct NextId {
    StreamId id{};
    std::optional<ErrorCode> refused{};

    bool operator==(const NextId&) const = default;
};

/// What a reader has to be told of entries that were trimmed before it came there.
struct MissedReference {
    std::uint64_t count = 0;
    bool must_be_exact = true;
};

/// The entries of a stream.
struct LogReference {
    std::map<StreamId, int> entries{};
    std::set<StreamId> trimmed{};
    StreamId last_id{};
    StreamId max_deleted_id{};
    std::uint64_t entries_added = 0;
    std::size_t keep = no_limit;
    bool closed = false;

    [[nodiscard]] StreamId first_id() const {
        return entries.empty() ? StreamId{} : entries.begin()->first;
    }

    // ---- adding: the id of XADD *, <ms>-<seq> and <ms>-*

    [[nodiscard]] NextId next_id(Millis now) const {
        if (const auto refused = refuses_all()) return {.refused = refused};
        const auto ms = static_cast<std::uint64_t>(std::max<Millis>(0, now));
        return {.id = ms > last_id.ms ? StreamId{ms, 0} : *last_id.next()};
    }

    [[nodiscard]] NextId next_id(StreamId wanted) const {
        if (const auto refused = refuses_all()) return {.refused = refused};
        if (wanted <= last_id) return {.refused = ErrorCode::id_too_small};
        return {.id = wanted};
    }

    [[nodiscard]] NextId next_id_within(std::uint64_t ms) const {
        if (const auto refused = refuses_all()) return {.refused = refused};
        if (ms > last_id.ms) return {.id = {ms, 0}};
        if (ms < last_id.ms || last_id.seq == StreamId::max().seq)
            return {.refused = ErrorCode::id_too_small};
        return {.id = {ms, last_id.seq + 1}};
    }

    void add(StreamId id, int value) {
        entries.emplace(id, value);
        last_id = id;
        ++entries_added;
        trim({.count = keep});
    }

    // ---- removing

    std::size_t erase(std::span<const StreamId> ids) {
        std::size_t erased = 0;
        for (const StreamId id : ids) {
            if (entries.erase(id) == 0) continue;
            max_deleted_id = std::max(max_deleted_id, id);
            ++erased;
        }
        return erased;
    }

    std::size_t trim(const TrimOptions& to) {
        const std::size_t before = entries.size();
        while (!entries.empty() && (entries.size() > to.count || first_id() < to.before)) {
            trimmed.insert(first_id());
            entries.erase(entries.begin());
        }
        return before - entries.size();
    }

    // ---- reading

    [[nodiscard]] Lines after(StreamId id, std::size_t count = no_limit) const {
        Lines lines;
        for (auto at = entries.upper_bound(id); at != entries.end() && count != 0; ++at, --count)
            lines.push_back({at->first, at->second});
        return lines;
    }

    /// One end of a range.
    struct End {
        StreamId id{};
        bool exclusive = false;
    };

    [[nodiscard]] Lines range(End from, End to, std::size_t count, bool reverse) const {
        Lines lines;
        for (const auto& [id, value] : entries) {
            const bool begins = from.exclusive ? id > from.id : id >= from.id;
            const bool ends = to.exclusive ? id >= to.id : id > to.id;
            if (begins && !ends) lines.push_back({id, value});
        }
        if (reverse) std::ranges::reverse(lines);
        lines.resize(std::min(lines.size(), count));
        return lines;
    }

    // ---- what can be told of the entries that are gone

    /// How many were trimmed of those behind `after` and before the next one.
    [[nodiscard]] std::uint64_t missed(StreamId after) const {
        const auto next = entries.upper_bound(after);
        const auto first = trimmed.upper_bound(after);
        return static_cast<std::uint64_t>(std::distance(
            first, next == entries.end() ? trimmed.end() : trimmed.lower_bound(next->first)));
    }

    /// Whether it can be known how many will be missed by a reader that is put there.
    [[nodiscard]] bool knows_missed(StreamId after) const {
        return after == StreamId{} || (after <= last_id && missed(after) == 0);
    }

    /// How many entries were added up to `id`.
    [[nodiscard]] std::optional<std::uint64_t> estimate(StreamId id) const {
        if (entries_added == 0) return 0;
        if (entries.empty() && id <= last_id) return entries_added;
        if (id != StreamId{} && id < max_deleted_id) return std::nullopt;
        if (id == last_id) return entries_added;
        if (id > last_id) return std::nullopt;
        if (max_deleted_id == StreamId{} || max_deleted_id < first_id()) {
            if (id < first_id()) return entries_added - entries.size();
            if (id == first_id()) return entries_added - entries.size() + 1;
        }
        return std::nullopt;
    }

    [[nodiscard]] bool tombstone_ahead(StreamId id) const {
        return !entries.empty() && max_deleted_id != StreamId{} && id <= max_deleted_id;
    }

private:
    [[nodiscard]] std::optional<ErrorCode> refuses_all() const {
        if (closed) return ErrorCode::closed;
        if (last_id == StreamId::max()) return ErrorCode::id_exhausted;
        return std::nullopt;
    }
};

/// What a read or a claim gives to a consumer.
struct Handout {
    Lines lines{};
    std::vector<StreamId> lost{};
    MissedReference missed{};           // by a read
    StreamId next{};                    // of an autoclaim or a history
    Ending ending = Ending::timed_out;  // of a read without lines
};

/// One consumer group. A row is one pending entry.
struct GroupReference {
    struct Row {
        std::optional<std::string> owner{};  // nothing: released
        Millis delivered = 0;
        std::uint64_t deliveries = 0;
        Millis since = always;   // released: from then on it may be claimed
        std::uint64_t turn = 0;  // of what was done to it, among all that is done in the group
    };
    struct Member {
        Millis seen = 0;
        std::optional<Millis> active{};
        std::size_t incarnation = 0;  // who is removed and comes back is somebody else
    };
    /// What a delivery remembers of itself.
    struct Fence {
        std::string consumer;
        std::size_t incarnation;
        std::uint64_t attempt;
    };

    static constexpr std::uint64_t most_deliveries = std::numeric_limits<std::int64_t>::max();
    static constexpr Millis always = std::numeric_limits<Millis>::min();

    StreamId last_delivered{};
    std::optional<std::uint64_t> entries_read{};
    std::map<StreamId, Row> pending{};
    std::map<std::string, Member, std::less<>> members{};
    bool removed = false;
    std::size_t incarnations = 0;
    std::uint64_t turns = 0;
    bool is_in_order = false;  // it knows in which order entries were given back
    StreamId told_up_to{};     // what was trimmed up to there
    bool knows_missed = true;

    // ---- the group itself

    /// As XGROUP CREATE and SETID do.
    void set_position(const LogReference& log, From from, std::optional<std::uint64_t> read) {
        move_to(log, from.id().value_or(log.last_id));
        entries_read = read;
        if (read) entries_read = std::min(*read, log.entries_added);
    }

    Member& member(const std::string& name, Millis now) {
        const auto [found, is_new] = members.try_emplace(name);
        if (is_new) found->second = {.seen = now, .incarnation = ++incarnations};
        return found->second;
    }

    std::size_t remove_member(const std::string& name) {
        members.erase(name);
        return std::erase_if(pending, [&](const auto& row) { return row.second.owner == name; });
    }

    [[nodiscard]] std::size_t pending_of(const std::string& name) const {
        return static_cast<std::size_t>(std::ranges::count_if(
            pending, [&](const auto& row) { return row.second.owner == name; }));
    }

    // ---- reading

    Handout read(const LogReference& log, const std::string& name, const GroupReadOptions& options,
                 std::size_t max_pending, Millis now) {
        if (removed) return {.ending = Ending::gone};
        Member& me = seen(name, now);
        Handout handout;
        if (options.claim) put_in_order();
        if ((!options.acknowledged || options.claim) && pending_of(name) >= max_pending)
            handout.lost = drop_lost(log, name);
        if (options.claim) handout.lines = claim_idle(log, name, options, max_pending, now);
        if (log.entries.upper_bound(last_delivered) == log.entries.end()) {
            if (!handout.lines.empty()) return handout;
            const bool is_over = log.closed && !(options.claim && has_live_pending(log));
            handout.ending = is_over ? Ending::closed : Ending::timed_out;
            if (is_over) handout.missed = tell_missed(log);
            return handout;
        }
        const std::size_t room = max_pending - std::min(max_pending, pending_of(name));
        const std::size_t count = options.acknowledged ? no_limit : room;
        Lines lines =
            log.after(last_delivered, std::min(count, options.count - handout.lines.size()));
        if (!lines.empty()) handout.missed = tell_missed(log);
        for (Line& line : lines) {
            line.attempt = 1;
            pass(log, line.id);
            handout.lines.push_back(line);
            if (options.acknowledged) continue;
            deliver(pending[line.id], name, now, 1);
            me.active = now;
        }
        return handout;
    }

    /// What a read claims: what was given back, as its time came; then by the time of delivery what
    /// was idle for long enough.
    Lines claim_idle(const LogReference& log, const std::string& name,
                     const GroupReadOptions& options, std::size_t max_pending, Millis now) {
        std::vector<std::tuple<bool, Millis, std::uint64_t, StreamId>> order;
        for (const auto& [id, row] : pending)
            if (log.entries.contains(id) && is_claimable(row, millis(*options.claim), now))
                order.emplace_back(row.owner.has_value(), row.owner ? row.delivered : row.since,
                                   row.turn, id);
        std::ranges::sort(order);
        Lines lines;
        for (const auto& [is_owned, time, turn, id] : order) {
            Row& row = pending.at(id);
            const bool has_room = row.owner == name || pending_of(name) < max_pending;
            if (!has_room || lines.size() == options.count) continue;
            deliver(row, name, now, one_more(row.deliveries));
            members.at(name).active = now;
            lines.push_back({id, log.entries.at(id), row.deliveries});
        }
        return lines;
    }

    [[nodiscard]] bool has_live_pending(const LogReference& log) const {
        return std::ranges::any_of(
            pending, [&](const auto& row) { return log.entries.contains(row.first); });
    }

    std::vector<StreamId> drop_lost(const LogReference& log, const std::string& name) {
        std::vector<StreamId> lost;
        for (const auto& [id, row] : pending)
            if (row.owner == name && !log.entries.contains(id)) lost.push_back(id);
        for (const StreamId id : lost) pending.erase(id);
        return lost;
    }

    Handout history(const LogReference& log, const std::string& name, const HistoryOptions& options,
                    Millis now) {
        if (removed) return {.ending = Ending::gone};
        Handout handout;
        seen(name, now);
        std::size_t left = options.count;
        StreamId last{};
        for (auto& [id, row] : pending) {
            if (id <= options.after || row.owner != name) continue;
            if (left-- == 0) {
                handout.next = last;
                break;
            }
            last = id;
            if (log.entries.contains(id)) {
                deliver(row, name, now, one_more(row.deliveries));
                handout.lines.push_back({id, log.entries.at(id), row.deliveries});
            } else {
                handout.lost.push_back(id);
            }
        }
        return handout;
    }

    // ---- acknowledging and releasing

    [[nodiscard]] bool holds(StreamId id, const Fence& fence) const {
        const auto found = pending.find(id);
        return found != pending.end() && found->second.owner == fence.consumer &&
               found->second.deliveries == fence.attempt &&
               members.at(fence.consumer).incarnation == fence.incarnation;
    }

    bool ack(StreamId id) { return pending.erase(id) != 0; }

    bool nack(StreamId id, Nack mode, const NackOptions& options, Millis now) {
        const auto found = pending.find(id);
        if (found == pending.end()) return false;
        std::uint64_t deliveries = found->second.deliveries;
        if (mode == Nack::silent && deliveries != 0) --deliveries;
        if (mode == Nack::fatal) deliveries = most_deliveries;
        Millis since = is_in_order ? now : always;
        if (options.after > std::chrono::nanoseconds{0}) since = now + millis(options.after);
        found->second = {std::nullopt, 0, deliveries, since, ++turns};
        return true;
    }

    /// Requires: it has an owner.
    void extend(StreamId id, Millis now) {
        Row& row = pending.at(id);
        deliver(row, *row.owner, now, row.deliveries);
        seen(*row.owner, now).active = now;
    }

    // ---- claiming

    Handout claim(const LogReference& log, const std::string& name, std::span<const StreamId> ids,
                  const ClaimOptions& options, Millis now) {
        if (removed) return {.ending = Ending::gone};
        Handout handout;
        Member& me = seen(name, now);
        if (options.last_id > last_delivered) move_to(log, options.last_id);
        const Millis delivered = now - std::max<Millis>(0, millis(options.idle));
        for (const StreamId id : ids) {
            if (!log.entries.contains(id)) {
                if (ack(id)) handout.lost.push_back(id);
                continue;
            }
            if (!pending.contains(id) && !options.force) continue;
            Row& row = pending.try_emplace(id, Row{.deliveries = 1}).first->second;
            if (!is_claimable(row, millis(options.min_idle), now)) continue;
            const std::uint64_t usual = options.counts ? one_more(row.deliveries) : row.deliveries;
            deliver(row, name, delivered, options.deliveries.value_or(usual));
            me.active = now;
            handout.lines.push_back({id, log.entries.at(id), row.deliveries});
        }
        return handout;
    }

    Handout autoclaim(const LogReference& log, const std::string& name,
                      const AutoclaimOptions& options, Millis now) {
        if (removed) return {.ending = Ending::gone};
        Handout handout;
        seen(name, now);
        std::size_t count = std::min(options.count, pending.size());
        auto at = pending.lower_bound(options.start);
        for (auto looks = 10 * count; at != pending.end() && looks != 0 && count != 0; --looks) {
            const StreamId id = (at++)->first;
            Handout one = claim(log, name, std::span{&id, 1},
                                {.min_idle = options.min_idle, .counts = options.counts}, now);
            count -= one.lines.size() + one.lost.size();
            std::ranges::copy(one.lines, std::back_inserter(handout.lines));
            std::ranges::copy(one.lost, std::back_inserter(handout.lost));
        }
        if (at != pending.end()) handout.next = at->first;
        return handout;
    }

    // ---- looking

    [[nodiscard]] std::vector<PendingEntry> rows(const PendingOptions& options, Millis now) const {
        std::vector<PendingEntry> entries;
        for (const auto& [id, row] : pending) {
            if (id < options.first || id > options.last || entries.size() == options.count)
                continue;
            if (options.consumer && row.owner != *options.consumer) continue;
            if (row.owner && idle(row, now) < millis(options.min_idle)) continue;
            entries.push_back(
                {id, row.owner.value_or(""), !row.owner,
                 std::chrono::milliseconds{row.owner ? idle(row, now) : 0}, row.deliveries,
                 std::chrono::milliseconds{row.owner ? 0 : std::max(row.since, now) - now}});
        }
        return entries;
    }

    [[nodiscard]] std::size_t released() const {
        return static_cast<std::size_t>(
            std::ranges::count_if(pending, [](const auto& row) { return !row.second.owner; }));
    }

    /// How many entries are still to be delivered: in truth, and as Redis tells.
    [[nodiscard]] std::size_t lag(const LogReference& log) const {
        return static_cast<std::size_t>(
            std::distance(log.entries.upper_bound(last_delivered), log.entries.end()));
    }
    [[nodiscard]] std::optional<std::uint64_t> redis_lag(const LogReference& log) const {
        if (log.entries_added == 0 || log.entries.empty()) return 0;
        if (last_delivered < log.first_id() && log.max_deleted_id < log.first_id())
            return log.entries.size();
        const auto read = entries_read && !log.tombstone_ahead(last_delivered)
                              ? entries_read
                              : log.estimate(last_delivered);
        if (!read) return std::nullopt;
        return log.entries_added - std::min(*read, log.entries_added);
    }

    [[nodiscard]] static Millis idle(const Row& row, Millis now) {
        return std::max<Millis>(0, now - row.delivered);
    }
    [[nodiscard]] static bool is_claimable(const Row& row, Millis min_idle, Millis now) {
        return row.owner ? idle(row, now) >= min_idle : row.since <= now;
    }

private:
    void deliver(Row& row, const std::string& to, Millis time, std::uint64_t deliveries) {
        row = {to, time, deliveries, always, ++turns};
    }

    /// What was done before the first read that claims counts as done in the order of ids.
    void put_in_order() {
        if (std::exchange(is_in_order, true)) return;
        for (auto& [id, row] : pending) row.turn = ++turns;
    }

    Member& seen(const std::string& name, Millis now) {
        Member& me = member(name, now);
        me.seen = now;
        return me;
    }

    [[nodiscard]] static std::uint64_t one_more(std::uint64_t deliveries) {
        return deliveries < most_deliveries ? deliveries + 1 : most_deliveries;
    }

    void move_to(const LogReference& log, StreamId position) {
        last_delivered = position;
        told_up_to = {};
        knows_missed = log.knows_missed(position);
    }

    MissedReference tell_missed(const LogReference& log) {
        const StreamId from = std::max(last_delivered, told_up_to);
        told_up_to = log.last_id;
        if (const auto next = log.entries.upper_bound(from); next != log.entries.end())
            told_up_to = next->first;
        return {log.missed(from), std::exchange(knows_missed, true)};
    }

    /// Entry `id` is delivered.
    void pass(const LogReference& log, StreamId id) {
        if (entries_read && last_delivered >= log.first_id() &&
            !log.tombstone_ahead(last_delivered))
            ++*entries_read;
        else if (log.entries_added != 0)
            entries_read = log.estimate(id);
        last_delivered = id;
    }
};

}  // namespace runnel::test
