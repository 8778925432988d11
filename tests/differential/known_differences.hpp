// SPDX-License-Identifier: MIT
#pragma once

// What Redis has changed since 7.0, and where that shows.

#include <runnel/redis/reply.hpp>

#include "differential/listener.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::test::differential {

/// What one session heard of two servers: one reply or push of each, or nothing of one of them; or
/// several, which differ in nothing but their order.
struct Difference {
    std::vector<Heard> redis;
    std::vector<Heard> other;
    bool is_in_exec = false;

    /// A reply rather than a push.
    [[nodiscard]] const Heard& any() const {
        const std::vector<Heard>& all = redis.empty() ? other : redis;
        const auto reply = std::ranges::find_if_not(all, &Heard::is_push);
        return reply != all.end() ? *reply : all.front();
    }
    /// Of the command, or "push".
    [[nodiscard]] std::string name() const {
        return any().is_push() ? "push" : name_of(any().words);
    }
    [[nodiscard]] bool is_of_both() const { return redis.size() == 1 && other.size() == 1; }
};

/// Whether what follows can be compared.
enum class Then { goes_on, ends };

struct KnownDifference {
    std::string_view name;
    std::string_view commands;  ///< where it shows, blanks between them
    bool (*explains)(const Difference& difference);
    Then then = Then::goes_on;
};

inline bool has_error(const std::vector<Heard>& heard, std::string_view text) {
    return heard.size() == 1 && heard.front().reply.is_error() &&
           heard.front().reply.text().starts_with(text);
}

inline bool is_ok(const std::vector<Heard>& heard) {
    return heard.size() == 1 && heard.front().reply == Reply::simple_string("OK");
}

inline bool other_text(const Difference& difference, std::string_view old,
                       std::string_view recent) {
    return has_error(difference.redis, old) && has_error(difference.other, recent);
}

// An id that was made of the time has 13 digits before its `-`, and no other has.
inline bool is_of_now(const Reply& reply) {
    return reply.kind() == Reply::Kind::bulk_string && reply.text().find('-') == 13;
}

// 7.4: the text tells of `+`.
inline bool unbalanced(const Difference& difference) {
    return other_text(difference, "ERR Unbalanced ", "ERR Unbalanced ");
}

// 7.2: all commands of a transaction see one time. Before, each id was made of the time of its own.
inline bool has_later_id(const Difference& difference) {
    if (!difference.is_in_exec || !difference.is_of_both()) return false;
    const Reply& redis = difference.redis.front().reply;
    const Reply& other = difference.other.front().reply;
    return is_of_now(redis) && is_of_now(other) && redis.text() > other.text();
}

// 7.2 (redis#11444): the last id of a stream does not go back behind what was deleted.
inline bool goes_back(const Difference& difference) {
    return (is_ok(difference.redis) || has_error(difference.redis, "ERR The ")) &&
           has_error(difference.other, "ERR The ID specified in XSETID is smaller than current ");
}

// 7.2 (redis#12326): who gets its own message gets it after the reply. Before, it came first.
inline bool comes_first(const Difference& difference) {
    std::vector<Heard> later;
    std::vector<Heard> pushes;
    for (const Heard& heard : difference.redis) {
        if (heard.is_push()) {
            pushes.push_back(heard);
            continue;
        }
        const bool is_own = name_of(heard.words).ends_with("publish");
        const auto move = [&] {
            later.insert(later.end(), pushes.begin(), pushes.end());
            pushes.clear();
        };
        if (!is_own) move();
        later.push_back(heard);
        move();
    }
    later.insert(later.end(), pushes.begin(), pushes.end());
    return std::ranges::equal(later, difference.other, {}, &Heard::reply, &Heard::reply);
}

// 8.0: a cursor is a number that is not negative, and there are no types but those that it knows.
inline bool strict_scan(const Difference& difference) {
    return has_error(difference.other, "ERR unknown type name") ||
           has_error(difference.other, "ERR invalid cursor");
}

// The reply with nothing in the place of the values of these keys, in maps at any depth.
inline Reply without(const Reply& reply, std::initializer_list<std::string_view> keys) {
    if (reply.kind() != Reply::Kind::array && reply.kind() != Reply::Kind::map) return reply;
    std::vector<Reply> made;
    bool is_next = false;
    for (const Reply& element : reply.elements()) {
        made.push_back(is_next ? Reply{} : without(element, keys));
        is_next = element.kind() == Reply::Kind::bulk_string &&
                  std::ranges::find(keys, element.text()) != keys.end();
    }
    return Reply::array(std::move(made));
}

