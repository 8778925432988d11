// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/abstract_clock.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/linked.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/base/process.hpp>
#include <runnel/detail/base/thread_id.hpp>
#include <runnel/detail/core/group_state.hpp>
#include <runnel/detail/core/log_cursor.hpp>
#include <runnel/detail/core/stream_log.hpp>
#include <runnel/detail/wait/core_offers.hpp>
#include <runnel/detail/wait/spin.hpp>
#include <runnel/detail/wait/system_clock.hpp>
#include <runnel/detail/wait/turn.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/duration.hpp>
#include <runnel/error.hpp>
#include <runnel/message.hpp>
#include <runnel/stats.hpp>
#include <runnel/stream_id.hpp>
#include <runnel/stream_options.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <sys/types.h>
#include <utility>

namespace runnel::inline v0::detail {

template <Message T>
class StreamState;

// What a wait in the line of a group waits for.
struct GroupWait {
    ConsumerKey consumer;
    std::size_t max_pending = 0;
    bool is_read = false;            // a call of the consumer; false: it only looks
    bool is_for_room = false;        // there was something, but the consumer had enough pending
    std::uint64_t signals_seen = 0;  // of those of the stream
    std::optional<Milliseconds> min_idle{};  // nothing: it claims nothing

    [[nodiscard]] bool claims() const noexcept { return min_idle.has_value(); }
};

// When a wait that claims looks again at the latest, and which of those in the line of a group that
// is: one does so for all. In a child of fork() there is none, as in a WaitQueue.
class NextLook {
public:
    static constexpr Milliseconds never = std::numeric_limits<Milliseconds>::max();
    static constexpr Milliseconds now = std::numeric_limits<Milliseconds>::min();

    [[nodiscard]] Milliseconds at() const noexcept {
        return process_ == Process::id() ? at_ : never;
    }
    [[nodiscard]] Milliseconds at_of(const WaitNode& node) const noexcept {
        return &node == by_ ? at() : never;
    }

    void set(const WaitNode& by, Milliseconds at) noexcept {
        by_ = &by;
        at_ = at;
        process_ = Process::id();
    }
    // It looks, or has left the line.
    void end_of(const WaitNode& node) noexcept {
        if (&node == by_) set(node, never);
    }

private:
    const WaitNode* by_ = nullptr;
    Milliseconds at_ = never;
    pid_t process_ = 0;
};

// A group, and the waits for what it delivers next. Guarded by the lock of its stream, which it
// keeps in memory: the stream drops its groups when its last handle goes.
template <Message T>
class StreamGroup final : public Owned, public TurnGiver {
public:
    StreamGroup(StreamState<T>& of, std::string_view called, StreamId after,
                std::optional<std::uint64_t> entries_read, const LogFacts& log)
        : stream{of}, name{called}, rules{after, entries_read, log} {}

    void end_turn(Turn& turn) noexcept override {
        WakeChain chain;
        {
            const Lock lock{stream->mutex};
            if (turns.end(turn)) stream->tell_lookers(*this, chain);
        }
        chain.resume_all();
    }
    void move_turn(Turn& from, Turn& to) noexcept override {
        const Lock lock{stream->mutex};
        turns.move(from, to);
    }

    // For a consumer that finds nothing: whether entries have come in a stream lately. Then it pays
    // to pause, and to find several. The consumers of a group find nothing one after the other, so
    // the streak does not end at once, but fades.
    [[nodiscard]] bool fade_streak() noexcept {
        return std::exchange(streak, streak * 3 / 4) > stream_length;
    }
    // For a consumer that finds nothing: whether it pauses before it stands in line. Where entries
    // come in a stream, but one by one, as they are handed over in line, a pause now and then finds
    // that out.
    [[nodiscard]] bool is_worth_a_pause() noexcept {
        constexpr std::uint32_t waits_between_trials = 64;
        if (streak > stream_length) return true;
        return ++waits_before_trial % waits_between_trials == 0;
    }

