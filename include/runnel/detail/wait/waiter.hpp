// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/abstract_clock.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/atomic.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace runnel::inline v0::detail {

class Continuations;
struct WaitNode;
class WakeChain;

// The result of a request that a waker has run.
enum class Served : std::uint8_t {
    yes,  // claimed and carried out, or claimed and ended otherwise: off the queue, then resume
    no,   // cannot be satisfied now; it keeps its place
    elsewhere,  // another thread has ended it; off the queue
};

// Tickets order all waits of the process. A wait over several objects draws a ticket, once. A wait
// on one object takes its place when it gets into line. Its ticket only has to tell which waits
// over several objects began before it, so it only reads the last one drawn: two threads that hand
// messages to and fro do not contend for a counter.
//
// A drawn ticket is the time, so that tickets of several images, each with a counter of its own,
// can be compared. A wait on one object may not know of a wait over several that another image has
// just begun. So it also stands behind all waits that it finds in line.
template <typename = void>
struct RUNNEL_VISIBLE Tickets {
    static inline Atomic<std::uint64_t> drawn = 0;

    static std::uint64_t draw() noexcept {
        const auto since_boot = std::chrono::steady_clock::now().time_since_epoch();
        const auto now = static_cast<std::uint64_t>(std::chrono::nanoseconds{since_boot}.count());
        auto last = drawn.load(std::memory_order_relaxed);
        while (!drawn.compare_exchange_weak(last, std::max(last + 1, now),
                                            std::memory_order_relaxed)) {
        }
        return 2 * std::max(last + 1, now);
    }
    static std::uint64_t after_drawn() noexcept {
        return 2 * drawn.load(std::memory_order_relaxed) + 1;
    }
};

enum class WaitsOn : std::uint8_t { one, several };

// Orders the waits over several objects. Two images may draw the same ticket; then the address
// decides.
struct WaitPlace {
    std::uint64_t ticket = 0;
    std::uintptr_t waiter = 0;

    friend auto operator<=>(const WaitPlace&, const WaitPlace&) = default;
};

// A Wait and its request. It lives in the frame of the waiting thread, or where the owner of an
// Operation keeps that. Wakers reach it through the queues it stands in.
//
// Exactly one of waker, time-out, stop and close claims it. The claimer does its work, releases its
// locks, and then calls resume(). Until then the waiter stays where it is, so a claimed waiter may
// be touched; after end() it may be gone.
class Waiter : public Wait {
public:
    // Runs the request against the object that `node` stands in line for, under that object's lock.
    using Serve = Served (*)(WaitNode& node) noexcept;
    // Ends the wait: unparks a thread, finishes a session, reschedules a coroutine. Adds the
    // waiters that the request has woken in turn to `chain`, so that chains of moves need no
    // recursion.
    using Resume = void (*)(Waiter& waiter, WakeChain& chain) noexcept;

    // For a wait without a thread, after all that was woken with it: goes on with what waits.
    using GoOn = void (*)(Waiter& waiter) noexcept;
    // For such a wait: from now on it stands in that list.
    using StandIn = void (*)(Waiter& waiter, Continuations& list) noexcept;

    struct Behaviour {
        Serve serve;
        Resume resume;
        // The code after the wait is unsafe unless it was served, so no clock ends it early.
        bool has_to_be_served = false;
        GoOn go_on = nullptr;  // null, as the next one: a thread waits
        StandIn stand_in = nullptr;
    };

    explicit Waiter(const Behaviour& behaviour, WaitsOn waits_on = WaitsOn::several) noexcept
        : Wait{waits_on == WaitsOn::one ? Tickets<>::after_drawn() : Tickets<>::draw()},
          behaviour_{&behaviour} {}

    using Wait::claim;
    using Wait::claimed;
    using Wait::end_asleep;
    using Wait::has_ended_for_all;
    using Wait::how;
    using Wait::is_shared;
    using Wait::set_end;
    using Wait::share;
    using Wait::suspend_unshared;
    using Wait::wait_anew;
    using Wait::wait_anew_asleep;

    [[nodiscard]] bool has(const Behaviour& behaviour) const noexcept {
        return behaviour_ == &behaviour;
    }
    [[nodiscard]] bool has_to_be_served() const noexcept { return behaviour_->has_to_be_served; }
    [[nodiscard]] bool needs_thread() const noexcept { return behaviour_->go_on == nullptr; }
    [[nodiscard]] WaitPlace place() const noexcept {
        return {ticket(), reinterpret_cast<std::uintptr_t>(this)};
    }

    // Whether it belongs before `other` in the line that it enters.
    [[nodiscard]] bool goes_before(const Waiter& other) const noexcept {
        return waits_on_several() && place() < other.place();
    }
    // For a wait on one object, before it gets into line, whose place has to be known among all
    // waits.
    void draw_ticket() noexcept { set_ticket(Tickets<>::draw()); }
    // Notes that it stands behind `other`, if it waits on one object.
    void stand_behind(const Waiter& other) noexcept {
        if (!waits_on_several()) set_ticket(std::max(ticket(), other.ticket() | 1U));
    }
    [[nodiscard]] Served serve(WaitNode& node) noexcept { return behaviour_->serve(node); }

    // Requires: the caller has claimed it, and holds no lock.
    void resume(WakeChain& chain) noexcept { behaviour_->resume(*this, chain); }
    // Requires: the same, and it is a wait without a thread.
    void go_on() noexcept { behaviour_->go_on(*this); }
    void stand_in(Continuations& list) noexcept { behaviour_->stand_in(*this, list); }

    // Whether it stands in a line, or stood in one. For its owner.
    [[nodiscard]] bool was_queued() const noexcept { return was_queued_; }
    void note_that_queued() noexcept { was_queued_ = true; }

protected:
    void behave(const Behaviour& behaviour) noexcept { behaviour_ = &behaviour; }

private:
    [[nodiscard]] bool waits_on_several() const noexcept { return ticket() % 2 == 0; }

    // In this order as it takes the least memory.
    bool was_queued_ = false;

protected:
    // Of an Operation; here, where they take none.
    enum class Stage : std::uint8_t {
        made,
        started,
        ended,  // inside of start(), by its owner
        finished,
    };
    Stage stage = Stage::made;
    bool has_stopper : 1 = false;
    bool has_timer : 1 = false;

public:
    // Of waits whose deadline and ticket are equal, the one with the smaller number ends first;
    // given when its deadline is told to the clock.
    std::uint32_t deadline_number = 0;

private:
    const Behaviour* behaviour_;

public:
    // Links the waiters that a waker has claimed and not yet resumed.
    Waiter* next_woken = nullptr;
};

}  // namespace runnel::inline v0::detail
