// SPDX-License-Identifier: MIT
#pragma once

// The state of a stop source in an order, see instead/stop_token. Between two steps nobody else
// runs, so it needs no lock.

#include <runnel/detail/base/assert.hpp>

#include "interleavings/scheduler.hpp"

#include <algorithm>
#include <cstddef>
#include <vector>

namespace runnel::test {

class StopCallback {
public:
    StopCallback() = default;
    StopCallback(const StopCallback&) = delete;
    StopCallback& operator=(const StopCallback&) = delete;

    virtual void run() noexcept = 0;

protected:
    ~StopCallback() = default;
};

class Stop {
public:
    void add_source() noexcept { ++sources_; }
    void remove_source() noexcept { --sources_; }

    [[nodiscard]] bool is_possible() const noexcept { return is_requested_ || sources_ != 0; }
    [[nodiscard]] bool is_requested() const noexcept {
        step("stop_requested", {});
        return is_requested_;
    }

    // False: somebody else has requested it.
    bool request() noexcept {
        step("request_stop", {});
        if (is_requested_) return false;
        is_requested_ = true;
        requester_ = current_thread();
        while (!callbacks_.empty()) {
            running_ = callbacks_.front();
            callbacks_.erase(callbacks_.begin());
            step("stop callback", {});
            running_->run();
            step("end of stop callback", {});
            running_ = nullptr;
            wake_all(this);
        }
        return true;
    }

    // Runs it here if the stop has been requested.
    void add(StopCallback& callback) noexcept {
        step("add a stop callback", {});
        if (is_requested_) return callback.run();
        callbacks_.push_back(&callback);
    }

    // Waits while it runs in another thread.
    void remove(StopCallback& callback) noexcept {
        step("remove a stop callback", {});
        std::erase(callbacks_, &callback);
        while (running_ == &callback && requester_ != current_thread()) await(this);
    }

private:
    std::size_t sources_ = 0;
    bool is_requested_ = false;
    ThreadNumber requester_ = 0;
    std::vector<StopCallback*> callbacks_;
    StopCallback* running_ = nullptr;
};

}  // namespace runnel::test
