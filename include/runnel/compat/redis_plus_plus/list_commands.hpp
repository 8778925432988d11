// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/compat/redis_plus_plus/client.hpp>
#include <runnel/compat/redis_plus_plus/options.hpp>
#include <runnel/compat/redis_plus_plus/words.hpp>

#include <chrono>
#include <concepts>
#include <initializer_list>
#include <iterator>
#include <string>
#include <utility>

namespace runnel::inline v0::compat::sw {

namespace detail {

[[nodiscard]] constexpr const char* text_of(ListWhence whence) noexcept {
    return whence == ListWhence::LEFT ? "LEFT" : "RIGHT";
}

}  // namespace detail

/// The commands of lists. A time-out is in seconds, and 0 means for ever.
template <typename Client>
class ListCommands {
    using Ask = detail::Ask;
    template <typename T>
    using Answer = detail::Answer<Client, T>;
    using Seconds = std::chrono::seconds;

public:
    Answer<long long> lpush(StringView key, StringView value) {
        return Ask::value<long long>(self(), "LPUSH", key, value);
    }
    template <detail::Iterates Input>
    Answer<long long> lpush(StringView key, Input first, Input last) {
        return Ask::value<long long>(self(), Ask::with_range(first, last, "LPUSH", key));
    }
    template <typename T>
    Answer<long long> lpush(StringView key, std::initializer_list<T> values) {
        return lpush(key, values.begin(), values.end());
    }
    Answer<long long> rpush(StringView key, StringView value) {
        return Ask::value<long long>(self(), "RPUSH", key, value);
    }
    template <detail::Iterates Input>
    Answer<long long> rpush(StringView key, Input first, Input last) {
        return Ask::value<long long>(self(), Ask::with_range(first, last, "RPUSH", key));
    }
    template <typename T>
    Answer<long long> rpush(StringView key, std::initializer_list<T> values) {
        return rpush(key, values.begin(), values.end());
    }
    Answer<long long> lpushx(StringView key, StringView value) {
        return Ask::value<long long>(self(), "LPUSHX", key, value);
    }
    Answer<long long> rpushx(StringView key, StringView value) {
        return Ask::value<long long>(self(), "RPUSHX", key, value);
    }

    Answer<OptionalString> lpop(StringView key) {
        return Ask::value<OptionalString>(self(), "LPOP", key);
    }
    Answer<OptionalString> rpop(StringView key) {
        return Ask::value<OptionalString>(self(), "RPOP", key);
    }

    /// The key, and the element; nothing: the time is over.
    ///
    /// Blocks: on the server's clock, as do all with a time-out.
    Answer<OptionalStringPair> blpop(StringView key, long long timeout) {
        return Ask::value<OptionalStringPair>(self(), "BLPOP", key, timeout);
    }
    Answer<OptionalStringPair> blpop(StringView key, const Seconds& timeout = Seconds{0}) {
        return blpop(key, count_of(timeout));
    }
    template <detail::Iterates Input>
    Answer<OptionalStringPair> blpop(Input first, Input last, long long timeout) {
        return Ask::value<OptionalStringPair>(self(), Ask::with_range(first, last, "BLPOP")
                                                          << timeout);
    }
    template <detail::Iterates Input>
    Answer<OptionalStringPair> blpop(Input first, Input last, const Seconds& timeout = Seconds{0}) {
        return blpop(first, last, count_of(timeout));
    }
    template <typename T>
    Answer<OptionalStringPair> blpop(std::initializer_list<T> keys, long long timeout) {
        return blpop(keys.begin(), keys.end(), timeout);
    }
    template <typename T>
    Answer<OptionalStringPair> blpop(std::initializer_list<T> keys,
                                     const Seconds& timeout = Seconds{0}) {
        return blpop(keys.begin(), keys.end(), count_of(timeout));
    }
    Answer<OptionalStringPair> brpop(StringView key, long long timeout) {
        return Ask::value<OptionalStringPair>(self(), "BRPOP", key, timeout);
    }
    Answer<OptionalStringPair> brpop(StringView key, const Seconds& timeout = Seconds{0}) {
        return brpop(key, count_of(timeout));
    }
    template <detail::Iterates Input>
    Answer<OptionalStringPair> brpop(Input first, Input last, long long timeout) {
        return Ask::value<OptionalStringPair>(self(), Ask::with_range(first, last, "BRPOP")
                                                          << timeout);
    }
    template <detail::Iterates Input>
    Answer<OptionalStringPair> brpop(Input first, Input last, const Seconds& timeout = Seconds{0}) {
        return brpop(first, last, count_of(timeout));
    }
    template <typename T>
    Answer<OptionalStringPair> brpop(std::initializer_list<T> keys, long long timeout) {
        return brpop(keys.begin(), keys.end(), timeout);
    }
    template <typename T>
    Answer<OptionalStringPair> brpop(std::initializer_list<T> keys,
                                     const Seconds& timeout = Seconds{0}) {
        return brpop(keys.begin(), keys.end(), count_of(timeout));
    }

