// SPDX-License-Identifier: MIT
// Coroutines that wait for several objects, of any model.
#include <runnel/awaitable.hpp>
#include <runnel/blocking_list.hpp>
#include <runnel/channel.hpp>
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/error.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream.hpp>
#include <runnel/wait_any.hpp>

#include "support/catch.hpp"
#include "support/coroutines.hpp"
#include "support/elements.hpp"
#include "support/errors.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <deque>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using runnel::async_wait_any;
using runnel::BlockingList;
using runnel::Channel;
using runnel::Ending;
using runnel::ErrorCode;
using runnel::ManualClock;
using runnel::Push;
using runnel::Stream;
using runnel::WaitedAny;
using runnel::WaitOptions;
using runnel::Watch;
using runnel::test::Coroutine;
using runnel::test::elements;
using runnel::test::error_of;
using runnel::test::Loop;
using namespace std::chrono_literals;

namespace {

// What a coroutine was told, which it keeps; nothing as yet.
using Told = std::optional<WaitedAny>;

template <typename Awaited>
Coroutine look(Awaited awaited, Told& told) {
    told.emplace(co_await awaited);
}

std::vector<Watch> all_of(auto&... objects) {
    std::vector<Watch> watches;
    (watches.emplace_back(objects), ...);
    return watches;
}

struct SomeOfEach {
    [[nodiscard]] Coroutine wait(Told& told, const WaitOptions& options = {}) const {
        return look(async_wait_any(watches, options), told);
    }

    ManualClock clock;
    BlockingList<int> jobs{{.clock = &clock}};
    Stream<int> prices{{.clock = &clock}};
    runnel::Cursor<int> cursor = prices.cursor();
    Channel<int> ticks{{.clock = &clock}};
    runnel::Subscription<int> view = ticks.subscribe();
    runnel::ConsumerGroup<int> group = prices.group("group");
    runnel::Consumer<int> consumer = group.consumer("ann");
    std::vector<Watch> watches = all_of(jobs, cursor, view);
};

}  // namespace

TEST_CASE_METHOD(SomeOfEach, "a coroutine is told of the first object that has something") {
    prices.add(1);
    (void)ticks.publish(1);
    Told told;
    const Coroutine coroutine = wait(told);
    REQUIRE(told);
    CHECK(told->which() == 1);
    CHECK(coroutine.done());
}

TEST_CASE_METHOD(SomeOfEach, "a coroutine goes on with whichever object has something first") {
    Told told;
    const Coroutine coroutine = wait(told);
    CHECK_FALSE(told);
    SECTION("a list") {
        REQUIRE(jobs.try_push_back(1) == Push::done);
        CHECK(told->which() == 0);
        CHECK(jobs.size() == 1);
    }
    SECTION("a stream") {
        prices.add(1);
        CHECK(told->which() == 1);
        CHECK(cursor.try_read().size() == 1);
    }
    SECTION("a channel") {
        (void)ticks.publish(1);
        CHECK(told->which() == 2);
        CHECK(view.try_read().size() == 1);
    }
    CHECK(coroutine.done());
    CHECK(jobs.stats().blocked_pops == 0);
}

TEST_CASE_METHOD(SomeOfEach, "a coroutine waits again and again for the same watches") {
    std::string order;
    const auto serve = [&]() -> Coroutine {
        const std::array<Watch, 2> both{jobs, consumer};
        auto next = async_wait_any(both);
        for (auto any = co_await next; any; any = co_await next) {
            order += any.which() == 0 ? 'j' : 'p';
            if (any.which() == 0) (void)jobs.try_pop_front();
            if (any.which() == 1) (void)consumer.try_read();
        }
    };
    const Coroutine server = serve();
    REQUIRE(jobs.try_push_back(1) == Push::done);
    prices.add(1);
    REQUIRE(jobs.try_push_back(2) == Push::done);
    CHECK(order == "jpj");
    jobs.close();
    CHECK_FALSE(server.done());
    prices.close();
    CHECK(server.done());
}

