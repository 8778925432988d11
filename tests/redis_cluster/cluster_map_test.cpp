// SPDX-License-Identifier: MIT
// Which node of a cluster serves which slot, and what a node does with a request for keys: without
// any server.

#include <runnel/key_slot.hpp>
#include <runnel/redis/cluster_map.hpp>

#include "support/catch.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

using runnel::key_slot;
using runnel::redis::SlotRange;
using runnel::redis::detail::ClusterMap;
using runnel::redis::detail::ClusterNode;
using runnel::redis::detail::SlotCheck;
using runnel::redis::detail::SlotDecision;
using runnel::redis::detail::SlotRequest;

namespace {

// Three masters with a third of the slots each, and `replicas` of each: 3, 4, 5, or 3 to 8.
ClusterMap map_of_three(std::size_t replicas = 1) {
    std::vector<ClusterNode> nodes;
    for (std::size_t number = 0; number != 3 * (replicas + 1); ++number) {
        ClusterNode node{.id = std::string(40, static_cast<char>('a' + number)),
                         .host = "host",
                         .port = static_cast<std::uint16_t>(7000 + number),
                         .shard = {}};
        if (number >= 3) node.master = (number - 3) / replicas;
        nodes.push_back(std::move(node));
    }
    ClusterMap map{std::move(nodes)};
    map.set_owner(SlotRange{0, 5460}, 0);
    map.set_owner(SlotRange{5461, 10922}, 1);
    map.set_owner(SlotRange{10923, 16383}, 2);
    return map;
}

using Numbers = std::vector<std::size_t>;

Numbers epochs_of(const ClusterMap& map) {
    Numbers epochs;
    for (const ClusterNode& node : map.nodes()) epochs.push_back(node.epoch);
    return epochs;
}
Numbers masters_of(const ClusterMap& map) {
    Numbers masters;
    for (std::size_t number = 0; number != map.nodes().size(); ++number)
        masters.push_back(map.master_of(number));
    return masters;
}

// What a node does with a request for these keys, of which it has `present`.
using What = SlotDecision::What;
struct Asked {
    std::size_t me = 0;
    std::vector<std::string_view> keys{};
    std::vector<std::string_view> present{};
    SlotRequest request{};
};
SlotDecision decide(const ClusterMap& map, const Asked& asked) {
    SlotCheck check{map, asked.me};
    for (const std::string_view key : asked.keys) {
        const bool goes_on = check.add(key, asked.request.is_sharded_pubsub, [&](auto name) {
            return std::ranges::count(asked.present, name) != 0;
        });
        if (!goes_on) break;
    }
    return check.decision(asked.request);
}
What what(const ClusterMap& map, const Asked& asked) {
    return decide(map, asked).what;
}
// Where it sends the client.
std::pair<What, std::size_t> where(const ClusterMap& map, const Asked& asked) {
    const SlotDecision decision = decide(map, asked);
    return {decision.what, decision.node};
}

constexpr SlotRequest plain{};
constexpr SlotRequest asking{.is_asking = true};
constexpr SlotRequest read_only{.reads_replicas = true};
constexpr SlotRequest sharded{.is_sharded_pubsub = true};

const std::uint16_t slot_b = key_slot("{b}");  // 3300, of node 0

}  // namespace

TEST_CASE("before slots are given away none is served, and the cluster is down", "[cluster]") {
    const ClusterMap map{{ClusterNode{}, ClusterNode{}}};
    CHECK_FALSE(map.is_up());
    CHECK_FALSE(map.owner(0));
    CHECK_FALSE(map.owner(16383));
    CHECK(map.count_assigned() == 0);
    CHECK(map.count_failed() == 0);
    CHECK(map.all_slots().empty());
    CHECK(map.slots_of(0).empty());
    CHECK(map.epoch() == 0);
}

TEST_CASE("a cluster is up when each slot has a node", "[cluster]") {
    const ClusterMap map = map_of_three();
    CHECK(map.is_up());
    CHECK(map.count_assigned() == 16384);
    CHECK(map.owner(0) == 0U);
    CHECK(map.owner(5460) == 0U);
    CHECK(map.owner(5461) == 1U);
    CHECK(map.owner(16383) == 2U);
    CHECK(map.slots_of(1) == std::vector<SlotRange>{{5461, 10922}});
    CHECK(map.slots_of(4).empty());
}

