// SPDX-License-Identifier: MIT
// The ways to tell many, under comparison, behind two faces. With handlers that are called:
//
//   fan.subscribe(handler), fan.publish(value)
//
// With subscribers that pull, each in a thread of its own:
//
//   Fan{subscribers}, fan.publish(value)
//   fan.all_wait()                               whether each subscriber waits for a message, if
//                                                that can be known; true otherwise
//   Subscriber{fan, index}.read(visit)           blocks for the next messages: how many there were
//                         .missed()              how many it was too slow for
//
// visit(value) sees a message where it is.
#pragma once

#include <runnel/channel.hpp>

#include "harness.hpp"
#include "messages.hpp"
#include "queues.hpp"
#include "threads.hpp"

#if RUNNEL_BENCH_SIGNALS2  // set by bench/CMakeLists.txt
#    include <boost/signals2.hpp>
#endif

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace runnel::bench {

/// How many messages wait at most for a subscriber, where there is a limit.
inline constexpr std::size_t bound_of_fan = 1024;

// ---- handlers -----------------------------------------------------------------------------------

/// What a careful hand writes: a list of handlers that is copied when it changes, so that they are
/// called without a lock.
template <class T>
class HandHandlers {
public:
    static constexpr const char* name = "hand copy-on-write";
    using value_type = T;

    template <class Handler>
    void subscribe(Handler handler) {
        const std::lock_guard lock{mutex_};
        auto longer = std::make_shared<List>(*handlers_);
        longer->emplace_back(std::move(handler));
        handlers_ = std::move(longer);
    }

    void publish(T&& value) {
        const auto handlers = snapshot();
        for (const auto& handler : *handlers) handler(value);
    }

private:
    using List = std::vector<std::function<void(const T&)>>;

    std::shared_ptr<const List> snapshot() {
        const std::lock_guard lock{mutex_};
        return handlers_;
    }

    std::mutex mutex_;
    std::shared_ptr<const List> handlers_ = std::make_shared<const List>();
};

#if RUNNEL_BENCH_SIGNALS2

/// Differs in kind: what handlers return can be combined, and they can be tied to the life of an
/// object; two publishers may call one handler at a time.
template <class T>
class Signals2Handlers {
public:
    static constexpr const char* name = "Signals2";
    using value_type = T;

    template <class Handler>
    void subscribe(Handler handler) {
        signal_.connect(std::move(handler));
    }

    void publish(T&& value) { signal_(value); }

private:
    boost::signals2::signal<void(const T&)> signal_;
};

#endif

template <class T>
class RunnelHandlers {
public:
    static constexpr const char* name = "runnel";
    using value_type = T;

    template <class Handler>
    void subscribe(Handler handler) {
        connections_.push_back(channel_.on_message(std::move(handler)));
    }

    void publish(T&& value) {
        const runnel::Published published = channel_.publish(std::move(value));
        check(published.reached == connections_.size(), "a message did not go to all handlers");
    }

private:
    runnel::Channel<T> channel_;
    std::vector<runnel::Connection> connections_;
};

// ---- subscribers that pull ----------------------------------------------------------------------

/// A queue for each subscriber, where it finds its share of the message; one by one.
template <class T, template <class> class Queue>
class Mailboxes {
public:
    static constexpr bool sends_to_each = true;  ///< what a message costs grows with their number
    using value_type = T;
    class Subscriber;

    explicit Mailboxes(unsigned subscribers) : boxes_(subscribers) {}

    void publish(T&& value) {
        const auto shared = std::make_shared<const T>(std::move(value));
        for (Box& box : boxes_) box.push(shared);
    }

    bool all_wait() {
        if constexpr (requires(Box & box) { box.waiting; }) {
            return std::ranges::all_of(boxes_, [](Box& box) {
                const std::lock_guard lock{box.mutex};
                return box.waiting > 0;
            });
        } else {
            return true;
        }
    }

private:
    using Box = Queue<std::shared_ptr<const T>>;

    std::deque<Box> boxes_;  // which never moves them
};

template <class T, template <class> class Queue>
class Mailboxes<T, Queue>::Subscriber {
public:
    Subscriber(Mailboxes& fan, unsigned index) : box_{fan.boxes_[index]} {}

    template <class Visit>
    uint64_t read(Visit visit) {
        std::shared_ptr<const T> value;
        box_.pop(value);
        visit(*value);
        return 1;
    }

    [[nodiscard]] static uint64_t missed() { return 0; }

private:
    Box& box_;
};

/// What most people write by hand: every group's baseline. Without a bound: the publisher is never
/// held back.
template <class T>
struct HandMailboxes : Mailboxes<T, HandQueue> {
    static constexpr const char* name = "hand mailboxes";
    using Mailboxes<T, HandQueue>::Mailboxes;
};

/// A deque that throws away the oldest message instead of growing beyond its bound.
template <class T>
struct SkippingQueue : HandQueue<T> {
    void push(T value) {
        {
            const std::lock_guard lock{this->mutex};
            if (this->messages.size() == bound_of_fan) this->messages.pop_front();
        }
        HandQueue<T>::push(std::move(value));
    }
};

/// The same for subscribers that may fall behind. One that does cannot know how far.
template <class T>
struct HandSkippingMailboxes : Mailboxes<T, SkippingQueue> {
    static constexpr const char* name = "hand mailboxes, skipping";
    using Mailboxes<T, SkippingQueue>::Mailboxes;
};

#if RUNNEL_BENCH_MOODYCAMEL

template <class T>
struct MoodycamelMailboxes : Mailboxes<T, Moodycamel> {
    static constexpr const char* name = "moodycamel Blocking";
    using Mailboxes<T, Moodycamel>::Mailboxes;
};

#endif

/// What is written by hand when it must be fast: one ring, in which each subscriber has a place of
/// its own, and the publisher waits for the last of them. Differs in kind: one publisher, and
/// subscribers that are all there from the start to the end.
template <class T>
class HandRing {
public:
    static constexpr const char* name = "hand ring";
    static constexpr bool sends_to_each = false;
    using value_type = T;
    class Subscriber;

    explicit HandRing(unsigned subscribers) : places_(subscribers), slots_(bound_of_fan) {}

    void publish(T&& value) {
        if (published_ == limit_) wait_for_room();
        slots_[published_ % bound_of_fan] = std::move(value);
        end_ = ++published_;
        if (sleeping_ == 0) return;
        ++wake_ups_;
        wake_ups_.notify_all();
    }

    bool all_wait() { return sleeping_ == places_.size(); }

private:
    struct alignas(64) Place {
        std::atomic<uint64_t> next{0};
    };

    void wait_for_room() {
        yield_until([&] {
            limit_ = bound_of_fan + slowest();
            return published_ != limit_;
        });
    }

    [[nodiscard]] uint64_t slowest() const {
        uint64_t least = published_;
        for (const Place& place : places_)
            least = std::min(least, place.next.load(std::memory_order_acquire));
        return least;
    }

    /// What the publisher is at, once it has left `place` behind; asleep if that takes longer.
    uint64_t end_behind(uint64_t place) {
        constexpr int looks = 200;
        for (;;) {
            for (int look = 0; look < looks; ++look) {
                const uint64_t end = end_.load(std::memory_order_acquire);
                if (end != place) return end;
                relax();
            }
            const uint32_t before = wake_ups_;
            ++sleeping_;
            if (end_ == place) wake_ups_.wait(before);
            --sleeping_;
        }
    }

    std::vector<Place> places_;
    std::vector<T> slots_;
    uint64_t published_ = 0;         // the publisher's alone
    uint64_t limit_ = bound_of_fan;  // likewise: so far there is room as it knows
    alignas(64) std::atomic<uint64_t> end_{0};
    alignas(64) std::atomic<unsigned> sleeping_{0};
    alignas(64) std::atomic<uint32_t> wake_ups_{0};
};

template <class T>
class HandRing<T>::Subscriber {
public:
    Subscriber(HandRing& fan, unsigned index) : fan_{fan}, place_{fan.places_[index]} {}

    template <class Visit>
    uint64_t read(Visit visit) {
        const uint64_t start = next_;
        const uint64_t end = fan_.end_behind(start);
        for (; next_ != end; ++next_) visit(fan_.slots_[next_ % bound_of_fan]);
        place_.next.store(end, std::memory_order_release);
        return end - start;
    }

    [[nodiscard]] static uint64_t missed() { return 0; }

private:
    HandRing& fan_;
    Place& place_;
    uint64_t next_ = 0;
};

template <class T, runnel::Behind WhenBehind>
class ChannelFan {
public:
    static constexpr bool sends_to_each = false;
    using value_type = T;
    class Subscriber;

    explicit ChannelFan(unsigned subscribers) {
        for (unsigned index = 0; index < subscribers; ++index) {
            subscriptions_.push_back(
                channel_.subscribe({.bound = bound_of_fan, .when_behind = WhenBehind}));
        }
    }

    void publish(T&& value) {
        const runnel::Published published = channel_.publish(std::move(value));
        check(published.reached == subscriptions_.size(), "a message did not go to all");
    }

    bool all_wait() { return channel_.info().waiting == subscriptions_.size(); }

private:
    runnel::Channel<T> channel_;
    std::vector<runnel::Subscription<T>> subscriptions_;
};

template <class T, runnel::Behind WhenBehind>
class ChannelFan<T, WhenBehind>::Subscriber {
public:
    /// Takes it away from its neighbours, as a thread of its own would have made it.
    Subscriber(ChannelFan& fan, unsigned index)
        : subscription_{std::move(fan.subscriptions_[index])} {}

    template <class Visit>
    uint64_t read(Visit visit) {
        const auto messages = subscription_.read();
        for (const T& value : messages) visit(value);
        return messages.size();
    }

    [[nodiscard]] uint64_t missed() const { return subscription_.missed(); }

private:
    runnel::Subscription<T> subscription_;
};

/// Loses nothing, as the peers lose nothing: the publisher waits for the last one.
template <class T>
struct RunnelFan : ChannelFan<T, runnel::Behind::block> {
    static constexpr const char* name = "runnel";
    using ChannelFan<T, runnel::Behind::block>::ChannelFan;
};

/// Waits for nobody.
template <class T>
struct RunnelSkippingFan : ChannelFan<T, runnel::Behind::skip_oldest> {
    static constexpr const char* name = "runnel, skipping";
    using ChannelFan<T, runnel::Behind::skip_oldest>::ChannelFan;
};

// ---- rows ---------------------------------------------------------------------------------------

/// The rows of a group with handlers, the baseline first.
template <class T>
auto handler_lists() {
    return Peers<HandHandlers<T>>{}
#if RUNNEL_BENCH_SIGNALS2
           + Peers<Signals2Handlers<T>>{}
#endif
           + Peers<RunnelHandlers<T>>{};
}

/// The rows of a group where subscribers pull and nothing is lost.
template <class T>
auto lossless_fans() {
    return Peers<HandMailboxes<T>, HandRing<T>>{}
#if RUNNEL_BENCH_MOODYCAMEL
           + Peers<MoodycamelMailboxes<T>>{}
#endif
           + Peers<RunnelFan<T>>{};
}

/// The rows of a group whose subscribers stand still.
template <class T>
auto skipping_fans() {
    return Peers<HandSkippingMailboxes<T>, RunnelSkippingFan<T>>{};
}

}  // namespace runnel::bench
