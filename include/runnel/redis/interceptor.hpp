// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/redis/reply.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace runnel::inline v0::redis {

/// A command that a session has sent.
struct SentCommand {
    std::int64_t session = 0;  ///< Session::id()
    std::vector<std::string> words{};
};

/// Sees each command of a Server, or answers it: see Server::intercept().
///
/// Both are called without a lock and may use any session; the commands that they send are seen,
/// too. Threads that use the server call them at the same time. A command with a word that is too
/// long for Redis is not seen.
struct Interceptor {
    /// When a command is sent, by the thread that sends it. What it returns is the reply, and the
    /// command is not carried out. What it throws comes out of Session::submit() or execute(), and
    /// the command was not sent.
    std::function<std::optional<Reply>(const SentCommand&)> before{};
    /// When the command has ended: its reply; nothing if it has none, because the session was
    /// closed first, the answers are pushes, or memory ran out. By the thread that has ended it. It
    /// must not throw. Not called if submit() or execute() throws.
    std::function<void(const SentCommand&, const std::optional<Reply>&)> after{};
};

namespace detail {

// A command that an interceptor sees.
struct SeenCommand {
    std::shared_ptr<const Interceptor> by;
    SentCommand sent;
};

}  // namespace detail

}  // namespace runnel::inline v0::redis
