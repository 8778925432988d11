// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/abstract_clock.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/core/group_state.hpp>
#include <runnel/detail/core/log_cursor.hpp>
#include <runnel/detail/core/stream_log.hpp>
#include <runnel/detail/wait/await.hpp>
#include <runnel/detail/wait/request.hpp>
#include <runnel/detail/wait/spin.hpp>
#include <runnel/detail/wait/system_clock.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/error.hpp>
#include <runnel/group_options.hpp>
#include <runnel/message.hpp>
#include <runnel/stream_options.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace runnel::inline v0::detail {

template <Message T>
class StreamState;

// What a wait in the line of a group waits for.
struct GroupWait {
    ConsumerKey consumer;
    std::size_t max_pending = 0;
    bool is_read = false;       // a call of the consumer; false: it only looks
    bool is_for_room = false;   // there was something, but the consumer had enough pending
    std::uint64_t signals = 0;  // how many of the stream's signals it has seen
};

// A group, and the waits for what it delivers next. Guarded by the lock of its stream, which it
// keeps in memory: the stream drops its groups when its last handle goes.
template <Message T>
class StreamGroup final : public Owned {
public:
    StreamGroup(StreamState<T>& of, std::string_view called, StreamId after,
                std::optional<std::uint64_t> entries_read, const LogFacts& log)
        : stream{of}, name{called}, rules{after, entries_read, log} {}

    const Owner<StreamState<T>> stream;
    const std::string name;
    GroupState rules;
    LogCursor<T> next;  // reads behind rules.last_delivered(); reset() it when that is set
    WaitQueue readers;
    bool is_removed = false;

    // For a consumer that finds nothing: whether entries have come in a stream lately. Then it pays
    // to pause, and to find several. The consumers of a group find nothing one after the other, so
    // the streak does not end at once, but fades.
    [[nodiscard]] bool fade_streak() noexcept {
        return std::exchange(streak, streak * 3 / 4) > stream_length;
    }

    std::size_t streak = 0;     // entries delivered lately
    std::uint64_t signals = 0;  // how many of the stream's signals all that wait have seen
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
// Invariant outside the lock: an entry and a wait that it would end never coexist. One exception,
// as in Redis: after the position of a group was set back, a wait that had found nothing ends only
// with the next add, or removal of a group. A wait for room ends as soon as there is room and an
// entry.
template <Message T>
class StreamState final : public Shared {
public:
    using Group = StreamGroup<T>;
    using Groups = std::map<std::string, Owner<Group>, std::less<>>;

