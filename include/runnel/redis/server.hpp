// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/detail/wait/manual_clock.hpp>
#include <runnel/duration.hpp>
#include <runnel/error.hpp>
#include <runnel/redis/dispatch.hpp>
#include <runnel/redis/options.hpp>
#include <runnel/redis/state.hpp>

#include <cstddef>
#include <memory>

namespace runnel::inline v0::redis {

/// A Redis in this process, for unit tests of code that talks to Redis: the replies, the errors,
/// their order and the time of Redis 8.10, without a server, a port or a thread.
///
///     redis::Server server;
///     redis::Session session{server};
///     session.execute({"SET", "greeting", "hello", "EX", "60"});
///     server.advance(60s);
///     session.execute({"GET", "greeting"});  // (nil)
///
/// Its time stands still until advance() moves it, unless it is given another clock. So the ids of
/// entries, idle times and time-outs are the same in every run.
///
/// When it goes, all its sessions are closed. What is left of them may be used, and is closed.
///
/// Thread safety: every member may be called from any thread. One command is carried out at a time.
class Server {
public:
    /// Throws: Error{invalid_argument} if there are no databases, std::bad_alloc.
    explicit Server(const ServerOptions& options = {}) : state_{make(options)} {}
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server() { state_->close_all(); }

    [[nodiscard]] Clock& clock() const noexcept { return state_->clock; }

    /// Moves the time of the server's own clock, as ManualClock::advance() does: what is due on the
    /// way happens in its order. Commands that time out reply, and keys expire.
    ///
    /// Throws: what ManualClock::advance() does; Error{invalid_argument} if the server was given a
    /// clock, whose time is not the server's to move.
    void advance(Duration duration) {
        ManualClock* const own = state_->own_clock();
        if (own == nullptr)
            throw Error{ErrorCode::invalid_argument,
                        "Server::advance(): the server was given a clock: move the time of that"};
        own->advance(duration);
    }

    /// How many sessions wait in a command such as BLPOP.
    [[nodiscard]] std::size_t blocked_sessions() const noexcept {
        const detail::Entering entering{*state_};
        state_->ring_due();
        return state_->blocked_sessions();
    }

private:
    friend class Session;

    [[nodiscard]] static std::shared_ptr<detail::ServerState> make(const ServerOptions& options) {
        if (options.databases == 0)
            throw Error{ErrorCode::invalid_argument, "Server: it needs at least one database"};
        return std::make_shared<detail::ServerState>(options);
    }

    const std::shared_ptr<detail::ServerState> state_;
};

}  // namespace runnel::inline v0::redis
