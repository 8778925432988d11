// SPDX-License-Identifier: MIT
// Reads of coroutines that also claim what is pending.
#include <runnel/ack.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/error.hpp>
#include <runnel/outcome.hpp>
#include <runnel/pollable.hpp>
#include <runnel/runner.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/coroutines.hpp"
#include "support/errors.hpp"
#include "support/streams.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <stop_token>
#include <vector>

using runnel::Consumer;
using runnel::Deliveries;
using runnel::Ending;
using runnel::ErrorCode;
using runnel::GroupReadOptions;
using runnel::ManualClock;
using runnel::Nack;
using runnel::Runner;
using runnel::Stream;
using runnel::StreamId;
using runnel::StreamOptions;
using runnel::test::Coroutine;
using runnel::test::error_of;
using runnel::test::ids;
using runnel::test::Loop;
using runnel::test::reading;
using runnel::test::Rows;
using runnel::test::ThreePending;
using namespace std::chrono_literals;

namespace {

using ClaimOutcome = std::optional<Deliveries<int>>;

// Awaits `read`, and puts what it gives into `outcome`.
template <typename Read>
Coroutine claim_into(ClaimOutcome& outcome, Read read) {
    outcome.emplace(co_await read);
}

}  // namespace

TEST_CASE_METHOD(ThreePending, "a coroutine claims at once what it may", "[async][claim]") {
    ClaimOutcome batch;
    clock.advance(1min);
    const Coroutine one = claim_into(batch, bob.async_read({.claim = 1min}));
    CHECK(ids(*batch) == ids({1, 2, 3}));
}

TEST_CASE_METHOD(ThreePending, "a coroutine claims no more than it may", "[async][claim]") {
    ClaimOutcome batch;
    SECTION("at once") {
        clock.advance(1min);
        const Coroutine one = claim_into(batch, bob.async_read({.claim = 1min, .claim_count = 2}));
        CHECK(ids(*batch) == ids({1, 2}));
    }
    SECTION("after a wait") {
        const Coroutine one = claim_into(batch, bob.async_read({.claim = 1min, .claim_count = 1}));
        clock.advance(1min);
        CHECK(ids(*batch) == ids({1}));
    }
}

TEST_CASE_METHOD(ThreePending, "a coroutine that claims goes on inside the call that gives back",
                 "[async][claim]") {
    ClaimOutcome batch;
    const Coroutine one = claim_into(batch, bob.async_read({.claim = 1h}));
    REQUIRE_FALSE(batch);
    CHECK(stream.info().waiting == 1);
    REQUIRE(group.nack({{2}}) == 1);
    CHECK(ids(*batch) == ids({2}));
    CHECK(stream.info().waiting == 0);
}

TEST_CASE_METHOD(ThreePending, "a coroutine that claims goes on at the very moment",
                 "[async][claim]") {
    ClaimOutcome batch;
    const Coroutine one = claim_into(batch, bob.async_read({.claim = 1min}));
    SECTION("when what is pending is idle for long enough") {
        clock.advance(1min - 1ms);
        REQUIRE_FALSE(batch);
        clock.advance(1ms);
        CHECK(ids(*batch) == ids({1, 2, 3}));
    }
    SECTION("when a delay ends that brought it forward") {
        REQUIRE(group.nack({{3}}, Nack::fail, {.after = 10s}) == 1);
        REQUIRE(group.nack({{2}}, Nack::fail, {.after = 2s}) == 1);
        clock.advance(2s - 1ms);
        REQUIRE_FALSE(batch);
        clock.advance(1ms);
        CHECK(ids(*batch) == ids({2}));
    }
    SECTION("also if that is put off again and again") {
        for (int round = 0; round != 5; ++round) {
            clock.advance(1min - 1ms);
            REQUIRE_FALSE(batch);
            REQUIRE(ann.history().size() == 3);
        }
        clock.advance(1min);
        CHECK(ids(*batch) == ids({1, 2, 3}));
    }
}

TEST_CASE_METHOD(ThreePending, "a coroutine with an executor claims before it goes on there",
                 "[async][claim]") {
    Loop loop;
    ClaimOutcome batch;
    const Coroutine one = claim_into(batch, bob.async_read({.claim = 1min}).on(loop));
    REQUIRE(group.nack({{2}}, Nack::fail, {.after = 2s}) == 1);  // it looks again, not there
    CHECK(loop.size() == 0);
    clock.advance(2s);
    CHECK(loop.size() == 1);
    CHECK(pending() == Rows{"1-0 ann 1", "2-0 bob 2", "3-0 ann 1"});
    loop.run();
    CHECK(ids(*batch) == ids({2}));
}

