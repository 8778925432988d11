// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/abstract_clock.hpp>
#include <runnel/channel_options.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/linked.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/blocks/block_deque.hpp>
#include <runnel/detail/blocks/pin.hpp>
#include <runnel/detail/channel/overdue.hpp>
#include <runnel/detail/core/channel_log.hpp>
#include <runnel/detail/wait/await.hpp>
#include <runnel/detail/wait/request.hpp>
#include <runnel/detail/wait/spin.hpp>
#include <runnel/detail/wait/system_clock.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <new>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace runnel::inline v0::detail {

template <Message T>
class ChannelState;
template <Message T>
class InboxState;

// The place of a wait in the line of an inbox. Keeps the inbox's memory meanwhile.
template <Message T>
struct InboxNode : WaitNode {
    InboxNode(Waiter& of, InboxState<T>& in) noexcept : WaitNode{of}, keep{in} {}

    const Owner<InboxState<T>> keep;
};

// A link from a channel to an inbox: direct, or by a pattern.
template <Message T>
struct InboxLink final : Owned {
    // `text`: of the pattern; null: direct.
    InboxLink(Owner<ChannelState<T>> from, Owner<InboxState<T>> to, const std::string* text)
        : channel{std::move(from)},
          inbox{std::move(to)},
          pattern(text != nullptr ? *text : std::string{}),
          by{text} {}

    const Owner<ChannelState<T>> channel;
    const Owner<InboxState<T>> inbox;
    const std::string pattern;
    // Identifies the pattern, which may be gone; null: direct.
    const std::string* const by;

    // Guarded by the channel's lock.
    InboxLink* previous = nullptr;
    InboxLink* next = nullptr;
};

// The links from a channel to inboxes, in the order in which a message takes them: first the direct
// ones, then those by patterns, as in Redis; each kind in the order of joining. They are found by
// their inbox and pattern in logarithmic time.
template <Message T>
class InboxLinks {
public:
    using Link = InboxLink<T>;

    [[nodiscard]] std::size_t size() const noexcept { return found_.size(); }
    [[nodiscard]] bool empty() const noexcept { return found_.empty(); }

    // Throws: std::bad_alloc, and then nothing has changed.
    void add(const Owner<Link>& link) {
        found_.insert(link);
        list_of(*link.get()).push_back(*link.get());
    }

    // Takes out those to `inbox` by that pattern, or its direct ones, and calls gone(link) for
    // each; returns how many.
    template <typename Gone>
    std::size_t remove(const InboxState<T>& inbox, const std::string* by, Gone gone) noexcept {
        const auto [first, last] = found_.equal_range(Key{&inbox, by});
        std::size_t count = 0;
        for (auto one = first; one != last; ++one, ++count) {
            list_of(*one->get()).remove(*one->get());
            gone(*one->get());
        }
        found_.erase(first, last);
        return count;
    }

    // Calls visit(InboxLink<T>&) for each.
    template <typename Visit>
    void visit(Visit visit) const {
        visit_all(direct_, visit);
        visit_all(by_pattern_, visit);
    }

    // Whether is_meant(InboxLink<T>&) is true for a direct one.
    template <typename IsMeant>
    [[nodiscard]] bool any_direct(IsMeant is_meant) const {
        const Link* one = direct_.first();
        while (one != nullptr && !is_meant(*one)) one = one->next;
        return one != nullptr;
    }

    void swap(InboxLinks& other) noexcept {
        found_.swap(other.found_);
        direct_.swap(other.direct_);
        by_pattern_.swap(other.by_pattern_);
    }

private:
    struct Key {
        explicit Key(const Owner<Link>& link) noexcept : inbox{link->inbox.get()}, by{link->by} {}
        Key(const InboxState<T>* to, const std::string* pattern) noexcept
            : inbox{to}, by{pattern} {}

        const InboxState<T>* inbox;
        const std::string* by;
    };
    struct Before {
        using is_transparent = void;

        template <typename One, typename Other>
        [[nodiscard]] bool operator()(const One& one, const Other& other) const noexcept {
            const Key a{one};
            const Key b{other};
            if (a.inbox != b.inbox) return std::less<>{}(a.inbox, b.inbox);
            return std::less<>{}(a.by, b.by);
        }
    };

    [[nodiscard]] LinkedList<Link>& list_of(const Link& link) noexcept {
        return link.by == nullptr ? direct_ : by_pattern_;
    }