#ifdef __clang__  // g++ 12 compiles no braced list inside of a co_await
TEST_CASE_METHOD(SomeOfEach, "objects may be named where a coroutine waits") {
    Told told;
    const auto wait_here = [&]() -> Coroutine {
        told.emplace(co_await async_wait_any({jobs, cursor}, {.timeout = 1h}));
    };
    const Coroutine coroutine = wait_here();
    prices.add(1);
    CHECK(told->which() == 1);
}
#endif

TEST_CASE_METHOD(SomeOfEach,
                 "to wait without a thread for no object, or by two clocks, is refused") {
    const std::vector<Watch> none;
    CHECK(error_of([&] { (void)async_wait_any(none); }) == ErrorCode::invalid_argument);
    const BlockingList<int> real;
    const std::vector<Watch> two = all_of(jobs, real);
    CHECK(error_of([&] { (void)async_wait_any(two); }) == ErrorCode::invalid_argument);
}

// ---------------------------------------------------------------------- other ends

TEST_CASE_METHOD(SomeOfEach,
                 "a coroutine's wait for several objects times out, and can be stopped") {
    Told told;
    const Coroutine late = wait(told, {.timeout = 10ms});
    clock.advance(9ms);
    CHECK_FALSE(told);
    clock.advance(1ms);
    CHECK(told->ending() == Ending::timed_out);

    std::stop_source stop;
    told.reset();
    const Coroutine stopped = wait(told, {.stop = stop.get_token()});
    stop.request_stop();
    CHECK(told->ending() == Ending::stopped);
    CHECK(jobs.stats().blocked_pops == 0);

    told.reset();
    const Coroutine at_once = wait(told, {.timeout = 0ms});
    CHECK(told->ending() == Ending::timed_out);
}

TEST_CASE_METHOD(SomeOfEach,
                 "a coroutine's wait ends when all objects are closed, or one is gone") {
    Told told;
    SECTION("closed") {
        const Coroutine coroutine = wait(told);
        jobs.close();
        prices.close();
        CHECK_FALSE(told);
        ticks.close();
        CHECK(told->ending() == Ending::closed);
    }
    SECTION("gone") {
        const std::vector<Watch> both = all_of(jobs, consumer);
        const Coroutine coroutine = look(async_wait_any(both), told);
        prices.remove_group("group");
        CHECK(told->ending() == Ending::gone);
    }
    SECTION("disconnected") {
        auto slow = ticks.subscribe({.bound = 1, .when_behind = runnel::Behind::disconnect});
        const std::vector<Watch> both = all_of(jobs, slow);
        (void)ticks.publish(1);
        (void)ticks.publish(2);
        const Coroutine coroutine = look(async_wait_any(both), told);
        CHECK(told->ending() == Ending::disconnected);
    }
}

TEST_CASE("a coroutine that waits for several objects keeps none open") {
    std::optional<BlockingList<int>> jobs{std::in_place};
    const std::vector<Watch> watches = all_of(*jobs);
    Told told;
    const Coroutine coroutine = look(async_wait_any(watches), told);
    jobs.reset();
    CHECK(told->ending() == Ending::closed);
}

// ---------------------------------------------------------------------- turns

namespace {

struct ListOfWork {
    explicit ListOfWork(ManualClock& clock) : list{{.clock = &clock}} {}

    void add() const { REQUIRE(list.try_push_back(1) == Push::done); }
    [[nodiscard]] bool take() const { return static_cast<bool>(list.try_pop_front()); }
    [[nodiscard]] Watch watch() const { return list; }

    BlockingList<int> list;
};

struct GroupOfWork {
    explicit GroupOfWork(ManualClock& clock) : stream{{.clock = &clock}} {}

    void add() const { stream.add(1); }
    [[nodiscard]] bool take() const {
        return static_cast<bool>(consumer.try_read({.count = 1, .acknowledged = true}));
    }
    [[nodiscard]] Watch watch() const { return consumer; }

