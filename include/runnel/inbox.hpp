// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/awaitable.hpp>
#include <runnel/channel.hpp>
#include <runnel/channel_options.hpp>
#include <runnel/clock.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/channel/channel_recipes.hpp>
#include <runnel/detail/channel/channel_state.hpp>
#include <runnel/detail/channel/inbox_state.hpp>
#include <runnel/detail/wait/await.hpp>
#include <runnel/error.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace runnel::inline v0 {

/// A message of an inbox, in place: valid as long as its batch is.
template <Message T>
struct InboxMessage {
    const T& value;
    const std::string& channel;  ///< its name; empty if no Broker has made it
    const std::string& pattern;  ///< the pattern that the channel matches; empty: joined by name
    std::uint64_t missed;        ///< how many the inbox has missed just before it
};

/// Some messages of an inbox, in the order in which they came, or the reason why there are none.
/// Nothing is copied: the messages stay in memory as long as the batch exists.
///
///     for (const auto& [value, channel, pattern, missed] : inbox.read()) note(channel, value);
template <Message T>
class [[nodiscard]] InboxMessages {
public:
    class Iterator;
    using Reference = const InboxMessage<T>;  ///< a value; const, so that `auto&` may refer to it

    explicit InboxMessages(Ending ending) noexcept : ending_{ending} {}

    [[nodiscard]] explicit operator bool() const noexcept { return !empty(); }
    [[nodiscard]] bool empty() const noexcept { return entries_.empty(); }
    [[nodiscard]] std::size_t size() const noexcept { return entries_.size(); }

    /// Requires: index < size().
    [[nodiscard]] Reference operator[](std::size_t index) const& noexcept RUNNEL_LIFETIMEBOUND {
        RUNNEL_EXPECT(index < size(), "[] of InboxMessages behind their end", detail::Caller{});
        const detail::InboxEntry<T>& entry = entries_[index];
        return {entry.message.value().value, entry.link->channel->name, entry.link->pattern,
                entry.missed};
    }
    Reference operator[](std::size_t index) const&& = delete;

    /// The first one and the last one. They require: not empty.
    [[nodiscard]] Reference front(detail::Caller caller = {}) const& noexcept RUNNEL_LIFETIMEBOUND {
        RUNNEL_EXPECT(!empty(), "front() of empty InboxMessages", caller);
        return (*this)[0];
    }
    [[nodiscard]] Reference back(detail::Caller caller = {}) const& noexcept RUNNEL_LIFETIMEBOUND {
        RUNNEL_EXPECT(!empty(), "back() of empty InboxMessages", caller);
        return (*this)[size() - 1];
    }
    Reference front(detail::Caller caller = {}) const&& = delete;
    Reference back(detail::Caller caller = {}) const&& = delete;

    [[nodiscard]] Iterator begin() const& noexcept RUNNEL_LIFETIMEBOUND { return {*this, 0}; }
    [[nodiscard]] Iterator end() const& noexcept RUNNEL_LIFETIMEBOUND { return {*this, size()}; }
    Iterator begin() const&& = delete;
    Iterator end() const&& = delete;

    /// How many the inbox has missed before and between these; each message has its own share.
    [[nodiscard]] std::uint64_t missed() const noexcept {
        std::uint64_t count = 0;
        for (const auto& entry : entries_) count += entry.missed;
        return count;
    }

    /// Why there is nothing. Requires: there is nothing.
    [[nodiscard]] Ending ending(detail::Caller caller = {}) const noexcept {
        RUNNEL_EXPECT(empty(), "ending() of InboxMessages that have messages", caller);
        return ending_;
    }

private:
    friend class Inbox<T>;
    friend struct detail::ReadInboxRecipe<T, InboxMessages<T>>;

    explicit InboxMessages(std::vector<detail::InboxEntry<T>>&& entries) noexcept
        : entries_(std::move(entries)) {}

    std::vector<detail::InboxEntry<T>> entries_;
    Ending ending_ = Ending::timed_out;
};

template <Message T>
class InboxMessages<T>::Iterator {
public:
    using value_type = InboxMessage<T>;
    using difference_type = std::ptrdiff_t;

