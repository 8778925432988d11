// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/core/index_range.hpp>
#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/change.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/commands/expiry.hpp>
#include <runnel/redis/commands/string_condition.hpp>
#include <runnel/redis/database.hpp>
#include <runnel/redis/replies.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/value.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::detail {

[[nodiscard]] inline Reply reply_of_string(const StringValue* value) {
    return value == nullptr ? Reply::null() : Reply::bulk_string(value->bytes());
}

inline Reply get(Call& call) {
    return reply_of_string(call.find<StringValue>(call[1]));
}

// The options that say when a key expires: EX, PX, EXAT and PXAT.
struct ExpiryOption {
    std::string_view unit{};      // empty: none was given
    std::string_view duration{};  // or the moment

    // False: the word is none of them, or contradicts the one that was given.
    bool take(std::string_view word, std::string_view value) noexcept {
        for (const std::string_view known : {"EX", "PX", "EXAT", "PXAT"}) {
            if (!is(word, known)) continue;
            if (!unit.empty() && unit != known) return false;
            unit = known;
            duration = value;
            return true;
        }
        return false;
    }

    // Throws: Refusal.
    [[nodiscard]] std::optional<Milliseconds> moment(const Call& call) const {
        if (unit.empty()) return std::nullopt;
        const bool is_moment = unit.ends_with("AT");
        const TimeUnit of = unit.starts_with('E') ? TimeUnit::seconds : TimeUnit::milliseconds;
        return moment_of(call, duration, of, is_moment ? 0 : call.now());
    }
};

// The options of SET.
struct SetOptions {
    enum class When : std::uint8_t { always, if_missing, if_there };

    When when = When::always;
    StringCondition condition{};
    bool returns_old = false;
    bool keeps_expiry = false;
    ExpiryOption expiry{};

    // Throws: Refusal.
    [[nodiscard]] static SetOptions read(const Call& call) {
        SetOptions options;
        for (std::size_t at = 3; at < call.size(); ++at) {
            if (options.take_flag(call[at])) continue;
            if (at + 1 == call.size() || !options.take(call, call[at], call[at + 1]))
                refuse_syntax();
            ++at;
        }
        return options;
    }

    // `value`: what the key holds; null: it does not exist. Throws: Refusal.
    [[nodiscard]] bool allow(Value* value) const {
        if (!condition.is_given())
            return when == When::always || (when == When::if_there) == (value != nullptr);
        if (value == nullptr) return condition.holds_without_string();
        return condition.holds_for(Call::as<StringValue>(*value).bytes());
    }

private:
    // Of NX, XX and the conditions there is one at most; NX and XX may be repeated.
    [[nodiscard]] bool may_be(When asked) const noexcept {
        return (when == When::always || when == asked) && !condition.is_given();
    }

    // The options that contradict each other are no options once the other one was given.
    bool take_flag(std::string_view word) noexcept {
        if (is(word, "NX") && may_be(When::if_missing)) {
            when = When::if_missing;
        } else if (is(word, "XX") && may_be(When::if_there)) {
            when = When::if_there;
        } else if (is(word, "GET")) {
            returns_old = true;
        } else if (is(word, "KEEPTTL") && expiry.unit.empty()) {
            keeps_expiry = true;
        } else {
            return false;
        }
        return true;
    }
    bool take(const Call& call, std::string_view word, std::string_view value) noexcept {
        if (may_be(When::always) && condition.take(call, word, value)) return true;
        return !keeps_expiry && expiry.take(word, value);
    }
};

// The options of GETEX.
struct GetExOptions {
    bool persists = false;
    ExpiryOption expiry{};

    // Throws: Refusal.
    [[nodiscard]] static GetExOptions read(const Call& call) {
        GetExOptions options;
        for (std::size_t at = 2; at < call.size(); ++at) {
            if (is(call[at], "PERSIST") && options.expiry.unit.empty()) {
                options.persists = true;
                continue;
            }
            if (at + 1 == call.size() || options.persists ||
                !options.expiry.take(call[at], call[at + 1]))
                refuse_syntax();
            ++at;
        }
        return options;
    }
};

// A string that a key is to hold, whatever it has held before.
class StringForKey {
public:
    // Prepares. `expires`: when; nothing: never. Throws: std::bad_alloc.
    StringForKey(const Call& call, std::string_view name, std::string_view bytes,
                 std::optional<Milliseconds> expires = {})
        : call_{call},
          name_{name},
          value_{std::make_unique<StringValue>(std::string{bytes})},
          expires_{expires} {
        if (call.find_key(name) == nullptr) made_ = Database::make(name, std::move(value_));
        if (expires) expiry_ = Database::make_expiry();
    }

