// SPDX-License-Identifier: MIT
// Commands of connections and of Pub/Sub when memory runs out.

#include <runnel/redis.hpp>

#include "support/catch.hpp"
#include "support/short_memory.hpp"

#include <cstdint>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

using runnel::redis::Reply;
using runnel::redis::Server;
using runnel::redis::Session;
using runnel::test::at_every_request;
using runnel::test::MemoryRunsOut;
using runnel::test::Shortage;

namespace {

using Words = std::vector<std::string>;

const std::string long_argument(100, 'x');

// A server with a session that commands are sent by, one that listens, and one that is blocked.
struct ClientScene {
    Server server;
    Session sender{server};
    Session listener{server};
    Session waiter{server};

    ClientScene() {
        sender.execute({"CLIENT", "SETNAME", "the-name-of-the-sender"});
        listener.execute({"HELLO", "3"});
        (void)waiter.submit({"BLPOP", "jobs", "0"});
        for (const Words& words : {Words{"SUBSCRIBE", "news", long_argument},
                                   Words{"PSUBSCRIBE", "n*"}, Words{"SSUBSCRIBE", "news"}})
            listener.execute(words);
        while (listener.next_push()) {
        }
    }

    // All that a command could change.
    [[nodiscard]] std::vector<Reply> state() {
        std::vector<Reply> all;
        for (const Words& words :
             {Words{"PUBSUB", "CHANNELS"}, Words{"PUBSUB", "SHARDCHANNELS"},
              Words{"PUBSUB", "NUMPAT"}, Words{"PUBSUB", "NUMSUB", "news", "a"},
              Words{"CONFIG", "GET", "stream-*", "client-output-buffer-limit", "requirepass"},
              Words{"PUBLISH", "n", "count"}})
            all.push_back(*observer_.execute(words));
        while (auto push = listener.next_push()) all.push_back(*push);
        while (auto push = sender.next_push()) all.push_back(*push);
        all.push_back(Reply::integer(sender.protocol()));
        all.push_back(Reply::boolean(sender.is_closed()));
        all.push_back(Reply::integer(static_cast<std::int64_t>(server.blocked_sessions())));
        all.push_back(Reply::array(waiter.outputs()));
        return all;
    }

private:
    Session observer_{server};
};

// The command, of which all that it takes is prepared: at each request for memory it throws, and
// then nothing has changed.
void check_at_every_request(const std::vector<Words>& before, const Words& words) {
    CAPTURE(words);
    ClientScene expected;
    for (const Words& one : before) expected.sender.execute(one);
    (void)expected.state();
    const std::optional<Reply> reply = expected.sender.execute(words);
    const std::vector<Reply> changed = expected.state();
    at_every_request([&](long granted, Shortage shortage) {
        ClientScene scene;
        for (const Words& one : before) scene.sender.execute(one);
        (void)scene.state();
        const std::vector<Reply> unchanged = scene.state();
        bool has_failed = false;
        std::optional<Reply> got;
        {
            const MemoryRunsOut limit{granted, shortage};
            try {
                got = scene.sender.execute(words);
            } catch (const std::bad_alloc&) {
                has_failed = true;
            }
        }
        if (has_failed) {
            CHECK(scene.state() == unchanged);
            got = scene.sender.execute(words);
        }
        CHECK(got == reply);
        CHECK(scene.state() == changed);
    });
}

}  // namespace

TEST_CASE("a command of Pub/Sub that runs out of memory changes nothing", "[pubsub]") {
    check_at_every_request({}, {"SUBSCRIBE", "a", "news", "a", long_argument, "b"});
    check_at_every_request({}, {"PSUBSCRIBE", "n*", "*", long_argument});
    check_at_every_request({}, {"SSUBSCRIBE", "news", "a"});
    check_at_every_request({{"SUBSCRIBE", "a", "news", "b"}}, {"UNSUBSCRIBE", "news", "a", "zz"});
    check_at_every_request({{"SUBSCRIBE", "a", "news", "b"}}, {"UNSUBSCRIBE"});
    check_at_every_request({{"PSUBSCRIBE", "n*"}}, {"PUNSUBSCRIBE"});
    check_at_every_request({}, {"SUNSUBSCRIBE"});
    check_at_every_request({}, {"PUBLISH", "news", long_argument});
    check_at_every_request({}, {"SPUBLISH", "news", long_argument});
    check_at_every_request({}, {"PUBSUB", "CHANNELS"});
    check_at_every_request({}, {"PUBSUB", "CHANNELS", "a", "b"});
    check_at_every_request({}, {"PUBSUB", "NUMSUB", "news", long_argument});
    check_at_every_request({}, {"PUBSUB", "NUMPAT"});
}

