// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/assert.hpp>
#include <runnel/detail/waiter.hpp>

#include <cstddef>
#include <cstdint>

namespace runnel::inline v0::detail {

class WaitQueue;

// The place of one waiter in one queue. A wait over k objects has k of them.
struct WaitNode {
    explicit WaitNode(Waiter& of, std::size_t position = 0) noexcept
        : waiter{&of}, which{position} {}
    WaitNode(const WaitNode&) = delete;
    WaitNode& operator=(const WaitNode&) = delete;
    ~WaitNode() { RUNNEL_ASSERT(queue == nullptr); }

    Waiter* waiter;
    std::size_t which;           // of the k
    WaitQueue* queue = nullptr;  // where it stands; guarded by the lock of that queue's owner
    WaitNode* previous = nullptr;
    WaitNode* next = nullptr;
};

// Waiters in the order of their tickets. Guarded by its owner's lock; allocates nothing.
class WaitQueue {
public:
    WaitQueue() = default;
    WaitQueue(const WaitQueue&) = delete;
    WaitQueue& operator=(const WaitQueue&) = delete;
    ~WaitQueue() { RUNNEL_ASSERT(empty()); }

    [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
    [[nodiscard]] WaitNode* first() const noexcept { return first_; }

    // Counts: it is asked for seldom, and a field would cost every wait a write.
    [[nodiscard]] std::size_t size() const noexcept {
        std::size_t count = 0;
        for (const WaitNode* node = first_; node != nullptr; node = node->next) ++count;
        return count;
    }

    // After those with the same ticket. From the end: a new ticket nearly always belongs there. It
    // does not when the waiter has queued up elsewhere first.
    void insert(WaitNode& node) noexcept {
        RUNNEL_ASSERT(node.queue == nullptr);
        WaitNode* after = last_;
        while (after != nullptr && after->waiter->ticket() > node.waiter->ticket())
            after = after->previous;
        node.previous = after;
        node.next = after != nullptr ? after->next : first_;
        (node.previous != nullptr ? node.previous->next : first_) = &node;
        (node.next != nullptr ? node.next->previous : last_) = &node;
        node.queue = this;
    }

    void remove(WaitNode& node) noexcept {
        RUNNEL_ASSERT(node.queue == this);
        (node.previous != nullptr ? node.previous->next : first_) = node.next;
        (node.next != nullptr ? node.next->previous : last_) = node.previous;
        node.queue = nullptr;
        node.previous = node.next = nullptr;
    }

private:
    WaitNode* first_ = nullptr;
    WaitNode* last_ = nullptr;
};

// Waiters that were claimed under a lock and are resumed after it: nobody sleeps or wakes inside.
class WakeChain {
public:
    WakeChain() = default;
    WakeChain(const WakeChain&) = delete;
    WakeChain& operator=(const WakeChain&) = delete;
    ~WakeChain() { RUNNEL_ASSERT(first_ == nullptr); }

    void add(Waiter& waiter) noexcept {
        (last_ != nullptr ? last_->next_woken : first_) = &waiter;
        last_ = &waiter;
        ++size_;
    }

    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    // Requires: not empty.
    [[nodiscard]] const Waiter& first() const noexcept { return *first_; }
    // The caller has to resume it.
    [[nodiscard]] Waiter& take_first() noexcept {
        Waiter& waiter = *first_;
        first_ = waiter.next_woken;  // read before it is resumed: it may be gone after that
        if (first_ == nullptr) last_ = nullptr;
        --size_;
        return waiter;
    }

    // Requires: the caller holds no lock.
    void resume_all() noexcept {
        while (first_ != nullptr) take_first().resume(*this);
    }

private:
    Waiter* first_ = nullptr;
    Waiter* last_ = nullptr;
    std::size_t size_ = 0;
};

// Runs the request of `node`, which stands in `queue`; false: it keeps its place.
inline bool ask(WaitQueue& queue, WaitNode& node, WakeChain& chain) noexcept {
    Waiter& waiter = *node.waiter;
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
