// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/deduplicator_options.hpp>
#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/linked.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>
#include <vector>

namespace runnel::inline v0::detail {

// Keys that are marked, for some time and up to some number, and keys that are in work.
//
//     buckets   [ . | o | . | o ]             by hash
//                     |       |
//     nodes           a--b    c               each marked, in work, or both
//     marks     oldest b <-> c newest
//     free      d--e                          neither; a new key takes the place of theirs
//
// Nodes are made when none is free, and go with the table. So there are never more of them than
// marks, keys in work and one, and once there are enough, nothing is allocated but what a key that
// is assigned to another takes.
//
// Guarded by its owner's lock. A call that throws has changed nothing, but marks that have expired
// may be gone. `equal(node's key, key)` must agree with the hashes.
template <typename Key>
class MarkedKeys {
public:
    using Time = std::chrono::steady_clock::time_point;

private:
    using Hash = std::uint32_t;

public:
    class Node {
    public:
        template <typename Like>
        explicit Node(const Like& like) : key_(like) {}  // NOLINT(modernize-pass-by-value)
        Node(const Node&) = delete;
        Node& operator=(const Node&) = delete;
        ~Node() = default;

    private:
        friend class MarkedKeys;
        friend class LinkedList<Node>;

        // What a look at a key needs comes first, close together.
        Node* chained_ = nullptr;  // in its bucket, or among the free ones
        Key key_;
        Time marked_at_{};
        Hash hash_ = 0;
        bool is_marked_ = false;
        bool is_in_work_ = false;
        // Links of the marks.
        // NOLINTNEXTLINE(readability-identifier-naming)
        Node* previous = nullptr;
        // NOLINTNEXTLINE(readability-identifier-naming)
        Node* next = nullptr;
    };

    // `age` is positive, `count` at least 1. Throws: std::bad_alloc.
    MarkedKeys(std::size_t count, std::chrono::nanoseconds age)
        : count_{count}, age_{static_cast<std::uint64_t>(age.count())}, buckets_(least_buckets) {}

    // ---- time

    // The time is `now`, or later if it was told so before. Drops up to two marks that have
    // expired: a call makes one mark at most, so that is enough to get rid of all.
    void pass_to(Time now) noexcept {
        set_time(now);
        constexpr int most = 2;
        int gone = 0;
        while (gone != most && drop_expired()) ++gone;
    }
    // The same for all that have expired.
    void pass_wholly_to(Time now) noexcept {
        set_time(now);
        for (bool goes_on = true; goes_on;) goes_on = drop_expired();
    }

    // ---- keys

    struct Begun {
        KeyState state;
        Node* node;  // not null if it is fresh: it is in work now
    };
    // Throws: what the key's copying and comparing throw, std::bad_alloc.
    template <typename Like, typename Equal>
    Begun begin(const Like& key, std::size_t hash_of_key, const Equal& equal) {
        const Hash hash = spread(hash_of_key);
        Node* node = find(key, hash, equal);
        if (node != nullptr && node->is_marked_) {
            ++stats_.duplicates;
            return {KeyState::done, nullptr};
        }
        if (node != nullptr) {
            ++stats_.busy;
            return {KeyState::busy, nullptr};
        }
        node = &add(key, hash);
        node->is_in_work_ = true;
        ++stats_.in_work;
        return {KeyState::fresh, node};
    }

    // What begin() has begun ends.
    void end(Node& node, bool is_done) noexcept {
        RUNNEL_ASSERT(node.is_in_work_);
        node.is_in_work_ = false;
        --stats_.in_work;
        if (is_done) {
            mark(node);
        } else {
            free_if_unused(node);
        }
    }

    // False: it was marked already. Its mark counts from now on. Throws: as begin().
    template <typename Like, typename Equal>
    bool mark(const Like& key, std::size_t hash_of_key, const Equal& equal) {
        const Hash hash = spread(hash_of_key);
        Node* node = find(key, hash, equal);
        const bool is_new = node == nullptr || !node->is_marked_;
        if (!is_new) ++stats_.duplicates;
        if (node == nullptr) node = &add(key, hash);
        mark(*node);
        return is_new;
    }

    // Throws: what comparing keys throws.
    template <typename Like, typename Equal>
    [[nodiscard]] bool contains(const Like& key, std::size_t hash_of_key, const Equal& equal) {
        const Hash hash = spread(hash_of_key);
        const Node* const node = find(key, hash, equal);
        if (node == nullptr || !node->is_marked_) return false;
        ++stats_.duplicates;
        return true;
    }

    // Whether it was marked. Throws: what comparing keys throws.
    template <typename Like, typename Equal>
    bool forget(const Like& key, std::size_t hash_of_key, const Equal& equal) {
        const Hash hash = spread(hash_of_key);
        Node* const node = find(key, hash, equal);
        if (node == nullptr || !node->is_marked_) return false;
        unmark(*node);
        return true;
    }

