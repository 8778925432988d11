// SPDX-License-Identifier: MIT
// Commands of sorted sets that run out of memory: they throw, and have changed nothing.

#include <runnel/redis.hpp>

#include "support/catch.hpp"
#include "support/commands_without_memory.hpp"
#include "support/short_memory.hpp"

#include <new>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

using namespace runnel::test;
using runnel::redis::Pending;
using runnel::redis::Reply;

namespace {

// Longer than what a std::string holds without memory of its own.
const std::string long_set = "a name that is longer than a short one";
const std::string long_member = "a member that is longer than a short one";

class SortedSetScene {
public:
    SortedSetScene() {
        execute({"ZADD", "sorted", "1", "a", "2.5", long_member, "3", "c"});
        execute({"ZADD", long_set, "1", long_member});
    }

    std::optional<Reply> execute(const Command& command) { return session_.execute(command); }
    Pending submit(const Command& command) { return session_.submit(command); }
    // By another client.
    std::optional<Reply> write(const Command& command) { return other_.execute(command); }

    // All sorted sets that may be there.
    std::string state() {
        std::ostringstream text;
        for (const std::string& name :
             {std::string{"sorted"}, long_set, std::string{"new"}, long_set + "!"})
            text << *other_.execute({"EXISTS", name})
                 << *other_.execute({"ZRANGE", name, "0", "-1", "WITHSCORES"}) << '\n';
        text << *other_.execute({"DBSIZE"}) << ' ' << server_.blocked_sessions();
        return text.str();
    }

private:
    runnel::redis::Server server_;
    runnel::redis::Session session_{server_};
    runnel::redis::Session other_{server_};
};

const std::vector<Command> sorted_set_commands_to_run{
    {"ZADD", "sorted", "4", "a", "5", long_set, "6", long_set, "7", long_member},
    {"ZADD", "new", "1.25", long_member, "2", "x"},
    {"ZADD", "sorted", "INCR", "0.125", long_member},
    {"ZADD", "new", "INCR", "1e300", long_member},
    {"ZADD", "new", "XX", "1", long_member},
    {"ZINCRBY", "sorted", "-1.123456789012345", long_member},
    {"ZREM", "sorted", "a", long_member},
    {"ZREM", "sorted", "a", long_member, "c"},
    {"ZSCORE", "sorted", long_member},
    {"ZMSCORE", "sorted", "a", long_member, "no"},
    {"ZCARD", "sorted"},
    {"ZRANK", "sorted", long_member, "WITHSCORE"},
    {"ZRANGE", "sorted", "0", "-1", "WITHSCORES", "REV"},
    {"ZRANGE", "sorted", "-", "[" + long_member, "BYLEX"},
    {"ZRANGEBYSCORE", "sorted", "-inf", "(3", "WITHSCORES", "LIMIT", "0", "10"},
    {"ZCOUNT", "sorted", "1", "2.5"},
    {"ZREMRANGEBYSCORE", "sorted", "-inf", "2.5"},
    {"ZREMRANGEBYSCORE", "sorted", "-inf", "inf"},
    {"ZREMRANGEBYRANK", "sorted", "0", "1"},
    {"ZREMRANGEBYLEX", "sorted", "-", "+"},
    {"ZPOPMIN", "sorted"},
    {"ZPOPMAX", "sorted", "2"},
    {"ZMPOP", "2", "new", "sorted", "MIN", "COUNT", "5"},
    {"BZPOPMIN", "new", "sorted", "0"},
    {"BZPOPMAX", "sorted", "0"},
    {"BZMPOP", "0", "1", "sorted", "MAX", "COUNT", "2"},
    // Refused.
    {"ZADD", "sorted", "1", "new", long_member, "a"},
    {"ZRANGE", "sorted", "0", "1", "BYSCORE", "BYLEX"},
    {"ZRANGEBYSCORE", "sorted", long_member, "1"},
};

}  // namespace

TEST_CASE("a command of sorted sets that runs out of memory throws and changes nothing",
          "[redis][sorted_sets][allocation]") {
    check_at_every_request<SortedSetScene>(sorted_set_commands_to_run);
}

TEST_CASE("a command of sorted sets that finds no memory to wait throws and does not wait",
          "[redis][sorted_sets][allocation]") {
    const auto command = GENERATE(as<Command>{}, Command{"BZPOPMIN", "new", long_set + "!", "10"},
                                  Command{"BZMPOP", "0", "2", "new", long_set + "!", "MAX"});
    check_wait_at_every_request<SortedSetScene>(command);
}

TEST_CASE("a wait that finds no memory when it is served ends, and leaves the members to others",
          "[redis][sorted_sets][allocation]") {
    const auto waits = GENERATE(as<Command>{}, Command{"BZPOPMAX", "new", "0"},
                                Command{"BZMPOP", "0", "1", "new", "MIN", "COUNT", "2"});
    const Command add{"ZADD", "new", "1.25", long_member, "2.25", long_member + "!"};
    check_served_at_every_request<SortedSetScene>(waits, add);
}
