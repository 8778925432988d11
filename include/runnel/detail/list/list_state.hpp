// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/abstract_clock.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/atomic.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/base/thread_id.hpp>
#include <runnel/detail/base/unmade.hpp>
#include <runnel/detail/core/list_core.hpp>
#include <runnel/detail/wait/blocked_time.hpp>
#include <runnel/detail/wait/spin.hpp>
#include <runnel/detail/wait/system_clock.hpp>
#include <runnel/detail/wait/turn.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/list_options.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stats.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

namespace runnel::inline v0::detail {

template <Message T>
class ListState;

// What becomes of a push that finds no room. no: it was not pushed, and `message` is untouched.
// finished: it was pushed, and the waiting requests were served. unfinished: it was pushed, and
// some requests need more locks.
enum class HandOver : std::uint8_t { no, finished, unfinished };

// The queues of a list: for elements, for room, and for a look at elements.
enum class Line : std::uint8_t {
    pops,
    pushes,
    looks,  // waits that only want to know of an element
};

template <Message T>
struct ListNode;

// What the place of a wait over several lists knows besides.
template <Message T>
struct ListExtra : NodeExtra {
    // A second list whose locks are needed to serve it. For a move: the list at its other side. For
    // a pop of several lists: see ListState::owes.
    ListState<T>* other = nullptr;
    // For a pop of several lists: its place at the list that was named before this one.
    const ListNode<T>* earlier = nullptr;
    // For a move: its place at the other list.
    ListNode<T>* other_place = nullptr;
};

// The place of a wait in one of the queues of a list. The owner of the wait keeps the memory of the
// list meanwhile.
template <Message T>
struct ListNode : WaitNode {
    ListNode(Waiter& of, ListState<T>& in, ListExtra<T>* more = nullptr) noexcept
        : WaitNode{of, more}, list_{&in} {}
    // Its waiter comes later.
    ListNode(ListState<T>& in, ListExtra<T>& more) noexcept : WaitNode{more}, list_{&in} {}

    [[nodiscard]] ListState<T>* list() const noexcept { return list_; }
    // Requires: it waits on several lists.
    [[nodiscard]] ListExtra<T>& several() const noexcept {
        return static_cast<ListExtra<T>&>(*extra);
    }

private:
    ListState<T>* const list_;
};

// The same of a wait over several objects. Keeps the memory of its list.
template <Message T>
struct OneOfListNodes : ListNode<T> {
    OneOfListNodes(Waiter& of, ListState<T>& in, std::size_t which = 0) noexcept
        : ListNode<T>{of, in, &several_}, keep_{in} {
        several_.which = which;
    }
    OneOfListNodes(ListState<T>& in, std::size_t which) noexcept
        : ListNode<T>{in, several_}, keep_{in} {
        several_.which = which;
    }

private:
    ListExtra<T> several_;
    const Owner<ListState<T>> keep_;
};

// Locks the rest of a list, for a holder of the back's lock: the front's lock, unless the front is
// empty. No other thread fills an empty front meanwhile, so that needs no guard. A call that fills
// it (by taking over the back) takes the front's lock itself: it must not hold this one.
template <Message T>
class RUNNEL_SCOPED_CAPABILITY LockRest {
public:
    explicit LockRest(ListState<T>& list) noexcept RUNNEL_REQUIRES(list.back.mutex)
        RUNNEL_ACQUIRE(list.front.mutex)
        : front_{list.front_size() != 0 ? &list.front.mutex : nullptr} {
        if (front_ != nullptr) front_->lock();
    }
    ~LockRest() RUNNEL_RELEASE() {
        if (front_ != nullptr) front_->unlock();
    }
    LockRest(const LockRest&) = delete;
    LockRest& operator=(const LockRest&) = delete;

private:
    Mutex* const front_;
};

// All of a list: the back's lock, and the rest.
template <Message T>
class RUNNEL_SCOPED_CAPABILITY LockAll {
public:
    explicit LockAll(ListState<T>& list) noexcept RUNNEL_ACQUIRE(list.back.mutex, list.front.mutex)
        : back_{list.back.mutex}, rest_{list} {}
    ~LockAll() RUNNEL_RELEASE() = default;
    LockAll(const LockAll&) = delete;
    LockAll& operator=(const LockAll&) = delete;

private:
    const Lock back_;
    const LockRest<T> rest_;
};

// Locks one list, or two. This is the only place that takes the locks of two lists, in the order of
// their addresses. The analysis knows of `one`; code that uses the other list asserts its locks,
// see assert_held().
template <Message T>
class RUNNEL_SCOPED_CAPABILITY LockPair {
public:
    // `other` may be null, or the same.
    LockPair(ListState<T>& one, ListState<T>* other) noexcept
        RUNNEL_ACQUIRE(one.back.mutex, one.front.mutex)
        : low_{is_before(other, one) ? *other : one} {
        if (other == nullptr || other == &one) return;
        ListState<T>& high = is_before(other, one) ? one : *other;
        high_back_ = &high.back.mutex;
        high_back_->lock();
        if (high.front_size() == 0) return;
        high_front_ = &high.front.mutex;
        high_front_->lock();
    }
    ~LockPair() RUNNEL_RELEASE() {
        if (high_front_ != nullptr) high_front_->unlock();
        if (high_back_ != nullptr) high_back_->unlock();
    }
    LockPair(const LockPair&) = delete;
    LockPair& operator=(const LockPair&) = delete;

private:
    [[nodiscard]] static bool is_before(const ListState<T>* other,
                                        const ListState<T>& one) noexcept {
        return other != nullptr && std::less<>{}(other, &one);
    }

