// SPDX-License-Identifier: MIT
// Commands of streams, beside more_transcripts/streams.txt: time, limits of the server, copies, and
// what is told of changes.

#include <runnel/redis.hpp>

#include "support/catch.hpp"
#include "support/told_changes.hpp"
#include "support/user_clocks.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;
namespace redis = runnel::redis;
using redis::Reply;
using redis::detail::Change;
using runnel::StreamId;

namespace {

struct StreamScene {
    explicit StreamScene(const redis::ServerOptions& options = {}) : server{options} {}

    Reply send(std::initializer_list<std::string_view> words) {
        return session.execute(words).value();
    }
    Reply send(const std::vector<std::string>& words) { return session.execute(words).value(); }

    std::string add(const std::string& key = "s", const std::string& id = "*") {
        return send({"XADD", key, id, "f", "v"}).text();
    }
    // Entries 1-0, 2-0, …
    void add_many(int count) {
        for (int number = 1; number <= count; ++number) add("s", std::to_string(number));
    }
    std::int64_t size(const std::string& key = "s") { return send({"XLEN", key}).integer(); }

    // Of XINFO STREAM.
    Reply info(std::string_view name, std::string_view key = "s") {
        const Reply all = send({"XINFO", "STREAM", key});
        for (std::size_t at = 0; at != all.elements().size(); at += 2)
            if (all.elements()[at].text() == name) return all.elements()[at + 1];
        FAIL("XINFO STREAM does not show " << name);
        return {};
    }

    [[nodiscard]] std::string now_ms() const {
        const auto since = server.clock().wall().time_since_epoch();
        return std::to_string(std::chrono::floor<std::chrono::milliseconds>(since).count());
    }

    redis::Server server;
    redis::Session session{server};
};

}  // namespace

// ------------------------------------------------------------------ time

TEST_CASE("an id is the time of the server, which stands still until it is moved",
          "[redis][streams]") {
    StreamScene scene;
    const std::string now = scene.now_ms();
    CHECK(scene.add() == now + "-0");
    CHECK(scene.add() == now + "-1");
    scene.server.advance(1ms);
    CHECK(scene.add() == scene.now_ms() + "-0");
}

TEST_CASE("ids of entries that are added in one transaction have one time", "[redis][streams]") {
    runnel::test::FastClock clock{1'000'000};  // a millisecond for each nanosecond
    redis::Server server{{.clock = &clock}};
    redis::Session session{server};
    session.execute({"MULTI"});
    for (int number = 0; number != 100; ++number) session.execute({"XADD", "s", "*", "f", "v"});
    const Reply ids = session.execute({"EXEC"}).value();
    const auto first = StreamId::parse(ids.elements().front().text());
    const auto last = StreamId::parse(ids.elements().back().text());
    CHECK(last == StreamId{first->ms, first->seq + 99});
}

TEST_CASE("a message is forgotten in the time of the server, with or without a look at it",
          "[redis][streams]") {
    StreamScene scene;
    scene.send({"XADD", "s", "IDMP", "p", "i", "*", "f", "v"});
    scene.server.advance(100s - 1ms);
    CHECK(scene.info("iids-tracked") == Reply::integer(1));
    scene.server.advance(1ms);
    CHECK(scene.info("iids-tracked") == Reply::integer(0));
    CHECK(scene.info("iids-added") == Reply::integer(1));
}

TEST_CASE("what a producer sends is new again once it is forgotten", "[redis][streams]") {
    StreamScene scene;
    const auto send = [&] { scene.send({"XADD", "s", "IDMP", "p", "i", "*", "f", "v"}); };
    send();
    scene.server.advance(100s - 1ms);
    send();
    CHECK(scene.send({"XLEN", "s"}) == Reply::integer(1));
    scene.server.advance(1ms);
    send();
    CHECK(scene.send({"XLEN", "s"}) == Reply::integer(2));
}

// ------------------------------------------------------------------ the server's limits

TEST_CASE("a server may have smaller nodes", "[redis][streams]") {
    StreamScene scene{{.stream_node_max_entries = 10}};
    scene.add_many(25);
    CHECK(scene.info("radix-tree-keys") == Reply::integer(3));
    CHECK(scene.send({"XTRIM", "s", "MAXLEN", "~", "9"}) == Reply::integer(10));
    CHECK(scene.send({"XTRIM", "s", "MAXLEN", "~", "5"}) == Reply::integer(10));
}

