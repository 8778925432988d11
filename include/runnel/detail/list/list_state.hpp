// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/abstract_clock.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/list/list_core.hpp>
#include <runnel/detail/wait/spin.hpp>
#include <runnel/detail/wait/system_clock.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/list_options.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

namespace runnel::inline v0::detail {

template <Message T>
class ListState;

// The two queues of a list: for elements, and for room.
enum class Line : std::uint8_t { pops, pushes };

// The place of a wait in one of the two queues of a list. Keeps the list's memory meanwhile.
template <Message T>
struct ListNode : WaitNode {
    ListNode(Waiter& of, ListState<T>& in, std::size_t position = 0) noexcept
        : WaitNode{of, position}, keep{in} {}

    [[nodiscard]] ListState<T>* list() const noexcept { return keep.get(); }

    const Owner<ListState<T>> keep;
    // A list whose locks are needed too to serve it. Of a move: the one at its other side. Of a pop
    // of several lists: see ListState::owes.
    ListState<T>* other = nullptr;
    // Of a pop of several lists: its place at the list that was named before this one.
    const ListNode* earlier = nullptr;
    // Of a move, at its target: whether it may be that only room is missing. If it waits for an
    // element, room is nothing to it. Guarded by the lock of that list.
    bool awaits_room = false;
};

// The rest of a list, for a holder of the back's lock: the front's lock, unless the front is empty.
// Nobody else fills an empty front meanwhile, so it needs no guard. The call that fills it (the one
// that takes over the back) needs the front's lock itself: it must not hold this one.
template <Message T>
class RUNNEL_SCOPED_CAPABILITY LockRest {
public:
    explicit LockRest(ListCore<T>& core) noexcept RUNNEL_REQUIRES(core.back.mutex)
        RUNNEL_ACQUIRE(core.front.mutex)
        : core_{core}, front_{lock(core)} {}
    ~LockRest() RUNNEL_RELEASE() { unlock(core_, front_); }
    LockRest(const LockRest&) = delete;
    LockRest& operator=(const LockRest&) = delete;

    // Whether the front's lock was taken.
    static bool lock(ListCore<T>& core) noexcept RUNNEL_NO_THREAD_SAFETY_ANALYSIS {
        if (core.front_size() == 0) return false;
        core.front.mutex.lock();
        return true;
    }
    static void unlock(ListCore<T>& core, bool front) noexcept RUNNEL_NO_THREAD_SAFETY_ANALYSIS {
        if (front) core.front.mutex.unlock();
    }

private:
    ListCore<T>& core_;
    const bool front_;
};

// All of a list: the back's lock, and the rest.
template <Message T>
class RUNNEL_SCOPED_CAPABILITY LockAll {
public:
    explicit LockAll(ListCore<T>& core) noexcept RUNNEL_ACQUIRE(core.back.mutex, core.front.mutex)
        : core_{core}, front_{lock(core)} {}
    ~LockAll() RUNNEL_RELEASE() { unlock(core_, front_); }
    LockAll(const LockAll&) = delete;
    LockAll& operator=(const LockAll&) = delete;

    // Whether the front's lock was taken too.
    static bool lock(ListCore<T>& core) noexcept RUNNEL_NO_THREAD_SAFETY_ANALYSIS {
        core.back.mutex.lock();
        return LockRest<T>::lock(core);
    }
    static void unlock(ListCore<T>& core, bool front) noexcept RUNNEL_NO_THREAD_SAFETY_ANALYSIS {
        LockRest<T>::unlock(core, front);
        core.back.mutex.unlock();
    }

private:
    ListCore<T>& core_;
    const bool front_;
};

// All of one list, or of two: the one place where the locks of two objects are taken, by address.
// The analysis knows of `one`; what is done with the other one asserts it, see assert_held().
template <Message T>
class RUNNEL_SCOPED_CAPABILITY LockPair {
public:
    // `other` may be null, or the same.
    LockPair(ListCore<T>& one, ListCore<T>* other) noexcept
        RUNNEL_ACQUIRE(one.back.mutex, one.front.mutex)
        : low_{other != nullptr && std::less<>{}(other, &one) ? other : &one},
          high_{low_ == &one ? other : &one},
          low_front_{LockAll<T>::lock(*low_)},
          high_front_{are_two() && LockAll<T>::lock(*high_)} {}
    ~LockPair() RUNNEL_RELEASE() {
        if (are_two()) LockAll<T>::unlock(*high_, high_front_);
        LockAll<T>::unlock(*low_, low_front_);
    }
    LockPair(const LockPair&) = delete;
    LockPair& operator=(const LockPair&) = delete;

private:
    [[nodiscard]] bool are_two() const noexcept { return high_ != nullptr && high_ != low_; }

