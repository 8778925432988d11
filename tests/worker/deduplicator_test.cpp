// SPDX-License-Identifier: MIT
#ifndef RUNNEL_ASSERTS
#    define RUNNEL_ASSERTS 1
#endif
#include <runnel/clock.hpp>
#include <runnel/deduplicator.hpp>

#include "support/catch.hpp"
#include "support/errors.hpp"
#include "support/last_words.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

using runnel::Deduplicator;
using runnel::DeduplicatorOptions;
using runnel::DeduplicatorStats;
using runnel::ErrorCode;
using runnel::KeyState;
using runnel::ManualClock;
using runnel::test::error_of;
using runnel::test::last_words;
using namespace std::chrono_literals;

namespace {

// Three marks at most, for an hour.
struct Done {
    ManualClock clock;
    Deduplicator<int> keys{{.count = 3, .age = 1h, .clock = &clock}};

    KeyState state(int key) { return keys.begin(key).state(); }

    // Those of 0 … 9 that are marked.
    [[nodiscard]] std::vector<int> marked() const {
        std::vector<int> found;
        for (int key = 0; key != 10; ++key)
            if (keys.contains(key)) found.push_back(key);
        return found;
    }
    void mark(const std::vector<int>& all) {
        for (const int key : all) keys.mark(key);
    }
};

using Numbers = std::vector<int>;

std::string message_of(const DeduplicatorOptions& options) {
    try {
        const Deduplicator<int> refused{options};
    } catch (const runnel::Error& error) {
        return error.what();
    }
    return "nothing";
}

}  // namespace

// ---------------------------------------------------------------------- turns

TEST_CASE_METHOD(Done, "a key that nobody has seen is fresh", "[deduplicator]") {
    const auto turn = keys.begin(1);
    CHECK(turn.state() == KeyState::fresh);
    CHECK(turn);
}

TEST_CASE_METHOD(Done, "a key is busy as long as somebody works on it", "[deduplicator]") {
    const auto turn = keys.begin(1);
    const auto other = keys.begin(1);
    CHECK(other.state() == KeyState::busy);
    CHECK_FALSE(other);
    CHECK(state(2) == KeyState::fresh);
}

TEST_CASE_METHOD(Done, "a key that was marked is done, also while its turn lives",
                 "[deduplicator]") {
    auto turn = keys.begin(1);
    turn.mark();
    CHECK(turn.state() == KeyState::fresh);
    CHECK(state(1) == KeyState::done);
    CHECK(keys.contains(1));
    CHECK(keys.size() == 1);
}

TEST_CASE_METHOD(Done, "a turn that was not marked gives the key up", "[deduplicator]") {
    {
        const auto turn = keys.begin(1);
        CHECK_FALSE(keys.contains(1));
    }
    CHECK(state(1) == KeyState::fresh);
    CHECK(keys.stats() == DeduplicatorStats{});
}

TEST_CASE_METHOD(Done, "an exception in the handler gives the key up", "[deduplicator]") {
    const auto handle = [this] {
        auto turn = keys.begin(1);
        if (turn) throw std::runtime_error{"no"};
        turn.mark();
    };
    CHECK_THROWS(handle());
    CHECK(state(1) == KeyState::fresh);
}

TEST_CASE_METHOD(Done, "what was not fresh ends without an effect", "[deduplicator]") {
    auto turn = std::optional{keys.begin(1)};
    (void)keys.begin(1);
    CHECK(state(1) == KeyState::busy);
    turn->mark();
    (void)keys.begin(1);
    turn.reset();
    CHECK(state(1) == KeyState::done);
}

TEST_CASE_METHOD(Done, "a turn can be moved, and ends once", "[deduplicator]") {
    auto first = keys.begin(1);
    auto second = std::move(first);
    CHECK(keys.stats().in_work == 1);
    second = keys.begin(2);
    CHECK(state(1) == KeyState::fresh);
    CHECK(state(2) == KeyState::busy);
    auto& itself = second;
    second = std::move(itself);
    CHECK(state(2) == KeyState::busy);
    second.mark();
    CHECK(marked() == Numbers{2});
    STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<Deduplicator<int>::Turn>);
    STATIC_REQUIRE(std::is_nothrow_move_constructible_v<Deduplicator<int>::Turn>);
    STATIC_REQUIRE(std::is_nothrow_move_assignable_v<Deduplicator<int>::Turn>);
}

TEST_CASE_METHOD(Done, "a turn that is no one's to mark, or was marked, must not be marked",
                 "[deduplicator][misuse]") {
    auto turn = keys.begin(1);
    auto other = keys.begin(1);
    const auto message = Catch::Matchers::Contains("mark() of a Turn that is not fresh");
    CHECK_THAT(last_words([&] { other.mark(); }), message);
    CHECK_THAT(last_words([&] { other.mark(); }), Catch::Matchers::Contains("deduplicator_test"));
    turn.mark();
    CHECK_THAT(last_words([&] { turn.mark(); }), message);
}

