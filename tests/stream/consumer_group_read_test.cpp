// SPDX-License-Identifier: MIT
#include <runnel/ack.hpp>
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/delivery.hpp>
#include <runnel/detail/core/group_state.hpp>
#include <runnel/detail/core/stream_facts.hpp>
#include <runnel/error.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream.hpp>
#include <runnel/stream_id.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/lifetime.hpp"
#include "support/streams.hpp"
#include "support/watches.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using runnel::Ack;
using runnel::Deliveries;
using runnel::Delivery;
using runnel::Ending;
using runnel::ErrorCode;
using runnel::From;
using runnel::ManualClock;
using runnel::Stream;
using runnel::StreamId;
using runnel::StreamOptions;
using runnel::test::Census;
using runnel::test::ending;
using runnel::test::error_of;
using runnel::test::eventually;
using runnel::test::id_range;
using runnel::test::Ids;
using runnel::test::ids;
using runnel::test::MoveOnly;
using runnel::test::NumberGroup;
using runnel::test::NumberStream;
using runnel::test::reading;
using runnel::test::Rows;
using runnel::test::ThreePending;
using namespace std::chrono_literals;

using Names = std::vector<std::string>;

// ------------------------------------------------------------------ groups

TEST_CASE_METHOD(NumberStream, "a group is made when its name is first used, and is the same after",
                 "[group]") {
    CHECK_FALSE(stream.find_group("group"));
    const auto group = stream.group("group", {.from = StreamId{5}});
    CHECK(group.name() == "group");
    CHECK(stream.group("group", {.from = StreamId{7}}) == group);
    CHECK(*stream.find_group("group") == group);
    CHECK(group.info().last_delivered == StreamId{5});
    CHECK_FALSE(stream.group("other") == group);
}

TEST_CASE_METHOD(NumberStream, "a stream tells the names of its groups, in order", "[group]") {
    CHECK(stream.groups().empty());
    for (const char* const name : {"b", "a", "", "B"}) (void)stream.group(name);
    CHECK(stream.groups() == Names{"", "B", "a", "b"});
    CHECK(stream.info().groups == 4);
    CHECK(stream.remove_group("a"));
    CHECK_FALSE(stream.remove_group("a"));
    CHECK(stream.groups() == Names{"", "B", "b"});
}

TEST_CASE_METHOD(NumberStream, "a group begins at the start, at the end or behind an id",
                 "[group]") {
    add({1, 2, 3});
    const auto by_itself = stream.group("by itself");
    const auto from_start = stream.group("start", {.from = From::start});
    const auto behind_first = stream.group("behind 1-0", {.from = StreamId{1}});
    const auto from_end = stream.group("end", {.from = From::end});
    add({4});
    CHECK(ids(by_itself.consumer("ann").read()) == ids({1, 2, 3, 4}));
    CHECK(ids(from_start.consumer("ann").read()) == ids({1, 2, 3, 4}));
    CHECK(ids(behind_first.consumer("ann").read()) == ids({2, 3, 4}));
    CHECK(ids(from_end.consumer("ann").read()) == ids({4}));
}

// ------------------------------------------------------------------ new entries

TEST_CASE_METHOD(NumberGroup, "a consumer reads what nobody of its group has read",
                 "[group][read]") {
    add_range(1, 200);
    CHECK(ids(ann.read({.count = 2})) == ids({1, 2}));
    CHECK(ids(bob.read({.count = 1})) == ids({3}));
    CHECK(ids(ann.try_read({.count = 100})) == id_range(4, 103));
    CHECK(ids(bob.read({.count = 97})) == id_range(104, 200));
    CHECK_FALSE(ann.try_read());
    CHECK(group.lag() == 0);
    CHECK(ids(stream.group("other").consumer("ann").read({.count = 500})) == id_range(1, 200));
}

