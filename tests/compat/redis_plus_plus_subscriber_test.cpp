// SPDX-License-Identifier: MIT
// The Subscriber of redis-plus-plus: one reply at a time, and waits that can be ended.

#include <runnel/clock.hpp>
#include <runnel/compat/redis_plus_plus.hpp>
#include <runnel/redis.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <optional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

namespace {

namespace sw = runnel::compat::sw;
using namespace std::chrono_literals;
using Type = sw::Subscriber::MsgType;
using Names = std::vector<std::string>;

// Writes down what it hears.
struct Listener {
    explicit Listener(sw::Redis& redis) : subscriber{redis.subscriber()} {
        subscriber.on_message([this](std::string channel, std::string message) {
            heard.push_back(channel + ": " + message);
        });
        subscriber.on_pmessage(
            [this](std::string pattern, std::string channel, std::string message) {
                heard.push_back(pattern + " > " + channel + ": " + message);
            });
        subscriber.on_smessage([this](std::string channel, std::string message) {
            heard.push_back("shard " + channel + ": " + message);
        });
        subscriber.on_meta([this](Type type, sw::OptionalString channel, long long count) {
            told.push_back(static_cast<int>(type));
            heard.push_back(channel.value_or("nothing") + ' ' + std::to_string(count));
        });
    }

    void consume(int count) {
        while (count-- != 0) subscriber.consume();
    }
    Names take() { return std::exchange(heard, {}); }
    std::vector<int> take_types() { return std::exchange(told, {}); }

