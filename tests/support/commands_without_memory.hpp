// SPDX-License-Identifier: MIT
#pragma once

// Commands of the fake of Redis that run out of memory. Belongs into one file of a program, as
// short_memory.hpp does.

#include <runnel/redis/reply.hpp>

#include "support/catch.hpp"
#include "support/short_memory.hpp"

#include <new>
#include <optional>
#include <string>
#include <vector>

namespace runnel::test {

using Command = std::vector<std::string>;

/// For a section of a test case.
inline std::string name_of(const Command& command) {
    std::string name;
    for (const std::string& word : command) name += word + ' ';
    return name;
}

/// Each command, in a new scene each time, either succeeds or throws at one of its requests for
/// memory, and then has changed nothing. A scene has execute(command), and state(), which may
/// change it.
template <typename Scene>
void check_at_every_request(const std::vector<Command>& commands) {
    for (const Command& command : commands) {
        DYNAMIC_SECTION(name_of(command)) {
            const std::string before = Scene{}.state();
            Scene undisturbed;
            const std::optional<redis::Reply> wanted = undisturbed.execute(command);
            const std::string after = undisturbed.state();
            REQUIRE(wanted.has_value());

            at_every_request([&](long granted, Shortage shortage) {
                Scene scene;
                std::optional<redis::Reply> reply;
                try {
                    const MemoryRunsOut memory{granted, shortage};
                    reply = scene.execute(command);
                } catch (const std::bad_alloc&) {
                    CHECK(scene.state() == before);
                    return;
                }
                CHECK(reply == wanted);
                CHECK(scene.state() == after);
            });
        }
    }
}

}  // namespace runnel::test
