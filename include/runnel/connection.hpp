// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

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
template <Message T, typename Function, typename Lent>
class HandlerOf;
}

/// Keeps a handler connected to a channel as long as the connection exists.
/// Channel::on_message() makes it. An empty connection has no handler. A connection may outlive the
/// channel.
///
/// Thread safety: used by one thread at a time; that may be any thread, also inside the handler.
class [[nodiscard]] Connection {
public:
    Connection() = default;
    Connection(Connection&& other) noexcept = default;
    Connection& operator=(Connection other) noexcept {
        std::swap(handler_, other.handler_);
        std::swap(is_lent_, other.is_lent_);
        return *this;
    }
    /// As disconnect(), but cannot tell whether the handler still runs.
    ~Connection() {
        if (!is_lent_) disconnect();
    }

    /// Sees to it that the handler is not called any more. When this returns Disconnected::ended,
    /// the handler does not run in any thread, and its captures are destroyed. In a long chain of
    /// handlers that own each other's connections, the captures are destroyed a bit later: before
    /// the call returns that destroys the first of them.
    ///
    /// Blocks: while the handler runs in another thread, also if the caller is inside a handler of
    /// any channel. Avoid deadlocks: do not disconnect a handler while you hold a mutex that the
    /// handler locks, nor in a thread that the handler joins.
    /// Returns: Disconnected::running, at once, when called inside this handler, or inside another
    /// handler that this handler waits for in a disconnect() of its own, directly or through
    /// others. Both sides of such a circle may get that answer.
    Disconnected disconnect() noexcept {
        const detail::Owner<detail::Connected> handler = std::move(handler_);
        return handler.get() != nullptr ? handler->disconnect(detail::HandlerFrame<>::current())
                                        : Disconnected::ended;
    }

    /// Whether the handler is still connected. False for an empty connection, and once the handler
    /// was disconnected: by this object, by its own Connection&, by HandlerOptions::once, or
    /// because HandlerOptions::owner was gone. Stays true when the channel is closed.
    [[nodiscard]] bool connected() const noexcept {
        return handler_.get() != nullptr && handler_->is_live();
    }

private:
    template <Message T>
    friend class Channel;
    template <Message T, typename Function, typename Lent>
    friend class detail::HandlerOf;

    explicit Connection(detail::Owner<detail::Connected> handler, bool is_lent = false) noexcept
        : handler_{std::move(handler)}, is_lent_{is_lent} {}

    detail::Owner<detail::Connected> handler_;
    bool is_lent_ = false;  // to a handler, for a call: its end disconnects nothing
};

}  // namespace runnel::inline v0
