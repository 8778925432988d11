// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/assert.hpp>

#include <utility>

namespace runnel::inline v0::detail {

// Lists whose elements carry the links. They own nothing and allocate nothing; an element stands
// in one list at a time for each of its links.

// Linked both ways, by `previous` and `next`, which are null at the ends and outside of lists.
template <typename Element>
class LinkedList {
public:
    LinkedList() = default;
    LinkedList(const LinkedList&) = delete;
    LinkedList& operator=(const LinkedList&) = delete;

    [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
    // Null: there is none.
    [[nodiscard]] Element* first() const noexcept { return first_; }
    [[nodiscard]] Element* last() const noexcept { return last_; }

    void push_back(Element& element) noexcept {
        RUNNEL_ASSERT(stands_alone(element));
        element.previous = last_;
        (last_ != nullptr ? last_->next : first_) = &element;
        last_ = &element;
    }
    void push_front(Element& element) noexcept {
        RUNNEL_ASSERT(stands_alone(element));
        element.next = first_;
        (first_ != nullptr ? first_->previous : last_) = &element;
        first_ = &element;
    }
    // Null: at the front.
    void insert_behind(Element* before, Element& element) noexcept {
        if (before == nullptr) return push_front(element);
        if (before == last_) return push_back(element);
        RUNNEL_ASSERT(stands_alone(element));
        element.previous = before;
        element.next = before->next;
        before->next->previous = &element;
        before->next = &element;
    }

    // Requires: it stands in this list.
    void remove(Element& element) noexcept {
        (element.previous != nullptr ? element.previous->next : first_) = element.next;
        (element.next != nullptr ? element.next->previous : last_) = element.previous;
        element.previous = element.next = nullptr;
    }
    // `other` takes the place of `element`, which stands in this list.
    void replace(Element& element, Element& other) noexcept {
        RUNNEL_ASSERT(stands_alone(other));
        other.previous = std::exchange(element.previous, nullptr);
        other.next = std::exchange(element.next, nullptr);
        (other.previous != nullptr ? other.previous->next : first_) = &other;
        (other.next != nullptr ? other.next->previous : last_) = &other;
    }
    // Null: there is none.
    Element* pop_front() noexcept {
        Element* const element = first_;
        if (element != nullptr) remove(*element);
        return element;
    }

    // Empties the list and leaves the elements alone: they are gone, or another process's.
    void forget() noexcept { first_ = last_ = nullptr; }

    void swap(LinkedList& other) noexcept {
        std::swap(first_, other.first_);
        std::swap(last_, other.last_);
    }

private:
    [[nodiscard]] static bool stands_alone(const Element& element) noexcept {
        return element.previous == nullptr && element.next == nullptr;
    }

    Element* first_ = nullptr;
    Element* last_ = nullptr;
};

// Linked one way, by the member `Link`: first in, first out.
template <typename Element, Element* Element::*Link>
class LinkedQueue {
public:
    constexpr LinkedQueue() = default;
    LinkedQueue(const LinkedQueue&) = delete;
    LinkedQueue& operator=(const LinkedQueue&) = delete;

    [[nodiscard]] bool empty() const noexcept { return first_ == nullptr; }
    [[nodiscard]] Element* first() const noexcept { return first_; }

    void push_back(Element& element) noexcept {
        // Not written if it is null already: the element may lie on a cache line that another
        // thread polls.
        if (element.*Link != nullptr) element.*Link = nullptr;
        (first_ != nullptr ? last_->*Link : first_) = &element;
        last_ = &element;
    }
    // Reads the link of the element, which is not touched after that. Requires: not empty.
    Element& pop_front() noexcept {
        RUNNEL_ASSERT(!empty());
        return *std::exchange(first_, first_->*Link);
    }

    // False: it does not stand in this queue. Linear.
    [[nodiscard]] bool remove(const Element& element) noexcept {
        Element* before = nullptr;
        Element* one = first_;
        for (; one != nullptr && one != &element; one = one->*Link) before = one;
        return one != nullptr && unlink(before, *one);
    }

private:
    bool unlink(Element* before, Element& element) noexcept {
        (before != nullptr ? before->*Link : first_) = element.*Link;
        if (last_ == &element) last_ = before;
        return true;
    }

    Element* first_ = nullptr;
    Element* last_ = nullptr;  // valid if there is a first one
};

// Linked one way, by `next`: last in, first out.
template <typename Element>
class LinkedStack {
public:
    LinkedStack() = default;
    LinkedStack(LinkedStack&& other) noexcept : top_{std::exchange(other.top_, nullptr)} {}
    LinkedStack& operator=(LinkedStack other) noexcept {
        std::swap(top_, other.top_);
        return *this;
    }
    ~LinkedStack() { RUNNEL_ASSERT(empty()); }

    [[nodiscard]] bool empty() const noexcept { return top_ == nullptr; }
    [[nodiscard]] const Element* top() const noexcept { return top_; }

    void push(Element& element) noexcept { element.next = std::exchange(top_, &element); }
    // Requires: not empty.
    Element& pop() noexcept {
        RUNNEL_ASSERT(!empty());
        Element& element = *top_;
        top_ = std::exchange(element.next, nullptr);
        return element;
    }

private:
    Element* top_ = nullptr;
};

}  // namespace runnel::inline v0::detail
