// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/compat/redis_plus_plus/client.hpp>
#include <runnel/compat/redis_plus_plus/errors.hpp>
#include <runnel/compat/redis_plus_plus/options.hpp>
#include <runnel/compat/redis_plus_plus/words.hpp>

#include <chrono>
#include <initializer_list>
#include <string>
#include <utility>

namespace runnel::inline v0::compat::sw {

/// The commands of streams. An entry is put as what the output iterator takes: a pair of its id and
/// its fields, which may be any container of pairs; Optional of that container if entries may be
/// gone that are pending. Reads put pairs of a key and a container of entries, such as into a map.
template <typename Client>
class StreamCommands {
    using Ask = detail::Ask;
    template <typename T>
    using Answer = detail::Answer<Client, T>;
    using Milliseconds = std::chrono::milliseconds;
    using Pending = detail::PendingSummary;

    template <typename... Output>
    static constexpr bool fits = detail::FitOutputs<Client, Output...>;

public:
    /// Of pairs of a field and a value. The id of the entry.
    template <detail::Iterates Input>
    Answer<std::string> xadd(StringView key, StringView id, Input first, Input last) {
        return Ask::value<std::string>(self(), Ask::with_range(first, last, "XADD", key, id));
    }
    template <typename T>
    Answer<std::string> xadd(StringView key, StringView id, std::initializer_list<T> fields) {
        return xadd(key, id, fields.begin(), fields.end());
    }
    template <detail::Iterates Input>
    Answer<std::string> xadd(StringView key, StringView id, Input first, Input last,
                             long long maxlen, bool approx = true) {
        return Ask::value<std::string>(self(), Ask::with_range(first, last, "XADD", key, "MAXLEN",
                                                               approx ? "~" : "=", maxlen, id));
    }
    template <typename T>
    Answer<std::string> xadd(StringView key, StringView id, std::initializer_list<T> fields,
                             long long maxlen, bool approx = true) {
        return xadd(key, id, fields.begin(), fields.end(), maxlen, approx);
    }

    Answer<long long> xlen(StringView key) { return Ask::value<long long>(self(), "XLEN", key); }
    Answer<long long> xdel(StringView key, StringView id) {
        return Ask::value<long long>(self(), "XDEL", key, id);
    }
    template <detail::Iterates Input>
    Answer<long long> xdel(StringView key, Input first, Input last) {
        return Ask::value<long long>(self(), Ask::with_range(first, last, "XDEL", key));
    }
    template <typename T>
    Answer<long long> xdel(StringView key, std::initializer_list<T> ids) {
        return xdel(key, ids.begin(), ids.end());
    }
    /// How many entries have gone. With `approx` some may stay that are beyond the threshold.
    Answer<long long> xtrim(StringView key, long long threshold, bool approx = true,
                            XtrimStrategy strategy = XtrimStrategy::MAXLEN) {
        return trim(key, strategy, approx, threshold);
    }
    Answer<long long> xtrim(StringView key, StringView threshold, bool approx = true,
                            XtrimStrategy strategy = XtrimStrategy::MAXLEN) {
        return trim(key, strategy, approx, threshold);
    }
    Answer<long long> xtrim(StringView key, long long threshold, XtrimStrategy strategy,
                            long long limit) {
        return trim(key, strategy, true, threshold, "LIMIT", limit);
    }
    Answer<long long> xtrim(StringView key, StringView threshold, XtrimStrategy strategy,
                            long long limit) {
        return trim(key, strategy, true, threshold, "LIMIT", limit);
    }

