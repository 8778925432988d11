// SPDX-License-Identifier: MIT
// Commands on keys, beside more_transcripts/keys.txt: what time, chance and cursors do.

#include <runnel/abstract_clock.hpp>
#include <runnel/clock.hpp>
#include <runnel/redis.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <limits>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;
using runnel::redis::Reply;

namespace {

struct KeyScene {
    explicit KeyScene(std::uint64_t seed = 1) : server{{.seed = seed}} {}

    Reply send(std::initializer_list<std::string_view> words) {
        return session.execute(words).value();
    }

    void set_all(int count) {
        for (int number = 0; number != count; ++number) send({"SET", name_of(number), "v"});
    }
    static std::string name_of(int number) { return "key:" + std::to_string(number); }

    struct Page {
        std::string next;
        std::vector<std::string> names;
    };
    Page scan(const std::string& cursor, const std::string& count) {
        const Reply reply = send({"SCAN", cursor, "COUNT", count});
        Page page{reply.elements()[0].text(), {}};
        for (const Reply& name : reply.elements()[1].elements()) page.names.push_back(name.text());
        return page;
    }

    runnel::redis::Server server;
    runnel::redis::Session session{server};
};

}  // namespace

TEST_CASE("a key lives until its time is over, and not a millisecond longer", "[redis][keys]") {
    KeyScene scene;
    scene.send({"SET", "k", "v", "PX", "100"});
    scene.server.advance(99ms);
    CHECK(scene.send({"PTTL", "k"}) == Reply::integer(1));
    scene.server.advance(1ms);
    CHECK(scene.send({"PTTL", "k"}) == Reply::integer(-2));
    CHECK(scene.send({"DEL", "k"}) == Reply::integer(0));
}

TEST_CASE("TTL is rounded to the nearest second", "[redis][keys]") {
    KeyScene scene;
    scene.send({"SET", "k", "v", "PX", "2500"});
    CHECK(scene.send({"TTL", "k"}) == Reply::integer(3));
    scene.server.advance(1ms);
    CHECK(scene.send({"TTL", "k"}) == Reply::integer(2));
}

