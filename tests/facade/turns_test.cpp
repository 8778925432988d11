// SPDX-License-Identifier: MIT
// Of many that wait for a list or a group by wait_any(), each element tells one.
#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream.hpp>
#include <runnel/wait_any.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/scale.hpp"
#include "support/stress_random.hpp"
#include "support/watches.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using runnel::BlockingList;
using runnel::ManualClock;
using runnel::Push;
using runnel::Stream;
using runnel::wait_any;
using runnel::WaitedAny;
using runnel::Watch;
using runnel::test::Call;
using runnel::test::eventually;
using runnel::test::Random;

namespace {

// A list and a group, behind one face: what is added, and what a worker takes.
struct OfList {
    explicit OfList(ManualClock& clock) : list{{.clock = &clock}} {}

    void add() const { REQUIRE(list.push_back(1) == Push::done); }
    [[nodiscard]] bool take() const { return static_cast<bool>(list.try_pop_front()); }
    [[nodiscard]] Watch watch() const { return list; }
    void close() const { list.close(); }

    BlockingList<int> list;
};

struct OfGroup {
    explicit OfGroup(ManualClock& clock) : stream{{.clock = &clock}} {}

    void add() const { stream.add(1); }
    [[nodiscard]] bool take() const {
        return static_cast<bool>(consumer.try_read({.count = 1, .acknowledged = true}));
    }
    [[nodiscard]] Watch watch() const { return consumer; }
    void close() const { stream.close(); }

    Stream<int> stream;
    runnel::Consumer<int> consumer = stream.group("group").consumer("worker");
};

// Threads that wait by wait_any(). Each keeps what it was told until the test lets it go on: to
// take something, or to drop it.
template <typename Source>
class Workers {
public:
    enum class Step { take, drop };

    // One more, behind the others in line.
    void add_one() {
        Worker& made = workers_.emplace_back(clock);
        made.thread = clock.thread([this, &made](const std::stop_token& stop) {
            const std::array<Watch, 1> watches{source.watch()};
            std::optional<WaitedAny> any{wait_any(watches, {.stop = stop})};
            made.is_told = static_cast<bool>(*any);
            while (const auto step = made.steps.pop_front({.stop = stop})) {
                if (*step == Step::drop) any.reset();
                if (*step == Step::take) made.has_taken = source.take();
            }
        });
        clock.settle();
    }
    void let(std::size_t number, Step step) {
        REQUIRE(workers_[number].steps.push_back(step) == Push::done);
        clock.settle();
    }
    [[nodiscard]] bool has_taken(std::size_t number) { return workers_[number].has_taken; }
    // Which of them were told so far, as "110".
    [[nodiscard]] std::string told() {
        clock.settle();
        std::string all;
        for (const Worker& worker : workers_) all += worker.is_told ? '1' : '0';
        return all;
    }

    ManualClock clock;
    const Source source{clock};

private:
    struct Worker {
        explicit Worker(ManualClock& clock) : steps{{.clock = &clock}} {}

        std::atomic<bool> is_told = false;
        std::atomic<bool> has_taken = false;
        const BlockingList<Step> steps;
        runnel::test::ClockThread thread;
    };

    std::deque<Worker> workers_;
};

template <typename Source>
struct ThreeWorkers : Workers<Source> {
    ThreeWorkers() {
        for (int number = 0; number != 3; ++number) this->add_one();
    }
};

}  // namespace

TEMPLATE_TEST_CASE("each element tells one, in the order in which they came", "[turns]", OfList,
                   OfGroup) {
    ThreeWorkers<TestType> workers;
    workers.source.add();
    CHECK(workers.told() == "100");
    workers.source.add();
    CHECK(workers.told() == "110");
    workers.source.add();
    CHECK(workers.told() == "111");
}

TEMPLATE_TEST_CASE("who drops what it was told of passes the turn on", "[turns]", OfList, OfGroup) {
    ThreeWorkers<TestType> workers;
    workers.source.add();
    workers.let(0, Workers<TestType>::Step::drop);
    CHECK(workers.told() == "110");
    workers.let(1, Workers<TestType>::Step::drop);
    CHECK(workers.told() == "111");
}

