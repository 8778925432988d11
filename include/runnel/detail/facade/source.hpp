// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/abstract_clock.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/atomic.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/base/watched.hpp>
#include <runnel/detail/channel/channel_state.hpp>
#include <runnel/detail/channel/inbox_state.hpp>
#include <runnel/detail/channel/seat.hpp>
#include <runnel/detail/core/group_state.hpp>
#include <runnel/detail/core/log_cursor.hpp>
#include <runnel/detail/list/list_state.hpp>
#include <runnel/detail/stream/stream_state.hpp>
#include <runnel/detail/wait/spin.hpp>
#include <runnel/detail/wait/turn.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/detail/wait/waiter.hpp>
#include <runnel/message.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace runnel::inline v0::detail {

// What an object has for a thread that comes for it.
enum class Supply : std::uint8_t {
    there,         // something
    none,          // nothing yet
    over,          // nothing, and nothing can come any more
    gone,          // it was removed, or the handle that reads it is gone
    disconnected,  // it was too far behind
};

// An object that a thread waits for together with others, of any model and message type. Keeps the
// object's memory, but does not keep it open. Used by one wait at a time.
class Source {
public:
    Source(Clock& its_clock, SpinBudget& its_spin) noexcept : clock{its_clock}, spin{its_spin} {}
    Source(const Source&) = delete;
    Source& operator=(const Source&) = delete;
    virtual ~Source() = default;

    // Under the object's lock.
    [[nodiscard]] virtual Supply supply() noexcept = 0;

    // Puts the waiter into line, as the `which`th of its places, unless it ends at once. True if
    // this thread has claimed it. A list or group that ends it later gives it the turn.
    [[nodiscard]] virtual bool enter(Waiter& waiter, std::size_t which, Turn& turn,
                                     WakeChain& chain) noexcept = 0;

    // Takes the waiter out of line if it still stands in it. Does nothing if it was never there.
    virtual void leave() noexcept = 0;

    Clock& clock;
    SpinBudget& spin;
};

template <Message T>
class ListSource final : public Source {
public:
    explicit ListSource(ListState<T>& list) noexcept : Source{list.clock, list.spin}, list_{list} {}

    [[nodiscard]] Supply supply() noexcept override {
        ListState<T>& list = *list_.get();
        list.assert_held();
        if (!list.core().empty()) return Supply::there;
        return list.closed ? Supply::over : Supply::none;
    }

    [[nodiscard]] bool enter(Waiter& waiter, std::size_t which, Turn& turn,
                             WakeChain& chain) noexcept override {
        ListNode<T>& node = node_.emplace(waiter, *list_.get(), which);
        node.several().turn = &turn;
        return list_->enter(node, Line::looks, true, chain) == ListState<T>::Entered::ended;
    }

    void leave() noexcept override {
        if (node_) list_->leave(*node_);
        node_.reset();
    }

private:
    const Owner<ListState<T>> list_;
    std::optional<OneOfListNodes<T>> node_;
};

// Of a stream: what a cursor or, with `group`, a consumer reads next.
template <Message T>
class StreamSource : public Source {
public:
    explicit StreamSource(StreamState<T>& stream, StreamGroup<T>* of = nullptr) noexcept
        : Source{stream.clock, stream.spin},
          stream_{stream},
          group_{of != nullptr ? Owner{*of} : Owner<StreamGroup<T>>{}} {}

    [[nodiscard]] bool enter(Waiter& waiter, std::size_t which, Turn& turn,
                             WakeChain& chain) noexcept override {
        StreamNode<T>& node = node_.emplace(waiter, stream(), group_.get(), group_wait());
        extra_ = {which, &turn};
        node.extra = &extra_;
        return stream().enter(node, chain);
    }

    void leave() noexcept override {
        if (node_) stream().leave(*node_);
        node_.reset();
    }

protected:
    [[nodiscard]] StreamState<T>& stream() const noexcept { return *stream_.get(); }
    [[nodiscard]] StreamGroup<T>& group() const noexcept { return *group_.get(); }
    [[nodiscard]] virtual GroupWait* group_wait() noexcept { return nullptr; }

private:
    const Owner<StreamState<T>> stream_;
    const Owner<StreamGroup<T>> group_;
    NodeExtra extra_;
    std::optional<StreamNode<T>> node_;
};

template <Message T>
class CursorSource final : public StreamSource<T> {
public:
    CursorSource(StreamState<T>& stream, Owner<Whereabouts<LogCursor<T>>> cursor) noexcept
        : StreamSource<T>{stream}, cursor_{std::move(cursor)} {}

