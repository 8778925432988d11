// SPDX-License-Identifier: MIT
#pragma once

// The calls of a list, each from its first lock to its end. Null options: the call may not wait.
//
// The handle that a call was made through may go while the call waits. So calls take the state,
// which a wait keeps, and not the handle.

#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/base/thread_id.hpp>
#include <runnel/detail/base/unmade.hpp>
#include <runnel/detail/list/list_requests.hpp>
#include <runnel/detail/list/list_state.hpp>
#include <runnel/detail/wait/await.hpp>
#include <runnel/detail/wait/spin.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/list_options.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace runnel::inline v0::detail {

// ---------------------------------------------------------------------- push

// Pushes in turn, and waits for room.
template <Message T>
[[gnu::noinline]] Pushed push_in_turn(ListState<T>& list, End end, std::span<T> messages,
                                      const WaitOptions* options) {
    std::vector<T> dropped;  // outlives the lock
    WakeChain chain;
    std::size_t done = 0;
    bool is_finished = true;
    {
        const LockAll lock{list};
        if (!list.closed && list.is_first(Line::pushes)) {
            done = list.push_prefix(end, messages, dropped);
            is_finished = list.serve_under_locks(chain);
        }
    }
    list.finish(is_finished, chain);
    if (done == messages.size()) return {done, Push::done};
    if (list.when_full != Full::block) options = nullptr;
    PushMany<T> request{end, messages.subspan(done), list.clock};
    try_or_wait(request, KeepingListPlace<T, Line::pushes>{request, list}, WaitLimits::of(options));
    const std::size_t count = done + request.count;
    if (count == messages.size()) return {count, Push::done};
    if (count != 0 && request.how() == WaitEnd::failed) return {count, Push::full};
    return {count, refusal_of(request.ending())};
}

template <Message T>
Push push_one_in_turn(ListState<T>& list, End end, T& message, const WaitOptions* options) {
    return push_in_turn(list, end, std::span{std::addressof(message), 1}, options).ending;
}

// The rest of a push at the back, without a lock. False: it has to take its turn.
template <Message T>
[[gnu::noinline]] bool finish_hand_over(ListState<T>& list, HandOver handed_over,
                                        Unmade<WakeChain>& memory) noexcept {
    if (handed_over == HandOver::no) return false;
    list.finish(handed_over == HandOver::finished, memory.value());
    memory.destroy();
    return true;
}

// A push at the back that finds room at once, or those who wait for an element. False: it has to
// take its turn, and `message` is untouched.
template <Message T>
[[nodiscard]] [[gnu::always_inline]] inline bool push_back_now(ListState<T>& list, T& message) {
    Unmade<WakeChain> memory;
    auto handed_over = HandOver::no;
    {
        const Lock lock{list.back.mutex};
        if (list.back.part.room != 0) [[likely]] {
            list.back.part.push(std::move(message));
            list.note_pushed();
            return true;
        }
        handed_over = list.hand_over(message, memory);
    }
    return finish_hand_over(list, handed_over, memory);
}

template <Message T>
[[gnu::always_inline]] inline Push push_back(ListState<T>& list, T& message,
                                             const WaitOptions* options) {
    if (push_back_now(list, message)) [[likely]]
        return Push::done;
    return push_one_in_turn(list, End::back, message, options);
}

template <Message T>
Pushed push_many(ListState<T>& list, End end, std::span<T> messages, const WaitOptions* options) {
    std::size_t done = 0;
    if (end == End::back) {
        const Lock lock{list.back.mutex};
        ListBack<T>& back = list.back.part;
        // `room` is a lower bound. With the real room, what fits goes in under one lock.
        if (back.room < messages.size() && list.needs_no_attention() && !list.closed)
            back.room = list.free_room();
        done = back.push(messages.first(std::min(messages.size(), back.room)));
        list.note_pushed(done);
    }
    if (done == messages.size()) return {done, Push::done};
    try {
        const Pushed rest = push_in_turn(list, end, messages.subspan(done), options);
        return {done + rest.count, rest.ending};
    } catch (...) {
        if (done == 0) throw;
        return {done, Push::full};
    }
}

