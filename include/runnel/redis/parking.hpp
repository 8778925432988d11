// SPDX-License-Identifier: MIT
#pragma once

// Commands that wait, and what ends their waits: what ServerState and Call declare of that.

#include <runnel/redis/call.hpp>
#include <runnel/redis/state.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace runnel::inline v0::redis::detail {

// ---- waiting

inline Reply Call::block(Block&& block) {
    if (!may_block_) return std::move(block.otherwise);
    server_.mutex.assert_held();
    if (parked_again_ == nullptr) {
        parked_ = std::make_shared<Parked>(session_, info_, words_);
        if (!*pending_) *pending_ = std::make_shared<PendingState>(server_.shared_from_this());
        parked_->pending = *pending_;
        parked_->database = session_.database;
        parked_->is_asking = session_.is_asking;
        server_.prepare_wait(*parked_, block);
        for (auto& [at, word] : block.replaced) parked_->owned.replace(at, std::move(word));
    } else if (block.again_at) {
        parked_again_->next_again = server_.make_alarm(server_.deadline_at(*block.again_at));
    }
    is_blocked_ = true;
    return {};
}

// Nothing: so late that it never comes.
inline std::optional<Clock::Deadline>
ServerState::deadline_at(Milliseconds wall_time) const noexcept {
    const Milliseconds left = std::max<Milliseconds>(0, time_between(wall(), wall_time));
    return deadline_of(Timeout{std::chrono::milliseconds{left}}, clock);
}

// An alarm for that time, if it comes. Throws: std::bad_alloc.
inline std::shared_ptr<Alarm> ServerState::make_alarm(std::optional<Clock::Deadline> at) {
    if (!at) return nullptr;
    auto alarm = std::make_shared<Alarm>(shared_from_this());
    alarm->at = *at;
    return alarm;
}

// Does all that may throw before a command is parked.
inline void ServerState::prepare_wait(Parked& parked, const Block& block) {
    parked.what = block.what;
    if (block.timeout)
        parked.deadline = deadline_of(Timeout{std::chrono::milliseconds{*block.timeout}}, clock);
    parked.at_deadline = make_alarm(parked.deadline);
    if (block.again_at) parked.next_again = make_alarm(deadline_at(*block.again_at));
    for (const std::string_view key : block.keys)
        add_place(parked, waits_.at(parked.database, key));
    if (block.what == WaitsFor::group) make_spare_alarm();
}

// Once for each key. If it throws, what was added before is left to forget_places().
inline void ServerState::add_place(Parked& parked, KeyWaits& at) {
    if (at.newest == parked.ticket()) return;
    try {
        parked.nodes.emplace_back(parked, at);
        at.newest = parked.ticket();
    } catch (...) {
        waits_.drop_if_empty(at);
        throw;
    }
}

// For a command that is not parked after all.
inline void ServerState::forget_places(const Parked& parked) noexcept {
    for (const ParkedNode& node : parked.nodes) waits_.drop_if_empty(*node.waits);
}

inline void ServerState::park(std::shared_ptr<Parked> parked) noexcept {
    SessionState& session = parked->session;
    Parked& one = *parked;
    for (ParkedNode& node : one.nodes) {
        node.waits->queue.insert(node);
        if (one.what == WaitsFor::group) ++node.waits->groups;
        if (one.what == WaitsFor::longer_list) ++node.waits->longer_lists;
    }
    ++blocked_;
    if (one.is_delayed()) ++delayed_;
    if (one.what == WaitsFor::group) ++blocked_groups_;
    one.pending->parked = parked;
    session.parked = std::move(parked);
    if (one.at_deadline) {
        one.at_deadline->parked = &one;
        after().arm(one.at_deadline);
    }
    arm_again(one);
}

inline void ServerState::arm_again(Parked& parked) noexcept {
    disarm(parked.again);
    if (!parked.next_again) return;
    parked.again = std::move(parked.next_again);
    parked.again->parked = &parked;
    after().arm(parked.again);
}

// Takes a parked command out of all lines.
inline std::shared_ptr<Parked> ServerState::unpark(SessionState& session) noexcept {
    std::shared_ptr<Parked> parked = std::move(session.parked);
    session.parked.reset();
    for (ParkedNode& node : parked->nodes) {
        KeyWaits& waits = *node.waits;
        waits.queue.remove(node);
        if (parked->what == WaitsFor::group) --waits.groups;
        if (parked->what == WaitsFor::longer_list) --waits.longer_lists;
        waits_.drop_if_empty(waits);
    }
    --blocked_;
    if (parked->is_delayed()) --delayed_;
    if (parked->what == WaitsFor::group) --blocked_groups_;
    disarm(parked->at_deadline);
    disarm(parked->again);
    parked->pending->parked.reset();
    return parked;
}

