// SPDX-License-Identifier: MIT
#pragma once

// Plays a transcript to a server and compares what the clients get.

#include "redis/transcript.hpp"

#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

namespace runnel::test {

/// `Host` is the server and its clients, each of which is known by a letter:
///
///     void submit(char session, const std::vector<std::string>& words);
///     std::vector<redis::Reply> take_outputs(char session);   // those that were not yet taken
///     bool is_blocked(char session);                          // whether its last command waits
///     bool is_closed(char session);
///     std::int64_t client_id(char session);
///     std::int64_t now();                                     // Unix time in ms
///     void advance(std::chrono::milliseconds time);
///
/// And, if there is more that can happen than what clients do:
///
///     void operate(const std::vector<std::string>& words);    // throws BadTranscript
template <typename Host>
class TranscriptRun {
public:
    explicit TranscriptRun(Host& host) : host_{host} {}

    /// What differs first; empty if nothing does. Throws: BadTranscript.
    std::string run(const Transcript& transcript) {
        may_ignore_messages_ = !lists_messages(transcript);
        try {
            set_up_as_titled(transcript.title);
            for (const TranscriptLine& line : transcript.lines) play(line);
            expect_all_was_read("at the end");
        } catch (const Difference& difference) {
            return difference.text;
        }
        return {};
    }

private:
    using Kind = TranscriptLine::Kind;
    using Ms = std::chrono::milliseconds;

