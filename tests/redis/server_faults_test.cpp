// SPDX-License-Identifier: MIT
// Faults that a server is told to have.

#include <runnel/clock.hpp>
#include <runnel/redis.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

using namespace std::chrono_literals;
using namespace runnel::redis;
using runnel::Error;
using runnel::ErrorCode;

namespace {

struct FaultScene {
    std::optional<Reply> send(std::initializer_list<std::string_view> words) {
        return session.execute(words);
    }
    std::string text(std::initializer_list<std::string_view> words) {
        return to_string(send(words).value());
    }
    // Of another connection.
    std::string elsewhere(std::initializer_list<std::string_view> words) {
        return to_string(other.execute(words).value());
    }
    // A stream with entries 1-0 to 3-0, and a group.
    void make_stream(const std::string& key = "orders") {
        for (const std::string_view id : {"1-0", "2-0", "3-0"})
            other.execute({"XADD", key, id, "f", "v"});
        other.execute({"XGROUP", "CREATE", key, "g", "0"});
    }

    Server server;
    Session session{server};
    Session other{server};
};

const std::string loading = "LOADING Redis is loading the dataset in memory";

}  // namespace

// ---- what happens

TEST_CASE("a command fails, and has done nothing", "[redis][faults]") {
    FaultScene scene;
    const Fault fault = scene.server.faults().on("RPUSH").fail(loading);
    CHECK(scene.send({"RPUSH", "jobs", "one"}) == Reply::error(loading));
    CHECK(scene.text({"LLEN", "jobs"}) == "(integer) 0");
    CHECK_FALSE(scene.session.is_closed());
    CHECK(fault.fired() == 1);
}

TEST_CASE("a command gets another reply, and has done nothing", "[redis][faults]") {
    FaultScene scene;
    scene.server.faults().on("INCR").answer(Reply::integer(41));
    CHECK(scene.send({"INCR", "n"}) == Reply::integer(41));
    CHECK(scene.text({"GET", "n"}) == "(nil)");
}

TEST_CASE("a connection breaks before the command is carried out", "[redis][faults]") {
    FaultScene scene;
    scene.server.faults().on("RPUSH").drop();
    CHECK_FALSE(scene.send({"RPUSH", "jobs", "one"}).has_value());
    CHECK(scene.session.is_closed());
    CHECK(scene.elsewhere({"LLEN", "jobs"}) == "(integer) 0");
    // Other connections, and new ones, are as before.
    Session again{scene.server};
    CHECK(again.execute({"PING"}).has_value());
}

TEST_CASE("a reply is lost, and what the command has done stays", "[redis][faults]") {
    FaultScene scene;
    scene.server.faults().on("RPUSH").lose_reply();
    CHECK_FALSE(scene.send({"RPUSH", "jobs", "one"}).has_value());
    CHECK(scene.session.is_closed());
    CHECK(scene.session.outputs().empty());
    CHECK(scene.elsewhere({"LRANGE", "jobs", "0", "-1"}) == R"(1) "one")");
}

TEST_CASE("a command is carried out twice", "[redis][faults]") {
    FaultScene scene;
    SECTION("an entry is added twice, and the client hears of the last one") {
        scene.server.faults().on("XADD").twice();
        CHECK(scene.text({"XADD", "orders", "7-*", "f", "v"}) == R"("7-1")");
        CHECK(scene.text({"XLEN", "orders"}) == "(integer) 2");
        CHECK(scene.session.outputs().size() == 2);
    }
    SECTION("a message is delivered twice") {
        scene.other.execute({"SUBSCRIBE", "news"});
        CHECK(scene.other.next_push().has_value());
        scene.server.faults().on("PUBLISH").twice();
        CHECK(scene.text({"PUBLISH", "news", "rain"}) == "(integer) 1");
        CHECK((*scene.other.next_push())[2].text() == "rain");
        CHECK((*scene.other.next_push())[2].text() == "rain");
        CHECK_FALSE(scene.other.next_push().has_value());
    }
    SECTION("one that waits is carried out once") {
        scene.server.faults().on("BLPOP").twice();
        const Pending waits = scene.session.submit({"BLPOP", "jobs", "0"});
        scene.other.execute({"RPUSH", "jobs", "one", "two"});
        CHECK(waits.try_get()->strings() == std::vector<std::string>{"jobs", "one"});
        CHECK(scene.elsewhere({"LLEN", "jobs"}) == "(integer) 1");
    }
    SECTION("one between MULTI and EXEC is queued once, and the fault does not fire") {
        const Fault fault = scene.server.faults().on("*").key("jobs").twice();
        const Fault at_end = scene.server.faults().on("EXEC").twice();
        scene.send({"MULTI"});
        CHECK(scene.text({"RPUSH", "jobs", "one"}) == "QUEUED");
        CHECK(scene.text({"EXEC"}) == "1) (integer) 1");
        CHECK(fault.fired() == 0);
        CHECK(at_end.fired() == 0);
    }
    SECTION("one that ends its session is carried out once") {
        scene.server.faults().on("QUIT").twice();
        CHECK_FALSE(scene.send({"QUIT"}).has_value());
        CHECK(scene.session.is_closed());
    }
}

