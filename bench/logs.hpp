// SPDX-License-Identifier: MIT
// The logs under comparison, behind one face:
//
//   Id log.add(value), log.add(id, value)        log.range(from, most, visit): how many there were
//   Reader{log, most}.read(visit)                blocks for the next entries of all, at most `most`
//   Group{log}, Consumer{group, number, most}    .read(visit): the next ones of the group
//                                                .work(visit): the same, and acknowledges each
//                                                .claim(ids, visit), .sweep(from, most, visit)
//   group.acknowledge(id): whether it was pending
//
// visit(value) sees an entry where it is. Reads return how many entries they got; 0: the log is
// closed and has no more.
#pragma once

#include <runnel/stream.hpp>

#include "messages.hpp"
#include "queues.hpp"

#include <array>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::bench {

/// What most people write by hand: a std::map of entries, another one of what is pending, a mutex
/// and a condition variable. Every group's baseline.
template <class T>
struct HandLog {
    static constexpr const char* name = "hand (std::map)";
    using value_type = T;
    using Id = std::pair<uint64_t, uint64_t>;
    class Reader;
    class Group;
    class Consumer;

    static uint64_t wall_clock() {
        using namespace std::chrono;
        const auto since = system_clock::now().time_since_epoch();
        return static_cast<uint64_t>(duration_cast<milliseconds>(since).count());
    }

    Id add(T value) {
        return append(std::move(value), [](Id before) {
            const uint64_t time = wall_clock();
            return time > before.first ? Id{time, 0} : Id{before.first, before.second + 1};
        });
    }

    Id add(Id id, T value) {
        return append(std::move(value), [id](Id before) {
            check(id > before, "an id is not greater than the last one");
            return id;
        });
    }

    template <class Visit>
    uint64_t range(Id from, uint64_t most, Visit visit) {
        const std::lock_guard lock{mutex};
        uint64_t count = 0;
        for (auto entry = entries.lower_bound(from); entry != entries.end() && count < most;
             ++entry, ++count)
            visit(entry->second);
        return count;
    }

    void close() {
        {
            const std::lock_guard lock{mutex};
            closed = true;
        }
        filled.notify_all();
    }

    /// The first entry behind `id`, which may go on meanwhile, once there is one; the end: the log
    /// is closed.
    auto wait_behind(const Id& id, std::unique_lock<std::mutex>& lock) {
        auto entry = entries.upper_bound(id);
        while (entry == entries.end() && !closed) {
            ++waiting;
            filled.wait(lock);
            --waiting;
            entry = entries.upper_bound(id);
        }
        return entry;
    }

    std::mutex mutex;
    std::condition_variable filled;
    int waiting = 0;
    bool closed = false;
    Id last{0, 0};
    std::map<Id, T> entries;

private:
    template <class NextId>
    Id append(T value, NextId next_id) {
        bool somebody_waits = false;
        Id id;
        {
            const std::lock_guard lock{mutex};
            id = last = next_id(last);
            entries.emplace_hint(entries.end(), id, std::move(value));
            somebody_waits = waiting > 0;
        }
        if (somebody_waits) filled.notify_all();
        return id;
    }
};

template <class T>
class HandLog<T>::Reader {
public:
    Reader(HandLog& log, uint64_t most) : log_{log}, most_{most} {}

    template <class Visit>
    uint64_t read(Visit visit) {
        std::unique_lock lock{log_.mutex};
        uint64_t count = 0;
        for (auto entry = log_.wait_behind(position_, lock);
             entry != log_.entries.end() && count < most_; ++entry, ++count) {
            visit(entry->second);
            position_ = entry->first;
        }
        return count;
    }

private:
    HandLog& log_;
    uint64_t most_;
    Id position_{0, 0};
};

template <class T>
class HandLog<T>::Group {
public:
    explicit Group(HandLog& log) : log_{log} {}

    bool acknowledge(Id id) {
        const std::lock_guard lock{log_.mutex};
        return pending_.erase(id) != 0;
    }

private:
    friend Consumer;

    struct Pending {
        uint64_t time;
        unsigned consumer, deliveries;
    };

    HandLog& log_;
    Id delivered_{0, 0};
    std::map<Id, Pending> pending_;
};

template <class T>
class HandLog<T>::Consumer {
public:
    Consumer(Group& group, unsigned number, uint64_t most)
        : group_{group}, log_{group.log_}, number_{number}, most_{most} {}

    template <class Visit>
    uint64_t read(Visit visit) {
        return deliver([&](Id /*id*/, const T& value) { visit(value); });
    }

    /// Others may trim the log while this one works: it has to take copies.
    template <class Visit>
    uint64_t work(Visit visit) {
        copies_.clear();
        deliver([&](Id id, const T& value) { copies_.emplace_back(id, value); });
        for (const auto& [id, value] : copies_) {
            visit(value);
            check(group_.acknowledge(id), "what was delivered was not pending");
        }
        return copies_.size();
    }

    template <class Visit>
    uint64_t claim(std::span<const Id> ids, Visit visit) {
        return sweep(ids.front(), ids.size(), visit);
    }

    template <class Visit>
    uint64_t sweep(Id from, uint64_t most, Visit visit) {
        const std::lock_guard lock{log_.mutex};
        const uint64_t time = wall_clock();
        uint64_t count = 0;
        for (auto one = group_.pending_.lower_bound(from);
             one != group_.pending_.end() && count < most; ++one, ++count) {
            one->second = {time, number_, one->second.deliveries + 1};
            const auto entry = log_.entries.find(one->first);
            if (entry != log_.entries.end()) visit(entry->second);
        }
        return count;
    }

private:
    template <class Visit>
    uint64_t deliver(Visit visit) {
        std::unique_lock lock{log_.mutex};
        auto entry = log_.wait_behind(group_.delivered_, lock);
        if (entry == log_.entries.end()) return 0;
        const uint64_t time = wall_clock();
        auto& pending = group_.pending_;
        uint64_t count = 0;
        for (; entry != log_.entries.end() && count < most_; ++entry, ++count) {
            visit(entry->first, entry->second);
            pending.emplace_hint(pending.end(), entry->first,
                                 typename Group::Pending{time, number_, 1});
            group_.delivered_ = entry->first;
        }
        return count;
    }

