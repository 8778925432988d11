// SPDX-License-Identifier: MIT
// Streams by the methods of redis-plus-plus, and what surprises those who fake it.

#include <runnel/clock.hpp>
#include <runnel/compat/redis_plus_plus.hpp>
#include <runnel/redis.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

namespace sw = runnel::compat::sw;
using namespace std::chrono_literals;
using Catch::Matchers::StartsWith;

using StreamFields = std::unordered_map<std::string, std::string>;
using Entry = std::pair<std::string, StreamFields>;
using EntryOrGone = std::pair<std::string, std::optional<StreamFields>>;
using Streams = std::map<std::string, std::vector<Entry>>;

struct Orders {
    runnel::redis::Server server;
    sw::Redis redis{server};

    void add(int count) {
        for (int number = 1; number <= count; ++number)
            redis.xadd("orders", std::to_string(number) + "-0",
                       {std::make_pair("number", std::to_string(number))});
    }
    std::vector<std::string> ids() {
        std::vector<Entry> entries;
        redis.xrange("orders", "-", "+", std::back_inserter(entries));
        std::vector<std::string> ids;
        for (const Entry& entry : entries) ids.push_back(entry.first);
        return ids;
    }
};

template <typename Call>
std::string reply_error_of(const Call& call) {
    try {
        call();
    } catch (const sw::ReplyError& error) {
        return error.what();
    }
    return "none";
}

TEST_CASE_METHOD(Orders, "an entry has the fields that were given, in any container of pairs") {
    const std::vector<std::pair<std::string, std::string>> fields{{"b", "2"}, {"a", "1"}};
    CHECK(redis.xadd("orders", "*", fields.begin(), fields.end()) == "1700000000000-0");
    CHECK(redis.xadd("orders", "*", {std::make_pair("price", 1.5)}) == "1700000000000-1");
    std::vector<std::pair<std::string, std::vector<std::pair<std::string, std::string>>>> ordered;
    redis.xrange("orders", "-", "+", 1, std::back_inserter(ordered));
    REQUIRE(ordered.size() == 1);
    CHECK(ordered[0].second == fields);
    std::vector<Entry> entries;
    redis.xrevrange("orders", "+", "-", std::back_inserter(entries));
    REQUIRE(entries.size() == 2);
    CHECK(entries[0] == Entry{"1700000000000-1", {{"price", "1.5"}}});
    CHECK(entries[1].second == StreamFields{{"a", "1"}, {"b", "2"}});
    CHECK(redis.xlen("orders") == 2);
    CHECK(redis.xdel("orders", {entries[0].first, entries[1].first}) == 2);
}

TEST_CASE_METHOD(Orders, "trimming is approximate unless it is told otherwise") {
    add(250);
    CHECK(redis.xtrim("orders", 10) == 200);  // whole nodes of 100 entries
    CHECK(redis.xtrim("orders", 10, false) == 40);
    CHECK(redis.xtrim("orders", "245-0", false, sw::XtrimStrategy::MINID) == 4);
    CHECK(redis.xtrim("orders", 247, false, sw::XtrimStrategy::MINID) == 2);
    CHECK(ids() == std::vector<std::string>{"247-0", "248-0", "249-0", "250-0"});
    CHECK(redis.xtrim("orders", 1, sw::XtrimStrategy::MAXLEN, 100) == 0);
    redis.xadd("orders", "300-0", {std::make_pair("number", 300)}, 2, false);
    CHECK(ids() == std::vector<std::string>{"250-0", "300-0"});
    redis.xadd("orders", "301-0", {std::make_pair("number", 301)}, 1);
    CHECK(redis.xlen("orders") == 3);
}

TEST_CASE_METHOD(Orders, "a read puts keys with their entries into a map or a vector") {
    add(2);
    redis.xadd("bills", "5-0", {std::make_pair("sum", 7)});
    const std::vector<std::pair<std::string, std::string>> from{{"orders", "1-0"}, {"bills", "0"}};
    Streams streams;
    redis.xread(from.begin(), from.end(), std::inserter(streams, streams.end()));
    CHECK(streams ==
          Streams{{"orders", {{"2-0", {{"number", "2"}}}}}, {"bills", {{"5-0", {{"sum", "7"}}}}}});
    std::vector<std::pair<std::string, std::vector<EntryOrGone>>> in_order;
    redis.xread("orders", "0", 1, std::back_inserter(in_order));
    REQUIRE(in_order.size() == 1);
    CHECK(in_order[0].first == "orders");
    CHECK(in_order[0].second == std::vector<EntryOrGone>{{"1-0", StreamFields{{"number", "1"}}}});
}

