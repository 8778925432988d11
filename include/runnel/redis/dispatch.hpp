// SPDX-License-Identifier: MIT
#pragma once

// How a server carries out commands: what ServerState and Call declare.

#include <runnel/redis/afterwards.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/command_table.hpp>
#include <runnel/redis/inspection.hpp>
#include <runnel/redis/parking.hpp>
#include <runnel/redis/state.hpp>

// Otherwise one file of the program has them: see compiled.hpp.
#if !defined(RUNNEL_REDIS_COMPILED)
#    include <runnel/redis/all_commands.hpp>
#endif

#include <algorithm>
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

// ---- the commands

inline std::vector<const CommandInfo*> Call::all_commands() const {
    std::vector<const CommandInfo*> commands = CommandTable::get().all();
    std::erase_if(commands, [&](const CommandInfo* one) { return profile().has < one->since; });
    return commands;
}
inline const CommandInfo* Call::find_command(std::string_view name) const noexcept {
    return CommandTable::get().find_in_any_case(name, profile().has);
}

// ---- the server, and its sessions

inline ServerState::ServerState(const ServerOptions& given, ServerPlace place)
    : is_strict{given.strict},
      profile{profile_of(given.version)},
      own_clock_{place.clock || given.clock != nullptr ? place.clock
                                                       : std::make_shared<ManualClock>()},
      clock{own_clock_ ? *own_clock_ : *given.clock},
      started{wall()},
      place_{std::move(place)},
      mutex{place_.gate->mutex},
      memory{place_.gate->memory},
      random{given.seed},
      settings{given},
      waits_{given.databases},
      watchers_(given.databases),
      log_{given.keep_commands},
      began_{clock.now()},
      history_{clock} {
    if (given.keep_history) listeners_.push_back(&history_);
    databases_.reserve(given.databases);
    while (databases_.size() != given.databases) databases_.emplace_back(expiring_);
}

inline std::shared_ptr<SessionState> ServerState::open(const SessionOptions& session_options,
                                                       Wire* wire) {
    const Lock lock{mutex};
    auto session = std::make_shared<SessionState>(*this, last_id_ + 1, session_options, wire);
    session->facts.opened = session->facts.active = wall();
    session->is_authenticated = settings.accepts(session_options.password);
    if (cluster() != nullptr && cluster()->map.node(node()).has_failed) {
        session->is_closed = true;
        return session;
    }
    sessions_.emplace(session->id, session);
    ++last_id_;
    ++statistics.connections;
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
    std::shared_ptr<const Interceptor> by;  // destroyed without the lock
    const Entering entering{*this};
    by = intercept(nullptr);
    end_all_sessions();
    disarm(expiry_alarm_);
    spare_alarm_.reset();  // it refers to this
}

inline void ServerState::end_all_sessions() noexcept {
    while (!sessions_.empty()) {
        const std::shared_ptr<SessionState> session = sessions_.begin()->second;
        end_session(*session);
    }
}

inline void ServerState::end_session(SessionState& session) noexcept {
    if (session.is_closed) return;
    session.is_closed = true;
    subscribers.unsubscribe_all(session, session.subscriptions);
    unwatch(session);
    session.transaction.reset();
    if (session.parked) end_parked(session, std::nullopt, LoggedCommand::What::closed);
    for (LaterCommand& later : session.backlog) finish(*later.pending, std::nullopt, false);
    session.backlog.clear();
    ask_all(session.push_waiters, after().chain);
    tell_carrier(session);
    auto node = sessions_.extract(session.id);
    if (session.is_pushing) session.keep = std::move(node.mapped());
}

inline SessionState* ServerState::find_session(std::int64_t id) noexcept {
    const auto found = sessions_.find(id);
    return found == sessions_.end() ? nullptr : found->second.get();
}

// ---- commands

