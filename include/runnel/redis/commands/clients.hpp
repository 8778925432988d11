// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/client_facts.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/replies.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/state.hpp>
#include <runnel/redis/subcommands.hpp>
#include <runnel/redis/subscribers.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::detail {

// ---- what a client says of itself

// `what` stands in the error.
[[nodiscard]] inline std::string client_attribute(std::string_view what, std::string_view value) {
    const auto is_special = [](char c) { return c < '!' || c > '~'; };
    if (std::ranges::any_of(value, is_special))
        refuse("ERR " + std::string{what} +
               " cannot contain spaces, newlines or special characters.");
    return std::string{value};
}
[[nodiscard]] inline std::string client_name(std::string_view name) {
    return client_attribute("Client names", name);
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

inline Reply client_setinfo(Call& call) {
    ClientFacts& facts = call.session().facts;
    const bool is_name = is(call[2], "LIB-NAME");
    if (!is_name && !is(call[2], "LIB-VER"))
        refuse("ERR Unrecognized option '" + std::string{as_c_string(call[2])} + '\'');
    std::string value = client_attribute(call[2], call[3]);
    Reply reply = reply_ok();
    (is_name ? facts.library_name : facts.library_version) = std::move(value);
    return reply;
}

[[nodiscard]] inline bool on_or_off(std::string_view word) {
    const bool is_on = is(word, "ON");
    if (!is_on && !is(word, "OFF")) refuse_syntax();
    return is_on;
}

inline Reply client_no_evict(Call& call) {
    const bool is_on = on_or_off(call[2]);
    Reply reply = reply_ok();
    call.session().facts.no_evict = is_on;
    return reply;
}

inline Reply client_no_touch(Call& call) {
    const bool is_on = on_or_off(call[2]);
    Reply reply = reply_ok();
    call.session().facts.no_touch = is_on;
    return reply;
}

// There is no tracking of keys.
inline Reply client_getredir(Call& /*nothing is redirected*/) {
    return Reply::integer(-1);
}

// ---- what is told of clients

// A session has no socket: its address is made of its id.
[[nodiscard]] inline std::string address_of(const SessionState& session) {
    constexpr std::int64_t first_port = 50'000;
    return "127.0.0.1:" + std::to_string(first_port + session.id);
}
inline constexpr std::string_view only_user = "default";

enum class ClientType : std::uint8_t { normal, replica, pubsub, master };

// Nothing: there is no such type.
[[nodiscard]] inline std::optional<ClientType> find_client_type(std::string_view word) noexcept {
    if (is(word, "NORMAL")) return ClientType::normal;
    if (is(word, "REPLICA") || is(word, "SLAVE")) return ClientType::replica;
    if (is(word, "PUBSUB")) return ClientType::pubsub;
    if (is(word, "MASTER")) return ClientType::master;
    return std::nullopt;
}
[[nodiscard]] inline ClientType client_type(std::string_view word) {
    const auto type = find_client_type(word);
    if (!type) refuse("ERR Unknown client type '" + std::string{as_c_string(word)} + '\'');
    return *type;
}
[[nodiscard]] inline ClientType type_of(const SessionState& session) noexcept {
    return session.subscriptions.empty() ? ClientType::normal : ClientType::pubsub;
}

// Redis counts the time of a client by a clock that knows whole seconds.
[[nodiscard]] inline std::int64_t seconds_since(Milliseconds then, Milliseconds now) noexcept {
    constexpr Milliseconds second = 1'000;
    return std::max<Milliseconds>(0, now / second - then / second);
}

[[nodiscard]] inline std::string client_flags(const SessionState& session) {
    std::string flags;
    const auto add = [&](bool is_set, char flag) {
        if (is_set) flags += flag;
    };
    add(!session.subscriptions.empty(), 'P');
    add(session.transaction.has_value(), 'x');
    add(session.is_blocked(), 'b');
    add(session.is_touched, 'd');
    add(session.reads_replicas, 'r');
    add(session.facts.no_evict, 'e');
    add(session.facts.no_touch, 'T');
    return flags.empty() ? "N" : flags;
}

struct ClientField {
    std::string_view name;
    std::string value;
};
// Of those fields that the version has.
[[nodiscard]] inline std::string line_of(const Call& call,
                                         std::initializer_list<ClientField> fields) {
    std::string line;
    for (const ClientField& field : fields) {
        if (!call.has(field.name)) continue;
        if (!line.empty()) line += ' ';
        line += field.name;
        line += '=';
        line += field.value;
    }
    line += '\n';
    return line;
}

// As CLIENT LIST shows it. What has no meaning without sockets and their buffers is 0.
[[nodiscard]] inline std::string client_line(const Call& call, const SessionState& session) {
    const Milliseconds now = call.now();
    const ClientFacts& facts = session.facts;
    const auto names = [&](SubscriptionKind kind) {
        return std::to_string(session.subscriptions.names(kind).size());
    };
    const std::string queued =
        session.transaction ? std::to_string(session.transaction->commands.size()) : "-1";
    const std::string_view command =
        facts.last_command != nullptr ? facts.last_command->name : "NULL";
    return line_of(call, {{"id", std::to_string(session.id)},
                          {"addr", address_of(session)},
                          {"laddr", call.address()},
                          {"fd", "0"},
                          {"name", session.name},
                          {"age", std::to_string(seconds_since(facts.opened, now))},
                          {"idle", std::to_string(seconds_since(facts.active, now))},
                          {"flags", client_flags(session)},
                          {"db", std::to_string(session.database)},
                          {"sub", names(SubscriptionKind::channel)},
                          {"psub", names(SubscriptionKind::pattern)},
                          {"ssub", names(SubscriptionKind::shard_channel)},
                          {"multi", queued},
                          {"watch", std::to_string(session.watched.size())},
                          {"qbuf", "0"},
                          {"qbuf-free", "0"},
                          {"argv-mem", "0"},
                          {"multi-mem", "0"},
                          {"rbs", "0"},
                          {"rbp", "0"},
                          {"obl", "0"},
                          {"oll", "0"},
                          {"omem", "0"},
                          {"omem-shared", "0"},
                          {"omem-unshared", "0"},
                          {"tot-mem", "0"},
                          {"events", "r"},
                          {"cmd", std::string{command}},
                          {"user", std::string{only_user}},
                          {"redir", "-1"},
                          {"resp", std::to_string(session.protocol)},
                          {"lib-name", facts.library_name},
                          {"lib-ver", facts.library_version},
                          {"io-thread", "0"},
                          {"tot-net-in", "0"},
                          {"tot-net-out", "0"},
                          {"tot-cmds", std::to_string(facts.commands)},
                          {"read-events", "0"},
                          {"avg-pipeline-len-sum", "0"},
                          {"avg-pipeline-len-cnt", "0"}});
}

inline Reply client_info(Call& call) {
    return Reply::bulk_string(client_line(call, call.session()));
}

[[nodiscard]] inline std::string lines_of_type(const Call& call, std::optional<ClientType> type) {
    std::string lines;
    for (const auto& [id, session] : call.sessions())
        if (!type || type_of(*session) == *type) lines += client_line(call, *session);
    return lines;
}

[[nodiscard]] inline std::string lines_of_ids(const Call& call, Words ids) {
    std::string lines;
    for (const std::string_view id : ids) {
        const auto* const session = call.find_session(integer_or(id, "ERR Invalid client ID"));
        if (session != nullptr) lines += client_line(call, *session);
    }
    return lines;
}

inline Reply client_list(Call& call) {
    if (call.size() == 2) return Reply::bulk_string(lines_of_type(call, std::nullopt));
    if (call.size() == 4 && is(call[2], "TYPE"))
        return Reply::bulk_string(lines_of_type(call, client_type(call[3])));
    if (call.size() < 4 || !is(call[2], "ID")) refuse_syntax();
    return Reply::bulk_string(lines_of_ids(call, call.words_from(3)));
}

// ---- what is done to other clients

inline Reply client_unblock(Call& call) {
    if (call.size() > 4) refuse_subcommand_arguments(call.words());
    bool is_error = false;
    if (call.size() == 4) {
        is_error = is(call[3], "ERROR");
        if (!is_error && !is(call[3], "TIMEOUT"))
            refuse("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    }
    SessionState* const session = call.find_session(call.integer(2));
    if (session == nullptr || !session->is_blocked()) return Reply::integer(0);
    Reply end = session->null_array();
    if (is_error) end = Reply::error("UNBLOCKED client unblocked via CLIENT UNBLOCK");
    call.unblock(*session, std::move(end));
    return Reply::integer(1);
}

// Which clients CLIENT KILL means: those that all that is given fits.
class KillFilter {
public:
    // The old form: CLIENT KILL address. It may mean the client itself.
    [[nodiscard]] static KillFilter of_address(std::string_view address) noexcept {
        KillFilter filter;
        filter.address_ = address;
        filter.skips_own_ = false;
        return filter;
    }

    [[nodiscard]] static KillFilter read(const Call& call) {
        KillFilter filter;
        for (std::size_t at = 2; at < call.size(); at += 2) {
            if (at + 1 == call.size()) refuse_syntax();
            filter.read_option(call, call[at], call[at + 1]);
        }
        return filter;
    }

    [[nodiscard]] bool fits(const SessionState& session, const Call& call) const {
        if (skips_own_ && &session == &call.session()) return false;
        if (address_ && *address_ != address_of(session)) return false;
        if (server_address_ && *server_address_ != call.address()) return false;
        if (type_ && *type_ != type_of(session)) return false;
        if (id_ && *id_ != session.id) return false;
        return !age_ || seconds_since(session.facts.opened, call.now()) >= *age_;
    }

private:
    void read_option(const Call& call, std::string_view option, std::string_view value) {
        if (is(option, "ID"))
            id_ = read_id(value);
        else if (call.is_option(option, "MAXAGE"))
            age_ = read_age(value);
        else if (is(option, "TYPE"))
            type_ = client_type(value);
        else if (is(option, "ADDR"))
            address_ = value;
        else if (is(option, "LADDR"))
            server_address_ = value;
        else if (is(option, "USER"))
            check_user(value);
        else if (is(option, "SKIPME"))
            skips_own_ = read_skip(value);
        else
            refuse_syntax();
    }
    [[nodiscard]] static std::int64_t read_id(std::string_view word) {
        constexpr std::string_view error = "ERR client-id should be greater than 0";
        const std::int64_t id = integer_or(word, error);
        if (id < 1) refuse(std::string{error});
        return id;
    }
    [[nodiscard]] static std::int64_t read_age(std::string_view word) {
        const auto age = integer_or(word, "ERR maxage is not an integer or out of range");
        if (age < 1) refuse("ERR maxage should be greater than 0");
        return age;
    }
    // All clients are the same user.
    static void check_user(std::string_view user) {
        if (user != only_user) refuse("ERR No such user '" + std::string{as_c_string(user)} + '\'');
    }
    [[nodiscard]] static bool read_skip(std::string_view word) {
        const bool is_yes = is(word, "YES");
        if (!is_yes && !is(word, "NO")) refuse_syntax();
        return is_yes;
    }

    std::optional<std::int64_t> id_{};
    std::optional<std::int64_t> age_{};
    std::optional<ClientType> type_{};
    std::optional<std::string_view> address_{};
    std::optional<std::string_view> server_address_{};
    bool skips_own_ = true;
};

inline Reply client_kill(Call& call) {
    const bool is_old_form = call.size() == 3;
    const KillFilter filter =
        is_old_form ? KillFilter::of_address(call[2]) : KillFilter::read(call);
    std::vector<SessionState*> killed;
    for (const auto& [id, session] : call.sessions())
        if (filter.fits(*session, call)) killed.push_back(session.get());
    if (is_old_form && killed.empty()) refuse("ERR No such client");
    Reply reply = is_old_form ? reply_ok() : reply_count(killed.size());
    // Its own client gets the reply first.
    for (SessionState* const session : killed)
        session == &call.session() ? call.quit() : call.end_session(*session);
    return reply;
}

// Of those that there are here.
inline Reply client_help(Call& call) {
    return help(call.words(),
                {"GETREDIR",
                 "    Return the client ID we are redirecting to when tracking is enabled.",
                 "GETNAME",
                 "    Return the name of the current connection.",
                 "ID",
                 "    Return the ID of the current connection.",
                 "INFO",
                 "    Return information about the current client connection.",
                 "KILL <ip:port>",
                 "    Kill connection made from <ip:port>.",
                 "KILL <option> <value> [<option> <value> [...]]",
                 "    Kill connections. Options are:",
                 "    * ADDR (<ip:port>|<unixsocket>:0)",
                 "      Kill connections made from the specified address",
                 "    * LADDR (<ip:port>|<unixsocket>:0)",
                 "      Kill connections made to specified local address",
                 "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
                 "      Kill connections by type.",
                 "    * USER <username>",
                 "      Kill connections authenticated by <username>.",
                 "    * SKIPME (YES|NO)",
                 "      Skip killing current connection (default: yes).",
                 "    * ID <client-id>",
                 "      Kill connections by client id.",
                 "    * MAXAGE <maxage>",
                 "      Kill connections older than the specified age.",
                 "LIST [options ...]",
                 "    Return information about client connections. Options:",
                 "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
                 "      Return clients of specified type.",
                 "SETINFO <option> <value>",
                 "Set client meta attr. Options are:",
                 "    * LIB-NAME: the client lib name.",
                 "    * LIB-VER: the client lib version.",
                 "SETNAME <name>",
                 "    Assign the name <name> to the current connection.",
                 "UNBLOCK <clientid> [TIMEOUT|ERROR]",
                 "    Unblock the specified blocked client.",
                 "NO-EVICT (ON|OFF)",
                 "    Protect current client connection from eviction.",
                 "NO-TOUCH (ON|OFF)",
                 "    Will not touch LRU/LFU stats when this mode is on."});
}

inline constexpr auto newer_in_client_list = std::to_array<NewerPart>({
    {"lib-name", {7, 2}},
    {"lib-ver", {7, 2}},
    {"watch", {7, 4}},
    {"io-thread", {8, 0}},
    {"tot-net-in", {8, 2}},
    {"tot-net-out", {8, 2}},
    {"tot-cmds", {8, 2}},
    {"read-events", {8, 10}},
    {"avg-pipeline-len-sum", {8, 10}},
    {"avg-pipeline-len-cnt", {8, 10}},
    {"omem-shared", {8, 10}},
    {"omem-unshared", {8, 10}},
});
inline constexpr auto newer_in_client_kill = std::to_array<NewerPart>({{"MAXAGE", {7, 4}}});

inline constexpr auto client_commands = std::to_array<CommandInfo>({
    {"client", -2, Flag::container, {}, {2, 4}, nullptr},
    {"client|getname", 2, Flag::none, {}, {2, 6}, client_getname},
    {"client|getredir", 2, Flag::none, {}, {6, 0}, client_getredir},
    {"client|help", 2, Flag::none, {}, {5, 0}, client_help},
    {"client|id", 2, Flag::none, {}, {5, 0}, client_id},
    {"client|info", 2, Flag::none, {}, {6, 2}, client_info, newer_in_client_list},
    {"client|kill", -3, Flag::none, {}, {2, 4}, client_kill, newer_in_client_kill},
    {"client|list", -2, Flag::none, {}, {2, 4}, client_list, newer_in_client_list},
    {"client|no-evict", 3, Flag::none, {}, {7, 0}, client_no_evict},
    {"client|no-touch", 3, Flag::none, {}, {7, 2}, client_no_touch},
    {"client|setinfo", 4, Flag::none, {}, {7, 2}, client_setinfo},
    {"client|setname", 3, Flag::none, {}, {2, 6}, client_setname},
    {"client|unblock", -3, Flag::none, {}, {5, 0}, client_unblock},
});

}  // namespace runnel::inline v0::redis::detail