    [[nodiscard]] Supply supply() noexcept override {
        StreamState<T>& stream = this->stream();
        stream.mutex.assert_held();
        LogCursor<T>* const cursor = cursor_->part;
        if (cursor == nullptr) return Supply::gone;
        if (cursor->seek(stream.log)) return Supply::there;
        return stream.closed ? Supply::over : Supply::none;
    }

private:
    const Owner<Whereabouts<LogCursor<T>>> cursor_;
};

// Unlike a read, a wait here is no call of the consumer: nobody sees a change of the group.
template <Message T>
class ConsumerSource final : public StreamSource<T> {
public:
    ConsumerSource(StreamState<T>& stream, StreamGroup<T>& group, std::string_view name,
                   std::size_t max_pending)
        : StreamSource<T>{stream, &group}, name_{name}, wait_{{{}, name_}, max_pending} {}

    [[nodiscard]] Supply supply() noexcept override {
        const StreamState<T>& stream = this->stream();
        stream.mutex.assert_held();
        StreamGroup<T>& group = this->group();
        if (group.is_removed) return Supply::gone;
        wait_.is_for_room = false;
        if (!group.next.seek(stream.log)) return stream.closed ? Supply::over : Supply::none;
        if (stream.look_for_room(group, wait_)) return Supply::there;
        wait_.is_for_room = true;
        return stream.is_abandoned ? Supply::over : Supply::none;
    }

private:
    [[nodiscard]] GroupWait* group_wait() noexcept override { return &wait_; }

    const std::string name_;
    GroupWait wait_;
};

template <Message T>
class SubscriptionSource final : public Source {
public:
    using SeatOwner = std::unique_ptr<Seat<T>>;

    SubscriptionSource(ChannelState<T>& channel, Owner<Whereabouts<SeatOwner>> seat) noexcept
        : Source{channel.clock, channel.spin}, channel_{channel}, seat_{std::move(seat)} {}

    [[nodiscard]] Supply supply() noexcept override {
        ChannelState<T>& channel = *channel_.get();
        channel.mutex.assert_held();
        if (seat_->part == nullptr) return Supply::gone;
        const Seat<T>& seat = **seat_->part;
        if (seat.is_disconnected.load(std::memory_order_relaxed)) return Supply::disconnected;
        // Skipped messages are reported with the next message, or once none can come any more.
        const bool is_over = channel.closed;
        const auto from = is_over ? seat.position() : seat.position_to_go_on(channel.log);
        if (channel.log.last() > from) return Supply::there;
        return is_over ? Supply::over : Supply::none;
    }

    [[nodiscard]] bool enter(Waiter& waiter, std::size_t which, Turn& /*none*/,
                             WakeChain& /*nobody else*/) noexcept override {
        extra_.which = which;
        node_.emplace(waiter, *channel_.get()).extra = &extra_;
        return channel_->enter(*node_);
    }

    void leave() noexcept override {
        if (node_) channel_->leave(*node_);
        node_.reset();
    }

private:
    const Owner<ChannelState<T>> channel_;
    const Owner<Whereabouts<SeatOwner>> seat_;
    NodeExtra extra_;
    std::optional<ChannelNode<T>> node_;
};

template <Message T>
class InboxSource final : public Source {
public:
    explicit InboxSource(InboxState<T>& inbox) noexcept
        : Source{inbox.clock, inbox.spin}, inbox_{inbox} {}

    [[nodiscard]] Supply supply() noexcept override {
        const InboxState<T>& inbox = *inbox_.get();
        inbox.mutex.assert_held();
        if (inbox.abandoned) return Supply::gone;
        if (inbox.disconnected) return Supply::disconnected;
        if (!inbox.waiting.empty()) return Supply::there;
        return inbox.sources == 0 ? Supply::over : Supply::none;
    }

    [[nodiscard]] bool enter(Waiter& waiter, std::size_t which, Turn& /*none*/,
                             WakeChain& /*nobody else*/) noexcept override {
        extra_.which = which;
        node_.emplace(waiter, *inbox_.get()).extra = &extra_;
        return inbox_->enter(*node_);
    }

    void leave() noexcept override {
        if (node_) inbox_->leave(*node_);
        node_.reset();
    }

private:
    const Owner<InboxState<T>> inbox_;
    NodeExtra extra_;
    std::optional<InboxNode<T>> node_;
};

}  // namespace runnel::inline v0::detail
