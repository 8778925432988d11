// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/count_bits.hpp>
#include <runnel/detail/blocks/blocks.hpp>
#include <runnel/stream_id.hpp>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace runnel::inline v0::detail {

// What the tree indexes, as a base class. The key does not change while it is in the tree.
struct RadixLeaf {
    StreamId key;
};

// Leaves by their keys: finds, for any key, the leaf with the greatest key that is not greater.
//
//     8-0, 8-64, 8-130, 16-0:      [ 0-?, ms: 8 16 ]           nodes branch on one digit of the key
//                                            |  `-- 16-0
//                                  [ 8-??, seq: 0 1 2 ]        the digits in between are the same
//                                               |  |  `-- 8-130
//                                              8-0 8-64
//
// A key is 22 digits of 6 bits, 11 for each number, the first of which has 4 bits. A node keeps the
// digits that lead to it, so one way down finds the place of any key. Its children lie side by side
// in an array that doubles; counting bits finds a child.
//
// Of 4, 5, 6 and 8 bits, 6 are the fastest, and no other size saves more than a byte for each leaf.
// With 160 000 keys of a stream, a look-up takes about a third of the time of a std::map, and the
// nodes a quarter to a half of the memory.
//
// Invariants. A node has at least two children. The digit of a node comes before those of the nodes
// below it. All keys below a node agree with `Node::key` in the digits before its own.
//
// Not synchronised; const members write nothing.
class RadixTree {
public:
    RadixTree() = default;
    RadixTree(const RadixTree&) = delete;
    RadixTree& operator=(const RadixTree&) = delete;
    ~RadixTree() { clear(); }

    // Throws: std::bad_alloc, and then nothing has changed. Requires: no leaf has this key.
    void insert(RadixLeaf& leaf) {
        // Keys mostly ascend, and so belong where the one before was put.
        if (recent_ != nullptr && recent_->has_place_for(leaf.key)) {
            recent_->add(leaf.key, Child{leaf});
        } else {
            insert_from_root(leaf);
        }
    }

    // Requires: `leaf` is in the tree.
    void erase(RadixLeaf& leaf) noexcept {
        Child* parent = nullptr;
        Child* child = &root_;
        while (child != nullptr && child->is_node()) {
            parent = child;
            child = parent->node().find(leaf.key);
        }
        RUNNEL_ASSERT(child != nullptr && child->leaf() == &leaf);
        if (parent != nullptr) {
            remove(*parent, leaf.key);
        } else {
            root_ = Child{};
        }
    }

    // The leaf with the greatest key that is not greater than `key`; nullptr if there is none.
    [[nodiscard]] RadixLeaf* floor(StreamId key) const noexcept {
        if (root_.is_none()) return nullptr;
        Child below;  // the last child before `key` found so far
        Child child = root_;
        while (child.is_node() && child.node().leads_to(key)) {
            const Node& node = child.node();
            const std::uint64_t bit = node.bit_of(key);
            const std::uint32_t before = node.rank(bit);
            if (before != 0) below = node.children()[before - 1];
            if ((node.present & bit) == 0) return last_of(below);
            child = node.children()[before];
        }
        // All keys below `child` lie on the same side of `key`: they differ before the node's
        // digit. A branch and no conditional move: the processor goes on to the leaf before it has
        // the key.
        if (child.key() <= key) [[likely]]
            return last_of(child);
        return last_of(below);
    }

    void clear() noexcept {
        std::array<Node*, most_depth> path;
        std::size_t depth = 0;
        Child child = root_;
        root_ = Child{};
        recent_ = nullptr;
        for (;;) {
            if (child.is_node()) path[depth++] = &child.node();
            if (depth == 0) return;
            Node& node = *path[depth - 1];
            if (node.present != 0) {
                child = node.take_last();
            } else {
                release(node);
                --depth;
                child = Child{};
            }
        }
    }

private:
    struct Node;

