// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/atomic.hpp>
#include <runnel/detail/base/futex.hpp>

#include <cstdint>

namespace runnel::inline v0::detail {

// A mutex of four bytes, so that it lies on the cache line of what it guards. Without contention it
// costs half as much as std::mutex, and locking is most of a push or a pop.
//
// word_: 0 free · 1 held · 2 held, and a thread may wait
class RUNNEL_CAPABILITY("mutex") Mutex {
public:
    Mutex() = default;
    Mutex(const Mutex&) = delete;
    Mutex& operator=(const Mutex&) = delete;

    void lock() noexcept RUNNEL_ACQUIRE() {
        if (!take()) lock_slowly();
    }

    void unlock() noexcept RUNNEL_RELEASE() {
        // Release: pairs with the acquire of the next thread that locks.
        if (word_.exchange(0, std::memory_order_release) == 2) [[unlikely]]
            wake_one();
    }

    // For assertions: whether any thread holds it.
    [[nodiscard]] bool is_held() const noexcept {
        return word_.load(std::memory_order_relaxed) != 0;
    }
    // For a function whose caller holds it, where the analysis cannot see that.
    void assert_held() const noexcept RUNNEL_ASSERT_CAPABILITY(this) { RUNNEL_ASSERT(is_held()); }

private:
    // A critical section takes tens of nanoseconds and a system call thousands, so a few more looks
    // pay. They are few enough to do no harm when the holder has lost its core.
    static constexpr int looks_before_sleep = 100;

    bool take() noexcept {
        std::uint32_t expected = 0;
        return word_.compare_exchange_strong(expected, 1, std::memory_order_acquire,
                                             std::memory_order_relaxed);
    }

    [[gnu::noinline]] void lock_slowly() noexcept {
        for (int look = 0; look < looks_before_sleep; ++look) {
            pause();
            if (word_.load(std::memory_order_relaxed) == 0 && take()) return;
        }
        while (word_.exchange(2, std::memory_order_acquire) != 0) futex_wait(word_, 2);
    }

    [[gnu::noinline]] void wake_one() noexcept { futex_wake_one(word_); }

    FutexWord word_ = 0;
};

class RUNNEL_SCOPED_CAPABILITY Lock {
public:
    explicit Lock(Mutex& mutex) noexcept RUNNEL_ACQUIRE(mutex) : mutex_{mutex} { mutex_.lock(); }
    ~Lock() RUNNEL_RELEASE() { mutex_.unlock(); }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

private:
    Mutex& mutex_;
};

// A lock that one thread takes again and again, and another one hardly ever: to release it costs no
// more than a plain write. Held for some nanoseconds; whoever waits offers its core meanwhile.
class RUNNEL_CAPABILITY("mutex") SpinMutex {
public:
    SpinMutex() = default;
    SpinMutex(const SpinMutex&) = delete;
    SpinMutex& operator=(const SpinMutex&) = delete;

    void lock() noexcept RUNNEL_ACQUIRE() {
        while (is_held_.exchange(true, std::memory_order_acquire)) [[unlikely]] {
                pause();
                give_way();
            }
    }
    void unlock() noexcept RUNNEL_RELEASE() { is_held_.store(false, std::memory_order_release); }

private:
    Atomic<bool> is_held_ = false;
};

class RUNNEL_SCOPED_CAPABILITY SpinLock {
public:
    explicit SpinLock(SpinMutex& mutex) noexcept RUNNEL_ACQUIRE(mutex) : mutex_{mutex} {
        mutex_.lock();
    }
    ~SpinLock() RUNNEL_RELEASE() { mutex_.unlock(); }
    SpinLock(const SpinLock&) = delete;
    SpinLock& operator=(const SpinLock&) = delete;

private:
    SpinMutex& mutex_;
};

}  // namespace runnel::inline v0::detail
