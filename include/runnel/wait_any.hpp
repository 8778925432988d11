// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/awaitable.hpp>
#include <runnel/blocking_list.hpp>
#include <runnel/channel.hpp>
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/thread_id.hpp>
#include <runnel/detail/facade/source.hpp>
#include <runnel/detail/wait/await.hpp>
#include <runnel/detail/wait/request.hpp>
#include <runnel/detail/wait/turn.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/detail/wait/waiter.hpp>
#include <runnel/error.hpp>
#include <runnel/inbox.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <span>

namespace runnel::inline v0 {

namespace detail {
class Look;
}

/// An object that wait_any() waits for. It is made implicitly from a list, cursor, consumer,
/// subscription or inbox in the call of wait_any(). Or make it once before a loop; then the loop
/// allocates nothing.
///
/// A watch keeps the memory of the object, but does not keep the object open. If a cursor,
/// subscription or inbox is moved, its watch stays with it, also when a vector of them grows. If it
/// is destroyed or assigned to, a wait ends with Ending::gone. The handle of a consumer may be
/// destroyed before the watch.
///
/// Thread safety: used by one wait at a time. During the wait no other thread may use, move or
/// destroy the cursor, subscription or inbox. Moved from, it can only be assigned to or destroyed.
class Watch {
public:
    /// Waits for an element to pop.
    template <Message T>
    Watch(const BlockingList<T>& list)  // NOLINT(*-explicit-*)
        : source_{std::make_unique<detail::ListSource<T>>(*list.state_)} {}

    /// Waits for an entry that the cursor has not read.
    template <Message T>
    Watch(Cursor<T>& cursor, detail::Caller caller = {})  // NOLINT(*-explicit-*)
        : source_{(
              RUNNEL_EXPECT(cursor.has_stream(), "a Watch of a Cursor that was moved from", caller),
              std::make_unique<detail::CursorSource<T>>(*cursor.stream_.get(),
                                                        cursor.cursor_.whereabouts()))} {}

    /// Waits for an entry that the group has not delivered, and until the consumer has fewer than
    /// `max_pending` entries pending; not for what a read could claim. The wait does not count as a
    /// call of the consumer.
    template <Message T>
    Watch(const Consumer<T>& consumer, detail::Caller caller = {})  // NOLINT(*-explicit-*)
        : source_{(
              RUNNEL_EXPECT(consumer.has_group(), "a Watch of a Consumer that was moved from",
                            caller),
              std::make_unique<detail::ConsumerSource<T>>(*consumer.stream_, *consumer.group_.get(),
                                                          consumer.name_, consumer.max_pending_))} {
    }

    /// Waits for a message that the subscription has not read.
    template <Message T>
    Watch(Subscription<T>& subscription, detail::Caller caller = {})  // NOLINT(*-explicit-*)
        : source_{(RUNNEL_EXPECT(subscription.has_seat(),
                                 "a Watch of a Subscription that was moved from", caller),
                   std::make_unique<detail::SubscriptionSource<T>>(
                       *subscription.channel_.get(), subscription.seat_.whereabouts()))} {}

    /// Waits for a message in the inbox.
    template <Message T>
    Watch(Inbox<T>& inbox, detail::Caller caller = {})  // NOLINT(*-explicit-*)
        : source_{
              (RUNNEL_EXPECT(inbox.has_state(), "a Watch of an Inbox that was moved from", caller),
               std::make_unique<detail::InboxSource<T>>(*inbox.state_.get()))} {}

    /// The wait uses the object, so it must be neither const nor temporary.
    template <Message T>
    Watch(const Cursor<T>& is_const_or_temporary) = delete;
    template <Message T>
    Watch(const Subscription<T>& is_const_or_temporary) = delete;
    template <Message T>
    Watch(const Inbox<T>& is_const_or_temporary) = delete;

    /// Only a reader knows what it has read; a channel, a stream or a group does not.
    template <Message T>
    Watch(const Channel<T>& needs_a_subscription_or_inbox) = delete;
    template <Message T>
    Watch(const Stream<T>& needs_a_cursor_or_consumer) = delete;
    template <Message T>
    Watch(const ConsumerGroup<T>& needs_a_consumer) = delete;

    /// The clock of the object.
    [[nodiscard]] Clock& clock(detail::Caller caller = {}) const noexcept {
        RUNNEL_EXPECT(source_ != nullptr, "clock() of a Watch that was moved from", caller);
        return source_->clock;
    }

private:
    friend class detail::Look;