    const LockAll<T> low_;
    Mutex* high_back_ = nullptr;   // null: of one list
    Mutex* high_front_ = nullptr;  // null: its front is empty
};

// A list: its elements, the waits in it, and what wakes them.
//
// Locks: the back's before the front's. A producer works at the back under its lock, a consumer at
// the front under the other one. So in a stream of messages each side takes a lock of its own and
// hardly touches a cache line of the other side.
// * The front grows only under both locks; under the front's lock alone it shrinks.
// * So under the back's lock, front_size() == 0 stays true, and then the back is the whole list:
//   its holder has all of it, and leaves the front's lock and cache line alone.
//
// Invariant outside the locks: an element and a waiter that could take it never coexist, nor do
// room and a waiter that could fill it. There is one exception. A waiting move needs the locks of a
// second list. To take them in order, the waker has to release those of the first. Meanwhile the
// move keeps its place in line, and a call that comes here stands behind it and serves the queue:
// the later call gets the element or the room only if the move cannot use it. And those that wait
// for the room that such a move leaves in its source are served once the waker has released all
// locks.
template <Message T>
class ListState final : public Shared, public TurnGiver {
public:
    explicit ListState(const ListOptions& options) noexcept
        : capacity{options.capacity},
          when_full{options.when_full},
          clock{options.clock != nullptr ? *options.clock : SystemClock::instance()},
          is_real{clock.is_real()} {
        const LockAll lock{*this};
        update_attention();
    }

    // The elements are destroyed before the list: their destructors find it closed and empty.
    ~ListState() override {
        BlockDeque<T> of_front;
        BlockDeque<T> of_back;
        const LockAll lock{*this};
        core().take_all(of_front, of_back);
    }

    void last_handle_gone() noexcept override { close(); }

    void close() noexcept {
        WakeChain chain;
        {
            const LockAll lock{*this};
            closed = true;
            update_attention();
        }
        finish(false, chain);
    }

    // ---- what there is

    // All of it. Also for a holder of the back's lock alone while the front is empty: see LockRest.
    [[nodiscard]] ListCore<T> core() noexcept RUNNEL_REQUIRES(back.mutex, front.mutex) {
        return {front.part, back.part};
    }

    // A snapshot; for a holder of the back's lock an upper bound, and exact when it is 0.
    // Not analysed, as it needs no lock: it reads only an atomic of the front.
    [[nodiscard]] std::size_t front_size() const noexcept RUNNEL_NO_THREAD_SAFETY_ANALYSIS {
        return front.part.size();
    }
    [[nodiscard]] std::size_t size() const noexcept RUNNEL_REQUIRES(back.mutex) {
        return front_size() + back.part.items.size();
    }
    [[nodiscard]] std::size_t free_room() const noexcept RUNNEL_REQUIRES(back.mutex) {
        return back.part.free_room(capacity, front_size());
    }
    // Whether an element more or less concerns no request and no turn.
    [[nodiscard]] bool needs_no_attention() const noexcept RUNNEL_REQUIRES(back.mutex) {
        return back.poppers.empty() && pushers.empty() && lookers.empty() && turns.empty() &&
               (!closed || outgoing.empty());
    }

    // ---- taking and putting, one lock

    // Requires: the front is not empty.
    [[nodiscard]] Popped<T> take_first_of_front() noexcept RUNNEL_REQUIRES(front.mutex) {
        Popped<T> popped(std::in_place, std::move(front.part.first()));
        front.part.drop_first();
        return popped;
    }

    // These require: the front is empty, and the back is not.

    [[nodiscard]] Popped<T> take_first_of_back() noexcept RUNNEL_REQUIRES(back.mutex)
        RUNNEL_EXCLUDES(front.mutex) {
        // For a single element the front's lock is not worth taking.
        if (back.part.items.size() != 1) return take_over_from_back();
        note_taken(1);
        Popped<T> popped(std::in_place, std::move(back.part.items.front()));
        back.part.items.drop_front();
        return popped;
    }

