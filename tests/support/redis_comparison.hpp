// SPDX-License-Identifier: MIT
#pragma once

// Commands for a real Redis, and what is expected of it.

#include <runnel/consumer_group.hpp>
#include <runnel/error.hpp>
#include <runnel/stream.hpp>

#include "support/catch.hpp"
#include "support/redis_changes.hpp"
#include "support/redis_server.hpp"
#include "support/redis_transcript.hpp"
#include "support/stream_reckoning.hpp"
#include "support/stress_tally.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <iostream>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::test {

// ------------------------------------------------------------------ the comparison

// Commands for the server and what is expected of them; sent many at a time.
class Comparison {
public:
    explicit Comparison(std::uint64_t seed) : transcript_{seed} {
        while (age_ != newest && !lacks(*reckoning_changes[age_])) ++age_;
    }

    [[nodiscard]] bool lacks(const Change& change) const { return differences_.lacks(change); }
    [[nodiscard]] std::size_t age() const { return age_; }

    // The next reply is foretold by what was before `change`, not by runnel's result.
    void excuse(const Change& change) { differences_.excuse(change); }

    void next_operation(const char* name) {
        if (commands_.size() >= at_a_time) send();
        transcript_.next_operation();
        operation_ = name;
        note("times");
    }

    // What became of the operation, for the table at the end.
    void note(const char* outcome) { tally_.add(operation_, outcome); }

    using Read = Reply (*)(const Reply&);

    // What changes something is remembered, to be shown should anything differ later on.
    void command(Words words, Reply expected) {
        ask(std::move(words), std::move(expected));
        questions_.back().changes = true;
    }

    // A server without `change` may also say `older`.
    void command(Words words, Reply expected, const Change& change, Reply older) {
        command(std::move(words), std::move(expected));
        if (lacks(change)) questions_.back().older = {&change, std::move(older)};
    }

    // `read` makes the server's reply comparable.
    void ask(Words words, Reply expected, Read read = nullptr) {
        commands_.push_back(std::move(words));
        questions_.push_back({std::move(expected), read, transcript_.operation()});
    }

    void send() {
        std::vector<Reply> replies = server_.pipeline(commands_);
        for (std::size_t at = 0; at != replies.size(); ++at) {
            const Question& question = questions_[at];
            Reply& reply = replies[at];
            if (question.read != nullptr) reply = question.read(reply);
            if (reply != question.expected && !is_excused(question, reply))
                transcript_.differ(question.number, commands_[at], "Redis", reply,
                                   question.expected);
            if (question.changes) transcript_.remember(std::move(commands_[at]));
        }
        commands_.clear();
        questions_.clear();
    }

    // Of what the server is asked next: what runnel says must be what the newest Redis would.
    void require(const Words& question, const Reply& newest_redis, const Reply& ours) {
        if (newest_redis == ours) return;
        send();
        transcript_.differ(question, "Redis, the newest", newest_redis, ours);
    }

    void print_figures() const { std::cout << tally_ << differences_; }

private:
    static constexpr std::size_t at_a_time = 500;

    struct Question {
        Reply expected;
        Read read;
        std::size_t number;
        bool changes = false;
        std::pair<const Change*, Reply> older{};
    };

    bool is_excused(const Question& question, const Reply& reply) {
        const auto& [change, older] = question.older;
        return change != nullptr && differences_.excuses(*change, reply == older);
    }

    RedisServer server_;
    Differences differences_{server_.version()};
    Transcript transcript_;
    std::size_t age_ = 0;
    const char* operation_ = "";
    std::vector<Words> commands_;
    std::vector<Question> questions_;
    Tally tally_;
};

}  // namespace runnel::test