TEST_CASE("a command is carried out later", "[redis][faults]") {
    FaultScene scene;
    scene.server.faults().on("RPUSH").delay(5s);
    const Pending pushed = scene.session.submit({"RPUSH", "jobs", "one"});
    const Pending behind = scene.session.submit({"LLEN", "jobs"});
    CHECK_FALSE(pushed.ready());
    CHECK_FALSE(behind.ready());
    CHECK(scene.server.blocked_sessions() == 0);
    CHECK(scene.elsewhere({"LLEN", "jobs"}) == "(integer) 0");

    SECTION("when its time has come; what the session sent after it comes after it") {
        scene.server.advance(4999ms);
        CHECK_FALSE(pushed.ready());
        scene.server.advance(1ms);
        CHECK(pushed.try_get() == Reply::integer(1));
        CHECK(behind.try_get() == Reply::integer(1));
    }
    SECTION("not at all if the session is closed before") {
        scene.session.close();
        scene.server.advance(1h);
        CHECK(pushed.ready());
        CHECK_FALSE(pushed.try_get().has_value());
        CHECK(scene.elsewhere({"LLEN", "jobs"}) == "(integer) 0");
    }
    SECTION("CLIENT UNBLOCK does not end that") {
        CHECK(scene.other.execute({"CLIENT", "UNBLOCK", std::to_string(scene.session.id())}) ==
              Reply::integer(0));
        CHECK_FALSE(pushed.ready());
    }
}

TEST_CASE("a delayed command that blocks waits when its time has come", "[redis][faults]") {
    FaultScene scene;
    scene.server.faults().on("BLPOP").delay(5s);
    const Pending popped = scene.session.submit({"BLPOP", "jobs", "10"});
    scene.server.advance(5s);
    CHECK(scene.server.blocked_sessions() == 1);
    scene.server.advance(9s);
    CHECK_FALSE(popped.ready());
    scene.server.advance(1s);
    CHECK(popped.try_get()->is_null());
}

TEST_CASE("a command that waits loses its reply when it has one", "[redis][faults]") {
    FaultScene scene;
    scene.server.faults().on("BLPOP").lose_reply();
    const Pending popped = scene.session.submit({"BLPOP", "jobs", "10"});
    CHECK_FALSE(scene.session.is_closed());
    SECTION("an element that it took is gone") {
        scene.other.execute({"RPUSH", "jobs", "one", "two"});
        CHECK(scene.elsewhere({"LRANGE", "jobs", "0", "-1"}) == R"(1) "two")");
    }
    SECTION("or its time is over") {
        scene.server.advance(10s);
    }
    SECTION("or CLIENT UNBLOCK ends it") {
        scene.other.execute({"CLIENT", "UNBLOCK", std::to_string(scene.session.id())});
    }
    CHECK(popped.ready());
    CHECK_FALSE(popped.try_get().has_value());
    CHECK(scene.session.is_closed());
}

