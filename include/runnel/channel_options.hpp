// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/abstract_clock.hpp>
#include <runnel/duration.hpp>
#include <runnel/error.hpp>
#include <runnel/executor.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <string_view>

namespace runnel::inline v0 {

/// What happens once a subscriber is too far behind: more messages than its bound wait for it to
/// read them, or as many bytes as its hard limit.
enum class Behind : std::uint8_t {
    skip_oldest,  ///< it skips the oldest, and its next read says how many. Subscriptions only
    drop_newest,  ///< new messages are not delivered to it; a read says how many. Inboxes only
    disconnect,   ///< it gets nothing any more, and what waits for it is lost; as in Redis
    block,        ///< publishers wait until it has read on. Subscriptions only
};

/// How many bytes may wait for a subscriber. ChannelOptions::weigh says how many bytes a message
/// counts. Redis: client-output-buffer-limit pubsub.
struct ByteBound {
    /// A subscriber for which so many bytes wait is too far behind at once.
    std::size_t hard = std::numeric_limits<std::size_t>::max();
    /// A subscriber for which so many bytes have waited all the time for longer than `soft_for` is
    /// disconnected. Only with Behind::disconnect. Checked when something is published, and by
    /// Broker::run_due().
    std::size_t soft = std::numeric_limits<std::size_t>::max();
    Duration soft_for = std::chrono::nanoseconds{0};
};

template <Message T>
struct ChannelOptions {
    /// How many bytes a message counts; without it, sizeof(T). Called once for each message, in the
    /// thread that publishes it and without a lock.
    std::function<std::size_t(const T&)> weigh{};
    /// Null means the SystemClock. Must outlive the channel and its subscriptions.
    Clock* clock = nullptr;
};

struct SubscribeOptions {
    /// How many messages may wait for the subscription, at least 1. The channel keeps its last
    /// messages, read or not: as many as the largest bound of its subscriptions, or one more than
    /// the largest bound of its handlers.
    std::size_t bound = 1024;
    Behind when_behind = Behind::skip_oldest;
    ByteBound bytes{};
};

struct HandlerOptions {
    /// How many messages may wait for the handler while it is busy, at least 1. With as many,
    /// publishers wait, and publishes inside handlers are refused.
    std::size_t bound = 1024;
    /// Called with what the handler throws, in the thread of the handler. Must not throw. Without
    /// it, std::terminate is called, and the program prints what was thrown.
    std::function<void(std::exception_ptr)> on_error{};
    /// The object that the handler uses, if you set it. A std::shared_ptr keeps the object alive
    /// while the handler runs; so it may be destroyed in the thread that runs the handler. Once the
    /// object is gone, the next message disconnects the handler instead of calling it.
    std::weak_ptr<void> owner{};
    /// Whether the handler gets only one message. It is disconnected before it is called.
    bool once = false;
    /// Where the handler is called; see Channel::on_message(). None: in a thread that publishes.
    AnyExecutor executor{};
};

struct InboxOptions {
    /// How many messages may wait in the inbox, at least 1.
    std::size_t bound = 1024;
    /// Behind::drop_newest or Behind::disconnect.
    Behind when_behind = Behind::drop_newest;
    ByteBound bytes{};
    /// Null means the SystemClock. Must outlive the inbox.
    Clock* clock = nullptr;
};

/// What became of a publish. It converts to `reached`; whether the message was published, `ending`
/// says.
struct Published {
    /// How many subscriptions, handlers and inboxes get the message; Channel::subscribers() says
    /// how they are counted. 0: nobody is subscribed, or the message was refused.
    std::size_t reached = 0;
    /// Unless `done`, the message is untouched and still the publisher's.
    Push ending = Push::done;

    constexpr operator std::size_t() const noexcept { return reached; }  // NOLINT(*-explicit-*)
};

/// What a handler does when it has been disconnected. It is not started again.
enum class Disconnected : std::uint8_t {
    ended,    ///< it does not run, and its captures are destroyed
    running,  ///< it still runs; its captures are destroyed when it ends
};

/// The name of `disconnected` as it is spelled in the source, such as "ended".
[[nodiscard]] constexpr std::string_view to_string(Disconnected disconnected) noexcept {
    switch (disconnected) {
    case Disconnected::ended:
        return "ended";
    case Disconnected::running:
        return "running";
    }
    return "unknown";
}

/// A snapshot of a channel. Redis: PUBSUB NUMSUB tells a part of it.
struct ChannelInfo {
    std::uint64_t published = 0;    ///< ever
    std::size_t subscriptions = 0;  ///< those that were disconnected do not count
    std::size_t handlers = 0;
    std::size_t inboxes = 0;   ///< counted as Channel::subscribers() does
    std::size_t retained = 0;  ///< messages in memory, read or not
    std::size_t waiting = 0;   ///< reads of subscriptions, publishes and others that wait
    /// How many publishes inside handlers were ever refused because the handlers were behind.
    std::uint64_t refused = 0;
};

namespace detail {

inline void check_bounds(const char* what, std::size_t bound, const ByteBound& bytes,
                         Behind when_behind) {
    const auto refuse = [what](const char* why) {
        throw Error{ErrorCode::invalid_argument, std::string{what} + why};
    };
    const bool has_soft = bytes.soft != ByteBound{}.soft;
    if (bound == 0) refuse(": bound is 0; it must be at least 1");
    if (bytes.hard == 0 || bytes.soft == 0) refuse(": a bound of 0 bytes; it must be at least 1");
    if (bytes.soft_for < std::chrono::nanoseconds{0}) refuse(": bytes.soft_for is negative");
    if (has_soft && when_behind != Behind::disconnect)
        refuse(": bytes.soft goes with Behind::disconnect only");
}

}  // namespace detail
}  // namespace runnel::inline v0
