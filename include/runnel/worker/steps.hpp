// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/abstract_clock.hpp>
#include <runnel/ack.hpp>
#include <runnel/dead_letters.hpp>
#include <runnel/delivery_policy.hpp>
#include <runnel/detail/base/forced_unwind.hpp>
#include <runnel/duration.hpp>
#include <runnel/error.hpp>
#include <runnel/handled.hpp>
#include <runnel/message.hpp>
#include <runnel/outcome.hpp>
#include <runnel/stream_id.hpp>
#include <runnel/worker/backend.hpp>
#include <runnel/worker/key_order.hpp>
#include <runnel/worker/seat.hpp>
#include <runnel/worker/state.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <new>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::detail {

// What one thread or coroutine of a Worker does, but for its waits: those are its own matter.
template <Message T, WorkerBackend Backend>
class WorkerSteps {
public:
    using State = WorkerState<T, Backend>;
    using Consumer = typename Backend::Consumer;
    using Batch = typename Consumer::Batch;
    using Delivery = typename Consumer::Delivery;
    using Moment = Clock::Deadline;

    WorkerSteps(State& state, WorkerSeat& seat)
        : state_{state},
          seat_{seat},
          name_{seat.index() == 0 ? state.options.name
                                  : state.options.name + '-' + std::to_string(seat.index() + 1)},
          leaving_{seat.leaving().get_token()} {}

    [[nodiscard]] State& state() const noexcept { return state_; }
    [[nodiscard]] WorkerSeat& seat() const noexcept { return seat_; }
    [[nodiscard]] WorkerCounts& counts() const noexcept { return seat_.counts; }
    [[nodiscard]] const DeliveryPolicy& policy() const noexcept { return state_.policy(); }
    [[nodiscard]] Moment now() const { return state_.clock.now(); }
    // Stops when the Worker does, or this thread or coroutine.
    [[nodiscard]] const std::stop_token& leaving() const noexcept { return leaving_; }
    [[nodiscard]] bool is_leaving() const noexcept { return leaving_.stop_requested(); }

    // ------------------------------------------------------------------ reading

    // Made at the first call, and anew after the group was.
    [[nodiscard]] Consumer& consumer() {
        if (!consumer_) consumer_.emplace(state_.backend.consumer(name_));
        return *consumer_;
    }

    [[nodiscard]] WorkerRead next_read() const {
        const std::size_t share = policy().in_flight / policy().threads;
        WorkerRead what{std::clamp<std::size_t>(share, 1, policy().batch),
                        policy().lease,
                        {},
                        seat_.reading().get_token()};
        if (reaps()) what.timeout = policy().reap_after;
        // Now and then it looks for what is gone.
        else if (is_ordered())
            what.timeout = policy().lease;
        return what;
    }

    // Whoever has the element of the list may read, where the order of keys matters: so entries
    // come to their lanes in the order of their ids.
    [[nodiscard]] bool is_ordered() const noexcept {
        return static_cast<bool>(state_.options.order);
    }
    [[nodiscard]] const BlockingList<char>& turn() const {
        return state_.options.order.turn(state_.clock);
    }
    // What others wait for may have been trimmed, or acknowledged by others.
    void leave_those_that_are_gone() {
        const Moment time = now();
        if (time - looked_ < policy().lease.nanoseconds()) return;
        looked_ = time;
        for (const StreamId id : lanes().awaited())
            if (!state_.backend.may_come_back(id)) leave_lane(id);
    }
    void enter_lanes(const Batch& batch) {
        waits_.assign(batch.size(), false);
        std::size_t index = 0;
        for (const auto& delivery : batch) waits_[index++] = !enters_lane(delivery);
    }
    // Whether that entry of the batch was put aside.
    [[nodiscard]] bool waits(std::size_t index) const { return is_ordered() && waits_[index]; }

