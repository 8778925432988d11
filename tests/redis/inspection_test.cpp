// SPDX-License-Identifier: MIT
// Looking into a server: interceptors, the log of commands, the history of entries, who waits, and
// what the fake does not have.

#include <runnel/redis.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <cstddef>
#include <initializer_list>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using namespace runnel::redis;
using runnel::Error;
using runnel::ErrorCode;
using Texts = std::vector<std::string>;

namespace {

struct InspectedServer {
    explicit InspectedServer(const ServerOptions& options = {}) : server{options} {}

    std::optional<Reply> send(std::initializer_list<std::string_view> words) {
        return session.execute(words);
    }

    Server server;
    Session session{server};
    Session other{server};
};

std::string sent_line(const SentCommand& sent) {
    std::string line = std::to_string(sent.session) + '>';
    for (const std::string& word : sent.words) line += ' ' + word;
    return line;
}

// What an interceptor has seen.
struct SeenCommands {
    Texts before;
    Texts after;

    [[nodiscard]] Interceptor interceptor() {
        return {.before =
                    [this](const SentCommand& sent) {
                        before.push_back(sent_line(sent));
                        return std::optional<Reply>{};
                    },
                .after =
                    [this](const SentCommand& sent, const std::optional<Reply>& reply) {
                        after.push_back(sent_line(sent) + " -> " +
                                        (reply ? to_string(*reply) : "nothing"));
                    }};
    }
};

}  // namespace

// ---- interceptors

TEST_CASE("an interceptor sees each command before and after", "[redis][inspection]") {
    InspectedServer scene;
    SeenCommands seen;
    scene.send({"PING"});
    scene.server.intercept(seen.interceptor());
    scene.send({"RPUSH", "jobs", "one"});
    scene.other.submit({"NOSUCH"});
    CHECK(seen.before == Texts{"1> RPUSH jobs one", "2> NOSUCH"});
    CHECK(seen.after ==
          Texts{"1> RPUSH jobs one -> (integer) 1",
                "2> NOSUCH -> (error) ERR unknown command 'NOSUCH', with args beginning with: "});
    scene.server.intercept({});
    scene.send({"PING"});
    CHECK(seen.before.size() == 2);
}

TEST_CASE("an interceptor hears of a command that waits when it ends", "[redis][inspection]") {
    InspectedServer scene;
    SeenCommands seen;
    scene.server.intercept(seen.interceptor());
    scene.session.submit({"BLPOP", "jobs", "5"});
    scene.session.submit({"PING"});
    CHECK(seen.before == Texts{"1> BLPOP jobs 5", "1> PING"});
    CHECK(seen.after.empty());
    SECTION("with a reply") {
        scene.server.advance(5s);
        CHECK(seen.after == Texts{"1> BLPOP jobs 5 -> (nil)", "1> PING -> PONG"});
    }
    SECTION("without one") {
        scene.session.close();
        CHECK(seen.after == Texts{"1> BLPOP jobs 5 -> nothing", "1> PING -> nothing"});
    }
}

TEST_CASE("an interceptor answers instead of the server", "[redis][inspection]") {
    InspectedServer scene;
    const auto answer = [](const SentCommand& sent) -> std::optional<Reply> {
        if (sent.words[0] == "GET") return Reply::bulk_string("mine");
        if (sent.words[0] == "INCR") return Reply::error("ERR not today");
        return std::nullopt;
    };
    scene.server.intercept({.before = answer});
    CHECK(scene.send({"GET", "t"}) == Reply::bulk_string("mine"));
    CHECK(scene.send({"SET", "t", "x"}) == Reply::simple_string("OK"));
    CHECK(scene.session.outputs().size() == 2);

    SECTION("in the order of the session") {
        const Pending waits = scene.session.submit({"BLPOP", "jobs", "5"});
        const Pending behind = scene.session.submit({"GET", "t"});
        CHECK_FALSE(behind.ready());
        scene.server.advance(5s);
        CHECK(behind.try_get() == Reply::bulk_string("mine"));
    }
    SECTION("an error fails a transaction") {
        scene.send({"MULTI"});
        CHECK(scene.send({"GET", "t"}) == Reply::bulk_string("mine"));
        CHECK(scene.send({"INCR", "n"}) == Reply::error("ERR not today"));
        CHECK(scene.send({"EXEC"})->code() == "EXECABORT");
    }
}

