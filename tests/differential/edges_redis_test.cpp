// SPDX-License-Identifier: MIT
// Integers at the limits, in each place of each command that takes one: the fake says what a real
// Redis says, and has changed what that has changed.

#include <runnel/redis.hpp>

#include "support/catch.hpp"
#include "support/redis_server.hpp"

#include <array>
#include <cstddef>
#include <regex>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace fake = runnel::redis;
using runnel::test::RedisServer;
using runnel::test::Reply;
using Words = std::vector<std::string>;

namespace {

constexpr auto edges = std::to_array<std::string_view>({"0",
                                                        "1",
                                                        "-1",
                                                        "2",
                                                        "-2",
                                                        "2147483647",
                                                        "2147483648",
                                                        "-2147483648",
                                                        "-2147483649",
                                                        "4294967295",
                                                        "4294967296",
                                                        "9223372036854775807",
                                                        "9223372036854775808",
                                                        "-9223372036854775807",
                                                        "-9223372036854775808",
                                                        "-9223372036854775809",
                                                        "18446744073709551615",
                                                        "18446744073709551616",
                                                        "9223372036854775",
                                                        "-0",
                                                        "+1",
                                                        "01",
                                                        " 1",
                                                        "1 ",
                                                        "1.0",
                                                        "1e3",
                                                        "0x10",
                                                        "",
                                                        "x",
                                                        "nan",
                                                        "inf",
                                                        "-inf",
                                                        "1,000"});

// Each `#` stands for an integer.
const std::vector<Words> forms{
    {"LPOP", "l", "#"},
    {"RPOP", "l", "#"},
    {"LRANGE", "l", "#", "-1"},
    {"LRANGE", "l", "0", "#"},
    {"LINDEX", "l", "#"},
    {"LSET", "l", "#", "y"},
    {"LREM", "l", "#", "a"},
    {"LTRIM", "l", "#", "-1"},
    {"LTRIM", "l", "0", "#"},
    {"LPOS", "l", "a", "RANK", "#"},
    {"LPOS", "l", "a", "COUNT", "#"},
    {"LPOS", "l", "a", "MAXLEN", "#"},
    {"LMPOP", "#", "l", "LEFT"},
    {"LMPOP", "1", "l", "LEFT", "COUNT", "#"},
    {"XADD", "x", "MAXLEN", "#", "9-0", "f", "v"},
    {"XADD", "x", "MAXLEN", "~", "2", "LIMIT", "#", "9-0", "f", "v"},
    {"XADD", "x", "#", "f", "v"},
    {"XADD", "x", "#-*", "f", "v"},
    {"XTRIM", "x", "MAXLEN", "#"},
    {"XTRIM", "x", "MINID", "#"},
    {"XTRIM", "x", "MAXLEN", "~", "0", "LIMIT", "#"},
    {"XRANGE", "x", "#", "+"},
    {"XRANGE", "x", "-", "#"},
    {"XRANGE", "x", "(#", "+"},
    {"XRANGE", "x", "-", "+", "COUNT", "#"},
    {"XREVRANGE", "x", "+", "-", "COUNT", "#"},
    {"XDEL", "x", "#"},
    {"XSETID", "x", "9-0", "ENTRIESADDED", "#", "MAXDELETEDID", "1-0"},
    {"XSETID", "x", "9-0", "ENTRIESADDED", "9", "MAXDELETEDID", "#"},
    {"XREAD", "COUNT", "#", "STREAMS", "x", "0"},
    {"XREAD", "STREAMS", "x", "#"},
    {"XREADGROUP", "GROUP", "g", "c", "COUNT", "#", "STREAMS", "x", ">"},
    {"XREADGROUP", "GROUP", "g", "c", "STREAMS", "x", "#"},
    {"XGROUP", "SETID", "x", "g", "#"},
    {"XGROUP", "SETID", "x", "g", "0", "ENTRIESREAD", "#"},
    {"XGROUP", "CREATE", "x", "h", "#"},
    {"XGROUP", "CREATE", "x", "h", "0", "ENTRIESREAD", "#"},
    {"XACK", "x", "g", "#"},
    {"XPENDING", "x", "g", "-", "+", "#"},
    {"XPENDING", "x", "g", "IDLE", "#", "-", "+", "9"},
    {"XCLAIM", "x", "g", "c", "#", "1-0"},
    {"XCLAIM", "x", "g", "c", "0", "1-0", "RETRYCOUNT", "#"},
    {"XCLAIM", "x", "g", "c", "0", "1-0", "LASTID", "#"},
    {"XAUTOCLAIM", "x", "g", "c", "#", "0"},
    {"XAUTOCLAIM", "x", "g", "c", "0", "#"},
    {"XAUTOCLAIM", "x", "g", "c", "0", "0", "COUNT", "#"},
    {"XINFO", "STREAM", "y", "FULL", "COUNT", "#"},
    {"INCRBY", "n", "#"},
    {"DECRBY", "n", "#"},
    {"INCRBYFLOAT", "n", "#"},
    {"GETRANGE", "n", "#", "-1"},
    {"GETRANGE", "n", "0", "#"},
    {"SETRANGE", "n", "#", "x"},
    {"SETRANGE", "n", "#", ""},
    {"HINCRBY", "h", "n", "#"},
    {"HSCAN", "h", "0", "COUNT", "#"},
    {"HSCAN", "none", "0", "COUNT", "#"},
    {"HINCRBYFLOAT", "h", "n", "#"},
    {"HRANDFIELD", "none", "#"},
    {"HRANDFIELD", "none", "#", "WITHVALUES"},
    {"SPOP", "none", "#"},
    {"SRANDMEMBER", "none", "#"},
    {"EXPIRE", "none", "#"},
    {"PEXPIRE", "none", "#"},
    {"EXPIREAT", "none", "#"},
    {"PEXPIREAT", "none", "#"},
    {"SELECT", "#"},
    {"MOVE", "n", "#"},
    {"COPY", "n", "m", "DB", "#"},
    {"SWAPDB", "9", "#"},
    {"CLIENT", "UNBLOCK", "#"},
    {"HELLO", "#"},
    {"BLPOP", "l", "#"},
    {"BLMPOP", "#", "1", "l", "LEFT"},
    {"BLMPOP", "0", "#", "l", "LEFT"},
    {"BLMOVE", "l", "m", "LEFT", "LEFT", "#"},
    {"XREAD", "BLOCK", "#", "STREAMS", "x", "0"},
};

const std::vector<Words> setting{
    {"FLUSHALL"},
    {"RPUSH", "l", "a", "b", "a", "c"},
    {"XADD", "x", "1-0", "f", "v"},
    {"XADD", "x", "2-0", "f", "v"},
    {"XADD", "x", "3-0", "f", "v"},
    {"XADD", "y", "1-0", "f", "v"},
    {"XGROUP", "CREATE", "x", "g", "0"},
    {"XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "x", ">"},
    {"XCLAIM", "x", "g", "c", "0", "1-0", "IDLE", "5000"},
    {"SET", "n", "7"},
    {"HSET", "h", "n", "7"},
};

const std::vector<Words> looks{
    {"KEYS", "l"},  // the order of KEYS is any: one at a time
    {"LRANGE", "l", "0", "-1"},
    {"LRANGE", "m", "0", "-1"},
    {"XRANGE", "x", "-", "+"},
    {"XINFO", "STREAM", "x"},
    {"XINFO", "GROUPS", "x"},
    {"XPENDING", "x", "g"},
    {"GET", "n"},
    {"GET", "m"},
    {"HGETALL", "h"},
    {"DBSIZE"},
};

// As the real one prints it.
std::string printed(const Reply& reply) {
    std::ostringstream out;
    out << reply;
    return out.str();
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the reply is
Reply as_real(const fake::Reply& reply) {
    using Kind = fake::Reply::Kind;
    switch (reply.kind()) {
    case Kind::simple_string:
        return runnel::test::status_reply(reply.text());
    case Kind::error:
        return runnel::test::error_reply(reply.text());
    case Kind::integer:
        return runnel::test::integer_reply(reply.integer());
    case Kind::bulk_string:
        return runnel::test::string_reply(reply.text());
    case Kind::array: {
        std::vector<Reply> elements;
        for (const fake::Reply& element : reply.elements()) elements.push_back(as_real(element));
        return runnel::test::array_reply(std::move(elements));
    }
    default:
        return runnel::test::nil_reply();
    }
}

// Without the numbers that depend on the moment, the server or on what Redis has changed since 7.0:
// the idle time of an entry that is pending, and how far a group has read.
std::string comparable(const Words& words, const Reply& reply) {
    std::string text = printed(reply);
    if (words[0] == "HELLO" && reply.kind == Reply::Kind::array) return "an array";
    if (words[0] == "XPENDING" && words.size() > 3)
        return std::regex_replace(text, std::regex{R"("c", :\d+)"}, R"("c", :…)");
    if (words[0] != "XINFO") return text;
    static const std::regex how_far{R"x("(lag|entries-read)", (:-?\d+|nil))x"};
    return std::regex_replace(text, how_far, "$1: …");
}

// What Redis refuses since 7.2, and 7.0 did not: the least number as a count, times after all time.
// And a COUNT for which a real server has too little memory.
bool has_changed(const Reply& real, const Reply& other) {
    const auto has = [](const Reply& reply, std::string_view text) {
        return reply.kind == Reply::Kind::error && reply.text.starts_with(text);
    };
    if (has(real, "ERR Insufficient memory")) return true;
    if (has(real, "ERR timeout is") && has(other, "ERR timeout is")) return true;
    return real.kind != Reply::Kind::error &&
           (has(other, "ERR timeout is out of range") ||
            has(other, "ERR value is out of range, value must between"));
}

std::vector<Words> with_each_edge() {
    std::vector<Words> all;
    for (const Words& form : forms)
        for (const std::string_view edge : edges) {
            Words words = form;
            for (std::string& word : words)
                if (const auto at = word.find('#'); at != std::string::npos)
                    word.replace(at, 1, edge);
            all.push_back(std::move(words));
        }
    return all;
}

}  // namespace

TEST_CASE("an integer at the limits means what it means to a real Redis", "[redis][hostile]") {
    RedisServer real;
    fake::Server server{{.version = fake::Version::redis_7_0}};
    std::size_t errors = 0;
    std::size_t changed = 0;
    for (const Words& words : with_each_edge()) {
        std::vector<Words> commands = setting;
        commands.push_back(words);
        commands.insert(commands.end(), looks.begin(), looks.end());
        commands.push_back({"RESET"});
        const std::vector<Reply> said = real.pipeline(commands);
        fake::Session session{server};
        for (std::size_t at = 0; at != commands.size(); ++at) {
            const Reply other = as_real(session.execute(commands[at]).value());
            if (at == setting.size() && has_changed(said[at], other)) {
                ++changed;
                break;
            }
            const std::string wanted = comparable(commands[at], said[at]);
            const std::string got = comparable(commands[at], other);
            if (got == wanted) continue;
            CAPTURE(words, commands[at]);
            CHECK(got == wanted);
        }
        errors += said[setting.size()].kind == Reply::Kind::error ? 1U : 0U;
    }
    CHECK(errors > 500);
    CHECK(changed < 100);
}