TEST_CASE("a consumer reads 64 at a time unless it is told otherwise, whatever lies in a block",
          "[group][read]") {
    Stream<int> stream{{.block_entries = 10}};
    for (int number = 1; number <= 130; ++number) stream.add(int{number});
    auto group = stream.group("group");
    CHECK(group.consumer("ann").read().size() == 64);
    CHECK(group.consumer("bob").try_read().size() == 64);
    CHECK(group.consumer("cid").read({.acknowledged = true}).size() == 2);
}

TEST_CASE_METHOD(NumberGroup, "a delivery tells its id, its value and that it is the first",
                 "[group][read]") {
    add({7});
    const auto batch = ann.read();
    REQUIRE(batch.size() == 1);
    CHECK(batch[0].id == StreamId{7});
    CHECK(batch[0].value == 7);
    CHECK(batch[0].attempt == 1);
    CHECK(&batch.front() == &batch[0]);
    CHECK(&batch.back() == &batch[0]);
    CHECK(batch.end() - batch.begin() == 1);
    CHECK(batch.lost().empty());
}

TEST_CASE_METHOD(ThreePending, "what was read stays pending until it is acknowledged",
                 "[group][read]") {
    CHECK(pending() == Rows{"1-0 ann 1", "2-0 ann 1", "3-0 ann 1"});
    CHECK(group.ack({{2}}) == 1);
    CHECK(pending() == Rows{"1-0 ann 1", "3-0 ann 1"});
    CHECK(stream.size() == 3);
}

TEST_CASE_METHOD(NumberGroup, "to let a batch go acknowledges nothing", "[group][read]") {
    add({1, 2});
    for (const auto& delivery : ann.read({.count = 1})) CHECK(delivery.ack() == Ack::done);
    CHECK(ann.read());
    CHECK(pending() == Rows{"2-0 ann 1"});
}

TEST_CASE_METHOD(NumberGroup, "entries that were erased or trimmed are not delivered",
                 "[group][read]") {
    add_range(1, 9);
    stream.trim({.count = 7});
    stream.erase({{4}, {5}, {9}});
    CHECK(ids(ann.read()) == ids({3, 6, 7, 8}));
    CHECK(group.info().last_delivered == StreamId{8});
    CHECK_FALSE(bob.try_read());
}

TEST_CASE_METHOD(NumberGroup, "a group goes on behind what was trimmed away before it came there",
                 "[group][read]") {
    add_range(1, 200);
    REQUIRE(ann.read({.count = 3}));
    stream.trim({.count = 2});
    CHECK(ids(ann.read()) == ids({199, 200}));
    stream.trim({.count = 0});
    CHECK_FALSE(ann.try_read());
    add({201});
    CHECK(ids(ann.read()) == ids({201}));
}

TEST_CASE("a delivery belongs to its batch, which can be moved, but not copied", "[group][read]") {
    STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<Delivery<int>>);
    STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<Deliveries<int>>);
    STATIC_REQUIRE(std::is_nothrow_move_constructible_v<Deliveries<int>>);
    STATIC_REQUIRE(std::is_nothrow_move_assignable_v<Deliveries<int>>);
}

TEST_CASE_METHOD(NumberGroup, "a group's read of no entries is refused", "[group][read]") {
    CHECK(error_of([&] { return ann.read({.count = 0}); }) == ErrorCode::invalid_argument);
    CHECK(error_of([&] { return ann.try_read({.count = 0}); }) == ErrorCode::invalid_argument);
}

TEST_CASE_METHOD(NumberGroup, "delivered entries live as long as their batch",
                 "[group][read][lifetime]") {
    const Census census;
    const Stream<MoveOnly> values;
    const auto reader = values.group("group").consumer("ann");
    for (int number = 0; number != 200; ++number) values.add(number);
    {
        auto batch = reader.read({.count = 200});
        const auto moved = std::move(batch);
        CHECK(batch.size() == 0);  // NOLINT(*-use-after-move)
        values.trim({.count = 0});
        CHECK(census.alive() == 200);
        CHECK(moved.back().value.get() == 199);
    }
    CHECK(census.alive() == 0);
    CHECK(census.faults() == 0);
}

