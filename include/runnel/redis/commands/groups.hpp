// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/core/group_state.hpp>
#include <runnel/detail/core/id_range.hpp>
#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/change.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/group_steps.hpp>
#include <runnel/redis/replies.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/stream_value.hpp>
#include <runnel/redis/stream_words.hpp>
#include <runnel/redis/subcommands.hpp>
#include <runnel/stream_id.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace runnel::inline v0::redis::detail {

// XGROUP <subcommand> <key> <group> …

[[noreturn]] inline void refuse_missing_stream() {
    refuse("ERR The XGROUP subcommand requires the key to exist. Note that for CREATE you may want "
           "to use the MKSTREAM option to create an empty stream automatically.");
}

// The group of a subcommand, or only its stream. Throws: Refusal, if there is no stream.
[[nodiscard]] inline GroupAt group_if_any(const Call& call) {
    const GroupAt at = find_group(call, call[2], call[3]);
    if (at.stream == nullptr) refuse_missing_stream();
    return at;
}
[[nodiscard]] inline GroupAt group_that_exists(const Call& call) {
    const GroupAt at = group_if_any(call);
    if (at.group == nullptr) refuse_missing_group(at.key, at.name);
    return at;
}

struct GroupWords {
    bool makes_stream = false;
    std::optional<std::uint64_t> entries_read{};
};

[[nodiscard]] inline std::optional<std::uint64_t> entries_read(std::string_view word) {
    const std::int64_t number = integer(word);
    if (number < -1) refuse("ERR value for ENTRIESREAD must be positive or -1");
    if (number == -1) return std::nullopt;
    return static_cast<std::uint64_t>(number);
}

[[nodiscard]] inline GroupWords group_words(const Call& call, bool is_create) {
    constexpr std::size_t options_begin = 5;
    GroupWords words;
    for (std::size_t at = options_begin; at != call.size(); ++at) {
        if (is_create && is(call[at], "MKSTREAM"))
            words.makes_stream = true;
        else if (is(call[at], "ENTRIESREAD") && at + 1 != call.size())
            words.entries_read = entries_read(call[++at]);
        else
            refuse_subcommand_arguments(call.words());
    }
    return words;
}

inline Reply xgroup_create(Call& call) {
    constexpr std::size_t most_words = 8;
    const GroupWords words = group_words(call, true);
    const GroupAt known = find_group(call, call[2], call[3]);
    if (known.stream == nullptr && !words.makes_stream) refuse_missing_stream();
    if (call.size() > most_words) refuse_subcommand_arguments(call.words());
    StreamId from{};
    if (call[4] != "$")
        from = stream_id(call[4]);
    else if (known.stream != nullptr)
        from = known.stream->log.last_id();
    if (known.group != nullptr) refuse("BUSYGROUP Consumer Group name already exists");

    auto stream = call.find_or_make<StreamValue>(known.key, call.settings());
    StreamValue::Groups made;
    made.try_emplace(std::string{known.name}, PendingEntries::timed, from, words.entries_read,
                     stream->log.facts());
    Reply reply = reply_ok();
    stream.commit();
    stream->groups.insert(made.extract(made.begin()));
    call.tell(known.change(Change::What::group_made, from));
    return reply;
}

inline Reply xgroup_setid(Call& call) {
    const GroupWords words = group_words(call, false);
    const GroupAt at = group_that_exists(call);
    constexpr std::size_t most_words = 7;
    if (call.size() > most_words) refuse_subcommand_arguments(call.words());
    const LogFacts log = at.stream->log.facts();
    const auto id = call[4] == "$" ? log.last_id : parse_edge(call[4]);
    if (!id) refuse_id();
    Reply reply = reply_ok();
    at.group->set_position(*id, words.entries_read, log);
    call.tell(at.change(Change::What::group_moved, *id));
    return reply;
}

inline Reply xgroup_destroy(Call& call) {
    const GroupAt at = group_if_any(call);
    if (at.group == nullptr) return Reply::integer(0);
    StreamValue::Groups& groups = at.stream->groups;
    groups.erase(groups.find(at.name));
    call.tell(at.change(Change::What::group_removed));
    return Reply::integer(1);
}

inline Reply xgroup_createconsumer(Call& call) {
    const GroupAt at = group_that_exists(call);
    if (at.group->find(call[4]) != nullptr) return Reply::integer(0);
    GroupSteps steps{call};
    steps.caller(at, call[4]);
    steps.done();
    return Reply::integer(1);
}

inline Reply xgroup_delconsumer(Call& call) {
    const GroupAt at = group_that_exists(call);
    if (at.group->find(call[4]) == nullptr) return Reply::integer(0);
    const std::size_t dropped = at.group->remove_consumer(call[4]).acknowledged;
    Change change = at.change(Change::What::consumer_removed);
    change.consumer = call[4];
    call.tell(change);
    return reply_count(dropped);
}

inline Reply xgroup_help(Call& call) {
    return help(call.words(), {
                                  "CREATE <key> <groupname> <id|$> [option]",
                                  "    Create a new consumer group. Options are:",
                                  "    * MKSTREAM",
                                  "      Create the empty stream if it does not exist.",
                                  "    * ENTRIESREAD entries_read",
                                  "      Set the group's entries_read counter (internal use).",
                                  "CREATECONSUMER <key> <groupname> <consumer>",
                                  "    Create a new consumer in the specified group.",
                                  "DELCONSUMER <key> <groupname> <consumer>",
                                  "    Remove the specified consumer.",
                                  "DESTROY <key> <groupname>",
                                  "    Remove the specified group.",
                                  "SETID <key> <groupname> <id|$> [ENTRIESREAD entries_read]",
                                  "    Set the current group ID and entries_read counter.",
                              });
}

inline Reply xack(Call& call) {
    const GroupAt at = find_group(call, call[1], call[2]);
    if (at.group == nullptr) return Reply::integer(0);
    std::int64_t count = 0;
    for (const StreamId& id : stream_ids(call.words_from(3))) {
        if (!at.group->acknowledge(id)) continue;
        ++count;
        call.tell(at.change(Change::What::acknowledged, id));
    }
    return Reply::integer(count);
}

inline constexpr auto group_commands = std::to_array<CommandInfo>({
    {"xgroup", -2, Flag::container, {}, {5, 0}, nullptr},
    {"xgroup|create", -5, Flag::write, key_is_second, {5, 0}, xgroup_create},
    {"xgroup|setid", -5, Flag::write, key_is_second, {5, 0}, xgroup_setid},
    {"xgroup|destroy", 4, Flag::write, key_is_second, {5, 0}, xgroup_destroy},
    {"xgroup|createconsumer", 5, Flag::write, key_is_second, {6, 2}, xgroup_createconsumer},
    {"xgroup|delconsumer", 5, Flag::write, key_is_second, {5, 0}, xgroup_delconsumer},
    {"xgroup|help", 2, Flag::none, {}, {5, 0}, xgroup_help},
    {"xack", -4, Flag::write, key_is_first, {5, 0}, xack},
});

}  // namespace runnel::inline v0::redis::detail
