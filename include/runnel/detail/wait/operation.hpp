// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/abstract_clock.hpp>
#include <runnel/detail/base/assert.hpp>
#include <runnel/detail/base/unmade.hpp>
#include <runnel/detail/wait/await.hpp>
#include <runnel/detail/wait/continuations.hpp>
#include <runnel/detail/wait/timers.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/detail/wait/waiter.hpp>
#include <runnel/outcome.hpp>

#include <chrono>
#include <optional>
#include <stop_token>
#include <utility>

namespace runnel::inline v0::detail {

// A wait that needs no thread: a request and its place, what may end it besides, and how it goes
// on. Its owner keeps it where it is.
//
//     start()       It is done at once, or stands in line.
//     serve         A waker carries it out, under the locks, as it does for threads.
//     resume        The waker goes on with it, after all locks: by Next.
//     cancel()      It ends early: by the clock, a stop, or anybody.
//     finish()      Its owner takes it out of all lines; then it takes the result.
//     ~Operation()  If its owner goes away earlier, what the wait was served with goes back.
//
// It is claimed once, as every wait. A claimer and the owner meet at the word of the Wait, as a
// waker and a thread do: the one who comes second goes on. So an end inside of start() costs no
// more than that of a thread that finds it before it sleeps.
//
// A Recipe says what waits. It has:
//     Request          a kind of request, made from the recipe; with
//                          void take(Place&)       the owner takes what it was served with
//                          void give_back(Place&)  the owner will not
//                      each noexcept, once it was served
//     Place            its place, or a reference to the request, if that is its own place
//     place(Request&)  makes it
//     try_now(Request&)  may be left out. True: it was carried out at once, without a place. It may
//                    go on with other waits then.
// and its place, besides what every place has, may have
//     std::optional<bool> try_or_suspend(WakeChain&)
//         for a wait that nothing ends early: true if it has ended, false if it is suspended and
//         stands in line, so that nothing of it may be touched; nothing: do it the usual way
// A Request may have claims(): whether it looks again, when it is ended as timed out, and may wait
// on. Then its place has what StreamPlace has for that.
// Next says how the wait goes on. It has:
//     detach() noexcept    returns a function that goes on with it. That is called once, when the
//                          operation may have gone.
//     is_known_to_others   whether others may cancel it before it stands in line, and give it up
//                          when it has ended inside of start()
//     goes_on_at_once      may be left out. True: that function runs no user code, and is called
//                          as threads are woken.
template <typename Recipe, typename Next>
class Operation : public Recipe::Request {
    using Request = typename Recipe::Request;
    using Stage = Waiter::Stage;

public:
    // Carries it out if that needs no place. `options` stay where they are until start() returns.
    // Throws: Error{clock_not_run}, whether it has to wait or not.
    Operation(Recipe& recipe, const KeptOptions& options, Next next)
        : Request{recipe},
          place_{recipe.place(static_cast<Request&>(*this))},
          note_{const_cast<KeptOptions*>(&options)},
          next_{std::move(next)} {
        this->behave(behaviour);
        const auto duration = options.timeout.duration();
        const bool needs_time = duration ? *duration != std::chrono::nanoseconds{0} : looks_again();
        if (needs_time) require_runner(this->clock);
        if constexpr (requires { recipe.try_now(*this); })
            if (recipe.try_now(*this)) this->stage = Stage::finished;
        if constexpr (Next::is_known_to_others) this->share();
    }
    Operation(const Operation&) = delete;
    Operation& operator=(const Operation&) = delete;
    ~Operation() {
        if (this->stage == Stage::started || this->stage == Stage::ended) abandon();
    }

    // Whether it was carried out already: then it is not started.
    [[nodiscard]] bool is_finished() const noexcept { return this->stage == Stage::finished; }

    // True: it waits now. Then nothing of it may be touched, until Next goes on with it. False: it
    // has ended. Either way the caller then resumes `chain`. To be called once. Runs no user code.
    //
    // Throws: what Place::try_or_queue() does. Then nothing has changed.
    [[nodiscard]] bool start(WakeChain& chain) {
        const auto& options =
            *static_cast<const KeptOptions*>(note_.load(std::memory_order_relaxed));
        note_.store(nullptr, std::memory_order_relaxed);
        const auto duration = options.timeout.duration();
        const bool may_wait = duration != std::chrono::nanoseconds{0};
        if (!duration && !options.stop.stop_possible())
            if (const auto waits = start_without_limits(chain)) return *waits;
        WaitLimits limits = WaitLimits::of(may_wait ? &options : nullptr);
        limits.needs_thread = false;
        limits.may_be_given_up = Next::is_known_to_others;
        const bool has_ended = place_.try_or_queue(limits, chain);
        const bool is_over = has_ended || give_up(*this, limits);
        this->stage = is_over ? Stage::ended : Stage::started;
        if (is_over) return false;
        const auto deadline = may_wait ? limits.deadline(this->clock) : std::nullopt;
        if constexpr (may_look_again)
            if (may_wait && looks_again()) return wait_and_look(deadline, options.stop, chain);
        if (may_wait) arm(deadline, options.stop);
        return this->suspend();
    }

    // Ends the wait, from any thread, any number of times, also before it has started. False: it
    // has ended otherwise, or will.
    bool cancel(WaitEnd how) noexcept {
        note_cancelled_if_it_looks();
        return end_wait(*this, how);
    }

