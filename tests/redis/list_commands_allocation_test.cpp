// SPDX-License-Identifier: MIT
// Commands of lists that run out of memory: they throw, and have changed nothing.

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
const std::string long_list = "a name that is longer than a short one";
const std::string long_element = "a value that is longer than a short one";

Command numbered(Command command, int count) {
    for (int number = 0; number != count; ++number)
        command.push_back(long_element + std::to_string(number));
    return command;
}

// `full`: its block has no room, at either end.
const Command full = numbered({"RPUSH", "full"}, 8);

class ListScene {
public:
    ListScene() {
        execute({"RPUSH", "one", long_element});
        execute({"RPUSH", long_list, "a", long_element, "b", long_element, "c"});
        execute(full);
    }

    std::optional<Reply> execute(const Command& command) { return session_.execute(command); }
    Pending submit(const Command& command) { return session_.submit(command); }
    // By another client.
    std::optional<Reply> write(const Command& command) { return other_.execute(command); }

    // All lists that may be there.
    std::string state() {
        std::ostringstream text;
        for (const std::string& name : {std::string{"one"}, long_list, std::string{"full"},
                                        std::string{"new"}, long_list + "!"})
            text << *other_.execute({"EXISTS", name})
                 << *other_.execute({"LRANGE", name, "0", "-1"}) << '\n';
        text << *other_.execute({"DBSIZE"}) << ' ' << server_.blocked_sessions();
        return text.str();
    }

private:
    runnel::redis::Server server_;
    runnel::redis::Session session_{server_};
    runnel::redis::Session other_{server_};
};

const std::vector<Command> list_commands_to_run{
    {"LPUSH", "one", long_element},
    {"RPUSH", "full", long_element},
    {"LPUSH", "full", "x"},
    {"RPUSH", "new", "x"},
    numbered({"RPUSH", "full"}, 200),
    numbered({"LPUSH", long_list + "!"}, 200),
    {"LPUSHX", "full", long_element},
    {"RPUSHX", "new", long_element},
    {"LPOP", "one"},
    {"RPOP", "full", "3"},
    {"LPOP", "full", "100"},
    {"LPOP", "new", "1"},
    {"LLEN", "full"},
    {"LRANGE", "full", "0", "-1"},
    {"LINDEX", "full", "3"},
    {"LPOS", long_list, long_element, "COUNT", "0"},
    {"LPOS", long_list, long_element, "RANK", "-1"},
    {"LSET", "full", "2", long_element},
    {"LINSERT", "full", "BEFORE", long_element + "4", long_element},
    {"LINSERT", "one", "AFTER", long_element, "x"},
    {"LREM", long_list, "-1", long_element},
    {"LREM", "one", "0", long_element},
    {"LTRIM", "full", "2", "3"},
    {"LTRIM", "full", "9", "3"},
    {"LMOVE", "one", "new", "LEFT", "RIGHT"},
    {"LMOVE", "one", "full", "LEFT", "RIGHT"},
    {"LMOVE", "full", "full", "LEFT", "RIGHT"},
    {"LMOVE", "one", "one", "LEFT", "RIGHT"},
    {"RPOPLPUSH", "full", long_list + "!"},
    {"LMPOP", "2", "new", "full", "RIGHT", "COUNT", "5"},
    {"LMOVEM", "full", "new", "LEFT", "LEFT", "COUNT", "5", "OBO"},
    {"LMOVEM", "full", long_list, "RIGHT", "RIGHT", "EXACTLY", "8", "BULK"},
    {"LMOVEM", "full", "full", "RIGHT", "LEFT", "COUNT", "7", "OBO"},
    {"LMOVEM", "full", "full", "LEFT", "LEFT", "COUNT", "7", "OBO"},
    {"BLPOP", "new", "one", "0"},
    {"BRPOP", "full", "0"},
    {"BLMPOP", "0", "2", "new", "full", "RIGHT", "COUNT", "5"},
    {"BLMOVE", "one", "new", "LEFT", "RIGHT", "0"},
    {"BRPOPLPUSH", "full", long_list, "0"},
    {"BLMOVEM", "full", "one", "LEFT", "LEFT", "0", "EXACTLY", "8", "BULK"},
    // Refused.
    {"LPOP", "one", "x"},
    {"LSET", "new", "0", "x"},
    {"LSET", "one", "1", "x"},
    {"LINSERT", "one", "BESIDE", "a", "b"},
    {"LPOS", "one", "a", "RANK", "0"},
    {"LMPOP", "0", "one", "LEFT"},
    {"BLPOP", "new", "-1"},
};

const std::vector<Command> list_commands_that_wait{
    {"BLPOP", "new", long_list + "!", "new", "10"},
    {"BRPOP", long_list + "!", "0"},
    {"BLMPOP", "10", "2", "new", long_list + "!", "RIGHT", "COUNT", "5"},
    {"BLMOVE", "new", "one", "LEFT", "RIGHT", "10"},
    {"BRPOPLPUSH", "new", "one", "0"},
    {"BLMOVEM", "one", "new", "LEFT", "LEFT", "10", "EXACTLY", "2", "BULK"},
};

}  // namespace

TEST_CASE("a command of lists that runs out of memory throws and changes nothing",
          "[redis][lists][allocation]") {
    check_at_every_request<ListScene>(list_commands_to_run);
}

TEST_CASE("a command of lists that finds no memory to wait throws and does not wait",
          "[redis][lists][allocation]") {
    for (const Command& command : list_commands_that_wait) {
        DYNAMIC_SECTION(name_of(command)) {
            check_wait_at_every_request<ListScene>(command);
        }
    }
}

TEST_CASE("a wait that finds no memory when it is served ends, and leaves the elements to others",
          "[redis][lists][allocation]") {
    const auto waits = GENERATE(
        as<Command>{}, Command{"BLPOP", "new", "0"},
        Command{"BLMOVE", "new", long_list + "!", "LEFT", "RIGHT", "0"},
        Command{"BLMPOP", "0", "1", "new", "LEFT", "COUNT", "2"},
        Command{"BLMOVEM", "new", long_list + "!", "LEFT", "LEFT", "0", "EXACTLY", "2", "OBO"});
    const Command push{"RPUSH", "new", long_element, long_element};
    check_served_at_every_request<ListScene>(waits, push);
}
