// SPDX-License-Identifier: MIT
// Reads of streams, and commands on groups, that run out of memory: they throw, and have changed
// nothing.

#include <runnel/redis.hpp>

#include "support/catch.hpp"
#include "support/commands_without_memory.hpp"
#include "support/short_memory.hpp"
#include "support/user_clocks.hpp"

#include <chrono>
#include <initializer_list>
#include <new>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

using namespace runnel::test;
using namespace std::chrono_literals;
using runnel::redis::Pending;
using runnel::redis::Reply;

namespace {

// Longer than what a std::string holds without memory of its own.
const std::string other_consumer = "a consumer whose name takes memory";

// Two streams with a group that has read the most of them. In one, an entry is released, and one is
// lost.
class GroupScene {
public:
    GroupScene() {
        for (const char* const key : {"s", "t"}) {
            for (const char* const id : {"1-0", "2-0", "3-0", "4-0", "5-0", "6-0"})
                send({"XADD", key, id, "f", "v"});
            send({"XGROUP", "CREATE", key, "g", "0"});
            send({"XREADGROUP", "GROUP", "g", "ann", "COUNT", "3", "STREAMS", key, ">"});
            server_.advance(10ms);
            send({"XREADGROUP", "GROUP", "g", "bob", "COUNT", "1", "STREAMS", key, ">"});
        }
        send({"XNACK", "s", "g", "FAIL", "IDS", "1", "3-0"});
        send({"XDEL", "s", "2-0"});
        server_.advance(10ms);
    }

    std::optional<Reply> send(std::initializer_list<std::string_view> words) {
        return session_.execute(words);
    }
    std::optional<Reply> execute(const Command& command) { return session_.execute(command); }
    Pending submit_by_other(const Command& command) { return other_.submit(command); }

    // All there is, and then what a claim by time finds.
    std::string state() {
        std::ostringstream text;
        text << server_.blocked_sessions();
        for (const char* const key : {"s", "t", "new"}) {
            text << *send({"XINFO", "STREAM", key, "FULL", "COUNT", "0"});
            text << *send({"XREADGROUP", "GROUP", "g", "z", "CLAIM", "0", "STREAMS", key, ">"});
        }
        return text.str();
    }

private:
    runnel::redis::Server server_;
    runnel::redis::Session session_{server_};
    runnel::redis::Session other_{server_};
};

const std::vector<Command> group_commands_to_run{
    {"XREAD", "STREAMS", "s", "t", "no", "0", "+", "$"},
    {"XREAD", "MAXSIZE", "50", "STREAMS", "s", "t", "0", "0"},
    {"XREADGROUP", "GROUP", "g", "ann", "STREAMS", "s", "t", ">", ">"},
    {"XREADGROUP", "GROUP", "g", other_consumer, "NOACK", "STREAMS", "s", "t", ">", ">"},
    {"XREADGROUP", "GROUP", "g", "ann", "STREAMS", "s", "s", "t", ">", "0", "2"},
    {"XREADGROUP", "GROUP", "g", other_consumer, "CLAIM", "15", "STREAMS", "s", "t", ">", ">"},
    {"XREADGROUP", "GROUP", "g", "bob", "CLAIM", "0", "COUNT", "2", "STREAMS", "s", "s", ">", ">"},
    {"XGROUP", "CREATE", "s", "a group whose name takes memory", "$"},
    {"XGROUP", "CREATE", "new", "g", "$", "MKSTREAM"},
    {"XGROUP", "SETID", "s", "g", "2-0", "ENTRIESREAD", "2"},
    {"XGROUP", "DESTROY", "s", "g"},
    {"XGROUP", "CREATECONSUMER", "s", "g", other_consumer},
    {"XGROUP", "DELCONSUMER", "s", "g", "ann"},
    {"XGROUP", "HELP"},
    {"XACK", "s", "g", "1-0", "3-0", "4-0"},
    {"XPENDING", "s", "g"},
    {"XPENDING", "s", "g", "IDLE", "5", "-", "+", "10", "ann"},
    {"XCLAIM", "s", "g", other_consumer, "0", "1-0", "2-0", "4-0", "5-0", "1-0", "FORCE"},
    {"XCLAIM", "s", "g", "bob", "0", "3-0", "6-0", "IDLE", "9", "FORCE", "JUSTID", "LASTID", "6-0"},
    {"XAUTOCLAIM", "s", "g", other_consumer, "15", "0"},
    {"XAUTOCLAIM", "s", "g", "bob", "0", "2", "COUNT", "2", "JUSTID"},
    {"XNACK", "s", "g", "FATAL", "IDS", "4", "1-0", "5-0", "2-0", "6-0", "FORCE"},
    // Refused.
    {"XREADGROUP", "GROUP", "g", "ann", "STREAMS", "s", "no", ">", ">"},
    {"XGROUP", "CREATE", "s", "g", "0"},
    {"XCLAIM", "s", "g", "bob", "0", "1-0", "FORCE", "what is no option of a claim"},
};

const std::vector<Command> reads_that_wait{
    {"XREAD", "BLOCK", "0", "STREAMS", "s", "no", "$", "$"},
    {"XREADGROUP", "GROUP", "g", "ann", "COUNT", "1", "BLOCK", "1000", "CLAIM", "1000000",
     "STREAMS", "t", "s", ">", ">"},
};

}  // namespace

