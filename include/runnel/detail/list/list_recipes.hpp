// SPDX-License-Identifier: MIT
#pragma once

// The calls of a list that may wait, for those who wait without a thread.

#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/thread_id.hpp>
#include <runnel/detail/blocks/block_deque.hpp>
#include <runnel/detail/list/list_calls.hpp>
#include <runnel/detail/list/list_places.hpp>
#include <runnel/detail/list/list_requests.hpp>
#include <runnel/detail/list/list_state.hpp>
#include <runnel/detail/wait/await.hpp>
#include <runnel/detail/wait/request.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/detail/wait/waiter.hpp>
#include <runnel/list_options.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>

#include <algorithm>
#include <cstddef>
#include <memory>
#include <span>
#include <utility>

namespace runnel::inline v0::detail {

// The place of a pop of one element. At the front, it takes what has gathered at the back, or gets
// into line at once if the list is empty and no other request waits, under the lock that has found
// that.
template <Message T, End At>
struct PopPlace : ListPlace<T, Line::pops> {
    PopPlace(PopOne<T>& request, ListState<T>& list) noexcept
        : ListPlace<T, Line::pops>{request, list} {}

    [[nodiscard]] bool try_or_queue(WaitLimits limits, WakeChain& chain) noexcept {
        if constexpr (At == End::front) {
            const auto has_ended = try_or_queue_at_back(limits, false, chain);
            if (has_ended) return *has_ended;
        }
        return ListPlace<T, Line::pops>::try_or_queue(limits, chain);
    }
    [[nodiscard]] std::optional<bool> try_or_suspend(WakeChain& chain) noexcept
        requires(At == End::front) {
        return try_or_queue_at_back(WaitLimits::of(&wait_for_ever), true, chain);
    }

private:
    // Nothing: there may be something at the front, others may stand before it, or what it takes
    // may come back; or the list is closed, or the call may not wait.
    [[nodiscard]] std::optional<bool> try_or_queue_at_back(const WaitLimits& limits, bool suspends,
                                                           WakeChain& chain) noexcept {
        ListState<T>& list = *this->node.list();
        auto& request = static_cast<PopOne<T>&>(*this->node.waiter);
        bool is_finished = true;
        {
            const Lock lock{list.back.mutex};
            if (list.front_size() != 0 || !list.is_first(Line::pops) || list.closed)
                return std::nullopt;
            if (list.back.part.items.empty())
                return limits.may_wait() ? queue_alone(list, suspends) : std::nullopt;
            if (limits.may_be_given_up || !request.claim()) return std::nullopt;
            request.value.emplace(*list.take_first_of_back());
            if (list.needs_no_attention()) return true;
            const LockRest rest{list};
            list.turns.end_of(this_thread());
            is_finished = list.serve_under_locks(chain);
        }
        if (!is_finished) list.serve_all(chain);
        return true;
    }

    // Nothing: others may have to be served.
    [[nodiscard]] std::optional<bool> queue_alone(ListState<T>& list, bool suspends) noexcept
        RUNNEL_REQUIRES(list.back.mutex) {
        if (!list.needs_no_attention()) return std::nullopt;
        if (suspends) this->node.waiter->suspend_unshared();
        list.queue_pop(this->node);
        return false;
    }
};

// Takes one element.
template <Message T, End At>
struct PopRecipe {
    using Place = PopPlace<T, At>;

    class Request : public PopOne<T> {
    public:
        explicit Request(const PopRecipe& recipe) noexcept : PopOne<T>{At, recipe.keep->clock} {}

        static constexpr Waiter::Behaviour behaviour{
            Request::template serve_as<Request, ListNode<T>>, nullptr};

        Served attempt(ListNode<T>& node) {
            ListState<T>& list = *node.list();
            list.assert_held();
            if (!list.core().empty()) list.prepare_return();
            const Served served = PopOne<T>::attempt(node);
            this->is_on_the_way = served == Served::yes && this->value;
            if (this->is_on_the_way) list.send_off();
            return served;
        }

        void take(Place& place) noexcept {
            if (this->is_on_the_way) place.node.list()->note_arrival();
        }
        void give_back(Place& place) noexcept {
            const std::span<T> element{std::addressof(*this->value), 1};
            place.node.list()->give_back(At, element, nullptr);
        }
    };

    [[nodiscard]] Place place(Request& request) const noexcept { return {request, *keep.get()}; }

    [[nodiscard]] bool try_now(Request& request) const {
        ListState<T>& list = *keep.get();
        if (At != End::front || list.front_size() == 0) return false;
        if (list.front.has_attention()) return pop_front_and_serve(list, request.value);
        const Lock lock{list.front.mutex};
        if (!list.front.part.has() || list.front.has_attention()) return false;
        request.value.emplace(*list.take_first_of_front());
        return true;
    }

    Owner<ListState<T>> keep;
};

// Takes up to `count` elements.
template <Message T, End At>
struct PopManyRecipe {
    using Place = ListPlace<T, Line::pops>;

    class Request : public PopMany<T> {
    public:
        explicit Request(const PopManyRecipe& recipe) noexcept
            : PopMany<T>{At, recipe.count, recipe.keep->clock} {}

        static constexpr Waiter::Behaviour behaviour{
            Request::template serve_as<Request, ListNode<T>>, nullptr};

        Served attempt(ListNode<T>& node) {
            ListState<T>& list = *node.list();
            list.assert_held();
            if (!list.core().empty()) aside_.add_block(std::min(this->count, list.size()));
            const Served served = PopMany<T>::attempt(node);
            if (served == Served::yes && !this->values.empty()) list.send_off();
            return served;
        }