    sw::Subscriber subscriber;
    Names heard;
    std::vector<int> told;
};

struct Radio {
    runnel::redis::Server server;
    sw::Redis redis{server};
};

int number_of(Type type) {
    return static_cast<int>(type);
}

TEST_CASE_METHOD(Radio, "consume() handles one reply, and a confirmation is one") {
    Listener listener{redis};
    listener.subscriber.subscribe({"a", "b"});
    CHECK(redis.publish("a", "one") == 1);
    CHECK(redis.publish("none", "one") == 0);
    listener.consume(1);
    CHECK(listener.take() == Names{"a 1"});
    listener.consume(1);
    CHECK(listener.take() == Names{"b 2"});
    listener.consume(1);
    CHECK(listener.take() == Names{"a: one"});
    CHECK(listener.take_types() ==
          std::vector<int>{number_of(Type::SUBSCRIBE), number_of(Type::SUBSCRIBE)});
}

TEST_CASE_METHOD(Radio, "patterns and sharded channels have functions of their own") {
    Listener listener{redis};
    const Names patterns{"n*", "x*"};
    listener.subscriber.psubscribe(patterns.begin(), patterns.end());
    listener.subscriber.ssubscribe("news");
    CHECK(redis.publish("news", "one") == 1);
    CHECK(redis.spublish("news", "two") == 1);
    listener.consume(5);
    CHECK(listener.take() == Names{"n* 1", "x* 2", "news 1", "n* > news: one", "shard news: two"});
    CHECK(listener.take_types() == std::vector<int>{number_of(Type::PSUBSCRIBE),
                                                    number_of(Type::PSUBSCRIBE),
                                                    number_of(Type::SSUBSCRIBE)});
    listener.subscriber.punsubscribe();
    listener.subscriber.sunsubscribe("news");
    listener.consume(3);
    CHECK(listener.take_types() == std::vector<int>{number_of(Type::PUNSUBSCRIBE),
                                                    number_of(Type::PUNSUBSCRIBE),
                                                    number_of(Type::SUNSUBSCRIBE)});
    CHECK(redis.publish("news", "three") == 0);
}

TEST_CASE_METHOD(Radio,
                 "unsubscribe() without a name means all, and tells of null if there is none") {
    Listener listener{redis};
    listener.subscriber.unsubscribe();
    listener.consume(1);
    CHECK(listener.take() == Names{"nothing 0"});
    listener.subscriber.subscribe({"a", "b", "c"});
    listener.subscriber.unsubscribe({"a"});
    listener.subscriber.unsubscribe();
    listener.consume(6);
    CHECK(listener.take_types().size() == 7);
    CHECK(listener.heard.back().substr(1) == " 0");
    const Names none;
    listener.subscriber.subscribe(none.begin(), none.end());
    CHECK_FALSE(listener.subscriber.try_consume());
}

TEST_CASE_METHOD(Radio, "what has no function is consumed all the same") {
    sw::Subscriber subscriber = redis.subscriber();
    subscriber.subscribe("a");
    redis.publish("a", "one");
    subscriber.consume();
    subscriber.consume();
    CHECK_FALSE(subscriber.try_consume());
}

TEST_CASE_METHOD(Radio, "what a function throws leaves consume(), which may go on") {
    sw::Subscriber subscriber = redis.subscriber();
    int count = 0;
    subscriber.on_message([&](const std::string& /*channel*/, const std::string& message) {
        ++count;
        if (message == "bad") throw message;
    });
    subscriber.subscribe("a");
    redis.publish("a", "bad");
    redis.publish("a", "good");
    subscriber.consume();
    CHECK_THROWS_AS(subscriber.consume(), std::string);
    subscriber.consume();
    CHECK(count == 2);
}

TEST_CASE("in RESP3 a subscriber hears the same") {
    runnel::redis::Server server;
    sw::Redis redis{server, {.resp = 3}};
    Listener listener{redis};
    listener.subscriber.subscribe("a");
    redis.publish("a", "one");
    listener.consume(2);
    CHECK(listener.take() == Names{"a 1", "a: one"});
}

struct RadioInThreads {
    runnel::ManualClock clock;
    runnel::redis::Server server{{.clock = &clock}};
    sw::Redis redis{server};
};

TEST_CASE_METHOD(RadioInThreads, "consume() waits for ever, by the server's clock") {
    Listener listener{redis};
    listener.subscriber.subscribe("a");
    const auto thread = clock.thread([&] { listener.consume(2); });
    clock.advance(1000h);
    CHECK(listener.heard == Names{"a 1"});
    redis.publish("a", "one");
    clock.settle();
    CHECK(listener.heard == Names{"a 1", "a: one"});
}

TEST_CASE_METHOD(RadioInThreads, "a stop ends consume() without a message being lost") {
    Listener listener{redis};
    listener.subscriber.subscribe("a");
    std::stop_source source;
    std::vector<bool> consumed;
    {
        const auto thread = clock.thread([&] {
            for (int round = 0; round != 2; ++round)
                consumed.push_back(listener.subscriber.consume(source.get_token()));
        });
        clock.settle();
        CHECK(consumed == std::vector<bool>{true});
        source.request_stop();
        clock.settle();
        CHECK(consumed == std::vector<bool>{true, false});
        redis.publish("a", "one");
    }
    CHECK(listener.subscriber.consume(source.get_token()));  // success comes first
    CHECK(listener.heard.back() == "a: one");
}

TEST_CASE_METHOD(RadioInThreads, "consume_for() waits for so long, and try_consume() not at all") {
    Listener listener{redis};
    listener.subscriber.subscribe("a");
    CHECK(listener.subscriber.try_consume());
    CHECK_FALSE(listener.subscriber.try_consume());
    std::vector<bool> consumed;
    const auto thread = clock.thread([&] {
        for (int round = 0; round != 2; ++round)
            consumed.push_back(listener.subscriber.consume_for(1min));
    });
    clock.advance(59s);
    CHECK(consumed.empty());
    clock.advance(1s);
    CHECK(consumed == std::vector<bool>{false});
    redis.publish("a", "one");
    clock.settle();
    CHECK(consumed == std::vector<bool>{false, true});
}

TEST_CASE("a socket time-out ends consume(), which may be called again") {
    runnel::ManualClock clock;
    runnel::redis::Server server{{.clock = &clock}};
    sw::Redis redis{server, {.socket_timeout = 100ms}};
    Listener listener{redis};
    listener.subscriber.subscribe("a");
    std::vector<bool> timed_out;
    const auto thread = clock.thread([&] {
        for (int round = 0; round != 3; ++round) {
            try {
                listener.subscriber.consume();
                timed_out.push_back(false);
            } catch (const sw::TimeoutError&) {
                timed_out.push_back(true);
            }
        }
    });
    clock.advance(100ms);
    CHECK(timed_out == std::vector<bool>{false, true});
    redis.publish("a", "one");
    clock.settle();
    CHECK(timed_out == std::vector<bool>{false, true, false});
    CHECK(listener.heard == Names{"a 1", "a: one"});
}

TEST_CASE_METHOD(RadioInThreads, "a subscriber whose connection ends is told so, and is over") {
    Listener listener{redis};
    listener.subscriber.subscribe("a");
    listener.consume(1);
    bool is_closed = false;
    {
        const auto thread = clock.thread([&] {
            try {
                listener.consume(2);
            } catch (const sw::ClosedError&) {
                is_closed = true;
            }
        });
        clock.settle();
        redis.publish("a", "the last");
        redis.command("CLIENT", "KILL", "TYPE", "pubsub");
        clock.settle();
    }
    CHECK(is_closed);
    CHECK(listener.heard.back() == "a: the last");
    CHECK_THROWS_WITH(listener.subscriber.consume(), "Connection is broken");
    CHECK_THROWS_WITH(listener.subscriber.subscribe("b"), "Connection is broken");
    CHECK(redis.ping() == "PONG");
}

TEST_CASE_METHOD(Radio, "a refusal to subscribe is thrown by consume()") {
    const auto refused = server.faults().on("SUBSCRIBE").fail("NOPERM no such channel for you");
    sw::Subscriber subscriber = redis.subscriber();
    subscriber.subscribe("a");
    CHECK_THROWS_WITH(subscriber.consume(), "NOPERM no such channel for you");
    CHECK_FALSE(subscriber.try_consume());
}

}  // namespace
