// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/abstract_clock.hpp>
#include <runnel/channel_options.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/forced_unwind.hpp>
#include <runnel/detail/base/futex.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/thread_id.hpp>
#include <runnel/detail/blocks/pin.hpp>
#include <runnel/detail/blocks/segmented_log.hpp>
#include <runnel/detail/blocks/slots.hpp>
#include <runnel/detail/channel/channel_state.hpp>
#include <runnel/detail/channel/handler.hpp>
#include <runnel/detail/channel/handler_run.hpp>
#include <runnel/detail/channel/seat.hpp>
#include <runnel/detail/core/channel_log.hpp>
#include <runnel/detail/wait/await.hpp>
#include <runnel/detail/wait/continuations.hpp>
#include <runnel/detail/wait/request.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/detail/wait/waiter.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <utility>

namespace runnel::inline v0::detail {

// Whether this thread is inside a handler: of `channel`, or of any as far as this image knows.
template <Message T>
[[nodiscard]] bool is_inside_handler(const ChannelState<T>& channel) noexcept {
    return HandlerFrame<>::is_inside() || channel.is_mine();
}

// The same for what needs no thread, and may wait for the handlers when it goes on between two of
// them.
template <Message T>
[[nodiscard]] bool is_in_handler(const ChannelState<T>& channel) noexcept {
    return HandlerFrame<>::is_in_handler() || (channel.is_mine() && channel.is_in_handler());
}

// The publisher of `sent` accepts the run of the handlers, and owns the channel until it calls
// go_on_with_run().
template <Message T>
void accept_run(ChannelState<T>& channel, Sent<T>& sent) noexcept RUNNEL_REQUIRES(channel.mutex) {
    sent.goes_on = true;
    channel.add_owner();
    channel.accept_run(sent.number);
}

// The place of a request in one line of a channel. Makes what a wait needs only when it waits.
template <Message T, typename Kind>
class ChannelPlace {
public:
    ChannelPlace(Kind& request, ChannelState<T>& channel, WaitQueue ChannelState<T>::*line) noexcept
        : request_{request}, channel_{channel}, line_{line} {}

    [[nodiscard]] bool try_or_queue(WaitLimits limits, WakeChain& /*nobody else*/) {
        return channel_.try_or_queue(request_, line_, limits.may_wait(), node_);
    }
    void leave() noexcept {
        if (node_ && may_stand_in_line(request_)) channel_.leave(*node_, line_);
    }
    [[nodiscard]] SpinBudget& spin() const noexcept { return channel_.spin; }
    [[nodiscard]] ChannelState<T>& channel() const noexcept { return channel_; }

private:
    Kind& request_;
    ChannelState<T>& channel_;
    WaitQueue ChannelState<T>::*const line_;
    std::optional<ChannelNode<T>> node_;  // once it stands in line
};

// For a waker, which holds the channel's lock.
template <typename Kind, Message T>
Served attempt_as_waker(Kind& request, ChannelNode<T>& node) noexcept {
    ChannelState<T>& channel = *node.keep.get();
    channel.mutex.assert_held();
    return request.attempt(channel);
}

// Who waits to publish.
struct Publisher {
    bool is_inside_handler;  // so it does not wait for handlers
    bool may_go_on;          // with the run of another thread
    ThreadId thread;         // runs the handlers; none: the thread that sends the message does
};

// A publish that waits until no reader or handler is too far behind.
template <Message T>
class PublishOne : public Request {
public:
    static constexpr Behaviour behaviour{serve_as<PublishOne, ChannelNode<T>>, unpark<PublishOne>};

    PublishOne(T& message, std::size_t bytes, const Publisher& by, Clock& on) noexcept
        : Request{behaviour, WaitsOn::one, on}, to_send{message}, weight{bytes}, by_{by} {}

    Served attempt(ChannelNode<T>& node) {
        ChannelState<T>& channel = *node.keep.get();
        channel.mutex.assert_held();
        return carry_out(channel, channel.publishers.first() == &node);
    }
    Served attempt(ChannelState<T>& channel) RUNNEL_REQUIRES(channel.mutex) {
        return carry_out(channel, channel.publishers.empty());
    }

    // What is left to do when it has ended, in the publisher's thread. Throws: ForcedUnwind.
    void wake_and_run(ChannelState<T>& channel) {
        woken.resume_all();
        if (sent.runs_handlers) channel.run_handlers(sent, nullptr, disposal);
    }

    // What the message has woken without a thread goes on with the waker: its owner may destroy it
    // now, and would wait for the publisher's thread, which may not have its turn to run.
    void serve_others(WakeChain& others) noexcept {
        for (std::size_t left = woken.size(); left != 0; --left) {
            Waiter& waiter = woken.take_first();
            (waiter.needs_thread() ? woken : others).add(waiter);
        }
    }

