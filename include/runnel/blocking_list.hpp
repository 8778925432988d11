// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/awaitable.hpp>
#include <runnel/clock.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/base/stop_option.hpp>
#include <runnel/detail/core/index_range.hpp>
#include <runnel/detail/list/list_calls.hpp>
#include <runnel/detail/list/list_places.hpp>
#include <runnel/detail/list/list_recipes.hpp>
#include <runnel/detail/list/list_requests.hpp>
#include <runnel/detail/list/list_state.hpp>
#include <runnel/detail/wait/await.hpp>
#include <runnel/error.hpp>
#include <runnel/list_options.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stats.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <ranges>
#include <span>
#include <utility>
#include <vector>

namespace runnel::inline v0 {

/// The end that a move takes from, the end that it puts on, and how long it may wait. The default
/// is from the front to the back. Redis: LMOVE … LEFT RIGHT.
struct MoveOptions {
    End from = End::front;
    End to = End::back;
    Timeout timeout{};
    detail::StopOption stop{};
};

/// Which end pop_first() takes from, and how long it may wait.
struct FirstOptions {
    End from = End::front;
    Timeout timeout{};
    detail::StopOption stop{};
};

/// What a move hands back; see BlockingList::move_to.
template <typename T>
using Moved = Popped<detail::MovedCopy<T>>;

/// A queue with two ends. Each element goes to exactly one of the calls that pop; the call that has
/// waited longest gets the next element. Redis: the list.
///
///     runnel::BlockingList<Job> jobs{{.capacity = 1000}};
///     std::jthread worker{[jobs](std::stop_token stop) {
///         while (auto job = jobs.pop_front({.stop = stop})) run(*job);
///     }};
///     if (jobs.push_back(std::move(job), {.timeout = 10ms}) != runnel::Push::done) spill(job);
///
/// A handle: copies refer to the same list, and a const handle can change the list. A handle is
/// never empty: moving from it copies it. When the last handle is destroyed, the list is closed. So
/// the copy in the worker above keeps the list open. A handle may be destroyed while a call that
/// was made through it waits; as long as another handle is left, the call goes on.
///
/// Thread safety: every member may be called from any thread at any time.
/// Memory: what a thread did before it pushed an element is visible to the thread that pops it.
/// Order: elements leave in the order of the list. Waiting pops are served in the order in which
/// they began to wait, and so are waiting pushes. There is one exception: see pop_first().
/// Locks: the only user code that runs under a lock is the move of T, the destruction of a T that
/// was moved from and, where a call says so, copies and comparisons. Elements that are dropped or
/// removed are destroyed without a lock.
/// Guarantee: a call that throws has changed nothing. A call that ends without success has taken
/// nothing and leaves the message that it was given untouched.
/// Complexity: constant, except where said.
/// Requires: T is complete where BlockingList<T> is named. So a struct File cannot have a member of
/// the type BlockingList<File>. It can have a std::unique_ptr<Folder>: declare `struct Folder;`
/// before File, and define it after File, with the list as its member.
template <Message T>
class BlockingList {
public:
    using value_type = T;

    /// A list without a limit on its size. Its time-outs go by the SystemClock.
    BlockingList() : BlockingList{ListOptions{}} {}

    /// Throws: Error{invalid_argument} if the capacity is 0.
    explicit BlockingList(const ListOptions& options) : state_{made(options)} {}

    // ------------------------------------------------------------------ one element
    //
    // An lvalue is copied before the call takes a lock, and is not touched.

    /// Appends `message`. If the list is full, the push waits, is refused or drops the front
    /// element, as ListOptions::when_full says. Redis: RPUSH.
    ///
    /// Blocks: while the list is full, with Full::block.
    /// Wakes: the pop that has waited longest.
    /// Returns: Push::done if the message is in the list. Else the message is untouched:
    /// Push::full if there was no room before the time-out, or with Full::reject; Push::stopped
    /// after a stop; Push::closed if the list is closed.
    Push push_back(T&& message, const WaitOptions& options = wait_for_ever) const {
        return detail::push_back(*state_, message, &options);
    }
    Push push_back(const T& message, const WaitOptions& options =
                                         wait_for_ever) const requires std::copy_constructible<T> {
        T copy(message);
        return push_back(std::move(copy), options);
    }

