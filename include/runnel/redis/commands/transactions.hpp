// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/redis/call.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/replies.hpp>
#include <runnel/redis/reply.hpp>

#include <array>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::detail {

inline Reply multi(Call& call) {
    if (call.session().transaction) refuse("ERR MULTI calls can not be nested");
    Reply reply = reply_ok();
    call.session().transaction.emplace();
    return reply;
}

inline Reply discard(Call& call) {
    if (!call.session().transaction) refuse("ERR DISCARD without MULTI");
    Reply reply = reply_ok();
    call.session().transaction.reset();
    call.unwatch();
    return reply;
}

inline Reply exec(Call& call) {
    SessionState& session = call.session();
    if (!session.transaction) refuse("ERR EXEC without MULTI");
    const bool has_failed = session.transaction->has_failed;
    const bool is_touched = session.is_touched;
    const auto replies = std::make_shared<std::vector<Reply>>(session.transaction->commands.size());
    Reply reply = call.null_array();
    if (has_failed)
        reply = Reply::error("EXECABORT Transaction discarded because of previous errors.");
    std::optional<Transaction> transaction = std::move(session.transaction);
    session.transaction.reset();
    call.unwatch();
    if (has_failed || is_touched) return reply;
    call.carry_out_queued(*transaction, *replies);
    return Reply::shared_array(replies);
}

inline Reply watch(Call& call) {
    if (call.session().transaction) refuse("ERR WATCH inside MULTI is not allowed");
    Reply reply = reply_ok();
    // Those that are watched before memory runs out stay so: that can only make an EXEC fail.
    for (const std::string_view key : call.words_from(1)) call.watch(key);
    return reply;
}

inline Reply unwatch(Call& call) {
    Reply reply = reply_ok();
    call.unwatch();
    return reply;
}

inline constexpr auto transaction_commands = std::to_array<CommandInfo>({
    {"multi", 1, Flag::not_queued, {}, {1, 2}, multi},
    {"exec", 1, Flag::not_queued, {}, {1, 2}, exec},
    {"discard", 1, Flag::not_queued, {}, {2, 0}, discard},
    {"watch", -2, Flag::not_queued, {1, -1, 1}, {2, 2}, watch},
    {"unwatch", 1, Flag::none, {}, {2, 2}, unwatch},
});

}  // namespace runnel::inline v0::redis::detail