    std::unique_ptr<detail::Source> source_;
};

/// Which of several objects has something, or the reason why none has.
///
/// Of many that wait for a list or a group, each element tells one. As long as this lives, the
/// element that has ended the wait tells nobody else. Once the thread that waited has taken
/// something from that list or group, or has to wait there, the next one is told of what is left.
/// So give it a name, and keep it until you have come for the element: if you come for something
/// else first, assign Ending::timed_out to it. A copy has the answer only. (Of a coroutine, the
/// thread is the one in which it goes on after the wait.)
class [[nodiscard]] WaitedAny {
public:
    WaitedAny(const WaitedAny& other) noexcept
        : which_{other.which_}, has_one_{other.has_one_}, ending_{other.ending_} {}
    WaitedAny& operator=(const WaitedAny& other) noexcept { return *this = WaitedAny{other}; }
    // A move takes the lock of the list. So by its type it is no Message, which lists move under
    // their locks.
    WaitedAny(WaitedAny&&) noexcept(false) = default;
    WaitedAny& operator=(WaitedAny&&) noexcept(false) = default;
    ~WaitedAny() = default;
    WaitedAny(Ending ending) noexcept : ending_{ending} {}  // NOLINT(*-explicit-*)
    explicit WaitedAny(std::size_t which) noexcept : which_{which}, has_one_{true} {}

    [[nodiscard]] explicit operator bool() const noexcept { return has_one_; }

    /// The position of that object among the arguments. Requires: there is one.
    [[nodiscard]] std::size_t which(detail::Caller caller = {}) const noexcept {
        RUNNEL_EXPECT(has_one_, "which() of a WaitedAny without an object", caller);
        return which_;
    }

    /// Why there is none. Requires: there is none.
    [[nodiscard]] Ending ending(detail::Caller caller = {}) const noexcept {
        RUNNEL_EXPECT(!has_one_, "ending() of a WaitedAny that has an object", caller);
        return ending_;
    }

private:
    friend class detail::Look;

    std::size_t which_ = 0;
    bool has_one_ = false;
    Ending ending_ = Ending::timed_out;
    detail::Turn turn_{detail::this_thread()};
};

namespace detail {

// Asks several objects which of them has something, and takes nothing. It stands in their lines as
// other waits do. A hand-over that comes to it ends it and goes on to the waits behind it, but to
// no other one that only looks.
class Look : public Request {
public:
    static constexpr Behaviour behaviour{serve_as<Look, WaitNode>, unpark<Look>};

    // The turn goes into `result`, which outlives it.
    // Throws: Error{invalid_argument} if there is none, or they have not one clock.
    Look(std::span<const Watch> at, WaitedAny& result)
        : Request{behaviour, WaitsOn::several, common_clock(at)}, sources_{at}, result_{result} {
        open_sources = static_cast<std::uint32_t>(at.size());
    }

    Served attempt(WaitNode& node) noexcept {
        switch (source(node.extra->which).supply()) {
        case Supply::none:
            return Served::no;
        case Supply::over:
            return end_if_last_source();
        case Supply::gone:
            return claim(WaitEnd::gone) ? Served::yes : Served::elsewhere;
        case Supply::disconnected:
            return claim(WaitEnd::disconnected) ? Served::yes : Served::elsewhere;
        case Supply::there:
            break;
        }
        if (!claim()) return Served::elsewhere;
        result_.which_ = node.extra->which;
        return Served::yes;
    }

    // It is its own place: in a line of each.
    [[nodiscard]] bool try_or_queue(WaitLimits /*any*/, WakeChain& chain) noexcept {
        for (std::size_t at = 0; at != sources_.size() && !claimed(); ++at)
            if (source(at).enter(*this, at, result_.turn_, chain)) return true;
        return false;
    }
    void leave() {
        for (std::size_t at = 0; at != sources_.size(); ++at) source(at).leave();
    }
    [[nodiscard]] SpinBudget& spin() const noexcept { return source(0).spin; }

    void wait(const WaitOptions& options) {
        try_or_wait(*this, *this, WaitLimits::of(&options));
        note_end();
    }

    static Clock& common_clock(std::span<const Watch> sources) {
        if (sources.empty())
            throw Error{ErrorCode::invalid_argument, "wait_any: there is nothing to wait for"};
        Clock& first = sources.front().clock();
        if (std::ranges::all_of(sources,
                                [&](const Watch& one) { return one.clock().is_same_as(first); }))
            return first;
        throw Error{ErrorCode::invalid_argument,
                    "wait_any: what it is to wait for has not one clock but several"};
    }

protected:
    // A turn that `result` gets in line is that thread's.
    static void wait_for(ThreadId holder, WaitedAny& result) noexcept {
        result.turn_ = Turn{holder};
    }
    // Once it has ended: what it was told, for this thread, which gets the turn.
    [[nodiscard]] WaitedAny hand_out() {
        note_end();
        WaitedAny result{result_};
        result.turn_.take(result_.turn_);
        return result;
    }

private:
    [[nodiscard]] Source& source(std::size_t which) const noexcept {
        return *sources_[which].source_;
    }

