// SPDX-License-Identifier: MIT
// A Worker on an executor, and handlers that are coroutines. What a Worker does besides,
// worker_test says, which also runs on coroutines.
#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>
#include <runnel/deduplicator.hpp>
#include <runnel/error.hpp>
#include <runnel/executor.hpp>
#include <runnel/handled.hpp>
#include <runnel/runner.hpp>
#include <runnel/stream.hpp>
#include <runnel/worker.hpp>
#include <runnel/worker/backend.hpp>
#include <runnel/worker/group_backend.hpp>

#include "support/catch.hpp"
#include "support/coroutines.hpp"
#include "support/errors.hpp"
#include "worker/shop.hpp"

#include <chrono>
#include <coroutine>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

using runnel::BlockingList;
using runnel::Continuation;
using runnel::Deduplicator;
using runnel::ErrorCode;
using runnel::Guarantee;
using runnel::Handled;
using runnel::Stopped;
using runnel::Stream;
using runnel::WhenGone;
using runnel::WorkerOptions;
using runnel::test::Coroutine;
using runnel::test::CoroutineSide;
using runnel::test::Dead;
using runnel::test::error_of;
using runnel::test::Loop;
using runnel::test::Pool;
using runnel::test::Shop;
using runnel::test::Work;
using namespace std::chrono_literals;

namespace {

using Told = std::vector<std::string>;
using WithOptions = WorkerOptions<std::string>;

// Calls at once what it is given.
struct AtOnce {
    void execute(Continuation step) const { step(); }
};

// Has room for one. Whoever gives it another one runs the first one meanwhile.
struct RoomForOne {
    RoomForOne() = default;
    RoomForOne(const RoomForOne&) = delete;

    void execute(Continuation step) {
        if (const auto first = std::exchange(waiting, step)) (*first)();
    }
    void run() {
        while (const auto step = std::exchange(waiting, std::nullopt)) (*step)();
    }

    std::optional<Continuation> waiting{};
};

struct CoroutineShop : Shop<CoroutineSide> {
    /// A wait without a thread, which ends in the thread that moves the time.
    [[nodiscard]] auto async_wait(Milliseconds duration) {
        return nothing.async_pop_front({.timeout = duration});
    }

    BlockingList<int> nothing{{.clock = &clock}};
};

}  // namespace

TEST_CASE("a handler may be a coroutine, and then no thread waits for it", "[worker][coroutine]") {
    CoroutineShop shop;
    for (const char* text : {"a", "b", "c"}) shop.add(text);
    auto& worker = shop.worker(
        [&](const std::string& text) -> Work<void> {
            shop.note(text + " begins");
            auto wait = shop.async_wait(1s);
            (void)co_await wait;
            shop.note(text + " ends");
        },
        {.policy = {.batch = 1, .threads = 3}});
    shop.run(worker);  // one thread
    shop.clock.advance(1s);
    CHECK(shop.notes == Told{"a begins at 0", "b begins at 0", "c begins at 0", "a ends at 1000",
                             "b ends at 1000", "c ends at 1000"});
    CHECK(worker.stats().processed == 3);
    CHECK(worker.stats().threads == 3);
    CHECK(worker.stats().latency.count == 3);
    CHECK(shop.side.pending() == 0);
}

TEST_CASE("what a coroutine of a handler gives or throws is what a handler says",
          "[worker][coroutine][retry]") {
    CoroutineShop shop;
    shop.add("a");
    const WithOptions options{.policy = {.deliveries = 3}};

    SECTION("done") {
        shop.work([](const std::string&) -> Work<Handled> { co_return Handled::done(); }, options);
        CHECK(shop.side.pending() == 0);
        CHECK(shop.side.dead().empty());
    }
    SECTION("rejected, by one that takes the job") {
        const auto handle = [](Shop<CoroutineSide>::Job& job) -> Work<Handled> {
            co_return Handled::reject("no " + *job);
        };
        shop.work(handle, options);
        CHECK(shop.side.dead() == std::vector{Dead{"a", "1-0", 1, "no a"}});
    }
    SECTION("thrown, before and after a wait") {
        const auto handle = [&](const std::string& text) -> Work<void> {
            shop.note(text);
            if (shop.notes.size() == 1) throw std::runtime_error{"at once"};
            auto wait = shop.async_wait(500ms);
            (void)co_await wait;
            throw std::runtime_error{"later"};
        };
        shop.work(handle, options);
        CHECK(shop.notes == Told{"a at 0", "a at 1000", "a at 3500"});
        CHECK(shop.side.dead() == std::vector{Dead{"a", "1-0", 3, "later"}});
    }
    SECTION("thrown by the function that makes it") {
        const auto handle = [&](const std::string& /*text*/) -> Work<void> {
            throw std::runtime_error{"no coroutine"};
            co_return;
        };
        shop.work([&](const std::string& text) { return handle(text); }, options);
        CHECK(shop.side.dead() == std::vector{Dead{"a", "1-0", 3, "no coroutine"}});
    }
    SECTION("of anything that can be awaited") {
        shop.work([](const std::string& /*text*/) { return std::suspend_never{}; }, options);
        CHECK(shop.side.pending() == 0);
    }
}

