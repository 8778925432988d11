// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/glob.hpp>
#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/command_docs.hpp>
#include <runnel/redis/command_words.hpp>
#include <runnel/redis/replies.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/subcommands.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// COMMAND: what the table of commands says, to clients.

namespace runnel::inline v0::redis::detail {

// ---- which commands there are

[[nodiscard]] inline bool is_subcommand(const CommandInfo& command) noexcept {
    return command.name.find('|') != std::string_view::npos;
}
[[nodiscard]] inline std::vector<const CommandInfo*> top_commands(const Call& call) {
    std::vector<const CommandInfo*> top;
    for (const CommandInfo* const one : call.all_commands())
        if (!is_subcommand(*one)) top.push_back(one);
    return top;
}
[[nodiscard]] inline std::vector<const CommandInfo*> subcommands_of(const Call& call,
                                                                    const CommandInfo& container) {
    std::vector<const CommandInfo*> subcommands;
    if (!container.has(Flag::container)) return subcommands;
    const std::string start = std::string{container.name} + '|';
    for (const CommandInfo* const one : call.all_commands())
        if (one->name.starts_with(start)) subcommands.push_back(one);
    return subcommands;
}

// Those of the words from the third on, null for a name that there is not; without words, all.
[[nodiscard]] inline std::vector<const CommandInfo*> named_commands(const Call& call) {
    if (call.size() == 2) return top_commands(call);
    std::vector<const CommandInfo*> named;
    for (const std::string_view name : call.words_from(2)) named.push_back(call.find_command(name));
    return named;
}

// ---- which of a command's words are keys

// Throws: Refusal, if there are none.
[[nodiscard]] inline std::vector<Reply> keys_of(const CommandInfo& command, Words words) {
    const KeyPlaces places = key_places(command, words);
    if (places.count == 0) refuse("ERR Invalid arguments specified for command");
    std::vector<Reply> keys;
    keys.reserve(places.count);
    for (std::size_t number = 0; number != places.count; ++number)
        keys.push_back(bulk(words[places.first + number * places.step]));
    return keys;
}

inline Reply command_getkeys(Call& call) {
    const Words words = call.words_from(2);
    const CommandInfo* command = call.find_command(words[0]);
    if (command != nullptr && command->has(Flag::container) && words.size() > 1)
        command = call.find_command(std::string{words[0]} + '|' + std::string{words[1]});
    if (command == nullptr) refuse("ERR Invalid command specified");
    const bool has_keys = command->keys.first != 0 && !command->has(Flag::of_shard);
    if (!has_keys && !has_keys_elsewhere(*command)) refuse("ERR The command has no key arguments");
    if (!command->takes(words.size()))
        refuse("ERR Invalid number of arguments specified for command");
    return Reply::array(keys_of(*command, words));
}

// ---- COMMAND INFO

[[nodiscard]] inline CommandDocs docs_or_none(const CommandInfo& command) noexcept {
    const CommandDocs* const docs = find_docs(command.name);
    return docs != nullptr ? *docs : CommandDocs{command.name};
}

struct Word {
    bool holds;
    std::string_view text;
};
// Of these words, those that hold.
template <std::size_t Count>
[[nodiscard]] std::vector<std::string_view> words_that_hold(const std::array<Word, Count>& all) {
    std::vector<std::string_view> words;
    for (const Word& word : all)
        if (word.holds) words.push_back(word.text);
    return words;
}

[[nodiscard]] inline std::vector<std::string_view> flags_of(const CommandInfo& command) {
    if (command.has(Flag::container)) return {};
    const CommandDocs docs = docs_or_none(command);
    return words_that_hold(std::to_array<Word>({
        {command.has(Flag::write), "write"},
        {docs.has(Trait::reads), "readonly"},
        {docs.has(Trait::denies_oom), "denyoom"},
        {docs.has(Trait::administers), "admin"},
        {docs.has(Trait::of_channels), "pubsub"},
        {docs.has(Trait::no_script), "noscript"},
        {command.has(Flag::blocking), "blocking"},
        {docs.has(Trait::always), "loading"},
        {docs.has(Trait::always), "stale"},
        {docs.has(Trait::is_fast), "fast"},
        {command.has(Flag::no_auth), "no_auth"},
        {has_keys_elsewhere(command), "movablekeys"},
    }));
}

// As access lists name a group of commands. Empty: they do not.
[[nodiscard]] inline std::string_view category_of(const CommandDocs& docs,
                                                  bool touches_data) noexcept {
    switch (docs.group) {
    case CommandGroup::generic:
        return "keyspace";
    case CommandGroup::string:
        return "string";
    case CommandGroup::list:
        return "list";
    case CommandGroup::set:
        return "set";
    case CommandGroup::sorted_set:
        return "sortedset";
    case CommandGroup::hash:
        return "hash";
    case CommandGroup::stream:
        return "stream";
    case CommandGroup::pubsub:
        return "pubsub";
    case CommandGroup::transactions:
        return "transaction";
    case CommandGroup::connection:
        return "connection";
    case CommandGroup::cluster:
        return docs.has(Trait::is_fast) ? "connection" : "";  // ASKING and the like
    case CommandGroup::server:
        break;
    }
    return touches_data ? "keyspace" : "";
}

[[nodiscard]] inline std::vector<std::string_view> categories_of(const CommandInfo& command) {
    if (command.has(Flag::container)) return {"slow"};
    const CommandDocs docs = docs_or_none(command);
    const bool touches_data = command.has(Flag::write) || docs.has(Trait::reads);
    const std::string_view group = category_of(docs, touches_data);
    return words_that_hold(std::to_array<Word>({
        {command.has(Flag::write), "write"},
        {docs.has(Trait::reads), "read"},
        {!group.empty(), group},
        {docs.has(Trait::is_fast), "fast"},
        {!docs.has(Trait::is_fast), "slow"},
        {command.has(Flag::blocking), "blocking"},
        {docs.has(Trait::administers), "admin"},
        {docs.has(Trait::administers) || docs.has(Trait::dangerous), "dangerous"},
    }));
}

[[nodiscard]] inline Reply set_of(const Call& call, std::string_view start,
                                  const std::vector<std::string_view>& words) {
    std::vector<Reply> replies;
    replies.reserve(words.size());
    for (const std::string_view word : words)
        replies.push_back(Reply::simple_string(std::string{start} + std::string{word}));
    return call.set(std::move(replies));
}

// Without tips and specifications of keys. A container tells of its subcommands in the same way.
// NOLINTNEXTLINE(misc-no-recursion): no deeper than that
[[nodiscard]] inline Reply info_of(const Call& call, const CommandInfo& command) {
    std::vector<Reply> subcommands;
    for (const CommandInfo* const one : subcommands_of(call, command))
        subcommands.push_back(info_of(call, *one));
    return Reply::array({bulk(command.name), Reply::integer(command.arity),
                         set_of(call, "", flags_of(command)), Reply::integer(command.keys.first),
                         Reply::integer(command.keys.last), Reply::integer(command.keys.step),
                         set_of(call, "@", categories_of(command)), call.set({}), call.set({}),
                         Reply::array(std::move(subcommands))});
}

[[nodiscard]] inline Reply infos_of(const Call& call,
                                    const std::vector<const CommandInfo*>& commands) {
    std::vector<Reply> infos;
    infos.reserve(commands.size());
    for (const CommandInfo* const one : commands)
        infos.push_back(one != nullptr ? info_of(call, *one) : call.null());
    return Reply::array(std::move(infos));
}

inline Reply command_info(Call& call) {
    return infos_of(call, named_commands(call));
}
inline Reply command(Call& call) {
    return infos_of(call, top_commands(call));
}
inline Reply command_count(Call& call) {
    return reply_count(top_commands(call).size());
}

// ---- COMMAND DOCS

[[nodiscard]] inline std::string_view name_of(CommandGroup group) noexcept {
    constexpr std::array<std::string_view, 12> names{
        "generic", "string", "list",         "set",        "sorted-set", "hash",
        "stream",  "pubsub", "transactions", "connection", "server",     "cluster"};
    return names[static_cast<std::size_t>(group)];
}

// NOLINTNEXTLINE(misc-no-recursion): of a container, and of its subcommands
[[nodiscard]] inline Reply docs_of_all(const Call& call,
                                       const std::vector<const CommandInfo*>& commands) {
    std::vector<Reply> all;
    for (const CommandInfo* const one : commands) {
        if (one == nullptr) continue;
        const CommandDocs docs = docs_or_none(*one);
        const std::string since =
            std::to_string(one->since.major) + '.' + std::to_string(one->since.minor) + ".0";
        std::vector<Reply> facts{bulk("summary"), bulk(docs.summary), bulk("since"),
                                 bulk(since),     bulk("group"),      bulk(name_of(docs.group))};
        if (one->has(Flag::container)) {
            facts.push_back(bulk("subcommands"));
            facts.push_back(docs_of_all(call, subcommands_of(call, *one)));
        }
        all.push_back(bulk(one->name));
        all.push_back(call.map(std::move(facts)));
    }
    return call.map(std::move(all));
}

inline Reply command_docs_reply(Call& call) {
    return docs_of_all(call, named_commands(call));
}

// ---- COMMAND LIST

// Which commands COMMAND LIST shows: of no module, as there are none; of a category; or whose name
// a pattern selects.
class CommandFilter {
public:
    explicit CommandFilter(const Call& call) {
        constexpr std::size_t all_words = 5;
        if (call.size() == 2) return;
        if (call.size() != all_words || !is(call[2], "FILTERBY")) refuse_syntax();
        kind_ = read_kind(call[3]);
        word_ = in_small_letters(call[4]);
    }

