// SPDX-License-Identifier: MIT
// The fake of Redis beside a real one on a Unix socket, which is asked through hiredis: one command
// at a time, or in pipelines of 100. And what a fresh Server costs.
//
//   redis_bench [part of "group/case"]       REPS=7 in the environment: repetitions
#include <runnel/redis.hpp>

#include "harness.hpp"
#include "messages.hpp"
#include "program.hpp"
#include "support/redis_server.hpp"
#include "threads.hpp"

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <hiredis/hiredis.h>
#include <memory>
#include <optional>
#include <poll.h>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace runnel::bench {
namespace {

using Words = std::vector<std::string>;

/// A client of the fake. A pipeline is so many submits, and then so many results.
class Fake {
public:
    static constexpr const char* name = "runnel";

    /// What all clients share.
    struct Shared {
        redis::Server server;
        std::vector<std::unique_ptr<redis::Session>> subscribers{};
        std::atomic<std::uint64_t> received{0};

        void subscribe(unsigned count, const std::string& channel) {
            for (unsigned number = 0; number < count; ++number) {
                auto& session = subscribers.emplace_back(std::make_unique<redis::Session>(server));
                session->on_push([this](const redis::Reply&) { ++received; });
                session->execute({"SUBSCRIBE", channel});
            }
        }
    };

    explicit Fake(Shared& shared) : session_{shared.server} {}

    void one(const Words& words) { check(!session_.execute(words)->is_error(), "an error"); }
    void many(const std::vector<Words>& commands) {
        results_.clear();
        for (const Words& words : commands) results_.push_back(session_.submit(words));
        for (const redis::Pending& result : results_)
            check(!result.try_get()->is_error(), "an error");
    }

private:
    redis::Session session_;
    std::vector<redis::Pending> results_;
};

/// A client of a real server.
class Real {
public:
    static constexpr const char* name = "redis-server";

    struct Shared {
        test::RedisServer server;
        std::vector<Real> subscribers{};
        std::jthread reader{};

        /// What they are sent is read by a thread of its own, and dropped.
        void subscribe(unsigned count, const std::string& channel) {
            for (unsigned number = 0; number < count; ++number) {
                subscribers.emplace_back(*this);
                subscribers.back().one({"SUBSCRIBE", channel});
            }
            reader = std::jthread{[this](const std::stop_token& stop) { drop_all(stop); }};
        }
        void drop_all(const std::stop_token& stop) const {
            std::vector<pollfd> all;
            for (const Real& one : subscribers) all.push_back({one.connection_->fd, POLLIN, 0});
            std::array<char, 65536> bytes{};
            while (!stop.stop_requested()) {
                if (poll(all.data(), all.size(), 10) <= 0) continue;
                for (const pollfd& one : all)
                    if ((one.revents & POLLIN) != 0 && read(one.fd, bytes.data(), bytes.size()) < 0)
                        return;
            }
        }
    };

    explicit Real(Shared& shared) : connection_{redisConnectUnix(shared.server.socket().c_str())} {
        check(connection_ != nullptr && connection_->err == 0, "no connection");
    }

    void one(const Words& words) {
        append(words);
        take_reply();
    }
    void many(const std::vector<Words>& commands) {
        for (const Words& words : commands) append(words);
        for (std::size_t left = commands.size(); left != 0; --left) take_reply();
    }

private:
    struct Free {
        void operator()(redisContext* connection) const { redisFree(connection); }
    };

    void append(const Words& words) {
        starts_.clear();
        sizes_.clear();
        for (const std::string& word : words) {
            starts_.push_back(word.data());
            sizes_.push_back(word.size());
        }
        redisAppendCommandArgv(connection_.get(), static_cast<int>(words.size()), starts_.data(),
                               sizes_.data());
    }
    void take_reply() {
        void* reply = nullptr;
        check(redisGetReply(connection_.get(), &reply) == REDIS_OK, "no reply");
        check(static_cast<redisReply*>(reply)->type != REDIS_REPLY_ERROR, "an error");
        freeReplyObject(reply);
    }