    void clear() noexcept {
        while (Node* const oldest = marks_.first()) unmark(*oldest);
    }

    [[nodiscard]] const DeduplicatorStats& stats() const noexcept { return stats_; }

private:
    static constexpr std::size_t least_buckets = 16;
    static constexpr unsigned shift_of_least_buckets = 28;

    void set_time(Time now) noexcept { now_ = std::max(now_, now); }

    [[nodiscard]] bool has_expired(const Node& node) const noexcept {
        // The difference of any two times, the first of which is not earlier, fits.
        const auto now = static_cast<std::uint64_t>(now_.time_since_epoch().count());
        const auto then = static_cast<std::uint64_t>(node.marked_at_.time_since_epoch().count());
        return age_ != for_ever && now - then >= age_;
    }

    // False: no mark has expired.
    bool drop_expired() noexcept {
        Node* const oldest = marks_.first();
        if (oldest == nullptr || !has_expired(*oldest)) return false;
        expire(*oldest);
        return true;
    }
    void expire(Node& node) noexcept {
        ++stats_.expired;
        unmark(node);
    }

    void mark(Node& node) noexcept {
        if (node.is_marked_) {
            if (has_expired(node)) ++stats_.expired;
            marks_.remove(node);
        } else {
            node.is_marked_ = true;
            ++stats_.marks;
        }
        node.marked_at_ = now_;
        marks_.push_back(node);
        if (stats_.marks > count_ && !drop_expired()) {
            ++stats_.dropped;
            unmark(*marks_.first());
        }
    }
    void unmark(Node& node) noexcept {
        marks_.remove(node);
        node.is_marked_ = false;
        --stats_.marks;
        free_if_unused(node);
    }

    // ---- the table

    // A multiplication spreads hashes that are the numbers themselves; its upper bits depend on all
    // others.
    static Hash spread(std::size_t hash) noexcept {
        constexpr std::uint64_t golden_ratio = 0x9E37'79B9'7F4A'7C15;
        return static_cast<Hash>((hash * golden_ratio) >> 32U);
    }
    Node*& bucket_of(Hash hash) noexcept { return buckets_[hash >> shift_]; }

    // Null: it is neither marked nor in work.
    template <typename Like, typename Equal>
    Node* find(const Like& key, Hash hash, const Equal& equal) {
        Node* node = bucket_of(hash);
        while (node != nullptr && !(node->hash_ == hash && equal(node->key_, key)))
            node = node->chained_;
        if (node == nullptr || !node->is_marked_ || !has_expired(*node)) return node;
        const bool stays = node->is_in_work_;
        expire(*node);
        return stays ? node : nullptr;
    }

    // In the table, neither marked nor in work yet.
    template <typename Like>
    Node& add(const Like& key, Hash hash) {
        if (free_ != nullptr) {
            free_->key_ = key;
        } else {
            make_node(key);
        }
        Node& node = *std::exchange(free_, free_->chained_);
        node.hash_ = hash;
        link(node);
        return node;
    }

    // Makes a free one.
    template <typename Like>
    void make_node(const Like& key) {
        if (nodes_.size() == buckets_.size() && shift_ != 0) widen();
        nodes_.emplace_back(key);
        free_ = &nodes_.back();
    }

    void link(Node& node) noexcept {
        Node*& bucket = bucket_of(node.hash_);
        node.chained_ = std::exchange(bucket, &node);
    }

    void free_if_unused(Node& node) noexcept {
        if (node.is_marked_ || node.is_in_work_) return;
        Node** link = &bucket_of(node.hash_);
        while (*link != &node) link = &(*link)->chained_;
        *link = node.chained_;
        node.chained_ = std::exchange(free_, &node);
    }

    // Twice as many buckets. Requires: no node is free.
    void widen() {
        std::vector<Node*> buckets(2 * buckets_.size());
        buckets_.swap(buckets);
        --shift_;
        for (Node& node : nodes_) link(node);
    }

    static constexpr auto for_ever =
        static_cast<std::uint64_t>(std::chrono::nanoseconds::max().count());

    const std::size_t count_;
    const std::uint64_t age_;  // in nanoseconds
    Time now_ = Time::min();
    std::vector<Node*> buckets_;  // a power of two: no fewer than there are nodes, or 2^32
    unsigned shift_ = shift_of_least_buckets;
    std::deque<Node> nodes_;
    Node* free_ = nullptr;
    LinkedList<Node> marks_;  // in the order of their times
    DeduplicatorStats stats_{};
};

}  // namespace runnel::inline v0::detail
