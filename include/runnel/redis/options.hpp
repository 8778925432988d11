// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/abstract_clock.hpp>
#include <runnel/redis/profile.hpp>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>

namespace runnel::inline v0::redis {

/// How much a session that subscribes may have waiting for it. Redis:
/// `client-output-buffer-limit pubsub`.
struct OutputLimit {
    /// The session is closed as soon as so many bytes wait; 0: never.
    std::size_t hard = std::size_t{32} * 1024 * 1024;
    /// It is closed when so many bytes have waited for longer than `soft_time`; 0: never.
    std::size_t soft = std::size_t{8} * 1024 * 1024;
    std::chrono::seconds soft_time{60};
};

/// How a Server begins. `redis::Server{}` is what a test needs.
struct ServerOptions {
    /// The time of the server. It must outlive the server, its sessions and their results. Null:
    /// the server has a ManualClock of its own, which stands still until Server::advance() moves
    /// it.
    Clock* clock = nullptr;
    /// Whose commands, options and fields of replies it has.
    Version version = Version::redis_8_10;
    /// Decides what RANDOMKEY, SPOP, SRANDMEMBER and HRANDFIELD return. The same commands after the
    /// same seed give the same replies.
    std::uint64_t seed = 1;
    /// With what a client has to authenticate, by AUTH or HELLO; empty: it need not. Redis:
    /// `requirepass`.
    std::string password{};
    /// How many databases SELECT can choose from.
    std::size_t databases = 16;
    /// The nodes that trimming with `~` works on: at most so many entries, and bytes; 0: no limit.
    /// Redis: `stream-node-max-entries`, `stream-node-max-bytes`.
    std::size_t stream_node_max_entries = 100;
    std::size_t stream_node_max_bytes = 4096;
    /// What XADD IDMP remembers, for how long and how much for each producer. Redis:
    /// `stream-idmp-duration`, `stream-idmp-maxsize`.
    std::chrono::seconds stream_idmp_duration{100};
    std::size_t stream_idmp_maxsize = 100;
    OutputLimit pubsub_limit{};
    /// How many of the latest commands Server::log() shows; 0: no log is kept.
    std::size_t keep_commands = 0;
    /// Whether Server::history() knows what has happened to the entries of streams.
    bool keep_history = false;
    /// Whether a command that the fake does not have throws Error{unsupported} where it is sent,
    /// instead of being answered with the error of Redis for an unknown command.
    bool strict = false;
};

/// How a Session begins.
struct SessionOptions {
    /// If it is the server's, the session is authenticated from the start. Otherwise it is not,
    /// which is no error.
    std::string password{};
    /// How many of the latest replies and pushes Session::outputs() shows.
    std::size_t keep_outputs = 1000;
};

}  // namespace runnel::inline v0::redis