    ListCore<T>* const low_;
    ListCore<T>* const high_;
    const bool low_front_;
    const bool high_front_;
};

// A core, the waits in it, and what wakes them.
//
// Invariant outside the locks: an element and a waiter that could take it never coexist, nor do
// room and a waiter that could fill it. There is one exception. A waiting move needs the locks of
// a second list, and to take them in order the waker has to let go of the first. Until it has them
// again, a call that comes here finds a queue, joins it, and serves it.
template <Message T>
class ListState final : public Shared {
public:
    explicit ListState(const ListOptions& options) noexcept
        : core{options.capacity},
          when_full{options.when_full},
          clock{options.clock != nullptr ? *options.clock : SystemClock::instance()},
          is_real{clock.is_real()} {
        const LockAll lock{core};
        core.refill_room();
    }

    // The elements die before the list does: their destructors find it closed and empty.
    ~ListState() override {
        BlockDeque<T> front;
        BlockDeque<T> back;
        const LockAll lock{core};
        core.take_all(front, back);
    }

    void last_handle_gone() noexcept override { close(); }

    void close() noexcept {
        {
            const LockAll lock{core};
            closed = true;
            update_attention();
        }
        serve_others();
    }

    // ---- the fast paths: one lock

    // Appends `message` if there is room and nobody waits, else returns otherwise(), which is
    // called with the back's lock held and has to let go of it.
    template <typename Otherwise>
    Push push_back_or(T& message, Otherwise otherwise) RUNNEL_NO_THREAD_SAFETY_ANALYSIS {
        core.back.mutex.lock();
        if (core.back.room == 0) [[unlikely]]
            return otherwise();
        const Unlock unlock{core.back.mutex};
        core.push_back(std::move(message));
        return Push::done;
    }

    // Appends `message` and serves those who wait for it, in place. False, and `message` untouched,
    // if nobody does, or there is no room, or the list is closed, or others push before.
    // Lets go of the back's lock.
    [[nodiscard]] bool hand_over(T& message) RUNNEL_RELEASE(core.back.mutex) {
        WakeChain chain;
        bool out_of_reach = false;
        {
            const Unlock unlock{core.back.mutex};
            if (!can_hand_over()) return false;
            core.back.items.push_back(std::move(message));
            out_of_reach = serve_back(chain);
        }
        if (out_of_reach) serve_all(chain);
        chain.resume_all();
        return true;
    }

    // Pushes a prefix and returns its length.
    [[nodiscard]] std::size_t push_back_now(std::span<T> messages) {
        const Lock lock{core.back.mutex};
        // It may be out of date; what fits goes in under one lock.
        if (core.back.room < messages.size() && nobody_waits() && !closed) core.refill_room();
        return core.push_back(messages.first(std::min(messages.size(), core.back.room)));
    }

    // What is at hand at the front, else otherwise(), called without a lock.
    template <typename Otherwise>
    [[nodiscard]] Popped<T> pop_front_or(Otherwise otherwise) {
        if (core.front_size() != 0) {
            const Lock lock{core.front.mutex};
            if (core.front_has() && !core.front.attention) [[likely]]
                return take_first_of_front();
        }
        return otherwise();
    }

