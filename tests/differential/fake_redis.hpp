// SPDX-License-Identifier: MIT
#pragma once

// The fake, under a clock that is told the time of the real one.

#include <runnel/clock.hpp>
#include <runnel/redis/options.hpp>
#include <runnel/redis/server.hpp>
#include <runnel/redis/session.hpp>

#include "differential/target.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace runnel::test::differential {

class FakeRedis final : public Target {
public:
    explicit FakeRedis(std::size_t node_entries) : node_entries_{node_entries} {}

    void begin() override {
        sessions_.clear();
        server_ = std::make_unique<redis::Server>(
            redis::ServerOptions{.clock = &clock_,
                                 .version = redis::Version::redis_7_0,
                                 .stream_node_max_entries = node_entries_});
        for (std::size_t session = 0; session != session_count; ++session)
            sessions_.push_back(std::make_unique<Client>(*server_));
    }

    void reopen(std::size_t session) override {
        sessions_[session] = std::make_unique<Client>(*server_);
    }

    void send(std::size_t session, const std::vector<Request>& requests) override {
        for (const Request& request : requests) {
            if (request.at) advance_to(*request.at);
            (void)sessions_[session]->session.submit(request.words);
        }
    }

    void pause(std::int64_t until) override { advance_to(until); }

    std::vector<Reply> arrived(std::size_t session) override {
        Client& client = *sessions_[session];
        std::vector<Reply> outputs = client.session.outputs();
        outputs.erase(outputs.begin(), outputs.begin() + client.seen);
        client.seen += static_cast<std::ptrdiff_t>(outputs.size());
        return outputs;
    }

    std::string client_id(std::size_t session) override {
        return std::to_string(sessions_[session]->session.id());
    }

private:
    struct Client {
        explicit Client(redis::Server& server) : session{server, {.keep_outputs = 100'000}} {}

        redis::Session session;
        std::ptrdiff_t seen = 0;  // of its outputs
    };

    void advance_to(std::int64_t ms) {
        const Clock::WallTime then{std::chrono::milliseconds{ms}};
        if (const auto now = clock_.wall(); now < then) clock_.advance(then - now);
    }

    const std::size_t node_entries_;
    ManualClock clock_{{.start = std::chrono::system_clock::now()}};
    std::unique_ptr<redis::Server> server_;
    std::vector<std::unique_ptr<Client>> sessions_;
};

}  // namespace runnel::test::differential