TEST_CASE_METHOD(Orders, "a read that finds nothing puts nothing, and throws nothing") {
    add(1);
    Streams streams{{"before", {}}};
    const auto to = [&] { return std::inserter(streams, streams.end()); };
    redis.xread("orders", "1-0", to());
    redis.xread("none", "0", 10, to());
    redis.xgroup_create("orders", "shop", "$");
    redis.xreadgroup("shop", "till", "orders", ">", to());
    CHECK(streams == Streams{{"before", {}}});
}

TEST_CASE("reads wait on the server's clock") {
    runnel::ManualClock clock;
    runnel::redis::Server server{{.clock = &clock}};
    sw::Redis redis{server};
    redis.xgroup_create("orders", "shop", "$", true);
    Streams read;
    std::vector<int> steps;
    const auto thread = clock.thread([&] {
        redis.xread("orders", "$", 1min, std::inserter(read, read.end()));
        steps.push_back(1);
        redis.xreadgroup("shop", "till", "orders", ">", 1min, 10, std::inserter(read, read.end()));
        steps.push_back(2);
        redis.xreadgroup("shop", "till", "orders", ">", 0ms, std::inserter(read, read.end()));
        steps.push_back(3);
    });
    clock.advance(1min);
    CHECK(steps == std::vector<int>{1});
    clock.advance(1min);
    CHECK(steps == std::vector<int>{1, 2});
    CHECK(read.empty());
    clock.advance(1000h);
    CHECK(server.blocked_sessions() == 1);
    redis.xadd("orders", "1-1", {std::make_pair("a", "b")});
    clock.settle();
    CHECK(read == Streams{{"orders", {{"1-1", {{"a", "b"}}}}}});
}

TEST_CASE_METHOD(Orders,
                 "what a group has pending comes again, and a deleted entry without fields") {
    add(2);
    redis.xgroup_create("orders", "shop", "0");
    std::map<std::string, std::vector<EntryOrGone>> read;
    redis.xreadgroup("shop", "till", "orders", ">", 10, std::inserter(read, read.end()));
    CHECK(read["orders"].size() == 2);
    CHECK(redis.xdel("orders", "1-0") == 1);
    read.clear();
    redis.xreadgroup("shop", "till", "orders", "0", std::inserter(read, read.end()));
    CHECK(read["orders"] ==
          std::vector<EntryOrGone>{{"1-0", std::nullopt}, {"2-0", StreamFields{{"number", "2"}}}});
    // Who asks for the fields as such is told that there are none.
    Streams plain;
    CHECK_THROWS_AS(
        redis.xreadgroup("shop", "till", "orders", "0", std::inserter(plain, plain.end())),
        sw::ProtoError);
    CHECK(redis.xack("orders", "shop", {"1-0", "2-0"}) == 2);
    CHECK(redis.xack("orders", "shop", "2-0") == 0);
}

TEST_CASE_METHOD(Orders, "NOACK leaves nothing pending") {
    add(2);
    redis.xgroup_create("orders", "shop", "0");
    Streams read;
    redis.xreadgroup("shop", "till", "orders", ">", 1, true, std::inserter(read, read.end()));
    CHECK(read["orders"].size() == 1);
    std::vector<std::pair<std::string, std::string>> consumers;
    auto summary = redis.xpending("orders", "shop", std::back_inserter(consumers));
    CHECK(summary == std::tuple{0LL, std::nullopt, std::nullopt});
    CHECK(consumers.empty());
    redis.xreadgroup("shop", "till", "orders", ">", std::inserter(read, read.end()));
    summary = redis.xpending("orders", "shop", std::back_inserter(consumers));
    CHECK(summary ==
          std::tuple{1LL, std::optional<std::string>{"2-0"}, std::optional<std::string>{"2-0"}});
    CHECK(consumers == std::vector<std::pair<std::string, std::string>>{{"till", "1"}});
}

