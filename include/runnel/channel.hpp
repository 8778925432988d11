// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/channel_options.hpp>
#include <runnel/clock.hpp>
#include <runnel/connection.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/channel/channel_requests.hpp>
#include <runnel/detail/channel/channel_state.hpp>
#include <runnel/detail/channel/seat.hpp>
#include <runnel/detail/wait/await.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/error.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>
#include <runnel/subscription.hpp>

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace runnel::inline v0 {

template <Message T>
class Inbox;

namespace detail {
template <typename Handle>
class NamedHandle;  // by which a Broker knows it
}

/// A function that can handle messages: it takes a const T& or a T, and may also take a
/// Connection&, which is its own.
template <typename Function, typename T>
concept MessageHandler =
    std::invocable<Function&, const T&> || std::invocable<Function&, const T&, Connection&>;

/// Publish and subscribe: each message goes to everybody who is subscribed at that moment, at most
/// once, and is not kept for later subscribers. Redis: Pub/Sub.
///
///     runnel::Channel<Tick> ticks;
///     auto view = ticks.subscribe();
///     auto alarm = ticks.on_message([](const Tick& tick) { ring(tick); });
///     std::size_t reached = ticks.publish({"kr", 101});
///
/// A handle: copies refer to the same channel, and a const handle can change it. There is no empty
/// handle: a move copies. When the last handle is destroyed, the channel is closed. A call that
/// already waits does not need its handle any more.
///
/// Order: all subscribers see the messages of a channel in the same order. A reader sees the
/// messages of one publishing thread, over all channels, in the order in which that thread has
/// published them. This does not hold for handlers of different channels: the message to the first
/// channel may be left to another thread, and the next message, to a second channel, may be handled
/// before it. A subscription is effective when the call that makes it returns.
/// Memory: what a publisher did before it published is visible to whoever gets the message.
///
/// Thread safety: every member may be called from any thread at any time.
/// Locks: the only user code that runs under a lock is the move of T. A handler runs in the thread
/// that publishes or in the thread of another publisher. A message is destroyed in the thread of a
/// publisher or of a reader.
/// Guarantee: a call that throws has changed nothing, and leaves the message that was to be
/// published untouched.
/// Requires: T is complete where Channel<T> is named.
template <Message T>
class Channel {
public:
    using value_type = T;

    Channel() : Channel{ChannelOptions<T>{}} {}
    explicit Channel(const ChannelOptions<T>& options) : Channel{options, {}} {}

    // ------------------------------------------------------------------ publishing

    /// Publishes `message` and returns how many it goes to: subscriptions, handlers, and deliveries
    /// to inboxes. Then runs the handlers with it, in this thread, in the order in which they were
    /// connected. If the handlers are running already, in another thread or because a handler
    /// publishes, it leaves the message to the thread that runs them and returns at once.
    /// Redis: PUBLISH.
    ///
    /// The thread that runs the handlers does so until no message is left for them, also of other
    /// publishers. After at most 64 messages of others it offers the run to the next thread that
    /// publishes, other than by try_publish() or inside a handler. That thread waits until the
    /// current message is handled, and then goes on with the run. If no thread comes, or `timeout`
    /// or `stop` ends that wait, the first thread goes on; the message is published all the same.
    ///
    /// Blocks: while a subscription with Behind::block, or the handlers, are too far behind; while
    /// it waits to take over a run; while it runs handlers. `timeout` and `stop` end the waits, but
    /// no handler. Inside a handler, of whatever channel, it does not wait for the handlers of this
    /// channel, as it could wait for itself: it returns Push::full. See ChannelInfo::refused.
    ///
    /// Wakes: all reads that wait for it.
    /// Returns: a result that converts to std::size_t. If the message was refused, that is 0, and
    /// `ending` is the reason.
    /// Throws: what ChannelOptions::weigh throws.
    /// Complexity: constant in the number of subscriptions; linear in the number of handlers, of
    /// inboxes, and of reads that it ends.
    Published publish(T&& message, const WaitOptions& options = wait_for_ever) const {
        return detail::publish(*state_, message, &options);
    }
    Published
    publish(const T& message,
            const WaitOptions& options = wait_for_ever) const requires std::copy_constructible<T> {
        T copy(message);
        return publish(std::move(copy), options);
    }

    /// As publish(), but never waits: it returns Push::full instead.
    Published try_publish(T&& message) const { return detail::publish(*state_, message, nullptr); }
    Published try_publish(const T& message) const requires std::copy_constructible<T> {
        T copy(message);
        return try_publish(std::move(copy));
    }

    // ------------------------------------------------------------------ subscribing

    /// A subscription that reads what is published from now on, at its own pace.
    ///
    /// Throws: Error{invalid_argument} for a bound of 0, for Behind::drop_newest, and for a soft
    /// limit without Behind::disconnect. Error{closed}.
    [[nodiscard]] Subscription<T> subscribe(const SubscribeOptions& options = {}) const;

    /// Calls `handler` with each message that is published from now on: one call at a time, in the
    /// order of the channel, without a lock, in the thread of a publisher; see publish(). The
    /// handler may publish, subscribe, connect, disconnect and destroy whatever it likes, even
    /// itself. What it throws goes to HandlerOptions::on_error. The handler may be move-only. Its
    /// captures are destroyed when it is disconnected; see Connection::disconnect().
    ///
    /// A handler of (const T&, Connection&) also gets a connection to itself, by which it can
    /// disconnect itself. That connection is valid during the call. Its destruction disconnects
    /// nothing, and it is not the Connection that this function returns.
    ///
    /// If the thread is cancelled inside the handler, or calls pthread_exit() there, the message
    /// counts as handled by this handler. The other handlers get it before the thread ends. The
    /// next publisher goes on with the messages that are left. A wait of runnel is no cancellation
    /// point.
    ///
    /// Throws: Error{invalid_argument} for a bound of 0; Error{closed}.
    /// Complexity: linear in the handlers.
    template <MessageHandler<T> Function>
    Connection on_message(Function handler, HandlerOptions options = {}) const;

    /// How many a message would go to now: subscriptions, handlers, and inboxes. An inbox counts
    /// once for each way in which it has joined, patterns included. Redis: what PUBLISH returns;
    /// PUBSUB NUMSUB leaves out the patterns.
    ///
    /// Complexity: linear in the number of inboxes.
    [[nodiscard]] std::size_t subscribers() const {
        const detail::Lock lock{state_->mutex};
        return state_->subscribers();
    }

    /// Waits until subscribers() is at least `count`. Returns false if the wait ended before.
    [[nodiscard]] bool wait_for_subscribers(std::size_t count,
                                            const WaitOptions& options = wait_for_ever) const {
        detail::AwaitSubscribers<T> request{count, state_->clock};
        detail::try_or_wait(request, detail::ChannelPlace{request, *state_, &State::watchers},
                            detail::WaitLimits::of(&options));
        return request.how() == detail::WaitEnd::served;
    }

    // ------------------------------------------------------------------ looking

    /// A snapshot of several figures.
    ///
    /// Complexity: linear in the number of inboxes and of waits.
    [[nodiscard]] ChannelInfo info() const {
        State& channel = *state_;
        const detail::Lock lock{channel.mutex};
        return {channel.log.last(),
                channel.seats.size(),
                channel.handlers.size(),
                channel.inboxes(),
                channel.log.entries().size(),
                channel.readers.size() + channel.publishers.size() + channel.watchers.size() +
                    channel.leavers.size() + channel.successors.size(),
                channel.refused};
    }

    /// Its name in the Broker that has made it; else empty. Of a temporary handle, a copy.
    [[nodiscard]] const std::string& name() const& noexcept RUNNEL_LIFETIMEBOUND {
        return state_->name;
    }
    [[nodiscard]] std::string name() const&& { return state_->name; }

    // ------------------------------------------------------------------ closing

    /// Refuses every publish and every subscriber from now on. Subscriptions and inboxes can still
    /// read what they have not read yet. Every wait ends. Closing twice does nothing.
    void close() const noexcept { state_->close(); }

    [[nodiscard]] bool closed() const {
        const detail::Lock lock{state_->mutex};
        return state_->closed;
    }

    /// Whether both are handles of the same channel.
    friend bool operator==(const Channel& one, const Channel& other) noexcept {
        return &*one.state_ == &*other.state_;
    }

    // By the Broker.
    Channel(const ChannelOptions<T>& options, std::string name)
        : state_{new State{options, std::move(name)}} {}

private:
    friend class Inbox<T>;
    template <typename Handle>
    friend class detail::NamedHandle;

    using State = detail::ChannelState<T>;

    detail::Handle<State> state_;
};

template <Message T>
Subscription<T> Channel<T>::subscribe(const SubscribeOptions& options) const {
    detail::check_bounds("Channel::subscribe", options.bound, options.bytes, options.when_behind);
    if (options.when_behind == Behind::drop_newest) {
        throw Error{ErrorCode::invalid_argument,
                    "Channel::subscribe: Behind::drop_newest; an Inbox does that"};
    }
    State& channel = *state_;
    auto seat = std::make_unique<detail::Seat<T>>(options);
    detail::Seat<T>& place = *seat;
    detail::WakeChain chain;
    {
        const detail::Lock lock{channel.mutex};
        channel.refuse_if_closed();
        channel.add_seat(place, chain);
    }
    chain.resume_all();
    return {channel, std::move(seat)};
}

template <Message T>
template <MessageHandler<T> Function>
Connection Channel<T>::on_message(Function handler, HandlerOptions options) const {
    detail::check_bounds("Channel::on_message", options.bound, {}, Behind::block);
    using Made = detail::HandlerOf<T, Function, Connection>;
    const detail::Owner<Made> made(std::in_place, detail::Owner{*state_}, std::move(handler),
                                   std::move(options));
    state_->add_handler(*made.get());
    return Connection{detail::Owner<detail::Connected>{*made.get()}};
}

}  // namespace runnel::inline v0
