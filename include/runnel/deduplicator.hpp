// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/abstract_clock.hpp>
#include <runnel/deduplicator_options.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/core/marked_keys.hpp>
#include <runnel/detail/wait/system_clock.hpp>
#include <runnel/error.hpp>

#include <chrono>
#include <concepts>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

namespace runnel::inline v0 {

namespace detail {

// As what the keys of a Deduplicator are given, and how they are compared.
template <typename Key, typename Hash, typename Equal>
struct KeyLookup {
    using Parameter = const Key&;
    using Hasher = Hash;
    using Comparison = Equal;
};

// So that no string is made to look for one.
template <>
struct KeyLookup<std::string, std::hash<std::string>, std::equal_to<std::string>> {
    using Parameter = std::string_view;
    using Hasher = std::hash<std::string_view>;
    using Comparison = std::equal_to<std::string_view>;
};

}  // namespace detail

/// Remembers which keys are done, so that what comes twice is handled once.
///
///     runnel::Deduplicator<OrderId> charged{{.count = 10'000, .age = 1h}};
///     …
///     if (auto turn = charged.begin(order.id)) {
///         charge(order);
///         turn.mark();
///     } else if (turn.state() == runnel::KeyState::busy) {
///         retry_later(order);
///     }
///
/// What it guarantees: of all who begin() with a key, one at a time has a Turn that is fresh. Once
/// that is marked, begin() says `done` until the mark is `age` old, or `count` other keys were
/// marked after it. If it is not, because the handler threw, the next one gets a fresh Turn.
///
/// What it cannot:
/// - A thread that dies, or hangs, between the effect of the handler and mark() leaves the key
///   without a mark. When its Turn is destroyed, the effect may be repeated; before, the key is
///   busy. If the effect has to be done once even then, it must itself know the key.
/// - A key that comes again after `age`, or after `count` other keys, is handled again.
/// - It is memory of this process: it is empty after a start, and knows nothing of other processes.
/// - Two Deduplicators do not know of each other. It is no handle and cannot be copied: all who
///   work on the same keys refer to the same one.
///
/// With a std::string as Key, and without a Hash or Equal of your own, keys are given as
/// std::string_view, and a std::string is made only of a key that is fresh.
///
/// Thread safety: every member may be called from any thread at any time, except the destructor.
/// What a thread did before mark() is visible to those that find the key done. Keys are hashed
/// without a lock, but compared and copied under the one that all members take: Equal and the copy
/// constructor and copy assignment of Key must not use the Deduplicator.
/// Guarantee: a call that throws has changed nothing.
/// Complexity: amortised constant, where nothing else is said. A call drops at most two marks that
/// have expired; there is no thread that drops them.
/// Memory: room for as many keys as were ever marked and in work at a time, which are at most
/// `count`, those in work, and one. It is given back by the destructor only; keys that are dropped
/// stay in it until others take their place. Once there is room enough, nothing is allocated, but
/// by a copy of a Key.
template <std::copyable Key, typename Hash = std::hash<Key>, typename Equal = std::equal_to<Key>>
class Deduplicator {
    using Lookup = detail::KeyLookup<Key, Hash, Equal>;
    using Keys = detail::MarkedKeys<Key>;
    using Hasher = typename Lookup::Hasher;
    using Comparison = typename Lookup::Comparison;

public:
    /// `const Key&`, or std::string_view.
    using Given = typename Lookup::Parameter;

    /// What begin() found, and while it is fresh, the right to work on the key.
    ///
    /// It must not outlive its Deduplicator. A Turn that was moved from can only be assigned to or
    /// destroyed.
    ///
    /// Thread safety: one thread at a time. It may be marked and destroyed by another thread than
    /// the one that began.
    class [[nodiscard]] Turn {
    public:
        Turn(Turn&& other) noexcept
            : owner_{other.owner_},
              node_{std::exchange(other.node_, nullptr)},
              state_{other.state_} {}
        Turn& operator=(Turn&& other) noexcept {
            Turn old{std::move(other)};
            std::swap(owner_, old.owner_);
            std::swap(node_, old.node_);
            std::swap(state_, old.state_);
            return *this;
        }
        /// If it was fresh and is not marked, gives the key up: the next begin() finds it fresh.
        ~Turn() {
            if (node_ != nullptr) owner_->end(*node_, false);
        }

        /// Whether begin() found the key fresh.
        [[nodiscard]] explicit operator bool() const noexcept { return state_ == KeyState::fresh; }
        /// How begin() found the key.
        [[nodiscard]] KeyState state() const noexcept { return state_; }

        /// The key is done, from now on. Requires: the Turn is fresh, and was not marked before.
        void mark(detail::Caller caller = {}) noexcept {
            RUNNEL_EXPECT(node_ != nullptr, "mark() of a Turn that is not fresh, or is marked",
                          caller);
            owner_->end(*std::exchange(node_, nullptr), true);
        }

