// SPDX-License-Identifier: MIT
#pragma once

// What sessions are sent, and what is done when the lock is released: what ServerState and
// Afterwards declare of that.

#include <runnel/redis/call.hpp>
#include <runnel/redis/state.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <utility>

namespace runnel::inline v0::redis::detail {

// ---- outputs

inline void ServerState::send(Prepared& outputs) noexcept {
    while (!outputs.empty()) send_push(outputs.take_first());
}

inline void ServerState::tell_carrier(const SessionState& session) noexcept {
    Wire* const wire = session.outbox.wire();
    if (wire == nullptr || wire->is_told) return;
    Carrier& carrier = wire->carrier;
    wire->is_told = true;
    carrier.told.push_back(*wire);
    if (carrier.sleeps && !carrier.is_to_be_woken) after().wake(carrier.shared_from_this());
}

// The session may be one of another node of the cluster.
inline void ServerState::send_push(UnsentPush& push) noexcept {
    SessionState& session = push.to->session;
    Output output = std::move(push.output);
    memory.pushes.give_back(push);
    if (session.is_closed) return session.outbox.no_push();
    session.facts.active = command_time_;
    session.outbox.add_push(std::move(output));
    ask_all(session.push_waiters, after().chain);
    hand_out_pushes(session);
    session.server.mutex.assert_held();
    session.server.hold_to_limit(session);
}

// Closes a session that has let too much wait.
inline void ServerState::hold_to_limit(SessionState& session) noexcept {
    const OutputLimit& limit = settings.pubsub_limit;
    constexpr auto longest = std::chrono::nanoseconds::max();
    const auto soft_time =
        std::min(limit.soft_time, std::chrono::floor<std::chrono::seconds>(longest));
    const std::size_t waiting = session.outbox.waiting_bytes();
    const bool is_over_hard = limit.hard != 0 && waiting >= limit.hard;
    if (limit.soft == 0 || waiting < limit.soft) {
        session.soft_limit_since.reset();
    } else if (!session.soft_limit_since) {
        session.soft_limit_since = clock.now();
    }
    const bool is_over_soft =
        session.soft_limit_since && clock.now() - *session.soft_limit_since > soft_time;
    if (!is_over_hard && !is_over_soft) return;
    session.outbox.cut();
    end_session(session);
}

// What its client has taken does not count for the limit any more, also if nothing is sent to it
// before more than the time of the soft limit has passed.
inline void ServerState::set_unwritten(SessionState& session, std::size_t bytes) const noexcept {
    session.outbox.wire()->unwritten = bytes;
    if (session.outbox.waiting_bytes() < settings.pubsub_limit.soft)
        session.soft_limit_since.reset();
}

// ---- without the lock

inline void Afterwards::wake_all() noexcept {
    while (!carriers_.empty()) {
        Carrier& one = carriers_.pop_front();
        const std::shared_ptr<Carrier> carrier = std::move(one.kept_to_wake);
        {
            // Before it is woken: whoever tells it of something later wakes it again.
            const Lock lock{carrier->server->mutex};
            carrier->is_to_be_woken = false;
        }
        carrier->event.make_readable();
    }
}

inline void Afterwards::arm_all() noexcept {
    while (!alarms_.empty()) {
        Alarm& one = alarms_.pop_front();
        const std::shared_ptr<Alarm> alarm = std::move(one.kept_to_arm);
        ServerState& server = *alarm->server;
        start_timer(server.clock, alarm->timer, alarm->at);
        // It may have been disarmed before it was armed.
        const Lock lock{server.mutex};
        if (alarm->is_over) stop_timer(server.clock, alarm->timer);
    }
}

inline void Afterwards::hand_out_pushes(SessionState& session) noexcept {
    session.is_pushing = true;
    if (session.is_closed) session.keep = session.shared_from_this();
    if (!server_) server_ = session.server.shared_from_this();
    sessions_.push_back(session);
    ++session_count_;
}

// What is let go of under the lock, and destroyed without it.
class LetGo {
public:
    // For what one session lets go of.
    [[nodiscard]] bool has_room() const noexcept { return count_ + 2 <= all_.size(); }
    void add(std::shared_ptr<const void> one) noexcept {
        if (one) all_[count_++] = std::move(one);
    }

private:
    std::array<std::shared_ptr<const void>, 32> all_;
    std::size_t count_ = 0;
};

// Takes the next push of a session for its handler. False: there is none, and other threads may
// call the handler.
[[nodiscard]] inline bool take_push(SessionState& session, LetGo& gone) noexcept {
    session.taken = {};
    if (!gone.has_room()) return true;  // the next time
    if (session.handler != session.on_push)
        gone.add(std::exchange(session.handler, session.on_push));
    if (!session.on_push || !session.outbox.has_push()) {
        session.is_pushing = false;
        gone.add(std::move(session.keep));
        return false;
    }
    session.taken = session.outbox.take_push();
    session.has_taken.store(true, std::memory_order_relaxed);
    return true;
}

// The same for all sessions, under one lock: a message to many takes it twice, not twice for each.
// False: none is left.
inline bool Afterwards::take_pushes() noexcept {
    if (session_count_ == 0) return false;
    LetGo gone;
    const Lock lock{server_->mutex};
    for (std::size_t left = session_count_; left != 0; --left) {
        SessionState& session = sessions_.pop_front();
        if (take_push(session, gone))
            sessions_.push_back(session);
        else
            --session_count_;
    }
    return true;
}

// The interceptors are told of commands that have ended.
inline void Afterwards::tell_all() noexcept {
    while (!ended_.empty()) {
        PendingState& one = ended_.pop_front();
        const std::shared_ptr<PendingState> pending = std::move(one.kept_to_tell);
        const SeenCommand& seen = *pending->seen;
        if (seen.by->after) seen.by->after(seen.sent, pending->reply);
    }
}

inline void Afterwards::call_handlers() noexcept {
    SessionState* session = sessions_.first();
    for (std::size_t left = session_count_; left != 0; --left, session = session->next_to_push)
        if (session->has_taken.exchange(false, std::memory_order_acquire))
            (*session->handler)(session->taken.reply());
}

// The alarms come first: a coroutine that goes on here may block until one of them rings.
inline Afterwards::~Afterwards() {
    wake_all();
    arm_all();
    chain.resume_all();
    tell_all();
    while (take_pushes()) call_handlers();
}

}  // namespace runnel::inline v0::redis::detail