inline bool differ_only_in(const Difference& difference,
                           std::initializer_list<std::string_view> keys) {
    return difference.is_of_both() && without(difference.redis.front().reply, keys) ==
                                          without(difference.other.front().reply, keys);
}

// 7.4.2 (redis#13338, redis#13473), 7.4.4 (redis#13958), 8.2.2 (redis#14259): how many entries a
// group has read, and how many it has not, is known in more cases, and never more than there are.
inline bool counts_differently(const Difference& difference) {
    return differ_only_in(difference, {"entries-read", "lag"});
}

// 7.2 (redis#11012): what wakes a read of a group runs it again. Before, it was told what had woken
// it.
inline bool was_told(const Difference& difference) {
    const bool is_old =
        has_error(difference.redis, "UNBLOCKED the stream key no longer exists") ||
        has_error(difference.redis, "NOGROUP the consumer group this client was blocked on");
    return is_old && (has_error(difference.other, "NOGROUP No such key") ||
                      has_error(difference.other, "WRONGTYPE "));
}

// 7.2 (redis#11012): the same, where it finds all it needs when it is run again, and waits on.
inline bool was_told_in_vain(const Difference& difference) {
    return difference.other.empty() &&
           (has_error(difference.redis, "UNBLOCKED the stream key no longer exists") ||
            has_error(difference.redis, "NOGROUP the consumer group this client was blocked on"));
}

// 7.2 (redis#11012): who waits, waits for what is there. Before, it got an empty list if the
// entries that had come were gone.
inline bool was_woken_for_nothing(const Difference& difference) {
    if (difference.redis.size() != 1) return false;
    const Reply& reply = difference.redis.front().reply;
    using Kind = Reply::Kind;
    if (reply.kind() == Kind::map)
        return reply.elements().size() == 2 && reply[1].elements().empty();
    return reply.kind() == Kind::array && reply.elements().size() == 1 &&
           reply[0].elements().size() == 2 && reply[0][1].elements().empty();
}

// 7.2 (redis#11012): who waits at several keys takes from the first that has something, in its own
// order. Before, it took from the one that was filled first.
inline bool takes_from_another(const Difference& difference) {
    if (!difference.is_of_both()) return false;
    const Reply& redis = difference.redis.front().reply;
    const Reply& other = difference.other.front().reply;
    const auto is_taken = [](const Reply& reply) {
        return reply.kind() == Reply::Kind::array &&
               (reply.elements().size() == 2 || reply.elements().size() == 3) &&
               reply[0].kind() == Reply::Kind::bulk_string;
    };
    const bool is_refused = has_error(difference.other, "WRONGTYPE ");
    return is_taken(redis) && (is_refused || (is_taken(other) && redis[0] != other[0]));
}

inline bool names_a_stream_twice(const Words& words) {
    const auto streams = std::ranges::find_if(
        words, [](const std::string& word) { return in_small_letters(word) == "streams"; });
    std::vector<std::string> keys(streams, words.end());
    keys.resize((keys.size() + 1) / 2);
    std::ranges::sort(keys);
    return std::ranges::adjacent_find(keys) != keys.end();
}

// Whether it reads several streams.
inline bool names_several(const Difference& difference) {
    const Words& words = difference.any().words;
    const auto streams = std::ranges::find_if(
        words, [](const std::string& word) { return in_small_letters(word) == "streams"; });
    return words.end() - streams > 3;
}

// The same: it read what is in all of its streams. Before, in the one that was added to.
inline bool reads_one_stream(const Difference& difference) {
    if (difference.redis.empty()) {
        return has_error(difference.other, "WRONGTYPE ")
                   ? names_several(difference)
                   : names_a_stream_twice(difference.any().words);
    }
    if (!difference.is_of_both()) return false;
    const Reply& redis = difference.redis.front().reply;
    const Reply& other = difference.other.front().reply;
    if (other.is_error()) return !redis.is_error() && !redis.is_null() && names_several(difference);
    const bool is_map = redis.kind() == Reply::Kind::map;
    if (redis.kind() != other.kind() || (!is_map && redis.kind() != Reply::Kind::array))
        return false;
    // Of a stream that is named twice it had kept one place only, and waited for what is behind
    // that.
    if (names_a_stream_twice(difference.any().words)) return true;
    const auto one = redis.elements();
    const auto several = other.elements();
    return one.size() == (is_map ? 2 : 1) && several.size() > one.size() &&
           !std::ranges::search(several, one).empty();
}