TEST_CASE("what an interceptor answers to EXEC is the reply", "[redis][inspection]") {
    InspectedServer scene;
    scene.send({"MULTI"});
    scene.send({"SET", "t", "x"});
    scene.server.intercept({.before = [](const SentCommand&) -> std::optional<Reply> {
        return Reply::error("LOADING not yet");
    }});
    CHECK(scene.send({"EXEC"}) == Reply::error("LOADING not yet"));
    scene.server.intercept({});
    CHECK(scene.send({"GET", "t"})->is_null());  // as after an EXEC that has failed
}

TEST_CASE("what an interceptor throws comes out of the call", "[redis][inspection]") {
    InspectedServer scene;
    scene.server.intercept({.before = [](const SentCommand&) -> std::optional<Reply> {
        throw std::runtime_error{"no"};
    }});
    CHECK_THROWS_AS(scene.send({"SET", "t", "x"}), std::runtime_error);
    CHECK_THROWS_AS(scene.session.submit({"SET", "t", "x"}), std::runtime_error);
    scene.server.intercept({});
    CHECK(scene.send({"GET", "t"})->is_null());
    CHECK(scene.session.outputs().size() == 1);
}

TEST_CASE("an interceptor may send commands itself", "[redis][inspection]") {
    InspectedServer scene;
    int depth = 0;
    scene.server.intercept({.before = [&](const SentCommand&) -> std::optional<Reply> {
                                if (depth++ == 0) scene.other.execute({"INCR", "before"});
                                return std::nullopt;
                            },
                            .after =
                                [&](const SentCommand& sent, const std::optional<Reply>&) {
                                    if (sent.words[0] == "PING")
                                        scene.other.execute({"INCR", "after"});
                                }});
    scene.send({"PING"});
    CHECK(scene.send({"GET", "before"}) == Reply::bulk_string("1"));
    CHECK(scene.send({"GET", "after"}) == Reply::bulk_string("1"));
}

TEST_CASE("an interceptor may replace itself", "[redis][inspection]") {
    InspectedServer scene;
    SeenCommands seen;
    scene.server.intercept({.before = [&](const SentCommand&) -> std::optional<Reply> {
        scene.server.intercept(seen.interceptor());
        return std::nullopt;
    }});
    scene.send({"PING"});
    scene.send({"ECHO", "x"});
    CHECK(seen.before == Texts{"1> ECHO x"});
    CHECK(seen.after == Texts{"1> ECHO x -> \"x\""});
}

TEST_CASE("an interceptor goes with its server", "[redis][inspection]") {
    std::optional<InspectedServer> scene{std::in_place};
    auto seen = std::make_unique<int>(0);
    int* const count = seen.get();
    scene->server.intercept({.before = [seen = std::shared_ptr<int>{std::move(seen)}](
                                           const SentCommand&) -> std::optional<Reply> {
        ++*seen;
        return std::nullopt;
    }});
    scene->send({"PING"});
    CHECK(*count == 1);
    // A session that outlives it.
    std::optional<Server> server{std::in_place};
    Session session{*server};
    bool is_called = false;
    server->intercept({.before = [&](const SentCommand&) -> std::optional<Reply> {
        is_called = true;
        return std::nullopt;
    }});
    server.reset();
    CHECK_FALSE(session.execute({"PING"}).has_value());
    CHECK_FALSE(is_called);
}

// ---- the log

TEST_CASE("a server logs what it has done", "[redis][inspection]") {
    InspectedServer scene{{.keep_commands = 100}};
    scene.send(
        {"RPUSH", "jobs", "one", "two words", "q\"uote", "a\\b", std::string_view{"\0\r", 2}});
    scene.server.advance(1234ms);
    scene.session.submit({"BLPOP", "empty", "0"});
    scene.session.submit({"PING"});
    scene.other.execute({"SUBSCRIBE", "news"});
    scene.other.execute({"RESET"});
    scene.other.execute({"HELLO", "3"});
    scene.other.execute({"SADD", "s", "a"});
    scene.other.execute({"SMEMBERS", "s"});
    scene.other.execute({"HSET", "h", "k", "v", "l", ""});
    scene.other.execute({"HGETALL", "h"});
    scene.other.execute({"GET", "h"});
    scene.server.advance(1s);
    scene.other.execute({"RPUSH", "empty", "x"});
    CHECK(scene.server.log_text() ==
          R"(0.000 1> RPUSH jobs one "two words" "q\"uote" "a\\b" "\x00\x0d" -> :5
1.234 1> BLPOP empty 0 -> (waits)
1.234 2> SUBSCRIBE news -> (pushes)
1.234 2> RESET -> +RESET
1.234 2> HELLO 3 -> {"server": "redis", "version": "8.10.0", "proto": :3, "id": :2, "mode": "standalone", "role": "master", "modules": []}
1.234 2> SADD s a -> :1
1.234 2> SMEMBERS s -> ~["a"]
1.234 2> HSET h k v l "" -> :2
1.234 2> HGETALL h -> {"k": "v", "l": ""}
1.234 2> GET h -> -WRONGTYPE Operation against a key holding the wrong kind of value
2.234 2> RPUSH empty x -> :1
2.234 1< ["empty", "x"]
2.234 1> PING -> +PONG
)");
}