    // The first element, wherever it is, else otherwise(), which is called with the back's lock
    // held and has to let go of it.
    template <typename Otherwise>
    [[nodiscard]] Popped<T>
    pop_front_at_back_or(Otherwise otherwise) RUNNEL_NO_THREAD_SAFETY_ANALYSIS {
        core.back.mutex.lock();
        if (core.back.room != 0 || nobody_waits()) [[likely]] {
            if (core.front_size() != 0) {
                const Lock front{core.front.mutex};
                if (core.front_has()) {
                    const Unlock unlock{core.back.mutex};
                    return take_first_of_front();
                }
            }
            if (!core.back.items.empty()) {
                const Unlock unlock{core.back.mutex};
                if (core.back.items.size() == 1) return take_first_of_back();
                return take_over_from_back();
            }
        }
        return otherwise();
    }

    // Puts the node of a pop that found the list empty into line, if it may wait there.
    // Requires: the back's lock, and an empty list, so that the front needs no attention.
    template <typename MakeNode>
    void join(MakeNode make_node) noexcept RUNNEL_REQUIRES(core.back.mutex) {
        if (!nobody_waits() || closed) return;
        core.back.poppers.insert(make_node());
        core.back.room = 0;
    }

    // A consumer that finds nothing has taken this many elements since the last time. If they came
    // in a stream, it leaves the producer alone for a moment, and finds several when it looks
    // again.
    [[nodiscard]] bool ends_a_stream() noexcept RUNNEL_REQUIRES(core.back.mutex) {
        return nobody_waits() && std::exchange(core.back.streak, 0) >= stream_length && is_real;
    }

    // False if there is nothing, or somebody waits. May throw, and then has taken nothing.
    [[nodiscard]] bool pop_many_now(End end, std::size_t count, std::vector<T>& out,
                                    bool& streamed) {
        if (end == End::front && core.front_size() >= count) {
            out.reserve(count);
            const Lock lock{core.front.mutex};
            // Its size first: the attention of an empty front belongs to the back's lock.
            if (core.front_has(count) && !core.front.attention) {
                core.pop_many_of_front(count, out);
                return true;
            }
        }
        const Lock lock{core.back.mutex};
        if (!nobody_waits()) return false;
        if (end == End::front && core.front_size() == 0 && core.back.items.size() > count) {
            out.reserve(count);
            take_over_many(count, out);
            return true;
        }
        const LockRest rest{core};
        if (core.empty()) {
            streamed = ends_a_stream();
            return false;
        }
        out.reserve(std::min(count, core.size()));
        core.pop_many(end, count, out);
        return true;
    }

    // Pushes a prefix, as long as there is room or the rule makes some, serves those who wait for
    // it, and returns its length: 0 if somebody waits to push, or the list is closed. May throw,
    // and then has changed nothing. What had to go is moved to `dropped_elements`.
    [[nodiscard]] std::size_t push_and_serve(End end, std::span<T> messages,
                                             std::vector<T>& dropped_elements) {
        WakeChain chain;
        std::size_t count = 0;
        bool out_of_reach = false;
        {
            const LockAll lock{core};
            if (closed || !is_first(Line::pushes)) return 0;
            count = push_prefix(end, messages, dropped_elements);
            out_of_reach = !serve_within_reach(chain);
        }
        if (out_of_reach) serve_all(chain);
        chain.resume_all();
        return count;
    }

    // Throws only if nothing has been pushed.
    [[nodiscard]] std::size_t push_prefix(End end, std::span<T> messages,
                                          std::vector<T>& dropped_elements)
        RUNNEL_REQUIRES(core.back.mutex, core.front.mutex) {
        std::size_t count = 0;
        try {
            for (; count != messages.size(); ++count) {
                core.reserve(end);
                if (!make_room(end, dropped_elements)) break;
                core.push(end, std::move(messages[count]));
            }
        } catch (...) {
            if (count == 0) throw;
        }
        return count;
    }

