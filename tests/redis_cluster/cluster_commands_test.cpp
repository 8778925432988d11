// SPDX-License-Identifier: MIT
// What the nodes of a cluster tell of it and of themselves.

#include <runnel/key_slot.hpp>
#include <runnel/redis/cluster.hpp>
#include <runnel/redis/session.hpp>

#include "support/catch.hpp"
#include "support/fake_replies.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <list>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

using namespace std::chrono_literals;
using runnel::redis::Cluster;
using runnel::redis::ClusterOptions;
using runnel::redis::Reply;
using runnel::redis::Server;
using runnel::redis::ServerOptions;
using runnel::redis::Session;
using runnel::redis::Version;
using runnel::test::bulk;

namespace {

using AskedFor = std::initializer_list<std::string_view>;

// Three masters with a replica each, and a client of each node.
struct ToldCluster {
    explicit ToldCluster(const ClusterOptions& options = {.masters = 3, .replicas = 1})
        : cluster{options} {
        for (std::size_t number = 0; number != cluster.size(); ++number)
            clients.emplace_back(cluster.node(number));
    }

    Cluster cluster;
    std::list<Session> clients{};

    Session& at(std::size_t node) { return *std::next(clients.begin(), static_cast<long>(node)); }
    Reply ask(std::size_t node, AskedFor words) { return *at(node).execute(words); }
    std::string text(std::size_t node, AskedFor words) { return ask(node, words).text(); }
    std::string id(std::size_t node) { return text(node, {"CLUSTER", "MYID"}); }

    // A line of CLUSTER INFO at a node; "none" if it is not there.
    std::string info(std::size_t node, const std::string& name) {
        const std::string all = "\n" + text(node, {"CLUSTER", "INFO"});
        const std::size_t at = all.find("\n" + name + ":");
        if (at == std::string::npos) return "none";
        const std::size_t begin = at + name.size() + 2;
        return all.substr(begin, all.find('\r', begin) - begin);
    }
    // The number of messages that a node has sent and received.
    std::string counts(std::size_t node, const std::string& kind) {
        const std::string name = "cluster_stats_messages_" + kind;
        return info(node, name + "_sent") + ' ' + info(node, name + "_received");
    }
    // Of CLUSTER NODES at a node: the line of another one.
    std::string line(std::size_t node, std::size_t of) {
        const std::string all = text(node, {"CLUSTER", "NODES"});
        const std::size_t at = all.find(id(of) + " 127.0.0.1:");
        return all.substr(at, all.find('\n', at) - at);
    }
};

// A node in CLUSTER SLOTS.
Reply node_reply(ToldCluster& told, std::size_t node, bool is_resp3 = false) {
    return Reply::array({bulk("127.0.0.1"), Reply::integer(static_cast<std::int64_t>(7000 + node)),
                         bulk(told.id(node)), is_resp3 ? Reply::map({}) : Reply::array({})});
}
Reply range_reply(std::int64_t first, std::int64_t last, std::vector<Reply> nodes) {
    nodes.insert(nodes.begin(), {Reply::integer(first), Reply::integer(last)});
    return Reply::array(std::move(nodes));
}

// A node in CLUSTER SHARDS.
Reply shard_node(ToldCluster& told, std::size_t node, std::string_view role,
                 std::string_view health = "online") {
    return Reply::array({bulk("id"), bulk(told.id(node)), bulk("port"),
                         Reply::integer(static_cast<std::int64_t>(7000 + node)), bulk("ip"),
                         bulk("127.0.0.1"), bulk("endpoint"), bulk("127.0.0.1"), bulk("role"),
                         bulk(role), bulk("replication-offset"), Reply::integer(0), bulk("health"),
                         bulk(health)});
}
Reply shard_reply(std::initializer_list<std::int64_t> slots, std::vector<Reply> nodes) {
    std::vector<Reply> bounds;
    for (const std::int64_t slot : slots) bounds.push_back(Reply::integer(slot));
    return Reply::array({bulk("slots"), Reply::array(std::move(bounds)), bulk("nodes"),
                         Reply::array(std::move(nodes))});
}

bool is_id(const std::string& text) {
    return text.size() == 40 && text.find_first_not_of("0123456789abcdef") == std::string::npos;
}

const Reply disabled = Reply::error("ERR This instance has cluster support disabled");

}  // namespace

// ---- who is who

