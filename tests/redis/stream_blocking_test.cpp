// SPDX-License-Identifier: MIT
// Reads of streams that wait, beside more_transcripts/group_reads.txt: what time does, and clients
// that go away.

#include <runnel/redis.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;
using runnel::redis::Pending;
using runnel::redis::Reply;

namespace {

struct BlockingScene {
    BlockingScene() { send({"XGROUP", "CREATE", "s", "g", "$", "MKSTREAM"}); }

    Reply send(std::initializer_list<std::string_view> words) {
        return session.execute(words).value();
    }
    void add(std::string_view id, std::string_view key = "s") { send({"XADD", key, id, "f", "v"}); }
    std::int64_t idle_of_first_consumer() {
        return send({"XINFO", "CONSUMERS", "s", "g"})[0].find("idle")->integer();
    }
    static Reply entries(std::string_view key, std::initializer_list<std::string_view> ids) {
        std::vector<Reply> all;
        for (const std::string_view id : ids)
            all.push_back(
                Reply::array({Reply::bulk_string(std::string{id}),
                              Reply::array({Reply::bulk_string("f"), Reply::bulk_string("v")})}));
        return Reply::array({Reply::bulk_string(std::string{key}), Reply::array(all)});
    }

    runnel::redis::Server server;
    runnel::redis::Session session{server};
    runnel::redis::Session reader{server};
};

const std::vector<std::string> reads_for_ever{"XREADGROUP", "GROUP",   "g", "c", "BLOCK",
                                              "0",          "STREAMS", "s", ">"};

}  // namespace

TEST_CASE("a read waits as long as it is told to, and not a millisecond longer",
          "[redis][streams][blocking]") {
    BlockingScene scene;
    const bool is_of_group = GENERATE(false, true);
    const Pending read =
        is_of_group ? scene.reader.submit({"XREADGROUP", "GROUP", "g", "c", "BLOCK", "3600000",
                                           "STREAMS", "s", ">"})
                    : scene.reader.submit({"XREAD", "BLOCK", "3600000", "STREAMS", "s", "$"});
    scene.server.advance(1h - 1ms);
    CHECK_FALSE(read.ready());
    scene.server.advance(1ms);
    CHECK(read.try_get() == Reply::null_array());
    CHECK(scene.server.blocked_sessions() == 0);
}

TEST_CASE("a read that is carried out again keeps its time", "[redis][streams][blocking]") {
    BlockingScene scene;
    runnel::redis::Session other{scene.server};
    const Pending taker = other.submit(reads_for_ever);
    const Pending read =
        scene.reader.submit({"XREADGROUP", "GROUP", "g", "d", "BLOCK", "100", "STREAMS", "s", ">"});
    scene.server.advance(60ms);
    scene.add("1-0");  // for the one that came first
    CHECK(taker.ready());
    CHECK_FALSE(read.ready());
    scene.server.advance(40ms);
    CHECK(read.try_get() == Reply::null_array());
}

TEST_CASE("a consumer that waits was seen when it was last looked for something",
          "[redis][streams][blocking]") {
    BlockingScene scene;
    const Pending read = scene.reader.submit(reads_for_ever);
    scene.server.advance(50ms);
    CHECK(scene.idle_of_first_consumer() == 50);
    // An entry that is gone before anyone looks.
    scene.send({"XADD", "s", "MAXLEN", "0", "1-0", "f", "v"});
    CHECK_FALSE(read.ready());
    CHECK(scene.idle_of_first_consumer() == 0);
}

TEST_CASE("an entry is there for the next one if a consumer has gone that waited for it",
          "[redis][streams][blocking]") {
    BlockingScene scene;
    std::optional<runnel::redis::Session> gone{scene.server};
    const Pending lost = gone->submit(reads_for_ever);
    const Pending read = scene.reader.submit(reads_for_ever);
    gone.reset();
    CHECK(lost.ready());
    CHECK_FALSE(lost.try_get());
    scene.add("1-0");
    CHECK(read.try_get() == Reply::array({BlockingScene::entries("s", {"1-0"})}));
}

