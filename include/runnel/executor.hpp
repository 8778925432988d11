// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <concepts>

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

/// Runs functions that it is given: the executors of Asio are Executors, and a pool of threads is
/// one with a member such as
///
///     void execute(runnel::Continuation function) { jobs_.push_back(function); }
///
/// execute() may call the function at once, later, or in another thread. It is called by the thread
/// that ends a wait, after its locks. If it throws, that thread calls the function itself.
///
/// An executor that can be copied is copied for each wait, and should be cheap to copy. Of others
/// the address is kept: then they must outlive the wait.
template <typename Type>
concept Executor = requires(Type& executor, Continuation function) {
    executor.execute(function);
};

}  // namespace runnel::inline v0