TEST_CASE("a Deduplicator must outlive its turns", "[deduplicator][misuse]") {
    CHECK_THAT(last_words([] {
                   auto keys = std::make_unique<Deduplicator<int>>();
                   const auto turn = keys->begin(1);
                   keys.reset();
               }),
               Catch::Matchers::Contains("a Deduplicator is destroyed before a Turn of it"));
}

// ---------------------------------------------------------------------- marks

TEST_CASE_METHOD(Done, "a key can be marked without a turn", "[deduplicator]") {
    CHECK_FALSE(keys.contains(1));
    CHECK(keys.mark(1));
    CHECK(keys.contains(1));
    CHECK_FALSE(keys.mark(1));
    CHECK(state(1) == KeyState::done);
    CHECK(keys.size() == 1);
}

TEST_CASE_METHOD(Done, "a key that is marked while it is in work is done", "[deduplicator]") {
    auto turn = std::optional{keys.begin(1)};
    CHECK(keys.mark(1));
    CHECK(state(1) == KeyState::done);
    CHECK(keys.stats().in_work == 1);
    SECTION("also if its turn gives up") {
        turn.reset();
    }
    SECTION("and its turn may mark it, too") {
        turn->mark();
    }
    CHECK(state(1) == KeyState::done);
    CHECK(keys.stats().in_work == 0);
    CHECK(keys.size() == 1);
}

TEST_CASE_METHOD(Done, "the turn of a key that was marked meanwhile marks it anew",
                 "[deduplicator]") {
    auto turn = keys.begin(1);
    keys.mark(1);
    clock.advance(59min);
    turn.mark();
    clock.advance(59min);
    CHECK(keys.contains(1));
    clock.advance(1min);
    CHECK_FALSE(keys.contains(1));
}

TEST_CASE_METHOD(Done, "a mark can be taken away", "[deduplicator]") {
    mark({1, 2});
    CHECK(keys.forget(1));
    CHECK_FALSE(keys.forget(1));
    CHECK_FALSE(keys.forget(7));
    CHECK(marked() == Numbers{2});
    CHECK(state(1) == KeyState::fresh);
}

TEST_CASE_METHOD(Done, "to forget a key in work takes no turn away", "[deduplicator]") {
    auto turn = keys.begin(1);
    CHECK_FALSE(keys.forget(1));
    CHECK(state(1) == KeyState::busy);
    keys.mark(1);
    CHECK(keys.forget(1));
    CHECK(state(1) == KeyState::busy);
    turn.mark();
    CHECK(state(1) == KeyState::done);
}

TEST_CASE_METHOD(Done, "all marks can be taken away", "[deduplicator]") {
    auto turn = keys.begin(4);
    auto other = keys.begin(3);
    mark({1, 2, 3});
    keys.clear();
    CHECK(marked().empty());
    CHECK(keys.size() == 0);
    CHECK(state(3) == KeyState::busy);
    turn.mark();
    CHECK(marked() == Numbers{4});
    CHECK(keys.stats().dropped == 0);
}

// ---------------------------------------------------------------------- count

TEST_CASE_METHOD(Done, "the oldest mark makes room for a new one", "[deduplicator]") {
    mark({1, 2, 3});
    CHECK(marked() == Numbers{1, 2, 3});
    CHECK(keys.stats().dropped == 0);
    mark({4});
    CHECK(marked() == Numbers{2, 3, 4});
    keys.begin(5).mark();
    CHECK(marked() == Numbers{3, 4, 5});
    CHECK(keys.stats().dropped == 2);
    CHECK(keys.size() == 3);
}

TEST_CASE_METHOD(Done, "a key that is marked anew becomes the newest", "[deduplicator]") {
    mark({1, 2, 3, 1, 4});
    CHECK(marked() == Numbers{1, 3, 4});
}

TEST_CASE_METHOD(Done, "a key that is found done does not become newer", "[deduplicator]") {
    mark({1, 2, 3});
    CHECK(state(1) == KeyState::done);
    CHECK(keys.contains(1));
    mark({4});
    CHECK(marked() == Numbers{2, 3, 4});
}

TEST_CASE_METHOD(Done, "keys in work do not count, and are not dropped", "[deduplicator]") {
    std::vector<Deduplicator<int>::Turn> turns;
    for (int key = 0; key != 5; ++key) turns.push_back(keys.begin(key));
    mark({7, 8, 9});
    CHECK(marked() == Numbers{7, 8, 9});
    mark({6});
    CHECK(marked() == Numbers{6, 8, 9});
    for (int key = 0; key != 5; ++key) CHECK(state(key) == KeyState::busy);
    CHECK(keys.stats().in_work == 5);
    for (auto& turn : turns) turn.mark();
    CHECK(marked() == Numbers{2, 3, 4});
}

