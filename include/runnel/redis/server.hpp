// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/detail/wait/manual_clock.hpp>
#include <runnel/duration.hpp>
#include <runnel/error.hpp>
#include <runnel/redis/command_log.hpp>
#include <runnel/redis/dispatch.hpp>
#include <runnel/redis/entry_history.hpp>
#include <runnel/redis/faults.hpp>
#include <runnel/redis/interceptor.hpp>
#include <runnel/redis/options.hpp>
#include <runnel/redis/state.hpp>
#include <runnel/redis/waiting_command.hpp>
#include <runnel/stream_id.hpp>

#include <cstddef>
#include <memory>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis {

/// A Redis in this process, for unit tests of code that talks to Redis: the replies, the errors,
/// their order and the time of Redis 8.10 (or of ServerOptions::version), without a server, a port
/// or a thread.
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

    /// What is to go wrong.
    [[nodiscard]] Faults faults() const noexcept { return Faults{state_}; }

    /// From now on this sees each command, instead of what was there before; empty: nothing does.
    /// Commands that were sent before are still told to the one before. Throws: std::bad_alloc.
    void intercept(Interceptor by) {
        const bool sees = by.before || by.after;
        auto kept = sees ? std::make_shared<const Interceptor>(std::move(by)) : nullptr;
        std::shared_ptr<const Interceptor> former;  // destroyed without the lock
        const detail::Lock lock{state_->mutex};
        former = state_->intercept(std::move(kept));
    }

    // ---- to look at

    /// The latest commands and replies, in the order in which the server has dealt with them, if
    /// ServerOptions::keep_commands says to keep them. Commands between MULTI and EXEC stand there
    /// when they are queued.
    [[nodiscard]] std::vector<LoggedCommand> log() const {
        const detail::Entering entering{*state_};
        state_->ring_due();
        const auto& entries = state_->log().entries();
        return {entries.begin(), entries.end()};
    }
    /// The same as text, a line for each: to compare with a file.
    [[nodiscard]] std::string log_text() const {
        std::string text;
        for (const LoggedCommand& logged : log()) text.append(to_string(logged)).append("\n");
        return text;
    }

    /// What has happened to an entry of a stream, in its order, also if it is gone; if
    /// ServerOptions::keep_history says to keep that. Throws: std::bad_alloc, also if there was no
    /// memory for an event earlier.
    [[nodiscard]] std::vector<EntryEvent> history(std::string_view key, StreamId id,
                                                  std::size_t database = 0) const {
        const detail::Entering entering{*state_};
        state_->ring_due();
        if (!state_->history().is_complete()) throw std::bad_alloc{};
        return state_->history().of(key, id, database);
    }

    /// The commands that wait, in the order in which they came: of those that wait at one key, the
    /// first is served first.
    [[nodiscard]] std::vector<WaitingCommand> waiting() const {
        const detail::Entering entering{*state_};
        state_->ring_due();
        return state_->waiting();
    }
    /// The one of them that ends first if nothing but time goes on, by its time-out or because an
    /// entry may be claimed then. Nothing: none does.
    [[nodiscard]] std::optional<WaitingCommand> next_due() const {
        const detail::Entering entering{*state_};
        state_->ring_due();
        return state_->next_due();
    }

    /// What clients have asked for that the fake does not have, in alphabetical order, each once.
    [[nodiscard]] std::vector<std::string> unsupported() const {
        const detail::Lock lock{state_->mutex};
        const auto& names = state_->unsupported();
        return {names.begin(), names.end()};
    }

    /// How many sessions wait in a command such as BLPOP.
    [[nodiscard]] std::size_t blocked_sessions() const noexcept {
        const detail::Entering entering{*state_};
        state_->ring_due();
        return state_->blocked_sessions();
    }

private:
    friend class Cluster;
    friend class ClusterSession;
    friend class FdServer;
    friend class Session;

    // A node of a cluster.
    Server(const ServerOptions& options, detail::ServerPlace place)
        : state_{make(options, std::move(place))} {}

    [[nodiscard]] static std::shared_ptr<detail::ServerState> make(const ServerOptions& options,
                                                                   detail::ServerPlace place = {}) {
        if (options.databases == 0)
            throw Error{ErrorCode::invalid_argument, "Server: it needs at least one database"};
        return std::make_shared<detail::ServerState>(options, std::move(place));
    }

    const std::shared_ptr<detail::ServerState> state_;
};

}  // namespace runnel::inline v0::redis