    // Room for one more at `end`, made by dropping an element at the other end if that is the rule.
    // What was dropped is to be destroyed by the thread that pushes, without a lock.
    [[nodiscard]] bool make_room(End end, std::vector<T>& dropped_elements)
        RUNNEL_REQUIRES(core.back.mutex, core.front.mutex) {
        if (core.free_room() != 0) return true;
        if (when_full != Full::drop_other_end) return false;
        const End other = end == End::back ? End::front : End::back;
        dropped_elements.push_back(std::move(core.peek(other)));
        core.drop(other);
        ++dropped;
        return true;
    }

    // ---- waiting

    // Puts `node` into line unless its request can be carried out at once, which is when nobody
    // stands before it. True if this thread has claimed it that way: nobody else will end it.
    [[nodiscard]] bool enter(ListNode<T>& node, Line line, WakeChain& chain) noexcept {
        bool mine = false;
        bool out_of_reach = false;
        {
            const LockAll lock{core};
            WaitQueue& queue = line == Line::pops ? core.back.poppers : pushers;
            auto served = Served::no;
            if (is_first(line)) served = node.waiter->serve(node);
            if (served == Served::no) queue.insert(node);
            mine = served == Served::yes;
            out_of_reach = !serve_within_reach(chain);
        }
        if (out_of_reach) serve_all(chain);
        return mine;
    }

    // Takes `node` out of line if it still stands in it.
    void leave(ListNode<T>& node) noexcept {
        const LockAll lock{core};
        if (node.queue != nullptr) node.queue->remove(node);
        update_attention();
    }

    // Carries out what can be carried out with the locks that are held, which are also those of
    // `also`, and adds whom it claims to `chain`. False if more locks are needed: see serve_all().
    [[nodiscard]] bool serve_within_reach(WakeChain& chain, ListState* also = nullptr) noexcept
        RUNNEL_REQUIRES(core.back.mutex, core.front.mutex) {
        Reach reach{also};
        return serve_within(reach, chain).at == nullptr;
    }

    // Carries out what can be carried out, and adds whom it claims to `chain`.
    // Requires: the caller holds no lock of any list.
    void serve_all(WakeChain& chain) noexcept RUNNEL_EXCLUDES(core.back.mutex, core.front.mutex) {
        Reach reach;
        Owner<ListState> also;  // it could otherwise go together with the move that names it
        for (;;) {
            Stop stop;
            Owner<ListState> other;
            {
                const LockPair lock{core, reach.also != nullptr ? &reach.also->core : nullptr};
                stop = serve_within(reach, chain);
                if (stop.at == nullptr) return;
                other = Owner{*stop.at};
            }
            if (stop.is_source) stop.at->serve_poppers_alone(chain);
            reach.also = stop.is_source ? nullptr : stop.at;
            also = std::move(other);
        }
    }

    // The same for a caller without a chain.
    void serve_others() noexcept {
        WakeChain chain;
        serve_all(chain);
        chain.resume_all();
    }

    // Whether a push with a lesser ticket waits for room here.
    [[nodiscard]] bool has_push_before(const Waiter& waiter) const noexcept
        RUNNEL_REQUIRES(core.back.mutex) {
        for (const WaitNode* node = pushers.first();
             node != nullptr && node->waiter->ticket() < waiter.ticket(); node = node->next) {
            if (other_list(*node) == nullptr && !node->waiter->claimed()) return true;
        }
        return false;
    }

    // For a request, which is carried out with all of its lists held.
    void assert_held() const noexcept
        RUNNEL_ASSERT_CAPABILITY(core.back.mutex,
                                 core.front.mutex) RUNNEL_NO_THREAD_SAFETY_ANALYSIS {
        RUNNEL_ASSERT(core.back.mutex.is_held());
        RUNNEL_ASSERT(core.front.items.empty() || core.front.mutex.is_held());
    }

