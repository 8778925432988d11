// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/atomic.hpp>
#include <runnel/detail/blocks/block_deque.hpp>
#include <runnel/detail/core/index_range.hpp>
#include <runnel/list_options.hpp>
#include <runnel/message.hpp>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace runnel::inline v0::detail {

template <Message T>
class ListCore;

// The end at which producers work.
template <Message T>
struct ListBack {
    // How many more may be pushed without a check: a lower bound, as pops do not raise it. Its
    // owner sets it to 0 so that every push is checked.
    std::size_t room = 0;
    BlockDeque<T> items;

    // May allocate. If that throws, `value` is as it was. Requires: room.
    void push(T&& value) {
        RUNNEL_ASSERT(room != 0);
        items.push_back(std::move(value));
        --room;
    }

    // Pushes a prefix and returns its length, which is all unless memory runs out after the first.
    // Requires: room for all.
    std::size_t push(std::span<T> values) {
        RUNNEL_ASSERT(room >= values.size());
        const std::size_t count = items.append(values);
        room -= count;
        return count;
    }

    // How many more fit into a list of `capacity` that has `in_front` elements in front of these.
    [[nodiscard]] std::size_t free_room(std::size_t capacity, std::size_t in_front) const noexcept {
        return capacity - std::min(capacity, in_front + items.size());
    }
};

// The end at which consumers work.
template <Message T>
class ListFront {
public:
    // Concurrent: a snapshot.
    [[nodiscard]] std::size_t size() const noexcept {
        return size_.load(std::memory_order_acquire);
    }

    [[nodiscard]] bool has(std::size_t count = 1) const noexcept { return items_.size() >= count; }

    // These require: not empty.
    [[nodiscard]] T& first() noexcept { return items_.front(); }
    void drop_first() noexcept {
        items_.drop_front();
        publish_size();
    }

    // Requires: has(count), and out.capacity() suffices.
    void pop_many(std::size_t count, std::vector<T>& out) noexcept {
        items_.take_front(count, out);
        publish_size();
    }

private:
    friend class ListCore<T>;

    // Release: a thread that reads 0 comes after the pops that made it 0.
    void publish_size() noexcept { size_.store(items_.size(), std::memory_order_release); }

    Atomic<std::size_t> size_ = 0;  // of items_
    BlockDeque<T> items_;
};

// Which elements are looked for.
struct ListSearch {
    static constexpr std::size_t all = std::numeric_limits<std::size_t>::max();

    End from = End::front;
    std::size_t skip = 0;      // so many that match are passed over
    std::size_t limit = all;   // at most so many are found
    std::size_t within = all;  // only among the first so many, counted from `from`
};

// The rules of a whole list over its two parts, for a thread that may change both.
//
//     pop_front <-- [ front: a b c ] <-- [ back: d e f ] <-- push_back
//
// The list is what is in `front` followed by what is in `back`. Producers work at the back and
// consumers at the front. They meet only when the front is empty: then a consumer takes over all
// that has gathered at the back.
template <Message T>
class ListCore {
public:
    ListCore(ListFront<T>& front, ListBack<T>& back) noexcept : front_{front}, back_{back} {}

    [[nodiscard]] bool empty() const noexcept {
        return front_.items_.empty() && back_.items.empty();
    }
    [[nodiscard]] std::size_t size() const noexcept {
        return front_.items_.size() + back_.items.size();
    }

    // Takes over all that has gathered at the back. Requires: the front is empty.
    void refill_front() noexcept {
        front_.items_.take_all(back_.items);
        front_.publish_size();
    }

    // After it, push() at that end cannot fail, whatever is popped in between.
    void reserve(End end) {
        if (end == End::back) return back_.items.reserve_back();
        // Either part may be the first one by then.
        if (front_.has()) front_.items_.reserve_front();
        back_.items.reserve_front();
    }

    // After it, `count` pushes at that end cannot fail, if nothing is popped in between.
    void reserve_many(End end, std::size_t count) {
        if (end == End::back) return back_.items.reserve_back(count);
        (front_.has() ? front_.items_ : back_.items).reserve_front(count);
    }

    // The same, whatever is popped before them: either part may be the first one by then.
    void reserve_many_after_pops(End end, std::size_t count) {
        if (end == End::front && front_.has()) front_.items_.reserve_spares(count);
        back_.items.reserve_spares(count);
    }

    // The same without allocating, by a block that was set aside.
    void reserve(End end, typename BlockDeque<T>::Aside& aside) noexcept {
        if (end == End::back) return back_.items.reserve_back(aside);
        (front_.has() ? front_.items_ : back_.items).reserve_front(aside);
    }

    // Hands over all elements, in constant time. Requires: both are empty.
    void take_all(BlockDeque<T>& of_front, BlockDeque<T>& of_back) noexcept {
        of_back.take_all(back_.items);
        if (!front_.has()) return;
        of_front.take_all(front_.items_);
        front_.publish_size();
    }

    // Checks no bound. May allocate. If that throws, `value` is as it was.
    void push(End end, T&& value) {
        if (end == End::back) return back_.items.push_back(std::move(value));
        if (!front_.has()) return back_.items.push_front(std::move(value));
        front_.items_.push_front(std::move(value));
        front_.publish_size();
    }

    // Requires: not empty.
    [[nodiscard]] T& peek(End end) noexcept {
        RUNNEL_ASSERT(!empty());
        BlockDeque<T>& items = is_at_front(end) ? front_.items_ : back_.items;
        return end == End::front ? items.front() : items.back();
    }

