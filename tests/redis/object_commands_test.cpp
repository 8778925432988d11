// SPDX-License-Identifier: MIT
// What OBJECT and MEMORY tell of values.

#include <runnel/redis.hpp>

#include "support/catch.hpp"
#include "support/fake_replies.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;
using runnel::redis::Reply;
using runnel::redis::Server;
using runnel::redis::Session;
using runnel::test::bulk;

namespace {

// A server with a key of each type, which was used a while ago.
struct OldKeys {
    Server server;
    Session session{server};

    OldKeys() {
        send({"SET", "string", "text"});
        send({"RPUSH", "list", "a", "b"});
        send({"SADD", "set", "a", "b"});
        send({"HSET", "hash", "f", "v"});
        send({"XADD", "stream", "1-1", "f", "v"});
        server.advance(100s);
    }

    Reply send(const std::vector<std::string>& words) { return *session.execute(words); }
    std::int64_t idle(const std::string& key) {
        return send({"OBJECT", "IDLETIME", key}).integer();
    }
    std::string encoding(const std::string& key) {
        return send({"OBJECT", "ENCODING", key}).text();
    }
    std::int64_t usage(const std::string& key) { return send({"MEMORY", "USAGE", key}).integer(); }
    // Sends a command that has `count` more words.
    void send_many(std::vector<std::string> words, int count, std::string_view prefix) {
        for (int number = 0; number != count; ++number)
            words.push_back(std::string{prefix} + std::to_string(number));
        (void)send(words);
    }
};

using Command = std::vector<std::string>;

}  // namespace

