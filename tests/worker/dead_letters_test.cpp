// SPDX-License-Identifier: MIT
#include <runnel/broker.hpp>
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/dead_letters.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/lifetime.hpp"
#include "support/streams.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using runnel::Ack;
using runnel::Broker;
using runnel::DeadLetter;
using runnel::DeadLetters;
using runnel::ErrorCode;
using runnel::ManualClock;
using runnel::Redriven;
using runnel::RedriveOptions;
using runnel::Stream;
using runnel::StreamId;
using runnel::test::attempts;
using runnel::test::Census;
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

// 1-0 to 5-0, which ann has given up: each has a letter.
struct FiveLetters : NumberGroup {
    FiveLetters() {
        add_range(1, 5);
        for (const auto& delivery : ann.try_read())
            REQUIRE(dead.bury(delivery, {.error = "no"}) == Ack::done);
    }

    // The values in the letters.
    [[nodiscard]] Numbers letters() const {
        Numbers all;
        for (const auto& [id, letter] : dead.stream().range()) all.push_back(*letter.entry);
        return all;
    }
    // Claims what is pending and gives it up again.
    void bury_again() const {
        for (const auto& delivery : bob.autoclaim({.min_idle = 0ms}))
            REQUIRE(dead.bury(delivery) == Ack::done);
    }

    DeadLetters<int> dead{{.count = 100, .clock = &clock}};
};

template <typename T>
DeadLetter<T> oldest(const DeadLetters<T>& dead) {
    const auto all = dead.stream().range({.count = 1});
    return all.front().value;
}
template <typename T>
DeadLetter<T> newest(const DeadLetters<T>& dead) {
    const auto all = dead.stream().reverse_range({.count = 1});
    return all.front().value;
}

bool is_odd(const DeadLetter<int>& letter) {
    return *letter.entry % 2 == 1;
}

// Throws when it is copied, if it is told to.
struct Reluctant {
    explicit Reluctant(int value) noexcept : number{value} {}
    Reluctant(const Reluctant& other) : number{other.number} {
        if (number == refuses) throw std::runtime_error{"no copies"};
    }
    Reluctant(Reluctant&&) noexcept = default;
    Reluctant& operator=(const Reluctant&) = delete;
    Reluctant& operator=(Reluctant&&) = delete;
    ~Reluctant() = default;

    static inline int refuses = 0;
    int number;
};

}  // namespace

// ------------------------------------------------------------------ burying

TEST_CASE_METHOD(NumberGroup, "a letter tells what became of an entry", "[dead_letters]") {
    const DeadLetters<int> dead{{.clock = &clock}};
    const auto began = clock.wall();
    const StreamId id = stream.add(7);
    clock.advance(2s);
    REQUIRE(ann.try_read());
    REQUIRE(group.nack({id}) == 1);
    const auto second = bob.autoclaim({.min_idle = 0ms});
    clock.advance(3s);
    CHECK(dead.bury(second[0], {.stream = "orders", .error = "no such item"}) == Ack::done);
    CHECK(group.pending().count == 0);
    REQUIRE(dead.size() == 1);
    const auto entries = dead.stream().range();
    const DeadLetter<int>& letter = entries[0].value;
    CHECK(letter.stream == "orders");
    CHECK(letter.group == "group");
    CHECK(letter.error == "no such item");
    CHECK(letter.attempts == 2);
    CHECK(letter.redriven == 0);
    CHECK(letter.first_delivered == began);  // not before that
    CHECK(letter.last_delivered == began + 2s);
    CHECK(letter.entry.id() == id);
    CHECK(*letter.entry == 7);
    CHECK(entries[0].id == StreamId::at(began + 5s));
}

TEST_CASE_METHOD(NumberGroup, "a letter tells the attempts that it is given", "[dead_letters]") {
    const DeadLetters<int> dead{{.clock = &clock}};
    add({1});
    const auto held = ann.try_read();
    CHECK(dead.bury(held[0], {.attempts = 0}) == Ack::done);
    const auto entries = dead.stream().range();
    CHECK(entries[0].value.attempts == 0);
}

