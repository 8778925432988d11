// SPDX-License-Identifier: MIT
#pragma once

#include <runnel/ack.hpp>
#include <runnel/detail/core/group_state.hpp>
#include <runnel/redis/arguments.hpp>
#include <runnel/redis/call.hpp>
#include <runnel/redis/change.hpp>
#include <runnel/redis/command.hpp>
#include <runnel/redis/group_steps.hpp>
#include <runnel/redis/replies.hpp>
#include <runnel/redis/reply.hpp>
#include <runnel/redis/stream_value.hpp>
#include <runnel/redis/stream_words.hpp>
#include <runnel/stream_id.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace runnel::inline v0::redis::detail {

// ---- XPENDING key group [[IDLE min-idle] start end count [consumer]]

[[nodiscard]] inline Reply pending_summary(const Call& call, const GroupState& group) {
    const PendingEntries& pending = group.pending();
    if (pending.size() == 0)
        return Reply::array({Reply::integer(0), call.null(), call.null(), call.null_array()});
    std::vector<Reply> consumers;
    for (const auto& [name, consumer] : group.consumers())
        if (consumer.pending != 0)
            consumers.push_back(Reply::array(
                {Reply::bulk_string(name), Reply::bulk_string(std::to_string(consumer.pending))}));
    return Reply::array({reply_count(pending.size()), reply_of(PendingEntries::id(pending.first())),
                         reply_of(PendingEntries::id(pending.last())),
                         Reply::array(std::move(consumers))});
}

struct PendingWords {
    GroupState::Listed range{};
    std::optional<std::string_view> consumer{};
};

[[nodiscard]] inline PendingWords pending_words(const Call& call) {
    constexpr std::size_t least_words = 6;
    constexpr std::size_t most_words = 9;
    if (call.size() < least_words || call.size() > most_words) refuse_syntax();
    PendingWords words;
    std::size_t at = 3;
    if (is(call[at], "IDLE")) {
        words.range.min_idle = call.integer(at + 1);
        if (call.size() < least_words + 2) refuse_syntax();
        at += 2;
    }
    words.range.count = static_cast<std::size_t>(std::max<std::int64_t>(0, call.integer(at + 2)));
    words.range.first = range_first(call[at]);
    words.range.last = range_last(call[at + 1]);
    if (call.size() > at + 3) words.consumer = call[at + 3];
    return words;
}

[[nodiscard]] inline Reply pending_list(const Call& call, const GroupState& group,
                                        const PendingWords& words) {
    std::vector<Reply> entries;
    group.list(
        words.range, words.consumer, call.now(),
        [&](const Pending& entry, const ConsumerRecord* owner, Milliseconds idle) {
            entries.push_back(Reply::array(
                {reply_of(entry.id),
                 Reply::bulk_string(owner != nullptr ? *owner->name : std::string{}),
                 Reply::integer(owner != nullptr ? idle : -1), reply_count(entry.deliveries)}));
        });
    return Reply::array(std::move(entries));
}

inline Reply xpending(Call& call) {
    const bool is_summary = call.size() == 3;
    const PendingWords words = is_summary ? PendingWords{} : pending_words(call);
    const GroupAt at = group_of(call, call[1], call[2]);
    return is_summary ? pending_summary(call, *at.group) : pending_list(call, *at.group, words);
}

// ---- XCLAIM key group consumer min-idle id… [option…]

struct ClaimWords {
    std::vector<StreamId> ids{};
    ClaimRules rules{};
    bool is_only_ids = false;
    StreamId last_id{};
};

// Reads the options behind the ids.
class ClaimOptionReader {
public:
    ClaimOptionReader(const Call& call, ClaimWords& words, std::size_t at) noexcept
        : call_{call}, words_{words}, at_{at} {}

    void read() {
        words_.rules.delivered = call_.now();
        for (; at_ != call_.size(); ++at_)
            if (!read_flag() && !read_time() && !read_value())
                refuse("ERR Unrecognized XCLAIM option '" + std::string{as_c_string(call_[at_])} +
                       "'");
        // A time that makes no sense is taken for now, as in Redis.
        if (words_.rules.delivered < 0 || words_.rules.delivered > call_.now())
            words_.rules.delivered = call_.now();
    }

private:
    bool read_flag() noexcept {
        if (is(call_[at_], "FORCE"))
            words_.rules.force = true;
        else if (is(call_[at_], "JUSTID"))
            words_.is_only_ids = true;
        else
            return false;
        words_.rules.counts = !words_.is_only_ids;
        return true;
    }

