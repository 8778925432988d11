// SPDX-License-Identifier: MIT
// What CLIENT tells of the clients of a server, and what it does to them.

#include <runnel/redis.hpp>

#include "support/catch.hpp"
#include "support/fake_replies.hpp"

#include <chrono>
#include <cstddef>
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

// Two clients of a server; the second one is that which is asked about.
struct ToldClients {
    Server server;
    Session asker{server};
    Session client{server};

    [[nodiscard]] std::string id() const { return std::to_string(client.id()); }
    // What CLIENT LIST says of the client.
    [[nodiscard]] std::string line() {
        return asker.execute({"CLIENT", "LIST", "ID", id()})->text();
    }
    [[nodiscard]] std::string field(std::string_view name) { return field_of(line(), name); }

    [[nodiscard]] static std::string field_of(const std::string& line, std::string_view name) {
        const std::string start = ' ' + std::string{name} + '=';
        const std::size_t at = (' ' + line).find(start);
        REQUIRE(at != std::string::npos);
        const std::size_t begin = at + start.size() - 1;
        return line.substr(begin, line.find_first_of(" \n", begin) - begin);
    }

    std::optional<Reply> kill(const std::vector<std::string>& filters) {
        std::vector<std::string> words{"CLIENT", "KILL"};
        words.insert(words.end(), filters.begin(), filters.end());
        return asker.execute(words);
    }
};

}  // namespace

TEST_CASE("CLIENT INFO tells of the client itself", "[client]") {
    Server server;
    Session session{server};
    CHECK(session.execute({"CLIENT", "INFO"}) ==
          bulk("id=1 addr=127.0.0.1:50001 laddr=127.0.0.1:6379 fd=0 name= age=0 idle=0 flags=N "
               "db=0 sub=0 psub=0 ssub=0 multi=-1 watch=0 qbuf=0 qbuf-free=0 argv-mem=0 "
               "multi-mem=0 rbs=0 rbp=0 obl=0 oll=0 omem=0 omem-shared=0 omem-unshared=0 "
               "tot-mem=0 events=r cmd=client|info user=default redir=-1 resp=2 lib-name= lib-ver= "
               "io-thread=0 tot-net-in=0 tot-net-out=0 tot-cmds=0 read-events=0 "
               "avg-pipeline-len-sum=0 avg-pipeline-len-cnt=0\n"));
}

TEST_CASE("CLIENT LIST tells of all clients, in the order of their ids", "[client]") {
    ToldClients clients;
    Session third{clients.server};
    const std::string all = clients.asker.execute({"CLIENT", "LIST"})->text();
    CHECK(all.starts_with("id=1 "));
    CHECK(all.find("\nid=2 ") != std::string::npos);
    CHECK(all.find("\nid=3 ") != std::string::npos);
    CHECK(all.ends_with('\n'));
    third.close();
    CHECK(clients.asker.execute({"CLIENT", "LIST"})->text().find("\nid=3 ") == std::string::npos);
}

TEST_CASE("CLIENT LIST knows what a client has said of itself", "[client]") {
    ToldClients clients;
    clients.client.execute({"HELLO", "3", "SETNAME", "worker"});
    clients.client.execute({"CLIENT", "SETINFO", "LIB-NAME", "my-lib"});
    clients.client.execute({"CLIENT", "SETINFO", "lib-ver", "1.2.3"});
    clients.client.execute({"SELECT", "5"});
    CHECK(clients.field("name") == "worker");
    CHECK(clients.field("resp") == "3");
    CHECK(clients.field("lib-name") == "my-lib");
    CHECK(clients.field("lib-ver") == "1.2.3");
    CHECK(clients.field("db") == "5");
    CHECK(clients.field("cmd") == "select");
    CHECK(clients.field("tot-cmds") == "4");
    clients.client.execute({"CLIENT", "SETINFO", "LIB-NAME", ""});
    CHECK(clients.field("lib-name").empty());
}

TEST_CASE("a refused CLIENT SETINFO leaves what was set before", "[client]") {
    ToldClients clients;
    clients.client.execute({"CLIENT", "SETINFO", "LIB-NAME", "my-lib"});
    CHECK(clients.client.execute({"CLIENT", "SETINFO", "Lib-Name", "my lib"}) ==
          Reply::error("ERR Lib-Name cannot contain spaces, newlines or special characters."));
    CHECK(clients.client.execute({"CLIENT", "SETINFO", "FOO", "x"}) ==
          Reply::error("ERR Unrecognized option 'FOO'"));
    CHECK(clients.field("lib-name") == "my-lib");
}

