// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/assert.hpp>

#include <utility>

namespace runnel::inline v0::detail {

// A pairing heap whose elements carry the links. It owns nothing and allocates nothing; an element
// stands in one heap at a time. insert() takes constant time, remove() amortised logarithmic time.
//
// An element has the members `child`, `next` and `previous`, which are null outside of heaps.
// `child` is its first child, `next` its next sibling. `previous` is the sibling before it, of a
// first child the parent, and of the root the root itself: so it tells whether an element is in.
//
// Before{}(one, other): whether `one` comes out first.
template <typename Element, typename Before>
class PairingHeap {
public:
    PairingHeap() = default;
    PairingHeap(const PairingHeap&) = delete;
    PairingHeap& operator=(const PairingHeap&) = delete;

    // Null: it is empty.
    [[nodiscard]] Element* first() const noexcept { return root_; }

    // Whether it stands in a heap.
    [[nodiscard]] static bool is_in(const Element& element) noexcept {
        return element.previous != nullptr;
    }

    void insert(Element& element) noexcept {
        RUNNEL_ASSERT(!is_in(element) && element.child == nullptr);
        set_root(root_ != nullptr ? &meld(*root_, element) : &element);
    }

    // Requires: it stands in this heap.
    void remove(Element& element) noexcept {
        RUNNEL_ASSERT(is_in(element));
        Element* const below = unite(element.child);
        if (&element == root_) {
            set_root(below);
        } else {
            unlink(element);
            if (below != nullptr) set_root(&meld(*root_, *below));
        }
        leave_alone(element);
    }

    // `other` takes the place of `element`, which stands in this heap. Requires: of the two, and
    // any third one, the same one comes out first.
    void replace(Element& element, Element& other) noexcept {
        RUNNEL_ASSERT(is_in(element) && !is_in(other) && other.child == nullptr);
        other.child = element.child;
        if (other.child != nullptr) other.child->previous = &other;
        if (&element == root_) {
            set_root(&other);
        } else {
            other.next = element.next;
            other.previous = element.previous;
            link_before(element) = &other;
            if (other.next != nullptr) other.next->previous = &other;
        }
        leave_alone(element);
    }

    // Empties the heap and leaves the elements as they are: they are gone, or another process's.
    void forget() noexcept { root_ = nullptr; }

    // For an element of a heap that was forgotten: it stands in none.
    static void leave_alone(Element& element) noexcept {
        element.child = element.next = element.previous = nullptr;
    }

private:
    void set_root(Element* root) noexcept {
        root_ = root;
        if (root == nullptr) return;
        root->next = nullptr;
        root->previous = root;
    }

    // Of two trees one. Does not touch `next` of its root.
    [[nodiscard]] static Element& meld(Element& left, Element& right) noexcept {
        return Before{}(right, left) ? adopt(right, left) : adopt(left, right);
    }

    static Element& adopt(Element& parent, Element& child) noexcept {
        child.previous = &parent;
        child.next = parent.child;
        if (parent.child != nullptr) parent.child->previous = &child;
        parent.child = &child;
        return parent;
    }

    // Of siblings one tree: pairs from the first to the last, then the pairs from the last to the
    // first. This is what bounds the time of remove().
    [[nodiscard]] static Element* unite(Element* siblings) noexcept {
        Element* pairs = nullptr;
        while (siblings != nullptr) {
            Element* const one = siblings;
            Element* const other = one->next;
            siblings = other != nullptr ? other->next : nullptr;
            Element* const pair = other != nullptr ? &meld(*one, *other) : one;
            pair->next = std::exchange(pairs, pair);
        }
        Element* all = nullptr;
        while (pairs != nullptr) {
            Element* const pair = std::exchange(pairs, pairs->next);
            all = all != nullptr ? &meld(*all, *pair) : pair;
        }
        return all;
    }

    // Where the element before this one points to it.
    [[nodiscard]] static Element*& link_before(const Element& element) noexcept {
        Element& before = *element.previous;
        return before.child == &element ? before.child : before.next;
    }

    static void unlink(Element& element) noexcept {
        link_before(element) = element.next;
        if (element.next != nullptr) element.next->previous = element.previous;
    }

    Element* root_ = nullptr;
};

}  // namespace runnel::inline v0::detail
