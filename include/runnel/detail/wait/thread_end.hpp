// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdio>
#include <mutex>
#include <string>
#include <utility>

namespace runnel::inline v0::detail {

inline void print(const std::string& what) noexcept {
    std::fputs(("runnel: " + what + "\n").c_str(), stderr);
}

// Whether a thread of a ManualClock has finished. The thread shares this with its Thread, which may
// outlive the clock.
class ThreadEnd {
public:
    explicit ThreadEnd(std::string name) noexcept : name_{std::move(name)} {}

    void tell() noexcept {
        const std::lock_guard lock{mutex_};
        has_finished_ = true;
        changed_.notify_all();
    }

    // Calls `function` unless the thread has finished. It does not finish meanwhile, so its clock
    // is there.
    template <typename Function>
    void unless_told(Function function) noexcept {
        const std::lock_guard lock{mutex_};
        if (!has_finished_) function();
    }

    // Returns when the thread has finished, or has been awaited for long, which this prints.
    void await() noexcept {
        {
            std::unique_lock lock{mutex_};
            if (changed_.wait_for(lock, patience, [this] { return has_finished_; })) return;
        }
        print("ManualClock::Thread: it goes, and still waits for its thread: " + name_ +
              " (which waits without the thread's stop token?)");
    }

    std::chrono::nanoseconds patience = std::chrono::seconds{10};  // tests have less

private:
    const std::string name_;
    std::mutex mutex_{};
    std::condition_variable changed_{};
    bool has_finished_ = false;
};

}  // namespace runnel::inline v0::detail