    const Owner<StreamState<T>> stream;
    const std::string name;
    GroupState rules;
    LogCursor<T> next;  // reads behind rules.last_delivered(); reset() it when that is set
    WaitQueue readers;
    WaitQueue lookers;  // waits that only look; each entry tells one, as long as that has its turn
    Turns turns;
    // The waits in its lines. While there are any, it is linked with other such groups.
    struct Waits {
        explicit Waits(StreamGroup& in) noexcept : group{in} {}

        StreamGroup& group;
        std::size_t count = 0;
        Waits* previous = nullptr;
        Waits* next = nullptr;
    } waits{*this};
    bool is_removed = false;
    // Of the waits that claim, and what they need to know.
    struct Claims {
        std::size_t count = 0;                    // in line
        Milliseconds min_idle = NextLook::never;  // none of them asks for less
        Milliseconds time = 0;                    // one that has come
        NextLook next_look;
    } claims;
    std::size_t streak = 0;  // entries delivered lately
    std::uint32_t waits_before_trial = 0;
    std::uint64_t signals_seen = 0;  // by all that wait
};

// The place of a wait in the queue of a stream's readers or, with `group`, of those of a group.
// Keeps the memory of both meanwhile.
template <Message T>
struct StreamNode : WaitNode {
    StreamNode(Waiter& of, StreamState<T>& in, StreamGroup<T>* at, GroupWait* what) noexcept
        : WaitNode{of},
          keep{in},
          group{at != nullptr ? Owner{*at} : Owner<StreamGroup<T>>{}},
          wait{what} {}

    const Owner<StreamState<T>> keep;
    const Owner<StreamGroup<T>> group;
    GroupWait* const wait;  // null without a group
};

// Whether the entry of an id is in the stream. Requires: its lock.
template <Message T>
struct IsLive {
    const StreamLog<T>& log;

    bool operator()(const StreamId& id) const noexcept { return static_cast<bool>(log.find(id)); }
};

// The cores of a stream and its groups, the waits in it, and what wakes them.
//
// Invariant outside the lock: an entry and a wait that it would end never coexist. A wait that
// only looks may stand beside entries of which others were told. One exception, as in Redis: after
// the position of a group was set back, a wait that had found nothing ends only with the next add,
// or removal of a group. A wait for room ends as soon as there is room and an entry.
//
// Waits that claim also end when time passes, or must look for it anew. For this one of them is
// claimed, by the clock or by whoever has made the moment earlier. It keeps its place in line; the
// line stops there until it comes, looks again and serves the line, or leaves it and does so.
template <Message T>
class StreamState final : public Shared {
public:
    using Group = StreamGroup<T>;
    using Groups = std::map<std::string, Owner<Group>, std::less<>>;

    explicit StreamState(const StreamOptions& options)
        : clock{options.clock != nullptr ? *options.clock : SystemClock::instance()},
          is_real{clock.is_real()},
          keep{options.keep},
          block_entries{options.block_entries},
          log{options.block_entries} {}

    // The entries are destroyed before the stream: their destructors find it closed and empty.
    ~StreamState() override {
        Disposal<T> disposal;
        const Lock lock{mutex};
        log.clear(disposal);
    }

    void last_handle_gone() noexcept override {
        Groups gone;  // they own this state, through which no thread can reach them
        WakeChain chain;
        {
            const Lock lock{mutex};
            closed = is_abandoned = true;
            serve_all(chain);
            gone.swap(groups);
        }
        chain.resume_all();
    }

    void close() noexcept {
        WakeChain chain;
        {
            const Lock lock{mutex};
            closed = true;
            serve_all(chain);
        }
        chain.resume_all();
    }

    // Milliseconds since 1970: for ids.
    [[nodiscard]] Milliseconds wall() const noexcept {
        return std::chrono::duration_cast<std::chrono::milliseconds>(
                   clock.wall().time_since_epoch())
            .count();
    }

    // The time of groups: monotonic milliseconds. They count from so long ago that even an entry
    // that has been idle for the longest Duration was delivered after the start.
    static constexpr Milliseconds beginning = Milliseconds{1} << 45;