TEST_CASE("a log tells what faults did", "[redis][inspection]") {
    InspectedServer scene{{.keep_commands = 100}};
    scene.server.faults().on("INCR").nth(1).twice();
    scene.server.faults().on("INCR").nth(2).lose_reply();
    scene.server.faults().on("DECR").drop();
    scene.server.faults().on("BLPOP").delay(1s);
    scene.send({"INCR", "n"});
    scene.send({"INCR", "n"});
    Session again{scene.server};
    again.execute({"DECR", "n"});
    scene.other.submit({"BLPOP", "jobs", "1"});
    scene.server.advance(3s);
    CHECK(scene.server.log_text() == R"(0.000 1> INCR n -> (lost)
0.000 1> INCR n -> :2
0.000 1> INCR n -> (lost)
0.000 3> DECR n -> (closed)
1.000 2> BLPOP jobs 1 -> (waits)
2.000 2< (nil)
)");
}

TEST_CASE("a log tells how waits have ended", "[redis][inspection]") {
    InspectedServer scene{{.keep_commands = 100}};
    scene.server.faults().on("BLPOP").key("lost").lose_reply();
    scene.session.submit({"BLPOP", "lost", "0"});
    Session third{scene.server};
    third.submit({"BLPOP", "closed", "0"});
    scene.other.execute({"RPUSH", "lost", "x"});
    third.close();
    CHECK(scene.server.log_text() == R"(0.000 1> BLPOP lost 0 -> (waits)
0.000 3> BLPOP closed 0 -> (waits)
0.000 2> RPUSH lost x -> :1
0.000 1< (lost)
0.000 3< (closed)
)");
}

TEST_CASE("a log keeps the latest commands", "[redis][inspection]") {
    InspectedServer scene{{.keep_commands = 2}};
    for (const std::string_view key : {"a", "b", "c"}) scene.send({"GET", key});
    const auto log = scene.server.log();
    REQUIRE(log.size() == 2);
    CHECK(log[0].words == Texts{"GET", "b"});
    CHECK(log[1].words == Texts{"GET", "c"});
    CHECK(log[1].reply.is_null());
    CHECK(log[1].session == scene.session.id());
    CHECK(InspectedServer{}.server.log().empty());
}

// ---- entries

