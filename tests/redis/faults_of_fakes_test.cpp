// SPDX-License-Identifier: MIT
//
// What other fakes of Redis have got wrong, each as its users have met it.
#include <runnel/clock.hpp>
#include <runnel/redis.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace runnel {
namespace {

using namespace std::chrono_literals;
using redis::Reply;
using redis::Server;
using redis::Session;

using Strings = std::vector<std::string>;

TEST_CASE("a client that goes away while it waits takes nothing: the next one gets the element") {
    Server server;
    Session other{server};
    {
        Session gone{server};
        gone.submit({"BLPOP", "jobs", "0"});
    }
    Session next{server};
    const auto job = next.submit({"BLPOP", "jobs", "0"});
    other.execute({"RPUSH", "jobs", "a", "b"});
    CHECK(job.try_get()->strings() == Strings{"jobs", "a"});
    CHECK(other.execute({"LRANGE", "jobs", "0", "-1"})->strings() == Strings{"b"});
}

TEST_CASE("a BRPOP that is cancelled blocks nobody behind it") {
    Server server;
    Session cancelled{server};
    Session next{server};
    Session other{server};
    const auto first = cancelled.submit({"BRPOP", "jobs", "0"});
    const auto second = next.submit({"BRPOP", "jobs", "0"});
    const std::string id = std::to_string(cancelled.id());
    CHECK(other.execute({"CLIENT", "UNBLOCK", id}) == Reply::integer(1));
    CHECK(first.try_get() == Reply::null_array());
    other.execute({"RPUSH", "jobs", "a"});
    CHECK(second.try_get()->strings() == Strings{"jobs", "a"});
    other.execute({"RPUSH", "jobs", "b"});
    CHECK(cancelled.execute({"BRPOP", "jobs", "0"})->strings() == Strings{"jobs", "b"});
}

TEST_CASE("blanks and zero bytes survive in any argument") {
    Server server;
    Session session{server};
    Session subscriber{server};
    const std::string odd{" \0\r\n\t \"'\\\xff ", 12};
    session.execute({"RPUSH", odd, odd});
    CHECK(session.execute({"BLPOP", odd, "0"})->strings() == Strings{odd, odd});
    session.execute({"XADD", odd, "1-0", odd, odd});
    session.execute({"XGROUP", "CREATE", odd, odd, "0"});
    const auto read =
        session.execute({"XREADGROUP", "GROUP", odd, odd, "STREAMS", odd, ">"}).value();
    CHECK(read[0][0].text() == odd);
    CHECK(read[0][1][0][1].strings() == Strings{odd, odd});
    CHECK(session.execute({"XPENDING", odd, odd})->elements()[3][0][0].text() == odd);
    subscriber.execute({"SUBSCRIBE", odd});
    session.execute({"PUBLISH", odd, odd});
    (void)subscriber.next_push();
    CHECK(subscriber.next_push()->strings() == Strings{"message", odd, odd});
    session.execute({"SET", odd, odd});
    CHECK(session.execute({"GET", odd}) == Reply::bulk_string(odd));
    CHECK(session.execute({"KEYS", "*"})->strings() == Strings{odd});
    CHECK(session.execute({"ECHO", odd}) == Reply::bulk_string(odd));
}

TEST_CASE("each stream of one XREADGROUP gets its entries") {
    Server server;
    Session session{server};
    for (const char* stream : {"one", "two", "three"}) {
        session.execute({"XGROUP", "CREATE", stream, "group", "$", "MKSTREAM"});
        session.execute({"XADD", stream, "1-0", "of", stream});
        session.execute({"XADD", stream, "2-0", "of", stream});
    }
    const auto read = session
                          .execute({"XREADGROUP", "GROUP", "group", "me", "COUNT", "10", "STREAMS",
                                    "one", "two", "three", ">", ">", ">"})
                          .value();
    REQUIRE(read.elements().size() == 3);
    for (const Reply& stream : read.elements()) {
        CHECK(stream[1].elements().size() == 2);
        for (const Reply& entry : stream[1].elements())
            CHECK(entry[1].strings()[1] == stream[0].text());
    }
    for (const char* stream : {"one", "two", "three"})
        CHECK(session.execute({"XPENDING", stream, "group"})->elements()[0] == Reply::integer(2));
}

TEST_CASE("XAUTOCLAIM in a loop ends, at 0-0") {
    Server server;
    Session session{server};
    session.execute({"XGROUP", "CREATE", "stream", "group", "$", "MKSTREAM"});
    for (int entry = 1; entry <= 25; ++entry)
        session.execute({"XADD", "stream", std::to_string(entry) + "-0", "f", "v"});
    session.execute({"XREADGROUP", "GROUP", "group", "dead", "STREAMS", "stream", ">"});
    std::string cursor = "0-0";
    std::size_t claimed = 0;
    int rounds = 0;
    do {
        const auto some =
            session.execute({"XAUTOCLAIM", "stream", "group", "me", "0", cursor, "COUNT", "10"})
                .value();
        cursor = some[0].text();
        claimed += some[1].elements().size();
        REQUIRE(++rounds <= 4);
    } while (cursor != "0-0");
    CHECK(claimed == 25);
    CHECK(rounds == 3);
}

TEST_CASE("XREAD from $ on a stream that is empty or missing waits for the first entry") {
    Server server;
    Session waiting{server};
    Session also{server};
    Session other{server};
    other.execute({"XGROUP", "CREATE", "empty", "group", "$", "MKSTREAM"});
    const auto first = waiting.submit({"XREAD", "BLOCK", "0", "STREAMS", "empty", "$"});
    const auto second = also.submit({"XREAD", "BLOCK", "0", "STREAMS", "missing", "$"});
    CHECK_FALSE(first.ready());
    CHECK_FALSE(second.ready());
    other.execute({"XADD", "empty", "0-1", "f", "v"});
    other.execute({"XADD", "missing", "*", "f", "v"});
    CHECK(first.try_get()->elements()[0][1][0][0].text() == "0-1");
    CHECK(second.try_get()->elements()[0][0].text() == "missing");
}

TEST_CASE("a watched key that expires makes EXEC fail") {
    Server server;
    Session session{server};
    session.execute({"SET", "lock", "mine", "PX", "100"});
    session.execute({"WATCH", "lock"});
    server.advance(100ms);
    session.execute({"MULTI"});
    session.execute({"SET", "lock", "mine again"});
    CHECK(session.execute({"EXEC"}) == Reply::null_array());
    CHECK(session.execute({"EXISTS", "lock"}) == Reply::integer(0));
}

TEST_CASE("a key that had expired before it was watched does not") {
    Server server;
    Session session{server};
    session.execute({"SET", "lock", "mine", "PX", "100"});
    server.advance(100ms);
    session.execute({"WATCH", "lock"});
    session.execute({"MULTI"});
    session.execute({"SET", "lock", "mine again"});
    CHECK(session.execute({"EXEC"}) == Reply::array({Reply::simple_string("OK")}));
}

TEST_CASE("an hour of BLPOP and five deliveries a minute apart park no thread") {
    Server server;
    Session waiting{server};
    Session session{server};
    const auto& clock = dynamic_cast<const ManualClock&>(server.clock());
    const auto job = waiting.submit({"BLPOP", "jobs", "3600"});
    session.execute({"XADD", "mails", "*", "to", "ann"});
    session.execute({"XGROUP", "CREATE", "mails", "mailers", "0"});
    session.execute({"XREADGROUP", "GROUP", "mailers", "me", "STREAMS", "mails", ">"});
    for (int delivery = 2; delivery <= 5; ++delivery) {
        const auto next = session.submit({"XREADGROUP", "GROUP", "mailers", "me", "BLOCK", "0",
                                          "CLAIM", "60000", "STREAMS", "mails", ">"});
        server.advance(59s + 999ms);
        CHECK_FALSE(next.ready());
        CHECK(clock.waiting() == 0);
        server.advance(1ms);
        REQUIRE(next.ready());
        CHECK(next.try_get()->elements()[0][1][0][3] == Reply::integer(delivery - 1));
    }
    CHECK(session.execute({"XPENDING", "mails", "mailers", "-", "+", "1"})->elements()[0][3] ==
          Reply::integer(5));
    CHECK(server.blocked_sessions() == 1);
    server.advance(56min);
    CHECK(job.try_get() == Reply::null_array());
    CHECK(clock.waiting() == 0);
}

}  // namespace
}  // namespace runnel
