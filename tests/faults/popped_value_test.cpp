// SPDX-License-Identifier: MIT
// Before: fails: REQUIRE\( census.alive\(\) == 1 \)
//
// `const Job& job = *jobs.pop_front();` referred to an element that had died at the end of the
// line, and so did a range-for over `*jobs.pop_front()`.
#include <runnel/blocking_list.hpp>
#include <runnel/outcome.hpp>

#include "support/catch.hpp"
#include "support/lifetime.hpp"

#include <array>
#include <utility>

using runnel::BlockingList;
using runnel::Push;
using runnel::test::Census;
using runnel::test::Countable;
using runnel::test::MoveOnly;

namespace {

struct Line {
    MoveOnly key;
    std::array<int, 2> numbers{1, 2};

    [[nodiscard]] auto begin() const noexcept { return numbers.begin(); }
    [[nodiscard]] auto end() const noexcept { return numbers.end(); }
};

}  // namespace

TEST_CASE("what a reference is bound to lives on when it was popped in that line", "[list][pop]") {
    const Census census;
    const BlockingList<MoveOnly> list;
    for (const int number : {1, 2}) REQUIRE(list.push_back(number) == Push::done);
    {
        const MoveOnly& front = *list.try_pop_front();
        REQUIRE(census.alive() == 2);
        CHECK(front.get() == 1);
    }
    CHECK(census.alive() == 1);
    {
        const MoveOnly& first = *runnel::pop_first({list});
        REQUIRE(census.alive() == 1);
        CHECK(first.get() == 2);
    }
    CHECK(census.alive() == 0);
    CHECK(census.faults() == 0);
}

TEST_CASE("what a move hands back lives on when a reference is bound to it", "[list][move]") {
    const Census census;
    const BlockingList<Countable> list;
    REQUIRE(list.push_back(1) == Push::done);
    const Countable& moved = *list.try_move_to(list);
    REQUIRE(census.alive() == 2);
    CHECK(moved.get() == 1);
}

TEST_CASE("one of a batch that was popped in that line lives on", "[list][pop]") {
    const Census census;
    const BlockingList<MoveOnly> list;
    for (const int number : {1, 2}) REQUIRE(list.push_back(number) == Push::done);
    const MoveOnly& second = list.try_pop_front_many(2)[1];
    REQUIRE(census.alive() == 1);
    CHECK(second.get() == 2);
}

TEST_CASE("a loop may run through what it pops", "[list][pop]") {
    const Census census;
    const BlockingList<Line> list;
    REQUIRE(list.push_back(Line{7}) == Push::done);
    int rounds = 0;
    for (const int number : *list.try_pop_front()) {
        REQUIRE(census.alive() == 1);
        CHECK(number == ++rounds);
    }
    CHECK(rounds == 2);
}