TEST_CASE("a consumer crashes with what it was given", "[redis][faults]") {
    FaultScene scene;
    scene.make_stream();
    Fault crash = scene.server.faults().on("XREADGROUP").consumer("till-1").nth(2).crash();
    const auto read = [&](Session& by, std::string_view consumer) {
        return by.execute(
            {"XREADGROUP", "GROUP", "g", consumer, "COUNT", "1", "STREAMS", "orders", ">"});
    };
    CHECK(read(scene.session, "till-1").has_value());
    CHECK_FALSE(read(scene.session, "till-1").has_value());
    CHECK(scene.session.is_closed());
    // Both entries are pending for it, and another consumer can claim them.
    CHECK(scene.elsewhere({"XPENDING", "orders", "g"}).find("\"2\"") != std::string::npos);

    Session again{scene.server};
    CHECK_FALSE(read(again, "till-1").has_value());
    Session medic{scene.server};
    CHECK(read(medic, "till-2").has_value());
    CHECK(medic.execute({"XAUTOCLAIM", "orders", "g", "till-2", "0", "0"})->elements().size() == 3);
    CHECK(crash.fired() == 1);

    crash.remove();
    Session healed{scene.server};
    CHECK(read(healed, "till-1").has_value());
}

TEST_CASE("the wall clock is moved before a command", "[redis][faults]") {
    FaultScene scene;
    scene.server.faults().on("XADD").nth(2).step_clock(-10s);
    const std::string first = scene.send({"XADD", "s", "*", "f", "v"})->text();
    const std::string second = scene.send({"XADD", "s", "*", "f", "v"})->text();
    // The time of ids does not go back.
    CHECK(first == "1700000000000-0");
    CHECK(second == "1700000000000-1");
    CHECK(scene.text({"TIME"}) == "1) \"1699999990\"\n2) \"0\"");
}

TEST_CASE("the clock is moved forward: keys expire, time-outs do not end", "[redis][faults]") {
    FaultScene scene;
    scene.send({"SET", "t", "x", "EX", "10"});
    const Pending popped = scene.other.submit({"BLPOP", "jobs", "5"});
    scene.server.faults().on("GET").step_clock(1h);
    CHECK(scene.text({"GET", "t"}) == "(nil)");
    CHECK_FALSE(popped.ready());
}

TEST_CASE("nothing is idle for less than no time", "[redis][faults]") {
    FaultScene scene;
    scene.send({"SET", "t", "x"});
    scene.server.faults().on("OBJECT IDLETIME").step_clock(-1h);
    CHECK(scene.text({"OBJECT", "IDLETIME", "t"}) == "(integer) 0");
    CHECK(scene.send({"INFO", "server"})->text().find("uptime_in_seconds:0\r\n") !=
          std::string::npos);
    CHECK_THROWS_WITH(scene.server.faults().on("PING").step_clock(std::chrono::hours::max()),
                      "Faults: step_clock(): more than a hundred years");
}

TEST_CASE("what a fault delays comes also on a clock that nobody runs", "[redis][faults]") {
    Server server{{.clock = &runnel::SystemClock::instance()}};
    Session listener{server};
    Session sender{server};
    listener.execute({"SUBSCRIBE", "news"});
    CHECK(listener.next_push().has_value());
    server.faults().on("PUBLISH").delay(2ms);
    server.faults().on("GET").delay(1ms);
    sender.submit({"PUBLISH", "news", "rain"});
    CHECK(listener.next_push(1h).has_value());
    Session gone{server};
    server.faults().on("GET").drop();
    gone.submit({"GET", "t"});
    while (!gone.is_closed()) {
    }
}

TEST_CASE("a clock that is not a ManualClock is not moved", "[redis][faults]") {
    Server server{{.clock = &runnel::SystemClock::instance()}};
    CHECK_THROWS_WITH(server.faults().on("GET").step_clock(1s),
                      "Faults: step_clock(): the server has no ManualClock");
}

// ---- at which commands

