// SPDX-License-Identifier: MIT
#include <runnel/detail/core/index_range.hpp>
#include <runnel/detail/core/list_core.hpp>
#include <runnel/list_options.hpp>

#include "support/aligned_memory.hpp"
#include "support/catch.hpp"
#include "support/lifetime.hpp"
#include "support/scale.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <random>
#include <span>
#include <vector>

using runnel::End;
using runnel::detail::IndexRange;
using runnel::detail::ListBack;
using runnel::detail::ListCore;
using runnel::detail::ListFront;
using runnel::detail::ListSearch;
using runnel::test::Census;
using runnel::test::Countable;

namespace {

using NoMoreMemory = runnel::test::AlignedMemoryLeft;
using Values = std::vector<int>;
constexpr std::size_t unbounded = runnel::ListOptions{}.capacity;

Values numbers(const std::vector<Countable>& elements) {
    Values values;
    for (const Countable& element : elements) values.push_back(element.get());
    return values;
}

// A list of one thread.
class List {
public:
    explicit List(std::size_t capacity = unbounded) : capacity_{capacity} { refill_room(); }

    void refill_room() { back_.room = free_room(); }
    [[nodiscard]] std::size_t room() const { return back_.room; }
    [[nodiscard]] std::size_t free_room() const { return back_.free_room(capacity_, front_size()); }
    [[nodiscard]] bool empty() const { return core_.empty(); }
    [[nodiscard]] std::size_t size() const { return core_.size(); }
    [[nodiscard]] std::size_t front_size() const { return front_.size(); }

    void push_back(int value) { back_.push(Countable{value}); }
    std::size_t push_back_many(const Values& values) {
        std::vector<Countable> messages(values.begin(), values.end());
        return back_.push(std::span{messages});
    }
    void push(End end, int value) {
        core_.reserve(end);
        core_.push(end, Countable{value});
    }
    void push(End end, const Values& values) {
        for (const int value : values) push(end, value);
    }

    void refill_front() { core_.refill_front(); }
    int pop_of_front() {
        if (!front_.has()) return nothing;
        const int value = front_.first().get();
        front_.drop_first();
        return value;
    }
    Values pop_many_of_front(std::size_t count) {
        std::vector<Countable> out;
        out.reserve(count);
        if (!front_.has(count)) return {nothing};
        front_.pop_many(count, out);
        return numbers(out);
    }

    int pop(End end) {
        const int value = core_.peek(end).get();
        core_.drop(end);
        return value;
    }
    Values pop_many(End end, std::size_t count) {
        std::vector<Countable> out;
        out.reserve(std::min(count, core_.size()));
        core_.pop_many(end, count, out);
        return numbers(out);
    }

    [[nodiscard]] Values from(std::size_t first, std::size_t count) const {
        Values values;
        core_.visit(first, count,
                    [&](const Countable& element) { values.push_back(element.get()); });
        return values;
    }
    [[nodiscard]] Values all() const { return from(0, size()); }

    [[nodiscard]] std::vector<std::size_t> find(int value, ListSearch search) const {
        return core_.find(Countable{value}, search);
    }
    Values extract(const std::vector<std::size_t>& positions) {
        std::vector<Countable> out;
        out.reserve(positions.size());
        core_.extract(positions, out);
        return numbers(out);
    }

    [[nodiscard]] int at(std::size_t position) const { return core_.at(position).get(); }
    int replace(std::size_t position, int value) {
        return core_.replace(position, Countable{value}).get();
    }
    // Without memory but what was reserved.
    void insert(std::size_t position, int value) {
        core_.reserve_insert(position);
        const NoMoreMemory none{0};
        core_.insert(position, Countable{value});
    }
    void push_many(End end, const Values& values) {
        core_.reserve_many(end, values.size());
        const NoMoreMemory none{0};
        for (const int value : values) core_.push(end, Countable{value});
    }
    // Pops before it pushes.
    void rotate(End from, std::size_t count) {
        const End to = from == End::front ? End::back : End::front;
        const Values moved = [&] {
            core_.reserve_many_after_pops(to, count);
            return pop_many(from, count);
        }();
        const NoMoreMemory none{0};
        for (const int value : moved) core_.push(to, Countable{value});
    }
    void keep_only(IndexRange range) { core_.keep_only(range); }

    static constexpr int nothing = -7;

private:
    const std::size_t capacity_;
    ListFront<Countable> front_;
    ListBack<Countable> back_;
    ListCore<Countable> core_{front_, back_};
};

// 1 to 3 in the front part, 4 to 6 in the back part.
struct ListInTwoParts : List {
    ListInTwoParts() {
        push(End::back, Values{1, 2, 3});
        refill_front();
        push(End::back, Values{4, 5, 6});
        REQUIRE(front_size() == 3);
        REQUIRE(all() == Values{1, 2, 3, 4, 5, 6});
    }
};

using Positions = std::vector<std::size_t>;

}  // namespace

