// SPDX-License-Identifier: MIT
// The support for comparing with a real Redis, not Redis.

#include "support/catch.hpp"
#include "support/redis_server.hpp"

#include <array>
#include <cerrno>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <signal.h>
#include <sstream>
#include <stdexcept>
#include <string>
#include <sys/types.h>
#include <utility>
#include <vector>

using namespace runnel::test;

namespace {

std::string printed(const Reply& reply) {
    std::ostringstream out;
    out << reply;
    return out.str();
}

/// What a server says that does not start with `options`.
std::string failure_with(const RedisServer::Words& options) {
    try {
        RedisServer server{options};
    } catch (const std::runtime_error& error) {
        return error.what();
    }
    return {};
}

/// What a server leaves behind if it leaves anything.
struct Traces {
    explicit Traces(RedisServer& server)
        : folder{server.command({"CONFIG", "GET", "dir"}).elements.at(1).text} {
        const std::string info = server.command({"INFO", "server"}).text;
        const std::string before = "process_id:";
        process = static_cast<pid_t>(std::stol(info.substr(info.find(before) + before.size())));
    }

    [[nodiscard]] bool has_process() const { return kill(process, 0) == 0 || errno != ESRCH; }
    [[nodiscard]] bool has_folder() const { return std::filesystem::exists(folder); }

    std::filesystem::path folder;
    pid_t process = 0;
};

}  // namespace

TEST_CASE("a server answers", "[redis_server]") {
    RedisServer server;
    CHECK(server.command({"PING"}) == status_reply("PONG"));
    CHECK(server.command({"PING", "hello"}) == string_reply("hello"));
}

TEST_CASE("the server is a Redis 7 or later", "[redis_server]") {
    RedisServer server;
    CHECK(server.version() >= std::array{7, 0, 0});
}

TEST_CASE("what is added to a stream is read back", "[redis_server]") {
    RedisServer server;
    CHECK(server.command({"XADD", "s", "1-1", "a", "x"}) == string_reply("1-1"));
    CHECK(server.command({"XADD", "s", "2-0", "b", "y"}) == string_reply("2-0"));
    CHECK(server.command({"XLEN", "s"}) == integer_reply(2));
    CHECK(
        server.command({"XRANGE", "s", "-", "+"}) ==
        array_reply({
            array_reply({string_reply("1-1"), array_reply({string_reply("a"), string_reply("x")})}),
            array_reply({string_reply("2-0"), array_reply({string_reply("b"), string_reply("y")})}),
        }));
    CHECK(server.command({"XRANGE", "nothing", "-", "+"}) == array_reply({}));
}

TEST_CASE("an error is a reply, and the server goes on", "[redis_server]") {
    RedisServer server;
    CHECK(server.command({"XADD", "s", "0-0", "a", "x"}) ==
          error_reply("ERR The ID specified in XADD must be greater than 0-0"));
    CHECK(server.command({"PING"}) == status_reply("PONG"));
}

TEST_CASE("either null is nil", "[redis_server]") {
    RedisServer server;
    CHECK(server.command({"GET", "nothing"}) == nil_reply());
    CHECK(server.command({"XREAD", "STREAMS", "nothing", "0"}) == nil_reply());
}

TEST_CASE("words are any bytes", "[redis_server]") {
    using namespace std::string_literals;
    RedisServer server;
    const std::string bytes = "a\0b\r\n\xff"s;
    CHECK(server.command({"ECHO", bytes}) == string_reply(bytes));
    CHECK(server.command({"ECHO", ""}) == string_reply(""));
}

TEST_CASE("the replies of a pipeline are in the order of its commands", "[redis_server]") {
    RedisServer server;
    constexpr std::size_t count = 10'000;
    std::vector<RedisServer::Words> commands;
    std::vector<Reply> expected;
    for (std::size_t i = 0; i < count; ++i) {
        commands.push_back({"ECHO", std::to_string(i)});
        expected.push_back(string_reply(std::to_string(i)));
    }
    commands.push_back({"NO-SUCH-COMMAND"});
    expected.push_back(
        error_reply("ERR unknown command 'NO-SUCH-COMMAND', with args beginning with: "));
    CHECK(server.pipeline(commands) == expected);
    CHECK(server.pipeline({}).empty());
}

TEST_CASE("a pipeline with a command without words sends nothing", "[redis_server]") {
    RedisServer server;
    CHECK_THROWS_AS(server.command({}), std::invalid_argument);
    CHECK_THROWS_AS(server.pipeline({{"RPUSH", "l", "a"}, {}}), std::invalid_argument);
    CHECK(server.command({"LLEN", "l"}) == integer_reply(0));
}

