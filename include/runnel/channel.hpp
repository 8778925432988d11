// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/awaitable.hpp>
#include <runnel/channel_options.hpp>
#include <runnel/clock.hpp>
#include <runnel/connection.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/channel/channel_recipes.hpp>
#include <runnel/detail/channel/channel_requests.hpp>
#include <runnel/detail/channel/channel_state.hpp>
#include <runnel/detail/channel/handler_of.hpp>
#include <runnel/detail/channel/seat.hpp>
#include <runnel/detail/wait/await.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/error.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stats.hpp>
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
class NamedHandle;  // a Broker's own handle of a channel, with the name
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
/// A handle: copies refer to the same channel, and a const handle can change the channel. A handle
/// is never empty: moving from it copies it. When the last handle is destroyed, the channel is
/// closed. A handle may be destroyed while a call that was made through it waits; as long as
/// another handle is left, the call goes on.
///
/// Order: all subscriptions, inboxes and handlers of a channel get its messages in the same order.
/// Between channels: if a thread publishes to channel a and then to channel b, an inbox that has
/// joined both gets the messages in that order, and a thread that has read the one of b finds the
/// one of a in its subscription. Handlers of different channels have no such order: while another
/// thread is busy with the handlers of a, those of b may get their message first.
/// A subscription, inbox or handler gets every message whose publish() begins after the call that
/// has subscribed, joined or connected it has returned.
/// Memory: what a publisher did before it published is visible to whoever gets the message.
///
/// Thread safety: every member may be called from any thread at any time.
/// Locks: the only user code that runs under a lock is the move of T. Handlers run without a lock,
/// in a thread that publishes, see publish(), or on an executor, see on_message(). A message is
/// destroyed in the thread of a publisher or of a reader. Guarantee: a call that throws has changed
/// nothing, and leaves the message that was to be published untouched. Requires: T is complete
/// where Channel<T> is named.
template <Message T>
class Channel {
public:
    using value_type = T;

    /// A channel whose time-outs go by the SystemClock.
    Channel() : Channel{ChannelOptions<T>{}} {}
    explicit Channel(const ChannelOptions<T>& options) : Channel{options, {}} {}

    // ------------------------------------------------------------------ publishing

    /// Publishes `message` to all subscriptions, inboxes and handlers. If no thread runs the
    /// handlers of this channel now, this thread calls them with the message, in the order in which
    /// they were connected, and then returns. Else it leaves the message to the thread that runs
    /// them, and may return before they have had it. So it is with a publish inside a handler of
    /// this channel. Redis: PUBLISH.
    ///
    /// One thread at a time runs the handlers. It goes on while messages are left for them, also
    /// with messages that other threads publish meanwhile. After at most 64 of those it looks for
    /// another thread: the next one that calls publish() (not try_publish(), and not inside a
    /// handler) takes over. That thread publishes its message, waits until the handlers have had
    /// the current one, and then runs them itself. If no thread comes, the first one goes on. It
    /// also goes on if `timeout` or `stop` ends that wait; the message is published all the same.
    ///
    /// Blocks: while a subscription with Behind::block, or a handler, has too many messages
    /// waiting; while it waits to take over the handlers; while it runs them. `timeout` and `stop`
    /// end the waits, but no handler. Inside a handler, of whatever channel, it does not wait for
    /// the handlers of this channel, as it could wait for itself: it returns Push::full. See
    /// ChannelInfo::refused.
    ///
    /// Wakes: all reads that wait for it.
    /// Returns: a Published. Its `ending` is Push::done if the message was published; else the
    /// message is untouched, and `ending` is the reason. Its `reached` is how many subscriptions,
    /// handlers and inboxes get the message; subscribers() says how they are counted. The result
    /// converts to that number.
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

