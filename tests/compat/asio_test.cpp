// SPDX-License-Identifier: MIT
// The waits of runnel as operations of Asio, with each kind of completion token. boost_asio_test
// compiles this file with Boost.Asio.
#if defined(RUNNEL_TEST_BOOST)
#    include <runnel/compat/boost_asio.hpp>
#else
#    include <runnel/compat/asio.hpp>
#endif
#include <runnel/blocking_list.hpp>
#include <runnel/channel.hpp>
#include <runnel/channel_options.hpp>
#include <runnel/clock.hpp>
#include <runnel/consumer.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/cursor.hpp>
#include <runnel/error.hpp>
#include <runnel/inbox.hpp>
#include <runnel/list_options.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream.hpp>
#include <runnel/subscription.hpp>
#include <runnel/wait_any.hpp>

#include "support/catch.hpp"
#include "support/coroutines.hpp"
#include "support/elements.hpp"
#include "support/errors.hpp"
#include "support/user_clocks.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <exception>
#include <functional>
#include <future>
#include <memory>
#include <new>
#include <numeric>
#include <optional>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#if defined(RUNNEL_TEST_BOOST)
#    include <boost/asio.hpp>

namespace asio = boost::asio;
namespace with_asio = runnel::with_boost_asio;
#    define RUNNEL_TEST_SLOTS (BOOST_ASIO_VERSION >= 101900)
#else
#    include <asio.hpp>
#    if ASIO_VERSION >= 102200 && ASIO_VERSION < 102400
#        include <asio/experimental/as_tuple.hpp>
#        include <asio/experimental/deferred.hpp>
#    endif

namespace with_asio = runnel::with_asio;
#    define RUNNEL_TEST_SLOTS (ASIO_VERSION >= 101900)
#endif

using runnel::BlockingList;
using runnel::Ending;
using runnel::ErrorCode;
using runnel::ManualClock;
using runnel::Popped;
using runnel::Push;
using runnel::WaitOptions;
using runnel::test::Coroutine;
using runnel::test::drain;
using runnel::test::elements;
using runnel::test::error_of;
using runnel::test::fill;
using runnel::test::HandClock;
using namespace std::chrono_literals;

namespace {

using Job = std::unique_ptr<int>;
using Jobs = BlockingList<Job>;
using Numbers = BlockingList<int>;

Job job(int number) {
    return std::make_unique<int>(number);
}

// What a handler was called with.
template <typename Result>
struct Called {
    [[nodiscard]] bool is_open() const { return !result; }
    [[nodiscard]] auto handler() {
        return [this](std::exception_ptr thrown, Result got) {
            REQUIRE(is_open());
            failure = std::move(thrown);
            result.emplace(std::move(got));
        };
    }
    [[nodiscard]] std::optional<ErrorCode> error() const {
        return error_of([this] {
            if (failure) std::rethrow_exception(failure);
        });
    }

    std::exception_ptr failure{};
    std::optional<Result> result{};
};

struct SomeJobs {
    ManualClock clock;
    Jobs jobs{{.clock = &clock}};
    Numbers numbers{{.clock = &clock}};
    asio::io_context io{};
    Called<Popped<Job>> called{};

    void push(int number) const { REQUIRE(jobs.try_push_back(job(number)) == Push::done); }
    [[nodiscard]] int number() const { return **called.result.value(); }
    void begin(const WaitOptions& options = {}) {
        with_asio::wait(io, jobs.async_pop_front(options), called.handler());
    }
};

}  // namespace

// ---------------------------------------------------------------------- one handler

TEST_CASE_METHOD(SomeJobs, "what is there goes to the handler, after the call") {
    push(1);
    begin();
    CHECK(called.is_open());
    CHECK(jobs.size() == 0);
    io.run();
    CHECK(number() == 1);
    CHECK_FALSE(called.failure);
}

TEST_CASE_METHOD(SomeJobs, "after a wait the handler runs where its io_context runs") {
    begin();
    CHECK(io.poll() == 0);
    push(1);
    CHECK(called.is_open());
    CHECK(io.run() == 1);
    CHECK(number() == 1);
}

TEST_CASE_METHOD(SomeJobs, "an io_context has work until the handler has returned") {
    begin();
    CHECK(io.poll() == 0);
    CHECK_FALSE(io.stopped());
    push(1);
    CHECK(io.poll() == 1);
    CHECK(io.stopped());
}