TEST_CASE("a node is known by its id and has an address", "[cluster]") {
    const ClusterMap map = map_of_three();
    CHECK(map.find(std::string(40, 'c')) == 2U);
    CHECK_FALSE(map.find("c"));
    CHECK_FALSE(map.find(""));
    CHECK(map.node(4).address() == "host:7004");
}

TEST_CASE("the replicas of a master share its data", "[cluster]") {
    const ClusterMap map = map_of_three(2);
    CHECK(masters_of(map) == Numbers{0, 1, 2, 0, 0, 1, 1, 2, 2});
    CHECK(map.is_master(2));
    CHECK_FALSE(map.is_master(3));
    CHECK(map.share_data(3, 4));
    CHECK(map.share_data(0, 4));
    CHECK_FALSE(map.share_data(4, 5));
}

TEST_CASE("a slot that is given away makes two ranges of one", "[cluster]") {
    ClusterMap map = map_of_three();
    map.set_owner(3300, 1);
    CHECK(map.owner(3300) == 1U);
    CHECK(map.slots_of(0) == std::vector<SlotRange>{{0, 3299}, {3301, 5460}});
    CHECK(map.slots_of(1) == std::vector<SlotRange>{{3300, 3300}, {5461, 10922}});
    const auto all = map.all_slots();
    REQUIRE(all.size() == 5);
    CHECK(all[1].slots == SlotRange{3300, 3300});
    CHECK(all[1].owner == 1);
    map.set_owner(3300, 0);
    CHECK(map.slots_of(0) == std::vector<SlotRange>{{0, 5460}});
}

TEST_CASE("ranges at both ends of the slots end there", "[cluster]") {
    ClusterMap map = map_of_three();
    map.set_owner(0, std::nullopt);
    map.set_owner(16383, 0);
    const auto all = map.all_slots();
    REQUIRE(all.size() == 4);
    CHECK(all.front().slots == SlotRange{1, 5460});
    CHECK(all.back().slots == SlotRange{16383, 16383});
    CHECK(all.back().owner == 0);
}

TEST_CASE("one slot that no node serves takes the cluster down", "[cluster]") {
    ClusterMap map = map_of_three();
    map.set_owner(16383, std::nullopt);
    CHECK_FALSE(map.is_up());
    CHECK(map.count_assigned() == 16383);
    CHECK(map.count_failed() == 0);
    map.set_owner(16383, 1);
    CHECK(map.is_up());
}

TEST_CASE("a slot moves until a node gets it", "[cluster]") {
    ClusterMap map = map_of_three();
    CHECK_FALSE(map.target(3300));
    map.set_target(3300, 1);
    map.set_target(3301, 2);
    CHECK(map.target(3300) == 1U);
    CHECK(map.owner(3300) == 0U);
    CHECK(map.targets().size() == 2);
    map.set_owner(3300, 1);
    CHECK_FALSE(map.target(3300));
    map.set_owner(3301, 0);  // it is given up
    CHECK(map.targets().empty());
}

TEST_CASE("who gets a slot, or takes over, has the highest epoch, with its replicas", "[cluster]") {
    ClusterMap map = map_of_three();
    CHECK(epochs_of(map) == Numbers{1, 2, 3, 1, 2, 3});
    CHECK(map.epoch() == 3);
    map.set_owner(3300, 1);
    CHECK(epochs_of(map) == Numbers{1, 4, 3, 1, 4, 3});
    map.set_owner(3300, std::nullopt);
    CHECK(map.epoch() == 4);
    map.promote(3);
    CHECK(epochs_of(map) == Numbers{5, 4, 3, 5, 4, 3});
    map.set_failed(1);
    map.promote(4);
    CHECK(epochs_of(map) == Numbers{5, 4, 3, 5, 6, 3});
    map.set_working(1);
    CHECK(epochs_of(map) == Numbers{5, 6, 3, 5, 6, 3});
}

TEST_CASE("a master that fails fails with its slots", "[cluster]") {
    ClusterMap map = map_of_three();
    map.set_failed(1);
    CHECK_FALSE(map.is_up());
    CHECK(map.count_assigned() == 16384);
    CHECK(map.count_failed() == 5462);
    map.set_working(1);
    CHECK(map.is_up());
    CHECK(map.count_failed() == 0);
    CHECK(map.is_master(1));
}

TEST_CASE("nothing fails with a replica, or with a master without slots", "[cluster]") {
    ClusterMap map = map_of_three();
    map.set_failed(4);
    CHECK(map.is_up());
    map.set_owner(SlotRange{10923, 16383}, 0);
    map.set_failed(2);
    CHECK(map.is_up());
}

