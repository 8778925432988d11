// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/futex.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <optional>

namespace runnel::inline v0::detail {

struct WaitNode;
class WakeChain;

// How a wait came to its end.
enum class WaitEnd : std::uint8_t {
    served,        // a waker ran the request
    timed_out,     // the deadline passed first
    stopped,       // the stop token was asked to stop first
    closed,        // everything it waited on was closed
    gone,          // what it waited on was removed
    disconnected,  // it was too far behind what it waited on
    failed,        // carrying out the request threw; nothing was changed, and the request has it
};

// What a waker is told when it runs a request.
enum class Served : std::uint8_t {
    yes,  // claimed and carried out, or claimed and ended otherwise: off the queue, then resume
    no,   // cannot be satisfied now; it keeps its place
    elsewhere,  // somebody else has ended it; off the queue
};

// Tickets give every wait of the process its place. A wait over several objects draws one of its
// own, once. A wait on one object takes its place there when it gets into line; all that its ticket
// has to tell is which waits over several began before it. So it only reads the last one of those:
// two threads that hand messages to and fro do not fight over a counter.
//
// What is drawn is the time, so that the tickets of several images, each with a counter of its own,
// can be compared. A wait on one object may not have heard of one over several that another image
// has just begun; so it also stands behind everybody whom it finds in line.
template <typename = void>
struct RUNNEL_VISIBLE Tickets {
    static inline std::atomic<std::uint64_t> drawn = 0;

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

// The place of a wait over several objects among all of those: two images may draw the same ticket.
struct WaitPlace {
    std::uint64_t ticket = 0;
    std::uintptr_t waiter = 0;

    friend auto operator<=>(const WaitPlace&, const WaitPlace&) = default;
};

// One wait: it lives in the frame of the waiting thread (or, later, in a parked session or a
// coroutine) and is reached by wakers through the queues it stands in.
//
// word_:  alone --share()--> waiting --claim()--> taken --end()--> over, and beside it the bit
// `parked`.
//
// While it is alone, only the thread that waits knows of it and may claim it. Then exactly one of
// waker, time-out, stop and close claims it; that one carries out what it has to
// and then calls resume(), after it has let go of its locks. Until then the waiter stays where it
// is, so a claimed waiter may be touched; after end() it may be gone.
class Waiter {
public:
    // Runs the request against the object that `node` stands in line for, under its lock.
    using Serve = Served (*)(WaitNode& node) noexcept;
    // Unparks a thread, finishes a session, reschedules a coroutine: ends the wait. Whom the
    // request has woken in turn is added to `chain`, so that chains of moves need no recursion.
    using Resume = void (*)(Waiter& waiter, WakeChain& chain) noexcept;

    struct Behaviour {
        Serve serve;
        Resume resume;
        // What follows the wait is unsafe before it has been served: so no clock ends it early.
        bool has_to_be_served = false;
    };

    explicit Waiter(const Behaviour& behaviour, WaitsOn waits_on = WaitsOn::several) noexcept
        : behaviour_{&behaviour},
          ticket_{waits_on == WaitsOn::one ? Tickets<>::after_drawn() : Tickets<>::draw()} {}
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;

    [[nodiscard]] bool has(const Behaviour& behaviour) const noexcept {
        return behaviour_ == &behaviour;
    }
    [[nodiscard]] bool has_to_be_served() const noexcept { return behaviour_->has_to_be_served; }
    [[nodiscard]] std::uint64_t ticket() const noexcept { return ticket_; }
    [[nodiscard]] WaitPlace place() const noexcept {
        return {ticket_, reinterpret_cast<std::uintptr_t>(this)};
    }

    // Whether it belongs before `other`, which stands in line where it arrives now.
    [[nodiscard]] bool goes_before(const Waiter& other) const noexcept {
        return waits_on_several() && place() < other.place();
    }
    // That it stands behind `other` from now on. For waits on one object.
    void stand_behind(const Waiter& other) noexcept {
        if (!waits_on_several()) ticket_ = std::max(ticket_, other.ticket_ | 1U);
    }
    [[nodiscard]] Served serve(WaitNode& node) noexcept { return behaviour_->serve(node); }