    // What comes after a read without entries. False: nothing can come any more.
    bool go_on_after(Ending ending) {
        switch (ending) {
        case Ending::timed_out:
            return true;
        case Ending::stopped:  // by a pause that may be over already
            go_on_reading();
            return true;
        case Ending::gone:
            return begin_again();
        default:
            return false;
        }
    }
    // After a pause.
    void go_on_reading() {
        seat_.go_on([&] { return state_.is_paused(); });
    }

    void reap_after_read(const Batch& batch) {
        if (!reaps() || (!batch && batch.ending() != Ending::timed_out)) return;
        const Moment time = now();
        if (time - reaped_ < policy().reap_after.nanoseconds()) return;
        reaped_ = time;
        (void)state_.backend.reap(policy().reap_after);
    }

    // ------------------------------------------------------------------ errors of the backend

    void tell(const char* what) {
        counts().errors += 1;
        if (state_.options.on_error) state_.options.on_error(what);
    }
    // For how long to rest after so many of them in a row.
    [[nodiscard]] std::chrono::nanoseconds rest_after(std::uint64_t errors) const {
        return std::max(policy().backoff.delay(errors), State::shortest_pause);
    }

    // ------------------------------------------------------------------ entries

    [[nodiscard]] bool begins_no_more() const noexcept {
        return is_leaving() || state_.is_paused();
    }
    // Before the handler begins.
    [[nodiscard]] bool is_acknowledged() const noexcept {
        return policy().guarantee == Guarantee::at_most_once;
    }
    // Entries of a batch wait for those before them, perhaps for longer than their lease.
    bool is_still_mine(const Delivery& delivery, Moment read_at, Moment time) {
        if (is_acknowledged()) {
            const bool is_mine = keeps(consumer().ack(delivery));
            if (!is_mine) leave_lane(delivery.id);
            return is_mine;
        }
        if (time - read_at < policy().lease.nanoseconds() / 2) return true;
        return keeps(consumer().extend(delivery));
    }
    void extend(const Delivery& delivery) { (void)consumer().extend(delivery); }

    void hand_back(const Delivery& delivery) {
        if (consumer().nack(delivery, Nack::silent, State::none) == Ack::done)
            counts().handed_back += 1;
    }
    // Another thread is at its key now; this is no attempt.
    void hand_back_for_a_while(const Delivery& delivery) {
        const auto pause = std::max(policy().backoff.base.nanoseconds(), State::shortest_pause);
        if (keeps(consumer().nack(delivery, Nack::silent, pause))) counts().handed_back += 1;
    }
    // Its key was marked.
    void end_duplicate(const Delivery& delivery) {
        if (!keeps(consumer().ack(delivery))) return;
        counts().duplicates += 1;
        leave_lane(delivery.id);
    }

    void begin_handler(StreamId id) {
        if (is_ordered()) lanes().begin_handler(id);
    }
    // As long as a handler runs, its entry is not taken for one that is gone. One that is
    // acknowledged already does not come back: it leaves its lane even if the handler ends the
    // thread.
    void end_handler(StreamId id) noexcept {
        if (!is_ordered()) return;
        lanes().end_handler(id);
        if (!is_acknowledged()) return;
        try {
            leave_lane(id);
            // NOLINTNEXTLINE(bugprone-empty-catch)
        } catch (...) {  // the next look at what is gone finds it
        }
    }

