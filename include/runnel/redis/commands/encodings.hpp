// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/parse_integer.hpp>
#include <runnel/detail/core/macro_nodes.hpp>
#include <runnel/redis/hash_value.hpp>
#include <runnel/redis/list_value.hpp>
#include <runnel/redis/set_value.hpp>
#include <runnel/redis/sorted_set_value.hpp>
#include <runnel/redis/stream_value.hpp>
#include <runnel/redis/value.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

// How Redis would encode a value. The fake keeps values otherwise, so this goes by what the value
// is now, with the limits that Redis has by default: not by how it came to be.

namespace runnel::inline v0::redis::detail {

inline std::string_view encoding_of(const StringValue& value) noexcept {
    constexpr std::size_t most_embedded = 44;
    if (parse_integer(value.bytes())) return "int";
    return value.bytes().size() <= most_embedded ? "embstr" : "raw";
}

// Of one listpack with these items.
inline constexpr std::uint64_t listpack_header = 7;
[[nodiscard]] inline std::uint64_t listpack_bytes(const SetValue::Members& members) noexcept {
    std::uint64_t bytes = listpack_header;
    for (const std::string& item : members) bytes += listpack::size_of(std::string_view{item});
    return bytes;
}
[[nodiscard]] inline std::uint64_t listpack_bytes(const ListValue& list) noexcept {
    std::uint64_t bytes = listpack_header;
    list.visit(
        [&](const std::string& item) { bytes += listpack::size_of(std::string_view{item}); });
    return bytes;
}

inline std::string_view encoding_of(const ListValue& list) noexcept {
    constexpr std::uint64_t most_bytes = 8'192;
    return listpack_bytes(list) <= most_bytes ? "listpack" : "quicklist";
}

inline constexpr std::size_t longest_in_listpack = 64;

[[nodiscard]] inline bool is_intset(const SetValue::Members& members) noexcept {
    constexpr std::size_t most = 512;
    return members.size() <= most && std::ranges::all_of(members, [](const std::string& member) {
               return parse_integer(member).has_value();
           });
}

inline std::string_view encoding_of(const SetValue& set) noexcept {
    constexpr std::size_t most = 128;
    const SetValue::Members& members = set.members();
    if (is_intset(members)) return "intset";
    const auto fits = [](const std::string& member) {
        return member.size() <= longest_in_listpack;
    };
    return members.size() <= most && std::ranges::all_of(members, fits) ? "listpack" : "hashtable";
}

inline std::string_view encoding_of(const HashValue& hash) noexcept {
    constexpr std::size_t most = 512;
    const auto fits = [](const HashValue::Field& field) {
        return std::max(field.name.size(), field.value.size()) <= longest_in_listpack;
    };
    const bool is_small = hash.fields().size() <= most && std::ranges::all_of(hash.fields(), fits);
    return is_small ? "listpack" : "hashtable";
}

inline std::string_view encoding_of(const SortedSetValue& set) noexcept {
    constexpr std::size_t most = 128;
    const auto fits = [](const SortedSetValue::Member& member) {
        return member.name.size() <= longest_in_listpack;
    };
    const bool is_small = set.members().size() <= most && std::ranges::all_of(set.members(), fits);
    return is_small ? "listpack" : "skiplist";
}

inline std::string_view encoding_of(const StreamValue& /*all are alike*/) noexcept {
    return "stream";
}

}  // namespace runnel::inline v0::redis::detail
