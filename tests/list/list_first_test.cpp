// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>
#include <runnel/error.hpp>
#include <runnel/outcome.hpp>

#include "support/calls.hpp"
#include "support/catch.hpp"
#include "support/elements.hpp"
#include "support/eventually.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using runnel::BlockingList;
using runnel::End;
using runnel::Ending;
using runnel::Error;
using runnel::ErrorCode;
using runnel::FirstOptions;
using runnel::ManualClock;
using runnel::pop_first;
using runnel::PoppedFrom;
using runnel::Push;
using runnel::test::Call;
using runnel::test::elements;
using runnel::test::ending;
using runnel::test::fill;
using runnel::test::moving;
using runnel::test::popping_first;
using runnel::test::popping_front;
using runnel::test::pushing_back;
using runnel::test::value;
using namespace std::chrono_literals;

using Words = std::vector<std::string>;
using Lists = std::vector<BlockingList<std::string>>;

namespace {

struct ThreeLists {
    ManualClock clock;
    BlockingList<std::string> a{{.clock = &clock}};
    BlockingList<std::string> b{{.clock = &clock}};
    BlockingList<std::string> c{{.clock = &clock}};
    Lists all{a, b, c};
};

// Which list, and what.
using From = std::pair<std::size_t, std::string>;

std::optional<From> from(const PoppedFrom<std::string>& popped) {
    return popped ? std::optional{From{popped.which(), *popped}} : std::nullopt;
}

}  // namespace

TEST_CASE_METHOD(ThreeLists, "the first list that has something is taken from", "[list][first]") {
    fill<std::string>(b, {"1", "2"});
    fill<std::string>(c, {"3"});
    CHECK(from(pop_first({a, b, c})) == From{1, "1"});
    CHECK(from(pop_first({c, b, a})) == From{0, "3"});
    CHECK(from(pop_first({c, b, a})) == From{1, "2"});
    CHECK(a.size() + b.size() + c.size() == 0);
}

TEST_CASE_METHOD(ThreeLists,
                 "the order in which the lists are named counts, not which was filled "
                 "first",
                 "[list][first]") {
    fill<std::string>(c, {"earlier"});
    fill<std::string>(a, {"later"});
    CHECK(from(pop_first({a, b, c})) == From{0, "later"});
}

TEST_CASE_METHOD(ThreeLists, "the lists may come in any contiguous range", "[list][first]") {
    fill<std::string>(c, {"1", "2", "3", "4", "5"});
    CHECK(from(pop_first(all)) == From{2, "1"});
    CHECK(from(pop_first(std::span<const BlockingList<std::string>>{all}, FirstOptions{})) ==
          From{2, "2"});
    CHECK(from(pop_first(std::span{all})) == From{2, "3"});
    CHECK(from(pop_first(std::array{a, c})) == From{1, "4"});
    const BlockingList<std::string> some[] = {b, a, c};
    CHECK(from(pop_first(some)) == From{2, "5"});
}

TEST_CASE("a wait for many lists takes each of them once, whichever is named twice",
          "[list][first]") {
    ManualClock clock;
    std::vector<BlockingList<std::string>> many;
    for (int i = 0; i != 40; ++i) many.emplace_back(runnel::ListOptions{.clock = &clock});
    for (int i = 0; i != 40; ++i) many.push_back(many[static_cast<std::size_t>(i)]);
    Call pop{clock, [&](const std::stop_token& stop) { return pop_first(many, {.stop = stop}); }};
    REQUIRE(pop.waits());
    for (const auto& list : many) CHECK(list.stats().blocked_pops == 1);
    fill<std::string>(many[77], {"x"});
    CHECK(from(pop.result()) == From{37, "x"});
    for (const auto& list : many) CHECK(list.stats().blocked_pops == 0);
}

TEST_CASE_METHOD(ThreeLists, "the last element of the first list can be taken", "[list][first]") {
    fill<std::string>(b, {"1", "2"});
    CHECK(from(pop_first(all, {.from = End::back})) == From{1, "2"});
    CHECK(from(pop_first({a, b}, {.from = End::front})) == From{1, "1"});
}

TEST_CASE("to take from no list is an error", "[list][first]") {
    const auto code_of = [](auto call) {
        try {
            (void)call();
        } catch (const Error& error) {
            return error.code();
        }
        return ErrorCode::wrong_type;
    };
    const Lists none;
    CHECK(code_of([&] { return pop_first(none); }) == ErrorCode::invalid_argument);
    CHECK(code_of([] { return pop_first(std::initializer_list<BlockingList<int>>{}); }) ==
          ErrorCode::invalid_argument);
}

