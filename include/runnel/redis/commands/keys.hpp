// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/glob.hpp>
#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/change.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/database.hpp>
#include <runnel/redis/database_number.hpp>
#include <runnel/redis/replies.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/value.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

// Commands on keys, whatever they hold.

namespace runnel::inline v0::redis::detail {

// ---- which keys there are

inline Reply exists(Call& call) {
    std::int64_t count = 0;
    for (const std::string_view name : call.words_from(1))
        if (call.find_key(name) != nullptr) ++count;
    return Reply::integer(count);
}

inline Reply type(Call& call) {
    const auto* const key = call.find_key(call[1]);
    return Reply::simple_string(
        std::string{key == nullptr ? "none" : key->second.value->type_name()});
}

// Which names a pattern selects: `*` all of them, also the empty one, which matches no other
// pattern.
[[nodiscard]] inline bool selects(std::string_view pattern, std::string_view name) noexcept {
    return pattern == "*" || glob_match(pattern, name);
}

inline Reply keys(Call& call) {
    std::vector<Reply> names;
    for (const auto& [name, entry] : call.database().keys())
        if (selects(call[1], name)) names.push_back(Reply::bulk_string(name));
    return Reply::array(std::move(names));
}

inline Reply randomkey(Call& call) {
    const Database::Keys& keys = call.database().keys();
    if (keys.empty()) return call.null();
    return Reply::bulk_string(call.any_of(keys).first);
}

inline Reply dbsize(Call& call) {
    return reply_count(call.database().size());
}

// SCAN goes through the keys in the order of their hashes; its cursor is the least hash that it has
// not seen. So a key that is there all the time is returned once, whatever else comes and goes. The
// hashes leave two bits out: clients read a cursor as an integer with a sign.
[[nodiscard]] constexpr std::uint64_t hash_of_key(std::string_view name) noexcept {
    std::uint64_t hash = 14'695'981'039'346'656'037U;  // FNV-1a
    for (const char byte : name) {
        hash ^= static_cast<unsigned char>(byte);
        hash *= 1'099'511'628'211U;
    }
    return hash >> 2U;
}

// The options of SCAN.
struct ScanOptions {
    std::uint64_t cursor = 0;
    std::size_t count = 10;
    std::string_view pattern = "*";
    std::optional<std::string_view> type{};

    // Throws: Refusal.
    [[nodiscard]] static ScanOptions read(const Call& call) {
        ScanOptions options;
        options.cursor = read_cursor(call[1]);
        for (std::size_t at = 2; at < call.size(); at += 2) {
            if (at + 1 == call.size()) refuse_syntax();
            options.take(call[at], call[at + 1]);
        }
        return options;
    }

    [[nodiscard]] bool select(const Database::Keys::value_type& key) const noexcept {
        return selects(pattern, key.first) && (!type || is_of_type(key.second.value->type_name()));
    }

private:
    [[nodiscard]] static std::uint64_t read_cursor(std::string_view word) {
        if (word.starts_with('+')) word.remove_prefix(1);
        std::uint64_t cursor = 0;
        const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), cursor);
        if (error != std::errc{} || end != word.data() + word.size()) refuse("ERR invalid cursor");
        return cursor;
    }

    void take(std::string_view option, std::string_view value) {
        if (is(option, "COUNT")) {
            const std::int64_t given = integer(value);
            if (given < 1) refuse_syntax();
            count = static_cast<std::size_t>(given);
        } else if (is(option, "MATCH")) {
            pattern = value;
        } else if (is(option, "TYPE")) {
            take_type(value);
        } else {
            refuse_syntax();
        }
    }

    void take_type(std::string_view value) {
        for (const std::string_view known : {"STRING", "LIST", "SET", "ZSET", "HASH", "STREAM"}) {
            if (!is(value, known)) continue;
            type = known;
            return;
        }
        refuse("ERR unknown type name '" + std::string{as_c_string(value)} + "'");
    }
    [[nodiscard]] bool is_of_type(std::string_view name) const noexcept { return is(name, *type); }
};