    // To commit, once.
    void put() noexcept { put(false); }
    // The same, but the key keeps its time to live.
    void put_and_keep_expiry() noexcept { put(true); }

private:
    void put(bool keeps_expiry) noexcept {
        auto& key = put_value();
        if (expires_) {
            set_expiry(call_, key, *expires_, std::move(expiry_));
        } else if (!keeps_expiry) {
            remove_expiry(call_, key);
        }
    }

    Database::Keys::value_type& put_value() noexcept {
        auto* key = call_.find_key(name_);
        if (key == nullptr) return call_.insert(std::move(made_), call_.session().database);
        if (value_ == nullptr) value_.swap(made_.mapped().value);  // made since by the same command
        const ValueType old = key->second.value->type();
        key->second.value.swap(value_);
        key->second.used = call_.now();
        if (old == StringValue::kind) {
            call_.tell({.what = Change::What::value_set, .key = key->first});
            return *key;
        }
        call_.tell({.what = Change::What::key_gone, .key = key->first, .type = old});
        call_.tell({.what = Change::What::key_made, .key = key->first, .type = StringValue::kind});
        return *key;
    }

    const Call& call_;
    std::string_view name_;
    std::unique_ptr<Value> value_;
    Database::Keys::node_type made_{};
    std::optional<Milliseconds> expires_;
    Database::Expiries::node_type expiry_{};
};

inline Reply set(Call& call) {
    const SetOptions options = SetOptions::read(call);
    const std::optional<Milliseconds> expires = options.expiry.moment(call);
    Reply old =
        options.returns_old ? reply_of_string(call.find<StringValue>(call[1])) : Reply::null();
    const auto* const key = call.find_key(call[1]);
    if (!options.allow(key == nullptr ? nullptr : key->second.value.get())) return old;
    Reply reply = options.returns_old ? std::move(old) : reply_ok();
    StringForKey string{call, call[1], call[2], expires};
    options.keeps_expiry ? string.put_and_keep_expiry() : string.put();
    return reply;
}

inline Reply getset(Call& call) {
    Reply old = reply_of_string(call.find<StringValue>(call[1]));
    StringForKey{call, call[1], call[2]}.put();
    return old;
}

inline Reply setnx(Call& call) {
    if (call.find_key(call[1]) != nullptr) return Reply::integer(0);
    StringForKey{call, call[1], call[2]}.put();
    return Reply::integer(1);
}

inline Reply set_with_expiry(const Call& call, TimeUnit unit) {
    Reply reply = reply_ok();
    StringForKey{call, call[1], call[3], moment_of(call, call[2], unit, call.now())}.put();
    return reply;
}
inline Reply setex(Call& call) {
    return set_with_expiry(call, TimeUnit::seconds);
}
inline Reply psetex(Call& call) {
    return set_with_expiry(call, TimeUnit::milliseconds);
}

// ---- several at once

inline Reply mget(Call& call) {
    std::vector<Reply> values;
    for (const std::string_view name : call.words_from(1)) {
        const auto* const key = call.find_key(name);
        const bool is_string = key != nullptr && key->second.value->type() == StringValue::kind;
        values.push_back(is_string ? reply_of_string(&Call::as<StringValue>(*key->second.value))
                                   : Reply::null());
    }
    return Reply::array(std::move(values));
}

// The words are key, value, key, value, …. Of a key that is named twice, the last value stays.
inline void set_all(const Call& call) {
    std::vector<StringForKey> all;
    all.reserve(call.size() / 2);
    for (std::size_t at = 1; at < call.size(); at += 2)
        all.emplace_back(call, call[at], call[at + 1]);
    for (StringForKey& one : all) one.put();
}

inline Reply mset(Call& call) {
    if (call.size() % 2 == 0) call.refuse_arity();
    Reply reply = reply_ok();
    set_all(call);
    return reply;
}

inline Reply msetnx(Call& call) {
    if (call.size() % 2 == 0) call.refuse_arity();
    for (std::size_t at = 1; at < call.size(); at += 2)
        if (call.find_key(call[at]) != nullptr) return Reply::integer(0);
    set_all(call);
    return Reply::integer(1);
}

// ---- what is there

inline Reply strlen(Call& call) {
    const auto* const value = call.find<StringValue>(call[1]);
    return reply_count(value == nullptr ? 0 : value->bytes().size());
}

// Those from index `first` to index `last`, both included. One before the first byte means that.
[[nodiscard]] inline std::string_view bytes_between(std::string_view bytes, std::int64_t first,
                                                    std::int64_t last) noexcept {
    if (first < 0 && last < 0 && first > last) return {};
    last = std::max(last, -static_cast<std::int64_t>(bytes.size()));
    const auto range = IndexRange::between(first, last, bytes.size());
    return bytes.substr(range.first, range.count);
}

