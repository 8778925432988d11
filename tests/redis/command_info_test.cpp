// SPDX-License-Identifier: MIT
// What COMMAND tells of the commands.

#include <runnel/redis.hpp>

#include "support/catch.hpp"
#include "support/fake_replies.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

using runnel::redis::Reply;
using runnel::redis::Server;
using runnel::redis::Session;
using runnel::test::bulk;

namespace {

// What a client learns of the commands.
struct ToldCommands {
    Server server;
    Session session{server};

    Reply send(const std::vector<std::string>& words) { return *session.execute(words); }
    std::vector<std::string> list(const char* filter, const char* value) {
        return send({"COMMAND", "LIST", "FILTERBY", filter, value}).strings();
    }
};

bool has(const std::vector<std::string>& names, const char* name) {
    return std::ranges::count(names, name) == 1;
}

}  // namespace

TEST_CASE("COMMAND tells of each command, and of subcommands within theirs", "[command]") {
    ToldCommands told;
    const Reply all = told.send({"COMMAND"});
    CHECK(told.send({"COMMAND", "INFO"}) == all);
    CHECK(told.send({"COMMAND", "COUNT"}) ==
          Reply::integer(static_cast<std::int64_t>(all.elements().size())));
    std::multiset<std::string> names;
    for (const Reply& command : all.elements()) {
        names.insert(command[0].text());
        CHECK(told.send({"COMMAND", "INFO", command[0].text()})[0] == command);
        for (const Reply& subcommand : command[9].elements()) names.insert(subcommand[0].text());
    }
    const auto listed = told.send({"COMMAND", "LIST"}).strings();
    CHECK(names == std::multiset<std::string>(listed.begin(), listed.end()));
    CHECK(has(listed, "get"));
    CHECK(has(listed, "client|kill"));
}

TEST_CASE("COMMAND DOCS has a summary of each command and subcommand", "[command]") {
    ToldCommands told;
    told.send({"HELLO", "3"});
    const Reply all = told.send({"COMMAND", "DOCS"});
    const auto count = static_cast<std::size_t>(told.send({"COMMAND", "COUNT"}).integer());
    CHECK(all.elements().size() == 2 * count);
    for (const std::string& name : told.send({"COMMAND", "LIST"}).strings()) {
        INFO(name);
        const Reply docs = told.send({"COMMAND", "DOCS", name});
        REQUIRE(docs.find(name) != nullptr);
        CHECK(docs.find(name)->find("summary")->text().ends_with('.'));
    }
}

TEST_CASE("a command that has keys reads or writes", "[command]") {
    ToldCommands told;
    for (const std::string& name : told.send({"COMMAND", "LIST"}).strings()) {
        INFO(name);
        const Reply info = told.send({"COMMAND", "INFO", name})[0];
        const auto flags = info[2].strings();
        const bool has_keys = info[3].integer() != 0 || has(flags, "movablekeys");
        const bool is_of_channels = has(flags, "pubsub");
        const bool is_watch = name == "watch";  // it only looks
        if (has_keys && !is_of_channels && !is_watch)
            CHECK(has(flags, "readonly") != has(flags, "write"));
    }
}

TEST_CASE("COMMAND LIST shows the commands of a category", "[command]") {
    ToldCommands told;
    CHECK(has(told.list("ACLCAT", "list"), "lpush"));
    CHECK_FALSE(has(told.list("aclcat", "list"), "sadd"));
    CHECK(has(told.list("ACLCAT", "BLOCKING"), "blpop"));
    CHECK(has(told.list("ACLCAT", "dangerous"), "client|kill"));
    CHECK(has(told.list("ACLCAT", "dangerous"), "flushall"));
    CHECK(has(told.list("ACLCAT", "keyspace"), "flushall"));
    CHECK(has(told.list("ACLCAT", "keyspace"), "del"));
    CHECK_FALSE(has(told.list("ACLCAT", "keyspace"), "info"));
    CHECK(has(told.list("ACLCAT", "transaction"), "multi"));
    const std::size_t fast = told.list("ACLCAT", "fast").size();
    const std::size_t slow = told.list("ACLCAT", "slow").size();
    CHECK(fast + slow == told.send({"COMMAND", "LIST"}).elements().size());
}

TEST_CASE("what COMMAND tells of flags and categories are sets in RESP3", "[command]") {
    ToldCommands told;
    told.send({"HELLO", "3"});
    const Reply info = told.send({"COMMAND", "INFO", "get", "nope"});
    CHECK(info[0][2] ==
          Reply::set({Reply::simple_string("readonly"), Reply::simple_string("fast")}));
    CHECK(info[0][7] == Reply::set({}));
    CHECK(info[0][9] == Reply::array({}));
    CHECK(info[1] == Reply::null());
}

TEST_CASE("COMMAND HELP tells of the subcommands that there are", "[command]") {
    ToldCommands told;
    const auto lines = told.send({"COMMAND", "HELP"}).strings();
    CHECK(lines.front() == "COMMAND <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    CHECK(has(lines, "GETKEYS <full-command>"));
}
