// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/abstract_clock.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/thread_id.hpp>
#include <runnel/detail/list/list_places.hpp>
#include <runnel/detail/list/list_state.hpp>
#include <runnel/detail/wait/await.hpp>
#include <runnel/detail/wait/request.hpp>
#include <runnel/detail/wait/spin.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/detail/wait/waiter.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace runnel::inline v0::detail {

// The place of a request in one line of a list, of which somebody keeps the memory.
template <Message T, Line In>
struct ListPlace {
    ListPlace(Waiter& of, ListState<T>& list) noexcept : node{of, list} {}

    [[nodiscard]] bool try_or_queue(WaitLimits limits, WakeChain& chain) noexcept {
        using Entered = typename ListState<T>::Entered;
        const Entered entered = node.list()->enter(node, In, limits.may_wait(), chain);
        if (entered == Entered::queued) node.waiter->note_that_queued();
        return entered == Entered::ended;
    }
    void leave() noexcept {
        if (!node.waiter->was_queued() || !may_stand_in_line(*node.waiter)) return;
        if constexpr (In == Line::pushes) {
            node.list()->leave_pushes(node);
        } else {
            node.list()->leave(node);
        }
    }
    [[nodiscard]] SpinBudget& spin() const noexcept { return node.list()->spin; }

    ListNode<T> node;
};

// The place of a thread's request. Keeps the memory of the list: the handle may go meanwhile.
template <Message T, Line In>
struct KeepingListPlace : ListPlace<T, In> {
    KeepingListPlace(Waiter& of, ListState<T>& list) noexcept
        : ListPlace<T, In>{of, list}, keep{list} {}

    const Owner<ListState<T>> keep;
};

template <Message T>
class PopOne : public Request {
public:
    static constexpr Behaviour behaviour{serve_as<PopOne, ListNode<T>>, unpark<PopOne>};

    PopOne(End at, Clock& on) noexcept : Request{behaviour, WaitsOn::one, on}, end{at} {}

    Served attempt(ListNode<T>& node) {
        ListState<T>& list = *node.list();
        list.assert_held();
        if (list.core().empty()) return list.closed ? end_if_last_source() : Served::no;
        if (!claim()) return Served::elsewhere;
        value.emplace(std::move(list.core().peek(end)));
        list.core().drop(end);
        return Served::yes;
    }

    // Once it has ended. Throws: what attempt() has thrown.
    [[nodiscard]] [[gnu::always_inline]] Popped<T> result() {
        if (value) [[likely]]
            return Popped<T>(std::in_place, std::move(*value));
        return ending();
    }

    const End end;
    bool is_on_the_way = false;  // of an Operation: it may come back, see ListState::give_back()
    std::optional<T> value;
};

// The most common wait, put into line under the lock that found the list empty. On cache lines of
// its own: the word that the waiting thread polls is away from what the waker writes. In pairs, as
// processors fetch the line beside: the waker would take lines of the waiting thread's stack.
template <Message T>
struct alignas(std::max<std::size_t>(128, alignof(PopOne<T>))) PopInLine {
    PopInLine(End end, ListState<T>& list) noexcept
        : request{end, list.clock}, place{request, list} {}

    PopOne<T> request;
    KeepingListPlace<T, Line::pops> place;
};

// Takes from the first list that has something, of those whose locks the waker holds: the list of
// the node, and an earlier one that serve_poppers() has found. It is its own place, with a node at
// each list.
template <Message T>
class PopFirst : public Request {
public:
    static constexpr Behaviour behaviour{serve_as<PopFirst, ListNode<T>>, unpark<PopFirst>};

    // `places` outlives it, and is not empty.
    PopFirst(End at, ListPlaces<T>& places) noexcept
        : Request{behaviour, WaitsOn::several, places.begin()->list()->clock},
          end{at},
          places_{places} {
        places_.give_to(*this);
        open_sources = static_cast<std::uint32_t>(places_.size());
    }
    PopFirst(const PopFirst&) = delete;
    PopFirst& operator=(const PopFirst&) = delete;
    ~PopFirst() { places_.take_back(); }