inline std::shared_ptr<Parked> ServerState::end_wait(SessionState& session) noexcept {
    std::shared_ptr<Parked> parked = unpark(session);
    (void)parked->claim(WaitEnd::served);
    return parked;
}

// A session whose wait has ended carries out what stood behind it.
inline void ServerState::go_on(SessionState& session) noexcept {
    if (session.is_closed || session.is_unblocked || session.backlog.empty()) return;
    session.is_unblocked = true;
    unblocked_.push_back(session);
    list_to_serve();
}

inline void ServerState::end_parked(SessionState& session, std::optional<Reply> reply,
                                    LoggedCommand::What what) noexcept {
    const std::shared_ptr<Parked> parked = end_wait(session);
    if (reply) {
        session.facts.active = wall();
        parked->room->send(*reply);
    }
    parked->room.reset();
    log(parked->later_log, what, reply);
    finish(*parked->pending, std::move(reply), what == LoggedCommand::What::failed);
    tell_carrier(session);
    go_on(session);
}

inline void ServerState::answer_parked(SessionState& session, Reply reply) noexcept {
    using What = LoggedCommand::What;
    if (!session.parked->loses_reply) return end_parked(session, std::move(reply), What::later);
    end_parked(session, std::nullopt, What::lost);
    end_session(session);
}

inline bool ServerState::end_if_overdue(Parked& parked) noexcept {
    if (!parked.deadline || *parked.deadline > clock.now()) return false;
    SessionState& session = parked.session;
    if (!parked.is_delayed()) {
        answer_parked(session, session.null_array());
        return true;
    }
    const std::shared_ptr<Parked> ended = end_wait(session);
    session.backlog.splice(session.backlog.begin(), ended->delayed);
    go_on(session);
    return true;
}

template <typename Visit>
void ServerState::for_each_server(const Visit& visit) {
    if (cluster() == nullptr) return visit(*this);
    for (std::size_t node = 0; node != cluster()->size(); ++node) visit(cluster()->server(node));
}
template <typename Visit>
void ServerState::for_each_server(const Visit& visit) const {
    if (cluster() == nullptr) return visit(*this);
    for (std::size_t node = 0; node != cluster()->size(); ++node)
        visit(std::as_const(cluster()->server(node)));
}

inline Parked* ServerState::first_to_look_at(std::uint64_t round) const noexcept {
    Parked* first = nullptr;
    for (const auto& [id, session] : sessions_) {
        Parked* const parked = session->parked.get();
        if (parked == nullptr || parked->looked_at_in == round || !next_look(*parked)) continue;
        if (first == nullptr || *next_look(*parked) < *next_look(*first)) first = parked;
    }
    return first;
}

inline std::optional<Clock::Deadline> ServerState::next_ring() const noexcept {
    std::optional<Clock::Deadline> next;
    const auto add = [&next](std::optional<Clock::Deadline> at) {
        if (at) next = std::min(next.value_or(*at), *at);
    };
    for_each_server([&](const ServerState& server) {
        server.mutex.assert_held();
        if (const Parked* const first = server.first_to_look_at(server.place_.gate->round + 1))
            add(next_look(*first));
        const auto* const expiry = server.blocked_groups_ != 0 ? server.first_expiry() : nullptr;
        if (expiry != nullptr) add(server.deadline_at(expiry->at));
    });
    return next;
}

inline Parked* ServerState::first_of_all_to_look_at(std::uint64_t round) const noexcept {
    Parked* first = nullptr;
    for_each_server([&](const ServerState& server) {
        server.mutex.assert_held();
        Parked* const one = server.first_to_look_at(round);
        if (one == nullptr) return;
        if (first == nullptr || *next_look(*one) < *next_look(*first)) first = one;
    });
    return first;
}

inline bool ServerState::is_anybody_blocked() const noexcept {
    std::size_t blocked = 0;
    for_each_server([&](const ServerState& server) {
        server.mutex.assert_held();
        blocked += server.blocked_;
    });
    return blocked != 0;
}

inline void ServerState::expire_all_due() noexcept {
    for_each_server([](ServerState& server) {
        server.mutex.assert_held();
        server.expire_due(server.wall());
    });
    serve_all();
}