    [[nodiscard]] Milliseconds now() const noexcept {
        return beginning +
               std::chrono::floor<std::chrono::milliseconds>(clock.recent().time_since_epoch())
                   .count();
    }
    // In that time, when so much of it has passed from now on.
    [[nodiscard]] Milliseconds after(Duration duration) const noexcept {
        const Clock::Deadline time = later(clock.now(), duration);
        return beginning +
               std::chrono::ceil<std::chrono::milliseconds>(time.time_since_epoch()).count();
    }
    // When now() will be `time`, or the last moment there is.
    [[nodiscard]] static Clock::Deadline moment(Milliseconds time) noexcept {
        return later(Clock::Deadline{}, std::chrono::milliseconds{time - beginning});
    }

    // What an entry gets that is added now: the id after the last one.
    [[nodiscard]] auto next_id() const noexcept {
        const auto now = static_cast<std::uint64_t>(std::max<Milliseconds>(0, wall()));
        return [now](StreamId last) {
            const auto id = id_after(last, now);
            if (!id) refuse_exhausted();
            return *id;
        };
    }
    [[noreturn]] static void refuse_exhausted() {
        throw Error{ErrorCode::id_exhausted, "Stream: the last possible id was given out"};
    }

    // Adds `message` under the id that next_id(last id) returns. If either throws, `message` is
    // untouched. Then trims, and serves the waits.
    template <typename NextId>
    StreamId add(T& message, NextId next_id) {
        Disposal<T> disposal;
        WakeChain chain;
        StreamId id;
        {
            const Lock lock{mutex};
            if (closed) throw Error{ErrorCode::closed, "Stream: it is closed"};
            id = prepare_add(next_id, disposal);
            commit_add(id, message, disposal);
            serve_added(chain);
        }
        chain.resume_all();
        return id;
    }

    // The parts of an add. Between the first two the log must not change. prepare_add() throws what
    // next_id() does, and std::bad_alloc; then nothing has changed that can be seen.
    template <typename NextId>
    [[nodiscard]] StreamId prepare_add(NextId next_id, Disposal<T>& disposal)
        RUNNEL_REQUIRES(mutex) {
        const StreamId id = next_id(log.last_id());
        log.reserve(id, disposal);
        return id;
    }
    void commit_add(StreamId id, T& message, Disposal<T>& disposal) noexcept
        RUNNEL_REQUIRES(mutex) {
        (void)log.append(id, std::move(message));  // this effect is what the waits wait for
        if (log.size() > keep.count) (void)log.trim_to_length(keep.count, disposal);
    }
    void serve_added(WakeChain& chain) noexcept RUNNEL_REQUIRES(mutex) {
        if (waits == 0) [[likely]]
            return;
        signal();
        serve_all(chain);
    }

    // Calls step(log, disposal), which removes entries; returns how many.
    template <typename Step>
    std::size_t remove(Step step) noexcept RUNNEL_EXCLUDES(mutex) {
        Disposal<T> disposal;
        WakeChain chain;
        Effect effect;
        {
            const Lock lock{mutex};
            effect = step(log, disposal);
            // Waits for room may have room now, or nothing left to wait for.
            if (effect && waits != 0) [[unlikely]]
                serve_removed(chain);
        }
        chain.resume_all();
        return effect.removed;
    }

    // Erases these entries; returns how many were there.
    std::size_t erase(std::span<const StreamId> ids) noexcept RUNNEL_EXCLUDES(mutex) {
        return remove([&](auto& from, auto& disposal) {
            mutex.assert_held();
            Effect effect;
            for (const StreamId& id : ids) {
                const auto place = from.find(id);
                if (place) effect += erase(place, disposal);
            }
            return effect;
        });
    }

    // The parts of that: erases one entry, and serves those who may have room now.
    Effect erase(LogPlace<T> place, Disposal<T>& disposal) noexcept RUNNEL_REQUIRES(mutex) {
        for (auto& [name, group] : groups) group.get()->rules.note_erased(place.id());
        return log.erase(place, disposal);
    }
    void serve_removed(WakeChain& chain) noexcept RUNNEL_REQUIRES(mutex) {
        for_each_awaited([&](Group& group) {
            mutex.assert_held();
            serve_those_for_room(group, chain);
        });
    }

    // ---- waiting

