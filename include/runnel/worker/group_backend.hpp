// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/abstract_clock.hpp>
#include <runnel/ack.hpp>
#include <runnel/clock.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/dead_letters.hpp>
#include <runnel/duration.hpp>
#include <runnel/executor.hpp>
#include <runnel/group_options.hpp>
#include <runnel/message.hpp>
#include <runnel/stream.hpp>
#include <runnel/worker/backend.hpp>

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace runnel::inline v0 {

/// A Stream and one of its groups, as a Worker sees them. Entries are read in place.
template <Message T>
class GroupBackend {
public:
    /// One thread's consumer.
    class Consumer {
    public:
        using Value = T;
        using Delivery = runnel::Delivery<T>;
        using Batch = Deliveries<T>;

        [[nodiscard]] Batch read(const WorkerRead& what) { return consumer_.read(options(what)); }
        [[nodiscard]] auto async_read(const WorkerRead& what, const AnyExecutor& executor) {
            return consumer_.async_read(options(what)).on(executor);
        }
        Ack ack(const Delivery& delivery) noexcept { return delivery.ack(); }
        Ack nack(const Delivery& delivery, Nack mode, Duration after) noexcept {
            return delivery.nack(mode, {.after = after});
        }
        Ack extend(const Delivery& delivery) noexcept { return delivery.extend(); }
        // Requires: there are dead letters.
        Ack bury(const Delivery& delivery, const Burial& why) {
            return letters_->bury(delivery, why);
        }

    private:
        friend class GroupBackend;

        Consumer(runnel::Consumer<T> consumer, const std::optional<DeadLetters<T>>& letters)
            : consumer_{std::move(consumer)}, letters_{letters} {}

        [[nodiscard]] static GroupReadOptions options(const WorkerRead& what) {
            return {.count = what.count,
                    .timeout = what.timeout,
                    .stop = what.stop,
                    .claim = what.claim,
                    .claim_count = 1};
        }

        runnel::Consumer<T> consumer_;
        std::optional<DeadLetters<T>> letters_;
    };

    /// Makes the group, if there is none.
    GroupBackend(Stream<T> stream, std::string_view group, std::optional<DeadLetters<T>> letters)
        : stream_{std::move(stream)}, group_{group}, letters_{std::move(letters)} {
        make_again();
    }

    [[nodiscard]] static constexpr Features features() noexcept { return {}; }
    [[nodiscard]] Clock& clock() const noexcept { return *stream_.options().clock; }
    [[nodiscard]] bool has_dead_letters() const noexcept { return letters_.has_value(); }
    [[nodiscard]] Consumer consumer(std::string_view name) {
        return {stream_.group(group_).consumer(name), letters_};
    }
    void make_again() { (void)stream_.group(group_); }
    [[nodiscard]] bool may_come_back(StreamId id) {
        const auto found = stream_.find_group(group_);
        return found && stream_.find(id) &&
               !found->pending({.first = id, .last = id, .count = 1}).empty();
    }
    bool make_ready(StreamId id) {
        const auto found = stream_.find_group(group_);
        return found && found->end_delay(id);
    }
    std::size_t reap(Duration idle) {
        const auto found = stream_.find_group(group_);
        return found ? found->remove_idle_consumers(idle) : 0;
    }

    [[nodiscard]] const Stream<T>& stream() const noexcept { return stream_; }
    [[nodiscard]] ConsumerGroup<T> group() const { return stream_.group(group_); }

private:
    Stream<T> stream_;
    std::string group_;
    std::optional<DeadLetters<T>> letters_;
};

}  // namespace runnel::inline v0