TEST_CASE("a server takes options at its start and later", "[redis_server]") {
    RedisServer server{{"--stream-node-max-entries", "3"}};
    const RedisServer::Words question{"CONFIG", "GET", "stream-node-max-entries"};
    const auto answer = [](const char* number) {
        return array_reply({string_reply("stream-node-max-entries"), string_reply(number)});
    };
    CHECK(server.command(question) == answer("3"));
    CHECK(server.command({"CONFIG", "SET", "stream-node-max-entries", "5"}) == status_reply("OK"));
    CHECK(server.command(question) == answer("5"));
}

TEST_CASE("a client that waits is answered once another one pushes", "[redis_server]") {
    RedisServer server;
    RedisClient client = server.connect();
    client.send({"BLPOP", "l", "0"});
    server.settle();
    CHECK(client.arrived() == std::nullopt);
    CHECK(server.command({"RPUSH", "l", "a"}) == integer_reply(1));
    server.settle();
    CHECK(client.arrived() == array_reply({string_reply("l"), string_reply("a")}));
    CHECK(client.arrived() == std::nullopt);
}

TEST_CASE("clients wait in the order in which they were sent to", "[redis_server]") {
    RedisServer server;
    std::vector<RedisClient> clients;
    for (int i = 0; i < 20; ++i) {
        clients.push_back(server.connect());
        clients.back().send({"BLPOP", "l", "0"});
        server.settle();
    }
    for (int i = 0; i < 20; ++i) {
        server.command({"RPUSH", "l", std::to_string(i)});
        server.settle();
        CHECK(clients.at(static_cast<std::size_t>(i)).arrived() ==
              array_reply({string_reply("l"), string_reply(std::to_string(i))}));
    }
}

TEST_CASE("a client gets what it did not ask for, in order", "[redis_server]") {
    RedisServer server;
    RedisClient client = server.connect();
    client.send({"SUBSCRIBE", "c"});
    server.settle();
    CHECK(client.arrived().has_value());
    CHECK(server.command({"PUBLISH", "c", "1"}) == integer_reply(1));
    CHECK(server.command({"PUBLISH", "c", "2"}) == integer_reply(1));
    server.settle();
    for (const char* const text : {"1", "2"})
        CHECK(client.arrived() ==
              array_reply({string_reply("message"), string_reply("c"), string_reply(text)}));
    CHECK(client.arrived() == std::nullopt);
}

TEST_CASE("two servers do not share keys", "[redis_server]") {
    RedisServer one;
    RedisServer other;
    CHECK(one.command({"SET", "k", "v"}) == status_reply("OK"));
    CHECK(other.command({"EXISTS", "k"}) == integer_reply(0));
}

TEST_CASE("a server that does not start says why", "[redis_server]") {
    const std::string why = failure_with({"--no-such-option", "1"});
    CHECK(why.find("Bad directive") != why.npos);
    CHECK(why.find("no-such-option") != why.npos);
}

TEST_CASE("a server that has gone is an exception, now and later", "[redis_server]") {
    RedisServer server;
    CHECK_THROWS_AS(server.command({"SHUTDOWN", "NOSAVE"}), std::runtime_error);
    CHECK_THROWS_AS(server.command({"PING"}), std::runtime_error);
}

TEST_CASE("a server killed between two commands is an exception", "[redis_server]") {
    RedisServer server;
    REQUIRE(kill(Traces{server}.process, SIGKILL) == 0);
    CHECK_THROWS_AS(server.pipeline(std::vector<RedisServer::Words>(100'000, {"PING"})),
                    std::runtime_error);
}

TEST_CASE("a server leaves neither process nor folder behind", "[redis_server]") {
    const Traces traces = [] {
        RedisServer server;
        Traces found{server};
        CHECK(found.has_process());
        CHECK(found.has_folder());
        return found;
    }();
    CHECK_FALSE(traces.has_process());
    CHECK_FALSE(traces.has_folder());
}

TEST_CASE("a reply prints as the specification writes it", "[redis_server]") {
    CHECK(printed(string_reply("a b")) == "\"a b\"");
    CHECK(printed(string_reply("\"\\\r\n\x01\xff")) == R"("\"\\\r\n\x01\xff")");
    CHECK(printed(status_reply("OK")) == "+OK");
    CHECK(printed(error_reply("ERR no such key")) == "-ERR no such key");
    CHECK(printed(integer_reply(-5)) == ":-5");
    CHECK(printed(nil_reply()) == "nil");
    CHECK(printed(array_reply({})) == "[]");
    CHECK(printed(array_reply({integer_reply(1), array_reply({nil_reply()}), string_reply("")})) ==
          R"([:1, [nil], ""])");
}

TEST_CASE("replies of different kinds differ", "[redis_server]") {
    CHECK(string_reply("OK") != status_reply("OK"));
    CHECK(string_reply("") != nil_reply());
    CHECK(array_reply({}) != nil_reply());
    CHECK(integer_reply(0) != nil_reply());
    CHECK(integer_reply(0) != integer_reply(1));
    CHECK(array_reply({integer_reply(1)}) != array_reply({integer_reply(2)}));
}
