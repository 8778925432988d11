// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/channel_options.hpp>
#include <runnel/detail/base/annotations.hpp>
#include <runnel/detail/base/atomic.hpp>
#include <runnel/detail/base/handle.hpp>
#include <runnel/detail/base/mutex.hpp>
#include <runnel/detail/base/thread_id.hpp>
#include <runnel/detail/blocks/pin.hpp>
#include <runnel/detail/blocks/slots.hpp>
#include <runnel/detail/channel/channel_requests.hpp>
#include <runnel/detail/channel/channel_state.hpp>
#include <runnel/detail/channel/handler.hpp>
#include <runnel/detail/channel/handler_run.hpp>
#include <runnel/detail/channel/seat.hpp>
#include <runnel/detail/core/channel_log.hpp>
#include <runnel/detail/wait/continuations.hpp>
#include <runnel/detail/wait/wait_queue.hpp>
#include <runnel/detail/wait/waiter.hpp>
#include <runnel/executor.hpp>
#include <runnel/message.hpp>

#include <cstdint>
#include <optional>
#include <utility>

namespace runnel::inline v0::detail {

// The run of one handler on an executor.
//
// It reads the log from a seat with back-pressure, as a subscription does, and while there is
// nothing to read it stands in the line of the readers. Whoever serves it there submits it to the
// executor, after all locks. It is in the line, submitted, or running, but never two of them.
//
// What the executor gets is a ticket. Whoever takes the run from that has it: the executor's
// thread, or a disconnect. So what an executor throws away is no more than the ticket. The handler
// owns the run; who submits it and who has its ticket own the handler.
template <Message T>
class ExecutorRun final : public HandlerRun {
public:
    ExecutorRun(ChannelState<T>& channel, Handler<T>& handler, AnyExecutor executor)
        : kept_{channel},
          channel_{channel},
          handler_{handler},
          seat_{SubscribeOptions{.bound = handler.bound(), .when_behind = Behind::block}, true},
          executor_{std::move(executor)} {}

    // Throws: std::bad_alloc; Error{closed}.
    void connect() RUNNEL_EXCLUDES(channel_.mutex) {
        WakeChain chain;
        {
            const Lock lock{channel_.mutex};
            channel_.refuse_if_closed();
            channel_.add_seat(seat_, chain);
            wait_or_submit(chain);
        }
        chain.resume_all();
    }

    Disconnected disconnect(const HandlerFrame<>* here) noexcept RUNNEL_EXCLUDES(channel_.mutex) {
        const bool may_run = kill();
        return part_from(channel_, *this, handler_, may_run, here);
    }

    void last_handle_gone() noexcept override {}
    [[nodiscard]] bool is_to_be_awaited(const Owned& handler) const noexcept override {
        return channel_.is_to_be_awaited(handler);
    }
    [[nodiscard]] bool is_in_handler() const noexcept override { return is_in_handler_; }

private:
    enum class Stage : std::uint8_t { in_line, submitted, running, over };

    struct Ticket final : Owned, Runnable {
        Ticket() noexcept : Runnable{use} {}

        static void use(Runnable& runnable) noexcept {
            auto& ticket = static_cast<Ticket&>(runnable);
            ExecutorRun* const run = ticket.take();
            ticket.remove_owner();  // of claim()
            if (run != nullptr) run->run();
        }
        // Null: somebody else has taken it.
        [[nodiscard]] ExecutorRun* take() noexcept {
            return run.exchange(nullptr, std::memory_order_acq_rel);
        }

        Atomic<ExecutorRun*> run = nullptr;
    };

    // Its place in the line; a new one each time.
    struct Place : Waiter {
        explicit Place(ExecutorRun& of) noexcept
            : Waiter{behaviour, WaitsOn::one}, node{*this}, run{of} {}

        static Served serve(WaitNode& node) noexcept {
            return static_cast<Place&>(*node.waiter).run.serve();
        }
        static void resume(Waiter& waiter, WakeChain& chain) noexcept { chain.go_on_later(waiter); }
        static void go_on(Waiter& waiter) noexcept { static_cast<Place&>(waiter).run.submit(); }
        static void stand_in(Waiter& /*nobody takes it out*/, Continuations& /*list*/) noexcept {}

        static constexpr Behaviour behaviour{serve, resume, false, go_on, stand_in};

        WaitNode node;
        ExecutorRun& run;
    };

    static constexpr int most_at_a_time = 64;

    [[nodiscard]] bool has_messages() const noexcept RUNNEL_REQUIRES(channel_.mutex) {
        return channel_.log.last() > seat_.position();
    }

    // When it has run, or at first.
    void wait_or_submit(WakeChain& chain) noexcept RUNNEL_REQUIRES(channel_.mutex) {
        Place& place = place_.emplace(*this);
        if (has_messages()) {
            claim(place);
            chain.add(place);
        } else if (channel_.closed) {
            stage_ = Stage::over;
        } else {
            stage_ = Stage::in_line;
            ++channel_.idle_handlers;
            channel_.readers.insert(place.node);
        }
    }

