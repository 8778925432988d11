// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/annotations.hpp>
#include <runnel/detail/assert.hpp>
#include <runnel/detail/asymmetric.hpp>
#include <runnel/detail/handle.hpp>
#include <runnel/message.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <utility>

namespace runnel::inline v0::detail {

// What a Connection holds on to.
class Connected : public Owned {
public:
    // Called once, by the Connection.
    virtual void disconnect() noexcept = 0;

    // Sequential consistency: see Handlers::set_running().
    [[nodiscard]] bool is_live() const noexcept {
        return !has_left_.load(std::memory_order_seq_cst);
    }

    // It will not be started again.
    void leave() noexcept { has_left_.store(true, std::memory_order_seq_cst); }

private:
    std::atomic<bool> has_left_ = false;
};

// The handlers that this thread is in, the innermost first. What waits for a handler, or for room
// that handlers make, must not do so inside of one.
template <typename = void>
class RUNNEL_VISIBLE HandlerFrame {
public:
    HandlerFrame() noexcept { ++depth(); }
    HandlerFrame(const HandlerFrame&) = delete;
    HandlerFrame& operator=(const HandlerFrame&) = delete;
    ~HandlerFrame() { --depth(); }

    [[nodiscard]] static bool is_inside() noexcept { return depth() != 0; }

private:
    static std::uint32_t& depth() noexcept {
        thread_local std::uint32_t frames = 0;
        return frames;
    }
};

// A handler of a channel. Whoever runs the handlers walks the list of them without the lock: it
// grows only behind those he has in view, and nothing is taken out of it meanwhile.
template <Message T>
class Handler : public Connected {
public:
    Handler(std::uint64_t bound, std::function<void(std::exception_ptr)> on_error)
        : bound_{bound}, on_error_{std::move(on_error)} {}

    [[nodiscard]] std::uint64_t bound() const noexcept { return bound_; }

    // Requires: nobody else runs it.
    void run(const T& message) noexcept {
        try {
            call(message);
        } catch (...) {
            if (!on_error_) std::terminate();
            on_error_(std::current_exception());
        }
    }

    // Destroys the user's function and what it has captured. Without a lock.
    virtual void drop() noexcept = 0;

    // Guarded by the lock of the channel, but for the walk described above.
    Handler* previous = nullptr;
    Handler* next = nullptr;
    std::uint64_t from = 0;          // the number of the last message before it was connected
    bool is_left_to_runner = false;  // who runs it drops it, too

protected:
    virtual void call(const T& message) = 0;

    std::function<void(std::exception_ptr)>& on_error() noexcept { return on_error_; }

private:
    const std::uint64_t bound_;
    std::function<void(std::exception_ptr)> on_error_;
};

// The handlers of a channel, in the order in which they were connected, and which of them runs.
// Owns those that are in it. Guarded by the channel's lock, but for running() and run_all().
template <Message T>
class Handlers {
public:
    Handlers() = default;
    Handlers(const Handlers&) = delete;
    Handlers& operator=(const Handlers&) = delete;
    ~Handlers() { RUNNEL_ASSERT(first_ == nullptr); }  // each of them owns the channel

    // Those that are connected.
    [[nodiscard]] std::size_t size() const noexcept { return size_; }
    // Those that follow each other from first() to last() at one moment may be walked after it.
    [[nodiscard]] Handler<T>* first() const noexcept { return first_; }
    [[nodiscard]] Handler<T>* last() const noexcept { return last_; }

    // The least number of messages that may be left to a handler, and the greatest.
    [[nodiscard]] std::uint64_t least_bound() const noexcept {
        std::uint64_t least = ~std::uint64_t{0};
        for (const Handler<T>* one = first_; one != nullptr; one = one->next)
            if (one->is_live()) least = std::min(least, one->bound());
        return least;
    }
    [[nodiscard]] std::uint64_t greatest_bound() const noexcept {
        std::uint64_t greatest = 0;
        for (const Handler<T>* one = first_; one != nullptr; one = one->next)
            if (one->is_live()) greatest = std::max(greatest, one->bound());
        return greatest;
    }

