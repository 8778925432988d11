// SPDX-License-Identifier: MIT
// Plays transcripts to the fake of a Redis cluster: see README.md.

#include <runnel/redis/cluster.hpp>
#include <runnel/redis/session.hpp>

#include "redis/transcript_host.hpp"
#include "support/catch.hpp"

#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

using namespace runnel::test;
namespace redis = runnel::redis;

namespace {

const std::filesystem::path cluster_folder = std::filesystem::path{__FILE__}.parent_path();

// A cluster of its own for each transcript: three masters, and a replica of each.
class ClusterHost {
public:
    void submit(char session, const std::vector<std::string>& words) {
        client_of(session).submit(words);
    }
    std::vector<redis::Reply> take_outputs(char session) {
        return client_of(session).take_outputs();
    }
    bool is_blocked(char session) { return client_of(session).is_blocked(); }
    bool is_closed(char session) { return client_of(session).is_closed(); }
    std::int64_t client_id(char session) { return client_of(session).id(); }
    std::int64_t now() { return unix_ms(cluster_->clock()); }
    void advance(std::chrono::milliseconds time) { cluster_->advance(time); }

    // The functions of Cluster by their names. `cluster 3 2`: the transcript is about another one,
    // of three masters and two replicas of each.
    void operate(const std::vector<std::string>& words) {
        const std::string& name = words.at(0);
        if (name == "cluster") return begin(number(words, 1), number(words, 2));
        if (name == "move_slot") return cluster_->move_slot(slot(words), number(words, 2));
        if (name == "begin_move") return cluster_->begin_move(slot(words), number(words, 2));
        if (name == "finish_move") return cluster_->finish_move(slot(words));
        if (name == "unassign_slot") return cluster_->unassign_slot(slot(words));
        if (name == "fail") return cluster_->fail(number(words, 1));
        if (name == "restart") return cluster_->restart(number(words, 1));
        if (name == "fail_over") return cluster_->fail_over(number(words, 1));
        if (name != "move_key") throw BadTranscript{"unknown operation: " + name};
        if (!cluster_->move_key(words.at(1))) throw BadTranscript{"no such key: " + words[1]};
    }

private:
    void begin(std::size_t masters, std::size_t replicas) {
        clients_.clear();
        cluster_ = std::make_unique<redis::Cluster>(
            redis::ClusterOptions{.masters = masters, .replicas = replicas});
    }

    // Connects when it is first needed.
    TranscriptClient& client_of(char session) {
        const auto found = clients_.find(session);
        if (found != clients_.end()) return found->second;
        return clients_.try_emplace(session, cluster_->node(node_of(session))).first->second;
    }
    static std::size_t node_of(char session) {
        constexpr std::string_view nodes[] = {"ABEFGHXYZ", "CIJK", "DL", "RPQ", "TU", "VW"};
        std::size_t node = 0;
        while (nodes[node].find(session) == std::string_view::npos) ++node;
        return node;
    }

    static std::size_t number(const std::vector<std::string>& words, std::size_t at) {
        const std::string& word = words.at(at);
        std::size_t value = 0;
        const auto [end, problem] = std::from_chars(word.data(), word.data() + word.size(), value);
        if (problem != std::errc{} || end != word.data() + word.size())
            throw BadTranscript{"no number: " + word};
        return value;
    }
    static std::uint16_t slot(const std::vector<std::string>& words) {
        return static_cast<std::uint16_t>(number(words, 1));
    }

    std::unique_ptr<redis::Cluster> cluster_ =
        std::make_unique<redis::Cluster>(redis::ClusterOptions{.masters = 3, .replicas = 1});
    std::map<char, TranscriptClient> clients_{};
};

}  // namespace

TEST_CASE("the nodes of a cluster answer as those of a real one did", "[redis][cluster]") {
    static const TranscriptFiles files = read_transcripts(cluster_folder / "transcripts");
    play_all<ClusterHost>(files);
}
