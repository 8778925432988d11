// SPDX-License-Identifier: MIT
// Commands on groups, beside more_transcripts/groups.txt and pending.txt: what time and many
// entries do.

#include <runnel/clock.hpp>
#include <runnel/redis.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;
using runnel::redis::Reply;

namespace {

struct GroupCommandScene {
    explicit GroupCommandScene(const runnel::redis::ServerOptions& options = {}) : server{options} {
        for (const char* const id : {"1-0", "2-0", "3-0"}) send({"XADD", "s", id, "f", "v"});
        send({"XGROUP", "CREATE", "s", "g", "0"});
    }

    Reply send(std::initializer_list<std::string_view> words) {
        return session.execute(words).value();
    }
    Reply read(std::string_view consumer, std::string_view id = ">") {
        return send({"XREADGROUP", "GROUP", "g", consumer, "STREAMS", "s", id});
    }

    // What XINFO CONSUMERS says of a consumer.
    struct Times {
        std::int64_t idle;
        std::int64_t inactive;

        friend bool operator==(const Times&, const Times&) = default;
    };
    Times times_of(std::string_view name) {
        const Reply all = send({"XINFO", "CONSUMERS", "s", "g"});
        for (const Reply& one : all.elements())
            if (one.find("name")->text() == name)
                return {one.find("idle")->integer(), one.find("inactive")->integer()};
        return {-2, -2};  // there is none
    }

    runnel::redis::Server server;
    runnel::redis::Session session{server};
};

constexpr std::int64_t never_active = -1;
using Times = GroupCommandScene::Times;

}  // namespace

TEST_CASE("a new consumer was seen when it was made, and was never active", "[redis][groups]") {
    GroupCommandScene scene;
    scene.send({"XGROUP", "CREATECONSUMER", "s", "g", "c"});
    scene.server.advance(10ms);
    CHECK(scene.times_of("c") == Times{10, never_active});
    SECTION("and to make it once more changes nothing") {
        scene.send({"XGROUP", "CREATECONSUMER", "s", "g", "c"});
        CHECK(scene.times_of("c") == Times{10, never_active});
    }
}

TEST_CASE("a consumer is seen when it reads, and active when it gets what it is to acknowledge",
          "[redis][groups]") {
    GroupCommandScene scene;
    scene.read("c");
    scene.server.advance(10ms);
    CHECK(scene.times_of("c") == Times{10, 10});
    SECTION("not when it gets nothing") {
        CHECK(scene.read("c") == Reply::null_array());
        CHECK(scene.times_of("c") == Times{0, 10});
    }
    SECTION("not when it reads its history") {
        CHECK(scene.read("c", "0")[0][1].elements().size() == 3);
        CHECK(scene.times_of("c") == Times{0, 10});
    }
    SECTION("not when it acknowledges as it reads") {
        scene.send({"XADD", "s", "4-0", "f", "v"});
        scene.send({"XREADGROUP", "GROUP", "g", "c", "NOACK", "STREAMS", "s", ">"});
        CHECK(scene.times_of("c") == Times{0, 10});
    }
    SECTION("also when it claims as it reads") {
        scene.send({"XREADGROUP", "GROUP", "g", "c", "NOACK", "CLAIM", "10", "STREAMS", "s", ">"});
        CHECK(scene.times_of("c") == Times{0, 0});
    }
    SECTION("not when the read is refused") {
        CHECK(scene.read("c", "$").is_error());
        CHECK(scene.times_of("c") == Times{10, 10});
    }
}

TEST_CASE("a consumer is seen when it claims, and active when it gets something",
          "[redis][groups]") {
    GroupCommandScene scene;
    scene.read("a");
    scene.read("c");
    scene.server.advance(10ms);
    SECTION("XCLAIM of what is not idle for long enough") {
        CHECK(scene.send({"XCLAIM", "s", "g", "c", "11", "1-0"}) == Reply::array({}));
        CHECK(scene.times_of("c") == Times{0, never_active});
    }
    SECTION("XCLAIM") {
        scene.send({"XCLAIM", "s", "g", "c", "10", "1-0", "JUSTID", "IDLE", "1000"});
        CHECK(scene.times_of("c") == Times{0, 0});
    }
    SECTION("XAUTOCLAIM of what is not idle for long enough") {
        scene.send({"XAUTOCLAIM", "s", "g", "c", "11", "0"});
        CHECK(scene.times_of("c") == Times{0, never_active});
    }
    SECTION("XAUTOCLAIM") {
        scene.send({"XAUTOCLAIM", "s", "g", "c", "10", "0", "JUSTID"});
        CHECK(scene.times_of("c") == Times{0, 0});
    }
    CHECK(scene.times_of("a") == Times{10, 10});
}