TEST_CASE("a Worker goes on by its executor, wherever a coroutine of its handler has ended",
          "[worker][coroutine]") {
    CoroutineShop shop;
    for (const char* text : {"a", "b"}) shop.add(text);
    std::vector<std::thread::id> begun;
    std::vector<std::thread::id> ended;
    auto& worker = shop.worker([&](const std::string& /*text*/) -> Work<void> {
        begun.push_back(std::this_thread::get_id());
        auto wait = shop.async_wait(1s);
        (void)co_await wait;
        ended.push_back(std::this_thread::get_id());
    });
    shop.run(worker);
    shop.clock.advance(2s);
    REQUIRE(begun.size() == 2);
    CHECK(begun[0] == begun[1]);
    CHECK(begun[0] != std::this_thread::get_id());
    CHECK(ended == std::vector(2, std::this_thread::get_id()));  // in advance()
}

TEST_CASE("on a loop of one thread all of it runs where the loop does, and others get their turn",
          "[worker][coroutine]") {
    CoroutineShop shop;
    for (int number = 0; number != 4; ++number) shop.add(std::to_string(number));
    Loop loop;
    auto& worker =
        shop.worker([&](const std::string& text) { shop.note(text); }, {.policy = {.batch = 2}});
    worker.start(loop);
    CHECK(shop.notes.empty());
    REQUIRE(loop.run_one());
    CHECK(shop.notes == Told{"0 at 0", "1 at 0"});
    REQUIRE(loop.run_one());  // what others have given the loop meanwhile would come before
    CHECK(shop.notes.size() == 4);
    loop.run();
    shop.add("4");
    CHECK(shop.notes.size() == 4);
    loop.run();
    CHECK(shop.notes.size() == 5);

    std::optional<Stopped> stopped;
    const auto stopping = [&]() -> Coroutine {
        auto stop = worker.async_stop().on(loop);
        stopped = co_await stop;
    };
    const Coroutine one = stopping();
    CHECK_FALSE(stopped);
    loop.run();
    CHECK(stopped->in_time);
    CHECK(worker.stats().threads == 0);
}

TEST_CASE("an executor that calls at once needs no deeper stack for more entries",
          "[worker][coroutine]") {
    runnel::ManualClock clock;
    const Stream<int> stream{{.clock = &clock}};
    constexpr int count = 50'000;
    for (int number = 0; number != count; ++number) (void)stream.add(number);
    int handled = 0;
    runnel::Worker<int> worker{stream,
                               "g",
                               [&](const int& /*number*/) -> Work<void> {
                                   ++handled;
                                   co_return;
                               },
                               {.policy = {.batch = 1}}};
    worker.start(AtOnce{});
    CHECK(handled == count);
}

TEST_CASE("an executor may run what it was given before, when it is given more",
          "[worker][coroutine]") {
    CoroutineShop shop;
    RoomForOne executor;
    auto& worker = shop.worker([&](const std::string& text) { shop.note(text); },
                               {.policy = {.batch = 1, .threads = 3}});
    worker.start(executor);
    executor.run();
    for (const char* text : {"a", "b", "c", "d"}) shop.add(text);
    executor.run();
    CHECK(worker.stats().processed == 4);
    CHECK(shop.side.pending() == 0);
    shop.side.orders.close();
    executor.run();
    CHECK(worker.stats().threads == 0);
}

TEST_CASE("where an executor throws, the Worker goes on in the thread that called it",
          "[worker][coroutine][errors]") {
    struct Throws {
        void execute(Continuation /*step*/) const { throw std::runtime_error{"no room"}; }
    };
    CoroutineShop shop;
    for (const char* text : {"a", "b"}) shop.add(text);
    auto& worker = shop.worker([&](const std::string& text) -> Work<void> {
        shop.note(text);
        auto wait = shop.async_wait(1s);
        (void)co_await wait;
    });
    worker.start(Throws{});
    shop.clock.advance(5s);
    CHECK(shop.notes == Told{"a at 0", "b at 1000"});
}