    Iterator() = default;
    Iterator(const InboxMessages& of RUNNEL_LIFETIMEBOUND, std::size_t index) noexcept
        : of_{&of}, index_{index} {}

    [[nodiscard]] Reference operator*() const noexcept { return (*of_)[index_]; }
    Iterator& operator++() noexcept {
        ++index_;
        return *this;
    }
    Iterator operator++(int) noexcept { return {*of_, index_++}; }

    // Of one batch.
    friend bool operator==(const Iterator& one, const Iterator& other) noexcept {
        return one.index_ == other.index_;
    }

private:
    const InboxMessages* of_ = nullptr;
    std::size_t index_ = 0;
};

/// Collects the messages of several channels, in the order in which they are published. It copies
/// none of them. If an inbox has joined a channel several times, by join() or Topics::channels and
/// by patterns of a Broker, it gets each message as often; the one by name comes first.
/// Redis: a client that subscribes to channels and patterns.
///
///     runnel::Inbox<Order> inbox{{.bound = 100}};
///     inbox.join(apples);
///     inbox.join(pears);
///     while (auto batch = inbox.read({.stop = stop}))
///         for (const auto& message : batch) handle(message.channel, message.value);
///
/// While an inbox is full, it gets no new messages, and Published::reached does not count it. A
/// message that waits in an inbox keeps its block of up to 64 messages in memory.
///
/// An inbox that was moved from can only be assigned to or destroyed. For each closed channel that
/// it has joined, an inbox keeps a little memory until leave().
///
/// Thread safety: it may be moved from thread to thread, and is used by one thread at a time.
/// Channels deliver from any thread.
template <Message T>
class Inbox {
public:
    Inbox() : Inbox{InboxOptions{}} {}

    /// Throws: Error{invalid_argument} for a bound of 0, and unless `when_behind` is
    /// Behind::drop_newest or Behind::disconnect.
    explicit Inbox(const InboxOptions& options) : state_{made(options)} {}

    Inbox(Inbox&& other) noexcept = default;
    Inbox& operator=(Inbox other) noexcept {
        std::swap(state_, other.state_);
        std::swap(channels_, other.channels_);
        std::swap(patterns_, other.patterns_);
        return *this;
    }
    /// Leaves all channels. The messages that wait in the inbox are released here.
    ~Inbox() {
        if (!has_state()) return;
        state_->abandon();
        for (const auto& channel : channels_) channel->remove_direct_links(*state_.get());
    }

    /// Gets the messages that `channel` publishes from now on. If it has joined already, each
    /// message comes once more.
    /// Redis: SUBSCRIBE.
    ///
    /// Throws: Error{closed}.
    /// Complexity: logarithmic in the number of channels that it has joined, and in the number of
    /// inboxes that have joined `channel`.
    void join(const Channel<T>& channel, detail::Caller caller = {}) {
        RUNNEL_EXPECT(has_state(), "join() of an Inbox that was moved from", caller);
        const detail::Owner<ChannelState> owner{*channel.state_};
        const detail::Owner<detail::InboxLink<T>> link(std::in_place, owner, state_, nullptr);
        Channels joined;
        joined.insert(owner);
        owner->add_link(link);
        channels_.merge(joined);  // allocates nothing
    }

    /// Gets no new messages of `channel` any more; those that wait in the inbox already stay.
    /// Returns false if the inbox had not joined, or the channel is closed. Redis: UNSUBSCRIBE.
    ///
    /// Complexity: as join(), and linear in how often it had joined.
    bool leave(const Channel<T>& channel, detail::Caller caller = {}) noexcept {
        RUNNEL_EXPECT(has_state(), "leave() of an Inbox that was moved from", caller);
        ChannelState& left = *channel.state_;
        const auto found = channels_.find(left);
        if (found == channels_.end()) return false;
        channels_.erase(found);
        return left.remove_direct_links(*state_.get()) != 0;
    }

