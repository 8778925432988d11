// SPDX-License-Identifier: MIT
#include <runnel/clock.hpp>
#include <runnel/outcome.hpp>
#include <runnel/redis.hpp>
#include <runnel/runner.hpp>

#include "support/catch.hpp"
#include "support/coroutines.hpp"
#include "support/fake_replies.hpp"
#include "support/user_clocks.hpp"

#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace runnel {
namespace {

using namespace std::chrono_literals;
using redis::Reply;
using redis::Server;
using redis::Session;
using test::bulk;
using test::HandClock;

Reply popped(const char* key, const char* element) {
    return Reply::array({bulk(key), bulk(element)});
}

TEST_CASE("a command that need not wait has its reply at once") {
    Server server;
    Session session{server};
    const auto pending = session.submit({"RPUSH", "jobs", "a"});
    CHECK(pending.ready());
    CHECK(pending.try_get() == Reply::integer(1));
    CHECK(pending.try_get() == Reply::integer(1));
    CHECK(pending.wait() == Reply::integer(1));
    CHECK(session.execute({"LLEN", "jobs"}) == Reply::integer(1));
}

// Awaits the reply of `job`, and puts it into `reply`.
template <typename Wait>
test::Coroutine reply_into(std::optional<std::optional<Reply>>& reply, Wait wait) {
    reply = co_await wait;
}

TEST_CASE("a coroutine waits for a reply without a thread") {
    Server server;
    Session waiting{server};
    Session other{server};
    std::optional<std::optional<Reply>> reply;

    SECTION("and goes on at once if it is there") {
        const auto done = other.submit({"LLEN", "jobs"});
        const test::Coroutine one = reply_into(reply, done.async_wait());
        CHECK(reply == Reply::integer(0));
    }
    const auto job = waiting.submit({"BLPOP", "jobs", "60"});
    SECTION("and goes on inside the call that ends the command") {
        const test::Coroutine one = reply_into(reply, job.async_wait());
        REQUIRE_FALSE(reply);
        (void)other.execute({"RPUSH", "jobs", "a"});
        CHECK(reply == popped("jobs", "a"));
    }
    SECTION("or on an executor") {
        test::Loop loop;
        const test::Coroutine one = reply_into(reply, job.async_wait().on(loop));
        (void)other.execute({"RPUSH", "jobs", "a"});
        REQUIRE_FALSE(reply);
        loop.run();
        CHECK(reply == popped("jobs", "a"));
    }
    SECTION("when the time of the command is over") {
        const test::Coroutine one = reply_into(reply, job.async_wait());
        server.advance(1min);
        CHECK(reply == Reply::null_array());
    }
    SECTION("or its own: then there is no reply yet") {
        const test::Coroutine one = reply_into(reply, job.async_wait({.timeout = 10s}));
        server.advance(10s);
        REQUIRE(reply);
        CHECK_FALSE(*reply);
        CHECK_FALSE(job.ready());
    }
    SECTION("or it is to stop") {
        std::stop_source stop;
        const test::Coroutine one = reply_into(reply, job.async_wait({.stop = stop.get_token()}));
        stop.request_stop();
        REQUIRE(reply);
        CHECK_FALSE(*reply);
    }
    SECTION("or the session is closed: then there is none") {
        const test::Coroutine one = reply_into(reply, job.async_wait());
        waiting.close();
        REQUIRE(reply);
        CHECK_FALSE(*reply);
    }
    SECTION("unless it is destroyed before") {
        { const test::Coroutine one = reply_into(reply, job.async_wait()); }
        (void)other.execute({"RPUSH", "jobs", "a"});
        CHECK_FALSE(reply);
        CHECK(job.try_get() == popped("jobs", "a"));
    }
}

TEST_CASE("a coroutine may block inside the call that has ended its wait, and time goes on") {
    runnel::ManualClock clock;
    Server server{{.clock = &clock}};
    Session waiting{server};
    Session other{server};
    const auto first = waiting.submit({"BLPOP", "jobs", "0"});
    const auto second = waiting.submit({"BLPOP", "others", "1"});  // waits once the first is done
    std::optional<Reply> reply;
    const auto both = [&]() -> test::Coroutine {
        auto wait = first.async_wait();
        (void)co_await wait;
        reply = second.wait(1min);
    };
    const test::Coroutine one = both();
    const auto pusher = clock.thread([&] { (void)other.execute({"RPUSH", "jobs", "a"}); });
    clock.advance(1s);
    CHECK(reply == Reply::null_array());
    clock.advance(1min);
}

TEST_CASE("a command that waits blocks its session, and no thread") {
    Server server;
    Session waiting{server};
    Session other{server};
    const auto job = waiting.submit({"BLPOP", "jobs", "0"});
    CHECK_FALSE(job.ready());
    CHECK_FALSE(job.try_get());
    CHECK_FALSE(job.wait(0s));
    CHECK(server.blocked_sessions() == 1);
    CHECK(other.execute({"RPUSH", "jobs", "a"}) == Reply::integer(1));
    CHECK(job.try_get() == popped("jobs", "a"));
    CHECK(server.blocked_sessions() == 0);
}

TEST_CASE("commands behind one that waits are carried out after it, in their order") {
    Server server;
    Session waiting{server};
    Session other{server};
    const auto job = waiting.submit({"BLPOP", "jobs", "0"});
    const auto first = waiting.submit({"RPUSH", "done", "a"});
    const auto second = waiting.submit({"BLPOP", "more", "0"});
    const auto third = waiting.submit({"LLEN", "done"});
    CHECK_FALSE(first.ready());
    other.execute({"RPUSH", "jobs", "a"});
    CHECK(first.try_get() == Reply::integer(1));
    CHECK_FALSE(second.ready());
    CHECK_FALSE(third.ready());
    CHECK(server.blocked_sessions() == 1);
    other.execute({"RPUSH", "more", "b"});
    CHECK(second.try_get() == popped("more", "b"));
    CHECK(third.try_get() == Reply::integer(1));
    CHECK(waiting.outputs() == std::vector<Reply>{popped("jobs", "a"), Reply::integer(1),
                                                  popped("more", "b"), Reply::integer(1)});
}

TEST_CASE("commands that stand behind a wait come before those behind a wait that they end") {
    Server server;
    Session first{server};
    Session second{server};
    Session other{server};
    first.submit({"BLPOP", "start", "0"});
    first.submit({"RPUSH", "jobs", "a"});
    const auto seen = first.submit({"EXISTS", "done"});
    second.submit({"BLPOP", "jobs", "0"});
    second.submit({"SET", "done", "yes"});
    other.execute({"RPUSH", "start", "now"});
    CHECK(seen.try_get() == Reply::integer(0));
    CHECK(other.execute({"EXISTS", "done"}) == Reply::integer(1));
}

TEST_CASE("any number of sessions may each end the wait of the next one") {
    constexpr int count = 20'000;
    Server server;
    std::list<Session> sessions;
    for (int n = 0; n != count; ++n) {
        Session& session = sessions.emplace_back(server);
        session.submit({"BLPOP", std::to_string(n), "0"});
        session.submit({"RPUSH", std::to_string(n + 1), "a"});
    }
    Session other{server};
    other.execute({"RPUSH", "0", "a"});
    CHECK(server.blocked_sessions() == 0);
    CHECK(other.execute({"LLEN", std::to_string(count)}) == Reply::integer(1));
}

TEST_CASE("a time-out ends by the server's clock, after an hour of it") {
    Server server;
    Session session{server};
    const auto job = session.submit({"BLPOP", "jobs", "3600"});
    server.advance(59min + 59s + 999ms);
    CHECK_FALSE(job.ready());
    server.advance(1ms);
    CHECK(job.try_get() == Reply::null_array());
    CHECK(server.blocked_sessions() == 0);
    Session other{server};
    CHECK(other.execute({"RPUSH", "jobs", "a"}) == Reply::integer(1));
    CHECK(other.execute({"LLEN", "jobs"}) == Reply::integer(1));
}

TEST_CASE("time-outs end in the order of their deadlines, and in the order of the commands") {
    Server server;
    Session late{server};
    Session first{server};
    Session second{server};
    Session watching{server};
    // Each of them tells of its end by the command behind it.
    late.submit({"BLPOP", "a", "2"});
    late.submit({"RPUSH", "ended", "late"});
    first.submit({"BLPOP", "b", "1"});
    first.submit({"RPUSH", "ended", "first"});
    second.submit({"BLPOP", "c", "1"});
    second.submit({"RPUSH", "ended", "second"});
    server.advance(1h);
    const auto ended = watching.execute({"LRANGE", "ended", "0", "-1"});
    CHECK(ended->strings() == std::vector<std::string>{"first", "second", "late"});
}

TEST_CASE("dropping a pending reply cancels nothing") {
    Server server;
    Session waiting{server};
    Session other{server};
    (void)waiting.submit({"BLPOP", "jobs", "0"});
    CHECK(server.blocked_sessions() == 1);
    other.execute({"RPUSH", "jobs", "a"});
    CHECK(other.execute({"EXISTS", "jobs"}) == Reply::integer(0));
    CHECK(waiting.outputs() == std::vector<Reply>{popped("jobs", "a")});
}

TEST_CASE("a pending reply outlives its session and its server") {
    std::optional<redis::Pending> done;
    std::optional<redis::Pending> never;
    {
        Server server;
        Session session{server};
        done = session.submit({"RPUSH", "jobs", "a"});
        never = session.submit({"BLPOP", "none", "0"});
    }
    CHECK(done->try_get() == Reply::integer(1));
    CHECK(never->ready());
    CHECK_FALSE(never->try_get());
}

TEST_CASE("a session that is closed while it waits takes nothing, and blocks nobody") {
    Server server;
    Session next{server};
    Session other{server};
    std::optional<redis::Pending> job;
    std::optional<redis::Pending> behind;
    {
        Session gone{server};
        job = gone.submit({"BLPOP", "jobs", "0"});
        behind = gone.submit({"RPUSH", "behind", "a"});
    }
    CHECK(job->ready());
    CHECK_FALSE(job->try_get());
    CHECK(behind->ready());
    CHECK_FALSE(behind->try_get());
    const auto second = next.submit({"BLPOP", "jobs", "0"});
    other.execute({"RPUSH", "jobs", "a"});
    CHECK(second.try_get() == popped("jobs", "a"));
    CHECK(other.execute({"EXISTS", "behind"}) == Reply::integer(0));
}

TEST_CASE("a closed session answers nothing") {
    Server server;
    Session session{server};
    session.close();
    session.close();
    CHECK(session.is_closed());
    CHECK_FALSE(session.execute({"RPUSH", "jobs", "a"}));
    CHECK(session.submit({"RPUSH", "jobs", "a"}).ready());
    CHECK_FALSE(session.next_push());
    Session other{server};
    CHECK(other.execute({"EXISTS", "jobs"}) == Reply::integer(0));
}

TEST_CASE("sessions that are left when the server goes are closed") {
    std::optional<Server> server{std::in_place};
    Session session{*server};
    server.reset();
    CHECK(session.is_closed());
    CHECK_FALSE(session.execute({"PING"}));
}

TEST_CASE("QUIT answers, and closes the session") {
    Server server;
    Session session{server};
    CHECK(session.execute({"QUIT"}) == Reply::simple_string("OK"));
    CHECK(session.is_closed());
}

TEST_CASE("a command without a word is refused") {
    Server server;
    Session session{server};
    CHECK_THROWS_AS(session.submit(std::vector<std::string>{}), Error);
    CHECK_THROWS_AS(session.execute(std::vector<std::string>{}), Error);
}

TEST_CASE("pushes wait for next_push(), in their order") {
    Server server;
    Session subscriber{server};
    Session publisher{server};
    CHECK_FALSE(subscriber.execute({"SUBSCRIBE", "news"}));
    publisher.execute({"PUBLISH", "news", "one"});
    publisher.execute({"PUBLISH", "news", "two"});
    const Reply confirmed = Reply::array({bulk("subscribe"), bulk("news"), Reply::integer(1)});
    const Reply one = Reply::array({bulk("message"), bulk("news"), bulk("one")});
    const Reply two = Reply::array({bulk("message"), bulk("news"), bulk("two")});
    CHECK(subscriber.next_push() == confirmed);
    CHECK(subscriber.next_push() == one);
    CHECK(subscriber.next_push() == two);
    CHECK_FALSE(subscriber.next_push());
    CHECK(subscriber.outputs() == std::vector<Reply>{confirmed, one, two});
}

TEST_CASE("next_push() waits by the server's clock") {
    ManualClock clock;
    Server server{{.clock = &clock}};
    Session subscriber{server};
    Session publisher{server};
    subscriber.execute({"SUBSCRIBE", "news"});
    (void)subscriber.next_push();
    std::vector<bool> came;
    const auto thread = clock.thread([&] {
        came.push_back(subscriber.next_push(1h).has_value());
        came.push_back(subscriber.next_push(1h).has_value());
    });
    clock.settle();
    publisher.execute({"PUBLISH", "news", "one"});
    clock.advance(1h);
    clock.settle();
    CHECK(came == std::vector<bool>{true, false});
}

TEST_CASE("a wait for a push ends when it is asked to stop, and takes none then") {
    ManualClock clock;
    Server server{{.clock = &clock}};
    Session subscriber{server};
    Session publisher{server};
    subscriber.execute({"SUBSCRIBE", "news"});
    (void)subscriber.next_push();
    std::stop_source source;
    std::optional<Reply> first;
    bool has_ended = false;
    const auto thread = clock.thread([&] {
        first = subscriber.next_push(Timeout{}, source.get_token());
        has_ended = true;
    });
    clock.settle();
    CHECK_FALSE(has_ended);
    source.request_stop();
    clock.settle();
    CHECK(has_ended);
    CHECK_FALSE(first);
    publisher.execute({"PUBLISH", "news", "one"});
    CHECK(subscriber.next_push(Timeout{}, source.get_token()));  // success comes first
    CHECK_FALSE(subscriber.next_push(Timeout{}, source.get_token()));
}

TEST_CASE("a handler gets the pushes that wait already, and each later one") {
    Server server;
    Session subscriber{server};
    Session publisher{server};
    subscriber.execute({"SUBSCRIBE", "news"});
    publisher.execute({"PUBLISH", "news", "one"});
    std::vector<std::string> heard;
    subscriber.on_push([&](const Reply& push) { heard.push_back(push[0].text()); });
    CHECK(heard == std::vector<std::string>{"subscribe", "message"});
    publisher.execute({"PUBLISH", "news", "two"});
    CHECK(heard.size() == 3);
    subscriber.on_push(nullptr);
    publisher.execute({"PUBLISH", "news", "three"});
    CHECK(heard.size() == 3);
    CHECK(subscriber.next_push());
}

TEST_CASE("a handler may use sessions: what it causes is handed to it after it has returned") {
    Server server;
    Session subscriber{server};
    Session publisher{server};
    subscriber.execute({"SUBSCRIBE", "news"});
    (void)subscriber.next_push();
    std::vector<std::string> heard;
    bool is_inside = false;
    subscriber.on_push([&](const Reply& push) {
        CHECK_FALSE(is_inside);
        is_inside = true;
        heard.push_back(push[2].text());
        if (heard.size() < 3)
            publisher.execute({"PUBLISH", "news", std::string(heard.size(), 'x')});
        is_inside = false;
    });
    publisher.execute({"PUBLISH", "news", ""});
    CHECK(heard == std::vector<std::string>{"", "x", "xx"});
}

TEST_CASE("a handler may put another one in its place, or none: pushes that follow wait for it") {
    Server server;
    Session subscriber{server};
    Session publisher{server};
    subscriber.execute({"SUBSCRIBE", "news"});
    for (const char* message : {"a", "b", "c", "d"})
        publisher.execute({"PUBLISH", "news", message});
    (void)subscriber.next_push();
    std::string heard;
    subscriber.on_push([&](const Reply& first) {
        heard += "1" + first[2].text();
        subscriber.on_push([&](const Reply& second) {
            heard += "2" + second[2].text();
            subscriber.on_push(nullptr);
            heard += "-" + subscriber.next_push()->elements()[2].text();
        });
    });
    CHECK(heard == "1a2b-c");
    CHECK(subscriber.next_push()->elements()[2].text() == "d");
}

TEST_CASE("what a handler has captured is destroyed where it may use the session") {
    Server server;
    Session subscriber{server};
    Session publisher{server};
    int destroyed = 0;
    const auto hears = [&](bool goes) {
        const std::shared_ptr<void> captured{nullptr, [&](void*) {
                                                 (void)subscriber.protocol();
                                                 ++destroyed;
                                             }};
        return [&, captured, goes](const Reply& /*any*/) {
            if (goes) subscriber.on_push(nullptr);
        };
    };
    subscriber.on_push(hears(false));
    subscriber.execute({"SUBSCRIBE", "news"});
    subscriber.on_push(hears(true));
    CHECK(destroyed == 1);
    publisher.execute({"PUBLISH", "news", "it goes now"});
    CHECK(destroyed == 2);
}

TEST_CASE("a session may go while its handler runs") {
    Server server;
    Session publisher{server};
    auto subscriber = std::make_unique<Session>(server);
    int heard = 0;
    subscriber->execute({"SUBSCRIBE", "news"});
    (void)subscriber->next_push();
    SECTION("it is open") {
        subscriber->on_push([&](const Reply& /*any*/) {
            ++heard;
            subscriber.reset();
        });
        publisher.execute({"PUBLISH", "news", "one"});
    }
    SECTION("it was closed") {
        publisher.execute({"PUBLISH", "news", "one"});
        Session& closed = *subscriber;
        closed.close();
        closed.on_push([&](const Reply& /*any*/) {
            ++heard;
            subscriber.reset();
        });
    }
    CHECK(heard == 1);
    CHECK(publisher.execute({"PUBLISH", "news", "two"}) == Reply::integer(0));
}

TEST_CASE("a message that waits for its handler goes to another one that is set meanwhile") {
    Server server;
    Session one{server};
    auto other = std::make_unique<Session>(server);
    Session publisher{server};
    std::vector<std::string> heard;
    const auto hears = [&](const std::string& name) {
        return [&heard, name](const Reply& /*any*/) { heard.push_back(name); };
    };
    for (Session* const session : {&one, other.get()}) {
        session->execute({"SUBSCRIBE", "news"});
        (void)session->next_push();
    }
    std::function<void()> acts;
    one.on_push([&](const Reply& /*any*/) { acts(); });
    other->on_push(hears("old"));
    SECTION("another one") {
        acts = [&] { other->on_push(hears("new")); };
        publisher.execute({"PUBLISH", "news", "one"});
        CHECK(heard == std::vector<std::string>{"new"});
    }
    SECTION("none") {
        acts = [&] {
            other->on_push(nullptr);
            heard.push_back((*other->next_push())[2].text());
        };
        publisher.execute({"PUBLISH", "news", "one"});
        CHECK(heard == std::vector<std::string>{"one"});
    }
    SECTION("the session goes") {
        acts = [&] { other.reset(); };
        publisher.execute({"PUBLISH", "news", "one"});
        CHECK(heard.empty());
    }
}

TEST_CASE("a handler may drop all that there is of a server") {
    auto server = std::make_unique<Server>();
    auto session = std::make_unique<Session>(*server);
    session->execute({"SUBSCRIBE", "a", "b"});
    server.reset();
    int heard = 0;
    Session& last = *session;
    last.on_push([&](const Reply& /*confirmation*/) {
        ++heard;
        session.reset();
    });
    CHECK(heard == 1);
}

TEST_CASE("outputs() shows the latest ones") {
    Server server;
    Session session{server, {.keep_outputs = 2}};
    for (const char* element : {"a", "b", "c"}) session.execute({"RPUSH", "list", element});
    CHECK(session.outputs() == std::vector<Reply>{Reply::integer(2), Reply::integer(3)});
    Session silent{server, {.keep_outputs = 0}};
    silent.execute({"LLEN", "list"});
    CHECK(silent.outputs().empty());
}

TEST_CASE("a thread that executes waits until another session serves it") {
    ManualClock clock;
    Server server{{.clock = &clock}};
    Session waiting{server};
    Session other{server};
    std::optional<Reply> job;
    const auto thread = clock.thread([&] { job = waiting.execute({"BLPOP", "jobs", "0"}); });
    clock.settle();
    CHECK(server.blocked_sessions() == 1);
    other.execute({"RPUSH", "jobs", "a"});
    clock.settle();
    CHECK(job == popped("jobs", "a"));
}

TEST_CASE("a thread that executes goes on when its time-out ends, or its session is closed") {
    ManualClock clock;
    Server server{{.clock = &clock}};
    Session waiting{server};
    std::vector<std::optional<Reply>> jobs;
    const auto thread = clock.thread([&] {
        jobs.push_back(waiting.execute({"BLPOP", "jobs", "60"}));
        jobs.push_back(waiting.execute({"BLPOP", "jobs", "60"}));
    });
    clock.advance(60s);
    clock.settle();
    waiting.close();
    clock.settle();
    CHECK(jobs == std::vector<std::optional<Reply>>{Reply::null_array(), std::nullopt});
}

TEST_CASE("a pending reply can be waited for in a thread, for some time") {
    ManualClock clock;
    Server server{{.clock = &clock}};
    Session waiting{server};
    Session other{server};
    const auto job = waiting.submit({"BLPOP", "jobs", "0"});
    std::vector<std::optional<Reply>> seen;
    const auto thread = clock.thread([&] {
        seen.push_back(job.wait(1min));
        seen.push_back(job.wait());
    });
    clock.advance(1min);
    clock.settle();
    other.execute({"RPUSH", "jobs", "a"});
    clock.settle();
    CHECK(seen == std::vector<std::optional<Reply>>{std::nullopt, popped("jobs", "a")});
}

TEST_CASE("on a clock that nobody runs, whoever looks ends a wait whose time is over") {
    Server server{{.clock = &SystemClock::instance()}};
    Session waiting{server};
    Session other{server};
    CHECK(waiting.execute({"BLPOP", "jobs", "0.001"}) == Reply::null_array());
    const auto job = waiting.submit({"BLPOP", "jobs", "0.001"});
    CHECK(job.wait() == Reply::null_array());
    CHECK_THROWS_AS(server.advance(1s), Error);
}

TEST_CASE("on a clock that nobody runs, it is enough to look at what comes after a wait") {
    HandClock clock;
    Server server{{.clock = &clock}};
    Session waiting{server};
    (void)waiting.submit({"BLPOP", "jobs", "1"});
    const auto behind = waiting.submit({"PING"});
    CHECK_FALSE(behind.ready());
    CHECK(server.blocked_sessions() == 1);
    clock.move(1s);
    SECTION("at a reply") {
        CHECK(behind.try_get() == Reply::simple_string("PONG"));
    }
    SECTION("at the server") {
        CHECK(server.blocked_sessions() == 0);
    }
    SECTION("at what the session was sent") {
        CHECK(waiting.outputs().size() == 2);
    }
    SECTION("at a push") {
        (void)waiting.submit({"SUBSCRIBE", "news"});
        CHECK(waiting.next_push());
    }
    SECTION("by another command") {
        CHECK(waiting.execute({"PING"}) == Reply::simple_string("PONG"));
    }
}

TEST_CASE("a session that ends when somebody looks carries out nothing more") {
    HandClock clock;
    Server server{{.clock = &clock}};
    Session other{server};
    {
        Session ending{server};
        (void)ending.submit({"BLPOP", "jobs", "1"});
        (void)ending.submit({"QUIT"});
        clock.move(1s);
        SECTION("submitted") {
            const auto late = ending.submit({"SUBSCRIBE", "news"});
            CHECK(late.ready());
            CHECK_FALSE(late.try_get());
        }
        SECTION("executed") {
            CHECK_FALSE(ending.execute({"RPUSH", "jobs", "late"}));
        }
        CHECK(ending.is_closed());
    }
    CHECK(other.execute({"PUBLISH", "news", "to nobody"}) == Reply::integer(0));
    CHECK(other.execute({"EXISTS", "jobs"}) == Reply::integer(0));
}

TEST_CASE("on a clock that nobody runs, a thread waits for what comes after a wait") {
    Server server{{.clock = &SystemClock::instance()}};
    Session waiting{server};
    (void)waiting.submit({"BLPOP", "jobs", "0.001"});
    CHECK(waiting.execute({"PING"}) == Reply::simple_string("PONG"));
}

TEST_CASE("on a clock that nobody runs, waits end in the order of their times") {
    HandClock clock;
    Server server{{.clock = &clock}};
    Session later{server};
    Session sooner{server};
    (void)later.submit({"BLPOP", "jobs", "2"});
    (void)later.submit({"RPUSH", "order", "later"});
    (void)sooner.submit({"BLPOP", "jobs", "1"});
    (void)sooner.submit({"RPUSH", "order", "sooner"});
    clock.move(2s);
    Session asking{server};
    CHECK(asking.execute({"LRANGE", "order", "0", "-1"})->strings() ==
          std::vector<std::string>{"sooner", "later"});
}

TEST_CASE("on a clock that nobody runs, whoever looks at a read that claims has it claim") {
    HandClock clock;
    Server server{{.clock = &clock}};
    Session reading{server};
    Session other{server};
    other.execute({"XADD", "s", "1-0", "f", "v"});
    other.execute({"XGROUP", "CREATE", "s", "g", "0"});
    other.execute({"XREADGROUP", "GROUP", "g", "a", "STREAMS", "s", ">"});
    const auto read = reading.submit(
        {"XREADGROUP", "GROUP", "g", "b", "BLOCK", "0", "CLAIM", "2000", "STREAMS", "s", ">"});
    clock.move(1s);
    CHECK_FALSE(read.ready());
    clock.move(1s);
    CHECK(read.ready());
    CHECK(read.wait() ==
          Reply::array({Reply::array(
              {bulk("s"),
               Reply::array({Reply::array({bulk("1-0"), Reply::array({bulk("f"), bulk("v")}),
                                           Reply::integer(2'000), Reply::integer(1)})})})}));
}

TEST_CASE("on a clock that nobody runs, a key may expire while a reader of a group waits") {
    HandClock clock;
    Server server{{.clock = &clock}};
    Session reading{server};
    Session other{server};
    other.execute({"XGROUP", "CREATE", "s", "g", "0", "MKSTREAM"});
    const auto read =
        reading.submit({"XREADGROUP", "GROUP", "g", "a", "BLOCK", "0", "STREAMS", "s", ">"});
    other.execute({"EXPIRE", "s", "1"});
    CHECK_FALSE(read.ready());
    clock.move(1s);
    CHECK(read.ready());
    CHECK(read.try_get()->code() == "NOGROUP");
}

TEST_CASE("on a clock that a thread runs, a wait ends by itself") {
    const TimerThread timers;
    Server server{{.clock = &SystemClock::instance()}};
    Session waiting{server};
    const auto job = waiting.submit({"BLPOP", "jobs", "0.001"});
    const auto behind = waiting.submit({"PING"});
    CHECK(behind.wait() == Reply::simple_string("PONG"));
    CHECK(job.try_get() == Reply::null_array());
}

TEST_CASE("a server needs a database") {
    CHECK_THROWS_AS((Server{{.databases = 0}}), Error);
}

}  // namespace
}  // namespace runnel