TEST_CASE("the last command of a client is known, unless there is none of that name", "[client]") {
    ToldClients clients;
    CHECK(clients.field("cmd") == "NULL");
    clients.client.execute({"ping"});
    CHECK(clients.field("cmd") == "ping");
    clients.client.execute({"XINFO", "STREAM", "none"});
    CHECK(clients.field("cmd") == "xinfo|stream");
    clients.client.execute({"NOPE"});
    CHECK(clients.field("cmd") == "NULL");
}

TEST_CASE("the age and the idle time of a client are whole seconds of the server", "[client]") {
    ToldClients clients;
    clients.server.advance(10s);
    CHECK(clients.field("age") == "10");
    CHECK(clients.field("idle") == "10");
    clients.client.execute({"PING"});
    CHECK(clients.field("idle") == "0");
    clients.server.advance(999ms);
    CHECK(clients.field("idle") == "0");
    clients.server.advance(1ms);
    CHECK(clients.field("idle") == "1");
    CHECK(clients.field("age") == "11");
}

TEST_CASE("a client that is sent something is not idle", "[client]") {
    ToldClients clients;
    SECTION("the reply that it has waited for") {
        const auto job = clients.client.submit({"BLPOP", "jobs", "0"});
        clients.server.advance(10s);
        CHECK(clients.field("idle") == "10");
        clients.asker.execute({"RPUSH", "jobs", "one"});
        CHECK(clients.field("idle") == "0");
    }
    SECTION("a message") {
        clients.client.execute({"SUBSCRIBE", "news"});
        clients.server.advance(10s);
        CHECK(clients.field("idle") == "10");
        clients.asker.execute({"PUBLISH", "news", "one"});
        CHECK(clients.field("idle") == "0");
    }
}

TEST_CASE("the flags of a client tell what it is about", "[client]") {
    ToldClients clients;
    CHECK(clients.field("flags") == "N");
    SECTION("blocked") {
        const auto job = clients.client.submit({"BLPOP", "jobs", "0"});
        CHECK(clients.field("flags") == "b");
        CHECK(clients.field("cmd") == "blpop");
    }
    SECTION("in a transaction, which will fail") {
        clients.client.execute({"WATCH", "a", "b"});
        clients.client.execute({"MULTI"});
        clients.client.execute({"PING"});
        CHECK(clients.field("flags") == "x");
        CHECK(clients.field("multi") == "1");
        CHECK(clients.field("watch") == "2");
        clients.asker.execute({"SET", "a", "1"});
        CHECK(clients.field("flags") == "xd");
        clients.client.execute({"EXEC"});
        CHECK(clients.field("flags") == "N");
        CHECK(clients.field("multi") == "-1");
        CHECK(clients.field("watch") == "0");
    }
    SECTION("subscribed") {
        clients.client.execute({"SUBSCRIBE", "a", "b"});
        clients.client.execute({"PSUBSCRIBE", "*"});
        clients.client.execute({"SSUBSCRIBE", "a", "b", "c"});
        CHECK(clients.field("flags") == "P");
        CHECK(clients.field("sub") == "2");
        CHECK(clients.field("psub") == "1");
        CHECK(clients.field("ssub") == "3");
    }
    SECTION("not to be evicted, and not to be counted as a use") {
        clients.client.execute({"CLIENT", "NO-EVICT", "ON"});
        clients.client.execute({"CLIENT", "NO-TOUCH", "on"});
        CHECK(clients.field("flags") == "eT");
        clients.client.execute({"CLIENT", "NO-EVICT", "off"});
        CHECK(clients.field("flags") == "T");
        clients.client.execute({"CLIENT", "NO-TOUCH", "OFF"});
        CHECK(clients.field("flags") == "N");
    }
}

TEST_CASE("RESET takes back what CLIENT has set, but not what it has said of the library",
          "[client]") {
    ToldClients clients;
    clients.client.execute({"CLIENT", "NO-EVICT", "ON"});
    clients.client.execute({"CLIENT", "NO-TOUCH", "ON"});
    clients.client.execute({"CLIENT", "SETINFO", "LIB-NAME", "my-lib"});
    clients.client.execute({"RESET"});
    CHECK(clients.field("flags") == "N");
    CHECK(clients.field("lib-name") == "my-lib");
}