    [[nodiscard]] Published result() const {
        if (sent.number != 0) return {sent.reached};
        return {0, refusal_of(ending())};
    }

    Sent<T> sent;
    Disposal<Logged<T>> disposal;

protected:
    T& to_send;
    const std::size_t weight;
    WakeChain woken;  // those whom the message has woken; the publisher resumes them

private:
    Served carry_out(ChannelState<T>& channel, bool is_first) RUNNEL_REQUIRES(channel.mutex) {
        constexpr auto calls = ChannelState<T>::CallsDirectly::no;
        if (channel.closed) return end_if_last_source();
        // Even when others are before it in line: they wait for the handlers, too.
        if (by_.is_inside_handler && channel.is_any_handler_behind()) return refuse(channel);
        if (!is_first || channel.hold_back(weight)) return Served::no;
        channel.prepare(calls, disposal);
        if (!claim()) return Served::elsewhere;
        channel.send(to_send, weight, calls, sent, disposal, woken);
        if (sent.runs_handlers && by_.thread != no_thread) channel.set_thread(by_.thread);
        if (by_.may_go_on && channel.is_run_on_offer()) accept_run(channel, sent);
        return Served::yes;
    }

    Served refuse(ChannelState<T>& channel) noexcept RUNNEL_REQUIRES(channel.mutex) {
        if (!claim(WaitEnd::timed_out)) return Served::elsewhere;
        ++channel.refused;
        return Served::yes;
    }

    const Publisher by_;
};

// Waits until the thread that runs the handlers releases the run, to go on with it.
template <Message T>
class GoOnWithRun : public Request {
public:
    static constexpr Behaviour behaviour{serve_as<GoOnWithRun, ChannelNode<T>>,
                                         unpark<GoOnWithRun>};

    // `number` is that of the message with which it has accepted the run.
    GoOnWithRun(std::uint64_t number, Clock& on) noexcept
        : Request{behaviour, WaitsOn::one, on}, number_{number} {}

    Served attempt(ChannelNode<T>& node) noexcept { return attempt_as_waker(*this, node); }
    Served attempt(ChannelState<T>& channel) noexcept RUNNEL_REQUIRES(channel.mutex) {
        if (channel.ask_for_run(number_)) return Served::no;
        if (!claim()) return Served::elsewhere;
        has_run = channel.take_run(number_, thread_);
        return Served::yes;
    }

