// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/abstract_clock.hpp>
#include <runnel/duration.hpp>
#include <runnel/error.hpp>
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

namespace runnel::inline v0 {

/// What happens once a subscriber is behind: once more messages wait for it than its bound, or as
/// many bytes as its hard limit.
enum class Behind : std::uint8_t {
    skip_oldest,  ///< it skips the oldest ones, and its next read says how many. Subscriptions
    drop_newest,  ///< what comes is not delivered to it, and it is told how many. Inboxes
    disconnect,   ///< it gets nothing any more, and what waits is lost. Both; as Redis does
    block,        ///< publishers wait until it has read on. Subscriptions
};

/// How many bytes may wait for a subscriber; what a message counts is said by
/// ChannelOptions::weigh. Redis: client-output-buffer-limit pubsub.
struct ByteBound {
    /// At so many it is behind, at once.
    std::size_t hard = std::numeric_limits<std::size_t>::max();
    /// At so many, for longer than `soft_for` without a break, it is disconnected. Goes with
    /// Behind::disconnect only. Looked at when something is published, and by Broker::run_due().
    std::size_t soft = std::numeric_limits<std::size_t>::max();
    Duration soft_for = std::chrono::nanoseconds{0};
};

template <Message T>
struct ChannelOptions {
    /// How many bytes a message counts; none: sizeof(T). Called once for each message, in the
    /// thread that publishes it and without a lock.
    std::function<std::size_t(const T&)> weigh{};
    /// Null means the SystemClock. Must outlive the channel and its subscriptions.
    Clock* clock = nullptr;
};

struct SubscribeOptions {
    /// In messages, at least 1. The channel keeps as many of the last ones as the largest bound of
    /// its subscriptions, and one more than that of its handlers, read or not.
    std::size_t bound = 1024;
    Behind when_behind = Behind::skip_oldest;
    ByteBound bytes{};
};

struct HandlerOptions {
    /// How many messages may be left to a handler that is busy, at least 1. Then publishers wait,
    /// and publishes inside handlers are refused.
    std::size_t bound = 1024;
    /// Called with what the handler throws, in its place and in its thread; must not throw itself.
    /// None: std::terminate.
    std::function<void(std::exception_ptr)> on_error{};
    /// What the handler uses, unless it is empty. While the handler runs, it is locked, and so
    /// stays alive; it may die in the thread that runs the handler. Once it is gone, the next
    /// message disconnects the handler instead of calling it.
    std::weak_ptr<void> owner{};
    /// Whether the handler gets one message only: it is disconnected before it is called.
    bool once = false;
};

struct InboxOptions {
    /// In messages, at least 1.
    std::size_t bound = 1024;
    /// Behind::drop_newest or Behind::disconnect.
    Behind when_behind = Behind::drop_newest;
    ByteBound bytes{};
    /// Null means the SystemClock. Must outlive the inbox.
    Clock* clock = nullptr;
};

/// What became of a message: how many it goes to.
struct Published {
    /// Subscriptions, handlers, and deliveries to inboxes. 0: nobody is there, or it was refused.
    std::size_t reached = 0;
    /// Unless `done`, the message is untouched and still the publisher's.
    Push ending = Push::done;

    constexpr operator std::size_t() const noexcept { return reached; }  // NOLINT(*-explicit-*)
};

/// What becomes of a handler that is disconnected. It is not started again.
enum class Disconnected : std::uint8_t {
    ended,    ///< it does not run, and what it had captured is destroyed
    running,  ///< it still runs, and what it has captured is destroyed when it ends
};

/// Figures of one moment. Redis: PUBSUB NUMSUB, and what it does not tell.
struct ChannelInfo {
    std::uint64_t published = 0;    ///< ever
    std::size_t subscriptions = 0;  ///< those that were disconnected do not count
    std::size_t handlers = 0;
    std::size_t inboxes = 0;   ///< deliveries: a connected inbox counts once for each way to it
    std::size_t retained = 0;  ///< messages in memory, read or not
    std::size_t waiting = 0;   ///< reads of subscriptions, publishes and others that wait
    /// Publishes inside handlers, ever, that were refused because the handlers were behind.
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
