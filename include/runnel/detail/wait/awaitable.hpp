// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/wait/await.hpp>
#include <runnel/detail/wait/operation.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/executor.hpp>
#include <runnel/outcome.hpp>

#include <concepts>
#include <coroutine>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

namespace runnel::inline v0 {

namespace detail {

// False: there is no executor, or it has refused.
template <typename Type>
[[nodiscard]] bool submit_to(std::optional<Type>& executor, Continuation function) noexcept {
    if (!executor) return false;
    try {
        executor->execute(function);
        return true;
    } catch (...) {
        return false;
    }
}

// How a coroutine goes on: in the thread that ends its wait.
struct Here {
    struct Next {
        static constexpr bool is_known_to_others = false;

        [[nodiscard]] auto detach() const noexcept {
            return [coroutine = handle]() noexcept { coroutine.resume(); };
        }

        std::coroutine_handle<> handle;
    };

    [[nodiscard]] static Next next() noexcept { return {}; }
};

// The same: on an executor.
template <typename Type>
class OnExecutor {
public:
    // A copy of the executor for the waker: the awaitable may be gone when execute() returns.
    class Submission {
    public:
        Submission(const Type& executor, Runnable& runnable) noexcept : runnable_{&runnable} {
            try {
                executor_.emplace(executor);
            } catch (...) {
                executor_.reset();
            }
        }

        void operator()() noexcept {
            const Continuation function{*runnable_};
            if (!submit_to(executor_, function)) function();
        }

    private:
        std::optional<Type> executor_;  // none: it could not be copied
        Runnable* runnable_;
    };

    struct Next : Runnable {
        static constexpr bool is_known_to_others = false;

        explicit Next(const Type& on) noexcept : Runnable{run_it}, executor{&on} {}

        static void run_it(Runnable& runnable) noexcept {
            static_cast<Next&>(runnable).handle.resume();
        }
        [[nodiscard]] Submission detach() noexcept { return {*executor, *this}; }

        std::coroutine_handle<> handle;
        const Type* executor;
    };

    explicit OnExecutor(Type executor) : executor_(std::move(executor)) {}

    [[nodiscard]] Next next() const noexcept { return Next{executor_}; }

private:
    Type executor_;
};

// The wait of a coroutine. It stands in the frame of the coroutine.
template <typename Recipe, typename On>
class Awaiter {
public:
    Awaiter(Recipe& recipe, const KeptOptions& options, const On& on)
        : operation_{recipe, options, on.next()} {}

    [[nodiscard]] bool await_ready() const noexcept { return operation_.is_finished(); }

    bool await_suspend(std::coroutine_handle<> handle) {
        operation_.next().handle = handle;
        WakeChain chain;
        const bool waits = operation_.start(chain);
        chain.resume_all();  // if it waits, the frame of the coroutine may be gone by now
        return waits;
    }

    auto await_resume() {
        operation_.finish();
        return operation_.result();
    }

private:
    Operation<Recipe, typename On::Next> operation_;
};

struct PartsOfAwaitable;

}  // namespace detail

/// What the calls named async_… return. A coroutine awaits it, of any type:
///
///     while (auto job = co_await jobs.async_pop_front({.stop = stop})) run(*job);
///
/// Nothing happens before that: `co_await` makes the call that the name says, without async_, with
/// its options and its result. Instead of a thread, the coroutine waits. It may be awaited again;
/// then it makes the call again.
///
/// Where the coroutine goes on: if it need not wait, at once. After a wait it goes on where the
/// wait ends: inside the call that pushes, adds or publishes what it waited for, that closes the
/// object or asks for the stop, or in the thread that runs the clock; after all locks. So that call
/// returns only when the coroutine waits again, or ends. With `.on(executor)` it goes on there.
///
/// Of several coroutines that one call wakes, each goes on after the one before; so do those that
/// they wake in turn: there is no recursion. If a coroutine blocks its thread meanwhile by a call
/// of runnel, the others go on first. Exceptions of the coroutine are its promise's; if resume()
/// throws one, std::terminate is called.
///
/// Destroying a coroutine that waits ends its wait, also when it is just being served: the element
/// of a list becomes the next one at the end that it came from, over the capacity, too; what a
/// group has delivered stays pending; a message of a channel or an entry of a cursor counts as
/// read; a move or a push stays done. It must not be destroyed when it has begun to go on, while
/// the call that began its wait still runs, or when an executor has it to run and may still do so;
/// see Executor.
///
/// It keeps the memory of what it waits for, but not that open: when the last handle goes, the wait
/// ends with `closed`. What the call borrows has to stay until it has ended: the message of a push,
/// a cursor, a subscription, an inbox.
///
/// Throws: Error{clock_not_run} for a time-out on a clock that nobody runs; see Runner.
/// Memory: allocates nothing for a wait on one object, and once for one on several.
template <typename Recipe, typename On = detail::Here>
class [[nodiscard]] Awaitable {
public:
    // For the calls that return one.
    Awaitable(Recipe recipe, const WaitOptions& options)
        : Awaitable{std::move(recipe), detail::KeptOptions{options}} {}
    Awaitable(Recipe recipe, detail::KeptOptions options, On on = {})
        : recipe_(std::move(recipe)), options_{std::move(options)}, on_(std::move(on)) {}

    /// The coroutine goes on by executor.execute(…).
    template <typename Type>
    requires Executor<std::remove_reference_t<Type>> && std::same_as<On, detail::Here>
    [[nodiscard]] auto on(Type&& executor) && {
        using Kept = detail::CopiedOrKept<Type>;
        static_assert(detail::may_be_kept<Type>,
                      "an executor that cannot be copied has to outlive the wait");
        return Awaitable<Recipe, detail::OnExecutor<Kept>>{
            std::move(recipe_), std::move(options_), detail::OnExecutor<Kept>{Kept(executor)}};
    }

    [[nodiscard]] auto operator co_await() RUNNEL_LIFETIMEBOUND {
        return detail::Awaiter<Recipe, On>{recipe_, options_, on_};
    }

private:
    friend struct detail::PartsOfAwaitable;

    Recipe recipe_;
    detail::KeptOptions options_;
    [[no_unique_address]] On on_;
};

namespace detail {

// For those that wait otherwise than by co_await.
struct PartsOfAwaitable {
    template <typename Recipe, typename On>
    [[nodiscard]] static Recipe take_recipe(Awaitable<Recipe, On>& awaitable) {
        return std::move(awaitable.recipe_);
    }
    template <typename Recipe, typename On>
    [[nodiscard]] static KeptOptions take_options(Awaitable<Recipe, On>& awaitable) noexcept {
        return std::move(awaitable.options_);
    }
};

}  // namespace detail

}  // namespace runnel::inline v0
