// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/change.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/commands/expiry.hpp>
#include <runnel/redis/database.hpp>
#include <runnel/redis/replies.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/value.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace runnel::inline v0::redis::detail {

[[nodiscard]] inline Reply reply_of_string(const StringValue* value) {
    return value == nullptr ? Reply::null() : Reply::bulk_string(value->bytes());
}

inline Reply get(Call& call) {
    return reply_of_string(call.find<StringValue>(call[1]));
}

// The options of SET.
struct SetOptions {
    enum class When : std::uint8_t { always, if_missing, if_there };

    When when = When::always;
    bool returns_old = false;
    bool keeps_expiry = false;
    std::string_view unit{};      // EX, PX, EXAT, PXAT; empty: it gets no time to live
    std::string_view duration{};  // or the moment

    // Throws: Refusal.
    [[nodiscard]] static SetOptions read(const Call& call) {
        SetOptions options;
        for (std::size_t at = 3; at < call.size(); ++at) {
            if (options.take_flag(call[at])) continue;
            if (at + 1 == call.size() || !options.take_expiry(call[at], call[at + 1]))
                refuse_syntax();
            ++at;
        }
        return options;
    }

    // Throws: Refusal.
    [[nodiscard]] std::optional<Milliseconds> expires(const Call& call) const {
        if (unit.empty()) return std::nullopt;
        const std::int64_t given = integer(duration);
        if (given <= 0) refuse_expiry(call);
        const bool is_moment = unit.ends_with("AT");
        const TimeUnit of = unit.starts_with('E') ? TimeUnit::seconds : TimeUnit::milliseconds;
        return moment_of(call, given, of, is_moment ? 0 : call.now());
    }

    [[nodiscard]] bool allows(bool is_there) const noexcept {
        return when == When::always || (when == When::if_there) == is_there;
    }

private:
    // The options that contradict each other are no options once the other one was given.
    bool take_flag(std::string_view word) noexcept {
        if (is(word, "NX") && when != When::if_there) {
            when = When::if_missing;
        } else if (is(word, "XX") && when != When::if_missing) {
            when = When::if_there;
        } else if (is(word, "GET")) {
            returns_old = true;
        } else if (is(word, "KEEPTTL") && unit.empty()) {
            keeps_expiry = true;
        } else {
            return false;
        }
        return true;
    }
    bool take_expiry(std::string_view word, std::string_view value) noexcept {
        if (keeps_expiry) return false;
        for (const std::string_view known : {"EX", "PX", "EXAT", "PXAT"}) {
            if (!is(word, known)) continue;
            if (!unit.empty() && unit != known) return false;
            unit = known;
            duration = value;
            return true;
        }
        return false;
    }
};

// Puts `value` into a key that is there, or that `made` becomes. To commit.
inline Database::Keys::value_type& put_string(const Call& call, Database::Keys::value_type* key,
                                              std::unique_ptr<Value>& value,
                                              Database::Keys::node_type& made) noexcept {
    if (key != nullptr) {
        const ValueType old = key->second.value->type();
        key->second.value.swap(value);
        if (old == StringValue::kind) {
            call.tell({.what = Change::What::value_set, .key = key->first});
            return *key;
        }
        call.tell({.what = Change::What::key_gone, .key = key->first, .type = old});
    } else {
        key = &call.database().insert(std::move(made));
    }
    call.tell({.what = Change::What::key_made, .key = key->first, .type = StringValue::kind});
    return *key;
}

inline Reply set(Call& call) {
    const SetOptions options = SetOptions::read(call);
    const std::optional<Milliseconds> expires = options.expires(call);
    Reply old =
        options.returns_old ? reply_of_string(call.find<StringValue>(call[1])) : Reply::null();
    auto* key = call.find_key(call[1]);
    if (!options.allows(key != nullptr)) return old;
    Reply reply = options.returns_old ? std::move(old) : reply_ok();
    std::unique_ptr<Value> value = std::make_unique<StringValue>(std::string{call[2]});
    Database::Keys::node_type made;
    if (key == nullptr) made = Database::make(call[1], std::move(value));
    Database::Expiries::node_type expiry;
    if (expires) expiry = Database::make_expiry();

    key = &put_string(call, key, value, made);
    if (expires) {
        set_expiry(call, *key, *expires, std::move(expiry));
    } else if (!options.keeps_expiry) {
        remove_expiry(call, *key);
    }
    return reply;
}

inline constexpr auto string_commands = std::to_array<CommandInfo>({
    {"get", 2, Flag::none, {1, 1, 1}, {1, 0}, get},
    {"set", -3, Flag::write, {1, 1, 1}, {1, 0}, set},
});

}  // namespace runnel::inline v0::redis::detail
