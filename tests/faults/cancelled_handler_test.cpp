// SPDX-License-Identifier: MIT
// Before: crashes: exception not rethrown|SIGABRT
//
// What catches everything around a handler swallowed the cancellation of its thread, and the C
// library ends the process then.
#include <runnel/channel.hpp>

#include "support/catch.hpp"
#include "support/channels.hpp"
#include "support/eventually.hpp"

#include <atomic>
#include <exception>
#include <memory>
#include <optional>
#include <pthread.h>
#include <stdexcept>
#include <utility>

using namespace runnel;
using namespace runnel::test;

namespace {

// A thread that can be cancelled, and joins in its destructor.
class Cancellable {
public:
    template <typename Function>
    explicit Cancellable(Function& function) {
        const auto run = [](void* body) -> void* {
            (*static_cast<Function*>(body))();
            return nullptr;
        };
        REQUIRE(pthread_create(&thread_, nullptr, run, &function) == 0);
    }
    Cancellable(const Cancellable&) = delete;
    Cancellable& operator=(const Cancellable&) = delete;
    ~Cancellable() { (void)pthread_join(thread_, nullptr); }

    void cancel() { REQUIRE(pthread_cancel(thread_) == 0); }

private:
    pthread_t thread_{};
};

// Stands in the first message that it gets until its thread is cancelled.
struct Stopping {
    std::atomic<bool> is_in = false;
    std::atomic<bool> is_cancelled = false;

    void operator()() {
        if (is_in.exchange(true)) return;
        eventually([&] { return is_cancelled.load(); });
        // No call that blocks: ThreadSanitizer would not notice that the thread has left it, and
        // take no note of what the thread does after that.
        for (;;) pthread_testcancel();
    }

    // The thread sees what was done before: to ThreadSanitizer, a cancellation alone says nothing.
    void cancel(Cancellable& thread) {
        is_cancelled = true;
        thread.cancel();
    }
};

}  // namespace

TEST_CASE_METHOD(NumberChannel, "the thread of a handler may be cancelled, and another one goes on",
                 "[channel][handler][cancellation]") {
    Stopping stopping;
    Numbers cancelled;
    Numbers others;
    const auto captured = std::make_shared<int>(0);
    const Connection first = channel.on_message([&](const int& number) {
        cancelled.push_back(number);
        stopping();
    });
    const Connection second = channel.on_message(
        [&, captured](const int& number) { others.push_back(number); }, {.bound = 3});
    auto publish_one = [&] { channel.publish(1); };
    {
        Cancellable thread{publish_one};
        eventually([&] { return stopping.is_in.load(); });
        publish(2, 4);  // are left to it
        stopping.cancel(thread);
    }
    // The cancelled handler has had its message, and so have the others.
    CHECK(cancelled == Numbers{1});
    CHECK(others == Numbers{1});
    CHECK(channel.publish(5) == 2);
    CHECK(cancelled == number_range(1, 5));
    CHECK(others == number_range(1, 5));
    CHECK(channel.publish(6) == 2);
    CHECK(others == number_range(1, 6));
}

TEST_CASE_METHOD(NumberChannel, "a publish that waits for handlers goes on with a cancelled run",
                 "[channel][handler][cancellation]") {
    Stopping stopping;
    Numbers handled;
    const Connection handler = channel.on_message(
        [&](const int& number) {
            handled.push_back(number);
            stopping();
        },
        {.bound = 2});
    auto publish_one = [&] { channel.publish(1); };
    std::optional<Cancellable> thread(std::in_place, publish_one);
    eventually([&] { return stopping.is_in.load(); });
    publish(2, 3);
    int four = 4;
    auto waiting = publishing(clock, channel, four);
    CHECK(waiting.waits());
    stopping.cancel(*thread);
    thread.reset();  // it has woken the publisher before it ends
    CHECK(waiting.result() == 1);
    CHECK(handled == number_range(1, 4));
}

TEST_CASE_METHOD(NumberChannel, "a thread may end inside a handler, or in its on_error",
                 "[channel][handler][cancellation]") {
    Numbers handled;
    bool is_first = true;
    const Connection handler = channel.on_message(
        [&](const int& number) {
            handled.push_back(number);
            if (number % 2 == 0) throw std::runtime_error{"even"};
            if (std::exchange(is_first, false)) pthread_exit(nullptr);
        },
        {.on_error = [](const std::exception_ptr&) { pthread_exit(nullptr); }});
    auto publish_all = [&] {
        for (int number = 1; number <= 3; ++number) channel.publish(number);
    };
    { const Cancellable thread{publish_all}; }
    CHECK(handled == Numbers{1});
    { const Cancellable thread{publish_all}; }
    CHECK(handled == Numbers{1, 1, 2});
    CHECK(channel.publish(3) == 1);
    CHECK(handled == Numbers{1, 1, 2, 3});
}

TEST_CASE_METHOD(NumberChannel, "a handler that disconnects itself and is cancelled is destroyed",
                 "[channel][handler][cancellation]") {
    const auto captured = std::make_shared<int>(0);
    Stopping stopping;
    Connection handler;
    handler = channel.on_message([&, captured](const int&) {
        handler.disconnect();
        stopping();
    });
    auto publish_one = [&] { channel.publish(1); };
    {
        Cancellable thread{publish_one};
        eventually([&] { return stopping.is_in.load(); });
        stopping.cancel(thread);
    }
    CHECK(captured.use_count() == 1);
    CHECK(channel.publish(2) == 0);
}
