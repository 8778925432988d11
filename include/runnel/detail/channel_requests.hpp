// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/channel_options.hpp>
#include <runnel/clock.hpp>
#include <runnel/detail/annotations.hpp>
#include <runnel/detail/channel_log.hpp>
#include <runnel/detail/channel_state.hpp>
#include <runnel/detail/futex.hpp>
#include <runnel/detail/handler.hpp>
#include <runnel/detail/pinned_slots.hpp>
#include <runnel/detail/request.hpp>
#include <runnel/detail/seat.hpp>
#include <runnel/detail/segmented_log.hpp>
#include <runnel/detail/wait_queue.hpp>
#include <runnel/detail/waiter.hpp>
#include <runnel/error.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <utility>

namespace runnel::inline v0::detail {

// A publish that waits until nobody is too far behind.
template <Message T>
class PublishOne : public Request {
public:
    static constexpr Behaviour behaviour{serve_as<PublishOne, ChannelNode<T>>, unpark};

    PublishOne(T& message, std::size_t bytes, bool may_wait, Clock& on) noexcept
        : Request{behaviour, WaitsOn::one, on},
          message_{message},
          bytes_{bytes},
          waits_inside_handler_{may_wait && HandlerFrame<>::is_inside()} {}

    Served attempt(ChannelNode<T>& node) RUNNEL_NO_THREAD_SAFETY_ANALYSIS {
        ChannelState<T>& channel = *node.keep.get();
        return carry_out(channel, channel.publishers.first() == &node);
    }
    Served attempt(ChannelState<T>& channel) RUNNEL_NO_THREAD_SAFETY_ANALYSIS {
        return carry_out(channel, channel.publishers.empty());
    }

    Sent<T> sent;
    WakeChain chain;  // whom the message has woken; for the publisher, who is awake then

private:
    Served carry_out(ChannelState<T>& channel, bool is_first) RUNNEL_NO_THREAD_SAFETY_ANALYSIS {
        constexpr auto calls = ChannelState<T>::CallsDirectly::no;
        if (channel.closed) return source_closed();
        refuse_deadlock(channel);
        if (!is_first || channel.is_held_back(bytes_)) return Served::no;
        channel.prepare(calls, disposal_);
        if (!claim()) return Served::gone;
        sent = channel.send(message_, bytes_, calls, disposal_, chain);
        return Served::yes;
    }

    // Also when others are before it in line: they wait for the handlers as well.
    void refuse_deadlock(const ChannelState<T>& channel) const RUNNEL_NO_THREAD_SAFETY_ANALYSIS {
        if (!waits_inside_handler_ || !channel.are_handlers_behind()) return;
        throw Error{ErrorCode::would_deadlock,
                    "Channel" + channel.shown_name() +
                        ": its handlers are too far behind, and a publish from inside a handler "
                        "cannot wait for them"};
    }

    T& message_;
    const std::size_t bytes_;
    const bool waits_inside_handler_;
    Disposal<Logged<T>> disposal_;
};

// Waits for room unless `options` is null. `message` is untouched if it is refused.
template <Message T>
[[gnu::noinline]] Published publish_later(ChannelState<T>& channel, T& message, std::size_t bytes,
                                          const WaitOptions* options) {
    const WaitOptions& how = options != nullptr ? *options : wait_for_ever;
    PublishOne<T> request{message, bytes, options != nullptr, channel.clock};
    channel.run(request, &ChannelState<T>::publishers, options != nullptr ? &how.timeout : nullptr,
                how.stop);
    request.chain.resume_all();
    if (request.sent.runs_handlers) channel.run_handlers(request.sent, message);
    if (request.sent.number != 0) return {request.sent.reached};
    switch (request.ending()) {
    case Ending::stopped:
        return {0, Push::stopped};
    case Ending::closed:
        return {0, Push::closed};
    default:
        return {0, Push::full};
    }
}

template <Message T>
Published publish(ChannelState<T>& channel, T& message, const WaitOptions* options) {
    constexpr auto calls = ChannelState<T>::CallsDirectly::yes;
    const std::size_t bytes = channel.weigh ? channel.weigh(message) : sizeof(T);
    Disposal<Logged<T>> disposal;  // these outlive the lock
    WakeChain chain;
    Sent<T> sent;
    bool has_room = false;
    {
        const Lock lock{channel.mutex};
        if (channel.closed) return {0, Push::closed};
        has_room = channel.publishers.empty() && !channel.is_held_back(bytes);
        if (has_room) [[likely]] {
            channel.prepare(calls, disposal);
            sent = channel.send(message, bytes, calls, disposal, chain);
        }
    }
    if (!has_room) [[unlikely]]
        return publish_later(channel, message, bytes, options);
    chain.resume_all();
    if (sent.runs_handlers) channel.run_handlers(sent, message);
    return {sent.reached};
}

// Reads on from a seat.
//
// A message may wake a great many readers, and each call that wakes one costs as much as fifty
// publishes. So the publisher wakes some of them, and each of those wakes some others.
template <Message T>
class ReadMessages : public Request {
public:
    static void unpark_in_turn(Waiter& waiter, WakeChain& chain) noexcept {
        auto& self = static_cast<ReadMessages&>(waiter);
        // Another clock has a say in each wake-up.
        if (&self.clock == &SystemClock::instance()) self.take_along(chain);
        unpark(waiter, chain);
    }

