// SPDX-License-Identifier: MIT
//
// hiredis as it is, and the fake of Redis at the other end of its descriptor: no server, no port,
// and an hour passes at once. A queue with a blocking pop, a group that reads a stream, pub/sub,
// a pipeline, and the asynchronous API.

#include <runnel/redis.hpp>
#include <runnel/redis/serve_fd.hpp>

#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <initializer_list>
#include <memory>
#include <poll.h>
#include <string>
#include <thread>

namespace {

using namespace std::chrono_literals;

struct Free {
    void operator()(redisContext* connection) const { redisFree(connection); }
    void operator()(redisReply* reply) const { freeReplyObject(reply); }
};
using Connection = std::unique_ptr<redisContext, Free>;
using Reply = std::unique_ptr<redisReply, Free>;

// A test says what must be so.
void check(bool is_so, const char* what) {
    std::printf("%-4s %s\n", is_so ? "ok" : "NOT", what);
    if (!is_so) std::exit(1);  // NOLINT(concurrency-mt-unsafe): by the thread of main()
}

Reply next_reply(const Connection& client) {
    void* reply = nullptr;
    redisGetReply(client.get(), &reply);
    return Reply{static_cast<redisReply*>(reply)};
}
template <typename... Words>
Reply ask(const Connection& client, const char* format, Words... words) {
    redisAppendCommand(client.get(), format, words...);
    return next_reply(client);
}
// Sends what was appended, and does not wait for a reply.
void flush(const Connection& client) {
    for (int is_done = 0; is_done == 0;)
        if (redisBufferWrite(client.get(), &is_done) != REDIS_OK) return;
}

bool is_text(const redisReply* reply, const char* text) {
    return reply != nullptr && reply->str != nullptr && std::string{reply->str} == text;
}
// An element of an element of a reply; null: there is none.
const redisReply* at(const redisReply* reply, std::initializer_list<std::size_t> places) {
    for (const std::size_t place : places) {
        if (reply == nullptr || place >= reply->elements) return nullptr;
        reply = reply->element[place];
    }
    return reply;
}

// ---- the test

struct Fixture {
    Connection connect() { return Connection{redisConnectFd(clients.connect())}; }

    runnel::redis::Server server;
    runnel::redis::FdServer clients{server};
};

void a_call_goes_to_the_fake() {
    // [readme]
    runnel::redis::Server server;
    runnel::redis::FdServer clients{server};
    redisContext* const redis = redisConnectFd(clients.connect());  // the rest is as in production
    auto* const reply = static_cast<redisReply*>(redisCommand(redis, "RPUSH jobs %s", "paint"));
    check(reply != nullptr && reply->integer == 1, "RPUSH is answered");
    freeReplyObject(reply);
    redisFree(redis);
    // [/readme]
}

void blocking_pop() {
    Fixture redis;
    const Connection worker = redis.connect();
    const Connection sender = redis.connect();

    // Without a thread: it waits in the server, and the test goes on.
    redisAppendCommand(worker.get(), "BLPOP jobs 3600");
    flush(worker);
    redis.clients.settle();
    check(redis.server.blocked_sessions() == 1, "the worker waits");
    redis.server.advance(1h);
    check(next_reply(worker)->type == REDIS_REPLY_NIL, "and has waited for an hour");

    // With a thread, as the service has it.
    std::string done;
    {
        const std::jthread service{[&] {
            const Reply job = ask(worker, "BLPOP jobs 0");
            if (const redisReply* const text = at(job.get(), {1})) done = text->str;
        }};
        ask(sender, "RPUSH jobs %s", "paint");
    }
    check(done == "paint", "a job that was pushed reaches it");
}

void group_read() {
    Fixture redis;
    const Connection client = redis.connect();
    ask(client, "XGROUP CREATE orders shop 0 MKSTREAM");
    ask(client, "XADD orders 7-0 item %s", "apple");
    const Reply read = ask(client, "XREADGROUP GROUP shop till COUNT 10 STREAMS orders >");
    check(is_text(at(read.get(), {0, 1, 0, 0}), "7-0"), "a group reads an entry");
    check(is_text(at(read.get(), {0, 1, 0, 1, 1}), "apple"), "with its fields");
    redis.server.advance(10min);
    const Reply claimed = ask(client, "XAUTOCLAIM orders shop medic 600000 0");
    check(is_text(at(claimed.get(), {1, 0, 0}), "7-0"), "ten minutes later it is claimed");
    check(ask(client, "XACK orders shop 7-0")->integer == 1, "and acknowledged");
}

void pub_sub() {
    Fixture redis;
    const Connection listener = redis.connect();
    const Connection speaker = redis.connect();
    check(is_text(at(ask(listener, "SUBSCRIBE news").get(), {0}), "subscribe"), "it subscribes");
    check(ask(speaker, "PUBLISH news %s", "hello")->integer == 1, "a message reaches one");
    const Reply message = next_reply(listener);
    check(is_text(at(message.get(), {2}), "hello"), "which reads it");
}

void pipelining() {
    Fixture redis;
    const Connection client = redis.connect();
    for (int number = 0; number != 100; ++number) redisAppendCommand(client.get(), "INCR sold");
    bool is_in_order = true;
    for (int number = 1; number <= 100; ++number)
        is_in_order &= next_reply(client)->integer == number;
    check(is_in_order, "a hundred commands in a pipeline, a hundred replies");
}

void lost_replies() {
    Fixture redis;
    const auto lost = redis.server.faults().on("XADD").nth(1).lose_reply();
    const auto again = [&] {  // as a client that does not know whether it was heard
        for (;;)
            if (const Reply added = ask(redis.connect(), "XADD orders * item apple")) return;
    };
    again();
    check(lost.fired() == 1, "the first reply is lost");
    check(ask(redis.connect(), "XLEN orders")->integer == 2, "so the order is there twice");
}

// ---- the asynchronous API, by a path

// An event loop for one connection. hiredis says what it waits for.
struct Loop {
    explicit Loop(redisAsyncContext& of) : client{&of} {
        of.ev.data = this;
        of.ev.addRead = [](void* loop) { static_cast<Loop*>(loop)->reads = true; };
        of.ev.delRead = [](void* loop) { static_cast<Loop*>(loop)->reads = false; };
        of.ev.addWrite = [](void* loop) { static_cast<Loop*>(loop)->writes = true; };
        of.ev.delWrite = [](void* loop) { static_cast<Loop*>(loop)->writes = false; };
        of.ev.cleanup = [](void* loop) { static_cast<Loop*>(loop)->client = nullptr; };
    }