TEST_CASE_METHOD(SomeJobs, "waits are served in the order in which they came") {
    std::vector<int> order;
    for (const int turn : {1, 2, 3})
        with_asio::wait(io, numbers.async_pop_front(),
                        [&, turn](std::exception_ptr, Popped<int> got) {
                            CHECK(*got == turn);
                            order.push_back(*got);
                        });
    fill(numbers, {1, 2, 3});
    io.run();
    CHECK(order == std::vector{1, 2, 3});
}

TEST_CASE_METHOD(SomeJobs, "a handler may begin the next wait") {
    int sum = 0;
    std::function<void(std::exception_ptr, Popped<int>)> loop = [&](const std::exception_ptr&,
                                                                    Popped<int> got) {
        if (!got) return;
        sum += *got;
        with_asio::wait(io, numbers.async_pop_front(), loop);
    };
    with_asio::wait(io, numbers.async_pop_front(), loop);
    fill(numbers, {1, 2});
    io.poll();
    fill(numbers, {3, 4});
    numbers.close();
    io.run();
    CHECK(sum == 10);
}

TEST_CASE_METHOD(SomeJobs, "close, stop and time-out end a wait") {
    std::stop_source stop;
    begin({.timeout = 10ms, .stop = stop.get_token()});
    SECTION("close") {
        jobs.close();
        io.run();
        CHECK(called.result->ending() == Ending::closed);
    }
    SECTION("stop") {
        stop.request_stop();
        io.run();
        CHECK(called.result->ending() == Ending::stopped);
    }
    SECTION("time-out") {
        clock.advance(10ms);
        io.run();
        CHECK(called.result->ending() == Ending::timed_out);
    }
    CHECK_FALSE(called.failure);
    CHECK(jobs.stats().blocked_pops == 0);
}

TEST_CASE_METHOD(SomeJobs, "a time-out of zero, or a stop before, ends a wait at once") {
    std::stop_source stop;
    stop.request_stop();
    const bool is_stop = GENERATE(true, false);
    begin(is_stop ? WaitOptions{.stop = stop.get_token()} : WaitOptions{.timeout = 0s});
    CHECK(called.is_open());
    io.run();
    CHECK(called.result->ending() == (is_stop ? Ending::stopped : Ending::timed_out));
    CHECK(jobs.stats().blocked_pops == 0);
}

TEST_CASE("every call that waits has its own result") {
    ManualClock clock;
    const Numbers from{{.clock = &clock}};
    const Numbers to{{.capacity = 2, .clock = &clock}};
    asio::io_context io;
    Called<Push> pushed;
    Called<runnel::Pushed> several;
    Called<runnel::Batch<int>> batch;
    Called<Popped<int>> moved;
    const int message = 1;
    std::vector<int> messages{2, 3};
    with_asio::wait(io, to.async_push_back(message), pushed.handler());
    with_asio::wait(io, to.async_push_back_many(messages), several.handler());
    io.poll();
    CHECK(pushed.result == Push::done);
    CHECK(several.is_open());
    with_asio::wait(io, to.async_pop_front_many(9), batch.handler());
    with_asio::wait(io, from.async_move_to(to), moved.handler());
    fill(from, {4});
    io.run();
    CHECK(several.result->count == 2);
    CHECK(batch.result->size() == 2);
    CHECK(moved.result->value() == 4);
    CHECK(elements(to) == std::vector{3, 4});
}

TEST_CASE("the waits of all models are operations of Asio") {
    ManualClock clock;
    const runnel::Stream<int> orders{{.clock = &clock}};
    const runnel::ConsumerGroup<int> group = orders.group("billing");
    const auto till = group.consumer("till");
    auto cursor = orders.cursor();
    auto watched = orders.cursor();
    const runnel::Channel<int> ticks{{.clock = &clock}};
    auto view = ticks.subscribe();
    runnel::Inbox<int> inbox{{.clock = &clock}};
    inbox.join(ticks);
    const Numbers numbers{{.clock = &clock}};
    asio::io_context io;

    std::vector<std::string> got;
    const auto note = [&got](std::string name) {
        return
            [&got, name = std::move(name)](const std::exception_ptr& failure, const auto& result) {
                got.push_back(name + (failure ? " fails" : result ? " comes" : " ends"));
            };
    };
    const auto begin_all = [&](const std::array<runnel::Watch, 1>& watches) {
        with_asio::wait(io, orders.async_read(runnel::From::end), note("entry"));
        with_asio::wait(io, cursor.async_read(), note("cursor"));
        with_asio::wait(io, till.async_read(), note("delivery"));
        with_asio::wait(io, view.async_read(), note("message"));
        with_asio::wait(io, inbox.async_read(), note("inbox"));
        with_asio::wait(io, ticks.async_wait_for_subscribers(3), note("subscriber"));
        with_asio::wait(io, runnel::async_pop_first({numbers}), note("first"));
        with_asio::wait(io, runnel::async_wait_any(watches), note("any"));
    };
    const std::array<runnel::Watch, 1> watches{runnel::Watch{watched}};
    SECTION("as something comes") {
        begin_all(watches);
        CHECK(io.poll() == 0);
        orders.add(1);
        ticks.publish(2);
        fill(numbers, {3});
        const auto another = ticks.subscribe();
        io.run();
        std::sort(got.begin(), got.end());
        CHECK(got == std::vector<std::string>{"any comes", "cursor comes", "delivery comes",
                                              "entry comes", "first comes", "inbox comes",
                                              "message comes", "subscriber comes"});
    }
    SECTION("as the objects are closed") {
        begin_all(watches);
        orders.close();
        ticks.close();
        numbers.close();
        io.run();
        CHECK(got.size() == 8);
        for (const std::string& one : got) CHECK(one.find(" ends") != std::string::npos);
    }
}

