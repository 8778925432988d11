// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/compat/redis_plus_plus/client.hpp>
#include <runnel/compat/redis_plus_plus/options.hpp>
#include <runnel/compat/redis_plus_plus/words.hpp>

#include <initializer_list>
#include <string>

namespace runnel::inline v0::compat::sw {

/// The commands of the server, of a connection, of publishing, and WATCH.
template <typename Client>
class ServerCommands {
    using Ask = detail::Ask;
    template <typename T>
    using Answer = detail::Answer<Client, T>;

public:
    /// How many have received it.
    Answer<long long> publish(StringView channel, StringView message) {
        return Ask::value<long long>(self(), "PUBLISH", channel, message);
    }
    Answer<long long> spublish(StringView channel, StringView message) {
        return Ask::value<long long>(self(), "SPUBLISH", channel, message);
    }

    /// Of the redis() of a Transaction: it is then carried out only if the keys stay as they are. A
    /// Redis of a Server has a connection for each call, where a WATCH would mean nothing.
    Answer<void> watch(StringView key) { return Ask::value<void>(self(), "WATCH", key); }
    template <detail::Iterates Input>
    Answer<void> watch(Input first, Input last) {
        return Ask::value<void>(self(), Ask::with_range(first, last, "WATCH"));
    }
    template <typename T>
    Answer<void> watch(std::initializer_list<T> keys) {
        return watch(keys.begin(), keys.end());
    }
    Answer<void> unwatch() { return Ask::value<void>(self(), "UNWATCH"); }

    /// The fake takes any password of the user "default", and refuses one without a user.
    Answer<void> auth(StringView password) { return Ask::value<void>(self(), "AUTH", password); }
    Answer<void> auth(StringView user, StringView password) {
        return Ask::value<void>(self(), "AUTH", user, password);
    }
    Answer<std::string> ping() { return Ask::value<std::string>(self(), "PING"); }
    Answer<std::string> ping(StringView message) {
        return Ask::value<std::string>(self(), "PING", message);
    }
    Answer<std::string> echo(StringView message) {
        return Ask::value<std::string>(self(), "ECHO", message);
    }
    Answer<void> swapdb(long long one, long long other) {
        return Ask::value<void>(self(), "SWAPDB", one, other);
    }
    Answer<long long> dbsize() { return Ask::value<long long>(self(), "DBSIZE"); }
    Answer<void> flushall(bool async = false) {
        return Ask::value<void>(self(), async ? CmdArgs{"FLUSHALL", "ASYNC"} : CmdArgs{"FLUSHALL"});
    }
    Answer<void> flushdb(bool async = false) {
        return Ask::value<void>(self(), async ? CmdArgs{"FLUSHDB", "ASYNC"} : CmdArgs{"FLUSHDB"});
    }
    Answer<std::string> info() { return Ask::value<std::string>(self(), "INFO"); }
    Answer<std::string> info(StringView section) {
        return Ask::value<std::string>(self(), "INFO", section);
    }

private:
    friend Client;
    friend AllCommands<Client>;

    ServerCommands() = default;

    [[nodiscard]] Client& self() noexcept { return static_cast<Client&>(*this); }
};

}  // namespace runnel::inline v0::compat::sw
