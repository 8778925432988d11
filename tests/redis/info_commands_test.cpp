// SPDX-License-Identifier: MIT
// What INFO tells of a server, and what CONFIG changes of it.

#include <runnel/redis.hpp>

#include "support/catch.hpp"
#include "support/fake_replies.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;
using runnel::redis::Reply;
using runnel::redis::Server;
using runnel::redis::Session;
using runnel::test::bulk;

namespace {

// A server that a client asks about.
struct ToldServer {
    Server server;
    Session asker{server};

    Reply send(const std::vector<std::string>& words) { return *asker.execute(words); }
    std::string info(std::vector<std::string> sections = {}) {
        sections.insert(sections.begin(), "INFO");
        return send(sections).text();
    }
    // The value that INFO has for a name; "none" if it has none.
    std::string value(std::string_view name) {
        const std::string text = "\r\n" + info();
        const std::string start = "\r\n" + std::string{name} + ':';
        const std::size_t at = text.find(start);
        if (at == std::string::npos) return "none";
        const std::size_t begin = at + start.size();
        return text.substr(begin, text.find('\r', begin) - begin);
    }
};

std::vector<std::string> titles_of(const std::string& info) {
    std::vector<std::string> titles;
    for (std::size_t at = info.find("# "); at != std::string::npos; at = info.find("# ", at + 1))
        titles.push_back(info.substr(at + 2, info.find('\r', at) - at - 2));
    return titles;
}

const std::vector<std::string> all_titles{"Server",      "Clients", "Memory",
                                          "Persistence", "Stats",   "Replication",
                                          "Modules",     "Cluster", "Keyspace"};

}  // namespace

TEST_CASE("INFO tells of the sections that are asked for, in an order of its own", "[info]") {
    ToldServer told;
    CHECK(titles_of(told.info()) == all_titles);
    for (const char* const all : {"default", "ALL", "everything"})
        CHECK(titles_of(told.info({all})) == all_titles);
    CHECK(titles_of(told.info({"keyspace", "nope", "Server"})) ==
          std::vector<std::string>{"Server", "Keyspace"});
    CHECK(told.info({"nope"}).empty());
    CHECK(told.info({"modules", "keyspace"}) == "# Modules\r\n\r\n# Keyspace\r\n");
}

TEST_CASE("INFO tells of the server and how long it has been there", "[info]") {
    ToldServer told;
    CHECK(told.value("redis_mode") == "standalone");
    CHECK(told.value("redis_version") == told.send({"HELLO"}).find("version")->text());
    CHECK(told.value("uptime_in_seconds") == "0");
    told.server.advance(std::chrono::hours{49});
    CHECK(told.value("uptime_in_seconds") == "176400");
    CHECK(told.value("uptime_in_days") == "2");
    CHECK(told.value("role") == "master");
    CHECK(told.value("loading") == "0");
    CHECK(told.value("cluster_enabled") == "0");
}

TEST_CASE("INFO counts the clients, and what they do", "[info]") {
    ToldServer told;
    Session waiter{told.server};
    Session patient{told.server};
    const auto jobs = {waiter.submit({"BLPOP", "jobs", "0"}), patient.submit({"BLPOP", "x", "9"})};
    Session watcher{told.server};
    watcher.execute({"WATCH", "a", "b"});
    Session reader{told.server};
    reader.execute({"SUBSCRIBE", "news", "sport"});
    reader.execute({"PSUBSCRIBE", "n*"});
    reader.execute({"SSUBSCRIBE", "s"});
    CHECK(jobs.size() == 2);
    CHECK(told.value("connected_clients") == "5");
    CHECK(told.value("blocked_clients") == "2");
    CHECK(told.value("clients_in_timeout_table") == "1");
    CHECK(told.value("watching_clients") == "1");
    CHECK(told.value("total_watched_keys") == "2");
    CHECK(told.value("pubsub_clients") == "1");
    CHECK(told.value("pubsub_channels") == "2");
    CHECK(told.value("pubsub_patterns") == "1");
    CHECK(told.value("pubsubshard_channels") == "1");
    watcher.close();
    CHECK(told.value("connected_clients") == "4");
    CHECK(told.value("total_connections_received") == "5");
}

TEST_CASE("INFO counts the commands that were carried out before it", "[info]") {
    ToldServer told;
    CHECK(told.value("total_commands_processed") == "0");
    told.send({"PING"});
    told.send({"NOPE"});
    told.send({"GET"});
    told.send({"LPUSH", "list", "a"});
    told.send({"GET", "list"});  // is refused when it is carried out
    CHECK(told.value("total_commands_processed") == "4");
    told.send({"MULTI"});
    told.send({"PING"});
    told.send({"PING"});
    told.send({"EXEC"});
    CHECK(told.value("total_commands_processed") == "9");
}

TEST_CASE("INFO counts the keys that have expired", "[info]") {
    ToldServer told;
    told.send({"SET", "a", "1", "PX", "10"});
    told.send({"SET", "b", "1", "PX", "20"});
    told.send({"SET", "c", "1", "PX", "1000"});
    told.send({"DEL", "c"});
    told.server.advance(20ms);
    CHECK(told.value("expired_keys") == "2");
}

TEST_CASE("INFO counts how often commands that read find a key", "[info]") {
    ToldServer told;
    told.send({"SET", "a", "1"});
    told.send({"MGET", "a", "b", "a"});
    told.send({"STRLEN", "c"});
    told.send({"INCR", "a"});
    CHECK(told.value("keyspace_hits") == "2");
    CHECK(told.value("keyspace_misses") == "2");
}