TEST_CASE("a publish of Asio runs the handlers of the channel, and wakes its readers") {
    ManualClock clock;
    const runnel::Channel<int> ticks{{.clock = &clock}};
    auto view = ticks.subscribe({.bound = 1, .when_behind = runnel::Behind::block});
    std::vector<int> handled;
    const auto connection = ticks.on_message([&](const int& tick) { handled.push_back(tick); });
    asio::io_context io;
    Called<runnel::Published> first;
    Called<runnel::Published> second;
    const std::array numbers{1, 2};  // copied, as they are no rvalues
    with_asio::wait(io, ticks.async_publish(numbers[0]), first.handler());
    CHECK(handled == std::vector{1});  // as publish() does
    with_asio::wait(io, ticks.async_publish(numbers[1]), second.handler());
    CHECK(io.run_one() == 1);
    CHECK(first.result->reached == 2);
    CHECK(handled == std::vector{1});
    CHECK(view.try_read().size() == 1);
    io.run();
    CHECK(second.result->reached == 2);
    CHECK(handled == std::vector{1, 2});
}

// ---------------------------------------------------------------------- exceptions

TEST_CASE_METHOD(SomeJobs, "an exception goes to the handler, beside the result of a stop") {
    const Numbers real{{.capacity = 1}};
    fill(real, {1});
    Called<Push> pushed;
    Called<Popped<Job>> popped;
    Called<runnel::Pushed> several;
    const int message = 1;
    std::vector<int> messages{2, 3};
    with_asio::wait(io, real.async_push_back(message, {.timeout = 1h}), pushed.handler());
    with_asio::wait(io, real.async_push_back_many(messages, {.timeout = 1h}), several.handler());
    with_asio::wait(io, Jobs{}.async_pop_front({.timeout = 1h}), popped.handler());
    CHECK(pushed.is_open());
    io.run();
    CHECK(pushed.error() == ErrorCode::clock_not_run);
    CHECK(pushed.result == Push::stopped);
    CHECK(several.error() == ErrorCode::clock_not_run);
    CHECK(several.result->ending == Push::stopped);
    CHECK(popped.error() == ErrorCode::clock_not_run);
    CHECK(popped.result->ending() == Ending::stopped);
    CHECK(real.stats().blocked_pushes == 0);
}

TEST_CASE_METHOD(SomeJobs, "a future throws it") {
    auto future = with_asio::wait(Jobs{}.async_pop_front({.timeout = 1h}),
                                  asio::bind_executor(io, asio::use_future));
    io.run();
    CHECK(error_of([&] { return future.get(); }) == ErrorCode::clock_not_run);
}

TEST_CASE_METHOD(SomeJobs, "co_await throws it") {
    std::optional<ErrorCode> error;
    asio::co_spawn(
        io,
        [&]() -> asio::awaitable<void> {
            try {
                (void)co_await with_asio::wait(Jobs{}.async_pop_front({.timeout = 1h}),
                                               asio::use_awaitable);
            } catch (const runnel::Error& thrown) {
                error = thrown.code();
            }
        },
        asio::detached);
    io.run();
    CHECK(error == ErrorCode::clock_not_run);
}

