// SPDX-License-Identifier: MIT
// What the methods of redis-plus-plus return, for which arguments: the table is a template, so that
// sw::redis::Redis could be put in.

#include <runnel/compat/redis_plus_plus.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <concepts>
#include <exception>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

namespace sw = runnel::compat::sw;
using namespace std::chrono_literals;

using Keys = std::vector<std::string>;
using Fields = std::unordered_map<std::string, std::string>;
using Item = std::pair<std::string, std::optional<Fields>>;
using ReadStreams = std::unordered_map<std::string, std::vector<Item>>;

// What each call returns: its value, or the client if it is one that queues commands.
template <typename Client, typename T>
using Returned = std::conditional_t<std::same_as<Client, sw::Redis>, T, Client&>;

template <typename Expected, typename Actual>
constexpr bool is = std::same_as<Expected, Actual>;

#define RETURNS(type, ...)                                                                         \
    static_assert(is<Returned<Client, type>, decltype(std::declval<Client&>().__VA_ARGS__)>)

// The methods that take no output iterator: of a Redis, a Pipeline and a Transaction.
template <typename Client>
void values_are_returned() {
    using std::string;
    using namespace std::literals;
    [[maybe_unused]] Keys keys;
    [[maybe_unused]] Fields fields;
    [[maybe_unused]] const string key;
    [[maybe_unused]] const std::string_view view;
    using OptionalString = std::optional<string>;
    using OptionalStringPair = std::optional<std::pair<string, string>>;

    // lists
    RETURNS(long long, lpush("k", "v"));
    RETURNS(long long, lpush(key, view));
    RETURNS(long long, lpush("k", keys.begin(), keys.end()));
    RETURNS(long long, lpush("k", {"a", "b"}));
    RETURNS(long long, rpush("k", "v"));
    RETURNS(long long, rpush("k", keys.cbegin(), keys.cend()));
    RETURNS(long long, rpush("k", {"a"s, "b"s}));
    RETURNS(long long, lpushx("k", "v"));
    RETURNS(long long, rpushx("k", "v"));
    RETURNS(OptionalString, lpop("k"));
    RETURNS(OptionalString, rpop("k"));
    RETURNS(OptionalStringPair, blpop("k"));
    RETURNS(OptionalStringPair, blpop("k", 1));
    RETURNS(OptionalStringPair, blpop("k", 1s));
    RETURNS(OptionalStringPair, blpop("k", 0));
    RETURNS(OptionalStringPair, blpop("k", 1min));
    RETURNS(OptionalStringPair, blpop(keys.begin(), keys.end()));
    RETURNS(OptionalStringPair, blpop(keys.begin(), keys.end(), 1));
    RETURNS(OptionalStringPair, blpop(keys.begin(), keys.end(), 1s));
    RETURNS(OptionalStringPair, blpop({"a", "b"}));
    RETURNS(OptionalStringPair, blpop({"a", "b"}, 1));
    RETURNS(OptionalStringPair, blpop({"a", "b"}, 1s));
    RETURNS(OptionalStringPair, brpop("k"));
    RETURNS(OptionalStringPair, brpop("k", 1));
    RETURNS(OptionalStringPair, brpop("k", 1s));
    RETURNS(OptionalStringPair, brpop(keys.begin(), keys.end()));
    RETURNS(OptionalStringPair, brpop(keys.begin(), keys.end(), 1));
    RETURNS(OptionalStringPair, brpop(keys.begin(), keys.end(), 1s));
    RETURNS(OptionalStringPair, brpop({"a", "b"}));
    RETURNS(OptionalStringPair, brpop({"a", "b"}, 1));
    RETURNS(OptionalStringPair, brpop({"a", "b"}, 1s));
    RETURNS(OptionalString, lmove("a", "b", sw::ListWhence::LEFT, sw::ListWhence::RIGHT));
    RETURNS(OptionalString, blmove("a", "b", sw::ListWhence::LEFT, sw::ListWhence::RIGHT));
    RETURNS(OptionalString, blmove("a", "b", sw::ListWhence::LEFT, sw::ListWhence::RIGHT, 1s));
    RETURNS(OptionalString, rpoplpush("a", "b"));
    RETURNS(OptionalString, brpoplpush("a", "b"));
    RETURNS(OptionalString, brpoplpush("a", "b", 1));
    RETURNS(OptionalString, brpoplpush("a", "b", 1s));
    RETURNS(long long, llen("k"));
    RETURNS(OptionalString, lindex("k", 0));
    RETURNS(void, lset("k", 0, "v"));
    RETURNS(void, ltrim("k", 0, -1));
    RETURNS(long long, linsert("k", sw::InsertPosition::BEFORE, "pivot", "v"));
    RETURNS(long long, lrem("k", 0, "v"));

    // publish
    RETURNS(long long, publish("news", "hello"));
    RETURNS(long long, spublish("news", "hello"));

    // streams
    RETURNS(string, xadd("s", "*", fields.begin(), fields.end()));
    RETURNS(string, xadd("s", "*", fields.begin(), fields.end(), 10));
    RETURNS(string, xadd("s", "*", fields.begin(), fields.end(), 10, false));
    RETURNS(string, xadd("s", "*", {std::pair{"f", "v"}, std::pair{"g", "w"}}));
    RETURNS(string, xadd("s", "*", {std::make_pair("f"s, "v"s)}, 10));
    RETURNS(string, xadd("s", "*", {std::make_pair("f"s, 1.5)}, 10, false));
    RETURNS(long long, xlen("s"));
    RETURNS(long long, xdel("s", "1-1"));
    RETURNS(long long, xdel("s", keys.begin(), keys.end()));
    RETURNS(long long, xdel("s", {"1-1", "1-2"}));
    RETURNS(long long, xtrim("s", 10));
    RETURNS(long long, xtrim("s", 10, false));
    RETURNS(long long, xtrim("s", 10, true, sw::XtrimStrategy::MINID));
    RETURNS(long long, xtrim("s", 10, sw::XtrimStrategy::MAXLEN, 100));
    RETURNS(long long, xtrim("s", "5-0", false, sw::XtrimStrategy::MINID));
    RETURNS(long long, xtrim("s", "5-0", sw::XtrimStrategy::MINID, 100));
    RETURNS(void, xgroup_create("s", "g", "$"));
    RETURNS(void, xgroup_create("s", "g", "$", true));
    RETURNS(void, xgroup_setid("s", "g", "0"));
    RETURNS(long long, xgroup_destroy("s", "g"));
    RETURNS(long long, xgroup_delconsumer("s", "g", "c"));
    RETURNS(long long, xack("s", "g", "1-1"));
    RETURNS(long long, xack("s", "g", keys.begin(), keys.end()));
    RETURNS(long long, xack("s", "g", {"1-1", "1-2"}));

    // keys and strings
    RETURNS(long long, del("k"));
    RETURNS(long long, del(keys.begin(), keys.end()));
    RETURNS(long long, del({"a", "b"}));
    RETURNS(long long, unlink("k"));
    RETURNS(long long, exists("k"));
    RETURNS(long long, exists({"a", "b"}));
    RETURNS(long long, touch("k"));
    RETURNS(bool, expire("k", 10));
    RETURNS(bool, expire("k", 10s));
    RETURNS(bool, pexpire("k", 10));
    RETURNS(bool, pexpire("k", 10s));
    RETURNS(bool, expireat("k", 10));
    RETURNS(bool, expireat("k", std::chrono::sys_seconds{10s}));
    RETURNS(bool, pexpireat("k", 10));
    RETURNS(long long, ttl("k"));
    RETURNS(long long, pttl("k"));
    RETURNS(bool, persist("k"));
    RETURNS(string, type("k"));
    RETURNS(void, rename("k", "l"));
    RETURNS(bool, renamenx("k", "l"));
    RETURNS(bool, move("k", 1));
    RETURNS(OptionalString, randomkey());
    RETURNS(OptionalString, get("k"));
    RETURNS(bool, set("k", "v"));
    RETURNS(bool, set("k", "v", 10s));
    RETURNS(bool, set("k", "v", 10ms, sw::UpdateType::EXIST));
    RETURNS(bool, set("k", "v", true));
    RETURNS(bool, set("k", "v", true, sw::UpdateType::NOT_EXIST));
    RETURNS(OptionalString, getset("k", "v"));
    RETURNS(string, getrange("k", 0, -1));
    RETURNS(long long, setrange("k", 2, "v"));
    RETURNS(bool, setnx("k", "v"));
    RETURNS(void, setex("k", 10, "v"));
    RETURNS(void, setex("k", 10s, "v"));
    RETURNS(void, psetex("k", 10, "v"));
    RETURNS(void, psetex("k", 10ms, "v"));
    RETURNS(void, mset(fields.begin(), fields.end()));
    RETURNS(void, mset({std::make_pair("a", "1")}));
    RETURNS(bool, msetnx({std::make_pair("a", "1")}));
    RETURNS(long long, append("k", "v"));
    RETURNS(long long, strlen("k"));
    RETURNS(long long, incr("k"));
    RETURNS(long long, incrby("k", 2));
    RETURNS(double, incrbyfloat("k", 0.5));
    RETURNS(long long, decr("k"));
    RETURNS(long long, decrby("k", 2));

    // sets, hashes, sorted sets
    RETURNS(long long, sadd("k", "m"));
    RETURNS(long long, sadd("k", {"a", "b"}));
    RETURNS(long long, srem("k", keys.begin(), keys.end()));
    RETURNS(bool, sismember("k", "m"));
    RETURNS(long long, scard("k"));
    RETURNS(OptionalString, spop("k"));
    RETURNS(OptionalString, srandmember("k"));
    RETURNS(bool, hset("k", "f", "v"));
    RETURNS(bool, hset("k", std::make_pair("f", "v")));
    RETURNS(long long, hset("k", fields.begin(), fields.end()));
    RETURNS(long long, hset("k", {std::make_pair("f", "v")}));
    RETURNS(bool, hsetnx("k", "f", "v"));
    RETURNS(OptionalString, hget("k", "f"));
    RETURNS(long long, hdel("k", "f"));
    RETURNS(long long, hdel("k", {"f", "g"}));
    RETURNS(bool, hexists("k", "f"));
    RETURNS(long long, hlen("k"));
    RETURNS(long long, hstrlen("k", "f"));
    RETURNS(long long, hincrby("k", "f", 2));
    RETURNS(double, hincrbyfloat("k", "f", 0.5));
    RETURNS(void, hmset("k", fields.begin(), fields.end()));
    RETURNS(void, hmset("k", {std::make_pair("f", "v")}));
    using Popped = std::optional<std::pair<string, double>>;
    using PoppedOf = std::optional<std::tuple<string, string, double>>;
    [[maybe_unused]] std::map<string, double> scores;
    RETURNS(long long, zadd("k", "m", 1.5));
    RETURNS(long long, zadd("k", "m", 1.5, sw::UpdateType::EXIST, true));
    RETURNS(long long, zadd("k", scores.begin(), scores.end()));
    RETURNS(long long, zadd("k", {std::make_pair("m", 1.5)}, sw::UpdateType::ALWAYS));
    RETURNS(double, zincrby("k", 1.5, "m"));
    RETURNS(long long, zrem("k", "m"));
    RETURNS(long long, zcard("k"));
    RETURNS(std::optional<double>, zscore("k", "m"));
    RETURNS(std::optional<long long>, zrank("k", "m"));
    RETURNS(std::optional<long long>, zrevrank("k", "m"));
    RETURNS(long long, zcount("k", sw::UnboundedInterval<double>{}));
    RETURNS(long long, zlexcount("k", sw::UnboundedInterval<string>{}));
    RETURNS(long long, zremrangebyrank("k", 0, -1));
    RETURNS(long long, zremrangebyscore("k", sw::UnboundedInterval<double>{}));
    RETURNS(Popped, zpopmin("k"));
    RETURNS(Popped, zpopmax("k"));
    RETURNS(PoppedOf, bzpopmin("k"));
    RETURNS(PoppedOf, bzpopmin("k", 1));
    RETURNS(PoppedOf, bzpopmax({"a", "b"}, 1s));

    // the server and the connection
    RETURNS(void, watch("k"));
    RETURNS(void, watch({"a", "b"}));
    RETURNS(void, unwatch());
    RETURNS(string, ping());
    RETURNS(string, ping("hello"));
    RETURNS(string, echo("hello"));
    RETURNS(long long, dbsize());
    RETURNS(void, flushall());
    RETURNS(void, flushdb(true));
    RETURNS(string, info("server"));
}