    template <typename... Output>
    requires fits<Output...> Answer<void> xrange(StringView key, StringView start, StringView end,
                                                 Output... output) {
        return Ask::elements(self(), CmdArgs{"XRANGE", key, start, end}, output...);
    }
    template <typename... Output>
    requires fits<Output...> Answer<void> xrange(StringView key, StringView start, StringView end,
                                                 long long count, Output... output) {
        return Ask::elements(self(), CmdArgs{"XRANGE", key, start, end, "COUNT", count}, output...);
    }
    template <typename... Output>
    requires fits<Output...> Answer<void> xrevrange(StringView key, StringView end,
                                                    StringView start, Output... output) {
        return Ask::elements(self(), CmdArgs{"XREVRANGE", key, end, start}, output...);
    }
    template <typename... Output>
    requires fits<Output...> Answer<void>
    xrevrange(StringView key, StringView end, StringView start, long long count, Output... output) {
        return Ask::elements(self(), CmdArgs{"XREVRANGE", key, end, start, "COUNT", count},
                             output...);
    }

    /// Nothing is put if nothing has come. A time-out of 0 means for ever.
    template <typename... Output>
    requires fits<Output...> Answer<void> xread(StringView key, StringView id, long long count,
                                                Output... output) {
        return Ask::elements(self(), read_words(count, nullptr).append("STREAMS", key, id),
                             output...);
    }
    template <typename... Output>
    requires fits<Output...> Answer<void> xread(StringView key, StringView id, Output... output) {
        return xread(key, id, 0, output...);
    }
    template <typename... Output>
    requires fits<Output...> Answer<void> xread(StringView key, StringView id,
                                                const Milliseconds& timeout, long long count,
                                                Output... output) {
        return Ask::elements(self(), read_words(count, &timeout).append("STREAMS", key, id),
                             output...);
    }
    template <typename... Output>
    requires fits<Output...> Answer<void> xread(StringView key, StringView id,
                                                const Milliseconds& timeout, Output... output) {
        return xread(key, id, timeout, 0, output...);
    }
    /// Of pairs of a key and an id.
    template <detail::Iterates Input, typename... Output>
    requires fits<Output...> Answer<void> xread(Input first, Input last, long long count,
                                                Output... output) {
        return Ask::elements(self(), with_streams(read_words(count, nullptr), first, last),
                             output...);
    }
    template <detail::Iterates Input, typename... Output>
    requires fits<Output...> Answer<void> xread(Input first, Input last, Output... output) {
        return xread(first, last, 0, output...);
    }
    template <detail::Iterates Input, typename... Output>
    requires fits<Output...> Answer<void>
    xread(Input first, Input last, const Milliseconds& timeout, long long count, Output... output) {
        return Ask::elements(self(), with_streams(read_words(count, &timeout), first, last),
                             output...);
    }
    template <detail::Iterates Input, typename... Output>
    requires fits<Output...> Answer<void> xread(Input first, Input last,
                                                const Milliseconds& timeout, Output... output) {
        return xread(first, last, timeout, 0, output...);
    }

    // ---- groups

    /// Throws: ReplyError "BUSYGROUP …" if there is such a group.
    Answer<void> xgroup_create(StringView key, StringView group, StringView id,
                               bool mkstream = false) {
        CmdArgs words{"XGROUP", "CREATE", key, group, id};
        if (mkstream) words.append("MKSTREAM");
        return Ask::value<void>(self(), std::move(words));
    }
    Answer<void> xgroup_setid(StringView key, StringView group, StringView id) {
        return Ask::value<void>(self(), "XGROUP", "SETID", key, group, id);
    }
    /// 1: there was one.
    Answer<long long> xgroup_destroy(StringView key, StringView group) {
        return Ask::value<long long>(self(), "XGROUP", "DESTROY", key, group);
    }
    /// How many entries it had pending.
    Answer<long long> xgroup_delconsumer(StringView key, StringView group, StringView consumer) {
        return Ask::value<long long>(self(), "XGROUP", "DELCONSUMER", key, group, consumer);
    }