TEST_CASE_METHOD(SomeJobs, "what a copy of a message has thrown goes to the handler") {
    struct Fragile {
        Fragile() = default;
        Fragile(const Fragile& /*other*/) { throw std::runtime_error{"broken"}; }
        Fragile(Fragile&&) noexcept = default;
        Fragile& operator=(const Fragile&) = delete;
        Fragile& operator=(Fragile&&) noexcept = default;
        ~Fragile() = default;
    };
    const BlockingList<Fragile> from{{.clock = &clock}};
    const BlockingList<Fragile> to{{.clock = &clock}};
    std::string what;
    with_asio::wait(io, from.async_move_to(to),
                    [&](const std::exception_ptr& failure, Popped<Fragile> moved) {
                        CHECK_FALSE(moved);
                        try {
                            std::rethrow_exception(failure);
                        } catch (const std::runtime_error& error) {
                            what = error.what();
                        }
                    });
    REQUIRE(from.try_push_back(Fragile{}) == Push::done);
    io.run();
    CHECK(what == "broken");
    CHECK(from.size() == 1);
}

// ---------------------------------------------------------------------- other tokens

TEST_CASE_METHOD(SomeJobs, "use_future gives a future of the result") {
    auto future = with_asio::wait(io, jobs.async_pop_front(), asio::use_future);
    CHECK(io.poll() == 0);
    CHECK_FALSE(io.stopped());
    push(1);
    CHECK(**future.get() == 1);
    io.run();
}

TEST_CASE_METHOD(SomeJobs, "use_awaitable makes an awaitable of Asio of it") {
    std::vector<int> got;
    asio::co_spawn(
        io,
        [&]() -> asio::awaitable<void> {
            while (auto next =
                       co_await with_asio::wait(jobs.async_pop_front(), asio::use_awaitable))
                got.push_back(**next);
        },
        asio::detached);
    push(1);
    io.poll();
    for (const int number : {2, 3}) push(number);
    jobs.close();
    io.run();
    CHECK(got == std::vector{1, 2, 3});
}

TEST_CASE_METHOD(SomeJobs, "a coroutine may push messages of its own") {
    const Numbers small{{.capacity = 1, .clock = &clock}};
    const auto produce = [&]() -> asio::awaitable<void> {
        for (int number = 1; number != 4; ++number)
            (void)co_await with_asio::wait(small.async_push_back(number), asio::use_awaitable);
        small.close();
    };
    std::vector<int> got;
    const auto consume = [&]() -> asio::awaitable<void> {
        while (const auto number =
                   co_await with_asio::wait(small.async_pop_front(), asio::use_awaitable))
            got.push_back(*number);
    };
    asio::co_spawn(io, produce(), asio::detached);
    asio::co_spawn(io, consume(), asio::detached);
    io.run();
    CHECK(got == std::vector{1, 2, 3});
}

TEST_CASE_METHOD(SomeJobs, "detached drops the result") {
    push(1);
    with_asio::wait(io, jobs.async_pop_front(), asio::detached);
    io.run();
    CHECK(jobs.size() == 0);
}

#if !defined(RUNNEL_TEST_BOOST) && ASIO_VERSION >= 102200 && ASIO_VERSION < 102400

TEST_CASE_METHOD(SomeJobs, "deferred begins the wait when it is called") {
    push(1);
    auto operation = with_asio::wait(io, jobs.async_pop_front(), asio::experimental::deferred);
    io.poll();
    CHECK(jobs.size() == 1);
    std::move(operation)(called.handler());
    io.restart();
    io.run();
    CHECK(number() == 1);
}

TEST_CASE_METHOD(SomeJobs, "as_tuple gives the exception as a value") {
    std::optional<Ending> ending;
    std::exception_ptr failure;
    asio::co_spawn(
        io,
        [&]() -> asio::awaitable<void> {
            auto [thrown, popped] =
                co_await with_asio::wait(Jobs{}.async_pop_front({.timeout = 1h}),
                                         asio::experimental::as_tuple(asio::use_awaitable));
            failure = thrown;
            ending = popped.ending();
        },
        asio::detached);
    io.run();
    CHECK(failure);
    CHECK(ending == Ending::stopped);
}

#endif

// ---------------------------------------------------------------------- executors and allocators

TEST_CASE_METHOD(SomeJobs, "a handler without an executor runs in the system's threads") {
    auto called_in = std::make_shared<std::promise<std::thread::id>>();
    auto thread = called_in->get_future();
    with_asio::wait(jobs.async_pop_front(),
                    [called_in](const std::exception_ptr&, const auto& got) {
                        called_in->set_value(got ? std::this_thread::get_id() : std::thread::id{});
                    });
    push(1);
    const std::thread::id id = thread.get();
    CHECK(id != std::thread::id{});
    CHECK(id != std::this_thread::get_id());
}

