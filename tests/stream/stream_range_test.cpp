// SPDX-License-Identifier: MIT
#include <runnel/entries.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/lifetime.hpp"
#include "support/streams.hpp"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

using runnel::Bound;
using runnel::Ending;
using runnel::Entries;
using runnel::Entry;
using runnel::KeptEntry;
using runnel::RangeOptions;
using runnel::Stream;
using runnel::StreamId;
using runnel::test::Census;
using runnel::test::ending;
using runnel::test::id_range;
using runnel::test::Ids;
using runnel::test::ids;
using runnel::test::last_number;
using runnel::test::ManyEntries;
using runnel::test::MoveOnly;
using runnel::test::Numbers;
using runnel::test::numbers;
using runnel::test::NumberStream;

namespace {

// 1-0, 1-5, 2-0, as in semantics.md 8.2 S7.
struct ThreeEntries : NumberStream {
    ThreeEntries() {
        stream.add({1, 0}, 1);
        stream.add({1, 5}, 2);
        stream.add({2, 0}, 3);
    }

    [[nodiscard]] Numbers from(Bound from, Bound to = StreamId::max()) const {
        return numbers(stream.range({.from = from, .to = to}));
    }
    [[nodiscard]] Numbers reverse_from(Bound from, Bound to = StreamId::max()) const {
        return numbers(stream.reverse_range({.from = from, .to = to}));
    }
};

}  // namespace

// ------------------------------------------------------------------ bounds

TEST_CASE_METHOD(ThreeEntries, "a range without bounds is the whole stream", "[stream][range]") {
    CHECK(numbers(stream.range()) == Numbers{1, 2, 3});
    CHECK(ids(stream.range()) == Ids{{1, 0}, {1, 5}, {2, 0}});
    CHECK(numbers(stream.reverse_range()) == Numbers{3, 2, 1});
}

TEST_CASE_METHOD(ThreeEntries, "a range includes its bounds", "[stream][range]") {
    CHECK(from(StreamId{1, 0}, StreamId{2, 0}) == Numbers{1, 2, 3});
    CHECK(from(StreamId{1, 5}, StreamId{1, 5}) == Numbers{2});
    CHECK(from(StreamId{1, 1}, StreamId{1, 9}) == Numbers{2});
    CHECK(reverse_from(StreamId{1, 5}, StreamId{2, 0}) == Numbers{3, 2});
}

TEST_CASE_METHOD(ThreeEntries, "an exclusive bound is left out", "[stream][range]") {
    CHECK(from(Bound::exclusive({1, 0})) == Numbers{2, 3});
    CHECK(from(StreamId{}, Bound::exclusive({2, 0})) == Numbers{1, 2});
    CHECK(from(Bound::exclusive({1, 0}), Bound::exclusive({2, 0})) == Numbers{2});
    CHECK(from(Bound::exclusive({1, 4}), Bound::exclusive({1, 6})) == Numbers{2});
    CHECK(from(Bound::exclusive({1, 5}), Bound::exclusive({1, 5})).empty());
    CHECK(reverse_from(Bound::exclusive({1, 0}), Bound::exclusive({2, 0})) == Numbers{2});
}

TEST_CASE_METHOD(ThreeEntries, "a range that ends before it begins is empty", "[stream][range]") {
    CHECK(from(StreamId{2, 0}, StreamId{1, 0}).empty());
    CHECK(reverse_from(StreamId{2, 0}, StreamId{1, 0}).empty());
    CHECK(from(StreamId::max(), StreamId{}).empty());
}

TEST_CASE_METHOD(ThreeEntries, "a range that nothing lies in is empty", "[stream][range]") {
    CHECK(from(StreamId{1, 1}, StreamId{1, 4}).empty());
    CHECK(from(StreamId{2, 1}).empty());
    CHECK(from(StreamId{}, StreamId{0, last_number}).empty());
    CHECK(reverse_from(StreamId{2, 1}).empty());
    CHECK(reverse_from(StreamId{}, StreamId{0, last_number}).empty());
    CHECK(ending(stream.range({.from = StreamId{2, 1}})) == Ending::timed_out);
}