    // Puts `node`, of a wait over several objects, into line unless the wait ends at once. True if
    // this thread has claimed it.
    [[nodiscard]] bool enter(StreamNode<T>& node, WakeChain& chain) noexcept
        RUNNEL_EXCLUDES(mutex) {
        const Lock lock{mutex};
        const bool mine = join(queue_of(node), node);
        if (node.queue == nullptr) return mine;
        count_wait(node);
        Group* const group = node.group.get();
        if (group != nullptr) end_turn_of_caller(*group, chain);
        return mine;
    }

    // Puts `node` into line: its request cannot be carried out now.
    void queue_up(StreamNode<T>& node) noexcept RUNNEL_REQUIRES(mutex) {
        queue_of(node).insert(node);
        count_wait(node);
    }

    // Takes `node` out of line if it still stands in it; then this may throw what catch_up()
    // throws.
    void leave(StreamNode<T>& node) RUNNEL_EXCLUDES(mutex) {
        WakeChain chain;
        bool has_memory = true;
        {
            const Lock lock{mutex};
            if (node.queue == nullptr) return;
            has_memory = leave(node, chain);
        }
        chain.resume_all();
        if (!has_memory) throw std::bad_alloc{};
    }
    // The same. False: memory has run out.
    [[nodiscard]] bool leave(StreamNode<T>& node, WakeChain& chain) noexcept
        RUNNEL_REQUIRES(mutex) {
        bool has_memory = true;
        try {
            if (node.wait != nullptr) catch_up(*node.group.get(), *node.wait);
        } catch (const std::bad_alloc&) {
            has_memory = false;
        }
        node.queue->remove(node);
        uncount_wait(node);
        if (claims(node)) serve_line(*node.group.get(), chain);
        return has_memory;
    }

    // Asks a wait that claims, wherever it stands in line, if it can have something.
    void ask_alone(StreamNode<T>& node, WakeChain& chain) noexcept RUNNEL_REQUIRES(mutex) {
        Group& group = *node.group.get();
        const auto moment = next_claim(group, *node.wait);
        const bool may_claim = moment && *moment <= time_of_claims(group);
        const bool may_read = group.next.seek(log) && look_for_room(group, *node.wait);
        if (may_claim || may_read) ask(group.readers, node, chain);
    }

    // After a change that may end any wait. An added entry goes to all readers and, in each group,
    // to as many as it is enough for.
    void serve_all(WakeChain& chain) noexcept RUNNEL_REQUIRES(mutex) {
        ask(readers, chain);
        for_each_awaited([&](Group& group) {
            mutex.assert_held();
            serve_line(group, chain);
        });
    }
    void serve_line(Group& group, WakeChain& chain, StreamNode<T>* looking = nullptr) noexcept
        RUNNEL_REQUIRES(mutex) {
        ask_in_line(group, chain, [](const WaitNode&) { return true; });
        serve_those_for_room(group, chain, looking);
    }

    // After a change that may have made room for a consumer of the group, or may have something
    // claimed, now or at another moment. Only a wait that will end is asked, as that counts as a
    // call of its consumer. `looking`: a wait that claims, and may see to the next look itself.
    void serve_those_for_room(Group& group, WakeChain& chain,
                              StreamNode<T>* looking = nullptr) noexcept RUNNEL_REQUIRES(mutex) {
        const auto has_room = [&](WaitNode& node) {
            mutex.assert_held();
            return look_for_room_of(node);
        };
        std::uint32_t before = 0;
        do {  // again when one was served: that may have made room for another
            before = waits;
            ask_in_line(group, chain, has_room);
            if (group.claims.count != 0) serve_claims(group, chain, looking);
        } while (waits != before);
        if (closed && !group.next.seek(log)) end_drained(group, chain);
    }