TEMPLATE_TEST_CASE("who has taken an element holds up nobody, whatever it keeps", "[turns]", OfList,
                   OfGroup) {
    ThreeWorkers<TestType> workers;
    workers.source.add();
    workers.let(0, Workers<TestType>::Step::take);
    CHECK(workers.has_taken(0));
    CHECK(workers.told() == "100");
    workers.source.add();
    CHECK(workers.told() == "110");
    workers.source.add();
    workers.let(1, Workers<TestType>::Step::take);
    CHECK(workers.told() == "111");
    workers.let(0, Workers<TestType>::Step::drop);
    workers.let(2, Workers<TestType>::Step::take);
    CHECK(workers.has_taken(2));
}

TEMPLATE_TEST_CASE("what others have taken tells nobody", "[turns]", OfList, OfGroup) {
    ThreeWorkers<TestType> workers;
    workers.source.add();
    CHECK(workers.source.take());
    workers.let(0, Workers<TestType>::Step::drop);
    CHECK(workers.told() == "100");
    workers.source.add();
    CHECK(workers.told() == "110");
    CHECK(workers.source.take());
    workers.source.add();
    CHECK(workers.told() == "111");
}

TEMPLATE_TEST_CASE("who asks while there is something is told at once", "[turns]", OfList,
                   OfGroup) {
    ThreeWorkers<TestType> workers;
    workers.source.add();
    workers.add_one();
    CHECK(workers.told() == "1001");
    workers.let(3, Workers<TestType>::Step::take);
    CHECK(workers.has_taken(3));
    workers.source.add();
    CHECK(workers.told() == "1101");
}

TEMPLATE_TEST_CASE("closing ends the waits of all who are not told", "[turns]", OfList, OfGroup) {
    ManualClock clock;
    const TestType source{clock};
    const std::vector<Watch> one = [&] {
        std::vector<Watch> made;
        made.push_back(source.watch());
        return made;
    }();
    const std::vector<Watch> other = [&] {
        std::vector<Watch> made;
        made.push_back(source.watch());
        return made;
    }();
    auto first = runnel::test::waiting_for_any(clock, one);
    auto second = runnel::test::waiting_for_any(clock, other);
    source.add();
    source.close();
    CHECK(first.result());
    CHECK(second.waits());
    CHECK(source.take());
    REQUIRE_FALSE(second.waits());
    CHECK(second.result().ending() == runnel::Ending::closed);
}

// What ends turns of a group besides a take.
TEST_CASE("a turn ends when its entry is gone, and the next entry tells the next one", "[turns]") {
    ThreeWorkers<OfGroup> workers;
    const auto& stream = workers.source.stream;
    const auto group = stream.group("group");
    const auto other = group.consumer("other");
    auto read = [&] {
        return runnel::test::Call{workers.clock, [&](const std::stop_token& stop) {
                                      return static_cast<bool>(other.read({.stop = stop}));
                                  }};
    };
    SECTION("taken by a read that waits") {
        auto waits = read();
        workers.source.add();
        CHECK(waits.result());
    }
    SECTION("trimmed") {
        workers.source.add();
        CHECK(stream.trim({.count = 0}) == 1);
    }
    SECTION("erased") {
        CHECK(stream.erase({stream.add(1)}) == 1);
    }
    SECTION("passed over") {
        workers.source.add();
        group.set_position(runnel::From::end);
    }
    REQUIRE(workers.told() == "100");
    workers.source.add();
    CHECK(workers.told() == "110");
}

TEST_CASE("who waits again, and lacks room, does not keep its turn", "[turns]") {
    ManualClock clock;
    const Stream<int> stream{{.clock = &clock}};
    const auto group = stream.group("group");
    const auto one = group.consumer("one", {.max_pending = 1});
    const auto other = group.consumer("other");
    runnel::test::ClockThread looks = clock.thread([&](const std::stop_token& stop) {
        auto any = wait_any({one}, {.stop = stop});
        (void)one.try_read({.count = 1});
        any = wait_any({one}, {.stop = stop});
        any = wait_any({one}, {.stop = stop});
    });
    clock.settle();
    std::vector<Watch> watches;
    watches.emplace_back(other);
    auto waits = runnel::test::waiting_for_any(clock, watches);
    stream.add(1);
    CHECK(waits.waits());
    stream.add(2);
    CHECK_FALSE(waits.waits());
}

