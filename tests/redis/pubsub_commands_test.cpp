// SPDX-License-Identifier: MIT
// What the commands of Pub/Sub do.

#include <runnel/redis.hpp>

#include "support/catch.hpp"
#include "support/fake_replies.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;
using runnel::redis::Reply;
using runnel::redis::Server;
using runnel::redis::ServerOptions;
using runnel::redis::Session;
using runnel::test::bulk;
using Kind = Reply::Kind;

namespace {

// As RESP2 has it: an array.
Reply confirmed(std::string_view verb, std::string_view name, std::int64_t count) {
    return Reply::array({bulk(verb), bulk(name), Reply::integer(count)});
}
Reply confirmed_nothing(std::string_view verb, std::int64_t count) {
    return Reply::array({bulk(verb), Reply::null(), Reply::integer(count)});
}
Reply told(std::initializer_list<std::string_view> words) {
    std::vector<Reply> parts;
    for (const std::string_view word : words) parts.push_back(bulk(word));
    return Reply::array(std::move(parts));
}

// All that has been pushed so far.
std::vector<Reply> pushes_of(Session& session) {
    std::vector<Reply> pushes;
    while (auto push = session.next_push()) pushes.push_back(std::move(*push));
    return pushes;
}
using Pushes = std::vector<Reply>;

std::int64_t published(Session& session, std::string_view channel, std::string_view message) {
    return session.execute({"PUBLISH", channel, message})->integer();
}

std::string text_of(const std::optional<Reply>& reply) {
    REQUIRE(reply);
    return reply->text();
}

// A publisher and two that may subscribe.
struct Radio {
    explicit Radio(const ServerOptions& options = {}) : server{options} {}

    Server server;
    Session sender{server};
    Session listener{server};
    Session other{server};

    // Subscribes, and forgets the confirmations.
    static void send(Session& session, std::initializer_list<std::string_view> words) {
        (void)session.execute(words);
        (void)pushes_of(session);
    }
};

}  // namespace

TEST_CASE("each name that is subscribed to is confirmed, with how many there are", "[pubsub]") {
    Radio radio;
    CHECK_FALSE(radio.listener.execute({"SUBSCRIBE", "a", "b", "a"}));
    CHECK(pushes_of(radio.listener) == Pushes{confirmed("subscribe", "a", 1),
                                              confirmed("subscribe", "b", 2),
                                              confirmed("subscribe", "a", 2)});
}

TEST_CASE("channels and patterns are counted together, shard channels by themselves", "[pubsub]") {
    Radio radio;
    radio.listener.execute({"SUBSCRIBE", "a"});
    radio.listener.execute({"PSUBSCRIBE", "p*", "q*"});
    radio.listener.execute({"SSUBSCRIBE", "s"});
    CHECK(pushes_of(radio.listener) ==
          Pushes{confirmed("subscribe", "a", 1), confirmed("psubscribe", "p*", 2),
                 confirmed("psubscribe", "q*", 3), confirmed("ssubscribe", "s", 1)});
    radio.listener.execute({"UNSUBSCRIBE", "a"});
    radio.listener.execute({"SUNSUBSCRIBE", "s"});
    radio.listener.execute({"PUNSUBSCRIBE", "q*"});
    CHECK(pushes_of(radio.listener) == Pushes{confirmed("unsubscribe", "a", 2),
                                              confirmed("sunsubscribe", "s", 0),
                                              confirmed("punsubscribe", "q*", 1)});
}

TEST_CASE("a name that was not subscribed to is confirmed when it is given up", "[pubsub]") {
    Radio radio;
    Radio::send(radio.listener, {"SUBSCRIBE", "a", "b"});
    radio.listener.execute({"UNSUBSCRIBE", "zz", "a", "a"});
    CHECK(pushes_of(radio.listener) == Pushes{confirmed("unsubscribe", "zz", 2),
                                              confirmed("unsubscribe", "a", 1),
                                              confirmed("unsubscribe", "a", 1)});
}