inline void ServerState::ring_due() noexcept {
    if (is_run(TimersOf::get(clock)) || !is_anybody_blocked()) return;
    expire_all_due();
    // Each once: a command that is carried out again may be due again at once.
    const std::uint64_t round = ++place_.gate->round;
    while (Parked* const first = first_of_all_to_look_at(round)) {
        if (*next_look(*first) > clock.now()) return;
        first->looked_at_in = round;
        ServerState& server = first->session.server;
        server.mutex.assert_held();
        if (!server.end_if_overdue(*first)) (void)server.serve_again(*first);
        serve_all();
    }
}

inline void ServerState::do_due() noexcept {
    ring_due();
    expire_all_due();
}

inline void ServerState::finish(PendingState& pending, std::optional<Reply> reply,
                                bool has_failed) noexcept {
    pending.has_failed = has_failed;
    pending.reply = std::move(reply);
    pending.is_done.store(true, std::memory_order_release);
    ask_all(pending.waiters, after().chain);
    if (pending.seen) after().tell(pending);
}

// ---- serving

// As long as something has happened that may end a wait, or a session whose wait has ended has more
// commands. Such a session first carries out all it can. Those whose waits that ends come after it:
// no recursion.
// NOLINTNEXTLINE(misc-no-recursion)
inline void ServerState::serve_own() noexcept {
    for (;;) {
        while (KeyWaits* const waits = waits_.take_ready()) serve_ready(*waits);
        if (unblocked_.empty() || is_carrying_out_later_) return;
        SessionState& session = unblocked_.pop_front();
        session.is_unblocked = false;
        carry_out_later(session);
    }
}

inline void ServerState::list_to_serve() noexcept {
    if (is_to_serve) return;
    is_to_serve = true;
    place_.gate->to_serve.push_back(*this);
}

// NOLINTNEXTLINE(misc-no-recursion)
inline void ServerState::serve_all() noexcept {
    while (!place_.gate->to_serve.empty()) {
        auto& server = static_cast<ServerState&>(place_.gate->to_serve.pop_front());
        server.mutex.assert_held();
        server.is_to_serve = false;
        server.serve_own();
    }
}

// Asks those that waited at a key when it became ready, in their order.
inline void ServerState::serve_ready(KeyWaits& waits) noexcept {
    waits.is_being_served = true;
    std::size_t left = waits.queue.size();
    for (WaitNode* node = waits.queue.first(); left != 0; --left) {
        WaitNode* const next = node->next;
        auto& parked = static_cast<Parked&>(*node->waiter);
        if (!end_if_overdue(parked) && is_to_be_served(parked, waits)) (void)parked.serve(*node);
        node = next;
    }
    waits.is_being_served = false;
    waits_.drop_if_empty(waits);
}

inline bool ServerState::is_to_be_served(const Parked& parked, const KeyWaits& waits) noexcept {
    if (parked.what == WaitsFor::group) return true;
    const auto* const key = database(waits.database).find(*waits.name);
    return key != nullptr && key->second.value->type() == type_of(parked.what);
}

inline Served Parked::serve_again(WaitNode& node) noexcept {
    auto& parked = static_cast<Parked&>(*node.waiter);
    ServerState& server = parked.session.server;
    server.mutex.assert_held();
    return server.serve_again(parked);
}

inline Served ServerState::serve_again(Parked& parked) noexcept {
    SessionState& session = parked.session;
    command_time_ = wall();
    Call call{*this, session, parked.info, parked.owned.get(), command_time_};
    call.is_carried_out_again(parked);
    try {
        if (cluster() != nullptr) {
            // Its key may have gone to another node.
            auto redirection =
                cluster()->redirection(session, parked.is_asking, parked.info, parked.owned.get());
            if (redirection) {
                answer_parked(session, std::move(*redirection));
                return Served::yes;
            }
        }
        Reply reply = parked.info.handler(call);
        if (call.is_blocked()) {
            arm_again(parked);
            return Served::no;
        }
        answer_parked(session, std::move(reply));
        send(call.outputs());
    } catch (Refusal& refusal) {
        answer_parked(session, std::move(refusal.reply));
    } catch (...) {
        end_parked(session, std::nullopt, LoggedCommand::What::failed);
    }
    return Served::yes;
}