TEST_CASE_METHOD(NumberStream, "bounds reach to both ends of the ids there are",
                 "[stream][range]") {
    stream.add(StreamId::min(), 1);
    stream.add({5, last_number}, 2);
    stream.add({6, 0}, 3);
    stream.add(StreamId::max(), 4);
    CHECK(numbers(stream.range({.from = StreamId::min(), .to = StreamId::max()})) ==
          Numbers{1, 2, 3, 4});
    CHECK(numbers(stream.range({.from = Bound::exclusive({})})) == Numbers{1, 2, 3, 4});
    CHECK(numbers(stream.range({.to = Bound::exclusive(StreamId::max())})) == Numbers{1, 2, 3});
    CHECK(numbers(stream.range({.from = Bound::exclusive({5, last_number})})) == Numbers{3, 4});
    CHECK(numbers(stream.range({.to = Bound::exclusive({6, 0})})) == Numbers{1, 2});
    CHECK(numbers(stream.range({.from = StreamId::max()})) == Numbers{4});
    CHECK(numbers(stream.reverse_range({.to = StreamId::max()})) == Numbers{4, 3, 2, 1});
}

TEST_CASE_METHOD(NumberStream, "behind the greatest id and before the least there is nothing",
                 "[stream][range]") {
    stream.add(StreamId::min(), 1);
    stream.add(StreamId::max(), 2);
    CHECK_FALSE(stream.range({.from = Bound::exclusive(StreamId::max())}));
    CHECK_FALSE(stream.range({.to = Bound::exclusive(StreamId{})}));
    CHECK_FALSE(stream.reverse_range({.from = Bound::exclusive(StreamId::max())}));
    CHECK_FALSE(stream.reverse_range({.to = Bound::exclusive(StreamId{})}));
    CHECK_FALSE(stream.range({.to = StreamId{}}));
}

TEST_CASE("a bound tells the first and the last id that it lets in", "[stream][range]") {
    constexpr StreamId id{5, 0};
    STATIC_REQUIRE(Bound{id}.first() == id);
    STATIC_REQUIRE(Bound{id}.last() == id);
    STATIC_REQUIRE(Bound::exclusive(id).first() == StreamId{5, 1});
    STATIC_REQUIRE(Bound::exclusive(id).last() == StreamId{4, last_number});
    STATIC_REQUIRE(Bound::exclusive(StreamId::max()).first() == std::nullopt);
    STATIC_REQUIRE(Bound::exclusive(StreamId{}).last() == std::nullopt);
}

// ------------------------------------------------------------------ count

TEST_CASE_METHOD(ManyEntries, "a range has at most so many entries as are asked for, from its end",
                 "[stream][range]") {
    CHECK(ids(stream.range({.count = 2})) == ids({1, 2}));
    CHECK(ids(stream.reverse_range({.count = 2})) == ids({300, 299}));
    CHECK(ids(stream.range({.from = StreamId{100}, .count = 150})) == id_range(100, 249));
    CHECK(stream.range({.count = 300}).size() == 300);
    CHECK(stream.range({.count = 301}).size() == 300);
    CHECK_FALSE(stream.range({.count = 0}));
    CHECK_FALSE(stream.reverse_range({.count = 0}));
}

TEST_CASE_METHOD(ManyEntries, "ranges over many blocks have every entry once, in order",
                 "[stream][range]") {
    CHECK(ids(stream) == id_range(1, 300));
    Ids backwards = ids(stream.reverse_range());
    std::ranges::reverse(backwards);
    CHECK(backwards == id_range(1, 300));
    for (int first = 1; first <= 300; first += 7) {
        for (int last = first; last <= 300; last += 31) {
            const RangeOptions options{.from = StreamId{static_cast<std::uint64_t>(first)},
                                       .to = StreamId{static_cast<std::uint64_t>(last)}};
            REQUIRE(ids(stream.range(options)) == id_range(first, last));
            backwards = ids(stream.reverse_range(options));
            std::ranges::reverse(backwards);
            REQUIRE(backwards == id_range(first, last));
        }
    }
}

