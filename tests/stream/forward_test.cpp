// SPDX-License-Identifier: MIT
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/lifetime.hpp"
#include "support/streams.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using runnel::Ack;
using runnel::Deliveries;
using runnel::Ending;
using runnel::ErrorCode;
using runnel::From;
using runnel::KeptEntry;
using runnel::ManualClock;
using runnel::Stream;
using runnel::StreamId;
using runnel::test::Census;
using runnel::test::Countable;
using runnel::test::error_of;
using runnel::test::ids;
using runnel::test::MoveOnly;
using runnel::test::NumberGroup;
using runnel::test::Numbers;
using runnel::test::numbers;
using runnel::test::reading;
using runnel::test::Rows;
using namespace std::chrono_literals;

namespace {

// Two stages: ann has 1-0, 2-0 and 3-0 of the first one in hand.
struct TwoStages : NumberGroup {
    TwoStages() {
        add({1, 2, 3});
        held.emplace(ann.try_read());
        REQUIRE(held->size() == 3);
    }

    [[nodiscard]] std::vector<std::string> texts() const {
        std::vector<std::string> all;
        for (const auto& [id, text] : next.range()) all.push_back(text);
        return all;
    }

    Stream<std::string> next{{.clock = &clock}};
    std::optional<Deliveries<int>> held;
};

using Texts = std::vector<std::string>;

// What is put aside of an entry, in its place.
struct Letter {
    KeptEntry<MoveOnly> entry;
    std::string error;
};

}  // namespace

// ------------------------------------------------------------------ both

TEST_CASE_METHOD(TwoStages, "an entry is forwarded: added there, and acknowledged here",
                 "[stream][forward]") {
    CHECK((*held)[1].forward(next, "two") == Ack::done);
    CHECK(texts() == Texts{"two"});
    CHECK(next.last_id() == StreamId{now_ms()});
    CHECK(pending() == Rows{"1-0 ann 1", "3-0 ann 1"});
    CHECK(ids(stream) == ids({1, 2, 3}));
    CHECK(held->ack() == 2);
}

TEST_CASE_METHOD(TwoStages, "an entry is forwarded to the end of its own stream",
                 "[stream][forward]") {
    clock.advance(100ms);
    const auto& first = held->front();
    CHECK(first.forward(stream, first.value) == Ack::done);
    CHECK(pending() == Rows{"2-0 ann 1", "3-0 ann 1"});
    CHECK(numbers(stream.range()) == Numbers{1, 2, 3, 1});
    const auto again = bob.try_read();
    CHECK(numbers(again) == Numbers{1});
    CHECK(again[0].attempt == 1);
    CHECK(again[0].id == StreamId{now_ms()});
}

TEST_CASE("the stream that an entry is forwarded to trims as it does when it is added",
          "[stream][forward]") {
    ManualClock clock;
    const Stream<int> small{{.keep = {.count = 2}, .clock = &clock}};
    const auto group = small.group("group");
    small.add(StreamId{1}, 1);
    small.add(StreamId{2}, 2);
    const auto held = group.consumer("ann").try_read();
    CHECK(held[0].forward(small, 3) == Ack::done);  // its own entry is trimmed
    CHECK(numbers(small.range()) == Numbers{2, 3});
    CHECK(held[0].value == 1);
    CHECK(held[1].forward(small, 4) == Ack::done);
    CHECK(numbers(small.range()) == Numbers{3, 4});
    CHECK(group.pending().count == 0);
}

TEST_CASE_METHOD(TwoStages, "an entry of a group or of a stream that is gone can be forwarded",
                 "[stream][forward]") {
    stream.close();
    CHECK((*held)[0].forward(next, "one") == Ack::done);
    stream.remove_group("group");
    CHECK((*held)[1].forward(next, "two") == Ack::done);
    CHECK(texts() == Texts{"one", "two"});

    std::optional<Stream<int>> last{std::in_place};
    last->add(7);
    const auto batch = last->group("group").consumer("ann").try_read();
    last.reset();
    CHECK(batch[0].forward(next, "seven") == Ack::done);
    CHECK(batch[0].forward(next, "seven") == Ack::stale);
}