TEST_CASE("a trim by nodes stops after 100 of them", "[redis][streams]") {
    StreamScene scene{{.stream_node_max_entries = 2}};
    scene.add_many(300);
    CHECK(scene.send({"XTRIM", "s", "MAXLEN", "~", "0"}) == Reply::integer(200));
    CHECK(scene.send({"XTRIM", "s", "MAXLEN", "~", "0"}) == Reply::integer(100));
}

TEST_CASE("a node ends before it has too many bytes", "[redis][streams]") {
    StreamScene scene{{.stream_node_max_bytes = 1'000}};
    const std::string value(400, 'x');
    for (int number = 0; number != 4; ++number) scene.send({"XADD", "s", "*", "f", value});
    CHECK(scene.info("radix-tree-keys") == Reply::integer(2));
}

TEST_CASE("a node without limits takes all entries", "[redis][streams]") {
    StreamScene scene{{.stream_node_max_entries = 0, .stream_node_max_bytes = 0}};
    scene.add_many(2'000);
    CHECK(scene.info("radix-tree-keys") == Reply::integer(1));
    CHECK(scene.send({"XTRIM", "s", "MAXLEN", "~", "1"}) == Reply::integer(0));
}

TEST_CASE("new streams remember what producers sent as the server says", "[redis][streams]") {
    StreamScene scene{{.stream_idmp_duration = 5s, .stream_idmp_maxsize = 1}};
    scene.add();
    CHECK(scene.info("idmp-duration") == Reply::integer(5));
    CHECK(scene.info("idmp-maxsize") == Reply::integer(1));
    const Reply first = scene.send({"XADD", "s", "IDMP", "p", "i", "*", "f", "v"});
    scene.send({"XADD", "s", "IDMP", "p", "j", "*", "f", "v"});
    CHECK(scene.send({"XADD", "s", "IDMP", "p", "i", "*", "f", "v"}) != first);
}

// ------------------------------------------------------------------ many entries

TEST_CASE("a stream of many thousand entries has all of them in their order", "[redis][streams]") {
    StreamScene scene;
    constexpr int count = 5'000;
    scene.add_many(count);
    CHECK(scene.size() == count);
    const Reply all = scene.send({"XRANGE", "s", "-", "+"});
    const Reply back = scene.send({"XREVRANGE", "s", "+", "-"});
    REQUIRE(all.elements().size() == count);
    REQUIRE(back.elements().size() == count);
    for (std::size_t at = 0; at != count; ++at) {
        REQUIRE(all.elements()[at].elements()[0].text() == std::to_string(at + 1) + "-0");
        REQUIRE(back.elements()[count - 1 - at] == all.elements()[at]);
    }
}

TEST_CASE("what is read stays as it was, whatever becomes of the stream", "[redis][streams]") {
    StreamScene scene;
    const std::string value(1'000, 'x');
    scene.send({"XADD", "s", "1-0", "f", value});
    const Reply read = scene.send({"XRANGE", "s", "-", "+"});
    scene.send({"XTRIM", "s", "MAXLEN", "0"});
    scene.send({"DEL", "s"});
    CHECK(read.elements()[0].elements()[1].elements()[1].text() == value);
}

// ------------------------------------------------------------------ copies

TEST_CASE("a copy of a stream is as the stream was", "[redis][streams]") {
    StreamScene scene;
    scene.add_many(250);
    scene.send({"XDEL", "s", "7", "100"});
    scene.send({"XTRIM", "s", "MAXLEN", "247"});
    scene.send({"XADD", "s", "IDMP", "p", "i", "*", "f", "v"});
    CHECK(scene.send({"COPY", "s", "t"}) == Reply::integer(1));
    CHECK(scene.send({"XRANGE", "t", "-", "+"}) == scene.send({"XRANGE", "s", "-", "+"}));
    CHECK(scene.send({"XINFO", "STREAM", "t", "FULL"}) ==
          scene.send({"XINFO", "STREAM", "s", "FULL"}));
    CHECK(scene.send({"XTRIM", "t", "MAXLEN", "~", "149"}) ==
          scene.send({"XTRIM", "s", "MAXLEN", "~", "149"}));
}

TEST_CASE("a copy of a stream goes its own way", "[redis][streams]") {
    StreamScene scene;
    const Reply sent = scene.send({"XADD", "s", "IDMP", "p", "i", "*", "f", "v"});
    scene.send({"COPY", "s", "t"});
    CHECK(scene.send({"XADD", "t", "IDMP", "p", "i", "*", "f", "v"}) == sent);
    scene.add("t");
    scene.send({"XDEL", "s", sent.text()});
    CHECK(scene.size("s") == 0);
    CHECK(scene.size("t") == 2);
    CHECK(scene.info("iids-duplicates", "s") == Reply::integer(0));
    CHECK(scene.info("iids-duplicates", "t") == Reply::integer(1));
}

// ------------------------------------------------------------------ help

TEST_CASE("XINFO HELP tells of each subcommand", "[redis][streams]") {
    StreamScene scene;
    const Reply help = scene.send({"xinfo", "help"});
    CHECK(help.elements().front() ==
          Reply::simple_string("XINFO <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    CHECK(help.elements()[3] == Reply::simple_string("GROUPS <key>"));
    CHECK(help.elements().back() == Reply::simple_string("    Print this help."));
}

// ------------------------------------------------------------------ changes

namespace {

// The changes that a server tells, with their ids.
using ToldByStreams = runnel::test::ToldChanges<&redis::detail::Change::id>;
using StreamChanges = std::vector<ToldByStreams::Change>;
using What = redis::detail::Change::What;

}  // namespace

TEST_CASE_METHOD(ToldByStreams,
                 "what is added, trimmed and erased is told in that order, with its ids",
                 "[redis][streams][changes]") {
    CHECK(after({"XADD", "s", "1", "f", "v"}) ==
          StreamChanges{{What::key_made, "s"}, {What::entry_added, "s", {1}}});
    CHECK(after({"XADD", "s", "2", "f", "v"}) == StreamChanges{{What::entry_added, "s", {2}}});
    CHECK(after({"XADD", "s", "MAXLEN", "1", "3", "f", "v"}) ==
          StreamChanges{{What::entry_added, "s", {3}},
                        {What::entry_trimmed, "s", {1}},
                        {What::entry_trimmed, "s", {2}}});
    CHECK(after({"XADD", "s", "4", "f", "v"}).size() == 1);
    CHECK(after({"XDEL", "s", "4", "3", "4"}) ==
          StreamChanges{{What::entry_removed, "s", {4}}, {What::entry_removed, "s", {3}}});
    CHECK(after({"XADD", "s", "5", "f", "v"}).size() == 1);
    CHECK(after({"XTRIM", "s", "MINID", "6"}) == StreamChanges{{What::entry_trimmed, "s", {5}}});
    CHECK(after({"XADD", "s", "6", "f", "v"}).size() == 1);
    CHECK(after({"XDELEX", "s", "IDS", "2", "6", "7"}) ==
          StreamChanges{{What::entry_removed, "s", {6}}});
}

TEST_CASE_METHOD(ToldByStreams, "what changes nothing is not told", "[redis][streams][changes]") {
    after({"XADD", "s", "IDMP", "p", "i", "*", "f", "v"});
    CHECK(after({"XADD", "s", "IDMP", "p", "i", "*", "f", "v"}).empty());
    CHECK(after({"XADD", "s", "1", "f", "v"}).empty());
    CHECK(after({"XTRIM", "s", "MAXLEN", "9"}).empty());
    CHECK(after({"XDEL", "s", "9"}).empty());
    CHECK(after({"XRANGE", "s", "-", "+"}).empty());
    CHECK(after({"XINFO", "STREAM", "s"}).empty());
    CHECK(after({"XSETID", "s", "0"}).empty());
}

TEST_CASE_METHOD(ToldByStreams, "what is set is told", "[redis][streams][changes]") {
    const std::string_view id = "1700000000000-0";  // now, so that it is not forgotten at once
    const StreamId parsed = *StreamId::parse(id);
    after({"XADD", "s", id, "f", "v"});
    CHECK(after({"XSETID", "s", id}) == StreamChanges{{What::last_id_set, "s", parsed}});
    CHECK(after({"XCFGSET", "s", "IDMP-MAXSIZE", "9"}) ==
          StreamChanges{{What::producers_set, "s"}});
    CHECK(after({"XIDMPRECORD", "s", "p", "i", id}) ==
          StreamChanges{{What::producers_set, "s", parsed}});
    CHECK(after({"XIDMPRECORD", "s", "p", "i", id}).empty());
}
