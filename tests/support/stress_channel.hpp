// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace runnel::test {

/// A message's number tells who has published it, and after which others of the same.
constexpr std::uint64_t numbered(std::uint64_t publisher, std::uint64_t count) {
    return (publisher + 1) << 40U | count;
}
constexpr std::uint64_t publisher_of(std::uint64_t number) {
    return (number >> 40U) - 1;
}

/// What one subscriber of one channel has got, and what it was told that it has missed.
struct Diary {
    struct Part {
        std::uint64_t missed;  // just before it
        std::vector<std::uint64_t> numbers;
    };

    std::string_view kind;
    std::size_t channel = 0;
    // How many messages the channel had had before and after it subscribed.
    std::uint64_t before = 0;
    std::uint64_t after = 0;
    std::vector<Part> parts{};
    std::uint64_t missed_at_the_end = 0;
    bool is_complete = false;  // it has read until the channel was closed
    bool may_miss = false;
    bool was_disconnected = false;
};

/// The order of a channel's messages, as one has seen it who got them all.
class Score {
public:
    explicit Score(const std::vector<std::uint64_t>& numbers) {
        for (const std::uint64_t number : numbers)
            positions_.emplace(number, positions_.size() + 1);
    }

    [[nodiscard]] std::uint64_t size() const { return positions_.size(); }

    /// 0: it was never published.
    [[nodiscard]] std::uint64_t position(std::uint64_t number) const {
        const auto found = positions_.find(number);
        return found == positions_.end() ? 0 : found->second;
    }

    /// Whether `diary` has every message since its beginning, each in its place or among those that
    /// were missed there.
    [[nodiscard]] bool agrees(const Diary& diary) const {
        std::uint64_t last = 0;
        bool has_begun = false;
        for (const Diary::Part& part : diary.parts) {
            std::uint64_t missed = part.missed;
            if (missed != 0 && !diary.may_miss) return false;
            for (const std::uint64_t number : part.numbers) {
                const std::uint64_t at = position(number);
                if (at <= missed) return false;
                if (!std::exchange(has_begun, true)) {
                    last = at - missed - 1;
                    if (last < diary.before || last > diary.after) return false;
                }
                if (at != last + missed + 1) return false;
                last = at;
                missed = 0;
            }
        }
        return ends_well(diary, last, has_begun);
    }

private:
    [[nodiscard]] bool ends_well(const Diary& diary, std::uint64_t last, bool has_begun) const {
        const std::uint64_t missed = diary.missed_at_the_end;
        if (missed != 0 && !diary.may_miss) return false;
        if (diary.was_disconnected) return last + missed <= size();
        if (!diary.is_complete) return missed == 0;
        if (has_begun) return last + missed == size();
        return diary.before + missed <= size() && size() <= diary.after + missed;
    }

    std::unordered_map<std::uint64_t, std::uint64_t> positions_;
};

/// What an inbox has got.
struct InboxDiary {
    std::string_view kind;
    std::vector<std::size_t> channels{};  // those that it has joined
    std::vector<std::uint64_t> numbers{};
    std::uint64_t before = 0;  // as above, of all these channels together
    std::uint64_t after = 0;
    std::uint64_t missed = 0;
    bool is_complete = false;
};

/// Whether `diary` follows the order of each channel and of each publisher, and lacks nothing but
/// what it was told that it has missed.
inline bool agree(const std::vector<Score>& scores, const InboxDiary& diary) {
    std::vector<std::uint64_t> last_in(scores.size());
    std::unordered_map<std::uint64_t, std::uint64_t> last_of;
    for (const std::uint64_t number : diary.numbers) {
        bool is_next = false;
        for (const std::size_t channel : diary.channels) {
            const std::uint64_t at = scores.at(channel).position(number);
            if (at == 0) continue;
            is_next = at > std::exchange(last_in.at(channel), at);
        }
        if (!is_next) return false;
        std::uint64_t& last = last_of[publisher_of(number)];
        if (number <= last) return false;
        last = number;
    }
    if (!diary.is_complete) return true;
    std::uint64_t all = 0;
    for (const std::size_t channel : diary.channels) all += scores.at(channel).size();
    const std::uint64_t got = diary.numbers.size() + diary.missed;
    return diary.before + got <= all && all <= diary.after + got;
}

}  // namespace runnel::test