TEST_CASE_METHOD(SomeJobs, "a handler runs on its own executor rather than on that of the call") {
    asio::io_context own;
    with_asio::wait(io, jobs.async_pop_front(),
                    asio::bind_executor(own.get_executor(), called.handler()));
    for (auto* const each : {&io, &own}) {
        CHECK(each->poll() == 0);
        CHECK_FALSE(each->stopped());  // it is work of both
    }
    push(1);
    CHECK(io.poll() == 0);
    CHECK(own.run() == 1);
    CHECK(number() == 1);
    CHECK(io.run() == 0);
}

TEST_CASE_METHOD(SomeJobs, "on a strand, one handler runs at a time") {
    constexpr int count = 1000;
    auto strand = asio::make_strand(io);
    int done = 0;  // no atomic objects
    int on_strand = 0;
    for (int at = 0; at != count; ++at)
        with_asio::wait(
            numbers.async_pop_front(),
            asio::bind_executor(strand, [&](const std::exception_ptr&, Popped<int> got) {
                on_strand += strand.running_in_this_thread() ? 1 : 0;
                done += *got;
            }));
    {
        std::jthread one{[&] { io.run(); }};
        std::jthread other{[&] { io.run(); }};
        for (int at = 0; at != count; ++at) (void)numbers.try_push_back(1);
    }
    CHECK(done == count);
    CHECK(on_strand == count);
}

TEST_CASE_METHOD(SomeJobs, "any kind of executor will do") {
    const auto popped = [this](auto executor) {
        std::promise<int> got;
        with_asio::wait(
            executor, jobs.async_pop_front(),
            [&](const std::exception_ptr&, Popped<Job> result) { got.set_value(**result); });
        push(1);
        io.restart();
        io.run();
        return got.get_future().get();
    };
    CHECK(popped(io.get_executor()) == 1);
    CHECK(popped(asio::any_io_executor{io.get_executor()}) == 1);
    CHECK(popped(asio::make_strand(io)) == 1);
    CHECK(popped(asio::io_context::strand{io}) == 1);
    asio::thread_pool pool{1};
    CHECK(popped(pool.get_executor()) == 1);
    CHECK(popped(asio::system_executor{}) == 1);
}

namespace {

// A coroutine that is not Asio's.
template <typename Executor>
Coroutine take_on(Numbers numbers, Executor executor, std::promise<int>& got) {
    const auto number = co_await numbers.async_pop_front().on(with_asio::executor(executor));
    got.set_value(*number);
}

}  // namespace

TEST_CASE_METHOD(SomeJobs, "another coroutine goes on in any kind of executor") {
    asio::thread_pool pool{1};
    const auto taken_on = [this, &pool](auto executor) {
        std::promise<int> got;
        std::future<int> number = got.get_future();
        const Coroutine waits = take_on(numbers, executor, got);
        REQUIRE(numbers.try_push_back(1) == Push::done);
        io.restart();
        io.run();
        number.wait();
        if (std::is_same_v<decltype(executor), asio::thread_pool::executor_type>) pool.join();
        return number.get();
    };
    CHECK(taken_on(io.get_executor()) == 1);
    CHECK(taken_on(asio::any_io_executor{io.get_executor()}) == 1);
    CHECK(taken_on(asio::make_strand(io)) == 1);
    CHECK(taken_on(pool.get_executor()) == 1);
}

TEST_CASE_METHOD(SomeJobs, "an io_context has work while another coroutine waits to go on in it") {
    std::promise<int> got;
    const Coroutine waits = take_on(numbers, io.get_executor(), got);
    CHECK(io.poll() == 0);
    CHECK_FALSE(io.stopped());
    REQUIRE(numbers.try_push_back(1) == Push::done);
    CHECK(io.run() == 1);
    CHECK(waits.done());
    CHECK(got.get_future().get() == 1);
}

TEST_CASE("the handlers of a channel may run in an io_context") {
    asio::io_context io;
    const runnel::Channel<int> channel;
    int sum = 0;
    {
        const auto connection = channel.on_message([&sum](int number) { sum += number; },
                                                   {.executor = with_asio::executor(io)});
        CHECK(channel.publish(1) == 1);
        CHECK(channel.publish(2) == 1);
        CHECK(sum == 0);
        io.poll();
        CHECK(sum == 3);
    }
    io.restart();
    io.run();
    CHECK(sum == 3);
}

namespace {

// Counts what an allocator has given out.
struct Heap {
    std::size_t blocks = 0;
    std::size_t made = 0;
    std::size_t made_until_refusal = static_cast<std::size_t>(-1);
};

template <typename T>
struct FromHeap {
    using value_type = T;