    [[nodiscard]] bool try_or_queue(WaitLimits /*it may wait*/, WakeChain& chain) noexcept {
        using Entered = typename ListState<T>::Entered;
        for (ListNode<T>& node : places_) {
            if (node.list()->enter(node, Line::pops, true, chain) == Entered::ended) return true;
            if (claimed()) return false;
        }
        return false;
    }
    void leave() noexcept {
        for (ListNode<T>& node : places_) node.list()->leave(node);
    }
    [[nodiscard]] SpinBudget& spin() const noexcept { return places_.begin()->list()->spin; }

    // Where an attempt takes from; null: there is nothing.
    [[nodiscard]] static ListState<T>* source(const ListNode<T>& node) noexcept {
        ListState<T>& list = *node.list();
        list.assert_held();
        if (list.core().empty()) return nullptr;
        if (ListState<T>* const other = node.several().other) {
            ListState<T>& before = *other;
            before.assert_held();
            if (!before.core().empty()) return &before;
        }
        return &list;
    }

    Served attempt(ListNode<T>& node) {
        ListState<T>* const found = source(node);
        if (found == nullptr) return at_empty(*node.list());
        ListState<T>& list = *found;
        list.assert_held();
        if (!claim()) return Served::elsewhere;
        value.emplace(std::move(list.core().peek(end)));
        list.core().drop(end);
        from = &list;
        which = which_of(node, list);
        if (&list == node.list()) return Served::yes;
        list.update_attention();
        other_ = &list;
        return Served::yes;
    }

    // Serves the list where it has made room, if the waker does not serve that.
    void serve_others(WakeChain& chain) noexcept {
        if (other_ != nullptr) other_->serve_all(chain);
    }

    // Once it has ended.
    [[nodiscard]] PoppedFrom<T> result() {
        if (value) return PoppedFrom<T>{which, std::move(*value)};
        return ending();
    }

    const End end;
    std::optional<T> value;
    ListState<T>* from = nullptr;  // what it has taken from
    std::size_t which = 0;

private:
    [[nodiscard]] Served at_empty(ListState<T>& list) noexcept {
        list.assert_held();
        return list.closed ? end_if_last_source() : Served::no;
    }

    // Requires: `list` is that of the node, or was named earlier.
    [[nodiscard]] static std::size_t which_of(const ListNode<T>& node,
                                              const ListState<T>& list) noexcept {
        const ListNode<T>* at = &node;
        while (at->list() != &list) at = at->several().earlier;
        return at->several().which;
    }

    ListPlaces<T>& places_;
    ListState<T>* other_ = nullptr;
};

template <Message T>
class PopMany : public Request {
public:
    static constexpr Behaviour behaviour{serve_as<PopMany, ListNode<T>>, unpark<PopMany>};

    PopMany(End at, std::size_t limit, Clock& on) noexcept
        : Request{behaviour, WaitsOn::one, on}, end{at}, count{limit} {}

    Served attempt(ListNode<T>& node) {
        ListState<T>& list = *node.list();
        list.assert_held();
        if (list.core().empty()) return list.closed ? end_if_last_source() : Served::no;
        values.reserve(std::min(count, list.size()));
        if (!claim()) return Served::elsewhere;
        list.core().pop_many(end, count, values);
        return Served::yes;
    }

    const End end;
    const std::size_t count;
    std::vector<T> values;
};

// Each attempt pushes as many as there is room for, until all are in. The request may be ended
// while it pushes; then the waiting thread reads `count` after it has left the line, under the
// lock.
template <Message T>
class PushMany : public Request {
public:
    static constexpr Behaviour behaviour{serve_as<PushMany, ListNode<T>>, unpark<PushMany>};

    PushMany(End at, std::span<T> all, Clock& on) noexcept
        : Request{behaviour, WaitsOn::one, on}, end{at}, messages{all} {}

    Served attempt(ListNode<T>& node) {
        ListState<T>& list = *node.list();
        list.assert_held();
        if (list.closed) return end_if_last_source();
        if (claimed()) return Served::elsewhere;
        if (if_exists && list.core().empty()) return find_absent();
        count += list.push_prefix(end, messages.subspan(count), dropped);
        if (count != messages.size()) return Served::no;
        return claim() ? Served::yes : Served::elsewhere;
    }