    bool read_time() {
        if (take("IDLE")) {
            const auto idle = integer_or(call_[at_], "ERR Invalid IDLE option argument for XCLAIM");
            words_.rules.delivered = idle < 0 ? call_.now() : call_.now() - idle;
        } else if (take("TIME")) {
            words_.rules.delivered =
                integer_or(call_[at_], "ERR Invalid TIME option argument for XCLAIM");
        } else {
            return false;
        }
        return true;
    }

    bool read_value() {
        if (take("RETRYCOUNT")) {
            const auto count =
                integer_or(call_[at_], "ERR Invalid RETRYCOUNT option argument for XCLAIM");
            words_.rules.deliveries.reset();
            if (count >= 0) words_.rules.deliveries = static_cast<std::uint64_t>(count);
        } else if (take("LASTID")) {
            words_.last_id = stream_id(call_[at_]);
        } else {
            return false;
        }
        return true;
    }

    // Goes on to the value of an option, if it is that and has one.
    bool take(std::string_view option) noexcept {
        if (!is(call_[at_], option) || at_ + 1 == call_.size()) return false;
        ++at_;
        return true;
    }

    const Call& call_;
    ClaimWords& words_;
    std::size_t at_;
};

[[nodiscard]] inline Milliseconds min_idle_of(std::string_view word, std::string_view error) {
    return std::max<std::int64_t>(0, integer_or(word, error));
}

[[nodiscard]] inline ClaimWords claim_words(const Call& call) {
    constexpr std::size_t ids_begin = 5;
    ClaimWords words;
    words.rules.min_idle = min_idle_of(call[4], "ERR Invalid min-idle-time argument for XCLAIM");
    std::size_t at = ids_begin;
    for (; at != call.size(); ++at) {
        const auto id = StreamId::parse(call[at]);
        if (!id) break;
        words.ids.push_back(*id);
    }
    ClaimOptionReader{call, words, at}.read();
    return words;
}

inline Reply xclaim(Call& call) {
    const GroupAt at = group_of(call, call[1], call[2]);
    const ClaimWords words = claim_words(call);
    GroupSteps steps{call};
    steps.raise_last_delivered(at, words.last_id);
    ConsumerRecord& consumer = steps.caller(at, call[3]);
    std::vector<Reply> claimed;
    for (const StreamId& id : words.ids) {
        const auto entry = at.stream->log.find(id);
        if (!entry)
            steps.drop(at, id);
        else if (steps.claim(at, id, consumer, words.rules))
            claimed.push_back(words.is_only_ids ? reply_of(id) : reply_of(entry));
    }
    Reply reply = Reply::array(std::move(claimed));
    steps.done();
    return reply;
}

// ---- XAUTOCLAIM key group consumer min-idle start [COUNT count] [JUSTID]

struct AutoclaimWords {
    Milliseconds min_idle = 0;
    StreamId start{};
    std::size_t count = 100;
    bool is_only_ids = false;
};

[[nodiscard]] inline AutoclaimWords autoclaim_words(const Call& call) {
    constexpr std::size_t options_begin = 6;
    constexpr std::size_t most = std::numeric_limits<std::int64_t>::max() / 16;
    AutoclaimWords words;
    words.min_idle = min_idle_of(call[4], "ERR Invalid min-idle-time argument for XAUTOCLAIM");
    words.start = range_first(call[5]);
    for (std::size_t at = options_begin; at != call.size(); ++at) {
        if (is(call[at], "JUSTID")) {
            words.is_only_ids = true;
        } else if (is(call[at], "COUNT") && at + 1 != call.size()) {
            constexpr std::string_view refusal = "ERR COUNT must be > 0";
            words.count = positive_count(call[++at], refusal);
            if (words.count > most) refuse(std::string{refusal});
        } else {
            refuse_syntax();
        }
    }
    return words;
}

