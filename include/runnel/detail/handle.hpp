// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <utility>

namespace runnel::inline v0::detail {

// State that lives as long as somebody owns it; see Owner.
class Owned {
public:
    Owned() = default;
    Owned(const Owned&) = delete;
    Owned& operator=(const Owned&) = delete;
    virtual ~Owned() = default;

    void add_owner() noexcept { owners_.fetch_add(1, std::memory_order_relaxed); }

    void remove_owner() noexcept {
        // Acquire-release: the last one sees everything that was done by the others.
        if (owners_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }

private:
    std::atomic<std::size_t> owners_ = 1;
};

// State shared by handles and by waits. Two counts: the last handle closes it, which ends every
// wait in it; the last of all frees it. A wait holds on to the state by itself, so a handle may be
// destroyed while other threads wait through it.
class Shared : public Owned {
public:
    // Called once the last handle has gone, without any lock.
    virtual void last_handle_gone() noexcept = 0;

    void add_handle() noexcept { handles_.fetch_add(1, std::memory_order_relaxed); }

    void remove_handle() noexcept {
        if (handles_.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
        last_handle_gone();
        remove_owner();  // all handles together are one owner
    }

private:
    std::atomic<std::size_t> handles_ = 1;
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
    // The first owner of a new State.
    template <typename... Arguments>
    explicit Owner(std::in_place_t, Arguments&&... arguments)
        : state_{new State(std::forward<Arguments>(arguments)...)} {}
    explicit Owner(State& state) noexcept : state_{&state} { state_->add_owner(); }
    Owner(const Owner& other) noexcept : state_{other.state_} {
        if (state_ != nullptr) state_->add_owner();
    }
    Owner(Owner&& other) noexcept : state_{std::exchange(other.state_, nullptr)} {}
    Owner& operator=(Owner other) noexcept {
        std::swap(state_, other.state_);
        return *this;
    }
    ~Owner() {
        if (state_ != nullptr) state_->remove_owner();
    }

    [[nodiscard]] State* get() const noexcept { return state_; }
    [[nodiscard]] State* operator->() const noexcept { return state_; }

private:
    State* state_ = nullptr;
};

}  // namespace runnel::inline v0::detail
