// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/duration.hpp>
#include <runnel/error.hpp>
#include <runnel/outcome.hpp>
#include <runnel/redis/encode.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/reply_decoder.hpp>
#include <runnel/redis/testing/backend.hpp>
#include <runnel/redis/testing/client.hpp>
#include <runnel/redis/testing/listener.hpp>
#include <runnel/redis/testing/real_run.hpp>
#include <runnel/redis/testing/socket.hpp>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::testing::detail {

// A real server, and a connection that no test uses. Thread safety: any thread.
class RealServer {
public:
    // Throws: Error{unavailable} if nobody listens there.
    RealServer(const std::string& path, Duration limit) : limit_{limit}, socket_{path} {
        const std::string info = text_of({"INFO", "server"});
        version_ = field(info, "redis_version:").value_or("of an unknown version");
        const auto valkey = field(info, "valkey_version:");
        like_ =
            redis::detail::version_like(valkey ? *valkey : version_, valkey ? "valkey" : "redis");
    }

    [[nodiscard]] const std::string& path() const noexcept { return socket_.path(); }
    [[nodiscard]] Duration limit() const noexcept { return limit_; }
    // As it names it: a Valkey tells of the Redis that it is like.
    [[nodiscard]] const std::string& version() const noexcept { return version_; }
    [[nodiscard]] Version like() const noexcept { return like_; }

    // Throws: Error{unavailable} if there is no reply, or it is an error.
    Reply command(const Words& words) {
        const std::lock_guard lock{mutex_};
        std::string bytes;
        append_command(bytes, words);
        if (!socket_.send(bytes)) fail_at(path(), "the server has closed the connection");
        Reply reply = next_reply(words);
        if (reply.is_error()) fail_at(path(), printed(words) + ": " + reply.text());
        return reply;
    }

    // Returns once the server has carried out all that was sent before, by any connection, and the
    // replies have arrived there. What was sent before the first PING is read in the same turn of
    // the server's loop, though perhaps after it; and what is said in a turn is written before the
    // next one.
    void settle() {
        (void)command({"PING"});
        (void)command({"PING"});
    }

    // Its wall time, in milliseconds.
    [[nodiscard]] std::int64_t now() {
        const std::vector<std::string> parts = command({"TIME"}).strings();
        return number(parts.at(0)) * 1000 + number(parts.at(1)) / 1000;
    }

    // How many keys the first database has that has any; empty if none has.
    [[nodiscard]] std::string keys() {
        const std::string text = text_of({"INFO", "keyspace"});
        const std::size_t at = text.find("db");
        return at == text.npos ? std::string{} : text.substr(at, text.find("\r\n", at) - at);
    }
    void flush() { (void)command({"FLUSHALL"}); }

private:
    [[nodiscard]] static std::int64_t number(std::string_view text) {
        std::int64_t value = 0;
        (void)std::from_chars(text.data(), text.data() + text.size(), value);
        return value;
    }
    [[nodiscard]] static std::optional<std::string> field(const std::string& text,
                                                          std::string_view name) {
        const std::size_t at = text.find(name);
        if (at == text.npos) return std::nullopt;
        const std::size_t begin = at + name.size();
        return text.substr(begin, text.find("\r\n", begin) - begin);
    }
    [[nodiscard]] std::string text_of(const Words& words) { return command(words).text(); }

    [[nodiscard]] Reply next_reply(const Words& words) {
        const RealTime until = std::chrono::steady_clock::now() + limit_.nanoseconds();
        for (;;) {
            const bool is_open = socket_.receive(decoder_);
            if (auto reply = decoder_.take()) return *std::move(reply);
            if (!is_open) fail_at(path(), "the server has closed the connection");
            if (std::chrono::steady_clock::now() >= until)
                fail_at(path(), printed(words) + ": no reply in time");
            socket_.await(until);
        }
    }

    const Duration limit_;
    std::mutex mutex_;
    Socket socket_;
    ReplyDecoder decoder_;
    std::string version_;
    Version like_ = Version::redis_7_0;
};

class RealLink;

class SentToReal final : public Sent {
public:
    SentToReal(std::shared_ptr<RealLink> link, Words words)
        : link_{std::move(link)}, words_{std::move(words)} {}

    [[nodiscard]] bool ready() override;
    [[nodiscard]] std::optional<Reply> try_get() override;
    [[nodiscard]] std::optional<Reply> wait(Timeout timeout) override;

    // Of EXEC. Requires: ready().
    [[nodiscard]] const std::vector<Words>& queued() const noexcept { return queued_; }

private:
    friend class RealLink;

    std::shared_ptr<RealLink> link_;
    const Words words_;
    // Under the link's mutex.
    bool is_done_ = false;
    std::optional<Reply> reply_;
    std::vector<Words> queued_;
};

// A connection to a real server. Replies are told from pushes as a Session does.
class RealLink final : public Link, public std::enable_shared_from_this<RealLink> {
public:
    explicit RealLink(std::shared_ptr<RealServer> server)
        : server_{std::move(server)}, socket_{server_->path()} {}

    // Before it is used.
    void begin() { id_ = send({"CLIENT", "ID"})->wait({}).value_or(Reply{}).integer(); }

    [[nodiscard]] std::shared_ptr<Sent> submit(const Words& words) override { return send(words); }
    std::optional<Reply> execute(const Words& words) override { return send(words)->wait({}); }

