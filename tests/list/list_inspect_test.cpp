// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>
#include <runnel/outcome.hpp>

#include "support/catch.hpp"
#include "support/elements.hpp"
#include "support/lifetime.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

using runnel::BlockingList;
using runnel::End;
using runnel::Full;
using runnel::ListStats;
using runnel::Push;
using runnel::test::Census;
using runnel::test::Countable;
using runnel::test::drain;
using runnel::test::elements;
using runnel::test::fill;
using runnel::test::value;

using Numbers = std::vector<int>;

namespace {

constexpr std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t highest = std::numeric_limits<std::int64_t>::max();
constexpr std::size_t all = std::numeric_limits<std::size_t>::max();

// 0 1 2 3 4, of which some have been in the list for longer.
struct Five {
    BlockingList<int> list;

    Five() {
        fill(list, {9, 0, 1, 2});
        REQUIRE(value(list.pop_front()) == 9);
        fill(list, {3, 4});
    }
};

// 1 2 1 3 1 1, in the same way.
struct WithFourOnes {
    BlockingList<int> list;

    WithFourOnes() {
        fill(list, {9, 1, 2, 1});
        REQUIRE(value(list.pop_front()) == 9);
        fill(list, {3, 1, 1});
    }
};

// Compares and copies until it is told to throw.
struct Touchy {
    explicit Touchy(int number) : value{number} {}
    Touchy(const Touchy& other) : value{other.value} { touch(); }
    Touchy(Touchy&&) noexcept = default;
    Touchy& operator=(const Touchy&) = delete;
    Touchy& operator=(Touchy&&) = delete;
    ~Touchy() = default;

    friend bool operator==(const Touchy& one, const Touchy& other) {
        touch();
        return one.value == other.value;
    }

    static void touch() {
        if (touches_left == 0) throw std::runtime_error{"do not touch"};
        --touches_left;
    }

    static inline int touches_left = 0;
    int value;
};

}  // namespace

// ------------------------------------------------------------------ size and stats

TEST_CASE("a list knows its size", "[list][inspect]") {
    const BlockingList<int> list;
    CHECK(list.size() == 0);
    for (int number = 0; number != 100; ++number) {
        fill(list, {number});
        REQUIRE(list.size() == static_cast<std::size_t>(number) + 1);
    }
    for (std::size_t left = 99; left != 0; --left) {
        REQUIRE(list.try_pop_front());
        REQUIRE(list.size() == left);
    }
}

TEST_CASE("the figures of a list are those of one moment", "[list][inspect]") {
    const BlockingList<int> list{{.capacity = 2, .when_full = Full::drop_other_end}};
    fill(list, {1, 2, 3});
    const ListStats stats = list.stats();
    CHECK(stats.size == 2);
    CHECK(stats.blocked_pops == 0);
    CHECK(stats.blocked_pushes == 0);
    CHECK(stats.dropped == 1);
}

TEST_CASE("the figures of a new list are zero", "[list][inspect]") {
    const ListStats stats = BlockingList<int>{}.stats();
    CHECK(stats.size + stats.blocked_pops + stats.blocked_pushes + stats.dropped == 0);
}

// ------------------------------------------------------------------ range

TEST_CASE_METHOD(Five, "a range without positions is the whole list, and takes nothing",
                 "[list][range]") {
    CHECK(list.range() == Numbers{0, 1, 2, 3, 4});
    CHECK(list.size() == 5);
}

TEST_CASE_METHOD(Five, "both positions of a range are included", "[list][range]") {
    CHECK(list.range(1, 3) == Numbers{1, 2, 3});
    CHECK(list.range(2, 2) == Numbers{2});
    CHECK(list.range(0, 0) == Numbers{0});
    CHECK(list.range(4, 4) == Numbers{4});
    CHECK(list.range(2) == Numbers{2, 3, 4});
}

TEST_CASE_METHOD(Five, "positions below zero count from the end", "[list][range]") {
    CHECK(list.range(-2, -1) == Numbers{3, 4});
    CHECK(list.range(-5, -4) == Numbers{0, 1});
    CHECK(list.range(1, -2) == Numbers{1, 2, 3});
    CHECK(list.range(-3, 3) == Numbers{2, 3});
    CHECK(list.range(0, -5) == Numbers{0});
}