    // How long a command may block that a transcript shows as one that gets its reply.
    static constexpr Ms longest_wait{1'000};
    // The client that sets up what a transcript begins with.
    static constexpr char setup_session = 'S';

    struct Difference {
        std::string text;
    };

    void play(const TranscriptLine& line) {
        switch (line.kind) {
        case Kind::command:
            return play_command(line);
        case Kind::parks:
            return play_parked(line);
        case Kind::arrives:
            return expect_next(line);
        case Kind::nothing:
            return expect_nothing(line);
        case Kind::end:
            return expect_end(line);
        case Kind::operation:
            return operate(line);
        case Kind::wait:
            return host_.advance(line.time);
        case Kind::setup:
            return set_up(line.words);
        }
    }

    void play_command(const TranscriptLine& line) {
        send(line);
        for (Ms waited{}; unread(line.session).empty() && host_.is_blocked(line.session);) {
            if (waited == longest_wait) throw differ(line, "it blocks");
            host_.advance(Ms{1});
            waited += Ms{1};
        }
        expect_next(line);
        if (host_.is_blocked(line.session)) throw differ(line, "it blocks, too");
    }

    void play_parked(const TranscriptLine& line) {
        send(line);
        expect_nothing(line);
        if (!host_.is_blocked(line.session)) throw differ(line, "it does not block");
    }

    void send(const TranscriptLine& line) {
        expect_all_was_read("before " + line.text);
        std::vector<std::string> words = line.words;
        for (std::string& word : words) {
            if (word.size() == 2 && word[0] == '$') word = std::to_string(host_.client_id(word[1]));
            if (const auto named = names_.values.find(word); named != names_.values.end())
                word = named->second;
        }
        host_.submit(line.session, words);
    }

    void expect_next(const TranscriptLine& line) {
        std::deque<redis::Reply>& queue = unread(line.session);
        if (queue.empty()) throw differ(line, "nothing");
        const redis::Reply reply = queue.front();
        queue.pop_front();
        names_.now = host_.now();
        if (!ReplyMatcher{names_}.matches(*line.reply, reply)) throw differ(line, printed(reply));
        if (!line.name.empty()) names_.values[line.name] = reply.text();
    }

    void expect_nothing(const TranscriptLine& line) {
        const std::deque<redis::Reply>& queue = unread(line.session);
        if (!queue.empty()) throw differ(line, printed(queue.front()));
    }

    void expect_end(const TranscriptLine& line) {
        expect_nothing(line);
        if (!host_.is_closed(line.session)) throw differ(line, "it is connected");
    }

    void operate(const TranscriptLine& line) {
        expect_all_was_read("before " + line.text);
        if constexpr (requires { host_.operate(line.words); })
            host_.operate(line.words);
        else
            throw BadTranscript{"the host cannot do that: " + line.text};
    }

    // A transcript that shows no message at all may leave out those that are delivered in it.
    void expect_all_was_read(const std::string& when) {
        for (auto& [session, queue] : unread_) {
            unread(session);
            if (may_ignore_messages_) std::erase_if(queue, is_message);
            if (queue.empty()) continue;
            throw Difference{when + ", " + session +
                             " has got what is not shown: " + printed(queue.front())};
        }
    }

    std::deque<redis::Reply>& unread(char session) {
        std::deque<redis::Reply>& queue = unread_[session];
        for (redis::Reply& reply : host_.take_outputs(session)) queue.push_back(std::move(reply));
        return queue;
    }

    static bool is_message(const redis::Reply& reply) {
        const bool has_elements =
            reply.kind() == redis::Reply::Kind::array || reply.kind() == redis::Reply::Kind::push;
        if (!has_elements || reply.elements().size() < 3) return false;
        const redis::Reply& first = reply.elements()[0];
        return first.kind() == redis::Reply::Kind::bulk_string && names_message(first.text());
    }
    static bool names_message(std::string_view word) {
        return word == "message" || word == "pmessage" || word == "smessage";
    }
    static bool lists_messages(const Transcript& transcript) {
        for (const TranscriptLine& line : transcript.lines)
            if (line.kind == Kind::arrives && !line.reply->elements.empty() &&
                names_message(line.reply->elements[0].text))
                return true;
        return false;
    }

    // What a title promises beside the lines.
    void set_up_as_titled(const std::string& title) {
        constexpr std::string_view promise = "Setup: ";
        const std::size_t found = title.find(promise);
        if (found == std::string::npos) return;
        const std::string_view what = std::string_view{title}.substr(found + promise.size());
        if (what == "s1, s2 with entries 1-0, 2-0, 3-0 each") {
            for (const char* const key : {"s1", "s2"})
                for (const char* const id : {"1-0", "2-0", "3-0"})
                    set_up_by({"XADD", key, id, "f", "v"});
        } else if (what != "250 entries `1-1`…`250-1`" &&
                   what != "30 pending, 1-0…25-0 fresh, 26-0…30-0 idle ≥ 50 ms") {
            throw BadTranscript{"unknown setup: " + std::string{what}};
        }
    }

    void set_up(const std::vector<std::string>& words) {
        if (words == std::vector<std::string>{"idle30"}) return set_up_30_pending();
        int count = 0;
        const std::string& word = words.at(0);
        const auto [end, problem] = std::from_chars(word.data(), word.data() + word.size(), count);
        if (words.size() != 1 || problem != std::errc{} || end != word.data() + word.size())
            throw BadTranscript{"unknown setup"};
        set_up_entries(count);
    }

    void set_up_entries(int count) {
        for (int ms = 1; ms <= count; ++ms)
            set_up_by({"XADD", "t", std::to_string(ms) + "-1", "f", "v"});
    }

    // 26-0 to 30-0 have been idle for at least 50 ms, the others have not.
    void set_up_30_pending() {
        for (int ms = 1; ms <= 30; ++ms)
            set_up_by({"XADD", "s", std::to_string(ms) + "-0", "f", "v"});
        set_up_by({"XGROUP", "CREATE", "s", "g", "0"});
        set_up_by({"XREADGROUP", "GROUP", "g", "A", "STREAMS", "s", ">"});
        host_.advance(Ms{60});
        std::vector<std::string> claim{"XCLAIM", "s", "g", "A", "0"};
        for (int ms = 1; ms <= 25; ++ms) claim.push_back(std::to_string(ms) + "-0");
        claim.emplace_back("JUSTID");
        set_up_by(claim);
    }

    void set_up_by(const std::vector<std::string>& words) {
        host_.submit(setup_session, words);
        const std::vector<redis::Reply> replies = host_.take_outputs(setup_session);
        if (replies.size() != 1 || replies[0].is_error())
            throw Difference{"the setup failed at " + words[0] +
                             (replies.empty() ? "" : ": " + printed(replies[0]))};
    }

    static std::string printed(const redis::Reply& reply) {
        std::ostringstream out;
        out << reply;
        return out.str();
    }
    static Difference differ(const TranscriptLine& line, const std::string& found) {
        return {"line " + std::to_string(line.number) + ": " + line.text + "\nbut: " + found};
    }

    Host& host_;
    TranscriptNames names_{};
    std::map<char, std::deque<redis::Reply>> unread_{};
    bool may_ignore_messages_ = false;
};

}  // namespace runnel::test
