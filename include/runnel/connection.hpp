// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/handle.hpp>
#include <runnel/detail/handler.hpp>
#include <runnel/message.hpp>

#include <utility>

namespace runnel::inline v0 {

template <Message T>
class Channel;

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
        return *this;
    }
    /// As disconnect().
    ~Connection() { disconnect(); }

    /// The handler is not called any more, and what it has captured is destroyed. Called outside of
    /// handlers, it returns when the handler does not run in any thread: then nothing that it uses
    /// is used any more. Inside of a handler, of whatever channel, it does not wait: the handler
    /// will not be started again, and if it runs, what it has captured dies when it is over.
    ///
    /// Blocks: outside of handlers, while the handler runs.
    void disconnect() noexcept {
        const detail::Owner<detail::Connected> handler = std::move(handler_);
        if (handler.get() != nullptr) handler->disconnect();
    }

    /// Whether it has a handler; also that of a channel that is closed.
    [[nodiscard]] bool connected() const noexcept { return handler_.get() != nullptr; }

private:
    template <Message T>
    friend class Channel;

    explicit Connection(detail::Owner<detail::Connected> handler) noexcept
        : handler_{std::move(handler)} {}

    detail::Owner<detail::Connected> handler_;
};

}  // namespace runnel::inline v0
