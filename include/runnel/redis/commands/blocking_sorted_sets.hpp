// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/list_options.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/commands/blocking.hpp>
#include <runnel/redis/commands/several_to_pop.hpp>
#include <runnel/redis/commands/sorted_sets.hpp>
#include <runnel/redis/replies.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/sorted_set_value.hpp>
#include <runnel/redis/waits.hpp>

#include <array>

namespace runnel::inline v0::redis::detail {

inline Reply pop_member_or_wait(Call& call, End end) {
    const auto timeout = blocking_timeout(call, call.size() - 1);
    const Words keys = call.words().subspan(1, call.size() - 2);
    const auto from = call.find_first<SortedSetValue>(keys);
    if (from.value == nullptr)
        return wait_at_keys(call, keys, timeout, call.null_array(), WaitsFor::sorted_set);
    const SomeMembers members = members_at(*from.value, end, 1);
    Reply reply = Reply::array({bulk(from.key), bulk(members.front()->name),
                                reply_of_score(call, members.front()->score)});
    remove_members(call, from.key, *from.value, members);
    return reply;
}
inline Reply bzpopmin(Call& call) {
    return pop_member_or_wait(call, End::front);
}
inline Reply bzpopmax(Call& call) {
    return pop_member_or_wait(call, End::back);
}

inline Reply bzmpop(Call& call) {
    const auto asked = SeveralToPop::of(call, 2, score_end_named);
    const auto timeout = blocking_timeout(call, 1);
    const auto from = call.find_first<SortedSetValue>(asked.keys);
    if (from.value == nullptr)
        return wait_at_keys(call, asked.keys, timeout, call.null_array(), WaitsFor::sorted_set);
    return pop_several(call, from, asked);
}

inline constexpr auto blocking_sorted_set_commands = std::to_array<CommandInfo>({
    {"bzmpop", -5, Flag::write | Flag::blocking, {}, {7, 0}, bzmpop},
    {"bzpopmax", -3, Flag::write | Flag::blocking, {1, -2, 1}, {5, 0}, bzpopmax},
    {"bzpopmin", -3, Flag::write | Flag::blocking, {1, -2, 1}, {5, 0}, bzpopmin},
});

}  // namespace runnel::inline v0::redis::detail
