// SPDX-License-Identifier: MIT
// What the commands of a connection do.

#include <runnel/redis.hpp>

#include "support/catch.hpp"
#include "support/fake_replies.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;
using runnel::redis::Reply;
using runnel::redis::Server;
using runnel::redis::Session;
using runnel::test::bulk;

namespace {

Reply ok() {
    return Reply::simple_string("OK");
}
Reply error(std::string_view text) {
    return Reply::error(std::string{text});
}

// Two clients of a server.
struct Clients {
    Server server;
    Session one{server};
    Session other{server};

    [[nodiscard]] std::string other_id() const { return std::to_string(other.id()); }
};

const Reply bad_name =
    error("ERR Client names cannot contain spaces, newlines or special characters.");

}  // namespace

TEST_CASE("PING answers PONG, or what it is sent", "[connection]") {
    Clients clients;
    CHECK(clients.one.execute({"PING"}) == Reply::simple_string("PONG"));
    CHECK(clients.one.execute({"ping", "a b"}) == bulk("a b"));
    CHECK(clients.one.execute({"PING", ""}) == bulk(""));
    CHECK(clients.one.execute({"PING", "a", "b"}) ==
          error("ERR wrong number of arguments for 'ping' command"));
}

TEST_CASE("ECHO answers what it is sent", "[connection]") {
    Clients clients;
    const std::string bytes{"\0 \r\n", 4};
    CHECK(clients.one.execute({"ECHO", bytes}) == bulk(bytes));
    CHECK(clients.one.execute({"ECHO"}) ==
          error("ERR wrong number of arguments for 'echo' command"));
}

