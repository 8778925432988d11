// SPDX-License-Identifier: MIT
// A service of several threads whose Redis has faults by lot: one seed gives one run.

#include <runnel/clock.hpp>
#include <runnel/redis.hpp>

#include "support/catch.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

using namespace std::chrono_literals;
using runnel::ManualClock;
namespace redis = runnel::redis;

namespace {

// A client that connects anew when its connection has broken.
class ShopClient {
public:
    ShopClient(redis::Server& server, std::string name) : server_{server}, name_{std::move(name)} {
        connect();
    }

    // Nothing: the connection has broken, and nobody knows whether the command was carried out.
    std::optional<redis::Reply> execute(const std::vector<std::string>& words) {
        std::optional<redis::Reply> reply = session_->execute(words);
        if (!reply) connect();
        return reply;
    }

private:
    void connect() {
        session_ = std::make_unique<redis::Session>(server_);
        (void)session_->execute({"CLIENT", "SETNAME", name_});
    }

    redis::Server& server_;
    const std::string name_;
    std::unique_ptr<redis::Session> session_;
};

constexpr int order_count = 40;

void send_orders(ShopClient client) {
    for (int number = 0; number != order_count; ++number) {
        const std::string order = std::to_string(number);
        for (;;) {
            const auto reply = client.execute({"XADD", "orders", "*", "number", order});
            if (reply && !reply->is_error()) break;
        }
    }
}

bool is_done(ShopClient& client) {
    const auto count = client.execute({"SCARD", "done"});
    return count && !count->is_error() && count->integer() == order_count;
}

// Carries out an order, and only then acknowledges it.
void carry_out(ShopClient& client, const redis::Reply& entry) {
    if (!entry[1].is_null())
        if (const auto done = client.execute({"SADD", "done", entry[1][1].text()});
            !done || done->is_error())
            return;
    (void)client.execute({"XACK", "orders", "shop", entry[0].text()});
}

// Takes over what others have had for too long, then what is new.
void work_at_till(ShopClient client, const std::string& consumer) {
    while (!is_done(client)) {
        if (const auto lost = client.execute(
                {"XAUTOCLAIM", "orders", "shop", consumer, "5000", "0", "COUNT", "5"});
            lost && !lost->is_error())
            for (const redis::Reply& entry : (*lost)[1].elements()) carry_out(client, entry);
        const auto read = client.execute({"XREADGROUP", "GROUP", "shop", consumer, "COUNT", "3",
                                          "BLOCK", "2000", "STREAMS", "orders", ">"});
        if (!read || read->is_error() || read->is_null()) continue;
        for (const redis::Reply& entry : (*read)[0][1].elements()) carry_out(client, entry);
    }
}

struct ShopRun {
    std::string log;
    std::vector<std::uint64_t> fired;
    std::size_t done = 0;
};

ShopRun run_service(std::uint64_t seed) {
    ManualClock clock{{.seed = seed}};
    redis::Server server{{.clock = &clock, .keep_commands = 100'000}};
    redis::Session setup{server};
    setup.execute({"XGROUP", "CREATE", "orders", "shop", "0", "MKSTREAM"});
    const redis::Faults faults = server.faults();
    const std::vector<redis::Fault> all{
        faults.on("XADD").chance(0.1, seed).lose_reply(),
        faults.on("XADD").chance(0.1, seed + 1).twice(),
        faults.on("XREADGROUP").chance(0.1, seed + 2).drop(),
        faults.on("XREADGROUP").chance(0.1, seed + 3).lose_reply(),
        faults.on("XACK").chance(0.2, seed + 4).fail("LOADING Redis is loading the dataset"),
        faults.on("SADD").chance(0.2, seed + 5).delay(300ms),
        faults.on("*").chance(0.02, seed + 6).step_clock(-7s),
        faults.on("XREADGROUP").consumer("till-2").nth(4).crash(),
    };
    std::vector<ManualClock::Thread> threads;
    for (const std::string consumer : {"till-1", "till-3", "till-4"})
        threads.push_back(clock.thread(consumer, [&server, consumer] {
            work_at_till(ShopClient{server, consumer}, consumer);
        }));
    // One that crashes: it does not come back.
    threads.push_back(clock.thread("till-2", [&server] {
        redis::Session till{server};
        while (till.execute({"XREADGROUP", "GROUP", "shop", "till-2", "COUNT", "1", "BLOCK", "1000",
                             "STREAMS", "orders", ">"})) {
        }
    }));
    threads.push_back(clock.thread("sender", [&server] {
        send_orders(ShopClient{server, "sender"});
    }));
    clock.advance(1h);
    threads.clear();

    ShopRun run;
    run.log = server.log_text();
    for (const redis::Fault& fault : all) run.fired.push_back(fault.fired());
    run.done = setup.execute({"SMEMBERS", "done"})->elements().size();
    return run;
}

}  // namespace

TEST_CASE("a service does all its work under faults, in the same way for the same seed",
          "[redis][faults]") {
    std::set<std::string> logs;
    std::vector<std::uint64_t> fired;  // of each fault, in all runs
    for (const std::uint64_t seed : {1, 2, 3, 4, 5}) {
        CAPTURE(seed);
        const ShopRun first = run_service(seed);
        const ShopRun second = run_service(seed);
        CHECK(first.done == order_count);
        CHECK((first.log == second.log));  // they are long
        CHECK(first.fired == second.fired);
        fired.resize(first.fired.size());
        for (std::size_t at = 0; at != fired.size(); ++at) fired[at] += first.fired[at];
        logs.insert(first.log);
    }
    CHECK(logs.size() == 5);
    for (const std::uint64_t count : fired) CHECK(count != 0);
}
