// SPDX-License-Identifier: MIT
// Lists, keys, strings, sets, hashes and sorted sets by the methods of redis-plus-plus, and any
// command by command().

#include <runnel/clock.hpp>
#include <runnel/compat/redis_plus_plus.hpp>
#include <runnel/redis.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <cstring>
#include <iterator>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace {

namespace sw = runnel::compat::sw;
using namespace std::chrono_literals;
using Texts = std::vector<std::string>;
using Scores = std::vector<std::pair<std::string, double>>;

struct Client {
    runnel::redis::Server server{{.keep_commands = 10}};
    sw::Redis redis{server};

    Texts list(const char* key) {
        Texts elements;
        redis.lrange(key, 0, -1, std::back_inserter(elements));
        return elements;
    }
    // The words of the latest command.
    Texts sent() const { return server.log().back().words; }
};

// ---- lists

TEST_CASE_METHOD(Client, "elements are pushed one by one, by a range or by a list") {
    const Texts more{"c", "d"};
    CHECK(redis.rpush("jobs", "a") == 1);
    CHECK(redis.rpush("jobs", {"b"}) == 2);
    CHECK(redis.rpush("jobs", more.begin(), more.end()) == 4);
    CHECK(redis.lpush("jobs", {"y", "z"}) == 6);
    CHECK(list("jobs") == Texts{"z", "y", "a", "b", "c", "d"});
    CHECK(redis.lpushx("none", "a") == 0);
    CHECK(redis.rpushx("jobs", "e") == 7);
    CHECK(redis.lpop("jobs") == "z");
    CHECK(redis.rpop("jobs") == "e");
    CHECK_FALSE(redis.lpop("none"));
    CHECK(redis.llen("jobs") == 5);
    CHECK(redis.lindex("jobs", -1) == "d");
    CHECK_FALSE(redis.lindex("jobs", 9));
    CHECK(redis.linsert("jobs", sw::InsertPosition::BEFORE, "a", "before") == 6);
    CHECK(redis.linsert("jobs", sw::InsertPosition::AFTER, "a", "after") == 7);
    CHECK(redis.linsert("jobs", sw::InsertPosition::AFTER, "none", "x") == -1);
    redis.lset("jobs", 0, "x");
    CHECK(redis.lrem("jobs", 0, "b") == 1);
    CHECK(list("jobs") == Texts{"x", "before", "a", "after", "c", "d"});
    redis.ltrim("jobs", 1, 2);
    CHECK(list("jobs") == Texts{"before", "a"});
    const Texts none;
    CHECK_THROWS_WITH(redis.rpush("jobs", none.begin(), none.end()), "RPUSH: no key specified");
    CHECK_THROWS_WITH(redis.lset("none", 0, "x"), "ERR no such key");
}

TEST_CASE_METHOD(Client, "elements move between lists") {
    redis.rpush("a", {"1", "2", "3"});
    CHECK(redis.lmove("a", "b", sw::ListWhence::LEFT, sw::ListWhence::RIGHT) == "1");
    CHECK(redis.rpoplpush("a", "b") == "3");
    CHECK(list("b") == Texts{"3", "1"});
    CHECK(redis.blmove("b", "a", sw::ListWhence::RIGHT, sw::ListWhence::LEFT, 1s) == "1");
    CHECK(redis.brpoplpush("a", "b", 1) == "2");
    CHECK(list("a") == Texts{"1"});
    CHECK_FALSE(redis.lmove("none", "b", sw::ListWhence::LEFT, sw::ListWhence::LEFT));
    const Texts keys{"none", "b"};
    const auto popped = redis.lmpop<Texts>(keys.begin(), keys.end(), sw::ListWhence::RIGHT, 5);
    REQUIRE(popped);
    CHECK(popped->first == "b");
    CHECK(popped->second == Texts{"3", "2"});
    CHECK_FALSE(redis.lmpop<Texts>(keys.begin(), keys.end(), sw::ListWhence::LEFT));
}