TEST_CASE("a worker that was told and has to wait for room passes the turn on", "[turns]") {
    ManualClock clock;
    const Stream<int> stream{{.clock = &clock}};
    const auto group = stream.group("group");
    const auto one = group.consumer("one", {.max_pending = 1});
    const auto other = group.consumer("other", {.max_pending = 1});
    const auto third = group.consumer("third");
    // Entries that the two consumers claim later, so that they are full.
    const runnel::StreamId for_one = stream.add(0);
    const runnel::StreamId for_other = stream.add(0);
    CHECK(third.try_read().size() == 2);

    const BlockingList<int> may_read{{.clock = &clock}};
    std::atomic<bool> is_told = false;
    std::atomic<bool> has_read = false;
    const runnel::test::ClockThread worker = clock.thread([&](const std::stop_token& stop) {
        const auto any = wait_any({one}, {.stop = stop});
        is_told = static_cast<bool>(any);
        if (may_read.pop_front({.stop = stop}))
            has_read = static_cast<bool>(one.read({.stop = stop}));
        (void)may_read.pop_front({.stop = stop});  // keeps what it was told
    });
    clock.settle();
    std::vector<Watch> watches;
    watches.emplace_back(other);

    SECTION("to another one that has room") {
        auto waits = runnel::test::waiting_for_any(clock, watches);
        stream.add(1);
        clock.settle();
        CHECK(is_told);
        const auto claimed = one.claim({for_one}, {.min_idle = 0ms});
        CHECK(waits.waits());
        REQUIRE(may_read.push_back(1) == Push::done);
        CHECK_FALSE(waits.waits());
        CHECK_FALSE(has_read);
    }
    SECTION("also if it is served later, by another thread") {
        const auto full = other.claim({for_other}, {.min_idle = 0ms});
        auto waits = runnel::test::waiting_for_any(clock, watches);
        stream.add(1);
        clock.settle();
        CHECK(is_told);
        const auto claimed = one.claim({for_one}, {.min_idle = 0ms});
        REQUIRE(may_read.push_back(1) == Push::done);
        clock.settle();
        stream.add(2);
        CHECK(claimed[0].ack() == runnel::Ack::done);
        clock.settle();
        CHECK(has_read);
        CHECK(waits.waits());
        CHECK(full[0].ack() == runnel::Ack::done);
        CHECK_FALSE(waits.waits());
    }
}

TEMPLATE_TEST_CASE("a take ends the turn of its thread only, also once it is closed", "[turns]",
                   OfList, OfGroup) {
    ThreeWorkers<TestType> workers;
    workers.source.add();
    REQUIRE(workers.told() == "100");
    workers.source.add();
    workers.source.close();
    REQUIRE(workers.told() == "110");
    workers.let(0, Workers<TestType>::Step::take);
    CHECK(workers.has_taken(0));
    CHECK(workers.told() == "110");
    workers.let(1, Workers<TestType>::Step::drop);
    CHECK(workers.told() == "111");
}

TEST_CASE("a look that ends as nothing can come any more has no turn", "[turns]") {
    ManualClock clock;
    std::optional<Stream<int>> stream{std::in_place, runnel::StreamOptions{.clock = &clock}};
    // Two consumers that are full, and an entry for which they lack room.
    std::array<std::vector<Watch>, 2> watches;
    for (auto& one : watches) {
        const auto consumer = stream->group("group").consumer(
            &one == watches.data() ? "one" : "other", {.max_pending = 1});
        stream->add(1);
        CHECK(consumer.try_read());
        one.emplace_back(consumer);
    }
    stream->add(1);
    auto first = runnel::test::waiting_for_any(clock, watches[0]);
    auto second = runnel::test::waiting_for_any(clock, watches[1]);
    CHECK(second.waits());
    stream.reset();
    CHECK(first.result().ending() == runnel::Ending::closed);
    REQUIRE_FALSE(second.waits());
    CHECK(second.result().ending() == runnel::Ending::closed);
}