TEST_CASE("a coroutine that hangs past its lease loses its entry", "[worker][coroutine][lease]") {
    CoroutineShop shop;
    shop.add("a");
    const auto handle = [&](Shop<CoroutineSide>::Job& job) -> Work<void> {
        shop.note(*job + " attempt " + std::to_string(job.attempt()));
        auto wait = shop.async_wait(job.attempt() == 1 ? 10min : 1s);
        (void)co_await wait;
    };
    SECTION("another one gets it, and only that one is done") {
        auto& worker = shop.worker(handle, {.policy = {.lease = 1min, .batch = 1, .threads = 2}});
        shop.run(worker);
        shop.clock.advance(1h);
        CHECK(shop.notes == Told{"a attempt 1 at 0", "a attempt 2 at 60000"});
        CHECK(worker.stats().processed == 1);
        CHECK(worker.stats().stale == 1);
    }
    SECTION("unless whoever runs the clock extends it") {
        auto& worker = shop.worker(
            handle, {.policy = {.lease = 1min, .extend_up_to = 20min, .batch = 1, .threads = 2}});
        shop.run(worker);
        shop.clock.advance(1h);
        CHECK(shop.notes == Told{"a attempt 1 at 0"});
        CHECK(worker.stats().processed == 1);
    }
    SECTION("and it is told which one is slow") {
        std::vector<std::string> slow;
        auto& worker = shop.worker(handle, {.policy = {.lease = 20min, .slow_after = 1min},
                                            .on_slow = [&](const runnel::SlowHandler& handler) {
                                                slow.push_back(to_string(handler.id));
                                            }});
        shop.run(worker);
        shop.clock.advance(1h);
        CHECK(slow == std::vector<std::string>{"1-0"});
    }
}

TEST_CASE("a stop lets coroutines finish, and hands back what is not begun",
          "[worker][coroutine][flow]") {
    CoroutineShop shop;
    for (const char* text : {"a", "b", "c"}) shop.add(text);
    const auto handle = [&](Shop<CoroutineSide>::Job& job) -> Work<Handled> {
        shop.note(*job);
        auto wait = shop.async_wait(5s);
        (void)co_await wait;
        shop.note(job.stop().stop_requested() ? "is to stop" : "goes on");
        co_return Handled::done();
    };
    auto& worker = shop.worker(handle, {.policy = {.stop_within = 10s}});
    shop.run(worker);
    shop.clock.settle();
    std::optional<Stopped> stopped;

    SECTION("in time") {
        auto stopper = shop.clock.thread([&] { stopped = worker.stop(); });
        shop.clock.advance(5s);
        CHECK(stopped->in_time);
        CHECK(shop.notes == Told{"a at 0", "is to stop at 5000"});
        CHECK(worker.stats().handed_back == 2);
        CHECK(shop.side.pending() == 2);
    }
    SECTION("for a coroutine that waits for it") {
        const auto stopping = [&]() -> Coroutine {
            auto stop = worker.async_stop().on(shop.pool);
            stopped = co_await stop;
        };
        const Coroutine one = stopping();
        shop.clock.advance(4s);
        CHECK_FALSE(stopped);
        shop.clock.advance(1s);
        CHECK(stopped->in_time);
    }
    SECTION("or not in time") {
        shop.clock.settle();
        const auto late = [&](Shop<CoroutineSide>::Job& /*job*/) -> Work<void> {
            auto wait = shop.async_wait(1min);
            (void)co_await wait;
        };
        auto& slow = shop.worker(late, {.policy = {.stop_within = 10s}});
        shop.add("d");
        shop.run(slow);
        shop.clock.settle();
        const auto stopping = [&]() -> Coroutine {
            auto stop = slow.async_stop();
            stopped = co_await stop;
        };
        const Coroutine one = stopping();
        shop.clock.advance(10s);
        CHECK_FALSE(stopped->in_time);
        CHECK(stopped->running == 1);
        shop.clock.advance(1min);
        CHECK(slow.stats().threads == 0);
    }
}

TEST_CASE("the destructor waits for coroutines", "[worker][coroutine][flow]") {
    CoroutineShop shop;
    shop.add("a");
    auto worker = std::make_unique<Shop<CoroutineSide>::Worker>(
        shop.side.backend(false), [&](const std::string& text) -> Work<void> {
            auto wait = shop.async_wait(5s);
            (void)co_await wait;
            shop.note(text + " ends");
        });
    shop.threads.push_back(shop.pool.thread());
    worker->start(shop.pool);
    shop.clock.settle();
    auto destroyer = shop.clock.thread([&] {
        worker.reset();
        shop.note("gone");
    });
    shop.clock.advance(5s);
    CHECK(shop.notes == Told{"a ends at 5000", "gone at 5000"});
}