TEST_CASE_METHOD(NumberGroup, "a delivery can be kept, and then outlives its batch",
                 "[group][read][kept]") {
    add({1, 2});
    std::optional batch{ann.read()};
    const auto kept = batch->back().keep();
    batch.reset();
    stream.trim({.count = 0});
    CHECK(kept.id() == StreamId{2});
    CHECK(kept.value() == 2);
}

// ------------------------------------------------------------------ waiting

TEST_CASE_METHOD(NumberGroup, "each of two who wait gets what the first of them leaves",
                 "[group][read][wait]") {
    auto first = reading(clock, ann);
    auto second = reading(clock, bob);
    CHECK(stream.info().waiting == 2);
    add({1});
    CHECK(ids(first.result()) == ids({1}));
    REQUIRE(second.waits());
    add({2});
    CHECK(ids(second.result()) == ids({2}));
    CHECK(pending() == Rows{"1-0 ann 1", "2-0 bob 1"});
    CHECK(stream.info().waiting == 0);
}

TEST_CASE_METHOD(NumberGroup, "an entry goes to readers of the stream and of each group",
                 "[group][read][wait]") {
    const auto cid = stream.group("other").consumer("cid");
    auto by_group = reading(clock, ann);
    auto by_other = reading(clock, cid);
    auto by_stream = reading(clock, stream, From::end);
    add({1});
    CHECK(ids(by_group.result()) == ids({1}));
    CHECK(ids(by_other.result()) == ids({1}));
    CHECK(ids(by_stream.result()) == ids({1}));
}

TEST_CASE_METHOD(NumberGroup, "a group that is ahead of the stream lets lower ids pass",
                 "[group][read][wait]") {
    const auto cid = stream.group("ahead", {.from = StreamId{99}}).consumer("cid");
    auto read = reading(clock, cid);
    add({50, 99});
    REQUIRE(read.waits());
    add({100});
    CHECK(ids(read.result()) == ids({100}));
}

TEST_CASE_METHOD(NumberGroup, "a group's read ends when its time is over, to the nanosecond",
                 "[group][read][time]") {
    auto read = reading(clock, ann, {.timeout = 1h});
    clock.advance(1h - 1ns);
    REQUIRE(read.waits());
    clock.advance(1ns);
    CHECK(ending(read.result()) == Ending::timed_out);
    add({1});
    CHECK(pending().empty());
    CHECK(ending(stream.group("other", {.from = From::end}).consumer("cid").try_read()) ==
          Ending::timed_out);
}

TEST_CASE_METHOD(NumberGroup, "a read that was stopped takes nothing with it",
                 "[group][read][stop]") {
    auto first = reading(clock, ann);
    auto second = reading(clock, bob);
    first.stop();
    CHECK(ending(first.result()) == Ending::stopped);
    add({1});
    CHECK(ids(second.result()) == ids({1}));
}

TEST_CASE_METHOD(NumberGroup, "closing ends reads that wait, and what is there is still delivered",
                 "[group][read][close]") {
    auto read = reading(clock, ann);
    stream.close();
    CHECK(ending(read.result()) == Ending::closed);

    const Stream<int> other;
    const auto reader = other.group("group").consumer("ann");
    other.add(1);
    other.close();
    CHECK(reader.read().size() == 1);
    CHECK(ending(reader.read()) == Ending::closed);
    CHECK(ending(reader.try_read()) == Ending::closed);
}

// ------------------------------------------------------------------ acknowledged as they are read

TEST_CASE_METHOD(NumberGroup, "what is acknowledged as it is read never becomes pending",
                 "[group][read][acknowledged]") {
    add({1, 2});
    CHECK(ids(ann.read({.count = 1, .acknowledged = true})) == ids({1}));
    CHECK(group.pending().count == 0);
    CHECK(group.info().last_delivered == StreamId{1});
    CHECK(group.info().entries_read == 1);
    const auto batch = ann.try_read({.acknowledged = true});
    CHECK(batch[0].attempt == 1);
    CHECK(batch[0].ack() == Ack::stale);
    CHECK_FALSE(info_of("ann").inactive);
}