TEST_CASE("a replica that takes over gets slots, replicas and moves of its master", "[cluster]") {
    ClusterMap map = map_of_three(2);
    map.set_target(6000, 0);
    map.set_target(3300, 1);
    map.promote(4);
    CHECK(masters_of(map) == Numbers{4, 1, 2, 4, 4, 1, 1, 2, 2});
    CHECK(map.owner(3300) == 4U);
    CHECK(map.slots_of(4) == std::vector<SlotRange>{{0, 5460}});
    CHECK(map.slots_of(0).empty());
    CHECK(map.target(6000) == 4U);
    CHECK(map.target(3300) == 1U);
    CHECK(map.is_up());
    map.promote(0);
    CHECK(masters_of(map) == Numbers{0, 1, 2, 0, 0, 1, 1, 2, 2});
}

TEST_CASE("a master that has failed joins its successor when it comes back", "[cluster]") {
    ClusterMap map = map_of_three();
    map.set_failed(1);
    map.promote(4);
    CHECK(map.is_up());
    CHECK(map.is_master(1));
    CHECK_FALSE(map.share_data(1, 4));
    map.set_working(1);
    CHECK(map.master_of(1) == 4);
    map.set_failed(1);
    map.set_working(1);
    CHECK(map.master_of(1) == 4);
}

TEST_CASE("and whoever has succeeded that one meanwhile", "[cluster]") {
    ClusterMap map = map_of_three(2);
    map.set_failed(0);
    map.promote(3);
    SECTION("as its replica") {
        map.promote(4);
        map.set_working(0);
        CHECK(masters_of(map) == Numbers{4, 1, 2, 4, 4, 1, 1, 2, 2});
    }
    SECTION("because it has failed, too") {
        map.set_failed(3);
        map.promote(4);
        CHECK(map.is_up());
        map.set_working(0);
        CHECK(map.master_of(0) == 4);
        CHECK(map.node(0).epoch == map.node(4).epoch);
        map.set_working(3);
        CHECK(masters_of(map) == Numbers{4, 1, 2, 4, 4, 1, 1, 2, 2});
    }
}

TEST_CASE("a request without keys is served anywhere", "[cluster]") {
    ClusterMap map = map_of_three();
    map.set_owner(0, std::nullopt);
    for (const std::size_t me : {0U, 1U, 5U}) CHECK(what(map, {.me = me}) == What::serve);
}

TEST_CASE("a master serves its slots, and knows who serves the others", "[cluster]") {
    const ClusterMap map = map_of_three();
    CHECK(what(map, {.me = 0, .keys = {"{b}s"}}) == What::serve);
    CHECK(where(map, {.me = 1, .keys = {"{b}s"}}) == std::pair{What::moved, std::size_t{0}});
    CHECK(where(map, {.me = 0, .keys = {"{a}s"}}) == std::pair{What::moved, std::size_t{2}});
    CHECK(decide(map, {.me = 0, .keys = {"{a}s"}}).slot == 15495);
}

TEST_CASE("keys of several slots are refused, but not a key that is repeated", "[cluster]") {
    const ClusterMap map = map_of_three();
    CHECK(what(map, {.keys = {"{b}s", "k2"}}) == What::cross_slot);
    CHECK(what(map, {.keys = {"{a}s", "{c}s"}}) == What::cross_slot);
    CHECK(what(map, {.keys = {"{b}s", "{b}t", "{b}s"}}) == What::serve);
}

TEST_CASE("the first key decides whether its slot is served at all", "[cluster]") {
    ClusterMap map = map_of_three();
    map.set_owner(slot_b, std::nullopt);
    CHECK(what(map, {.keys = {"{b}s", "k2"}}) == What::not_served);
    CHECK(what(map, {.keys = {"k2", "{b}s"}}) == What::cross_slot);
    CHECK(what(map, {.keys = {"k2"}}) == What::down);
    CHECK(what(map, {.me = 1, .keys = {"k2"}}) == What::down);
    CHECK(what(map, {.keys = {"{b}s"}, .request = sharded}) == What::not_served);
    CHECK(what(map, {.keys = {"k2"}, .request = sharded}) == What::serve);
    CHECK(what(map, {.me = 1, .keys = {"k2"}, .request = sharded}) == What::moved);
}

