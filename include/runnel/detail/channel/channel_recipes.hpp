// SPDX-License-Identifier: MIT
#pragma once

// The calls of a channel and of an inbox that may wait, for those who wait without a thread.
// `Result` is what the call returns, which the models above know.

#include <runnel/channel_options.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/thread_id.hpp>
#include <runnel/detail/channel/channel_requests.hpp>
#include <runnel/detail/channel/channel_state.hpp>
#include <runnel/detail/channel/inbox_state.hpp>
#include <runnel/detail/channel/seat.hpp>
#include <runnel/detail/wait/request.hpp>
#include <runnel/detail/wait/waiter.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>

#include <cstddef>
#include <optional>
#include <utility>

namespace runnel::inline v0::detail {

// Reads on from a seat, which stays where it is until the read has ended.
template <Message T, typename Result>
struct ReadRecipe {
    class Request;
    using Place = ChannelPlace<T, Request>;

    class Request : public ReadSeat<T> {
    public:
        explicit Request(const ReadRecipe& recipe) noexcept
            : ReadSeat<T>{ReadSeat<T>::behaviour, recipe.seat, recipe.count, recipe.keep->clock} {}

        void take(Place& place) noexcept { wake_publishers_after(place.channel(), this->seat()); }
        // They count as read, as publishers know. The seat may be gone.
        static void give_back(Place& place) noexcept { place.channel().wake_publishers(); }

        [[nodiscard]] Result result() {
            if (this->messages.mask == 0) return Result{this->ending(), this->missed};
            return {std::move(this->messages), this->missed};
        }
    };

    [[nodiscard]] Place place(Request& request) const noexcept {
        return {request, *keep.get(), &ChannelState<T>::readers};
    }

    [[nodiscard]] bool try_now(Request& request) const noexcept {
        request.messages = read_at_hand(*keep.get(), seat, count);
        return request.messages.mask != 0;
    }

    Owner<ChannelState<T>> keep;
    Seat<T>& seat;
    std::size_t count;
};

// Takes what waits in an inbox.
template <Message T, typename Result>
struct ReadInboxRecipe {
    using Place = InboxPlace<T>;

    class Request : public ReadInbox<T> {
    public:
        explicit Request(const ReadInboxRecipe& recipe) noexcept
            : ReadInbox<T>{recipe.count, recipe.keep->clock}, inbox_{*recipe.keep.get()} {}

        static void take(Place& /*there is nothing*/) noexcept {}
        static void give_back(Place& /*they count as read*/) noexcept {}

        [[nodiscard]] Result result() {
            if (!this->entries.empty()) return Result{std::move(this->entries)};
            if (this->how() == WaitEnd::disconnected) inbox_.drop_waiting();
            return Result{this->ending()};
        }

    private:
        InboxState<T>& inbox_;
    };

    [[nodiscard]] Place place(Request& request) const noexcept { return {request, *keep.get()}; }

    Owner<InboxState<T>> keep;
    std::size_t count;
};

// Waits until there are at least `count` subscribers.
template <Message T>
struct AwaitSubscribersRecipe {
    class Request;
    using Place = ChannelPlace<T, Request>;

    class Request : public AwaitSubscribers<T> {
    public:
        explicit Request(const AwaitSubscribersRecipe& recipe) noexcept
            : AwaitSubscribers<T>{recipe.count, recipe.keep->clock} {}

        static void take(Place& /*there is nothing*/) noexcept {}
        static void give_back(Place& /*there is nothing*/) noexcept {}

        [[nodiscard]] bool result() const noexcept { return this->how() == WaitEnd::served; }
    };

    [[nodiscard]] Place place(Request& request) const noexcept {
        return {request, *keep.get(), &ChannelState<T>::watchers};
    }

    Owner<ChannelState<T>> keep;
    std::size_t count;
};

// Publishes one message: `Held` is T, or T& for one that stays where it is until it is published.
//
// If it has to wait, its waker sends the message, and runs the handlers if nobody does. It does so
// as a continuation, before it goes on with what has waited for the publish: that can be destroyed
// meanwhile, by a handler, too.
template <Message T, typename Held>
struct PublishRecipe {
    class Request;
    using Place = ChannelPlace<T, Request>;

    class Request : public PublishOne<T> {
    public:
        // Throws: what the user's function does that weighs the message.
        explicit Request(PublishRecipe& recipe) : Request{recipe.message, *recipe.keep.get()} {}

        [[nodiscard]] bool try_now() {
            bool has_to_wait = false;
            const Published published =
                publish_or(channel_, this->to_send, this->weight, nullptr, [&] {
                    has_to_wait = true;
                    return Published{};
                });
            if (!has_to_wait) at_once_ = published;
            return !has_to_wait;
        }

        // For its waker. What is left of this then, result() does: it was not served by a waker.
        void serve_others(WakeChain& others) noexcept {
            while (this->woken.size() != 0) others.add(this->woken.take_first());
            if (std::exchange(this->sent.runs_handlers, false)) channel_.run_handlers_later(others);
        }

        static void take(Place& /*there is nothing*/) noexcept {}
        static void give_back(Place& /*it stays published*/) noexcept {}

        [[nodiscard]] Published result() {
            if (at_once_) return *at_once_;
            this->wake_and_run(channel_);
            return PublishOne<T>::result();
        }

    private:
        Request(T& message, ChannelState<T>& channel)
            : Request{message, channel, channel.bytes_of(message)} {}
        Request(T& message, ChannelState<T>& channel, std::size_t bytes) noexcept
            : PublishOne<T>{message,
                            bytes,
                            {is_in_handler(channel), false, no_thread},
                            channel.clock},
              channel_{channel} {}

        ChannelState<T>& channel_;
        std::optional<Published> at_once_;
    };

    [[nodiscard]] Place place(Request& request) const noexcept {
        return {request, *keep.get(), &ChannelState<T>::publishers};
    }

    [[nodiscard]] static bool try_now(Request& request) { return request.try_now(); }

    // What was published in start() has not woken its readers: result() has to do so.
    static constexpr bool leaves_rest_to_result = true;

    Owner<ChannelState<T>> keep;
    Held message;
};

}  // namespace runnel::inline v0::detail
