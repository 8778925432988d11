// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/version.hpp>

#include <runnel/redis/command.hpp>
#include <runnel/redis/reply.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <vector>

namespace runnel::inline v0::redis {

/// What a server has done for a session: an entry of Server::log().
struct LoggedCommand {
    enum class What : std::uint8_t {
        replied,  ///< the command was carried out and has replied
        pushes,   ///< the same, but its answers are pushes, as those of SUBSCRIBE are
        waits,    ///< the command waits, as BLPOP does
        later,    ///< a command that waited has replied
        lost,     ///< the command was carried out, but the session did not get its reply: a fault
        closed,   ///< a fault closed the session before, or it was closed while the command waited
        failed,   ///< a command that waited found no memory, and has done nothing
    };

    std::chrono::milliseconds at{};  ///< since the server began, by its clock
    std::int64_t session = 0;        ///< Session::id()
    What what = What::replied;
    std::vector<std::string> words{};  ///< none when a command that waited ends
    Reply reply{};                     ///< with `replied` and `later`

    /// A line without an end: `0.000 1> RPUSH jobs one -> :1`. A reply stands as in the protocol of
    /// Redis, in one line: `+OK`, `-ERR text`, `:1`, `"text"`, `["one", "two"]`, `{"key": :1}`,
    /// `(nil)`.
    [[nodiscard]] friend std::string to_string(const LoggedCommand& logged) {
        return logged.line();
    }

private:
    [[nodiscard]] std::string line() const;
};

namespace detail {

// ---- as text

[[nodiscard]] inline std::string quoted_bytes(std::string_view bytes) {
    std::string text{'"'};
    for (const char c : bytes) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            text += '\\';
            text += c;
        } else if (byte >= ' ' && byte < 0x7F) {
            text += c;
        } else {
            constexpr std::string_view digits = "0123456789abcdef";
            text += "\\x";
            text += digits[byte / 16];
            text += digits[byte % 16];
        }
    }
    return text + '"';
}

[[nodiscard]] inline std::string logged_word(std::string_view word) {
    const auto is_plain = [](char c) { return c > ' ' && c < 0x7F && c != '"' && c != '\\'; };
    return !word.empty() && std::ranges::all_of(word, is_plain) ? std::string{word}
                                                                : quoted_bytes(word);
}

[[nodiscard]] inline std::string logged_reply(const Reply& reply);

// The elements of an aggregate; `between` stands between a key and its value.
// NOLINTNEXTLINE(misc-no-recursion): as deep as the reply is
[[nodiscard]] inline std::string logged_elements(const Reply& reply, std::string_view between) {
    std::string text;
    std::size_t at = 0;
    for (const Reply& element : reply.elements()) {
        if (at != 0) text += at % 2 != 0 ? between : std::string_view{", "};
        text += logged_reply(element);
        ++at;
    }
    return text;
}

// NOLINTNEXTLINE(misc-no-recursion): as deep as the reply is
[[nodiscard]] inline std::string logged_reply(const Reply& reply) {
    using Kind = Reply::Kind;
    switch (reply.kind()) {
    case Kind::simple_string:
        return '+' + reply.text();
    case Kind::error:
        return '-' + reply.text();
    case Kind::integer:
        return ':' + std::to_string(reply.integer());
    case Kind::bulk_string:
        return quoted_bytes(reply.text());
    case Kind::array:
        return '[' + logged_elements(reply, ", ") + ']';
    case Kind::set:
        return "~[" + logged_elements(reply, ", ") + ']';
    case Kind::push:
        return ">[" + logged_elements(reply, ", ") + ']';
    case Kind::map:
        return '{' + logged_elements(reply, ": ") + '}';
    default:
        return to_string(reply);
    }
}

// ---- kept

// The latest of what a server has done. Guarded by its lock.
class CommandLog {
public:
    using Entries = std::list<LoggedCommand>;

    explicit CommandLog(std::size_t most) noexcept : most_{most} {}

    [[nodiscard]] bool is_kept() const noexcept { return most_ != 0; }
    [[nodiscard]] const Entries& entries() const noexcept { return entries_; }

    // To commit. `entry` has one.
    void add(Entries& entry) noexcept {
        entries_.splice(entries_.end(), entry);
        if (entries_.size() > most_) entries_.pop_front();
    }

private:
    std::size_t most_;
    Entries entries_;
};

// What will be said of a command: room for it, and for what is said later if the command waits.
struct LogRoom {
    CommandLog::Entries now{};
    CommandLog::Entries later{};

    // Throws: std::bad_alloc.
    LogRoom(std::int64_t session, Words words) {
        now.push_back({.session = session, .words = {words.begin(), words.end()}});
        later.push_back({.session = session, .what = LoggedCommand::What::later});
    }
};

}  // namespace detail

inline std::string LoggedCommand::line() const {
    const auto milliseconds = static_cast<long long>(at.count());
    std::string text = std::to_string(milliseconds / 1000) + '.';
    const std::string fraction = std::to_string(milliseconds % 1000);
    text.append(3 - fraction.size(), '0').append(fraction);
    text.append(" ").append(std::to_string(session)).append(words.empty() ? "<" : ">");
    for (const std::string& word : words) text.append(" ").append(detail::logged_word(word));
    if (!words.empty()) text += " ->";
    switch (what) {
    case What::pushes:
        return text + " (pushes)";
    case What::waits:
        return text + " (waits)";
    case What::lost:
        return text + " (lost)";
    case What::closed:
        return text + " (closed)";
    case What::failed:
        return text + " (failed)";
    default:
        return text + ' ' + detail::logged_reply(reply);
    }
}

}  // namespace runnel::inline v0::redis