    [[nodiscard]] Popped<T> take_over_from_back() noexcept RUNNEL_REQUIRES(back.mutex)
        RUNNEL_EXCLUDES(front.mutex) {
        note_taken(back.part.items.size());
        const Lock lock{front.mutex};
        note_size();
        core().refill_front();
        return take_first_of_front();
    }

    void take_over_many(std::size_t count, std::vector<T>& out) noexcept RUNNEL_REQUIRES(back.mutex)
        RUNNEL_EXCLUDES(front.mutex) {
        note_taken(back.part.items.size());
        const Lock lock{front.mutex};
        note_size();
        core().refill_front();
        front.part.pop_many(count, out);
    }

    // So many elements are taken from the back.
    void note_taken(std::size_t count) noexcept RUNNEL_REQUIRES(back.mutex) {
        constexpr std::size_t many = 64;
        back.streak += static_cast<std::uint32_t>(count);
        if (is_real && count < many && back.streak >= stream_length &&
            !front.found_few.load(std::memory_order_relaxed))
            front.found_few.store(true, std::memory_order_relaxed);
    }
    // For a consumer that finds the front empty, before it takes the back's lock. True: it takes
    // from a stream as fast as others push, and one of them has the lock. It should pause, so that
    // it finds several elements: else they take the lock from each other for each one.
    [[nodiscard]] bool is_in_producers_way() noexcept {
        if (!is_real || !front.found_few.load(std::memory_order_relaxed) || !back.mutex.is_held())
            return false;
        front.found_few.store(false, std::memory_order_relaxed);
        return true;
    }

    // Appends `message` and serves the requests that it concerns, pops and looks. Does nothing if
    // the list needs no attention, the front is not empty, there is no room, the list is closed, or
    // another push waits. The caller releases the lock and calls finish().
    [[nodiscard]] [[gnu::noinline]] HandOver hand_over(T& message, Unmade<WakeChain>& memory)
        RUNNEL_REQUIRES(back.mutex) {
        const bool is_wanted = front_size() == 0 && pushers.empty() && free_room() != 0 &&
                               !closed && !needs_no_attention();
        if (!is_wanted) return HandOver::no;
        WakeChain& chain = memory.make();
        back.part.items.push_back(std::move(message));
        note_pushed();
        assert_held();  // the front is empty: this is all
        return serve_under_locks(chain) ? HandOver::finished : HandOver::unfinished;
    }

    // For a consumer that finds nothing: restarts the count of elements taken. True if those since
    // the last time came in a stream. Then the consumer should pause, so that it finds several
    // elements when it looks again.
    [[nodiscard]] bool end_streak() noexcept RUNNEL_REQUIRES(back.mutex) {
        return needs_no_attention() && std::exchange(back.streak, 0) >= stream_length && is_real;
    }

    // Pushes a prefix, as long as there is room or the rule makes some, and returns its length.
    // Throws only if nothing has been pushed. Moves the dropped elements to `dropped_elements`.
    [[nodiscard]] std::size_t push_prefix(End end, std::span<T> messages,
                                          std::vector<T>& dropped_elements)
        RUNNEL_REQUIRES(back.mutex, front.mutex) {
        std::size_t count = 0;
        try {
            for (; count != messages.size(); ++count) {
                core().reserve(end);
                if (!make_room(end, dropped_elements)) break;
                core().push(end, std::move(messages[count]));
                note_pushed();
            }
        } catch (...) {
            if (count == 0) throw;
        }
        return count;
    }

    // Whether there is room for one more at `end`. If the rule says so, makes it by dropping an
    // element at the other end. The thread that pushes has to destroy that element without a lock.
    [[nodiscard]] bool make_room(End end, std::vector<T>& dropped_elements)
        RUNNEL_REQUIRES(back.mutex, front.mutex) {
        if (free_room() != 0) return true;
        if (when_full != Full::drop_other_end) return false;
        const End other = end == End::back ? End::front : End::back;
        dropped_elements.push_back(std::move(core().peek(other)));
        core().drop(other);
        ++dropped;
        return true;
    }

    // ---- elements that come back
    //
    // An Operation may be abandoned after it was served. Then its element goes back, for which
    // there is memory already.

