// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/linked.hpp>
#include <runnel/detail/base/process.hpp>
#include <runnel/detail/base/thread_id.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/detail/wait/waiter.hpp>

#include <cstddef>
#include <sys/types.h>
#include <utility>

namespace runnel::inline v0::detail {

class Turn;

// A list or group. It tells one of the waits that look for an element, by wait_any(), that there is
// one.
class TurnGiver {
public:
    TurnGiver() = default;
    TurnGiver(const TurnGiver&) = delete;
    TurnGiver& operator=(const TurnGiver&) = delete;

    // They take the lock of the giver.

    // Ends the turn, if it is not over, and tells the next one if something is left.
    virtual void end_turn(Turn& turn) noexcept = 0;
    // The turn goes on in another place, which is empty.
    virtual void move_turn(Turn& from, Turn& to) noexcept = 0;

protected:
    ~TurnGiver() = default;
};

// Belongs to the result of a wait that was told of an element. As long as the turn is not over,
// that element tells nobody else. The turn is over when it is destroyed, when its thread takes an
// element or gets into line there, or when others have taken the element. Without turns, an element
// would wake all waits that look.
//
// So a thread that blocks has at most one turn at each giver: it gets a turn in line, where it has
// none. Of a wait without a thread, the turn belongs to no thread until somebody goes on with it:
// then to the thread that does. That may so have several, of which a take ends one: their number is
// what counts.
class Turn {
public:
    explicit Turn(ThreadId of) noexcept : holder_{of} {}
    Turn(Turn&& other) noexcept : holder_{other.holder_} { take(other); }
    Turn& operator=(Turn&& other) noexcept {
        if (this == &other) return *this;
        end();
        holder_ = other.holder_;
        take(other);
        return *this;
    }
    ~Turn() { end(); }

    // The turn of `other` goes on here, and belongs to this one's thread. Requires: this one has
    // none.
    void take(Turn& other) noexcept {
        if (other.giver_ != nullptr) other.giver_->move_turn(other, *this);
    }

    // Links of the turns of one giver, guarded by its lock.
    Turn* previous = nullptr;
    Turn* next = nullptr;

private:
    friend class Turns;

    void end() noexcept {
        if (TurnGiver* const giver = std::exchange(giver_, nullptr)) giver->end_turn(*this);
        keep_ = {};
    }

    ThreadId holder_;
    TurnGiver* giver_ = nullptr;  // null: it was never given, or has been moved
    Owner<Owned> keep_;           // of the giver's memory
    pid_t process_ = 0;           // guarded by the giver's lock; 0: it is over
};

// The turns that are not over. Guarded by their giver's lock; allocates nothing.
//
// In a child of fork() it is empty, as a WaitQueue is.
class Turns {
public:
    Turns() = default;
    Turns(const Turns&) = delete;
    Turns& operator=(const Turns&) = delete;
    ~Turns() { RUNNEL_ASSERT(empty()); }

    [[nodiscard]] bool empty() const noexcept { return size() == 0; }
    [[nodiscard]] std::size_t size() const noexcept {
        return size_ == 0 || process_ != Process::id() ? 0 : size_;
    }

    // Runs the request of `node`, a wait that looks, which stands in `queue`; false: it keeps its
    // place. If an element has ended it, it gets a turn of `giver`, which is Owned.
    template <typename Giver>
    bool tell(WaitQueue& queue, WaitNode& node, Giver& giver, WakeChain& chain) noexcept {
        const Waiter& waiter = *node.waiter;
        Turn& turn = *node.extra->turn;
        const std::size_t before = chain.size();
        if (!ask(queue, node, chain)) return false;
        const bool is_claimed_here = chain.size() != before;
        if (is_claimed_here && waiter.how() == WaitEnd::served) give(turn, giver, giver);
        return true;
    }

    // False: it is over already.
    bool end(Turn& turn) noexcept {
        if (std::exchange(turn.process_, 0) != Process::id()) return false;
        turns_.remove(turn);
        --size_;
        return true;
    }

    // Ends the turn of that thread. False: there is none. Linear in their number.
    bool end_of(ThreadId holder) noexcept {
        if (empty()) return false;
        Turn* turn = turns_.first();
        while (turn != nullptr && turn->holder_ != holder) turn = turn->next;
        return turn != nullptr && end(*turn);
    }

    // Ends the last turns until there are no more than `most`.
    void end_all_but(std::size_t most) noexcept {
        while (size() > most) end(*turns_.last());
    }
    // The same, but first the turn of the thread that has taken something.
    void end_all_but(std::size_t most, ThreadId taker) noexcept {
        if (size() > most) end_of(taker);
        end_all_but(most);
    }

    void move(Turn& from, Turn& to) noexcept {
        to.giver_ = std::exchange(from.giver_, nullptr);
        to.keep_ = std::move(from.keep_);
        if (end(from)) add(to);
    }

private:
    // `keep` keeps the memory of `giver`.
    void give(Turn& turn, TurnGiver& giver, Owned& keep) noexcept {
        turn.giver_ = &giver;
        turn.keep_ = Owner{keep};
        add(turn);
    }

    void add(Turn& turn) noexcept {
        if (empty()) {
            turns_.forget();
            size_ = 0;
            process_ = Process::id();
        }
        turn.process_ = process_;
        turn.previous = turn.next = nullptr;  // of the parent process
        turns_.push_back(turn);
        ++size_;
    }

    LinkedList<Turn> turns_;
    std::size_t size_ = 0;
    pid_t process_ = 0;  // in which it was last empty
};

}  // namespace runnel::inline v0::detail