    /// As xread(). Throws: ReplyError "NOGROUP …".
    template <typename... Output>
    requires fits<Output...> Answer<void> xreadgroup(StringView group, StringView consumer,
                                                     StringView key, StringView id, long long count,
                                                     bool noack, Output... output) {
        return Ask::elements(
            self(), group_words(group, consumer, count, nullptr, noack).append("STREAMS", key, id),
            output...);
    }
    template <typename... Output>
    requires fits<Output...> Answer<void> xreadgroup(StringView group, StringView consumer,
                                                     StringView key, StringView id, long long count,
                                                     Output... output) {
        return xreadgroup(group, consumer, key, id, count, false, output...);
    }
    template <typename... Output>
    requires fits<Output...> Answer<void> xreadgroup(StringView group, StringView consumer,
                                                     StringView key, StringView id,
                                                     Output... output) {
        return xreadgroup(group, consumer, key, id, 0, false, output...);
    }
    template <typename... Output>
    requires fits<Output...> Answer<void> xreadgroup(StringView group, StringView consumer,
                                                     StringView key, StringView id,
                                                     const Milliseconds& timeout, long long count,
                                                     bool noack, Output... output) {
        return Ask::elements(
            self(), group_words(group, consumer, count, &timeout, noack).append("STREAMS", key, id),
            output...);
    }
    template <typename... Output>
    requires fits<Output...> Answer<void> xreadgroup(StringView group, StringView consumer,
                                                     StringView key, StringView id,
                                                     const Milliseconds& timeout, long long count,
                                                     Output... output) {
        return xreadgroup(group, consumer, key, id, timeout, count, false, output...);
    }
    template <typename... Output>
    requires fits<Output...> Answer<void> xreadgroup(StringView group, StringView consumer,
                                                     StringView key, StringView id,
                                                     const Milliseconds& timeout,
                                                     Output... output) {
        return xreadgroup(group, consumer, key, id, timeout, 0, false, output...);
    }
    template <detail::Iterates Input, typename... Output>
    requires fits<Output...> Answer<void> xreadgroup(StringView group, StringView consumer,
                                                     Input first, Input last, long long count,
                                                     bool noack, Output... output) {
        return Ask::elements(
            self(), with_streams(group_words(group, consumer, count, nullptr, noack), first, last),
            output...);
    }
    template <detail::Iterates Input, typename... Output>
    requires fits<Output...> Answer<void> xreadgroup(StringView group, StringView consumer,
                                                     Input first, Input last, long long count,
                                                     Output... output) {
        return xreadgroup(group, consumer, first, last, count, false, output...);
    }
    template <detail::Iterates Input, typename... Output>
    requires fits<Output...> Answer<void> xreadgroup(StringView group, StringView consumer,
                                                     Input first, Input last, Output... output) {
        return xreadgroup(group, consumer, first, last, 0, false, output...);
    }
    template <detail::Iterates Input, typename... Output>
    requires fits<Output...> Answer<void> xreadgroup(StringView group, StringView consumer,
                                                     Input first, Input last,
                                                     const Milliseconds& timeout, long long count,
                                                     bool noack, Output... output) {
        return Ask::elements(
            self(), with_streams(group_words(group, consumer, count, &timeout, noack), first, last),
            output...);
    }
    template <detail::Iterates Input, typename... Output>
    requires fits<Output...> Answer<void> xreadgroup(StringView group, StringView consumer,
                                                     Input first, Input last,
                                                     const Milliseconds& timeout, long long count,
                                                     Output... output) {
        return xreadgroup(group, consumer, first, last, timeout, count, false, output...);
    }
    template <detail::Iterates Input, typename... Output>
    requires fits<Output...> Answer<void> xreadgroup(StringView group, StringView consumer,
                                                     Input first, Input last,
                                                     const Milliseconds& timeout,
                                                     Output... output) {
        return xreadgroup(group, consumer, first, last, timeout, 0, false, output...);
    }

    Answer<long long> xack(StringView key, StringView group, StringView id) {
        return Ask::value<long long>(self(), "XACK", key, group, id);
    }
    template <detail::Iterates Input>
    Answer<long long> xack(StringView key, StringView group, Input first, Input last) {
        return Ask::value<long long>(self(), Ask::with_range(first, last, "XACK", key, group));
    }
    template <typename T>
    Answer<long long> xack(StringView key, StringView group, std::initializer_list<T> ids) {
        return xack(key, group, ids.begin(), ids.end());
    }