    /// As publish(), but never waits: where publish() would wait for room, `ending` is Push::full.
    /// It may run handlers, but does not take them over from another thread.
    Published try_publish(T&& message) const { return detail::publish(*state_, message, nullptr); }
    Published try_publish(const T& message) const requires std::copy_constructible<T> {
        T copy(message);
        return try_publish(std::move(copy));
    }

    /// publish() as an awaitable, with the same options and results; see Awaitable. The message
    /// stays where it is, untouched, until it is published. An lvalue is copied here.
    ///
    /// A publish that need not wait calls the handlers as try_publish() does. One that has waited
    /// leaves them to the thread that ends its wait, such as that of a reader. This thread calls
    /// them before it goes on with the coroutine; if it is ended or cancelled inside such a
    /// handler, the program ends by std::terminate. Inside a handler the publish is refused where
    /// publish() would be.
    auto async_publish(T&& message RUNNEL_LIFETIMEBOUND,
                       const WaitOptions& options = wait_for_ever) const {
        return Awaitable{detail::PublishRecipe<T, T&>{owner(), message}, options};
    }
    auto async_publish(const T& message, const WaitOptions& options = wait_for_ever)
        const requires std::copy_constructible<T> {
        return Awaitable{detail::PublishRecipe<T, T>{owner(), T(message)}, options};
    }

    // ------------------------------------------------------------------ subscribing

    /// A subscription that reads what is published from now on, at its own pace.
    ///
    /// Throws: Error{invalid_argument} for a bound of 0, for Behind::drop_newest, and for a soft
    /// limit without Behind::disconnect. Error{closed}.
    /// Complexity: logarithmic in the number of different bounds, whatever the number of
    /// subscriptions. So is the end of a subscription.
    [[nodiscard]] Subscription<T> subscribe(const SubscribeOptions& options = {}) const;

    /// Calls `handler` with each message that is published from now on: one call at a time, in the
    /// order of the channel, without a lock, in the thread of a publisher; see publish(). The
    /// handler may publish, subscribe, connect, disconnect and destroy whatever it likes, even its
    /// own connection. What it throws goes to HandlerOptions::on_error; without that, the program
    /// ends by std::terminate. The handler may be move-only. Its captures are destroyed when it is
    /// disconnected; see Connection::disconnect().
    ///
    /// With HandlerOptions::executor the handler is called there instead, one call at a time and in
    /// the order of the channel; one execute() calls it with up to 64 messages. publish() does not
    /// wait for the calls, unless `bound` messages wait for them. So a thread that the executor
    /// needs should publish by async_publish() or try_publish(). If execute() throws, its caller
    /// calls the handler. A disconnect takes back what the executor has not begun, and waits only
    /// for a call in another thread. What was taken back does nothing if the executor runs it; if
    /// the executor throws it away, a little memory is not freed. If the handler ends or cancels
    /// its thread, std::terminate is called.
    ///
    /// A handler of (const T&, Connection&) also gets a connection to itself, by which it can
    /// disconnect itself. That connection is valid during the call. Its destruction disconnects
    /// nothing, and it is not the Connection that this function returns.
    ///
    /// A thread may be cancelled (pthread_cancel) inside the handler, or call pthread_exit() there.
    /// This handler does not get the message again. The other handlers get it before the thread
    /// ends. If messages are left then, the next thread that publishes to this channel runs the
    /// handlers with them. While a thread waits in a call of runnel, it is not cancelled.
    ///
    /// Throws: Error{invalid_argument} for a bound of 0; Error{closed}.
    /// Complexity: logarithmic in the number of different bounds, whatever the number of handlers.
    /// So is a disconnect.
    template <MessageHandler<T> Function>
    Connection on_message(Function handler, HandlerOptions options = {}) const;

    /// How many subscriptions, handlers and inboxes would get a message now. An inbox that would
    /// get it several times counts as often: once for each time that it has joined the channel, and
    /// once for each of its patterns that matches the channel's name. Redis: what PUBLISH returns;
    /// PUBSUB NUMSUB leaves out the patterns.
    ///
    /// Complexity: linear in the number of inboxes.
    [[nodiscard]] std::size_t subscribers() const {
        const detail::Lock lock{state_->mutex};
        return state_->subscribers();
    }

