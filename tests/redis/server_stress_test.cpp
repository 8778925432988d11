// SPDX-License-Identifier: MIT
//
// Threads that push, pop, publish and go away in the middle of waits. What went in comes out once.
#include <runnel/clock.hpp>
#include <runnel/redis.hpp>
#include <runnel/runner.hpp>

#include "support/catch.hpp"
#include "support/eventually.hpp"
#include "support/scale.hpp"

#include <atomic>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace runnel::test {
namespace {

using namespace std::chrono_literals;
using redis::Reply;

std::size_t elements_in(const std::optional<Reply>& popped) {
    return popped && popped->kind() == Reply::Kind::array ? 1 : 0;
}

TEST_CASE("elements come out once, whoever waits, times out, is unblocked or goes away") {
    const TimerThread timers;
    redis::Server server{{.clock = &SystemClock::instance()}};
    const std::size_t rounds = scaled(2'000);
    std::atomic<std::size_t> pushed = 0;
    std::atomic<std::size_t> popped = 0;
    std::atomic<std::int64_t> waiting = 0;  // the id of a session
    std::atomic<bool> ends = false;
    const auto push = [&] {
        redis::Session session{server};
        for (std::size_t round = 0; round != rounds; ++round) {
            session.execute({"RPUSH", "jobs", "a", "b"});
            pushed += 2;
        }
    };
    const auto pop = [&] {
        redis::Session session{server};
        waiting = session.id();
        while (!ends) popped += elements_in(session.execute({"BLPOP", "jobs", "more", "0.001"}));
    };
    const auto pop_and_go = [&] {
        while (!ends) {
            std::optional<redis::Pending> job;
            {
                redis::Session session{server};
                job = session.submit({"BRPOP", "more", "jobs", "0"});
            }
            popped += elements_in(job->try_get());
        }
    };
    const auto unblock = [&] {
        redis::Session session{server};
        while (!ends) session.execute({"CLIENT", "UNBLOCK", std::to_string(waiting)});
    };
    {
        std::vector<std::jthread> others;
        others.emplace_back(pop);
        others.emplace_back(pop);
        others.emplace_back(pop_and_go);
        others.emplace_back(unblock);
        {
            const std::jthread one{push};
            const std::jthread other{push};
        }
        redis::Session session{server};
        eventually([&] { return session.execute({"LLEN", "jobs"}) == Reply::integer(0); });
        ends = true;
    }
    CHECK(pushed == 4 * rounds);
    CHECK(popped == pushed);
    CHECK(server.blocked_sessions() == 0);
}

TEST_CASE("each message comes to each subscriber once, and in its order") {
    redis::Server server;
    const std::size_t rounds = scaled(2'000);
    std::vector<std::string> heard;
    redis::Session called{server};
    redis::Session asked{server};
    called.on_push([&](const Reply& push) {
        if (push[0].text() == "message") heard.push_back(push[2].text());
    });
    called.execute({"SUBSCRIBE", "news"});
    asked.execute({"SUBSCRIBE", "news"});
    std::vector<std::string> read;
    {
        const std::jthread reader{[&] {
            while (read.size() != 2 * rounds) {
                const auto push = asked.next_push(Timeout{});
                if ((*push)[0].text() == "message") read.push_back((*push)[2].text());
            }
        }};
        const auto publish = [&](const std::string& name) {
            redis::Session session{server};
            for (std::size_t round = 0; round != rounds; ++round)
                session.execute({"PUBLISH", "news", name + std::to_string(round)});
        };
        const std::jthread one{[&] { publish("one "); }};
        const std::jthread other{[&] { publish("other "); }};
    }
    CHECK(heard.size() == 2 * rounds);
    CHECK(heard == read);
    std::vector<std::string> of_one;
    for (const std::string& message : heard)
        if (message.starts_with("one ")) of_one.push_back(message);
    CHECK(of_one.size() == rounds);
    for (std::size_t round = 0; round != of_one.size(); ++round)
        if (of_one[round] != "one " + std::to_string(round)) FAIL("out of order: " << round);
}

}  // namespace
}  // namespace runnel::test