    // Before an Operation takes an element. Sets aside one more than all of them need: so an
    // element that has come back can be taken by another one at once. Throws: std::bad_alloc.
    void prepare_return() RUNNEL_REQUIRES(back.mutex) {
        const std::size_t needed = on_the_way() + 1;
        if (aside.size() < needed) aside.reserve(needed + 1);
    }
    // When it has taken one.
    void send_off() noexcept RUNNEL_REQUIRES(back.mutex) { ++sent_off; }
    // When that will not come back any more.
    void note_arrival() noexcept { arrived.fetch_add(1, std::memory_order_release); }
    // How many Operations have taken elements and not handed them out.
    [[nodiscard]] std::size_t on_the_way() const noexcept RUNNEL_REQUIRES(back.mutex) {
        return sent_off - arrived.load(std::memory_order_acquire);
    }

    // Puts elements that one Operation has taken back at the end that they came from, over the
    // capacity, too, so that they are popped in the same order. `memory` has blocks for them.
    void give_back(End end, std::span<T> elements, typename BlockDeque<T>::Aside* memory) noexcept
        RUNNEL_EXCLUDES(back.mutex, front.mutex) {
        WakeChain chain;
        bool is_finished = true;
        {
            const LockAll lock{*this};
            note_pushed(elements.size());
            for (std::size_t left = elements.size(); left != 0; --left) {
                core().reserve(end, memory != nullptr ? *memory : aside);
                core().push(end, std::move(elements[left - 1]));
            }
            note_arrival();
            is_finished = serve_under_locks(chain);
        }
        finish(is_finished, chain);
    }

    // ---- waiting

    // An element, or room, or the end of all waits.
    [[nodiscard]] bool has_something_for(Line line) const noexcept RUNNEL_REQUIRES(back.mutex) {
        return closed || (line == Line::pushes ? free_room() != 0 : size() != 0);
    }
    // Whether a request that comes now is the first in line. Looks take nothing from each other.
    [[nodiscard]] bool is_first(Line line) noexcept RUNNEL_REQUIRES(back.mutex) {
        return line == Line::looks || queue_of(line).empty();
    }
    [[nodiscard]] WaitQueue& queue_of(Line line) noexcept RUNNEL_REQUIRES(back.mutex) {
        switch (line) {
        case Line::pops:
            return back.poppers;
        case Line::pushes:
            return pushers;
        default:
            return lookers;
        }
    }

    // The queues of a waiting move that lacks an element (Line::pops) or room (Line::pushes): at
    // its source, and at its target.
    [[nodiscard]] WaitQueue& queue_at_source(Line line) noexcept RUNNEL_REQUIRES(back.mutex) {
        return line == Line::pushes ? outgoing : back.poppers;
    }
    [[nodiscard]] WaitQueue& queue_at_target(Line line) noexcept RUNNEL_REQUIRES(back.mutex) {
        return line == Line::pushes ? pushers : incoming;
    }

    // What became of a request that came to a line.
    enum class Entered : std::uint8_t {
        ended,       // this thread has claimed it, and no other thread will end it
        queued,      // it stands in line; or another thread has claimed it, or this list is closed
        not_at_all,  // it may not wait, and there is nothing for it
    };

    // Carries out the request of `node` if it is the first one and can be carried out at once. Else
    // puts it into line if it may wait or, so that it is served in its turn, if there is something
    // for it.
    [[nodiscard]] Entered enter(ListNode<T>& node, Line line, bool may_wait,
                                WakeChain& chain) noexcept {
        auto served = Served::no;
        bool is_queued = false;
        bool is_finished = false;
        {
            const LockAll lock{*this};
            if (is_first(line)) served = node.waiter->serve(node);
            is_queued = served == Served::no && (may_wait || has_something_for(line));
            if (is_queued) stand_in(line, node);
            if (served == Served::no && !is_queued && line == Line::pushes) ++refused;
            const bool takes = line == Line::pops && (served == Served::yes || is_queued);
            if (takes) turns.end_of(this_thread());
            is_finished = serve_under_locks(chain);
        }
        if (!is_finished) serve_all(chain);
        if (served == Served::yes) return Entered::ended;
        return is_queued || served == Served::elsewhere ? Entered::queued : Entered::not_at_all;
    }

    // Puts a pop into line. Requires: the list is empty, and no other request waits.
    void queue_pop(ListNode<T>& node) noexcept RUNNEL_REQUIRES(back.mutex) {
        RUNNEL_ASSERT(size() == 0 && needs_no_attention());
        back.poppers.insert(node);
        node.waiter->note_that_queued();
        back.part.room = 0;
    }
    // Puts a push into line. Requires: the list is full.
    void queue_push(ListNode<T>& node) noexcept RUNNEL_REQUIRES(back.mutex, front.mutex) {
        RUNNEL_ASSERT(free_room() == 0 && !core().empty());
        stand_in(Line::pushes, node);
        node.waiter->note_that_queued();
        back.part.room = 0;
        front.attention.store(true, std::memory_order_relaxed);
    }

