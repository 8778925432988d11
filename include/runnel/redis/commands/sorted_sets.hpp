// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/list_options.hpp>
#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/change.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/commands/scanning.hpp>
#include <runnel/redis/commands/several_to_pop.hpp>
#include <runnel/redis/double_text.hpp>
#include <runnel/redis/replies.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/sorted_set_value.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

// Sorted sets: members, their scores and ranks, and the ends. What stands in a range of them is in
// sorted_set_ranges.hpp.

namespace runnel::inline v0::redis::detail {

// ---------------------------------------------------------------------- replies

[[nodiscard]] inline Reply reply_of_score(const Call& call, double score) {
    return call.is_resp3() ? Reply::double_(score) : Reply::bulk_string(text_of_double(score));
}

// Some members of a sorted set. They are named by where they are.
using SomeMembers = std::vector<const SortedSetValue::Member*>;

[[nodiscard]] inline Reply reply_of_names(const SomeMembers& members) {
    std::vector<Reply> names;
    names.reserve(members.size());
    for (const auto* const member : members) names.push_back(bulk(member->name));
    return Reply::array(std::move(names));
}

[[nodiscard]] inline Reply reply_of_pair(const Call& call, const SortedSetValue::Member& member) {
    return Reply::array({bulk(member.name), reply_of_score(call, member.score)});
}
[[nodiscard]] inline Reply reply_of_pairs(const Call& call, const SomeMembers& members) {
    std::vector<Reply> pairs;
    pairs.reserve(members.size());
    for (const auto* const member : members) pairs.push_back(reply_of_pair(call, *member));
    return Reply::array(std::move(pairs));
}

// Pairs in RESP3; in RESP2 name, score, name, score, ….
[[nodiscard]] inline Reply reply_with_scores(const Call& call, const SomeMembers& members) {
    if (call.is_resp3()) return reply_of_pairs(call, members);
    std::vector<Reply> all;
    all.reserve(2 * members.size());
    for (const auto* const member : members) {
        all.push_back(bulk(member->name));
        all.push_back(reply_of_score(call, member->score));
    }
    return Reply::array(std::move(all));
}

// ---------------------------------------------------------------------- scores are set

// The options of ZADD.
struct ScoreOptions {
    bool if_missing = false;
    bool if_there = false;
    bool if_greater = false;
    bool if_less = false;
    bool counts_changes = false;
    bool increments = false;

    // Whether it is one of them.
    bool take(std::string_view word) noexcept {
        struct Known {
            std::string_view name;
            bool ScoreOptions::*flag;
        };
        static constexpr auto all = std::to_array<Known>({{"NX", &ScoreOptions::if_missing},
                                                          {"XX", &ScoreOptions::if_there},
                                                          {"GT", &ScoreOptions::if_greater},
                                                          {"LT", &ScoreOptions::if_less},
                                                          {"CH", &ScoreOptions::counts_changes},
                                                          {"INCR", &ScoreOptions::increments}});
        const auto* const known =
            std::ranges::find_if(all, [&](const Known& one) { return is(word, one.name); });
        if (known == all.end()) return false;
        this->*known->flag = true;
        return true;
    }

    // Throws: Refusal.
    void check() const {
        if (if_missing && if_there)
            refuse("ERR XX and NX options at the same time are not compatible");
        if (int{if_missing} + int{if_greater} + int{if_less} > 1)
            refuse("ERR GT, LT, and/or NX options at the same time are not compatible");
    }

    // Whether they leave a score as it is.
    [[nodiscard]] bool refuses(double score, double old) const noexcept {
        return (if_less && score >= old) || (if_greater && score <= old);
    }
};

// The scores that a command gives members of a sorted set, before the set is changed.
class NewScores {
public:
    NewScores(const ScoreOptions& options, const SortedSetValue& old) noexcept
        : options_{options}, old_{old} {}

    // The score that the member has then; nothing: the options do not allow it. Throws: Refusal.
    [[nodiscard]] std::optional<double> give(double score, std::string_view name) {
        const auto* const member = find(name);
        if (member == nullptr) {
            if (options_.if_there) return std::nullopt;
            made_.set(name, score);
            ++added_;
            return score;
        }
        if (options_.if_missing) return std::nullopt;
        if (options_.increments) score += member->score;
        if (std::isnan(score)) refuse("ERR resulting score is not a number (NaN)");
        if (options_.refuses(score, member->score)) return std::nullopt;
        if (score == member->score) return score;
        made_.set(name, score);
        ++changed_;
        return score;
    }

    [[nodiscard]] std::size_t added() const noexcept { return added_; }
    [[nodiscard]] std::size_t changed() const noexcept { return changed_; }
    [[nodiscard]] SortedSetValue& made() noexcept { return made_; }

private:
    [[nodiscard]] const SortedSetValue::Member* find(std::string_view name) const noexcept {
        const auto* const member = made_.find(name);
        return member != nullptr ? member : old_.find(name);
    }

