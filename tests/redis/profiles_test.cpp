// SPDX-License-Identifier: MIT
// What a version of Redis does not have yet is refused or left out as it does.

#include <runnel/redis.hpp>

#include "support/catch.hpp"

#include <array>
#include <string>
#include <string_view>
#include <vector>

using namespace runnel::redis;

namespace {

using CommandWords = std::vector<std::string>;

// In their order.
constexpr std::array versions{Version::redis_7_0, Version::redis_7_2, Version::redis_7_4,
                              Version::redis_8_0, Version::redis_8_2, Version::redis_8_4,
                              Version::redis_8_6, Version::redis_8_8, Version::redis_8_10};

// A client of a server with a stream, of which something is pending, a list, a string and a hash.
class ClientOfVersion {
public:
    explicit ClientOfVersion(Version version) : server_{{.version = version}} {
        execute({"XADD", "s", "1-1", "f", "v"});
        execute({"XADD", "s", "2-1", "f", "v"});
        execute({"XGROUP", "CREATE", "s", "g", "0"});
        execute({"XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "s", ">"});
        execute({"RPUSH", "l", "1", "2", "3"});
        execute({"SET", "t", "x"});
        execute({"HSET", "h", "f", "v"});
    }

    Reply execute(const CommandWords& words) { return *session_.execute(words); }

private:
    Server server_;
    Session session_{server_};
};

struct NewCommand {
    Version since;
    CommandWords words;
};

// With the error of a version that does not have it.
struct NewOption {
    Version since;
    CommandWords words;
    std::string before;
};

const std::vector<NewCommand> new_commands{
    {Version::redis_7_2, {"CLIENT", "SETINFO", "LIB-NAME", "x"}},
    {Version::redis_7_2, {"CLIENT", "NO-TOUCH", "on"}},
    {Version::redis_8_2, {"XDELEX", "s", "IDS", "1", "1-1"}},
    {Version::redis_8_2, {"XACKDEL", "s", "g", "IDS", "1", "1-1"}},
    {Version::redis_8_4, {"DIGEST", "t"}},
    {Version::redis_8_4, {"DELEX", "t"}},
    {Version::redis_8_6, {"XCFGSET", "s", "IDMP-MAXSIZE", "10"}},
    {Version::redis_8_6, {"XIDMPRECORD", "s", "p", "i", "1-1"}},
    {Version::redis_8_8, {"XNACK", "s", "g", "FAIL", "IDS", "1", "1-1"}},
    {Version::redis_8_10, {"LMOVEM", "l", "m", "LEFT", "RIGHT", "COUNT", "2", "OBO"}},
    {Version::redis_8_10, {"BLMOVEM", "l", "m", "LEFT", "RIGHT", "0", "COUNT", "2", "OBO"}},
};

const std::string bad_id = "ERR Invalid stream ID specified as stream command argument";
const std::string bad_syntax = "ERR syntax error";

const std::vector<NewOption> new_options{
    {Version::redis_7_2,
     {"ZRANK", "z", "a", "WITHSCORE"},
     "ERR wrong number of arguments for 'zrank' command"},
    {Version::redis_7_2,
     {"ZREVRANK", "z", "a", "WITHSCORE"},
     "ERR wrong number of arguments for 'zrevrank' command"},
    {Version::redis_7_4, {"XREAD", "STREAMS", "s", "+"}, bad_id},
    {Version::redis_7_4, {"CLIENT", "KILL", "MAXAGE", "1000"}, bad_syntax},
    {Version::redis_7_4, {"HSCAN", "h", "0", "NOVALUES"}, bad_syntax},
    {Version::redis_8_2, {"XADD", "s", "KEEPREF", "MAXLEN", "9", "*", "f", "v"}, bad_id},
    {Version::redis_8_2, {"XADD", "s", "MAXLEN", "9", "DELREF", "*", "f", "v"}, bad_id},
    {Version::redis_8_2, {"XADD", "s", "MAXLEN", "9", "ACKED", "*", "f", "v"}, bad_id},
    {Version::redis_8_2, {"XTRIM", "s", "MAXLEN", "9", "KEEPREF"}, bad_syntax},
    {Version::redis_8_2, {"XTRIM", "s", "MAXLEN", "9", "DELREF"}, bad_syntax},
    {Version::redis_8_2, {"XTRIM", "s", "MAXLEN", "9", "ACKED"}, bad_syntax},
    {Version::redis_8_4,
     {"XREADGROUP", "GROUP", "g", "c", "CLAIM", "0", "STREAMS", "s", ">"},
     bad_syntax},
    {Version::redis_8_4, {"SET", "t", "y", "IFEQ", "x"}, bad_syntax},
    {Version::redis_8_4, {"SET", "t", "y", "IFNE", "z"}, bad_syntax},
    {Version::redis_8_4, {"SET", "t", "y", "IFDEQ", "0123456789abcdef"}, bad_syntax},
    {Version::redis_8_4, {"SET", "t", "y", "IFDNE", "0123456789abcdef"}, bad_syntax},
    {Version::redis_8_6, {"XADD", "s", "IDMP", "p", "i", "*", "f", "v"}, bad_id},
    {Version::redis_8_6, {"XADD", "s", "IDMPAUTO", "p", "*", "f", "v"}, bad_id},
    {Version::redis_8_10, {"XREAD", "MAXCOUNT", "9", "STREAMS", "s", "0"}, bad_syntax},
    {Version::redis_8_10, {"XREAD", "MAXSIZE", "9", "STREAMS", "s", "0"}, bad_syntax},
    {Version::redis_8_10,
     {"XREADGROUP", "GROUP", "g", "c", "MAXCOUNT", "9", "STREAMS", "s", ">"},
     bad_syntax},
};

struct NewField {
    Version since;
    CommandWords words;
    std::string name;
};

const std::vector<NewField> new_fields{
    {Version::redis_7_2, {"XINFO", "CONSUMERS", "s", "g"}, "inactive"},
    {Version::redis_7_2, {"XINFO", "STREAM", "s", "FULL"}, "active-time"},
    {Version::redis_8_6, {"XINFO", "STREAM", "s"}, "idmp-duration"},
    {Version::redis_8_6, {"XINFO", "STREAM", "s"}, "idmp-maxsize"},
    {Version::redis_8_6, {"XINFO", "STREAM", "s"}, "pids-tracked"},
    {Version::redis_8_6, {"XINFO", "STREAM", "s"}, "iids-tracked"},
    {Version::redis_8_6, {"XINFO", "STREAM", "s"}, "iids-added"},
    {Version::redis_8_6, {"XINFO", "STREAM", "s"}, "iids-duplicates"},
    {Version::redis_8_8, {"XINFO", "STREAM", "s", "FULL"}, "nacked-count"},
};

bool is_unknown(const Reply& reply) {
    return reply.is_error() && reply.text().starts_with("ERR unknown ");
}

}  // namespace

TEST_CASE("a version does not know the commands that came after it", "[redis][profiles]") {
    for (const NewCommand& command : new_commands)
        for (const Version version : versions) {
            CAPTURE(command.words, to_string(version));
            ClientOfVersion client{version};
            const Reply reply = client.execute(command.words);
            if (version < command.since)
                CHECK(is_unknown(reply));
            else
                CHECK_FALSE(reply.is_error());
        }
}

TEST_CASE("a version does not know the options that came after it", "[redis][profiles]") {
    for (const NewOption& option : new_options)
        for (const Version version : versions) {
            CAPTURE(option.words, to_string(version));
            ClientOfVersion client{version};
            const Reply reply = client.execute(option.words);
            if (version < option.since)
                CHECK(reply == Reply::error(option.before));
            else
                CHECK_FALSE(reply.is_error());
        }
}

TEST_CASE("a version leaves out the fields that came after it", "[redis][profiles]") {
    for (const NewField& field : new_fields)
        for (const Version version : versions) {
            CAPTURE(field.words, field.name, to_string(version));
            ClientOfVersion client{version};
            const std::string shown = to_string(client.execute(field.words));
            CHECK((shown.find('"' + field.name + '"') != std::string::npos) ==
                  (version >= field.since));
        }
}

TEST_CASE("a version leaves out the words of a text that came after it", "[redis][profiles]") {
    const std::vector<NewField> words{
        {Version::redis_7_2, {"CLIENT", "INFO"}, " lib-name="},
        {Version::redis_7_2, {"CLIENT", "LIST"}, " lib-ver="},
        {Version::redis_7_4, {"CLIENT", "LIST"}, " watch="},
        {Version::redis_8_0, {"CLIENT", "LIST"}, " io-thread="},
        {Version::redis_8_2, {"CLIENT", "INFO"}, " tot-cmds="},
        {Version::redis_7_4, {"INFO", "keyspace"}, ",subexpiry="},
        {Version::redis_7_4, {"INFO", "clients"}, "watching_clients:"},
    };
    for (const NewField& word : words)
        for (const Version version : versions) {
            CAPTURE(word.words, word.name, to_string(version));
            ClientOfVersion client{version};
            const std::string text = client.execute(word.words).text();
            CHECK((text.find(word.name) != std::string::npos) == (version >= word.since));
        }
}

TEST_CASE("HELLO is refused in the words of the version", "[redis][profiles]") {
    for (const Version version : versions) {
        CAPTURE(to_string(version));
        Server server{{.version = version, .password = "secret"}};
        Session session{server};
        const std::string text{session.execute({"HELLO", "3"})->text()};
        CHECK((text.find("HELLO AUTH <user>") != std::string::npos) ==
              (version < Version::redis_7_2));
        CHECK((text.find("HELLO <proto> AUTH <user>") != std::string::npos) ==
              (version >= Version::redis_7_2));
    }
}

TEST_CASE("before 7.2, HELLO carries out its options as it reads them", "[redis][profiles]") {
    const std::string bad_user = "WRONGPASS invalid username-password pair or user is disabled.";
    for (const Version version : versions) {
        CAPTURE(to_string(version));
        const bool at_once = version < Version::redis_7_2;
        const auto refusal = [&](const CommandWords& words, bool* is_in = nullptr,
                                 std::string* name = nullptr) {
            Server server{{.version = version, .password = "secret"}};
            Session session{server};
            const Reply reply = session.execute(words).value();
            if (is_in != nullptr) *is_in = !session.execute({"PING"})->is_error();
            session.execute({"AUTH", "secret"});
            if (name != nullptr) *name = to_string(*session.execute({"CLIENT", "GETNAME"}));
            return reply.is_error() ? std::string{reply.text()} : std::string{};
        };
        const std::string bad_option = "ERR Syntax error in HELLO option 'FOO'";
        bool is_in = false;
        CHECK(refusal({"HELLO", "3", "AUTH", "default", "secret", "FOO"}, &is_in) == bad_option);
        CHECK(is_in == at_once);
        CHECK(refusal({"HELLO", "3", "AUTH", "default", "bad", "FOO"}) ==
              (at_once ? bad_user : bad_option));
        CHECK(refusal({"HELLO", "3", "AUTH", "default", "bad", "AUTH", "default", "secret"}) ==
              (at_once ? bad_user : ""));
        std::string name;
        CHECK(refusal({"HELLO", "3", "SETNAME", "x", "AUTH", "default", "bad"}, nullptr, &name) ==
              bad_user);
        CHECK(name == (at_once ? "\"x\"" : "(nil)"));
    }
}

TEST_CASE("a version does not know the parameters that came after it", "[redis][profiles]") {
    for (const Version version : versions) {
        CAPTURE(to_string(version));
        ClientOfVersion client{version};
        const bool knows = version >= Version::redis_8_6;
        CHECK(client.execute({"CONFIG", "GET", "stream-idmp-duration"}).elements().empty() !=
              knows);
        CHECK(client.execute({"CONFIG", "SET", "stream-idmp-maxsize", "7"}).is_error() != knows);
    }
}

TEST_CASE("a server names the version that it stands for", "[redis][profiles]") {
    const auto named = [](Version version) {
        const Reply hello = ClientOfVersion{version}.execute({"HELLO"});
        return hello[1].text() + ' ' + hello[3].text();
    };
    CHECK(named(Version::redis_7_0) == "redis 7.0.15");
    CHECK(named(Version::redis_8_10) == "redis 8.10.0");
    CHECK(named(Version::valkey_8) == "valkey 8.0.0");
    CHECK(named(Version::valkey_9) == "valkey 9.0.0");
}

TEST_CASE("Valkey has what Redis 7.2 has", "[redis][profiles]") {
    for (const Version version : {Version::valkey_8, Version::valkey_9}) {
        ClientOfVersion client{version};
        CHECK(to_string(client.execute({"XINFO", "CONSUMERS", "s", "g"})).find("inactive") !=
              std::string::npos);
        CHECK(client.execute({"XREAD", "STREAMS", "s", "+"}) == Reply::error(bad_id));
        for (const NewCommand& command : new_commands)
            CHECK(is_unknown(client.execute(command.words)) ==
                  (command.since > Version::redis_7_2));
    }
}

TEST_CASE("a version is named by its number", "[redis][profiles]") {
    using runnel::redis::detail::version_like;
    STATIC_REQUIRE(version_like("7.0.15") == Version::redis_7_0);
    STATIC_REQUIRE(version_like("7.2.4") == Version::redis_7_2);
    STATIC_REQUIRE(version_like("7.9.227") == Version::redis_7_4);
    STATIC_REQUIRE(version_like("8.10.1") == Version::redis_8_10);
    STATIC_REQUIRE(version_like("9.0.0") == Version::redis_8_10);
    STATIC_REQUIRE(version_like("6.2.7") == Version::redis_7_0);
    STATIC_REQUIRE(version_like("x") == Version::redis_7_0);
    STATIC_REQUIRE(version_like("8.1.3", "valkey") == Version::valkey_8);
    STATIC_REQUIRE(version_like("9.0.0", "valkey") == Version::valkey_9);
    STATIC_REQUIRE(version_like("7.2.8", "valkey") == Version::valkey_8);
}