    // From when on the wait may claim something; nothing: nothing is pending that it ever could, as
    // things stand.
    [[nodiscard]] std::optional<Milliseconds> next_claim(Group& group,
                                                         const GroupWait& wait) const noexcept
        RUNNEL_REQUIRES(mutex) {
        if (look_for_room(group, wait)) return group.rules.next_claim(*wait.min_idle, is_live());
        return group.rules.next_claim_of(*group.rules.find(wait.consumer), *wait.min_idle,
                                         is_live());
    }
    // The time of claims. It may be later than that of other calls, as it tells a wait that has
    // slept until some moment that this has come.
    [[nodiscard]] Milliseconds time_of_claims(Group& group) const noexcept RUNNEL_REQUIRES(mutex) {
        return group.claims.time = std::max(group.claims.time, now());
    }
    void note_exact_time(Group& group) const noexcept RUNNEL_REQUIRES(mutex) {
        const auto time =
            std::chrono::floor<std::chrono::milliseconds>(clock.now().time_since_epoch());
        group.claims.time = std::max(group.claims.time, beginning + time.count());
    }

    // After a turn has ended: tells the next wait that looks if there is an entry of which nobody
    // was told.
    void tell_lookers(Group& group, WakeChain& chain) noexcept RUNNEL_REQUIRES(mutex) {
        ask_in_line(group, chain, [](WaitNode& node) { return !wait_of(node).is_read; });
    }

    // To be called when the calling thread has taken an entry, which is what it was told of, or
    // has got into line: then another one may come for that entry.
    void end_turn_of_caller(Group& group, WakeChain& chain) noexcept RUNNEL_REQUIRES(mutex) {
        if (group.turns.empty()) [[likely]]
            return;
        if (group.turns.end_of(this_thread()))
            tell_lookers(group, chain);
        else
            end_turns(group);
    }

    // Ends turns until there are no more than entries.
    void end_turns(Group& group) noexcept RUNNEL_REQUIRES(mutex) {
        if (group.turns.empty()) [[likely]]
            return;
        group.turns.end_all_but(count_up_to(group.turns.size(), group));
    }

    // The same after a step of a group.
    void serve_after(const Effect& effect, Group& group, WakeChain& chain) noexcept
        RUNNEL_REQUIRES(mutex) {
        if (waits == 0) return;
        if (effect.released != 0) signal();
        serve_those_for_room(group, chain);
    }

    // Whether a consumer may have one more pending, once what the stream has lost is dropped.
    [[nodiscard]] bool look_for_room(Group& group, const GroupWait& wait) const noexcept
        RUNNEL_REQUIRES(mutex) {
        ConsumerRecord* const consumer = group.rules.find(wait.consumer);
        if (consumer == nullptr || consumer->pending < wait.max_pending) return true;
        return static_cast<bool>(group.rules.first_lost(*consumer, log.facts(), is_live()));
    }
    [[nodiscard]] IsLive<T> is_live() const noexcept RUNNEL_REQUIRES(mutex) { return {log}; }

    // ---- looking

    // What `group` has still to do.
    [[nodiscard]] Backlog backlog(const Group& group, const StatsOptions& options) const noexcept
        RUNNEL_REQUIRES(mutex) {
        const GroupState& rules = group.rules;
        const PendingEntries& pending = rules.pending();
        const LogPlace<T> undelivered = log.after(rules.last_delivered());
        Backlog backlog;
        backlog.lag = log.count_after(rules.last_delivered());
        backlog.pending = pending.size();
        backlog.released = pending.released();
        if (undelivered) backlog.undelivered_age = age_of(undelivered.id());
        if (pending.size() == 0) return backlog;
        backlog.unacknowledged_age = age_of(PendingEntries::id(pending.first()));
        if (options.attempts) backlog.attempts = rules.greatest_deliveries();
        return backlog;
    }

    // Throws: std::bad_alloc.
    [[nodiscard]] GroupStats stats(const Group& group, const StatsOptions& options) const
        RUNNEL_REQUIRES(mutex) {
        const GroupCounts& counts = group.rules.counts();
        GroupStats stats;
        stats.name = group.name;
        stats.backlog = backlog(group, options);
        stats.consumers = group.rules.consumers().size();
        stats.waiting = group.waits.count;
        stats.delivered = counts.delivered;
        stats.redelivered = counts.redelivered;
        stats.acknowledged = counts.acknowledged;
        stats.dropped = counts.dropped;
        return stats;
    }
    [[nodiscard]] StreamStats stats(const StatsOptions& options) const RUNNEL_REQUIRES(mutex) {
        const LogPlace<T> oldest = log.first();
        StreamStats stats;
        stats.size = log.size();
        stats.limit = keep.count;
        stats.high_water = std::min(log.high_water(), keep.count);
        stats.added = log.facts().entries_added;
        stats.trimmed = log.trimmed();
        stats.erased = log.erased();
        stats.waiting = waits;
        if (oldest) stats.age = age_of(oldest.id());
        stats.is_closed = closed;
        stats.groups.reserve(groups.size());
        for (const auto& [name, group] : groups)
            stats.groups.push_back(this->stats(*group.get(), options));
        return stats;
    }