TEST_CASE("TIME is that of the server's clock, in seconds and microseconds", "[connection]") {
    Clients clients;
    const auto before = clients.one.execute({"TIME"})->strings();
    REQUIRE(before.size() == 2);
    clients.server.advance(2'345ms);
    const auto after = clients.one.execute({"TIME"})->strings();
    const auto microseconds = [](const std::vector<std::string>& time) {
        return std::stoll(time[0]) * 1'000'000 + std::stoll(time[1]);
    };
    CHECK(microseconds(after) - microseconds(before) == 2'345'000);
    CHECK(std::stoll(after[1]) < 1'000'000);
    const auto since = clients.server.clock().wall().time_since_epoch();
    CHECK(microseconds(after) ==
          std::chrono::duration_cast<std::chrono::microseconds>(since).count());
}

TEST_CASE("SELECT chooses a database", "[connection]") {
    Clients clients;
    CHECK(clients.one.execute({"SELECT", "15"}) == ok());
    const Reply no_database = error("ERR DB index is out of range");
    CHECK(clients.one.execute({"SELECT", "16"}) == no_database);
    CHECK(clients.one.execute({"SELECT", "-1"}) == no_database);
    CHECK(clients.one.execute({"SELECT", "2147483647"}) == no_database);
    CHECK(clients.one.execute({"SELECT", "2147483648"}) ==
          error("ERR value is out of range, value must between -2147483648 and 2147483647"));
    CHECK(clients.one.execute({"SELECT", "-2147483649"}) ==
          error("ERR value is out of range, value must between -2147483648 and 2147483647"));
    CHECK(clients.one.execute({"SELECT", "x"}) ==
          error("ERR value is not an integer or out of range"));
}

TEST_CASE("each session sees the database that it has chosen", "[connection]") {
    Clients clients;
    clients.one.execute({"SELECT", "3"});
    clients.one.execute({"XADD", "key", "1-1", "f", "v"});
    CHECK(clients.one.execute({"XLEN", "key"}) == Reply::integer(1));
    CHECK(clients.other.execute({"XLEN", "key"}) == Reply::integer(0));
    clients.other.execute({"SELECT", "3"});
    CHECK(clients.other.execute({"XLEN", "key"}) == Reply::integer(1));
    CHECK(clients.other.execute({"SELECT", "99"})->is_error());
    CHECK(clients.other.execute({"XLEN", "key"}) == Reply::integer(1));
}

TEST_CASE("QUIT answers, and the session is closed", "[connection]") {
    Clients clients;
    CHECK(clients.one.execute({"QUIT", "whatever"}) == ok());
    CHECK(clients.one.is_closed());
    CHECK_FALSE(clients.one.execute({"PING"}));
    CHECK(clients.other.execute({"PING"}) == Reply::simple_string("PONG"));
}

TEST_CASE("QUIT between MULTI and EXEC is not queued", "[connection]") {
    Clients clients;
    clients.one.execute({"MULTI"});
    CHECK(clients.one.execute({"QUIT"}) == ok());
    CHECK(clients.one.is_closed());
}

TEST_CASE("RESET makes a session what it was when it began", "[connection]") {
    Clients clients;
    clients.one.execute({"HELLO", "3", "SETNAME", "bob"});
    clients.one.execute({"SELECT", "3"});
    clients.one.execute({"XADD", "key", "1-1", "f", "v"});
    clients.one.execute({"SUBSCRIBE", "a"});
    clients.one.execute({"PSUBSCRIBE", "p"});
    clients.one.execute({"SSUBSCRIBE", "s"});
    while (clients.one.next_push()) {
    }
    clients.one.execute({"MULTI"});
    CHECK(clients.one.execute({"RESET"}) == Reply::simple_string("RESET"));
    CHECK(clients.one.protocol() == 2);
    CHECK_FALSE(clients.one.next_push());
    CHECK(clients.one.execute({"EXEC"}) == error("ERR EXEC without MULTI"));
    CHECK(clients.one.execute({"CLIENT", "GETNAME"}) == Reply::null());
    CHECK(clients.one.execute({"XLEN", "key"}) == Reply::integer(0));
    CHECK(clients.other.execute({"PUBLISH", "a", "m"}) == Reply::integer(0));
    CHECK(clients.other.execute({"PUBSUB", "NUMPAT"}) == Reply::integer(0));
    CHECK(clients.other.execute({"SPUBLISH", "s", "m"}) == Reply::integer(0));
}

TEST_CASE("RESET watches nothing any more", "[connection]") {
    Clients clients;
    clients.one.execute({"WATCH", "key"});
    CHECK(clients.one.execute({"RESET"}) == Reply::simple_string("RESET"));
    clients.other.execute({"XADD", "key", "1-1", "f", "v"});
    clients.one.execute({"MULTI"});
    CHECK(clients.one.execute({"EXEC"}) == Reply::array({}));
}

TEST_CASE("RESET is for subscribers of RESP2, too", "[connection]") {
    Clients clients;
    clients.one.execute({"SUBSCRIBE", "a"});
    CHECK(clients.one.execute({"RESET"}) == Reply::simple_string("RESET"));
    CHECK(clients.one.execute({"ECHO", "x"}) == bulk("x"));
}

TEST_CASE("AUTH takes any password of the one user that there is", "[connection]") {
    Clients clients;
    CHECK(clients.one.execute({"AUTH", "default", "secret"}) == ok());
    CHECK(clients.one.execute({"AUTH", "default", ""}) == ok());
    const Reply refused = error("WRONGPASS invalid username-password pair or user is disabled.");
    CHECK(clients.one.execute({"AUTH", "nobody", "secret"}) == refused);
    CHECK(clients.one.execute({"AUTH", "DEFAULT", "secret"}) == refused);
    CHECK(clients.one.execute({"PING"}) == Reply::simple_string("PONG"));
}

TEST_CASE("AUTH without a user is refused, as by a server without a password", "[connection]") {
    Clients clients;
    const Reply no_password =
        error("ERR AUTH <password> called without any password configured for the default user. "
              "Are you sure your configuration is correct?");
    CHECK(clients.one.execute({"AUTH", "secret"}) == no_password);
    CHECK(clients.one.execute({"AUTH", "default"}) == no_password);
    CHECK(clients.one.execute({"AUTH", "default", "a", "b"}) == error("ERR syntax error"));
    CHECK(clients.one.execute({"AUTH"}) ==
          error("ERR wrong number of arguments for 'auth' command"));
}

TEST_CASE("AUTH between MULTI and EXEC is queued", "[connection]") {
    Clients clients;
    clients.one.execute({"MULTI"});
    CHECK(clients.one.execute({"AUTH", "default", "x"}) == Reply::simple_string("QUEUED"));
    CHECK(clients.one.execute({"EXEC"}) == Reply::array({ok()}));
}

TEST_CASE("a server with a password has sessions that know it, and others", "[connection]") {
    Server server{{.password = "secret"}};
    Session before{server};
    const Reply refused = error("NOAUTH Authentication required.");
    CHECK(before.execute({"SET", "key", "a"}) == refused);
    CHECK(before.execute({"AUTH", "secret"}) == ok());
    CHECK(before.execute({"SET", "key", "b"}) == ok());

    Session knows_it{server, {.password = "secret"}};
    CHECK(knows_it.execute({"GET", "key"}) == bulk("b"));
    Session mistaken{server, {.password = "Secret"}};
    CHECK(mistaken.execute({"GET", "key"}) == refused);
    Server open;
    Session needless{open, {.password = "secret"}};
    CHECK(needless.execute({"PING"}) == Reply::simple_string("PONG"));
}

TEST_CASE("a session that has not authenticated waits for nothing, and subscribes to nothing",
          "[connection]") {
    Server server{{.password = "secret"}};
    Session session{server};
    Session other{server, {.password = "secret"}};
    CHECK(session.submit({"BLPOP", "list", "0"}).ready());
    CHECK(session.submit({"SUBSCRIBE", "news"}).ready());
    CHECK(other.execute({"RPUSH", "list", "a"}) == Reply::integer(1));
    CHECK(other.execute({"PUBLISH", "news", "a"}) == Reply::integer(0));
    CHECK(session.outputs().size() == 2);
}

TEST_CASE("what stands behind RESET has to authenticate, also if it was sent before",
          "[connection]") {
    Server server{{.password = "secret"}};
    Session session{server, {.password = "secret"}};
    Session other{server, {.password = "secret"}};
    const auto popped = session.submit({"BLPOP", "list", "0"});
    const auto was_reset = session.submit({"RESET"});
    const auto got = session.submit({"GET", "key"});
    other.execute({"RPUSH", "list", "a"});
    CHECK(popped.try_get().value().strings() == std::vector<std::string>{"list", "a"});
    CHECK(was_reset.try_get() == Reply::simple_string("RESET"));
    CHECK(got.try_get() == error("NOAUTH Authentication required."));
}

TEST_CASE("a command that a fault delays is admitted when it is carried out", "[connection]") {
    Server server{{.password = "secret"}};
    Session session{server, {.password = "secret"}};
    Session other{server, {.password = "secret"}};
    const auto delayed = server.faults().on("GET").nth(1).delay(1s);
    const auto was_reset = session.submit({"RESET"});
    const auto got = session.submit({"GET", "key"});
    CHECK_FALSE(got.ready());
    server.advance(1s);
    CHECK(delayed.fired() == 1);
    CHECK(got.try_get() == error("NOAUTH Authentication required."));
    CHECK(session.execute({"AUTH", "secret"}) == ok());
}

TEST_CASE("RESET forgets that a session has authenticated, and what it has begun", "[connection]") {
    Server server{{.password = "secret"}};
    Session session{server, {.password = "secret"}};
    session.execute({"MULTI"});
    session.execute({"SET", "key", "a"});
    CHECK(session.execute({"RESET"}) == Reply::simple_string("RESET"));
    CHECK(session.execute({"EXEC"}) == error("EXECABORT Transaction discarded because of: NOAUTH "
                                             "Authentication required."));
    CHECK(session.execute({"AUTH", "default", "secret"}) == ok());
    CHECK(session.execute({"EXEC"}) == error("ERR EXEC without MULTI"));
    CHECK(session.execute({"EXISTS", "key"}) == Reply::integer(0));
}

TEST_CASE("HELLO tells about the server, and chooses the protocol", "[connection]") {
    Clients clients;
    const auto facts = [&](std::int64_t protocol) {
        return std::vector<Reply>{bulk("server"),  bulk("redis"),
                                  bulk("version"), bulk("8.10.0"),
                                  bulk("proto"),   Reply::integer(protocol),
                                  bulk("id"),      Reply::integer(clients.one.id()),
                                  bulk("mode"),    bulk("standalone"),
                                  bulk("role"),    bulk("master"),
                                  bulk("modules"), Reply::array({})};
    };
    CHECK(clients.one.protocol() == 2);
    CHECK(clients.one.execute({"HELLO"}) == Reply::array(facts(2)));
    CHECK(clients.one.execute({"HELLO", "3"}) == Reply::map(facts(3)));
    CHECK(clients.one.protocol() == 3);
    CHECK(clients.one.execute({"hello"}) == Reply::map(facts(3)));
    CHECK(clients.one.execute({"HELLO", "2"}) == Reply::array(facts(2)));
    CHECK(clients.one.protocol() == 2);
}

TEST_CASE("HELLO may give the session a name, and say who it is", "[connection]") {
    Clients clients;
    CHECK(clients.one.execute({"HELLO", "3", "auth", "default", "any", "setname", "bob"})->kind() ==
          Reply::Kind::map);
    CHECK(clients.one.execute({"CLIENT", "GETNAME"}) == bulk("bob"));
    clients.one.execute({"HELLO", "2", "SETNAME", ""});
    CHECK(clients.one.execute({"CLIENT", "GETNAME"}) == Reply::null());
}

TEST_CASE("HELLO that is refused changes nothing", "[connection]") {
    Clients clients;
    clients.one.execute({"CLIENT", "SETNAME", "bob"});
    const Reply no_number = error("ERR Protocol version is not an integer or out of range");
    const Reply no_version = error("NOPROTO unsupported protocol version");
    CHECK(clients.one.execute({"HELLO", "x"}) == no_number);
    CHECK(clients.one.execute({"HELLO", "03", "FOO"}) == no_number);
    CHECK(clients.one.execute({"HELLO", "4", "FOO"}) == no_version);
    CHECK(clients.one.execute({"HELLO", "1"}) == no_version);
    CHECK(clients.one.execute({"HELLO", "3", "FOO"}) ==
          error("ERR Syntax error in HELLO option 'FOO'"));
    CHECK(clients.one.execute({"HELLO", "3", "SETNAME", "al", "SETNAME"}) ==
          error("ERR Syntax error in HELLO option 'SETNAME'"));
    CHECK(clients.one.execute({"HELLO", "3", "AUTH", "default"}) ==
          error("ERR Syntax error in HELLO option 'AUTH'"));
    CHECK(clients.one.execute({"HELLO", "3", {"a\r\nb\0c", 6}}) ==
          error("ERR Syntax error in HELLO option 'a  b'"));
    CHECK(clients.one.execute({"HELLO", "3", "SETNAME", "a b", "FOO"}) == bad_name);
    CHECK(clients.one.execute({"HELLO", "3", "SETNAME", "al", "AUTH", "nobody", "x"}) ==
          error("WRONGPASS invalid username-password pair or user is disabled."));
    CHECK(clients.one.protocol() == 2);
    CHECK(clients.one.execute({"CLIENT", "GETNAME"}) == bulk("bob"));
}

TEST_CASE("HELLO between MULTI and EXEC decides about the replies after it", "[connection]") {
    Clients clients;
    clients.one.execute({"MULTI"});
    CHECK(clients.one.execute({"HELLO", "3"}) == Reply::simple_string("QUEUED"));
    CHECK(clients.one.execute({"CLIENT", "GETNAME"}) == Reply::simple_string("QUEUED"));
    const auto replies = clients.one.execute({"EXEC"});
    REQUIRE(replies->elements().size() == 2);
    CHECK(replies->elements()[0].kind() == Reply::Kind::map);
    CHECK(clients.one.protocol() == 3);
}

TEST_CASE("each session has an id, greater than those before", "[connection]") {
    Clients clients;
    CHECK(clients.one.execute({"CLIENT", "ID"}) == Reply::integer(clients.one.id()));
    CHECK(clients.other.execute({"CLIENT", "ID"}) == Reply::integer(clients.other.id()));
    CHECK(clients.one.id() < clients.other.id());
    clients.other.close();
    const Session next{clients.server};
    CHECK(next.id() > clients.other.id());
}

TEST_CASE("a session has the name that it was given", "[connection]") {
    Clients clients;
    CHECK(clients.one.execute({"CLIENT", "GETNAME"}) == Reply::null());
    CHECK(clients.one.execute({"CLIENT", "SETNAME", "!bob~"}) == ok());
    CHECK(clients.one.execute({"CLIENT", "GETNAME"}) == bulk("!bob~"));
    CHECK(clients.other.execute({"CLIENT", "GETNAME"}) == Reply::null());
    for (const std::string_view name : {" ", "a b", "a\n", "\x7f", "\xff"}) {
        CAPTURE(name);
        CHECK(clients.one.execute({"CLIENT", "SETNAME", name}) == bad_name);
    }
    CHECK(clients.one.execute({"CLIENT", "GETNAME"}) == bulk("!bob~"));
    CHECK(clients.one.execute({"CLIENT", "SETNAME", ""}) == ok());
    CHECK(clients.one.execute({"CLIENT", "GETNAME"}) == Reply::null());
}

TEST_CASE("CLIENT UNBLOCK ends the wait of another session", "[connection]") {
    Clients clients;
    auto read = clients.other.submit({"XREAD", "BLOCK", "0", "STREAMS", "jobs", "$"});
    CHECK(clients.server.blocked_sessions() == 1);
    CHECK(clients.one.execute({"CLIENT", "UNBLOCK", clients.other_id()}) == Reply::integer(1));
    CHECK(read.try_get() == Reply::null_array());
    CHECK(clients.server.blocked_sessions() == 0);
    CHECK(clients.one.execute({"CLIENT", "UNBLOCK", clients.other_id()}) == Reply::integer(0));
}

TEST_CASE("CLIENT UNBLOCK ends a wait as its time-out would, or as an error", "[connection]") {
    Clients clients;
    clients.other.execute({"HELLO", "3"});
    auto first = clients.other.submit({"XREAD", "BLOCK", "0", "STREAMS", "jobs", "$"});
    clients.one.execute({"CLIENT", "UNBLOCK", clients.other_id(), "timeout"});
    CHECK(first.try_get() == Reply::null());
    auto second = clients.other.submit({"XREAD", "BLOCK", "0", "STREAMS", "jobs", "$"});
    clients.one.execute({"CLIENT", "UNBLOCK", clients.other_id(), "error"});
    CHECK(second.try_get() == error("UNBLOCKED client unblocked via CLIENT UNBLOCK"));
}

TEST_CASE("commands behind a wait that is unblocked are carried out", "[connection]") {
    Clients clients;
    auto read = clients.other.submit({"XREAD", "BLOCK", "0", "STREAMS", "jobs", "$"});
    auto ping = clients.other.submit({"PING"});
    CHECK_FALSE(ping.ready());
    clients.one.execute({"CLIENT", "UNBLOCK", clients.other_id()});
    CHECK(ping.try_get() == Reply::simple_string("PONG"));
    CHECK(clients.other.outputs() ==
          std::vector<Reply>{Reply::null_array(), Reply::simple_string("PONG")});
}

TEST_CASE("CLIENT UNBLOCK of a session that does not wait is 0", "[connection]") {
    Clients clients;
    CHECK(clients.one.execute({"CLIENT", "UNBLOCK", clients.other_id()}) == Reply::integer(0));
    CHECK(clients.one.execute({"CLIENT", "UNBLOCK", "999999"}) == Reply::integer(0));
    CHECK(clients.one.execute({"CLIENT", "UNBLOCK", "-1", "ERROR"}) == Reply::integer(0));
}

TEST_CASE("CLIENT UNBLOCK looks at its reason before the id", "[connection]") {
    Clients clients;
    CHECK(clients.one.execute({"CLIENT", "UNBLOCK", "abc", "FOO"}) ==
          error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"));
    CHECK(clients.one.execute({"CLIENT", "UNBLOCK", "abc", "ERROR"}) ==
          error("ERR value is not an integer or out of range"));
    CHECK(clients.one.execute({"CLIENT", "UNBLOCK", "abc"}) ==
          error("ERR value is not an integer or out of range"));
    CHECK(clients.one.execute({"CLIENT", "unblock", "1", "ERROR", "x"}) ==
          error("ERR unknown subcommand or wrong number of arguments for 'unblock'. Try CLIENT "
                "HELP."));
}

TEST_CASE("CLIENT HELP tells of the subcommands that there are", "[connection]") {
    Clients clients;
    const auto lines = clients.one.execute({"CLIENT", "HELP"})->strings();
    CHECK(lines.front() == "CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    CHECK(std::ranges::count(lines, "UNBLOCK <clientid> [TIMEOUT|ERROR]") == 1);
    CHECK(std::ranges::count(lines, "NO-TOUCH (ON|OFF)") == 1);
    CHECK(lines.back() == "    Print this help.");
}

TEST_CASE("CLIENT refuses what it does not know", "[connection]") {
    Clients clients;
    CHECK(clients.one.execute({"CLIENT", "NOPE"}) ==
          error("ERR unknown subcommand 'NOPE'. Try CLIENT HELP."));
    CHECK(clients.one.execute({"CLIENT"}) ==
          error("ERR wrong number of arguments for 'client' command"));
    CHECK(clients.one.execute({"CLIENT", "ID", "x"}) ==
          error("ERR wrong number of arguments for 'client|id' command"));
    CHECK(clients.one.execute({"CLIENT", "UNBLOCK"}) ==
          error("ERR wrong number of arguments for 'client|unblock' command"));
}

TEST_CASE("a zero byte ends a word where an error shows it", "[connection]") {
    using namespace std::string_view_literals;
    Clients clients;
    clients.one.execute({"XGROUP", "CREATE", "s\0t"sv, "g", "$", "MKSTREAM"});
    CHECK(clients.one.execute({"a\0b"sv, "c\0d"sv, "e"}) ==
          error("ERR unknown command 'a', with args beginning with: 'c' 'e' "));
    CHECK(clients.one.execute({"CLIENT", "NOPE\0b"sv}) ==
          error("ERR unknown subcommand 'NOPE'. Try CLIENT HELP."));
    CHECK(clients.one.execute({"PEXPIRE", "k", "1", "X\0b"sv}) ==
          error("ERR Unsupported option X"));
    CHECK(clients.one.execute({"SCAN", "0", "TYPE", "t\0b"sv}) ==
          error("ERR unknown type name 't'"));
    CHECK(clients.one.execute({"XINFO", "CONSUMERS", "s\0t"sv, "h\0i"sv}) ==
          error("NOGROUP No such consumer group 'h' for key name 's'"));
}