TEST_CASE_METHOD(ThreePending, "what is pending already stays so when it is read acknowledged",
                 "[group][read][acknowledged]") {
    group.set_position(From::start);
    CHECK(ids(bob.read({.acknowledged = true})) == ids({1, 2, 3}));
    CHECK(pending() == Rows{"1-0 ann 1", "2-0 ann 1", "3-0 ann 1"});
}

// ------------------------------------------------------------------ at most so many pending

TEST_CASE_METHOD(NumberGroup, "a consumer gets no more than it may have pending",
                 "[group][read][limit]") {
    add_range(1, 9);
    const auto cid = group.consumer("cid", {.max_pending = 3});
    CHECK(ids(cid.try_read()) == ids({1, 2, 3}));
    CHECK(ending(cid.try_read()) == Ending::timed_out);
    CHECK(group.ack({{2}}) == 1);
    CHECK(ids(cid.try_read({.count = 5})) == ids({4}));
    CHECK(ids(ann.try_read({.count = 1})) == ids({5}));
}

TEST_CASE_METHOD(NumberGroup, "a consumer must be allowed to have something pending",
                 "[group][read][limit]") {
    CHECK(error_of([&] { return group.consumer("cid", {.max_pending = 0}); }) ==
          ErrorCode::invalid_argument);
    CHECK(group.consumers().size() == 2);
}

TEST_CASE_METHOD(NumberGroup, "a consumer that has enough waits until something is off its hands",
                 "[group][read][limit]") {
    add_range(1, 9);
    const auto cid = group.consumer("cid", {.max_pending = 1});
    auto batch = cid.read();

    const auto waits_until = [&](auto event) {
        auto read = reading(clock, cid);
        REQUIRE(read.waits());
        event();
        REQUIRE_FALSE(read.waits());
        batch = std::move(read.result());
        CHECK(batch.size() == 1);
    };
    waits_until([&] { CHECK(batch[0].ack() == Ack::done); });
    waits_until([&] { CHECK(batch[0].nack() == Ack::done); });
    waits_until([&] { CHECK(group.ack({batch[0].id}) == 1); });
    waits_until([&] { CHECK(group.nack({batch[0].id}) == 1); });
    waits_until([&] { CHECK(ann.claim({batch[0].id}, {.min_idle = 0ms}).size() == 1); });
    waits_until([&] { CHECK(ann.autoclaim({.min_idle = 0ms, .start = batch[0].id}).size() == 1); });
    waits_until([&] { CHECK(group.remove_consumer("cid") == 1); });
}

TEST_CASE_METHOD(NumberGroup, "who has enough does not hold up those who wait behind",
                 "[group][read][limit]") {
    add({1});
    const auto cid = group.consumer("cid", {.max_pending = 1});
    REQUIRE(cid.read());
    auto full = reading(clock, cid);
    auto free = reading(clock, ann);
    add({2});
    CHECK(full.waits());
    CHECK(ids(free.result()) == ids({2}));
}

TEST_CASE("a read that waits for room ends with the last handle", "[group][read][limit]") {
    ManualClock clock;
    std::optional<Stream<int>> stream{std::in_place, StreamOptions{.clock = &clock}};
    std::optional cid{stream->group("group").consumer("cid", {.max_pending = 1})};
    stream->add(1);
    stream->add(2);
    CHECK(cid->read().size() == 1);
    auto read = reading(clock, *cid);
    stream->close();
    stream.reset();
    REQUIRE(read.waits());
    cid.reset();
    CHECK_FALSE(read.waits());
}

TEST_CASE_METHOD(NumberGroup,
                 "a read that waits for room ends once nothing is left in a closed stream",
                 "[group][read][limit]") {
    add({1, 2});
    const auto cid = group.consumer("cid", {.max_pending = 1});
    const auto held = cid.read();
    auto read = reading(clock, cid);
    stream.close();
    REQUIRE(read.waits());

    SECTION("as another consumer has got it") {
        CHECK(ids(ann.try_read()) == ids({2}));
    }
    SECTION("as it was erased") {
        CHECK(stream.erase({{2}}) == 1);
    }
    SECTION("as it was trimmed") {
        CHECK(stream.trim({.count = 0}) == 2);
    }
    SECTION("as the group is to go on behind it") {
        group.set_position(From::end);
    }
    CHECK(ending(read.result()) == Ending::closed);
}