TEST_CASE_METHOD(ThreeLists, "a wait on several lists ends with the first element in any of them",
                 "[list][first][wait]") {
    for (std::size_t which = 0; which != 3; ++which) {
        auto pop = popping_first(clock, all);
        REQUIRE(pop.waits());
        CHECK(a.stats().blocked_pops == 1);
        CHECK(c.stats().blocked_pops == 1);
        CHECK(all[which].push_back("v") == Push::done);
        CHECK(from(pop.result()) == From{which, "v"});
        CHECK(a.stats().blocked_pops + b.stats().blocked_pops + c.stats().blocked_pops == 0);
    }
}

TEST_CASE_METHOD(ThreeLists, "a wait on several lists can take from the back",
                 "[list][first][wait]") {
    auto pop = popping_first(clock, all, {.from = End::back});
    Words messages{"1", "2"};
    CHECK(b.push_back_many(messages).count == 2);
    CHECK(from(pop.result()) == From{1, "2"});
    CHECK(elements(b) == Words{"1"});
}

TEST_CASE_METHOD(ThreeLists, "who waits on several lists takes one element, whatever comes",
                 "[list][first][wait]") {
    auto pop = popping_first(clock, all);
    REQUIRE(pop.waits());
    for (BlockingList<std::string>& list : all) CHECK(list.push_back("v") == Push::done);
    CHECK(from(pop.result()) == From{0, "v"});
    CHECK(a.size() == 0);
    CHECK(b.size() == 1);
    CHECK(c.size() == 1);
}

TEST_CASE_METHOD(ThreeLists, "a list that is named twice counts once", "[list][first][wait]") {
    Lists twice{a, b, a};
    fill<std::string>(a, {"0"});
    CHECK(from(pop_first(twice)) == From{0, "0"});

    auto pop = popping_first(clock, twice);
    REQUIRE(pop.waits());
    CHECK(a.stats().blocked_pops == 1);
    CHECK(a.push_back("1") == Push::done);
    CHECK(from(pop.result()) == From{0, "1"});

    auto closing = popping_first(clock, twice);
    a.close();
    CHECK(closing.waits());
    b.close();
    CHECK(ending(closing.result()) == Ending::closed);
}

TEST_CASE_METHOD(ThreeLists, "a wait on one list is a pop", "[list][first][wait]") {
    Lists one{a};
    auto pop = popping_first(clock, one);
    CHECK(a.push_back("1") == Push::done);
    CHECK(from(pop.result()) == From{0, "1"});
}

// ------------------------------------------------------------------ time and stop

TEST_CASE_METHOD(ThreeLists,
                 "a wait on several lists ends when its time is over, and takes nothing",
                 "[list][first][time]") {
    auto pop = popping_first(clock, all, {.timeout = 1h});
    clock.advance(1h - 1ns);
    CHECK(pop.waits());
    clock.advance(1ns);
    CHECK(ending(pop.result()) == Ending::timed_out);
    for (BlockingList<std::string>& list : all) {
        CHECK(list.stats().blocked_pops == 0);
        CHECK(list.push_back("v") == Push::done);
        CHECK(list.size() == 1);
    }
}

TEST_CASE_METHOD(ThreeLists, "without time there is no wait", "[list][first][time]") {
    CHECK(ending(pop_first(all, {.timeout = 0s})) == Ending::timed_out);
    fill<std::string>(b, {"1"});
    CHECK(from(pop_first(all, {.timeout = 0s})) == From{1, "1"});
}

TEST_CASE_METHOD(ThreeLists, "a wait on several lists ends when it is asked to stop",
                 "[list][first][stop]") {
    auto pop = popping_first(clock, all);
    REQUIRE(pop.waits());
    pop.stop();
    CHECK(ending(pop.result()) == Ending::stopped);

    std::stop_source stop;
    stop.request_stop();
    CHECK(ending(pop_first(all, {.stop = stop.get_token()})) == Ending::stopped);
    fill<std::string>(c, {"1"});
    CHECK(from(pop_first(all, {.stop = stop.get_token()})) == From{2, "1"});
    CHECK(a.stats().blocked_pops == 0);
}

TEST_CASE("the time of a wait on several lists is that of the first list", "[list][first][time]") {
    ManualClock clock;
    ManualClock other_clock;
    std::vector<BlockingList<std::string>> lists{
        BlockingList<std::string>{{.clock = &clock}},
        BlockingList<std::string>{{.clock = &other_clock}}};
    auto pop = popping_first(clock, lists, {.timeout = 1h});
    other_clock.advance(2h);
    CHECK(pop.waits());
    clock.advance(1h);
    CHECK(ending(pop.result()) == Ending::timed_out);

    auto served = popping_first(clock, lists);
    CHECK(lists[1].push_back("1") == Push::done);
    CHECK(from(served.result()) == From{1, "1"});
}

// ------------------------------------------------------------------ closing

