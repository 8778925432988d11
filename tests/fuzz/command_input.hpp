// SPDX-License-Identifier: MIT
#pragma once

// What must be true of a server, whatever its clients send. An input is text: each line has a
// letter for its session, a blank, and the words of a command; `+` and a number is a time in
// milliseconds. The first letter of all says which version the server stands for.

#include <runnel/redis.hpp>

#include "fuzz/codec_input.hpp"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::test {

class CommandInput {
public:
    // The log of all that was done, which depends on the input alone.
    [[nodiscard]] static std::string run(std::string_view input) {
        CommandInput one{input};
        one.carry_out();
        return one.server_->log_text();
    }

private:
    static constexpr std::size_t session_count = 3;
    static constexpr std::size_t most_lines = 64;

    explicit CommandInput(std::string_view input) : left_{input} {
        const auto first = static_cast<std::size_t>(input.empty() ? 0 : input.front());
        server_.emplace(redis::ServerOptions{.version = static_cast<redis::Version>(first % 11),
                                             .keep_commands = 1000,
                                             .keep_history = true});
        for (std::size_t number = 0; number != session_count; ++number) open(number);
    }

    void open(std::size_t number) {
        sessions_[number] = std::make_unique<redis::Session>(*server_);
        waits_[number].reset();
    }

    void carry_out() {
        for (std::size_t lines = 0; lines != most_lines && !left_.empty(); ++lines) {
            const std::string_view line = left_.substr(0, left_.find('\n'));
            left_.remove_prefix(std::min(left_.size(), line.size() + 1));
            carry_out(line);
            look();
        }
    }

    void carry_out(std::string_view line) {
        if (line.empty()) return;
        if (line.front() == '+') {
            const std::string number{line.substr(1, 9)};
            server_->advance(std::chrono::milliseconds{std::strtoul(number.c_str(), nullptr, 10)});
            return;
        }
        const std::size_t session = static_cast<unsigned char>(line.front()) % session_count;
        std::vector<std::string> words = words_of(line.substr(1));
        if (words.empty() || takes_too_much(words)) return;
        if (sessions_[session]->is_closed()) open(session);
        waits_[session] = sessions_[session]->submit(words);
    }

    static std::vector<std::string> words_of(std::string_view text) {
        std::vector<std::string> words;
        while (!text.empty()) {
            const std::string_view word = text.substr(0, text.find(' '));
            if (!word.empty()) words.emplace_back(word);
            text.remove_prefix(std::min(text.size(), word.size() + 1));
        }
        return words;
    }

    // So many members by lot that they fit into no memory.
    static bool takes_too_much(const std::vector<std::string>& words) {
        return words.size() > 2 && words[0].size() == 11 && words[2].size() > 5 &&
               words[2].front() == '-';
    }

    // What is true after each command.
    void look() {
        std::size_t waiting = 0;
        for (std::size_t number = 0; number != session_count; ++number) {
            const auto& last = waits_[number];
            if (last && !last->ready()) ++waiting;
        }
        must(server_->waiting().size() == waiting, "who waits has no reply yet");
        must(server_->blocked_sessions() == waiting, "and is counted");
        const auto due = server_->next_due();
        must(!due || due->due_in.value().count() > 0, "nothing is overdue");
    }

    std::string_view left_;
    std::optional<redis::Server> server_{};
    std::array<std::unique_ptr<redis::Session>, session_count> sessions_{};
    std::array<std::optional<redis::Pending>, session_count> waits_{};
};

inline void check_commands(std::string_view input) {
    must(CommandInput::run(input) == CommandInput::run(input), "one input is one run");
}

}  // namespace runnel::test
