// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/executor.hpp>

#include <coroutine>
#include <cstddef>
#include <deque>
#include <exception>
#include <mutex>
#include <utility>

namespace runnel::test {

// A coroutine that runs at once, up to its first wait. It is destroyed with this object, wherever
// it stands then.
class Coroutine {
public:
    struct promise_type {
        Coroutine get_return_object() noexcept {
            return Coroutine{std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        static std::suspend_never initial_suspend() noexcept { return {}; }
        static std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() const noexcept {}
        void unhandled_exception() noexcept { thrown = std::current_exception(); }

        std::exception_ptr thrown{};
    };

    Coroutine() = default;
    Coroutine(Coroutine&& other) noexcept : handle_{std::exchange(other.handle_, nullptr)} {}
    Coroutine& operator=(Coroutine&& other) noexcept {
        destroy();
        handle_ = std::exchange(other.handle_, nullptr);
        return *this;
    }
    ~Coroutine() { destroy(); }

    void destroy() noexcept {
        if (const auto handle = std::exchange(handle_, nullptr)) handle.destroy();
    }

    // These require: it was not destroyed.
    [[nodiscard]] bool done() const noexcept { return handle_.done(); }
    // Throws what the coroutine has thrown.
    void check() const {
        if (handle_.promise().thrown) std::rethrow_exception(handle_.promise().thrown);
    }

private:
    explicit Coroutine(std::coroutine_handle<promise_type> handle) noexcept : handle_{handle} {}

    std::coroutine_handle<promise_type> handle_{};
};

// An event loop that runs what it was given when it is asked to.
class Loop {
public:
    void execute(Continuation function) {
        const std::lock_guard lock{mutex_};
        functions_.push_back(function);
    }

    // Runs what is there, and what comes meanwhile; returns how much that was.
    std::size_t run() {
        std::size_t count = 0;
        for (; run_one(); ++count) {
        }
        return count;
    }
    bool run_one() {
        std::unique_lock lock{mutex_};
        if (functions_.empty()) return false;
        const Continuation function = functions_.front();
        functions_.pop_front();
        lock.unlock();
        function();
        return true;
    }

    [[nodiscard]] std::size_t size() const {
        const std::lock_guard lock{mutex_};
        return functions_.size();
    }
    // Nothing of it will run.
    void drop() {
        const std::lock_guard lock{mutex_};
        functions_.clear();
    }

private:
    mutable std::mutex mutex_;
    std::deque<Continuation> functions_;
};

}  // namespace runnel::test
