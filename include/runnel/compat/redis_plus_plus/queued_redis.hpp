// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/compat/redis_plus_plus/all_commands.hpp>
#include <runnel/compat/redis_plus_plus/client.hpp>
#include <runnel/compat/redis_plus_plus/connection.hpp>
#include <runnel/compat/redis_plus_plus/errors.hpp>
#include <runnel/compat/redis_plus_plus/parse.hpp>
#include <runnel/compat/redis_plus_plus/words.hpp>

#include <algorithm>
#include <concepts>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace runnel::inline v0::compat::sw {

/// The replies to the commands of a Pipeline or a Transaction, in their order.
class QueuedReplies {
public:
    QueuedReplies() = default;
    QueuedReplies(const QueuedReplies&) = delete;
    QueuedReplies& operator=(const QueuedReplies&) = delete;
    QueuedReplies(QueuedReplies&&) noexcept = default;
    QueuedReplies& operator=(QueuedReplies&&) noexcept = default;
    ~QueuedReplies() = default;

    [[nodiscard]] std::size_t size() const noexcept { return replies_.size(); }

    // These throw: ReplyError if that reply is an error, Error if there is none.

    Reply& get(std::size_t index) {
        if (index >= size()) throw Error{"Out of range"};
        Reply& reply = replies_[index];
        if (reply.is_error()) throw ReplyError{reply.text()};
        return reply;
    }
    /// As the method of Redis would return it. Throws: ProtoError if it is of another type.
    template <typename Result>
    Result get(std::size_t index) {
        const Reply& reply = get(index);
        if constexpr (std::same_as<Result, bool>)
            if (specials_[index] == detail::Special::set) return detail::has_set(reply);
        return detail::reply_to<Result>(reply);
    }
    /// Puts its elements where `output` says.
    template <typename Output>
    void get(std::size_t index, Output output) {
        detail::elements_to(get(index), output);
    }

private:
    template <typename Impl>
    friend class QueuedRedis;

    QueuedReplies(std::vector<Reply> replies, std::vector<detail::Special> specials)
        : replies_(std::move(replies)), specials_(std::move(specials)) {
        specials_.resize(replies_.size());  // a fault may have another number of replies
        for (std::size_t at = 0; at != replies_.size(); ++at)
            if (specials_[at] == detail::Special::empty_is_null)
                replies_[at] = detail::null_if_empty(replies_[at]);
    }

    std::vector<Reply> replies_;
    std::vector<detail::Special> specials_;
};

namespace detail {

// What a Pipeline does with its commands: they are sent all at once.
class PipelineImpl {
public:
    template <typename Send>
    static void command(Connection& connection, const Send& send) {
        send(connection);
    }
    [[nodiscard]] static std::vector<Reply> exec(Connection& connection, std::size_t count) {
        std::vector<Reply> replies;
        replies.reserve(count);
        while (replies.size() != count) replies.push_back(connection.recv_any());
        return replies;
    }
    static void discard(Connection& connection, std::size_t /*count*/) {
        connection.forget_unsent();
    }
};

// What a Transaction does: MULTI goes first. Unless it is piped, each command is sent at once, and
// its QUEUED waited for.
class TransactionImpl {
public:
    explicit TransactionImpl(bool is_piped) noexcept : is_piped_{is_piped} {}

    template <typename Send>
    void command(Connection& connection, const Send& send) {
        if (!is_open_) {
            reply_to<void>(connection.call(CmdArgs{"MULTI"}));
            is_open_ = true;
        }
        send(connection);
        if (!is_piped_) expect_queued(connection);
    }
    [[nodiscard]] std::vector<Reply> exec(Connection& connection, std::size_t count) {
        end(connection, count);
        const Reply reply = connection.call(CmdArgs{"EXEC"});
        if (reply.is_null()) throw WatchError{};
        return elements_of(reply);
    }
    void discard(Connection& connection, std::size_t count) {
        end(connection, count);
        reply_to<void>(connection.call(CmdArgs{"DISCARD"}));
    }

private:
    void end(Connection& connection, std::size_t count) {
        if (!is_open_) throw Error{"No command in transaction"};
        if (is_piped_)
            for (; count != 0; --count) expect_queued(connection);
        is_open_ = false;
    }
    static void expect_queued(Connection& connection) {
        const auto status = reply_to<std::string>(connection.recv());
        if (status != "QUEUED") throw Error{"Invalid QUEUED reply: " + status};
    }

    bool is_piped_;
    bool is_open_ = false;
};

}  // namespace detail

