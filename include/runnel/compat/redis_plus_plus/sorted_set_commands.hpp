// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/compat/redis_plus_plus/client.hpp>
#include <runnel/compat/redis_plus_plus/errors.hpp>
#include <runnel/compat/redis_plus_plus/options.hpp>
#include <runnel/compat/redis_plus_plus/parse.hpp>
#include <runnel/compat/redis_plus_plus/words.hpp>

#include <chrono>
#include <initializer_list>
#include <string>
#include <tuple>
#include <utility>

namespace runnel::inline v0::compat::sw {

/// The commands of sorted sets. An interval is a BoundedInterval<double>, or the like. The ranges
/// put the members, or pairs of a member and its score if that is what the output iterator takes.
template <typename Client>
class SortedSetCommands {
    using Ask = detail::Ask;
    template <typename T>
    using Answer = detail::Answer<Client, T>;
    using Seconds = std::chrono::seconds;
    using Popped = Optional<std::pair<std::string, double>>;
    using PoppedOf = Optional<std::tuple<std::string, std::string, double>>;

public:
    /// How many members are new; with `changed`, also those whose scores are.
    Answer<long long> zadd(StringView key, StringView member, double score,
                           UpdateType type = UpdateType::ALWAYS, bool changed = false) {
        return Ask::value<long long>(self(), zadd_words(key, type, changed).append(score, member));
    }
    /// Of pairs of a member and a score.
    template <detail::Iterates Input>
    Answer<long long> zadd(StringView key, Input first, Input last,
                           UpdateType type = UpdateType::ALWAYS, bool changed = false) {
        CmdArgs words = zadd_words(key, type, changed);
        if (first == last) throw Error{"ZADD: no key specified"};
        for (; first != last; ++first) words.append(first->second, first->first);
        return Ask::value<long long>(self(), std::move(words));
    }
    template <typename T>
    Answer<long long> zadd(StringView key, std::initializer_list<T> pairs,
                           UpdateType type = UpdateType::ALWAYS, bool changed = false) {
        return zadd(key, pairs.begin(), pairs.end(), type, changed);
    }
    Answer<double> zincrby(StringView key, double increment, StringView member) {
        return Ask::value<double>(self(), "ZINCRBY", key, increment, member);
    }
    Answer<long long> zrem(StringView key, StringView member) {
        return Ask::value<long long>(self(), "ZREM", key, member);
    }
    template <detail::Iterates Input>
    Answer<long long> zrem(StringView key, Input first, Input last) {
        return Ask::value<long long>(self(), Ask::with_range(first, last, "ZREM", key));
    }
    template <typename T>
    Answer<long long> zrem(StringView key, std::initializer_list<T> members) {
        return zrem(key, members.begin(), members.end());
    }
    Answer<long long> zcard(StringView key) { return Ask::value<long long>(self(), "ZCARD", key); }
    Answer<OptionalDouble> zscore(StringView key, StringView member) {
        return Ask::value<OptionalDouble>(self(), "ZSCORE", key, member);
    }
    Answer<OptionalLongLong> zrank(StringView key, StringView member) {
        return Ask::value<OptionalLongLong>(self(), "ZRANK", key, member);
    }
    Answer<OptionalLongLong> zrevrank(StringView key, StringView member) {
        return Ask::value<OptionalLongLong>(self(), "ZREVRANK", key, member);
    }

    template <typename Interval>
    Answer<long long> zcount(StringView key, const Interval& interval) {
        return Ask::value<long long>(self(), "ZCOUNT", key, interval.lower(), interval.upper());
    }
    template <typename Interval>
    Answer<long long> zlexcount(StringView key, const Interval& interval) {
        return Ask::value<long long>(self(), "ZLEXCOUNT", key, interval.lower(), interval.upper());
    }
    template <typename Interval>
    Answer<long long> zremrangebyscore(StringView key, const Interval& interval) {
        return Ask::value<long long>(self(), "ZREMRANGEBYSCORE", key, interval.lower(),
                                     interval.upper());
    }
    template <typename Interval>
    Answer<long long> zremrangebylex(StringView key, const Interval& interval) {
        return Ask::value<long long>(self(), "ZREMRANGEBYLEX", key, interval.lower(),
                                     interval.upper());
    }
    Answer<long long> zremrangebyrank(StringView key, long long start, long long stop) {
        return Ask::value<long long>(self(), "ZREMRANGEBYRANK", key, start, stop);
    }