    Group& group_;
    HandLog& log_;
    unsigned number_;
    uint64_t most_;
    std::vector<std::pair<Id, T>> copies_;
};

template <class T>
struct RunnelLog {
    static constexpr const char* name = "runnel";
    using value_type = T;
    using Id = runnel::StreamId;
    class Reader;
    class Group;
    class Consumer;

    Id add(T value) { return stream.add(std::move(value)); }
    Id add(Id id, T value) { return stream.add(id, std::move(value)); }

    template <class Visit>
    uint64_t range(Id from, uint64_t most, Visit visit) {
        const auto entries = stream.range({.from = from, .count = most});
        for (const auto& entry : entries) visit(entry.value);
        return entries.size();
    }

    void close() { stream.close(); }

    runnel::Stream<T> stream;
};

template <class T>
class RunnelLog<T>::Reader {
public:
    Reader(RunnelLog& log, uint64_t most) : cursor_{log.stream.cursor()} { options_.count = most; }

    template <class Visit>
    uint64_t read(Visit visit) {
        const auto entries = cursor_.read(options_);
        for (const auto& entry : entries) visit(entry.value);
        return entries.size();
    }

private:
    runnel::Cursor<T> cursor_;
    runnel::ReadOptions options_;
};

template <class T>
class RunnelLog<T>::Group {
public:
    explicit Group(RunnelLog& log, std::string_view called = "group")
        : group_{log.stream.group(called)} {}

    bool acknowledge(Id id) { return group_.ack({id}) != 0; }

private:
    friend Consumer;

    runnel::ConsumerGroup<T> group_;
};

template <class T>
class RunnelLog<T>::Consumer {
public:
    Consumer(Group& group, unsigned number, uint64_t most)
        : consumer_{group.group_.consumer(std::to_string(number))} {
        options_.count = most;
    }

    template <class Visit>
    uint64_t read(Visit visit) {
        return see(consumer_.read(options_), visit);
    }

    template <class Visit>
    uint64_t work(Visit visit) {
        const auto deliveries = consumer_.read(options_);
        for (const auto& delivery : deliveries) {
            visit(delivery.value);
            check(delivery.ack() == runnel::Ack::done, "what was delivered was not pending");
        }
        return deliveries.size();
    }

    template <class Visit>
    uint64_t claim(std::span<const Id> ids, Visit visit) {
        return see(consumer_.claim(ids, {.min_idle = any}), visit);
    }

    template <class Visit>
    uint64_t sweep(Id from, uint64_t most, Visit visit) {
        return see(consumer_.autoclaim({.min_idle = any, .start = from, .count = most}), visit);
    }

private:
    static constexpr std::chrono::seconds any{0};

    template <class Visit>
    static uint64_t see(const runnel::Deliveries<T>& deliveries, Visit visit) {
        for (const auto& delivery : deliveries) visit(delivery.value);
        return deliveries.size();
    }

    runnel::Consumer<T> consumer_;

protected:
    runnel::GroupReadOptions options_;
};

/// The same, whose reads also claim: so the group keeps what is pending in the order of time.
template <class T>
struct ClaimingLog : RunnelLog<T> {
    static constexpr const char* name = "runnel, with claim";

    class Consumer : public RunnelLog<T>::Consumer {
    public:
        Consumer(typename RunnelLog<T>::Group& group, unsigned number, uint64_t most)
            : RunnelLog<T>::Consumer{group, number, most} {
            this->options_.claim = std::chrono::hours{1};
        }
    };
};

#if RUNNEL_BENCH_MOODYCAMEL

/// A queue can stand beside a log as long as there is one reader. Differs in kind: what is read is
/// gone, there are no ids, and the log may be read from the start by anybody else.
template <class T>
struct MoodycamelAsLog {
    static constexpr const char* name = Moodycamel<T>::name;
    using value_type = T;

    void add(T value) { shared.push(std::move(value)); }

    class Reader {
    public:
        Reader(MoodycamelAsLog& log, uint64_t most) : queue_{log.shared.queue}, most_{most} {
            check(most <= values_.size(), "reads of so many are not foreseen");
        }

        template <class Visit>
        uint64_t read(Visit visit) {
            const std::size_t count = take();
            for (std::size_t index = 0; index < count; ++index) visit(values_[index]);
            return count;
        }

    private:
        std::size_t take() {
            if (most_ != 1) return queue_.wait_dequeue_bulk(values_.begin(), most_);
            queue_.wait_dequeue(values_.front());
            return 1;
        }

        moodycamel::BlockingConcurrentQueue<T>& queue_;
        uint64_t most_;
        std::array<T, 64> values_{};
    };

    Moodycamel<T> shared;
};

#endif

/// The rows of a group about logs, the baseline first.
template <class T>
auto logs() {
    return Peers<HandLog<T>, RunnelLog<T>>{};
}

/// The rows of a group that has one reader.
template <class T>
auto logs_and_queues() {
    return Peers<HandLog<T>>{}
#if RUNNEL_BENCH_MOODYCAMEL
           + Peers<MoodycamelAsLog<T>>{}
#endif
           + Peers<RunnelLog<T>>{};
}

}  // namespace runnel::bench