TEST_CASE_METHOD(TwoStages, "an entry that the stream has trimmed can be forwarded",
                 "[stream][forward]") {
    stream.trim({.count = 0});
    CHECK((*held)[0].forward(next, std::to_string((*held)[0].value)) == Ack::done);
    CHECK(texts() == Texts{"1"});
}

// ------------------------------------------------------------------ neither

TEST_CASE_METHOD(TwoStages, "a stale delivery adds nothing", "[stream][forward]") {
    const Stream<std::unique_ptr<int>> to;
    auto message = std::make_unique<int>(7);
    SECTION("it was acknowledged") {
        REQUIRE(held->front().ack() == Ack::done);
    }
    SECTION("it was given back") {
        REQUIRE(held->front().nack() == Ack::done);
    }
    SECTION("another consumer has claimed it") {
        REQUIRE(bob.claim({{1}}, {.min_idle = 0ms}));
    }
    SECTION("its own consumer has claimed it again") {
        REQUIRE(ann.claim({{1}}, {.min_idle = 0ms}));
    }
    SECTION("it was forwarded") {
        REQUIRE(held->front().forward(next, "") == Ack::done);
    }
    SECTION("its consumer was removed") {
        group.remove_consumer("ann");
    }
    SECTION("and then it is of no interest that the other stream is closed") {
        REQUIRE(held->front().ack() == Ack::done);
        to.close();
    }
    const auto before = pending();
    CHECK(held->front().forward(to, std::move(message)) == Ack::stale);
    REQUIRE(message != nullptr);
    CHECK(*message == 7);
    CHECK(to.info().entries_added == 0);
    CHECK(pending() == before);
}

TEST_CASE_METHOD(NumberGroup, "what is read as acknowledged cannot be forwarded",
                 "[stream][forward]") {
    add({1});
    const auto batch = ann.try_read({.acknowledged = true});
    CHECK(batch[0].forward(stream, 2) == Ack::stale);
    CHECK(ids(stream) == ids({1}));
}

TEST_CASE_METHOD(TwoStages, "nothing is forwarded to a closed stream", "[stream][forward]") {
    const Stream<std::unique_ptr<int>> to;
    to.close();
    auto message = std::make_unique<int>(7);
    CHECK(held->front().forward(to, std::move(message)) == Ack::closed);
    REQUIRE(message != nullptr);
    CHECK(to.size() == 0);
    CHECK(pending() == Rows{"1-0 ann 1", "2-0 ann 1", "3-0 ann 1"});

    stream.close();
    CHECK(held->front().forward(stream, 4) == Ack::closed);
    CHECK(held->front().ack() == Ack::done);
}

TEST_CASE_METHOD(TwoStages, "nothing is forwarded to a stream that has given out all ids",
                 "[stream][forward]") {
    const Stream<std::unique_ptr<int>> to;
    to.add(StreamId::max(), std::make_unique<int>(1));
    auto message = std::make_unique<int>(7);
    CHECK(error_of([&] { return held->front().forward(to, std::move(message)); }) ==
          ErrorCode::id_exhausted);
    REQUIRE(message != nullptr);
    CHECK(to.size() == 1);
    CHECK(pending() == Rows{"1-0 ann 1", "2-0 ann 1", "3-0 ann 1"});
    CHECK(held->front().ack() == Ack::done);
}

// ------------------------------------------------------------------ messages

TEST_CASE("what is forwarded is moved, and an lvalue copied", "[stream][forward]") {
    const Census census;
    {
        const Stream<Countable> stream;
        for (int number = 1; number <= 4; ++number) stream.add(Countable{number});
        const Stream<Countable> to;
        const auto held = stream.group("group").consumer("ann").try_read();
        CHECK(held[0].forward(to, Countable{7}) == Ack::done);
        CHECK(held[1].forward(to, {8}) == Ack::done);
        CHECK(census.copies() == 0);
        const Countable message{9};
        CHECK(held[2].forward(to, message) == Ack::done);
        CHECK(held[3].forward(to, held[3].value) == Ack::done);
        CHECK(census.copies() == 2);
        CHECK(held[0].forward(to, message) == Ack::stale);
        CHECK(message.get() == 9);
        std::vector<int> all;
        for (const auto& [id, value] : to.range()) all.push_back(value.get());
        CHECK(all == std::vector<int>{7, 8, 9, 4});
    }
    CHECK(census.alive() == 0);
    CHECK(census.faults() == 0);
}