TEST_CASE("XREAD $ of a stream that does not exist gets its first entry",
          "[redis][streams][blocking]") {
    BlockingScene scene;
    const Pending read =
        scene.reader.submit({"XREAD", "BLOCK", "0", "STREAMS", "new", "empty", "$", "$"});
    scene.send({"XGROUP", "CREATE", "empty", "g", "$", "MKSTREAM"});
    CHECK_FALSE(read.ready());
    scene.add("0-1", "new");
    CHECK(read.try_get() == Reply::array({BlockingScene::entries("new", {"0-1"})}));
}

TEST_CASE("commands behind a read that waits are carried out when it has ended",
          "[redis][streams][blocking]") {
    BlockingScene scene;
    const Pending read = scene.reader.submit(reads_for_ever);
    const Pending acknowledged = scene.reader.submit({"XACK", "s", "g", "1-0"});
    CHECK_FALSE(acknowledged.ready());
    scene.add("1-0");
    CHECK(read.ready());
    CHECK(acknowledged.try_get() == Reply::integer(1));
}

TEST_CASE("a group that goes ends the reads that wait in it, also those for other streams",
          "[redis][streams][blocking]") {
    BlockingScene scene;
    scene.send({"XGROUP", "CREATE", "t", "g", "$", "MKSTREAM"});
    const Pending read = scene.reader.submit(
        {"XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "STREAMS", "s", "t", ">", ">"});
    SECTION("XGROUP DESTROY") {
        scene.send({"XGROUP", "DESTROY", "t", "g"});
    }
    SECTION("DEL") {
        scene.send({"DEL", "t"});
    }
    SECTION("expiry") {
        scene.send({"PEXPIRE", "t", "100"});
        scene.server.advance(99ms);
        CHECK_FALSE(read.ready());
        scene.server.advance(1ms);
    }
    CHECK(read.try_get() == Reply::error("NOGROUP No such key 't' or consumer group 'g' in "
                                         "XREADGROUP with GROUP option"));
}

TEST_CASE("a read that waits to claim ends when the first of several streams has what it wants",
          "[redis][streams][blocking]") {
    BlockingScene scene;
    scene.send({"XGROUP", "CREATE", "t", "g", "$", "MKSTREAM"});
    for (const char* const key : {"s", "t"}) {
        scene.add("1-0", key);
        scene.send({"XREADGROUP", "GROUP", "g", "other", "STREAMS", key, ">"});
        scene.server.advance(30ms);
    }
    const Pending read = scene.reader.submit({"XREADGROUP", "GROUP", "g", "c", "BLOCK", "1000",
                                              "CLAIM", "100", "STREAMS", "t", "s", ">", ">"});
    scene.server.advance(39ms);
    CHECK_FALSE(read.ready());
    scene.server.advance(1ms);
    REQUIRE(read.ready());
    CHECK(read.try_get()->elements().size() == 1);
    CHECK(read.try_get().value()[0][0] == Reply::bulk_string("s"));
}

TEST_CASE("a read that waits to claim begins to wait anew when another one was faster",
          "[redis][streams][blocking]") {
    BlockingScene scene;
    scene.add("1-0");
    scene.send({"XREADGROUP", "GROUP", "g", "other", "STREAMS", "s", ">"});
    const Pending read = scene.reader.submit(
        {"XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "CLAIM", "100", "STREAMS", "s", ">"});
    scene.server.advance(50ms);
    scene.send({"XCLAIM", "s", "g", "other", "0", "1-0"});
    scene.server.advance(99ms);
    CHECK_FALSE(read.ready());
    scene.server.advance(1ms);
    REQUIRE(read.ready());
    CHECK(read.try_get().value()[0][1][0][3] == Reply::integer(2));
}

TEST_CASE("a read that waits to claim the least idle entry ends when there is one",
          "[redis][streams][blocking]") {
    BlockingScene scene;
    const Pending read = scene.reader.submit(
        {"XREADGROUP", "GROUP", "g", "c", "BLOCK", "0", "CLAIM", "0", "STREAMS", "s", ">"});
    scene.server.advance(1s);
    CHECK_FALSE(read.ready());
    scene.send({"MULTI"});
    scene.send({"XADD", "s", "1-0", "f", "v"});
    scene.send({"XREADGROUP", "GROUP", "g", "other", "STREAMS", "s", ">"});
    scene.send({"EXEC"});
    REQUIRE(read.ready());
    CHECK(read.try_get().value()[0][1][0][3] == Reply::integer(1));
}
