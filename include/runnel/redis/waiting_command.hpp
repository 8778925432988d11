// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace runnel::inline v0::redis {

/// A command that waits in a server: see Server::waiting().
struct WaitingCommand {
    std::int64_t session = 0;  ///< Session::id()
    std::string name{};        ///< of the session, by CLIENT SETNAME
    std::vector<std::string> words{};
    std::vector<std::string> keys{};  ///< at which it waits; none: a fault delays it
    /// When the server looks at it again if nothing else happens, by its clock: when its time is
    /// over, or an entry may be claimed. Nothing: never.
    std::optional<std::chrono::nanoseconds> due_in{};
};

}  // namespace runnel::inline v0::redis