    // Until nothing is left to write, and `is_done` says so.
    template <typename Done>
    void run_until(Done is_done) {
        while (client != nullptr && (writes || !is_done())) {
            const int events = (reads ? POLLIN : 0) | (writes ? POLLOUT : 0);
            pollfd one{client->c.fd, static_cast<short>(events), 0};
            poll(&one, 1, -1);
            if (reads && (one.revents & ~POLLOUT) != 0) redisAsyncHandleRead(client);
            if (client != nullptr && writes && (one.revents & POLLOUT) != 0)
                redisAsyncHandleWrite(client);
        }
    }

    redisAsyncContext* client;  // null: it is gone
    bool reads = false;
    bool writes = false;
};

void asynchronous_api() {
    runnel::redis::Server server;
    // [readme]
    runnel::redis::FdServer clients{server};
    const std::string path = clients.listen();  // of a socket, which goes with `clients`
    redisAsyncContext* const redis = redisAsyncConnectUnix(path.c_str());
    // [/readme]
    check(redis != nullptr && redis->err == 0, "a client connects to the path");
    Loop loop{*redis};
    std::string popped;
    const auto on_reply = [](redisAsyncContext* /*client*/, void* reply, void* text) {
        if (const auto* const job = at(static_cast<redisReply*>(reply), {1}))
            *static_cast<std::string*>(text) = job->str;
    };
    redisAsyncCommand(redis, on_reply, &popped, "BLPOP jobs 60");
    loop.run_until([] { return true; });
    clients.settle();
    check(server.blocked_sessions() == 1, "its command waits");
    runnel::redis::Session sender{server};  // the test's own need not be by hiredis
    sender.execute({"RPUSH", "jobs", "paint"});
    loop.run_until([&] { return !popped.empty(); });
    check(popped == "paint", "and gets the job");
    redisAsyncDisconnect(redis);
    loop.run_until([] { return false; });
    check(loop.client == nullptr, "it disconnects");
}

}  // namespace

int main() {
    std::signal(SIGPIPE, SIG_IGN);  // hiredis writes to connections that have ended
    a_call_goes_to_the_fake();
    blocking_pop();
    group_read();
    pub_sub();
    pipelining();
    lost_replies();
    asynchronous_api();
}