    // Whether as many as its bound are left to one of them. What came before it is not.
    [[nodiscard]] bool is_any_behind(std::uint64_t last, std::uint64_t handled) const noexcept {
        for (const Handler<T>* one = first_; one != nullptr; one = one->next)
            if (one->is_live() && last - std::max(handled, one->from) >= one->bound()) return true;
        return false;
    }

    // Becomes one of its owners.
    void add(Handler<T>& handler) noexcept {
        // Written once, before there is anybody to run.
        const bool has_barrier = AsymmetricBarrier::is_available();
        if (has_barrier_ != has_barrier) has_barrier_ = has_barrier;
        handler.add_owner();
        handler.previous = last_;
        (last_ != nullptr ? last_->next : first_) = &handler;
        last_ = &handler;
        ++size_;
    }

    // It will not be started again; what is still in the list goes with take_out_dead().
    void kill(Handler<T>& handler) noexcept {
        handler.leave();
        --size_;
        has_dead_ = true;
    }

    // Takes out what is dead; the caller owns what is returned, linked by `next`.
    // Requires: nobody walks the list.
    [[nodiscard]] Handler<T>* take_out_dead() noexcept {
        Handler<T>* dead = nullptr;
        if (!std::exchange(has_dead_, false)) return dead;
        for (Handler<T>* one = first_; one != nullptr;) {
            Handler<T>* const next = one->next;
            if (!one->is_live()) {
                unlink(*one);
                one->next = std::exchange(dead, one);
            }
            one = next;
        }
        return dead;
    }

    static void disown(Handler<T>* dead) noexcept {
        while (dead != nullptr) {
            Handler<T>* const next = dead->next;
            std::exchange(dead, next)->remove_owner();
        }
    }

    // Whether `handler` runs, or is about to. Once it has been killed, false means: never again.
    // For others than the runner, who have to let settle() come between.
    [[nodiscard]] bool is_running(const Handler<T>& handler) const noexcept {
        return running_.load(std::memory_order_seq_cst) == &handler;
    }
    // Between killing a handler and asking whether it runs.
    static void settle() noexcept {
        if (AsymmetricBarrier::is_available()) AsymmetricBarrier::heavy();
    }

    // Runs those from `first` to `last` that were connected before the message of that number;
    // `left(handler)` hears of those that were found dead, after they have run.
    template <typename Left>
    void run_all(Handler<T>* first, Handler<T>* last, const T& message, std::uint64_t number,
                 Left left) noexcept {
        Handler<T>* before = nullptr;
        for (Handler<T>* one = first;; one = one->next) {
            if (number > one->from && one->is_live()) {
                go_on(before, one, left);
                if (one->is_live()) one->run(message);
                before = one;
            }
            if (one == last) break;
        }
        go_on(before, nullptr, left);
    }

private:
    // From one that has run to the next.
    template <typename Left>
    void go_on(Handler<T>* before, Handler<T>* next, Left left) noexcept {
        set_running(next);
        if (before == nullptr || before->is_live()) [[likely]]
            return;
        set_running(nullptr);  // what dies there may wait for somebody who waits for `next`
        left(*before);
        set_running(next);
    }

    // What is loaded after this is loaded after others could see it, or they wait for that.
    void set_running(Handler<T>* handler) noexcept {
        if (has_barrier_) [[likely]] {
            running_.store(handler, std::memory_order_release);
            AsymmetricBarrier::light();
        } else {
            running_.store(handler, std::memory_order_seq_cst);
        }
    }

    void unlink(Handler<T>& handler) noexcept {
        (handler.previous != nullptr ? handler.previous->next : first_) = handler.next;
        (handler.next != nullptr ? handler.next->previous : last_) = handler.previous;
    }

    Handler<T>* first_ = nullptr;
    Handler<T>* last_ = nullptr;
    std::size_t size_ = 0;
    bool has_dead_ = false;
    bool has_barrier_ = false;
    std::atomic<const Handler<T>*> running_ = nullptr;
};

}  // namespace runnel::inline v0::detail