    // From now on others may claim it. By the thread that waits, before it stands in line.
    void share() noexcept {
        if (word_.load(std::memory_order_relaxed) == alone)
            word_.store(waiting, std::memory_order_relaxed);
    }

    // True for exactly one caller.
    [[nodiscard]] bool claim() noexcept {
        if (word_.load(std::memory_order_relaxed) != alone) return claim_shared();
        word_.store(taken, std::memory_order_relaxed);
        return true;
    }

    // Claims it for an end that needs no more work than resume().
    [[nodiscard]] bool claim(WaitEnd how) noexcept {
        if (!claim()) return false;
        how_ = how;
        return true;
    }

    [[nodiscard]] bool claimed() const noexcept {
        return (word_.load(std::memory_order_relaxed) & phase) >= taken;
    }

    // How it will end; set by the claimer before resume().
    void set_end(WaitEnd how) noexcept { how_ = how; }

    // Requires: claimed by the caller, who holds no lock.
    void resume(WakeChain& chain) noexcept { behaviour_->resume(*this, chain); }

    // The last step of resume(): the waiting thread may go on, and the waiter may be gone.
    void end() noexcept {
        RUNNEL_ASSERT(claimed());
        // Release: pairs with ended(); whoever waits sees how_ and what the claimer wrote.
        if ((word_.exchange(over, std::memory_order_acq_rel) & parked) != 0) futex_wake_one(word_);
    }

    // The same, but if the thread sleeps it goes on doing so until somebody calls futex_wake_one()
    // on what is returned; null: it does not sleep.
    [[nodiscard]] FutexWord* end_asleep() noexcept {
        RUNNEL_ASSERT(claimed());
        return (word_.exchange(over, std::memory_order_acq_rel) & parked) != 0 ? &word_ : nullptr;
    }

    [[nodiscard]] bool ended() const noexcept {
        return (word_.load(std::memory_order_acquire) & phase) == over;
    }

    // Requires: ended().
    [[nodiscard]] WaitEnd how() const noexcept { return how_; }

    // Sleeps until ended() or, where there is one, until `deadline`. May return early.
    void sleep(std::optional<std::chrono::steady_clock::time_point> deadline) noexcept {
        const auto word = word_.fetch_or(parked, std::memory_order_acq_rel) | parked;
        if ((word & phase) == over) return;
        if (deadline) {
            futex_wait_until(word_, word, *deadline);
        } else {
            futex_wait(word_, word);
        }
    }

    // Links the waiters that a waker has claimed and not yet resumed.
    Waiter* next_woken = nullptr;
    // How many of the objects that it waits on are still open; at 0 nothing can come any more.
    std::atomic<std::uint32_t> open_sources = 1;

private:
    [[nodiscard]] bool claim_shared() noexcept {
        auto word = word_.load(std::memory_order_relaxed);
        while ((word & phase) == waiting) {
            // Acquire: a claimer sees what the waiter's thread wrote before it queued up.
            if (word_.compare_exchange_weak(word, (word & parked) | taken,
                                            std::memory_order_acq_rel, std::memory_order_relaxed))
                return true;
        }
        return false;
    }

    [[nodiscard]] bool waits_on_several() const noexcept { return ticket_ % 2 == 0; }

    static constexpr std::uint32_t alone = 0;
    static constexpr std::uint32_t waiting = 1;
    static constexpr std::uint32_t taken = 2;
    static constexpr std::uint32_t over = 3;
    static constexpr std::uint32_t phase = 3;
    static constexpr std::uint32_t parked = 4;

    FutexWord word_ = alone;
    const Behaviour* const behaviour_;
    std::uint64_t ticket_;
    WaitEnd how_ = WaitEnd::served;
};

}  // namespace runnel::inline v0::detail