TEST_CASE("coroutines end by themselves when nothing can come any more",
          "[worker][coroutine][flow]") {
    CoroutineShop shop;
    shop.add("a");
    auto& worker = shop.worker(
        [&](const std::string& text) -> Work<void> {
            shop.note(text);
            co_return;
        },
        {.policy = {.when_gone = WhenGone::end, .threads = 2}});
    shop.run(worker);
    shop.clock.settle();
    CHECK(worker.stats().threads == 2);
    SECTION("the stream is closed") {
        shop.side.orders.close();
    }
    SECTION("the group is removed") {
        shop.side.remove_group();
    }
    shop.clock.settle();
    CHECK(worker.stats().threads == 0);
}

TEST_CASE("keys are handled one at a time by coroutines, too", "[worker][coroutine][order]") {
    CoroutineShop shop;
    for (const char* text : {"a1", "a2", "b1", "a3", "b2"}) shop.add(text);
    auto& worker = shop.worker(
        [&](const std::string& text) -> Work<void> {
            shop.note(text);
            auto wait = shop.async_wait(text.front() == 'a' ? 10s : 1s);
            (void)co_await wait;
        },
        {.policy = {.batch = 2, .threads = 4},
         .order = runnel::order_by([](const std::string& text) { return text.front(); })});
    shop.run(worker);
    shop.clock.advance(1min);
    CHECK(shop.notes == Told{"a1 at 0", "b1 at 0", "b2 at 1000", "a2 at 10000", "a3 at 20000"});
}

TEST_CASE("a key is marked when the coroutine of its handler is done",
          "[worker][coroutine][guarantee]") {
    CoroutineShop shop;
    Deduplicator<std::string> done{{.clock = &shop.clock}};
    for (const char* text : {"a", "a", "b"}) shop.add(text);
    auto& worker = shop.worker(
        [&](const std::string& text) -> Work<void> {
            shop.note(text);
            auto wait = shop.async_wait(1500ms);
            (void)co_await wait;
        },
        {.policy = {.guarantee = Guarantee::effectively_once, .batch = 1, .threads = 3},
         .once = runnel::once_by(done, [](const std::string& text) { return text; })});
    shop.run(worker);
    shop.clock.advance(1min);
    CHECK(shop.notes == Told{"a at 0", "b at 0"});
    CHECK(worker.stats().duplicates == 1);
    CHECK(worker.stats().processed == 2);
    CHECK(shop.side.pending() == 0);
}

TEST_CASE("a pause holds coroutines, too", "[worker][coroutine][flow]") {
    CoroutineShop shop;
    auto& worker = shop.worker(
        [&](const std::string& text) -> Work<void> {
            shop.note(text);
            co_return;
        },
        {.policy = {.threads = 3}});
    shop.run(worker);
    shop.clock.settle();
    worker.pause();
    shop.add("a");
    shop.clock.advance(1s);
    CHECK(shop.notes.empty());
    worker.resume();
    shop.clock.settle();
    CHECK(shop.notes == Told{"a at 1000"});
    shop.add("b");
    shop.clock.settle();
    CHECK(shop.notes.size() == 2);
}

TEST_CASE("start() on an executor says what it cannot do", "[worker][coroutine][errors]") {
    const Stream<std::string> orders;  // on the SystemClock
    Loop loop;
    SECTION("nobody runs the clock") {
        runnel::Worker<std::string> worker{orders, "g", [](const std::string&) {}};
        CHECK(error_of([&] { worker.start(loop); }) == ErrorCode::clock_not_run);
        CHECK(worker.stats().threads == 0);
    }
    SECTION("there is no executor") {
        runnel::Worker<std::string> worker{orders, "g", [](const std::string&) {}};
        CHECK(error_of([&] { worker.start(runnel::AnyExecutor{}); }) ==
              ErrorCode::invalid_argument);
    }
    SECTION("it was started before") {
        const runnel::Runner timers;
        runnel::Worker<std::string> worker{orders, "g", [](const std::string&) {}};
        worker.start(loop);
        CHECK(error_of([&] { worker.start(loop); }) == ErrorCode::invalid_argument);
        orders.close();
        loop.run();
    }
    SECTION("a handler that is a coroutine needs one") {
        runnel::Worker<std::string> worker{orders, "g",
                                           [](const std::string&) -> Work<void> { co_return; }};
        CHECK(error_of([&] { worker.start(); }) == ErrorCode::invalid_argument);
        CHECK(error_of([&] { worker.run(); }) == ErrorCode::invalid_argument);
    }
}

