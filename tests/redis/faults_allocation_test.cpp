// SPDX-License-Identifier: MIT
// Commands of a server that has faults and keeps a log, and that run out of memory: they throw, and
// have changed nothing.

#include <runnel/redis.hpp>

#include "support/catch.hpp"
#include "support/commands_without_memory.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <vector>

using namespace runnel::test;
using runnel::redis::Reply;

namespace {

const std::string long_word = "a value that is longer than a short one";

class ShortOfMemoryUnderFaults {
public:
    ShortOfMemoryUnderFaults() {
        look_.execute({"XADD", "stream", "1-0", "f", long_word});
        look_.execute({"XGROUP", "CREATE", "stream", "g", "0"});
        const auto faults = server_.faults();
        faults.on("GET").fail("LOADING Redis is loading the dataset in memory");
        faults.on("RPUSH").key("lost").lose_reply();
        faults.on("LPUSH").drop();
        faults.on("XREADGROUP").consumer(long_word).crash();
        faults.on("SETNX").delay(std::chrono::seconds{5});
        faults.on("XADD").step_clock(std::chrono::seconds{7});
        faults.on("BLPOP").lose_reply();
        server_.intercept(
            {.before = [](const runnel::redis::SentCommand&) { return std::optional<Reply>{}; },
             .after = [this](const runnel::redis::SentCommand&,
                             const std::optional<Reply>&) { ++told_; }});
    }

    // For what has no reply: whether it waits, or has lost its session.
    std::optional<Reply> execute(const Command& command) {
        auto pending = session_.submit(command);
        if (!pending.ready()) return Reply::simple_string("waits");
        const auto reply = pending.try_get();
        return reply ? *reply : Reply::simple_string("lost");
    }

    std::string state() {
        const std::string told = std::to_string(told_);
        server_.intercept({});
        std::string text = told + (session_.is_closed() ? " closed\n" : "\n");
        text += to_string(*look_.execute({"LRANGE", "lost", "0", "-1"})) + '\n';
        text += to_string(*look_.execute({"XINFO", "STREAM", "stream", "FULL"})) + '\n';
        text += to_string(*look_.execute({"KEYS", "*"})) + '\n';
        text += to_string(*look_.execute({"TIME"})) + '\n';
        for (const auto& waiting : server_.waiting()) text += waiting.words[0] + '\n';
        return text + server_.log_text();
    }

private:
    int told_ = 0;
    runnel::redis::Server server_{{.keep_commands = 20}};
    runnel::redis::Session session_{server_};
    runnel::redis::Session look_{server_};
};

const std::vector<Command> commands_under_faults{
    {"PING", long_word},
    {"GET", long_word},
    {"RPUSH", "lost", long_word},
    {"LPUSH", "lost", long_word},
    {"XREADGROUP", "GROUP", "g", long_word, "STREAMS", "stream", ">"},
    {"SETNX", "new", long_word},
    {"BLPOP", "empty", long_word, "0"},
    {"XADD", "stream", "5-0", "f", long_word},
    {"SUBSCRIBE", long_word},
};

}  // namespace

TEST_CASE("a command under faults that runs out of memory throws and changes nothing",
          "[redis][faults][allocation]") {
    check_at_every_request<ShortOfMemoryUnderFaults>(commands_under_faults);
}
