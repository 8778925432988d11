// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/compat/redis_plus_plus/errors.hpp>
#include <runnel/compat/redis_plus_plus/format.hpp>
#include <runnel/compat/redis_plus_plus/options.hpp>
#include <runnel/compat/redis_plus_plus/parse.hpp>
#include <runnel/compat/redis_plus_plus/words.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/outcome.hpp>
#include <runnel/redis/server.hpp>
#include <runnel/redis/session.hpp>

#include <chrono>
#include <deque>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace runnel::inline v0::compat::sw {

template <typename Impl>
class QueuedRedis;
class Subscriber;

namespace detail {
class ConnectionPool;
class PipelineImpl;
class TransactionImpl;
class Lease;
}  // namespace detail

/// What a function that is given to command() gets as its first argument, to send its command:
///
///     redis.command([](auto& connection, StringView key) {
///         connection.send("GET %b", key.data(), key.size());
///     }, "key");
class Connection {
public:
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection() = default;

    void send(const CmdArgs& words) { unsent_.push_back(words); }
    void send(CmdArgs&& words) { unsent_.push_back(std::move(words)); }
    /// With a format as that of redisCommand() in hiredis: words that are separated by blanks, %s
    /// for a text, %b for its address and its size, and %d and the like for a number.
    ///
    /// Throws: Error if the arguments do not fit.
    template <typename... Args>
    void send(const char* format, const Args&... args) {
        unsent_.push_back(detail::Format::words_of(format, args...));
    }

    /// Whether it has ended, also if nobody was told yet.
    [[nodiscard]] bool broken() const noexcept { return session_.is_closed(); }

private:
    friend class detail::ConnectionPool;
    friend class detail::PipelineImpl;
    friend class detail::TransactionImpl;
    friend class detail::Lease;
    template <typename Impl>
    friend class QueuedRedis;
    friend class Subscriber;

    // Throws: ReplyError if the server refuses what the options ask for.
    Connection(redis::Server& server, const ConnectionOptions& options)
        : timeout_{options.socket_timeout > std::chrono::milliseconds{0}
                       ? Timeout{options.socket_timeout}
                       : Timeout{}},
          session_{server, {.keep_outputs = 0}} {
        authenticate(options);
        if (options.resp == 3) (void)call(CmdArgs{"HELLO", 3});
        if (options.db != 0) (void)call(CmdArgs{"SELECT", options.db});
    }

    void authenticate(const ConnectionOptions& options) {
        if (options.user != "default")
            (void)call(CmdArgs{"AUTH", options.user, options.password});
        else if (!options.password.empty())
            (void)call(CmdArgs{"AUTH", options.password});
    }

    // The next reply. Throws: ReplyError if that is an error; what recv_any() throws.
    Reply recv() {
        Reply reply = recv_any();
        if (reply.is_error()) throw ReplyError{reply.text()};
        return reply;
    }
    // The next reply, which may be an error. Sends what was to be sent. Throws: TimeoutError,
    // ClosedError; then the connection is closed.
    Reply recv_any() {
        auto reply = take_reply();
        if (reply) return *std::move(reply);
        const bool is_closed = session_.is_closed();
        close();
        if (is_closed) throw_closed();
        throw Error{"the answers to this command are pushes: use a Subscriber"};
    }

    Reply call(CmdArgs words) {
        send(std::move(words));
        return recv();
    }

    // Whether there is no reply that nobody has read.
    [[nodiscard]] bool is_in_step() const noexcept { return unsent_.empty() && sent_.empty(); }
    void forget_unsent() noexcept { unsent_.clear(); }
    void close() noexcept { session_.close(); }

    std::optional<Reply> take_reply() {
        // Nothing is to be waited for but this one reply: then a session needs no Pending.
        if (sent_.empty() && unsent_.size() == 1 && !timeout_.duration()) {
            const CmdArgs words = std::move(unsent_.front());
            unsent_.clear();
            return session_.execute(words.words());
        }
        while (!unsent_.empty()) {
            const CmdArgs words = std::move(unsent_.front());
            unsent_.pop_front();
            sent_.push_back(session_.submit(words.words()));
        }
        if (sent_.empty()) throw Error{"no command was sent that a reply could be to"};
        const redis::Pending first = std::move(sent_.front());
        sent_.pop_front();
        auto reply = first.wait(timeout_);
        if (!reply && !first.ready()) refuse_to_wait();
        return reply ? reply : first.try_get();
    }
    [[noreturn]] void refuse_to_wait() {
        close();
        throw_timeout();
    }

    [[noreturn]] static void throw_timeout() {
        throw TimeoutError{"Failed to get reply: Resource temporarily unavailable"};
    }
    [[noreturn]] static void throw_closed() {
        throw ClosedError{"Failed to get reply: Server closed the connection"};
    }

    const Timeout timeout_;
    redis::Session session_;
    std::deque<CmdArgs> unsent_;
    std::deque<redis::Pending> sent_;
};

namespace detail {

// The connections of a Redis that no call uses at the moment. A call that finds none makes one: so
// none waits for another.
class ConnectionPool {
public:
    ConnectionPool(redis::Server& server, ConnectionOptions options)
        : server_{server}, options_{std::move(options)} {}

    [[nodiscard]] std::unique_ptr<Connection> connect() const {
        return std::unique_ptr<Connection>(new Connection{server_, options_});
    }

    // The one that was given back last, if there is one that still stands.
    [[nodiscard]] std::unique_ptr<Connection> fetch() RUNNEL_EXCLUDES(mutex_) {
        while (auto idle = take_idle())
            if (!idle->broken()) return idle;
        return connect();
    }
    void give_back(std::unique_ptr<Connection> connection) noexcept RUNNEL_EXCLUDES(mutex_) {
        if (connection->broken() || !connection->is_in_step()) return;
        try {
            const runnel::detail::Lock lock{mutex_};
            idle_.push_back(std::move(connection));
            // NOLINTNEXTLINE(bugprone-empty-catch)
        } catch (...) {  // no memory to keep it: it is closed
        }
    }

private:
    [[nodiscard]] std::unique_ptr<Connection> take_idle() RUNNEL_EXCLUDES(mutex_) {
        const runnel::detail::Lock lock{mutex_};
        if (idle_.empty()) return nullptr;
        auto last = std::move(idle_.back());
        idle_.pop_back();
        return last;
    }

    redis::Server& server_;
    const ConnectionOptions options_;
    runnel::detail::Mutex mutex_;
    std::vector<std::unique_ptr<Connection>> idle_ RUNNEL_GUARDED_BY(mutex_);
};

// A connection of somebody, which goes back to its pool if it has come from there.
class Lease {
public:
    enum class Of { pool, nobody };

    Lease(std::shared_ptr<ConnectionPool> pool, Of of)
        : connection_{of == Of::pool ? pool->fetch() : pool->connect()} {
        if (of == Of::pool) pool_ = std::move(pool);
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    ~Lease() {
        if (pool_) pool_->give_back(std::move(connection_));
    }

    [[nodiscard]] Connection& connection() const noexcept { return *connection_; }
    // Sends what `send` tells the connection to, and returns the reply.
    template <typename Send, typename... Args>
    [[nodiscard]] Reply call(Send&& send, Args&&... args) const {
        std::forward<Send>(send)(*connection_, std::forward<Args>(args)...);
        return connection_->recv();
    }

private:
    std::shared_ptr<ConnectionPool> pool_;
    std::unique_ptr<Connection> connection_;
};

}  // namespace detail

}  // namespace runnel::inline v0::compat::sw