TEST_CASE("an entry is put aside in its place: it lives on when its stream has trimmed it",
          "[stream][forward]") {
    const Census census;
    const Stream<Letter> letters;
    {
        const Stream<MoveOnly> stream{{.block_entries = 4}};
        const auto me = stream.group("group").consumer("ann");
        for (int number = 1; number <= 8; ++number) stream.add(MoveOnly{number});
        {
            const auto held = me.try_read();
            for (const auto& delivery : held)
                if (delivery.value.get() == 6)
                    CHECK(delivery.forward(letters, {delivery.keep(), "no"}) == Ack::done);
        }
        stream.trim({.count = 0});
        CHECK(census.alive() == 4);  // it keeps its block
    }
    {
        const auto all = letters.range();
        REQUIRE(all.size() == 1);
        CHECK(all[0].value.entry->get() == 6);
        CHECK(all[0].value.error == "no");
    }
    letters.trim({.count = 0});
    CHECK(census.alive() == 0);
    CHECK(census.faults() == 0);
}

// ------------------------------------------------------------------ who waits

TEST_CASE_METHOD(TwoStages, "what is forwarded ends the waits that an add would end",
                 "[stream][forward][wait]") {
    const auto group_there = next.group("there");
    const auto carl = group_there.consumer("carl");
    auto cursor = next.cursor();
    auto reader = reading(clock, next, From::end);
    auto reader_of_cursor = reading(clock, cursor);
    auto reader_of_group = reading(clock, carl);
    REQUIRE((reader.waits() && reader_of_cursor.waits() && reader_of_group.waits()));
    CHECK((*held)[0].forward(next, "one") == Ack::done);
    CHECK(reader.result().size() == 1);
    CHECK(reader_of_cursor.result()[0].value == "one");
    CHECK(reader_of_group.result()[0].value == "one");
    CHECK(next.info().waiting == 0);
}

TEST_CASE_METHOD(NumberGroup, "who waits for room has it when an entry is forwarded",
                 "[stream][forward][wait]") {
    const auto limited = group.consumer("ann", {.max_pending = 1});
    const Stream<int> to;
    add({1, 2});
    const auto held = limited.try_read();
    REQUIRE(ids(held) == ids({1}));
    auto read = reading(clock, limited);
    REQUIRE(read.waits());
    CHECK(held[0].forward(to, 7) == Ack::done);
    CHECK(ids(read.result()) == ids({2}));
}

TEST_CASE_METHOD(NumberGroup, "who waits for room gets what is forwarded to the same stream",
                 "[stream][forward][wait]") {
    const auto limited = group.consumer("ann", {.max_pending = 1});
    add({1});
    const auto held = limited.try_read();
    auto read = reading(clock, limited);
    auto other = reading(clock, bob, {.timeout = 1h});
    REQUIRE((read.waits() && other.waits()));
    CHECK(held[0].forward(stream, 7) == Ack::done);
    CHECK(numbers(read.result()) == Numbers{7});  // it has room, and came first
    CHECK(other.waits());
    clock.advance(1h);
    CHECK(other.result().ending() == Ending::timed_out);
}

TEST_CASE_METHOD(TwoStages, "a refused step ends no wait", "[stream][forward][wait]") {
    REQUIRE(held->front().ack() == Ack::done);
    auto read = reading(clock, next, From::end);
    CHECK(held->front().forward(next, "one") == Ack::stale);
    CHECK(read.waits());
    next.add("two");
    CHECK(read.result()[0].value == "two");
}
