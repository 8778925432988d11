// SPDX-License-Identifier: MIT
//
// A Worker without threads of its own: its handler is a coroutine, and all of it runs in a loop in
// the main thread. Eight mails are on their way at a time, and no thread waits for any of them.

#include <runnel/blocking_list.hpp>
#include <runnel/executor.hpp>
#include <runnel/runner.hpp>
#include <runnel/stream.hpp>
#include <runnel/worker.hpp>

#include <algorithm>
#include <chrono>
#include <coroutine>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>

using namespace std::chrono_literals;
using Mail = std::string;  // whom it goes to

namespace {

// Runs what it is given in the thread that asks for it: a list is enough for that.
class Loop {
public:
    void execute(runnel::Continuation step) { (void)steps_.try_push_back(step); }
    void run_one() { (*steps_.pop_front())(); }

private:
    runnel::BlockingList<runnel::Continuation> steps_;
};

// A coroutine that begins when it is awaited. Any type will do that can be awaited.
class Sending {
public:
    struct promise_type {
        struct GoOn {
            static bool await_ready() noexcept { return false; }
            static std::coroutine_handle<>
            await_suspend(std::coroutine_handle<promise_type> ended) noexcept {
                return ended.promise().awaiting;
            }
            static void await_resume() noexcept {}
        };

        Sending get_return_object() noexcept {
            return Sending{std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        static std::suspend_always initial_suspend() noexcept { return {}; }
        static GoOn final_suspend() noexcept { return {}; }
        static void return_void() noexcept {}
        void unhandled_exception() noexcept { thrown = std::current_exception(); }

        std::coroutine_handle<> awaiting{};
        std::exception_ptr thrown{};
    };

    Sending(Sending&& other) noexcept : handle_{std::exchange(other.handle_, nullptr)} {}
    Sending& operator=(Sending&&) = delete;
    ~Sending() {
        if (handle_) handle_.destroy();
    }

    static bool await_ready() noexcept { return false; }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> awaiting) noexcept {
        handle_.promise().awaiting = awaiting;
        return handle_;
    }
    void await_resume() const {
        if (handle_.promise().thrown) std::rethrow_exception(handle_.promise().thrown);
    }

private:
    explicit Sending(std::coroutine_handle<promise_type> handle) noexcept : handle_{handle} {}

    std::coroutine_handle<promise_type> handle_;
};

}  // namespace

// NOLINTNEXTLINE(readability-function-size)
int main() {
    Loop loop;
    const runnel::TimerThread timers;  // ends waits whose time is over
    const runnel::Stream<Mail> mails;
    const runnel::BlockingList<int> slow_network;
    int on_their_way = 0;
    int most = 0;
    int sent = 0;
    // The lambda lives as long as the Worker, and so longer than what it makes.
    // NOLINTBEGIN(*-avoid-capturing-lambda-coroutines)
    // [readme]
    const auto send = [&](const Mail& mail) -> Sending {
        if (mail == "nobody@") throw std::invalid_argument{"no such address: " + mail};
        most = std::max(most, ++on_their_way);
        auto answer = slow_network.async_pop_front({.timeout = 20ms}).on(loop);
        (void)co_await answer;  // no thread waits
        --on_their_way;
        ++sent;
    };
    const runnel::DeliveryPolicy policy{.deliveries = 1, .batch = 1, .threads = 8};
    runnel::Worker<Mail> mailer{mails, "mailers", send, {.policy = policy}};
    mailer.start(loop);
    // [/readme]
    // NOLINTEND(*-avoid-capturing-lambda-coroutines)
    for (int number = 0; number != 40; ++number) mails.add(std::to_string(number) + "@x.org");
    mails.add("nobody@");
    mails.close();
    while (mailer.stats().threads != 0) loop.run_one();  // coroutines, of which all end
    std::printf("%d mails sent, up to %d at a time, by one thread\n", sent, most);
    return sent == 40 && mailer.stats().dropped == 1 ? 0 : 1;
}