TEST_CASE("a key is idle since it was used last, in whole seconds", "[object]") {
    OldKeys keys;
    CHECK(keys.idle("string") == 100);
    keys.server.advance(1'999ms);
    CHECK(keys.idle("string") == 101);
    keys.send({"GET", "string"});
    keys.server.advance(1ms);
    CHECK(keys.idle("string") == 1);
    keys.server.advance(999ms);
    CHECK(keys.idle("string") == 1);
}

TEST_CASE("commands that read or change a key use it", "[object]") {
    OldKeys keys;
    keys.send({"LRANGE", "list", "0", "-1"});
    CHECK(keys.idle("list") == 0);
    keys.send({"SADD", "set", "a"});
    CHECK(keys.idle("set") == 0);
    keys.send({"HGET", "hash", "none"});
    CHECK(keys.idle("hash") == 0);
    keys.send({"EXPIRE", "string", "1000"});
    CHECK(keys.idle("string") == 0);
    keys.send({"XLEN", "stream"});
    CHECK(keys.idle("stream") == 0);
}

TEST_CASE("a command that is refused uses the key nevertheless", "[object]") {
    OldKeys keys;
    CHECK(keys.send({"INCR", "string"}).is_error());
    CHECK(keys.idle("string") == 0);
}

TEST_CASE("TOUCH uses a key", "[object]") {
    OldKeys keys;
    keys.send({"TOUCH", "string"});
    CHECK(keys.idle("string") == 0);
}

TEST_CASE("to look whether and for how long a key is there is no use of it", "[object]") {
    OldKeys keys;
    keys.send({"EXPIREAT", "list", "9999999999"});
    keys.server.advance(100s);
    for (const Command& command :
         {Command{"EXISTS", "list"}, Command{"TYPE", "list"}, Command{"TTL", "list"},
          Command{"PTTL", "list"}, Command{"EXPIRETIME", "list"}, Command{"PEXPIRETIME", "list"},
          Command{"OBJECT", "ENCODING", "list"}, Command{"OBJECT", "REFCOUNT", "list"},
          Command{"OBJECT", "FREQ", "list"}, Command{"MEMORY", "USAGE", "list"},
          Command{"KEYS", "*"}, Command{"SCAN", "0"}, Command{"RANDOMKEY"}})
        keys.send(command);
    CHECK(keys.idle("list") == 100);
}

TEST_CASE("a client with CLIENT NO-TOUCH uses no key, but by TOUCH", "[object]") {
    OldKeys keys;
    keys.send({"CLIENT", "NO-TOUCH", "ON"});
    keys.send({"GET", "string"});
    keys.send({"RPUSH", "list", "c"});
    CHECK(keys.idle("string") == 100);
    CHECK(keys.idle("list") == 100);
    SECTION("TOUCH") {
        keys.send({"TOUCH", "string"});
        CHECK(keys.idle("string") == 0);
    }
    SECTION("a value that is new") {
        keys.send({"SET", "string", "other"});
        keys.send({"RPUSH", "new", "a"});
        CHECK(keys.idle("string") == 0);
        CHECK(keys.idle("new") == 0);
    }
    SECTION("no more") {
        keys.send({"CLIENT", "NO-TOUCH", "OFF"});
        keys.send({"GET", "string"});
        CHECK(keys.idle("string") == 0);
    }
}

TEST_CASE("a key that is made, copied or renamed was used just then", "[object]") {
    OldKeys keys;
    keys.send({"MSET", "a", "1", "b", "2"});
    CHECK(keys.idle("a") == 0);
    keys.send({"COPY", "list", "copy"});
    CHECK(keys.idle("copy") == 0);
    CHECK(keys.idle("list") == 0);
    keys.send({"RENAME", "set", "other"});
    CHECK(keys.idle("other") == 0);
}

TEST_CASE("a command that waits uses its key when it is served", "[object]") {
    OldKeys keys;
    Session waiter{keys.server};
    const auto job = waiter.submit({"BLPOP", "jobs", "0"});
    keys.send({"RPUSH", "jobs", "a", "b"});
    CHECK(job.ready());
    keys.server.advance(10s);
    CHECK(keys.idle("jobs") == 10);
}

TEST_CASE("how a value is encoded depends on its size", "[object]") {
    OldKeys keys;
    SECTION("a list: its bytes") {
        keys.send({"DEL", "list"});
        keys.send({"RPUSH", "list", std::string(8'000, 'x')});
        CHECK(keys.encoding("list") == "listpack");
        keys.send({"RPUSH", "list", std::string(200, 'x')});
        CHECK(keys.encoding("list") == "quicklist");
        keys.send({"RPOP", "list"});
        CHECK(keys.encoding("list") == "listpack");
    }
    SECTION("a set of numbers: how many") {
        keys.send({"DEL", "set"});
        keys.send_many({"SADD", "set"}, 512, "1");
        CHECK(keys.encoding("set") == "intset");
        keys.send({"SADD", "set", "-1"});
        CHECK(keys.encoding("set") == "hashtable");
    }
    SECTION("a set: how many, and how long they are") {
        keys.send_many({"SADD", "set"}, 126, "m");
        CHECK(keys.encoding("set") == "listpack");
        keys.send({"SADD", "set", "more"});
        CHECK(keys.encoding("set") == "hashtable");
        keys.send({"DEL", "set"});
        keys.send({"SADD", "set", std::string(64, 'x')});
        CHECK(keys.encoding("set") == "listpack");
        keys.send({"SADD", "set", std::string(65, 'x')});
        CHECK(keys.encoding("set") == "hashtable");
    }
    SECTION("a hash: how many fields") {
        for (int number = 1; number != 512; ++number)
            keys.send({"HSET", "hash", "f" + std::to_string(number), "v"});
        CHECK(keys.encoding("hash") == "listpack");
        keys.send({"HSET", "hash", "more", "v"});
        CHECK(keys.encoding("hash") == "hashtable");
    }
    SECTION("a hash: how long its fields and values are") {
        keys.send({"HSET", "hash", std::string(64, 'x'), std::string(64, 'x')});
        CHECK(keys.encoding("hash") == "listpack");
        keys.send({"HSET", "hash", std::string(65, 'x'), "v"});
        CHECK(keys.encoding("hash") == "hashtable");
    }
}

TEST_CASE("MEMORY USAGE grows with the value", "[object]") {
    OldKeys keys;
    const auto grows_by = [&](const std::string& key, const Command& command) {
        const std::int64_t before = keys.usage(key);
        keys.send(command);
        return keys.usage(key) - before;
    };
    const std::string long_text(1'000, 'x');
    CHECK(grows_by("string", {"APPEND", "string", long_text}) == 1'000);
    CHECK(grows_by("list", {"RPUSH", "list", long_text}) >= 1'000);
    CHECK(grows_by("set", {"SADD", "set", long_text}) >= 1'000);
    CHECK(grows_by("hash", {"HSET", "hash", "g", long_text}) >= 1'000);
    CHECK(grows_by("stream", {"XADD", "stream", "2-1", "f", long_text}) >= 1'000);
    CHECK(grows_by("stream", {"XGROUP", "CREATE", "stream", "g", "0"}) > 0);
    CHECK(grows_by("stream", {"XREADGROUP", "GROUP", "g", "c", "STREAMS", "stream", ">"}) > 0);
    CHECK(grows_by("string", {"EXPIRE", "string", "1000"}) > 0);
}

TEST_CASE("MEMORY USAGE counts the name of the key, and numbers as such", "[object]") {
    OldKeys keys;
    keys.send({"SET", "k", "12345678"});
    keys.send({"SET", "kk", "12345678"});
    keys.send({"SET", "t", "1234567x"});
    CHECK(keys.usage("kk") == keys.usage("k") + 1);
    CHECK(keys.usage("t") > keys.usage("k"));
    keys.send({"SADD", "numbers", "1", "2"});
    CHECK(keys.send({"MEMORY", "USAGE", "numbers", "SAMPLES", "0"}) ==
          Reply::integer(keys.usage("numbers")));
}

TEST_CASE("OBJECT HELP and MEMORY HELP tell of the subcommands that there are", "[object]") {
    OldKeys keys;
    const auto of_objects = keys.send({"OBJECT", "HELP"}).strings();
    CHECK(of_objects.front() == "OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    CHECK(std::ranges::count(of_objects, "IDLETIME <key>") == 1);
    const auto of_memory = keys.send({"MEMORY", "HELP"}).strings();
    CHECK(std::ranges::count(of_memory, "USAGE <key> [SAMPLES <count>]") == 1);
}