TEST_CASE("each node has an id of its own, and the nodes of a shard one in common", "[cluster]") {
    ToldCluster told;
    std::set<std::string> ids;
    std::vector<std::string> shards;
    for (std::size_t node = 0; node != 6; ++node) {
        CHECK(is_id(told.id(node)));
        ids.insert(told.id(node));
        shards.push_back(told.text(node, {"CLUSTER", "MYSHARDID"}));
        CHECK(is_id(shards.back()));
        ids.insert(shards.back());
    }
    CHECK(ids.size() == 6 + 3);
    CHECK(shards[0] == shards[3]);
    CHECK(shards[1] == shards[4]);
    CHECK(shards[2] == shards[5]);
}

TEST_CASE("the same seed gives the same ids", "[cluster]") {
    const auto id_with = [](std::uint64_t seed) {
        return ToldCluster{{.nodes = {.seed = seed}}}.id(2);
    };
    CHECK(id_with(1) == id_with(1));
    CHECK(id_with(1) != id_with(2));
}

TEST_CASE("CLUSTER MYSHARDID came with 7.2", "[cluster]") {
    const auto answer_of = [](Version version) {
        return ToldCluster{{.nodes = {.version = version}}}.ask(0, {"CLUSTER", "MYSHARDID"});
    };
    CHECK(answer_of(Version::redis_7_0) ==
          Reply::error("ERR unknown subcommand 'MYSHARDID'. Try CLUSTER HELP."));
    CHECK(is_id(answer_of(Version::redis_7_2).text()));
    CHECK(is_id(answer_of(Version::valkey_8).text()));
}

// ---- CLUSTER SLOTS

TEST_CASE("CLUSTER SLOTS lists each range with its master and replicas, on each node",
          "[cluster]") {
    ToldCluster told;
    const Reply all =
        Reply::array({range_reply(0, 5460, {node_reply(told, 0), node_reply(told, 3)}),
                      range_reply(5461, 10922, {node_reply(told, 1), node_reply(told, 4)}),
                      range_reply(10923, 16383, {node_reply(told, 2), node_reply(told, 5)})});
    for (const std::size_t node : {0U, 2U, 4U}) CHECK(told.ask(node, {"CLUSTER", "SLOTS"}) == all);
}

TEST_CASE("by RESP3 what else it says of a node is a map", "[cluster]") {
    ToldCluster told{{.masters = 1}};
    told.ask(0, {"HELLO", "3"});
    CHECK(told.ask(0, {"CLUSTER", "SLOTS"}) ==
          Reply::array({range_reply(0, 16383, {node_reply(told, 0, true)})}));
}

TEST_CASE("CLUSTER SLOTS is by slots, not by nodes, and leaves out those that nobody serves",
          "[cluster]") {
    ToldCluster told{{.masters = 2}};
    told.cluster.move_slot(3300, 1);
    told.cluster.unassign_slot(0);
    CHECK(told.ask(0, {"CLUSTER", "SLOTS"}) ==
          Reply::array({range_reply(1, 3299, {node_reply(told, 0)}),
                        range_reply(3300, 3300, {node_reply(told, 1)}),
                        range_reply(3301, 8191, {node_reply(told, 0)}),
                        range_reply(8192, 16383, {node_reply(told, 1)})}));
}

TEST_CASE("CLUSTER SLOTS lists a master that has failed, but no such replica", "[cluster]") {
    ToldCluster told{{.masters = 1, .replicas = 2}};
    const auto nodes = [&](std::vector<Reply> of) {
        return Reply::array({range_reply(0, 16383, std::move(of))});
    };
    const std::vector<Reply> all{node_reply(told, 0), node_reply(told, 1), node_reply(told, 2)};
    told.cluster.fail(1);
    CHECK(told.ask(2, {"CLUSTER", "SLOTS"}) == nodes({all[0], all[2]}));
    told.cluster.fail(0);
    CHECK(told.ask(2, {"CLUSTER", "SLOTS"}) == nodes({all[0], all[2]}));
    told.cluster.fail_over(2);
    CHECK(told.ask(2, {"CLUSTER", "SLOTS"}) == nodes({all[2]}));
    told.cluster.restart(0);
    CHECK(told.ask(2, {"CLUSTER", "SLOTS"}) == nodes({all[2], all[0]}));
}

// ---- CLUSTER SHARDS