    private:
        friend class Deduplicator;

        Turn(Deduplicator& owner, typename Keys::Begun begun) noexcept
            : owner_{&owner}, node_{begun.node}, state_{begun.state} {}

        Deduplicator* owner_;
        typename Keys::Node* node_;  // null: there is nothing to end
        KeyState state_;
    };

    /// Throws: Error{invalid_argument} if `count` is 0 or `age` is not positive; std::bad_alloc.
    explicit Deduplicator(const DeduplicatorOptions& options = {})
        : clock_{options.clock != nullptr ? *options.clock : SystemClock::instance()},
          keys_{checked_count(options), options.age.nanoseconds()} {}
    Deduplicator(const Deduplicator&) = delete;
    Deduplicator& operator=(const Deduplicator&) = delete;
    ~Deduplicator() {
        RUNNEL_EXPECT(in_work() == 0, "a Deduplicator is destroyed before a Turn of it",
                      detail::Caller{});
    }

    /// Begins to work on `key`, if it is fresh.
    ///
    /// Throws: std::bad_alloc, and what Hash, Equal and copies of a Key throw.
    Turn begin(Given key) RUNNEL_EXCLUDES(mutex_) {
        const std::size_t hash = Hasher{}(key);
        const auto now = clock_.recent();
        const detail::Lock lock{mutex_};
        keys_.pass_to(now);
        return Turn{*this, keys_.begin(key, hash, Comparison{})};
    }

    /// Marks `key` without a Turn; also one that is in work, whose Turn then marks it once more, or
    /// gives up without an effect. If it is marked already, the mark counts from now on. Returns
    /// whether it was not marked before.
    ///
    /// Throws: as begin().
    bool mark(Given key) RUNNEL_EXCLUDES(mutex_) {
        const std::size_t hash = Hasher{}(key);
        const auto now = clock_.recent();
        const detail::Lock lock{mutex_};
        keys_.pass_to(now);
        return keys_.mark(key, hash, Comparison{});
    }

    /// Whether `key` is marked.
    ///
    /// Throws: what Hash and Equal throw.
    [[nodiscard]] bool contains(Given key) const RUNNEL_EXCLUDES(mutex_) {
        const std::size_t hash = Hasher{}(key);
        const auto now = clock_.recent();
        const detail::Lock lock{mutex_};
        keys_.pass_to(now);
        return keys_.contains(key, hash, Comparison{});
    }

    /// Takes the mark of `key` away. Returns whether it was marked. A Turn of the key goes on, and
    /// may mark it.
    ///
    /// Throws: what Hash and Equal throw.
    bool forget(Given key) RUNNEL_EXCLUDES(mutex_) {
        const std::size_t hash = Hasher{}(key);
        const auto now = clock_.recent();
        const detail::Lock lock{mutex_};
        keys_.pass_to(now);
        return keys_.forget(key, hash, Comparison{});
    }

    /// Takes all marks away. Turns go on, and may mark their keys.
    ///
    /// Complexity: linear in size().
    void clear() noexcept RUNNEL_EXCLUDES(mutex_) {
        const auto now = clock_.recent();
        const detail::Lock lock{mutex_};
        keys_.pass_wholly_to(now);
        keys_.clear();
    }

    /// How many keys are marked; a snapshot.
    ///
    /// Complexity: linear in the number of marks that have expired and that no call has dropped.
    [[nodiscard]] std::size_t size() const noexcept RUNNEL_EXCLUDES(mutex_) {
        return stats().marks;
    }

    /// A snapshot. Complexity: as size().
    [[nodiscard]] DeduplicatorStats stats() const noexcept RUNNEL_EXCLUDES(mutex_) {
        const auto now = clock_.recent();
        const detail::Lock lock{mutex_};
        keys_.pass_wholly_to(now);
        return keys_.stats();
    }

private:
    static std::size_t checked_count(const DeduplicatorOptions& options) {
        if (options.count == 0)
            throw Error{ErrorCode::invalid_argument,
                        "Deduplicator: the count is 0; it must be at least 1"};
        if (options.age <= std::chrono::nanoseconds{0})
            throw Error{ErrorCode::invalid_argument, "Deduplicator: the age is not positive"};
        return options.count;
    }

    void end(typename Keys::Node& node, bool is_done) noexcept RUNNEL_EXCLUDES(mutex_) {
        const auto now = clock_.recent();
        const detail::Lock lock{mutex_};
        keys_.pass_to(now);
        keys_.end(node, is_done);
    }

    [[nodiscard]] std::size_t in_work() const noexcept RUNNEL_EXCLUDES(mutex_) {
        const detail::Lock lock{mutex_};
        return keys_.stats().in_work;
    }

    Clock& clock_;
    mutable detail::Mutex mutex_;
    mutable Keys keys_ RUNNEL_GUARDED_BY(mutex_);
};

}  // namespace runnel::inline v0
