// SPDX-License-Identifier: MIT
#include <runnel/blocking_list.hpp>
#include <runnel/error.hpp>
#include <runnel/outcome.hpp>

#include "support/catch.hpp"
#include "support/elements.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

using runnel::Batch;
using runnel::BlockingList;
using runnel::Ending;
using runnel::Error;
using runnel::ErrorCode;
using runnel::Popped;
using runnel::Push;
using runnel::Pushed;
using runnel::test::drain;
using runnel::test::elements;
using runnel::test::ending;
using runnel::test::fill;
using runnel::test::value;
using runnel::test::values;

using Numbers = std::vector<int>;
using Number = std::unique_ptr<int>;

TEST_CASE("a new list is empty, open, and as long as memory lasts", "[list]") {
    const BlockingList<int> list;
    CHECK(list.size() == 0);
    CHECK_FALSE(list.closed());
    CHECK(ending(list.try_pop_front()) == Ending::timed_out);
}

TEST_CASE("pushed at the back and popped at the front, a list is a queue", "[list]") {
    const BlockingList<int> list;
    for (int number = 0; number != 10'000; ++number)
        REQUIRE(list.push_back(int{number}) == Push::done);
    CHECK(list.size() == 10'000);
    for (int number = 0; number != 10'000; ++number) REQUIRE(value(list.pop_front()) == number);
    CHECK(list.size() == 0);
}

TEST_CASE("pushed at the front and popped at the back, a list is a queue, too", "[list]") {
    const BlockingList<int> list;
    for (int number = 0; number != 10'000; ++number)
        REQUIRE(list.push_front(int{number}) == Push::done);
    for (int number = 0; number != 10'000; ++number) REQUIRE(value(list.pop_back()) == number);
    CHECK(list.size() == 0);
}

TEST_CASE("pushed and popped at the same end, a list is a stack", "[list]") {
    const BlockingList<int> list;
    CHECK(list.push_back(1) == Push::done);
    CHECK(list.push_back(2) == Push::done);
    CHECK(value(list.pop_back()) == 2);
    CHECK(list.push_front(0) == Push::done);
    CHECK(value(list.pop_front()) == 0);
    CHECK(value(list.pop_front()) == 1);
}

template <typename T>
constexpr bool takes_lvalues = requires(const BlockingList<T>& list, const T& message) {
    list.push_back(message);
};

TEST_CASE("an lvalue is copied, and stays what it is", "[list]") {
    const BlockingList<std::string> list;
    std::string word = "a word that is too long for its object";
    const std::string same = word;
    CHECK(list.push_back(word) == Push::done);
    CHECK(list.push_front(same) == Push::done);
    CHECK(list.try_push_back(word) == Push::done);
    CHECK(list.try_push_front(word) == Push::done);
    CHECK(list.push_back_if_exists(word) == Push::done);
    CHECK(list.push_front_if_exists(word) == Push::done);
    CHECK(word == same);
    CHECK(list.range() == std::vector<std::string>(6, same));

    STATIC_REQUIRE(takes_lvalues<int>);
    STATIC_REQUIRE_FALSE(takes_lvalues<std::unique_ptr<int>>);
}

TEST_CASE("a list grows at both ends", "[list]") {
    const BlockingList<int> list;
    for (const int number : {3, 2, 1}) REQUIRE(list.push_front(int{number}) == Push::done);
    for (const int number : {4, 5, 6}) REQUIRE(list.push_back(int{number}) == Push::done);
    CHECK(elements(list) == Numbers{1, 2, 3, 4, 5, 6});
}

TEST_CASE("elements that arrive while others are taken come after them", "[list]") {
    const BlockingList<int> list;
    fill(list, {1, 2, 3});
    CHECK(value(list.pop_front()) == 1);
    fill(list, {4, 5});
    CHECK(value(list.pop_front()) == 2);
    CHECK(list.push_front(0) == Push::done);
    CHECK(value(list.pop_back()) == 5);
    CHECK(drain(list) == Numbers{0, 3, 4});
}

TEST_CASE("what never waits does the same as what may", "[list]") {
    const BlockingList<int> list;
    CHECK(list.try_push_back(2) == Push::done);
    CHECK(list.try_push_front(1) == Push::done);
    CHECK(list.try_push_back(3) == Push::done);
    CHECK(value(list.try_pop_back()) == 3);
    CHECK(value(list.try_pop_front()) == 1);
    CHECK(value(list.try_pop_front()) == 2);
}

TEST_CASE("a try to pop from an empty list comes back with nothing", "[list]") {
    const BlockingList<int> list;
    CHECK(ending(list.try_pop_front()) == Ending::timed_out);
    CHECK(ending(list.try_pop_back()) == Ending::timed_out);
    CHECK(ending(list.try_pop_front_many(3)) == Ending::timed_out);
    CHECK(ending(list.try_pop_back_many(3)) == Ending::timed_out);
}

TEST_CASE("a push if the list exists is done on a list that has something", "[list]") {
    const BlockingList<int> list;
    fill(list, {2});
    CHECK(list.push_back_if_exists(3) == Push::done);
    CHECK(list.push_front_if_exists(1) == Push::done);
    CHECK(elements(list) == Numbers{1, 2, 3});
}

TEST_CASE("a push if the list exists leaves an empty list empty and the message its sender's",
          "[list]") {
    const BlockingList<Number> list;
    auto message = std::make_unique<int>(1);
    CHECK(list.push_back_if_exists(std::move(message)) == Push::absent);
    CHECK(list.push_front_if_exists(std::move(message)) == Push::absent);
    CHECK(list.size() == 0);
    REQUIRE(message);
    CHECK(list.push_back(std::move(message)) == Push::done);
    CHECK(list.push_back_if_exists(std::make_unique<int>(2)) == Push::done);
    CHECK(value(list.pop_back()) == 2);
    CHECK(value(list.pop_back()) == 1);
}

TEST_CASE("a push of many at the back keeps their order", "[list][many]") {
    const BlockingList<int> list;
    std::array messages{1, 2, 3};
    const Pushed pushed = list.push_back_many(messages);
    CHECK(pushed.count == 3);
    CHECK(pushed.ending == Push::done);
    CHECK(elements(list) == Numbers{1, 2, 3});
}

TEST_CASE("a push of many at the front puts the last one first", "[list][many]") {
    const BlockingList<std::string> list;
    fill<std::string>(list, {"z"});
    std::array<std::string, 3> messages{"a", "b", "c"};
    CHECK(list.push_front_many(messages).count == 3);
    CHECK(elements(list) == std::vector<std::string>{"c", "b", "a", "z"});
}

TEST_CASE("a push of many takes as many as there are", "[list][many]") {
    const BlockingList<int> list;
    Numbers messages(10'000);
    for (std::size_t at = 0; at != messages.size(); ++at) messages[at] = static_cast<int>(at);
    const Numbers expected = messages;
    CHECK(list.push_back_many(messages).count == 10'000);
    CHECK(elements(list) == expected);
}

TEST_CASE("a push of none is done", "[list][many]") {
    const BlockingList<int> list;
    CHECK(list.push_back_many({}).ending == Push::done);
    CHECK(list.push_front_many({}).ending == Push::done);
    CHECK(list.push_back_many({}).count == 0);
    CHECK(list.size() == 0);
}

TEST_CASE("a pop of many takes up to that many from the front", "[list][many]") {
    const BlockingList<int> list;
    fill(list, {1, 2, 3, 4, 5});
    CHECK(values(list.pop_front_many(2)) == Numbers{1, 2});
    CHECK(values(list.try_pop_front_many(2)) == Numbers{3, 4});
    CHECK(values(list.pop_front_many(100)) == Numbers{5});
    CHECK(list.size() == 0);
}

TEST_CASE("a pop of many from the back begins with the last element", "[list][many]") {
    const BlockingList<int> list;
    fill(list, {1, 2, 3, 4, 5});
    CHECK(values(list.pop_back_many(2)) == Numbers{5, 4});
    CHECK(values(list.try_pop_back_many(2)) == Numbers{3, 2});
    CHECK(values(list.pop_back_many(100)) == Numbers{1});
    CHECK(list.size() == 0);
}

TEST_CASE("a pop of as many as can be counted takes all there is", "[list][many]") {
    const BlockingList<int> list;
    fill(list, {1, 2, 3});
    CHECK(list.pop_front_many(static_cast<std::size_t>(-1)).size() == 3);
    fill(list, {1, 2, 3});
    CHECK(list.pop_back_many(static_cast<std::size_t>(-1)).size() == 3);
}

TEST_CASE("a pop of many over what came in at different times is one batch", "[list][many]") {
    const BlockingList<int> list;
    fill(list, {1, 2, 3});
    CHECK(value(list.pop_front()) == 1);
    fill(list, {4, 5, 6});
    CHECK(values(list.pop_front_many(4)) == Numbers{2, 3, 4, 5});
    CHECK(elements(list) == Numbers{6});
}

TEST_CASE("a pop of many of none is an error and takes nothing", "[list][many]") {
    const BlockingList<int> list;
    fill(list, {1});
    const auto code_of = [](auto&& call) {
        try {
            (void)call();
        } catch (const Error& error) {
            return error.code();
        }
        return ErrorCode::wrong_type;
    };
    CHECK(code_of([&] { return list.pop_front_many(0); }) == ErrorCode::invalid_argument);
    CHECK(code_of([&] { return list.pop_back_many(0); }) == ErrorCode::invalid_argument);
    CHECK(code_of([&] { return list.try_pop_front_many(0); }) == ErrorCode::invalid_argument);
    CHECK(code_of([&] { return list.try_pop_back_many(0); }) == ErrorCode::invalid_argument);
    CHECK(list.size() == 1);
}

TEST_CASE("what can only be moved goes through a list", "[list]") {
    const BlockingList<Number> list;
    auto message = std::make_unique<int>(7);
    const int* const address = message.get();
    CHECK(list.push_back(std::move(message)) == Push::done);
    CHECK_FALSE(message);
    auto popped = list.pop_front();
    REQUIRE(popped);
    const Number taken = *std::move(popped);
    CHECK(taken.get() == address);

    std::vector<Number> many;
    for (const int number : {1, 2, 3}) many.push_back(std::make_unique<int>(number));
    CHECK(list.push_back_many(many).count == 3);
    Batch<Number> batch = list.pop_back_many(2);
    REQUIRE(batch.size() == 2);
    CHECK(*batch[0] == 3);
    CHECK(*batch[1] == 2);
}

TEST_CASE("copies of a handle share one list", "[list][handle]") {
    const BlockingList<int> list;
    const BlockingList<int> copy = list;  // NOLINT(performance-unnecessary-copy-initialization)
    fill(list, {1});
    CHECK(value(copy.pop_front()) == 1);
    CHECK(copy == list);
    CHECK_FALSE(copy == BlockingList<int>{});
}

TEST_CASE("a handle can be made to stand for another list", "[list][handle]") {
    BlockingList<int> handle;
    const BlockingList<int> first = handle;
    const BlockingList<int> second;
    handle = second;
    CHECK(handle == second);
    CHECK_FALSE(handle == first);
    handle = *&handle;
    fill(handle, {5});
    CHECK(second.size() == 1);
    CHECK(first.size() == 0);
}

TEST_CASE("a handle that was moved from is still good", "[list][handle]") {
    BlockingList<int> list;
    const BlockingList<int> other = std::move(list);
    CHECK(list == other);
}

TEST_CASE("a list says what it carries", "[list][handle]") {
    STATIC_REQUIRE(std::is_same_v<BlockingList<Number>::value_type, Number>);
    STATIC_REQUIRE(std::is_nothrow_copy_constructible_v<BlockingList<Number>>);
    STATIC_REQUIRE(sizeof(BlockingList<Number>) == sizeof(void*));
}

TEST_CASE("a popped value is used as a pointer is", "[list][outcome]") {
    Popped<std::string> popped(std::in_place, std::string{"abc"});
    REQUIRE(popped);
    CHECK(*popped == "abc");
    CHECK(popped->size() == 3);
    popped->push_back('d');
    const Popped<std::string>& same = popped;
    CHECK(*same == "abcd");
    CHECK(same->size() == 4);
    const std::string taken = *std::move(popped);
    CHECK(taken == "abcd");
}

TEST_CASE("a pop without a value is false and tells why", "[list][outcome]") {
    for (const Ending why : {Ending::timed_out, Ending::stopped, Ending::closed, Ending::full}) {
        const Popped<int> popped{why};
        CHECK_FALSE(popped);
        CHECK(popped.ending() == why);
        const Batch<int> batch{why};
        CHECK_FALSE(batch);
        CHECK(batch.size() == 0);
        CHECK(batch.ending() == why);
    }
}

TEST_CASE("a popped value is asked for as that of an optional is", "[list][outcome]") {
    Popped<std::string> popped(std::in_place, std::string{"abc"});
    const Popped<std::string>& same = popped;
    CHECK(popped.has_value());
    CHECK(popped.value() == "abc");
    CHECK(&popped.value() == &*popped);
    CHECK(&same.value() == &*same);
    CHECK(same.value_or("none") == "abc");
    CHECK(*same == "abc");
    CHECK(std::move(popped).value_or("none") == "abc");
    CHECK(popped->empty());  // NOLINT(bugprone-use-after-move)
}

TEST_CASE("without a value there is the other one, or an error", "[list][outcome]") {
    Popped<std::string> popped{Ending::stopped};
    CHECK_FALSE(popped.has_value());
    CHECK(std::as_const(popped).value_or("none") == "none");
    CHECK(std::move(popped).value_or(std::string{"none"}) == "none");
    CHECK(popped.ending() == Ending::stopped);  // NOLINT(bugprone-use-after-move)
    const auto code_of = [](auto call) {
        try {
            (void)call();
        } catch (const Error& error) {
            return to_string(error.code());
        }
        return std::string_view{"nothing"};
    };
    CHECK(code_of([&] { return popped.value(); }) == "no_value");
    CHECK(code_of([&] { return std::as_const(popped).value(); }) == "no_value");
    CHECK(code_of([&] { return std::move(popped).value(); }) == "no_value");
}

TEST_CASE("what can only be moved is moved out of a result", "[list][outcome]") {
    const BlockingList<Number> list;
    for (const int number : {1, 2})
        REQUIRE(list.push_back(std::make_unique<int>(number)) == Push::done);
    CHECK(*list.try_pop_front().value() == 1);
    CHECK(*list.try_pop_front().value_or(nullptr) == 2);
    CHECK(list.try_pop_front().value_or(nullptr) == nullptr);
    STATIC_REQUIRE(std::is_same_v<decltype(std::declval<Popped<Number>>().value()), Number>);
    const Number& kept = list.try_pop_front().value_or(std::make_unique<int>(3));
    CHECK(*kept == 3);
}

TEST_CASE("a batch is walked through, or asked by position", "[list][outcome]") {
    Batch<int> batch{Numbers{1, 2, 3}};
    REQUIRE(batch);
    for (int& number : batch) number *= 10;
    batch[0] = 11;
    const Batch<int>& same = batch;
    CHECK(same[0] == 11);
    CHECK(Numbers(same.begin(), same.end()) == Numbers{11, 20, 30});
}

TEST_CASE("what several threads push several threads pop, each element once and in the order of "
          "its sender",
          "[list][race]") {
    constexpr int each = 20'000;
    constexpr int pushers = 2;
    const BlockingList<int> list;
    std::vector<Numbers> taken(2);
    {
        std::vector<std::jthread> poppers;
        for (Numbers& mine : taken) {
            poppers.emplace_back([&] {
                while (auto popped = list.pop_front()) mine.push_back(*popped);
            });
        }
        {
            std::vector<std::jthread> senders;
            for (int sender = 0; sender != pushers; ++sender) {
                senders.emplace_back([&list, sender] {
                    for (int number = 0; number != each; ++number)
                        (void)list.push_back(number * pushers + sender);
                });
            }
        }
        list.close();
    }
    Numbers all;
    for (const Numbers& mine : taken) {
        for (int sender = 0; sender != pushers; ++sender) {
            Numbers of_sender;
            std::copy_if(mine.begin(), mine.end(), std::back_inserter(of_sender),
                         [&](int number) { return number % pushers == sender; });
            CHECK(std::is_sorted(of_sender.begin(), of_sender.end()));
        }
        all.insert(all.end(), mine.begin(), mine.end());
    }
    std::sort(all.begin(), all.end());
    REQUIRE(all.size() == pushers * each);
    CHECK(all.front() == 0);
    CHECK(all.back() == pushers * each - 1);
    CHECK(std::adjacent_find(all.begin(), all.end()) == all.end());
}