TEST_CASE_METHOD(NumberGroup, "a letter tells when its entry was delivered first",
                 "[dead_letters]") {
    const DeadLetters<int> dead{{.clock = &clock}};
    add({1, 2});
    const auto held = ann.try_read();
    const auto delivered = clock.wall();
    clock.advance(1s);
    CHECK(dead.bury(held[0]) == Ack::done);
    CHECK(dead.bury(held[1], {.first_delivered = delivered - 1h}) == Ack::done);
    const auto entries = dead.stream().range();
    CHECK(entries[0].value.first_delivered == delivered);  // there was only one delivery
    CHECK(entries[0].value.last_delivered == delivered);
    CHECK(entries[1].value.first_delivered == delivered - 1h);
    CHECK(entries[1].value.last_delivered == delivered);
}

TEST_CASE_METHOD(NumberGroup, "an entry that is not this consumer's any more is not buried",
                 "[dead_letters]") {
    const DeadLetters<int> dead{{.clock = &clock}};
    add({1});
    const auto held = ann.try_read();
    SECTION("it is stale") {
        REQUIRE(bob.claim({{1}}, {.min_idle = 0ms}));
        CHECK(dead.bury(held[0]) == Ack::stale);
        CHECK(pending() == Rows{"1-0 bob 2"});
    }
    SECTION("the letters are closed") {
        dead.stream().close();
        CHECK(dead.bury(held[0]) == Ack::closed);
        CHECK(pending() == Rows{"1-0 ann 1"});
    }
    CHECK(dead.size() == 0);
}

TEST_CASE_METHOD(NumberGroup, "of too many letters the oldest are dropped, and counted",
                 "[dead_letters]") {
    const DeadLetters<int> dead{{.count = 3, .clock = &clock}};
    add_range(1, 5);
    for (const auto& delivery : ann.try_read()) dead.bury(delivery);
    CHECK(dead.size() == 3);
    CHECK(dead.dropped() == 2);
    const auto letter = oldest(dead);
    CHECK(*letter.entry == 3);
    dead.stream().erase({dead.stream().last_id()});
    CHECK(dead.dropped() == 2);
    CHECK(dead.stream().info().trimmed == 2);
}

TEST_CASE("a letter keeps its entry alive, and nothing is copied", "[dead_letters]") {
    const Census census;
    const DeadLetters<MoveOnly> dead;
    const Stream<MoveOnly> stream{{.keep = {.count = 1}, .block_entries = 4}};
    const auto me = stream.group("group").consumer("ann");
    for (int number = 1; number <= 9; ++number) {
        stream.add(MoveOnly{number});
        for (const auto& delivery : me.try_read())
            if (number == 6) dead.bury(delivery);
    }
    {
        const auto letter = oldest(dead);
        CHECK(letter.entry->get() == 6);
    }
    dead.stream().trim({.count = 0});
    CHECK(census.alive() == 1);
    CHECK(census.faults() == 0);
}

TEST_CASE_METHOD(FiveLetters, "copies of a handle have the same letters", "[dead_letters]") {
    const DeadLetters<int> copy = dead;
    DeadLetters<int> moved = copy;
    const DeadLetters<int> taken = std::move(moved);  // NOLINT(performance-move-const-arg)
    CHECK(copy == dead);
    CHECK(moved == taken);
    CHECK(moved.size() == 5);
    CHECK_FALSE(copy == DeadLetters<int>{});
}

TEST_CASE("letters may be in a stream of a broker", "[dead_letters]") {
    const Broker broker;
    const auto orders = broker.stream<int>("orders");
    const DeadLetters<int> dead{broker.stream<DeadLetter<int>>("dead")};
    orders.add(7);
    for (const auto& delivery : orders.group("group").consumer("ann").try_read())
        dead.bury(delivery);
    CHECK(broker.find_stream<DeadLetter<int>>("dead")->size() == 1);
}

