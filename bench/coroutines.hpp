// SPDX-License-Identifier: MIT
// Many coroutines that wait, and what they and the others pay for it.
#pragma once

#include <runnel/awaitable.hpp>
#include <runnel/blocking_list.hpp>
#include <runnel/channel.hpp>
#include <runnel/runner.hpp>
#include <runnel/stream.hpp>

#include "growth.hpp"
#include "messages.hpp"
#include "threads.hpp"

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <utility>
#include <vector>

namespace runnel::bench {

/// A coroutine that runs at once, up to its first wait, and is destroyed with this object.
class Coroutine {
public:
    struct promise_type {
        Coroutine get_return_object() noexcept {
            return Coroutine{std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        static std::suspend_never initial_suspend() noexcept { return {}; }
        static std::suspend_always final_suspend() noexcept { return {}; }
        void return_void() const noexcept {}
        [[noreturn]] static void unhandled_exception() noexcept { std::terminate(); }
    };

    Coroutine(Coroutine&& other) noexcept : handle_{std::exchange(other.handle_, nullptr)} {}
    Coroutine& operator=(Coroutine&& other) noexcept {
        std::swap(handle_, other.handle_);
        return *this;
    }
    ~Coroutine() {
        if (handle_) handle_.destroy();
    }

private:
    explicit Coroutine(std::coroutine_handle<promise_type> handle) noexcept : handle_{handle} {}

    std::coroutine_handle<promise_type> handle_;
};

/// Pops again and again, and counts.
inline Coroutine pop_all(BlockingList<uint64_t> list, WaitOptions options, uint64_t& popped) {
    while (const auto number = co_await list.async_pop_front(options)) popped += number ? 1 : 0;
}

/// Coroutines wait for elements of a thousand lists; of one more list nobody waits for any.
inline Series coroutines_at_lists(std::size_t count) {
    const std::vector<BlockingList<uint64_t>> lists(1000);
    const BlockingList<uint64_t> quiet;
    uint64_t popped = 0;
    double quiet_push = 0;
    double push = 0;
    const auto wait = [&](std::size_t index) {
        return pop_all(lists[index % lists.size()], {}, popped);
    };
    const auto look = [&] {
        quiet_push = time_of_each(1000, [&](std::size_t number) {
            check(quiet.try_push_back(number) == Push::done && quiet.try_pop_front(),
                  "a push or a pop failed");
        });
        push = time_of_each(1000, [&](std::size_t number) {
            check(lists[number].try_push_back(number) == Push::done, "a push failed");
        });
    };
    Series costs = come_and_go(count, wait, look);
    check(popped == 1000, "what was popped is not what was pushed");
    costs.insert(costs.end(), {quiet_push, push});
    return costs;
}

/// The same with a time-out each: all of them stand in the heap of the clock.
inline Series coroutines_with_time_outs(std::size_t count) {
    const std::vector<BlockingList<uint64_t>> lists(1000);
    const Runner runner;
    uint64_t popped = 0;
    Chance chance;
    const auto wait = [&](std::size_t index) {
        const std::chrono::seconds timeout{3600 + (chance.number() % 3600)};
        return pop_all(lists[index % lists.size()], {.timeout = timeout, .stop = {}}, popped);
    };
    return come_and_go(count, wait, [] {});
}

/// Each reads a stream with a cursor of its own.
inline Series coroutines_at_cursors(std::size_t count) {
    const Stream<uint64_t> stream;
    uint64_t read = 0;
    const auto wait = [&](std::size_t /*index*/) {
        return [](Cursor<uint64_t> cursor, uint64_t& sum) -> Coroutine {
            while (const auto batch = co_await cursor.async_read()) sum += batch.size();
        }(stream.cursor(From::end), read);
    };
    OwnTime adding;
    const auto look = [&] { adding.add([&] { stream.add(1); }); };
    Series costs = come_and_go(count, wait, look);
    check(read == count, "a cursor has not read the entry");
    costs.push_back(adding.per(count));
    return costs;
}

/// Each reads a channel with a subscription of its own.
inline Series coroutines_at_subscriptions(std::size_t count) {
    const Channel<uint64_t> channel;
    uint64_t read = 0;
    const auto wait = [&](std::size_t /*index*/) {
        return [](Subscription<uint64_t> view, uint64_t& sum) -> Coroutine {
            while (const auto batch = co_await view.async_read()) sum += batch.size();
        }(channel.subscribe(), read);
    };
    OwnTime publishing;
    const auto look = [&] { publishing.add([&] { channel.publish(1); }); };
    Series costs = come_and_go(count, wait, look);
    check(read == count, "a subscription has not read the message");
    costs.push_back(publishing.per(count));
    return costs;
}

}  // namespace runnel::bench
