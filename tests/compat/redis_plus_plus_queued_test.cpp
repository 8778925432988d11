// SPDX-License-Identifier: MIT
// The Pipeline and the Transaction of redis-plus-plus.

#include <runnel/compat/redis_plus_plus.hpp>
#include <runnel/redis.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <cstddef>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace {

namespace sw = runnel::compat::sw;
using namespace std::chrono_literals;
using Words = std::vector<std::string>;

struct Queued {
    runnel::redis::Server server{{.keep_commands = 20}};
    sw::Redis redis{server};

    // The names of the commands that were carried out since the last call.
    Words names() {
        Words all;
        for (const auto& logged : server.log()) all.push_back(logged.words.front());
        Words since(all.begin() + static_cast<std::ptrdiff_t>(seen), all.end());
        seen = all.size();
        return since;
    }
    long long connections() {
        const std::string list = redis.command<std::string>("CLIENT", "LIST");
        long long count = 0;
        for (const char c : list) count += c == '\n' ? 1 : 0;
        return count;
    }

    std::size_t seen = 0;
};

TEST_CASE_METHOD(Queued, "a pipeline sends nothing before exec(), and then all of it") {
    auto pipeline = redis.pipeline();
    pipeline.set("a", "1").incr("a").get("a").get("none").rpush("l", {"x", "y"}).lrange("l", 0, -1);
    CHECK(names().empty());
    auto replies = pipeline.exec();
    CHECK(names() == Words{"SET", "INCR", "GET", "GET", "RPUSH", "LRANGE"});
    REQUIRE(replies.size() == 6);
    CHECK(replies.get<bool>(0));
    CHECK(replies.get<long long>(1) == 2);
    CHECK(replies.get<std::string>(2) == "2");
    CHECK(replies.get<sw::OptionalString>(2) == "2");
    CHECK_FALSE(replies.get<sw::OptionalString>(3));
    CHECK(replies.get(4).integer() == 2);
    Words elements;
    replies.get(5, std::back_inserter(elements));
    CHECK(elements == Words{"x", "y"});
    CHECK(replies.get<Words>(5) == elements);
    CHECK_THROWS_WITH(replies.get(6), "Out of range");
    CHECK(pipeline.del("a").exec().get<long long>(0) == 1);
    CHECK(pipeline.exec().size() == 0);
}

TEST_CASE_METHOD(Queued, "an error among the replies is thrown where it is looked at") {
    auto pipeline = redis.pipeline();
    auto replies = pipeline.set("a", "text").incr("a").get("a").exec();
    CHECK_THROWS_WITH(replies.get<long long>(1), "ERR value is not an integer or out of range");
    CHECK_THROWS_AS(replies.get(1), sw::ReplyError);
    CHECK(replies.get<std::string>(2) == "text");
    auto transaction = redis.transaction();
    replies = transaction.incr("a").get("a").exec();
    CHECK_THROWS_AS(replies.get<long long>(0), sw::ReplyError);
    CHECK(replies.get<std::string>(1) == "text");
}

TEST_CASE_METHOD(Queued,
                 "SET tells by bool whether it has set, and a pop from nothing is nothing") {
    auto replies = redis.pipeline()
                       .set("a", "1")
                       .set("a", "2", 0ms, sw::UpdateType::NOT_EXIST)
                       .zpopmin("none")
                       .zadd("z", "m", 2)
                       .zpopmax("z")
                       .exec();
    CHECK(replies.get<bool>(0));
    CHECK_FALSE(replies.get<bool>(1));
    using Popped = std::optional<std::pair<std::string, double>>;
    CHECK_FALSE(replies.get<Popped>(2));
    CHECK(replies.get<Popped>(4) == std::pair<std::string, double>{"m", 2});
    CHECK_THROWS_AS(replies.get<bool>(4), sw::ProtoError);
}

TEST_CASE_METHOD(Queued, "streams in a pipeline are read as a Redis reads them") {
    using Read = std::pair<std::string, std::map<std::string, std::string>>;
    auto replies = redis.pipeline()
                       .xadd("s", "1-0", {std::make_pair("f", "v")})
                       .xgroup_create("s", "g", "0")
                       .xreadgroup("g", "c", "s", ">", 10)
                       .xrange("s", "-", "+")
                       .xpending("s", "g")
                       .xack("s", "g", "1-0")
                       .exec();
    CHECK(replies.get<std::string>(0) == "1-0");
    replies.get<void>(1);
    std::map<std::string, std::vector<Read>> streams;
    replies.get(2, std::inserter(streams, streams.end()));
    CHECK(streams["s"] == std::vector<Read>{{"1-0", {{"f", "v"}}}});
    CHECK(replies.get<std::vector<Read>>(3) == streams["s"]);
    CHECK(replies.get<long long>(5) == 1);
}

