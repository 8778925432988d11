// SPDX-License-Identifier: MIT
// The queues under comparison, behind one face: Queue::Producer{queue}.push(value) and
// Queue::Consumer{queue, share}.pop(value). A thread has its own producer or consumer, which is
// where tokens and bulks live; `share` is how many messages the consumer will take in its life, so
// that one who takes bulks leaves the others theirs.
#pragma once

#include <runnel/blocking_list.hpp>

#include "harness.hpp"
#include "messages.hpp"

#if RUNNEL_BENCH_MOODYCAMEL  // set by bench/CMakeLists.txt
#    include <concurrentqueue/blockingconcurrentqueue.h>
#endif

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iterator>
#include <limits>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

namespace runnel::bench {

/// How many messages travel together in the rows that say so.
inline constexpr std::size_t bulk_size = 32;

/// A consumer's share when nobody else consumes.
inline constexpr std::uint64_t everything = std::numeric_limits<std::uint64_t>::max();

/// For queues that keep nothing per thread.
template <class Queue>
struct PlainProducer {
    Queue& queue;

    explicit PlainProducer(Queue& shared) : queue{shared} {}
    void push(typename Queue::value_type value) { queue.push(std::move(value)); }
};

/// For queues that keep nothing per thread.
template <class Queue>
struct PlainConsumer {
    Queue& queue;

    PlainConsumer(Queue& shared, std::uint64_t /*share*/) : queue{shared} {}
    void pop(typename Queue::value_type& value) { queue.pop(value); }
};

/// Gathers `bulk_size` messages and pushes them at once, by Queue::Inlet{queue}.push(messages).
template <class Queue>
class BulkProducer {
public:
    explicit BulkProducer(Queue& queue) : inlet_{queue} { bulk_.reserve(bulk_size); }
    BulkProducer(const BulkProducer&) = delete;
    BulkProducer& operator=(const BulkProducer&) = delete;
    ~BulkProducer() { flush(); }

    void push(typename Queue::value_type value) {
        bulk_.push_back(std::move(value));
        if (bulk_.size() == bulk_size) flush();
    }

private:
    void flush() {
        if (bulk_.empty()) return;
        inlet_.push(bulk_);
        bulk_.clear();
    }

    typename Queue::Inlet inlet_;
    std::vector<typename Queue::value_type> bulk_{};
};

/// Takes up to `bulk_size` messages at once, by Queue::Outlet{queue}.pop(most), which tells where
/// they are until the next call.
template <class Queue>
class BulkConsumer {
public:
    BulkConsumer(Queue& queue, std::uint64_t share) : outlet_{queue}, left_{share} {}

    void pop(typename Queue::value_type& value) {
        if (next_ == end_) refill();
        value = std::move(*next_++);
    }

private:
    void refill() {
        const auto most = static_cast<std::size_t>(std::min<std::uint64_t>(bulk_size, left_));
        const std::span bulk = outlet_.pop(most);
        left_ -= bulk.size();
        next_ = bulk.data();
        end_ = next_ + bulk.size();
    }

    typename Queue::Outlet outlet_;
    std::uint64_t left_;
    typename Queue::value_type* next_ = nullptr;
    typename Queue::value_type* end_ = nullptr;
};

/// What most people write by hand (deque, mutex, condition variable): every group's baseline.
template <class T>
struct HandQueue {
    static constexpr const char* name = "hand";
    using value_type = T;
    using Producer = PlainProducer<HandQueue>;
    using Consumer = PlainConsumer<HandQueue>;

    void push(T value) {
        bool somebody_waits = false;
        {
            const std::lock_guard lock{mutex};
            messages.push_back(std::move(value));
            somebody_waits = waiting > 0;
        }
        if (somebody_waits) filled.notify_one();
    }

    void pop(T& value) {
        std::unique_lock lock{mutex};
        while (messages.empty()) {
            ++waiting;
            filled.wait(lock);
            --waiting;
        }
        value = std::move(messages.front());
        messages.pop_front();
    }

    std::deque<T> messages;
    std::mutex mutex;
    std::condition_variable filled;
    int waiting = 0;
};

#if RUNNEL_BENCH_MOODYCAMEL

// g++ 12 at -O3 -DNDEBUG mistakes the end of moodycamel's list of blocks for an object.
#    if defined(__GNUC__) && !defined(__clang__)
#        pragma GCC diagnostic push
#        pragma GCC diagnostic ignored "-Wstringop-overflow"
#    endif

/// Differs in kind: order holds per producer only, and waiters are not served in turn.
template <class T>
struct Moodycamel {
    static constexpr const char* name = "moodycamel Blocking";
    using value_type = T;
    using Producer = PlainProducer<Moodycamel>;
    using Consumer = PlainConsumer<Moodycamel>;

