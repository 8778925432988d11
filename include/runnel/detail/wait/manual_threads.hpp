// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/abstract_clock.hpp>
#include <runnel/detail/base/process.hpp>
#include <runnel/detail/wait/baton.hpp>
#include <runnel/detail/wait/thread_end.hpp>
#include <runnel/detail/wait/timers.hpp>
#include <runnel/detail/wait/waiter.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <sys/types.h>
#include <utility>

namespace runnel::inline v0 {

class ManualClock;

namespace detail {

// What a ManualClock knows of a thread of its own. Guarded by its mutex.
struct ClockThread {
    ClockThread(ManualClock& of, std::string called) noexcept
        : clock{&of}, name{std::move(called)} {}

    // In lock-step: what it waits for without being parked, so that it is ready only then.
    enum class Until : std::uint8_t {
        given,           // nothing but the baton
        others_settled,  // in settle() or advance(): the threads that it awaits
        turn_is_free,    // in advance(): the turn to move the time
        other_ended,     // in join(): the end of another thread
    };

    ManualClock* const clock;
    std::string name;
    std::size_t number = 0;
    bool running = true;
    bool settling = false;     // in settle(): waits for threads that are not
    bool awaits_turn = false;  // in advance(): waits for the thread that moves the time
    bool moves_time = false;   // it has the turn
    bool ends_waits = false;   // its waits end at once
    const pid_t process = Process::id();
    std::shared_ptr<ThreadEnd> end{};
    BatonSeat seat{};
    Until ready_when = Until::given;
    std::size_t awaits_end_of = 0;  // the number of that one
    std::size_t joiners = 0;        // threads outside that wait for its end, in lock-step
};

// In lock-step: a thread that is not the clock's own, while it waits on the clock; lives in the
// frame of park().
struct Stranger {
    BatonSeat seat{};
    bool is_released = false;  // its wait has ended
    Stranger* previous = nullptr;
    Stranger* next = nullptr;
};

// A wait that is parked; lives in the frame of park().
struct ParkedWait {
    // Requires: it has a deadline.
    [[nodiscard]] DuePlace place() const noexcept { return DuePlace::of(*waiter, *deadline); }

    Waiter* waiter;
    std::optional<Clock::Deadline> deadline;
    ClockThread* thread = nullptr;  // null: not a thread of this clock
    Stranger* stranger = nullptr;
    ParkedWait* previous = nullptr;
    ParkedWait* next = nullptr;
};

}  // namespace detail
}  // namespace runnel::inline v0