    template <typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<void>
    zrange(StringView key, long long start, long long stop, Output... output) {
        CmdArgs words{"ZRANGE", key, start, stop};
        add_scores<Output...>(words);
        return Ask::elements(self(), std::move(words), output...);
    }
    template <typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<void>
    zrevrange(StringView key, long long start, long long stop, Output... output) {
        CmdArgs words{"ZREVRANGE", key, start, stop};
        add_scores<Output...>(words);
        return Ask::elements(self(), std::move(words), output...);
    }
    template <typename Interval, typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<void>
    zrangebyscore(StringView key, const Interval& interval, Output... output) {
        CmdArgs words{"ZRANGEBYSCORE", key, interval.lower(), interval.upper()};
        add_scores<Output...>(words);
        return Ask::elements(self(), std::move(words), output...);
    }
    template <typename Interval, typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<void>
    zrangebyscore(StringView key, const Interval& interval, const LimitOptions& limit,
                  Output... output) {
        CmdArgs words{"ZRANGEBYSCORE", key, interval.lower(), interval.upper()};
        add_scores<Output...>(words);
        words.append("LIMIT", limit.offset, limit.count);
        return Ask::elements(self(), std::move(words), output...);
    }
    template <typename Interval, typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<void>
    zrevrangebyscore(StringView key, const Interval& interval, Output... output) {
        CmdArgs words{"ZREVRANGEBYSCORE", key, interval.upper(), interval.lower()};
        add_scores<Output...>(words);
        return Ask::elements(self(), std::move(words), output...);
    }
    template <typename Interval, typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<void>
    zrevrangebyscore(StringView key, const Interval& interval, const LimitOptions& limit,
                     Output... output) {
        CmdArgs words{"ZREVRANGEBYSCORE", key, interval.upper(), interval.lower()};
        add_scores<Output...>(words);
        words.append("LIMIT", limit.offset, limit.count);
        return Ask::elements(self(), std::move(words), output...);
    }
    template <typename Interval, typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<void>
    zrangebylex(StringView key, const Interval& interval, Output... output) {
        CmdArgs words{"ZRANGEBYLEX", key, interval.lower(), interval.upper()};
        return Ask::elements(self(), std::move(words), output...);
    }
    template <typename Interval, typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<void>
    zrangebylex(StringView key, const Interval& interval, const LimitOptions& limit,
                Output... output) {
        CmdArgs words{"ZRANGEBYLEX", key, interval.lower(), interval.upper()};
        words.append("LIMIT", limit.offset, limit.count);
        return Ask::elements(self(), std::move(words), output...);
    }
    template <typename Interval, typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<void>
    zrevrangebylex(StringView key, const Interval& interval, Output... output) {
        CmdArgs words{"ZREVRANGEBYLEX", key, interval.upper(), interval.lower()};
        return Ask::elements(self(), std::move(words), output...);
    }
    template <typename Interval, typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<void>
    zrevrangebylex(StringView key, const Interval& interval, const LimitOptions& limit,
                   Output... output) {
        CmdArgs words{"ZREVRANGEBYLEX", key, interval.upper(), interval.lower()};
        words.append("LIMIT", limit.offset, limit.count);
        return Ask::elements(self(), std::move(words), output...);
    }

    /// Puts pairs of a member and a score. Returns the cursor to go on with; 0: that was all.
    template <typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<long long>
    zscan(StringView key, long long cursor, StringView pattern, long long count, Output... output) {
        return Ask::scanned(self(), CmdArgs{"ZSCAN", key, cursor, "MATCH", pattern, "COUNT", count},
                            output...);
    }
    template <typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<long long>
    zscan(StringView key, long long cursor, StringView pattern, Output... output) {
        return zscan(key, cursor, pattern, Ask::scan_count, output...);
    }
    template <typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<long long>
    zscan(StringView key, long long cursor, long long count, Output... output) {
        return zscan(key, cursor, "*", count, output...);
    }
    template <typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<long long>
    zscan(StringView key, long long cursor, Output... output) {
        return zscan(key, cursor, "*", Ask::scan_count, output...);
    }

