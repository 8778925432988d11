// SPDX-License-Identifier: MIT
// Ten thousand coroutines wait on a thousand lists, on two threads. Each takes a token, adds one
// and passes it on to the next list, until it has gone round often enough.
#include <runnel/runnel.hpp>

#include <atomic>
#include <coroutine>
#include <cstddef>
#include <cstdio>
#include <exception>
#include <latch>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t list_count = 1'000;
constexpr std::size_t coroutine_count = 10'000;
constexpr std::size_t token_count = 2'000;
constexpr int last = 50;

using List = runnel::BlockingList<int>;

// A coroutine that runs at once and destroys itself at its end.
struct Detached {
    struct promise_type {
        static Detached get_return_object() noexcept { return {}; }
        static std::suspend_never initial_suspend() noexcept { return {}; }
        static std::suspend_never final_suspend() noexcept { return {}; }
        static void return_void() noexcept {}
        static void unhandled_exception() noexcept { std::terminate(); }
    };
};

// The jobs of two threads. A list does for that: this is what makes a pool of threads an executor.
class Pool {
public:
    Pool() {
        for (std::jthread& thread : threads_)
            thread = std::jthread{[steps = steps_] {
                while (const auto step = steps.pop_front()) (*step)();
            }};
    }
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;
    ~Pool() { steps_.close(); }

    void execute(runnel::Continuation step) { (void)steps_.push_back(step); }

private:
    runnel::BlockingList<runnel::Continuation> steps_;
    std::vector<std::jthread> threads_{2};
};

Detached pass_on(Pool& pool, const List& from, const List& to, std::latch& arrived,
                 std::latch& ended) {
    while (const auto token = co_await from.async_pop_front().on(pool)) {
        if (*token == last)
            arrived.count_down();
        else
            (void)to.try_push_back(*token + 1);
    }
    ended.count_down();
}

}  // namespace

int main() {
    const std::vector<List> lists(list_count);
    std::latch arrived{token_count};
    std::latch ended{coroutine_count};
    Pool pool;
    for (std::size_t number = 0; number != coroutine_count; ++number) {
        const std::size_t at = number % list_count;
        pass_on(pool, lists[at], lists[(at + 1) % list_count], arrived, ended);
    }
    std::printf("%zu coroutines wait\n", lists.front().stats().blocked_pops * list_count);
    for (std::size_t number = 0; number != token_count; ++number)
        (void)lists[number % list_count].push_back(0);
    arrived.wait();
    for (const List& list : lists) list.close();
    ended.wait();
    std::printf("%zu tokens were passed on %d times each\n", token_count, last);
}