TEST_CASE("a server knows what has happened to an entry", "[redis][inspection]") {
    InspectedServer scene{{.keep_history = true}};
    const auto history = [&](std::string_view key, runnel::StreamId id) {
        Texts events;
        for (const EntryEvent& event : scene.server.history(key, id))
            events.push_back(to_string(event));
        return events;
    };
    scene.send({"XADD", "s", "1-0", "f", "v"});
    scene.send({"XADD", "s", "2-0", "f", "v"});
    scene.send({"XADD", "s", "3-0", "f", "v"});
    scene.send({"XADD", "s", "4-0", "f", "v"});
    scene.send({"XGROUP", "CREATE", "s", "g", "0"});
    scene.send({"XREADGROUP", "GROUP", "g", "c1", "STREAMS", "s", ">"});
    scene.server.advance(1min);
    scene.send({"XAUTOCLAIM", "s", "g", "c2", "60000", "0", "COUNT", "1"});
    scene.send({"XNACK", "s", "g", "FAIL", "IDS", "1", "2-0"});
    scene.send({"XREADGROUP", "GROUP", "g", "c2", "STREAMS", "s", "0"});
    scene.send({"XACK", "s", "g", "1-0"});
    scene.send({"XTRIM", "s", "MINID", "2"});
    scene.send({"XDELEX", "s", "DELREF", "IDS", "1", "3-0"});
    const Texts first{"added",
                      "delivered to c1 of g",
                      "claimed by c2 of g",
                      "delivered to c2 of g",
                      "acknowledged in g",
                      "trimmed"};
    CHECK(history("s", {1, 0}) == first);
    CHECK(history("s", {2, 0}) == Texts{"added", "delivered to c1 of g", "released in g"});
    CHECK(history("s", {3, 0}) ==
          Texts{"added", "delivered to c1 of g", "acknowledged in g", "removed"});
    const EntryEvent claimed = scene.server.history("s", {1, 0})[2];
    CHECK(claimed.what == EntryEvent::What::claimed);
    CHECK(claimed.consumer == "c2");
    CHECK(claimed.at == 1'700'000'060'000ms);
    CHECK(history("s", {9, 0}).empty());
    CHECK(history("t", {1, 0}).empty());

    SECTION("also when its stream is gone") {
        scene.send({"DEL", "s"});
        CHECK(history("s", {1, 0}) == first);
        CHECK(history("s", {4, 0}) == Texts{"added", "delivered to c1 of g", "gone with its key"});
    }
    SECTION("also under another name") {
        scene.send({"RENAME", "s", "t"});
        CHECK(history("t", {1, 0}) == first);
        scene.send({"XDEL", "t", "4-0"});
        CHECK(history("t", {4, 0}) == Texts{"added", "delivered to c1 of g", "removed"});
    }
    SECTION("also if another stream takes its name") {
        scene.send({"XADD", "u", "1-0", "f", "v"});
        scene.send({"XADD", "u", "9-0", "f", "v"});
        scene.send({"RENAME", "u", "s"});
        CHECK(history("s", {1, 0}) == Texts{"added"});
        CHECK(history("s", {9, 0}) == Texts{"added"});
        CHECK(history("s", {4, 0}) == Texts{"added", "delivered to c1 of g", "gone with its key"});
    }
    SECTION("but not of a list that has the name of a stream that was") {
        scene.send({"DEL", "s"});
        scene.send({"RPUSH", "s", "x"});
        scene.send({"RENAME", "s", "t"});
        CHECK(history("t", {1, 0}).empty());
    }
    SECTION("also when the databases change places") {
        scene.send({"SWAPDB", "0", "1"});
        CHECK(history("s", {1, 0}).empty());
        CHECK(scene.server.history("s", {1, 0}, 1).size() == first.size());
        CHECK(scene.server.history("s", {4, 0}, 1).size() == 2);
        // Each keeps its own.
        scene.send({"XADD", "s", "4-0", "f", "v"});
        scene.send({"SWAPDB", "0", "1"});
        CHECK(history("s", {4, 0}) == Texts{"added", "delivered to c1 of g"});
        CHECK(scene.server.history("s", {4, 0}, 1).size() == 1);
        scene.send({"SWAPDB", "1", "2"});
        CHECK(history("s", {4, 0}).size() == 2);
        CHECK(scene.server.history("s", {4, 0}, 2).size() == 1);
    }
    SECTION("also in another database") {
        scene.send({"MOVE", "s", "1"});
        CHECK(scene.server.history("s", {1, 0}, 1).size() == first.size());
    }
    SECTION("and of a copy what was before") {
        scene.send({"COPY", "s", "t"});
        scene.send({"XDEL", "t", "4-0"});
        CHECK(history("t", {4, 0}) == Texts{"added", "delivered to c1 of g", "removed"});
        CHECK(history("s", {4, 0}) == Texts{"added", "delivered to c1 of g"});
    }
}

TEST_CASE("a history is kept only if it is asked for", "[redis][inspection]") {
    InspectedServer scene;
    scene.send({"XADD", "s", "1-0", "f", "v"});
    CHECK(scene.server.history("s", {1, 0}).empty());
}

// ---- who waits