TEST_CASE("CLIENT LIST TYPE shows the clients of a type", "[client]") {
    ToldClients clients;
    clients.client.execute({"SUBSCRIBE", "news"});
    const auto list = [&](const char* type) {
        return clients.asker.execute({"CLIENT", "LIST", "TYPE", type})->text();
    };
    CHECK(list("pubsub") == clients.line());
    CHECK(list("NORMAL").starts_with("id=1 "));
    CHECK(list("normal").find("id=2 ") == std::string::npos);
    CHECK(list("replica").empty());
    CHECK(list("slave").empty());
    CHECK(list("master").empty());
}

TEST_CASE("CLIENT LIST ID shows these clients, in that order", "[client]") {
    ToldClients clients;
    const std::string lines =
        clients.asker.execute({"CLIENT", "LIST", "ID", "2", "99", "1", "2"})->text();
    CHECK(lines.starts_with("id=2 "));
    CHECK(lines.find("\nid=1 ") < lines.rfind("\nid=2 "));
    CHECK(clients.asker.execute({"CLIENT", "LIST", "ID", "99"}) == bulk(""));
}

TEST_CASE("CLIENT KILL closes another client", "[client]") {
    ToldClients clients;
    SECTION("by its id") {
        CHECK(clients.kill({"ID", clients.id()}) == Reply::integer(1));
    }
    SECTION("by its address") {
        CHECK(clients.kill({"ADDR", "127.0.0.1:50002"}) == Reply::integer(1));
    }
    SECTION("by its address, as of old") {
        CHECK(clients.kill({"127.0.0.1:50002"}) == Reply::simple_string("OK"));
    }
    SECTION("by the address of the server") {
        CHECK(clients.kill({"LADDR", "127.0.0.1:6379"}) == Reply::integer(1));
    }
    SECTION("by its type") {
        CHECK(clients.kill({"TYPE", "normal"}) == Reply::integer(1));
    }
    SECTION("by its user") {
        CHECK(clients.kill({"USER", "default"}) == Reply::integer(1));
    }
    SECTION("by its age") {
        clients.server.advance(10s);
        CHECK(clients.kill({"MAXAGE", "11"}) == Reply::integer(0));
        CHECK(clients.kill({"MAXAGE", "10"}) == Reply::integer(1));
    }
    CHECK(clients.client.is_closed());
    CHECK_FALSE(clients.client.execute({"PING"}).has_value());
    CHECK_FALSE(clients.asker.is_closed());
    CHECK(clients.asker.execute({"CLIENT", "LIST", "ID", clients.id()}) == bulk(""));
}

TEST_CASE("CLIENT KILL closes those that all filters fit", "[client]") {
    ToldClients clients;
    CHECK(clients.kill({"ID", clients.id(), "TYPE", "pubsub"}) == Reply::integer(0));
    CHECK(clients.kill({"ID", clients.id(), "ADDR", "127.0.0.1:50001"}) == Reply::integer(0));
    CHECK(clients.kill({"ID", clients.id(), "LADDR", "127.0.0.1:1"}) == Reply::integer(0));
    CHECK(clients.kill({"ID", "99"}) == Reply::integer(0));
    CHECK_FALSE(clients.client.is_closed());
    CHECK(clients.kill({"ID", clients.id(), "TYPE", "normal", "SKIPME", "no"}) ==
          Reply::integer(1));
}

TEST_CASE("a client that kills itself gets the reply first", "[client]") {
    ToldClients clients;
    SECTION("only if it says so") {
        CHECK(clients.kill({"ID", "1"}) == Reply::integer(0));
        CHECK(clients.kill({"ID", "1", "SKIPME", "yes"}) == Reply::integer(0));
        CHECK(clients.kill({"ID", "1", "SKIPME", "no"}) == Reply::integer(1));
    }
    SECTION("as of old") {
        CHECK(clients.kill({"127.0.0.1:50001"}) == Reply::simple_string("OK"));
    }
    SECTION("in a transaction") {
        clients.asker.execute({"MULTI"});
        clients.kill({"127.0.0.1:50001"});
        CHECK(clients.asker.execute({"EXEC"}) == Reply::array({Reply::simple_string("OK")}));
    }
    CHECK(clients.asker.is_closed());
    CHECK_FALSE(clients.client.is_closed());
}

TEST_CASE("a client that kills itself in a transaction gets nothing of what follows", "[client]") {
    ToldClients clients;
    clients.asker.execute({"MULTI"});
    clients.kill({"ID", "1", "SKIPME", "no"});
    clients.asker.execute({"INCR", "key"});
    CHECK_FALSE(clients.asker.execute({"EXEC"}).has_value());
    CHECK(clients.asker.is_closed());
    CHECK(clients.client.execute({"GET", "key"}) == bulk("1"));
}

