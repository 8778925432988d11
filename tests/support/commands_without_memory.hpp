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

/// A command that waits, and finds no memory for that, throws and does not wait. A scene also has
/// submit(command), which returns a redis::Pending.
template <typename Scene>
void check_wait_at_every_request(const Command& command) {
    Scene undisturbed;
    const std::string before = undisturbed.state();
    REQUIRE_FALSE(undisturbed.submit(command).ready());
    const std::string after = undisturbed.state();

    at_every_request([&](long granted, Shortage shortage) {
        Scene scene;
        try {
            const MemoryRunsOut memory{granted, shortage};
            (void)scene.submit(command);
        } catch (const std::bad_alloc&) {
            CHECK(scene.state() == before);
            // It is as if it had never been: the next one may wait.
            (void)scene.submit(command);
        }
        CHECK(scene.state() == after);
    });
}

/// `command` waits until `change`, which another client sends by write(command). If there is no
/// memory for its reply then, it ends, and what it waited for is left to others.
template <typename Scene>
void check_served_at_every_request(const Command& command, const Command& change) {
    Scene undisturbed;
    REQUIRE_FALSE(undisturbed.submit(command).ready());
    const std::string before = undisturbed.state();
    undisturbed.write(change);
    const std::string served = undisturbed.state();
    Scene without_wait;
    without_wait.write(change);
    const std::string left_alone = without_wait.state();

    at_every_request([&](long granted, Shortage shortage) {
        Scene scene;
        const auto wait = scene.submit(command);
        try {
            const MemoryRunsOut memory{granted, shortage};
            scene.write(change);
        } catch (const std::bad_alloc&) {
            CHECK_FALSE(wait.ready());
            CHECK(scene.state() == before);
            return;
        }
        std::optional<redis::Reply> reply;
        bool has_failed = false;
        try {
            reply = wait.try_get();
        } catch (const std::bad_alloc&) {
            has_failed = true;
        }
        CHECK(reply.has_value() != has_failed);
        CHECK(scene.state() == (has_failed ? left_alone : served));
    });
}

}  // namespace runnel::test
