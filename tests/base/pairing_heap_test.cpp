// SPDX-License-Identifier: MIT
#include <runnel/detail/base/pairing_heap.hpp>

#include "support/catch.hpp"
#include "support/stress_random.hpp"

#include <cstddef>
#include <deque>
#include <set>
#include <vector>

using runnel::detail::PairingHeap;
using runnel::test::Random;

namespace {

struct Number {
    std::size_t value = 0;
    Number* child = nullptr;
    Number* next = nullptr;
    Number* previous = nullptr;
};

struct Smaller {
    bool operator()(const Number& one, const Number& other) const noexcept {
        return one.value < other.value;
    }
};

using Heap = PairingHeap<Number, Smaller>;

// Takes all out, the first one each time.
std::vector<std::size_t> drain(Heap& heap) {
    std::vector<std::size_t> values;
    while (Number* const first = heap.first()) {
        heap.remove(*first);
        values.push_back(first->value);
    }
    return values;
}

bool stands_alone(const Number& number) {
    return number.child == nullptr && number.next == nullptr && number.previous == nullptr;
}

}  // namespace

TEST_CASE("the least element of a heap comes first", "[pairing_heap]") {
    std::deque<Number> numbers;
    Heap heap;
    CHECK(heap.first() == nullptr);
    for (const std::size_t value : {5U, 3U, 8U, 1U, 4U}) heap.insert(numbers.emplace_back(value));
    CHECK(heap.first()->value == 1);
    CHECK(drain(heap) == std::vector<std::size_t>{1, 3, 4, 5, 8});
    CHECK(heap.first() == nullptr);
}

TEST_CASE("an element of a heap can be taken out wherever it stands", "[pairing_heap]") {
    for (std::size_t which = 0; which != 6; ++which) {
        std::deque<Number> numbers;
        Heap heap;
        for (const std::size_t value : {2U, 0U, 5U, 1U, 4U, 3U})
            heap.insert(numbers.emplace_back(value));
        heap.remove(*heap.first());  // so that children have children
        heap.insert(numbers[1]);
        CHECK(Heap::is_in(numbers[which]));
        heap.remove(numbers[which]);
        CHECK(stands_alone(numbers[which]));
        std::multiset<std::size_t> left{0, 1, 2, 3, 4, 5};
        left.erase(numbers[which].value);
        CHECK(drain(heap) == std::vector<std::size_t>(left.begin(), left.end()));
    }
}

TEST_CASE("a heap that was forgotten leaves its elements alone", "[pairing_heap]") {
    Number one{1};
    Number two{2};
    Heap heap;
    heap.insert(one);
    heap.insert(two);
    heap.forget();
    CHECK(heap.first() == nullptr);
    CHECK(Heap::is_in(two));
    Heap::leave_alone(two);
    CHECK(stands_alone(two));
    heap.insert(two);
    CHECK(heap.first() == &two);
    heap.remove(two);
    Heap::leave_alone(one);
}

TEST_CASE("a heap does what a sorted multiset does", "[pairing_heap]") {
    for (std::size_t seed = 0; seed != 20; ++seed) {
        Random random{seed};
        const std::size_t range = 1 + random.below(300);  // with and without many equal ones
        std::deque<Number> numbers(1 + random.below(200));
        std::multiset<std::size_t> expected;
        Heap heap;
        const auto take_out = [&](Number& number) {
            heap.remove(number);
            expected.erase(expected.find(number.value));
            if (!stands_alone(number)) FAIL("an element that was taken out has links");
        };
        for (int step = 0; step != 3'000; ++step) {
            Number& number = random.one_of(numbers);
            if (heap.first() != nullptr && random.percent(20)) {
                take_out(*heap.first());
            } else if (Heap::is_in(number)) {
                take_out(number);
            } else if (Number& other = random.one_of(numbers); Heap::is_in(other)) {
                number.value = other.value;
                heap.replace(other, number);
                if (!stands_alone(other)) FAIL("an element that was replaced has links");
            } else {
                number.value = random.below(range);
                heap.insert(number);
                expected.insert(number.value);
            }
            const bool has_one = heap.first() != nullptr;
            if (has_one == expected.empty() ||
                (has_one && heap.first()->value != *expected.begin()))
                FAIL("seed " << seed << ": wrong after step " << step);
        }
        CHECK(drain(heap) == std::vector<std::size_t>(expected.begin(), expected.end()));
    }
}

TEST_CASE("a heap of many elements needs no recursion", "[pairing_heap]") {
    std::deque<Number> numbers;
    Heap heap;
    for (std::size_t value = 0; value != 100'000; ++value)
        heap.insert(numbers.emplace_back(value % 2 == 0 ? value : 200'000 - value));
    std::size_t last = 0;
    bool is_sorted = true;
    while (Number* const first = heap.first()) {
        heap.remove(*first);
        is_sorted = is_sorted && last <= first->value;
        last = first->value;
    }
    CHECK(is_sorted);
}