TEST_CASE("a command on groups that runs out of memory throws and changes nothing",
          "[redis][groups][allocation]") {
    check_at_every_request<GroupScene>(group_commands_to_run);
}

namespace {

// A scene in which the group has read all, and nothing is released.
struct ReadScene : GroupScene {
    ReadScene() {
        send({"XREADGROUP", "GROUP", "g", "bob", "STREAMS", "s", "t", ">", ">"});
        send({"XACK", "s", "g", "3-0"});
    }
};

// Nothing: memory ran out when it was carried out again.
std::optional<Reply> reply_unless_it_failed(const Pending& pending) {
    try {
        return pending.try_get();
    } catch (const std::bad_alloc&) {
        return std::nullopt;
    }
}

}  // namespace

TEST_CASE("a read that is to wait and has no memory for that throws and changes nothing",
          "[redis][groups][allocation]") {
    for (const Command& command : reads_that_wait) {
        DYNAMIC_SECTION(name_of(command)) {
            const std::string before = ReadScene{}.state();
            at_every_request([&](long granted, Shortage shortage) {
                ReadScene scene;
                try {
                    const MemoryRunsOut memory{granted, shortage};
                    (void)scene.submit_by_other(command);
                } catch (const std::bad_alloc&) {
                    CHECK(scene.state() == before);
                    return;
                }
                CHECK(scene.state() != before);
            });
        }
    }
}

TEST_CASE("a read that waits and has no memory for what has come fails, and has read nothing",
          "[redis][groups][allocation]") {
    for (const Command& command : reads_that_wait) {
        DYNAMIC_SECTION(name_of(command)) {
            const Command adds{"XADD", "s", "9-0", "f", "v"};
            ReadScene undisturbed;
            const Pending wanted = undisturbed.submit_by_other(command);
            undisturbed.execute(adds);
            const std::string after = undisturbed.state();
            REQUIRE(wanted.ready());

            at_every_request([&](long granted, Shortage shortage) {
                ReadScene scene;
                const Pending read = scene.submit_by_other(command);
                bool is_added = true;
                try {
                    const MemoryRunsOut memory{granted, shortage};
                    scene.execute(adds);
                } catch (const std::bad_alloc&) {
                    is_added = false;
                }
                CHECK(read.ready() == is_added);
                if (!is_added) return;
                if (const auto reply = reply_unless_it_failed(read)) {
                    CHECK(reply == wanted.try_get());
                    CHECK(scene.state() == after);
                } else {
                    const auto pending = scene.send({"XPENDING", "s", "g", "9-0", "+", "1"});
                    CHECK(pending->elements().empty());
                }
            });
        }
    }
}

namespace {

// How many allocations are left that `use` has made; the second time, so that what is made only
// once does not count.
template <typename Use>
long left_by(const Use& use) {
    use();
    const long before = Memory::live;
    use();
    return Memory::live - before;
}

}  // namespace

TEST_CASE("nothing is left of a server whose readers wait when it goes") {
    const auto use_group = [](bool expires) {
        runnel::redis::Server server;
        runnel::redis::Session session{server};
        runnel::redis::Session reading{server};
        session.execute({"XGROUP", "CREATE", "s", "g", "$", "MKSTREAM"});
        if (expires) session.execute({"EXPIRE", "s", "60"});
        (void)reading.submit(
            {"XREADGROUP", "GROUP", "g", "a", "BLOCK", "1000", "CLAIM", "10", "STREAMS", "s", ">"});
    };
    CHECK(left_by([&] { use_group(false); }) == 0);
    CHECK(left_by([&] { use_group(true); }) == 0);
}

TEST_CASE("a command that finds no memory has ended the waits before it nevertheless") {
    at_every_request([](long granted, Shortage shortage) {
        const long left = left_by([&] {
            HandClock clock;
            runnel::redis::Server server{{.clock = &clock}};
            runnel::redis::Session session{server};
            (void)session.submit({"BLPOP", "k", "1"});
            (void)session.submit({"BLPOP", "k", "5"});
            clock.move(1s);
            const MemoryRunsOut limit{granted, shortage};
            try {
                (void)session.submit({"PING", other_consumer});
            } catch (const std::bad_alloc&) {
            }
        });
        CHECK(left == 0);
    });
}