TEST_CASE_METHOD(Done, "a key in work whose mark is dropped is busy again", "[deduplicator]") {
    auto turn = keys.begin(1);
    mark({1, 2, 3, 4});
    CHECK(state(1) == KeyState::busy);
    CHECK(keys.size() == 3);
    turn.mark();
    CHECK(marked() == Numbers{1, 3, 4});
}

TEST_CASE("a Deduplicator may keep a single mark", "[deduplicator]") {
    Deduplicator<int> last{{.count = 1}};
    CHECK(last.mark(1));
    CHECK_FALSE(last.mark(1));
    CHECK(last.mark(2));
    CHECK_FALSE(last.contains(1));
    CHECK(last.size() == 1);
}

// ---------------------------------------------------------------------- age

TEST_CASE_METHOD(Done, "a mark counts until it is as old as `age`", "[deduplicator]") {
    mark({1});
    clock.advance(1h - 1ns);
    CHECK(keys.contains(1));
    CHECK(keys.size() == 1);
    clock.advance(1ns);
    SECTION("for contains()") {
        CHECK_FALSE(keys.contains(1));
    }
    SECTION("for begin()") {
        CHECK(state(1) == KeyState::fresh);
    }
    SECTION("for mark()") {
        CHECK(keys.mark(1));
    }
    SECTION("for forget()") {
        CHECK_FALSE(keys.forget(1));
    }
    SECTION("for size()") {
        CHECK(keys.size() == 0);
    }
    SECTION("for stats()") {
        CHECK(keys.stats().marks == 0);
    }
    CHECK(keys.stats().expired == 1);
    CHECK(keys.stats().dropped == 0);
}

TEST_CASE_METHOD(Done, "the wall clock does not matter", "[deduplicator]") {
    mark({1});
    clock.step_wall(2h);
    CHECK(keys.contains(1));
    clock.step_wall(-5h);
    clock.advance(1h);
    CHECK_FALSE(keys.contains(1));
}

TEST_CASE("of many marks that have expired none is seen, and a call drops two", "[deduplicator]") {
    ManualClock clock;
    Deduplicator<int> keys{{.count = 100, .age = 1h, .clock = &clock}};
    for (int key = 0; key != 100; ++key) keys.mark(key);
    clock.advance(1h);
    // Two for each call, and the one that it asks for: the last ones come first.
    for (int key = 99; key >= 70; --key) CHECK_FALSE(keys.contains(key));
    for (int key = 69; key != 59; --key) CHECK(keys.mark(key));
    CHECK(keys.size() == 10);
    CHECK(keys.stats().expired == 100);
    CHECK(keys.stats().dropped == 0);
}

TEST_CASE_METHOD(Done, "a key in work whose mark expires is busy again", "[deduplicator]") {
    auto turn = keys.begin(1);
    mark({2, 3, 1});
    clock.advance(1h);
    CHECK(state(1) == KeyState::busy);
    CHECK(keys.size() == 0);
    turn.mark();
    CHECK(marked() == Numbers{1});
}

TEST_CASE_METHOD(Done, "a turn may last longer than a mark", "[deduplicator]") {
    auto turn = keys.begin(1);
    clock.advance(48h);
    CHECK(state(1) == KeyState::busy);
    turn.mark();
    CHECK(state(1) == KeyState::done);
}