TEST_CASE("CLUSTER SHARDS lists each master with its slots and replicas", "[cluster]") {
    ToldCluster told;
    told.cluster.move_slot(3300, 1);
    CHECK(told.ask(4, {"CLUSTER", "SHARDS"}) ==
          Reply::array({shard_reply({0, 3299, 3301, 5460}, {shard_node(told, 0, "master"),
                                                            shard_node(told, 3, "replica")}),
                        shard_reply({3300, 3300, 5461, 10922}, {shard_node(told, 1, "master"),
                                                                shard_node(told, 4, "replica")}),
                        shard_reply({10923, 16383}, {shard_node(told, 2, "master"),
                                                     shard_node(told, 5, "replica")})}));
}

TEST_CASE("CLUSTER SHARDS lists nodes that have failed, and masters without slots", "[cluster]") {
    ToldCluster told{{.masters = 2, .replicas = 1}};
    const std::vector<Reply> others{shard_node(told, 1, "master"), shard_node(told, 3, "replica")};
    const Reply failed = shard_node(told, 0, "master", "fail");
    const Reply replica = shard_node(told, 2, "replica");
    const Reply successor = shard_node(told, 2, "master");
    told.cluster.fail(0);
    CHECK(told.ask(1, {"CLUSTER", "SHARDS"}) ==
          Reply::array(
              {shard_reply({0, 8191}, {failed, replica}), shard_reply({8192, 16383}, others)}));
    told.cluster.fail_over(2);
    CHECK(told.ask(1, {"CLUSTER", "SHARDS"}) ==
          Reply::array({shard_reply({}, {failed}), shard_reply({8192, 16383}, others),
                        shard_reply({0, 8191}, {successor})}));
}

TEST_CASE("by RESP3 shards and their nodes are maps", "[cluster]") {
    ToldCluster told{{.masters = 1}};
    told.ask(0, {"HELLO", "3"});
    const Reply shards = told.ask(0, {"CLUSTER", "SHARDS"});
    REQUIRE(shards.elements().size() == 1);
    const Reply& shard = shards.elements()[0];
    CHECK(shard.kind() == Reply::Kind::map);
    CHECK(shard.elements().size() == 4);
    CHECK(shard.elements()[1] == Reply::array({Reply::integer(0), Reply::integer(16383)}));
    CHECK(shard.elements()[3].kind() == Reply::Kind::array);
    CHECK(shard.elements()[3].elements()[0].kind() == Reply::Kind::map);
}

// ---- CLUSTER NODES and REPLICAS

TEST_CASE("CLUSTER NODES has a line for each node", "[cluster]") {
    ToldCluster told{{.masters = 2, .replicas = 1}};
    const std::string now = "1700000000000";
    CHECK(told.text(1, {"CLUSTER", "NODES"}) ==
          told.id(0) + " 127.0.0.1:7000@17000 master - 0 " + now + " 1 connected 0-8191\n" +
              told.id(1) + " 127.0.0.1:7001@17001 myself,master - 0 " + now +
              " 2 connected 8192-16383\n" + told.id(2) + " 127.0.0.1:7002@17002 slave " +
              told.id(0) + " 0 " + now + " 1 connected\n" + told.id(3) +
              " 127.0.0.1:7003@17003 slave " + told.id(1) + " 0 " + now + " 2 connected\n");
    CHECK(told.line(3, 3).find(" myself,slave " + told.id(1) + ' ') != std::string::npos);
}

TEST_CASE("CLUSTER NODES lists ranges and single slots, and raises the epoch of who gets one",
          "[cluster]") {
    ToldCluster told;
    told.cluster.move_slot(3300, 1);
    CHECK_THAT(told.line(2, 0), Catch::Matchers::EndsWith(" 1 connected 0-3299 3301-5460"));
    CHECK_THAT(told.line(2, 1), Catch::Matchers::EndsWith(" 4 connected 3300 5461-10922"));
    CHECK_THAT(told.line(2, 4), Catch::Matchers::EndsWith(" 4 connected"));
}

TEST_CASE("CLUSTER NODES tells of moves only at the two masters", "[cluster]") {
    ToldCluster told;
    told.cluster.begin_move(3300, 1);
    told.cluster.begin_move(6000, 0);
    CHECK_THAT(told.line(0, 0), Catch::Matchers::EndsWith(" 0-5460 [3300->-" + told.id(1) +
                                                          "] [6000-<-" + told.id(1) + "]"));
    CHECK_THAT(told.line(1, 1), Catch::Matchers::EndsWith(" 5461-10922 [3300-<-" + told.id(0) +
                                                          "] [6000->-" + told.id(0) + "]"));
    CHECK_THAT(told.line(1, 0), Catch::Matchers::EndsWith(" 0-5460"));
    for (const std::size_t node : {2U, 3U, 4U})
        CHECK(told.text(node, {"CLUSTER", "NODES"}).find('[') == std::string::npos);
    told.cluster.finish_move(3300);
    CHECK(told.line(0, 0).find("[3300") == std::string::npos);
}