TEST_CASE("a wait of a client that is killed ends without a reply", "[client]") {
    ToldClients clients;
    const auto job = clients.client.submit({"BLPOP", "jobs", "0"});
    const auto behind = clients.client.submit({"SET", "key", "value"});
    CHECK(clients.kill({"ID", clients.id()}) == Reply::integer(1));
    CHECK(job.ready());
    CHECK_FALSE(job.try_get().has_value());
    CHECK(behind.ready());
    CHECK_FALSE(behind.try_get().has_value());
    CHECK(clients.server.blocked_sessions() == 0);
    CHECK(clients.client.outputs().empty());
    clients.asker.execute({"RPUSH", "jobs", "one"});
    CHECK(clients.asker.execute({"LRANGE", "jobs", "0", "-1"}) == Reply::array({bulk("one")}));
    CHECK(clients.asker.execute({"EXISTS", "key"}) == Reply::integer(0));
}

TEST_CASE("a subscriber that is killed gets no more messages, but those that came", "[client]") {
    ToldClients clients;
    clients.client.execute({"SUBSCRIBE", "news"});
    (void)clients.client.next_push();
    clients.asker.execute({"PUBLISH", "news", "one"});
    CHECK(clients.kill({"TYPE", "pubsub"}) == Reply::integer(1));
    CHECK(clients.asker.execute({"PUBLISH", "news", "two"}) == Reply::integer(0));
    CHECK(clients.client.next_push() == Reply::array({bulk("message"), bulk("news"), bulk("one")}));
    CHECK_FALSE(clients.client.next_push().has_value());
}

TEST_CASE("a transaction goes on without the client that it has killed", "[client]") {
    ToldClients clients;
    clients.client.execute({"HELLO", "3"});
    clients.client.execute({"SUBSCRIBE", "news"});
    const auto job = clients.client.submit({"BLPOP", "jobs", "0"});
    clients.asker.execute({"WATCH", "key"});
    clients.asker.execute({"MULTI"});
    clients.asker.execute({"RPUSH", "jobs", "one"});
    clients.asker.execute({"PUBLISH", "news", "one"});
    clients.kill({"ID", clients.id()});
    clients.asker.execute({"PUBLISH", "news", "two"});
    clients.asker.execute({"CLIENT", "UNBLOCK", clients.id()});
    clients.asker.execute({"LLEN", "jobs"});
    CHECK(clients.asker.execute({"EXEC"}) ==
          Reply::array({Reply::integer(1), Reply::integer(1), Reply::integer(1), Reply::integer(0),
                        Reply::integer(0), Reply::integer(1)}));
    CHECK(job.ready());
    CHECK_FALSE(job.try_get().has_value());
    CHECK(clients.asker.execute({"LLEN", "jobs"}) == Reply::integer(1));
}

TEST_CASE("a client that is killed watches nothing any more", "[client]") {
    ToldClients clients;
    clients.client.execute({"WATCH", "key"});
    clients.client.execute({"MULTI"});
    CHECK(clients.kill({"ID", clients.id()}) == Reply::integer(1));
    CHECK(clients.asker.execute({"SET", "key", "value"}) == Reply::simple_string("OK"));
}

TEST_CASE("a client that was just served is killed by what stood behind a wait", "[client]") {
    // One push serves both. The first one's next command kills the second, which has one, too.
    ToldClients clients;
    Session second{clients.server};
    const auto first_job = clients.client.submit({"BLPOP", "jobs", "0"});
    const auto kill = clients.client.submit({"CLIENT", "KILL", "ID", std::to_string(second.id())});
    const auto second_job = second.submit({"BLPOP", "jobs", "0"});
    const auto behind = second.submit({"SET", "key", "value"});
    clients.asker.execute({"RPUSH", "jobs", "one", "two"});
    CHECK(first_job.try_get() == Reply::array({bulk("jobs"), bulk("one")}));
    CHECK(kill.try_get() == Reply::integer(1));
    CHECK(second_job.try_get() == Reply::array({bulk("jobs"), bulk("two")}));
    CHECK(behind.ready());
    CHECK_FALSE(behind.try_get().has_value());
    CHECK(clients.asker.execute({"EXISTS", "key"}) == Reply::integer(0));
}

TEST_CASE("no key is redirected to another client", "[client]") {
    ToldClients clients;
    CHECK(clients.asker.execute({"CLIENT", "GETREDIR"}) == Reply::integer(-1));
}