TEST_CASE("when nobody runs the clock any more, the coroutines end at their next read",
          "[worker][coroutine][errors]") {
    const Stream<std::string> orders;  // on the SystemClock
    Loop loop;
    std::vector<std::string> told;
    runnel::Worker<std::string> worker{
        orders, "g", [](const std::string&) {}, {.on_error = [&](std::string_view what) {
            told.emplace_back(what);
        }}};
    {
        const runnel::Runner timers;
        worker.start(loop);
        loop.run();
        CHECK(worker.stats().threads == 1);
    }
    (void)orders.add("a");
    loop.run();
    CHECK(worker.stats().processed == 1);
    CHECK(worker.stats().threads == 0);
    CHECK(told.size() == 1);
}

// ---------------------------------------------------------------------- another backend

namespace {

// Reads by a coroutine that begins when it is awaited.
struct LateBackend : runnel::GroupBackend<std::string> {
    using Base = runnel::GroupBackend<std::string>;

    struct Consumer : Base::Consumer {
        explicit Consumer(Base::Consumer base) : Base::Consumer{std::move(base)} {}

        Work<Batch> async_read(const runnel::WorkerRead& what,
                               const runnel::AnyExecutor& executor) {
            auto reading = Base::Consumer::async_read(what, executor);
            co_return co_await reading;
        }
    };

    explicit LateBackend(Base base) : Base{std::move(base)} {}
    [[nodiscard]] Consumer consumer(std::string_view name) {
        return Consumer{Base::consumer(name)};
    }
};

}  // namespace

TEST_CASE("a backend may read by a coroutine that begins late", "[worker][coroutine]") {
    CoroutineShop shop;
    const bool is_ordered = GENERATE(false, true);
    WithOptions options{.policy = {.batch = 1}};
    if (is_ordered) options.order = runnel::order_by([](const std::string& text) { return text; });
    runnel::Worker<std::string, LateBackend> worker{
        LateBackend{shop.side.backend(false)}, [&](const std::string& text) { shop.note(text); },
        options};
    Loop loop;
    worker.start(loop);
    for (const char* text : {"a", "b"}) {
        shop.add(text);
        loop.run();
    }
    CHECK(shop.notes == Told{"a at 0", "b at 0"});
    shop.side.orders.close();
    loop.run();
    CHECK(worker.stats().threads == 0);
}

// ---------------------------------------------------------------------- a call in its window

namespace {

// Calls `hook` when an entry was put aside or handed back.
struct HookedBackend : runnel::GroupBackend<std::string> {
    using Base = runnel::GroupBackend<std::string>;
    using Hook = std::function<void()>;

    struct Consumer : Base::Consumer {
        Consumer(Base::Consumer base, std::shared_ptr<Hook> on)
            : Base::Consumer{std::move(base)}, hook{std::move(on)} {}

        runnel::Ack nack(const Delivery& delivery, runnel::Nack mode, runnel::Duration after) {
            const runnel::Ack ack = Base::Consumer::nack(delivery, mode, after);
            if (mode == runnel::Nack::silent && *hook) std::exchange(*hook, nullptr)();
            return ack;
        }

        std::shared_ptr<Hook> hook;
    };

    HookedBackend(Base base, Hook of)
        : Base{std::move(base)}, hook{std::make_shared<Hook>(std::move(of))} {}
    [[nodiscard]] Consumer consumer(std::string_view name) { return {Base::consumer(name), hook}; }

    std::shared_ptr<Hook> hook;
};

}  // namespace

TEST_CASE("an entry whose turn comes while it is put aside is handled then", "[worker][order]") {
    CoroutineShop shop;
    BlockingList<int> go{{.clock = &shop.clock}};
    for (const char* text : {"a1", "a2"}) shop.add(text);
    runnel::Worker<std::string, HookedBackend> worker{
        {shop.side.backend(false),
         [&] {
             (void)go.push_back(0);
             shop.wait(1ms);  // meanwhile a1 ends
         }},
        [&](const std::string& text) {
            shop.note(text);
            if (text == "a1") (void)go.pop_front();
        },
        {.policy = {.batch = 1, .threads = 2},
         .order = runnel::order_by([](const std::string& text) { return text.front(); })}};
    worker.start(shop.clock);
    shop.clock.advance(1ms);
    CHECK(shop.notes == Told{"a1 at 0", "a2 at 1"});
    auto stopper = shop.clock.thread([&] { (void)worker.stop(); });
}