TEST_CASE("CLUSTER NODES says who has failed", "[cluster]") {
    ToldCluster told;
    const std::string of_master = told.id(1);
    const std::string of_replica = told.id(3);
    told.cluster.fail(1);
    told.cluster.fail(3);
    const std::string all = told.text(0, {"CLUSTER", "NODES"});
    CHECK(all.find(of_master + " 127.0.0.1:7001@17001 master,fail - ") != std::string::npos);
    CHECK(all.find(of_replica + " 127.0.0.1:7003@17003 slave,fail " + told.id(0) + ' ') !=
          std::string::npos);
    CHECK(all.find(" 2 disconnected 5461-10922\n") != std::string::npos);
}

TEST_CASE("CLUSTER REPLICAS lists those of a master as CLUSTER NODES does", "[cluster]") {
    ToldCluster told{{.masters = 2, .replicas = 2}};
    const std::string master = told.id(0);
    const Reply both = Reply::array({bulk(told.line(1, 2)), bulk(told.line(1, 3))});
    CHECK(told.ask(1, {"CLUSTER", "REPLICAS", master}) == both);
    CHECK(told.ask(1, {"CLUSTER", "SLAVES", master}) == both);
    CHECK(told.ask(2, {"CLUSTER", "REPLICAS", master}).elements()[0] == bulk(told.line(2, 2)));
    CHECK(told.ask(1, {"CLUSTER", "REPLICAS", told.id(2)}) ==
          Reply::error("ERR The specified node is not a master"));
    CHECK(told.ask(1, {"CLUSTER", "SLAVES", "x"}) == Reply::error("ERR Unknown node x"));
    CHECK(ToldCluster{{.masters = 1}}.ask(0, {"CLUSTER", "REPLICAS", "8EAE"}).is_error());
}

// ---- CLUSTER INFO

TEST_CASE("CLUSTER INFO tells how many slots are served", "[cluster]") {
    ToldCluster told;
    CHECK(told.text(4, {"CLUSTER", "INFO"}) ==
          "cluster_state:ok\r\ncluster_slots_assigned:16384\r\ncluster_slots_ok:16384\r\n"
          "cluster_slots_pfail:0\r\ncluster_slots_fail:0\r\ncluster_known_nodes:6\r\n"
          "cluster_size:3\r\ncluster_current_epoch:3\r\ncluster_my_epoch:2\r\n"
          "cluster_stats_messages_sent:0\r\ncluster_stats_messages_received:0\r\n"
          "total_cluster_links_buffer_limit_exceeded:0\r\n");
    const auto slots = [&] {
        return told.info(0, "cluster_state") + ' ' + told.info(0, "cluster_slots_assigned") + ' ' +
               told.info(0, "cluster_slots_ok") + ' ' + told.info(0, "cluster_slots_fail") + ' ' +
               told.info(0, "cluster_size");
    };
    told.cluster.unassign_slot(3300);
    CHECK(slots() == "fail 16383 16383 0 3");
    told.cluster.move_slot(3300, 1);
    CHECK(slots() == "ok 16384 16384 0 3");
    CHECK(told.info(0, "cluster_current_epoch") == "4");
    CHECK(told.info(0, "cluster_my_epoch") == "1");
    told.cluster.fail(2);
    CHECK(slots() == "fail 16384 10923 5461 3");
    CHECK(told.info(0, "cluster_known_nodes") == "6");
    told.cluster.fail_over(5);
    CHECK(slots() == "ok 16384 16384 0 3");
}

TEST_CASE("CLUSTER INFO counts what PUBLISH sends to all other nodes", "[cluster]") {
    ToldCluster told;
    CHECK(told.counts(0, "publish") == "none none");
    for (int n = 0; n != 3; ++n) told.ask(0, {"PUBLISH", "ch", "m"});
    CHECK(told.counts(0, "publish") == "15 none");
    for (const std::size_t other : {1U, 2U, 3U, 4U, 5U})
        CHECK(told.counts(other, "publish") == "none 3");
    for (int n = 0; n != 2; ++n) told.ask(3, {"PUBLISH", "ch", "m"});
    CHECK(told.counts(3, "publish") == "10 3");
    CHECK(told.counts(0, "publish") == "15 2");
    CHECK(told.counts(5, "publish") == "none 5");
    CHECK(told.info(3, "cluster_stats_messages_sent") == "10");
    CHECK(told.info(3, "cluster_stats_messages_received") == "3");
}