    // A node, a leaf or none. Both have even addresses, so that an odd one can stand for a node.
    class Child {
    public:
        Child() = default;
        explicit Child(RadixLeaf& leaf) noexcept : address_{reinterpret_cast<std::byte*>(&leaf)} {}
        explicit Child(Node& node) noexcept : address_{reinterpret_cast<std::byte*>(&node) + 1} {}

        [[nodiscard]] bool is_none() const noexcept { return address_ == nullptr; }
        [[nodiscard]] bool is_node() const noexcept {
            return reinterpret_cast<std::uintptr_t>(address_) % 2 != 0;
        }
        [[nodiscard]] Node& node() const noexcept { return *reinterpret_cast<Node*>(address_ - 1); }
        // nullptr if none. Requires: not a node.
        [[nodiscard]] RadixLeaf* leaf() const noexcept {
            return reinterpret_cast<RadixLeaf*>(address_);
        }
        // The key of the leaf, or one with the digits that all keys below the node share.
        [[nodiscard]] StreamId key() const noexcept { return is_node() ? node().key : leaf()->key; }

    private:
        std::byte* address_ = nullptr;
    };
    static_assert(alignof(RadixLeaf) % 2 == 0);

    // A digit is named by its lowest bit: 0, 6 ... 60 in seq, 64, 70 ... 124 in ms.
    static constexpr std::uint32_t digit_bits = 6;
    static constexpr std::uint32_t word_bits = 64;
    static constexpr std::size_t most_depth = 22;

    [[nodiscard]] static constexpr std::uint64_t value_of(std::uint32_t digit,
                                                          StreamId key) noexcept {
        const std::uint64_t word = digit < word_bits ? key.seq : key.ms;
        return (word >> digit % word_bits) % (std::uint64_t{1} << digit_bits);
    }

    [[nodiscard]] static constexpr std::uint32_t first_digit(std::uint64_t word) noexcept {
        const auto bit = word_bits - 1 - static_cast<std::uint32_t>(std::countl_zero(word));
        return bit - bit % digit_bits;
    }

    // Requires: the keys differ.
    [[nodiscard]] static constexpr std::uint32_t first_difference(StreamId one,
                                                                  StreamId other) noexcept {
        RUNNEL_ASSERT(one != other);
        const std::uint64_t ms = one.ms ^ other.ms;
        return ms != 0 ? word_bits + first_digit(ms) : first_digit(one.seq ^ other.seq);
    }

    // Its children follow it in memory, ordered by their values of the digit.
    struct Node {
        Node(std::uint32_t branches_on, StreamId a_key, std::uint32_t room) noexcept
            : key{a_key}, digit{branches_on}, capacity{room} {}

        [[nodiscard]] Child* children() noexcept { return reinterpret_cast<Child*>(this + 1); }
        [[nodiscard]] const Child* children() const noexcept {
            return reinterpret_cast<const Child*>(this + 1);
        }

        [[nodiscard]] std::uint32_t count() const noexcept { return count_bits(present); }
        [[nodiscard]] bool is_full() const noexcept { return count() == capacity; }

        // Whether `other` agrees with all keys below in the digits before this one. In two shifts,
        // as one by the sum of both could be by more than a whole word.
        [[nodiscard]] bool leads_to(StreamId other) const noexcept {
            if (digit >= word_bits)
                return (key.ms ^ other.ms) >> (digit - word_bits) >> digit_bits == 0;
            return key.ms == other.ms && (key.seq ^ other.seq) >> digit >> digit_bits == 0;
        }

        [[nodiscard]] std::uint64_t bit_of(StreamId other) const noexcept {
            return std::uint64_t{1} << value_of(digit, other);
        }
        // How many children come before that of `bit`.
        [[nodiscard]] std::uint32_t rank(std::uint64_t bit) const noexcept {
            return count_bits(present & (bit - 1));
        }

        // The child with the same value of the digit, or nullptr.
        [[nodiscard]] Child* find(StreamId other) noexcept {
            const std::uint64_t bit = bit_of(other);
            return (present & bit) != 0 ? children() + rank(bit) : nullptr;
        }