inline Reply getrange(Call& call) {
    const std::int64_t first = call.integer(2);
    const std::int64_t last = call.integer(3);
    const auto* const value = call.find<StringValue>(call[1]);
    return bulk(value == nullptr ? std::string_view{} : bytes_between(value->bytes(), first, last));
}

// ---- a part of it changes

// Gives a string other bytes. Its time to live stays. To commit.
inline void replace_bytes(const Call& call, Call::Made<StringValue>& value,
                          std::string& bytes) noexcept {
    value->swap(bytes);
    if (value.is_new()) return value.commit();
    call.tell({.what = Change::What::value_set, .key = call[1]});
}

// Throws: Refusal, if no string may have so many bytes.
inline void expect_size(std::size_t size) {
    if (size > most_word_bytes)
        refuse("ERR string exceeds maximum allowed size (proto-max-bulk-len)");
}

inline Reply append(Call& call) {
    auto value = call.find_or_make<StringValue>(call[1], std::string{});
    const std::string& old = value->bytes();
    expect_size(old.size() + call[2].size());
    std::string bytes;
    bytes.reserve(old.size() + call[2].size());
    bytes.append(old).append(call[2]);
    Reply reply = reply_count(bytes.size());
    replace_bytes(call, value, bytes);
    return reply;
}

// What is between the end of the string and the new bytes becomes zero bytes.
inline Reply setrange(Call& call) {
    const std::int64_t offset = call.integer(2);
    if (offset < 0) refuse("ERR offset is out of range");
    const std::string_view part = call[3];
    if (part.empty()) {
        const auto* const found = call.find<StringValue>(call[1]);
        return reply_count(found == nullptr ? 0 : found->bytes().size());
    }
    auto value = call.find_or_make<StringValue>(call[1], std::string{});
    const auto at = static_cast<std::size_t>(offset);
    expect_size(at + part.size());
    std::string bytes{value->bytes()};
    bytes.resize(std::max(bytes.size(), at + part.size()));
    bytes.replace(at, part.size(), part);
    Reply reply = reply_count(bytes.size());
    replace_bytes(call, value, bytes);
    return reply;
}

inline Reply getdel(Call& call) {
    Reply reply = reply_of_string(call.find<StringValue>(call[1]));
    call.erase(call[1]);
    return reply;
}

inline Reply getex(Call& call) {
    const GetExOptions options = GetExOptions::read(call);
    Reply reply = reply_of_string(call.find<StringValue>(call[1]));
    auto* const key = call.find_key(call[1]);
    if (key == nullptr) return reply;
    const std::optional<Milliseconds> expires = options.expiry.moment(call);
    Database::Expiries::node_type expiry;
    if (expires) expiry = Database::make_expiry();

    if (expires) set_expiry(call, *key, *expires, std::move(expiry));
    if (options.persists) remove_expiry(call, *key);
    return reply;
}

inline constexpr auto newer_in_set = std::to_array<NewerPart>({
    {"IFEQ", {8, 4}},
    {"IFNE", {8, 4}},
    {"IFDEQ", {8, 4}},
    {"IFDNE", {8, 4}},
});

inline constexpr auto string_commands = std::to_array<CommandInfo>({
    {"append", 3, Flag::write, {1, 1, 1}, {2, 0}, append},
    {"get", 2, Flag::none, {1, 1, 1}, {1, 0}, get},
    {"getdel", 2, Flag::write, {1, 1, 1}, {6, 2}, getdel},
    {"getex", -2, Flag::write, {1, 1, 1}, {6, 2}, getex},
    {"getrange", 4, Flag::none, {1, 1, 1}, {2, 4}, getrange},
    {"getset", 3, Flag::write, {1, 1, 1}, {1, 0}, getset},
    {"mget", -2, Flag::none, {1, -1, 1}, {1, 0}, mget},
    {"mset", -3, Flag::write, {1, -1, 2}, {1, 0}, mset},
    {"msetnx", -3, Flag::write, {1, -1, 2}, {1, 0}, msetnx},
    {"psetex", 4, Flag::write, {1, 1, 1}, {2, 6}, psetex},
    {"set", -3, Flag::write, {1, 1, 1}, {1, 0}, set, newer_in_set},
    {"setex", 4, Flag::write, {1, 1, 1}, {2, 0}, setex},
    {"setnx", 3, Flag::write, {1, 1, 1}, {1, 0}, setnx},
    {"setrange", 4, Flag::write, {1, 1, 1}, {2, 2}, setrange},
    {"strlen", 2, Flag::none, {1, 1, 1}, {2, 2}, strlen},
    {"substr", 4, Flag::none, {1, 1, 1}, {1, 0}, getrange},
});

}  // namespace runnel::inline v0::redis::detail