TEST_CASE("what is done with pending entries otherwise is no call of a consumer",
          "[redis][groups]") {
    GroupCommandScene scene;
    scene.read("c");
    scene.server.advance(10ms);
    scene.send({"XACK", "s", "g", "1-0"});
    scene.send({"XNACK", "s", "g", "FAIL", "IDS", "1", "2-0"});
    scene.send({"XPENDING", "s", "g", "-", "+", "10", "c"});
    scene.send({"XINFO", "STREAM", "s", "FULL"});
    CHECK(scene.times_of("c") == Times{10, 10});
}

TEST_CASE("a job that fails five times is tried again after a minute each time",
          "[redis][groups]") {
    GroupCommandScene scene;
    CHECK(scene.read("worker").elements().size() == 1);
    scene.send({"XACK", "s", "g", "2-0", "3-0"});
    for (std::int64_t attempt = 2; attempt <= 5; ++attempt) {
        const std::initializer_list<std::string_view> claim{"XAUTOCLAIM", "s", "g",     "worker",
                                                            "60000",      "0", "COUNT", "1"};
        scene.server.advance(60s - 1ms);
        CHECK(scene.send(claim)[1].elements().empty());
        scene.server.advance(1ms);
        CHECK(scene.send(claim)[1][0][0] == Reply::bulk_string("1-0"));
        const Reply entry = scene.send({"XPENDING", "s", "g", "1", "1", "1"})[0];
        CHECK(entry[2] == Reply::integer(0));
        CHECK(entry[3] == Reply::integer(attempt));
    }
}

TEST_CASE("an automatic claim that is gone on with gets each entry once, and ends at 0-0",
          "[redis][groups]") {
    GroupCommandScene scene;
    for (int number = 1; number <= 250; ++number)
        scene.send({"XADD", "s", std::to_string(10 + number), "f", "v"});
    scene.read("a");
    std::string start = "0";
    std::size_t count = 0;
    std::size_t calls = 0;
    do {
        const Reply reply = scene.send({"XAUTOCLAIM", "s", "g", "b", "0", start, "JUSTID"});
        start = reply[0].text();
        count += reply[1].elements().size();
        ++calls;
    } while (start != "0-0" && calls != 10);
    CHECK(count == 253);
    CHECK(calls == 3);
}

TEST_CASE("an idle time is not negative when the clock was set back", "[redis][groups]") {
    runnel::ManualClock clock;
    GroupCommandScene scene{{.clock = &clock}};
    scene.read("c");
    clock.step_wall(-1h);
    CHECK(scene.send({"XPENDING", "s", "g", "1", "1", "1"})[0][2] == Reply::integer(0));
    CHECK(scene.times_of("c").idle >= 0);
    CHECK(scene.send({"XCLAIM", "s", "g", "d", "1", "1-0", "JUSTID"}) == Reply::array({}));
    CHECK(scene.send({"XCLAIM", "s", "g", "d", "0", "1-0", "JUSTID"}).strings() ==
          std::vector<std::string>{"1-0"});
}

TEST_CASE("names of groups and consumers have any bytes, of which errors show those before a zero",
          "[redis][groups]") {
    GroupCommandScene scene;
    const std::string name{"a\0b\r\n", 5};
    CHECK(scene.send({"XGROUP", "CREATE", "s", name, "0"}) == Reply::simple_string("OK"));
    scene.send({"XREADGROUP", "GROUP", name, name, "STREAMS", "s", ">"});
    const Reply summary = scene.send({"XPENDING", "s", name});
    CHECK(summary[3][0] == Reply::array({Reply::bulk_string(name), Reply::bulk_string("3")}));
    const std::string other{"b\0c", 3};
    CHECK(scene.send({"XPENDING", "s", other}) ==
          Reply::error("NOGROUP No such key 's' or consumer group 'b'"));
}

TEST_CASE("what was delivered long ago is claimed by time before what was delivered lately",
          "[redis][groups]") {
    GroupCommandScene scene;
    for (const char* const consumer : {"a", "b", "c"}) {
        scene.send({"XREADGROUP", "GROUP", "g", consumer, "COUNT", "1", "STREAMS", "s", ">"});
        scene.server.advance(10ms);
    }
    scene.read("a", "0");  // which delivers 1-0 once more
    const Reply claimed =
        scene.send({"XREADGROUP", "GROUP", "g", "d", "CLAIM", "0", "STREAMS", "s", ">"})[0][1];
    REQUIRE(claimed.elements().size() == 3);
    CHECK(claimed[0][0] == Reply::bulk_string("2-0"));
    CHECK(claimed[1][0] == Reply::bulk_string("3-0"));
    CHECK(claimed[2][0] == Reply::bulk_string("1-0"));
    CHECK(claimed[0][2] == Reply::integer(20));
    CHECK(claimed[2][3] == Reply::integer(2));
}
