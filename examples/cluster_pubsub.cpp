// SPDX-License-Identifier: MIT
// What PUBLISH and SPUBLISH cost a Redis cluster, counted on the fake of one: see
// include/runnel/redis/README.md.

#include <runnel/redis/cluster.hpp>
#include <runnel/redis/cluster_session.hpp>

#include <cstddef>
#include <cstdint>
#include <iomanip>
#include <iostream>
#include <optional>
#include <string>

namespace {

namespace redis = runnel::redis;

constexpr int channels = 100;
constexpr int messages = 10;  // to each

std::string channel(int number) {
    return "prices:" + std::to_string(number);
}

// What reaches the subscribers, and how many copies of it go from node to node.
struct Cost {
    std::uint64_t heard = 0;
    std::uint64_t copies = 0;
};

// One client subscribes to all channels, another one publishes.
Cost cost_of(redis::Cluster& cluster, const std::string& subscribe, const std::string& publish) {
    redis::ClusterSession subscriber{cluster};
    redis::ClusterSession publisher{cluster};
    for (int number = 0; number != channels; ++number)
        subscriber.execute({subscribe, channel(number)});
    const redis::ClusterTraffic before = cluster.traffic();
    for (int number = 0; number != channels; ++number)
        for (int count = 0; count != messages; ++count)
            publisher.execute({publish, channel(number), "7.50"});
    const redis::ClusterTraffic after = cluster.traffic();
    Cost cost{.copies =
                  after.publish + after.publish_shard - before.publish - before.publish_shard};
    while (const auto push = subscriber.next_push())
        if ((*push)[0].text() != subscribe) ++cost.heard;  // no confirmation: a message
    return cost;
}

bool compare(std::size_t masters) {
    redis::Cluster cluster{{.masters = masters, .replicas = 1}};
    const Cost broadcast = cost_of(cluster, "subscribe", "publish");
    const Cost sharded = cost_of(cluster, "ssubscribe", "spublish");
    std::cout << std::setw(8) << cluster.size() << std::setw(12) << channels * messages
              << std::setw(18) << broadcast.copies << std::setw(18) << sharded.copies << '\n';
    const std::uint64_t all = std::uint64_t{channels} * messages;
    return broadcast.heard == all && sharded.heard == all &&
           broadcast.copies == all * (cluster.size() - 1) && sharded.copies == all;
}

// A subscriber hears that its slot has gone to another node, and subscribes there.
bool follows_a_slot() {
    // [readme]
    redis::Cluster cluster{{.masters = 3, .replicas = 1}};
    redis::ClusterSession client{cluster};  // goes where MOVED and ASK say
    client.execute({"SSUBSCRIBE", "prices"});
    (void)client.next_push();  // "ssubscribe", "prices", 1

    const std::uint16_t slot = runnel::key_slot("prices");
    cluster.move_slot(slot, (*cluster.owner(slot) + 1) % 3);
    const auto notice = client.next_push();    // "sunsubscribe", "prices", 0: nobody has asked
    client.execute({"SSUBSCRIBE", "prices"});  // MOVED, and then subscribed
    client.execute({"SPUBLISH", "prices", "7.5"});
    // [/readme]
    const auto confirmation = client.next_push();
    const auto message = client.next_push();
    return notice && (*notice)[0].text() == "sunsubscribe" && confirmation && message &&
           (*message)[0].text() == "smessage" && client.redirections() == 1;
}

}  // namespace

int main() {
    std::cout << std::setw(8) << "nodes" << std::setw(12) << "messages" << std::setw(18)
              << "copies: PUBLISH" << std::setw(18) << "copies: SPUBLISH" << '\n';
    bool is_right = true;
    for (const unsigned masters : {1U, 3U, 6U, 12U}) is_right = compare(masters) && is_right;
    return is_right && follows_a_slot() ? 0 : 1;
}