        // Whether the node, as it is, can take a new child for `other`.
        [[nodiscard]] bool has_place_for(StreamId other) const noexcept {
            return leads_to(other) && (present & bit_of(other)) == 0 && !is_full();
        }

        // Requires: has_place_for(other).
        void add(StreamId other, Child child) noexcept {
            RUNNEL_ASSERT(has_place_for(other));
            const std::uint64_t bit = bit_of(other);
            Child* const place = children() + rank(bit);
            Child* const end = children() + count();
            std::move_backward(place, end, end + 1);
            *place = child;
            present |= bit;
        }

        // Requires: there is a child for `other`.
        void remove(StreamId other) noexcept {
            const std::uint64_t bit = bit_of(other);
            Child* const place = children() + rank(bit);
            std::move(place + 1, children() + count(), place);
            present &= ~bit;
        }

        // Removes the last child.
        Child take_last() noexcept {
            present ^= std::bit_floor(present);
            return children()[count()];
        }

        std::uint64_t present = 0;  // a bit for each value of the digit
        const StreamId key;         // one that was below; its digits from `digit` on do not matter
        const std::uint32_t digit;  // the children differ in it
        const std::uint32_t capacity;
    };

    // nullptr for none.
    [[nodiscard]] static RadixLeaf* last_of(Child child) noexcept {
        while (child.is_node()) child = child.node().children()[child.node().count() - 1];
        return child.leaf();
    }

    [[gnu::noinline]] void insert_from_root(RadixLeaf& leaf) {
        Child* child = &root_;
        while (child->is_node() && child->node().leads_to(leaf.key)) {
            Child* const next = child->node().find(leaf.key);
            if (next == nullptr) return add(*child, leaf);
            child = next;
        }
        if (child->is_none()) {
            *child = Child{leaf};
        } else {
            branch(*child, leaf);
        }
    }

    // Puts `leaf` below the node that is `child`, which has no child for its key.
    void add(Child& child, RadixLeaf& leaf) {
        if (child.node().is_full()) grow(child);
        recent_ = &child.node();
        recent_->add(leaf.key, Child{leaf});
    }

    // Replaces `child` by a node, and puts `child` and `leaf` below that.
    void branch(Child& child, RadixLeaf& leaf) {
        const StreamId other = child.key();
        Node& node = make(first_difference(other, leaf.key), leaf.key, 2);
        node.add(other, child);
        node.add(leaf.key, Child{leaf});
        child = Child{node};
        recent_ = &node;
    }

    // May leave `recent_` dangling: the caller sets it again.
    static void grow(Child& child) {
        Node& old = child.node();
        Node& larger = make(old.digit, old.key, 2 * old.capacity);
        larger.present = old.present;
        std::copy_n(old.children(), old.count(), larger.children());
        child = Child{larger};
        release(old);
    }

    // Removes the child for `key` from the node that is `parent`. If one child is left, it takes
    // the node's place.
    void remove(Child& parent, StreamId key) noexcept {
        Node& node = parent.node();
        node.remove(key);
        if (node.count() != 1) return;
        parent = node.children()[0];
        if (recent_ == &node) recent_ = nullptr;
        release(node);
    }

    [[nodiscard]] static constexpr std::size_t bytes(std::uint32_t capacity) noexcept {
        return sizeof(Node) + capacity * sizeof(Child);
    }

    [[nodiscard]] static Node& make(std::uint32_t digit, StreamId key, std::uint32_t capacity) {
        void* const memory = BlockMemory::allocate(bytes(capacity), alignof(Node));
        return *::new (memory) Node{digit, key, capacity};
    }

    static void release(Node& node) noexcept {
        const std::uint32_t capacity = node.capacity;
        std::destroy_at(&node);
        BlockMemory::release(&node, bytes(capacity), alignof(Node));
    }

    Child root_;
    Node* recent_ = nullptr;  // the node that the last insert has changed, if it is still there
};

}  // namespace runnel::inline v0::detail