TEST_CASE("the core of a new list is empty and has room for all it may hold", "[list_core]") {
    const List bounded{5};
    CHECK(bounded.empty());
    CHECK(bounded.size() == 0);
    CHECK(bounded.room() == 5);
    CHECK(bounded.free_room() == 5);
    CHECK(List{}.free_room() == unbounded);
}

TEST_CASE("what is pushed stands at the back until the front is refilled", "[list_core]") {
    List list;
    list.push_back(1);
    list.push_back(2);
    CHECK(list.front_size() == 0);
    CHECK(list.pop_of_front() == List::nothing);
    list.refill_front();
    CHECK(list.front_size() == 2);
    CHECK(list.pop_of_front() == 1);
    CHECK(list.front_size() == 1);
    CHECK(list.size() == 1);
}

TEST_CASE("each push at the back takes room, and a pop gives it back when it is reckoned anew",
          "[list_core]") {
    List list{3};
    list.push_back(1);
    CHECK(list.push_back_many({2, 3}) == 2);
    CHECK(list.room() == 0);
    CHECK(list.free_room() == 0);
    list.refill_front();
    CHECK(list.pop_of_front() == 1);
    CHECK(list.room() == 0);
    CHECK(list.free_room() == 1);
    list.refill_room();
    CHECK(list.room() == 1);
}

TEST_CASE("a list that holds more than it may has no room, not less than none", "[list_core]") {
    List list{1};
    list.push(End::back, Values{1, 2, 3});
    CHECK(list.free_room() == 0);
}

TEST_CASE("pushes at the front come before all others, wherever those stand", "[list_core]") {
    List list;
    list.push(End::front, 2);
    list.push(End::back, 3);
    list.push(End::front, 1);
    CHECK(list.all() == Values{1, 2, 3});
    list.refill_front();
    list.push(End::back, 4);
    list.push(End::front, 0);
    CHECK(list.all() == Values{0, 1, 2, 3, 4});
}

TEST_CASE_METHOD(ListInTwoParts, "elements leave in their order across the two parts",
                 "[list_core]") {
    CHECK(pop(End::front) == 1);
    CHECK(pop(End::back) == 6);
    CHECK(pop_many(End::front, 3) == Values{2, 3, 4});
    CHECK(pop(End::back) == 5);
    CHECK(empty());
    CHECK(front_size() == 0);
}

TEST_CASE_METHOD(ListInTwoParts, "pops from the back reach into the front part", "[list_core]") {
    CHECK(pop_many(End::back, 4) == Values{6, 5, 4, 3});
    CHECK(front_size() == 2);
    CHECK(pop(End::back) == 2);
    CHECK(pop(End::back) == 1);
    CHECK(empty());
}

TEST_CASE_METHOD(ListInTwoParts, "a pop of many takes no more than there is", "[list_core]") {
    CHECK(pop_many(End::front, 100) == Values{1, 2, 3, 4, 5, 6});
    CHECK(pop_many(End::front, 1).empty());
    CHECK(pop_many(End::back, 1).empty());
}

TEST_CASE_METHOD(ListInTwoParts, "of the front part alone many are taken all or none",
                 "[list_core]") {
    CHECK(pop_many_of_front(4) == Values{List::nothing});
    CHECK(size() == 6);
    CHECK(pop_many_of_front(3) == Values{1, 2, 3});
    CHECK(all() == Values{4, 5, 6});
}

TEST_CASE_METHOD(ListInTwoParts, "a visit goes on from the front part into the back part",
                 "[list_core]") {
    CHECK(from(0, 2) == Values{1, 2});
    CHECK(from(1, 4) == Values{2, 3, 4, 5});
    CHECK(from(3, 3) == Values{4, 5, 6});
    CHECK(from(5, 1) == Values{6});
    CHECK(from(6, 0).empty());
}

namespace {

// Ones at 0, 2, 3 and 5; the first three elements are in the front part.
struct ListWithOnes : List {
    ListWithOnes() {
        push(End::back, Values{1, 2, 1});
        refill_front();
        push(End::back, Values{1, 3, 1});
    }
};

}  // namespace

TEST_CASE_METHOD(ListWithOnes, "elements are found by value from either end", "[list_core]") {
    CHECK(find(1, {.from = End::front}) == Positions{0, 2, 3, 5});
    CHECK(find(1, {.from = End::back}) == Positions{5, 3, 2, 0});
    CHECK(find(4, {.from = End::front}).empty());
    CHECK(find(4, {.from = End::back}).empty());
}