    template <typename Visit>
    static void visit_all(const LinkedList<Link>& links, Visit& visit) {
        for (Link* one = links.first(); one != nullptr; one = one->next) visit(*one);
    }

    std::multiset<Owner<Link>, Before> found_;
    LinkedList<Link> direct_;
    LinkedList<Link> by_pattern_;
};

// A message that waits in an inbox, by reference.
template <Message T>
struct InboxEntry {
    Owner<InboxLink<T>> link;
    PinnedEntry<Logged<T>> message;
    std::size_t bytes;
    std::uint64_t missed;  // how many were missed just before it
};

// What waits for the reader of an inbox.
//
// Locks: its own, taken after that of a channel.
template <Message T>
class InboxState final : public Owned {
public:
    explicit InboxState(const InboxOptions& options)
        : clock{options.clock != nullptr ? *options.clock : SystemClock::instance()},
          options_{options},
          overdue_{options.bytes} {}

    // Puts a message into line, if it fits. Allocates; if that fails, the message is missed, and
    // counted in `all_missed`, which the channel's lock guards.
    bool deliver(InboxLink<T>& link, LogPlace<Logged<T>> message, std::size_t bytes,
                 std::uint64_t& all_missed, WakeChain& chain) noexcept RUNNEL_EXCLUDES(mutex) {
        const Lock lock{mutex};
        if (disconnected) return false;
        if (options_.when_behind == Behind::drop_newest && !fits(bytes)) return miss(all_missed);
        if (!put(link, message, bytes)) return miss(all_missed);
        if (options_.when_behind == Behind::disconnect && note_limits()) disconnect();
        ask_all(readers, chain);
        return true;
    }

    // Disconnects the inbox if it has been over its soft limit for too long. True if it did.
    bool do_what_is_due(WakeChain& chain) noexcept RUNNEL_EXCLUDES(mutex) {
        const Lock lock{mutex};
        if (disconnected || !overdue_.check(bytes_waiting, clock)) return false;
        disconnect();
        ask_all(readers, chain);
        return true;
    }

    // A source of messages: a channel, or a pattern of a broker.
    void add_source() noexcept RUNNEL_EXCLUDES(mutex) {
        const Lock lock{mutex};
        ++sources;
    }
    void remove_source(WakeChain& chain) noexcept RUNNEL_EXCLUDES(mutex) {
        const Lock lock{mutex};
        if (--sources == 0) ask_all(readers, chain);
    }

    [[nodiscard]] bool is_connected() const noexcept RUNNEL_EXCLUDES(mutex) {
        const Lock lock{mutex};
        return !disconnected;
    }

    // Puts `node`, of a wait over several objects, into line unless the wait ends at once. True if
    // this thread has claimed it.
    [[nodiscard]] bool enter(InboxNode<T>& node) noexcept RUNNEL_EXCLUDES(mutex) {
        const Lock lock{mutex};
        return join(readers, node);
    }

    // Takes `node` out of line if it still stands in it.
    void leave(InboxNode<T>& node) noexcept RUNNEL_EXCLUDES(mutex) {
        const Lock lock{mutex};
        if (node.queue != nullptr) readers.remove(node);
    }

    // Called when the reader is gone; a channel may still know the inbox. Waiting messages own the
    // links by which they came, and these own this state. So the messages are dropped here.
    void abandon() noexcept RUNNEL_EXCLUDES(mutex) {
        {
            const Lock lock{mutex};
            disconnected = abandoned = true;
        }
        drop_waiting();
    }

    // Destroys the waiting messages, which no reader will read.
    void drop_waiting() noexcept RUNNEL_EXCLUDES(mutex) {
        for (;;) {
            std::optional<InboxEntry<T>> entry;  // outlives the lock
            const Lock lock{mutex};
            if (waiting.empty()) return;
            entry.emplace(std::move(waiting.front()));
            waiting.drop_front();
        }
    }

    // Requires: `out` has room for them.
    void take(std::size_t count, std::vector<InboxEntry<T>>& out) noexcept RUNNEL_REQUIRES(mutex) {
        for (; count != 0 && !waiting.empty(); --count) {
            bytes_waiting -= waiting.front().bytes;
            out.push_back(std::move(waiting.front()));
            waiting.drop_front();
        }
        overdue_.note(bytes_waiting, clock);
    }

