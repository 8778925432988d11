// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

namespace runnel::inline v0 {

namespace detail {

// What an executor runs. It lives where its owner keeps it.
struct Runnable {
    void (*run)(Runnable&) noexcept;
};

}  // namespace detail

/// What an executor is given to run: a function without arguments. It has the size of a pointer, is
/// copied as one, and calling it throws nothing.
///
/// Call it once, in any thread. It refers to what waits, such as the frame of a coroutine: once an
/// executor has it, only who can rule out that it will be called may destroy that.
class Continuation {
public:
    explicit Continuation(detail::Runnable& runnable) noexcept : runnable_{&runnable} {}

    void operator()() const noexcept { runnable_->run(*runnable_); }

private:
    detail::Runnable* runnable_;
};

/// Runs functions that it is given. A pool of threads is one with a member such as
///
///     void execute(runnel::Continuation function) { jobs_.push_back(function); }
///
/// Of an executor of Asio, with_asio::executor() makes one: see compat/asio.hpp.
///
/// execute() may call the function at once, later, or in another thread. It is called by the thread
/// that ends a wait, after its locks. If it throws, that thread calls the function itself.
///
/// Where a coroutine is destroyed while it waits, another thread may be about to call execute() for
/// it, a moment later. Whoever destroys coroutines so has an executor that does not throw and
/// throws such functions away: for example one that knows, by a number in the executor, for which
/// coroutine it was called. It also shares what it posts to, as the loop may have gone by then.
///
/// An executor that can be copied is copied for each wait, and should be cheap to copy; the copy
/// must neither wait nor use runnel. Of others the address is kept: then they must outlive the
/// wait.
template <typename Type>
concept Executor = requires(Type& executor, Continuation function) {
    executor.execute(function);
};

namespace detail {

// Stands for an executor that cannot be copied.
template <typename Type>
class ExecutorAt {
public:
    explicit ExecutorAt(Type& executor) noexcept : executor_{&executor} {}

    void execute(Continuation function) const { executor_->execute(function); }

private:
    Type* executor_;
};

template <typename Type>
using CopiedOrKept =
    std::conditional_t<std::copy_constructible<std::remove_cvref_t<Type>>,
                       std::remove_cvref_t<Type>, ExecutorAt<std::remove_reference_t<Type>>>;

// For a static_assert.
template <typename Type>
inline constexpr bool may_be_kept =
    std::copy_constructible<std::remove_cvref_t<Type>> || std::is_lvalue_reference_v<Type>;

}  // namespace detail

/// An Executor of any type, or none. Copies share it. Of one that cannot be copied it keeps the
/// address.
///
/// Memory: allocates once when it is made from an executor, and not when it is copied.
class AnyExecutor {
public:
    /// None.
    AnyExecutor() = default;

    template <typename Type>
    requires(!std::same_as<std::remove_cvref_t<Type>, AnyExecutor> &&
             Executor<std::remove_reference_t<Type>>)
        AnyExecutor(Type&& executor)  // NOLINT(*-explicit-*, *-forwarding-reference-overload)
        : held_{std::make_shared<HeldAs<detail::CopiedOrKept<Type>>>(executor)} {
        static_assert(detail::may_be_kept<Type>,
                      "an executor that cannot be copied has to outlive what keeps it");
    }

    [[nodiscard]] explicit operator bool() const noexcept { return held_ != nullptr; }

    /// Requires: there is one.
    void execute(Continuation function) const { held_->execute(function); }

private:
    class Held {
    public:
        Held() = default;
        Held(const Held&) = delete;
        Held& operator=(const Held&) = delete;
        virtual ~Held() = default;

        virtual void execute(Continuation function) = 0;
    };

    template <typename Type>
    class HeldAs final : public Held {
    public:
        template <typename From>
        explicit HeldAs(From& executor) : executor_(executor) {}

        void execute(Continuation function) override { executor_.execute(function); }

    private:
        Type executor_;
    };

    std::shared_ptr<Held> held_;
};

}  // namespace runnel::inline v0
