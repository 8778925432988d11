// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/commands/clients.hpp>
#include <runnel/redis/database_number.hpp>
#include <runnel/redis/replies.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/state.hpp>

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
    const Milliseconds rest = (call.now() % second + second) % second;
    const Milliseconds seconds = (call.now() - rest) / second;
    const Milliseconds microseconds = rest * 1'000;
    return Reply::array({Reply::bulk_string(std::to_string(seconds)),
                         Reply::bulk_string(std::to_string(microseconds))});
}

inline Reply select(Call& call) {
    if (small_integer(call[1]) != 0)
        refuse_in_cluster(call, "ERR SELECT is not allowed in cluster mode");
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
    session.facts.no_evict = false;
    session.facts.no_touch = false;
    session.is_asking = false;
    session.reads_replicas = false;
    session.is_authenticated = call.settings().password.empty();
    return reply;
}

// ---- AUTH and HELLO: there is one user, "default"

[[nodiscard]] inline bool is_right(const Call& call, std::string_view user,
                                   std::string_view password) noexcept {
    return user == only_user && call.settings().accepts(password);
}
[[noreturn]] inline void refuse_user() {
    refuse("WRONGPASS invalid username-password pair or user is disabled.");
}

inline Reply auth(Call& call) {
    if (call.size() > 3) refuse_syntax();
    const bool names_user = call.size() == 3;
    if (!names_user && call.settings().password.empty())
        refuse("ERR AUTH <password> called without any password configured for the default user. "
               "Are you sure your configuration is correct?");
    if (!is_right(call, names_user ? call[1] : only_user, call[call.size() - 1])) refuse_user();
    Reply reply = reply_ok();
    call.session().is_authenticated = true;
    return reply;
}

// Of HELLO: what came with 7.2.
inline constexpr std::string_view options_are_read_first = "options are read first";
inline constexpr std::string_view refusal_names_protocol = "refusal names <proto>";

struct HelloOptions {
    std::optional<std::string> name{};
    std::optional<bool> is_right{};  // user and password; nothing: there is no AUTH
};

// What older versions do after each option, whatever comes behind it.
inline void carry_out(Call& call, const HelloOptions& options) {
    if (options.is_right == false) refuse_user();
    SessionState& session = call.session();
    if (options.name) session.name = *options.name;
    if (options.is_right) session.is_authenticated = true;
}

inline HelloOptions read_hello_options(Call& call) {
    const bool at_once = !call.has(options_are_read_first);
    HelloOptions options;
    for (std::size_t at = 2; at < call.size(); ++at) {
        const std::size_t more = call.size() - 1 - at;
        if (is(call[at], "AUTH") && more >= 2) {
            options.is_right = is_right(call, call[at + 1], call[at + 2]);
            at += 2;
        } else if (is(call[at], "SETNAME") && more >= 1) {
            options.name = client_name(call[++at]);
        } else {
            refuse("ERR Syntax error in HELLO option '" + std::string{as_c_string(call[at])} +
                   '\'');
        }
        if (at_once) carry_out(call, options);
    }
    if (options.is_right == false) refuse_user();
    return options;
}

[[noreturn]] inline void refuse_hello(const Call& call) {
    const std::string_view protocol = call.has(refusal_names_protocol) ? "<proto> " : "";
    refuse("NOAUTH HELLO must be called with the client already authenticated, otherwise the "
           "HELLO " +
           std::string{protocol} +
           "AUTH <user> <pass> option can be used to authenticate the client and select the RESP "
           "protocol version at the same time");
}

[[nodiscard]] inline int read_protocol(std::string_view word) {
    const auto version = integer_or(word, "ERR Protocol version is not an integer or out of range");
    if (version != 2 && version != 3) refuse("NOPROTO unsupported protocol version");
    return static_cast<int>(version);
}

[[nodiscard]] inline std::string_view mode_of(const Call& call) noexcept {
    return call.cluster() != nullptr ? "cluster" : "standalone";
}

inline Reply hello(Call& call) {
    SessionState& session = call.session();
    const int protocol = call.size() > 1 ? read_protocol(call[1]) : session.protocol;
    HelloOptions options = read_hello_options(call);
    if (!options.is_right && !session.is_authenticated) refuse_hello(call);
    std::vector<Reply> facts{bulk("server"),  bulk(call.profile().server),
                             bulk("version"), bulk(call.profile().number),
                             bulk("proto"),   Reply::integer(protocol),
                             bulk("id"),      Reply::integer(session.id),
                             bulk("mode"),    bulk(mode_of(call)),
                             bulk("role"),    bulk(call.is_replica() ? "replica" : "master"),
                             bulk("modules"), Reply::array({})};
    Reply reply = protocol == 3 ? Reply::map(std::move(facts)) : Reply::array(std::move(facts));
    if (options.name) session.name = std::move(*options.name);
    session.is_authenticated = true;
    session.protocol = protocol;
    return reply;
}

inline constexpr auto hello_parts = std::to_array<NewerPart>({
    {options_are_read_first, {7, 2}},
    {refusal_names_protocol, {7, 2}},
});

inline constexpr auto connection_commands = std::to_array<CommandInfo>({
    {"ping", -1, Flag::when_subscribed, {}, {1, 0}, ping},
    {"echo", 2, Flag::none, {}, {1, 0}, echo},
    {"time", 1, Flag::none, {}, {2, 6}, time},
    {"select", 2, Flag::none, {}, {1, 0}, select},
    {"quit", -1, Flag::when_subscribed | Flag::not_queued | Flag::no_auth, {}, {1, 0}, quit},
    {"reset", 1, Flag::when_subscribed | Flag::not_queued | Flag::no_auth, {}, {6, 2}, reset},
    {"auth", -2, Flag::no_auth, {}, {1, 0}, auth},
    {"hello", -1, Flag::no_auth, {}, {6, 0}, hello, hello_parts},
});

}  // namespace runnel::inline v0::redis::detail
