// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/parse_integer.hpp>
#include <runnel/glob.hpp>
#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/commands/clients.hpp>
#include <runnel/redis/replies.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/settings.hpp>
#include <runnel/redis/subcommands.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::detail {

// ---- values

// Why a value does not do.
struct BadValue {
    std::string reason;
};

[[noreturn]] inline void refuse_range(std::int64_t least, std::int64_t most) {
    throw BadValue{"argument must be between " + std::to_string(least) + " and " +
                   std::to_string(most) + " inclusive"};
}
[[nodiscard]] inline std::int64_t integer_setting(std::string_view word, std::int64_t least,
                                                  std::int64_t most) {
    const auto value = parse_integer(word);
    if (!value) throw BadValue{"argument couldn't be parsed into an integer"};
    if (*value < least || *value > most) refuse_range(least, most);
    return *value;
}

// A number with a unit. As in Redis, no number is 0, and one that is too great is the greatest.
// Nothing: there is no such unit.
[[nodiscard]] inline std::optional<std::uint64_t> parse_bytes(std::string_view word) noexcept {
    struct Unit {
        std::string_view name;
        std::uint64_t bytes;
    };
    static constexpr auto units = std::to_array<Unit>({{"", 1},
                                                       {"B", 1},
                                                       {"K", 1'000},
                                                       {"KB", 1'024},
                                                       {"M", 1'000'000},
                                                       {"MB", 1'048'576},
                                                       {"G", 1'000'000'000},
                                                       {"GB", 1'073'741'824}});
    std::uint64_t number = 0;
    const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    constexpr auto greatest = std::numeric_limits<std::uint64_t>::max();
    if (error == std::errc::result_out_of_range) number = greatest;
    const std::string_view name = word.substr(static_cast<std::size_t>(end - word.data()));
    const auto* const unit =
        std::ranges::find_if(units, [&](const Unit& one) { return is(name, one.name); });
    if (unit == units.end()) return std::nullopt;
    return number > greatest / unit->bytes ? greatest : number * unit->bytes;
}
[[nodiscard]] inline std::size_t bytes_setting(std::string_view word) {
    constexpr auto most = std::numeric_limits<std::int64_t>::max();
    const auto bytes = parse_bytes(word);
    if (!bytes) throw BadValue{"argument must be a memory value"};
    if (*bytes > static_cast<std::uint64_t>(most)) refuse_range(0, most);
    return static_cast<std::size_t>(*bytes);
}

// ---- client-output-buffer-limit

[[nodiscard]] inline std::string text_of_limit(const OutputLimit& limit) {
    return std::to_string(limit.hard) + ' ' + std::to_string(limit.soft) + ' ' +
           std::to_string(limit.soft_time.count());
}
// A client that does not subscribe gets no more than replies, and there are no replicas: their
// limits are those of Redis, and never reached.
inline constexpr std::string_view normal_limit = "0 0 0";
inline constexpr std::string_view replica_limit = "268435456 67108864 60";

[[nodiscard]] inline std::string get_output_limits(const Settings& settings) {
    return "normal " + std::string{normal_limit} + " slave " + std::string{replica_limit} +
           " pubsub " + text_of_limit(settings.pubsub_limit);
}

[[nodiscard]] inline std::vector<std::string_view> parts_of(std::string_view text) {
    std::vector<std::string_view> parts;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find(' '), text.size());
        parts.push_back(text.substr(0, end));
        if (end + 1 == text.size()) parts.emplace_back();
        text.remove_prefix(std::min(end + 1, text.size()));
    }
    return parts;
}

[[nodiscard]] inline OutputLimit read_limit(std::string_view hard, std::string_view soft,
                                            std::string_view seconds) {
    const auto hard_bytes = parse_bytes(hard);
    const auto soft_bytes = parse_bytes(soft);
    const auto time = parse_integer(seconds);
    if (!hard_bytes || !soft_bytes || !time || *time < 0)
        throw BadValue{"Error in hard, soft or soft_seconds setting in buffer limit "
                       "configuration."};
    return {static_cast<std::size_t>(*hard_bytes), static_cast<std::size_t>(*soft_bytes),
            std::chrono::seconds{*time}};
}

inline constexpr std::string_view not_honoured = "this server does not support another value";

[[nodiscard]] inline ClientType limited_type(std::string_view word) {
    const auto type = find_client_type(word);
    if (!type || *type == ClientType::master)
        throw BadValue{"Invalid client class specified in buffer limit configuration."};
    return *type;
}

inline void set_output_limits(Settings& settings, std::string_view value) {
    constexpr std::size_t words_of_class = 4;
    const std::vector<std::string_view> parts = parts_of(value);
    if (parts.size() % words_of_class != 0)
        throw BadValue{"Wrong number of arguments in buffer limit configuration."};
    for (std::size_t at = 0; at != parts.size(); at += words_of_class) {
        const ClientType type = limited_type(parts[at]);
        const OutputLimit limit = read_limit(parts[at + 1], parts[at + 2], parts[at + 3]);
        if (type == ClientType::pubsub)
            settings.pubsub_limit = limit;
        else if (text_of_limit(limit) !=
                 (type == ClientType::normal ? normal_limit : replica_limit))
            throw BadValue{std::string{not_honoured}};
    }
}

// ---- the parameters

// One that the server goes by.
struct Parameter {
    std::string_view name;
    std::string (*get)(const Settings& settings);
    void (*set)(Settings& settings, std::string_view value);  // throws: BadValue
};
inline constexpr auto parameters = std::to_array<Parameter>({
    {"client-output-buffer-limit", get_output_limits, set_output_limits},
    {"requirepass", [](const Settings& settings) { return settings.password; },
     [](Settings& settings, std::string_view value) { settings.password = value; }},
    {"stream-idmp-duration",
     [](const Settings& settings) { return std::to_string(settings.stream_idmp_duration); },
     [](Settings& settings, std::string_view value) {
         constexpr std::int64_t most = 86'400;
         settings.stream_idmp_duration = integer_setting(value, 1, most);
     }},
    {"stream-idmp-maxsize",
     [](const Settings& settings) { return std::to_string(settings.stream_idmp_maxsize); },
     [](Settings& settings, std::string_view value) {
         constexpr std::int64_t most = 10'000;
         settings.stream_idmp_maxsize = integer_setting(value, 1, most);
     }},
    {"stream-node-max-bytes",
     [](const Settings& settings) { return std::to_string(settings.stream_node_max_bytes); },
     [](Settings& settings, std::string_view value) {
         settings.stream_node_max_bytes = bytes_setting(value);
     }},
    {"stream-node-max-entries",
     [](const Settings& settings) { return std::to_string(settings.stream_node_max_entries); },
     [](Settings& settings, std::string_view value) {
         constexpr auto most = std::numeric_limits<std::int64_t>::max();
         settings.stream_node_max_entries =
             static_cast<std::size_t>(integer_setting(value, 0, most));
     }},
});

// One that has the same value always. Redis never changes those that are immutable; the others it
// would.
struct FixedParameter {
    std::string_view name;
    std::string_view value;
    bool is_immutable = false;
};
inline constexpr auto fixed_parameters = std::to_array<FixedParameter>({
    {"appendonly", "no"},
    {"cluster-enabled", "no", true},
    {"daemonize", "no", true},
    {"hash-max-listpack-entries", "512"},
    {"hash-max-listpack-value", "64"},
    {"io-threads", "1", true},
    {"list-max-listpack-size", "-2"},
    {"maxmemory", "0"},
    {"maxmemory-policy", "noeviction"},
    {"notify-keyspace-events", ""},
    {"port", "6379"},
    {"proto-max-bulk-len", "536870912"},
    {"save", ""},
    {"set-max-intset-entries", "512"},
    {"set-max-listpack-entries", "128"},
    {"set-max-listpack-value", "64"},
    {"timeout", "0"},
    {"tls-port", "0"},
    {"unixsocket", "", true},
});
inline constexpr std::string_view databases_parameter = "databases";

// Null: there is none of that name, in small letters.
template <typename Table>
[[nodiscard]] const typename Table::value_type* find_parameter(const Table& table,
                                                               std::string_view name) noexcept {
    const auto found = std::ranges::find(table, name, &Table::value_type::name);
    return found == table.end() ? nullptr : &*found;
}

// ---- CONFIG GET

// Names and values, in the order of their names.
[[nodiscard]] inline std::map<std::string_view, std::string> all_parameters(const Call& call) {
    std::map<std::string_view, std::string> all;
    for (const Parameter& one : parameters)
        if (call.has(one.name)) all.emplace(one.name, one.get(call.settings()));
    for (const FixedParameter& one : fixed_parameters) all.emplace(one.name, one.value);
    all.emplace(databases_parameter, std::to_string(call.database_count()));
    if (call.cluster() == nullptr) return all;
    all["cluster-enabled"] = "yes";
    all["port"] = std::to_string(call.port());
    return all;
}

// Each once. Without a wildcard, a parameter is shown as it was asked for.
inline Reply config_get(Call& call) {
    auto all = all_parameters(call);
    std::vector<Reply> found;
    for (const std::string_view word : call.words_from(2)) {
        const std::string pattern = in_small_letters(word);
        const bool is_pattern = pattern.find_first_of("[*?") != std::string::npos;
        for (auto next = all.begin(); next != all.end();) {
            const auto one = next++;
            if (is_pattern ? !glob_match(pattern, one->first) : pattern != one->first) continue;
            found.push_back(bulk(is_pattern ? one->first : word));
            found.push_back(Reply::bulk_string(std::move(one->second)));
            all.erase(one);
        }
    }
    return call.map(std::move(found));
}

// ---- CONFIG SET

[[noreturn]] inline void refuse_setting(std::string_view name, std::string_view reason) {
    refuse("ERR CONFIG SET failed (possibly related to argument '" +
           std::string{as_c_string(name)} + "') - " + std::string{reason});
}

// `word` names a parameter that can be set, and that is not among `others`. Throws: Refusal.
inline void expect_to_be_set(const Call& call, std::string_view word,
                             const std::vector<std::string>& others) {
    const std::string name = in_small_letters(word);
    const FixedParameter* const fixed = find_parameter(fixed_parameters, name);
    if (name == databases_parameter || (fixed != nullptr && fixed->is_immutable))
        refuse_setting(word, "can't set immutable config");
    if (fixed == nullptr && (find_parameter(parameters, name) == nullptr || !call.has(name)))
        refuse("ERR Unknown option or number of arguments for CONFIG SET - '" +
               std::string{as_c_string(word)} + '\'');
    if (std::ranges::count(others, name) != 0) refuse_setting(word, "duplicate parameter");
}

// Throws: Refusal.
inline void change_setting(Settings& settings, std::string_view name, std::string_view value) {
    try {
        if (const Parameter* const found = find_parameter(parameters, name))
            return found->set(settings, value);
        const FixedParameter* const fixed = find_parameter(fixed_parameters, name);
        if (in_small_letters(value) != fixed->value) throw BadValue{std::string{not_honoured}};
    } catch (const BadValue& bad) {
        refuse_setting(name, bad.reason);
    }
}

// All or nothing.
inline Reply config_set(Call& call) {
    if (call.size() % 2 != 0) refuse_syntax();
    std::vector<std::string> names;
    for (std::size_t at = 2; at != call.size(); at += 2) {
        expect_to_be_set(call, call[at], names);
        names.push_back(in_small_letters(call[at]));
    }
    Settings changed = call.settings();
    for (std::size_t index = 0; index != names.size(); ++index)
        change_setting(changed, names[index], call[3 + 2 * index]);
    Reply reply = reply_ok();
    call.settings() = std::move(changed);
    return reply;
}

// ---- the others

inline Reply config_resetstat(Call& call) {
    Reply reply = reply_ok();
    call.statistics() = {};
    return reply;
}

inline Reply config_rewrite(Call& /*there is no file*/) {
    refuse("ERR The server is running without a config file");
}

inline Reply config_help(Call& call) {
    return help(call.words(),
                {"GET <pattern>",
                 "    Return parameters matching the glob-like <pattern> and their values.",
                 "SET <directive> <value>", "    Set the configuration <directive> to <value>.",
                 "RESETSTAT", "    Reset statistics reported by the INFO command.", "REWRITE",
                 "    Rewrite the configuration file."});
}

inline constexpr auto newer_parameters = std::to_array<NewerPart>({
    {"stream-idmp-duration", {8, 6}},
    {"stream-idmp-maxsize", {8, 6}},
});

inline constexpr auto config_commands = std::to_array<CommandInfo>({
    {"config", -2, Flag::container, {}, {2, 0}, nullptr},
    {"config|get", -3, Flag::none, {}, {2, 0}, config_get, newer_parameters},
    {"config|help", 2, Flag::none, {}, {5, 0}, config_help},
    {"config|resetstat", 2, Flag::none, {}, {2, 0}, config_resetstat},
    {"config|rewrite", 2, Flag::none, {}, {2, 8}, config_rewrite},
    {"config|set", -4, Flag::none, {}, {2, 0}, config_set, newer_parameters},
});

}  // namespace runnel::inline v0::redis::detail
