// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/compat/redis_plus_plus/client.hpp>
#include <runnel/compat/redis_plus_plus/options.hpp>
#include <runnel/compat/redis_plus_plus/words.hpp>

#include <chrono>
#include <initializer_list>
#include <string>

namespace runnel::inline v0::compat::sw {

/// The commands of keys. Those with numbers take seconds, and milliseconds if their names begin
/// with p.
template <typename Client>
class KeyCommands {
    using Ask = detail::Ask;
    template <typename T>
    using Answer = detail::Answer<Client, T>;
    template <typename Unit>
    using Time = std::chrono::time_point<std::chrono::system_clock, Unit>;
    using Seconds = std::chrono::seconds;
    using Milliseconds = std::chrono::milliseconds;

public:
    Answer<long long> del(StringView key) { return Ask::value<long long>(self(), "DEL", key); }
    template <detail::Iterates Input>
    Answer<long long> del(Input first, Input last) {
        return Ask::value<long long>(self(), Ask::with_range(first, last, "DEL"));
    }
    template <typename T>
    Answer<long long> del(std::initializer_list<T> keys) {
        return del(keys.begin(), keys.end());
    }
    Answer<long long> unlink(StringView key) {
        return Ask::value<long long>(self(), "UNLINK", key);
    }
    template <detail::Iterates Input>
    Answer<long long> unlink(Input first, Input last) {
        return Ask::value<long long>(self(), Ask::with_range(first, last, "UNLINK"));
    }
    template <typename T>
    Answer<long long> unlink(std::initializer_list<T> keys) {
        return unlink(keys.begin(), keys.end());
    }
    Answer<long long> exists(StringView key) {
        return Ask::value<long long>(self(), "EXISTS", key);
    }
    template <detail::Iterates Input>
    Answer<long long> exists(Input first, Input last) {
        return Ask::value<long long>(self(), Ask::with_range(first, last, "EXISTS"));
    }
    template <typename T>
    Answer<long long> exists(std::initializer_list<T> keys) {
        return exists(keys.begin(), keys.end());
    }
    Answer<long long> touch(StringView key) { return Ask::value<long long>(self(), "TOUCH", key); }
    template <detail::Iterates Input>
    Answer<long long> touch(Input first, Input last) {
        return Ask::value<long long>(self(), Ask::with_range(first, last, "TOUCH"));
    }
    template <typename T>
    Answer<long long> touch(std::initializer_list<T> keys) {
        return touch(keys.begin(), keys.end());
    }

    Answer<bool> expire(StringView key, long long timeout) {
        return Ask::value<bool>(self(), "EXPIRE", key, timeout);
    }
    Answer<bool> expire(StringView key, const Seconds& timeout) {
        return expire(key, count_of(timeout));
    }
    Answer<bool> pexpire(StringView key, long long timeout) {
        return Ask::value<bool>(self(), "PEXPIRE", key, timeout);
    }
    Answer<bool> pexpire(StringView key, const Milliseconds& timeout) {
        return pexpire(key, count_of(timeout));
    }
    Answer<bool> expireat(StringView key, long long timestamp) {
        return Ask::value<bool>(self(), "EXPIREAT", key, timestamp);
    }
    Answer<bool> expireat(StringView key, const Time<Seconds>& time) {
        return expireat(key, count_of(time.time_since_epoch()));
    }
    Answer<bool> pexpireat(StringView key, long long timestamp) {
        return Ask::value<bool>(self(), "PEXPIREAT", key, timestamp);
    }
    Answer<bool> pexpireat(StringView key, const Time<Milliseconds>& time) {
        return pexpireat(key, count_of(time.time_since_epoch()));
    }
    Answer<long long> ttl(StringView key) { return Ask::value<long long>(self(), "TTL", key); }
    Answer<long long> pttl(StringView key) { return Ask::value<long long>(self(), "PTTL", key); }
    Answer<bool> persist(StringView key) { return Ask::value<bool>(self(), "PERSIST", key); }

    Answer<std::string> type(StringView key) {
        return Ask::value<std::string>(self(), "TYPE", key);
    }
    Answer<void> rename(StringView key, StringView new_key) {
        return Ask::value<void>(self(), "RENAME", key, new_key);
    }
    Answer<bool> renamenx(StringView key, StringView new_key) {
        return Ask::value<bool>(self(), "RENAMENX", key, new_key);
    }
    Answer<bool> move(StringView key, long long database) {
        return Ask::value<bool>(self(), "MOVE", key, database);
    }
    Answer<OptionalString> randomkey() { return Ask::value<OptionalString>(self(), "RANDOMKEY"); }
    template <typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<void> keys(StringView pattern,
                                                                     Output... output) {
        return Ask::elements(self(), CmdArgs{"KEYS", pattern}, output...);
    }

    /// Returns the cursor to go on with; 0: that was all.
    template <typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<long long>
    scan(long long cursor, StringView pattern, long long count, Output... output) {
        return Ask::scanned(self(), CmdArgs{"SCAN", cursor, "MATCH", pattern, "COUNT", count},
                            output...);
    }
    template <typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<long long>
    scan(long long cursor, StringView pattern, Output... output) {
        return scan(cursor, pattern, Ask::scan_count, output...);
    }
    template <typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<long long>
    scan(long long cursor, long long count, Output... output) {
        return scan(cursor, "*", count, output...);
    }
    template <typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<long long> scan(long long cursor,
                                                                          Output... output) {
        return scan(cursor, "*", Ask::scan_count, output...);
    }

private:
    friend Client;
    friend AllCommands<Client>;

    KeyCommands() = default;

    [[nodiscard]] Client& self() noexcept { return static_cast<Client&>(*this); }
    template <typename Duration>
    [[nodiscard]] static long long count_of(const Duration& duration) noexcept {
        return duration.count();
    }
};

}  // namespace runnel::inline v0::compat::sw