    // To be called after every change that was made without serve_within().
    void update_attention() noexcept RUNNEL_REQUIRES(core.back.mutex, core.front.mutex) {
        const bool anybody = !nobody_waits();
        core.refill_room();
        if (anybody || closed) core.back.room = 0;
        // Pops that wait for elements need no attention there: the front is empty. Not to write
        // spares its cache line a journey at every hand-over.
        const bool attention = anybody && !core.empty();
        if (core.front.attention != attention) core.front.attention = attention;
        const bool owing = !core.back.poppers.empty() && !core.empty();
        if (owes.load(std::memory_order_relaxed) != owing)
            owes.store(owing, std::memory_order_relaxed);
    }

    ListCore<T> core;
    const Full when_full;
    Clock& clock;
    const bool is_real;
    WaitQueue pushers RUNNEL_GUARDED_BY(core.back.mutex);
    bool closed RUNNEL_GUARDED_BY(core.back.mutex) = false;
    std::uint64_t dropped RUNNEL_GUARDED_BY(core.back.mutex) = 0;
    // Whether somebody waits for an element though there is one. A waker that has carried out a
    // move to this list first goes on where it is; if it comes to a pop of several lists there,
    // which stands in line here too and has named this list before, the pop takes from here.
    // Written under the lock; a glimpse without it decides only whether to look under it.
    std::atomic<bool> owes = false;
    // Away from what every push that finds no room looks at.
    alignas(64) SpinBudget spin;

private:
    // How far serving may go and has got: the second list whose locks are held, and the last
    // places of those who need lists whose locks were not. They are not waited for twice.
    struct Reach {
        ListState* also = nullptr;
        WaitPlace last_popper{};
        WaitPlace last_pusher{};
    };

    // Where serving stops: at a move to this list, or from it, or at a pop of this one, too.
    struct Stop {
        ListState* at = nullptr;
        bool is_source = false;
    };

    // Whether a request that comes now is the first in line. In a list that does not block, one
    // that stands in the line for room waits for something else: it is a move.
    [[nodiscard]] bool is_first(Line line) const noexcept RUNNEL_REQUIRES(core.back.mutex) {
        return line == Line::pops ? core.back.poppers.empty()
                                  : pushers.empty() || when_full != Full::block;
    }

    void serve_poppers_alone(WakeChain& chain) noexcept
        RUNNEL_EXCLUDES(core.back.mutex, core.front.mutex) {
        Reach reach;
        Owner<ListState> also;
        do {
            Owner<ListState> other;
            {
                const LockPair lock{core, reach.also != nullptr ? &reach.also->core : nullptr};
                reach.also = serve_poppers(reach, chain);
                if (reach.also != nullptr) other = Owner{*reach.also};
                update_attention();
            }
            also = std::move(other);
        } while (reach.also != nullptr);
    }

    [[nodiscard]] bool can_hand_over() const noexcept RUNNEL_REQUIRES(core.back.mutex) {
        return !closed && !core.back.poppers.empty() && pushers.empty() && core.front_size() == 0 &&
               core.free_room() != 0;
    }

    // Serves with what a holder of the back's lock has, which is all: the front is empty. True if
    // somebody is out of reach.
    [[nodiscard]] bool serve_back(WakeChain& chain) noexcept RUNNEL_REQUIRES(core.back.mutex) {
        assert_held();
        return !serve_within_reach(chain);
    }

    [[nodiscard]] static ListState* other_list(const WaitNode& node) noexcept {
        return static_cast<const ListNode<T>&>(node).other;
    }

    [[nodiscard]] bool nobody_waits() const noexcept RUNNEL_REQUIRES(core.back.mutex) {
        return core.back.poppers.empty() && pushers.empty();
    }

    [[nodiscard]] Popped<T> take_first_of_front() noexcept RUNNEL_REQUIRES(core.front.mutex) {
        Popped<T> popped(std::in_place, std::move(core.first_of_front()));
        core.drop_first_of_front();
        return popped;
    }

    // Requires: the front is empty.
    [[nodiscard]] Popped<T> take_over_from_back() noexcept RUNNEL_REQUIRES(core.back.mutex)
        RUNNEL_EXCLUDES(core.front.mutex) {
        core.back.streak += static_cast<std::uint32_t>(core.back.items.size());
        const Lock lock{core.front.mutex};
        core.refill_front();
        return take_first_of_front();
    }

