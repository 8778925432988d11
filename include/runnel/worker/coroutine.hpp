// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/detail/base/atomic.hpp>
#include <runnel/detail/base/of_thread.hpp>
#include <runnel/executor.hpp>

#include <concepts>
#include <coroutine>
#include <exception>
#include <optional>
#include <utility>

namespace runnel::inline v0::detail {

template <typename Type>
concept HasAwait = requires(Type object) {
    { object.await_ready() } -> std::convertible_to<bool>;
    object.await_resume();
};
// What a coroutine may await, of whatever type.
template <typename Type>
concept CanBeAwaited = HasAwait<Type> || requires(Type object) {
    { std::move(object).operator co_await() } -> HasAwait;
} || requires(Type object) {
    { operator co_await(std::move(object)) } -> HasAwait;
};

// A coroutine that begins at once, and that nobody awaits. It must not throw.
struct Detached {
    struct promise_type {
        static Detached get_return_object() noexcept { return {}; }
        static std::suspend_never initial_suspend() noexcept { return {}; }
        static std::suspend_never final_suspend() noexcept { return {}; }
        static void return_void() noexcept {}
        [[noreturn]] static void unhandled_exception() noexcept { std::terminate(); }
    };
};

// A coroutine that begins when it is awaited, which happens once. Who awaits it goes on at once if
// it has ended meanwhile; else on its executor, if it has one, or where it ends.
//
// The thread that awaits it and the one in which it ends meet at a flag: the second one goes on. So
// a loop that awaits many that end at once needs no more stack than one.
template <typename Result>
class [[nodiscard]] Task {
public:
    struct promise_type;

    Task(Task&& other) noexcept : frame_{std::exchange(other.frame_, nullptr)} {}
    Task& operator=(Task&&) = delete;
    ~Task() {
        if (frame_) frame_.destroy();
    }

    // Who awaits it goes on there, if it has to wait.
    [[nodiscard]] Task on(AnyExecutor executor) && noexcept {
        frame_.promise().executor = std::move(executor);
        return std::move(*this);
    }

    [[nodiscard]] static bool await_ready() noexcept { return false; }
    [[nodiscard]] bool await_suspend(std::coroutine_handle<> awaiting) {
        promise_type& promise = frame_.promise();
        promise.awaiting = awaiting;
        frame_.resume();
        return !promise.has_one_come.exchange(true, std::memory_order_acq_rel);
    }
    Result await_resume() {
        promise_type& promise = frame_.promise();
        if (promise.failure) std::rethrow_exception(promise.failure);
        return std::move(*promise.result);
    }

private:
    using Frame = std::coroutine_handle<promise_type>;

    explicit Task(Frame frame) noexcept : frame_{frame} {}

    Frame frame_;
};

template <typename Result>
struct Task<Result>::promise_type : Runnable {
    struct End {
        [[nodiscard]] static bool await_ready() noexcept { return false; }
        static void await_suspend(Frame frame) noexcept { frame.promise().end(); }
        static void await_resume() noexcept {}
    };

    promise_type() noexcept : Runnable{go_on} {}

    Task get_return_object() noexcept { return Task{Frame::from_promise(*this)}; }
    static std::suspend_always initial_suspend() noexcept { return {}; }
    static End final_suspend() noexcept { return {}; }
    void return_value(Result value) { result.emplace(std::move(value)); }
    void unhandled_exception() noexcept { failure = std::current_exception(); }

    // The frame may be gone once it goes on.
    void end() noexcept {
        const AnyExecutor on = executor;
        const std::coroutine_handle<> next = awaiting;
        const Continuation function{*this};
        if (!has_one_come.exchange(true, std::memory_order_acq_rel)) return;
        if (!on) return next.resume();
        try {
            on.execute(function);
        } catch (...) {
            next.resume();
        }
    }
    static void go_on(Runnable& runnable) noexcept {
        static_cast<promise_type&>(runnable).awaiting.resume();
    }

    std::optional<Result> result{};
    std::exception_ptr failure{};
    std::coroutine_handle<> awaiting{};
    AnyExecutor executor{};
    Atomic<bool> has_one_come = false;  // to the end: who awaits it, or the task itself
};

// To await it is to go on by the executor: so others that it has to run get their turn. With an
// executor that calls at once it goes on at once, with no deeper stack.
class NextTurn : Runnable {
public:
    explicit NextTurn(const AnyExecutor& executor) noexcept
        : Runnable{go_on}, executor_{executor} {}

    [[nodiscard]] static bool await_ready() noexcept { return false; }
    // The frame may be gone once the executor has it.
    [[nodiscard]] bool await_suspend(std::coroutine_handle<> awaiting) {
        const AnyExecutor executor = executor_;
        Call*& innermost = of_this_thread<Calls>().innermost;
        Call call{innermost, this};
        awaiting_ = awaiting;
        call_ = innermost = &call;
        try {
            executor.execute(Continuation{*this});
        } catch (...) {
            call.has_gone_on = true;
        }
        innermost = call.outer;
        return !call.has_gone_on;
    }
    static void await_resume() noexcept {}

private:
    // A call of execute() that this thread is in.
    struct Call {
        Call* outer;
        const NextTurn* of;
        bool has_gone_on = false;
    };
    struct Calls {
        Call* innermost = nullptr;
    };

    static void go_on(Runnable& runnable) noexcept {
        auto& self = static_cast<NextTurn&>(runnable);
        Call* const innermost = of_this_thread<Calls>().innermost;
        // Only compared: its call may have ended, in another thread. Or in this one, and now a
        // call for another one is where it was.
        if (innermost != nullptr && innermost == self.call_ && innermost->of == &self)
            innermost->has_gone_on = true;
        else
            self.awaiting_.resume();
    }

    const AnyExecutor& executor_;
    std::coroutine_handle<> awaiting_;
    Call* call_ = nullptr;
};

}  // namespace runnel::inline v0::detail
