// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/change.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/commands/random_elements.hpp>
#include <runnel/redis/commands/scanning.hpp>
#include <runnel/redis/replies.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/set_value.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::detail {

inline Reply sadd(Call& call) {
    auto set = call.find_or_make<SetValue>(call[1]);
    SetValue::Members fresh;
    for (const std::string_view member : call.words_from(2))
        if (!set->contains(member)) fresh.emplace(member);
    const std::size_t count = fresh.size();
    Reply reply = reply_count(count);

    set.commit();
    set->add(fresh);
    if (count != 0)
        call.tell({.what = Change::What::members_added, .key = call[1], .count = count});
    return reply;
}

// To commit: tells that so many members are gone. The key goes with the last one.
inline void after_removal(const Call& call, const SetValue& set, std::size_t count) noexcept {
    if (count == 0) return;
    call.tell({.what = Change::What::members_removed, .key = call[1], .count = count});
    if (set.members().empty()) call.erase(call[1]);
}

inline Reply srem(Call& call) {
    auto* const set = call.find<SetValue>(call[1]);
    if (set == nullptr) return Reply::integer(0);
    std::size_t count = 0;
    for (const std::string_view member : call.words_from(2)) count += set->remove(member) ? 1U : 0U;
    after_removal(call, *set, count);
    return reply_count(count);
}

inline Reply sismember(Call& call) {
    const auto* const set = call.find<SetValue>(call[1]);
    return Reply::integer(set != nullptr && set->contains(call[2]) ? 1 : 0);
}

inline Reply smismember(Call& call) {
    const auto* const set = call.find<SetValue>(call[1]);
    std::vector<Reply> answers;
    for (const std::string_view member : call.words_from(2))
        answers.push_back(Reply::integer(set != nullptr && set->contains(member) ? 1 : 0));
    return Reply::array(std::move(answers));
}

inline Reply scard(Call& call) {
    const auto* const set = call.find<SetValue>(call[1]);
    return reply_count(set == nullptr ? 0 : set->members().size());
}

inline Reply smembers(Call& call) {
    const auto* const set = call.find<SetValue>(call[1]);
    std::vector<Reply> members;
    if (set != nullptr)
        for (const std::string& member : set->members()) members.push_back(bulk(member));
    return call.set(std::move(members));
}

inline Reply sscan(Call& call) {
    return scan_value<SetValue>(call, &SetValue::members, std::identity{},
                                [](std::vector<Reply>& found, const std::string& member,
                                   const ScanOptions&) { found.push_back(bulk(member)); });
}

// ---- members by lot

[[nodiscard]] inline std::vector<Reply> bulks(const std::vector<const std::string*>& members) {
    std::vector<Reply> all;
    all.reserve(members.size());
    for (const std::string* const member : members) all.push_back(bulk(*member));
    return all;
}

inline Reply spop_one(Call& call) {
    auto* const set = call.find<SetValue>(call[1]);
    if (set == nullptr) return call.null();
    const std::string& member = call.any_of(set->members());
    Reply reply = bulk(member);
    set->remove(member);
    after_removal(call, *set, 1);
    return reply;
}

inline Reply spop(Call& call) {
    if (call.size() == 2) return spop_one(call);
    if (call.size() > 3) refuse_syntax();
    const std::size_t count = count_to_take(call[2]);
    auto* const set = call.find<SetValue>(call[1]);
    if (set == nullptr || count == 0) return call.set({});
    const auto members = any_elements(call, set->members(), static_cast<std::int64_t>(count));
    Reply reply = call.set(bulks(members));
    for (const std::string* const member : members) set->remove(*member);
    after_removal(call, *set, members.size());
    return reply;
}

inline Reply srandmember(Call& call) {
    if (call.size() > 3) refuse_syntax();
    if (call.size() == 2) {
        const auto* const set = call.find<SetValue>(call[1]);
        return set == nullptr ? call.null() : bulk(call.any_of(set->members()));
    }
    const std::int64_t count = signed_count(call[2]);
    const auto* const set = call.find<SetValue>(call[1]);
    if (set == nullptr) return Reply::array({});
    return Reply::array(bulks(any_elements(call, set->members(), count)));
}

inline constexpr auto set_commands = std::to_array<CommandInfo>({
    {"sadd", -3, Flag::write, {1, 1, 1}, {1, 0}, sadd},
    {"scard", 2, Flag::none, {1, 1, 1}, {1, 0}, scard},
    {"sismember", 3, Flag::none, {1, 1, 1}, {1, 0}, sismember},
    {"smembers", 2, Flag::none, {1, 1, 1}, {1, 0}, smembers},
    {"smismember", -3, Flag::none, {1, 1, 1}, {6, 2}, smismember},
    {"spop", -2, Flag::write, {1, 1, 1}, {1, 0}, spop},
    {"srandmember", -2, Flag::none, {1, 1, 1}, {1, 0}, srandmember},
    {"srem", -3, Flag::write, {1, 1, 1}, {1, 0}, srem},
    {"sscan", -3, Flag::none, {1, 1, 1}, {2, 8}, sscan, newer_in_scan},
});

}  // namespace runnel::inline v0::redis::detail