TEST_CASE_METHOD(NumberGroup,
                 "a consumer from whom another one takes over by a read has room again",
                 "[group][read][limit]") {
    add({1, 2, 3});
    const auto cid = group.consumer("cid", {.max_pending = 1});
    const auto dan = group.consumer("dan", {.max_pending = 1});
    REQUIRE(ids(cid.read()) == ids({1}));
    const auto held = dan.read();
    auto read = reading(clock, cid);
    REQUIRE(read.waits());
    group.set_position(From::start);
    SECTION("that does not wait") {
        CHECK(ids(ann.try_read({.count = 1})) == ids({1}));
    }
    SECTION("that waits, too, behind it") {
        group.set_position(StreamId{2});
        auto other = reading(clock, dan);
        REQUIRE(other.waits());
        group.set_position(From::start);
        CHECK(held[0].ack() == Ack::done);
        CHECK(ids(other.result()) == ids({1}));
    }
    CHECK(ids(read.result()) == ids({2}));
}

TEST_CASE_METHOD(NumberGroup, "closing serves who gets room by what another one takes over then",
                 "[group][read][limit][close]") {
    add({1, 2, 3});
    const auto cid = group.consumer("cid", {.max_pending = 1});
    REQUIRE(ids(cid.read()) == ids({1}));
    REQUIRE(ann.read({.acknowledged = true}));
    auto first = reading(clock, cid);
    auto second = reading(clock, ann, {.count = 1});
    group.set_position(From::start);
    REQUIRE(second.waits());
    stream.close();
    CHECK(ids(second.result()) == ids({1}));
    CHECK(ids(first.result()) == ids({2}));
}

TEST_CASE_METHOD(NumberGroup, "the limit is for what stays pending, and for new entries only",
                 "[group][read][limit]") {
    add_range(1, 5);
    const auto cid = group.consumer("cid", {.max_pending = 1});
    CHECK(cid.read({.count = 4, .acknowledged = true}).size() == 4);
    REQUIRE(ann.read().size() == 1);
    add({6});
    REQUIRE(cid.read().size() == 1);
    CHECK(cid.claim({{5}}, {.min_idle = 0ms}).size() == 1);
    CHECK(info_of("cid").pending == 2);
}

// ------------------------------------------------------------------ what the stream has lost

namespace {

// cid may have two pending, and has 1-0 and 2-0 of 1-0 to 5-0.
struct TwoOfFive : NumberGroup {
    TwoOfFive() {
        add_range(1, 5);
        REQUIRE(ids(cid.try_read()) == ids({1, 2}));
    }

    runnel::Consumer<int> cid = group.consumer("cid", {.max_pending = 2});
};

}  // namespace

TEST_CASE_METHOD(TwoOfFive,
                 "a consumer that has enough drops what was erased or trimmed, and is "
                 "told of it",
                 "[group][read][limit][lost]") {
    SECTION("erased") {
        stream.erase({{2}});
        const auto batch = cid.try_read();
        CHECK(ids(batch) == ids({3}));
        CHECK(batch.lost() == ids({2}));
        CHECK(pending() == Rows{"1-0 cid 1", "3-0 cid 1"});
    }
    SECTION("trimmed") {
        stream.trim({.count = 4});
        const auto batch = cid.try_read();
        CHECK(ids(batch) == ids({3}));
        CHECK(batch.lost() == ids({1}));
    }
    SECTION("both, in the order of ids") {
        stream.erase({{2}});
        stream.trim({.count = 3});
        const auto batch = cid.try_read();
        CHECK(ids(batch) == ids({3, 4}));
        CHECK(batch.lost() == ids({1, 2}));
    }
    SECTION("once, and again what is lost later") {
        stream.erase({{1}});
        CHECK(cid.try_read().lost() == ids({1}));
        CHECK(cid.try_read().lost().empty());
        stream.erase({{2}});
        stream.erase({{4}});
        CHECK(cid.try_read().lost() == ids({2}));
        stream.trim({.count = 0});
        CHECK(cid.try_read().lost() == ids({3, 5}));
        CHECK(group.pending().count == 0);
    }
}