    /// How many entries are pending, the least and the greatest of their ids; puts pairs of a
    /// consumer and the count of its entries, which is a text.
    template <typename... Output>
    requires fits<Output...> Answer<Pending> xpending(StringView key, StringView group,
                                                      Output... output) {
        return Ask::pending(self(), CmdArgs{"XPENDING", key, group}, output...);
    }
    /// Puts tuples: id, consumer, how many milliseconds it has been idle, number of deliveries.
    template <typename... Output>
    requires fits<Output...> Answer<void> xpending(StringView key, StringView group,
                                                   StringView start, StringView end,
                                                   long long count, Output... output) {
        return Ask::elements(self(), CmdArgs{"XPENDING", key, group, start, end, count}, output...);
    }
    template <typename... Output>
    requires fits<Output...> Answer<void> xpending(StringView key, StringView group,
                                                   StringView start, StringView end,
                                                   long long count, StringView consumer,
                                                   Output... output) {
        return Ask::elements(self(), CmdArgs{"XPENDING", key, group, start, end, count, consumer},
                             output...);
    }

    template <typename... Output>
    requires fits<Output...> Answer<void> xclaim(StringView key, StringView group,
                                                 StringView consumer,
                                                 const Milliseconds& min_idle_time, StringView id,
                                                 Output... output) {
        return Ask::elements(
            self(), CmdArgs{"XCLAIM", key, group, consumer, min_idle_time.count(), id}, output...);
    }
    template <detail::Iterates Input, typename... Output>
    requires fits<Output...> Answer<void> xclaim(StringView key, StringView group,
                                                 StringView consumer,
                                                 const Milliseconds& min_idle_time, Input first,
                                                 Input last, Output... output) {
        return Ask::elements(
            self(),
            Ask::with_range(first, last, "XCLAIM", key, group, consumer, min_idle_time.count()),
            output...);
    }
    template <typename T, typename... Output>
    requires fits<Output...> Answer<void> xclaim(StringView key, StringView group,
                                                 StringView consumer,
                                                 const Milliseconds& min_idle_time,
                                                 std::initializer_list<T> ids, Output... output) {
        return xclaim(key, group, consumer, min_idle_time, ids.begin(), ids.end(), output...);
    }

private:
    friend Client;
    friend AllCommands<Client>;

    StreamCommands() = default;

    [[nodiscard]] Client& self() noexcept { return static_cast<Client&>(*this); }
    template <typename Threshold, typename... Words>
    Answer<long long> trim(StringView key, XtrimStrategy strategy, bool approx, Threshold threshold,
                           const Words&... limit) {
        return Ask::value<long long>(self(), "XTRIM", key,
                                     strategy == XtrimStrategy::MAXLEN ? "MAXLEN" : "MINID",
                                     approx ? "~" : "=", threshold, limit...);
    }

    [[nodiscard]] static CmdArgs read_words(long long count, const Milliseconds* timeout) {
        CmdArgs words{"XREAD"};
        add_limits(words, count, timeout);
        return words;
    }
    [[nodiscard]] static CmdArgs group_words(StringView group, StringView consumer, long long count,
                                             const Milliseconds* timeout, bool noack) {
        CmdArgs words{"XREADGROUP", "GROUP", group, consumer};
        add_limits(words, count, timeout);
        if (noack) words.append("NOACK");
        return words;
    }
    static void add_limits(CmdArgs& words, long long count, const Milliseconds* timeout) {
        if (count > 0) words.append("COUNT", count);
        if (timeout != nullptr) words.append("BLOCK", timeout->count());
    }
    // First all keys, then all ids.
    template <typename Input>
    [[nodiscard]] static CmdArgs with_streams(CmdArgs words, Input first, Input last) {
        if (first == last) throw Error{words.words().front() + ": no key specified"};
        words.append("STREAMS");
        for (Input at = first; at != last; ++at) words.append(at->first);
        for (Input at = first; at != last; ++at) words.append(at->second);
        return words;
    }
};

}  // namespace runnel::inline v0::compat::sw