TEST_CASE_METHOD(ManyEntries, "a range leaves out what was erased", "[stream][range]") {
    for (const int gone : {1, 2, 50, 100, 101, 102, 103, 300})
        REQUIRE(stream.erase({{static_cast<std::uint64_t>(gone)}}) == 1);
    const Ids left = ids(stream);
    CHECK(left.size() == 292);
    CHECK(left.front() == StreamId{3});
    CHECK(left.back() == StreamId{299});
    CHECK(ids(stream.range({.from = StreamId{99}, .to = StreamId{104}})) == ids({99, 104}));
    CHECK(ids(stream.reverse_range({.from = StreamId{100}, .count = 1})) == ids({299}));
    CHECK(ids(stream.reverse_range({.to = StreamId{103}, .count = 2})) == ids({99, 98}));
    CHECK_FALSE(stream.range({.from = StreamId{100}, .to = StreamId{103}}));
}

// ------------------------------------------------------------------ one entry

TEST_CASE_METHOD(ManyEntries, "an entry is found by its id, if it is there", "[stream][range]") {
    for (int number = 1; number <= 300; ++number) {
        const auto found = stream.find({static_cast<std::uint64_t>(number)});
        REQUIRE(found);
        REQUIRE(found->value() == number);
    }
    CHECK_FALSE(stream.find({0, 0}));
    CHECK_FALSE(stream.find({0, 1}));
    CHECK_FALSE(stream.find({7, 1}));
    CHECK_FALSE(stream.find({301}));
    CHECK_FALSE(stream.find(StreamId::max()));
    REQUIRE(stream.erase({{100}}) == 1);
    CHECK_FALSE(stream.find({100}));
    const auto kept = stream.find({101});
    REQUIRE(kept);
    CHECK(kept->value() == 101);
}

TEST_CASE("in an empty stream nothing is found", "[stream][range]") {
    const Stream<int> stream;
    CHECK_FALSE(stream.find({1}));
    CHECK_FALSE(stream.range());
    CHECK_FALSE(stream.reverse_range());
}

// ------------------------------------------------------------------ batches

TEST_CASE_METHOD(ThreeEntries, "a batch tells its size and its ends", "[stream][range][batch]") {
    const auto batch = stream.range();
    REQUIRE(batch);
    CHECK(batch.size() == 3);
    CHECK(batch.front().id == StreamId{1, 0});
    CHECK(batch.front().value == 1);
    CHECK(batch.back().id == StreamId{2, 0});
    const auto reverse = stream.reverse_range({.count = 2});
    CHECK(reverse.front().value == 3);
    CHECK(reverse.back().value == 2);
}

TEST_CASE_METHOD(ManyEntries, "the ends of a batch over many blocks are its first and its last",
                 "[stream][range][batch]") {
    const auto batch = stream.range();
    CHECK(batch.front().value == 1);
    CHECK(batch.back().value == 300);
    const auto reverse = stream.reverse_range();
    CHECK(reverse.front().value == 300);
    CHECK(reverse.back().value == 1);
}

TEST_CASE_METHOD(ManyEntries, "a batch can be gone through again and again",
                 "[stream][range][batch]") {
    const auto batch = stream.range({.count = 100});
    CHECK(ids(batch) == id_range(1, 100));
    CHECK(ids(batch) == id_range(1, 100));
    auto at = batch.begin();
    CHECK((*at++).value == 1);
    CHECK((*at).value == 2);
    CHECK(std::ranges::distance(batch.begin(), batch.end()) == 100);
    STATIC_REQUIRE(std::forward_iterator<Entries<int>::Iterator>);
    const auto is_it = [](const Entry<int>& entry) { return entry.value == 70; };
    CHECK((*std::ranges::find_if(batch, is_it)).id == StreamId{70});
}

