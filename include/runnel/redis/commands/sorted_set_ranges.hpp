// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/core/index_range.hpp>
#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/commands/sorted_sets.hpp>
#include <runnel/redis/replies.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/sorted_set_value.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>

// Ranges of sorted sets: by rank, by score and by name.

namespace runnel::inline v0::redis::detail {

// ---------------------------------------------------------------------- what is in a range

// `1` and `(1`, which excludes it.
struct ScoreBound {
    double score = 0;
    bool is_excluded = false;

    // Nothing: the word is none.
    [[nodiscard]] static std::optional<ScoreBound> of(std::string_view word) {
        const bool is_excluded = word.starts_with('(');
        const auto read = NumberInText<double>::of(word.substr(is_excluded ? 1 : 0));
        if (!read.is_whole || std::isnan(read.number)) return std::nullopt;
        return ScoreBound{read.number, is_excluded};
    }
};

struct ScoreRange {
    ScoreBound min{};
    ScoreBound max{};

    // Throws: Refusal.
    [[nodiscard]] static ScoreRange of(std::string_view min, std::string_view max) {
        const auto from = ScoreBound::of(min);
        const auto to = from ? ScoreBound::of(max) : std::nullopt;
        if (!to) refuse("ERR min or max is not a float");
        return {*from, *to};
    }

    [[nodiscard]] bool begins_before(const SortedSetValue::Member& member) const noexcept {
        return min.is_excluded ? member.score > min.score : member.score >= min.score;
    }
    [[nodiscard]] bool ends_behind(const SortedSetValue::Member& member) const noexcept {
        return max.is_excluded ? member.score < max.score : member.score <= max.score;
    }
};

// `[a`; `(a`, which excludes it; `-` before all names, `+` behind all.
struct NameBound {
    int at_end = 0;  // -1: before all; 1: behind all
    std::string_view name{};
    bool is_excluded = false;

    // Nothing: the word is none.
    [[nodiscard]] static std::optional<NameBound> of(std::string_view word) noexcept {
        if (word == "-") return NameBound{.at_end = -1};
        if (word == "+") return NameBound{.at_end = 1};
        if (!word.starts_with('(') && !word.starts_with('[')) return std::nullopt;
        return NameBound{.name = word.substr(1), .is_excluded = word.front() == '('};
    }
};

// Of use if all scores are equal. If they are not, it finds what a short sorted set of Redis does.
struct NameRange {
    NameBound min{};
    NameBound max{};

    // Throws: Refusal.
    [[nodiscard]] static NameRange of(std::string_view min, std::string_view max) {
        const auto from = NameBound::of(min);
        const auto to = NameBound::of(max);
        if (!from || !to) refuse("ERR min or max not valid string range item");
        return {*from, *to};
    }

    [[nodiscard]] bool begins_before(const SortedSetValue::Member& member) const noexcept {
        if (min.at_end != 0) return min.at_end < 0;
        return min.is_excluded ? member.name > min.name : member.name >= min.name;
    }
    [[nodiscard]] bool ends_behind(const SortedSetValue::Member& member) const noexcept {
        if (max.at_end != 0) return max.at_end > 0;
        return max.is_excluded ? member.name < max.name : member.name <= max.name;
    }
};

// Which of those that are found are wanted.
struct Limit {
    std::int64_t offset = 0;
    std::int64_t count = -1;  // negative: all
};

// Adds those from the first one on that the range reaches, as long as it does.
template <typename Iterator, typename Reaches, typename GoesOn>
void add_members(SomeMembers& members, Iterator at, const Iterator& end, Limit limit,
                 Reaches reaches, GoesOn goes_on) {
    at = std::find_if(at, end, reaches);
    if (at == end || !goes_on(*at) || limit.offset < 0) return;
    for (std::int64_t left = limit.offset; left != 0 && at != end; --left) ++at;
    for (std::int64_t left = limit.count; left != 0 && at != end && goes_on(*at); --left, ++at)
        members.push_back(&*at);
}

template <typename Range>
[[nodiscard]] SomeMembers members_in(const SortedSetValue& set, const Range& range,
                                     bool is_reverse = false, Limit limit = {}) {
    const auto& all = set.members();
    SomeMembers members;
    if (!range.begins_before(*all.rbegin()) || !range.ends_behind(*all.begin())) return members;
    const auto begins = [&](const auto& member) { return range.begins_before(member); };
    const auto ends = [&](const auto& member) { return range.ends_behind(member); };
    if (is_reverse)
        add_members(members, all.rbegin(), all.rend(), limit, ends, begins);
    else
        add_members(members, all.begin(), all.end(), limit, begins, ends);
    return members;
}

// By rank.
[[nodiscard]] inline SomeMembers members_in(const SortedSetValue& set, IndexRange range,
                                            bool is_reverse = false) {
    SomeMembers members;
    const auto add = [&](auto at) {
        std::advance(at, static_cast<std::ptrdiff_t>(range.first));
        for (std::size_t left = range.count; left != 0; --left, ++at) members.push_back(&*at);
    };
    is_reverse ? add(set.members().rbegin()) : add(set.members().begin());
    return members;
}

// ---------------------------------------------------------------------- reads

// The options of ZRANGE and its like.
struct RangeOptions {
    enum class By : std::uint8_t { rank, score, name };

    std::optional<By> by{};
    std::optional<bool> is_reverse{};
    bool with_scores = false;
    Limit limit{};

