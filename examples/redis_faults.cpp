// SPDX-License-Identifier: MIT
// A worker is tested with a Redis that fails: see include/runnel/redis/README.md.

#include <runnel/redis.hpp>

#include <chrono>
#include <iostream>
#include <optional>
#include <string>
#include <vector>

using namespace std::chrono_literals;

namespace {

namespace redis = runnel::redis;

// Takes orders from a stream, and acknowledges what it has carried out. Its client connects anew
// when the connection has broken.
class Worker {
public:
    explicit Worker(redis::Server& server) : server_{server}, session_{std::in_place, server} {}

    // Carries out one order. False: there is none, or Redis has failed.
    bool step() {
        const auto lost =
            send({"XAUTOCLAIM", "orders", "shop", "till", "60000", "0", "COUNT", "1"});
        if (lost && !lost->is_error() && !(*lost)[1].elements().empty())
            return carry_out((*lost)[1][0]);
        const auto read =
            send({"XREADGROUP", "GROUP", "shop", "till", "COUNT", "1", "STREAMS", "orders", ">"});
        if (!read || read->is_error() || read->is_null()) return false;
        return carry_out((*read)[0][1][0]);
    }

    [[nodiscard]] int carried_out() const { return carried_out_; }

private:
    bool carry_out(const redis::Reply& entry) {
        ++carried_out_;
        const auto acknowledged = send({"XACK", "orders", "shop", entry[0].text()});
        return acknowledged && !acknowledged->is_error();
    }

    std::optional<redis::Reply> send(const std::vector<std::string>& words) {
        auto reply = session_->execute(words);
        if (!reply) session_.emplace(server_);
        return reply;
    }

    redis::Server& server_;
    std::optional<redis::Session> session_;
    int carried_out_ = 0;
};

bool loses_no_order() {
    redis::Server server{{.keep_commands = 100, .keep_history = true}};
    redis::Session setup{server};
    setup.execute({"XGROUP", "CREATE", "orders", "shop", "0", "MKSTREAM"});
    setup.execute({"XADD", "orders", "1-0", "item", "apple"});
    setup.execute({"XADD", "orders", "2-0", "item", "pear"});
    // [readme]
    const auto faults = server.faults();
    const auto lost = faults.on("XREADGROUP").key("orders").nth(1).lose_reply();
    const auto refused = faults.on("XACK").nth(1).fail("LOADING Redis is loading the dataset");
    Worker worker{server};
    while (worker.carried_out() < 3) {  // two orders, one of them twice
        worker.step();
        server.advance(1min);
    }
    const bool has_fired = lost.fired() == 1 && refused.fired() == 1;
    for (const redis::EntryEvent& event : server.history("orders", {1, 0}))
        std::cout << to_string(event) << '\n';  // added, delivered to till of shop, claimed by …
    std::cout << server.log_text();             // all commands, with their replies and times
    // [/readme]
    const bool nothing_is_left =
        to_string(*setup.execute({"XPENDING", "orders", "shop"})).starts_with("1) (integer) 0");
    return has_fired && nothing_is_left;
}

}  // namespace

int main() {
    return loses_no_order() ? 0 : 1;
}
