// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/executor.hpp>

#include <coroutine>
#include <cstddef>
#include <deque>
#include <exception>
#include <mutex>
#include <optional>
#include <type_traits>
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

// A coroutine that begins when it is awaited, and gives a result.
template <typename Result>
class Work {
    struct Base {
        struct GoOn {
            [[nodiscard]] static bool await_ready() noexcept { return false; }
            template <typename Promise>
            static std::coroutine_handle<>
            await_suspend(std::coroutine_handle<Promise> ended) noexcept {
                return ended.promise().awaiting;
            }
            static void await_resume() noexcept {}
        };

        static std::suspend_always initial_suspend() noexcept { return {}; }
        static GoOn final_suspend() noexcept { return {}; }
        void unhandled_exception() noexcept { thrown = std::current_exception(); }

        std::coroutine_handle<> awaiting{};
        std::exception_ptr thrown{};
    };
    struct OfValue : Base {
        void return_value(Result value) { result.emplace(std::move(value)); }
        [[nodiscard]] Result take() { return std::move(*result); }

        std::optional<Result> result{};
    };
    struct OfNothing : Base {
        static void return_void() noexcept {}
        static void take() noexcept {}
    };

public:
    struct promise_type : std::conditional_t<std::is_void_v<Result>, OfNothing, OfValue> {
        Work get_return_object() noexcept {
            return Work{std::coroutine_handle<promise_type>::from_promise(*this)};
        }
    };

    Work(Work&& other) noexcept : handle_{std::exchange(other.handle_, nullptr)} {}
    Work& operator=(Work&&) = delete;
    ~Work() {
        if (handle_) handle_.destroy();
    }

    [[nodiscard]] static bool await_ready() noexcept { return false; }
    [[nodiscard]] std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept {
        handle_.promise().awaiting = awaiting;
        return handle_;
    }
    Result await_resume() {
        if (handle_.promise().thrown) std::rethrow_exception(handle_.promise().thrown);
        return handle_.promise().take();
    }

private:
    explicit Work(std::coroutine_handle<promise_type> handle) noexcept : handle_{handle} {}

    std::coroutine_handle<promise_type> handle_;
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