    // For its owner, once it has ended. Waits for a stop callback that runs in another thread.
    // May throw what Place::leave() does.
    void finish() {
        if (is_finished()) return;
        this->stage = Stage::finished;
        disarm();
        if (this->how() == WaitEnd::served) this->take(place_);
        place_.leave();
    }

    // For its owner, while it does not wait.
    [[nodiscard]] Next& next() noexcept { return next_; }

private:
    struct Stop {
        void operator()() const noexcept { operation->cancel(WaitEnd::stopped); }

        Operation* operation;
    };
    using Stopper = std::stop_callback<Stop>;

    // For a wait that nothing ends early. Nothing: it is started in the usual way.
    [[nodiscard]] std::optional<bool> start_without_limits(WakeChain& chain) noexcept {
        if constexpr (!Next::is_known_to_others && requires { place_.try_or_suspend(chain); }) {
            this->stage = Stage::started;
            const std::optional<bool> has_ended = place_.try_or_suspend(chain);
            if (!has_ended) return std::nullopt;
            if (*has_ended) this->stage = Stage::ended;
            return !*has_ended;
        }
        return std::nullopt;
    }

    // ---- a wait that looks again
    static constexpr bool may_look_again = requires(const Request& request) { request.claims(); };

    [[nodiscard]] bool looks_again() const noexcept {
        if constexpr (may_look_again) return this->claims();
        return false;
    }

    // Before it is claimed to end for good, by anybody but a waker: who is about to look could have
    // claimed it.
    void note_cancelled_if_it_looks() noexcept {
        if constexpr (may_look_again)
            if (looks_again()) this->note_cancelled();
    }

    // As the end of start(), once it stands in line.
    [[nodiscard]] bool wait_and_look(std::optional<Clock::Deadline> deadline,
                                     const std::stop_token& stop, WakeChain& chain) noexcept {
        this->ends_at = deadline;
        arm(place_.next_end(deadline), stop);
        this->has_timer = true;  // also if it gets one later
        bool waits = true;
        while (waits && !this->suspend()) {
            bool is_first = false;
            waits = place_.look_again(deadline, chain, restarting(is_first));
            if (is_first) tell_runners(TimersOf::get(this->clock));
        }
        if (waits) return true;
        place_.step_out(chain);
        this->stage = Stage::ended;
        return false;
    }

    // After it was claimed. True: it waits on, or others will end it; it may be gone.
    [[nodiscard]] bool look_on(WakeChain& chain) noexcept {
        const Clock& on = this->clock;
        bool is_first = false;
        const bool waits = place_.look_again_asleep(this->ends_at, chain, restarting(is_first));
        if (is_first) tell_runners(TimersOf::get(on));
        if (!waits && this->how() != WaitEnd::timed_out) place_.step_out(chain);
        return waits;
    }

    [[nodiscard]] auto restarting(bool& is_first) noexcept {
        return [this, &is_first](Clock::Deadline end) noexcept {
            const Restarted restarted = restart_timer(this->clock, timer_, end);
            is_first = restarted == Restarted::as_first;
            return restarted;
        };
    }

    static void resume(Waiter& waiter, WakeChain& chain) noexcept {
        auto& self = static_cast<Operation&>(waiter);
        if constexpr (may_look_again)
            if (self.looks_again() && self.look_on(chain)) return;
        if constexpr (requires { self.serve_others(chain); }) self.serve_others(chain);
        if constexpr (requires { requires Next::goes_on_at_once; }) {
            go_on(self);
        } else {
            chain.go_on_later(self);
        }
    }
    static void go_on(Waiter& waiter) noexcept {
        auto& self = static_cast<Operation&>(waiter);
        auto next = self.next_.detach();
        if (self.end_asleep() != nullptr) next();  // the operation may be gone
    }
    static void stand_in(Waiter& waiter, Continuations& list) noexcept {
        static_cast<Operation&>(waiter).note_.store(&list, std::memory_order_release);
    }

    static constexpr Waiter::Behaviour behaviour{Request::behaviour.serve, resume, false, go_on,
                                                 stand_in};

    // From now on the clock and a stop may end it.
    void arm(std::optional<Clock::Deadline> deadline, const std::stop_token& stop) noexcept {
        if (deadline) {
            this->has_timer = true;
            start_timer(this->clock, timer_, *deadline);
        }
        if (!stop.stop_possible()) return;
        this->has_stopper = true;
        stopper_.make(stop, Stop{this});
    }
    void disarm() noexcept {
        if (this->has_stopper) stopper_.destroy();
        if (this->has_timer) stop_timer(this->clock, timer_);
    }

    void abandon() noexcept {
        note_cancelled_if_it_looks();
        if (this->stage == Stage::started && !this->claim(WaitEnd::stopped)) {
            this->forsake();
            Continuations::withdraw(*this, note_);
        }
        disarm();
        try {
            place_.leave();
        } catch (...) {
            // It has left; what counts the calls of consumers had no memory.
            this->set_end(this->how());
        }
        if (this->how() == WaitEnd::served) this->give_back(place_);
    }

    typename Recipe::Place place_;
    Timer timer_{*this};
    Unmade<Stopper> stopper_;
    Continuations::Place note_;  // until it has started, the options
    [[no_unique_address]] Next next_;
};

}  // namespace runnel::inline v0::detail