    [[nodiscard]] std::shared_ptr<SentToReal> send(const Words& words) {
        if (words.empty())
            throw Error{ErrorCode::invalid_argument, "Client: a command without a word"};
        auto sent = std::make_shared<SentToReal>(shared_from_this(), words);
        {
            const std::lock_guard lock{mutex_};
            sent->is_done_ = is_closed_;
            if (is_closed_) return sent;
            std::string bytes;
            append_command(bytes, words);
            listener_.sent(words);
            sent_.push_back(sent);
            (void)socket_.send(bytes);  // if nobody reads it, hear_all() sees that
        }
        server_->settle();
        const std::lock_guard lock{mutex_};
        hear_all();
        return sent;
    }

    [[nodiscard]] std::optional<Reply> next_push(Timeout timeout) override {
        if (!await_push(timeout)) return std::nullopt;
        const std::lock_guard lock{mutex_};
        if (pushes_.empty()) return std::nullopt;
        Heard push = std::move(pushes_.front());
        pushes_.pop_front();
        return std::move(push.reply);
    }
    // False: the time is over.
    bool await_push(Timeout timeout) {
        const auto has_push = [this] { return !pushes_.empty() || is_closed_; };
        return wait(timeout, has_push, "a push");
    }
    // Those that have come.
    [[nodiscard]] std::vector<Heard> take_pushes() {
        const std::lock_guard lock{mutex_};
        hear_all();
        std::vector<Heard> pushes{pushes_.begin(), pushes_.end()};
        pushes_.clear();
        return pushes;
    }

    void close() noexcept override {
        {
            const std::lock_guard lock{mutex_};
            if (is_closed_) return;
            socket_.shut_down();
            end();
        }
        try {
            server_->settle();  // so that it knows, too
        } catch (...) {         // NOLINT(bugprone-empty-catch): then it has gone
        }
    }
    [[nodiscard]] bool is_closed() override {
        const std::lock_guard lock{mutex_};
        hear_all();
        return is_closed_;
    }
    [[nodiscard]] std::int64_t id() const override { return id_; }

private:
    friend class SentToReal;

    // Waits until it holds. False: the time is over.
    template <typename Condition>
    [[nodiscard]] bool wait(const Timeout& timeout, const Condition& holds,
                            const std::string& what) {
        const std::chrono::nanoseconds limit = server_->limit().nanoseconds();
        const std::chrono::nanoseconds given = timeout.duration().value_or(limit + limit);
        const RealTime until = std::chrono::steady_clock::now() + std::min(given, limit);
        for (;;) {
            {
                const std::lock_guard lock{mutex_};
                hear_all();
                if (holds()) return true;
            }
            if (std::chrono::steady_clock::now() >= until) break;
            socket_.await(until);
        }
        if (given <= limit) return false;
        const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(limit);
        fail_at(socket_.path(),
                what + ": waited in vain for " + std::to_string(ms.count()) + " ms");
    }

    // The rest is under the mutex.

    // Takes what has come.
    void hear_all() {
        if (is_closed_) return;
        const bool is_open = socket_.receive(decoder_);
        while (const auto reply = decoder_.take()) hear(listener_.heard(*reply));
        if (!is_open) end();
    }
    void hear(Heard heard) {
        if (heard.is_push() || sent_.empty()) return pushes_.push_back(std::move(heard));
        SentToReal& sent = *sent_.front();
        const bool is_last = heard.is_last;
        if (heard.is_confirmation) {
            pushes_.push_back(std::move(heard));
        } else {
            sent.reply_ = std::move(heard.reply);
            sent.queued_ = std::move(heard.queued);
        }
        if (!is_last) return;
        sent.is_done_ = true;
        sent_.pop_front();
    }
    void end() noexcept {
        is_closed_ = true;
        for (const auto& sent : sent_) sent->is_done_ = true;
        sent_.clear();
    }

    const std::shared_ptr<RealServer> server_;
    std::mutex mutex_;
    Socket socket_;
    ReplyDecoder decoder_;
    Listener listener_;
    std::deque<std::shared_ptr<SentToReal>> sent_;
    std::deque<Heard> pushes_;
    bool is_closed_ = false;
    std::int64_t id_ = 0;
};

inline bool SentToReal::ready() {
    const std::lock_guard lock{link_->mutex_};
    if (!is_done_) link_->hear_all();
    return is_done_;
}

inline std::optional<Reply> SentToReal::try_get() {
    return ready() ? reply_ : std::nullopt;
}

inline std::optional<Reply> SentToReal::wait(Timeout timeout) {
    const auto is_done = [this] { return is_done_; };
    return link_->wait(timeout, is_done, printed(words_)) ? reply_ : std::nullopt;
}

class RealBackend final : public Backend {
public:
    explicit RealBackend(const Environment& environment)
        : server_{std::make_shared<RealServer>(environment.socket, environment.limit)} {
        RealRun::of_process().begin(*server_, environment);
    }

    [[nodiscard]] RealServer& server() noexcept { return *server_; }

    [[nodiscard]] std::shared_ptr<RealLink> connect_to_real() {
        auto link = std::make_shared<RealLink>(server_);
        link->begin();
        links_.add(link);
        return link;
    }
    [[nodiscard]] std::shared_ptr<Link> connect() override { return connect_to_real(); }

    // Nothing is left for the next test.
    [[nodiscard]] std::vector<std::string> finish(bool /*has_failed*/) override {
        links_.close_all();
        server_->flush();
        return {};
    }

private:
    std::shared_ptr<RealServer> server_;
    Links<RealLink> links_;
};

}  // namespace runnel::inline v0::redis::testing::detail