    // Those that the name of the command has settled are no options any more. Throws: Refusal.
    void read(const Call& call) {
        for (std::size_t at = 4; at < call.size(); ++at) {
            if (take_flag(call[at])) continue;
            if (!is(call[at], "LIMIT") || call.size() - at < 3) refuse_syntax();
            limit = {call.integer(at + 1), call.integer(at + 2)};
            at += 2;
        }
        if (limit.count != -1 && order() == By::rank)
            refuse("ERR syntax error, LIMIT is only supported in combination with either BYSCORE "
                   "or BYLEX");
        if (with_scores && order() == By::name)
            refuse("ERR syntax error, WITHSCORES not supported in combination with BYLEX");
    }

    [[nodiscard]] By order() const noexcept { return by.value_or(By::rank); }

private:
    bool take_flag(std::string_view word) noexcept {
        if (is(word, "WITHSCORES")) {
            with_scores = true;
        } else if (is(word, "REV") && !is_reverse) {
            is_reverse = true;
        } else if (is(word, "BYSCORE") && !by) {
            by = By::score;
        } else if (is(word, "BYLEX") && !by) {
            by = By::name;
        } else {
            return false;
        }
        return true;
    }
};

template <typename Range>
[[nodiscard]] SomeMembers find_members(const Call& call, const RangeOptions& options) {
    const bool is_reverse = options.is_reverse.value_or(false);
    // In reverse, the greatest comes first.
    const auto range = is_reverse ? Range::of(call[3], call[2]) : Range::of(call[2], call[3]);
    const auto* const set = call.find<SortedSetValue>(call[1]);
    return set == nullptr ? SomeMembers{} : members_in(*set, range, is_reverse, options.limit);
}

[[nodiscard]] inline SomeMembers find_by_rank(const Call& call, bool is_reverse) {
    const std::int64_t first = call.integer(2);
    const std::int64_t last = call.integer(3);
    const auto* const set = call.find<SortedSetValue>(call[1]);
    if (set == nullptr) return {};
    return members_in(*set, IndexRange::between(first, last, set->members().size()), is_reverse);
}

[[nodiscard]] inline SomeMembers find_members(const Call& call, const RangeOptions& options) {
    if (options.order() == RangeOptions::By::score) return find_members<ScoreRange>(call, options);
    if (options.order() == RangeOptions::By::name) return find_members<NameRange>(call, options);
    return find_by_rank(call, options.is_reverse.value_or(false));
}

inline Reply read_range(const Call& call, RangeOptions options) {
    options.read(call);
    const SomeMembers members = find_members(call, options);
    return options.with_scores ? reply_with_scores(call, members) : reply_of_names(members);
}

inline Reply zrange(Call& call) {
    return read_range(call, {});
}
inline Reply zrangebyscore(Call& call) {
    return read_range(call, {.by = RangeOptions::By::score, .is_reverse = false});
}
inline Reply zrangebylex(Call& call) {
    return read_range(call, {.by = RangeOptions::By::name, .is_reverse = false});
}
inline Reply zrevrange(Call& call) {
    return read_range(call, {.by = RangeOptions::By::rank, .is_reverse = true});
}
inline Reply zrevrangebyscore(Call& call) {
    return read_range(call, {.by = RangeOptions::By::score, .is_reverse = true});
}
inline Reply zrevrangebylex(Call& call) {
    return read_range(call, {.by = RangeOptions::By::name, .is_reverse = true});
}

inline Reply zcount(Call& call) {
    return reply_count(find_members<ScoreRange>(call, {}).size());
}
inline Reply zlexcount(Call& call) {
    return reply_count(find_members<NameRange>(call, {}).size());
}

// ---------------------------------------------------------------------- removals

// Of members that are in the sorted set of the first key, if there is one.
inline Reply remove_range(const Call& call, const SomeMembers& members) {
    Reply reply = reply_count(members.size());
    if (auto* const set = call.find<SortedSetValue>(call[1]))
        remove_members(call, call[1], *set, members);
    return reply;
}

inline Reply zremrangebyscore(Call& call) {
    return remove_range(call, find_members<ScoreRange>(call, {}));
}
inline Reply zremrangebylex(Call& call) {
    return remove_range(call, find_members<NameRange>(call, {}));
}
inline Reply zremrangebyrank(Call& call) {
    return remove_range(call, find_by_rank(call, false));
}

inline constexpr auto sorted_set_range_commands = std::to_array<CommandInfo>({
    {"zcount", 4, Flag::none, {1, 1, 1}, {2, 0}, zcount},
    {"zlexcount", 4, Flag::none, {1, 1, 1}, {2, 8}, zlexcount},
    {"zrange", -4, Flag::none, {1, 1, 1}, {1, 2}, zrange},
    {"zrangebylex", -4, Flag::none, {1, 1, 1}, {2, 8}, zrangebylex},
    {"zrangebyscore", -4, Flag::none, {1, 1, 1}, {1, 0}, zrangebyscore},
    {"zremrangebylex", 4, Flag::write, {1, 1, 1}, {2, 8}, zremrangebylex},
    {"zremrangebyrank", 4, Flag::write, {1, 1, 1}, {2, 0}, zremrangebyrank},
    {"zremrangebyscore", 4, Flag::write, {1, 1, 1}, {1, 2}, zremrangebyscore},
    {"zrevrange", -4, Flag::none, {1, 1, 1}, {1, 2}, zrevrange},
    {"zrevrangebylex", -4, Flag::none, {1, 1, 1}, {2, 8}, zrevrangebylex},
    {"zrevrangebyscore", -4, Flag::none, {1, 1, 1}, {2, 2}, zrevrangebyscore},
});

}  // namespace runnel::inline v0::redis::detail
