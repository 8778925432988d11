// SPDX-License-Identifier: MIT
#pragma once

// What plays the transcripts of a folder to fakes of Redis.

#include <runnel/abstract_clock.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/server.hpp>
#include <runnel/redis/session.hpp>

#include "redis/transcript.hpp"
#include "redis/transcript_run.hpp"
#include "support/catch.hpp"

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

namespace runnel::test {

/// A client of a transcript.
class TranscriptClient {
public:
    explicit TranscriptClient(redis::Server& server) : session_{server} {}

    void submit(const std::vector<std::string>& words) { last_ = session_.submit(words); }
    std::vector<redis::Reply> take_outputs() {
        std::vector<redis::Reply> outputs = session_.outputs();
        outputs.erase(outputs.begin(), outputs.begin() + taken_);
        taken_ += static_cast<std::ptrdiff_t>(outputs.size());
        return outputs;
    }
    bool is_blocked() { return last_ && !last_->ready(); }
    bool is_closed() { return session_.is_closed(); }
    std::int64_t id() { return session_.id(); }

private:
    redis::Session session_;
    std::optional<redis::Pending> last_{};
    std::ptrdiff_t taken_ = 0;
};

inline std::int64_t unix_ms(const Clock& clock) {
    const auto since = clock.wall().time_since_epoch();
    return std::chrono::floor<std::chrono::milliseconds>(since).count();
}

/// They are read once, though a test case begins anew for each of its sections.
using TranscriptFiles = std::map<std::string, std::vector<Transcript>>;  // by their names

inline TranscriptFiles read_transcripts(const std::filesystem::path& folder) {
    TranscriptFiles files;
    for (const auto& entry : std::filesystem::directory_iterator{folder}) {
        std::ifstream file{entry.path()};
        std::stringstream text;
        text << file.rdbuf();
        files.emplace(entry.path().filename().string(), TranscriptParser::parse(text.str()));
    }
    return files;
}

/// Each to a host of its own.
template <typename Host>
void play_all(const TranscriptFiles& files) {
    CHECK_FALSE(files.empty());
    for (const auto& [name, transcripts] : files) {
        INFO(name);
        CHECK_FALSE(transcripts.empty());
        for (const Transcript& transcript : transcripts) {
            DYNAMIC_SECTION(transcript.name << ": " << transcript.title) {
                Host host;
                CHECK(TranscriptRun<Host>{host}.run(transcript) == "");
            }
        }
    }
}

}  // namespace runnel::test