TEST_CASE_METHOD(NumberGroup, "a consumer is told of the only entry of a stream that was trimmed",
                 "[group][read][limit][lost]") {
    const auto cid = group.consumer("cid", {.max_pending = 1});
    add({1});
    REQUIRE(ids(cid.try_read()) == ids({1}));
    SECTION("at once") {}
    SECTION("though it was looked through before") {
        CHECK(cid.try_read().lost().empty());
    }
    stream.trim({.count = 0});
    CHECK(cid.try_read().lost() == ids({1}));
    CHECK(group.pending().count == 0);
}

TEST_CASE_METHOD(TwoOfFive, "what a consumer has taken over from another one can be lost, too",
                 "[group][read][limit][lost]") {
    auto dan = group.consumer("dan", {.max_pending = 1});
    REQUIRE(ids(dan.try_read()) == ids({3}));
    CHECK(dan.try_read().lost().empty());
    REQUIRE(dan.claim({{2}}, {.min_idle = 0ms}).size() == 1);
    stream.trim({.count = 3});
    CHECK(dan.try_read().lost() == ids({2}));
    CHECK(dan.try_read().lost().empty());
    CHECK(pending() == Rows{"1-0 cid 1", "3-0 dan 1"});
}

TEST_CASE("where the entries of a consumer begin is not sought anew with each trim",
          "[group][read][lost]") {
    runnel::detail::LogFacts log{
        .length = 10, .first_id = {1}, .last_id = {10}, .entries_added = 10};
    runnel::detail::GroupState rules{{}, {}, log};
    runnel::detail::ConsumerRecord& ann = rules.consumer({{}, "ann"}, 0);
    runnel::detail::ConsumerRecord& cid = rules.consumer({{}, "cid"}, 0);
    for (const std::uint64_t ms : {1U, 2U, 3U, 4U, 5U}) rules.deliver({ms}, ann, 0, log, false);
    for (const std::uint64_t ms : {6U, 7U}) rules.deliver({ms}, cid, 0, log, false);
    const auto is_live = [](const StreamId&) { return true; };
    log.length = 9;
    log.first_id = {2};
    CHECK_FALSE(rules.first_lost(cid, log, is_live));
    CHECK(cid.pending_from == StreamId{6});
    (void)rules.claim({4}, true, cid, {}, 0);
    CHECK(cid.pending_from == StreamId{4});
}

TEST_CASE("an erasure of what a consumer does not have pending makes it look at nothing",
          "[group][read][lost]") {
    const runnel::detail::LogFacts log{
        .length = 10, .first_id = {1}, .last_id = {10}, .entries_added = 10};
    runnel::detail::GroupState rules{{}, {}, log};
    runnel::detail::ConsumerRecord& ann = rules.consumer({{}, "ann"}, 0);
    runnel::detail::ConsumerRecord& cid = rules.consumer({{}, "cid"}, 0);
    for (const std::uint64_t ms : {1U, 3U, 5U, 7U}) rules.deliver({ms}, cid, 0, log, false);
    rules.deliver({8}, ann, 0, log, false);
    StreamId erased;
    std::size_t looks = 0;
    const auto lost_by_cid = [&](std::uint64_t ms) {
        erased = {ms};
        rules.note_erased(erased);
        looks = 0;
        return static_cast<bool>(rules.first_lost(cid, log, [&](const StreamId& id) {
            ++looks;
            return id != erased;
        }));
    };
    for (const std::uint64_t ms : {2U, 8U, 9U}) {
        CHECK_FALSE(lost_by_cid(ms));
        CHECK(looks == 0);
    }
    CHECK(lost_by_cid(5));
    CHECK(looks == 1);
}

