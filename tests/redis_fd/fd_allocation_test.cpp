// SPDX-License-Identifier: MIT
// Memory that runs out where clients talk to a descriptor: in a thread that serves them, or sends
// something to them.

#include <runnel/redis.hpp>
#include <runnel/redis/serve_fd.hpp>

#include "support/catch.hpp"
#include "support/raw_client.hpp"
#include "support/short_memory.hpp"

#include <cstddef>
#include <filesystem>
#include <initializer_list>
#include <iterator>
#include <new>
#include <optional>
#include <string>
#include <string_view>

using namespace runnel::redis;
using runnel::test::at_every_request;
using runnel::test::MemoryRunsOut;
using runnel::test::RawClient;
using runnel::test::Shortage;

namespace {

std::ptrdiff_t open_descriptors() {
    const std::filesystem::directory_iterator files{"/proc/self/fd"};
    return std::distance(begin(files), end(files));
}

// Whether there was memory for it.
template <typename Call>
bool does_with(long granted, Shortage shortage, const Call& call) {
    try {
        const MemoryRunsOut memory{granted, shortage};
        call();
        return true;
    } catch (const std::bad_alloc&) {
        return false;
    }
}

struct ShortScene {
    Server server{};
    FdServer clients{server};
    RawClient one{clients.connect()};
    Session sender{server};
};

}  // namespace

TEST_CASE("an FdServer that finds no memory leaves nothing behind", "[redis][fd][allocation]") {
    Server server;
    const auto before = open_descriptors();
    at_every_request([&](long granted, Shortage shortage) {
        std::optional<FdServer> clients;
        does_with(granted, shortage, [&] { clients.emplace(server); });
        clients.reset();
        CHECK(open_descriptors() == before);
    });
}

TEST_CASE("a client or a path for which there is no memory is refused", "[redis][fd][allocation]") {
    ShortScene scene;
    const auto before = open_descriptors();
    at_every_request([&](long granted, Shortage shortage) {
        int connected = -1;
        if (does_with(granted, shortage, [&] { connected = scene.clients.connect(); })) {
            RawClient other{connected};
            CHECK(other.ask({"PING"}) == Reply::simple_string("PONG"));
        }
        scene.clients.settle();
        CHECK(scene.clients.connections() == 1);
        CHECK(open_descriptors() == before);
    });
    at_every_request([&](long granted, Shortage shortage) {
        FdServer others{scene.server};
        const auto without = open_descriptors();
        std::string path;
        const bool listens = does_with(granted, shortage, [&] { path = others.listen(); });
        CHECK(open_descriptors() == without + (listens ? 1 : 0));
    });
}

TEST_CASE("a message for which there is no memory reaches no client", "[redis][fd][allocation]") {
    ShortScene scene;
    scene.one.ask({"SUBSCRIBE", "news"});
    at_every_request([&](long granted, Shortage shortage) {
        const bool is_sent = does_with(granted, shortage, [&] {
            scene.sender.execute({"PUBLISH", "news", "a text that is too long for no memory"});
        });
        scene.clients.settle();
        CHECK(scene.one.arrived().has_value() == is_sent);
        CHECK(scene.one.hears_nothing());
    });
}

TEST_CASE("a client that waits gets what it waits for, an error, or waits on",
          "[redis][fd][allocation]") {
    std::size_t served = 0;
    std::size_t refused = 0;
    std::size_t waited_on = 0;
    at_every_request([&](long granted, Shortage shortage) {
        ShortScene scene;
        scene.one.send({"BLPOP", "jobs", "0"});
        scene.clients.settle();
        const std::string job = "a job that is too long for no memory";
        const bool is_pushed = does_with(granted, shortage, [&] {
            scene.sender.execute({"RPUSH", "jobs", job});
        });
        scene.clients.settle();
        const bool is_left = scene.sender.execute({"LLEN", "jobs"}) == Reply::integer(1);
        const auto reply = scene.one.arrived();
        if (reply && !reply->is_error()) {
            CHECK(is_pushed);
            CHECK_FALSE(is_left);
            CHECK((*reply)[1].text() == job);
            ++served;
        } else if (reply) {
            CHECK(reply == Reply::error("OOM no memory"));
            CHECK(is_left);
            ++refused;
        } else {
            CHECK_FALSE(is_pushed);
            CHECK_FALSE(is_left);
            CHECK(scene.server.blocked_sessions() == 1);
            ++waited_on;
            scene.one.send({"PING"});
            scene.sender.execute({"RPUSH", "jobs", job});
            CHECK((*scene.one.take())[1].text() == job);
        }
        CHECK(scene.one.ask({"PING"}) == Reply::simple_string("PONG"));
    });
    CHECK(served > 0);
    CHECK(refused > 0);
    CHECK(waited_on > 0);
}
