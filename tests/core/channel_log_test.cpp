// SPDX-License-Identifier: MIT
#include <runnel/detail/core/channel_log.hpp>

#include "support/catch.hpp"
#include "support/lifetime.hpp"
#include "support/stress_random.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <numeric>
#include <vector>

using runnel::detail::ChannelLog;
using runnel::detail::Disposal;
using runnel::detail::Logged;
using runnel::detail::Window;
using runnel::test::Census;
using runnel::test::MoveOnly;
using runnel::test::Random;

namespace {

// A log of numbers that weigh as much as is said.
struct Log {
    ChannelLog<MoveOnly> log;

    void add(std::size_t bytes) {
        Disposal<Logged<MoveOnly>> disposal;
        log.reserve(disposal);
        log.append(static_cast<int>(log.last() + 1), bytes);
        log.trim(disposal);
    }
    void add(std::initializer_list<std::size_t> all) {
        for (const std::size_t bytes : all) add(bytes);
    }
    void add_many(std::size_t count) {
        for (; count != 0; --count) add(1);
    }
    void keep(const Window& window) {
        Disposal<Logged<MoveOnly>> disposal;
        log.keep(window);
        log.trim(disposal);
    }

    [[nodiscard]] std::size_t size() const { return log.entries().size(); }
    [[nodiscard]] std::uint64_t first() const { return log.entries().first().id().seq; }
};

// All of it is within the window.
struct KeptLog : Log {
    KeptLog() { keep({1'000'000}); }
};

}  // namespace

// ------------------------------------------------------------------ what is in it

TEST_CASE_METHOD(KeptLog, "messages are numbered from 1", "[channel][log]") {
    CHECK(log.last() == 0);
    add({5, 5});
    CHECK(log.last() == 2);
    CHECK(first() == 1);
    CHECK(log.entries().first().value().value.get() == 1);
    CHECK(log.entries().last().value().value.get() == 2);
}

TEST_CASE_METHOD(KeptLog, "a log counts the bytes of all messages there ever were",
                 "[channel][log]") {
    CHECK(log.bytes() == 0);
    add({5, 0, 7});
    CHECK(log.bytes() == 12);
    keep({1});
    add({3});
    CHECK(log.bytes() == 15);
    CHECK(log.entries().last().value().bytes_before == 12);
}

TEST_CASE_METHOD(KeptLog, "a message that passes is counted and not kept", "[channel][log]") {
    log.pass(5);
    CHECK(log.last() == 1);
    CHECK(log.bytes() == 5);
    CHECK(size() == 0);
    add({7});
    log.pass(1);
    CHECK(log.last() == 3);
    CHECK(first() == 2);
    CHECK(log.entries().first().value().bytes_before == 5);
}

TEST_CASE_METHOD(KeptLog, "room that was made and not used does no harm", "[channel][log]") {
    Disposal<Logged<MoveOnly>> disposal;
    for (int round = 0; round != 3; ++round) log.reserve(disposal);
    CHECK(log.last() == 0);
    CHECK(size() == 0);
    log.pass(1);
    add({1});
    CHECK(first() == 2);
}

// ------------------------------------------------------------------ what waits

TEST_CASE_METHOD(KeptLog, "who has read up to a message has what comes after it waiting",
                 "[channel][log]") {
    CHECK(log.bytes_after(0) == 0);
    add({5, 0, 7});
    CHECK(log.bytes_after(0) == 12);
    CHECK(log.bytes_after(1) == 7);
    CHECK(log.bytes_after(2) == 7);
    CHECK(log.bytes_after(3) == 0);
}

TEST_CASE_METHOD(KeptLog, "nobody skips anything that is within the window", "[channel][log]") {
    add({5, 5, 5});
    CHECK(log.skipped_to(0, {3}) == 0);
    CHECK(log.skipped_to(1, {2}) == 1);
    CHECK(log.skipped_to(3, {1}) == 3);
    CHECK(log.skipped_to(0, {3, 16}) == 0);
}

TEST_CASE_METHOD(KeptLog, "what is too far back is skipped", "[channel][log]") {
    add({5, 5, 5});
    CHECK(log.skipped_to(0, {2}) == 1);
    CHECK(log.skipped_to(0, {1}) == 2);
    CHECK(log.skipped_to(1, {1}) == 2);
    CHECK(log.skipped_to(2, {1}) == 2);
}

TEST_CASE_METHOD(KeptLog, "what is too many bytes back is skipped", "[channel][log]") {
    add({5, 5, 5});
    CHECK(log.skipped_to(0, {9, 15}) == 1);
    CHECK(log.skipped_to(0, {9, 11}) == 1);
    CHECK(log.skipped_to(0, {9, 10}) == 2);
    CHECK(log.skipped_to(2, {9, 10}) == 2);
    CHECK(log.skipped_to(0, {1, 11}) == 2);
}