inline Reply scan(Call& call) {
    const ScanOptions options = ScanOptions::read(call);
    struct Found {
        std::uint64_t hash;
        const Database::Keys::value_type* key;
    };
    std::vector<Found> found;
    for (const auto& key : call.database().keys())
        if (const std::uint64_t hash = hash_of_key(key.first); hash >= options.cursor)
            found.push_back({hash, &key});
    std::ranges::sort(found, std::less<>{}, &Found::hash);
    // Keys of one hash are returned together.
    std::size_t end = std::min(options.count, found.size());
    while (end != 0 && end != found.size() && found[end].hash == found[end - 1].hash) ++end;
    const std::uint64_t next = end == found.size() ? 0 : found[end - 1].hash + 1;

    std::vector<Reply> names;
    for (std::size_t at = 0; at != end; ++at)
        if (options.select(*found[at].key))
            names.push_back(Reply::bulk_string(found[at].key->first));
    std::vector<Reply> page;
    page.push_back(Reply::bulk_string(std::to_string(next)));
    page.push_back(Reply::array(std::move(names)));
    return Reply::array(std::move(page));
}

// ---- removing

inline Reply del(Call& call) {
    std::int64_t count = 0;
    for (const std::string_view name : call.words_from(1)) {
        auto* const key = call.find_key(name);
        if (key == nullptr) continue;
        call.erase(*key);
        ++count;
    }
    return Reply::integer(count);
}

inline void expect_flush_mode(const Call& call) {
    if (call.size() > 2 || (call.size() == 2 && !is(call[1], "ASYNC") && !is(call[1], "SYNC")))
        refuse_syntax();
}

// To commit.
inline void flush(const Call& call, std::size_t number) noexcept {
    Database& database = call.database(number);
    while (database.size() != 0) call.erase(*database.find(database.keys().begin()->first), number);
}

inline Reply flushdb(Call& call) {
    expect_flush_mode(call);
    Reply reply = reply_ok();
    flush(call, call.session().database);
    return reply;
}

inline Reply flushall(Call& call) {
    expect_flush_mode(call);
    Reply reply = reply_ok();
    for (std::size_t number = 0; number != call.database_count(); ++number) flush(call, number);
    return reply;
}

// ---- renaming, moving, copying

// To commit: gives a key another name and perhaps another database, where no key has that name.
// `name` is as `kept`, which outlives this.
inline void move_key(const Call& call, Database::Keys::value_type& key, std::string&& name,
                     std::string_view kept, std::size_t to) noexcept {
    const ValueType type = key.second.value->type();
    call.database().move(key, std::move(name), call.database(to));
    call.tell({.what = Change::What::key_made,
               .key = kept,
               .type = type,
               .origin = call[1],
               .origin_database = call.session().database},
              to);
    call.tell({.what = Change::What::key_gone, .key = call[1], .type = type});
}

enum class Overwrite : std::uint8_t { no, yes };

// False: a key is in the way.
[[nodiscard]] inline bool rename_key(const Call& call, Overwrite overwrite) {
    auto* const key = call.find_key(call[1]);
    if (key == nullptr) refuse("ERR no such key");
    if (call[1] == call[2]) return overwrite == Overwrite::yes;
    if (overwrite == Overwrite::no && call.find_key(call[2]) != nullptr) return false;
    std::string name{call[2]};

    call.erase(call[2]);
    move_key(call, *key, std::move(name), call[2], call.session().database);
    return true;
}

inline Reply rename(Call& call) {
    Reply reply = reply_ok();
    (void)rename_key(call, Overwrite::yes);
    return reply;
}

inline Reply renamenx(Call& call) {
    return Reply::integer(rename_key(call, Overwrite::no) ? 1 : 0);
}

[[noreturn]] inline void refuse_same() {
    refuse("ERR source and destination objects are the same");
}

inline Reply move(Call& call) {
    refuse_in_cluster(call, "MOVE is");
    const std::size_t to = database_number(call, call[2]);
    if (to == call.session().database) refuse_same();
    auto* const key = call.find_key(call[1]);
    if (key == nullptr || call.database(to).find(call[1]) != nullptr) return Reply::integer(0);
    std::string name{call[1]};

    move_key(call, *key, std::move(name), call[1], to);
    return Reply::integer(1);
}

// The options of COPY.
struct CopyOptions {
    std::size_t to;
    bool overwrites = false;

