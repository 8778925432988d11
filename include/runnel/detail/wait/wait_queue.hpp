// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/linked.hpp>
#include <runnel/detail/base/process.hpp>
#include <runnel/detail/wait/continuations.hpp>
#include <runnel/detail/wait/switch_point.hpp>
#include <runnel/detail/wait/waiter.hpp>

#include <cstddef>
#include <cstdint>
#include <sys/types.h>

namespace runnel::inline v0::detail {

class WaitQueue;
class Turn;

// What the place of a wait over several objects knows besides.
struct NodeExtra {
    std::size_t which = 0;  // which of the objects
    Turn* turn = nullptr;   // what the wait gets when it is told of an element
};

// The place of one waiter in one queue. A wait over k objects has k of them.
struct WaitNode {
    explicit WaitNode(Waiter& of, NodeExtra* more = nullptr) noexcept : waiter{&of}, extra{more} {}
    // Its waiter comes later.
    explicit WaitNode(NodeExtra& more) noexcept : waiter{nullptr}, extra{&more} {}
    WaitNode(const WaitNode&) = delete;
    WaitNode& operator=(const WaitNode&) = delete;
    ~WaitNode() { RUNNEL_ASSERT(queue == nullptr); }

    Waiter* waiter;
    NodeExtra* extra;              // null: it waits on one object
    WaitQueue* queue = nullptr;    // where it stands; guarded by the lock of that queue's owner
    WaitNode* previous = nullptr;  // of the first one: the last one
    WaitNode* next = nullptr;
};

// Waiters in the order of their tickets. Guarded by its owner's lock; allocates nothing.
//
// In a child of fork() it is empty: the threads in it are the parent's, and the child may use the
// stacks that hold their nodes for other things.
class WaitQueue {
public:
    WaitQueue() = default;
    WaitQueue(const WaitQueue&) = delete;
    WaitQueue& operator=(const WaitQueue&) = delete;
    ~WaitQueue() { RUNNEL_ASSERT(empty()); }

    [[nodiscard]] bool empty() const noexcept { return first() == nullptr; }
    [[nodiscard]] WaitNode* first() const noexcept {
        return first_ == nullptr || process_ != Process::id() ? nullptr : first_;
    }

    // Counts, as it is seldom called; a field would cost every wait a write.
    [[nodiscard]] std::size_t size() const noexcept {
        std::size_t count = 0;
        for (const WaitNode* node = first(); node != nullptr; node = node->next) ++count;
        return count;
    }

    // Searches from the end, where a new one nearly always belongs. One that waits for several
    // objects and has queued up elsewhere first may belong further ahead.
    void insert(WaitNode& node) noexcept {
        RUNNEL_ASSERT(node.queue == nullptr);
        node.waiter->share();
        node.queue = this;
        if (empty()) return begin_with(node);
        WaitNode* after = first_->previous;
        while (after != nullptr && node.waiter->goes_before(*after->waiter))
            after = after != first_ ? after->previous : nullptr;
        if (after == nullptr) return put_first(node);
        node.waiter->stand_behind(*after->waiter);
        node.previous = after;
        node.next = after->next;
        (node.next != nullptr ? node.next : first_)->previous = &node;
        after->next = &node;
    }

    void remove(WaitNode& node) noexcept {
        RUNNEL_ASSERT(node.queue == this);
        WaitNode* const next = node.next;
        (&node != first_ ? node.previous->next : first_) = next;
        if (first_ != nullptr) (next != nullptr ? next : first_)->previous = node.previous;
        node.queue = nullptr;
        node.previous = node.next = nullptr;
    }

private:
    void begin_with(WaitNode& node) noexcept {
        node.previous = first_ = &node;
        process_ = Process::id();
    }

    void put_first(WaitNode& node) noexcept {
        node.previous = first_->previous;
        node.next = first_;
        first_->previous = &node;
        first_ = &node;
    }

    WaitNode* first_ = nullptr;
    pid_t process_ = 0;  // in which it was last empty
};

// Waiters that were claimed under a lock and are resumed after it, so that none is woken under it.
class WakeChain {
public:
    WakeChain() = default;
    WakeChain(const WakeChain&) = delete;
    WakeChain& operator=(const WakeChain&) = delete;
    ~WakeChain() { RUNNEL_ASSERT(waiters_.empty() && continuing_.empty()); }

    void add(Waiter& waiter) noexcept {
        waiters_.push_back(waiter);
        ++size_;
    }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    // Requires: not empty.
    [[nodiscard]] const Waiter& first() const noexcept { return *waiters_.first(); }
    // The caller has to resume it.
    [[nodiscard]] Waiter& take_first() noexcept {
        --size_;
        return waiters_.pop_front();
    }

    // For a wait without a thread: goes on with it when all that need no more than to be woken are
    // awake.
    void go_on_later(Waiter& waiter) noexcept { continuing_.push_back(waiter); }

    // Requires: the caller holds no lock.
    void resume_all() noexcept {
        if (waiters_.empty()) return;
        resume_each();
        SwitchPoint::pass();
    }
    // The same where other threads may wait for what the caller does, such as a stop callback.
    void resume_all_at_once() noexcept {
        resume_each();
        SwitchPoint::skip();
    }

private:
    void resume_each() noexcept {
        while (!waiters_.empty()) take_first().resume(*this);
        if (!continuing_.empty()) [[unlikely]]
            Continuations::run(continuing_);
    }

    LinkedQueue<Waiter, &Waiter::next_woken> waiters_;
    LinkedQueue<Waiter, &Waiter::next_woken> continuing_;
    std::size_t size_ = 0;
};

// Runs the request of `node`, which stands in `queue`; false: it keeps its place.
inline bool ask(WaitQueue& queue, WaitNode& node, WakeChain& chain) noexcept {
    Waiter& waiter = *node.waiter;
    RUNNEL_ASSERT(waiter.is_shared());
    const Served served = waiter.serve(node);
    if (served == Served::no) return false;
    queue.remove(node);
    if (served == Served::yes) chain.add(waiter);
    return true;
}

// Puts `node` into line unless its request can be carried out, or has ended, at once. True if this
// thread has claimed it.
[[nodiscard]] inline bool join(WaitQueue& queue, WaitNode& node) noexcept {
    const Served served = node.waiter->serve(node);
    if (served == Served::no) queue.insert(node);
    return served == Served::yes;
}

// Runs the requests of all that stand in `queue`, in order.
inline void ask_all(WaitQueue& queue, WakeChain& chain) noexcept {
    for (WaitNode* node = queue.first(); node != nullptr;) {
        WaitNode* const next = node->next;
        ask(queue, *node, chain);
        node = next;
    }
}

}  // namespace runnel::inline v0::detail