    // Puts a waiting move into the line in which it lacks something. Where it does not stand any
    // more it has left: it has ended. Requires: the locks of both lists.
    static void line_up(ListNode<T>& at_source, ListNode<T>& at_target, Line line) noexcept {
        ListState& source = *at_source.list();
        ListState& target = *at_target.list();
        source.assert_held();
        target.assert_held();
        change_line(at_source, source.queue_at_source(line));
        change_line(at_target, target.queue_at_target(line));
        source.update_attention();
        target.update_attention();
    }

    // Takes `node` out of line if it still stands in it.
    void leave(ListNode<T>& node) noexcept {
        const LockAll lock{*this};
        take_out(node);
        update_attention();
    }
    // The same for a push, which has ended in time or was stopped.
    void leave_pushes(ListNode<T>& node) noexcept {
        const LockAll lock{*this};
        if (node.waiter->how() == WaitEnd::timed_out) ++refused;
        take_out(node);
        update_attention();
    }

    void end_turn(Turn& turn) noexcept override RUNNEL_EXCLUDES(back.mutex, front.mutex) {
        WakeChain chain;
        bool is_finished = true;
        {
            const LockAll lock{*this};
            if (turns.end(turn)) is_finished = serve_under_locks(chain);
        }
        finish(is_finished, chain);
    }
    void move_turn(Turn& from, Turn& to) noexcept override
        RUNNEL_EXCLUDES(back.mutex, front.mutex) {
        const LockAll lock{*this};
        turns.move(from, to);
    }

    // Carries out the requests for which the held locks suffice: those of this list and of `also`.
    // Adds the waiters that it claims to `chain`. False if others need more locks: see serve_all().
    [[nodiscard]] bool serve_under_locks(WakeChain& chain, ListState* also = nullptr) noexcept
        RUNNEL_REQUIRES(back.mutex, front.mutex) {
        Pass pass{also};
        return serve_pass(pass, chain).at == nullptr;
    }

    // Carries out all requests that can be, and adds the waiters that it claims to `chain`.
    // Requires: the caller holds no lock of any list.
    void serve_all(WakeChain& chain) noexcept RUNNEL_EXCLUDES(back.mutex, front.mutex) {
        Pass pass;
        Owner<ListState> also;  // without it, the list could go with the move that names it
        for (;;) {
            Missing missing;
            Owner<ListState> other;
            {
                const LockPair lock{*this, pass.also};
                missing = serve_pass(pass, chain);
                if (missing.at == nullptr) return;
                other = Owner{*missing.at};
            }
            if (missing.is_source) serve_move_from(*missing.at, chain);
            pass.also = missing.is_source ? nullptr : missing.at;
            also = std::move(other);
        }
    }

    // To be called after serve_under_locks(), without a lock: serves the rest, and resumes
    // `chain`.
    void finish(bool is_finished, WakeChain& chain) noexcept
        RUNNEL_EXCLUDES(back.mutex, front.mutex) {
        if (!is_finished) serve_all(chain);
        chain.resume_all();
    }

    // Whether another request that began before `waiter` waits for room here. There may be room:
    // another thread is about to serve that request.
    [[nodiscard]] bool is_room_awaited_before(const Waiter& waiter) const noexcept
        RUNNEL_REQUIRES(back.mutex) {
        const WaitNode* node = pushers.first();
        while (node != nullptr && node->waiter->place() < waiter.place() && node->waiter->claimed())
            node = node->next;
        return node != nullptr && node->waiter->place() < waiter.place();
    }

    // For a request, which is carried out with the locks of all its lists held.
    void assert_held() const noexcept RUNNEL_ASSERT_CAPABILITY(back.mutex, front.mutex) {
        RUNNEL_ASSERT(back.mutex.is_held());
        RUNNEL_ASSERT(front_size() == 0 || front.mutex.is_held());
    }

    // ---- counting

    // So many elements were pushed, at either end.
    void note_pushed(std::size_t count = 1) noexcept RUNNEL_REQUIRES(back.mutex) {
        const std::uint64_t sum = std::uint64_t{back.pushed} + count;
        back.pushed = static_cast<std::uint32_t>(sum);
        if (const std::uint64_t more = sum >> 32U; more != 0) [[unlikely]]
            pushed_above += more;
    }
    [[nodiscard]] std::uint64_t pushed() const noexcept RUNNEL_REQUIRES(back.mutex) {
        return (pushed_above << 32U) + back.pushed;
    }
    // To be called before elements are taken other than from the front alone: it is there that the
    // size is greatest. A push does not look at the size, as that would take the front's cache line
    // from the consumer.
    void note_size() noexcept RUNNEL_REQUIRES(back.mutex) {
        if (size() > front.most) front.most = size();
    }

