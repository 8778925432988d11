// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/change.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/database.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/value.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

// Commands on the time to live of keys.

namespace runnel::inline v0::redis::detail {

enum class TimeUnit : std::uint8_t { seconds, milliseconds };
inline constexpr Milliseconds in_a_second = 1000;

[[noreturn]] inline void refuse_expiry(const Call& call) {
    refuse("ERR invalid expire time in '" + std::string{call.info().name} + "' command");
}

// So many seconds or milliseconds after `since`, in milliseconds. Throws: Refusal, if that is too
// much.
[[nodiscard]] inline Milliseconds moment_of(const Call& call, std::int64_t given, TimeUnit unit,
                                            Milliseconds since) {
    using Limits = std::numeric_limits<Milliseconds>;
    if (unit == TimeUnit::seconds) {
        if (given > Limits::max() / in_a_second || given < Limits::min() / in_a_second)
            refuse_expiry(call);
        given *= in_a_second;
    }
    const auto moment = sum_of(since, given);
    if (!moment) refuse_expiry(call);
    return *moment;
}
// The same, of a word; at least one.
[[nodiscard]] inline Milliseconds moment_of(const Call& call, std::string_view word, TimeUnit unit,
                                            Milliseconds since) {
    const std::int64_t given = integer(word);
    if (given <= 0) refuse_expiry(call);
    return moment_of(call, given, unit, since);
}

// To commit: the key expires then. Removes it if that is no later than now.
inline void set_expiry(const Call& call, Database::Keys::value_type& key, Milliseconds at,
                       Database::Expiries::node_type&& room) noexcept {
    if (at <= call.now()) return call.erase(key);
    call.database().set_expiry(key, at, std::move(room));
    call.tell({.what = Change::What::key_expires, .key = key.first, .time = at});
}

// To commit. False: it had no time to live.
inline bool remove_expiry(const Call& call, Database::Keys::value_type& key) noexcept {
    if (!call.database().remove_expiry(key)) return false;
    call.tell({.what = Change::What::key_expires, .key = key.first});
    return true;
}

// The conditions of EXPIRE.
struct ExpireConditions {
    bool nx = false;
    bool xx = false;
    bool gt = false;
    bool lt = false;

    // Throws: Refusal.
    [[nodiscard]] static ExpireConditions read(const Call& call) {
        ExpireConditions conditions;
        for (const std::string_view word : call.words_from(3))
            if (!conditions.take(word))
                refuse("ERR Unsupported option " + std::string{as_c_string(word)});
        if (conditions.nx && (conditions.xx || conditions.gt || conditions.lt))
            refuse("ERR NX and XX, GT or LT options at the same time are not compatible");
        if (conditions.gt && conditions.lt)
            refuse("ERR GT and LT options at the same time are not compatible");
        return conditions;
    }

    // Whether a key that expires at `old` may expire at `at` instead. A key that never expires does
    // so later than any other.
    [[nodiscard]] bool allow(std::optional<Milliseconds> old, Milliseconds at) const noexcept {
        if (nx && old) return false;
        if (xx && !old) return false;
        if (gt && (!old || at <= *old)) return false;
        if (lt && old && at >= *old) return false;
        return true;
    }

private:
    bool take(std::string_view word) noexcept {
        if (is(word, "NX")) return nx = true;
        if (is(word, "XX")) return xx = true;
        if (is(word, "GT")) return gt = true;
        if (is(word, "LT")) return lt = true;
        return false;
    }
};

inline Reply expire_at(const Call& call, TimeUnit unit, Milliseconds since) {
    const ExpireConditions conditions = ExpireConditions::read(call);
    const Milliseconds at = moment_of(call, call.integer(2), unit, since);
    auto* const key = call.find_key(call[1]);
    if (key == nullptr || !conditions.allow(key->second.expires, at)) return Reply::integer(0);
    set_expiry(call, *key, at, Database::make_expiry());
    return Reply::integer(1);
}

inline Reply expire(Call& call) {
    return expire_at(call, TimeUnit::seconds, call.now());
}
inline Reply pexpire(Call& call) {
    return expire_at(call, TimeUnit::milliseconds, call.now());
}
inline Reply expireat(Call& call) {
    return expire_at(call, TimeUnit::seconds, 0);
}
inline Reply pexpireat(Call& call) {
    return expire_at(call, TimeUnit::milliseconds, 0);
}

// When a key expires, as so long after `since`.
[[nodiscard]] inline Reply time_to_live(const Call& call, Milliseconds since,
                                        TimeUnit unit) noexcept {
    constexpr std::int64_t missing = -2;
    constexpr std::int64_t never = -1;
    const auto* const key = call.find_key(call[1]);
    if (key == nullptr) return Reply::integer(missing);
    if (!key->second.expires) return Reply::integer(never);
    const Milliseconds left = time_between(since, *key->second.expires);
    if (unit == TimeUnit::milliseconds) return Reply::integer(left);
    const bool rounds_up = left % in_a_second >= in_a_second / 2;
    return Reply::integer(left / in_a_second + (rounds_up ? 1 : 0));
}

inline Reply ttl(Call& call) {
    return time_to_live(call, call.now(), TimeUnit::seconds);
}
inline Reply pttl(Call& call) {
    return time_to_live(call, call.now(), TimeUnit::milliseconds);
}
inline Reply expiretime(Call& call) {
    return time_to_live(call, 0, TimeUnit::seconds);
}
inline Reply pexpiretime(Call& call) {
    return time_to_live(call, 0, TimeUnit::milliseconds);
}

inline Reply persist(Call& call) {
    auto* const key = call.find_key(call[1]);
    return Reply::integer(key != nullptr && remove_expiry(call, *key) ? 1 : 0);
}

inline constexpr auto expiry_commands = std::to_array<CommandInfo>({
    {"expire", -3, Flag::write, {1, 1, 1}, {1, 0}, expire},
    {"pexpire", -3, Flag::write, {1, 1, 1}, {2, 6}, pexpire},
    {"expireat", -3, Flag::write, {1, 1, 1}, {1, 2}, expireat},
    {"pexpireat", -3, Flag::write, {1, 1, 1}, {2, 6}, pexpireat},
    {"ttl", 2, Flag::looks_on, {1, 1, 1}, {1, 0}, ttl},
    {"pttl", 2, Flag::looks_on, {1, 1, 1}, {2, 6}, pttl},
    {"expiretime", 2, Flag::looks_on, {1, 1, 1}, {7, 0}, expiretime},
    {"pexpiretime", 2, Flag::looks_on, {1, 1, 1}, {7, 0}, pexpiretime},
    {"persist", 2, Flag::write, {1, 1, 1}, {2, 2}, persist},
});

}  // namespace runnel::inline v0::redis::detail
