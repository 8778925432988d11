// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/abstract_clock.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/list/list_state.hpp>
#include <runnel/detail/wait/request.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/detail/wait/waiter.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace runnel::inline v0::detail {

template <Message T>
class PopOne : public Request {
public:
    static constexpr Behaviour behaviour{serve_as<PopOne, ListNode<T>>, unpark};

    PopOne(End at, Clock& on) noexcept : Request{behaviour, WaitsOn::one, on}, end{at} {}

    Served attempt(ListNode<T>& node) {
        ListState<T>& list = *node.list();
        list.assert_held();
        if (list.core.empty()) return list.closed ? source_closed() : Served::no;
        if (!claim()) return Served::gone;
        value.emplace(std::move(list.core.peek(end)));
        list.core.drop(end);
        return Served::yes;
    }

    const End end;
    std::optional<T> value;
};

// The commonest wait, put into line under the lock that found the list empty. On lines of its own:
// the word that the waiting thread polls is away from what the waker writes.
template <Message T>
struct alignas(std::max<std::size_t>(64, alignof(PopOne<T>))) PopInLine {
    PopInLine(End end, ListState<T>& list) noexcept
        : request{end, list.clock}, node{request, list} {}

    PopOne<T> request;
    ListNode<T> node;
};

// Takes from the first of several lists that has something: of those whose locks the waker holds,
// which are that of the node and the one that serve_poppers() has found before it.
template <Message T>
class PopFirst : public Request {
public:
    PopFirst(End end, Clock& on) noexcept : Request{behaviour, WaitsOn::several, on}, end_{end} {}

    Served attempt(ListNode<T>& node) {
        ListState<T>& list = *node.list();
        list.assert_held();
        if (list.core.empty()) return list.closed ? source_closed() : Served::no;
        if (node.other != nullptr) {
            ListState<T>& before = *node.other;
            before.assert_held();
            if (!before.core.empty()) {
                if (!take(before, which_of(node, before))) return Served::gone;
                before.update_attention();
                other_ = &before;
                return Served::yes;
            }
        }
        return take(list, node.which) ? Served::yes : Served::gone;
    }

    // Where it has made room, which is not the list that the waker serves; see Waiter::Resume.
    static void unpark_after_others(Waiter& waiter, WakeChain& chain) noexcept {
        auto& pop = static_cast<PopFirst&>(waiter);
        if (pop.other_ != nullptr) pop.other_->serve_all(chain);
        unpark(pop, chain);
    }

    static constexpr Behaviour behaviour{serve_as<PopFirst, ListNode<T>>, unpark_after_others};

    std::optional<T> value;
    std::size_t which = 0;

private:
    [[nodiscard]] bool take(ListState<T>& list, std::size_t position)
        RUNNEL_REQUIRES(list.core.back.mutex, list.core.front.mutex) {
        if (!claim()) return false;
        value.emplace(std::move(list.core.peek(end_)));
        list.core.drop(end_);
        which = position;
        return true;
    }

    [[nodiscard]] static std::size_t which_of(const ListNode<T>& node,
                                              const ListState<T>& list) noexcept {
        const ListNode<T>* at = node.earlier;
        while (at->list() != &list) at = at->earlier;
        return at->which;
    }

    const End end_;
    ListState<T>* other_ = nullptr;
};

template <Message T>
class PopMany : public Request {
public:
    static constexpr Behaviour behaviour{serve_as<PopMany, ListNode<T>>, unpark};

    PopMany(End at, std::size_t limit, Clock& on) noexcept
        : Request{behaviour, WaitsOn::one, on}, end{at}, count{limit} {}

    Served attempt(ListNode<T>& node) {
        ListState<T>& list = *node.list();
        list.assert_held();
        if (list.core.empty()) return list.closed ? source_closed() : Served::no;
        values.reserve(std::min(count, list.core.size()));
        if (!claim()) return Served::gone;
        list.core.pop_many(end, count, values);
        return Served::yes;
    }

    const End end;
    const std::size_t count;
    std::vector<T> values;
};

// Pushes as many as there is room for, again and again until all are in. It may be ended while it
// pushes; then the thread that waits reads `count` after it has left the line, under the lock.
template <Message T>
class PushMany : public Request {
public:
    static constexpr Behaviour behaviour{serve_as<PushMany, ListNode<T>>, unpark};

    PushMany(End at, std::span<T> all, Clock& on) noexcept
        : Request{behaviour, WaitsOn::one, on}, end{at}, messages{all} {}

    Served attempt(ListNode<T>& node) {
        ListState<T>& list = *node.list();
        list.assert_held();
        if (list.closed) return source_closed();
        if (claimed()) return Served::gone;
        count += list.push_prefix(end, messages.subspan(count), dropped);
        if (count != messages.size()) return Served::no;
        return claim() ? Served::yes : Served::gone;
    }

    const End end;
    const std::span<T> messages;
    std::size_t count = 0;
    std::vector<T> dropped;
};

// What a move hands back: a copy, where T can be copied.
template <typename T>
using MovedCopy = std::conditional_t<copies_when_moved<T>, T, std::monostate>;

