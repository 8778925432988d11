// SPDX-License-Identifier: MIT
// The fake of Redis at the other end of a descriptor, bytes for bytes.

#include <runnel/clock.hpp>
#include <runnel/error.hpp>
#include <runnel/redis.hpp>
#include <runnel/redis/serve_fd.hpp>
#include <runnel/runner.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/raw_client.hpp"
#include "support/threads_named.hpp"

#include <chrono>
#include <cstddef>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <list>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

using namespace runnel::redis;
using namespace std::chrono_literals;
using runnel::ErrorCode;
using runnel::test::RawClient;

namespace {

struct Served {
    explicit Served(const ServerOptions& options = {}) : server{options} {}

    Server server;
    FdServer clients{server};
    RawClient one{clients.connect()};
    RawClient other{clients.connect()};
};

std::string text_of(const std::optional<Reply>& reply) {
    return reply ? to_string(*reply) : "(end)";
}

template <typename Call>
std::optional<ErrorCode> error_of(Call call) {
    try {
        call();
    } catch (const runnel::Error& error) {
        return error.code();
    }
    return std::nullopt;
}

}  // namespace

// ---- commands and replies

TEST_CASE("a client at a descriptor gets the replies of Redis", "[redis][fd]") {
    Served scene;
    CHECK(text_of(scene.one.ask({"PING"})) == "PONG");
    CHECK(text_of(scene.one.ask({"PING", "hello"})) == "\"hello\"");
    CHECK(text_of(scene.one.ask({"RPUSH", "q", "a", "b"})) == "(integer) 2");
    CHECK(text_of(scene.other.ask({"LRANGE", "q", "0", "-1"})) == "1) \"a\"\n2) \"b\"");
    CHECK(text_of(scene.other.ask({"GET", "q"})) ==
          "(error) WRONGTYPE Operation against a key holding the wrong kind of value");
    CHECK(text_of(scene.other.ask({"NONSENSE"})) ==
          "(error) ERR unknown command 'NONSENSE', with args beginning with: ");
    CHECK(scene.clients.connections() == 2);
}

TEST_CASE("commands that come in one piece are answered in their order", "[redis][fd]") {
    Served scene;
    std::string bytes;
    for (int number = 0; number != 1000; ++number) append_command(bytes, {"INCR", "n"});
    scene.one.send(bytes);
    for (int number = 1; number != 1000; ++number)
        if (scene.one.take() != Reply::integer(number)) FAIL("reply " << number);
    CHECK(scene.one.take() == Reply::integer(1000));
}

TEST_CASE("a command may come byte by byte", "[redis][fd]") {
    Served scene;
    std::string bytes;
    append_command(bytes, {"SET", "key", std::string_view{"a\0\r\n", 4}});
    for (const char byte : bytes) {
        CHECK(scene.one.hears_nothing());
        scene.one.send({&byte, 1});
        scene.clients.settle();
    }
    CHECK(scene.one.arrived() == Reply::simple_string("OK"));
    CHECK(scene.other.ask({"GET", "key"}) == Reply::bulk_string({"a\0\r\n", 4}));
}

TEST_CASE("a command may be a line of text", "[redis][fd]") {
    Served scene;
    scene.one.send("\r\nSET key \"two words\"\nGET key\r\n");
    CHECK(text_of(scene.one.take()) == "OK");
    CHECK(text_of(scene.one.take()) == "\"two words\"");
    scene.one.send("SET key \"two\r\n");
    CHECK(text_of(scene.one.take()) == "(error) ERR Protocol error: unbalanced quotes in request");
    CHECK(scene.one.ends());
}

