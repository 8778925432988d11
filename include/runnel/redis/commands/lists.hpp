// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/core/index_range.hpp>
#include <runnel/detail/core/list_core.hpp>
#include <runnel/detail/core/list_moves.hpp>
#include <runnel/list_options.hpp>
#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/change.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/commands/several_to_pop.hpp>
#include <runnel/redis/list_value.hpp>
#include <runnel/redis/replies.hpp>
#include <runnel/redis/reply.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::detail {

// ---------------------------------------------------------------------- words

// LEFT or RIGHT.
[[nodiscard]] inline End end_named(std::string_view word) {
    if (is(word, "LEFT")) return End::front;
    if (is(word, "RIGHT")) return End::back;
    refuse_syntax();
}

// ---------------------------------------------------------------------- pushes

// The words from `first` on, to be pushed at one end of a list. To prepare; then commit().
class PreparedPush {
public:
    PreparedPush(Call& call, ListValue& list, End end)
        : call_{call}, list_{list.core()}, end_{end} {
        const Words words = call.words_from(2);
        elements_.assign(words.begin(), words.end());
        list_.reserve_many(end, elements_.size());
    }

    [[nodiscard]] std::size_t size_after() const noexcept {
        return list_.size() + elements_.size();
    }

    void commit() noexcept {
        for (std::string& element : elements_) list_.push(end_, std::move(element));
        call_.tell({.what = Change::What::pushed, .key = call_[1], .count = elements_.size()});
    }

private:
    Call& call_;
    ListValue::Core list_;
    const End end_;
    std::vector<std::string> elements_{};
};

inline Reply push_to_list(Call& call, End end) {
    auto list = call.find_or_make<ListValue>(call[1]);
    PreparedPush push{call, *list, end};
    Reply reply = reply_count(push.size_after());
    list.commit();
    push.commit();
    return reply;
}
inline Reply lpush(Call& call) {
    return push_to_list(call, End::front);
}
inline Reply rpush(Call& call) {
    return push_to_list(call, End::back);
}

inline Reply push_if_list_is_there(Call& call, End end) {
    auto* const list = call.find<ListValue>(call[1]);
    if (list == nullptr) return Reply::integer(0);
    PreparedPush push{call, *list, end};
    Reply reply = reply_count(push.size_after());
    push.commit();
    return reply;
}
inline Reply lpushx(Call& call) {
    return push_if_list_is_there(call, End::front);
}
inline Reply rpushx(Call& call) {
    return push_if_list_is_there(call, End::back);
}

// ---------------------------------------------------------------------- pops

[[nodiscard]] inline std::vector<Reply> elements_in(const ListValue::Core& list, IndexRange range) {
    std::vector<Reply> elements;
    elements.reserve(range.count);
    list.visit(range.first, range.count, [&](const std::string& element) {
        elements.push_back(Reply::bulk_string(element));
    });
    return elements;
}

// The first `count` elements from that end on, the one at the end first.
[[nodiscard]] inline std::vector<Reply> elements_at(const ListValue::Core& list, End end,
                                                    std::size_t count) {
    const ListMove taken{.from = end, .count = count};
    std::vector<Reply> elements = elements_in(list, taken.range(list.size()));
    if (end == End::back) std::ranges::reverse(elements);
    return elements;
}

// To commit: a key goes with the last element of its list.
inline void drop_elements(const Call& call, std::string_view key, ListValue& value, End end,
                          std::size_t count) noexcept {
    ListValue::Core list = value.core();
    for (std::size_t left = count; left != 0; --left) list.drop(end);
    call.tell({.what = Change::What::popped, .key = key, .count = count});
    if (list.empty()) call.erase(key);
}

inline Reply pop_from_list(Call& call, End end) {
    constexpr std::size_t most_words = 3;
    if (call.size() > most_words) call.refuse_arity();
    const bool is_counted = call.size() == most_words;
    const std::size_t wanted = is_counted ? count_to_take(call[2]) : 1;
    auto* const list = call.find<ListValue>(call[1]);
    if (list == nullptr) return is_counted ? call.null_array() : call.null();
    const std::size_t count = std::min(wanted, list->core().size());
    Reply reply = is_counted ? Reply::array(elements_at(list->core(), end, count))
                             : Reply::bulk_string(list->core().peek(end));
    if (count != 0) drop_elements(call, call[1], *list, end, count);
    return reply;
}
inline Reply lpop(Call& call) {
    return pop_from_list(call, End::front);
}
inline Reply rpop(Call& call) {
    return pop_from_list(call, End::back);
}