    // Throws: Refusal.
    [[nodiscard]] static CopyOptions read(const Call& call) {
        CopyOptions options{call.session().database};
        for (std::size_t at = 3; at != call.size(); ++at) {
            if (is(call[at], "REPLACE")) {
                options.overwrites = true;
            } else if (is(call[at], "DB") && at + 1 != call.size()) {
                options.to = database_number(call, call[++at]);
            } else {
                refuse_syntax();
            }
        }
        if (options.to != 0) refuse_in_cluster(call, "Copying to another database is");
        return options;
    }
};

inline Reply copy(Call& call) {
    const CopyOptions options = CopyOptions::read(call);
    if (options.to == call.session().database && call[1] == call[2]) refuse_same();
    const auto* const key = call.find_key(call[1]);
    if (key == nullptr) return Reply::integer(0);
    Database& to = call.database(options.to);
    auto* const old = to.find(call[2]);
    if (old != nullptr && !options.overwrites) return Reply::integer(0);
    auto node = Database::make(call[2], key->second.value->copy());
    const std::optional<Milliseconds> expires = key->second.expires;
    Database::Expiries::node_type expiry;
    if (expires) expiry = Database::make_expiry();

    if (old != nullptr) call.erase(*old, options.to);
    auto& made = call.insert(std::move(node), options.to, call[1]);
    if (expires) {
        to.set_expiry(made, *expires, std::move(expiry));
        call.tell({.what = Change::What::key_expires, .key = made.first, .time = *expires},
                  options.to);
    }
    return Reply::integer(1);
}

[[nodiscard]] inline std::int64_t small_integer_or(std::string_view word, const char* error) {
    const std::int64_t given = integer_or(word, error);
    if (!is_int(given)) refuse(error);
    return given;
}

// To commit: `what` happened in database `number` to what are now the keys of `holder`.
inline void tell_of_all(const Call& call, std::size_t number, Change::What what,
                        std::size_t holder) noexcept {
    for (const auto& [name, entry] : call.database(holder).keys())
        call.tell({.what = what,
                   .key = name,
                   .type = entry.value->type(),
                   .origin = name,
                   .origin_database = number},
                  number);
}

inline Reply swapdb(Call& call) {
    refuse_in_cluster(call, "SWAPDB is");
    const std::int64_t first = small_integer_or(call[1], "ERR invalid first DB index");
    const std::int64_t second = small_integer_or(call[2], "ERR invalid second DB index");
    const std::size_t one = database_number(call, first);
    const std::size_t other = database_number(call, second);
    Reply reply = reply_ok();
    if (one == other) return reply;

    call.swap_databases(one, other);
    tell_of_all(call, one, Change::What::key_gone, other);
    tell_of_all(call, other, Change::What::key_gone, one);
    tell_of_all(call, one, Change::What::key_made, one);
    tell_of_all(call, other, Change::What::key_made, other);
    return reply;
}

inline constexpr auto key_commands = std::to_array<CommandInfo>({
    {"exists", -2, Flag::looks_on, {1, -1, 1}, {1, 0}, exists},
    {"touch", -2, Flag::uses_anyhow, {1, -1, 1}, {3, 2}, exists},
    {"type", 2, Flag::looks_on, {1, 1, 1}, {1, 0}, type},
    {"keys", 2, Flag::none, {}, {1, 0}, keys},
    {"scan", -2, Flag::none, {}, {2, 8}, scan},
    {"randomkey", 1, Flag::none, {}, {1, 0}, randomkey},
    {"dbsize", 1, Flag::none, {}, {1, 0}, dbsize},
    {"del", -2, Flag::write, {1, -1, 1}, {1, 0}, del},
    {"unlink", -2, Flag::write, {1, -1, 1}, {4, 0}, del},
    {"flushdb", -1, Flag::write, {}, {1, 0}, flushdb},
    {"flushall", -1, Flag::write, {}, {1, 0}, flushall},
    {"rename", 3, Flag::write, {1, 2, 1}, {1, 0}, rename},
    {"renamenx", 3, Flag::write, {1, 2, 1}, {1, 0}, renamenx},
    {"move", 3, Flag::write, {1, 1, 1}, {1, 0}, move},
    {"copy", -3, Flag::write, {1, 2, 1}, {6, 2}, copy},
    {"swapdb", 3, Flag::write, {}, {4, 0}, swapdb},
});

}  // namespace runnel::inline v0::redis::detail
