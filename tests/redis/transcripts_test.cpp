// SPDX-License-Identifier: MIT
// Plays all transcripts to the fake of Redis: see README.md.

#include <runnel/redis.hpp>

#include "redis/transcript_host.hpp"
#include "support/catch.hpp"

#include <chrono>
#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

using namespace runnel::test;
namespace redis = runnel::redis;

namespace {

const std::filesystem::path beside_this_file = std::filesystem::path{__FILE__}.parent_path();

// A server of its own for each transcript.
class FakeHost {
public:
    FakeHost() {
        for (const char session : {'A', 'B', 'C', 'D', 'S'}) clients_.try_emplace(session, server_);
    }

    void submit(char session, const std::vector<std::string>& words) {
        clients_.at(session).submit(words);
    }
    std::vector<redis::Reply> take_outputs(char session) {
        return clients_.at(session).take_outputs();
    }
    bool is_blocked(char session) { return clients_.at(session).is_blocked(); }
    bool is_closed(char session) { return clients_.at(session).is_closed(); }
    std::int64_t client_id(char session) { return clients_.at(session).id(); }
    std::int64_t now() { return unix_ms(server_.clock()); }
    void advance(std::chrono::milliseconds time) { server_.advance(time); }

private:
    redis::Server server_;
    std::map<char, TranscriptClient> clients_;
};

}  // namespace

TEST_CASE("the fake answers as a real Redis did", "[redis][transcripts]") {
    static const TranscriptFiles files = read_transcripts(beside_this_file / "transcripts");
    play_all<FakeHost>(files);
}

TEST_CASE("the fake answers as it should", "[redis][transcripts]") {
    static const TranscriptFiles files = read_transcripts(beside_this_file / "more_transcripts");
    play_all<FakeHost>(files);
}