    // A handler has forwarded it, and so acknowledged it.
    void finish_forwarded(const Delivery& delivery) {
        counts().processed += 1;
        leave_lane(delivery.id);
    }
    void finish(const Delivery& delivery, const Handled& handled) {
        if (!handled.is_done()) counts().failed += 1;
        if (is_acknowledged()) {
            if (handled.is_done()) counts().processed += 1;
            return;
        }
        if (handled.is_done()) {
            if (!keeps(consumer().ack(delivery))) return;
            counts().processed += 1;
            return leave_lane(delivery.id);
        }
        if (!handled.is_rejected() && is_leaving()) return hand_back(delivery);
        if (handled.is_rejected() || delivery.attempt >= policy().deliveries)
            return bury(delivery, delivery.attempt, handled.reason());
        const auto after =
            handled.delay() ? *handled.delay()
                            : policy().backoff.delay(delivery.attempt - 1, number_of(delivery.id));
        if (keeps(consumer().nack(delivery, Nack::fail, after))) counts().retried += 1;
    }
    // The function that tells its key threw.
    void finish_without_key(const Delivery& delivery, const std::exception& error) {
        finish(delivery, Handled::retry(std::string{"its key: "} + error.what()));
    }
    void bury_unhandled(const Delivery& delivery) {
        const std::uint64_t attempts = delivery.attempt - 1;
        bury(delivery, attempts,
             "it was delivered " + std::to_string(attempts) + " times, and never acknowledged");
    }

private:
    [[nodiscard]] KeyLanes<T>& lanes() const noexcept { return state_.options.order.lanes(); }
    [[nodiscard]] bool reaps() const noexcept { return policy().reap_after > State::none; }

    bool begin_again() {
        if (policy().when_gone == WhenGone::end) return false;
        state_.backend.make_again();
        consumer_.emplace(state_.backend.consumer(name_));
        return true;
    }

    // ---- lanes

    // False: the entry was put aside, or its key threw.
    bool enters_lane(const Delivery& delivery) {
        try {
            auto* const lane = lanes().enter(delivery.id, delivery.value);
            if (lane == nullptr) return true;
            put_aside(*lane, delivery);
        } catch (const ForcedUnwind&) {
            throw;
        } catch (const std::bad_alloc&) {
            throw;
        } catch (const std::exception& error) {
            finish_without_key(delivery, error);
        }
        return false;
    }

    void put_aside(typename KeyLanes<T>::Lane& lane, const Delivery& delivery) {
        const StreamId id = delivery.id;
        // Not for ever: if nobody makes it ready, it comes again.
        (void)consumer().nack(delivery, Nack::silent, policy().lease);
        if (lanes().put_aside(lane, id)) make_ready(id);
    }
    void make_ready(StreamId id) {
        for (std::optional<StreamId> next = id; next && !state_.backend.make_ready(*next);)
            next = lanes().leave(*next);  // it was acknowledged by others
    }
    // The entry is done or dead, or somebody else has ended it.
    void leave_lane(StreamId id) {
        if (!is_ordered()) return;
        if (const auto next = lanes().leave(id)) make_ready(*next);
    }

    // ---- ends of entries

    bool keeps(Ack ack) noexcept {
        if (ack != Ack::done) counts().stale += 1;
        return ack == Ack::done;
    }

    // For the lot of its delays.
    [[nodiscard]] static std::uint64_t number_of(const StreamId& id) noexcept {
        constexpr std::uint64_t prime = 1'000'003;
        return id.ms * prime + id.seq;
    }

    void bury(const Delivery& delivery, std::uint64_t attempts, std::string error) {
        if (state_.buries) {
            const Burial why{.error = std::move(error), .attempts = attempts};
            const Ack ack = consumer().bury(delivery, why);
            if (ack == Ack::closed)
                throw Error{ErrorCode::closed, "Worker: the dead letters are closed"};
            if (!keeps(ack)) return;
            counts().dead_lettered += 1;
        } else {
            if (!keeps(consumer().ack(delivery))) return;
            counts().dropped += 1;
        }
        leave_lane(delivery.id);
    }

    State& state_;
    WorkerSeat& seat_;
    const std::string name_;
    const std::stop_token leaving_;
    std::optional<Consumer> consumer_;
    std::vector<bool> waits_;  // which entries of the batch wait for others of their key
    Moment looked_{};          // for what is gone
    Moment reaped_{};
};

}  // namespace runnel::inline v0::detail
