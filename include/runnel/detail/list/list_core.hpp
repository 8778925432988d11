// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/blocks/block_deque.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/list_options.hpp>
#include <runnel/message.hpp>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

namespace runnel::inline v0::detail {

// The rules of a list over its data: they never wait and take no lock; their owner does.
//
//     pop_front <-- [ front: a b c ] <-- [ back: d e f ] <-- push_back
//
// The list is what is in `front` followed by what is in `back`. A producer works at the back under
// its lock, a consumer at the front under the other one, and they meet only when the front is
// empty: then a consumer takes over all that has gathered at the back. That is why a stream of
// messages costs each side a lock of its own and hardly a foreign cache line.
//
// Locks: `back` before `front`.
// * The front grows only under both; under the front's lock alone it shrinks.
// * So under the back's lock, front_size() == 0 stays true, and then the back is the whole list:
//   its holder has all of it, and leaves the front's lock and its cache line alone.
// * Room is counted at the back and may be more than it knows: it is reckoned anew when it is out.
//
// The locks stand in the core because they must lie on the cache line of what they guard.
template <Message T>
class ListCore {
public:
    static constexpr std::size_t unbounded = std::numeric_limits<std::size_t>::max();

    explicit ListCore(std::size_t capacity = unbounded) noexcept : capacity_{capacity} {}

    struct alignas(64) Back {
        Mutex mutex;
        std::uint32_t streak RUNNEL_GUARDED_BY(mutex) = 0;
        // How many more may be pushed before somebody has to look. 0 also sends everybody who
        // pushes to the slow path: that is the one field that a push reads while nobody waits.
        std::size_t room RUNNEL_GUARDED_BY(mutex) = 0;
        BlockDeque<T> items RUNNEL_GUARDED_BY(mutex);
        // Who waits for an element: looked at by every push that finds no room.
        WaitQueue poppers RUNNEL_GUARDED_BY(mutex);
    } back;
    static_assert(sizeof(Back) == 64, "a push and a hand-over touch one cache line of the list");

    struct alignas(64) Front {
        Mutex mutex;
        // Sends those who pop here to the slow path: somebody waits for room.
        bool attention RUNNEL_GUARDED_BY(mutex) = false;
        std::atomic<std::size_t> size = 0;  // of items; written under mutex, read without
        BlockDeque<T> items RUNNEL_GUARDED_BY(mutex);
    } front;

    // Concurrent: a glimpse that is exact only for a holder of the back's lock, and then only as
    // an upper bound, or when it is 0.
    [[nodiscard]] std::size_t front_size() const noexcept {
        return front.size.load(std::memory_order_acquire);
    }

    // ---- under the back's lock

    // May allocate, and then leaves `value` alone. Requires: room.
    void push_back(T&& value) RUNNEL_REQUIRES(back.mutex) {
        RUNNEL_ASSERT(back.room != 0);
        back.items.push_back(std::move(value));
        --back.room;
    }

    // Pushes a prefix and returns its length, which is all unless memory runs out after the first.
    // Requires: room for all.
    std::size_t push_back(std::span<T> values) RUNNEL_REQUIRES(back.mutex) {
        RUNNEL_ASSERT(back.room >= values.size());
        const std::size_t count = back.items.append(values);
        back.room -= count;
        return count;
    }

    [[nodiscard]] std::size_t size() const noexcept RUNNEL_REQUIRES(back.mutex) {
        return front_size() + back.items.size();
    }

    [[nodiscard]] std::size_t free_room() const noexcept RUNNEL_REQUIRES(back.mutex) {
        return capacity_ - std::min(capacity_, size());
    }

    void refill_room() noexcept RUNNEL_REQUIRES(back.mutex) { back.room = free_room(); }

    // ---- under the front's lock

    [[nodiscard]] bool front_has(std::size_t count = 1) const noexcept
        RUNNEL_REQUIRES(front.mutex) {
        return front.items.size() >= count;
    }

    [[nodiscard]] T& first_of_front() noexcept RUNNEL_REQUIRES(front.mutex) {
        return front.items.front();
    }

    void drop_first_of_front() noexcept RUNNEL_REQUIRES(front.mutex) {
        front.items.drop_front();
        publish_front_size();
    }

    // Requires: front_has(count), and out.capacity() suffices.
    void pop_many_of_front(std::size_t count, std::vector<T>& out) noexcept
        RUNNEL_REQUIRES(front.mutex) {
        front.items.take_front(count, out);
        publish_front_size();
    }

    // ---- with all of it: under both, or under the back's while front_size() == 0; see LockRest

    // Takes over all that has gathered at the back. Requires: both locks indeed, and the front is
    // empty.
    void refill_front() noexcept RUNNEL_REQUIRES(back.mutex, front.mutex) {
        front.items.take_all(back.items);
        publish_front_size();
    }

    [[nodiscard]] bool empty() const noexcept RUNNEL_REQUIRES(back.mutex, front.mutex) {
        return front.items.empty() && back.items.empty();
    }