    const End end;
    const std::span<T> messages;
    bool if_exists = false;  // whether to push only if the list has elements
    bool absent = false;     // it had none
    std::size_t count = 0;
    std::vector<T> dropped;

private:
    Served find_absent() noexcept {
        if (!claim()) return Served::elsewhere;
        absent = true;
        return Served::yes;
    }
};

// Pushes one message, which is untouched until then. For an Operation.
template <Message T>
class PushOne : public Request {
public:
    PushOne(End at, T& pushed, Clock& on) noexcept
        : Request{behaviour, WaitsOn::one, on}, end{at}, message{pushed} {}

    static constexpr Behaviour behaviour{serve_as<PushOne, ListNode<T>>, nullptr};

    Served attempt(ListNode<T>& node) {
        ListState<T>& list = *node.list();
        list.assert_held();
        if (list.closed) return end_if_last_source();
        const bool is_full = list.free_room() == 0;
        if (is_full && list.when_full != Full::drop_other_end) return Served::no;
        if (is_full) dropped.reserve(1);
        list.core().reserve(end);
        if (!claim()) return Served::elsewhere;
        (void)list.make_room(end, dropped);
        list.core().push(end, std::move(message));
        list.note_pushed();
        return Served::yes;
    }

    // Once it has ended. Throws: std::bad_alloc.
    [[nodiscard]] Push result() const {
        return how() == WaitEnd::served ? Push::done : refusal_of(ending());
    }

    const End end;
    T& message;
    std::vector<T> dropped;  // outlives the locks
};

// What a move hands back: a copy, where T can be copied.
template <typename T>
using MovedCopy = std::conditional_t<copies_when_moved<T>, T, std::monostate>;

// It is its own place, with a node at each side.
template <Message T>
class MoveOne : public Request {
public:
    MoveOne(ListState<T>& source, End from, ListState<T>& target, End to) noexcept
        : Request{behaviour, WaitsOn::several, source.clock},
          source_{source},
          target_{target},
          from_{from},
          to_{to},
          at_source_{*this, source},
          at_target_{*this, target} {
        at_source_.several().other_place = &at_target_;
        at_target_.several().other_place = &at_source_;
    }

    // In the target's line it is attempted only when the target closes. In the source's line it is
    // attempted without the target's lock if the source is closed and drained.
    Served attempt(ListNode<T>& node) {
        if (node.list() != &source_) return end_if_last_source();
        source_.assert_held();
        if (source_.core().empty() && source_.closed) return end_if_last_source();
        target_.assert_held();
        if (target_.closed && !onto_itself()) return end_if_last_source();
        if (source_.core().empty()) return line_up_for(Line::pops);
        if (onto_itself()) return carry_out();
        const bool is_full = target_.free_room() == 0;
        if (is_full && target_.when_full == Full::reject) return reject();
        if (target_.when_full == Full::block && (is_full || target_.is_room_awaited_before(*this)))
            return line_up_for(Line::pushes);
        return carry_out();
    }

    // After a move both lists may have something for others.
    void serve_others(WakeChain& chain) noexcept {
        if (moved) serve_both(chain);
    }

    static constexpr Behaviour behaviour{serve_as<MoveOne, ListNode<T>>, unpark<MoveOne>};

    [[nodiscard]] bool try_or_queue(WaitLimits limits, WakeChain& chain) noexcept {
        bool mine = false;
        bool others = false;
        {
            const LockPair lock{source_, &target_};
            target_.assert_held();
            others = !source_.back.poppers.empty() || !target_.pushers.empty();
            const Served served = source_.back.poppers.empty() ? serve(at_source_) : Served::no;
            mine = served == Served::yes;
            if (served == Served::no && (limits.may_wait() || may_come_to_its_turn())) queue_up();
            // A thread that has to wait gives up its turn: another one may be able to take the
            // element.
            const bool has_ended_turn =
                (moved || stands_in_line_) && source_.turns.end_of(this_thread());
            others = serve_at_once(moved || has_ended_turn, chain) || others;
        }
        if (others) serve_both(chain);
        return mine;
    }
    void leave() noexcept {
        if (!stands_in_line_) return;
        source_.leave(at_source_);
        target_.leave(at_target_);
    }
    [[nodiscard]] SpinBudget& spin() const noexcept { return source_.spin; }