#undef RETURNS

#define RETURNS(type, ...) static_assert(is<type, decltype(std::declval<Client&>().__VA_ARGS__)>)

// What takes an output iterator as its last argument, and what else only a Redis has.
template <typename Client>
void elements_are_put() {
    using std::string;
    [[maybe_unused]] Keys keys;
    [[maybe_unused]] std::vector<std::pair<string, string>> ids;
    [[maybe_unused]] std::back_insert_iterator<Keys> out{keys};
    [[maybe_unused]] std::vector<Item> items;
    [[maybe_unused]] std::back_insert_iterator<std::vector<Item>> to{items};
    [[maybe_unused]] ReadStreams streams;
    [[maybe_unused]] std::insert_iterator<ReadStreams> all{streams, streams.end()};
    using Popped = std::optional<std::pair<string, Keys>>;
    using Summary = std::tuple<long long, std::optional<string>, std::optional<string>>;

    RETURNS(void, lrange("k", 0, -1, out));
    RETURNS(Popped, template lmpop<Keys>(keys.begin(), keys.end(), sw::ListWhence::LEFT));
    RETURNS(Popped, template lmpop<Keys>(keys.begin(), keys.end(), sw::ListWhence::LEFT, 2));
    RETURNS(Popped, template lmpop<Keys>({"a", "b"}, sw::ListWhence::LEFT));

    RETURNS(void, xrange("s", "-", "+", to));
    RETURNS(void, xrange("s", "-", "+", 10, to));
    RETURNS(void, xrevrange("s", "+", "-", to));
    RETURNS(void, xrevrange("s", "+", "-", 10, to));
    RETURNS(void, xread("s", "$", all));
    RETURNS(void, xread("s", "$", 10, all));
    RETURNS(void, xread("s", "$", 1s, all));
    RETURNS(void, xread("s", "$", 1s, 10, all));
    RETURNS(void, xread(ids.begin(), ids.end(), all));
    RETURNS(void, xread(ids.begin(), ids.end(), 10, all));
    RETURNS(void, xread(ids.begin(), ids.end(), 1s, all));
    RETURNS(void, xread(ids.begin(), ids.end(), 1s, 10, all));
    RETURNS(void, xreadgroup("g", "c", "s", ">", all));
    RETURNS(void, xreadgroup("g", "c", "s", ">", 10, all));
    RETURNS(void, xreadgroup("g", "c", "s", ">", 10, true, all));
    RETURNS(void, xreadgroup("g", "c", "s", ">", 1s, all));
    RETURNS(void, xreadgroup("g", "c", "s", ">", 1s, 10, all));
    RETURNS(void, xreadgroup("g", "c", "s", ">", 1s, 10, true, all));
    RETURNS(void, xreadgroup("g", "c", ids.begin(), ids.end(), all));
    RETURNS(void, xreadgroup("g", "c", ids.begin(), ids.end(), 10, all));
    RETURNS(void, xreadgroup("g", "c", ids.begin(), ids.end(), 10, true, all));
    RETURNS(void, xreadgroup("g", "c", ids.begin(), ids.end(), 1s, all));
    RETURNS(void, xreadgroup("g", "c", ids.begin(), ids.end(), 1s, 10, all));
    RETURNS(void, xreadgroup("g", "c", ids.begin(), ids.end(), 1s, 10, true, all));
    RETURNS(Summary, xpending("s", "g", std::back_inserter(ids)));
    RETURNS(void, xpending("s", "g", "-", "+", 10, out));
    RETURNS(void, xpending("s", "g", "-", "+", 10, "c", out));
    RETURNS(void, xclaim("s", "g", "c", 1min, "1-1", to));
    RETURNS(void, xclaim("s", "g", "c", 1min, keys.begin(), keys.end(), to));
    RETURNS(void, xclaim("s", "g", "c", 1min, {"1-1", "1-2"}, to));

    [[maybe_unused]] std::vector<std::pair<string, double>> scores;
    RETURNS(void, keys("*", out));
    RETURNS(long long, scan(0, out));
    RETURNS(long long, scan(0, "a*", out));
    RETURNS(long long, scan(0, 10, out));
    RETURNS(long long, scan(0, "a*", 10, out));
    RETURNS(long long, hscan("k", 0, std::back_inserter(ids)));
    RETURNS(long long, hscan("k", 0, "a*", std::back_inserter(ids)));
    RETURNS(long long, hscan("k", 0, 10, std::back_inserter(ids)));
    RETURNS(long long, hscan("k", 0, "a*", 10, std::back_inserter(ids)));
    RETURNS(long long, sscan("k", 0, out));
    RETURNS(long long, sscan("k", 0, "a*", out));
    RETURNS(long long, sscan("k", 0, 10, out));
    RETURNS(long long, sscan("k", 0, "a*", 10, out));
    RETURNS(long long, zscan("k", 0, std::back_inserter(scores)));
    RETURNS(long long, zscan("k", 0, "a*", std::back_inserter(scores)));
    RETURNS(long long, zscan("k", 0, 10, std::back_inserter(scores)));
    RETURNS(long long, zscan("k", 0, "a*", 10, std::back_inserter(scores)));
    RETURNS(void, mget(keys.begin(), keys.end(), out));
    RETURNS(void, mget({"a", "b"}, out));
    RETURNS(void, smembers("k", out));
    RETURNS(void, spop("k", 2, out));
    RETURNS(void, hgetall("k", std::back_inserter(ids)));
    RETURNS(void, hmget("k", {"a", "b"}, out));
    RETURNS(void, zrange("k", 0, -1, out));
    RETURNS(void, zrangebyscore("k", sw::UnboundedInterval<double>{}, out));
    RETURNS(void, zrangebyscore("k", sw::UnboundedInterval<double>{}, sw::LimitOptions{}, out));
    RETURNS(void, zrevrangebylex("k", sw::UnboundedInterval<string>{}, out));
    RETURNS(void, zpopmin("k", 2, out));

    RETURNS(sw::ReplyUPtr, command("GET", "k"));
    RETURNS(sw::ReplyUPtr, command("INCRBY", std::string{"k"}, 2));
    RETURNS(std::optional<string>, template command<std::optional<string>>("GET", "k"));
    RETURNS(string, template command<string>("ECHO", std::string{"k"}));
    RETURNS(long long, template command<long long>("DBSIZE"));
    RETURNS(void, template command<void>("FLUSHALL"));
    RETURNS(void, command("LRANGE", "k", 0, -1, out));
    RETURNS(sw::ReplyUPtr, command(keys.begin(), keys.end()));
    RETURNS(long long, template command<long long>(keys.begin(), keys.end()));
    RETURNS(void, command(keys.begin(), keys.end(), out));
    RETURNS(
        sw::ReplyUPtr,
        command([](auto& connection, const char* key) { connection.send("GET %s", key); }, "k"));
    RETURNS(sw::Subscriber, subscriber());
    RETURNS(sw::Pipeline, pipeline());
    RETURNS(sw::Pipeline, pipeline(false));
    RETURNS(sw::Transaction, transaction());
    RETURNS(sw::Transaction, transaction(true));
    RETURNS(sw::Transaction, transaction(true, false));
}

