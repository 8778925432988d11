// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/linked.hpp>

#include <cstdint>

namespace runnel::inline v0::detail {

// An object that may own others of its kind, to any depth: the state of a list in a list, a block
// whose messages keep the next block, a handler that holds the next channel. Only destroy_nested()
// destroys it.
// NOLINTNEXTLINE(cppcoreguidelines-virtual-class-destructor)
class Destructible {
public:
    Destructible(const Destructible&) = delete;
    Destructible& operator=(const Destructible&) = delete;

protected:
    Destructible() = default;
    virtual ~Destructible() = default;

    // Destroys what this object has to destroy, possibly itself. Called without any lock.
    virtual void destroy() noexcept = 0;

    // Free for other use until destroy_nested() is called.
    // NOLINTNEXTLINE(readability-identifier-naming)
    Destructible* next_ = nullptr;

private:
    friend class NestedDestruction;
};

// The destructions that a thread is in. They nest up to a depth that any stack has room for. Deeper
// ones wait in a queue, which allocates nothing, until the outermost one is done. Each image counts
// for itself, so with n images up to n times as many may nest.
class NestedDestruction {
public:
    static constexpr std::uint32_t most_nested = 32;

    static void run(Destructible& what) noexcept {
        constinit thread_local NestedDestruction of_thread;
        of_thread.destroy(what);
    }

private:
    constexpr NestedDestruction() = default;

    void destroy(Destructible& what) noexcept {
        if (depth_ == most_nested) [[unlikely]]
            return deeper_.push_back(what);
        ++depth_;
        what.destroy();
        if (depth_ == 1) {
            while (!deeper_.empty()) deeper_.pop_front().destroy();
        }
        --depth_;
    }

    std::uint32_t depth_ = 0;
    LinkedQueue<Destructible, &Destructible::next_> deeper_;
};

// Destroys `what` before it returns or, if nested too deep, before the outermost destruction of
// this thread returns.
inline void destroy_nested(Destructible& what) noexcept {
    NestedDestruction::run(what);
}

}  // namespace runnel::inline v0::detail