TEST_CASE_METHOD(ListWithOnes, "no more are found than are looked for", "[list_core]") {
    CHECK(find(1, {.from = End::front, .limit = 3}) == Positions{0, 2, 3});
    CHECK(find(1, {.from = End::back, .limit = 3}) == Positions{5, 3, 2});
    CHECK(find(1, {.from = End::front, .limit = 0}).empty());
    CHECK(find(1, {.from = End::back, .limit = 0}).empty());
}

TEST_CASE_METHOD(ListWithOnes, "a search passes over the first matches", "[list_core]") {
    CHECK(find(1, {.from = End::front, .skip = 1, .limit = 2}) == Positions{2, 3});
    CHECK(find(1, {.from = End::back, .skip = 2}) == Positions{2, 0});
    CHECK(find(1, {.from = End::front, .skip = 4}).empty());
}

TEST_CASE_METHOD(ListWithOnes, "a search looks only so far from its end", "[list_core]") {
    CHECK(find(1, {.from = End::front, .within = 3}) == Positions{0, 2});
    CHECK(find(1, {.from = End::front, .within = 4}) == Positions{0, 2, 3});
    CHECK(find(1, {.from = End::back, .within = 3}) == Positions{5, 3});
    CHECK(find(1, {.from = End::back, .within = 4}) == Positions{5, 3, 2});
    CHECK(find(1, {.from = End::front, .within = 0}).empty());
    CHECK(find(1, {.from = End::back, .skip = 1, .within = 3}) == Positions{3});
}

TEST_CASE_METHOD(ListInTwoParts, "an element is read and replaced at its position", "[list_core]") {
    for (int position = 0; position != 6; ++position)
        CHECK(at(static_cast<std::size_t>(position)) == position + 1);
    CHECK(replace(2, 30) == 3);
    CHECK(replace(3, 40) == 4);
    CHECK(all() == Values{1, 2, 30, 40, 5, 6});
}

TEST_CASE("an element goes in front of any other, or behind all", "[list_core]") {
    for (std::size_t position = 0; position <= 6; ++position) {
        CAPTURE(position);
        ListInTwoParts list;
        list.insert(position, 9);
        Values expected{1, 2, 3, 4, 5, 6};
        expected.insert(expected.begin() + static_cast<std::ptrdiff_t>(position), 9);
        CHECK(list.all() == expected);
        CHECK(list.front_size() == (position < 3 ? 4 : 3));
    }
}

TEST_CASE_METHOD(ListInTwoParts, "a list is cut to a range of itself", "[list_core]") {
    keep_only({1, 4});
    CHECK(all() == Values{2, 3, 4, 5});
    CHECK(front_size() == 2);
    keep_only({2, 2});
    CHECK(all() == Values{4, 5});
    CHECK(front_size() == 0);
    keep_only({});
    CHECK(empty());
}

TEST_CASE_METHOD(ListInTwoParts, "several elements are pushed one after the other", "[list_core]") {
    push_many(End::back, {7, 8});
    push_many(End::front, {0, -1});
    CHECK(all() == Values{-1, 0, 1, 2, 3, 4, 5, 6, 7, 8});
}

TEST_CASE("when memory runs out, a list is as it was", "[list_core]") {
    const Values full(8, 1);
    List list;
    list.push(End::back, full);
    list.refill_front();
    list.push(End::back, full);
    const Values before = list.all();
    {
        const NoMoreMemory none{0};
        CHECK_THROWS_AS(list.insert(3, 9), std::bad_alloc);
        CHECK_THROWS_AS(list.insert(12, 9), std::bad_alloc);
        CHECK_THROWS_AS(list.push_many(End::front, full), std::bad_alloc);
        CHECK_THROWS_AS(list.push_many(End::back, full), std::bad_alloc);
        CHECK_THROWS_AS(list.rotate(End::front, 2), std::bad_alloc);
    }
    CHECK(list.all() == before);
}

TEST_CASE_METHOD(ListInTwoParts, "elements are taken out of the middle of both parts",
                 "[list_core]") {
    CHECK(extract({1, 2, 3, 5}) == Values{2, 3, 4, 6});
    CHECK(all() == Values{1, 5});
    CHECK(front_size() == 1);
    CHECK(extract({}).empty());
    CHECK(extract({1, 0}) == Values{1, 5});
    CHECK(empty());
    CHECK(front_size() == 0);
}

namespace {

class Model {
public:
    explicit Model(std::uint32_t seed) : random_{seed} {}

    void step() {
        const bool rises = expected_.empty() || (expected_.size() < 300 && below(2) == 0);
        rises ? grow() : shrink();
    }

    [[nodiscard]] bool is_right() const {
        return list_.all() == Values(expected_.begin(), expected_.end()) &&
               list_.empty() == expected_.empty() && list_.front_size() <= expected_.size() &&
               right_;
    }

