// SPDX-License-Identifier: MIT
#pragma once

// How a server carries out commands: what ServerState and Call declare.

#include <runnel/redis/call.hpp>
#include <runnel/redis/command_table.hpp>
#include <runnel/redis/state.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::detail {

// ---- the server, and its sessions

inline ServerState::ServerState(const ServerOptions& given)
    : options{given},
      profile{profile_of(given.version)},
      own_clock_{given.clock == nullptr ? std::make_unique<ManualClock>() : nullptr},
      clock{given.clock == nullptr ? *own_clock_ : *given.clock},
      random{given.seed},
      waits_{given.databases},
      watchers_(given.databases) {
    databases_.reserve(given.databases);
    while (databases_.size() != given.databases) databases_.emplace_back(expiring_);
}

inline std::shared_ptr<SessionState> ServerState::open(const SessionOptions& session_options) {
    const Lock lock{mutex};
    auto session = std::make_shared<SessionState>(*this, last_id_ + 1, session_options);
    sessions_.emplace(session->id, session);
    ++last_id_;
    return session;
}

inline void ServerState::close(SessionState& session) noexcept {
    const Entering entering{*this};
    end_session(session);
}

inline void ServerState::remove(SessionState& session) noexcept {
    std::shared_ptr<const PushHandler> handler;  // destroyed without the lock
    const Entering entering{*this};
    end_session(session);
    handler.swap(session.on_push);
    take_back(session);
    session.outbox.clear();
}

inline void ServerState::close_all() noexcept {
    const Entering entering{*this};
    while (!sessions_.empty()) {
        const std::shared_ptr<SessionState> session = sessions_.begin()->second;
        end_session(*session);
    }
    disarm(expiry_alarm_);
    spare_alarm_.reset();  // it refers to this
}

inline void ServerState::end_session(SessionState& session) noexcept {
    if (session.is_closed) return;
    session.is_closed = true;
    subscribers.unsubscribe_all(session, session.subscriptions);
    unwatch(session);
    session.transaction.reset();
    if (session.parked) end_parked(session, std::nullopt);
    for (LaterCommand& later : session.backlog) finish(*later.pending, std::nullopt, false);
    session.backlog.clear();
    ask_all(session.push_waiters, after_->chain);
    auto node = sessions_.extract(session.id);
    if (session.is_pushing) session.keep = std::move(node.mapped());
}

inline SessionState* ServerState::find_session(std::int64_t id) noexcept {
    const auto found = sessions_.find(id);
    return found == sessions_.end() ? nullptr : found->second.get();
}

// ---- commands

// Steps 1, 2 and 4 of a request. Throws: Refusal.
inline const CommandInfo& ServerState::admit(const SessionState& session, Words words) const {
    const CommandInfo& info = CommandTable::get().look_up(words, profile.has);
    const bool is_restricted = !session.is_resp3() && !session.subscriptions.empty();
    if (is_restricted && !info.has(Flag::when_subscribed))
        refuse("ERR Can't execute '" + std::string{info.name} +
               "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in "
               "this context");
    return info;
}

// The reply to a command that is not admitted. EXEC ends its transaction nevertheless.
inline Reply ServerState::reject(SessionState& session, Words words, Reply refusal) {
    if (!is(words[0], "EXEC")) {
        if (session.transaction) session.transaction->has_failed = true;
        return refusal;
    }
    Reply reply = Reply::error("EXECABORT Transaction discarded because of: " +
                               refusal.text().substr(std::string_view{"ERR "}.size()));
    session.transaction.reset();
    unwatch(session);
    return reply;
}

inline Reply ServerState::reply_to(SessionState& session, Words words, Milliseconds now,
                                   std::optional<Call>& call,
                                   std::shared_ptr<PendingState>& pending) {
    const CommandInfo* info = nullptr;
    try {
        info = &admit(session, words);
    } catch (Refusal& refusal) {
        return reject(session, words, std::move(refusal.reply));
    }
    if (session.transaction && !info->has(Flag::not_queued)) {
        session.transaction->commands.push_back({info, OwnedWords{words}});
        return Reply::simple_string("QUEUED");
    }
    call.emplace(*this, session, *info, words, now);
    call->give_reply_to(pending);
    try {
        return info->handler(*call);
    } catch (Refusal& refusal) {
        call.reset();
        return std::move(refusal.reply);
    }
}