TEST_CASE_METHOD(ThreePending, "coroutines and threads that claim are served as they came",
                 "[async][claim]") {
    std::array<ClaimOutcome, 2> batches;
    const GroupReadOptions one_each{.count = 1, .claim = 1min};
    const Coroutine first = claim_into(batches[0], bob.async_read(one_each));
    auto second = reading(clock, ann, one_each);
    const Coroutine third = claim_into(batches[1], bob.async_read(one_each));
    SECTION("when what is pending becomes idle for long enough") {
        clock.advance(1min);
    }
    SECTION("when delays end") {
        REQUIRE(group.nack(ids({1, 2, 3}), Nack::fail, {.after = 1s}) == 3);
        clock.advance(1s);
    }
    SECTION("when delays end one after the other") {
        REQUIRE(group.nack({{3}}, Nack::fail, {.after = 3s}) == 1);
        REQUIRE(group.nack({{2}}, Nack::fail, {.after = 2s}) == 1);
        REQUIRE(group.nack({{1}}, Nack::fail, {.after = 1s}) == 1);
        clock.advance(2s);
        CHECK_FALSE(batches[1]);
        clock.advance(1s);
    }
    CHECK(ids(*batches[0]) == ids({1}));
    CHECK(ids(second.result()) == ids({2}));
    CHECK(ids(*batches[1]) == ids({3}));
}

TEST_CASE_METHOD(ThreePending, "a coroutine that claims times out, though it has looked",
                 "[async][claim]") {
    ClaimOutcome batch;
    const Coroutine one = claim_into(batch, bob.async_read({.timeout = 90s, .claim = 1min}));
    clock.advance(50s);
    REQUIRE(ann.history().size() == 3);
    clock.advance(40s - 1ms);
    REQUIRE_FALSE(batch);
    clock.advance(1ms);
    CHECK(batch->ending() == Ending::timed_out);
    clock.advance(1h);
    CHECK(ann.try_read({.claim = 1min}).size() == 3);
}

TEST_CASE_METHOD(ThreePending, "what may be claimed at the moment of a time-out is claimed",
                 "[async][claim]") {
    ClaimOutcome batch;
    const Coroutine one = claim_into(batch, bob.async_read({.timeout = 1min, .claim = 1min}));
    clock.advance(1min);
    CHECK(ids(*batch) == ids({1, 2, 3}));
    const Coroutine other = claim_into(batch, bob.async_read({.timeout = 0s, .claim = 1min}));
    CHECK(batch->ending() == Ending::timed_out);
}

TEST_CASE_METHOD(ThreePending, "a coroutine that claims is stopped inside request_stop()",
                 "[async][claim]") {
    std::stop_source stop;
    ClaimOutcome batch;
    const Coroutine one =
        claim_into(batch, bob.async_read({.stop = stop.get_token(), .claim = 1h}));
    REQUIRE(group.nack({{2}}, Nack::fail, {.after = 2s}) == 1);
    stop.request_stop();
    CHECK(batch->ending() == Ending::stopped);
    ClaimOutcome next;
    const Coroutine other =
        claim_into(next, bob.async_read({.stop = stop.get_token(), .claim = 1h}));
    CHECK(next->ending() == Ending::stopped);
    CHECK(stream.info().waiting == 0);
}

TEST_CASE_METHOD(ThreePending, "one that has ended and waits for its executor holds up nobody",
                 "[async][claim]") {
    std::stop_source stop;
    Loop loop;
    ClaimOutcome first;
    ClaimOutcome second;
    const Coroutine one = claim_into(
        first, bob.async_read({.timeout = 10s, .stop = stop.get_token(), .claim = 1min}).on(loop));
    const Coroutine other = claim_into(second, ann.async_read({.claim = 1min}));
    SECTION("by a stop") {
        stop.request_stop();
        add({4});
        CHECK(ids(*second) == ids({4}));
    }
    SECTION("by a stop, when it was to see to the next look") {
        stop.request_stop();
        clock.advance(1min);
        CHECK(ids(*second) == ids({1, 2, 3}));
    }
    SECTION("by a time-out") {
        clock.advance(1min);
        CHECK(ids(*second) == ids({1, 2, 3}));
    }
    CHECK_FALSE(first);
    loop.run();
    CHECK_FALSE(*first);
}