TEST_CASE("bytes that are no command get the error of Redis, and the connection ends",
          "[redis][fd]") {
    const auto [bytes, error] = GENERATE(table<const char*, const char*>({
        {"*x\r\n", "invalid multibulk length"},
        {"*99999999\r\n", "invalid multibulk length"},
        {"*1\r\n+PING\r\n", "expected '$', got '+'"},
        {"*1\r\n$-2\r\n", "invalid bulk length"},
        {"*1\r\n$536870913\r\n", "invalid bulk length"},
    }));
    Served scene;
    scene.one.send("*1\r\n$4\r\nPING\r\n");
    scene.one.send(bytes);
    scene.one.send("*1\r\n$4\r\nPING\r\n");
    CHECK(text_of(scene.one.take()) == "PONG");
    CHECK(text_of(scene.one.take()) == std::string{"(error) ERR Protocol error: "} + error);
    CHECK(scene.one.ends());
    CHECK(text_of(scene.other.ask({"PING"})) == "PONG");
    CHECK(scene.clients.connections() == 1);
}

TEST_CASE("a client that has not authenticated may send little", "[redis][fd]") {
    Server server{{.password = "secret"}};
    FdServer clients{server};
    RawClient client{clients.connect()};
    const std::string large(100'000, 'x');
    CHECK(text_of(client.ask({"GET", "key"})) == "(error) NOAUTH Authentication required.");
    // What comes with AUTH in one piece counts as sent after it.
    client.send("AUTH secret\r\nMSET a 1 b 2 c 3 d 4 e 5 f 6\r\n");
    CHECK(text_of(client.take()) == "OK");
    CHECK(text_of(client.take()) == "OK");
    CHECK(text_of(client.ask({"SET", "key", large})) == "OK");
    CHECK(text_of(client.ask({"RESET"})) == "RESET");
    client.send({"SET", "key", large});
    CHECK(text_of(client.take()) == "(error) ERR Protocol error: unauthenticated bulk length");
    CHECK(client.ends());

    RawClient other{clients.connect()};
    other.send("*11\r\n");
    CHECK(text_of(other.take()) == "(error) ERR Protocol error: unauthenticated multibulk length");
    CHECK(other.ends());
}

TEST_CASE("QUIT is answered, and the connection ends without an error", "[redis][fd]") {
    Served scene;
    scene.one.send("QUIT\r\nSET key value\r\n");
    CHECK(text_of(scene.one.take()) == "OK");
    CHECK(scene.one.ends());
    CHECK(text_of(scene.other.ask({"EXISTS", "key"})) == "(integer) 0");

    // So it does for one that has sent more than is read at once.
    scene.other.send("QUIT\r\n" + std::string(100'000, 'x'));
    CHECK(text_of(scene.other.take()) == "OK");
    CHECK(scene.other.ends());
}

TEST_CASE("a large reply reaches a client that reads it in pieces", "[redis][fd]") {
    Served scene;
    const std::string large(std::size_t{3} * 1024 * 1024, 'x');
    scene.one.ask({"SET", "key", large});
    scene.one.send("GET key\r\nGET key\r\nPING\r\n");
    CHECK((scene.one.take() == Reply::bulk_string(large)));
    CHECK((scene.one.take() == Reply::bulk_string(large)));
    CHECK(text_of(scene.one.take()) == "PONG");
}

TEST_CASE("settle() returns when all that was sent is dealt with, however much it is",
          "[redis][fd]") {
    Served scene;
    std::string commands;
    for (int number = 0; number != 20'000; ++number) commands.append("INCR n\r\n");
    scene.one.send(commands);
    scene.clients.settle();
    Session session{scene.server};
    CHECK(session.execute({"GET", "n"}) == Reply::bulk_string("20000"));

    std::list<RawClient> listeners;
    for (int number = 0; number != 200; ++number) {
        listeners.emplace_back(scene.clients.connect());
        listeners.back().ask({"SUBSCRIBE", "news"});
    }
    CHECK(session.execute({"PUBLISH", "news", "to all"}) == Reply::integer(200));
    scene.clients.settle();
    bool all_have_it = true;
    for (RawClient& listener : listeners) all_have_it &= listener.arrived().has_value();
    CHECK(all_have_it);
}

// ---- RESP3, and what a client says of itself

TEST_CASE("HELLO 3 makes replies and pushes those of RESP3", "[redis][fd]") {
    Served scene;
    CHECK(scene.one.ask({"GET", "none"}) == Reply::null());
    const auto hello = scene.one.ask({"HELLO", "3", "AUTH", "default", "any", "SETNAME", "me"});
    REQUIRE(hello);
    CHECK(hello->kind() == Reply::Kind::map);
    CHECK(hello->find("proto")->integer() == 3);
    CHECK(scene.one.ask({"CLIENT", "GETNAME"}) == Reply::bulk_string("me"));
    scene.one.ask({"CLIENT", "SETINFO", "LIB-NAME", "hiredis"});
    CHECK(scene.one.ask({"CLIENT", "INFO"})->text().find("lib-name=hiredis") != std::string::npos);
    scene.one.ask({"HSET", "h", "f", "v"});
    CHECK(scene.one.ask({"HGETALL", "h"})->kind() == Reply::Kind::map);
    scene.one.ask({"ZADD", "z", "1.5", "m"});
    CHECK(scene.one.ask({"ZSCORE", "z", "m"}) == Reply::double_(1.5));
    CHECK(scene.other.ask({"ZSCORE", "z", "m"}) == Reply::bulk_string("1.5"));

    const auto subscribed = scene.one.ask({"SUBSCRIBE", "news"});
    CHECK(subscribed->kind() == Reply::Kind::push);
    scene.other.ask({"PUBLISH", "news", "first"});
    CHECK(scene.one.take() ==
          Reply::push({Reply::bulk_string("message"), Reply::bulk_string("news"),
                       Reply::bulk_string("first")}));
    CHECK(scene.one.ask({"PING"}) == Reply::simple_string("PONG"));
}

TEST_CASE("what was sent before HELLO 3 has the form of before", "[redis][fd]") {
    Served scene;
    scene.one.send("LPOP none 1\r\nGET none\r\nHELLO 3\r\nGET none\r\nRESET\r\nLPOP none 1\r\n");
    CHECK(scene.one.take()->kind() == Reply::Kind::null_array);
    CHECK(scene.one.take()->is_null());
    CHECK(scene.one.take()->kind() == Reply::Kind::map);
    CHECK(scene.one.take()->kind() == Reply::Kind::null);
    CHECK(text_of(scene.one.take()) == "RESET");
    CHECK(scene.one.take()->kind() == Reply::Kind::null_array);
}

// ---- pushes

TEST_CASE("a subscriber gets messages of whoever publishes", "[redis][fd]") {
    Served scene;
    Session within{scene.server};
    CHECK(text_of(scene.one.ask({"SUBSCRIBE", "news"})) ==
          "1) \"subscribe\"\n2) \"news\"\n3) (integer) 1");
    CHECK(within.execute({"PUBLISH", "news", "of a session"}) == Reply::integer(1));
    scene.other.ask({"PUBLISH", "news", "of a client"});
    CHECK(scene.one.take()->elements()[2].text() == "of a session");
    CHECK(scene.one.take()->elements()[2].text() == "of a client");
    CHECK(text_of(scene.one.ask({"GET", "key"})).starts_with("(error) ERR Can't execute 'get'"));
}

TEST_CASE("a client's message to itself comes after the reply", "[redis][fd]") {
    Served scene;
    scene.one.ask({"HELLO", "3"});
    scene.one.ask({"SUBSCRIBE", "news"});
    CHECK(scene.one.ask({"PUBLISH", "news", "x"}) == Reply::integer(1));
    CHECK(scene.one.take()->kind() == Reply::Kind::push);
}

TEST_CASE("a subscriber that does not read is disconnected", "[redis][fd]") {
    Served scene{ServerOptions{.pubsub_limit = {.hard = 1'000'000, .soft = 0}}};
    scene.one.ask({"SUBSCRIBE", "news"});
    const std::string message(10'000, 'x');
    std::size_t published = 0;
    while (published != 1000 &&
           scene.other.ask({"PUBLISH", "news", message}) == Reply::integer(1)) {
        ++published;
        scene.clients.settle();
    }
    // The socket has taken some.
    CHECK(published >= 100);
    CHECK(published <= 300);
    scene.clients.settle();
    CHECK(scene.clients.connections() == 1);
    CHECK(scene.one.ends());
    CHECK(text_of(scene.other.ask({"PUBSUB", "NUMSUB", "news"})) == "1) \"news\"\n2) (integer) 0");
}

// ---- waiting

TEST_CASE("a client that waits gets what comes", "[redis][fd]") {
    Served scene;
    scene.one.send("BLPOP q 0\r\nPING\r\n");
    scene.clients.settle();
    CHECK(scene.server.blocked_sessions() == 1);
    CHECK(scene.one.hears_nothing());
    CHECK(text_of(scene.other.ask({"RPUSH", "q", "job"})) == "(integer) 1");
    CHECK(text_of(scene.one.take()) == "1) \"q\"\n2) \"job\"");
    CHECK(text_of(scene.one.take()) == "PONG");
}

TEST_CASE("who moves the time of the server ends waits of clients", "[redis][fd]") {
    Served scene;
    scene.one.send("BLPOP q 60\r\nPING\r\n");
    scene.clients.settle();
    scene.server.advance(59s);
    scene.clients.settle();
    CHECK(scene.one.hears_nothing());
    scene.server.advance(1s);
    CHECK(scene.one.take()->kind() == Reply::Kind::null_array);
    CHECK(text_of(scene.one.take()) == "PONG");
}

TEST_CASE("a ManualClock with a thread that serves clients settles", "[redis][fd]") {
    runnel::ManualClock clock;
    Served scene{ServerOptions{.clock = &clock}};
    auto worker = clock.thread("worker", [&] {
        Session session{scene.server};
        (void)session.execute({"BLPOP", "jobs", "60"});
        (void)session.execute({"PUBLISH", "news", "timed out"});
    });
    scene.one.ask({"SUBSCRIBE", "news"});
    scene.other.send("BLPOP q 30\r\n");
    scene.clients.settle();
    clock.settle();
    clock.advance(60s);
    worker.join();
    CHECK(scene.other.take()->is_null());
    CHECK(scene.one.take()->elements()[2].text() == "timed out");
}

TEST_CASE("on the time of the machine the thread ends waits itself, if nobody runs the clock",
          "[redis][fd]") {
    const bool is_run = GENERATE(false, true);
    runnel::SystemClock clock;
    std::optional<runnel::TimerThread> timers;
    if (is_run) timers.emplace(clock);
    Served scene{ServerOptions{.clock = &clock}};
    CHECK(scene.one.ask({"BLPOP", "q", "0.02"})->is_null());
    scene.one.send("BLPOP q 0.05\r\n");
    scene.clients.settle();
    timers.reset();  // while the wait goes on
    CHECK(scene.one.take()->is_null());
}

TEST_CASE("CLIENT KILL and CLIENT UNBLOCK reach a client that waits", "[redis][fd]") {
    Served scene;
    const std::string id = std::to_string(scene.one.ask({"CLIENT", "ID"})->integer());
    scene.one.send("BLPOP q 0\r\n");
    scene.clients.settle();
    CHECK(scene.other.ask({"CLIENT", "UNBLOCK", id, "ERROR"}) == Reply::integer(1));
    CHECK(text_of(scene.one.take()).starts_with("(error) UNBLOCKED"));
    scene.one.send("BLPOP q 0\r\n");
    scene.clients.settle();
    CHECK(scene.other.ask({"CLIENT", "KILL", "ID", id}) == Reply::integer(1));
    CHECK(scene.one.ends());
}

// ---- ends

TEST_CASE("a connection that is dropped while its command waits ends without effect",
          "[redis][fd]") {
    Served scene;
    scene.one.send("BLPOP q 0\r\nSET key value\r\n");
    scene.clients.settle();
    CHECK(scene.server.blocked_sessions() == 1);
    scene.one.close();
    scene.clients.settle();
    CHECK(scene.server.blocked_sessions() == 0);
    CHECK(scene.clients.connections() == 1);
    scene.other.ask({"RPUSH", "q", "job"});
    CHECK(text_of(scene.other.ask({"LLEN", "q"})) == "(integer) 1");
    CHECK(text_of(scene.other.ask({"EXISTS", "key"})) == "(integer) 0");
}

TEST_CASE("a client that shuts down its sending half gets its replies, and then the end",
          "[redis][fd]") {
    Served scene;
    const std::string large(std::size_t{2} * 1024 * 1024, 'x');
    scene.other.ask({"SET", "key", large});
    scene.one.send("INCR n\r\nGET key\r\nINCR n\r\n");
    scene.one.shut_down_sending();
    CHECK(text_of(scene.one.take()) == "(integer) 1");
    CHECK((scene.one.take() == Reply::bulk_string(large)));
    CHECK(text_of(scene.one.take()) == "(integer) 2");
    CHECK(scene.one.ends());

    scene.other.send("INCR n\r\nBLPOP q 0\r\nINCR n\r\n");
    scene.other.shut_down_sending();
    CHECK(text_of(scene.other.take()) == "(integer) 3");
    CHECK(scene.other.ends());
    CHECK(scene.server.blocked_sessions() == 0);
}

TEST_CASE("commands that were sent before a client has closed are carried out", "[redis][fd]") {
    Served scene;
    for (int number = 0; number != 100; ++number) scene.one.send("INCR n\r\n");
    scene.one.close();
    scene.clients.settle();
    CHECK(text_of(scene.other.ask({"GET", "n"})) == "\"100\"");
}

TEST_CASE("a client that receives no more is disconnected when something is sent to it",
          "[redis][fd]") {
    Served scene;
    scene.one.ask({"SUBSCRIBE", "news"});
    scene.one.shut_down_receiving();
    scene.clients.settle();
    CHECK(scene.clients.connections() == 2);
    CHECK(scene.other.ask({"PUBLISH", "news", "x"}) == Reply::integer(1));
    scene.clients.settle();
    CHECK(scene.clients.connections() == 1);
    CHECK(scene.other.ask({"PUBLISH", "news", "x"}) == Reply::integer(0));
}

TEST_CASE("clients see the end when the FdServer goes", "[redis][fd]") {
    Server server;
    std::optional<FdServer> clients{server};
    RawClient one{clients->connect()};
    RawClient waits{clients->connect()};
    CHECK(text_of(one.ask({"PING"})) == "PONG");
    waits.send("BLPOP q 0\r\n");
    clients->settle();
    clients.reset();
    CHECK(one.ends());
    CHECK(waits.ends());
    CHECK(server.blocked_sessions() == 0);
    CHECK(Session{server}.execute({"CLIENT", "LIST"})->text().find("id=1 ") == std::string::npos);
}

// ---- faults

TEST_CASE("faults break the connection of a client", "[redis][fd]") {
    Served scene;
    const auto faults = scene.server.faults();
    const auto lost = faults.on("INCR").nth(2).lose_reply();
    const auto dropped = faults.on("SET").drop();
    scene.one.send("INCR n\r\nINCR n\r\nINCR n\r\n");
    CHECK(text_of(scene.one.take()) == "(integer) 1");
    CHECK(scene.one.ends());
    CHECK(text_of(scene.other.ask({"GET", "n"})) == "\"2\"");
    CHECK_FALSE(scene.other.ask({"SET", "n", "9"}));
    CHECK(scene.other.ends());
    CHECK(lost.fired() == 1);
    CHECK(dropped.fired() == 1);
}

TEST_CASE("a command that a fault delays holds back those behind it", "[redis][fd]") {
    Served scene;
    const auto late = scene.server.faults().on("INCR").nth(1).delay(5s);
    scene.one.send("INCR n\r\nGET n\r\n");
    scene.clients.settle();
    CHECK(scene.one.hears_nothing());
    CHECK(text_of(scene.other.ask({"GET", "n"})) == "(nil)");
    scene.server.advance(5s);
    CHECK(text_of(scene.one.take()) == "(integer) 1");
    CHECK(text_of(scene.one.take()) == "\"1\"");
}

TEST_CASE("what a strict server refuses is an error for the client", "[redis][fd]") {
    Served scene{ServerOptions{.strict = true}};
    CHECK(text_of(scene.one.ask({"SORT", "q"})) ==
          "(error) ERR redis::Session: the fake of Redis has no SORT");
    CHECK(text_of(scene.one.ask({"PING"})) == "PONG");
}

TEST_CASE("an interceptor sees the commands of clients, and what it throws is their reply",
          "[redis][fd]") {
    Served scene;
    std::vector<std::string> seen;
    scene.server.intercept({.before = [&](const SentCommand& sent) -> std::optional<Reply> {
        seen.push_back(sent.words[0]);
        if (sent.words[0] == "GET") throw std::runtime_error{"refused"};
        if (sent.words[0] == "PING") return Reply::simple_string("intercepted");
        return std::nullopt;
    }});
    CHECK(text_of(scene.one.ask({"PING"})) == "intercepted");
    CHECK(text_of(scene.one.ask({"GET", "key"})) == "(error) ERR refused");
    CHECK(text_of(scene.one.ask({"INCR", "n"})) == "(integer) 1");
    scene.server.intercept({});
    CHECK(seen == std::vector<std::string>{"PING", "GET", "INCR"});
}

// ---- the thread

TEST_CASE("one thread with a name serves all clients, and goes with the FdServer", "[redis][fd]") {
    const auto count = [] { return runnel::test::threads_named("runnel-redis-fd"); };
    runnel::test::eventually([&] { return count() == 0; });  // those of other tests
    Server server;
    {
        FdServer clients{server};
        std::list<RawClient> many;
        for (int number = 0; number != 50; ++number) {
            many.emplace_back(clients.connect());
            many.back().send("BLPOP q 0\r\n");
        }
        clients.settle();
        CHECK(server.blocked_sessions() == 50);
        CHECK(count() == 1);
    }
    runnel::test::eventually([&] { return count() == 0; });
    CHECK(server.blocked_sessions() == 0);
}

// ---- descriptors and paths

TEST_CASE("a descriptor of the caller's is served, and taken over", "[redis][fd]") {
    Server server;
    FdServer clients{server};
    int ends[2];
    REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, ends) == 0);
    clients.serve(ends[0]);
    RawClient client{ends[1]};
    CHECK(text_of(client.ask({"PING"})) == "PONG");

    int pipe_ends[2];
    REQUIRE(pipe(pipe_ends) == 0);
    CHECK(error_of([&] { clients.serve(pipe_ends[0]); }) == ErrorCode::invalid_argument);
    CHECK(fcntl(pipe_ends[0], F_GETFD) == -1);  // closed
    close(pipe_ends[1]);
    CHECK(error_of([&] { clients.serve(-1); }) == ErrorCode::invalid_argument);
    CHECK(clients.connections() == 1);
}

TEST_CASE("clients connect to a path, which goes with the FdServer", "[redis][fd]") {
    Server server;
    std::filesystem::path path;
    std::filesystem::path second_folder;
    {
        FdServer clients{server};
        path = clients.listen();
        CHECK(std::filesystem::is_socket(path));
        RawClient one{RawClient::connected_to(path)};
        RawClient other{RawClient::connected_to(path)};
        CHECK(text_of(one.ask({"SET", "key", "value"})) == "OK");
        CHECK(text_of(other.ask({"GET", "key"})) == "\"value\"");
        CHECK(clients.connections() == 2);

        std::string folder = std::filesystem::temp_directory_path() / "runnel-test-XXXXXX";
        REQUIRE(mkdtemp(folder.data()) != nullptr);
        second_folder = folder;
        const std::string second = second_folder / "socket";
        clients.listen(second);
        RawClient third{RawClient::connected_to(second)};
        CHECK(text_of(third.ask({"GET", "key"})) == "\"value\"");
        CHECK(error_of([&] { clients.listen(second); }) == ErrorCode::invalid_argument);
        CHECK(text_of(third.ask({"PING"})) == "PONG");
    }
    CHECK_FALSE(std::filesystem::exists(path));
    CHECK_FALSE(std::filesystem::exists(path.parent_path()));
    CHECK(std::filesystem::remove(second_folder));  // empty
}

TEST_CASE("a path where nobody can listen is refused", "[redis][fd]") {
    Server server;
    FdServer clients{server};
    const std::string too_long(200, 'x');
    for (const std::string& path : {std::string{}, too_long, std::string{"/nowhere/at/all"}})
        CHECK(error_of([&] { clients.listen(path); }) == ErrorCode::invalid_argument);
    CHECK(clients.connections() == 0);
}

TEST_CASE("what has taken the place of the path is left alone", "[redis][fd]") {
    Server server;
    std::string path;
    {
        FdServer clients{server};
        path = clients.listen();
        std::filesystem::remove(path);
        std::ofstream{path} << "another one's";
    }
    CHECK(std::filesystem::exists(path));
    std::filesystem::remove_all(std::filesystem::path{path}.parent_path());
}

TEST_CASE("several FdServers of a server share its data", "[redis][fd]") {
    Server server;
    FdServer some{server};
    FdServer others{server};
    RawClient one{some.connect()};
    RawClient other{others.connect()};
    one.ask({"SUBSCRIBE", "news"});
    CHECK(text_of(other.ask({"PUBLISH", "news", "x"})) == "(integer) 1");
    CHECK(one.take()->elements()[2].text() == "x");
}

TEST_CASE("a child of fork() may destroy its copy", "[redis][fd]") {
    Server server;
    std::optional<FdServer> clients{server};
    RawClient client{clients->connect()};
    CHECK(text_of(client.ask({"PING"})) == "PONG");
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        clients.reset();
        _exit(0);
    }
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
    CHECK(text_of(client.ask({"PING"})) == "PONG");
}

TEST_CASE("a child of fork() keeps no connection open", "[redis][fd]") {
    Server server;
    std::optional<FdServer> clients{server};
    RawClient quits{clients->connect()};
    RawClient stays{clients->connect()};
    CHECK(text_of(quits.ask({"PING"})) == "PONG");
    int gate[2];
    REQUIRE(pipe(gate) == 0);
    const pid_t child = fork();
    REQUIRE(child >= 0);
    if (child == 0) {
        close(gate[1]);
        char byte = 0;
        _exit(static_cast<int>(read(gate[0], &byte, 1)));  // until the parent closes its end
    }
    close(gate[0]);
    CHECK(text_of(quits.ask({"QUIT"})) == "OK");
    CHECK(quits.ends());
    CHECK(text_of(stays.ask({"PING"})) == "PONG");
    CHECK(clients->connections() == 1);
    clients.reset();
    CHECK(stays.ends());
    close(gate[1]);
    int status = -1;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(status == 0);
}

TEST_CASE("options without a meaning are refused", "[redis][fd]") {
    Server server;
    CHECK(error_of([&] { FdServer{server, {.most_output = 0}}; }) == ErrorCode::invalid_argument);
}