TEST_CASE("without a name all of a kind are given up", "[pubsub]") {
    Radio radio;
    Radio::send(radio.listener, {"SUBSCRIBE", "a", "b"});
    Radio::send(radio.listener, {"PSUBSCRIBE", "p*"});
    radio.listener.execute({"UNSUBSCRIBE"});
    CHECK(pushes_of(radio.listener) ==
          Pushes{confirmed("unsubscribe", "a", 2), confirmed("unsubscribe", "b", 1)});
    radio.listener.execute({"UNSUBSCRIBE"});
    CHECK(pushes_of(radio.listener) == Pushes{confirmed_nothing("unsubscribe", 1)});
    radio.listener.execute({"PUNSUBSCRIBE"});
    CHECK(pushes_of(radio.listener) == Pushes{confirmed("punsubscribe", "p*", 0)});
    radio.listener.execute({"SUNSUBSCRIBE"});
    CHECK(pushes_of(radio.listener) == Pushes{confirmed_nothing("sunsubscribe", 0)});
    CHECK(radio.sender.execute({"PUBSUB", "CHANNELS"}) == Reply::array({}));
}

TEST_CASE("a message goes to those who subscribe to its channel at that moment", "[pubsub]") {
    Radio radio;
    CHECK(published(radio.sender, "news", "early") == 0);
    Radio::send(radio.listener, {"SUBSCRIBE", "news"});
    Radio::send(radio.other, {"SUBSCRIBE", "news", "else"});
    CHECK(published(radio.sender, "news", "one") == 2);
    Radio::send(radio.other, {"UNSUBSCRIBE", "news"});
    CHECK(published(radio.sender, "news", "two") == 1);
    CHECK(pushes_of(radio.listener) ==
          Pushes{told({"message", "news", "one"}), told({"message", "news", "two"})});
}

TEST_CASE("channels, patterns and messages are any bytes", "[pubsub]") {
    Radio radio;
    const std::string bytes{"\0\r\n\xff", 4};
    Radio::send(radio.listener, {"SUBSCRIBE", bytes, ""});
    CHECK(published(radio.sender, bytes, bytes) == 1);
    CHECK(published(radio.sender, "", "") == 1);
    CHECK(pushes_of(radio.listener) ==
          Pushes{told({"message", bytes, bytes}), told({"message", "", ""})});
}

TEST_CASE("each pattern that matches brings a copy, after the direct ones", "[pubsub]") {
    Radio radio;
    Radio::send(radio.other, {"PSUBSCRIBE", "n*"});
    Radio::send(radio.listener, {"PSUBSCRIBE", "*s", "x*", "n*"});
    Radio::send(radio.listener, {"SUBSCRIBE", "news"});
    CHECK(published(radio.sender, "news", "hi") == 4);
    CHECK(pushes_of(radio.listener) == Pushes{told({"message", "news", "hi"}),
                                              told({"pmessage", "n*", "news", "hi"}),
                                              told({"pmessage", "*s", "news", "hi"})});
    CHECK(pushes_of(radio.other) == Pushes{told({"pmessage", "n*", "news", "hi"})});
}

TEST_CASE("no pattern matches the channel without a name", "[pubsub]") {
    Radio radio;
    Radio::send(radio.listener, {"PSUBSCRIBE", "*"});
    CHECK(published(radio.sender, "", "hi") == 0);
}

TEST_CASE("messages of shard channels are in a world of their own", "[pubsub]") {
    Radio radio;
    Radio::send(radio.listener, {"SSUBSCRIBE", "a"});
    Radio::send(radio.other, {"PSUBSCRIBE", "*"});
    CHECK(radio.sender.execute({"SPUBLISH", "a", "m"}) == Reply::integer(1));
    CHECK(radio.sender.execute({"SPUBLISH", "b", "m"}) == Reply::integer(0));
    CHECK(published(radio.sender, "a", "m") == 1);
    CHECK(pushes_of(radio.listener) == Pushes{told({"smessage", "a", "m"})});
    CHECK(pushes_of(radio.other) == Pushes{told({"pmessage", "*", "a", "m"})});
}

TEST_CASE("channels do not belong to a database", "[pubsub]") {
    Radio radio;
    radio.listener.execute({"SELECT", "3"});
    Radio::send(radio.listener, {"SUBSCRIBE", "a"});
    CHECK(published(radio.sender, "a", "m") == 1);
}

TEST_CASE("a session of RESP3 gets pushes, one of RESP2 arrays", "[pubsub]") {
    Radio radio;
    radio.listener.execute({"HELLO", "3"});
    radio.listener.execute({"SUBSCRIBE", "a"});
    Radio::send(radio.other, {"SUBSCRIBE", "a"});
    published(radio.sender, "a", "m");
    CHECK(pushes_of(radio.listener) ==
          Pushes{Reply::push({bulk("subscribe"), bulk("a"), Reply::integer(1)}),
                 Reply::push({bulk("message"), bulk("a"), bulk("m")})});
    CHECK(pushes_of(radio.other) == Pushes{told({"message", "a", "m"})});
}

