// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/abstract_clock.hpp>
#include <runnel/ack.hpp>
#include <runnel/consumer_group.hpp>
#include <runnel/delivery.hpp>
#include <runnel/detail/base/forced_unwind.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/core/stream_log.hpp>
#include <runnel/detail/stream/letters.hpp>
#include <runnel/entries.hpp>
#include <runnel/error.hpp>
#include <runnel/message.hpp>
#include <runnel/stream.hpp>
#include <runnel/stream_id.hpp>
#include <runnel/stream_options.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <utility>

namespace runnel::inline v0 {

/// An entry of which a group has given up.
template <Message T>
struct DeadLetter {
    std::string stream{};        ///< the name that the entry was buried with
    std::string group{};         ///< the name of the group
    std::string error{};         ///< why
    std::uint64_t attempts = 0;  ///< the deliveries of the entry, since it was redriven if it was
    /// How often the entry was redriven before, as far as that is remembered.
    std::uint64_t redriven = 0;
    std::chrono::system_clock::time_point first_delivered{};
    std::chrono::system_clock::time_point last_delivered{};
    KeptEntry<T> entry;  ///< its id and its value, in place: the letter keeps it alive
};

/// What DeadLetters::bury() writes into the letter besides what it knows.
struct Burial {
    /// A name for the stream, if several streams share the dead letters. Redrives give it again.
    std::string stream{};
    std::string error{};
    /// std::nullopt means the attempt of the delivery.
    std::optional<std::uint64_t> attempts{};
    /// std::nullopt means the time of the only delivery or, after several, that of the entry's id:
    /// the first delivery was not before that.
    std::optional<std::chrono::system_clock::time_point> first_delivered{};
};

struct DeadLetterOptions {
    /// How many letters are kept, at least 1. With more, the oldest is dropped. As many redriven
    /// entries are remembered.
    std::size_t count = 1'000;
    /// Null means the SystemClock. Must outlive the letters.
    Clock* clock = nullptr;
};

/// Which letters are redriven.
template <Message T>
struct RedriveOptions {
    /// Only letters with this name of a stream.
    std::string stream{};
    /// Only letters for which this returns true. Called without a lock; it may use the letters and
    /// the stream. None means all.
    std::function<bool(const DeadLetter<T>&)> filter{};
    /// At most so many letters at a time, at least 1.
    std::size_t count = std::numeric_limits<std::size_t>::max();
    /// At most so many letters per second, at least 1: of all redrives of these letters together,
    /// by the letters' clock. The first one goes at once. A call takes as many as have become due
    /// since the last one, of a pause those of one second. The greatest number means no limit.
    std::uint32_t per_second = std::numeric_limits<std::uint32_t>::max();
    /// The id of the letter to begin with: 0-0 at first, then `next` of the result before.
    StreamId start{};
    /// Whether an entry that its stream has lost is added to it as a copy, if T can be copied. A
    /// copy is a new entry, at the end, for all groups of the stream.
    bool copies = true;
};

/// What a redrive has done.
struct Redriven {
    std::size_t redriven = 0;  ///< entries that their group delivers again
    std::size_t copied = 0;    ///< entries that were added to their stream, which had lost them
    std::size_t left = 0;      ///< letters that were asked for, but have to stay
    /// The letter that the next call begins with; 0-0 if all were looked at.
    StreamId next{};
    /// If `per_second` has ended the call: how long it takes until the next letter is due.
    std::chrono::nanoseconds wait{0};

    friend bool operator==(const Redriven&, const Redriven&) = default;
};

/// Where entries go of which a group has given up, until somebody looks at them: a bounded stream
/// of letters. A letter refers to its entry, of which nothing is copied; the entry lives on when
/// its own stream trims it.
///
///     runnel::DeadLetters<Order> dead;
///     if (delivery.attempt == 5) dead.bury(delivery, {.error = "no such item"});
///
///     for (const auto& [id, letter] : dead.stream().range()) print(letter.error, *letter.entry);
///     dead.redrive(orders.group("billing"));
///
/// A handle: copies refer to the same letters. A handle is never empty: moving from it copies it.
///
/// Memory: each letter keeps the block of its entry, of up to 64 entries.
/// Thread safety: every member may be called from any thread at any time.
/// Guarantee: a call that throws has changed nothing.
template <Message T>
class DeadLetters {
public:
    DeadLetters() : DeadLetters{DeadLetterOptions{}} {}