TEST_CASE("an option that has no meaning is refused", "[dead_letters]") {
    CHECK(error_of([] { return DeadLetters<int>{{.count = 0}}; }) == ErrorCode::invalid_argument);
    const DeadLetters<int> dead;
    const auto group = Stream<int>{}.group("group");
    CHECK(error_of([&] { return dead.redrive(group, {.count = 0}); }) ==
          ErrorCode::invalid_argument);
    CHECK(error_of([&] { return dead.redrive(group, {.per_second = 0}); }) ==
          ErrorCode::invalid_argument);
}

// ------------------------------------------------------------------ redriving

TEST_CASE_METHOD(FiveLetters, "what is redriven is pending again, and its letter gone",
                 "[dead_letters][redrive]") {
    CHECK(dead.redrive(group) == Redriven{.redriven = 5});
    CHECK(dead.size() == 0);
    CHECK(dead.dropped() == 0);
    CHECK(pending() ==
          Rows{"1-0 nobody 0", "2-0 nobody 0", "3-0 nobody 0", "4-0 nobody 0", "5-0 nobody 0"});
    const auto again = bob.autoclaim({.min_idle = 1h});
    CHECK(numbers(again) == Numbers{1, 2, 3, 4, 5});
    CHECK(attempts(again) == Numbers{1, 1, 1, 1, 1});
    CHECK(again.ack() == 5);
    CHECK(dead.redrive(group) == Redriven{});
}

TEST_CASE_METHOD(FiveLetters, "a letter tells how often its entry was redriven before",
                 "[dead_letters][redrive]") {
    for (std::uint64_t times = 1; times <= 3; ++times) {
        REQUIRE(dead.redrive(group).redriven == 5);
        bury_again();
        const auto entries = dead.stream().range();
        REQUIRE(entries.size() == 5);
        for (const auto& [id, letter] : entries) {
            CHECK(letter.redriven == times);
            CHECK(letter.attempts == 1);
        }
    }
}

TEST_CASE_METHOD(NumberGroup, "of too many redriven entries the first ones are forgotten",
                 "[dead_letters][redrive]") {
    const DeadLetters<int> dead{{.count = 3, .clock = &clock}};
    add_range(1, 5);
    for (const auto& delivery : ann.try_read()) {
        dead.bury(delivery);
        REQUIRE(dead.redrive(group).redriven == 1);
    }
    // The first one again, which is then remembered last.
    for (const auto& delivery : bob.claim(ids({3}), {.min_idle = 0ms})) dead.bury(delivery);
    REQUIRE(dead.redrive(group).redriven == 1);
    const auto count_of = [&](int number) {
        for (const auto& delivery : bob.claim(ids({number}), {.min_idle = 0ms}))
            dead.bury(delivery);
        return newest(dead).redriven;
    };
    CHECK(count_of(1) == 0);
    CHECK(count_of(4) == 1);
    CHECK(count_of(3) == 2);
    REQUIRE(dead.redrive(group).redriven == 3);
    CHECK(count_of(5) == 0);  // forgotten by now, as 1-0 came anew
}

TEST_CASE_METHOD(FiveLetters, "letters of other groups and streams stay where they are",
                 "[dead_letters][redrive]") {
    const auto other = stream.group("other");
    for (const auto& delivery : other.consumer("carl").try_read({.count = 2}))
        REQUIRE(dead.bury(delivery) == Ack::done);
    const Stream<int> twin{{.clock = &clock}};
    const auto its_group = twin.group("group");
    twin.add(StreamId{1}, 11);
    for (const auto& delivery : its_group.consumer("ann").try_read())
        REQUIRE(dead.bury(delivery, {.stream = "twin"}) == Ack::done);

    CHECK(dead.redrive(other) == Redriven{.redriven = 2});
    CHECK(dead.redrive(its_group, {.stream = "no"}) == Redriven{});
    CHECK(letters() == Numbers{1, 2, 3, 4, 5, 11});
    CHECK(dead.redrive(its_group, {.stream = "twin"}) == Redriven{.redriven = 1});
    CHECK(its_group.pending().count == 1);
    CHECK(dead.redrive(group) == Redriven{.redriven = 5});
}