TEST_CASE("who publishes to itself gets its reply first", "[pubsub]") {
    Radio radio;
    radio.listener.execute({"HELLO", "3"});
    radio.listener.execute({"SUBSCRIBE", "me"});
    CHECK(published(radio.listener, "me", "m") == 1);
    const auto outputs = radio.listener.outputs();
    REQUIRE(outputs.size() == 4);
    CHECK(outputs[2] == Reply::integer(1));
    CHECK(outputs[3] == Reply::push({bulk("message"), bulk("me"), bulk("m")}));
}

TEST_CASE("messages reach a session of RESP3 that is blocked", "[pubsub]") {
    Radio radio;
    radio.listener.execute({"HELLO", "3"});
    Radio::send(radio.listener, {"SUBSCRIBE", "a"});
    const auto read = radio.listener.submit({"XREAD", "BLOCK", "0", "STREAMS", "jobs", "$"});
    CHECK(published(radio.sender, "a", "m") == 1);
    CHECK(pushes_of(radio.listener).size() == 1);
    CHECK_FALSE(read.ready());
    radio.sender.execute({"XADD", "jobs", "1-1", "f", "v"});
    CHECK(read.ready());
}

TEST_CASE("in RESP2 a subscriber may send nothing but what is about subscriptions", "[pubsub]") {
    Radio radio;
    const std::string refusal =
        ": only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are allowed in this "
        "context";
    for (const auto* const subscribe : {"SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE"}) {
        CAPTURE(subscribe);
        Session session{radio.server};
        Radio::send(session, {subscribe, "a"});
        CHECK(text_of(session.execute({"ECHO", "x"})) == "ERR Can't execute 'echo'" + refusal);
        CHECK(text_of(session.execute({"CLIENT", "ID"})) ==
              "ERR Can't execute 'client|id'" + refusal);
        CHECK(text_of(session.execute({"HELLO", "3"})) == "ERR Can't execute 'hello'" + refusal);
        CHECK(text_of(session.execute({"PUBLISH", "a", "m"})) ==
              "ERR Can't execute 'publish'" + refusal);
        CHECK(session.execute({"PING"}) == told({"pong", ""}));
        CHECK(session.execute({"PING", "x"}) == told({"pong", "x"}));
        for (const auto* const unsubscribe : {"UNSUBSCRIBE", "PUNSUBSCRIBE", "SUNSUBSCRIBE"})
            session.execute({unsubscribe});
        CHECK(session.execute({"ECHO", "x"}) == bulk("x"));
    }
}

TEST_CASE("unknown commands and wrong numbers of words are told to subscribers first", "[pubsub]") {
    Radio radio;
    Radio::send(radio.listener, {"SUBSCRIBE", "a"});
    CHECK(text_of(radio.listener.execute({"FOO"})) ==
          "ERR unknown command 'FOO', with args beginning with: ");
    CHECK(text_of(radio.listener.execute({"ECHO"})) ==
          "ERR wrong number of arguments for 'echo' command");
    CHECK(text_of(radio.listener.execute({"SUBSCRIBE"})) ==
          "ERR wrong number of arguments for 'subscribe' command");
}

TEST_CASE("in RESP3 a subscriber may send anything", "[pubsub]") {
    Radio radio;
    radio.listener.execute({"HELLO", "3"});
    Radio::send(radio.listener, {"SUBSCRIBE", "a"});
    CHECK(radio.listener.execute({"ECHO", "x"}) == bulk("x"));
    CHECK(radio.listener.execute({"PING"}) == Reply::simple_string("PONG"));
}

TEST_CASE("PUBSUB CHANNELS tells the channels that sessions subscribe to themselves", "[pubsub]") {
    Radio radio;
    Radio::send(radio.listener, {"SUBSCRIBE", "news", "nets"});
    Radio::send(radio.listener, {"PSUBSCRIBE", "sport*"});
    Radio::send(radio.listener, {"SSUBSCRIBE", "shard"});
    Radio::send(radio.other, {"SUBSCRIBE", "news", "sports"});
    CHECK(radio.sender.execute({"PUBSUB", "CHANNELS"}) == told({"news", "nets", "sports"}));
    CHECK(radio.sender.execute({"pubsub", "channels", "ne*"}) == told({"news", "nets"}));
    CHECK(radio.sender.execute({"PUBSUB", "CHANNELS", "x"}) == Reply::array({}));
    CHECK(radio.sender.execute({"PUBSUB", "SHARDCHANNELS"}) == told({"shard"}));
    CHECK(radio.sender.execute({"PUBSUB", "SHARDCHANNELS", "x*"}) == Reply::array({}));
}