TEST_CASE("a move that waits for room ends the turn of its thread", "[turns][list][move]") {
    ManualClock clock;
    const BlockingList<int> jobs{{.clock = &clock}};
    const BlockingList<int> mine{{.capacity = 1, .clock = &clock}};
    REQUIRE(mine.push_back(0) == Push::done);
    runnel::test::ClockThread holder = clock.thread([&](const std::stop_token& stop) {
        const auto any = wait_any({jobs}, {.stop = stop});
        (void)jobs.move_to(mine, {.stop = stop});
    });
    clock.settle();
    std::vector<Watch> watches;
    watches.emplace_back(jobs);
    auto other = runnel::test::waiting_for_any(clock, watches);
    REQUIRE(jobs.push_back(1) == Push::done);
    CHECK_FALSE(other.waits());
    CHECK(jobs.try_pop_front());
}

TEST_CASE("a copy of a result has the answer and no turn", "[turns]") {
    STATIC_REQUIRE_FALSE(runnel::Message<WaitedAny>);
    ManualClock clock;
    const BlockingList<int> list{{.clock = &clock}};
    std::array<std::vector<Watch>, 2> watches;
    for (auto& one : watches) one.emplace_back(list);
    auto first = runnel::test::waiting_for_any(clock, watches[0]);
    auto second = runnel::test::waiting_for_any(clock, watches[1]);
    REQUIRE(list.push_back(1) == Push::done);
    WaitedAny copy{first.result()};
    CHECK(copy.which() == 0);
    CHECK(second.waits());
    const WaitedAny& of_first = first.result();
    copy = of_first;
    CHECK(second.waits());
    first.result() = copy;
    CHECK_FALSE(second.waits());
}

TEST_CASE("a turn goes where its result is moved", "[turns]") {
    ManualClock clock;
    const BlockingList<int> list{{.clock = &clock}};
    std::array<std::vector<Watch>, 3> watches;
    for (auto& one : watches) one.emplace_back(list);
    auto first = runnel::test::waiting_for_any(clock, watches[0]);
    auto second = runnel::test::waiting_for_any(clock, watches[1]);
    auto third = runnel::test::waiting_for_any(clock, watches[2]);
    REQUIRE(list.push_back(1) == Push::done);
    std::optional<WaitedAny> moved{std::move(first.result())};
    CHECK(moved->which() == 0);
    first.result() = WaitedAny{runnel::Ending::timed_out};
    CHECK(second.waits());
    WaitedAny assigned{runnel::Ending::timed_out};
    assigned = *std::move(moved);
    moved.reset();
    CHECK(second.waits());
    assigned = WaitedAny{runnel::Ending::timed_out};
    CHECK_FALSE(second.waits());
    CHECK(third.waits());
}

TEST_CASE("workers that take, drop and keep what they were told of leave nothing behind",
          "[turns][race]") {
    constexpr std::size_t workers = 6;
    const std::size_t count = runnel::test::scaled(20'000);
    const std::uint64_t seed = runnel::test::seed_for("turns");
    const BlockingList<int> list;
    const Stream<int> stream;
    const auto group = stream.group("group");
    std::atomic<std::size_t> taken = 0;
    std::vector<std::jthread> threads;
    for (std::size_t number = 0; number != workers; ++number) {
        threads.emplace_back([&, number] {
            Random random{seed + number};
            const auto me = group.consumer(std::to_string(number));
            std::optional<WaitedAny> kept;
            for (;;) {
                auto any = wait_any({list, me});
                if (!any) return;
                const auto what = random.below(8);
                if (what == 0) continue;  // drops it
                const auto take = [&] {
                    return any.which() == 0
                               ? static_cast<bool>(list.try_pop_front())
                               : static_cast<bool>(me.try_read({.count = 1, .acknowledged = true}));
                };
                if (take()) ++taken;
                if (what == 1)
                    while (take()) ++taken;
                if (what == 2) kept = std::move(any);
            }
        });
    }
    Random random{seed};
    for (std::size_t sent = 0; sent != count; ++sent) {
        if (random.below(2) == 0)
            REQUIRE(list.push_back(1) == Push::done);
        else
            stream.add(1);
        if (random.below(16) == 0) eventually([&] { return taken == sent + 1; });
    }
    eventually([&] { return taken == count; });
    list.close();
    stream.close();
    threads.clear();
    CHECK(taken == count);
}
