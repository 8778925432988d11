// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/detail/base/reserve.hpp>
#include <runnel/redis/arguments.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/command_words.hpp>
#include <runnel/redis/reply.hpp>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::detail {

// What happens to one command instead of, or beside, what it asks for.
struct Strike {
    std::optional<Reply> answer{};     // it is not carried out
    bool refuses = false;              // the answer is as of a command that Redis does not take
    std::chrono::nanoseconds delay{};  // it is carried out so much later
    std::chrono::nanoseconds step{};   // the wall clock is moved before
    bool drops = false;                // the session is closed before
    bool loses_reply = false;          // the session is closed after
    bool is_twice = false;
    bool ends = false;  // the session is closed after, but gets its reply

    // Several strikes at one command: the first answer counts, the first step, the longest delay.
    void add(const Strike& other) noexcept {
        if (!answer) {
            answer = other.answer;
            refuses = other.refuses;
        }
        if (step == step.zero()) step = other.step;
        delay = std::max(delay, other.delay);
        drops |= other.drops;
        loses_reply |= other.loses_reply;
        is_twice |= other.is_twice;
    }
};

// A command as faults see it.
struct StruckCommand {
    const CommandInfo* info;  // null: there is no such command
    Words words;
    std::int64_t session;
    std::string_view session_name;
    bool is_in_transaction;  // or ends one
};

// A fault: at which commands, at which of them, and what happens. Guarded by the server's lock.
struct FaultRule {
    // At which commands; each that is not there does not matter.
    std::string command{};  // as in the table; "*": any
    std::optional<std::string> key{};
    std::optional<std::string> group{};
    std::optional<std::string> consumer{};
    std::optional<std::int64_t> session{};
    std::optional<std::string> session_name{};
    // At which of them.
    std::optional<std::uint64_t> nth{};
    std::uint64_t most = std::numeric_limits<std::uint64_t>::max();
    std::optional<double> chance{};
    std::mt19937_64 random{};
    // What happens.
    Strike strike{};
    bool crashes = false;
    std::string text{};  // as it was written

    std::uint64_t seen = 0;
    std::uint64_t fired = 0;
    std::vector<std::string> crashed{};  // consumers
    std::string crashing{};              // the consumer of the command that it may fire at

    [[nodiscard]] bool is_at(const StruckCommand& at) const noexcept {
        if (command != "*" && at.info->name != command && !is_container_of(at.info->name))
            return false;
        if (key && !names_key(*at.info, at.words, *key)) return false;
        if (strike.is_twice && at.is_in_transaction) return false;
        if (session && *session != at.session) return false;
        if (session_name && *session_name != at.session_name) return false;
        if (!group && !consumer) return true;
        const GroupNames names = group_names(*at.info, at.words);
        return (!group || names.group == *group) && (!consumer || names.consumer == *consumer);
    }

    // Of a command that it is at: whether it fires. Counts it.
    [[nodiscard]] bool fires() noexcept {
        ++seen;
        if (fired >= most || (nth && *nth != seen)) return false;
        constexpr double all = 18446744073709551616.0;  // 2^64
        if (chance && *chance < 1 && static_cast<double>(random()) >= *chance * all) return false;
        ++fired;
        if (!crashing.empty()) crashed.push_back(std::move(crashing));
        return true;
    }

    // Before fires(): has room for the consumer that may crash. Throws: std::bad_alloc.
    void prepare(const StruckCommand& at) {
        crashing.clear();
        if (!crashes) return;
        crashing = group_names(*at.info, at.words).consumer.value_or(std::string_view{});
        reserve_one_more(crashed);
    }
    [[nodiscard]] bool has_crashed(std::string_view name) const noexcept {
        return std::ranges::find(crashed, name) != crashed.end();
    }

private:
    [[nodiscard]] bool is_container_of(std::string_view name) const noexcept {
        return name.size() > command.size() && name[command.size()] == '|' &&
               name.starts_with(command);
    }
};

// The faults of a server. Guarded by its lock.
class FaultRules {
public:
    [[nodiscard]] bool empty() const noexcept { return rules_.empty(); }
    [[nodiscard]] const std::vector<std::shared_ptr<FaultRule>>& all() const noexcept {
        return rules_;
    }

    // Throws: std::bad_alloc.
    void add(std::shared_ptr<FaultRule> rule) { rules_.push_back(std::move(rule)); }
    void remove(FaultRule& rule) noexcept {
        std::erase_if(rules_, [&rule](const auto& one) { return one.get() == &rule; });
    }
    void clear() noexcept { rules_.clear(); }

    // What happens to a command. Throws: std::bad_alloc, and then no fault has fired.
    [[nodiscard]] Strike strike(const StruckCommand& at) {
        Strike all;
        if (at.info == nullptr) return all;
        for (const auto& rule : rules_)
            if (rule->is_at(at)) rule->prepare(at);
        if (is_of_crashed_consumer(at)) {
            all.drops = true;
            return all;
        }
        for (const auto& rule : rules_)
            if (rule->is_at(at) && rule->fires()) all.add(rule->strike);
        return all;
    }

private:
    [[nodiscard]] bool is_of_crashed_consumer(const StruckCommand& at) const noexcept {
        const auto consumer = group_names(*at.info, at.words).consumer;
        return consumer && std::ranges::any_of(rules_, [&](const auto& rule) {
                   return rule->has_crashed(*consumer);
               });
    }

    std::vector<std::shared_ptr<FaultRule>> rules_;
};

}  // namespace runnel::inline v0::redis::detail