    static constexpr Behaviour behaviour{serve_as<ReadMessages, ChannelNode<T>>, unpark_in_turn};

    ReadMessages(Seat<T>& seat, std::size_t limit, Clock& on) noexcept
        : Request{behaviour, WaitsOn::one, on}, seat_{seat}, count_{limit} {}

    Served attempt(ChannelNode<T>& node) { return attempt(*node.keep.get()); }
    Served attempt(ChannelState<T>& channel) noexcept RUNNEL_NO_THREAD_SAFETY_ANALYSIS {
        const std::uint64_t position = seat_.position();
        if (seat_.is_disconnected.load(std::memory_order_relaxed)) {
            if (!claim(WaitEnd::disconnected)) return Served::gone;
            skip_to(seat_.lost_up_to, position);
            return Served::yes;
        }
        const std::uint64_t from = seat_.position_to_go_on(channel.log);
        // Nothing but what it has to skip: that is told with what comes next.
        if (channel.log.last() <= from) return channel.closed ? close(from) : Served::no;
        if (!claim()) return Served::gone;
        skip_to(from, position);
        if (seat_.cursor.seek(channel.log.entries())) messages = seat_.cursor.take(count_);
        seat_.tell_position();
        return Served::yes;
    }

    // What it was woken with: to be called when the wait is over.
    void wake_others() noexcept {
        for (FutexWord* const word : std::span{others_}.first(count_of_others_))
            futex_wake_one(*word);
    }

    PinnedSlots<Logged<T>> messages{};
    std::uint64_t missed = 0;

private:
    static constexpr std::size_t most_others = 7;

    // As many as there will be left to the publisher: of n readers, he wakes about the root of n.
    void take_along(WakeChain& chain) noexcept {
        while (chain.size() > count_of_others_ && count_of_others_ != most_others &&
               chain.first().has(behaviour)) {
            FutexWord* const word = chain.take_first().end_asleep();
            if (word != nullptr) others_[count_of_others_++] = word;
        }
    }

    Served close(std::uint64_t last) noexcept {
        const Served served = source_closed();
        if (served == Served::yes) skip_to(last, seat_.position());
        return served;
    }

    void skip_to(std::uint64_t number, std::uint64_t position) noexcept {
        if (number <= position) return;
        missed = number - position;
        seat_.missed += missed;
        seat_.cursor.reset(ChannelLog<T>::id(number));
    }

    Seat<T>& seat_;
    const std::size_t count_;
    std::array<FutexWord*, most_others> others_{};
    std::size_t count_of_others_ = 0;
};

// Waits until so many are subscribed.
template <Message T>
class AwaitSubscribers : public Request {
public:
    static constexpr Behaviour behaviour{serve_as<AwaitSubscribers, ChannelNode<T>>, unpark};

    AwaitSubscribers(std::size_t count, Clock& on) noexcept
        : Request{behaviour, WaitsOn::one, on}, count_{count} {}

    Served attempt(ChannelNode<T>& node) { return attempt(*node.keep.get()); }
    Served attempt(ChannelState<T>& channel) noexcept RUNNEL_NO_THREAD_SAFETY_ANALYSIS {
        if (channel.subscribers() < count_) return channel.closed ? source_closed() : Served::no;
        return claim() ? Served::yes : Served::gone;
    }

private:
    const std::size_t count_;
};

// Waits until a handler that was disconnected does not run any more.
template <Message T>
class AwaitHandler : public Request {
public:
    static constexpr Behaviour behaviour{serve_as<AwaitHandler, ChannelNode<T>>, unpark};

    AwaitHandler(const Handler<T>& handler, Clock& on) noexcept
        : Request{behaviour, WaitsOn::one, on}, handler_{handler} {}

    Served attempt(ChannelNode<T>& node) { return attempt(*node.keep.get()); }
    Served attempt(ChannelState<T>& channel) noexcept RUNNEL_NO_THREAD_SAFETY_ANALYSIS {
        if (channel.handlers.is_running(handler_)) return Served::no;
        return claim() ? Served::yes : Served::gone;
    }

private:
    const Handler<T>& handler_;
};

// A handler that is a user's function.
template <Message T, typename Function>
class HandlerOf final : public Handler<T> {
public:
    HandlerOf(Owner<ChannelState<T>> channel, Function&& function, HandlerOptions&& options)
        : Handler<T>{options.bound, std::move(options.on_error)},
          channel_{std::move(channel)},
          function_(std::in_place, std::move(function)) {}

    void disconnect() noexcept override {
        using Left = typename ChannelState<T>::Left;
        ChannelState<T>& channel = *channel_.get();
        const Left left = channel.disconnect(*this, !HandlerFrame<>::is_inside());
        if (left == Left::to_its_runner) return;
        if (left == Left::running) {
            AwaitHandler<T> request{*this, channel.clock};
            channel.run(request, &ChannelState<T>::leavers, &wait_for_ever.timeout,
                        wait_for_ever.stop);
        }
        drop();
    }

    void drop() noexcept override {
        function_.reset();
        this->on_error() = nullptr;
    }

private:
    void call(const T& message) override { std::invoke(*function_, message); }

    const Owner<ChannelState<T>> channel_;
    std::optional<Function> function_;
};

}  // namespace runnel::inline v0::detail
