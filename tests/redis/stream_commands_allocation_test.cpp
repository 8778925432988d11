// SPDX-License-Identifier: MIT
// Commands of streams that run out of memory: they throw, and have changed nothing.

#include <runnel/redis.hpp>

#include "support/catch.hpp"
#include "support/commands_without_memory.hpp"

#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

using namespace runnel::test;
using runnel::redis::Reply;

namespace {

// Longer than what a std::string holds without memory of its own.
const std::string long_stream = "a name that is longer than a short one";
const std::string long_field = "a value that is longer than a short one";
const std::string new_name = "a new name that is longer than a short one";

// `s`: entries 1-0 to 20-0, which fill two nodes, and two groups. `t`: an entry, and what a
// producer has sent. `e`: empty.
class ShortScene {
public:
    ShortScene() {
        for (int number = 1; number <= 20; ++number)
            execute({"XADD", "s", std::to_string(number), "f", long_field});
        execute({"XGROUP", "CREATE", "s", "g", "0"});
        execute({"XGROUP", "CREATE", "s", long_stream, "0"});
        execute({"XREADGROUP", "GROUP", "g", "alice", "STREAMS", "s", ">"});
        execute(
            {"XREADGROUP", "GROUP", long_stream, long_stream, "COUNT", "5", "STREAMS", "s", ">"});
        execute({"XACK", "s", "g", "3", "4"});
        execute({"XADD", "t", "IDMP", "p", long_field, "*", "f", "v"});
        execute({"XADD", "t", "IDMPAUTO", long_stream, "*", "f", long_field});
        execute({"XADD", "e", "MAXLEN", "0", "1", "f", "v"});
    }

    std::optional<Reply> execute(const Command& command) { return session_.execute(command); }

    std::string state() {
        std::ostringstream text;
        for (const std::string_view name : {std::string_view{"s"}, std::string_view{"t"},
                                            std::string_view{"e"}, std::string_view{new_name}})
            text << *session_.execute({"EXISTS", name})
                 << *session_.execute({"XINFO", "STREAM", name, "FULL", "COUNT", "0"}) << '\n';
        text << *session_.execute({"DBSIZE"});
        return text.str();
    }

private:
    runnel::redis::Server server_{{.stream_node_max_entries = 10}};
    runnel::redis::Session session_{server_};
};

const std::vector<Command> commands_to_run{
    {"XADD", "s", "*", "f", "v"},
    {"XADD", "s", "*", long_stream, long_field, "f", long_field},
    {"XADD", "s", "MAXLEN", "3", "*", "f", "v"},
    {"XADD", "s", "MINID", "~", "11", "DELREF", "*", "f", "v"},
    {"XADD", "e", "*", "f", "v"},
    {"XADD", "e", "99-*", long_stream, long_field},
    {"XADD", new_name, "5-0", long_stream, long_field},
    {"XADD", new_name, "NOMKSTREAM", "5-0", long_stream, long_field},
    {"XADD", "t", "IDMP", "p", "i", "*", "f", long_field},
    {"XADD", "t", "IDMP", long_stream + "!", long_field, "*", "f", long_field},
    {"XADD", "t", "IDMP", "p", long_field, "*", "f", long_field},
    {"XADD", "t", "IDMPAUTO", long_stream, "*", "f", "v", "a", long_field},
    {"XADD", "t", "IDMPAUTO", long_stream, "*", "f", long_field},
    {"XADD", new_name, "IDMP", "p", "i", "MAXLEN", "0", "*", "f", long_field},
    {"XLEN", "s"},
    {"XRANGE", "s", "-", "+"},
    {"XREVRANGE", "s", "+", "(3", "COUNT", "4"},
    {"XRANGE", "no", "-", "+"},
    {"XDEL", "s", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"},
    {"XDEL", "s", "15", "15", "99"},
    {"XTRIM", "s", "MAXLEN", "~", "5"},
    {"XTRIM", "s", "MAXLEN", "5", "DELREF"},
    {"XTRIM", "s", "MINID", "20", "ACKED"},
    {"XDELEX", "s", "DELREF", "IDS", "3", "1", "2", "15"},
    {"XDELEX", "s", "ACKED", "IDS", "3", "3", "4", "15"},
    {"XDELEX", "no", "IDS", "3", "3", "4", "15"},
    {"XACKDEL", "s", "g", "DELREF", "IDS", "3", "1", "2", "15"},
    {"XACKDEL", "s", "g", "IDS", "3", "1", "2", "15"},
    {"XACKDEL", "s", long_stream, "ACKED", "IDS", "3", "1", "3", "15"},
    {"XSETID", "s", "99", "ENTRIESADDED", "20", "MAXDELETEDID", "98"},
    {"XCFGSET", "t", "IDMP-MAXSIZE", "5", "IDMP-DURATION", "9"},
    {"XIDMPRECORD", "t", long_stream, "i", "1700000000000-0"},
    {"XIDMPRECORD", "t", "new", long_field, "1700000000000-0"},
    {"XIDMPRECORD", "t", "p", long_field, "1700000000000-0"},
    {"XINFO", "STREAM", "s"},
    {"XINFO", "STREAM", "s", "FULL"},
    {"XINFO", "GROUPS", "s"},
    {"XINFO", "CONSUMERS", "s", long_stream},
    {"XINFO", "HELP"},
    {"COPY", "s", new_name},
    {"COPY", "t", new_name},
    // Refused.
    {"XADD", "s", "5", "f", "v"},
    {"XADD", new_name, "0-0", "f", "v"},
    {"XDEL", "s", "1", "bad"},
    {"XRANGE", "s", "-", "(0-0"},
    {"XTRIM", "s", "MAXLEN", "5", "LIMIT", "5"},
    {"XDELEX", "s", "IDS", "2", "1", "bad"},
    {"XSETID", "s", "1"},
    {"XCFGSET", "t", "IDMP-MAXSIZE", "0"},
    {"XIDMPRECORD", "t", "p", long_field, "1700000000000-1"},
    {"XINFO", "CONSUMERS", "s", "no"},
};

}  // namespace

TEST_CASE("a command of streams that runs out of memory throws and changes nothing",
          "[redis][streams][allocation]") {
    check_at_every_request<ShortScene>(commands_to_run);
}
