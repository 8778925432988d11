// SPDX-License-Identifier: MIT
// Commands on keys and strings that run out of memory: they throw, and have changed nothing.

#include <runnel/redis.hpp>

#include "support/catch.hpp"
#include "support/commands_without_memory.hpp"

#include <optional>
#include <sstream>
#include <string>
#include <vector>

using namespace runnel::test;
using runnel::redis::Reply;

namespace {

// Longer than what a std::string holds without memory of its own.
const std::string long_name = "a name that is longer than a short one";
const std::string long_value = "a value that is longer than a short one";

class ShortOfMemory {
public:
    ShortOfMemory() {
        session_.execute({"SET", "in-1", long_value});
        session_.execute({"SET", long_name, "other"});
        session_.execute({"SWAPDB", "0", "1"});
        session_.execute({"SET", "a", "1"});
        session_.execute({"SET", "b", long_value, "EX", "100"});
        session_.execute({"SET", long_name, "3"});
        session_.execute({"RPUSH", "list", "1", long_value, "3"});
        session_.execute({"SADD", "set", "1", long_value + "!", "3"});
        session_.execute({"HSET", "hash", "f", "1", "n", "2", "g", long_value});
        session_.execute({"ZADD", "sorted", "1", "a", "2.5", long_value, "3", "c"});
        session_.execute({"XADD", "stream", "1-0", "f", long_value});
        session_.execute({"XADD", "stream", "2-0", "f", "v"});
        session_.execute({"XGROUP", "CREATE", "stream", "g", "0"});
        session_.execute({"XREADGROUP", "GROUP", "g", long_name, "STREAMS", "stream", ">"});
        session_.execute({"XADD", "stream", "IDMP", "p", "i", "*", "f", "v"});
        session_.execute({"PEXPIRE", "stream", "100000"});
    }

    std::optional<Reply> execute(const Command& command) { return session_.execute(command); }

    // All keys of both databases, with their values and times.
    std::string state() {
        std::ostringstream text;
        for (int database = 0; database != 2; ++database) {
            for (const Reply& name : session_.execute({"KEYS", "*"})->elements())
                text << name << *session_.execute(to_show(name.text()))
                     << *session_.execute({"PEXPIRETIME", name.text()}) << '\n';
            text << "--\n";
            session_.execute({"SWAPDB", "0", "1"});
        }
        return text.str();
    }

private:
    Command to_show(const std::string& name) {
        const std::string type = session_.execute({"TYPE", name})->text();
        if (type == "list") return {"LRANGE", name, "0", "-1"};
        if (type == "set") return {"SMEMBERS", name};
        if (type == "zset") return {"ZRANGE", name, "0", "-1", "WITHSCORES"};
        if (type == "hash") return {"HGETALL", name};
        if (type == "stream") return {"XINFO", "STREAM", name, "FULL"};
        return {"GET", name};
    }