    // By the wall clock; never negative.
    [[nodiscard]] std::chrono::milliseconds age_of(StreamId id) const noexcept {
        const auto now = static_cast<std::uint64_t>(std::max<Milliseconds>(0, wall()));
        return std::chrono::milliseconds{now - std::min(now, id.ms)};
    }

    // ---- as in Redis, each signal counts as a new call of every waiting consumer; worked out when
    // the group is next looked at

    // An entry was added, a group was removed, or entries were released.
    void signal() noexcept RUNNEL_REQUIRES(mutex) {
        ++signals_sent;
        signalled = now();
    }

    // Counts the last signal as a call of each consumer that waits: its idle time began anew then,
    // and a removed consumer is there again. Throws: std::bad_alloc.
    void catch_up(Group& group) RUNNEL_REQUIRES(mutex) {
        if (group.signals_seen == signals_sent) return;
        for (WaitNode* node = group.readers.first(); node != nullptr; node = node->next)
            catch_up(group, wait_of(*node));
        group.signals_seen = signals_sent;
    }

    // Whether a read of that consumer stands in line.
    [[nodiscard]] bool waits_for(const Group& group, const ConsumerRecord& consumer) const noexcept
        RUNNEL_REQUIRES(mutex) {
        for (WaitNode* node = group.readers.first(); node != nullptr; node = node->next)
            if (group.rules.find(wait_of(*node).consumer) == &consumer) return true;
        return false;
    }

    // ---- groups

    // The group of that name, made if there is none.
    [[nodiscard]] Owner<Group> group(std::string_view name, std::optional<StreamId> after,
                                     std::optional<std::uint64_t> entries_read) {
        const Lock lock{mutex};
        const auto found = groups.find(name);
        if (found != groups.end()) return Owner{*found->second.get()};
        const StreamId start = after.value_or(log.last_id());
        Owner<Group> made(std::in_place, *this, name, start, entries_read, log.facts());
        groups.emplace(std::string{name}, Owner{*made.get()});
        made.get()->next.reset(start, log);
        return made;
    }

    [[nodiscard]] Owner<Group> find_group(std::string_view name) noexcept {
        const Lock lock{mutex};
        const auto found = groups.find(name);
        return found == groups.end() ? Owner<Group>{} : Owner{*found->second.get()};
    }

    bool remove_group(std::string_view name) noexcept {
        Owner<Group> removed;  // outlives the lock
        WakeChain chain;
        {
            const Lock lock{mutex};
            const auto found = groups.find(name);
            if (found == groups.end()) return false;
            removed = std::move(found->second);
            groups.erase(found);
            removed.get()->is_removed = true;
            ask(*removed.get(), chain);
            // What still waits there are threads of the parent process.
            if (std::exchange(removed->waits.count, 0) != 0) awaited_.remove(removed->waits);
            if (waits != 0) {
                signal();
                serve_all(chain);
            }
        }
        chain.resume_all();
        return true;
    }

    mutable Mutex mutex;
    bool closed RUNNEL_GUARDED_BY(mutex) = false;
    bool is_abandoned RUNNEL_GUARDED_BY(mutex) = false;       // the last handle has gone
    std::uint32_t waits RUNNEL_GUARDED_BY(mutex) = 0;         // all that stand in a queue here
    std::uint64_t signals_sent RUNNEL_GUARDED_BY(mutex) = 0;  // while there were waits
    Milliseconds signalled RUNNEL_GUARDED_BY(mutex) = 0;
    Clock& clock;
    const bool is_real;
    const Keep keep;
    const std::uint32_t block_entries;
    StreamLog<T> log RUNNEL_GUARDED_BY(mutex);
    WaitQueue readers RUNNEL_GUARDED_BY(mutex);
    Groups groups RUNNEL_GUARDED_BY(mutex);
    SpinBudget spin;
    CoreOffers offers;

private:
    void ask(WaitQueue& queue, WakeChain& chain) noexcept RUNNEL_REQUIRES(mutex) {
        for (WaitNode* node = queue.first(); node != nullptr;) node = ask(queue, *node, chain);
    }