template <Message T>
class MoveOne : public Request {
public:
    MoveOne(ListState<T>& source, End from, ListState<T>& target, End to) noexcept
        : Request{behaviour, WaitsOn::several, source.clock},
          source_{source},
          target_{target},
          from_{from},
          to_{to} {}

    // From the target's line it is attempted only when the target closes, and from the source's
    // without the target's lock when that is closed and drained.
    Served attempt(ListNode<T>& node) {
        if (node.list() != &source_) return source_closed();
        source_.assert_held();
        if (source_.core.empty() && source_.closed) return source_closed();
        target_.assert_held();
        if (target_.closed && !onto_itself()) return source_closed();
        if (source_.core.empty()) return Served::no;
        if (onto_itself()) return carry_out();
        const bool is_full = target_.core.free_room() == 0;
        if (is_full && target_.when_full == Full::reject) return reject();
        if (target_.when_full == Full::block && (is_full || target_.has_push_before(*this))) {
            if (at_target_ != nullptr) at_target_->awaits_room = true;
            return Served::no;
        }
        return carry_out();
    }

    // After a move both lists may have something for others; see Waiter::Resume.
    static void unpark_after_others(Waiter& waiter, WakeChain& chain) noexcept {
        auto& move = static_cast<MoveOne&>(waiter);
        if (move.moved) move.serve_others(chain);
        unpark(move, chain);
    }

    static constexpr Behaviour behaviour{serve_as<MoveOne, ListNode<T>>, unpark_after_others};

    void serve_others(WakeChain& chain) noexcept {
        source_.serve_all(chain);
        if (!onto_itself()) target_.serve_all(chain);
    }

    // Carries it out at once or puts it into line, with a node at either list. True if this thread
    // has claimed it.
    [[nodiscard]] bool enter(ListNode<T>& at_source, ListNode<T>& at_target,
                             WakeChain& chain) noexcept {
        bool mine = false;
        bool others = false;
        {
            const LockPair lock{source_.core, &target_.core};
            target_.assert_held();
            others = !source_.core.back.poppers.empty() || !target_.pushers.empty();
            const Served served = others ? Served::no : serve(at_source);
            mine = served == Served::yes;
            if (served == Served::no) queue_up(at_source, at_target);
            others = serve_at_once(chain) || others;
        }
        if (others) serve_others(chain);
        return mine;
    }

    bool moved = false;
    bool rejected = false;
    std::optional<MovedCopy<T>> copy;  // lives on until the locks are gone, also of no move

private:
    [[nodiscard]] bool onto_itself() const noexcept { return &source_ == &target_; }

    // Nobody sees what it has brought, or the room that it has made, before those who wait for it.
    // True if there are such who need more locks.
    [[nodiscard]] bool serve_at_once(WakeChain& chain) noexcept
        RUNNEL_REQUIRES(source_.core.back.mutex, source_.core.front.mutex)
            RUNNEL_REQUIRES(target_.core.back.mutex, target_.core.front.mutex) {
        if (!moved) {
            source_.update_attention();
            target_.update_attention();
            return !source_.pushers.empty() || !target_.core.back.poppers.empty();
        }
        const bool at_target = target_.serve_within_reach(chain, &source_);
        const bool at_source = source_.serve_within_reach(chain, &target_);
        return !at_target || !at_source;
    }

    void queue_up(ListNode<T>& at_source, ListNode<T>& at_target) noexcept
        RUNNEL_REQUIRES(source_.core.back.mutex, source_.core.front.mutex,
                        target_.core.back.mutex) {
        source_.core.back.poppers.insert(at_source);
        if (onto_itself()) return;
        target_.pushers.insert(at_target);
        at_source.other = &target_;
        at_target.other = &source_;
        at_target.awaits_room = !source_.core.empty();
        at_target_ = &at_target;
    }

    Served reject() noexcept {
        if (!claim()) return Served::gone;
        rejected = true;
        return Served::yes;
    }

    Served carry_out() RUNNEL_REQUIRES(source_.core.back.mutex, source_.core.front.mutex)
        RUNNEL_REQUIRES(target_.core.back.mutex, target_.core.front.mutex) {
        target_.core.reserve(to_);
        if (target_.core.free_room() == 0) dropped_.reserve(1);
        make_copy(source_.core.peek(from_));
        if (!claim()) return Served::gone;
        T element(std::move(source_.core.peek(from_)));  // braces could make a list of it
        source_.core.drop(from_);
        if (!onto_itself()) (void)target_.make_room(to_, dropped_);
        target_.core.push(to_, std::move(element));
        target_.update_attention();
        moved = true;
        return Served::yes;
    }

    void make_copy(const T& element) {
        if constexpr (copies_when_moved<T>) {
            copy.emplace(element);
        } else {
            copy.emplace();
        }
    }

    ListState<T>& source_;
    ListState<T>& target_;
    const End from_;
    const End to_;
    ListNode<T>* at_target_ = nullptr;  // once it stands in line there
    std::vector<T> dropped_;
};

}  // namespace runnel::inline v0::detail
