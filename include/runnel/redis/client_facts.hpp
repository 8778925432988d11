// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/redis/command.hpp>
#include <runnel/redis/value.hpp>

#include <cstdint>
#include <string>

namespace runnel::inline v0::redis::detail {

// What CLIENT tells of a session, and nothing else of the server needs. Guarded by its lock.
struct ClientFacts {
    Milliseconds opened = 0;  // wall time
    Milliseconds active = 0;  // the same: when it last sent a command, or was sent something
    const CommandInfo* last_command = nullptr;  // null: there was none, or it was unknown
    std::uint64_t commands = 0;                 // that it has sent
    std::string library_name{};
    std::string library_version{};
    bool no_evict = false;
    bool no_touch = false;  // its commands do not count as a use of keys
};

}  // namespace runnel::inline v0::redis::detail