TEST_CASE_METHOD(KeptLog, "what alone is too heavy is skipped as well", "[channel][log]") {
    add({5, 20});
    CHECK(log.skipped_to(0, {9, 20}) == 2);
    CHECK(log.skipped_to(1, {9, 20}) == 2);
    CHECK(log.skipped_to(2, {9, 20}) == 2);
    add({0});
    CHECK(log.skipped_to(0, {9, 20}) == 2);
}

TEST_CASE("what waits and what is skipped is what a list of weights says", "[channel][log]") {
    Random random{4711};
    for (int round = 0; round != 200; ++round) {
        KeptLog kept;
        std::vector<std::size_t> weights;
        for (std::size_t left = random.below(150); left != 0; --left) {
            weights.push_back(random.below(4) * random.below(20));
            kept.add(weights.back());
        }
        const auto after = [&](std::size_t number) {
            return std::accumulate(weights.begin() + static_cast<std::ptrdiff_t>(number),
                                   weights.end(), std::size_t{0});
        };
        for (int question = 0; question != 20; ++question) {
            const std::size_t number = random.below(weights.size() + 1);
            const Window window{1 + random.below(100), random.percent(30)
                                                           ? Window::unlimited
                                                           : std::uint64_t{1 + random.below(300)}};
            REQUIRE(kept.log.bytes_after(number) == after(number));
            std::size_t expected = number;
            while (expected != weights.size() &&
                   (weights.size() - expected > window.messages || after(expected) >= window.bytes))
                ++expected;
            REQUIRE(kept.log.skipped_to(number, window) == expected);
        }
    }
}

// ------------------------------------------------------------------ what goes

TEST_CASE("a log that has to keep nothing keeps nothing", "[channel][log]") {
    const Census census;
    Log empty;
    empty.add({1, 2, 3});
    CHECK(empty.size() == 0);
    CHECK(census.alive() == 0);
    CHECK(empty.log.last() == 3);
}

TEST_CASE("a log lets go of what is behind its window, a block at a time", "[channel][log]") {
    for (const std::uint64_t window : {1U, 2U, 4U, 63U, 64U, 65U, 500U}) {
        CAPTURE(window);
        const Census census;
        Log kept;
        kept.keep({window});
        for (std::uint64_t number = 1; number != 3'000; ++number) {
            kept.add(1);
            const std::size_t size = kept.size();
            REQUIRE(size >= std::min(number, window));
            REQUIRE(size <= window + 64);
            REQUIRE(kept.first() + size == number + 1);
            REQUIRE(census.alive() == static_cast<long>(size));
        }
        kept.keep({0});
        REQUIRE(kept.size() == 0);
        REQUIRE(census.alive() == 0);
    }
}

TEST_CASE_METHOD(KeptLog, "a window that shrinks lets go, and one that grows brings nothing back",
                 "[channel][log]") {
    add_many(1'000);
    CHECK(size() == 1'000);
    keep({10});
    CHECK(size() <= 10 + 64);
    const std::size_t before = size();
    keep({1'000});
    CHECK(size() == before);
    add_many(500);
    CHECK(size() == before + 500);
}

TEST_CASE("where bytes are counted, a log lets go of single messages", "[channel][log]") {
    Log kept;
    kept.keep({100, 20});
    kept.add({5, 5, 5, 4});
    CHECK(kept.size() == 4);
    kept.add({1});
    CHECK(kept.first() == 2);
    kept.add({10});
    CHECK(kept.first() == 4);
    kept.keep({2, 20});
    CHECK(kept.first() == 5);
    CHECK(kept.size() == 2);
}

TEST_CASE("the last message stays as long as anybody is there, however heavy it is",
          "[channel][log]") {
    Log kept;
    kept.keep({100, 20});
    kept.add({5, 50});
    CHECK(kept.size() == 1);
    CHECK(kept.first() == 2);
    kept.add({5});
    CHECK(kept.first() == 3);
    kept.add({20});
    CHECK(kept.first() == 4);
    kept.keep({0, 20});
    CHECK(kept.size() == 0);
}

TEST_CASE("a log that has never had a message lets go of nothing", "[channel][log]") {
    Log empty;
    for (const Window& window : {Window{0}, Window{1}, Window{5, 20}, Window{0, 0}}) {
        empty.keep(window);
        CHECK(empty.size() == 0);
    }
    CHECK(empty.log.skipped_to(0, {1, 1}) == 0);
    CHECK(Window{1} == Window{1, Window::unlimited});
}

TEST_CASE("a batch that is open keeps what a log lets go of", "[channel][log]") {
    const Census census;
    Log kept;
    kept.keep({5});
    kept.add_many(5);
    auto* const block = kept.log.entries().first().block;
    block->pin();
    kept.add_many(500);
    CHECK(census.alive() > static_cast<long>(kept.size()));
    CHECK(block->value(0).value.get() == 1);
    block->unpin();
    CHECK(census.alive() == static_cast<long>(kept.size()));
    CHECK(census.faults() == 0);
}