    Clock& clock;
    SpinBudget spin;
    mutable Mutex mutex;
    BlockDeque<InboxEntry<T>> waiting RUNNEL_GUARDED_BY(mutex);
    std::uint64_t bytes_waiting RUNNEL_GUARDED_BY(mutex) = 0;
    std::uint64_t missed RUNNEL_GUARDED_BY(mutex) = 0;  // in all
    std::size_t sources RUNNEL_GUARDED_BY(mutex) = 0;
    bool disconnected RUNNEL_GUARDED_BY(mutex) = false;
    bool abandoned RUNNEL_GUARDED_BY(mutex) = false;
    WaitQueue readers RUNNEL_GUARDED_BY(mutex);

private:
    [[nodiscard]] bool fits(std::size_t bytes) const noexcept RUNNEL_REQUIRES(mutex) {
        return waiting.size() < options_.bound && bytes < options_.bytes.hard - bytes_waiting;
    }

    // Whether too much waits, or for too long.
    [[nodiscard]] bool note_limits() noexcept RUNNEL_REQUIRES(mutex) {
        return waiting.size() > options_.bound || bytes_waiting >= options_.bytes.hard ||
               overdue_.check(bytes_waiting, clock);
    }

    bool put(InboxLink<T>& link, LogPlace<Logged<T>> message, std::size_t bytes) noexcept
        RUNNEL_REQUIRES(mutex) {
        try {
            waiting.reserve_back();
        } catch (const std::bad_alloc&) {
            return false;
        }
        waiting.push_back({Owner{link},
                           {Pin{*message.block}, message.slot},
                           bytes,
                           std::exchange(missed_before_next_, 0)});
        bytes_waiting += bytes;
        overdue_.note(bytes_waiting, clock);
        return true;
    }

    bool miss(std::uint64_t& all_missed) noexcept RUNNEL_REQUIRES(mutex) {
        ++all_missed;
        ++missed;
        ++missed_before_next_;
        return false;
    }

    // What waits is lost. The reader's next call destroys it, not this one, which holds the lock.
    void disconnect() noexcept RUNNEL_REQUIRES(mutex) {
        disconnected = true;
        missed += waiting.size();
    }

    const InboxOptions options_;
    Overdue overdue_ RUNNEL_GUARDED_BY(mutex);
    std::uint64_t missed_before_next_ RUNNEL_GUARDED_BY(mutex) = 0;
};

// Takes what waits in an inbox.
template <Message T>
class ReadInbox : public Request {
public:
    static constexpr Behaviour behaviour{serve_as<ReadInbox, InboxNode<T>>, unpark<ReadInbox>};

    ReadInbox(std::size_t limit, Clock& on) noexcept
        : Request{behaviour, WaitsOn::one, on}, count_{limit} {}

    Served attempt(InboxNode<T>& node) {
        InboxState<T>& inbox = *node.keep.get();
        inbox.mutex.assert_held();
        return attempt(inbox);
    }
    Served attempt(InboxState<T>& inbox) RUNNEL_REQUIRES(inbox.mutex) {
        if (inbox.disconnected)
            return claim(WaitEnd::disconnected) ? Served::yes : Served::elsewhere;
        if (inbox.waiting.empty()) return inbox.sources == 0 ? end_if_last_source() : Served::no;
        entries.reserve(std::min(count_, inbox.waiting.size()));
        if (!claim()) return Served::elsewhere;
        inbox.take(count_, entries);
        return Served::yes;
    }

    std::vector<InboxEntry<T>> entries;

private:
    const std::size_t count_;
};

// The place of a request in the line of an inbox. Makes what a wait needs only when it waits.
template <Message T>
class InboxPlace {
public:
    InboxPlace(ReadInbox<T>& request, InboxState<T>& inbox) noexcept
        : request_{request}, inbox_{inbox} {}

    [[nodiscard]] bool try_or_queue(WaitLimits limits, WakeChain& /*nobody else*/) {
        const Lock lock{inbox_.mutex};
        if (request_.attempt(inbox_) != Served::no) return true;
        if (!limits.may_wait()) return false;
        request_.entries.reserve(1);  // for the next message: its publisher need not allocate
        inbox_.readers.insert(node_.emplace(request_, inbox_));
        return false;
    }
    void leave() noexcept {
        if (node_ && may_stand_in_line(request_)) inbox_.leave(*node_);
    }
    [[nodiscard]] SpinBudget& spin() const noexcept { return inbox_.spin; }

private:
    ReadInbox<T>& request_;
    InboxState<T>& inbox_;
    std::optional<InboxNode<T>> node_;  // once it stands in line
};

}  // namespace runnel::inline v0::detail
