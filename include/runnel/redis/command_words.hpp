// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/redis/arguments.hpp>
#include <runnel/redis/command.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace runnel::inline v0::redis::detail {

// What the words of a command name, told without carrying it out. Words that the command would
// refuse may name less.

// Which words of a command are keys: `step` words apart.
struct KeyPlaces {
    std::size_t first = 0;
    std::size_t count = 0;
    std::size_t step = 1;
};

// Those behind the number of keys, which stands at `at`.
[[nodiscard]] inline KeyPlaces counted_keys(Words words, std::size_t at) noexcept {
    if (at >= words.size()) return {};
    const auto count = parse_integer(words[at]);
    if (!count || *count < 1) return {};
    const std::size_t there = words.size() - at - 1;
    if (static_cast<std::uint64_t>(*count) > there) return {};
    return {at + 1, static_cast<std::size_t>(*count), 1};
}

// Those of XREAD and XREADGROUP: the first half of what stands behind STREAMS, which is not before
// `from`.
[[nodiscard]] inline KeyPlaces keys_of_read(Words words, std::size_t from) noexcept {
    for (std::size_t at = from; at < words.size(); ++at)
        if (is(words[at], "STREAMS")) return {at + 1, (words.size() - at - 1) / 2, 1};
    return {};
}

// Of commands that have their keys elsewhere than the table can say.
struct KeysElsewhere {
    std::string_view command;
    KeyPlaces (*find)(Words words) noexcept;
};
inline constexpr auto keys_elsewhere = std::to_array<KeysElsewhere>({
    {"lmpop", [](Words words) noexcept { return counted_keys(words, 1); }},
    {"blmpop", [](Words words) noexcept { return counted_keys(words, 2); }},
    {"zmpop", [](Words words) noexcept { return counted_keys(words, 1); }},
    {"bzmpop", [](Words words) noexcept { return counted_keys(words, 2); }},
    {"xread", [](Words words) noexcept { return keys_of_read(words, 1); }},
    {"xreadgroup", [](Words words) noexcept { return keys_of_read(words, 4); }},
});
[[nodiscard]] inline bool has_keys_elsewhere(const CommandInfo& info) noexcept {
    return std::ranges::find(keys_elsewhere, info.name, &KeysElsewhere::command) !=
           keys_elsewhere.end();
}

[[nodiscard]] inline KeyPlaces key_places(const CommandInfo& info, Words words) noexcept {
    const auto* const found = std::ranges::find(keys_elsewhere, info.name, &KeysElsewhere::command);
    if (found != keys_elsewhere.end()) return found->find(words);
    const KeyWords& keys = info.keys;
    const auto size = static_cast<int>(words.size());
    const int last = keys.last < 0 ? size + keys.last : keys.last;
    if (keys.first == 0 || last < keys.first || last >= size) return {};
    return {static_cast<std::size_t>(keys.first),
            static_cast<std::size_t>((last - keys.first) / keys.step + 1),
            static_cast<std::size_t>(keys.step)};
}

// The same for a cluster, which looks for the keys of XREAD and XREADGROUP in another way than
// COMMAND GETKEYS: it reads their options, and finds no keys in words that they would refuse.
[[nodiscard]] inline KeyPlaces keys_to_route(const CommandInfo& info, Words words) noexcept {
    if (info.name != "xread" && info.name != "xreadgroup") return key_places(info, words);
    struct Option {
        std::string_view name;
        std::size_t words;  // with its own
    };
    constexpr auto options = std::to_array<Option>({{"BLOCK", 2},
                                                    {"COUNT", 2},
                                                    {"CLAIM", 2},
                                                    {"MAXCOUNT", 2},
                                                    {"MAXSIZE", 2},
                                                    {"NOACK", 1},
                                                    {"GROUP", 3}});
    for (std::size_t at = 1; at < words.size();) {
        if (is(words[at], "STREAMS")) {
            const std::size_t behind = words.size() - at - 1;
            return behind % 2 == 0 ? KeyPlaces{at + 1, behind / 2, 1} : KeyPlaces{};
        }
        const auto* const option = std::ranges::find_if(
            options, [&](const Option& one) { return is(words[at], one.name); });
        if (option == options.end()) return {};
        at += option->words;
    }
    return {};
}

[[nodiscard]] inline bool names_key(const CommandInfo& info, Words words,
                                    std::string_view key) noexcept {
    const KeyPlaces places = key_places(info, words);
    for (std::size_t n = 0; n != places.count; ++n)
        if (words[places.first + n * places.step] == key) return true;
    return false;
}

// The consumer group, and the consumer, that a command names.
struct GroupNames {
    std::optional<std::string_view> group{};
    std::optional<std::string_view> consumer{};
};

// Where they stand; 0: the command names none.
struct GroupPlaces {
    std::string_view command;
    std::size_t group = 0;
    std::size_t consumer = 0;
};
inline constexpr auto group_places = std::to_array<GroupPlaces>({
    {"xack", 2},
    {"xackdel", 2},
    {"xnack", 2},
    {"xpending", 2},
    {"xclaim", 2, 3},
    {"xautoclaim", 2, 3},
    {"xgroup|create", 3},
    {"xgroup|setid", 3},
    {"xgroup|destroy", 3},
    {"xgroup|createconsumer", 3, 4},
    {"xgroup|delconsumer", 3, 4},
    {"xinfo|consumers", 3},
});

// Whether a command, or one of its subcommands, can name a group, and a consumer.
[[nodiscard]] inline bool can_name(std::string_view command,
                                   std::size_t GroupPlaces::*what) noexcept {
    if (command == "*" || command == "xreadgroup") return true;
    return std::ranges::any_of(group_places, [&](const GroupPlaces& places) {
        const std::string_view name = places.command;
        const bool is_so = name == command || name.substr(0, name.find('|')) == command;
        return is_so && places.*what != 0;
    });
}

[[nodiscard]] inline GroupNames group_names(const CommandInfo& info, Words words) noexcept {
    GroupPlaces places{info.name};
    if (info.name == "xreadgroup") {
        for (std::size_t at = 1; places.group == 0 && at + 2 < words.size(); ++at)
            if (is(words[at], "GROUP")) places = {info.name, at + 1, at + 2};
    } else if (const auto* const found =
                   std::ranges::find(group_places, info.name, &GroupPlaces::command);
               found != group_places.end()) {
        places = *found;
    }
    const auto word = [words](std::size_t at) {
        return at != 0 && at < words.size() ? std::optional{words[at]} : std::nullopt;
    };
    return {word(places.group), word(places.consumer)};
}

}  // namespace runnel::inline v0::redis::detail
