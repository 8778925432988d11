// SPDX-License-Identifier: MIT
// Many threads, with clients that come and go at any moment: no job is lost.

#include <runnel/clock.hpp>
#include <runnel/redis.hpp>
#include <runnel/redis/serve_fd.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/raw_client.hpp"
#include "support/scale.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <iostream>
#include <optional>
#include <random>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

using namespace runnel::redis;
using runnel::test::RawClient;

namespace {

// A connection that is dropped now and then, in the middle of whatever it does.
class Flighty {
public:
    Flighty(FdServer& to, std::string path, std::uint64_t seed)
        : to_{to}, path_{std::move(path)}, random_{seed} {}

    // Nothing: the connection was dropped, or this has dropped it.
    std::optional<Reply> ask(std::initializer_list<std::string_view> words) {
        if (!client_) connect();
        client_->send(words);
        std::optional<Reply> reply;
        if (random_() % 16 != 0) reply = client_->take();
        if (!reply) client_.reset();
        return reply;
    }
    std::uint64_t draw() { return random_(); }

private:
    void connect() {
        if (random_() % 2 == 0)
            client_.emplace(to_.connect());
        else
            client_.emplace(RawClient::connected_to(path_));
    }

    FdServer& to_;
    const std::string path_;
    std::mt19937_64 random_;
    std::optional<RawClient> client_{};
};

struct Shop {
    Shop() {
        faults.push_back(server.faults().on("BLMOVE").chance(0.02, 1).lose_reply());
        faults.push_back(server.faults().on("LREM").chance(0.02, 2).drop());
        server.intercept(
            {.after = [this](const SentCommand& sent, const std::optional<Reply>& reply) {
                if (!reply || reply->kind() != Reply::Kind::integer) return;
                if (sent.words[0] == "RPUSH") ++pushed;
                if (sent.words[0] == "LREM") removed += static_cast<std::size_t>(reply->integer());
            }});
    }

    runnel::SystemClock clock{};
    Server server{{.clock = &clock}};
    FdServer clients{server};
    const std::string path = clients.listen();
    std::vector<Fault> faults{};
    std::atomic<bool> is_closing = false;
    // As the server knows it: clients do not hear all replies.
    std::atomic<std::size_t> pushed = 0;
    std::atomic<std::size_t> removed = 0;
};

// Each job has a name of its own. Returns how many were certainly pushed.
std::size_t push_jobs(Shop& shop, std::size_t count, std::uint64_t seed) {
    Flighty client{shop.clients, shop.path, seed};
    std::size_t heard = 0;
    for (std::size_t number = 0; number != count; ++number) {
        const std::string job = std::to_string(seed) + ':' + std::to_string(number);
        if (client.ask({"RPUSH", "jobs", job})) ++heard;
        client.ask({"PUBLISH", "news", job});
    }
    return heard;
}

// Returns how many were certainly done.
std::size_t do_jobs(Shop& shop, std::uint64_t seed) {
    Flighty client{shop.clients, shop.path, seed};
    std::size_t done = 0;
    while (!shop.is_closing) {
        const auto job = client.ask({"BLMOVE", "jobs", "busy", "LEFT", "RIGHT", "0.01"});
        if (!job || job->is_null()) continue;
        const auto removed = client.ask({"LREM", "busy", "1", job->text()});
        if (removed && *removed == Reply::integer(1)) ++done;
    }
    return done;
}

void listen_and_leave(Shop& shop, std::uint64_t seed) {
    std::mt19937_64 random{seed};
    while (!shop.is_closing) {
        RawClient client{shop.clients.connect()};
        if (random() % 2 == 0) client.ask({"HELLO", "3"});
        client.ask({"SUBSCRIBE", "news"});
        for (auto messages = random() % 8; messages != 0; --messages)
            if (!client.take() || shop.is_closing) return;
    }
}

}  // namespace

TEST_CASE("no job is lost or done twice though clients come and go", "[redis][fd][stress]") {
    const std::size_t jobs_each = runnel::test::scaled(500);
    Shop shop;
    constexpr std::size_t pushers = 2;
    constexpr std::size_t workers = 3;
    std::vector<std::size_t> pushed(pushers);
    std::size_t more = 0;  // until both faults have fired
    std::vector<std::size_t> done(workers);
    {
        std::atomic<bool> has_left = false;
        std::vector<std::jthread> threads;
        for (std::size_t number = 0; number != workers; ++number)
            threads.emplace_back([&, number] { done[number] = do_jobs(shop, 100 + number); });
        threads.emplace_back([&] {
            listen_and_leave(shop, 200);
            has_left = true;
        });
        std::vector<std::jthread> ending;
        for (std::size_t number = 0; number != pushers; ++number)
            ending.emplace_back(
                [&, number] { pushed[number] = push_jobs(shop, jobs_each, number); });
        ending.clear();  // joins
        const auto has_fired = [](const Fault& fault) { return fault.fired() > 0; };
        runnel::test::eventually([&] {
            if (std::ranges::all_of(shop.faults, has_fired)) return true;
            more += 10;
            pushed.push_back(push_jobs(shop, 10, pushers + more));
            return false;
        });
        shop.is_closing = true;
        // It may be about to subscribe once more.
        Session killer{shop.server};
        runnel::test::eventually([&] {
            killer.execute({"CLIENT", "KILL", "TYPE", "pubsub"});
            return has_left.load();
        });
    }
    shop.clients.settle();
    CHECK(shop.clients.connections() == 0);
    CHECK(shop.server.blocked_sessions() == 0);

    // What was pushed is done, or there.
    Session session{shop.server};
    const auto length = [&](const char* list) {
        return static_cast<std::size_t>(session.execute({"LLEN", list})->integer());
    };
    const std::size_t left = length("jobs") + length("busy");
    std::size_t all_pushed = 0;
    std::size_t all_done = 0;
    for (const std::size_t count : pushed) all_pushed += count;
    for (const std::size_t count : done) all_done += count;
    std::cout << shop.pushed << " pushed, " << shop.removed << " done, " << left
              << " left; heard of " << all_pushed << " and " << all_done << '\n';
    CHECK(shop.pushed == pushers * jobs_each + more);
    CHECK(shop.pushed == shop.removed + left);
    CHECK(all_pushed <= shop.pushed);
    CHECK(all_done <= shop.removed);
    CHECK(all_done > 0);
}

TEST_CASE("sessions may be closed while their clients connect", "[redis][fd][stress]") {
    Server server;
    FdServer clients{server};
    const std::string path = clients.listen();
    {
        const std::jthread killer{[&server](const std::stop_token& stop) {
            Session session{server};
            while (!stop.stop_requested())
                session.execute({"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
        }};
        for (std::size_t number = runnel::test::scaled(1000); number != 0; --number) {
            RawClient client{number % 4 != 0 ? clients.connect() : RawClient::connected_to(path)};
            client.send({"PING"});
            if (number % 8 == 0) client.take();
        }
    }
    clients.settle();
    CHECK(clients.connections() == 0);
    RawClient client{clients.connect()};
    CHECK(client.ask({"PING"}) == Reply::simple_string("PONG"));
}
