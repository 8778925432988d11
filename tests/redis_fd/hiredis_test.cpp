// SPDX-License-Identifier: MIT
// What a program does with hiredis when its connection breaks, on the fake.

#include <runnel/redis.hpp>
#include <runnel/redis/serve_fd.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <csignal>
#include <cstddef>
#include <hiredis/hiredis.h>
#include <memory>
#include <new>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <vector>

using namespace runnel::redis;
using namespace std::chrono_literals;

namespace {

struct FreeOfHiredis {
    void operator()(redisContext* connection) const { redisFree(connection); }
    void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using OwnedReply = std::unique_ptr<redisReply, FreeOfHiredis>;

// A connection as hiredis has it.
class Hiredis {
public:
    explicit Hiredis(FdServer& to) : connection_{redisConnectFd(to.connect())} {
        // It writes without MSG_NOSIGNAL.
        std::signal(SIGPIPE, SIG_IGN);
        if (connection_ == nullptr) throw std::bad_alloc{};
    }

    // Null: the connection is broken.
    template <typename... Words>
    OwnedReply ask(const char* format, Words... words) {
        append(format, words...);
        return take();
    }
    template <typename... Words>
    void append(const char* format, Words... words) {
        redisAppendCommand(connection_.get(), format, words...);
    }
    template <typename... Words>
    void send(const char* format, Words... words) {
        append(format, words...);
        for (int is_done = 0; is_done == 0;)
            if (redisBufferWrite(connection_.get(), &is_done) != REDIS_OK) return;
    }
    OwnedReply take() {
        void* reply = nullptr;
        redisGetReply(connection_.get(), &reply);
        return OwnedReply{static_cast<redisReply*>(reply)};
    }
    [[nodiscard]] bool is_broken() const { return connection_->err != 0; }
    [[nodiscard]] std::string error() const { return connection_->errstr; }

private:
    std::unique_ptr<redisContext, FreeOfHiredis> connection_;
};

std::string text_at(const OwnedReply& reply, std::size_t place) {
    if (!reply || reply->elements <= place || reply->element[place]->str == nullptr) return {};
    return reply->element[place]->str;
}
std::vector<std::string> texts(const OwnedReply& reply) {
    std::vector<std::string> all;
    for (std::size_t place = 0; reply && place != reply->elements; ++place)
        all.push_back(text_at(reply, place));
    return all;
}

struct HiredisScene {
    Server server{};
    FdServer clients{server};
};

}  // namespace

TEST_CASE("hiredis sees a connection that breaks while it waits, and nothing is taken",
          "[redis][fd][hiredis]") {
    HiredisScene scene;
    Session observer{scene.server};
    Hiredis waits{scene.clients};
    waits.send("CLIENT SETNAME worker");
    CHECK(waits.take()->type == REDIS_REPLY_STATUS);
    waits.send("BLPOP jobs 0");
    scene.clients.settle();
    REQUIRE(scene.server.waiting().size() == 1);
    const std::string id = std::to_string(scene.server.waiting().front().session);
    observer.execute({"CLIENT", "KILL", "ID", id});
    CHECK(waits.take() == nullptr);
    CHECK(waits.error() == "Server closed the connection");
    observer.execute({"RPUSH", "jobs", "paint"});
    CHECK(observer.execute({"LLEN", "jobs"}) == Reply::integer(1));

    Hiredis again{scene.clients};
    CHECK(text_at(again.ask("BLPOP jobs 0"), 1) == "paint");
}

TEST_CASE("a client of hiredis that goes while it waits takes nothing with it",
          "[redis][fd][hiredis]") {
    HiredisScene scene;
    std::optional<Hiredis> waits{scene.clients};
    waits->send("BLPOP jobs 0");
    scene.clients.settle();
    CHECK(scene.server.blocked_sessions() == 1);
    waits.reset();
    scene.clients.settle();
    CHECK(scene.server.blocked_sessions() == 0);
    Hiredis other{scene.clients};
    CHECK(other.ask("RPUSH jobs paint")->integer == 1);
    CHECK(other.ask("LLEN jobs")->integer == 1);
}

TEST_CASE("a subscriber connects anew and subscribes again, and misses what came between",
          "[redis][fd][hiredis]") {
    HiredisScene scene;
    Session speaker{scene.server};
    std::vector<std::string> heard;
    {
        Hiredis listener{scene.clients};
        listener.append("SUBSCRIBE news");
        listener.append("PSUBSCRIBE alarm:*");
        CHECK(text_at(listener.take(), 0) == "subscribe");
        CHECK(text_at(listener.take(), 0) == "psubscribe");
        CHECK(speaker.execute({"PUBLISH", "news", "first"}) == Reply::integer(1));
        heard.push_back(text_at(listener.take(), 2));
        speaker.execute({"CLIENT", "KILL", "TYPE", "pubsub"});
        CHECK(listener.take() == nullptr);
        CHECK(listener.is_broken());
    }
    CHECK(speaker.execute({"PUBLISH", "news", "second"}) == Reply::integer(0));
    Hiredis listener{scene.clients};
    listener.append("SUBSCRIBE news");
    listener.append("PSUBSCRIBE alarm:*");
    CHECK(text_at(listener.take(), 0) == "subscribe");
    CHECK(text_at(listener.take(), 0) == "psubscribe");
    CHECK(speaker.execute({"PUBLISH", "news", "third"}) == Reply::integer(1));
    CHECK(speaker.execute({"PUBLISH", "alarm:fire", "fourth"}) == Reply::integer(1));
    heard.push_back(text_at(listener.take(), 2));
    heard.push_back(text_at(listener.take(), 3));
    CHECK(heard == std::vector<std::string>{"first", "third", "fourth"});
}

TEST_CASE("replies that are lost make duplicates, which a key finds", "[redis][fd][hiredis]") {
    HiredisScene scene;
    const auto lost = scene.server.faults().on("XADD").chance(0.3, 7).lose_reply();
    std::optional<Hiredis> client{scene.clients};
    std::size_t sent = 0;
    for (int order = 0; order != 100; ++order) {
        for (;;) {
            ++sent;
            if (client->ask("XADD orders * key %d", order)) break;
            CHECK(client->is_broken());
            client.emplace(scene.clients);
        }
    }
    CHECK(lost.fired() == sent - 100);
    CHECK(lost.fired() > 10);

    // Each attempt is an entry; each order is there.
    const OwnedReply all = client->ask("XRANGE orders - +");
    REQUIRE(all);
    CHECK(all->elements == sent);
    std::set<std::string> keys;
    for (std::size_t place = 0; place != all->elements; ++place)
        keys.insert(all->element[place]->element[1]->element[1]->str);
    CHECK(keys.size() == 100);
}

TEST_CASE("a command that is carried out twice, and a consumer that crashes",
          "[redis][fd][hiredis]") {
    HiredisScene scene;
    const auto twice = scene.server.faults().on("XADD").nth(1).twice();
    const auto crash = scene.server.faults().on("XREADGROUP").consumer("till").nth(1).crash();
    Hiredis client{scene.clients};
    client.ask("XGROUP CREATE orders shop 0 MKSTREAM");
    CHECK(client.ask("XADD orders * item apple"));
    CHECK(client.ask("XLEN orders")->integer == 2);

    Hiredis till{scene.clients};
    CHECK(till.ask("XREADGROUP GROUP shop till COUNT 1 STREAMS orders >") == nullptr);
    scene.server.advance(5min);
    const OwnedReply claimed = client.ask("XAUTOCLAIM orders shop medic 300000 0");
    REQUIRE(claimed);
    CHECK(claimed->element[1]->elements == 1);
    Hiredis comes_back{scene.clients};
    CHECK(comes_back.ask("XREADGROUP GROUP shop till COUNT 1 STREAMS orders >") == nullptr);
    CHECK(twice.fired() == 1);
    CHECK(crash.fired() == 1);
}

TEST_CASE("a service of several threads with hiredis loses no job though connections break",
          "[redis][fd][hiredis]") {
    HiredisScene scene;
    constexpr int job_count = 200;
    const auto dropped = scene.server.faults().on("BLMOVE").chance(0.1, 1).drop();
    const auto refused = scene.server.faults().on("LREM").chance(0.1, 2).fail("LOADING of a test");
    std::vector<std::vector<std::string>> done(3);
    {
        std::vector<std::jthread> workers;
        for (auto& own : done) {
            workers.emplace_back([&scene, &own] {
                std::optional<Hiredis> client{scene.clients};
                for (;;) {
                    const OwnedReply job = client->ask("BLMOVE jobs busy LEFT RIGHT 0");
                    if (!job) {
                        client.emplace(scene.clients);
                        continue;
                    }
                    const std::string name = job->str;
                    while (client->ask("LREM busy 1 %s", name.c_str())->type == REDIS_REPLY_ERROR)
                        continue;
                    if (name == "stop") return;
                    own.push_back(name);
                }
            });
        }
        Hiredis sender{scene.clients};
        for (int number = 0; number != job_count; ++number)
            sender.append("RPUSH jobs job-%d", number);
        for (std::size_t count = 0; count != done.size(); ++count) sender.append("RPUSH jobs stop");
        for (std::size_t count = 0; count != job_count + done.size(); ++count) (void)sender.take();
    }
    std::set<std::string> all;
    std::size_t count = 0;
    for (const auto& own : done) {
        all.insert(own.begin(), own.end());
        count += own.size();
    }
    CHECK(count == job_count);
    CHECK(all.size() == job_count);
    CHECK(dropped.fired() > 0);
    CHECK(refused.fired() > 0);
}

TEST_CASE("what was subscribed to is printed in the order of the commands",
          "[redis][fd][hiredis]") {
    HiredisScene scene;
    Hiredis client{scene.clients};
    client.append("SUBSCRIBE a b");
    CHECK(texts(client.take()) == std::vector<std::string>{"subscribe", "a", ""});
    CHECK(texts(client.take()) == std::vector<std::string>{"subscribe", "b", ""});
    client.append("UNSUBSCRIBE");
    CHECK(text_at(client.take(), 0) == "unsubscribe");
    CHECK(text_at(client.take(), 0) == "unsubscribe");
    CHECK(std::string{client.ask("PING")->str} == "PONG");
}
