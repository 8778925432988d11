// SPDX-License-Identifier: MIT
// Plays all transcripts to the fake of Redis: see README.md.

#include <runnel/redis.hpp>

#include "redis/transcript_run.hpp"
#include "support/catch.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
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
        Client& client = clients_.at(session);
        client.last = client.session.submit(words);
    }
    std::vector<redis::Reply> take_outputs(char session) {
        Client& client = clients_.at(session);
        std::vector<redis::Reply> outputs = client.session.outputs();
        outputs.erase(outputs.begin(), outputs.begin() + client.taken);
        client.taken += static_cast<std::ptrdiff_t>(outputs.size());
        return outputs;
    }
    bool is_blocked(char session) {
        const auto& last = clients_.at(session).last;
        return last && !last->ready();
    }
    bool is_closed(char session) { return clients_.at(session).session.is_closed(); }
    std::int64_t client_id(char session) { return clients_.at(session).session.id(); }
    std::int64_t now() {
        const auto since = server_.clock().wall().time_since_epoch();
        return std::chrono::floor<std::chrono::milliseconds>(since).count();
    }
    void advance(std::chrono::milliseconds time) { server_.advance(time); }

private:
    struct Client {
        explicit Client(redis::Server& server) : session{server} {}

        redis::Session session;
        std::optional<redis::Pending> last{};
        std::ptrdiff_t taken = 0;
    };

    redis::Server server_;
    std::map<char, Client> clients_;
};

std::vector<Transcript> read(const std::filesystem::path& path) {
    std::ifstream file{path};
    std::stringstream text;
    text << file.rdbuf();
    return TranscriptParser::parse(text.str());
}

// They are read once, though a test case begins anew for each of its sections.
using Files = std::map<std::string, std::vector<Transcript>>;  // by their names

Files read_all_of(const std::string& folder) {
    Files files;
    for (const auto& entry : std::filesystem::directory_iterator{beside_this_file / folder})
        files.emplace(entry.path().filename().string(), read(entry.path()));
    return files;
}

void play_all_of(const Files& files) {
    CHECK_FALSE(files.empty());
    for (const auto& [name, transcripts] : files) {
        INFO(name);
        CHECK_FALSE(transcripts.empty());
        for (const Transcript& transcript : transcripts) {
            DYNAMIC_SECTION(transcript.name << ": " << transcript.title) {
                FakeHost host;
                CHECK(TranscriptRun<FakeHost>{host}.run(transcript) == "");
            }
        }
    }
}

}  // namespace

TEST_CASE("the fake answers as a real Redis did", "[redis][transcripts]") {
    static const Files files = read_all_of("transcripts");
    play_all_of(files);
}

TEST_CASE("the fake answers as it should", "[redis][transcripts]") {
    static const Files files = read_all_of("more_transcripts");
    play_all_of(files);
}
