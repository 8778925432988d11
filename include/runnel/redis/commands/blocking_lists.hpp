// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/list_options.hpp>
#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/commands/blocking.hpp>
#include <runnel/redis/commands/lists.hpp>
#include <runnel/redis/commands/several_to_pop.hpp>
#include <runnel/redis/list_value.hpp>
#include <runnel/redis/replies.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/waits.hpp>

#include <array>
#include <cstddef>
#include <utility>

namespace runnel::inline v0::redis::detail {

inline Reply pop_or_wait(Call& call, End end) {
    const auto timeout = blocking_timeout(call, call.size() - 1);
    const Words keys = call.words().subspan(1, call.size() - 2);
    const auto from = call.find_first<ListValue>(keys);
    if (from.value == nullptr)
        return wait_at_keys(call, keys, timeout, call.null_array(), WaitsFor::list);
    Reply reply = Reply::array({bulk(from.key), Reply::bulk_string(from.value->core().peek(end))});
    drop_elements(call, from.key, *from.value, end, 1);
    return reply;
}
inline Reply blpop(Call& call) {
    return pop_or_wait(call, End::front);
}
inline Reply brpop(Call& call) {
    return pop_or_wait(call, End::back);
}

inline Reply blmpop(Call& call) {
    const auto asked = SeveralToPop::of(call, 2, end_named);
    const auto timeout = blocking_timeout(call, 1);
    const auto from = call.find_first<ListValue>(asked.keys);
    if (from.value == nullptr)
        return wait_at_keys(call, asked.keys, timeout, call.null_array(), WaitsFor::list);
    return pop_several(call, from, asked);
}

inline Reply move_or_wait(Call& call, End from, End to, std::size_t timeout_word) {
    const auto timeout = blocking_timeout(call, timeout_word);
    auto* const source = call.find<ListValue>(call[1]);
    if (source != nullptr) return move_one_of(call, *source, from, to);
    // Between MULTI and EXEC it answers as LMOVE does.
    return wait_at_keys(call, call.words().subspan(1, 1), timeout, call.null(), WaitsFor::list);
}
inline Reply blmove(Call& call) {
    const End from = end_named(call[3]);
    const End to = end_named(call[4]);
    return move_or_wait(call, from, to, 5);
}
inline Reply brpoplpush(Call& call) {
    return move_or_wait(call, End::back, End::front, 3);
}

inline Reply blmovem(Call& call) {
    constexpr std::size_t options = 6;
    const auto asked = SeveralToMove::of(call, options);
    const auto timeout = blocking_timeout(call, options - 1);
    auto* const source = call.find<ListValue>(call[1]);
    if (asked.is_there(source)) return move_several(call, *source, asked.move);
    const bool needs_several = asked.is_exact && asked.move.count > 1;
    return wait_at_keys(call, call.words().subspan(1, 1), timeout, call.null_array(),
                        needs_several ? WaitsFor::longer_list : WaitsFor::list);
}

inline constexpr auto blocking_list_commands = std::to_array<CommandInfo>({
    {"blpop", -3, Flag::write | Flag::blocking, {1, -2, 1}, {2, 0}, blpop},
    {"brpop", -3, Flag::write | Flag::blocking, {1, -2, 1}, {2, 0}, brpop},
    {"blmpop", -5, Flag::write | Flag::blocking, {}, {7, 0}, blmpop},
    {"blmove", 6, Flag::write | Flag::blocking, {1, 2, 1}, {6, 2}, blmove},
    {"brpoplpush", 4, Flag::write | Flag::blocking, {1, 2, 1}, {2, 2}, brpoplpush},
    {"blmovem", -6, Flag::write | Flag::blocking, {1, 2, 1}, {8, 10}, blmovem},
});

}  // namespace runnel::inline v0::redis::detail
