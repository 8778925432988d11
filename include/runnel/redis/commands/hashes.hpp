// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/change.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/commands/counters.hpp>
#include <runnel/redis/commands/random_elements.hpp>
#include <runnel/redis/commands/scanning.hpp>
#include <runnel/redis/hash_value.hpp>
#include <runnel/redis/replies.hpp>
#include <runnel/redis/reply.hpp>

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
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

// Gives the field that the third word names a value. Throws: std::bad_alloc, and then nothing has
// changed.
inline void set_field(const Call& call, Call::Made<HashValue>& hash, std::string value) {
    auto* const field = hash->find(call[2]);
    HashValue::New fresh;
    if (field == nullptr) fresh.set(call[2], value);

    hash.commit();
    if (field != nullptr) field->value.swap(value);
    hash->add(fresh);
    tell_of_fields(call, 1);
}

inline Reply hsetnx(Call& call) {
    auto hash = call.find_or_make<HashValue>(call[1]);
    if (hash->find(call[2]) != nullptr) return Reply::integer(0);
    set_field(call, hash, std::string{call[3]});
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
    const auto* const field = hash->find(call[2]);
    const std::int64_t old =
        field == nullptr ? 0 : integer_or(field->value, "ERR hash value is not an integer");
    const std::int64_t sum = incremented(old, step);
    set_field(call, hash, std::to_string(sum));
    return Reply::integer(sum);
}

inline Reply hincrbyfloat(Call& call) {
    const long double step = expect_float(call[3]);
    if (!std::isfinite(step)) refuse("ERR value is NaN or Infinity");
    auto hash = call.find_or_make<HashValue>(call[1]);
    const auto* const field = hash->find(call[2]);
    const long double old =
        field == nullptr ? 0 : float_or(field->value, "ERR hash value is not a float");
    std::string value = text_of_float(incremented(old, step));
    Reply reply = bulk(value);
    set_field(call, hash, std::move(value));
    return reply;
}

// ---- fields by lot

[[nodiscard]] inline Reply reply_of_fields(const std::vector<const HashValue::Field*>& fields) {
    std::vector<Reply> names;
    names.reserve(fields.size());
    for (const auto* const field : fields) names.push_back(bulk(field->name));
    return Reply::array(std::move(names));
}

// Pairs in RESP3; in RESP2 field, value, field, value, ….
[[nodiscard]] inline Reply reply_with_values(const Call& call,
                                             const std::vector<const HashValue::Field*>& fields) {
    std::vector<Reply> all;
    for (const auto* const field : fields) {
        if (call.is_resp3()) {
            all.push_back(Reply::array({bulk(field->name), bulk(field->value)}));
        } else {
            all.push_back(bulk(field->name));
            all.push_back(bulk(field->value));
        }
    }
    return Reply::array(std::move(all));
}

inline Reply hrandfield(Call& call) {
    if (call.size() == 2) {
        const auto* const hash = call.find<HashValue>(call[1]);
        return hash == nullptr ? call.null() : bulk(call.any_of(hash->fields()).name);
    }
    const std::int64_t count = signed_count(call[2]);
    const bool with_values = call.size() > 3;
    if (with_values && (call.size() > 4 || !is(call[3], "WITHVALUES"))) refuse_syntax();
    constexpr std::int64_t most_pairs = std::numeric_limits<std::int64_t>::max() / 2;
    if (with_values && (count < -most_pairs || count > most_pairs))
        refuse("ERR value is out of range");
    const auto* const hash = call.find<HashValue>(call[1]);
    if (hash == nullptr) return Reply::array({});
    const auto fields = any_elements(call, hash->fields(), count);
    return with_values ? reply_with_values(call, fields) : reply_of_fields(fields);
}

inline constexpr auto hash_commands = std::to_array<CommandInfo>({
    {"hdel", -3, Flag::write, {1, 1, 1}, {2, 0}, hdel},
    {"hexists", 3, Flag::none, {1, 1, 1}, {2, 0}, hexists},
    {"hget", 3, Flag::none, {1, 1, 1}, {2, 0}, hget},
    {"hgetall", 2, Flag::none, {1, 1, 1}, {2, 0}, hgetall},
    {"hincrby", 4, Flag::write, {1, 1, 1}, {2, 0}, hincrby},
    {"hincrbyfloat", 4, Flag::write, {1, 1, 1}, {2, 6}, hincrbyfloat},
    {"hkeys", 2, Flag::none, {1, 1, 1}, {2, 0}, hkeys},
    {"hlen", 2, Flag::none, {1, 1, 1}, {2, 0}, hlen},
    {"hmget", -3, Flag::none, {1, 1, 1}, {2, 0}, hmget},
    {"hmset", -4, Flag::write, {1, 1, 1}, {2, 0}, hmset},
    {"hrandfield", -2, Flag::none, {1, 1, 1}, {6, 2}, hrandfield},
    {"hscan", -3, Flag::none, {1, 1, 1}, {2, 8}, hscan, newer_in_scan},
    {"hset", -4, Flag::write, {1, 1, 1}, {2, 0}, hset},
    {"hsetnx", 4, Flag::write, {1, 1, 1}, {2, 0}, hsetnx},
    {"hstrlen", 3, Flag::none, {1, 1, 1}, {3, 2}, hstrlen},
    {"hvals", 2, Flag::none, {1, 1, 1}, {2, 0}, hvals},
});

}  // namespace runnel::inline v0::redis::detail