TEST_CASE_METHOD(TwoOfFive, "who has room drops nothing, nor does a read that is acknowledged",
                 "[group][read][limit][lost]") {
    stream.trim({.count = 3});
    CHECK(cid.try_read({.count = 1, .acknowledged = true}).lost().empty());
    CHECK(group.ack({{1}}) == 1);
    CHECK(cid.try_read({.count = 1}).lost().empty());
    CHECK(pending() == Rows{"2-0 cid 1", "4-0 cid 1"});
    CHECK(cid.history().lost() == ids({2}));
}

TEST_CASE_METHOD(TwoOfFive, "a read that only dropped waits on, and tells it with its result",
                 "[group][read][limit][lost][wait]") {
    stream.trim({.count = 0});
    auto read = reading(clock, cid, {.timeout = 1h});
    REQUIRE(read.waits());
    CHECK(group.pending().count == 0);
    SECTION("an entry") {
        add({6});
        CHECK(ids(read.result()) == ids({6}));
    }
    SECTION("nothing in time") {
        clock.advance(1h);
        CHECK(ending(read.result()) == Ending::timed_out);
    }
    SECTION("the end of the stream") {
        stream.close();
        CHECK(ending(read.result()) == Ending::closed);
    }
    SECTION("the end of the group") {
        stream.remove_group("group");
        CHECK(ending(read.result()) == Ending::gone);
    }
    SECTION("a stop") {
        read.stop();
        CHECK(ending(read.result()) == Ending::stopped);
    }
    CHECK(read.result().lost() == ids({1, 2}));
}

TEST_CASE_METHOD(TwoOfFive, "to erase or trim serves who waits for that room",
                 "[group][read][limit][lost][wait]") {
    auto read = reading(clock, cid);
    SECTION("an erasure") {
        stream.erase({{2}});
    }
    SECTION("a trim") {
        stream.trim({.count = 4});
    }
    REQUIRE_FALSE(read.waits());
    CHECK(ids(read.result()) == ids({3}));
    CHECK(read.result().lost().size() == 1);
}

TEST_CASE_METHOD(TwoOfFive, "to erase what others have serves nobody, nor counts as a call",
                 "[group][read][limit][lost][wait]") {
    CHECK(ids(ann.try_read({.count = 1})) == ids({3}));
    auto read = reading(clock, cid);
    clock.advance(1h);
    stream.erase({{3}, {4}});
    CHECK(read.waits());
    CHECK(info_of("cid").idle == 1h);
}

TEST_CASE_METHOD(TwoOfFive, "to wait for any is told of room that was lost, and drops nothing",
                 "[group][read][limit][lost][wait]") {
    std::vector<runnel::Watch> watches;
    watches.emplace_back(cid);
    auto look = runnel::test::waiting_for_any(clock, watches);
    REQUIRE(look.waits());
    stream.trim({.count = 4});
    CHECK_FALSE(look.waits());
    CHECK(group.pending().count == 2);
}

// ------------------------------------------------------------------ in real time

TEST_CASE("in real time each entry goes to one consumer, and all are acknowledged",
          "[group][read][system]") {
    const Stream<int> stream;
    const auto group = stream.group("group");
    std::vector<Ids> read(3);
    {
        std::vector<std::jthread> threads;
        for (auto& mine : read) {
            const auto consumer =
                group.consumer(std::string(1, static_cast<char>('a' + threads.size())));
            threads.emplace_back([&mine, consumer] {
                while (auto batch = consumer.read({.count = 3})) {
                    for (const auto& delivery : batch) {
                        mine.push_back(delivery.id);
                        (void)delivery.ack();
                    }
                }
            });
        }
        eventually([&] { return stream.info().waiting == 3; });
        for (int number = 0; number != 1'000; ++number) stream.add(int{number});
        stream.close();
    }
    Ids all;
    for (const Ids& mine : read) {
        CHECK(std::ranges::is_sorted(mine));
        all.insert(all.end(), mine.begin(), mine.end());
    }
    std::ranges::sort(all);
    CHECK(all == ids(stream));
    CHECK(group.pending().count == 0);
}