// Steps 1 to 4 of a request. Throws: Refusal, Redirection.
inline const CommandInfo& ServerState::admit(SessionState& session, Words words) const {
    session.facts.last_command = nullptr;
    const CommandInfo& info = CommandTable::get().look_up(words, profile.has);
    session.facts.last_command = &info;
    if (must_authenticate(session) && !info.has(Flag::no_auth))
        refuse("NOAUTH Authentication required.");
    if (cluster() != nullptr) expect_served(session, info, words);
    const bool is_restricted = !session.is_resp3() && !session.subscriptions.empty();
    if (is_restricted && !info.has(Flag::when_subscribed))
        refuse("ERR Can't execute '" + std::string{info.name} +
               "': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in "
               "this context");
    return info;
}

// Throws: Refusal, Redirection.
inline void ServerState::expect_served(const SessionState& session, const CommandInfo& info,
                                       Words words) const {
    const ClusterState& nodes = *cluster();
    if (auto reply = nodes.redirection(session, session.is_asking, info, words))
        throw Redirection{std::move(*reply)};
    if (writes(session, info) && !nodes.map.is_master(node()))
        refuse("READONLY You can't write against a read only replica.");
}

// For a command that is not carried out: EXEC ends its transaction nevertheless, others fail it.
inline void ServerState::fail_transaction(SessionState& session, Words words) noexcept {
    if (is(words[0], "EXEC")) {
        session.transaction.reset();
        unwatch(session);
    } else if (session.transaction) {
        session.transaction->has_failed = true;
    }
}

// The reply to a command that is not admitted.
inline Reply ServerState::reject(SessionState& session, Words words, Reply refusal) {
    Reply reply = std::move(refusal);
    if (is(words[0], "EXEC")) {
        std::string_view why = reply.text();
        if (why.starts_with("ERR ")) why.remove_prefix(std::string_view{"ERR "}.size());
        reply = Reply::error("EXECABORT Transaction discarded because of: " + std::string{why});
    }
    fail_transaction(session, words);
    return reply;
}

// A command that finds no memory has not been carried out, and does not count.
inline Reply ServerState::run(Call& call) {
    try {
        Reply reply = call.info().handler(call);
        ++statistics.commands;
        return reply;
    } catch (const Refusal&) {
        ++statistics.commands;
        throw;
    }
}

inline Reply ServerState::reply_to(SessionState& session, Words words, Milliseconds now,
                                   std::optional<Call>& call,
                                   std::shared_ptr<PendingState>& pending) {
    const CommandInfo* info = nullptr;
    try {
        info = &admit(session, words);
    } catch (Redirection& redirection) {
        fail_transaction(session, words);
        return std::move(redirection.reply);
    } catch (Refusal& refusal) {
        expect_supported(words);
        return reject(session, words, std::move(refusal.reply));
    }
    if (session.transaction && !info->has(Flag::not_queued)) {
        session.transaction->commands.push_back({info, OwnedWords{words}});
        return Reply::simple_string("QUEUED");
    }
    call.emplace(*this, session, *info, words, now);
    call->give_reply_to(pending);
    try {
        return run(*call);
    } catch (Refusal& refusal) {
        call.reset();
        return std::move(refusal.reply);
    }
}

// What is served may go on with commands of its own; serve_all() bounds how deep.
// NOLINTNEXTLINE(misc-no-recursion)
inline ServerState::Answer ServerState::carry_out(SessionState& session, Words words,
                                                  std::shared_ptr<PendingState>& pending,
                                                  const std::optional<Strike>& decided) {
    RUNNEL_ASSERT(!session.is_closed);
    if (decided) return carry_out_struck(session, words, pending, *decided);
    if (faults_.empty()) [[likely]]
        return carry_out_now(session, words, pending, nullptr, Heard::yes);
    return carry_out_struck(session, words, pending, strike(session, words));
}

// NOLINTNEXTLINE(misc-no-recursion)
inline ServerState::Answer ServerState::carry_out_now(SessionState& session, Words words,
                                                      std::shared_ptr<PendingState>& pending,
                                                      const Strike* given, Heard heard) {
    const Milliseconds now = command_time_ = session.facts.active = wall();
    expire_due(now);
    prepare_expiry_alarm();
    RoomForAnswer room{{session.outbox, memory}};
    if (log_.is_kept()) room.logged.emplace(session.id, words);
    std::optional<Call> call;
    Reply reply = given != nullptr ? answer_with(session, words, *given)
                                   : reply_to(session, words, now, call, pending);
    ++session.facts.commands;
    // ASKING is for the next command, and between MULTI and EXEC for all.
    if (!session.transaction && !is(words[0], "ASKING")) session.is_asking = false;
    // Nothing fails from here on.
    Answer answer = call && call->is_blocked() ? park_call(*call, room, heard)
                                               : send_answer(call, std::move(reply), room, heard);
    arm_expiry_alarm();
    serve_all();
    return answer;
}