// The same of what queues commands: without the output iterator.
template <typename Client>
void elements_are_queued() {
    [[maybe_unused]] Keys keys;
    [[maybe_unused]] std::vector<std::pair<std::string, std::string>> ids;
    RETURNS(Client&, lrange("k", 0, -1));
    RETURNS(Client&, lmpop(keys.begin(), keys.end(), sw::ListWhence::LEFT));
    RETURNS(Client&, lmpop({"a", "b"}, sw::ListWhence::LEFT, 2));
    RETURNS(Client&, xrange("s", "-", "+"));
    RETURNS(Client&, xrange("s", "-", "+", 10));
    RETURNS(Client&, xread("s", "$"));
    RETURNS(Client&, xread("s", "$", 10));
    RETURNS(Client&, xread(ids.begin(), ids.end(), 1s, 10));
    RETURNS(Client&, xreadgroup("g", "c", "s", ">", 10));
    RETURNS(Client&, xreadgroup("g", "c", "s", ">", 10, true));
    RETURNS(Client&, xreadgroup("g", "c", ids.begin(), ids.end(), 1s));
    RETURNS(Client&, xpending("s", "g"));
    RETURNS(Client&, xpending("s", "g", "-", "+", 10, "c"));
    RETURNS(Client&, xclaim("s", "g", "c", 1min, {"1-1", "1-2"}));
    RETURNS(Client&, scan(0, "a*"));
    RETURNS(Client&, hscan("k", 0));
    RETURNS(Client&, hscan("k", 0, "a*"));
    RETURNS(Client&, sscan("k", 0, 10));
    RETURNS(Client&, zscan("k", 0, "a*", 10));
    RETURNS(Client&, mget({"a", "b"}));
    RETURNS(Client&, zrange("k", 0, -1));
    RETURNS(Client&, command("GET", "k"));
    RETURNS(Client&, command(keys.begin(), keys.end()));
    RETURNS(Client&, select(1));
    RETURNS(sw::QueuedReplies, exec());
    RETURNS(void, discard());
    RETURNS(sw::Redis, redis());
}

