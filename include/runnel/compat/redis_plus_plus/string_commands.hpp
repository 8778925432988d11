// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/compat/redis_plus_plus/client.hpp>
#include <runnel/compat/redis_plus_plus/options.hpp>
#include <runnel/compat/redis_plus_plus/words.hpp>

#include <chrono>
#include <initializer_list>
#include <string>
#include <utility>

namespace runnel::inline v0::compat::sw {

/// The commands of strings.
template <typename Client>
class StringCommands {
    using Ask = detail::Ask;
    template <typename T>
    using Answer = detail::Answer<Client, T>;
    using Seconds = std::chrono::seconds;
    using Milliseconds = std::chrono::milliseconds;

public:
    Answer<OptionalString> get(StringView key) {
        return Ask::value<OptionalString>(self(), "GET", key);
    }
    /// Whether the key was set. A `ttl` of 0: it does not expire.
    Answer<bool> set(StringView key, StringView value, const Milliseconds& ttl = Milliseconds{0},
                     UpdateType type = UpdateType::ALWAYS) {
        CmdArgs words{"SET", key, value};
        if (ttl > Milliseconds{0}) words.append("PX", count_of(ttl));
        add_condition(words, type);
        return Ask::has_set(self(), std::move(words));
    }
    Answer<bool> set(StringView key, StringView value, bool keepttl,
                     UpdateType type = UpdateType::ALWAYS) {
        CmdArgs words{"SET", key, value};
        if (keepttl) words.append("KEEPTTL");
        add_condition(words, type);
        return Ask::has_set(self(), std::move(words));
    }
    /// Returns what the key was.
    Answer<OptionalString> getset(StringView key, StringView value) {
        return Ask::value<OptionalString>(self(), "GETSET", key, value);
    }
    Answer<bool> setnx(StringView key, StringView value) {
        return Ask::value<bool>(self(), "SETNX", key, value);
    }
    Answer<void> setex(StringView key, long long ttl, StringView value) {
        return Ask::value<void>(self(), "SETEX", key, ttl, value);
    }
    Answer<void> setex(StringView key, const Seconds& ttl, StringView value) {
        return setex(key, count_of(ttl), value);
    }
    Answer<void> psetex(StringView key, long long ttl, StringView value) {
        return Ask::value<void>(self(), "PSETEX", key, ttl, value);
    }
    Answer<void> psetex(StringView key, const Milliseconds& ttl, StringView value) {
        return psetex(key, count_of(ttl), value);
    }

    /// Puts an OptionalString for each key.
    template <detail::Iterates Input, typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<void> mget(Input first, Input last,
                                                                     Output... output) {
        return Ask::elements(self(), Ask::with_range(first, last, "MGET"), output...);
    }
    template <typename T, typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<void> mget(std::initializer_list<T> keys,
                                                                     Output... output) {
        return mget(keys.begin(), keys.end(), output...);
    }
    /// Of pairs of a key and a value.
    template <detail::Iterates Input>
    Answer<void> mset(Input first, Input last) {
        return Ask::value<void>(self(), Ask::with_range(first, last, "MSET"));
    }
    template <typename T>
    Answer<void> mset(std::initializer_list<T> pairs) {
        return mset(pairs.begin(), pairs.end());
    }
    template <detail::Iterates Input>
    Answer<bool> msetnx(Input first, Input last) {
        return Ask::value<bool>(self(), Ask::with_range(first, last, "MSETNX"));
    }
    template <typename T>
    Answer<bool> msetnx(std::initializer_list<T> pairs) {
        return msetnx(pairs.begin(), pairs.end());
    }

    Answer<long long> append(StringView key, StringView text) {
        return Ask::value<long long>(self(), "APPEND", key, text);
    }
    Answer<long long> strlen(StringView key) {
        return Ask::value<long long>(self(), "STRLEN", key);
    }
    Answer<std::string> getrange(StringView key, long long start, long long end) {
        return Ask::value<std::string>(self(), "GETRANGE", key, start, end);
    }
    Answer<long long> setrange(StringView key, long long offset, StringView value) {
        return Ask::value<long long>(self(), "SETRANGE", key, offset, value);
    }
    Answer<long long> incr(StringView key) { return Ask::value<long long>(self(), "INCR", key); }
    Answer<long long> incrby(StringView key, long long increment) {
        return Ask::value<long long>(self(), "INCRBY", key, increment);
    }
    Answer<double> incrbyfloat(StringView key, double increment) {
        return Ask::value<double>(self(), "INCRBYFLOAT", key, increment);
    }
    Answer<long long> decr(StringView key) { return Ask::value<long long>(self(), "DECR", key); }
    Answer<long long> decrby(StringView key, long long decrement) {
        return Ask::value<long long>(self(), "DECRBY", key, decrement);
    }

private:
    friend Client;
    friend AllCommands<Client>;

    StringCommands() = default;

    [[nodiscard]] Client& self() noexcept { return static_cast<Client&>(*this); }
    template <typename Duration>
    [[nodiscard]] static long long count_of(const Duration& duration) noexcept {
        return duration.count();
    }
    static void add_condition(CmdArgs& words, UpdateType type) {
        if (type != UpdateType::ALWAYS) words.append(type == UpdateType::EXIST ? "XX" : "NX");
    }
};

}  // namespace runnel::inline v0::compat::sw
