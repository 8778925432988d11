// SPDX-License-Identifier: MIT
#pragma once

#include "support/redis_changes.hpp"
#include "support/redis_server.hpp"
#include "support/redis_transcript.hpp"
#include "support/stress_tally.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace runnel::test {

/// A connection that the server can be told to end.
struct IdentifiedClient {
    explicit IdentifiedClient(RedisServer& server)
        : connection{server.connect()},
          id{std::to_string(connection.command({"CLIENT", "ID"}).integer)} {}

    RedisClient connection;
    std::string id;
};

/// What all worlds of a comparison share: a server, and clients whose connections outlive them.
template <typename Client>
struct SharedRedis {
    template <typename... Limit>
    SharedRedis(std::size_t count, std::uint64_t seed, Limit... limit)
        : transcript{seed, limit...} {
        for (std::size_t number = 0; number != count; ++number) clients.emplace_back(server);
    }

    /// Ends the waits of all clients, and forgets what they are told.
    void unblock_all() {
        for (Client& client : clients) (void)server.command({"CLIENT", "UNBLOCK", client.id});
        server.settle();
        for (Client& client : clients) (void)client.connection.arrived();
    }

    RedisServer server;
    Differences differences{server.version()};
    Transcript transcript;
    Tally tally;
    std::vector<Client> clients;
};

}  // namespace runnel::test
