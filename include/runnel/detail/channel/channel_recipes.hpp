// SPDX-License-Identifier: MIT
#pragma once

// The calls of a channel and of an inbox that may wait, for those who wait without a thread.
// `Result` is what the call returns, which the models above know.

#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/channel/channel_requests.hpp>
#include <runnel/detail/channel/channel_state.hpp>
#include <runnel/detail/channel/inbox_state.hpp>
#include <runnel/detail/channel/seat.hpp>
#include <runnel/detail/wait/request.hpp>
#include <runnel/detail/wait/waiter.hpp>
#include <runnel/message.hpp>

#include <cstddef>
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
        static void give_back(Place& /*they count as read, as publishers know*/) noexcept {}

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

}  // namespace runnel::inline v0::detail
