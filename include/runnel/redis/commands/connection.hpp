// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/database_number.hpp>
#include <runnel/redis/replies.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/state.hpp>
#include <runnel/redis/subcommands.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::detail {

inline Reply ping(Call& call) {
    if (call.size() > 2) call.refuse_arity();
    const std::string_view message = call.size() == 2 ? call[1] : std::string_view{};
    if (!call.is_resp3() && !call.session().subscriptions.empty())
        return Reply::array({bulk("pong"), bulk(message)});
    if (call.size() == 1) return Reply::simple_string("PONG");
    return bulk(message);
}

inline Reply echo(Call& call) {
    return bulk(call[1]);
}

// The time of the command, in seconds and microseconds.
inline Reply time(Call& call) {
    constexpr Milliseconds second = 1'000;
    const Milliseconds seconds = call.now() / second;
    const Milliseconds microseconds = call.now() % second * 1'000;
    return Reply::array({Reply::bulk_string(std::to_string(seconds)),
                         Reply::bulk_string(std::to_string(microseconds))});
}

inline Reply select(Call& call) {
    const std::size_t number = database_number(call, call[1]);
    Reply reply = reply_ok();
    call.session().database = number;
    return reply;
}

inline Reply quit(Call& call) {
    Reply reply = reply_ok();
    call.quit();
    return reply;
}

inline Reply reset(Call& call) {
    SessionState& session = call.session();
    Reply reply = Reply::simple_string("RESET");
    session.transaction.reset();
    call.unwatch();
    call.subscribers().unsubscribe_all(session, session.subscriptions);
    session.database = 0;
    session.protocol = 2;
    session.name.clear();
    return reply;
}

// ---- HELLO and CLIENT

[[nodiscard]] inline std::string client_name(std::string_view name) {
    const auto is_special = [](char c) { return c < '!' || c > '~'; };
    if (std::ranges::any_of(name, is_special))
        refuse("ERR Client names cannot contain spaces, newlines or special characters.");
    return std::string{name};
}

struct HelloOptions {
    std::optional<std::string> name{};
    bool may_enter = true;
};

// There is one user, "default", for whom any password does.
inline HelloOptions read_hello_options(const Call& call) {
    HelloOptions options;
    for (std::size_t at = 2; at < call.size(); ++at) {
        const std::size_t more = call.size() - 1 - at;
        if (is(call[at], "AUTH") && more >= 2) {
            options.may_enter = call[at + 1] == "default";
            at += 2;
        } else if (is(call[at], "SETNAME") && more >= 1) {
            options.name = client_name(call[++at]);
        } else {
            refuse("ERR Syntax error in HELLO option '" + std::string{as_c_string(call[at])} +
                   '\'');
        }
    }
    return options;
}

[[nodiscard]] inline int read_protocol(std::string_view word) {
    const auto version = integer_or(word, "ERR Protocol version is not an integer or out of range");
    if (version != 2 && version != 3) refuse("NOPROTO unsupported protocol version");
    return static_cast<int>(version);
}

inline Reply hello(Call& call) {
    SessionState& session = call.session();
    const int protocol = call.size() > 1 ? read_protocol(call[1]) : session.protocol;
    HelloOptions options = read_hello_options(call);
    if (!options.may_enter) refuse("WRONGPASS invalid username-password pair or user is disabled.");
    std::vector<Reply> facts{bulk("server"),  bulk(call.profile().server),
                             bulk("version"), bulk(call.profile().number),
                             bulk("proto"),   Reply::integer(protocol),
                             bulk("id"),      Reply::integer(session.id),
                             bulk("mode"),    bulk("standalone"),
                             bulk("role"),    bulk("master"),
                             bulk("modules"), Reply::array({})};
    Reply reply = protocol == 3 ? Reply::map(std::move(facts)) : Reply::array(std::move(facts));
    if (options.name) session.name = std::move(*options.name);
    session.protocol = protocol;
    return reply;
}

inline Reply client_id(Call& call) {
    return Reply::integer(call.session().id);
}

inline Reply client_setname(Call& call) {
    std::string name = client_name(call[2]);
    Reply reply = reply_ok();
    call.session().name = std::move(name);
    return reply;
}

inline Reply client_getname(Call& call) {
    const std::string& name = call.session().name;
    return name.empty() ? call.null() : Reply::bulk_string(name);
}

inline Reply client_unblock(Call& call) {
    if (call.size() > 4) refuse_subcommand_arguments(call.words());
    bool is_error = false;
    if (call.size() == 4) {
        is_error = is(call[3], "ERROR");
        if (!is_error && !is(call[3], "TIMEOUT"))
            refuse("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    }
    SessionState* const session = call.find_session(call.integer(2));
    if (session == nullptr || !session->parked || session->parked->is_delayed())
        return Reply::integer(0);
    Reply end = session->null_array();
    if (is_error) end = Reply::error("UNBLOCKED client unblocked via CLIENT UNBLOCK");
    call.unblock(*session, std::move(end));
    return Reply::integer(1);
}

// Of those that there are here.
inline Reply client_help(Call& call) {
    return help(call.words(), {"GETNAME", "    Return the name of the current connection.", "ID",
                               "    Return the ID of the current connection.", "SETNAME <name>",
                               "    Assign the name <name> to the current connection.",
                               "UNBLOCK <clientid> [TIMEOUT|ERROR]",
                               "    Unblock the specified blocked client."});
}

inline constexpr auto connection_commands = std::to_array<CommandInfo>({
    {"ping", -1, Flag::when_subscribed, {}, {1, 0}, ping},
    {"echo", 2, Flag::none, {}, {1, 0}, echo},
    {"time", 1, Flag::none, {}, {2, 6}, time},
    {"select", 2, Flag::none, {}, {1, 0}, select},
    {"quit", -1, Flag::when_subscribed | Flag::not_queued, {}, {1, 0}, quit},
    {"reset", 1, Flag::when_subscribed | Flag::not_queued, {}, {6, 2}, reset},
    {"hello", -1, Flag::none, {}, {6, 0}, hello},
    {"client", -2, Flag::container, {}, {2, 4}, nullptr},
    {"client|help", 2, Flag::none, {}, {5, 0}, client_help},
    {"client|id", 2, Flag::none, {}, {5, 0}, client_id},
    {"client|setname", 3, Flag::none, {}, {2, 6}, client_setname},
    {"client|getname", 2, Flag::none, {}, {2, 6}, client_getname},
    {"client|unblock", -3, Flag::none, {}, {5, 0}, client_unblock},
});

}  // namespace runnel::inline v0::redis::detail
