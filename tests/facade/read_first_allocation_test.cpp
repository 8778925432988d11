// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>
#include <runnel/outcome.hpp>
#include <runnel/read_first.hpp>
#include <runnel/stream.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/elements.hpp"
#include "support/short_memory.hpp"
#include "support/streams.hpp"
#include "support/words.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

using namespace runnel;
using namespace runnel::test;
using namespace std::chrono_literals;

namespace {

struct TwoStreams {
    TwoStreams() {
        for (std::uint64_t number = 1; number <= 100; ++number)
            refunds.add(StreamId{number}, word(number));
    }

    ManualClock clock;
    Stream<std::string> orders{{.clock = &clock}};
    Stream<std::string> refunds{{.clock = &clock}};
};

struct TwoLists {
    ManualClock clock;
    std::vector<BlockingList<std::string>> lists{BlockingList<std::string>{{.clock = &clock}},
                                                 BlockingList<std::string>{{.clock = &clock}}};
};

// Whether `call` has done without the memory that it was refused; else it has thrown.
template <typename Make>
bool succeeds(long granted, Shortage shortage, Make call) {
    const MemoryRunsOut limit{granted, shortage};
    try {
        call();
    } catch (const std::bad_alloc&) {
        return false;
    }
    return true;
}

}  // namespace

TEST_CASE("a read of several streams for which memory runs out loses nothing",
          "[stream][read_first][allocation]") {
    std::size_t failed = 0;
    at_every_request([&](long granted, Shortage shortage) {
        const TwoStreams scene;
        const std::vector<ReadPlace<std::string>> places{{scene.orders, From::start},
                                                         {scene.refunds, StreamId{40}}};
        std::optional<Batch<EntriesOf<std::string>>> batch;
        const bool done =
            succeeds(granted, shortage, [&] { batch.emplace(read_first(places, {.count = 50})); });
        failed += done ? 0 : 1;
        if (!done) batch.emplace(read_first(places, {.count = 50}));
        REQUIRE(batch->size() == 1);
        REQUIRE((*batch)[0].which == 1);
        // Fewer than asked for if memory runs out after some: the others come with the next read.
        const auto& entries = (*batch)[0].entries;
        REQUIRE((entries.size() == 50 || (done && Memory::ran_out)));
        std::uint64_t number = 40;
        for (const auto& entry : entries) REQUIRE(entry.value == word(++number));
        REQUIRE(scene.orders.info().waiting + scene.refunds.info().waiting == 0);
    });
    CHECK(failed > 4);
}

TEST_CASE("a read of several streams that cannot wait for want of memory stands in no line",
          "[stream][read_first][allocation][wait]") {
    std::size_t failed = 0;
    at_every_request([&](long granted, Shortage shortage) {
        const TwoStreams scene;
        std::optional<Ending> ending;
        const bool done = succeeds(granted, shortage, [&] {
            const auto batch = read_first<std::string>(
                {{scene.orders, From::end}, {scene.refunds, From::end}}, {.timeout = 0s});
            ending = batch.ending();
        });
        failed += done ? 0 : 1;
        REQUIRE((!done || ending == Ending::timed_out));
        REQUIRE(scene.orders.info().waiting + scene.refunds.info().waiting == 0);
    });
    CHECK(failed > 2);
}

TEST_CASE("a read of several streams that is woken without memory throws, and nothing is lost",
          "[stream][read_first][allocation][wait]") {
    std::size_t failed = 0;
    at_every_request([&](long granted, Shortage shortage) {
        TwoStreams scene;
        bool ran_out = false;  // in the thread that reads
        auto read = Call{scene.clock, [&](const std::stop_token& stop) {
                             const std::vector<ReadPlace<std::string>> places{
                                 {scene.orders, From::end}, {scene.refunds, From::end}};
                             std::optional<Batch<EntriesOf<std::string>>> batch;
                             const bool done = succeeds(granted, shortage, [&] {
                                 batch.emplace(read_first(places, {.stop = stop}));
                             });
                             ran_out = Memory::ran_out;
                             return done ? batch->size() : std::size_t{0};
                         }};
        const bool waited = read.waits();
        scene.orders.add(StreamId{7}, word(7));
        const std::size_t parts = read.result();
        Memory::ran_out = ran_out;
        failed += waited && parts == 0 ? 1 : 0;
        REQUIRE((parts == 1 || ran_out));
        REQUIRE(scene.orders.info().waiting + scene.refunds.info().waiting == 0);
        const auto left = read_first<std::string>({{scene.orders, From::start}});
        REQUIRE(left[0].entries.front().value == word(7));
    });
    CHECK(failed != 0);
}

TEST_CASE(
    "a pop of several lists that runs out of memory throws, takes nothing and stands in no line",
    "[list][first][allocation]") {
    std::size_t failed = 0;
    at_every_request([&](long granted, Shortage shortage) {
        const TwoLists scene;
        std::optional<Ending> ending;
        const bool done = succeeds(
            granted, shortage, [&] { ending = pop_first(scene.lists, {.timeout = 0s}).ending(); });
        failed += done ? 0 : 1;
        REQUIRE((!done || ending == Ending::timed_out));
        for (const auto& list : scene.lists) {
            REQUIRE(list.stats().blocked_pops == 0);
            REQUIRE(list.try_push_back(word(1)) == Push::done);
            REQUIRE(list.size() == 1);
        }
    });
    CHECK(failed != 0);
}

TEST_CASE("a pop of several lists takes what is there without any memory",
          "[list][first][allocation]") {
    const TwoLists scene;
    REQUIRE(scene.lists[1].try_push_back(word(1)) == Push::done);
    std::optional<PoppedFrom<std::string>> popped;
    CHECK(succeeds(0, Shortage::lasting, [&] { popped.emplace(pop_first(scene.lists)); }));
    CHECK(popped->which() == 1);
    CHECK(**popped == word(1));
}

TEST_CASE("a waker that has no memory serves a pop of several lists all the same",
          "[list][first][allocation][wait]") {
    at_every_request([](long granted, Shortage shortage) {
        TwoLists scene;
        auto pop = popping_first(scene.clock, scene.lists);
        std::string message = word(1);
        const bool done = succeeds(granted, shortage,
                                   [&] { (void)scene.lists[1].push_back(std::move(message)); });
        REQUIRE(done != pop.waits());
        REQUIRE((done || message == word(1)));
        if (done) REQUIRE(*pop.result() == word(1));
        REQUIRE(scene.lists[1].size() == 0);
    });
}