    /// The same at the front; a full list may drop its back element. Redis: LPUSH.
    Push push_front(T&& message, const WaitOptions& options = wait_for_ever) const {
        return detail::push_one_in_turn(*state_, End::front, message, &options);
    }
    Push push_front(const T& message, const WaitOptions& options =
                                          wait_for_ever) const requires std::copy_constructible<T> {
        T copy(message);
        return push_front(std::move(copy), options);
    }

    /// As push_back(), push_front(), but never wait.
    Push try_push_back(T&& message) const { return detail::push_back(*state_, message, nullptr); }
    Push try_push_back(const T& message) const requires std::copy_constructible<T> {
        T copy(message);
        return try_push_back(std::move(copy));
    }
    Push try_push_front(T&& message) const {
        return detail::push_one_in_turn(*state_, End::front, message, nullptr);
    }
    Push try_push_front(const T& message) const requires std::copy_constructible<T> {
        T copy(message);
        return try_push_front(std::move(copy));
    }

    /// Appends `message` if the list is not empty; else returns Push::absent. Never waits: if the
    /// list is full, it returns Push::full, or drops the front element with Full::drop_other_end.
    /// For lists that are copies of data that is kept elsewhere: as long as nobody has loaded the
    /// data, the list stays empty. Redis: RPUSHX.
    Push push_back_if_exists(T&& message) const {
        return detail::push_if_exists(*state_, End::back, message);
    }
    Push push_back_if_exists(const T& message) const requires std::copy_constructible<T> {
        T copy(message);
        return push_back_if_exists(std::move(copy));
    }

    /// The same at the front. Redis: LPUSHX.
    Push push_front_if_exists(T&& message) const {
        return detail::push_if_exists(*state_, End::front, message);
    }
    Push push_front_if_exists(const T& message) const requires std::copy_constructible<T> {
        T copy(message);
        return push_front_if_exists(std::move(copy));
    }

    /// Takes the first element. Redis: BLPOP.
    ///
    /// Blocks: while the list is empty and not closed. A stop ends only the wait: if an element is
    /// there, the call takes it even after the stop; see WaitOptions::stop.
    /// Wakes: the push that has waited longest.
    // A function of its own: what g++ makes of it within a loop is slower where several threads
    // pop.
    [[gnu::noinline]] Popped<T> pop_front(const WaitOptions& options = wait_for_ever) const {
        return detail::pop_front(*state_, &options);
    }

    /// Takes the last element. Redis: BRPOP.
    Popped<T> pop_back(const WaitOptions& options = wait_for_ever) const {
        return detail::pop_in_turn(*state_, End::back, &options);
    }

    /// As pop_front(), pop_back(), but never wait. Redis: LPOP, RPOP.
    Popped<T> try_pop_front() const { return detail::pop_front(*state_, nullptr); }
    Popped<T> try_pop_back() const { return detail::pop_in_turn(*state_, End::back, nullptr); }

    // ------------------------------------------------------------------ many

    /// Appends the messages one after the other. `count` in the result says how many are in the
    /// list; the others are untouched. Redis: RPUSH of several elements.
    ///
    /// First it puts in as many messages as there is room for, and only then serves the pops that
    /// wait. With Full::block it goes on with the rest as soon as there is room. So a pop that
    /// waits is served once all messages are in or the list is full.
    ///
    /// Blocks: while the list is full, with Full::block.
    /// Throws: std::bad_alloc if memory runs out before the first message is in. If it runs out
    /// later, the call returns Push::full.
    /// Complexity: linear in the count.
    Pushed push_back_many(std::span<T> messages, const WaitOptions& options = wait_for_ever) const {
        return detail::push_many(*state_, End::back, messages, &options);
    }

