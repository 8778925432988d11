// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/waits.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <utility>

// What commands that wait at keys have in common, whatever the keys hold.

namespace runnel::inline v0::redis::detail {

// The time-out in the word `at`, in milliseconds. Throws: Refusal.
[[nodiscard]] inline std::optional<std::int64_t> blocking_timeout(const Call& call,
                                                                  std::size_t at) {
    // What is parked has its deadline.
    if (call.is_again()) return std::nullopt;
    return timeout_in_seconds(call[at], call.now());
}

// Waits at keys that are not there, or do not have enough. What is returned is to be returned.
inline Reply wait_at_keys(Call& call, Words keys, std::optional<std::int64_t> timeout,
                          Reply otherwise, WaitsFor what) {
    if (call.is_again()) return call.block({});  // it keeps its place, and needs no memory
    return call.block({.keys = {keys.begin(), keys.end()},
                       .what = what,
                       .timeout = timeout,
                       .otherwise = std::move(otherwise)});
}

}  // namespace runnel::inline v0::redis::detail