TEST_CASE_METHOD(ManyEntries, "a batch shows what it showed, whatever becomes of the stream",
                 "[stream][range][batch]") {
    std::optional<Stream<int>> dying{std::in_place};
    for (int number = 1; number <= 100; ++number) dying->add(int{number});
    const auto of_dying = dying->range();
    const auto batch = stream.range();
    stream.erase({{1}, {2}, {150}});
    stream.trim({.count = 0});
    add_range(301, 400);
    dying.reset();
    CHECK(ids(batch) == id_range(1, 300));
    CHECK(of_dying.size() == 100);
    CHECK(numbers(of_dying).back() == 100);
}

TEST_CASE_METHOD(ManyEntries, "a batch that was moved from is empty", "[stream][range][batch]") {
    auto batch = stream.range();
    const auto moved = std::move(batch);
    CHECK_FALSE(batch);  // NOLINT(*-use-after-move)
    CHECK(batch.size() == 0);
    CHECK(batch.begin() == batch.end());
    CHECK(moved.size() == 300);
    batch = stream.reverse_range({.count = 200});
    CHECK(batch.front().value == 300);
    CHECK(batch.back().value == 101);
    batch = Entries<int>(Ending::closed);
    CHECK(ending(batch) == Ending::closed);
}

TEST_CASE("a batch keeps its entries from dying, and lets them die when it goes",
          "[stream][range][batch][lifetime]") {
    const Census census;
    const Stream<MoveOnly> stream;
    for (int number = 0; number != 200; ++number) stream.add(number);
    {
        const auto batch = stream.range();
        REQUIRE(stream.trim({.count = 50}) == 150);
        CHECK(census.alive() == 200);
        CHECK(batch.front().value.get() == 0);
    }
    CHECK(census.alive() == 50);
    {
        const auto first = stream.range();
        auto second = stream.range();
        REQUIRE(stream.trim({.count = 0}) == 50);
        second = Entries<MoveOnly>(Ending::closed);
        CHECK(census.alive() == 50);
    }
    CHECK(census.alive() == 0);
    CHECK(census.faults() == 0);
}

// ------------------------------------------------------------------ kept entries

TEST_CASE("a kept entry outlives its batch, its erasure, its block and its stream",
          "[stream][range][kept]") {
    std::optional<Stream<std::string>> texts{std::in_place};
    for (unsigned number = 1; number <= 100; ++number) texts->add({number}, std::to_string(number));
    std::optional batch{texts->range()};
    const KeptEntry<std::string> from_batch = batch->back().keep();
    const KeptEntry<std::string> from_find = *texts->find({1});
    batch.reset();
    texts->erase({{1}});
    texts->trim({.count = 0});
    texts.reset();
    CHECK(from_find.value() == "1");
    CHECK(from_find->size() == 1);
    CHECK(from_find.id() == StreamId{1});
    CHECK(*from_batch == "100");
    CHECK(from_batch.id() == StreamId{100});
}

TEST_CASE("copies of a kept entry share it, and the last one lets it die",
          "[stream][range][kept][lifetime]") {
    const Census census;
    const Stream<MoveOnly> stream;
    const StreamId id = stream.add(7);
    std::optional<KeptEntry<MoveOnly>> first = stream.find(id);
    {
        KeptEntry<MoveOnly> second = *first;
        KeptEntry<MoveOnly> third = std::move(*first);
        first = second;
        second = third;
        second = std::move(third);
        REQUIRE(stream.erase({id}) == 1);
        CHECK(second->get() == 7);
        CHECK(&second.value() == &first->value());
    }
    CHECK(census.alive() == 1);
    first.reset();
    CHECK(census.alive() == 0);
    CHECK(census.faults() == 0);
}

TEST_CASE("a value that cannot be copied is read where it is", "[stream][range]") {
    const Stream<std::unique_ptr<int>> stream;
    for (int number = 0; number != 100; ++number) stream.add(std::make_unique<int>(number));
    int sum = 0;
    const auto batch = stream.range();
    for (const auto& entry : batch) sum += *entry.value;
    CHECK(sum == 4'950);
    const auto found = stream.find(stream.last_id());
    CHECK(&batch.back().value == &found->value());
}
