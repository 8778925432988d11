// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/atomic.hpp>
#include <runnel/detail/base/destruction.hpp>

#include <cstddef>
#include <limits>
#include <utility>

namespace runnel::inline v0::detail {

// How many owners or handles there are. Removing the last one begins the end, once: objects that
// are destroyed during the end may still add some and remove them again.
class EndingCount {
public:
    void add() noexcept { count_.fetch_add(1, std::memory_order_relaxed); }

    // True for the last one.
    [[nodiscard]] bool remove() noexcept {
        // Acquire-release: the last one sees everything that was done by the others.
        if (count_.fetch_sub(1, std::memory_order_acq_rel) != 1) [[likely]]
            return false;
        count_.store(ended, std::memory_order_relaxed);
        return true;
    }

    // Whether all that were added after the end have been removed. Also true without an end, for an
    // object whose construction failed.
    [[nodiscard]] bool is_over() const noexcept {
        const std::size_t count = count_.load(std::memory_order_relaxed);
        return count == ended || count == 1;
    }

private:
    static constexpr std::size_t ended = std::numeric_limits<std::size_t>::max() / 2;

    Atomic<std::size_t> count_ = 1;
};

// State that lives as long as it has an owner; see Owner.
class Owned : public Destructible {
public:
    Owned() = default;
    // Fails if an object that died with this state copied a handle to it and kept the copy, which
    // would dangle.
    ~Owned() override { RUNNEL_EXPECT(owners_.is_over(), kept, Caller{}); }

    void add_owner() noexcept { owners_.add(); }

    void remove_owner() noexcept {
        if (owners_.remove()) destroy_nested(*this);
    }

protected:
    static constexpr auto kept =
        "an object died, and what died with it has put a handle to it elsewhere";

private:
    void destroy() noexcept override { delete this; }

    EndingCount owners_;
};

// State shared by handles and by waits, with two counts. The last handle closes it, which ends
// every wait in it; the last owner frees it. A wait is an owner, so a handle may be destroyed while
// other threads wait through it.
class Shared : public Owned {
public:
    ~Shared() override { RUNNEL_EXPECT(handles_.is_over(), kept, Caller{}); }

    // Called when the last handle is gone, without any lock.
    virtual void last_handle_gone() noexcept = 0;

    void add_handle() noexcept { handles_.add(); }

    void remove_handle() noexcept {
        if (!handles_.remove()) return;
        last_handle_gone();
        remove_owner();  // all handles together are one owner
    }

private:
    EndingCount handles_;
};

// Shares one State among its copies. A handle is never empty: a move copies.
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

// Keeps a State's memory, but does not keep it open.
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
