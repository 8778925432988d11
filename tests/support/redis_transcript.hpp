// SPDX-License-Identifier: MIT
#pragma once

// What a comparison with a real Redis has done lately, and what it says when the two differ.

#include "support/catch.hpp"
#include "support/redis_server.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <iostream>
#include <string>
#include <string_view>
#include <utility>

namespace runnel::test {

using Words = RedisClient::Words;

/// Counts operations, and remembers the last commands that have changed something.
class Transcript {
public:
    /// `most`: how many it remembers.
    explicit Transcript(std::uint64_t seed, std::size_t most = 40) : seed_{seed}, most_{most} {}

    void next_operation() { ++number_; }
    [[nodiscard]] std::size_t operation() const { return number_; }

    /// `client` is who has sent it, if there are several.
    void remember(Words words, std::string client = {}) {
        last_.push_back({std::move(client), std::move(words)});
        if (last_.size() > most_) last_.pop_front();
    }

    /// What comes begins anew, with nothing of what was before.
    void forget() { last_.clear(); }

    /// Fails the test: in operation `number` this command got different replies. Not all in one
    /// FAIL(), which breaks lines.
    void differ(std::size_t number, const Words& words, std::string_view who, const Reply& theirs,
                const Reply& ours) const {
        std::cout << "operation " << number << " of seed " << seed_
                  << ", after these, and what was before:\n";
        for (const auto& [client, before] : last_) {
            std::cout << client;
            print_command(std::cout, before);
        }
        std::cout << "they differ in:\n";
        print_command(std::cout, words);
        std::cout << who << ": " << theirs << "\nrunnel: " << ours << '\n';
        FAIL("runnel and Redis differ, see above");
    }

    void differ(const Words& words, std::string_view who, const Reply& theirs,
                const Reply& ours) const {
        differ(number_, words, who, theirs, ours);
    }

private:
    struct Sent {
        std::string client;
        Words words;
    };

    const std::uint64_t seed_;
    const std::size_t most_;
    std::size_t number_ = 0;
    std::deque<Sent> last_;
};

}  // namespace runnel::test
