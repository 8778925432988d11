// SPDX-License-Identifier: MIT
#pragma once

// Faults, and what a server tells of its commands: what ServerState declares of that.

#include <runnel/error.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/command_log.hpp>
#include <runnel/redis/command_table.hpp>
#include <runnel/redis/fault_rules.hpp>
#include <runnel/redis/state.hpp>
#include <runnel/redis/waiting_command.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::detail {

// ---- faults, and what is told of commands

inline Strike ServerState::strike(const SessionState& session, Words words) {
    return faults_.strike({.info = CommandTable::get().find(words, profile.has),
                           .words = words,
                           .session = session.id,
                           .session_name = session.name,
                           .is_in_transaction = session.transaction.has_value()});
}

// The wall clock, moved; moved back if the command then finds no memory.
class SteppedClock {
public:
    SteppedClock(ManualClock* clock, std::chrono::nanoseconds step) noexcept
        : clock_{step.count() != 0 ? clock : nullptr} {
        if (clock_ == nullptr) return;
        const Clock::WallTime before = clock_->wall();
        clock_->step_wall(step);
        moved_ = clock_->wall() - before;
    }
    SteppedClock(const SteppedClock&) = delete;
    SteppedClock& operator=(const SteppedClock&) = delete;
    ~SteppedClock() {
        if (clock_ != nullptr) clock_->step_wall(-moved_);
    }
    void keep() noexcept { clock_ = nullptr; }

private:
    ManualClock* clock_;
    Clock::WallTime::duration moved_{};
};

// NOLINTNEXTLINE(misc-no-recursion)
inline ServerState::Answer ServerState::carry_out_struck(SessionState& session, Words words,
                                                         std::shared_ptr<PendingState>& pending,
                                                         const Strike& strike) {
    if (strike.delay.count() != 0) return delay(session, words, pending, strike);
    if (strike.drops) return drop(session, words);
    SteppedClock stepped{manual_clock(), strike.step};
    const Heard heard = strike.loses_reply ? Heard::lost : Heard::yes;
    if (strike.is_twice && !strike.answer) {
        // If it waits, it is heard as if it were the only one.
        const Heard of_first = heard == Heard::lost ? heard : Heard::no;
        const bool is_asking = session.is_asking;
        const Answer first = carry_out_now(session, words, pending, nullptr, of_first);
        stepped.keep();
        if (first.is_parked || session.is_closed) return {.is_parked = first.is_parked};
        session.is_asking = is_asking;
    }
    Answer answer =
        carry_out_now(session, words, pending, strike.answer ? &strike : nullptr, heard);
    stepped.keep();
    if (answer.is_parked) return answer;
    if (strike.ends || heard == Heard::lost) end_session(session);
    if (heard == Heard::lost) return {};
    return answer;
}

// What Redis does with a word that is too long, without reading it.
inline void ServerState::submit_too_long(SessionState& session,
                                         const std::shared_ptr<PendingState>& pending) {
    static constexpr std::array<std::string_view, 1> in_its_place{"(too long)"};
    submit(session, in_its_place, pending,
           Strike{.answer = Reply::error("ERR Protocol error: invalid bulk length"), .ends = true});
}

inline ServerState::Answer ServerState::drop(SessionState& session, Words words) {
    if (log_.is_kept()) {
        LogRoom room{session.id, words};
        log(room.now, LoggedCommand::What::closed);
    }
    end_session(session);
    return {};
}

// The reply to a command that is not carried out.
inline Reply ServerState::answer_with(SessionState& session, Words words, const Strike& strike) {
    const Reply& given = *strike.answer;
    if (!given.is_error()) return given;
    Reply refusal = reject(session, words, given);
    return strike.refuses ? refusal : given;
}

// The command is carried out later, as decided.
inline ServerState::Answer ServerState::delay(SessionState& session, Words words,
                                              std::shared_ptr<PendingState>& pending,
                                              const Strike& strike) {
    static constexpr CommandInfo delayed{.name = "(delayed)"};
    if (!pending) pending = std::make_shared<PendingState>(shared_from_this());
    auto parked = std::make_shared<Parked>(session, delayed, words);
    parked->pending = pending;
    parked->deadline = deadline_of(Timeout{strike.delay}, clock);
    parked->at_deadline = make_alarm(parked->deadline);
    parked->delayed.push_back({OwnedWords{words}, pending, strike});
    parked->delayed.front().strike->delay = {};
    park(std::move(parked));
    return {.is_parked = true};
}

inline void ServerState::log(CommandLog::Entries& entry, LoggedCommand::What what,
                             const std::optional<Reply>& reply) noexcept {
    if (entry.empty()) return;  // no log is kept
    LoggedCommand& logged = entry.front();
    logged.at = time_since_began();
    logged.what = what;
    if (reply) logged.reply = *reply;
    log_.add(entry);
}

inline WaitingCommand ServerState::describe(const Parked& parked) const {
    const Words words = parked.owned.get();
    WaitingCommand waiting{.session = parked.session.id,
                           .name = parked.session.name,
                           .words = {words.begin(), words.end()}};
    for (const ParkedNode& node : parked.nodes) waiting.keys.push_back(*node.waits->name);
    if (const auto due = next_look(parked)) waiting.due_in = *due - clock.now();
    return waiting;
}

inline std::vector<WaitingCommand> ServerState::waiting() const {
    std::vector<const Parked*> all;
    for (const auto& [id, session] : sessions_)
        if (session->parked) all.push_back(session->parked.get());
    std::ranges::sort(all, {}, &Parked::ticket);
    std::vector<WaitingCommand> waiting;
    waiting.reserve(all.size());
    for (const Parked* const parked : all) waiting.push_back(describe(*parked));
    return waiting;
}

inline std::optional<WaitingCommand> ServerState::next_due() const {
    const Parked* const first = first_to_look_at(place_.gate->round + 1);
    if (first == nullptr) return std::nullopt;
    return describe(*first);
}

inline void ServerState::note_unsupported(const std::string& what) {
    constexpr std::size_t most = 1000;
    if (unsupported_.size() != most) unsupported_.insert(what);
    if (is_strict)
        throw Error{ErrorCode::unsupported, "redis::Session: the fake of Redis has no " + what};
}

inline void ServerState::expect_supported(Words words) {
    const CommandTable& table = CommandTable::get();
    if (table.find(words, profile.has) != nullptr) return;
    std::string name{shown(words[0])};
    if (words.size() > 1 && table.find(words.first(1), profile.has) != nullptr)
        name.append(" ").append(shown(words[1]));
    name = in_capitals(name);
    const bool is_newer = table.find(words, newest) != nullptr;
    if (is_newer) name.append(" (newer than ").append(to_string(profile.version)).append(")");
    note_unsupported(name);
}

}  // namespace runnel::inline v0::redis::detail
