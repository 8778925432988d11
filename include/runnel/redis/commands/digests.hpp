// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/commands/string_condition.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/value.hpp>

#include <array>

namespace runnel::inline v0::redis::detail {

inline Reply digest(Call& call) {
    const auto* const value = call.find<StringValue>(call[1]);
    return value == nullptr ? call.null() : Reply::bulk_string(digest_of(value->bytes()));
}

// Whether the words of DELEX allow that its key goes, which holds that value. Throws: Refusal.
[[nodiscard]] inline bool may_go(const Call& call, Value& value) {
    if (call.size() == 2) return true;
    if (value.type() != StringValue::kind)
        refuse("ERR Key should be of string type if conditions are specified");
    StringCondition condition;
    if (!condition.take(call, call[2], call[3]))
        refuse("ERR Invalid condition. Use IFEQ, IFNE, IFDEQ, or IFDNE");
    return condition.holds_for(Call::as<StringValue>(value).bytes());
}

inline Reply delex(Call& call) {
    if (call.size() != 2 && call.size() != 4) call.refuse_arity();
    auto* const key = call.find_key(call[1]);
    if (key == nullptr || !may_go(call, *key->second.value)) return Reply::integer(0);
    call.erase(*key);
    return Reply::integer(1);
}

inline constexpr auto digest_commands = std::to_array<CommandInfo>({
    {"delex", -2, Flag::write, {1, 1, 1}, {8, 4}, delex},
    {"digest", 2, Flag::none, {1, 1, 1}, {8, 4}, digest},
});

}  // namespace runnel::inline v0::redis::detail
