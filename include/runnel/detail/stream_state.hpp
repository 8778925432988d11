// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/clock.hpp>
#include <runnel/delivery.hpp>
#include <runnel/detail/annotations.hpp>
#include <runnel/detail/await.hpp>
#include <runnel/detail/group_state.hpp>
#include <runnel/detail/handle.hpp>
#include <runnel/detail/log_cursor.hpp>
#include <runnel/detail/mutex.hpp>
#include <runnel/detail/request.hpp>
#include <runnel/detail/spin.hpp>
#include <runnel/detail/stream_log.hpp>
#include <runnel/detail/wait_queue.hpp>
#include <runnel/entries.hpp>
#include <runnel/error.hpp>
#include <runnel/group_options.hpp>
#include <runnel/message.hpp>
#include <runnel/stream_options.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>

namespace runnel::inline v0::detail {

template <Message T>
class StreamState;

// A group, and who waits for what it delivers next. Guarded by the lock of its stream, which it
// keeps in memory: the stream lets go of its groups when its last handle goes.
template <Message T>
class StreamGroup final : public Owned {
public:
    StreamGroup(StreamState<T>& of, std::string_view called, StreamId after,
                std::optional<std::uint64_t> entries_read, const LogFacts& log)
        : stream{of}, name{called}, rules{after, entries_read, log}, next{after} {}

    const Owner<StreamState<T>> stream;
    const std::string name;
    GroupState rules;
    LogCursor<T> next;  // what follows rules.last_delivered()
    WaitQueue readers;
    bool is_removed = false;

    // For a consumer that finds nothing: whether entries have come in a stream lately. Then it pays
    // to leave the writer alone for a moment, and to find several. The consumers of a group find
    // nothing one after the other: so it is not forgotten at once, but fades.
    [[nodiscard]] bool ends_a_stream() noexcept {
        return std::exchange(streak, streak * 3 / 4) > stream_length;
    }

    std::size_t streak = 0;  // entries delivered lately
};

// The place of a wait in the queue of a stream's readers or, with `group`, of those of a group.
// Keeps the memory of both meanwhile.
template <Message T>
struct StreamNode : WaitNode {
    StreamNode(Waiter& of, StreamState<T>& in, StreamGroup<T>* at) noexcept
        : WaitNode{of}, keep{in}, group{at != nullptr ? Owner{*at} : Owner<StreamGroup<T>>{}} {}

    const Owner<StreamState<T>> keep;
    const Owner<StreamGroup<T>> group;
};

// The cores of a stream and its groups, the waits in it, and what wakes them.
//
// Invariant outside the lock: an entry and a wait that it would end never coexist.
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