    explicit StreamState(const StreamOptions& options)
        : clock{options.clock != nullptr ? *options.clock : SystemClock::instance()},
          is_real{clock.is_real()},
          keep{options.keep},
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
    [[nodiscard]] Milliseconds now() const noexcept {
        constexpr Milliseconds beginning = Milliseconds{1} << 45;
        return beginning +
               std::chrono::floor<std::chrono::milliseconds>(clock.recent().time_since_epoch())
                   .count();
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
            id = next_id(log.last_id());
            log.reserve(id, disposal);
            (void)log.append(id, std::move(message));  // this effect is what the waits wait for
            if (log.size() > keep.count) (void)log.trim_to_length(keep.count, disposal);
            if (waits != 0) [[unlikely]] {
                signal();
                serve_all(chain);
            }
        }
        chain.resume_all();
        return id;
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
                for (auto& [name, group] : groups) serve_those_for_room(*group.get(), chain);
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
                if (!place) continue;
                for (auto& [name, group] : groups) group.get()->rules.note_erased(id);
                effect += from.erase(place, disposal);
            }
            return effect;
        });
    }

    // ---- waiting

    // Puts `node`, of a wait over several objects, into line unless the wait ends at once. True if
    // this thread has claimed it.
    [[nodiscard]] bool enter(StreamNode<T>& node) noexcept RUNNEL_EXCLUDES(mutex) {
        const Lock lock{mutex};
        const bool mine = join(queue_of(node), node);
        if (node.queue != nullptr) ++waits;
        return mine;
    }

    // Puts `node` into line: its request cannot be carried out now.
    void queue_up(StreamNode<T>& node) noexcept RUNNEL_REQUIRES(mutex) {
        queue_of(node).insert(node);
        ++waits;
    }

    // Takes `node` out of line if it still stands in it; then this may throw what catch_up()
    // throws.
    void leave(StreamNode<T>& node) RUNNEL_EXCLUDES(mutex) {
        const Lock lock{mutex};
        if (node.queue == nullptr) return;
        node.queue->remove(node);
        --waits;
        if (node.wait != nullptr) catch_up(*node.group.get(), *node.wait);
    }

    // After a change that may end any wait. An added entry goes to all readers and, in each group,
    // to as many as it is enough for.
    void serve_all(WakeChain& chain) noexcept RUNNEL_REQUIRES(mutex) {
        ask(readers, chain);
        for (auto& [name, group] : groups) {
            ask_in_line(*group.get(), chain, [](const WaitNode&) { return true; });
            serve_those_for_room(*group.get(), chain);
        }
    }

    // After a change that may have made room for a consumer of the group. Only a wait that will end
    // is asked, as that counts as a call of its consumer.
    void serve_those_for_room(Group& group, WakeChain& chain) noexcept RUNNEL_REQUIRES(mutex) {
        const auto has_room = [&](WaitNode& node) {
            mutex.assert_held();
            return has_room_now(node);
        };
        std::uint32_t before = 0;
        do {  // again when one was served: that may have made room for another
            before = waits;
            ask_in_line(group, chain, has_room);
        } while (waits != before);
        if (closed && !group.next.seek(log)) ask(group.readers, chain);
    }

    // The same after a step of a group.
    void serve_after(const Effect& effect, Group& group, WakeChain& chain) noexcept
        RUNNEL_REQUIRES(mutex) {
        if (waits == 0) return;
        if (effect.released != 0) signal();
        serve_those_for_room(group, chain);
    }

    // Whether a consumer may have one more pending, once what the stream has lost is dropped.
    [[nodiscard]] bool has_room(Group& group, const GroupWait& wait) const noexcept
        RUNNEL_REQUIRES(mutex) {
        ConsumerRecord* const consumer = group.rules.find(wait.consumer);
        if (consumer == nullptr || consumer->pending < wait.max_pending) return true;
        return static_cast<bool>(group.rules.first_lost(*consumer, log.facts(), is_live()));
    }
    [[nodiscard]] IsLive<T> is_live() const noexcept RUNNEL_REQUIRES(mutex) { return {log}; }

    // ---- as in Redis, each signal counts as a new call of every waiting consumer; worked out when
    // the group is next looked at

    // An entry was added, a group was removed, or entries were released.
    void signal() noexcept RUNNEL_REQUIRES(mutex) {
        ++signals;
        signalled = now();
    }

    // Counts the last signal as a call of each consumer that waits: its idle time began anew then,
    // and a removed consumer is there again. Throws: std::bad_alloc.
    void catch_up(Group& group) RUNNEL_REQUIRES(mutex) {
        if (group.signals == signals) return;
        for (WaitNode* node = group.readers.first(); node != nullptr; node = node->next)
            catch_up(group, wait_of(*node));
        group.signals = signals;
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
            ask(removed.get()->readers, chain);
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
    bool is_abandoned RUNNEL_GUARDED_BY(mutex) = false;  // the last handle has gone
    std::uint32_t waits RUNNEL_GUARDED_BY(mutex) = 0;    // all that stand in a queue here
    std::uint64_t signals RUNNEL_GUARDED_BY(mutex) = 0;  // sent while there were waits
    Milliseconds signalled RUNNEL_GUARDED_BY(mutex) = 0;
    Clock& clock;
    const bool is_real;
    const Keep keep;
    StreamLog<T> log RUNNEL_GUARDED_BY(mutex);
    WaitQueue readers RUNNEL_GUARDED_BY(mutex);
    Groups groups RUNNEL_GUARDED_BY(mutex);
    SpinBudget spin;

private:
    void ask(WaitQueue& queue, WakeChain& chain) noexcept RUNNEL_REQUIRES(mutex) {
        for (WaitNode* node = queue.first(); node != nullptr;) node = ask(queue, *node, chain);
    }

    // Runs the requests in the line of `group` that `is_to_be_asked` selects, as long as there is
    // something to deliver.
    template <typename Predicate>
    void ask_in_line(Group& group, WakeChain& chain, Predicate is_to_be_asked) noexcept
        RUNNEL_REQUIRES(mutex) {
        for (WaitNode* node = group.readers.first(); node != nullptr && group.next.seek(log);)
            node = is_to_be_asked(*node) ? ask(group.readers, *node, chain) : node->next;
    }

    [[nodiscard]] static GroupWait& wait_of(WaitNode& node) noexcept {
        return *static_cast<StreamNode<T>&>(node).wait;
    }

    [[nodiscard]] bool has_room_now(WaitNode& node) const noexcept RUNNEL_REQUIRES(mutex) {
        const GroupWait& wait = wait_of(node);
        return wait.is_for_room && has_room(*static_cast<StreamNode<T>&>(node).group.get(), wait);
    }

    void catch_up(Group& group, GroupWait& wait) RUNNEL_REQUIRES(mutex) {
        if (!wait.is_read || wait.signals == signals) return;
        ConsumerRecord& consumer = group.rules.consumer(wait.consumer, signalled);
        consumer.seen = std::max(consumer.seen, signalled);
        wait.signals = signals;
    }

    // Runs the request of `node`; returns the node behind it.
    WaitNode* ask(WaitQueue& queue, WaitNode& node, WakeChain& chain) noexcept
        RUNNEL_REQUIRES(mutex) {
        WaitNode* const next = node.next;
        if (detail::ask(queue, node, chain)) --waits;
        return next;
    }

    [[nodiscard]] WaitQueue& queue_of(StreamNode<T>& node) noexcept RUNNEL_REQUIRES(mutex) {
        return node.group.get() != nullptr ? node.group.get()->readers : readers;
    }
};

