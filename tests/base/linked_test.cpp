// SPDX-License-Identifier: MIT
#include <runnel/detail/base/linked.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <random>
#include <utility>
#include <vector>

using runnel::detail::LinkedList;
using runnel::detail::LinkedQueue;
using runnel::detail::LinkedStack;

namespace {

struct Element {
    int number = 0;
    Element* previous = nullptr;
    Element* next = nullptr;
    Element* beside = nullptr;
};

using Numbers = std::vector<int>;

// Forwards; and fails unless it is the same backwards.
Numbers numbers_of(const LinkedList<Element>& list) {
    Numbers forwards;
    Numbers backwards;
    for (const auto* one = list.first(); one != nullptr; one = one->next)
        forwards.push_back(one->number);
    for (const auto* one = list.last(); one != nullptr; one = one->previous)
        backwards.push_back(one->number);
    std::reverse(backwards.begin(), backwards.end());
    CHECK(backwards == forwards);
    CHECK(list.empty() == forwards.empty());
    return forwards;
}

bool stands_alone(const Element& element) {
    return element.previous == nullptr && element.next == nullptr;
}

}  // namespace

TEST_CASE("an element may take the place of another one in a linked list", "[linked]") {
    std::array<Element, 3> elements{{{1}, {2}, {3}}};
    std::array<Element, 3> others{{{10}, {20}, {30}}};
    LinkedList<Element> list;
    list.push_back(elements[0]);
    list.replace(elements[0], others[0]);
    CHECK(numbers_of(list) == Numbers{10});
    list.push_back(elements[1]);
    list.push_back(elements[2]);
    list.replace(elements[1], others[1]);
    CHECK(numbers_of(list) == Numbers{10, 20, 3});
    list.replace(elements[2], others[2]);
    list.replace(others[0], elements[0]);
    CHECK(numbers_of(list) == Numbers{1, 20, 30});
    for (const auto* one : {&elements[1], &elements[2], &others[0]}) CHECK(stands_alone(*one));
}

TEST_CASE("a linked list keeps the order in which its elements were put", "[linked]") {
    LinkedList<Element> list;
    std::array<Element, 5> elements{{{1}, {2}, {3}, {4}, {5}}};
    CHECK(numbers_of(list).empty());
    list.push_back(elements[1]);
    list.push_front(elements[0]);
    list.push_back(elements[4]);
    list.insert_behind(&elements[1], elements[2]);
    CHECK(numbers_of(list) == Numbers{1, 2, 3, 5});
    list.insert_behind(&elements[2], elements[3]);
    CHECK(numbers_of(list) == Numbers{1, 2, 3, 4, 5});

    list.remove(elements[2]);
    list.remove(elements[0]);
    list.remove(elements[4]);
    CHECK(numbers_of(list) == Numbers{2, 4});
    CHECK((stands_alone(elements[0]) && stands_alone(elements[2]) && stands_alone(elements[4])));
    list.insert_behind(nullptr, elements[0]);
    list.insert_behind(&elements[3], elements[4]);
    CHECK(numbers_of(list) == Numbers{1, 2, 4, 5});

    LinkedList<Element> other;
    other.push_back(elements[2]);
    list.swap(other);
    CHECK(numbers_of(list) == Numbers{3});
    CHECK(numbers_of(other) == Numbers{1, 2, 4, 5});
    for (const int number : {1, 2, 4, 5}) {
        const Element* const popped = other.pop_front();
        REQUIRE(popped != nullptr);
        CHECK(popped->number == number);
        CHECK(stands_alone(*popped));
    }
    CHECK(other.pop_front() == nullptr);
    list.forget();
    CHECK(numbers_of(list).empty());
}

TEST_CASE("a linked list does the same as a vector", "[linked]") {
    LinkedList<Element> list;
    std::array<Element, 12> elements{};
    for (std::size_t at = 0; at != elements.size(); ++at)
        elements[at].number = static_cast<int>(at);
    Numbers model;
    std::mt19937 random{7};
    for (int step = 0; step != 2'000; ++step) {
        Element& one = elements[random() % elements.size()];
        const auto found = std::find(model.begin(), model.end(), one.number);
        if (found != model.end()) {
            list.remove(one);
            model.erase(found);
        } else if (model.empty() || random() % 3 == 0) {
            list.push_front(one);
            model.insert(model.begin(), one.number);
        } else {
            const auto before = model.begin() + static_cast<int>(random() % model.size());
            list.insert_behind(&elements[static_cast<std::size_t>(*before)], one);
            model.insert(before + 1, one.number);
        }
        REQUIRE(numbers_of(list) == model);
    }
}

TEST_CASE("a linked queue is first in, first out, by whatever link", "[linked]") {
    LinkedQueue<Element, &Element::beside> queue;
    std::array<Element, 3> elements{{{1}, {2}, {3}}};
    elements[0].beside = &elements[2];  // left over from elsewhere
    for (int round = 0; round != 2; ++round) {
        CHECK(queue.empty());
        for (Element& one : elements) queue.push_back(one);
        CHECK(queue.first() == &elements[0]);
        CHECK(&queue.pop_front() == &elements[0]);
        queue.push_back(elements[0]);
        CHECK(&queue.pop_front() == &elements[1]);
        CHECK(&queue.pop_front() == &elements[2]);
        CHECK(&queue.pop_front() == &elements[0]);
    }
    CHECK(queue.empty());
}

TEST_CASE("a linked stack is last in, first out", "[linked]") {
    LinkedStack<Element> stack;
    std::array<Element, 3> elements{{{1}, {2}, {3}}};
    for (Element& one : elements) stack.push(one);
    LinkedStack<Element> moved{std::move(stack)};
    CHECK(stack.empty());  // NOLINT(*-use-after-move)
    CHECK(moved.top() == &elements[2]);
    for (const int number : {3, 2, 1}) {
        const Element& popped = moved.pop();
        CHECK(popped.number == number);
        CHECK(popped.next == nullptr);
    }
    CHECK(moved.empty());
}

TEST_CASE("an element can be taken out of a queue wherever it stands", "[linked]") {
    std::array<Element, 4> elements{{{1}, {2}, {3}, {4}}};
    const std::size_t gone = GENERATE(0U, 1U, 2U, 3U);
    LinkedQueue<Element, &Element::beside> queue;
    for (Element& element : elements) queue.push_back(element);
    CHECK(queue.remove(elements[gone]));
    CHECK_FALSE(queue.remove(elements[gone]));
    queue.push_back(elements[gone]);
    Numbers left;
    while (!queue.empty()) left.push_back(queue.pop_front().number);
    Numbers expected{1, 2, 3, 4};
    expected.erase(expected.begin() + static_cast<std::ptrdiff_t>(gone));
    expected.push_back(static_cast<int>(gone) + 1);
    CHECK(left == expected);
}