    // Runs the requests in the line of `group` that `is_to_be_asked` selects, as long as there is
    // something to deliver.
    template <typename Predicate>
    // NOLINTNEXTLINE(readability-function-cognitive-complexity)
    void ask_in_line(Group& group, WakeChain& chain, Predicate is_to_be_asked) noexcept
        RUNNEL_REQUIRES(mutex) {
        WaitNode* looker = group.lookers.first();
        WaitNode* reader = group.readers.first();
        while ((looker != nullptr || reader != nullptr) && group.next.seek(log)) {
            const bool is_look = looker != nullptr && is_before(*looker, reader) &&
                                 count_up_to(group.turns.size() + 1, group) > group.turns.size();
            WaitNode*& at = is_look ? looker : reader;
            if (at == nullptr) break;
            WaitNode& node = *std::exchange(at, at->next);
            const bool may_look = claims(node);
            if (may_look && is_about_to_look(node)) break;
            if (!is_to_be_asked(node)) continue;
            if (is_look)
                tell(group, node, chain);
            else
                ask(group.readers, node, chain);
            if (may_look && node.queue != nullptr && is_about_to_look(node)) break;
        }
        end_turns(group);
    }
    [[nodiscard]] static bool is_before(const WaitNode& looker, const WaitNode* reader) noexcept {
        return reader == nullptr || looker.waiter->place() < reader->waiter->place();
    }

    // Runs the request of `node`, a wait that looks.
    void tell(Group& group, WaitNode& node, WakeChain& chain) noexcept RUNNEL_REQUIRES(mutex) {
        if (group.turns.tell(group.lookers, node, group, chain))
            uncount_wait(static_cast<StreamNode<T>&>(node));
    }

    // How many entries the group has not delivered, but at most `most`.
    [[nodiscard]] std::size_t count_up_to(std::size_t most, Group& group) noexcept
        RUNNEL_REQUIRES(mutex) {
        std::size_t count = 0;
        if (most == 0) return count;
        for (auto place = group.next.seek(log); place && count != most; ++count)
            place = StreamLog<T>::next(place);
        return count;
    }

    // All that wait in the lines of a group.
    void ask(Group& group, WakeChain& chain) noexcept RUNNEL_REQUIRES(mutex) {
        ask(group.readers, chain);
        ask(group.lookers, chain);
    }

    [[nodiscard]] static GroupWait& wait_of(WaitNode& node) noexcept {
        return *static_cast<StreamNode<T>&>(node).wait;
    }

    [[nodiscard]] bool look_for_room_of(WaitNode& node) const noexcept RUNNEL_REQUIRES(mutex) {
        const GroupWait& wait = wait_of(node);
        return wait.is_for_room &&
               look_for_room(*static_cast<StreamNode<T>&>(node).group.get(), wait);
    }

    // What claims goes on as long as something is pending that it may claim later.
    void end_drained(Group& group, WakeChain& chain) noexcept RUNNEL_REQUIRES(mutex) {
        const bool claims_end =
            group.claims.count == 0 || is_abandoned || !group.rules.next_claim(0, is_live());
        if (claims_end) return ask(group, chain);
        ask(group.lookers, chain);
        for (WaitNode* node = group.readers.first(); node != nullptr;)
            node = claims(*node) ? node->next : ask(group.readers, *node, chain);
    }