// What is served may go on with commands of its own; serve_all() bounds how deep.
// NOLINTNEXTLINE(misc-no-recursion)
inline ServerState::Answer ServerState::carry_out(SessionState& session, Words words,
                                                  std::shared_ptr<PendingState>& pending) {
    RUNNEL_ASSERT(!session.is_closed);
    const Milliseconds now = wall();
    expire_due(now);
    prepare_expiry_alarm();
    ReplyRoom room{session.outbox, memory};
    std::optional<Call> call;
    Answer answer;
    Reply reply = reply_to(session, words, now, call, pending);
    // Nothing fails from here on.
    if (call && call->is_blocked()) {
        auto parked = call->take_parked();
        parked->room.emplace(std::move(room));
        park(std::move(parked));
        answer.is_parked = true;
    } else {
        if (!call || call->has_reply()) {
            answer.reply = reply;
            room.send(std::move(reply));
        }
        if (call) {
            send(call->answers());
            send(call->outputs());
            if (call->quits()) end_session(session);
        }
    }
    arm_expiry_alarm();
    serve_all();
    return answer;
}

inline void ServerState::submit(SessionState& session, Words words,
                                const std::shared_ptr<PendingState>& pending) {
    ring_due();
    if (session.is_closed) return finish(*pending, std::nullopt, false);
    if (session.parked || !session.backlog.empty()) {
        session.backlog.push_back({OwnedWords{words}, pending});
        return;
    }
    std::shared_ptr<PendingState> gets_reply = pending;
    Answer answer = carry_out(session, words, gets_reply);
    if (!answer.is_parked) finish(*pending, std::move(answer.reply), false);
}

inline std::optional<Reply> ServerState::execute(SessionState& session, Words words,
                                                 std::shared_ptr<PendingState>& pending) {
    ring_due();
    if (session.is_closed) return std::nullopt;
    if (session.parked || !session.backlog.empty()) {
        auto made = std::make_shared<PendingState>(shared_from_this());
        submit(session, words, made);
        pending = std::move(made);
        return std::nullopt;
    }
    return carry_out(session, words, pending).reply;
}

// The replies of EXEC as they come. Each confirmation is a reply of its own, but the array has room
// for one a command only: as in Redis, the last replies stand behind it.
class ExecReplies {
public:
    ExecReplies(std::vector<Reply>& replies, OutputMemory& memory) noexcept
        : next_{replies.begin()}, end_{replies.end()}, surplus_{memory}, spare_{memory} {}

    void put(Reply&& reply) noexcept {
        if (next_ != end_) {
            *next_++ = std::move(reply);
            return;
        }
        UnsentPush& push = spare_.take_first();  // an answer has taken its place, and left its own
        push.output.own_reply() = std::move(reply);
        surplus_.add(push);
    }
    void put_all(Prepared& answers) noexcept {
        surplus_.append(answers);
        while (next_ != end_ && !surplus_.empty()) {
            UnsentPush& answer = surplus_.take_first();
            put(std::move(answer.output.own_reply()));
            spare_.add(answer);
        }
    }
    [[nodiscard]] Prepared& surplus() noexcept { return surplus_; }

private:
    std::vector<Reply>::iterator next_;
    const std::vector<Reply>::iterator end_;
    Prepared surplus_;
    Prepared spare_;
};

inline void ServerState::carry_out_one(Call& exec, const QueuedCommand& command,
                                       ExecReplies& replies) noexcept {
    SessionState& session = exec.session();
    Call call{*this, session, *command.info, command.words.get(), exec.now()};
    call.forbid_blocking();
    try {
        Reply reply = command.info->handler(call);
        if (call.has_reply()) replies.put(std::move(reply));
    } catch (Refusal& refusal) {
        return replies.put(std::move(refusal.reply));
    } catch (...) {
        return replies.put(Reply::error("OOM no memory"));  // short enough to need none
    }
    replies.put_all(call.answers());
    // Others hear of it now, as the next command may end their waits.
    while (!call.outputs().empty()) {
        UnsentPush& push = call.outputs().take_first();
        if (push.to == &session.outbox)
            exec.outputs().add(push);
        else
            send_push(push);
    }
    if (call.quits()) exec.quit();
}

inline void ServerState::carry_out_queued(Call& exec, Transaction& transaction,
                                          std::vector<Reply>& replies) noexcept {
    ExecReplies in_order{replies, memory};
    for (const QueuedCommand& command : transaction.commands)
        carry_out_one(exec, command, in_order);
    in_order.surplus().append(exec.outputs());
    exec.outputs().append(in_order.surplus());
}

