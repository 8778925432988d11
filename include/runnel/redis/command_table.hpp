// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/redis/arguments.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/subcommands.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace runnel::inline v0::redis::detail {

// All commands there are.
class CommandTable {
public:
    [[nodiscard]] static const CommandTable& get() {
        static const CommandTable table;
        return table;
    }

    [[nodiscard]] const std::vector<const CommandInfo*>& all() const noexcept { return rows_; }

    // Null: there is none of that name, in small letters.
    [[nodiscard]] const CommandInfo* find(std::string_view name) const noexcept {
        const auto found = by_name_.find(name);
        return found == by_name_.end() ? nullptr : found->second;
    }

    // The command or subcommand that the words call, in that version of Redis. Null: there is none.
    [[nodiscard]] const CommandInfo* find(Words words, Since version) const noexcept {
        const CommandInfo* const info = find_in_any_case({}, words[0], version);
        if (info == nullptr || !info->has(Flag::container) || words.size() == 1) return info;
        return find_in_any_case(info->name, words[1], version);
    }

    // The name of a command, or of a container and a subcommand with a blank between them, as it
    // stands in the table. Throws: std::bad_alloc.
    [[nodiscard]] static std::string name_of(std::string_view written) {
        std::string name = in_small_letters(written);
        std::ranges::replace(name, ' ', '|');
        return name;
    }

    // The command, or the subcommand, as in "xgroup|create"; case does not matter. Null: there is
    // none.
    [[nodiscard]] const CommandInfo* find_in_any_case(std::string_view name,
                                                      Since version) const noexcept {
        const std::size_t end = name.find('|');
        if (end == std::string_view::npos) return find_in_any_case({}, name, version);
        const CommandInfo* const container = find_in_any_case({}, name.substr(0, end), version);
        if (container == nullptr || !container->has(Flag::container)) return nullptr;
        return find_in_any_case(container->name, name.substr(end + 1), version);
    }

    // As find(). Throws: Refusal, if there is none or it does not take that many words.
    [[nodiscard]] const CommandInfo& look_up(Words words, Since version) const {
        const CommandInfo* info = find_in_any_case({}, words[0], version);
        if (info == nullptr) refuse_unknown(words);
        if (info->has(Flag::container) && words.size() > 1) {
            const CommandInfo* const sub = find_in_any_case(info->name, words[1], version);
            if (sub == nullptr) refuse_subcommand(*info, words[1]);
            info = sub;
        }
        if (!info->takes(words.size()) || info->handler == nullptr)
            refuse("ERR wrong number of arguments for '" + std::string{info->name} + "' command");
        return *info;
    }

private:
    CommandTable();  // in all_commands.hpp

    void add(std::span<const CommandInfo> family) {
        for (const CommandInfo& row : family) rows_.push_back(&row);
    }
    template <typename... Families>
    void add_all(const Families&... families) {
        (add(families), ...);
    }

    // Of a subcommand, `container` is its container's name.
    [[nodiscard]] const CommandInfo* find_in_any_case(std::string_view container,
                                                      std::string_view word,
                                                      Since version) const noexcept {
        constexpr std::size_t longest = 64;  // of all names
        std::array<char, longest> name{};
        if (container.size() + 1 + word.size() > longest) return nullptr;
        auto* end = std::ranges::copy(container, name.begin()).out;
        if (!container.empty()) *end++ = '|';
        end = std::ranges::transform(word, end, to_lower).out;
        if (container.empty() && word.find('|') != std::string_view::npos) return nullptr;
        const CommandInfo* const info =
            find({name.data(), static_cast<std::size_t>(end - name.begin())});
        return info != nullptr && info->since <= version ? info : nullptr;
    }

    [[noreturn]] static void refuse_unknown(Words words) {
        std::string arguments;
        for (const std::string_view word : words.subspan(1)) {
            if (arguments.size() >= most_shown) break;
            arguments += '\'';
            arguments += as_c_string(word).substr(0, most_shown - (arguments.size() - 1));
            arguments += "' ";
        }
        refuse("ERR unknown command '" + std::string{shown(words[0])} +
               "', with args beginning with: " + arguments);
    }

    [[noreturn]] static void refuse_subcommand(const CommandInfo& container,
                                               std::string_view word) {
        refuse("ERR unknown subcommand '" + std::string{shown(word)} + "'. Try " +
               in_capitals(container.name) + " HELP.");
    }

    std::vector<const CommandInfo*> rows_;
    std::unordered_map<std::string_view, const CommandInfo*> by_name_;
};

}  // namespace runnel::inline v0::redis::detail