    Stream<int> stream;
    runnel::Consumer<int> consumer = stream.group("group").consumer("worker");
};

// Coroutines that look for one object, in this order. Each keeps what it was told.
template <typename Work>
struct ThreeThatLook {
    struct Looker {
        explicit Looker(Watch watch) : watches{std::move(watch)} {}

        const std::array<Watch, 1> watches;
        Loop loop;
        Told told;
        Coroutine coroutine;
    };

    ThreeThatLook() {
        for (int number = 0; number != 3; ++number) {
            Looker& one = all.emplace_back(work.watch());
            one.coroutine = look(async_wait_any(one.watches).on(one.loop), one.told);
        }
    }

    // Which of them have ended to wait, as "110".
    [[nodiscard]] std::string ended() {
        std::string text;
        for (Looker& one : all) text += one.loop.size() != 0 || one.told ? '1' : '0';
        return text;
    }

    ManualClock clock;
    const Work work{clock};
    std::deque<Looker> all;
};

}  // namespace

TEMPLATE_TEST_CASE("each element tells one coroutine", "[turns]", ListOfWork, GroupOfWork) {
    ThreeThatLook<TestType> three;
    three.work.add();
    CHECK(three.ended() == "100");
    three.work.add();
    CHECK(three.ended() == "110");
}

TEMPLATE_TEST_CASE("a coroutine that drops what it was told passes the turn on", "[turns]",
                   ListOfWork, GroupOfWork) {
    ThreeThatLook<TestType> three;
    three.work.add();
    three.all[0].loop.run();
    CHECK(three.ended() == "100");
    three.all[0].told.reset();
    CHECK(three.ended() == "010");
    three.all[1].loop.run();
    *three.all[1].told = Ending::timed_out;
    CHECK(three.ended() == "011");
}

TEMPLATE_TEST_CASE("a coroutine that is destroyed when it was told passes the turn on", "[turns]",
                   ListOfWork, GroupOfWork) {
    ThreeThatLook<TestType> three;
    three.work.add();
    three.all[0].loop.drop();
    three.all[0].coroutine.destroy();
    CHECK(three.ended() == "010");
    CHECK(three.work.take());
}

TEMPLATE_TEST_CASE("a coroutine that is destroyed in line is not told", "[turns]", ListOfWork,
                   GroupOfWork) {
    ThreeThatLook<TestType> three;
    three.all[0].coroutine.destroy();
    three.work.add();
    CHECK(three.ended() == "010");
}

TEMPLATE_TEST_CASE("what a coroutine was told of may be taken before it goes on", "[turns]",
                   ListOfWork, GroupOfWork) {
    ThreeThatLook<TestType> three;
    three.work.add();
    CHECK(three.work.take());
    three.work.add();
    CHECK(three.ended() == "110");
    three.all[0].loop.run();
    CHECK(three.all[0].told->which() == 0);
    three.all[0].told.reset();
    CHECK(three.ended() == "010");
}

TEMPLATE_TEST_CASE("a turn is that of the thread in which the coroutine goes on", "[turns]",
                   ListOfWork, GroupOfWork) {
    ThreeThatLook<TestType> three;
    three.work.add();
    three.work.add();
    three.all[1].loop.run();
    bool has_taken = false;
    std::thread{[&] {
        three.all[0].loop.run();
        has_taken = three.work.take();  // ends the turn of the first one, not that of the second
    }}.join();
    CHECK(has_taken);
    three.all[0].told.reset();
    CHECK(three.ended() == "010");
    three.all[1].told.reset();
    CHECK(three.ended() == "001");
}

TEMPLATE_TEST_CASE("a take before a coroutine goes on does not end its turn", "[turns]", ListOfWork,
                   GroupOfWork) {
    ThreeThatLook<TestType> three;
    three.work.add();
    three.work.add();
    three.all[1].loop.run();   // its turn is this thread's
    CHECK(three.work.take());  // and ends by this
    three.all[1].told.reset();
    CHECK(three.ended() == "100");
    three.all[0].loop.drop();
    three.all[0].coroutine.destroy();
    CHECK(three.ended() == "001");
}