    std::unique_ptr<redisContext, Free> connection_;
    std::vector<const char*> starts_;
    std::vector<std::size_t> sizes_;
};

// ---- workloads ----------------------------------------------------------------------------------

/// What one client sends, in commands that are numbered from 0. Each client has its own keys.
struct Workload {
    std::string name;
    unsigned subscribers = 0;
    std::function<Words(unsigned client, std::uint64_t number)> command;
    bool needs_entries = false;
};

std::string key(const char* of, unsigned client) {
    return of + std::to_string(client);
}
std::string id(std::uint64_t number) {
    return "1-" + std::to_string(number + 1);
}

std::vector<Workload> workloads() {
    return {
        {"XADD", 0,
         [](unsigned client, std::uint64_t number) {
             return Words{"XADD", key("added", client), id(number), "field", "value"};
         }},
        {"XREADGROUP and XACK", 0,
         [](unsigned client, std::uint64_t number) {
             const std::string stream = key("read", client);
             if (number % 2 == 1) return Words{"XACK", stream, "group", id(number / 2)};
             return Words{"XREADGROUP", "GROUP",   "group", "me", "COUNT",
                          "1",          "STREAMS", stream,  ">"};
         },
         true},
        {"RPUSH and LPOP", 0,
         [](unsigned client, std::uint64_t number) {
             if (number % 2 == 1) return Words{"LPOP", key("list", client)};
             return Words{"RPUSH", key("list", client), "element"};
         }},
        {"PUBLISH to 10", 10,
         [](unsigned /*all publish to one*/, std::uint64_t /*and the same*/) {
             return Words{"PUBLISH", "channel", "message"};
         }},
    };
}

/// What the commands need: a group, and entries for it.
template <class Client>
void prepare(Client& client, const Workload& workload, unsigned number, std::uint64_t commands) {
    if (!workload.needs_entries) return;
    const std::string stream = key("read", number);
    for (std::uint64_t entry = 0; entry < commands; ++entry)
        client.one({"XADD", stream, id(entry), "field", "value"});
    client.one({"XGROUP", "CREATE", stream, "group", "0"});
}

/// Throughput of so many clients, each in a thread of its own. Figure: thousand commands a second.
template <class Client>
Sample send(const Workload& workload, unsigned clients, std::size_t pipeline,
            std::uint64_t commands) {
    typename Client::Shared shared;
    shared.subscribe(workload.subscribers, "channel");
    std::vector<std::unique_ptr<Client>> all;
    std::vector<std::vector<std::vector<Words>>> batches(clients);
    for (unsigned number = 0; number < clients; ++number) {
        all.push_back(std::make_unique<Client>(shared));
        prepare(*all.back(), workload, number, commands);
        for (std::uint64_t next = 0; next < commands;) {
            auto& batch = batches[number].emplace_back();
            for (std::size_t left = pipeline; left != 0; --left)
                batch.push_back(workload.command(number, next++));
        }
    }
    const nanoseconds elapsed = run_together(clients, Placement::free, [&](unsigned number) {
        Client& client = *all[number];
        for (const std::vector<Words>& batch : batches[number])
            pipeline == 1 ? client.one(batch.front()) : client.many(batch);
    });
    return {elapsed, {1e6 / per_message(elapsed, commands * clients)}};
}

/// What it takes to make a server and to destroy it. Figure: microseconds for both.
Sample make_servers() {
    constexpr std::uint64_t servers = 1000;
    const std::uint64_t start = now();
    for (std::uint64_t left = servers; left != 0; --left) {
        const redis::Server server;
        keep(server);
    }
    const nanoseconds elapsed{now() - start};
    return {elapsed, {per_message(elapsed, servers) / 1e3}};
}

void add_groups(Suite& suite) {
    for (const Workload& workload : workloads()) {
        for (const unsigned clients : {1U, 4U}) {
            for (const std::size_t pipeline : {1U, 100U}) {
                const std::uint64_t commands = pipeline == 1 ? 10'000 : 100'000 / clients;
                const auto run = [=](auto peer) {
                    return send<typename decltype(peer)::type>(workload, clients, pipeline,
                                                               commands);
                };
                const double factor = pipeline == 1 ? 5 : 1;
                suite.add({workload.name + ", " + std::to_string(clients) + " x " +
                               std::to_string(pipeline),
                           {{"K/s", Better::more, {{"", factor, "redis-server"}}}},
                           cases(Peers<Fake, Real>{}, run)});
            }
        }
    }
    suite.add(
        {"a fresh server", {{"us", Better::less, {{"", 20}}}}, {Case{"runnel", make_servers, {}}}});
}

}  // namespace
}  // namespace runnel::bench

int main(int argc, char** argv) {
    return runnel::bench::run_program("redis_bench", argc > 1 ? argv[1] : "",
                                      runnel::bench::add_groups);
}
