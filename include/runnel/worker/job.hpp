// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/ack.hpp>
#include <runnel/error.hpp>
#include <runnel/message.hpp>
#include <runnel/stream_id.hpp>

#include <concepts>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <type_traits>
#include <utility>

namespace runnel::inline v0 {

/// What a Worker gives to its handler: an entry of the stream, in place, and what the handler may
/// do with it besides. Valid until the handler returns.
///
/// Thread safety: extend() and is_stale() may be called from any thread.
template <typename Consumer>
class Job {
public:
    using Value = typename Consumer::Value;
    using Delivery = typename Consumer::Delivery;

    [[nodiscard]] const Value& operator*() const noexcept { return delivery_.value; }
    [[nodiscard]] const Value* operator->() const noexcept { return &delivery_.value; }
    [[nodiscard]] const Value& value() const noexcept { return delivery_.value; }
    [[nodiscard]] StreamId id() const noexcept { return delivery_.id; }
    /// How often the entry was delivered, this time included: 1, 2, …
    [[nodiscard]] std::uint64_t attempt() const noexcept { return delivery_.attempt; }

    /// The lease begins anew: for so long no other consumer claims the entry. Ack::stale: another
    /// one has it already, and whatever this handler returns changes nothing any more.
    Ack extend() const { return consumer_.extend(delivery_); }

    /// Asks to stop when the Worker is stopped. A handler that takes long looks at it now and then,
    /// and returns Handled::retry(): then the entry is given back as if it had not been read.
    [[nodiscard]] const std::stop_token& stop() const noexcept { return stop_; }

    /// Adds `message` to another stream and acknowledges this entry: both or neither. Unless it
    /// returns Ack::done, the message is left untouched, and the entry is still this handler's
    /// (Ack::closed) or another consumer's (Ack::stale). See Delivery::forward(). After Ack::done
    /// it does not matter what the handler returns.
    ///
    /// If it was not done, the attempt has failed, unless a later forward() is done: whatever the
    /// handler returns then, the entry is not acknowledged.
    ///
    /// Throws: as Delivery::forward(); Error{invalid_argument} with Guarantee::at_most_once, where
    /// the entry is acknowledged before the handler.
    template <typename To, typename Message>
    Ack forward(const To& to, Message&& message) requires requires(const Delivery& from) {
        from.forward(to, std::forward<Message>(message));
    }
    {
        if (is_acknowledged_)
            throw Error{
                ErrorCode::invalid_argument,
                "Job: forward() with at_most_once, where the entry is acknowledged already"};
        forwarded_ = delivery_.forward(to, std::forward<Message>(message));
        return *forwarded_;
    }

    // For the Worker.
    Job(Consumer& consumer, const Delivery& delivery, const std::stop_token& stop,
        bool is_acknowledged) noexcept
        : consumer_{consumer},
          delivery_{delivery},
          stop_{stop},
          is_acknowledged_{is_acknowledged} {}
    Job(const Job&) = delete;
    Job& operator=(const Job&) = delete;
    ~Job() = default;
    // What the last forward() returned.
    [[nodiscard]] std::optional<Ack> forwarded() const noexcept { return forwarded_; }

private:
    Consumer& consumer_;
    const Delivery& delivery_;
    const std::stop_token& stop_;
    const bool is_acknowledged_;
    std::optional<Ack> forwarded_{};
};

}  // namespace runnel::inline v0