    explicit FromHeap(Heap& from) noexcept : heap{&from} {}
    template <typename Other>
    FromHeap(const FromHeap<Other>& other) noexcept : heap{other.heap} {}  // NOLINT(*-explicit-*)

    [[nodiscard]] T* allocate(std::size_t count) {
        if (heap->made == heap->made_until_refusal) throw std::bad_alloc{};
        ++heap->blocks;
        ++heap->made;
        return std::allocator<T>{}.allocate(count);
    }
    void deallocate(T* memory, std::size_t count) noexcept {
        --heap->blocks;
        std::allocator<T>{}.deallocate(memory, count);
    }
    template <typename Other>
    bool operator==(const FromHeap<Other>& other) const noexcept {
        return heap == other.heap;
    }

    Heap* heap;
};

template <typename Function>
struct WithHeap {
    using allocator_type = FromHeap<void>;

    [[nodiscard]] allocator_type get_allocator() const noexcept { return allocator_type{*heap}; }
    template <typename... Arguments>
    void operator()(Arguments&&... arguments) {
        function(std::forward<Arguments>(arguments)...);
    }

    Heap* heap;
    Function function;
};

template <typename Function>
WithHeap<Function> with_heap(Heap& heap, Function function) {
    return {&heap, std::move(function)};
}

}  // namespace

TEST_CASE_METHOD(SomeJobs,
                 "a wait takes memory of the handler's, and frees it before the handler") {
    Heap heap;
    std::optional<std::size_t> blocks;
    with_asio::wait(io, numbers.async_pop_front(),
                    with_heap(heap, [&](const std::exception_ptr&, const Popped<int>& got) {
                        CHECK(*got == 1);
                        blocks = heap.blocks;
                    }));
    CHECK(heap.blocks == 1);
    fill(numbers, {1});
    io.run();
    CHECK(blocks == 0);
    CHECK(heap.made == 2);  // one to wait, and one to be posted
}

TEST_CASE_METHOD(SomeJobs, "without memory a wait does not begin") {
    Heap heap{.made_until_refusal = 0};
    CHECK_THROWS_AS(with_asio::wait(io, numbers.async_pop_front(),
                                    with_heap(heap, [](const auto&, const auto&) {})),
                    std::bad_alloc);
    CHECK(numbers.stats().blocked_pops == 0);
    CHECK(io.run() == 0);
}

TEST_CASE_METHOD(SomeJobs, "a wait whose executor refuses the handler is given up") {
    Heap heap{.made_until_refusal = 1};
    const auto alive = std::make_shared<int>();
    with_asio::wait(io, numbers.async_pop_front(),
                    with_heap(heap, [alive](const auto&, const auto&) { FAIL("it was called"); }));
    CHECK(alive.use_count() == 2);
    fill(numbers, {1});
    CHECK(alive.use_count() == 1);
    CHECK(heap.blocks == 0);
    CHECK(elements(numbers) == std::vector{1});
    CHECK(io.run() == 0);
}

// ---------------------------------------------------------------------- cancellation slots

#if RUNNEL_TEST_SLOTS

TEST_CASE_METHOD(SomeJobs, "an emission of any type stops the wait") {
    const auto type = GENERATE(asio::cancellation_type::terminal, asio::cancellation_type::partial,
                               asio::cancellation_type::total);
    asio::cancellation_signal signal;
    with_asio::wait(io, jobs.async_pop_front(),
                    asio::bind_cancellation_slot(signal.slot(), called.handler()));
    signal.emit(asio::cancellation_type::none);
    CHECK(io.poll() == 0);
    signal.emit(type);
    CHECK(called.is_open());
    signal.emit(type);
    io.run();
    CHECK(called.result->ending() == Ending::stopped);
    CHECK(jobs.stats().blocked_pops == 0);
}

TEST_CASE_METHOD(SomeJobs, "what was served before an emission keeps its value") {
    asio::cancellation_signal signal;
    with_asio::wait(io, jobs.async_pop_front(),
                    asio::bind_cancellation_slot(signal.slot(), called.handler()));
    push(1);
    signal.emit(asio::cancellation_type::terminal);
    io.run();
    CHECK(number() == 1);
}

TEST_CASE_METHOD(SomeJobs, "the slot is empty when the handler runs") {
    asio::cancellation_signal signal;
    bool has_handler = true;
    with_asio::wait(io, jobs.async_pop_front(),
                    asio::bind_cancellation_slot(signal.slot(), [&](const auto&, const auto&) {
                        has_handler = signal.slot().has_handler();
                    }));
    CHECK(signal.slot().has_handler());
    push(1);
    io.run();
    CHECK_FALSE(has_handler);
}

