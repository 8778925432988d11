// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/abstract_clock.hpp>
#include <runnel/detail/base/atomic.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/histogram.hpp>
#include <runnel/stream_id.hpp>

#include <cstddef>
#include <cstdint>
#include <stop_token>
#include <utility>

namespace runnel::inline v0::detail {

// A count that one thread changes and others read.
class OwnCount {
public:
    void operator+=(std::uint64_t more) noexcept {
        value_.store(value() + more, std::memory_order_relaxed);
    }
    void set(std::uint64_t value) noexcept { value_.store(value, std::memory_order_relaxed); }
    [[nodiscard]] std::uint64_t value() const noexcept {
        return value_.load(std::memory_order_relaxed);
    }

private:
    Atomic<std::uint64_t> value_ = 0;
};

// What the thread that sits there has done. On cache lines of its own.
struct alignas(64) WorkerCounts {
    OwnCount processed;
    OwnCount failed;
    OwnCount retried;
    OwnCount dead_lettered;
    OwnCount dropped;
    OwnCount duplicates;
    OwnCount stale;
    OwnCount handed_back;
    OwnCount errors;
    OwnCount in_flight;
    OwnCount most_in_flight;
    Histogram latency;
};

// A handler at work, as others see it. Guarded by the lock of its seat.
class RunningHandler {
public:
    RunningHandler(StreamId of, Clock::Deadline at) noexcept : id{of}, begun{at} {}
    RunningHandler(const RunningHandler&) = delete;
    RunningHandler& operator=(const RunningHandler&) = delete;

    virtual void extend() noexcept = 0;

    const StreamId id;
    const Clock::Deadline begun;
    bool is_told_of = false;  // as one that is slow

protected:
    ~RunningHandler() = default;
};

// The place of one thread in a Worker. What it has done is kept when it has left.
//
//     reading   stops when the Worker is paused or stopped, or this thread is; made anew after a
//               pause
//     leaving   stops when the Worker or this thread is stopped
class WorkerSeat {
public:
    explicit WorkerSeat(std::size_t index) : index_{index} {}

    // A pause: ends the read that waits. From any thread.
    // NOLINTNEXTLINE(readability-make-member-function-const)
    void interrupt() noexcept RUNNEL_EXCLUDES(mutex_) { reading().request_stop(); }
    // From any thread. What runs knows by Job::stop().
    void leave() noexcept RUNNEL_EXCLUDES(mutex_) {
        leaving().request_stop();
        interrupt();
    }
    // After a pause, by the thread itself: reads can wait again, unless `is_paused()`, which is
    // called under the lock that interrupt() takes, too.
    template <typename IsPaused>
    void go_on(IsPaused is_paused) RUNNEL_EXCLUDES(mutex_) {
        std::stop_source fresh;
        const Lock lock{mutex_};
        if (!leaving_.stop_requested() && !is_paused()) reading_ = std::move(fresh);
    }
    // When another thread sits down: as at first.
    void take(std::stop_source reading, std::stop_source leaving) noexcept RUNNEL_EXCLUDES(mutex_) {
        const Lock lock{mutex_};
        reading_.swap(reading);
        leaving_.swap(leaving);
    }

    [[nodiscard]] std::stop_source reading() const noexcept RUNNEL_EXCLUDES(mutex_) {
        const Lock lock{mutex_};
        return reading_;
    }
    [[nodiscard]] std::stop_source leaving() const noexcept RUNNEL_EXCLUDES(mutex_) {
        const Lock lock{mutex_};
        return leaving_;
    }
    // Null: none is at work.
    void set_running(RunningHandler* handler) noexcept RUNNEL_EXCLUDES(mutex_) {
        const Lock lock{mutex_};
        running_ = handler;
    }
    // Calls look(handler) if one is at work, which does not end meanwhile.
    template <typename Look>
    void look_at_running(Look look) RUNNEL_EXCLUDES(mutex_) {
        const Lock lock{mutex_};
        if (running_ != nullptr) look(*running_);
    }

    [[nodiscard]] std::size_t index() const noexcept { return index_; }

    WorkerCounts counts;
    bool is_taken = false;  // guarded by the lock of the Worker

private:
    mutable Mutex mutex_;
    std::stop_source reading_ RUNNEL_GUARDED_BY(mutex_);
    std::stop_source leaving_ RUNNEL_GUARDED_BY(mutex_);
    RunningHandler* running_ RUNNEL_GUARDED_BY(mutex_) = nullptr;
    const std::size_t index_;
};

}  // namespace runnel::inline v0::detail
