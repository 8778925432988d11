// SPDX-License-Identifier: MIT
// Before: fails: autoclaim\(\{\.min_idle = std::chrono::hours::max\(\)\}\)
//
// A duration was converted to milliseconds or nanoseconds before anybody looked whether those can
// count it: a very long one became a short or a negative one, and a negative minimum went through.
#include <runnel/channel.hpp>
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/error.hpp>
#include <runnel/inbox.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream.hpp>
#include <runnel/stream_id.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <ratio>
#include <string>

using runnel::Error;
using runnel::ErrorCode;
using runnel::ManualClock;
using runnel::StreamId;
using runnel::Timeout;
using namespace std::chrono_literals;

namespace {

constexpr auto longest = std::chrono::hours::max();

// What is said when `call` is refused; nothing: it is not.
template <typename Call>
std::string refusal_of(Call call) {
    try {
        (void)call();
    } catch (const Error& error) {
        if (error.code() == ErrorCode::invalid_argument) return error.what();
    }
    return {};
}

// ann has 1-0 in hand.
struct OneInHand {
    ManualClock clock;
    runnel::Stream<int> stream{{.clock = &clock}};
    runnel::ConsumerGroup<int> group = stream.group("group");
    runnel::Consumer<int> bob = group.consumer("bob");

    OneInHand() {
        stream.add(StreamId{1}, 1);
        REQUIRE(group.consumer("ann").read({.count = 1}).size() == 1);
        clock.advance(24h);
    }
};

}  // namespace

TEST_CASE_METHOD(OneInHand, "what has to be idle for the longest time is not claimed", "[fault]") {
    CHECK_FALSE(bob.autoclaim({.min_idle = std::chrono::hours::max()}));
    CHECK_FALSE(bob.claim({{1}}, {.min_idle = longest}));
    CHECK(group.pending({.min_idle = longest}).empty());
}

TEST_CASE_METHOD(OneInHand, "a negative minimum is refused by its name", "[fault]") {
    const auto names_it = Catch::Matchers::Contains("min_idle");
    CHECK_THAT(refusal_of([&] { return bob.autoclaim({.min_idle = -1ms}); }), names_it);
    CHECK_THAT(refusal_of([&] { return bob.claim({{1}}, {.min_idle = -longest}); }), names_it);
    CHECK_THAT(refusal_of([&] { return group.pending({.min_idle = -1ms}); }), names_it);
    CHECK(group.pending().consumers.at(0).consumer == "ann");
}

TEST_CASE("eight hours in ticks of the power-management timer are eight hours", "[fault]") {
    using Ticks = std::chrono::duration<std::int64_t, std::ratio<1, 3'579'545>>;
    CHECK(Timeout{Ticks{8LL * 3'600 * 3'579'545}}.duration() == 8h);
}

TEST_CASE("time advances to its end", "[fault]") {
    ManualClock clock;
    clock.advance(longest);
    CHECK(clock.now() == runnel::Clock::Deadline::max());
    CHECK(clock.wall() == runnel::Clock::WallTime::max());
}

TEST_CASE("the wall clock is stepped to either of its ends", "[fault]") {
    ManualClock clock;
    clock.step_wall(longest);
    CHECK(clock.wall() == runnel::Clock::WallTime::max());
    clock.step_wall(-longest);
    clock.step_wall(-longest);
    CHECK(clock.wall() == runnel::Clock::WallTime::min());
}

TEST_CASE("the clock waits for the longest time until its threads have settled", "[fault]") {
    ManualClock clock;
    const auto thread = clock.thread([] {});
    CHECK_NOTHROW(clock.settle(longest));
}

TEST_CASE("a soft limit for the longest time disconnects nobody", "[fault]") {
    ManualClock clock;
    runnel::Channel<int> channel{{.clock = &clock}};
    const runnel::ByteBound bytes{.soft = 1, .soft_for = longest};
    CHECK_NOTHROW(channel.subscribe({.when_behind = runnel::Behind::disconnect, .bytes = bytes}));
    auto view = channel.subscribe(
        {.when_behind = runnel::Behind::disconnect, .bytes = {.soft = 1, .soft_for = 10'000'000h}});
    channel.publish(1);
    clock.advance(24h);
    channel.publish(2);
    CHECK(view.try_read().size() == 2);
}

TEST_CASE("an id stands for the time it was made of, or for the last that ids can tell",
          "[fault]") {
    using std::chrono::milliseconds;
    constexpr auto last = static_cast<std::uint64_t>(milliseconds::max().count());
    CHECK(StreamId::at(std::chrono::sys_time<std::chrono::hours>::max()).ms == last);
    CHECK(StreamId::at(std::chrono::sys_time<std::chrono::hours>::min()).ms == 0);
}