// There is room, and a move waits for it: stands in line behind that move for a moment.
template <Message T>
[[gnu::noinline]] Push push_if_exists_in_turn(ListState<T>& list, End end, T& message) {
    PushMany<T> request{end, std::span{std::addressof(message), 1}, list.clock};
    request.if_exists = true;
    try_or_wait(request, KeepingListPlace<T, Line::pushes>{request, list}, WaitLimits{});
    if (request.count == 1) return Push::done;
    if (request.absent) return Push::absent;
    return refusal_of(request.ending());
}

template <Message T>
Push push_if_exists(ListState<T>& list, End end, T& message) {
    std::vector<T> dropped;  // outlives the lock
    WakeChain chain;
    bool is_pushed = false;
    bool is_finished = true;
    {
        const LockAll lock{list};
        if (list.closed) return Push::closed;
        if (list.is_first(Line::pushes) || list.free_room() == 0) {
            if (list.core().empty()) return Push::absent;
            if (list.push_prefix(end, std::span{std::addressof(message), 1}, dropped) == 0) {
                ++list.refused;
                return Push::full;
            }
            is_pushed = true;
            is_finished = list.serve_under_locks(chain);
        }
    }
    if (!is_pushed) return push_if_exists_in_turn(list, end, message);
    list.finish(is_finished, chain);
    return Push::done;
}

// ---------------------------------------------------------------------- pop

// Stands in line like all others, unless it may not wait and there is nothing.
template <Message T>
[[gnu::noinline]] Popped<T> pop_in_turn(ListState<T>& list, End end, const WaitOptions* options) {
    PopOne<T> request{end, list.clock};
    try_or_wait(request, KeepingListPlace<T, Line::pops>{request, list}, WaitLimits::of(options));
    return request.result();
}

template <Message T>
inline Popped<T> pop_front(ListState<T>& list, const WaitOptions* options, bool may_pause = true);

// How a pop goes on that has found nothing, or other waits: it stands in line already, pauses
// first, has ended as it may not wait, or takes its turn.
template <Message T>
struct PopLater {
    PopInLine<T>* in_line = nullptr;
    bool pauses = false;
    std::optional<Ending> ending{};
};

// Gets into line at once if the list is empty and no other request waits.
template <Message T>
[[gnu::noinline]] PopLater<T> pop_later(ListState<T>& list, const WaitOptions* options,
                                        bool may_pause, Unmade<PopInLine<T>>& memory) noexcept
    RUNNEL_REQUIRES(list.back.mutex) {
    if (options == nullptr) {
        if (list.size() != 0) return {};
        return {nullptr, false, list.closed ? Ending::closed : Ending::timed_out};
    }
    if (!list.needs_no_attention()) return {};
    if (may_pause && list.end_streak()) return {nullptr, true};
    if (list.closed) return {};
    PopInLine<T>& in_line = memory.make(End::front, list);
    list.queue_pop(in_line.place.node);
    return {&in_line, false};
}

// The rest of such a pop, without a lock. After a pause it starts again, once.
// NOLINTBEGIN(misc-no-recursion)
template <Message T>
[[gnu::noinline]] Popped<T> finish_pop(ListState<T>& list, const WaitOptions* options,
                                       const PopLater<T>& later) {
    if (later.pauses) {
        // Leaves the cache lines to the producer for a moment, and finds several elements after
        // that.
        const Owner<ListState<T>> keep{list};
        pause_for_a_batch();
        return pop_front(list, options, false);
    }
    if (later.ending) return *later.ending;
    if (later.in_line == nullptr) return pop_in_turn(list, End::front, options);
    const auto destroy = [](PopInLine<T>* made) { std::destroy_at(made); };
    const std::unique_ptr<PopInLine<T>, decltype(destroy)> in_line{later.in_line};
    PopOne<T>& request = in_line->request;
    wait_at(request, in_line->place, WaitLimits::of(options));
    return request.result();
}