TEST_CASE_METHOD(Queued, "what a pipeline has not executed is dropped") {
    {
        auto pipeline = redis.pipeline();
        pipeline.set("a", "1");
        pipeline.discard();
        CHECK(pipeline.set("b", "1").exec().size() == 1);
        pipeline.set("c", "1");
        auto of_pool = redis.pipeline(false);
        of_pool.set("d", "1");
    }
    Words keys;
    redis.keys("*", std::back_inserter(keys));
    CHECK(keys == Words{"b"});
}

TEST_CASE_METHOD(Queued, "a transaction sends each command at once, or all with exec() if piped") {
    auto transaction = redis.transaction();
    transaction.set("a", "1").incr("a");
    CHECK(names() == Words{"MULTI", "SET", "INCR"});
    CHECK_FALSE(redis.get("a"));
    auto replies = transaction.exec();
    REQUIRE(replies.size() == 2);
    CHECK(replies.get<bool>(0));
    CHECK(replies.get<long long>(1) == 2);
    (void)names();
    auto piped = redis.transaction(true);
    piped.incr("a").incr("a");
    CHECK(names() == Words{"MULTI"});
    CHECK(piped.exec().get<long long>(1) == 4);
    piped.incr("a");
    piped.discard();
    CHECK(redis.get("a") == "4");
    CHECK_THROWS_WITH(piped.exec(), "No command in transaction");
}

TEST_CASE_METHOD(Queued,
                 "a watched key that changes is a WatchError, and the transaction goes on") {
    auto transaction = redis.transaction();
    auto watching = transaction.redis();
    watching.watch("a");
    const long long before = std::stoll(watching.get("a").value_or("0"));
    redis.set("a", "5");
    transaction.set("a", std::to_string(before + 1));
    CHECK_THROWS_AS(transaction.exec(), sw::WatchError);
    CHECK(redis.get("a") == "5");
    watching.watch({"a", "b"});
    CHECK(transaction.set("a", "6").exec().get<bool>(0));
    watching.watch("a");
    watching.unwatch();
    redis.set("a", "7");
    CHECK(transaction.incr("a").exec().get<long long>(0) == 8);
}

TEST_CASE_METHOD(Queued, "a command that the server refuses to queue ends the transaction") {
    auto transaction = redis.transaction();
    CHECK_THROWS_AS(transaction.command("GET"), sw::ReplyError);
    CHECK_THROWS_WITH(transaction.set("a", "1"), "Not in valid state");
    CHECK_THROWS_WITH(transaction.exec(), "Not in valid state");
    for (const bool new_connection : {true, false}) {
        auto piped = redis.transaction(true, new_connection);
        piped.set("a", "1").command("GET");
        CHECK_THROWS_AS(piped.exec(), sw::ReplyError);
    }
    CHECK(redis.set("a", "1"));  // of no transaction
    CHECK(redis.get("a") == "1");
}

TEST_CASE_METHOD(Queued, "without a connection of its own it gives one back that others can use") {
    CHECK(connections() == 1);
    auto transaction = redis.transaction(false, false);
    transaction.set("a", "1");
    CHECK(connections() == 2);
    transaction.exec();
    auto other = redis.transaction(false, false);
    other.set("b", "1");
    CHECK(connections() == 2);
    {
        auto half = redis.transaction(false, false);
        half.set("c", "1");
    }
    CHECK(redis.set("d", "1"));
    CHECK(redis.exists({"a", "b", "c", "d"}) == 2);
    other = redis.transaction();
    CHECK(redis.exists({"a", "b", "c", "d"}) == 2);
}

TEST_CASE_METHOD(Queued, "any command is queued by name, by range or by a function") {
    auto pipeline = redis.pipeline();
    const Words words{"SET", "b", "2"};
    pipeline.command("SET", "a", 1)
        .command(words.begin(), words.end())
        .command([](auto& connection, const char* key) { connection.send("GET %s", key); }, "a")
        .select(1)
        .get("a");
    auto replies = pipeline.exec();
    CHECK(replies.get<std::string>(2) == "1");
    CHECK_FALSE(replies.get<sw::OptionalString>(4));
    const Words none;
    CHECK_THROWS_AS(pipeline.command(none.begin(), none.end()), sw::Error);
}

}  // namespace