#undef RETURNS

TEST_CASE("each method of redis-plus-plus is there, and returns what it returns there") {
    values_are_returned<sw::Redis>();
    values_are_returned<sw::Pipeline>();
    values_are_returned<sw::Transaction>();
    elements_are_put<sw::Redis>();
    elements_are_queued<sw::Pipeline>();
    elements_are_queued<sw::Transaction>();
}

template <typename Derived, typename Base>
constexpr bool descends = std::derived_from<Derived, Base> && !std::same_as<Derived, Base>;

TEST_CASE("the exceptions descend from one another as in redis-plus-plus") {
    STATIC_REQUIRE(descends<sw::Error, std::exception>);
    STATIC_REQUIRE(descends<sw::IoError, sw::Error>);
    STATIC_REQUIRE(descends<sw::TimeoutError, sw::IoError>);
    STATIC_REQUIRE(descends<sw::ClosedError, sw::Error>);
    STATIC_REQUIRE_FALSE(descends<sw::ClosedError, sw::IoError>);
    STATIC_REQUIRE(descends<sw::ProtoError, sw::Error>);
    STATIC_REQUIRE(descends<sw::OomError, sw::Error>);
    STATIC_REQUIRE(descends<sw::ReplyError, sw::Error>);
    STATIC_REQUIRE(descends<sw::WatchError, sw::Error>);
    STATIC_REQUIRE(std::is_nothrow_copy_constructible_v<sw::ReplyError>);
}

TEST_CASE("clients move, and are not copied") {
    STATIC_REQUIRE(std::movable<sw::Redis>);
    STATIC_REQUIRE(std::movable<sw::Subscriber>);
    STATIC_REQUIRE(std::movable<sw::Pipeline>);
    STATIC_REQUIRE(std::movable<sw::QueuedReplies>);
    STATIC_REQUIRE_FALSE(std::copy_constructible<sw::Redis>);
    STATIC_REQUIRE_FALSE(std::copy_constructible<sw::Subscriber>);
    STATIC_REQUIRE_FALSE(std::copy_constructible<sw::Transaction>);
    STATIC_REQUIRE_FALSE(std::copy_constructible<sw::QueuedReplies>);
}

}  // namespace