    Answer<Popped> zpopmin(StringView key) {
        return Ask::value_unless_empty<Popped>(self(), CmdArgs{"ZPOPMIN", key});
    }
    template <typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<void>
    zpopmin(StringView key, long long count, Output... output) {
        return Ask::elements(self(), CmdArgs{"ZPOPMIN", key, count}, output...);
    }
    Answer<Popped> zpopmax(StringView key) {
        return Ask::value_unless_empty<Popped>(self(), CmdArgs{"ZPOPMAX", key});
    }
    template <typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<void>
    zpopmax(StringView key, long long count, Output... output) {
        return Ask::elements(self(), CmdArgs{"ZPOPMAX", key, count}, output...);
    }
    /// The key, the member and its score; nothing: the time is over. A time-out is in seconds.
    Answer<PoppedOf> bzpopmin(StringView key, long long timeout) {
        return Ask::value<PoppedOf>(self(), "BZPOPMIN", key, timeout);
    }
    Answer<PoppedOf> bzpopmin(StringView key, const Seconds& timeout = Seconds{0}) {
        return bzpopmin(key, count_of(timeout));
    }
    template <detail::Iterates Input>
    Answer<PoppedOf> bzpopmin(Input first, Input last, long long timeout) {
        return Ask::value<PoppedOf>(self(),
                                    Ask::with_range(first, last, "BZPOPMIN").append(timeout));
    }
    template <detail::Iterates Input>
    Answer<PoppedOf> bzpopmin(Input first, Input last, const Seconds& timeout = Seconds{0}) {
        return bzpopmin(first, last, count_of(timeout));
    }
    template <typename T>
    Answer<PoppedOf> bzpopmin(std::initializer_list<T> keys, long long timeout) {
        return bzpopmin(keys.begin(), keys.end(), timeout);
    }
    template <typename T>
    Answer<PoppedOf> bzpopmin(std::initializer_list<T> keys, const Seconds& timeout = Seconds{0}) {
        return bzpopmin(keys.begin(), keys.end(), count_of(timeout));
    }
    Answer<PoppedOf> bzpopmax(StringView key, long long timeout) {
        return Ask::value<PoppedOf>(self(), "BZPOPMAX", key, timeout);
    }
    Answer<PoppedOf> bzpopmax(StringView key, const Seconds& timeout = Seconds{0}) {
        return bzpopmax(key, count_of(timeout));
    }
    template <detail::Iterates Input>
    Answer<PoppedOf> bzpopmax(Input first, Input last, long long timeout) {
        return Ask::value<PoppedOf>(self(),
                                    Ask::with_range(first, last, "BZPOPMAX").append(timeout));
    }
    template <detail::Iterates Input>
    Answer<PoppedOf> bzpopmax(Input first, Input last, const Seconds& timeout = Seconds{0}) {
        return bzpopmax(first, last, count_of(timeout));
    }
    template <typename T>
    Answer<PoppedOf> bzpopmax(std::initializer_list<T> keys, long long timeout) {
        return bzpopmax(keys.begin(), keys.end(), timeout);
    }
    template <typename T>
    Answer<PoppedOf> bzpopmax(std::initializer_list<T> keys, const Seconds& timeout = Seconds{0}) {
        return bzpopmax(keys.begin(), keys.end(), count_of(timeout));
    }

private:
    friend Client;
    friend AllCommands<Client>;

    SortedSetCommands() = default;

    [[nodiscard]] Client& self() noexcept { return static_cast<Client&>(*this); }
    [[nodiscard]] static long long count_of(const Seconds& timeout) noexcept {
        return timeout.count();
    }
    [[nodiscard]] static CmdArgs zadd_words(StringView key, UpdateType type, bool changed) {
        CmdArgs words{"ZADD", key};
        if (type != UpdateType::ALWAYS) words.append(type == UpdateType::EXIST ? "XX" : "NX");
        if (changed) words.append("CH");
        return words;
    }
    // If the output iterator takes pairs.
    template <typename... Output>
    static void add_scores(CmdArgs& words) {
        if constexpr ((detail::is_pair<detail::Element<Output>> || ...)) words.append("WITHSCORES");
    }
};

}  // namespace runnel::inline v0::compat::sw