    /// Throws: Error{invalid_argument} if `count` is 0.
    explicit DeadLetters(const DeadLetterOptions& options)
        : DeadLetters{Stream<DeadLetter<T>>{
              {.keep = {.count = checked(options.count)}, .clock = options.clock}}} {}

    /// Letters in a stream that is there, such as one of a Broker. Its StreamOptions::keep should
    /// bound it. Copies of this object share what they remember of redriven entries and when the
    /// next one is due; another object made with the same stream does not.
    explicit DeadLetters(Stream<DeadLetter<T>> letters)
        : letters_{std::move(letters)}, memory_{std::in_place, letters_.options().keep.count} {}

    DeadLetters(const DeadLetters& other) noexcept = default;
    DeadLetters& operator=(const DeadLetters& other) noexcept = default;
    ~DeadLetters() = default;

    /// Adds a letter for the entry of `delivery` and acknowledges the entry, both or neither: see
    /// Delivery::forward(). Ack::stale, Ack::closed: nothing has changed.
    ///
    /// Throws: Error{id_exhausted}.
    Ack bury(const Delivery<T>& delivery, Burial facts = {}) const {
        detail::StreamGroup<T>& group = *delivery.group_;
        const auto last = detail::last_delivery(group, delivery.id);
        const bool is_only = delivery.attempt == 1;
        const auto first = facts.first_delivered.value_or(is_only ? last : delivery.id.time());
        const std::uint64_t redriven = memory_->marks.of(facts.stream, group.name, delivery.id);
        return delivery.forward(letters_,
                                {std::move(facts.stream), group.name, std::move(facts.error),
                                 facts.attempts.value_or(delivery.attempt), redriven, first, last,
                                 delivery.keep()});
    }

    /// Makes entries pending again in the group that has buried them. They belong to no consumer,
    /// as after ConsumerGroup::redeliver(), so that the next claim of any consumer gets them, as
    /// their first attempt. The letter goes in the same step: no thread sees both or neither. The
    /// next letter of such an entry has `redriven` one greater.
    ///
    /// Looks at the letters with the name of `to` and with `options.stream`, from the oldest to the
    /// last one that is there when the call begins. Each is a step of its own.
    ///  * If the stream still has the entry, the entry is pending again. If it is pending already,
    ///    or the group will read it since its position was set back, only the letter goes.
    ///  * Else a copy of the value is added to the stream, if `options.copies` and if T can be
    ///    copied. The copy is made without a lock.
    ///  * Else the letter stays. It also stays if the group was removed, and if the stream is
    ///  closed
    ///    and has lost the entry.
    ///
    /// Never waits: with `per_second`, call it again after `wait` of the result, with `start` set
    /// to its `next`.
    ///
    /// Throws: Error{invalid_argument} if `count` or `per_second` is 0; Error{id_exhausted}; what
    /// the filter and copying a T throw. If some entries were redriven before, it does not throw:
    /// the result ends there, and the next call begins with the letter that has failed.
    /// Complexity: linear in the number of letters it looks at.
    Redriven redrive(const ConsumerGroup<T>& to, const RedriveOptions<T>& options = {}) const {
        detail::check_count(options.count, "DeadLetters: a redrive");
        if (options.per_second == 0)
            throw Error{ErrorCode::invalid_argument,
                        "DeadLetters: a redrive with per_second 0; it must be at least 1"};
        return Redrive{*this, *to.group_.get(), options}.run();
    }

    /// The letters, to read, to look at, and to erase.
    [[nodiscard]] Stream<DeadLetter<T>> stream() const noexcept { return letters_; }

    /// How many letters there are, and how many were ever dropped since there were too many. Those
    /// that stream().trim() has dropped count, too.
    [[nodiscard]] std::size_t size() const { return letters_.size(); }
    [[nodiscard]] std::uint64_t dropped() const { return letters_.info().trimmed; }