    // Once it has ended. Throws: what the copy has thrown.
    [[nodiscard]] Popped<MovedCopy<T>> result() {
        if (moved) return Popped<MovedCopy<T>>(std::in_place, std::move(*copy));
        if (rejected) return Ending::full;
        if (failure) std::rethrow_exception(failure);
        return ending();
    }

    std::exception_ptr failure{};  // of the copy
    bool moved = false;
    bool rejected = false;
    std::optional<MovedCopy<T>> copy;  // outlives the locks, even if nothing was moved

private:
    void serve_both(WakeChain& chain) noexcept {
        source_.serve_all(chain);
        if (!onto_itself()) target_.serve_all(chain);
    }

    [[nodiscard]] bool onto_itself() const noexcept { return &source_ == &target_; }

    // Whether there is an element, and room for it, or one of the lists is closed: then only those
    // that stand in line are before it.
    [[nodiscard]] bool may_come_to_its_turn() const noexcept
        RUNNEL_REQUIRES(source_.back.mutex, target_.back.mutex) {
        if (source_.closed || target_.closed) return true;
        if (!source_.has_something_for(Line::pops)) return false;
        return onto_itself() || target_.when_full != Full::block ||
               target_.has_something_for(Line::pushes);
    }

    // Serves those that wait for the element or the room before another thread sees it. True if
    // some of them need more locks.
    [[nodiscard]] bool serve_at_once(bool has_changed, WakeChain& chain) noexcept
        RUNNEL_REQUIRES(source_.back.mutex, source_.front.mutex)
            RUNNEL_REQUIRES(target_.back.mutex, target_.front.mutex) {
        if (!has_changed) {
            source_.update_attention();
            target_.update_attention();
            return !source_.pushers.empty() || !target_.back.poppers.empty();
        }
        const bool at_target = target_.serve_under_locks(chain, &source_);
        const bool at_source = source_.serve_under_locks(chain, &target_);
        return !at_target || !at_source;
    }

    // Notes what it lacks, and stands in that line from now on if it stands in one. Requires: the
    // locks of both lists.
    Served line_up_for(Line line) noexcept {
        lacks_ = line;
        if (stands_in_line_ && !onto_itself())
            ListState<T>::line_up(at_source_, at_target_, lacks_);
        return Served::no;
    }

    void queue_up() noexcept RUNNEL_REQUIRES(source_.back.mutex, target_.back.mutex) {
        stands_in_line_ = true;
        source_.queue_at_source(lacks_).insert(at_source_);
        if (onto_itself()) return;
        target_.queue_at_target(lacks_).insert(at_target_);
        at_source_.several().other = &target_;
        at_target_.several().other = &source_;
    }

    Served reject() noexcept {
        target_.assert_held();
        if (!claim()) return Served::elsewhere;
        ++target_.refused;
        rejected = true;
        return Served::yes;
    }

    Served carry_out() RUNNEL_REQUIRES(source_.back.mutex, source_.front.mutex)
        RUNNEL_REQUIRES(target_.back.mutex, target_.front.mutex) {
        target_.core().reserve(to_);
        if (target_.free_room() == 0) dropped_.reserve(1);
        make_copy(source_.core().peek(from_));
        if (!claim()) return Served::elsewhere;
        T element(std::move(source_.core().peek(from_)));  // braces could make a list of it
        source_.core().drop(from_);
        if (!onto_itself()) (void)target_.make_room(to_, dropped_);
        target_.core().push(to_, std::move(element));
        target_.note_pushed();
        if (at_target_.queue != nullptr) at_target_.queue->remove(at_target_);
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
    OneOfListNodes<T> at_source_;
    OneOfListNodes<T> at_target_;
    bool stands_in_line_ = false;
    Line lacks_ = Line::pops;
    std::vector<T> dropped_;
};

}  // namespace runnel::inline v0::detail