TEST_CASE("a mark of the longest age counts for ever", "[deduplicator]") {
    ManualClock clock;
    Deduplicator<int> keys{{.age = std::chrono::hours::max(), .clock = &clock}};
    keys.mark(1);
    for (int century = 0; century != 2; ++century) clock.advance(std::chrono::hours{24 * 36'500});
    CHECK(keys.contains(1));
}

// ---------------------------------------------------------------------- keys

namespace {

// A key of many that have the same hash.
struct SameHash {
    int number = 0;

    friend bool operator==(const SameHash&, const SameHash&) = default;
};
struct Seven {
    std::size_t operator()(const SameHash& /*key*/) const { return 7; }
};

struct Crossed {
    bool operator()(int one, int other) const { return one % 10 == other % 10; }
};
struct LastDigit {
    std::size_t operator()(int key) const { return static_cast<std::size_t>(key % 10); }
};

struct Title {
    std::string text;

    friend bool operator==(const Title&, const Title&) = default;
};
struct TitleHash {
    std::size_t operator()(const Title& title) const {
        return std::hash<std::string>{}(title.text);
    }
};

}  // namespace

TEST_CASE("keys with the same hash are told apart", "[deduplicator]") {
    Deduplicator<SameHash, Seven> keys{{.count = 50}};
    for (int number = 0; number != 100; ++number) CHECK(keys.mark({number}));
    for (int number = 0; number != 100; ++number) CHECK(keys.contains({number}) == (number >= 50));
    for (int number = 50; number != 100; number += 2) CHECK(keys.forget({number}));
    for (int number = 50; number != 100; ++number)
        CHECK(keys.contains({number}) == (number % 2 == 1));
}

TEST_CASE("a comparison of one's own says what is the same key", "[deduplicator]") {
    Deduplicator<int, LastDigit, Crossed> keys;
    CHECK(keys.mark(12));
    CHECK(keys.contains(2));
    CHECK_FALSE(keys.contains(13));
}

TEST_CASE("strings are given as any text", "[deduplicator]") {
    Deduplicator<std::string> keys;
    STATIC_REQUIRE(std::is_same_v<decltype(keys)::Given, std::string_view>);
    CHECK(keys.mark("one"));
    CHECK_FALSE(keys.mark(std::string{"one"}));
    CHECK(keys.contains(std::string_view{"one"}));
    CHECK(keys.begin("one").state() == KeyState::done);
    CHECK(keys.begin("").state() == KeyState::fresh);
    CHECK_FALSE(keys.contains("on"));
    CHECK(keys.forget("one"));
}

TEST_CASE("strings with a hash of one's own are given as strings", "[deduplicator]") {
    Deduplicator<Title, TitleHash> titles;
    CHECK(titles.mark(Title{"one"}));
    CHECK_FALSE(titles.mark(Title{"one"}));
    CHECK(titles.contains({"one"}));
}

TEST_CASE("many keys are found again", "[deduplicator]") {
    constexpr std::size_t many = 10'000;
    Deduplicator<std::size_t> keys{{.count = many}};
    for (std::size_t key = 0; key != many; ++key) REQUIRE(keys.mark(key * 1024));
    for (std::size_t key = 0; key != many; ++key) REQUIRE(keys.contains(key * 1024));
    REQUIRE(keys.size() == many);
    for (std::size_t key = 0; key != many; ++key) REQUIRE(keys.mark(key * 1024 + 1));
    for (std::size_t key = 0; key != many; ++key) REQUIRE_FALSE(keys.contains(key * 1024));
    CHECK(keys.stats().dropped == many);
}

// ---------------------------------------------------------------------- the rest

TEST_CASE_METHOD(Done, "what was found is counted", "[deduplicator]") {
    auto turn = keys.begin(1);
    (void)keys.begin(1);  // busy
    (void)keys.begin(1);
    turn.mark();
    (void)keys.begin(1);     // a duplicate
    (void)keys.contains(1);  // another one
    (void)keys.contains(2);
    (void)keys.mark(1);  // the third
    (void)keys.mark(2);
    auto other = keys.begin(3);
    CHECK(keys.stats() == DeduplicatorStats{.marks = 2, .in_work = 1, .duplicates = 3, .busy = 2});
    clock.advance(1h);
    mark({4, 5, 6, 7});
    CHECK(keys.stats() ==
          DeduplicatorStats{
              .marks = 3, .in_work = 1, .duplicates = 3, .busy = 2, .dropped = 1, .expired = 2});
}

TEST_CASE("options without a meaning are refused", "[deduplicator]") {
    CHECK(message_of({.count = 0}) == "Deduplicator: the count is 0; it must be at least 1");
    CHECK(message_of({.age = 0s}) == "Deduplicator: the age is not positive");
    CHECK(message_of({.age = -1ns}) == "Deduplicator: the age is not positive");
    CHECK(message_of({.count = 1, .age = 1ns}) == "nothing");
    CHECK(error_of([] { return Deduplicator<int>{{.count = 0}}.size(); }) ==
          ErrorCode::invalid_argument);
}

TEST_CASE("each state of a key has a name", "[deduplicator]") {
    CHECK(to_string(KeyState::fresh) == "fresh");
    CHECK(to_string(KeyState::done) == "done");
    CHECK(to_string(KeyState::busy) == "busy");
    CHECK(to_string(static_cast<KeyState>(77)) == "unknown");
}

TEST_CASE("without a clock, a Deduplicator goes by the machine's", "[deduplicator]") {
    Deduplicator<int> for_a_day;
    CHECK(for_a_day.mark(1));
    CHECK(for_a_day.contains(1));
    STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<Deduplicator<int>>);
    STATIC_REQUIRE_FALSE(std::is_move_constructible_v<Deduplicator<int>>);
}