    // After it, push() at that end cannot fail, whatever is popped in between.
    void reserve(End end) RUNNEL_REQUIRES(back.mutex, front.mutex) {
        if (end == End::back) return back.items.reserve_back();
        // Either may be the first one by then.
        if (front_has()) front.items.reserve_front();
        back.items.reserve_front();
    }

    // Hands over all elements, in constant time. Requires: both are empty.
    void take_all(BlockDeque<T>& of_front, BlockDeque<T>& of_back) noexcept
        RUNNEL_REQUIRES(back.mutex, front.mutex) {
        of_back.take_all(back.items);
        if (!front_has()) return;
        of_front.take_all(front.items);
        publish_front_size();
    }

    // Looks at no bound. May allocate, and then leaves `value` alone.
    void push(End end, T&& value) RUNNEL_REQUIRES(back.mutex, front.mutex) {
        if (end == End::back) return back.items.push_back(std::move(value));
        if (!front_has()) return back.items.push_front(std::move(value));
        front.items.push_front(std::move(value));
        publish_front_size();
    }

    // Requires: not empty.
    [[nodiscard]] T& peek(End end) noexcept RUNNEL_REQUIRES(back.mutex, front.mutex) {
        RUNNEL_ASSERT(!empty());
        BlockDeque<T>& items = is_at_front(end) ? front.items : back.items;
        return end == End::front ? items.front() : items.back();
    }

    // Requires: not empty.
    void drop(End end) noexcept RUNNEL_REQUIRES(back.mutex, front.mutex) {
        const bool at_front = is_at_front(end);
        BlockDeque<T>& items = at_front ? front.items : back.items;
        end == End::front ? items.drop_front() : items.drop_back();
        if (at_front) publish_front_size();
    }

    // Moves up to `count` elements to the end of `out`, in the order in which they are popped.
    // Requires: out.capacity() suffices.
    void pop_many(End end, std::size_t count, std::vector<T>& out) noexcept
        RUNNEL_REQUIRES(back.mutex, front.mutex) {
        if (end == End::front) return pop_many_from_front(count, out);
        for (count = std::min(count, size()); count != 0; --count) {
            out.push_back(std::move(peek(end)));
            drop(end);
        }
    }

    // Calls visit(const T&) for `count` elements from position `from` on.
    // Requires: from + count <= size().
    template <typename Visit>
    void visit(std::size_t from, std::size_t count, Visit&& visit) const
        RUNNEL_REQUIRES(back.mutex, front.mutex) {
        const std::size_t in_front = front.items.size();
        const std::size_t here = from < in_front ? std::min(count, in_front - from) : 0;
        front.items.visit(std::min(from, in_front), here, visit);
        back.items.visit(from - std::min(from, in_front), count - here, visit);
    }

    // The positions of the elements that equal `value`, ascending: of the first `limit` of them
    // from the front, or of the last if `from` is the back.
    [[nodiscard]] std::vector<std::size_t> find(const T& value, End from, std::size_t limit) const
        RUNNEL_REQUIRES(back.mutex, front.mutex) {
        std::vector<std::size_t> found;
        std::size_t at = 0;
        visit(0, size(), [&](const T& element) {
            if ((from == End::back || found.size() < limit) && element == value)
                found.push_back(at);
            ++at;
        });
        if (found.size() > limit)
            found.erase(found.begin(),
                        found.end() -
                            static_cast<typename std::vector<std::size_t>::difference_type>(limit));
        return found;
    }

    // Moves the elements at `positions`, which ascend, to the end of `out`.
    // Requires: out.capacity() suffices.
    void extract(std::vector<std::size_t> positions, std::vector<T>& out) noexcept
        RUNNEL_REQUIRES(back.mutex, front.mutex) {
        const std::size_t in_front = front.items.size();
        if (in_front != 0) {
            front.items.extract(positions, out);
            publish_front_size();
        }
        std::erase_if(positions, [&](std::size_t at) { return at < in_front; });
        for (std::size_t& at : positions) at -= in_front;
        back.items.extract(positions, out);
    }

private:
    // Where the element at `end` is.
    [[nodiscard]] bool is_at_front(End end) const noexcept
        RUNNEL_REQUIRES(back.mutex, front.mutex) {
        return end == End::front ? front_has() : back.items.empty();
    }

    void pop_many_from_front(std::size_t count, std::vector<T>& out) noexcept
        RUNNEL_REQUIRES(back.mutex, front.mutex) {
        const std::size_t at_front = std::min(count, front.items.size());
        if (at_front != 0) {
            front.items.take_front(at_front, out);
            publish_front_size();
        }
        back.items.take_front(std::min(count - at_front, back.items.size()), out);
    }

    // Release: whoever reads 0 under the back's lock comes after those who popped.
    void publish_front_size() noexcept RUNNEL_REQUIRES(front.mutex) {
        RUNNEL_ASSERT(front.mutex.is_held());  // not only the back's while the front is empty
        front.size.store(front.items.size(), std::memory_order_release);
    }

    const std::size_t capacity_;
};

}  // namespace runnel::inline v0::detail