TEST_CASE_METHOD(SomeJobs, "a signal may go before the wait has ended") {
    {
        asio::cancellation_signal signal;
        with_asio::wait(io, jobs.async_pop_front(),
                        asio::bind_cancellation_slot(signal.slot(), called.handler()));
    }
    push(1);
    io.run();
    CHECK(number() == 1);
}

TEST_CASE_METHOD(SomeJobs, "a signal that is emitted after its io_context has gone does nothing") {
    asio::cancellation_signal signal;
    {
        asio::io_context another;
        with_asio::wait(another, jobs.async_pop_front(),
                        asio::bind_cancellation_slot(signal.slot(), called.handler()));
    }
    signal.emit(asio::cancellation_type::terminal);
    CHECK(called.is_open());
}

TEST_CASE_METHOD(SomeJobs, "a coroutine that is cancelled stops its wait") {
    asio::cancellation_signal signal;
    std::optional<Ending> ending;
    asio::co_spawn(
        io,
        [&]() -> asio::awaitable<void> {
            const auto popped =
                co_await with_asio::wait(jobs.async_pop_front(), asio::use_awaitable);
            ending = popped.ending();
        },
        asio::bind_cancellation_slot(signal.slot(), asio::detached));
    io.poll();
    CHECK(jobs.stats().blocked_pops == 1);
    signal.emit(asio::cancellation_type::terminal);
    io.run();
    CHECK(ending == Ending::stopped);
}

#endif

// ---------------------------------------------------------------------- an io_context that goes

namespace {

struct GoingContext : SomeJobs {
    std::optional<asio::io_context> context{std::in_place};
    std::shared_ptr<int> alive = std::make_shared<int>();

    // A handler that must not be called, and has `alive`.
    [[nodiscard]] auto uncalled() const {
        return [held = alive](const std::exception_ptr&, const auto&) { FAIL("called"); };
    }
};

}  // namespace

TEST_CASE_METHOD(GoingContext, "an io_context that goes gives up its open waits") {
    with_asio::wait(*context, numbers.async_pop_front({.timeout = 1h}), uncalled());
    CHECK(numbers.stats().blocked_pops == 1);
    context.reset();
    CHECK(alive.use_count() == 1);
    CHECK(numbers.stats().blocked_pops == 0);
    fill(numbers, {1});
    clock.advance(2h);
    CHECK(elements(numbers) == std::vector{1});
}

TEST_CASE_METHOD(GoingContext, "what its waits were served with goes back") {
    const bool at_once = GENERATE(true, false);
    if (at_once) fill(numbers, {1, 2});
    with_asio::wait(*context, numbers.async_pop_front(), uncalled());
    if (!at_once) fill(numbers, {1, 2});
    CHECK(elements(numbers) == std::vector{2});
    context.reset();
    CHECK(alive.use_count() == 1);
    CHECK(elements(numbers) == std::vector{1, 2});
}

TEST_CASE_METHOD(GoingContext, "what goes back serves the next one, of another io_context") {
    with_asio::wait(*context, jobs.async_pop_front(), uncalled());
    with_asio::wait(*context, jobs.async_pop_front(), uncalled());
    begin();
    push(1);
    context.reset();
    io.run();
    CHECK(number() == 1);
}

TEST_CASE_METHOD(GoingContext, "a coroutine of Asio is destroyed with its io_context") {
    asio::co_spawn(
        *context,
        [](Jobs from, std::shared_ptr<int> /*held*/) -> asio::awaitable<void> {
            (void)co_await with_asio::wait(from.async_pop_front(), asio::use_awaitable);
            FAIL("it has gone on");
        }(jobs, alive),
        asio::detached);
    context->poll();
    CHECK(alive.use_count() == 2);
    context.reset();
    CHECK(alive.use_count() == 1);
    CHECK(jobs.stats().blocked_pops == 0);
}

TEST_CASE_METHOD(GoingContext, "a future of an io_context that goes is a broken promise") {
    auto future = with_asio::wait(*context, jobs.async_pop_front(), asio::use_future);
    context.reset();
    CHECK_THROWS_AS(future.get(), std::future_error);
}