    /// The same at the front, one after the other: the last message ends up first. Redis: LPUSH.
    Pushed push_front_many(std::span<T> messages,
                           const WaitOptions& options = wait_for_ever) const {
        return detail::push_many(*state_, End::front, messages, &options);
    }

    /// Takes the elements that are there, at most `count`, as so many calls of pop_front() would.
    /// If there are fewer than `count`, it does not wait for more.
    /// Redis: BLMPOP … LEFT COUNT count.
    ///
    /// Blocks: while the list is empty and not closed.
    /// Throws: Error{invalid_argument} if `count` is 0.
    /// Complexity: linear in the number of elements taken.
    Batch<T> pop_front_many(std::size_t count, const WaitOptions& options = wait_for_ever) const {
        return pop_many(End::front, count, &options);
    }

    /// The same from the back: the last element comes first. Redis: BLMPOP … RIGHT COUNT count.
    Batch<T> pop_back_many(std::size_t count, const WaitOptions& options = wait_for_ever) const {
        return pop_many(End::back, count, &options);
    }

    /// As pop_front_many(), pop_back_many(), but never wait. Redis: LPOP, RPOP with a count.
    Batch<T> try_pop_front_many(std::size_t count) const {
        return pop_many(End::front, count, nullptr);
    }
    Batch<T> try_pop_back_many(std::size_t count) const {
        return pop_many(End::back, count, nullptr);
    }

    // ------------------------------------------------------------------ moving

    /// Takes an element from this list and puts it on `target`, in one step: at any moment exactly
    /// one of the two lists has it. If both are one list, the move rotates it. Redis: BLMOVE.
    ///
    /// For workers that may fail: each worker has a second list. It moves a job there, does the
    /// job, and then removes it there. If the worker throws or returns early, the job is still in
    /// that list, and another thread can move it back.
    ///
    /// Returns: a copy of the element. If copies_when_moved<T> is false, as for a T that cannot be
    /// copied, there is a std::monostate in its place. If the copy constructor throws, nothing has
    /// moved.
    /// Locks: copies under the locks of both lists, maybe in another thread, which pushes or makes
    /// room. If that thread is cancelled (pthread_cancel) inside the copy constructor, the program
    /// ends; so the constructor must not call what POSIX names a cancellation point.
    ///
    /// Blocks: while this list is empty, or while the target is full and has Full::block.
    /// Ends with: Ending::full if the target is full and has Full::reject. Ending::closed if the
    /// target is closed, or if this list is closed and empty. A closed list can still be rotated.
    Moved<T> move_to(const BlockingList& target, const MoveOptions& options = {}) const {
        return detail::move_one(*state_, options.from, *target.state_, options.to,
                                detail::WaitLimits::of(&options));
    }

    /// As move_to(), but never waits; `timeout` and `stop` are not looked at. Redis: LMOVE.
    Moved<T> try_move_to(const BlockingList& target, const MoveOptions& options = {}) const {
        return detail::move_one(*state_, options.from, *target.state_, options.to,
                                detail::WaitLimits{});
    }

    // ------------------------------------------------------------------ without a thread
    //
    // The calls above as awaitables, with the same options and results; see Awaitable. They are
    // done at once where the call would not wait, and allocate nothing.

    auto async_pop_front(const WaitOptions& options = wait_for_ever) const {
        return Awaitable{detail::PopRecipe<T, End::front>{owner()}, options};
    }
    auto async_pop_back(const WaitOptions& options = wait_for_ever) const {
        return Awaitable{detail::PopRecipe<T, End::back>{owner()}, options};
    }