// 7.2 (redis#11099): a read or claim that gets nothing makes its consumer nevertheless.
inline bool makes_consumer(const Difference& difference) {
    return difference.redis.size() == 1 && difference.redis.front().reply == Reply::integer(1) &&
           difference.other.front().reply == Reply::integer(0);
}
inline Reply without_idle(const Reply& consumers) {
    std::vector<Reply> made;
    if (consumers.kind() != Reply::Kind::array) return consumers;
    for (const Reply& consumer : consumers.elements()) {
        const Reply* const pending = consumer.find("pending");
        if (pending == nullptr || *pending != Reply::integer(0)) made.push_back(consumer);
    }
    return Reply::array(std::move(made));
}
inline bool has_idle_consumers(const Difference& difference) {
    return difference.is_of_both() && without_idle(difference.redis.front().reply) ==
                                          without_idle(difference.other.front().reply);
}
inline bool counts_idle_consumers(const Difference& difference) {
    return differ_only_in(difference, {"entries-read", "lag", "consumers"});
}

// 7.4 at the latest: XADD ms-* in a millisecond whose numbers are used up says so. Before, it gave
// the reason of whatever was refused last on the server.
inline bool knows_used_up_millisecond(const Difference& difference) {
    return difference.redis.size() == 1 && difference.redis.front().reply.is_error() &&
           has_error(difference.other, "ERR The ID specified in XADD is equal or smaller");
}

// 7.2: a time-out that is too long is told from one that is negative.
inline bool is_too_long(const Difference& difference) {
    return has_error(difference.redis, "ERR timeout is negative") &&
           has_error(difference.other, "ERR timeout is out of range");
}

// 7.2: the least number has no counterpart, and is refused.
inline bool is_out_of_range(const Difference& difference) {
    return has_error(difference.other, "ERR value is out of range, value must between");
}

// 7.2: ZRANK has an option. Before, another word was one too many, which spoils a transaction.
inline bool takes_more_words(const Difference& difference) {
    return has_error(difference.redis, "ERR wrong number of arguments for 'z");
}

inline constexpr auto known_differences = std::to_array<KnownDifference>({
    {"7.2: one time in EXEC", "xadd", has_later_id, Then::ends},
    {"7.2: XSETID minds deletions", "xsetid", goes_back, Then::ends},
    {"7.2: own messages follow the reply", "publish spublish", comes_first},
    {"7.2: reads are run again", "xreadgroup", was_told},
    {"7.2: reads are run again and wait on", "xreadgroup", was_told_in_vain, Then::ends},
    {"7.2: waits for what is there", "xread xreadgroup", was_woken_for_nothing, Then::ends},
    {"7.2: looks through the keys again", "blpop brpop blmpop bzpopmin bzpopmax bzmpop",
     takes_from_another, Then::ends},
    {"7.2: looks through the streams again", "xread xreadgroup", reads_one_stream, Then::ends},
    {"7.2: too long a time-out", "blpop brpop blmpop blmove brpoplpush bzpopmin bzpopmax bzmpop",
     is_too_long},
    {"7.2: refuses the least number", "lrem lpos", is_out_of_range, Then::ends},
    {"7.2: option of ZRANK", "zrank zrevrank", takes_more_words, Then::ends},
    {"7.2: idle consumers", "xgroup|createconsumer", makes_consumer},
    {"7.2: shows idle consumers", "xinfo|consumers", has_idle_consumers},
    {"7.4: used-up millisecond", "xadd", knows_used_up_millisecond},
    {"7.4: names +", "xread xreadgroup", unbalanced},
    {"7.4.2: counts what groups have read", "xinfo|groups xinfo|stream", counts_differently},
    {"7.2: counts idle consumers", "xinfo|groups xinfo|stream", counts_idle_consumers},
    {"8.0: SCAN is strict", "scan hscan sscan zscan", strict_scan},
});

inline bool names(std::string_view commands, std::string_view name) {
    while (!commands.empty()) {
        const std::size_t end = std::min(commands.find(' '), commands.size());
        if (commands.substr(0, end) == name) return true;
        commands.remove_prefix(std::min(end + 1, commands.size()));
    }
    return false;
}

/// Null if there is none.
inline const KnownDifference* explanation_of(const Difference& difference) {
    const std::string name = difference.name();
    const auto found = std::ranges::find_if(known_differences, [&](const KnownDifference& known) {
        return names(known.commands, name) && known.explains(difference);
    });
    return found == known_differences.end() ? nullptr : &*found;
}

}  // namespace runnel::test::differential