TEST_CASE("a pop waits for an element on the server's clock, and returns nothing if none comes") {
    runnel::ManualClock clock;
    runnel::redis::Server server{{.clock = &clock}};
    sw::Redis redis{server};
    std::vector<sw::OptionalStringPair> popped;
    const Texts keys{"urgent", "jobs"};
    const auto thread = clock.thread([&] {
        popped.push_back(redis.blpop("jobs", 10));
        popped.push_back(redis.brpop(keys.begin(), keys.end(), 1min));
        popped.push_back(redis.blpop({"urgent", "jobs"}));
    });
    clock.advance(9s);
    CHECK(popped.empty());
    clock.advance(1s);
    CHECK(popped == std::vector<sw::OptionalStringPair>{std::nullopt});
    redis.rpush("jobs", "one");
    clock.settle();
    REQUIRE(popped.size() == 2);
    CHECK(popped[1] == std::pair<std::string, std::string>{"jobs", "one"});
    clock.advance(1000h);
    CHECK(popped.size() == 2);
    redis.rpush("urgent", "two");
    clock.settle();
    REQUIRE(popped.size() == 3);
    CHECK(popped[2] == std::pair<std::string, std::string>{"urgent", "two"});
}

// ---- keys and strings

TEST_CASE_METHOD(Client, "strings are set, on conditions and for a time") {
    CHECK(redis.set("a", "1"));
    CHECK(sent() == Texts{"SET", "a", "1"});
    CHECK(redis.set("a", "2", 10s));
    CHECK(redis.ttl("a") == 10);
    CHECK(redis.set("a", "3", true));
    CHECK(redis.pttl("a") == 10'000);
    CHECK(redis.set("a", "4", false));
    CHECK(redis.ttl("a") == -1);
    CHECK_FALSE(redis.set("a", "5", 0ms, sw::UpdateType::NOT_EXIST));
    CHECK_FALSE(redis.set("b", "5", 0ms, sw::UpdateType::EXIST));
    CHECK(redis.get("a") == "4");
    CHECK_FALSE(redis.get("b"));
    CHECK(redis.setnx("b", "1"));
    CHECK_FALSE(redis.setnx("b", "2"));
    redis.setex("c", 5, "x");
    redis.psetex("d", 1500ms, "y");
    CHECK(redis.pttl("d") == 1500);
    server.advance(5s);
    CHECK(redis.exists({"a", "b", "c", "d"}) == 2);
    CHECK(redis.append("a", "4") == 2);
    CHECK(redis.strlen("a") == 2);
    CHECK(redis.getrange("a", -1, -1) == "4");
    CHECK(redis.getrange("none", 0, -1).empty());
    CHECK(redis.setrange("b", 2, "23") == 4);
    CHECK(redis.getset("b", "0") == std::string{"1\0\x32\x33", 4});
    CHECK_FALSE(redis.getset("new", "0"));
    CHECK(redis.incr("a") == 45);
    CHECK(redis.incrby("a", 5) == 50);
    CHECK(redis.decr("a") == 49);
    CHECK(redis.decrby("a", 9) == 40);
    CHECK(redis.incrbyfloat("a", 0.5) == 40.5);
    CHECK_THROWS_WITH(redis.incr("a"), "ERR value is not an integer or out of range");
}

TEST_CASE_METHOD(Client, "many strings at once") {
    const std::map<std::string, std::string> pairs{{"a", "1"}, {"b", "2"}};
    redis.mset(pairs.begin(), pairs.end());
    redis.mset({std::make_pair("c", 3)});
    CHECK_FALSE(redis.msetnx({std::make_pair("c", "4"), std::make_pair("d", "5")}));
    std::vector<std::optional<std::string>> values;
    redis.mget({"a", "none", "c"}, std::back_inserter(values));
    CHECK(values == std::vector<std::optional<std::string>>{"1", std::nullopt, "3"});
    std::set<std::string> keys;
    redis.keys("*", std::inserter(keys, keys.end()));
    CHECK(keys == std::set<std::string>{"a", "b", "c"});
    std::set<std::string> scanned;
    long long cursor = 0;
    do {
        cursor = redis.scan(cursor, "*", 1, std::inserter(scanned, scanned.end()));
    } while (cursor != 0);
    CHECK(scanned == keys);
    CHECK(redis.scan(0, std::inserter(scanned, scanned.end())) == 0);
}

TEST_CASE_METHOD(Client, "keys go, expire, move and are renamed") {
    redis.mset({std::make_pair("a", "1"), std::make_pair("b", "2"), std::make_pair("c", "3")});
    CHECK(redis.del({"a", "none"}) == 1);
    CHECK(redis.unlink("a") == 0);
    CHECK(redis.touch("b") == 1);
    CHECK(redis.type("b") == "string");
    CHECK(redis.expire("b", 10));
    CHECK(redis.expire("b", 1min));
    CHECK(redis.ttl("b") == 60);
    CHECK(redis.pexpire("b", 1500));
    CHECK(redis.pttl("b") == 1500);
    CHECK(redis.expireat("b", std::chrono::sys_seconds{1'700'000'100s}));
    CHECK(redis.ttl("b") == 100);
    CHECK(redis.pexpireat("b", 1'700'000'001'000));
    CHECK(redis.pttl("b") == 1000);
    CHECK(redis.persist("b"));
    CHECK_FALSE(redis.persist("b"));
    CHECK(redis.ttl("none") == -2);
    CHECK(redis.renamenx("b", "d"));
    CHECK_FALSE(redis.renamenx("c", "d"));
    redis.rename("c", "d");
    CHECK(redis.get("d") == "3");
    CHECK(redis.move("d", 1));
    CHECK_FALSE(redis.randomkey());
    CHECK(redis.dbsize() == 0);
    sw::Redis other{server, {.db = 1}};
    CHECK(other.randomkey() == "d");
    redis.flushall(true);
    CHECK(sent() == Texts{"FLUSHALL", "ASYNC"});
    CHECK(other.dbsize() == 0);
    CHECK(redis.ping() == "PONG");
    CHECK(redis.ping("hello") == "hello");
    CHECK(redis.echo("hello") == "hello");
    redis.auth("default", "secret");
    CHECK_THROWS_WITH(redis.auth("nobody", "secret"), Catch::StartsWith("WRONGPASS "));
    CHECK_THROWS_WITH(redis.auth("secret"), Catch::StartsWith("ERR AUTH <password> called "));
    CHECK(redis.info("server").find("redis_version:") != std::string::npos);
}

// ---- sets, hashes and sorted sets

TEST_CASE_METHOD(Client, "sets") {
    CHECK(redis.sadd("set", "a") == 1);
    CHECK(redis.sadd("set", {"a", "b", "c"}) == 2);
    CHECK(redis.sismember("set", "b"));
    CHECK(redis.scard("set") == 3);
    std::set<std::string> members;
    redis.smembers("set", std::inserter(members, members.end()));
    CHECK(members == std::set<std::string>{"a", "b", "c"});
    CHECK(redis.srandmember("set"));
    members.clear();
    CHECK(redis.sscan("set", 0, "[ab]", std::inserter(members, members.end())) == 0);
    CHECK(sent() == Texts{"SSCAN", "set", "0", "MATCH", "[ab]", "COUNT", "10"});
    CHECK(members == std::set<std::string>{"a", "b"});
    CHECK(redis.srem("set", {"a", "none"}) == 1);
    members.clear();
    redis.spop("set", 10, std::inserter(members, members.end()));
    CHECK(members == std::set<std::string>{"b", "c"});
    CHECK_FALSE(redis.spop("set"));
}

TEST_CASE_METHOD(Client, "hashes") {
    const std::map<std::string, std::string> pairs{{"a", "1"}, {"b", "2"}};
    CHECK(redis.hset("hash", pairs.begin(), pairs.end()) == 2);
    CHECK_FALSE(redis.hset("hash", "a", "3"));
    CHECK(redis.hset("hash", std::make_pair("c", "4")));
    CHECK_FALSE(redis.hsetnx("hash", "c", "5"));
    CHECK(redis.hincrby("hash", "a", 2) == 5);
    CHECK(redis.hget("hash", "a") == "5");
    CHECK_FALSE(redis.hget("hash", "none"));
    CHECK(redis.hexists("hash", "b"));
    CHECK(redis.hdel("hash", {"b"}) == 1);
    std::map<std::string, std::string> all;
    redis.hgetall("hash", std::inserter(all, all.end()));
    CHECK(all == std::map<std::string, std::string>{{"a", "5"}, {"c", "4"}});
    std::vector<std::optional<std::string>> some;
    redis.hmget("hash", {"a", "none"}, std::back_inserter(some));
    CHECK(some == std::vector<std::optional<std::string>>{"5", std::nullopt});
    Texts texts;
    redis.hkeys("hash", std::back_inserter(texts));
    redis.hvals("hash", std::back_inserter(texts));
    CHECK(texts == Texts{"a", "c", "5", "4"});
    CHECK(redis.hlen("hash") == 2);
    redis.hmset("hash", pairs.begin(), pairs.end());
    redis.hmset("hash", {std::make_pair("c", "40")});
    CHECK(redis.hstrlen("hash", "c") == 2);
    CHECK(redis.hincrbyfloat("hash", "c", 0.5) == 40.5);
    all.clear();
    CHECK(redis.hscan("hash", 0, 1, std::inserter(all, all.end())) == 0);
    CHECK(sent() == Texts{"HSCAN", "hash", "0", "MATCH", "*", "COUNT", "1"});
    CHECK(all == std::map<std::string, std::string>{{"a", "1"}, {"b", "2"}, {"c", "40.5"}});
}

TEST_CASE_METHOD(Client, "sorted sets return members, with their scores if pairs are asked for") {
    CHECK(redis.zadd("scores", "ann", 1.5) == 1);
    CHECK(redis.zadd("scores", {std::make_pair("bob", 2.5), std::make_pair("ann", 1.25)}) == 1);
    CHECK(redis.zadd("scores", "ann", 1.0, sw::UpdateType::EXIST, true) == 1);
    CHECK(redis.zadd("scores", "cid", 9.0, sw::UpdateType::EXIST) == 0);
    CHECK(redis.zadd("scores", "cid", 0.1) == 1);
    CHECK(sent().back() == "cid");
    CHECK(redis.zincrby("scores", 0.5, "ann") == 1.5);
    Texts members;
    redis.zrange("scores", 0, -1, std::back_inserter(members));
    CHECK(members == Texts{"cid", "ann", "bob"});
    Scores scores;
    redis.zrevrange("scores", 0, 1, std::back_inserter(scores));
    CHECK(scores == Scores{{"bob", 2.5}, {"ann", 1.5}});
    CHECK(redis.zscore("scores", "cid") == 0.1);
    CHECK_FALSE(redis.zscore("scores", "none"));
    CHECK(redis.zrank("scores", "ann") == 1);
    CHECK(redis.zrevrank("scores", "ann") == 1);
    CHECK(redis.zcard("scores") == 3);
    scores.clear();
    CHECK(redis.zscan("scores", 0, "?[on]?", std::back_inserter(scores)) == 0);
    CHECK(scores == Scores{{"ann", 1.5}, {"bob", 2.5}});
    CHECK(redis.zrem("scores", "none") == 0);
    CHECK(redis.zpopmin("scores") == std::pair<std::string, double>{"cid", 0.1});
    scores.clear();
    redis.zpopmax("scores", 5, std::back_inserter(scores));
    CHECK(scores == Scores{{"bob", 2.5}, {"ann", 1.5}});
    CHECK_FALSE(redis.zpopmax("scores"));
    redis.zadd("scores", "dan", std::numeric_limits<double>::infinity());
    const auto popped = redis.bzpopmax({"none", "scores"}, 1);
    REQUIRE(popped);
    CHECK(*popped == std::tuple<std::string, std::string, double>{
                         "scores", "dan", std::numeric_limits<double>::infinity()});
}

TEST_CASE_METHOD(Client, "intervals are open or closed, at each end") {
    using sw::BoundType;
    using Between = sw::BoundedInterval<double>;
    redis.zadd("s", {std::make_pair("a", 1.0), std::make_pair("b", 2.0), std::make_pair("c", 3.0)});
    CHECK(redis.zcount("s", Between{1, 3, BoundType::CLOSED}) == 3);
    CHECK(redis.zcount("s", Between{1, 3, BoundType::OPEN}) == 1);
    CHECK(redis.zcount("s", Between{1, 2, BoundType::LEFT_OPEN}) == 1);
    CHECK(sent() == Texts{"ZCOUNT", "s", "(1", "2"});
    CHECK(redis.zcount("s", Between{1, 2, BoundType::RIGHT_OPEN}) == 1);
    CHECK(sent() == Texts{"ZCOUNT", "s", "1", "(2"});
    CHECK(redis.zcount("s", sw::UnboundedInterval<double>{}) == 3);
    CHECK(redis.zcount("s", sw::LeftBoundedInterval<double>{2, BoundType::RIGHT_OPEN}) == 2);
    CHECK(redis.zcount("s", sw::LeftBoundedInterval<double>{2, BoundType::OPEN}) == 1);
    CHECK(redis.zcount("s", sw::RightBoundedInterval<double>{2, BoundType::LEFT_OPEN}) == 2);
    CHECK(redis.zcount("s", sw::RightBoundedInterval<double>{2, BoundType::OPEN}) == 1);
    Texts members;
    redis.zrangebyscore("s", Between{1, 3, BoundType::LEFT_OPEN}, std::back_inserter(members));
    CHECK(members == Texts{"b", "c"});
    Scores scores;
    redis.zrevrangebyscore("s", sw::UnboundedInterval<double>{}, {.offset = 1, .count = 1},
                           std::back_inserter(scores));
    CHECK(scores == Scores{{"b", 2}});
    CHECK(redis.zremrangebyscore("s", sw::LeftBoundedInterval<double>{3, BoundType::RIGHT_OPEN}) ==
          1);
    CHECK(redis.zremrangebyrank("s", 0, -1) == 2);

    using ByName = sw::BoundedInterval<std::string>;
    redis.zadd("n", {std::make_pair("ann", 0), std::make_pair("bob", 0), std::make_pair("cid", 0)});
    CHECK(redis.zlexcount("n", ByName{"ann", "cid", BoundType::OPEN}) == 1);
    CHECK(sent() == Texts{"ZLEXCOUNT", "n", "(ann", "(cid"});
    members.clear();
    redis.zrevrangebylex("n", ByName{"ann", "cid", BoundType::LEFT_OPEN},
                         std::back_inserter(members));
    CHECK(members == Texts{"cid", "bob"});
    members.clear();
    redis.zrangebylex("n", sw::RightBoundedInterval<std::string>{"bob", BoundType::LEFT_OPEN},
                      {.offset = 0, .count = 1}, std::back_inserter(members));
    CHECK(members == Texts{"ann"});
    CHECK(redis.zremrangebylex("n", sw::UnboundedInterval<std::string>{}) == 3);
}

// ---- any command

TEST_CASE_METHOD(Client, "command() sends any command") {
    redis.command("RPUSH", "jobs", "a", 2, 1.5, std::string{"d"}, std::make_pair("e", "f"));
    CHECK(list("jobs") == Texts{"a", "2", "1.5", "d", "e", "f"});
    CHECK(redis.command<long long>("LLEN", "jobs") == 6);
    CHECK(redis.command<std::optional<std::string>>("GET", "none") == std::nullopt);
    CHECK(redis.command<Texts>("LRANGE", "jobs", 0, 1) == Texts{"a", "2"});
    CHECK(redis.command<std::set<std::string>>("LRANGE", "jobs", 0, 1).size() == 2);
    redis.command<void>("SET", "text", "x");
    Texts elements;
    redis.command("LRANGE", "jobs", -2, -1, std::back_inserter(elements));
    CHECK(elements == Texts{"e", "f"});
    const Texts words{"LLEN", "jobs"};
    CHECK(redis.command<long long>(words.begin(), words.end()) == 6);
    CHECK(redis.command(words.begin(), words.end())->integer() == 6);
    const Texts range{"LRANGE", "jobs", "0", "0"};
    redis.command(range.begin(), range.end(), std::back_inserter(elements));
    CHECK(elements == Texts{"e", "f", "a"});
}

TEST_CASE_METHOD(Client, "a reply without a type is parsed later") {
    const auto nothing = redis.command("GET", "none");
    REQUIRE(nothing);  // a null is a reply
    CHECK(sw::reply::is_nil(*nothing));
    CHECK_FALSE(sw::reply::parse<std::optional<std::string>>(*nothing));
    const auto status = redis.command("SET", "a", "1");
    CHECK(sw::reply::is_status(*status));
    CHECK(sw::reply::to_status(*status) == "OK");
    CHECK(sw::reply::is_string(*redis.command("GET", "a")));
    CHECK(sw::reply::is_integer(*redis.command("INCR", "a")));
    const auto array = redis.command("MGET", "a", "b");
    CHECK(sw::reply::is_array(*array));
    std::vector<std::optional<std::string>> values;
    sw::reply::to_array(*array, std::back_inserter(values));
    CHECK(values == std::vector<std::optional<std::string>>{"2", std::nullopt});
}

TEST_CASE_METHOD(Client, "a reply of another type than asked for is a ProtoError") {
    redis.set("a", "text");
    redis.rpush("list", {"1", "2", "3"});
    CHECK_THROWS_AS(redis.command<long long>("GET", "a"), sw::ProtoError);
    CHECK_THROWS_AS(redis.command<double>("GET", "a"), sw::ProtoError);
    CHECK_THROWS_AS(redis.command<std::string>("GET", "none"), sw::ProtoError);
    CHECK_THROWS_AS(redis.command<void>("GET", "a"), sw::ProtoError);
    CHECK_THROWS_AS(redis.command<void>("PING"), sw::ProtoError);
    CHECK_THROWS_AS(redis.command<bool>("LLEN", "list"), sw::ProtoError);
    CHECK_THROWS_AS(redis.command<Texts>("GET", "a"), sw::ProtoError);
    using Pair = std::pair<std::string, std::string>;
    CHECK_THROWS_AS(redis.command<Pair>("LRANGE", "list", 0, -1), sw::ProtoError);
    CHECK_THROWS_AS(redis.command<std::vector<Pair>>("LRANGE", "list", 0, -1), sw::ProtoError);
    CHECK((redis.command<std::tuple<std::string, std::string, double>>("LRANGE", "list", 0, -1)) ==
          std::tuple<std::string, std::string, double>{"1", "2", 3});
}

TEST_CASE_METHOD(Client, "a function may send the command, with a format or with words") {
    const std::string key{"a\0b", 3};
    const auto by_format = [](auto& connection, const std::string& of, long long number) {
        connection.send("SET %b %lld", of.data(), of.size(), number);
    };
    CHECK(redis.command(by_format, key, 100LL)->text() == "OK");
    CHECK(redis.get(key) == "100");
    const auto by_words = [](sw::Connection& connection, sw::StringView of) {
        sw::CmdArgs words;
        words << "APPEND" << of;
        words.append(1);
        connection.send(words);
    };
    CHECK(redis.command(by_words, key)->integer() == 4);
    CHECK(redis.command([](auto& connection) { connection.send("ECHO %s-%d%%  ", "x", 5); })
              ->text() == "x-5%");
    CHECK(redis.command([](auto& connection) { connection.send("ECHO %b%.1f", "xyz", 2, 1.5); })
              ->text() == "xy1.5");
    const auto swapped = [](auto& connection) { connection.send("ECHO %s", 5); };
    CHECK_THROWS_AS(redis.command(swapped), sw::Error);
    const auto without = [](auto& connection) { connection.send("ECHO %s"); };
    CHECK_THROWS_AS(redis.command(without), sw::Error);
    CHECK(redis.ping() == "PONG");
}

TEST_CASE_METHOD(Client, "a command that the server does not have is an error that names it") {
    CHECK_THROWS_WITH(redis.command("EVAL", "return 1", 0),
                      "ERR unknown command 'EVAL', with args beginning with: 'return 1' '0' ");
    CHECK_THROWS_AS(redis.command("SUBSCRIBE", "news"), sw::Error);
    CHECK(redis.ping() == "PONG");
}

}  // namespace