    bool has_run = false;

private:
    const std::uint64_t number_;
    const ThreadId thread_ = this_thread();
};

// Waits for the run that the publisher of `sent` has accepted, and goes on with it.
// Throws: ForcedUnwind, out of a handler.
template <Message T>
[[gnu::noinline]] void go_on_with_run(ChannelState<T>& channel, const Sent<T>& sent,
                                      Disposal<Logged<T>>& disposal, const WaitOptions& options) {
    const Owner<ChannelState<T>> kept{channel};
    channel.remove_owner();  // of accept_run()
    // Before it stands in line: what the destructors wait for, the runner may have to do.
    disposal.dispose();
    GoOnWithRun<T> request{sent.number, channel.clock};
    try_or_wait(request, ChannelPlace{request, channel, &ChannelState<T>::successors},
                WaitLimits::of(&options));
    if (request.has_run) return channel.run_handlers({}, nullptr, disposal);
    channel.decline_run(sent.number);
}

// Waits for room unless `options` is null. `message` is untouched if it is refused.
template <Message T>
[[gnu::noinline]] Published publish_later(ChannelState<T>& channel, T& message, std::size_t bytes,
                                          const WaitOptions* options) {
    const WaitOptions& how = options != nullptr ? *options : wait_for_ever;
    const auto deadline = deadline_of(how.timeout, channel.clock);
    if (options != nullptr) Continuations::run_before_wait();  // the handlers may be among them
    const bool is_inside = is_inside_handler(channel);
    PublishOne<T> request{message,
                          bytes,
                          {is_inside, options != nullptr && !is_inside, this_thread()},
                          channel.clock};
    try_or_wait(request, ChannelPlace{request, channel, &ChannelState<T>::publishers},
                WaitLimits::of(options));
    request.wake_and_run(channel);
    if (request.sent.goes_on) {
        const WaitOptions rest{time_left(deadline, channel.clock), how.stop};
        go_on_with_run(channel, request.sent, request.disposal, rest);
    }
    return request.result();
}

// Publishes `message` unless it has to wait for that; then it returns what later() does. It waits
// only to go on with the run of another thread, unless `options` is null.
template <Message T, typename Later>
[[gnu::always_inline]] inline Published publish_or(ChannelState<T>& channel, T& message,
                                                   std::size_t bytes, const WaitOptions* options,
                                                   Later later) {
    constexpr auto calls = ChannelState<T>::CallsDirectly::yes;
    Disposal<Logged<T>> disposal;  // these outlive the lock
    WakeChain chain;
    Sent<T> sent;
    bool has_room = false;
    {
        const Lock lock{channel.mutex};
        if (channel.closed) return {0, Push::closed};
        has_room = channel.publishers.empty() && !channel.hold_back(bytes);
        if (has_room) [[likely]] {
            channel.prepare(calls, disposal);
            channel.send(message, bytes, calls, sent, disposal, chain);
            if (channel.is_run_on_offer() && options != nullptr && !is_inside_handler(channel))
                [[unlikely]]
                accept_run(channel, sent);
        }
    }
    if (!has_room) [[unlikely]]
        return later();
    chain.resume_all();
    if (sent.runs_handlers)
        channel.run_handlers(sent, std::addressof(message), disposal);
    else if (sent.goes_on) [[unlikely]]
        go_on_with_run(channel, sent, disposal, *options);
    return {sent.reached};
}

template <Message T>
Published publish(ChannelState<T>& channel, T& message, const WaitOptions* options) {
    const std::size_t bytes = channel.bytes_of(message);
    return publish_or(channel, message, bytes, options,
                      [&] { return publish_later(channel, message, bytes, options); });
}

// After a read.
template <Message T>
void wake_publishers_after(ChannelState<T>& channel, const Seat<T>& seat) noexcept {
    if (seat.when_behind == Behind::block && channel.has_publishers.load(std::memory_order_seq_cst))
        [[unlikely]]
        channel.wake_publishers();
}

// What can be read from a seat without the lock; no slots: nothing.
template <Message T>
[[nodiscard]] [[gnu::always_inline]] inline PinnedSlots<Logged<T>>
read_at_hand(ChannelState<T>& channel, Seat<T>& seat, std::size_t count) noexcept {
    if (!seat.cursor.look_for_next() || !channel.is_within_window(seat)) return {};
    const std::uint64_t before = seat.position();
    auto part = seat.cursor.take(count);
    if (seat.position() - before != count_slots(part.mask)) [[unlikely]] {
        // Some fell behind the window meanwhile. Under the lock it is clear how many.
        seat.cursor.reset(ChannelLog<T>::id(before));
        return {};
    }
    seat.tell_position();
    wake_publishers_after(channel, seat);
    return part;
}

// Reads on from a seat.
template <Message T>
class ReadSeat : public Request {
public:
    static constexpr Behaviour behaviour{serve_as<ReadSeat, ChannelNode<T>>, nullptr};

    ReadSeat(const Behaviour& how, Seat<T>& seat, std::size_t limit, Clock& on) noexcept
        : Request{how, WaitsOn::one, on}, seat_{seat}, count_{limit} {}

    Served attempt(ChannelNode<T>& node) noexcept { return attempt_as_waker(*this, node); }
    Served attempt(ChannelState<T>& channel) noexcept RUNNEL_REQUIRES(channel.mutex) {
        const std::uint64_t position = seat_.position();
        if (seat_.is_disconnected.load(std::memory_order_relaxed)) {
            if (!claim(WaitEnd::disconnected)) return Served::elsewhere;
            skip_to(channel, seat_.lost_up_to, position);
            return Served::yes;
        }
        const std::uint64_t from = seat_.position_to_go_on(channel.log);
        // There are only messages to skip: these are reported with the next message.
        if (channel.log.last() <= from) return channel.closed ? close(channel, from) : Served::no;
        if (!claim()) return Served::elsewhere;
        skip_to(channel, from, position);
        if (seat_.cursor.seek(channel.log.entries())) messages = seat_.cursor.take(count_);
        seat_.tell_position();
        return Served::yes;
    }

    [[nodiscard]] Seat<T>& seat() const noexcept { return seat_; }

    PinnedSlots<Logged<T>> messages{};
    std::uint64_t missed = 0;

private:
    Served close(ChannelState<T>& channel, std::uint64_t last) noexcept
        RUNNEL_REQUIRES(channel.mutex) {
        const Served served = end_if_last_source();
        if (served == Served::yes) skip_to(channel, last, seat_.position());
        return served;
    }

    void skip_to(ChannelState<T>& channel, std::uint64_t number, std::uint64_t position) noexcept
        RUNNEL_REQUIRES(channel.mutex) {
        if (number <= position) return;
        missed = number - position;
        seat_.missed += missed;
        channel.missed += missed;
        seat_.cursor.reset(ChannelLog<T>::id(number));
    }