    /// Whether both are handles of the same letters.
    friend bool operator==(const DeadLetters& one, const DeadLetters& other) noexcept {
        return one.letters_ == other.letters_;
    }

private:
    class Redrive;

    [[nodiscard]] static std::size_t checked(std::size_t count) {
        if (count != 0) return count;
        throw Error{ErrorCode::invalid_argument, "DeadLetters: count is 0; it must be at least 1"};
    }

    Stream<DeadLetter<T>> letters_;
    detail::Owner<detail::LetterMemory> memory_;
};

// One call of redrive().
template <Message T>
class DeadLetters<T>::Redrive {
public:
    Redrive(const DeadLetters& of, detail::StreamGroup<T>& to, const RedriveOptions<T>& options)
        : of_{of},
          letters_{*of.letters_.state_},
          group_{to},
          options_{options},
          interval_{interval_of(options.per_second)} {}

    [[nodiscard]] Redriven run() RUNNEL_CATCHES_FORCED_UNWIND {
        result_.next = options_.start;
        try {
            if (look_at_all()) result_.next = {};
        } catch (const detail::ForcedUnwind&) {
            throw;
        } catch (...) {
            if (done() == 0) throw;
        }
        return result_;
    }

private:
    using Letter = DeadLetter<T>;

    // Rounded up, so that it is never more in a second.
    [[nodiscard]] static std::chrono::nanoseconds interval_of(std::uint32_t per_second) noexcept {
        constexpr std::int64_t second = 1'000'000'000;
        if (per_second == std::numeric_limits<std::uint32_t>::max()) return {};
        return std::chrono::nanoseconds{(second + per_second - 1) / per_second};
    }

    [[nodiscard]] std::size_t done() const noexcept { return result_.redriven + result_.copied; }

    // False: it has ended before the last one.
    bool look_at_all() {
        const StreamId last = of_.letters_.last_id();
        while (result_.next <= last) {
            const auto some = of_.letters_.range({result_.next, last, 64});
            for (const auto& [id, letter] : some) {
                result_.next = id;
                if (is_asked_for(letter) && !look_at(id, letter)) return false;
            }
            const auto behind = some ? some.back().id.next() : std::nullopt;
            if (!behind) return true;
            result_.next = *behind;
        }
        return true;
    }

    [[nodiscard]] bool is_asked_for(const Letter& letter) const {
        return letter.group == group_.name && letter.stream == options_.stream &&
               (!options_.filter || options_.filter(letter));
    }

    // False: nothing more may be done now.
    bool look_at(StreamId id, const Letter& letter) {
        if (done() == options_.count) return false;
        result_.wait = of_.memory_->pace.pass(letters_.clock.now(), interval_);
        if (result_.wait != result_.wait.zero()) return false;
        const std::size_t before = done();
        try {
            redrive(id, letter);
        } catch (...) {
            of_.memory_->pace.give_back(interval_);
            throw;
        }
        if (done() == before) of_.memory_->pace.give_back(interval_);
        return true;
    }

    void redrive(StreamId id, const Letter& letter) {
        using detail::LetterEnd;
        detail::LetterMarks::Prepared mark{letter.stream, letter.group, letter.redriven + 1};
        const auto note = [&](StreamId as) { of_.memory_->marks.put(mark, as); };
        const auto& entry = letter.entry.entry_;
        const detail::LogPlace<T> original{entry.pin.block(), entry.slot};
        LetterEnd end = detail::redeliver_original(letters_, id, group_, original, note);
        if (end == LetterEnd::taken) ++result_.redriven;
        if constexpr (std::copy_constructible<T>) {
            if (end == LetterEnd::lost && options_.copies) {
                T copy(entry.value());
                end = detail::add_copy(letters_, id, group_, copy, note);
                if (end == LetterEnd::taken) ++result_.copied;
            }
        }
        if (end == LetterEnd::lost || end == LetterEnd::kept) ++result_.left;
    }

    const DeadLetters& of_;
    detail::StreamState<Letter>& letters_;
    detail::StreamGroup<T>& group_;
    const RedriveOptions<T>& options_;
    const std::chrono::nanoseconds interval_;
    Redriven result_;
};

}  // namespace runnel::inline v0