TEST_CASE_METHOD(FiveLetters, "an entry of the same id in another stream is another entry",
                 "[dead_letters][redrive]") {
    const Stream<int> twin{{.clock = &clock}};
    const auto its_group = twin.group("group");
    twin.add(StreamId{1}, 11);
    REQUIRE(its_group.consumer("ann").try_read().ack() == 1);
    CHECK(dead.redrive(its_group, {.copies = false}) == Redriven{.left = 5});
    CHECK(its_group.pending().count == 0);
}

TEST_CASE_METHOD(FiveLetters, "a filter selects letters, and may use them and the stream",
                 "[dead_letters][redrive]") {
    CHECK(dead.redrive(group, {.filter = is_odd}) == Redriven{.redriven = 3});
    CHECK(letters() == Numbers{2, 4});
    const auto erases = [&](const DeadLetter<int>& letter) {
        if (*letter.entry == 4) return true;  // its letter is gone by now
        stream.erase({letter.entry.id()});
        const auto newest = dead.stream().reverse_range({.count = 1});
        return dead.stream().erase({newest.front().id}) == 1;
    };
    CHECK(dead.redrive(group, {.filter = erases, .copies = false}) == Redriven{.left = 1});
    CHECK(letters() == Numbers{2});
}

TEST_CASE_METHOD(FiveLetters, "a redrive takes so many, and tells where the next one goes on",
                 "[dead_letters][redrive]") {
    const auto all = ids(dead.stream());
    Redriven part = dead.redrive(group, {.filter = is_odd, .count = 2});
    CHECK(part == Redriven{.redriven = 2, .next = all[4]});
    CHECK(letters() == Numbers{2, 4, 5});
    part = dead.redrive(group, {.filter = is_odd, .count = 2, .start = part.next});
    CHECK(part == Redriven{.redriven = 1});
    CHECK(letters() == Numbers{2, 4});
    CHECK(dead.redrive(group, {.count = 2}) == Redriven{.redriven = 2});
}

TEST_CASE_METHOD(NumberGroup, "many letters are redriven in one call", "[dead_letters][redrive]") {
    const DeadLetters<int> dead{{.clock = &clock}};
    add_range(1, 300);
    for (const auto& delivery : ann.try_read({.count = 300})) dead.bury(delivery);
    CHECK(dead.redrive(group) == Redriven{.redriven = 300});
    CHECK(dead.size() == 0);
}

TEST_CASE_METHOD(FiveLetters, "a letter that comes back at once is not redriven by the same call",
                 "[dead_letters][redrive]") {
    std::size_t calls = 0;
    const auto fails_again = [&](const DeadLetter<int>&) {
        bury_again();
        ++calls;
        return true;
    };
    CHECK(dead.redrive(group, {.filter = fails_again}) == Redriven{.redriven = 5});
    CHECK(calls == 5);
    CHECK(letters() == Numbers{1, 2, 3, 4});
    CHECK(pending() == Rows{"5-0 nobody 0"});
}

TEST_CASE_METHOD(FiveLetters, "what is pending already stays so, and the letter goes",
                 "[dead_letters][redrive]") {
    REQUIRE(group.redeliver(ids({2}), 7) == 1);
    group.set_position(StreamId{4});
    CHECK(dead.redrive(group) == Redriven{.redriven = 5});
    CHECK(pending() == Rows{"1-0 nobody 0", "2-0 nobody 7", "3-0 nobody 0", "4-0 nobody 0"});
    CHECK(ids(ann.try_read()) == ids({5}));
}

