// SPDX-License-Identifier: MIT
// A coroutine type and an event loop of one's own, complete: two workers take jobs from a list,
// a third one shows events of a channel, and all of it runs in the main thread.
#include <runnel/runnel.hpp>

#include <chrono>
#include <condition_variable>
#include <coroutine>
#include <cstddef>
#include <cstdio>
#include <deque>
#include <exception>
#include <mutex>
#include <string>
#include <utility>

namespace {

// Runs what it is given, in the thread that calls run(). Any thread may give it something: that is
// all that runnel asks of an executor.
class Loop {
public:
    void execute(runnel::Continuation step) {
        {
            const std::lock_guard lock{mutex_};
            steps_.push_back(step);
        }
        has_come_.notify_one();
    }

    // Until all tasks have ended.
    void run() {
        while (tasks_ != 0) take()();
    }

    // For tasks.
    void add_task() { ++tasks_; }
    void remove_task() { --tasks_; }

private:
    runnel::Continuation take() {
        std::unique_lock lock{mutex_};
        has_come_.wait(lock, [this] { return !steps_.empty(); });
        const runnel::Continuation step = steps_.front();
        steps_.pop_front();
        return step;
    }

    std::mutex mutex_;
    std::condition_variable has_come_;
    std::deque<runnel::Continuation> steps_;
    std::size_t tasks_ = 0;  // of the loop's thread
};

// A coroutine that the loop counts. Its first parameter is the loop; it begins at once.
struct Task {
    struct promise_type {
        template <typename... Others>
        explicit promise_type(Loop& on, const Others&... /*others*/) : loop{on} {
            loop.add_task();
        }
        ~promise_type() { loop.remove_task(); }

        static Task get_return_object() noexcept { return {}; }
        static std::suspend_never initial_suspend() noexcept { return {}; }
        static std::suspend_never final_suspend() noexcept { return {}; }
        static void return_void() noexcept {}
        static void unhandled_exception() noexcept { std::terminate(); }

        Loop& loop;
    };
};

// [readme]
Task work(Loop& loop, std::string name, runnel::BlockingList<int> jobs,
          runnel::Channel<std::string> events) {
    while (const auto job = co_await jobs.async_pop_front().on(loop))  // no thread waits
        events.publish(name + " has done job " + std::to_string(*job));
}
// [/readme]

Task show(Loop& loop, runnel::Channel<std::string> events, int& shown) {
    auto view = events.subscribe();
    while (const auto batch = co_await view.async_read().on(loop)) {
        for (const std::string& event : batch) {
            std::puts(event.c_str());
            ++shown;
        }
    }
}

Task order(Loop& loop, runnel::BlockingList<int> jobs, runnel::Channel<std::string> events,
           const int& shown) {
    for (int job = 1; job <= 6; ++job) {
        const auto push = co_await jobs.async_push_back(job).on(loop);  // waits for room
        if (push != runnel::Push::done) std::terminate();
    }
    jobs.close();  // the workers do what is left, and end
    // A time-out needs nobody's thread either, while something runs the clock.
    const runnel::TimerThread timers;
    const runnel::BlockingList<int> nothing;
    while (shown != 6)
        (void)co_await nothing.async_pop_front({.timeout = std::chrono::milliseconds{1}}).on(loop);
    events.close();
}

}  // namespace

int main() {
    Loop loop;
    int shown = 0;
    {
        const runnel::BlockingList<int> jobs{{.capacity = 2}};
        const runnel::Channel<std::string> events;
        show(loop, events, shown);
        work(loop, "one", jobs, events);
        work(loop, "two", jobs, events);
        order(loop, jobs, events, shown);
    }
    loop.run();
    return shown == 6 ? 0 : 1;
}