    Seat<T>& seat_;
    const std::size_t count_;
};

// The same in a thread.
//
// A message may wake very many readers, and each call that wakes one costs as much as fifty
// publishes. So the publisher wakes some of them, and each of those wakes some others.
template <Message T>
class ReadMessages : public ReadSeat<T> {
    using Behaviour = Waiter::Behaviour;

public:
    static void unpark_in_turn(Waiter& waiter, WakeChain& chain) noexcept {
        auto& self = static_cast<ReadMessages&>(waiter);
        // Another clock has to see each wake-up.
        if (self.clock.is_system()) self.take_along(chain);
        Request::unpark<ReadMessages>(waiter, chain);
    }

    static constexpr Behaviour behaviour{ReadSeat<T>::behaviour.serve, unpark_in_turn};

    ReadMessages(Seat<T>& seat, std::size_t limit, Clock& on) noexcept
        : ReadSeat<T>{behaviour, seat, limit, on} {}

    // Wakes the readers that came with its own wake-up. To be called when the wait is over.
    void wake_others() noexcept {
        for (FutexWord* const word : std::span{others_}.first(count_of_others_))
            futex_wake_one(*word);
    }

private:
    static constexpr std::size_t most_others = 7;

    // Takes along about half of the other threads in the chain, but at most `most_others`. The rest
    // is left to the publisher.
    void take_along(WakeChain& chain) noexcept {
        while (chain.size() > count_of_others_ && count_of_others_ != most_others &&
               chain.first().has(behaviour)) {
            FutexWord* const word = chain.take_first().end_asleep();
            if (word != nullptr) others_[count_of_others_++] = word;
        }
    }

    std::array<FutexWord*, most_others> others_{};
    std::size_t count_of_others_ = 0;
};

// Waits until there are at least `count` subscribers.
template <Message T>
class AwaitSubscribers : public Request {
public:
    static constexpr Behaviour behaviour{serve_as<AwaitSubscribers, ChannelNode<T>>,
                                         unpark<AwaitSubscribers>};

    AwaitSubscribers(std::size_t count, Clock& on) noexcept
        : Request{behaviour, WaitsOn::one, on}, count_{count} {}

    Served attempt(ChannelNode<T>& node) noexcept { return attempt_as_waker(*this, node); }
    Served attempt(ChannelState<T>& channel) noexcept RUNNEL_REQUIRES(channel.mutex) {
        if (channel.has_subscribers(count_)) return claim() ? Served::yes : Served::elsewhere;
        if (channel.closed) return end_if_last_source();
        channel.await_subscribers(count_);
        return Served::no;
    }

private:
    const std::size_t count_;
};

// Waits until a handler that was disconnected does not run any more.
template <Message T>
class AwaitHandler : public Request {
public:
    static constexpr Behaviour behaviour{serve_as<AwaitHandler, ChannelNode<T>>,
                                         unpark<AwaitHandler>, true};

    AwaitHandler(const Handler<T>& handler, Clock& on) noexcept
        : Request{behaviour, WaitsOn::one, on}, handler_{handler} {}

    Served attempt(ChannelNode<T>& node) noexcept { return attempt_as_waker(*this, node); }
    Served attempt(ChannelState<T>& channel) noexcept RUNNEL_REQUIRES(channel.mutex) {
        if (channel.may_run(handler_)) return Served::no;
        return claim() ? Served::yes : Served::elsewhere;
    }

private:
    const Handler<T>& handler_;
};

// Waits until a handler of `run` that was killed does not run any more. False: it would wait for
// itself.
template <Message T>
[[nodiscard]] bool await_end_of(ChannelState<T>& channel, HandlerRun& run, Handler<T>& handler,
                                const HandlerFrame<>* here) noexcept {
    const RunWait wait{run, handler, here};
    if (wait.closes_circle()) return false;
    AwaitHandler<T> request{handler, channel.clock};
    try_or_wait(request, ChannelPlace{request, channel, &ChannelState<T>::leavers},
                WaitLimits::of(&wait_for_ever));
    return true;
}

// For a handler of `run` that was killed. `here`: the innermost frame of the image that asks for
// it.
template <Message T>
Disconnected part_from(ChannelState<T>& channel, HandlerRun& run, Handler<T>& handler, bool may_run,
                       const HandlerFrame<>* here) noexcept {
    if (may_run && !await_end_of(channel, run, handler, here) && channel.leave_to_runner(handler))
        return Disconnected::running;
    channel.drop(handler);
    return Disconnected::ended;
}

}  // namespace runnel::inline v0::detail