TEST_CASE_METHOD(FiveLetters, "what the stream has lost is added as a copy",
                 "[dead_letters][redrive]") {
    stream.erase({{2}});
    CHECK(dead.redrive(group) == Redriven{.redriven = 4, .copied = 1});
    CHECK(dead.size() == 0);
    CHECK(numbers(stream.range()) == Numbers{1, 3, 4, 5, 2});
    const auto again = ann.try_read();
    CHECK(numbers(again) == Numbers{2});
    CHECK(attempts(again) == Numbers{1});
    // It is remembered that it was redriven.
    REQUIRE(dead.bury(again[0]) == Ack::done);
    CHECK(oldest(dead).redriven == 1);
}

TEST_CASE_METHOD(FiveLetters, "a letter stays if its entry can be delivered no more",
                 "[dead_letters][redrive]") {
    SECTION("no copy is wanted") {
        stream.trim({.count = 2});
        CHECK(dead.redrive(group, {.copies = false}) == Redriven{.redriven = 2, .left = 3});
        CHECK(letters() == Numbers{1, 2, 3});
    }
    SECTION("the stream is closed") {
        stream.trim({.count = 2});
        stream.close();
        CHECK(dead.redrive(group) == Redriven{.redriven = 2, .left = 3});
        CHECK(letters() == Numbers{1, 2, 3});
    }
    SECTION("the group was removed") {
        stream.trim({.count = 2});
        stream.remove_group("group");
        CHECK(dead.redrive(group) == Redriven{.left = 5});
        CHECK(letters() == Numbers{1, 2, 3, 4, 5});
        CHECK(stream.size() == 2);
        CHECK(dead.redrive(stream.group("group")) == Redriven{.redriven = 2, .copied = 3});
    }
}

TEST_CASE("a letter stays if its entry is lost and cannot be copied", "[dead_letters][redrive]") {
    const DeadLetters<MoveOnly> dead;
    const Stream<MoveOnly> stream;
    const auto group = stream.group("group");
    stream.add(MoveOnly{1});
    stream.add(MoveOnly{2});
    for (const auto& delivery : group.consumer("ann").try_read()) dead.bury(delivery);
    stream.trim({.count = 1});
    CHECK(dead.redrive(group) == Redriven{.redriven = 1, .left = 1});
    const auto letter = oldest(dead);
    CHECK(letter.entry->get() == 1);
}

// ------------------------------------------------------------------ pace

TEST_CASE_METHOD(FiveLetters, "a redrive does what is due, and tells when to call again",
                 "[dead_letters][redrive][pace]") {
    RedriveOptions<int> slowly{.per_second = 4};
    const auto call = [&] {
        const Redriven part = dead.redrive(group, slowly);
        slowly.start = part.next;
        return std::pair{part.redriven, part.wait};
    };
    using Part = std::pair<std::size_t, std::chrono::nanoseconds>;
    CHECK(call() == Part{1, 250ms});
    CHECK(call() == Part{0, 250ms});
    clock.advance(200ms);
    CHECK(call() == Part{0, 50ms});
    clock.advance(50ms);
    CHECK(call() == Part{1, 250ms});
    clock.advance(600ms);
    CHECK(call() == Part{2, 150ms});
    clock.advance(150ms);
    CHECK(call() == Part{1, 0ms});
    CHECK(slowly.start == StreamId{});
}

TEST_CASE_METHOD(NumberGroup, "after a pause as many are due as fall into a second",
                 "[dead_letters][redrive][pace]") {
    const DeadLetters<int> dead{{.clock = &clock}};
    add_range(1, 100);
    for (const auto& delivery : ann.try_read({.count = 100})) dead.bury(delivery);
    const RedriveOptions<int> slowly{.per_second = 10};
    CHECK(dead.redrive(group, slowly).redriven == 1);
    clock.advance(1h);
    CHECK(dead.redrive(group, slowly).redriven == 11);  // one is due now
    CHECK(dead.redrive(group, slowly).wait == 100ms);
    // Another handle, and another rate.
    clock.advance(100ms);
    CHECK(DeadLetters<int>{dead}.redrive(group, {.per_second = 1'000'000}).redriven == 1);
    CHECK(dead.redrive(group).redriven == 87);
}