TEST_CASE("CLUSTER INFO counts what SPUBLISH sends within the shard", "[cluster]") {
    ToldCluster told{{.masters = 2, .replicas = 2}};
    told.ask(0, {"SPUBLISH", "{b}ch", "m"});
    CHECK(told.counts(0, "publishshard") == "2 none");
    CHECK(told.counts(2, "publishshard") == "none 1");
    CHECK(told.counts(3, "publishshard") == "none 1");
    CHECK(told.counts(1, "publishshard") == "none none");
    CHECK(told.counts(0, "publish") == "none none");
    told.ask(3, {"SPUBLISH", "{b}ch", "m"});
    CHECK(told.counts(3, "publishshard") == "2 1");
    CHECK(told.counts(0, "publishshard") == "2 1");
    told.ask(1, {"SPUBLISH", "{b}ch", "m"});  // MOVED
    CHECK(told.counts(1, "publishshard") == "none none");
    told.ask(0, {"PUBLISH", "ch", "m"});
    CHECK(told.info(0, "cluster_stats_messages_sent") == "7");
    CHECK(told.info(2, "cluster_stats_messages_received") == "3");
}

TEST_CASE("a shard without replicas, and a cluster of one node, send nothing", "[cluster]") {
    ToldCluster told{{.masters = 2}};
    told.ask(0, {"SPUBLISH", "{b}ch", "m"});
    CHECK(told.counts(0, "publishshard") == "none none");
    ToldCluster alone{{.masters = 1}};
    alone.ask(0, {"PUBLISH", "ch", "m"});
    CHECK(alone.counts(0, "publish") == "none none");
}

TEST_CASE("a transaction counts when it is carried out", "[cluster]") {
    ToldCluster told;
    told.ask(0, {"MULTI"});
    told.ask(0, {"PUBLISH", "ch", "m"});
    told.ask(0, {"SPUBLISH", "{b}ch", "m"});
    CHECK(told.counts(1, "publish") == "none none");
    told.ask(0, {"EXEC"});
    CHECK(told.counts(0, "publish") == "5 none");
    CHECK(told.counts(0, "publishshard") == "1 none");
    told.ask(0, {"MULTI"});
    told.ask(0, {"PUBLISH", "ch", "m"});
    told.ask(0, {"DISCARD"});
    CHECK(told.counts(0, "publish") == "5 none");
}

TEST_CASE("CONFIG RESETSTAT keeps these counts", "[cluster]") {
    ToldCluster told;
    told.ask(0, {"PUBLISH", "ch", "m"});
    told.ask(0, {"CONFIG", "RESETSTAT"});
    CHECK(told.counts(0, "publish") == "5 none");
}

TEST_CASE("a node that has failed gets no message", "[cluster]") {
    ToldCluster told;
    told.cluster.fail(5);
    told.cluster.fail(3);
    told.ask(0, {"PUBLISH", "ch", "m"});
    told.ask(0, {"SPUBLISH", "{b}ch", "m"});
    CHECK(told.counts(0, "publish") == "3 none");
    CHECK(told.counts(0, "publishshard") == "none none");
}

// ---- keys and slots

TEST_CASE("CLUSTER KEYSLOT is for any key, on any node", "[cluster]") {
    ToldCluster told;
    for (const char* const key : {"foo", "foo{bar}x", "", "{}x", "123456789"})
        CHECK(told.ask(4, {"CLUSTER", "KEYSLOT", key}) == Reply::integer(runnel::key_slot(key)));
    CHECK(told.ask(0, {"CLUSTER", "KEYSLOT", "k2"}) == Reply::integer(449));
}

