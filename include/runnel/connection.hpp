// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/channel_options.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/channel/handler.hpp>
#include <runnel/detail/channel/handler_run.hpp>
#include <runnel/message.hpp>

#include <utility>

namespace runnel::inline v0 {

template <Message T>
class Channel;

namespace detail {
template <Message T, typename Function>
class HandlerOf;
}

/// Keeps a handler connected to a channel for as long as it lives. Made by Channel::on_message();
/// an empty one is connected to nothing. May outlive the channel.
///
/// Thread safety: one thread at a time; any one, also inside the very handler.
class [[nodiscard]] Connection {
public:
    Connection() = default;
    Connection(Connection&& other) noexcept = default;
    Connection& operator=(Connection other) noexcept {
        std::swap(handler_, other.handler_);
        std::swap(is_lent_, other.is_lent_);
        return *this;
    }
    /// As disconnect(), but does not say whether the handler still runs.
    ~Connection() {
        if (!is_lent_) disconnect();
    }

    /// The handler is not started any more. When this returns Disconnected::ended, the handler does
    /// not run in any thread, what it had captured is destroyed, and nothing that it used is used
    /// any more. Deep inside of other destructions, as of a long chain of handlers that own each
    /// other's connections, the captures die before the outermost of those has returned.
    ///
    /// Blocks: while the handler runs in another thread, also when called inside a handler of
    /// whatever channel. What else the two threads may wait for is the caller's: a handler that
    /// locks a mutex must not be disconnected under that mutex, nor by a thread that it joins.
    /// Returns: Disconnected::running, at once, inside the very handler, and inside one that this
    /// handler waits for in a disconnect() of its own, directly or through others. Both sides of
    /// such a circle may get that answer.
    Disconnected disconnect() noexcept {
        const detail::Owner<detail::Connected> handler = std::move(handler_);
        return handler.get() != nullptr ? handler->disconnect(detail::HandlerFrame<>::current())
                                        : Disconnected::ended;
    }

    /// Whether it has a handler, and that has not been disconnected in another way: by its own
    /// Connection&, by HandlerOptions::once, or because its owner was gone. A channel that is
    /// closed does not count.
    [[nodiscard]] bool connected() const noexcept {
        return handler_.get() != nullptr && handler_->is_live();
    }

private:
    template <Message T>
    friend class Channel;
    template <Message T, typename Function>
    friend class detail::HandlerOf;

    explicit Connection(detail::Owner<detail::Connected> handler, bool is_lent = false) noexcept
        : handler_{std::move(handler)}, is_lent_{is_lent} {}

    detail::Owner<detail::Connected> handler_;
    bool is_lent_ = false;  // to a handler, for a call: its end disconnects nothing
};

}  // namespace runnel::inline v0