TEST_CASE("INFO tells of the databases that have keys", "[info]") {
    ToldServer told;
    CHECK(told.info({"keyspace"}) == "# Keyspace\r\n");
    told.send({"MSET", "a", "1", "b", "2", "c", "3"});
    told.send({"PEXPIRE", "a", "1000"});
    told.send({"PEXPIRE", "b", "4001"});
    told.send({"SELECT", "7"});
    told.send({"SET", "d", "4"});
    CHECK(told.info({"keyspace"}) ==
          "# Keyspace\r\ndb0:keys=3,expires=2,avg_ttl=2500,subexpiry=0\r\n"
          "db7:keys=1,expires=0,avg_ttl=0,subexpiry=0\r\n");
    told.server.advance(1s);
    CHECK(told.value("db0") == "keys=2,expires=1,avg_ttl=3001,subexpiry=0");
}

TEST_CASE("INFO tells about how much memory the keys of all databases take", "[info]") {
    ToldServer told;
    CHECK(told.value("used_memory") == "0");
    told.send({"SET", "a", "text"});
    const std::string one = told.value("used_memory");
    CHECK(one == std::to_string(told.send({"MEMORY", "USAGE", "a"}).integer()));
    told.send({"COPY", "a", "a", "DB", "1"});
    CHECK(told.value("used_memory") == std::to_string(2 * std::stoi(one)));
}

TEST_CASE("CONFIG RESETSTAT lets INFO count anew", "[config]") {
    ToldServer told;
    told.send({"SET", "a", "1", "PX", "10"});
    told.send({"GET", "a"});
    told.send({"GET", "b"});
    told.server.advance(10ms);
    CHECK(told.value("expired_keys") == "1");
    told.send({"CONFIG", "RESETSTAT"});
    CHECK(told.value("total_commands_processed") == "1");
    for (const char* const name :
         {"total_connections_received", "expired_keys", "keyspace_hits", "keyspace_misses"})
        CHECK(told.value(name) == "0");
}

TEST_CASE("what a server was made with is what CONFIG GET shows", "[config]") {
    Server server{{.databases = 4,
                   .stream_node_max_entries = 7,
                   .stream_node_max_bytes = 8,
                   .stream_idmp_duration = 9s,
                   .stream_idmp_maxsize = 10,
                   .pubsub_limit = {.hard = 11, .soft = 12, .soft_time = 13s}}};
    Session session{server};
    const auto value = [&](const char* name) {
        return session.execute({"CONFIG", "GET", name})->elements()[1].text();
    };
    CHECK(value("databases") == "4");
    CHECK(value("stream-node-max-entries") == "7");
    CHECK(value("stream-node-max-bytes") == "8");
    CHECK(value("stream-idmp-duration") == "9");
    CHECK(value("stream-idmp-maxsize") == "10");
    CHECK(value("client-output-buffer-limit").ends_with("pubsub 11 12 13"));
}

TEST_CASE("CONFIG SET stream-node-max-entries changes the nodes that trimming works on",
          "[config]") {
    ToldServer told;
    told.send({"CONFIG", "SET", "stream-node-max-entries", "2"});
    for (int count = 0; count != 5; ++count) told.send({"XADD", "s", "*", "f", "v"});
    CHECK(told.send({"XTRIM", "s", "MAXLEN", "~", "2"}) == Reply::integer(2));
    CHECK(told.send({"XLEN", "s"}) == Reply::integer(3));
}

TEST_CASE("CONFIG SET stream-node-max-bytes changes the nodes that trimming works on", "[config]") {
    ToldServer told;
    told.send({"CONFIG", "SET", "stream-node-max-bytes", "1"});
    for (int count = 0; count != 5; ++count) told.send({"XADD", "s", "*", "f", "v"});
    CHECK(told.send({"XTRIM", "s", "MAXLEN", "~", "2"}) == Reply::integer(3));
}

TEST_CASE("CONFIG SET stream-idmp-… is for streams that are made later", "[config]") {
    ToldServer told;
    told.send({"XADD", "old", "*", "f", "v"});
    told.send({"CONFIG", "SET", "stream-idmp-duration", "7", "stream-idmp-maxsize", "5"});
    told.send({"XADD", "new", "*", "f", "v"});
    const auto limit = [&](const char* stream, const char* name) {
        return told.send({"XINFO", "STREAM", stream}).find(name)->integer();
    };
    CHECK(limit("old", "idmp-duration") == 100);
    CHECK(limit("new", "idmp-duration") == 7);
    CHECK(limit("new", "idmp-maxsize") == 5);
}

TEST_CASE("CONFIG SET client-output-buffer-limit closes a subscriber that is too slow",
          "[config]") {
    ToldServer told;
    Session reader{told.server};
    reader.execute({"SUBSCRIBE", "news"});
    told.send({"PUBLISH", "news", std::string(200, 'x')});
    CHECK_FALSE(reader.is_closed());
    told.send({"CONFIG", "SET", "client-output-buffer-limit", "pubsub 100 0 0"});
    CHECK_FALSE(reader.is_closed());
    told.send({"PUBLISH", "news", "y"});
    CHECK(reader.is_closed());
}

TEST_CASE("CONFIG HELP tells of the subcommands that there are", "[config]") {
    ToldServer told;
    const auto lines = told.send({"CONFIG", "HELP"}).strings();
    CHECK(std::ranges::count(lines, "SET <directive> <value>") == 1);
    CHECK(lines.back() == "    Print this help.");
}