    // Asks the waits that may claim something now, in the order of the line. Then sees to it that
    // one looks again when others may.
    // NOLINTNEXTLINE(readability-function-cognitive-complexity,readability-function-size)
    void serve_claims(Group& group, WakeChain& chain, const StreamNode<T>* looking) noexcept
        RUNNEL_REQUIRES(mutex) {
        const Milliseconds now = time_of_claims(group);
        group.rules.release_due(now);
        const auto first = group.rules.next_claim(group.claims.min_idle, is_live());
        if (!first || (*first > now && *first >= group.claims.next_look.at())) return;
        Milliseconds next = NextLook::never;
        WaitNode* last = nullptr;
        for (WaitNode* at = group.readers.first(); at != nullptr;) {
            WaitNode& node = *std::exchange(at, at->next);
            if (!claims(node)) continue;
            if (is_about_to_look(node)) return;
            const auto moment = next_claim(group, wait_of(node));
            if (moment && *moment <= now) ask(group.readers, node, chain);
            if (node.queue == nullptr) continue;
            if (is_about_to_look(node)) return;
            next = std::min(next, moment.value_or(NextLook::never));
            last = &node;
        }
        if (next >= group.claims.next_look.at()) return;
        if (looking != nullptr && looking->queue != nullptr)
            group.claims.next_look.set(*looking, next);
        else
            have_look(group, *last, chain);
    }

    void have_look(Group& group, WaitNode& node, WakeChain& chain) noexcept RUNNEL_REQUIRES(mutex) {
        group.claims.next_look.set(node, NextLook::now);
        if (node.waiter->claim(WaitEnd::timed_out)) chain.add(*node.waiter);
    }

    // Of a wait in line: it was claimed, and its owner has not come yet.
    [[nodiscard]] static bool is_about_to_look(const WaitNode& node) noexcept {
        return node.waiter->claimed();
    }

    [[nodiscard]] static bool claims(WaitNode& node) noexcept {
        const GroupWait* const wait = static_cast<StreamNode<T>&>(node).wait;
        return wait != nullptr && wait->claims();
    }

    void catch_up(Group& group, GroupWait& wait) RUNNEL_REQUIRES(mutex) {
        if (!wait.is_read || wait.signals_seen == signals_sent) return;
        ConsumerRecord& consumer = group.rules.consumer(wait.consumer, signalled);
        consumer.seen = std::max(consumer.seen, signalled);
        wait.signals_seen = signals_sent;
    }

    // Runs the request of `node`; returns the node behind it.
    WaitNode* ask(WaitQueue& queue, WaitNode& node, WakeChain& chain) noexcept
        RUNNEL_REQUIRES(mutex) {
        WaitNode* const next = node.next;
        if (detail::ask(queue, node, chain)) uncount_wait(static_cast<StreamNode<T>&>(node));
        return next;
    }

    // Calls function(group) for each group in which somebody waits; the function may end waits of
    // that group.
    template <typename Function>
    void for_each_awaited(Function function) noexcept RUNNEL_REQUIRES(mutex) {
        for (auto* one = awaited_.first(); one != nullptr;) {
            Group& group = one->group;
            one = one->next;
            function(group);
        }
    }

    void count_wait(const StreamNode<T>& node) noexcept RUNNEL_REQUIRES(mutex) {
        ++waits;
        Group* const group = node.group.get();
        if (group == nullptr) return;
        if (group->waits.count++ == 0) awaited_.push_back(group->waits);
        if (node.wait == nullptr || !node.wait->claims()) return;
        ++group->claims.count;
        group->claims.min_idle = std::min(group->claims.min_idle, *node.wait->min_idle);
    }
    void uncount_wait(const StreamNode<T>& node) noexcept RUNNEL_REQUIRES(mutex) {
        --waits;
        Group* const group = node.group.get();
        if (group == nullptr) return;
        if (--group->waits.count == 0) awaited_.remove(group->waits);
        if (node.wait == nullptr || !node.wait->claims()) return;
        if (--group->claims.count == 0) group->claims.min_idle = NextLook::never;
        group->claims.next_look.end_of(node);
    }

    [[nodiscard]] WaitQueue& queue_of(StreamNode<T>& node) noexcept RUNNEL_REQUIRES(mutex) {
        Group* const group = node.group.get();
        if (group == nullptr || node.wait == nullptr) return readers;
        return node.wait->is_read ? group->readers : group->lookers;
    }

    LinkedList<typename Group::Waits> awaited_ RUNNEL_GUARDED_BY(mutex);  // groups
};

}  // namespace runnel::inline v0::detail
