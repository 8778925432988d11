// SPDX-License-Identifier: MIT
#pragma once

// Calls that wait, made by other threads under a ManualClock. The calling thread records, the
// test's thread looks.

#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>

#include <cstddef>
#include <exception>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace runnel::test {

using ClockThread = decltype(std::declval<ManualClock&>().thread([] {}));

/// A call that a thread of its own makes: after the constructor it waits or has returned. Asking it
/// anything lets all threads of the clock settle first. The destructor asks the call to stop.
template <typename Result>
class Call {
public:
    template <typename Function>
    Call(ManualClock& clock, Function function) : clock_{clock}, made_{std::make_unique<Made>()} {
        thread_ = clock.thread(
            [made = made_.get(), call = std::move(function)](const std::stop_token& stop) mutable {
                try {
                    made->result.emplace(call(stop));
                } catch (...) {
                    made->failure = std::current_exception();
                }
            });
        clock.settle();
    }

    [[nodiscard]] bool waits() {
        clock_.settle();
        return !made_->result && !made_->failure;
    }

    /// What it has returned, or throws what it has thrown. Throws std::bad_optional_access if it
    /// still waits.
    [[nodiscard]] Result& result() {
        clock_.settle();
        if (made_->failure) std::rethrow_exception(made_->failure);
        return made_->result.value();
    }

    void stop() { thread_.request_stop(); }

private:
    struct Made {
        std::optional<Result> result;
        std::exception_ptr failure;
    };

    ManualClock& clock_;
    std::unique_ptr<Made> made_;
    ClockThread thread_;
};

template <typename Function>
Call(ManualClock&, Function) -> Call<std::invoke_result_t<Function&, const std::stop_token&>>;

template <typename T>
Call<Popped<T>> popping_front(ManualClock& clock, BlockingList<T>& list, Timeout timeout = {}) {
    return {clock, [&list, timeout](const std::stop_token& stop) {
                return list.pop_front({timeout, stop});
            }};
}

template <typename T>
Call<Popped<T>> popping_back(ManualClock& clock, BlockingList<T>& list, Timeout timeout = {}) {
    return {clock, [&list, timeout](const std::stop_token& stop) {
                return list.pop_back({timeout, stop});
            }};
}

template <typename T>
Call<Batch<T>> popping_front_many(ManualClock& clock, BlockingList<T>& list, std::size_t count,
                                  Timeout timeout = {}) {
    return {clock, [&list, count, timeout](const std::stop_token& stop) {
                return list.pop_front_many(count, {timeout, stop});
            }};
}

template <typename T>
Call<Batch<T>> popping_back_many(ManualClock& clock, BlockingList<T>& list, std::size_t count,
                                 Timeout timeout = {}) {
    return {clock, [&list, count, timeout](const std::stop_token& stop) {
                return list.pop_back_many(count, {timeout, stop});
            }};
}

/// `message` stays with the test, which can see whether it has gone.
template <typename T>
Call<Push> pushing_back(ManualClock& clock, BlockingList<T>& list, T& message,
                        Timeout timeout = {}) {
    return {clock, [&list, &message, timeout](const std::stop_token& stop) {
                return list.push_back(std::move(message), {timeout, stop});
            }};
}

template <typename T>
Call<Push> pushing_front(ManualClock& clock, BlockingList<T>& list, T& message,
                         Timeout timeout = {}) {
    return {clock, [&list, &message, timeout](const std::stop_token& stop) {
                return list.push_front(std::move(message), {timeout, stop});
            }};
}

template <typename T>
Call<Pushed> pushing_back_many(ManualClock& clock, BlockingList<T>& list, std::vector<T>& messages,
                               Timeout timeout = {}) {
    return {clock, [&list, &messages, timeout](const std::stop_token& stop) {
                return list.push_back_many(messages, {timeout, stop});
            }};
}

template <typename T>
Call<Pushed> pushing_front_many(ManualClock& clock, BlockingList<T>& list, std::vector<T>& messages,
                                Timeout timeout = {}) {
    return {clock, [&list, &messages, timeout](const std::stop_token& stop) {
                return list.push_front_many(messages, {timeout, stop});
            }};
}

template <typename T>
Call<Moved<T>> moving(ManualClock& clock, BlockingList<T>& from, BlockingList<T>& to,
                      MoveOptions options = {}) {
    return {clock, [&from, &to, options](const std::stop_token& stop) mutable {
                options.stop = stop;
                return from.move_to(to, options);
            }};
}

template <typename T>
Call<PoppedFrom<T>> popping_first(ManualClock& clock, std::vector<BlockingList<T>>& lists,
                                  FirstOptions options = {}) {
    return {clock, [&lists, options](const std::stop_token& stop) mutable {
                options.stop = stop;
                return pop_first(lists, options);
            }};
}

}  // namespace runnel::test