// Where a read is carried out: in a stream or, with `group`, in one of its groups. Makes what a
// wait needs only when it waits.
template <Message T, typename Kind>
class StreamPlace {
public:
    StreamPlace(Kind& request, StreamState<T>& stream, StreamGroup<T>* group = nullptr) noexcept
        : request_{request}, stream_{stream}, group_{group} {}

    [[nodiscard]] bool try_or_queue(WaitLimits limits, WakeChain& chain) {
        const bool may_pause = group_ != nullptr && stream_.is_real && limits.may_take_time();
        Tried tried = attempt(limits.may_wait(), may_pause, chain);
        if (may_pause && tried == Tried::put_off) tried = attempt_after_a_moment(chain);
        return tried == Tried::ended;
    }

    // May throw what StreamState::leave() does.
    void leave() {
        if (node_ && may_stand_in_line(request_)) stream_.leave(*node_);
    }

    [[nodiscard]] SpinBudget& spin() const noexcept { return stream_.spin; }

private:
    enum class Tried : std::uint8_t {
        ended,
        queued,
        put_off,  // it may not wait, or is to pause first
    };

    [[nodiscard]] Tried attempt(bool may_wait, bool may_pause, WakeChain& chain) {
        const Lock lock{stream_.mutex};
        if (request_.attempt(stream_, group_) == Served::no) {
            if (!may_wait || (may_pause && group_->fade_streak())) return Tried::put_off;
            request_.prepare_to_wait();
            stream_.queue_up(node_.emplace(request_, stream_, group_, request_.group_wait()));
            return Tried::queued;
        }
        const bool is_news = stream_.waits != 0 && (request_.makes_room() || stream_.closed);
        if (is_news && group_ != nullptr) [[unlikely]]
            stream_.serve_those_for_room(*group_, chain);
        return Tried::ended;
    }

    // Leaves the writer alone for a moment and tries again. After that it stands in line.
    [[gnu::noinline]] [[nodiscard]] Tried attempt_after_a_moment(WakeChain& chain) {
        Tried tried = Tried::put_off;
        leave_for_a_batch(0, [&] {
            tried = attempt(true, true, chain);
            return tried != Tried::put_off;
        });
        return tried != Tried::put_off ? tried : attempt(true, false, chain);
    }

    Kind& request_;
    StreamState<T>& stream_;
    StreamGroup<T>* const group_;
    std::optional<StreamNode<T>> node_;  // once it stands in line
};