TEST_CASE("PUBSUB NUMSUB counts who subscribes to each name", "[pubsub]") {
    Radio radio;
    Radio::send(radio.listener, {"SUBSCRIBE", "a", "b"});
    Radio::send(radio.other, {"SUBSCRIBE", "a"});
    Radio::send(radio.other, {"PSUBSCRIBE", "*"});
    Radio::send(radio.other, {"SSUBSCRIBE", "s"});
    CHECK(radio.sender.execute({"PUBSUB", "NUMSUB", "a", "no", "b", "a"}) ==
          Reply::array({bulk("a"), Reply::integer(2), bulk("no"), Reply::integer(0), bulk("b"),
                        Reply::integer(1), bulk("a"), Reply::integer(2)}));
    CHECK(radio.sender.execute({"PUBSUB", "NUMSUB"}) == Reply::array({}));
    CHECK(radio.sender.execute({"PUBSUB", "SHARDNUMSUB", "s", "a"}) ==
          Reply::array({bulk("s"), Reply::integer(1), bulk("a"), Reply::integer(0)}));
}

TEST_CASE("PUBSUB NUMPAT counts patterns, however many subscribe to one", "[pubsub]") {
    Radio radio;
    Radio::send(radio.listener, {"PSUBSCRIBE", "p*", "q*"});
    Radio::send(radio.other, {"PSUBSCRIBE", "p*"});
    CHECK(radio.sender.execute({"PUBSUB", "NUMPAT"}) == Reply::integer(2));
    radio.listener.close();
    CHECK(radio.sender.execute({"PUBSUB", "NUMPAT"}) == Reply::integer(1));
}

TEST_CASE("PUBSUB HELP tells of its subcommands", "[pubsub]") {
    Radio radio;
    const auto lines = radio.sender.execute({"pubsub", "HELP"})->strings();
    REQUIRE(lines.size() == 14);
    CHECK(lines.front() == "PUBSUB <subcommand> [<arg> [value] [opt] ...]. Subcommands are:");
    CHECK(lines[1] == "CHANNELS [<pattern>]");
    CHECK(lines[11] == "    Return the number of subscribers for the specified shard level "
                       "channel(s)");
    CHECK(lines.back() == "    Print this help.");
    CHECK(text_of(radio.sender.execute({"PUBSUB", "HELP", "x"})) ==
          "ERR wrong number of arguments for 'pubsub|help' command");
}

TEST_CASE("PUBSUB refuses what it does not know", "[pubsub]") {
    Radio radio;
    CHECK(text_of(radio.sender.execute({"PUBSUB", "CHANNELS", "a", "b"})) ==
          "ERR unknown subcommand or wrong number of arguments for 'CHANNELS'. Try PUBSUB HELP.");
    CHECK(text_of(radio.sender.execute({"pubsub", "shardchannels", "a", "b"})) ==
          "ERR unknown subcommand or wrong number of arguments for 'shardchannels'. Try PUBSUB "
          "HELP.");
    CHECK(text_of(radio.sender.execute({"PUBSUB", "NUMPAT", "x"})) ==
          "ERR wrong number of arguments for 'pubsub|numpat' command");
    CHECK(text_of(radio.sender.execute({"PUBSUB", "FOO"})) ==
          "ERR unknown subcommand 'FOO'. Try PUBSUB HELP.");
    CHECK(text_of(radio.sender.execute({"PUBSUB"})) ==
          "ERR wrong number of arguments for 'pubsub' command");
    CHECK(text_of(radio.sender.execute({"SPSUBSCRIBE", "a*"})) ==
          "ERR unknown command 'SPSUBSCRIBE', with args beginning with: 'a*' ");
}

TEST_CASE("who subscribes between MULTI and EXEC is confirmed in the reply of EXEC", "[pubsub]") {
    Radio radio;
    radio.listener.execute({"MULTI"});
    radio.listener.execute({"SUBSCRIBE", "a"});
    radio.listener.execute({"PUBLISH", "a", "m"});
    radio.listener.execute({"UNSUBSCRIBE", "a"});
    CHECK(radio.listener.execute({"EXEC"}) ==
          Reply::array({confirmed("subscribe", "a", 1), Reply::integer(1),
                        confirmed("unsubscribe", "a", 0)}));
    CHECK(pushes_of(radio.listener) == Pushes{told({"message", "a", "m"})});
}

