// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/blocking_list.hpp>
#include <runnel/clock.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/message.hpp>
#include <runnel/stream_id.hpp>

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

namespace runnel::inline v0 {

namespace detail {

// The keys that are at work, and what waits for them.
//
//     key "ann"   at work: 5-0   waiting: 7-0 9-0
//     key "bob"   at work: 6-0
//
// An entry is at work from its first delivery until it is done or dead, also while it waits for
// another attempt. So no later entry of its key overtakes it. One that waits is put aside: it is
// given back to the group, with a delay. Whoever finds it at work once it was put aside makes it
// ready before that is over.
template <Message T>
class KeyLanes {
public:
    struct Lane;

    KeyLanes() = default;
    KeyLanes(const KeyLanes&) = delete;
    KeyLanes& operator=(const KeyLanes&) = delete;
    virtual ~KeyLanes() = default;

    // Null: the entry is at work now. Else it waits in that lane, and the caller puts it aside.
    // Throws: what the function that tells the key throws; std::bad_alloc.
    [[nodiscard]] virtual Lane* enter(StreamId id, const T& value) = 0;
    // The entry, which waits, was put aside. True: it is at work meanwhile, and the caller makes it
    // ready.
    [[nodiscard]] virtual bool put_aside(Lane& lane, StreamId id) noexcept = 0;
    // The entry is not at work any more. Returns another one that the caller makes ready, if there
    // is one.
    [[nodiscard]] virtual std::optional<StreamId> leave(StreamId id) noexcept = 0;
    // A handler of the entry begins, or has ended.
    virtual void begin_handler(StreamId id) noexcept = 0;
    virtual void end_handler(StreamId id) noexcept = 0;
    // Those that are at work, but in no handler, while others wait for them.
    [[nodiscard]] virtual std::vector<StreamId> awaited() const = 0;
};

template <Message T>
struct KeyLanes<T>::Lane {
    StreamId at_work;
    std::size_t handlers = 0;            // of that, now
    std::map<StreamId, bool> waiting{};  // true: it was put aside
};

template <Message T, typename Key, typename KeyOf>
class KeyLanesBy final : public KeyLanes<T> {
    using Lane = typename KeyLanes<T>::Lane;
    using Lanes = std::unordered_map<Key, Lane>;

public:
    explicit KeyLanesBy(KeyOf key_of) : key_of_{std::move(key_of)} {}

    [[nodiscard]] Lane* enter(StreamId id, const T& value) override RUNNEL_EXCLUDES(mutex_) {
        Key key = key_of_(value);
        const Lock lock{mutex_};
        const auto [lane, is_new] = lanes_.try_emplace(std::move(key), Lane{id});
        if (!is_new) {
            if (lane->second.at_work == id) return nullptr;
            lane->second.waiting.insert_or_assign(id, false);  // it may come again
            return &lane->second;
        }
        try {
            at_work_.emplace(id, &*lane);
        } catch (...) {
            lanes_.erase(lane);
            throw;
        }
        return nullptr;
    }

    [[nodiscard]] bool put_aside(Lane& lane, StreamId id) noexcept override
        RUNNEL_EXCLUDES(mutex_) {
        const Lock lock{mutex_};
        const auto found = lane.waiting.find(id);
        if (found == lane.waiting.end()) return true;
        found->second = true;
        return false;
    }

    [[nodiscard]] std::optional<StreamId> leave(StreamId id) noexcept override
        RUNNEL_EXCLUDES(mutex_) {
        const Lock lock{mutex_};
        auto node = at_work_.extract(id);
        if (node.empty()) return std::nullopt;
        auto& [key, lane] = *node.mapped();
        if (lane.waiting.empty()) {
            lanes_.erase(lanes_.find(key));
            return std::nullopt;
        }
        const auto next = lane.waiting.extract(lane.waiting.begin());
        node.key() = lane.at_work = next.key();
        lane.handlers = 0;
        at_work_.insert(std::move(node));
        return next.mapped() ? std::optional{lane.at_work} : std::nullopt;
    }