    [[nodiscard]] ListStats stats() noexcept RUNNEL_REQUIRES(back.mutex) {
        note_size();
        const std::uint64_t in = pushed();
        ListStats stats;
        stats.size = size();
        stats.blocked_pops = back.poppers.size() + outgoing.size() + lookers.size();
        stats.blocked_pushes = pushers.size() + incoming.size();
        stats.dropped = dropped;
        stats.capacity = capacity;
        stats.high_water = std::max<std::size_t>(front.most, in != 0 ? 1 : 0);
        stats.pushed = in;
        stats.popped = in - dropped - stats.size;
        stats.refused = refused;
        stats.blocked_for = push_time.total(clock.now(), pushers.empty());
        stats.is_closed = closed;
        return stats;
    }

    // To be called after every change that was made without serve_pass().
    void update_attention() noexcept RUNNEL_REQUIRES(back.mutex, front.mutex) {
        const bool anybody = !needs_no_attention();
        note_size();
        back.part.room = anybody || closed ? 0 : free_room();
        // Pops that wait for elements need no attention there: the front is empty. Not writing it
        // saves the transfer of its cache line at every hand-over.
        const bool attention = anybody && !core().empty();
        if (front.has_attention() != attention)
            front.attention.store(attention, std::memory_order_relaxed);
        const bool owing = !back.poppers.empty() && !core().empty();
        if (owes.load(std::memory_order_relaxed) != owing)
            owes.store(owing, std::memory_order_relaxed);
    }

    // The locks stand on the cache lines of what they guard.
    struct alignas(64) Back {
        Mutex mutex;
        std::uint32_t streak RUNNEL_GUARDED_BY(mutex) = 0;  // elements taken lately
        // Its room is 0 as long as the list needs attention: the one field that a push reads then.
        ListBack<T> part RUNNEL_GUARDED_BY(mutex);
        [[no_unique_address]] WaitQueue poppers RUNNEL_GUARDED_BY(mutex);  // for an element
        // How many elements were pushed; see pushed_above. In the padding of the queue.
        std::uint32_t pushed RUNNEL_GUARDED_BY(mutex) = 0;
    } back;
    static_assert(sizeof(Back) == 64, "a push and a hand-over touch one cache line of the list");

    struct alignas(64) Front {
        Mutex mutex;
        // Sends pops at the front to the slow path, as the list needs attention. Written under the
        // lock, or under the back's while the front is empty; a read without it is a guess.
        Atomic<bool> attention = false;
        // Few elements of a stream had gathered at the back when they were taken over: a guess.
        Atomic<bool> found_few = false;
        ListFront<T> part RUNNEL_GUARDED_BY(mutex);
        std::size_t most = 0;  // guarded by the back's lock; see note_size()

        [[nodiscard]] bool has_attention() const noexcept {
            return attention.load(std::memory_order_relaxed);
        }
    } front;
    static_assert(sizeof(Front) == 64, "a pop of the front touches one cache line of the list");

    const std::size_t capacity;
    const Full when_full;
    Clock& clock;
    const bool is_real;
    WaitQueue pushers RUNNEL_GUARDED_BY(back.mutex);  // for room
    // Each element tells one of those who look, as long as that one has its turn. So there are no
    // more turns than elements, and nobody waits here while there are fewer.
    WaitQueue lookers RUNNEL_GUARDED_BY(back.mutex);
    Turns turns RUNNEL_GUARDED_BY(back.mutex);
    bool closed RUNNEL_GUARDED_BY(back.mutex) = false;
    std::uint64_t dropped RUNNEL_GUARDED_BY(back.mutex) = 0;
    std::uint64_t refused RUNNEL_GUARDED_BY(back.mutex) = 0;       // pushes, for want of room
    std::uint64_t pushed_above RUNNEL_GUARDED_BY(back.mutex) = 0;  // how often `pushed` began anew
    BlockedTime push_time RUNNEL_GUARDED_BY(back.mutex);           // of pushes, not of moves
    // A waiting move lacks an element or room. It stands in line where it lacks it, and costs the
    // calls of the other list nothing. There it stands in one of these, and learns only that the
    // list is closed. When a move that lacks room can have it, the move stands in line at both
    // lists until an attempt has moved the element or found that it lacks something: see move_on().
    WaitQueue incoming RUNNEL_GUARDED_BY(back.mutex);  // to this list; lack an element
    WaitQueue outgoing RUNNEL_GUARDED_BY(back.mutex);  // from this list; lack room
    // Whether a request waits for an element though there is one. A waker that has carried out a
    // move to this list first goes on with the list it serves. It may come to a pop of several
    // lists there that also stands in line here and has named this list earlier; then that pop
    // takes from here. Written under the lock; a read without it only decides whether to look under
    // it.
    Atomic<bool> owes = false;
    // Away from what a push without room reads.
    alignas(64) SpinBudget spin;
    Atomic<std::size_t> arrived = 0;
    std::size_t sent_off RUNNEL_GUARDED_BY(back.mutex) = 0;
    typename BlockDeque<T>::Aside aside RUNNEL_GUARDED_BY(back.mutex);

private:
    // A pass over the waiting requests, how far it may go and how far it has got: the second list
    // whose locks are held, and the place of the last pop that needed a list whose locks were not
    // held. Serving does not stop for that pop twice.
    struct Pass {
        ListState* also = nullptr;
        WaitPlace last_popper{};
    };