TEST_CASE("a fault is at the commands that are as it says", "[redis][faults]") {
    FaultScene scene;
    scene.make_stream("orders");
    scene.make_stream("bills");
    const auto expect = [&](const Fault& fault,
                            std::initializer_list<std::initializer_list<std::string_view>> hit,
                            std::initializer_list<std::initializer_list<std::string_view>> missed) {
        for (const auto& words : hit) CHECK(scene.send(words) == Reply::error(loading));
        for (const auto& words : missed) CHECK(scene.send(words) != Reply::error(loading));
        CHECK(fault.fired() == hit.size());
        CHECK(fault.seen() == hit.size());
    };
    const Faults faults = scene.server.faults();
    SECTION("of this name") {
        expect(faults.on("GET").fail(loading), {{"GET", "t"}, {"get", "u"}},
               {{"SET", "t", "x"}, {"PING"}});
    }
    SECTION("written in small letters") {
        expect(faults.on("get").fail(loading), {{"GET", "t"}}, {{"PING"}});
    }
    SECTION("of this subcommand") {
        expect(faults.on("XGROUP CREATECONSUMER").fail(loading),
               {{"XGROUP", "CREATECONSUMER", "orders", "g", "c"}},
               {{"XGROUP", "DELCONSUMER", "orders", "g", "c"}});
    }
    SECTION("with all subcommands") {
        expect(faults.on("XGROUP").fail(loading),
               {{"XGROUP", "CREATECONSUMER", "orders", "g", "c"}, {"XGROUP", "HELP"}},
               {{"XINFO", "HELP"}});
    }
    SECTION("of any name") {
        expect(faults.on("*").fail(loading), {{"PING"}, {"GET", "t"}}, {{"NOSUCH"}});
    }
    SECTION("with this key") {
        expect(faults.on("*").key("orders").fail(loading),
               {{"XLEN", "orders"},
                {"DEL", "bills", "orders"},
                {"XREAD", "STREAMS", "bills", "orders", "0", "0"},
                {"LMPOP", "2", "a", "orders", "LEFT"},
                {"BLPOP", "a", "orders", "1"},
                {"XGROUP", "CREATE", "orders", "h", "0"},
                {"MSET", "a", "1", "orders", "2"}},
               {{"XLEN", "bills"},
                {"XREAD", "STREAMS", "bills", "0"},
                {"MSET", "a", "orders"},
                {"SET", "a", "orders"},
                {"LMPOP", "1", "a", "LEFT"},
                {"PING"}});
    }
    SECTION("of this group") {
        expect(faults.on("*").group("g").fail(loading),
               {{"XACK", "orders", "g", "1-0"},
                {"XREADGROUP", "NOACK", "GROUP", "g", "c", "STREAMS", "orders", ">"},
                {"XPENDING", "orders", "g"},
                {"XGROUP", "CREATECONSUMER", "orders", "g", "c"}},
               {{"XACK", "orders", "h", "1-0"}, {"XLEN", "g"}});
    }
    SECTION("of this consumer") {
        expect(faults.on("*").consumer("c").fail(loading),
               {{"XREADGROUP", "GROUP", "g", "c", "STREAMS", "orders", ">"},
                {"XCLAIM", "orders", "g", "c", "0", "1-0"},
                {"XAUTOCLAIM", "orders", "g", "c", "0", "0"},
                {"XGROUP", "DELCONSUMER", "orders", "g", "c"}},
               {{"XREADGROUP", "GROUP", "g", "d", "STREAMS", "orders", ">"},
                {"XACK", "orders", "g", "1-0"}});
    }
    SECTION("all of it at once") {
        expect(faults.on("XACK").key("orders").group("g").fail(loading),
               {{"XACK", "orders", "g", "1-0"}},
               {{"XACK", "bills", "g", "1-0"}, {"XACK", "orders", "h", "1-0"}});
    }
}

TEST_CASE("a fault is at the commands of a session", "[redis][faults]") {
    FaultScene scene;
    SECTION("by its id") {
        scene.server.faults().on("PING").session(scene.session.id()).fail(loading);
    }
    SECTION("by its name") {
        scene.server.faults().on("PING").session("worker").fail(loading);
        scene.send({"CLIENT", "SETNAME", "worker"});
    }
    CHECK(scene.send({"PING"})->is_error());
    CHECK(scene.elsewhere({"PING"}) == "PONG");
}

// ---- at which of them

TEST_CASE("a fault fires at the n-th command", "[redis][faults]") {
    FaultScene scene;
    const Fault fault = scene.server.faults().on("GET").nth(3).fail(loading);
    std::string failed;
    for (int n = 1; n <= 5; ++n) failed += scene.send({"GET", "t"})->is_error() ? 'x' : '.';
    CHECK(failed == "..x..");
    CHECK(fault.fired() == 1);
    CHECK(fault.seen() == 5);
}