    // Requires: not empty.
    void drop(End end) noexcept {
        const bool at_front = is_at_front(end);
        BlockDeque<T>& items = at_front ? front_.items_ : back_.items;
        end == End::front ? items.drop_front() : items.drop_back();
        if (at_front) front_.publish_size();
    }

    // Moves up to `count` elements to the end of `out`, in the order in which they are popped.
    // Requires: out.capacity() suffices.
    void pop_many(End end, std::size_t count, std::vector<T>& out) noexcept {
        if (end == End::front) return pop_many_from_front(count, out);
        for (count = std::min(count, size()); count != 0; --count) {
            out.push_back(std::move(peek(end)));
            drop(end);
        }
    }

    // Calls visit(const T&) for `count` elements from position `from` on.
    // Requires: from + count <= size().
    template <typename Visit>
    void visit(std::size_t from, std::size_t count, Visit&& visit) const {
        const std::size_t in_front = front_.items_.size();
        const std::size_t here = from < in_front ? std::min(count, in_front - from) : 0;
        front_.items_.visit(std::min(from, in_front), here, visit);
        back_.items.visit(from - std::min(from, in_front), count - here, visit);
    }

    // The positions of elements that equal `key`, in the order in which they are found.
    template <typename Key>
    [[nodiscard]] std::vector<std::size_t> find(const Key& key, ListSearch search) const {
        std::vector<std::size_t> found;
        if (search.limit == 0) return found;
        std::size_t seen = 0;
        search_from(search.from, search.within, [&](const T& element) {
            const std::size_t at = search.from == End::front ? seen : size() - 1 - seen;
            ++seen;
            if (!(element == key)) return false;
            if (search.skip != 0) {
                --search.skip;
                return false;
            }
            found.push_back(at);
            return found.size() == search.limit;
        });
        return found;
    }

    // Moves the elements at `positions`, which ascend or descend, to the end of `out`, ascending.
    // Requires: out.capacity() suffices.
    void extract(std::vector<std::size_t> positions, std::vector<T>& out) noexcept {
        if (!positions.empty() && positions.front() > positions.back())
            std::ranges::reverse(positions);
        const std::size_t in_front = front_.items_.size();
        if (in_front != 0) {
            front_.items_.extract(positions, out);
            front_.publish_size();
        }
        std::erase_if(positions, [&](std::size_t at) { return at < in_front; });
        for (std::size_t& at : positions) at -= in_front;
        back_.items.extract(positions, out);
    }

    // Requires: position < size().
    [[nodiscard]] const T& at(std::size_t position) const noexcept {
        const std::size_t in_front = front_.items_.size();
        return position < in_front ? front_.items_.at(position)
                                   : back_.items.at(position - in_front);
    }

    // Puts `value` into the place of the element at `position`, which it returns.
    // Requires: position < size().
    [[nodiscard]] T replace(std::size_t position, T&& value) noexcept {
        const std::size_t in_front = front_.items_.size();
        T* const place = std::addressof(position < in_front ? front_.items_.at(position)
                                                            : back_.items.at(position - in_front));
        T replaced{std::move(*place)};
        std::destroy_at(place);
        std::construct_at(place, std::move(value));
        return replaced;
    }

    // Makes insert() at that position noexcept. May allocate.
    void reserve_insert(std::size_t position) {
        const std::size_t in_front = front_.items_.size();
        position < in_front ? front_.items_.reserve_insert(position)
                            : back_.items.reserve_insert(position - in_front);
    }

    // Puts `value` in front of the element at `position`, or behind all. May allocate. If that
    // throws, `value` is as it was. Requires: position <= size().
    void insert(std::size_t position, T&& value) {
        const std::size_t in_front = front_.items_.size();
        if (position >= in_front) return back_.items.insert(position - in_front, std::move(value));
        front_.items_.insert(position, std::move(value));
        front_.publish_size();
    }

    // Drops all elements but those of `range`. Requires: it is within the list.
    void keep_only(IndexRange range) noexcept {
        for (std::size_t behind = size() - range.first - range.count; behind != 0; --behind)
            drop(End::back);
        for (; range.first != 0; --range.first) drop(End::front);
    }

private:
    // Calls stop(const T&) for up to `count` elements from that end on, until it returns true.
    template <typename Stop>
    void search_from(End end, std::size_t count, Stop stop) const {
        if (end == End::front) {
            const std::size_t here = std::min(count, front_.items_.size());
            if (!front_.items_.search_from_front(here, stop))
                back_.items.search_from_front(count - here, stop);
        } else {
            const std::size_t here = std::min(count, back_.items.size());
            if (!back_.items.search_from_back(here, stop))
                front_.items_.search_from_back(count - here, stop);
        }
    }

    // Whether the element at `end` is in the front part.
    [[nodiscard]] bool is_at_front(End end) const noexcept {
        return end == End::front ? front_.has() : back_.items.empty();
    }

    void pop_many_from_front(std::size_t count, std::vector<T>& out) noexcept {
        const std::size_t at_front = std::min(count, front_.items_.size());
        if (at_front != 0) {
            front_.items_.take_front(at_front, out);
            front_.publish_size();
        }
        back_.items.take_front(std::min(count - at_front, back_.items.size()), out);
    }

    ListFront<T>& front_;
    ListBack<T>& back_;
};

}  // namespace runnel::inline v0::detail
