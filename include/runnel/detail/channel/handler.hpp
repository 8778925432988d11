// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/channel_options.hpp>
#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/asymmetric.hpp>
#include <runnel/detail/base/atomic.hpp>
#include <runnel/detail/base/destruction.hpp>
#include <runnel/detail/base/forced_unwind.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/linked.hpp>
#include <runnel/detail/channel/bounds.hpp>
#include <runnel/detail/channel/handler_run.hpp>
#include <runnel/message.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace runnel::inline v0::detail {

// The handler that a Connection keeps.
class Connected : public Owned {
public:
    // In the image of the handler. `here`: the innermost frame, as far as the caller's image knows.
    virtual Disconnected disconnect(const HandlerFrame<>* here) noexcept = 0;

    // Sequential consistency: see Handlers::set_running().
    [[nodiscard]] bool is_live() const noexcept {
        return !has_left_.load(std::memory_order_seq_cst);
    }

    // From now on it is not started.
    void leave() noexcept { has_left_.store(true, std::memory_order_seq_cst); }

private:
    Atomic<bool> has_left_ = false;
};

// A handler of a channel. The thread that runs the handlers walks the list of them without the
// lock. Meanwhile the list grows only behind the part that is walked, and nothing is taken out.
template <Message T>
class Handler : public Connected {
public:
    explicit Handler(std::uint64_t bound) noexcept : bound_{bound} {}

    [[nodiscard]] std::uint64_t bound() const noexcept { return bound_; }

    // Requires: no other thread runs it, and this thread is in `frame`. Throws: ForcedUnwind.
    virtual void run(const T& message, const HandlerFrame<>& frame) = 0;

    // Destroys the user's function and its captures. They may own other handlers, to any depth, so
    // this goes by destroy_nested(). To be called once, without a lock.
    void drop() noexcept {
        is_dropping_ = true;
        this->add_owner();
        destroy_nested(*this);
    }

    // Guarded by the lock of the channel, except for the walk described above.
    Handler* previous = nullptr;
    Handler* next = nullptr;
    Handler* next_dead = nullptr;
    std::uint64_t from = 0;          // the number of the last message before it was connected
    std::uint64_t unsure_in = 0;     // the batch in which it may have been started unseen
    bool is_executing = false;       // by an executor
    bool is_left_to_runner = false;  // the thread that runs it drops it, and then clears this
    bool is_dropped = false;         // by the thread that has set this

private:
    virtual void drop_function() noexcept = 0;

    void destroy() noexcept override {
        if (!std::exchange(is_dropping_, false)) {
            delete this;
            return;
        }
        drop_function();
        this->remove_owner();
    }

    const std::uint64_t bound_;
    bool is_dropping_ = false;
};

// The handlers of a channel, in the order in which they were connected, and which of them runs.
// Owns those that are in it. Guarded by the channel's lock, except is_running() and run_all().
template <Message T>
class Handlers {
public:
    Handlers() = default;
    Handlers(const Handlers&) = delete;
    Handlers& operator=(const Handlers&) = delete;
    ~Handlers() { RUNNEL_ASSERT(handlers_.empty()); }  // each of them owns the channel

    // Those that are connected.
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    // The range from first() to last(), read under the lock, may be walked without it.
    [[nodiscard]] Handler<T>* first() const noexcept { return handlers_.first(); }
    [[nodiscard]] Handler<T>* last() const noexcept { return handlers_.last(); }

    // The least number of messages that may be left to a handler, and the greatest.
    [[nodiscard]] std::uint64_t least_bound() const noexcept { return bounds_.least(); }
    [[nodiscard]] std::uint64_t greatest_bound() const noexcept { return bounds_.greatest(); }

    // Whether a handler has as many messages left as its bound. Messages from before it was
    // connected do not count.
    [[nodiscard]] bool is_any_behind(std::uint64_t last, std::uint64_t handled) const noexcept {
        for (const Handler<T>* one = first(); one != nullptr; one = one->next)
            if (one->is_live() && last - std::max(handled, one->from) >= one->bound()) return true;
        return false;
    }

    // Becomes one of its owners. Throws: std::bad_alloc, and then nothing has changed.
    void add(Handler<T>& handler) {
        bounds_.add(handler.bound());
        has_barrier_ = AsymmetricBarrier::is_available();
        handler.add_owner();
        handlers_.push_back(handler);
        ++size_;
    }