    /// Throws: Error{invalid_argument} if `count` is 0.
    auto async_pop_front_many(std::size_t count, const WaitOptions& options = wait_for_ever) const {
        detail::check_count(count, "BlockingList: a pop of many");
        return Awaitable{detail::PopManyRecipe<T, End::front>{owner(), count}, options};
    }
    auto async_pop_back_many(std::size_t count, const WaitOptions& options = wait_for_ever) const {
        detail::check_count(count, "BlockingList: a pop of many");
        return Awaitable{detail::PopManyRecipe<T, End::back>{owner(), count}, options};
    }

    /// The message stays where it is, untouched, until it is in the list. An lvalue is copied here.
    auto async_push_back(T&& message RUNNEL_LIFETIMEBOUND,
                         const WaitOptions& options = wait_for_ever) const {
        return Awaitable{detail::PushRecipe<T, End::back, T&>{owner(), message}, of_push(options)};
    }
    auto async_push_back(const T& message, const WaitOptions& options = wait_for_ever)
        const requires std::copy_constructible<T> {
        return Awaitable{detail::PushRecipe<T, End::back, T>{owner(), T(message)},
                         of_push(options)};
    }
    auto async_push_front(T&& message RUNNEL_LIFETIMEBOUND,
                          const WaitOptions& options = wait_for_ever) const {
        return Awaitable{detail::PushRecipe<T, End::front, T&>{owner(), message}, of_push(options)};
    }
    auto async_push_front(const T& message, const WaitOptions& options = wait_for_ever)
        const requires std::copy_constructible<T> {
        return Awaitable{detail::PushRecipe<T, End::front, T>{owner(), T(message)},
                         of_push(options)};
    }

    /// The messages stay where they are; each is untouched until it is in the list.
    auto async_push_back_many(std::span<T> messages,
                              const WaitOptions& options = wait_for_ever) const {
        return Awaitable{detail::PushManyRecipe<T, End::back>{owner(), messages}, of_push(options)};
    }
    auto async_push_front_many(std::span<T> messages,
                               const WaitOptions& options = wait_for_ever) const {
        return Awaitable{detail::PushManyRecipe<T, End::front>{owner(), messages},
                         of_push(options)};
    }

    auto async_move_to(const BlockingList& target, const MoveOptions& options = {}) const {
        return Awaitable{detail::MoveRecipe<T>{owner(), options.from, target.owner(), options.to},
                         WaitOptions{options.timeout, options.stop}};
    }

    // ------------------------------------------------------------------ looking and removing

    /// Removes at most `count` elements that equal `value`, the first ones from the front, or from
    /// the back with End::back. Returns how many it has removed. Redis: LREM.
    ///
    /// Locks: compares under the lock; the comparison must not use the list.
    /// Complexity: linear in the size.
    std::size_t remove(const T& value, End from = End::front,
                       std::size_t count = std::numeric_limits<std::size_t>::max())
        const requires std::equality_comparable<T>;

    /// Returns copies of the elements from position `first` to position `last`, both included.
    /// Negative positions count from the end: -1 is the last element. Positions out of range are
    /// left out.
    /// Redis: LRANGE.
    ///
    /// Locks: copies under the lock.
    /// Complexity: linear in the size.
    [[nodiscard]] std::vector<T>
    range(std::int64_t first = 0, std::int64_t last = -1) const requires std::copy_constructible<T>;

    /// How many elements there were at one moment of the call. Redis: LLEN.
    [[nodiscard]] std::size_t size() const {
        const detail::Lock lock{state_->back.mutex};
        return state_->size();
    }

    /// A snapshot of several figures. Redis: `CLIENT LIST` and `LLEN`.
    ///
    /// Complexity: linear in the number of waiting calls.
    [[nodiscard]] ListStats stats() const {
        detail::ListState<T>& list = *state_;
        const detail::Lock lock{list.back.mutex};
        return list.stats();
    }

    /// What it was made with. The clock is never null.
    [[nodiscard]] ListOptions options() const noexcept {
        return {state_->capacity, state_->when_full, &state_->clock};
    }