TEST_CASE_METHOD(Orders, "entries that are pending are listed and claimed") {
    add(3);
    redis.xgroup_create("orders", "shop", "0");
    Streams read;
    redis.xreadgroup("shop", "till", "orders", ">", std::inserter(read, read.end()));
    server.advance(5min);
    using Row = std::tuple<std::string, std::string, long long, long long>;
    std::vector<Row> rows;
    redis.xpending("orders", "shop", "-", "+", 2, std::back_inserter(rows));
    CHECK(rows == std::vector<Row>{{"1-0", "till", 300'000, 1}, {"2-0", "till", 300'000, 1}});
    std::vector<Entry> claimed;
    redis.xclaim("orders", "shop", "medic", 10min, "1-0", std::back_inserter(claimed));
    CHECK(claimed.empty());
    redis.xclaim("orders", "shop", "medic", 5min, {"1-0", "2-0"}, std::back_inserter(claimed));
    CHECK(claimed == std::vector<Entry>{{"1-0", {{"number", "1"}}}, {"2-0", {{"number", "2"}}}});
    rows.clear();
    redis.xpending("orders", "shop", "-", "+", 10, "till", std::back_inserter(rows));
    CHECK(rows == std::vector<Row>{{"3-0", "till", 300'000, 1}});
    // What has no method is asked for by command().
    using Claimed = std::tuple<std::string, std::vector<Entry>, std::vector<std::string>>;
    CHECK(redis.command<Claimed>("XAUTOCLAIM", "orders", "shop", "nurse", 0, "0", "COUNT", 1) ==
          Claimed{"2-0", {{"1-0", {{"number", "1"}}}}, {}});
    CHECK(redis.xgroup_delconsumer("orders", "shop", "medic") == 1);
    redis.xgroup_setid("orders", "shop", "0");
    CHECK(redis.xgroup_destroy("orders", "shop") == 1);
    CHECK(redis.xgroup_destroy("orders", "shop") == 0);
}

TEST_CASE_METHOD(Orders, "errors of groups begin with the words that code looks for") {
    const auto create = [&] { redis.xgroup_create("orders", "shop", "$"); };
    CHECK_THAT(reply_error_of(create), StartsWith("ERR The XGROUP subcommand requires the key"));
    add(1);
    CHECK(reply_error_of(create) == "none");
    CHECK_THAT(reply_error_of(create), StartsWith("BUSYGROUP"));
    Streams read;
    CHECK_THAT(reply_error_of([&] {
                   redis.xreadgroup("none", "till", "orders", ">", std::inserter(read, read.end()));
               }),
               StartsWith("NOGROUP"));
    redis.set("text", "no stream");
    CHECK_THAT(reply_error_of([&] { redis.xlen("text"); }), StartsWith("WRONGTYPE"));
    const std::vector<std::pair<std::string, std::string>> none;
    CHECK_THROWS_AS(redis.xadd("orders", "*", none.begin(), none.end()), sw::Error);
    CHECK_THROWS_AS(redis.xread(none.begin(), none.end(), std::inserter(read, read.end())),
                    sw::Error);
}

TEST_CASE("in RESP3 the same is read") {
    runnel::redis::Server server;
    sw::Redis redis{server, {.resp = 3}};
    redis.xadd("orders", "1-0", {std::make_pair("number", 1)});
    Streams streams;
    redis.xread("orders", "0", std::inserter(streams, streams.end()));
    CHECK(streams == Streams{{"orders", {{"1-0", {{"number", "1"}}}}}});
    redis.hset("hash", {std::make_pair("f", "v")});
    std::map<std::string, std::string> hash;
    redis.hgetall("hash", std::inserter(hash, hash.end()));
    CHECK(hash == std::map<std::string, std::string>{{"f", "v"}});
    redis.zadd("scores", {std::make_pair("ann", 1.5), std::make_pair("bob", 2.0)});
    std::vector<std::pair<std::string, double>> scores;
    redis.zrange("scores", 0, -1, std::back_inserter(scores));
    CHECK(scores == std::vector<std::pair<std::string, double>>{{"ann", 1.5}, {"bob", 2}});
    CHECK(redis.zscore("scores", "ann") == 1.5);
    CHECK(redis.zpopmax("scores") == std::pair<std::string, double>{"bob", 2});
    CHECK(redis.bzpopmin("scores") ==
          std::tuple<std::string, std::string, double>{"scores", "ann", 1.5});
    CHECK_FALSE(redis.zpopmax("scores"));
    std::vector<std::string> members;
    redis.sadd("set", "a");
    redis.smembers("set", std::back_inserter(members));
    CHECK(members == std::vector<std::string>{"a"});
    CHECK_FALSE(redis.get("none"));
}

}  // namespace