    // The handler is not started again. It stays in the list until take_out_dead().
    void kill(Handler<T>& handler) noexcept {
        handler.leave();
        bounds_.remove(handler.bound());
        --size_;
        dead_.push_back(handler);
    }

    // Takes out the killed handlers. The caller has to disown() them without a lock.
    // Requires: no thread walks the list.
    void take_out_dead(LinkedStack<Handler<T>>& into) noexcept {
        if (!dead_.empty()) [[unlikely]]
            take_out_some(into);
    }

    static void disown(LinkedStack<Handler<T>>& dead) noexcept {
        while (!dead.empty()) dead.pop().remove_owner();
    }

    // The runner walks the list until it takes the lock again.
    void begin_batch() noexcept { uses_barrier_ = has_barrier_; }

    // Whether `handler` runs, or is about to. Once it has been killed, false means: never again.
    // If needs_barrier(), other threads must pass the heavy half of the AsymmetricBarrier between
    // kill() and this. If the kernel refuses it, the answer counts only from the next batch on.
    [[nodiscard]] bool is_running(const Handler<T>& handler) const noexcept {
        return running_.load(std::memory_order_seq_cst) == &handler;
    }
    // For the thread that runs them.
    [[nodiscard]] bool is_any_running() const noexcept {
        return running_.load(std::memory_order_relaxed) != nullptr;
    }
    [[nodiscard]] bool needs_barrier() const noexcept { return uses_barrier_; }
    // Called when the kernel has refused it.
    void do_without_barrier() noexcept { has_barrier_ = false; }

    // Runs those from `first` to `last` that were connected before the message `number`. Calls
    // left(handler) for those that were killed by the time they have run.
    // Throws: ForcedUnwind out of a handler, after the others have the message, too: no other
    // thread could give it to them.
    template <typename Left>
    // NOLINTNEXTLINE(misc-no-recursion)
    RUNNEL_CATCHES_FORCED_UNWIND void run_all(Handler<T>* first, Handler<T>* last, const T& message,
                                              std::uint64_t number, const HandlerFrame<>& frame,
                                              Left left) {
        Handler<T>* before = nullptr;
        Handler<T>* one = first;
        try {
            for (;; one = one->next) {
                if (number > one->from && one->is_live()) {
                    go_on(before, one, left);
                    before = one;
                    if (one->is_live()) one->run(message, frame);
                }
                if (one == last) break;
            }
        } catch (const ForcedUnwind&) {
            go_on(one, nullptr, left);
            if (one != last) run_all(one->next, last, message, number, frame, left);
            throw;
        }
        go_on(before, nullptr, left);
    }

private:
    // From one that has run to the next.
    template <typename Left>
    void go_on(Handler<T>* before, Handler<T>* next, Left left) noexcept {
        set_running(next);
        if (before != nullptr && !before->is_live()) [[unlikely]]
            part_from(*before, next, left);
    }
    template <typename Left>
    [[gnu::noinline]] void part_from(Handler<T>& before, Handler<T>* next, Left left) noexcept {
        set_running(nullptr);  // what dies there may wait for somebody who waits for `next`
        left(before);
        set_running(next);
    }

    // Store-load ordering: what is loaded after this is loaded after other threads can see it. If
    // the light half is used, they pass the heavy one.
    void set_running(Handler<T>* handler) noexcept {
        if (uses_barrier_) [[likely]] {
            running_.store(handler, std::memory_order_release);
            AsymmetricBarrier::light();
        } else {
            set_running_with_barrier(handler);
        }
    }
    [[gnu::noinline]] void set_running_with_barrier(Handler<T>* handler) noexcept {
        running_.store(handler, std::memory_order_seq_cst);
    }

    [[gnu::noinline]] void take_out_some(LinkedStack<Handler<T>>& into) noexcept {
        while (!dead_.empty()) {
            Handler<T>& one = dead_.pop_front();
            handlers_.remove(one);
            into.push(one);
        }
    }

    LinkedList<Handler<T>> handlers_;
    LinkedQueue<Handler<T>, &Handler<T>::next_dead> dead_;  // killed, and still in the list
    std::size_t size_ = 0;
    bool has_barrier_ = false;
    bool uses_barrier_ = false;  // in this batch: written by the runner under the lock
    Bounds bounds_;
    // On a cache line of its own: the runner writes it before and after each handler, and
    // publishers read what stands above.
    alignas(64) Atomic<const Handler<T>*> running_ = nullptr;
};

}  // namespace runnel::inline v0::detail