// ---------------------------------------------------------------------- reads

inline Reply llen(Call& call) {
    auto* const list = call.find<ListValue>(call[1]);
    return reply_count(list == nullptr ? 0 : list->core().size());
}

inline Reply lrange(Call& call) {
    const std::int64_t first = call.integer(2);
    const std::int64_t last = call.integer(3);
    std::vector<Reply> elements;
    if (auto* const value = call.find<ListValue>(call[1])) {
        const ListValue::Core list = value->core();
        elements = elements_in(list, IndexRange::between(first, last, list.size()));
    }
    return Reply::array(std::move(elements));
}

inline Reply lindex(Call& call) {
    auto* const list = call.find<ListValue>(call[1]);
    if (list == nullptr) return call.null();
    const auto position = position_of(call.integer(2), list->core().size());
    return position ? Reply::bulk_string(list->core().at(*position)) : call.null();
}

// The options of LPOS.
struct PositionOptions {
    std::int64_t rank = 1;
    std::optional<std::int64_t> count{};  // 0: all
    std::int64_t most_compared = 0;       // 0: all

    // Throws: Refusal.
    [[nodiscard]] static PositionOptions of(const Call& call) {
        PositionOptions options;
        for (std::size_t at = 3; at < call.size(); at += 2) {
            if (at + 1 == call.size()) refuse_syntax();
            options.set(call[at], call[at + 1]);
        }
        return options;
    }

    [[nodiscard]] ListSearch search() const noexcept {
        const auto passed = static_cast<std::size_t>(rank < 0 ? -rank : rank) - 1;
        return {.from = rank < 0 ? End::back : End::front,
                .skip = passed,
                .limit = or_all(count.value_or(1)),
                .within = or_all(most_compared)};
    }

private:
    void set(std::string_view option, std::string_view word) {
        if (is(option, "RANK")) {
            rank = signed_count(word);
            if (rank == 0)
                refuse("ERR RANK can't be zero: use 1 to start from the first match, 2 from the "
                       "second ... or use negative to start from the end of the list");
        } else if (is(option, "COUNT")) {
            count = not_negative(word, "ERR COUNT can't be negative");
        } else if (is(option, "MAXLEN")) {
            most_compared = not_negative(word, "ERR MAXLEN can't be negative");
        } else {
            refuse_syntax();
        }
    }

    [[nodiscard]] static std::int64_t not_negative(std::string_view word, std::string_view error) {
        const std::int64_t number = integer_or(word, error);
        if (number < 0) refuse(std::string{error});
        return number;
    }
    [[nodiscard]] static std::size_t or_all(std::int64_t number) noexcept {
        return number == 0 ? ListSearch::all : static_cast<std::size_t>(number);
    }
};

inline Reply lpos(Call& call) {
    const auto options = PositionOptions::of(call);
    std::vector<std::size_t> found;
    if (auto* const list = call.find<ListValue>(call[1]))
        found = list->core().find(call[2], options.search());
    if (!options.count) return found.empty() ? call.null() : reply_count(found.front());
    std::vector<Reply> positions;
    positions.reserve(found.size());
    for (const std::size_t position : found) positions.push_back(reply_count(position));
    return Reply::array(std::move(positions));
}

// ---------------------------------------------------------------------- changes in the middle

inline Reply lset(Call& call) {
    auto& list = call.get<ListValue>(call[1]);
    const auto position = position_of(call.integer(2), list.core().size());
    if (!position) refuse("ERR index out of range");
    std::string element{call[3]};
    Reply reply = reply_ok();
    (void)list.core().replace(*position, std::move(element));
    call.tell({.what = Change::What::list_changed, .key = call[1]});
    return reply;
}

inline Reply linsert(Call& call) {
    const bool is_behind = is(call[2], "AFTER");
    if (!is_behind && !is(call[2], "BEFORE")) refuse_syntax();
    auto* const value = call.find<ListValue>(call[1]);
    if (value == nullptr) return Reply::integer(0);
    ListValue::Core list = value->core();
    const auto pivot = list.find(call[3], {.limit = 1});
    if (pivot.empty()) return Reply::integer(-1);
    const std::size_t position = pivot.front() + (is_behind ? 1 : 0);
    std::string element{call[4]};
    Reply reply = reply_count(list.size() + 1);
    list.insert(position, std::move(element));  // the last step that may throw
    call.tell({.what = Change::What::pushed, .key = call[1]});
    return reply;
}

