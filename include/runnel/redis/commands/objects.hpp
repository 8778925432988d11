// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/core/group_state.hpp>
#include <runnel/detail/core/macro_nodes.hpp>
#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/commands/encodings.hpp>
#include <runnel/redis/database.hpp>
#include <runnel/redis/hash_value.hpp>
#include <runnel/redis/list_value.hpp>
#include <runnel/redis/replies.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/set_value.hpp>
#include <runnel/redis/sorted_set_value.hpp>
#include <runnel/redis/stream_value.hpp>
#include <runnel/redis/subcommands.hpp>
#include <runnel/redis/value.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// OBJECT and MEMORY: how Redis would keep a value.

namespace runnel::inline v0::redis::detail {

// ---- bytes, by type: about what Redis takes

// What a member of a table costs besides its bytes.
inline constexpr std::uint64_t bytes_of_table_entry = 40;

inline std::uint64_t bytes_of(const StringValue& value) noexcept {
    return encoding_of(value) == "int" ? 0 : value.bytes().size() + 1;
}
inline std::uint64_t bytes_of(const ListValue& list) noexcept {
    return listpack_bytes(list);
}
inline std::uint64_t bytes_of(const SetValue& set) noexcept {
    const SetValue::Members& members = set.members();
    if (is_intset(members)) return sizeof(std::int64_t) * members.size();
    if (encoding_of(set) == "listpack") return listpack_bytes(members);
    std::uint64_t bytes = 0;
    for (const std::string& member : members) bytes += member.size() + bytes_of_table_entry;
    return bytes;
}
inline std::uint64_t bytes_of(const HashValue& hash) noexcept {
    const bool is_listpack = encoding_of(hash) == "listpack";
    std::uint64_t bytes = 0;
    for (const auto& [name, value] : hash.fields())
        bytes += is_listpack ? listpack::size_of(std::string_view{name}) +
                                   listpack::size_of(std::string_view{value})
                             : name.size() + value.size() + bytes_of_table_entry;
    return bytes;
}
inline std::uint64_t bytes_of(const SortedSetValue& set) noexcept {
    // A score in a listpack, and in a skiplist with its links.
    constexpr std::uint64_t of_small_score = 9;
    constexpr std::uint64_t of_score = 48;
    const bool is_listpack = encoding_of(set) == "listpack";
    std::uint64_t bytes = 0;
    for (const auto& [name, score] : set.members())
        bytes += is_listpack ? listpack::size_of(std::string_view{name}) + of_small_score
                             : name.size() + bytes_of_table_entry + of_score;
    return bytes;
}
inline std::uint64_t bytes_of(const StreamValue& stream) noexcept {
    constexpr std::uint64_t of_group = 200;
    constexpr std::uint64_t of_pending_entry = 80;
    std::uint64_t bytes = 0;
    for (const auto& [id, node] : stream.nodes) bytes += node.bytes();
    for (const auto& [name, group] : stream.groups)
        bytes += of_group + of_pending_entry * group.pending().size();
    return bytes;
}

// ---- any value

// Calls `tell` with the value as what it is. A new type needs a line here, and the two functions.
template <typename Tell>
[[nodiscard]] auto tell_of(const Value& value, const Tell& tell) noexcept {
    const auto as = [&]<typename Kind>() { return tell(static_cast<const Kind&>(value)); };
    switch (value.type()) {
    case ValueType::list:
        return as.template operator()<ListValue>();
    case ValueType::stream:
        return as.template operator()<StreamValue>();
    case ValueType::set:
        return as.template operator()<SetValue>();
    case ValueType::hash:
        return as.template operator()<HashValue>();
    case ValueType::sorted_set:
        return as.template operator()<SortedSetValue>();
    case ValueType::string:
        break;
    }
    return as.template operator()<StringValue>();
}

[[nodiscard]] inline std::string_view encoding_of_any(const Value& value) noexcept {
    return tell_of(value, [](const auto& one) { return encoding_of(one); });
}

// Of a key with its value.
[[nodiscard]] inline std::uint64_t bytes_of_key(const Database::Keys::value_type& key) noexcept {
    constexpr std::uint64_t of_key = 48;
    constexpr std::uint64_t of_expiry = 24;
    const auto& [name, entry] = key;
    return of_key + name.size() + (entry.expires ? of_expiry : 0) +
           tell_of(*entry.value, [](const auto& one) { return bytes_of(one); });
}

// ---- OBJECT

inline Reply object_encoding(Call& call) {
    const auto* const key = call.find_key(call[2]);
    return key == nullptr ? call.null() : bulk(encoding_of_any(*key->second.value));
}

// No two keys share a value.
inline Reply object_refcount(Call& call) {
    return call.find_key(call[2]) == nullptr ? call.null() : Reply::integer(1);
}

inline Reply object_idletime(Call& call) {
    constexpr Milliseconds second = 1'000;
    const auto* const key = call.find_key(call[2]);
    if (key == nullptr) return call.null();
    return Reply::integer(
        std::max<Milliseconds>(0, call.now() / second - key->second.used / second));
}

inline Reply object_freq(Call& call) {
    if (call.find_key(call[2]) == nullptr) return call.null();
    refuse("ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note "
           "that when switching between policies at runtime LRU and LFU data will take some time "
           "to adjust.");
}

inline Reply object_help(Call& call) {
    return help(call.words(),
                {"ENCODING <key>",
                 "    Return the kind of internal representation used in order to store the value",
                 "    associated with a <key>.", "FREQ <key>",
                 "    Return the access frequency index of the <key>. The returned integer is",
                 "    proportional to the logarithm of the recent access frequency of the key.",
                 "IDLETIME <key>",
                 "    Return the idle time of the <key>, that is the approximated number of",
                 "    seconds elapsed since the last access to the key.", "REFCOUNT <key>",
                 "    Return the number of references of the value associated with the specified",
                 "    <key>."});
}

// ---- MEMORY

// How many members are to be looked at makes no difference here: all of them are.
inline void expect_usage_options(const Call& call) {
    for (std::size_t at = 3; at < call.size(); at += 2) {
        if (!is(call[at], "SAMPLES") || at + 1 == call.size()) refuse_syntax();
        if (call.integer(at + 1) < 0) refuse_syntax();
    }
}

inline Reply memory_usage(Call& call) {
    expect_usage_options(call);
    const auto* const key = call.find_key(call[2]);
    return key == nullptr ? call.null() : reply_count(bytes_of_key(*key));
}

// Of those that there are here.
inline Reply memory_help(Call& call) {
    return help(call.words(),
                {"USAGE <key> [SAMPLES <count>]",
                 "    Return memory in bytes used by <key> and its value. Nested values are",
                 "    sampled up to <count> times (default: 5, 0 means sample all)."});
}

inline constexpr auto object_commands = std::to_array<CommandInfo>({
    {"object", -2, Flag::container, {}, {2, 2}, nullptr},
    {"object|encoding", 3, Flag::looks_on, {2, 2, 1}, {2, 2}, object_encoding},
    {"object|freq", 3, Flag::looks_on, {2, 2, 1}, {4, 0}, object_freq},
    {"object|help", 2, Flag::none, {}, {6, 2}, object_help},
    {"object|idletime", 3, Flag::looks_on, {2, 2, 1}, {2, 2}, object_idletime},
    {"object|refcount", 3, Flag::looks_on, {2, 2, 1}, {2, 2}, object_refcount},
    {"memory", -2, Flag::container, {}, {4, 0}, nullptr},
    {"memory|help", 2, Flag::none, {}, {4, 0}, memory_help},
    {"memory|usage", -3, Flag::looks_on, {2, 2, 1}, {4, 0}, memory_usage},
});

}  // namespace runnel::inline v0::redis::detail