TEST_CASE("a fault fires no more than so often", "[redis][faults]") {
    FaultScene scene;
    scene.server.faults().on("GET").times(2).fail(loading);
    std::string failed;
    for (int n = 1; n <= 5; ++n) failed += scene.send({"GET", "t"})->is_error() ? 'x' : '.';
    CHECK(failed == "xx...");
}

TEST_CASE("a fault fires by lot, which a seed decides", "[redis][faults]") {
    const auto failed = [](double probability, std::uint64_t seed) {
        FaultScene scene;
        scene.server.faults().on("GET").chance(probability, seed).fail(loading);
        std::string all;
        for (int n = 0; n != 200; ++n) all += scene.send({"GET", "t"})->is_error() ? 'x' : '.';
        return all;
    };
    CHECK(failed(0.3, 1) == failed(0.3, 1));
    CHECK(failed(0.3, 1) != failed(0.3, 2));
    const std::string some = failed(0.3, 1);
    const auto count = std::count(some.begin(), some.end(), 'x');
    CHECK(count > 30);
    CHECK(count < 90);
    CHECK(failed(0, 1) == std::string(200, '.'));
    CHECK(failed(1, 1) == std::string(200, 'x'));
}

TEST_CASE("two faults at one command both happen", "[redis][faults]") {
    FaultScene scene;
    scene.server.faults().on("RPUSH").delay(1s);
    scene.server.faults().on("RPUSH").delay(3s);
    scene.server.faults().on("*").session(scene.session.id()).lose_reply();
    const Pending pushed = scene.session.submit({"RPUSH", "jobs", "one"});
    scene.server.advance(2s);
    CHECK_FALSE(pushed.ready());
    scene.server.advance(1s);
    CHECK(pushed.ready());
    CHECK(scene.session.is_closed());
    CHECK(scene.elsewhere({"LRANGE", "jobs", "0", "-1"}) == R"(1) "one")");
}

// ---- transactions

TEST_CASE("a command that fails between MULTI and EXEC fails the transaction", "[redis][faults]") {
    FaultScene scene;
    scene.server.faults().on("RPUSH").fail(loading);
    scene.send({"MULTI"});
    CHECK(scene.text({"SET", "t", "x"}) == "QUEUED");
    CHECK(scene.send({"RPUSH", "jobs", "one"}) == Reply::error(loading));
    CHECK(scene.send({"EXEC"}) ==
          Reply::error("EXECABORT Transaction discarded because of previous errors."));
    CHECK(scene.text({"GET", "t"}) == "(nil)");
}

TEST_CASE("an EXEC that fails ends the transaction", "[redis][faults]") {
    FaultScene scene;
    scene.server.faults().on("EXEC").fail(loading);
    scene.send({"MULTI"});
    scene.send({"SET", "t", "x"});
    CHECK(scene.send({"EXEC"}) ==
          Reply::error("EXECABORT Transaction discarded because of: " + loading));
    CHECK(scene.text({"GET", "t"}) == "(nil)");
}

// ---- looking at faults

TEST_CASE("a fault that has never fired can be seen", "[redis][faults]") {
    FaultScene scene;
    const Faults faults = scene.server.faults();
    faults.on("PING").fail(loading);
    faults.on("XACK").key("orders").nth(3).fail(loading);
    faults.on("xgroup createconsumer")
        .group("g")
        .consumer("c")
        .session("s")
        .times(2)
        .chance(0.5, 7)
        .drop();
    faults.on("*").session(5).delay(1500ms);
    scene.send({"PING"});
    CHECK(
        faults.unfired() ==
        std::vector<std::string>{
            R"(on("XACK").key("orders").nth(3).fail("LOADING Redis is loading the dataset in memory"))",
            R"(on("xgroup createconsumer").group("g").consumer("c").session("s").times(2).chance(0.5, 7).drop())",
            R"(on("*").session(5).delay(1500ms))"});
    faults.clear();
    CHECK(faults.unfired().empty());
    CHECK(scene.text({"PING"}) == "PONG");
}

TEST_CASE("a fault that was removed does not fire", "[redis][faults]") {
    FaultScene scene;
    Fault fault = scene.server.faults().on("PING").fail(loading);
    CHECK(scene.send({"PING"})->is_error());
    fault.remove();
    CHECK(scene.text({"PING"}) == "PONG");
    CHECK(fault.fired() == 1);
    CHECK(fault.text() == R"(on("PING").fail(")" + loading + R"("))");
    fault.remove();
}