TEST_CASE("EXPIRETIME does not overflow", "[redis][keys]") {
    KeyScene scene;
    scene.send({"SET", "k", "v", "PXAT", "9223372036854775807"});
    CHECK(scene.send({"PEXPIRETIME", "k"}) == Reply::integer(9'223'372'036'854'775'807));
    CHECK(scene.send({"EXPIRETIME", "k"}) == Reply::integer(9'223'372'036'854'776));
}

TEST_CASE("times count before 1970, too", "[redis][keys]") {
    runnel::ManualClock clock{runnel::Clock::WallTime{-1000s}};
    runnel::redis::Server server{{.clock = &clock}};
    runnel::redis::Session session{server};
    const std::string longest = std::to_string(std::numeric_limits<std::int64_t>::max());
    const std::string shortest = std::to_string(std::numeric_limits<std::int64_t>::min());
    session.execute({"RPUSH", "k", "v"});
    CHECK(session.execute({"EXPIRE", "k", "10"}) == Reply::integer(1));
    CHECK(session.execute({"PEXPIRE", "k", shortest})->is_error());
    CHECK(session.execute({"TTL", "k"}) == Reply::integer(10));
    session.execute({"XGROUP", "CREATE", "s", "g", "0", "MKSTREAM"});
    CHECK(session.execute({"PEXPIREAT", "s", longest}) == Reply::integer(1));
    CHECK(session.execute({"PTTL", "s"}) == Reply::integer(std::stoll(longest)));
    runnel::redis::Session reading{server};
    const auto read =
        reading.submit({"XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "s", ">"});
    const auto job = session.submit({"BLPOP", "no", longest.substr(0, 15)});
    const auto soon = session.submit({"BLPOP", "no", "5"});
    CHECK_FALSE(job.ready());
    CHECK_FALSE(read.ready());
    session.close();
    CHECK(soon.ready());
    clock.advance(10s);
    CHECK(runnel::redis::Session{server}.execute({"EXISTS", "k"}) == Reply::integer(0));
}

TEST_CASE("EXPIRE counts from now, in the time of the server", "[redis][keys]") {
    KeyScene scene;
    scene.send({"SET", "k", "v"});
    CHECK(scene.send({"EXPIRE", "k", "3600"}) == Reply::integer(1));
    scene.server.advance(1h - 1ms);
    CHECK(scene.send({"EXISTS", "k"}) == Reply::integer(1));
    scene.server.advance(1ms);
    CHECK(scene.send({"EXISTS", "k"}) == Reply::integer(0));
}

TEST_CASE("a new time to live takes the place of the old one", "[redis][keys]") {
    KeyScene scene;
    scene.send({"SET", "k", "v", "EX", "10"});
    scene.send({"EXPIRE", "k", "20"});
    scene.server.advance(15s);
    CHECK(scene.send({"TTL", "k"}) == Reply::integer(5));
    scene.send({"PERSIST", "k"});
    scene.server.advance(1h);
    CHECK(scene.send({"EXISTS", "k"}) == Reply::integer(1));
}

TEST_CASE("a time to live moves with its key", "[redis][keys]") {
    KeyScene scene;
    scene.send({"SET", "a", "v", "EX", "10"});
    scene.send({"RENAME", "a", "b"});
    scene.send({"SET", "a", "v"});
    scene.send({"COPY", "b", "c"});
    scene.server.advance(10s);
    CHECK(scene.send({"EXISTS", "a", "b", "c"}) == Reply::integer(1));
    CHECK(scene.send({"GET", "a"}) == Reply::bulk_string("v"));
}

TEST_CASE("times to live are exchanged with their databases", "[redis][keys]") {
    KeyScene scene;
    scene.send({"SET", "a", "v", "EX", "10"});
    scene.send({"SWAPDB", "0", "1"});
    scene.send({"SET", "a", "v"});
    scene.server.advance(10s);
    CHECK(scene.send({"DBSIZE"}) == Reply::integer(1));
    scene.send({"SWAPDB", "0", "1"});
    CHECK(scene.send({"DBSIZE"}) == Reply::integer(0));
}

TEST_CASE("a watched key that expires ends the transaction", "[redis][keys]") {
    KeyScene scene;
    scene.send({"SET", "k", "v", "PX", "100"});
    scene.send({"WATCH", "k"});
    scene.server.advance(100ms);
    scene.send({"MULTI"});
    scene.send({"GET", "k"});
    CHECK(scene.send({"EXEC"}) == Reply::null_array());
}

TEST_CASE("a key that had expired when it was watched does not", "[redis][keys]") {
    KeyScene scene;
    scene.send({"SET", "k", "v", "PX", "100"});
    scene.server.advance(100ms);
    scene.send({"WATCH", "k"});
    scene.send({"MULTI"});
    CHECK(scene.send({"EXEC"}) == Reply::array({}));
}

TEST_CASE("who discards a transaction watches nothing any more", "[redis][keys]") {
    KeyScene scene;
    scene.send({"WATCH", "k"});
    scene.send({"MULTI"});
    scene.send({"DISCARD"});
    scene.send({"SET", "k", "v"});
    scene.send({"MULTI"});
    CHECK(scene.send({"EXEC"}) == Reply::array({}));
}

TEST_CASE("SCAN returns each key once, page by page", "[redis][keys]") {
    KeyScene scene;
    scene.set_all(25);
    std::multiset<std::string> found;
    std::string cursor = "0";
    int pages = 0;
    do {
        const auto page = scene.scan(cursor, "10");
        CHECK(page.names.size() <= 10);
        found.insert(page.names.begin(), page.names.end());
        cursor = page.next;
        ++pages;
    } while (cursor != "0");
    CHECK(pages == 3);
    CHECK(found.size() == 25);
    for (int number = 0; number != 25; ++number) CHECK(found.count(KeyScene::name_of(number)) == 1);
}

TEST_CASE("SCAN returns ten keys at a time, unless it is told otherwise", "[redis][keys]") {
    KeyScene scene;
    scene.set_all(25);
    CHECK(scene.send({"SCAN", "0"}).elements()[1].elements().size() == 10);
    CHECK(scene.scan("0", "25").next == "0");
    CHECK(scene.scan("0", "9223372036854775807").names.size() == 25);
}

TEST_CASE("SCAN returns all keys that stay, whatever else comes and goes", "[redis][keys]") {
    KeyScene scene;
    scene.set_all(40);
    std::multiset<std::string> found;
    std::string cursor = "0";
    int page_number = 0;
    do {
        const auto page = scene.scan(cursor, "4");
        found.insert(page.names.begin(), page.names.end());
        cursor = page.next;
        scene.send({"DEL", KeyScene::name_of(20 + page_number)});
        scene.send({"SET", "new:" + std::to_string(page_number), "v"});
        ++page_number;
    } while (cursor != "0");
    for (int number = 0; number != 20; ++number) CHECK(found.count(KeyScene::name_of(number)) == 1);
}

TEST_CASE("a page of SCAN counts what it does not select", "[redis][keys]") {
    KeyScene scene;
    scene.set_all(25);
    const Reply reply = scene.send({"SCAN", "0", "MATCH", "none:*"});
    CHECK(reply.elements()[0] != Reply::bulk_string("0"));
    CHECK(reply.elements()[1] == Reply::array({}));
}

TEST_CASE("a cursor of SCAN fits into an integer with a sign", "[redis][keys]") {
    KeyScene scene;
    scene.set_all(100);
    std::uint64_t greatest = 0;
    std::string cursor = "0";
    do {
        cursor = scene.scan(cursor, "1").next;
        greatest = std::max<std::uint64_t>(greatest, std::stoull(cursor));
    } while (cursor != "0");
    CHECK(greatest != 0);
    CHECK(greatest <= std::uint64_t{std::numeric_limits<std::int64_t>::max()});
}

TEST_CASE("a cursor of SCAN is a number without a sign", "[redis][keys]") {
    KeyScene scene;
    scene.set_all(1);
    for (const char* const cursor : {"-1", "", "1.0", "1 ", "x"})
        CHECK(scene.send({"SCAN", cursor}) == Reply::error("ERR invalid cursor"));
    for (const char* const cursor : {"+0", "00"})
        CHECK(scene.send({"SCAN", cursor}) == scene.send({"SCAN", "0"}));
}

TEST_CASE("RANDOMKEY returns every key in its turn", "[redis][keys]") {
    KeyScene scene;
    scene.set_all(5);
    std::map<std::string, int> count;
    for (int call = 0; call != 200; ++call) ++count[scene.send({"RANDOMKEY"}).text()];
    CHECK(count.size() == 5);
}

TEST_CASE("RANDOMKEY returns the same keys for the same seed", "[redis][keys]") {
    const auto choices = [](std::uint64_t seed) {
        KeyScene scene{seed};
        scene.set_all(100);
        std::vector<std::string> chosen;
        for (int call = 0; call != 20; ++call) chosen.push_back(scene.send({"RANDOMKEY"}).text());
        return chosen;
    };
    CHECK(choices(7) == choices(7));
    CHECK(choices(7) != choices(8));
}

TEST_CASE("SPOP takes each member once, in an order that the seed decides", "[redis][keys]") {
    const auto popped = [](std::uint64_t seed) {
        KeyScene scene{seed};
        for (int number = 0; number != 20; ++number)
            scene.send({"SADD", "set", KeyScene::name_of(number)});
        std::vector<std::string> names = scene.send({"SPOP", "set", "5"}).strings();
        while (scene.send({"EXISTS", "set"}).integer() != 0)
            names.push_back(scene.send({"SPOP", "set"}).text());
        return names;
    };
    const std::vector<std::string> names = popped(1);
    CHECK(names.size() == 20);
    CHECK(std::set<std::string>{names.begin(), names.end()}.size() == 20);
    CHECK(names == popped(1));
    CHECK(names != popped(2));
}

TEST_CASE("SRANDMEMBER shows members, all different or as often as it is asked", "[redis][keys]") {
    KeyScene scene;
    scene.send({"SADD", "set", "a", "b", "c", "d"});
    for (int round = 0; round != 20; ++round) {
        const auto some = scene.send({"SRANDMEMBER", "set", "3"}).strings();
        CHECK(std::set<std::string>{some.begin(), some.end()}.size() == 3);
        CHECK(scene.send({"SRANDMEMBER", "set", "-9"}).strings().size() == 9);
    }
    CHECK(scene.send({"SCARD", "set"}) == Reply::integer(4));
}

TEST_CASE("HRANDFIELD shows fields, all different or as often as it is asked", "[redis][keys]") {
    KeyScene scene;
    scene.send({"HSET", "hash", "a", "1", "b", "2", "c", "3", "d", "4"});
    std::set<std::string> seen;
    for (int round = 0; round != 20; ++round) {
        const auto some = scene.send({"HRANDFIELD", "hash", "3"}).strings();
        CHECK(std::set<std::string>{some.begin(), some.end()}.size() == 3);
        const auto pairs = scene.send({"HRANDFIELD", "hash", "-9", "WITHVALUES"}).strings();
        REQUIRE(pairs.size() == 18);
        for (std::size_t at = 0; at != pairs.size(); at += 2)
            CHECK(scene.send({"HGET", "hash", pairs[at]}).text() == pairs[at + 1]);
        seen.insert(scene.send({"HRANDFIELD", "hash"}).text());
    }
    CHECK(seen == std::set<std::string>{"a", "b", "c", "d"});
    CHECK(scene.send({"HRANDFIELD", "hash", "9"}).strings() ==
          std::vector<std::string>{"a", "b", "c", "d"});
}

TEST_CASE("EXEC shows all commands the same time", "[redis][keys]") {
    KeyScene scene;
    scene.send({"MULTI"});
    scene.send({"SET", "k", "v", "PX", "1"});
    scene.send({"PTTL", "k"});
    scene.send({"PEXPIRE", "k", "0"});
    scene.send({"EXISTS", "k"});
    CHECK(scene.send({"EXEC"}) == Reply::array({Reply::simple_string("OK"), Reply::integer(1),
                                                Reply::integer(1), Reply::integer(0)}));
}