TEST_CASE_METHOD(GoingContext, "an io_context may go while its waits are served") {
    constexpr int rounds = 200;
    constexpr int count = 8;
    for (int round = 0; round != rounds; ++round) {
        context.emplace();
        std::size_t taken = 0;
        for (int at = 0; at != count; ++at)
            with_asio::wait(
                *context, numbers.async_pop_front(),
                [&taken](const std::exception_ptr&, const auto& got) { taken += got ? 1 : 0; });
        std::jthread pusher{[this] {
            for (int at = 0; at != count; ++at) (void)numbers.try_push_back(at);
        }};
        while (taken < 2) context->poll();
        context.reset();
        pusher.join();
        CHECK(drain(numbers).size() + taken == count);
        CHECK(numbers.stats().blocked_pops == 0);
    }
}

// ---------------------------------------------------------------------- time-outs

namespace {

struct TimedJobs {
    HandClock clock;
    Jobs jobs{{.clock = &clock}};
    asio::io_context io{};
    Called<Popped<Job>> called{};

    void begin(const WaitOptions& options) {
        with_asio::wait(io, jobs.async_pop_front(options), called.handler());
    }
};

}  // namespace

TEST_CASE_METHOD(TimedJobs, "a Runner of Asio ends waits when their time-outs have come") {
    const with_asio::Runner timers{io, clock};
    begin({.timeout = 10s});
    io.poll();
    CHECK(called.is_open());
    clock.move(10s);
    io.run();
    CHECK(called.result->ending() == Ending::timed_out);
}

TEST_CASE_METHOD(TimedJobs, "it sets its timer anew for an earlier deadline") {
    const with_asio::Runner timers{io};
    const Jobs real;
    Called<Popped<Job>> late;
    with_asio::wait(io, real.async_pop_front({.timeout = 1h}), late.handler());
    io.poll();
    with_asio::wait(io, real.async_pop_front({.timeout = 1ms}), called.handler());
    while (called.is_open()) io.run_one();
    CHECK(called.result->ending() == Ending::timed_out);
    CHECK(late.is_open());
}

TEST_CASE_METHOD(TimedJobs, "its timer does not keep run() when the last deadline has gone") {
    const with_asio::Runner timers{io};
    const Jobs real;
    with_asio::wait(io, real.async_pop_front({.timeout = 1h}), called.handler());
    io.poll();
    REQUIRE(real.try_push_back(job(1)) == Push::done);
    io.run();
    CHECK(called.result->has_value());
}

TEST_CASE_METHOD(TimedJobs, "it ends the waits of other coroutines, too") {
    const with_asio::Runner timers{io, clock};
    std::optional<Ending> ending;
    const Coroutine pop = [](Jobs from, std::optional<Ending>& outcome) -> Coroutine {
        outcome = (co_await from.async_pop_front({.timeout = 1s})).ending();
    }(jobs, ending);
    clock.move(1s);
    while (!ending) io.run_one();
    CHECK(ending == Ending::timed_out);
}

TEST_CASE_METHOD(TimedJobs, "when it goes, waits with a time-out end as by a stop") {
    {
        const with_asio::Runner timers{io, clock};
        begin({.timeout = 10s});
        io.poll();
        CHECK(called.is_open());
    }
    io.run();
    CHECK(called.result->ending() == Ending::stopped);
}

TEST_CASE_METHOD(TimedJobs, "it may be destroyed by what goes on after a time-out") {
    std::optional<with_asio::Runner> timers{std::in_place, io, clock};
    const Coroutine pop = [](Jobs from, std::optional<with_asio::Runner>& runner) -> Coroutine {
        (void)co_await from.async_pop_front({.timeout = 1s});
        runner.reset();
    }(jobs, timers);
    clock.move(1s);
    io.run();
    CHECK_FALSE(timers);
    CHECK_THROWS_AS(runnel::detail::require_runner(clock), runnel::Error);
}

// ---------------------------------------------------------------------- threads

TEST_CASE("handlers in two threads get each message of two others once") {
    constexpr int each = 2000;
    const Numbers numbers;
    asio::io_context io;
    std::atomic<long> sum = 0;
    const auto consume = [&]() -> asio::awaitable<void> {
        while (const auto number =
                   co_await with_asio::wait(numbers.async_pop_front(), asio::use_awaitable))
            sum += *number;
    };
    for (int at = 0; at != 4; ++at) asio::co_spawn(io, consume(), asio::detached);
    {
        std::jthread one{[&] { io.run(); }};
        std::jthread other{[&] { io.run(); }};
        std::array<std::jthread, 2> producers;
        for (auto& producer : producers)
            producer = std::jthread{[&] {
                for (int number = 1; number <= each; ++number) (void)numbers.push_back(number);
            }};
        for (auto& producer : producers) producer.join();
        numbers.close();
    }
    CHECK(sum == 2L * each * (each + 1) / 2);
}