TEST_CASE("a node counts and names the keys of a slot that it has", "[cluster]") {
    ToldCluster told;
    told.ask(0, {"MSET", "k2", "v", "{k2}b", "v"});
    told.ask(0, {"SET", "{b}", "v"});
    for (const std::size_t node : {0U, 3U}) {
        CAPTURE(node);
        CHECK(told.ask(node, {"CLUSTER", "COUNTKEYSINSLOT", "449"}) == Reply::integer(2));
        const Reply names = told.ask(node, {"CLUSTER", "GETKEYSINSLOT", "449", "10"});
        REQUIRE(names.elements().size() == 2);
        CHECK(names.elements()[0] != names.elements()[1]);
        for (const Reply& name : names.elements()) CHECK(runnel::key_slot(name.text()) == 449);
    }
    CHECK(told.ask(0, {"CLUSTER", "GETKEYSINSLOT", "449", "1"}).elements().size() == 1);
    CHECK(told.ask(0, {"CLUSTER", "GETKEYSINSLOT", "449", "0"}) == Reply::array({}));
    CHECK(told.ask(0, {"CLUSTER", "COUNTKEYSINSLOT", "0"}) == Reply::integer(0));
    CHECK(told.ask(1, {"CLUSTER", "COUNTKEYSINSLOT", "449"}) == Reply::integer(0));
    CHECK(told.ask(1, {"CLUSTER", "GETKEYSINSLOT", "449", "9"}) == Reply::array({}));
}

TEST_CASE("slots and numbers of keys have to be such", "[cluster]") {
    ToldCluster told;
    const Reply no_integer = Reply::error("ERR value is not an integer or out of range");
    for (const char* const slot : {"99999", "-1", "16384"}) {
        CHECK(told.ask(0, {"CLUSTER", "COUNTKEYSINSLOT", slot}) ==
              Reply::error("ERR Invalid slot"));
        CHECK(told.ask(0, {"CLUSTER", "GETKEYSINSLOT", slot, "1"}) ==
              Reply::error("ERR Invalid slot or number of keys"));
    }
    CHECK(told.ask(0, {"CLUSTER", "COUNTKEYSINSLOT", "x"}) == no_integer);
    CHECK(told.ask(0, {"CLUSTER", "GETKEYSINSLOT", "x", "1"}) == no_integer);
    CHECK(told.ask(0, {"CLUSTER", "GETKEYSINSLOT", "99999", "y"}) == no_integer);
    CHECK(told.ask(0, {"CLUSTER", "GETKEYSINSLOT", "1", "-1"}) ==
          Reply::error("ERR Invalid slot or number of keys"));
    CHECK(told.ask(0, {"CLUSTER", "COUNTKEYSINSLOT", "16383"}) == Reply::integer(0));
}

// ---- words

TEST_CASE("CLUSTER looks at its words before anything else", "[cluster]") {
    ToldCluster told{{.masters = 1}};
    Server alone;
    Session client{alone};
    const auto check = [&](AskedFor words, const std::string& error) {
        CAPTURE(error);
        CHECK(told.ask(0, words) == Reply::error(error));
        CHECK(client.execute(words) == Reply::error(error));
    };
    const auto wrong_number = [](const std::string& name) {
        return "ERR wrong number of arguments for '" + name + "' command";
    };
    check({"CLUSTER"}, wrong_number("cluster"));
    check({"CLUSTER", "KEYSLOT"}, wrong_number("cluster|keyslot"));
    check({"cluster", "keyslot", "a", "b"}, wrong_number("cluster|keyslot"));
    check({"CLUSTER", "slots", "x"}, wrong_number("cluster|slots"));
    check({"CLUSTER", "SHARDS", "x"}, wrong_number("cluster|shards"));
    check({"CLUSTER", "NODES", "x"}, wrong_number("cluster|nodes"));
    check({"CLUSTER", "INFO", "x"}, wrong_number("cluster|info"));
    check({"CLUSTER", "MYID", "x"}, wrong_number("cluster|myid"));
    check({"CLUSTER", "HELP", "x"}, wrong_number("cluster|help"));
    check({"CLUSTER", "REPLICAS"}, wrong_number("cluster|replicas"));
    check({"CLUSTER", "GETKEYSINSLOT", "1"}, wrong_number("cluster|getkeysinslot"));
    check({"CLUSTER", "NoSuch", "a"}, "ERR unknown subcommand 'NoSuch'. Try CLUSTER HELP.");
    check({"ASKING", "x"}, wrong_number("asking"));
    check({"READONLY", "x"}, wrong_number("readonly"));
    check({"READWRITE", "x"}, wrong_number("readwrite"));
}