        static void take(Place& place) noexcept { place.node.list()->note_arrival(); }
        void give_back(Place& place) noexcept {
            place.node.list()->give_back(At, this->values, &aside_);
        }

        [[nodiscard]] Batch<T> result() {
            if (!this->values.empty()) return Batch<T>{std::move(this->values)};
            return this->ending();
        }

    private:
        typename BlockDeque<T>::Aside aside_;
    };

    [[nodiscard]] Place place(Request& request) const noexcept { return {request, *keep.get()}; }

    [[nodiscard]] bool try_now(Request& request) const {
        bool was_stream = false;
        return pop_many_now(*keep.get(), At, count, request.values, was_stream);
    }

    Owner<ListState<T>> keep;
    std::size_t count;
};

// Takes one element from the first of several lists that has something.
template <Message T>
struct PopFirstRecipe {
    class Request : public PopFirst<T> {
    public:
        explicit Request(PopFirstRecipe& recipe) noexcept
            : PopFirst<T>{recipe.end, recipe.places} {}

        static constexpr Waiter::Behaviour behaviour{
            Request::template serve_as<Request, ListNode<T>>, nullptr};

        Served attempt(ListNode<T>& node) {
            if (ListState<T>* const source = this->source(node)) {
                source->assert_held();
                source->prepare_return();
            }
            const Served served = PopFirst<T>::attempt(node);
            if (served == Served::yes && this->value) {
                this->from->assert_held();
                this->from->send_off();
            }
            return served;
        }

        void take(Request& /*itself*/) noexcept { this->from->note_arrival(); }
        void give_back(Request& /*itself*/) noexcept {
            const std::span<T> element{std::addressof(*this->value), 1};
            this->from->give_back(this->end, element, nullptr);
        }
    };

    using Place = Request&;
    [[nodiscard]] Place place(Request& request) const noexcept { return request; }

    [[nodiscard]] bool try_now(Request& request) const {
        for (const OneOfListNodes<T>& place : places) {
            Popped<T> popped = pop(*place.list(), end, nullptr);
            if (!popped) continue;
            request.value.emplace(*std::move(popped));
            request.which = place.several().which;
            return true;
        }
        return false;
    }

    ListPlaces<T> places;
    End end;
};

// The place of a push of one message. It gets into line at once if the list is full, under the
// locks that have found that.
template <Message T>
struct PushPlace : ListPlace<T, Line::pushes> {
    PushPlace(PushOne<T>& request, ListState<T>& list) noexcept
        : ListPlace<T, Line::pushes>{request, list} {}

    [[nodiscard]] bool try_or_queue(WaitLimits limits, WakeChain& chain) noexcept {
        if (limits.may_wait() && queue_if_full(false)) return false;
        return ListPlace<T, Line::pushes>::try_or_queue(limits, chain);
    }
    [[nodiscard]] std::optional<bool> try_or_suspend(WakeChain& /*it serves nobody*/) noexcept {
        return queue_if_full(true) ? std::optional{false} : std::nullopt;
    }

private:
    // Requires: it may wait.
    [[nodiscard]] bool queue_if_full(bool suspends) noexcept {
        ListState<T>& list = *this->node.list();
        const LockAll lock{list};
        if (list.closed || list.free_room() != 0) return false;
        if (suspends) this->node.waiter->suspend_unshared();
        list.queue_push(this->node);
        return true;
    }
};

// Pushes messages, which stay where they are until it has ended.
template <Message T, End At>
struct PushManyRecipe {
    using Place = ListPlace<T, Line::pushes>;

    class Request : public PushMany<T> {
    public:
        explicit Request(const PushManyRecipe& recipe) noexcept
            : PushMany<T>{At, recipe.messages, recipe.keep->clock} {}

        static void take(Place& /*there is nothing*/) noexcept {}
        static void give_back(Place& /*they stay in the list*/) noexcept {}

        [[nodiscard]] Pushed result() {
            if (this->count == this->messages.size()) return {this->count, Push::done};
            if (this->count != 0 && this->how() == WaitEnd::failed)
                return {this->count, Push::full};
            return {this->count, refusal_of(this->ending())};
        }
    };

    [[nodiscard]] Place place(Request& request) const noexcept { return {request, *keep.get()}; }

    Owner<ListState<T>> keep;
    std::span<T> messages;
};

// Pushes one message: `Held` is T, or T& for one that stays where it is until the push has ended.
template <Message T, End At, typename Held>
struct PushRecipe {
    using Place = PushPlace<T>;

    class Request : public PushOne<T> {
    public:
        explicit Request(PushRecipe& recipe) noexcept
            : PushOne<T>{At, recipe.message, recipe.keep->clock} {}

        static void take(Place& /*there is nothing*/) noexcept {}
        static void give_back(Place& /*it stays in the list*/) noexcept {}
    };

    [[nodiscard]] Place place(Request& request) const noexcept { return {request, *keep.get()}; }

    [[nodiscard]] bool try_now(Request& request) {
        return At == End::back && push_back_now(*keep.get(), request.message);
    }

    Owner<ListState<T>> keep;
    Held message;
};

// Takes an element and puts it on another list, or on the same.
template <Message T>
struct MoveRecipe {
    class Request : public MoveOne<T> {
    public:
        explicit Request(const MoveRecipe& recipe) noexcept
            : MoveOne<T>{*recipe.source.get(), recipe.from, *recipe.target.get(), recipe.to} {}

        static void take(Request& /*there is nothing*/) noexcept {}
        static void give_back(Request& /*it stays done*/) noexcept {}
    };

    using Place = Request&;
    [[nodiscard]] Place place(Request& request) const noexcept { return request; }

    Owner<ListState<T>> source;
    End from;
    Owner<ListState<T>> target;
    End to;
};

}  // namespace runnel::inline v0::detail