    void note_end() {
        result_.has_one_ = how() == WaitEnd::served;
        if (!result_.has_one_) result_.ending_ = ending();
    }

    const std::span<const Watch> sources_;
    WaitedAny& result_;
};

// The same without a thread. The watches stay where they are.
struct AnyRecipe {
    // If nobody takes what it was told, its turn ends with it.
    class Told {
    protected:
        WaitedAny told{Ending::timed_out};
    };

    class Request : private Told, public Look {
    public:
        explicit Request(const AnyRecipe& recipe) : Look{recipe.objects, told} {
            wait_for(recipe.holder, told);
        }

        static void take(Request& /*there is nothing*/) noexcept {}
        static void give_back(Request& /*there is nothing but its turn*/) noexcept {}

        [[nodiscard]] WaitedAny result() { return hand_out(); }
    };

    using Place = Request&;
    [[nodiscard]] static Place place(Request& request) noexcept { return request; }

    std::span<const Watch> objects;
    ThreadId holder = no_thread;  // of its turn, until somebody goes on with it
};

}  // namespace detail

/// Waits until one of several objects, of any model and any message type, has something for the
/// caller. Takes nothing. Returns which object it is: of those that have something when the call
/// begins, the first in the order of the arguments; else the one that ended the wait.
///
///     while (auto any = runnel::wait_any({jobs, ticks}, {.stop = stop})) {
///         if (any.which() == 0)
///             if (auto job = jobs.try_pop_front()) run(*job);
///         if (any.which() == 1)
///             if (auto batch = ticks.try_read())
///                 for (const Tick& tick : batch) draw(tick);
///     }
///
/// Nothing is reserved for the caller: another thread may take the element first, and then a try_…
/// finds nothing. Calls that take are served as if this one did not exist. To wait and take in one
/// call, use pop_first() for lists of one type and read_first() for streams of one type.
///
/// Wakes: of those that wait here for one list, or one group, each element one; see WaitedAny. All
/// that wait for a cursor, subscription or inbox, which has one reader.
///
/// Blocks: while none has anything.
/// Ends with: Ending::closed once all are closed and have nothing left. Ending::gone as soon as the
/// group of a consumer is removed, and at once if a cursor, subscription or inbox was destroyed.
/// Ending::disconnected as soon as a subscription or an inbox is disconnected.
/// Throws: Error{invalid_argument} if there is no object, or not all have the same clock.
/// Complexity: linear in the number of objects. As long as threads keep results that a list or
/// group has ended, each take there is linear in the number of these threads; so is each add to a
/// group while others wait for it here.
inline WaitedAny wait_any(std::span<const Watch> objects,
                          const WaitOptions& options = wait_for_ever) {
    WaitedAny result{Ending::timed_out};
    detail::Look{objects, result}.wait(options);
    return result;
}

inline WaitedAny wait_any(std::initializer_list<Watch> objects,
                          const WaitOptions& options = wait_for_ever) {
    return wait_any(std::span{objects.begin(), objects.size()}, options);
}

/// As wait_any(), without a thread; see Awaitable. The watches stay where they are until the wait
/// has ended, and are used by one wait at a time. It may be awaited again.
///
///     const std::array<runnel::Watch, 2> watches{jobs, ticks};
///     auto next = runnel::async_wait_any(watches, {.stop = stop});
///     while (auto any = co_await next) …
///
/// If its coroutine is destroyed after it was told of an element, the next one is told.
///
/// Throws: as wait_any(), in this call.
/// Memory: allocates nothing; to make a Watch does.
inline auto async_wait_any(std::span<const Watch> objects RUNNEL_LIFETIMEBOUND,
                           const WaitOptions& options = {}) {
    (void)detail::Look::common_clock(objects);
    return Awaitable{detail::AnyRecipe{objects}, options};
}

/// To be awaited in the expression that calls it: the watches go with that. (g++ 12 does not
/// compile a list in braces there; make an array before.)
///
///     auto any = co_await runnel::async_wait_any({jobs, ticks});
inline auto async_wait_any(std::initializer_list<Watch> objects RUNNEL_LIFETIMEBOUND,
                           const WaitOptions& options = {}) {
    return async_wait_any(std::span{objects.begin(), objects.size()}, options);
}

}  // namespace runnel::inline v0