inline Reply lrem(Call& call) {
    const std::int64_t count = signed_count(call[2]);
    auto* const value = call.find<ListValue>(call[1]);
    if (value == nullptr) return Reply::integer(0);
    ListValue::Core list = value->core();
    const auto limit = static_cast<std::size_t>(count < 0 ? -count : count);
    std::vector<std::size_t> positions =
        list.find(call[3], {.from = count < 0 ? End::back : End::front,
                            .limit = limit == 0 ? ListSearch::all : limit});
    if (positions.empty()) return Reply::integer(0);
    std::vector<std::string> removed;
    removed.reserve(positions.size());
    Reply reply = reply_count(positions.size());
    list.extract(std::move(positions), removed);
    call.tell({.what = Change::What::list_changed, .key = call[1], .count = removed.size()});
    if (list.empty()) call.erase(call[1]);
    return reply;
}

inline Reply ltrim(Call& call) {
    const std::int64_t first = call.integer(2);
    const std::int64_t last = call.integer(3);
    Reply reply = reply_ok();
    auto* const value = call.find<ListValue>(call[1]);
    if (value == nullptr) return reply;
    ListValue::Core list = value->core();
    const std::size_t size = list.size();
    const auto range = IndexRange::between(first, last, size);
    list.keep_only(range);
    // WATCH minds it even if nothing was removed.
    call.tell({.what = Change::What::list_changed, .key = call[1], .count = size - range.count});
    if (list.empty()) call.erase(call[1]);
    return reply;
}

// ---------------------------------------------------------------------- moves

// The move of elements from the list at the first key to the list at the second, which may be the
// same. To prepare; then commit(). Requires: source.core().size() >= move.count, which is not 0.
class PreparedMove {
public:
    // Throws: Refusal, if the second key is no list.
    PreparedMove(Call& call, ListValue& source, const ListMove& move)
        : call_{call},
          source_{source},
          target_{call.find_or_make<ListValue>(call[2])},
          move_{move},
          is_within_{&*target_ == &source} {
        moved_.reserve(move.count);
        if (is_within_)
            source.core().reserve_many_after_pops(move.to, move.count);
        else
            target_->core().reserve_many(move.to, move.count);
    }

    // The elements in the order in which they will stand in the target.
    [[nodiscard]] std::vector<Reply> elements() const {
        const ListValue::Core source = source_.core();
        std::vector<Reply> elements = elements_in(source, move_.range(source.size()));
        if (move_.reverses()) std::ranges::reverse(elements);
        return elements;
    }

    void commit() noexcept {
        move_many(source_.core(), target_->core(), move_, moved_);
        if (is_within_) return tell(Change::What::list_changed, call_[1]);
        target_.commit();
        tell(Change::What::popped, call_[1]);
        tell(Change::What::pushed, call_[2]);
        if (source_.core().empty()) call_.erase(call_[1]);
    }

private:
    void tell(Change::What what, std::string_view key) const noexcept {
        call_.tell({.what = what, .key = key, .count = move_.count});
    }

    Call& call_;
    ListValue& source_;
    Call::Made<ListValue> target_;
    const ListMove move_;
    const bool is_within_;
    std::vector<std::string> moved_{};
};

// Moves one element, of a source that has one.
inline Reply move_one_of(Call& call, ListValue& source, End from, End to) {
    PreparedMove move{call, source, {.from = from, .to = to}};
    Reply reply = std::move(move.elements().front());
    move.commit();
    return reply;
}

inline Reply move_if_list_is_there(Call& call, End from, End to) {
    auto* const source = call.find<ListValue>(call[1]);
    return source == nullptr ? call.null() : move_one_of(call, *source, from, to);
}
inline Reply lmove(Call& call) {
    const End from = end_named(call[3]);
    const End to = end_named(call[4]);
    return move_if_list_is_there(call, from, to);
}
inline Reply rpoplpush(Call& call) {
    return move_if_list_is_there(call, End::back, End::front);
}

// What LMOVEM is asked for.
struct SeveralToMove {
    ListMove move{};
    bool is_exact = false;  // all of them, or none