inline Reply xautoclaim(Call& call) {
    const AutoclaimWords words = autoclaim_words(call);
    const GroupAt at = group_of(call, call[1], call[2]);
    const ClaimRules rules{.min_idle = words.min_idle,
                           .delivered = call.now(),
                           .counts = !words.is_only_ids,
                           .force = false};
    GroupSteps steps{call};
    ConsumerRecord& consumer = steps.caller(at, call[3]);
    std::vector<Reply> claimed;
    std::vector<Reply> deleted;
    const StreamId next = at.group->look_for_idle(
        words.start, words.count, words.min_idle, call.now(),
        [&](const StreamId& id) { return at.stream->log.find(id); },
        [&](PendingEntries::Place place, StreamValue::Place entry) {
            claimed.push_back(words.is_only_ids ? reply_of(entry.id()) : reply_of(entry));
            steps.take(at, PendingEntries::id(place), consumer, rules);
        },
        [&](const StreamId& id) {
            deleted.push_back(reply_of(id));
            steps.drop(at, id);
            return true;
        });
    Reply reply = Reply::array(
        {reply_of(next), Reply::array(std::move(claimed)), Reply::array(std::move(deleted))});
    steps.done();
    return reply;
}

// ---- XNACK key group SILENT|FAIL|FATAL IDS numids id… [RETRYCOUNT count] [FORCE]

struct NackWords {
    Nack mode = Nack::fail;
    Words ids{};
    std::optional<std::uint64_t> deliveries{};
    bool force = false;
};

[[nodiscard]] inline Nack nack_mode(std::string_view word) {
    if (is(word, "SILENT")) return Nack::silent;
    if (is(word, "FAIL")) return Nack::fail;
    if (is(word, "FATAL")) return Nack::fatal;
    refuse("ERR mode must be SILENT, FAIL, or FATAL");
}

// The ids behind "IDS <how many>", which stands at `at`.
[[nodiscard]] inline Words nack_ids(const Call& call, std::size_t at) {
    const std::size_t count = positive_count(call[at], "ERR numids must be a positive integer");
    const Words behind = call.words_from(at + 1);
    if (count > behind.size()) refuse("ERR number of IDs doesn't match numids");
    return behind.first(count);
}

[[nodiscard]] inline std::uint64_t retry_count(std::string_view word) {
    const std::int64_t count = integer(word);
    if (count < 0) refuse("ERR Invalid RETRYCOUNT value, must be >= 0");
    return static_cast<std::uint64_t>(count);
}

[[nodiscard]] inline NackWords nack_words(const Call& call) {
    constexpr std::size_t options_begin = 4;
    NackWords words;
    words.mode = nack_mode(call[3]);
    for (std::size_t at = options_begin; at != call.size(); ++at) {
        const bool has_value = at + 1 != call.size();
        if (is(call[at], "IDS") && has_value) {
            words.ids = nack_ids(call, ++at);
            at += words.ids.size();
        } else if (is(call[at], "RETRYCOUNT") && has_value) {
            words.deliveries = retry_count(call[++at]);
        } else if (is(call[at], "FORCE")) {
            words.force = true;
        } else {
            refuse("ERR Unrecognized XNACK option '" + std::string{as_c_string(call[at])} + "'");
        }
    }
    if (words.ids.empty()) refuse("ERR syntax error, expected IDS keyword");
    return words;
}

inline Reply xnack(Call& call) {
    const GroupAt at = group_of(call, call[1], call[2]);
    const NackWords words = nack_words(call);
    const std::vector<StreamId> ids = stream_ids(words.ids);
    GroupSteps steps{call};
    for (const StreamId& id : ids)
        if (words.force && at.stream->log.find(id)) steps.make_pending(at, id);
    steps.done();
    std::int64_t count = 0;
    for (const StreamId& id : ids) {
        if (!at.group->release(id, words.mode, nullptr, words.deliveries)) continue;
        ++count;
        call.tell(at.change(Change::What::released, id));
    }
    return Reply::integer(count);
}

inline constexpr auto pending_commands = std::to_array<CommandInfo>({
    {"xpending", -3, Flag::none, key_is_first, {5, 0}, xpending},
    {"xclaim", -6, Flag::write, key_is_first, {5, 0}, xclaim},
    {"xautoclaim", -6, Flag::write, key_is_first, {6, 2}, xautoclaim},
    {"xnack", -7, Flag::write, key_is_first, {8, 8}, xnack},
});

}  // namespace runnel::inline v0::redis::detail