    void begin_handler(StreamId id) noexcept override RUNNEL_EXCLUDES(mutex_) {
        const Lock lock{mutex_};
        if (const auto found = at_work_.find(id); found != at_work_.end())
            ++found->second->second.handlers;
    }
    void end_handler(StreamId id) noexcept override RUNNEL_EXCLUDES(mutex_) {
        const Lock lock{mutex_};
        const auto found = at_work_.find(id);
        if (found != at_work_.end() && found->second->second.handlers != 0)
            --found->second->second.handlers;
    }

    [[nodiscard]] std::vector<StreamId> awaited() const override RUNNEL_EXCLUDES(mutex_) {
        std::vector<StreamId> ids;
        const Lock lock{mutex_};
        for (const auto& [key, lane] : lanes_)
            if (!lane.waiting.empty() && lane.handlers == 0) ids.push_back(lane.at_work);
        return ids;
    }

private:
    const KeyOf key_of_;
    mutable Mutex mutex_;
    Lanes lanes_ RUNNEL_GUARDED_BY(mutex_);
    std::map<StreamId, typename Lanes::value_type*> at_work_ RUNNEL_GUARDED_BY(mutex_);
};

}  // namespace detail

/// Lets the workers of a group handle entries of one key one at a time, in the order of their ids,
/// and those of other keys in parallel. A handle: the Workers of one group share one.
///
///     const auto customer = [](const Order& order) { return order.customer; };
///     const runnel::KeyOrder<Order> by_customer = runnel::order_by(customer);
///     runnel::Worker<Order> till{orders, "billing", charge, {.order = by_customer}};
///
/// A key is taken from the first delivery of its entry until that is done or dead, also between two
/// attempts. Later entries of the key wait that long, as part of the group: they hold up neither a
/// thread nor the entries of other keys.
template <Message T>
class KeyOrder {
public:
    KeyOrder() = default;

    [[nodiscard]] explicit operator bool() const noexcept { return state_ != nullptr; }

    // For order_by() and the Worker.
    explicit KeyOrder(std::unique_ptr<detail::KeyLanes<T>> lanes)
        : state_{std::make_shared<State>(std::move(lanes))} {}
    [[nodiscard]] detail::KeyLanes<T>& lanes() const noexcept { return *state_->lanes; }
    // Whoever has the element may read: so entries enter in the order of their ids.
    [[nodiscard]] const BlockingList<char>& turn(Clock& clock) const {
        const detail::Lock lock{state_->mutex};
        if (!state_->turn) {
            const BlockingList<char> made{{.capacity = 1, .clock = &clock}};
            (void)made.try_push_back(0);
            state_->turn = made;
        }
        return *state_->turn;
    }

private:
    struct State {
        explicit State(std::unique_ptr<detail::KeyLanes<T>> of) : lanes{std::move(of)} {}

        const std::unique_ptr<detail::KeyLanes<T>> lanes;
        detail::Mutex mutex;
        std::optional<BlockingList<char>> turn RUNNEL_GUARDED_BY(mutex);
    };

    std::shared_ptr<State> state_;
};

namespace detail {

// Gives the turn of a KeyOrder to the next one. If that is a coroutine whose executor calls at
// once, it reads here, before the entries of this one are handled.
struct GiveTurn {
    ~GiveTurn() { (void)turn.try_push_back(0); }

    const BlockingList<char>& turn;
};

template <typename KeyOf>
struct OrderBy {
    template <Message T>
    operator KeyOrder<T>() const {  // NOLINT(*-explicit-*): T is told by the Worker
        using Key = std::remove_cvref_t<std::invoke_result_t<const KeyOf&, const T&>>;
        return KeyOrder<T>{std::make_unique<KeyLanesBy<T, Key, KeyOf>>(key_of)};
    }

    KeyOf key_of;
};

}  // namespace detail

/// Entries of equal key, which is key_of(value), one at a time. To share it among several Workers,
/// name its type: `const runnel::KeyOrder<Order> by_customer = runnel::order_by(…)`.
template <typename KeyOf>
[[nodiscard]] auto order_by(KeyOf key_of) {
    return detail::OrderBy<KeyOf>{std::move(key_of)};
}

}  // namespace runnel::inline v0