    void last_handle_gone() noexcept override {
        Groups gone;  // they own this state; nobody can reach them through it any more
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

    // Milliseconds since 1970.
    [[nodiscard]] Milliseconds now() const noexcept {
        return std::chrono::duration_cast<std::chrono::milliseconds>(
                   clock.wall().time_since_epoch())
            .count();
    }

    // Adds `message` under the id that next_id(last id) gives; both may throw, and then `message`
    // is untouched. Then come the trimming, and those who wait.
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
            (void)log.append(id, std::move(message));  // those who wait, wait for just that
            if (log.size() > keep.count) (void)log.trim_to_length(keep.count, disposal);
            if (waits != 0) [[unlikely]]
                serve_all(chain);
        }
        chain.resume_all();
        return id;
    }

    // Calls step(log, disposal), which takes entries away; returns how many.
    template <typename Step>
    std::size_t remove(Step step) noexcept RUNNEL_EXCLUDES(mutex) {
        Disposal<T> disposal;
        WakeChain chain;
        Effect effect;
        {
            const Lock lock{mutex};
            effect = step(log, disposal);
            // Nothing may be left to those who had no room for it.
            if (closed && waits != 0) serve_all(chain);
        }
        chain.resume_all();
        return effect.removed;
    }

    // ---- waiting

    // Carries out `request` of that group, or of no group, at once or, unless options are null,
    // once somebody else can. What is only needed to wait is made only then.
    template <typename Kind, typename Options>
    void run(Kind& request, Group* group, const Options* options) RUNNEL_EXCLUDES(mutex) {
        const bool may_wait = options != nullptr;
        const bool may_pause =
            is_real && may_wait && may_take_time(options->timeout, options->stop);
        std::optional<StreamNode<T>> node;
        if (is_over(request, group, may_wait, may_pause, node)) return;
        if (!node && is_over_in_a_moment(request, group, node)) return;
        await(request, clock, spin, options->timeout, options->stop);
        if (may_stand_in_line(request)) leave(*node);
    }

    // Puts `node`, of a wait over several objects, into line unless the wait ends at once. True if
    // this thread has claimed it.
    [[nodiscard]] bool enter(StreamNode<T>& node) noexcept RUNNEL_EXCLUDES(mutex) {
        const Lock lock{mutex};
        const bool mine = join(queue_of(node), node);
        if (node.queue != nullptr) ++waits;
        return mine;
    }

    // Takes `node` out of line if it still stands in it.
    void leave(StreamNode<T>& node) noexcept RUNNEL_EXCLUDES(mutex) {
        const Lock lock{mutex};
        if (node.queue == nullptr) return;
        node.queue->remove(node);
        --waits;
    }

    // After what may end any wait: all readers get an entry that was added, and of a group those it
    // is enough for.
    void serve_all(WakeChain& chain) noexcept RUNNEL_REQUIRES(mutex) {
        ask(readers, chain);
        for (auto& [name, group] : groups) serve(*group.get(), chain);
    }

    // After what may have made room for a consumer of the group, too. Where there is nothing to
    // deliver, those who wait are not asked, as it would count as a call of theirs: unless nothing
    // will ever come.
    void serve(Group& group, WakeChain& chain) noexcept RUNNEL_REQUIRES(mutex) {
        std::uint32_t before = 0;
        do {  // again when one was served: he may have taken over what stood before another
            before = waits;
            for (WaitNode* node = group.readers.first(); node != nullptr && group.next.seek(log);)
                node = ask(group.readers, *node, chain);
        } while (waits != before);
        if (closed && !group.next.seek(log)) ask(group.readers, chain);
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
        }
        chain.resume_all();
        return true;
    }

    mutable Mutex mutex;
    bool closed RUNNEL_GUARDED_BY(mutex) = false;
    bool is_abandoned RUNNEL_GUARDED_BY(mutex) = false;  // the last handle has gone
    std::uint32_t waits RUNNEL_GUARDED_BY(mutex) = 0;    // all that stand in a queue here
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

    // Runs the request of one who waits; returns who stands behind him.
    WaitNode* ask(WaitQueue& queue, WaitNode& node, WakeChain& chain) noexcept
        RUNNEL_REQUIRES(mutex) {
        WaitNode* const next = node.next;
        if (detail::ask(queue, node, chain)) --waits;
        return next;
    }

    // Whether `request` is carried out or has ended. If not, it stands in line as `node`, unless it
    // may pause first, and should.
    template <typename Kind>
    [[nodiscard]] bool is_over(Kind& request, Group* group, bool may_wait, bool may_pause,
                               std::optional<StreamNode<T>>& node) RUNNEL_EXCLUDES(mutex) {
        WakeChain chain;
        {
            const Lock lock{mutex};
            if (request.attempt(*this, group) == Served::no)
                return !is_put_off(request, group, may_wait, may_pause, node);
            const bool is_news = waits != 0 && (request.makes_room() || closed);
            if (!is_news || group == nullptr) [[likely]]
                return true;
            serve(*group, chain);
        }
        chain.resume_all();
        return true;
    }

    // The same for one that has to leave the writer alone for a moment. After that it stands in
    // line.
    template <typename Kind>
    [[gnu::noinline]] [[nodiscard]] bool is_over_in_a_moment(Kind& request, Group* group,
                                                             std::optional<StreamNode<T>>& node)
        RUNNEL_EXCLUDES(mutex) {
        bool over = false;
        leave_for_a_batch(0, [&] {
            over = is_over(request, group, true, true, node);
            return over || node.has_value();
        });
        return over || (!node && is_over(request, group, true, false, node));
    }

    // False: it may not wait, and has ended.
    template <typename Kind>
    [[nodiscard]] bool is_put_off(Kind& request, Group* group, bool may_wait, bool may_pause,
                                  std::optional<StreamNode<T>>& node) RUNNEL_REQUIRES(mutex) {
        if (!may_wait) {
            request.set_end(WaitEnd::timed_out);
        } else if (!may_pause || group == nullptr || !group->ends_a_stream()) {
            request.prepare_to_wait();
            queue_of(node.emplace(request, *this, group)).insert(*node);
            ++waits;
        }
        return may_wait;
    }

    [[nodiscard]] WaitQueue& queue_of(StreamNode<T>& node) noexcept RUNNEL_REQUIRES(mutex) {
        return node.group.get() != nullptr ? node.group.get()->readers : readers;
    }
};

// Reads on from where a cursor stands: up to `count` entries, of one block or of as many as it
// takes.
template <Message T>
class ReadOn : public Request {
public:
    static constexpr Behaviour behaviour{serve_as<ReadOn, StreamNode<T>>, unpark};