    // Its options stand from the word `options` on. Throws: Refusal.
    [[nodiscard]] static SeveralToMove of(const Call& call, std::size_t options) {
        SeveralToMove asked;
        asked.move.from = end_named(call[3]);
        asked.move.to = end_named(call[4]);
        constexpr std::size_t option_words = 3;
        if (call.size() == options) return asked;
        if (call.size() != options + option_words) refuse_syntax();
        asked.is_exact = is(call[options], "EXACTLY");
        if (!asked.is_exact && !is(call[options], "COUNT")) refuse_syntax();
        const bool is_together = is(call[options + 2], "BULK");
        if (!is_together && !is(call[options + 2], "OBO")) refuse_syntax();
        asked.move.order = is_together ? MoveOrder::together : MoveOrder::one_by_one;
        asked.move.count = positive_count(call[options + 1], "ERR count should be greater than 0");
        return asked;
    }

    // Whether it finds something to move in a list that has so many. Null: there is none.
    [[nodiscard]] bool is_there(ListValue* list) const noexcept {
        return list != nullptr && (!is_exact || list->core().size() >= move.count);
    }
};

inline Reply move_several(Call& call, ListValue& source, ListMove move) {
    move.count = std::min(move.count, source.core().size());
    PreparedMove prepared{call, source, move};
    Reply reply = Reply::array(prepared.elements());
    prepared.commit();
    return reply;
}

inline Reply lmovem(Call& call) {
    constexpr std::size_t options = 5;
    const auto asked = SeveralToMove::of(call, options);
    auto* const source = call.find<ListValue>(call[1]);
    if (!asked.is_there(source)) return call.null_array();
    return move_several(call, *source, asked.move);
}

// ---------------------------------------------------------------------- the first of several lists

// Of a list that is there: its key, and the elements.
inline Reply pop_several(const Call& call, const Call::First<ListValue>& from,
                         const SeveralToPop& asked) {
    ListValue& list = *from.value;
    const std::size_t count = std::min(asked.count, list.core().size());
    Reply reply =
        Reply::array({bulk(from.key), Reply::array(elements_at(list.core(), asked.end, count))});
    drop_elements(call, from.key, list, asked.end, count);
    return reply;
}

inline Reply lmpop(Call& call) {
    const auto asked = SeveralToPop::of(call, 1, end_named);
    const auto from = call.find_first<ListValue>(asked.keys);
    return from.value == nullptr ? call.null_array() : pop_several(call, from, asked);
}

inline constexpr auto list_commands = std::to_array<CommandInfo>({
    {"lpush", -3, Flag::write, {1, 1, 1}, {1, 0}, lpush},
    {"rpush", -3, Flag::write, {1, 1, 1}, {1, 0}, rpush},
    {"lpushx", -3, Flag::write, {1, 1, 1}, {2, 2}, lpushx},
    {"rpushx", -3, Flag::write, {1, 1, 1}, {2, 2}, rpushx},
    {"lpop", -2, Flag::write, {1, 1, 1}, {1, 0}, lpop},
    {"rpop", -2, Flag::write, {1, 1, 1}, {1, 0}, rpop},
    {"llen", 2, Flag::none, {1, 1, 1}, {1, 0}, llen},
    {"lrange", 4, Flag::none, {1, 1, 1}, {1, 0}, lrange},
    {"lindex", 3, Flag::none, {1, 1, 1}, {1, 0}, lindex},
    {"lpos", -3, Flag::none, {1, 1, 1}, {6, 0}, lpos},
    {"lset", 4, Flag::write, {1, 1, 1}, {1, 0}, lset},
    {"linsert", 5, Flag::write, {1, 1, 1}, {2, 2}, linsert},
    {"lrem", 4, Flag::write, {1, 1, 1}, {1, 0}, lrem},
    {"ltrim", 4, Flag::write, {1, 1, 1}, {1, 0}, ltrim},
    {"lmove", 5, Flag::write, {1, 2, 1}, {6, 2}, lmove},
    {"rpoplpush", 3, Flag::write, {1, 2, 1}, {1, 2}, rpoplpush},
    {"lmovem", -5, Flag::write, {1, 2, 1}, {8, 10}, lmovem},
    {"lmpop", -4, Flag::write, {}, {7, 0}, lmpop},
});

}  // namespace runnel::inline v0::redis::detail
