// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/change.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/commands/counters.hpp>
#include <runnel/redis/commands/scanning.hpp>
#include <runnel/redis/hash_value.hpp>
#include <runnel/redis/replies.hpp>
#include <runnel/redis/reply.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::detail {

// To commit: tells that so many fields were made or changed.
inline void tell_of_fields(const Call& call, std::size_t count) noexcept {
    call.tell({.what = Change::What::fields_set, .key = call[1], .count = count});
}

// How many of the fields are new. The words are field, value, field, value, …; of a field that is
// named twice, the last value stays.
inline std::size_t set_fields(const Call& call) {
    if (call.size() % 2 != 0) call.refuse_arity();
    auto hash = call.find_or_make<HashValue>(call[1]);
    HashValue::New fresh;
    std::vector<std::pair<HashValue::Field*, std::string>> changed;
    for (std::size_t at = 2; at < call.size(); at += 2) {
        if (auto* const field = hash->find(call[at]))
            changed.emplace_back(field, call[at + 1]);
        else
            fresh.set(call[at], call[at + 1]);
    }
    const std::size_t count = fresh.size();

    hash.commit();
    for (auto& [field, value] : changed) field->value.swap(value);
    hash->add(fresh);
    tell_of_fields(call, count + changed.size());
    return count;
}

inline Reply hset(Call& call) {
    return reply_count(set_fields(call));
}

inline Reply hmset(Call& call) {
    Reply reply = reply_ok();
    (void)set_fields(call);
    return reply;
}

inline Reply hsetnx(Call& call) {
    auto hash = call.find_or_make<HashValue>(call[1]);
    if (hash->find(call[2]) != nullptr) return Reply::integer(0);
    HashValue::New fresh;
    fresh.set(call[2], call[3]);
    hash.commit();
    hash->add(fresh);
    tell_of_fields(call, 1);
    return Reply::integer(1);
}

// Null: there is none.
[[nodiscard]] inline HashValue::Field* find_field(const Call& call, std::string_view name) {
    auto* const hash = call.find<HashValue>(call[1]);
    return hash == nullptr ? nullptr : hash->find(name);
}
[[nodiscard]] inline Reply reply_of_field(const HashValue::Field* field) {
    return field == nullptr ? Reply::null() : bulk(field->value);
}

inline Reply hget(Call& call) {
    return reply_of_field(find_field(call, call[2]));
}

inline Reply hmget(Call& call) {
    std::vector<Reply> values;
    for (const std::string_view name : call.words_from(2))
        values.push_back(reply_of_field(find_field(call, name)));
    return Reply::array(std::move(values));
}

inline Reply hstrlen(Call& call) {
    const auto* const field = find_field(call, call[2]);
    return reply_count(field == nullptr ? 0 : field->value.size());
}

inline Reply hexists(Call& call) {
    return Reply::integer(find_field(call, call[2]) != nullptr ? 1 : 0);
}

inline Reply hlen(Call& call) {
    const auto* const hash = call.find<HashValue>(call[1]);
    return reply_count(hash == nullptr ? 0 : hash->fields().size());
}

// What a hash is asked for, of each field.
[[nodiscard]] inline std::vector<Reply> list_fields(const Call& call, bool names, bool values) {
    std::vector<Reply> all;
    const auto* const hash = call.find<HashValue>(call[1]);
    if (hash == nullptr) return all;
    for (const auto& field : hash->fields()) {
        if (names) all.push_back(bulk(field.name));
        if (values) all.push_back(bulk(field.value));
    }
    return all;
}

inline Reply hgetall(Call& call) {
    return call.map(list_fields(call, true, true));
}
inline Reply hkeys(Call& call) {
    return Reply::array(list_fields(call, true, false));
}
inline Reply hvals(Call& call) {
    return Reply::array(list_fields(call, false, true));
}

inline Reply hscan(Call& call) {
    return scan_value<HashValue>(
        call, &HashValue::fields, &HashValue::Field::name,
        [](std::vector<Reply>& found, const HashValue::Field& field, const ScanOptions& options) {
            found.push_back(bulk(field.name));
            if (options.has_values) found.push_back(bulk(field.value));
        });
}

inline Reply hdel(Call& call) {
    auto* const hash = call.find<HashValue>(call[1]);
    if (hash == nullptr) return Reply::integer(0);
    std::size_t count = 0;
    for (const std::string_view name : call.words_from(2)) count += hash->remove(name) ? 1U : 0U;
    if (count != 0) {
        call.tell({.what = Change::What::fields_removed, .key = call[1], .count = count});
        if (hash->fields().empty()) call.erase(call[1]);
    }
    return reply_count(count);
}

inline Reply hincrby(Call& call) {
    const std::int64_t step = call.integer(3);
    auto hash = call.find_or_make<HashValue>(call[1]);
    auto* const field = hash->find(call[2]);
    const std::int64_t old =
        field == nullptr ? 0 : integer_or(field->value, "ERR hash value is not an integer");
    const std::int64_t sum = incremented(old, step);
    std::string value = std::to_string(sum);
    HashValue::New fresh;
    if (field == nullptr) fresh.set(call[2], value);

    hash.commit();
    if (field != nullptr) field->value.swap(value);
    hash->add(fresh);
    tell_of_fields(call, 1);
    return Reply::integer(sum);
}

inline constexpr auto hash_commands = std::to_array<CommandInfo>({
    {"hdel", -3, Flag::write, {1, 1, 1}, {2, 0}, hdel},
    {"hexists", 3, Flag::none, {1, 1, 1}, {2, 0}, hexists},
    {"hget", 3, Flag::none, {1, 1, 1}, {2, 0}, hget},
    {"hgetall", 2, Flag::none, {1, 1, 1}, {2, 0}, hgetall},
    {"hincrby", 4, Flag::write, {1, 1, 1}, {2, 0}, hincrby},
    {"hkeys", 2, Flag::none, {1, 1, 1}, {2, 0}, hkeys},
    {"hlen", 2, Flag::none, {1, 1, 1}, {2, 0}, hlen},
    {"hmget", -3, Flag::none, {1, 1, 1}, {2, 0}, hmget},
    {"hmset", -4, Flag::write, {1, 1, 1}, {2, 0}, hmset},
    {"hscan", -3, Flag::none, {1, 1, 1}, {2, 8}, hscan, newer_in_scan},
    {"hset", -4, Flag::write, {1, 1, 1}, {2, 0}, hset},
    {"hsetnx", 4, Flag::write, {1, 1, 1}, {2, 0}, hsetnx},
    {"hstrlen", 3, Flag::none, {1, 1, 1}, {3, 2}, hstrlen},
    {"hvals", 2, Flag::none, {1, 1, 1}, {2, 0}, hvals},
});

}  // namespace runnel::inline v0::redis::detail
