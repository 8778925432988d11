// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/redis/profile.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/value.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::detail {

// The words of a command, its name first.
using Words = std::span<const std::string_view>;

// Words that are kept: of a command that is queued or parked.
class OwnedWords {
public:
    OwnedWords() = default;
    // Throws: std::bad_alloc.
    explicit OwnedWords(Words words) : words_(words.begin(), words.end()) { show_all(); }
    OwnedWords(OwnedWords&&) noexcept = default;
    OwnedWords& operator=(OwnedWords&&) noexcept = default;
    OwnedWords(const OwnedWords&) = delete;
    OwnedWords& operator=(const OwnedWords&) = delete;
    ~OwnedWords() = default;

    [[nodiscard]] Words get() const noexcept { return views_; }
    void replace(std::size_t at, std::string word) noexcept {
        words_[at] = std::move(word);
        views_[at] = words_[at];
    }

private:
    void show_all() { views_.assign(words_.begin(), words_.end()); }

    std::vector<std::string> words_;
    std::vector<std::string_view> views_;
};

// What of a command's treatment differs from that of most; may be combined.
enum class Flag : std::uint16_t {
    none = 0,
    container = 1,        // it has subcommands, which stand in the table as "xgroup|create"
    when_subscribed = 2,  // a session of RESP2 that subscribes may send it
    not_queued = 4,       // carried out at once between MULTI and EXEC
    write = 8,
    blocking = 16,
    looks_on = 32,     // leaves the idle time of a key as it is: TYPE, TTL and the like
    uses_anyhow = 64,  // ends it, whatever CLIENT NO-TOUCH says: TOUCH
    of_shard = 128,    // about shard channels, whose names have slots as keys do
    no_auth = 256,     // a client that has not authenticated may send it
};
[[nodiscard]] constexpr Flag operator|(Flag one, Flag other) noexcept {
    return static_cast<Flag>(static_cast<std::uint16_t>(one) | static_cast<std::uint16_t>(other));
}

// Which words are keys: from `first` to `last` (negative: from the end), each `step`-th. Commands
// whose words tell how many keys there are have none here.
struct KeyWords {
    int first = 0;
    int last = 0;
    int step = 0;
};

class Call;

// Carries out one command. Throws Refusal or std::bad_alloc, and then has changed nothing.
using Handler = Reply (*)(Call& call);

struct CommandInfo {
    std::string_view name;  // in small letters; a subcommand as "xgroup|create"
    int arity = 0;          // how many words it has; negative: at least so many
    Flag flags = Flag::none;
    KeyWords keys{};
    Since since{};
    Handler handler = nullptr;
    std::span<const NewerPart> newer_parts{};

    // Whether that version of Redis has the option, the id, or the field of its reply.
    [[nodiscard]] constexpr bool has(std::string_view part, Since version) const noexcept {
        const auto found = std::ranges::find(newer_parts, part, &NewerPart::name);
        return found == newer_parts.end() || found->since <= version;
    }
    [[nodiscard]] constexpr bool has(Flag flag) const noexcept {
        return (static_cast<std::uint16_t>(flags) & static_cast<std::uint16_t>(flag)) != 0;
    }
    [[nodiscard]] constexpr bool takes(std::size_t words) const noexcept {
        const auto count = static_cast<int>(words);
        return arity >= 0 ? count == arity : count >= -arity;
    }
};

// What a handler throws: the reply of a command that is refused.
struct Refusal {
    Reply reply;
};

// The reply of a command that a node of a cluster does not serve.
struct Redirection {
    Reply reply;
};

}  // namespace runnel::inline v0::redis::detail
