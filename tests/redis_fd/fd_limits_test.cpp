// SPDX-License-Identifier: MIT
// How much a client can take of the fake at the other end of its descriptor.

#include <runnel/redis.hpp>
#include <runnel/redis/serve_fd.hpp>

#include "support/catch.hpp"
#include "support/raw_client.hpp"

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

using namespace runnel::redis;
using namespace std::chrono_literals;
using runnel::test::RawClient;

namespace {

struct Limited {
    explicit Limited(const FdServerOptions& options) : clients{server, options} {}

    [[nodiscard]] std::string value(std::string_view key) {
        Session session{server};
        const auto reply = session.execute({"GET", key});
        return reply && !reply->is_null() ? reply->text() : std::string{};
    }

    Server server{};
    FdServer clients;
    RawClient one{clients.connect()};
    RawClient other{clients.connect()};
};

// The system gives no descriptors while it lives.
class NoDescriptors {
public:
    NoDescriptors() {
        getrlimit(RLIMIT_NOFILE, &before_);
        const rlimit none{0, before_.rlim_max};
        setrlimit(RLIMIT_NOFILE, &none);
    }
    NoDescriptors(const NoDescriptors&) = delete;
    NoDescriptors& operator=(const NoDescriptors&) = delete;
    ~NoDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

}  // namespace

TEST_CASE("commands of a client that leaves its replies unread wait until it reads on",
          "[redis][fd]") {
    const auto most = GENERATE(as<std::size_t>{}, 1, 1000, 100'000, 1'000'000);
    Limited scene{{.most_output = most}};
    const std::string large(10'000, 'x');
    scene.other.ask({"SET", "large", large});
    constexpr int count = 1000;
    std::string commands;
    for (int number = 0; number != count; ++number) commands.append("INCR n\r\nGET large\r\n");
    scene.one.send(commands);
    scene.clients.settle();

    // What the socket holds, the limit, and one reply more.
    const int carried_out = std::stoi(scene.value("n"));
    CHECK(carried_out < count);
    CHECK(static_cast<std::size_t>(carried_out) * large.size() < most + 2'000'000);
    CHECK(scene.other.ask({"PING"}) == Reply::simple_string("PONG"));

    bool is_in_order = true;
    for (int number = 1; number <= count; ++number) {
        is_in_order &= scene.one.take() == Reply::integer(number);
        is_in_order &= scene.one.take() == Reply::bulk_string(large);
    }
    CHECK(is_in_order);
    CHECK(scene.value("n") == std::to_string(count));
}

TEST_CASE("a client that leaves its replies unread, and sends no more, gets all of them",
          "[redis][fd]") {
    Limited scene{{.most_output = 1000}};
    const std::string large(300'000, 'x');
    scene.other.ask({"SET", "large", large});
    scene.one.send("GET large\r\nGET large\r\nGET large\r\nPING\r\n");
    scene.one.shut_down_sending();
    scene.clients.settle();
    for (int number = 0; number != 3; ++number)
        CHECK((scene.one.take() == Reply::bulk_string(large)));
    CHECK(scene.one.take() == Reply::simple_string("PONG"));
    CHECK(scene.one.ends());
}

TEST_CASE("a client that goes without reading its replies is forgotten, and its commands are "
          "carried out",
          "[redis][fd]") {
    Limited scene{{.most_output = 1000}};
    scene.other.ask({"SET", "large", std::string(1'000'000, 'x')});
    scene.one.send("GET large\r\nGET large\r\nINCR n\r\nBLPOP q 0\r\nINCR n\r\n");
    scene.clients.settle();
    CHECK(scene.clients.connections() == 2);
    CHECK(scene.value("n").empty());
    scene.one.close();
    scene.clients.settle();
    CHECK(scene.clients.connections() == 1);
    CHECK(scene.value("n") == "1");
}

TEST_CASE("a client whose commands take too much while they wait is disconnected", "[redis][fd]") {
    const bool waits = GENERATE(true, false);
    Limited scene{{.most_input = 1'000'000}};
    // Behind a command that waits, or one that never comes to its end.
    scene.one.send(waits ? "BLPOP q 0\r\n" : "*2\r\n$3\r\nGET\r\n$100000000\r\n");
    const std::string command = waits ? "INCR n\r\n" : "12345678";
    std::string commands;
    while (commands.size() < 900'000) commands.append(command);
    CHECK(scene.one.send(commands));
    scene.clients.settle();
    CHECK(scene.clients.connections() == 2);
    for (int times = 0; times != 10 && scene.one.send(commands); ++times) continue;
    scene.clients.settle();
    CHECK(scene.clients.connections() == 1);
    CHECK(scene.server.blocked_sessions() == 0);
    CHECK(scene.value("n").empty());
}

TEST_CASE("many words without a text count for what they take", "[redis][fd]") {
    Limited scene{{.most_input = 1'000'000}};
    scene.one.send("*1000000\r\n");
    std::string words;
    for (int number = 0; number != 1000; ++number) words.append("$0\r\n\r\n");
    std::size_t sent = 0;
    while (sent != 500'000 && scene.one.send(words)) sent += 1000;
    CHECK(sent < 100'000);
    scene.clients.settle();
    CHECK(scene.clients.connections() == 1);
}

TEST_CASE("a subscriber that reads is not disconnected, however much it gets", "[redis][fd]") {
    Server server{{.pubsub_limit = {.hard = 500'000, .soft = 100'000, .soft_time = 10s}}};
    FdServer clients{server};
    RawClient listener{clients.connect()};
    Session speaker{server};
    listener.ask({"SUBSCRIBE", "news"});
    const std::string message(50'000, 'x');
    bool is_heard = true;
    for (int number = 0; number != 200; ++number) {
        is_heard &= speaker.execute({"PUBLISH", "news", message}) == Reply::integer(1);
        is_heard &= listener.take().has_value();
        server.advance(1s);
    }
    CHECK(is_heard);
}

TEST_CASE("what a subscriber has left unread for long counts, though it was fetched to be written",
          "[redis][fd]") {
    Server server{{.pubsub_limit = {.hard = 0, .soft = 100'000, .soft_time = 10s}}};
    FdServer clients{server};
    RawClient listener{clients.connect()};
    Session speaker{server};
    listener.ask({"SUBSCRIBE", "news"});
    // More than the socket holds.
    const std::string message(1'000'000, 'x');
    const auto publish = [&](std::string_view text) {
        const auto heard = speaker.execute({"PUBLISH", "news", text});
        clients.settle();
        return heard;
    };
    CHECK(publish(message) == Reply::integer(1));
    CHECK(publish("short") == Reply::integer(1));
    server.advance(9s);
    CHECK(publish("short") == Reply::integer(1));
    server.advance(2s);
    CHECK(publish("short") == Reply::integer(1));  // and closes it
    CHECK(publish("short") == Reply::integer(0));
    CHECK(clients.connections() == 0);
}

TEST_CASE("where the system gives no descriptors, clients wait until it does", "[redis][fd]") {
    Server server;
    FdServer clients{server};
    const std::string path = clients.listen();
    // A sanitizer takes a descriptor when it sees an object of a type for the first time.
    RawClient{RawClient::connected_to(path)}.ask({"PING"});
    CHECK_THROWS_AS(clients.listen(path), runnel::Error);
    clients.settle();
    const int made = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    RawClient client{made};
    {
        const NoDescriptors none;
        CHECK_THROWS_AS(clients.connect(), runnel::Error);
        CHECK_THROWS_AS(FdServer{server}, runnel::Error);
        CHECK_THROWS_AS(clients.listen(), runnel::Error);
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        path.copy(static_cast<char*>(address.sun_path), path.size());
        REQUIRE(connect(made, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
        client.send({"PING"});
        clients.settle();
        CHECK(clients.connections() == 0);
    }
    CHECK(client.take() == Reply::simple_string("PONG"));
    CHECK(clients.connections() == 1);
}
