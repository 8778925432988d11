// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/compat/redis_plus_plus/client.hpp>
#include <runnel/compat/redis_plus_plus/connection.hpp>
#include <runnel/compat/redis_plus_plus/errors.hpp>
#include <runnel/compat/redis_plus_plus/options.hpp>
#include <runnel/compat/redis_plus_plus/parse.hpp>
#include <runnel/compat/redis_plus_plus/words.hpp>
#include <runnel/duration.hpp>
#include <runnel/outcome.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::compat::sw {

/// A connection that hears what is published. Redis::subscriber() makes one.
///
///     auto subscriber = redis.subscriber();
///     subscriber.on_message([](std::string channel, std::string message) { … });
///     subscriber.subscribe("news");
///     while (true) subscriber.consume();
///
/// Thread safety: one thread at a time. Functions that were given to on_…() run inside consume().
class Subscriber {
public:
    // NOLINTBEGIN(readability-identifier-naming): they are named as in redis-plus-plus
    enum class MsgType {
        SUBSCRIBE,
        UNSUBSCRIBE,
        PSUBSCRIBE,
        PUNSUBSCRIBE,
        MESSAGE,
        PMESSAGE,
        SSUBSCRIBE,
        SUNSUBSCRIBE,
        SMESSAGE,
        UNKNOWN
    };
    // NOLINTEND(readability-identifier-naming)

    Subscriber(Subscriber&&) noexcept = default;
    Subscriber& operator=(Subscriber&&) noexcept = default;
    ~Subscriber() = default;

    /// What is to be called with a message: void(std::string channel, std::string message).
    template <typename Function>
    void on_message(Function function) {
        on_message_ = std::move(function);
    }
    /// Of a pattern: void(std::string pattern, std::string channel, std::string message).
    template <typename Function>
    void on_pmessage(Function function) {
        on_pmessage_ = std::move(function);
    }
    /// Of a sharded channel: void(std::string channel, std::string message).
    template <typename Function>
    void on_smessage(Function function) {
        on_smessage_ = std::move(function);
    }
    /// With the confirmation of a subscription, or of its end:
    /// void(Subscriber::MsgType, OptionalString channel, long long count of subscriptions).
    template <typename Function>
    void on_meta(Function function) {
        on_meta_ = std::move(function);
    }

    // Each returns at once; consume() tells of the confirmations. Throws: Error if the connection
    // has ended.

    void subscribe(StringView channel) { send("SUBSCRIBE", channel); }
    template <detail::Iterates Input>
    void subscribe(Input first, Input last) {
        send_range("SUBSCRIBE", first, last);
    }
    template <typename T>
    void subscribe(std::initializer_list<T> channels) {
        subscribe(channels.begin(), channels.end());
    }
    void psubscribe(StringView pattern) { send("PSUBSCRIBE", pattern); }
    template <detail::Iterates Input>
    void psubscribe(Input first, Input last) {
        send_range("PSUBSCRIBE", first, last);
    }
    template <typename T>
    void psubscribe(std::initializer_list<T> patterns) {
        psubscribe(patterns.begin(), patterns.end());
    }
    void ssubscribe(StringView channel) { send("SSUBSCRIBE", channel); }
    template <detail::Iterates Input>
    void ssubscribe(Input first, Input last) {
        send_range("SSUBSCRIBE", first, last);
    }
    template <typename T>
    void ssubscribe(std::initializer_list<T> channels) {
        ssubscribe(channels.begin(), channels.end());
    }

    /// Without arguments: all.
    void unsubscribe() { send("UNSUBSCRIBE"); }
    void unsubscribe(StringView channel) { send("UNSUBSCRIBE", channel); }
    template <detail::Iterates Input>
    void unsubscribe(Input first, Input last) {
        send_range("UNSUBSCRIBE", first, last);
    }
    template <typename T>
    void unsubscribe(std::initializer_list<T> channels) {
        unsubscribe(channels.begin(), channels.end());
    }
    void punsubscribe() { send("PUNSUBSCRIBE"); }
    void punsubscribe(StringView pattern) { send("PUNSUBSCRIBE", pattern); }
    template <detail::Iterates Input>
    void punsubscribe(Input first, Input last) {
        send_range("PUNSUBSCRIBE", first, last);
    }
    template <typename T>
    void punsubscribe(std::initializer_list<T> patterns) {
        punsubscribe(patterns.begin(), patterns.end());
    }
    void sunsubscribe() { send("SUNSUBSCRIBE"); }
    void sunsubscribe(StringView channel) { send("SUNSUBSCRIBE", channel); }
    template <detail::Iterates Input>
    void sunsubscribe(Input first, Input last) {
        send_range("SUNSUBSCRIBE", first, last);
    }
    template <typename T>
    void sunsubscribe(std::initializer_list<T> channels) {
        sunsubscribe(channels.begin(), channels.end());
    }