TEST_CASE("a replica serves what reads for READONLY clients, and shard channels", "[cluster]") {
    const ClusterMap map = map_of_three();
    const auto at = [&](std::size_t me, const SlotRequest& request) {
        return what(map, {.me = me, .keys = {"{b}s"}, .request = request});
    };
    CHECK(at(3, plain) == What::moved);
    CHECK(at(3, read_only) == What::serve);
    CHECK(at(3, {.writes = true, .reads_replicas = true}) == What::moved);
    CHECK(at(3, sharded) == What::serve);
    CHECK(at(4, read_only) == What::moved);
    CHECK(at(4, sharded) == What::moved);
    CHECK(at(1, read_only) == What::moved);
    CHECK(at(3, asking) == What::moved);
    CHECK(at(0, read_only) == What::serve);
}

TEST_CASE("the source of a slot that moves serves what it has", "[cluster]") {
    ClusterMap map = map_of_three();
    map.set_target(slot_b, 1);
    const auto at_source = [&](std::vector<std::string_view> keys, SlotRequest request = plain) {
        return what(
            map,
            {.me = 0, .keys = std::move(keys), .present = {"{b}1", "{b}2"}, .request = request});
    };
    CHECK(at_source({"{b}1"}) == What::serve);
    CHECK(at_source({"{b}1", "{b}2"}) == What::serve);
    CHECK(at_source({"{b}x"}) == What::ask);
    CHECK(at_source({"{b}x", "{b}y"}) == What::ask);
    CHECK(at_source({"{b}1", "{b}x"}) == What::try_again);
    CHECK(at_source({"{b}x", "{b}1"}) == What::try_again);
    CHECK(at_source({"{b}x"}, asking) == What::ask);
    CHECK(at_source({"{b}x"}, sharded) == What::serve);
    CHECK(at_source({"{b}1", "k2"}) == What::cross_slot);
    CHECK(where(map, {.me = 0, .keys = {"{b}x"}}) == std::pair{What::ask, std::size_t{1}});
    CHECK(what(map, {.me = 0, .keys = {"k2"}}) == What::serve);
}

TEST_CASE("its target serves a key behind ASKING, and several if it has all of them", "[cluster]") {
    ClusterMap map = map_of_three();
    map.set_target(slot_b, 1);
    const auto at_target = [&](std::vector<std::string_view> keys, SlotRequest request = asking) {
        return what(
            map,
            {.me = 1, .keys = std::move(keys), .present = {"{b}1", "{b}2"}, .request = request});
    };
    CHECK(at_target({"{b}1"}, plain) == What::moved);
    CHECK(at_target({"{b}1"}) == What::serve);
    CHECK(at_target({"{b}x"}) == What::serve);
    CHECK(at_target({"{b}x", "{b}x"}) == What::serve);
    CHECK(at_target({"{b}1", "{b}2"}) == What::serve);
    CHECK(at_target({"{b}1", "{b}x"}) == What::try_again);
    CHECK(at_target({"{b}x", "{b}y"}) == What::try_again);
    CHECK(at_target({"{b}x", "{b}y"}, plain) == What::moved);
    CHECK(at_target({"{b}x", "{b}y"}, {.is_sharded_pubsub = true, .is_asking = true}) ==
          What::serve);
    CHECK(at_target({"{b}x"}, sharded) == What::moved);
    CHECK(at_target({"{b}1", "{c}1"}) == What::cross_slot);
    CHECK(what(map, {.me = 2, .keys = {"{b}1"}, .request = asking}) == What::moved);
}

TEST_CASE("replicas of both take no part in a move", "[cluster]") {
    ClusterMap map = map_of_three();
    map.set_target(slot_b, 1);
    CHECK(what(map, {.me = 3, .keys = {"{b}x"}, .request = read_only}) == What::serve);
    CHECK(what(map, {.me = 3, .keys = {"{b}x", "{b}y"}, .request = read_only}) == What::serve);
    CHECK(where(map, {.me = 4,
                      .keys = {"{b}x"},
                      .request = {.is_asking = true, .reads_replicas = true}}) ==
          std::pair{What::moved, std::size_t{0}});
}

TEST_CASE("a cluster that is down is so for slots that move, too", "[cluster]") {
    ClusterMap map = map_of_three();
    map.set_target(slot_b, 1);
    map.set_failed(2);
    CHECK(what(map, {.me = 0, .keys = {"{b}x"}}) == What::down);
    CHECK(what(map, {.me = 1, .keys = {"{b}x"}, .request = asking}) == What::down);
    CHECK(what(map, {.me = 0, .keys = {"{a}s"}}) == What::down);
    CHECK(what(map, {.me = 0, .keys = {"{a}s"}, .request = sharded}) == What::moved);
}