    const ScoreOptions options_;
    const SortedSetValue& old_;
    SortedSetValue made_{};
    std::size_t added_ = 0;
    std::size_t changed_ = 0;
};

[[nodiscard]] inline double score_in(std::string_view word) {
    const std::optional<double> score = read_number<double>(word);
    if (!score) refuse("ERR value is not a valid float");
    return *score;
}

// What ZADD is asked for.
struct ScoresToSet {
    ScoreOptions options{};
    Words words{};  // score, member, score, member, …
    std::vector<double> scores{};

    // `options`: those that it has besides. Throws: Refusal.
    [[nodiscard]] static ScoresToSet of(const Call& call, ScoreOptions options) {
        std::size_t first = 2;
        while (first != call.size() && options.take(call[first])) ++first;
        const Words words = call.words_from(first);
        if (words.empty() || words.size() % 2 != 0) refuse_syntax();
        options.check();
        if (options.increments && words.size() > 2)
            refuse("ERR INCR option supports a single increment-element pair");
        ScoresToSet asked{options, words, {}};
        for (std::size_t at = 0; at != words.size(); at += 2)
            asked.scores.push_back(score_in(words[at]));
        return asked;
    }
};

inline Reply set_scores(Call& call, ScoreOptions options) {
    const auto asked = ScoresToSet::of(call, options);
    auto set = call.find_or_make<SortedSetValue>(call[1]);
    NewScores fresh{asked.options, *set};
    std::optional<double> last;
    for (std::size_t at = 0; at != asked.scores.size(); ++at)
        last = fresh.give(asked.scores[at], asked.words[2 * at + 1]);
    const std::size_t count = fresh.added() + fresh.changed();
    Reply reply = reply_count(asked.options.counts_changes ? count : fresh.added());
    if (asked.options.increments) reply = last ? reply_of_score(call, *last) : call.null();
    if (count == 0) return reply;

    set.commit();
    set->take(fresh.made());
    call.tell({.what = Change::What::scores_set, .key = call[1], .count = count});
    return reply;
}

inline Reply zadd(Call& call) {
    return set_scores(call, {});
}
inline Reply zincrby(Call& call) {
    return set_scores(call, {.increments = true});
}

// ---------------------------------------------------------------------- members go

// To commit: tells that so many members are gone. The key goes with the last one.
inline void after_removal(const Call& call, std::string_view key, const SortedSetValue& set,
                          std::size_t count) noexcept {
    if (count == 0) return;
    call.tell({.what = Change::What::members_removed, .key = key, .count = count});
    if (set.members().empty()) call.erase(key);
}

// To commit: removes members of the sorted set of that key.
inline void remove_members(const Call& call, std::string_view key, SortedSetValue& set,
                           const SomeMembers& members) noexcept {
    for (const auto* const member : members) set.remove(member->name);
    after_removal(call, key, set, members.size());
}

inline Reply zrem(Call& call) {
    auto* const set = call.find<SortedSetValue>(call[1]);
    if (set == nullptr) return Reply::integer(0);
    std::size_t count = 0;
    for (const std::string_view name : call.words_from(2)) count += set->remove(name) ? 1U : 0U;
    after_removal(call, call[1], *set, count);
    return reply_count(count);
}

// ---------------------------------------------------------------------- the ends

// The first so many from that end, the one at the end first.
[[nodiscard]] inline SomeMembers members_at(const SortedSetValue& set, End end, std::size_t count) {
    SomeMembers members;
    const auto take = [&](auto at) {
        for (std::size_t left = std::min(count, set.members().size()); left != 0; --left, ++at)
            members.push_back(&*at);
    };
    end == End::front ? take(set.members().begin()) : take(set.members().rbegin());
    return members;
}

inline Reply pop_members(Call& call, End end) {
    if (call.size() > 3) refuse_syntax();
    const bool is_counted = call.size() == 3;
    const std::size_t count = is_counted ? count_to_take(call[2]) : 1;
    auto* const set = call.find<SortedSetValue>(call[1]);
    if (set == nullptr) return Reply::array({});
    const SomeMembers members = members_at(*set, end, count);
    Reply reply =
        is_counted ? reply_with_scores(call, members) : reply_of_pair(call, *members.front());
    remove_members(call, call[1], *set, members);
    return reply;
}
inline Reply zpopmin(Call& call) {
    return pop_members(call, End::front);
}
inline Reply zpopmax(Call& call) {
    return pop_members(call, End::back);
}

// ---------------------------------------------------------------------- reads

inline Reply zcard(Call& call) {
    const auto* const set = call.find<SortedSetValue>(call[1]);
    return reply_count(set == nullptr ? 0 : set->members().size());
}

[[nodiscard]] inline Reply reply_of_member(const Call& call, const SortedSetValue* set,
                                           std::string_view name) {
    const auto* const member = set == nullptr ? nullptr : set->find(name);
    return member == nullptr ? call.null() : reply_of_score(call, member->score);
}

inline Reply zscore(Call& call) {
    return reply_of_member(call, call.find<SortedSetValue>(call[1]), call[2]);
}

inline Reply zmscore(Call& call) {
    const auto* const set = call.find<SortedSetValue>(call[1]);
    std::vector<Reply> scores;
    for (const std::string_view name : call.words_from(2))
        scores.push_back(reply_of_member(call, set, name));
    return Reply::array(std::move(scores));
}

// How many stand before it, from that end.
[[nodiscard]] inline Reply reply_of_rank(const Call& call, End end) {
    if (call.size() > (call.has("WITHSCORE") ? 4U : 3U)) call.refuse_arity();
    const bool with_score = call.size() == 4;
    if (with_score && !is(call[3], "WITHSCORE")) refuse_syntax();
    const auto* const set = call.find<SortedSetValue>(call[1]);
    const auto* const member = set == nullptr ? nullptr : set->find(call[2]);
    if (member == nullptr) return with_score ? call.null_array() : call.null();
    const auto& all = set->members();
    const auto at = all.find(*member);
    const auto before = end == End::front ? std::distance(all.begin(), at)
                                          : std::distance(std::next(at), all.end());
    Reply rank = Reply::integer(before);
    if (!with_score) return rank;
    return Reply::array({std::move(rank), reply_of_score(call, member->score)});
}
inline Reply zrank(Call& call) {
    return reply_of_rank(call, End::front);
}
inline Reply zrevrank(Call& call) {
    return reply_of_rank(call, End::back);
}

// Scores are bulk strings, also in RESP3.
inline Reply zscan(Call& call) {
    return scan_value<SortedSetValue>(
        call, &SortedSetValue::members, &SortedSetValue::Member::name,
        [](std::vector<Reply>& found, const SortedSetValue::Member& member, const ScanOptions&) {
            found.push_back(bulk(member.name));
            found.push_back(Reply::bulk_string(text_of_double(member.score)));
        });
}

// ---------------------------------------------------------------------- the first of several

[[nodiscard]] inline End score_end_named(std::string_view word) {
    if (is(word, "MIN")) return End::front;
    if (!is(word, "MAX")) refuse_syntax();
    return End::back;
}

// Of a sorted set that is there: its key, and the members. In pairs, also in RESP2.
inline Reply pop_several(const Call& call, const Call::First<SortedSetValue>& from,
                         const SeveralToPop& asked) {
    const SomeMembers members = members_at(*from.value, asked.end, asked.count);
    Reply reply = Reply::array({bulk(from.key), reply_of_pairs(call, members)});
    remove_members(call, from.key, *from.value, members);
    return reply;
}

inline Reply zmpop(Call& call) {
    const auto asked = SeveralToPop::of(call, 1, score_end_named);
    const auto from = call.find_first<SortedSetValue>(asked.keys);
    return from.value == nullptr ? call.null_array() : pop_several(call, from, asked);
}

inline constexpr auto newer_in_zrank = std::to_array<NewerPart>({{"WITHSCORE", {7, 2}}});

inline constexpr auto sorted_set_commands = std::to_array<CommandInfo>({
    {"zadd", -4, Flag::write, {1, 1, 1}, {1, 2}, zadd},
    {"zcard", 2, Flag::none, {1, 1, 1}, {1, 2}, zcard},
    {"zincrby", 4, Flag::write, {1, 1, 1}, {1, 2}, zincrby},
    {"zmpop", -4, Flag::write, {}, {7, 0}, zmpop},
    {"zmscore", -3, Flag::none, {1, 1, 1}, {6, 2}, zmscore},
    {"zpopmax", -2, Flag::write, {1, 1, 1}, {5, 0}, zpopmax},
    {"zpopmin", -2, Flag::write, {1, 1, 1}, {5, 0}, zpopmin},
    {"zrank", -3, Flag::none, {1, 1, 1}, {2, 0}, zrank, newer_in_zrank},
    {"zrem", -3, Flag::write, {1, 1, 1}, {1, 2}, zrem},
    {"zrevrank", -3, Flag::none, {1, 1, 1}, {2, 0}, zrevrank, newer_in_zrank},
    {"zscan", -3, Flag::none, {1, 1, 1}, {2, 8}, zscan, newer_in_scan},
    {"zscore", 3, Flag::none, {1, 1, 1}, {1, 2}, zscore},
});

}  // namespace runnel::inline v0::redis::detail