TEST_CASE("a fault that makes no sense is refused", "[redis][faults]") {
    FaultScene scene;
    const Faults faults = scene.server.faults();
    CHECK_THROWS_WITH(faults.on("NOSUCH"), R"(Faults: on("NOSUCH"): the fake has no such command)");
    CHECK_THROWS_WITH(faults.on("PING").nth(0), "Faults: nth(0): the first one is 1");
    CHECK_THROWS_WITH(faults.on("PING").times(0), "Faults: times(0): it would never fire");
    CHECK_THROWS_WITH(faults.on("XACK").consumer("c"),
                      R"(Faults: on("XACK"): it names no consumer)");
    CHECK_THROWS_WITH(faults.on("GET").group("g"),
                      R"(Faults: on("GET"): it names no consumer group)");
    CHECK_NOTHROW(faults.on("XGROUP").consumer("c"));
    CHECK_NOTHROW(faults.on("XACK").group("g"));
    CHECK_THROWS_WITH(faults.on("PING").chance(1.5, 1), "Faults: chance(): it is from 0 to 1");
    CHECK_THROWS_WITH(faults.on("PING").chance(-0.1, 1), "Faults: chance(): it is from 0 to 1");
    CHECK_THROWS_WITH(faults.on("PING").fail(""), "Faults: fail(): an error has a text");
    CHECK_THROWS_WITH(faults.on("PING").delay(-1s), "Faults: delay(): the time is negative");
    CHECK(faults.unfired().empty());
}

TEST_CASE("a fault of less than a millisecond says so", "[redis][faults]") {
    FaultScene scene;
    CHECK(scene.server.faults().on("PING").delay(500us).text() == R"(on("PING").delay(500000ns))");
    CHECK(scene.server.faults().on("PING").fail("A \"B\"").text() ==
          R"(on("PING").fail("A \"B\""))");
}

TEST_CASE("there is one fault, however it is written", "[redis][faults]") {
    STATIC_REQUIRE_FALSE(std::is_copy_constructible_v<FaultAt>);
    STATIC_REQUIRE(std::is_move_constructible_v<FaultAt>);
}

TEST_CASE("a reply is lost also of a command that is carried out twice", "[redis][faults]") {
    FaultScene scene;
    scene.server.faults().on("BLPOP").twice();
    scene.server.faults().on("BLPOP").lose_reply();
    const Pending popped = scene.session.submit({"BLPOP", "jobs", "0"});
    scene.other.execute({"RPUSH", "jobs", "one"});
    CHECK(popped.ready());
    CHECK_FALSE(popped.try_get().has_value());
    CHECK(scene.session.is_closed());
}

TEST_CASE("a consumer that has crashed crashes once", "[redis][faults]") {
    FaultScene scene;
    scene.make_stream();
    const Fault crash = scene.server.faults().on("XREADGROUP").crash();
    for (int n = 0; n != 3; ++n) {
        Session session{scene.server};
        CHECK_FALSE(
            session
                .execute({"XREADGROUP", "GROUP", "g", "c", "COUNT", "1", "STREAMS", "orders", ">"})
                .has_value());
    }
    CHECK(crash.fired() == 1);
    CHECK(scene.elsewhere({"XPENDING", "orders", "g"}).starts_with("1) (integer) 1"));
}

TEST_CASE("a session that a fault delays does not count as blocked", "[redis][faults]") {
    FaultScene scene;
    scene.server.faults().on("GET").delay(5s);
    scene.session.submit({"GET", "t"});
    const std::string info = scene.other.execute({"INFO", "clients"})->text();
    CHECK(info.find("blocked_clients:0\r\n") != std::string::npos);
    CHECK(info.find("clients_in_timeout_table:0\r\n") != std::string::npos);
    CHECK(scene.other.execute({"CLIENT", "LIST"})->text().find("flags=b") == std::string::npos);
}

TEST_CASE("a fault outlives its server", "[redis][faults]") {
    std::optional<FaultScene> scene{std::in_place};
    Fault fault = scene->server.faults().on("PING").fail(loading);
    scene->send({"PING"});
    scene.reset();
    CHECK(fault.fired() == 1);
    fault.remove();
}