    ReadOn(LogCursor<T>& from, std::size_t limit, bool several_blocks, Clock& on) noexcept
        : Request{behaviour, WaitsOn::one, on},
          cursor_{from},
          count_{limit},
          several_blocks_{several_blocks} {}

    Served attempt(StreamNode<T>& node) { return attempt(*node.keep.get(), nullptr); }
    Served attempt(StreamState<T>& stream,
                   StreamGroup<T>* /*none*/) RUNNEL_NO_THREAD_SAFETY_ANALYSIS {
        if (!cursor_.seek(stream.log)) return stream.closed ? source_closed() : Served::no;
        if (!claim_to_serve()) return Served::gone;
        add_block();
        if (several_blocks_) add_others(stream.log);
        return Served::yes;
    }

    void prepare_to_wait() noexcept { is_shared = true; }
    static constexpr bool makes_room() noexcept { return false; }

    Entries<T> entries{Entries<T>::Order::ascending};

private:
    void add_block() {
        PinnedSlots<T> part = cursor_.take(count_);
        count_ -= count_slots(part.slots);
        entries.add(std::move(part));
    }

    // Fewer than asked for when memory runs out: the others come with the next read.
    void add_others(const StreamLog<T>& log) noexcept {
        while (count_ != 0 && cursor_.seek(log) && has_room()) add_block();
    }

    bool has_room() noexcept {
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

// Delivers what a group has not delivered yet to one of its consumers.
template <Message T>
class ReadNew : public Request {
public:
    static constexpr Behaviour behaviour{serve_as<ReadNew, StreamNode<T>>, unpark};

    // Puts what it delivers into `result`, which is empty and outlives it.
    ReadNew(Deliveries<T>& result, const ConsumerKey& consumer, std::size_t max_pending,
            const GroupReadOptions& options, Clock& on) noexcept
        : Request{behaviour, WaitsOn::one, on},
          delivered_{result},
          consumer_{consumer},
          count_{options.count},
          max_pending_{max_pending},
          acknowledged_{options.acknowledged} {}

    // The handle may go meanwhile, and its name with it. May throw.
    void prepare_to_wait() {
        name_ = consumer_.name;
        consumer_.name = name_;
        is_shared = true;
    }

    // Whether it has taken over what another consumer had pending, after the group was set back.
    [[nodiscard]] bool makes_room() const noexcept { return has_taken_over_; }

    Served attempt(StreamNode<T>& node) { return attempt(*node.keep.get(), node.group.get()); }
    Served attempt(StreamState<T>& stream, StreamGroup<T>* of) RUNNEL_NO_THREAD_SAFETY_ANALYSIS {
        StreamGroup<T>& group = *of;
        if (group.is_removed) return claim(WaitEnd::gone) ? Served::yes : Served::gone;
        const Milliseconds now = stream.now();
        ConsumerRecord& consumer = group.rules.consumer(consumer_, now);
        consumer.seen = now;
        const LogPlace<T> first = group.next.seek(stream.log);
        if (!first) return stream.closed ? source_closed() : Served::no;
        const std::size_t room = max_pending_ - std::min(max_pending_, consumer.pending);
        const std::size_t count = acknowledged_ ? count_ : std::min(count_, room);
        if (count == 0) return stream.is_abandoned ? source_closed() : Served::no;
        delivered_.belong_to(group, consumer.number);
        const SlotMask at_hand = first.block->live() & ~slots_before(first.slot);
        delivered_.reserve(std::min<std::size_t>(count, count_slots(at_hand)));
        if (!claim_to_serve()) return Served::gone;
        deliver(stream, group, first, consumer, count, now);
        return Served::yes;
    }

private:
    // It is claimed already: so what throws ends it here, unless something was delivered before.
    void deliver(StreamState<T>& stream, StreamGroup<T>& group, LogPlace<T> place,
                 ConsumerRecord& consumer, std::size_t count,
                 Milliseconds now) noexcept RUNNEL_NO_THREAD_SAFETY_ANALYSIS {
        const LogFacts facts = stream.log.facts();
        try {
            while (place) {
                delivered_.reserve_one();
                has_taken_over_ |=
                    group.rules.deliver(place.id(), consumer, now, facts, acknowledged_);
                delivered_.add(place, 1);
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

    Deliveries<T>& delivered_;
    ConsumerKey consumer_;
    std::string name_;  // of who waits
    const std::size_t count_;
    const std::size_t max_pending_;
    const bool acknowledged_;
    bool has_taken_over_ = false;
};

}  // namespace runnel::inline v0::detail