    // Where serving stops: the other list that a request needs, and whether that is the source of a
    // move.
    struct Missing {
        ListState* at = nullptr;
        bool is_source = false;
    };

    // There is room here. Carries out the first of the moves from `source` that wait for it, or
    // finds what that move lacks.
    void serve_move_from(ListState& source, WakeChain& chain) noexcept
        RUNNEL_EXCLUDES(back.mutex, front.mutex) {
        for (Pass at_source{this};; at_source.also = this) {
            Owner<ListState> third;
            {
                const LockPair lock{*this, &source};
                ListNode<T>* const first = first_move_from(source);
                if (first != nullptr) at_source.also = move_on(*first, at_source, chain);
                if (first == nullptr || at_source.also == nullptr) return;
                third = Owner{*at_source.also};
            }
            source.serve_poppers_alone(at_source, std::move(third), chain);
        }
    }

    // Null: there is no such move, or no room for it.
    [[nodiscard]] ListNode<T>* first_move_from(const ListState& source) const noexcept
        RUNNEL_REQUIRES(back.mutex) {
        if (free_room() == 0) return nullptr;
        WaitNode* node = pushers.first();
        while (node != nullptr && (other_list(*node) != &source || node->waiter->claimed()))
            node = node->next;
        return static_cast<ListNode<T>*>(node);
    }

    // There is room here for the move `node`. The move takes its place at the source and is carried
    // out there in its turn, or goes where it lacks something. It keeps its place here meanwhile,
    // so that no other request gets the room. Returns a third list if requests before it need the
    // locks of that; then the caller has to release the locks, serve those requests, and come
    // again.
    [[nodiscard]] ListState* move_on(ListNode<T>& node, Pass& at_source, WakeChain& chain) noexcept
        RUNNEL_REQUIRES(back.mutex, front.mutex) {
        const ListExtra<T>& move = node.several();
        ListState& source = *move.other;
        source.assert_held();
        change_line(*move.other_place, source.back.poppers);
        ListState* const third = source.serve_poppers(at_source, chain);
        source.update_attention();
        // If the source is empty, it was not attempted.
        const bool is_passed_over = node.queue == &pushers && source.core().empty();
        if (third == nullptr && is_passed_over) line_up(*move.other_place, node, Line::pops);
        return third;
    }

    // Requires: the locks of no list are held. `also` keeps the memory of `pass.also`.
    void serve_poppers_alone(Pass& pass, Owner<ListState> also, WakeChain& chain) noexcept
        RUNNEL_EXCLUDES(back.mutex, front.mutex) {
        while (pass.also != nullptr) {
            Owner<ListState> other;
            {
                const LockPair lock{*this, pass.also};
                pass.also = serve_poppers(pass, chain);
                if (pass.also != nullptr) other = Owner{*pass.also};
                update_attention();
            }
            also = std::move(other);
        }
    }

    // Moves get into line elsewhere, see MoveOne.
    void stand_in(Line line, ListNode<T>& node) noexcept RUNNEL_REQUIRES(back.mutex) {
        if (line == Line::pushes) push_time.begin(clock.now(), pushers.empty());
        queue_of(line).insert(node);
    }
    void take_out(WaitNode& node) noexcept RUNNEL_REQUIRES(back.mutex) {
        if (node.queue == nullptr) return;
        if (node.queue == &pushers && !is_move(node)) push_time.end(clock.now());
        node.queue->remove(node);
    }
    // Of those that stand in the line of the pushes.
    [[nodiscard]] static bool is_move(const WaitNode& node) noexcept {
        return node.extra != nullptr;
    }
    void ask_pusher(WaitNode& node, WakeChain& chain) noexcept RUNNEL_REQUIRES(back.mutex) {
        const bool is_push = !is_move(node);
        if (ask(pushers, node, chain) && is_push) push_time.end(clock.now());
    }

    static void change_line(WaitNode& node, WaitQueue& to) noexcept {
        if (node.queue == nullptr || node.queue == &to) return;
        node.queue->remove(node);
        to.insert(node);
    }