    void push(T value) { queue.enqueue(std::move(value)); }
    void pop(T& value) { queue.wait_dequeue(value); }

    moodycamel::BlockingConcurrentQueue<T> queue;
};

/// The same queue as its manual says to use it for speed: a token per thread.
template <class T>
struct MoodycamelTokens {
    static constexpr const char* name = "moodycamel tokens";
    using value_type = T;

    struct Producer {
        MoodycamelTokens& shared;
        moodycamel::ProducerToken token{shared.queue};

        explicit Producer(MoodycamelTokens& owner) : shared{owner} {}
        void push(T value) { shared.queue.enqueue(token, std::move(value)); }
    };

    struct Consumer {
        MoodycamelTokens& shared;
        moodycamel::ConsumerToken token{shared.queue};

        Consumer(MoodycamelTokens& owner, std::uint64_t /*share*/) : shared{owner} {}
        void pop(T& value) { shared.queue.wait_dequeue(token, value); }
    };

    moodycamel::BlockingConcurrentQueue<T> queue;
};

/// Tokens, and 32 messages a call.
template <class T>
struct MoodycamelBulk {
    static constexpr const char* name = "moodycamel tokens, bulk 32";
    using value_type = T;
    using Producer = BulkProducer<MoodycamelBulk>;
    using Consumer = BulkConsumer<MoodycamelBulk>;

    struct Inlet {
        MoodycamelBulk& shared;
        moodycamel::ProducerToken token{shared.queue};

        explicit Inlet(MoodycamelBulk& owner) : shared{owner} {}
        void push(std::vector<T>& bulk) {
            shared.queue.enqueue_bulk(token, std::make_move_iterator(bulk.begin()), bulk.size());
        }
    };

    struct Outlet {
        MoodycamelBulk& shared;
        moodycamel::ConsumerToken token{shared.queue};
        std::array<T, bulk_size> bulk{};

        explicit Outlet(MoodycamelBulk& owner) : shared{owner} {}
        std::span<T> pop(std::size_t most) {
            const auto count = shared.queue.wait_dequeue_bulk(token, bulk.begin(), most);
            return std::span{bulk}.first(count);
        }
    };

    moodycamel::BlockingConcurrentQueue<T> queue;
};

#    if defined(__GNUC__) && !defined(__clang__)
#        pragma GCC diagnostic pop
#    endif
#endif

template <class T>
struct RunnelList {
    static constexpr const char* name = "runnel";
    using value_type = T;
    using Producer = PlainProducer<RunnelList>;
    using Consumer = PlainConsumer<RunnelList>;

    void push(T value) {
        check(list.push_back(std::move(value)) == runnel::Push::done, "a push was refused");
    }

    void pop(T& value) {
        auto popped = list.pop_front();
        check(static_cast<bool>(popped), "a pop without a time-out gave up");
        value = *std::move(popped);
    }

    runnel::BlockingList<T> list;
};

/// 32 messages a call.
template <class T>
struct RunnelBulk {
    static constexpr const char* name = "runnel, bulk 32";
    using value_type = T;
    using Producer = BulkProducer<RunnelBulk>;
    using Consumer = BulkConsumer<RunnelBulk>;

    struct Inlet {
        RunnelBulk& shared;

        explicit Inlet(RunnelBulk& owner) : shared{owner} {}
        void push(std::vector<T>& bulk) {
            const runnel::Pushed pushed = shared.list.push_back_many(std::span<T>{bulk});
            check(pushed.count == bulk.size(), "a push of many was refused");
        }
    };

    struct Outlet {
        RunnelBulk& shared;
        runnel::Batch<T> batch{runnel::Ending::timed_out};  // empty

        explicit Outlet(RunnelBulk& owner) : shared{owner} {}
        std::span<T> pop(std::size_t most) {
            batch = shared.list.pop_front_many(most);
            check(batch.size() > 0, "a pop of many without a time-out gave up");
            return {&batch[0], batch.size()};
        }
    };

    runnel::BlockingList<T> list;
};

/// The rows of a group where messages travel one by one, the baseline first.
template <class T>
auto one_by_one() {
    return Peers<HandQueue<T>>{}
#if RUNNEL_BENCH_MOODYCAMEL
           + Peers<Moodycamel<T>, MoodycamelTokens<T>>{}
#endif
           + Peers<RunnelList<T>>{};
}

/// The rows of a group where messages travel in bulks; the baseline knows none.
template <class T>
auto in_bulk() {
    return Peers<HandQueue<T>>{}
#if RUNNEL_BENCH_MOODYCAMEL
           + Peers<MoodycamelBulk<T>>{}
#endif
           + Peers<RunnelBulk<T>>{};
}

}  // namespace runnel::bench