TEST_CASE("a command of a connection that runs out of memory changes nothing", "[connection]") {
    check_at_every_request({}, {"PING"});
    check_at_every_request({}, {"PING", long_argument});
    check_at_every_request({}, {"ECHO", long_argument});
    check_at_every_request({}, {"TIME"});
    check_at_every_request({}, {"SELECT", "3"});
    check_at_every_request({}, {"SELECT", "99"});
    check_at_every_request({}, {"HELLO", "3", "SETNAME", long_argument});
    check_at_every_request({}, {"HELLO", "3", "FOO"});
    check_at_every_request({}, {"AUTH", "default", long_argument});
    check_at_every_request({}, {"AUTH", long_argument, "x"});
    check_at_every_request({}, {"HELLO", "3", "AUTH", "default", "x", "SETNAME", long_argument});
    check_at_every_request({}, {"CLIENT", "ID"});
    check_at_every_request({}, {"CLIENT", "SETNAME", long_argument});
    check_at_every_request({}, {"CLIENT", "GETNAME"});
    check_at_every_request({}, {"CLIENT", "GETREDIR"});
    check_at_every_request({}, {"CLIENT", "HELP"});
    check_at_every_request({}, {"CLIENT", "NO-EVICT", "ON"});
    check_at_every_request({}, {"CLIENT", "NO-TOUCH", "ON"});
    check_at_every_request({}, {"CLIENT", "SETINFO", "LIB-NAME", long_argument});
    check_at_every_request({}, {"CLIENT", "SETINFO", "LIB-NAME", "a " + long_argument});
    check_at_every_request({}, {"CLIENT", "LIST", "TYPE", "PUBSUB"});
    check_at_every_request({}, {"CLIENT", "LIST", "ID", "3", "99"});
    check_at_every_request({}, {"CLIENT", "LIST", "TYPE", long_argument});
    check_at_every_request({}, {"CLIENT", "KILL", "127.0.0.1:50001"});
    check_at_every_request({}, {"CLIENT", "KILL", "127.0.0.1:1"});
    check_at_every_request({}, {"CLIENT", "KILL", "TYPE", "PUBSUB"});
    check_at_every_request({}, {"CLIENT", "KILL", "ID", "3", "SKIPME", "NO"});
    check_at_every_request({}, {"CLIENT", "UNBLOCK", "1", "FOO"});
    const std::string waiter = std::to_string(ClientScene{}.waiter.id());
    check_at_every_request({}, {"CLIENT", "UNBLOCK", waiter});
    check_at_every_request({}, {"CLIENT", "UNBLOCK", waiter, "ERROR"});
    check_at_every_request({{"HELLO", "3"}, {"SUBSCRIBE", "a", "news"}, {"MULTI"}}, {"RESET"});
    check_at_every_request({}, {"QUIT"});
}

TEST_CASE("a command on a server as a whole that runs out of memory changes nothing",
          "[connection]") {
    // The others count what is sent.
    check_at_every_request({}, {"INFO", "clients", "memory", "persistence", "replication"});
    check_at_every_request({}, {"INFO", "modules", "cluster", "nope", long_argument});
    check_at_every_request({}, {"INFO", "keyspace", "server"});
    check_at_every_request({}, {"ROLE"});
    check_at_every_request({}, {"COMMAND", "COUNT"});
    check_at_every_request({}, {"COMMAND", "INFO", "memory", "nope"});
    check_at_every_request({{"HELLO", "3"}}, {"COMMAND", "DOCS", "memory", "nope"});
    check_at_every_request({}, {"COMMAND", "LIST", "FILTERBY", "PATTERN", "xgroup|*"});
    check_at_every_request({}, {"COMMAND", "LIST", "FILTERBY", "ACLCAT", "pubsub"});
    check_at_every_request({}, {"COMMAND", "GETKEYS", "XREAD", "STREAMS", long_argument, "0"});
    check_at_every_request({}, {"COMMAND", "GETKEYS", "MSET", long_argument, "v", "k", "v"});
    check_at_every_request({}, {"COMMAND", "GETKEYS", "ECHO", "x"});
    check_at_every_request({}, {"COMMAND", "HELP"});
    check_at_every_request({}, {"CONFIG", "GET", "*"});
    check_at_every_request({}, {"CONFIG", "GET", "databases", "stream-node-max-entries"});
    check_at_every_request({}, {"CONFIG", "SET", "stream-node-max-entries", "5", "timeout", "0"});
    check_at_every_request({}, {"CONFIG", "SET", "stream-node-max-entries", "5", "timeout", "1"});
    check_at_every_request(
        {}, {"CONFIG", "SET", "client-output-buffer-limit", "pubsub 33554432 8388608 61"});
    check_at_every_request({}, {"CONFIG", "SET", long_argument, "5"});
    check_at_every_request({}, {"CONFIG", "SET", "requirepass", long_argument, "timeout", "0"});
    check_at_every_request({}, {"CONFIG", "RESETSTAT"});
    check_at_every_request({}, {"CONFIG", "REWRITE"});
    check_at_every_request({}, {"CONFIG", "HELP"});
}

TEST_CASE("a name that could not be given leaves the one before", "[connection]") {
    for (const Words& words : {Words{"CLIENT", "SETNAME", long_argument},
                               Words{"HELLO", "3", "SETNAME", long_argument}}) {
        at_every_request([&](long granted, Shortage shortage) {
            ClientScene scene;
            bool has_failed = false;
            {
                const MemoryRunsOut limit{granted, shortage};
                try {
                    scene.sender.execute(words);
                } catch (const std::bad_alloc&) {
                    has_failed = true;
                }
            }
            CHECK(scene.sender.execute({"CLIENT", "GETNAME"})->text() ==
                  (has_failed ? "the-name-of-the-sender" : long_argument));
        });
    }
}