TEST_CASE("the reply of EXEC has room for one answer a command: the last replies stand behind it",
          "[pubsub]") {
    Radio radio;
    radio.listener.execute({"MULTI"});
    radio.listener.execute({"SUBSCRIBE", "a", "b", "c"});
    radio.listener.execute({"ECHO", "first"});
    radio.listener.execute({"ECHO", "a second one, which is longer"});
    CHECK(radio.listener.execute({"EXEC"}) ==
          Reply::array({confirmed("subscribe", "a", 1), confirmed("subscribe", "b", 2),
                        confirmed("subscribe", "c", 3)}));
    CHECK(pushes_of(radio.listener) ==
          Pushes{Reply::bulk_string("first"), Reply::bulk_string("a second one, which is longer")});
}

TEST_CASE("SSUBSCRIBE is refused between MULTI and EXEC", "[pubsub]") {
    Radio radio;
    radio.listener.execute({"MULTI"});
    radio.listener.execute({"SSUBSCRIBE", "a"});
    const auto replies = radio.listener.execute({"EXEC"});
    REQUIRE(replies->elements().size() == 1);
    CHECK(replies->elements()[0] ==
          Reply::error("ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client"));
    CHECK(radio.sender.execute({"PUBSUB", "SHARDCHANNELS"}) == Reply::array({}));
}

TEST_CASE("a session that goes subscribes to nothing any more", "[pubsub]") {
    Radio radio;
    Radio::send(radio.listener, {"SUBSCRIBE", "a"});
    Radio::send(radio.listener, {"PSUBSCRIBE", "a*"});
    Radio::send(radio.listener, {"SSUBSCRIBE", "a"});
    radio.listener.close();
    CHECK(published(radio.sender, "a", "m") == 0);
    CHECK(radio.sender.execute({"PUBSUB", "NUMPAT"}) == Reply::integer(0));
    CHECK(radio.sender.execute({"PUBSUB", "SHARDCHANNELS"}) == Reply::array({}));
}

TEST_CASE("a subscriber that lets too much wait is closed, and the message counts", "[pubsub]") {
    Radio radio{{.pubsub_limit = {.hard = 100, .soft = 0}}};
    Radio::send(radio.listener, {"SUBSCRIBE", "a"});
    Radio::send(radio.other, {"SUBSCRIBE", "a"});
    // 4 + (1 + 1 + 2 + 7 + 2) + (1 + 1 + 2 + 1 + 2) + (1 + 2 + 2 + 20 + 2) = 51 bytes
    const std::string message(20, 'x');
    CHECK(published(radio.sender, "a", message) == 2);
    CHECK(pushes_of(radio.other).size() == 1);
    CHECK(published(radio.sender, "a", message) == 2);
    CHECK(radio.listener.is_closed());
    CHECK_FALSE(radio.other.is_closed());
    CHECK(pushes_of(radio.listener).empty());
    CHECK(published(radio.sender, "a", message) == 1);
}

TEST_CASE("just under the limit a subscriber stays", "[pubsub]") {
    Radio radio{{.pubsub_limit = {.hard = 103, .soft = 0}}};
    Radio::send(radio.listener, {"SUBSCRIBE", "a"});
    published(radio.sender, "a", std::string(20, 'x'));
    published(radio.sender, "a", std::string(20, 'x'));
    CHECK_FALSE(radio.listener.is_closed());
    published(radio.sender, "a", "");
    CHECK(radio.listener.is_closed());
}

TEST_CASE("a time that is longer than all time is never over", "[pubsub]") {
    constexpr auto longest = std::chrono::seconds::max();
    Radio radio{{.pubsub_limit = {.hard = 0, .soft = 1, .soft_time = longest}}};
    Radio::send(radio.listener, {"SUBSCRIBE", "a"});
    published(radio.sender, "a", "x");
    radio.server.advance(24h * 365 * 100);
    published(radio.sender, "a", "x");
    CHECK_FALSE(radio.listener.is_closed());
}

TEST_CASE("a subscriber that lets much wait for long is closed", "[pubsub]") {
    Radio radio{{.pubsub_limit = {.hard = 0, .soft = 50, .soft_time = 10s}}};
    Radio::send(radio.listener, {"SUBSCRIBE", "a"});
    const std::string message(20, 'x');
    published(radio.sender, "a", message);
    radio.server.advance(10s);
    published(radio.sender, "a", message);
    CHECK_FALSE(radio.listener.is_closed());
    radio.server.advance(1ms);
    published(radio.sender, "a", message);
    CHECK(radio.listener.is_closed());
}