    [[nodiscard]] static ListState* other_list(const WaitNode& node) noexcept {
        return node.extra == nullptr ? nullptr
                                     : static_cast<const ListNode<T>&>(node).several().other;
    }

    // Runs the requests that can be satisfied, in the order of their tickets, and again while that
    // makes others satisfiable. Stops at a request that needs another list whose locks are not
    // held. If that list is the source of a move, the move is served there, as others may stand
    // before it.
    [[nodiscard]] Missing serve_pass(Pass& pass, WakeChain& chain) noexcept
        RUNNEL_REQUIRES(back.mutex, front.mutex) {
        Missing missing;
        std::size_t before = 0;
        do {
            missing = {awaits_elements() || closed ? serve_poppers(pass, chain) : nullptr, false};
            before = size();
            if (missing.at == nullptr) missing = {serve_pushers(pass, chain), true};
        } while (missing.at == nullptr && size() > before && awaits_elements());
        turns.end_all_but(size(), this_thread());
        update_attention();
        return missing;
    }

    [[nodiscard]] ListState* serve_poppers(Pass& pass, WakeChain& chain) noexcept
        RUNNEL_REQUIRES(back.mutex, front.mutex) {
        WaitQueue& queue = back.poppers;
        for (WaitNode* at = queue.first(); !core().empty();) {
            tell_those_before(at, chain);
            if (at == nullptr) break;
            auto& node = static_cast<ListNode<T>&>(*at);
            at = at->next;
            ListState* const other = other_list_for(node, pass);
            if (other == nullptr || other == pass.also) {
                ask(queue, node, chain);
            } else if (node.waiter->place() > pass.last_popper) {
                pass.last_popper = node.waiter->place();
                return other;
            }
        }
        // Nothing can come any more: this ends all of them, also those that were passed over.
        if (closed && core().empty()) {
            ask_all(queue, chain);
            ask_all(outgoing, chain);
            ask_all(lookers, chain);
        }
        return nullptr;
    }

    [[nodiscard]] bool awaits_elements() const noexcept RUNNEL_REQUIRES(back.mutex) {
        return !back.poppers.empty() || !lookers.empty();
    }

    // Tells the looks that stand before `popper`, or all if that is null, of the elements of which
    // none was told yet.
    void tell_those_before(const WaitNode* popper, WakeChain& chain) noexcept
        RUNNEL_REQUIRES(back.mutex, front.mutex) {
        while (!lookers.empty() && size() > turns.size()) {
            WaitNode& first = *lookers.first();
            if (popper != nullptr && popper->waiter->place() < first.waiter->place()) return;
            turns.tell(lookers, first, *this, chain);
        }
    }

    // The second list whose locks are needed to serve `node`; null: none is.
    [[nodiscard]] static ListState* other_list_for(const ListNode<T>& node,
                                                   const Pass& pass) noexcept {
        if (node.extra == nullptr) [[likely]]
            return nullptr;
        ListExtra<T>& several = node.several();
        if (several.earlier != nullptr) several.other = first_owing(node, pass);
        return several.other;
    }

    // Of the lists that were named earlier, the first one that owes an element. Null unless its
    // locks are held or serving may stop for them, which it does once for each pop.
    [[nodiscard]] static ListState* first_owing(const ListNode<T>& node,
                                                const Pass& pass) noexcept {
        ListState* first = nullptr;
        for (const ListNode<T>* at = node.several().earlier; at != nullptr;
             at = at->several().earlier)
            if (at->list()->owes.load(std::memory_order_relaxed)) first = at->list();
        return first == pass.also || node.waiter->place() > pass.last_popper ? first : nullptr;
    }

    [[nodiscard]] ListState* serve_pushers(Pass& pass, WakeChain& chain) noexcept
        RUNNEL_REQUIRES(back.mutex, front.mutex) {
        if (closed) {
            for (WaitNode* node = pushers.first(); node != nullptr;) {
                WaitNode* const next = node->next;
                ask_pusher(*node, chain);
                node = next;
            }
            ask_all(incoming, chain);
            return nullptr;
        }
        for (WaitNode* node = pushers.first(); node != nullptr && free_room() != 0;) {
            WaitNode* const next = node->next;
            ListState* const source = other_list(*node);
            if (source == nullptr) {
                ask_pusher(*node, chain);
            } else if (!node->waiter->claimed()) {
                auto& move = static_cast<ListNode<T>&>(*node);
                Pass at_source{this};
                if (source != pass.also || move_on(move, at_source, chain) != nullptr)
                    return source;
                node = pushers.first();  // others may have left the line, too
                continue;
            }
            node = next;
        }
        return nullptr;
    }
};

}  // namespace runnel::inline v0::detail