    // Requires: the front is empty.
    void take_over_many(std::size_t count, std::vector<T>& out) noexcept
        RUNNEL_REQUIRES(core.back.mutex) RUNNEL_EXCLUDES(core.front.mutex) {
        core.back.streak += static_cast<std::uint32_t>(core.back.items.size());
        const Lock lock{core.front.mutex};
        core.refill_front();
        core.pop_many_of_front(count, out);
    }

    // For a single element the front's lock is not worth taking.
    [[nodiscard]] Popped<T> take_first_of_back() noexcept RUNNEL_REQUIRES(core.back.mutex) {
        ++core.back.streak;
        Popped<T> popped(std::in_place, std::move(core.back.items.front()));
        core.back.items.drop_front();
        return popped;
    }

    // Runs the requests that can be satisfied, in the order of their tickets, and again while that
    // makes others satisfiable. Stops where another list is needed that is out of reach: it has to
    // be locked too; at the source of a move others may stand before the move, so that it is served
    // there.
    [[nodiscard]] Stop serve_within(Reach& reach, WakeChain& chain) noexcept
        RUNNEL_REQUIRES(core.back.mutex, core.front.mutex) {
        Stop stop;
        std::size_t before = 0;
        do {
            stop = {serve_poppers(reach, chain), false};
            before = core.size();
            if (stop.at == nullptr) stop = {serve_pushers(reach, chain), true};
        } while (stop.at == nullptr && core.size() > before && !core.back.poppers.empty());
        update_attention();
        return stop;
    }

    [[nodiscard]] ListState* serve_poppers(Reach& reach, WakeChain& chain) noexcept
        RUNNEL_REQUIRES(core.back.mutex, core.front.mutex) {
        WaitQueue& queue = core.back.poppers;
        for (WaitNode* at = queue.first(); at != nullptr && !core.empty();) {
            auto& node = static_cast<ListNode<T>&>(*at);
            at = at->next;
            if (node.earlier != nullptr) node.other = first_owing(node, reach);
            if (node.other == nullptr || node.other == reach.also) {
                ask(queue, node, chain);
            } else if (node.waiter->place() > reach.last_popper) {
                reach.last_popper = node.waiter->place();
                return node.other;
            }
        }
        // Nothing can come any more: this ends all of them, also those who were passed over.
        while (closed && core.empty() && !queue.empty()) ask(queue, *queue.first(), chain);
        return nullptr;
    }

    // Of the lists that were named before, the first one that owes an element, if its locks are
    // held or serving may stop for them: which it does once for each pop.
    [[nodiscard]] static ListState* first_owing(const ListNode<T>& node,
                                                const Reach& reach) noexcept {
        ListState* first = nullptr;
        for (const ListNode<T>* at = node.earlier; at != nullptr; at = at->earlier)
            if (at->list()->owes.load(std::memory_order_relaxed)) first = at->list();
        return first == reach.also || node.waiter->place() > reach.last_popper ? first : nullptr;
    }

    [[nodiscard]] ListState* serve_pushers(Reach& reach, WakeChain& chain) noexcept
        RUNNEL_REQUIRES(core.back.mutex, core.front.mutex) {
        for (WaitNode* node = pushers.first(); node != nullptr;) {
            WaitNode* const next = node->next;
            ListState* const source = other_list(*node);
            const bool may_push = core.free_room() != 0 && when_full == Full::block;
            if (closed || (source == nullptr && may_push)) {
                ask(pushers, *node, chain);
            } else if (may_push && static_cast<ListNode<T>*>(node)->awaits_room &&
                       node->waiter->place() > reach.last_pusher) {
                reach.last_pusher = node->waiter->place();
                return source;
            }
            node = next;
        }
        return nullptr;
    }
};

}  // namespace runnel::inline v0::detail