inline ServerState::Answer ServerState::park_call(Call& call, RoomForAnswer& room,
                                                  Heard heard) noexcept {
    auto parked = call.take_parked();
    parked->room.emplace(std::move(room.reply));
    parked->loses_reply = heard == Heard::lost;
    if (room.logged) {
        parked->later_log.swap(room.logged->later);
        log(room.logged->now, LoggedCommand::What::waits);
    }
    park(std::move(parked));
    return {.is_parked = true};
}

inline ServerState::Answer ServerState::send_answer(std::optional<Call>& call, Reply reply,
                                                    RoomForAnswer& room, Heard heard) noexcept {
    Answer answer;
    if (!call || call->has_reply()) answer.reply = std::move(reply);
    if (heard == Heard::yes && answer.reply) room.reply.send(*answer.reply);
    if (room.logged) {
        using What = LoggedCommand::What;
        const What said = answer.reply ? What::replied : What::pushes;
        log(room.logged->now, heard == Heard::yes ? said : What::lost, answer.reply);
    }
    if (!call) return answer;
    if (heard == Heard::yes) send(call->answers());
    send(call->outputs());
    if (call->quits()) end_session(call->session());
    return answer;
}

inline void ServerState::submit(SessionState& session, Words words,
                                const std::shared_ptr<PendingState>& pending,
                                std::optional<Strike> decided) {
    ring_due();
    if (session.is_closed) return finish(*pending, std::nullopt, false);
    if (session.parked || !session.backlog.empty()) {
        if (is_strict && !decided) expect_supported(words);
        session.backlog.push_back({OwnedWords{words}, pending, std::move(decided)});
        return;
    }
    std::shared_ptr<PendingState> gets_reply = pending;
    Answer answer = carry_out(session, words, gets_reply, decided);
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
        Reply reply = run(call);
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
    for (const QueuedCommand& command : transaction.commands) {
        // A client that has killed itself gets nothing of what follows: not the whole reply.
        if (exec.quits()) exec.lose_reply();
        carry_out_one(exec, command, in_order);
    }
    in_order.surplus().append(exec.outputs());
    exec.outputs().append(in_order.surplus());
}

// ---- changes

inline void ServerState::tell(const Change& change, ChangedIn in) noexcept {
    ServerState& owner = data();
    owner.mutex.assert_held();
    owner.note(change, in);
    for (ServerState* const replica : owner.replicas_) {
        replica->mutex.assert_held();
        replica->note(change, in);
    }
    for (ChangeListener* const listener : owner.listeners_) listener->on_change(change, in);
}

inline void ServerState::note(const Change& change, ChangedIn in) noexcept {
    if (touches(change.what)) {
        const Watchers& watchers = watchers_[in.database];
        if (!watchers.empty()) {
            const auto found = watchers.find(change.key);
            if (found != watchers.end())
                for (SessionState* const session : found->second) session->is_touched = true;
        }
    }
    waits_.note(change, in);
    if (waits_.has_ready()) list_to_serve();
}

inline void ServerState::erase(std::size_t number, Database::Keys::value_type& key) noexcept {
    Database& from = database(number);
    const ValueType type = key.second.value->type();
    auto node = from.take(key);
    tell({.what = Change::What::key_gone, .key = node.key(), .type = type}, {number});
}

inline void ServerState::watch(SessionState& session, std::string_view key) {
    Watchers& watchers = watchers_[session.database];
    const auto there = watchers.find(key);
    if (there != watchers.end() && std::ranges::count(there->second, &session) != 0) return;
    std::list<WatchedKey> made;
    made.push_back({session.database, std::string{key}});
    const auto [at, is_new] = watchers.try_emplace(made.front().name);
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

}  // namespace runnel::inline v0::redis::detail