    /// The next messages, at most `count`.
    ///
    /// Blocks: while there are none.
    /// Ends with: Ending::disconnected if too much was waiting; what waited is lost.
    /// Ending::closed once all channels that it has joined are closed (or it has joined none) and
    /// it has no patterns of an open broker.
    /// Throws: Error{invalid_argument} if `count` is 0.
    /// Complexity: linear in the result.
    InboxMessages<T> read(const ReadOptions& options = {}, detail::Caller caller = {}) {
        RUNNEL_EXPECT(has_state(), "read() of an Inbox that was moved from", caller);
        return read(options, detail::WaitLimits::of(&options));
    }

    /// As read(), but never waits; `timeout` and `stop` are not looked at.
    InboxMessages<T> try_read(const ReadOptions& options = {}, detail::Caller caller = {}) {
        RUNNEL_EXPECT(has_state(), "try_read() of an Inbox that was moved from", caller);
        return read(options, detail::WaitLimits{});
    }

    /// read() as an awaitable, with the same options and results; see Awaitable. The inbox has to
    /// stay until the wait has ended, but may be moved.
    ///
    /// Throws: Error{invalid_argument} if `count` is 0.
    auto async_read(const ReadOptions& options = {}, detail::Caller caller = {}) {
        RUNNEL_EXPECT(has_state(), "async_read() of an Inbox that was moved from", caller);
        detail::check_count(options.count, "Inbox: a read");
        return Awaitable{detail::ReadInboxRecipe<T, InboxMessages<T>>{state_, options.count},
                         WaitOptions{options.timeout, options.stop}};
    }

    /// How many messages it has missed, all in all.
    [[nodiscard]] std::uint64_t missed(detail::Caller caller = {}) const {
        RUNNEL_EXPECT(has_state(), "missed() of an Inbox that was moved from", caller);
        const detail::Lock lock{state_->mutex};
        return state_->missed;
    }

    /// False once it was disconnected because too much was waiting.
    [[nodiscard]] bool connected(detail::Caller caller = {}) const {
        RUNNEL_EXPECT(has_state(), "connected() of an Inbox that was moved from", caller);
        return state_->is_connected();
    }

private:
    friend class Broker;
    friend class Watch;

    using State = detail::InboxState<T>;
    using ChannelState = detail::ChannelState<T>;

    struct ByAddress {
        using is_transparent = void;

        template <typename One, typename Other>
        [[nodiscard]] bool operator()(const One& one, const Other& other) const noexcept {
            return std::less<>{}(address(one), address(other));
        }

        static const ChannelState* address(const ChannelState& channel) noexcept {
            return &channel;
        }
        static const ChannelState* address(const detail::Owner<ChannelState>& owner) noexcept {
            return owner.get();
        }
    };

    using Channels = std::set<detail::Owner<ChannelState>, ByAddress>;

    static detail::Owner<State> made(const InboxOptions& options) {
        detail::check_bounds("Inbox", options.bound, options.bytes, options.when_behind);
        if (options.when_behind != Behind::drop_newest && options.when_behind != Behind::disconnect)
            refuse("when_behind must be drop_newest or disconnect; a Subscription does the others");
        return detail::Owner<State>(std::in_place, options);
    }

    // False once it was moved from.
    [[nodiscard]] bool has_state() const noexcept { return state_.get() != nullptr; }

    [[noreturn]] static void refuse(const char* why) {
        throw Error{ErrorCode::invalid_argument, std::string{"Inbox: "} + why};
    }

    InboxMessages<T> read(const ReadOptions& options, detail::WaitLimits limits) {
        detail::check_count(options.count, "Inbox: a read");
        detail::ReadInbox<T> request{options.count, state_->clock};
        detail::try_or_wait(request, detail::InboxPlace<T>{request, *state_.get()}, limits);
        if (!request.entries.empty()) return InboxMessages<T>{std::move(request.entries)};
        if (request.how() == detail::WaitEnd::disconnected) state_->drop_waiting();
        return InboxMessages<T>{request.ending()};
    }

    detail::Owner<State> state_;
    Channels channels_;
    detail::Owner<detail::Owned> patterns_;  // of a Broker; unsubscribed when it goes
};

}  // namespace runnel::inline v0