    [[nodiscard]] bool selects(const CommandInfo& command) const {
        switch (kind_) {
        case Kind::all:
            return true;
        case Kind::module:
            return false;
        case Kind::category:
            return std::ranges::count(categories_of(command), word_) != 0;
        case Kind::pattern:
            break;
        }
        return glob_match(word_, command.name);
    }

private:
    enum class Kind : std::uint8_t { all, module, category, pattern };

    [[nodiscard]] static Kind read_kind(std::string_view word) {
        if (is(word, "MODULE")) return Kind::module;
        if (is(word, "ACLCAT")) return Kind::category;
        if (!is(word, "PATTERN")) refuse_syntax();
        return Kind::pattern;
    }

    Kind kind_ = Kind::all;
    std::string word_{};
};

inline Reply command_list(Call& call) {
    const CommandFilter filter{call};
    std::vector<Reply> names;
    for (const CommandInfo* const one : call.all_commands())
        if (filter.selects(*one)) names.push_back(bulk(one->name));
    return Reply::array(std::move(names));
}

// Of those that there are here.
inline Reply command_help(Call& call) {
    return help(call.words(),
                {"(no subcommand)", "    Return details about all Redis commands.", "COUNT",
                 "    Return the total number of commands in this Redis server.", "LIST",
                 "    Return a list of all commands in this Redis server.",
                 "INFO [<command-name> ...]", "    Return details about multiple Redis commands.",
                 "    If no command names are given, documentation details for all",
                 "    commands are returned.", "DOCS [<command-name> ...]",
                 "    Return documentation details about multiple Redis commands.",
                 "    If no command names are given, documentation details for all",
                 "    commands are returned.", "GETKEYS <full-command>",
                 "    Return the keys from a full Redis command."});
}

inline constexpr auto command_commands = std::to_array<CommandInfo>({
    {"command", -1, Flag::container, {}, {2, 8}, command},
    {"command|count", 2, Flag::none, {}, {2, 8}, command_count},
    {"command|docs", -2, Flag::none, {}, {7, 0}, command_docs_reply},
    {"command|getkeys", -3, Flag::none, {}, {2, 8}, command_getkeys},
    {"command|help", 2, Flag::none, {}, {5, 0}, command_help},
    {"command|info", -2, Flag::none, {}, {2, 8}, command_info},
    {"command|list", -2, Flag::none, {}, {7, 0}, command_list},
});

}  // namespace runnel::inline v0::redis::detail
