// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/change.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/commands/scanning.hpp>
#include <runnel/redis/database.hpp>
#include <runnel/redis/database_number.hpp>
#include <runnel/redis/replies.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/value.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
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

inline Reply scan(Call& call) {
    const std::uint64_t cursor = read_cursor(call[1]);
    const ScanOptions options = ScanOptions::read(call, 2);
    const auto page =
        page_of(call.database().keys(), &Database::Keys::value_type::first, cursor, options.count);
    std::vector<Reply> names;
    for (const auto* const key : page.elements)
        if (options.select(key->first, key->second.value->type_name()))
            names.push_back(bulk(key->first));
    return reply_of_page(page.next, std::move(names));
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
    refuse_in_cluster(call, "ERR MOVE is not allowed in cluster mode");
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
        if (options.to != 0)
            refuse_in_cluster(call,
                              "ERR Copying to another database is not allowed in cluster mode");
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
    refuse_in_cluster(call, "ERR SWAPDB is not allowed in cluster mode");
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
    {"scan", -2, Flag::none, {}, {2, 8}, scan, newer_in_scan},
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