    // ------------------------------------------------------------------ closing

    /// Refuses every push from now on. The elements that are in the list can still be taken. Ends
    /// all pushes that wait, and all pops that wait, as nothing can come any more. Closing twice
    /// does nothing.
    void close() const noexcept { state_->close(); }

    /// Whether it was closed. Elements may be left: the loop of a consumer ends at drained().
    [[nodiscard]] bool closed() const {
        const detail::Lock lock{state_->back.mutex};
        return state_->closed;
    }

    /// Closed, and nothing is left, nor is an element on its way to a coroutine that has waited for
    /// it. Once true it stays true.
    [[nodiscard]] bool drained() const {
        const detail::Lock lock{state_->back.mutex};
        return state_->closed && state_->size() == 0 && state_->on_the_way() == 0;
    }

    /// Whether both are handles of the same list.
    friend bool operator==(const BlockingList& one, const BlockingList& other) noexcept {
        return &*one.state_ == &*other.state_;
    }

private:
    friend class Watch;
    template <Message U>
    friend PoppedFrom<U> pop_first(std::span<const BlockingList<U>> lists,
                                   const FirstOptions& options);
    template <Message U>
    friend Awaitable<detail::PopFirstRecipe<U>>
    async_pop_first(std::span<const BlockingList<U>> lists, const FirstOptions& options);

    using State = detail::ListState<T>;

    static State* made(const ListOptions& options) {
        if (options.capacity != 0) return new State{options};
        throw Error{ErrorCode::invalid_argument,
                    "BlockingList: the capacity is 0; it must be at least 1"};
    }

    Batch<T> pop_many(End end, std::size_t count, const WaitOptions* options) const {
        detail::check_count(count, "BlockingList: a pop of many");
        return detail::pop_many(*state_, end, count, options);
    }

    [[nodiscard]] detail::Owner<State> owner() const noexcept { return detail::Owner{*state_}; }

    // A push waits only with Full::block.
    [[nodiscard]] detail::KeptOptions of_push(const WaitOptions& options) const noexcept {
        detail::KeptOptions kept{options};
        if (state_->when_full != Full::block) kept.timeout = std::chrono::nanoseconds{0};
        return kept;
    }

    static PoppedFrom<T> first_of(std::span<const BlockingList> lists, const FirstOptions& options);
    static detail::ListPlaces<T> places_at(std::span<const BlockingList> lists);
    static void require_some(std::span<const BlockingList> lists);

