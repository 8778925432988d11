// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/atomic.hpp>
#include <runnel/detail/base/futex.hpp>
#include <runnel/detail/base/linked.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/base/of_thread.hpp>
#include <runnel/detail/wait/waiter.hpp>

#include <cstddef>
#include <cstdint>

namespace runnel::inline v0::detail {

// The waits without a thread that have ended, and that this thread is about to go on with. What
// goes on may end more of them, to any depth. So only the outermost call goes on with any, one
// after the other, and the others just stand in this list: no recursion.
//
// While one of them runs, which is user code, it may destroy others of the list, here or in another
// thread: see withdraw().
class Continuations {
public:
    using Queue = LinkedQueue<Waiter, &Waiter::next_woken>;

    Continuations() = default;
    Continuations(const Continuations&) = delete;
    Continuations& operator=(const Continuations&) = delete;
    // At the end of the thread. Another one may be about to look into this list.
    ~Continuations() {
        while (visitors().load(std::memory_order_seq_cst) != 0) give_way();
    }

    // Goes on with all in `ready`, which this thread has claimed, and those that come meanwhile; or
    // leaves them to an outer call of this thread. Requires: `ready` is not empty, and no lock.
    static void run(Queue& ready) noexcept {
        if (Continuations* const running = running_here()) return running->add(ready);
        of_this_thread<Continuations>().run_first(ready);
    }

    // Called by a thread that is about to block: what it waits for may be up to those in its list.
    static void run_before_wait() noexcept {
        if (Continuations* const running = running_here()) [[unlikely]]
            running->run_all();
    }

    // Where a wait says in whose list it stands; null: in none, as yet. Untyped, so that its owner
    // can keep something else there until the wait begins.
    using Place = Atomic<void*>;

    // For the owner of `waiter`, which another thread has claimed, or this one: returns once nobody
    // touches it any more. Requires: it was forsaken.
    static void withdraw(Waiter& waiter, const Place& place) noexcept {
        while (!waiter.has_ended_for_all() && !is_taken_out(waiter, place)) {
            pause();
            give_way();  // the claimer has not come to it yet, and runs no user code
        }
    }

private:
    // Null: no call of run() is under way. Apart, so that reading it needs no initialisation.
    struct Running {
        Continuations* list = nullptr;
    };
    [[nodiscard]] static Continuations*& running_here() noexcept {
        return of_this_thread<Running>().list;
    }

    // How many threads may look into the list of another one.
    [[nodiscard]] static Atomic<std::uint32_t>& visitors() noexcept {
        static constinit Atomic<std::uint32_t> count = 0;
        return count;
    }

    // Sequential consistency: of a thread that goes on with a wait and then ends, and one that
    // looks for the wait in its list, at least one sees the other.
    [[nodiscard]] static bool is_taken_out(const Waiter& waiter, const Place& place) noexcept {
        visitors().fetch_add(1, std::memory_order_seq_cst);
        bool found = false;
        auto* const list = static_cast<Continuations*>(place.load(std::memory_order_acquire));
        if (list != nullptr && !waiter.has_ended_for_all()) found = list->take_out(waiter);
        visitors().fetch_sub(1, std::memory_order_release);
        return found;
    }

    [[gnu::noinline]] void run_first(Queue& ready) noexcept RUNNEL_EXCLUDES(mutex_) {
        running_here() = this;
        Waiter& first = ready.pop_front();
        if (!ready.empty()) add(ready);
        first.go_on();
        run_all();
        running_here() = nullptr;
    }

    void add(Queue& ready) noexcept RUNNEL_EXCLUDES(mutex_) {
        if (!has_others_ && first_.load(std::memory_order_relaxed) == nullptr) {
            Waiter& waiter = ready.pop_front();
            waiter.stand_in(*this);
            // Release: pairs with take_out().
            first_.store(&waiter, std::memory_order_release);
        }
        if (!ready.empty()) add_others(ready);
    }
    [[gnu::noinline]] void add_others(Queue& ready) noexcept RUNNEL_EXCLUDES(mutex_) {
        has_others_ = true;
        const SpinLock lock{mutex_};
        while (!ready.empty()) {
            Waiter& waiter = ready.pop_front();
            others_.push_back(waiter);
            waiter.stand_in(*this);
        }
    }

    void run_all() noexcept RUNNEL_EXCLUDES(mutex_) {
        while (Waiter* const next = take()) next->go_on();
    }
    [[nodiscard]] Waiter* take() noexcept RUNNEL_EXCLUDES(mutex_) {
        if (first_.load(std::memory_order_relaxed) != nullptr)
            if (Waiter* const first = first_.exchange(nullptr, std::memory_order_acquire))
                return first;
        return has_others_ ? take_another() : nullptr;
    }
    [[gnu::noinline]] [[nodiscard]] Waiter* take_another() noexcept RUNNEL_EXCLUDES(mutex_) {
        const SpinLock lock{mutex_};
        if (!others_.empty()) return &others_.pop_front();
        has_others_ = false;
        return nullptr;
    }

    // In any thread.
    [[nodiscard]] bool take_out(const Waiter& waiter) noexcept RUNNEL_EXCLUDES(mutex_) {
        Waiter* first = first_.load(std::memory_order_acquire);
        if (first == &waiter &&
            first_.compare_exchange_strong(first, nullptr, std::memory_order_acq_rel))
            return true;
        const SpinLock lock{mutex_};
        return others_.remove(waiter);
    }

    // Nearly always there is one at most: it stands here, where no lock is needed. If there are
    // others, it is the first one.
    Atomic<Waiter*> first_ = nullptr;
    bool has_others_ = false;  // or had; for the thread of the list
    SpinMutex mutex_;
    Queue others_ RUNNEL_GUARDED_BY(mutex_);
};

}  // namespace runnel::inline v0::detail