// Carries out the commands that stood behind a parked one, up to the next that is parked.
// NOLINTNEXTLINE(misc-no-recursion)
inline void ServerState::carry_out_later(SessionState& session) noexcept {
    const std::shared_ptr<SessionState> keep = session.shared_from_this();
    is_carrying_out_later_ = true;
    while (!session.backlog.empty() && !session.parked && !session.is_closed) {
        std::list<LaterCommand> first;
        first.splice(first.begin(), session.backlog, session.backlog.begin());
        std::shared_ptr<PendingState> pending = first.front().pending;
        try {
            const LaterCommand& later = first.front();
            Answer answer = carry_out(session, later.words.get(), pending, later.strike);
            if (!answer.is_parked) finish(*pending, std::move(answer.reply), false);
        } catch (...) {
            finish(*pending, std::nullopt, true);
        }
    }
    is_carrying_out_later_ = false;
    tell_carrier(session);
}

// ---- time

inline void ServerState::expire_due(Milliseconds now) noexcept {
    ServerState& owner = data();
    owner.mutex.assert_held();
    if (owner.expiring_ == 0) [[likely]]
        return;
    for (std::size_t number = 0; number != owner.databases_.size(); ++number) {
        Database& of = owner.databases_[number];
        for (const auto* next = of.first_expiry(); next != nullptr && next->at <= now;
             next = of.first_expiry()) {
            owner.erase(number, *next->key);
            ++owner.statistics.expired_keys;
        }
    }
}

// A stream that expires ends the waits of its groups' readers. Only for them the server looks at
// keys that expire while nobody calls.
inline void ServerState::prepare_expiry_alarm() {
    if (blocked_groups_ != 0) make_spare_alarm();
}
inline void ServerState::make_spare_alarm() {
    if (!spare_alarm_) spare_alarm_ = std::make_shared<Alarm>(shared_from_this());
}

inline const Database::Expiry* ServerState::first_expiry() const noexcept {
    const Database::Expiry* first = nullptr;
    const ServerState& owner = data();
    owner.mutex.assert_held();
    for (const Database& one : owner.databases_) {
        const auto* const expiry = one.first_expiry();
        if (expiry != nullptr && (first == nullptr || expiry->at < first->at)) first = expiry;
    }
    return first;
}

inline void ServerState::arm_expiry_alarm() noexcept {
    if (blocked_groups_ == 0) return disarm(expiry_alarm_);
    const Database::Expiry* const first = first_expiry();
    if (first == nullptr) return disarm(expiry_alarm_);
    const auto at = deadline_at(first->at);
    if (!at) return disarm(expiry_alarm_);
    if (expiry_alarm_ && !expiry_alarm_->is_over && expiry_alarm_->at == *at) return;
    if (!spare_alarm_) return;  // a command that needs it makes one first
    disarm(expiry_alarm_);
    expiry_alarm_ = std::move(spare_alarm_);
    expiry_alarm_->at = *at;
    after().arm(expiry_alarm_);
}

inline void ServerState::on_alarm(Alarm& alarm) noexcept {
    if (alarm.is_over) return;
    alarm.is_over = true;
    // Nobody runs the clock. So there is no sense in another alarm: whoever looks has to act.
    if (alarm.at > clock.now()) return;
    // A command that was due meanwhile comes too late, as in a command of a client.
    expire_due(wall());
    if (alarm.parked != nullptr) {
        Parked& parked = *alarm.parked;
        if (!end_if_overdue(parked) && parked.again.get() == &alarm) (void)serve_again(parked);
    } else {
        try {
            prepare_expiry_alarm();
        } catch (...) {
            spare_alarm_.reset();  // keys that expire later end no wait until the next command
        }
    }
    arm_expiry_alarm();
    serve_all();
}

// After it nobody rings it.
inline void ServerState::disarm(std::shared_ptr<Alarm>& alarm) noexcept {
    if (!alarm) return;
    alarm->is_over = true;
    alarm->parked = nullptr;
    stop_timer(clock, alarm->timer);
    // If the clock has claimed it, it lives until it has rung, to no effect.
    if (alarm->claim(WaitEnd::stopped)) alarm->self.reset();
    alarm.reset();
}

inline void Alarm::ring(Waiter& waiter) noexcept {
    auto& alarm = static_cast<Alarm&>(waiter);
    ServerState& server = *alarm.server;
    std::shared_ptr<Alarm> keep;
    const Entering entering{server};
    keep = std::move(alarm.self);
    server.on_alarm(alarm);
}

}  // namespace runnel::inline v0::redis::detail