TEST_CASE_METHOD(FiveLetters, "what is not redriven is not counted",
                 "[dead_letters][redrive][pace]") {
    stream.trim({.count = 1});
    const RedriveOptions<int> slowly{.per_second = 1, .copies = false};
    CHECK(dead.redrive(group, slowly) == Redriven{.redriven = 1, .left = 4});
}

// ------------------------------------------------------------------ what throws

TEST_CASE_METHOD(FiveLetters, "a redrive that throws has done nothing, or ends where it failed",
                 "[dead_letters][redrive]") {
    const auto all = ids(dead.stream());
    const auto fails_at = [](int number) {
        return [number](const DeadLetter<int>& letter) {
            if (*letter.entry == number) throw std::runtime_error{"filter"};
            return true;
        };
    };
    CHECK_THROWS_AS(dead.redrive(group, {.filter = fails_at(1)}), std::runtime_error);
    CHECK(dead.size() == 5);
    CHECK(dead.redrive(group, {.filter = fails_at(3)}) == Redriven{.redriven = 2, .next = all[2]});
    CHECK_THROWS_AS(dead.redrive(group, {.filter = fails_at(3), .start = all[2]}),
                    std::runtime_error);
    CHECK(letters() == Numbers{3, 4, 5});
}

TEST_CASE("a copy that throws leaves the letter where it is", "[dead_letters][redrive]") {
    ManualClock clock;
    const DeadLetters<Reluctant> dead{{.clock = &clock}};
    const Stream<Reluctant> stream{{.clock = &clock}};
    const auto group = stream.group("group");
    for (int number = 1; number <= 3; ++number) stream.add(Reluctant{number});
    for (const auto& delivery : group.consumer("ann").try_read()) dead.bury(delivery);
    stream.trim({.count = 0});
    Reluctant::refuses = 2;
    const Redriven part = dead.redrive(group, {.per_second = 1'000'000'000});
    CHECK(part.copied == 1);
    CHECK(dead.size() == 2);
    clock.advance(1s);
    CHECK_THROWS_AS(dead.redrive(group, {.per_second = 1, .start = part.next}), std::runtime_error);
    Reluctant::refuses = 0;
    // The one that has failed was not counted.
    CHECK(dead.redrive(group, {.per_second = 1}).copied == 1);
}

TEST_CASE_METHOD(FiveLetters, "nothing is copied to a stream that has given out all ids",
                 "[dead_letters][redrive]") {
    stream.add(StreamId::max(), 9);
    stream.erase({{1}});
    CHECK(error_of([&] { return dead.redrive(group); }) == ErrorCode::id_exhausted);
    CHECK(letters() == Numbers{1, 2, 3, 4, 5});
}

// ------------------------------------------------------------------ who waits

TEST_CASE_METHOD(FiveLetters, "a copy ends the waits that an add would end",
                 "[dead_letters][redrive][wait]") {
    stream.trim({.count = 0});
    auto read = reading(clock, ann);
    REQUIRE(read.waits());
    CHECK(dead.redrive(group, {.count = 1}).copied == 1);
    CHECK(numbers(read.result()) == Numbers{1});
}

TEST_CASE_METHOD(FiveLetters, "who waits for room among the letters has it when one is redriven",
                 "[dead_letters][redrive][wait]") {
    const auto desk = dead.stream().group("desk").consumer("joe", {.max_pending = 1});
    REQUIRE(desk.try_read().size() == 1);
    auto read = reading(clock, desk);
    REQUIRE(read.waits());
    CHECK(dead.redrive(group, {.count = 1}).redriven == 1);
    CHECK(*read.result()[0].value.entry == 2);
}

TEST_CASE_METHOD(FiveLetters, "that an entry is redriven is a call of those who wait",
                 "[dead_letters][redrive][wait]") {
    auto read = reading(clock, bob);
    clock.advance(1h);
    CHECK(dead.redrive(group, {.count = 1}).redriven == 1);
    CHECK(info_of("bob").idle == 0h);
    CHECK(read.waits());
}
