// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace runnel::inline v0::redis::detail {

// A cluster has one database. Throws: Refusal with that text, in a cluster.
inline void refuse_in_cluster(const Call& call, std::string_view text) {
    if (call.cluster() != nullptr) refuse(std::string{text});
}

// An integer of 32 bits, as databases have them. Throws: Refusal.
[[nodiscard]] inline std::int64_t small_integer(std::string_view word) {
    const std::int64_t given = integer(word);
    if (!is_int(given))
        refuse("ERR value is out of range, value must between -2147483648 and 2147483647");
    return given;
}

// The number of a database. Throws: Refusal.
[[nodiscard]] inline std::size_t database_number(const Call& call, std::int64_t given) {
    if (given < 0 || static_cast<std::uint64_t>(given) >= call.database_count())
        refuse("ERR DB index is out of range");
    return static_cast<std::size_t>(given);
}
[[nodiscard]] inline std::size_t database_number(const Call& call, std::string_view word) {
    return database_number(call, small_integer(word));
}

}  // namespace runnel::inline v0::redis::detail