    /// Waits until subscribers() is at least `count`. Returns false if the wait ended before: by
    /// the time-out, the stop token or close().
    [[nodiscard]] bool wait_for_subscribers(std::size_t count,
                                            const WaitOptions& options = wait_for_ever) const {
        detail::AwaitSubscribers<T> request{count, state_->clock};
        detail::try_or_wait(request, detail::ChannelPlace{request, *state_, &State::watchers},
                            detail::WaitLimits::of(&options));
        return request.how() == detail::WaitEnd::served;
    }

    /// wait_for_subscribers() as an awaitable; see Awaitable.
    auto async_wait_for_subscribers(std::size_t count,
                                    const WaitOptions& options = wait_for_ever) const {
        return Awaitable{detail::AwaitSubscribersRecipe<T>{owner(), count}, options};
    }

    // ------------------------------------------------------------------ looking

    /// A snapshot of several figures.
    ///
    /// Complexity: linear in the number of inboxes and of waits.
    [[nodiscard]] ChannelInfo info() const {
        State& channel = *state_;
        const detail::Lock lock{channel.mutex};
        return {channel.log.last(),
                channel.seats.size() - channel.seats.handlers(),
                channel.handlers.size() + channel.seats.handlers(),
                channel.inboxes(),
                channel.log.entries().size(),
                channel.readers.size() + channel.publishers.size() + channel.watchers.size() +
                    channel.leavers.size() + channel.successors.size() - channel.idle_handlers,
                channel.refused};
    }

    /// A snapshot of all figures. See info() for those that wait otherwise.
    ///
    /// Complexity: linear in the number of inboxes, of waits, and of subscriptions that do not
    /// skip.
    [[nodiscard]] ChannelStats stats() const noexcept {
        const detail::Lock lock{state_->mutex};
        return state_->stats();
    }

    /// The channel's name in the Broker that has made it; else empty. A temporary handle returns
    /// the name by value.
    [[nodiscard]] const std::string& name() const& noexcept RUNNEL_LIFETIMEBOUND {
        return state_->name;
    }
    [[nodiscard]] std::string name() const&& { return state_->name; }

    /// What it was made with. The clock is never null.
    [[nodiscard]] ChannelOptions<T> options() const { return {state_->weigh, &state_->clock}; }

    // ------------------------------------------------------------------ closing

    /// Refuses every publish and every subscriber from now on. Subscriptions and inboxes can still
    /// read what they have not read yet. Handlers still get the messages that were published
    /// before, from the thread that runs them; close() does not wait for that. It ends the reads
    /// that find nothing, the publishes that wait for room, and wait_for_subscribers(). Closing
    /// twice does nothing.
    void close() const noexcept { state_->close(); }

    /// Whether it was closed. Messages may be left for subscriptions and inboxes.
    [[nodiscard]] bool closed() const {
        const detail::Lock lock{state_->mutex};
        return state_->closed;
    }

    /// Whether both are handles of the same channel.
    friend bool operator==(const Channel& one, const Channel& other) noexcept {
        return &*one.state_ == &*other.state_;
    }

    // For the Broker, which gives it a name.
    Channel(const ChannelOptions<T>& options, std::string name)
        : state_{new State{options, std::move(name)}} {}

private:
    friend class Broker;
    friend class Inbox<T>;
    template <typename Handle>
    friend class detail::NamedHandle;

    using State = detail::ChannelState<T>;

    [[nodiscard]] detail::Owner<State> owner() const noexcept { return detail::Owner{*state_}; }

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
    made->connect();
    return Connection{detail::Owner<detail::Connected>{*made.get()}};
}

}  // namespace runnel::inline v0
