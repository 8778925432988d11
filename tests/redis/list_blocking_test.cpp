// SPDX-License-Identifier: MIT
// Commands that wait at lists, beside more_transcripts/blocking_lists.txt: time, and clients that
// go.

#include <runnel/redis.hpp>

#include "support/catch.hpp"
#include "support/fake_replies.hpp"

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

using namespace std::chrono_literals;
using runnel::redis::Pending;
using runnel::redis::Reply;
using runnel::redis::Server;
using runnel::redis::Session;
using runnel::test::bulk;

namespace {

std::vector<Reply> bulks(std::initializer_list<const char*> texts) {
    std::vector<Reply> replies;
    for (const char* const text : texts) replies.push_back(bulk(text));
    return replies;
}

Reply strings(std::initializer_list<const char*> texts) {
    return Reply::array(bulks(texts));
}

// A client that writes, and others that wait.
struct WaitScene {
    Server server;
    Session writer{server};
    Session first{server};
    Session second{server};
};

}  // namespace

TEST_CASE_METHOD(WaitScene, "a wait of an hour takes an hour of the server's time",
                 "[redis][lists][blocking]") {
    const Pending job = first.submit({"BLPOP", "jobs", "3600"});
    server.advance(1h - 1ms);
    CHECK_FALSE(job.ready());
    server.advance(1ms);
    CHECK(job.try_get() == Reply::null_array());
    CHECK(server.blocked_sessions() == 0);
}

TEST_CASE_METHOD(WaitScene, "waits end in the order of their deadlines",
                 "[redis][lists][blocking]") {
    const Pending long_wait = first.submit({"BLPOP", "jobs", "10"});
    const Pending short_wait = second.submit({"BRPOP", "jobs", "0.5"});
    CHECK(server.blocked_sessions() == 2);
    server.advance(500ms);
    CHECK(short_wait.ready());
    CHECK_FALSE(long_wait.ready());
    server.advance(1h);
    CHECK(long_wait.try_get() == Reply::null_array());
}

TEST_CASE_METHOD(WaitScene, "a wait that was served does not time out any more",
                 "[redis][lists][blocking]") {
    const Pending job = first.submit({"BLPOP", "jobs", "10"});
    writer.execute({"RPUSH", "jobs", "a"});
    server.advance(1h);
    CHECK(job.try_get() == strings({"jobs", "a"}));
}

TEST_CASE_METHOD(WaitScene, "a wait keeps its deadline when it is looked at and not served",
                 "[redis][lists][blocking]") {
    const Pending pair =
        first.submit({"BLMOVEM", "s", "t", "LEFT", "RIGHT", "10", "EXACTLY", "2", "OBO"});
    server.advance(9s);
    writer.execute({"RPUSH", "s", "a"});
    server.advance(999ms);
    CHECK_FALSE(pair.ready());
    server.advance(1ms);
    CHECK(pair.try_get() == Reply::null_array());
    CHECK(writer.execute({"LRANGE", "s", "0", "-1"}) == strings({"a"}));
}

TEST_CASE_METHOD(WaitScene, "what is pushed after a client went away is there for the next one",
                 "[redis][lists][blocking]") {
    const Pending lost = first.submit({"BLPOP", "jobs", "0"});
    first.close();
    CHECK(server.blocked_sessions() == 0);
    writer.execute({"RPUSH", "jobs", "a"});
    CHECK(lost.ready());
    CHECK_FALSE(lost.try_get());
    CHECK(second.execute({"BLPOP", "jobs", "0"}) == strings({"jobs", "a"}));
}

TEST_CASE_METHOD(WaitScene, "a wait that was given up holds nobody up behind it",
                 "[redis][lists][blocking]") {
    auto impatient = std::make_unique<Session>(server);
    (void)impatient->submit({"BRPOP", "jobs", "0"});
    const Pending job = second.submit({"BRPOP", "jobs", "0"});
    impatient.reset();
    writer.execute({"RPUSH", "jobs", "a", "b"});
    CHECK(job.try_get() == strings({"jobs", "b"}));
    CHECK(writer.execute({"LRANGE", "jobs", "0", "-1"}) == strings({"a"}));
}

TEST_CASE_METHOD(WaitScene, "a client that goes away in the middle of a chain of moves breaks it",
                 "[redis][lists][blocking]") {
    const Pending moved = first.submit({"BLMOVE", "a", "b", "LEFT", "RIGHT", "0"});
    (void)second.submit({"BLMOVE", "b", "c", "LEFT", "RIGHT", "0"});
    second.close();
    writer.execute({"RPUSH", "a", "x"});
    CHECK(moved.try_get() == bulk("x"));
    CHECK(writer.execute({"LRANGE", "b", "0", "-1"}) == strings({"x"}));
    CHECK(writer.execute({"LLEN", "c"}) == Reply::integer(0));
}

TEST_CASE_METHOD(WaitScene, "what a client sends while it waits goes with it",
                 "[redis][lists][blocking]") {
    (void)first.submit({"BLPOP", "jobs", "0"});
    const Pending behind = first.submit({"RPUSH", "other", "x"});
    first.close();
    writer.execute({"RPUSH", "jobs", "a"});
    CHECK(behind.ready());
    CHECK_FALSE(behind.try_get());
    CHECK(writer.execute({"LLEN", "other"}) == Reply::integer(0));
}

TEST_CASE_METHOD(WaitScene, "a wait that is not parked any more takes nothing from its lists",
                 "[redis][lists][blocking]") {
    const Pending job = first.submit({"BLPOP", "jobs", "more", "0"});
    writer.execute({"RPUSH", "jobs", "a"});
    writer.execute({"RPUSH", "more", "b"});
    CHECK(job.try_get() == strings({"jobs", "a"}));
    CHECK(writer.execute({"LRANGE", "more", "0", "-1"}) == strings({"b"}));
}

TEST_CASE_METHOD(WaitScene, "a thousand waits are served in their order",
                 "[redis][lists][blocking]") {
    std::vector<std::unique_ptr<Session>> sessions;
    std::vector<Pending> waits;
    for (int count = 0; count != 1'000; ++count) {
        sessions.push_back(std::make_unique<Session>(server));
        waits.push_back(sessions.back()->submit({"BLPOP", "jobs", "0"}));
    }
    std::vector<std::string> push{"RPUSH", "jobs"};
    for (int number = 0; number != 999; ++number) push.push_back(std::to_string(number));
    writer.execute(push);
    for (std::size_t number = 0; number != 999; ++number)
        REQUIRE(waits[number].try_get() == strings({"jobs", push[number + 2].c_str()}));
    CHECK_FALSE(waits.back().ready());
    CHECK(server.blocked_sessions() == 1);
}
