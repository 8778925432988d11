// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/compat/redis_plus_plus/client.hpp>
#include <runnel/compat/redis_plus_plus/options.hpp>
#include <runnel/compat/redis_plus_plus/words.hpp>

#include <initializer_list>

namespace runnel::inline v0::compat::sw {

/// The commands of sets.
template <typename Client>
class SetCommands {
    using Ask = detail::Ask;
    template <typename T>
    using Answer = detail::Answer<Client, T>;

public:
    Answer<long long> sadd(StringView key, StringView member) {
        return Ask::value<long long>(self(), "SADD", key, member);
    }
    template <detail::Iterates Input>
    Answer<long long> sadd(StringView key, Input first, Input last) {
        return Ask::value<long long>(self(), Ask::with_range(first, last, "SADD", key));
    }
    template <typename T>
    Answer<long long> sadd(StringView key, std::initializer_list<T> members) {
        return sadd(key, members.begin(), members.end());
    }
    Answer<long long> srem(StringView key, StringView member) {
        return Ask::value<long long>(self(), "SREM", key, member);
    }
    template <detail::Iterates Input>
    Answer<long long> srem(StringView key, Input first, Input last) {
        return Ask::value<long long>(self(), Ask::with_range(first, last, "SREM", key));
    }
    template <typename T>
    Answer<long long> srem(StringView key, std::initializer_list<T> members) {
        return srem(key, members.begin(), members.end());
    }
    Answer<bool> sismember(StringView key, StringView member) {
        return Ask::value<bool>(self(), "SISMEMBER", key, member);
    }
    Answer<long long> scard(StringView key) { return Ask::value<long long>(self(), "SCARD", key); }
    template <typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<void> smembers(StringView key,
                                                                         Output... output) {
        return Ask::elements(self(), CmdArgs{"SMEMBERS", key}, output...);
    }
    Answer<OptionalString> spop(StringView key) {
        return Ask::value<OptionalString>(self(), "SPOP", key);
    }
    template <typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<void>
    spop(StringView key, long long count, Output... output) {
        return Ask::elements(self(), CmdArgs{"SPOP", key, count}, output...);
    }
    Answer<OptionalString> srandmember(StringView key) {
        return Ask::value<OptionalString>(self(), "SRANDMEMBER", key);
    }
    template <typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<void>
    srandmember(StringView key, long long count, Output... output) {
        return Ask::elements(self(), CmdArgs{"SRANDMEMBER", key, count}, output...);
    }

    /// Returns the cursor to go on with; 0: that was all.
    template <typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<long long>
    sscan(StringView key, long long cursor, StringView pattern, long long count, Output... output) {
        return Ask::scanned(self(), CmdArgs{"SSCAN", key, cursor, "MATCH", pattern, "COUNT", count},
                            output...);
    }
    template <typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<long long>
    sscan(StringView key, long long cursor, StringView pattern, Output... output) {
        return sscan(key, cursor, pattern, Ask::scan_count, output...);
    }
    template <typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<long long>
    sscan(StringView key, long long cursor, long long count, Output... output) {
        return sscan(key, cursor, "*", count, output...);
    }
    template <typename... Output>
    requires detail::FitOutputs<Client, Output...> Answer<long long>
    sscan(StringView key, long long cursor, Output... output) {
        return sscan(key, cursor, "*", Ask::scan_count, output...);
    }

private:
    friend Client;
    friend AllCommands<Client>;

    SetCommands() = default;

    [[nodiscard]] Client& self() noexcept { return static_cast<Client&>(*this); }
};

}  // namespace runnel::inline v0::compat::sw