    runnel::redis::Server server_;
    runnel::redis::Session session_{server_};
};

const std::vector<Command> key_commands_to_run{
    {"OBJECT", "ENCODING", "list"},
    {"OBJECT", "IDLETIME", "list"},
    {"OBJECT", "REFCOUNT", "list"},
    {"OBJECT", "FREQ", "list"},
    {"OBJECT", "FREQ", "none"},
    {"OBJECT", "HELP"},
    {"MEMORY", "USAGE", "stream", "SAMPLES", "0"},
    {"MEMORY", "USAGE", "list", "FOO", "0"},
    {"MEMORY", "HELP"},
    {"SET", "a", long_value},
    {"SET", "new", long_value},
    {"SET", long_name + "!", long_value, "EX", "10"},
    {"SET", "a", long_value, "EX", "10", "GET"},
    {"SET", "b", "x", "KEEPTTL", "XX", "GET"},
    {"SET", "b", long_value + "!", "IFEQ", long_value, "GET"},
    {"SET", "b", long_value + "!", "IFNE", "x", "PX", "1000"},
    {"SET", "b", long_value + "!", "IFDNE", "0000000000000000"},
    {"SET", "b", "x", "IFDEQ", "0000000000000000"},
    {"SET", "new", long_value, "IFNE", long_value},
    {"DIGEST", "b"},
    {"DELEX", "b", "IFEQ", long_value},
    {"DELEX", "b", "IFDNE", "0000000000000000"},
    {"SADD", "set", long_value, "new", long_name},
    {"SADD", "new", long_value, long_value, "x"},
    {"SREM", "set", "1", long_value + "!"},
    {"SMEMBERS", "set"},
    {"SMISMEMBER", "set", "1", "2"},
    {"SPOP", "set"},
    {"SPOP", "set", "2"},
    {"SRANDMEMBER", "set", "2"},
    {"SRANDMEMBER", "set", "-3"},
    {"HSET", "hash", "f", long_value, "new", long_value, "new", "x"},
    {"HSET", "new", long_name, long_value},
    {"HSETNX", "hash", long_name + "!", long_value},
    {"HMSET", "hash", "f", long_value, "new", long_value},
    {"HMSET", "new", long_name, long_value},
    {"HSTRLEN", "hash", "f"},
    {"HGETALL", "hash"},
    {"HMGET", "hash", "f", "g"},
    {"HDEL", "hash", "f", "g"},
    {"HINCRBY", "hash", "n", "9223372036854775000"},
    {"HINCRBY", "new", long_name, "9223372036854775000"},
    {"HINCRBYFLOAT", "hash", "n", "1234567890.0123456789"},
    {"HINCRBYFLOAT", "new", long_name, "1234567890.0123456789"},
    {"HRANDFIELD", "hash", "2"},
    {"HRANDFIELD", "hash", "-3", "WITHVALUES"},
    {"COPY", "sorted", "new"},
    {"COPY", "set", "new"},
    {"COPY", "hash", "new"},
    {"SETNX", "new", long_value},
    {"SETEX", "a", "10", long_value},
    {"PSETEX", long_name + "!", "10", long_value},
    {"MSET", "a", long_value, "new", long_value, "new", "x", "list", "y"},
    {"MSETNX", "new", long_value, long_name + "!", "x"},
    {"MGET", "a", "b", "list"},
    {"APPEND", "b", long_value},
    {"APPEND", long_name + "!", long_value},
    {"STRLEN", "b"},
    {"GETRANGE", "b", "1", "-1"},
    {"SETRANGE", "b", "10", long_value},
    {"SETRANGE", long_name + "!", "10", long_value},
    {"GETSET", "b", long_value + "!"},
    {"GETSET", long_name + "!", long_value},
    {"GETDEL", "b"},
    {"GETEX", "b", "PX", "1000"},
    {"GETEX", "b", "PERSIST"},
    {"GETEX", "b", "EXAT", "1"},
    {"INCR", "a"},
    {"DECRBY", "new", "9223372036854775807"},
    {"INCRBYFLOAT", "a", "1234567890.0123456789"},
    {"SET", "b", "x", "PXAT", "1"},
    {"GET", "b"},
    {"DEL", "a", "b", long_name},
    {"UNLINK", "a"},
    {"EXISTS", "a", "b"},
    {"TOUCH", "a", "b"},
    {"TYPE", "a"},
    {"KEYS", "*"},
    {"SCAN", "0", "COUNT", "2"},
    {"HSCAN", "hash", "0", "COUNT", "2"},
    {"SSCAN", "set", "0", "COUNT", "2"},
    {"ZSCAN", "sorted", "0", "COUNT", "2"},
    {"RANDOMKEY"},
    {"DBSIZE"},
    {"RENAME", "a", "b"},
    {"RENAME", "b", long_name + "!"},
    {"RENAME", "b", long_name},
    {"RENAMENX", "b", long_name + "!"},
    {"COPY", "b", "a", "REPLACE"},
    {"COPY", "b", long_name + "!"},
    {"COPY", "b", long_name, "DB", "1", "REPLACE"},
    {"COPY", "list", "copied"},
    {"COPY", "list", "stream", "REPLACE"},
    {"COPY", "stream", "copied"},
    {"COPY", "stream", "list", "REPLACE"},
    {"SET", "stream", long_value},
    {"RENAME", "list", "stream"},
    {"MOVE", "stream", "1"},
    {"MOVE", "b", "1"},
    {"SWAPDB", "0", "1"},
    {"EXPIRE", "a", "10"},
    {"EXPIRE", "b", "200", "GT"},
    {"EXPIRE", "a", "-1"},
    {"PEXPIRE", "a", "10000"},
    {"EXPIREAT", "b", "4102444800"},
    {"PEXPIREAT", "b", "4102444800000"},
    {"TTL", "b"},
    {"PERSIST", "b"},
    {"FLUSHDB"},
    {"FLUSHALL", "ASYNC"},
    // Refused.
    {"RENAME", "no", "b"},
    {"COPY", "b", "b"},
    {"EXPIRE", "a", "x", "NX", "GT"},
    {"EXPIRE", "a", "10", long_name},
    {"SET", "a", "b", "EX", "0"},
    {"SCAN", long_name},
    {"SET", "b", "x", "IFDEQ", "0"},
    {"DELEX", "list", "IFEQ", long_value},
};

}  // namespace

TEST_CASE("a command on keys that runs out of memory throws and changes nothing",
          "[redis][keys][allocation]") {
    check_at_every_request<ShortOfMemory>(key_commands_to_run);
}