// First tries the front, with its lock alone. Then takes the first element wherever it is.
template <Message T>
[[gnu::always_inline]] inline Popped<T> pop_front(ListState<T>& list, const WaitOptions* options,
                                                  bool may_pause) {
    if (list.front_size() != 0) {
        const Lock lock{list.front.mutex};
        if (list.front.part.has() && !list.front.has_attention()) [[likely]]
            return list.take_first_of_front();
    }
    if (options != nullptr && may_pause && list.is_in_producers_way()) [[unlikely]]
        pause_for_a_batch();
    Unmade<PopInLine<T>> memory;
    PopLater<T> later;
    {
        const Lock lock{list.back.mutex};
        if (list.back.part.room != 0 || list.needs_no_attention()) [[likely]] {
            if (list.front_size() != 0) {
                const Lock front{list.front.mutex};
                if (list.front.part.has()) return list.take_first_of_front();
            }
            if (!list.back.part.items.empty()) return list.take_first_of_back();
        }
        later = pop_later(list, options, may_pause, memory);
    }
    return finish_pop(list, options, later);
}
// NOLINTEND(misc-no-recursion)

template <Message T>
Popped<T> pop(ListState<T>& list, End end, const WaitOptions* options) {
    return end == End::front ? pop_front(list, options) : pop_in_turn(list, end, options);
}

// Takes the first element, if no other request waits for it, and serves those that wait for the
// room. False: it has taken nothing.
template <Message T>
[[nodiscard]] bool pop_front_and_serve(ListState<T>& list, std::optional<T>& out) noexcept {
    WakeChain chain;
    bool is_finished = true;
    {
        const LockAll lock{list};
        if (!list.is_first(Line::pops) || list.core().empty()) return false;
        out.emplace(std::move(list.core().peek(End::front)));
        list.core().drop(End::front);
        list.turns.end_of(this_thread());
        is_finished = list.serve_under_locks(chain);
    }
    list.finish(is_finished, chain);
    return true;
}

// False if there is nothing, or a request waits. If it throws, it has taken nothing.
template <Message T>
[[nodiscard]] bool pop_many_now(ListState<T>& list, End end, std::size_t count, std::vector<T>& out,
                                bool& was_stream) {
    if (end == End::front && list.front_size() >= count) {
        out.reserve(count);
        const Lock lock{list.front.mutex};
        if (list.front.part.has(count) && !list.front.has_attention()) {
            list.front.part.pop_many(count, out);
            return true;
        }
    }
    const Lock lock{list.back.mutex};
    if (!list.needs_no_attention()) return false;
    if (end == End::front && list.front_size() == 0 && list.back.part.items.size() > count) {
        out.reserve(count);
        list.take_over_many(count, out);
        return true;
    }
    const LockRest rest{list};
    if (list.core().empty()) {
        was_stream = list.end_streak();
        return false;
    }
    out.reserve(std::min(count, list.size()));
    list.note_size();
    list.core().pop_many(end, count, out);
    return true;
}

template <Message T>
Batch<T> pop_many(ListState<T>& list, End end, std::size_t count, const WaitOptions* options) {
    const Owner<ListState<T>> keep{list};
    std::vector<T> values;
    bool was_stream = false;
    if (pop_many_now(list, end, count, values, was_stream)) return Batch<T>{std::move(values)};
    if (was_stream && options != nullptr) {
        pause_for_a_batch();
        if (pop_many_now(list, end, count, values, was_stream)) return Batch<T>{std::move(values)};
    }
    PopMany<T> request{end, count, list.clock};
    try_or_wait(request, KeepingListPlace<T, Line::pops>{request, list}, WaitLimits::of(options));
    if (!request.values.empty()) return Batch<T>{std::move(request.values)};
    return request.ending();
}

// ---------------------------------------------------------------------- move

template <Message T>
Popped<MovedCopy<T>> move_one(ListState<T>& source, End from, ListState<T>& target, End to,
                              WaitLimits limits) {
    MoveOne<T> request{source, from, target, to};
    try_or_wait(request, request, limits);
    return request.result();
}

// ---------------------------------------------------------------------- remove

// Removes elements that equal `value`; returns how many.
template <Message T>
std::size_t remove_equal(ListState<T>& list, const T& value, End from, std::size_t count) {
    std::vector<T> removed;  // outlives the lock
    WakeChain chain;
    bool is_finished = true;
    {
        const LockAll lock{list};
        std::vector<std::size_t> positions =
            list.core().find(value, {.from = from, .limit = count});
        removed.reserve(positions.size());
        list.note_size();
        list.core().extract(std::move(positions), removed);
        is_finished = list.serve_under_locks(chain);
    }
    list.finish(is_finished, chain);
    return removed.size();
}

}  // namespace runnel::inline v0::detail
