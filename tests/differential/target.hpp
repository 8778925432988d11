// SPDX-License-Identifier: MIT
#pragma once

// What is compared: a server and four clients of it.

#include <runnel/redis/reply.hpp>

#include "differential/vocabulary.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace runnel::test::differential {

using redis::Reply;

inline constexpr std::size_t session_count = 4;

/// A command, and the wall time that it is known to have been carried out at, in milliseconds.
struct Request {
    Words words;
    std::optional<std::int64_t> at{};
};

class Target {
public:
    Target() = default;
    Target(const Target&) = delete;
    Target& operator=(const Target&) = delete;
    virtual ~Target() = default;

    /// Removes all data, and replaces all sessions by new ones.
    virtual void begin() = 0;

    /// Ends a session, whatever it does, and begins a new one in its place.
    virtual void reopen(std::size_t session) = 0;

    /// Carries out all of it, as far as the session does not wait.
    virtual void send(std::size_t session, const std::vector<Request>& requests) = 0;

    /// Lets a few milliseconds pass; a server whose time is ours, until then.
    virtual void pause(std::int64_t until) = 0;

    /// What the session was sent since the last call, in order.
    virtual std::vector<Reply> arrived(std::size_t session) = 0;

    /// Its CLIENT ID.
    virtual std::string client_id(std::size_t session) = 0;
};

}  // namespace runnel::test::differential
