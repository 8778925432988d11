// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/detail/base/forced_unwind.hpp>
#include <runnel/handled.hpp>
#include <runnel/worker/coroutine.hpp>

#include <concepts>
#include <exception>
#include <functional>
#include <memory>
#include <type_traits>
#include <utility>

namespace runnel::inline v0::detail {

// The handler of a Worker: a function of a value or a Job, or one that returns a coroutine. What it
// throws is an attempt that has failed.
template <typename Job>
class WorkerHandler {
public:
    template <typename Handler>
    explicit WorkerHandler(Handler handler) {
        // Shared, as std::function copies.
        auto shared = std::make_shared<Handler>(std::move(handler));
        if constexpr (CanBeAwaited<decltype(invoke(*shared, std::declval<Job&>()))>)
            begin_ = [shared](Job& job) { return await(*shared, job); };
        else
            call_ = [shared](Job& job) {
                return handled_of([&]() -> decltype(auto) { return invoke(*shared, job); });
            };
    }

    [[nodiscard]] bool is_coroutine() const noexcept { return static_cast<bool>(begin_); }

    // Requires: it is no coroutine.
    [[nodiscard]] RUNNEL_CATCHES_FORCED_UNWIND Handled call(Job& job) const {
        try {
            return call_(job);
        } catch (const ForcedUnwind&) {
            throw;  // the thread ends: its entries stay pending until they are claimed
        } catch (...) {
            return failed();
        }
    }
    // Requires: it is one.
    [[nodiscard]] Task<Handled> begin(Job& job) const { return begin_(job); }

private:
    template <typename Handler>
    static decltype(auto) invoke(Handler& handler, Job& job) {
        if constexpr (std::invocable<Handler&, const typename Job::Value&>)
            return handler(job.value());
        else if constexpr (std::invocable<Handler&, Job&>)
            return handler(job);
        else
            static_assert(std::is_void_v<Handler>, "a handler takes a const T& or a Job&");
    }

    template <typename Call>
    static Handled handled_of(const Call& call) {
        using Given = decltype(call());
        if constexpr (std::is_void_v<Given>) {
            call();
            return Handled::done();
        } else if constexpr (std::convertible_to<Given, Handled>) {
            return call();
        } else {
            static_assert(std::is_void_v<Given>,
                          "a handler returns nothing, a Handled, or what can be awaited: has "
                          "operator co_await, or await_ready() and the like");
        }
    }

    template <typename Handler>
    static Task<Handled> await(Handler& handler, Job& job) {
        try {
            auto&& coroutine = invoke(handler, job);
            using Coroutine = decltype(coroutine);
            using Given = decltype(await_resume_of(std::forward<Coroutine>(coroutine)));
            static_assert(std::is_void_v<Given> || std::convertible_to<Given, Handled>,
                          "the coroutine of a handler gives nothing or a Handled");
            if constexpr (std::is_void_v<Given>) {
                co_await std::forward<Coroutine>(coroutine);
                co_return Handled::done();
            } else {
                co_return co_await std::forward<Coroutine>(coroutine);
            }
        } catch (...) {
            co_return failed();
        }
    }
    // Only its type is of interest.
    template <typename Type>
    static decltype(auto) await_resume_of(Type&& object) {
        if constexpr (HasAwait<Type>)
            return object.await_resume();
        else if constexpr (requires { std::forward<Type>(object).operator co_await(); })
            return std::forward<Type>(object).operator co_await().await_resume();
        else
            return operator co_await(std::forward<Type>(object)).await_resume();
    }

    // Called by who catches what it threw.
    static Handled failed() {
        try {
            throw;
        } catch (const std::exception& error) {
            return Handled::retry(error.what());
        } catch (...) {
            return Handled::retry("it threw something that is no std::exception");
        }
    }

    std::function<Handled(Job&)> call_;
    std::function<Task<Handled>(Job&)> begin_;
};

}  // namespace runnel::inline v0::detail
