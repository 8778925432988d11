// SPDX-License-Identifier: MIT
#pragma once

// Transcripts: what clients send to a server, and what they get. README.md says how they are
// written.

#include "redis/expected_reply.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace runnel::test {

struct TranscriptLine {
    enum class Kind : std::uint8_t {
        command,    // A> PING → +PONG
        parks,      // A> BLPOP k 0 → …blocks
        arrives,    // A← "x"
        nothing,    // A← nothing
        end,        // A← end
        operation,  // *> move_slot 3300 1
        wait,       // wait 100
        setup,      // setup 250
    };

    Kind kind = Kind::setup;
    std::size_t number = 0;  // in the file
    std::string text{};
    char session = 'A';
    std::vector<std::string> words{};      // of the command, the operation or what is set up
    std::optional<ExpectedReply> reply{};  // of `command` and `arrives`
    std::string name{};                    // what the reply is called from now on, if anything
    std::chrono::milliseconds time{};      // of `wait`
};

struct Transcript {
    std::string name{};
    std::string title{};
    std::vector<TranscriptLine> lines{};
};

class TranscriptParser {
public:
    /// What `file` has in it. Throws: BadTranscript, which says where.
    static std::vector<Transcript> parse(std::string_view file) {
        std::vector<Transcript> transcripts;
        for (std::size_t number = 1; !file.empty(); ++number) {
            const std::string_view line = file.substr(0, file.find('\n'));
            file.remove_prefix(std::min(line.size() + 1, file.size()));
            try {
                add(transcripts, line, number);
            } catch (const BadTranscript& bad) {
                throw BadTranscript{"line " + std::to_string(number) + ": " + bad.what()};
            }
        }
        return transcripts;
    }

private:
    using Kind = TranscriptLine::Kind;

    static constexpr std::string_view arrow = " → ";
    static constexpr std::string_view arrival = "← ";

    static void add(std::vector<Transcript>& transcripts, std::string_view line,
                    std::size_t number) {
        if (line.empty()) return;
        if (line.starts_with("== ")) {
            transcripts.push_back(heading(line.substr(3)));
        } else {
            if (transcripts.empty()) throw BadTranscript{"it has no heading"};
            TranscriptLine parsed = parse_line(line);
            parsed.number = number;
            parsed.text = line;
            transcripts.back().lines.push_back(std::move(parsed));
        }
    }

    // X1 [run] title
    static Transcript heading(std::string_view text) {
        const std::size_t name = text.find(" [");
        const std::size_t title = text.find("] ");
        if (name == std::string_view::npos || title == std::string_view::npos || title < name)
            throw BadTranscript{"no name and title: " + std::string{text}};
        return {.name = std::string{text.substr(0, name)},
                .title = std::string{text.substr(title + 2)}};
    }

    static TranscriptLine parse_line(std::string_view line) {
        if (line.starts_with("setup "))
            return {.kind = Kind::setup, .words = split(line.substr(6))};
        if (line.starts_with("wait ")) return wait(line.substr(5));
        if (line == "cluster") return {.kind = Kind::operation, .words = {"cluster", "2", "0"}};
        if (line.starts_with("*> "))
            return {.kind = Kind::operation, .words = split(line.substr(3))};
        const char session = line.front();
        if (session < 'A' || session > 'Z') throw BadTranscript{"it begins with no session"};
        line.remove_prefix(1);
        if (line.starts_with("> ")) return command(session, line.substr(2));
        if (line.starts_with(arrival)) return arrives(session, line.substr(arrival.size()));
        throw BadTranscript{"not understood"};
    }

    static TranscriptLine command(char session, std::string_view line) {
        const std::size_t end = line.find(arrow);
        if (end == std::string_view::npos) throw BadTranscript{"no reply"};
        TranscriptLine parsed = with_reply(line.substr(end + arrow.size()));
        parsed.session = session;
        parsed.words = split(line.substr(0, end));
        return parsed;
    }

    static TranscriptLine arrives(char session, std::string_view reply) {
        if (reply == "nothing") return {.kind = Kind::nothing, .session = session};
        if (reply == "end") return {.kind = Kind::end, .session = session};
        TranscriptLine parsed = with_reply(reply);
        if (parsed.kind == Kind::parks) throw BadTranscript{"only a command blocks"};
        parsed.kind = Kind::arrives;
        parsed.session = session;
        return parsed;
    }

    static TranscriptLine with_reply(std::string_view text) {
        const std::string_view remark = take_remark(text);
        if (text == "…blocks") return {.kind = Kind::parks};
        TranscriptLine parsed{.kind = Kind::command, .reply = ReplyParser{text}.parse()};
        constexpr std::string_view call = "(call it ";
        if (remark.starts_with(call)) parsed.name = remark.substr(call.size(), 1);
        return parsed;
    }

    // Between parentheses, two blanks or more behind the reply.
    static std::string_view take_remark(std::string_view& text) {
        if (!text.ends_with(')')) return {};
        const std::size_t begin = text.rfind("  (");
        if (begin == std::string_view::npos) return {};
        const std::string_view remark = text.substr(begin + 2);
        text = text.substr(0, text.find_last_not_of(' ', begin) + 1);
        return remark;
    }

    static TranscriptLine wait(std::string_view text) {
        int time = 0;
        const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), time);
        if (problem != std::errc{} || end != text.data() + text.size())
            throw BadTranscript{"no number of milliseconds"};
        return {.kind = Kind::wait, .time = std::chrono::milliseconds{time}};
    }

    static std::vector<std::string> split(std::string_view text) {
        std::vector<std::string> words;
        while (!text.empty()) {
            if (text.front() == '"') {
                words.push_back(read_quoted(text));
            } else {
                const std::size_t size = std::min(text.find(' '), text.size());
                words.emplace_back(text.substr(0, size));
                text.remove_prefix(size);
            }
            if (!text.empty() && text.front() != ' ') throw BadTranscript{"no blank after a word"};
            if (!text.empty()) text.remove_prefix(1);
        }
        return words;
    }
};

}  // namespace runnel::test
