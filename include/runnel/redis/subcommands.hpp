// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/redis/arguments.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/reply.hpp>

#include <algorithm>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::detail {

// What commands such as XGROUP, which have subcommands, share.

[[nodiscard]] inline std::string in_capitals(std::string_view word) {
    std::string capitals{word};
    std::ranges::transform(capitals, capitals.begin(), to_upper);
    return capitals;
}

// The subcommand exists, but does not take these words. Throws: Refusal.
[[noreturn]] inline void refuse_subcommand_arguments(Words words) {
    refuse("ERR unknown subcommand or wrong number of arguments for '" +
           std::string{shown(words[1])} + "'. Try " + in_capitals(words[0]) + " HELP.");
}

// What the subcommand HELP answers; `lines` tell of the others.
[[nodiscard]] inline Reply help(Words words, std::initializer_list<std::string_view> lines) {
    std::vector<Reply> replies;
    replies.reserve(lines.size() + 3);
    replies.push_back(Reply::simple_string(
        in_capitals(words[0]) + " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"));
    for (const std::string_view line : lines)
        replies.push_back(Reply::simple_string(std::string{line}));
    replies.push_back(Reply::simple_string("HELP"));
    replies.push_back(Reply::simple_string("    Print this help."));
    return Reply::array(std::move(replies));
}

}  // namespace runnel::inline v0::redis::detail
