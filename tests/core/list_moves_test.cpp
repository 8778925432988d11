// SPDX-License-Identifier: MIT
#include <runnel/detail/core/index_range.hpp>
#include <runnel/detail/core/list_core.hpp>
#include <runnel/detail/core/list_moves.hpp>
#include <runnel/list_options.hpp>

#include "support/aligned_memory.hpp"
#include "support/catch.hpp"
#include "support/lifetime.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <deque>
#include <random>
#include <string>
#include <utility>
#include <vector>

using runnel::End;
using runnel::detail::IndexRange;
using runnel::detail::ListBack;
using runnel::detail::ListCore;
using runnel::detail::ListFront;
using runnel::detail::ListMove;
using runnel::detail::MoveOrder;
using runnel::test::Census;
using runnel::test::MoveOnly;

namespace {

using NoMoreMemory = runnel::test::AlignedMemoryLeft;

constexpr MoveOrder together = MoveOrder::together;
constexpr MoveOrder one_by_one = MoveOrder::one_by_one;

// A list of letters.
class Letters {
public:
    explicit Letters(const std::string& letters) {
        for (const char letter : letters) push(End::back, letter);
    }

    void push(End end, char letter) { core().push(end, MoveOnly{letter}); }
    void refill_front_if_empty() {
        if (front_.size() == 0) core().refill_front();
    }
    [[nodiscard]] ListCore<MoveOnly> core() { return {front_, back_}; }
    [[nodiscard]] std::string all() {
        std::string letters;
        core().visit(0, core().size(), [&](const MoveOnly& element) {
            letters.push_back(static_cast<char>(element.get()));
        });
        return letters;
    }

    // Moves as many as there are, at most `count`, without memory but what was reserved.
    void move_to(Letters& target, End from, End to, std::size_t count, MoveOrder order) {
        const ListMove move{from, to, order, std::min(count, core().size())};
        std::vector<MoveOnly> moved;
        moved.reserve(move.count);
        &target == this ? core().reserve_many_after_pops(to, move.count)
                        : target.core().reserve_many(to, move.count);
        const NoMoreMemory none{0};
        move_many(core(), target.core(), move, moved);
    }

private:
    ListFront<MoveOnly> front_;
    ListBack<MoveOnly> back_;
};

std::string after_move(End from, End to, MoveOrder order, std::size_t count = 2) {
    Letters source{"abcd"};
    Letters target{"xy"};
    source.move_to(target, from, to, count, order);
    return target.all();
}

std::string after_move_within(End from, End to, MoveOrder order, std::size_t count = 2) {
    Letters list{"abcd"};
    list.move_to(list, from, to, count, order);
    return list.all();
}

}  // namespace

TEST_CASE("elements that move together keep their order", "[list_moves]") {
    CHECK(after_move(End::front, End::front, together) == "abxy");
    CHECK(after_move(End::front, End::back, together) == "xyab");
    CHECK(after_move(End::back, End::front, together) == "cdxy");
    CHECK(after_move(End::back, End::back, together) == "xycd");
}

TEST_CASE("elements that move one by one are turned round from one end to the same end",
          "[list_moves]") {
    CHECK(after_move(End::front, End::front, one_by_one) == "baxy");
    CHECK(after_move(End::front, End::back, one_by_one) == "xyab");
    CHECK(after_move(End::back, End::front, one_by_one) == "cdxy");
    CHECK(after_move(End::back, End::back, one_by_one) == "xydc");
}

TEST_CASE("a move says beforehand which elements it takes and whether it turns them round",
          "[list_moves]") {
    CHECK(ListMove{.from = End::front, .count = 2}.range(4) == IndexRange{0, 2});
    CHECK(ListMove{.from = End::back, .count = 2}.range(4) == IndexRange{2, 2});
    CHECK(ListMove{.from = End::front, .count = 9}.range(4) == IndexRange{0, 4});
    CHECK(ListMove{.from = End::back, .count = 9}.range(4) == IndexRange{0, 4});
    CHECK(ListMove{End::front, End::front, one_by_one}.reverses());
    CHECK(ListMove{End::back, End::back, one_by_one}.reverses());
    CHECK_FALSE(ListMove{End::front, End::back, one_by_one}.reverses());
    CHECK_FALSE(ListMove{End::back, End::front, one_by_one}.reverses());
    CHECK_FALSE(ListMove{End::front, End::front, together}.reverses());
    CHECK_FALSE(ListMove{End::back, End::back, together}.reverses());
}

