// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/compat/redis_plus_plus/client.hpp>
#include <runnel/compat/redis_plus_plus/options.hpp>
#include <runnel/compat/redis_plus_plus/words.hpp>

#include <initializer_list>
#include <utility>

namespace runnel::inline v0::compat::sw {

/// The commands of hashes.
template <typename Client>
class HashCommands {
    using Ask = detail::Ask;
    template <typename T>
    using Answer = detail::Answer<Client, T>;
    using Field = std::pair<StringView, StringView>;

public:
    /// Whether the field is new.
    Answer<bool> hset(StringView key, StringView field, StringView value) {
        return Ask::value<bool>(self(), "HSET", key, field, value);
    }
    Answer<bool> hset(StringView key, const Field& field) {
        return hset(key, field.first, field.second);
    }
    /// Of pairs of a field and a value. How many of the fields are new.
    template <detail::Iterates Input>
    Answer<long long> hset(StringView key, Input first, Input last) {
        return Ask::value<long long>(self(), Ask::with_range(first, last, "HSET", key));
    }
    template <typename T>
    Answer<long long> hset(StringView key, std::initializer_list<T> fields) {
        return hset(key, fields.begin(), fields.end());
    }
    Answer<bool> hsetnx(StringView key, StringView field, StringView value) {
        return Ask::value<bool>(self(), "HSETNX", key, field, value);
    }
    Answer<bool> hsetnx(StringView key, const Field& field) {
        return hsetnx(key, field.first, field.second);
    }
    /// Of pairs of a field and a value.
    template <detail::Iterates Input>
    Answer<void> hmset(StringView key, Input first, Input last) {
        return Ask::value<void>(self(), Ask::with_range(first, last, "HMSET", key));
    }
    template <typename T>
    Answer<void> hmset(StringView key, std::initializer_list<T> fields) {
        return hmset(key, fields.begin(), fields.end());
    }
    Answer<OptionalString> hget(StringView key, StringView field) {
        return Ask::value<OptionalString>(self(), "HGET", key, field);
    }
    /// Puts an OptionalString for each field.
    template <detail::Iterates Input, typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<void>
    hmget(StringView key, Input first, Input last, Output... output) {
        return Ask::elements(self(), Ask::with_range(first, last, "HMGET", key), output...);
    }
    template <typename T, typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<void>
    hmget(StringView key, std::initializer_list<T> fields, Output... output) {
        return hmget(key, fields.begin(), fields.end(), output...);
    }
    /// Puts pairs of a field and a value.
    template <typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<void> hgetall(StringView key,
                                                                        Output... output) {
        return Ask::elements(self(), CmdArgs{"HGETALL", key}, output...);
    }
    template <typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<void> hkeys(StringView key,
                                                                      Output... output) {
        return Ask::elements(self(), CmdArgs{"HKEYS", key}, output...);
    }
    template <typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<void> hvals(StringView key,
                                                                      Output... output) {
        return Ask::elements(self(), CmdArgs{"HVALS", key}, output...);
    }
    Answer<long long> hdel(StringView key, StringView field) {
        return Ask::value<long long>(self(), "HDEL", key, field);
    }
    template <detail::Iterates Input>
    Answer<long long> hdel(StringView key, Input first, Input last) {
        return Ask::value<long long>(self(), Ask::with_range(first, last, "HDEL", key));
    }
    template <typename T>
    Answer<long long> hdel(StringView key, std::initializer_list<T> fields) {
        return hdel(key, fields.begin(), fields.end());
    }
    Answer<bool> hexists(StringView key, StringView field) {
        return Ask::value<bool>(self(), "HEXISTS", key, field);
    }
    Answer<long long> hlen(StringView key) { return Ask::value<long long>(self(), "HLEN", key); }
    Answer<long long> hstrlen(StringView key, StringView field) {
        return Ask::value<long long>(self(), "HSTRLEN", key, field);
    }
    Answer<long long> hincrby(StringView key, StringView field, long long increment) {
        return Ask::value<long long>(self(), "HINCRBY", key, field, increment);
    }
    Answer<double> hincrbyfloat(StringView key, StringView field, double increment) {
        return Ask::value<double>(self(), "HINCRBYFLOAT", key, field, increment);
    }

    /// Puts pairs of a field and a value. Returns the cursor to go on with; 0: that was all.
    template <typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<long long>
    hscan(StringView key, long long cursor, StringView pattern, long long count, Output... output) {
        return Ask::scanned(self(), CmdArgs{"HSCAN", key, cursor, "MATCH", pattern, "COUNT", count},
                            output...);
    }
    template <typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<long long>
    hscan(StringView key, long long cursor, StringView pattern, Output... output) {
        return hscan(key, cursor, pattern, Ask::scan_count, output...);
    }
    template <typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<long long>
    hscan(StringView key, long long cursor, long long count, Output... output) {
        return hscan(key, cursor, "*", count, output...);
    }
    template <typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<long long>
    hscan(StringView key, long long cursor, Output... output) {
        return hscan(key, cursor, "*", Ask::scan_count, output...);
    }

private:
    friend Client;
    friend AllCommands<Client>;

    HashCommands() = default;

    [[nodiscard]] Client& self() noexcept { return static_cast<Client&>(*this); }
};

}  // namespace runnel::inline v0::compat::sw