TEST_CASE_METHOD(Five, "what is out of range is left out", "[list][range]") {
    CHECK(list.range(3, 100) == Numbers{3, 4});
    CHECK(list.range(-100, 1) == Numbers{0, 1});
    CHECK(list.range(-100, 100) == Numbers{0, 1, 2, 3, 4});
    CHECK(list.range(lowest, highest) == Numbers{0, 1, 2, 3, 4});
    CHECK(list.range(5, 10).empty());
    CHECK(list.range(highest, highest).empty());
    CHECK(list.range(-100, -6).empty());
    CHECK(list.range(lowest, lowest).empty());
    CHECK(list.range(0, -6).empty());
}

TEST_CASE_METHOD(Five, "a range that ends before it begins is empty", "[list][range]") {
    CHECK(list.range(3, 2).empty());
    CHECK(list.range(-1, -2).empty());
    CHECK(list.range(highest, lowest).empty());
}

TEST_CASE("a range of an empty list is empty", "[list][range]") {
    const BlockingList<int> list;
    CHECK(list.range().empty());
    CHECK(list.range(0, 0).empty());
    CHECK(list.range(-1, -1).empty());
}

TEST_CASE("every range of a long list is what it should be", "[list][range]") {
    const BlockingList<int> list;
    Numbers numbers;
    for (int number = 0; number != 60; ++number) numbers.push_back(number);
    for (int number = 29; number >= 0; --number)
        REQUIRE(list.push_front(int{number}) == Push::done);
    for (int number = 30; number != 60; ++number) fill(list, {number});
    for (int first = 0; first != 60; ++first) {
        for (int last = first; last != 60; ++last) {
            const Numbers expected(numbers.begin() + first, numbers.begin() + last + 1);
            REQUIRE(list.range(first, last) == expected);
            REQUIRE(list.range(first - 60, last - 60) == expected);
        }
    }
}

TEST_CASE("a range copies what it returns, once each, and nothing else", "[list][range]") {
    const BlockingList<Countable> list;
    for (int number = 0; number != 20; ++number)
        REQUIRE(list.push_back(Countable{number}) == Push::done);
    const Census census;
    CHECK(list.range(5, 9).size() == 5);
    CHECK(census.copies() == 5);
}

TEST_CASE("a range whose copies throw changes nothing", "[list][range]") {
    const BlockingList<Touchy> list;
    for (int number = 0; number != 5; ++number)
        REQUIRE(list.push_back(Touchy{number}) == Push::done);
    Touchy::touches_left = 3;
    CHECK_THROWS_AS(list.range(), std::runtime_error);
    CHECK(list.size() == 5);
    for (int number = 0; number != 5; ++number) CHECK((*list.pop_front()).value == number);
}

// ------------------------------------------------------------------ remove

TEST_CASE_METHOD(WithFourOnes, "a value is removed wherever it is", "[list][remove]") {
    CHECK(list.remove(1) == 4);
    CHECK(elements(list) == Numbers{2, 3});
}

TEST_CASE_METHOD(WithFourOnes, "what is not there is not removed", "[list][remove]") {
    CHECK(list.remove(7) == 0);
    CHECK(list.size() == 6);
    CHECK(BlockingList<int>{}.remove(7) == 0);
}

TEST_CASE_METHOD(WithFourOnes, "the first ones are removed if a count is given", "[list][remove]") {
    CHECK(list.remove(1, End::front, 2) == 2);
    CHECK(elements(list) == Numbers{2, 3, 1, 1});
    CHECK(list.remove(1, End::front, 1) == 1);
    CHECK(elements(list) == Numbers{2, 3, 1});
}

TEST_CASE_METHOD(WithFourOnes, "the last ones are removed if they are counted from the back",
                 "[list][remove]") {
    CHECK(list.remove(1, End::back, 3) == 3);
    CHECK(elements(list) == Numbers{1, 2, 3});
    CHECK(list.remove(1, End::back) == 1);
    CHECK(elements(list) == Numbers{2, 3});
}