TEST_CASE("elements that move leave their list", "[list_moves]") {
    Letters source{"abcd"};
    Letters target{""};
    source.move_to(target, End::back, End::front, 3, together);
    CHECK(source.all() == "a");
    source.move_to(target, End::front, End::front, 9, together);
    CHECK(source.core().empty());
    CHECK(target.all() == "abcd");
}

TEST_CASE("a move between the ends of one list rotates it", "[list_moves]") {
    const MoveOrder order = GENERATE(one_by_one, together);
    CHECK(after_move_within(End::front, End::back, order) == "cdab");
    CHECK(after_move_within(End::back, End::front, order) == "cdab");
    CHECK(after_move_within(End::front, End::back, order, 4) == "abcd");
}

TEST_CASE("a move from an end of a list to itself turns the elements round one by one",
          "[list_moves]") {
    CHECK(after_move_within(End::front, End::front, one_by_one) == "bacd");
    CHECK(after_move_within(End::back, End::back, one_by_one) == "abdc");
    CHECK(after_move_within(End::front, End::front, one_by_one, 4) == "dcba");
}

TEST_CASE("a move from an end of a list to itself changes nothing if they move together",
          "[list_moves]") {
    const End end = GENERATE(End::front, End::back);
    CHECK(after_move_within(end, end, together) == "abcd");
    CHECK(after_move_within(end, end, together, 4) == "abcd");
}

namespace {

using Deque = std::deque<char>;

char take(Deque& from, End end) {
    const char letter = end == End::front ? from.front() : from.back();
    end == End::front ? from.pop_front() : from.pop_back();
    return letter;
}

// By the words of the rule: those that move together keep their order; each of the others moves by
// itself.
void move_by_the_rule(Deque& source, Deque& target, const ListMove& move) {
    Deque moved;
    for (std::size_t count = move.count; count != 0; --count) {
        const char letter = take(source, move.from);
        const bool goes_in_front = move.order == together ? move.from == End::back  //
                                                          : move.to == End::front;
        goes_in_front ? moved.push_front(letter) : moved.push_back(letter);
    }
    target.insert(move.to == End::front ? target.begin() : target.end(), moved.begin(),
                  moved.end());
}

}  // namespace

TEST_CASE("a reserved move cannot fail and does what deques do", "[list_moves][model]") {
    std::mt19937 random{1};
    const auto below = [&](std::size_t bound) { return random() % bound; };
    const auto any_end = [&] { return below(2) == 0 ? End::front : End::back; };
    Census census;
    for (int round = 0; round != 100; ++round) {
        std::array<Letters, 2> lists{Letters{""}, Letters{""}};
        std::array<Deque, 2> expected;
        for (std::size_t pushes = below(1000); pushes != 0; --pushes) {
            const std::size_t which = below(2);
            const End end = any_end();
            const auto letter = static_cast<char>('a' + below(26));
            lists.at(which).push(end, letter);
            end == End::front ? expected.at(which).push_front(letter)
                              : expected.at(which).push_back(letter);
            if (pushes == 100) lists.at(which).refill_front_if_empty();
        }
        for (int step = 0; step != 50; ++step) {
            const std::size_t source = below(2);
            const std::size_t target = below(2);
            const ListMove move{any_end(), any_end(), below(2) == 0 ? together : one_by_one,
                                below(expected.at(source).size() + 1)};
            CAPTURE(round, step, source, target, move.count);
            lists.at(source).move_to(lists.at(target), move.from, move.to, move.count, move.order);
            move_by_the_rule(expected.at(source), expected.at(target), move);
            for (const std::size_t each : {source, target}) {
                lists.at(each).refill_front_if_empty();
                REQUIRE(lists.at(each).all() ==
                        std::string(expected.at(each).begin(), expected.at(each).end()));
            }
        }
    }
    CHECK(census.alive() == 0);
    CHECK(census.faults() == 0);
}
