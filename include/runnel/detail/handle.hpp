// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <utility>

namespace runnel::inline v0::detail {

// State shared by handles and by waits. Two counts: the last handle closes it, which ends every
// wait in it; the last of all frees it. A wait holds on to the state by itself, so a handle may be
// destroyed while other threads wait through it.
class Shared {
public:
    Shared() = default;
    Shared(const Shared&) = delete;
    Shared& operator=(const Shared&) = delete;
    virtual ~Shared() = default;

    // Called once the last handle has gone, without any lock.
    virtual void last_handle_gone() noexcept = 0;

    void add_handle() noexcept { handles_.fetch_add(1, std::memory_order_relaxed); }

    void remove_handle() noexcept {
        // Acquire-release: the last one sees everything that was done through the others.
        if (handles_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
        last_handle_gone();
        remove_owner();
    }

    void add_owner() noexcept { owners_.fetch_add(1, std::memory_order_relaxed); }

    void remove_owner() noexcept {
        if (owners_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }

private:
    std::atomic<std::size_t> handles_ = 1;
    std::atomic<std::size_t> owners_ = 1;  // all handles together are one owner
};

// Shares one State among its copies. There is no empty one: moving copies.
template <typename State>
class Handle {
public:
    explicit Handle(State* made) noexcept : state_{made} {}  // takes over the first handle
    Handle(const Handle& other) noexcept : state_{other.state_} { state_->add_handle(); }
    Handle& operator=(Handle other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~Handle() { state_->remove_handle(); }

    [[nodiscard]] State& operator*() const noexcept { return *state_; }
    [[nodiscard]] State* operator->() const noexcept { return state_; }

private:
    State* state_;
};

// Keeps a State's memory, and does not keep it open.
template <typename State>
class Owner {
public:
    Owner() = default;
    explicit Owner(State& state) noexcept : state_{&state} { state_->add_owner(); }
    Owner(Owner&& other) noexcept : state_{std::exchange(other.state_, nullptr)} {}
    Owner& operator=(Owner&& other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~Owner() {
        if (state_ != nullptr) state_->remove_owner();
    }

    [[nodiscard]] State* get() const noexcept { return state_; }

private:
    State* state_ = nullptr;
};

}  // namespace runnel::inline v0::detail