TEST_CASE_METHOD(ThreePending, "a coroutine that is destroyed while it waits leaves the line",
                 "[async][claim]") {
    ClaimOutcome first;
    ClaimOutcome second;
    Coroutine one = claim_into(first, bob.async_read({.claim = 1min}));
    const Coroutine other = claim_into(second, ann.async_read({.claim = 1min}));
    REQUIRE(group.nack({{2}}, Nack::fail, {.after = 2s}) == 1);
    one.destroy();
    CHECK(stream.info().waiting == 1);
    clock.advance(2s);
    CHECK(ids(*second) == ids({2}));
    CHECK_FALSE(first);
}

TEST_CASE_METHOD(ThreePending, "what was claimed for a coroutine that is destroyed stays pending",
                 "[async][claim]") {
    Loop loop;
    ClaimOutcome batch;
    Coroutine one = claim_into(batch, bob.async_read({.claim = 1min}).on(loop));
    clock.advance(1min);
    loop.drop();
    one.destroy();
    CHECK(pending() == Rows{"1-0 bob 2", "2-0 bob 2", "3-0 bob 2"});
}

TEST_CASE_METHOD(ThreePending,
                 "coroutines that claim end with a closed stream and with their group",
                 "[async][claim]") {
    ClaimOutcome batch;
    const Coroutine one = claim_into(batch, bob.async_read({.claim = 1h}));
    SECTION("closed, once nothing is pending") {
        stream.close();
        REQUIRE_FALSE(batch);
        REQUIRE(group.ack(ids({1, 2, 3})) == 3);
        CHECK(batch->ending() == Ending::closed);
    }
    SECTION("gone") {
        REQUIRE(stream.remove_group("group"));
        CHECK(batch->ending() == Ending::gone);
    }
}

TEST_CASE("a coroutine that claims does not keep its stream open", "[async][claim]") {
    ManualClock clock;
    std::optional<Stream<int>> stream{std::in_place, StreamOptions{.clock = &clock}};
    std::optional ann{stream->group("group").consumer("ann")};
    stream->add(1);
    REQUIRE(ann->try_read().size() == 1);
    ClaimOutcome batch;
    const Coroutine one = claim_into(batch, ann->async_read({.claim = 1h}));
    ann.reset();
    REQUIRE_FALSE(batch);
    stream.reset();
    CHECK(batch->ending() == Ending::closed);
}

TEST_CASE("a coroutine that claims needs somebody who runs the clock", "[async][claim]") {
    const Stream<int> stream;
    const auto ann = stream.group("group").consumer("ann");
    ClaimOutcome batch;
    const Coroutine one = claim_into(batch, ann.async_read({.claim = 1h}));
    CHECK(error_of([&] { one.check(); }) == ErrorCode::clock_not_run);
    CHECK(stream.info().waiting == 0);
    const Coroutine other = claim_into(batch, ann.async_read({.timeout = 0s, .claim = 1h}));
    CHECK(batch->ending() == Ending::timed_out);
}

TEST_CASE("a coroutine that claims is stopped when nobody runs the clock any more",
          "[async][claim]") {
    const Stream<int> stream;
    const auto group = stream.group("group");
    const auto ann = group.consumer("ann");
    std::array<ClaimOutcome, 2> batches;
    std::optional<Runner> runner{std::in_place};
    const Coroutine one = claim_into(batches[0], ann.async_read({.claim = 1h}));
    const Coroutine other = claim_into(batches[1], ann.async_read({.count = 1, .claim = 2h}));
    CHECK_FALSE(runner->next_deadline());
    const StreamId id = stream.add(1);
    REQUIRE(batches[0]);
    CHECK(runner->next_deadline());
    runner.reset();
    REQUIRE(batches[1]);
    CHECK(batches[1]->ending() == Ending::stopped);
    CHECK(group.ack({id}) == 1);
}

TEST_CASE("a Runner runs the looks of coroutines that claim", "[async][claim]") {
    const Stream<int> stream;
    const auto group = stream.group("group");
    const auto ann = group.consumer("ann");
    Runner runner;
    int earlier = 0;
    runner.on_earlier([&] { ++earlier; });
    const StreamId id = stream.add(1);
    REQUIRE(ann.try_read().size() == 1);
    ClaimOutcome batch;
    const Coroutine one = claim_into(batch, ann.async_read({.claim = 1h}));
    CHECK(earlier == 1);
    REQUIRE(group.nack({id}, Nack::fail, {.after = 1ms}) == 1);
    CHECK(earlier == 2);
    while (!batch) (void)runner.run_due();
    CHECK(batch->size() == 1);
}