TEST_CASE_METHOD(ThreeLists, "a wait on several lists goes on when one is closed",
                 "[list][first][close]") {
    auto pop = popping_first(clock, all);
    a.close();
    b.close();
    CHECK(pop.waits());
    CHECK(c.push_back("v") == Push::done);
    CHECK(from(pop.result()) == From{2, "v"});
}

TEST_CASE_METHOD(ThreeLists, "a wait on several lists ends when all are closed",
                 "[list][first][close]") {
    auto pop = popping_first(clock, all);
    c.close();
    a.close();
    CHECK(pop.waits());
    b.close();
    CHECK(ending(pop.result()) == Ending::closed);
}

TEST_CASE_METHOD(ThreeLists, "a wait begins with those that are still open",
                 "[list][first][close]") {
    a.close();
    c.close();
    auto pop = popping_first(clock, all);
    REQUIRE(pop.waits());
    a.close();
    CHECK(pop.waits());
    CHECK(b.push_back("v") == Push::done);
    CHECK(from(pop.result()) == From{1, "v"});
    auto last = popping_first(clock, all);
    b.close();
    CHECK(ending(last.result()) == Ending::closed);
}

TEST_CASE_METHOD(ThreeLists, "closed lists are taken from until the last is drained",
                 "[list][first][close]") {
    fill<std::string>(a, {"1"});
    fill<std::string>(c, {"2"});
    for (BlockingList<std::string>& list : all) list.close();
    CHECK(from(pop_first(all)) == From{0, "1"});
    CHECK(from(pop_first(all)) == From{2, "2"});
    CHECK(ending(pop_first(all)) == Ending::closed);
}

// ------------------------------------------------------------------ order

TEST_CASE_METHOD(ThreeLists, "who waits on several lists stands in the line of each",
                 "[list][first][order]") {
    auto first = popping_front(clock, b);
    auto second = popping_first(clock, all);
    auto third = popping_front(clock, b);
    CHECK(b.push_back("1") == Push::done);
    CHECK(value(first.result()) == "1");
    CHECK(b.push_back("2") == Push::done);
    CHECK(from(second.result()) == From{1, "2"});
    CHECK(third.waits());
    CHECK(b.push_back("3") == Push::done);
    CHECK(value(third.result()) == "3");
}

TEST_CASE_METHOD(ThreeLists, "who was served at one list is passed over at the others",
                 "[list][first][order]") {
    auto first = popping_first(clock, all);
    auto second = popping_front(clock, c);
    CHECK(a.push_back("1") == Push::done);
    CHECK(c.push_back("2") == Push::done);
    CHECK(from(first.result()) == From{0, "1"});
    CHECK(value(second.result()) == "2");
}

TEST_CASE_METHOD(ThreeLists, "two waits on the same lists in different orders are served in turn",
                 "[list][first][order]") {
    Lists reversed{c, b, a};
    auto first = popping_first(clock, all);
    auto second = popping_first(clock, reversed);
    CHECK(c.push_back("1") == Push::done);
    CHECK(c.push_back("2") == Push::done);
    CHECK(from(first.result()) == From{2, "1"});
    CHECK(from(second.result()) == From{0, "2"});
}

TEST_CASE_METHOD(ThreeLists, "an element that a move brings serves a wait on several lists",
                 "[list][first][order]") {
    BlockingList<std::string> source{{.clock = &clock}};
    auto pop = popping_first(clock, all);
    auto move = moving(clock, source, c);
    CHECK(source.push_back("v") == Push::done);
    CHECK(value(move.result()) == "v");
    CHECK(from(pop.result()) == From{2, "v"});
}

TEST_CASE_METHOD(ThreeLists,
                 "who is served behind moves takes from the first list that has something",
                 "[list][first][order]") {
    // Redis 7.2 and later: BLMOVE a c, BLMOVE a b, two times BLPOP c b a; RPUSH a 1 2 3 4.
    Lists reversed{c, b, a};
    auto to_c = moving(clock, a, c);
    auto to_b = moving(clock, a, b);
    auto first = popping_first(clock, reversed);
    auto second = popping_first(clock, reversed);
    auto third = popping_first(clock, reversed);
    Words messages{"1", "2", "3", "4"};
    CHECK(a.push_back_many(messages).count == 4);
    CHECK(value(to_c.result()) == "1");
    CHECK(value(to_b.result()) == "2");
    CHECK(from(first.result()) == From{0, "1"});
    CHECK(from(second.result()) == From{1, "2"});
    CHECK(from(third.result()) == From{2, "3"});
    CHECK(elements(a) == Words{"4"});
    CHECK(b.size() + c.size() == 0);
}

TEST_CASE_METHOD(ThreeLists, "who names the list first that is pushed to takes from it",
                 "[list][first][order]") {
    auto move = moving(clock, a, b);
    auto pop = popping_first(clock, all);
    Words messages{"1", "2"};
    CHECK(a.push_back_many(messages).count == 2);
    CHECK(from(pop.result()) == From{0, "2"});
    CHECK(elements(b) == Words{"1"});
}