// Reads on from where a cursor stands: up to `count` entries, of one block or of as many as it
// takes. They go into a Batch, which is Entries<T>.
template <Message T, typename Batch>
class ReadOn : public Request {
public:
    static constexpr Behaviour behaviour{serve_as<ReadOn, StreamNode<T>>, unpark};

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
        if (!cursor_.seek(stream.log)) return stream.closed ? source_closed() : Served::no;
        if (!claim()) return Served::elsewhere;
        add_block();
        if (several_blocks_) add_others(stream.log);
        return Served::yes;
    }

    static constexpr void prepare_to_wait() noexcept {}
    static constexpr bool makes_room() noexcept { return false; }
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
        count_ -= count_slots(part.slots);
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

// Delivers what a group has not delivered yet to one of its consumers. It goes into a Batch, which
// is Deliveries<T>.
template <Message T, typename Batch>
class ReadNew : public Request {
public:
    static constexpr Behaviour behaviour{serve_as<ReadNew, StreamNode<T>>, unpark};

    // Puts what it delivers into `result`, which is empty and outlives it.
    ReadNew(Batch& result, const ConsumerKey& consumer, std::size_t max_pending,
            const GroupReadOptions& options, Clock& on) noexcept
        : Request{behaviour, WaitsOn::one, on},
          delivered_{result},
          wait_{consumer, max_pending, true},
          count_{options.count},
          acknowledged_{options.acknowledged} {}

    // Copies the name, as the handle may be destroyed during the wait. May throw.
    void prepare_to_wait() {
        name_ = wait_.consumer.name;
        wait_.consumer.name = name_;
    }
    [[nodiscard]] GroupWait* group_wait() noexcept { return &wait_; }

    // Whether it has taken over what another consumer had pending, after the group was set back, or
    // has dropped lost entries.
    [[nodiscard]] bool makes_room() const noexcept { return has_made_room_; }

    Served attempt(StreamNode<T>& node) {
        StreamState<T>& stream = *node.keep.get();
        stream.mutex.assert_held();
        return attempt(stream, node.group.get());
    }
    Served attempt(StreamState<T>& stream, StreamGroup<T>* of) RUNNEL_REQUIRES(stream.mutex) {
        StreamGroup<T>& group = *of;
        if (group.is_removed) return claim(WaitEnd::gone) ? Served::yes : Served::elsewhere;
        const Milliseconds now = stream.now();
        ConsumerRecord& consumer = group.rules.consumer(wait_.consumer, now);
        consumer.seen = now;
        wait_.signals = stream.signals;
        if (!acknowledged_ && consumer.pending >= wait_.max_pending) [[unlikely]]
            drop_lost(stream, group, consumer);
        const LogPlace<T> first = group.next.seek(stream.log);
        wait_.is_for_room = false;
        if (!first) return stream.closed ? end(group) : Served::no;
        const std::size_t room = wait_.max_pending - std::min(wait_.max_pending, consumer.pending);
        const std::size_t count = acknowledged_ ? count_ : std::min(count_, room);
        wait_.is_for_room = count == 0;
        if (count == 0) return stream.is_abandoned ? source_closed() : Served::no;
        delivered_.belong_to(group, consumer.serial);
        const SlotMask at_hand = first.block->live() & ~slots_before(first.slot);
        delivered_.reserve_in_block(std::min<std::size_t>(count, count_slots(at_hand)));
        if (!claim()) return Served::elsewhere;
        deliver(stream, group, first, consumer, count, now);
        return Served::yes;
    }

private:
    // May also run for a request that has ended: its thread takes the lock before it looks at the
    // result.
    [[gnu::noinline]] void drop_lost(StreamState<T>& stream, StreamGroup<T>& group,
                                     ConsumerRecord& consumer) RUNNEL_REQUIRES(stream.mutex) {
        bool has_memory = true;
        const Effect effect =
            group.rules.drop_lost(consumer, stream.log.facts(), stream.is_live(), [&](StreamId id) {
                return has_memory = delivered_.try_lose(id);
            });
        if (effect) has_made_room_ = true;
        if (!has_memory && delivered_.lost().empty()) throw std::bad_alloc{};
    }

    Served end(StreamGroup<T>& group) noexcept {
        const Served served = source_closed();
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
                has_made_room_ |=
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
            failure = std::current_exception();
            set_end(WaitEnd::failed);
        }
    }

    Batch& delivered_;
    GroupWait wait_;
    std::string name_;  // the consumer's, while it waits
    const std::size_t count_;
    const bool acknowledged_;
    bool has_made_room_ = false;
};

}  // namespace runnel::inline v0::detail