TEST_CASE("CLUSTER HELP lists what there is", "[cluster]") {
    ToldCluster told{{.masters = 1}};
    const Reply help = told.ask(0, {"CLUSTER", "HELP"});
    CHECK(help.elements().front() ==
          Reply::simple_string("CLUSTER <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    std::vector<std::string> names;
    for (const Reply& line : help.elements())
        if (!line.text().starts_with(' ')) names.push_back(line.text());
    for (std::size_t at = 1; at != names.size(); ++at) {
        const std::string name = names[at].substr(0, names[at].find(' '));
        CHECK(told.ask(0, {"COMMAND", "INFO", "cluster|" + name}).elements()[0].kind() ==
              Reply::Kind::array);
    }
    CHECK(names.size() == 1 + 11);
}

TEST_CASE("ASKING, READONLY and READWRITE are OK on any node, and in a transaction", "[cluster]") {
    ToldCluster told;
    const Reply ok = Reply::simple_string("OK");
    for (const std::size_t node : {0U, 3U})
        for (const char* const name : {"ASKING", "READONLY", "READWRITE"})
            CHECK(told.ask(node, {name}) == ok);
    const Reply id = told.ask(0, {"CLUSTER", "MYID"});
    told.ask(0, {"MULTI"});
    for (const char* const name : {"READONLY", "READWRITE", "ASKING"}) told.ask(0, {name});
    told.ask(0, {"CLUSTER", "MYID"});
    CHECK(told.ask(0, {"EXEC"}) == Reply::array({ok, ok, ok, id}));
}

TEST_CASE("a server that stands alone has no cluster support", "[cluster]") {
    Server server;
    Session client{server};
    for (const char* const name : {"SLOTS", "SHARDS", "NODES", "INFO", "MYID", "MYSHARDID", "HELP"})
        CHECK(client.execute({"CLUSTER", name}) == disabled);
    CHECK(client.execute({"CLUSTER", "KEYSLOT", "foo"}) == disabled);
    CHECK(client.execute({"CLUSTER", "COUNTKEYSINSLOT", "1"}) == disabled);
    CHECK(client.execute({"CLUSTER", "GETKEYSINSLOT", "1", "1"}) == disabled);
    CHECK(client.execute({"CLUSTER", "REPLICAS", "x"}) == disabled);
    CHECK(client.execute({"CLUSTER", "SLAVES", "x"}) == disabled);
    for (const char* const name : {"ASKING", "READONLY", "READWRITE"})
        CHECK(client.execute({name}) == disabled);
    client.execute({"MULTI"});
    CHECK(client.execute({"CLUSTER", "SLOTS"}) == Reply::simple_string("QUEUED"));
    CHECK(client.execute({"READONLY"}) == Reply::simple_string("QUEUED"));
    CHECK(client.execute({"EXEC"}) == Reply::array({disabled, disabled}));
}

TEST_CASE("a server that stands alone has all slots and databases", "[cluster]") {
    Server server;
    Session client{server};
    CHECK(client.execute({"MSET", "{a}", "v", "{b}", "v"}) == Reply::simple_string("OK"));
    CHECK(client.execute({"SELECT", "1"}) == Reply::simple_string("OK"));
    CHECK(client.execute({"SSUBSCRIBE", "a", "b"}) == std::nullopt);
}

// ---- what else tells of the cluster

TEST_CASE("HELLO names the mode and the role", "[cluster]") {
    ToldCluster told;
    const auto mode_and_role = [&](std::size_t node) {
        const Reply hello = told.ask(node, {"HELLO", "2"});
        return hello.elements()[9].text() + ' ' + hello.elements()[11].text();
    };
    CHECK(mode_and_role(0) == "cluster master");
    CHECK(mode_and_role(3) == "cluster replica");
    told.cluster.fail_over(3);
    CHECK(mode_and_role(0) == "cluster replica");
    CHECK(mode_and_role(3) == "cluster master");
    Server server;
    Session client{server};
    CHECK(client.execute({"HELLO"})->elements()[9] == bulk("standalone"));
}

TEST_CASE("ROLE names the replicas, or the master", "[cluster]") {
    ToldCluster told{{.masters = 1, .replicas = 2}};
    const auto replica = [](std::string_view port) {
        return Reply::array({bulk("127.0.0.1"), bulk(port), bulk("0")});
    };
    CHECK(told.ask(0, {"ROLE"}) ==
          Reply::array({bulk("master"), Reply::integer(0),
                        Reply::array({replica("7001"), replica("7002")})}));
    const auto slave = [](std::string_view state) {
        return Reply::array({bulk("slave"), bulk("127.0.0.1"), Reply::integer(7000), bulk(state),
                             Reply::integer(0)});
    };
    CHECK(told.ask(2, {"ROLE"}) == slave("connected"));
    told.cluster.fail(1);
    CHECK(told.ask(0, {"ROLE"}) ==
          Reply::array({bulk("master"), Reply::integer(0), Reply::array({replica("7002")})}));
    told.cluster.fail(0);
    CHECK(told.ask(2, {"ROLE"}) == slave("connect"));
}

TEST_CASE("INFO of a node tells of its cluster", "[cluster]") {
    ToldCluster told{{.masters = 2, .replicas = 1}};
    const auto has = [&](std::size_t node, const std::string& line) {
        return told.text(node, {"INFO"}).find("\r\n" + line + "\r\n") != std::string::npos;
    };
    for (const std::size_t node : {0U, 3U}) {
        CHECK(has(node, "cluster_enabled:1"));
        CHECK(has(node, "redis_mode:cluster"));
    }
    CHECK(has(0, "tcp_port:7000"));
    CHECK(has(3, "tcp_port:7003"));
    CHECK(has(0, "role:master"));
    CHECK(has(0, "connected_slaves:1"));
    CHECK(has(0, "slave0:ip=127.0.0.1,port=7002,state=online,offset=0,lag=0"));
    CHECK(has(3, "role:slave"));
    CHECK(has(3, "master_port:7001"));
    CHECK(has(3, "master_link_status:up"));
    CHECK(has(3, "connected_slaves:0"));
    told.cluster.fail(1);
    CHECK(has(3, "master_link_status:down"));
}

TEST_CASE("CONFIG GET knows that a node is one, and its port", "[cluster]") {
    ToldCluster told;
    CHECK(told.ask(4, {"CONFIG", "GET", "cluster-enabled"}) ==
          Reply::array({bulk("cluster-enabled"), bulk("yes")}));
    CHECK(told.ask(4, {"CONFIG", "GET", "port"}) == Reply::array({bulk("port"), bulk("7004")}));
    CHECK(told.ask(4, {"CONFIG", "SET", "cluster-enabled", "no"}).is_error());
    Server server;
    Session client{server};
    CHECK(client.execute({"CONFIG", "GET", "cluster-enabled"}) ==
          Reply::array({bulk("cluster-enabled"), bulk("no")}));
    CHECK(client.execute({"CONFIG", "GET", "port"}) == Reply::array({bulk("port"), bulk("6379")}));
}

TEST_CASE("CLIENT LIST knows who has sent READONLY, and the address of the node", "[cluster]") {
    ToldCluster told;
    const auto has = [&](const std::string& field) {
        return told.text(3, {"CLIENT", "LIST"}).find(' ' + field + ' ') != std::string::npos;
    };
    CHECK(has("flags=N"));
    CHECK(has("laddr=127.0.0.1:7003"));
    told.ask(3, {"READONLY"});
    CHECK(has("flags=r"));
    told.ask(3, {"READWRITE"});
    CHECK(has("flags=N"));
    CHECK(told.ask(3, {"CLIENT", "KILL", "LADDR", "127.0.0.1:7002", "SKIPME", "no"}) ==
          Reply::integer(0));
    CHECK(told.ask(3, {"CLIENT", "KILL", "LADDR", "127.0.0.1:7003", "SKIPME", "no"}) ==
          Reply::integer(1));
}

TEST_CASE("clients are known at their own node only", "[cluster]") {
    ToldCluster told;
    Session other{told.cluster.node(0)};
    const std::string all = told.text(0, {"CLIENT", "LIST"});
    CHECK(all.find("id=1 ") != std::string::npos);
    CHECK(all.find("id=2 ") != std::string::npos);
    CHECK(told.text(1, {"CLIENT", "LIST"}).find("id=2 ") == std::string::npos);
}

TEST_CASE("another host and other ports are told everywhere", "[cluster]") {
    ToldCluster told{{.masters = 2, .replicas = 1, .host = "redis.test", .first_port = 6000}};
    CHECK(told.ask(0, {"GET", "{a}"}) == Reply::error("MOVED 15495 redis.test:6001"));
    const Reply slots = told.ask(0, {"CLUSTER", "SLOTS"});
    const Reply& node = slots.elements()[1].elements()[3];
    CHECK(node.elements()[0] == bulk("redis.test"));
    CHECK(node.elements()[1] == Reply::integer(6003));
    const std::string nodes = told.text(0, {"CLUSTER", "NODES"});
    CHECK(nodes.find(" redis.test:6003@16003 ") != std::string::npos);
}
