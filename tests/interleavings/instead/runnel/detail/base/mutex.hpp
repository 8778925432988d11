// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/assert.hpp>

#include "interleavings/scheduler.hpp"

#include <cstdint>

namespace runnel::inline v0::detail {

// A mutex that knows its holder: assertions that it is held are stricter here. As large as the one
// that it stands for.
class RUNNEL_CAPABILITY("mutex") Mutex {
public:
    Mutex() = default;
    Mutex(const Mutex&) = delete;
    Mutex& operator=(const Mutex&) = delete;

    void lock(Caller at = {}) noexcept RUNNEL_ACQUIRE() {
        test::step("lock", at);
        while (holder_ != nobody) test::await(this);
        holder_ = this_holder();
    }

    void unlock(Caller at = {}) noexcept RUNNEL_RELEASE() {
        test::step("unlock", at);
        RUNNEL_EXPECT(is_held(), "a lock is released by a thread that does not hold it", at);
        holder_ = nobody;
        test::wake_all(this);
    }

    [[nodiscard]] bool is_held() const noexcept { return holder_ == this_holder(); }
    void assert_held() const noexcept RUNNEL_ASSERT_CAPABILITY(this) { RUNNEL_ASSERT(is_held()); }

private:
    static constexpr std::uint32_t nobody = 0;
    [[nodiscard]] static std::uint32_t this_holder() noexcept { return test::current_thread() + 1; }

    std::uint32_t holder_ = nobody;
};

class RUNNEL_SCOPED_CAPABILITY Lock {
public:
    explicit Lock(Mutex& mutex, Caller at = {}) noexcept RUNNEL_ACQUIRE(mutex)
        : mutex_{mutex}, at_{at} {
        mutex_.lock(at);
    }
    ~Lock() RUNNEL_RELEASE() { mutex_.unlock(at_); }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

private:
    Mutex& mutex_;
    const Caller at_;
};

using SpinMutex = Mutex;
using SpinLock = Lock;

}  // namespace runnel::inline v0::detail