    [[nodiscard]] std::size_t size() const { return expected_.size(); }

private:
    std::size_t below(std::size_t bound) { return random_() % bound; }
    End any_end() { return below(2) == 0 ? End::front : End::back; }
    void expect(bool condition) { right_ = right_ && condition; }

    Values next_values() {
        Values values(below(40));
        for (int& value : values) value = next_++;
        return values;
    }

    void grow() {
        switch (below(6)) {
        case 0: {
            const Values values = next_values();
            list_.refill_room();
            expect(list_.push_back_many(values) == values.size());
            expected_.insert(expected_.end(), values.begin(), values.end());
            break;
        }
        case 1:
            list_.push(End::front, next_);
            expected_.push_front(next_++);
            break;
        case 2: {
            const End end = any_end();
            const Values values = next_values();
            list_.push_many(end, values);
            for (const int value : values)
                end == End::front ? expected_.push_front(value) : expected_.push_back(value);
            break;
        }
        case 3: {
            const std::size_t position = below(expected_.size() + 1);
            list_.insert(position, next_);
            expected_.insert(place(position), next_++);
            break;
        }
        case 4:
            list_.refill_room();
            list_.push_back(next_);
            expected_.push_back(next_++);
            break;
        default:
            list_.push(End::back, next_);
            expected_.push_back(next_++);
        }
    }

    std::deque<int>::iterator place(std::size_t position) {
        return expected_.begin() + static_cast<std::ptrdiff_t>(position);
    }

    void shrink() {
        switch (below(9)) {
        case 0:
            expect(list_.pop(End::front) == take(End::front));
            break;
        case 1:
            expect(list_.pop(End::back) == take(End::back));
            break;
        case 2:
            pop_many(any_end(), below(60));
            break;
        case 3:
            pop_of_front();
            break;
        case 4:
            extract();
            break;
        case 5:
            rotate(any_end(), below(60));
            break;
        case 6:
            if (below(10) == 0) keep_only(below(expected_.size()));
            break;
        case 7: {
            const std::size_t position = below(expected_.size());
            expect(list_.at(position) == *place(position));
            expect(list_.replace(position, next_) == *place(position));
            *place(position) = next_++;
            break;
        }
        default:
            if (list_.front_size() == 0) list_.refill_front();
        }
    }

    int take(End end) {
        const int value = end == End::front ? expected_.front() : expected_.back();
        end == End::front ? expected_.pop_front() : expected_.pop_back();
        return value;
    }

    void pop_many(End end, std::size_t count) {
        const Values taken = list_.pop_many(end, count);
        expect(taken.size() == std::min(count, expected_.size()));
        for (const int value : taken) expect(value == take(end));
    }

    void rotate(End from, std::size_t count) {
        count = std::min(count, expected_.size());
        list_.rotate(from, count);
        for (; count != 0; --count)
            from == End::front ? expected_.push_back(take(from)) : expected_.push_front(take(from));
    }

    void keep_only(std::size_t first) {
        const IndexRange range{first, below(expected_.size() - first + 1)};
        list_.keep_only(range);
        expected_ = {place(range.first), place(range.first + range.count)};
    }

    void pop_of_front() {
        const std::size_t there = list_.front_size();
        const int value = list_.pop_of_front();
        if (there == 0) return expect(value == List::nothing);
        expect(value == take(End::front));
    }

    void extract() {
        Positions positions;
        Values taken;
        std::deque<int> kept;
        const std::size_t one_of = 1 + below(10);
        for (std::size_t at = 0; at != expected_.size(); ++at) {
            const bool goes = below(one_of) == 0;
            if (goes) positions.push_back(at);
            if (goes) taken.push_back(expected_[at]);
            if (!goes) kept.push_back(expected_[at]);
        }
        expect(list_.extract(positions) == taken);
        expected_ = kept;
    }

    std::mt19937 random_;
    List list_;
    std::deque<int> expected_;
    int next_ = 0;
    bool right_ = true;
};

}  // namespace

TEST_CASE("the core of a list does what a deque does", "[list_core][model]") {
    const std::size_t steps = runnel::test::scaled(100'000, 10'000);
    for (std::uint32_t seed = 1; seed != 6; ++seed) {
        CAPTURE(seed);
        Census census;
        {
            Model model{seed};
            for (std::size_t step = 0; step != steps; ++step) {
                model.step();
                if (step % 20 == 0 && !model.is_right()) FAIL("wrong after step " << step);
            }
            CHECK(census.alive() == static_cast<long>(model.size()));
        }
        CHECK(census.alive() == 0);
        CHECK(census.faults() == 0);
    }
}