    // For a waker, which holds the lock of the channel, and takes it out of line unless it waits.
    [[nodiscard]] Served serve() noexcept {
        channel_.mutex.assert_held();
        if (!has_messages() && !channel_.closed) return Served::no;
        --channel_.idle_handlers;
        if (has_messages()) {
            claim(*place_);
            return Served::yes;
        }
        stage_ = Stage::over;
        return Served::elsewhere;
    }

    // The claimer has to submit it.
    void claim(Place& place) noexcept RUNNEL_REQUIRES(channel_.mutex) {
        (void)place.claim();  // nobody else does, without the lock
        stage_ = Stage::submitted;
        handler_.add_owner();  // for submit()
        handler_.add_owner();  // for the ticket
        ticket_->add_owner();
        ticket_->run.store(this, std::memory_order_release);
    }
    [[nodiscard]] Owner<Handler<T>> owner_of_claim() noexcept {
        Owner<Handler<T>> owner{handler_};
        handler_.remove_owner();
        return owner;
    }

    void submit() noexcept {
        const Owner<Handler<T>> owner = owner_of_claim();
        const Continuation function{*ticket_.get()};
        bool is_refused = false;
        try {
            executor_.execute(function);
        } catch (...) {
            is_refused = true;
        }
        if (is_refused) function();
    }

    void run() noexcept {
        const Owner<Handler<T>> owner = owner_of_claim();
        WakeChain chain;
        begin();
        {
            const HandlerFrame<> frame{*this};
            int left = most_at_a_time;
            while (left != 0 && handle_next(frame)) --left;
            if (!end(chain)) {
                channel_.after_death_of(handler_);
                (void)end(chain);
            }
        }
        chain.resume_all();
    }

    void begin() noexcept RUNNEL_EXCLUDES(channel_.mutex) {
        const Lock lock{channel_.mutex};
        stage_ = Stage::running;
        handler_.is_executing = true;
        this->set_thread(this_thread());
    }

    // False: there is nothing left, or the handler was disconnected.
    [[nodiscard]] bool handle_next(const HandlerFrame<>& frame) {
        if (!handler_.is_live()) return false;
        const auto message = next();
        if (message.mask == 0) return false;
        is_in_handler_ = true;
        handler_.run(message.block()->value(first_slot(message.mask)).value, frame);
        is_in_handler_ = false;
        return true;
    }

    // Publishers learn of each message when it is in hand.
    [[nodiscard]] PinnedSlots<Logged<T>> next() noexcept RUNNEL_EXCLUDES(channel_.mutex) {
        auto message = read_at_hand(channel_, seat_, 1);
        if (message.mask != 0) return message;
        {
            const Lock lock{channel_.mutex};
            if (has_messages() && seat_.cursor.seek(channel_.log.entries()))
                message = seat_.cursor.take(1);
            seat_.tell_position();
        }
        wake_publishers_after(channel_, seat_);
        return message;
    }

    // False, once: the handler was disconnected, and whoever waits for that has to be told.
    [[nodiscard]] bool end(WakeChain& chain) noexcept RUNNEL_EXCLUDES(channel_.mutex) {
        const Lock lock{channel_.mutex};
        handler_.is_executing = false;
        const bool is_live = handler_.is_live();
        if (!is_live && std::exchange(stage_, Stage::over) != Stage::over) return false;
        this->set_thread(no_thread);
        if (is_live) wait_or_submit(chain);
        return true;
    }

    // True: it may still run.
    [[nodiscard]] bool kill() noexcept RUNNEL_EXCLUDES(channel_.mutex) {
        bool was_live = false;
        bool is_taken_back = false;
        bool may_run = false;
        {
            const Lock lock{channel_.mutex};
            was_live = handler_.is_live();
            if (was_live) handler_.leave();
            if (was_live && stage_ == Stage::in_line) {
                channel_.readers.remove(place_->node);
                --channel_.idle_handlers;
                stage_ = Stage::over;
            }
            is_taken_back = was_live && stage_ == Stage::submitted && ticket_->take() != nullptr;
            may_run = channel_.may_run(handler_);
        }
        if (was_live) channel_.remove_seat(seat_);
        if (is_taken_back) (void)owner_of_claim();  // not the last one: whoever disconnects is one
        return may_run;
    }

    const Owner<ChannelState<T>> kept_;
    ChannelState<T>& channel_;
    Handler<T>& handler_;
    Seat<T> seat_;
    const AnyExecutor executor_;
    const Owner<Ticket> ticket_{std::in_place};
    std::optional<Place> place_;  // used under the lock, and by who has claimed it
    Stage stage_ RUNNEL_GUARDED_BY(channel_.mutex) = Stage::over;
    bool is_in_handler_ = false;  // for its thread
};

}  // namespace runnel::inline v0::detail