    /// Waits for one message or one confirmation, and calls the function that it is for, if there
    /// is one.
    ///
    /// Blocks: on the server's clock.
    ///
    /// Throws: TimeoutError if nothing has come within ConnectionOptions::socket_timeout; consume()
    /// may be called again. ClosedError if the connection ends; then this Subscriber is of no more
    /// use. ReplyError if the server has refused to subscribe. What the function throws.
    void consume() {
        const Timeout timeout = connection_->timeout_;
        if (!consume_within(timeout)) Connection::throw_timeout();
    }

    // ---- what redis-plus-plus does not have

    /// As consume(), until `stop` is asked to stop, and whatever socket_timeout says. False: it
    /// was, and nothing had come.
    bool consume(const std::stop_token& stop) { return consume_within(Timeout{}, stop); }
    /// As consume(), but does not wait. False: nothing has come.
    bool try_consume() { return consume_within(Timeout{std::chrono::seconds{0}}); }
    /// As consume(), and waits for no longer than that. False: nothing has come.
    bool consume_for(Duration longest) { return consume_within(Timeout{longest}); }

private:
    friend class Redis;

    explicit Subscriber(std::unique_ptr<Connection> connection) noexcept
        : connection_{std::move(connection)} {}

    template <typename... Words>
    void send(const Words&... words) {
        send_words(CmdArgs{words...});
    }
    template <typename Input>
    void send_range(const char* name, Input first, Input last) {
        if (first != last) send_words(CmdArgs{name, std::pair{first, last}});
    }
    void send_words(const CmdArgs& words) {
        expect_connection();
        sent_.push_back(connection_->session_.submit(words.words()));
    }

    // Whether there was something to handle.
    bool consume_within(const Timeout& timeout, const std::stop_token& stop = {}) {
        expect_connection();
        expect_no_refusal();
        auto push = connection_->session_.next_push(timeout, stop);
        if (push) {
            handle(*push);
            return true;
        }
        expect_no_refusal();
        if (!connection_->broken()) return false;
        is_over_ = true;
        Connection::throw_closed();
    }

    void expect_connection() const {
        if (is_over_) throw Error{"Connection is broken"};
    }
    // Commands that are carried out answer with pushes. One that is refused has a reply.
    void expect_no_refusal() {
        while (!sent_.empty() && sent_.front().ready()) {
            const auto reply = sent_.front().try_get();
            sent_.erase(sent_.begin());
            if (reply && reply->is_error()) throw ReplyError{reply->text()};
        }
    }

    void handle(const Reply& push) const {
        const auto parts = detail::elements_of(push);
        if (parts.empty()) throw ProtoError{"Invalid subscribe message"};
        switch (const MsgType type = type_of(detail::reply_to<std::string>(parts[0]))) {
        case MsgType::MESSAGE:
            return call(on_message_, parts);
        case MsgType::PMESSAGE:
            return call(on_pmessage_, parts);
        case MsgType::SMESSAGE:
            return call(on_smessage_, parts);
        case MsgType::UNKNOWN:
            throw ProtoError{"unknown message type."};
        default:
            if (on_meta_)
                on_meta_(type, detail::reply_to<OptionalString>(parts[1]),
                         detail::reply_to<long long>(parts[2]));
        }
    }
    template <typename... Texts>
    static void call(const std::function<void(Texts...)>& function,
                     const redis::ReplyElements& parts) {
        if (function) call(function, parts, std::index_sequence_for<Texts...>{});
    }
    template <typename... Texts, std::size_t... Index>
    static void call(const std::function<void(Texts...)>& function,
                     const redis::ReplyElements& parts, std::index_sequence<Index...> /*which*/) {
        function(detail::reply_to<Texts>(parts[Index + 1])...);
    }

    [[nodiscard]] static MsgType type_of(std::string_view name) noexcept {
        static constexpr std::array<std::string_view, 9> names{
            "subscribe", "unsubscribe", "psubscribe",   "punsubscribe", "message",
            "pmessage",  "ssubscribe",  "sunsubscribe", "smessage"};
        return static_cast<MsgType>(std::ranges::find(names, name) - names.begin());
    }

    std::unique_ptr<Connection> connection_;
    std::vector<redis::Pending> sent_;  // whose answers nobody has looked at
    bool is_over_ = false;
    std::function<void(std::string, std::string)> on_message_;
    std::function<void(std::string, std::string, std::string)> on_pmessage_;
    std::function<void(std::string, std::string)> on_smessage_;
    std::function<void(MsgType, OptionalString, long long)> on_meta_;
};

}  // namespace runnel::inline v0::compat::sw