// ---- waiting

inline Reply Call::block(Block&& block) {
    if (!may_block_) return std::move(block.otherwise);
    server_.mutex.assert_held();
    if (parked_again_ == nullptr) {
        parked_ = std::make_shared<Parked>(session_, info_, words_);
        if (!*pending_) *pending_ = std::make_shared<PendingState>(server_.shared_from_this());
        parked_->pending = *pending_;
        parked_->database = session_.database;
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
    if (one.what == WaitsFor::group) ++blocked_groups_;
    one.pending->parked = parked;
    session.parked = std::move(parked);
    if (one.at_deadline) {
        one.at_deadline->parked = &one;
        after_->arm(one.at_deadline);
    }
    arm_again(one);
}

inline void ServerState::arm_again(Parked& parked) noexcept {
    disarm(parked.again);
    if (!parked.next_again) return;
    parked.again = std::move(parked.next_again);
    parked.again->parked = &parked;
    after_->arm(parked.again);
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
    if (parked->what == WaitsFor::group) --blocked_groups_;
    disarm(parked->at_deadline);
    disarm(parked->again);
    parked->pending->parked.reset();
    return parked;
}

inline void ServerState::end_parked(SessionState& session, std::optional<Reply> reply,
                                    bool has_failed) noexcept {
    const std::shared_ptr<Parked> parked = unpark(session);
    (void)parked->claim(WaitEnd::served);
    if (reply) parked->room->send(*reply);
    parked->room.reset();
    finish(*parked->pending, std::move(reply), has_failed);
    if (session.is_closed || session.is_unblocked || session.backlog.empty()) return;
    session.is_unblocked = true;
    unblocked_.push_back(session);
}

inline bool ServerState::end_if_overdue(Parked& parked) noexcept {
    if (!parked.deadline || *parked.deadline > clock.now()) return false;
    SessionState& session = parked.session;
    end_parked(session, session.null_array());
    return true;
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
    if (const Parked* const first = first_to_look_at(round_ + 1)) next = next_look(*first);
    const auto* const expiry = blocked_groups_ != 0 ? first_expiry() : nullptr;
    const auto at = expiry != nullptr ? deadline_at(expiry->at) : std::nullopt;
    return at ? std::min(next.value_or(*at), *at) : next;
}

inline void ServerState::ring_due() noexcept {
    if (blocked_ == 0 || is_run(TimersOf::get(clock))) return;
    expire_due(wall());
    serve_all();
    // Each once: a command that is carried out again may be due again at once.
    const std::uint64_t round = ++round_;
    while (Parked* const first = first_to_look_at(round)) {
        if (*next_look(*first) > clock.now()) return;
        first->looked_at_in = round;
        if (!end_if_overdue(*first)) (void)serve_again(*first);
        serve_all();
    }
}

inline void ServerState::finish(PendingState& pending, std::optional<Reply> reply,
                                bool has_failed) noexcept {
    pending.has_failed = has_failed;
    pending.reply = std::move(reply);
    pending.is_done.store(true, std::memory_order_release);
    ask_all(pending.waiters, after_->chain);
}

// ---- serving

// As long as something has happened that may end a wait, or a session whose wait has ended has more
// commands. Such a session first carries out all it can. Those whose waits that ends come after it:
// no recursion.
// NOLINTNEXTLINE(misc-no-recursion)
inline void ServerState::serve_all() noexcept {
    for (;;) {
        while (KeyWaits* const waits = waits_.take_ready()) serve_ready(*waits);
        if (unblocked_.empty() || is_carrying_out_later_) return;
        SessionState& session = unblocked_.pop_front();
        session.is_unblocked = false;
        carry_out_later(session);
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
    const auto* const key = databases_[waits.database].find(*waits.name);
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
    Call call{*this, session, parked.info, parked.owned.get(), wall()};
    call.is_carried_out_again(parked);
    try {
        Reply reply = parked.info.handler(call);
        if (call.is_blocked()) {
            arm_again(parked);
            return Served::no;
        }
        end_parked(session, std::move(reply));
        send(call.outputs());
    } catch (Refusal& refusal) {
        end_parked(session, std::move(refusal.reply));
    } catch (...) {
        end_parked(session, std::nullopt, true);
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
            Answer answer = carry_out(session, first.front().words.get(), pending);
            if (!answer.is_parked) finish(*pending, std::move(answer.reply), false);
        } catch (...) {
            finish(*pending, std::nullopt, true);
        }
    }
    is_carrying_out_later_ = false;
}

// ---- time

inline void ServerState::expire_due(Milliseconds now) noexcept {
    if (expiring_ == 0) [[likely]]
        return;
    for (std::size_t number = 0; number != databases_.size(); ++number) {
        Database& of = databases_[number];
        for (const auto* next = of.first_expiry(); next != nullptr && next->at <= now;
             next = of.first_expiry())
            erase(number, *next->key);
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
    for (const Database& one : databases_) {
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
    after_->arm(expiry_alarm_);
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

// ---- changes

inline void ServerState::tell(const Change& change, ChangedIn in) noexcept {
    if (touches(change.what)) {
        const Watchers& watchers = watchers_[in.database];
        if (!watchers.empty()) {
            const auto found = watchers.find(change.key);
            if (found != watchers.end())
                for (SessionState* const session : found->second) session->is_touched = true;
        }
    }
    waits_.note(change, in);
    for (ChangeListener* const listener : listeners_) listener->on_change(change, in);
}

inline void ServerState::erase(std::size_t number, Database::Keys::value_type& key) noexcept {
    Database& from = databases_[number];
    const ValueType type = key.second.value->type();
    auto node = from.take(key);
    tell({.what = Change::What::key_gone, .key = node.key(), .type = type}, {number});
}

inline void ServerState::watch(SessionState& session, std::string_view key) {
    const auto is_watched = [&](const WatchedKey& one) {
        return one.database == session.database && one.name == key;
    };
    if (std::ranges::any_of(session.watched, is_watched)) return;
    std::list<WatchedKey> made;
    made.push_back({session.database, std::string{key}});
    Watchers& watchers = watchers_[session.database];
    const auto [at, is_new] = watchers.try_emplace(std::string{key});
    try {
        at->second.push_back(&session);
    } catch (...) {
        if (is_new) watchers.erase(at);
        throw;
    }
    session.watched.splice(session.watched.end(), made);
}

inline void ServerState::unwatch(SessionState& session) noexcept {
    for (const WatchedKey& key : session.watched) {
        Watchers& watchers = watchers_[key.database];
        const auto found = watchers.find(key.name);
        std::erase(found->second, &session);
        if (found->second.empty()) watchers.erase(found);
    }
    session.watched.clear();
    session.is_touched = false;
}

// ---- outputs

inline void ServerState::send(Prepared& outputs) noexcept {
    while (!outputs.empty()) send_push(outputs.take_first());
}

inline void ServerState::send_push(UnsentPush& push) noexcept {
    SessionState& session = push.to->session;
    Output output = std::move(push.output);
    memory.pushes.give_back(push);
    if (session.is_closed) return session.outbox.no_push();
    session.outbox.add_push(std::move(output));
    ask_all(session.push_waiters, after_->chain);
    hand_out_pushes(session);
    hold_to_limit(session);
}

// Closes a session that has let too much wait.
inline void ServerState::hold_to_limit(SessionState& session) noexcept {
    const OutputLimit& limit = options.pubsub_limit;
    const std::size_t waiting = session.outbox.waiting_bytes();
    const bool is_over_hard = limit.hard != 0 && waiting >= limit.hard;
    if (limit.soft == 0 || waiting < limit.soft) {
        session.soft_limit_since.reset();
    } else if (!session.soft_limit_since) {
        session.soft_limit_since = clock.now();
    }
    const bool is_over_soft =
        session.soft_limit_since && clock.now() - *session.soft_limit_since > limit.soft_time;
    if (!is_over_hard && !is_over_soft) return;
    session.outbox.drop_pushes();
    end_session(session);
}

// ---- without the lock

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

inline void Afterwards::call_handlers() noexcept {
    SessionState* session = sessions_.first();
    for (std::size_t left = session_count_; left != 0; --left, session = session->next_to_push)
        if (session->has_taken.exchange(false, std::memory_order_acquire))
            (*session->handler)(session->taken.reply());
}

inline Afterwards::~Afterwards() {
    chain.resume_all();
    arm_all();
    while (take_pushes()) call_handlers();
}

}  // namespace runnel::inline v0::redis::detail