TEST_CASE_METHOD(ThreeLists, "what two moves bring is taken in the order of the lists",
                 "[list][first][order]") {
    Lists reversed{c, b};
    auto to_b = moving(clock, a, b);
    auto to_c = moving(clock, a, c);
    auto pop = popping_first(clock, reversed);
    Words messages{"1", "2"};
    CHECK(a.push_back_many(messages).count == 2);
    CHECK(from(pop.result()) == From{0, "2"});
    CHECK(elements(b) == Words{"1"});
}

TEST_CASE_METHOD(ThreeLists, "who is served behind a move comes before who waits at its target",
                 "[list][first][order]") {
    Lists reversed{b, a};
    auto at_b = popping_front(clock, b);
    auto move = moving(clock, a, b);
    auto pop = popping_first(clock, reversed);
    Words messages{"1", "2"};
    CHECK(a.push_back_many(messages).count == 2);
    CHECK(from(pop.result()) == From{0, "1"});
    CHECK(at_b.waits());
    CHECK(elements(a) == Words{"2"});
    CHECK(b.push_back("3") == Push::done);
    CHECK(value(at_b.result()) == "3");
}

TEST_CASE_METHOD(ThreeLists, "who waits at closed lists behind a move gets what the move brings",
                 "[list][first][order][close]") {
    Lists reversed{b, a};
    auto move = moving(clock, a, b);
    auto first = popping_first(clock, reversed);
    auto second = popping_first(clock, reversed);
    CHECK(a.push_back("1") == Push::done);
    CHECK(from(first.result()) == From{0, "1"});
    a.close();
    CHECK(second.waits());
    b.close();
    CHECK(ending(second.result()) == Ending::closed);
}

TEST_CASE("a pop that is served where a move brought something makes room there",
          "[list][first][order]") {
    ManualClock clock;
    BlockingList<std::string> a{{.clock = &clock}};
    BlockingList<std::string> b{{.capacity = 1, .clock = &clock}};
    Lists reversed{b, a};
    auto move = moving(clock, a, b);
    auto pop = popping_first(clock, reversed);
    auto next = moving(clock, a, b);
    Words messages{"1", "2", "3"};
    CHECK(a.push_back_many(messages).count == 3);
    CHECK(from(pop.result()) == From{0, "1"});
    CHECK(value(next.result()) == "2");
    CHECK(elements(a) == Words{"3"});
    CHECK(elements(b) == Words{"2"});
}

TEST_CASE("a wait on several lists makes room where it takes", "[list][first]") {
    ManualClock clock;
    BlockingList<std::string> empty{{.clock = &clock}};
    BlockingList<std::string> full{{.capacity = 1, .clock = &clock}};
    fill<std::string>(full, {"x"});
    std::string message = "y";
    auto push = pushing_back(clock, full, message);
    CHECK(from(pop_first({empty, full})) == From{1, "x"});
    CHECK(push.result() == Push::done);
    CHECK(from(pop_first({empty, full})) == From{1, "y"});
}

TEST_CASE("what can only be moved can be taken from the first of several lists", "[list][first]") {
    const BlockingList<std::unique_ptr<int>> one;
    const BlockingList<std::unique_ptr<int>> other;
    REQUIRE(other.push_back(std::make_unique<int>(5)) == Push::done);
    auto popped = pop_first({one, other});
    REQUIRE(popped);
    CHECK(popped.which() == 1);
    const std::unique_ptr<int> taken = *std::move(popped);
    CHECK(*taken == 5);
}

TEST_CASE("in real time several threads wait on several lists, and each element is taken once",
          "[list][first][race]") {
    constexpr int count = 6'000;
    const std::vector<BlockingList<int>> lists(3);
    std::vector<std::vector<int>> taken(2);
    {
        std::vector<std::jthread> poppers;
        const std::vector<BlockingList<int>> reversed(lists.rbegin(), lists.rend());
        for (std::vector<int>& mine : taken) {
            poppers.emplace_back([&mine, &asked = &mine == taken.data() ? lists : reversed] {
                while (auto popped = pop_first(asked)) mine.push_back(*popped);
            });
        }
        for (int number = 0; number != count; ++number)
            REQUIRE(lists[static_cast<std::size_t>(number) % 3].push_back(int{number}) ==
                    Push::done);
        for (const BlockingList<int>& list : lists) list.close();
        poppers.clear();
    }
    std::vector<int> times(count);
    for (const std::vector<int>& mine : taken) {
        for (const int number : mine) ++times[static_cast<std::size_t>(number)];
    }
    CHECK(times == std::vector<int>(count, 1));
}