    /// The first of the keys that has elements, and up to `count` of them in a container of the
    /// type that is given. Nothing: none has.
    template <typename Output, detail::Iterates Input>
    requires(!detail::is_queued<Client>) Optional<std::pair<std::string, Output>> lmpop(
        Input first, Input last, ListWhence whence, long long count = 1) {
        return Ask::value<Optional<std::pair<std::string, Output>>>(
            self(), lmpop_words(first, last, whence, count));
    }
    template <typename Output, typename T>
    requires(!detail::is_queued<Client>) Optional<std::pair<std::string, Output>> lmpop(
        std::initializer_list<T> keys, ListWhence whence, long long count = 1) {
        return lmpop<Output>(keys.begin(), keys.end(), whence, count);
    }
    template <detail::Iterates Input>
    requires detail::is_queued<Client> Client& lmpop(Input first, Input last, ListWhence whence,
                                                     long long count = 1) {
        return Ask::value<void>(self(), lmpop_words(first, last, whence, count));
    }
    template <typename T>
    requires detail::is_queued<Client> Client& lmpop(std::initializer_list<T> keys,
                                                     ListWhence whence, long long count = 1) {
        return lmpop(keys.begin(), keys.end(), whence, count);
    }

    Answer<OptionalString> lmove(StringView source, StringView destination, ListWhence from,
                                 ListWhence to) {
        return Ask::value<OptionalString>(self(), "LMOVE", source, destination,
                                          detail::text_of(from), detail::text_of(to));
    }
    Answer<OptionalString> blmove(StringView source, StringView destination, ListWhence from,
                                  ListWhence to, const Seconds& timeout = Seconds{0}) {
        return Ask::value<OptionalString>(self(), "BLMOVE", source, destination,
                                          detail::text_of(from), detail::text_of(to),
                                          count_of(timeout));
    }
    Answer<OptionalString> rpoplpush(StringView source, StringView destination) {
        return Ask::value<OptionalString>(self(), "RPOPLPUSH", source, destination);
    }
    Answer<OptionalString> brpoplpush(StringView source, StringView destination,
                                      long long timeout) {
        return Ask::value<OptionalString>(self(), "BRPOPLPUSH", source, destination, timeout);
    }
    Answer<OptionalString> brpoplpush(StringView source, StringView destination,
                                      const Seconds& timeout = Seconds{0}) {
        return brpoplpush(source, destination, count_of(timeout));
    }

    Answer<long long> llen(StringView key) { return Ask::value<long long>(self(), "LLEN", key); }
    Answer<OptionalString> lindex(StringView key, long long index) {
        return Ask::value<OptionalString>(self(), "LINDEX", key, index);
    }
    Answer<void> lset(StringView key, long long index, StringView value) {
        return Ask::value<void>(self(), "LSET", key, index, value);
    }
    Answer<void> ltrim(StringView key, long long start, long long stop) {
        return Ask::value<void>(self(), "LTRIM", key, start, stop);
    }
    /// The new length; -1: `pivot` is not in the list.
    Answer<long long> linsert(StringView key, InsertPosition position, StringView pivot,
                              StringView value) {
        return Ask::value<long long>(self(), "LINSERT", key,
                                     position == InsertPosition::BEFORE ? "BEFORE" : "AFTER", pivot,
                                     value);
    }
    Answer<long long> lrem(StringView key, long long count, StringView value) {
        return Ask::value<long long>(self(), "LREM", key, count, value);
    }
    template <typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<void>
    lrange(StringView key, long long start, long long stop, Output... output) {
        return Ask::elements(self(), CmdArgs{"LRANGE", key, start, stop}, output...);
    }

private:
    friend Client;
    friend AllCommands<Client>;

    ListCommands() = default;

    [[nodiscard]] Client& self() noexcept { return static_cast<Client&>(*this); }
    [[nodiscard]] static long long count_of(const Seconds& timeout) noexcept {
        return timeout.count();
    }
    template <typename Input>
    [[nodiscard]] static CmdArgs lmpop_words(Input first, Input last, ListWhence whence,
                                             long long count) {
        CmdArgs words{"LMPOP", std::distance(first, last)};
        words.append_range(first, last);
        words.append(detail::text_of(whence), "COUNT", count);
        return words;
    }
};

}  // namespace runnel::inline v0::compat::sw
