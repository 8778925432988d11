// SPDX-License-Identifier: MIT
// redis-cli talks to the fake, and prints what it prints of a real Redis.

#include <runnel/clock.hpp>
#include <runnel/redis.hpp>
#include <runnel/redis/serve_fd.hpp>

#include "support/catch.hpp"
#include "support/redis_server.hpp"

#include <array>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

using runnel::test::RedisServer;

namespace {

// A line of it is a command.
constexpr std::string_view session = R"(PING
PING "two words"
ECHO "a\tb\x00c"
SET greeting hello EX 100
GET greeting
APPEND greeting " world"
GET greeting
STRLEN greeting
INCR sold
INCRBY sold 41
INCRBYFLOAT sold 0.5
SET none x XX
TTL none
TYPE greeting
RPUSH jobs a b c d
LRANGE jobs 0 -1
LINDEX jobs 1
LINSERT jobs BEFORE b between
LPOP jobs 2
LMOVE jobs done LEFT RIGHT
LPOS jobs d
BLPOP jobs 0
BRPOP none jobs 0
BLPOP none 0.01
BLMPOP 0.01 1 none LEFT
LRANGE none 0 -1
GET jobs
LPUSH greeting x
SADD colours blue
SISMEMBER colours blue
SMEMBERS colours
HSET shop till 1 door 2
HGETALL shop
HINCRBY shop till 4
HGET shop window
ZADD places 1.5 first 2 second inf last
ZRANGE places 0 -1 WITHSCORES
ZSCORE places first
ZRANGEBYSCORE places (1.5 +inf LIMIT 0 1
XADD orders 1-1 item apple
XADD orders 1-2 item pear price 3
XADD orders 1-1 item late
XRANGE orders - +
XLEN orders
XGROUP CREATE orders billing 0
XGROUP CREATE orders billing 0
XREADGROUP GROUP billing till COUNT 1 STREAMS orders >
XREADGROUP GROUP billing till STREAMS orders 0
XREADGROUP GROUP none till STREAMS orders >
XPENDING orders billing
XACK orders billing 1-1
XREAD COUNT 2 STREAMS orders 0
XTRIM orders MAXLEN 1
XINFO GROUPS orders
MULTI
INCR sold
INCR counted
GET counted
EXEC
MULTI
NONSENSE
EXEC
PUBLISH news hello
CLIENT SETNAME me
CLIENT GETNAME
SELECT 1
DBSIZE
SELECT 99
SELECT 0
DEL jobs done
EXISTS greeting sold nothing
OBJECT ENCODING sold
GETDEL greeting
NONSENSE with arguments
CLIENT NONSENSE
QUIT
)";

// A file with the commands, for the time of a test.
class Script {
public:
    explicit Script(std::string_view text) {
        std::string name = std::filesystem::temp_directory_path() / "runnel-script-XXXXXX";
        const int made = mkstemp(name.data());
        if (made < 0) throw std::runtime_error{"no file for a script"};
        close(made);
        path_ = name;
        std::ofstream{path_} << text;
    }
    Script(const Script&) = delete;
    Script& operator=(const Script&) = delete;
    ~Script() { std::filesystem::remove(path_); }

    [[nodiscard]] std::string path() const { return path_; }

private:
    std::filesystem::path path_;
};

// How long a command took, which redis-cli prints of slow ones: "(0.51s)".
bool is_time(std::string_view line) {
    return line.starts_with('(') && line.ends_with("s)") &&
           line.substr(1, line.size() - 3).find_first_not_of("0123456789.") ==
               std::string_view::npos;
}

std::string without_times(const std::string& text) {
    std::string rest;
    std::istringstream lines{text};
    for (std::string line; std::getline(lines, line);)
        if (!is_time(line)) rest += line + '\n';
    return rest;
}

// What redis-cli prints.
std::string printed(const std::string& socket, const std::string& options,
                    const std::string& script) {
    const std::string command =
        std::string{RUNNEL_REDIS_CLI} + " -s " + socket + ' ' + options + " < " + script + " 2>&1";
    const auto end = [](FILE* pipe) { pclose(pipe); };
    const std::unique_ptr<FILE, decltype(end)> pipe{popen(command.c_str(), "r"), end};
    if (!pipe) throw std::runtime_error{"no process for redis-cli"};
    std::string all;
    std::array<char, 4096> some{};
    while (const std::size_t size = fread(some.data(), 1, some.size(), pipe.get()))
        all.append(some.data(), size);
    return without_times(all);
}

std::size_t lines_in(std::string_view text) {
    std::size_t count = 0;
    for (const char letter : text) count += letter == '\n' ? 1 : 0;
    return count;
}

struct Both {
    // BLPOP none 0.01 ends by itself: the fake's time is the machine's.
    runnel::SystemClock clock{};
    runnel::redis::Server server{{.clock = &clock, .version = runnel::redis::Version::redis_7_0}};
    runnel::redis::FdServer clients{server};
    std::string socket = clients.listen();
    RedisServer redis{};
};

}  // namespace

TEST_CASE("redis-cli prints of a session with the fake what it prints of one with Redis 7.0",
          "[redis][fd]") {
    REQUIRE(lines_in(session) >= 60);
    const std::string options = GENERATE("", "--no-raw", "-3", "-3 --no-raw", "--csv");
    Both both;
    const runnel::test::RedisVersion version = both.redis.version();
    if (version[0] != 7 || version[1] != 0) WARN("the Redis here is not of version 7.0");
    const Script script{session};
    const std::string of_fake = printed(both.socket, options, script.path());
    const std::string of_redis = printed(both.redis.socket(), options, script.path());
    CAPTURE(options);
    CHECK(of_fake == of_redis);
    CHECK(lines_in(of_fake) > 60);
    CHECK(both.server.unsupported() == std::vector<std::string>{"CLIENT NONSENSE", "NONSENSE"});
}

TEST_CASE("redis-cli sends what it reads, a thousand commands in one piece", "[redis][fd]") {
    Both both;
    std::string commands;
    for (int number = 0; number != 1000; ++number) commands.append("INCR n\n");
    const Script script{commands};
    const std::string of_fake = printed(both.socket, "--pipe", script.path());
    CHECK(of_fake == printed(both.redis.socket(), "--pipe", script.path()));
    CHECK(of_fake.find("errors: 0, replies: 1000") != std::string::npos);
}