TEST_CASE("a server tells who waits at what, and who is first", "[redis][inspection]") {
    InspectedServer scene;
    CHECK(scene.server.waiting().empty());
    CHECK_FALSE(scene.server.next_due().has_value());
    scene.other.execute({"CLIENT", "SETNAME", "worker"});
    Session third{scene.server};
    scene.other.submit({"BLPOP", "a", "b", "a", "0"});
    scene.session.submit({"BLPOP", "a", "20"});
    third.submit({"XREAD", "BLOCK", "10000", "STREAMS", "s", "$"});

    auto waiting = scene.server.waiting();
    REQUIRE(waiting.size() == 3);
    CHECK(waiting[0].session == scene.other.id());
    CHECK(waiting[0].name == "worker");
    CHECK(waiting[0].words == Texts{"BLPOP", "a", "b", "a", "0"});
    CHECK(waiting[0].keys == Texts{"a", "b"});
    CHECK_FALSE(waiting[0].due_in.has_value());
    CHECK(waiting[1].session == scene.session.id());
    CHECK(waiting[1].due_in == 20s);
    CHECK(waiting[2].words == Texts{"XREAD", "BLOCK", "10000", "STREAMS", "s", "0-0"});
    CHECK(scene.server.next_due()->session == third.id());

    scene.server.advance(4s);
    CHECK(scene.server.next_due()->due_in == 6s);
    scene.server.advance(6s);
    CHECK(scene.server.next_due()->session == scene.session.id());
    // The one that came first is served first.
    third.execute({"RPUSH", "a", "x"});
    waiting = scene.server.waiting();
    REQUIRE(waiting.size() == 1);
    CHECK(waiting[0].session == scene.session.id());
}

TEST_CASE("what waits for an entry to be claimed is due then", "[redis][inspection]") {
    InspectedServer scene;
    scene.send({"XADD", "s", "1-0", "f", "v"});
    scene.send({"XGROUP", "CREATE", "s", "g", "0"});
    scene.send({"XREADGROUP", "GROUP", "g", "c1", "STREAMS", "s", ">"});
    scene.session.submit(
        {"XREADGROUP", "GROUP", "g", "c2", "CLAIM", "5000", "BLOCK", "0", "STREAMS", "s", ">"});
    CHECK(scene.server.next_due()->due_in == 5s);
}

TEST_CASE("a command that a fault delays waits at no key", "[redis][inspection]") {
    InspectedServer scene;
    scene.server.faults().on("PING").delay(3s);
    scene.session.submit({"PING"});
    const auto waiting = scene.server.waiting();
    REQUIRE(waiting.size() == 1);
    CHECK(waiting[0].words == Texts{"PING"});
    CHECK(waiting[0].keys.empty());
    CHECK(waiting[0].due_in == 3s);
    CHECK(scene.server.next_due()->session == scene.session.id());
}

// ---- what the fake does not have

TEST_CASE("a server tells what it was asked for and does not have", "[redis][inspection]") {
    InspectedServer scene{{.version = Version::redis_7_0}};
    scene.send({"SORT", "l"});
    scene.send({"sort", "m"});
    scene.send({"CLIENT", "Nosuch", "on"});
    scene.send({"XNACK", "s", "g", "FAIL", "IDS", "1", "1-0"});
    scene.send({"GET"});
    scene.send({"XGROUP"});
    scene.send({"GET", "t"});
    CHECK(scene.server.unsupported() ==
          Texts{"CLIENT NOSUCH", "SORT", "XNACK (newer than Redis 7.0)"});
}

TEST_CASE("a strict server throws at once", "[redis][inspection]") {
    InspectedServer scene{{.strict = true}};
    const auto is_unsupported = [](const Error& error) {
        return error.code() == ErrorCode::unsupported;
    };
    CHECK_THROWS_MATCHES(scene.send({"SORT", "l"}), Error,
                         Catch::Matchers::Predicate<Error>(is_unsupported));
    CHECK_THROWS_WITH(scene.send({"client", "nosuch"}),
                      "redis::Session: the fake of Redis has no CLIENT NOSUCH");
    CHECK_THROWS_AS(scene.session.submit({"SORT", "l"}), Error);
    CHECK(scene.server.unsupported() == Texts{"CLIENT NOSUCH", "SORT"});
    // An error of Redis is one still.
    CHECK(scene.send({"GET"})->is_error());
    CHECK(scene.send({"PING"}).has_value());

    SECTION("also behind a command that waits") {
        const Pending waits = scene.session.submit({"BLPOP", "jobs", "5"});
        CHECK_THROWS_AS(scene.session.submit({"SORT", "l"}), Error);
        const Pending ping = scene.session.submit({"PING"});
        scene.server.advance(5s);
        CHECK(ping.try_get() == Reply::simple_string("PONG"));
    }
    SECTION("unless an interceptor answers") {
        scene.server.intercept({.before = [](const SentCommand&) -> std::optional<Reply> {
            return Reply::integer(7);
        }});
        CHECK(scene.send({"SORT", "l"}) == Reply::integer(7));
    }
}