TEST_CASE_METHOD(WithFourOnes, "no more are removed than there are", "[list][remove]") {
    CHECK(list.remove(1, End::back, 100) == 4);
    CHECK(list.remove(2, End::front, all) == 1);
    CHECK(elements(list) == Numbers{3});
}

TEST_CASE_METHOD(WithFourOnes, "with a count of none nothing is removed", "[list][remove]") {
    CHECK(list.remove(1, End::front, 0) == 0);
    CHECK(list.remove(1, End::back, 0) == 0);
    CHECK(elements(list) == Numbers{1, 2, 1, 3, 1, 1});
}

TEST_CASE_METHOD(WithFourOnes, "a list from which all was removed is empty, and goes on",
                 "[list][remove]") {
    CHECK(list.remove(1) + list.remove(2) + list.remove(3) == 6);
    CHECK(list.size() == 0);
    CHECK_FALSE(list.try_pop_front());
    CHECK(list.push_back_if_exists(5) == Push::absent);
    fill(list, {4, 5});
    CHECK(drain(list) == Numbers{4, 5});
}

TEST_CASE("removing from a long list leaves the rest in order", "[list][remove]") {
    for (const std::size_t count : {std::size_t{1}, std::size_t{7}, std::size_t{150}, all}) {
        for (const End from : {End::front, End::back}) {
            const BlockingList<int> list;
            Numbers expected;
            for (int number = 0; number != 900; ++number) {
                fill(list, {number % 3});
                expected.push_back(number % 3);
                if (number == 400) {
                    REQUIRE(list.try_pop_front());
                    expected.erase(expected.begin());
                }
            }
            std::size_t left = count;
            for (std::size_t step = 0; step != expected.size() && left != 0;) {
                const std::size_t at = from == End::front ? step : expected.size() - 1 - step;
                if (expected[at] == 2) {
                    expected.erase(expected.begin() + static_cast<std::ptrdiff_t>(at));
                    --left;
                } else {
                    ++step;
                }
            }
            const std::size_t removed = list.remove(2, from, count);
            REQUIRE(removed == count - left);
            REQUIRE(elements(list) == expected);
        }
    }
}

TEST_CASE("a comparison that throws removes nothing", "[list][remove]") {
    const BlockingList<Touchy> list;
    for (const int number : {1, 2, 1, 2, 1}) REQUIRE(list.push_back(Touchy{number}) == Push::done);
    for (int touches = 0; touches != 5; ++touches) {
        Touchy::touches_left = touches;
        CHECK_THROWS_AS(list.remove(Touchy{1}), std::runtime_error);
        REQUIRE(list.size() == 5);
    }
    Touchy::touches_left = 5;
    CHECK(list.remove(Touchy{1}) == 3);
    CHECK((*list.pop_front()).value == 2);
    CHECK((*list.pop_front()).value == 2);
}

TEST_CASE("removing copies nothing", "[list][remove]") {
    const BlockingList<Countable> list;
    for (int number = 0; number != 20; ++number)
        REQUIRE(list.push_back(Countable{number % 2}) == Push::done);
    const Census census;
    CHECK(list.remove(Countable{1}) == 10);
    CHECK(census.copies() == 0);
}

TEST_CASE("what can be compared but only moved can be removed", "[list][remove]") {
    const BlockingList<std::unique_ptr<int>> list;
    REQUIRE(list.push_back(nullptr) == Push::done);
    REQUIRE(list.push_back(std::make_unique<int>(1)) == Push::done);
    CHECK(list.remove(nullptr) == 1);
    CHECK(list.size() == 1);
}

TEST_CASE("what can be neither compared nor copied can be in a list all the same",
          "[list][inspect]") {
    struct Opaque {
        std::unique_ptr<int> inside;
    };
    const auto has_remove = [](const auto& list) {
        return requires(Opaque value) {
            list.remove(value);
        };
    };
    const auto has_range = [](const auto& list) {
        return requires {
            list.range();
        };
    };
    const BlockingList<Opaque> list;
    CHECK_FALSE(has_remove(list));
    CHECK_FALSE(has_range(list));
    CHECK(list.push_back(Opaque{}) == Push::done);
    CHECK(list.size() == 1);
}