/// Keeps the commands that its methods are called for, until exec(): a Pipeline sends them all at
/// once, a Transaction has them carried out in one step. They have the methods of Redis, without
/// output iterators, and return the object itself: `pipeline.set("a", "1").incr("a").exec()`.
///
/// When a call has thrown, all later ones throw Error; but a Transaction goes on after WatchError.
/// What was not executed is dropped when the object goes.
///
/// Thread safety: one thread at a time.
template <typename Impl>
class QueuedRedis : public AllCommands<QueuedRedis<Impl>> {
public:
    QueuedRedis(QueuedRedis&&) noexcept = default;
    QueuedRedis& operator=(QueuedRedis&& other) noexcept {
        std::swap(pool_, other.pool_);
        std::swap(of_, other.of_);
        std::swap(lease_, other.lease_);
        std::swap(impl_, other.impl_);
        std::swap(specials_, other.specials_);
        std::swap(is_valid_, other.is_valid_);
        return *this;
    }
    // Nobody else is to go on with half a transaction, or with what is watched.
    ~QueuedRedis() {
        if (lease_ && of_ == detail::Lease::Of::pool) lease_->connection().close();
    }

    /// Uses the same connection, also after this object has gone. For WATCH.
    Redis redis();

    /// Any command: its name and its words.
    template <typename... Args>
    QueuedRedis& command(StringView name, const Args&... args) {
        return queue(CmdArgs{name, args...});
    }
    template <detail::Iterates Input>
    QueuedRedis& command(Input first, Input last) {
        if (first == last) throw Error{"command: empty range"};
        return queue(CmdArgs{std::pair{first, last}});
    }
    /// `send(connection, args...)` sends it.
    template <typename Send, typename... Args>
    requires std::invocable<Send&, Connection&, Args&&...> QueuedRedis& command(Send send,
                                                                                Args&&... args) {
        // NOLINTNEXTLINE(*-array-to-pointer-decay, *-avoid-c-arrays): of string literals
        return add([&](Connection& connection) { send(connection, std::forward<Args>(args)...); },
                   detail::Special::none);
    }
    QueuedRedis& select(long long database) { return command("SELECT", database); }

    /// Carries the commands out. A reply may be an error: get() throws it.
    ///
    /// Throws: WatchError if a key was changed that is watched: nothing was carried out. ReplyError
    /// if the server has refused to queue a command.
    QueuedReplies exec() {
        auto replies = run([this] { return impl_.exec(connection(), specials_.size()); });
        give_back();
        return QueuedReplies{std::move(replies), std::exchange(specials_, {})};
    }

    /// Drops the commands.
    void discard() {
        run([this] { impl_.discard(connection(), specials_.size()); });
        give_back();
        specials_.clear();
    }

private:
    friend class Redis;
    friend class detail::Ask;

    template <typename... Args>
    QueuedRedis(std::shared_ptr<detail::ConnectionPool> pool, bool new_connection,
                const Args&... args)
        : pool_{std::move(pool)},
          of_{new_connection ? detail::Lease::Of::nobody : detail::Lease::Of::pool},
          impl_{args...} {}

    QueuedRedis& queue(CmdArgs words, detail::Special special = detail::Special::none) {
        return add([&](Connection& connection) { connection.send(std::move(words)); }, special);
    }
    template <typename Send>
    QueuedRedis& add(const Send& send, detail::Special special) {
        run([&] {
            impl_.command(connection(), send);
            specials_.push_back(special);
        });
        return *this;
    }

    template <typename Function>
    auto run(const Function& function) {
        expect_valid();
        try {
            return function();
        } catch (const WatchError&) {  // the connection is as it was
            specials_.clear();
            throw;
        } catch (...) {
            is_valid_ = false;
            if (lease_) lease_->connection().close();
            throw;
        }
    }

    void expect_valid() {
        if (!is_valid_) throw Error{"Not in valid state"};
        if (connection().broken()) throw Error{"Connection is broken"};
    }
    [[nodiscard]] Connection& connection() {
        if (!lease_) lease_ = std::make_shared<detail::Lease>(pool_, of_);
        return lease_->connection();
    }
    // Others may use the connection now, unless a Redis of this object does.
    void give_back() noexcept {
        if (of_ == detail::Lease::Of::pool && lease_.use_count() == 1) lease_.reset();
    }

    std::shared_ptr<detail::ConnectionPool> pool_;
    detail::Lease::Of of_;
    std::shared_ptr<detail::Lease> lease_;
    Impl impl_;
    std::vector<detail::Special> specials_;  // one of each command
    bool is_valid_ = true;
};

using Pipeline = QueuedRedis<detail::PipelineImpl>;
using Transaction = QueuedRedis<detail::TransactionImpl>;

}  // namespace runnel::inline v0::compat::sw
