// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/outcome.hpp>
#include <runnel/redis/reply.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::testing {

namespace detail {

using Words = std::vector<std::string>;

// A command as redis-cli takes it, for texts.
[[nodiscard]] inline std::string printed(const Words& words) {
    std::string out;
    for (const std::string& word : words) {
        const bool is_plain = !word.empty() && std::ranges::all_of(word, [](char letter) {
            return letter > ' ' && letter < 127 && letter != '"' && letter != '\'';
        });
        if (!out.empty()) out += ' ';
        out += is_plain ? word : to_string(Reply::bulk_string(word));
    }
    return out;
}

// What a PendingReply refers to: a command that was sent to the fake, to a real server, or to both.
class Sent {
public:
    Sent() = default;
    Sent(const Sent&) = delete;
    Sent& operator=(const Sent&) = delete;
    virtual ~Sent() = default;

    [[nodiscard]] virtual bool ready() = 0;
    [[nodiscard]] virtual std::optional<Reply> try_get() = 0;
    [[nodiscard]] virtual std::optional<Reply> wait(Timeout timeout) = 0;
};

// What a Client refers to.
class Link {
public:
    Link() = default;
    Link(const Link&) = delete;
    Link& operator=(const Link&) = delete;
    virtual ~Link() = default;

    [[nodiscard]] virtual std::shared_ptr<Sent> submit(const Words& words) = 0;
    virtual std::optional<Reply> execute(const Words& words) = 0;
    [[nodiscard]] virtual std::optional<Reply> next_push(Timeout timeout) = 0;
    virtual void close() noexcept = 0;
    [[nodiscard]] virtual bool is_closed() = 0;
    [[nodiscard]] virtual std::int64_t id() const = 0;
};

}  // namespace detail

/// The reply to a command that was submitted, as redis::Pending is. A handle: copies share it.
///
/// Its members throw what Client says.
///
/// Thread safety: as Client.
class PendingReply {
public:
    /// Whether the command has ended: it has replied, or never will.
    [[nodiscard]] bool ready() const { return sent_->ready(); }

    /// Its reply. Nothing: it has not ended yet; or it has no reply, because the connection was
    /// closed first or its answers are pushes.
    [[nodiscard]] std::optional<Reply> try_get() const { return sent_->try_get(); }

    /// As try_get(), but waits until the command has ended: on the clock of the fake, or in real
    /// time. Without a time-out it waits for ever on the fake, and up to Environment::limit on a
    /// real server, which is the most there. Throws: Error{invalid_argument} in the thread that
    /// moves the time, if it would wait; Error{unavailable} if a real server does not reply.
    [[nodiscard]] std::optional<Reply> wait(Timeout timeout = {}) const {
        return sent_->wait(timeout);
    }

private:
    friend class Client;

    explicit PendingReply(std::shared_ptr<detail::Sent> sent) noexcept : sent_{std::move(sent)} {}

    std::shared_ptr<detail::Sent> sent_;
};

/// A client's connection, to the fake, to a real server, or to both: see RedisUnderTest. It has
/// what a redis::Session has, and does the same on each of them.
///
///     auto worker = connect();
///     const auto job = worker.submit({"BLPOP", "jobs", "0"});
///     redis().execute({"RPUSH", "jobs", "one"});
///     CHECK(job.ready());
///
/// On a real server each call returns when the server has carried out what was sent, has served
/// those who waited for it, and all of that has arrived. So ready() says the same in every run.
///
/// When it goes it is closed, as a client that disconnects.
///
/// Its members throw, and those of its PendingReply: Error{unavailable} if the real server is
/// gone, or does not reply within Environment::limit, with the command; Error{wrong_reply} where
/// the fake and a real server are compared and differ, with all that is known of it.
///
/// Thread safety: any thread may use a connection and its results, one at a time; close() may be
/// called from any thread at any time.
class Client {
public:
    Client(Client&&) noexcept = default;
    Client& operator=(Client&& other) noexcept {
        if (this != &other && link_) link_->close();
        link_ = std::move(other.link_);
        return *this;
    }
    ~Client() {
        if (link_) link_->close();
    }

    /// Sends a command; its name is the first word. Never waits. Throws:
    /// Error{invalid_argument} without a word.
    PendingReply submit(std::initializer_list<std::string_view> words) {
        return submit({words.begin(), words.end()});
    }
    PendingReply submit(const std::vector<std::string>& words) {
        return PendingReply{link_->submit(words)};
    }

    /// The same, and waits for the reply. Nothing: the connection is closed, or the answers are
    /// pushes, as those of SUBSCRIBE are.
    ///
    /// A command that blocks would wait for ever on the fake, if this is the thread of the test,
    /// which moves the time. It throws Error{invalid_argument} then, and goes on waiting in the
    /// server: submit() it.
    std::optional<Reply> execute(std::initializer_list<std::string_view> words) {
        return execute({words.begin(), words.end()});
    }
    std::optional<Reply> execute(const std::vector<std::string>& words) {
        return link_->execute(words);
    }

    /// The next push (a message, the answer to SUBSCRIBE). Waits for one only with a time-out: on
    /// the clock of the fake, or in real time. Nothing: none has come, or the connection is closed.
    /// Throws: Error{invalid_argument} in the thread that moves the time, if it would wait.
    [[nodiscard]] std::optional<Reply> next_push(Timeout timeout = std::chrono::seconds{0}) {
        return link_->next_push(timeout);
    }

    /// Closes the connection. A command that waits ends without a reply and without an effect.
    void close() noexcept { link_->close(); }

    /// Whether either end has closed it.
    [[nodiscard]] bool is_closed() const { return link_->is_closed(); }

    /// As CLIENT ID returns it.
    [[nodiscard]] std::int64_t id() const { return link_->id(); }

private:
    friend class RedisUnderTest;

    explicit Client(std::shared_ptr<detail::Link> link) noexcept : link_{std::move(link)} {}

    std::shared_ptr<detail::Link> link_;
};

}  // namespace runnel::inline v0::redis::testing