    detail::Handle<State> state_;
};

/// Takes an element from the first of `lists` that is not empty. If all are empty, waits until one
/// is not. A list that is named twice counts once. The time-out goes by the clock of the first
/// list. Redis: BLPOP with several keys, BLMPOP, as since 7.2.
///
/// One push may fill two lists at once: a push of several elements to `a`, while a move from `a` to
/// `b` waits. Then pop_first({b, a}) takes from `b`, which it names first, although `a` was filled
/// before. This is the one exception from first come, first served: the call takes that element
/// also from a pop that has waited longer at `b`. That pop gets the next element of `b`.
///
///     auto next = runnel::pop_first({urgent, normal}, {.timeout = 1s});
///
/// Blocks: while all of them are empty and not all are closed.
/// Throws: Error{invalid_argument} if there is no list.
/// Complexity: linear in the number of lists.
template <Message T>
PoppedFrom<T> pop_first(std::span<const BlockingList<T>> lists, const FirstOptions& options = {}) {
    return BlockingList<T>::first_of(lists, options);
}

/// `lists` may be any contiguous range of lists, such as a std::vector.
template <std::ranges::contiguous_range Lists,
          typename T = typename std::ranges::range_value_t<Lists>::value_type>
PoppedFrom<T> pop_first(const Lists& lists, const FirstOptions& options = {}) requires
    std::same_as<std::ranges::range_value_t<Lists>, BlockingList<T>> {
    return pop_first(std::span<const BlockingList<T>>{lists}, options);
}

template <Message T>
PoppedFrom<T> pop_first(std::initializer_list<BlockingList<T>> lists,
                        const FirstOptions& options = {}) {
    return pop_first(std::span<const BlockingList<T>>{lists.begin(), lists.size()}, options);
}

/// As pop_first(), without a thread; see Awaitable. It does not keep `lists`, which may go before
/// it is awaited. It may be awaited again, by one coroutine at a time.
///
///     auto next = runnel::async_pop_first({urgent, normal}, {.stop = stop});
///     while (auto job = co_await next) run(*job);
///
/// (g++ 12 does not compile a list in braces inside of the expression of a co_await.)
///
/// If its coroutine is destroyed after it was served, the element goes back to the list and the end
/// that it came from.
///
/// Throws: Error{invalid_argument} if there is no list.
/// Memory: one allocation, in this call.
template <Message T>
Awaitable<detail::PopFirstRecipe<T>> async_pop_first(std::span<const BlockingList<T>> lists,
                                                     const FirstOptions& options = {}) {
    using Recipe = detail::PopFirstRecipe<T>;
    return Awaitable<Recipe>{Recipe{BlockingList<T>::places_at(lists), options.from},
                             WaitOptions{options.timeout, options.stop}};
}

template <std::ranges::contiguous_range Lists,
          typename T = typename std::ranges::range_value_t<Lists>::value_type>
Awaitable<detail::PopFirstRecipe<T>> async_pop_first(const Lists& lists,
                                                     const FirstOptions& options = {}) requires
    std::same_as<std::ranges::range_value_t<Lists>, BlockingList<T>> {
    return async_pop_first(std::span<const BlockingList<T>>{lists}, options);
}

template <Message T>
Awaitable<detail::PopFirstRecipe<T>> async_pop_first(std::initializer_list<BlockingList<T>> lists,
                                                     const FirstOptions& options = {}) {
    return async_pop_first(std::span<const BlockingList<T>>{lists.begin(), lists.size()}, options);
}

template <Message T>
PoppedFrom<T> BlockingList<T>::first_of(std::span<const BlockingList> lists,
                                        const FirstOptions& options) {
    require_some(lists);
    for (std::size_t at = 0; at != lists.size(); ++at) {
        if (auto popped = detail::pop(*lists[at].state_, options.from, nullptr))
            return PoppedFrom<T>{at, *std::move(popped)};
    }
    auto places = places_at(lists);
    detail::PopFirst<T> request{options.from, places};
    detail::try_or_wait(request, request, detail::WaitLimits::of(&options));
    return request.result();
}

template <Message T>
detail::ListPlaces<T> BlockingList<T>::places_at(std::span<const BlockingList> lists) {
    require_some(lists);
    detail::ListPlaces<T> places{lists.size()};
    for (std::size_t at = 0; at != lists.size(); ++at) places.add(*lists[at].state_, at);
    return places;
}

template <Message T>
void BlockingList<T>::require_some(std::span<const BlockingList> lists) {
    if (lists.empty())
        throw Error{ErrorCode::invalid_argument, "pop_first: there is no list to take from"};
}

template <Message T>
std::size_t BlockingList<T>::remove(const T& value, End from,
                                    std::size_t count) const requires std::equality_comparable<T> {
    return detail::remove_equal(*state_, value, from, count);
}

template <Message T>
std::vector<T> BlockingList<T>::range(std::int64_t first,
                                      std::int64_t last) const requires std::copy_constructible<T> {
    State& list = *state_;
    std::vector<T> copies;
    const detail::LockAll lock{list};
    const auto range = detail::IndexRange::between(first, last, list.size());
    copies.reserve(range.count);
    list.core().visit(range.first, range.count,
                      [&](const T& element) { copies.push_back(element); });
    return copies;
}

}  // namespace runnel::inline v0
